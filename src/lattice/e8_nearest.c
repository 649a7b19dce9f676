/**
 * The nearest point of E8, and the point of E8^k with norm R of largest inner product with x, both exactly.
 *
 * For the second, scale x to norm R and put y = t x for some t > 0. On the shell |z - y|^2 = R + |y|^2 - 2 t <x, z>, so
 * the point nearest to y is wanted.
 *   1. Without the norm constraint that is the nearest point r_b of E8 in every block. If their norms sum to R, they
 * are the answer (Everett 1963, Generalized Lagrange multiplier method). A few evaluations bring t to where that sum
 * jumps across R.
 *   2. Otherwise let c_b(n) >= 0 be what the block loses, in squared distance, if its point must have norm n. The
 *      cheapest norms that sum to R are a knapsack over the blocks. For a bound C, only norms with c_b(n) <= C can be
 *      part of a solution that costs at most C, and these have |sqrt(n) - |y_b||^2 <= |r_b - y_b|^2 + C, a narrow
 *      window. If there is no solution within C, then C is doubled; the first one found is the optimum.
 *   3. c_b(n) comes from the leaders of norm n: the points with non-increasing coordinates whose last may be negative,
 *      one for each orbit of D8, the permutations with even numbers of sign changes. Move x_b into the same
 *      chamber by such a change; then within each orbit the leader is nearest. Whole leaders may change all signs.
 */
#include "base/status.h"
#include "lattice/e8.h"

#include <math.h>
#include <string.h>

enum { EIGHT = GOSSET__E8_DIMENSION, BLOCKS = GOSSET__E8_MAX_BLOCKS, NORMS = GOSSET__E8_MAX_NORM / 2 + 1 };

/* ---- the nearest point of E8 ------------------------------------------------------------------------------ */

uint32_t gosset__e8_round(const double *y, int32_t *point) {
    int32_t rounded[EIGHT], side[EIGHT]; /* side: where y lies of its integer, +1 or -1 */
    double off[EIGHT], sum = 0;
    uint32_t far = 0, near = 0, below = 0;
    int32_t total = 0;
    for (uint32_t i = 0; i < EIGHT; i++) {
        const double shift = y[i] < 0 ? -0.5 : 0.5;
        rounded[i] = (int32_t)(y[i] + shift);
        const double error = y[i] - rounded[i];
        side[i] = error < 0 ? -1 : 1;
        off[i] = fabs(error);
    }
    for (uint32_t i = 0; i < EIGHT; i++) {
        sum += off[i];
        total += rounded[i];
        below += side[i] < 0;
        far = off[i] > off[far] ? i : far;
        near = off[i] < off[near] ? i : near;
    }
    /* Squared distances but for the sum of off^2: whole, 1 - 2 off more if one must move; odd, (1/2 - off)^2 in
       place of off^2, and 2 off more if one must move. An odd point's sum is even if total - below is. */
    const int move_whole = total & 1, move_odd = (total - (int32_t)below) & 1;
    const double whole = move_whole ? 1 - 2 * off[far] : 0;
    const double odd = 2 - sum + (move_odd ? 2 * off[near] : 0);
    uint32_t norm = 0;
    if (odd < whole) {
        for (uint32_t i = 0; i < EIGHT; i++) point[i] = 2 * rounded[i] + side[i];
        if (move_odd) point[near] -= 2 * side[near];
    } else {
        for (uint32_t i = 0; i < EIGHT; i++) point[i] = 2 * rounded[i];
        if (move_whole) point[far] += 2 * side[far];
    }
    for (uint32_t i = 0; i < EIGHT; i++) norm += (uint32_t)(point[i] * point[i]);
    return norm / 4;
}

/* ---- leaders ---------------------------------------------------------------------------------------------- */

/** Goes through the leaders: counts them, or with `groups` puts them into place. */
typedef struct visitor {
    uint32_t most, only; /* norms wanted: up to most; only this one unless 0 */
    uint32_t *count;     /* by norm + (odd ? 1 : 0) */
    const uint32_t *first;
    gosset__e8_group *groups;
} visitor;

static void visit_leader(const visitor *v, const int32_t *doubled, uint32_t norm) {
    const uint32_t odd = doubled[0] % 2 != 0;
    const uint32_t place = v->count[norm + odd]++;
    if (v->groups == NULL) return;
    int32_t sum = 0;
    gosset__e8_group *group = v->groups + v->first[norm + odd] + place / GOSSET__E8_LANES;
    for (uint32_t i = 0; i < EIGHT; i++) {
        double value = 0.5 * doubled[i];
        sum += doubled[i];
        if (odd && i == EIGHT - 1 && sum % 4 != 0) value = -value;
        /* The other lanes are filled too, so that a group in part empty repeats its last leader. */
        for (uint32_t lane = place % GOSSET__E8_LANES; lane < GOSSET__E8_LANES; lane++)
            group->value[i][lane / 2][lane % 2] = value;
    }
}

