/*
 * The query path: latent -> best cells -> scan of their codes -> best rows -> their pages, in parallel -> exact
 * distances of every record on them -> best k. Up to the pages one query at a time is planned (plan.c;
 * it is arithmetic); from there on it is one of several in flight, and the searcher moves whichever gets its pages.
 *
 * A read's tag is the query's place in `queries` and the buffer the page goes to.
 */
#include "index/search.h"

#include "base/status.h"
#include "index/search_internal.h"
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { FIRST_PROBE = 256, FIRST_RERANK = 32, FIRST_K = 32 };

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
    self->event = -1;
    self->in_flight = 1;
    self->candidates = (gosset__candidates){.store = store, .codec = codec, .kernels = kernels};
    self->distance = (gosset__distance){.kernels = kernels,
                                        .metric = store->layout.metric,
                                        .type = store->layout.type,
                                        .dimension = store->layout.dimension};
    GOSSET_TRY(gosset__search_reserve(self, FIRST_PROBE, FIRST_RERANK, FIRST_K));
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
    if (search->event >= 0) close(search->event);
    gosset__batch_free(&search->batch, &env);
    gosset__cache_close(&search->cache, &env);
    gosset__free(&env, search->planned.requests);
    gosset__free(&env, search->workspace);
    gosset__free(&env, search);
}

gosset_status gosset__search_set_in_flight(gosset__search *search, uint32_t in_flight) {
    gosset_status status = GOSSET_OK;
    if (in_flight == search->in_flight) return GOSSET_OK;
    GOSSET_REQUIRE(in_flight >= 1 && in_flight <= GOSSET__SEARCH_MAX_IN_FLIGHT, GOSSET_E_ARGUMENT,
                   "queries in flight: expected 1 to %d, found %u", GOSSET__SEARCH_MAX_IN_FLIGHT, in_flight);
    GOSSET_REQUIRE(gosset__search_in_flight(search) == 0, GOSSET_E_BUSY,
                   "queries in flight: their number cannot be changed while there are any");
    search->in_flight = in_flight;
    if (search->room.in_flight > 0)
        status = gosset__search_reserve(search, search->room.probe, search->room.rerank, search->room.k);
out:
    return status;
}

gosset_status gosset__search_set_cache(gosset__search *search, uint64_t bytes) {
    gosset_status status = GOSSET_OK;
    gosset__cache *cache = &search->cache;
    if (bytes == search->cache_wanted) return GOSSET_OK;
    GOSSET_REQUIRE(gosset__search_in_flight(search) == 0, GOSSET_E_BUSY,
                   "cache: it cannot be changed while queries are in flight");
    gosset__cache_close(cache, &search->env);
    search->cache_wanted = 0;
    GOSSET_TRY(gosset__cache_open(cache, bytes, search->store->layout.page_size, &search->env));
    search->cache_wanted = bytes;
out:
    return status;
}

void gosset__search_count(gosset__search *search, gosset__search_stats *stats) {
    search->stats = stats;
}

uint32_t gosset__search_in_flight(const gosset__search *search) {
    return search->reading_count + search->done_count + (search->planning.query != NULL);
}

bool gosset__search_has_room(const gosset__search *search) {
    return gosset__search_in_flight(search) < search->in_flight;
}

/* ---- reading -------------------------------------------------------------------------------- */

void gosset__search_settle(gosset__search *search, gosset__query *query) {
    if (!gosset__query_settle(query)) return;
    search->reading_count--;
    search->done_count++;
}

/** Reads are not possible any more: none is in flight, and every query that waits for one has failed. */
static void fail_all(gosset__search *s, gosset_status status) {
    for (uint32_t i = 0; i < s->room.in_flight; i++) {
        gosset__query *query = &s->queries[i];
        if (query->state != GOSSET__QUERY_READING && query->state != GOSSET__QUERY_CODES) continue;
        gosset__query_fail(query, status);
        query->scored = query->page_count = query->submitted;
        query->code_reads = 0;
        gosset__search_settle(s, query);
    }
    if (s->planning.query != NULL) s->planning.query->early_count = s->planning.here_count = 0; /* asked for again */
    gosset__search_free_buffers(s);
}

