/*
 * The query path: latent -> best cells -> scan of their codes -> best rows -> their pages in one batch -> exact
 * distances of every record on them -> best k. Memory grows with the largest probe, rerank and k seen so far.
 *
 * The workspace, one block, every part on its own cache line:
 *
 *     query | cells runs | cell bits, words | scores positions segments | items (rows) | nearest (records)
 *           |   probe    |     cells        |         scan rows         |   rerank     |        k
 *     pages reads tags | converted record | cell order
 *        rerank        |    dimension     |   probe
 */
#include "index/search.h"

#include "base/bytes.h"
#include "base/status.h"
#include "index/candidates.h"
#include "index/distance.h"
#include <gosset/index.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

enum {
    MAX_K = 1024,
    MIN_DEPTH = 64,   /* page buffers of a searcher at first */
    MAX_DEPTH = 1024, /* and at most: more pages are read in several batches */
    FIRST_PROBE = 256,
    FIRST_RERANK = 128,
    FIRST_K = 32
};

struct gosset__search {
    gosset__env env;
    const gosset__store *store;
    gosset__io *io; /* NULL while the store has no pages */
    void *workspace;
    uint32_t probe_room, rerank_room, k_room;
    gosset__candidates candidates;
    gosset__distance distance;
    gosset__ranked *nearest; /* gosset__best_capacity(k) */
    uint64_t *pages;         /* rerank: distinct, ascending */
    gosset__io_read *reads;  /* depth */
    uint64_t *tags;          /* depth */
    gosset__ranked *order;   /* probe: cells by number, with their place in the probe order */
};

/* ---- memory --------------------------------------------------------------------------------- */

/** Hands out parts of one block; with no block it only adds up their sizes. */
typedef struct carver {
    uint8_t *block;
    size_t used;
} carver;

static void *carve(carver *from, size_t count, size_t size) {
    void *part = from->block != NULL ? from->block + from->used : NULL;
    from->used += (size_t)gosset__round_up((uint64_t)count * size, 64);
    return part;
}

static size_t draw(gosset__search *s, uint8_t *block, uint32_t probe, uint32_t rerank, uint32_t k) {
    gosset__candidates *c = &s->candidates;
    const gosset__layout *layout = &s->store->layout;
    const uint32_t depth = s->io != NULL ? s->io->depth : 0;
    carver at = {.block = block};
    c->query = carve(&at, 1, gosset__codec_query_size(c->codec));
    c->cells = carve(&at, probe, sizeof *c->cells);
    c->runs = carve(&at, probe, sizeof *c->runs);
    c->cell_bits = carve(&at, gosset__cell_bit_words(layout->cell_count), sizeof *c->cell_bits);
    c->cell_words = carve(&at, gosset__cell_summary_words(layout->cell_count), sizeof *c->cell_words);
    c->scores = carve(&at, GOSSET__SCAN_ROWS, sizeof *c->scores);
    c->positions = carve(&at, GOSSET__SCAN_ROWS, sizeof *c->positions);
    c->segments = carve(&at, GOSSET__SCAN_ROWS / GOSSET__SCAN_BLOCK, sizeof *c->segments);
    c->items = carve(&at, gosset__best_capacity(rerank), sizeof *c->items);
    s->nearest = carve(&at, gosset__best_capacity(k), sizeof *s->nearest);
    s->pages = carve(&at, rerank, sizeof *s->pages);
    s->reads = carve(&at, depth, sizeof *s->reads);
    s->tags = carve(&at, depth, sizeof *s->tags);
    s->distance.converted = carve(&at, layout->dimension, sizeof *s->distance.converted);
    s->order = carve(&at, probe, sizeof *s->order);
    return at.used;
}

/** A larger ring when more pages may be wanted at once. */
static gosset_status reserve_io(gosset__search *s, uint32_t rerank) {
    gosset_status status = GOSSET_OK;
    gosset__io *larger = NULL;
    uint32_t depth = MIN_DEPTH;
    if (s->store->page_count == 0) return GOSSET_OK;
    while (depth < rerank && depth < MAX_DEPTH) depth *= 2;
    if (s->io != NULL && s->io->depth >= depth) return GOSSET_OK;
    GOSSET_TRY(gosset__io_open(&larger, s->store->files, depth, &s->env));
    gosset__io_close(s->io);
    s->io = larger;
out:
    return status;
}

