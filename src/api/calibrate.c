/*
 * For every held-out query the true neighbours are known (truth.h) and so, after `locate`, are their pages. A search
 * finds a true neighbour exactly when it reads its page, because every record of a page is scored. Hence the best
 * candidates of a query, walked once, give recall and pages for every depth at once, without reading a page.
 */
#include "api/calibrate.h"
#include "base/bytes.h"
#include "base/status.h"
#include "train/model.h"
#include <gosset/index.h>
#include <math.h>
#include <stdlib.h>

/* Costs on the reference machine: an NVMe page in a batch, a code of the scan, a candidate's bookkeeping. */
static const double page_us = 6.6, code_us = 0.001, candidate_us = 0.01, cell_us = 0.01;

static const double targets[] = {0.80, 0.90, 0.95, 0.97, 0.99, 0.995};

enum {
    DEPTH_MAX = 4096,     /* candidates looked at: beyond, a search is hopeless at disk prices */
    PROBE_MAX = 1 << 16,
    GRID_MAX = 64,
    TABLE_SIZE = 16384,   /* pages of one query's candidates: a power of two, well above DEPTH_MAX */
    COVERED_PERMILLE = 998, /* no larger probe is tried once this part of the truth lies in probed cells */
    QUERIES_PER_MAP = 64
};

/* Where a true neighbour is. */
typedef struct target {
    uint64_t id;
    uint32_t cell, slot; /* slot: query x GOSSET__TRUTH_K + rank */
} target;

/* One worker's tools. */
typedef struct scratch {
    gosset__search *search;
    gosset__codec_query *query;
    uint32_t *cells;      /* PROBE_MAX at most */
    uint64_t *rows;       /* DEPTH_MAX */
    uint32_t *orders;     /* DEPTH_MAX */
    uint64_t *table;      /* TABLE_SIZE: pages seen, as page + 1 */
} scratch;

typedef struct job {
    const gosset__calibrate_config *config;
    gosset__env env;
    uint32_t dimension, queries, probe_limit, depth_limit;
    uint32_t probes[GRID_MAX], depths[GRID_MAX], probe_count, depth_count;
    float *latents;
    uint64_t *pages;      /* per slot: page of the true neighbour */
    target *targets;
    uint32_t *groups;     /* first target of each distinct cell */
    uint32_t target_count, group_count;
    uint64_t *scanned;    /* query x probe: codes in the probed cells */
    uint32_t *covered;    /* query x probe: true neighbours in the probed cells */
    uint32_t *read;       /* query x depth, of one probe: pages */
    uint32_t *hits;       /* query x depth, of one probe: true neighbours on them */
    scratch *workers;
    uint32_t worker_count, probe;
} job;

/* What one setting gives on average. */
typedef struct outcome {
    double recall, error, pages, cost;
    uint32_t probe, rerank;
} outcome;

/* 1, 2, 3, 4, 6, 8, 11, ... up to limit, by `factor`. */
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
    for (; j->worker_count < threads; j->worker_count++) {
        scratch *s = &j->workers[j->worker_count];
        gosset_status status = gosset__search_create(&s->search, c->store, c->codec, c->kernels, env);
        if (status != GOSSET_OK) return status;
        s->query = gosset__alloc(env, gosset__codec_query_size(c->codec));
        s->cells = gosset__alloc_array(env, j->probe_limit, sizeof *s->cells);
        s->rows = gosset__alloc_array(env, DEPTH_MAX, sizeof *s->rows);
        s->orders = gosset__alloc_array(env, DEPTH_MAX, sizeof *s->orders);
        s->table = gosset__alloc_array(env, TABLE_SIZE, sizeof *s->table);
        if (!s->query || !s->cells || !s->rows || !s->orders || !s->table) {
            j->worker_count++; /* so that the parts are freed */
            return gosset__no_memory("calibration", TABLE_SIZE * sizeof *s->table);
        }
    }
    return GOSSET_OK;
}

