/*
 * The base map stays as it is; the last layer of queries moves so that a query's latent lies where the latents of its
 * true neighbours do. For a query with latent z and ten neighbours of which P are the latents,
 *
 *     loss = mean over P of -log softmax(2 <z, p> / TEMPERATURE),
 *
 * the softmax being over all rows of the learn set. A step sees the true neighbours and a random sample of the others,
 * weighted as if it were all of them.
 */
#include "base/status.h"
#include "train/blas.h"
#include "train/lanes.h"
#include "train/layer.h"
#include "train/numeric.h"
#include "train/queries.h"

#include <math.h>
#include <string.h>

enum { BATCH = 128, ROW_BLOCK = 32, NEAR = GOSSET__VALIDATION_K, SAMPLE_MAX = 4096 };

static const float TEMPERATURE = 0.07f;
static const float LEARNING_RATE = 0.002f;
/* Times the squared change of the layer, over the number of queries: the fewer there are, the less they may change. */
static const float PULL = 100;

typedef struct fitting {
    gosset__trainer *trainer;
    const gosset__folded *folded;
    const gosset__asked *asked;
    const float *latents; /* of the learn set's rows */
    size_t batch, sample_count;
    float *hidden, *inputs;     /* batch rows of the last layer's input */
    float *last;                /* the layer being trained */
    float *gradients, *state;   /* of it; state: two moments */
    float *outputs;             /* batch x output: y, then its gradient */
    float *sample;              /* sample_count x output */
    uint32_t *ids, *sample_ids; /* of the batch's queries; of the sample's rows */
    uint32_t *places;           /* rows: place in the sample, or UINT32_MAX */
    float *scratch;             /* per worker */
    size_t scratch_size;
} fitting;

static void *take(fitting *f, gosset_status *status, size_t count) {
    void *memory = *status == GOSSET_OK ? gosset__alloc_array(&f->trainer->env, count + 1, sizeof(float)) : NULL;
    if (!memory && *status == GOSSET_OK) *status = gosset__no_memory("layer of queries", count * sizeof(float));
    return memory;
}

static gosset_status allocate(fitting *f) {
    const gosset__shape *shape = &f->trainer->shape;
    const size_t count = gosset__last_count(shape), rows = f->trainer->learn.count;
    gosset_status status = GOSSET_OK;
    f->hidden = take(f, &status, f->batch * shape->width);
    f->inputs = take(f, &status, f->batch * shape->features);
    f->last = take(f, &status, count);
    f->gradients = take(f, &status, count);
    f->state = take(f, &status, 2 * count);
    f->outputs = take(f, &status, f->batch * shape->output);
    f->sample = take(f, &status, f->sample_count * shape->output);
    f->ids = take(f, &status, f->batch);
    f->sample_ids = take(f, &status, f->sample_count);
    f->places = take(f, &status, rows);
    f->scratch_size = ROW_BLOCK * (shape->width + f->sample_count + shape->output + 1);
    f->scratch = take(f, &status, f->scratch_size * gosset__pool_threads(f->trainer->pool));
    if (status != GOSSET_OK) return status;
    memset(f->state, 0, 2 * count * sizeof(float));
    memset(f->places, 0xFF, rows * sizeof *f->places);
    return GOSSET_OK;
}

static void release(fitting *f) {
    void *const blocks[] = {f->hidden, f->inputs, f->last,       f->gradients, f->state,  f->outputs,
                            f->sample, f->ids,    f->sample_ids, f->places,    f->scratch};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) gosset__free(&f->trainer->env, blocks[i]);
}

static void draw(fitting *f, uint64_t step) {
    const gosset__shape *shape = &f->trainer->shape;
    const size_t rows = f->trainer->learn.count, output = shape->output;
    gosset__rng rng = gosset__trainer_rng(f->trainer->settings.seed, GOSSET__STREAM_QUERY_STEP, step);
    for (size_t i = 0; i < f->batch; i++) {
        f->ids[i] = (uint32_t)gosset__rng_below(&rng, f->asked->count);
        memcpy(f->inputs + i * shape->features, f->asked->inputs + (size_t)f->ids[i] * shape->features,
               shape->features * sizeof(float));
    }
    for (size_t i = 0; step > 0 && i < f->sample_count; i++) f->places[f->sample_ids[i]] = UINT32_MAX;
    for (uint32_t i = 0; i < f->sample_count; i++) {
        uint32_t id = i;
        while (f->sample_count < rows && f->places[id = (uint32_t)gosset__rng_below(&rng, rows)] != UINT32_MAX) {
        }
        f->sample_ids[i] = id;
        f->places[id] = i;
        memcpy(f->sample + i * output, f->latents + id * output, output * sizeof(float));
    }
}