/** Room for a query of this size; on failure the searcher keeps the room it had. */
static gosset_status reserve(gosset__search *s, uint32_t probe, uint32_t rerank, uint32_t k) {
    gosset_status status = GOSSET_OK;
    if (probe <= s->probe_room && rerank <= s->rerank_room && k <= s->k_room) return GOSSET_OK;
    if (probe < s->probe_room) probe = s->probe_room;
    if (rerank < s->rerank_room) rerank = s->rerank_room;
    if (k < s->k_room) k = s->k_room;
    gosset__free(&s->env, s->workspace); /* nothing in it outlives a query */
    s->workspace = NULL;
    s->probe_room = s->rerank_room = s->k_room = 0;
    GOSSET_TRY(reserve_io(s, rerank));
    const size_t size = draw(s, NULL, probe, rerank, k);
    s->workspace = gosset__alloc_zero(&s->env, size);
    if (s->workspace == NULL) GOSSET_TRY(gosset__no_memory("a searcher's workspace", size));
    draw(s, s->workspace, probe, rerank, k);
    s->probe_room = probe;
    s->rerank_room = rerank;
    s->k_room = k;
out:
    return status;
}

gosset_status gosset__search_create(gosset__search **out, const gosset__store *store, const gosset__codec *codec,
                                    const gosset__kernels *kernels, const gosset__env *env) {
    gosset_status status = GOSSET_OK;
    gosset__search *self = NULL;
    *out = NULL;
    GOSSET_REQUIRE(gosset__codec_code_size(codec) == store->layout.code_size &&
                       gosset__codec_cell_count(codec) == store->layout.cell_count,
                   GOSSET_E_MISMATCH, "%s: expected %u cells and codes of %u bytes, found %u and %u", store->directory,
                   gosset__codec_cell_count(codec), gosset__codec_code_size(codec), store->layout.cell_count,
                   store->layout.code_size);
    self = gosset__alloc_zero(env, sizeof *self);
    if (self == NULL) GOSSET_TRY(gosset__no_memory("a searcher", sizeof *self));
    self->env = *env;
    self->store = store;
    self->candidates = (gosset__candidates){.store = store, .codec = codec, .kernels = kernels};
    self->distance = (gosset__distance){.kernels = kernels,
                                        .metric = store->layout.metric,
                                        .type = store->layout.type,
                                        .dimension = store->layout.dimension};
    GOSSET_TRY(reserve(self, FIRST_PROBE, FIRST_RERANK, FIRST_K));
    *out = self;
    return GOSSET_OK;
out:
    gosset__search_free(self);
    return status;
}

void gosset__search_free(gosset__search *search) {
    if (search == NULL) return;
    const gosset__env env = search->env;
    gosset__io_close(search->io);
    gosset__free(&env, search->workspace);
    gosset__free(&env, search);
}

/* ---- pages ---------------------------------------------------------------------------------- */

/** Ends a batch whose pages nobody wants any more: their buffers are needed again. */
static void abandon(gosset__search *s, uint32_t in_flight) {
    uint32_t count = 0;
    while (in_flight > 0 && s->io->ops->reap(s->io, in_flight, s->tags, s->io->depth, &count) == GOSSET_OK && count > 0)
        in_flight -= count;
}

static void score_page(gosset__search *s, const uint8_t *page, uint32_t record_count, gosset__best *best) {
    const size_t record_size = s->store->layout.record_size;
    for (uint32_t r = 0; r < record_count; r++) {
        const uint8_t *record = page + r * record_size;
        const float distance = gosset__distance_to(&s->distance, record + sizeof(uint64_t));
        gosset__best_add(best, gosset__load64(record), gosset__rank_of_distance(distance));
    }
}

/** Starts reading up to `count` pages, ascending; page i goes to buffer i with tag i. */
static gosset_status submit_pages(gosset__search *s, const uint64_t *pages, uint32_t count) {
    const gosset__store *store = s->store;
    uint32_t shard = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (pages[i] >= store->shard_first_page[shard + 1]) {
            uint32_t high = store->shard_count; /* the page is in a shard of (shard, high) */
            while (high - shard > 1) {
                const uint32_t middle = shard + (high - shard) / 2;
                if (pages[i] < store->shard_first_page[middle])
                    high = middle;
                else
                    shard = middle;
            }
        }
        s->reads[i] = (gosset__io_read){.file = shard,
                                        .page = pages[i] - store->shard_first_page[shard],
                                        .buffer = s->io->buffers + (size_t)i * store->layout.page_size,
                                        .tag = i};
    }
    return s->io->ops->submit(s->io, s->reads, count);
}

