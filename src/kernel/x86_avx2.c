/* AVX2, FMA and F16C. Needs nothing but intrinsics: no other header's inline code may enter this file. */
#include "kernel/levels.h"
#include "kernel/window_words.h"

#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))

/* ---- codes ---------------------------------------------------------------------------------- */

INLINE __m256i broadcast4(const int8_t *query) {
    int32_t group;
    __builtin_memcpy(&group, query, 4);
    return _mm256_set1_epi32(group);
}

/*
 * vpmaddubsw gives sums of two products, at most 2 * 15 * 128 = 3840 in magnitude; low and high nibbles of four
 * steps add up to 30720 and cannot overflow 16 bits. Only then are they widened.
 */
enum { SHORT_STEPS = 4 };

static void scan_nibble(const uint8_t *blocks, size_t block_count, uint32_t dimension, const int8_t *query,
                        int32_t *scores) {
    const __m256i mask = _mm256_set1_epi8(0x0F), ones = _mm256_set1_epi16(1);
    size_t steps = dimension / 8;
    int32_t sum = 0;
    for (uint32_t i = 0; i < dimension; i++) sum += query[i];
    for (size_t b = 0; b < block_count; b++, blocks += 64 * steps, scores += 16) {
        __m256i first = _mm256_set1_epi32(-8 * sum), second = first; /* codes 0..7, 8..15 */
        for (size_t h = 0; h < steps;) {
            __m256i short_first = _mm256_setzero_si256(), short_second = short_first;
            for (size_t end = h + SHORT_STEPS < steps ? h + SHORT_STEPS : steps; h < end; h++) {
                __m256i low = broadcast4(query + 8 * h), high = broadcast4(query + 8 * h + 4);
                __m256i x = _mm256_loadu_si256((const __m256i *)(const void *)(blocks + 64 * h));
                __m256i y = _mm256_loadu_si256((const __m256i *)(const void *)(blocks + 64 * h + 32));
                __m256i x_high = _mm256_and_si256(_mm256_srli_epi16(x, 4), mask);
                __m256i y_high = _mm256_and_si256(_mm256_srli_epi16(y, 4), mask);
                __m256i x_sums = _mm256_add_epi16(_mm256_maddubs_epi16(_mm256_and_si256(x, mask), low),
                                                  _mm256_maddubs_epi16(x_high, high));
                __m256i y_sums = _mm256_add_epi16(_mm256_maddubs_epi16(_mm256_and_si256(y, mask), low),
                                                  _mm256_maddubs_epi16(y_high, high));
                short_first = _mm256_add_epi16(short_first, x_sums);
                short_second = _mm256_add_epi16(short_second, y_sums);
            }
            first = _mm256_add_epi32(first, _mm256_madd_epi16(short_first, ones));
            second = _mm256_add_epi32(second, _mm256_madd_epi16(short_second, ones));
        }
        _mm256_storeu_si256((__m256i *)(void *)scores, first);
        _mm256_storeu_si256((__m256i *)(void *)(scores + 8), second);
    }
}

/* Of a class, in both lanes: what nibbles add to an index; a quarter of the squares, less that of 1, of half the
 * indices of the first class, since its levels are symmetric, and of all of the others. */
typedef struct window_tables {
    __m256i newer, older, squares;
} window_tables;

INLINE __m256i load_lanes(const uint8_t table[16]) {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)table));
}

INLINE window_tables load_tables(const gosset__windows *code, const int class) {
    const int top = class == 0 ? GOSSET__WINDOW_TOP_FIRST : GOSSET__WINDOW_TOP;
    uint8_t squares[16];
    for (int i = 0; i < 16; i++) squares[i] = (uint8_t)(i * i - top * i + (top * top - 1) / 4);
    return (window_tables){load_lanes(code->newer[class]), load_lanes(code->older[class]), load_lanes(squares)};
}

INLINE __m256i nibble(__m256i x, const int shift) {
    return _mm256_and_si256(shift ? _mm256_srli_epi32(x, shift) : x, _mm256_set1_epi8(0x0F));
}

/* `mask ? a : b`, bit by bit. */
INLINE __m256i choose_bits(__m256i mask, __m256i a, __m256i b) {
    return _mm256_or_si256(_mm256_and_si256(mask, a), _mm256_andnot_si256(mask, b));
}

