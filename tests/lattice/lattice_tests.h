/** What the files of this program share. */
#ifndef GOSSET_TESTS_LATTICE_H
#define GOSSET_TESTS_LATTICE_H

#include "base/rng.h"
#include "lattice/codec.h"
#include "lattice/lattice.h"
#include <check.h>

/** Check sends word of every assertion that holds as well: where millions do, only the one that fails is an assertion.
 */
#define assert_each(condition)                                                                                         \
    do {                                                                                                               \
        if (!(condition)) ck_abort_msg("%s", #condition);                                                              \
    } while (0)

TCase *case_counts(void);
TCase *case_nearest(void);
TCase *case_e8(void);
TCase *case_leech(void);
TCase *case_codes(void);
TCase *case_contract(void);
TCase *case_codec(void);
TCase *case_windows(void);

/** Nanoseconds of the operations; and code errors over shell norms. To stdout. */
void bench_lattice(void);
void sweep_shells(void);

/** Fails the test if there is none. */
gosset_lattice *make_lattice(const char *spec);

/** How test vectors are made: the cases a search must not be surprised by. */
typedef enum vector_kind {
    UNIFORM, /* normal coordinates: uniform on the sphere */
    UNEQUAL, /* magnitudes over many orders */
    TIES,    /* small integers */
    SPARSE,  /* mostly zeros */
    SCALED,  /* normal times 1e-30 or 1e30 */
    HALVES,  /* near the rounding boundaries of the shell: a point plus halves */
    VECTOR_KINDS
} vector_kind;
void fill_vector(gosset__rng *rng, vector_kind kind, uint32_t dimension, float *x);

double inner(const float *x, const int8_t *point, uint32_t dimension);
double vector_length(const float *x, uint32_t dimension);
void assert_on_shell(const gosset_lattice *lattice, const int8_t *point);
/** The point found is on the shell and has an inner product that reaches `best` but for rounding. */
void assert_nearest(const gosset_lattice *lattice, const float *x, double best);
/** The largest inner product, over every point of a shell that is not too large for that. */
double best_of_all(const gosset_lattice *lattice, const float *x);

#endif
