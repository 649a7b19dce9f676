#include "api/brute.h"
#include "api/vectors.h"
#include "base/status.h"
#include <gosset/index.h>
#include <math.h>

/* Rows between two progress reports: a second or so of work for thousands of queries. */
enum { ROWS_PER_REPORT = 16384 };

static gosset_status check(const gosset_vectors *base, const gosset_vectors *queries, gosset_metric metric, uint32_t k,
                           const uint64_t *ids) {
    gosset_status status = gosset__vectors_check(base, "base");
    if (status != GOSSET_OK) return status;
    if (queries && queries->type != base->type && queries->type != GOSSET_F32)
        return gosset__fail(GOSSET_E_DIMENSION, "queries: type: expected %s or f32, found %s",
                            gosset__type_name(base->type), gosset__type_name(queries->type));
    status = gosset__vectors_expect(queries, "queries", base->dimension);
    if (status != GOSSET_OK) return status;
    if ((unsigned)metric > GOSSET_COSINE)
        return gosset__fail(GOSSET_E_ARGUMENT, "exact search: metric: expected l2, ip or cosine, found %d",
                            (int)metric);
    if (k < 1 || k > GOSSET__MAX_K)
        return gosset__fail(GOSSET_E_ARGUMENT, "exact search: k: expected 1..%d, found %u", GOSSET__MAX_K, k);
    if (!ids && queries->count)
        return gosset__fail(GOSSET_E_ARGUMENT, "exact search: ids: expected an array, found NULL");
    return GOSSET_OK;
}

static void write_results(gosset__brute *brute, size_t count, uint32_t k, uint64_t *ids, float *distances) {
    for (size_t q = 0; q < count; q++) {
        uint32_t found;
        const gosset__neighbour *list = gosset__brute_result(brute, q, &found);
        for (uint32_t i = 0; i < k; i++) {
            ids[q * k + i] = i < found ? list[i].id : GOSSET_NO_ID;
            if (distances) distances[q * k + i] = i < found ? list[i].distance : INFINITY;
        }
    }
}

gosset_status gosset_exact_search(const gosset_vectors *base, const gosset_vectors *queries, gosset_metric metric,
                                  uint32_t k, uint64_t *ids, float *distances, const gosset_env *env_config) {
    gosset_status status = GOSSET_OK;
    gosset__env env;
    gosset__pool *pool = NULL;
    gosset__brute *brute = NULL;
    const gosset__kernels *kernels;
    GOSSET_TRY(gosset__env_read(&env, env_config));
    GOSSET_TRY(check(base, queries, metric, k, ids));
    GOSSET_TRY(gosset__kernels_get(&kernels, env.cpu));
    GOSSET_TRY(gosset__pool_create(&pool, &env));
    gosset__brute_config config = {queries, base->type, metric, k, base->count};
    GOSSET_TRY(gosset__brute_create(&brute, &config, kernels, pool, &env));

    gosset__ticker ticker;
    gosset__ticker_start(&ticker, &env);
    /* With few queries a small step would not keep all threads busy, and is not long enough to report. */
    size_t step = queries->count < 128 ? base->count : ROWS_PER_REPORT;
    double started = gosset__seconds();
    for (size_t first = 0; first < base->count; first += step) {
        gosset_vectors part = *base;
        part.data = gosset__vectors_row(base, first);
        part.count = base->count - first < step ? base->count - first : step;
        GOSSET_TRY(gosset__brute_add(brute, &part, NULL, first, NULL, queries->count));
        gosset_progress progress = {.phase = "exact", .done = first + part.count, .total = base->count};
        progress.seconds_left =
            (gosset__seconds() - started) * (double)(base->count - progress.done) / (double)progress.done;
        GOSSET_TRY(gosset__tick(&ticker, &progress));
    }
    write_results(brute, queries->count, k, ids, distances);
out:
    gosset__brute_free(brute);
    gosset__pool_free(pool);
    return status;
}
