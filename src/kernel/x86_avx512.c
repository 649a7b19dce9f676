/* AVX-512 F, BW, VL, DQ and VNNI. Needs nothing but intrinsics: no other header's inline code may enter this file. */
#include "kernel/x86_avx512.h"

/* ---- network -------------------------------------------------------------------------------- */

/*
 * One register tile of y: `rows` x 16 * `vectors`. Every element is its own chain bias, i = 0, 1, 2 ..., so a tile
 * of any shape gives the same bits. The shapes are chosen by the callers: at least 8 chains (4 cycles latency, 2 per
 * cycle), at most 24 registers of sums.
 */
INLINE void dense_tile(const int rows, const int vectors, const float *x, uint32_t in, uint32_t out, const float *w,
                       const float *bias, int relu, float *y) {
    __m512 sum[24];
    KERNEL_UNROLL
    for (int r = 0; r < rows; r++) {
        KERNEL_UNROLL
        for (int v = 0; v < vectors; v++) sum[r * vectors + v] = _mm512_loadu_ps(bias + 16 * v);
    }
    for (uint32_t i = 0; i < in; i++, w += out) {
        __m512 weight[16];
        KERNEL_UNROLL
        for (int v = 0; v < vectors; v++) weight[v] = _mm512_loadu_ps(w + 16 * v);
        KERNEL_UNROLL
        for (int r = 0; r < rows; r++) {
            __m512 value = _mm512_set1_ps(x[(size_t)r * in + i]);
            KERNEL_UNROLL
            for (int v = 0; v < vectors; v++)
                sum[r * vectors + v] = _mm512_fmadd_ps(value, weight[v], sum[r * vectors + v]);
        }
    }
    KERNEL_UNROLL
    for (int r = 0; r < rows; r++) {
        KERNEL_UNROLL
        for (int v = 0; v < vectors; v++) {
            __m512 s = sum[r * vectors + v];
            if (relu) s = _mm512_max_ps(s, _mm512_setzero_ps()); /* NaN and -0 give +0, as in the specification */
            _mm512_storeu_ps(y + (size_t)r * out + 16 * v, s);
        }
    }
}

/* Columns [j, out) of `rows` rows, as wide as registers allow; w_j, bias_j and y_j are at column j. */
#define DENSE_COLUMNS(rows, vectors)                                                                                   \
    for (; j + 16 * (vectors) <= out; j += 16 * (vectors))                                                             \
    dense_tile(rows, vectors, x, in, out, w + j, bias + j, relu, y + j)

static void dense_12(const float *x, uint32_t in, uint32_t out, const float *w, const float *bias, int relu, float *y) {
    uint32_t j = 0;
    DENSE_COLUMNS(12, 2);
    DENSE_COLUMNS(12, 1);
}

static void dense_4(const float *x, uint32_t in, uint32_t out, const float *w, const float *bias, int relu, float *y) {
    uint32_t j = 0;
    DENSE_COLUMNS(4, 4);
    DENSE_COLUMNS(4, 2);
    DENSE_COLUMNS(4, 1);
}

static void dense_1(const float *x, uint32_t in, uint32_t out, const float *w, const float *bias, int relu, float *y) {
    uint32_t j = 0;
    DENSE_COLUMNS(1, 16);
    DENSE_COLUMNS(1, 8);
    DENSE_COLUMNS(1, 4);
    DENSE_COLUMNS(1, 1);
}

static void dense(const float *x, size_t rows, uint32_t in, uint32_t out, const float *w, const float *bias, int relu,
                  float *y) {
    size_t r = 0;
    for (; r + 12 <= rows; r += 12) dense_12(x + r * in, in, out, w, bias, relu, y + r * out);
    for (; r + 4 <= rows; r += 4) dense_4(x + r * in, in, out, w, bias, relu, y + r * out);
    for (; r < rows; r++) dense_1(x + r * in, in, out, w, bias, relu, y + r * out);
}

