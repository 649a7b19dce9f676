#include "data.h"
#include "datasets/vectors.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void bench_fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("gosset-bench: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

void *bench_memory(size_t size) {
    void *memory = malloc(size ? size : 1);
    if (!memory) bench_fail("no memory for %zu bytes", size);
    return memory;
}

/* The mapping lives as long as the program. */
static gosset_vectors load(const char *path) {
    gosset_dataset *dataset = NULL;
    gosset_vectors vectors;
    if (gosset_dataset_open(&dataset, path) != GOSSET_OK || gosset_dataset_map(dataset, &vectors) != GOSSET_OK)
        bench_fail("%s", gosset_dataset_error());
    return vectors;
}

static void load_truth(bench_data *data, const char *path) {
    gosset_dataset *dataset = NULL;
    if (gosset_dataset_open(&dataset, path) != GOSSET_OK) bench_fail("%s", gosset_dataset_error());
    data->truth_k = gosset_dataset_dimension(dataset);
    if (gosset_dataset_count(dataset) < data->query.count)
        bench_fail("%s: %llu rows, expected at least %zu, one for each query", path,
                   (unsigned long long)gosset_dataset_count(dataset), data->query.count);
    size_t count = data->query.count * data->truth_k;
    uint64_t *values = bench_memory(count * sizeof *values);
    if (gosset_dataset_read_integers(dataset, 0, data->query.count, values) != GOSSET_OK)
        bench_fail("%s", gosset_dataset_error());
    data->truth = bench_memory(count * sizeof *data->truth);
    for (size_t i = 0; i < count; i++) {
        if (values[i] >= data->base.count)
            bench_fail("%s: row %zu: id %llu, but the base has %zu vectors", path, i / data->truth_k,
                       (unsigned long long)values[i], data->base.count);
        data->truth[i] = (int32_t)values[i];
    }
    free(values);
    gosset_dataset_close(dataset);
}

void bench_data_load(bench_data *data, const bench_paths *paths, gosset_metric metric) {
    memset(data, 0, sizeof *data);
    data->metric = metric;
    data->paths = *paths;
    data->base = load(paths->base);
    data->query = load(paths->query);
    if (paths->learn) data->learn = load(paths->learn);
    if (data->base.dimension != data->query.dimension)
        bench_fail("%s has dimension %u, %s has %u", paths->query, data->query.dimension, paths->base,
                   data->base.dimension);
    if (data->learn.count && data->learn.dimension != data->base.dimension)
        bench_fail("%s has dimension %u, %s has %u", paths->learn, data->learn.dimension, paths->base,
                   data->base.dimension);
    if (paths->query_limit && paths->query_limit < data->query.count) data->query.count = paths->query_limit;
    load_truth(data, paths->truth);
}

static void normalise(float *row, uint32_t dimension) {
    double sum = 0;
    for (uint32_t i = 0; i < dimension; i++) sum += (double)row[i] * (double)row[i];
    float scale = sum > 0 ? (float)(1 / sqrt(sum)) : 0;
    for (uint32_t i = 0; i < dimension; i++) row[i] *= scale;
}

float *bench_floats(const bench_data *data, const gosset_vectors *vectors, size_t first, size_t count) {
    uint32_t dimension = vectors->dimension;
    size_t element = vectors->type == GOSSET_F32 ? 4 : 1;
    size_t stride = vectors->stride ? vectors->stride : dimension * element;
    float *floats = bench_memory(count * dimension * sizeof *floats);
    for (size_t row = 0; row < count; row++) {
        const char *source = (const char *)vectors->data + (first + row) * stride;
        float *target = floats + row * dimension;
        if (vectors->type == GOSSET_F32) memcpy(target, source, dimension * sizeof *target);
        for (uint32_t i = 0; i < dimension && vectors->type == GOSSET_U8; i++) target[i] = (uint8_t)source[i];
        for (uint32_t i = 0; i < dimension && vectors->type == GOSSET_I8; i++) target[i] = (int8_t)source[i];
        if (data->metric == GOSSET_COSINE) normalise(target, dimension);
    }
    return floats;
}

double bench_recall(const bench_data *data, uint32_t k, const int64_t *ids) {
    uint64_t hits = 0;
    for (size_t query = 0; query < data->query.count; query++) {
        const int32_t *truth = data->truth + query * data->truth_k;
        for (uint32_t i = 0; i < k; i++)
            for (uint32_t j = 0; j < k; j++) hits += ids[query * k + j] == truth[i];
    }
    return (double)hits / ((double)data->query.count * k);
}
