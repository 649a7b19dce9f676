/** Matrices for tests of products: both factors as they are and turned, and room for panels and the result. */
#ifndef GOSSET_TRAIN_TESTS_MATRICES_H
#define GOSSET_TRAIN_TESTS_MATRICES_H

#include "train/panels.h"
#include "train/train_tests.h"

enum { GUARD = 7 }; /* floats behind a result that are to stay as they are */

typedef struct matrices {
    size_t m, n, k;
    float *a, *a_turned, *b, *b_turned, *panels;
    float *c; /* m x n, and the guard */
} matrices;

/** Memory that must be there; to be freed. */
float *floats(size_t count);
matrices some_matrices(const size_t shape[3], void (*fill)(gosset__rng *rng, float *values, size_t count));
void free_matrices(matrices *x);

#endif
