/** Principal axes of a set of rows: where the linear part of the network starts. */
#ifndef GOSSET_TRAIN_PRINCIPAL_H
#define GOSSET_TRAIN_PRINCIPAL_H

#include "base/env.h"
#include "base/pool.h"

/**
 * The `count` axes of largest variance of `rows` x `dimension` centred floats, largest first, as columns of `axes`
 * (dimension x count). Signs are fixed: the largest component of each axis is positive. Where count exceeds the
 * dimension the last columns are zero.
 */
gosset_status gosset__principal_axes(const float *data, size_t rows, uint32_t dimension, uint32_t count, float *axes,
                                     gosset__pool *pool, const gosset__env *env);

/** Of a symmetric n x n matrix: eigenvectors become the rows of v, eigenvalues its diagonal; the rest is used up. */
void gosset__eigenvectors(double *matrix, double *v, uint32_t n);

#endif
