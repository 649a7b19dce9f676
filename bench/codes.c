/*
 * What a code of so many bytes is worth, apart from any index: every base vector is replaced by what its code decodes
 * to, and the queries, not coded, are compared with all of them. For PQ this is the asymmetric distance exactly; for
 * additive codes it is better than what FAISS's index does, which stores a quantized length as well.
 */
#include "faiss_api.h"
#include "log.h"
#include "rival.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { SLICE = 1 << 15, SCAN_ROWS = 1 << 16, SCAN_QUERIES = 16 };

static const double SCAN_SECONDS = 0.5;

/* Patterns of bench_factory. Those with lists are codes of the residual to a list's centroid, as an inverted index
 * stores them, and are run for each number of lists. */
static const struct {
    const char *name, *factory;
} codes[] = {
    {"PQ", "%PPQ%Bnp"},
    {"OPQ", "OPQ%B_%D,PQ%Bnp"}, /* four dimensions a byte */
    {"OPQ", "OPQ%B_%A,PQ%Bnp"}, /* all dimensions; the same where there are as many */
    {"SQ", "PCAR%S,SQ4"},
    {"SQ", "PCAR%T,SQ6"},
    {"SQ", "PCAR%B,SQ8"},
    {"ZnLattice", NULL}, /* see lattice_factory */
    {"IVF-PQ", "%PIVF%L,PQ%Bnp"},
    {"IVF-OPQ", "OPQ%B_%A,IVF%L,PQ%Bnp"},
    {"RQ", "RQ%Bx8"},
    {"PRQ", "PRQ2x%Hx8"},
    {"PRQ", "PRQ4x%Qx8"},
    {"PRQ", "PRQ%Ox8x8"},
    {"IVF-RQ", "IVF%L,RQ%Bx8"},
    {"IVF-PRQ", "IVF%L,PRQ2x%Hx8"},
    {"PLSQ", "PLSQ4x%Qx8"},
    {"PLSQ", "PLSQ%Ox8x8"},
    {"LSQ", "LSQ%Bx8"},
};

typedef struct code_run {
    const bench_data *data, *other; /* other: further queries, or NULL */
    const bench_plan *plan;
    const float *queries, *other_queries;
    bench_code *code; /* in shared memory: what is known when it is stopped remains */
} code_run;

/* FAISS's own lattice: blocks of 24 principal components, 58 bits for the shell of norm 54, 6 for the length. */
static void lattice_factory(uint32_t bytes, char *text, size_t size) {
    const uint32_t blocks = bytes / 8;
    snprintf(text, size, "PCAR%u,ZnLattice%ux54_6", blocks * 24, blocks);
}

/* FAISS writes the number of a list into as many bytes as the last one takes. */
static uint32_t list_bytes(const char *factory) {
    const char *lists = strstr(factory, "IVF");
    unsigned long last = lists ? strtoul(lists + 3, NULL, 10) - 1 : 0;
    uint32_t bytes = 0;
    for (; last; last >>= 8) bytes++;
    return bytes;
}

static const char *unsuitable(const code_run *run) {
    const uint32_t dimension = run->data->base.dimension, bytes = run->code->size;
    const char *name = run->code->name;
    if (strcmp(name, "ZnLattice") == 0 && (bytes % 8 || bytes * 3 > dimension))
        return "needs a multiple of 8 bytes and 24 dimensions for each 8";
    if (strstr(run->code->factory, "x8x8") && bytes < 16) return "would be one quantizer: see RQ, LSQ";
    if (strcmp(name, "SQ") == 0 && strstr(run->code->factory, "SQ8") && bytes > dimension)
        return "has fewer dimensions than bytes";
    return NULL;
}

static void limit_cpu(const bench_plan *plan) {
    const rlim_t seconds = (rlim_t)plan->limit_cpu_seconds;
    const struct rlimit limit = {seconds, seconds + 5}, none = {0, 0};
    if (!seconds) return;
    setrlimit(RLIMIT_CORE, &none);
    if (setrlimit(RLIMIT_CPU, &limit) != 0) bench_fail("cannot limit the CPU time");
}