/** Half of a batch is scored while the other half is still being read; waking more often costs more than it hides. */
static gosset_status read_batch(gosset__search *s, const uint64_t *pages, uint32_t count, gosset__best *best) {
    gosset_status status = GOSSET_OK;
    const gosset__store *store = s->store;
    uint32_t left = 0;
    GOSSET_TRY(submit_pages(s, pages, count));
    left = count;
    while (left > 0) {
        const uint32_t wanted = left > count / 2 ? left - count / 2 : left;
        uint32_t found = 0;
        status = s->io->ops->reap(s->io, wanted, s->tags, s->io->depth, &found);
        if (status != GOSSET_OK) return status; /* nothing is in flight then */
        left -= found;
        for (uint32_t i = 0; i < found; i++) {
            const uint64_t page = pages[s->tags[i]];
            const uint8_t *data = s->io->buffers + s->tags[i] * (size_t)store->layout.page_size;
            GOSSET_TRY(gosset__store_check_page(store, page, data));
            score_page(s, data, gosset__store_page_records(store, page), best);
        }
    }
out:
    abandon(s, left);
    return status;
}

/** The distinct pages of the chosen rows, ascending, into s->pages. `rows` is used up. */
static uint32_t pages_of_rows(gosset__search *s, gosset__best *rows) {
    uint32_t count = 0;
    for (size_t i = 0; i < rows->count; i++)
        rows->items[i] = (gosset__ranked){.id = gosset__store_page_of(s->store, rows->items[i].id)};
    gosset__ranked_sort(rows->items, rows->count);
    for (size_t i = 0; i < rows->count; i++)
        if (count == 0 || s->pages[count - 1] != rows->items[i].id) s->pages[count++] = rows->items[i].id;
    return count;
}

/* ---- a query -------------------------------------------------------------------------------- */

static uint32_t clamp(uint32_t value, uint64_t low, uint64_t high) {
    if (value > high) return (uint32_t)high;
    return value < low ? (uint32_t)low : value;
}

/** The cells to scan: as many as asked for, or more when those hold fewer than `least` rows. */
static gosset_status probe_cells(gosset__search *s, const float *latent, uint32_t probe, uint64_t least,
                                 uint32_t rerank, uint32_t k) {
    gosset_status status = GOSSET_OK;
    const uint32_t cell_count = s->store->layout.cell_count;
    probe = clamp(probe, 1, cell_count);
    if (least > s->store->row_count) least = s->store->row_count;
    while (true) {
        GOSSET_TRY(reserve(s, probe, rerank, k));
        gosset__candidates_query(&s->candidates, latent);
        gosset__candidates_probe(&s->candidates, probe);
        if (s->candidates.rows_found >= least || probe == cell_count) break;
        probe = probe > cell_count / 2 ? cell_count : 2 * probe;
    }
out:
    return status;
}

static void write_results(gosset__best *best, uint32_t k, uint64_t *ids, float *distances) {
    gosset__best_cut(best);
    gosset__ranked_sort(best->items, best->count);
    for (uint32_t i = 0; i < k; i++) {
        const int found = i < best->count;
        ids[i] = found ? best->items[i].id : GOSSET_NO_ID;
        if (distances != NULL) distances[i] = found ? gosset__distance_of_rank(best->items[i].rank) : INFINITY;
    }
}