static gosset_status allocate(job *j) {
    const gosset__env *env = &j->env;
    size_t slots = (size_t)j->queries * GOSSET__TRUTH_K, grid = (size_t)j->queries * GRID_MAX;
    j->latents = gosset__alloc_array(env, j->queries, j->dimension * sizeof *j->latents);
    j->pages = gosset__alloc_array(env, slots, sizeof *j->pages);
    j->targets = gosset__alloc_array(env, slots, sizeof *j->targets);
    j->groups = gosset__alloc_array(env, slots + 1, sizeof *j->groups);
    j->scanned = gosset__alloc_array(env, grid, sizeof *j->scanned);
    j->covered = gosset__alloc_array(env, grid, sizeof *j->covered);
    j->read = gosset__alloc_array(env, grid, sizeof *j->read);
    j->hits = gosset__alloc_array(env, grid, sizeof *j->hits);
    if (!j->latents || !j->pages || !j->targets || !j->groups || !j->scanned || !j->covered || !j->read || !j->hits)
        return gosset__no_memory("calibration", grid * 20);
    return GOSSET_OK;
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
        gosset__free(env, j->workers[i].rows);
        gosset__free(env, j->workers[i].orders);
        gosset__free(env, j->workers[i].table);
    }
    gosset__free(env, j->workers);
    gosset__free(env, j->latents);
    gosset__free(env, j->pages);
    gosset__free(env, j->targets);
    gosset__free(env, j->groups);
    gosset__free(env, j->scanned);
    gosset__free(env, j->covered);
    gosset__free(env, j->read);
    gosset__free(env, j->hits);
}

/* ---- pages of the true neighbours --------------------------------------------------------------- */

static int by_cell_and_id(const void *a, const void *b) {
    const target *x = a, *y = b;
    if (x->cell != y->cell) return x->cell < y->cell ? -1 : 1;
    if (x->id != y->id) return x->id < y->id ? -1 : 1;
    return x->slot < y->slot ? -1 : x->slot > y->slot;
}

static gosset_status collect_targets(job *j) {
    const gosset__truth *truth = j->config->truth;
    for (uint32_t slot = 0; slot < j->queries * GOSSET__TRUTH_K; slot++) {
        const gosset__neighbour *n = &truth->lists[slot];
        j->pages[slot] = UINT64_MAX;
        if (n->id == GOSSET_NO_ID) continue;
        if (n->tag >= j->config->store->layout.cell_count)
            return gosset__fail(GOSSET_E_CORRUPT, "%s: calibration: cell: expected less than %u, found %u",
                                j->config->store->directory, j->config->store->layout.cell_count, n->tag);
        j->targets[j->target_count++] = (target){n->id, n->tag, slot};
    }
    qsort(j->targets, j->target_count, sizeof *j->targets, by_cell_and_id);
    for (uint32_t i = 0; i < j->target_count; i++)
        if (i == 0 || j->targets[i].cell != j->targets[i - 1].cell) j->groups[j->group_count++] = i;
    j->groups[j->group_count] = j->target_count;
    return GOSSET_OK;
}

/* Notes `page` for the targets of this id that have none yet; returns how many. */
static uint32_t note_page(job *j, uint32_t first, uint32_t end, uint64_t id, uint64_t page) {
    uint32_t last = end, noted = 0;
    while (first < last) { /* lower bound */
        uint32_t middle = first + (last - first) / 2;
        if (j->targets[middle].id < id) first = middle + 1;
        else last = middle;
    }
    for (; first < end && j->targets[first].id == id; first++) {
        if (j->pages[j->targets[first].slot] != UINT64_MAX) continue;
        j->pages[j->targets[first].slot] = page;
        noted++;
    }
    return noted;
}

