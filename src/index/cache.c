#include "index/cache.h"

#include "base/bytes.h"
#include "base/status.h"
#include <string.h>

enum { SLOT_MAX = 1 << 28 };

static uint32_t table_size(uint64_t slots) {
    uint32_t size = 4;
    while (size < 2 * slots) size *= 2;
    return size;
}

static uint64_t bytes_of(uint64_t slots, uint32_t page_size) {
    return slots * (page_size + sizeof(uint64_t) + 1) + table_size(slots) * sizeof(uint32_t);
}

gosset_status gosset__cache_open(gosset__cache *cache, uint64_t bytes, uint32_t page_size, const gosset__env *env) {
    *cache = (gosset__cache){.page_size = page_size};
    if (bytes == 0) return GOSSET_OK;
    uint64_t slots = bytes / page_size < SLOT_MAX ? bytes / page_size : SLOT_MAX;
    while (slots > 0 && bytes_of(slots, page_size) > bytes) slots -= 1 + slots / 256;
    if (slots == 0)
        return gosset__fail(GOSSET_E_ARGUMENT, "cache: expected at least %llu bytes, found %llu",
                            (unsigned long long)bytes_of(1, page_size), (unsigned long long)bytes);
    const uint64_t size = bytes_of(slots, page_size);
    uint8_t *block = gosset__alloc(env, (size_t)size);
    if (block == NULL) return gosset__no_memory("a page cache", (size_t)size);
    cache->slot_count = (uint32_t)slots;
    cache->mask = table_size(slots) - 1;
    cache->held_bytes = size;
    cache->pages = block;
    cache->page = (uint64_t *)(void *)(block + slots * page_size);
    cache->table = (uint32_t *)(void *)(cache->page + slots);
    cache->asked = (uint8_t *)(cache->table + cache->mask + 1);
    memset(cache->table, 0, ((size_t)cache->mask + 1) * sizeof *cache->table);
    return GOSSET_OK;
}

void gosset__cache_close(gosset__cache *cache, const gosset__env *env) {
    gosset__free(env, cache->pages);
    *cache = (gosset__cache){.page_size = cache->page_size};
}

static uint32_t home_of(const gosset__cache *cache, uint64_t page) {
    return (uint32_t)(page * UINT64_C(0x9E3779B97F4A7C15) >> 32) & cache->mask;
}

/** Its place in the table, or the free one where it belongs. */
static uint32_t find(const gosset__cache *cache, uint64_t page) {
    uint32_t at = home_of(cache, page);
    while (cache->table[at] != 0 && cache->page[cache->table[at] - 1] != page) at = (at + 1) & cache->mask;
    return at;
}

const uint8_t *gosset__cache_get(gosset__cache *cache, uint64_t page) {
    if (cache->pages == NULL) return NULL;
    const uint32_t entry = cache->table[find(cache, page)];
    if (entry == 0) return NULL;
    cache->asked[entry - 1] = 1;
    return cache->pages + (size_t)(entry - 1) * cache->page_size;
}

/** Closes the gap that a page leaves: those behind it move up as far as their homes allow. */
static void forget(gosset__cache *cache, uint64_t page) {
    uint32_t gap = find(cache, page);
    for (uint32_t at = (gap + 1) & cache->mask; cache->table[at] != 0; at = (at + 1) & cache->mask) {
        const uint32_t home = home_of(cache, cache->page[cache->table[at] - 1]);
        if (((at - home) & cache->mask) < ((at - gap) & cache->mask)) continue;
        cache->table[gap] = cache->table[at];
        gap = at;
    }
    cache->table[gap] = 0;
}

void gosset__cache_put(gosset__cache *cache, uint64_t page, const uint8_t *data) {
    if (cache->pages == NULL || cache->table[find(cache, page)] != 0) return;
    uint32_t slot = cache->used;
    if (slot < cache->slot_count) {
        cache->used++;
    } else {
        for (; cache->asked[cache->hand]; cache->hand = (cache->hand + 1) % cache->slot_count)
            cache->asked[cache->hand] = 0;
        slot = cache->hand;
        cache->hand = (cache->hand + 1) % cache->slot_count;
        forget(cache, cache->page[slot]);
    }
    memcpy(cache->pages + (size_t)slot * cache->page_size, data, cache->page_size);
    cache->page[slot] = page;
    cache->asked[slot] = 0;
    cache->table[find(cache, page)] = slot + 1;
}
