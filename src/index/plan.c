/*
 * Planning: from a latent to the pages a query reads. It is arithmetic on scratch that all queries of a searcher share,
 * and takes about as long as the device takes for the pages. So it goes in steps, one for each band of its codes:
 * between them pages that came in are scored, and a query of gosset__search_submit stands back as soon as another one
 * is done, which is then told of first; gosset__search_finish goes on with it.
 */
#include "base/status.h"
#include "index/search_internal.h"
#include <string.h>

/* The band after which pages of others are looked at: when half of the codes are compared. Each look costs a system
 * call. */
enum { LOOK_AFTER = 1 };

gosset_status gosset__search_probe(gosset__search *search, const float *latent, const gosset__effort *effort,
                                   uint64_t least, uint32_t rerank, uint32_t k, bool in_bands) {
    gosset_status status = GOSSET_OK;
    gosset__search *s = search;
    const uint32_t cell_count = s->store->layout.cell_count;
    gosset__effort now = *effort;
    now.probe = gosset__search_clamp(now.probe, 1, cell_count);
    if (least > s->store->row_count) least = s->store->row_count;
    while (true) {
        GOSSET_TRY(gosset__search_reserve(s, now.probe, rerank, k));
        gosset__candidates_query(&s->candidates, latent);
        gosset__candidates_probe(&s->candidates, &now, least, in_bands);
        if (s->candidates.rows_found >= least || (now.reach == 0 && now.probe == cell_count)) break;
        if (now.reach == 0) now.probe = now.probe > cell_count / 2 ? cell_count : 2 * now.probe;
        now.reach = 0;
    }
out:
    return status;
}

static gosset__query *free_query(gosset__search *s) {
    gosset__query *query = s->queries;
    while (query->state != GOSSET__QUERY_FREE) query++; /* there is one: has_room */
    return query;
}

gosset_status gosset__search_check(const gosset__search *search, const gosset__search_request *request) {
    if (request->k < 1 || request->k > GOSSET__SEARCH_MAX_K)
        return gosset__fail(GOSSET_E_ARGUMENT, "k: expected 1 to %d, found %u", GOSSET__SEARCH_MAX_K, request->k);
    if (request->vector_type != search->store->layout.type && request->vector_type != GOSSET_F32)
        return gosset__fail(GOSSET_E_DIMENSION, "query: expected f32 or the type of the stored vectors");
    return GOSSET_OK;
}

void gosset__search_count_plan(gosset__search *search, uint64_t codes) {
    if (search->stats == NULL) return;
    search->stats->cells_probed += search->candidates.cells_kept;
    search->stats->codes_scanned += codes;
}

uint32_t gosset__search_rerank(const gosset__search *search, const gosset__search_request *request) {
    const uint64_t rows = search->store->row_count;
    return gosset__search_clamp(request->rerank < request->k ? request->k : request->rerank, 1, rows > 0 ? rows : 1);
}

gosset__query *gosset__search_new_query(gosset__search *search, const gosset__search_request *request) {
    gosset__query *query = free_query(search);
    query->number = search->started++;
    query->early_count = 0;
    query->tag = request->tag;
    query->k = request->k;
    query->ids = request->ids;
    query->distances = request->distances;
    return query;
}

void gosset__search_plan(gosset__search *search, gosset__query *query, gosset__best *rows, const void *vector,
                         gosset_type type) {
    gosset__search_stats *stats = search->stats;
    if (stats != NULL) stats->candidates += rows->count;
    gosset__query_plan(query, search->store, rows, vector, type);
    gosset__search_end_early(search, query);
    if (search->cache.pages == NULL) return;
    const uint32_t kept = gosset__query_serve(query, search->store, &search->cache);
    if (stats == NULL) return;
    stats->cache_hits += kept;
    stats->cache_misses += query->page_count;
}

