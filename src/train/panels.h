/**
 * Matrix products for the shapes of a training step: a block of rows times a matrix that many blocks share, or that was
 * just made. That matrix is packed once, in panels of columns as the innermost loop reads them; BLAS would pack it anew
 * for every block, which costs a quarter of its rate. Every sum runs over k in ascending order, fused where the CPU has
 * such instructions, so that AVX2, AVX-512 and NEON give the same bits.
 */
#ifndef GOSSET_TRAIN_PANELS_H
#define GOSSET_TRAIN_PANELS_H

#include <stddef.h>

enum { GOSSET__PANEL = 32 }; /* columns */

/** Floats of b (k x n) packed. Columns from j on, a multiple of GOSSET__PANEL, begin at float j * k. */
size_t gosset__panels_size(size_t k, size_t n);
/** b: k x n, rows stride apart */
void gosset__panels_pack(size_t k, size_t n, const float *b, size_t stride, float *panels);
/** b is given as its transpose: n x k, rows of k */
void gosset__panels_pack_turned(size_t k, size_t n, const float *b, float *panels);

/** c (m x n, rows c_stride apart) = a (m x k) b */
void gosset__panels_product(size_t m, size_t n, size_t k, const float *a, const float *panels, float *c,
                            size_t c_stride);
/** c (m x n) = a^T b, a: k rows of m */
void gosset__panels_product_at(size_t m, size_t n, size_t k, const float *a, const float *panels, float *c);

/** For tests: one of these (turned: the second) by the i-th width of vectors; 0 where this CPU does not have it. */
int gosset__panels_try(size_t i, int turned, size_t m, size_t n, size_t k, const float *a, const float *panels,
                       float *c);

#endif
