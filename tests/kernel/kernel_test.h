/** The parts of the kernel test: guarded memory, the walk over sizes, the benchmark. */
#ifndef GOSSET_TESTS_KERNEL_H
#define GOSSET_TESTS_KERNEL_H

#include "base/rng.h"
#include "kernel/kernel.h"

#include <stddef.h>
#include <stdio.h>

/**
 * Memory between two pages that may not be touched. The last byte lies `slack` bytes before the upper one (0: the
 * first byte read too far ends the test); bytes in front and behind hold a pattern that must survive.
 */
typedef struct guarded {
    void *data;
    size_t size, slack;
    unsigned char *mapping;
    size_t mapped; /* bytes between the two forbidden pages */
} guarded;
guarded guarded_make(size_t size, size_t slack);
void guarded_check(const guarded *memory); /* fails the test if a byte around the data changed */
void guarded_free(guarded *memory);        /* checks, too */

/** Every kernel of a level against the specification over awkward sizes. */
enum { KERNEL_COUNT = 18 };
extern const char *const kernel_names[KERNEL_COUNT];
/** Compares kernel `index` of `level` with `reference`; returns the number of comparisons made. */
size_t walk_kernel(int index, const gosset__kernels *level, const gosset__kernels *reference);

/** Prints ns per item and rates of every kernel of every level. Returns 0. */
int bench_kernels(FILE *out);

/** Data of every kind a kernel must survive: mostly normal, some zeros of both signs, some denormals. */
void fill_floats(gosset__rng *rng, float *data, size_t count);
/** kind 0: random, 1: all bytes 0, 2: all bytes 0xFF, 3: all 0x80, 4: all 0x7F. */
enum { BYTE_KINDS = 5 };
void fill_bytes(gosset__rng *rng, void *data, size_t count, int kind);

#endif
