/** Codes of windows (kernel/kernel.h) for what a cell leaves of a vector: the best one found, and what it stands for.
 */
#ifndef GOSSET_LATTICE_WINDOWS_H
#define GOSSET_LATTICE_WINDOWS_H

#include "kernel/kernel.h"

static inline uint32_t gosset__windows_size(const gosset__windows *code) { /* bytes of a code */
    return 4 * (code->words[0] + code->words[1] + code->words[2]);
}

/** Sets the words and, of every class, levels that suit normal variables. Steps, weights and gains are 0. */
void gosset__windows_start(gosset__windows *code, const uint32_t words[GOSSET__WINDOW_CLASSES]);
/** Works out what follows from words, terms of levels and weights. */
void gosset__windows_complete(gosset__windows *code);
/** gains[0] = 0: the centroid itself; the others are a geometric row that ends at `largest`. */
void gosset__windows_set_gains(gosset__windows *code, float largest);
/** What a level of 1 shall stand for at every place, for gain 1; that of the gain is left out. The nearest weights. */
void gosset__windows_set_steps(gosset__windows *code, const float *steps);

/**
 * Code of x, one float per place, 0 at that of the gain: for the gain nearest to x's size and for its
 * neighbour on the side where that errs the windows of least squared error, by the Viterbi algorithm; the better ones.
 * Deterministic: the same floats give the same code on every CPU. Needs 280 KB of stack.
 */
void gosset__windows_encode(const gosset__kernels *kernels, const gosset__windows *code, const float *x, uint8_t *out);

/** The window of every place of a code; at the first place, 16 times the gain's number. */
void gosset__windows_read(const gosset__windows *code, const uint8_t *from, uint8_t *windows);

/** Adds to x, one float per place, what the code stands for. */
void gosset__windows_add(const gosset__windows *code, const uint8_t *from, float *x);

#endif
