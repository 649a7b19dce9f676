#include "index/batch.h"

#include "base/bytes.h"
#include "base/status.h"
#include <string.h>

enum {
    DISTANCE = 128,                                 /* cache lines between those asked for and those compared */
    PIECE = 8,                                      /* blocks compared between two requests */
    STRIDE = GOSSET__SCAN_ROWS / GOSSET__SCAN_MANY, /* scores of a query: those of all fit the first-level cache */
    SLICE_BLOCKS = GOSSET__SLICE_ROWS / GOSSET__SCAN_BLOCK + 1
};

/* Half of the cells that are probed are too far to be visited; if a query visits all of them, it may wait for the next
 * batch. */
uint32_t gosset__batch_room(uint32_t probe, uint32_t rerank, uint32_t most) {
    const size_t all = (size_t)most * GOSSET__BATCH_EACH;
    const size_t by_visits = 2 * all / (probe > 0 ? probe : 1), by_items = all / gosset__best_capacity(rerank);
    const size_t room = by_visits < by_items ? by_visits : by_items;
    return room < most ? (uint32_t)room : most;
}

/* ---- memory ------------------------------------------------------------------------------------- */

static void *carve(uint8_t *block, size_t *used, size_t count, size_t size) {
    void *part = block != NULL ? block + *used : NULL;
    *used += (size_t)gosset__round_up((uint64_t)count * size, 64);
    return part;
}

