#include "base/env.h"
#include "base/base_test.h"
#include "base/status.h"
#include "support/support.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct sample_config {
    size_t struct_size;
    uint64_t a, b;
} sample_config;

typedef struct larger_config {
    sample_config known;
    uint64_t newer;
} larger_config;

/* ---- structs that carry their size ---------------------------------------------------------- */

START_TEST(config_null_is_all_zeros) {
    sample_config ours = {1, 2, 3};
    ck_assert_int_eq(gosset__config_read(&ours, sizeof ours, NULL, "sample_config"), GOSSET_OK);
    ck_assert_uint_eq(ours.a, 0);
    ck_assert_uint_eq(ours.b, 0);
}
END_TEST

START_TEST(config_of_an_older_caller_is_zero_filled) {
    sample_config ours = {1, 2, 3}, older = {offsetof(sample_config, b), 7, 8};
    ck_assert_int_eq(gosset__config_read(&ours, sizeof ours, &older, "sample_config"), GOSSET_OK);
    ck_assert_uint_eq(ours.struct_size, sizeof ours);
    ck_assert_uint_eq(ours.a, 7);
    ck_assert_uint_eq(ours.b, 0);
}
END_TEST

START_TEST(config_of_a_newer_caller_must_not_ask_for_more) {
    sample_config ours;
    larger_config newer = {{sizeof newer, 7, 8}, 0};
    ck_assert_int_eq(gosset__config_read(&ours, sizeof ours, &newer, "sample_config"), GOSSET_OK);
    ck_assert_uint_eq(ours.a, 7);
    ck_assert_uint_eq(ours.b, 8);
    newer.newer = 1;
    ck_assert_int_eq(gosset__config_read(&ours, sizeof ours, &newer, "sample_config"), GOSSET_E_CONFIG);
    ck_assert_sentence("sample_config");
}
END_TEST

START_TEST(config_without_its_size_is_refused) {
    static const size_t sizes[] = {0, 1, sizeof(void *) - 1, (size_t)1 << 40, SIZE_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        sample_config ours, theirs = {sizes[i], 7, 8};
        ck_assert_int_eq(gosset__config_read(&ours, sizeof ours, &theirs, "sample_config"), GOSSET_E_CONFIG);
        ck_assert_sentence("struct_size");
    }
}
END_TEST

START_TEST(info_fills_what_the_caller_knows) {
    sample_config ours = {sizeof ours, 7, 8}, older = {offsetof(sample_config, b), 1, 2};
    ck_assert_int_eq(gosset__info_write(&older, &ours, sizeof ours, "sample_info"), GOSSET_OK);
    ck_assert_uint_eq(older.struct_size, offsetof(sample_config, b));
    ck_assert_uint_eq(older.a, 7);
    ck_assert_uint_eq(older.b, 2); /* beyond the caller's size */
    larger_config newer = {{sizeof newer, 1, 2}, 3};
    ck_assert_int_eq(gosset__info_write(&newer, &ours, sizeof ours, "sample_info"), GOSSET_OK);
    ck_assert_uint_eq(newer.known.struct_size, sizeof newer);
    ck_assert_uint_eq(newer.known.b, 8);
    ck_assert_uint_eq(newer.newer, 3);
    sample_config blank = {0, 1, 2};
    ck_assert_int_eq(gosset__info_write(&blank, &ours, sizeof ours, "sample_info"), GOSSET_E_CONFIG);
    ck_assert_int_eq(gosset__info_write(NULL, &ours, sizeof ours, "sample_info"), GOSSET_E_ARGUMENT);
}
END_TEST

/* ---- gosset_env ----------------------------------------------------------------------------- */

START_TEST(env_defaults) {
    gosset__env env;
    ck_assert_int_eq(gosset__env_read(&env, NULL), GOSSET_OK);
    cpu_set_t set;
    ck_assert_int_eq(sched_getaffinity(0, sizeof set, &set), 0);
    int cpus = CPU_COUNT(&set) > 256 ? 256 : CPU_COUNT(&set);
    ck_assert_uint_eq(env.threads, (uint32_t)cpus);
    ck_assert_str_eq(env.cpu, "");
    ck_assert(env.allocator.allocate && env.allocator.release && !env.log && !env.progress);
}
END_TEST

START_TEST(env_follows_the_cpus_allowed) {
    cpu_set_t set, one;
    ck_assert_int_eq(sched_getaffinity(0, sizeof set, &set), 0);
    CPU_ZERO(&one);
    for (int cpu = 0; CPU_COUNT(&one) == 0; cpu++)
        if (CPU_ISSET(cpu, &set)) CPU_SET(cpu, &one);
    ck_assert_int_eq(sched_setaffinity(0, sizeof one, &one), 0);
    gosset__env env;
    ck_assert_int_eq(gosset__env_read(&env, NULL), GOSSET_OK);
    ck_assert_uint_eq(env.threads, 1);
    ck_assert_int_eq(sched_setaffinity(0, sizeof set, &set), 0);
}
END_TEST

