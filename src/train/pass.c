/*
 * The batch is cut into blocks of rows; a worker takes the same blocks through every phase, so that they stay in its
 * cache. It waits for the others where weights are packed, and where sums over the batch are needed: the statistics of
 * batch normalisation, forward and back.
 * Blocks and the order in which they are added up depend on the shape alone, so the bits do not depend on the number of
 * threads.
 */
#include "train/pass.h"
#include "base/status.h"
#include "train/layer.h"
#include "train/numeric.h"

#include <string.h>

enum {
    BLOCK_ROWS = 128,
    BLOCKS_MAX = 8,            /* each has gradients of its own, */
    BLOCKS_LARGE = 4,          /* fewer where these */
    PARAMETERS_LARGE = 1 << 21 /* take that many floats */
};

static void cut(gosset__pass *pass) {
    const size_t most = pass->parameter_count > PARAMETERS_LARGE ? BLOCKS_LARGE : BLOCKS_MAX;
    const size_t wanted = (pass->rows + most - 1) / most;
    pass->block_rows = wanted < BLOCK_ROWS ? BLOCK_ROWS : (wanted + 15) / 16 * 16;
    pass->blocks = (pass->rows + pass->block_rows - 1) / pass->block_rows;
}

typedef struct buffer {
    float **at;
    size_t count;
} buffer;

enum { BUFFERS = 19 };

static void list_buffers(gosset__pass *pass, buffer out[BUFFERS]) {
    const size_t width = pass->shape.width, hidden = pass->rows * width, output = pass->rows * pass->shape.output;
    const size_t square = gosset__panels_size(width, width), block = gosset__panels_size(pass->block_rows, width);
    const buffer all[BUFFERS] = {{&pass->x, pass->rows * pass->shape.features},
                                 {&pass->z, output},
                                 {&pass->dz, output},
                                 {&pass->u1, hidden},
                                 {&pass->h1, hidden},
                                 {&pass->u2, hidden},
                                 {&pass->h2, hidden},
                                 {&pass->dh2, hidden},
                                 {&pass->norms, pass->rows},
                                 {&pass->inverse1, width},
                                 {&pass->inverse2, width},
                                 {&pass->moments, 2 * pass->blocks * width},
                                 {&pass->mean, width},
                                 {&pass->slope, width},
                                 {&pass->panels1, gosset__panels_size(pass->shape.features, width)},
                                 {&pass->panels2, square},
                                 {&pass->panels2_turned, square},
                                 {&pass->own, gosset__pool_threads(pass->pool) * block},
                                 {&pass->partial, pass->blocks * pass->parameter_count}};
    memcpy(out, all, sizeof all);
}

gosset_status gosset__pass_create(gosset__pass *pass, const gosset__shape *shape, size_t rows, gosset__pool *pool,
                                  const gosset__env *env) {
    *pass = (gosset__pass){.env = *env, .pool = pool, .shape = *shape, .rows = rows};
    pass->panels = &gosset__panels_float;
    pass->parameter_count = gosset__parameters_count(shape);
    cut(pass);
    buffer buffers[BUFFERS];
    list_buffers(pass, buffers);
    for (size_t i = 0; i < BUFFERS; i++) {
        *buffers[i].at = gosset__alloc_zero(env, buffers[i].count * sizeof(float));
        if (!*buffers[i].at) {
            gosset__pass_free(pass);
            return gosset__no_memory("activations of a batch", buffers[i].count * sizeof(float));
        }
    }
    return GOSSET_OK;
}

void gosset__pass_free(gosset__pass *pass) {
    buffer buffers[BUFFERS];
    list_buffers(pass, buffers);
    for (size_t i = 0; i < BUFFERS; i++) gosset__free(&pass->env, *buffers[i].at);
    *pass = (gosset__pass){.env = pass->env};
}

typedef struct job {
    gosset__pass *pass;
    const gosset__parameters *parameters;
} job;

typedef struct piece {
    size_t first, count;
} piece;

static piece piece_of(const gosset__pass *pass, size_t item) {
    const size_t first = item * pass->block_rows, left = pass->rows - first;
    return (piece){first, left < pass->block_rows ? left : pass->block_rows};
}

/* ---- forward -------------------------------------------------------------------------------- */

