/*
 * For every held-out query the true neighbours are known (truth.h) and where they lie (locate.h). A search finds a
 * true neighbour exactly when it reads its page, because every record of a page is scored. Hence the best candidates
 * of a query, walked once, give recall and pages for every depth and every k at once, without reading a page.
 */
#include "api/calibrate.h"
#include "api/locate.h"
#include "base/bytes.h"
#include "base/status.h"
#include "train/model.h"
#include <gosset/index.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

/* Costs on the reference machine: an NVMe page in a batch, a byte of a code's first plane, a candidate, a cell that is
 * scored, one whose leaves are looked at, one whose codes are compared with the query. */
static const double page_us = 6.6, code_byte_us = 0.00007, candidate_us = 0.01, cell_us = 0.04, look_us = 0.12,
                    aim_us = 0.1;

static const double targets[] = {0.80, 0.90, 0.95, 0.97, 0.99, 0.995};
/* Of the true neighbours leaves may lose so much for each that cells have lost. */
static const double leaf_losses[] = {0.3, 1.2};
enum {
    TARGETS = sizeof targets / sizeof *targets,
    LEAF_LOSSES = sizeof leaf_losses / sizeof *leaf_losses,
    TABLES = GOSSET__CALIBRATION_TABLES
};

enum {
    DEPTH_MAX = 4096, /* candidates looked at: beyond, a search is hopeless at disk prices */
    PROBE_MAX = 1 << 16,
    GRID_MAX = 128,
    TABLE_SIZE = 4 * DEPTH_MAX,
    DEPTH_MIN = 256,
    DEPTH_SLACK = 4,       /* how much deeper than with many cells it may pay to look with few */
    ENOUGH_PERMILLE = 998, /* of the truth in probed cells: more cells are not tried, */
    POOR_PERMILLE = 600,   /* nor fewer than hold this much */
    QUERIES_PER_MAP = 64
};

/* A page of a query's candidates, and the first candidate on it. */
typedef struct seen {
    uint64_t page; /* + 1; 0 = free */
    uint32_t candidate;
} seen;

/* One worker's tools. */
typedef struct scratch {
    gosset__search *search;
    gosset__codec_query *query;
    uint32_t *cells; /* probe_limit */
    gosset__remoteness *remoteness;
    uint64_t *rows;   /* DEPTH_MAX */
    uint32_t *orders; /* DEPTH_MAX */
    seen *table;      /* TABLE_SIZE */
} scratch;

_Static_assert(GOSSET__TRUTH_K <= 16, "bits of job.covered");
typedef struct job {
    const gosset__calibrate_config *config;
    gosset__env env;
    uint32_t dimension, queries, probe_limit;
    uint32_t depth_limit[2]; /* of queries that know few neighbours, and of those that know many */
    uint32_t probes[GRID_MAX], depths[GRID_MAX], probe_count, depth_count;
    uint32_t reach[GRID_MAX], leaf_reach[LEAF_LOSSES][GRID_MAX]; /* that go with a probe; 0: none */
    float *latents;
    gosset__place *places;
    gosset__locator *locator;
    uint64_t *remote;        /* query x probe: mean remoteness of the probed cells */
    gosset__survey *surveys; /* query: of one effort */
    uint16_t *covered;      /* query x probe: bits of its first GOSSET__TRUTH_K neighbours that are in cells in reach */
    uint32_t *least;        /* query x probe: distance of the least remote cell (codec.h) */
    uint32_t *needs;        /* query x GOSSET__TRUTH_K: leaf reach that neighbours need, apart from that distance */
    uint32_t *needed;       /* the same of those that are covered */
    uint32_t *read;         /* query x depth, of one effort: pages */
    uint16_t *hits[TABLES]; /* per k: query x depth, of one effort: true neighbours on them */
    scratch *workers;
    uint32_t worker_count;
    gosset__effort effort;
} job;

/* What one setting gives on average. */
typedef struct outcome {
    double recall, error, pages, cost;
    gosset__effort effort;
    uint32_t rerank;
} outcome;

