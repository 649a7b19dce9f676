/**
 * Where the ten true neighbours of each query stand when all base vectors, replaced by what their codes decode to, are
 * sorted by distance. The scores of the truth come first; then the base streams by in blocks and only those that score
 * higher are counted, so that a rank is exact however deep it lies, in the memory of one block. `gosset codes` has the
 * same definition, ties included: scores closer than 1e-6 of the lengths multiplied are ordered by row.
 */
#ifndef GOSSET_BENCH_RANK_H
#define GOSSET_BENCH_RANK_H

#include <stddef.h>
#include <stdint.h>

enum { RANK_TRUE = 10 };

/** How scores are made: -|q - x|^2, or the inner product. */
typedef enum rank_order { RANK_L2 = 0, RANK_IP = 1, RANK_ORDERS = 2 } rank_order;

typedef struct rank_quality {
    double r_at[3];      /* share of queries with their nearest neighbour among the first 1, 10, 100 */
    double recall_at_10; /* share of the ten nearest among the first ten */
    uint32_t depth[3];   /* smallest list that holds 90, 95, 99 % of the ten nearest, in the mean over the queries */
} rank_quality;

typedef struct rank_counter rank_counter;

/**
 * @param queries  count x dimension; kept, not copied.
 * @param truth    count x truth_stride rows of the base, the first RANK_TRUE used; kept, not copied.
 */
rank_counter *rank_create(const float *queries, size_t count, uint32_t dimension, const int32_t *truth,
                          size_t truth_stride);
void rank_free(rank_counter *counter);

/** The decoded true neighbours of one query: RANK_TRUE x dimension. Every query once, before rank_count. */
void rank_truth(rank_counter *counter, size_t query, const float *rows);

/** Counts decoded base rows [first, first + count) on OpenMP's threads; BLAS must have one. Every row once. */
void rank_count(rank_counter *counter, uint64_t first, size_t count, const float *rows);

/** Sums up one order; once for each. */
rank_quality rank_summary(rank_counter *counter, rank_order order);

#endif
