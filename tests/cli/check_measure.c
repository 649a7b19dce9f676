/* bench and codes: every figure there, and right where it can be had another way. */
#include "cli_tests.h"
#include "datasets/vectors.h"

#include <gosset/gosset.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

START_TEST(bench_rows) {
    const json_t *json =
        run_json("bench", "--index", "all.gosset", "--query", "query.fvecs", "--truth", "truth.ivecs", "--threads",
                 "1,2", "--recall", "0.8,0.95", "--probe", "20", "--rerank", "15,60", NULL)
            ->json;
    const json_t *rows = json_object_get(json, "rows");
    ck_assert_uint_eq(json_array_size(rows), 8);
    ck_assert_int_eq(count_of(json, "vector_count"), BASE_COUNT);
    for (size_t i = 0; i < 8; i++) {
        static const char *const keys[] = {"recall_at_10",
                                           "pages_per_query_mean",
                                           "pages_per_query_p99",
                                           "latency_p50_us",
                                           "latency_p99_us",
                                           "queries_per_second",
                                           "cells_per_query",
                                           "codes_per_query",
                                           "encode_us",
                                           "scan_us",
                                           "io_us"};
        const json_t *row = json_array_get(rows, i);
        ck_assert_int_eq(count_of(row, "threads"), i < 4 ? 1 : 2);
        for (size_t j = 0; j < sizeof keys / sizeof *keys; j++) ck_assert_double_ge(real_of(row, keys[j]), 0);
        if (i % 4 >= 2) ck_assert(json_is_null(json_object_get(row, "recall_target")));
        /* What is found does not depend on how many threads look. */
        const json_t *same = json_array_get(rows, (i + 4) % 8);
        ck_assert_double_eq(real_of(row, "recall_at_10"), real_of(same, "recall_at_10"));
        ck_assert_double_eq(real_of(row, "pages_per_query_mean"), real_of(same, "pages_per_query_mean"));
    }
    ck_assert_double_le(real_of(json_array_get(rows, 2), "pages_per_query_mean"),
                        real_of(json_array_get(rows, 3), "pages_per_query_mean"));
}
END_TEST

/* Ways of asking: the same answers, and each row says which way it was. */
START_TEST(bench_ways) {
    static const char *const ways[][4] = {{"--in-flight", "5", "--io", "auto"},
                                          {"--batch", "32", "--io", "threads"},
                                          {"--in-flight", "3", "--io", "memory"}};
    const json_t *plain = run_json("bench", "--index", "all.gosset", "--query", "query.fvecs", "--truth", "truth.ivecs",
                                   "--threads", "1", "--recall", "0.9", NULL)
                              ->json;
    const double recall = real_of(json_array_get(json_object_get(plain, "rows"), 0), "recall_at_10");
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        const json_t *json =
            run_json("bench", "--index", "all.gosset", "--query", "query.fvecs", "--truth", "truth.ivecs", "--threads",
                     "2", "--recall", "0.9", ways[i][0], ways[i][1], ways[i][2], ways[i][3], NULL)
                ->json;
        const json_t *row = json_array_get(json_object_get(json, "rows"), 0);
        ck_assert_double_eq(real_of(row, "recall_at_10"), recall);
        ck_assert_int_eq(count_of(row, i == 1 ? "batch" : "in_flight"), atoi(ways[i][1]));
        ck_assert_double_gt(real_of(row, "pages_per_query_mean"), 0);
        ck_assert_double_ge(real_of(row, "latency_p99_us"), real_of(row, "latency_p50_us"));
    }
}
END_TEST

