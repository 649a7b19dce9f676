/* FAISS, by index_factory: every system is trained on the learn set and filled with the base. */
#include "faiss_api.h"
#include "rival.h"

#include <cblas.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * Factory patterns: see bench_factory. Parameters are swept in all combinations. "np" leaves out FAISS's polysemous
 * training, which takes minutes and only serves a Hamming filter that is not used here.
 */
typedef struct faiss_system {
    const char *name, *factory;
    struct {
        const char *name;
        double values[10]; /* until 0 */
    } sweep[2];
} faiss_system;

static const faiss_system systems[] = {
    {"Flat", "Flat", {{NULL, {0}}, {NULL, {0}}}},
    {"PQ", "PQ%Bnp", {{NULL, {0}}, {NULL, {0}}}},
    {"OPQ", "OPQ%B_%D,PQ%Bnp", {{NULL, {0}}, {NULL, {0}}}},
    {"PQ+rerank", "PQ%Bnp,RFlat", {{"k_factor_rf", {1, 2, 4, 8, 16, 0}}, {NULL, {0}}}},
    {"IVF-Flat", "IVF%L,Flat", {{"nprobe", {1, 2, 4, 8, 16, 32, 64, 128, 0}}, {NULL, {0}}}},
    {"IVF-PQ+rerank",
     "IVF%L,PQ%Bnp,RFlat",
     {{"nprobe", {4, 8, 16, 32, 48, 64, 96, 128, 0}}, {"k_factor_rf", {2, 4, 8, 0}}}},
    {"IVF-OPQ-fastscan+rerank",
     "OPQ%B_%D,IVF%L,PQ%Nx4fs,RFlat",
     {{"nprobe", {4, 8, 16, 32, 48, 64, 96, 128, 0}}, {"k_factor_rf", {2, 4, 8, 0}}}},
    {"HNSW", "HNSW32", {{"efSearch", {10, 16, 24, 32, 48, 64, 96, 128, 256, 0}}, {NULL, {0}}}},
};

typedef struct faiss_run {
    const bench_data *data;
    const bench_plan *plan;
    const faiss_system *system;
    FaissIndex *index;
    float *queries;
    float *distances;
    bench_results *results;
} faiss_run;

/*
 * FAISS is parallel by OpenMP around BLAS. With threads of both kinds they wait for the same CPUs, so BLAS gets one,
 * except in an exhaustive search, which is one large product.
 */
void bench_faiss_threads(uint32_t threads, int one_product) {
    omp_set_num_threads((int)threads);
    openblas_set_num_threads(one_product ? (int)threads : 1);
}

void bench_faiss_try(bench_results *results, const char *what, int code) {
    if (code == 0) return;
    const char *sentence = faiss_get_last_error();
    const char *reason = strstr(sentence, "Error:"); /* FAISS puts its source line first */
    snprintf(results->note, sizeof results->note, "%s: %.180s", what, reason ? reason : sentence);
    fflush(NULL);
    _exit(1);
}

void bench_faiss_add(FaissIndex *index, const bench_data *data, bench_results *results) {
    const size_t slice = 1 << 16;
    for (size_t first = 0; first < data->base.count; first += slice) {
        size_t count = data->base.count - first < slice ? data->base.count - first : slice;
        float *rows = bench_floats(data, &data->base, first, count);
        bench_faiss_try(results, "add", faiss_Index_add(index, (idx_t)count, rows));
        free(rows);
    }
}

/* Largest power of two that is near 4 sqrt(n) and leaves k-means 39 learn vectors a list, as FAISS asks. */
static uint32_t list_count(const bench_data *data) {
    uint32_t lists = 16;
    while ((double)lists * lists * 2 < 16.0 * (double)data->base.count && (size_t)lists * 2 * 39 <= data->learn.count)
        lists *= 2;
    return lists;
}

/* The largest divisor-friendly dimension for OPQ: a multiple of the number of subquantizers. */
static uint32_t opq_dimension(const bench_data *data, uint32_t bytes) {
    uint32_t dimension = bytes * 4;
    while (dimension > data->base.dimension) dimension -= bytes;
    return dimension ? dimension : bytes;
}

static uint32_t at_most(uint32_t value, uint32_t limit) {
    return value < limit ? value : limit;
}

static uint32_t factory_value(const bench_data *data, uint32_t bytes, uint32_t lists, char letter) {
    const uint32_t dimension = data->base.dimension;
    switch (letter) {
    case 'N':
        return bytes * 2;
    case 'H':
        return bytes / 2;
    case 'O':
        return bytes / 8;
    case 'Q':
        return bytes / 4;
    case 'D':
        return opq_dimension(data, bytes);
    case 'A':
        return dimension >= bytes ? dimension / bytes * bytes : bytes;
    case 'S':
        return at_most(bytes * 2, dimension);
    case 'T':
        return at_most(bytes * 8 / 6, dimension);
    case 'L':
        return lists;
    default:
        return bytes;
    }
}

