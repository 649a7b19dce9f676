/*
 * Scans of codes of windows with registers of 512 bits, for two levels: with the instructions of VBMI a byte looks up
 * one of 64, and bits above an index need not be masked.
 */
#ifndef GOSSET_KERNEL_X86_AVX512_WINDOWS_H
#define GOSSET_KERNEL_X86_AVX512_WINDOWS_H

#include "kernel/window_words.h"
#include "kernel/x86_avx512.h"

/* In tables of 64 bytes: what nibbles add to an index, four times; and by index a quarter of the squares of levels,
 * less that of 1. Without VBMI, whose lookups take six bits of an index, squares are those of half the indices of the
 * first class, since its levels are symmetric. */
typedef struct window_tables {
    __m512i newer[3], older[3], squares[3];
} window_tables;

INLINE __m512i lookup(__m512i table, __m512i indices) {
#ifdef __AVX512VBMI__
    return _mm512_permutexvar_epi8(indices, table);
#else
    return _mm512_shuffle_epi8(table, indices);
#endif
}

INLINE __m512i load_terms(const uint8_t table[16]) {
    return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(const void *)table));
}

INLINE window_tables load_tables(const gosset__windows *code) {
    window_tables tables;
    for (int k = 0; k < 3; k++) {
        uint8_t squares[32];
        const int top = k == 0 ? GOSSET__WINDOW_TOP_FIRST : GOSSET__WINDOW_TOP;
        for (int i = 0; i < 32; i++) squares[i] = (uint8_t)(i * i - top * i + (top * top - 1) / 4);
        tables.newer[k] = load_terms(code->newer[k]);
        tables.older[k] = load_terms(code->older[k]);
#ifdef __AVX512VBMI__
        tables.squares[k] = _mm512_broadcast_i64x4(_mm256_loadu_si256((const __m256i *)(const void *)squares));
#else
        tables.squares[k] = load_terms(squares);
#endif
    }
    return tables;
}

/* x >> shift, of which table lookups see the low four bits of every byte. */
INLINE __m512i nibble(__m512i x, const unsigned shift) {
    x = shift ? _mm512_srli_epi32(x, shift) : x;
#ifdef __AVX512VBMI__
    return x;
#else
    return _mm512_and_si512(x, _mm512_set1_epi8(0x0F));
#endif
}

/* `mask ? a : b`, bit by bit. */
INLINE __m512i choose_bits(__m512i mask, __m512i a, __m512i b) {
    return _mm512_ternarylogic_epi64(mask, a, b, 0xCA);
}

/* Shifts move bits between the bytes of a word too; the masks drop them. */
INLINE __m512i follow(__m512i last, __m512i now, const unsigned n) {
    return choose_bits(_mm512_set1_epi8((char)((1 << n) - 1)), _mm512_srli_epi32(last, 8 - n),
                       _mm512_slli_epi32(now, n));
}

INLINE __m512i window_indices(__m512i newer, __m512i older, const window_tables *tables, const int class) {
    return _mm512_add_epi8(lookup(tables->newer[class], newer), lookup(tables->older[class], older));
}

INLINE __m512i window_squares(__m512i indices, const window_tables *tables, const int class) {
#ifndef __AVX512VBMI__
    if (class == 0)
        indices = _mm512_min_epu8(indices, _mm512_sub_epi8(_mm512_set1_epi8(GOSSET__WINDOW_TOP_FIRST), indices));
#endif
    return lookup(tables->squares[class], indices);
}

/* Of levels times values, and of squared levels times weights, from the sums of their indices and quarters. */
INLINE __m512i level_products(__m512i sums, const int class, int32_t sum_of_values) {
    const int top = class == 0 ? GOSSET__WINDOW_TOP_FIRST : GOSSET__WINDOW_TOP;
    return _mm512_sub_epi32(_mm512_slli_epi32(sums, 1), _mm512_set1_epi32(top * sum_of_values));
}
INLINE __m512i level_norms(__m512i sums, int32_t total) {
    return _mm512_add_epi32(_mm512_slli_epi32(sums, 2), _mm512_set1_epi32(total));
}

typedef struct window_sums {
    __m512i product, norm;
} window_sums;

/* Four dimensions of 16 codes. */
INLINE window_sums add_windows(window_sums sums, __m512i newer, __m512i older, const window_tables *tables,
                               const int class, const int8_t *values, const uint8_t *weights) {
    const __m512i indices = window_indices(newer, older, tables, class);
    sums.product = _mm512_dpbusd_epi32(sums.product, indices, broadcast4(values));
    sums.norm =
        _mm512_dpbusd_epi32(sums.norm, window_squares(indices, tables, class), broadcast4((const int8_t *)weights));
    return sums;
}

INLINE __m512i fixed_scores(__m512 s) {
    s = _mm512_max_ps(s, _mm512_set1_ps(-GOSSET__WINDOW_SCORE_MAX)); /* NaN gives the second operand */
    s = _mm512_min_ps(s, _mm512_set1_ps(GOSSET__WINDOW_SCORE_MAX));
    return _mm512_cvtps_epi32(_mm512_mul_ps(s, _mm512_set1_ps(GOSSET__WINDOW_SCORE_ONE)));
}