void gosset__search_begin(gosset__search *search, gosset__query *query, const gosset__search_request *request,
                          gosset__best *rows) {
    gosset__search_plan(search, query, rows, request->vector, request->vector_type);
    search->reading_count++;
    gosset__search_settle(search, query);
}

/* ---- in steps ------------------------------------------------------------------------------- */

/** Scans the next band. After the last one the query is planned. */
static void step(gosset__search *s) {
    gosset__planning *p = &s->planning;
    gosset__query *query = p->query;
    gosset__candidates_scan_band(&s->candidates, p->band++, &p->rows);
    if (p->band < GOSSET__BANDS) {
        if (p->early) gosset__search_ask_early(s, query, p->band - 1, &p->rows);
        if (p->early || (p->looks && p->band - 1 == LOOK_AFTER)) gosset__search_look(s);
        return;
    }
    p->query = NULL;
    gosset__search_count_plan(s, s->candidates.rows_compared);
    gosset__search_plan(s, query, &p->rows, query->vector, p->vector_type);
    s->reading_count++;
    gosset__search_settle(s, query);
    for (uint32_t i = 0; i < p->here_count; i++) gosset__search_take(s, &p->here[i]);
}

void gosset__search_go_on(gosset__search *search, bool stands_back) {
    gosset__search *s = search;
    const uint64_t started = gosset__nanoseconds(), reading_ns = s->stats != NULL ? s->stats->io_ns : 0;
    while (s->planning.query != NULL && !(stands_back && s->done_count > 0)) step(s);
    if (s->stats != NULL) s->stats->scan_ns += gosset__nanoseconds() - started - (s->stats->io_ns - reading_ns);
}

/** `looks`: between the steps. */
static gosset_status begin(gosset__search *s, const gosset__search_request *request, bool looks) {
    gosset_status status = GOSSET_OK;
    GOSSET_TRY(gosset__search_check(s, request));
    GOSSET_REQUIRE(gosset__search_has_room(s), GOSSET_E_BUSY, "searcher: %u queries are in flight, as many as may be",
                   s->in_flight);
    const bool stood_back = s->planning.query != NULL;
    gosset__search_go_on(s, false);                                 /* there is scratch for one */
    if (stood_back && s->reading_count > 0) gosset__search_look(s); /* its reads begin before the next is planned */
    const uint64_t started = gosset__nanoseconds();                 /* what went before has counted its own */
    const uint32_t rerank = gosset__search_rerank(s, request);
    const bool early = gosset__search_goes_early(s), on_disk = s->store->code_sums != NULL;
    looks = looks && !on_disk && s->reading_count > 0;
    s->scan.owner = UINT64_MAX; /* the probe takes the place of the query whose codes were scanned last */
    GOSSET_TRY(gosset__search_probe(s, request->latent, &request->effort, request->k, rerank, request->k, early));
    gosset__query *query = gosset__search_new_query(s, request);
    if (on_disk) {
        gosset__search_count_plan(s, s->candidates.rows_found);
        gosset__search_begin_codes(s, query, request, rerank);
    } else {
        memcpy(query->vector, request->vector, s->store->layout.dimension * gosset_type_size(request->vector_type));
        s->planning.query = query;
        s->planning.vector_type = request->vector_type;
        s->planning.band = s->planning.here_count = 0;
        s->planning.early = early;
        s->planning.looks = looks;
        gosset__candidates_scan_begin(&s->candidates, rerank, &s->planning.rows);
    }
    if (s->stats != NULL) s->stats->scan_ns += gosset__nanoseconds() - started;
out:
    return status;
}

gosset_status gosset__search_start(gosset__search *search, const gosset__search_request *request) {
    const gosset_status status = begin(search, request, false);
    if (status == GOSSET_OK) gosset__search_go_on(search, false);
    return status;
}

gosset_status gosset__search_submit(gosset__search *search, const gosset__search_request *request) {
    const gosset_status status = begin(search, request, true);
    if (status == GOSSET_OK) gosset__search_go_on(search, true);
    return status;
}
