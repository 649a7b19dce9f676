/* The model's public functions on many vectors at once, on all threads of its environment. */
#include "base/status.h"
#include "train/network.h"

#include <stdio.h>

enum { ROWS_PER_ITEM = 1024 };

typedef struct apply {
    const gosset_model *model;
    gosset_side side;
    const gosset_vectors *vectors;
    gosset__target target;
    uint32_t *cells; /* of encode */
    uint8_t *codes;
    float *rows; /* of encode: per worker */
    unsigned char *scratch;
    size_t scratch_size; /* per worker */
} apply;

static size_t item_rows(const apply *self, size_t item) {
    const size_t left = self->vectors->count - item * ROWS_PER_ITEM;
    return left < ROWS_PER_ITEM ? left : ROWS_PER_ITEM;
}

static gosset_status apply_item(void *context, size_t item, uint32_t worker) {
    const apply *self = context;
    gosset__model_map_to(self->model, self->model->kernels, self->side, self->vectors, item * ROWS_PER_ITEM,
                         item_rows(self, item), &self->target, self->scratch + worker * self->scratch_size);
    return GOSSET_OK;
}

static gosset_status encode_item(void *context, size_t item, uint32_t worker) {
    const apply *self = context;
    const gosset_model *model = self->model;
    const size_t dimension = gosset__codec_dimension(model->codec), first = item * ROWS_PER_ITEM;
    float *rows = self->rows + worker * ROWS_PER_ITEM * dimension;
    gosset_vectors part = *self->vectors;
    if (part.stride == 0) part.stride = part.dimension * gosset_type_size(part.type);
    part.data = (const unsigned char *)part.data + first * part.stride;
    part.count = item_rows(self, item);
    gosset__model_map(model, model->kernels, GOSSET_BASE, &part, rows, self->scratch + worker * self->scratch_size);
    gosset__codec_encode(model->codec, part.count, rows, self->cells + first,
                         self->codes + first * gosset__codec_code_size(model->codec));
    return GOSSET_OK;
}

static gosset_status run(apply *self, gosset__work_fn work, const char *name) {
    const gosset_model *model = self->model;
    const gosset_vectors *vectors = self->vectors;
    gosset__pool *pool = NULL;
    char rows_name[64] = "";
    snprintf(rows_name, sizeof rows_name, "%s: vectors", name);
    gosset_status status = gosset__rows_check(vectors, rows_name);
    if (status != GOSSET_OK) return status;
    GOSSET_REQUIRE(vectors->dimension == model->preprocess.input, GOSSET_E_DIMENSION,
                   "%s: vectors: expected dimension %u, found %u", name, model->preprocess.input, vectors->dimension);
    const size_t items = (vectors->count + ROWS_PER_ITEM - 1) / ROWS_PER_ITEM;
    if (items > 1 && model->env.threads > 1) GOSSET_TRY(gosset__pool_create(&pool, &model->env));
    const size_t workers = gosset__pool_threads(pool);
    self->scratch_size = (gosset__model_scratch_size(model, vectors->count) + 63) / 64 * 64;
    self->scratch = gosset__alloc_array(&model->env, workers, self->scratch_size + 64);
    const size_t rows = !self->codes ? 1 : items > 1 ? workers * ROWS_PER_ITEM : vectors->count + 1;
    self->rows = gosset__alloc_array(&model->env, rows, gosset__codec_dimension(model->codec) * sizeof(float));
    GOSSET_REQUIRE(self->scratch && self->rows, GOSSET_E_NO_MEMORY, "%s: no memory for activations", name);
    GOSSET_TRY(gosset__pool_run(pool, items, work, self));
out:
    gosset__free(&model->env, self->rows);
    gosset__free(&model->env, self->scratch);
    gosset__pool_free(pool);
    return status;
}

gosset_status gosset_model_apply(const gosset_model *model, gosset_side side, const gosset_vectors *vectors,
                                 float *latents) {
    if (!model || !vectors || !latents)
        return gosset__fail(GOSSET_E_ARGUMENT, "gosset_model_apply: expected model, vectors and latents, found NULL");
    apply self = {.model = model, .side = side, .vectors = vectors, .target = {latents, NULL, model->shape.output}};
    return run(&self, apply_item, "gosset_model_apply");
}

gosset_status gosset_model_features(const gosset_model *model, gosset_side side, const gosset_vectors *vectors,
                                    float *features) {
    if (!model || !vectors || !features)
        return gosset__fail(GOSSET_E_ARGUMENT,
                            "gosset_model_features: expected model, vectors and features, found NULL");
    const size_t columns = gosset__codec_decoded(model->codec);
    apply self = {.model = model, .side = side, .vectors = vectors};
    self.target =
        model->rotation ? (gosset__target){NULL, features, columns} : (gosset__target){features, NULL, columns};
    return run(&self, apply_item, "gosset_model_features");
}

gosset_status gosset_model_encode(const gosset_model *model, const gosset_vectors *vectors, uint32_t *cells,
                                  uint8_t *codes) {
    if (!model || !vectors || !cells || !codes)
        return gosset__fail(GOSSET_E_ARGUMENT,
                            "gosset_model_encode: expected model, vectors, cells and codes, found NULL");
    apply self = {.model = model, .vectors = vectors, .cells = cells, .codes = codes};
    return run(&self, encode_item, "gosset_model_encode");
}

gosset_status gosset_model_decode(const gosset_model *model, size_t count, const uint32_t *cells, const uint8_t *codes,
                                  float *features) {
    if (!model || !cells || !features || (!codes && !gosset__model_residual(model)))
        return gosset__fail(GOSSET_E_ARGUMENT,
                            "gosset_model_decode: expected model, cells, codes and features, found NULL");
    const uint32_t cell_count = gosset__codec_cell_count(model->codec);
    for (size_t i = 0; i < count; i++)
        if (cells[i] >= cell_count)
            return gosset__fail(GOSSET_E_ARGUMENT, "gosset_model_decode: row %zu: expected a cell below %u, found %u",
                                i, cell_count, cells[i]);
    gosset__codec_decode(model->codec, count, cells, codes, features);
    return GOSSET_OK;
}
