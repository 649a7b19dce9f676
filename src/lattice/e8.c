/**
 * Points of E8^k of one norm: the norm is shared freely between the blocks.
 *
 * A block of norm n has 240 sigma_3(n / 2) points. They are ranked coordinate by coordinate, whole points first: values
 * in the order 0, +1, -1, +2, ... (undoubled), then odd ones in the order +1, -1, +3, ... (doubled). The parity of a
 * whole point's sum is that of its norm; of odd numbers with given magnitudes half of the signs give the sum wanted.
 *
 * Several blocks: those with a smaller first block come first, then
 *     rank = rank of the first block + points of its norm * rank of the other blocks,
 * so that taking a rank apart divides by numbers of one word only.
 */
#include "lattice/e8.h"

#include "base/status.h"
#include "lattice/limbs.h"

#include <math.h>
#include <string.h>

static const uint64_t *whole_at(const gosset__e8 *e8, uint32_t dimension, uint32_t norm) {
    return e8->whole + (size_t)dimension * (e8->shell + 1) + norm;
}

static const uint64_t *odd_at(const gosset__e8 *e8, uint32_t dimension, uint32_t triangles) {
    return e8->odd + (size_t)dimension * (e8->shell / 2) + triangles;
}

/* ---- counting --------------------------------------------------------------------------------------------- */

static void fill_coordinates(gosset__e8 *e8) {
    const uint32_t norms = e8->shell + 1, triangles = e8->shell / 2;
    memset(e8->whole, 0, norms * sizeof *e8->whole);
    memset(e8->odd, 0, triangles * sizeof *e8->odd);
    e8->whole[0] = e8->odd[0] = 1;
    for (uint32_t m = 1; m <= GOSSET__E8_DIMENSION; m++) {
        for (uint32_t s = 0; s < norms; s++) {
            uint64_t sum = *whole_at(e8, m - 1, s);
            for (uint32_t v = 1; v * v <= s; v++) sum += 2 * *whole_at(e8, m - 1, s - v * v);
            e8->whole[m * norms + s] = sum;
        }
        for (uint32_t h = 0; h < triangles; h++) {
            uint64_t sum = 0;
            for (uint32_t u = 1; gosset__e8_triangle(u) <= h; u += 2)
                sum += 2 * *odd_at(e8, m - 1, h - gosset__e8_triangle(u));
            e8->odd[m * triangles + h] = sum;
        }
    }
}

/** Odd points of norm n: 8 odd squares sum to 4 n, and half of the signs are right. */
static uint64_t odd_points(const gosset__e8 *e8, uint32_t norm) {
    return norm < 2 ? 0 : *odd_at(e8, GOSSET__E8_DIMENSION, norm / 2 - 1) / 2;
}

/** All counts are below 2^512: E8^16 has about 2^385 points of norm GOSSET__E8_MAX_NORM. */
static void fill_counts(gosset__e8 *e8) {
    const uint32_t row = e8->shell / 2 + 1;
    for (uint32_t i = 0; i < row; i++) {
        e8->block[i] = *whole_at(e8, GOSSET__E8_DIMENSION, 2 * i) + odd_points(e8, 2 * i);
        e8->count[i] = gosset__wide_make(i == 0);
    }
    for (uint32_t m = 1; m <= e8->blocks; m++)
        for (uint32_t i = 0; i < row; i++) {
            gosset__wide sum = gosset__wide_make(0);
            for (uint32_t j = 0; j <= i; j++) {
                gosset__wide product = e8->count[(m - 1) * row + i - j];
                gosset__wide_mul_small(&product, e8->block[j]);
                gosset__wide_add(&sum, &product);
            }
            e8->count[m * row + i] = sum;
        }
}

static gosset_status allocate(gosset_lattice *self, gosset__e8 *e8) {
    const uint32_t row = e8->shell / 2 + 1;
    const size_t whole = (GOSSET__E8_DIMENSION + 1) * (size_t)(e8->shell + 1);
    const size_t odd = (GOSSET__E8_DIMENSION + 1) * (size_t)(e8->shell / 2);
    const size_t words = whole + odd + row;
    e8->whole = gosset__alloc_array(&self->env, words, sizeof *e8->whole);
    if (e8->whole == NULL) return gosset__no_memory("the counts of a lattice", words * sizeof *e8->whole);
    e8->odd = e8->whole + whole;
    e8->block = e8->odd + odd;
    const size_t counts = (size_t)(e8->blocks + 1) * row;
    e8->count = gosset__alloc_array(&self->env, counts, sizeof *e8->count);
    if (e8->count == NULL) return gosset__no_memory("the counts of a lattice", counts * sizeof *e8->count);
    self->held += sizeof *e8 + words * sizeof *e8->whole + counts * sizeof *e8->count;
    return GOSSET_OK;
}

