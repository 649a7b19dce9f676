/** Nanoseconds a call, medians of repeats; and the errors of shells in fields of four bits. */
#include "lattice/lattice_tests.h"

#include "base/env.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROWS = 2000, REPEATS = 9 };

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values) {
    qsort(values, REPEATS, sizeof *values, by_value);
    return values[REPEATS / 2];
}

static void fill(vector_kind kind, uint32_t dimension, float *x) {
    gosset__rng rng = gosset__rng_make(1, kind);
    for (size_t row = 0; row < ROWS; row++) fill_vector(&rng, kind, dimension, x + row * dimension);
}

static double bench_nearest(const gosset_lattice *lattice, vector_kind kind, float *x, int8_t *points) {
    double ns[REPEATS];
    const uint32_t n = lattice->dimension;
    fill(kind, n, x);
    for (int repeat = 0; repeat < REPEATS; repeat++) {
        const uint64_t start = gosset__nanoseconds();
        for (size_t row = 0; row < ROWS; row++) lattice->ops->nearest(lattice, x + row * n, points + row * n);
        ns[repeat] = (double)(gosset__nanoseconds() - start) / ROWS;
    }
    return median(ns);
}

static void bench_spec(const char *spec, float *x, int8_t *points) {
    static gosset__wide ranks[ROWS];
    double rank[REPEATS], unrank[REPEATS];
    const uint64_t begun = gosset__nanoseconds();
    gosset_lattice *lattice = make_lattice(spec);
    const double create_ms = (double)(gosset__nanoseconds() - begun) / 1e6;
    const double uniform = bench_nearest(lattice, UNIFORM, x, points);
    for (int repeat = 0; repeat < REPEATS; repeat++) {
        uint64_t start = gosset__nanoseconds();
        for (size_t row = 0; row < ROWS; row++)
            lattice->ops->rank(lattice, points + row * lattice->dimension, &ranks[row]);
        rank[repeat] = (double)(gosset__nanoseconds() - start) / ROWS;
        start = gosset__nanoseconds();
        for (size_t row = 0; row < ROWS; row++)
            lattice->ops->unrank(lattice, &ranks[row], points + row * lattice->dimension);
        unrank[repeat] = (double)(gosset__nanoseconds() - start) / ROWS;
    }
    printf("%-12s %6.1f bits  create %6.1f ms  nearest %6.0f ns  unequal %7.0f  sparse %7.0f  ties %7.0f"
           "  rank %5.0f  unrank %5.0f\n",
           spec, gosset__wide_log2(&lattice->point_count), create_ms, uniform,
           bench_nearest(lattice, UNEQUAL, x, points), bench_nearest(lattice, SPARSE, x, points),
           bench_nearest(lattice, TIES, x, points), median(rank), median(unrank));
    gosset_lattice_free(lattice);
}

static void bench_scores(const char *spec) {
    enum { CALLS = 20 };
    gosset_lattice *lattice = make_lattice(spec);
    const size_t count = (size_t)lattice->point_count.word[0];
    int32_t *scores = malloc(count * sizeof *scores), x[GOSSET__LATTICE_MAX_DIMENSION];
    int32_t *scratch = malloc((lattice->ops->scores_scratch(lattice) + 1) * sizeof *scratch);
    double us[REPEATS];
    for (int i = 0; i < GOSSET__LATTICE_MAX_DIMENSION; i++) x[i] = 37 * i % 2000 - 1000;
    for (int repeat = 0; repeat < REPEATS; repeat++) {
        const uint64_t start = gosset__nanoseconds();
        for (int call = 0; call < CALLS; call++) lattice->ops->scores(lattice, x, scores, scratch);
        us[repeat] = (double)(gosset__nanoseconds() - start) / 1e3 / CALLS;
    }
    const double middle = median(us);
    printf("%-12s scores of all %zu points: %.1f us, %.2f ns a point\n", spec, count, middle,
           1e3 * middle / (double)count);
    free(scores);
    free(scratch);
    gosset_lattice_free(lattice);
}

static void bench_codec(const char *cell_spec, const char *code_spec, uint32_t count, float *x) {
    gosset__env env;
    const gosset__kernels *kernels = NULL;
    gosset__codec *codec = NULL;
    gosset_lattice *cells = make_lattice(cell_spec), *codes = make_lattice(code_spec);
    double set[REPEATS], probe[REPEATS], encode[REPEATS];
    if (gosset__env_read(&env, NULL) || gosset__kernels_get(&kernels, "") ||
        gosset__codec_create(&codec, cells, codes, NULL, &env, kernels))
        return;
    gosset__codec_query *query = gosset__alloc(&env, gosset__codec_query_size(codec));
    uint32_t *found = gosset__alloc_array(&env, ROWS + count, sizeof *found);
    uint8_t *packed = gosset__alloc_array(&env, ROWS, gosset__codec_code_size(codec));
    fill(UNIFORM, codes->dimension, x);
    for (int repeat = 0; repeat < REPEATS; repeat++) {
        uint64_t setting = 0, probing = 0, start;
        for (size_t row = 0; row < ROWS / 10; row++) {
            start = gosset__nanoseconds();
            gosset__codec_query_set(codec, x + row * codes->dimension, query);
            setting += gosset__nanoseconds() - start;
            start = gosset__nanoseconds();
            gosset__codec_probe(codec, query, count, found);
            probing += gosset__nanoseconds() - start;
        }
        set[repeat] = (double)setting / (ROWS / 10.0);
        probe[repeat] = (double)probing / (ROWS / 10.0);
        start = gosset__nanoseconds();
        gosset__codec_encode(codec, ROWS, x, found, packed);
        encode[repeat] = (double)(gosset__nanoseconds() - start) / ROWS;
    }
    printf("%s + %s, %s kernels: query %.0f ns, probe of %u of %u cells %.0f ns, encode %.0f ns\n", cell_spec,
           code_spec, kernels->name, median(set), count, gosset__codec_cell_count(codec), median(probe),
           median(encode));
    gosset__free(&env, query);
    gosset__free(&env, found);
    gosset__free(&env, packed);
    gosset__codec_free(codec);
    gosset_lattice_free(cells);
    gosset_lattice_free(codes);
}

