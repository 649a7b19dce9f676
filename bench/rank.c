#include "rank.h"
#include "data.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TILE = 128, BLOCK = 2048, CHUNK = 64 }; /* 1 MiB of scores, about what a core's cache holds */

static const double TIE = 1e-6;

struct rank_counter {
    const float *queries;
    const int32_t *truth;
    size_t count, truth_stride;
    uint32_t dimension;
    float *thresholds; /* RANK_ORDERS x count x RANK_TRUE */
    float *ties;       /* RANK_ORDERS x count */
    uint32_t *ranks;   /* RANK_ORDERS x count x RANK_TRUE: rows that come before */
};

rank_counter *rank_create(const float *queries, size_t count, uint32_t dimension, const int32_t *truth,
                          size_t truth_stride) {
    rank_counter *counter = bench_memory(sizeof *counter);
    *counter = (rank_counter){queries, truth, count, truth_stride, dimension, NULL, NULL, NULL};
    counter->thresholds = bench_memory(RANK_ORDERS * count * RANK_TRUE * sizeof *counter->thresholds);
    counter->ties = bench_memory(RANK_ORDERS * count * sizeof *counter->ties);
    counter->ranks = bench_memory(RANK_ORDERS * count * RANK_TRUE * sizeof *counter->ranks);
    memset(counter->ties, 0, RANK_ORDERS * count * sizeof *counter->ties);
    memset(counter->ranks, 0, RANK_ORDERS * count * RANK_TRUE * sizeof *counter->ranks);
    return counter;
}

void rank_free(rank_counter *counter) {
    if (!counter) return;
    free(counter->thresholds);
    free(counter->ties);
    free(counter->ranks);
    free(counter);
}

static size_t slot_of(const rank_counter *counter, rank_order order, size_t query) {
    return ((size_t)order * counter->count + query) * RANK_TRUE;
}

/* Half the squared length: <q, x> less this orders as the distance does. */
static float half_square(const float *row, uint32_t dimension) {
    double sum = 0;
    for (uint32_t i = 0; i < dimension; i++) sum += (double)row[i] * (double)row[i];
    return (float)(0.5 * sum);
}

void rank_truth(rank_counter *counter, size_t query, const float *rows) {
    const float *wanted = counter->queries + query * counter->dimension;
    for (size_t i = 0; i < RANK_TRUE; i++) {
        const float *row = rows + i * counter->dimension;
        const double half = half_square(row, counter->dimension);
        double product = 0, lengths = 0;
        for (uint32_t j = 0; j < counter->dimension; j++) {
            product += (double)wanted[j] * (double)row[j];
            lengths += fabs((double)wanted[j] * (double)row[j]);
        }
        for (int order = 0; order < RANK_ORDERS; order++) {
            float *tie = &counter->ties[(size_t)order * counter->count + query];
            const double offset = order == RANK_L2 ? half : 0;
            counter->thresholds[slot_of(counter, order, query) + i] = (float)(product - offset);
            *tie = fmaxf(*tie, (float)(TIE * (lengths + offset)));
        }
    }
}

static void count_one(rank_counter *counter, rank_order order, size_t query, float score, int64_t row) {
    const size_t slot = slot_of(counter, order, query);
    const int32_t *truth = counter->truth + query * counter->truth_stride;
    const float tie = counter->ties[(size_t)order * counter->count + query];
    for (size_t i = 0; i < RANK_TRUE; i++) {
        const float threshold = counter->thresholds[slot + i];
        if (row == truth[i]) continue;
        counter->ranks[slot + i] += fabsf(score - threshold) <= tie ? row < truth[i] : score > threshold;
    }
}

/* Nearly all scores are below all ten thresholds: look at many at a time whether any is not. */
static void count_row(rank_counter *counter, rank_order order, size_t query, const float *products, const float *offset,
                      size_t count, uint64_t first) {
    const float *thresholds = counter->thresholds + slot_of(counter, order, query);
    float lowest = thresholds[0];
    for (size_t i = 1; i < RANK_TRUE; i++) lowest = fminf(lowest, thresholds[i]);
    lowest -= counter->ties[(size_t)order * counter->count + query];
    for (size_t start = 0; start < count; start += CHUNK) {
        const size_t length = count - start < CHUNK ? count - start : CHUNK;
        float scores[CHUNK];
        int any = 0;
        for (size_t i = 0; i < length; i++) {
            scores[i] = order == RANK_L2 ? products[start + i] - offset[start + i] : products[start + i];
            any += scores[i] >= lowest;
        }
        for (size_t i = 0; i < length && any > 0; i++) {
            if (scores[i] < lowest) continue;
            count_one(counter, order, query, scores[i], (int64_t)(first + start + i));
            any--;
        }
    }
}

static void count_tile(rank_counter *counter, size_t query, uint64_t first, size_t count, const float *rows,
                       const float *offset, float *products) {
    const int dimension = (int)counter->dimension;
    const size_t left = counter->count - query, tile = left < TILE ? left : TILE;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)tile, (int)count, dimension, 1.0f,
                counter->queries + query * counter->dimension, dimension, rows, dimension, 0.0f, products, BLOCK);
    for (size_t i = 0; i < tile; i++)
        for (int order = 0; order < RANK_ORDERS; order++)
            count_row(counter, order, query + i, products + i * BLOCK, offset, count, first);
}

void rank_count(rank_counter *counter, uint64_t first, size_t count, const float *rows) {
    for (size_t start = 0; start < count; start += BLOCK) {
        const size_t length = count - start < BLOCK ? count - start : BLOCK;
        const float *block = rows + start * counter->dimension;
        float offset[BLOCK];
        for (size_t i = 0; i < length; i++) offset[i] = half_square(block + i * counter->dimension, counter->dimension);
#pragma omp parallel
        {
            float *products = bench_memory(TILE * BLOCK * sizeof *products);
#pragma omp for schedule(dynamic)
            for (size_t query = 0; query < counter->count; query += TILE)
                count_tile(counter, query, first + start, length, block, offset, products);
            free(products);
        }
    }
}

static int by_value(const void *a, const void *b) {
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

rank_quality rank_summary(rank_counter *counter, rank_order order) {
    static const uint32_t within[3] = {1, 10, 100};
    static const double wanted[3] = {0.90, 0.95, 0.99};
    uint32_t *ranks = counter->ranks + slot_of(counter, order, 0);
    const size_t count = counter->count * RANK_TRUE;
    rank_quality quality = {{0, 0, 0}, 0, {0, 0, 0}};
    size_t found = 0;
    for (size_t query = 0; query < counter->count; query++)
        for (int i = 0; i < 3; i++) quality.r_at[i] += ranks[query * RANK_TRUE] < within[i];
    for (int i = 0; i < 3; i++) quality.r_at[i] /= (double)counter->count;
    qsort(ranks, count, sizeof *ranks, by_value);
    while (found < count && ranks[found] < RANK_TRUE) found++;
    quality.recall_at_10 = (double)found / (double)count;
    for (int i = 0; i < 3; i++) quality.depth[i] = ranks[(size_t)ceil(wanted[i] * (double)count - 1e-9) - 1] + 1;
    return quality;
}
