/**
 * The true neighbours of the model's held-out learn vectors in the base, gathered while the base streams by: what an
 * index is calibrated against.
 */
#ifndef GOSSET_API_TRUTH_H
#define GOSSET_API_TRUTH_H

#include "api/nearest.h"
#include "base/pool.h"
#include "kernel/kernel.h"
#include <gosset/model.h>

enum {
    GOSSET__TRUTH_K = 10,       /* neighbours kept of every query, */
    GOSSET__TRUTH_DEEP_K = 100, /* and of the first few, to calibrate large k */
    GOSSET__TRUTH_DEEP_QUERIES = 200,
    GOSSET__TRUTH_QUERIES_MAX = 1000,
    GOSSET__TRUTH_QUERIES_MIN = 400,
    GOSSET__TRUTH_FULL_ROWS = 1000000 /* up to here all queries are used, beyond fewer */
};

/**
 * The lists of all queries one after the other, each nearest first and padded with {infinity, 0, GOSSET_NO_ID}. A
 * neighbour's tag is gosset__address_tag of its cell and code: where to look for it in the index.
 */
typedef struct gosset__truth {
    uint32_t query_count;
    gosset__neighbour *lists;
} gosset__truth;

static inline uint32_t gosset__truth_depth(size_t query) {
    return query < GOSSET__TRUTH_DEEP_QUERIES ? GOSSET__TRUTH_DEEP_K : GOSSET__TRUTH_K;
}
/** Where a query's list starts; of query_count: the number of entries in all. */
static inline size_t gosset__truth_at(size_t query) {
    size_t deep = query < GOSSET__TRUTH_DEEP_QUERIES ? query : GOSSET__TRUTH_DEEP_QUERIES;
    return deep * GOSSET__TRUTH_DEEP_K + (query - deep) * GOSSET__TRUTH_K;
}

uint32_t gosset__address_tag(uint32_t cell, const uint8_t *code, uint32_t code_size);

/**
 * How many of the held-out vectors serve an index of `rows` vectors. Brute force costs queries x rows, so the number
 * falls with the rows once there are many; the first ones stay, hence truths of parts can be merged.
 */
uint32_t gosset__truth_queries(uint32_t held_out, uint64_t rows);

gosset_status gosset__truth_create(gosset__truth *truth, uint32_t query_count, const gosset__env *env);
/** Keeps the nearest of both; `part` has at least as many queries. */
void gosset__truth_merge(gosset__truth *truth, const gosset__truth *part);
void gosset__truth_free(gosset__truth *truth, const gosset__env *env);

/* ---- gathering ------------------------------------------------------------------------------ */

typedef struct gosset__truth_builder gosset__truth_builder;

gosset_status gosset__truth_builder_create(gosset__truth_builder **out, const gosset_model *model, gosset_type type,
                                           const gosset__kernels *kernels, gosset__pool *pool, const gosset__env *env);
/** tags: of the rows' addresses; rows_before: how many rows all earlier calls brought. */
gosset_status gosset__truth_builder_add(gosset__truth_builder *builder, const gosset_vectors *rows, const uint64_t *ids,
                                        const uint32_t *tags, uint64_t rows_before);
gosset_status gosset__truth_builder_finish(gosset__truth_builder *builder, uint64_t rows, gosset__truth *truth);
void gosset__truth_builder_free(gosset__truth_builder *builder); /* NULL is fine */

/** Bytes a builder holds, for the memory budget. */
size_t gosset__truth_builder_size(const gosset_model *model, uint32_t threads);
#endif
