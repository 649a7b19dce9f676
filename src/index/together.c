/*
 * Queries planned together (batch.h), then read one after another as there is room for them in flight. While a batch is
 * scanned, the pages of the one before are read: the scan looks after them now and then.
 */
#include "base/status.h"
#include "index/search_internal.h"
#include <string.h>

enum {
    REPORTED = 32,  /* queries at a time */
    LOOK_AFTER = 16 /* queries gathered between two looks at the reads */
};

uint32_t gosset__search_together_room(uint32_t probe, uint32_t rerank, uint32_t most) {
    return gosset__batch_room(probe, rerank, most);
}

typedef struct meanwhile {
    gosset__search *search;
    const gosset__search_sink *sink;
} meanwhile;

/* One look at the reads; `wait`: until one of the queries in flight is done. */
static void look(gosset__search *s, const gosset__search_sink *sink, bool wait) {
    gosset__search_done done[REPORTED];
    gosset__search_planned *planned = &s->planned;
    for (; planned->next < planned->count && gosset__search_has_room(s); planned->next++) {
        gosset__best rows = gosset__batch_rows(&s->batch, planned->next);
        const gosset__search_request *request = &planned->requests[planned->next];
        gosset__search_begin(s, gosset__search_new_query(s, request), request, &rows);
    }
    const uint32_t count = gosset__search_finish(s, wait, done, REPORTED);
    for (uint32_t i = 0; i < count; i++) sink->done(sink->context, &done[i]);
}

static void look_now(void *context) {
    const meanwhile *self = context;
    if (gosset__search_in_flight(self->search) > 0 || self->search->planned.next < self->search->planned.count)
        look(self->search, self->sink, false);
}

void gosset__search_together_end(gosset__search *search, const gosset__search_sink *sink) {
    while (gosset__search_in_flight(search) > 0 || search->planned.next < search->planned.count)
        look(search, sink, true);
    search->planned.count = search->planned.next = 0;
}

static bool has_room(const gosset__search *s, uint32_t probe, uint32_t rerank, uint32_t k, uint32_t most) {
    const gosset__search_room *have = &s->room;
    return gosset__batch_fits(&s->batch, rerank, most) && s->planned.room >= most && have->probe >= probe &&
           have->rerank >= rerank && have->k >= k;
}

gosset_status gosset__search_together_reserve(gosset__search *search, uint32_t probe, uint32_t rerank, uint32_t k,
                                              uint32_t most) {
    gosset_status status = GOSSET_OK;
    gosset__search *s = search;
    if (has_room(s, probe, rerank, k, most)) return GOSSET_OK;
    GOSSET_TRY(gosset__search_reserve(s, probe, rerank, k));
    GOSSET_TRY(gosset__batch_reserve(&s->batch, &s->candidates, rerank, most, &s->env));
    if (s->planned.room >= most) return GOSSET_OK;
    gosset__free(&s->env, s->planned.requests);
    s->planned.room = 0;
    s->planned.requests = gosset__alloc_array(&s->env, most, sizeof *s->planned.requests);
    if (s->planned.requests == NULL) GOSSET_TRY(gosset__no_memory("a searcher's batch", most));
    s->planned.room = most;
out:
    return status;
}

static gosset_status gather(gosset__search *s, const gosset__search_request *request, uint32_t rerank,
                            const gosset__search_sink *sink, bool *taken) {
    gosset_status status = gosset__search_check(s, request);
    if (status != GOSSET_OK) return status;
    status = gosset__search_probe(s, request->latent, &request->effort, request->k, rerank, request->k, false);
    if (status == GOSSET_E_BUSY) { /* its cells were so empty that it needs more of them than planned for */
        gosset__search_together_end(s, sink);
        status = gosset__search_probe(s, request->latent, &request->effort, request->k, rerank, request->k, false);
    }
    if (status != GOSSET_OK) return status;
    *taken = gosset__batch_gather(&s->batch, &s->candidates, request->latent, rerank);
    if (*taken) gosset__search_count_plan(s, s->candidates.rows_compared); /* of its best cell */
    return GOSSET_OK;
}

gosset_status gosset__search_together(gosset__search *search, const gosset__search_request *requests, uint32_t count,
                                      const gosset__search_sink *sink, uint32_t *planned) {
    gosset_status status = GOSSET_OK;
    gosset__search *s = search;
    meanwhile reading = {s, sink};
    const uint64_t started = gosset__nanoseconds(), reading_ns = s->stats != NULL ? s->stats->io_ns : 0;
    const uint32_t rerank = gosset__search_rerank(s, &requests[0]);
    const uint32_t probe = gosset__search_clamp(requests[0].effort.probe, 1, s->store->layout.cell_count);
    const uint32_t k = requests[0].k, most = gosset__together_most(count);
    bool taken = true;
    *planned = 0;
    if (!has_room(s, probe, rerank, k, most)) gosset__search_together_end(s, sink); /* memory moves */
    GOSSET_TRY(gosset__search_together_reserve(s, probe, rerank, k, most));
    while (*planned < count) {
        GOSSET_TRY(gather(s, &requests[*planned], rerank, sink, &taken));
        if (!taken) break;
        if (++*planned % LOOK_AFTER == 0) look_now(&reading);
    }
    gosset__batch_scan(&s->batch, &s->candidates, look_now, &reading);
    if (s->stats != NULL) s->stats->codes_scanned += s->batch.rows_compared;
    gosset__search_together_end(s, sink);
    gosset__batch_keep(&s->batch, &s->candidates);
    memcpy(s->planned.requests, requests, *planned * sizeof *requests);
    s->planned.count = *planned;
    if (s->stats != NULL) s->stats->scan_ns += gosset__nanoseconds() - started - (s->stats->io_ns - reading_ns);
    return GOSSET_OK;
out:
    if (s->batch.block != NULL) gosset__batch_drop(&s->batch, &s->candidates);
    *planned = 0;
    return status;
}
