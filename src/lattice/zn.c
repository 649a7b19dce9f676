/**
 * The integer lattice on one shell: { z in Z^n : |z|^2 = norm, |z_i| <= limit }.
 *
 * Points are ranked coordinate by coordinate, the values in the order 0, +1, -1, +2, -2, ...: the rank is
 * the number of points that come before, a sum of table entries and no division. In this order the points of
 * Z^m with a given norm are a prefix of those of Z^(m+1) (whose first coordinate is 0), which makes the scores
 * of all points one addition each.
 */
#include "lattice/zn.h"

#include "base/status.h"
#include "lattice/limbs.h"

#include <math.h>
#include <string.h>

static const uint64_t *count_at(const gosset_lattice *self, uint32_t dimension, uint32_t norm) {
    const gosset__zn *zn = self->state;
    return zn->count + ((size_t)dimension * (self->norm + 1) + norm) * zn->limbs;
}

/* ---- counting --------------------------------------------------------------------------------------------- */

/** log2 of the number of points, from counts in floating point (sums of positive terms: relative error below
 *  1e-12); -1 for an empty shell, infinity when there are far too many. `row`: norm + 1 doubles. */
static double estimate_bits(uint32_t dimension, uint32_t norm, uint32_t limit, double *row) {
    memset(row, 0, (norm + 1) * sizeof *row);
    row[0] = 1;
    for (uint32_t m = 0; m < dimension; m++)
        for (uint32_t s = norm; s > 0; s--) { /* downwards: row[s - v^2] is still that of m */
            double sum = 0;
            for (uint32_t v = 1; v <= limit && v * v <= s; v++) sum += row[s - v * v];
            row[s] += 2 * sum;
        }
    return row[norm] > 0 ? log2(row[norm]) : -1;
}

/** Fills the table by convolution with 1 + 2q + 2q^4 + ... Counts that no point of the shell needs may wrap. */
static void fill_counts(gosset_lattice *self) {
    const gosset__zn *zn = self->state;
    const uint32_t limbs = zn->limbs;
    memset(zn->count, 0, (size_t)(self->norm + 1) * limbs * sizeof *zn->count);
    zn->count[0] = 1;
    for (uint32_t m = 1; m <= self->dimension; m++)
        for (uint32_t s = 0; s <= self->norm; s++) {
            uint64_t *sum = zn->count + ((size_t)m * (self->norm + 1) + s) * limbs;
            memset(sum, 0, limbs * sizeof *sum);
            for (uint32_t v = 1; v <= zn->limit && v * v <= s; v++)
                gosset__limbs_add(sum, count_at(self, m - 1, s - v * v), limbs);
            gosset__limbs_add(sum, sum, limbs);
            gosset__limbs_add(sum, count_at(self, m - 1, s), limbs);
        }
}

/** See gosset__zn.tail: n - m leading coordinates must be able to make up for the rest of the norm. */
static void fill_tails(gosset_lattice *self) {
    const gosset__zn *zn = self->state;
    static const uint64_t zero[GOSSET__WIDE_WORDS];
    for (uint32_t s = 0; s <= self->norm; s++) {
        zn->tail[s] = 0;
        for (uint32_t m = 0; m < self->dimension; m++)
            if (gosset__limbs_less(zero, count_at(self, self->dimension - m, self->norm - s), zn->limbs))
                zn->tail[s] = (uint8_t)(m + 1);
    }
}

/**
 * The multiplier's usual value: with x normal of variance norm / n, the t for which the rounded t * x has
 * the norm wanted on average. Only speed depends on it.
 */
static float usual_start(uint32_t dimension, uint32_t norm, uint32_t limit) {
    const double deviation = sqrt((double)norm / dimension);
    double low = 0, high = 8;
    for (int step = 0; step < 30; step++) {
        const double t = (low + high) / 2;
        double mean = 0; /* E[round^2] = sum over v of (2 v - 1) P(|round| >= v) */
        for (uint32_t v = 1; v <= limit; v++) mean += (2.0 * v - 1) * erfc((v - 0.5) / (t * deviation * sqrt(2.0)));
        if (mean * dimension < norm)
            low = t;
        else
            high = t;
    }
    return (float)high;
}