/* A panel of the weights of each hidden layer, and a block of the rows. */
static gosset_status pack(void *context, size_t item, uint32_t worker) {
    (void)worker;
    const job *self = context;
    const gosset__pass *p = self->pass;
    const size_t width = p->shape.width, features = p->shape.features, first = item * GOSSET__PANEL;
    if (item < p->blocks && p->fill) {
        const piece r = piece_of(p, item);
        p->fill(p->fill_context, r.first, r.count, p->x + r.first * features);
    }
    if (first >= width) return GOSSET_OK;
    const size_t count = width - first < GOSSET__PANEL ? width - first : GOSSET__PANEL;
    const size_t at = p->panels->at(width, first);
    p->panels->pack(features, count, self->parameters->w1 + first, width, p->panels1 + p->panels->at(features, first));
    p->panels->pack(width, count, self->parameters->w2 + first, width, p->panels2 + at);
    p->panels->pack_turned(width, count, self->parameters->w2 + first * width, p->panels2_turned + at);
    return GOSSET_OK;
}

/* x w, and the moments of its columns. */
static void forward_hidden(const gosset__pass *p, size_t item, piece r, size_t in, const float *x, const float *panels,
                           float *u) {
    const size_t width = p->shape.width;
    float *mean = p->moments + 2 * item * width;
    p->panels->product(r.count, width, in, x + r.first * in, panels, u + r.first * width, width);
    gosset__column_moments(r.count, width, 0, width, u + r.first * width, mean, mean + width);
}

static gosset_status forward_first(void *context, size_t item, uint32_t worker) {
    (void)worker;
    const job *self = context;
    const gosset__pass *p = self->pass;
    const piece r = piece_of(p, item);
    forward_hidden(p, item, r, p->shape.features, p->x, p->panels1, p->u1);
    return GOSSET_OK;
}

static gosset_status forward_second(void *context, size_t item, uint32_t worker) {
    (void)worker;
    const job *self = context;
    const gosset__pass *p = self->pass;
    const piece r = piece_of(p, item);
    const size_t width = p->shape.width, at = r.first * width;
    gosset__norm_relu_forward(r.count, width, p->mean, p->inverse1, self->parameters->gamma1, self->parameters->beta1,
                              p->u1 + at, p->h1 + at);
    forward_hidden(p, item, r, width, p->h1, p->panels2, p->u2);
    return GOSSET_OK;
}

static gosset_status forward_last(void *context, size_t item, uint32_t worker) {
    (void)worker;
    const job *self = context;
    const gosset__pass *p = self->pass;
    const gosset__parameters *w = self->parameters;
    const piece r = piece_of(p, item);
    const size_t width = p->shape.width, output = p->shape.output, at = r.first * width;
    float *z = p->z + r.first * output;
    gosset__norm_relu_forward(r.count, width, p->mean, p->inverse2, w->gamma2, w->beta2, p->u2 + at, p->h2 + at);
    gosset__linear_forward(r.count, width, output, p->h2 + at, w->w3, w->bias3, 0, z);
    if (p->shape.skip)
        gosset__linear_forward(r.count, p->shape.features, output, p->x + r.first * p->shape.features, w->skip, NULL, 1,
                               z);
    gosset__normalise_forward(r.count, output, z, p->norms + r.first, z);
    return GOSSET_OK;
}

gosset_status gosset__pass_forward(gosset__pass *pass, const gosset__parameters *parameters) {
    job self = {pass, parameters};
    const size_t width = pass->shape.width;
    const size_t panels = (width + GOSSET__PANEL - 1) / GOSSET__PANEL;
    gosset_status status;
    GOSSET_TRY(gosset__pool_run_placed(pass->pool, panels > pass->blocks ? panels : pass->blocks, pack, &self));
    GOSSET_TRY(gosset__pool_run_placed(pass->pool, pass->blocks, forward_first, &self));
    gosset__moments_join(pass->rows, pass->block_rows, width, pass->moments, pass->mean, pass->inverse1);
    GOSSET_TRY(gosset__pool_run_placed(pass->pool, pass->blocks, forward_second, &self));
    gosset__moments_join(pass->rows, pass->block_rows, width, pass->moments, pass->mean, pass->inverse2);
    GOSSET_TRY(gosset__pool_run_placed(pass->pool, pass->blocks, forward_last, &self));
out:
    return status;
}

/* ---- backward ------------------------------------------------------------------------------- */

static gosset__parameters partial_of(const gosset__pass *pass, size_t item) {
    return gosset__parameters_view(&pass->shape, pass->partial + item * pass->parameter_count);
}

