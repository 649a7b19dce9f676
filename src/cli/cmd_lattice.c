/*
 * gosset lattice: how well lattices cover the sphere, and how fast. For random unit vectors x with nearest point z, the
 * mean of |x - z|^2 beside the least that any code with as many points could have.
 */
#include "cli/commands.h"
#include "cli/session.h"
#include "cli/sphere.h"

#include <gosset/gosset.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 200 }; /* vectors between two looks at the clock */

/* Cells first, then codes of 8 and of 16 bytes, each beside Z^n of the same dimension. */
static const char *const usual[] = {
    "zn:10:6",  "e8:16:4",  "zn:24:3",  "e8:24:4",   "leech:24:4", "zn:16:515", "e8:24:74", "zn:24:79", "e8:32:34",
    "zn:32:36", "e8:40:22", "zn:40:24", "e8:48:130", "zn:48:135",  "e8:56:86",  "zn:56:89", "e8:64:62", "zn:64:66",
};

typedef struct lattice_options {
    common_options common;
    uint32_t samples;
    uint64_t seed;
} lattice_options;

typedef struct lattice_quality {
    double error, bound, lost, encode_ns, decode_ns;
} lattice_quality;

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t count) {
    qsort(values, count, sizeof *values, by_value);
    return values[count / 2];
}

static double squared_distance(const float *a, const float *b, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
    return sum;
}

/* Points, bits and dimension say what is possible: cells that are spherical caps of equal measure. */
static void compare(const gosset_lattice_info *info, lattice_quality *quality) {
    quality->bound = quality->lost = NAN;
    if (info->dimension < 2 || info->bits < 1) return;
    quality->bound = 2 * (1 - sphere_ideal_cosine(info->dimension, info->bits));
    quality->lost = (info->dimension - 1) / 2.0 * log2(quality->error / quality->bound);
}

/* `times`: two for each block. */
static gosset_status sample(const gosset_lattice *lattice, const lattice_options *options,
                            const gosset_lattice_info *info, float *vectors, float *decoded, uint8_t *codes,
                            double *times, lattice_quality *quality) {
    const size_t blocks = (options->samples + BLOCK - 1) / BLOCK, size = (size_t)BLOCK * info->dimension;
    double *encode = times, *decode = times + blocks;
    gosset_status status = GOSSET_OK;
    for (size_t b = 0; b < blocks && status == GOSSET_OK; b++) {
        for (size_t i = 0; i < BLOCK; i++)
            sphere_random(vectors + i * info->dimension, info->dimension, (options->seed << 32) + b * BLOCK + i);
        const double started = seconds_now();
        status = gosset_lattice_encode(lattice, BLOCK, vectors, codes);
        const double encoded = seconds_now();
        if (status == GOSSET_OK) status = gosset_lattice_decode(lattice, BLOCK, codes, decoded);
        encode[b] = (encoded - started) * 1e9 / BLOCK;
        decode[b] = (seconds_now() - encoded) * 1e9 / BLOCK;
        quality->error += squared_distance(vectors, decoded, size) / (double)(blocks * BLOCK);
        if (status == GOSSET_OK && interrupted()) status = GOSSET_E_CANCELLED;
    }
    quality->encode_ns = median(encode, blocks);
    quality->decode_ns = median(decode, blocks);
    compare(info, quality);
    return status;
}

static int measure(cli_session *session, const lattice_options *options, const gosset_lattice *lattice,
                   const gosset_lattice_info *info, lattice_quality *quality) {
    const size_t size = (size_t)BLOCK * info->dimension * sizeof(float);
    const size_t blocks = (options->samples + BLOCK - 1) / BLOCK;
    float *vectors = malloc(size), *decoded = malloc(size);
    uint8_t *codes = malloc((size_t)BLOCK * info->code_size);
    double *times = malloc(2 * blocks * sizeof *times);
    int code = EXIT_OK;
    memset(quality, 0, sizeof *quality);
    if (!vectors || !decoded || !codes || !times) {
        code = session_error(session, "no memory for %zu vectors", (size_t)BLOCK);
    } else {
        const gosset_status status = sample(lattice, options, info, vectors, decoded, codes, times, quality);
        if (status != GOSSET_OK) code = session_failed(session, status);
    }
    free(vectors);
    free(decoded);
    free(codes);
    free(times);
    return code;
}

