/*
 * Queries need not be like vectors. Those given beside the learn set, or else the learn set itself, train a last layer
 * of their own onto the finished map; held-out ones decide whether the model keeps it.
 */
#include "train/queries.h"
#include "base/status.h"
#include "train/neighbours.h"

#include <string.h>

enum {
    GIVEN_MIN = 100,
    GIVEN_MAX = 100000, /* learnt from */
    BATCH = 128,
    PASSES = 8, /* over the queries, as far as these bounds let it */
    GIVEN_STEPS_MIN = 400,
    STEPS_MAX = 1000
};

uint32_t gosset__given_held_out(size_t count) {
    const size_t half = count / 2;
    return (uint32_t)(half < GOSSET__HELD_OUT_MAX ? half : GOSSET__HELD_OUT_MAX);
}

static gosset_status find_neighbours(gosset__trainer *trainer, size_t first, size_t count, size_t rows) {
    const gosset__given *given = &trainer->given;
    const gosset__neighbours_task task = {.queries = given->inputs + first * trainer->shape.features,
                                          .base = trainer->learn.rows,
                                          .query_count = count,
                                          .base_count = rows,
                                          .dimension = trainer->shape.features,
                                          .k = GOSSET__VALIDATION_K,
                                          .ids = given->neighbours + first * GOSSET__VALIDATION_K,
                                          .phase = "queries"};
    return gosset__neighbours(&task, trainer->pool, &trainer->env);
}

gosset_status gosset__given_check(const gosset_vectors *queries, uint32_t dimension) {
    gosset_status status;
    GOSSET_TRY(gosset__rows_check(queries, "gosset_train: learn queries"));
    GOSSET_REQUIRE(queries->dimension == dimension, GOSSET_E_DIMENSION,
                   "gosset_train: learn queries: dimension: expected %u, that of the learn set, found %u", dimension,
                   queries->dimension);
    GOSSET_REQUIRE(queries->count >= GIVEN_MIN && queries->count < UINT32_MAX, GOSSET_E_ARGUMENT,
                   "gosset_train: learn queries: expected at least %d vectors, found %zu", GIVEN_MIN, queries->count);
out:
    return status;
}

gosset_status gosset__given_prepare(gosset__trainer *trainer, const gosset_vectors *queries) {
    gosset__given *self = &trainer->given;
    const gosset__env *env = &trainer->env;
    const size_t features = trainer->shape.features, held_out = gosset__given_held_out(queries->count);
    gosset_status status = GOSSET_OK;
    self->trained = queries->count - held_out < GIVEN_MAX ? queries->count - held_out : GIVEN_MAX;
    self->count = self->trained + held_out;
    uint32_t *order = gosset__alloc_array(env, queries->count, sizeof *order);
    self->inputs = gosset__alloc_array(env, self->count * features, sizeof *self->inputs);
    self->neighbours = gosset__alloc_array(env, self->count, GOSSET__VALIDATION_K * sizeof *self->neighbours);
    GOSSET_REQUIRE(order && self->inputs && self->neighbours, GOSSET_E_NO_MEMORY, "learn queries: no memory");
    for (size_t i = 0; i < queries->count; i++) order[i] = (uint32_t)i;
    gosset__rng rng = gosset__trainer_rng(trainer->settings.seed, GOSSET__STREAM_QUERY_SPLIT, 0);
    gosset__rng_shuffle(&rng, order, queries->count);
    for (size_t i = 0; i < self->count; i++)
        gosset__preprocess_row(&trainer->model->preprocess, trainer->kernels, GOSSET_QUERY, queries, order[i],
                               self->inputs + i * features);
    for (size_t i = 0; i < held_out; i++)
        gosset__vector_row(queries, order[self->trained + i],
                           trainer->model->held_out + i * (size_t)queries->dimension);
    GOSSET_TRY(find_neighbours(trainer, 0, self->trained, trainer->learn.count));
    GOSSET_TRY(find_neighbours(trainer, self->trained, held_out, trainer->learn.base_count));
out:
    gosset__free(env, order);
    return status;
}

