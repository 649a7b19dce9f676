/* AVX-512: codes against queries. Nothing but intrinsics, as in x86_avx512.c. */
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

/* Per class, in every 128-bit lane: the 16 levels plus 16, to be unsigned; and their squares. */
typedef struct window_tables {
    __m512i levels[3], squares[3];
} window_tables;

INLINE window_tables load_tables(const gosset__windows *code) {
    window_tables tables;
    for (int k = 0; k < 3; k++) {
        const __m128i levels = _mm_loadu_si128((const __m128i *)(const void *)code->levels[k]);
        const __m256i wide = _mm256_cvtepi8_epi16(levels);
        tables.levels[k] = _mm512_broadcast_i32x4(_mm_add_epi8(levels, _mm_set1_epi8(16)));
        tables.squares[k] = _mm512_broadcast_i32x4(_mm256_cvtepi16_epi8(_mm256_mullo_epi16(wide, wide)));
    }
    return tables;
}

typedef struct window_sums {
    __m512i product, norm;
} window_sums;

/* Four dimensions of 16 codes. */
INLINE window_sums add_windows(window_sums sums, __m512i bits, __m512i levels, __m512i squares, const int8_t *values,
                               const uint8_t *weights) {
    const __m512i window = _mm512_and_si512(bits, _mm512_set1_epi8(0x0F));
    sums.product = _mm512_dpbusd_epi32(sums.product, _mm512_shuffle_epi8(levels, window), broadcast4(values));
    sums.norm =
        _mm512_dpbusd_epi32(sums.norm, _mm512_shuffle_epi8(squares, window), broadcast4((const int8_t *)weights));
    return sums;
}

/* `mask ? a : b`, bit by bit. */
INLINE __m512i choose_bits(__m512i mask, __m512i a, __m512i b) {
    return _mm512_ternarylogic_epi64(mask, a, b, 0xCA);
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
        t[k] = _mm512_mul_ps(_mm512_set1_ps(code->steps[k]), _mm512_cvtepi32_ps(sums[k].product));
        n[k] = _mm512_mul_ps(_mm512_set1_ps(code->steps[k] * code->steps[k]), _mm512_cvtepi32_ps(sums[k].norm));
    }
    const __m512 along = _mm512_mul_ps(_mm512_add_ps(_mm512_add_ps(t[0], t[1]), t[2]), _mm512_set1_ps(query->scale));
    const __m512 square = _mm512_add_ps(_mm512_add_ps(n[0], n[1]), n[2]);
    return scores_of(gain, _mm512_mul_ps(_mm512_set1_ps(-0.5f), gain), square, along, query->square);
}

/* Four dimensions of each block's codes; `bits` may speak of block b. */
#define ADD_WINDOWS(class, bits, at)                                                                                   \
    KERNEL_UNROLL                                                                                                      \
    for (int b = 0; b < blocks; b++)                                                                                   \
    sums[b][class] = add_windows(sums[b][class], bits, tables->levels[class], tables->squares[class], values + (at),   \
                                 weights + (at))

/*
 * `blocks` of 16 codes at once, so that their chains of vpdpbusd (5 cycles each) overlap. A level is 16 too large,
 * which leaves with 16 times the sum of the values. Shifts move bits between the bytes of a word; the masks of the
 * windows drop them.
 */