/* Scores, of unit vectors, become weights that add up to 1 together with those of the neighbours. */
GOSSET__WIDE static void soften(float *near, size_t near_count, float *others, size_t count, float factor,
                                float share) {
    enum { LANES = GOSSET__LANES };
    const size_t whole = count / LANES * LANES;
    float sum = 0;
    gosset__lanes sums = {0};
    for (size_t j = 0; j < near_count; j++) sum += near[j] = gosset__exp_negative(factor * (near[j] - 1));
    for (size_t j = 0; j < count; j++) others[j] = share * gosset__exp_negative(factor * (others[j] - 1));
    for (size_t j = 0; j < whole; j += LANES) sums += GOSSET__LOAD(others + j);
    for (size_t j = whole; j < count; j++) sum += others[j];
    for (size_t t = 0; t < LANES; t++) sum += sums[t];
    const float inverse = 1.0f / sum;
    for (size_t j = 0; j < near_count; j++) near[j] *= inverse;
    for (size_t j = 0; j < count; j++) others[j] *= inverse;
}

/* Weights of a query's neighbours, and in `others`, which holds <z, c> of the sample, those of the sample. */
static void weigh(const fitting *f, uint32_t query, const float *z, float *near, float *others) {
    const size_t rows = f->trainer->learn.count, output = f->trainer->shape.output;
    const uint32_t *neighbours = f->asked->neighbours + (size_t)query * f->asked->stride;
    if (f->asked->inputs == f->trainer->learn.anchors && f->places[query] != UINT32_MAX)
        others[f->places[query]] = -INFINITY; /* itself */
    for (size_t k = 0; k < NEAR; k++) {
        const float *c = f->latents + (size_t)neighbours[k] * output;
        near[k] = 0;
        for (size_t i = 0; i < output; i++) near[k] += z[i] * c[i];
        if (f->places[neighbours[k]] != UINT32_MAX) others[f->places[neighbours[k]]] = -INFINITY;
    }
    soften(near, NEAR, others, f->sample_count, 2 / TEMPERATURE,
           f->sample_count < rows ? (float)(rows - NEAR) / (float)f->sample_count : 1.0f);
}

/* The neighbours' part of the gradient with respect to z, added to that of the sample; and the factors of both. */
static void add_neighbours(const fitting *f, uint32_t query, const float *near, float *gradient) {
    const size_t output = f->trainer->shape.output;
    const uint32_t *neighbours = f->asked->neighbours + (size_t)query * f->asked->stride;
    for (size_t k = 0; k < NEAR; k++) {
        const float *c = f->latents + (size_t)neighbours[k] * output;
        for (size_t i = 0; i < output; i++) gradient[i] += (near[k] - 1.0f / NEAR) * c[i];
    }
    for (size_t i = 0; i < output; i++) gradient[i] *= 2 / TEMPERATURE / (float)f->batch;
}

