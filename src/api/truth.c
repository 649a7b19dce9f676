#include "api/truth.h"
#include "api/brute.h"
#include "base/hash.h"
#include "base/status.h"
#include "train/model.h"
#include <gosset/index.h>
#include <math.h>
#include <string.h>

struct gosset__truth_builder {
    gosset__env env;
    gosset__brute *brute; /* NULL when the model holds nothing out */
    uint32_t held_out;
};

uint32_t gosset__truth_queries(uint32_t held_out, uint64_t rows) {
    uint64_t count = GOSSET__TRUTH_QUERIES_MAX;
    if (rows > GOSSET__TRUTH_FULL_ROWS) count = count * GOSSET__TRUTH_FULL_ROWS / rows;
    if (count < GOSSET__TRUTH_QUERIES_MIN) count = GOSSET__TRUTH_QUERIES_MIN;
    return count < held_out ? (uint32_t)count : held_out;
}

gosset_status gosset__truth_create(gosset__truth *truth, uint32_t query_count, const gosset__env *env) {
    size_t entries = gosset__truth_at(query_count);
    truth->query_count = 0;
    truth->lists = gosset__alloc_array(env, entries + 1, sizeof *truth->lists);
    if (!truth->lists) return gosset__no_memory("true neighbours", entries * sizeof *truth->lists);
    truth->query_count = query_count;
    for (size_t i = 0; i < entries; i++) truth->lists[i] = (gosset__neighbour){INFINITY, 0, GOSSET_NO_ID};
    return GOSSET_OK;
}

void gosset__truth_merge(gosset__truth *truth, const gosset__truth *part) {
    for (uint32_t q = 0; q < truth->query_count && q < part->query_count; q++) {
        gosset__neighbour both[2 * GOSSET__TRUTH_DEEP_K], *list = truth->lists + gosset__truth_at(q);
        uint32_t depth = gosset__truth_depth(q);
        memcpy(both, list, depth * sizeof *list);
        memcpy(both + depth, part->lists + gosset__truth_at(q), depth * sizeof *list);
        gosset__nearest_sort(both, 2 * depth);
        memcpy(list, both, depth * sizeof *list);
    }
}

uint32_t gosset__address_tag(uint32_t cell, const uint8_t *code, uint32_t code_size) {
    return (uint32_t)gosset__hash(code, code_size, cell);
}

void gosset__truth_free(gosset__truth *truth, const gosset__env *env) {
    gosset__free(env, truth->lists);
    *truth = (gosset__truth){0, NULL};
}

/* Held-out vectors are kept as floats. When all are numbers of the stored type, the integer kernels can be used; the
 * distances are then those of a caller who queries with that type. */
static int fits(const gosset_vectors *floats, gosset_type type) {
    const float *x = floats->data;
    float low = type == GOSSET_U8 ? 0.0f : -128.0f, high = type == GOSSET_U8 ? 255.0f : 127.0f;
    for (size_t i = 0; i < floats->count * floats->dimension; i++)
        if (!(x[i] >= low && x[i] <= high && x[i] == rintf(x[i]))) return 0;
    return 1;
}

static void narrow(const gosset_vectors *floats, gosset_type type, void *out) {
    const float *x = floats->data;
    for (size_t i = 0; i < floats->count * floats->dimension; i++)
        if (type == GOSSET_U8)
            ((uint8_t *)out)[i] = (uint8_t)x[i];
        else
            ((int8_t *)out)[i] = (int8_t)x[i];
}

gosset_status gosset__truth_builder_create(gosset__truth_builder **out, const gosset_model *model, gosset_type type,
                                           const gosset__kernels *kernels, gosset__pool *pool, const gosset__env *env) {
    gosset_status status = GOSSET_OK;
    void *narrowed = NULL;
    gosset_vectors queries = gosset__model_held_out(model);
    gosset_model_info info = {.struct_size = sizeof info};
    gosset__truth_builder *builder = gosset__alloc_zero(env, sizeof *builder);
    *out = NULL;
    if (!builder) return gosset__no_memory("calibration", sizeof *builder);
    builder->env = *env;
    GOSSET_TRY(gosset_model_describe(model, &info));
    builder->held_out = (uint32_t)queries.count;
    if (queries.count > GOSSET__TRUTH_QUERIES_MAX) queries.count = GOSSET__TRUTH_QUERIES_MAX;
    if (queries.count && type != GOSSET_F32 && fits(&queries, type)) {
        size_t size = queries.count * queries.dimension;
        narrowed = gosset__alloc(env, size);
        if (!narrowed) GOSSET_TRY(gosset__no_memory("calibration queries", size));
        narrow(&queries, type, narrowed);
        queries.data = narrowed, queries.type = type, queries.stride = 0;
    }
    if (queries.count) {
        gosset__brute_config config = {&queries, type, info.metric, GOSSET__TRUTH_DEEP_K, 0};
        GOSSET_TRY(gosset__brute_create(&builder->brute, &config, kernels, pool, env));
    }
    *out = builder;
    builder = NULL;
out:
    gosset__free(env, narrowed);
    gosset__truth_builder_free(builder);
    return status;
}

gosset_status gosset__truth_builder_add(gosset__truth_builder *builder, const gosset_vectors *rows, const uint64_t *ids,
                                        const uint32_t *tags, uint64_t rows_before) {
    if (!builder->brute) return GOSSET_OK;
    return gosset__brute_add(builder->brute, rows, ids, 0, tags, gosset__truth_queries(builder->held_out, rows_before));
}

gosset_status gosset__truth_builder_finish(gosset__truth_builder *builder, uint64_t rows, gosset__truth *truth) {
    gosset_status status = gosset__truth_create(truth, gosset__truth_queries(builder->held_out, rows), &builder->env);
    for (uint32_t q = 0; status == GOSSET_OK && q < truth->query_count; q++) {
        uint32_t count, depth = gosset__truth_depth(q);
        const gosset__neighbour *list = gosset__brute_result(builder->brute, q, &count);
        memcpy(truth->lists + gosset__truth_at(q), list, (count < depth ? count : depth) * sizeof *list);
    }
    return status;
}

void gosset__truth_builder_free(gosset__truth_builder *builder) {
    if (!builder) return;
    gosset__env env = builder->env;
    gosset__brute_free(builder->brute);
    gosset__free(&env, builder);
}

size_t gosset__truth_builder_size(const gosset_model *model, uint32_t threads) {
    gosset_vectors queries = gosset__model_held_out(model);
    size_t count = queries.count < GOSSET__TRUTH_QUERIES_MAX ? queries.count : GOSSET__TRUTH_QUERIES_MAX;
    return count * (queries.dimension * sizeof(float) + 2 * GOSSET__TRUTH_DEEP_K * sizeof(gosset__neighbour)) +
           (size_t)threads * (64u << 10);
}
