/* Ranks of true neighbours among codes, against sorting everything. */
#include "bench/data.h"
#include "bench/rank.h"
#include "check_bench.h"
#include "support/support.h"

#include <stdlib.h>
#include <string.h>

enum { QUERIES = 150, ROWS = 5000, DIMENSION = 6, PIECE = 2777 };

typedef struct fixture {
    float *queries, *rows;
    int32_t truth[QUERIES * RANK_TRUE];
} fixture;

static double score_of(const float *query, const float *row, rank_order order) {
    double sum = 0;
    for (int i = 0; i < DIMENSION; i++) {
        const double q = (double)query[i], x = (double)row[i];
        sum += order == RANK_IP ? q * x : -(q - x) * (q - x);
    }
    return sum;
}

/* Any ten rows may stand for the truth: ranks are then spread over all depths. */
static void make(fixture *self, uint64_t seed) {
    self->queries = clustered_vectors(seed, QUERIES, DIMENSION, 7, GOSSET_F32);
    self->rows = clustered_vectors(seed + 1, ROWS, DIMENSION, 7, GOSSET_F32);
    for (uint32_t i = 0; i < QUERIES * RANK_TRUE; i++)
        self->truth[i] = (int32_t)((i / RANK_TRUE * 37 + i % RANK_TRUE * 499 + 11) % ROWS);
}

static void drop(fixture *self) {
    free(self->queries);
    free(self->rows);
}

static rank_counter *count_all(const fixture *self) {
    rank_counter *counter = rank_create(self->queries, QUERIES, DIMENSION, self->truth, RANK_TRUE);
    for (size_t query = 0; query < QUERIES; query++) {
        float ten[RANK_TRUE * DIMENSION];
        for (size_t i = 0; i < RANK_TRUE; i++)
            memcpy(ten + i * DIMENSION, self->rows + self->truth[query * RANK_TRUE + i] * DIMENSION,
                   DIMENSION * sizeof *ten);
        rank_truth(counter, query, ten);
    }
    for (size_t first = 0; first < ROWS; first += PIECE)
        rank_count(counter, first, ROWS - first < PIECE ? ROWS - first : PIECE, self->rows + first * DIMENSION);
    return counter;
}

/* How many true neighbours a list of each length holds, found by comparing with every row. */
static void found_by_depth(const fixture *self, rank_order order, uint32_t *found, uint32_t first_within[3]) {
    memset(found, 0, ROWS * sizeof *found);
    memset(first_within, 0, 3 * sizeof *first_within);
    for (size_t query = 0; query < QUERIES; query++) {
        const float *wanted = self->queries + query * DIMENSION;
        for (size_t i = 0; i < RANK_TRUE; i++) {
            const int32_t id = self->truth[query * RANK_TRUE + i];
            const double own = score_of(wanted, self->rows + id * DIMENSION, order);
            uint32_t rank = 0;
            for (int32_t row = 0; row < ROWS; row++) {
                const double score = score_of(wanted, self->rows + row * DIMENSION, order);
                rank += score > own || (score == own && row < id);
            }
            for (uint32_t depth = rank; depth < ROWS; depth++) found[depth]++;
            if (i == 0) first_within[0] += rank < 1, first_within[1] += rank < 10, first_within[2] += rank < 100;
        }
    }
}

START_TEST(same_as_sorting) {
    const rank_order order = _i ? RANK_IP : RANK_L2;
    static const double wanted[3] = {0.90, 0.95, 0.99};
    static uint32_t found[ROWS];
    uint32_t first_within[3];
    fixture data;
    make(&data, 5);
    found_by_depth(&data, order, found, first_within);
    rank_counter *counter = count_all(&data);
    const rank_quality quality = rank_summary(counter, order);
    for (int i = 0; i < 3; i++) {
        ck_assert_double_eq_tol(quality.r_at[i], (double)first_within[i] / QUERIES, 1e-12);
        const double all = QUERIES * RANK_TRUE, slack = 2; /* floats may order two rows otherwise than doubles */
        ck_assert_double_ge(found[quality.depth[i] - 1] + slack, wanted[i] * all);
        ck_assert_double_lt(found[quality.depth[i] - 2] - slack, wanted[i] * all);
    }
    ck_assert_double_eq_tol(quality.recall_at_10, (double)found[9] / (QUERIES * RANK_TRUE), 1e-3);
    rank_free(counter);
    drop(&data);
}
END_TEST

/* All codes alike: the order is that of the rows. */
START_TEST(ties_go_to_the_lower_row) {
    fixture data;
    make(&data, 6);
    for (size_t i = 0; i < ROWS * DIMENSION; i++) data.rows[i] = data.rows[i % DIMENSION];
    for (size_t i = 0; i < QUERIES * RANK_TRUE; i++) data.truth[i] = (int32_t)(i % RANK_TRUE * 100);
    rank_counter *counter = count_all(&data);
    const rank_quality quality = rank_summary(counter, RANK_L2);
    ck_assert_double_eq(quality.r_at[0], 1);
    ck_assert_uint_eq(quality.depth[0], 801);
    ck_assert_uint_eq(quality.depth[1], 901);
    ck_assert_double_eq(quality.recall_at_10, 0.1);
    rank_free(counter);
    drop(&data);
}
END_TEST

/* Codes without error: the ten nearest are the first ten. */
START_TEST(perfect_codes) {
    fixture data;
    make(&data, 7);
    for (size_t query = 0; query < QUERIES; query++) {
        int32_t *truth = data.truth + query * RANK_TRUE;
        size_t count = 0;
        for (int32_t row = 0; row < ROWS; row++) { /* insertion into a list of ten */
            const double score = score_of(data.queries + query * DIMENSION, data.rows + row * DIMENSION, RANK_L2);
            size_t at = count < RANK_TRUE ? count++ : RANK_TRUE;
            for (; at > 0 &&
                   score > score_of(data.queries + query * DIMENSION, data.rows + truth[at - 1] * DIMENSION, RANK_L2);
                 at--)
                if (at < RANK_TRUE) truth[at] = truth[at - 1];
            if (at < RANK_TRUE) truth[at] = row;
        }
    }
    rank_counter *counter = count_all(&data);
    const rank_quality quality = rank_summary(counter, RANK_L2);
    ck_assert_double_ge(quality.r_at[0], 0.98); /* but for what a float cannot tell apart */
    ck_assert_double_ge(quality.recall_at_10, 0.99);
    ck_assert_uint_le(quality.depth[1], 10);
    rank_free(counter);
    drop(&data);
}
END_TEST

START_TEST(recall) {
    int32_t truth[2 * 3] = {5, 6, 7, 1, 2, 3};
    const int64_t ids[2 * 2] = {6, 9, 2, 1};
    bench_data data;
    memset(&data, 0, sizeof data);
    data.query.count = 2;
    data.truth = truth;
    data.truth_k = 3;
    ck_assert_double_eq(bench_recall(&data, 2, ids), 0.75);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("bench");
    TCase *cases = tcase_create("rank");
    tcase_add_loop_test(cases, same_as_sorting, 0, 2);
    tcase_add_test(cases, ties_go_to_the_lower_row);
    tcase_add_test(cases, perfect_codes);
    tcase_add_test(cases, recall);
    tcase_set_timeout(cases, 60);
    suite_add_tcase(suite, cases);
    suite_add_tcase(suite, bench_cells_cases());
    suite_add_tcase(suite, bench_growth_cases());
    suite_add_tcase(suite, bench_log_cases());
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