void gosset__given_free(gosset__given *given, const gosset__env *env) {
    gosset__free(env, given->inputs);
    gosset__free(env, given->neighbours);
}

/* Queries to learn from and queries to judge by. */
static void choose_asked(const gosset__trainer *trainer, gosset__asked *trained, gosset__asked *held_out) {
    const gosset__learn *learn = &trainer->learn;
    const gosset__given *given = &trainer->given;
    *trained = (gosset__asked){learn->count, learn->anchors, learn->neighbours, learn->k};
    *held_out = (gosset__asked){learn->query_count, learn->queries, learn->truth, GOSSET__VALIDATION_K};
    if (given->count == 0) return;
    const size_t first = given->trained, k = GOSSET__VALIDATION_K;
    *trained = (gosset__asked){first, given->inputs, given->neighbours, GOSSET__VALIDATION_K};
    *held_out = (gosset__asked){given->count - first, given->inputs + first * trainer->shape.features,
                                given->neighbours + first * k, GOSSET__VALIDATION_K};
}

static uint64_t count_steps(const gosset__trainer *trainer, const gosset__asked *trained) {
    uint64_t steps = (uint64_t)PASSES * trained->count / BATCH + 1;
    if (trainer->given.count > 0 && steps < GIVEN_STEPS_MIN) steps = GIVEN_STEPS_MIN;
    return steps < STEPS_MAX ? steps : STEPS_MAX;
}

static gosset_status judge(gosset__trainer *trainer, const gosset__folded *base, const float *latents,
                           const gosset__asked *held_out, const float *last) {
    double before, after;
    gosset_status status;
    gosset__folded own = gosset__last_view(&trainer->shape, (float *)last);
    own.w1 = base->w1, own.bias1 = base->bias1, own.w2 = base->w2, own.bias2 = base->bias2;
    const size_t rows = trainer->learn.base_count;
    GOSSET_TRY(gosset__query_cost(trainer, base, latents, rows, held_out, &before));
    GOSSET_TRY(gosset__query_cost(trainer, &own, latents, rows, held_out, &after));
    gosset__log(&trainer->env, GOSSET_LOG_INFO,
                "%s: 95 %% of the neighbours of held-out queries lie in the first %.2f %% of the codes with a last "
                "layer of their own, %.2f %% with that of vectors: %s",
                trainer->given.count > 0 ? "learn queries" : "queries", 100 * after, 100 * before,
                after < before ? "kept" : "not kept");
    if (!(after < before)) goto out;
    GOSSET_TRY(gosset__model_make_query(trainer->model));
    memcpy(trainer->model->query_last, last, gosset__last_count(&trainer->shape) * sizeof *last);
out:
    return status;
}

gosset_status gosset__queries_fit(gosset__trainer *trainer) {
    const gosset__env *env = &trainer->env;
    const gosset__folded base = gosset__folded_view(&trainer->shape, trainer->model->folded);
    const size_t rows = trainer->learn.count;
    gosset__asked trained, held_out;
    gosset_status status;
    choose_asked(trainer, &trained, &held_out);
    float *latents = gosset__alloc_array(env, rows * trainer->shape.output, sizeof *latents);
    float *last = gosset__alloc_array(env, gosset__last_count(&trainer->shape), sizeof *last);
    GOSSET_REQUIRE(latents && last, GOSSET_E_NO_MEMORY, "layer of queries: no memory");
    GOSSET_TRY(gosset__embed(&trainer->shape, &base, trainer->learn.rows, rows, latents, trainer->pool, env));
    GOSSET_TRY(gosset__query_layer_train(trainer, &base, latents, &trained, count_steps(trainer, &trained), last));
    GOSSET_TRY(judge(trainer, &base, latents, &held_out, last));
out:
    gosset__free(env, last);
    gosset__free(env, latents);
    return status;
}
