/** Scores of all points of a shell of the Leech lattice, about one addition each, in the order of their ranks
 * (leech.c). */
#include "lattice/leech.h"

enum {
    N = GOSSET__LEECH_DIMENSION,
    BYTES = N / 8,
    VALUES = 256,
    MAX_SIGNS = 1 << 11, /* of the twos on a word of weight 12 */
};

size_t gosset__leech_scores_scratch(const gosset_lattice *self) {
    (void)self;
    return 0;
}

/* ---- even shapes ------------------------------------------------------------------------------------------ */

/**
 * Scores of +-2 on a word of `weight` coordinates y, the last of which follows from the others: bit b of the position
 * is set if y_b is negative. `other` holds the same with the last sign changed.
 */
static void score_signs(const int32_t *y, uint32_t weight, uint32_t odd, int32_t *list) {
    int32_t other[MAX_SIGNS];
    int32_t sum = 0;
    const int32_t last = odd ? -2 * y[weight - 1] : 2 * y[weight - 1];
    for (uint32_t b = 0; b + 1 < weight; b++) sum += 2 * y[b];
    list[0] = sum + last;
    other[0] = sum - last;
    for (uint32_t b = 0; b + 1 < weight; b++) {
        const uint32_t size = 1u << b;
        const int32_t change = 4 * y[b];
        for (uint32_t i = 0; i < size; i++) {
            list[size + i] = other[i] - change;
            other[size + i] = list[i] - change;
        }
    }
}

static int32_t *append(int32_t *out, const int32_t *list, uint32_t count, int32_t score) {
    for (uint32_t i = 0; i < count; i++) out[i] = list[i] + score;
    return out + count;
}

/** The signs of the fours at up to two places, for every signing of the twos. */
static int32_t *score_fours(const int32_t *list, uint32_t count, uint32_t moved, int32_t first, int32_t second,
                            int32_t *out) {
    for (uint32_t signs = 0; signs < 1u << moved; signs++) {
        int32_t score = 0;
        if (moved > 0) score += signs & 1 ? -4 * first : 4 * first;
        if (moved > 1) score += signs & 2 ? -4 * second : 4 * second;
        out = append(out, list, count, score);
    }
    return out;
}

static int32_t *score_even(const gosset__leech_shape *shape, uint32_t word, const int32_t *x, int32_t *out) {
    int32_t list[MAX_SIGNS] = {0}, inside[N], outside[N];
    uint32_t count = 1, in = 0, off = 0;
    for (uint32_t j = 0; j < N; j++) {
        if (word >> j & 1)
            inside[in++] = x[j];
        else
            outside[off++] = x[j];
    }
    if (in > 0) {
        count = 1u << (in - 1);
        score_signs(inside, in, shape->moved & 1, list);
    }
    if (shape->moved == 0) return score_fours(list, count, 0, 0, 0, out);
    for (uint32_t last = 0; last < off; last++) {
        if (shape->moved == 1) out = score_fours(list, count, 1, outside[last], 0, out);
        for (uint32_t first = 0; shape->moved == 2 && first < last; first++)
            out = score_fours(list, count, 2, outside[first], outside[last], out);
    }
    return out;
}

/* ---- odd shapes ------------------------------------------------------------------------------------------- */

/** The coordinates of x with their signs changed on each of the words' bytes, and their sums. */
typedef struct signed_bytes {
    int32_t value[BYTES][VALUES][8];
    int32_t sum[BYTES][VALUES];
} signed_bytes;

static void fill_bytes(const int32_t *x, signed_bytes *bytes) {
    for (uint32_t b = 0; b < BYTES; b++)
        for (uint32_t v = 0; v < VALUES; v++) {
            int32_t sum = 0;
            for (uint32_t j = 0; j < 8; j++) {
                const int32_t mask = -(int32_t)(v >> j & 1);
                const int32_t value = (x[8 * b + j] ^ mask) - mask;
                bytes->value[b][v][j] = value;
                sum += value;
            }
            bytes->sum[b][v] = sum;
        }
}

static int32_t *score_odd(const gosset__leech_shape *shape, uint32_t word, const signed_bytes *bytes, int32_t *out) {
    int32_t y[N], sum = 0; /* y: what moving a coordinate adds */
    for (uint32_t b = 0; b < BYTES; b++) sum += bytes->sum[b][word >> 8 * b & 255];
    for (uint32_t b = 0; b < BYTES; b++) {
        const int32_t *value = bytes->value[b][word >> 8 * b & 255];
        for (uint32_t j = 0; j < 8; j++) y[8 * b + j] = shape->step * value[j];
    }
    if (shape->moved == 1) return append(out, y, N, sum);
    for (uint32_t last = 2; last < N; last++)
        for (uint32_t middle = 1; middle < last; middle++) out = append(out, y, middle, sum + y[middle] + y[last]);
    return out;
}

void gosset__leech_scores(const gosset_lattice *self, const int32_t *x, int32_t *scores, int32_t *scratch) {
    const gosset__leech *leech = self->state;
    signed_bytes bytes;
    (void)scratch;
    fill_bytes(x, &bytes);
    for (uint32_t i = 0; i < leech->shape_count; i++) {
        const gosset__leech_shape *shape = &leech->shapes[i];
        const uint32_t *words = gosset__leech_words(leech, shape), count = gosset__leech_word_count(leech, shape);
        for (uint32_t at = 0; at < count; at++) {
            const uint32_t word = words[at];
            scores = shape->odd ? score_odd(shape, word, &bytes, scores) : score_even(shape, word, x, scores);
        }
    }
}
