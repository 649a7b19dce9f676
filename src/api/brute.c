#include "api/brute.h"
#include "api/vectors.h"
#include "base/status.h"
#include <math.h>
#include <string.h>

enum {
    QUERY_GROUP = 32,       /* queries that share a block of rows while it is in the first-level cache */
    BLOCK_BYTES = 24 << 10, /* of rows */
    BLOCK_ROWS_MAX = 256,
    CHUNK_BYTES = 4 << 20, /* rows all groups pass before the next ones: they stay in the outer cache */
    ITEMS_PER_THREAD = 4
};

struct gosset__brute {
    gosset__env env;
    const gosset__kernels *kernels;
    gosset__pool *pool;
    gosset_type type; /* in which distances are taken */
    gosset_metric metric;
    uint32_t k, dimension, block_rows;
    size_t query_count, row_size, segments;
    uint8_t *queries;         /* query_count x row_size */
    float *query_norms;       /* cosine only */
    gosset__neighbour *lists; /* segments x query_count x k */
    uint32_t *counts;         /* segments x query_count */
    float *rows;              /* per worker: block_rows x dimension, rows turned into floats; NULL if never needed */
    float *row_norms;         /* per worker: block_rows */
};

/* One add, as the workers see it. */
typedef struct task {
    gosset__brute *brute;
    const gosset_vectors *rows;
    const uint64_t *ids;
    const uint32_t *tags;
    uint64_t first_id;
    size_t first, count, active, groups;
} task;

static float dot(const gosset__brute *b, const void *x, const void *y) {
    if (b->type == GOSSET_U8) return (float)b->kernels->dot_u8(x, y, b->dimension);
    if (b->type == GOSSET_I8) return (float)b->kernels->dot_i8(x, y, b->dimension);
    return b->kernels->dot_f32(x, y, b->dimension);
}

static float distance(const gosset__brute *b, const void *query, float query_norm, const void *row, float row_norm) {
    if (b->metric == GOSSET_IP) return 0.0f - dot(b, query, row); /* no negative zero */
    if (b->metric == GOSSET_COSINE) {
        float lengths = query_norm * row_norm;
        return lengths > 0 ? 1.0f - dot(b, query, row) / lengths : 1.0f;
    }
    if (b->type == GOSSET_U8) return (float)b->kernels->l2_u8(query, row, b->dimension);
    if (b->type == GOSSET_I8) return (float)b->kernels->l2_i8(query, row, b->dimension);
    return b->kernels->l2_f32(query, row, b->dimension);
}

/* All queries of one group against one block of rows. */
static void score_block(const task *t, size_t group, size_t segment, size_t first, size_t count, const char *rows,
                        size_t stride, const float *norms) {
    gosset__brute *b = t->brute;
    size_t end = (group + 1) * QUERY_GROUP < t->active ? (group + 1) * QUERY_GROUP : t->active;
    for (size_t q = group * QUERY_GROUP; q < end; q++) {
        size_t list = segment * b->query_count + q;
        gosset__neighbour *heap = b->lists + list * b->k;
        const void *query = b->queries + q * b->row_size;
        float norm = b->query_norms ? b->query_norms[q] : 0;
        float worst = b->counts[list] == b->k ? heap[0].distance : INFINITY;
        for (size_t i = 0; i < count; i++) {
            float d = distance(b, query, norm, rows + i * stride, norms ? norms[i] : 0);
            if (!(d <= worst)) continue; /* NaN, from floats near overflow, is no neighbour */
            size_t row = first + i;
            gosset__neighbour found = {d, t->tags ? t->tags[row] : 0, t->ids ? t->ids[row] : t->first_id + row};
            gosset__nearest_offer(heap, &b->counts[list], b->k, found);
            if (b->counts[list] == b->k) worst = heap[0].distance;
        }
    }
}

static gosset_status work(void *context, size_t item, uint32_t worker) {
    const task *t = context;
    gosset__brute *b = t->brute;
    size_t group = item % t->groups, segment = item / t->groups;
    size_t begin = t->first + t->count * segment / b->segments, end = t->first + t->count * (segment + 1) / b->segments;
    size_t stride = t->rows->stride ? t->rows->stride : gosset__vectors_row_size(t->rows);
    float *norms = b->row_norms ? b->row_norms + (size_t)worker * b->block_rows : NULL;
    float *floats = b->rows ? b->rows + (size_t)worker * b->block_rows * b->dimension : NULL;
    /* Floats the caller keeps at odd addresses are moved, too: the kernels may read them as floats. */
    int convert = t->rows->type != b->type ||
                  (b->type == GOSSET_F32 && ((uintptr_t)t->rows->data % sizeof(float) || stride % sizeof(float)));
    for (size_t at = begin; at < end; at += b->block_rows) {
        size_t count = end - at < b->block_rows ? end - at : b->block_rows;
        const char *rows = gosset__vectors_row(t->rows, at);
        size_t step = stride;
        if (convert) {
            gosset__vectors_to_f32(t->rows, at, count, floats);
            rows = (const char *)floats, step = b->row_size;
        }
        for (size_t i = 0; norms && i < count; i++) norms[i] = sqrtf(dot(b, rows + i * step, rows + i * step));
        score_block(t, group, segment, at, count, rows, step, norms);
    }
    return GOSSET_OK;
}