/* `half`: minus half the gain; `along` and `square`: inner product and squared length for gain 1. */
INLINE __m512i scores_of(__m512 gain, __m512 half, __m512 square, __m512 along, float from_centroid) {
    const __m512 inner = _mm512_fmadd_ps(half, square, along);
    return fixed_scores(_mm512_fmadd_ps(gain, inner, _mm512_set1_ps(-0.5f * from_centroid)));
}

/* From sums to scores, as the specification orders it. What an empty class adds is zero: bounds, made from the first
 * class alone, do without. */
INLINE __m512i window_scores(const window_sums sums[3], __m512i selected, const gosset__windows *code,
                             const gosset__window_query *query) {
    const __m512 gain = _mm512_permutexvar_ps(selected, _mm512_loadu_ps(code->gains));
    __m512 along = _mm512_setzero_ps(), square = along;
    for (int k = 0; k < 3; k++) {
        if (k > 0 && code->words[k] == 0) continue;
        const __m512i product = level_products(sums[k].product, k, query->sums[k]);
        const __m512i norm = level_norms(sums[k].norm, code->totals[k]);
        const __m512 step = _mm512_set1_ps(code->steps[k]), step2 = _mm512_set1_ps(code->steps[k] * code->steps[k]);
        const __m512 t = _mm512_mul_ps(step, _mm512_cvtepi32_ps(product));
        const __m512 n = _mm512_mul_ps(step2, _mm512_cvtepi32_ps(norm));
        along = k == 0 ? t : _mm512_add_ps(along, t);
        square = k == 0 ? n : _mm512_add_ps(square, n);
    }
    along = _mm512_mul_ps(along, _mm512_set1_ps(query->scale));
    return scores_of(gain, _mm512_mul_ps(_mm512_set1_ps(-0.5f), gain), square, along, query->square);
}

#define ADD(class, newer, older, at)                                                                                   \
    sums[b][class] = add_windows(sums[b][class], newer, older, tables, class, values + (at), weights + (at))

/* `blocks` of 16 codes at once, so that their chains of vpdpbusd (5 cycles each) overlap. */
INLINE void window_blocks(const uint8_t *data, const int blocks, size_t block_size, const gosset__windows *code,
                          const gosset__window_query *query, const window_tables *tables, int32_t *scores) {
    const int8_t *values = query->values;
    const uint8_t *weights = code->weights;
    window_sums sums[2][3];
    __m512i last[2], now, selected[2];
    for (int b = 0; b < blocks; b++) {
        for (int k = 0; k < 3; k++) sums[b][k] = (window_sums){_mm512_setzero_si512(), _mm512_setzero_si512()};
        last[b] = _mm512_setzero_si512();
        selected[b] = _mm512_loadu_si512(data + (size_t)b * block_size);
    }
    for (uint32_t h = 0; h < code->words[0]; h++, data += 64, values += 8, weights += 8)
        for (int b = 0; b < blocks; b++) {
            now = _mm512_loadu_si512(data + (size_t)b * block_size);
            NIBBLE_WORD(ADD, last[b], now);
            last[b] = now;
        }
    for (uint32_t h = 0; h < code->words[1]; h++, data += 64, values += 16, weights += 16)
        for (int b = 0; b < blocks; b++) {
            now = _mm512_loadu_si512(data + (size_t)b * block_size);
            const __m512i across = follow(last[b], now, 2);
            CRUMB_WORD(ADD, last[b], now, across);
            last[b] = now;
        }
    for (uint32_t h = 0; h < code->words[2]; h++, data += 64, values += 32, weights += 32)
        for (int b = 0; b < blocks; b++) {
            now = _mm512_loadu_si512(data + (size_t)b * block_size);
            const __m512i across = follow(last[b], now, 3);
            BIT_WORD(ADD, last[b], now, across);
            last[b] = now;
        }
    for (int b = 0; b < blocks; b++)
        _mm512_storeu_si512(scores + 16 * b, window_scores(sums[b], selected[b], code, query));
}
#undef ADD

INLINE void scan_windows(const uint8_t *blocks, size_t block_count, const gosset__windows *code,
                         const gosset__window_query *query, int32_t *scores) {
    const size_t block_size = 64 * (size_t)(code->words[0] + code->words[1] + code->words[2]);
    const window_tables tables = load_tables(code);
    size_t b = 0;
    for (; b + 2 <= block_count; b += 2)
        window_blocks(blocks + b * block_size, 2, block_size, code, query, &tables, scores + 16 * b);
    if (b < block_count) window_blocks(blocks + b * block_size, 1, block_size, code, query, &tables, scores + 16 * b);
}

/* ---- codes, for several queries of a cell --------------------------------------------------- */

/* Products of the queries in one class, and what they have come to in the classes before. */
typedef struct many_sums {
    __m512i product[GOSSET__SCAN_MANY];
    __m512 along[GOSSET__SCAN_MANY];
    __m512i norm;
} many_sums;

