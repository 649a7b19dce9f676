/**
 * The point of a shell of the Leech lattice with the largest inner product with x, exactly: the best of each shape.
 *
 * Even shapes: signs follow x, so a word contributes 2 |x_j| for each of its coordinates, less 4 |x_j| for the smallest
 * of them if the number of negative ones is wrong; the fours go to the largest |x_j| outside. Odd shapes: with y = x
 * and its signs changed on the word, sum y_j and then step y_j for the largest of these.
 *
 * Most words are ruled out by a bound, in single precision and with a margin for it; the others are compared exactly:
 *   - even: twice the sum of |x_j| over the word, from tables by byte, and what the fours can bring;
 *   - odd: the sums of y_j over all 4096 words are 64 Walsh-Hadamard transforms of length 16, along the cut of
 *     gosset__leech_cut (as in Conway and Sloane 1986, Soft decoding techniques for codes and lattices); to these the
 *     most that a move can bring, again by byte.
 */
#include "lattice/leech.h"

#include <math.h>
#include <string.h>

enum {
    N = GOSSET__LEECH_DIMENSION,
    BYTES = N / 8,
    VALUES = 256,
    AFFINE = GOSSET__LEECH_AFFINE,
    LANES = GOSSET__LEECH_LANES,
    GROUPS = GOSSET__LEECH_COSETS / LANES,
    LEADING = 8, /* coordinates looked at before words are compared exactly */
    EVERYWHERE = (1 << N) - 1
};

/** Above the rounding of any bound here: sums of at most 32 numbers, together at most 12 for a unit vector. */
static const double MARGIN = 1e-4;

typedef union by_byte { /* a number for each value of each byte */
    float value[BYTES][VALUES];
    gosset__quad quad[BYTES][VALUES / LANES];
} by_byte;

typedef struct search {
    const gosset__leech *leech;
    double x[N];               /* of length 1 */
    double size[N];            /* |x_j| */
    uint32_t negative;         /* coordinates below 0, as bits */
    uint32_t leading[LEADING]; /* the largest coordinates in order */
    float leading_size[LEADING];
    float gain[GOSSET__LEECH_MAX_MOVED + 1]; /* the most that moving so many coordinates can bring */
    double best;
    float bar; /* bounds below are not looked at: best less the margin */
    int8_t *point;
} search;

/* ---- the code's cut --------------------------------------------------------------------------------------- */

void gosset__leech_fill_cut(const gosset__golay *golay, gosset__leech_cut *cut) {
    uint32_t basis[4], found = 0, cosets = 0;
    uint8_t seen[GOSSET__GOLAY_WORDS] = {0};
    cut->octad = golay->sorted[golay->first[8]];
    const uint32_t outside = EVERYWHERE & ~cut->octad;
    /* Four octads outside, of which no sum is empty or everything: a coordinate is named by those it is in. */
    for (uint32_t at = golay->first[8]; found < 4; at++) {
        const uint32_t word = golay->sorted[at];
        int independent = (word & cut->octad) == 0;
        for (uint32_t set = 0; set < 1u << found; set++) {
            uint32_t sum = word;
            for (uint32_t b = 0; b < found; b++)
                if (set >> b & 1) sum ^= basis[b];
            if (sum == 0 || sum == outside) independent = 0;
        }
        if (independent) basis[found++] = word;
    }
    for (uint32_t j = 0; j < N; j++) {
        uint32_t name = 0;
        for (uint32_t b = 0; b < 4; b++) name |= (basis[b] >> j & 1) << b;
        if (outside >> j & 1) cut->outside[name] = (uint8_t)j;
    }
    for (uint32_t a = 0; a < AFFINE; a++) {
        cut->affine[a] = 0;
        for (uint32_t b = 0; b < 4; b++)
            if (a >> b & 1) cut->affine[a] ^= basis[b];
    }
    for (uint32_t index = 0; index < GOSSET__GOLAY_WORDS; index++) {
        if (seen[index]) continue;
        const uint32_t word = golay->word[index];
        for (uint32_t a = 0; a < 4 * AFFINE; a++)
            seen[gosset__golay_index(word ^ cut->affine[a / 4] ^ (a & 1 ? outside : 0) ^ (a & 2 ? cut->octad : 0))] = 1;
        gosset__quad *sign = cut->sign[cosets / LANES];
        for (uint32_t i = 0; i < AFFINE; i++) (*sign++)[cosets % LANES] = word >> cut->outside[i] & 1 ? -1 : 1;
        for (uint32_t j = 0; j < N; j++)
            if (cut->octad >> j & 1) (*sign++)[cosets % LANES] = word >> j & 1 ? -1 : 1;
        cut->coset[cosets++] = word;
    }
}

