/* One index, a searcher for each thread, all at once: the answers of a single one. Run under ThreadSanitizer. */
#include "api/world.h"

#include <pthread.h>

enum { THREADS = 4, ROUNDS = 3, K = 10 };

typedef struct task {
    const gosset_index *index;
    double recall;
    uint64_t ids[WORLD_QUERIES * K];
    float distances[WORLD_QUERIES * K];
    gosset_status status;
} task;

static void *run(void *context) {
    task *t = context;
    gosset_searcher *searcher = NULL;
    gosset_search_options options = {.struct_size = sizeof options, .recall = t->recall};
    t->status = gosset_searcher_create(&searcher, t->index, NULL);
    if (t->status == GOSSET_OK) t->status = gosset_searcher_set(searcher, &options);
    for (int round = 0; round < ROUNDS && t->status == GOSSET_OK; round++)
        t->status = gosset_searcher_search(searcher, &w.query, K, t->ids, t->distances);
    gosset_searcher_free(searcher);
    return NULL;
}

START_TEST(test_searchers_on_threads) {
    static const char *const backends[] = {"auto", "threads", "memory"};
    static task tasks[THREADS], alone[2];
    gosset_index *index = NULL;
    gosset_index_config config = {.struct_size = sizeof config, .io = backends[_i]};
    pthread_t threads[THREADS];
    ck_ok(gosset_index_open(&index, build("threads", &w.base, NULL), &config));
    for (size_t i = 0; i < 2; i++) {
        alone[i] = (task){.index = index, .recall = i ? 0.99 : 0.9};
        run(&alone[i]);
        ck_ok(alone[i].status);
    }
    for (size_t i = 0; i < THREADS; i++) {
        tasks[i] = (task){.index = index, .recall = alone[i % 2].recall};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, run, &tasks[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_int_eq(tasks[i].status, GOSSET_OK);
        ck_assert_mem_eq(tasks[i].ids, alone[i % 2].ids, sizeof alone[0].ids);
        ck_assert_mem_eq(tasks[i].distances, alone[i % 2].distances, sizeof alone[0].distances);
    }
    gosset_index_close(index);
    temp_remove(temp_path(w.directory, "threads"));
}
END_TEST

TCase *case_threads(void) {
    TCase *tcase = tcase_create("threads");
    tcase_add_loop_test(tcase, test_searchers_on_threads, 0, 3);
    return tcase;
}