/** All ways to go on from the first `length` doubled coordinates, whose squares sum to `square`. */
static void visit_leaders(const visitor *v, int32_t *doubled, uint32_t length, uint32_t square) {
    if (length == EIGHT) {
        const uint32_t norm = square / 4;
        if (square % 8 == 0 && (v->only == 0 || norm == v->only)) visit_leader(v, doubled, norm);
        return;
    }
    for (int32_t next = doubled[length - 1]; next >= 0; next -= 2) {
        const uint32_t sum = square + (uint32_t)(next * next);
        if (sum > 4 * v->most) continue;
        doubled[length] = next;
        visit_leaders(v, doubled, length + 1, sum);
    }
}

static void visit_all(const visitor *v) {
    int32_t doubled[EIGHT];
    memset(v->count, 0, (v->most + 2) * sizeof *v->count);
    for (doubled[0] = 0; (uint32_t)(doubled[0] * doubled[0]) <= 4 * v->most; doubled[0]++)
        visit_leaders(v, doubled, 1, (uint32_t)(doubled[0] * doubled[0]));
}

gosset_status gosset__e8_create_leaders(const gosset__env *env, gosset__e8 *e8) {
    const uint32_t entries = e8->shell + 2;
    visitor v = {.most = e8->shell, .only = e8->blocks == 1 ? e8->shell : 0};
    e8->first = gosset__alloc_array(env, 2 * (size_t)entries + 1, sizeof *e8->first);
    if (e8->first == NULL) return gosset__no_memory("the leaders of a lattice", 2 * entries * sizeof *e8->first);
    v.first = e8->first;
    v.count = e8->first + entries + 1;
    visit_all(&v);
    e8->first[0] = 0;
    for (uint32_t i = 0; i < entries; i++)
        e8->first[i + 1] = e8->first[i] + (v.count[i] + GOSSET__E8_LANES - 1) / GOSSET__E8_LANES;
    const uint32_t groups = e8->first[entries];
    e8->leaders = gosset__alloc_array(env, groups, sizeof *e8->leaders);
    if (e8->leaders == NULL) return gosset__no_memory("the leaders of a lattice", groups * sizeof *e8->leaders);
    v.groups = e8->leaders;
    visit_all(&v);
    return GOSSET_OK;
}

size_t gosset__e8_leaders_size(const gosset__e8 *e8) {
    const size_t entries = e8->shell + 2;
    return (2 * entries + 1) * sizeof *e8->first + e8->first[entries] * sizeof *e8->leaders;
}

/* ---- one block -------------------------------------------------------------------------------------------- */

typedef struct block {
    double x[EIGHT];      /* magnitudes, largest first */
    double last;          /* the smallest, negative if an odd number of coordinates are */
    int odd_signs;        /* they are */
    uint8_t order[EIGHT]; /* which coordinate each was */
    double square;        /* |x_b|^2 */
    double slack;         /* |r_b - y_b|^2 */
    uint32_t norm;        /* of r_b */
    uint32_t low, high;   /* norms whose best leader is known: low, low + 2 ... high - 2 */
    double best[NORMS];   /* by norm / 2: <x_b, leader> */
    uint32_t leader[NORMS];
} block;

static void order_block(block *b, const float *x, double scale) {
    double size[EIGHT];
    uint32_t negative = 0, place[EIGHT] = {0};
    b->square = 0;
    for (uint32_t i = 0; i < EIGHT; i++) {
        size[i] = fabs((double)x[i]) * scale;
        b->square += size[i] * size[i];
        negative += x[i] < 0;
    }
    for (uint32_t i = 1; i < EIGHT; i++) /* every pair is compared: no branch to predict */
        for (uint32_t j = 0; j < i; j++) {
            const uint32_t later = size[i] > size[j];
            place[j] += later;
            place[i] += !later;
        }
    for (uint32_t i = 0; i < EIGHT; i++) {
        b->x[place[i]] = size[i];
        b->order[place[i]] = (uint8_t)i;
    }
    b->odd_signs = negative % 2 != 0;
    b->last = b->odd_signs ? -b->x[EIGHT - 1] : b->x[EIGHT - 1];
    b->low = b->high = 0;
}

