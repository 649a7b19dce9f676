/** Exact distances of one query to stored vectors: the same bits as exhaustive search gives. */
#ifndef GOSSET_INDEX_DISTANCE_H
#define GOSSET_INDEX_DISTANCE_H

#include "kernel/kernel.h"

typedef struct gosset__distance {
    const gosset__kernels *kernels;
    gosset_metric metric;
    gosset_type type; /* of the stored vectors */
    uint32_t dimension;
    int native;         /* query and stored vectors have one type: no conversion */
    float query_length; /* cosine only */
    const void *query;  /* borrowed */
    float *converted;   /* scratch: `dimension` floats, used unless native */
} gosset__distance;

/** kernels, metric, type, dimension and converted are set by the caller; the query is f32, or of their type if that is
 *  not f16. */
void gosset__distance_set(gosset__distance *distance, const void *query, gosset_type query_type);
float gosset__distance_to(const gosset__distance *distance, const void *stored);

#endif
