/**
 * One query on its way: from the pages it wants to its answer. Several are under way in one searcher; which read
 * belongs to which is the searcher's business (search.c).
 *
 *     free ── begin ──► codes, on disk (codes.h) ── plan ──► reading ...
 *     free ── plan ──► reading ── a page scored, n times ──► done ── reported ──► free
 *                         └────────── a page fails ────────────┘ (once nothing of it is in flight)
 */
#ifndef GOSSET_INDEX_QUERY_H
#define GOSSET_INDEX_QUERY_H

#include "index/cache.h"
#include "index/candidates.h"
#include "index/distance.h"
#include "index/store.h"
#include "index/topk.h"
#include <stdbool.h>

enum {
    GOSSET__QUERY_SENTENCE = 1024,
    GOSSET__QUERY_EARLY = 128 /* pages of a query that are asked for before all its codes are compared */
};

typedef enum gosset__query_state {
    GOSSET__QUERY_FREE,
    GOSSET__QUERY_CODES,
    GOSSET__QUERY_READING,
    GOSSET__QUERY_DONE
} gosset__query_state;

typedef struct gosset__query {
    gosset__query_state state;
    uint64_t number; /* in the order of starting: the oldest gets buffers first */
    uint64_t tag;    /* the caller's */
    uint64_t *pages; /* distinct: those asked for early, then the others, ascending */
    uint32_t page_count, submitted, scored;
    uint32_t early_count, early_buffers[GOSSET__QUERY_EARLY]; /* early.c: the first pages */
    bool early_wanted[GOSSET__QUERY_EARLY];                   /* in the end */
    uint32_t k;
    uint64_t *ids;    /* the caller's: k */
    float *distances; /* the caller's: k, or NULL */
    void *vector;     /* a copy: the caller's may be gone before the pages are here */
    gosset__distance distance;
    gosset__ranked *items; /* gosset__best_capacity(largest k) */
    gosset__best nearest;
    /* Its first stage, when codes are on disk. */
    float *latent;      /* a row of the codec */
    gosset__rows *runs; /* room for the searcher's largest probe; ascending */
    uint32_t run_count, next_run;
    uint64_t next_row;   /* to be read next, of next_run */
    uint32_t code_reads; /* in flight */
    gosset_type vector_type;
    gosset__ranked *row_items; /* gosset__best_capacity(largest rerank) */
    gosset__best rows;         /* candidates so far */
    gosset_status status;
    char sentence[GOSSET__QUERY_SENTENCE]; /* of a failure */
} gosset__query;

/** Room for its pages. */
static inline size_t gosset__query_page_room(uint32_t rerank) {
    return (size_t)rerank + GOSSET__QUERY_EARLY;
}

/** Distinct pages of rows, ascending; the ids of the items become pages on the way. Returns how many. */
uint32_t gosset__query_pages(const gosset__store *store, gosset__ranked *items, size_t count, uint64_t *pages);

/** Takes those that were asked for early, and are wanted then, out of a list of pages. Returns how many are left. */
uint32_t gosset__query_leave_out_early(gosset__query *query, uint64_t *pages, uint32_t count);

/** Turns candidate rows, which are used up, into the pages that hold them, but for those asked for early. `vector` is
 *  copied, if it is not the query's own. */
void gosset__query_plan(gosset__query *query, const gosset__store *store, gosset__best *rows, const void *vector,
                        gosset_type type);

/** Scores the pages that are kept; the others are what is left to read. Returns how many were kept. */
uint32_t gosset__query_serve(gosset__query *query, const gosset__store *store, gosset__cache *cache);

/** The shard that holds a page of the index: the number of its file. */
uint32_t gosset__query_shard(const gosset__store *store, uint64_t page);

/** Reads of it that are in flight, and pages it has yet to ask for. */
static inline uint32_t gosset__query_in_flight(const gosset__query *query) {
    return query->submitted - query->scored;
}
static inline uint32_t gosset__query_waiting(const gosset__query *query) {
    return query->page_count - query->submitted;
}

/** Takes in a page that was read; one that failed or is damaged fails the query. */
void gosset__query_take(gosset__query *query, const gosset__store *store, uint64_t page, const gosset__io_done *read);
/** With this thread's last sentence. Nothing more is asked for; what is in flight is still waited for. */
void gosset__query_fail(gosset__query *query, gosset_status status);
/** Writes the answer once every page is in. True when the query is done. */
bool gosset__query_settle(gosset__query *query);

#endif
