/* AVX-512: codes against queries. Nothing but intrinsics, as in x86_avx512.c. */
#include "kernel/window_words.h"
#include "kernel/x86_avx512.h"

/* ---- codes ---------------------------------------------------------------------------------- */

/*
 * `blocks` of 16 codes at once, so that their chains of vpdpbusd (5 cycles each) overlap. The high nibbles are
 * masked where they stand, as 16 times their value: one shift of the sum at the end replaces one per load. The
 * offset 8 of every nibble leaves with 8 * sum(query), once, in `start`.
 */
INLINE void scan_blocks(const uint8_t *data, const int blocks, size_t block_size, const int8_t *query, uint32_t steps,
                        int32_t start, int32_t *scores) {
    const __m512i low_mask = _mm512_set1_epi8(0x0F), high_mask = _mm512_set1_epi8((char)0xF0);
    __m512i low[4], high[4];
    for (int b = 0; b < blocks; b++) {
        low[b] = _mm512_set1_epi32(start);
        high[b] = _mm512_setzero_si512();
    }
    for (uint32_t h = 0; h < steps; h++) {
        int32_t first, second; /* 4 dimensions each */
        __builtin_memcpy(&first, query + 8 * (size_t)h, 4);
        __builtin_memcpy(&second, query + 8 * (size_t)h + 4, 4);
        __m512i query_low = _mm512_set1_epi32(first), query_high = _mm512_set1_epi32(second);
        for (int b = 0; b < blocks; b++) {
            __m512i codes = _mm512_loadu_si512(data + (size_t)b * block_size + 64 * (size_t)h);
            low[b] = _mm512_dpbusd_epi32(low[b], _mm512_and_si512(codes, low_mask), query_low);
            high[b] = _mm512_dpbusd_epi32(high[b], _mm512_and_si512(codes, high_mask), query_high);
        }
    }
    for (int b = 0; b < blocks; b++)
        _mm512_storeu_si512(scores + 16 * b, _mm512_add_epi32(low[b], _mm512_srai_epi32(high[b], 4)));
}

void gosset__avx512_scan_nibble(const uint8_t *blocks, size_t block_count, uint32_t dimension, const int8_t *query,
                                int32_t *scores) {
    size_t block_size = (size_t)GOSSET__SCAN_BLOCK * dimension / 2, b = 0;
    int32_t sum = 0;
    for (uint32_t i = 0; i < dimension; i++) sum += query[i];
    for (; b + 4 <= block_count; b += 4)
        scan_blocks(blocks + b * block_size, 4, block_size, query, dimension / 8, -8 * sum, scores + 16 * b);
    for (; b < block_count; b++)
        scan_blocks(blocks + b * block_size, 1, block_size, query, dimension / 8, -8 * sum, scores + 16 * b);
}

/* In every 128-bit lane: what nibbles add to an index; a quarter of the squares, less that of 1, of half the indices of
 * the first class, since its levels are symmetric, and of all of the others. */
typedef struct window_tables {
    __m512i newer[3], older[3], squares[3];
} window_tables;

INLINE __m512i load_lanes(const uint8_t table[16]) {
    return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(const void *)table));
}

INLINE window_tables load_tables(const gosset__windows *code) {
    window_tables tables;
    for (int k = 0; k < 3; k++) {
        uint8_t squares[16];
        const int top = k == 0 ? GOSSET__WINDOW_TOP_FIRST : GOSSET__WINDOW_TOP;
        for (int i = 0; i < 16; i++) squares[i] = (uint8_t)(i * i - top * i + (top * top - 1) / 4);
        tables.newer[k] = load_lanes(code->newer[k]);
        tables.older[k] = load_lanes(code->older[k]);
        tables.squares[k] = load_lanes(squares);
    }
    return tables;
}

INLINE __m512i nibble(__m512i x, const unsigned shift) {
    return _mm512_and_si512(shift ? _mm512_srli_epi32(x, shift) : x, _mm512_set1_epi8(0x0F));
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
    return _mm512_add_epi8(_mm512_shuffle_epi8(tables->newer[class], newer),
                           _mm512_shuffle_epi8(tables->older[class], older));
}

