/**
 * Shells of norm 4 (196,560 points) and norm 6 (16,773,120 points) of the Leech lattice.
 *
 * Points are ranked by shape, then by word, then by the places of the moved coordinates (among those outside the word
 * for even shapes) in colexicographic order, then by the signs of the fours and of the twos: bit b for the b-th of
 * them, set if negative; the last of the twos follows from the others. The first point has no negative coordinate.
 */
#include "lattice/leech.h"

#include "base/status.h"

#include <stdlib.h>
#include <string.h>

enum { SCALE = 8 }; /* squared length of the integers over the norm */

static const gosset__leech_shape shortest[] = {
    {.weight = 0, .moved = 2},          /* (4^2, 0^22): 1,104 */
    {.weight = 8, .moved = 0},          /* (2^8, 0^16): 97,152 */
    {.odd = 1, .moved = 1, .step = -4}, /* (3, 1^23): 98,304 */
};
static const gosset__leech_shape second[] = {
    {.weight = 12, .moved = 0},         /* (2^12, 0^12): 5,275,648 */
    {.weight = 8, .moved = 1},          /* (4, 2^8, 0^15): 3,108,864 */
    {.odd = 1, .moved = 3, .step = -4}, /* (3^3, 1^21): 8,290,304 */
    {.odd = 1, .moved = 1, .step = 4},  /* (5, 1^23): 98,304 */
};

/* ---- counting --------------------------------------------------------------------------------------------- */

static uint32_t choose(uint32_t n, uint32_t k) {
    uint32_t result = 1;
    for (uint32_t i = 1; i <= k; i++) result = result * (n + 1 - i) / i;
    return n < k ? 0 : result;
}

/** Ways to place the moved coordinates, and to sign the point, for one word. */
static uint32_t placement_count(const gosset__leech_shape *shape) {
    return choose(GOSSET__LEECH_DIMENSION - shape->weight, shape->moved);
}

static uint32_t free_signs(const gosset__leech_shape *shape) {
    return shape->weight > 0 ? shape->weight - 1 : 0;
}

static uint32_t sign_bits(const gosset__leech_shape *shape) {
    return shape->odd ? 0 : shape->moved + free_signs(shape);
}

static gosset_status leech_create(gosset_lattice *self) {
    gosset_status status = GOSSET_OK;
    GOSSET_REQUIRE(self->dimension == GOSSET__LEECH_DIMENSION, GOSSET_E_ARGUMENT,
                   "lattice %s: dimension: expected %d, found %u", self->spec, GOSSET__LEECH_DIMENSION,
                   self->dimension);
    GOSSET_REQUIRE(self->norm == 4 || self->norm == 6, GOSSET_E_ARGUMENT, "lattice %s: norm: expected 4 or 6, found %u",
                   self->spec, self->norm);
    GOSSET_REQUIRE(self->limit == 0, GOSSET_E_ARGUMENT, "lattice %s: limit: expected none, found %u", self->spec,
                   self->limit);
    gosset__leech *leech = gosset__alloc_zero(&self->env, sizeof *leech);
    if (leech == NULL) return gosset__no_memory("a lattice", sizeof *leech);
    self->state = leech;
    self->held += sizeof *leech;
    gosset__golay_fill(&leech->golay);
    gosset__leech_fill_cut(&leech->golay, &leech->cut);
    leech->shapes = self->norm == 4 ? shortest : second;
    leech->shape_count = self->norm == 4 ? sizeof shortest / sizeof *shortest : sizeof second / sizeof *second;
    for (uint32_t i = 0; i < leech->shape_count; i++) {
        const gosset__leech_shape *shape = &leech->shapes[i];
        leech->first[i + 1] =
            leech->first[i] + ((gosset__leech_word_count(leech, shape) * placement_count(shape)) << sign_bits(shape));
    }
    self->max_coordinate = self->norm == 4 ? 4 : 5;
    self->point_count = gosset__wide_make(leech->first[leech->shape_count]);
    self->norm *= SCALE;
out:
    return status;
}

static void leech_destroy(gosset_lattice *self) {
    gosset__free(&self->env, self->state);
}

/* ---- ranks ------------------------------------------------------------------------------------------------ */

/** What a point is made of, whatever its shape. */
typedef struct parts {
    uint32_t word, moved, negative; /* coordinates as bits */
} parts;

static parts take_apart(const int8_t *point) {
    parts p = {0, 0, 0};
    const int odd = point[0] & 1;
    for (uint32_t j = 0; j < GOSSET__LEECH_DIMENSION; j++) {
        const uint32_t bit = 1u << j;
        /* odd: 1 and 1 + step are alike modulo 4; even: only twos are 2 modulo 4 */
        if ((point[j] & 3) == (odd ? 3 : 2)) p.word |= bit;
        if (odd ? abs(point[j]) != 1 : abs(point[j]) == 4) p.moved |= bit;
        if (point[j] < 0) p.negative |= bit;
    }
    return p;
}

