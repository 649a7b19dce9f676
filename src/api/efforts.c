#include "api/efforts.h"

#include "base/status.h"
#include <stdbool.h>
#include <stdlib.h>

/* Costs on the reference machines: a byte of a code's first plane, a cell that is scored, one whose leaves are looked
 * at, one whose codes are compared with the query. */
static const double code_byte_us = 0.00009, cell_us = 0.03, look_us = 0.12, aim_us = 0.15;

/* Of the mean remoteness of the cells that are probed. */
static const double reaches[] = {1, 0.9, 0.8, 0.7, 0.6};
/* Of the true neighbours leaves may lose so much for each that cells have lost. */
static const double leaf_losses[] = {0.3, 1.2};
/* Of the true neighbours efforts miss from the first to the second share, each more than the one before by this. */
static const double least_missed = 0.002, most_missed = 0.4, missed_step = 1.25;

enum {
    REACHES = sizeof reaches / sizeof *reaches,
    LEAF_LOSSES = sizeof leaf_losses / sizeof *leaf_losses,
    PROBE_MAX = 1 << 16,
    GRID_MAX = 96 /* steps of a quarter octave up to that */
};

/* A true neighbour: the place of its cell among those of its query, best first, and what that asks for. */
typedef struct near {
    uint32_t at; /* UINT32_MAX: no such neighbour */
    gosset__remoteness remoteness;
    uint32_t leaf; /* reach, apart from the least distance */
} near;

/* What all queries look into. */
typedef struct visited {
    uint64_t cells, rows;
} visited;

/* One worker's tools. */
typedef struct scratch {
    gosset__codec_query *query;
    uint32_t *cells; /* limit */
    gosset__remoteness *remoteness;
    visited (*visited)[REACHES]; /* probe_count */
    uint64_t *remote;            /* probe_count: sums of the queries' means */
} scratch;

typedef struct job {
    const gosset__efforts_config *config;
    uint32_t limit, probe_count, probes[GRID_MAX];
    uint32_t reach[GRID_MAX][REACHES]; /* 0: all */
    near *near;                        /* queries x GOSSET__TRUTH_K */
    uint32_t *least;                   /* queries x GRID_MAX: distance of the least remote cell */
    uint32_t *needs;                   /* queries x GOSSET__TRUTH_K */
    scratch *workers;
    uint32_t worker_count;
} job;

double gosset__effort_us(const gosset__codec *codec, double probed, double looked_at, double aimed_at, double codes) {
    return cell_us * probed + look_us * looked_at + aim_us * aimed_at +
           code_byte_us * gosset__codec_lead_size(codec) * codes;
}

/* ---- setting up --------------------------------------------------------------------------------- */

static void make_grid(job *j) {
    double next = 1;
    for (uint32_t probe = 1; probe < j->limit; next *= 1.189207115002721, probe = (uint32_t)(next + 0.5))
        if (j->probe_count == 0 || probe > j->probes[j->probe_count - 1]) j->probes[j->probe_count++] = probe;
    j->probes[j->probe_count++] = j->limit;
}

static gosset_status allocate(job *j, const gosset__env *env) {
    const gosset__efforts_config *c = j->config;
    const size_t neighbours = (size_t)c->queries * GOSSET__TRUTH_K;
    j->near = gosset__alloc_array(env, neighbours, sizeof *j->near);
    j->needs = gosset__alloc_array(env, neighbours, sizeof *j->needs);
    j->least = gosset__alloc_array(env, c->queries, GRID_MAX * sizeof *j->least);
    j->workers = gosset__alloc_zero(env, gosset__pool_threads(c->pool) * sizeof *j->workers);
    bool complete = j->near && j->needs && j->least && j->workers;
    for (; complete && j->worker_count < gosset__pool_threads(c->pool); j->worker_count++) {
        scratch *s = &j->workers[j->worker_count];
        s->query = gosset__alloc(env, gosset__codec_query_size(c->codec));
        s->cells = gosset__alloc_array(env, j->limit, sizeof *s->cells);
        s->remoteness = gosset__alloc_array(env, j->limit, sizeof *s->remoteness);
        s->visited = gosset__alloc_zero(env, GRID_MAX * sizeof *s->visited);
        s->remote = gosset__alloc_zero(env, GRID_MAX * sizeof *s->remote);
        complete = s->query && s->cells && s->remoteness && s->visited && s->remote;
    }
    return complete ? GOSSET_OK : gosset__no_memory("calibration", (neighbours + j->limit) * sizeof *j->near);
}

static void release(job *j, const gosset__env *env) {
    for (uint32_t i = 0; i < j->worker_count; i++) {
        gosset__free(env, j->workers[i].query);
        gosset__free(env, j->workers[i].cells);
        gosset__free(env, j->workers[i].remoteness);
        gosset__free(env, j->workers[i].visited);
        gosset__free(env, j->workers[i].remote);
    }
    gosset__free(env, j->workers);
    gosset__free(env, j->near);
    gosset__free(env, j->needs);
    gosset__free(env, j->least);
}

