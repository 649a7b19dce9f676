/* NEON as every AArch64 has it (ARMv8.0: no dot-product instructions). Built and chosen only there. */
#include "base/half.h"
#include "kernel/levels.h"
#include "kernel/window_words.h"

#include <arm_neon.h>

#define INLINE static inline __attribute__((always_inline))

/* ---- codes ---------------------------------------------------------------------------------- */

INLINE int8x16_t broadcast4(const int8_t *values) {
    int32_t group;
    __builtin_memcpy(&group, values, 4);
    return vreinterpretq_s8_s32(vdupq_n_s32(group));
}

/* Sums of four codes: two 32-bit lanes for each of the codes 0, 1 and 2, 3. */
typedef struct four_codes {
    int32x4_t first, second;
} four_codes;

/*
 * Products of a field and a value are at most 15 * 128 in magnitude: the two or four of one word that meet in a lane
 * fit 16 bits, and are then widened. `fields`: 16 bytes, one field of each.
 */
INLINE void add_fields(int16x8_t *first, int16x8_t *second, uint8x16_t fields, const int8_t *values) {
    int8x16_t x = vreinterpretq_s8_u8(fields), y = broadcast4(values);
    *first = vmlal_s8(*first, vget_low_s8(x), vget_low_s8(y));
    *second = vmlal_high_s8(*second, x, y);
}

INLINE four_codes widen(four_codes sums, int16x8_t first, int16x8_t second) {
    return (four_codes){vpadalq_s16(sums.first, first), vpadalq_s16(sums.second, second)};
}

/* Four codes of a block: 16 of every 64 bytes. */
INLINE int32x4_t nibble_sums(const uint8_t *data, size_t words, const int8_t *values) {
    four_codes sums = {vdupq_n_s32(0), vdupq_n_s32(0)};
    for (size_t h = 0; h < words; h++, data += 64, values += 8) {
        int16x8_t first = vdupq_n_s16(0), second = first;
        uint8x16_t x = vld1q_u8(data);
        add_fields(&first, &second, vandq_u8(x, vdupq_n_u8(15)), values);
        add_fields(&first, &second, vshrq_n_u8(x, 4), values + 4);
        sums = widen(sums, first, second);
    }
    return vpaddq_s32(sums.first, sums.second);
}

static void scan_nibble(const uint8_t *blocks, size_t block_count, uint32_t dimension, const int8_t *query,
                        int32_t *scores) {
    size_t words = dimension / 8;
    int32_t sum = 0;
    for (uint32_t i = 0; i < dimension; i++) sum += query[i];
    const int32x4_t start = vdupq_n_s32(-8 * sum);
    for (size_t b = 0; b < block_count; b++, blocks += 64 * words, scores += GOSSET__SCAN_BLOCK)
        for (size_t c = 0; c < GOSSET__SCAN_BLOCK; c += 4)
            vst1q_s32(scores + c, vaddq_s32(nibble_sums(blocks + 4 * c, words, query), start));
}

/* Of a class: what nibbles add to an index; the levels of indices, and a quarter of their squares, less that of 1. */
typedef struct window_tables {
    uint8x16_t newer, older;
    int8x16x2_t levels;
    uint8x16x2_t squares;
} window_tables;

INLINE window_tables load_tables(const gosset__windows *code, const int class) {
    const int top = class == 0 ? GOSSET__WINDOW_TOP_FIRST : GOSSET__WINDOW_TOP;
    int8_t levels[32];
    uint8_t squares[32];
    for (int i = 0; i < 32; i++) {
        levels[i] = (int8_t)(2 * i - top);
        squares[i] = (uint8_t)(i * i - top * i + (top * top - 1) / 4);
    }
    return (window_tables){vld1q_u8(code->newer[class]),
                           vld1q_u8(code->older[class]),
                           {{vld1q_s8(levels), vld1q_s8(levels + 16)}},
                           {{vld1q_u8(squares), vld1q_u8(squares + 16)}}};
}