/** The bits of `from` at the places that are set in `mask`, pushed together; and back. */
static uint32_t gather(uint32_t from, uint32_t mask) {
    uint32_t out = 0, next = 0;
    for (; mask != 0; mask &= mask - 1, next++) out |= (from >> __builtin_ctz(mask) & 1) << next;
    return out;
}

static uint32_t spread(uint32_t from, uint32_t mask) {
    uint32_t out = 0;
    for (; mask != 0; mask &= mask - 1, from >>= 1)
        if (from & 1) out |= mask & -mask;
    return out;
}

static uint32_t rank_set(uint32_t set) {
    uint32_t rank = 0, size = 0;
    for (; set != 0; set &= set - 1) rank += choose((uint32_t)__builtin_ctz(set), ++size);
    return rank;
}

static uint32_t unrank_set(uint32_t rank, uint32_t size) {
    uint32_t set = 0;
    for (uint32_t place = GOSSET__LEECH_DIMENSION; size > 0; size--) {
        while (choose(place, size) > rank) place--;
        rank -= choose(place, size);
        set |= 1u << place;
    }
    return set;
}

static uint32_t find_shape(const gosset__leech *leech, const int8_t *point, const parts *p) {
    for (uint32_t i = 0;; i++) {
        const gosset__leech_shape *shape = &leech->shapes[i];
        if (shape->odd != (uint32_t)(point[0] & 1)) continue;
        if (shape->moved != (uint32_t)__builtin_popcount(p->moved)) continue;
        if (shape->odd || shape->weight == (uint32_t)__builtin_popcount(p->word)) return i;
    }
}

static uint32_t everywhere(void) {
    return (1u << GOSSET__LEECH_DIMENSION) - 1;
}

static void leech_rank(const gosset_lattice *self, const int8_t *point, gosset__wide *rank) {
    const gosset__leech *leech = self->state;
    const parts p = take_apart(point);
    const uint32_t number = find_shape(leech, point, &p);
    const gosset__leech_shape *shape = &leech->shapes[number];
    const uint32_t index = gosset__golay_index(p.word);
    uint32_t place = shape->odd ? index : leech->golay.place[index];
    place = place * placement_count(shape) + rank_set(shape->odd ? p.moved : gather(p.moved, everywhere() & ~p.word));
    if (!shape->odd) {
        const uint32_t most = (1u << free_signs(shape)) - 1;
        place = place << shape->moved | gather(p.negative, p.moved);
        place = place << free_signs(shape) | (gather(p.negative, p.word) & most);
    }
    *rank = gosset__wide_make(leech->first[number] + place);
}

static void unrank_even(const gosset__leech_shape *shape, uint32_t word, uint32_t moved, uint32_t signs,
                        int8_t *point) {
    uint32_t twos = signs & ((1u << free_signs(shape)) - 1);
    if (shape->weight > 0 && (((uint32_t)__builtin_popcount(twos) ^ shape->moved) & 1) != 0)
        twos |= 1u << free_signs(shape);
    const uint32_t negative = spread(twos, word) | spread(signs >> free_signs(shape), moved);
    for (uint32_t j = 0; j < GOSSET__LEECH_DIMENSION; j++) {
        const int size = word >> j & 1 ? 2 : moved >> j & 1 ? 4 : 0;
        point[j] = (int8_t)(negative >> j & 1 ? -size : size);
    }
}

static void leech_unrank(const gosset_lattice *self, const gosset__wide *rank, int8_t *point) {
    const gosset__leech *leech = self->state;
    const uint32_t target = (uint32_t)rank->word[0];
    uint32_t number = 0;
    while (target >= leech->first[number + 1]) number++;
    const gosset__leech_shape *shape = &leech->shapes[number];
    const uint32_t place = target - leech->first[number], signs = place & ((1u << sign_bits(shape)) - 1);
    const uint32_t placements = placement_count(shape), at = place >> sign_bits(shape);
    const uint32_t word = gosset__leech_words(leech, shape)[at / placements];
    const uint32_t set = unrank_set(at % placements, shape->moved);
    if (!shape->odd) {
        unrank_even(shape, word, spread(set, everywhere() & ~word), signs, point);
        return;
    }
    for (uint32_t j = 0; j < GOSSET__LEECH_DIMENSION; j++) {
        const int value = set >> j & 1 ? 1 + shape->step : 1;
        point[j] = (int8_t)(word >> j & 1 ? -value : value);
    }
}

const gosset__lattice_ops gosset__lattice_leech = {
    .name = "leech",
    .create = leech_create,
    .destroy = leech_destroy,
    .nearest = gosset__leech_nearest,
    .rank = leech_rank,
    .unrank = leech_unrank,
    .scores = gosset__leech_scores,
    .scores_scratch = gosset__leech_scores_scratch,
};