/** The best of some groups. */
static void best_of_groups(const gosset__e8 *e8, const double *x, uint32_t from, uint32_t to, double *best,
                           uint32_t *leader) {
    for (uint32_t g = from; g < to; g++) {
        gosset__pair product[2] = {{0, 0}, {0, 0}};
        for (uint32_t i = 0; i < EIGHT; i++) {
            product[0] += x[i] * e8->leaders[g].value[i][0];
            product[1] += x[i] * e8->leaders[g].value[i][1];
        }
        for (uint32_t lane = 0; lane < GOSSET__E8_LANES; lane++)
            if (product[lane / 2][lane % 2] > *best) {
                *best = product[lane / 2][lane % 2];
                *leader = g * GOSSET__E8_LANES + lane;
            }
    }
}

static void find_leader(const gosset__e8 *e8, block *b, uint32_t norm) {
    double best = -HUGE_VAL;
    uint32_t leader = 0;
    const uint32_t *first = e8->first + norm;
    const double size = b->x[EIGHT - 1];
    best_of_groups(e8, b->x, first[0], first[1], &best, &leader);
    b->x[EIGHT - 1] = b->last;
    best_of_groups(e8, b->x, first[1], first[2], &best, &leader);
    b->x[EIGHT - 1] = size;
    b->best[norm / 2] = best;
    b->leader[norm / 2] = leader;
}

/** Makes the best leaders of the norms low, low + 2 ... high - 2 known. */
static void find_leaders(const gosset__e8 *e8, block *b, uint32_t low, uint32_t high) {
    if (b->low == b->high) b->low = b->high = low;
    while (b->low > low) find_leader(e8, b, b->low -= 2);
    for (; b->high < high; b->high += 2) find_leader(e8, b, b->high);
}

static void write_block(const gosset__e8 *e8, const block *b, const float *x, uint32_t norm, int8_t *point) {
    const uint32_t leader = b->leader[norm / 2];
    const int odd = leader / GOSSET__E8_LANES >= e8->first[norm + 1];
    for (uint32_t i = 0; i < EIGHT; i++) {
        const uint32_t at = b->order[i];
        int value = (int)(2 * gosset__e8_leader(e8->leaders, leader, i));
        if (odd && i == EIGHT - 1 && b->odd_signs) value = -value;
        point[at] = (int8_t)(x[at] < 0 ? -value : value);
    }
}

/* ---- the blocks together ---------------------------------------------------------------------------------- */

/** Norm of the point of E8^k nearest to t x; `blocks` remembers those of the blocks. */
static uint32_t norm_at(const gosset__e8 *e8, const double *x, double t, block *blocks) {
    double y[EIGHT];
    int32_t point[EIGHT];
    uint32_t sum = 0;
    for (uint32_t b = 0; b < e8->blocks; b++, x += EIGHT) {
        for (uint32_t i = 0; i < EIGHT; i++) y[i] = t * x[i];
        blocks[b].norm = gosset__e8_round(y, point);
        sum += blocks[b].norm;
    }
    return sum;
}

/** A t near the jump of the norm across R, with norm_at done for it: secant steps in a bracket. Any result is valid; a
 *  good one makes the windows narrow. Returns the norm there. */
static uint32_t find_multiplier(const gosset__e8 *e8, const double *x, block *blocks, double *result) {
    enum { STEPS = 8, BRACKET = 6, CLOSE = 4 };
    const double goal = e8->shell, usual = 1 - 0.57 * e8->blocks / goal; /* 8 x 0.0717 is the mean |r_b - y_b|^2 */
    double t = sqrt(usual > 0.25 ? usual : 0.25), low = 0, high = 0, low_norm = 0, high_norm = 0;
    uint32_t norm = 0;
    for (int step = 0; step < STEPS; step++) {
        *result = t;
        norm = norm_at(e8, x, t, blocks);
        if (fabs(norm - goal) <= CLOSE) break;
        if (norm < e8->shell)
            low = t, low_norm = norm;
        else
            high = t, high_norm = norm;
        if (low > 0 && high > 0) {
            if (high_norm - low_norm <= BRACKET && step > 2) break;
            t = low + (high - low) * (step > 4 ? 0.5 : (goal - low_norm) / (high_norm - low_norm));
        } else if (high > 0) {
            t *= 0.99 * sqrt(goal / norm);
        } else {
            t *= norm > 0 ? 1.01 * sqrt(goal / norm) : 1.5;
        }
    }
    return norm;
}

/** |r_b - y_b|^2 in every block. */
static void find_slacks(const gosset__e8 *e8, const double *x, double t, block *blocks) {
    double y[EIGHT];
    int32_t point[EIGHT];
    for (uint32_t b = 0; b < e8->blocks; b++, x += EIGHT) {
        for (uint32_t i = 0; i < EIGHT; i++) y[i] = t * x[i];
        gosset__e8_round(y, point);
        blocks[b].slack = 0;
        for (uint32_t i = 0; i < EIGHT; i++) blocks[b].slack += (y[i] - 0.5 * point[i]) * (y[i] - 0.5 * point[i]);
    }
}

