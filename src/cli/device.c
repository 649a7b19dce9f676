#include "cli/device.h"
#include "base/rng.h"
#include "base/status.h"
#include "cli/measure.h"
#include "cli/progress.h"
#include "cli/session.h"
#include "index/store.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { BATCHES = 5000 };

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

/* ---- batches --------------------------------------------------------------------------------------------- */

enum { SLOTS = 16, BUFFERS = 4096 }; /* batches in flight, as far as a reader has pages for them */

typedef struct batches {
    reader reader;
    uint32_t pages, slots, started, over;
    double rate; /* 0: each begins when the one before is over */
    double next; /* arrival */
    double arrived[SLOTS], times[BATCHES];
    uint32_t left[SLOTS]; /* pages in flight */
    gosset__io_read *reads;
    gosset__io_done *done;
} batches;

static gosset_status start_batch(batches *self, uint32_t slot) {
    const double rate = self->rate;
    for (uint32_t i = 0; i < self->pages; i++) {
        self->reads[i] = random_read(&self->reader, slot * self->pages + i);
        self->reads[i].tag = slot;
    }
    self->arrived[slot] = rate > 0 ? self->next : seconds_now();
    self->left[slot] = self->pages;
    self->started++;
    if (rate > 0) self->next += -log(1 - gosset__rng_unit(&self->reader.rng)) / rate;
    return self->reader.io->ops->submit(self->reader.io, self->reads, self->pages);
}

static gosset_status start_what_arrived(batches *self, uint32_t count) {
    for (uint32_t slot = 0; slot < self->slots && self->started < count; slot++) {
        if (self->left[slot] > 0) continue;
        if (self->rate > 0 && seconds_now() < self->next) return GOSSET_OK;
        const gosset_status status = start_batch(self, slot);
        if (status != GOSSET_OK) return status;
    }
    return GOSSET_OK;
}

static void sleep_until(double time) {
    const struct timespec wanted = {.tv_sec = (time_t)time, .tv_nsec = (long)((time - floor(time)) * 1e9)};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &wanted, NULL);
}

/* As few reads as can end a batch; 0: none is in flight. */
static uint32_t least_left(const batches *self) {
    uint32_t least = 0;
    for (uint32_t slot = 0; slot < self->slots; slot++)
        if (self->left[slot] > 0 && (least == 0 || self->left[slot] < least)) least = self->left[slot];
    return least;
}

/* Takes in what is done; sleeps until a batch is, or the next one arrives. */
static gosset_status take_in(batches *self, uint32_t count, uint32_t *found) {
    gosset__io *io = self->reader.io;
    const bool more = self->rate > 0 && self->started < count;
    const uint32_t least = least_left(self);
    *found = 0;
    if (least == 0) sleep_until(self->next);
    io->deadline = more && self->started - self->over < self->slots ? (uint64_t)(self->next * 1e9) : 0;
    return least > 0 ? io->ops->reap(io, least, self->done, io->depth, found) : GOSSET_OK;
}

static gosset_status run_batches(batches *self, uint32_t count) {
    gosset_status status = GOSSET_OK;
    self->next = seconds_now();
    while (self->over < count && !interrupted()) {
        uint32_t found = 0;
        GOSSET_TRY(start_what_arrived(self, count));
        GOSSET_TRY(take_in(self, count, &found));
        GOSSET_TRY(check_reads(&self->reader, self->done, found));
        for (uint32_t i = 0; i < found; i++) {
            const uint64_t slot = self->done[i].tag;
            if (--self->left[slot] == 0) self->times[self->over++] = seconds_now() - self->arrived[slot];
        }
    }
    if (self->over < count) return GOSSET_E_CANCELLED;
out:
    return status;
}

static uint32_t slots_at(double rate, uint32_t pages) {
    const uint32_t most = pages < BUFFERS ? BUFFERS / pages : 1;
    return rate <= 0 ? 1 : most < SLOTS ? most : SLOTS;
}

gosset_status device_batches(device *self, uint32_t pages, double rate, device_times *out) {
    static const double seconds = 1; /* at a rate */
    gosset_status status = GOSSET_OK;
    const uint32_t count = rate > 0 && rate * seconds < BATCHES ? 1 + (uint32_t)(rate * seconds) : BATCHES;
    batches work = {.reader = {.store = self->store, .rng = gosset__rng_make(8, pages)}, .pages = pages, .rate = rate};
    const uint32_t depth = pages * (work.slots = slots_at(rate, pages));
    work.reads = calloc(depth, sizeof *work.reads);
    work.done = calloc(depth, sizeof *work.done);
    if (work.reads == NULL || work.done == NULL) GOSSET_TRY(gosset__no_memory("reads", depth * sizeof *work.reads));
    GOSSET_TRY(gosset__io_open(&work.reader.io, self->store->files, depth, -1, &self->env));
    GOSSET_TRY(run_batches(&work, count));
    *out = (device_times){percentile(work.times, count, 0.5) * 1e6, percentile(work.times, count, 0.99) * 1e6};
out:
    gosset__io_close(work.reader.io);
    free(work.reads);
    free(work.done);
    return status;
}
