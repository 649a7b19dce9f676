/**
 * The first stage of a query whose codes are on disk: the codes of its cells are read in chunks, runs that lie near
 * each other together, and scanned as they arrive. What is found does not depend on the order.
 */
#ifndef GOSSET_INDEX_CODES_H
#define GOSSET_INDEX_CODES_H

#include "index/candidates.h"
#include "index/query.h"

enum {
    GOSSET__CODE_CHUNKS = 32,      /* of a searcher, in flight at most */
    GOSSET__CODE_CHUNK_PAGES = 16, /* of each */
    GOSSET__CODE_GAP_PAGES = 2     /* read for nothing, at most, to make one read of two: less than a read costs */
};

/** A chunk that is being read: rows [first, end) of the index, those of `run` and of runs after it. */
typedef struct gosset__code_chunk {
    uint64_t first, end;
    uint64_t page; /* of the shard's codes */
    uint32_t shard, pages, run;
    uint32_t query; /* its place in the searcher */
} gosset__code_chunk;

/** What scanning packed codes needs beside a query's candidates. */
typedef struct gosset__code_scan {
    gosset__code_chunk *chunks; /* GOSSET__CODE_CHUNKS */
    uint32_t *free;             /* as many, those no read uses */
    uint32_t free_count;
    uint64_t owner;  /* number of the query that candidates->query is about; UINT64_MAX: of none */
    uint8_t *blocks; /* of GOSSET__CODE_ROWS codes, as the codec scans them */
} gosset__code_scan;

enum { GOSSET__CODE_ROWS = 512 }; /* turned into blocks at once */

/** The cells that were probed last become what the query reads. `limit`: candidates wanted. */
void gosset__codes_begin(gosset__query *query, const gosset__candidates *candidates, const float *latent, size_t limit);
/** Whether there is more to ask for; if so the next chunk, and the query moves on. */
bool gosset__codes_next(gosset__query *query, const gosset__store *store, gosset__code_chunk *chunk);
/** Checks a chunk and scans it into query->rows. */
gosset_status gosset__codes_take(gosset__query *query, gosset__candidates *candidates, gosset__code_scan *scan,
                                 const gosset__code_chunk *chunk, const uint8_t *data);

#endif
