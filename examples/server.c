/*
 * server DIRECTORY SOCKET: answers queries over a unix socket, from one thread that never waits for the disk.
 *
 *     cc server.c $(pkg-config --cflags --libs gosset) -o server
 *
 * Protocol, everything little-endian. On connecting the client gets the dimension of the vectors:
 *     u32 dimension
 * A query, any number of which may be sent ahead:
 *     u32 number (the client's own), u32 k (1..100), f32 vector[dimension]
 * Its answer, in whatever order queries end:
 *     u32 number, i32 status, u32 count, then with status 0: u64 id[count], f32 distance[count],
 *                                        otherwise:          char sentence[count]
 * A client that sends what cannot be a query (k out of bounds) gets an answer that says so, and goes on.
 *
 * One searcher belongs to one thread: to use more cores, run this loop once per core, each with its own searcher and
 * SO_REUSEPORT or a connection handed over, on one shared index.
 */
#include <gosset/gosset.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { IN_FLIGHT = 32, MAX_K = 100, CLIENTS = 64, INPUT = 1 << 16, ANSWER = 12 + 12 * MAX_K, OUTPUT = 64 * ANSWER };

typedef struct client {
    int socket;       /* -1 = this place is free */
    uint32_t queries; /* in flight: the place is kept until they are over, even if the client has gone */
    int gone;
    size_t input_used, output_used;
    char input[INPUT], output[OUTPUT];
} client;

typedef struct query {
    client *from;
    uint32_t number, k;
    int busy;
    uint64_t ids[MAX_K];
    float distances[MAX_K];
} query;

static int loop, listener, ending, pages; /* epoll, and what it waits for beside the clients */
static uint32_t dimension;
static gosset_searcher *searcher;
static client clients[CLIENTS];
static query queries[IN_FLIGHT];

/* ---- clients --------------------------------------------------------------------------------------------- */

static void drop(client *c) {
    if (!c->gone) close(c->socket); /* epoll forgets it by itself */
    c->gone = 1;
    if (c->queries == 0) c->socket = -1;
}

/* Reads while there is room for input, writes while there is output. */
static void watch(client *c) {
    struct epoll_event event = {.data.ptr = c};
    if (c->input_used < INPUT) event.events |= EPOLLIN;
    if (c->output_used > 0) event.events |= EPOLLOUT;
    epoll_ctl(loop, EPOLL_CTL_MOD, c->socket, &event);
}

static void flush(client *c) {
    if (c->gone || c->output_used == 0) return;
    const ssize_t sent = send(c->socket, c->output, c->output_used, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        drop(c);
        return;
    }
    if (sent <= 0) return;
    c->output_used -= (size_t)sent;
    memmove(c->output, c->output + sent, c->output_used);
}

static void append(client *c, const void *data, size_t size) {
    memcpy(c->output + c->output_used, data, size);
    c->output_used += size;
}

/* There is room: a query is only begun when the answers of all begun before it, and its own, will fit. */
static void head(client *c, uint32_t number, int32_t status, uint32_t count) {
    append(c, &number, 4);
    append(c, &status, 4);
    append(c, &count, 4);
}

static void refuse(client *c, uint32_t number, gosset_status status, const char *sentence) {
    const size_t length = strlen(sentence), most = ANSWER - 12;
    head(c, number, status, (uint32_t)(length < most ? length : most));
    append(c, sentence, length < most ? length : most);
}

static void answer(client *c, const query *q) {
    uint32_t found = 0;
    while (found < q->k && q->ids[found] != GOSSET_NO_ID) found++;
    head(c, q->number, GOSSET_OK, found);
    append(c, q->ids, found * sizeof *q->ids);
    append(c, q->distances, found * sizeof *q->distances);
}

/* ---- queries --------------------------------------------------------------------------------------------- */

/* GOSSET_E_BUSY leaves the query where it is: in the client's input. */
static gosset_status begin(client *c, const char *message) {
    gosset_vectors vector = {.data = message + 8, .count = 1, .dimension = dimension, .type = GOSSET_F32};
    uint32_t number, k;
    size_t place = 0;
    memcpy(&number, message, 4);
    memcpy(&k, message + 4, 4);
    if (k < 1 || k > MAX_K) {
        refuse(c, number, GOSSET_E_ARGUMENT, "k: expected 1 to 100");
        return GOSSET_OK;
    }
    while (place < IN_FLIGHT && queries[place].busy) place++;
    if (place == IN_FLIGHT) return GOSSET_E_BUSY;
    query *q = &queries[place];
    const gosset_status status = gosset_searcher_submit(searcher, &vector, k, q->ids, q->distances, place);
    if (status == GOSSET_E_BUSY) return status;
    if (status != GOSSET_OK) {
        refuse(c, number, status, gosset_last_error());
        return GOSSET_OK;
    }
    q->from = c, q->number = number, q->k = k, q->busy = 1;
    c->queries++;
    return GOSSET_OK;
}

/* Begins the queries that lie in the client's input, until the searcher is busy or their answers would not fit. */
static void begin_all(client *c) {
    const size_t size = 8 + 4 * (size_t)dimension;
    size_t used = 0;
    while (!c->gone && c->input_used - used >= size && c->output_used + (c->queries + 1) * ANSWER <= OUTPUT) {
        if (begin(c, c->input + used) == GOSSET_E_BUSY) break;
        used += size;
    }
    c->input_used -= used;
    memmove(c->input, c->input + used, c->input_used);
}

