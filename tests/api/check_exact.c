/* Exact search against the definition, written plainly in double precision or integers. */
#include "api/world.h"

#include <math.h>

static double element(const gosset_vectors *v, size_t row, size_t i) {
    size_t at = row * v->dimension + i;
    if (v->type == GOSSET_F32) return ((const float *)v->data)[at];
    return v->type == GOSSET_U8 ? ((const uint8_t *)v->data)[at] : ((const int8_t *)v->data)[at];
}

static double plain_distance(const gosset_vectors *a, size_t i, const gosset_vectors *b, size_t j,
                             gosset_metric metric) {
    double l2 = 0, dot = 0, aa = 0, bb = 0;
    for (size_t d = 0; d < a->dimension; d++) {
        double x = element(a, i, d), y = element(b, j, d);
        l2 += (x - y) * (x - y), dot += x * y, aa += x * x, bb += y * y;
    }
    if (metric == GOSSET_L2) return l2;
    return metric == GOSSET_IP ? -dot : 1 - dot / sqrt(aa * bb);
}

/* Every distance is that of the definition, the list is ordered, and nobody outside it is nearer than its last. */
static void compare(const gosset_vectors *base, const gosset_vectors *queries, gosset_metric metric, uint32_t k,
                    const uint64_t *ids, const float *distances) {
    for (size_t q = 0; q < queries->count; q++) {
        size_t nearer = 0;
        double scale = 0;
        for (size_t j = 0; j < base->dimension; j++) scale += element(queries, q, j) * element(queries, q, j);
        double slack = metric == GOSSET_COSINE                                   ? 1e-5
                       : base->type == GOSSET_F32 || queries->type == GOSSET_F32 ? 1e-5 * (scale + 1)
                                                                                 : 0;
        for (uint32_t i = 0; i < k; i++) {
            size_t at = q * k + i;
            if (i >= base->count) {
                ck_assert_uint_eq(ids[at], GOSSET_NO_ID);
                ck_assert(isinf(distances[at]));
                continue;
            }
            ck_assert_uint_lt(ids[at], base->count);
            double exact = plain_distance(queries, q, base, (size_t)ids[at], metric);
            ck_assert_double_le(fabs(exact - distances[at]), slack);
            if (i)
                ck_assert(distances[at] > distances[at - 1] ||
                          (distances[at] == distances[at - 1] && ids[at] > ids[at - 1]));
        }
        if (k >= base->count) continue;
        double last = distances[q * k + k - 1];
        for (size_t j = 0; j < base->count; j++) nearer += plain_distance(queries, q, base, j, metric) < last - slack;
        ck_assert_uint_le(nearer, k - 1);
    }
}

START_TEST(test_definition) {
    gosset_metric metric = (gosset_metric)(_i / 3);
    gosset_type type = (gosset_type)(_i % 3);
    enum { DIMENSION = 19, QUERIES = 40, BASE = 900, K = 12 };
    void *memory = clustered_vectors(5, BASE + QUERIES, DIMENSION, 9, type);
    gosset_vectors all = view_of(memory, BASE + QUERIES, DIMENSION, type);
    gosset_vectors base = rows_of(&all, 0, BASE), queries = rows_of(&all, BASE, QUERIES);
    uint64_t ids[QUERIES * K];
    float distances[QUERIES * K];
    for (int few = 0; few < 2; few++) {
        if (few) base.count = 5;
        ck_ok(gosset_exact_search(&base, &queries, metric, K, ids, distances, NULL));
        compare(&base, &queries, metric, K, ids, distances);
    }
    free(memory);
}
END_TEST

/* One query and many rows are shared out by rows, many queries by queries: the answers must not tell. */
START_TEST(test_any_split_gives_the_same) {
    enum { K = 30, BASE = WORLD_BASE };
    uint64_t one[K], many[WORLD_QUERIES * K];
    float one_distances[K], many_distances[WORLD_QUERIES * K];
    gosset_env env = {.struct_size = sizeof env, .threads = 1};
    ck_ok(gosset_exact_search(&w.base, &w.query, GOSSET_COSINE, K, many, many_distances, &env));
    env.threads = 5;
    for (size_t q = 0; q < 8; q++) {
        gosset_vectors query = rows_of(&w.query, q, 1);
        ck_ok(gosset_exact_search(&w.base, &query, GOSSET_COSINE, K, one, one_distances, &env));
        ck_assert_mem_eq(one, many + q * K, sizeof one);
        ck_assert_mem_eq(one_distances, many_distances + q * K, sizeof one_distances);
    }
}
END_TEST

START_TEST(test_ties_go_to_the_lower_id) {
    enum { COPIES = 5000, K = 1024 };
    float *same = calloc(COPIES * 2, sizeof *same), query[2] = {1, 1};
    uint64_t ids[K];
    float distances[K];
    gosset_vectors base = view_of(same, COPIES, 2, GOSSET_F32), one = view_of(query, 1, 2, GOSSET_F32);
    gosset_env env = {.struct_size = sizeof env, .threads = 3};
    for (int metric = GOSSET_L2; metric <= GOSSET_COSINE; metric++) {
        ck_ok(gosset_exact_search(&base, &one, (gosset_metric)metric, K, ids, distances, &env));
        for (uint64_t i = 0; i < K; i++) {
            ck_assert_uint_eq(ids[i], i);
            ck_assert(distances[i] == (metric == GOSSET_L2 ? 2.0f : metric == GOSSET_IP ? 0.0f : 1.0f));
            ck_assert(!signbit(distances[i]));
        }
    }
    free(same);
}
END_TEST

/* Floats at odd addresses and with odd strides, as mapped files have them. */
START_TEST(test_unaligned_rows) {
    enum { ROWS = 300, K = 5 };
    size_t stride = WORLD_DIMENSION * sizeof(float) + 3;
    char *memory = malloc(ROWS * stride + 1);
    for (size_t i = 0; i < ROWS; i++)
        memcpy(memory + 1 + i * stride, (const float *)w.base.data + i * WORLD_DIMENSION, stride - 3);
    gosset_vectors odd = {memory + 1, ROWS, stride, WORLD_DIMENSION, GOSSET_F32}, even = rows_of(&w.base, 0, ROWS);
    uint64_t a[WORLD_QUERIES * K], b[WORLD_QUERIES * K];
    ck_ok(gosset_exact_search(&odd, &w.query, GOSSET_L2, K, a, NULL, NULL));
    ck_ok(gosset_exact_search(&even, &w.query, GOSSET_L2, K, b, NULL, NULL));
    ck_assert_mem_eq(a, b, sizeof a);
    gosset_vectors odd_query = rows_of(&odd, 0, 20), even_query = rows_of(&even, 0, 20);
    ck_ok(gosset_exact_search(&even, &odd_query, GOSSET_L2, K, a, NULL, NULL));
    ck_ok(gosset_exact_search(&even, &even_query, GOSSET_L2, K, b, NULL, NULL));
    ck_assert_mem_eq(a, b, 20 * K * sizeof *a);
    free(memory);
}
END_TEST

TCase *case_exact(void) {
    TCase *tcase = tcase_create("exact");
    tcase_add_loop_test(tcase, test_definition, 0, 9);
    tcase_add_test(tcase, test_any_split_gives_the_same);
    tcase_add_test(tcase, test_ties_go_to_the_lower_id);
    tcase_add_test(tcase, test_unaligned_rows);
    return tcase;
}
