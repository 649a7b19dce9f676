/* What a search would scan, by the order of cells that a map of queries gives. */
#include "base/status.h"
#include "train/queries.h"

#include <math.h>
#include <string.h>

enum { NEAR = GOSSET__VALIDATION_K, ASSIGN_BLOCK = 512, COVERED_PERCENT = 95 };

typedef struct cost {
    gosset__trainer *trainer;
    const gosset_lattice *cells;
    const gosset__asked *asked;
    size_t rows, cell_count;
    const float *latents, *queries; /* latents of the rows and of the queries */
    uint32_t *cell, *filled;        /* of each row; rows in each cell */
    uint32_t *scanned;              /* of each query and neighbour: rows in better cells */
    int32_t *scores;                /* per worker: of all cells, and scratch */
    size_t scores_size;
} cost;

static gosset_status assign(void *context, size_t item, uint32_t worker) {
    (void)worker;
    const cost *self = context;
    const size_t first = item * ASSIGN_BLOCK, output = self->trainer->shape.output;
    const size_t end = self->rows - first < ASSIGN_BLOCK ? self->rows : first + ASSIGN_BLOCK;
    int8_t point[GOSSET__LATTICE_MAX_DIMENSION];
    gosset__wide rank;
    for (size_t r = first; r < end; r++) {
        self->cells->ops->nearest(self->cells, self->latents + r * output, point);
        self->cells->ops->rank(self->cells, point, &rank);
        self->cell[r] = (uint32_t)rank.word[0];
    }
    return GOSSET_OK;
}

static gosset_status scan(void *context, size_t query, uint32_t worker) {
    const cost *self = context;
    const float scale = 32000; /* scores of 128 coordinates of 127 still fit */
    const float *z = self->queries + query * self->trainer->shape.output;
    const uint32_t *neighbours = self->asked->neighbours + query * self->asked->stride;
    int32_t *scores = self->scores + worker * self->scores_size, whole[GOSSET__LATTICE_MAX_DIMENSION];
    uint32_t better[NEAR] = {0};
    int32_t own[NEAR];
    for (uint32_t i = 0; i < self->cells->dimension; i++) whole[i] = (int32_t)lrintf(z[i] * scale);
    self->cells->ops->scores(self->cells, whole, scores, scores + self->cell_count);
    for (int k = 0; k < NEAR; k++) own[k] = scores[self->cell[neighbours[k]]];
    for (size_t c = 0; c < self->cell_count; c++)
        for (int k = 0; self->filled[c] > 0 && k < NEAR; k++) better[k] += scores[c] > own[k] ? self->filled[c] : 0;
    memcpy(self->scanned + query * NEAR, better, sizeof better);
    return GOSSET_OK;
}

/* The least bound that so many neighbours keep to. */
static uint32_t bound_of(const cost *self) {
    const size_t all = self->asked->count * NEAR, wanted = (all * COVERED_PERCENT + 99) / 100;
    uint32_t low = 0, high = (uint32_t)self->rows;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        size_t within = 0;
        for (size_t i = 0; i < all; i++) within += self->scanned[i] <= middle;
        if (within >= wanted)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

gosset_status gosset__query_cost(gosset__trainer *trainer, const gosset__folded *folded, const float *latents,
                                 size_t rows, const gosset__asked *asked, double *share) {
    const gosset__env *env = &trainer->env;
    const gosset_lattice *cells = trainer->model->cell_lattice;
    gosset_status status;
    cost self = {.trainer = trainer, .cells = cells, .asked = asked, .rows = rows, .latents = latents};
    self.cell_count = (size_t)cells->point_count.word[0];
    self.scores_size = self.cell_count + cells->ops->scores_scratch(cells) + 1;
    float *queries = gosset__alloc_array(env, asked->count * trainer->shape.output, sizeof *queries);
    self.queries = queries;
    self.cell = gosset__alloc_array(env, rows, sizeof *self.cell);
    self.filled = gosset__alloc_zero(env, self.cell_count * sizeof *self.filled);
    self.scanned = gosset__alloc_array(env, asked->count, NEAR * sizeof *self.scanned);
    self.scores = gosset__alloc_array(env, self.scores_size * gosset__pool_threads(trainer->pool), sizeof(int32_t));
    GOSSET_REQUIRE(queries && self.cell && self.filled && self.scanned && self.scores, GOSSET_E_NO_MEMORY,
                   "cells of queries: no memory");
    GOSSET_TRY(gosset__embed(&trainer->shape, folded, asked->inputs, asked->count, queries, trainer->pool, env));
    GOSSET_TRY(gosset__pool_run(trainer->pool, (rows + ASSIGN_BLOCK - 1) / ASSIGN_BLOCK, assign, &self));
    for (size_t r = 0; r < rows; r++) self.filled[self.cell[r]]++;
    GOSSET_TRY(gosset__pool_run(trainer->pool, asked->count, scan, &self));
    *share = (double)bound_of(&self) / (double)rows;
out:
    gosset__free(env, self.scores);
    gosset__free(env, self.scanned);
    gosset__free(env, self.filled);
    gosset__free(env, self.cell);
    gosset__free(env, queries);
    return status;
}
