/**
 * The best few of many, in the caller's memory. One item for both uses: rows by score of their code, and records
 * by exact distance. Few are kept as a heap with the worst on top, so that the bound is always what it can be. Of many,
 * nothing is kept ordered while items come in; a full buffer is cut back to the best `limit` (quickselect), so an item
 * costs a compare and, rarely, a store.
 */
#ifndef GOSSET_INDEX_TOPK_H
#define GOSSET_INDEX_TOPK_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/** Best first: lower rank, then lower id. */
typedef struct gosset__ranked {
    uint64_t id;
    uint32_t rank, zero;
} gosset__ranked;

static inline int gosset__ranked_before(const gosset__ranked *a, const gosset__ranked *b) {
    return a->rank < b->rank || (a->rank == b->rank && a->id < b->id);
}

/** Scores: higher is better. Its own inverse. */
static inline uint32_t gosset__rank_of_score(int32_t score) {
    return (uint32_t)score ^ 0x7fffffffu;
}
static inline int32_t gosset__score_of_rank(uint32_t rank) {
    return (int32_t)(rank ^ 0x7fffffffu);
}

/** Distances: lower is better, -0 equals 0, NaN comes last. */
static inline uint32_t gosset__rank_of_distance(float distance) {
    uint32_t bits;
    distance += 0.0f;
    memcpy(&bits, &distance, sizeof bits);
    if (isnan(distance)) return UINT32_MAX;
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}
static inline float gosset__distance_of_rank(uint32_t rank) {
    uint32_t bits = rank & 0x80000000u ? rank & 0x7fffffffu : ~rank;
    float distance;
    memcpy(&distance, &bits, sizeof distance);
    return distance;
}

typedef struct gosset__best {
    gosset__ranked *items; /* gosset__best_capacity(limit) */
    size_t limit, count;
    gosset__ranked bound; /* items not before it are not among the best */
} gosset__best;

/** Up to this limit a heap of so few levels costs less than cutting. */
enum { GOSSET__BEST_HEAP = 128 };

/** Four times the limit keeps cutting rare, twice keeps memory low when it is large. */
static inline size_t gosset__best_capacity(size_t limit) {
    if (limit <= GOSSET__BEST_HEAP) return limit;
    return limit <= 4096 ? 4 * limit + 64 : 2 * limit;
}

void gosset__best_start(gosset__best *best, gosset__ranked *items, size_t limit); /* limit >= 1 */
/** Cuts back to at most `limit` items and sets the bound. */
void gosset__best_cut(gosset__best *best);

/** Takes in an item that is before the bound, into a heap. */
void gosset__best_push(gosset__best *best, gosset__ranked item);

static inline void gosset__best_add(gosset__best *best, uint64_t id, uint32_t rank) {
    const gosset__ranked item = {.id = id, .rank = rank};
    if (!gosset__ranked_before(&item, &best->bound)) return;
    if (best->limit <= GOSSET__BEST_HEAP) {
        gosset__best_push(best, item);
        return;
    }
    best->items[best->count++] = item;
    if (best->count == gosset__best_capacity(best->limit)) gosset__best_cut(best);
}

/** Best first. */
void gosset__ranked_sort(gosset__ranked *items, size_t count);

#endif
