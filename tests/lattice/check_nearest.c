/** Nearest points against two searches that know nothing of multipliers. */
#include "lattice/lattice_tests.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

START_TEST(brute_force) {
    gosset__rng rng = gosset__rng_make(11, (uint64_t)_i);
    const uint32_t n = (uint32_t)_i;
    uint32_t shells = 0;
    for (uint32_t norm = 1; norm <= 60; norm += n < 5 ? 1 : 3)
        for (uint32_t limit = 0; limit <= 3; limit += 3) { /* 0: none */
            char spec[32];
            gosset_lattice *lattice = NULL;
            snprintf(spec, sizeof spec, limit ? "zn:%u:%u:%u" : "zn:%u:%u", n, norm, limit);
            if (gosset_lattice_create(&lattice, spec, NULL) != GOSSET_OK) continue;
            if (gosset__wide_bits(&lattice->point_count) <= 12) {
                shells++;
                for (int round = 0; round < 14; round++) {
                    float x[8];
                    fill_vector(&rng, (vector_kind)(round % VECTOR_KINDS), n, x);
                    assert_nearest(lattice, x, best_of_all(lattice, x));
                }
            }
            gosset_lattice_free(lattice);
        }
    ck_assert_uint_ge(shells, 3);
}
END_TEST

/** Best inner product by dynamic programming over coordinates and norms; `best` has norm + 1 entries. */
static double best_by_programming(const gosset_lattice *lattice, const float *x, double *best, double *next) {
    const int norm = (int)lattice->norm, limit = (int)lattice->max_coordinate;
    best[0] = 0;
    for (int s = 1; s <= norm; s++) best[s] = -HUGE_VAL;
    for (uint32_t i = 0; i < lattice->dimension; i++) {
        for (int s = 0; s <= norm; s++) {
            next[s] = -HUGE_VAL;
            for (int v = 0; v <= limit && v * v <= s; v++)
                if (best[s - v * v] + fabs((double)x[i]) * v > next[s])
                    next[s] = best[s - v * v] + fabs((double)x[i]) * v;
        }
        double *swap = best;
        best = next;
        next = swap;
    }
    return best[norm];
}

static const struct {
    const char *spec;
    int vectors;
} programmed[] = {
    {"zn:24:79", 3500},   {"zn:32:36", 3500},   {"zn:24:3", 2100}, {"zn:64:500", 70}, {"zn:64:500:7", 140},
    {"zn:32:250:7", 210}, {"zn:128:256", 70},   {"zn:48:30", 350}, {"zn:16:515", 70}, {"zn:128:900:4", 35},
    {"zn:24:24:1", 700},  {"zn:32:1568:7", 14}, {"zn:8:4000", 14},
};

START_TEST(dynamic_program) {
    static double first[4100], second[4100];
    gosset_lattice *lattice = make_lattice(programmed[_i].spec);
    gosset__rng rng = gosset__rng_make(12, (uint64_t)_i);
    for (int round = 0; round < programmed[_i].vectors; round++) {
        float x[GOSSET__LATTICE_MAX_DIMENSION];
        fill_vector(&rng, (vector_kind)(round % VECTOR_KINDS), lattice->dimension, x);
        assert_nearest(lattice, x, best_by_programming(lattice, x, first, second));
    }
    gosset_lattice_free(lattice);
}
END_TEST

/** All equal, one coordinate, zero, huge beside tiny, denormal: whatever is degenerate. */
START_TEST(degenerate_vectors) {
    static double first[4100], second[4100];
    gosset_lattice *lattice = make_lattice(programmed[_i].spec);
    for (int kind = 0; kind < 8; kind++) {
        float x[GOSSET__LATTICE_MAX_DIMENSION];
        for (uint32_t i = 0; i < lattice->dimension; i++) {
            static const float rest[8] = {0, 1, 0, 1e-30f, 1, -1e-45f, -0.0f, 3e38f};
            x[i] = rest[kind];
        }
        if (kind == 2) x[lattice->dimension - 1] = -1;
        if (kind == 3) x[0] = 1e30f;
        if (kind == 4) x[1] = 1000;
        if (kind == 6) x[2] = 5;
        assert_nearest(lattice, x, best_by_programming(lattice, x, first, second));
    }
    gosset_lattice_free(lattice);
}
END_TEST