/* Shifts are of bytes here. */
INLINE uint8x16_t nibble(uint8x16_t x, const int shift) {
    return vandq_u8(vshlq_u8(x, vdupq_n_s8((int8_t)-shift)), vdupq_n_u8(15));
}
INLINE uint8x16_t follow(uint8x16_t last, uint8x16_t now, const int n) {
    return vorrq_u8(vshlq_u8(last, vdupq_n_s8((int8_t)(n - 8))), vshlq_u8(now, vdupq_n_s8((int8_t)n)));
}

/* Of four codes: two 32-bit lanes a code of products, and two of quarters of squares. */
typedef struct window_sums {
    four_codes product;
    uint32x4_t norm[2];
} window_sums;

INLINE void add_windows(window_sums *sums, uint8x16_t newer, uint8x16_t older, const window_tables *tables,
                        const int8_t *values, const uint8_t *weights) {
    const uint8x16_t index = vaddq_u8(vqtbl1q_u8(tables->newer, newer), vqtbl1q_u8(tables->older, older));
    const uint8x16_t square = vqtbl2q_u8(tables->squares, index);
    const uint8x16_t weight = vreinterpretq_u8_s8(broadcast4((const int8_t *)weights));
    const int8x16_t level = vqtbl2q_s8(tables->levels, index), value = broadcast4(values);
    sums->product = widen(sums->product, vmull_s8(vget_low_s8(level), vget_low_s8(value)), vmull_high_s8(level, value));
    sums->norm[0] = vpadalq_u16(sums->norm[0], vmull_u8(vget_low_u8(square), vget_low_u8(weight)));
    sums->norm[1] = vpadalq_u16(sums->norm[1], vmull_high_u8(square, weight));
}

INLINE int32x4_t fixed_scores(float32x4_t s) {
    const float32x4_t least = vdupq_n_f32(-GOSSET__WINDOW_SCORE_MAX), most = vdupq_n_f32(GOSSET__WINDOW_SCORE_MAX);
    s = vbslq_f32(vcgtq_f32(s, least), s, least); /* NaN too */
    s = vbslq_f32(vcltq_f32(s, most), s, most);
    return vcvtnq_s32_f32(vmulq_f32(s, vdupq_n_f32(GOSSET__WINDOW_SCORE_ONE)));
}

/* From sums to scores, as the specification orders it. */
INLINE int32x4_t window_scores(const window_sums sums[3], uint32x4_t selected, const gosset__windows *code,
                               const gosset__window_query *query) {
    const float gains[4] = {code->gains[vgetq_lane_u32(selected, 0)], code->gains[vgetq_lane_u32(selected, 1)],
                            code->gains[vgetq_lane_u32(selected, 2)], code->gains[vgetq_lane_u32(selected, 3)]};
    const float32x4_t gain = vld1q_f32(gains);
    float32x4_t t[3], n[3];
    for (int k = 0; k < 3; k++) {
        const int32x4_t quarters = vreinterpretq_s32_u32(vpaddq_u32(sums[k].norm[0], sums[k].norm[1]));
        const int32x4_t norm = vaddq_s32(vshlq_n_s32(quarters, 2), vdupq_n_s32(code->totals[k]));
        const int32x4_t product = vpaddq_s32(sums[k].product.first, sums[k].product.second);
        t[k] = vmulq_f32(vdupq_n_f32(code->steps[k]), vcvtq_f32_s32(product));
        n[k] = vmulq_f32(vdupq_n_f32(code->steps[k] * code->steps[k]), vcvtq_f32_s32(norm));
    }
    const float32x4_t along = vmulq_f32(vaddq_f32(vaddq_f32(t[0], t[1]), t[2]), vdupq_n_f32(query->scale));
    const float32x4_t square = vaddq_f32(vaddq_f32(n[0], n[1]), n[2]);
    const float32x4_t inner = vfmaq_f32(along, vmulq_f32(vdupq_n_f32(-0.5f), gain), square);
    return fixed_scores(vfmaq_f32(vdupq_n_f32(-0.5f * query->square), gain, inner));
}

#define ADD(class, newer, older, at) add_windows(&sums[class], newer, older, &tables, values + (at), weights + (at))

