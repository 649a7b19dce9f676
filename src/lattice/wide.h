/** Unsigned 512-bit integers: ranks and counts of lattice points. Arithmetic is modulo 2^512. */
#ifndef GOSSET_LATTICE_WIDE_H
#define GOSSET_LATTICE_WIDE_H

#include <stddef.h>
#include <stdint.h>

enum {
    GOSSET__WIDE_WORDS = 8,
    GOSSET__WIDE_BITS = 64 * GOSSET__WIDE_WORDS,
    GOSSET__WIDE_BYTES = 8 * GOSSET__WIDE_WORDS,
    GOSSET__WIDE_DIGITS = 160 /* characters of the largest value in decimal, its end, and some air */
};

/** word[0] is the least significant. */
typedef struct gosset__wide {
    uint64_t word[GOSSET__WIDE_WORDS];
} gosset__wide;

gosset__wide gosset__wide_make(uint64_t value);
/** a += b, a -= b; the carry or borrow that was lost. */
uint64_t gosset__wide_add(gosset__wide *a, const gosset__wide *b);
uint64_t gosset__wide_sub(gosset__wide *a, const gosset__wide *b);
/** Negative, zero, positive as a < b, a == b, a > b. */
int gosset__wide_compare(const gosset__wide *a, const gosset__wide *b);
/** a *= factor; the word that was lost. */
uint64_t gosset__wide_mul_small(gosset__wide *a, uint64_t factor);
/** a /= divisor (not 0); the remainder. */
uint64_t gosset__wide_divmod_small(gosset__wide *a, uint64_t divisor);

/** Bits of the value: 0 for 0, else floor(log2) + 1. */
uint32_t gosset__wide_bits(const gosset__wide *a);
/** log2 of a value above 0. */
double gosset__wide_log2(const gosset__wide *a);
/** Decimal digits, zero-terminated. */
void gosset__wide_print(const gosset__wide *a, char out[GOSSET__WIDE_DIGITS]);

/** `size` little-endian bytes, at most GOSSET__WIDE_BYTES; store drops what does not fit. */
void gosset__wide_load(gosset__wide *out, const uint8_t *bytes, size_t size);
void gosset__wide_store(const gosset__wide *a, uint8_t *bytes, size_t size);

#endif
