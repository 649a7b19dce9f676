/* search and truth: the same answers whatever reads the pages, and the right ones. */
#include "cli_tests.h"
#include "datasets/vectors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

START_TEST(backends_agree) {
    static const char *const backends[] = {"memory", "threads", "uring"};
    for (int i = 0; i < 3; i++) {
        char ids[32], distances[32];
        snprintf(ids, sizeof ids, "by-%s.ivecs", backends[i]);
        snprintf(distances, sizeof distances, "by-%s.fvecs", backends[i]);
        const tool_result *result = run_tool("search", "--index", "all.gosset", "--query", "query.fvecs", "--truth",
                                             "truth.ivecs", "--out", ids, "--distances", distances, "--io", backends[i],
                                             "--threads", i == 1 ? "3" : "1", "--json", NULL);
        if (i == 2 && result->code == 1) { /* io_uring is forbidden here: it must say so by name */
            ck_assert_msg(strstr(result->err, "uring") != NULL, "%s", result->err);
            continue;
        }
        ck_assert_msg(result->code == 0, "%s", result->err);
        char first_ids[32] = "by-memory.ivecs", first_distances[32] = "by-memory.fvecs";
        ck_assert(same_files(ids, first_ids));
        ck_assert(same_files(distances, first_distances));
    }
}
END_TEST

START_TEST(search_reports) {
    const json_t *json = run_json("search", "--index", "all.gosset", "--query", "query.fvecs", "--truth", "truth.ivecs",
                                  "--recall", "0.95", "--show", "2", NULL)
                             ->json;
    ck_assert_double_ge(real_of(json, "recall_at_10"), 0.85);
    ck_assert_double_le(real_of(json, "recall_at_10"), 1);
    ck_assert_double_gt(real_of(json, "pages_per_query_mean"), 0);
    ck_assert_double_ge(real_of(json, "pages_per_query_p99"), real_of(json, "pages_per_query_mean"));
    ck_assert_double_gt(real_of(json, "latency_p50_us"), 0);
    ck_assert_double_ge(real_of(json, "latency_p99_us"), real_of(json, "latency_p50_us"));
    ck_assert_double_gt(real_of(json, "queries_per_second"), 0);
    ck_assert_double_le(real_of(json, "io_batches_per_query"), 4);
    ck_assert_int_gt(count_of(json, "code_bytes_per_vector"), 0);
    ck_assert_int_gt(count_of(json, "resident_bytes"), 0);
    ck_assert_int_eq(count_of(json, "query_count"), QUERY_COUNT);
    ck_assert_int_gt(count_of(json, "probe"), 0);
    ck_assert_int_ge(count_of(json, "rerank"), 10);
    const json_t *results = json_object_get(json, "results");
    ck_assert_uint_eq(json_array_size(results), 2);
    ck_assert_uint_eq(json_array_size(json_object_get(json_array_get(results, 1), "ids")), 10);
}
END_TEST

/* A budget one byte too small for leaves, if there are any: codes stay in memory. One too small for the codes: they are
 * read, and the answers are those without leaves. */
START_TEST(codes_may_stay_on_disk) {
    char memory[32];
    const json_t *json = run_json("info", "all.gosset", NULL)->json;
    const long long leaves = count_of(json_object_get(json, "memory"), "leaves_bytes");
    ck_assert_str_eq(text_of(json, "codes"), "in memory");
    snprintf(memory, sizeof memory, "%lld",
             (long long)count_of(json_object_get(json, "memory"), "index_bytes") - (leaves > 0));
    json = run_json("search", "--index", "all.gosset", "--query", "query.fvecs", "--truth", "truth.ivecs", "--out",
                    "held.ivecs", "--memory", memory, NULL)
               ->json;
    const long long held = count_of(json, "resident_bytes");
    ck_assert_str_ne(text_of(json, "codes"), "on disk");
    snprintf(memory, sizeof memory, "%lld", held - 1);
    json = run_json("search", "--index", "all.gosset", "--query", "query.fvecs", "--truth", "truth.ivecs", "--out",
                    "read.ivecs", "--memory", memory, NULL)
               ->json;
    ck_assert_str_eq(text_of(json, "codes"), "on disk");
    ck_assert_int_lt(count_of(json, "resident_bytes"), held);
    ck_assert_double_gt(real_of(json, "code_reads_per_query"), 0);
    ck_assert(same_files("held.ivecs", "read.ivecs"));
    json = run_json("info", "all.gosset", "--memory", memory, NULL)->json;
    ck_assert_str_eq(text_of(json, "codes"), "on disk");
    const json_t *lines = json_object_get(json, "memory");
    ck_assert_int_lt(count_of(lines, "index_bytes"), held);
    check_failure(run_tool("info", "all.gosset", "--memory", "1000", NULL), "all.gosset", "expected at least");
}
END_TEST

START_TEST(recall_key_follows_k) {
    const json_t *json =
        run_json("search", "--index", "all.gosset", "--query", "query.fvecs", "--truth", "truth.ivecs", "-k", "3", NULL)
            ->json;
    ck_assert_double_gt(real_of(json, "recall_at_3"), 0.5);
    ck_assert_ptr_null(json_object_get(json, "recall_at_10"));
}
END_TEST