INLINE int32x4_t four_window_codes(const uint8_t *data, const gosset__windows *code,
                                   const gosset__window_query *query) {
    const int8_t *values = query->values;
    const four_codes none = {vdupq_n_s32(0), vdupq_n_s32(0)};
    const window_sums start = {none, {vdupq_n_u32(0), vdupq_n_u32(0)}};
    window_sums sums[3] = {start, start, start};
    const uint8_t *weights = code->weights;
    const uint32x4_t selected = vandq_u32(vreinterpretq_u32_u8(vld1q_u8(data)), vdupq_n_u32(15));
    uint8x16_t last = vdupq_n_u8(0), now;
    window_tables tables = load_tables(code, 0);
    for (uint32_t h = 0; h < code->words[0]; h++, data += 64, values += 8, weights += 8, last = now) {
        now = vld1q_u8(data);
        NIBBLE_WORD(ADD, last, now);
    }
    tables = load_tables(code, 1);
    for (uint32_t h = 0; h < code->words[1]; h++, data += 64, values += 16, weights += 16, last = now) {
        now = vld1q_u8(data);
        const uint8x16_t across = follow(last, now, 2);
        CRUMB_WORD(ADD, last, now, across);
    }
    tables = load_tables(code, 2);
    for (uint32_t h = 0; h < code->words[2]; h++, data += 64, values += 32, weights += 32, last = now) {
        now = vld1q_u8(data);
        const uint8x16_t across = follow(last, now, 3);
        BIT_WORD(ADD, last, now, across);
    }
    return window_scores(sums, selected, code, query);
}
#undef ADD

static void scan_windows(const uint8_t *blocks, size_t block_count, const gosset__windows *code,
                         const gosset__window_query *query, int32_t *scores) {
    const size_t block_size = 64 * (size_t)(code->words[0] + code->words[1] + code->words[2]);
    for (size_t b = 0; b < block_count; b++, blocks += block_size, scores += GOSSET__SCAN_BLOCK)
        for (size_t c = 0; c < GOSSET__SCAN_BLOCK; c += 4)
            vst1q_s32(scores + c, four_window_codes(blocks + 4 * c, code, query));
}

static size_t select_above(const int32_t *scores, size_t count, int32_t threshold, uint32_t *positions) {
    const int32x4_t limit = vdupq_n_s32(threshold);
    size_t found = 0, p = 0;
    for (; p + 4 <= count; p += 4) {
        if (vmaxvq_u32(vcgtq_s32(vld1q_s32(scores + p), limit)) == 0) continue; /* the usual case */
        for (size_t i = p; i < p + 4; i++)
            if (scores[i] > threshold) positions[found++] = (uint32_t)i;
    }
    for (; p < count; p++)
        if (scores[p] > threshold) positions[found++] = (uint32_t)p;
    return found;
}

/* ---- network -------------------------------------------------------------------------------- */

/* One register tile of y: `rows` x 4 * `vectors`; every element is its own chain bias, i = 0, 1, 2 ... */
INLINE void dense_tile(const int rows, const int vectors, const float *x, uint32_t in, uint32_t out, const float *w,
                       const float *bias, int relu, float *y) {
    const float32x4_t zero = vdupq_n_f32(0);
    float32x4_t sum[24];
    KERNEL_UNROLL
    for (int r = 0; r < rows; r++) {
        KERNEL_UNROLL
        for (int v = 0; v < vectors; v++) sum[r * vectors + v] = vld1q_f32(bias + 4 * v);
    }
    for (uint32_t i = 0; i < in; i++, w += out) {
        float32x4_t weight[16];
        KERNEL_UNROLL
        for (int v = 0; v < vectors; v++) weight[v] = vld1q_f32(w + 4 * v);
        KERNEL_UNROLL
        for (int r = 0; r < rows; r++) {
            float32x4_t value = vdupq_n_f32(x[(size_t)r * in + i]);
            KERNEL_UNROLL
            for (int v = 0; v < vectors; v++) sum[r * vectors + v] = vfmaq_f32(sum[r * vectors + v], value, weight[v]);
        }
    }
    KERNEL_UNROLL
    for (int r = 0; r < rows; r++) {
        KERNEL_UNROLL
        for (int v = 0; v < vectors; v++) {
            float32x4_t s = sum[r * vectors + v];
            if (relu) s = vbslq_f32(vcgtq_f32(s, zero), s, zero); /* vmaxq would keep NaN */
            vst1q_f32(y + (size_t)r * out + 4 * v, s);
        }
    }
}

