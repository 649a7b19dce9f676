/*
 * -mean log(n |z_i - z_nn(i)|) with nn(i) the nearest other anchor of the batch: Kozachenko and Leonenko's estimate of
 * the entropy, as in Sablayrolles et al. (2019).
 */
#include "train/blas.h"
#include "train/loss.h"

#include <math.h>

enum { ROW_BLOCK = 64 };

/* Keeps the gradient of a pair of duplicates (distance 0) finite, at 1/epsilon times their difference. */
static const double EPSILON = 1e-8;

typedef struct koleo {
    size_t anchors;
    uint32_t dimension;
    const float *latents;
    float *products;   /* anchors x anchors */
    uint32_t *nearest; /* anchors */
} koleo;

static gosset_status find_nearest(void *context, size_t item, uint32_t worker) {
    (void)worker;
    const koleo *self = context;
    size_t n = self->anchors, first = item * ROW_BLOCK;
    size_t count = n - first < ROW_BLOCK ? n - first : ROW_BLOCK;
    gosset__product_bt(count, n, self->dimension, self->latents + first * self->dimension, self->latents, 0,
                       self->products + first * n);
    for (size_t i = first; i < first + count; i++) {
        const float *row = self->products + i * n;
        size_t best = i == 0 ? 1 : 0;
        for (size_t j = best + 1; j < n; j++)
            if (j != i && row[j] > row[best]) best = j;
        self->nearest[i] = (uint32_t)best;
    }
    return GOSSET_OK;
}

static gosset_status add(size_t anchors, uint32_t dimension, const float *latents, float weight, float *gradients,
                         float *scratch, gosset__pool *pool, double *value) {
    *value = 0;
    if (anchors < 2 || !(weight > 0)) return GOSSET_OK;
    koleo self = {anchors, dimension, latents, scratch, (uint32_t *)(scratch + anchors * anchors)};
    gosset_status status = gosset__pool_run(pool, (anchors + ROW_BLOCK - 1) / ROW_BLOCK, find_nearest, &self);
    if (status != GOSSET_OK) return status;
    double sum = 0;
    for (size_t i = 0; i < anchors; i++) {
        const float *a = latents + i * dimension, *b = latents + (size_t)self.nearest[i] * dimension;
        float *ga = gradients + i * dimension, *gb = gradients + (size_t)self.nearest[i] * dimension;
        double square = EPSILON;
        for (uint32_t t = 0; t < dimension; t++)
            square += ((double)a[t] - (double)b[t]) * ((double)a[t] - (double)b[t]);
        sum -= log((double)anchors * sqrt(square));
        float factor = (float)((double)weight / ((double)anchors * square));
        for (uint32_t t = 0; t < dimension; t++) {
            float pull = factor * (a[t] - b[t]);
            ga[t] -= pull;
            gb[t] += pull;
        }
    }
    *value = (double)weight * sum / (double)anchors;
    return GOSSET_OK;
}

extern const gosset__spread_ops gosset__spread_koleo;
const gosset__spread_ops gosset__spread_koleo = {.name = "koleo", .add = add};