void bench_factory(const bench_data *data, uint32_t bytes, uint32_t lists, const char *pattern, char *text,
                   size_t size) {
    size_t used = 0;
    if (!lists) lists = list_count(data);
    for (const char *c = pattern; *c && used + 16 < size; c++) {
        const uint32_t padded = (data->base.dimension + bytes - 1) / bytes * bytes;
        if (*c != '%') {
            text[used++] = *c;
            continue;
        }
        c++;
        if (*c != 'P')
            used += (size_t)snprintf(text + used, size - used, "%u", factory_value(data, bytes, lists, *c));
        else if (padded != data->base.dimension)
            used += (size_t)snprintf(text + used, size - used, "Pad%u,", padded);
    }
    text[used] = 0;
}

static void search(void *context, size_t first, size_t count, uint32_t threads, int64_t *ids) {
    faiss_run *run = context;
    bench_faiss_threads(threads, strcmp(run->system->name, "Flat") == 0);
    const float *queries = run->queries + first * run->data->query.dimension;
    bench_faiss_try(run->results, "search",
                    faiss_Index_search(run->index, (idx_t)count, queries, run->plan->k, run->distances, ids));
}

static void measure(faiss_run *run, const FaissParameterSpace *space, const char *factory, const char *parameters,
                    const bench_point *costs) {
    char setting[160];
    snprintf(setting, sizeof setting, "%.80s%s%.64s", factory, *parameters ? " " : "", parameters);
    if (*parameters)
        bench_faiss_try(run->results, parameters,
                        faiss_ParameterSpace_set_index_parameters(space, run->index, parameters));
    bench_point *point = bench_add_point(run->results, run->system->name, setting);
    point->train_seconds = costs->train_seconds;
    point->build_seconds = costs->build_seconds;
    point->bytes_per_vector = costs->bytes_per_vector;
    const bench_searcher searcher = {search, run};
    bench_measure(run->data, run->plan, &searcher, point);
}

static void sweep(faiss_run *run, const char *factory, const bench_point *costs) {
    FaissParameterSpace *space = NULL;
    bench_faiss_try(run->results, "parameters", faiss_ParameterSpace_new(&space));
    const double *outer = run->system->sweep[0].values, *inner = run->system->sweep[1].values;
    for (int i = 0; i == 0 || outer[i] > 0; i++) {
        for (int j = 0; j == 0 || inner[j] > 0; j++) {
            char parameters[64] = "";
            size_t used = 0;
            if (run->system->sweep[0].name)
                used = (size_t)snprintf(parameters, sizeof parameters, "%s=%.0f", run->system->sweep[0].name, outer[i]);
            if (run->system->sweep[1].name)
                snprintf(parameters + used, sizeof parameters - used, ",%s=%.0f", run->system->sweep[1].name, inner[j]);
            measure(run, space, factory, parameters, costs);
        }
    }
    faiss_ParameterSpace_free(space);
}

static void run_system(void *context, bench_results *results) {
    faiss_run *run = context;
    const bench_plan *plan = run->plan;
    const bench_data *data = run->data;
    FaissMetricType metric = data->metric == GOSSET_IP ? METRIC_INNER_PRODUCT : METRIC_L2;
    bench_point costs;
    char factory[96];
    memset(&costs, 0, sizeof costs);
    run->results = results;
    bench_faiss_threads(plan->threads[plan->thread_count - 1], 0);
    bench_factory(data, plan->code_bytes, 0, run->system->factory, factory, sizeof factory);

    size_t before = bench_heap();
    bench_faiss_try(results, factory, faiss_index_factory(&run->index, (int)data->base.dimension, factory, metric));
    double started = bench_seconds();
    if (!faiss_Index_is_trained(run->index)) {
        float *learn = bench_floats(data, &data->learn, 0, data->learn.count);
        bench_faiss_try(results, factory, faiss_Index_train(run->index, (idx_t)data->learn.count, learn));
        free(learn);
        costs.train_seconds = bench_seconds() - started;
    }
    started = bench_seconds();
    bench_faiss_add(run->index, data, results);
    costs.build_seconds = bench_seconds() - started;
    costs.bytes_per_vector = (double)(bench_heap() - before) / (double)data->base.count;

    run->queries = bench_floats(data, &data->query, 0, data->query.count);
    run->distances = bench_memory(data->query.count * plan->k * sizeof *run->distances);
    sweep(run, factory, &costs);
}

int bench_selected(const char *list, const char *name) {
    size_t length = strlen(name);
    for (const char *at = list; at && *at; at += strcspn(at, ","), at += *at == ',')
        if (strncmp(at, name, length) == 0 && (at[length] == ',' || at[length] == 0)) return 1;
    return list == NULL;
}

void bench_faiss(const bench_data *data, const bench_plan *plan, const char *names, bench_results *results) {
    for (size_t i = 0; i < sizeof systems / sizeof *systems; i++) {
        faiss_run run = {data, plan, &systems[i], NULL, NULL, NULL, results};
        if (bench_selected(names, systems[i].name))
            bench_isolated(systems[i].name, run_system, &run, plan->limit_seconds, results);
    }
}