/* 16 * `vectors` columns; two planes of seven bits each, so that products with bytes are exact. */
INLINE void turn_columns(const int vectors, const gosset__fixed *x, const gosset__turning *by, uint32_t first,
                         float *y) {
    __m512i high[4], low[4];
    KERNEL_UNROLL
    for (int v = 0; v < vectors; v++) high[v] = low[v] = _mm512_setzero_si512();
    const int8_t *matrix = by->matrix + 4 * (size_t)first;
    for (uint32_t i = 0; i < by->size; i += 4, matrix += 4 * (size_t)by->size) {
        const __m512i x_high = broadcast4((const int8_t *)x->high + i), x_low = broadcast4((const int8_t *)x->low + i);
        KERNEL_UNROLL
        for (int v = 0; v < vectors; v++) {
            const __m512i bytes = _mm512_loadu_si512(matrix + 64 * v);
            high[v] = _mm512_dpbusd_epi32(high[v], x_high, bytes);
            low[v] = _mm512_dpbusd_epi32(low[v], x_low, bytes);
        }
    }
    KERNEL_UNROLL
    for (int v = 0; v < vectors; v++) {
        const uint32_t j = first + 16 * (uint32_t)v;
        const __m512i sum = _mm512_sub_epi32(_mm512_add_epi32(_mm512_slli_epi32(high[v], 7), low[v]),
                                             _mm512_loadu_si512(by->offsets + j));
        const __m512 step = _mm512_mul_ps(_mm512_loadu_ps(by->steps + j), _mm512_set1_ps(x->unit));
        _mm512_storeu_ps(y + j, _mm512_mul_ps(_mm512_cvtepi32_ps(sum), step));
    }
}

static void turn(const gosset__fixed *x, const gosset__turning *by, float *y) {
    uint32_t j = 0;
    for (; j + 64 <= by->size; j += 64) turn_columns(4, x, by, j, y);
    for (; j < by->size; j += 16) turn_columns(1, x, by, j, y);
}

/* ---- float distances ------------------------------------------------------------------------ */

INLINE __mmask16 tail_mask(uint32_t dimension) {
    return (__mmask16)((1u << (dimension % 16)) - 1);
}

/* The first of the pairwise additions: i with i + 8. */
INLINE __m256 fold(__m512 sums) {
    return _mm256_add_ps(_mm512_castps512_ps256(sums), _mm512_extractf32x8_ps(sums, 1));
}

/* Then i + 4, i + 2, i + 1, for four rows at once. */
INLINE __m128 fold4(__m256 a, __m256 b, __m256 c, __m256 d) {
    __m256 ab = _mm256_add_ps(_mm256_permute2f128_ps(a, b, 0x20), _mm256_permute2f128_ps(a, b, 0x31));
    __m256 cd = _mm256_add_ps(_mm256_permute2f128_ps(c, d, 0x20), _mm256_permute2f128_ps(c, d, 0x31));
    __m256 acbd = _mm256_add_ps(_mm256_shuffle_ps(ab, cd, 0x44), _mm256_shuffle_ps(ab, cd, 0xEE));
    __m128 ac = _mm256_castps256_ps128(acbd), bd = _mm256_extractf128_ps(acbd, 1);
    __m128 even = _mm_unpacklo_ps(_mm_shuffle_ps(ac, ac, 0x88), _mm_shuffle_ps(bd, bd, 0x88));
    __m128 odd = _mm_unpacklo_ps(_mm_shuffle_ps(ac, ac, 0xDD), _mm_shuffle_ps(bd, bd, 0xDD));
    return _mm_add_ps(even, odd);
}

INLINE float fold1(__m512 sums) {
    __m256 eight = fold(sums);
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

static float dot_f32(const float *a, const float *b, uint32_t dimension) {
    __m512 sums = _mm512_setzero_ps();
    uint32_t i = 0;
    for (; i + 16 <= dimension; i += 16) sums = _mm512_fmadd_ps(_mm512_loadu_ps(a + i), _mm512_loadu_ps(b + i), sums);
    __mmask16 mask = tail_mask(dimension); /* masked lanes keep their sum: adding 0 would turn -0 into +0 */
    if (mask)
        sums =
            _mm512_mask3_fmadd_ps(_mm512_maskz_loadu_ps(mask, a + i), _mm512_maskz_loadu_ps(mask, b + i), sums, mask);
    return fold1(sums);
}

static float l2_f32(const float *a, const float *b, uint32_t dimension) {
    __m512 sums = _mm512_setzero_ps();
    uint32_t i = 0;
    for (; i + 16 <= dimension; i += 16) {
        __m512 difference = _mm512_sub_ps(_mm512_loadu_ps(a + i), _mm512_loadu_ps(b + i));
        sums = _mm512_fmadd_ps(difference, difference, sums);
    }
    __mmask16 mask = tail_mask(dimension);
    if (mask) {
        __m512 difference = _mm512_sub_ps(_mm512_maskz_loadu_ps(mask, a + i), _mm512_maskz_loadu_ps(mask, b + i));
        sums = _mm512_mask3_fmadd_ps(difference, difference, sums, mask);
    }
    return fold1(sums);
}

INLINE __m512 widen16(const uint16_t *halves) {
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)halves));
}
INLINE __m512 widen_masked(__mmask16 mask, const uint16_t *halves) {
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask, halves));
}

static void widen_f16(const uint16_t *halves, uint32_t count, float *out) {
    uint32_t i = 0;
    for (; i + 16 <= count; i += 16) _mm512_storeu_ps(out + i, widen16(halves + i));
    __mmask16 mask = tail_mask(count);
    if (mask) _mm512_mask_storeu_ps(out + i, mask, widen_masked(mask, halves + i));
}

