/* Queries that nobody waits for: submitted, then taken in by an event loop. */
#include "api/searcher.h"
#include "base/status.h"

gosset_status gosset_searcher_submit(gosset_searcher *searcher, const gosset_vectors *query, uint32_t k, uint64_t *ids,
                                     float *distances, uint64_t tag) {
    if (!searcher) return gosset__fail(GOSSET_E_ARGUMENT, "searcher: expected one, found NULL");
    gosset_status status = gosset__searcher_check(searcher, query, k, ids);
    if (status != GOSSET_OK) return status;
    if (query->count != 1)
        return gosset__fail(GOSSET_E_ARGUMENT, "submit: expected one query, found %zu", query->count);
    if (!gosset__search_has_room(searcher->search))
        return gosset__fail(GOSSET_E_BUSY, "submit: %u queries are in flight, as many as may be", searcher->submitted);
    gosset__searcher_map(searcher, query, 0, 1, searcher->latents);
    gosset__search_request request = gosset__searcher_request(searcher, 0, query->type, k);
    request.ids = ids;
    request.distances = distances;
    request.tag = tag;
    status = gosset__search_submit(searcher->search, &request);
    if (status != GOSSET_OK) {
        searcher->stats.queries--; /* it will be submitted again */
        return status;
    }
    searcher->submitted++;
    gosset__search_finish(searcher->search, 0, NULL, 0); /* off to the device */
    return GOSSET_OK;
}

/* When to stop waiting for the first: a time of gosset__nanoseconds(), or */
#define AT_ONCE 0
#define NEVER   UINT64_MAX

static uint32_t finish(gosset_searcher *searcher, uint64_t deadline, gosset__search_done *done, uint32_t capacity) {
    if (deadline == AT_ONCE || deadline == NEVER)
        return gosset__search_finish(searcher->search, deadline == NEVER, done, capacity);
    return gosset__search_finish_by(searcher->search, deadline, done, capacity);
}

static gosset_status take_in(gosset_searcher *searcher, uint64_t deadline, gosset_completion *completions,
                             size_t capacity, size_t *count) {
    if (!searcher || !count || (!completions && capacity))
        return gosset__fail(GOSSET_E_ARGUMENT, "searcher: expected one, completions and their count, found NULL");
    *count = 0;
    while (*count < capacity) {
        gosset__search_done done[16];
        size_t room = capacity - *count;
        uint32_t found = finish(searcher, *count == 0 ? deadline : AT_ONCE, done, room < 16 ? (uint32_t)room : 16);
        for (uint32_t i = 0; i < found; i++)
            completions[(*count)++] = (gosset_completion){done[i].tag, done[i].status, done[i].pages, done[i].sentence};
        if (found < 16) break;
    }
    searcher->submitted -= (uint32_t)*count;
    return GOSSET_OK;
}

gosset_status gosset_searcher_poll(gosset_searcher *searcher, gosset_completion *completions, size_t capacity,
                                   size_t *count) {
    return take_in(searcher, AT_ONCE, completions, capacity, count);
}

gosset_status gosset_searcher_wait(gosset_searcher *searcher, gosset_completion *completions, size_t capacity,
                                   size_t *count) {
    return take_in(searcher, NEVER, completions, capacity, count);
}

gosset_status gosset_searcher_wait_for(gosset_searcher *searcher, uint64_t nanoseconds, gosset_completion *completions,
                                       size_t capacity, size_t *count) {
    const uint64_t now = gosset__nanoseconds(), left = NEVER - now;
    return take_in(searcher, nanoseconds < left ? now + nanoseconds : NEVER, completions, capacity, count);
}

gosset_status gosset_searcher_eventfd(gosset_searcher *searcher, int *descriptor) {
    if (!searcher || !descriptor)
        return gosset__fail(GOSSET_E_ARGUMENT, "searcher: eventfd: expected a searcher and a place for the descriptor");
    return gosset__search_event(searcher->search, descriptor);
}