START_TEST(env_limits) {
    gosset__env env;
    gosset_env given = {.struct_size = sizeof given, .threads = 100000, .cpu = "fifteen-letters"};
    ck_assert_int_eq(gosset__env_read(&env, &given), GOSSET_OK);
    ck_assert_uint_eq(env.threads, 256);
    ck_assert_str_eq(env.cpu, "fifteen-letters");
    given.cpu = "sixteen-letters!";
    ck_assert_int_eq(gosset__env_read(&env, &given), GOSSET_E_CONFIG);
    ck_assert_sentence("cpu");
    given.struct_size = 3;
    ck_assert_int_eq(gosset__env_read(&env, &given), GOSSET_E_CONFIG);
    ck_assert_sentence("gosset_env");
}
END_TEST

START_TEST(env_wants_both_memory_hooks) {
    counting_allocator memory;
    gosset__env env;
    gosset_env given = counting_env(&memory, 0);
    ck_assert_int_eq(gosset__env_read(&env, &given), GOSSET_OK);
    given.allocator.release = NULL;
    ck_assert_int_eq(gosset__env_read(&env, &given), GOSSET_E_CONFIG);
    given = counting_env(&memory, 0);
    given.allocator.allocate = NULL;
    ck_assert_int_eq(gosset__env_read(&env, &given), GOSSET_E_CONFIG);
}
END_TEST

/* ---- memory --------------------------------------------------------------------------------- */

START_TEST(memory_is_aligned_and_counted) {
    counting_allocator memory;
    gosset_env given = counting_env(&memory, 0);
    gosset__env own, hooked;
    ck_assert_int_eq(gosset__env_read(&own, NULL), GOSSET_OK);
    ck_assert_int_eq(gosset__env_read(&hooked, &given), GOSSET_OK);
    const gosset__env *both[] = {&own, &hooked};
    for (int i = 0; i < 2; i++)
        for (size_t size = 0; size < 300; size += 23) {
            void *plain = gosset__alloc(both[i], size), *page = gosset__alloc_aligned(both[i], size, 4096);
            unsigned char *zeros = gosset__alloc_zero(both[i], size);
            ck_assert(plain && page && zeros);
            ck_assert_uint_eq((uintptr_t)plain % 64, 0);
            ck_assert_uint_eq((uintptr_t)page % 4096, 0);
            memset(plain, 1, size);
            for (size_t b = 0; b < size; b++) ck_assert_uint_eq(zeros[b], 0);
            gosset__free(both[i], plain);
            gosset__free(both[i], page);
            gosset__free(both[i], zeros);
            gosset__free(both[i], NULL);
        }
    ck_assert_uint_eq(counting_held(&memory), 0);
    ck_assert_uint_gt(memory.calls, 0);
}
END_TEST

START_TEST(memory_sizes_that_overflow_fail) {
    gosset__env env = default_env(1);
    ck_assert_ptr_null(gosset__alloc_array(&env, SIZE_MAX / 8 + 2, 8));
    ck_assert_ptr_null(gosset__alloc(&env, SIZE_MAX - 10));
    void *fine = gosset__alloc_array(&env, 10, 8);
    ck_assert_ptr_nonnull(fine);
    gosset__free(&env, fine);
    ck_assert_int_eq(gosset__no_memory("the codes", 123), GOSSET_E_NO_MEMORY);
    ck_assert_sentence("the codes");
    ck_assert_sentence("123");
}
END_TEST

START_TEST(realloc_keeps_the_old_block_when_there_is_none) {
    counting_allocator memory;
    gosset_env given = counting_env(&memory, 3);
    gosset__env env;
    ck_assert_int_eq(gosset__env_read(&env, &given), GOSSET_OK);
    char *text = gosset__strdup(&env, "abc");
    ck_assert_str_eq(text, "abc");
    text = gosset__realloc(&env, text, 4, 100);
    ck_assert_str_eq(text, "abc");
    ck_assert_ptr_null(gosset__realloc(&env, text, 100, 200));
    ck_assert_str_eq(text, "abc");
    ck_assert_uint_eq(counting_held(&memory), 1);
    gosset__free(&env, text);
    ck_assert_uint_eq(counting_held(&memory), 0);
}
END_TEST

/* ---- log and progress ----------------------------------------------------------------------- */

static void keep_line(gosset_log_level level, const char *message, void *context) {
    snprintf(context, 2000, "%d %s", (int)level, message);
}

