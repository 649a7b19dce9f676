/*
 * Reads that begin early. While the codes of a lone query are compared the device is idle, and then the query waits for
 * it. So its cells are scanned in bands, nearest first, and after each the pages of candidates that will hardly be
 * overtaken are asked for: the first 16 % of the codes hold 70 % of the pages. The device serves them one after the
 * other anyway, and while it is busy asking for more costs no interrupt of the host.
 *
 * What is wanted in the end is decided by all codes, as if nothing had been asked for; a page that is not wanted is not
 * looked at. So answers are those of one batch, and nothing depends on time: bands and shares are counts.
 */
#include "index/search_internal.h"
#include <string.h>

/* Of the candidates wanted, in sixteenths, those asked for once a band is scanned. Two sets of vectors, codes
 * of 16 and 32 bytes, one and ten million: 0.1 to 0.6 pages of a query are asked for in vain. */
static const uint32_t sixteenths[GOSSET__BANDS - 1] = {8, 12, 15};

bool gosset__search_goes_early(const gosset__search *search) {
    return search->io != NULL && !search->io->ops->resident && search->store->code_sums == NULL &&
           search->reading_count == 0;
}

/* Pages that are kept need no read. */
static uint32_t leave_out_kept(gosset__search *s, uint64_t *pages, uint32_t count) {
    uint32_t left = 0;
    for (uint32_t i = 0; i < count; i++)
        if (gosset__cache_get(&s->cache, pages[i]) == NULL) pages[left++] = pages[i];
    return left;
}

/* Pages of the best `count` candidates that were not asked for yet, behind those that were. Returns how many. */
static uint32_t choose(gosset__search *s, gosset__query *query, const gosset__best *rows, uint32_t count) {
    gosset__ranked items[GOSSET__QUERY_EARLY];
    uint64_t *const pages = query->pages + query->early_count;
    memcpy(items, rows->items, rows->count * sizeof *items);
    gosset__ranked_sort(items, rows->count);
    if (count > rows->count) count = (uint32_t)rows->count;
    count = gosset__query_pages(s->store, items, count, pages);
    count = gosset__query_leave_out_early(query, pages, count);
    return leave_out_kept(s, pages, count);
}

void gosset__search_ask_early(gosset__search *search, gosset__query *query, uint32_t band, const gosset__best *rows) {
    gosset__search *s = search;
    const uint64_t started = gosset__nanoseconds();
    if (rows->limit > GOSSET__QUERY_EARLY || rows->count < rows->limit) return;
    const uint32_t count = choose(s, query, rows, (uint32_t)rows->limit * sixteenths[band] / 16);
    const uint32_t room = GOSSET__QUERY_EARLY - query->early_count;
    if (count == 0 || count > s->free_buffer_count || count > room) return;
    if (gosset__search_ask(s, query, query->early_count, count) != GOSSET_OK) return; /* it will be asked for again */
    memcpy(query->early_buffers + query->early_count, s->free_buffers + s->free_buffer_count,
           count * sizeof *query->early_buffers);
    query->early_count += count;
    if (s->stats != NULL) s->stats->io_ns += gosset__nanoseconds() - started;
}

void gosset__search_end_early(gosset__search *search, const gosset__query *query) {
    for (uint32_t i = 0; i < query->early_count; i++)
        if (!query->early_wanted[i]) search->buffer_page[query->early_buffers[i]] = GOSSET__NO_PAGE;
    search->look_first = query->early_count > 0;
}
