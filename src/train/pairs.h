/**
 * Products of some rows with all rows of a batch where one side is short: unit vectors of a dozen dimensions. Matrix
 * products of BLAS reach a third of their rate on such shapes, and would have to be written to memory in between.
 *
 * "Across" is a matrix of vectors as columns, dimension x stride, stride a multiple of GOSSET__PAIR_STRIDE, zeros where
 * the batch ends.
 */
#ifndef GOSSET_TRAIN_PAIRS_H
#define GOSSET_TRAIN_PAIRS_H

#include <stddef.h>

enum { GOSSET__PAIR_STRIDE = 64 };

/** scores (count x stride) = rows (count x dimension) across */
void gosset__pairs_score(size_t count, size_t stride, size_t dimension, const float *rows, const float *across,
                         float *scores);
/** out (count x dimension) = weights (count x stride) across^T */
void gosset__pairs_pull(size_t count, size_t stride, size_t dimension, const float *weights, const float *across,
                        float *out);
/** out (dimension x stride) += rows^T weights */
void gosset__pairs_push(size_t count, size_t stride, size_t dimension, const float *weights, const float *rows,
                        float *out);

#endif
