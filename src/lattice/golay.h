/** The binary Golay code of length 24: 4096 words, any two of which differ in at least 8 places. */
#ifndef GOSSET_LATTICE_GOLAY_H
#define GOSSET_LATTICE_GOLAY_H

#include <stdint.h>

enum { GOSSET__GOLAY_LENGTH = 24, GOSSET__GOLAY_WORDS = 4096 };

typedef struct gosset__golay {
    uint32_t word[GOSSET__GOLAY_WORDS];       /* by index: bit j is coordinate j */
    uint32_t sorted[GOSSET__GOLAY_WORDS];     /* words by weight, then by index */
    uint16_t place[GOSSET__GOLAY_WORDS];      /* of an index among those of its weight */
    uint16_t first[GOSSET__GOLAY_LENGTH + 2]; /* in `sorted`, by weight: 1, 759, 2576, 759, 1 of 0, 8, 12, 16, 24 */
} gosset__golay;

void gosset__golay_fill(gosset__golay *golay);

/** Twelve places that determine a word; the complement of a word has the complement of its index. */
static inline uint32_t gosset__golay_index(uint32_t word) {
    return word >> 11 & (GOSSET__GOLAY_WORDS - 1);
}

#endif