/* Shifts move bits between the bytes of a word too; the masks drop them. */
INLINE __m256i follow(__m256i last, __m256i now, const int n) {
    return choose_bits(_mm256_set1_epi8((char)((1 << n) - 1)), _mm256_srli_epi32(last, 8 - n),
                       _mm256_slli_epi32(now, n));
}

/* Of eight codes: sums of products and of squares, in 32 bits; and not yet widened, of few windows, in 16. */
typedef struct window_sums {
    __m256i product, norm;
} window_sums;

/* Sums of two products are at most 2 * 31 * 127, so that four of them fit 16 bits; of squares 2 * 240 * 16. */
INLINE void add_windows(window_sums *brief, __m256i newer, __m256i older, const window_tables *tables, const int class,
                        const int8_t *values, const uint8_t *weights) {
    const __m256i indices =
        _mm256_add_epi8(_mm256_shuffle_epi8(tables->newer, newer), _mm256_shuffle_epi8(tables->older, older));
    const __m256i mirrored = _mm256_sub_epi8(_mm256_set1_epi8(GOSSET__WINDOW_TOP_FIRST), indices);
    const __m256i side = class == 0 ? _mm256_min_epu8(indices, mirrored) : indices;
    const __m256i norm =
        _mm256_maddubs_epi16(_mm256_shuffle_epi8(tables->squares, side), broadcast4((const int8_t *)weights));
    brief->product = _mm256_add_epi16(brief->product, _mm256_maddubs_epi16(indices, broadcast4(values)));
    brief->norm = _mm256_add_epi16(brief->norm, norm);
}

INLINE void widen(window_sums *sums, window_sums *brief) {
    const __m256i ones = _mm256_set1_epi16(1);
    sums->product = _mm256_add_epi32(sums->product, _mm256_madd_epi16(brief->product, ones));
    sums->norm = _mm256_add_epi32(sums->norm, _mm256_madd_epi16(brief->norm, ones));
    brief->product = brief->norm = _mm256_setzero_si256();
}

INLINE __m256i fixed_scores(__m256 s) {
    s = _mm256_max_ps(s, _mm256_set1_ps(-GOSSET__WINDOW_SCORE_MAX)); /* NaN gives the second operand */
    s = _mm256_min_ps(s, _mm256_set1_ps(GOSSET__WINDOW_SCORE_MAX));
    return _mm256_cvtps_epi32(_mm256_mul_ps(s, _mm256_set1_ps(GOSSET__WINDOW_SCORE_ONE)));
}

/* From sums to scores, as the specification orders it. */
INLINE __m256i window_scores(const window_sums sums[3], __m256i selected, const gosset__windows *code,
                             const gosset__window_query *query) {
    const __m256 low = _mm256_permutevar8x32_ps(_mm256_loadu_ps(code->gains), selected);
    const __m256 high = _mm256_permutevar8x32_ps(_mm256_loadu_ps(code->gains + 8), selected);
    const __m256 gain = _mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32(selected, 28)));
    __m256 t[3], n[3];
    for (int k = 0; k < 3; k++) {
        const __m256i offset = _mm256_set1_epi32(gosset__window_top((uint32_t)k) * query->sums[k]);
        const __m256i product = _mm256_sub_epi32(_mm256_slli_epi32(sums[k].product, 1), offset);
        const __m256i norm = _mm256_add_epi32(_mm256_slli_epi32(sums[k].norm, 2), _mm256_set1_epi32(code->totals[k]));
        t[k] = _mm256_mul_ps(_mm256_set1_ps(code->steps[k]), _mm256_cvtepi32_ps(product));
        n[k] = _mm256_mul_ps(_mm256_set1_ps(code->steps[k] * code->steps[k]), _mm256_cvtepi32_ps(norm));
    }
    const __m256 along = _mm256_mul_ps(_mm256_add_ps(_mm256_add_ps(t[0], t[1]), t[2]), _mm256_set1_ps(query->scale));
    const __m256 square = _mm256_add_ps(_mm256_add_ps(n[0], n[1]), n[2]);
    const __m256 inner = _mm256_fmadd_ps(_mm256_mul_ps(_mm256_set1_ps(-0.5f), gain), square, along);
    return fixed_scores(_mm256_fmadd_ps(gain, inner, _mm256_set1_ps(-0.5f * query->square)));
}

INLINE __m256i load_word(const uint8_t *data) {
    return _mm256_loadu_si256((const __m256i *)(const void *)data);
}

