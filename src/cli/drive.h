/** The ways of putting queries to a searcher, one thread's part of a measurement: measure.c runs several of them. */
#ifndef GOSSET_CLI_DRIVE_H
#define GOSSET_CLI_DRIVE_H

#include "cli/measure.h"

#include <stdatomic.h>

/** What the threads of a measurement share. Arrays are by query. */
typedef struct drive_work {
    const measure_request *request;
    uint64_t *ids; /* k each */
    float *distances;
    double *started, *latency; /* seconds; at a rate, `started` is set before */
    double *pages;
    atomic_size_t next; /* the first query that no thread has claimed */
    atomic_int stop;    /* a thread failed */
} drive_work;

/**
 * Puts queries to the searcher until all are claimed, in the way the request asks for:
 *   - one alone in each call, as a simple service would;
 *   - `batch` of them in each call: each has then the call's time;
 *   - `in_flight` of them submitted, the next when one is over;
 *   - at a rate: each is submitted when its time has come (drive_schedule), whatever has become of those before, by
 *     whichever thread is free. Its latency counts from then, so that queries which wait for their turn are not
 *     forgotten.
 * GOSSET_E_CANCELLED after SIGINT or when another thread failed; otherwise `sentence` says what failed.
 */
GOSSET_CHECK_RESULT gosset_status drive(drive_work *work, gosset_searcher *searcher, char sentence[MEASURE_SENTENCE]);

/** Sets when each query arrives, at the request's rate. Before the threads begin. */
void drive_schedule(drive_work *work, double begin);

/** Row `row` alone, or `count` rows from there. */
gosset_vectors drive_rows(const gosset_vectors *vectors, size_t row, size_t count);

#endif
