/**
 * @file gosset/lattice.h
 * Fixed sets of points on the unit sphere with an exact nearest-point rule: the codes and the cells of
 * every index. Nothing here is trained.
 */
#ifndef GOSSET_LATTICE_H
#define GOSSET_LATTICE_H

#include <gosset/common.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Immutable after creation: share it between threads freely. */
typedef struct gosset_lattice gosset_lattice;

/** Name of the i-th lattice family ("zn", "e8", "leech"), or NULL past the end. */
GOSSET_API const char *gosset_lattice_name(uint32_t index);

/**
 * Creates the points of one shell of a lattice, scaled to the unit sphere, named by a spec
 * "family:dimension:norm[:limit]". The norm is the squared length in the lattice's usual scale:
 *
 *   - "zn:24:79": { z in Z^24 : |z|^2 = 79 }, of any dimension; "zn:64:500:7" only those points whose
 *     coordinates are at most 7 in magnitude, so that they fit in fields of four bits;
 *   - "e8:24:74": { (z1, z2, z3) in E8^3 : |z1|^2 + |z2|^2 + |z3|^2 = 74 }, the norm shared freely between
 *     the blocks; the dimension is a multiple of 8, the norm even (E8's shortest vectors have 2) and at
 *     most 512. "e8:8:2" are the 240 points around a point of E8. At 64 and at 128 bits these lose about
 *     half as many bits to an ideal code as Z^n does;
 *   - "leech:24:4", "leech:24:6": the 196,560 shortest vectors of the Leech lattice, and the 16,773,120 next.
 *
 * @param[out] out  new lattice, the caller frees it; NULL on failure.
 * Errors: GOSSET_E_ARGUMENT for an unknown family, a dimension or norm the family does not have, an
 * empty shell, or one of more than 2^512 points.
 */
GOSSET_API GOSSET_CHECK_RESULT gosset_status gosset_lattice_create(gosset_lattice **out, const char *spec,
                                                                   const gosset_env *env);
GOSSET_API void gosset_lattice_free(gosset_lattice *lattice); /* NULL is fine */

typedef struct gosset_lattice_info {
    size_t struct_size;
    const char *spec; /* lives as long as the lattice */
    uint32_t dimension;
    uint32_t norm;         /* squared length of the integer points: the spec's times 1 (zn), 4 (e8), 8 (leech) */
    uint32_t code_size;    /* bytes of a compact code: ceil(bits / 8) */
    double bits;           /* log2 of the number of points */
    char point_count[160]; /* the exact number of points, in decimal */
} gosset_lattice_info;
GOSSET_API GOSSET_CHECK_RESULT gosset_status gosset_lattice_describe(const gosset_lattice *lattice,
                                                                     gosset_lattice_info *info);

/**
 * Nearest lattice point of each vector, as a compact code: its rank, little-endian, code_size bytes.
 * Vectors need not be unit length; only their direction counts (a zero vector gets a valid point).
 * The same floats give the same code on every CPU, thread and batch size: among equally near points the
 * choice is a fixed function of the vector; a coordinate that is zero counts as positive.
 *
 * @param vectors  count x dimension floats, row by row.
 * @param codes    count x code_size bytes, written in full.
 * Errors: GOSSET_E_ARGUMENT names the row that holds NaN or infinity; nothing is written then.
 */
GOSSET_API GOSSET_CHECK_RESULT gosset_status gosset_lattice_encode(const gosset_lattice *lattice, size_t count,
                                                                   const float *vectors, uint8_t *codes);

/** Inverse of encode: unit vectors. GOSSET_E_CORRUPT if a code names no point. */
GOSSET_API GOSSET_CHECK_RESULT gosset_status gosset_lattice_decode(const gosset_lattice *lattice, size_t count,
                                                                   const uint8_t *codes, float *vectors);

#ifdef __cplusplus
}
#endif
#endif /* GOSSET_LATTICE_H */
