/*
 * For every held-out query the true neighbours are known (truth.h) and where they lie (locate.h). A search finds a
 * true neighbour exactly when it reads its page, because every record of a page is scored. Hence the best candidates
 * of a query, walked once, give recall and pages for every depth and every k at once, without reading a page.
 */
#include "api/calibrate.h"
#include "api/efforts.h"
#include "base/bytes.h"
#include "base/status.h"
#include "train/model.h"
#include <gosset/index.h>
#include <math.h>
#include <stdbool.h>

/* Costs on the reference machines beside those of an effort: an NVMe page in a batch, a candidate. */
static const double page_us = 6.6, candidate_us = 0.01;

static const double targets[] = {0.80, 0.90, 0.95, 0.97, 0.99, 0.995};
enum {
    TARGETS = sizeof targets / sizeof *targets,
    TABLES = GOSSET__CALIBRATION_TABLES,
    DEPTH_MAX = 4096, /* candidates looked at: beyond, a search is hopeless at disk prices */
    GRID_MAX = 128,
    TABLE_SIZE = 4 * DEPTH_MAX,
    DEPTH_MIN = 256,
    DEPTH_SLACK = 4, /* how much deeper than with many cells it may pay to look with few */
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
    uint64_t *rows;   /* DEPTH_MAX */
    uint32_t *orders; /* DEPTH_MAX */
    seen *table;      /* TABLE_SIZE */
} scratch;

typedef struct job {
    const gosset__calibrate_config *config;
    gosset__env env;
    uint32_t dimension, queries;
    uint32_t depth_limit[2]; /* of queries that know few neighbours, and of those that know many */
    uint32_t depths[GRID_MAX], depth_count;
    float *latents;
    gosset__place *places;
    gosset__locator *locator;
    gosset__effort efforts[GOSSET__EFFORTS_MAX], effort; /* and the present one */
    uint32_t effort_count;
    double effort_us;        /* what the present one costs, pages apart */
    gosset__survey *surveys; /* query: of one effort */
    uint32_t *read;          /* query x depth, of one effort: pages */
    uint16_t *hits[TABLES];  /* per k: query x depth, of one effort: true neighbours on them */
    scratch *workers;
    uint32_t worker_count;
} job;

/* What one setting gives on average. */
typedef struct outcome {
    double recall, error, pages, cost;
    gosset__effort effort;
    uint32_t rerank;
} outcome;

/* From 1 by factors up to limit, each number once. */
static uint32_t make_grid(uint32_t *grid, double factor, uint32_t limit) {
    uint32_t count = 0;
    for (double x = 1; count < GRID_MAX - 1 && x < limit; x *= factor) {
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
        s->rows = gosset__alloc_array(env, DEPTH_MAX, sizeof *s->rows);
        s->orders = gosset__alloc_array(env, DEPTH_MAX, sizeof *s->orders);
        s->table = gosset__alloc_array(env, TABLE_SIZE, sizeof *s->table);
        if (!s->rows || !s->orders || !s->table) return gosset__no_memory("calibration", TABLE_SIZE * sizeof *s->table);
    }
    return GOSSET_OK;
}

static gosset_status allocate(job *j) {
    const gosset__env *env = &j->env;
    size_t grid = (size_t)j->queries * GRID_MAX;
    j->latents = gosset__alloc_array(env, j->queries, j->dimension * sizeof *j->latents);
    j->places = gosset__alloc_array(env, gosset__truth_at(j->queries), sizeof *j->places);
    j->surveys = gosset__alloc_array(env, j->queries, sizeof *j->surveys);
    j->read = gosset__alloc_array(env, grid, sizeof *j->read);
    int complete = j->latents && j->places && j->surveys && j->read;
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
        gosset__free(env, j->workers[i].rows);
        gosset__free(env, j->workers[i].orders);
        gosset__free(env, j->workers[i].table);
    }
    gosset__locator_free(j->locator);
    gosset__free(env, j->workers);
    gosset__free(env, j->latents);
    gosset__free(env, j->places);
    gosset__free(env, j->surveys);
    gosset__free(env, j->read);
    for (size_t t = 0; t < TABLES; t++) gosset__free(env, j->hits[t]);
}

