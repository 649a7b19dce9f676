/** Codes of windows (kernel/kernel.h) for what a cell leaves of a vector: the best one found, and what it stands for.
 */
#ifndef GOSSET_LATTICE_WINDOWS_H
#define GOSSET_LATTICE_WINDOWS_H

#include "kernel/kernel.h"

static inline uint32_t gosset__windows_size(const gosset__windows *code) { /* bytes of a code */
    return 4 * (code->words[0] + code->words[1] + code->words[2]);
}

/**
 * Where there are more bits than 4 for every dimension, places behind the first class are for dimensions again: the
 * first of them for what place 1 leaves, and so on; those behind the `repeats` are for nothing. The scan knows nothing
 * of it: it adds the squares of both parts and not twice their product, so the encoder makes the second part of a
 * code perpendicular to the first.
 */
static inline uint32_t gosset__windows_distinct(const gosset__windows *code) { /* places of different dimensions */
    return code->repeats > 0 ? 8 * code->words[0] : gosset__windows_places(code);
}
/** The place a place repeats, itself if it does not, 0 if it is for nothing. */
static inline uint32_t gosset__windows_original(const gosset__windows *code, uint32_t place) {
    const uint32_t distinct = gosset__windows_distinct(code);
    if (place < distinct) return place;
    return place - distinct < code->repeats ? place - distinct + 1 : 0;
}
/** Makes all places behind the first class repeat its places, as far as there are such. */
void gosset__windows_repeat(gosset__windows *code);

/** Sets the words and, of every class, levels that suit normal variables. Steps, weights and gains are 0. */
void gosset__windows_start(gosset__windows *code, const uint32_t words[GOSSET__WINDOW_CLASSES]);
/** Works out what follows from words, terms of levels and weights. */
void gosset__windows_complete(gosset__windows *code);
/** gains[0] = 0: the centroid itself; the others are a geometric row that ends at `largest`. */
void gosset__windows_set_gains(gosset__windows *code, float largest);
/** What a level of 1 shall stand for at every place, for gain 1; that of the gain is left out. The nearest weights. */
void gosset__windows_set_steps(gosset__windows *code, const float *steps);

/**
 * Code of x, one float per place (those of repeats are not looked at), 0 at that of the gain: for the gain nearest to
 * x's size and for its neighbour on the side where that errs the windows of least squared error, by the Viterbi
 * algorithm; the better ones. Repeats are then searched for what these leave. Deterministic: the same floats give the
 * same code on every CPU. Needs 280 KB of stack.
 */
void gosset__windows_encode(const gosset__kernels *kernels, const gosset__windows *code, const float *x, uint8_t *out);

/** The window of every place of a code; at the first place, 16 times the gain's number. */
void gosset__windows_read(const gosset__windows *code, const uint8_t *from, uint8_t *windows);

/** Adds to the first `places` of sums, one float per place, what a code stands for there over the root of the weight:
 * the levels' values alone, 0 at the gain's. */
void gosset__windows_add_first(const gosset__windows *code, const uint8_t *from, uint32_t places, float *sums);

/** Writes into x, one float per place, what its code was to say at its repeats. */
void gosset__windows_leave(const gosset__windows *code, const uint8_t *from, float *x);

/** Adds to x, one float per place, what the code stands for; what repeats say to the places they repeat. */
void gosset__windows_add(const gosset__windows *code, const uint8_t *from, float *x);

#endif