gosset_status gosset__search_run(gosset__search *search, const float *latent, const void *vector,
                                 gosset_type vector_type, uint32_t probe, uint32_t rerank, uint32_t k, uint64_t *ids,
                                 float *distances, gosset__search_stats *stats) {
    gosset_status status = GOSSET_OK;
    gosset__search *s = search;
    gosset__best rows, nearest;
    const uint64_t started = gosset__nanoseconds();
    GOSSET_REQUIRE(k >= 1 && k <= MAX_K, GOSSET_E_ARGUMENT, "k: expected 1 to %d, found %u", MAX_K, k);
    GOSSET_REQUIRE(vector_type == s->store->layout.type || vector_type == GOSSET_F32, GOSSET_E_DIMENSION,
                   "query: expected f32 or the type of the stored vectors");
    rerank = clamp(rerank < k ? k : rerank, 1, s->store->row_count > 0 ? s->store->row_count : 1);
    GOSSET_TRY(probe_cells(s, latent, probe, k, rerank, k));
    gosset__candidates_scan(&s->candidates, rerank, &rows);
    const size_t candidate_count = rows.count;
    const uint32_t page_count = pages_of_rows(s, &rows);
    const uint64_t scanned = gosset__nanoseconds();

    gosset__distance_set(&s->distance, vector, vector_type);
    gosset__best_start(&nearest, s->nearest, k);
    for (uint32_t first = 0; first < page_count; first += s->io->depth) {
        const uint32_t count = page_count - first < s->io->depth ? page_count - first : s->io->depth;
        GOSSET_TRY(read_batch(s, s->pages + first, count, &nearest));
        if (stats != NULL) stats->io_batches++;
    }
    write_results(&nearest, k, ids, distances);
    if (stats == NULL) return GOSSET_OK;
    stats->cells_probed += s->candidates.cells_found;
    stats->codes_scanned += s->candidates.rows_found;
    stats->candidates += candidate_count;
    stats->pages_read += page_count;
    stats->bytes_read += (uint64_t)page_count * s->store->layout.page_size;
    stats->scan_ns += scanned - started;
    stats->io_ns += gosset__nanoseconds() - scanned;
out:
    return status;
}

/* ---- calibration ---------------------------------------------------------------------------- */

/** The probed cells by number, so that a row's place in the probe order can be looked up. */
static void order_cells(gosset__search *s) {
    for (uint32_t i = 0; i < s->candidates.cells_found; i++)
        s->order[i] = (gosset__ranked){.id = i, .rank = s->candidates.cells[i]};
    gosset__ranked_sort(s->order, s->candidates.cells_found);
}

static uint32_t order_of_row(const gosset__search *s, uint64_t row) {
    uint32_t low = 0, high = s->candidates.cells_found; /* the last cell that begins at or before the row */
    while (high - low > 1) {
        const uint32_t middle = low + (high - low) / 2;
        if (s->store->cell_first[s->order[middle].rank] <= row)
            low = middle;
        else
            high = middle;
    }
    return (uint32_t)s->order[low].id;
}

gosset_status gosset__search_candidates(gosset__search *search, const float *latent, uint32_t probe, uint32_t count,
                                        uint64_t *rows, uint32_t *cell_order, uint32_t *found) {
    gosset_status status = GOSSET_OK;
    gosset__search *s = search;
    gosset__best best;
    *found = 0;
    count = clamp(count, 1, s->store->row_count > 0 ? s->store->row_count : 1);
    GOSSET_TRY(probe_cells(s, latent, probe, 0, count, 1));
    gosset__candidates_scan(&s->candidates, count, &best);
    gosset__ranked_sort(best.items, best.count);
    order_cells(s);
    for (size_t i = 0; i < best.count; i++) {
        rows[i] = best.items[i].id;
        cell_order[i] = order_of_row(s, rows[i]);
    }
    *found = (uint32_t)best.count;
out:
    return status;
}

gosset_status gosset__search_read_page(gosset__search *search, uint64_t page, const uint8_t **data) {
    gosset_status status = GOSSET_OK;
    gosset__search *s = search;
    uint32_t count = 0;
    GOSSET_REQUIRE(page < s->store->page_count, GOSSET_E_ARGUMENT, "page %llu: the index has %llu",
                   (unsigned long long)page, (unsigned long long)s->store->page_count);
    GOSSET_TRY(reserve(s, 1, 1, 1));
    GOSSET_TRY(submit_pages(s, &page, 1));
    GOSSET_TRY(s->io->ops->reap(s->io, 1, s->tags, s->io->depth, &count));
    GOSSET_TRY(gosset__store_check_page(s->store, page, s->io->buffers));
    *data = s->io->buffers;
out:
    return status;
}

float gosset__search_distance(const gosset__search *search, const void *query, gosset_type query_type,
                              const void *record_vector) {
    gosset__distance distance = search->distance; /* its scratch is the searcher's */
    gosset__distance_set(&distance, query, query_type);
    return gosset__distance_to(&distance, record_vector);
}