static void report(cli_session *session, const gosset_lattice_info *info, const lattice_quality *quality,
                   json_t *rows) {
    char points[32];
    if (strlen(info->point_count) <= 12)
        snprintf(points, sizeof points, "%s", info->point_count);
    else
        snprintf(points, sizeof points, "%c.%.2se+%02zu", info->point_count[0], info->point_count + 1,
                 strlen(info->point_count) - 1);
    json_t *row = json_object();
    json_object_set_new(row, "lattice", json_string(info->spec));
    json_object_set_new(row, "dimension", json_integer(info->dimension));
    json_object_set_new(row, "point_count", json_string(info->point_count));
    json_object_set_new(row, "bits", json_number(info->bits));
    json_object_set_new(row, "code_bytes", json_integer(info->code_size));
    json_object_set_new(row, "mean_squared_error", json_number(quality->error));
    json_object_set_new(row, "bound_squared_error", json_number(quality->bound));
    json_object_set_new(row, "lost_bits", json_number(quality->lost));
    json_object_set_new(row, "encode_ns_per_vector", json_number(quality->encode_ns));
    json_object_set_new(row, "decode_ns_per_vector", json_number(quality->decode_ns));
    json_array_append_new(rows, row);
    output_line(&session->output, "%-14s %13s %8.2f %10.5f %10.5f %9.2f %8.0f ns %8.0f ns", info->spec, points,
                info->bits, quality->error, quality->bound, quality->lost, quality->encode_ns, quality->decode_ns);
}

static int measure_all(cli_session *session, const lattice_options *options, gosset_lattice *const *lattices,
                       size_t count) {
    json_t *rows = json_array();
    int code = EXIT_OK;
    output_count(&session->output, "sample_count", "random vectors each",
                 (options->samples + BLOCK - 1) / BLOCK * BLOCK);
    output_line(&session->output, "\n%-14s %13s %8s %10s %10s %9s %11s %11s", "lattice", "points", "bits", "error",
                "bound", "bits lost", "encode", "decode");
    for (size_t i = 0; i < count && code == EXIT_OK; i++) {
        gosset_lattice_info info = {.struct_size = sizeof info};
        lattice_quality quality;
        const gosset_status status = gosset_lattice_describe(lattices[i], &info);
        code = status == GOSSET_OK ? measure(session, options, lattices[i], &info, &quality)
                                   : session_failed(session, status);
        if (code == EXIT_OK) report(session, &info, &quality, rows);
    }
    output_json(&session->output, "lattices", rows);
    return code;
}

/* All are made before the first is measured: a wrong spec is no reason to have waited for the others. */
static int make_all(cli_session *session, const lattice_options *options, const char *const *specs, size_t count) {
    gosset_lattice *lattices[OPTION_LIST_MAX] = {NULL};
    int code = EXIT_OK;
    for (size_t i = 0; i < count && code == EXIT_OK; i++) {
        const gosset_status status = gosset_lattice_create(&lattices[i], specs[i], &session->env);
        if (status != GOSSET_OK) code = session_failed(session, status);
    }
    if (code == EXIT_OK) code = measure_all(session, options, lattices, count);
    for (size_t i = 0; i < count; i++) gosset_lattice_free(lattices[i]);
    return code;
}

static int run(const command *self, int argc, char **argv) {
    lattice_options options = {.samples = 20000, .seed = 1};
    const option_row rows[] = {
        {'n', "samples", OPTION_COUNT, &options.samples, 0, "N", "random vectors for each (default 20000)"},
        {0, "seed", OPTION_NUMBER, &options.seed, 0, "N", "of the random vectors (default 1)"},
    };
    int first;
    int code =
        options_parse(self, rows, sizeof rows / sizeof *rows, &options.common, argc, argv, OPTION_LIST_MAX, &first);
    if (code >= 0) return code;
    cli_session session;
    session_start(&session, self, &options.common);
    if (first < argc)
        code = make_all(&session, &options, (const char *const *)argv + first, (size_t)(argc - first));
    else
        code = make_all(&session, &options, usual, sizeof usual / sizeof *usual);
    return session_end(&session, code);
}

const command command_lattice = {
    .name = "lattice",
    .summary = "measure how well lattices cover the sphere, and how fast",
    .operands = "[SPEC ...]",
    .explanation =
        "For random unit vectors x with nearest lattice point z: the mean of |x - z|^2; the least that a code with as\n"
        "many points could have, if its cells were spherical caps of equal measure; and by how many bits an ideal "
        "code\n"
        "with the lattice's error would be shorter. Times are those of one thread, medians of blocks of 200 vectors.\n"
        "A SPEC is zn:DIMENSION:NORM[:LIMIT], e8:DIMENSION:NORM or leech:24:NORM; without one, a usual list.",
    .example = "  gosset lattice e8:24:74 zn:24:79 --samples 100000",
    .run = run,
};
