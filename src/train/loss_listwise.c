/*
 * Every pair of a batch counts: for each row, a soft ranking of all other rows by their exact distances is the target,
 * the soft ranking by latent distances is what the map gives, and their cross-entropy is the loss.
 *
 *     p_ij = softmax_j(-|x_i - x_j|^2 / (SHARPNESS r_i)),   r_i = squared distance of x_i to its 10th neighbour
 *     q_ij = softmax_j(-|z_i - c_j|^2 / TEMPERATURE),       c_j = z_j as the index would hold it
 *     loss = mean_i(-sum_j p_ij log q_ij) + uniformity * spreading term of the anchors
 *
 * One forward pass of n rows serves n^2 pairs, so the exponentials and products of pairs cost about as much as the
 * network itself: both are done in blocks of rows, on all threads.
 */
#include "base/status.h"
#include "train/blas.h"
#include "train/loss.h"
#include "train/numeric.h"

#include <math.h>
#include <string.h>

enum { ROW_BLOCK = 64 };

static const float SHARPNESS = 0.25f;
static const float TEMPERATURE = 0.2f;
static const float RADIUS_MIN = 1e-12f; /* where a vector and its 10 nearest are duplicates */

typedef struct listwise {
    const gosset__loss_batch *batch;
    float *coefficients; /* rows x rows: d loss / d <z_i, c_j> */
    float *targets;      /* rows x rows: first <x_i, x_j>, then p */
    float *norms;        /* rows: |x_i|^2 */
    double *values;      /* rows */
} listwise;

static size_t scratch_size(size_t anchors, size_t members, uint32_t features, uint32_t dimension) {
    (void)features, (void)dimension;
    size_t rows = anchors * members;
    return 2 * rows /* doubles */ + rows + 2 * rows * rows + gosset__spread_scratch_size(anchors);
}

/* exp(sharpness * (value - largest)) normalised, other copies of the row itself left out; returns log of the sum. */
GOSSET__WIDE static double soft_row(size_t rows, uint32_t self_id, const uint32_t *ids, float sharpness,
                                    float *values) {
    enum { LANES = 16 };
    float largest = -INFINITY, sum = 0, sums[LANES] = {0}, tops[LANES];
    for (size_t t = 0; t < LANES; t++) tops[t] = -INFINITY;
    for (size_t j = 0; j + LANES <= rows; j += LANES)
        for (size_t t = 0; t < LANES; t++) {
            const float value = ids[j + t] == self_id ? -INFINITY : values[j + t];
            tops[t] = value > tops[t] ? value : tops[t];
        }
    for (size_t j = rows / LANES * LANES; j < rows; j++)
        if (ids[j] != self_id && values[j] > largest) largest = values[j];
    for (size_t t = 0; t < LANES; t++) largest = tops[t] > largest ? tops[t] : largest;
    if (!(largest > -INFINITY)) { /* nothing but copies of itself: no ranking */
        memset(values, 0, rows * sizeof *values);
        return 0;
    }
    for (size_t j = 0; j < rows; j++) {
        float power = gosset__exp_negative((values[j] - largest < 0 ? values[j] - largest : 0.0f) * sharpness);
        values[j] = ids[j] == self_id ? 0.0f : power;
    }
    for (size_t j = 0; j + LANES <= rows; j += LANES)
        for (size_t t = 0; t < LANES; t++) sums[t] += values[j + t];
    for (size_t j = rows / LANES * LANES; j < rows; j++) sum += values[j];
    for (size_t t = 0; t < LANES; t++) sum += sums[t];
    float inverse = 1.0f / sum;
    for (size_t j = 0; j < rows; j++) values[j] *= inverse;
    return log((double)sum) + (double)largest * (double)sharpness;
}

GOSSET__WIDE static double inner_product(size_t count, const float *a, const float *b) {
    enum { LANES = 16 };
    float sums[LANES] = {0};
    double sum = 0;
    for (size_t j = 0; j + LANES <= count; j += LANES)
        for (size_t t = 0; t < LANES; t++) sums[t] += a[j + t] * b[j + t];
    for (size_t j = count / LANES * LANES; j < count; j++) sum += (double)(a[j] * b[j]);
    for (size_t t = 0; t < LANES; t++) sum += (double)sums[t];
    return sum;
}

GOSSET__WIDE static void scaled_difference(size_t count, float factor, const float *b, float *a) {
    for (size_t j = 0; j < count; j++) a[j] = factor * (a[j] - b[j]);
}