static gosset_status block(void *context, size_t item, uint32_t worker) {
    fitting *f = context;
    const gosset__shape *shape = &f->trainer->shape;
    const size_t width = shape->width, features = shape->features, output = shape->output;
    const size_t first = item * ROW_BLOCK, rows = f->batch - first < ROW_BLOCK ? f->batch - first : ROW_BLOCK;
    float *first_hidden = f->scratch + worker * f->scratch_size, *others = first_hidden + ROW_BLOCK * width;
    float *z = others + ROW_BLOCK * f->sample_count, *norms = z + ROW_BLOCK * output;
    const float *x = f->inputs + first * features;
    float near[ROW_BLOCK][NEAR];
    float *h = f->hidden + first * width, *y = f->outputs + first * output;
    const gosset__folded last = gosset__last_view(shape, f->last);
    gosset__hidden(shape, f->folded, x, rows, first_hidden, h);
    gosset__linear_forward(rows, width, output, h, last.w3, last.bias3, 0, y);
    if (shape->skip) gosset__linear_forward(rows, features, output, x, last.skip, NULL, 1, y);
    gosset__normalise_forward(rows, output, y, norms, z);
    gosset__product_bt(rows, f->sample_count, output, z, f->sample, 0, others);
    for (size_t r = 0; r < rows; r++)
        weigh(f, f->ids[first + r], z + r * output, near[r], others + r * f->sample_count);
    gosset__product(rows, output, f->sample_count, others, f->sample, 0, y);
    for (size_t r = 0; r < rows; r++) add_neighbours(f, f->ids[first + r], near[r], y + r * output);
    gosset__normalise_backward(rows, output, z, norms, y);
    return GOSSET_OK;
}

/* The gradient of the batch, the pull back to the base map, and a step of AdamW. */
static void update(fitting *f, uint64_t step, uint64_t steps, const float *start, float *delta) {
    const gosset__optimizer_ops *optimizer = &gosset__optimizer_adamw;
    const float pull = 2 * PULL / (float)f->asked->count;
    const gosset__shape *shape = &f->trainer->shape;
    const size_t count = gosset__last_count(shape);
    const gosset__folded gradients = gosset__last_view(shape, f->gradients);
    gosset__linear_backward_weight(f->batch, shape->width, shape->output, 0, shape->width, f->hidden, f->outputs,
                                   gradients.w3);
    gosset__linear_backward_bias(f->batch, shape->output, f->outputs, gradients.bias3);
    if (shape->skip)
        gosset__linear_backward_weight(f->batch, shape->features, shape->output, 0, shape->features, f->inputs,
                                       f->outputs, gradients.skip);
    for (size_t i = 0; i < count; i++) f->gradients[i] += pull * delta[i];
    optimizer->update(count, step + 1, optimizer->rate(LEARNING_RATE, step, steps), 0, delta, f->gradients, f->state,
                      count);
    for (size_t i = 0; i < count; i++) f->last[i] = start[i] + delta[i];
}

gosset_status gosset__query_layer_train(gosset__trainer *trainer, const gosset__folded *folded, const float *latents,
                                        const gosset__asked *asked, uint64_t steps, float *delta) {
    const size_t rows = trainer->learn.count;
    fitting f = {.trainer = trainer, .folded = folded, .asked = asked, .latents = latents};
    f.batch = asked->count < BATCH ? asked->count : BATCH;
    f.sample_count = rows < SAMPLE_MAX ? rows : SAMPLE_MAX;
    const gosset__folded base = *folded;
    const size_t matrix = (size_t)trainer->shape.width * trainer->shape.output,
                 count = gosset__last_count(&trainer->shape);
    gosset__ticker ticker;
    gosset_status status;
    gosset__ticker_start(&ticker, &trainer->env);
    float *start = gosset__alloc_array(&trainer->env, count, sizeof *start);
    GOSSET_REQUIRE(start, GOSSET_E_NO_MEMORY, "layer of queries: no memory");
    GOSSET_TRY(allocate(&f));
    memcpy(start, base.w3, matrix * sizeof(float));
    memcpy(start + matrix, base.bias3, trainer->shape.output * sizeof(float));
    if (base.skip)
        memcpy(start + matrix + trainer->shape.output, base.skip,
               (size_t)trainer->shape.features * trainer->shape.output * sizeof(float));
    memcpy(f.last, start, count * sizeof *start);
    memset(delta, 0, count * sizeof *delta);
    for (uint64_t step = 0; step < steps; step++) {
        draw(&f, step);
        GOSSET_TRY(gosset__pool_run(trainer->pool, (f.batch + ROW_BLOCK - 1) / ROW_BLOCK, block, &f));
        update(&f, step, steps, start, delta);
        GOSSET_TRY(gosset__tick(&ticker, &(gosset_progress){.phase = "queries", .done = step + 1, .total = steps}));
    }
    memcpy(delta, f.last, count * sizeof *delta);
out:
    gosset__free(&trainer->env, start);
    release(&f);
    return status;
}
