/** The k nearest of what was offered so far, ties by lower id: a bounded max-heap in the caller's memory. */
#ifndef GOSSET_API_NEAREST_H
#define GOSSET_API_NEAREST_H

#include <stddef.h>
#include <stdint.h>

typedef struct gosset__neighbour {
    float distance;
    uint32_t tag; /* travels along: the cell, for the calibration's truth */
    uint64_t id;
} gosset__neighbour;

/** a is nearer than b. */
static inline int gosset__nearer(const gosset__neighbour *a, const gosset__neighbour *b) {
    return a->distance < b->distance || (a->distance == b->distance && a->id < b->id);
}

/** heap: k entries, of which *count are used. */
void gosset__nearest_offer(gosset__neighbour *heap, uint32_t *count, uint32_t k, gosset__neighbour candidate);
/** Nearest first. */
void gosset__nearest_sort(gosset__neighbour *list, uint32_t count);
#endif
