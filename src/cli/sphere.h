/** The best any code of so many bits could do, as noise to measure a lattice against. */
#ifndef GOSSET_CLI_SPHERE_H
#define GOSSET_CLI_SPHERE_H

#include <stdint.h>

/**
 * Mean cosine between a uniform unit vector and its codeword if all 2^bits Voronoi cells were spherical caps of
 * equal measure: no code on the sphere of that dimension (2 or more) can do better.
 */
double sphere_ideal_cosine(uint32_t dimension, double bits);

/** A unit vector, uniform on the sphere, by seed. */
void sphere_random(float *vector, uint32_t dimension, uint64_t seed);

/** Turns a unit vector in a random direction (by seed) by the angle with that cosine. */
void sphere_turn(float *vector, uint32_t dimension, double cosine, uint64_t seed);

#endif