#define ADD(class, newer, older, at) add_windows(&brief, newer, older, &tables, class, values + (at), weights + (at))
/* Eight windows are too many for 16 bits, in the first class. */
#define ADD_AND_WIDEN(class, newer, older, at)                                                                         \
    ADD(class, newer, older, at);                                                                                      \
    if ((at) == 12 || (at) == 28) widen(&sums[class], &brief)

INLINE __m256i eight_codes(const uint8_t *data, const gosset__windows *code, const gosset__window_query *query) {
    const int8_t *values = query->values;
    const uint8_t *weights = code->weights;
    const __m256i selected = load_word(data);
    __m256i last = _mm256_setzero_si256(), now;
    window_sums sums[3], brief = {last, last};
    for (int k = 0; k < 3; k++) sums[k] = brief;
    window_tables tables = load_tables(code, 0);
    for (uint32_t h = 0; h < code->words[0]; h++, data += 64, values += 8, weights += 8, last = now) {
        now = load_word(data);
        NIBBLE_WORD(ADD, last, now);
        widen(&sums[0], &brief);
    }
    tables = load_tables(code, 1);
    for (uint32_t h = 0; h < code->words[1]; h++, data += 64, values += 16, weights += 16, last = now) {
        now = load_word(data);
        const __m256i across = follow(last, now, 2);
        CRUMB_WORD(ADD, last, now, across);
        widen(&sums[1], &brief);
    }
    tables = load_tables(code, 2);
    for (uint32_t h = 0; h < code->words[2]; h++, data += 64, values += 32, weights += 32, last = now) {
        now = load_word(data);
        const __m256i across = follow(last, now, 3);
        BIT_WORD(ADD_AND_WIDEN, last, now, across);
    }
    return window_scores(sums, selected, code, query);
}
#undef ADD_AND_WIDEN
#undef ADD

static void scan_windows(const uint8_t *blocks, size_t block_count, const gosset__windows *code,
                         const gosset__window_query *query, int32_t *scores) {
    const size_t block_size = 64 * (size_t)(code->words[0] + code->words[1] + code->words[2]);
    for (size_t b = 0; b < block_count; b++, blocks += block_size, scores += 16) {
        _mm256_storeu_si256((__m256i *)(void *)scores, eight_codes(blocks, code, query));
        _mm256_storeu_si256((__m256i *)(void *)(scores + 8), eight_codes(blocks + 32, code, query));
    }
}

static size_t select_above(const int32_t *scores, size_t count, int32_t threshold, uint32_t *positions) {
    const __m256i limit = _mm256_set1_epi32(threshold);
    size_t found = 0, p = 0;
    for (; p + 8 <= count; p += 8) {
        __m256i above = _mm256_cmpgt_epi32(_mm256_loadu_si256((const __m256i *)(const void *)(scores + p)), limit);
        for (unsigned hits = (unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(above)); hits; hits &= hits - 1)
            positions[found++] = (uint32_t)p + (uint32_t)__builtin_ctz(hits);
    }
    for (; p < count; p++)
        if (scores[p] > threshold) positions[found++] = (uint32_t)p;
    return found;
}

/* ---- network -------------------------------------------------------------------------------- */

/* One register tile of y: `rows` x 8 * `vectors`; every element is its own chain bias, i = 0, 1, 2 ... */
INLINE void dense_tile(const int rows, const int vectors, const float *x, uint32_t in, uint32_t out, const float *w,
                       const float *bias, int relu, float *y) {
    __m256 sum[12];
    KERNEL_UNROLL
    for (int r = 0; r < rows; r++) {
        KERNEL_UNROLL
        for (int v = 0; v < vectors; v++) sum[r * vectors + v] = _mm256_loadu_ps(bias + 8 * v);
    }
    for (uint32_t i = 0; i < in; i++, w += out) {
        __m256 weight[8];
        KERNEL_UNROLL
        for (int v = 0; v < vectors; v++) weight[v] = _mm256_loadu_ps(w + 8 * v);
        KERNEL_UNROLL
        for (int r = 0; r < rows; r++) {
            __m256 value = _mm256_set1_ps(x[(size_t)r * in + i]);
            KERNEL_UNROLL
            for (int v = 0; v < vectors; v++)
                sum[r * vectors + v] = _mm256_fmadd_ps(value, weight[v], sum[r * vectors + v]);
        }
    }
    KERNEL_UNROLL
    for (int r = 0; r < rows; r++) {
        KERNEL_UNROLL
        for (int v = 0; v < vectors; v++) {
            __m256 s = sum[r * vectors + v];
            if (relu) s = _mm256_max_ps(s, _mm256_setzero_ps()); /* NaN and -0 give +0, as in the specification */
            _mm256_storeu_ps(y + (size_t)r * out + 8 * v, s);
        }
    }
}

