/** E8 and its shells against searches that know nothing of leaders. */
#include "lattice/e8.h"
#include "lattice/lattice_tests.h"

#include <math.h>
#include <stdlib.h>

enum { EIGHT = GOSSET__E8_DIMENSION };

static int is_in_e8(const int32_t *doubled) {
    int32_t sum = 0;
    for (int i = 0; i < EIGHT; i++) {
        if ((doubled[i] ^ doubled[0]) & 1) return 0;
        sum += doubled[i];
    }
    return sum % 4 == 0;
}

static double distance(const double *y, const int32_t *doubled) {
    double sum = 0;
    for (int i = 0; i < EIGHT; i++) sum += (y[i] - 0.5 * doubled[i]) * (y[i] - 0.5 * doubled[i]);
    return sum;
}

/** The smallest squared distance from y to E8: coordinate by coordinate, for both kinds and both remainders of the sum.
 */
static double nearest_by_programming(const double *y) {
    double best = HUGE_VAL;
    for (int odd = 0; odd < 2; odd++) {
        double cost[4] = {0, HUGE_VAL, HUGE_VAL, HUGE_VAL}; /* by the sum of doubled coordinates modulo 4 */
        for (int i = 0; i < EIGHT; i++) {
            double next[4] = {HUGE_VAL, HUGE_VAL, HUGE_VAL, HUGE_VAL};
            const int32_t near = 2 * (int32_t)floor(y[i]) + odd;
            for (int32_t u = near - 4; u <= near + 4; u += 2)
                for (int s = 0; s < 4; s++) {
                    const double sum = cost[s] + (y[i] - 0.5 * u) * (y[i] - 0.5 * u);
                    const int to = (s + u) & 3;
                    next[to] = sum < next[to] ? sum : next[to];
                }
            for (int s = 0; s < 4; s++) cost[s] = next[s];
        }
        best = cost[0] < best ? cost[0] : best;
    }
    return best;
}

START_TEST(rounding) {
    gosset__rng rng = gosset__rng_make(41, 0);
    double sum = 0;
    enum { ROUNDS = 20000 };
    for (int round = 0; round < ROUNDS; round++) {
        double y[EIGHT];
        int32_t point[EIGHT], norm = 0;
        for (int i = 0; i < EIGHT; i++) {
            y[i] = 100 * gosset__rng_unit(&rng) - 50;
            if (round % 4 == 1) y[i] = floor(4 * y[i]) / 4; /* ties */
            if (round % 4 == 2) y[i] = floor(y[i]) / 1e6;
        }
        const uint32_t found = gosset__e8_round(y, point);
        for (int i = 0; i < EIGHT; i++) norm += point[i] * point[i];
        assert_each(is_in_e8(point));
        assert_each(4 * found == (uint32_t)norm);
        assert_each(fabs(distance(y, point) - nearest_by_programming(y)) <= 1e-9);
        if (round % 4 == 0) sum += distance(y, point);
    }
    ck_assert_double_eq_tol(sum / (ROUNDS / 4) / EIGHT, 0.0716821, 0.0015); /* its second moment per dimension */
}
END_TEST

START_TEST(rounding_is_exact_on_points) {
    gosset_lattice *lattice = make_lattice("e8:8:12");
    for (uint64_t r = 0; r < lattice->point_count.word[0]; r += 7) {
        const gosset__wide rank = gosset__wide_make(r);
        int8_t point[EIGHT];
        int32_t found[EIGHT];
        double y[EIGHT];
        lattice->ops->unrank(lattice, &rank, point);
        for (int i = 0; i < EIGHT; i++)
            y[i] = 0.5 * point[i] + (i % 2 ? 0.24 : -0.24); /* less than half the least distance */
        assert_each(gosset__e8_round(y, found) == 12);
        for (int i = 0; i < EIGHT; i++) assert_each(found[i] == point[i]);
    }
    gosset_lattice_free(lattice);
}
END_TEST

/** Every point of small shells (every eleventh of the largest): in E8^k, ranked as it was unranked, and none nearer
 * than the one found. */
START_TEST(small_shells) {
    static const struct {
        const char *spec;
        int vectors;
    } small[] = {{"e8:8:2", 700}, {"e8:8:4", 350},  {"e8:8:14", 28}, {"e8:8:30", 7},  {"e8:16:2", 350},
                 {"e8:16:4", 14}, {"e8:24:2", 140}, {"e8:24:4", 2},  {"e8:128:2", 35}};
    gosset_lattice *lattice = make_lattice(small[_i].spec);
    gosset__rng rng = gosset__rng_make(42, (uint64_t)_i);
    const uint64_t step = lattice->point_count.word[0] > 100000 ? 11 : 1;
    for (uint64_t r = 0; r < lattice->point_count.word[0]; r += step) {
        const gosset__wide rank = gosset__wide_make(r);
        gosset__wide again;
        int8_t point[GOSSET__LATTICE_MAX_DIMENSION];
        lattice->ops->unrank(lattice, &rank, point);
        assert_on_shell(lattice, point);
        for (uint32_t b = 0; b < lattice->dimension; b += EIGHT) {
            int32_t doubled[EIGHT];
            for (int i = 0; i < EIGHT; i++) doubled[i] = point[b + i];
            assert_each(is_in_e8(doubled));
        }
        lattice->ops->rank(lattice, point, &again);
        assert_each(gosset__wide_compare(&rank, &again) == 0);
    }
    for (int round = 0; round < small[_i].vectors; round++) {
        float x[GOSSET__LATTICE_MAX_DIMENSION];
        fill_vector(&rng, (vector_kind)(round % VECTOR_KINDS), lattice->dimension, x);
        assert_nearest(lattice, x, best_of_all(lattice, x));
    }
    gosset_lattice_free(lattice);
}
END_TEST

