/*
 * Near neighbours of every row without comparing all with all: rows are dealt out to cells, and those of a cell are
 * compared exactly with those of the cell and of the three next to it.
 */
#include "datasets/grow_private.h"

#include <gosset/index.h>
#include <stdlib.h>
#include <string.h>

enum {
    CELL_ROWS = 1024, /* rows of a cell on average */
    CELLS_SEARCHED = 4
};

/* Rows in the order of their cells: those of cell c are order[start[c]] .. order[start[c + 1] - 1]. */
typedef struct cell_lists {
    uint32_t count;
    gosset_vectors centroids;
    uint64_t *cells;   /* of each row */
    uint64_t *nearest; /* count x CELLS_SEARCHED */
    uint32_t *start, *order;
    uint8_t *rows, *candidates; /* gathered */
    uint32_t *candidate_ids;
    uint64_t *found;
    size_t rows_capacity, candidates_capacity;
} cell_lists;

static gosset_status exact(const grow *self, const gosset_vectors *base, const gosset_vectors *queries, uint32_t k,
                           uint64_t *ids) {
    const gosset_env env = {.struct_size = sizeof env, .threads = self->config.threads};
    const gosset_status status = gosset_exact_search(base, queries, GOSSET_L2, k, ids, NULL, &env);
    return status == GOSSET_OK ? status : dataset_fail(status, "%s", gosset_last_error());
}

/* Centroids are rows of the base, one from each stretch of equal length: no two the same row. */
static gosset_status choose_centroids(const grow *self, cell_lists *lists) {
    const uint64_t rows = self->base.count, count = lists->count;
    uint8_t *data = malloc(count * self->row_size);
    if (!data) return grow_no_memory();
    for (uint64_t cell = 0; cell < count; cell++) {
        const uint64_t first = cell * rows / count, after = (cell + 1) * rows / count;
        const uint64_t row = first + grow_mix(self->config.seed ^ grow_mix(cell)) % (after - first);
        memcpy(data + cell * self->row_size, grow_row_at(self, row), self->row_size);
    }
    lists->centroids = self->base;
    lists->centroids.data = data;
    lists->centroids.count = count;
    lists->centroids.stride = 0;
    return GOSSET_OK;
}

static gosset_status sort_into_cells(const grow *self, cell_lists *lists) {
    const uint64_t rows = self->base.count;
    lists->cells = malloc(rows * sizeof *lists->cells);
    lists->nearest = malloc((size_t)lists->count * CELLS_SEARCHED * sizeof *lists->nearest);
    lists->start = calloc((size_t)lists->count + 2, sizeof *lists->start);
    lists->order = malloc(rows * sizeof *lists->order);
    if (!lists->cells || !lists->nearest || !lists->start || !lists->order) return grow_no_memory();
    gosset_status status = exact(self, &lists->centroids, &self->base, 1, lists->cells);
    if (status == GOSSET_OK) status = exact(self, &lists->centroids, &lists->centroids, CELLS_SEARCHED, lists->nearest);
    if (status != GOSSET_OK) return status;
    for (uint64_t row = 0; row < rows; row++) lists->start[lists->cells[row] + 2]++;
    for (uint32_t cell = 0; cell < lists->count; cell++) lists->start[cell + 2] += lists->start[cell + 1];
    for (uint64_t row = 0; row < rows; row++) lists->order[lists->start[lists->cells[row] + 1]++] = (uint32_t)row;
    return GOSSET_OK;
}

static int reserve(void *pointer, size_t count, size_t size) {
    void *grown = realloc(*(void **)pointer, count * size);
    if (grown) *(void **)pointer = grown;
    return grown != NULL;
}

static size_t gather(const grow *self, const cell_lists *lists, uint64_t cell, uint8_t *rows, uint32_t *ids) {
    size_t count = 0;
    for (uint32_t i = lists->start[cell]; i < lists->start[cell + 1]; i++, count++) {
        memcpy(rows + count * self->row_size, grow_row_at(self, lists->order[i]), self->row_size);
        if (ids) ids[count] = lists->order[i];
    }
    return count;
}

/* Into the table: the first K found that are not the row itself. Too few candidates are repeated. */
static void keep(grow *self, uint64_t row, const uint64_t *found, const uint32_t *ids) {
    const uint32_t wanted = self->config.neighbours;
    uint32_t *out = self->neighbours + row * wanted, count = 0;
    for (uint32_t i = 0; i <= wanted && count < wanted; i++)
        if (found[i] != GOSSET_NO_ID && ids[found[i]] != row) out[count++] = ids[found[i]];
    if (count == 0) out[count++] = (uint32_t)row;
    for (uint32_t i = 0; count < wanted; i++) out[count++] = out[i];
}

static gosset_status search_cell(grow *self, cell_lists *lists, uint32_t cell) {
    const uint32_t k = self->config.neighbours + 1;
    const uint64_t *nearest = lists->nearest + (size_t)cell * CELLS_SEARCHED;
    const size_t own = lists->start[cell + 1] - lists->start[cell];
    size_t all = own, count = 0;
    int is_in = 0;
    if (own == 0) return GOSSET_OK;
    for (int i = 0; i < CELLS_SEARCHED; i++)
        if (nearest[i] != GOSSET_NO_ID) all += lists->start[nearest[i] + 1] - lists->start[nearest[i]];
    if (own > lists->rows_capacity) {
        if (!reserve(&lists->rows, own, self->row_size) || !reserve(&lists->found, own, k * sizeof *lists->found))
            return grow_no_memory();
        lists->rows_capacity = own;
    }
    if (all > lists->candidates_capacity) {
        if (!reserve(&lists->candidates, all, self->row_size) ||
            !reserve(&lists->candidate_ids, all, sizeof *lists->candidate_ids))
            return grow_no_memory();
        lists->candidates_capacity = all;
    }
    gather(self, lists, cell, lists->rows, NULL);
    for (int i = 0; i < CELLS_SEARCHED; i++) {
        if (nearest[i] == GOSSET_NO_ID) continue;
        is_in |= nearest[i] == cell;
        count +=
            gather(self, lists, nearest[i], lists->candidates + count * self->row_size, lists->candidate_ids + count);
    }
    /* Centroids that are the same vector: the nearest need not be the cell's own. */
    if (!is_in)
        count += gather(self, lists, cell, lists->candidates + count * self->row_size, lists->candidate_ids + count);
    gosset_vectors rows = self->base, candidates = self->base;
    rows.stride = candidates.stride = 0;
    rows.data = lists->rows, rows.count = own;
    candidates.data = lists->candidates, candidates.count = count;
    const gosset_status status = exact(self, &candidates, &rows, k, lists->found);
    for (size_t i = 0; i < own && status == GOSSET_OK; i++)
        keep(self, lists->order[lists->start[cell] + i], lists->found + i * k, lists->candidate_ids);
    return status;
}

gosset_status grow_find_neighbours(grow *self) {
    cell_lists lists = {.count = (uint32_t)(self->base.count / CELL_ROWS + 1)};
    gosset_status status = choose_centroids(self, &lists);
    if (status == GOSSET_OK) status = sort_into_cells(self, &lists);
    for (uint32_t cell = 0; cell < lists.count && status == GOSSET_OK; cell++) status = search_cell(self, &lists, cell);
    free((void *)(uintptr_t)lists.centroids.data);
    free(lists.cells);
    free(lists.nearest);
    free(lists.start);
    free(lists.order);
    free(lists.rows);
    free(lists.candidates);
    free(lists.candidate_ids);
    free(lists.found);
    return status;
}
