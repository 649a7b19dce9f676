/**
 * What a division of the base into cells is worth, whoever made it: how evenly it divides, and which share of the base
 * must be looked at, best cell first, until the true neighbours are among it. Codes and their errors play no part.
 */
#ifndef GOSSET_BENCH_CELLS_H
#define GOSSET_BENCH_CELLS_H

#include <stddef.h>
#include <stdint.h>

enum { CELLS_TRUE = 10 };

typedef struct cell_counter cell_counter;

/** @param cell_of_row  the cell of each base row, below `cells`; not kept. */
cell_counter *cells_create(const uint32_t *cell_of_row, size_t rows, uint32_t cells);
void cells_free(cell_counter *counter);

/**
 * Counts one query.
 * @param order       all cells, the one a search would visit first in front.
 * @param true_cells  the cells of its CELLS_TRUE nearest base vectors.
 */
void cells_query(cell_counter *counter, const uint32_t *order, const uint32_t *true_cells);

/** Cells that are not empty; rows of the largest. */
uint32_t cells_used(const cell_counter *counter);
uint64_t cells_largest(const cell_counter *counter);
/** cells * sum(n_i^2) / (sum n_i)^2 over all cells, empty ones too (FAISS's imbalance factor); 1 = all equal. */
double cells_imbalance(const cell_counter *counter);

/** Of all queries: share of the true neighbours in the first `probe` cells, and share of the base in these. */
typedef struct cells_reach {
    double recall, scanned;
} cells_reach;
cells_reach cells_at(const cell_counter *counter, uint32_t probe);
/** The fewest cells that reach the recall. */
uint32_t cells_for(const cell_counter *counter, double recall);

#endif
