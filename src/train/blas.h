/** The only door to BLAS: matrix products on one thread each, called from many. */
#ifndef GOSSET_TRAIN_BLAS_H
#define GOSSET_TRAIN_BLAS_H

#include <stddef.h>

/**
 * Between hold and release every product runs on the thread that asks for it: the trainer splits the work
 * itself, in pieces that do not depend on the thread count, so results do not either. Nests and counts.
 */
void gosset__blas_hold(void);
void gosset__blas_release(void);

/* All matrices row-major and tight unless a leading dimension is given. keep = 0: c is overwritten; 1: added to. */

/** c (m x n) = a (m x k) b (k x n) */
void gosset__product(size_t m, size_t n, size_t k, const float *a, const float *b, int keep, float *c);
/** c (m x n) = a (m x k) b^T, b: n x k */
void gosset__product_bt(size_t m, size_t n, size_t k, const float *a, const float *b, int keep, float *c);
/** The same with rows of c c_stride apart. */
void gosset__product_bt_to(size_t m, size_t n, size_t k, const float *a, const float *b, float *c, size_t c_stride);
/** c (m x n) = a^T b, a: k rows of a_stride of which m columns are used, b: k rows of n */
void gosset__product_at(size_t m, size_t n, size_t k, const float *a, size_t a_stride, const float *b, int keep,
                        float *c);

#endif
