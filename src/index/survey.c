/* What the calibration wants to know about queries: candidates and pages, without an answer. */
#include "base/status.h"
#include "index/search_internal.h"

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

/* A round of chunks that are asked for at once; all are waited for, whatever becomes of one. */
static gosset_status read_chunks(gosset__search *s, gosset__query *query, uint32_t count) {
    const gosset__store *store = s->store;
    gosset_status status = s->io->ops->submit(s->io, s->reads, count);
    if (status != GOSSET_OK) return status;
    for (uint32_t left = count, some = 0; left > 0; left -= some) {
        const gosset_status reaped = s->io->ops->reap(s->io, 1, s->done, left, &some);
        if (reaped != GOSSET_OK) return reaped;
        for (uint32_t i = 0; i < some && status == GOSSET_OK; i++) {
            const gosset__code_chunk *chunk = &s->scan.chunks[s->done[i].tag];
            status = s->done[i].error == 0 ? gosset__codes_take(query, &s->candidates, &s->scan, chunk, s->done[i].page)
                                           : gosset__io_fail_read(store->files, store->shard_count + chunk->shard,
                                                                  chunk->page, s->done[i].error);
        }
    }
    return status;
}

/* What a scan in memory counts as it goes. */
static void count_chosen(gosset__candidates *c) {
    uint64_t row, end;
    for (uint32_t r = 0; r < c->run_count; r++) {
        const gosset__rows *run = &c->runs[r];
        uint32_t leaf = c->store->leaves != NULL ? c->store->leaves->first[run->cell] : 0;
        gosset__slice slice;
        for (row = run->first; row < run->end; row = slice.end, leaf += slice.count) {
            slice = gosset__slice_begin(c->store, row, run->end, leaf);
            uint64_t leaves =
                gosset__slice_within(c->store, c->codec, &slice, run->cell,
                                     gosset__codec_view(c->codec, c->query, run->cell), gosset__margin(run->margin));
            c->slices_chosen += leaves != 0;
            for (uint64_t first; gosset__slice_rows(&slice, &leaves, &first, &end);) c->rows_compared += end - first;
        }
    }
}

/* The same of codes on disk. Nothing else is in flight. */
static gosset_status scan_on_disk(gosset__search *s, const float *latent, uint32_t wanted, gosset__best *best) {
    const gosset__store *store = s->store;
    gosset_status status = GOSSET_OK;
    gosset__query *query = s->queries;
    uint32_t count;
    count_chosen(&s->candidates);
    gosset__codes_begin(query, &s->candidates, latent, wanted);
    s->scan.owner = query->number;
    do {
        for (count = 0; count < GOSSET__CODE_CHUNKS; count++) {
            gosset__code_chunk *chunk = &s->scan.chunks[count];
            const size_t buffer = s->page_depth + (size_t)count * GOSSET__CODE_CHUNK_PAGES;
            if (!gosset__codes_next(query, store, chunk)) break;
            s->reads[count] = (gosset__io_read){.file = store->shard_count + chunk->shard,
                                                .page = chunk->page,
                                                .more = chunk->pages - 1,
                                                .buffer = s->io->buffers + buffer * store->layout.page_size,
                                                .tag = count};
        }
        if (count > 0) status = read_chunks(s, query, count);
    } while (count == GOSSET__CODE_CHUNKS && status == GOSSET_OK);
    query->state = GOSSET__QUERY_FREE;
    gosset__best_cut(&query->rows);
    *best = query->rows;
    return status;
}

gosset_status gosset__search_candidates(gosset__search *search, const float *latent, const gosset__effort *effort,
                                        uint32_t count, uint64_t *rows, uint32_t *cell_order, gosset__survey *survey) {
    gosset_status status = GOSSET_OK;
    gosset__search *s = search;
    gosset__best best;
    const gosset__candidates *c = &search->candidates;
    *survey = (gosset__survey){.found = 0};
    GOSSET_REQUIRE(gosset__search_in_flight(s) == 0, GOSSET_E_BUSY, "candidates: queries are in flight");
    count = gosset__search_clamp(count, 1, s->store->row_count > 0 ? s->store->row_count : 1);
    GOSSET_TRY(gosset__search_probe(s, latent, effort, 0, count, 1, false));
    if (s->store->code_sums != NULL)
        GOSSET_TRY(scan_on_disk(s, latent, count, &best));
    else
        gosset__candidates_scan(&s->candidates, count, &best);
    *survey =
        (gosset__survey){.found = (uint32_t)best.count, .aimed_at = c->slices_chosen, .compared = c->rows_compared};
    if (s->store->leaves != NULL && effort->leaf_reach > 0) survey->looked_at = c->cells_kept;
    gosset__ranked_sort(best.items, best.count);
    order_cells(s);
    for (size_t i = 0; i < best.count; i++) {
        rows[i] = best.items[i].id;
        cell_order[i] = order_of_row(s, rows[i]);
    }
out:
    return status;
}

gosset_status gosset__search_read_page(gosset__search *search, uint64_t page, const uint8_t **data) {
    gosset_status status = GOSSET_OK;
    gosset__search *s = search;
    const gosset__store *store = s->store;
    gosset__io_done done;
    uint32_t count = 0;
    GOSSET_REQUIRE(page < store->page_count, GOSSET_E_ARGUMENT, "page %llu: the index has %llu",
                   (unsigned long long)page, (unsigned long long)store->page_count);
    GOSSET_TRY(gosset__search_reserve(s, 1, 1, 1));
    const uint32_t shard = gosset__query_shard(store, page);
    const gosset__io_read read = {
        .file = shard, .page = page - store->shard_first_page[shard], .buffer = s->io->buffers};
    GOSSET_TRY(s->io->ops->submit(s->io, &read, 1));
    GOSSET_TRY(s->io->ops->reap(s->io, 1, &done, 1, &count));
    if (done.error != 0) GOSSET_TRY(gosset__io_fail_read(store->files, shard, read.page, done.error));
    GOSSET_TRY(gosset__store_check_page(store, page, done.page));
    *data = done.page;
out:
    return status;
}

float gosset__search_distance(const gosset__search *search, const void *query, gosset_type query_type,
                              const void *record_vector) {
    gosset__distance distance = search->distance; /* its scratch is the searcher's */
    gosset__distance_set(&distance, query, query_type);
    return gosset__distance_to(&distance, record_vector);
}
