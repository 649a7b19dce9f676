/** test_lattice [--bench | --sweep]: checks, or nanoseconds, or the table from which shells are chosen. */
#include "lattice/lattice_tests.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

gosset_lattice *make_lattice(const char *spec) {
    gosset_lattice *lattice = NULL;
    if (gosset_lattice_create(&lattice, spec, NULL) != GOSSET_OK) { /* outside of Check too: the benchmark */
        fprintf(stderr, "%s\n", gosset_last_error());
        exit(EXIT_FAILURE);
    }
    return lattice;
}

void fill_vector(gosset__rng *rng, vector_kind kind, uint32_t dimension, float *x) {
    const float scale = gosset__rng_below(rng, 2) ? 1e30f : 1e-30f;
    for (uint32_t i = 0; i < dimension; i++) {
        const float normal = gosset__rng_normal(rng);
        switch (kind) {
        case UNEQUAL:
            x[i] = normal * expf(4 * gosset__rng_normal(rng));
            break;
        case TIES:
            x[i] = (float)gosset__rng_below(rng, 5) - 2;
            break;
        case SPARSE:
            x[i] = gosset__rng_below(rng, 4) == 0 ? normal : 0;
            break;
        case SCALED:
            x[i] = normal * scale;
            break;
        case HALVES:
            x[i] = (float)gosset__rng_below(rng, 7) / 2 * (normal < 0 ? -1 : 1);
            break;
        default:
            x[i] = normal;
        }
    }
}

double inner(const float *x, const int8_t *point, uint32_t dimension) {
    double sum = 0;
    for (uint32_t i = 0; i < dimension; i++) sum += (double)x[i] * point[i];
    return sum;
}

/* ---- searches -------------------------------------------------------------------------------------------- */

double vector_length(const float *x, uint32_t dimension) {
    double sum = 0;
    for (uint32_t i = 0; i < dimension; i++) sum += (double)x[i] * x[i];
    return sqrt(sum);
}

void assert_on_shell(const gosset_lattice *lattice, const int8_t *point) {
    uint32_t norm = 0;
    for (uint32_t i = 0; i < lattice->dimension; i++) {
        norm += (uint32_t)(point[i] * point[i]);
        assert_each((uint32_t)abs(point[i]) <= lattice->max_coordinate);
    }
    if (norm != lattice->norm) ck_abort_msg("%s: expected norm %u, found %u", lattice->spec, lattice->norm, norm);
}

/** The point found, on the shell and with an inner product that reaches `best` but for rounding. */
void assert_nearest(const gosset_lattice *lattice, const float *x, double best) {
    int8_t point[GOSSET__LATTICE_MAX_DIMENSION];
    lattice->ops->nearest(lattice, x, point);
    assert_on_shell(lattice, point);
    const double slack = 1e-11 * vector_length(x, lattice->dimension) * sqrt(lattice->norm);
    const double found = inner(x, point, lattice->dimension);
    ck_assert_msg(found >= best - slack, "%s: expected %.17g, found %.17g", lattice->spec, best, found);
    ck_assert(found <= best + slack);
}

/* every point of the shell */
double best_of_all(const gosset_lattice *lattice, const float *x) {
    int8_t point[GOSSET__LATTICE_MAX_DIMENSION];
    double best = -HUGE_VAL;
    for (uint64_t r = 0; r < lattice->point_count.word[0]; r++) {
        const gosset__wide rank = gosset__wide_make(r);
        lattice->ops->unrank(lattice, &rank, point);
        const double found = inner(x, point, lattice->dimension);
        best = found > best ? found : best;
    }
    return best;
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "--bench") == 0) {
        bench_lattice();
        return EXIT_SUCCESS;
    }
    if (argc > 1 && strcmp(argv[1], "--sweep") == 0) {
        sweep_shells();
        return EXIT_SUCCESS;
    }
    Suite *suite = suite_create("lattice");
    suite_add_tcase(suite, case_counts());
    suite_add_tcase(suite, case_nearest());
    suite_add_tcase(suite, case_e8());
    suite_add_tcase(suite, case_leech());
    suite_add_tcase(suite, case_codes());
    suite_add_tcase(suite, case_contract());
    suite_add_tcase(suite, case_codec());
    suite_add_tcase(suite, case_windows());
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
