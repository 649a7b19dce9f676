#include "index/codes.h"

#include <string.h>

void gosset__codes_begin(gosset__query *query, const gosset__candidates *candidates, const float *latent,
                         size_t limit) {
    memcpy(query->latent, latent, gosset__codec_dimension(candidates->codec) * sizeof *latent);
    memcpy(query->runs, candidates->runs, candidates->run_count * sizeof *query->runs);
    query->run_count = candidates->run_count;
    query->next_run = 0;
    query->next_row = query->run_count > 0 ? query->runs[0].first : 0;
    query->code_reads = 0;
    gosset__best_start(&query->rows, query->row_items, limit);
    query->state = GOSSET__QUERY_CODES;
}

bool gosset__codes_next(gosset__query *query, const gosset__store *store, gosset__code_chunk *chunk) {
    const uint64_t code = store->layout.code_size, page = store->layout.page_size;
    if (query->next_run == query->run_count) return false;
    *chunk = (gosset__code_chunk){
        .first = query->next_row, .shard = gosset__store_shard_of(store, query->next_row), .run = query->next_run};
    const uint64_t base = store->shard_first_row[chunk->shard], shard_end = store->shard_first_row[chunk->shard + 1];
    chunk->page = (chunk->first - base) * code / page;
    const uint64_t fits = base + (chunk->page + GOSSET__CODE_CHUNK_PAGES) * page / code; /* rows before it end inside */
    const uint64_t limit = fits < shard_end ? fits : shard_end;
    uint64_t last = chunk->page; /* page the chunk reaches to */
    while (query->next_run < query->run_count && query->next_row < limit) {
        const gosset__rows *run = &query->runs[query->next_run];
        if ((query->next_row - base) * code / page > last + GOSSET__CODE_GAP_PAGES) break;
        chunk->end = run->end < limit ? run->end : limit;
        last = ((chunk->end - base) * code - 1) / page;
        query->next_row = chunk->end;
        if (chunk->end < run->end) break;
        if (++query->next_run < query->run_count) query->next_row = query->runs[query->next_run].first;
    }
    chunk->pages = (uint32_t)(last - chunk->page + 1);
    return true;
}

/* Chunks come in any order, so of equal scores the lower row may come later: one at the bound may still count. */
static void scan_rows(gosset__query *query, gosset__candidates *c, gosset__code_scan *scan, uint32_t cell, uint64_t row,
                      uint64_t end, const uint8_t *codes) {
    const size_t code_size = c->store->layout.code_size;
    const void *view = gosset__codec_view(c->codec, c->query, cell);
    gosset__best *best = &query->rows;
    for (uint32_t count; row < end; row += count, codes += count * code_size) {
        count = end - row < GOSSET__CODE_ROWS ? (uint32_t)(end - row) : GOSSET__CODE_ROWS;
        for (uint32_t at = 0; at < count; at += GOSSET__SCAN_BLOCK)
            gosset__codec_block(c->codec, codes + at * code_size,
                                count - at < GOSSET__SCAN_BLOCK ? count - at : GOSSET__SCAN_BLOCK,
                                scan->blocks + at * code_size);
        gosset__codec_scan(c->codec, view, cell, scan->blocks, (count + GOSSET__SCAN_BLOCK - 1) / GOSSET__SCAN_BLOCK,
                           c->scores);
        const int32_t bound = best->bound.rank == UINT32_MAX ? INT32_MIN : gosset__score_of_rank(best->bound.rank);
        const size_t found =
            c->kernels->select_above(c->scores, count, bound > INT32_MIN ? bound - 1 : INT32_MIN, c->positions);
        for (size_t i = 0; i < found; i++)
            gosset__best_add(best, row + c->positions[i], gosset__rank_of_score(c->scores[c->positions[i]]));
        if (best->count >= 2 * best->limit) gosset__best_cut(best);
    }
}

/* Rows [row, end) of a run, or of them those of leaves that are to be compared; `codes`: theirs. */
static void scan_run(gosset__query *query, gosset__candidates *c, gosset__code_scan *scan, const gosset__rows *run,
                     uint64_t row, uint64_t end, const uint8_t *codes) {
    const gosset__leaves *leaves = c->store->leaves;
    if (leaves == NULL || run->margin == GOSSET__NO_MARGIN) {
        scan_rows(query, c, scan, run->cell, row, end, codes);
        return;
    }
    const size_t code_size = c->store->layout.code_size;
    const void *view = gosset__codec_view(c->codec, c->query, run->cell);
    const uint64_t start = row;
    uint32_t leaf = leaves->first[run->cell] + (uint32_t)(row / GOSSET__LEAF_ROWS - run->first / GOSSET__LEAF_ROWS);
    for (gosset__slice slice; row < end; row = slice.end, leaf += slice.count) {
        slice = gosset__slice_begin(c->store, row, end, leaf);
        uint64_t from, to,
            chosen = gosset__slice_within(c->store, c->codec, &slice, run->cell, view, gosset__margin(run->margin));
        while (gosset__slice_rows(&slice, &chosen, &from, &to))
            scan_rows(query, c, scan, run->cell, from, to, codes + (from - start) * code_size);
    }
}

gosset_status gosset__codes_take(gosset__query *query, gosset__candidates *candidates, gosset__code_scan *scan,
                                 const gosset__code_chunk *chunk, const uint8_t *data) {
    const gosset__store *store = candidates->store;
    const gosset_status status = gosset__store_check_codes(store, chunk->shard, chunk->page, chunk->pages, data);
    if (status != GOSSET_OK) return status;
    if (scan->owner != query->number) gosset__candidates_query(candidates, query->latent);
    scan->owner = query->number;
    const uint64_t base = store->shard_first_row[chunk->shard], skipped = chunk->page * store->layout.page_size;
    for (uint32_t r = chunk->run; r < query->run_count && query->runs[r].first < chunk->end; r++) {
        const gosset__rows *run = &query->runs[r];
        const uint64_t row = run->first > chunk->first ? run->first : chunk->first;
        const uint64_t end = run->end < chunk->end ? run->end : chunk->end;
        scan_run(query, candidates, scan, run, row, end, data + ((row - base) * store->layout.code_size - skipped));
    }
    return GOSSET_OK;
}