static gosset_status zn_create(gosset_lattice *self) {
    gosset_status status = GOSSET_OK;
    gosset__zn *zn = NULL;
    double *row = NULL;
    uint32_t limit = 0;
    while ((limit + 1) * (limit + 1) <= self->norm) limit++;
    if (self->limit > 0 && self->limit < limit) limit = self->limit;

    GOSSET_REQUIRE(self->norm >= 1 && self->norm <= GOSSET__ZN_MAX_NORM, GOSSET_E_ARGUMENT,
                   "lattice %s: norm: expected 1..%d, found %u", self->spec, GOSSET__ZN_MAX_NORM, self->norm);
    GOSSET_REQUIRE((uint64_t)self->dimension * (self->norm + 1) <= GOSSET__ZN_MAX_AREA, GOSSET_E_ARGUMENT,
                   "lattice %s: dimension * (norm + 1): expected at most %d", self->spec, GOSSET__ZN_MAX_AREA);

    const size_t row_size = (self->norm + 1) * sizeof *row;
    row = gosset__alloc(&self->env, row_size);
    if (row == NULL) return gosset__no_memory("the counts of a lattice", row_size);
    const double bits = estimate_bits(self->dimension, self->norm, limit, row);
    gosset__free(&self->env, row);
    GOSSET_REQUIRE(bits >= 0, GOSSET_E_ARGUMENT, "lattice %s: the shell has no points", self->spec);
    GOSSET_REQUIRE(bits < GOSSET__WIDE_BITS - 1e-9, GOSSET_E_ARGUMENT,
                   "lattice %s: points: expected at most 2^%d, found 2^%.1f", self->spec, GOSSET__WIDE_BITS, bits);

    zn = gosset__alloc_zero(&self->env, sizeof *zn);
    if (zn == NULL) return gosset__no_memory("a lattice", sizeof *zn);
    self->state = zn;
    zn->limit = limit;
    zn->limbs = (uint32_t)((bits + 1e-9) / 64) + 1;
    if (zn->limbs > GOSSET__WIDE_WORDS) zn->limbs = GOSSET__WIDE_WORDS;
    zn->start = usual_start(self->dimension, self->norm, limit);
    const size_t entries = (size_t)(self->dimension + 1) * (self->norm + 1) * zn->limbs;
    zn->count = gosset__alloc_array(&self->env, entries, sizeof *zn->count);
    if (zn->count == NULL) return gosset__no_memory("the counts of a lattice", entries * sizeof *zn->count);
    zn->tail = gosset__alloc(&self->env, self->norm + 1);
    if (zn->tail == NULL) return gosset__no_memory("the counts of a lattice", self->norm + 1);
    self->held += sizeof *zn + entries * sizeof *zn->count + self->norm + 1;
    fill_counts(self);
    fill_tails(self);
    self->max_coordinate = limit;
    self->point_count = gosset__wide_make(0);
    memcpy(self->point_count.word, count_at(self, self->dimension, self->norm), zn->limbs * sizeof(uint64_t));
out:
    return status;
}

static void zn_destroy(gosset_lattice *self) {
    gosset__zn *zn = self->state;
    if (zn == NULL) return;
    gosset__free(&self->env, zn->count);
    gosset__free(&self->env, zn->tail);
    gosset__free(&self->env, zn);
}

/* ---- ranks ------------------------------------------------------------------------------------------------ */