/** The `count` largest keys among the coordinates of `mask`, the lower coordinate first: as bits; their sum is added.
 */
static uint32_t largest(const double *key, uint32_t mask, uint32_t count, double *sum) {
    uint32_t chosen = 0;
    for (; count > 0; count--) {
        uint32_t best = (uint32_t)__builtin_ctz(mask);
        for (uint32_t left = mask & (mask - 1); left != 0; left &= left - 1) {
            const uint32_t j = (uint32_t)__builtin_ctz(left);
            if (key[j] > key[best]) best = j;
        }
        *sum += key[best];
        chosen |= 1u << best;
        mask &= ~(1u << best);
    }
    return chosen;
}

static void set_best(search *s, double value) {
    s->best = value;
    s->bar = (float)(value - MARGIN);
}

/* ---- even shapes ------------------------------------------------------------------------------------------ */

static void try_even(search *s, const gosset__leech_shape *shape, uint32_t word) {
    double fours = 0, twos = 0;
    uint32_t smallest = N, negative = s->negative;
    for (uint32_t left = word; left != 0; left &= left - 1) {
        const uint32_t j = (uint32_t)__builtin_ctz(left);
        twos += s->size[j];
        if (smallest == N || s->size[j] < s->size[smallest]) smallest = j;
    }
    if (word != 0 && (((uint32_t)__builtin_popcount(negative & word) ^ shape->moved) & 1) != 0) {
        twos -= 2 * s->size[smallest];
        negative ^= 1u << smallest;
    }
    const uint32_t moved = largest(s->size, EVERYWHERE & ~word, shape->moved, &fours);
    const double value = 2 * twos + 4 * fours;
    if (!(value > s->best)) return;
    set_best(s, value);
    for (uint32_t j = 0; j < N; j++) {
        const int size = word >> j & 1 ? 2 : moved >> j & 1 ? 4 : 0;
        s->point[j] = (int8_t)(negative >> j & 1 ? -size : size);
    }
}

/** value[b][v]: the sum of |x_j| over the coordinates of byte b that are set in v. */
static void fill_sums(const search *s, by_byte *table) {
    for (uint32_t b = 0; b < BYTES; b++) {
        const double *size = s->size + 8 * b;
        const float first = (float)size[0], second = (float)size[1];
        table->quad[b][0] = (gosset__quad){0, first, second, first + second};
        for (uint32_t j = 2; j < 8; j++) {
            const float next = (float)size[j];
            const uint32_t half = 1u << (j - 2);
            for (uint32_t v = 0; v < half; v++) table->quad[b][half + v] = table->quad[b][v] + next;
        }
    }
}

static void search_even(search *s, const gosset__leech_shape *shape, const by_byte *sums) {
    const uint32_t *words = gosset__leech_words(s->leech, shape), count = gosset__leech_word_count(s->leech, shape);
    const float *low = sums->value[0], *middle = sums->value[1], *high = sums->value[2];
    float enough = (s->bar - s->gain[shape->moved]) / 2;
    for (uint32_t at = 0; at < count; at++) {
        const uint32_t word = words[at];
        if (low[word & 255] + middle[word >> 8 & 255] + high[word >> 16] > enough) {
            try_even(s, shape, word);
            enough = (s->bar - s->gain[shape->moved]) / 2;
        }
    }
}

