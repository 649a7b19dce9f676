#include "index/batch.h"

#include "base/bytes.h"
#include "base/status.h"
#include <string.h>

enum {
    AHEAD = 2,                                     /* visited cells whose codes are fetched while others are scanned */
    LINES = 64,                                    /* cache lines of each, at most */
    STRIDE = GOSSET__SCAN_ROWS / GOSSET__SCAN_MANY /* scores of a query: those of all fit the first-level cache */
};

uint32_t gosset__batch_room(uint32_t probe, uint32_t rerank) {
    const size_t by_visits = GOSSET__BATCH_VISITS / (probe > 0 ? probe : 1);
    const size_t by_items = GOSSET__BATCH_ITEMS / gosset__best_capacity(rerank);
    const size_t room = by_visits < by_items ? by_visits : by_items;
    return room < GOSSET__TOGETHER_MAX ? (uint32_t)room : GOSSET__TOGETHER_MAX;
}

/* ---- memory ------------------------------------------------------------------------------------- */

static void *carve(uint8_t *block, size_t *used, size_t count, size_t size) {
    void *part = block != NULL ? block + *used : NULL;
    *used += (size_t)gosset__round_up((uint64_t)count * size, 64);
    return part;
}

static size_t draw(gosset__batch *b, uint8_t *block, const gosset__candidates *c) {
    const uint32_t cells = c->store->layout.cell_count, room = b->room;
    size_t used = 0;
    b->cell_at = carve(block, &used, cells, sizeof *b->cell_at);
    b->place_of = carve(block, &used, cells, sizeof *b->place_of);
    b->first = carve(block, &used, (size_t)cells + 1, sizeof *b->first);
    b->visits = carve(block, &used, GOSSET__BATCH_VISITS, sizeof *b->visits);
    b->visitors = carve(block, &used, GOSSET__BATCH_VISITS, sizeof *b->visitors);
    b->seen = carve(block, &used, room, sizeof *b->seen);
    b->subjects = carve(block, &used, room, gosset__codec_subject_size(c->codec));
    b->views = carve(block, &used, room, gosset__codec_view_size(c->codec));
    b->items = carve(block, &used, room * gosset__best_capacity(b->rerank), sizeof *b->items);
    b->best = carve(block, &used, room, sizeof *b->best);
    b->kept = carve(block, &used, (size_t)room * b->rerank, sizeof *b->kept);
    b->kept_count = carve(block, &used, room, sizeof *b->kept_count);
    b->whole = carve(block, &used, STRIDE, c->store->layout.code_size);
    b->scores = carve(block, &used, GOSSET__SCAN_ROWS, sizeof *b->scores);
    b->positions = carve(block, &used, GOSSET__SCAN_ROWS, sizeof *b->positions);
    return used;
}

/* Cells by group, those of a group in the order of their rows. */
static void order_cells(gosset__batch *b, const gosset__candidates *c) {
    const uint32_t cells = c->store->layout.cell_count;
    uint32_t next[GOSSET__RESIDUAL_MAX_GROUPS + 1] = {0};
    for (uint32_t cell = 0; cell < cells; cell++) next[gosset__codec_group(c->codec, cell) + 1]++;
    for (uint32_t g = 1; g < GOSSET__RESIDUAL_MAX_GROUPS; g++) next[g] += next[g - 1];
    for (uint32_t cell = 0; cell < cells; cell++) {
        const uint32_t place = next[gosset__codec_group(c->codec, cell)]++;
        b->cell_at[place] = cell;
        b->place_of[cell] = place;
    }
}

