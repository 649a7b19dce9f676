/* Parts merged are the whole: the same answers, the same pages, the same calibration, the same bytes. */
#include "api/world.h"

#include <stdio.h>

static void search_all(const char *path, double recall, uint32_t k, uint64_t *ids, float *distances, uint64_t *pages) {
    gosset_index *index = NULL;
    gosset_searcher *searcher = NULL;
    gosset_search_options options = {.struct_size = sizeof options, .recall = recall};
    gosset_search_stats stats = {.struct_size = sizeof stats};
    ck_ok(gosset_index_open(&index, path, NULL));
    ck_ok(gosset_searcher_create(&searcher, index, NULL));
    ck_ok(gosset_searcher_set(searcher, &options));
    ck_ok(gosset_searcher_search(searcher, &w.query, k, ids, distances));
    ck_ok(gosset_searcher_stats(searcher, &stats));
    *pages = stats.pages_read;
    gosset_searcher_free(searcher);
    gosset_index_close(index);
}

static void same_answers(const char *a, const char *b) {
    enum { K = 25 };
    static const double recalls[] = {0.5, 0.8, 0.9, 0.95, 0.99, 0.999};
    uint64_t ids_a[WORLD_QUERIES * K], ids_b[WORLD_QUERIES * K], pages_a, pages_b;
    float distances_a[WORLD_QUERIES * K], distances_b[WORLD_QUERIES * K];
    for (size_t i = 0; i < sizeof recalls / sizeof *recalls; i++) {
        search_all(a, recalls[i], K, ids_a, distances_a, &pages_a);
        search_all(b, recalls[i], K, ids_b, distances_b, &pages_b);
        ck_assert_mem_eq(ids_a, ids_b, sizeof ids_a);
        ck_assert_mem_eq(distances_a, distances_b, sizeof distances_a);
        ck_assert_uint_eq(pages_a, pages_b);
    }
}

static void same_calibration(const char *a, const char *b) {
    gosset_index *x = NULL, *y = NULL;
    ck_ok(gosset_index_open(&x, a, NULL));
    ck_ok(gosset_index_open(&y, b, NULL));
    for (double recall = 0.5; recall < 0.9995; recall += 0.0137) {
        gosset_search_options one = {.struct_size = sizeof one}, two = one;
        double pages_one, pages_two;
        ck_ok(gosset_index_calibration(x, recall, &one, &pages_one));
        ck_ok(gosset_index_calibration(y, recall, &two, &pages_two));
        ck_assert_uint_eq(one.probe, two.probe);
        ck_assert_uint_eq(one.rerank, two.rerank);
        ck_assert_uint_eq(one.reach, two.reach);
        ck_assert(pages_one == pages_two);
    }
    gosset_index_close(x);
    gosset_index_close(y);
}

START_TEST(test_three_parts_are_the_whole) {
    enum { A = 3000, B = 17, C = WORLD_BASE - A - B };
    static uint64_t ids[WORLD_BASE];
    char part[3][TEMP_PATH_SIZE], whole[TEMP_PATH_SIZE], merged[TEMP_PATH_SIZE], again[TEMP_PATH_SIZE];
    for (size_t i = 0; i < WORLD_BASE; i++) ids[i] = 3 * i;
    const size_t firsts[] = {0, A, A + B}, counts[] = {A, B, C};
    snprintf(whole, sizeof whole, "%s", build("whole", &w.base, &(build_options){.ids = ids}));
    for (size_t i = 0; i < 3; i++) {
        char name[16];
        snprintf(name, sizeof name, "third-%zu", i);
        gosset_vectors rows = rows_of(&w.base, firsts[i], counts[i]);
        build_options options = {.ids = ids + firsts[i], .shard_size = i == 2 ? 200 << 10 : 0};
        snprintf(part[i], sizeof part[i], "%s", build(name, &rows, &options));
    }
    snprintf(merged, sizeof merged, "%s", temp_path(w.directory, "merged"));
    snprintf(again, sizeof again, "%s", temp_path(w.directory, "again"));
    ck_ok(gosset_merge(merged, (const char *[]){part[2], part[0], part[1]}, 3, NULL));
    ck_ok(gosset_index_verify(merged, NULL));
    same_answers(whole, merged);
    same_calibration(whole, merged);
    ck_ok(gosset_merge(again, (const char *[]){merged}, 1, NULL)); /* a merge of one is a copy */
    same_calibration(whole, again);
    same_answers(whole, again);
    for (size_t i = 0; i < 3; i++) ck_ok(gosset_index_verify(part[i], NULL)); /* sources are only read */
}
END_TEST

START_TEST(test_empty_parts) {
    gosset_vectors none = rows_of(&w.base, 0, 0), some = rows_of(&w.base, 0, 2000);
    char empty[TEMP_PATH_SIZE], full[TEMP_PATH_SIZE];
    const char *merged = temp_path(w.directory, "with-empty");
    snprintf(empty, sizeof empty, "%s", build("empty", &none, NULL));
    snprintf(full, sizeof full, "%s", build("full", &some, NULL));
    ck_ok(gosset_merge(merged, (const char *[]){empty, full}, 2, NULL));
    same_answers(full, merged);
    same_calibration(full, merged);
}
END_TEST

/* Two parts with the same running ids: both vectors stay, under one id. */
START_TEST(test_duplicate_ids) {
    enum { ROWS = 300 };
    gosset_vectors one = rows_of(&w.base, 0, ROWS), two = rows_of(&w.base, ROWS, ROWS);
    char a[TEMP_PATH_SIZE], b[TEMP_PATH_SIZE];
    const char *merged = temp_path(w.directory, "duplicates");
    snprintf(a, sizeof a, "%s", build("same-a", &one, NULL));
    snprintf(b, sizeof b, "%s", build("same-b", &two, NULL));
    ck_ok(gosset_merge(merged, (const char *[]){a, b}, 2, NULL));
    gosset_index *index = NULL;
    gosset_searcher *searcher = NULL;
    uint64_t ids[2 * ROWS];
    ck_ok(gosset_index_open(&index, merged, NULL));
    ck_ok(gosset_searcher_create(&searcher, index, NULL));
    gosset_vectors query = rows_of(&w.query, 0, 1);
    ck_ok(gosset_searcher_search(searcher, &query, 2 * ROWS, ids, NULL));
    uint32_t seen[ROWS] = {0};
    for (size_t i = 0; i < (size_t)2 * ROWS; i++) seen[ids[i]]++;
    for (size_t i = 0; i < ROWS; i++) ck_assert_uint_eq(seen[i], 2);
    gosset_searcher_free(searcher);
    gosset_index_close(index);
}
END_TEST

TCase *case_merge(void) {
    TCase *tcase = tcase_create("merge");
    tcase_add_test(tcase, test_three_parts_are_the_whole);
    tcase_add_test(tcase, test_empty_parts);
    tcase_add_test(tcase, test_duplicate_ids);
    return tcase;
}
