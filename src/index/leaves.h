/**
 * Leaves: 32 rows of a cell that follow each other. Repacking puts near vectors there, so a sketch of where a leaf's
 * codes lie on average (codec.h) tells queries which leaves are worth comparing code by code. That pays where cells are
 * large; the calibration finds out. Made of the codes as these pass by; the files know nothing of it.
 */
#ifndef GOSSET_INDEX_LEAVES_H
#define GOSSET_INDEX_LEAVES_H

#include "index/store.h"
#include "lattice/codec.h"
#include <stdbool.h>

typedef struct gosset__leaves {
    uint32_t *first; /* cells + 1: the number of a cell's first leaf */
    uint32_t count;
    gosset__leaf_sketches sketches;
    size_t held; /* bytes */
} gosset__leaves;

/** Makes them, of all packed codes in the order of their rows, once a store and by one thread. The store owns what is
 *  made from the start on; it is complete once the last row was taken. */
typedef struct gosset__leaves_maker {
    gosset__store *store;
    const gosset__codec *codec;
    uint64_t row, end; /* next; of its leaf */
    uint32_t cell, leaf, count;
    float sums[GOSSET__LEAF_PLACES];
} gosset__leaves_maker;
gosset_status gosset__leaves_begin(gosset__leaves_maker *maker, gosset__store *store, const gosset__codec *codec);
void gosset__leaves_take(gosset__leaves_maker *maker, const uint8_t *codes, size_t count);
/** Bytes they take. */
size_t gosset__leaves_size(const gosset__store *store, const gosset__codec *codec);
void gosset__leaves_free(gosset__leaves *leaves, const gosset__env *env);

/** Leaves of a cell that follow each other: the first has the rows [first, first_end), the others the next ones, the
 *  last up to `end`. Without leaves, rows that follow each other, as one. */
typedef struct gosset__slice {
    uint64_t first, first_end, end;
    uint32_t leaf, count; /* number of the first leaf; leaves */
} gosset__slice;
enum { GOSSET__LEAF_ROWS = 32, GOSSET__SLICE_ROWS = GOSSET__LEAF_ROWS * GOSSET__LEAVES_MAX };

/** The slice of [first, end), rows of one cell, that begins with leaf `leaf`. */
static inline gosset__slice gosset__slice_begin(const gosset__store *store, uint64_t first, uint64_t end,
                                                uint32_t leaf) {
    gosset__slice slice = {.first = first, .leaf = leaf, .count = 1};
    const uint64_t most =
        first / GOSSET__LEAF_ROWS * GOSSET__LEAF_ROWS + (uint64_t)GOSSET__LEAF_ROWS * GOSSET__LEAVES_MAX;
    slice.end = end < most ? end : most;
    slice.first_end = first / GOSSET__LEAF_ROWS * GOSSET__LEAF_ROWS + GOSSET__LEAF_ROWS;
    if (store->leaves == NULL || slice.first_end >= slice.end)
        slice.first_end = slice.end;
    else
        slice.count = (uint32_t)((slice.end - 1) / GOSSET__LEAF_ROWS - first / GOSSET__LEAF_ROWS) + 1;
    return slice;
}

/** All leaves of it. */
static inline uint64_t gosset__slice_all(const gosset__slice *slice) {
    return UINT64_MAX >> (GOSSET__LEAVES_MAX - slice->count);
}
/** Of its leaves those whose squared distance from a query exceeds that of their cell by no more than the margin; all,
 *  if that is infinite. `view`: of the query, for the cell's group. */
uint64_t gosset__slice_within(const gosset__store *store, const gosset__codec *codec, const gosset__slice *slice,
                              uint32_t cell, const void *view, float margin);
/** The first rows [row, end) of `leaves` that follow each other, which then are left without these; false: none. */
static inline bool gosset__slice_rows(const gosset__slice *slice, uint64_t *leaves, uint64_t *row, uint64_t *end) {
    if (*leaves == 0) return false;
    const uint32_t from = (uint32_t)__builtin_ctzll(*leaves);
    const uint64_t ones = ~(*leaves >> from);
    const uint32_t to = from + (ones != 0 ? (uint32_t)__builtin_ctzll(ones) : 64);
    const uint64_t after = slice->first_end + (uint64_t)(to - 1) * GOSSET__LEAF_ROWS;
    *row = from == 0 ? slice->first : slice->first_end + (uint64_t)(from - 1) * GOSSET__LEAF_ROWS;
    *end = after < slice->end ? after : slice->end;
    *leaves = to < 64 ? *leaves >> to << to : 0;
    return true;
}
/** The first blocks [block, end) that hold them. */
static inline bool gosset__slice_take(const gosset__slice *slice, uint64_t *leaves, uint64_t *block, uint64_t *end) {
    uint64_t row, after;
    if (!gosset__slice_rows(slice, leaves, &row, &after)) return false;
    *block = row / GOSSET__SCAN_BLOCK;
    *end = (after + GOSSET__SCAN_BLOCK - 1) / GOSSET__SCAN_BLOCK;
    return true;
}

/** Asks for the sketches of a cell's first leaves. */
void gosset__leaves_prefetch(const gosset__store *store, const gosset__codec *codec, uint32_t cell);

#endif