/* Queries that arrive: as many as arrive are answered, and not many more. */
START_TEST(bench_arrivals) {
    const json_t *json = run_json("bench", "--index", "all.gosset", "--query", "query.fvecs", "--truth", "truth.ivecs",
                                  "--threads", "2", "--recall", "0.9", "--load", "0.2", "--rate", "400", "--arrivals",
                                  _i ? "even" : "random", "--device", NULL)
                             ->json;
    const json_t *rows = json_object_get(json, "rows");
    ck_assert_uint_eq(json_array_size(rows), 3);
    ck_assert_double_gt(real_of(json, "device_reads_per_second"), 0);
    const json_t *closed = json_array_get(rows, 0), *load = json_array_get(rows, 1), *rate = json_array_get(rows, 2);
    ck_assert(json_is_null(json_object_get(closed, "arrivals_per_second")));
    ck_assert_double_eq_tol(real_of(load, "arrivals_per_second"), 0.2 * real_of(closed, "queries_per_second"), 1e-3);
    ck_assert_double_eq(real_of(rate, "arrivals_per_second"), 400);
    ck_assert_double_gt(real_of(rate, "queries_per_second"), 400 / 4.0);
    ck_assert_double_lt(real_of(rate, "queries_per_second"), 400 * 2.0); /* 100 of them: chance is coarse */
    for (size_t i = 0; i < 3; i++) {
        const json_t *row = json_array_get(rows, i);
        ck_assert_double_eq(real_of(row, "recall_at_10"), real_of(closed, "recall_at_10"));
        ck_assert_double_gt(real_of(row, "device_share"), 0);
        ck_assert_double_gt(real_of(row, "bare_batch_p50_us"), 0);
        ck_assert_double_ge(real_of(row, "bare_batch_p99_us"), real_of(row, "bare_batch_p50_us"));
        ck_assert_double_gt(real_of(row, "latency_p50_us"), 0);
    }
}
END_TEST

START_TEST(bench_ways_exclude_each_other) {
    static const struct {
        const char *option, *value, *other, *other_value, *words;
    } wrong[] = {{"--batch", "8", "--load", "0.5", "--batch excludes"},
                 {"--in-flight", "257", "--k", "5", "at most 256"},
                 {"--arrivals", "even", "--k", "5", "--arrivals needs"},
                 {"--arrivals", "never", "--rate", "9", "random or even"},
                 {"--io", "memory", "--k", "5", "nothing is read"}};
    const tool_result *result =
        run_tool("bench", "--index", "all.gosset", "--query", "query.fvecs", "--truth", "truth.ivecs", wrong[_i].option,
                 wrong[_i].value, wrong[_i].other, wrong[_i].other_value, _i == 4 ? "--device" : NULL, NULL);
    ck_assert_int_eq(result->code, 2);
    ck_assert_msg(strstr(result->err, wrong[_i].words) != NULL, "%s", result->err);
}
END_TEST

/* With gnuplot there is a plot; without it, a sentence that says what to install, before anything is measured. */
START_TEST(bench_plot) {
    const tool_result *result = run_tool("bench", "--index", "all.gosset", "--query", "query.fvecs", "--truth",
                                         "truth.ivecs", "--recall", "0.8,0.9", "--plot", "it's a plot.svg", NULL);
    if (result->code == 1) {
        ck_assert_ptr_nonnull(strstr(result->err, "gnuplot was not found"));
        ck_assert(!file_exists(here("it's a plot.svg")));
        return;
    }
    ck_assert_msg(result->code == 0, "%s", result->err);
    unsigned char *svg = file_bytes(here("it's a plot.svg"), NULL);
    ck_assert_ptr_nonnull(strstr((const char *)svg, "<svg"));
    ck_assert_ptr_nonnull(strstr((const char *)svg, "recall@10"));
    free(svg);
}
END_TEST

START_TEST(bench_without_gnuplot) {
    ck_assert_int_eq(setenv("PATH", "/nowhere", 1), 0);
    const tool_result *result = run_tool("bench", "--index", "all.gosset", "--query", "query.fvecs", "--truth",
                                         "truth.ivecs", "--plot", "p.svg", NULL);
    check_failure(result, "gnuplot was not found", "gnuplot-nox");
}
END_TEST

