/*
 * Hard negatives: what the current map puts near an anchor without being near. Searching the whole learn set every
 * epoch would cost more than the epoch; a random subset, with the rank scaled to its size, finds the same kind.
 */
#include "base/status.h"
#include "train/neighbours.h"
#include "train/trainer.h"

#include <string.h>

enum { SUBSET_MAX = 20000 };

/* The first `count` of a random order of the rows; where each row went, or UINT32_MAX. */
static void draw_subset(const gosset__trainer *trainer, uint64_t epoch, uint32_t count, uint32_t *subset,
                        uint32_t *position) {
    size_t rows = trainer->learn.count;
    gosset__rng rng = gosset__trainer_rng(trainer->settings.seed, GOSSET__STREAM_MINE, epoch);
    for (size_t i = 0; i < rows; i++) {
        subset[i] = (uint32_t)i;
        position[i] = UINT32_MAX;
    }
    for (uint32_t i = 0; i < count; i++) {
        size_t other = i + (size_t)gosset__rng_below(&rng, rows - i);
        uint32_t chosen = subset[other];
        subset[other] = subset[i];
        subset[i] = chosen;
        position[chosen] = i;
    }
}

/* Found rows that are not true neighbours, from the wanted rank on; short lists repeat their last. */
static void keep_negatives(const gosset__trainer *trainer, size_t row, const uint32_t *found, uint32_t k,
                           const uint32_t *subset, uint32_t *out) {
    const uint32_t *neighbours = trainer->learn.neighbours + row * trainer->learn.k;
    uint32_t rank = 0, kept = 0, last = UINT32_MAX;
    for (uint32_t i = 0; i < k && kept < trainer->mined_count && found[i] != UINT32_MAX; i++) {
        uint32_t candidate = subset[found[i]];
        int is_true = 0;
        for (uint32_t j = 0; j < trainer->learn.k; j++) is_true |= neighbours[j] == candidate;
        if (is_true) continue;
        last = candidate;
        if (++rank >= trainer->mined_first) out[kept++] = candidate;
    }
    if (last == UINT32_MAX) last = (uint32_t)((row + 1) % trainer->learn.count); /* all of a tiny set is near */
    for (; kept < trainer->mined_count; kept++) out[kept] = last;
}

size_t gosset__mined_subset(size_t learn_count) {
    return learn_count < SUBSET_MAX ? learn_count : SUBSET_MAX;
}

/* True neighbours take ranks among the found: as many as the subset is expected to hold, and some. */
static uint32_t search_depth(const gosset__trainer *trainer) {
    uint32_t size = (uint32_t)gosset__mined_subset(trainer->learn.count), k = trainer->learn.k;
    uint32_t expected = (uint32_t)((uint64_t)k * size / trainer->learn.count);
    uint32_t margin = expected + 8 < k ? expected + 8 : k;
    uint32_t depth = trainer->mined_first + trainer->mined_count + margin;
    return depth < size - 1 ? depth : size - 1;
}

gosset_status gosset__mine(gosset__trainer *trainer, uint64_t epoch) {
    const gosset__env *env = &trainer->env;
    const gosset__learn *learn = &trainer->learn;
    gosset_status status;
    uint32_t size = (uint32_t)gosset__mined_subset(trainer->learn.count), k = search_depth(trainer),
             d = trainer->shape.output;
    int two_sided = learn->anchors != learn->rows;
    float *latents = gosset__alloc_array(env, learn->count, d * sizeof(float));
    float *base = gosset__alloc_array(env, size, d * sizeof(float));
    uint32_t *subset = gosset__alloc_array(env, learn->count, 2 * sizeof *subset);
    uint32_t *found = gosset__alloc_array(env, learn->count, k * sizeof *found);
    GOSSET_REQUIRE(latents && base && subset && found, GOSSET_E_NO_MEMORY, "mining of negatives: no memory");
    uint32_t *position = subset + learn->count;
    draw_subset(trainer, epoch, size, subset, position);
    gosset__folded folded = gosset__folded_view(&trainer->shape, trainer->folded);
    GOSSET_TRY(gosset__trainer_fold(trainer, trainer->parameters, trainer->folded));
    GOSSET_TRY(gosset__embed(&trainer->shape, &folded, learn->rows, learn->count, latents, trainer->pool, env));
    for (uint32_t i = 0; i < size; i++)
        memcpy(base + (size_t)i * d, latents + (size_t)subset[i] * d, d * sizeof(float));
    if (two_sided)
        GOSSET_TRY(gosset__embed(&trainer->shape, &folded, learn->anchors, learn->count, latents, trainer->pool, env));
    const gosset__neighbours_task task = {.queries = latents,
                                          .base = base,
                                          .query_count = learn->count,
                                          .base_count = size,
                                          .dimension = d,
                                          .k = k,
                                          .self = position,
                                          .ids = found};
    GOSSET_TRY(gosset__neighbours(&task, trainer->pool, env));
    for (size_t row = 0; row < learn->count; row++)
        keep_negatives(trainer, row, found + row * k, k, subset, trainer->mined + row * trainer->mined_count);
out:
    gosset__free(env, found);
    gosset__free(env, subset);
    gosset__free(env, base);
    gosset__free(env, latents);
    return status;
}
