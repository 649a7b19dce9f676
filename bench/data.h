/** The vectors of one measurement: mapped files, floats on demand, ground truth. */
#ifndef GOSSET_BENCH_DATA_H
#define GOSSET_BENCH_DATA_H

#include <gosset/common.h>

typedef struct bench_paths {
    const char *base, *learn, *query, *truth;
    size_t query_limit; /* 0 = all */
} bench_paths;

typedef struct bench_data {
    gosset_vectors base, learn, query; /* learn.count 0 = none given */
    int32_t *truth;                    /* query.count x truth_k ids */
    uint32_t truth_k;
    gosset_metric metric;
    bench_paths paths;
} bench_data;

/** Exits with a sentence when a file is missing or does not fit the others. */
void bench_data_load(bench_data *data, const bench_paths *paths, gosset_metric metric);

/** New array of count x dimension floats, rows [first, first + count); normalised when the metric is cosine. */
float *bench_floats(const bench_data *data, const gosset_vectors *vectors, size_t first, size_t count);

/** Share of the k true neighbours among the k ids of each query, over all queries. ids: query.count x k. */
double bench_recall(const bench_data *data, uint32_t k, const int64_t *ids);

/** malloc that exits when there is no memory. */
void *bench_memory(size_t size);
void bench_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