/** Largest doubled coordinate: the rest of the norm can always be made up by seven more. */
static uint32_t largest_coordinate(uint32_t shell) {
    uint32_t largest = 0;
    for (uint32_t u = 1; u * u <= 4 * shell; u++)
        if (u % 2 == 0 || u * u + 7 <= 4 * shell) largest = u;
    return largest;
}

static gosset_status e8_create(gosset_lattice *self) {
    gosset_status status = GOSSET_OK;
    GOSSET_REQUIRE(self->dimension % GOSSET__E8_DIMENSION == 0, GOSSET_E_ARGUMENT,
                   "lattice %s: dimension: expected a multiple of 8, found %u", self->spec, self->dimension);
    GOSSET_REQUIRE(self->norm % 2 == 0 && self->norm <= GOSSET__E8_MAX_NORM, GOSSET_E_ARGUMENT,
                   "lattice %s: norm: expected an even number, at most %d, found %u", self->spec, GOSSET__E8_MAX_NORM,
                   self->norm);
    GOSSET_REQUIRE(self->limit == 0, GOSSET_E_ARGUMENT, "lattice %s: limit: expected none, found %u", self->spec,
                   self->limit);
    gosset__e8 *e8 = gosset__alloc_zero(&self->env, sizeof *e8);
    if (e8 == NULL) return gosset__no_memory("a lattice", sizeof *e8);
    self->state = e8;
    e8->shell = self->norm;
    e8->blocks = self->dimension / GOSSET__E8_DIMENSION;
    GOSSET_TRY(allocate(self, e8));
    fill_coordinates(e8);
    fill_counts(e8);
    GOSSET_TRY(gosset__e8_create_leaders(&self->env, e8));
    self->held += gosset__e8_leaders_size(e8);
    self->norm = 4 * e8->shell;
    self->max_coordinate = largest_coordinate(e8->shell);
    self->point_count = *gosset__e8_count(e8, e8->blocks, e8->shell);
    e8->limbs = (gosset__wide_bits(&self->point_count) + 63) / 64;
out:
    return status;
}

static void e8_destroy(gosset_lattice *self) {
    gosset__e8 *e8 = self->state;
    if (e8 == NULL) return;
    gosset__free(&self->env, e8->whole);
    gosset__free(&self->env, e8->count);
    gosset__free(&self->env, e8->first);
    gosset__free(&self->env, e8->leaders);
    gosset__free(&self->env, e8);
}

/* ---- ranks of one block ----------------------------------------------------------------------------------- */

static uint64_t rank_whole(const gosset__e8 *e8, const int8_t *point, uint32_t left) {
    uint64_t rank = 0;
    for (uint32_t i = 0; i < GOSSET__E8_DIMENSION; i++) {
        const uint32_t rest = GOSSET__E8_DIMENSION - 1 - i;
        const uint32_t size = (uint32_t)(point[i] < 0 ? -point[i] : point[i]) / 2;
        if (size == 0) continue;
        rank += *whole_at(e8, rest, left);
        for (uint32_t v = 1; v < size; v++) rank += 2 * *whole_at(e8, rest, left - v * v);
        left -= size * size;
        if (point[i] < 0) rank += *whole_at(e8, rest, left);
    }
    return rank;
}

/** Ways to end with `rest` odd numbers; without any left, only a right sum counts. `turned`: of the values so far and
 *  the next, an odd number are 3 modulo 4. */
static uint64_t odd_endings(const gosset__e8 *e8, uint32_t rest, uint32_t triangles, int turned) {
    if (rest == 0) return triangles == 0 && !turned;
    return *odd_at(e8, rest, triangles) / 2;
}

static int is_turned(int value) {
    return (value & 3) == 3;
}

static uint64_t rank_odd(const gosset__e8 *e8, const int8_t *point, uint32_t left) {
    uint64_t rank = 0;
    int turned = 0;
    for (uint32_t i = 0; i < GOSSET__E8_DIMENSION; i++) {
        const uint32_t rest = GOSSET__E8_DIMENSION - 1 - i;
        for (int value = 1; value != point[i]; value = value > 0 ? -value : 2 - value) {
            const uint32_t spent = gosset__e8_triangle((uint32_t)(value < 0 ? -value : value));
            rank += odd_endings(e8, rest, left - spent, turned ^ is_turned(value));
        }
        left -= gosset__e8_triangle((uint32_t)(point[i] < 0 ? -point[i] : point[i]));
        turned ^= is_turned(point[i]);
    }
    return rank;
}

static uint64_t rank_block(const gosset__e8 *e8, const int8_t *point, uint32_t norm) {
    if (point[0] % 2 == 0) return rank_whole(e8, point, norm);
    return *whole_at(e8, GOSSET__E8_DIMENSION, norm) + rank_odd(e8, point, norm / 2 - 1);
}

