/** Arithmetic on counts of points: `limbs` words, least significant first, modulo 2^(64 limbs). */
#ifndef GOSSET_LATTICE_LIMBS_H
#define GOSSET_LATTICE_LIMBS_H

#include <stdint.h>

__extension__ typedef unsigned __int128 gosset__word_pair;

static inline void gosset__limbs_add(uint64_t *a, const uint64_t *b, uint32_t limbs) {
    uint64_t carry = 0;
    for (uint32_t i = 0; i < limbs; i++) {
        const gosset__word_pair sum = (gosset__word_pair)a[i] + b[i] + carry;
        a[i] = (uint64_t)sum;
        carry = (uint64_t)(sum >> 64);
    }
}

static inline void gosset__limbs_subtract(uint64_t *a, const uint64_t *b, uint32_t limbs) {
    uint64_t borrow = 0;
    for (uint32_t i = 0; i < limbs; i++) {
        const gosset__word_pair difference = (gosset__word_pair)a[i] - b[i] - borrow;
        a[i] = (uint64_t)difference;
        borrow = (uint64_t)(difference >> 64) & 1;
    }
}

static inline int gosset__limbs_less(const uint64_t *a, const uint64_t *b, uint32_t limbs) {
    for (uint32_t i = limbs; i-- > 0;)
        if (a[i] != b[i]) return a[i] < b[i];
    return 0;
}

/** out = a * factor; `out` may be `a`. */
static inline void gosset__limbs_multiply(uint64_t *out, const uint64_t *a, uint64_t factor, uint32_t limbs) {
    uint64_t carry = 0;
    for (uint32_t i = 0; i < limbs; i++) {
        const gosset__word_pair product = (gosset__word_pair)a[i] * factor + carry;
        out[i] = (uint64_t)product;
        carry = (uint64_t)(product >> 64);
    }
}

/** a /= divisor; the remainder. */
static inline uint64_t gosset__limbs_divide(uint64_t *a, uint64_t divisor, uint32_t limbs) {
    uint64_t rest = 0;
    for (uint32_t i = limbs; i-- > 0;) {
        const gosset__word_pair value = (gosset__word_pair)rest << 64 | a[i];
        a[i] = (uint64_t)(value / divisor);
        rest = (uint64_t)(value % divisor);
    }
    return rest;
}

#endif
