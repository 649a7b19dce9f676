/*
 * Room for queries. It grows with the largest probe, rerank, k and number in flight seen so far, and never on the
 * way of a query that fits.
 *
 * One block, every part on its own cache line, by what its size follows from:
 *   - the codec: what it makes of a query;
 *   - probe: cells, remoteness, runs, order; cells of the index: cell bits, words and margins;
 *   - rows of a scan: whole, scores, positions, bounds, segments;
 *   - rerank: items of rows; dimension: the converted record;
 *   - page buffers: reads, done, free buffers, buffer pages;
 *   - queries in flight: queries, and for each of them pages (rerank), its vector (dimension) and items of records (k).
 */
#include "base/bytes.h"
#include "base/status.h"
#include "index/search_internal.h"
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    MIN_DEPTH = 64,     /* page buffers of a searcher at first */
    MAX_DEPTH = 1024,   /* and at most: queries that want more read in several batches */
    PAGES_OF_QUERY = 64 /* buffers to count on for each of several queries in flight */
};

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

static void draw_candidates(gosset__search *s, carver *at, const gosset__search_room *room) {
    gosset__candidates *c = &s->candidates;
    const uint32_t cell_count = s->store->layout.cell_count;
    c->query = carve(at, 1, gosset__codec_query_size(c->codec));
    c->cells = carve(at, room->probe, sizeof *c->cells);
    c->remoteness = carve(at, room->probe, sizeof *c->remoteness);
    c->runs = carve(at, room->probe, sizeof *c->runs);
    c->cell_bits = carve(at, gosset__cell_bit_words(cell_count), sizeof *c->cell_bits);
    c->cell_words = carve(at, gosset__cell_summary_words(cell_count), sizeof *c->cell_words);
    c->margins = carve(at, cell_count, sizeof *c->margins);
    c->whole = carve(at, GOSSET__SCAN_PIECE * GOSSET__SCAN_BLOCK, c->store->layout.code_size);
    c->scores = carve(at, GOSSET__SCAN_ROWS, sizeof *c->scores);
    c->positions = carve(at, GOSSET__SCAN_ROWS, sizeof *c->positions);
    c->bounds = carve(at, GOSSET__SCAN_ROWS, sizeof *c->bounds);
    c->segments = carve(at, GOSSET__SCAN_ROWS / GOSSET__SCAN_BLOCK, sizeof *c->segments);
    c->items = carve(at, gosset__best_capacity(room->rerank), sizeof *c->items);
}

static void draw_codes(gosset__search *s, carver *at) {
    s->scan.chunks = carve(at, GOSSET__CODE_CHUNKS, sizeof *s->scan.chunks);
    s->scan.free = carve(at, GOSSET__CODE_CHUNKS, sizeof *s->scan.free);
    s->scan.blocks = carve(at, GOSSET__CODE_ROWS, s->store->layout.code_size);
}

static void draw_codes_of(const gosset__search *s, carver *at, const gosset__search_room *room, gosset__query *parts) {
    parts->latent = carve(at, gosset__codec_dimension(s->candidates.codec), sizeof *parts->latent);
    parts->runs = carve(at, room->probe, sizeof *parts->runs);
    parts->row_items = carve(at, gosset__best_capacity(room->rerank), sizeof *parts->row_items);
}

static size_t draw(gosset__search *s, uint8_t *block, const gosset__search_room *room) {
    const uint32_t depth = s->io != NULL ? s->io->depth : 0, dimension = s->store->layout.dimension;
    const bool on_disk = s->store->code_sums != NULL;
    carver at = {.block = block};
    draw_candidates(s, &at, room);
    if (on_disk) draw_codes(s, &at);
    s->distance.converted = carve(&at, dimension, sizeof *s->distance.converted);
    s->order = carve(&at, room->probe, sizeof *s->order);
    s->reads = carve(&at, depth, sizeof *s->reads);
    s->done = carve(&at, depth, sizeof *s->done);
    s->free_buffers = carve(&at, depth, sizeof *s->free_buffers);
    s->buffer_page = carve(&at, depth, sizeof *s->buffer_page);
    s->queries = carve(&at, room->in_flight, sizeof *s->queries);
    for (uint32_t i = 0; i < room->in_flight; i++) {
        gosset__query parts = {.distance = s->distance};
        parts.pages = carve(&at, gosset__query_page_room(room->rerank), sizeof *parts.pages);
        parts.vector = carve(&at, dimension, sizeof(float));
        parts.items = carve(&at, gosset__best_capacity(room->k), sizeof *parts.items);
        if (on_disk) draw_codes_of(s, &at, room, &parts);
        if (block != NULL) s->queries[i] = parts;
    }
    return at.used;
}

