/*
 * What a code of so many bytes is worth, apart from any index: every base vector is replaced by what its code decodes
 * to, and the queries, not coded, are compared with all of them. For PQ this is the asymmetric distance exactly.
 */
#include "faiss_api.h"
#include "rival.h"

#include <gosset/gosset.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DEPTH = 1000, SLICE = 1 << 15, QUERY_SLICE = 250 };

static const struct {
    const char *name, *factory;
} codes[] = {
    {"PQ", "PQ%Bnp"},
    {"OPQ", "OPQ%B_%D,PQ%Bnp"},
    {"RQ", "RQ%Bx8"},
    {"PRQ", "PRQ4x%Qx8"},
    {"LSQ", "LSQ%Bx8"},
    {"PCA+SQ4", "PCAR%S,SQ4"},
    {"IVF-PQ", "IVF%L,PQ%Bnp"}, /* of the residual to a list's centroid, as an inverted index stores it */
    {"IVF-OPQ", "OPQ%B_%D,IVF%L,PQ%Bnp"},
};

typedef struct code_run {
    const bench_data *data;
    const bench_plan *plan;
    const char *name, *factory, *model;
    int exact_features; /* Gosset: what its codes approximate */
} code_run;

static FaissIndex *flat(uint32_t dimension, FaissMetricType metric, bench_results *results) {
    FaissIndex *index = NULL;
    bench_faiss_try(results, "Flat", faiss_index_factory(&index, (int)dimension, "Flat", metric));
    return index;
}

/* Where the true neighbours stand in the order of the codes: the one thing all figures follow from. */
static void score(const code_run *run, const FaissIndex *decoded, const float *queries, bench_results *results,
                  bench_code *code) {
    const bench_data *data = run->data;
    uint32_t k = run->plan->k, dimension = (uint32_t)faiss_Index_d(decoded);
    size_t depth = data->base.count < DEPTH ? data->base.count : DEPTH;
    uint64_t *at_rank = calloc(depth, sizeof *at_rank); /* true k neighbours found at each rank */
    float *distances = bench_memory(QUERY_SLICE * depth * sizeof *distances);
    int64_t *ids = bench_memory(QUERY_SLICE * depth * sizeof *ids);
    uint64_t first_within[3] = {0, 0, 0}, sum = 0;
    static const size_t within[3] = {1, 10, 100};
    static const double wanted[3] = {0.90, 0.95, 0.99};
    if (!at_rank) bench_fail("no memory");

    bench_faiss_threads(run->plan->threads[run->plan->thread_count - 1], 1);
    for (size_t first = 0; first < data->query.count; first += QUERY_SLICE) {
        size_t count = data->query.count - first < QUERY_SLICE ? data->query.count - first : QUERY_SLICE;
        bench_faiss_try(
            results, "search",
            faiss_Index_search(decoded, (idx_t)count, queries + first * dimension, (idx_t)depth, distances, ids));
        for (size_t query = 0; query < count; query++) {
            const int32_t *truth = data->truth + (first + query) * data->truth_k;
            for (size_t rank = 0; rank < depth; rank++) {
                int64_t id = ids[query * depth + rank];
                for (uint32_t i = 0; i < k; i++) at_rank[rank] += id == truth[i];
                for (int i = 0; i < 3 && id == truth[0]; i++) first_within[i] += rank < within[i];
            }
        }
    }
    double all = (double)data->query.count;
    code->r_at_1 = (double)first_within[0] / all;
    code->r_at_10 = (double)first_within[1] / all;
    code->r_at_100 = (double)first_within[2] / all;
    for (size_t rank = 0; rank < depth; rank++) {
        sum += at_rank[rank];
        double recall = (double)sum / (all * k);
        if (rank + 1 == k) code->recall_at_10 = recall;
        for (int i = 0; i < 3; i++)
            if (!code->depth[i] && recall >= wanted[i]) code->depth[i] = (uint32_t)rank + 1;
    }
    free(at_rank);
    free(distances);
    free(ids);
}

/* Replaces the base by its decoded codes, slice by slice. Returns seconds spent encoding. */
static double decode_base(const code_run *run, const FaissIndex *coder, size_t size, FaissIndex *decoded,
                          bench_results *results) {
    const bench_data *data = run->data;
    uint8_t *bytes = bench_memory(SLICE * size);
    double seconds = 0;
    for (size_t first = 0; first < data->base.count; first += SLICE) {
        size_t count = data->base.count - first < SLICE ? data->base.count - first : SLICE;
        float *rows = bench_floats(data, &data->base, first, count);
        double started = bench_seconds();
        bench_faiss_try(results, "encode", faiss_Index_sa_encode(coder, (idx_t)count, rows, bytes));
        seconds += bench_seconds() - started;
        bench_faiss_try(results, "decode", faiss_Index_sa_decode(coder, (idx_t)count, bytes, rows));
        bench_faiss_try(results, "add", faiss_Index_add(decoded, (idx_t)count, rows));
        free(rows);
    }
    free(bytes);
    return seconds;
}