/** What the cheapest choices of norms for some blocks cost, by half the sum of the norms; first .. last may be finite.
 */
typedef struct choices {
    uint32_t first, last;
    double cost[NORMS];
} choices;

/** Norms that lose at most `bound` in a block, from `low` to below `high`, with their leaders found. */
static void find_window(const gosset__e8 *e8, block *b, double t, double bound, uint32_t *low, uint32_t *high) {
    const double length = t * sqrt(b->square), reach = sqrt(b->slack + bound);
    const double least = length > reach ? (length - reach) * (length - reach) : 0;
    const double most = (length + reach) * (length + reach);
    *low = least < e8->shell ? 2 * (uint32_t)(least / 2) : e8->shell;
    *high = most < e8->shell ? 2 * (uint32_t)(most / 2) + 2 : e8->shell + 2;
    find_leaders(e8, b, *low, *high);
}

/** One more block: only norms that lose at most `bound` are tried, and only sums that cost as much kept. `chosen`: by
 *  half the sum, half the norm of this block. Returns 0 if nothing is left. */
static int extend(const gosset__e8 *e8, block *b, double t, double bound, const choices *now, choices *next,
                  uint16_t *chosen) {
    const uint32_t goal = e8->shell / 2;
    uint32_t low, high;
    find_window(e8, b, t, bound, &low, &high);
    next->first = now->first + low / 2;
    next->last = now->last + high / 2 - 1 < goal ? now->last + high / 2 - 1 : goal;
    for (uint32_t s = next->first; s <= next->last; s++) next->cost[s] = HUGE_VAL;
    for (uint32_t norm = low / 2; norm < high / 2; norm++) {
        const double cost = 2.0 * norm - 2 * t * b->best[norm] + t * t * b->square - b->slack;
        if (cost > bound) continue;
        for (uint32_t s = now->first; s <= now->last && s + norm <= goal; s++) {
            const double sum = now->cost[s] + cost;
            if (sum <= bound && sum < next->cost[s + norm]) {
                next->cost[s + norm] = sum;
                chosen[s + norm] = (uint16_t)norm;
            }
        }
    }
    while (next->first <= next->last && next->cost[next->first] > bound) next->first++;
    while (next->first < next->last && next->cost[next->last] > bound) next->last--;
    return next->first <= next->last;
}

/** Sets the blocks' norms to the cheapest that sum to R and returns 1, or returns 0 if none costs at most `bound`. */
static int choose_norms(const gosset__e8 *e8, block *blocks, double t, double bound) {
    choices row[2];
    uint16_t chosen[BLOCKS][NORMS];
    uint32_t left = e8->shell / 2;
    row[0].first = row[0].last = 0;
    row[0].cost[0] = 0;
    for (uint32_t b = 0; b < e8->blocks; b++)
        if (!extend(e8, &blocks[b], t, bound, &row[b % 2], &row[(b + 1) % 2], chosen[b])) return 0;
    const choices *all = &row[e8->blocks % 2];
    if (left < all->first || left > all->last || all->cost[left] > bound) return 0;
    for (uint32_t b = e8->blocks; b-- > 0;) {
        blocks[b].norm = 2u * chosen[b][left];
        left -= chosen[b][left];
    }
    return 1;
}

void gosset__e8_nearest(const gosset_lattice *self, const float *x, int8_t *point) {
    const gosset__e8 *e8 = self->state;
    block blocks[BLOCKS];
    double scaled[GOSSET__LATTICE_MAX_DIMENSION], length = 0, t = 1;
    for (uint32_t i = 0; i < self->dimension; i++) length += (double)x[i] * x[i];
    if (!(length > 0 && length < HUGE_VAL)) { /* zero; or a caller forgot to check, who still gets a point */
        const gosset__wide zero = gosset__wide_make(0);
        self->ops->unrank(self, &zero, point);
        return;
    }
    const double scale = sqrt(e8->shell / length);
    for (uint32_t i = 0; i < self->dimension; i++) scaled[i] = x[i] * scale;
    for (uint32_t b = 0; b < e8->blocks; b++) order_block(&blocks[b], x + b * EIGHT, scale);
    if (e8->blocks == 1) {
        blocks[0].norm = e8->shell;
    } else if (find_multiplier(e8, scaled, blocks, &t) != e8->shell) {
        find_slacks(e8, scaled, t, blocks);
        for (double bound = 0.2; !choose_norms(e8, blocks, t, bound);) bound *= 2;
    }
    for (uint32_t b = 0; b < e8->blocks; b++) {
        find_leaders(e8, &blocks[b], blocks[b].norm, blocks[b].norm + 2);
        write_block(e8, &blocks[b], x + b * EIGHT, blocks[b].norm, point + b * EIGHT);
    }
}
