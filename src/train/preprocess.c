#include "train/preprocess.h"
#include "base/status.h"

#include <math.h>
#include <string.h>

static const unsigned char *row_address(const gosset_vectors *vectors, size_t row) {
    size_t stride = vectors->stride ? vectors->stride : vectors->dimension * gosset_type_size(vectors->type);
    return (const unsigned char *)vectors->data + row * stride;
}

void gosset__vector_row(const gosset_vectors *vectors, size_t row, float *out) {
    const unsigned char *bytes = row_address(vectors, row);
    uint32_t dimension = vectors->dimension;
    if (vectors->type == GOSSET_F32)
        memcpy(out, bytes, dimension * sizeof *out); /* strides may leave floats unaligned */
    else if (vectors->type == GOSSET_U8)
        for (uint32_t i = 0; i < dimension; i++) out[i] = bytes[i];
    else
        for (uint32_t i = 0; i < dimension; i++) out[i] = (int8_t)bytes[i];
}

gosset_status gosset__rows_check(const gosset_vectors *vectors, const char *name) {
    if (!vectors) return gosset__fail(GOSSET_E_ARGUMENT, "%s: expected vectors, found NULL", name);
    if (vectors->type > GOSSET_I8)
        return gosset__fail(GOSSET_E_ARGUMENT, "%s: type: expected 0..2, found %d", name, (int)vectors->type);
    if (vectors->count == 0) return GOSSET_OK;
    size_t row_size = vectors->dimension * gosset_type_size(vectors->type);
    if (!vectors->data) return gosset__fail(GOSSET_E_ARGUMENT, "%s: data: expected vectors, found NULL", name);
    if (vectors->stride && vectors->stride < row_size)
        return gosset__fail(GOSSET_E_ARGUMENT, "%s: stride: expected 0 or at least %zu, found %zu", name, row_size,
                            vectors->stride);
    if (vectors->type != GOSSET_F32) return GOSSET_OK;
    for (size_t row = 0; row < vectors->count; row++) {
        const unsigned char *bytes = row_address(vectors, row);
        uint32_t broken = 0;
        for (uint32_t i = 0; i < vectors->dimension; i++) {
            uint32_t bits;
            memcpy(&bits, bytes + (size_t)i * 4, 4);
            broken |= (bits & 0x7f800000u) == 0x7f800000u;
        }
        if (broken)
            return gosset__fail(GOSSET_E_ARGUMENT, "%s: row %zu: expected finite numbers, found NaN or infinity", name,
                                row);
    }
    return GOSSET_OK;
}

static float norm_of(const gosset__kernels *kernels, const float *row, uint32_t dimension) {
    return sqrtf(kernels->dot_f32(row, row, dimension));
}

/* The row in the space where the metric is L2, before mean and scale. */
static void reduce_row(const gosset__preprocess *self, const gosset__kernels *kernels, gosset_side side,
                       const gosset_vectors *vectors, size_t row, float *out) {
    gosset__vector_row(vectors, row, out);
    if (self->metric == GOSSET_L2) return;
    float norm = norm_of(kernels, out, self->input);
    float target = self->metric == GOSSET_COSINE ? 1.0f : self->largest_norm;
    if (self->metric == GOSSET_IP) {
        float rest = self->largest_norm * self->largest_norm - norm * norm;
        out[self->input] = side == GOSSET_BASE && rest > 0 ? sqrtf(rest) : 0.0f;
        if (side == GOSSET_BASE) return;
    }
    float factor = norm > 0 ? target / norm : 0.0f; /* a zero vector has no direction and stays zero */
    for (uint32_t i = 0; i < self->input; i++) out[i] *= factor;
}

void gosset__preprocess_row(const gosset__preprocess *self, const gosset__kernels *kernels, gosset_side side,
                            const gosset_vectors *vectors, size_t row, float *out) {
    reduce_row(self, kernels, side, vectors, row, out);
    for (uint32_t i = 0; i < self->features; i++) out[i] = (out[i] - self->mean[i]) * self->scale;
}

static float power_of_two_near(double value) {
    if (!(value > 1e-30)) value = 1e-30;
    if (value > 1e30) value = 1e30;
    return (float)exp2(round(log2(value)));
}

/* Sums in doubles over strided chunks of features: the order is that of the rows, whoever asks. */
static void fit_mean(gosset__preprocess *self, const gosset_vectors *learn, const gosset__kernels *kernels,
                     float *row) {
    enum { CHUNK = 256 };
    for (uint32_t first = 0; first < self->features; first += CHUNK) {
        uint32_t count = self->features - first < CHUNK ? self->features - first : CHUNK;
        double sums[CHUNK] = {0};
        for (size_t r = 0; r < learn->count; r++) {
            reduce_row(self, kernels, GOSSET_BASE, learn, r, row);
            for (uint32_t i = 0; i < count; i++) sums[i] += (double)row[first + i];
        }
        for (uint32_t i = 0; i < count; i++) {
            double mean = sums[i] / (double)learn->count;
            self->mean[first + i] = (float)(learn->type == GOSSET_F32 ? mean : round(mean));
        }
    }
}

void gosset__preprocess_fit(gosset__preprocess *self, const gosset_vectors *learn, const gosset__kernels *kernels) {
    float row[4097]; /* the largest dimension, and one */
    self->largest_norm = 0;
    for (size_t r = 0; self->metric == GOSSET_IP && r < learn->count; r++) {
        gosset__vector_row(learn, r, row);
        float norm = norm_of(kernels, row, self->input);
        if (norm > self->largest_norm) self->largest_norm = norm;
    }
    fit_mean(self, learn, kernels, row);
    double square = 0;
    for (size_t r = 0; r < learn->count; r++) {
        reduce_row(self, kernels, GOSSET_BASE, learn, r, row);
        for (uint32_t i = 0; i < self->features; i++) {
            double difference = (double)row[i] - (double)self->mean[i];
            square += difference * difference;
        }
    }
    double deviation = sqrt(square / (double)learn->count / self->features);
    self->scale = deviation > 0 ? power_of_two_near(1.0 / deviation) : 1.0f;
}
