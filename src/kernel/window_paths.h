/*
 * The search for windows, written once for the vector levels. A level that includes this defines `reals`, a register of
 * REALS floats, and
 *     window_costs(cost, stride, levels, x, weight, w)  what windows w, w + 1 ... cost (kernel.h, extend_paths),
 *     lesser(a, b), store_reals(to, x).
 */
#ifndef GOSSET_KERNEL_WINDOW_PATHS_H
#define GOSSET_KERNEL_WINDOW_PATHS_H

/* Two chains of minima, which take four cycles each. */
INLINE void extend(const float *cost, const uint32_t stride, const uint32_t next_stride, const float *levels, reals x,
                   reals weight, float *next) {
    const uint32_t states = 256u >> next_stride;
    for (uint32_t n = 0; n < states; n += REALS) {
        reals even = window_costs(cost, stride, levels, x, weight, n);
        reals odd = window_costs(cost, stride, levels, x, weight, n + states);
        KERNEL_UNROLL
        for (uint32_t w = n + 2 * states; w < 256; w += 2 * states) {
            even = lesser(even, window_costs(cost, stride, levels, x, weight, w));
            odd = lesser(odd, window_costs(cost, stride, levels, x, weight, w + states));
        }
        store_reals(next + n, lesser(even, odd));
    }
}

INLINE void extend_to(const float *cost, const uint32_t stride, uint32_t next_stride, const float *levels, reals x,
                      reals weight, float *next) {
    if (next_stride == 4)
        extend(cost, stride, 4, levels, x, weight, next);
    else if (next_stride == 2)
        extend(cost, stride, 2, levels, x, weight, next);
    else
        extend(cost, stride, 1, levels, x, weight, next);
}

/* With both strides constant the loops vanish. */
INLINE void extend_all(const float *cost, uint32_t stride, uint32_t next_stride, const float *levels, reals x,
                       reals weight, float *next) {
    if (stride == 4)
        extend_to(cost, 4, next_stride, levels, x, weight, next);
    else if (stride == 2)
        extend_to(cost, 2, next_stride, levels, x, weight, next);
    else
        extend_to(cost, 1, next_stride, levels, x, weight, next);
}

#endif
