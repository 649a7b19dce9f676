/**
 * The layers, each a forward and a backward function on a piece of a batch. A piece is a range of rows where rows
 * are independent, a range of columns where they are not: pieces never add into the same number, so the sums do
 * not depend on who computes which piece. Row-major; outputs last.
 */
#ifndef GOSSET_TRAIN_LAYER_H
#define GOSSET_TRAIN_LAYER_H

#include <stddef.h>
#include <stdint.h>

/** y (rows x out) = x (rows x in) w (in x out) [+ bias]; keep: added to y instead. */
void gosset__linear_forward(size_t rows, size_t in, size_t out, const float *x, const float *w, const float *bias,
                            int keep, float *y);
/** dx (rows x in) = dy w^T */
void gosset__linear_backward_input(size_t rows, size_t in, size_t out, const float *dy, const float *w, float *dx);
/** Rows [first, first + count) of dw (in x out) = x^T dy, over all rows of the batch. */
void gosset__linear_backward_weight(size_t rows, size_t in, size_t out, size_t first, size_t count, const float *x,
                                    const float *dy, float *dw);
/** dbias = column sums of dy. */
void gosset__linear_backward_bias(size_t rows, size_t out, const float *dy, float *dbias);

/**
 * Batch normalisation and ReLU on columns [first, first + count): x becomes the normalised x, and
 * y = max(0, gamma * x + beta). deviation_inverse: 1 / sqrt(variance + epsilon) of each column, kept for the way
 * back.
 */
void gosset__norm_relu_forward(size_t rows, size_t width, size_t first, size_t count, const float *gamma,
                               const float *beta, float *x, float *deviation_inverse, float *y);
/** dy becomes the gradient with respect to what the forward function got as x. */
void gosset__norm_relu_backward(size_t rows, size_t width, size_t first, size_t count, const float *gamma,
                                const float *deviation_inverse, const float *x, const float *y, float *dy,
                                float *dgamma, float *dbeta);
/** Mean and 1 / sqrt(variance + epsilon) of columns [first, first + count). */
void gosset__column_statistics(size_t rows, size_t width, size_t first, size_t count, const float *x, float *mean,
                               float *deviation_inverse);

/** z = y / |y|; norms: |y| of each row. */
void gosset__normalise_forward(size_t rows, size_t dimension, const float *y, float *norms, float *z);
/** dz becomes dy. */
void gosset__normalise_backward(size_t rows, size_t dimension, const float *z, const float *norms, float *dz);

#endif