static void dense(const float *x, size_t rows, uint32_t in, uint32_t out, const float *w, const float *bias, int relu,
                  float *y) {
    size_t r = 0;
    for (; r + 6 <= rows; r += 6, x += 6 * (size_t)in, y += 6 * (size_t)out)
        for (uint32_t j = 0; j < out; j += 16) dense_tile(6, 2, x, in, out, w + j, bias + j, relu, y + j);
    for (; r < rows; r++, x += in, y += out) {
        uint32_t j = 0;
        for (; j + 64 <= out; j += 64) dense_tile(1, 8, x, in, out, w + j, bias + j, relu, y + j);
        for (; j < out; j += 16) dense_tile(1, 2, x, in, out, w + j, bias + j, relu, y + j);
    }
}

/* 8 * `vectors` columns. Sums of two products are at most 2 * 127 * 127 and fit the 16 bits of vpmaddubsw. */
INLINE void turn_columns(const int vectors, const gosset__fixed *x, const gosset__turning *by, uint32_t first,
                         float *y) {
    const __m256i ones = _mm256_set1_epi16(1);
    __m256i high[4], low[4];
    KERNEL_UNROLL
    for (int v = 0; v < vectors; v++) high[v] = low[v] = _mm256_setzero_si256();
    const int8_t *matrix = by->matrix + 4 * (size_t)first;
    for (uint32_t i = 0; i < by->size; i += 4, matrix += 4 * (size_t)by->size) {
        const __m256i x_high = broadcast4((const int8_t *)x->high + i), x_low = broadcast4((const int8_t *)x->low + i);
        KERNEL_UNROLL
        for (int v = 0; v < vectors; v++) {
            const __m256i bytes = _mm256_loadu_si256((const __m256i *)(const void *)(matrix + 32 * v));
            high[v] = _mm256_add_epi32(high[v], _mm256_madd_epi16(_mm256_maddubs_epi16(x_high, bytes), ones));
            low[v] = _mm256_add_epi32(low[v], _mm256_madd_epi16(_mm256_maddubs_epi16(x_low, bytes), ones));
        }
    }
    KERNEL_UNROLL
    for (int v = 0; v < vectors; v++) {
        const uint32_t j = first + 8 * (uint32_t)v;
        const __m256i offsets = _mm256_loadu_si256((const __m256i *)(const void *)(by->offsets + j));
        const __m256i sum = _mm256_sub_epi32(_mm256_add_epi32(_mm256_slli_epi32(high[v], 7), low[v]), offsets);
        const __m256 step = _mm256_mul_ps(_mm256_loadu_ps(by->steps + j), _mm256_set1_ps(x->unit));
        _mm256_storeu_ps(y + j, _mm256_mul_ps(_mm256_cvtepi32_ps(sum), step));
    }
}

static void turn(const gosset__fixed *x, const gosset__turning *by, float *y) {
    uint32_t j = 0;
    for (; j + 32 <= by->size; j += 32) turn_columns(4, x, by, j, y);
    for (; j < by->size; j += 8) turn_columns(1, x, by, j, y);
}

/* ---- float distances ------------------------------------------------------------------------ */

/* 16 partial sums: lanes 0..7 in `low`, 8..15 in `high`. */
typedef struct sums16 {
    __m256 low, high;
} sums16;

INLINE __m256i tail_mask(uint32_t left) { /* lanes below `left`, which may exceed 8 */
    const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(left > 8 ? 8 : (int)left), lanes);
}

/* Lanes outside the mask keep their sum: adding 0 would turn -0 into +0. */
INLINE __m256 tail_fma(const float *a, const float *b, __m256 sum, uint32_t left, const int squared) {
    __m256i mask = tail_mask(left);
    __m256 x = _mm256_maskload_ps(a, mask), y = _mm256_maskload_ps(b, mask);
    if (squared) x = y = _mm256_sub_ps(x, y);
    return _mm256_blendv_ps(sum, _mm256_fmadd_ps(x, y, sum), _mm256_castsi256_ps(mask));
}