/* ---- odd shapes ------------------------------------------------------------------------------------------- */

static void try_odd(search *s, const gosset__leech_shape *shape, uint32_t word) {
    double key[N], value = 0, moves = 0;
    for (uint32_t j = 0; j < N; j++) {
        const double y = word >> j & 1 ? -s->x[j] : s->x[j];
        value += y;
        key[j] = shape->step * y;
    }
    const uint32_t moved = largest(key, EVERYWHERE, shape->moved, &moves);
    value += moves;
    if (!(value > s->best)) return;
    set_best(s, value);
    for (uint32_t j = 0; j < N; j++) {
        const int size = moved >> j & 1 ? 1 + shape->step : 1;
        s->point[j] = (int8_t)(word >> j & 1 ? -size : size);
    }
}

/** At least what moving can bring on this word: right signs are looked for among the largest coordinates only. */
static float bound_moves(const search *s, const gosset__leech_shape *shape, uint32_t word) {
    const uint32_t right = shape->step < 0 ? word ^ s->negative : ~(word ^ s->negative);
    uint32_t left = shape->moved;
    float sum = 0;
    for (uint32_t i = 0; i < LEADING; i++)
        if (right >> s->leading[i] & 1) {
            sum += s->leading_size[i];
            if (--left == 0) return 4 * sum;
        }
    return 4 * (sum + (float)left * s->leading_size[LEADING - 1]);
}

static void butterflies(gosset__quad *v, uint32_t half) {
    for (uint32_t i = 0; i < AFFINE; i += 2 * half)
        for (uint32_t j = i; j < i + half; j++) {
            const gosset__quad a = v[j], b = v[j + half];
            v[j] = a + b;
            v[j + half] = a - b;
        }
}

/** Sums of y over the words of four cosets: with affine[a] outside[] has the sum sums[a], and the octad has `octad`. */
static void transform(const float *x, const gosset__quad *sign, gosset__quad *sums, gosset__quad *octad) {
    gosset__quad sum = {0, 0, 0, 0};
    for (uint32_t i = 0; i < AFFINE; i++) sums[i] = x[i] * sign[i];
    for (uint32_t i = AFFINE; i < N; i++) sum += x[i] * sign[i];
    *octad = sum;
    butterflies(sums, 1);
    butterflies(sums, 2);
    butterflies(sums, 4);
    butterflies(sums, 8);
}

typedef int32_t quad_bits __attribute__((vector_size(16)));

static gosset__quad size_of(gosset__quad a) {
    return (gosset__quad)((quad_bits)a & INT32_MAX);
}

static gosset__quad larger(gosset__quad a, gosset__quad b) {
    const quad_bits first = a > b;
    return (gosset__quad)((first & (quad_bits)a) | (~first & (quad_bits)b));
}

/** A word, changed in all of the outside or not and in all of the octad or not; the largest sum first. */
static void try_signs(search *s, const gosset__leech_shape *shape, uint32_t word, float outside, float octad) {
    const uint32_t cut = s->leech->cut.octad;
    const float enough = s->bar - s->gain[shape->moved];
    const float larger_sum = fabsf(outside) + fabsf(octad);
    if (outside < 0) word ^= EVERYWHERE & ~cut;
    if (octad < 0) word ^= cut;
    if (larger_sum + bound_moves(s, shape, word) > s->bar) try_odd(s, shape, word);
    const float sums[2] = {fabsf(outside) - fabsf(octad), fabsf(octad) - fabsf(outside)};
    for (uint32_t i = 0; i < 2; i++) {
        const uint32_t changed = word ^ (i == 0 ? cut : EVERYWHERE & ~cut);
        if (sums[i] > enough && sums[i] + bound_moves(s, shape, changed) > s->bar) try_odd(s, shape, changed);
    }
    if (-larger_sum > enough && bound_moves(s, shape, word ^ EVERYWHERE) - larger_sum > s->bar)
        try_odd(s, shape, word ^ EVERYWHERE);
}