static void end(const gosset_completion *over) {
    query *q = &queries[over->tag];
    client *c = q->from;
    q->busy = 0;
    c->queries--;
    if (c->gone)
        drop(c);
    else if (over->status != GOSSET_OK)
        refuse(c, q->number, over->status, over->error);
    else
        answer(c, q);
}

static int poll_searcher(void) {
    gosset_completion over[IN_FLIGHT];
    size_t count;
    if (gosset_searcher_poll(searcher, over, IN_FLIGHT, &count) != GOSSET_OK) return -1;
    for (size_t i = 0; i < count; i++) end(&over[i]);
    return 0;
}

/* ---- the loop -------------------------------------------------------------------------------------------- */

static void greet(void) {
    int socket = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    size_t place = 0;
    if (socket < 0) return;
    while (place < CLIENTS && clients[place].socket >= 0) place++;
    if (place == CLIENTS) {
        close(socket); /* full */
        return;
    }
    client *c = &clients[place];
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    c->socket = socket;
    c->queries = 0, c->gone = 0, c->input_used = 0, c->output_used = 0;
    epoll_ctl(loop, EPOLL_CTL_ADD, socket, &event);
    append(c, &dimension, 4);
    flush(c);
}

static void receive(client *c) {
    if (c->socket < 0 || c->gone) return; /* another event of this round was its end */
    const ssize_t got = recv(c->socket, c->input + c->input_used, INPUT - c->input_used, MSG_DONTWAIT);
    if (got > 0)
        c->input_used += (size_t)got;
    else if (got == 0 || (errno != EAGAIN && errno != EINTR))
        drop(c); /* what it asked for before is answered to nobody */
}

static void serve(void) {
    int running = 1;
    while (running) {
        struct epoll_event events[CLIENTS];
        const int count = epoll_wait(loop, events, CLIENTS, -1);
        for (int i = 0; i < count; i++) {
            void *what = events[i].data.ptr;
            if (what == &listener)
                greet();
            else if (what == &pages)
                running = running && poll_searcher() == 0;
            else if (what == &ending)
                running = 0;
            else if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                receive(what);
        }
        /* Whatever happened may have made room: for answers, for queries, for input. */
        for (client *c = clients; c < clients + CLIENTS; c++) {
            if (c->socket < 0) continue;
            flush(c);
            begin_all(c);
            flush(c);
            if (!c->gone) watch(c);
        }
    }
}

/* On whatever thread: libraries that were loaded (OpenBLAS) have some, too. */
static void on_signal(int number) {
    (void)number;
    eventfd_write(ending, 1);
}

static int add(int *descriptor) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = descriptor};
    return *descriptor < 0 ? -1 : epoll_ctl(loop, EPOLL_CTL_ADD, *descriptor, &event);
}

static int start(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const struct sigaction handler = {.sa_handler = on_signal};
    if (strlen(path) >= sizeof address.sun_path) return -1;
    strcpy(address.sun_path, path);
    ending = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    sigaction(SIGTERM, &handler, NULL);
    sigaction(SIGINT, &handler, NULL);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 16) != 0) return -1;
    loop = epoll_create1(EPOLL_CLOEXEC);
    return add(&listener) || add(&ending) || add(&pages);
}

/* The largest query there can be, so that room is there before the first: a searcher that has to grow is busy until
 * nothing is in flight. */
static gosset_status warm_up(void) {
    static float zeros[INPUT / sizeof(float)];
    gosset_vectors vector = {.data = zeros, .count = 1, .dimension = dimension, .type = GOSSET_F32};
    return gosset_searcher_search(searcher, &vector, MAX_K, queries[0].ids, NULL);
}

static gosset_status open_index(gosset_index **index, const char *directory, gosset_index_info *info) {
    gosset_model_info model = {.struct_size = sizeof model};
    gosset_search_options options = {.struct_size = sizeof options, .recall = 0.95, .in_flight = IN_FLIGHT};
    gosset_status status = gosset_index_open(index, directory, NULL);
    if (status == GOSSET_OK) status = gosset_index_describe(*index, info);
    if (status == GOSSET_OK) status = gosset_model_describe(info->model, &model);
    if (status == GOSSET_OK) status = gosset_searcher_create(&searcher, *index, NULL);
    if (status == GOSSET_OK) status = gosset_searcher_set(searcher, &options);
    if (status == GOSSET_OK) status = gosset_searcher_eventfd(searcher, &pages);
    dimension = model.input_dimension; /* at most 4096, so that queries fit into INPUT */
    return status == GOSSET_OK ? warm_up() : status;
}

int main(int argc, char **argv) {
    gosset_index *index = NULL;
    gosset_index_info info = {.struct_size = sizeof info};
    if (argc != 3) {
        fprintf(stderr, "usage: %s DIRECTORY SOCKET\n", argv[0]);
        return 2;
    }
    for (size_t i = 0; i < CLIENTS; i++) clients[i].socket = -1;
    if (open_index(&index, argv[1], &info) != GOSSET_OK) {
        fprintf(stderr, "%s\n", gosset_last_error());
        return 1;
    }
    if (start(argv[2]) != 0) {
        perror(argv[2]);
        return 1;
    }
    printf("%llu vectors of dimension %u, read by %s\n", (unsigned long long)info.vector_count, dimension, info.io);
    fflush(stdout);
    serve();

    for (client *c = clients; c < clients + CLIENTS; c++)
        if (c->socket >= 0 && !c->gone) close(c->socket);
    close(listener);
    close(ending);
    close(loop);
    unlink(argv[2]);
    gosset_searcher_free(searcher); /* waits for the pages of queries in flight */
    gosset_index_close(index);
    return 0;
}