/* ---- measuring ---------------------------------------------------------------------------------- */

static gosset_status locate(void *context, size_t item, uint32_t worker) {
    job *j = context;
    return gosset__locator_resolve(j->locator, item, j->workers[worker].search);
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

static double mean_effort_us(const job *j) {
    double looked = 0, aimed = 0, codes = 0;
    for (size_t q = 0; q < j->queries; q++) {
        looked += j->surveys[q].looked_at;
        aimed += j->surveys[q].aimed_at;
        codes += (double)j->surveys[q].compared;
    }
    return gosset__effort_us(j->config->codec, j->effort.probe, looked / j->queries, aimed / j->queries,
                             codes / j->queries);
}

/* Means over the queries that know k neighbours, for one setting; the error is that of the mean recall. */
static outcome average(const job *j, size_t table, uint32_t d) {
    outcome o = {.effort = j->effort, .rerank = j->depths[d]};
    uint32_t k = gosset__calibration_k[table], queries = j->queries;
    if (k > GOSSET__TRUTH_K && queries > GOSSET__TRUTH_DEEP_QUERIES) queries = GOSSET__TRUTH_DEEP_QUERIES;
    double n = queries, sum = 0, squares = 0;
    for (size_t q = 0; q < queries; q++) {
        double recall = j->hits[table][q * GRID_MAX + d] / (double)k;
        sum += recall, squares += recall * recall;
        o.pages += j->read[q * GRID_MAX + d];
    }
    o.recall = sum / n;
    o.error = sqrt(fmax(squares / n - o.recall * o.recall, 0) / n);
    o.pages /= n;
    o.cost = page_us * o.pages + candidate_us * o.rerank + j->effort_us;
    return o;
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
 * Settings come with rising pages: from efforts that hold much to those that hold little, from few candidates to many.
 */
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

/* Depths beyond these cannot pay at less effort: looked at, they would only cost time. */
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

/* Where the leaves of an effort cost more than they spare, fewer of them are not tried. */
static gosset_status measure(job *j, gosset__calibration *out) {
    choices c = {0};
    gosset__ticker ticker;
    double whole_us = 0;
    bool leaves_pay = true;
    gosset__ticker_start(&ticker, &j->env);
    for (uint32_t i = 0; i < j->effort_count; i++) {
        j->effort = j->efforts[i];
        if (j->effort.leaf_reach == 0) leaves_pay = true;
        if (!leaves_pay) continue;
        gosset_status status = gosset__pool_run(j->config->pool, j->queries, walk, j);
        if (status != GOSSET_OK) return status;
        j->effort_us = mean_effort_us(j);
        consider_all(j, &c);
        if (i == 0) limit_depths(j, c.whole);
        if (j->effort.leaf_reach == 0) whole_us = j->effort_us;
        leaves_pay = j->effort_us <= whole_us;
        gosset_progress progress = {.phase = "calibrate", .done = i + 1, .total = j->effort_count};
        status = gosset__tick(&ticker, &progress);
        if (status != GOSSET_OK) return status;
    }
    for (size_t t = 0; t < TABLES; t++) fill_table(&out->tables[t], &c.any[t]);
    for (size_t t = 0; t < TABLES; t++) fill_table(&out->whole[t], &c.whole[t]);
    return GOSSET_OK;
}

static gosset_status find_efforts(job *j) {
    const gosset__calibrate_config *c = j->config;
    const gosset__efforts_config config = {c->store, c->codec, c->pool, j->latents, j->places, j->queries};
    return gosset__efforts_find(j->efforts, &j->effort_count, &config, &j->env);
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
    j.depth_limit[0] = j.depth_limit[1] = store->row_count < DEPTH_MAX ? (uint32_t)store->row_count : DEPTH_MAX;
    j.depth_count = make_grid(j.depths, 1.06, j.depth_limit[0]);
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
    GOSSET_TRY(find_efforts(&j));
    GOSSET_TRY(measure(&j, out));
out:
    close_job(&j);
    return status;
}
