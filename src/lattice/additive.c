#include "lattice/additive.h"

#include <string.h>

enum { BEAM = GOSSET__ADDITIVE_BEAM, WORDS = GOSSET__BOOK_WORDS };

/* The beginning of a sum y: cost = |y|^2 / 2 - <x, y>, half of what its squared error differs from that of no sum. */
typedef struct beginning {
    float cost;
    uint8_t words[GOSSET__ADDITIVE_BOOKS_MAX];
} beginning;

typedef struct extension {
    float cost;
    uint16_t from;
    uint16_t word;
} extension;

void gosset__additive_products(const gosset__additive *code, const gosset__kernels *kernels, float *products) {
    const uint32_t words = gosset__additive_words(code);
    for (uint32_t w = 0; w < words; w++)
        kernels->dot_rows(code->words + (size_t)w * code->features, code->words, words, code->features,
                          products + (size_t)w * words);
}

/* What each word of a book adds to the cost of a beginning. */
static void added_costs(const beginning *b, uint32_t book, uint32_t words, const float *products, const float *with_x,
                        float added[WORDS]) {
    const uint32_t first = book * WORDS;
    for (uint32_t i = 0; i < WORDS; i++) added[i] = b->cost - with_x[first + i];
    for (uint32_t i = 0; i < WORDS; i++) added[i] += 0.5f * products[(size_t)(first + i) * words + first + i];
    for (uint32_t l = 0; l < book; l++) {
        const float *row = products + (size_t)(l * WORDS + b->words[l]) * words + first;
        for (uint32_t i = 0; i < WORDS; i++) added[i] += row[i];
    }
}

/* Keeps the best, in ascending order; of equal ones those that came first. */
static uint32_t keep(extension *best, uint32_t count, uint32_t beam, extension found) {
    if (count == beam && !(found.cost < best[beam - 1].cost)) return count;
    uint32_t at = count < beam ? count : beam - 1;
    for (; at > 0 && found.cost < best[at - 1].cost; at--) best[at] = best[at - 1];
    best[at] = found;
    return count < beam ? count + 1 : count;
}

/* Every beginning with every word of the next book; the best of these. */
static uint32_t extend(const beginning *from, uint32_t count, uint32_t beam, uint32_t book, uint32_t words,
                       const float *products, const float *with_x, beginning *to) {
    extension best[BEAM];
    uint32_t kept = 0;
    for (uint32_t b = 0; b < count; b++) {
        float added[WORDS];
        added_costs(&from[b], book, words, products, with_x, added);
        for (uint32_t i = 0; i < WORDS; i++)
            kept = keep(best, kept, beam, (extension){added[i], (uint16_t)b, (uint16_t)i});
    }
    for (uint32_t b = 0; b < kept; b++) {
        memcpy(to[b].words, from[best[b].from].words, book);
        to[b].words[book] = (uint8_t)best[b].word;
        to[b].cost = best[b].cost;
    }
    return kept;
}

static uint32_t nearest_length(const gosset__additive *code, float length) {
    uint32_t l = 0;
    while (l + 1 < WORDS && length - code->lengths[l] > code->lengths[l + 1] - length) l++;
    return l;
}

float gosset__additive_length(const gosset__additive *code, const float *products, const float *with_centroid,
                              const uint8_t *nibbles) {
    const uint32_t words = gosset__additive_words(code);
    float length = 0;
    for (uint32_t k = 0; k < code->books; k++) {
        const float *row = products + (size_t)(k * WORDS + nibbles[k]) * words;
        float sum = 0;
        for (uint32_t l = 0; l < k; l++) sum += row[l * WORDS + nibbles[l]];
        length += 2 * (sum + with_centroid[k * WORDS + nibbles[k]]) + row[k * WORDS + nibbles[k]];
    }
    return length;
}

float gosset__additive_search(const gosset__additive *code, uint32_t beam, const float *products, const float *with_x,
                              const float *with_centroid, uint8_t *nibbles) {
    const uint32_t words = gosset__additive_words(code);
    beginning beams[2][BEAM];
    uint32_t count = 1, now = 0;
    float least = 0, error = 0;
    beams[0][0].cost = 0;
    for (uint32_t book = 0; book < code->books; book++, now = !now)
        count = extend(beams[now], count, beam, book, words, products, with_x, beams[!now]);
    for (uint32_t b = 0; b < count; b++) {
        const beginning *sum = &beams[now][b];
        const float length = gosset__additive_length(code, products, with_centroid, sum->words);
        const uint32_t nearest = nearest_length(code, length);
        const float off = length - code->lengths[nearest], total = 2 * sum->cost + code->weight * (off * off);
        if (b > 0 && !(total < least)) continue;
        least = total;
        error = 2 * sum->cost;
        memcpy(nibbles, sum->words, code->books);
        nibbles[code->books] = (uint8_t)nearest;
    }
    return error;
}

void gosset__additive_pack(const gosset__additive *code, const uint8_t *nibbles, uint8_t *out) {
    for (uint32_t p = 0; p < gosset__additive_size(code); p++)
        out[p] = (uint8_t)(nibbles[2 * p] | nibbles[2 * p + 1] << 4);
}

void gosset__additive_add(const gosset__additive *code, const uint8_t *from, float *x) {
    for (uint32_t book = 0; book < code->books; book++) {
        const uint32_t word = from[book / 2] >> (4 * (book % 2)) & 15;
        const float *words = code->words + ((size_t)book * WORDS + word) * code->features;
        for (uint32_t i = 0; i < code->features; i++) x[i] += words[i];
    }
}
