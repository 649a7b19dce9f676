/**
 * Every hot loop, as a table of functions chosen once per handle. scalar.c is the specification; a level
 * overrides what it does better. All kernels here are *exact*: every level gives the same bits (integers, or
 * floats with one fixed order of fused multiply-adds).
 */
#ifndef GOSSET_KERNEL_KERNEL_H
#define GOSSET_KERNEL_KERNEL_H

#include <gosset/common.h>
#include <stdint.h>

enum { GOSSET__SCAN_BLOCK = 16 }; /* codes per block of the scan layout */

/** A query of scan_fields: every score is offset + bias[c] + gain[c] * (scale * (sum - correction)). */
typedef struct gosset__field_query {
    const int8_t *values;            /* one per dimension, 64-byte aligned */
    float correction, scale, offset; /* correction: sum of values x the zero of their field (7.5 or 1.5) */
} gosset__field_query;

/** scan_fields returns scores in units of 1 / 2^24, clamped to +-100. */
#define GOSSET__FIELD_SCORE_ONE 16777216.0f
#define GOSSET__FIELD_SCORE_MAX 100.0f

typedef struct gosset__kernels {
    const char *name; /* "scalar", "avx2", "avx512", "neon" */

    /**
     * Scan of 4-bit codes. `blocks`: block_count x (16 codes x dimension/2 bytes), dimension a multiple of 8.
     * Inside a block, for each run of 8 dimensions 8h..8h+7: 64 bytes, byte 4c+j (code c of 16, j of 4) holds
     * dimension 8h+j of code c in its low nibble and dimension 8h+4+j in its high nibble, both as value + 8.
     * scores[16 b + c] = sum_i query[i] * value[i]. Exact integers. query: dimension int8.
     */
    void (*scan_nibble)(const uint8_t *blocks, size_t block_count, uint32_t dimension, const int8_t *query,
                        int32_t *scores);

    /**
     * Scan of codes with 4-bit fields, 2-bit fields, a gain and a bias. A block of 16 codes: nibble_words x 64 bytes
     * (word h: byte 4c+j holds dimension 8h+j in its low nibble and 8h+4+j in its high one), crumb_words x 64 bytes
     * (word h: byte 4c+j holds dimensions d+j, d+4+j, d+8+j, d+12+j from the low bits up, d = 8 nibble_words + 16h),
     * 16 gains and 16 biases as IEEE half floats. Fields are unsigned; sum = sum_i field[i] * values[i], exact.
     * Then in single precision, each step rounded: t = (sum - correction) * scale; s = fma(gain, t, bias) + offset;
     * score = nearest-even integer of clamp(s) * 2^24; NaN gives the lowest score.
     */
    void (*scan_fields)(const uint8_t *blocks, size_t block_count, uint32_t nibble_words, uint32_t crumb_words,
                        const gosset__field_query *query, int32_t *scores);

    /**
     * y[r][j] = bias[j] + sum_i x[r][i] * w[i][j], i ascending, one fused multiply-add per term starting from
     * bias[j] (so a row's result does not depend on the batch it is in). relu: max(y, 0).
     * x: rows x in; w: in x out (out a multiple of 16, 64-byte aligned rows); y: rows x out.
     */
    void (*dense)(const float *x, size_t rows, uint32_t in, uint32_t out, const float *w, const float *bias, int relu,
                  float *y);

    /** Inner products of one float query with `rows` float rows. Order: 16 partial sums (i mod 16), fused,
     *  then added pairwise 8,4,2,1. */
    void (*dot_rows)(const float *query, const float *rows, size_t count, uint32_t dimension, float *out);

    /** Exact distances for re-ranking. f32: 16 partial sums as dot_rows; u8, i8: exact integers. */
    float (*l2_f32)(const float *a, const float *b, uint32_t dimension);
    float (*dot_f32)(const float *a, const float *b, uint32_t dimension);
    uint32_t (*l2_u8)(const uint8_t *a, const uint8_t *b, uint32_t dimension);
    uint32_t (*dot_u8)(const uint8_t *a, const uint8_t *b, uint32_t dimension);
    uint32_t (*l2_i8)(const int8_t *a, const int8_t *b, uint32_t dimension);
    int32_t (*dot_i8)(const int8_t *a, const int8_t *b, uint32_t dimension);
    /** Mixed: float query against stored u8 / i8, order of sums as l2_f32. */

    /** Positions p in [0, count) with scores[p] > threshold, ascending; returns how many were written. */
    size_t (*select_above)(const int32_t *scores, size_t count, int32_t threshold, uint32_t *positions);
} gosset__kernels;

/** The table for a level ("" = $GOSSET_CPU or the best this CPU has). GOSSET_E_UNSUPPORTED if it cannot run. */
gosset_status gosset__kernels_get(const gosset__kernels **out, const char *level);
/** i-th level this CPU can run, from scalar up; NULL past the end. For tests and benchmarks. */
const gosset__kernels *gosset__kernels_level(uint32_t index);

#endif