/* Targets, values and coefficients of a block of rows. */
static gosset_status rank_block(void *context, size_t item, uint32_t worker) {
    (void)worker;
    const listwise *self = context;
    const gosset__loss_batch *batch = self->batch;
    size_t rows = batch->rows, first = item * ROW_BLOCK;
    size_t count = rows - first < ROW_BLOCK ? rows - first : ROW_BLOCK;
    const float sharpness = 2.0f / TEMPERATURE; /* -|z - c|^2 = 2 <z, c> - 2 on the sphere */
    float *targets = self->targets + first * rows, *coefficients = self->coefficients + first * rows;
    gosset__product_bt(count, rows, batch->features, batch->inputs + first * batch->features, batch->inputs, 0,
                       targets);
    gosset__product_bt(count, rows, batch->dimension, batch->latents + first * batch->dimension, batch->points, 0,
                       coefficients);
    for (size_t i = 0; i < count; i++) {
        float *p = targets + i * rows, *q = coefficients + i * rows;
        uint32_t id = batch->ids[first + i];
        float radius = batch->radii[first + i] > RADIUS_MIN ? batch->radii[first + i] : RADIUS_MIN;
        for (size_t j = 0; j < rows; j++) p[j] = 2 * p[j] - self->norms[j]; /* |x_i|^2 - |x_i - x_j|^2 */
        soft_row(rows, id, batch->ids, 1.0f / (SHARPNESS * radius), p);
        double expected = inner_product(rows, p, q) * (double)sharpness;
        self->values[first + i] = soft_row(rows, id, batch->ids, sharpness, q) - expected;
        scaled_difference(rows, sharpness / (float)rows, p, q);
    }
    return GOSSET_OK;
}

/* A pair's coefficient moves both its ends: gradient of z_i = sum_j a_ij c_j + a_ji z_j. */
static gosset_status gradient_block(void *context, size_t item, uint32_t worker) {
    (void)worker;
    const listwise *self = context;
    const gosset__loss_batch *batch = self->batch;
    size_t rows = batch->rows, first = item * ROW_BLOCK;
    size_t count = rows - first < ROW_BLOCK ? rows - first : ROW_BLOCK;
    float *gradients = batch->gradients + first * batch->dimension;
    gosset__product(count, batch->dimension, rows, self->coefficients + first * rows, batch->points, 0, gradients);
    gosset__product_at(count, batch->dimension, rows, self->coefficients + first, rows, batch->latents, 1, gradients);
    return GOSSET_OK;
}

static gosset_status value_and_gradient(const gosset__loss_batch *batch, double *value) {
    size_t rows = batch->rows, blocks = (rows + ROW_BLOCK - 1) / ROW_BLOCK;
    float *scratch = batch->scratch;
    listwise self = {.batch = batch};
    self.values = (double *)(void *)scratch;
    self.norms = scratch + 2 * rows;
    self.targets = self.norms + rows;
    self.coefficients = self.targets + rows * rows;
    for (size_t r = 0; r < rows; r++) {
        const float *input = batch->inputs + r * batch->features;
        self.norms[r] = (float)inner_product(batch->features, input, input);
    }
    gosset_status status;
    double sum = 0, spread = 0;
    GOSSET_TRY(gosset__pool_run(batch->pool, blocks, rank_block, &self));
    GOSSET_TRY(gosset__pool_run(batch->pool, blocks, gradient_block, &self));
    for (size_t r = 0; r < rows; r++) sum += self.values[r];
    GOSSET_TRY(batch->spread->add(batch->anchors, batch->dimension, batch->latents, batch->uniformity, batch->gradients,
                                  self.coefficients + rows * rows, batch->pool, &spread));
    *value = sum / (double)rows + spread;
out:
    return status;
}

static double operations(size_t rows, uint32_t features, uint32_t dimension) {
    return 2.0 * (double)rows * (double)rows * (features + 3.0 * dimension);
}

extern const gosset__loss_ops gosset__loss_listwise;
const gosset__loss_ops gosset__loss_listwise = {
    .name = "listwise",
    .positives = 5,
    .negatives = 2,
    .neighbours = 16,
    .negative_first = 1,
    .negative_last = 30,
    .anchors = 128,
    .skip = 1,
    .width = 256,
    .uniformity = 0.02f,
    .optimizer = &gosset__optimizer_adamw,
    .operations = operations,
    .scratch_size = scratch_size,
    .value_and_gradient = value_and_gradient,
};
