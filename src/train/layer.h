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
 * Batch normalisation and ReLU on a block of rows, y = max(0, gamma * (x - mean) * inverse + beta); x becomes the
 * normalised x. mean and inverse are those of the whole batch, joined from the moments of its blocks.
 */
void gosset__norm_relu_forward(size_t rows, size_t width, const float *mean, const float *inverse, const float *gamma,
                               const float *beta, float *x, float *y);
/** The way back, first half: dy becomes 0 where y is, dgamma and dbeta are the block's. */
void gosset__norm_relu_backward_sums(size_t rows, size_t width, const float *x, const float *y, float *dy,
                                     float *dgamma, float *dbeta);
/** Second half, with dgamma and dbeta of the whole batch, each divided by its rows: dy becomes dx. */
void gosset__norm_backward(size_t rows, size_t width, const float *gamma, const float *inverse, const float *dgamma,
                           const float *dbeta, const float *x, float *dy);
/** Mean, and sum of squared differences from it, of columns [first, first + count). */
void gosset__column_moments(size_t rows, size_t width, size_t first, size_t count, const float *x, float *mean,
                            float *squares);
/**
 * From blocks of block_rows rows, the last with what is left of them: moments holds mean and squares of each. Gives the
 * mean, and 1 / sqrt(variance + epsilon), of each column.
 */
void gosset__moments_join(size_t rows, size_t block_rows, size_t width, const float *moments, float *mean,
                          float *inverse);

/** z = y / |y|; norms: |y| of each row. */
void gosset__normalise_forward(size_t rows, size_t dimension, const float *y, float *norms, float *z);
/** dz becomes dy. */
void gosset__normalise_backward(size_t rows, size_t dimension, const float *z, const float *norms, float *dz);

#endif
