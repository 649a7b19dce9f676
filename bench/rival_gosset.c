/*
 * Gosset through its public API: one searcher a thread, at calibrated recall targets. One query a call, as a service
 * has them, or all of a thread's in one call, as FAISS gets them.
 */
#include "rival.h"

#include <gosset/gosset.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const double targets[] = {0.80, 0.85, 0.90, 0.93, 0.95, 0.97, 0.98, 0.99, 0.995};

typedef struct gosset_run {
    const bench_data *data;
    const bench_plan *plan;
    const char *directory, *io, *system;
    int batch; /* all queries of a thread in one call */
    gosset_index *index;
    gosset_searcher *searchers[64];
    bench_results *results;
} gosset_run;

static void leave(bench_results *results) {
    snprintf(results->note, sizeof results->note, "Gosset: %.200s", gosset_last_error());
    fflush(NULL);
    _exit(1);
}

/* One thread's share: rows are claimed one by one, so that a slow thread does not hold up the end, or all at once. */
typedef struct share {
    gosset_run *run;
    gosset_searcher *searcher;
    atomic_size_t *next;
    size_t first, end, call; /* call: rows claimed at a time */
    int64_t *ids;
    int failed;
} share;

static void *search_share(void *context) {
    share *own = context;
    const gosset_vectors *query = &own->run->data->query;
    size_t width = query->type == GOSSET_F32 ? 4 : 1;
    size_t stride = query->stride ? query->stride : query->dimension * width;
    uint32_t k = own->run->plan->k;
    for (size_t row; (row = atomic_fetch_add(own->next, own->call)) < own->end;) {
        gosset_vectors part = *query;
        part.data = (const char *)query->data + row * stride;
        part.count = own->end - row < own->call ? own->end - row : own->call;
        uint64_t *ids = (uint64_t *)own->ids + (row - own->first) * k; /* GOSSET_NO_ID reads as -1 */
        if (gosset_searcher_search(own->searcher, &part, k, ids, NULL) != GOSSET_OK) {
            fprintf(stderr, "Gosset: %s\n", gosset_last_error());
            own->failed = 1;
            break;
        }
    }
    return NULL;
}

static void search(void *context, size_t first, size_t count, uint32_t threads, int64_t *ids) {
    gosset_run *run = context;
    atomic_size_t next = first;
    pthread_t handles[64];
    share shares[64];
    const size_t call = run->batch && count > threads ? (count + threads - 1) / threads : 1;
    for (uint32_t i = 0; i < threads; i++) {
        shares[i] = (share){run, run->searchers[i], &next, first, first + count, call, ids, 0};
        if (i > 0 && pthread_create(&handles[i], NULL, search_share, &shares[i]) != 0) bench_fail("no thread");
    }
    search_share(&shares[0]);
    int failed = shares[0].failed;
    for (uint32_t i = 1; i < threads; i++) {
        pthread_join(handles[i], NULL);
        failed |= shares[i].failed;
    }
    if (failed) bench_fail("a search failed");
}

static double pages_per_query(gosset_run *run, uint32_t threads) {
    uint64_t pages = 0, queries = 0;
    for (uint32_t i = 0; i < threads; i++) {
        gosset_search_stats stats = {.struct_size = sizeof stats};
        if (gosset_searcher_stats(run->searchers[i], &stats) != GOSSET_OK) leave(run->results);
        pages += stats.pages_read;
        queries += stats.queries;
        gosset_searcher_reset_stats(run->searchers[i]);
    }
    return queries ? (double)pages / (double)queries : 0;
}

static void measure(gosset_run *run, const gosset_index_info *info, uint32_t threads, double target) {
    gosset_search_options options = {.struct_size = sizeof options, .recall = target},
                          found = {.struct_size = sizeof found};
    double expected = 0;
    char setting[64];
    if (gosset_index_calibration(run->index, target, &found, &expected) != GOSSET_OK) leave(run->results);
    snprintf(setting, sizeof setting, "recall %g (probe %u, rerank %u)", target, found.probe, found.rerank);
    for (uint32_t i = 0; i < threads; i++)
        if (gosset_searcher_set(run->searchers[i], &options) != GOSSET_OK) leave(run->results);
    bench_point *point = bench_add_point(run->results, run->system, setting);
    gosset_model_info model = {.struct_size = sizeof model};
    if (gosset_model_describe(info->model, &model) == GOSSET_OK) point->train_seconds = model.train_seconds;
    point->bytes_per_vector = (double)info->resident_bytes / (double)info->vector_count;
    const bench_searcher searcher = {search, run};
    bench_measure(run->data, run->plan, &searcher, point);
    point->on_disk = strcmp(info->io, "memory") != 0;
    point->pages = point->on_disk ? pages_per_query(run, threads) : 0;
}

static void run_gosset(void *context, bench_results *results) {
    gosset_run *run = context;
    gosset_env env = {.struct_size = sizeof env, .threads = 1};
    gosset_index_config config = {.struct_size = sizeof config, .env = &env, .io = run->io};
    gosset_index_info info = {.struct_size = sizeof info};
    uint32_t threads = 1;
    run->results = results;
    for (uint32_t i = 0; i < run->plan->thread_count; i++)
        if (run->plan->threads[i] > threads) threads = run->plan->threads[i];
    if (gosset_index_open(&run->index, run->directory, &config) != GOSSET_OK ||
        gosset_index_describe(run->index, &info) != GOSSET_OK)
        leave(results);
    if (info.vector_count != run->data->base.count)
        bench_fail("%s holds %llu vectors, the base has %zu", run->directory, (unsigned long long)info.vector_count,
                   run->data->base.count);
    for (uint32_t i = 0; i < threads; i++)
        if (gosset_searcher_create(&run->searchers[i], run->index, &env) != GOSSET_OK) leave(results);
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) measure(run, &info, threads, targets[i]);
    for (uint32_t i = 0; i < threads; i++) gosset_searcher_free(run->searchers[i]);
    gosset_index_close(run->index);
}

static void bench_one(const bench_data *data, const bench_plan *plan, const char *directory, const char *io, int batch,
                      bench_results *results) {
    char system[40];
    gosset_run *run = bench_memory(sizeof *run);
    memset(run, 0, sizeof *run);
    snprintf(system, sizeof system, "Gosset%s%s", strcmp(io, "memory") == 0 ? " in memory" : "",
             batch ? ", batches" : "");
    run->data = data, run->plan = plan, run->directory = directory;
    run->io = io, run->system = system, run->batch = batch;
    bench_isolated(system, run_gosset, run, plan->limit_seconds, results);
    free(run);
}

void bench_gosset(const bench_data *data, const bench_plan *plan, const char *directory, const char *ios,
                  bench_results *results) {
    char io[16];
    for (const char *at = ios; *at; at += strcspn(at, ","), at += *at == ',') {
        snprintf(io, sizeof io, "%.*s", (int)strcspn(at, ","), at);
        for (int batch = 0; batch < 2; batch++) bench_one(data, plan, directory, io, batch, results);
    }
}
