/* What gosset_index_memory says is what the allocator counts, byte for byte. */
#include "api/world.h"

#include <pthread.h>
#include <stdio.h>

enum { BLOCKS = 4096 };

/* An allocator that adds up the bytes it has given away. */
typedef struct meter {
    pthread_mutex_t lock;
    struct {
        void *block;
        size_t size;
    } blocks[BLOCKS];
    size_t count;
    uint64_t bytes;
} meter;

static void *meter_allocate(void *context, size_t size, size_t alignment) {
    meter *m = context;
    void *block = NULL;
    if (posix_memalign(&block, alignment, size) != 0) return NULL;
    pthread_mutex_lock(&m->lock);
    ck_assert_uint_lt(m->count, BLOCKS);
    m->blocks[m->count].block = block;
    m->blocks[m->count++].size = size;
    m->bytes += size;
    pthread_mutex_unlock(&m->lock);
    return block;
}

static void meter_release(void *context, void *block) {
    meter *m = context;
    size_t i = 0;
    pthread_mutex_lock(&m->lock);
    while (i < m->count && m->blocks[i].block != block) i++;
    ck_assert_uint_lt(i, m->count);
    m->bytes -= m->blocks[i].size;
    m->blocks[i] = m->blocks[--m->count];
    pthread_mutex_unlock(&m->lock);
    free(block);
}

static gosset_env meter_env(meter *m) {
    memset(m, 0, sizeof *m);
    pthread_mutex_init(&m->lock, NULL);
    return (gosset_env){.struct_size = sizeof(gosset_env), .allocator = {meter_allocate, meter_release, m}};
}

static const char *const backends[] = {"uring", "threads", "memory"};

START_TEST(test_lines_add_up) {
    enum { QUERIES = 40, FEW = 31, ALL = 1000 };
    static meter counts, own;
    uint64_t ids[QUERIES * WORLD_K];
    static uint64_t all_ids[ALL * WORLD_K];
    static float copies[ALL * WORLD_DIMENSION];
    gosset_env env = meter_env(&counts), searcher_env = meter_env(&own);
    gosset_index *index = NULL;
    gosset_searcher *searcher = NULL;
    gosset_memory_info info = {.struct_size = sizeof info};
    gosset_index_config config = {.struct_size = sizeof config, .env = &env, .io = backends[_i]};
    gosset_vectors query = rows_of(&w.query, 0, QUERIES), few = rows_of(&w.query, 0, FEW);
    const gosset_vectors all = {copies, ALL, 0, WORLD_DIMENSION, GOSSET_F32};
    for (size_t i = 0; i < ALL; i++)
        memcpy(copies + i * WORLD_DIMENSION, (const float *)query.data + i % QUERIES * WORLD_DIMENSION,
               WORLD_DIMENSION * sizeof *copies);
    const char *path = build("memory", &w.base, &(build_options){.shard_size = 256 << 10});
    gosset_status status = gosset_index_open(&index, path, &config);
    if (status == GOSSET_E_UNSUPPORTED) return; /* this kernel has no io_uring for us */
    ck_ok(status);
    const uint64_t held = counts.bytes;
    ck_ok(gosset_index_memory(index, NULL, WORLD_K, &info));
    ck_assert_uint_eq(counts.bytes, held);
    ck_assert_uint_eq(info.index, held);
    ck_assert_uint_eq(info.codes + info.leaves + info.cells + info.network + info.centroids + info.turns +
                          info.model_rest + info.pages + info.rest,
                      info.index);
    ck_assert_uint_gt(info.leaves, 0);
    ck_assert_uint_ge(info.codes, WORLD_BASE * 16);
    ck_assert_uint_eq(info.pages > 0, strcmp(config.io, "memory") == 0);

    /* The searcher's own lines, for one with its usual number of queries in flight. */
    gosset_search_options options = {.struct_size = sizeof options, .in_flight = 1};
    ck_ok(gosset_searcher_create(&searcher, index, &searcher_env));
    ck_ok(gosset_searcher_search(searcher, &few, WORLD_K, ids, NULL));
    const uint64_t many = own.bytes, lines = info.searcher + 15 * info.query;
    ck_assert_uint_ge(many, lines);
    ck_assert_uint_lt(many - lines, 16);
    ck_ok(gosset_searcher_search(searcher, &query, WORLD_K, ids, NULL));
    ck_assert_uint_gt(info.batch, 0);
    ck_assert_uint_eq(own.bytes, many + info.batch);
    ck_ok(gosset_searcher_search(searcher, &all, WORLD_K, all_ids, NULL));
    ck_assert_uint_eq(own.bytes, many + info.batch_most);
    ck_assert_mem_eq(all_ids, ids, sizeof ids);
    options.cache = 20 * 4096;
    ck_ok(gosset_index_memory(index, &options, WORLD_K, &info));
    ck_assert_uint_eq(info.query, 0);
    ck_assert(info.cache > 18 * 4096 && info.cache <= options.cache);
    options.in_flight = 16;
    const uint64_t before = own.bytes;
    ck_ok(gosset_searcher_set(searcher, &options));
    ck_assert_uint_eq(own.bytes, before + info.cache);
    for (int i = 0; i < 3; i++) ck_ok(gosset_searcher_search(searcher, &few, WORLD_K, ids, NULL));
    ck_assert_uint_eq(own.bytes, before + info.cache);
    gosset_search_stats stats = {.struct_size = sizeof stats};
    ck_ok(gosset_searcher_stats(searcher, &stats));
    ck_assert_uint_gt(stats.cache_misses, 0);
    gosset_searcher_free(searcher);
    ck_assert_uint_eq(own.bytes, 0);
    gosset_index_close(index);
    ck_assert_uint_eq(counts.bytes, 0);
}
END_TEST

