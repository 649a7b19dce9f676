/**
 * Matrix products for the shapes of a training step: a block of rows times a matrix that many blocks share, or that was
 * just made. That matrix is packed once, in panels of columns as the innermost loop reads them; BLAS would pack it anew
 * for every block, which costs a quarter of its rate. Every sum runs over k in ascending order, fused where the CPU has
 * such instructions, so that AVX2, AVX-512 and NEON give the same bits.
 *
 * On CPUs with matrix tiles there is a second kind of panels, several times as fast: elements rounded to bfloat16, sums
 * in floats (panels_tiles.c). A step uses one kind for all its products.
 */
#ifndef GOSSET_TRAIN_PANELS_H
#define GOSSET_TRAIN_PANELS_H

#include <stddef.h>

enum { GOSSET__PANEL = 32 }; /* columns */

typedef struct gosset__panels_ops {
    const char *name;
    /** Columns of a packed matrix from j on, a multiple of GOSSET__PANEL, begin at this float. */
    size_t (*at)(size_t k, size_t j);
    /** b: k x n, rows stride apart */
    void (*pack)(size_t k, size_t n, const float *b, size_t stride, float *panels);
    /** b is given as its transpose: n x k, rows of k */
    void (*pack_turned)(size_t k, size_t n, const float *b, float *panels);
    /** c (m x n, rows c_stride apart) = a (m x k) b */
    void (*product)(size_t m, size_t n, size_t k, const float *a, const float *panels, float *c, size_t c_stride);
    /** c (m x n) = a^T b, a: k rows of m */
    void (*product_at)(size_t m, size_t n, size_t k, const float *a, const float *panels, float *c);
} gosset__panels_ops;

extern const gosset__panels_ops gosset__panels_float;
/** Products in tiles, for CPU levels that have them. NULL where the compiler or the kernel does not let us use them. */
const gosset__panels_ops *gosset__panels_tiles(void);

/** Floats that b (k x n) may take when packed, by either kind. */
size_t gosset__panels_size(size_t k, size_t n);

/** For tests: product, or product_at if turned, by the i-th width of vectors; 0 where this CPU does not have it. */
int gosset__panels_try(size_t i, int turned, size_t m, size_t n, size_t k, const float *a, const float *panels,
                       float *c);

#endif
