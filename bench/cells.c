#include "cells.h"
#include "data.h"

#include <stdlib.h>
#include <string.h>

struct cell_counter {
    size_t rows;
    uint32_t cells;
    uint64_t *size;    /* cells: rows of each */
    uint64_t *found;   /* cells: true neighbours in the cell that is visited at this place */
    uint64_t *scanned; /* cells: rows in the cells up to this place, over all queries */
    uint32_t *place;   /* cells: of the query at hand */
    uint64_t queries;
};

static void *zeros(size_t count, size_t size) {
    void *memory = bench_memory(count * size);
    memset(memory, 0, count * size);
    return memory;
}

cell_counter *cells_create(const uint32_t *cell_of_row, size_t rows, uint32_t cells) {
    cell_counter *counter = zeros(1, sizeof *counter);
    counter->rows = rows;
    counter->cells = cells;
    counter->size = zeros(cells, sizeof *counter->size);
    counter->found = zeros(cells, sizeof *counter->found);
    counter->scanned = zeros(cells, sizeof *counter->scanned);
    counter->place = zeros(cells, sizeof *counter->place);
    for (size_t row = 0; row < rows; row++) {
        if (cell_of_row[row] >= cells) bench_fail("row %zu is in cell %u of %u", row, cell_of_row[row], cells);
        counter->size[cell_of_row[row]]++;
    }
    return counter;
}

void cells_free(cell_counter *counter) {
    if (!counter) return;
    free(counter->size);
    free(counter->found);
    free(counter->scanned);
    free(counter->place);
    free(counter);
}

void cells_query(cell_counter *counter, const uint32_t *order, const uint32_t *true_cells) {
    uint64_t rows = 0;
    for (uint32_t place = 0; place < counter->cells; place++) {
        rows += counter->size[order[place]];
        counter->scanned[place] += rows;
        counter->place[order[place]] = place;
    }
    for (int i = 0; i < CELLS_TRUE; i++) counter->found[counter->place[true_cells[i]]]++;
    counter->queries++;
}

uint32_t cells_used(const cell_counter *counter) {
    uint32_t used = 0;
    for (uint32_t cell = 0; cell < counter->cells; cell++) used += counter->size[cell] > 0;
    return used;
}

uint64_t cells_largest(const cell_counter *counter) {
    uint64_t largest = 0;
    for (uint32_t cell = 0; cell < counter->cells; cell++)
        if (counter->size[cell] > largest) largest = counter->size[cell];
    return largest;
}

double cells_imbalance(const cell_counter *counter) {
    double squares = 0;
    for (uint32_t cell = 0; cell < counter->cells; cell++)
        squares += (double)counter->size[cell] * (double)counter->size[cell];
    return squares * counter->cells / ((double)counter->rows * (double)counter->rows);
}

cells_reach cells_at(const cell_counter *counter, uint32_t probe) {
    uint64_t found = 0;
    if (probe == 0 || counter->queries == 0) return (cells_reach){0, 0};
    if (probe > counter->cells) probe = counter->cells;
    for (uint32_t place = 0; place < probe; place++) found += counter->found[place];
    const double queries = (double)counter->queries;
    return (cells_reach){(double)found / (queries * CELLS_TRUE),
                         (double)counter->scanned[probe - 1] / (queries * (double)counter->rows)};
}

uint32_t cells_for(const cell_counter *counter, double recall) {
    const uint64_t all = counter->queries * CELLS_TRUE;
    uint64_t found = 0;
    for (uint32_t place = 0; place < counter->cells; place++) {
        found += counter->found[place];
        if ((double)found >= recall * (double)all) return place + 1;
    }
    return counter->cells;
}