/* ---- looking ------------------------------------------------------------------------------------ */

/* The cells of a query, best first. */
static uint32_t look_at_cells(job *j, size_t item, scratch *s) {
    const gosset__codec *codec = j->config->codec;
    gosset__codec_query_set(codec, j->config->latents + item * gosset__codec_dimension(codec), s->query);
    const uint32_t count = gosset__codec_probe(codec, s->query, j->limit, s->cells);
    gosset__codec_remoteness(codec, s->query, s->cells, count, s->remoteness);
    return count;
}

/* How remote the best cells of a query are on average, for every probe of the grid, and the least remote. */
static gosset_status average_cells(void *context, size_t item, uint32_t worker) {
    job *j = context;
    scratch *s = &j->workers[worker];
    const uint32_t count = look_at_cells(j, item, s);
    uint64_t sum = 0;
    uint32_t least = UINT32_MAX, at = 0;
    for (uint32_t p = 0; p < j->probe_count; p++) {
        for (; at < j->probes[p] && at < count; at++) {
            sum += (uint64_t)s->remoteness[at].distance + s->remoteness[at].score;
            least = s->remoteness[at].distance < least ? s->remoteness[at].distance : least;
        }
        s->remote[p] += sum / at - least;
        j->least[item * GRID_MAX + p] = least;
    }
    return GOSSET_OK;
}

/* Within the mean of all queries lies half of the probed cells, more of queries that have many near cells and fewer of
 * others. */
static void choose_reaches(job *j) {
    for (uint32_t p = 0; p < j->probe_count; p++) {
        uint64_t sum = 0;
        for (uint32_t i = 0; i < j->worker_count; i++) sum += j->workers[i].remote[p];
        const double mean = (double)(sum / j->config->queries);
        for (uint32_t r = 0; r < REACHES; r++) {
            j->reach[p][r] = (uint32_t)(mean * reaches[r]);
            if (mean > 0 && j->reach[p][r] == 0) j->reach[p][r] = 1;
        }
    }
}

static bool is_within(const job *j, const gosset__remoteness *of, size_t item, uint32_t p, uint32_t r) {
    const uint32_t reach = j->reach[p][r];
    return reach == 0 || of->distance - j->least[item * GRID_MAX + p] + of->score <= reach;
}

/* Where true neighbours lie among the cells of their query, and what their leaves need. */
static void look_at_neighbours(job *j, size_t item, const scratch *s, uint32_t count) {
    const gosset__efforts_config *c = j->config;
    const gosset__place *places = c->places + gosset__truth_at(item);
    near *found = j->near + item * GOSSET__TRUTH_K;
    for (size_t t = 0; t < GOSSET__TRUTH_K; t++) found[t] = (near){.at = UINT32_MAX};
    for (uint32_t at = 0; at < count; at++)
        for (size_t t = 0; t < GOSSET__TRUTH_K; t++)
            if (places[t].page != UINT64_MAX && places[t].cell == s->cells[at])
                found[t] = (near){.at = at, .remoteness = s->remoteness[at]};
    for (size_t t = 0; t < GOSSET__TRUTH_K && c->store->leaves != NULL; t++)
        if (found[t].at != UINT32_MAX)
            found[t].leaf = gosset__candidates_leaf_need(c->store, c->codec, s->query, places[t].cell, places[t].row);
}

/* What a query looks into, for every probe and reach. */
static gosset_status survey(void *context, size_t item, uint32_t worker) {
    job *j = context;
    scratch *s = &j->workers[worker];
    const uint64_t *first = j->config->store->cell_first;
    const uint32_t count = look_at_cells(j, item, s);
    uint32_t least_probe = 0;
    for (uint32_t at = 0; at < count; at++) {
        const uint64_t rows = first[s->cells[at] + 1] - first[s->cells[at]];
        while (j->probes[least_probe] <= at) least_probe++;
        if (rows == 0) continue;
        for (uint32_t p = least_probe; p < j->probe_count; p++)
            for (uint32_t r = 0; r < REACHES && is_within(j, &s->remoteness[at], item, p, r); r++) {
                s->visited[p][r].cells++;
                s->visited[p][r].rows += rows;
            }
    }
    look_at_neighbours(j, item, s, count);
    return GOSSET_OK;
}

/* ---- choosing ----------------------------------------------------------------------------------- */

static bool is_covered(const job *j, size_t neighbour, uint32_t p, uint32_t r) {
    const near *n = &j->near[neighbour];
    return n->at < j->probes[p] && is_within(j, &n->remoteness, neighbour / GOSSET__TRUTH_K, p, r);
}

