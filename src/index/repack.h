/**
 * Order of the rows of one cell on the pages: near vectors share a page, so a query reads fewer of them. The
 * result depends on the rows and on the page boundaries alone.
 */
#ifndef GOSSET_INDEX_REPACK_H
#define GOSSET_INDEX_REPACK_H

#include "index/store.h"

typedef struct gosset__repacker {
    const gosset__env *env;
    gosset__layout layout;
    size_t row_size, vector_offset;
    uint8_t *rows;   /* max_rows x row_size */
    uint32_t *order; /* max_rows: the result */
    float *keys;     /* max_rows */
    float *scratch;  /* four vectors */
    uint64_t start;  /* row number, within its shard, of rows[0] */
} gosset__repacker;

/** Rows of a larger cell are repacked in pieces of this many: a number of the format, not of the machine, so
 *  that every memory budget gives the same files. */
size_t gosset__repack_piece(const gosset__layout *layout, size_t row_size);
/** Bytes a repacker for this many rows holds. */
size_t gosset__repack_memory(const gosset__layout *layout, size_t row_size, size_t max_rows);

gosset_status gosset__repacker_open(gosset__repacker *repacker, const gosset__layout *layout, size_t row_size,
                                    size_t max_rows, const gosset__env *env);
/** Fills repacker->order with a permutation of 0..count-1 for the rows in repacker->rows. */
void gosset__repacker_run(gosset__repacker *repacker, uint32_t count, uint64_t start);
void gosset__repacker_close(gosset__repacker *repacker);

#endif
