/*
 * Queries whose codes are on disk, in their first stage: chunks of codes are read ahead as far as there are buffers for
 * them, and scanned as they arrive. The last one turns the candidates into pages, and the query goes on as all do.
 */
#include "base/status.h"
#include "index/search_internal.h"
#include <string.h>

void gosset__search_begin_codes(gosset__search *search, gosset__query *query, const gosset__search_request *request,
                                uint32_t rerank) {
    const gosset__layout *layout = &search->store->layout;
    memcpy(query->vector, request->vector, layout->dimension * gosset_type_size(request->vector_type));
    query->vector_type = request->vector_type;
    query->page_count = query->submitted = query->scored = 0;
    query->status = GOSSET_OK;
    gosset__codes_begin(query, &search->candidates, request->latent, rerank);
    search->scan.owner = query->number;
    search->reading_count++;
    gosset__search_end_codes(search, query);
}

void gosset__search_end_codes(gosset__search *search, gosset__query *query) {
    if (query->code_reads > 0) return;
    if (query->status == GOSSET_OK) {
        if (query->next_run < query->run_count) return;
        gosset__best_cut(&query->rows);
        gosset__search_plan(search, query, &query->rows, query->vector, query->vector_type);
    }
    gosset__search_settle(search, query);
}

/** The oldest query that has codes to ask for. */
static gosset__query *next_query(const gosset__search *s) {
    gosset__query *oldest = NULL;
    for (uint32_t i = 0; i < s->room.in_flight; i++) {
        gosset__query *query = &s->queries[i];
        if (query->state != GOSSET__QUERY_CODES || query->status != GOSSET_OK) continue;
        if (query->next_run == query->run_count) continue;
        if (oldest == NULL || query->number < oldest->number) oldest = query;
    }
    return oldest;
}

bool gosset__search_wants_codes(const gosset__search *search) {
    return search->scan.free_count > 0 && next_query(search) != NULL;
}

static void count_codes(gosset__search_stats *stats, const gosset__io_read *reads, uint32_t count, uint32_t page_size) {
    if (stats == NULL) return;
    stats->code_reads += count;
    stats->io_batches++;
    for (uint32_t i = 0; i < count; i++) stats->code_bytes += (1 + (uint64_t)reads[i].more) * page_size;
}

static void submit(gosset__search *s, gosset__query *query) {
    const gosset__store *store = s->store;
    const uint32_t page_size = store->layout.page_size;
    gosset__code_chunk chunk;
    uint32_t count = 0;
    while (count < s->scan.free_count && gosset__codes_next(query, store, &chunk)) {
        const uint32_t number = s->scan.free[s->scan.free_count - 1 - count];
        const uint32_t buffer = s->page_depth + number * GOSSET__CODE_CHUNK_PAGES;
        chunk.query = (uint32_t)(query - s->queries);
        s->scan.chunks[number] = chunk;
        s->reads[count++] = (gosset__io_read){.file = store->shard_count + chunk.shard,
                                              .page = chunk.page,
                                              .more = chunk.pages - 1,
                                              .buffer = s->io->buffers + (size_t)buffer * page_size,
                                              .tag = (uint64_t)chunk.query << 32 | (s->page_depth + number)};
    }
    const gosset_status status = s->io->ops->submit(s->io, s->reads, count);
    if (status != GOSSET_OK) { /* none of them was accepted */
        gosset__query_fail(query, status);
        gosset__search_end_codes(s, query);
        return;
    }
    s->scan.free_count -= count;
    query->code_reads += count;
    count_codes(s->stats, s->reads, count, page_size);
}

void gosset__search_submit_codes(gosset__search *search) {
    gosset__query *query;
    while (search->scan.free_count > 0 && (query = next_query(search)) != NULL) submit(search, query);
}

void gosset__search_take_codes(gosset__search *search, const gosset__io_done *done) {
    gosset__search *s = search;
    const uint32_t number = (uint32_t)done->tag - s->page_depth;
    const gosset__code_chunk *chunk = &s->scan.chunks[number];
    gosset__query *query = &s->queries[chunk->query];
    gosset_status status = GOSSET_OK;
    query->code_reads--;
    if (query->status == GOSSET_OK) {
        if (done->error != 0)
            status =
                gosset__io_fail_read(s->store->files, s->store->shard_count + chunk->shard, chunk->page, done->error);
        else
            status = gosset__codes_take(query, &s->candidates, &s->scan, chunk, done->page);
        if (status != GOSSET_OK) gosset__query_fail(query, status);
    }
    s->scan.free[s->scan.free_count++] = number;
    gosset__search_end_codes(s, query);
}