INLINE void window_blocks(const uint8_t *data, const int blocks, size_t block_size, const gosset__windows *code,
                          const gosset__window_query *query, const window_tables *tables, int32_t *scores) {
    const __m512i crumb = _mm512_set1_epi8(0x03), bit = _mm512_set1_epi8(0x07);
    const int8_t *values = query->values;
    const uint8_t *weights = code->weights;
    window_sums sums[2][3];
    __m512i now[2], x[2], selected[2];
    for (int b = 0; b < blocks; b++) {
        for (int k = 0; k < 3; k++)
            sums[b][k] = (window_sums){_mm512_set1_epi32(-16 * query->sums[k]), _mm512_setzero_si512()};
        now[b] = _mm512_setzero_si512();
    }
    for (uint32_t h = 0; h < code->words[0]; h++, data += 64, values += 8, weights += 8) {
        for (int b = 0; b < blocks; b++) now[b] = _mm512_loadu_si512(data + (size_t)b * block_size);
        ADD_WINDOWS(0, now[b], 0);
        ADD_WINDOWS(0, _mm512_srli_epi32(now[b], 4), 4);
    }
    for (int b = 0; b < blocks; b++) selected[b] = _mm512_srli_epi32(now[b], 28);
    for (uint32_t h = 0; h < code->words[1]; h++, data += 64, values += 16, weights += 16) {
        for (int b = 0; b < blocks; b++) {
            const __m512i last = _mm512_srli_epi32(now[b], 6);
            now[b] = _mm512_loadu_si512(data + (size_t)b * block_size);
            x[b] = choose_bits(crumb, last, _mm512_slli_epi32(now[b], 2));
        }
        ADD_WINDOWS(1, x[b], 0);
        ADD_WINDOWS(1, now[b], 4);
        ADD_WINDOWS(1, _mm512_srli_epi32(now[b], 2), 8);
        ADD_WINDOWS(1, _mm512_srli_epi32(now[b], 4), 12);
    }
    for (uint32_t h = 0; h < code->words[2]; h++, data += 64, values += 32, weights += 32) {
        for (int b = 0; b < blocks; b++) {
            const __m512i last = _mm512_srli_epi32(now[b], 5);
            now[b] = _mm512_loadu_si512(data + (size_t)b * block_size);
            x[b] = choose_bits(bit, last, _mm512_slli_epi32(now[b], 3));
        }
        ADD_WINDOWS(2, x[b], 0);
        ADD_WINDOWS(2, _mm512_srli_epi32(x[b], 1), 4);
        ADD_WINDOWS(2, _mm512_srli_epi32(x[b], 2), 8);
        ADD_WINDOWS(2, now[b], 12);
        ADD_WINDOWS(2, _mm512_srli_epi32(now[b], 1), 16);
        ADD_WINDOWS(2, _mm512_srli_epi32(now[b], 2), 20);
        ADD_WINDOWS(2, _mm512_srli_epi32(now[b], 3), 24);
        ADD_WINDOWS(2, _mm512_srli_epi32(now[b], 4), 28);
    }
    for (int b = 0; b < blocks; b++)
        _mm512_storeu_si512(scores + 16 * b, window_scores(sums[b], selected[b], code, query));
}

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

/* Four dimensions: `levels` (unsigned) and `squares` of 16 codes, `at` the place of the first. */
INLINE void many_add(many_sums *sums, const int count, const gosset__windows *code, const gosset__window_query *queries,
                     size_t at, __m512i levels, __m512i squares) {
    sums->norm = _mm512_dpbusd_epi32(sums->norm, squares, broadcast4((const int8_t *)code->weights + at));
    KERNEL_UNROLL
    for (int q = 0; q < count; q++)
        sums->product[q] = _mm512_dpbusd_epi32(sums->product[q], levels, broadcast4(queries[q].values + at));
}

INLINE void many_windows(many_sums *sums, const int count, const gosset__windows *code,
                         const gosset__window_query *queries, size_t at, __m512i bits, const window_tables *tables,
                         const int class) {
    const __m512i window = _mm512_and_si512(bits, _mm512_set1_epi8(0x0F));
    many_add(sums, count, code, queries, at, _mm512_shuffle_epi8(tables->levels[class], window),
             _mm512_shuffle_epi8(tables->squares[class], window));
}

/* A class begins: its levels are 16 too large. */
INLINE void many_start(many_sums *sums, const int count, const gosset__window_query *queries, const int class) {
    KERNEL_UNROLL
    for (int q = 0; q < count; q++) sums->product[q] = _mm512_set1_epi32(-16 * queries[q].sums[class]);
    sums->norm = _mm512_setzero_si512();
}