/** The coset with the largest sum goes first, so that few others pass. */
static void search_odd(search *s, const gosset__leech_shape *shape) {
    const gosset__leech_cut *cut = &s->leech->cut;
    gosset__quad sums[GROUPS][AFFINE], octad[GROUPS], most[GROUPS];
    float x[N];
    uint32_t next = AFFINE, first = 0;
    for (uint32_t i = 0; i < AFFINE; i++) x[i] = (float)s->x[cut->outside[i]];
    for (uint32_t j = 0; j < N; j++)
        if (cut->octad >> j & 1) x[next++] = (float)s->x[j];
    float best = 0;
    for (uint32_t g = 0; g < GROUPS; g++) {
        transform(x, cut->sign[g], sums[g], &octad[g]);
        most[g] = size_of(sums[g][0]);
        for (uint32_t a = 1; a < AFFINE; a++) most[g] = larger(most[g], size_of(sums[g][a]));
        most[g] += size_of(octad[g]);
        for (uint32_t lane = 0; lane < LANES; lane++)
            if (most[g][lane] > best) {
                best = most[g][lane];
                first = g * LANES + lane;
            }
    }
    for (uint32_t turn = 0; turn < GOSSET__LEECH_COSETS; turn++) {
        const uint32_t c = turn ^ first, g = c / LANES, lane = c % LANES; /* the best coset, then all others */
        if (!(most[g][lane] + s->gain[shape->moved] > s->bar)) continue;
        const float other = octad[g][lane], enough = s->bar - s->gain[shape->moved] - fabsf(other);
        for (uint32_t a = 0; a < AFFINE; a++)
            if (fabsf(sums[g][a][lane]) > enough)
                try_signs(s, shape, cut->coset[c] ^ cut->affine[a], sums[g][a][lane], other);
    }
}

static int prepare(search *s, const float *x) {
    double length = 0;
    for (uint32_t j = 0; j < N; j++) length += (double)x[j] * x[j];
    if (!(length > 0 && length < HUGE_VAL)) return 0;
    const double scale = 1 / sqrt(length);
    for (uint32_t j = 0; j < N; j++) {
        s->x[j] = x[j] * scale;
        s->size[j] = fabs(s->x[j]);
        s->negative |= (uint32_t)(x[j] < 0) << j;
    }
    uint32_t left = EVERYWHERE;
    for (uint32_t i = 0; i < LEADING; i++) {
        double size = 0;
        const uint32_t bit = largest(s->size, left, 1, &size);
        s->leading[i] = (uint32_t)__builtin_ctz(bit);
        s->leading_size[i] = (float)size;
        left &= ~bit;
        if (i < GOSSET__LEECH_MAX_MOVED) s->gain[i + 1] = s->gain[i] + 4 * (float)size;
    }
    set_best(s, 0); /* every shape has points on both sides of any hyperplane */
    return 1;
}

void gosset__leech_nearest(const gosset_lattice *self, const float *x, int8_t *point) {
    const gosset__leech *leech = self->state;
    search s = {.leech = leech, .point = point};
    by_byte sums;
    if (!prepare(&s, x)) { /* zero; or a caller forgot to check, who still gets a point */
        const gosset__wide first = gosset__wide_make(0);
        self->ops->unrank(self, &first, point);
        return;
    }
    for (uint32_t i = 0; i < leech->shape_count; i++) /* odd shapes begin with a good word */
        if (leech->shapes[i].odd) search_odd(&s, &leech->shapes[i]);
    fill_sums(&s, &sums);
    for (uint32_t i = 0; i < leech->shape_count; i++)
        if (!leech->shapes[i].odd) search_even(&s, &leech->shapes[i], &sums);
}