INLINE void add_tail(sums16 *sums, const float *a, const float *b, uint32_t left, const int squared) {
    sums->low = tail_fma(a, b, sums->low, left, squared);
    if (left > 8) sums->high = tail_fma(a + 8, b + 8, sums->high, left - 8, squared);
}

INLINE float fold1(sums16 sums) {
    __m256 eight = _mm256_add_ps(sums.low, sums.high);
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

/* fold1 of four rows at once, after i has met i + 8. */
INLINE __m128 fold4(__m256 a, __m256 b, __m256 c, __m256 d) {
    __m256 ab = _mm256_add_ps(_mm256_permute2f128_ps(a, b, 0x20), _mm256_permute2f128_ps(a, b, 0x31));
    __m256 cd = _mm256_add_ps(_mm256_permute2f128_ps(c, d, 0x20), _mm256_permute2f128_ps(c, d, 0x31));
    __m256 acbd = _mm256_add_ps(_mm256_shuffle_ps(ab, cd, 0x44), _mm256_shuffle_ps(ab, cd, 0xEE));
    __m128 ac = _mm256_castps256_ps128(acbd), bd = _mm256_extractf128_ps(acbd, 1);
    __m128 even = _mm_unpacklo_ps(_mm_shuffle_ps(ac, ac, 0x88), _mm_shuffle_ps(bd, bd, 0x88));
    __m128 odd = _mm_unpacklo_ps(_mm_shuffle_ps(ac, ac, 0xDD), _mm_shuffle_ps(bd, bd, 0xDD));
    return _mm_add_ps(even, odd);
}

static float dot_f32(const float *a, const float *b, uint32_t dimension) {
    sums16 sums = {_mm256_setzero_ps(), _mm256_setzero_ps()};
    uint32_t i = 0;
    for (; i + 16 <= dimension; i += 16) {
        sums.low = _mm256_fmadd_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), sums.low);
        sums.high = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 8), _mm256_loadu_ps(b + i + 8), sums.high);
    }
    if (i < dimension) add_tail(&sums, a + i, b + i, dimension - i, 0);
    return fold1(sums);
}

static float l2_f32(const float *a, const float *b, uint32_t dimension) {
    sums16 sums = {_mm256_setzero_ps(), _mm256_setzero_ps()};
    uint32_t i = 0;
    for (; i + 16 <= dimension; i += 16) {
        __m256 low = _mm256_sub_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i));
        __m256 high = _mm256_sub_ps(_mm256_loadu_ps(a + i + 8), _mm256_loadu_ps(b + i + 8));
        sums.low = _mm256_fmadd_ps(low, low, sums.low);
        sums.high = _mm256_fmadd_ps(high, high, sums.high);
    }
    if (i < dimension) add_tail(&sums, a + i, b + i, dimension - i, 1);
    return fold1(sums);
}

INLINE __m256 widen8(const uint16_t *halves) {
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)halves));
}

/* The last halves of a vector, less than 16, as floats. */
INLINE void widen_tail(const uint16_t *halves, uint32_t left, float out[16]) {
    uint16_t padded[16] = {0};
    __builtin_memcpy(padded, halves, left * sizeof *halves);
    _mm256_storeu_ps(out, widen8(padded));
    _mm256_storeu_ps(out + 8, widen8(padded + 8));
}

static void widen_f16(const uint16_t *halves, uint32_t count, float *out) {
    uint32_t i = 0;
    float tail[16];
    for (; i + 8 <= count; i += 8) _mm256_storeu_ps(out + i, widen8(halves + i));
    if (i == count) return;
    widen_tail(halves + i, count - i, tail);
    __builtin_memcpy(out + i, tail, (count - i) * sizeof *out);
}

