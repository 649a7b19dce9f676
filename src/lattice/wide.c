#include "lattice/wide.h"

#include "base/bytes.h"

#include <math.h>

__extension__ typedef unsigned __int128 word_pair; /* 64 x 64 -> 128 bits: one instruction where it matters */

gosset__wide gosset__wide_make(uint64_t value) {
    gosset__wide a = {{value}};
    return a;
}

uint64_t gosset__wide_add(gosset__wide *a, const gosset__wide *b) {
    uint64_t carry = 0;
    for (int i = 0; i < GOSSET__WIDE_WORDS; i++) {
        word_pair sum = (word_pair)a->word[i] + b->word[i] + carry;
        a->word[i] = (uint64_t)sum;
        carry = (uint64_t)(sum >> 64);
    }
    return carry;
}

uint64_t gosset__wide_sub(gosset__wide *a, const gosset__wide *b) {
    uint64_t borrow = 0;
    for (int i = 0; i < GOSSET__WIDE_WORDS; i++) {
        word_pair difference = (word_pair)a->word[i] - b->word[i] - borrow;
        a->word[i] = (uint64_t)difference;
        borrow = (uint64_t)(difference >> 64) & 1;
    }
    return borrow;
}

int gosset__wide_compare(const gosset__wide *a, const gosset__wide *b) {
    for (int i = GOSSET__WIDE_WORDS - 1; i >= 0; i--)
        if (a->word[i] != b->word[i]) return a->word[i] < b->word[i] ? -1 : 1;
    return 0;
}

uint64_t gosset__wide_mul_small(gosset__wide *a, uint64_t factor) {
    uint64_t carry = 0;
    for (int i = 0; i < GOSSET__WIDE_WORDS; i++) {
        word_pair product = (word_pair)a->word[i] * factor + carry;
        a->word[i] = (uint64_t)product;
        carry = (uint64_t)(product >> 64);
    }
    return carry;
}

uint64_t gosset__wide_divmod_small(gosset__wide *a, uint64_t divisor) {
    uint64_t remainder = 0;
    for (int i = GOSSET__WIDE_WORDS - 1; i >= 0; i--) {
        word_pair dividend = (word_pair)remainder << 64 | a->word[i];
        a->word[i] = (uint64_t)(dividend / divisor);
        remainder = (uint64_t)(dividend % divisor);
    }
    return remainder;
}

uint32_t gosset__wide_bits(const gosset__wide *a) {
    for (int i = GOSSET__WIDE_WORDS - 1; i >= 0; i--)
        if (a->word[i] != 0) return (uint32_t)(64 * (i + 1) - __builtin_clzll(a->word[i]));
    return 0;
}

double gosset__wide_log2(const gosset__wide *a) {
    double value = 0;
    for (int i = GOSSET__WIDE_WORDS - 1; i >= 0; i--) value = ldexp(value, 64) + (double)a->word[i];
    return log2(value);
}

void gosset__wide_print(const gosset__wide *a, char out[GOSSET__WIDE_DIGITS]) {
    char reversed[GOSSET__WIDE_DIGITS];
    gosset__wide rest = *a;
    size_t count = 0;
    do {
        reversed[count++] = (char)('0' + gosset__wide_divmod_small(&rest, 10));
    } while (gosset__wide_bits(&rest) > 0);
    for (size_t i = 0; i < count; i++) out[i] = reversed[count - 1 - i];
    out[count] = '\0';
}

void gosset__wide_load(gosset__wide *out, const uint8_t *bytes, size_t size) {
    *out = gosset__wide_make(0);
    memcpy(out->word, bytes, size);
}

void gosset__wide_store(const gosset__wide *a, uint8_t *bytes, size_t size) {
    memcpy(bytes, a->word, size);
}