/* A budget decides where the codes are, and whether there are leaves, which have settings of their own: never more is
 * held, and the answers are the same with leaves, and without them in memory and on disk. */
START_TEST(test_budget) {
    static meter counts, own;
    enum { KINDS = 4 };
    static uint64_t ids[KINDS][WORLD_QUERIES * WORLD_K];
    static float distances[KINDS][WORLD_QUERIES * WORLD_K];
    const char *path = build("budget", &w.base, &(build_options){.shard_size = 256 << 10});
    uint64_t all = 0, codes = 0, leaves = 0;
    /* No budget, one that is just enough, one that is not for leaves, one that is not for codes. */
    for (int i = 0; i < KINDS; i++) {
        gosset_env env = meter_env(&counts), searcher_env = meter_env(&own);
        gosset_index *index = NULL;
        gosset_searcher *searcher = NULL;
        gosset_memory_info memory = {.struct_size = sizeof memory};
        gosset_index_info info = {.struct_size = sizeof info};
        gosset_search_stats stats = {.struct_size = sizeof stats};
        gosset_index_config config = {.struct_size = sizeof config, .env = &env, .io = backends[_i]};
        config.memory = i == 0 ? 0 : i == 1 ? all : i == 2 ? all - 1 : all - leaves - 1;
        gosset_status status = gosset_index_open(&index, path, &config);
        if (status == GOSSET_E_UNSUPPORTED) return;
        if (i == 3 && strcmp(config.io, "memory") == 0) { /* pages and codes are in memory both ways */
            ck_assert_int_eq(status, GOSSET_E_ARGUMENT);
            return;
        }
        ck_ok(status);
        ck_ok(gosset_index_memory(index, NULL, WORLD_K, &memory));
        ck_ok(gosset_index_describe(index, &info));
        ck_assert_uint_eq(memory.index, counts.bytes);
        if (i == 0) all = memory.index, codes = memory.codes, leaves = memory.leaves;
        ck_assert_uint_eq(memory.leaves, i < 2 ? leaves : 0);
        if (i == 0) ck_assert_str_eq(info.codes, "in memory");
        if (i == 1 || i == 2)
            ck_assert(strcmp(info.codes, "locked in memory") == 0 || strstr(info.codes_reason, "not locked"));
        if (i == 3) ck_assert_str_eq(info.codes, "on disk");
        if (i == 3) ck_assert_uint_lt(memory.codes, codes / 50);
        ck_ok(gosset_searcher_create(&searcher, index, &searcher_env));
        ck_ok(gosset_searcher_search(searcher, &w.query, WORLD_K, ids[i], distances[i]));
        const uint64_t held = own.bytes;
        ck_ok(gosset_searcher_search(searcher, &w.query, WORLD_K, ids[i], distances[i]));
        ck_assert_uint_eq(own.bytes, held);
        ck_assert_mem_eq(ids[i], ids[i & 2], sizeof ids[0]);
        ck_assert_mem_eq(distances[i], distances[i & 2], sizeof distances[0]);
        ck_ok(gosset_searcher_stats(searcher, &stats));
        ck_assert_int_eq(stats.code_reads > 0, i == 3);
        const uint64_t lines = memory.searcher + 15 * memory.query + memory.batch;
        ck_assert(held >= lines && held < lines + 16);
        gosset_searcher_free(searcher);
        gosset_index_close(index);
        ck_assert_uint_eq(counts.bytes + own.bytes, 0);
    }
    gosset_index *index = NULL;
    gosset_index_config config = {.struct_size = sizeof config, .io = backends[_i], .memory = 1000};
    ck_fails(gosset_index_open(&index, path, &config), GOSSET_E_ARGUMENT, "memory: expected at least");
    unsigned long long least = 0;
    ck_assert_int_eq(sscanf(strstr(gosset_last_error(), "at least"), "at least %llu", &least), 1);
    config.memory = least - 1;
    ck_fails(gosset_index_open(&index, path, &config), GOSSET_E_ARGUMENT, "on disk");
    config.memory = least;
    ck_ok(gosset_index_open(&index, path, &config));
    gosset_index_close(index);
}
END_TEST

START_TEST(test_errors) {
    gosset_index *index = NULL;
    gosset_memory_info info = {.struct_size = sizeof info};
    gosset_search_options half = {.struct_size = sizeof half, .probe = 3};
    ck_ok(gosset_index_open(&index, build("memory", &w.base, NULL), NULL));
    ck_fails(gosset_index_memory(NULL, NULL, 1, &info), GOSSET_E_ARGUMENT, "NULL");
    ck_fails(gosset_index_memory(index, NULL, 1, NULL), GOSSET_E_ARGUMENT, "NULL");
    ck_fails(gosset_index_memory(index, NULL, 0, &info), GOSSET_E_ARGUMENT, "k");
    ck_fails(gosset_index_memory(index, NULL, 1025, &info), GOSSET_E_ARGUMENT, "k");
    ck_fails(gosset_index_memory(index, &half, 1, &info), GOSSET_E_CONFIG, "together");
    gosset_index_close(index);
}
END_TEST

TCase *case_memory(void) {
    TCase *tcase = tcase_create("memory");
    tcase_add_loop_test(tcase, test_lines_add_up, 0, sizeof backends / sizeof *backends);
    tcase_add_loop_test(tcase, test_budget, 0, sizeof backends / sizeof *backends);
    tcase_add_test(tcase, test_errors);
    return tcase;
}
