/** Searching a set of queries on several threads, with the clock and the page counter running. */
#ifndef GOSSET_CLI_MEASURE_H
#define GOSSET_CLI_MEASURE_H

#include <gosset/gosset.h>

typedef struct measure_request {
    const gosset_index *index;
    gosset_vectors queries;
    uint32_t k, threads;
    gosset_search_options options;
    uint32_t in_flight; /* of each thread; 0 or 1: each query alone in its call */
    uint32_t batch;     /* queries in one call; 0 or 1: see drive.h */
    double rate;        /* queries a second that arrive, on all threads together; 0 = as fast as they are answered */
    int even;           /* they arrive evenly, not at random */
} measure_request;

enum { MEASURE_SENTENCE = 1024 };

typedef struct measurement {
    double queries_per_second;
    double latency_mean_us, latency_p50_us, latency_p99_us;
    double pages_mean, pages_p99;
    double cpu_us;                  /* of this process for a query, in the kernel and out of it */
    gosset_search_stats sum;        /* over all queries */
    char failure[MEASURE_SENTENCE]; /* why it failed: the library's sentences belong to the thread they arose on */
} measurement;

/**
 * Every query once, claimed by whichever thread is free; each thread has its own searcher, warmed up before the clock
 * starts.
 * @param ids, distances  queries.count x k.
 * GOSSET_E_CANCELLED after SIGINT.
 */
GOSSET_CHECK_RESULT gosset_status measure_search(const measure_request *request, uint64_t *ids, float *distances,
                                                 measurement *out);

/** Mean share of the first k true neighbours among the k found; ties are not counted specially. */
double measure_recall(const uint64_t *ids, const uint64_t *truth, uint64_t count, uint32_t k, uint32_t truth_per_row);

/** Nearest rank; sorts the values. */
double percentile(double *values, size_t count, double share);

/** CPUs this process may use. */
uint32_t cpu_count(void);

#endif
