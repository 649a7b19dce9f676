/**
 * All points of { z in Z^n : |z|^2 = R, |z_i| <= limit } whose inner product with an integer vector is close to the
 * largest, or above a threshold. The points are a tree, a coordinate a level, in the order of their ranks; a branch is
 * entered only if the best of its points is wanted, which a table of n (R + 1) entries knows exactly. So every step
 * leads to a point that is found: for five of 16,320 points half a microsecond, where the scores of all take eight
 * times that.
 *
 * Where hundreds are wanted, the last coordinates are not walked: their scores are listed once for each norm they can
 * share, one or two thousand in all, and a branch compares the list of its norm.
 */
#include "lattice/zn.h"

#include <string.h>

enum {
    AREA = 4096,           /* of the table, on the stack: small shells, as cells are */
    LISTED = 2048,         /* scores of tails, at most: a fraction of the first-level cache */
    WORTH_LISTS = 1 << 15, /* points: the scores of fewer take no longer */
    WORTH_LISTING = 16,    /* scores in a list on average: shorter ones are no better than walking on */
    NO_POINT = -(1 << 30)  /* below every score and sum of scores */
};

typedef struct walk {
    const gosset_lattice *self;
    const int32_t *x;
    const int32_t *most; /* [m][s]: the best score of points of Z^m, the last m coordinates, of norm s */
    int32_t least;
    uint32_t room, found;
    gosset__near *near;
    uint32_t tails;       /* the last coordinates, listed */
    int32_t *const *list; /* their scores by norm; NULL: they are walked */
    uint32_t *positions;  /* of the longest list */
    const gosset__kernels *kernels;
} walk;

static int32_t most_at(const walk *w, uint32_t m, uint32_t norm) {
    return w->most[m * (w->self->norm + 1) + norm];
}

static uint32_t points_at(const gosset_lattice *self, uint32_t m, uint32_t norm) {
    const gosset__zn *zn = self->state;
    return (uint32_t)zn->count[((size_t)m * (self->norm + 1) + norm) * zn->limbs];
}

static void fill_most(const gosset_lattice *self, const int32_t *x, int32_t *most) {
    const gosset__zn *zn = self->state;
    const uint32_t width = self->norm + 1;
    for (uint32_t s = 0; s < width; s++) most[s] = s == 0 ? 0 : NO_POINT;
    for (uint32_t m = 1; m <= self->dimension; m++) {
        const int32_t value = x[self->dimension - m], size = value < 0 ? -value : value;
        const int32_t *before = most + (m - 1) * width;
        int32_t *now = most + m * width;
        for (uint32_t s = 0; s < width; s++) {
            now[s] = before[s];
            for (uint32_t v = 1; v <= zn->limit && v * v <= s; v++) {
                const int32_t score = before[s - v * v] + (int32_t)v * size;
                if (score > now[s]) now[s] = score;
            }
        }
    }
}

/* The end of a branch: points of the list of its norm. */
static void take_tails(walk *w, uint32_t left, uint32_t rank, int32_t score) {
    const int32_t *list = w->list[left];
    const size_t count =
        w->kernels->select_above(list, points_at(w->self, w->tails, left), w->least - 1 - score, w->positions);
    for (size_t i = 0; i < count; i++)
        w->near[w->found++] = (gosset__near){rank + w->positions[i], score + list[w->positions[i]]};
}

/* The last m coordinates have norm `left` to share; `rank` points come before those that start as this one does. */
static void descend(walk *w, uint32_t m, uint32_t left, uint32_t rank, int32_t score) {
    const gosset__zn *zn = w->self->state;
    if (w->found > w->room) return;
    if (left == 0) { /* zeros from here on */
        if (w->found < w->room) w->near[w->found] = (gosset__near){rank, score};
        w->found++;
        return;
    }
    if (w->list != NULL && m == w->tails) {
        take_tails(w, left, rank, score);
        return;
    }
    const int32_t value = w->x[w->self->dimension - m];
    if (score + most_at(w, m - 1, left) >= w->least) descend(w, m - 1, left, rank, score);
    rank += points_at(w->self, m - 1, left);
    for (uint32_t v = 1; v <= zn->limit && v * v <= left; v++) {
        const uint32_t rest = left - v * v, points = points_at(w->self, m - 1, rest);
        const int32_t more = (int32_t)v * value, beyond = w->least - most_at(w, m - 1, rest) - score;
        if (more >= beyond) descend(w, m - 1, rest, rank, score + more);
        if (-more >= beyond) descend(w, m - 1, rest, rank + points, score - more);
        rank += 2 * points;
    }
}

