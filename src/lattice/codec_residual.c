/*
 * Codes of what the cell's centroid leaves: x ~ centroid + gain * z, where z is a point of the half-integer cubic
 * lattice (Z + 1/2)^n inside a box, 4 bits wide in the leading features and 2 bits in the rest, nearest in direction to
 * the residual. The gain is that of least squares, <r, z> / <z, z>. A query's score of a code is
 *
 *     <q, centroid> - |q|^2 / 2 + gain <q, z> - |centroid + gain z|^2 / 2 = -|q - x'|^2 / 2
 *
 * of which the first two terms belong to the cell, gain and the last (bias) are stored as half floats.
 */
#include "base/bytes.h"
#include "lattice/codec_internal.h"

#include <math.h>

/* The direction is searched along a ray: lengths of the residual in steps, around the one that fits the box best. */
static const float rays[] = {1.0f, 0.74f, 0.82f, 0.91f, 1.1f, 1.21f, 1.33f, 1.47f};
enum { RAYS = sizeof rays / sizeof *rays, MAX_FEATURES = GOSSET__RESIDUAL_MAX_FEATURES };

static const float nibble_zero = 7.5f, crumb_zero = 1.5f;
static const float half_largest = 65504.0f;

/** IEEE half, round to nearest even; beyond its range the largest finite one. */
static uint16_t to_half(float value) {
    uint32_t bits;
    if (!(value < half_largest)) value = half_largest;
    if (!(value > -half_largest)) value = -half_largest;
    memcpy(&bits, &value, 4);
    const uint32_t sign = bits >> 16 & 0x8000u;
    const float magnitude = fabsf(value);
    if (magnitude < 6.103515625e-5f) /* subnormal halves are multiples of 2^-24 */
        return (uint16_t)(sign | (uint32_t)lrintf(magnitude * 16777216.0f));
    memcpy(&bits, &magnitude, 4);
    bits += 0xFFFu + (bits >> 13 & 1); /* a carry into the exponent is the right one */
    return (uint16_t)(sign | ((bits >> 13) - (112u << 10)));
}

static float from_half(uint16_t half) {
    const uint32_t exponent = half >> 10 & 31, fraction = half & 1023u;
    const float magnitude =
        exponent == 0 ? ldexpf((float)fraction, -24) : ldexpf((float)(1024u + fraction), (int)exponent - 25);
    return half >> 15 ? -magnitude : magnitude;
}

/** z = the box's point nearest to r * inverse. Written for the compiler to vectorise: no branch, no call. */
static void quantise(const float *r, uint32_t first, uint32_t end, float inverse, float zero, float *z) {
    const float most = 2 * zero;
    for (uint32_t i = first; i < end; i++) {
        float field = r[i] * inverse + zero + 0.5f;
        field = field > 0.0f ? field : 0.0f;
        field = field < most ? field : most;
        z[i] = (float)(int32_t)field - zero;
    }
}

/** The point of best direction; its gain. */
static float best_point(const gosset__codec *codec, const float *r, float *z) {
    const gosset__residual *p = codec->residual;
    const uint32_t nibbles = 8 * p->nibble_words, features = gosset__residual_features(p);
    _Alignas(64) float trial[MAX_FEATURES];
    const float length = sqrtf(codec->kernels->dot_f32(r, r, features));
    float best = -1, gain = 0;
    if (!(length > 1e-12f)) { /* the centroid itself */
        quantise(r, 0, nibbles, 0, nibble_zero, z);
        quantise(r, nibbles, features, 0, crumb_zero, z);
        return 0;
    }
    for (int ray = 0; ray < RAYS; ray++) {
        const float inverse = sqrtf((float)features) / (length * p->step * rays[ray]);
        quantise(r, 0, nibbles, inverse, nibble_zero, trial);
        quantise(r, nibbles, features, inverse, crumb_zero, trial);
        const float along = codec->kernels->dot_f32(r, trial, features);
        const float square = codec->kernels->dot_f32(trial, trial, features);
        if (along <= 0 || along * along <= best * square) continue;
        best = along * along / square;
        gain = along / square;
        memcpy(z, trial, features * sizeof *z);
    }
    return gain;
}

static void pack(const gosset__residual *p, const float *z, uint8_t *code) {
    for (uint32_t h = 0; h < p->nibble_words; h++, z += 8, code += 4)
        for (uint32_t j = 0; j < 4; j++)
            code[j] = (uint8_t)((uint32_t)(z[j] + nibble_zero) | (uint32_t)(z[4 + j] + nibble_zero) << 4);
    for (uint32_t h = 0; h < p->crumb_words; h++, z += 16, code += 4)
        for (uint32_t j = 0; j < 4; j++) {
            uint32_t byte = 0;
            for (uint32_t part = 0; part < 4; part++) byte |= (uint32_t)(z[4 * part + j] + crumb_zero) << (2 * part);
            code[j] = (uint8_t)byte;
        }
}

