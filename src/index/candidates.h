/** From a latent to rows worth reading: probe cells, scan their codes, keep the best. Memory only, no I/O. */
#ifndef GOSSET_INDEX_CANDIDATES_H
#define GOSSET_INDEX_CANDIDATES_H

#include "index/leaves.h"
#include "index/store.h"
#include "index/topk.h"
#include "lattice/codec.h"
#include <stdbool.h>
#include <string.h>

enum { GOSSET__BANDS = 4 };      /* of cells, from near to far */
enum { GOSSET__SCAN_PIECE = 4 }; /* blocks compared between two requests for memory ahead */
/** A limit for leaves that is relative to the least distance of a query's cells has this added: 0 says that there is
 *  none. 2^28 are 32 octaves, see gosset__remoteness. */
enum { GOSSET__LEAF_REACH_ZERO = 1 << 28 };
enum { GOSSET__SCAN_ROWS = 4096 }; /* scores held at once: 16 KiB, half of a first-level cache */

/** The upper half of the bits of a float: by how much the squared distances of leaves may exceed that of their cell. */
enum { GOSSET__NO_MARGIN = 0x7f80 }; /* infinite: there is no limit */
static inline float gosset__margin(uint16_t half) {
    const uint32_t bits = (uint32_t)half << 16;
    float margin;
    memcpy(&margin, &bits, sizeof margin);
    return margin;
}

/** The rows [first, end) of a cell: scores of another cell start from another offset. Of its leaves those within the
 *  margin are compared. */
typedef struct gosset__rows {
    uint64_t first, end;
    uint32_t cell;
    uint16_t margin;
} gosset__rows;

/** Scores from `position` on are those of rows from `row` on. */
typedef struct gosset__segment {
    uint64_t row;
    uint32_t position, zero;
} gosset__segment;

/** A part of a run of which some leaves are to be compared. */
typedef struct gosset__chosen {
    gosset__slice slice;
    uint64_t leaves;
    uint32_t run;
} gosset__chosen;

/**
 * Codes on their way from memory, as slices of the runs: chosen, then asked for, then compared. Numbers of slices count
 * on; slice n is at n % GOSSET__CHOSEN. The blocks of slice `asked` but for [next, end) and those of `leaves` have been
 * asked for.
 */
enum { GOSSET__CHOSEN = 16 };
typedef struct gosset__stream {
    uint32_t run, run_end; /* to be looked at next */
    uint64_t row;          /* of the run; at its first: 0 */
    uint32_t leaf;
    uint32_t chosen, asked, compared;
    size_t lines; /* still to be asked for */
    uint64_t leaves;
    const uint8_t *next, *end;
} gosset__stream;

/** A part of a searcher: the pointers lead into its workspace (search.c draws it). */
typedef struct gosset__candidates {
    const gosset__store *store;
    const gosset__codec *codec;
    const gosset__kernels *kernels;
    gosset__codec_query *query;
    uint32_t *cells;                /* probe: best first */
    gosset__remoteness *remoteness; /* probe: of the cells */
    gosset__rows *runs;             /* probe: by bands, ascending in each */
    uint64_t *cell_bits;            /* a bit per cell, all zero between queries */
    uint64_t *cell_words;           /* a bit per word of cell_bits, likewise */
    uint16_t *margins;              /* cells: of those that are kept */
    uint8_t *whole;                 /* GOSSET__SCAN_PIECE blocks of both planes */
    int32_t *scores;                /* GOSSET__SCAN_ROWS */
    uint32_t *positions;            /* GOSSET__SCAN_ROWS */
    int32_t *bounds;                /* GOSSET__SCAN_ROWS: of the positions */
    gosset__segment *segments;      /* GOSSET__SCAN_ROWS / GOSSET__SCAN_BLOCK */
    gosset__ranked *items;          /* gosset__best_capacity(rerank) */
    uint32_t cells_found, cells_kept, run_count;
    uint32_t band_end[GOSSET__BANDS]; /* runs up to the end of a band */
    uint64_t rows_found;              /* in the cells that are kept */
    uint64_t rows_compared;           /* of the query, up to now */
    uint32_t slices_chosen;           /* likewise */
    uint32_t least;                   /* distance of its cells, as of a gosset__remoteness */
    gosset__stream ahead;
    gosset__chosen slices[GOSSET__CHOSEN];
} gosset__candidates;

/** Words of cell_bits and of cell_words. */
static inline size_t gosset__cell_bit_words(uint32_t cell_count) {
    return cell_count / 64 + 1;
}
static inline size_t gosset__cell_summary_words(uint32_t cell_count) {
    return cell_count / 4096 + 1;
}

/** Says that a row will be picked soon: its part of the second plane is on its way from memory then. */
static inline void gosset__candidates_fetch(const gosset__store *store, uint64_t row) {
    const uint32_t tail = store->layout.code_size - store->lead_size;
    __builtin_prefetch(store->tails + row * tail);
    __builtin_prefetch(store->tails + row * tail + tail - 1);
}

/** The leaf reach that a row of a cell needs, apart from the least distance of the query's cells: this much more.
 *  For calibration; the query has been probed, and the cell was found. */
uint32_t gosset__candidates_leaf_need(const gosset__store *store, const gosset__codec *codec,
                                      gosset__codec_query *query, uint32_t cell, uint64_t row);

/** Sets the query; the probes and scans that follow are about it. */
void gosset__candidates_query(gosset__candidates *candidates, const float *latent);
/** Which cells are looked at, and what of them is compared. */
typedef struct gosset__effort {
    uint32_t probe;      /* best cells */
    uint32_t reach;      /* of them those not remoter; 0: all */
    uint32_t leaf_reach; /* of their leaves those not farther, GOSSET__LEAF_REACH_ZERO added; 0: all */
} gosset__effort;
/** Finds the cells and their rows, in bands or, if they are not wanted, in their order: a half in the first band and
 *  the others in the last one. Whatever becomes of leaves, `least` rows will be compared if so many are found. */
void gosset__candidates_probe(gosset__candidates *candidates, const gosset__effort *effort, uint64_t least,
                              bool in_bands);
/** The `count` best rows of the probed cells, by score, ties by lower row; in no order. */
void gosset__candidates_scan(gosset__candidates *candidates, size_t count, gosset__best *best);
/** Begins with the best cell, if codes have bounds: what is found there is what the others have to beat. The runs from
 * the one returned on are left to be scanned. `best` has been started. */
uint32_t gosset__candidates_scan_nearest(gosset__candidates *candidates, gosset__best *best);
/** The same in steps: after each band, in order, `best` is what that and those before it have. */
void gosset__candidates_scan_begin(gosset__candidates *candidates, size_t count, gosset__best *best);
void gosset__candidates_scan_band(gosset__candidates *candidates, uint32_t band, gosset__best *best);

#endif