INLINE __m512i window_squares(__m512i indices, const window_tables *tables, const int class) {
    if (class == 0)
        indices = _mm512_min_epu8(indices, _mm512_sub_epi8(_mm512_set1_epi8(GOSSET__WINDOW_TOP_FIRST), indices));
    return _mm512_shuffle_epi8(tables->squares[class], indices);
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

/* From sums to scores, as the specification orders it. */
INLINE __m512i window_scores(const window_sums sums[3], __m512i selected, const gosset__windows *code,
                             const gosset__window_query *query) {
    const __m512 gain = _mm512_permutexvar_ps(selected, _mm512_loadu_ps(code->gains));
    __m512 t[3], n[3];
    for (int k = 0; k < 3; k++) {
        const __m512i product = level_products(sums[k].product, k, query->sums[k]);
        const __m512i norm = level_norms(sums[k].norm, code->totals[k]);
        t[k] = _mm512_mul_ps(_mm512_set1_ps(code->steps[k]), _mm512_cvtepi32_ps(product));
        n[k] = _mm512_mul_ps(_mm512_set1_ps(code->steps[k] * code->steps[k]), _mm512_cvtepi32_ps(norm));
    }
    const __m512 along = _mm512_mul_ps(_mm512_add_ps(_mm512_add_ps(t[0], t[1]), t[2]), _mm512_set1_ps(query->scale));
    const __m512 square = _mm512_add_ps(_mm512_add_ps(n[0], n[1]), n[2]);
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

void gosset__avx512_scan_windows(const uint8_t *blocks, size_t block_count, const gosset__windows *code,
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
    many_start(&sums, count);
    for (uint32_t h = 0; h < code->words[1]; h++, data += 64, at += 16, last = now) {
        now = _mm512_loadu_si512(data);
        const __m512i across = follow(last, now, 2);
        CRUMB_WORD(ADD, last, now, across);
    }
    square = _mm512_add_ps(square, many_end(&sums, count, code, queries, 1));
    many_start(&sums, count);
    for (uint32_t h = 0; h < code->words[2]; h++, data += 64, at += 32, last = now) {
        now = _mm512_loadu_si512(data);
        const __m512i across = follow(last, now, 3);
        BIT_WORD(ADD, last, now, across);
    }
    square = _mm512_add_ps(square, many_end(&sums, count, code, queries, 2));
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

void gosset__avx512_scan_windows_many(const uint8_t *blocks, size_t block_count, const gosset__windows *code,
                                      const gosset__window_query *queries, uint32_t count, int32_t *scores,
                                      size_t stride) {
    const size_t block_size = 64 * (size_t)(code->words[0] + code->words[1] + code->words[2]);
    const window_tables tables = load_tables(code);
    for (; count >= 8; count -= 8, queries += 8, scores += 8 * stride) MANY_BLOCKS(8);
    for (; count >= 4; count -= 4, queries += 4, scores += 4 * stride) MANY_BLOCKS(4);
    for (; count >= 2; count -= 2, queries += 2, scores += 2 * stride) MANY_BLOCKS(2);
    if (count > 0) gosset__avx512_scan_windows(blocks, block_count, code, queries, scores);
}

/* The least of the windows that end in 16 states; which paths they continue is a run of `cost`, each repeated. */
void gosset__avx512_extend_paths(const float *cost, uint32_t stride, uint32_t next_stride, const float *levels, float x,
                                 float weight, float *next) {
    const uint32_t states = 256u >> next_stride;
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i repeat = _mm512_srl_epi32(lane, _mm_cvtsi32_si128((int)stride));
    const __m512 target = _mm512_set1_ps(x), scale = _mm512_set1_ps(weight);
    for (uint32_t n = 0; n < states; n += 16) {
        __m512 least = _mm512_set1_ps(__builtin_inff());
        for (uint32_t w = n; w < 256; w += states) {
            const __m512 before = _mm512_permutexvar_ps(repeat, _mm512_loadu_ps(cost + (w >> stride)));
            const __m512 error = _mm512_sub_ps(target, _mm512_loadu_ps(levels + w));
            const __m512 added = _mm512_mul_ps(scale, _mm512_mul_ps(error, error));
            least = _mm512_min_ps(least, _mm512_add_ps(before, added));
        }
        _mm512_storeu_ps(next + n, least);
    }
}

size_t gosset__avx512_select_above(const int32_t *scores, size_t count, int32_t threshold, uint32_t *positions) {
    const __m512i limit = _mm512_set1_epi32(threshold);
    __m512i position = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    size_t found = 0;
    for (size_t p = 0; p < count; p += 16) {
        uint32_t lanes = count - p >= 16 ? 0xFFFF : (1u << (count - p)) - 1;
        __mmask16 valid = (__mmask16)lanes;
        __mmask16 above = _mm512_mask_cmpgt_epi32_mask(valid, _mm512_maskz_loadu_epi32(valid, scores + p), limit);
        if (above) { /* rare once the threshold has risen; vpcompressd to memory is slow on some CPUs */
            uint32_t hits = (uint32_t)__builtin_popcount(above);
            _mm512_mask_storeu_epi32(positions + found, (__mmask16)((1u << hits) - 1),
                                     _mm512_maskz_compress_epi32(above, position));
            found += hits;
        }
        position = _mm512_add_epi32(position, _mm512_set1_epi32(16));
    }
    return found;
}
