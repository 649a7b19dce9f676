/*
 * The search for windows, written once for the vector levels. A level that includes this defines `reals`, a register of
 * REALS floats, and
 *     step_terms, make_terms(code, class, x, weight)  what a step of a stream is about,
 *     window_costs(cost, stride, terms, w)            what windows w, w + 1 ... cost (kernel.h, find_windows),
 *     lesser(a, b), store_reals(to, x),
 *     first_least(cost)                               the first of 16 that none is below,
 *     first_of_16(cost, stride, levels, x, weight, known, n)  the first window n, n + 16 ... that costs no more.
 */
#ifndef GOSSET_KERNEL_WINDOW_PATHS_H
#define GOSSET_KERNEL_WINDOW_PATHS_H

/* All streams are searched at once: a step waits for the one before, another stream's does not. */
enum { PATHS = 4, PATH_STEPS = GOSSET__WINDOWS_MAX_PLACES / 4, PATH_STATES = 128 };

/* Chains of minima, which take four cycles each: as many as there are windows for, up to four. */
INLINE void extend(const float *cost, const uint32_t stride, const uint32_t next_stride, const step_terms *terms,
                   float *next) {
    const uint32_t states = 256u >> next_stride, chains = next_stride == 1 ? 2 : 4;
    for (uint32_t n = 0; n < states; n += REALS) {
        reals least[4];
        KERNEL_UNROLL
        for (uint32_t c = 0; c < chains; c++) least[c] = window_costs(cost, stride, terms, n + c * states);
        KERNEL_UNROLL
        for (uint32_t w = n + chains * states; w < 256; w += chains * states) {
            KERNEL_UNROLL
            for (uint32_t c = 0; c < chains; c++)
                least[c] = lesser(least[c], window_costs(cost, stride, terms, w + c * states));
        }
        reals all = lesser(least[0], least[1]);
        if (chains == 4) all = lesser(all, lesser(least[2], least[3]));
        store_reals(next + n, all);
    }
}

INLINE void extend_to(const float *cost, const uint32_t stride, uint32_t next_stride, const step_terms *terms,
                      float *next) {
    if (next_stride == 4)
        extend(cost, stride, 4, terms, next);
    else if (next_stride == 2)
        extend(cost, stride, 2, terms, next);
    else
        extend(cost, stride, 1, terms, next);
}

/* With both strides constant the loops vanish. */
INLINE void extend_paths(const gosset__windows *code, uint32_t class, uint32_t next_stride, const float *x,
                         const float *weights, const float *cost, float *next) {
    const uint32_t states = 256u >> next_stride;
    for (uint32_t p = 0; p < PATHS; p++, next += states) {
        if (class == 0) {
            const step_terms terms = make_terms(code, 0, x[p], weights[p]);
            extend_to(cost + 16 * p, 4, next_stride, &terms, next);
        } else if (class == 1) {
            const step_terms terms = make_terms(code, 1, x[p], weights[p]);
            extend_to(cost + 64 * p, 2, next_stride, &terms, next);
        } else {
            const step_terms terms = make_terms(code, 2, x[p], weights[p]);
            extend_to(cost + 128 * p, 1, next_stride, &terms, next);
        }
    }
}

/* The first window n, n + states ... whose cost is the known one of state n. */
INLINE uint32_t followed(const gosset__windows *code, const float *cost, uint32_t class, uint32_t next_stride, float x,
                         float weight, float known, uint32_t n) {
    const uint32_t stride = 4u >> class;
    const float *levels = code->levels[class];
    if (next_stride == 4) {
        levels = code->across[class] + 16 * (size_t)n;
        if (class == 0) return first_of_16(cost, 4, levels, x, weight, known, n);
        if (class == 1) return first_of_16(cost, 2, levels, x, weight, known, n);
        return first_of_16(cost, 1, levels, x, weight, known, n);
    }
    const uint32_t states = 256u >> next_stride;
    uint32_t found = 256 - states + n;
    KERNEL_UNROLL
    for (uint32_t back = 2; back <= 4; back++) { /* from the last but one to the first, so that the first stays */
        const uint32_t w = 256 - back * states + n;
        if (back == 3 && states == 128) break;
        const float error = x - levels[w], total = cost[w >> stride] + weight * (error * error);
        found = total <= known ? w : found;
    }
    return found;
}

static float find_windows(const gosset__windows *code, const float *x, const float *weights, uint32_t start,
                          uint8_t *windows) {
    _Alignas(64) float memory[PATHS * PATH_STEPS * PATH_STATES];
    static const float nothing[1] = {0};
    float *costs[PATH_STEPS + 1], sum = 0;
    const uint32_t steps = gosset__window_steps(code);
    uint32_t end[PATHS];
    costs[1] = memory;
    for (uint32_t p = 0; p < PATHS; p++) {
        const step_terms terms = make_terms(code, 0, x[p], weights[p]);
        float *first = costs[1] + 16 * p;
        for (uint32_t n = 0; n < 16; n += REALS) store_reals(first + n, window_costs(nothing, 4, &terms, n));
        for (uint32_t n = 0; n < 16 && p == 0; n++) first[n] = n == start ? 0 : 1e30f;
    }
    for (uint32_t t = 1, i = 4; t < steps; t++, i += 4) {
        const uint32_t class = gosset__window_class(code, t);
        costs[t + 1] = costs[t] + PATHS * (256u >> (4u >> class));
        extend_paths(code, class, gosset__window_stride(code, t + 1), x + i, weights + i, costs[t], costs[t + 1]);
    }
    for (uint32_t p = 0; p < PATHS; p++) {
        end[p] = first_least(costs[steps] + 16 * p);
        sum += costs[steps][16 * p + end[p]];
    }
    for (uint32_t t = steps - 1, i = 4 * t; t > 0; t--, i -= 4) {
        const uint32_t class = gosset__window_class(code, t), next_stride = gosset__window_stride(code, t + 1);
        const uint32_t stride = 4u >> class;
        KERNEL_UNROLL
        for (uint32_t p = 0; p < PATHS; p++) {
            const float known = costs[t + 1][(256u >> next_stride) * p + end[p]];
            const uint32_t w = followed(code, costs[t] + (256u >> stride) * p, class, next_stride, x[i + p],
                                        weights[i + p], known, end[p]);
            windows[i + p] = (uint8_t)w;
            end[p] = w >> stride;
        }
    }
    for (uint32_t p = 0; p < PATHS; p++) windows[p] = (uint8_t)end[p];
    return sum;
}

#endif
