/**
 * External merge sort of rows of one size in a memory budget. The order is memcmp over the whole row, so it
 * is total: it depends on the set of rows alone, never on budget, run boundaries or insertion order.
 */
#ifndef GOSSET_INDEX_SORT_H
#define GOSSET_INDEX_SORT_H

#include "base/file.h"

typedef struct gosset__sorter gosset__sorter;

/** Least memory of the two phases. */
size_t gosset__sorter_minimum(size_t row_size);

/** Temporary files are made in `directory`. `memory`: bytes the sorter may hold while rows come in. */
gosset_status gosset__sorter_create(gosset__sorter **out, const char *directory, size_t row_size, size_t memory,
                                    const gosset__env *env);
/** Room for one more row; the caller fills row_size bytes before the next call. */
gosset_status gosset__sorter_push(gosset__sorter *sorter, uint8_t **row);
/** Ends the input. `memory`: bytes the sorter may hold from now on; rows are spilled if that needs it. */
gosset_status gosset__sorter_finish(gosset__sorter *sorter, size_t memory);
/** Rows in order; *row stays valid until the next call; NULL at the end. */
gosset_status gosset__sorter_next(gosset__sorter *sorter, const uint8_t **row);
/** Sorted runs written so far (0 = all rows are in memory), and passes over them before the last. */
uint32_t gosset__sorter_runs(const gosset__sorter *sorter);
void gosset__sorter_free(gosset__sorter *sorter); /* NULL is fine; removes the temporary files */

#endif