uint32_t gosset__zn_near(const gosset_lattice *self, const int32_t *x, int32_t gap, uint32_t room, gosset__near *near) {
    int32_t most[AREA];
    if ((uint64_t)(self->dimension + 1) * (self->norm + 1) > AREA) return 0;
    fill_most(self, x, most);
    walk w = {.self = self, .x = x, .most = most, .room = room, .near = near};
    const int32_t best = most_at(&w, self->dimension, self->norm);
    for (;; gap /= 2) {
        w.least = best - gap;
        w.found = 0;
        descend(&w, self->dimension, self->norm, 0, 0);
        if (w.found <= room) return w.found;
        if (gap == 0) return room;
    }
}

/* ---- above a threshold -------------------------------------------------------------------------- */

/* How many of the last coordinates to list, half of them at most, and how many scores that takes; 0: none. */
static uint32_t listed(const gosset_lattice *self, size_t *scores, size_t *longest) {
    const gosset__zn *zn = self->state;
    uint32_t tails = 0;
    *scores = *longest = 0;
    if ((uint64_t)(self->dimension + 1) * (self->norm + 1) > AREA) return 0;
    if (points_at(self, self->dimension, self->norm) < WORTH_LISTS) return 0;
    for (uint32_t m = 1; m <= (self->dimension + 1) / 2; m++) {
        uint64_t sum = 0, most = 0;
        for (uint32_t s = 0; s <= self->norm; s++) {
            const uint64_t count = zn->count[((size_t)m * (self->norm + 1) + s) * zn->limbs];
            sum += count;
            most = count > most ? count : most;
        }
        if (sum > LISTED) break;
        tails = m;
        *scores = (size_t)sum;
        *longest = (size_t)most;
    }
    return *scores >= (size_t)WORTH_LISTING * (self->norm + 1) ? tails : 0;
}

size_t gosset__zn_above_scratch(const gosset_lattice *self) {
    size_t scores, longest;
    return listed(self, &scores, &longest) > 0 ? scores + longest : 0;
}

/* The scores of all points of Z^tails of each norm, in the order of their ranks, as zn.c has those of the shell: those
 * of one coordinate less are a list's first. Norms go down: lists of smaller ones are still those of m - 1. */
static void list_tails(const gosset_lattice *self, const int32_t *x, uint32_t tails, int32_t **list) {
    const gosset__zn *zn = self->state;
    list[0][0] = 0;
    for (uint32_t m = 1; m <= tails; m++) {
        const int32_t coordinate = x[self->dimension - m];
        for (uint32_t s = self->norm; s > 0; s--) {
            int32_t *to = list[s] + points_at(self, m - 1, s);
            for (uint32_t v = 1; v <= zn->limit && v * v <= s; v++) {
                const uint32_t count = points_at(self, m - 1, s - v * v);
                const int32_t *from = list[s - v * v], more = (int32_t)v * coordinate;
                for (uint32_t i = 0; i < count; i++) to[i] = from[i] + more;
                for (uint32_t i = 0; i < count; i++) to[count + i] = from[i] - more;
                to += 2 * (size_t)count;
            }
        }
    }
}

uint32_t gosset__zn_above(const gosset_lattice *self, const gosset__kernels *kernels, const int32_t *x,
                          int32_t threshold, gosset__near *found, int32_t *scratch) {
    int32_t most[AREA], *list[AREA / 2];
    size_t scores, longest;
    const uint32_t tails = listed(self, &scores, &longest);
    uint32_t *positions = (uint32_t *)scratch + scores;
    for (uint32_t s = 0; s <= self->norm; s++) {
        list[s] = scratch;
        scratch += points_at(self, tails, s);
    }
    fill_most(self, x, most);
    list_tails(self, x, tails, list);
    walk w = {.self = self,
              .x = x,
              .most = most,
              .least = threshold + 1,
              .room = UINT32_MAX,
              .near = found,
              .tails = tails,
              .list = list,
              .positions = positions,
              .kernels = kernels};
    if (most_at(&w, self->dimension, self->norm) > threshold) descend(&w, self->dimension, self->norm, 0, 0);
    return w.found;
}