static gosset_status backward_last(void *context, size_t item, uint32_t worker) {
    (void)worker;
    const job *self = context;
    const gosset__pass *p = self->pass;
    const gosset__parameters g = partial_of(p, item);
    const piece r = piece_of(p, item);
    const size_t width = p->shape.width, output = p->shape.output, features = p->shape.features, at = r.first * width;
    float *dz = p->dz + r.first * output;
    gosset__normalise_backward(r.count, output, p->z + r.first * output, p->norms + r.first, dz);
    gosset__linear_backward_weight(r.count, width, output, 0, width, p->h2 + at, dz, g.w3);
    gosset__linear_backward_bias(r.count, output, dz, g.bias3);
    if (p->shape.skip)
        gosset__linear_backward_weight(r.count, features, output, 0, features, p->x + r.first * features, dz, g.skip);
    gosset__linear_backward_input(r.count, width, output, dz, self->parameters->w3, p->dh2 + at);
    gosset__norm_relu_backward_sums(r.count, width, p->u2 + at, p->h2 + at, p->dh2 + at, g.gamma2, g.beta2);
    return GOSSET_OK;
}

/* dw = x^T du of a block's rows */
static void backward_weight(const gosset__pass *p, uint32_t worker, piece r, size_t in, const float *x, const float *du,
                            float *dw) {
    const size_t width = p->shape.width;
    float *panels = p->own + worker * gosset__panels_size(p->block_rows, width);
    p->panels->pack(r.count, width, du + r.first * width, width, panels);
    p->panels->product_at(in, width, r.count, x + r.first * in, panels, dw);
}

static gosset_status backward_second(void *context, size_t item, uint32_t worker) {
    const job *self = context;
    const gosset__pass *p = self->pass;
    const gosset__parameters g = partial_of(p, item);
    const piece r = piece_of(p, item);
    const size_t width = p->shape.width, at = r.first * width;
    float *dh1 = p->u2 + at; /* whose values are used up here */
    gosset__norm_backward(r.count, width, self->parameters->gamma2, p->inverse2, p->slope, p->mean, p->u2 + at,
                          p->dh2 + at);
    backward_weight(p, worker, r, width, p->h1, p->dh2, g.w2);
    p->panels->product(r.count, width, width, p->dh2 + at, p->panels2_turned, dh1, width);
    gosset__norm_relu_backward_sums(r.count, width, p->u1 + at, p->h1 + at, dh1, g.gamma1, g.beta1);
    return GOSSET_OK;
}

static gosset_status backward_first(void *context, size_t item, uint32_t worker) {
    const job *self = context;
    const gosset__pass *p = self->pass;
    const gosset__parameters g = partial_of(p, item);
    const piece r = piece_of(p, item);
    const size_t width = p->shape.width, at = r.first * width;
    gosset__norm_backward(r.count, width, self->parameters->gamma1, p->inverse1, p->slope, p->mean, p->u1 + at,
                          p->u2 + at);
    backward_weight(p, worker, r, p->shape.features, p->x, p->u2, g.w1);
    return GOSSET_OK;
}

/* The sums over the blocks that the norm's way back needs, divided by the rows. */
static void join_slopes(gosset__pass *pass, const float *gamma_of_first, const float *beta_of_first) {
    const size_t width = pass->shape.width;
    gosset__pass_gradients(pass, (size_t)(gamma_of_first - pass->partial), width, pass->slope);
    gosset__pass_gradients(pass, (size_t)(beta_of_first - pass->partial), width, pass->mean);
    for (size_t j = 0; j < width; j++) {
        pass->slope[j] /= (float)pass->rows;
        pass->mean[j] /= (float)pass->rows;
    }
}

gosset_status gosset__pass_backward(gosset__pass *pass, const gosset__parameters *parameters) {
    job self = {pass, parameters};
    const gosset__parameters first = partial_of(pass, 0);
    gosset_status status;
    GOSSET_TRY(gosset__pool_run_placed(pass->pool, pass->blocks, backward_last, &self));
    join_slopes(pass, first.gamma2, first.beta2);
    GOSSET_TRY(gosset__pool_run_placed(pass->pool, pass->blocks, backward_second, &self));
    join_slopes(pass, first.gamma1, first.beta1);
    GOSSET_TRY(gosset__pool_run_placed(pass->pool, pass->blocks, backward_first, &self));
out:
    return status;
}

GOSSET__WIDE void gosset__pass_gradients(const gosset__pass *pass, size_t first, size_t count, float *gradients) {
    const float *from = pass->partial + first;
    memcpy(gradients, from, count * sizeof *gradients);
    for (size_t b = 1; b < pass->blocks; b++)
        for (size_t i = 0; i < count; i++) gradients[i] += from[b * pass->parameter_count + i];
}