static void unrank_whole(const gosset__e8 *e8, uint64_t rank, uint32_t left, int8_t *point) {
    for (uint32_t i = 0; i < GOSSET__E8_DIMENSION; i++) {
        const uint32_t rest = GOSSET__E8_DIMENSION - 1 - i;
        int value = 0;
        for (uint64_t count; rank >= (count = *whole_at(e8, rest, left - (uint32_t)(value * value)));) {
            rank -= count;
            value = value > 0 ? -value : 1 - value;
        }
        left -= (uint32_t)(value * value);
        point[i] = (int8_t)(2 * value);
    }
}

static void unrank_odd(const gosset__e8 *e8, uint64_t rank, uint32_t left, int8_t *point) {
    int turned = 0;
    for (uint32_t i = 0; i < GOSSET__E8_DIMENSION; i++) {
        const uint32_t rest = GOSSET__E8_DIMENSION - 1 - i;
        int value = 1;
        uint32_t spent = 0;
        for (uint64_t count; rank >= (count = odd_endings(e8, rest, left - spent, turned ^ is_turned(value)));) {
            rank -= count;
            value = value > 0 ? -value : 2 - value;
            spent = gosset__e8_triangle((uint32_t)(value < 0 ? -value : value));
        }
        left -= spent;
        turned ^= is_turned(value);
        point[i] = (int8_t)value;
    }
}

static void unrank_block(const gosset__e8 *e8, uint64_t rank, uint32_t norm, int8_t *point) {
    const uint64_t whole = *whole_at(e8, GOSSET__E8_DIMENSION, norm);
    if (rank < whole)
        unrank_whole(e8, rank, norm, point);
    else
        unrank_odd(e8, rank - whole, norm / 2 - 1, point);
}

/* ---- ranks ------------------------------------------------------------------------------------------------ */

/** Points of `blocks` blocks and norm `norm` whose first block has norm `first`. */
static void count_split(const gosset__e8 *e8, uint32_t blocks, uint32_t norm, uint32_t first, uint64_t *count) {
    gosset__limbs_multiply(count, gosset__e8_count(e8, blocks - 1, norm - first)->word, e8->block[first / 2],
                           e8->limbs);
}

static uint32_t block_norm(const int8_t *point) {
    uint32_t sum = 0;
    for (uint32_t i = 0; i < GOSSET__E8_DIMENSION; i++) sum += (uint32_t)(point[i] * point[i]);
    return sum / 4;
}

static void e8_rank(const gosset_lattice *self, const int8_t *point, gosset__wide *rank) {
    const gosset__e8 *e8 = self->state;
    uint32_t norm = 0; /* of the blocks ranked so far, from the last to the first */
    gosset__wide count;
    *rank = gosset__wide_make(0);
    for (uint32_t blocks = 1; blocks <= e8->blocks; blocks++) {
        const int8_t *at = point + (e8->blocks - blocks) * GOSSET__E8_DIMENSION;
        const uint32_t first = block_norm(at);
        norm += first;
        gosset__limbs_multiply(rank->word, rank->word, e8->block[first / 2], e8->limbs);
        const gosset__wide place = gosset__wide_make(rank_block(e8, at, first));
        gosset__limbs_add(rank->word, place.word, e8->limbs);
        for (uint32_t smaller = 0; smaller < first; smaller += 2) {
            count_split(e8, blocks, norm, smaller, count.word);
            gosset__limbs_add(rank->word, count.word, e8->limbs);
        }
    }
}

static void e8_unrank(const gosset_lattice *self, const gosset__wide *rank, int8_t *point) {
    const gosset__e8 *e8 = self->state;
    gosset__wide left = *rank, count;
    uint32_t norm = e8->shell;
    for (uint32_t blocks = e8->blocks; blocks > 0; blocks--, point += GOSSET__E8_DIMENSION) {
        uint32_t first = blocks == 1 ? norm : 0;
        for (; blocks > 1; first += 2) {
            count_split(e8, blocks, norm, first, count.word);
            if (gosset__limbs_less(left.word, count.word, e8->limbs)) break;
            gosset__limbs_subtract(left.word, count.word, e8->limbs);
        }
        unrank_block(e8, gosset__limbs_divide(left.word, e8->block[first / 2], e8->limbs), first, point);
        norm -= first;
    }
}

const gosset__lattice_ops gosset__lattice_e8 = {
    .name = "e8",
    .create = e8_create,
    .destroy = e8_destroy,
    .nearest = gosset__e8_nearest,
    .rank = e8_rank,
    .unrank = e8_unrank,
    .scores = gosset__e8_scores,
    .scores_scratch = gosset__e8_scores_scratch,
};
