/* Lines of codes, written and read back. */
#include "bench/log.h"
#include "check_bench.h"
#include "support/support.h"

#include <string.h>

static const bench_code measured = {
    .name = "IVF-OPQ",
    .factory = "OPQ16_128,IVF1024,PQ16np",
    .ranking = "ip",
    .size = 16,
    .bytes = 16,
    .has_cell = 1,
    .train_seconds = 12.5,
    .encode_us = 3.25,
    .scan_ns = 1.5,
    .quality = {.r_at = {0.5, 0.9375, 1}, .recall_at_10 = 0.625, .depth = {24, 36, 79}},
    .other = {.r_at = {0.25, 0.75, 0.875}, .recall_at_10 = 0.5, .depth = {75, 135, 350}},
};
static const bench_code unfinished = {
    .name = "LSQ", .factory = "LSQ16x8", .size = 16, .reason = "ran, then \"stopped\""};

static bench_code wanted(const bench_code *code) {
    bench_code named = {.size = code->size};
    memcpy(named.name, code->name, sizeof named.name);
    memcpy(named.factory, code->factory, sizeof named.factory);
    return named;
}

START_TEST(lines_come_back) {
    char directory[TEMP_PATH_SIZE];
    temp_directory(directory);
    bench_plan plan = {.name = "set, of words", .log = temp_path(directory, "log.csv")};
    bench_code found = wanted(&measured);
    ck_assert_int_eq(bench_log_find(&plan, 1, &found), 0);
    bench_log_code(&plan, &measured);
    bench_log_code(&plan, &unfinished);
    ck_assert_int_eq(bench_log_find(&plan, 0, &found), 0); /* judged by other queries, which nobody asked for */
    ck_assert_int_eq(bench_log_find(&plan, 1, &found), 1);
    ck_assert_str_eq(found.ranking, "ip");
    ck_assert_int_eq(found.has_cell, 1);
    ck_assert_mem_eq(&found.quality, &measured.quality, sizeof found.quality);
    ck_assert_mem_eq(&found.other, &measured.other, sizeof found.other);
    ck_assert_double_eq(found.train_seconds, 12.5);
    found = wanted(&unfinished);
    ck_assert_int_eq(bench_log_find(&plan, 1, &found), 1);
    ck_assert_str_eq(found.reason, "ran, then 'stopped'");
    ck_assert_uint_eq(found.quality.depth[0], 0);
    found.size = 32;
    ck_assert_int_eq(bench_log_find(&plan, 1, &found), 0);
    plan.name = "set";
    found.size = 16;
    ck_assert_int_eq(bench_log_find(&plan, 1, &found), 0);
    temp_remove(directory);
}
END_TEST

TCase *bench_log_cases(void) {
    TCase *cases = tcase_create("log");
    tcase_add_test(cases, lines_come_back);
    return cases;
}
