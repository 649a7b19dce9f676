/** Nanoseconds a call, medians of repeats; and the errors of shells in fields of four bits. */
#include "lattice/lattice_tests.h"

#include "base/env.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROWS = 1000, REPEATS = 9 };

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values)
{
    qsort(values, REPEATS, sizeof *values, by_value);
    return values[REPEATS / 2];
}

static void fill(vector_kind kind, uint32_t dimension, float *x)
{
    gosset__rng rng = gosset__rng_make(1, kind);
    for (size_t row = 0; row < ROWS; row++) fill_vector(&rng, kind, dimension, x + row * dimension);
}

static double bench_nearest(const gosset_lattice *lattice, vector_kind kind, float *x, int8_t *points)
{
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

static void bench_spec(const char *spec, float *x, int8_t *points)
{
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

static void bench_codec(const char *cell_spec, const char *code_spec, uint32_t count, float *x)
{
    gosset__env env;
    const gosset__kernels *kernels = NULL;
    gosset__codec *codec = NULL;
    gosset_lattice *cells = make_lattice(cell_spec), *codes = make_lattice(code_spec);
    double set[REPEATS], probe[REPEATS], encode[REPEATS];
    if (gosset__env_read(&env, NULL) || gosset__kernels_get(&kernels, "") ||
        gosset__codec_create(&codec, cells, codes, &env, kernels))
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

void bench_lattice(void)
{
    static const char *const specs[] = {"zn:24:3",    "zn:24:79",    "zn:32:36",    "zn:32:250",
                                        "zn:48:30",   "zn:48:380:7", "zn:64:66",    "zn:64:500",
                                        "zn:64:500:7", "zn:128:256",  "zn:128:1000:7"};
    float *x = malloc(sizeof(float) * ROWS * GOSSET__LATTICE_MAX_DIMENSION);
    int8_t *points = malloc((size_t)ROWS * GOSSET__LATTICE_MAX_DIMENSION);
    for (size_t i = 0; i < sizeof specs / sizeof *specs; i++) bench_spec(specs[i], x, points);
    bench_codec("zn:24:3", "zn:64:500:7", 512, x);
    bench_codec("zn:24:3", "zn:64:500:7", 1, x);
    bench_codec("zn:24:3", "zn:64:500:7", 64, x);
    bench_codec("zn:24:3", "zn:64:500:7", 4000, x);
    bench_codec("zn:24:4", "zn:64:500:7", 1024, x);
    free(points);
    free(x);
}

/** Mean of 2 (1 - <x, z> / |z|) over unit vectors x, z cut off at +-7. */
static double field_error(const gosset_lattice *lattice, const float *x, size_t rows)
{
    double error = 0;
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
        error += 2 * (1 - inner(x, point, n) / sqrt(length * norm));
    }
    return error / (double)rows;
}

void sweep_shells(void)
{
    static const uint32_t dimensions[] = {24, 32, 48, 64, 128};
    float *x = malloc(sizeof(float) * ROWS * GOSSET__LATTICE_MAX_DIMENSION);
    printf("dimension norm   bits  error cut at 7   bits (limit 7)  error (limit 7)\n");
    for (size_t d = 0; d < sizeof dimensions / sizeof *dimensions; d++) {
        const uint32_t n = dimensions[d];
        fill(UNIFORM, n, x);
        for (uint32_t ratio = 8; ratio <= 28; ratio += 2) { /* norm / dimension, in halves */
            char spec[64];
            gosset_lattice *open = NULL, *limited = NULL;
            snprintf(spec, sizeof spec, "zn:%u:%u", n, n * ratio / 2);
            if (gosset_lattice_create(&open, spec, NULL) != GOSSET_OK) continue;
            snprintf(spec, sizeof spec, "zn:%u:%u:7", n, n * ratio / 2);
            limited = make_lattice(spec);
            printf("%6u %7u %8.1f %12.6f %14.1f %16.6f\n", n, n * ratio / 2, gosset__wide_log2(&open->point_count),
                   field_error(open, x, ROWS), gosset__wide_log2(&limited->point_count),
                   field_error(limited, x, ROWS));
            gosset_lattice_free(open);
            gosset_lattice_free(limited);
        }
    }
    free(x);
}
