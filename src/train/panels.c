#include "train/panels.h"
#include <string.h>

enum { PANEL = GOSSET__PANEL, LINE = 16 /* floats of a cache line */ };

/* ---- packing -------------------------------------------------------------------------------- */

size_t gosset__panels_size(size_t k, size_t n) {
    return k * ((n + PANEL - 1) / PANEL * PANEL);
}

static size_t columns_from(size_t j, size_t n) {
    return n - j < PANEL ? n - j : PANEL;
}

void gosset__panels_pack(size_t k, size_t n, const float *b, size_t stride, float *panels) {
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

void gosset__panels_pack_turned(size_t k, size_t n, const float *b, float *panels) {
    for (size_t j = 0; j < n; j += PANEL) {
        const size_t columns = columns_from(j, n);
        float *panel = panels + j * k;
        if (columns < PANEL) memset(panel, 0, k * PANEL * sizeof *panel);
        for (size_t first = 0; first < k; first += LINE) { /* a line of every column, which stay in cache */
            const size_t end = k - first < LINE ? k : first + LINE;
            for (size_t i = 0; i < columns; i++)
                for (size_t t = first; t < end; t++) panel[t * PANEL + i] = b[(j + i) * k + t];
        }
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

void gosset__panels_product(size_t m, size_t n, size_t k, const float *a, const float *panels, float *c,
                            size_t c_stride) {
    sum(&(factors){m, n, k, k, 1, c_stride, a, panels, c});
}

void gosset__panels_product_at(size_t m, size_t n, size_t k, const float *a, const float *panels, float *c) {
    sum(&(factors){m, n, k, 1, m, n, a, panels, c});
}

int gosset__panels_try(size_t i, int turned, size_t m, size_t n, size_t k, const float *a, const float *panels,
                       float *c) {
    if (i >= sizeof levels / sizeof *levels || !levels[i].runs_here()) return 0;
    levels[i].sum(&(factors){m, n, k, turned ? 1 : k, turned ? m : 1, n, a, panels, c});
    return 1;
}