static void dense(const float *x, size_t rows, uint32_t in, uint32_t out, const float *w, const float *bias, int relu,
                  float *y) {
    size_t r = 0;
    for (; r + 6 <= rows; r += 6, x += 6 * (size_t)in, y += 6 * (size_t)out)
        for (uint32_t j = 0; j < out; j += 16) dense_tile(6, 4, x, in, out, w + j, bias + j, relu, y + j);
    for (; r < rows; r++, x += in, y += out) {
        uint32_t j = 0;
        for (; j + 48 <= out; j += 48) dense_tile(1, 12, x, in, out, w + j, bias + j, relu, y + j);
        for (; j < out; j += 16) dense_tile(1, 4, x, in, out, w + j, bias + j, relu, y + j);
    }
}

/* Sums over four rows of a plane, of four columns: products of 7 bits and bytes, two of which fit 16 bits. */
INLINE int32x4_t turn_four(int8x16_t bytes, int8x16_t values) {
    const int32x4_t first = vpaddlq_s16(vmull_s8(vget_low_s8(bytes), vget_low_s8(values)));
    return vpaddq_s32(first, vpaddlq_s16(vmull_high_s8(bytes, values)));
}

static void turn(const gosset__fixed *x, const gosset__turning *by, float *y) {
    for (uint32_t j = 0; j < by->size; j += 4) {
        int32x4_t high = vdupq_n_s32(0), low = high;
        const int8_t *matrix = by->matrix + 4 * (size_t)j;
        for (uint32_t i = 0; i < by->size; i += 4, matrix += 4 * (size_t)by->size) {
            const int8x16_t bytes = vld1q_s8(matrix);
            high = vaddq_s32(high, turn_four(bytes, broadcast4((const int8_t *)x->high + i)));
            low = vaddq_s32(low, turn_four(bytes, broadcast4((const int8_t *)x->low + i)));
        }
        const int32x4_t sum = vsubq_s32(vaddq_s32(vshlq_n_s32(high, 7), low), vld1q_s32(by->offsets + j));
        const float32x4_t step = vmulq_n_f32(vld1q_f32(by->steps + j), x->unit);
        vst1q_f32(y + j, vmulq_f32(vcvtq_f32_s32(sum), step));
    }
}

/* ---- float distances ------------------------------------------------------------------------ */

INLINE float32x4_t widen4(const uint16_t *halves) {
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(halves)));
}

static void widen_f16(const uint16_t *halves, uint32_t count, float *out) {
    uint32_t i = 0;
    for (; i + 4 <= count; i += 4) vst1q_f32(out + i, widen4(halves + i));
    for (; i < count; i++) out[i] = gosset__float_of_half(halves[i]);
}

/* The 16 partial sums of the specification; `squared`: of squared differences instead of products; one of b, halves. */
INLINE float reduce(const float *a, const float *b, const uint16_t *halves, uint32_t dimension, const int squared) {
    float32x4_t sums[4] = {vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0)};
    uint32_t i = 0;
    for (; i + 16 <= dimension; i += 16)
        for (int v = 0; v < 4; v++) {
            float32x4_t x = vld1q_f32(a + i + 4 * v), y = b ? vld1q_f32(b + i + 4 * v) : widen4(halves + i + 4 * v);
            if (squared) x = y = vsubq_f32(x, y);
            sums[v] = vfmaq_f32(sums[v], x, y);
        }
    if (i < dimension) {
        float lanes[16];
        for (int v = 0; v < 4; v++) vst1q_f32(lanes + 4 * v, sums[v]);
        for (int lane = 0; i < dimension; i++, lane++) {
            float x = a[i], y = b ? b[i] : gosset__float_of_half(halves[i]);
            if (squared) x = y = x - y;
            lanes[lane] = __builtin_fmaf(x, y, lanes[lane]);
        }
        for (int v = 0; v < 4; v++) sums[v] = vld1q_f32(lanes + 4 * v);
    }
    float32x4_t four = vaddq_f32(vaddq_f32(sums[0], sums[2]), vaddq_f32(sums[1], sums[3]));
    float32x2_t two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
    return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
}

