/* The model in use: latents of vectors, and what there is to say about it. */
#include "base/bytes.h"
#include "base/status.h"
#include "train/network.h"

#include <math.h>
#include <string.h>

enum {
    ROWS_AT_ONCE = 64,   /* activations of a piece stay in the second-level cache */
    ROWS_PER_ITEM = 1024 /* of a parallel apply */
};

/* ---- life ----------------------------------------------------------------------------------- */

static gosset_status create_layer(gosset_model *model, gosset__dense *layer, uint32_t in, uint32_t out) {
    layer->in = in;
    layer->out = (uint32_t)gosset__round_up(out, 16);
    layer->weights = gosset__alloc_zero(&model->env, (size_t)in * layer->out * sizeof(float));
    layer->bias = gosset__alloc_zero(&model->env, layer->out * sizeof(float));
    if (!layer->weights || !layer->bias)
        return gosset__no_memory("network layer", (size_t)in * layer->out * sizeof(float));
    return GOSSET_OK;
}

static gosset_status create_buffers(gosset_model *model) {
    gosset_status status;
    const gosset__shape *shape = &model->shape;
    uint32_t hidden = (uint32_t)gosset__round_up(shape->width, 16);
    GOSSET_TRY(create_layer(model, &model->layers[0], shape->features, shape->width));
    GOSSET_TRY(create_layer(model, &model->layers[1], hidden, shape->width));
    GOSSET_TRY(create_layer(model, &model->layers[2], hidden + shape->skip * shape->features, shape->output));
    size_t held_out = (size_t)model->held_out_count * model->preprocess.input;
    model->preprocess.mean = gosset__alloc_zero(&model->env, shape->features * sizeof(float));
    model->folded = gosset__alloc_array(&model->env, gosset__folded_count(shape), sizeof(float));
    model->held_out = gosset__alloc_array(&model->env, held_out + 1, sizeof(float));
    if (!model->preprocess.mean || !model->folded || !model->held_out)
        status = gosset__no_memory("model", gosset__folded_count(shape) * sizeof(float));
out:
    return status;
}

static gosset_status create_lattices(gosset_model *model, const char *codes, const char *cells,
                                     const gosset_env *env) {
    gosset_status status;
    GOSSET_TRY(gosset_lattice_create(&model->code_lattice, codes, env));
    GOSSET_TRY(gosset_lattice_create(&model->cell_lattice, cells, env));
    GOSSET_REQUIRE(model->code_lattice->dimension == model->shape.output, GOSSET_E_DIMENSION,
                   "code lattice %s: dimension: expected the output dimension %u, found %u", codes,
                   model->shape.output, model->code_lattice->dimension);
    GOSSET_REQUIRE(model->cell_lattice->dimension <= model->shape.output, GOSSET_E_DIMENSION,
                   "cell lattice %s: dimension: expected at most the output dimension %u, found %u", cells,
                   model->shape.output, model->cell_lattice->dimension);
out:
    return status;
}

gosset_status gosset__model_create(gosset_model **out, const gosset__shape *shape, uint32_t input,
                                   gosset_metric metric, uint32_t held_out_count, const char *code_lattice,
                                   const char *cell_lattice, const gosset_env *env) {
    *out = NULL;
    gosset__env own;
    gosset_status status = gosset__env_read(&own, env);
    if (status != GOSSET_OK) return status;
    gosset_model *model = gosset__alloc_zero(&own, sizeof *model);
    if (!model) return gosset__no_memory("model", sizeof *model);
    model->env = own;
    model->shape = *shape;
    model->preprocess = (gosset__preprocess){.input = input, .features = shape->features, .metric = metric, .scale = 1};
    model->held_out_count = held_out_count;
    GOSSET_TRY(gosset__kernels_get(&model->kernels, own.cpu));
    GOSSET_TRY(create_lattices(model, code_lattice, cell_lattice, env));
    GOSSET_TRY(create_buffers(model));
    *out = model;
    return GOSSET_OK;
out:
    gosset_model_free(model);
    return status;
}

void gosset_model_free(gosset_model *model) {
    if (!model) return;
    gosset__env env = model->env;
    for (int i = 0; i < 3; i++) {
        gosset__free(&env, model->layers[i].weights);
        gosset__free(&env, model->layers[i].bias);
    }
    gosset__free(&env, model->preprocess.mean);
    gosset__free(&env, model->folded);
    gosset__free(&env, model->held_out);
    gosset_lattice_free(model->code_lattice);
    gosset_lattice_free(model->cell_lattice);
    gosset__free(&env, model);
}

