/**
 * The point of { z in Z^n : |z|^2 = R, |z_i| <= limit } of largest inner product with x, exactly.
 *
 * Signs follow x, so let a = |x| and z >= 0. For any t > 0 put y = t a. On the shell sum (z_i - y_i)^2
 * = R + |y|^2 - 2 t <a, z>, so we minimise sum (z_i - y_i)^2.
 *   1. Without the norm constraint the minimum is r = y rounded (and cut off at the limit). If |r|^2 = R, r is the
 *      answer (Everett 1963, Generalized Lagrange multiplier method). A few evaluations of |r|^2 bring t to
 *      where |r|^2 jumps across R.
 *   2. Otherwise moving z_i from r_i to r_i + k costs c_i(k) = k (k - 2 (y_i - r_i)) >= 0 and changes the norm by
 *      k (2 r_i + k). The cheapest moves that sum to R - |r|^2 are a knapsack. For a bound C on the cost:
 *      a solution of cost <= C uses only moves with c_i(k) <= C, so a dynamic program over these, dropping
 *      states above C, finds the best solution if its cost is <= C, and none otherwise; then C is doubled.
 *      The first solution found is therefore the optimum, and C grows until there is one.
 *   3. Some optimum has z non-increasing in a. So among coordinates with equal r, ordered by y, the j-th moves by
 *      k only if all before it move at least as far: it needs sum_{i <= j} c_i(k) <= C, which keeps the
 *      program small when many coordinates are alike.
 * Cost: O(n) per evaluation, and as a rule fewer than ten coordinates in the knapsack. "Exactly" is up to the
 * rounding of costs in double. No step depends on anything but x.
 */
#include "lattice/zn.h"

#include <math.h>
#include <string.h>

enum { N = GOSSET__LATTICE_MAX_DIMENSION };

typedef struct problem {
    uint32_t dimension, norm, limit;
    double target[N];       /* y */
    int32_t base[N];        /* r */
    int32_t up[N], down[N]; /* how far a coordinate may move */
} problem;

typedef struct candidate {
    double lead; /* y - r, or r - y for moves downwards: larger is cheaper */
    int32_t base;
    uint32_t index;
} candidate;

static double move_cost(double lead, int32_t steps) {
    return steps * (steps - 2 * lead);
}

static uint32_t norm_at(const float *u, uint32_t dimension, float limit, float t) {
    uint32_t norm = 0;
    for (uint32_t i = 0; i < dimension; i++) {
        float value = u[i] * t + 0.5f;
        value = value < limit ? value : limit;
        const int16_t rounded = (int16_t)(int32_t)value;
        norm += (uint32_t)(rounded * rounded);
    }
    return norm;
}

/**
 * A t at or near the jump of norm_at(t) across the norm: secant steps inside a bracket. Any result is valid; a
 * good one makes the knapsack small.
 */
static float find_multiplier(const float *u, uint32_t dimension, uint32_t norm, uint32_t limit, float start) {
    enum { STEPS = 12 };
    const float cut = (float)limit + 0.5f;
    float t = start, low = 0, high = 0;
    uint32_t low_norm = 0, high_norm = 0;
    for (int step = 0; step < STEPS; step++) {
        const uint32_t found = norm_at(u, dimension, cut, t);
        if (found == norm) return t;
        if (found < norm)
            low = t, low_norm = found;
        else
            high = t, high_norm = found;
        if (high > 0 && low > 0) {
            if (high_norm - low_norm <= 8) return (low + high) / 2;
            float part = (float)(norm - low_norm) / (float)(high_norm - low_norm);
            if (step > 6) part = 0.5f;
            t = low + (high - low) * part;
        } else if (high > 0) {
            t *= 0.99f * sqrtf((float)norm / (float)found);
        } else {
            t *= found > 0 ? 1.01f * sqrtf((float)norm / (float)found) : 2;
        }
    }
    return t;
}

/** Largest lead first within a base, then the lower index; insertion: the list is short as a rule. */
static void sort_candidates(candidate *list, uint32_t count) {
    for (uint32_t i = 1; i < count; i++) {
        const candidate item = list[i];
        uint32_t j = i;
        for (;
             j > 0 && (list[j - 1].base > item.base || (list[j - 1].base == item.base && list[j - 1].lead < item.lead));
             j--)
            list[j] = list[j - 1];
        list[j] = item;
    }
}

/** Fills up[] (direction 1) or down[] (-1) with the moves a solution of cost <= bound may use (points 2, 3). */
static void allow_moves(const problem *p, int direction, double bound, int32_t *steps) {
    candidate list[N];
    double spent[GOSSET__ZN_MAX_NORM / 32]; /* by steps - 1, of the current base; > limit entries */
    uint32_t count = 0;
    const double least = (1 - bound) / 2; /* the lead at which one step costs the bound */
    for (uint32_t i = 0; i < p->dimension; i++) {
        const double lead = direction > 0 ? p->target[i] - p->base[i] : p->base[i] - p->target[i];
        steps[i] = 0;
        if (lead < least || p->base[i] == (direction > 0 ? (int32_t)p->limit : 0)) continue;
        list[count++] = (candidate){lead, p->base[i], i};
    }
    sort_candidates(list, count);
    for (uint32_t c = 0; c < count; c++) {
        const int32_t room = direction > 0 ? (int32_t)p->limit - list[c].base : list[c].base;
        if (c == 0 || list[c].base != list[c - 1].base) memset(spent, 0, (size_t)room * sizeof *spent);
        for (int32_t k = 1; k <= room; k++) {
            spent[k - 1] += move_cost(list[c].lead, k);
            if (spent[k - 1] > bound) break;
            steps[list[c].index] = k;
        }
    }
}

