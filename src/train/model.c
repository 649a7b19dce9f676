/* The model in use: latents of vectors, and what there is to say about it. */
#include "base/bytes.h"
#include "base/status.h"
#include "train/network.h"

#include <math.h>
#include <string.h>

enum {
    ROWS_AT_ONCE = 64 /* activations of a piece stay in the second-level cache */
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

static gosset_status create_lattices(gosset_model *model, const char *codes, const char *cells, const gosset_env *env) {
    gosset_status status;
    GOSSET_TRY(gosset_lattice_create(&model->code_lattice, codes, env));
    GOSSET_TRY(gosset_lattice_create(&model->cell_lattice, cells, env));
    GOSSET_REQUIRE(model->code_lattice->dimension == model->shape.output, GOSSET_E_DIMENSION,
                   "code lattice %s: dimension: expected the output dimension %u, found %u", codes, model->shape.output,
                   model->code_lattice->dimension);
    GOSSET_REQUIRE(model->cell_lattice->dimension <= model->shape.output, GOSSET_E_DIMENSION,
                   "cell lattice %s: dimension: expected at most the output dimension %u, found %u", cells,
                   model->shape.output, model->cell_lattice->dimension);
out:
    return status;
}

gosset_status gosset__model_create(gosset_model **out, const gosset__shape *shape, uint32_t input, gosset_metric metric,
                                   uint32_t held_out_count, const char *code_lattice, const char *cell_lattice,
                                   const gosset_env *env) {
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

gosset_status gosset__model_make_residual(gosset_model *model, const gosset__residual *sizes) {
    gosset_status status = GOSSET_OK;
    const gosset__env *env = &model->env;
    const size_t columns = sizes->features, turn = (size_t)sizes->turned * sizes->turned;
    const size_t cells = (size_t)model->cell_lattice->point_count.word[0];
    model->residual = *sizes;
    if (columns == 0) return GOSSET_OK;
    model->rotation = gosset__alloc_array(env, ((size_t)model->shape.features + 1) * columns, sizeof(float));
    model->centroids = gosset__alloc_array(env, cells * columns, sizeof(float));
    model->turns = gosset__alloc_array(env, sizes->groups * turn + 1, sizeof(float));
    model->group = gosset__alloc_zero(env, cells);
    model->residual.centroids = model->centroids;
    model->residual.turns = model->turns;
    model->residual.group = model->group;
    model->residual.shift = model->rotation ? model->rotation + model->shape.features * columns : NULL;
    GOSSET_TRY(create_layer(model, &model->rotate, model->shape.features, (uint32_t)columns));
    if (!model->rotation || !model->centroids || !model->turns || !model->group)
        status = gosset__no_memory("centroids", cells * columns * sizeof(float));
out:
    return status;
}

gosset_status gosset__model_make_query(gosset_model *model) {
    const size_t count = gosset__last_count(&model->shape);
    model->query_last = gosset__alloc_array(&model->env, count, sizeof(float));
    if (!model->query_last) return gosset__no_memory("last layer of queries", count * sizeof(float));
    return create_layer(model, &model->query_layer, model->layers[2].in, model->shape.output);
}

void gosset_model_free(gosset_model *model) {
    if (!model) return;
    gosset__env env = model->env;
    gosset__codec_free(model->codec);
    gosset__free(&env, model->rotation);
    gosset__free(&env, model->centroids);
    gosset__free(&env, model->turns);
    gosset__free(&env, model->group);
    gosset__free(&env, model->rotate.weights);
    gosset__free(&env, model->rotate.bias);
    gosset__free(&env, model->query_last);
    gosset__free(&env, model->query_layer.weights);
    gosset__free(&env, model->query_layer.bias);
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

static void pad_last(const gosset_model *model, gosset__dense *layer, const gosset__folded *last) {
    const gosset__shape *shape = &model->shape;
    pad_rows(layer, 0, shape->width, shape->output, last->w3);
    if (shape->skip) pad_rows(layer, model->layers[1].out, shape->features, shape->output, last->skip);
    memcpy(layer->bias, last->bias3, shape->output * sizeof(float));
}

gosset_status gosset__model_finish(gosset_model *model) {
    const gosset__shape *shape = &model->shape;
    gosset__folded folded = gosset__folded_view(shape, model->folded);
    pad_rows(&model->layers[0], 0, shape->features, shape->width, folded.w1);
    pad_rows(&model->layers[1], 0, shape->width, shape->width, folded.w2);
    pad_last(model, &model->layers[2], &folded);
    if (model->query_last) {
        const gosset__folded last = gosset__last_view(shape, model->query_last);
        pad_last(model, &model->query_layer, &last);
    }
    memcpy(model->layers[0].bias, folded.bias1, shape->width * sizeof(float));
    memcpy(model->layers[1].bias, folded.bias2, shape->width * sizeof(float));
    const uint32_t columns = model->residual.features;
    if (columns > 0) pad_rows(&model->rotate, 0, shape->features, columns, model->rotation);
    gosset_status status = gosset__codec_create(&model->codec, model->cell_lattice, model->code_lattice,
                                                gosset__model_residual(model), &model->env, model->kernels);
    if (status != GOSSET_OK) return status;
    return gosset__model_fingerprint(model, &model->fingerprint);
}

static uint64_t layer_size(const gosset__dense *layer) {
    return ((uint64_t)layer->in + 1) * layer->out * sizeof(float);
}

gosset__model_held gosset__model_measure(const gosset_model *model) {
    const uint64_t features = model->shape.features, columns = model->residual.features,
                   turned = model->residual.turned;
    const uint64_t cells = model->cell_lattice->point_count.word[0];
    const uint64_t stored = gosset__folded_count(&model->shape) + features * columns +
                            (uint64_t)model->held_out_count * model->preprocess.input + 1;
    gosset__model_held held = {.network = features * sizeof(float),
                               .rest = sizeof *model + gosset__codec_held(model->codec) + model->code_lattice->held +
                                       model->cell_lattice->held + stored * sizeof(float)};
    for (int i = 0; i < 3; i++) held.network += layer_size(&model->layers[i]);
    if (model->query_last)
        held.network += layer_size(&model->query_layer) + gosset__last_count(&model->shape) * sizeof(float);
    if (columns == 0) return held;
    held.network += layer_size(&model->rotate) + columns * sizeof(float);
    held.centroids = cells * columns * sizeof(float);
    held.turns = (model->residual.groups * turned * turned + 1) * sizeof(float) + cells;
    return held;
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
        .code_bytes = gosset__codec_code_size(model->codec),
        .feature_dimension = gosset__codec_decoded(model->codec),
        .held_out = model->held_out_count,
        .epochs = model->epochs,
        .seed = model->seed,
        .learn_count = model->learn_count,
        .parameter_count = gosset__parameters_count(&model->shape),
        .train_seconds = model->train_seconds,
        .validation_recall = model->validation_recall,
        .fingerprint = model->fingerprint,
        .query_layer = model->query_last != NULL,
        .query_stretch = model->rotation ? model->residual.stretch : 1,
        .query_shift = model->residual.shift,
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
    float *rotated;  /* rows x padded residual features */
} activations;

static size_t activations_lay(const gosset_model *model, size_t rows, void *block, activations *out) {
    size_t piece = rows < ROWS_AT_ONCE ? rows : ROWS_AT_ONCE, total = 0;
    size_t hidden = model->layers[1].out;
    const size_t columns[] = {
        model->shape.features, hidden,           hidden, model->shape.skip ? model->layers[2].in : 0,
        model->layers[2].out,  model->rotate.out};
    float *views[6];
    for (int i = 0; i < 6; i++) {
        views[i] = block ? (float *)block + total : NULL;
        total += gosset__round_up(piece * columns[i], 16);
    }
    *out = (activations){.features = views[0],
                         .first = views[1],
                         .second = views[2],
                         .joined = model->shape.skip ? views[3] : views[2],
                         .output = views[4],
                         .rotated = views[5]};
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

static void map_features(const gosset_model *model, const gosset__kernels *kernels, size_t rows, const activations *s,
                         float *out, size_t stride) {
    const gosset__dense *rotate = &model->rotate;
    const size_t columns = model->residual.features;
    kernels->dense(s->features, rows, rotate->in, rotate->out, rotate->weights, rotate->bias, 0, s->rotated);
    for (size_t r = 0; r < rows; r++) memcpy(out + r * stride, s->rotated + r * rotate->out, columns * sizeof(float));
}

static void map_latents(const gosset_model *model, const gosset__kernels *kernels, gosset_side side, size_t rows,
                        const activations *s, float *out, size_t stride) {
    const gosset__dense *layers = model->layers;
    const gosset__dense *last = side == GOSSET_QUERY && model->query_last ? &model->query_layer : &layers[2];
    size_t features = model->shape.features, hidden = layers[1].out;
    kernels->dense(s->features, rows, layers[0].in, layers[0].out, layers[0].weights, layers[0].bias, 1, s->first);
    kernels->dense(s->first, rows, layers[1].in, layers[1].out, layers[1].weights, layers[1].bias, 1, s->second);
    for (size_t r = 0; model->shape.skip && r < rows; r++) {
        float *row = s->joined + r * layers[2].in;
        memcpy(row, s->second + r * hidden, hidden * sizeof(float));
        memcpy(row + hidden, s->features + r * features, features * sizeof(float));
    }
    kernels->dense(s->joined, rows, last->in, last->out, last->weights, last->bias, 0, s->output);
    for (size_t r = 0; r < rows; r++) write_latent(model, kernels, s->output + r * layers[2].out, out + r * stride);
}

void gosset__model_map_to(const gosset_model *model, const gosset__kernels *kernels, gosset_side side,
                          const gosset_vectors *vectors, size_t first, size_t count, const gosset__target *target,
                          void *scratch) {
    activations s;
    activations_lay(model, count, scratch, &s);
    for (size_t done = 0, rows; done < count; done += rows) {
        const size_t at = first + done;
        rows = count - done < ROWS_AT_ONCE ? count - done : ROWS_AT_ONCE;
        for (size_t r = 0; r < rows; r++)
            gosset__preprocess_row(&model->preprocess, kernels, side, vectors, at + r,
                                   s.features + r * model->shape.features);
        if (target->latents)
            map_latents(model, kernels, side, rows, &s, target->latents + at * target->stride, target->stride);
        if (target->features && model->rotation)
            map_features(model, kernels, rows, &s, target->features + at * target->stride, target->stride);
    }
}

void gosset__model_map(const gosset_model *model, const gosset__kernels *kernels, gosset_side side,
                       const gosset_vectors *vectors, float *rows, void *scratch) {
    const gosset__target target = {rows, rows + model->shape.output, gosset__codec_dimension(model->codec)};
    gosset__model_map_to(model, kernels, side, vectors, 0, vectors->count, &target, scratch);
}

const gosset__residual *gosset__model_residual(const gosset_model *model) {
    return model->rotation ? &model->residual : NULL;
}
