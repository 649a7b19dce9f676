/*
 * Products on AMX: elements rounded to bfloat16 (to nearest, ties to even; denormals are zero), sums in floats. A tile
 * of the result takes 32 terms of each of its sums at a time: the even ones and the odd ones are added up apart, then
 * together, then to what is there (Intel SDM, TDPBF16PS). tests/train/check_tiles.c does the same in plain C.
 *
 * Two tiles of rows by two of columns; four more hold what is read. Panels are 32 columns wide, two rows interleaved: a
 * tile of 16 columns is 16 rows of 16 pairs. Rows of the other factor are converted as they are used, 32 at a time.
 */
#include "train/panels.h"

#if defined(__x86_64__) && defined(__linux__) && (defined(__clang__) ? __clang_major__ >= 12 : __GNUC__ >= 11)
#include <immintrin.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    PANEL = GOSSET__PANEL,
    TILE = 16,             /* rows of a tile, each of 64 bytes */
    TERMS = 32,            /* of a sum, taken at a time */
    STRIP_ROWS = 2 * TILE, /* of the left factor, converted at a time: */
    STRIP_TERMS = 512,     /* so many of their elements */
    PERMISSION_REQUEST = 0x1023,
    TILE_DATA = 18
};

#define TARGET __attribute__((target("avx512f,avx512bw,avx512bf16,amx-tile,amx-bf16")))
#define INLINE TARGET static inline __attribute__((always_inline))

/* Instructions on tiles read and write memory behind the compiler's back. */
#define MEMORY_IS_READ_AND_WRITTEN() __asm__ volatile("" ::: "memory")

typedef uint16_t bfloat;

static size_t whole(size_t count, size_t of) {
    return (count + of - 1) / of * of;
}

static __mmask16 first_of(size_t count) {
    return (__mmask16)(count >= 16 ? 0xffff : (1u << count) - 1);
}

/* ---- conversion ----------------------------------------------------------------------------- */

/* Element t of two rows become the halves of pair t. */
INLINE __m512i interleave(__m512 even, __m512 odd) {
    const __m512i both = (__m512i)_mm512_cvtne2ps_pbh(odd, even);
    const __m512i low = _mm512_cvtepu16_epi32(_mm512_castsi512_si256(both));
    return _mm512_or_si512(low, _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(both, 1)), 16));
}

/* Up to 16 elements of row t and of the next, interleaved; rows from k on are zeros. */
INLINE __m512i pairs_of_rows(size_t t, size_t k, __mmask16 columns, const float *b, size_t stride) {
    const __m512 even = _mm512_maskz_loadu_ps(t < k ? columns : 0, b + (t < k ? t * stride : 0));
    const __m512 odd = _mm512_maskz_loadu_ps(t + 1 < k ? columns : 0, b + (t + 1 < k ? (t + 1) * stride : 0));
    return interleave(even, odd);
}