/* ---- larger shells ---------------------------------------------------------------------------------------- */

enum { SQUARES = 4 * GOSSET__E8_MAX_NORM + 1 };

/** best[n / 2]: the largest inner product of x with a point of E8 of norm n: by squared length and sum modulo 4 of the
 *  doubled coordinates seen so far. */
static void best_of_block(const float *x, int norm, double *best) {
    static double now[SQUARES][4], next[SQUARES][4];
    for (int n = 0; n <= norm / 2; n++) best[n] = -HUGE_VAL;
    for (int odd = 0; odd < 2; odd++) {
        for (int s = 0; s <= 4 * norm; s++)
            for (int m = 0; m < 4; m++) now[s][m] = s + m == 0 ? 0 : -HUGE_VAL;
        for (int i = 0; i < EIGHT; i++) {
            for (int s = 0; s <= 4 * norm; s++)
                for (int m = 0; m < 4; m++) next[s][m] = -HUGE_VAL;
            for (int u = odd; u * u <= 4 * norm; u += 2)
                for (int s = 0; s + u * u <= 4 * norm; s++)
                    for (int m = 0; m < 4; m++) {
                        const double plus = now[s][m] + 0.5 * u * (double)x[i],
                                     minus = now[s][m] - 0.5 * u * (double)x[i];
                        double *above = &next[s + u * u][(m + u) & 3], *below = &next[s + u * u][(m - u) & 3];
                        *above = plus > *above ? plus : *above;
                        *below = minus > *below ? minus : *below;
                    }
            for (int s = 0; s <= 4 * norm; s++)
                for (int m = 0; m < 4; m++) now[s][m] = next[s][m];
        }
        for (int n = 0; n <= norm / 2; n++) best[n] = now[8 * n][0] > best[n] ? now[8 * n][0] : best[n];
    }
}

static double best_by_programming(const gosset_lattice *lattice, const float *x) {
    double best[GOSSET__E8_MAX_NORM / 2 + 1], block[GOSSET__E8_MAX_NORM / 2 + 1];
    const int norm = (int)lattice->norm / 4;
    for (int n = 0; n <= norm / 2; n++) best[n] = n == 0 ? 0 : -HUGE_VAL;
    for (uint32_t b = 0; b < lattice->dimension; b += EIGHT) {
        best_of_block(x + b, norm, block);
        for (int n = norm / 2; n >= 0; n--) { /* downwards: smaller norms are still those of the blocks before */
            double sum = -HUGE_VAL;
            for (int first = 0; first <= n; first++)
                sum = best[n - first] + block[first] > sum ? best[n - first] + block[first] : sum;
            best[n] = sum;
        }
    }
    return 2 * best[norm / 2];
}

static const struct {
    const char *spec;
    int vectors;
} programmed[] = {{"e8:24:74", 70},  {"e8:24:26", 70},  {"e8:32:34", 70}, {"e8:40:22", 70},
                  {"e8:48:130", 14}, {"e8:16:160", 14}, {"e8:64:62", 14}, {"e8:128:8", 35},
                  {"e8:128:60", 7},  {"e8:8:200", 14},  {"e8:24:6", 140}};

START_TEST(dynamic_program) {
    gosset_lattice *lattice = make_lattice(programmed[_i].spec);
    gosset__rng rng = gosset__rng_make(43, (uint64_t)_i);
    for (int round = 0; round < programmed[_i].vectors; round++) {
        float x[GOSSET__LATTICE_MAX_DIMENSION];
        fill_vector(&rng, (vector_kind)(round % VECTOR_KINDS), lattice->dimension, x);
        assert_nearest(lattice, x, best_by_programming(lattice, x));
    }
    gosset_lattice_free(lattice);
}
END_TEST

/** All equal, one coordinate, one block, a sign that only the parity of the others decides, huge beside tiny. */
START_TEST(degenerate_vectors) {
    gosset_lattice *lattice = make_lattice(programmed[_i].spec);
    for (int kind = 0; kind < 8; kind++) {
        static const float rest[8] = {1, 0, 0, 1, 1e-30f, -1e-45f, -0.0f, 3e38f};
        float x[GOSSET__LATTICE_MAX_DIMENSION];
        for (uint32_t i = 0; i < lattice->dimension; i++) x[i] = kind == 2 && i < EIGHT ? (float)i + 1 : rest[kind];
        if (kind == 1) x[lattice->dimension - 1] = -1;
        if (kind == 3) x[1] = -1;
        if (kind == 4) x[0] = 1e30f;
        if (kind == 6) x[2] = -5;
        assert_nearest(lattice, x, best_by_programming(lattice, x));
    }
    gosset_lattice_free(lattice);
}
END_TEST

TCase *case_e8(void) {
    const int count = sizeof programmed / sizeof *programmed;
    TCase *cases = tcase_create("e8");
    tcase_set_timeout(cases, 120);
    tcase_add_test(cases, rounding);
    tcase_add_test(cases, rounding_is_exact_on_points);
    tcase_add_loop_test(cases, small_shells, 0, 9);
    tcase_add_loop_test(cases, dynamic_program, 0, count);
    tcase_add_loop_test(cases, degenerate_vectors, 0, count);
    return cases;
}
