#include "cli/measure.h"
#include "cli/drive.h"
#include "cli/session.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct measure_worker {
    drive_work *work;
    gosset_searcher *searcher;
    gosset_search_stats stats;
    gosset_status status;
    char sentence[MEASURE_SENTENCE];
    pthread_t thread;
    int started;
} measure_worker;

static void *run_worker(void *context) {
    measure_worker *self = context;
    self->status = drive(self->work, self->searcher, self->sentence);
    if (self->status == GOSSET_OK) self->status = gosset_searcher_stats(self->searcher, &self->stats);
    if (self->status != GOSSET_OK) atomic_store(&self->work->stop, 1);
    return NULL;
}

/* The first call of a searcher may allocate, and finds caches cold. */
static gosset_status warm_up(measure_worker *self) {
    const measure_request *request = self->work->request;
    const size_t count = request->queries.count < 16 ? request->queries.count : 16;
    gosset_search_options options = request->options;
    options.in_flight = request->in_flight;
    if (request->in_flight == 0 && request->batch <= 1 && request->rate == 0) options.in_flight = 1;
    gosset_status status = gosset_searcher_create(&self->searcher, request->index, NULL);
    if (status == GOSSET_OK) status = gosset_searcher_set(self->searcher, &options);
    for (size_t row = 0; row < count && status == GOSSET_OK; row++) {
        const gosset_vectors query = drive_rows(&request->queries, row, 1);
        status = gosset_searcher_search(self->searcher, &query, request->k, self->work->ids, self->work->distances);
    }
    if (status != GOSSET_OK) snprintf(self->sentence, sizeof self->sentence, "%s", gosset_last_error());
    gosset_searcher_reset_stats(self->searcher);
    self->stats.struct_size = sizeof self->stats;
    return status;
}

/* What one of them failed of; that the others were then stopped is no news. */
static const measure_worker *first_failure(const measure_worker *workers, uint32_t count) {
    const measure_worker *failure = NULL;
    for (uint32_t i = 0; i < count; i++) {
        if (workers[i].status == GOSSET_OK) continue;
        if (failure == NULL || (failure->status == GOSSET_E_CANCELLED && workers[i].status != GOSSET_E_CANCELLED))
            failure = &workers[i];
    }
    return failure;
}

static void run_all(measure_worker *workers, uint32_t count) {
    for (uint32_t i = 1; i < count; i++) {
        workers[i].started = pthread_create(&workers[i].thread, NULL, run_worker, &workers[i]) == 0;
        if (!workers[i].started) {
            workers[i].status = GOSSET_E_THREAD;
            snprintf(workers[i].sentence, sizeof workers[i].sentence, "%s", gosset_strerror(GOSSET_E_THREAD));
        }
    }
    run_worker(&workers[0]);
    for (uint32_t i = 1; i < count; i++) {
        if (workers[i].started) pthread_join(workers[i].thread, NULL);
    }
}

static int compare_doubles(const void *a, const void *b) {
    const double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

double percentile(double *values, size_t count, double share) {
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
    sum->code_reads += stats->code_reads;
    sum->cache_hits += stats->cache_hits;
    sum->cache_misses += stats->cache_misses;
    sum->code_bytes += stats->code_bytes;
    sum->io_batches += stats->io_batches;
    sum->encode_ns += stats->encode_ns;
    sum->scan_ns += stats->scan_ns;
    sum->io_ns += stats->io_ns;
}

static void summarize(measurement *out, drive_work *work, const measure_worker *workers, double seconds) {
    const size_t count = work->request->queries.count;
    for (uint32_t i = 0; i < work->request->threads; i++) add_stats(&out->sum, &workers[i].stats);
    out->queries_per_second = (double)count / seconds;
    out->latency_mean_us = mean(work->latency, count) * 1e6;
    out->latency_p50_us = percentile(work->latency, count, 0.50) * 1e6;
    out->latency_p99_us = percentile(work->latency, count, 0.99) * 1e6;
    out->pages_mean = mean(work->pages, count);
    out->pages_p99 = percentile(work->pages, count, 0.99);
}

static gosset_status prepare(drive_work *work, measure_worker *workers) {
    const size_t count = work->request->queries.count;
    gosset_status status = GOSSET_OK;
    work->started = calloc(count, sizeof *work->started);
    work->latency = calloc(count, sizeof *work->latency);
    work->pages = calloc(count, sizeof *work->pages);
    if (!workers || !work->started || !work->latency || !work->pages) return GOSSET_E_NO_MEMORY;
    for (uint32_t i = 0; i < work->request->threads && status == GOSSET_OK; i++) {
        workers[i].work = work;
        status = workers[i].status = warm_up(&workers[i]);
    }
    return status;
}

gosset_status measure_search(const measure_request *request, uint64_t *ids, float *distances, measurement *out) {
    memset(out, 0, sizeof *out);
    drive_work work = {.request = request, .ids = ids, .distances = distances};
    measure_worker *workers = calloc(request->threads, sizeof *workers);
    gosset_status status = prepare(&work, workers);
    if (status == GOSSET_OK) {
        const double started = seconds_now(), cpu = cpu_seconds();
        if (request->rate > 0) drive_schedule(&work, started);
        run_all(workers, request->threads);
        const double seconds = seconds_now() - started;
        out->cpu_us = (cpu_seconds() - cpu) / (double)request->queries.count * 1e6;
        if (first_failure(workers, request->threads) == NULL) summarize(out, &work, workers, seconds);
    }
    const measure_worker *failure = workers ? first_failure(workers, request->threads) : NULL;
    if (failure) {
        status = failure->status;
        snprintf(out->failure, sizeof out->failure, "%s", failure->sentence);
    }
    for (uint32_t i = 0; i < request->threads && workers; i++) gosset_searcher_free(workers[i].searcher);
    free(work.started);
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