static size_t draw(gosset__batch *b, uint8_t *block, const gosset__candidates *c) {
    const uint32_t cells = c->store->layout.cell_count, room = b->room;
    const size_t visits = (size_t)b->most * GOSSET__BATCH_EACH;
    size_t used = 0;
    b->cell_at = carve(block, &used, cells, sizeof *b->cell_at);
    b->place_of = carve(block, &used, cells, sizeof *b->place_of);
    b->first = carve(block, &used, (size_t)cells + 1, sizeof *b->first);
    b->visits = carve(block, &used, visits, sizeof *b->visits);
    b->visitors = carve(block, &used, visits, sizeof *b->visitors);
    b->seen = carve(block, &used, room, sizeof *b->seen);
    b->subjects = carve(block, &used, room, gosset__codec_subject_size(c->codec));
    b->views = carve(block, &used, room, gosset__codec_view_size(c->codec));
    b->items = carve(block, &used, room * gosset__best_capacity(b->rerank), sizeof *b->items);
    b->best = carve(block, &used, room, sizeof *b->best);
    b->kept = carve(block, &used, (size_t)room * b->rerank, sizeof *b->kept);
    b->kept_count = carve(block, &used, room, sizeof *b->kept_count);
    for (int i = 0; i < 2; i++) b->aims[i] = carve(block, &used, 1, gosset__codec_aims_size());
    b->whole = carve(block, &used, STRIDE, c->store->layout.code_size);
    b->scores = carve(block, &used, GOSSET__SCAN_ROWS, sizeof *b->scores);
    b->positions = carve(block, &used, GOSSET__SCAN_ROWS, sizeof *b->positions);
    b->bounds = carve(block, &used, GOSSET__SCAN_ROWS, sizeof *b->bounds);
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
                                    uint32_t most, const gosset__env *env) {
    if (gosset__batch_fits(batch, rerank, most)) return GOSSET_OK;
    if (most < batch->most) most = batch->most;
    gosset__batch wanted = {.most = most, .room = gosset__batch_room(1, rerank, most), .rerank = rerank};
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

bool gosset__batch_gather(gosset__batch *batch, gosset__candidates *candidates, const float *latent, uint32_t rerank) {
    gosset__candidates *c = candidates;
    const uint32_t query = batch->count;
    if (query == batch->room || batch->visit_count + c->run_count > batch->most * GOSSET__BATCH_EACH) return false;
    gosset__codec_subject_set(c->codec, latent, batch->subjects + query * gosset__codec_subject_size(c->codec));
    gosset__best_start(&batch->best[query], batch->items + query * gosset__best_capacity(batch->rerank), rerank);
    for (uint32_t r = gosset__candidates_scan_nearest(c, &batch->best[query]); r < c->run_count; r++) {
        const uint32_t place = batch->place_of[c->runs[r].cell];
        batch->visits[batch->visit_count++] = (gosset__visit){place, {(uint16_t)query, c->runs[r].margin}};
        batch->first[place + 1]++;
    }
    batch->count++;
    return true;
}

/* Visits in the order of places, by counting; those of a place stay in the order of queries. */
static void sort_visits(gosset__batch *b, uint32_t cells) {
    for (uint32_t place = 0; place < cells; place++) b->first[place + 1] += b->first[place];
    for (uint32_t i = b->visit_count; i-- > 0;) b->visitors[--b->first[b->visits[i].place + 1]] = b->visits[i].visitor;
    memmove(b->first, b->first + 1, cells * sizeof *b->first);
    b->first[cells] = b->visit_count;
}

/* ---- scanning ----------------------------------------------------------------------------------- */

/* Bounds spare most of the second plane. Among many candidates even poor ones are, and look at rows one by one. */
static bool by_bounds(const gosset__batch *b, const gosset__candidates *c) {
    return c->store->lead_size < c->store->layout.code_size && b->best[0].limit <= GOSSET__BEST_HEAP;
}

/* A cell's codes are next to be asked for. */
static void fetch_cell(gosset__batch *b, const gosset__candidates *c, uint32_t cell) {
    const gosset__store *store = c->store;
    const uint64_t first = store->cell_first[cell] / GOSSET__SCAN_BLOCK;
    const uint64_t end = (store->cell_first[cell + 1] + GOSSET__SCAN_BLOCK - 1) / GOSSET__SCAN_BLOCK;
    const size_t lead = (size_t)GOSSET__SCAN_BLOCK * store->lead_size;
    const size_t tail = (size_t)GOSSET__SCAN_BLOCK * store->layout.code_size - lead;
    b->next = store->blocks + first * lead;
    b->end = store->blocks + end * lead;
    if (!by_bounds(b, c))
        for (size_t at = first * tail; at < end * tail; at += 64) __builtin_prefetch(store->tails + at, 0, 2);
    gosset__codec_prefetch(c->codec, cell);
}

/* Codes are asked for at the rate at which they are compared for the first time. */
static void fetch(gosset__batch *b, const gosset__candidates *c, size_t lines) {
    for (; lines > 0; lines--, b->next += 64) {
        while (b->next == b->end) {
            const uint32_t cells = c->store->layout.cell_count;
            while (b->ahead < cells && b->first[b->ahead] == b->first[b->ahead + 1]) b->ahead++;
            if (b->ahead == cells) return;
            fetch_cell(b, c, b->cell_at[b->ahead++]);
        }
        __builtin_prefetch(b->next, 0, 2);
    }
}

/* Cells do not come in the order of their rows: of scores equal to the bound's the rows decide. */
static size_t select_rows(const gosset__candidates *c, const int32_t *scores, uint32_t count, const gosset__best *best,
                          uint32_t *positions) {
    const bool bounded = best->bound.rank != UINT32_MAX;
    const int32_t threshold = bounded ? gosset__score_of_rank(best->bound.rank) - 1 : INT32_MIN;
    return c->kernels->select_above(scores, count, threshold, positions);
}

/* Rows [from, to), whose scores are here; `scores`: from `row` on. */
static void add_rows(gosset__batch *b, const gosset__candidates *c, uint64_t row, uint64_t from, uint64_t to,
                     const int32_t *scores, gosset__best *best) {
    const int32_t *const first = scores + (from - row);
    const size_t found = select_rows(c, first, (uint32_t)(to - from), best, b->positions);
    for (size_t i = 0; i < found; i++)
        gosset__best_add(best, from + b->positions[i], gosset__rank_of_score(first[b->positions[i]]));
    if (best->count >= 2 * best->limit) gosset__best_cut(best);
}

/* Of member `which`, the j-th. */
static void score_promised(gosset__batch *b, const gosset__candidates *c, uint32_t which, uint32_t j) {
    const gosset__promised *of = &b->promised;
    const uint32_t *const positions = b->positions + j * STRIDE;
    gosset__best *best = &b->best[of->visitors[which].query];
    int32_t scores[GOSSET__SCAN_BLOCK];
    for (uint32_t i = 0, now; i < of->found[j]; i += now) {
        now = of->found[j] - i < GOSSET__SCAN_BLOCK ? of->found[j] - i : GOSSET__SCAN_BLOCK;
        for (uint32_t n = 0; n < now; n++) gosset__store_pick(c->store, of->row + positions[i + n], n, b->whole);
        gosset__codec_scan_one(c->codec, b->aims[of->which], which, b->whole, 1, b->bounds + j * STRIDE + i, scores);
        for (uint32_t n = 0; n < now; n++)
            gosset__best_add(best, of->row + positions[i + n], gosset__rank_of_score(scores[n]));
    }
}

/* Of the blocks before: by now the second plane is here. */
static void redeem(gosset__batch *b, const gosset__candidates *c) {
    uint32_t j = 0;
    for (uint32_t left = b->promised.members; left != 0; left &= left - 1)
        score_promised(b, c, (uint32_t)__builtin_ctz(left), j++);
    b->promised.members = 0;
}

/* Rows [from, to) whose bounds promise something, and their second plane asked for. */
static void promise(gosset__batch *b, const gosset__candidates *c, uint64_t row, uint64_t from, uint64_t to,
                    const gosset__visitor *visitors, uint32_t members) {
    uint32_t j = 0;
    b->promised = (gosset__promised){.row = from, .members = members, .which = b->which, .visitors = visitors};
    for (uint32_t left = members; left != 0; left &= left - 1, j++) {
        const gosset__best *best = &b->best[visitors[__builtin_ctz(left)].query];
        const int32_t *const scores = b->scores + j * STRIDE + (from - row);
        uint32_t *const positions = b->positions + j * STRIDE;
        int32_t *const bounds = b->bounds + j * STRIDE;
        const size_t found = select_rows(c, scores, (uint32_t)(to - from), best, positions);
        for (size_t i = 0; i < found; i++) {
            gosset__candidates_fetch(c->store, from + positions[i]);
            bounds[i] = scores[positions[i]];
        }
        b->promised.found[j] = (uint32_t)found;
    }
}

/* Scores of blocks, or their bounds, for some queries. */
static void compare(gosset__batch *b, const gosset__candidates *c, uint64_t block, uint64_t count, uint32_t members,
                    bool bounds, bool fresh) {
    const gosset__store *store = c->store;
    const size_t lead = (size_t)GOSSET__SCAN_BLOCK * store->lead_size;
    for (uint64_t done = 0, now; done < count; done += now) {
        int32_t *scores = b->scores + done * GOSSET__SCAN_BLOCK;
        now = count - done < PIECE ? count - done : PIECE;
        if (fresh) fetch(b, c, now * lead / 64);
        if (bounds)
            gosset__codec_scan_leads_many(c->codec, b->aims[b->which], members, store->blocks + (block + done) * lead,
                                          now, scores, STRIDE);
        else
            gosset__codec_scan_many(c->codec, b->aims[b->which], members,
                                    gosset__store_blocks(store, block + done, now, b->whole), now, scores, STRIDE);
    }
}

/* Blocks of a slice for the queries that want them. Rows of other slices in its first and last block are left out. */
static void scan_blocks(gosset__batch *b, const gosset__candidates *c, const gosset__slice *slice, uint64_t block,
                        uint64_t end, const gosset__visitor *visitors, uint32_t members, bool fresh) {
    const bool bounds = by_bounds(b, c);
    for (uint64_t now; block < end; block += now) {
        const uint64_t most = STRIDE / GOSSET__SCAN_BLOCK, row = block * GOSSET__SCAN_BLOCK;
        now = end - block < most ? end - block : most;
        const uint64_t from = row < slice->first ? slice->first : row, here = row + now * GOSSET__SCAN_BLOCK;
        const uint64_t to = here < slice->end ? here : slice->end;
        compare(b, c, block, now, members, bounds, fresh);
        redeem(b, c);
        b->rows_compared += (to - from) * (uint32_t)__builtin_popcount(members);
        if (bounds) {
            promise(b, c, row, from, to, visitors, members);
            continue;
        }
        const int32_t *scores = b->scores;
        for (uint32_t left = members; left != 0; left &= left - 1, scores += STRIDE)
            add_rows(b, c, row, from, to, scores, &b->best[visitors[__builtin_ctz(left)].query]);
    }
}

_Static_assert(GOSSET__SCAN_MANY <= 8, "bits of a byte say who wants a block");

/* Queries that visit a cell together, and which of them have been aimed at it. */
typedef struct visit {
    uint32_t cell, count, aimed;
    const gosset__visitor *visitors;
    const void *views[GOSSET__SCAN_MANY];
} visit;

/* Who wants which blocks of a slice, by the number of the block in it: bits of visitors. Returns who wants any. */
static uint32_t choose_blocks(const gosset__candidates *c, const gosset__slice *slice, const visit *v,
                              uint8_t *wanted) {
    const uint64_t first = slice->first / GOSSET__SCAN_BLOCK;
    uint64_t block, end;
    uint32_t members = 0;
    memset(wanted, 0, SLICE_BLOCKS);
    for (uint32_t i = 0; i < v->count; i++) {
        uint64_t leaves = gosset__slice_within(c->store, c->codec, slice, v->cell, v->views[i],
                                               gosset__margin(v->visitors[i].margin));
        members |= (uint32_t)(leaves != 0) << i;
        while (gosset__slice_take(slice, &leaves, &block, &end))
            for (; block < end; block++) wanted[block - first] |= (uint8_t)(1u << i);
    }
    return members;
}

/* Of a visit, those that are not aimed at its cell yet; what aims are for is compared before others take their place.
 */
static void aim(gosset__batch *b, const gosset__candidates *c, visit *v, uint32_t members) {
    if (v->aimed == 0 && members != 0) b->which ^= 1;
    for (uint32_t left = members & ~v->aimed; left != 0; left &= left - 1) {
        const uint32_t i = (uint32_t)__builtin_ctz(left);
        gosset__codec_aim_one(c->codec, v->views[i], v->cell, b->aims[b->which], i);
    }
    v->aimed |= members;
}

/* `fresh`: nobody before them has compared the cell's codes. */
static void scan_cell(gosset__batch *b, const gosset__candidates *c, visit *v, bool fresh) {
    const uint64_t end = c->store->cell_first[v->cell + 1];
    const size_t lead = (size_t)GOSSET__SCAN_BLOCK * c->store->lead_size;
    uint32_t leaf = c->store->leaves != NULL ? c->store->leaves->first[v->cell] : 0;
    uint8_t wanted[SLICE_BLOCKS];
    gosset__slice slice;
    for (uint64_t row = c->store->cell_first[v->cell]; row < end; row = slice.end, leaf += slice.count) {
        slice = gosset__slice_begin(c->store, row, end, leaf);
        const uint64_t first = slice.first / GOSSET__SCAN_BLOCK;
        const uint64_t last = (slice.end + GOSSET__SCAN_BLOCK - 1) / GOSSET__SCAN_BLOCK;
        if (c->store->leaves == NULL) {
            const uint32_t all = (1u << v->count) - 1;
            aim(b, c, v, all);
            scan_blocks(b, c, &slice, first, last, v->visitors, all, fresh);
            continue;
        }
        aim(b, c, v, choose_blocks(c, &slice, v, wanted));
        for (uint64_t block = first, next; block < last; block = next) {
            const uint8_t members = wanted[block - first];
            for (next = block + 1; next < last && wanted[next - first] == members;) next++;
            if (members != 0)
                scan_blocks(b, c, &slice, block, next, v->visitors, members, fresh);
            else if (fresh)
                fetch(b, c, (next - block) * lead / 64);
        }
    }
}

/* The queries of a cell; each has a view for its group since the first cell of the group it visits. */
static void scan_place(gosset__batch *b, const gosset__candidates *c, uint32_t place) {
    const uint32_t cell = b->cell_at[place], group = gosset__codec_group(c->codec, cell);
    const size_t view_size = gosset__codec_view_size(c->codec), subject_size = gosset__codec_subject_size(c->codec);
    for (uint32_t i = b->first[place]; i < b->first[place + 1];) {
        visit v = {.cell = cell, .visitors = b->visitors + i};
        for (; v.count < GOSSET__SCAN_MANY && i + v.count < b->first[place + 1]; v.count++) {
            const uint32_t query = v.visitors[v.count].query;
            uint8_t *view = b->views + query * view_size;
            if (b->seen[query] != group + 1)
                gosset__codec_view_set(c->codec, b->subjects + query * subject_size, group, view);
            b->seen[query] = group + 1;
            v.views[v.count] = view;
        }
        scan_cell(b, c, &v, i == b->first[place]);
        i += v.count;
    }
}

void gosset__batch_scan(gosset__batch *batch, const gosset__candidates *candidates, void (*meanwhile)(void *context),
                        void *context) {
    gosset__batch *b = batch;
    const uint32_t cells = candidates->store->layout.cell_count;
    uint32_t since = 0;
    sort_visits(b, cells);
    memset(b->seen, 0, b->count * sizeof *b->seen);
    b->rows_compared = 0;
    b->ahead = 0;
    b->next = b->end = NULL;
    fetch(b, candidates, DISTANCE);
    for (uint32_t place = 0; place < cells; place++) {
        if (b->first[place] == b->first[place + 1]) continue;
        scan_place(b, candidates, place);
        since += b->first[place + 1] - b->first[place];
        if (since < GOSSET__BATCH_STEP) continue;
        meanwhile(context);
        since = 0;
    }
    redeem(b, candidates);
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
