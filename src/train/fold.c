/* The trained network made ready for use, and its quick application inside the trainer. */
#include "base/status.h"
#include "train/blas.h"
#include "train/layer.h"
#include "train/pass.h"

#include <string.h>

enum { ROW_BLOCK = 256, COLUMN_BLOCK = 64 };

typedef struct product_job {
    size_t rows, in, out;
    const float *x, *w, *bias;
    int relu;
    float *y;
} product_job;

static void add_bias(size_t rows, size_t out, const float *bias, int relu, float *y) {
    for (size_t r = 0; r < rows; r++)
        for (size_t j = 0; j < out; j++) {
            float value = y[r * out + j] + bias[j];
            y[r * out + j] = relu && value < 0 ? 0 : value;
        }
}

static gosset_status product_block(void *context, size_t item, uint32_t worker) {
    (void)worker;
    const product_job *self = context;
    size_t first = item * ROW_BLOCK, count = self->rows - first < ROW_BLOCK ? self->rows - first : ROW_BLOCK;
    float *y = self->y + first * self->out;
    gosset__product(count, self->out, self->in, self->x + first * self->in, self->w, 0, y);
    if (self->bias) add_bias(count, self->out, self->bias, self->relu, y);
    return GOSSET_OK;
}

typedef struct statistics_job {
    size_t rows, width;
    const float *x;
    float *moments;
} statistics_job;

static gosset_status statistics_block(void *context, size_t item, uint32_t worker) {
    (void)worker;
    const statistics_job *self = context;
    size_t first = item * COLUMN_BLOCK, left = self->width - first;
    gosset__column_moments(self->rows, self->width, first, left < COLUMN_BLOCK ? left : COLUMN_BLOCK, self->x,
                           self->moments, self->moments + self->width);
    return GOSSET_OK;
}

/* gamma (x w - mean) / deviation + beta = x (w gamma / deviation) + (beta - mean gamma / deviation) */
static void fold_layer(size_t in, size_t width, const float *w, const float *gamma, const float *beta,
                       const float *mean, const float *inverse, float *folded, float *bias) {
    for (size_t j = 0; j < width; j++) bias[j] = beta[j] - mean[j] * gamma[j] * inverse[j];
    for (size_t i = 0; i < in; i++)
        for (size_t j = 0; j < width; j++) folded[i * width + j] = w[i * width + j] * gamma[j] * inverse[j];
}

gosset_status gosset__fold(const gosset__shape *shape, const gosset__parameters *parameters, const float *sample,
                           size_t rows, const gosset__folded *folded, gosset__pool *pool, const gosset__env *env) {
    size_t width = shape->width, features = shape->features, output = shape->output;
    size_t row_blocks = (rows + ROW_BLOCK - 1) / ROW_BLOCK, columns = (width + COLUMN_BLOCK - 1) / COLUMN_BLOCK;
    gosset_status status = GOSSET_OK;
    float *hidden = gosset__alloc_array(env, rows * width, sizeof(float));
    float *second = gosset__alloc_array(env, rows * width, sizeof(float));
    float *mean = gosset__alloc_array(env, 4 * width, sizeof(float));
    if (!hidden || !second || !mean) {
        status = gosset__no_memory("population statistics", rows * width * sizeof(float));
        goto out;
    }
    float *inverse = mean + width, *moments = inverse + width;
    GOSSET_TRY(gosset__pool_run(pool, row_blocks, product_block,
                                &(product_job){rows, features, width, sample, parameters->w1, NULL, 0, hidden}));
    GOSSET_TRY(gosset__pool_run(pool, columns, statistics_block, &(statistics_job){rows, width, hidden, moments}));
    gosset__moments_join(rows, rows, width, moments, mean, inverse);
    fold_layer(features, width, parameters->w1, parameters->gamma1, parameters->beta1, mean, inverse, folded->w1,
               folded->bias1);
    GOSSET_TRY(gosset__pool_run(pool, row_blocks, product_block,
                                &(product_job){rows, features, width, sample, folded->w1, folded->bias1, 1, hidden}));
    GOSSET_TRY(gosset__pool_run(pool, row_blocks, product_block,
                                &(product_job){rows, width, width, hidden, parameters->w2, NULL, 0, second}));
    GOSSET_TRY(gosset__pool_run(pool, columns, statistics_block, &(statistics_job){rows, width, second, moments}));
    gosset__moments_join(rows, rows, width, moments, mean, inverse);
    fold_layer(width, width, parameters->w2, parameters->gamma2, parameters->beta2, mean, inverse, folded->w2,
               folded->bias2);
    memcpy(folded->w3, parameters->w3, width * output * sizeof(float));
    memcpy(folded->bias3, parameters->bias3, output * sizeof(float));
    if (shape->skip) memcpy(folded->skip, parameters->skip, features * output * sizeof(float));
out:
    gosset__free(env, mean);
    gosset__free(env, second);
    gosset__free(env, hidden);
    return status;
}

typedef struct embed_job {
    const gosset__shape *shape;
    const gosset__folded *folded;
    const float *inputs;
    size_t count;
    float *latents;
    float *scratch; /* per worker: two hidden blocks and norms */
    size_t scratch_size;
} embed_job;

void gosset__hidden(const gosset__shape *shape, const gosset__folded *folded, const float *inputs, size_t rows,
                    float *first, float *second) {
    gosset__product(rows, shape->width, shape->features, inputs, folded->w1, 0, first);
    add_bias(rows, shape->width, folded->bias1, 1, first);
    gosset__product(rows, shape->width, shape->width, first, folded->w2, 0, second);
    add_bias(rows, shape->width, folded->bias2, 1, second);
}

static gosset_status embed_block(void *context, size_t item, uint32_t worker) {
    const embed_job *self = context;
    const gosset__folded *f = self->folded;
    size_t features = self->shape->features, width = self->shape->width, output = self->shape->output;
    size_t first = item * ROW_BLOCK, rows = self->count - first < ROW_BLOCK ? self->count - first : ROW_BLOCK;
    float *h1 = self->scratch + worker * self->scratch_size;
    float *h2 = h1 + ROW_BLOCK * width, *norms = h2 + ROW_BLOCK * width;
    const float *x = self->inputs + first * features;
    float *z = self->latents + first * output;
    gosset__hidden(self->shape, f, x, rows, h1, h2);
    gosset__product(rows, output, width, h2, f->w3, 0, z);
    if (self->shape->skip) gosset__product(rows, output, features, x, f->skip, 1, z);
    add_bias(rows, output, f->bias3, 0, z);
    gosset__normalise_forward(rows, output, z, norms, z);
    return GOSSET_OK;
}

gosset_status gosset__embed(const gosset__shape *shape, const gosset__folded *folded, const float *inputs, size_t count,
                            float *latents, gosset__pool *pool, const gosset__env *env) {
    embed_job self = {.shape = shape, .folded = folded, .inputs = inputs, .count = count, .latents = latents};
    self.scratch_size = (size_t)ROW_BLOCK * (2 * shape->width + 1);
    size_t size = self.scratch_size * gosset__pool_threads(pool);
    self.scratch = gosset__alloc_array(env, size, sizeof(float));
    if (!self.scratch) return gosset__no_memory("activations", size * sizeof(float));
    gosset_status status = gosset__pool_run(pool, (count + ROW_BLOCK - 1) / ROW_BLOCK, embed_block, &self);
    gosset__free(env, self.scratch);
    return status;
}
