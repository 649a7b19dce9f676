/** Codes of windows (kernel/kernel.h) for what a cell leaves of a vector: the best one found, and what it stands for.
 */
#ifndef GOSSET_LATTICE_WINDOWS_H
#define GOSSET_LATTICE_WINDOWS_H

#include "kernel/kernel.h"

static inline uint32_t gosset__windows_size(const gosset__windows *code) { /* bytes of a code */
    return 4 * (code->words[0] + code->words[1] + code->words[2]);
}

/** Sets the words and, of every class, levels that suit normal variables: even steps for the first, for the others
 * found by Lloyd's algorithm on paths. Steps, weights and gains are 0. */
void gosset__windows_start(gosset__windows *code, const uint32_t words[GOSSET__WINDOW_CLASSES]);
/** gains[0] = 0: the centroid itself; the others are a geometric row that ends at `largest`. */
void gosset__windows_set_gains(gosset__windows *code, float largest);
/** What a level of 1 shall stand for at every place, for gain 1; that of the gain is left out. The nearest weights. */
void gosset__windows_set_steps(gosset__windows *code, const float *steps);
/** Roots from weights. */
void gosset__windows_set_roots(gosset__windows *code);

/**
 * Code of x, one float per place, 0 at that of the gain: for each of the gains around x's size the levels of least
 * squared error, by rounding in the first class and by the Viterbi algorithm in the others; the best of them.
 * Deterministic: the same floats give the same code on every CPU.
 */
void gosset__windows_encode(const gosset__windows *code, const float *x, uint8_t *out);

/** The window of every place of a code; at the last place of the first class, the gain's number. */
void gosset__windows_read(const gosset__windows *code, const uint8_t *from, uint8_t *windows);

/** Adds to x, one float per place, what the code stands for. */
void gosset__windows_add(const gosset__windows *code, const uint8_t *from, float *x);

#endif
