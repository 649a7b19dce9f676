/*
 * Counter-based random numbers in the sense of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3"
 * (SC 2011). The mixing function is the finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014; constants of
 * Stafford's variant 13), applied twice with the key added between: two streams whose counters meet in the first
 * mix still differ in the second.
 *
 * Only +, *, /, sqrt and exact conversions are used on floating-point numbers, no libm function, so that every
 * machine draws the same bits.
 */
#include "base/rng.h"

#include <math.h>

#define GOLDEN_RATIO 0x9E3779B97F4A7C15u /* 2^64 / phi, odd: successive multiples visit every residue */

__extension__ typedef unsigned __int128 uint128;

static uint64_t mix(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

gosset__rng gosset__rng_make(uint64_t seed, uint64_t stream) {
    return (gosset__rng){.key = mix(mix(seed + GOLDEN_RATIO) + (stream + 1) * GOLDEN_RATIO), .counter = 0};
}

uint64_t gosset__rng_next(gosset__rng *rng) {
    uint64_t x = mix(rng->key + ++rng->counter * GOLDEN_RATIO);
    return mix(x + rng->key);
}

/* Lemire, "Fast random integer generation in an interval" (ACM TOMACS 2019): a division only when it may be needed. */
uint64_t gosset__rng_below(gosset__rng *rng, uint64_t bound) {
    uint128 product = (uint128)gosset__rng_next(rng) * bound;
    if ((uint64_t)product < bound) {
        uint64_t reject = (0 - bound) % bound;
        while ((uint64_t)product < reject) product = (uint128)gosset__rng_next(rng) * bound;
    }
    return (uint64_t)(product >> 64);
}

double gosset__rng_unit(gosset__rng *rng) {
    return (double)(gosset__rng_next(rng) >> 11) * 0x1p-53;
}

/* Natural logarithm of x in (0, 1], to about 1e-15: x = m 2^e, then ln m = 2 artanh((m - 1) / (m + 1)). */
static double natural_log(double x) {
    int exponent;
    double m = frexp(x, &exponent); /* exact */
    if (m < 0.70710678118654752) {
        m *= 2;
        exponent--;
    }
    double s = (m - 1) / (m + 1), square = s * s, sum = 0;
    for (int i = 21; i >= 1; i -= 2) sum = sum * square + 1.0 / i;
    return 2 * s * sum + exponent * 0.69314718055994531;
}

/* Marsaglia's polar method; one draw gives both coordinates, 32 bits each are plenty for a float. */
float gosset__rng_normal(gosset__rng *rng) {
    for (;;) {
        uint64_t bits = gosset__rng_next(rng);
        double u = ((double)(bits >> 32) + 0.5) * 0x1p-31 - 1;
        double v = ((double)(bits & 0xFFFFFFFFu) + 0.5) * 0x1p-31 - 1;
        double s = u * u + v * v;
        if (s < 1) return (float)(u * sqrt(-2 * natural_log(s) / s));
    }
}

/* Fisher and Yates, from the end. */
void gosset__rng_shuffle(gosset__rng *rng, uint32_t *items, size_t count) {
    for (size_t i = count; i > 1; i--) {
        size_t j = (size_t)gosset__rng_below(rng, i);
        uint32_t item = items[i - 1];
        items[i - 1] = items[j];
        items[j] = item;
    }
}