/* Rows of a tight matrix into a padded layer, from row `first` on. */
static void pad_rows(gosset__dense *layer, uint32_t first, uint32_t rows, uint32_t columns, const float *from) {
    for (uint32_t r = 0; r < rows; r++)
        memcpy(layer->weights + (size_t)(first + r) * layer->out, from + (size_t)r * columns, columns * sizeof *from);
}

gosset_status gosset__model_finish(gosset_model *model) {
    const gosset__shape *shape = &model->shape;
    gosset__folded folded = gosset__folded_view(shape, model->folded);
    pad_rows(&model->layers[0], 0, shape->features, shape->width, folded.w1);
    pad_rows(&model->layers[1], 0, shape->width, shape->width, folded.w2);
    pad_rows(&model->layers[2], 0, shape->width, shape->output, folded.w3);
    if (shape->skip) pad_rows(&model->layers[2], model->layers[1].out, shape->features, shape->output, folded.skip);
    memcpy(model->layers[0].bias, folded.bias1, shape->width * sizeof(float));
    memcpy(model->layers[1].bias, folded.bias2, shape->width * sizeof(float));
    memcpy(model->layers[2].bias, folded.bias3, shape->output * sizeof(float));
    return gosset__model_fingerprint(model, &model->fingerprint);
}

/* ---- description ---------------------------------------------------------------------------- */

gosset_status gosset_model_describe(const gosset_model *model, gosset_model_info *info) {
    if (!model) return gosset__fail(GOSSET_E_ARGUMENT, "gosset_model_describe: expected a model, found NULL");
    const gosset_model_info own = {
        .struct_size = sizeof own,
        .input_dimension = model->preprocess.input,
        .output_dimension = model->shape.output,
        .width = model->shape.width,
        .metric = model->preprocess.metric,
        .loss = model->loss,
        .code_lattice = model->code_lattice,
        .cell_lattice = model->cell_lattice,
        .code_bytes = (uint32_t)gosset__round_up(model->shape.output, 8) / 2, /* 4-bit fields, whole scan groups */
        .held_out = model->held_out_count,
        .epochs = model->epochs,
        .seed = model->seed,
        .learn_count = model->learn_count,
        .parameter_count = gosset__parameters_count(&model->shape),
        .train_seconds = model->train_seconds,
        .validation_recall = model->validation_recall,
        .fingerprint = model->fingerprint,
    };
    return gosset__info_write(info, &own, sizeof own, "gosset_model_info");
}

gosset_vectors gosset__model_held_out(const gosset_model *model) {
    return (gosset_vectors){.data = model->held_out,
                            .count = model->held_out_count,
                            .dimension = model->preprocess.input,
                            .type = GOSSET_F32};
}

/* ---- latents -------------------------------------------------------------------------------- */

typedef struct activations {
    float *features; /* rows x features */
    float *first;    /* rows x hidden */
    float *second;   /* rows x hidden */
    float *joined;   /* rows x (hidden + features): without a skip, the same as second */
    float *output;   /* rows x padded output */
} activations;

static size_t activations_lay(const gosset_model *model, size_t rows, void *block, activations *out) {
    size_t piece = rows < ROWS_AT_ONCE ? rows : ROWS_AT_ONCE, total = 0;
    size_t hidden = model->layers[1].out;
    const size_t columns[] = {model->shape.features, hidden, hidden, model->shape.skip ? model->layers[2].in : 0,
                              model->layers[2].out};
    float *views[5];
    for (int i = 0; i < 5; i++) {
        views[i] = block ? (float *)block + total : NULL;
        total += gosset__round_up(piece * columns[i], 16);
    }
    *out = (activations){views[0], views[1], views[2], model->shape.skip ? views[3] : views[2], views[4]};
    return total * sizeof(float);
}

size_t gosset__model_scratch_size(const gosset_model *model, size_t rows) {
    activations ignored;
    return activations_lay(model, rows, NULL, &ignored);
}

/* The network's output row onto the sphere. What has no direction (all zeros, overflow) becomes the first axis. */
static void write_latent(const gosset_model *model, const gosset__kernels *kernels, const float *y, float *latent) {
    uint32_t output = model->shape.output;
    float norm = sqrtf(kernels->dot_f32(y, y, output));
    int usable = norm > 1e-30f && norm < INFINITY;
    for (uint32_t i = 0; i < output; i++) latent[i] = usable ? y[i] / norm : i == 0 ? 1.0f : 0.0f;
}

