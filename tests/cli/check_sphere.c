/* The ideal code: known bounds, and noise of exactly that size. */
#include "cli/sphere.h"
#include "cli_tests.h"

#include <math.h>

START_TEST(known_caps) {
    static const struct {
        uint32_t dimension;
        double bits, cosine;
    } known[] = {{16, 64, 0.99838},  {24, 16, 0.75710},  {24, 32, 0.91379}, {24, 64, 0.98787},
                 {32, 64, 0.96770},  {40, 64, 0.94217},  {48, 64, 0.91467}, {64, 64, 0.86053},
                 {32, 128, 0.99818}, {48, 128, 0.98752}, {64, 128, 0.96763}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        ck_assert_double_eq_tol(sphere_ideal_cosine(known[i].dimension, known[i].bits), known[i].cosine, 6e-6);
    /* On a circle 2^B arcs: the mean cosine of half an arc is sin(h) / h. */
    const double half = M_PI / 256;
    ck_assert_double_eq_tol(sphere_ideal_cosine(2, 8), sin(half) / half, 1e-9);
    ck_assert_double_gt(sphere_ideal_cosine(8, 256), 0.999999);
}
END_TEST

START_TEST(random_vectors) {
    enum { SIZE = 8, COUNT = 8000 };
    double sum[SIZE] = {0}, square[SIZE] = {0};
    for (uint64_t seed = 0; seed < COUNT; seed++) {
        float vector[SIZE], again[SIZE];
        double length = 0;
        sphere_random(vector, SIZE, seed);
        sphere_random(again, SIZE, seed);
        ck_assert_mem_eq(vector, again, sizeof vector);
        for (int i = 0; i < SIZE; i++) {
            const double value = (double)vector[i];
            length += value * value;
            sum[i] += value / COUNT;
            square[i] += value * value / COUNT;
        }
        ck_assert_double_eq_tol(length, 1, 1e-6);
    }
    for (int i = 0; i < SIZE; i++) {
        ck_assert_double_eq_tol(sum[i], 0, 0.02);
        ck_assert_double_eq_tol(square[i], 1.0 / SIZE, 0.008);
    }
}
END_TEST

START_TEST(turning) {
    enum { SIZE = 24 };
    double sum[SIZE] = {0};
    for (uint64_t seed = 0; seed < 4000; seed++) {
        float vector[SIZE] = {1}, again[SIZE] = {1};
        double length = 0;
        sphere_turn(vector, SIZE, 0.9, seed);
        sphere_turn(again, SIZE, 0.9, seed);
        ck_assert_mem_eq(vector, again, sizeof vector);
        for (int i = 0; i < SIZE; i++) {
            length += (double)vector[i] * (double)vector[i];
            sum[i] += (double)vector[i] / 4000;
        }
        ck_assert_double_eq_tol((double)vector[0], 0.9, 1e-6);
        ck_assert_double_eq_tol(length, 1, 1e-6);
    }
    for (int i = 1; i < SIZE; i++) ck_assert_double_eq_tol(sum[i], 0, 0.01); /* no direction is preferred */
}
END_TEST

TCase *sphere_cases(void) {
    TCase *cases = tcase_create("sphere");
    tcase_add_test(cases, known_caps);
    tcase_add_test(cases, random_vectors);
    tcase_add_test(cases, turning);
    return cases;
}
