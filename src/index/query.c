#include "index/query.h"

#include "index/score.h"
#include <gosset/index.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

uint32_t gosset__query_pages(const gosset__store *store, gosset__ranked *items, size_t count, uint64_t *pages) {
    uint32_t found = 0;
    for (size_t i = 0; i < count; i++) items[i] = (gosset__ranked){.id = gosset__store_page_of(store, items[i].id)};
    gosset__ranked_sort(items, count);
    for (size_t i = 0; i < count; i++)
        if (found == 0 || pages[found - 1] != items[i].id) pages[found++] = items[i].id;
    return found;
}

static bool is_early(gosset__query *query, uint64_t page) {
    for (uint32_t i = 0; i < query->early_count; i++) {
        if (query->pages[i] != page) continue;
        query->early_wanted[i] = true;
        return true;
    }
    return false;
}

uint32_t gosset__query_leave_out_early(gosset__query *query, uint64_t *pages, uint32_t count) {
    uint32_t left = 0;
    memset(query->early_wanted, 0, query->early_count * sizeof *query->early_wanted);
    for (uint32_t i = 0; i < count; i++)
        if (!is_early(query, pages[i])) pages[left++] = pages[i];
    return left;
}

void gosset__query_plan(gosset__query *query, const gosset__store *store, gosset__best *rows, const void *vector,
                        gosset_type type) {
    if (vector != query->vector) memcpy(query->vector, vector, store->layout.dimension * gosset_type_size(type));
    gosset__distance_set(&query->distance, query->vector, type);
    gosset__best_start(&query->nearest, query->items, query->k);
    uint64_t *const pages = query->pages + query->early_count;
    const uint32_t wanted = gosset__query_pages(store, rows->items, rows->count, pages);
    query->submitted = query->early_count;
    query->scored = 0;
    query->page_count = query->early_count + gosset__query_leave_out_early(query, pages, wanted);
    query->status = GOSSET_OK;
    query->state = GOSSET__QUERY_READING;
}

uint32_t gosset__query_serve(gosset__query *query, const gosset__store *store, gosset__cache *cache) {
    const uint32_t wanted = query->page_count;
    query->page_count = query->submitted;
    for (uint32_t i = query->submitted; i < wanted; i++) {
        const uint8_t *data = gosset__cache_get(cache, query->pages[i]);
        if (data != NULL)
            gosset__score_records(store, query->pages[i], data, &query->distance, &query->nearest);
        else
            query->pages[query->page_count++] = query->pages[i];
    }
    return wanted - query->page_count;
}

void gosset__query_fail(gosset__query *query, gosset_status status) {
    if (query->status != GOSSET_OK) return; /* the first failure is the one to tell of */
    query->status = status;
    snprintf(query->sentence, sizeof query->sentence, "%s", gosset_last_error());
    query->page_count = query->submitted;
}

uint32_t gosset__query_shard(const gosset__store *store, uint64_t page) {
    uint32_t low = 0, high = store->shard_count;
    while (high - low > 1) {
        const uint32_t middle = low + (high - low) / 2;
        if (page < store->shard_first_page[middle])
            high = middle;
        else
            low = middle;
    }
    return low;
}

void gosset__query_take(gosset__query *query, const gosset__store *store, uint64_t page, const gosset__io_done *read) {
    gosset_status status = GOSSET_OK;
    query->scored++;
    if (query->status != GOSSET_OK) return;
    if (read->error != 0) {
        const uint32_t shard = gosset__query_shard(store, page);
        status = gosset__io_fail_read(store->files, shard, page - store->shard_first_page[shard], read->error);
    } else {
        status = gosset__score_page(store, page, read->page, &query->distance, &query->nearest);
    }
    if (status != GOSSET_OK) gosset__query_fail(query, status);
}

static void write_answer(gosset__query *query) {
    gosset__best *best = &query->nearest;
    gosset__best_cut(best);
    gosset__ranked_sort(best->items, best->count);
    for (uint32_t i = 0; i < query->k; i++) {
        const bool found = i < best->count;
        query->ids[i] = found ? best->items[i].id : GOSSET_NO_ID;
        if (query->distances != NULL)
            query->distances[i] = found ? gosset__distance_of_rank(best->items[i].rank) : INFINITY;
    }
}

bool gosset__query_settle(gosset__query *query) {
    if (query->scored < query->page_count) return false;
    if (query->status == GOSSET_OK) write_answer(query);
    query->state = GOSSET__QUERY_DONE;
    return true;
}