static float dot_f16(const float *a, const uint16_t *b, uint32_t dimension) {
    __m512 sums = _mm512_setzero_ps();
    uint32_t i = 0;
    for (; i + 16 <= dimension; i += 16) sums = _mm512_fmadd_ps(_mm512_loadu_ps(a + i), widen16(b + i), sums);
    __mmask16 mask = tail_mask(dimension);
    if (mask) sums = _mm512_mask3_fmadd_ps(_mm512_maskz_loadu_ps(mask, a + i), widen_masked(mask, b + i), sums, mask);
    return fold1(sums);
}

static float l2_f16(const float *a, const uint16_t *b, uint32_t dimension) {
    __m512 sums = _mm512_setzero_ps();
    uint32_t i = 0;
    for (; i + 16 <= dimension; i += 16) {
        __m512 difference = _mm512_sub_ps(_mm512_loadu_ps(a + i), widen16(b + i));
        sums = _mm512_fmadd_ps(difference, difference, sums);
    }
    __mmask16 mask = tail_mask(dimension);
    if (mask) {
        __m512 difference = _mm512_sub_ps(_mm512_maskz_loadu_ps(mask, a + i), widen_masked(mask, b + i));
        sums = _mm512_mask3_fmadd_ps(difference, difference, sums, mask);
    }
    return fold1(sums);
}

/* Values of one class of places, which are whole vectors of 8. */
INLINE int32_t window_values(const float *query, const float *centroid, const float *roots, uint32_t first,
                             uint32_t end, float inverse, int8_t *values) {
    __m256i sums = _mm256_setzero_si256();
    for (uint32_t i = first; i < end; i += 8) {
        const __m256 difference = _mm256_sub_ps(_mm256_loadu_ps(query + i), _mm256_loadu_ps(centroid + i));
        const __m256 rooted = _mm256_mul_ps(difference, _mm256_loadu_ps(roots + i));
        const __m256i value = _mm256_cvtps_epi32(_mm256_mul_ps(rooted, _mm256_set1_ps(inverse)));
        sums = _mm256_add_epi32(sums, value);
        _mm_storel_epi64((__m128i *)(void *)(values + i), _mm256_cvtepi32_epi8(value));
    }
    const __m128i four = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
    const __m128i two = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4E));
    return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 0xB1)));
}

static void window_query(const float *query, const float *centroid, uint32_t features, const gosset__windows *code,
                         gosset__window_query *out) {
    const uint32_t places = gosset__windows_places(code);
    __m512 largest = _mm512_setzero_ps();
    for (uint32_t i = 0; i < places; i += 16) {
        const __mmask16 mask = places - i >= 16 ? (__mmask16)0xFFFF : tail_mask(places);
        const __m512 difference =
            _mm512_sub_ps(_mm512_maskz_loadu_ps(mask, query + i), _mm512_maskz_loadu_ps(mask, centroid + i));
        const __m512 rooted = _mm512_mul_ps(difference, _mm512_maskz_loadu_ps(mask, code->roots + i));
        largest = _mm512_max_ps(_mm512_abs_ps(rooted), largest);
    }
    const float most = _mm512_reduce_max_ps(largest), inverse = most > 1e-30f ? 127.0f / most : 0.0f;
    out->square = l2_f32(query, centroid, features);
    out->scale = most / 127.0f;
    for (uint32_t k = 0, first = 0; k < GOSSET__WINDOW_CLASSES; k++) {
        const uint32_t end = first + (8u << k) * code->words[k];
        out->sums[k] = window_values(query, centroid, code->roots, first, end, inverse, out->values);
        first = end;
    }
}

static void dot_rows(const float *query, const float *rows, size_t count, uint32_t dimension, float *out) {
    size_t r = 0;
    __mmask16 mask = tail_mask(dimension);
    for (; r + 4 <= count; r += 4, rows += 4 * (size_t)dimension) {
        __m512 sums[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps()};
        uint32_t i = 0;
        for (; i + 16 <= dimension; i += 16) {
            __m512 q = _mm512_loadu_ps(query + i);
            for (uint32_t k = 0; k < 4; k++)
                sums[k] = _mm512_fmadd_ps(q, _mm512_loadu_ps(rows + (size_t)k * dimension + i), sums[k]);
        }
        if (mask) {
            __m512 q = _mm512_maskz_loadu_ps(mask, query + i);
            for (uint32_t k = 0; k < 4; k++)
                sums[k] = _mm512_mask3_fmadd_ps(q, _mm512_maskz_loadu_ps(mask, rows + (size_t)k * dimension + i),
                                                sums[k], mask);
        }
        _mm_storeu_ps(out + r, fold4(fold(sums[0]), fold(sums[1]), fold(sums[2]), fold(sums[3])));
    }
    for (; r < count; r++, rows += dimension) out[r] = dot_f32(query, rows, dimension);
}

