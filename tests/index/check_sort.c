/* The external sort alone: any budget, any number of runs and passes, one order. */
#include "base/rng.h"
#include "index/sort.h"
#include "index/store_support.h"
#include <stdlib.h>
#include <string.h>

static char directory[TEMP_PATH_SIZE];
static void setup(void) {
    temp_directory(directory);
}
static void teardown(void) {
    temp_remove(directory);
}

static size_t compared;
static int compare(const void *a, const void *b) {
    return memcmp(a, b, compared);
}

/* Few distinct byte values, so that long common prefixes and equal rows occur. */
static uint8_t *make_rows(size_t count, size_t size, uint64_t values) {
    gosset__rng rng = gosset__rng_make(3, count);
    uint8_t *rows = malloc(count * size + 1);
    for (size_t i = 0; i < count * size; i++) rows[i] = (uint8_t)gosset__rng_below(&rng, values);
    return rows;
}

static void check(size_t count, size_t size, uint64_t values, size_t memory, size_t merge_memory, uint32_t runs) {
    gosset__env env = default_env(1);
    gosset__sorter *sorter = NULL;
    uint8_t *rows = make_rows(count, size, values), *slot;
    const uint8_t *row;
    must(gosset__sorter_create(&sorter, directory, size, memory, &env));
    for (size_t i = 0; i < count; i++) {
        must(gosset__sorter_push(sorter, &slot));
        memcpy(slot, rows + i * size, size);
    }
    must(gosset__sorter_finish(sorter, merge_memory));
    ck_assert_uint_ge(gosset__sorter_runs(sorter), runs);
    if (runs == 0) ck_assert_uint_eq(gosset__sorter_runs(sorter), 0);
    compared = size;
    qsort(rows, count, size, compare);
    for (size_t i = 0; i < count; i++) {
        must(gosset__sorter_next(sorter, &row));
        ck_assert_ptr_nonnull(row);
        ck_assert_msg(memcmp(row, rows + i * size, size) == 0, "row %zu of %zu", i, count);
    }
    must(gosset__sorter_next(sorter, &row));
    ck_assert_ptr_null(row);
    must(gosset__sorter_next(sorter, &row));
    ck_assert_ptr_null(row);
    gosset__sorter_free(sorter);
    ck_assert_uint_eq(directory_entries(directory), 0);
    free(rows);
}

START_TEST(rows_in_memory) {
    const size_t counts[] = {0, 1, 2, 24, 25, 26, 1000, 20000};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        check(counts[i], 16, 256, 8 * MIB, 8 * MIB, 0);
        check(counts[i], 33, 2, 8 * MIB, 8 * MIB, 0);
        check(counts[i], 40, 1, 8 * MIB, 8 * MIB, 0); /* all rows equal */
    }
}
END_TEST

START_TEST(rows_in_runs) {
    const size_t minimum = gosset__sorter_minimum(40);
    check(30000, 40, 256, minimum, 8 * MIB, 5);
    check(30000, 40, 2, minimum, 8 * MIB, 5);
    check(30000, 40, 256, 4 * MIB, minimum, 1); /* spilled only because the merge may hold less */
    check(1, 40, 256, minimum, minimum, 0);
}
END_TEST

START_TEST(runs_in_several_passes) {
    const size_t minimum = gosset__sorter_minimum(40);
    check(60000, 40, 256, minimum, minimum, 12); /* fan-in 2: four passes */
    check(60000, 40, 3, minimum, minimum, 12);
    check(600, 20520, 256, gosset__sorter_minimum(20520), gosset__sorter_minimum(20520), 12);
}
END_TEST

void add_sort_tests(Suite *suite) {
    TCase *sort = tcase_create("sort");
    tcase_add_checked_fixture(sort, setup, teardown);
    tcase_set_timeout(sort, 60);
    tcase_add_test(sort, rows_in_memory);
    tcase_add_test(sort, rows_in_runs);
    tcase_add_test(sort, runs_in_several_passes);
    suite_add_tcase(suite, sort);
}
