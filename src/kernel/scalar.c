/*
 * Every kernel, plainly: this file is the specification. It is compiled for the baseline CPU, and fmaf is a
 * library call there: correct, slow, never wrong. The order of every floating-point sum is part of the contract.
 */
#include "base/half.h"
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

/* Adds 16 partial sums pairwise: i with i + 8, then i + 4, i + 2, i + 1. */
static float sum16(const float sums[16]) {
    float s[16];
    for (int i = 0; i < 16; i++) s[i] = sums[i];
    for (int half = 8; half >= 1; half /= 2)
        for (int i = 0; i < half; i++) s[i] = s[i] + s[i + half];
    return s[0];
}

static void window_query(const float *query, const float *centroid, uint32_t features, const gosset__windows *code,
                         gosset__window_query *out) {
    const uint32_t places = gosset__windows_places(code);
    float sums[16] = {0}, largest = 0;
    for (uint32_t i = 0; i < features; i++) {
        const float difference = query[i] - centroid[i], size = i < places ? fabsf(difference * code->roots[i]) : 0;
        sums[i % 16] = fmaf(difference, difference, sums[i % 16]);
        largest = size > largest ? size : largest;
    }
    out->square = sum16(sums);
    out->scale = largest / 127.0f;
    const float inverse = largest > 1e-30f ? 127.0f / largest : 0.0f;
    for (uint32_t i = 0, c = 0, end = 0; c < GOSSET__WINDOW_CLASSES; c++) {
        int32_t sum = 0;
        for (end += (8u << c) * code->words[c]; i < end; i++) {
            out->values[i] = (int8_t)(int32_t)rintf((query[i] - centroid[i]) * code->roots[i] * inverse);
            sum += out->values[i];
        }
        out->sums[c] = sum;
    }
}

static int32_t fixed_score(float s) {
    s = s > -GOSSET__WINDOW_SCORE_MAX ? s : -GOSSET__WINDOW_SCORE_MAX; /* NaN too */
    s = s < GOSSET__WINDOW_SCORE_MAX ? s : GOSSET__WINDOW_SCORE_MAX;
    return (int32_t)rintf(s * GOSSET__WINDOW_SCORE_ONE);
}

/* One code's sums of a class; `before`: each byte of the word in front. */
static void window_sums(const uint8_t *block, uint32_t c, uint32_t class, const gosset__windows *code,
                        const int8_t *values, const uint8_t *weights, uint32_t before[4], int32_t *product,
                        int32_t *norm) {
    const uint32_t stride = 4u >> class;
    for (uint32_t h = 0; h < code->words[class]; h++)
        for (uint32_t j = 0; j < 4; j++) {
            const uint32_t bits = (uint32_t)block[64 * (size_t)h + 4 * c + j] << 8 | before[j];
            for (uint32_t p = 0; p < 8 / stride; p++) {
                const int32_t level = gosset__window_level(code, class, bits >> (stride * (p + 1)) & 255);
                const uint32_t place = (32 / stride) * h + 4 * p + j;
                *product += level * values[place];
                *norm += level * level * weights[place];
            }
            before[j] = bits >> 8;
        }
}

static void scan_windows(const uint8_t *blocks, size_t block_count, const gosset__windows *code,
                         const gosset__window_query *query, int32_t *scores) {
    const size_t block_size = 64 * (size_t)(code->words[0] + code->words[1] + code->words[2]);
    for (size_t b = 0; b < block_count; b++, blocks += block_size)
        for (uint32_t c = 0; c < GOSSET__SCAN_BLOCK; c++) {
            const uint8_t *from = blocks;
            uint32_t place = 0, before[4] = {0};
            int32_t product[GOSSET__WINDOW_CLASSES] = {0}, norm[GOSSET__WINDOW_CLASSES] = {0};
            const uint32_t selected = from[4 * c] & 15;
            for (uint32_t k = 0; k < GOSSET__WINDOW_CLASSES; k++) {
                window_sums(from, c, k, code, query->values + place, code->weights + place, before, &product[k],
                            &norm[k]);
                from += 64 * (size_t)code->words[k];
                place += (8u << k) * code->words[k];
            }
            const float *steps = code->steps, g = code->gains[selected];
            const float t =
                ((steps[0] * (float)product[0] + steps[1] * (float)product[1]) + steps[2] * (float)product[2]) *
                query->scale;
            const float n = (steps[0] * steps[0] * (float)norm[0] + steps[1] * steps[1] * (float)norm[1]) +
                            steps[2] * steps[2] * (float)norm[2];
            scores[b * GOSSET__SCAN_BLOCK + c] = fixed_score(fmaf(g, fmaf(-0.5f * g, n, t), -0.5f * query->square));
        }
}

