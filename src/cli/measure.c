#include "cli/measure.h"
#include "cli/progress.h"
#include "cli/session.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct shared_work {
    const measure_request *request;
    uint64_t *ids;
    float *distances;
    double *latency; /* seconds, by query */
    double *pages;
    atomic_size_t next;
    atomic_int stop;
} shared_work;

typedef struct measure_worker {
    shared_work *work;
    gosset_searcher *searcher;
    gosset_search_stats stats;
    gosset_status status;
    char sentence[1024]; /* gosset_last_error() speaks of its own thread only */
    pthread_t thread;
    int started;
} measure_worker;

static gosset_vectors row_of(const gosset_vectors *vectors, size_t row) {
    const size_t packed = vectors->dimension * gosset_type_size(vectors->type);
    gosset_vectors one = *vectors;
    one.data = (const uint8_t *)vectors->data + row * (vectors->stride ? vectors->stride : packed);
    one.count = 1;
    return one;
}

static gosset_status search_queries(measure_worker *self) {
    shared_work *work = self->work;
    const measure_request *request = work->request;
    uint64_t pages_before = 0;
    for (;;) {
        const size_t row = atomic_fetch_add(&work->next, 1);
        if (row >= request->queries.count) return GOSSET_OK;
        if (interrupted() || atomic_load(&work->stop)) return GOSSET_E_CANCELLED;
        const gosset_vectors query = row_of(&request->queries, row);
        const size_t slot = row * request->k;
        const double started = seconds_now();
        gosset_status status =
            gosset_searcher_search(self->searcher, &query, request->k, work->ids + slot, work->distances + slot);
        work->latency[row] = seconds_now() - started;
        if (status == GOSSET_OK) status = gosset_searcher_stats(self->searcher, &self->stats);
        if (status != GOSSET_OK) return status;
        work->pages[row] = (double)(self->stats.pages_read - pages_before);
        pages_before = self->stats.pages_read;
    }
}

static void *run_worker(void *context) {
    measure_worker *self = context;
    self->status = search_queries(self);
    if (self->status != GOSSET_OK) {
        if (self->status != GOSSET_E_CANCELLED)
            snprintf(self->sentence, sizeof self->sentence, "%s", gosset_last_error());
        atomic_store(&self->work->stop, 1);
    }
    return NULL;
}

/* The first call of a searcher may allocate, and finds caches cold. */
static gosset_status warm_up(measure_worker *self) {
    const measure_request *request = self->work->request;
    gosset_status status = gosset_searcher_create(&self->searcher, request->index, NULL);
    if (status == GOSSET_OK) status = gosset_searcher_set(self->searcher, &request->options);
    for (size_t row = 0; row < 16 && row < request->queries.count && status == GOSSET_OK; row++) {
        const gosset_vectors query = row_of(&request->queries, row);
        status = gosset_searcher_search(self->searcher, &query, request->k, self->work->ids, self->work->distances);
    }
    if (status == GOSSET_OK) gosset_searcher_reset_stats(self->searcher);
    self->stats.struct_size = sizeof self->stats;
    return status;
}

static gosset_status run_all(measure_worker *workers, uint32_t count) {
    gosset_status status = GOSSET_OK;
    for (uint32_t i = 1; i < count; i++) {
        workers[i].started = pthread_create(&workers[i].thread, NULL, run_worker, &workers[i]) == 0;
        if (!workers[i].started) status = GOSSET_E_THREAD;
    }
    run_worker(&workers[0]);
    for (uint32_t i = 1; i < count; i++) {
        if (workers[i].started) pthread_join(workers[i].thread, NULL);
    }
    for (uint32_t i = 0; i < count && status == GOSSET_OK; i++) status = workers[i].status;
    return status;
}

static int compare_doubles(const void *a, const void *b) {
    const double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

/* Nearest rank; sorts the values. */
static double percentile(double *values, size_t count, double share) {
    qsort(values, count, sizeof *values, compare_doubles);
    size_t rank = (size_t)(share * (double)count);
    if (rank >= count) rank = count - 1;
    return values[rank];
}

static double mean(const double *values, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += values[i];
    return sum / (double)count;
}

static void add_stats(gosset_search_stats *sum, const gosset_search_stats *stats) {
    sum->queries += stats->queries;
    sum->cells_probed += stats->cells_probed;
    sum->codes_scanned += stats->codes_scanned;
    sum->candidates += stats->candidates;
    sum->pages_read += stats->pages_read;
    sum->bytes_read += stats->bytes_read;
    sum->io_batches += stats->io_batches;
    sum->encode_ns += stats->encode_ns;
    sum->scan_ns += stats->scan_ns;
    sum->io_ns += stats->io_ns;
}

static void summarize(measurement *out, shared_work *work, const measure_worker *workers, double seconds) {
    const size_t count = work->request->queries.count;
    for (uint32_t i = 0; i < work->request->threads; i++) add_stats(&out->sum, &workers[i].stats);
    out->queries_per_second = (double)count / seconds;
    out->latency_mean_us = mean(work->latency, count) * 1e6;
    out->latency_p50_us = percentile(work->latency, count, 0.50) * 1e6;
    out->latency_p99_us = percentile(work->latency, count, 0.99) * 1e6;
    out->pages_mean = mean(work->pages, count);
    out->pages_p99 = percentile(work->pages, count, 0.99);
}

gosset_status measure_search(const measure_request *request, uint64_t *ids, float *distances, measurement *out) {
    memset(out, 0, sizeof *out);
    shared_work work = {.request = request, .ids = ids, .distances = distances};
    measure_worker *workers = calloc(request->threads, sizeof *workers);
    work.latency = calloc(request->queries.count, sizeof *work.latency);
    work.pages = calloc(request->queries.count, sizeof *work.pages);
    gosset_status status = workers && work.latency && work.pages ? GOSSET_OK : GOSSET_E_NO_MEMORY;
    for (uint32_t i = 0; i < request->threads && status == GOSSET_OK; i++) {
        workers[i].work = &work;
        status = warm_up(&workers[i]);
    }
    if (status == GOSSET_OK) {
        const double started = seconds_now();
        status = run_all(workers, request->threads);
        if (status == GOSSET_OK) summarize(out, &work, workers, seconds_now() - started);
    }
    for (uint32_t i = 0; i < request->threads && workers; i++) {
        gosset_searcher_free(workers[i].searcher);
        if (workers[i].sentence[0]) fprintf(stderr, "gosset: %s\n", workers[i].sentence);
    }
    free(work.latency);
    free(work.pages);
    free(workers);
    return status;
}

double measure_recall(const uint64_t *ids, const uint64_t *truth, uint64_t count, uint32_t k, uint32_t truth_per_row) {
    uint64_t hits = 0;
    for (uint64_t row = 0; row < count; row++) {
        for (uint32_t i = 0; i < k; i++) {
            for (uint32_t j = 0; j < k; j++) hits += ids[row * k + i] == truth[row * truth_per_row + j];
        }
    }
    return (double)hits / ((double)count * k);
}

uint32_t cpu_count(void) {
    cpu_set_t set;
    const int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return count > 0 ? (uint32_t)count : 1;
}
