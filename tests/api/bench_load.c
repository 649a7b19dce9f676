/*
 * Queries that arrive, on a clock nothing else on the machine can disturb: bench_load INDEX QUERIES [SHARE [IN_FLIGHT
 * [RUNS]]]. Time is what the thread has worked, plus what a modelled device and host would have taken; while there is
 * nothing to do it jumps. So the tail is that of the queue and of planning, and not the scheduler's.
 *
 * Pages come from memory. The device serves them one after the other and each a little later; of one call of the ring
 * in fifty all are late, by an exponential time. The defaults are near what the machine of bench/RESULTS.md does;
 * some are estimates.
 */
#include "api/handles.h"
#include "base/rng.h"
#include "datasets/vectors.h"
#include "index/store.h"

#include <gosset/gosset.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { K = 10, COMPLETIONS = 64, MAX_READS = 1024, WARM = 200, LATE_ONE_IN = 50 };

/* Microseconds. */
static const double page_us = 7.5, latency_us = 45, late_us = 400;                                 /* of the device */
static const double call_us = 1.2, read_us = 0.9, interrupt_us = 20, wake_us = 10, taken_us = 0.3; /* of the host */

static double skipped; /* time nobody worked */

static double now(void) {
    struct timespec worked;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &worked);
    return (double)worked.tv_sec * 1e6 + (double)worked.tv_nsec * 1e-3 + skipped;
}

static void must(gosset_status status, const char *sentence) {
    if (status == GOSSET_OK) return;
    fprintf(stderr, "%s\n", sentence);
    exit(EXIT_FAILURE);
}

/* ---- the device ------------------------------------------------------------------------------------------ */

typedef struct held_page {
    gosset__io_done done;
    double ready;
} held_page;

static struct device {
    const gosset__io_ops *real;
    gosset__io_ops ops;
    gosset__rng rng;
    held_page held[MAX_READS]; /* soonest first */
    uint32_t held_count, queued;
    double free; /* when it has served all pages it was asked for */
    uint64_t calls;
} device;

static gosset_status device_submit(gosset__io *io, const gosset__io_read *reads, uint32_t count) {
    const gosset_status status = device.real->submit(io, reads, count);
    if (status == GOSSET_OK) device.queued += count;
    return status;
}

static int by_time(const void *a, const void *b) {
    const double left = ((const held_page *)a)->ready, right = ((const held_page *)b)->ready;
    return (left > right) - (left < right);
}

static void call(void) {
    device.calls++;
    skipped += call_us;
}

/* A device that is idle has to be interrupted. */
static void hand_over(gosset__io *io) {
    gosset__io_done done[MAX_READS];
    uint32_t count = 0;
    call();
    skipped += read_us * device.queued;
    if (device.free < now()) {
        skipped += interrupt_us;
        device.free = now();
    }
    must(device.real->reap(io, 0, done, MAX_READS, &count), "pages in memory cannot be read");
    const double late =
        gosset__rng_below(&device.rng, LATE_ONE_IN) == 0 ? -log(1 - gosset__rng_unit(&device.rng)) * late_us : 0;
    for (uint32_t i = 0; i < count; i++) {
        device.free += page_us;
        device.held[device.held_count++] = (held_page){done[i], device.free + latency_us + late};
    }
    device.queued = 0;
    qsort(device.held, device.held_count, sizeof *device.held, by_time);
}

static gosset_status device_reap(gosset__io *io, uint32_t minimum, gosset__io_done *done, uint32_t capacity,
                                 uint32_t *count) {
    const uint64_t calls = device.calls;
    if (device.queued > 0) hand_over(io);
    if (minimum > device.held_count) minimum = device.held_count;
    if (minimum > 0 && device.held[minimum - 1].ready > now())
        skipped += device.held[minimum - 1].ready - now() + wake_us;
    const double time = now();
    uint32_t ready = 0;
    while (ready < device.held_count && ready < capacity && device.held[ready].ready <= time) ready++;
    if (ready > 0 && device.calls == calls) call();
    for (uint32_t i = 0; i < ready; i++) done[i] = device.held[i].done;
    device.held_count -= ready;
    memmove(device.held, device.held + ready, device.held_count * sizeof *device.held);
    skipped += taken_us * ready;
    *count = ready;
    return GOSSET_OK;
}

static void put_device(gosset_index *index) {
    gosset__io_files *files = index->store->files;
    device.real = files->ops;
    device.ops = *files->ops;
    device.ops.submit = device_submit;
    device.ops.reap = device_reap;
    device.ops.resident = false;
    files->ops = &device.ops;
}

/* ---- the queue ------------------------------------------------------------------------------------------- */

typedef struct load {
    gosset_searcher *searcher;
    gosset_vectors queries;
    uint64_t *ids;
    double *arrived, *latency;
    size_t next, over;
} load;