/* Rank of base row `wanted` among all by Euclidean distance of features; ties by lower row. */
static int rank_of(const float *query, const float *features, uint32_t dimension, uint64_t wanted) {
    static double distances[BASE_COUNT];
    double scale = 0;
    int rank = 0;
    for (uint32_t j = 0; j < dimension; j++) scale += (double)query[j] * (double)query[j];
    for (uint64_t i = 0; i < BASE_COUNT; i++) {
        distances[i] = 0;
        for (uint32_t j = 0; j < dimension; j++) {
            const double difference = (double)query[j] - (double)features[i * dimension + j];
            distances[i] += difference * difference;
        }
    }
    const double limit = distances[wanted], tie = 1e-6 * (scale + limit);
    for (uint64_t i = 0; i < BASE_COUNT; i++)
        rank += i != wanted && (distances[i] < limit - tie || (distances[i] <= limit + tie && i < wanted));
    return rank;
}

/* `gosset codes` blocks, tiles and counts; here every distance is computed and compared plainly. */
START_TEST(codes_are_right) {
    gosset_model *model;
    gosset_model_info info = {.struct_size = sizeof info};
    gosset_dataset *dataset;
    static uint64_t truth[QUERY_COUNT * TRUTH_K];
    static const char *const rows[] = {"latents", "lattice"};
    const gosset_vectors base_view = view_of(base_rows, BASE_COUNT, DIMENSION, GOSSET_F32);
    const gosset_vectors query_view = view_of(query_rows, QUERY_COUNT, DIMENSION, GOSSET_F32);
    ck_assert_int_eq(gosset_model_load(&model, here("map.model"), NULL), GOSSET_OK);
    ck_assert_int_eq(gosset_model_describe(model, &info), GOSSET_OK);
    const uint32_t dimension = info.feature_dimension;
    float *query = malloc(QUERY_COUNT * dimension * sizeof *query), *base[2];
    uint32_t *cells = malloc(BASE_COUNT * sizeof *cells);
    uint8_t *codes = malloc((size_t)BASE_COUNT * info.code_bytes);
    for (int i = 0; i < 2; i++) base[i] = malloc((size_t)BASE_COUNT * dimension * sizeof(float));
    ck_assert_int_eq(gosset_model_features(model, GOSSET_QUERY, &query_view, query), GOSSET_OK);
    ck_assert_int_eq(gosset_model_features(model, GOSSET_BASE, &base_view, base[0]), GOSSET_OK);
    ck_assert_int_eq(gosset_model_encode(model, &base_view, cells, codes), GOSSET_OK);
    ck_assert_int_eq(gosset_model_decode(model, BASE_COUNT, cells, codes, base[1]), GOSSET_OK);
    ck_assert_int_eq(gosset_dataset_open(&dataset, here("truth.ivecs")), GOSSET_OK);
    ck_assert_int_eq(gosset_dataset_read_integers(dataset, 0, QUERY_COUNT, truth), GOSSET_OK);
    gosset_dataset_close(dataset);
    const json_t *json = run_json("codes", "--model", "map.model", "--base", "base.fvecs", "--query", "query.fvecs",
                                  "--truth", "truth.ivecs", NULL)
                             ->json;
    for (int variant = 0; variant < 2; variant++) {
        int first = 0, ten = 0;
        for (size_t i = 0; i < QUERY_COUNT; i++) {
            for (size_t j = 0; j < 10; j++) {
                const int rank = rank_of(query + i * dimension, base[variant], dimension, truth[i * TRUTH_K + j]);
                first += j == 0 && rank == 0;
                ten += rank < 10;
            }
        }
        const json_t *row = json_object_get(json, rows[variant]);
        ck_assert_double_eq_tol(real_of(row, "r_at_1"), (double)first / QUERY_COUNT, 1e-9);
        ck_assert_double_eq_tol(real_of(row, "recall_at_10"), (double)ten / (10 * QUERY_COUNT), 1e-9);
        free(base[variant]);
    }
    gosset_model_free(model);
    free(query);
    free(cells);
    free(codes);
}
END_TEST

