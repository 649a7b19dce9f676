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
#include <string.h>

#define GOLDEN_RATIO 0x9E3779B97F4A7C15u /* 2^64 / phi, odd: successive multiples visit every residue */

enum { NORMALS_AT_ONCE = 32 };

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

/*
 * Natural logarithm of x in [2^-1000, 1], to about 1e-15: x = m 2^e, then ln m = 2 artanh((m - 1) / (m + 1)). Without
 * branches and calls, so that a loop of them becomes vector instructions.
 */
static inline double natural_log(double x) {
    const uint64_t half_root = 0x3fe6a09e667f3bcdu; /* bits of sqrt(1/2) */
    uint64_t bits, shifted, fraction, low;
    double exponent, m;
    memcpy(&bits, &x, sizeof bits);
    fraction = (bits & 0x000fffffffffffffu) | 0x3fe0000000000000u; /* m in [1/2, 1), */
    low = (fraction - half_root) >> 63;
    fraction += low << 52;                                /* then in [sqrt(1/2), sqrt(2)) */
    shifted = ((bits >> 52) - low) | 0x4330000000000000u; /* an integer in the low bits of 2^52 */
    memcpy(&exponent, &shifted, sizeof exponent);
    memcpy(&m, &fraction, sizeof m);
    exponent -= 0x1p52 + 1022;
    double s = (m - 1) / (m + 1), square = s * s, sum = 0;
    for (int i = 21; i >= 1; i -= 2) sum = sum * square + 1.0 / i;
    return 2 * s * sum + exponent * 0.69314718055994531;
}

/*
 * Marsaglia's polar method; one draw gives both coordinates, 32 bits each are plenty for a float. A fifth of the draws
 * are rejected, which no branch predictor foresees: they are overwritten.
 */
void gosset__rng_normals(gosset__rng *rng, size_t count, float *out) {
    while (count > 0) {
        double us[NORMALS_AT_ONCE], squares[NORMALS_AT_ONCE];
        const size_t here = count < NORMALS_AT_ONCE ? count : NORMALS_AT_ONCE;
        for (size_t i = 0; i < here;) {
            uint64_t bits = gosset__rng_next(rng);
            double u = ((double)(int64_t)(bits >> 32) + 0.5) * 0x1p-31 - 1;
            double v = ((double)(int64_t)(bits & 0xFFFFFFFFu) + 0.5) * 0x1p-31 - 1;
            double square = u * u + v * v;
            us[i] = u;
            squares[i] = square;
            i += square < 1;
        }
        for (size_t i = 0; i < here; i++) out[i] = (float)(us[i] * sqrt(-2 * natural_log(squares[i]) / squares[i]));
        count -= here;
        out += here;
    }
}

float gosset__rng_normal(gosset__rng *rng) {
    float normal;
    gosset__rng_normals(rng, 1, &normal);
    return normal;
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
