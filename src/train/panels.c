#include "train/panels.h"
#include <string.h>

enum { PANEL = GOSSET__PANEL };

/* ---- packing -------------------------------------------------------------------------------- */

enum { FEWEST = 16 }; /* rows that take as many floats as one tile does */

size_t gosset__panels_size(size_t k, size_t n) {
    return (k < FEWEST ? FEWEST : k) * ((n + PANEL - 1) / PANEL * PANEL);
}

static size_t panels_at(size_t k, size_t j) {
    return k * j;
}

static size_t columns_from(size_t j, size_t n) {
    return n - j < PANEL ? n - j : PANEL;
}

static void pack(size_t k, size_t n, const float *b, size_t stride, float *panels) {
    for (size_t j = 0; j < n; j += PANEL) {
        const size_t columns = columns_from(j, n);
        const float *from = b + j;
        float *to = panels + j * k;
        if (columns < PANEL) memset(to, 0, k * PANEL * sizeof *to);
        for (size_t t = 0; t < k; t++, from += stride, to += PANEL)
            if (columns == PANEL)
                memcpy(to, from, PANEL * sizeof *to);
            else
                memcpy(to, from, columns * sizeof *to);
    }
}

typedef float quad __attribute__((vector_size(4 * sizeof(float)), aligned(4), may_alias));

/* Four rows of b, k apart, become four columns of a panel. */
static inline __attribute__((always_inline)) void turn_four(size_t k, const float *b, float *panel) {
    const quad r0 = *(const quad *)b, r1 = *(const quad *)(b + k);
    const quad r2 = *(const quad *)(b + 2 * k), r3 = *(const quad *)(b + 3 * k);
    const quad low01 = __builtin_shufflevector(r0, r1, 0, 4, 1, 5), low23 = __builtin_shufflevector(r2, r3, 0, 4, 1, 5);
    const quad high01 = __builtin_shufflevector(r0, r1, 2, 6, 3, 7);
    const quad high23 = __builtin_shufflevector(r2, r3, 2, 6, 3, 7);
    *(quad *)panel = __builtin_shufflevector(low01, low23, 0, 1, 4, 5);
    *(quad *)(panel + PANEL) = __builtin_shufflevector(low01, low23, 2, 3, 6, 7);
    *(quad *)(panel + 2 * PANEL) = __builtin_shufflevector(high01, high23, 0, 1, 4, 5);
    *(quad *)(panel + 3 * PANEL) = __builtin_shufflevector(high01, high23, 2, 3, 6, 7);
}

static void pack_turned(size_t k, size_t n, const float *b, float *panels) {
    const size_t fours = k / 4 * 4;
    for (size_t j = 0; j < n; j += PANEL, b += PANEL * k, panels += PANEL * k) {
        const size_t columns = columns_from(j, n), columns_by_four = columns / 4 * 4;
        if (columns < PANEL) memset(panels, 0, k * PANEL * sizeof *panels);
        for (size_t t = 0; t < fours; t += 4)
            for (size_t i = 0; i < columns_by_four; i += 4) turn_four(k, b + i * k + t, panels + t * PANEL + i);
        for (size_t i = 0; i < columns; i++)
            for (size_t t = i < columns_by_four ? fours : 0; t < k; t++) panels[t * PANEL + i] = b[i * k + t];
    }
}

/* ---- products ------------------------------------------------------------------------------- */

/* Element (r, t) of a is a[r * row + t * step]. */
typedef struct factors {
    size_t m, n, k, row, step, stride;
    const float *a, *panels;
    float *c;
} factors;

typedef struct level {
    int (*runs_here)(void);
    void (*sum)(const factors *f);
} level;

#if defined(__x86_64__) && defined(__GNUC__)
#define NAME(what) what##_avx512
#define TARGET     __attribute__((target("avx512f")))
#define LANES      16
#define ROWS       12
#define VECTORS    2
#include "train/panels_tile.h"

#define NAME(what) what##_avx2
#define TARGET     __attribute__((target("avx2,fma")))
#define LANES      8
#define ROWS       6
#define VECTORS    2
#include "train/panels_tile.h"

#define NAME(what) what##_sse2
#define TARGET
#define LANES   4
#define ROWS    6
#define VECTORS 2
#include "train/panels_tile.h"

static int has_avx512(void) {
    return __builtin_cpu_supports("avx512f");
}
static int has_avx2(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
static int has_sse2(void) {
    return 1;
}
static const level levels[] = {{has_avx512, sum_avx512}, {has_avx2, sum_avx2}, {has_sse2, sum_sse2}};
#else /* 32 registers of 4 floats, as NEON has */
#define NAME(what) what##_any
#define TARGET
#define LANES   4
#define ROWS    6
#define VECTORS 4
#include "train/panels_tile.h"

static int has_any(void) {
    return 1;
}
static const level levels[] = {{has_any, sum_any}};
#endif

static void sum(const factors *f) {
    const level *best = levels;
    while (!best->runs_here()) best++; /* the last always does */
    best->sum(f);
}

static void product(size_t m, size_t n, size_t k, const float *a, const float *panels, float *c, size_t c_stride) {
    sum(&(factors){m, n, k, k, 1, c_stride, a, panels, c});
}

static void product_at(size_t m, size_t n, size_t k, const float *a, const float *panels, float *c) {
    sum(&(factors){m, n, k, 1, m, n, a, panels, c});
}

const gosset__panels_ops gosset__panels_float = {"of floats", panels_at, pack, pack_turned, product, product_at};

int gosset__panels_try(size_t i, int turned, size_t m, size_t n, size_t k, const float *a, const float *panels,
                       float *c) {
    if (i >= sizeof levels / sizeof *levels || !levels[i].runs_here()) return 0;
    levels[i].sum(&(factors){m, n, k, turned ? 1 : k, turned ? m : 1, n, a, panels, c});
    return 1;
}
