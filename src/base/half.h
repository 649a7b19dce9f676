/** IEEE 754 binary16: what records of f16 hold. */
#ifndef GOSSET_BASE_HALF_H
#define GOSSET_BASE_HALF_H

#include <stdint.h>
#include <string.h>

#define GOSSET__HALF_MAX 65504.0f /* floats from 65520 on round to infinity */

/** Exact. */
static inline float gosset__float_of_half(uint16_t half) {
    const uint32_t sign = (uint32_t)(half & 0x8000u) << 16, rest = half & 0x7fffu;
    uint32_t bits = rest << 13;
    float value;
    if (rest >= 0x7c00u) { /* infinity, NaN */
        bits |= 0x7f800000u | sign;
        memcpy(&value, &bits, sizeof value);
        return value;
    }
    if (rest < 0x0400u) {
        value = (float)rest * 0x1p-24f; /* subnormal: a multiple of the smallest one */
        return sign ? -value : value;
    }
    bits = (bits + (112u << 23)) | sign;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/** The nearest half, ties to even: at most 2^-11 of the value away, or 2^-25 below 2^-14. */
static inline uint16_t gosset__half_of_float(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    const uint32_t sign = bits >> 16 & 0x8000u, size = bits & 0x7fffffffu;
    if (size > 0x7f800000u) return (uint16_t)(sign | 0x7e00u);
    if (size >= 0x477ff000u) return (uint16_t)(sign | 0x7c00u); /* 65520 and above */
    if (size < 0x38800000u) { /* below 2^-14: adding 0.5 leaves multiples of 2^-24 in the low bits, rounded to even */
        float shifted;
        memcpy(&shifted, &size, sizeof shifted);
        shifted += 0.5f;
        memcpy(&bits, &shifted, sizeof bits);
        return (uint16_t)(sign | (bits - 0x3f000000u));
    }
    return (uint16_t)(sign | ((size - (112u << 23) + 0x0fffu + (size >> 13 & 1)) >> 13));
}

#endif
