/*
 * Every phase is cut into pieces that write disjoint results: blocks of rows where rows are independent, blocks of
 * columns for batch statistics, blocks of weight rows for weight gradients. No sum crosses a piece, so the bits do
 * not depend on the number of threads.
 */
#include "train/pass.h"
#include "base/status.h"
#include "train/layer.h"

#include <string.h>

enum { ROW_BLOCK = 128, COLUMN_BLOCK = 64, WEIGHT_BLOCK = 128 };

static size_t blocks_of(size_t count, size_t block) {
    return (count + block - 1) / block;
}

typedef struct piece {
    size_t first, count;
} piece;

static piece piece_of(size_t total, size_t block, size_t item) {
    size_t first = item * block;
    return (piece){first, total - first < block ? total - first : block};
}

gosset_status gosset__pass_create(gosset__pass *pass, const gosset__shape *shape, size_t rows, gosset__pool *pool,
                                  const gosset__env *env) {
    *pass = (gosset__pass){.env = *env, .pool = pool, .shape = *shape, .rows = rows};
    float **const buffers[] = {&pass->x,  &pass->z,   &pass->dz,  &pass->u1,    &pass->h1,       &pass->u2,
                               &pass->h2, &pass->dh1, &pass->dh2, &pass->norms, &pass->inverse1, &pass->inverse2};
    size_t hidden = rows * shape->width, output = rows * shape->output;
    const size_t sizes[] = {
        rows * shape->features, output,      output, hidden, hidden, hidden, hidden, hidden, hidden, rows,
        shape->width,           shape->width};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        *buffers[i] = gosset__alloc_zero(env, sizes[i] * sizeof(float));
        if (!*buffers[i]) {
            gosset__pass_free(pass);
            return gosset__no_memory("activations of a batch", sizes[i] * sizeof(float));
        }
    }
    return GOSSET_OK;
}

void gosset__pass_free(gosset__pass *pass) {
    float *const buffers[] = {pass->x,  pass->z,   pass->dz,  pass->u1,    pass->h1,       pass->u2,
                              pass->h2, pass->dh1, pass->dh2, pass->norms, pass->inverse1, pass->inverse2};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) gosset__free(&pass->env, buffers[i]);
    *pass = (gosset__pass){.env = pass->env};
}

/* ---- forward -------------------------------------------------------------------------------- */

typedef struct job {
    gosset__pass *pass;
    const gosset__parameters *parameters, *gradients;
} job;

static gosset_status forward_first(void *context, size_t item, uint32_t worker) {
    (void)worker;
    const job *self = context;
    const gosset__pass *p = self->pass;
    piece r = piece_of(p->rows, ROW_BLOCK, item);
    size_t in = p->shape.features, out = p->shape.width;
    gosset__linear_forward(r.count, in, out, p->x + r.first * in, self->parameters->w1, NULL, 0, p->u1 + r.first * out);
    return GOSSET_OK;
}

static gosset_status norm_first(void *context, size_t item, uint32_t worker) {
    (void)worker;
    const job *self = context;
    const gosset__pass *p = self->pass;
    piece c = piece_of(p->shape.width, COLUMN_BLOCK, item);
    gosset__norm_relu_forward(p->rows, p->shape.width, c.first, c.count, self->parameters->gamma1,
                              self->parameters->beta1, p->u1, p->inverse1, p->h1);
    return GOSSET_OK;
}

static gosset_status forward_second(void *context, size_t item, uint32_t worker) {
    (void)worker;
    const job *self = context;
    const gosset__pass *p = self->pass;
    piece r = piece_of(p->rows, ROW_BLOCK, item);
    size_t width = p->shape.width;
    gosset__linear_forward(r.count, width, width, p->h1 + r.first * width, self->parameters->w2, NULL, 0,
                           p->u2 + r.first * width);
    return GOSSET_OK;
}

static gosset_status norm_second(void *context, size_t item, uint32_t worker) {
    (void)worker;
    const job *self = context;
    const gosset__pass *p = self->pass;
    piece c = piece_of(p->shape.width, COLUMN_BLOCK, item);
    gosset__norm_relu_forward(p->rows, p->shape.width, c.first, c.count, self->parameters->gamma2,
                              self->parameters->beta2, p->u2, p->inverse2, p->h2);
    return GOSSET_OK;
}

static gosset_status forward_last(void *context, size_t item, uint32_t worker) {
    (void)worker;
    const job *self = context;
    const gosset__pass *p = self->pass;
    piece r = piece_of(p->rows, ROW_BLOCK, item);
    size_t features = p->shape.features, width = p->shape.width, output = p->shape.output;
    float *z = p->z + r.first * output;
    gosset__linear_forward(r.count, width, output, p->h2 + r.first * width, self->parameters->w3,
                           self->parameters->bias3, 0, z);
    if (p->shape.skip)
        gosset__linear_forward(r.count, features, output, p->x + r.first * features, self->parameters->skip, NULL, 1,
                               z);
    gosset__normalise_forward(r.count, output, z, p->norms + r.first, z);
    return GOSSET_OK;
}

