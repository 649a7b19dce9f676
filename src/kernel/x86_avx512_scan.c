/* AVX-512: codes against queries. Nothing but intrinsics, as in x86_avx512.c. */
#include "kernel/x86_avx512_windows.h"

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

void gosset__avx512_scan_windows(const uint8_t *blocks, size_t block_count, const gosset__windows *code,
                                 const gosset__window_query *query, int32_t *scores) {
    scan_windows(blocks, block_count, code, query, scores);
}

void gosset__avx512_scan_windows_many(const uint8_t *blocks, size_t block_count, const gosset__windows *code,
                                      const gosset__window_query *queries, uint32_t count, int32_t *scores,
                                      size_t stride) {
    scan_windows_many(blocks, block_count, code, queries, count, scores, stride);
}

/* What 16 windows from w on continue: few costs, each repeated. No load is wider than what was stored at once before.
 */
INLINE __m512 continued(const float *cost, const uint32_t stride, uint32_t w) {
    if (stride == 4) return _mm512_set1_ps(cost[w >> 4]);
    if (stride == 2) {
        const __m512i each = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
        return _mm512_permutexvar_ps(each, _mm512_castps128_ps512(_mm_loadu_ps(cost + (w >> 2))));
    }
    const __m512i each = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
    return _mm512_permutexvar_ps(each, _mm512_castps256_ps512(_mm256_loadu_ps(cost + (w >> 1))));
}

typedef __m512 reals;
enum { REALS = 16 };

/* What levels cost: a class has few. */
typedef struct step_terms {
    __m512 low, high; /* high: of the first class alone */
    const int32_t *indices;
} step_terms;

INLINE __m512 level_costs(const int least, __m512 x, __m512 weight) {
    const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512 error = _mm512_sub_ps(x, _mm512_cvtepi32_ps(_mm512_add_epi32(even, _mm512_set1_epi32(least))));
    return _mm512_mul_ps(weight, _mm512_mul_ps(error, error));
}

INLINE step_terms make_terms(const gosset__windows *code, const uint32_t class, float x, float weight) {
    const __m512 value = _mm512_set1_ps(x), times = _mm512_set1_ps(weight);
    const int top = class == 0 ? GOSSET__WINDOW_TOP_FIRST : GOSSET__WINDOW_TOP;
    return (step_terms){level_costs(-top, value, times), level_costs(32 - top, value, times), code->indices[class]};
}

INLINE __m512 new_costs(const uint32_t stride, const step_terms *terms, uint32_t w) {
    const __m512i indices = _mm512_loadu_si512(terms->indices + w);
    if (stride == 4) return _mm512_permutex2var_ps(terms->low, indices, terms->high);
    return _mm512_permutexvar_ps(indices, terms->low);
}

INLINE __m512 window_costs(const float *cost, const uint32_t stride, const step_terms *terms, uint32_t w) {
    return _mm512_add_ps(continued(cost, stride, w), new_costs(stride, terms, w));
}

INLINE reals lesser(reals a, reals b) {
    return _mm512_min_ps(a, b);
}
INLINE void store_reals(float *to, reals x) {
    _mm512_storeu_ps(to, x);
}

INLINE uint32_t first_least(const float *cost) {
    const __m512 all = _mm512_loadu_ps(cost);
    return (uint32_t)__builtin_ctz(_mm512_cmp_ps_mask(all, _mm512_set1_ps(_mm512_reduce_min_ps(all)), _CMP_LE_OQ) |
                                   0x8000u);
}

INLINE uint32_t first_of_16(const float *cost, const uint32_t stride, const float *levels, float x, float weight,
                            float known, uint32_t n) {
    const __m512i each = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i windows = _mm512_add_epi32(_mm512_slli_epi32(each, 4), _mm512_set1_epi32((int)n));
    const __m512 before =
        stride == 4 ? _mm512_loadu_ps(cost) : _mm512_i32gather_ps(_mm512_srli_epi32(windows, stride), cost, 4);
    const __m512 error = _mm512_sub_ps(_mm512_set1_ps(x), _mm512_loadu_ps(levels));
    const __m512 total = _mm512_add_ps(before, _mm512_mul_ps(_mm512_set1_ps(weight), _mm512_mul_ps(error, error)));
    const uint32_t found = _mm512_cmp_ps_mask(total, _mm512_set1_ps(known), _CMP_LE_OQ);
    return 16 * (uint32_t)__builtin_ctz(found | 0x8000) + n;
}

#include "kernel/window_paths.h" /* needs the above */

float gosset__avx512_find_windows(const gosset__windows *code, const float *x, const float *weights, uint32_t start,
                                  uint8_t *windows) {
    return find_windows(code, x, weights, start, windows);
}

/* Of 64 scores one or two are above the threshold: taken bit by bit they cost less than compressed. */
INLINE size_t take_bits(uint64_t above, size_t first, uint32_t *positions) {
    size_t found = 0;
    for (; above != 0; above &= above - 1) positions[found++] = (uint32_t)first + (uint32_t)__builtin_ctzll(above);
    return found;
}

size_t gosset__avx512_select_above(const int32_t *scores, size_t count, int32_t threshold, uint32_t *positions) {
    const __m512i limit = _mm512_set1_epi32(threshold);
    size_t found = 0, p = 0;
    for (; p + 64 <= count; p += 64) {
        uint64_t above = 0;
        for (size_t i = 0; i < 64; i += 16)
            above |= (uint64_t)_mm512_cmpgt_epi32_mask(_mm512_loadu_si512(scores + p + i), limit) << i;
        found += take_bits(above, p, positions + found);
    }
    for (; p < count; p += 16) {
        const __mmask16 valid = (__mmask16)(count - p >= 16 ? 0xFFFF : (1u << (count - p)) - 1);
        const __m512i some = _mm512_maskz_loadu_epi32(valid, scores + p);
        found += take_bits(_mm512_mask_cmpgt_epi32_mask(valid, some, limit), p, positions + found);
    }
    return found;
}
