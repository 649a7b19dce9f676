/**
 * Queries against a store: probe cells, scan codes, keep the best candidates, read their pages in parallel, score
 * every record of every page exactly. Several queries can be on their way at once: while the pages of some are being
 * read, the next is planned. Knows nothing of networks.
 */
#ifndef GOSSET_INDEX_SEARCH_H
#define GOSSET_INDEX_SEARCH_H

#include "index/candidates.h"
#include <stdbool.h>

typedef struct gosset__search gosset__search; /* one thread's scratch, page buffers and ring */

enum { GOSSET__SEARCH_MAX_IN_FLIGHT = 256 };
/* Queries planned together: memory for so many, or for the most if a call has more. */
enum { GOSSET__TOGETHER_SOME = 512, GOSSET__TOGETHER_MAX = 2048 };
static inline uint32_t gosset__together_most(size_t count) {
    return count <= GOSSET__TOGETHER_SOME ? GOSSET__TOGETHER_SOME : GOSSET__TOGETHER_MAX;
}

/** With room for one query on its way. */
gosset_status gosset__search_create(gosset__search **out, const gosset__store *store, const gosset__codec *codec,
                                    const gosset__kernels *kernels, const gosset__env *env);
/** Waits for reads in flight; queries on their way are dropped. On the thread that started them, NULL is fine. */
void gosset__search_free(gosset__search *search);

/** How many queries may be on their way at once from here on: 1 to GOSSET__SEARCH_MAX_IN_FLIGHT.
 *  GOSSET_E_BUSY while queries are on their way. */
gosset_status gosset__search_set_in_flight(gosset__search *search, uint32_t in_flight);

/** Bytes of pages it keeps for queries to come; 0 = none, as at first. What it has kept is forgotten. GOSSET_E_BUSY
 * while queries are on their way; on failure nothing is kept. */
gosset_status gosset__search_set_cache(gosset__search *search, uint64_t bytes);
/** Room for queries of this size; when it has to grow, GOSSET_E_BUSY while queries are on their way. On failure the
 *  searcher has no room at all and asks for it again the next time. Queries reserve their room by themselves. */
gosset_status gosset__search_reserve(gosset__search *search, uint32_t probe, uint32_t rerank, uint32_t k);
/** Bytes it has allocated so far. */
uint64_t gosset__search_held(const gosset__search *search);

typedef struct gosset__search_stats {
    uint64_t cells_probed, codes_scanned, candidates, pages_read, bytes_read, cache_hits, cache_misses, code_reads,
        code_bytes, io_batches, scan_ns, io_ns;
} gosset__search_stats;
/** What is done from here on is added to these sums; NULL = to none. */
void gosset__search_count(gosset__search *search, gosset__search_stats *stats);

typedef struct gosset__search_request {
    const float *latent;     /* the query as the codec sees it: its latent, and its features for residual codes */
    const void *vector;      /* the query itself; both are copied or used up by the call that takes them */
    gosset_type vector_type; /* that of the store, or f32 */
    gosset__effort effort;
    uint32_t rerank, k;
    uint64_t *ids;    /* k; written before the query is reported */
    float *distances; /* k, or NULL */
    uint64_t tag;
} gosset__search_request;

/** What became of a query. */
typedef struct gosset__search_done {
    uint64_t tag;
    gosset_status status;
    uint32_t pages;
    const char *sentence; /* of a failure, until the next gosset__search_start; NULL when there was none */
} gosset__search_done;

/**
 * Plans a query; its reads begin with the next gosset__search_finish.
 * GOSSET_E_BUSY: as many are on their way as may be, or this one needs more room than there is and others are on their
 * way. Other failures: the request is impossible, or memory ran out. A query that fails later is reported as such.
 */
gosset_status gosset__search_start(gosset__search *search, const gosset__search_request *request);
/** The same for who comes back: when another query is done before this one is planned, the rest of it is left to the
 *  next gosset__search_finish that has nothing to report (or the next query). */
gosset_status gosset__search_submit(gosset__search *search, const gosset__search_request *request);
/** Whether gosset__search_start would not be refused for the number of queries. */
bool gosset__search_has_room(const gosset__search *search);
/** Queries started and not yet reported. */
uint32_t gosset__search_in_flight(const gosset__search *search);

/**
 * Starts the reads of planned queries, scores pages that came in, and reports up to `capacity` queries that are done,
 * in any order. With `wait` and capacity > 0 at least one is reported unless none is on its way; otherwise it never
 * waits.
 */
uint32_t gosset__search_finish(gosset__search *search, bool wait, gosset__search_done *done, uint32_t capacity);
/** The same: waits until a time of gosset__nanoseconds() at most. */
uint32_t gosset__search_finish_by(gosset__search *search, uint64_t deadline, gosset__search_done *done,
                                  uint32_t capacity);

/** One query from start to end. Nothing else may be on its way. */
gosset_status gosset__search_run(gosset__search *search, const gosset__search_request *request);

/** Where queries that are planned together are reported, in any order. */
typedef struct gosset__search_sink {
    void (*done)(void *context, const gosset__search_done *done);
    void *context;
} gosset__search_sink;

/** How many queries go together, where there is memory for `most`; less than 2: it is not worth while. */
uint32_t gosset__search_together_room(uint32_t probe, uint32_t rerank, uint32_t most);
/** Room for that; as gosset__search_reserve. */
gosset_status gosset__search_together_reserve(gosset__search *search, uint32_t probe, uint32_t rerank, uint32_t k,
                                              uint32_t most);
/**
 * Plans the first of `count` requests together, `planned` of them: as many as there is room for (0: the first has
 * to go alone). All have one probe, rerank and k. Their vectors must last until they are reported. Meanwhile the pages
 * of those planned by the call before are read; at its end all of them are reported. Answers are those of
 * gosset__search_run. On failure nothing of this call is on its way.
 */
gosset_status gosset__search_together(gosset__search *search, const gosset__search_request *requests, uint32_t count,
                                      const gosset__search_sink *sink, uint32_t *planned);
/** Reads the pages of what was planned last, and reports it. */
void gosset__search_together_end(gosset__search *search, const gosset__search_sink *sink);

/** An eventfd of the search that becomes readable when gosset__search_finish may have something to report, which it
 *  then resets. GOSSET_E_STATE at the first call while queries are on their way. */
gosset_status gosset__search_event(gosset__search *search, int *event);

/* ---- for calibration (survey.c); nothing may be on its way -------------------------------------------------- */

/** What a search for candidates was about. */
typedef struct gosset__survey {
    uint32_t found;               /* candidates */
    uint32_t looked_at, aimed_at; /* cells of which leaves were chosen; slices of which codes were compared */
    uint64_t compared;            /* codes */
} gosset__survey;
/** The best `count` candidate rows, best first (ties: lower row), and for each the position of its cell in the probe
 *  order. */
gosset_status gosset__search_candidates(gosset__search *search, const float *latent, const gosset__effort *effort,
                                        uint32_t count, uint64_t *rows, uint32_t *cell_order, gosset__survey *survey);
/** A page by number, read and checked; valid until the next call. */
gosset_status gosset__search_read_page(gosset__search *search, uint64_t page, const uint8_t **data);
/** Exact distance of a query to a record's vector. */
float gosset__search_distance(const gosset__search *search, const void *query, gosset_type query_type,
                              const void *record_vector);
#endif