/* Elements [t, t + 32) of a row; from k on zeros. */
INLINE __m512i terms_of_row(size_t t, size_t k, const float *row) {
    const size_t left = t < k ? k - t : 0, right = left > 16 ? left - 16 : 0;
    const __m512 low = _mm512_maskz_loadu_ps(first_of(left), row + (left ? t : 0));
    const __m512 high = _mm512_maskz_loadu_ps(first_of(right), row + (right ? t + 16 : 0));
    return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

/* 16 x 16 pairs: merging rows i and i + 8 turns the eight bits of an address by one, four times swap row and column. */
INLINE void transpose(__m512i rows[TILE]) {
    const __m512i low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const __m512i high = _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    for (int round = 0; round < 4; round++) {
        __m512i next[TILE];
        for (int i = 0; i < TILE / 2; i++) {
            next[2 * i] = _mm512_permutex2var_epi32(rows[i], low, rows[i + TILE / 2]);
            next[2 * i + 1] = _mm512_permutex2var_epi32(rows[i], high, rows[i + TILE / 2]);
        }
        for (int i = 0; i < TILE; i++) rows[i] = next[i];
    }
}

/* ---- packing -------------------------------------------------------------------------------- */

static size_t panels_at(size_t k, size_t j) {
    return whole(k, TERMS) / 2 * j;
}

TARGET static void pack(size_t k, size_t n, const float *b, size_t stride, float *panels) {
    bfloat *to = (bfloat *)panels;
    for (size_t j = 0; j < n; j += PANEL) {
        const __mmask16 left = first_of(n - j), right = first_of(n - j > TILE ? n - j - TILE : 0);
        const float *right_columns = b + j + (right ? TILE : 0);
        for (size_t t = 0; t < whole(k, TERMS); t += 2, to += 2 * PANEL) {
            _mm512_storeu_si512(to, pairs_of_rows(t, k, left, b + j, stride));
            _mm512_storeu_si512(to + PANEL, pairs_of_rows(t, k, right, right_columns, stride));
        }
    }
}

TARGET static void pack_turned(size_t k, size_t n, const float *b, float *panels) {
    const size_t terms = whole(k, TERMS);
    bfloat *to = (bfloat *)panels;
    for (size_t j = 0; j < whole(n, PANEL); j += TILE) {
        bfloat *panel = to + j / PANEL * PANEL * terms + j % PANEL * 2;
        for (size_t t = 0; t < terms; t += TERMS, panel += TERMS * PANEL) {
            __m512i rows[TILE];
            for (size_t i = 0; i < TILE; i++)
                rows[i] = j + i < n ? terms_of_row(t, k, b + (j + i) * k) : _mm512_setzero_si512();
            transpose(rows);
            for (size_t i = 0; i < TILE; i++) _mm512_storeu_si512(panel + 2 * i * PANEL, rows[i]);
        }
    }
}

/* ---- products ------------------------------------------------------------------------------- */

typedef struct factors {
    size_t m, n, k;
    int turned; /* a is k x m */
    const float *a;
    const bfloat *panels;
    float *c;
    size_t stride;
} factors;

/* Rows [first, first + STRIP_ROWS) of the left factor, terms [from, end) of each: a tile after the other. */
TARGET static void convert(const factors *f, size_t first, size_t from, size_t end, bfloat *strip) {
    for (size_t t = from; t < end; t += TERMS)
        for (size_t half = 0; half < STRIP_ROWS; half += TILE, strip += TILE * TERMS) {
            const size_t row = first + half, count = row < f->m ? f->m - row : 0;
            __m512i rows[TILE];
            for (size_t i = 0; i < TILE; i++)
                if (f->turned)
                    rows[i] = pairs_of_rows(t + 2 * i, f->k, first_of(count), f->a + (count ? row : 0), f->m);
                else
                    rows[i] = i < count ? terms_of_row(t, f->k, f->a + (row + i) * f->k) : _mm512_setzero_si512();
            if (f->turned) transpose(rows);
            for (size_t i = 0; i < TILE; i++) _mm512_storeu_si512(strip + i * TERMS, rows[i]);
        }
}

/* Adds terms [0, terms) of all sums of a strip and a panel to c, or starts them. */
TARGET static void sum_tiles(int start, size_t terms, const bfloat *strip, const bfloat *panel, float *c,
                             size_t stride) {
    const size_t bytes = stride * sizeof *c;
    if (start) {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
    } else {
        _tile_loadd(0, c, bytes);
        _tile_loadd(1, c + TILE, bytes);
        _tile_loadd(2, c + TILE * stride, bytes);
        _tile_loadd(3, c + TILE * stride + TILE, bytes);
    }
    for (size_t t = 0; t < terms; t += TERMS, strip += STRIP_ROWS * TERMS, panel += PANEL * TERMS) {
        _tile_loadd(4, strip, 64);
        _tile_loadd(6, panel, 128);
        _tile_loadd(7, panel + TERMS, 128);
        _tile_loadd(5, strip + TILE * TERMS, 64);
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    _tile_stored(0, c, bytes);
    _tile_stored(1, c + TILE, bytes);
    _tile_stored(2, c + TILE * stride, bytes);
    _tile_stored(3, c + TILE * stride + TILE, bytes);
}

/* At the edges of c, through a whole piece beside it. */
TARGET static void sum_edge(int start, size_t terms, const bfloat *strip, const bfloat *panel, size_t rows,
                            size_t columns, float *c, size_t stride) {
    float piece[STRIP_ROWS * PANEL];
    if (!start) {
        memset(piece, 0, sizeof piece);
        for (size_t r = 0; r < rows; r++) memcpy(piece + r * PANEL, c + r * stride, columns * sizeof *c);
    }
    MEMORY_IS_READ_AND_WRITTEN();
    sum_tiles(start, terms, strip, panel, piece, PANEL);
    MEMORY_IS_READ_AND_WRITTEN();
    for (size_t r = 0; r < rows; r++) memcpy(c + r * stride, piece + r * PANEL, columns * sizeof *c);
}

TARGET static void sum_strip(const factors *f, size_t first) {
    const size_t rows = f->m - first < STRIP_ROWS ? f->m - first : STRIP_ROWS, all = whole(f->k, TERMS);
    _Alignas(64) bfloat strip[STRIP_ROWS * STRIP_TERMS];
    for (size_t from = 0; from < all; from += STRIP_TERMS) {
        const size_t terms = all - from < STRIP_TERMS ? all - from : STRIP_TERMS;
        convert(f, first, from, from + terms, strip);
        MEMORY_IS_READ_AND_WRITTEN();
        for (size_t j = 0; j < f->n; j += PANEL) {
            const size_t columns = f->n - j < PANEL ? f->n - j : PANEL;
            const bfloat *panel = f->panels + j * all + from * PANEL;
            float *c = f->c + first * f->stride + j;
            if (rows == STRIP_ROWS && columns == PANEL)
                sum_tiles(from == 0, terms, strip, panel, c, f->stride);
            else
                sum_edge(from == 0, terms, strip, panel, rows, columns, c, f->stride);
        }
    }
}

/* All eight tiles are whole. Released at the end: state that is in use makes every switch of threads dearer. */
TARGET static void sum(const factors *f) {
    struct {
        uint8_t palette, start_row, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } shape = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        shape.row_bytes[i] = 64;
        shape.rows[i] = TILE;
    }
    MEMORY_IS_READ_AND_WRITTEN();
    _tile_loadconfig(&shape);
    for (size_t first = 0; first < f->m; first += STRIP_ROWS) sum_strip(f, first);
    _tile_release();
    MEMORY_IS_READ_AND_WRITTEN();
}

static void product(size_t m, size_t n, size_t k, const float *a, const float *panels, float *c, size_t c_stride) {
    sum(&(factors){m, n, k, 0, a, (const bfloat *)panels, c, c_stride});
}

static void product_at(size_t m, size_t n, size_t k, const float *a, const float *panels, float *c) {
    sum(&(factors){m, n, k, 1, a, (const bfloat *)panels, c, n});
}

static const gosset__panels_ops tiles = {"of bfloat16, in tiles", panels_at, pack, pack_turned, product, product_at};

/* Linux wants to be asked once per process, since tiles make the frames of signal handlers larger. */
const gosset__panels_ops *gosset__panels_tiles(void) {
    return syscall(SYS_arch_prctl, PERMISSION_REQUEST, TILE_DATA) == 0 ? &tiles : NULL;
}
#else
const gosset__panels_ops *gosset__panels_tiles(void) {
    return NULL;
}
#endif