gosset_status gosset__batch_reserve(gosset__batch *batch, const gosset__candidates *candidates, uint32_t rerank,
                                    const gosset__env *env) {
    if (gosset__batch_fits(batch, rerank)) return GOSSET_OK;
    gosset__batch wanted = {.room = gosset__batch_room(1, rerank), .rerank = rerank};
    gosset__batch_free(batch, env);
    wanted.size = draw(&wanted, NULL, candidates);
    wanted.block = gosset__alloc_zero(env, wanted.size);
    if (wanted.block == NULL) return gosset__no_memory("a searcher's batch", wanted.size);
    draw(&wanted, wanted.block, candidates);
    order_cells(&wanted, candidates);
    *batch = wanted;
    return GOSSET_OK;
}

void gosset__batch_free(gosset__batch *batch, const gosset__env *env) {
    gosset__free(env, batch->block);
    *batch = (gosset__batch){.block = NULL};
}

/* ---- gathering ---------------------------------------------------------------------------------- */

bool gosset__batch_gather(gosset__batch *batch, const gosset__candidates *candidates, const float *latent,
                          uint32_t rerank) {
    const gosset__candidates *c = candidates;
    const uint32_t query = batch->count;
    if (query == batch->room || batch->visit_count + c->run_count > GOSSET__BATCH_VISITS) return false;
    gosset__visit *visit = batch->visits + batch->visit_count;
    for (uint32_t r = 0; r < c->run_count; r++) {
        const uint32_t place = batch->place_of[c->runs[r].cell];
        visit[r] = (gosset__visit){place, query};
        batch->first[place + 1]++;
    }
    gosset__codec_subject_set(c->codec, latent, batch->subjects + query * gosset__codec_subject_size(c->codec));
    gosset__best_start(&batch->best[query], batch->items + query * gosset__best_capacity(batch->rerank), rerank);
    batch->visit_count += c->run_count;
    batch->count++;
    return true;
}

/* Visits in the order of places, by counting; those of a place stay in the order of queries. */
static void sort_visits(gosset__batch *b, uint32_t cells) {
    for (uint32_t place = 0; place < cells; place++) b->first[place + 1] += b->first[place];
    for (uint32_t i = b->visit_count; i-- > 0;)
        b->visitors[--b->first[b->visits[i].place + 1]] = (uint16_t)b->visits[i].query;
    memmove(b->first, b->first + 1, cells * sizeof *b->first);
    b->first[cells] = b->visit_count;
}

/* ---- scanning ----------------------------------------------------------------------------------- */

static void prefetch_plane(const uint8_t *plane, uint64_t first, uint64_t end, size_t size) {
    const size_t from = (size_t)first * size / 64, to = (size_t)end * size / 64;
    for (size_t line = from; line < to && line < from + LINES; line++) __builtin_prefetch(plane + 64 * line, 0, 2);
}

static void prefetch(const gosset__candidates *c, uint32_t cell) {
    const gosset__store *store = c->store;
    const uint64_t first = store->cell_first[cell], end = store->cell_first[cell + 1];
    prefetch_plane(store->blocks, first, end, store->lead_size);
    prefetch_plane(store->tails, first, end, store->layout.code_size - store->lead_size);
    gosset__codec_prefetch(c->codec, cell);
}

/* Cells do not come in the order of their rows: of scores equal to the bound's the rows decide. */
static void select_rows(gosset__batch *b, const gosset__candidates *c, uint64_t row, const int32_t *scores,
                        uint32_t count, gosset__best *best) {
    const bool bounded = best->bound.rank != UINT32_MAX;
    const int32_t threshold = bounded ? gosset__score_of_rank(best->bound.rank) - 1 : INT32_MIN;
    const size_t found = c->kernels->select_above(scores, count, threshold, b->positions);
    for (size_t i = 0; i < found; i++)
        gosset__best_add(best, row + b->positions[i], gosset__rank_of_score(scores[b->positions[i]]));
    if (best->count >= 2 * best->limit) gosset__best_cut(best);
}

