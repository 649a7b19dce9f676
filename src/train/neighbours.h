/** Exact nearest neighbours by blocked matrix products. */
#ifndef GOSSET_TRAIN_NEIGHBOURS_H
#define GOSSET_TRAIN_NEIGHBOURS_H

#include "base/env.h"
#include "base/pool.h"

typedef struct gosset__neighbours_task {
    const float *queries, *base; /* rows of `dimension` */
    size_t query_count, base_count;
    uint32_t dimension;
    uint32_t k;           /* at most base_count, less one when something is left out */
    const uint32_t *self; /* base row each query must not find (UINT32_MAX = none); NULL = none at all */
    uint32_t *ids;        /* query_count x k, nearest first, ties by lower row; UINT32_MAX where the base ends */
    float *distances;     /* query_count x k squared distances, or NULL; +infinity where the base ends */
    const char *phase;    /* of the progress reports; NULL = none */
} gosset__neighbours_task;

/**
 * Cost: query_count * base_count * dimension multiply-adds. Exact for small integers: products and norms are
 * computed in floats, which hold every integer below 2^24 (times any power of two).
 */
gosset_status gosset__neighbours(const gosset__neighbours_task *task, gosset__pool *pool, const gosset__env *env);

#endif
