/** What a lattice is to the rest of the library: integer points, one norm, a rank for each. */
#ifndef GOSSET_LATTICE_INTERNAL_H
#define GOSSET_LATTICE_INTERNAL_H

#include "base/env.h"
#include "kernel/kernel.h"
#include "lattice/wide.h" /* gosset__wide: 512-bit unsigned */
#include <gosset/lattice.h>

enum { GOSSET__LATTICE_MAX_DIMENSION = 128, GOSSET__LATTICE_MAX_CELLS = 1 << 24 };

/** A point by its rank, and its inner product with something. */
typedef struct gosset__near {
    uint32_t rank;
    int32_t score;
} gosset__near;

typedef struct gosset__lattice_ops {
    const char *name;
    /**
     * Fills point_count, max_coordinate and state; the dimension, norm, limit and env are set. Where points are kept
     * scaled to be integers, it multiplies the norm, so that it is the squared length of the integers from then on.
     */
    gosset_status (*create)(gosset_lattice *self);
    void (*destroy)(gosset_lattice *self);
    /** The point of largest inner product with x. Exact; allocates nothing; thread-safe. */
    void (*nearest)(const gosset_lattice *self, const float *x, int8_t *point);
    void (*rank)(const gosset_lattice *self, const int8_t *point, gosset__wide *rank);
    /** rank < point_count is guaranteed by the caller. */
    void (*unrank)(const gosset_lattice *self, const gosset__wide *rank, int8_t *point);
    /**
     * scores[r] = sum_i x[i] * point_r[i] for every point, in the order of their ranks; for lattices of at
     * most GOSSET__LATTICE_MAX_CELLS points. `scratch`: scores_scratch() more integers.
     */
    void (*scores)(const gosset_lattice *self, const int32_t *x, int32_t *scores, int32_t *scratch);
    size_t (*scores_scratch)(const gosset_lattice *self);
    /**
     * The points whose scores are at most `gap` below the best, by rank; the gap is halved until there is room for all
     * of them, and of more that are best alike the first are taken. Magnitudes of scores are below 2^24. Returns their
     * number; 0 if this shell is too large for it. NULL where a family has no such search.
     */
    uint32_t (*near)(const gosset_lattice *self, const int32_t *x, int32_t gap, uint32_t room, gosset__near *near);
    /**
     * All points whose scores are above the threshold, by rank: some of many in less time than the scores of all take.
     * `found` has room for all points, `scratch` for above_scratch() integers; 0: not for this shell. Magnitudes of
     * scores and of the threshold are below 2^24. NULL where a family has no such search. For lattices as in `scores`.
     */
    uint32_t (*above)(const gosset_lattice *self, const gosset__kernels *kernels, const int32_t *x, int32_t threshold,
                      gosset__near *found, int32_t *scratch);
    size_t (*above_scratch)(const gosset_lattice *self);
} gosset__lattice_ops;

struct gosset_lattice {
    const gosset__lattice_ops *ops;
    gosset__env env;
    char spec[64];
    uint32_t dimension, code_size;
    uint32_t norm;           /* squared length of the integer points */
    uint32_t limit;          /* of the spec: largest |coordinate| wanted; 0 = not given */
    uint32_t max_coordinate; /* largest |coordinate| a point can have; <= 127 */
    float scale;             /* 1 / sqrt(norm): integer point to unit vector */
    gosset__wide point_count;
    size_t held; /* bytes allocated for it, its own struct among them */
    void *state;
};

extern const gosset__lattice_ops *const gosset__lattice_registry[]; /* NULL-terminated; registry.c */

#endif