INLINE float reduce_f16(const float *a, const uint16_t *b, uint32_t dimension, const int squared) {
    sums16 sums = {_mm256_setzero_ps(), _mm256_setzero_ps()};
    uint32_t i = 0;
    for (; i + 16 <= dimension; i += 16) {
        __m256 x = _mm256_loadu_ps(a + i), y = widen8(b + i);
        __m256 x2 = _mm256_loadu_ps(a + i + 8), y2 = widen8(b + i + 8);
        if (squared) x = y = _mm256_sub_ps(x, y), x2 = y2 = _mm256_sub_ps(x2, y2);
        sums.low = _mm256_fmadd_ps(x, y, sums.low);
        sums.high = _mm256_fmadd_ps(x2, y2, sums.high);
    }
    if (i < dimension) {
        float tail[16];
        widen_tail(b + i, dimension - i, tail);
        add_tail(&sums, a + i, tail, dimension - i, squared);
    }
    return fold1(sums);
}

static float dot_f16(const float *a, const uint16_t *b, uint32_t dimension) {
    return reduce_f16(a, b, dimension, 0);
}
static float l2_f16(const float *a, const uint16_t *b, uint32_t dimension) {
    return reduce_f16(a, b, dimension, 1);
}

/* Values of one class of places, which are whole vectors of 8. */
INLINE int32_t window_values(const float *query, const float *centroid, const float *roots, uint32_t first,
                             uint32_t end, float inverse, int8_t *values) {
    __m256i sums = _mm256_setzero_si256();
    for (uint32_t i = first; i < end; i += 8) {
        const __m256 difference = _mm256_sub_ps(_mm256_loadu_ps(query + i), _mm256_loadu_ps(centroid + i));
        const __m256 rooted = _mm256_mul_ps(difference, _mm256_loadu_ps(roots + i));
        const __m256i value = _mm256_cvtps_epi32(_mm256_mul_ps(rooted, _mm256_set1_ps(inverse)));
        const __m128i brief = _mm_packs_epi32(_mm256_castsi256_si128(value), _mm256_extracti128_si256(value, 1));
        sums = _mm256_add_epi32(sums, value);
        _mm_storel_epi64((__m128i *)(void *)(values + i), _mm_packs_epi16(brief, brief));
    }
    const __m128i four = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
    const __m128i two = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4E));
    return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 0xB1)));
}

static void window_query(const float *query, const float *centroid, uint32_t features, const gosset__windows *code,
                         gosset__window_query *out) {
    const uint32_t places = gosset__windows_places(code);
    const __m256 magnitude = _mm256_castsi256_ps(_mm256_set1_epi32(0x7FFFFFFF));
    __m256 largest = _mm256_setzero_ps();
    for (uint32_t i = 0; i < places; i += 8) {
        const __m256 difference = _mm256_sub_ps(_mm256_loadu_ps(query + i), _mm256_loadu_ps(centroid + i));
        const __m256 rooted = _mm256_mul_ps(difference, _mm256_loadu_ps(code->roots + i));
        largest = _mm256_max_ps(_mm256_and_ps(rooted, magnitude), largest);
    }
    __m128 four = _mm_max_ps(_mm256_castps256_ps128(largest), _mm256_extractf128_ps(largest, 1));
    four = _mm_max_ps(four, _mm_movehl_ps(four, four));
    const float most = _mm_cvtss_f32(_mm_max_ss(four, _mm_movehdup_ps(four)));
    const float inverse = most > 1e-30f ? 127.0f / most : 0.0f;
    out->square = l2_f32(query, centroid, features);
    out->scale = most / 127.0f;
    for (uint32_t k = 0, first = 0; k < GOSSET__WINDOW_CLASSES; k++) {
        const uint32_t end = first + (8u << k) * code->words[k];
        out->sums[k] = window_values(query, centroid, code->roots, first, end, inverse, out->values);
        first = end;
    }
}

/* What eight windows from w on continue: few costs, each repeated. No load is wider than what was stored at once
 * before.
 */
INLINE __m256 continued(const float *cost, const uint32_t stride, uint32_t w) {
    if (stride == 4) return _mm256_broadcast_ss(cost + (w >> 4));
    if (stride == 2) {
        const __m128 two = _mm_castsi128_ps(_mm_loadl_epi64((const __m128i *)(const void *)(cost + (w >> 2))));
        return _mm256_permutevar8x32_ps(_mm256_castps128_ps256(two), _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1));
    }
    return _mm256_permutevar8x32_ps(_mm256_castps128_ps256(_mm_loadu_ps(cost + (w >> 1))),
                                    _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3));
}

typedef __m256 reals;
enum { REALS = 8 };

typedef struct step_terms {
    __m256 x, weight;
    const float *levels;
} step_terms;

