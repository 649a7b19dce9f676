/**
 * What happens to a vector before the network: it becomes f32, every metric becomes L2, and the learn set's mean and
 * scale are taken out. Distances between preprocessed vectors order as the metric does.
 */
#ifndef GOSSET_TRAIN_PREPROCESS_H
#define GOSSET_TRAIN_PREPROCESS_H

#include "base/env.h"
#include "kernel/kernel.h"
#include <gosset/model.h>

typedef struct gosset__preprocess {
    uint32_t input;    /* dimension of the vectors */
    uint32_t features; /* dimension of what the network gets: input, one more for inner products */
    gosset_metric metric;
    float scale;        /* a power of two */
    float largest_norm; /* of the learn set; inner products only */
    float *mean;        /* features */
} gosset__preprocess;

static inline uint32_t gosset__preprocess_features(uint32_t input, gosset_metric metric) {
    return metric == GOSSET_IP ? input + 1 : input;
}

/**
 * Sets mean, scale and norm from a learn set without NaN or infinity. `mean` must have room.
 *
 * The scale makes coordinates about 1 in size. It is rounded to a power of two, and the mean of integer vectors to
 * integers, so that squared distances of u8 and i8 vectors stay exact after preprocessing.
 */
void gosset__preprocess_fit(gosset__preprocess *self, const gosset_vectors *learn, const gosset__kernels *kernels);

/**
 * Row `row` of `vectors` into features floats. Inner products (Bachrach et al. 2014): a base vector gets the
 * coordinate sqrt(M^2 - |x|^2), a query is scaled to norm M and gets 0, so the nearest in L2 has the largest product.
 */
void gosset__preprocess_row(const gosset__preprocess *self, const gosset__kernels *kernels, gosset_side side,
                            const gosset_vectors *vectors, size_t row, float *out);

/** Row as plain floats. */
void gosset__vector_row(const gosset_vectors *vectors, size_t row, float *out);
/** GOSSET_E_ARGUMENT for a broken view; with NaN or infinity it names the row. `name` opens the sentence. */
gosset_status gosset__rows_check(const gosset_vectors *vectors, const char *name);

#endif