/* ---- byte distances ------------------------------------------------------------------------- */

/* 64 bytes, or those that are left: missing bytes read as zero and add nothing. */
INLINE __m512i load_bytes(const void *data, uint32_t left) {
    if (left >= 64) return _mm512_loadu_si512(data);
    return _mm512_maskz_loadu_epi8((1ull << left) - 1, data);
}

/* `flip` 0x80 maps i8 to u8 with the same differences. Missing bytes are flipped on both sides alike. */
INLINE uint32_t l2_bytes(const uint8_t *a, const uint8_t *b, uint32_t dimension, const int flip) {
    const __m512i zero = _mm512_setzero_si512(), flips = _mm512_set1_epi8((char)flip);
    __m512i low = zero, high = zero;
    for (uint32_t i = 0; i < dimension; i += 64) {
        __m512i x = load_bytes(a + i, dimension - i), y = load_bytes(b + i, dimension - i);
        if (flip) {
            x = _mm512_xor_si512(x, flips);
            y = _mm512_xor_si512(y, flips);
        }
        __m512i difference = _mm512_or_si512(_mm512_subs_epu8(x, y), _mm512_subs_epu8(y, x));
        __m512i even = _mm512_unpacklo_epi8(difference, zero), odd = _mm512_unpackhi_epi8(difference, zero);
        low = _mm512_dpwssd_epi32(low, even, even);
        high = _mm512_dpwssd_epi32(high, odd, odd);
    }
    return (uint32_t)_mm512_reduce_add_epi32(_mm512_add_epi32(low, high));
}

static uint32_t l2_u8(const uint8_t *a, const uint8_t *b, uint32_t dimension) {
    return l2_bytes(a, b, dimension, 0);
}

static uint32_t l2_i8(const int8_t *a, const int8_t *b, uint32_t dimension) {
    return l2_bytes((const uint8_t *)a, (const uint8_t *)b, dimension, 0x80);
}

/* vpdpbusd multiplies u8 by i8: a * b = a * (b - 128) + 128 * a. */
static uint32_t dot_u8(const uint8_t *a, const uint8_t *b, uint32_t dimension) {
    const __m512i flips = _mm512_set1_epi8((char)0x80), ones = _mm512_set1_epi8(1);
    __m512i products = _mm512_setzero_si512(), sum = _mm512_setzero_si512();
    for (uint32_t i = 0; i < dimension; i += 64) {
        __m512i x = load_bytes(a + i, dimension - i), y = load_bytes(b + i, dimension - i);
        products = _mm512_dpbusd_epi32(products, x, _mm512_xor_si512(y, flips));
        sum = _mm512_dpbusd_epi32(sum, x, ones);
    }
    return (uint32_t)_mm512_reduce_add_epi32(_mm512_add_epi32(products, _mm512_slli_epi32(sum, 7)));
}

/* a * b = (a + 128) * b - 128 * b. */
static int32_t dot_i8(const int8_t *a, const int8_t *b, uint32_t dimension) {
    const __m512i flips = _mm512_set1_epi8((char)0x80);
    __m512i products = _mm512_setzero_si512(), shifted = _mm512_setzero_si512();
    for (uint32_t i = 0; i < dimension; i += 64) {
        __m512i x = load_bytes(a + i, dimension - i), y = load_bytes(b + i, dimension - i);
        products = _mm512_dpbusd_epi32(products, _mm512_xor_si512(x, flips), y);
        shifted = _mm512_dpbusd_epi32(shifted, flips, y);
    }
    return _mm512_reduce_add_epi32(_mm512_sub_epi32(products, shifted));
}

const gosset__kernels gosset__kernels_avx512 = {
    .name = "avx512",
    .scan_nibble = gosset__avx512_scan_nibble,
    .window_query = window_query,
    .scan_windows = gosset__avx512_scan_windows,
    .scan_windows_many = gosset__avx512_scan_windows_many,
    .find_windows = gosset__avx512_find_windows,
    .dense = dense,
    .turn = turn,
    .dot_rows = dot_rows,
    .l2_f32 = l2_f32,
    .dot_f32 = dot_f32,
    .l2_u8 = l2_u8,
    .dot_u8 = dot_u8,
    .l2_i8 = l2_i8,
    .dot_i8 = dot_i8,
    .widen_f16 = widen_f16,
    .l2_f16 = l2_f16,
    .dot_f16 = dot_f16,
    .select_above = gosset__avx512_select_above,
};