static float dot_f32(const float *a, const float *b, uint32_t dimension) {
    return reduce(a, b, NULL, dimension, 0);
}
static float l2_f32(const float *a, const float *b, uint32_t dimension) {
    return reduce(a, b, NULL, dimension, 1);
}
static float dot_f16(const float *a, const uint16_t *b, uint32_t dimension) {
    return reduce(a, NULL, b, dimension, 0);
}
static float l2_f16(const float *a, const uint16_t *b, uint32_t dimension) {
    return reduce(a, NULL, b, dimension, 1);
}

INLINE float32x4_t rooted_difference(const float *query, const float *centroid, const float *roots) {
    return vmulq_f32(vsubq_f32(vld1q_f32(query), vld1q_f32(centroid)), vld1q_f32(roots));
}

static void window_query(const float *query, const float *centroid, uint32_t features, const gosset__windows *code,
                         gosset__window_query *out) {
    const uint32_t places = gosset__windows_places(code);
    float32x4_t largest = vdupq_n_f32(0);
    for (uint32_t i = 0; i < places; i += 4)
        largest = vmaxq_f32(largest, vabsq_f32(rooted_difference(query + i, centroid + i, code->roots + i)));
    const float most = vmaxvq_f32(largest), inverse = most > 1e-30f ? 127.0f / most : 0.0f;
    out->square = l2_f32(query, centroid, features);
    out->scale = most / 127.0f;
    for (uint32_t k = 0, i = 0, end = 0; k < GOSSET__WINDOW_CLASSES; k++) {
        int32x4_t sum = vdupq_n_s32(0);
        for (end += (8u << k) * code->words[k]; i < end; i += 8) {
            const float32x4_t a = rooted_difference(query + i, centroid + i, code->roots + i);
            const float32x4_t b = rooted_difference(query + i + 4, centroid + i + 4, code->roots + i + 4);
            const int32x4_t x = vcvtnq_s32_f32(vmulq_n_f32(a, inverse)), y = vcvtnq_s32_f32(vmulq_n_f32(b, inverse));
            vst1_s8(out->values + i, vmovn_s16(vcombine_s16(vmovn_s32(x), vmovn_s32(y))));
            sum = vaddq_s32(sum, vaddq_s32(x, y));
        }
        out->sums[k] = vaddvq_s32(sum);
    }
}

static void dot_rows(const float *query, const float *rows, size_t count, uint32_t dimension, float *out) {
    for (size_t r = 0; r < count; r++) out[r] = dot_f32(query, rows + r * dimension, dimension);
}

/* ---- byte distances ------------------------------------------------------------------------- */

/* 16 bytes, or those that are left by way of a zeroed buffer: missing bytes add nothing. */
INLINE uint8x16_t load_bytes(const uint8_t *data, uint32_t left) {
    if (left >= 16) return vld1q_u8(data);
    uint8_t padded[16] = {0};
    __builtin_memcpy(padded, data, left);
    return vld1q_u8(padded);
}

/* `flip` 0x80 maps i8 to u8 with the same differences. A square, at most 65025, just fits 16 bits. */
INLINE uint32_t l2_bytes(const uint8_t *a, const uint8_t *b, uint32_t dimension, const uint8_t flip) {
    const uint8x16_t flips = vdupq_n_u8(flip);
    uint32x4_t low = vdupq_n_u32(0), high = low;
    for (uint32_t i = 0; i < dimension; i += 16) {
        uint8x16_t x = veorq_u8(load_bytes(a + i, dimension - i), flips);
        uint8x16_t y = veorq_u8(load_bytes(b + i, dimension - i), flips);
        uint8x16_t difference = vabdq_u8(x, y);
        low = vpadalq_u16(low, vmull_u8(vget_low_u8(difference), vget_low_u8(difference)));
        high = vpadalq_u16(high, vmull_high_u8(difference, difference));
    }
    return vaddvq_u32(vaddq_u32(low, high));
}

static uint32_t l2_u8(const uint8_t *a, const uint8_t *b, uint32_t dimension) {
    return l2_bytes(a, b, dimension, 0);
}

