/**
 * The two shortest shells of the Leech lattice, shared by counting and ranks (leech.c), scores (leech_scores.c) and
 * search (leech_nearest.c).
 *
 * Coordinates are integers, sqrt(8) times those of the lattice of norms 4, 6, 8 ... A point's coordinates are all even
 * or all odd. Its shape says which:
 *   - even: +-2 on a word of the Golay code, +-4 on `moved` other coordinates, 0 elsewhere, and as many of the twos
 *     negative, modulo 2, as there are fours;
 *   - odd: 1, or 1 + step on `moved` coordinates, and then all signs on a word changed.
 * Conway and Sloane, Sphere Packings, Lattices and Groups, chapter 4, section 11.
 */
#ifndef GOSSET_LATTICE_LEECH_H
#define GOSSET_LATTICE_LEECH_H

#include "lattice/golay.h"
#include "lattice/lattice.h"

enum { GOSSET__LEECH_DIMENSION = 24, GOSSET__LEECH_SHAPES = 4, GOSSET__LEECH_MAX_MOVED = 3 };

typedef struct gosset__leech_shape {
    uint32_t odd;
    uint32_t weight; /* of the words of an even shape */
    uint32_t moved;  /* at most GOSSET__LEECH_MAX_MOVED */
    int32_t step;    /* of an odd shape */
} gosset__leech_shape;

/**
 * The Golay code cut along its first octad: the 32 words outside the octad are, in coordinates outside[0 .. 15], the
 * first-order Reed-Muller code: affine[a] is the set of outside[i] with an odd number of bits in i & a, and the rest
 * are complements. All words: coset ^ affine, and of it the outside, the octad or both complemented.
 */
enum { GOSSET__LEECH_COSETS = 64, GOSSET__LEECH_AFFINE = 16, GOSSET__LEECH_LANES = 4 };
typedef float gosset__quad __attribute__((vector_size(16)));
typedef struct gosset__leech_cut {
    uint32_t octad;
    uint8_t outside[GOSSET__LEECH_AFFINE];
    uint32_t affine[GOSSET__LEECH_AFFINE];
    uint32_t coset[GOSSET__LEECH_COSETS];
    /** -1 on the coset, four cosets side by side; outside[] first, then the octad. */
    gosset__quad sign[GOSSET__LEECH_COSETS / GOSSET__LEECH_LANES][GOSSET__LEECH_DIMENSION];
} gosset__leech_cut;

typedef struct gosset__leech {
    const gosset__leech_shape *shapes;
    uint32_t shape_count;
    uint32_t first[GOSSET__LEECH_SHAPES + 1]; /* rank of a shape's first point */
    gosset__golay golay;
    gosset__leech_cut cut;
} gosset__leech;

/** A shape's words in the order of ranks: of one weight if it is even, all if it is odd. */
static inline const uint32_t *gosset__leech_words(const gosset__leech *leech, const gosset__leech_shape *shape) {
    return shape->odd ? leech->golay.word : leech->golay.sorted + leech->golay.first[shape->weight];
}
static inline uint32_t gosset__leech_word_count(const gosset__leech *leech, const gosset__leech_shape *shape) {
    if (shape->odd) return GOSSET__GOLAY_WORDS;
    return leech->golay.first[shape->weight + 1] - leech->golay.first[shape->weight];
}

void gosset__leech_fill_cut(const gosset__golay *golay, gosset__leech_cut *cut);
void gosset__leech_nearest(const gosset_lattice *self, const float *x, int8_t *point);
void gosset__leech_scores(const gosset_lattice *self, const int32_t *x, int32_t *scores, int32_t *scratch);
size_t gosset__leech_scores_scratch(const gosset_lattice *self);

#endif
