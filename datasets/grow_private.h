/** What the two files of grow.h share. Private to this folder. */
#ifndef GOSSET_DATASETS_GROW_PRIVATE_H
#define GOSSET_DATASETS_GROW_PRIVATE_H

#include "datasets/dataset.h"
#include "datasets/grow.h"

struct grow {
    gosset_vectors base;
    grow_config config;
    size_t stride, row_size;
    uint32_t *neighbours; /* base.count x config.neighbours */
};

/* SplitMix64 (Steele, Lea, Flood 2014): the counter is the state, so any row can be made first. */
static inline uint64_t grow_mix(uint64_t value) {
    value += UINT64_C(0x9e3779b97f4a7c15);
    value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
    return value ^ value >> 31;
}

static inline const uint8_t *grow_row_at(const grow *self, uint64_t row) {
    return (const uint8_t *)self->base.data + row * self->stride;
}

static inline gosset_status grow_no_memory(void) {
    return dataset_fail(GOSSET_E_NO_MEMORY, "no memory to grow the set");
}

/** Fills self->neighbours. */
gosset_status grow_find_neighbours(grow *self);

#endif
