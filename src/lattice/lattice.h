/** What a lattice is to the rest of the library: integer points, one norm, a rank for each. */
#ifndef GOSSET_LATTICE_INTERNAL_H
#define GOSSET_LATTICE_INTERNAL_H

#include "base/env.h"
#include "lattice/wide.h" /* gosset__wide: 256-bit unsigned */
#include <gosset/lattice.h>

enum { GOSSET__LATTICE_MAX_DIMENSION = 128 };

typedef struct gosset__lattice_ops {
    const char *name;
    /** Fills point_count, max_coordinate and state; the dimension, norm and env are set. */
    gosset_status (*create)(gosset_lattice *self);
    void (*destroy)(gosset_lattice *self);
    /** The point of largest inner product with x. Exact; allocates nothing; thread-safe. */
    void (*nearest)(const gosset_lattice *self, const float *x, int8_t *point);
    void (*rank)(const gosset_lattice *self, const int8_t *point, gosset__wide *rank);
    /** rank < point_count is guaranteed by the caller. */
    void (*unrank)(const gosset_lattice *self, const gosset__wide *rank, int8_t *point);
} gosset__lattice_ops;

struct gosset_lattice {
    const gosset__lattice_ops *ops;
    gosset__env env;
    char spec[64];
    uint32_t dimension, norm, code_size;
    uint32_t max_coordinate; /* largest |coordinate| a point can have; <= 127 */
    float scale;             /* 1 / sqrt(norm): integer point to unit vector */
    gosset__wide point_count;
    void *state;
};

extern const gosset__lattice_ops *const gosset__lattice_registry[]; /* NULL-terminated; registry.c */

#endif