/* From `first` by factors up to limit, each number once. */
static uint32_t make_grid(uint32_t *grid, double factor, uint32_t first, uint32_t limit) {
    uint32_t count = 0;
    for (double x = first; count < GRID_MAX - 1 && x < limit; x *= factor) {
        uint32_t value = (uint32_t)(x + 0.5);
        if (count == 0 || value > grid[count - 1]) grid[count++] = value;
    }
    if (count == 0 || grid[count - 1] < limit) grid[count++] = limit;
    return count;
}

/* ---- setting up --------------------------------------------------------------------------------- */

static gosset_status open_workers(job *j) {
    const gosset__env *env = &j->env;
    const gosset__calibrate_config *c = j->config;
    uint32_t threads = gosset__pool_threads(c->pool);
    j->workers = gosset__alloc_zero(env, threads * sizeof *j->workers);
    if (!j->workers) return gosset__no_memory("calibration", threads * sizeof *j->workers);
    j->worker_count = threads;
    for (uint32_t i = 0; i < threads; i++) {
        scratch *s = &j->workers[i];
        gosset_status status = gosset__search_create(&s->search, c->store, c->codec, c->kernels, env);
        if (status != GOSSET_OK) return status;
        s->query = gosset__alloc(env, gosset__codec_query_size(c->codec));
        s->cells = gosset__alloc_array(env, j->probe_limit, sizeof *s->cells);
        s->remoteness = gosset__alloc_array(env, j->probe_limit, sizeof *s->remoteness);
        s->rows = gosset__alloc_array(env, DEPTH_MAX, sizeof *s->rows);
        s->orders = gosset__alloc_array(env, DEPTH_MAX, sizeof *s->orders);
        s->table = gosset__alloc_array(env, TABLE_SIZE, sizeof *s->table);
        if (!s->query || !s->cells || !s->remoteness || !s->rows || !s->orders || !s->table)
            return gosset__no_memory("calibration", TABLE_SIZE * sizeof *s->table);
    }
    return GOSSET_OK;
}

static gosset_status allocate(job *j) {
    const gosset__env *env = &j->env;
    size_t grid = (size_t)j->queries * GRID_MAX;
    j->latents = gosset__alloc_array(env, j->queries, j->dimension * sizeof *j->latents);
    j->places = gosset__alloc_array(env, gosset__truth_at(j->queries), sizeof *j->places);
    j->remote = gosset__alloc_array(env, grid, sizeof *j->remote);
    j->surveys = gosset__alloc_array(env, j->queries, sizeof *j->surveys);
    j->covered = gosset__alloc_array(env, grid, sizeof *j->covered);
    j->least = gosset__alloc_array(env, grid, sizeof *j->least);
    j->needs = gosset__alloc_array(env, j->queries, GOSSET__TRUTH_K * sizeof *j->needs);
    j->needed = gosset__alloc_array(env, j->queries, GOSSET__TRUTH_K * sizeof *j->needed);
    j->read = gosset__alloc_array(env, grid, sizeof *j->read);
    int complete = j->latents && j->places && j->remote && j->surveys && j->covered && j->least && j->needs &&
                   j->needed && j->read;
    for (size_t t = 0; t < TABLES; t++) {
        j->hits[t] = gosset__alloc_array(env, grid, sizeof *j->hits[t]);
        complete &= j->hits[t] != NULL;
    }
    return complete ? GOSSET_OK : gosset__no_memory("calibration", grid * 24);
}

static gosset_status map_queries(job *j) {
    const gosset__calibrate_config *c = j->config;
    gosset_vectors all = gosset__model_held_out(c->model), part = all;
    size_t stride = all.stride ? all.stride : all.dimension * sizeof(float);
    size_t size = gosset__model_scratch_size(c->model, QUERIES_PER_MAP);
    void *memory = gosset__alloc(&j->env, size);
    if (!memory) return gosset__no_memory("calibration", size);
    for (size_t first = 0; first < j->queries; first += QUERIES_PER_MAP) {
        part.data = (const char *)all.data + first * stride;
        part.count = j->queries - first < QUERIES_PER_MAP ? j->queries - first : QUERIES_PER_MAP;
        gosset__model_map(c->model, c->kernels, GOSSET_QUERY, &part, j->latents + first * j->dimension, memory);
    }
    gosset__free(&j->env, memory);
    return GOSSET_OK;
}

