#include "index/distance.h"

#include <math.h>

static float dot(const gosset__distance *d, const void *a, const void *b) {
    if (!d->native || d->type == GOSSET_F32) return d->kernels->dot_f32(a, b, d->dimension);
    if (d->type == GOSSET_U8) return (float)d->kernels->dot_u8(a, b, d->dimension);
    return (float)d->kernels->dot_i8(a, b, d->dimension);
}

static float l2(const gosset__distance *d, const void *a, const void *b) {
    if (!d->native || d->type == GOSSET_F32) return d->kernels->l2_f32(a, b, d->dimension);
    if (d->type == GOSSET_U8) return (float)d->kernels->l2_u8(a, b, d->dimension);
    return (float)d->kernels->l2_i8(a, b, d->dimension);
}

static const float *convert(const gosset__distance *d, const void *stored) {
    const uint8_t *unsigned_values = stored;
    const int8_t *signed_values = stored;
    if (d->type == GOSSET_F16)
        d->kernels->widen_f16(stored, d->dimension, d->converted);
    else
        for (uint32_t i = 0; i < d->dimension; i++)
            d->converted[i] = d->type == GOSSET_U8 ? (float)unsigned_values[i] : (float)signed_values[i];
    return d->converted;
}

void gosset__distance_set(gosset__distance *distance, const void *query, gosset_type query_type) {
    distance->query = query;
    distance->native = query_type == distance->type;
    if (distance->metric == GOSSET_COSINE) distance->query_length = sqrtf(dot(distance, query, query));
}

float gosset__distance_to(const gosset__distance *distance, const void *stored) {
    if (distance->type == GOSSET_F16 && distance->metric == GOSSET_L2)
        return distance->kernels->l2_f16(distance->query, stored, distance->dimension);
    if (distance->type == GOSSET_F16 && distance->metric == GOSSET_IP)
        return -distance->kernels->dot_f16(distance->query, stored, distance->dimension);
    if (!distance->native) stored = convert(distance, stored);
    if (distance->metric == GOSSET_L2) return l2(distance, distance->query, stored);
    const float product = dot(distance, distance->query, stored);
    if (distance->metric == GOSSET_IP) return -product;
    const float lengths = distance->query_length * sqrtf(dot(distance, stored, stored));
    return lengths > 0 ? 1.0f - product / lengths : 1.0f; /* a zero vector is orthogonal to everything */
}
