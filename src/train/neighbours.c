/*
 * A block of queries meets the base block by block: one matrix product fills a tile that stays in the second-level
 * cache, then each row of the tile is compared with that query's k-th best so far. Nearly all products fail that
 * comparison, so it runs over 32 columns at once and touches the heap only for those that pass.
 */
#include "train/neighbours.h"
#include "base/status.h"
#include "train/blas.h"
#include "train/numeric.h"

#include <math.h>

enum { QUERY_BLOCK = 192, BASE_BLOCK = 1024, STRIP = 32, ITEMS_PER_TICK = 16 };

typedef struct candidate {
    float score; /* <q, x> - |x|^2 / 2: larger is nearer */
    uint32_t id;
} candidate;

typedef struct search {
    const gosset__neighbours_task *task;
    float *half_norms;       /* base_count */
    unsigned char **scratch; /* per worker: tile and heaps */
    size_t first_item;
} search;

/* The worse of two: smaller score, then larger id. */
static inline int worse(candidate a, candidate b) {
    return a.score < b.score || (a.score == b.score && a.id > b.id);
}

/* Heap with the worst candidate on top. */
static void sift_down(candidate *heap, size_t count, candidate item) {
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= count) break;
        if (child + 1 < count && worse(heap[child + 1], heap[child])) child++;
        if (!worse(heap[child], item)) break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = item;
}

static inline int any_above(const float *products, const float *half_norms, float threshold) {
    int hits = 0;
    for (int j = 0; j < STRIP; j++) hits += products[j] - half_norms[j] > threshold;
    return hits;
}

/* Feeds one row of a tile to a query's heap. Ids ascend, so an equal score never displaces an earlier one. */
GOSSET__WIDE static void select_row(const float *products, const float *half_norms, size_t first, size_t count, uint32_t self,
                       candidate *heap, uint32_t k) {
    size_t j = 0;
    while (j < count) {
        size_t end = j + STRIP < count ? j + STRIP : count;
        if (end - j < STRIP || any_above(products + j, half_norms + j, heap[0].score))
            for (size_t i = j; i < end; i++) {
                float score = products[i] - half_norms[i];
                if (score > heap[0].score && first + i != self)
                    sift_down(heap, k, (candidate){score, (uint32_t)(first + i)});
            }
        j = end;
    }
}

/* Empties a heap into a row of the result, best first. */
static void write_row(const gosset__neighbours_task *task, size_t query, candidate *heap) {
    const float *q = task->queries + query * task->dimension;
    double norm = 0;
    for (uint32_t i = 0; task->distances && i < task->dimension; i++) norm += (double)q[i] * q[i];
    for (size_t left = task->k; left > 0; left--) {
        candidate worst = heap[0];
        size_t at = query * task->k + left - 1;
        task->ids[at] = worst.id;
        double distance = norm - 2.0 * (double)worst.score;
        if (task->distances)
            task->distances[at] = worst.id == UINT32_MAX ? INFINITY : distance > 0 ? (float)distance : 0.0f;
        sift_down(heap, left - 1, heap[left - 1]);
    }
}

static gosset_status search_block(void *context, size_t item, uint32_t worker) {
    const search *self = context;
    const gosset__neighbours_task *task = self->task;
    size_t first = (self->first_item + item) * QUERY_BLOCK;
    size_t count = task->query_count - first < QUERY_BLOCK ? task->query_count - first : QUERY_BLOCK;
    float *tile = (float *)self->scratch[worker];
    candidate *heaps = (candidate *)(tile + (size_t)QUERY_BLOCK * BASE_BLOCK);

    for (size_t i = 0; i < count * task->k; i++) heaps[i] = (candidate){-INFINITY, UINT32_MAX};
    for (size_t base = 0; base < task->base_count; base += BASE_BLOCK) {
        size_t columns = task->base_count - base < BASE_BLOCK ? task->base_count - base : BASE_BLOCK;
        gosset__product_bt(count, columns, task->dimension, task->queries + first * task->dimension,
                           task->base + base * task->dimension, 0, tile);
        for (size_t q = 0; q < count; q++)
            select_row(tile + q * columns, self->half_norms + base, base, columns,
                       task->self ? task->self[first + q] : UINT32_MAX, heaps + q * task->k, task->k);
    }
    for (size_t q = 0; q < count; q++) write_row(task, first + q, heaps + q * task->k);
    return GOSSET_OK;
}

static void fill_half_norms(search *self) {
    const gosset__neighbours_task *task = self->task;
    for (size_t r = 0; r < task->base_count; r++) {
        const float *row = task->base + r * task->dimension;
        double norm = 0;
        for (uint32_t i = 0; i < task->dimension; i++) norm += (double)row[i] * row[i];
        self->half_norms[r] = (float)(norm / 2);
    }
}

static gosset_status run_blocks(search *self, gosset__pool *pool, const gosset__env *env) {
    gosset__ticker ticker;
    gosset__ticker_start(&ticker, env);
    double started = gosset__seconds();
    size_t items = (self->task->query_count + QUERY_BLOCK - 1) / QUERY_BLOCK;
    for (size_t done = 0; done < items;) {
        size_t count = items - done < ITEMS_PER_TICK ? items - done : ITEMS_PER_TICK;
        self->first_item = done;
        gosset_status status = gosset__pool_run(pool, count, search_block, self);
        if (status != GOSSET_OK) return status;
        done += count;
        if (!self->task->phase) continue;
        size_t rows = done * QUERY_BLOCK < self->task->query_count ? done * QUERY_BLOCK : self->task->query_count;
        double left = (gosset__seconds() - started) / (double)done * (double)(items - done);
        status = gosset__tick(&ticker, &(gosset_progress){.phase = self->task->phase,
                                                          .done = rows,
                                                          .total = self->task->query_count,
                                                          .seconds_left = left});
        if (status != GOSSET_OK) return status;
    }
    return GOSSET_OK;
}

gosset_status gosset__neighbours(const gosset__neighbours_task *task, gosset__pool *pool, const gosset__env *env) {
    gosset_status status = GOSSET_OK;
    uint32_t threads = gosset__pool_threads(pool);
    size_t scratch_size =
        (size_t)QUERY_BLOCK * BASE_BLOCK * sizeof(float) + (size_t)QUERY_BLOCK * task->k * sizeof(candidate);
    search self = {.task = task};
    self.half_norms = gosset__alloc_array(env, task->base_count, sizeof(float));
    self.scratch = gosset__alloc_zero(env, threads * sizeof *self.scratch);
    int complete = self.half_norms && self.scratch;
    for (uint32_t i = 0; complete && i < threads; i++) {
        self.scratch[i] = gosset__alloc(env, scratch_size);
        complete = self.scratch[i] != NULL;
    }
    if (!complete) {
        status = gosset__no_memory("neighbour search", scratch_size * threads);
        goto out;
    }
    fill_half_norms(&self);
    GOSSET_TRY(run_blocks(&self, pool, env));
out:
    for (uint32_t i = 0; self.scratch && i < threads; i++) gosset__free(env, self.scratch[i]);
    gosset__free(env, self.scratch);
    gosset__free(env, self.half_norms);
    return status;
}