static void run_faiss_code(void *context, bench_results *results) {
    const code_run *run = context;
    const bench_data *data = run->data;
    bench_code code;
    FaissIndex *coder = NULL;
    size_t size = 0;
    memset(&code, 0, sizeof code);
    bench_faiss_threads(run->plan->threads[run->plan->thread_count - 1], 0);
    snprintf(code.name, sizeof code.name, "FAISS %.32s", run->factory);
    bench_faiss_try(results, run->factory,
                    faiss_index_factory(&coder, (int)data->base.dimension, run->factory, METRIC_L2));
    float *learn = bench_floats(data, &data->learn, 0, data->learn.count);
    double started = bench_seconds();
    bench_faiss_try(results, run->factory, faiss_Index_train(coder, (idx_t)data->learn.count, learn));
    code.train_seconds = bench_seconds() - started;
    free(learn);
    bench_faiss_try(results, run->factory, faiss_Index_sa_code_size(coder, &size));
    code.bytes = (double)size;
    FaissIndex *decoded =
        flat(data->base.dimension, data->metric == GOSSET_IP ? METRIC_INNER_PRODUCT : METRIC_L2, results);
    code.encode_us = decode_base(run, coder, size, decoded, results) * 1e6 / (double)data->base.count;
    float *queries = bench_floats(data, &data->query, 0, data->query.count);
    score(run, decoded, queries, results, &code);
    results->codes[results->code_count++] = code;
}

static void gosset_try(bench_results *results, gosset_status status) {
    if (status == GOSSET_OK) return;
    snprintf(results->note, sizeof results->note, "Gosset: %.200s", gosset_last_error());
    fflush(NULL);
    _exit(1);
}

static gosset_vectors slice_of(const gosset_vectors *vectors, size_t first, size_t count) {
    size_t width = vectors->type == GOSSET_F32 ? 4 : 1;
    gosset_vectors slice = *vectors;
    slice.stride = vectors->stride ? vectors->stride : vectors->dimension * width;
    slice.data = (const char *)vectors->data + first * slice.stride;
    slice.count = count;
    return slice;
}

static void run_gosset_code(void *context, bench_results *results) {
    const code_run *run = context;
    const bench_data *data = run->data;
    gosset_env env = {.struct_size = sizeof env, .threads = run->plan->threads[run->plan->thread_count - 1]};
    gosset_model *model = NULL;
    gosset_model_info info = {.struct_size = sizeof info};
    bench_code code;
    memset(&code, 0, sizeof code);
    gosset_try(results, gosset_model_load(&model, run->model, &env));
    gosset_try(results, gosset_model_describe(model, &info));
    uint32_t dimension = info.feature_dimension;
    code.bytes = run->exact_features ? dimension * 4.0 : info.code_bytes;
    snprintf(code.name, sizeof code.name, "Gosset%s", run->exact_features ? " map, not coded" : "");
    code.train_seconds = info.train_seconds;
    FaissIndex *decoded = flat(dimension, METRIC_L2, results);
    float *features = bench_memory(SLICE * dimension * sizeof *features);
    uint32_t *cells = bench_memory(SLICE * sizeof *cells);
    uint8_t *bytes = bench_memory((size_t)SLICE * info.code_bytes);
    double seconds = 0;
    for (size_t first = 0; first < data->base.count; first += SLICE) {
        size_t count = data->base.count - first < SLICE ? data->base.count - first : SLICE;
        gosset_vectors slice = slice_of(&data->base, first, count);
        double started = bench_seconds();
        if (run->exact_features)
            gosset_try(results, gosset_model_features(model, GOSSET_BASE, &slice, features));
        else
            gosset_try(results, gosset_model_encode(model, &slice, cells, bytes));
        seconds += bench_seconds() - started;
        if (!run->exact_features) gosset_try(results, gosset_model_decode(model, count, cells, bytes, features));
        bench_faiss_try(results, "add", faiss_Index_add(decoded, (idx_t)count, features));
    }
    code.encode_us = seconds * 1e6 / (double)data->base.count;
    float *queries = bench_memory(data->query.count * dimension * sizeof *queries);
    gosset_try(results, gosset_model_features(model, GOSSET_QUERY, &data->query, queries));
    score(run, decoded, queries, results, &code);
    results->codes[results->code_count++] = code;
}

/* FAISS's own lattice: blocks of 24 principal components, 58 bits for the shell of norm 54, 6 for the length. */
static int lattice_factory(const bench_data *data, uint32_t bytes, char *text, size_t size) {
    uint32_t blocks = bytes / 8;
    if (bytes % 8 || !blocks || blocks * 24 > data->base.dimension) return 0;
    snprintf(text, size, "PCAR%u,ZnLattice%ux54_6", blocks * 24, blocks);
    return 1;
}

void bench_codes(const bench_data *data, const bench_plan *plan, const char *model, const char *names,
                 bench_results *results) {
    char factory[96];
    code_run run = {data, plan, NULL, factory, model, 0};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        bench_factory(data, plan->code_bytes, codes[i].factory, factory, sizeof factory);
        if (bench_selected(names, codes[i].name))
            bench_isolated(factory, run_faiss_code, &run, plan->limit_seconds, results);
    }
    if (bench_selected(names, "ZnLattice") && lattice_factory(data, plan->code_bytes, factory, sizeof factory))
        bench_isolated(factory, run_faiss_code, &run, plan->limit_seconds, results);
    for (int exact = 0; model && exact < 2; exact++) {
        run.exact_features = exact;
        bench_isolated(exact ? "Gosset, not coded" : "Gosset", run_gosset_code, &run, plan->limit_seconds, results);
    }
}