/* What window w costs behind the state that it continues. */
static float window_cost(const float *cost, uint32_t stride, const float *levels, float x, float weight, uint32_t w) {
    const float error = x - levels[w];
    return cost[w >> stride] + weight * (error * error);
}

static float find_stream(const gosset__windows *code, const float *x, const float *weights, uint32_t start, uint32_t j,
                         uint8_t *windows) {
    static const float nothing[1] = {0}, unreachable = 1e30f;
    const uint32_t steps = gosset__window_steps(code);
    float cost[GOSSET__WINDOWS_MAX_PLACES / 4 + 1][128], least;
    for (uint32_t n = 0; n < 16; n++) {
        cost[1][n] = n == start ? 0 : unreachable;
        if (j > 0) cost[1][n] = window_cost(nothing, 4, code->levels[0], x[j], weights[j], n);
    }
    for (uint32_t t = 1, i = 4 + j; t < steps; t++, i += 4) {
        const uint32_t stride = gosset__window_stride(code, t), states = 256u >> gosset__window_stride(code, t + 1);
        const float *levels = code->levels[gosset__window_class(code, t)];
        for (uint32_t w = 0; w < 256; w++) {
            const float total = window_cost(cost[t], stride, levels, x[i], weights[i], w);
            if (w < states || total < cost[t + 1][w % states]) cost[t + 1][w % states] = total;
        }
    }
    uint32_t end = 0;
    for (uint32_t n = 1; n < 16; n++)
        if (cost[steps][n] < cost[steps][end]) end = n;
    least = cost[steps][end];
    for (uint32_t t = steps - 1, i = 4 * t + j; t > 0; t--, i -= 4) {
        const uint32_t stride = gosset__window_stride(code, t), states = 256u >> gosset__window_stride(code, t + 1);
        const float *levels = code->levels[gosset__window_class(code, t)], known = cost[t + 1][end];
        uint32_t w = end;
        while (w + states < 256 && window_cost(cost[t], stride, levels, x[i], weights[i], w) > known) w += states;
        windows[i] = (uint8_t)w;
        end = w >> stride;
    }
    windows[j] = (uint8_t)end;
    return least;
}

static float find_windows(const gosset__windows *code, const float *x, const float *weights, uint32_t start,
                          uint8_t *windows) {
    float sum = 0;
    for (uint32_t j = 0; j < 4; j++) sum += find_stream(code, x, weights, start, j, windows);
    return sum;
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

static void turn(const gosset__fixed *x, const gosset__turning *by, float *y) {
    const uint32_t n = by->size;
    int32_t sums[GOSSET__TURNING_MAX];
    for (uint32_t j = 0; j < n; j++) sums[j] = -by->offsets[j];
    for (uint32_t i = 0; i < n; i++) {
        const int32_t value = 128 * x->high[i] + x->low[i];
        const int8_t *row = by->matrix + (size_t)(i / 4) * 4 * n + i % 4;
        for (uint32_t j = 0; j < n; j++) sums[j] += value * row[4 * j];
    }
    for (uint32_t j = 0; j < n; j++) y[j] = (float)sums[j] * (by->steps[j] * x->unit);
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

static void widen_f16(const uint16_t *halves, uint32_t count, float *out) {
    for (uint32_t i = 0; i < count; i++) out[i] = gosset__float_of_half(halves[i]);
}

static float dot_f16(const float *a, const uint16_t *b, uint32_t dimension) {
    float sums[16] = {0};
    for (uint32_t i = 0; i < dimension; i++) sums[i % 16] = fmaf(a[i], gosset__float_of_half(b[i]), sums[i % 16]);
    return sum16(sums);
}

static float l2_f16(const float *a, const uint16_t *b, uint32_t dimension) {
    float sums[16] = {0};
    for (uint32_t i = 0; i < dimension; i++) {
        float difference = a[i] - gosset__float_of_half(b[i]);
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
