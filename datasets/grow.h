/**
 * Larger sets from real ones: new rows are drawn around rows of the base from the spread of their near neighbours.
 *
 * For an anchor a with neighbours b_1..b_K and their mean m, the new row is
 *
 *     m + sqrt(1 - h^2) (a - m) + h sum_j g_j (b_j - m) / sqrt(K)        g_j normal, h the spread
 *
 * a mixture of a and the b_j with weights that sum to one. It is a kernel density estimate whose kernels have the
 * covariance of the neighbourhood, shrunk towards the local mean so that the mixture keeps mean and variance of the
 * data (M. West, "Approximating posterior distributions by mixture", J. R. Statist. Soc. B 55, 1993). So new rows lie
 * in the directions in which real rows lie and as far from them as real rows from each other.
 *
 * Row i depends on the base, the seed, the spread and K alone: a set of 10 million rows is the beginning of one of 100.
 */
#ifndef GOSSET_DATASETS_GROW_H
#define GOSSET_DATASETS_GROW_H

#include <gosset/common.h>

enum { GROW_NEIGHBOURS_MAX = 64 };

typedef struct grow_config {
    uint64_t seed;
    uint32_t neighbours; /* K, 2..GROW_NEIGHBOURS_MAX */
    double spread;       /* h, 0..1 */
    uint32_t threads;    /* of the search for neighbours; 0 = all CPUs */
} grow_config;

typedef struct grow grow;

/**
 * Finds the near neighbours of every row of the base, which is borrowed until grow_free. More than K rows, fewer than
 * 2^32; memory: 4 K bytes a row. Errors as gosset_exact_search; the sentence is gosset_dataset_error()'s.
 */
GOSSET_CHECK_RESULT gosset_status grow_create(grow **out, const gosset_vectors *base, const grow_config *config);
void grow_free(grow *self); /* NULL is fine */

/** Rows [first, first + count) of the grown set, tight, of the base's type: base rows first. Any thread. */
GOSSET_CHECK_RESULT gosset_status grow_rows(const grow *self, uint64_t first, size_t count, void *rows);

/** K near neighbours of a row of the base: true ones but for those across the border of its cell and the next three. */
const uint32_t *grow_neighbours(const grow *self, uint64_t row);

/** What distances of true neighbours say about a set: see grow_describe. */
typedef struct grow_description {
    double median[3]; /* Euclidean distance to the 1st, 10th and 100th neighbour: median over the queries */
    double ratio[2];  /* median of 10th / 1st and 100th / 10th */
    double dimension; /* intrinsic, by maximum likelihood from the first 100 (Levina, Bickel 2004), inverses averaged */
    double quartile[2]; /* of that dimension over the queries: a quarter is below, a quarter above */
} grow_description;

/** distances: count x k squared Euclidean distances in rising order, k at least 100. No memory: GOSSET_E_NO_MEMORY. */
GOSSET_CHECK_RESULT gosset_status grow_describe(const float *distances, size_t count, size_t k, grow_description *out);

#endif