/** Every family: the tests from here on know nothing of Z^n. */
static const char *const every[] = {"zn:24:79",  "zn:24:3",    "zn:64:500:7", "zn:128:256", "zn:24:24:1",
                                    "zn:8:4000", "e8:24:74",   "e8:8:8",      "e8:48:130",  "e8:64:62",
                                    "e8:128:2",  "e8:128:100", "e8:16:160",   "leech:24:4", "leech:24:6"};
enum { EVERY = sizeof every / sizeof *every };

/** The public functions refuse these; the search itself must still end, on the shell. */
START_TEST(not_finite) {
    gosset_lattice *lattice = make_lattice(every[_i]);
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    for (int kind = 0; kind < 3; kind++) {
        float x[GOSSET__LATTICE_MAX_DIMENSION] = {0};
        int8_t point[GOSSET__LATTICE_MAX_DIMENSION];
        x[1] = bad[kind];
        lattice->ops->nearest(lattice, x, point);
        assert_on_shell(lattice, point);
    }
    gosset_lattice_free(lattice);
}
END_TEST

/** Points of the shell are their own nearest points, at any scale. */
START_TEST(points_are_fixed) {
    gosset_lattice *lattice = make_lattice(every[_i]);
    gosset__rng rng = gosset__rng_make(13, (uint64_t)_i);
    for (int round = 0; round < 100; round++) {
        float x[GOSSET__LATTICE_MAX_DIMENSION];
        int8_t point[GOSSET__LATTICE_MAX_DIMENSION], again[GOSSET__LATTICE_MAX_DIMENSION];
        const float scale = ldexpf(1, (int)gosset__rng_below(&rng, 100) - 50);
        fill_vector(&rng, UNIFORM, lattice->dimension, x);
        lattice->ops->nearest(lattice, x, point);
        for (uint32_t i = 0; i < lattice->dimension; i++) x[i] = scale * (float)point[i];
        lattice->ops->nearest(lattice, x, again);
        ck_assert_mem_eq(point, again, lattice->dimension);
    }
    gosset_lattice_free(lattice);
}
END_TEST

/** Mean squared error of uniform unit vectors, as published for these shells. */
START_TEST(errors) {
    static const struct {
        const char *spec;
        double error;
    } known[] = {{"zn:24:79", 0.0281},  {"zn:32:36", 0.0793},   {"zn:40:24", 0.14873}, {"zn:64:66", 0.0842},
                 {"zn:56:89", 0.05451}, {"zn:16:515", 0.00352}, {"e8:24:74", 0.02614}, {"e8:32:34", 0.07216},
                 {"e8:40:22", 0.13911}, {"e8:48:130", 0.02774}, {"e8:56:86", 0.04861}, {"leech:24:4", 0.4446}};
    gosset_lattice *lattice = make_lattice(known[_i].spec);
    gosset__rng rng = gosset__rng_make(14, (uint64_t)_i);
    double sum = 0;
    enum { ROWS = 6000 };
    for (int row = 0; row < ROWS; row++) {
        float x[GOSSET__LATTICE_MAX_DIMENSION];
        int8_t point[GOSSET__LATTICE_MAX_DIMENSION];
        fill_vector(&rng, UNIFORM, lattice->dimension, x);
        lattice->ops->nearest(lattice, x, point);
        const double cosine = inner(x, point, lattice->dimension) / sqrt(lattice->norm);
        sum += 2 * (1 - cosine / vector_length(x, lattice->dimension));
    }
    ck_assert_double_eq_tol(sum / ROWS, known[_i].error, 0.01 * known[_i].error);
    gosset_lattice_free(lattice);
}
END_TEST

TCase *case_nearest(void) {
    const int count = sizeof programmed / sizeof *programmed;
    TCase *cases = tcase_create("nearest");
    tcase_set_timeout(cases, 120);
    tcase_add_loop_test(cases, brute_force, 2, 9);
    tcase_add_loop_test(cases, dynamic_program, 0, count);
    tcase_add_loop_test(cases, degenerate_vectors, 0, count);
    tcase_add_loop_test(cases, not_finite, 0, EVERY);
    tcase_add_loop_test(cases, points_are_fixed, 0, EVERY);
    tcase_add_loop_test(cases, errors, 0, 12);
    return cases;
}
