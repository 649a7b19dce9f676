#include "cli/device.h"
#include "base/rng.h"
#include "base/status.h"
#include "cli/measure.h"
#include "cli/progress.h"
#include "cli/session.h"
#include "index/store.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { BATCHES = 2000 };

struct device {
    gosset__env env;
    gosset__store *store;
};

/* One thread's reads. */
typedef struct reader {
    const gosset__store *store;
    gosset__io *io;
    gosset__rng rng;
    double until; /* seconds_now() */
    uint64_t reads;
    gosset_status status;
    char sentence[MEASURE_SENTENCE];
    pthread_t thread;
    int started;
} reader;

gosset_status device_open(device **out, const char *directory, const char *io) {
    gosset_status status = GOSSET_OK;
    device *self = calloc(1, sizeof *self);
    *out = NULL;
    if (self == NULL) return gosset__no_memory("a device", sizeof *self);
    GOSSET_TRY(gosset__env_read(&self->env, NULL));
    GOSSET_TRY(gosset__store_open(&self->store, directory, io, &self->env));
    GOSSET_REQUIRE(self->store->page_count > 0, GOSSET_E_ARGUMENT, "%s: has no pages to read", directory);
    *out = self;
    return GOSSET_OK;
out:
    device_close(self);
    return status;
}

void device_close(device *self) {
    if (self == NULL) return;
    if (self->store != NULL) gosset__store_close(self->store);
    free(self);
}

static gosset__io_read random_read(reader *self, uint32_t buffer) {
    const gosset__store *store = self->store;
    const uint64_t page = gosset__rng_below(&self->rng, store->page_count);
    uint32_t shard = 0;
    while (page >= store->shard_first_page[shard + 1]) shard++;
    return (gosset__io_read){.file = shard,
                             .page = page - store->shard_first_page[shard],
                             .buffer = self->io->buffers + (size_t)buffer * store->layout.page_size,
                             .tag = buffer};
}

static gosset_status check_reads(const reader *self, const gosset__io_done *done, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        if (done[i].error != 0) return gosset__io_fail_read(self->store->files, 0, 0, done[i].error);
    return GOSSET_OK;
}

/* As soon as a read is done the next begins. */
static gosset_status read_on(reader *self) {
    gosset_status status = GOSSET_OK;
    const gosset__io_ops *ops = self->io->ops;
    gosset__io_read reads[DEVICE_DEPTH];
    gosset__io_done done[DEVICE_DEPTH];
    uint32_t count = 0, in_flight = DEVICE_DEPTH;
    for (uint32_t i = 0; i < DEVICE_DEPTH; i++) reads[i] = random_read(self, i);
    GOSSET_TRY(ops->submit(self->io, reads, DEVICE_DEPTH));
    while (in_flight > 0) {
        GOSSET_TRY(ops->reap(self->io, 1, done, DEVICE_DEPTH, &count));
        GOSSET_TRY(check_reads(self, done, count));
        self->reads += count;
        in_flight -= count;
        if (interrupted() || seconds_now() >= self->until) continue;
        for (uint32_t i = 0; i < count; i++) reads[i] = random_read(self, (uint32_t)done[i].tag);
        GOSSET_TRY(ops->submit(self->io, reads, count));
        in_flight += count;
    }
out:
    return status;
}

static void *run_reader(void *context) {
    reader *self = context;
    self->status = read_on(self);
    if (self->status != GOSSET_OK) snprintf(self->sentence, sizeof self->sentence, "%s", gosset_last_error());
    return NULL;
}

gosset_status device_rate(device *self, double seconds, double *reads_per_second) {
    reader readers[DEVICE_THREADS] = {{.status = GOSSET_OK}};
    gosset_status status = GOSSET_OK;
    uint64_t reads = 0;
    for (uint32_t i = 0; i < DEVICE_THREADS; i++) {
        readers[i] = (reader){.store = self->store, .rng = gosset__rng_make(7, i)};
        GOSSET_TRY(gosset__io_open(&readers[i].io, self->store->files, DEVICE_DEPTH, -1, &self->env));
    }
    const double started = seconds_now();
    for (uint32_t i = 0; i < DEVICE_THREADS; i++) {
        readers[i].until = started + seconds;
        readers[i].started = pthread_create(&readers[i].thread, NULL, run_reader, &readers[i]) == 0;
        if (!readers[i].started) readers[i].status = gosset__fail(GOSSET_E_THREAD, "threads that read");
    }
    for (uint32_t i = 0; i < DEVICE_THREADS; i++) {
        if (readers[i].started) pthread_join(readers[i].thread, NULL);
        reads += readers[i].reads;
        if (readers[i].status != GOSSET_OK) status = gosset__fail(readers[i].status, "%s", readers[i].sentence);
    }
    *reads_per_second = (double)reads / (seconds_now() - started);
out:
    for (uint32_t i = 0; i < DEVICE_THREADS; i++) gosset__io_close(readers[i].io);
    return status;
}

gosset_status device_batch(device *self, uint32_t pages, double *p50_us) {
    gosset_status status = GOSSET_OK;
    reader one = {.store = self->store, .rng = gosset__rng_make(8, pages)};
    gosset__io_read *reads = calloc(pages, sizeof *reads);
    gosset__io_done *done = calloc(pages, sizeof *done);
    double times[BATCHES];
    if (reads == NULL || done == NULL) GOSSET_TRY(gosset__no_memory("reads", pages * sizeof *reads));
    GOSSET_TRY(gosset__io_open(&one.io, self->store->files, pages, -1, &self->env));
    for (uint32_t b = 0; b < BATCHES; b++) {
        uint32_t count = 0;
        for (uint32_t i = 0; i < pages; i++) reads[i] = random_read(&one, i);
        const double started = seconds_now();
        GOSSET_TRY(one.io->ops->submit(one.io, reads, pages));
        GOSSET_TRY(one.io->ops->reap(one.io, pages, done, pages, &count));
        times[b] = seconds_now() - started;
        GOSSET_TRY(check_reads(&one, done, count));
    }
    *p50_us = percentile(times, BATCHES, 0.5) * 1e6;
out:
    gosset__io_close(one.io);
    free(reads);
    free(done);
    return status;
}
