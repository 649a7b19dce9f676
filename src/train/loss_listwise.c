/*
 * Every pair of a batch counts: for each row, a soft ranking of all other rows by their exact distances is the target,
 * the soft ranking by latent distances is what the map gives, and their cross-entropy is the loss.
 *
 *     p_ij = softmax_j(-CONTRAST |x_i - x_j|^2 / (m_i - r_i)),   r_i = squared distance of x_i to its 10th neighbour,
 *                                                                m_i = mean squared distance of x_i to the batch
 *     q_ij = softmax_j(-|z_i - c_j|^2 / TEMPERATURE),            c_j = z_j as the index would hold it
 *     loss = mean_i(-sum_j p_ij log q_ij) + uniformity * spreading term of the anchors
 *
 * The scale is what lies between neighbours and the others, not the radius: where distances differ little (words,
 * sentences) the others would outweigh the neighbours, and the map would gather them all in a few cells.
 *
 * One forward pass of n rows serves n^2 pairs, so the exponentials and products of pairs cost about as much as the
 * network itself. They are made and used up block by block in a worker's cache: a block of rows gives its own gradients
 * and its part of everybody's.
 */
#include "base/status.h"
#include "train/lanes.h"
#include "train/loss.h"
#include "train/numeric.h"
#include "train/pairs.h"

#include <math.h>
#include <string.h>

enum { ROW_BLOCK = 128, SUB_BLOCK = 32, LANES = GOSSET__LANES };

static const float CONTRAST = 15;       /* 10 to 25 give cells as good (bench/RESULTS.md) */
static const float CONTRAST_MIN = 0.1f; /* of the mean: of rows whose neighbours are as far as the others */
static const float TEMPERATURE = 0.2f;
static const float DISTANCE_MIN = 1e-12f; /* where the whole batch is duplicates */
static const float NOTHING = -1e30f;      /* similarity of what is not to be ranked */
static const float EXPONENT_MIN = -72;    /* of 2. Less is 0: products of smaller weights would be denormal, and slow */

#define ALWAYS_INLINE static inline __attribute__((always_inline))

typedef struct listwise {
    const gosset__loss_batch *batch;
    size_t stride, blocks;
    double *values; /* rows */
    float *norms;   /* rows: |x_i|^2 */
    float *points;  /* dimension x stride: as columns */
    float *panels;  /* inputs as columns, packed */
    float *parts;   /* blocks x dimension x stride: what blocks add to the gradients of all rows, as columns */
    float *own;     /* of a worker: SUB_BLOCK x stride of targets, as many coefficients */
} listwise;

static size_t stride_of(size_t rows) {
    return (rows + GOSSET__PAIR_STRIDE - 1) / GOSSET__PAIR_STRIDE * GOSSET__PAIR_STRIDE;
}

static size_t blocks_of(size_t rows) {
    return (rows + ROW_BLOCK - 1) / ROW_BLOCK;
}

static size_t scratch_size(size_t anchors, size_t members, uint32_t features, uint32_t dimension, uint32_t threads) {
    const size_t rows = anchors * members, stride = stride_of(rows);
    return 2 * rows /* doubles */ + gosset__spread_scratch_size(anchors) + stride +
           gosset__panels_size(features, rows) + (1 + blocks_of(rows)) * dimension * stride +
           (size_t)threads * 2 * SUB_BLOCK * stride;
}

/* Norms and columns of a block's rows. */
GOSSET__WIDE_FUSED static void prepare_rows(const listwise *self, size_t first, size_t count) {
    const gosset__loss_batch *batch = self->batch;
    const size_t features = batch->features, dimension = batch->dimension;
    for (size_t r = first; r < first + count; r++) {
        const float *x = batch->inputs + r * features;
        gosset__lanes sums = {0};
        float sum = 0;
        for (size_t j = 0; j + LANES <= features; j += LANES) sums += GOSSET__LOAD(x + j) * GOSSET__LOAD(x + j);
        for (size_t j = features / LANES * LANES; j < features; j++) sum += x[j] * x[j];
        for (size_t t = 0; t < LANES; t++) sum += sums[t];
        self->norms[r] = sum;
        for (size_t t = 0; t < dimension; t++) {
            self->points[t * self->stride + r] = batch->points[r * dimension + t];
        }
    }
}

static gosset_status prepare_block(void *context, size_t item, uint32_t worker) {
    (void)worker;
    const listwise *self = context;
    const size_t rows = self->batch->rows, features = self->batch->features, first = item * ROW_BLOCK;
    const size_t count = rows - first < ROW_BLOCK ? rows - first : ROW_BLOCK;
    prepare_rows(self, first, count);
    const gosset__panels_ops *panels = self->batch->panels;
    panels->pack_turned(features, count, self->batch->inputs + first * features,
                        self->panels + panels->at(features, first));
    return GOSSET_OK;
}

