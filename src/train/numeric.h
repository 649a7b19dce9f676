/** Small numeric helpers that vectorise and give the same bits at every vector width. */
#ifndef GOSSET_TRAIN_NUMERIC_H
#define GOSSET_TRAIN_NUMERIC_H

#include <stdint.h>
#include <string.h>

/*
 * Functions so marked are also compiled for wider vectors and chosen when the program starts. They only hold
 * element-wise work and sums in a written order, and contraction is off, so every clone computes the same bits.
 */
#if defined(__x86_64__) && defined(__gnu_linux__) && defined(__GNUC__) && !defined(__clang__) &&                       \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define GOSSET__WIDE       __attribute__((target_clones("avx512f", "avx2", "default")))
#define GOSSET__WIDE_FUSED __attribute__((target_clones("avx512f", "arch=x86-64-v3", "default")))
#else
#define GOSSET__WIDE
#define GOSSET__WIDE_FUSED
#endif
/*
 * GOSSET__WIDE_FUSED is for the two files that CMakeLists.txt compiles with contraction: what they compute depends on
 * the CPU level as matrix products do, and on nothing else.
 */

/**
 * 2^x for -126 <= x <= 0, relative error below 3e-7. Unlike exp2f it becomes vector instructions in a loop: the losses
 * take millions of these per batch. What the nearest integer leaves goes through the polynomial of degree 5 whose
 * largest relative error is smallest.
 */
static inline float gosset__power_of_two(float x) {
    const float shift = 12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer */
    const float shifted = x + shift, r = x - (shifted - shift);
    float p =
        1.0f + r * (0.69314697f + r * (0.2402212f + r * (0.055507133f + r * (0.0096755413f + r * 0.0013276465f))));
    uint32_t bits;
    memcpy(&bits, &shifted, 4);
    bits = (bits << 23) + 0x3f800000u; /* the integer sits in the low bits of the mantissa */
    float power;
    memcpy(&power, &bits, 4);
    return p * power;
}

static const float gosset__log2_e = 1.44269504f;

/** e^x for x <= 0; 0 below -87. The larger |x|, the less exact: x / ln 2 is rounded. */
static inline float gosset__exp_negative(float x) {
    const float power = gosset__power_of_two(gosset__log2_e * (x < -87.0f ? -87.0f : x));
    return x < -87.0f ? 0.0f : power;
}

#endif