INLINE step_terms make_terms(const gosset__windows *code, const uint32_t class, float x, float weight) {
    return (step_terms){_mm256_set1_ps(x), _mm256_set1_ps(weight), code->levels[class]};
}

INLINE __m256 new_costs(const float *levels, __m256 x, __m256 weight) {
    const __m256 error = _mm256_sub_ps(x, _mm256_loadu_ps(levels));
    return _mm256_mul_ps(weight, _mm256_mul_ps(error, error));
}

INLINE __m256 window_costs(const float *cost, const uint32_t stride, const step_terms *terms, uint32_t w) {
    return _mm256_add_ps(continued(cost, stride, w), new_costs(terms->levels + w, terms->x, terms->weight));
}

INLINE reals lesser(reals a, reals b) {
    return _mm256_min_ps(a, b);
}
INLINE void store_reals(float *to, reals x) {
    _mm256_storeu_ps(to, x);
}

/* Bits of eight that are no more than a value. */
INLINE uint32_t at_most(__m256 x, __m256 most) {
    return (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(x, most, _CMP_LE_OQ));
}

INLINE uint32_t first_least(const float *cost) {
    const __m256 low = _mm256_loadu_ps(cost), high = _mm256_loadu_ps(cost + 8), eight = _mm256_min_ps(low, high);
    const __m256 four = _mm256_min_ps(eight, _mm256_permute2f128_ps(eight, eight, 1));
    const __m256 two = _mm256_min_ps(four, _mm256_shuffle_ps(four, four, 0x4E));
    const __m256 least = _mm256_min_ps(two, _mm256_shuffle_ps(two, two, 0xB1));
    return (uint32_t)__builtin_ctz(at_most(low, least) | at_most(high, least) << 8 | 0x8000);
}

/* Of eight windows n, n + 16 ... */
INLINE uint32_t at_most_known(const float *cost, const uint32_t stride, const float *levels, float x, float weight,
                              float known, uint32_t n) {
    const __m256i windows =
        _mm256_add_epi32(_mm256_setr_epi32(0, 16, 32, 48, 64, 80, 96, 112), _mm256_set1_epi32((int)n));
    const __m256 before = stride == 4 ? _mm256_loadu_ps(cost + (n >> 4))
                                      : _mm256_i32gather_ps(cost, _mm256_srli_epi32(windows, (int)stride), 4);
    return at_most(_mm256_add_ps(before, new_costs(levels, _mm256_set1_ps(x), _mm256_set1_ps(weight))),
                   _mm256_set1_ps(known));
}

INLINE uint32_t first_of_16(const float *cost, const uint32_t stride, const float *levels, float x, float weight,
                            float known, uint32_t n) {
    const uint32_t found = at_most_known(cost, stride, levels, x, weight, known, n) |
                           at_most_known(cost, stride, levels + 8, x, weight, known, n + 128) << 8;
    return 16 * (uint32_t)__builtin_ctz(found | 0x8000) + n;
}

#include "kernel/window_paths.h" /* needs the above */

static void dot_rows(const float *query, const float *rows, size_t count, uint32_t dimension, float *out) {
    size_t r = 0;
    for (; r + 4 <= count; r += 4, rows += 4 * (size_t)dimension) {
        sums16 sums[4];
        for (int k = 0; k < 4; k++) sums[k].low = sums[k].high = _mm256_setzero_ps();
        uint32_t i = 0;
        for (; i + 16 <= dimension; i += 16) {
            __m256 low = _mm256_loadu_ps(query + i), high = _mm256_loadu_ps(query + i + 8);
            for (size_t k = 0; k < 4; k++) {
                const float *row = rows + k * dimension + i;
                sums[k].low = _mm256_fmadd_ps(low, _mm256_loadu_ps(row), sums[k].low);
                sums[k].high = _mm256_fmadd_ps(high, _mm256_loadu_ps(row + 8), sums[k].high);
            }
        }
        __m256 eight[4];
        for (size_t k = 0; k < 4; k++) {
            if (i < dimension) add_tail(&sums[k], query + i, rows + k * dimension + i, dimension - i, 0);
            eight[k] = _mm256_add_ps(sums[k].low, sums[k].high);
        }
        _mm_storeu_ps(out + r, fold4(eight[0], eight[1], eight[2], eight[3]));
    }
    for (; r < count; r++, rows += dimension) out[r] = dot_f32(query, rows, dimension);
}

