/*
 * The other spreading term: log of the mean of exp(-2 |z_i - z_j|^2) over the pairs of anchors, the Gaussian potential
 * of Wang and Isola (ICML 2020). Every pair counts, where KoLeo sees each anchor's nearest alone.
 */
#include "train/blas.h"
#include "train/loss.h"
#include "train/numeric.h"

#include <math.h>

enum { ROW_BLOCK = 64 };

static const float STEEPNESS = 2;

typedef struct potential {
    size_t anchors;
    uint32_t dimension;
    const float *latents;
    float *powers; /* anchors x anchors: inner products, then exp(-2 |z_i - z_j|^2) */
    float *sums;   /* anchors: of their rows */
    float *norms;  /* anchors: |z_i|^2 */
    float *gradients;
    float factor; /* of the gradient */
} potential;

static gosset_status fill_powers(void *context, size_t item, uint32_t worker) {
    (void)worker;
    const potential *self = context;
    const size_t n = self->anchors, first = item * ROW_BLOCK, count = n - first < ROW_BLOCK ? n - first : ROW_BLOCK;
    gosset__product_bt(count, n, self->dimension, self->latents + first * self->dimension, self->latents, 0,
                       self->powers + first * n);
    for (size_t i = first; i < first + count; i++) {
        float *row = self->powers + i * n, sum = 0;
        for (size_t j = 0; j < n; j++) {
            const float square = self->norms[i] + self->norms[j] - 2 * row[j];
            row[j] = gosset__exp_negative(-STEEPNESS * (square > 0 ? square : 0));
        }
        row[i] = 0;
        for (size_t j = 0; j < n; j++) sum += row[j];
        self->sums[i] = sum;
    }
    return GOSSET_OK;
}

/* d/dz_i = factor * sum_j power_ij (z_i - z_j) */
static gosset_status add_gradients(void *context, size_t item, uint32_t worker) {
    (void)worker;
    const potential *self = context;
    const size_t n = self->anchors, d = self->dimension, first = item * ROW_BLOCK;
    const size_t count = n - first < ROW_BLOCK ? n - first : ROW_BLOCK;
    float *gradients = self->gradients + first * d;
    for (size_t i = first; i < first + count; i++) {
        float *row = self->powers + i * n;
        for (size_t j = 0; j < n; j++) row[j] *= -self->factor;
        row[i] = self->factor * self->sums[i];
    }
    gosset__product(count, d, n, self->powers + first * n, self->latents, 1, gradients);
    return GOSSET_OK;
}

static gosset_status add(size_t anchors, uint32_t dimension, const float *latents, float weight, float *gradients,
                         float *scratch, gosset__pool *pool, double *value) {
    *value = 0;
    if (anchors < 2 || !(weight > 0)) return GOSSET_OK;
    const size_t n = anchors, blocks = (n + ROW_BLOCK - 1) / ROW_BLOCK;
    potential self = {n, dimension, latents, scratch, scratch + n * n, scratch + n * n + n, gradients, 0};
    for (size_t i = 0; i < n; i++) {
        self.norms[i] = 0;
        for (uint32_t t = 0; t < dimension; t++)
            self.norms[i] += latents[i * dimension + t] * latents[i * dimension + t];
    }
    gosset_status status = gosset__pool_run(pool, blocks, fill_powers, &self);
    if (status != GOSSET_OK) return status;
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)self.sums[i];
    if (!(sum > 1e-30)) return GOSSET_OK; /* as far apart as can be */
    self.factor = (float)(-4 * (double)STEEPNESS * (double)weight / sum);
    *value = (double)weight * log(sum / ((double)n * (double)(n - 1)));
    return gosset__pool_run(pool, blocks, add_gradients, &self);
}

extern const gosset__spread_ops gosset__spread_potential;
const gosset__spread_ops gosset__spread_potential = {.name = "potential", .add = add};