static void close_job(job *j) {
    const gosset__env *env = &j->env;
    for (uint32_t i = 0; i < j->worker_count; i++) {
        gosset__search_free(j->workers[i].search);
        gosset__free(env, j->workers[i].query);
        gosset__free(env, j->workers[i].cells);
        gosset__free(env, j->workers[i].remoteness);
        gosset__free(env, j->workers[i].rows);
        gosset__free(env, j->workers[i].orders);
        gosset__free(env, j->workers[i].table);
    }
    gosset__locator_free(j->locator);
    gosset__free(env, j->workers);
    gosset__free(env, j->latents);
    gosset__free(env, j->places);
    gosset__free(env, j->remote);
    gosset__free(env, j->surveys);
    gosset__free(env, j->covered);
    gosset__free(env, j->least);
    gosset__free(env, j->needs);
    gosset__free(env, j->needed);
    gosset__free(env, j->read);
    for (size_t t = 0; t < TABLES; t++) gosset__free(env, j->hits[t]);
}

/* ---- measuring ---------------------------------------------------------------------------------- */

static gosset_status locate(void *context, size_t item, uint32_t worker) {
    job *j = context;
    return gosset__locator_resolve(j->locator, item, j->workers[worker].search);
}

/* The cells of a query, best first. */
static uint32_t look_at_cells(job *j, size_t item, scratch *s) {
    const gosset__codec *codec = j->config->codec;
    gosset__codec_query_set(codec, j->latents + item * j->dimension, s->query);
    const uint32_t count = gosset__codec_probe(codec, s->query, j->probe_limit, s->cells);
    gosset__codec_remoteness(codec, s->query, s->cells, count, s->remoteness);
    return count;
}

/* How remote the best cells of a query are on average, for every probe of the grid. */
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
        j->remote[item * GRID_MAX + p] = sum / at - least;
    }
    return GOSSET_OK;
}

/* Half of the probed cells, more of queries that have many near cells and fewer of others, hold nearly all that all of
 * them would. */
static void choose_reach(job *j) {
    for (uint32_t p = 0; p < j->probe_count; p++) {
        uint64_t sum = 0;
        for (size_t q = 0; q < j->queries; q++) sum += j->remote[q * GRID_MAX + p];
        j->reach[p] = (uint32_t)(sum / j->queries);
    }
}

/* What the leaves of true neighbours need, if there are leaves. */
static void look_at_leaves(job *j, size_t item, scratch *s) {
    const gosset__calibrate_config *c = j->config;
    const gosset__place *places = j->places + gosset__truth_at(item);
    for (size_t t = 0; t < GOSSET__TRUTH_K && c->store->leaves != NULL; t++) {
        if (places[t].page == UINT64_MAX) continue;
        j->needs[item * GOSSET__TRUTH_K + t] =
            gosset__candidates_leaf_need(c->store, c->codec, s->query, places[t].cell, places[t].row);
    }
}