gosset_status gosset__search_open_io(gosset__search *search, uint32_t depth) {
    gosset__io *opened = NULL;
    const gosset_status status = gosset__io_open(&opened, search->store->files, depth, search->event, &search->env);
    if (status != GOSSET_OK) return status;
    gosset__io_close(search->io);
    search->io = opened;
    return GOSSET_OK;
}

/** Buffers of code chunks, in pages. */
static uint32_t code_depth(const gosset__search *s) {
    return s->store->code_sums != NULL ? GOSSET__CODE_CHUNKS * GOSSET__CODE_CHUNK_PAGES : 0;
}

/** A larger ring when more pages may be wanted at once. */
static gosset_status reserve_io(gosset__search *s, const gosset__search_room *room) {
    const uint32_t each = room->rerank < PAGES_OF_QUERY ? room->rerank : PAGES_OF_QUERY;
    const uint32_t wanted = room->in_flight * each > room->rerank ? room->in_flight * each : room->rerank;
    uint32_t depth = MIN_DEPTH;
    if (s->store->page_count == 0) return GOSSET_OK;
    while (depth < wanted && depth < MAX_DEPTH) depth *= 2;
    if (s->io != NULL && s->page_depth >= depth) return GOSSET_OK;
    const gosset_status status = gosset__search_open_io(s, depth + code_depth(s));
    if (status == GOSSET_OK) s->page_depth = depth;
    return status;
}

static uint32_t larger(uint32_t a, uint32_t b) {
    return a > b ? a : b;
}

void gosset__search_free_buffers(gosset__search *search) {
    search->free_buffer_count = search->io != NULL ? search->page_depth : 0;
    for (uint32_t i = 0; i < search->free_buffer_count; i++) search->free_buffers[i] = i;
    search->scan.owner = UINT64_MAX;
    search->scan.free_count = code_depth(search) > 0 ? GOSSET__CODE_CHUNKS : 0;
    for (uint32_t i = 0; i < search->scan.free_count; i++) search->scan.free[i] = i;
}

gosset_status gosset__search_reserve(gosset__search *search, uint32_t probe, uint32_t rerank, uint32_t k) {
    gosset_status status = GOSSET_OK;
    gosset__search *s = search;
    const gosset__search_room *have = &s->room;
    if (s->in_flight <= have->in_flight && probe <= have->probe && rerank <= have->rerank && k <= have->k)
        return GOSSET_OK;
    GOSSET_REQUIRE(gosset__search_in_flight(s) == 0, GOSSET_E_BUSY,
                   "query: needs more room than the searcher has: first let the queries in flight end");
    const gosset__search_room room = {.in_flight = larger(s->in_flight, have->in_flight),
                                      .probe = larger(probe, have->probe),
                                      .rerank = larger(rerank, have->rerank),
                                      .k = larger(k, have->k)};
    gosset__free(&s->env, s->workspace); /* nothing in it outlives a query */
    s->workspace = NULL;
    s->workspace_size = 0;
    s->room = (gosset__search_room){.in_flight = 0};
    GOSSET_TRY(reserve_io(s, &room));
    const size_t size = draw(s, NULL, &room);
    s->workspace = gosset__alloc_zero(&s->env, size);
    if (s->workspace == NULL) GOSSET_TRY(gosset__no_memory("a searcher's workspace", size));
    s->workspace_size = size;
    draw(s, s->workspace, &room);
    s->room = room;
    gosset__search_free_buffers(s);
out:
    return status;
}

uint64_t gosset__search_held(const gosset__search *search) {
    const size_t planned = search->planned.room * sizeof(gosset__search_request);
    return sizeof *search + search->workspace_size + search->batch.size + planned + search->cache.held_bytes +
           (search->io != NULL ? search->io->held_bytes : 0);
}

gosset_status gosset__search_event(gosset__search *search, int *event) {
    gosset_status status = GOSSET_OK;
    if (search->event < 0) {
        GOSSET_REQUIRE(gosset__search_in_flight(search) == 0, GOSSET_E_STATE,
                       "searcher: its event has to be asked for before queries are in flight");
        search->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (search->event < 0) return gosset__fail_errno("searcher", "eventfd");
        if (search->io != NULL) status = gosset__search_open_io(search, search->io->depth);
        if (status != GOSSET_OK) {
            close(search->event);
            search->event = -1;
        }
    }
    *event = search->event;
out:
    return status;
}