void bench_lattice(void) {
    static const char *const specs[] = {"zn:24:3",       "zn:24:79", "zn:32:36",   "zn:32:250",   "zn:48:30",
                                        "zn:48:380:7",   "zn:64:66", "zn:64:500",  "zn:64:500:7", "zn:128:256",
                                        "zn:128:1000:7", "e8:16:4",  "e8:24:4",    "e8:24:74",    "e8:32:34",
                                        "e8:48:130",     "e8:64:62", "e8:128:100", "leech:24:4",  "leech:24:6"};
    float *x = malloc(sizeof(float) * ROWS * GOSSET__LATTICE_MAX_DIMENSION);
    int8_t *points = malloc((size_t)ROWS * GOSSET__LATTICE_MAX_DIMENSION);
    for (size_t i = 0; i < sizeof specs / sizeof *specs; i++) bench_spec(specs[i], x, points);
    bench_codec("zn:24:3", "zn:64:500:7", 512, x);
    bench_codec("zn:24:3", "zn:64:500:7", 1, x);
    bench_codec("zn:24:3", "zn:64:500:7", 64, x);
    bench_codec("zn:24:3", "zn:64:500:7", 4000, x);
    bench_codec("zn:24:4", "zn:64:500:7", 1024, x);
    bench_scores("zn:24:3");
    bench_scores("e8:16:4");
    bench_scores("e8:24:4");
    bench_scores("leech:24:4");
    free(points);
    free(x);
}

/** Errors of unit vectors x and the points z that code them, z cut off at +-7. */
typedef struct field_errors {
    double direction; /* mean of 2 (1 - <x, z> / |z|) */
    double scale;     /* mean of |x - c z|^2 with the best common c: what a scan that does not know |z| sees */
} field_errors;

static field_errors measure_fields(const gosset_lattice *lattice, const float *x, size_t rows) {
    field_errors errors = {0, 0};
    double products = 0, norms = 0;
    const uint32_t n = lattice->dimension;
    int8_t point[GOSSET__LATTICE_MAX_DIMENSION];
    for (size_t row = 0; row < rows; row++, x += n) {
        double length = 0, norm = 0;
        lattice->ops->nearest(lattice, x, point);
        for (uint32_t i = 0; i < n; i++) {
            point[i] = (int8_t)(point[i] > 7 ? 7 : point[i] < -7 ? -7 : point[i]);
            length += (double)x[i] * x[i];
            norm += (double)point[i] * point[i];
        }
        const double product = inner(x, point, n) / sqrt(length);
        errors.direction += 2 * (1 - product / sqrt(norm)) / (double)rows;
        products += product;
        norms += norm;
    }
    errors.scale = 1 - products * products / norms / (double)rows;
    return errors;
}

void sweep_shells(void) {
    static const uint32_t dimensions[] = {24, 32, 48, 64, 128};
    float *x = malloc(sizeof(float) * ROWS * GOSSET__LATTICE_MAX_DIMENSION);
    printf("                 points cut off at 7             points within 7\n"
           "dimension norm   bits direction     scale        bits direction     scale\n");
    for (size_t d = 0; d < sizeof dimensions / sizeof *dimensions; d++) {
        const uint32_t n = dimensions[d];
        fill(UNIFORM, n, x);
        for (uint32_t ratio = 10; ratio <= 22; ratio++) { /* norm / dimension, in halves */
            char spec[2][64];
            snprintf(spec[0], sizeof spec[0], "zn:%u:%u", n, n * ratio / 2);
            snprintf(spec[1], sizeof spec[1], "zn:%u:%u:7", n, n * ratio / 2);
            printf("%9u %4u", n, n * ratio / 2);
            for (int limited = 0; limited < 2; limited++) {
                gosset_lattice *lattice = make_lattice(spec[limited]);
                const field_errors errors = measure_fields(lattice, x, ROWS);
                printf(" %6.1f  %.6f  %.6f     ", gosset__wide_log2(&lattice->point_count), errors.direction,
                       errors.scale);
                gosset_lattice_free(lattice);
            }
            printf("\n");
        }
    }
    free(x);
}
