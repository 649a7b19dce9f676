#include "base/pool.h"
#include "base/base_test.h"
#include "base/rng.h"
#include "base/status.h"
#include "support/support.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { ITEMS = 5000 };
static const uint32_t thread_counts[] = {1, 2, 3, 7, 16};
enum { THREAD_COUNTS = sizeof thread_counts / sizeof thread_counts[0] };

static gosset__pool *pool_of(uint32_t threads) {
    gosset__env env = default_env(threads);
    gosset__pool *pool = NULL;
    ck_assert_int_eq(gosset__pool_create(&pool, &env), GOSSET_OK);
    ck_assert_uint_eq(gosset__pool_threads(pool), threads);
    return pool;
}

typedef struct draws {
    uint64_t values[ITEMS];
    atomic_uint runs[ITEMS];
    uint32_t threads;
} draws;

static gosset_status draw(void *context, size_t item, uint32_t worker) {
    draws *self = context;
    if (worker >= self->threads) return gosset__fail(GOSSET_E_STATE, "worker %u of %u", worker, self->threads);
    gosset__rng rng = gosset__rng_make(42, item);
    for (uint64_t i = 0; i < item % 50; i++) self->values[item] = gosset__rng_next(&rng);
    atomic_fetch_add(&self->runs[item], 1);
    return GOSSET_OK;
}

START_TEST(every_item_runs_once_and_results_do_not_depend_on_threads) {
    static draws reference, found;
    reference.threads = 1;
    ck_assert_int_eq(gosset__pool_run(NULL, ITEMS, draw, &reference), GOSSET_OK);
    gosset__pool *pool = pool_of(thread_counts[_i]);
    for (int round = 0; round < 20; round++) {
        memset(&found, 0, sizeof found);
        found.threads = thread_counts[_i];
        ck_assert_int_eq(gosset__pool_run(pool, ITEMS, draw, &found), GOSSET_OK);
        ck_assert_mem_eq(found.values, reference.values, sizeof found.values);
        for (int i = 0; i < ITEMS; i++) ck_assert_uint_eq(found.runs[i], 1);
        ck_assert_int_eq(gosset__pool_run_placed(pool, ITEMS, draw, &found), GOSSET_OK);
        ck_assert_mem_eq(found.values, reference.values, sizeof found.values);
        for (int i = 0; i < ITEMS; i++) ck_assert_uint_eq(found.runs[i], 2);
    }
    gosset__pool_free(pool);
}
END_TEST

START_TEST(small_runs) {
    static draws found;
    gosset__pool *pool = pool_of(thread_counts[_i]);
    found.threads = thread_counts[_i];
    ck_assert_int_eq(gosset__pool_run(pool, 0, draw, &found), GOSSET_OK);
    for (size_t count = 1; count < 10; count++)
        ck_assert_int_eq(gosset__pool_run(pool, count, draw, &found), GOSSET_OK);
    for (size_t i = 0; i < 9; i++) ck_assert_uint_eq(found.runs[i], 9 - i);
    for (size_t count = 0; count < 10; count++)
        ck_assert_int_eq(gosset__pool_run_placed(pool, count, draw, &found), GOSSET_OK);
    for (size_t i = 0; i < 9; i++) ck_assert_uint_eq(found.runs[i], 2 * (9 - i));
    gosset__pool_free(pool);
}
END_TEST

static gosset_status fail_some(void *context, size_t item, uint32_t worker) {
    (void)worker;
    const size_t *lowest = context;
    if (item < *lowest) return GOSSET_OK;
    if (item == *lowest) { /* the lowest is slow to fail: others come first */
        for (volatile int i = 0; i < 20000; i++) continue;
        return gosset__fail(GOSSET_E_CORRUPT, "item %zu", item);
    }
    return gosset__fail(GOSSET_E_IO, "item %zu", item);
}