static uint32_t l2_i8(const int8_t *a, const int8_t *b, uint32_t dimension) {
    return l2_bytes((const uint8_t *)a, (const uint8_t *)b, dimension, 0x80);
}

static uint32_t dot_u8(const uint8_t *a, const uint8_t *b, uint32_t dimension) {
    uint32x4_t low = vdupq_n_u32(0), high = low;
    for (uint32_t i = 0; i < dimension; i += 16) {
        uint8x16_t x = load_bytes(a + i, dimension - i), y = load_bytes(b + i, dimension - i);
        low = vpadalq_u16(low, vmull_u8(vget_low_u8(x), vget_low_u8(y)));
        high = vpadalq_u16(high, vmull_high_u8(x, y));
    }
    return vaddvq_u32(vaddq_u32(low, high));
}

static int32_t dot_i8(const int8_t *a, const int8_t *b, uint32_t dimension) {
    int32x4_t low = vdupq_n_s32(0), high = low;
    for (uint32_t i = 0; i < dimension; i += 16) {
        int8x16_t x = vreinterpretq_s8_u8(load_bytes((const uint8_t *)a + i, dimension - i));
        int8x16_t y = vreinterpretq_s8_u8(load_bytes((const uint8_t *)b + i, dimension - i));
        low = vpadalq_s16(low, vmull_s8(vget_low_s8(x), vget_low_s8(y)));
        high = vpadalq_s16(high, vmull_high_s8(x, y));
    }
    return vaddvq_s32(vaddq_s32(low, high));
}

/* ---- the search for windows ------------------------------------------------------------------ */

typedef float32x4_t reals;
enum { REALS = 4 };

typedef struct step_terms {
    float32x4_t x;
    float weight;
    const float *levels;
} step_terms;

INLINE step_terms make_terms(const gosset__windows *code, const uint32_t class, float x, float weight) {
    return (step_terms){vdupq_n_f32(x), weight, code->levels[class]};
}

INLINE float32x4_t new_costs(const float *levels, float32x4_t x, float weight) {
    const float32x4_t error = vsubq_f32(x, vld1q_f32(levels));
    return vmulq_n_f32(vmulq_f32(error, error), weight);
}

/* What four windows from w on continue: few costs, each repeated. */
INLINE float32x4_t continued(const float *cost, const uint32_t stride, uint32_t w) {
    if (stride > 1) return vld1q_dup_f32(cost + (w >> stride));
    const float32x2_t two = vld1_f32(cost + (w >> 1));
    return vcombine_f32(vdup_lane_f32(two, 0), vdup_lane_f32(two, 1));
}

INLINE float32x4_t window_costs(const float *cost, const uint32_t stride, const step_terms *terms, uint32_t w) {
    return vaddq_f32(continued(cost, stride, w), new_costs(terms->levels + w, terms->x, terms->weight));
}

INLINE reals lesser(reals a, reals b) {
    return vminq_f32(a, b);
}
INLINE void store_reals(float *to, reals x) {
    vst1q_f32(to, x);
}

/* The first of 16 that is no more than a value; the last if none is. */
INLINE uint32_t first_at_most(const float *values, float most) {
    uint32_t n = 0;
    while (n < 15 && values[n] > most) n++;
    return n;
}

INLINE uint32_t first_least(const float *cost) {
    const float32x4_t low = vminq_f32(vld1q_f32(cost), vld1q_f32(cost + 4));
    const float32x4_t high = vminq_f32(vld1q_f32(cost + 8), vld1q_f32(cost + 12));
    return first_at_most(cost, vminvq_f32(vminq_f32(low, high)));
}

INLINE uint32_t first_of_16(const float *cost, const uint32_t stride, const float *levels, float x, float weight,
                            float known, uint32_t n) {
    float totals[16];
    for (uint32_t k = 0; k < 16; k++) totals[k] = cost[(16 * k + n) >> stride];
    for (uint32_t k = 0; k < 16; k += 4)
        vst1q_f32(totals + k, vaddq_f32(vld1q_f32(totals + k), new_costs(levels + k, vdupq_n_f32(x), weight)));
    return 16 * first_at_most(totals, known) + n;
}

#include "kernel/window_paths.h" /* needs the above */

const gosset__kernels gosset__kernels_neon = {
    .name = "neon",
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
