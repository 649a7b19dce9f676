#include "cli/drive.h"
#include "base/rng.h"
#include "cli/progress.h"
#include "cli/session.h"

#include <math.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <time.h>

enum { COMPLETIONS = 64 };
/* Sleeping ends late; the last part of a wait for the next arrival is spent polling. */
static const double wake_up_seconds = 50e-6, long_time = 1;

gosset_vectors drive_rows(const gosset_vectors *vectors, size_t row, size_t count) {
    const size_t packed = vectors->dimension * gosset_type_size(vectors->type);
    gosset_vectors part = *vectors;
    part.data = (const uint8_t *)vectors->data + row * (vectors->stride ? vectors->stride : packed);
    part.count = count;
    return part;
}

static int must_stop(drive_work *work) {
    return interrupted() || atomic_load(&work->stop);
}

/* ---- calls that wait ------------------------------------------------------------------------------------- */

static gosset_status pages_so_far(const gosset_searcher *searcher, uint64_t *pages) {
    gosset_search_stats stats = {.struct_size = sizeof stats};
    const gosset_status status = gosset_searcher_stats(searcher, &stats);
    *pages = stats.pages_read;
    return status;
}

static gosset_status drive_calls(drive_work *work, gosset_searcher *searcher, size_t batch) {
    const measure_request *request = work->request;
    uint64_t before = 0, after;
    for (;;) {
        const size_t row = atomic_fetch_add(&work->next, batch);
        if (row >= request->queries.count) return GOSSET_OK;
        if (must_stop(work)) return GOSSET_E_CANCELLED;
        const size_t left = request->queries.count - row, count = left < batch ? left : batch;
        const gosset_vectors queries = drive_rows(&request->queries, row, count);
        const size_t slot = row * request->k;
        const double started = seconds_now();
        gosset_status status =
            gosset_searcher_search(searcher, &queries, request->k, work->ids + slot, work->distances + slot);
        const double took = seconds_now() - started;
        if (status == GOSSET_OK) status = pages_so_far(searcher, &after);
        if (status != GOSSET_OK) return status;
        for (size_t i = row; i < row + count; i++) {
            work->latency[i] = took;
            work->pages[i] = (double)(after - before) / (double)count;
        }
        before = after;
    }
}

/* ---- queries in flight ----------------------------------------------------------------------------------- */

/* One thread's view of its queries. */
typedef struct flight {
    drive_work *work;
    gosset_searcher *searcher;
    size_t row;    /* claimed and to be submitted next; queries.count: none */
    size_t flying; /* submitted and not over */
    char *sentence;
} flight;

static void claim(flight *f) {
    const size_t count = f->work->request->queries.count;
    f->row = atomic_fetch_add(&f->work->next, 1);
    if (f->row > count) f->row = count;
}

/* Submits the claimed query. GOSSET_E_BUSY leaves it claimed. */
static gosset_status submit(flight *f, double started) {
    drive_work *work = f->work;
    const measure_request *request = work->request;
    const gosset_vectors query = drive_rows(&request->queries, f->row, 1);
    const size_t slot = f->row * request->k;
    const gosset_status status =
        gosset_searcher_submit(f->searcher, &query, request->k, work->ids + slot, work->distances + slot, f->row);
    if (status != GOSSET_OK) return status;
    if (!(request->rate > 0)) work->started[f->row] = started; /* else it was, before the threads began */
    f->flying++;
    f->row = request->queries.count;
    return GOSSET_OK;
}

/* Waits for the first that is over, `seconds` at most, or, if they are long, for as long as it takes. */
static gosset_status take_in(flight *f, double seconds) {
    gosset_completion completions[COMPLETIONS];
    size_t count = 0;
    const uint64_t most = (uint64_t)(seconds * 1e9);
    gosset_status status;
    if (most == 0)
        status = gosset_searcher_poll(f->searcher, completions, COMPLETIONS, &count);
    else if (seconds < long_time)
        status = gosset_searcher_wait_for(f->searcher, most, completions, COMPLETIONS, &count);
    else
        status = gosset_searcher_wait(f->searcher, completions, COMPLETIONS, &count);
    const double now = seconds_now();
    for (size_t i = 0; i < count; i++) {
        const gosset_completion *over = &completions[i];
        f->work->latency[over->tag] = now - f->work->started[over->tag];
        f->work->pages[over->tag] = over->pages_read;
        if (over->status != GOSSET_OK && status == GOSSET_OK) {
            snprintf(f->sentence, MEASURE_SENTENCE, "%s", over->error);
            status = over->status;
        }
    }
    f->flying -= count;
    return status;
}