gosset_status gosset__brute_add(gosset__brute *brute, const gosset_vectors *rows, const uint64_t *ids,
                                uint64_t first_id, const uint32_t *tags, size_t active) {
    task t = {.brute = brute, .rows = rows, .ids = ids, .tags = tags, .first_id = first_id};
    t.active = active < brute->query_count ? active : brute->query_count;
    t.groups = (t.active + QUERY_GROUP - 1) / QUERY_GROUP;
    size_t chunk = brute->segments > 1 ? rows->count : CHUNK_BYTES / gosset__vectors_row_size(rows) + 1;
    for (; t.first < rows->count && t.groups; t.first += t.count) {
        t.count = rows->count - t.first < chunk ? rows->count - t.first : chunk;
        gosset_status status = gosset__pool_run(brute->pool, t.groups * brute->segments, work, &t);
        if (status != GOSSET_OK) return status;
    }
    return GOSSET_OK;
}

/* With fewer groups of queries than the threads want, the rows are split as well; each part keeps its own lists. */
static size_t choose_segments(size_t query_count, size_t base_count, uint32_t threads) {
    size_t groups = (query_count + QUERY_GROUP - 1) / QUERY_GROUP, wanted = (size_t)threads * ITEMS_PER_THREAD;
    if (threads < 2 || groups == 0 || groups >= wanted || base_count < 4096) return 1;
    return (wanted + groups - 1) / groups;
}

static gosset_status allocate(gosset__brute *b, const gosset_vectors *queries, uint32_t threads) {
    const gosset__env *env = &b->env;
    size_t lists = b->segments * b->query_count + 1;
    b->queries = gosset__alloc_array(env, b->query_count + 1, b->row_size);
    b->lists = gosset__alloc_array(env, lists, b->k * sizeof *b->lists);
    b->counts = gosset__alloc_zero(env, lists * sizeof *b->counts);
    if (!b->queries || !b->lists || !b->counts)
        return gosset__no_memory("neighbour lists", lists * b->k * sizeof *b->lists);
    if (b->type == GOSSET_F32) {
        b->rows = gosset__alloc_array(env, threads, (size_t)b->block_rows * b->row_size);
        if (!b->rows) return gosset__no_memory("a block of rows", (size_t)threads * b->block_rows * b->row_size);
        gosset__vectors_to_f32(queries, 0, b->query_count, (float *)(void *)b->queries);
    } else {
        gosset__vectors_copy(queries, 0, b->query_count, b->queries);
    }
    if (b->metric != GOSSET_COSINE) return GOSSET_OK;
    b->query_norms = gosset__alloc_array(env, b->query_count + 1, sizeof *b->query_norms);
    b->row_norms = gosset__alloc_array(env, threads, b->block_rows * sizeof *b->row_norms);
    if (!b->query_norms || !b->row_norms) return gosset__no_memory("lengths", b->query_count * sizeof(float));
    for (size_t q = 0; q < b->query_count; q++) {
        const void *query = b->queries + q * b->row_size;
        b->query_norms[q] = sqrtf(dot(b, query, query));
    }
    return GOSSET_OK;
}

gosset_status gosset__brute_create(gosset__brute **out, const gosset__brute_config *config,
                                   const gosset__kernels *kernels, gosset__pool *pool, const gosset__env *env) {
    *out = NULL;
    gosset__brute *b = gosset__alloc_zero(env, sizeof *b);
    if (!b) return gosset__no_memory("brute-force search", sizeof *b);
    const gosset_vectors *queries = config->queries;
    uint32_t threads = gosset__pool_threads(pool);
    b->env = *env, b->kernels = kernels, b->pool = pool;
    b->type = queries->type == config->type ? config->type : GOSSET_F32;
    b->metric = config->metric, b->k = config->k, b->dimension = queries->dimension;
    b->query_count = queries->count;
    b->row_size = b->dimension * gosset_type_size(b->type);
    size_t rows = BLOCK_BYTES / b->row_size;
    b->block_rows = (uint32_t)(rows < 4 ? 4 : rows > BLOCK_ROWS_MAX ? BLOCK_ROWS_MAX : rows);
    b->segments = choose_segments(b->query_count, config->base_count, threads);
    gosset_status status = allocate(b, queries, threads);
    if (status != GOSSET_OK) {
        gosset__brute_free(b);
        return status;
    }
    *out = b;
    return GOSSET_OK;
}

const gosset__neighbour *gosset__brute_result(gosset__brute *brute, size_t query, uint32_t *count) {
    gosset__neighbour *list = brute->lists + query * brute->k;
    for (size_t s = 1; s < brute->segments; s++) {
        size_t other = s * brute->query_count + query;
        for (uint32_t i = 0; i < brute->counts[other]; i++)
            gosset__nearest_offer(list, &brute->counts[query], brute->k, brute->lists[other * brute->k + i]);
        brute->counts[other] = 0;
    }
    gosset__nearest_sort(list, brute->counts[query]);
    *count = brute->counts[query];
    return list;
}

void gosset__brute_free(gosset__brute *brute) {
    if (!brute) return;
    gosset__env env = brute->env;
    gosset__free(&env, brute->queries);
    gosset__free(&env, brute->query_norms);
    gosset__free(&env, brute->lists);
    gosset__free(&env, brute->counts);
    gosset__free(&env, brute->rows);
    gosset__free(&env, brute->row_norms);
    gosset__free(&env, brute);
}
