/** A searcher: the model maps its queries, the search answers them. searcher.c waits for answers, submit.c does not. */
#ifndef GOSSET_API_SEARCHER_H
#define GOSSET_API_SEARCHER_H

#include "api/handles.h"
#include "index/search.h"

/* Queries mapped together: the weights pass through the cache once for all of them. More would keep the device waiting
 * for the first scan after them. */
enum { GOSSET__MAP_ROWS = 16 };

/* Queries in flight by default: enough for the pages of some to arrive while others are scanned; more only wait for
 * each other. */
enum { GOSSET__IN_FLIGHT = 16 };

struct gosset_searcher {
    gosset__env env;
    const gosset_index *index;
    gosset__search *search;
    gosset_search_options options;    /* recall 0 when probe and rerank are set; in_flight is never 0 */
    gosset_search_stats stats;        /* without what `counts` holds */
    gosset__search_stats counts;      /* the search adds to it */
    uint32_t submitted;               /* by gosset_searcher_submit and not yet reported */
    char *queries;                    /* GOSSET__MAP_ROWS rows, aligned */
    float *latents;                   /* GOSSET__MAP_ROWS x latent dimension */
    void *scratch;                    /* of the model */
    gosset__search_request *requests; /* of queries planned together: batch_room; NULL before the first */
    float *batch_latents;             /* theirs */
    uint32_t batch_room;
};

/** With options from the start; on failure there may be a searcher to free. */
gosset_status gosset__searcher_create_with(gosset_searcher **out, const gosset_index *index, const gosset__env *env,
                                           const gosset_search_options *options);
/** Room for k neighbours with the options set. */
gosset_status gosset__searcher_reserve(gosset_searcher *searcher, uint32_t k);
/** Bytes allocated so far. */
uint64_t gosset__searcher_held(const gosset_searcher *searcher);

/* The first failure is kept until nothing is in flight any more: its sentence, too. */
typedef struct gosset__outcome {
    gosset_status status;
    char sentence[1024];
} gosset__outcome;
void gosset__outcome_note(gosset__outcome *outcome, gosset_status status, const char *sentence);

/** Whether queries should be planned together, the call that does, and the memory for it; batch.c. */
int gosset__searcher_goes_together(const gosset_searcher *searcher, size_t count, uint32_t k);
void gosset__searcher_together(gosset_searcher *searcher, const gosset_vectors *queries, uint32_t k, uint64_t *ids,
                               float *distances, gosset__outcome *outcome);
gosset_status gosset__searcher_together_reserve(gosset_searcher *searcher, uint32_t k, uint32_t most);
uint64_t gosset__searcher_together_held(const gosset_searcher *searcher);

/** What every search checks. */
gosset_status gosset__searcher_check(const gosset_searcher *searcher, const gosset_vectors *queries, uint32_t k,
                                     const uint64_t *ids);
/** Maps rows [first, first + count) of the queries, GOSSET__MAP_ROWS at most, to latents. */
void gosset__searcher_map(gosset_searcher *searcher, const gosset_vectors *queries, size_t first, size_t count,
                          float *latents);
/** The request of row `row` of those mapped last; its results and its tag are left to the caller. */
gosset__search_request gosset__searcher_request(const gosset_searcher *searcher, size_t row, gosset_type type,
                                                uint32_t k);
#endif