/* ---- byte distances ------------------------------------------------------------------------- */

/* 32 bytes, or those that are left by way of a zeroed buffer: missing bytes add nothing. */
INLINE __m256i load_bytes(const uint8_t *data, uint32_t left) {
    if (left >= 32) return _mm256_loadu_si256((const __m256i *)(const void *)data);
    _Alignas(32) uint8_t padded[32] = {0};
    __builtin_memcpy(padded, data, left);
    return _mm256_load_si256((const __m256i *)(const void *)padded);
}

INLINE uint32_t sum_lanes(__m256i sums) {
    __m128i four = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
    __m128i two = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4E));
    return (uint32_t)_mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 0xB1)));
}

/* `flip` 0x80 maps i8 to u8 with the same differences. */
INLINE uint32_t l2_bytes(const uint8_t *a, const uint8_t *b, uint32_t dimension, const int flip) {
    const __m256i zero = _mm256_setzero_si256(), flips = _mm256_set1_epi8((char)flip);
    __m256i low = zero, high = zero;
    for (uint32_t i = 0; i < dimension; i += 32) {
        __m256i x = load_bytes(a + i, dimension - i), y = load_bytes(b + i, dimension - i);
        if (flip) {
            x = _mm256_xor_si256(x, flips);
            y = _mm256_xor_si256(y, flips);
        }
        __m256i difference = _mm256_or_si256(_mm256_subs_epu8(x, y), _mm256_subs_epu8(y, x));
        __m256i even = _mm256_unpacklo_epi8(difference, zero), odd = _mm256_unpackhi_epi8(difference, zero);
        low = _mm256_add_epi32(low, _mm256_madd_epi16(even, even));
        high = _mm256_add_epi32(high, _mm256_madd_epi16(odd, odd));
    }
    return sum_lanes(_mm256_add_epi32(low, high));
}

static uint32_t l2_u8(const uint8_t *a, const uint8_t *b, uint32_t dimension) {
    return l2_bytes(a, b, dimension, 0);
}

static uint32_t l2_i8(const int8_t *a, const int8_t *b, uint32_t dimension) {
    return l2_bytes((const uint8_t *)a, (const uint8_t *)b, dimension, 0x80);
}

static uint32_t dot_u8(const uint8_t *a, const uint8_t *b, uint32_t dimension) {
    const __m256i zero = _mm256_setzero_si256();
    __m256i low = zero, high = zero;
    for (uint32_t i = 0; i < dimension; i += 32) {
        __m256i x = load_bytes(a + i, dimension - i), y = load_bytes(b + i, dimension - i);
        low = _mm256_add_epi32(low, _mm256_madd_epi16(_mm256_unpacklo_epi8(x, zero), _mm256_unpacklo_epi8(y, zero)));
        high = _mm256_add_epi32(high, _mm256_madd_epi16(_mm256_unpackhi_epi8(x, zero), _mm256_unpackhi_epi8(y, zero)));
    }
    return sum_lanes(_mm256_add_epi32(low, high));
}

/* Bytes into the upper halves of 16-bit lanes, then shifted down with their sign. */
INLINE __m256i widen_low(__m256i x) {
    return _mm256_srai_epi16(_mm256_unpacklo_epi8(x, x), 8);
}
INLINE __m256i widen_high(__m256i x) {
    return _mm256_srai_epi16(_mm256_unpackhi_epi8(x, x), 8);
}

static int32_t dot_i8(const int8_t *a, const int8_t *b, uint32_t dimension) {
    __m256i low = _mm256_setzero_si256(), high = low;
    for (uint32_t i = 0; i < dimension; i += 32) {
        __m256i x = load_bytes((const uint8_t *)a + i, dimension - i);
        __m256i y = load_bytes((const uint8_t *)b + i, dimension - i);
        low = _mm256_add_epi32(low, _mm256_madd_epi16(widen_low(x), widen_low(y)));
        high = _mm256_add_epi32(high, _mm256_madd_epi16(widen_high(x), widen_high(y)));
    }
    return (int32_t)sum_lanes(_mm256_add_epi32(low, high));
}

const gosset__kernels gosset__kernels_avx2 = {
    .name = "avx2",
    .scan_nibble = scan_nibble,
    .window_query = window_query,
    .scan_windows = scan_windows,
    .find_windows = find_windows,
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
    .select_above = select_above,
};
