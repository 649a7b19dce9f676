/** What the two files of the AVX-512 level share; the table is in x86_avx512.c. */
#ifndef GOSSET_KERNEL_X86_AVX512_H
#define GOSSET_KERNEL_X86_AVX512_H

#include "kernel/levels.h"

#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))

void gosset__avx512_scan_nibble(const uint8_t *blocks, size_t block_count, uint32_t dimension, const int8_t *query,
                                int32_t *scores);
void gosset__avx512_scan_windows(const uint8_t *blocks, size_t block_count, const gosset__windows *code,
                                 const gosset__window_query *query, int32_t *scores);
void gosset__avx512_scan_windows_many(const uint8_t *blocks, size_t block_count, const gosset__windows *code,
                                      const gosset__window_query *queries, uint32_t count, int32_t *scores,
                                      size_t stride);
float gosset__avx512_find_windows(const gosset__windows *code, const float *x, const float *weights, uint32_t start,
                                  uint8_t *windows);
size_t gosset__avx512_select_above(const int32_t *scores, size_t count, int32_t threshold, uint32_t *positions);

INLINE __m512i broadcast4(const int8_t *values) {
    int32_t group;
    __builtin_memcpy(&group, values, 4);
    return _mm512_set1_epi32(group);
}

#endif
