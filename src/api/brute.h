/**
 * Exact k nearest neighbours by brute force, streamed: queries are fixed, base rows pass by once. It is the ground
 * truth of every measurement (exact.c) and of the calibration (truth.c).
 *
 * The distance is the definition the search itself uses: exact integers for u8 and i8, one fixed order of fused
 * multiply-adds for f32, so both give the same bits.
 */
#ifndef GOSSET_API_BRUTE_H
#define GOSSET_API_BRUTE_H

#include "api/nearest.h"
#include "base/pool.h"
#include "kernel/kernel.h"

typedef struct gosset__brute gosset__brute;

typedef struct gosset__brute_config {
    const gosset_vectors *queries; /* copied; finite */
    gosset_type type;              /* of the base; queries of another type make both sides floats */
    gosset_metric metric;
    uint32_t k;
    size_t base_count; /* rows one add will bring at most; with few queries they are shared out to the threads */
} gosset__brute_config;

gosset_status gosset__brute_create(gosset__brute **out, const gosset__brute_config *config,
                                   const gosset__kernels *kernels, gosset__pool *pool, const gosset__env *env);
void gosset__brute_free(gosset__brute *brute); /* NULL is fine */

/** ids NULL: first_id + row. tags NULL: 0. Only the first `active` queries take part. */
gosset_status gosset__brute_add(gosset__brute *brute, const gosset_vectors *rows, const uint64_t *ids,
                                uint64_t first_id, const uint32_t *tags, size_t active);
/** The neighbours of a query, nearest first. Call after the last add; the list belongs to `brute`. */
const gosset__neighbour *gosset__brute_result(gosset__brute *brute, size_t query, uint32_t *count);
#endif