/* Of a row's similarities |x_i|^2 - |x_i - x_j|^2: their sum, and the largest but for the row itself and its copies. */
typedef struct comparison {
    float sums[LANES], largest[LANES];
} comparison;

ALWAYS_INLINE void compare_some(size_t count, uint32_t self_id, const uint32_t *restrict ids,
                                const float *restrict norms, float *restrict p, comparison *restrict of) {
    for (size_t t = 0; t < count; t++) {
        const float similarity = 2 * p[t] - norms[t], kept = ids[t] == self_id ? NOTHING : similarity;
        of->sums[t] += similarity;
        of->largest[t] = kept > of->largest[t] ? kept : of->largest[t];
        p[t] = kept;
    }
}

/* From inner products of the row's input; what is not to be ranked becomes NOTHING. */
GOSSET__WIDE_FUSED static void compare(size_t rows, uint32_t self_id, const uint32_t *ids, const float *norms, float *p,
                                       comparison *of) {
    const size_t whole = rows / LANES * LANES;
    comparison own = {.sums = {0}};
    for (size_t t = 0; t < LANES; t++) own.largest[t] = NOTHING;
    for (size_t j = 0; j < whole; j += LANES) compare_some(LANES, self_id, ids + j, norms + j, p + j, &own);
    compare_some(rows - whole, self_id, ids + whole, norms + whole, p + whole, &own);
    *of = own;
}

typedef struct softening {
    size_t rows, stride;
    uint32_t self_id;
    float largest, truth_sharpness, sharpness; /* as exponents of 2 */
} softening;

/* Sums of a row: of the weights of the truth, of these times the scores, of the weights of the scores. */
typedef struct totals {
    float truth[LANES], products[LANES], scores[LANES];
} totals;

ALWAYS_INLINE void soften_some(size_t count, softening s, const uint32_t *restrict ids, float *restrict p,
                               float *restrict q, float *restrict products) {
    for (size_t t = 0; t < count; t++) {
        const float exponent = (p[t] - s.largest) * s.truth_sharpness, score = q[t];
        const float power = gosset__power_of_two(exponent > EXPONENT_MIN ? exponent : EXPONENT_MIN);
        const float truth = exponent > EXPONENT_MIN ? power : 0.0f;
        const float weight = gosset__power_of_two((score - 1) * s.sharpness);
        p[t] = truth;
        q[t] = ids[t] == s.self_id ? 0.0f : weight;
        products[t] = truth * score;
    }
}

/*
 * A row to softmax weights, unnormalised: the truth exp(sharpness (p - largest)), the scores exp(sharpness (q - 1)),
 * since both ends of a pair have length 1 and no score is larger. The row itself and its copies get none.
 */
GOSSET__WIDE_FUSED static void soften(const softening *s, const uint32_t *ids, float *p, float *q, totals *sums) {
    const softening here = *s;
    gosset__lanes truth = {0}, products = {0}, scores = {0}; /* not arrays: these stay in registers */
    float product[LANES];
    for (size_t j = here.rows; j < here.stride; j++) p[j] = q[j] = 0;
    for (size_t j = 0; j < here.rows; j += LANES) {
        const size_t count = here.rows - j < LANES ? here.rows - j : LANES;
        if (count == LANES)
            soften_some(LANES, here, ids + j, p + j, q + j, product);
        else {
            memset(product, 0, sizeof product);
            soften_some(count, here, ids + j, p + j, q + j, product);
        }
        truth += GOSSET__LOAD(p + j);
        products += GOSSET__LOAD(product);
        scores += GOSSET__LOAD(q + j);
    }
    GOSSET__STORE(sums->truth, truth);
    GOSSET__STORE(sums->products, products);
    GOSSET__STORE(sums->scores, scores);
}

GOSSET__WIDE_FUSED static void combine(size_t stride, float factor_q, float factor_p, const float *p, float *q) {
    for (size_t j = 0; j < stride; j++) q[j] = factor_q * q[j] - factor_p * p[j];
}

static float add_up(const float *sums) {
    float sum = 0;
    for (size_t t = 0; t < LANES; t++) sum += sums[t];
    return sum;
}

