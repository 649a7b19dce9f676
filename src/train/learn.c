/* The learn set: split, preprocessed, and what is true about it. */
#include "base/hash.h"
#include "base/status.h"
#include "train/neighbours.h"
#include "train/trainer.h"

#include <string.h>

enum {
    ROWS_MAX = 500000, /* exact neighbours cost the square of this; the paper trains on as many */
    HELD_OUT_MIN = 100,
    HELD_OUT_PERCENT = 5,
    QUERIES_MAX = 2000,
    BASE_MAX = 50000,
    NEIGHBOURS = 32,
    RADIUS_RANK = 10
};

gosset__rng gosset__trainer_rng(uint64_t seed, uint32_t purpose, uint64_t index) {
    return gosset__rng_make(seed, (uint64_t)purpose << 48 | index);
}

uint32_t gosset__held_out_count(size_t learn_count) {
    size_t part = learn_count * HELD_OUT_PERCENT / 100;
    return (uint32_t)(part < HELD_OUT_MIN ? HELD_OUT_MIN : part > QUERIES_MAX ? QUERIES_MAX : part);
}

static void *allocate(gosset_status *status, const gosset__env *env, size_t count, size_t size) {
    void *memory = *status == GOSSET_OK ? gosset__alloc_array(env, count, size) : NULL;
    if (!memory && *status == GOSSET_OK) *status = gosset__no_memory("learn set", count * size);
    return memory;
}

static uint64_t fingerprint_of(const gosset_vectors *learn, float *row) {
    gosset__hasher hasher;
    gosset__hasher_start(&hasher, learn->dimension);
    for (size_t r = 0; r < learn->count; r++) {
        gosset__vector_row(learn, r, row);
        gosset__hasher_add(&hasher, row, learn->dimension * sizeof *row);
    }
    return gosset__hasher_value(&hasher);
}

/* Rows order[first ...] of the learn set, preprocessed for one side. */
static void preprocess_rows(const gosset__trainer *trainer, const gosset_vectors *learn, gosset_side side,
                            const uint32_t *order, size_t count, float *out) {
    for (size_t i = 0; i < count; i++)
        gosset__preprocess_row(&trainer->model->preprocess, trainer->kernels, side, learn, order[i],
                               out + i * trainer->shape.features);
}

static gosset_status find_neighbours(gosset__trainer *trainer) {
    gosset__learn *self = &trainer->learn;
    gosset_status status = GOSSET_OK;
    uint32_t k = self->k;
    uint32_t *identity = allocate(&status, &trainer->env, self->count, sizeof *identity);
    float *distances = allocate(&status, &trainer->env, self->count * k, sizeof *distances);
    if (status != GOSSET_OK) goto out;
    for (size_t i = 0; i < self->count; i++) identity[i] = (uint32_t)i;
    const gosset__neighbours_task task = {.queries = self->anchors,
                                          .base = self->rows,
                                          .query_count = self->count,
                                          .base_count = self->count,
                                          .dimension = trainer->shape.features,
                                          .k = k,
                                          .self = identity,
                                          .ids = self->neighbours,
                                          .distances = distances,
                                          .phase = "neighbours"};
    GOSSET_TRY(gosset__neighbours(&task, trainer->pool, &trainer->env));
    for (size_t i = 0; i < self->count; i++) self->radii[i] = distances[i * k + RADIUS_RANK - 1];
out:
    gosset__free(&trainer->env, distances);
    gosset__free(&trainer->env, identity);
    return status;
}

static gosset_status find_truth(gosset__trainer *trainer) {
    gosset__learn *self = &trainer->learn;
    const gosset__neighbours_task task = {.queries = self->queries,
                                          .base = self->rows,
                                          .query_count = self->query_count,
                                          .base_count = self->base_count,
                                          .dimension = trainer->shape.features,
                                          .k = GOSSET__VALIDATION_K,
                                          .ids = self->truth};
    return gosset__neighbours(&task, trainer->pool, &trainer->env);
}

static gosset_status allocate_learn(gosset__trainer *trainer) {
    gosset__learn *self = &trainer->learn;
    const gosset__env *env = &trainer->env;
    gosset_status status = GOSSET_OK;
    size_t features = trainer->shape.features;
    self->rows = self->owned[0] = allocate(&status, env, self->count * features, sizeof(float));
    self->anchors = self->rows;
    if (trainer->settings.metric == GOSSET_IP)
        self->anchors = self->owned[1] = allocate(&status, env, self->count * features, sizeof(float));
    self->neighbours = allocate(&status, env, self->count * self->k, sizeof(uint32_t));
    self->radii = allocate(&status, env, self->count, sizeof(float));
    self->queries = allocate(&status, env, self->query_count * features, sizeof(float));
    self->truth = allocate(&status, env, self->query_count * GOSSET__VALIDATION_K, sizeof(uint32_t));
    return status;
}

gosset_status gosset__learn_prepare(gosset__trainer *trainer, const gosset_vectors *learn) {
    gosset__learn *self = &trainer->learn;
    gosset_status status = GOSSET_OK;
    uint32_t held_out = gosset__held_out_count(learn->count);
    uint32_t *order = allocate(&status, &trainer->env, learn->count, sizeof *order);
    if (status != GOSSET_OK) return status;
    for (size_t i = 0; i < learn->count; i++) order[i] = (uint32_t)i;
    gosset__rng rng = gosset__trainer_rng(trainer->settings.seed, GOSSET__STREAM_SPLIT, 0);
    gosset__rng_shuffle(&rng, order, learn->count);
    self->query_count = held_out;
    self->count = learn->count - held_out < ROWS_MAX ? learn->count - held_out : ROWS_MAX;
    self->base_count = self->count < BASE_MAX ? self->count : BASE_MAX;
    self->k = NEIGHBOURS;
    if (self->count < learn->count - held_out)
        gosset__log(&trainer->env, GOSSET_LOG_INFO, "training on %zu of %zu vectors, chosen by the seed", self->count,
                    learn->count);
    GOSSET_TRY(allocate_learn(trainer));
    self->fingerprint = fingerprint_of(learn, self->owned[0]);
    gosset__preprocess_fit(&trainer->model->preprocess, learn, trainer->kernels);
    preprocess_rows(trainer, learn, GOSSET_QUERY, order, held_out, self->queries);
    preprocess_rows(trainer, learn, GOSSET_BASE, order + held_out, self->count, self->owned[0]);
    if (self->owned[1]) preprocess_rows(trainer, learn, GOSSET_QUERY, order + held_out, self->count, self->owned[1]);
    for (uint32_t i = 0; i < trainer->model->held_out_count && i < held_out; i++)
        gosset__vector_row(learn, order[i], trainer->model->held_out + (size_t)i * learn->dimension);
    GOSSET_TRY(find_neighbours(trainer));
    GOSSET_TRY(find_truth(trainer));
out:
    gosset__free(&trainer->env, order);
    return status;
}

void gosset__learn_free(gosset__learn *learn, const gosset__env *env) {
    gosset__free(env, learn->owned[0]);
    gosset__free(env, learn->owned[1]);
    gosset__free(env, learn->neighbours);
    gosset__free(env, learn->radii);
    gosset__free(env, learn->queries);
    gosset__free(env, learn->truth);
}