/* Reads the pages of one cell until all true neighbours in it have been met. */
static gosset_status locate(void *context, size_t item, uint32_t worker) {
    job *j = context;
    const gosset__store *store = j->config->store;
    uint32_t first = j->groups[item], end = j->groups[item + 1], cell = j->targets[first].cell, missing = end - first;
    uint64_t begin = store->cell_first[cell], stop = store->cell_first[cell + 1];
    if (begin < stop) {
        uint64_t last = gosset__store_page_of(store, stop - 1);
        for (uint64_t page = gosset__store_page_of(store, begin); page <= last && missing; page++) {
            const uint8_t *data;
            gosset_status status = gosset__search_read_page(j->workers[worker].search, page, &data);
            if (status != GOSSET_OK) return status;
            uint32_t records = gosset__store_page_records(store, page);
            for (uint32_t i = 0; i < records; i++, data += store->layout.record_size)
                missing -= note_page(j, first, end, gosset__load64(data), page);
        }
    }
    if (missing)
        return gosset__fail(GOSSET_E_CORRUPT, "%s: calibration: cell %u lacks %u vectors it should hold",
                            store->directory, cell, missing);
    return GOSSET_OK;
}

/* ---- measuring ---------------------------------------------------------------------------------- */

/* Codes and true neighbours inside the best cells of a query, for every probe of the grid. */
static gosset_status survey(void *context, size_t item, uint32_t worker) {
    job *j = context;
    const gosset__calibrate_config *c = j->config;
    scratch *s = &j->workers[worker];
    gosset__codec_query_set(c->codec, j->latents + item * j->dimension, s->query);
    uint32_t count = gosset__codec_probe(c->codec, s->query, j->probe_limit, s->cells);
    uint64_t scanned = 0;
    uint32_t covered = 0, at = 0;
    for (uint32_t p = 0; p < j->probe_count; p++) {
        for (; at < j->probes[p] && at < count; at++) {
            uint32_t cell = s->cells[at];
            scanned += c->store->cell_first[cell + 1] - c->store->cell_first[cell];
            for (size_t t = 0; t < GOSSET__TRUTH_K; t++) {
                const gosset__neighbour *n = &c->truth->lists[item * GOSSET__TRUTH_K + t];
                covered += n->id != GOSSET_NO_ID && n->tag == cell;
            }
        }
        j->scanned[item * GRID_MAX + p] = scanned;
        j->covered[item * GRID_MAX + p] = covered;
    }
    return GOSSET_OK;
}

/* Whether the page was new to the table. */
static int add_page(uint64_t *table, uint64_t page) {
    size_t slot = (size_t)((page * UINT64_C(0x9E3779B97F4A7C15)) >> 40) & (TABLE_SIZE - 1);
    for (; table[slot]; slot = (slot + 1) & (TABLE_SIZE - 1))
        if (table[slot] == page + 1) return 0;
    table[slot] = page + 1;
    return 1;
}

/* Walks a query's candidates at one probe: pages read and true neighbours on them, at every depth of the grid. */
static gosset_status walk(void *context, size_t item, uint32_t worker) {
    job *j = context;
    scratch *s = &j->workers[worker];
    uint32_t found = 0, pages = 0, hits = 0, at = 0;
    gosset_status status =
        gosset__search_candidates(s->search, j->latents + item * j->dimension, j->probes[j->probe], j->depth_limit,
                                  s->rows, s->orders, &found);
    if (status != GOSSET_OK) return status;
    memset(s->table, 0, TABLE_SIZE * sizeof *s->table);
    for (uint32_t d = 0; d < j->depth_count; d++) {
        for (; at < j->depths[d] && at < found; at++) {
            uint64_t page = gosset__store_page_of(j->config->store, s->rows[at]);
            if (!add_page(s->table, page)) continue;
            pages++;
            for (size_t t = 0; t < GOSSET__TRUTH_K; t++) hits += j->pages[item * GOSSET__TRUTH_K + t] == page;
        }
        j->read[item * GRID_MAX + d] = pages;
        j->hits[item * GRID_MAX + d] = hits;
    }
    return GOSSET_OK;
}

/* Means over the queries for one setting; the error is that of the mean recall. */
static outcome average(const job *j, uint32_t p, uint32_t d) {
    outcome o = {.probe = j->probes[p], .rerank = j->depths[d]};
    double n = j->queries, sum = 0, squares = 0, scanned = 0;
    for (size_t q = 0; q < j->queries; q++) {
        double recall = j->hits[q * GRID_MAX + d] / (double)GOSSET__TRUTH_K;
        sum += recall, squares += recall * recall;
        o.pages += j->read[q * GRID_MAX + d];
        scanned += (double)j->scanned[q * GRID_MAX + p];
    }
    o.recall = sum / n;
    o.error = sqrt(fmax(squares / n - o.recall * o.recall, 0) / n);
    o.pages /= n;
    o.cost = page_us * o.pages + code_us * scanned / n + candidate_us * o.rerank + cell_us * o.probe;
    return o;
}