/* A probe and a reach, what it costs, and how many of the true neighbours are in its cells. */
typedef struct way {
    uint32_t probe, reach; /* of the grids */
    uint64_t covered;
    double cost;
} way;

static void weigh(const job *j, way *w) {
    const size_t neighbours = (size_t)j->config->queries * GOSSET__TRUTH_K;
    visited all = {0};
    for (uint32_t i = 0; i < j->worker_count; i++) {
        all.cells += j->workers[i].visited[w->probe][w->reach].cells;
        all.rows += j->workers[i].visited[w->probe][w->reach].rows;
    }
    const double n = j->config->queries;
    w->cost = gosset__effort_us(j->config->codec, j->probes[w->probe], 0, (double)all.cells / n, (double)all.rows / n);
    for (size_t i = 0; i < neighbours; i++) w->covered += is_covered(j, i, w->probe, w->reach);
}

/* Cheaper and covers so many, or, where that is not to be had, covers more. */
static bool is_better(const way *w, const way *than, double wanted) {
    const bool enough = (double)w->covered >= wanted;
    if (enough != ((double)than->covered >= wanted)) return enough;
    return enough || w->covered == than->covered ? w->cost < than->cost : w->covered > than->covered;
}

static const way *best_of(const way *ways, uint32_t count, double wanted) {
    const way *best = ways;
    for (uint32_t i = 1; i < count; i++)
        if (is_better(&ways[i], best, wanted)) best = &ways[i];
    return best;
}

static int ascending(const void *a, const void *b) {
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* Of a leaf nearer than all centroids the need is less than their least distance. */
static uint32_t relative(uint32_t need, uint32_t least) {
    const int64_t reach = (int64_t)need - least + GOSSET__LEAF_REACH_ZERO;
    return reach < 1 ? 1 : reach < UINT32_MAX ? (uint32_t)reach : UINT32_MAX;
}

/* As cells, so leaves: what they may lose of the true neighbours is a part of what the cells have lost. */
static uint32_t add_leaves(job *j, const way *w, gosset__effort effort, gosset__effort *to) {
    const size_t neighbours = (size_t)j->config->queries * GOSSET__TRUTH_K;
    uint32_t added = 0;
    size_t count = 0;
    if (j->config->store->leaves == NULL || effort.reach == 0) return 0;
    for (size_t i = 0; i < neighbours; i++)
        if (is_covered(j, i, w->probe, w->reach))
            j->needs[count++] = relative(j->near[i].leaf, j->least[i / GOSSET__TRUTH_K * GRID_MAX + w->probe]);
    qsort(j->needs, count, sizeof *j->needs, ascending);
    for (uint32_t i = 0; i < LEAF_LOSSES; i++) {
        const double lost = leaf_losses[i] * (double)(neighbours - count);
        const uint32_t before = effort.leaf_reach;
        if (!(lost < (double)count)) break;
        effort.leaf_reach = j->needs[count - 1 - (size_t)lost];
        if (effort.leaf_reach != before) to[added++] = effort;
    }
    return added;
}

static uint32_t choose(job *j, gosset__effort *efforts) {
    const double neighbours = (double)j->config->queries * GOSSET__TRUTH_K;
    way ways[GRID_MAX * REACHES];
    const way *last = NULL;
    uint32_t way_count = 0, count = 0;
    for (uint32_t p = 0; p < j->probe_count; p++)
        for (uint32_t r = 0; r < REACHES; r++) {
            ways[way_count] = (way){.probe = p, .reach = r};
            weigh(j, &ways[way_count++]);
        }
    for (double missed = least_missed; missed < most_missed && count + 1 + LEAF_LOSSES <= GOSSET__EFFORTS_MAX;
         missed *= missed_step) {
        const way *w = best_of(ways, way_count, (1 - missed) * neighbours);
        if (w == last) continue;
        const gosset__effort effort = {j->probes[w->probe], j->reach[w->probe][w->reach], 0};
        efforts[count++] = effort;
        count += add_leaves(j, w, effort, efforts + count);
        last = w;
    }
    return count;
}

gosset_status gosset__efforts_find(gosset__effort *efforts, uint32_t *count, const gosset__efforts_config *config,
                                   const gosset__env *env) {
    gosset_status status = GOSSET_OK;
    const uint32_t cells = config->store->layout.cell_count;
    job j = {.config = config, .limit = cells < PROBE_MAX ? cells : PROBE_MAX};
    make_grid(&j);
    GOSSET_TRY(allocate(&j, env));
    GOSSET_TRY(gosset__pool_run(config->pool, config->queries, average_cells, &j));
    choose_reaches(&j);
    GOSSET_TRY(gosset__pool_run(config->pool, config->queries, survey, &j));
    *count = choose(&j, efforts);
out:
    release(&j, env);
    return status;
}