gosset_status gosset__search_ask(gosset__search *search, const gosset__query *query, uint32_t first, uint32_t count) {
    gosset__search *s = search;
    const gosset__store *store = s->store;
    const uint32_t *buffers = s->free_buffers + s->free_buffer_count - count;
    for (uint32_t i = 0; i < count; i++) {
        const uint64_t page = query->pages[first + i];
        const uint32_t shard = gosset__query_shard(store, page);
        s->buffer_page[buffers[i]] = page;
        s->reads[i] = (gosset__io_read){.file = shard,
                                        .page = page - store->shard_first_page[shard],
                                        .buffer = s->io->buffers + (size_t)buffers[i] * store->layout.page_size,
                                        .tag = (uint64_t)(query - s->queries) << 32 | buffers[i]};
    }
    const gosset_status status = s->io->ops->submit(s->io, s->reads, count);
    if (status != GOSSET_OK) return status; /* none of them was accepted */
    s->free_buffer_count -= count;
    if (s->stats == NULL) return GOSSET_OK;
    s->stats->pages_read += count;
    s->stats->bytes_read += (uint64_t)count * store->layout.page_size;
    s->stats->io_batches++;
    return GOSSET_OK;
}

/** Asks for the next `count` pages of a query. */
static void submit(gosset__search *s, gosset__query *query, uint32_t count) {
    const gosset_status status = gosset__search_ask(s, query, query->submitted, count);
    if (status == GOSSET_OK) {
        query->submitted += count;
        return;
    }
    gosset__query_fail(query, status);
    gosset__search_settle(s, query);
}

/** The oldest query whose next batch there are buffers for: all that is left of it, or, when that is more than the
 *  searcher can ever hold, half of what it can. */
static gosset__query *next_batch(const gosset__search *s, uint32_t *count) {
    gosset__query *oldest = NULL;
    for (uint32_t i = 0; i < s->room.in_flight; i++) {
        gosset__query *query = &s->queries[i];
        if (query->state != GOSSET__QUERY_READING || gosset__query_waiting(query) == 0) continue;
        if (oldest == NULL || query->number < oldest->number) oldest = query;
    }
    if (oldest == NULL) return NULL;
    const uint32_t waiting = gosset__query_waiting(oldest), free = s->free_buffer_count;
    *count = waiting < free ? waiting : free;
    return *count == waiting || free >= s->page_depth / 2 ? oldest : NULL;
}

/** As few reads as can end a query that is in flight. Of a lone query first only half: they are scored while the other
 *  half is being read, which is worth more than the second system call. */
static uint32_t least_in_flight(const gosset__search *s) {
    enum { WORTH_HALVING = 8 };
    const gosset__query *first = NULL;
    uint32_t least = UINT32_MAX;
    for (uint32_t i = 0; i < s->room.in_flight; i++) {
        const gosset__query *query = &s->queries[i];
        const bool codes = query->state == GOSSET__QUERY_CODES;
        const uint32_t in_flight = codes ? query->code_reads : gosset__query_in_flight(query);
        if ((query->state != GOSSET__QUERY_READING && !codes) || in_flight == 0 || in_flight >= least) continue;
        first = query;
        least = in_flight;
    }
    const bool alone = s->reading_count == 1 && first != NULL && first->scored == 0;
    return alone && least >= WORTH_HALVING ? least - least / 2 : least;
}

static void start_reads(gosset__search *s) {
    gosset__query *query;
    uint32_t count = 0;
    if (s->store->code_sums != NULL) gosset__search_submit_codes(s);
    while ((query = next_batch(s, &count)) != NULL) submit(s, query, count);
}

