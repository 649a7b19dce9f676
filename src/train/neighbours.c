/*
 * A block of queries meets the base block by block: one matrix product fills a tile that stays in the second-level
 * cache, then each row of the tile is compared with that query's k-th best so far. Nearly all products fail that
 * comparison, so it runs over 32 columns at once; those that pass go to a list four times too long, which is cut back
 * to the k best when it is full (a heap costs five times as much: one mispredicted descent per candidate).
 */
#include "train/neighbours.h"
#include "base/status.h"
#include "train/blas.h"
#include "train/numeric.h"

#include <math.h>
#include <stdlib.h>

enum { QUERY_BLOCK = 192, BASE_BLOCK = 1024, STRIP = 32, CAPACITY = 4, ITEMS_PER_TICK = 16 };

typedef struct candidate {
    float score; /* <q, x> - |x|^2 / 2: larger is nearer */
    uint32_t id;
} candidate;

typedef struct search {
    const gosset__neighbours_task *task;
    float *half_norms;       /* base_count */
    unsigned char **scratch; /* per worker: tile and lists */
    size_t first_item;
} search;

static inline int better(candidate a, candidate b) {
    return a.score > b.score || (a.score == b.score && a.id < b.id);
}

/* Brings the k best to the front, the worst of them last: quickselect, median of three. */
static void select_best(candidate *items, size_t count, size_t k) {
    size_t low = 0, high = count - 1, target = k - 1;
    while (low < high) {
        candidate a = items[low], b = items[low + (high - low) / 2], c = items[high];
        candidate pivot = better(a, b) ? (better(b, c)   ? b
                                          : better(a, c) ? c
                                                         : a)
                                       : (better(a, c)   ? a
                                          : better(b, c) ? c
                                                         : b);
        size_t i = low, j = high;
        for (;;) { /* Hoare's partition: all items differ, by their ids */
            while (better(items[i], pivot)) i++;
            while (better(pivot, items[j])) j--;
            if (i >= j) break;
            candidate swapped = items[i];
            items[i] = items[j];
            items[j] = swapped;
        }
        if (target == i) return;
        if (target < i)
            high = i - 1;
        else
            low = i + 1;
    }
}

static int compare_best_first(const void *a, const void *b) {
    const candidate *x = a, *y = b;
    return better(*x, *y) ? -1 : better(*y, *x);
}

/* What one query has kept: up to CAPACITY * k candidates, of which those beyond the k best go when it is full. */
typedef struct shortlist {
    candidate *items;
    size_t count;
    float threshold; /* score of the k-th best at the last cleaning: nothing lower can matter */
} shortlist;

static void clean(shortlist *list, uint32_t k) {
    if (list->count <= k) return;
    select_best(list->items, list->count, k);
    list->count = k;
    list->threshold = list->items[k - 1].score;
}

static inline int any_above(const float *products, const float *half_norms, float threshold) {
    int hits = 0;
    for (int j = 0; j < STRIP; j++) hits += products[j] - half_norms[j] > threshold;
    return hits;
}

/* Feeds one row of a tile to a query's list. Ids ascend, so an equal score never displaces an earlier one. */
GOSSET__WIDE static void select_row(const float *products, const float *half_norms, size_t first, size_t count,
                                    uint32_t self, shortlist *list, uint32_t k) {
    for (size_t j = 0; j < count;) {
        size_t end = j + STRIP < count ? j + STRIP : count;
        if (end - j < STRIP || any_above(products + j, half_norms + j, list->threshold)) {
            if (list->count >= (size_t)CAPACITY * k) clean(list, k);
            size_t kept = list->count;
            for (size_t i = j; i < end; i++) { /* written always, counted when it is good: no branch to mispredict */
                float score = products[i] - half_norms[i];
                list->items[kept] = (candidate){score, (uint32_t)(first + i)};
                kept += score > list->threshold && first + i != self;
            }
            list->count = kept;
        }
        j = end;
    }
}

static void write_row(const gosset__neighbours_task *task, size_t query, shortlist *list) {
    const float *q = task->queries + query * task->dimension;
    double norm = 0;
    for (uint32_t i = 0; task->distances && i < task->dimension; i++) norm += (double)q[i] * q[i];
    clean(list, task->k);
    qsort(list->items, list->count, sizeof *list->items, compare_best_first);
    for (size_t r = 0; r < task->k; r++) {
        size_t at = query * task->k + r;
        int found = r < list->count;
        task->ids[at] = found ? list->items[r].id : UINT32_MAX;
        double distance = found ? norm - 2.0 * (double)list->items[r].score : HUGE_VAL;
        if (task->distances) task->distances[at] = distance > 0 ? (float)distance : 0.0f;
    }
}

static gosset_status search_block(void *context, size_t item, uint32_t worker) {
    const search *self = context;
    const gosset__neighbours_task *task = self->task;
    size_t first = (self->first_item + item) * QUERY_BLOCK;
    size_t count = task->query_count - first < QUERY_BLOCK ? task->query_count - first : QUERY_BLOCK;
    size_t room = (size_t)CAPACITY * task->k + 2 * STRIP;
    float *tile = (float *)(void *)self->scratch[worker];
    candidate *items = (candidate *)(void *)(tile + (size_t)QUERY_BLOCK * BASE_BLOCK);
    shortlist lists[QUERY_BLOCK];

    for (size_t q = 0; q < count; q++) lists[q] = (shortlist){items + q * room, 0, -INFINITY};
    for (size_t base = 0; base < task->base_count; base += BASE_BLOCK) {
        size_t columns = task->base_count - base < BASE_BLOCK ? task->base_count - base : BASE_BLOCK;
        gosset__product_bt(count, columns, task->dimension, task->queries + first * task->dimension,
                           task->base + base * task->dimension, 0, tile);
        for (size_t q = 0; q < count; q++)
            select_row(tile + q * columns, self->half_norms + base, base, columns,
                       task->self ? task->self[first + q] : UINT32_MAX, &lists[q], task->k);
    }
    for (size_t q = 0; q < count; q++) write_row(task, first + q, &lists[q]);
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
    size_t scratch_size = (size_t)QUERY_BLOCK * BASE_BLOCK * sizeof(float) +
                          (size_t)QUERY_BLOCK * ((size_t)CAPACITY * task->k + 2 * STRIP) * sizeof(candidate);
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
