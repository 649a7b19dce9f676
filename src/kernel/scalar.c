/*
 * Every kernel, plainly: this file is the specification. It is compiled for the baseline CPU, and fmaf is a
 * library call there: correct, slow, never wrong. The order of every floating-point sum is part of the contract.
 */
#include "kernel/levels.h"

#include <math.h>

static void scan_nibble(const uint8_t *blocks, size_t block_count, uint32_t dimension, const int8_t *query,
                        int32_t *scores) {
    size_t block_size = (size_t)GOSSET__SCAN_BLOCK * dimension / 2;
    for (size_t b = 0; b < block_count; b++, blocks += block_size)
        for (uint32_t c = 0; c < GOSSET__SCAN_BLOCK; c++) {
            int32_t sum = 0;
            for (uint32_t h = 0; h < dimension / 8; h++)
                for (uint32_t j = 0; j < 4; j++) {
                    int32_t byte = blocks[64 * (size_t)h + 4 * c + j];
                    sum += query[8 * h + j] * ((byte & 15) - 8) + query[8 * h + 4 + j] * ((byte >> 4) - 8);
                }
            scores[b * GOSSET__SCAN_BLOCK + c] = sum;
        }
}

/** IEEE half to single, exact. */
static float half_to_float(const uint8_t *bytes) {
    const uint32_t half = (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8;
    const uint32_t exponent = half >> 10 & 31, fraction = half & 1023;
    const float sign = half >> 15 ? -1.0f : 1.0f;
    if (exponent == 31) return fraction ? NAN : sign * INFINITY;
    if (exponent == 0) return sign * ldexpf((float)fraction, -24);
    return sign * ldexpf((float)(1024 + fraction), (int)exponent - 25);
}

static int32_t field_sum(const uint8_t *block, uint32_t c, uint32_t nibble_words, uint32_t crumb_words,
                         const int8_t *values) {
    int32_t sum = 0;
    for (uint32_t h = 0; h < nibble_words; h++, block += 64, values += 8)
        for (uint32_t j = 0; j < 4; j++)
            sum += values[j] * (block[4 * c + j] & 15) + values[4 + j] * (block[4 * c + j] >> 4);
    for (uint32_t h = 0; h < crumb_words; h++, block += 64, values += 16)
        for (uint32_t j = 0; j < 4; j++)
            for (uint32_t part = 0; part < 4; part++)
                sum += values[4 * part + j] * (block[4 * c + j] >> (2 * part) & 3);
    return sum;
}

static void scan_fields(const uint8_t *blocks, size_t block_count, uint32_t nibble_words, uint32_t crumb_words,
                        const gosset__field_query *query, int32_t *scores) {
    const size_t sides = 64 * (size_t)(nibble_words + crumb_words);
    for (size_t b = 0; b < block_count; b++, blocks += sides + 64)
        for (uint32_t c = 0; c < GOSSET__SCAN_BLOCK; c++) {
            const float gain = half_to_float(blocks + sides + 2 * c), bias = half_to_float(blocks + sides + 32 + 2 * c);
            const int32_t sum = field_sum(blocks, c, nibble_words, crumb_words, query->values);
            const float t = ((float)sum - query->correction) * query->scale;
            float s = fmaf(gain, t, bias) + query->offset;
            s = s > -GOSSET__FIELD_SCORE_MAX ? s : -GOSSET__FIELD_SCORE_MAX; /* NaN too */
            s = s < GOSSET__FIELD_SCORE_MAX ? s : GOSSET__FIELD_SCORE_MAX;
            scores[b * GOSSET__SCAN_BLOCK + c] = (int32_t)rintf(s * GOSSET__FIELD_SCORE_ONE);
        }
}

static void dense(const float *x, size_t rows, uint32_t in, uint32_t out, const float *w, const float *bias, int relu,
                  float *y) {
    for (size_t r = 0; r < rows; r++) {
        const float *from = x + r * in;
        float *to = y + r * out;
        for (uint32_t j = 0; j < out; j++) to[j] = bias[j];
        for (uint32_t i = 0; i < in; i++)
            for (uint32_t j = 0; j < out; j++) to[j] = fmaf(from[i], w[(size_t)i * out + j], to[j]);
        if (relu)
            for (uint32_t j = 0; j < out; j++) to[j] = to[j] > 0 ? to[j] : 0;
    }
}

/* Adds 16 partial sums pairwise: i with i + 8, then i + 4, i + 2, i + 1. */
static float sum16(const float sums[16]) {
    float s[16];
    for (int i = 0; i < 16; i++) s[i] = sums[i];
    for (int half = 8; half >= 1; half /= 2)
        for (int i = 0; i < half; i++) s[i] = s[i] + s[i + half];
    return s[0];
}

static float dot_f32(const float *a, const float *b, uint32_t dimension) {
    float sums[16] = {0};
    for (uint32_t i = 0; i < dimension; i++) sums[i % 16] = fmaf(a[i], b[i], sums[i % 16]);
    return sum16(sums);
}

static float l2_f32(const float *a, const float *b, uint32_t dimension) {
    float sums[16] = {0};
    for (uint32_t i = 0; i < dimension; i++) {
        float difference = a[i] - b[i];
        sums[i % 16] = fmaf(difference, difference, sums[i % 16]);
    }
    return sum16(sums);
}

static void dot_rows(const float *query, const float *rows, size_t count, uint32_t dimension, float *out) {
    for (size_t r = 0; r < count; r++) out[r] = dot_f32(query, rows + r * dimension, dimension);
}

static uint32_t l2_u8(const uint8_t *a, const uint8_t *b, uint32_t dimension) {
    uint32_t sum = 0;
    for (uint32_t i = 0; i < dimension; i++) {
        int32_t difference = a[i] - b[i];
        sum += (uint32_t)(difference * difference);
    }
    return sum;
}

static uint32_t dot_u8(const uint8_t *a, const uint8_t *b, uint32_t dimension) {
    uint32_t sum = 0;
    for (uint32_t i = 0; i < dimension; i++) sum += (uint32_t)a[i] * b[i];
    return sum;
}

static uint32_t l2_i8(const int8_t *a, const int8_t *b, uint32_t dimension) {
    uint32_t sum = 0;
    for (uint32_t i = 0; i < dimension; i++) {
        int32_t difference = a[i] - b[i];
        sum += (uint32_t)(difference * difference);
    }
    return sum;
}

static int32_t dot_i8(const int8_t *a, const int8_t *b, uint32_t dimension) {
    int32_t sum = 0;
    for (uint32_t i = 0; i < dimension; i++) sum += a[i] * b[i];
    return sum;
}

static size_t select_above(const int32_t *scores, size_t count, int32_t threshold, uint32_t *positions) {
    size_t found = 0;
    for (size_t p = 0; p < count; p++)
        if (scores[p] > threshold) positions[found++] = (uint32_t)p;
    return found;
}

const gosset__kernels gosset__kernels_scalar = {
    .name = "scalar",
    .scan_nibble = scan_nibble,
    .scan_fields = scan_fields,
    .dense = dense,
    .dot_rows = dot_rows,
    .l2_f32 = l2_f32,
    .dot_f32 = dot_f32,
    .l2_u8 = l2_u8,
    .dot_u8 = dot_u8,
    .l2_i8 = l2_i8,
    .dot_i8 = dot_i8,
    .select_above = select_above,
};