START_TEST(all_cells_find_everything) {
    const json_t *json = run_json("search", "--index", "all.gosset", "--query", "query.fvecs", "--truth", "truth.ivecs",
                                  "--probe", "100000", "--rerank", "4000", NULL)
                             ->json;
    ck_assert_double_eq(real_of(json, "recall_at_10"), 1);
}
END_TEST

static double squared_distance(const float *a, const float *b) {
    double sum = 0;
    for (int i = 0; i < DIMENSION; i++) sum += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
    return sum;
}

/* Against the plainest brute force: the count of nearer vectors at each place. */
START_TEST(truth_is_exact) {
    gosset_dataset *dataset;
    uint64_t ids[QUERY_COUNT * TRUTH_K];
    ck_assert_int_eq(gosset_dataset_open(&dataset, here("truth.ivecs")), GOSSET_OK);
    ck_assert_uint_eq(gosset_dataset_count(dataset), QUERY_COUNT);
    ck_assert_uint_eq(gosset_dataset_dimension(dataset), TRUTH_K);
    ck_assert_int_eq(gosset_dataset_read_integers(dataset, 0, QUERY_COUNT, ids), GOSSET_OK);
    gosset_dataset_close(dataset);
    for (int query = 0; query < QUERY_COUNT; query++) {
        const float *row = query_rows + query * DIMENSION;
        for (int place = 0; place < TRUTH_K; place++) {
            const uint64_t id = ids[query * TRUTH_K + place];
            ck_assert_uint_lt(id, BASE_COUNT);
            const double distance = squared_distance(row, base_rows + id * DIMENSION);
            int nearer = 0, near = 0;
            for (int i = 0; i < BASE_COUNT; i++) {
                const double other = squared_distance(row, base_rows + (size_t)i * DIMENSION);
                nearer += other < distance * (1 - 1e-6);
                near += other <= distance * (1 + 1e-6);
            }
            ck_assert_int_le(nearer, place);
            ck_assert_int_gt(near, place);
        }
    }
}
END_TEST

START_TEST(truth_of_every_metric) {
    static const char *const metrics[] = {"l2", "ip", "cosine"};
    const json_t *json = run_json("truth", "--base", "base.fvecs", "--query", "query.fvecs", "-k", "5", "--out",
                                  "metric.ivecs", "--distances", "metric.fvecs", "--metric", metrics[_i], NULL)
                             ->json;
    ck_assert_str_eq(text_of(json, "metric"), metrics[_i]);
    ck_assert_int_eq(count_of(json, "k"), 5);
    gosset_dataset *dataset;
    gosset_vectors distances;
    ck_assert_int_eq(gosset_dataset_open(&dataset, here("metric.fvecs")), GOSSET_OK);
    ck_assert_int_eq(gosset_dataset_map(dataset, &distances), GOSSET_OK);
    for (size_t query = 0; query < QUERY_COUNT; query++) {
        float row[5];
        memcpy(row, (const unsigned char *)distances.data + query * distances.stride, sizeof row);
        for (int i = 1; i < 5; i++) ck_assert_float_ge(row[i], row[i - 1]);
    }
    gosset_dataset_close(dataset);
}
END_TEST

/* Ids of the caller come back, large ones too; a file of int32 that cannot hold them is refused. */
START_TEST(ids_of_the_caller) {
    static uint64_t ids[1 + BASE_COUNT];
    ids[0] = BASE_COUNT | (uint64_t)1 << 32;
    for (uint64_t i = 0; i < BASE_COUNT; i++) ids[1 + i] = (1ull << 40) + 3 * i;
    file_write(here("large.u64bin"), ids, sizeof ids);
    const tool_result *result = run_tool("build", "--model", "map.model", "--base", "base.fvecs", "--ids",
                                         "large.u64bin", "--out", "large.gosset", NULL);
    ck_assert_msg(result->code == 0, "%s", result->err);
    const json_t *json =
        run_json("search", "--index", "large.gosset", "--query", "query.fvecs", "-k", "4", "--show", "1", NULL)->json;
    const json_t *found = json_object_get(json_array_get(json_object_get(json, "results"), 0), "ids");
    ck_assert_uint_eq(json_array_size(found), 4);
    for (size_t i = 0; i < 4; i++) {
        const json_int_t id = json_integer_value(json_array_get(found, i));
        ck_assert_int_ge(id, (json_int_t)1 << 40);
        ck_assert_int_eq((id - ((json_int_t)1 << 40)) % 3, 0);
    }
    result = run_tool("search", "--index", "large.gosset", "--query", "query.fvecs", "--out", "large.ivecs", NULL);
    ck_assert_int_eq(result->code, 1);
    ck_assert_ptr_nonnull(strstr(result->err, "does not fit the int32"));
}
END_TEST

TCase *search_cases(void) {
    TCase *cases = tcase_create("search");
    tcase_add_test(cases, backends_agree);
    tcase_add_test(cases, search_reports);
    tcase_add_test(cases, recall_key_follows_k);
    tcase_add_test(cases, codes_may_stay_on_disk);
    tcase_add_test(cases, all_cells_find_everything);
    tcase_add_test(cases, truth_is_exact);
    tcase_add_loop_test(cases, truth_of_every_metric, 0, 3);
    tcase_add_test(cases, ids_of_the_caller);
    return cases;
}