/* Codes of the whole base; the time of encoding alone is counted. */
static uint8_t *encode_base(const code_run *run, const FaissIndex *coder, size_t size, bench_results *results) {
    const bench_data *data = run->data;
    uint8_t *bytes = bench_memory(data->base.count * size);
    double seconds = 0;
    for (size_t first = 0; first < data->base.count; first += SLICE) {
        const size_t left = data->base.count - first, count = left < SLICE ? left : SLICE;
        float *rows = bench_floats(data, &data->base, first, count);
        const double started = bench_seconds();
        bench_faiss_try(results, "encode", faiss_Index_sa_encode(coder, (idx_t)count, rows, bytes + first * size));
        seconds += bench_seconds() - started;
        free(rows);
    }
    run->code->encode_us = seconds * 1e6 / (double)data->base.count;
    return bytes;
}

/* Returns the order of candidates that was better. */
static const char *rank_base(const bench_data *data, const float *queries, const FaissIndex *coder, size_t size,
                             const uint8_t *bytes, rank_quality *quality, bench_results *results) {
    const size_t dimension = data->base.dimension;
    rank_counter *counter = rank_create(queries, data->query.count, (uint32_t)dimension, data->truth, data->truth_k);
    float *rows = bench_memory(SLICE * dimension * sizeof *rows);
    uint8_t *truth = bench_memory(RANK_TRUE * size);
    for (size_t query = 0; query < data->query.count; query++) {
        for (size_t i = 0; i < RANK_TRUE; i++)
            memcpy(truth + i * size, bytes + (size_t)data->truth[query * data->truth_k + i] * size, size);
        bench_faiss_try(results, "decode", faiss_Index_sa_decode(coder, RANK_TRUE, truth, rows));
        rank_truth(counter, query, rows);
    }
    for (size_t first = 0; first < data->base.count; first += SLICE) {
        const size_t left = data->base.count - first, count = left < SLICE ? left : SLICE;
        bench_faiss_try(results, "decode", faiss_Index_sa_decode(coder, (idx_t)count, bytes + first * size, rows));
        rank_count(counter, first, count, rows);
    }
    /* Of unit vectors both orders stand for the cosine, and a code may do better by either. */
    const rank_quality by_l2 = rank_summary(counter, RANK_L2), by_ip = rank_summary(counter, RANK_IP);
    const int ip = data->metric == GOSSET_IP || (data->metric == GOSSET_COSINE && by_ip.depth[1] < by_l2.depth[1]);
    *quality = ip ? by_ip : by_l2;
    rank_free(counter);
    free(truth);
    free(rows);
    return ip ? "ip" : "l2";
}

/*
 * FAISS's own search through all codes, one thread. No figure without such a search (ZnLattice, two codes in a row),
 * nor for inverted lists: going through all of thousands of short lists measures their overhead, not the code.
 */
static void scan(const code_run *run, FaissIndex *coder) {
    const bench_data *data = run->data;
    const size_t count = data->base.count < SCAN_ROWS ? data->base.count : SCAN_ROWS;
    const size_t queries = data->query.count < SCAN_QUERIES ? data->query.count : SCAN_QUERIES;
    float distances[SCAN_QUERIES * 100];
    int64_t ids[SCAN_QUERIES * 100];
    if (run->code->has_cell) return;
    float *rows = bench_floats(data, &data->base, 0, count);
    const int failed = faiss_Index_add(coder, (idx_t)count, rows);
    free(rows);
    bench_faiss_threads(1, 0);
    double started = 0, seconds = 0;
    for (size_t passes = 0; !failed && (passes == 0 || seconds < SCAN_SECONDS); passes++) {
        if (faiss_Index_search(coder, (idx_t)queries, run->queries, 100, distances, ids) != 0) return;
        if (passes == 0) started = bench_seconds(); /* the first is for warming up */
        seconds = bench_seconds() - started;
        if (passes) run->code->scan_ns = seconds * 1e9 / ((double)passes * (double)(queries * count));
    }
}