gosset_status gosset__pass_forward(gosset__pass *pass, const gosset__parameters *parameters) {
    job self = {pass, parameters, NULL};
    size_t rows = blocks_of(pass->rows, ROW_BLOCK), columns = blocks_of(pass->shape.width, COLUMN_BLOCK);
    gosset_status status;
    GOSSET_TRY(gosset__pool_run(pass->pool, rows, forward_first, &self));
    GOSSET_TRY(gosset__pool_run(pass->pool, columns, norm_first, &self));
    GOSSET_TRY(gosset__pool_run(pass->pool, rows, forward_second, &self));
    GOSSET_TRY(gosset__pool_run(pass->pool, columns, norm_second, &self));
    GOSSET_TRY(gosset__pool_run(pass->pool, rows, forward_last, &self));
out:
    return status;
}

/* ---- backward ------------------------------------------------------------------------------- */

static gosset_status backward_last(void *context, size_t item, uint32_t worker) {
    (void)worker;
    const job *self = context;
    const gosset__pass *p = self->pass;
    piece r = piece_of(p->rows, ROW_BLOCK, item);
    size_t width = p->shape.width, output = p->shape.output;
    float *dz = p->dz + r.first * output;
    gosset__normalise_backward(r.count, output, p->z + r.first * output, p->norms + r.first, dz);
    gosset__linear_backward_input(r.count, width, output, dz, self->parameters->w3, p->dh2 + r.first * width);
    return GOSSET_OK;
}

/* Second norm by columns; the gradients of the last layer's weights ride along. */
static gosset_status backward_norm_second(void *context, size_t item, uint32_t worker) {
    (void)worker;
    const job *self = context;
    const gosset__pass *p = self->pass;
    size_t width = p->shape.width, output = p->shape.output, columns = blocks_of(width, COLUMN_BLOCK);
    size_t weights = blocks_of(width, WEIGHT_BLOCK), skips = blocks_of(p->shape.features, WEIGHT_BLOCK);
    if (item < columns) {
        piece c = piece_of(width, COLUMN_BLOCK, item);
        gosset__norm_relu_backward(p->rows, width, c.first, c.count, self->parameters->gamma2, p->inverse2, p->u2,
                                   p->h2, p->dh2, self->gradients->gamma2, self->gradients->beta2);
    } else if (item < columns + weights) {
        piece w = piece_of(width, WEIGHT_BLOCK, item - columns);
        gosset__linear_backward_weight(p->rows, width, output, w.first, w.count, p->h2, p->dz, self->gradients->w3);
    } else if (item == columns + weights) {
        gosset__linear_backward_bias(p->rows, output, p->dz, self->gradients->bias3);
    } else if (p->shape.skip && item - columns - weights - 1 < skips) {
        piece w = piece_of(p->shape.features, WEIGHT_BLOCK, item - columns - weights - 1);
        gosset__linear_backward_weight(p->rows, p->shape.features, output, w.first, w.count, p->x, p->dz,
                                       self->gradients->skip);
    }
    return GOSSET_OK;
}

static gosset_status backward_second(void *context, size_t item, uint32_t worker) {
    (void)worker;
    const job *self = context;
    const gosset__pass *p = self->pass;
    size_t width = p->shape.width, rows = blocks_of(p->rows, ROW_BLOCK);
    if (item < rows) {
        piece r = piece_of(p->rows, ROW_BLOCK, item);
        gosset__linear_backward_input(r.count, width, width, p->dh2 + r.first * width, self->parameters->w2,
                                      p->dh1 + r.first * width);
    } else {
        piece w = piece_of(width, WEIGHT_BLOCK, item - rows);
        gosset__linear_backward_weight(p->rows, width, width, w.first, w.count, p->h1, p->dh2, self->gradients->w2);
    }
    return GOSSET_OK;
}

static gosset_status backward_norm_first(void *context, size_t item, uint32_t worker) {
    (void)worker;
    const job *self = context;
    const gosset__pass *p = self->pass;
    piece c = piece_of(p->shape.width, COLUMN_BLOCK, item);
    gosset__norm_relu_backward(p->rows, p->shape.width, c.first, c.count, self->parameters->gamma1, p->inverse1, p->u1,
                               p->h1, p->dh1, self->gradients->gamma1, self->gradients->beta1);
    return GOSSET_OK;
}

static gosset_status backward_first(void *context, size_t item, uint32_t worker) {
    (void)worker;
    const job *self = context;
    const gosset__pass *p = self->pass;
    piece w = piece_of(p->shape.features, WEIGHT_BLOCK, item);
    gosset__linear_backward_weight(p->rows, p->shape.features, p->shape.width, w.first, w.count, p->x, p->dh1,
                                   self->gradients->w1);
    return GOSSET_OK;
}

gosset_status gosset__pass_backward(gosset__pass *pass, const gosset__parameters *parameters,
                                    const gosset__parameters *gradients) {
    job self = {pass, parameters, gradients};
    size_t width = pass->shape.width, features = pass->shape.features;
    size_t rows = blocks_of(pass->rows, ROW_BLOCK), columns = blocks_of(width, COLUMN_BLOCK);
    size_t weights = blocks_of(width, WEIGHT_BLOCK), inputs = blocks_of(features, WEIGHT_BLOCK);
    gosset_status status;
    GOSSET_TRY(gosset__pool_run(pass->pool, rows, backward_last, &self));
    GOSSET_TRY(gosset__pool_run(pass->pool, columns + weights + 1 + inputs, backward_norm_second, &self));
    GOSSET_TRY(gosset__pool_run(pass->pool, rows + weights, backward_second, &self));
    GOSSET_TRY(gosset__pool_run(pass->pool, columns, backward_norm_first, &self));
    GOSSET_TRY(gosset__pool_run(pass->pool, inputs, backward_first, &self));
out:
    return status;
}