/* Row r of the batch: scores become d loss / d <z_r, c_j>. */
static void rank_row(const listwise *self, size_t r, float *p, float *q) {
    const gosset__loss_batch *batch = self->batch;
    const size_t rows = batch->rows;
    const float sharpness = 2.0f / TEMPERATURE; /* -|z - c|^2 = 2 <z, c> - 2 on the sphere */
    const float step = sharpness / (float)rows;
    comparison of;
    compare(rows, batch->ids[r], batch->ids, self->norms, p, &of);
    const float mean = self->norms[r] - add_up(of.sums) / (float)rows;
    const float least = CONTRAST_MIN * mean > DISTANCE_MIN ? CONTRAST_MIN * mean : DISTANCE_MIN;
    const float contrast = mean - batch->radii[r] > least ? mean - batch->radii[r] : least;
    float largest = NOTHING;
    for (size_t t = 0; t < LANES; t++) largest = of.largest[t] > largest ? of.largest[t] : largest;
    const softening settings = {
        rows, self->stride, batch->ids[r], largest, gosset__log2_e * CONTRAST / contrast, gosset__log2_e * sharpness};
    totals sums;
    soften(&settings, batch->ids, p, q, &sums);
    const float truth = add_up(sums.truth), sum = add_up(sums.scores);
    if (!(sum > 0)) { /* nothing but copies of itself: no ranking */
        memset(q, 0, self->stride * sizeof *q);
        self->values[r] = 0;
        return;
    }
    self->values[r] =
        log((double)sum) + (double)sharpness - (double)sharpness * (double)add_up(sums.products) / (double)truth;
    combine(self->stride, step / sum, step / truth, p, q);
}

/* A pair's coefficient moves both its ends: gradient of z_i = sum_j a_ij c_j + a_ji z_j. */
static gosset_status rank_block(void *context, size_t item, uint32_t worker) {
    const listwise *self = context;
    const gosset__loss_batch *batch = self->batch;
    const size_t rows = batch->rows, stride = self->stride, dimension = batch->dimension, first = item * ROW_BLOCK;
    const size_t end = rows - first < ROW_BLOCK ? rows : first + ROW_BLOCK;
    float *targets = self->own + worker * 2 * SUB_BLOCK * stride, *scores = targets + SUB_BLOCK * stride;
    float *part = self->parts + item * dimension * stride;
    memset(part, 0, dimension * stride * sizeof *part);
    for (size_t at = first; at < end; at += SUB_BLOCK) {
        const size_t count = end - at < SUB_BLOCK ? end - at : SUB_BLOCK;
        const float *latents = batch->latents + at * dimension;
        batch->panels->product(count, rows, batch->features, batch->inputs + at * batch->features, self->panels,
                               targets, stride);
        gosset__pairs_score(count, stride, dimension, latents, self->points, scores);
        for (size_t i = 0; i < count; i++) rank_row(self, at + i, targets + i * stride, scores + i * stride);
        gosset__pairs_pull(count, stride, dimension, scores, self->points, batch->gradients + at * dimension);
        gosset__pairs_push(count, stride, dimension, scores, latents, part);
    }
    return GOSSET_OK;
}

/* What all blocks add to the gradients of a block's rows. */
static gosset_status gather_block(void *context, size_t item, uint32_t worker) {
    (void)worker;
    const listwise *self = context;
    const gosset__loss_batch *batch = self->batch;
    const size_t dimension = batch->dimension, first = item * ROW_BLOCK;
    const size_t count = batch->rows - first < ROW_BLOCK ? batch->rows - first : ROW_BLOCK;
    for (size_t t = 0; t < dimension; t++) {
        float sums[ROW_BLOCK] = {0};
        for (size_t b = 0; b < self->blocks; b++) {
            const float *part = self->parts + (b * dimension + t) * self->stride + first;
            for (size_t r = 0; r < count; r++) sums[r] += part[r];
        }
        for (size_t r = 0; r < count; r++) batch->gradients[(first + r) * dimension + t] += sums[r];
    }
    return GOSSET_OK;
}

static gosset_status value_and_gradient(const gosset__loss_batch *batch, double *value) {
    const size_t rows = batch->rows, stride = stride_of(rows), columns = batch->dimension * stride;
    listwise self = {.batch = batch, .stride = stride, .blocks = blocks_of(rows)};
    self.values = (double *)(void *)batch->scratch;
    self.norms = batch->scratch + 2 * rows;
    self.points = self.norms + stride;
    self.panels = self.points + columns;
    self.parts = self.panels + gosset__panels_size(batch->features, rows);
    self.own = self.parts + self.blocks * columns;
    float *spread_scratch = self.own + (size_t)gosset__pool_threads(batch->pool) * 2 * SUB_BLOCK * stride;
    gosset_status status;
    double sum = 0, spread = 0;
    for (size_t t = 0; t < batch->dimension; t++)
        for (size_t r = rows; r < stride; r++) self.points[t * stride + r] = 0;
    GOSSET_TRY(gosset__pool_run_placed(batch->pool, self.blocks, prepare_block, &self));
    GOSSET_TRY(gosset__pool_run_placed(batch->pool, self.blocks, rank_block, &self));
    GOSSET_TRY(gosset__pool_run_placed(batch->pool, self.blocks, gather_block, &self));
    for (size_t r = 0; r < rows; r++) sum += self.values[r];
    GOSSET_TRY(batch->spread->add(batch->anchors, batch->dimension, batch->latents, batch->uniformity, batch->gradients,
                                  spread_scratch, batch->pool, &spread));
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