static void unpack(const gosset__residual *p, const uint8_t *code, float *z) {
    for (uint32_t h = 0; h < p->nibble_words; h++, z += 8, code += 4)
        for (uint32_t j = 0; j < 4; j++) {
            z[j] = (float)(code[j] & 15) - nibble_zero;
            z[4 + j] = (float)(code[j] >> 4) - nibble_zero;
        }
    for (uint32_t h = 0; h < p->crumb_words; h++, z += 16, code += 4)
        for (uint32_t j = 0; j < 4; j++)
            for (uint32_t part = 0; part < 4; part++) z[4 * part + j] = (float)(code[j] >> (2 * part) & 3) - crumb_zero;
}

static void encode(const gosset__codec *codec, const float *row, uint32_t cell, uint8_t *code) {
    const gosset__residual *p = codec->residual;
    const uint32_t features = gosset__residual_features(p);
    const float *x = row + codec->codes->dimension, *centroid = p->centroids + (size_t)cell * features;
    _Alignas(64) float r[MAX_FEATURES], z[MAX_FEATURES];
    for (uint32_t i = 0; i < features; i++) r[i] = x[i] - centroid[i];
    const uint16_t gain = to_half(best_point(codec, r, z));
    pack(p, z, code);
    for (uint32_t i = 0; i < features; i++) r[i] = centroid[i] + from_half(gain) * z[i];
    const uint16_t bias = to_half(-0.5f * codec->kernels->dot_f32(r, r, features));
    uint8_t *side = code + 4 * (p->nibble_words + p->crumb_words);
    memcpy(side, &gain, 2);
    memcpy(side + 2, &bias, 2);
}

static void decode(const gosset__codec *codec, uint32_t cell, const uint8_t *code, float *out) {
    const gosset__residual *p = codec->residual;
    const uint32_t features = gosset__residual_features(p);
    uint16_t gain;
    memcpy(&gain, code + 4 * (p->nibble_words + p->crumb_words), 2);
    unpack(p, code, out);
    for (uint32_t i = 0; i < features; i++)
        out[i] = p->centroids[(size_t)cell * features + i] + from_half(gain) * out[i];
}

static void block(const gosset__codec *codec, const uint8_t *codes, size_t count, uint8_t *out) {
    const uint32_t words = codec->residual->nibble_words + codec->residual->crumb_words;
    gosset__transpose_words(codes, codec->code_size, words, count, 0, out);
    uint8_t *sides = out + (size_t)GOSSET__SCAN_BLOCK * 4 * words;
    memset(sides, 0, (size_t)GOSSET__SCAN_BLOCK * 4);
    for (size_t c = 0; c < count; c++) {
        const uint8_t *side = codes + c * codec->code_size + 4 * words;
        memcpy(sides + 2 * c, side, 2);
        memcpy(sides + 2 * (GOSSET__SCAN_BLOCK + c), side + 2, 2);
    }
}

static void query_set(const gosset__codec *codec, const float *row, gosset__codec_query *query) {
    const gosset__residual *p = codec->residual;
    const uint32_t nibbles = 8 * p->nibble_words, features = gosset__residual_features(p);
    const float *x = row + codec->codes->dimension;
    int32_t nibble_sum = 0, crumb_sum = 0;
    memcpy(query->features, x, features * sizeof *x);
    query->scale = gosset__query_values(x, features, query->values);
    for (uint32_t i = 0; i < nibbles; i++) nibble_sum += query->values[i];
    for (uint32_t i = nibbles; i < features; i++) crumb_sum += query->values[i];
    query->correction = nibble_zero * (float)nibble_sum + crumb_zero * (float)crumb_sum;
    query->half_square = 0.5f * codec->kernels->dot_f32(x, x, features);
}

static void scan(const gosset__codec *codec, const gosset__codec_query *query, uint32_t cell, const uint8_t *blocks,
                 size_t block_count, int32_t *scores) {
    const gosset__residual *p = codec->residual;
    const uint32_t features = gosset__residual_features(p);
    const float *centroid = p->centroids + (size_t)cell * features;
    const float offset = codec->kernels->dot_f32(query->features, centroid, features) - query->half_square;
    const gosset__field_query fields = {query->values, query->correction, query->scale, offset};
    codec->kernels->scan_fields(blocks, block_count, p->nibble_words, p->crumb_words, &fields, scores);
}

const gosset__code_ops gosset__code_residual = {encode, decode, block, query_set, scan};