/** The coordinates that may move, and the norms that they from the g-th on can have. */
typedef struct movers {
    uint32_t count;
    int32_t goal; /* norm they must have together */
    uint32_t index[N];
    int32_t least[N + 1], most[N + 1];
} movers;

static void find_movers(const problem *p, movers *m) {
    m->count = 0;
    m->goal = (int32_t)p->norm;
    for (uint32_t i = 0; i < p->dimension; i++) {
        if (p->up[i] > 0 || p->down[i] > 0)
            m->index[m->count++] = i;
        else
            m->goal -= p->base[i] * p->base[i];
    }
    m->least[m->count] = m->most[m->count] = 0;
    for (uint32_t g = m->count; g-- > 0;) {
        const uint32_t i = m->index[g];
        const int32_t low = p->base[i] - p->down[i], high = p->base[i] + p->up[i];
        m->least[g] = m->least[g + 1] + low * low;
        m->most[g] = m->most[g + 1] + high * high;
    }
}

/** Costs of the states first .. last (norms of the coordinates seen so far). */
typedef struct states {
    int32_t first, last;
    double cost[GOSSET__ZN_MAX_NORM + 1];
} states;

/** One more coordinate; the value chosen for each new state goes to `choice`. */
static void extend(const problem *p, const movers *m, uint32_t g, double bound, const states *now, states *next,
                   int8_t *choice) {
    const uint32_t i = m->index[g];
    const int32_t low = p->base[i] - p->down[i], high = p->base[i] + p->up[i];
    /* only states that the coordinates after this one can complete */
    const int32_t floor_state = m->goal - m->most[g + 1], ceil_state = m->goal - m->least[g + 1];
    next->first = now->first + low * low > floor_state ? now->first + low * low : floor_state;
    next->last = now->last + high * high < ceil_state ? now->last + high * high : ceil_state;
    for (int32_t s = next->first; s <= next->last; s++) next->cost[s] = HUGE_VAL;
    for (int32_t value = low; value <= high; value++) {
        const int32_t shift = value * value;
        const double cost = move_cost(p->target[i] - p->base[i], value - p->base[i]);
        const int32_t from = now->first + shift > next->first ? now->first : next->first - shift;
        const int32_t to = now->last + shift < next->last ? now->last : next->last - shift;
        for (int32_t s = from; s <= to; s++) {
            const double sum = now->cost[s] + cost;
            if (sum <= bound && sum < next->cost[s + shift]) {
                next->cost[s + shift] = sum;
                choice[s + shift] = (int8_t)value;
            }
        }
    }
}

/** Changes base to the cheapest solution of cost <= bound and returns 1, or returns 0 if there is none. */
static int solve_knapsack(problem *p, double bound) {
    movers m;
    states row[2];
    int8_t choice[GOSSET__ZN_MAX_AREA];
    find_movers(p, &m);
    if (m.goal < m.least[0] || m.goal > m.most[0]) return 0;
    const size_t width = (size_t)m.goal + 1;
    row[0].first = row[0].last = 0;
    row[0].cost[0] = 0;
    for (uint32_t g = 0; g < m.count; g++) {
        extend(p, &m, g, bound, &row[g % 2], &row[(g + 1) % 2], choice + g * width);
        if (row[(g + 1) % 2].first > row[(g + 1) % 2].last) return 0;
    }
    int32_t left = m.goal;
    if (row[m.count % 2].cost[left] > bound) return 0;
    for (uint32_t g = m.count; g-- > 0;) {
        const int32_t value = choice[g * width + (size_t)left];
        p->base[m.index[g]] = value;
        left -= value * value;
    }
    return 1;
}

void gosset__zn_nearest(const gosset_lattice *self, const float *x, int8_t *point) {
    const gosset__zn *zn = self->state;
    const uint32_t n = self->dimension;
    problem p = {.dimension = n, .norm = self->norm, .limit = zn->limit};
    float u[N];
    double length = 0;
    for (uint32_t i = 0; i < n; i++) length += (double)x[i] * x[i];
    if (length > 0 && length < HUGE_VAL) { /* not zero; a caller that forgot to check still gets a point */
        const double scale = sqrt(self->norm / length);
        for (uint32_t i = 0; i < n; i++) p.target[i] = fabs((double)x[i]) * scale;
    } else {
        for (uint32_t i = 0; i < n; i++) p.target[i] = n - i; /* any direction will do */
    }
    for (uint32_t i = 0; i < n; i++) u[i] = (float)p.target[i];

    const double t = find_multiplier(u, n, self->norm, zn->limit, zn->start);
    int32_t norm = 0;
    for (uint32_t i = 0; i < n; i++) {
        p.target[i] *= t;
        const double cut = p.target[i] < zn->limit ? p.target[i] : zn->limit;
        p.base[i] = (int32_t)(cut + 0.5);
        norm += p.base[i] * p.base[i];
    }
    if (norm != (int32_t)self->norm) {
        for (double bound = 8.0 / n;; bound *= 2) {
            allow_moves(&p, 1, bound, p.up);
            allow_moves(&p, -1, bound, p.down);
            if (solve_knapsack(&p, bound)) break;
        }
    }
    for (uint32_t i = 0; i < n; i++) point[i] = (int8_t)(x[i] < 0 ? -p.base[i] : p.base[i]);
}
