/**
 * The lattice E8 (Gosset's), and points of E8^k of one norm: shared by counting (e8.c), scores (e8_scores.c) and
 * search (e8_nearest.c).
 *
 * E8 is Z^8 with an even sum together with (Z + 1/2)^8 with an even sum; its norms are the even numbers. Points are
 * kept doubled: all even ("whole" points) or all odd, with a sum that is a multiple of 4.
 */
#ifndef GOSSET_LATTICE_E8_H
#define GOSSET_LATTICE_E8_H

#include "lattice/lattice.h"

enum {
    GOSSET__E8_DIMENSION = 8,
    GOSSET__E8_MAX_NORM = 512, /* 260,044 leaders then, see e8_nearest.c */
    GOSSET__E8_MAX_BLOCKS = GOSSET__LATTICE_MAX_DIMENSION / GOSSET__E8_DIMENSION
};

/**
 * The point of E8 nearest to y, exactly (Conway and Sloane 1982, Fast quantizing and decoding algorithms for lattice
 * quantizers, IEEE Transactions on Information Theory 28): doubled coordinates to `point`; returns its norm |point|^2
 * / 4. `y`: 8 numbers of magnitude below 2^28. Among points equally near the choice is a fixed function of y.
 * Thread-safe.
 */
uint32_t gosset__e8_round(const double *y, int32_t *point);

/** Four leaders side by side, undoubled, in pairs as the vector units of every 64-bit CPU take them. */
enum { GOSSET__E8_LANES = 4 };
typedef double gosset__pair __attribute__((vector_size(16)));
typedef struct gosset__e8_group {
    gosset__pair value[GOSSET__E8_DIMENSION][GOSSET__E8_LANES / 2];
} gosset__e8_group;

static inline double gosset__e8_leader(const gosset__e8_group *groups, uint32_t leader, uint32_t coordinate) {
    return groups[leader / GOSSET__E8_LANES].value[coordinate][leader % GOSSET__E8_LANES / 2][leader % 2];
}

typedef struct gosset__e8 {
    uint32_t blocks, shell; /* shell: the spec's norm */
    uint32_t limbs;         /* words of a count that matter */
    /** whole[m * (shell + 1) + s]: the number of points of Z^m with norm s. */
    uint64_t *whole;
    /** odd[m * shell / 2 + h]: the number of m odd integers u_i with the sum of (u_i^2 - 1) / 8 equal to h. */
    uint64_t *odd;
    uint64_t *block;     /* by norm / 2: points of E8 */
    gosset__wide *count; /* count[m * (shell / 2 + 1) + norm / 2]: points of E8^m */
    /** Groups of norm n: whole ones at first[n] up to first[n + 1], odd ones from there to first[n + 2] (n even). */
    uint32_t *first;
    gosset__e8_group *leaders;
} gosset__e8;

/** (u^2 - 1) / 8 of an odd u: a triangular number. */
static inline uint32_t gosset__e8_triangle(uint32_t u) {
    return (u * u - 1) / 8;
}

static inline const gosset__wide *gosset__e8_count(const gosset__e8 *e8, uint32_t blocks, uint32_t norm) {
    return e8->count + (size_t)blocks * (e8->shell / 2 + 1) + norm / 2;
}

/** Allocates and fills `first` and `leaders`. */
gosset_status gosset__e8_create_leaders(const gosset__env *env, gosset__e8 *e8);
size_t gosset__e8_leaders_size(const gosset__e8 *e8); /* bytes of both */
void gosset__e8_nearest(const gosset_lattice *self, const float *x, int8_t *point);

size_t gosset__e8_scores_scratch(const gosset_lattice *self);
void gosset__e8_scores(const gosset_lattice *self, const int32_t *x, int32_t *scores, int32_t *scratch);

#endif