/* Four dimensions of 16 codes, `at` the place of the first. */
INLINE void many_windows(many_sums *sums, const int count, const gosset__windows *code,
                         const gosset__window_query *queries, size_t at, __m512i newer, __m512i older,
                         const window_tables *tables, const int class) {
    const __m512i indices = window_indices(newer, older, tables, class);
    sums->norm = _mm512_dpbusd_epi32(sums->norm, window_squares(indices, tables, class),
                                     broadcast4((const int8_t *)code->weights + at));
    KERNEL_UNROLL
    for (int q = 0; q < count; q++)
        sums->product[q] = _mm512_dpbusd_epi32(sums->product[q], indices, broadcast4(queries[q].values + at));
}

INLINE void many_start(many_sums *sums, const int count) {
    KERNEL_UNROLL
    for (int q = 0; q < count; q++) sums->product[q] = _mm512_setzero_si512();
    sums->norm = _mm512_setzero_si512();
}

/* A class ends: its part of the inner products, and what is returned of the squared length. */
INLINE __m512 many_end(many_sums *sums, const int count, const gosset__windows *code,
                       const gosset__window_query *queries, const int class) {
    const __m512 step = _mm512_set1_ps(code->steps[class]);
    KERNEL_UNROLL
    for (int q = 0; q < count; q++) {
        const __m512i product = level_products(sums->product[q], class, queries[q].sums[class]);
        const __m512 along = _mm512_mul_ps(step, _mm512_cvtepi32_ps(product));
        sums->along[q] = class == 0 ? along : _mm512_add_ps(sums->along[q], along);
    }
    return _mm512_mul_ps(_mm512_set1_ps(code->steps[class] * code->steps[class]),
                         _mm512_cvtepi32_ps(level_norms(sums->norm, code->totals[class])));
}

#define ADD(class, newer, older, where)                                                                                \
    many_windows(&sums, count, code, queries, at + (where), newer, older, tables, class)

/* 16 codes; see window_blocks, whose results these are. */
INLINE void many_block(const uint8_t *data, const int count, const gosset__windows *code,
                       const gosset__window_query *queries, const window_tables *tables, int32_t *scores,
                       size_t stride) {
    many_sums sums;
    __m512i last = _mm512_setzero_si512(), now;
    const __m512i selected = _mm512_loadu_si512(data);
    size_t at = 0;
    many_start(&sums, count);
    for (uint32_t h = 0; h < code->words[0]; h++, data += 64, at += 8, last = now) {
        now = _mm512_loadu_si512(data);
        NIBBLE_WORD(ADD, last, now);
    }
    __m512 square = many_end(&sums, count, code, queries, 0);
    if (code->words[1] > 0) {
        many_start(&sums, count);
        for (uint32_t h = 0; h < code->words[1]; h++, data += 64, at += 16, last = now) {
            now = _mm512_loadu_si512(data);
            const __m512i across = follow(last, now, 2);
            CRUMB_WORD(ADD, last, now, across);
        }
        square = _mm512_add_ps(square, many_end(&sums, count, code, queries, 1));
    }
    if (code->words[2] > 0) {
        many_start(&sums, count);
        for (uint32_t h = 0; h < code->words[2]; h++, data += 64, at += 32, last = now) {
            now = _mm512_loadu_si512(data);
            const __m512i across = follow(last, now, 3);
            BIT_WORD(ADD, last, now, across);
        }
        square = _mm512_add_ps(square, many_end(&sums, count, code, queries, 2));
    }
    const __m512 gain = _mm512_permutexvar_ps(selected, _mm512_loadu_ps(code->gains));
    const __m512 half = _mm512_mul_ps(_mm512_set1_ps(-0.5f), gain);
    KERNEL_UNROLL
    for (int q = 0; q < count; q++) {
        const __m512 along = _mm512_mul_ps(sums.along[q], _mm512_set1_ps(queries[q].scale));
        _mm512_storeu_si512(scores + (size_t)q * stride, scores_of(gain, half, square, along, queries[q].square));
    }
}
#undef ADD

#define MANY_BLOCKS(count)                                                                                             \
    for (size_t b = 0; b < block_count; b++)                                                                           \
    many_block(blocks + b * block_size, count, code, queries, &tables, scores + 16 * b, stride)

INLINE void scan_windows_many(const uint8_t *blocks, size_t block_count, const gosset__windows *code,
                              const gosset__window_query *queries, uint32_t count, int32_t *scores, size_t stride) {
    const size_t block_size = 64 * (size_t)(code->words[0] + code->words[1] + code->words[2]);
    const window_tables tables = load_tables(code);
    for (; count >= 8; count -= 8, queries += 8, scores += 8 * stride) MANY_BLOCKS(8);
    for (; count >= 4; count -= 4, queries += 4, scores += 4 * stride) MANY_BLOCKS(4);
    for (; count >= 2; count -= 2, queries += 2, scores += 2 * stride) MANY_BLOCKS(2);
    if (count > 0) scan_windows(blocks, block_count, code, queries, scores);
}

#endif
