/**
 * steady_state INDEX VECTORS.fvecs MODE: answers queries until everything is warm, then many more between two marks,
 * calls of getppid, which nothing else here makes. Between the marks it counts what the linker sends to the functions
 * below: allocations and locks of the library. steady_state.sh looks at the system calls between them.
 *
 * MODE: alone (one query a call), batch (32 a call), submit (16 in flight).
 */
#include "../../examples/fvecs.h"

#include <gosset/gosset.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { K = 10, BATCH = 32, IN_FLIGHT = 16, WARM = 3, ROUNDS = 6 };

/* ---- what the library calls (ld --wrap) ---------------------------------------------------------------- */

static atomic_size_t allocations, locks;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
int __real_posix_memalign(void **memory, size_t alignment, size_t size);
int __real_pthread_mutex_lock(pthread_mutex_t *mutex);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
int __wrap_posix_memalign(void **memory, size_t alignment, size_t size);
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex);

void *__wrap_malloc(size_t size) {
    allocations++;
    return __real_malloc(size);
}
void *__wrap_calloc(size_t count, size_t size) {
    allocations++;
    return __real_calloc(count, size);
}
void *__wrap_realloc(void *memory, size_t size) {
    allocations++;
    return __real_realloc(memory, size);
}
void *__wrap_aligned_alloc(size_t alignment, size_t size) {
    allocations++;
    return __real_aligned_alloc(alignment, size);
}
int __wrap_posix_memalign(void **memory, size_t alignment, size_t size) {
    allocations++;
    return __real_posix_memalign(memory, alignment, size);
}
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex) {
    locks++;
    return __real_pthread_mutex_lock(mutex);
}

/* ---- the library's own door to memory -------------------------------------------------------------------- */

static atomic_size_t asked;

static void *allocate(void *context, size_t size, size_t alignment) {
    void *memory = NULL;
    (void)context;
    asked++;
    return __real_posix_memalign(&memory, alignment, size) == 0 ? memory : NULL;
}
static void release(void *context, void *memory) {
    (void)context;
    free(memory);
}

/* ---- queries ----------------------------------------------------------------------------------------------- */

static gosset_status search_calls(gosset_searcher *searcher, const gosset_vectors *queries, size_t batch, uint64_t *ids,
                                  float *distances) {
    gosset_status status = GOSSET_OK;
    for (size_t row = 0; row < queries->count && status == GOSSET_OK; row += batch) {
        gosset_vectors part = *queries;
        part.data = (const char *)queries->data + row * queries->stride;
        part.count = queries->count - row < batch ? queries->count - row : batch;
        status = gosset_searcher_search(searcher, &part, K, ids + row * K, distances + row * K);
    }
    return status;
}

static gosset_status search_submitted(gosset_searcher *searcher, const gosset_vectors *queries, uint64_t *ids,
                                      float *distances) {
    gosset_completion over[IN_FLIGHT];
    size_t next = 0, answered = 0, count;
    while (answered < queries->count) {
        gosset_status status = GOSSET_OK;
        for (; next < queries->count; next++) {
            gosset_vectors one = *queries;
            one.data = (const char *)queries->data + next * queries->stride;
            one.count = 1;
            status = gosset_searcher_submit(searcher, &one, K, ids + next * K, distances + next * K, next);
            if (status != GOSSET_OK) break;
        }
        if (status != GOSSET_OK && status != GOSSET_E_BUSY) return status;
        status = gosset_searcher_wait(searcher, over, IN_FLIGHT, &count);
        if (status != GOSSET_OK) return status;
        for (size_t i = 0; i < count; i++, answered++)
            if (over[i].status != GOSSET_OK) return over[i].status;
    }
    return GOSSET_OK;
}

static gosset_status one_round(const char *mode, gosset_searcher *searcher, const gosset_vectors *queries,
                               uint64_t *ids, float *distances) {
    if (strcmp(mode, "submit") == 0) return search_submitted(searcher, queries, ids, distances);
    return search_calls(searcher, queries, strcmp(mode, "batch") == 0 ? BATCH : 1, ids, distances);
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    gosset_vectors queries = read_fvecs(argv[2]);
    if (!queries.data) return 1;
    if (queries.count > 300) queries.count = 300;
    gosset_index *index = NULL;
    gosset_searcher *searcher = NULL;
    gosset_index_info info = {.struct_size = sizeof info};
    gosset_env env = {.struct_size = sizeof env, .threads = 1, .allocator = {allocate, release, NULL}};
    gosset_index_config config = {.struct_size = sizeof config, .env = &env};
    gosset_search_options options = {.struct_size = sizeof options, .in_flight = IN_FLIGHT};
    uint64_t *ids = malloc(queries.count * K * sizeof *ids);
    float *distances = malloc(queries.count * K * sizeof *distances);
    if (!ids || !distances) return 1;
    gosset_status status = gosset_index_open(&index, argv[1], &config);
    if (status == GOSSET_OK) status = gosset_index_describe(index, &info);
    if (status == GOSSET_OK) status = gosset_searcher_create(&searcher, index, &env);
    if (status == GOSSET_OK) status = gosset_searcher_set(searcher, &options);
    for (int round = 0; round < WARM && status == GOSSET_OK; round++)
        status = one_round(argv[3], searcher, &queries, ids, distances);

    const size_t before[] = {allocations, asked, locks};
    syscall(SYS_getppid);
    for (int round = 0; round < ROUNDS && status == GOSSET_OK; round++)
        status = one_round(argv[3], searcher, &queries, ids, distances);
    syscall(SYS_getppid);
    const size_t after[] = {allocations, asked, locks};

    if (status != GOSSET_OK) fprintf(stderr, "%s\n", gosset_last_error());
    printf("%s: %s: %zu queries, %zu allocations, %zu through the environment, %zu locks\n", info.io, argv[3],
           ROUNDS * queries.count, after[0] - before[0], after[1] - before[1], after[2] - before[2]);
    if (memcmp(before, after, sizeof before) != 0 && strcmp(info.io, "threads") != 0) status = GOSSET_E_STATE;
    gosset_searcher_free(searcher);
    gosset_index_close(index);
    free(ids);
    free(distances);
    free_fvecs(queries);
    return status == GOSSET_OK ? 0 : 1;
}
