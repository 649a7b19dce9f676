/* Lines through measurements of several sizes, and what they say of a size that was not measured. */
#include "bench/growth.h"
#include "check_bench.h"

static const double sizes[3] = {1e6, 1e7, 1e8};

START_TEST(powers) {
    const double values[3] = {10, 20, 40};
    const growth_line line = growth_fit(GROWTH_POWER, sizes, values, 3);
    ck_assert_double_eq_tol(line.exponent, 0.30103, 1e-5);
    ck_assert_double_eq_tol(growth_project(&line, 1e9), 80, 1e-9);
    ck_assert_double_eq_tol(growth_project(&line, 1e6), 10, 1e-9);
}
END_TEST

/* Sizes are logarithms apart: the middle one counts as much as the others. */
START_TEST(powers_do_not_go_through_every_point) {
    const double values[3] = {10, 40, 40};
    const growth_line line = growth_fit(GROWTH_POWER, sizes, values, 3);
    ck_assert_double_eq_tol(line.exponent, 0.30103, 1e-5);
    ck_assert_double_eq_tol(growth_project(&line, 1e7), 25.198421, 1e-6);
}
END_TEST

START_TEST(shares_of_a_cost_that_is_there_anyway) {
    const double values[3] = {15e6 + 32e6, 15e6 + 32e7, 15e6 + 32e8};
    const growth_line line = growth_fit(GROWTH_STRAIGHT, sizes, values, 3);
    ck_assert_double_eq_tol(line.slope, 32, 1e-9);
    ck_assert_double_eq_tol(growth_project(&line, 1e9) / 32.015e9, 1, 1e-9);
    ck_assert_double_lt(line.exponent, 1);
    ck_assert_double_gt(line.exponent, 0.9);
}
END_TEST

TCase *bench_growth_cases(void) {
    TCase *cases = tcase_create("growth");
    tcase_add_test(cases, powers);
    tcase_add_test(cases, powers_do_not_go_through_every_point);
    tcase_add_test(cases, shares_of_a_cost_that_is_there_anyway);
    return cases;
}
