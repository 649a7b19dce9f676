/*
 * The loss of Sablayrolles, Douze, Schmid and Jegou, "Spreading vectors for similarity search" (ICLR 2019):
 *
 *     mean over anchors of relu(|x - p| - |x - n|) + uniformity * KoLeo
 *
 * with p one of the anchor's 10 true neighbours and n its 50th neighbour in the latent space. Two things differ from
 * the authors' program on purpose: an anchor is not among its own positives, nor are true neighbours among negatives.
 */
#include "train/loss.h"

#include <math.h>
#include <string.h>

static const double EPSILON = 1e-8; /* under the root: duplicates have distance 0 and no direction */

static double distance(const float *a, const float *b, uint32_t dimension) {
    double square = EPSILON;
    for (uint32_t t = 0; t < dimension; t++) square += ((double)a[t] - (double)b[t]) * ((double)a[t] - (double)b[t]);
    return sqrt(square);
}

/* Adds factor * d|a - b| to both gradients. */
static void push(const float *a, const float *b, uint32_t dimension, float factor, float *ga, float *gb) {
    for (uint32_t t = 0; t < dimension; t++) {
        float step = factor * (a[t] - b[t]);
        ga[t] += step;
        gb[t] -= step;
    }
}

static size_t scratch_size(size_t anchors, size_t members, uint32_t features, uint32_t dimension, uint32_t threads) {
    (void)members, (void)features, (void)dimension, (void)threads;
    return gosset__spread_scratch_size(anchors);
}

static gosset_status value_and_gradient(const gosset__loss_batch *batch, double *value) {
    uint32_t d = batch->dimension;
    size_t n = batch->anchors;
    double sum = 0, spread;
    memset(batch->gradients, 0, batch->rows * d * sizeof *batch->gradients);
    for (size_t i = 0; i < n; i++) {
        const float *anchor = batch->latents + i * d;
        const float *positive = batch->points + (n + i) * d, *negative = batch->points + (2 * n + i) * d;
        double near = distance(anchor, positive, d), far = distance(anchor, negative, d);
        if (near <= far) continue;
        sum += near - far;
        float *gradient = batch->gradients + i * d;
        push(anchor, positive, d, (float)(1 / (near * (double)n)), gradient, batch->gradients + (n + i) * d);
        push(anchor, negative, d, (float)(-1 / (far * (double)n)), gradient, batch->gradients + (2 * n + i) * d);
    }
    gosset_status status = batch->spread->add(n, d, batch->latents, batch->uniformity, batch->gradients, batch->scratch,
                                              batch->pool, &spread);
    *value = sum / (double)n + spread;
    return status;
}

static double operations(size_t rows, uint32_t features, uint32_t dimension) {
    (void)rows, (void)features, (void)dimension;
    return 0;
}

extern const gosset__loss_ops gosset__loss_rank;
const gosset__loss_ops gosset__loss_rank = {
    .name = "rank",
    .positives = 1,
    .negatives = 1,
    .neighbours = 10,
    .negative_first = 50,
    .negative_last = 50,
    .anchors = 256,
    .skip = 0,
    .width = 512,
    .uniformity = 0.02f,
    .optimizer = &gosset__optimizer_sgd,
    .operations = operations,
    .scratch_size = scratch_size,
    .value_and_gradient = value_and_gradient,
};