static void zn_rank(const gosset_lattice *self, const int8_t *point, gosset__wide *rank) {
    const gosset__zn *zn = self->state;
    uint32_t left = self->norm;
    *rank = gosset__wide_make(0);
    for (uint32_t i = 0; i < self->dimension && left > 0; i++) {
        const uint32_t rest = self->dimension - 1 - i;
        const uint32_t size = (uint32_t)(point[i] < 0 ? -point[i] : point[i]);
        if (size == 0) continue;
        gosset__limbs_add(rank->word, count_at(self, rest, left), zn->limbs);
        for (uint32_t v = 1; v < size; v++) {
            gosset__limbs_add(rank->word, count_at(self, rest, left - v * v), zn->limbs);
            gosset__limbs_add(rank->word, count_at(self, rest, left - v * v), zn->limbs);
        }
        left -= size * size;
        if (point[i] < 0) gosset__limbs_add(rank->word, count_at(self, rest, left), zn->limbs);
    }
}

static void zn_unrank(const gosset_lattice *self, const gosset__wide *rank, int8_t *point) {
    const gosset__zn *zn = self->state;
    gosset__wide before = *rank; /* points that come before ours among those not yet excluded */
    uint32_t left = self->norm;
    for (uint32_t i = 0; i < self->dimension; i++) {
        const uint32_t rest = self->dimension - 1 - i;
        int value = 0;
        for (;;) {
            const uint32_t spent = (uint32_t)(value * value);
            const uint64_t *count = count_at(self, rest, left - spent);
            if (gosset__limbs_less(before.word, count, zn->limbs)) {
                left -= spent;
                break;
            }
            gosset__limbs_subtract(before.word, count, zn->limbs);
            value = value > 0 ? -value : 1 - value;
        }
        point[i] = (int8_t)value;
    }
}

/* ---- scores of all points --------------------------------------------------------------------------------- */

/** Points kept for norm s: those of the longest tail that some point of the shell ends in. */
static size_t list_size(const gosset_lattice *self, uint32_t s) {
    const gosset__zn *zn = self->state;
    return zn->tail[s] > 0 ? (size_t)count_at(self, zn->tail[s] - 1u, s)[0] : 0;
}

static size_t zn_scores_scratch(const gosset_lattice *self) {
    size_t sum = 0; /* every tail belongs to a point, so this is at most norm times the number of points */
    for (uint32_t s = 0; s < self->norm; s++) sum += list_size(self, s);
    return sum;
}

/** Appends the scores of the points that start with one value and go on as those of `tail`. */
static size_t append(int32_t *list, size_t count, const int32_t *tail, size_t tail_count, int32_t score) {
    for (size_t i = 0; i < tail_count; i++) list[count + i] = tail[i] + score;
    return count + tail_count;
}

static void zn_scores(const gosset_lattice *self, const int32_t *x, int32_t *scores, int32_t *scratch) {
    const gosset__zn *zn = self->state;
    int32_t *list[GOSSET__ZN_MAX_NORM + 1];
    for (uint32_t s = 0; s < self->norm; s++) {
        list[s] = scratch;
        scratch += list_size(self, s);
    }
    list[self->norm] = scores;
    list[0][0] = 0;
    for (uint32_t m = 1; m <= self->dimension; m++) {
        const int32_t coordinate = x[self->dimension - m];
        for (uint32_t s = self->norm; s > 0; s--) { /* downwards: lists of smaller norms are still those of m - 1 */
            if (s < self->norm && m + 1 > zn->tail[s]) continue;
            size_t count = (size_t)count_at(self, m - 1, s)[0];
            for (uint32_t v = 1; v <= zn->limit && v * v <= s; v++) {
                const size_t tail = (size_t)count_at(self, m - 1, s - v * v)[0];
                count = append(list[s], count, list[s - v * v], tail, (int32_t)v * coordinate);
                count = append(list[s], count, list[s - v * v], tail, -(int32_t)v * coordinate);
            }
        }
    }
}

const gosset__lattice_ops gosset__lattice_zn = {
    .name = "zn",
    .create = zn_create,
    .destroy = zn_destroy,
    .nearest = gosset__zn_nearest,
    .rank = zn_rank,
    .unrank = zn_unrank,
    .scores = zn_scores,
    .scores_scratch = zn_scores_scratch,
    .near = gosset__zn_near,
    .above = gosset__zn_above,
    .above_scratch = gosset__zn_above_scratch,
};