static void map_piece(const gosset_model *model, const gosset__kernels *kernels, gosset_side side,
                      const gosset_vectors *vectors, size_t first, size_t rows, const activations *s, float *latents) {
    const gosset__dense *layers = model->layers;
    size_t features = model->shape.features, hidden = layers[1].out;
    for (size_t r = 0; r < rows; r++)
        gosset__preprocess_row(&model->preprocess, kernels, side, vectors, first + r, s->features + r * features);
    kernels->dense(s->features, rows, layers[0].in, layers[0].out, layers[0].weights, layers[0].bias, 1, s->first);
    kernels->dense(s->first, rows, layers[1].in, layers[1].out, layers[1].weights, layers[1].bias, 1, s->second);
    for (size_t r = 0; model->shape.skip && r < rows; r++) {
        float *row = s->joined + r * layers[2].in;
        memcpy(row, s->second + r * hidden, hidden * sizeof(float));
        memcpy(row + hidden, s->features + r * features, features * sizeof(float));
    }
    kernels->dense(s->joined, rows, layers[2].in, layers[2].out, layers[2].weights, layers[2].bias, 0, s->output);
    for (size_t r = 0; r < rows; r++)
        write_latent(model, kernels, s->output + r * layers[2].out, latents + (first + r) * model->shape.output);
}

static void map_range(const gosset_model *model, const gosset__kernels *kernels, gosset_side side,
                      const gosset_vectors *vectors, size_t first, size_t count, float *latents, void *block) {
    activations s;
    activations_lay(model, count, block, &s);
    for (size_t done = 0; done < count; done += ROWS_AT_ONCE) {
        size_t rows = count - done < ROWS_AT_ONCE ? count - done : ROWS_AT_ONCE;
        map_piece(model, kernels, side, vectors, first + done, rows, &s, latents);
    }
}

void gosset__model_map(const gosset_model *model, const gosset__kernels *kernels, gosset_side side,
                       const gosset_vectors *vectors, float *latents, void *scratch) {
    map_range(model, kernels, side, vectors, 0, vectors->count, latents, scratch);
}

typedef struct apply {
    const gosset_model *model;
    gosset_side side;
    const gosset_vectors *vectors;
    float *latents;
    unsigned char *scratch;
    size_t scratch_size; /* per worker */
} apply;

static gosset_status apply_item(void *context, size_t item, uint32_t worker) {
    const apply *self = context;
    size_t first = item * ROWS_PER_ITEM, left = self->vectors->count - first;
    map_range(self->model, self->model->kernels, self->side, self->vectors, first,
              left < ROWS_PER_ITEM ? left : ROWS_PER_ITEM, self->latents, self->scratch + worker * self->scratch_size);
    return GOSSET_OK;
}

gosset_status gosset_model_apply(const gosset_model *model, gosset_side side, const gosset_vectors *vectors,
                                 float *latents) {
    if (!model || !vectors || !latents)
        return gosset__fail(GOSSET_E_ARGUMENT, "gosset_model_apply: expected model, vectors and latents, found NULL");
    gosset_status status = gosset__rows_check(vectors, "gosset_model_apply: vectors");
    gosset__pool *pool = NULL;
    apply self = {.model = model, .side = side, .vectors = vectors, .latents = latents};
    if (status != GOSSET_OK) return status;
    GOSSET_REQUIRE(vectors->dimension == model->preprocess.input, GOSSET_E_DIMENSION,
                   "gosset_model_apply: vectors: expected dimension %u, found %u", model->preprocess.input,
                   vectors->dimension);
    size_t items = (vectors->count + ROWS_PER_ITEM - 1) / ROWS_PER_ITEM;
    if (items > 1 && model->env.threads > 1) GOSSET_TRY(gosset__pool_create(&pool, &model->env));
    self.scratch_size = gosset__round_up(gosset__model_scratch_size(model, vectors->count), 64);
    self.scratch = gosset__alloc_array(&model->env, gosset__pool_threads(pool), self.scratch_size + 64);
    GOSSET_REQUIRE(self.scratch, GOSSET_E_NO_MEMORY, "gosset_model_apply: no memory for activations");
    GOSSET_TRY(gosset__pool_run(pool, items, apply_item, &self));
out:
    gosset__free(&model->env, self.scratch);
    gosset__pool_free(pool);
    return status;
}