START_TEST(codes_report) {
    static const char *const rows[] = {"latents", "lattice", "ideal"};
    const json_t *json = run_json("codes", "--model", "map.model", "--base", "base.fvecs", "--query", "query.fvecs",
                                  "--truth", "truth.ivecs", "--threads", "1", NULL)
                             ->json;
    for (int i = 0; i < 3; i++) {
        const json_t *row = json_object_get(json, rows[i]);
        ck_assert_double_gt(real_of(row, "r_at_1"), 0);
        ck_assert_double_le(real_of(row, "r_at_1"), real_of(row, "r_at_10"));
        ck_assert_double_le(real_of(row, "r_at_10"), real_of(row, "r_at_100"));
        ck_assert_double_le(real_of(row, "r_at_100"), 1);
        ck_assert_int_ge(count_of(row, "rerank_depth_90"), 9);
        ck_assert_int_le(count_of(row, "rerank_depth_90"), count_of(row, "rerank_depth_95"));
        ck_assert_int_le(count_of(row, "rerank_depth_95"), count_of(row, "rerank_depth_99"));
        ck_assert_int_le(count_of(row, "rerank_depth_99"), BASE_COUNT);
    }
    ck_assert_double_eq(real_of(json, "r_at_1"), real_of(json_object_get(json, "lattice"), "r_at_1"));
    ck_assert_double_gt(real_of(json, "code_bits"), 1);
    ck_assert_double_gt(real_of(json, "ideal_cosine"), 0);
    /* The same whoever counts. */
    char *once = json_dumps(json_object_get(json, "ideal"), JSON_SORT_KEYS);
    json = run_json("codes", "--model", "map.model", "--base", "base.fvecs", "--query", "query.fvecs", "--truth",
                    "truth.ivecs", "--threads", "3", NULL)
               ->json;
    char *again = json_dumps(json_object_get(json, "ideal"), JSON_SORT_KEYS);
    ck_assert_str_eq(once, again);
    free(once);
    free(again);
}
END_TEST

/* Without queries: how long coding takes, many vectors a call and one. */
START_TEST(coding_times) {
    const json_t *json = run_json("codes", "--model", "map.model", "--base", "base.fvecs", NULL)->json;
    const json_t *rows = json_object_get(json, "coding");
    ck_assert_ptr_null(json_object_get(json, "lattice"));
    ck_assert_uint_eq(json_array_size(rows), 2);
    for (size_t i = 0; i < 2; i++) {
        const json_t *row = json_array_get(rows, i);
        ck_assert_int_eq(count_of(row, "rows_per_call"), i == 1 ? 1 : BASE_COUNT < 1024 ? BASE_COUNT : 1024);
        ck_assert_double_gt(real_of(row, "map_us"), 0);
        ck_assert_double_gt(real_of(row, "cell_us"), 0);
        ck_assert_double_eq_tol(real_of(row, "map_us") + real_of(row, "cell_us") + real_of(row, "code_us"),
                                real_of(row, "all_us"), 1e-6);
    }
    ck_assert_int_eq(
        run_tool("codes", "--model", "map.model", "--base", "base.fvecs", "--truth", "truth.ivecs", NULL)->code, 2);
}
END_TEST

TCase *measure_cases(void) {
    TCase *cases = tcase_create("measure");
    tcase_add_test(cases, bench_rows);
    tcase_add_test(cases, bench_ways);
    tcase_add_loop_test(cases, bench_arrivals, 0, 2);
    tcase_add_loop_test(cases, bench_ways_exclude_each_other, 0, 5);
    tcase_add_test(cases, bench_plot);
    tcase_add_test(cases, bench_without_gnuplot);
    tcase_add_test(cases, codes_are_right);
    tcase_add_test(cases, codes_report);
    tcase_add_test(cases, coding_times);
    return cases;
}
