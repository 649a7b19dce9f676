/* What cells are worth, counted by hand. */
#include "bench/cells.h"
#include "check_bench.h"

/* Five cells of 4, 0, 1, 3 and 2 rows. */
static const uint32_t cell_of_row[10] = {0, 0, 3, 4, 0, 2, 3, 3, 0, 4};

START_TEST(sizes) {
    cell_counter *counter = cells_create(cell_of_row, 10, 5);
    ck_assert_uint_eq(cells_used(counter), 4);
    ck_assert_uint_eq(cells_largest(counter), 4);
    ck_assert_double_eq_tol(cells_imbalance(counter), 5.0 * (16 + 1 + 9 + 4) / 100, 1e-12);
    ck_assert_double_eq(cells_at(counter, 3).recall, 0);
    cells_free(counter);
}
END_TEST

START_TEST(recall_and_share_of_the_base) {
    static const uint32_t order[2][5] = {{3, 1, 0, 4, 2}, {2, 4, 3, 0, 1}};
    static const uint32_t true_cells[2][CELLS_TRUE] = {{3, 3, 3, 3, 3, 3, 0, 0, 4, 4}, {2, 2, 4, 4, 4, 4, 4, 4, 4, 0}};
    static const double recall[5] = {0.4, 0.75, 0.85, 1, 1}, scanned[5] = {0.2, 0.3, 0.65, 0.95, 1};
    cell_counter *counter = cells_create(cell_of_row, 10, 5);
    for (int query = 0; query < 2; query++) cells_query(counter, order[query], true_cells[query]);
    for (uint32_t probe = 1; probe <= 5; probe++) {
        const cells_reach reach = cells_at(counter, probe);
        ck_assert_double_eq_tol(reach.recall, recall[probe - 1], 1e-12);
        ck_assert_double_eq_tol(reach.scanned, scanned[probe - 1], 1e-12);
    }
    ck_assert_double_eq(cells_at(counter, 99).recall, 1);
    ck_assert_uint_eq(cells_for(counter, 0.4), 1);
    ck_assert_uint_eq(cells_for(counter, 0.76), 3);
    ck_assert_uint_eq(cells_for(counter, 1), 4);
    cells_free(counter);
}
END_TEST

TCase *bench_cells_cases(void) {
    TCase *cases = tcase_create("cells");
    tcase_add_test(cases, sizes);
    tcase_add_test(cases, recall_and_share_of_the_base);
    return cases;
}
