#include "datasets/grow_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Four uniform numbers summed, scaled to variance 1: normal enough for a sum of many. */
static float normal(uint64_t bits) {
    const uint32_t sum = (uint32_t)((bits & 0xffff) + (bits >> 16 & 0xffff) + (bits >> 32 & 0xffff) + (bits >> 48));
    return ((float)sum - 131070.0f) * (1.7320508f / 65536.0f);
}

/* ---- rows --------------------------------------------------------------------------------------------------- */

static void add_row(const grow *self, uint64_t row, float weight, float *sum) {
    const uint8_t *bytes = grow_row_at(self, row);
    const uint32_t dimension = self->base.dimension;
    switch (self->base.type) {
    case GOSSET_U8:
        for (uint32_t i = 0; i < dimension; i++) sum[i] += weight * (float)bytes[i];
        break;
    case GOSSET_I8:
        for (uint32_t i = 0; i < dimension; i++) sum[i] += weight * (float)(int8_t)bytes[i];
        break;
    case GOSSET_F32:
        for (uint32_t i = 0; i < dimension; i++) {
            float value;
            memcpy(&value, bytes + i * sizeof value, sizeof value);
            sum[i] += weight * value;
        }
        break;
    case GOSSET_F16: /* files of halves are given out as floats */
        break;
    }
}

static void put_row(const grow *self, const float *values, void *out) {
    const uint32_t dimension = self->base.dimension;
    const int u8 = self->base.type == GOSSET_U8;
    if (self->base.type == GOSSET_F32) {
        memcpy(out, values, dimension * sizeof *values);
        return;
    }
    for (uint32_t i = 0; i < dimension; i++) {
        const float rounded = rintf(values[i]);
        const float kept = u8 ? fminf(fmaxf(rounded, 0), 255) : fminf(fmaxf(rounded, -128), 127);
        ((uint8_t *)out)[i] = (uint8_t)(int)kept;
    }
}

/* Weights of the mixture: of the anchor, and of each neighbour when the mean is written out. */
static void make_row(const grow *self, uint64_t row, float *values, void *out) {
    const uint32_t count = self->config.neighbours;
    const uint64_t anchor = row % self->base.count, state = grow_mix(self->config.seed ^ grow_mix(row));
    const float h = (float)self->config.spread, own = sqrtf(1 - h * h), scale = h / sqrtf((float)count);
    const uint32_t *neighbours = grow_neighbours(self, anchor);
    float weights[GROW_NEIGHBOURS_MAX], sum = 0;
    for (uint32_t j = 0; j < count; j++) {
        weights[j] = scale * normal(grow_mix(state + j));
        sum += weights[j];
    }
    memset(values, 0, self->base.dimension * sizeof *values);
    add_row(self, anchor, own, values);
    for (uint32_t j = 0; j < count; j++)
        add_row(self, neighbours[j], weights[j] + (1 - own - sum) / (float)count, values);
    put_row(self, values, out);
}

gosset_status grow_rows(const grow *self, uint64_t first, size_t count, void *rows) {
    float *values = malloc(self->base.dimension * sizeof *values);
    if (!values) return grow_no_memory();
    for (size_t i = 0; i < count; i++) {
        uint8_t *out = (uint8_t *)rows + i * self->row_size;
        if (first + i < self->base.count)
            memcpy(out, grow_row_at(self, first + i), self->row_size);
        else
            make_row(self, first + i, values, out);
    }
    free(values);
    return GOSSET_OK;
}

const uint32_t *grow_neighbours(const grow *self, uint64_t row) {
    return self->neighbours + row * self->config.neighbours;
}

/* ---- create ------------------------------------------------------------------------------------------------- */

gosset_status grow_create(grow **out, const gosset_vectors *base, const grow_config *config) {
    *out = NULL;
    if (config->neighbours < 2 || config->neighbours > GROW_NEIGHBOURS_MAX)
        return dataset_fail(GOSSET_E_ARGUMENT, "neighbours: expected 2 to %d, found %u", GROW_NEIGHBOURS_MAX,
                            config->neighbours);
    if (!(config->spread >= 0 && config->spread <= 1))
        return dataset_fail(GOSSET_E_ARGUMENT, "spread: expected 0 to 1, found %g", config->spread);
    if (base->count <= config->neighbours || base->count >= UINT32_MAX)
        return dataset_fail(GOSSET_E_ARGUMENT, "base: expected more than %u vectors and fewer than 2^32, found %zu",
                            config->neighbours, base->count);
    grow *self = calloc(1, sizeof *self);
    if (!self) return grow_no_memory();
    self->base = *base;
    self->config = *config;
    self->row_size = base->dimension * gosset_type_size(base->type);
    self->stride = base->stride ? base->stride : self->row_size;
    self->neighbours = malloc(base->count * config->neighbours * sizeof *self->neighbours);
    const gosset_status status = self->neighbours ? grow_find_neighbours(self) : grow_no_memory();
    if (status != GOSSET_OK) {
        grow_free(self);
        return status;
    }
    *out = self;
    return GOSSET_OK;
}

void grow_free(grow *self) {
    if (!self) return;
    free(self->neighbours);
    free(self);
}

/* ---- describe ----------------------------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(double *values, size_t count, double part) {
    qsort(values, count, sizeof *values, by_value);
    return count ? values[(size_t)(part * (double)(count - 1) + 0.5)] : 0;
}

/* Mean of ln(r_100 / r_i): its inverse is the dimension around a query. Neighbours at distance zero say nothing. */
static double mean_logarithm(const float *distances) {
    double sum = 0;
    int count = 0;
    for (int i = 0; i < 99; i++) {
        if (distances[i] <= 0) continue;
        sum += 0.5 * log((double)distances[99] / (double)distances[i]);
        count++;
    }
    return count ? sum / count : 0;
}

gosset_status grow_describe(const float *distances, size_t count, size_t k, grow_description *out) {
    static const size_t places[3] = {0, 9, 99};
    double *values = malloc((count ? count : 1) * sizeof *values), sum = 0;
    if (!values) return grow_no_memory();
    memset(out, 0, sizeof *out);
    for (int i = 0; i < 3; i++) {
        for (size_t query = 0; query < count; query++) values[query] = sqrt((double)distances[query * k + places[i]]);
        out->median[i] = quantile(values, count, 0.5);
    }
    for (int i = 0; i < 2; i++) {
        size_t used = 0;
        for (size_t query = 0; query < count; query++) {
            const double near = (double)distances[query * k + places[i]];
            if (near > 0) values[used++] = sqrt((double)distances[query * k + places[i + 1]] / near);
        }
        out->ratio[i] = quantile(values, used, 0.5);
    }
    size_t used = 0;
    for (size_t query = 0; query < count; query++) {
        const double mean = mean_logarithm(distances + query * k);
        if (mean <= 0) continue;
        sum += mean;
        values[used++] = 1 / mean;
    }
    out->dimension = sum > 0 ? (double)used / sum : 0;
    out->quartile[0] = quantile(values, used, 0.25);
    out->quartile[1] = quantile(values, used, 0.75);
    free(values);
    return GOSSET_OK;
}