void gosset__search_take(gosset__search *search, const gosset__io_done *done) {
    gosset__search *s = search;
    const uint32_t buffer = (uint32_t)done->tag;
    gosset__query *query = &s->queries[done->tag >> 32];
    if (query == s->planning.query) { /* whether it is wanted is decided by all codes */
        s->planning.here[s->planning.here_count++] = *done;
        return;
    }
    if (buffer >= s->page_depth) {
        gosset__search_take_codes(s, done);
        return;
    }
    const uint64_t page = s->buffer_page[buffer];
    if (page == GOSSET__NO_PAGE)
        query->scored++;
    else
        gosset__query_take(query, s->store, page, done);
    if (query->status == GOSSET_OK && page != GOSSET__NO_PAGE)
        gosset__cache_put(&s->cache, page, done->page); /* it is sound */
    s->free_buffers[s->free_buffer_count++] = buffer;
    gosset__search_settle(s, query);
}

/** With codes on disk, what came in may have made room for the next chunks, or been the last before the pages. */
static bool may_start_more(const gosset__search *s) {
    uint32_t count;
    return s->store->code_sums != NULL && (gosset__search_wants_codes(s) || next_batch(s, &count) != NULL);
}

/** Starts what there are buffers for, waits for some of it if it may, and scores what is here. */
static void advance(gosset__search *s, bool wait) {
    uint32_t count = 0;
    const uint64_t started = gosset__nanoseconds();
    do {
        start_reads(s);
        wait = wait && s->done_count == 0;
        const uint32_t least = wait ? least_in_flight(s) : 0;
        const gosset_status status = s->io->ops->reap(s->io, least, s->done, s->io->depth, &count);
        if (status != GOSSET_OK) {
            fail_all(s, status);
            count = 0;
        }
        for (uint32_t i = 0; i < count; i++) gosset__search_take(s, &s->done[i]);
        wait = false;
    } while (may_start_more(s));
    if (s->stats != NULL) s->stats->io_ns += gosset__nanoseconds() - started;
}

void gosset__search_look(gosset__search *search) {
    advance(search, false);
}

/* ---- answering ------------------------------------------------------------------------------ */

static uint32_t report(gosset__search *s, gosset__search_done *done, uint32_t capacity) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < s->room.in_flight && s->done_count > 0 && count < capacity; i++) {
        gosset__query *query = &s->queries[i];
        if (query->state != GOSSET__QUERY_DONE) continue;
        done[count++] = (gosset__search_done){.tag = query->tag,
                                              .status = query->status,
                                              .pages = query->page_count,
                                              .sentence = query->status != GOSSET_OK ? query->sentence : NULL};
        query->state = GOSSET__QUERY_FREE;
        s->done_count--;
    }
    return count;
}

static bool is_late(const gosset__search *s) {
    return s->io->deadline > 0 && gosset__nanoseconds() >= s->io->deadline;
}

uint32_t gosset__search_finish(gosset__search *search, bool wait, gosset__search_done *done, uint32_t capacity) {
    gosset__search *s = search;
    eventfd_t value;
    if (s->event >= 0 && capacity > 0) eventfd_read(s->event, &value); /* first: what comes later signals again */
    wait = wait && capacity > 0;
    if (s->reading_count > 0) advance(s, wait && s->done_count == 0 && !s->look_first && s->planning.query == NULL);
    s->look_first = false;
    if (s->planning.query != NULL && s->done_count == 0) {
        gosset__search_go_on(s, true);
        if (s->reading_count > 0) advance(s, false);
    }
    while (wait && s->done_count == 0 && s->reading_count > 0 && !is_late(s)) advance(s, true);
    const uint32_t count = report(s, done, capacity);
    if (s->event >= 0 && (s->done_count > 0 || s->planning.query != NULL)) eventfd_write(s->event, 1);
    return count;
}

uint32_t gosset__search_finish_by(gosset__search *search, uint64_t deadline, gosset__search_done *done,
                                  uint32_t capacity) {
    if (search->io != NULL) search->io->deadline = deadline;
    const uint32_t count = gosset__search_finish(search, true, done, capacity);
    if (search->io != NULL) search->io->deadline = 0;
    return count;
}

gosset_status gosset__search_run(gosset__search *search, const gosset__search_request *request) {
    gosset__search_done done;
    const gosset_status status = gosset__search_start(search, request);
    if (status != GOSSET_OK) return status;
    gosset__search_finish(search, true, &done, 1);
    return done.status != GOSSET_OK ? gosset__fail(done.status, "%s", done.sentence) : GOSSET_OK;
}
