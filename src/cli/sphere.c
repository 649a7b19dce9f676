#include "cli/sphere.h"

#include <math.h>

/*
 * log of the integral of sin^power over [0, angle], angle at most pi/2. The factor sin(angle)^power is taken out, so
 * that nothing underflows where a cap of measure 2^-256 is asked for; Simpson's rule does the rest.
 */
static double log_cap(double angle, double power) {
    enum { STEPS = 2000 };
    const double step = angle / STEPS, top = sin(angle);
    double sum = 0;
    for (int i = 0; i <= STEPS; i++) {
        const double weight = i == 0 || i == STEPS ? 1 : i % 2 == 1 ? 4 : 2;
        sum += weight * pow(sin(i * step) / top, power);
    }
    return power * log(top) + log(sum * step / 3);
}

double sphere_ideal_cosine(uint32_t dimension, double bits) {
    const double power = (double)dimension - 2;
    const double log_sphere = 0.5 * log(M_PI) + lgamma((power + 1) / 2) - lgamma((power + 2) / 2);
    double low = 1e-12, high = M_PI / 2;
    if (bits < 1) bits = 1;
    for (int i = 0; i < 100; i++) {
        const double middle = (low + high) / 2;
        if (log_cap(middle, power) - log_sphere < -bits * M_LN2)
            low = middle;
        else
            high = middle;
    }
    /* The integral of cos sin^power is sin^(power+1) / (power+1). */
    return exp((power + 1) * log(sin(low)) - log(power + 1) - log_cap(low, power));
}

/* SplitMix64: every seed gives an independent stream, so rows can be turned in any order. */
static uint64_t next_random(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static double next_gaussian(uint64_t *state) {
    const double radius = ((double)(next_random(state) >> 11) + 1) * 0x1p-53;
    const double angle = (double)(next_random(state) >> 11) * 0x1p-53;
    return sqrt(-2 * log(radius)) * cos(2 * M_PI * angle);
}

void sphere_random(float *vector, uint32_t dimension, uint64_t seed) {
    uint64_t state = seed * 0xd1342543de82ef95u + 2; /* no stream of sphere_turn */
    double length = 0;
    for (uint32_t i = 0; i < dimension; i++) {
        vector[i] = (float)next_gaussian(&state);
        length += (double)vector[i] * (double)vector[i];
    }
    for (uint32_t i = 0; i < dimension && length > 0; i++) vector[i] = (float)((double)vector[i] / sqrt(length));
}

void sphere_turn(float *vector, uint32_t dimension, double cosine, uint64_t seed) {
    enum { DIMENSION_MAX = 4096 };
    double tangent[DIMENSION_MAX];
    uint64_t state = seed * 0xd1342543de82ef95u + 1;
    double along = 0, length = 0;
    if (dimension > DIMENSION_MAX) return;
    for (uint32_t i = 0; i < dimension; i++) {
        tangent[i] = next_gaussian(&state);
        along += tangent[i] * (double)vector[i];
    }
    for (uint32_t i = 0; i < dimension; i++) {
        tangent[i] -= along * (double)vector[i];
        length += tangent[i] * tangent[i];
    }
    if (length <= 0) return;
    const double sine = sqrt(fmax(0, 1 - cosine * cosine)) / sqrt(length);
    for (uint32_t i = 0; i < dimension; i++) vector[i] = (float)(cosine * (double)vector[i] + sine * tangent[i]);
}