/* True neighbours in those of the best cells of a query that are within reach, for every probe of the grid. */
static gosset_status survey(void *context, size_t item, uint32_t worker) {
    job *j = context;
    scratch *s = &j->workers[worker];
    const gosset__place *places = j->places + gosset__truth_at(item);
    const uint32_t count = look_at_cells(j, item, s);
    uint32_t least = UINT32_MAX, looked = 0;
    for (uint32_t p = 0; p < j->probe_count; p++) {
        uint32_t covered = 0;
        for (; looked < j->probes[p] && looked < count; looked++)
            least = s->remoteness[looked].distance < least ? s->remoteness[looked].distance : least;
        for (uint32_t at = 0; at < looked; at++) {
            const uint32_t cell = s->cells[at];
            if (j->reach[p] > 0 && s->remoteness[at].distance - least + s->remoteness[at].score > j->reach[p]) continue;
            for (size_t t = 0; t < GOSSET__TRUTH_K; t++)
                covered |= (uint32_t)(places[t].page != UINT64_MAX && places[t].cell == cell) << t;
        }
        j->covered[item * GRID_MAX + p] = (uint16_t)covered;
        j->least[item * GRID_MAX + p] = least;
    }
    look_at_leaves(j, item, s);
    return GOSSET_OK;
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
static void choose_leaf_reach(job *j) {
    for (uint32_t p = 0; p < j->probe_count && j->config->store->leaves != NULL; p++) {
        size_t count = 0;
        for (size_t q = 0; q < j->queries; q++)
            for (size_t t = 0; t < GOSSET__TRUTH_K; t++)
                if (j->covered[q * GRID_MAX + p] >> t & 1)
                    j->needed[count++] = relative(j->needs[q * GOSSET__TRUTH_K + t], j->least[q * GRID_MAX + p]);
        qsort(j->needed, count, sizeof *j->needed, ascending);
        for (size_t i = 0; i < LEAF_LOSSES && j->reach[p] > 0; i++) {
            const double lost = leaf_losses[i] * (double)(j->queries * GOSSET__TRUTH_K - count);
            if (lost < (double)count) j->leaf_reach[i][p] = j->needed[count - 1 - (size_t)lost];
        }
    }
}

/* The entry of a page, or the free one where it belongs. */
static seen *find_page(seen *table, uint64_t page) {
    size_t slot = (size_t)((page * UINT64_C(0x9E3779B97F4A7C15)) >> 40) % TABLE_SIZE;
    while (table[slot].page && table[slot].page != page + 1) slot = (slot + 1) % TABLE_SIZE;
    return &table[slot];
}

/* True neighbours on the pages of the first candidates, for each k and depth: counted where each is met, then summed.
 */
static void count_hits(job *j, size_t item, seen *table) {
    const gosset__place *places = j->places + gosset__truth_at(item);
    for (size_t t = 0; t < TABLES; t++) memset(j->hits[t] + item * GRID_MAX, 0, GRID_MAX * sizeof **j->hits);
    for (uint32_t n = 0; n < gosset__truth_depth(item); n++) {
        if (places[n].page == UINT64_MAX) continue;
        const seen *entry = find_page(table, places[n].page);
        uint32_t d = 0;
        if (!entry->page) continue;
        while (d < j->depth_count && j->depths[d] <= entry->candidate) d++;
        for (size_t t = 0; t < TABLES && d < j->depth_count; t++)
            if (n < gosset__calibration_k[t]) j->hits[t][item * GRID_MAX + d]++;
    }
    for (size_t t = 0; t < TABLES; t++)
        for (size_t at = item * GRID_MAX + 1; at < item * GRID_MAX + j->depth_count; at++)
            j->hits[t][at] = (uint16_t)(j->hits[t][at] + j->hits[t][at - 1]);
}

/* A query's candidates at one effort: pages read and true neighbours on them, at every depth of the grid. */
static gosset_status walk(void *context, size_t item, uint32_t worker) {
    job *j = context;
    scratch *s = &j->workers[worker];
    gosset__survey *survey = &j->surveys[item];
    uint32_t pages = 0, at = 0;
    gosset_status status =
        gosset__search_candidates(s->search, j->latents + item * j->dimension, &j->effort,
                                  j->depth_limit[item < GOSSET__TRUTH_DEEP_QUERIES], s->rows, s->orders, survey);
    if (status != GOSSET_OK) return status;
    memset(s->table, 0, TABLE_SIZE * sizeof *s->table);
    for (uint32_t d = 0; d < j->depth_count; d++) {
        for (; at < j->depths[d] && at < survey->found; at++) {
            uint64_t page = gosset__store_page_of(j->config->store, s->rows[at]);
            seen *entry = find_page(s->table, page);
            if (entry->page) continue;
            *entry = (seen){page + 1, at};
            pages++;
        }
        j->read[item * GRID_MAX + d] = pages;
    }
    count_hits(j, item, s->table);
    return GOSSET_OK;
}

/* Means over the queries that know k neighbours, for one setting; the error is that of the mean recall. */
static outcome average(const job *j, size_t table, uint32_t d) {
    outcome o = {.effort = j->effort, .rerank = j->depths[d]};
    uint32_t k = gosset__calibration_k[table], queries = j->queries;
    if (k > GOSSET__TRUTH_K && queries > GOSSET__TRUTH_DEEP_QUERIES) queries = GOSSET__TRUTH_DEEP_QUERIES;
    double n = queries, sum = 0, squares = 0, cells = 0, codes = 0;
    for (size_t q = 0; q < queries; q++) {
        double recall = j->hits[table][q * GRID_MAX + d] / (double)k;
        sum += recall, squares += recall * recall;
        o.pages += j->read[q * GRID_MAX + d];
        cells += look_us * j->surveys[q].looked_at + aim_us * j->surveys[q].aimed_at;
        codes += (double)j->surveys[q].compared;
    }
    o.recall = sum / n;
    o.error = sqrt(fmax(squares / n - o.recall * o.recall, 0) / n);
    o.pages /= n;
    const double code_us = code_byte_us * gosset__codec_lead_size(j->config->codec);
    o.cost = page_us * o.pages + (code_us * codes + cells) / n + candidate_us * o.rerank + cell_us * o.effort.probe;
    return o;
}

/* Share of the true neighbours in the probed cells, in thousandths. */
static uint64_t coverage(const job *j, uint32_t p) {
    uint64_t covered = 0;
    for (size_t q = 0; q < j->queries; q++) covered += (uint64_t)__builtin_popcount(j->covered[q * GRID_MAX + p]);
    return covered * 1000 / ((uint64_t)j->queries * GOSSET__TRUTH_K);
}

/* The cheapest setting for each target, and the surest of all. */
typedef struct choice {
    outcome best[TARGETS], surest;
} choice;

/* With leaves, where these are cheaper, and without. */
typedef struct choices {
    choice any[TABLES], whole[TABLES];
} choices;

/* Costs are not known to a hundredth, and a device is shared: more pages must be worth more than that.
 * Settings come with rising pages: from many cells to few, from few candidates to many. */
static bool is_cheaper(const outcome *o, const outcome *than) {
    return than->effort.probe == 0 || o->cost < 0.99 * than->cost || (o->cost < than->cost && o->pages <= than->pages);
}

static void consider(choice *c, outcome o) {
    double sure = o.recall - o.error;
    if (o.effort.probe && sure > c->surest.recall - c->surest.error) c->surest = o;
    for (size_t t = 0; t < TARGETS; t++)
        if (sure >= targets[t] && is_cheaper(&o, &c->best[t])) c->best[t] = o;
}

/* Targets out of reach are left out; the surest setting that was seen ends the table then. */
static void fill_table(gosset__calibration_table *table, const choice *c) {
    double last = 0, reached = c->surest.recall - c->surest.error;
    for (size_t t = 0; t < TARGETS; t++) {
        const outcome *o = &c->best[t];
        if (!o->effort.probe) continue;
        last = targets[t];
        table->entries[table->entry_count++] = (gosset__calibration_entry){last, o->effort, o->rerank, o->pages};
    }
    if (reached > last && reached < targets[TARGETS - 1])
        table->entries[table->entry_count++] =
            (gosset__calibration_entry){reached, c->surest.effort, c->surest.rerank, c->surest.pages};
}

/* Depths beyond these cannot pay at fewer cells: looked at, they would only cost time. */
static void limit_depths(job *j, const choice *whole) {
    for (size_t deep = 0; deep < 2; deep++) {
        uint32_t needed = whole[deep ? TABLES - 1 : TABLES - 2].best[TARGETS - 1].rerank;
        uint32_t limit = needed ? DEPTH_SLACK * needed : DEPTH_MAX;
        if (limit < DEPTH_MIN) limit = DEPTH_MIN;
        if (limit < j->depth_limit[deep]) j->depth_limit[deep] = limit;
    }
    if (j->depth_limit[1] < j->depth_limit[0]) j->depth_limit[1] = j->depth_limit[0];
}

static void consider_all(const job *j, choices *c) {
    for (size_t t = 0; t < TABLES; t++) {
        uint32_t k = gosset__calibration_k[t], limit = j->depth_limit[k > GOSSET__TRUTH_K];
        for (uint32_t d = 0; d < j->depth_count; d++) /* a search never re-ranks fewer than k */
            if (j->depths[d] >= k && j->depths[d] <= limit) {
                const outcome o = average(j, t, d);
                consider(&c->any[t], o);
                if (j->effort.leaf_reach == 0) consider(&c->whole[t], o);
            }
    }
}

static gosset_status try_effort(job *j, gosset__effort effort, choices *c) {
    j->effort = effort;
    const gosset_status status = gosset__pool_run(j->config->pool, j->queries, walk, j);
    if (status == GOSSET_OK) consider_all(j, c);
    return status;
}

/* From the probe that holds all but a few of the true neighbours down to the one that holds too few; all leaves of its
 * cells, and those within reach. */
static gosset_status measure(job *j, gosset__calibration *out) {
    choices c = {0};
    gosset__ticker ticker;
    uint32_t top = 0, bottom = 0;
    while (top + 1 < j->probe_count && coverage(j, top) < ENOUGH_PERMILLE) top++;
    while (bottom < top && coverage(j, bottom) < POOR_PERMILLE) bottom++;
    gosset__ticker_start(&ticker, &j->env);
    for (uint32_t p = top + 1; p-- > bottom;) {
        gosset__effort effort = {j->probes[p], j->reach[p], 0};
        gosset_status status = try_effort(j, effort, &c);
        if (status == GOSSET_OK && p == top) limit_depths(j, c.whole);
        for (size_t i = 0; i < LEAF_LOSSES && status == GOSSET_OK; i++) {
            effort.leaf_reach = j->leaf_reach[i][p];
            if (effort.leaf_reach > 0) status = try_effort(j, effort, &c);
        }
        if (status != GOSSET_OK) return status;
        gosset_progress progress = {.phase = "calibrate", .done = top - p + 1, .total = top - bottom + 1};
        status = gosset__tick(&ticker, &progress);
        if (status != GOSSET_OK) return status;
    }
    for (size_t t = 0; t < TABLES; t++) fill_table(&out->tables[t], &c.any[t]);
    for (size_t t = 0; t < TABLES; t++) fill_table(&out->whole[t], &c.whole[t]);
    return GOSSET_OK;
}

gosset_status gosset__calibrate(gosset__calibration *out, const gosset__calibrate_config *config,
                                const gosset__env *env) {
    gosset_status status = GOSSET_OK;
    const gosset__store *store = config->store;
    job j = {.config = config, .env = *env, .queries = config->truth->query_count};
    memset(out, 0, sizeof *out);
    for (size_t t = 0; t < TABLES; t++) out->tables[t].k = out->whole[t].k = gosset__calibration_k[t];
    if (j.queries == 0 || store->row_count <= GOSSET__TRUTH_DEEP_K) return GOSSET_OK;
    j.dimension = gosset__codec_dimension(config->codec);
    j.probe_limit = store->layout.cell_count < PROBE_MAX ? store->layout.cell_count : PROBE_MAX;
    j.depth_limit[0] = j.depth_limit[1] = store->row_count < DEPTH_MAX ? (uint32_t)store->row_count : DEPTH_MAX;
    j.probe_count = make_grid(j.probes, 1.189207115002721, 1, j.probe_limit);
    j.depth_count = make_grid(j.depths, 1.06, 1, j.depth_limit[0]);
    GOSSET_TRY(allocate(&j));
    GOSSET_TRY(gosset__locator_create(&j.locator, config->store, config->codec, config->truth, j.places, env));
    const uint64_t codes = (store->row_count + GOSSET__SCAN_BLOCK) * store->layout.code_size;
    if (codes + gosset__leaves_size(store, config->codec) <= config->memory)
        GOSSET_TRY(gosset__locator_load(j.locator));
    else
        GOSSET_TRY(gosset__locator_leave(j.locator));
    GOSSET_TRY(open_workers(&j)); /* they read what is open now */
    GOSSET_TRY(gosset__pool_run(config->pool, gosset__locator_groups(j.locator), locate, &j));
    GOSSET_TRY(map_queries(&j));
    GOSSET_TRY(gosset__pool_run(config->pool, j.queries, average_cells, &j));
    choose_reach(&j);
    GOSSET_TRY(gosset__pool_run(config->pool, j.queries, survey, &j));
    choose_leaf_reach(&j);
    GOSSET_TRY(measure(&j, out));
out:
    close_job(&j);
    return status;
}
