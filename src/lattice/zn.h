/** The integer lattice on one shell, shared by its counting (zn.c) and its search (zn_nearest.c). */
#ifndef GOSSET_LATTICE_ZN_H
#define GOSSET_LATTICE_ZN_H

#include "lattice/lattice.h"

enum {
    GOSSET__ZN_MAX_NORM = 4096,
    /** Bound of dimension * (norm + 1): what the search's table of choices takes on the stack, in bytes. */
    GOSSET__ZN_MAX_AREA = 1 << 18
};

typedef struct gosset__zn {
    uint32_t limit; /* largest |coordinate| of a point */
    uint32_t limbs; /* words per count */
    float start;    /* where the search of the multiplier begins, see zn_nearest.c */
    /** count[(m * (norm + 1) + s) * limbs]: the number of z in Z^m within the limit with |z|^2 = s. */
    uint64_t *count;
    /** 1 + the most trailing coordinates that can share norm s in a point of the shell; 0 = no point does. */
    uint8_t *tail;
} gosset__zn;

void gosset__zn_nearest(const gosset_lattice *self, const float *x, int8_t *point);
uint32_t gosset__zn_near(const gosset_lattice *self, const int32_t *x, int32_t gap, uint32_t room, gosset__near *near);
uint32_t gosset__zn_above(const gosset_lattice *self, const gosset__kernels *kernels, const int32_t *x,
                          int32_t threshold, gosset__near *found, int32_t *scratch);
size_t gosset__zn_above_scratch(const gosset_lattice *self);

#endif