START_TEST(log_lines_reach_the_hook) {
    char line[2000] = "", text[3000];
    gosset_env given = {.struct_size = sizeof given, .log = keep_line, .log_context = line};
    gosset__env env;
    ck_assert_int_eq(gosset__env_read(&env, &given), GOSSET_OK);
    gosset__log(&env, GOSSET_LOG_WARNING, "%d cells", 3);
    ck_assert_str_eq(line, "2 3 cells");
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    gosset__log(&env, GOSSET_LOG_DEBUG, "%s", text);
    ck_assert_uint_eq(strlen(line), 2 + 1023);
    env.log = NULL;
    gosset__log(&env, GOSSET_LOG_WARNING, "nobody listens");
    ck_assert_int_eq(line[0], '4');
}
END_TEST

typedef struct reports {
    int count, cancel;
    gosset_progress last;
} reports;

static int keep_report(const gosset_progress *progress, void *context) {
    reports *self = context;
    self->count++;
    self->last = *progress;
    return self->cancel;
}

START_TEST(progress_is_throttled_and_cancels) {
    reports seen = {0};
    gosset_env given = {.struct_size = sizeof given, .progress = keep_report, .progress_context = &seen};
    gosset__env env;
    ck_assert_int_eq(gosset__env_read(&env, &given), GOSSET_OK);
    gosset__ticker ticker;
    gosset__ticker_start(&ticker, &env);
    gosset_progress progress = {.phase = "encode", .total = 1000};
    for (progress.done = 1; progress.done < 1000; progress.done++)
        ck_assert_int_eq(gosset__tick(&ticker, &progress), GOSSET_OK);
    ck_assert_int_ge(seen.count, 1); /* the first at once */
    ck_assert_int_lt(seen.count, 100);
    int before = seen.count;
    ck_assert_int_eq(gosset__tick(&ticker, &progress), GOSSET_OK);
    ck_assert_int_eq(seen.count, before + 1); /* the last always */
    ck_assert_uint_eq(seen.last.done, 1000);
    seen.cancel = 1;
    ck_assert_int_eq(gosset__tick(&ticker, &progress), GOSSET_E_CANCELLED);
    ck_assert_sentence("encode");
}
END_TEST

START_TEST(progress_estimates_the_time_left) {
    reports seen = {0};
    gosset_env given = {.struct_size = sizeof given, .progress = keep_report, .progress_context = &seen};
    gosset__env env;
    ck_assert_int_eq(gosset__env_read(&env, &given), GOSSET_OK);
    gosset__ticker ticker;
    gosset__ticker_start(&ticker, &env);
    ticker.started -= 10; /* a quarter took ten seconds */
    gosset_progress progress = {.phase = "write", .done = 25, .total = 100};
    ck_assert_int_eq(gosset__tick(&ticker, &progress), GOSSET_OK);
    ck_assert_double_eq_tol(seen.last.seconds_left, 30, 3);
    ticker.last -= 1;
    progress.seconds_left = 5; /* the caller knows better */
    ck_assert_int_eq(gosset__tick(&ticker, &progress), GOSSET_OK);
    ck_assert_double_eq(seen.last.seconds_left, 5);
}
END_TEST

START_TEST(time_only_grows) {
    uint64_t start = gosset__nanoseconds();
    double seconds = gosset__seconds();
    for (int i = 0; i < 1000; i++) {
        uint64_t now = gosset__nanoseconds();
        ck_assert_uint_ge(now, start);
        start = now;
    }
    ck_assert(gosset__seconds() >= seconds);
}
END_TEST

TCase *env_cases(void) {
    TCase *cases = tcase_create("env");
    tcase_add_test(cases, config_null_is_all_zeros);
    tcase_add_test(cases, config_of_an_older_caller_is_zero_filled);
    tcase_add_test(cases, config_of_a_newer_caller_must_not_ask_for_more);
    tcase_add_test(cases, config_without_its_size_is_refused);
    tcase_add_test(cases, info_fills_what_the_caller_knows);
    tcase_add_test(cases, env_defaults);
    tcase_add_test(cases, env_follows_the_cpus_allowed);
    tcase_add_test(cases, env_limits);
    tcase_add_test(cases, env_wants_both_memory_hooks);
    tcase_add_test(cases, memory_is_aligned_and_counted);
    tcase_add_test(cases, memory_sizes_that_overflow_fail);
    tcase_add_test(cases, realloc_keeps_the_old_block_when_there_is_none);
    tcase_add_test(cases, log_lines_reach_the_hook);
    tcase_add_test(cases, progress_is_throttled_and_cancels);
    tcase_add_test(cases, progress_estimates_the_time_left);
    tcase_add_test(cases, time_only_grows);
    return cases;
}
