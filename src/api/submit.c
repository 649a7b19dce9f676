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

static gosset_status take_in(gosset_searcher *searcher, int wait, gosset_completion *completions, size_t capacity,
                             size_t *count) {
    if (!searcher || !count || (!completions && capacity))
        return gosset__fail(GOSSET_E_ARGUMENT, "searcher: expected one, completions and their count, found NULL");
    *count = 0;
    while (*count < capacity) {
        gosset__search_done done[16];
        size_t room = capacity - *count;
        uint32_t found =
            gosset__search_finish(searcher->search, wait && *count == 0, done, room < 16 ? (uint32_t)room : 16);
        for (uint32_t i = 0; i < found; i++)
            completions[(*count)++] = (gosset_completion){done[i].tag, done[i].status, done[i].pages, done[i].sentence};
        if (found < 16) break;
    }
    searcher->submitted -= (uint32_t)*count;
    return GOSSET_OK;
}

gosset_status gosset_searcher_poll(gosset_searcher *searcher, gosset_completion *completions, size_t capacity,
                                   size_t *count) {
    return take_in(searcher, 0, completions, capacity, count);
}

gosset_status gosset_searcher_wait(gosset_searcher *searcher, gosset_completion *completions, size_t capacity,
                                   size_t *count) {
    return take_in(searcher, 1, completions, capacity, count);
}

gosset_status gosset_searcher_eventfd(gosset_searcher *searcher, int *descriptor) {
    if (!searcher || !descriptor)
        return gosset__fail(GOSSET_E_ARGUMENT, "searcher: eventfd: expected a searcher and a place for the descriptor");
    return gosset__search_event(searcher->search, descriptor);
}