START_TEST(the_lowest_failure_is_returned_with_its_sentence) {
    gosset__pool *pool = pool_of(thread_counts[_i]);
    static const size_t lowest[] = {0, 1, 17, 300, ITEMS - 1};
    for (size_t i = 0; i < sizeof lowest / sizeof lowest[0]; i++)
        for (int round = 0; round < 20; round++) {
            size_t at = lowest[i];
            char sentence[32];
            snprintf(sentence, sizeof sentence, "item %zu", at);
            ck_assert_int_eq(gosset__pool_run(pool, ITEMS, fail_some, &at), GOSSET_E_CORRUPT);
            ck_assert_str_eq(gosset_last_error(), sentence);
            ck_assert_int_eq(gosset__pool_run_placed(pool, ITEMS, fail_some, &at), GOSSET_E_CORRUPT);
            ck_assert_str_eq(gosset_last_error(), sentence);
        }
    static draws found; /* and the pool still works */
    memset(&found, 0, sizeof found);
    found.threads = thread_counts[_i];
    ck_assert_int_eq(gosset__pool_run(pool, ITEMS, draw, &found), GOSSET_OK);
    ck_assert_uint_eq(found.runs[ITEMS - 1], 1);
    gosset__pool_free(pool);
}
END_TEST

START_TEST(pools_start_and_stop) {
    gosset__pool_free(NULL);
    ck_assert_uint_eq(gosset__pool_threads(NULL), 1);
    for (int i = 0; i < 50; i++) gosset__pool_free(pool_of(4)); /* freed while workers may not have begun */
}
END_TEST

START_TEST(pool_without_memory) {
    counting_allocator memory;
    gosset_env given = counting_env(&memory, 1);
    given.threads = 3;
    gosset__env env;
    ck_assert_int_eq(gosset__env_read(&env, &given), GOSSET_OK);
    gosset__pool *pool = (gosset__pool *)&memory;
    ck_assert_int_eq(gosset__pool_create(&pool, &env), GOSSET_E_NO_MEMORY);
    ck_assert_ptr_null(pool);
    memory.fail_at = 0;
    ck_assert_int_eq(gosset__pool_create(&pool, &env), GOSSET_OK);
    gosset__pool_free(pool);
    ck_assert_uint_eq(counting_held(&memory), 0);
}
END_TEST

/* Each test is a process of its own: it may give up its rights. */
START_TEST(pool_without_threads) {
    if (geteuid() == 0) ck_assert_int_eq(setuid(65534), 0); /* root is above the limit */
    struct rlimit limit, none;
    ck_assert_int_eq(getrlimit(RLIMIT_NPROC, &limit), 0);
    none = limit;
    none.rlim_cur = 0;
    ck_assert_int_eq(setrlimit(RLIMIT_NPROC, &none), 0);
    gosset__env env = default_env(4);
    gosset__pool *pool = NULL;
    gosset_status status = gosset__pool_create(&pool, &env);
    ck_assert_int_eq(setrlimit(RLIMIT_NPROC, &limit), 0); /* leak checkers start a thread at exit */
    ck_assert_int_eq(status, GOSSET_E_THREAD);
    ck_assert_ptr_null(pool);
    ck_assert_sentence("could not be started");
}
END_TEST

static atomic_int worker_accepts_signals;

static gosset_status look_at_signals(void *context, size_t item, uint32_t worker) {
    (void)item;
    sigset_t set;
    pthread_sigmask(SIG_SETMASK, NULL, &set);
    if (worker + 1 < *(uint32_t *)context && !sigismember(&set, SIGINT)) worker_accepts_signals = 1;
    return GOSSET_OK;
}

START_TEST(workers_leave_signals_to_the_program) {
    uint32_t threads = 4;
    gosset__pool *pool = pool_of(threads);
    ck_assert_int_eq(gosset__pool_run(pool, 2000, look_at_signals, &threads), GOSSET_OK);
    ck_assert_int_eq(worker_accepts_signals, 0);
    sigset_t set;
    pthread_sigmask(SIG_SETMASK, NULL, &set);
    ck_assert_int_eq(sigismember(&set, SIGINT), 0);
    gosset__pool_free(pool);
}
END_TEST

TCase *pool_cases(void) {
    TCase *cases = tcase_create("pool");
    tcase_set_timeout(cases, 60);
    tcase_add_loop_test(cases, every_item_runs_once_and_results_do_not_depend_on_threads, 0, THREAD_COUNTS);
    tcase_add_loop_test(cases, small_runs, 0, THREAD_COUNTS);
    tcase_add_loop_test(cases, the_lowest_failure_is_returned_with_its_sentence, 0, THREAD_COUNTS);
    tcase_add_test(cases, pools_start_and_stop);
    tcase_add_test(cases, pool_without_memory);
    tcase_add_test(cases, pool_without_threads);
    tcase_add_test(cases, workers_leave_signals_to_the_program);
    return cases;
}
