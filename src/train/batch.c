/* Which vectors a step sees. */
#include "train/trainer.h"

#include <string.h>

enum {
    POOL_MAX = 64, /* at least the true neighbours known, and the negatives mined, of a row */
    LINE = 16,     /* floats of a cache line */
    AHEAD = 6      /* rows */
};

void gosset__batch_order(gosset__trainer *trainer, uint64_t epoch) {
    gosset__rng rng = gosset__trainer_rng(trainer->settings.seed, GOSSET__STREAM_EPOCH, epoch);
    for (size_t i = 0; i < trainer->learn.count; i++) trainer->order[i] = (uint32_t)i;
    gosset__rng_shuffle(&rng, trainer->order, trainer->learn.count);
    trainer->drawn = 0;
}

/* Members [first, first + count) of neighbourhood `anchor`: different entries of a list, as far as it goes. */
static void draw_members(gosset__trainer *trainer, gosset__rng *rng, size_t anchor, uint32_t first, uint32_t count,
                         const uint32_t *list, uint32_t length) {
    uint32_t pool[POOL_MAX];
    if (length > POOL_MAX) length = POOL_MAX;
    memcpy(pool, list, length * sizeof *pool);
    for (uint32_t m = 0; m < count; m++) {
        uint32_t at = m % length, other = at + (uint32_t)gosset__rng_below(rng, length - at);
        uint32_t chosen = pool[other];
        pool[other] = pool[at];
        pool[at] = chosen;
        trainer->batch_ids[(first + m) * trainer->batch.anchors + anchor] = chosen;
    }
}

void gosset__batch_draw(gosset__trainer *trainer, uint64_t step) {
    const gosset__loss_ops *loss = trainer->settings.loss;
    const gosset__learn *learn = &trainer->learn;
    if (trainer->drawn == step + 1) return;
    trainer->drawn = step + 1;
    size_t anchors = trainer->batch.anchors;
    size_t first = (size_t)(step % trainer->steps_per_epoch) * anchors;
    gosset__rng rng = gosset__trainer_rng(trainer->settings.seed, GOSSET__STREAM_STEP, step);
    for (size_t a = 0; a < anchors; a++) {
        uint32_t id = trainer->order[first + a];
        trainer->batch_ids[a] = id;
        draw_members(trainer, &rng, a, 1, loss->positives, learn->neighbours + (size_t)id * learn->k,
                     loss->neighbours < learn->k ? loss->neighbours : learn->k);
        if (loss->negatives)
            draw_members(trainer, &rng, a, 1 + loss->positives, loss->negatives,
                         trainer->mined + (size_t)id * trainer->mined_count, trainer->mined_count);
    }
}

/* Rows lie anywhere in memory: some are asked for while others are copied. */
static void prefetch_row(const gosset__trainer *trainer, size_t r) {
    const float *rows = r < trainer->batch.anchors ? trainer->learn.anchors : trainer->learn.rows;
    const size_t features = trainer->shape.features;
    const float *row = rows + trainer->batch_ids[r] * features;
    for (size_t j = 0; j < features; j += LINE) __builtin_prefetch(row + j);
}

void gosset__batch_fill(void *context, size_t first, size_t count, float *x) {
    gosset__trainer *trainer = context;
    const gosset__learn *learn = &trainer->learn;
    const size_t anchors = trainer->batch.anchors, features = trainer->shape.features;
    for (size_t r = first; r < first + count; r++) {
        const uint32_t id = trainer->batch_ids[r];
        if (r + AHEAD < first + count) prefetch_row(trainer, r + AHEAD);
        const float *from = r < anchors ? learn->anchors : learn->rows;
        memcpy(x + (r - first) * features, from + (size_t)id * features, features * sizeof(float));
        trainer->batch_radii[r] = learn->radii[id];
    }
}