/* A class ends: its part of the inner products, and what is returned of the squared length. */
INLINE __m512 many_end(many_sums *sums, const int count, const gosset__windows *code, const int class) {
    const __m512 step = _mm512_set1_ps(code->steps[class]);
    KERNEL_UNROLL
    for (int q = 0; q < count; q++) {
        const __m512 along = _mm512_mul_ps(step, _mm512_cvtepi32_ps(sums->product[q]));
        sums->along[q] = class == 0 ? along : _mm512_add_ps(sums->along[q], along);
    }
    return _mm512_mul_ps(_mm512_set1_ps(code->steps[class] * code->steps[class]), _mm512_cvtepi32_ps(sums->norm));
}

/* 16 codes; see window_blocks, whose results these are. */
INLINE void many_block(const uint8_t *data, const int count, const gosset__windows *code,
                       const gosset__window_query *queries, const window_tables *tables, int32_t *scores,
                       size_t stride) {
    const __m512i crumb = _mm512_set1_epi8(0x03), bit = _mm512_set1_epi8(0x07);
    many_sums sums;
    __m512i now = _mm512_setzero_si512();
    size_t at = 0;
    many_start(&sums, count, queries, 0);
    for (uint32_t h = 0; h < code->words[0]; h++, data += 64, at += 8) {
        now = _mm512_loadu_si512(data);
        many_windows(&sums, count, code, queries, at, now, tables, 0);
        many_windows(&sums, count, code, queries, at + 4, _mm512_srli_epi32(now, 4), tables, 0);
    }
    const __m512i selected = _mm512_srli_epi32(now, 28);
    __m512 square = many_end(&sums, count, code, 0);
    many_start(&sums, count, queries, 1);
    for (uint32_t h = 0; h < code->words[1]; h++, data += 64, at += 16) {
        const __m512i last = _mm512_srli_epi32(now, 6);
        now = _mm512_loadu_si512(data);
        many_windows(&sums, count, code, queries, at, choose_bits(crumb, last, _mm512_slli_epi32(now, 2)), tables, 1);
        many_windows(&sums, count, code, queries, at + 4, now, tables, 1);
        many_windows(&sums, count, code, queries, at + 8, _mm512_srli_epi32(now, 2), tables, 1);
        many_windows(&sums, count, code, queries, at + 12, _mm512_srli_epi32(now, 4), tables, 1);
    }
    square = _mm512_add_ps(square, many_end(&sums, count, code, 1));
    many_start(&sums, count, queries, 2);
    for (uint32_t h = 0; h < code->words[2]; h++, data += 64, at += 32) {
        const __m512i last = _mm512_srli_epi32(now, 5);
        now = _mm512_loadu_si512(data);
        const __m512i x = choose_bits(bit, last, _mm512_slli_epi32(now, 3));
        many_windows(&sums, count, code, queries, at, x, tables, 2);
        many_windows(&sums, count, code, queries, at + 4, _mm512_srli_epi32(x, 1), tables, 2);
        many_windows(&sums, count, code, queries, at + 8, _mm512_srli_epi32(x, 2), tables, 2);
        many_windows(&sums, count, code, queries, at + 12, now, tables, 2);
        many_windows(&sums, count, code, queries, at + 16, _mm512_srli_epi32(now, 1), tables, 2);
        many_windows(&sums, count, code, queries, at + 20, _mm512_srli_epi32(now, 2), tables, 2);
        many_windows(&sums, count, code, queries, at + 24, _mm512_srli_epi32(now, 3), tables, 2);
        many_windows(&sums, count, code, queries, at + 28, _mm512_srli_epi32(now, 4), tables, 2);
    }
    square = _mm512_add_ps(square, many_end(&sums, count, code, 2));
    const __m512 gain = _mm512_permutexvar_ps(selected, _mm512_loadu_ps(code->gains));
    const __m512 half = _mm512_mul_ps(_mm512_set1_ps(-0.5f), gain);
    KERNEL_UNROLL
    for (int q = 0; q < count; q++) {
        const __m512 along = _mm512_mul_ps(sums.along[q], _mm512_set1_ps(queries[q].scale));
        _mm512_storeu_si512(scores + (size_t)q * stride, scores_of(gain, half, square, along, queries[q].square));
    }
}

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