static gosset_vectors one(const load *self, size_t row) {
    gosset_vectors query = self->queries;
    const size_t packed = query.dimension * gosset_type_size(query.type);
    query.data = (const char *)query.data + row * (query.stride ? query.stride : packed);
    query.count = 1;
    return query;
}

static size_t take_in(load *self, int wait) {
    gosset_completion over[COMPLETIONS];
    size_t count = 0;
    must(wait ? gosset_searcher_wait(self->searcher, over, COMPLETIONS, &count)
              : gosset_searcher_poll(self->searcher, over, COMPLETIONS, &count),
         gosset_last_error());
    const double time = now();
    for (size_t i = 0; i < count; i++) {
        must(over[i].status, over[i].error);
        self->latency[over[i].tag] = time - self->arrived[over[i].tag];
    }
    self->over += count;
    return count;
}

static int submit(load *self, double arrived) {
    const gosset_vectors query = one(self, self->next);
    const gosset_status status =
        gosset_searcher_submit(self->searcher, &query, K, self->ids + self->next * K, NULL, self->next);
    if (status == GOSSET_E_BUSY) return 0;
    must(status, gosset_last_error());
    self->arrived[self->next++] = arrived;
    return 1;
}

/* Queries a microsecond when there is always another one. */
static double run_closed(load *self) {
    const double begin = now();
    self->next = self->over = 0;
    while (self->over < self->queries.count) {
        while (self->next < self->queries.count && submit(self, now())) continue;
        take_in(self, 1);
    }
    return (double)self->queries.count / (now() - begin);
}

static void run_open(load *self, double rate, gosset__rng *rng) {
    double arrival = now();
    self->next = self->over = 0;
    while (self->over < self->queries.count) {
        const int left = self->next < self->queries.count;
        if (take_in(self, 0) > 0) continue; /* there may be more to do than wait: a query that stood back */
        if (left && now() >= arrival) {
            if (submit(self, arrival))
                arrival += -log(1 - gosset__rng_unit(rng)) / rate;
            else
                take_in(self, 1);
            continue;
        }
        const int page = device.held_count > 0 && (!left || device.held[0].ready < arrival);
        const double wanted = page ? device.held[0].ready + wake_us : arrival;
        if ((page || left) && wanted > now()) skipped += wanted - now();
    }
}

static int by_value(const void *a, const void *b) {
    const double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static double percentile(const load *self, double share) {
    return self->latency[(size_t)(share * (double)self->queries.count)];
}

static void warm_up(load *self) {
    for (size_t row = 0; row < self->queries.count && row < WARM; row++) {
        const gosset_vectors query = one(self, row);
        must(gosset_searcher_search(self->searcher, &query, K, self->ids, NULL), gosset_last_error());
    }
}

int main(int argc, char **argv) {
    if (argc < 3) return 2;
    const double share = argc > 3 ? strtod(argv[3], NULL) : 0.5;
    gosset_search_options options = {.struct_size = sizeof options, .recall = 0.95, .in_flight = 4};
    if (argc > 4) options.in_flight = (uint32_t)strtoul(argv[4], NULL, 10);
    const unsigned long runs = argc > 5 ? strtoul(argv[5], NULL, 10) : 5;
    gosset_dataset *file = NULL;
    gosset_index *index = NULL;
    gosset_index_config config = {.struct_size = sizeof config, .io = "memory"};
    load self = {.next = 0};
    must(gosset_dataset_open(&file, argv[2]), gosset_dataset_error());
    must(gosset_dataset_map(file, &self.queries), gosset_dataset_error());
    must(gosset_index_open(&index, argv[1], &config), gosset_last_error());
    put_device(index);
    must(gosset_searcher_create(&self.searcher, index, NULL), gosset_last_error());
    must(gosset_searcher_set(self.searcher, &options), gosset_last_error());
    self.ids = malloc(self.queries.count * K * sizeof *self.ids);
    self.arrived = malloc(self.queries.count * sizeof *self.arrived);
    self.latency = malloc(self.queries.count * sizeof *self.latency);
    if (!self.ids || !self.arrived || !self.latency) return 1;
    device.rng = gosset__rng_make(1, 1);
    warm_up(&self);
    for (unsigned long run = 0; run < runs; run++) {
        gosset__rng rng = gosset__rng_make(run, 0);
        const double most = run_closed(&self);
        const uint64_t calls = device.calls;
        run_open(&self, share * most, &rng);
        qsort(self.latency, self.queries.count, sizeof *self.latency, by_value);
        printf("%.0f of %.0f queries/s: p50 %.0f us, p99 %.0f us, %.2f times; %.2f calls of the ring a query\n",
               share * most * 1e6, most * 1e6, percentile(&self, 0.5), percentile(&self, 0.99),
               percentile(&self, 0.99) / percentile(&self, 0.5),
               (double)(device.calls - calls) / (double)self.queries.count);
    }
    gosset_searcher_free(self.searcher);
    gosset_index_close(index);
    gosset_dataset_close(file);
    free(self.ids);
    free(self.arrived);
    free(self.latency);
    return 0;
}