static void run_faiss_code(void *context, bench_results *results) {
    const code_run *run = context;
    const bench_data *data = run->data;
    const size_t limit = run->plan->learn_limit;
    const size_t learn_count = limit && limit < data->learn.count ? limit : data->learn.count;
    FaissIndex *coder = NULL;
    size_t size = 0;
    limit_cpu(run->plan);
    bench_faiss_threads(run->plan->threads[run->plan->thread_count - 1], 0);
    bench_faiss_try(results, "create",
                    faiss_index_factory(&coder, (int)data->base.dimension, run->code->factory, METRIC_L2));
    bench_faiss_try(results, "create", faiss_Index_sa_code_size(coder, &size));
    run->code->bytes = (double)(size - list_bytes(run->code->factory));
    run->code->has_cell = list_bytes(run->code->factory) > 0;
    snprintf(run->code->reason, sizeof run->code->reason, "stopped in training");
    float *learn = bench_floats(data, &data->learn, 0, learn_count);
    const double started = bench_seconds();
    bench_faiss_try(results, "train", faiss_Index_train(coder, (idx_t)learn_count, learn));
    run->code->train_seconds = bench_seconds() - started;
    free(learn);
    snprintf(run->code->reason, sizeof run->code->reason, "stopped in encoding");
    uint8_t *bytes = encode_base(run, coder, size, results);
    snprintf(run->code->reason, sizeof run->code->reason, "stopped in ranking");
    const char *ranking = rank_base(data, run->queries, coder, size, bytes, &run->code->quality, results);
    snprintf(run->code->ranking, sizeof run->code->ranking, "%s", ranking);
    if (run->other) rank_base(run->other, run->other_queries, coder, size, bytes, &run->code->other, results);
    run->code->reason[0] = 0;
    free(bytes);
    scan(run, coder);
}

static void try_code(code_run *run, const char *name, uint32_t size, const char *factory, bench_results *results) {
    for (uint32_t i = 0; i < results->code_count; i++)
        if (results->codes[i].size == size && strcmp(results->codes[i].factory, factory) == 0) return;
    run->code = bench_add_code(results, name, size);
    snprintf(run->code->factory, sizeof run->code->factory, "%s", factory);
    run->code->bytes = size;
    if (bench_log_find(run->plan, run->other != NULL, run->code)) return;
    const char *reason = unsuitable(run);
    if (reason) {
        snprintf(run->code->reason, sizeof run->code->reason, "%s", reason);
        return;
    }
    const int failed = bench_isolated(factory, run_faiss_code, run, run->plan->limit_seconds, results);
    if (failed && !run->code->quality.depth[0]) {
        char phase[64];
        snprintf(phase, sizeof phase, "%.60s", run->code->reason);
        snprintf(run->code->reason, sizeof run->code->reason, "%s%s%.120s", phase, *phase ? "; " : "", results->note);
    }
    bench_log_code(run->plan, run->code);
}

static void run_size(code_run *run, uint32_t size, const char *names, bench_results *results) {
    char factory[56];
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        const char *pattern = codes[i].factory;
        const int has_lists = pattern && strstr(pattern, "%L");
        if (!bench_selected(names, codes[i].name)) continue;
        for (uint32_t list = 0; list == 0 || (has_lists && list < run->plan->list_count); list++) {
            if (pattern)
                bench_factory(run->data, size, run->plan->list_count ? run->plan->lists[list] : 0, pattern, factory,
                              sizeof factory);
            else
                lattice_factory(size, factory, sizeof factory);
            try_code(run, codes[i].name, size, factory, results);
        }
    }
}

void bench_codes(const bench_data *data, const bench_data *other, const bench_plan *plan, const char *models,
                 const char *names, bench_results *results) {
    float *queries = bench_floats(data, &data->query, 0, data->query.count);
    float *other_queries = other ? bench_floats(other, &other->query, 0, other->query.count) : NULL;
    code_run run = {data, other, plan, queries, other_queries, NULL};
    if (data->truth_k < RANK_TRUE || (other && other->truth_k < RANK_TRUE))
        bench_fail("the ground truth has fewer than %d neighbours a query", RANK_TRUE);
    if (models) bench_gosset_codes(data, other, plan, models, results);
    for (uint32_t i = 0; i < plan->size_count; i++) run_size(&run, plan->sizes[i], names, results);
    free(queries);
    free(other_queries);
    results->failure_count = 0; /* each row says its own */
}