static gosset_status drive_in_flight(flight *f) {
    const size_t count = f->work->request->queries.count;
    while (f->row < count || f->flying > 0) {
        gosset_status status = GOSSET_OK;
        if (must_stop(f->work)) return GOSSET_E_CANCELLED;
        while (f->row < count && status == GOSSET_OK) {
            status = submit(f, seconds_now());
            if (status == GOSSET_OK) claim(f);
        }
        if (status == GOSSET_OK || status == GOSSET_E_BUSY) status = take_in(f, long_time);
        if (status != GOSSET_OK) return status;
    }
    return GOSSET_OK;
}

/* ---- queries that arrive --------------------------------------------------------------------------------- */

static gosset_status sleep_until(flight *f, double time) {
    const double left = time - seconds_now() - wake_up_seconds;
    if (left <= 0) return GOSSET_OK;
    if (f->flying > 0) return take_in(f, left);
    const struct timespec all = {.tv_sec = (time_t)left, .tv_nsec = (long)((left - floor(left)) * 1e9)};
    nanosleep(&all, NULL);
    return GOSSET_OK;
}

/* Exponential gaps make a Poisson process. No two of a run are the same. */
void drive_schedule(drive_work *work, double begin) {
    const measure_request *request = work->request;
    const double mean = 1 / request->rate;
    gosset__rng rng = gosset__rng_make(1, 0);
    for (size_t i = 0; i < request->queries.count; i++) {
        begin += request->even ? mean : -log(1 - gosset__rng_unit(&rng)) * mean;
        work->started[i] = begin;
    }
}

static int is_full(const flight *f) {
    const uint32_t most = f->work->request->in_flight;
    return most > 0 && f->flying >= most;
}

/* When there is something to do but for pages: the next query that no thread has taken yet, or the end. */
static double next_arrival(const flight *f) {
    const drive_work *work = f->work;
    const size_t row = atomic_load(&work->next);
    const int ends = row >= work->request->queries.count;
    if (is_full(f) || (ends && f->flying > 0)) return seconds_now() + long_time;
    return ends ? seconds_now() : work->started[row];
}

/* Queries wait in one line for whichever thread is free. */
static int claim_arrived(flight *f) {
    drive_work *work = f->work;
    if (is_full(f)) return 0;
    size_t row = atomic_load(&work->next);
    if (row >= work->request->queries.count || seconds_now() < work->started[row]) return 0;
    if (!atomic_compare_exchange_strong(&work->next, &row, row + 1)) return 0;
    f->row = row;
    return 1;
}

static gosset_status drive_at_rate(flight *f) {
    const size_t count = f->work->request->queries.count;
    gosset_status status = GOSSET_OK;
    prctl(PR_SET_TIMERSLACK, 1);
    while (status == GOSSET_OK && (f->row < count || f->flying > 0 || atomic_load(&f->work->next) < count)) {
        if (must_stop(f->work)) return GOSSET_E_CANCELLED;
        const size_t flying = f->flying;
        status = take_in(f, 0); /* first: planning takes longer than this */
        if (status == GOSSET_OK && (f->row < count || claim_arrived(f))) {
            status = submit(f, f->work->started[f->row]);
            if (status == GOSSET_E_BUSY) status = take_in(f, long_time);
        } else if (status == GOSSET_OK && f->flying == flying) {
            status = sleep_until(f, next_arrival(f));
        }
    }
    return status;
}

/* After a failure: only this thread can wait for what it submitted. */
static void land(flight *f) {
    gosset_completion completions[COMPLETIONS];
    size_t count = 1;
    while (f->flying > 0 && count > 0 &&
           gosset_searcher_wait(f->searcher, completions, COMPLETIONS, &count) == GOSSET_OK)
        f->flying -= count;
}

gosset_status drive(drive_work *work, gosset_searcher *searcher, char sentence[MEASURE_SENTENCE]) {
    const measure_request *request = work->request;
    flight f = {.work = work, .searcher = searcher, .row = request->queries.count, .sentence = sentence};
    gosset_status status;
    *sentence = 0;
    if (request->rate > 0) {
        status = drive_at_rate(&f);
    } else if (request->in_flight > 1 && request->batch <= 1) {
        claim(&f);
        status = drive_in_flight(&f);
    } else {
        status = drive_calls(work, searcher, request->batch > 1 ? request->batch : 1);
    }
    if (status != GOSSET_OK && status != GOSSET_E_CANCELLED && *sentence == 0)
        snprintf(sentence, MEASURE_SENTENCE, "%s", gosset_last_error());
    land(&f);
    return status;
}
