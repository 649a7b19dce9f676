/*
 * Recall@10 of the codes on vectors never trained on: float latents of the queries against decoded lattice points of
 * the base, which is what an index will compare.
 */
#include "base/status.h"
#include "train/neighbours.h"
#include "train/trainer.h"

enum { ENCODE_BLOCK = 256 };

typedef struct encode {
    const gosset_lattice *lattice;
    size_t count;
    float *latents; /* replaced by the nearest points */
} encode;

static gosset_status encode_block(void *context, size_t item, uint32_t worker) {
    (void)worker;
    const encode *self = context;
    uint32_t d = self->lattice->dimension;
    size_t first = item * ENCODE_BLOCK;
    size_t end = self->count - first < ENCODE_BLOCK ? self->count : first + ENCODE_BLOCK;
    for (size_t r = first; r < end; r++) {
        int8_t point[GOSSET__LATTICE_MAX_DIMENSION];
        self->lattice->ops->nearest(self->lattice, self->latents + r * d, point);
        for (uint32_t i = 0; i < d; i++) self->latents[r * d + i] = (float)point[i] * self->lattice->scale;
    }
    return GOSSET_OK;
}

static double recall_of(const uint32_t *found, const uint32_t *truth, size_t queries) {
    size_t hits = 0;
    for (size_t q = 0; q < queries; q++)
        for (uint32_t i = 0; i < GOSSET__VALIDATION_K; i++)
            for (uint32_t j = 0; j < GOSSET__VALIDATION_K; j++)
                hits += found[q * GOSSET__VALIDATION_K + i] == truth[q * GOSSET__VALIDATION_K + j];
    return (double)hits / (double)(queries * GOSSET__VALIDATION_K);
}

gosset_status gosset__validate(gosset__trainer *trainer, double *recall) {
    const gosset__env *env = &trainer->env;
    const gosset__learn *learn = &trainer->learn;
    gosset_status status;
    uint32_t d = trainer->shape.output;
    float *base = gosset__alloc_array(env, learn->base_count, d * sizeof(float));
    float *queries = gosset__alloc_array(env, learn->query_count, d * sizeof(float));
    uint32_t *found = gosset__alloc_array(env, learn->query_count, GOSSET__VALIDATION_K * sizeof *found);
    GOSSET_REQUIRE(base && queries && found, GOSSET_E_NO_MEMORY, "validation: no memory");
    gosset__folded folded = gosset__folded_view(&trainer->shape, trainer->folded);
    GOSSET_TRY(gosset__trainer_fold(trainer, trainer->parameters, trainer->folded));
    GOSSET_TRY(gosset__embed(&trainer->shape, &folded, learn->rows, learn->base_count, base, trainer->pool, env));
    GOSSET_TRY(
        gosset__embed(&trainer->shape, &folded, learn->queries, learn->query_count, queries, trainer->pool, env));
    encode codes = {trainer->model->code_lattice, learn->base_count, base};
    GOSSET_TRY(
        gosset__pool_run(trainer->pool, (learn->base_count + ENCODE_BLOCK - 1) / ENCODE_BLOCK, encode_block, &codes));
    const gosset__neighbours_task task = {.queries = queries,
                                          .base = base,
                                          .query_count = learn->query_count,
                                          .base_count = learn->base_count,
                                          .dimension = d,
                                          .k = GOSSET__VALIDATION_K,
                                          .ids = found};
    GOSSET_TRY(gosset__neighbours(&task, trainer->pool, env));
    *recall = recall_of(found, learn->truth, learn->query_count);
out:
    gosset__free(env, found);
    gosset__free(env, queries);
    gosset__free(env, base);
    return status;
}
