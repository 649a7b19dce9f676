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

INLINE __m512 window_costs(const float *cost, const uint32_t stride, const float *levels, __m512 x, __m512 weight,
                           uint32_t w) {
    const __m512 error = _mm512_sub_ps(x, _mm512_loadu_ps(levels + w));
    return _mm512_add_ps(continued(cost, stride, w), _mm512_mul_ps(weight, _mm512_mul_ps(error, error)));
}

typedef __m512 reals;
enum { REALS = 16 };

INLINE reals lesser(reals a, reals b) {
    return _mm512_min_ps(a, b);
}
INLINE void store_reals(float *to, reals x) {
    _mm512_storeu_ps(to, x);
}

#include "kernel/window_paths.h" /* needs the above */

void gosset__avx512_extend_paths(const float *cost, uint32_t stride, uint32_t next_stride, const float *levels, float x,
                                 float weight, float *next) {
    extend_all(cost, stride, next_stride, levels, _mm512_set1_ps(x), _mm512_set1_ps(weight), next);
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
