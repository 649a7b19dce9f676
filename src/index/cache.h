/**
 * Pages that were read and checked, kept for the queries that follow. One searcher's own, so it takes no lock; a fixed
 * number of bytes, all allocated at once. Which page makes room: the first that was not asked for since the hand last
 * passed it (CLOCK).
 */
#ifndef GOSSET_INDEX_CACHE_H
#define GOSSET_INDEX_CACHE_H

#include "base/env.h"

typedef struct gosset__cache {
    uint8_t *pages;  /* slot_count x page_size; NULL: nothing is kept */
    uint64_t *page;  /* of a slot */
    uint32_t *table; /* slots by their page, open addressing; 0 = free, else slot + 1 */
    uint8_t *asked;  /* since the hand passed */
    uint32_t page_size, slot_count, used, hand, mask;
    uint64_t held_bytes;
} gosset__cache;

/** Room for what fits into `bytes`, bookkeeping included: GOSSET_E_ARGUMENT if that is no page. 0: none. */
gosset_status gosset__cache_open(gosset__cache *cache, uint64_t bytes, uint32_t page_size, const gosset__env *env);
void gosset__cache_close(gosset__cache *cache, const gosset__env *env);

/** A page that is kept, or NULL; valid until the next put. */
const uint8_t *gosset__cache_get(gosset__cache *cache, uint64_t page);
/** Keeps a copy. */
void gosset__cache_put(gosset__cache *cache, uint64_t page, const uint8_t *data);

#endif
