/**
 * check_server SERVER TOOL INDEX VECTORS.fvecs FOLDER: starts examples/server.c and talks to it: the answers of
 * `gosset search`, in any order of asking; queries that are none; clients that leave in the middle.
 */
#include "../../examples/fvecs.h"

#include <errno.h>
#include <gosset/gosset.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { K = 10, QUERIES = 200, AHEAD = 40 };

static gosset_vectors vectors;
static int32_t expected[QUERIES][K];
static const char *path; /* of the socket */

#define check(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                            \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

/* ---- a client ---------------------------------------------------------------------------------------------- */

static void receive(int socket, void *data, size_t size) {
    check(recv(socket, data, size, MSG_WAITALL) == (ssize_t)size);
}

static int dial(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const struct timeval patience = {.tv_sec = 20};
    uint32_t dimension;
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int client = socket(AF_UNIX, SOCK_STREAM, 0);
    for (int attempt = 0; connect(client, (struct sockaddr *)&address, sizeof address) != 0; attempt++) {
        check((errno == ENOENT || errno == ECONNREFUSED) && attempt < 1000); /* it is still opening the index */
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    receive(client, &dimension, 4);
    check(dimension == vectors.dimension);
    return client;
}

static void ask(int client, uint32_t number, uint32_t k, const void *vector) {
    char message[8 + 4 * 4096];
    const size_t size = 8 + 4 * vectors.dimension;
    memcpy(message, &number, 4);
    memcpy(message + 4, &k, 4);
    memcpy(message + 8, vector, 4 * vectors.dimension);
    check(send(client, message, size, MSG_NOSIGNAL) == (ssize_t)size);
}

static const void *row(size_t number) {
    return (const char *)vectors.data + number * vectors.stride;
}

typedef struct reply {
    uint32_t number;
    int32_t status;
    uint32_t count;
    uint64_t ids[100];
    float distances[100];
    char sentence[2000];
} reply;

static void hear(int client, reply *r) {
    receive(client, &r->number, 4);
    receive(client, &r->status, 4);
    receive(client, &r->count, 4);
    if (r->status == GOSSET_OK) {
        check(r->count <= 100);
        receive(client, r->ids, r->count * sizeof *r->ids);
        receive(client, r->distances, r->count * sizeof *r->distances);
    } else {
        check(r->count < sizeof r->sentence);
        receive(client, r->sentence, r->count);
        r->sentence[r->count] = 0;
    }
}

/* ---- what is asked ------------------------------------------------------------------------------------------- */

/* Several queries ahead, several clients at once. */
static void check_answers(void) {
    enum { CLIENTS = 3 };
    int clients[CLIENTS];
    unsigned char seen[CLIENTS][QUERIES] = {{0}};
    for (int c = 0; c < CLIENTS; c++) clients[c] = dial();
    for (size_t asked = 0, heard = 0; heard < QUERIES; asked += AHEAD) {
        for (size_t q = asked; q < asked + AHEAD; q++)
            for (int c = 0; c < CLIENTS; c++) ask(clients[c], (uint32_t)q, K, row(q));
        for (; heard < asked + AHEAD; heard++) {
            for (int c = 0; c < CLIENTS; c++) {
                reply r;
                hear(clients[c], &r);
                check(r.status == GOSSET_OK && r.count == K && r.number < asked + AHEAD);
                check(seen[c][r.number]++ == 0);
                for (int i = 0; i < K; i++) check(r.ids[i] == (uint64_t)expected[r.number][i]);
                for (int i = 1; i < K; i++) check(r.distances[i] >= r.distances[i - 1]);
            }
        }
    }
    for (int c = 0; c < CLIENTS; c++) close(clients[c]);
}

static void check_bad_queries(void) {
    float strange[4096] = {0};
    reply r;
    int client = dial();
    ask(client, 1, 0, row(0));
    hear(client, &r);
    check(r.number == 1 && r.status == GOSSET_E_ARGUMENT && strstr(r.sentence, "k: expected 1 to 100"));
    ask(client, 2, 101, row(0));
    hear(client, &r);
    check(r.number == 2 && r.status == GOSSET_E_ARGUMENT);
    memset(strange, 0xFF, sizeof strange); /* NaN */
    ask(client, 3, K, strange);
    hear(client, &r);
    check(r.number == 3 && r.status == GOSSET_E_ARGUMENT && r.sentence[0]);
    ask(client, 4, 100, row(7));
    hear(client, &r);
    check(r.number == 4 && r.status == GOSSET_OK && r.count == 100 && r.ids[0] == (uint64_t)expected[7][0]);
    close(client);
}

/* Half a query, or many and no ear for the answers. More come and go than there are places. */
static void check_clients_that_leave(void) {
    for (int i = 0; i < 150; i++) {
        int client = dial();
        if (i % 3 == 0) check(send(client, "abcdef", 6, MSG_NOSIGNAL) == 6);
        for (size_t q = 0; i % 3 == 1 && q < 30; q++) ask(client, 0, K, row(q));
        close(client);
    }
}

/* ---- what it is compared with ----------------------------------------------------------------------------------- */

static pid_t run(const char *const argv[]) {
    const pid_t child = fork();
    check(child >= 0);
    if (child > 0) return child;
    execv(argv[0], (char *const *)argv);
    _exit(127);
}

static int ended(pid_t child) {
    int state;
    check(waitpid(child, &state, 0) == child);
    return WIFEXITED(state) ? WEXITSTATUS(state) : 128;
}

static void ask_the_tool(const char *tool, const char *index, const char *query, const char *folder) {
    char out[512];
    snprintf(out, sizeof out, "%s/server.ivecs", folder);
    const char *argv[] = {tool, "search", "--index", index,     "--query", query, "-k",
                          "10", "--out",  out,       "--quiet", "--json",  NULL};
    const pid_t child = run(argv);
    check(ended(child) == 0);
    FILE *file = fopen(out, "rb");
    check(file != NULL);
    for (int q = 0; q < QUERIES; q++) {
        int32_t count;
        check(fread(&count, 4, 1, file) == 1 && count == K);
        check(fread(expected[q], sizeof expected[q], 1, file) == 1);
    }
    fclose(file);
    unlink(out);
}

int main(int argc, char **argv) {
    char socket_path[100];
    check(argc == 6);
    vectors = read_fvecs(argv[4]);
    check(vectors.data != NULL && vectors.count >= QUERIES);
    ask_the_tool(argv[2], argv[3], argv[4], argv[5]);
    const char *folder = getenv("TMPDIR");
    snprintf(socket_path, sizeof socket_path, "%s/gosset-%d", folder ? folder : "/tmp", (int)getpid());
    path = socket_path;
    const char *server[] = {argv[1], argv[3], socket_path, NULL};
    const pid_t child = run(server);
    check_answers();
    check_bad_queries();
    check_clients_that_leave();
    check_answers();
    check(kill(child, SIGTERM) == 0);
    check(ended(child) == 0);
    check(access(path, F_OK) != 0);
    const char *lost[] = {argv[1], "/no/such/index", socket_path, NULL};
    check(ended(run(lost)) == 1);
    free_fvecs(vectors);
    printf("%d queries of three clients, twice, as gosset search answers them\n", QUERIES);
    return 0;
}