/* A cell for some queries that visit it. Rows of other cells in its first and last block are left out. */
static void scan_cell(gosset__batch *b, const gosset__candidates *c, uint32_t cell, const uint16_t *visitors,
                      const void *const *views, uint32_t count) {
    const uint64_t first = c->store->cell_first[cell], end = c->store->cell_first[cell + 1];
    const uint64_t last = (end + GOSSET__SCAN_BLOCK - 1) / GOSSET__SCAN_BLOCK;
    for (uint64_t block = first / GOSSET__SCAN_BLOCK, now; block < last; block += now) {
        const uint64_t most = STRIDE / GOSSET__SCAN_BLOCK, row = block * GOSSET__SCAN_BLOCK;
        now = last - block < most ? last - block : most;
        gosset__codec_scan_many(c->codec, views, count, cell, gosset__store_blocks(c->store, block, now, b->whole), now,
                                b->scores, STRIDE);
        const uint64_t from = row < first ? first : row, here = row + now * GOSSET__SCAN_BLOCK;
        const uint64_t to = here < end ? here : end;
        for (uint32_t i = 0; i < count; i++)
            select_rows(b, c, from, b->scores + i * STRIDE + (from - row), (uint32_t)(to - from),
                        &b->best[visitors[i]]);
    }
}

/* The queries of a cell; each has a view for its group since the first cell of the group it visits. */
static void scan_place(gosset__batch *b, const gosset__candidates *c, uint32_t place) {
    const uint32_t cell = b->cell_at[place], group = gosset__codec_group(c->codec, cell);
    const size_t view_size = gosset__codec_view_size(c->codec), subject_size = gosset__codec_subject_size(c->codec);
    for (uint32_t i = b->first[place], count; i < b->first[place + 1]; i += count) {
        const void *views[GOSSET__SCAN_MANY];
        for (count = 0; count < GOSSET__SCAN_MANY && i + count < b->first[place + 1]; count++) {
            const uint32_t query = b->visitors[i + count];
            uint8_t *view = b->views + query * view_size;
            if (b->seen[query] != group + 1)
                gosset__codec_view_set(c->codec, b->subjects + query * subject_size, group, view);
            b->seen[query] = group + 1;
            views[count] = view;
        }
        scan_cell(b, c, cell, b->visitors + i, views, count);
    }
}

void gosset__batch_scan(gosset__batch *batch, const gosset__candidates *candidates, void (*meanwhile)(void *context),
                        void *context) {
    gosset__batch *b = batch;
    const uint32_t cells = candidates->store->layout.cell_count;
    uint32_t ahead = 0, left = AHEAD, since = 0;
    sort_visits(b, cells);
    memset(b->seen, 0, b->count * sizeof *b->seen);
    for (uint32_t place = 0; place < cells; place++) {
        if (b->first[place] == b->first[place + 1]) continue;
        for (; ahead < cells && left > 0; ahead++) {
            if (b->first[ahead] == b->first[ahead + 1]) continue;
            prefetch(candidates, b->cell_at[ahead]);
            left--;
        }
        scan_place(b, candidates, place);
        left++;
        since += b->first[place + 1] - b->first[place];
        if (since < GOSSET__BATCH_STEP) continue;
        meanwhile(context);
        since = 0;
    }
}

void gosset__batch_keep(gosset__batch *batch, const gosset__candidates *candidates) {
    for (uint32_t i = 0; i < batch->count; i++) {
        gosset__best *best = &batch->best[i];
        gosset__best_cut(best);
        batch->kept_count[i] = (uint32_t)best->count;
        memcpy(batch->kept + (size_t)i * batch->rerank, best->items, best->count * sizeof *best->items);
    }
    gosset__batch_drop(batch, candidates);
}

void gosset__batch_drop(gosset__batch *batch, const gosset__candidates *candidates) {
    memset(batch->first, 0, ((size_t)candidates->store->layout.cell_count + 1) * sizeof *batch->first);
    batch->count = batch->visit_count = 0;
}

gosset__best gosset__batch_rows(const gosset__batch *batch, uint32_t query) {
    return (gosset__best){.items = batch->kept + (size_t)query * batch->rerank, .count = batch->kept_count[query]};
}