static int enough_cells(const job *j, uint32_t p) {
    uint64_t covered = 0;
    for (size_t q = 0; q < j->queries; q++) covered += j->covered[q * GRID_MAX + p];
    return covered * 1000 >= (uint64_t)j->target_count * COVERED_PERMILLE;
}

/* Tries every setting of the grid; keeps the cheapest for each target, and the surest of all. */
static gosset_status measure(job *j, outcome *best, outcome *surest, gosset__ticker *ticker) {
    for (j->probe = 0; j->probe < j->probe_count; j->probe++) {
        gosset_status status = gosset__pool_run(j->config->pool, j->queries, walk, j);
        if (status != GOSSET_OK) return status;
        for (uint32_t d = 0; d < j->depth_count; d++) {
            outcome o = average(j, j->probe, d);
            if (o.recall - o.error > surest->recall - surest->error) *surest = o;
            for (size_t t = 0; t < sizeof targets / sizeof *targets; t++)
                if (o.recall - o.error >= targets[t] && (best[t].probe == 0 || o.cost < best[t].cost)) best[t] = o;
        }
        gosset_progress progress = {.phase = "calibrate", .done = j->probe + 1, .total = j->probe_count};
        status = gosset__tick(ticker, &progress);
        if (status != GOSSET_OK) return status;
        if (enough_cells(j, j->probe)) break;
    }
    return GOSSET_OK;
}

static void add_entry(gosset__calibration *out, double recall, const outcome *o) {
    out->entries[out->entry_count++] = (gosset__calibration_entry){recall, o->probe, o->rerank, o->pages};
}

/* Targets out of reach are left out; the best that was seen ends the table then. */
static void fill_table(gosset__calibration *out, const outcome *best, const outcome *surest) {
    double last = 0;
    for (size_t t = 0; t < sizeof targets / sizeof *targets; t++)
        if (best[t].probe) add_entry(out, last = targets[t], &best[t]);
    double reached = surest->recall - surest->error;
    if (surest->probe && reached > last && reached < targets[sizeof targets / sizeof *targets - 1])
        add_entry(out, reached, surest);
}

gosset_status gosset__calibrate(gosset__calibration *out, const gosset__calibrate_config *config,
                                const gosset__env *env, gosset__ticker *ticker) {
    gosset_status status = GOSSET_OK;
    outcome best[sizeof targets / sizeof *targets] = {{0}}, surest = {0};
    const gosset__store *store = config->store;
    job j = {.config = config, .env = *env, .queries = config->truth->query_count};
    *out = (gosset__calibration){0};
    if (j.queries == 0 || store->row_count <= GOSSET__TRUTH_K) return GOSSET_OK;
    j.dimension = gosset__codec_dimension(config->codec);
    j.probe_limit = store->layout.cell_count < PROBE_MAX ? store->layout.cell_count : PROBE_MAX;
    j.depth_limit = store->row_count < DEPTH_MAX ? (uint32_t)store->row_count : DEPTH_MAX;
    j.probe_count = make_grid(j.probes, 1.4142135623730951, 1, j.probe_limit);
    j.depth_count = make_grid(j.depths, 1.189207115002721, GOSSET__TRUTH_K, j.depth_limit);
    GOSSET_TRY(allocate(&j));
    GOSSET_TRY(open_workers(&j));
    GOSSET_TRY(map_queries(&j));
    GOSSET_TRY(collect_targets(&j));
    GOSSET_TRY(gosset__pool_run(config->pool, j.group_count, locate, &j));
    GOSSET_TRY(gosset__pool_run(config->pool, j.queries, survey, &j));
    GOSSET_TRY(measure(&j, best, &surest, ticker));
    fill_table(out, best, &surest);
out:
    close_job(&j);
    return status;
}
