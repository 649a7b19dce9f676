/**
 * Additive codes for what a cell leaves of a vector: a sum of words, one of 16 from each of some books (additive
 * quantization, Babenko and Lempitsky 2014), four bits each. The last four bits say how long the sum and the
 * centroid are together, which a score needs beside an inner product.
 */
#ifndef GOSSET_LATTICE_ADDITIVE_H
#define GOSSET_LATTICE_ADDITIVE_H

#include "kernel/kernel.h"

enum {
    GOSSET__ADDITIVE_BEAM = 32, /* beginnings of sums that are kept, at most */
    GOSSET__ADDITIVE_BYTES_MAX = 16,
    GOSSET__ADDITIVE_BOOKS_MAX = 2 * GOSSET__ADDITIVE_BYTES_MAX - 1,
    GOSSET__BOOK_WORDS = 16,
    GOSSET__ADDITIVE_WORDS_MAX = GOSSET__ADDITIVE_BOOKS_MAX * GOSSET__BOOK_WORDS
};

typedef struct gosset__additive {
    uint32_t books;       /* 0: codes are of another kind */
    uint32_t features;    /* of a word */
    float weight;         /* of the squared error of a length, beside the squared error of the vector */
    const float *lengths; /* 16, ascending: |centroid + sum|^2 - |centroid|^2 */
    const float *words;   /* books x 16 x features */
} gosset__additive;

static inline uint32_t gosset__additive_words(const gosset__additive *code) { /* of all books */
    return GOSSET__BOOK_WORDS * code->books;
}
static inline uint32_t gosset__additive_size(const gosset__additive *code) { /* bytes of a code */
    return (code->books + 1) / 2;
}

/** Inner products of all words, words x words, as the encoder needs them. */
void gosset__additive_products(const gosset__additive *code, const gosset__kernels *kernels, float *products);

/**
 * Numbers of the words for x, one of every book, and last that of the length. Beam search that keeps `beam` beginnings,
 * then the best of the survivors by squared error plus weighted error of the length. with_x and with_centroid: inner
 * products of all words with x and with the cell's centroid. Returns the squared error without that of the length, less
 * |x|^2. Deterministic: the same floats give the same code on every CPU.
 */
float gosset__additive_search(const gosset__additive *code, uint32_t beam, const float *products, const float *with_x,
                              const float *with_centroid, uint8_t *nibbles);
/** |centroid + sum|^2 - |centroid|^2 of the words found. */
float gosset__additive_length(const gosset__additive *code, const float *products, const float *with_centroid,
                              const uint8_t *nibbles);

/** Nibble 2 p is in the low half of byte p. */
void gosset__additive_pack(const gosset__additive *code, const uint8_t *nibbles, uint8_t *out);
/** Adds to x, features floats, what the code stands for. */
void gosset__additive_add(const gosset__additive *code, const uint8_t *from, float *x);

#endif
