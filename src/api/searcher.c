#include "api/searcher.h"
#include "api/vectors.h"
#include "base/status.h"
#include "train/model.h"
#include <string.h>

static const double default_recall = 0.95;
/* The reads of a quarter of them begin together: telling the device about new reads costs about as much as ten reads.
 */
enum { PARTS = 4 };

static gosset_status create(gosset_searcher **out, const gosset_index *index, const gosset__env *env,
                            uint32_t in_flight) {
    gosset_status status = GOSSET_OK;
    gosset_searcher *s = gosset__alloc_zero(env, sizeof *s);
    if (!s) return gosset__no_memory("searcher", sizeof *s);
    s->env = *env;
    s->index = index;
    s->options.recall = default_recall;
    s->options.in_flight = in_flight;
    GOSSET_TRY(gosset__search_create(&s->search, index->store, index->codec, index->kernels, env));
    GOSSET_TRY(gosset__search_set_in_flight(s->search, in_flight));
    gosset__search_count(s->search, &s->counts);
    size_t scratch = gosset__model_scratch_size(index->model, GOSSET__MAP_ROWS);
    s->queries = gosset__alloc_array(env, GOSSET__MAP_ROWS, index->store->layout.dimension * sizeof(float));
    s->latents = gosset__alloc_array(env, GOSSET__MAP_ROWS, gosset__codec_dimension(index->codec) * sizeof(float));
    s->scratch = gosset__alloc(env, scratch ? scratch : 1);
    if (!s->queries || !s->latents || !s->scratch) GOSSET_TRY(gosset__no_memory("searcher", scratch));
    *out = s;
    s = NULL;
out:
    gosset_searcher_free(s);
    return status;
}

gosset_status gosset_searcher_create(gosset_searcher **out, const gosset_index *index, const gosset_env *env_config) {
    gosset_status status = GOSSET_OK;
    gosset__env env;
    if (!out) return gosset__fail(GOSSET_E_ARGUMENT, "searcher: out: expected a pointer, found NULL");
    *out = NULL;
    GOSSET_REQUIRE(index, GOSSET_E_ARGUMENT, "searcher: index: expected one, found NULL");
    GOSSET_TRY(gosset__env_read(&env, env_config));
    GOSSET_TRY(create(out, index, &env, GOSSET__IN_FLIGHT));
out:
    return status;
}

gosset_status gosset__searcher_create_with(gosset_searcher **out, const gosset_index *index, const gosset__env *env,
                                           const gosset_search_options *options) {
    *out = NULL;
    gosset_status status = create(out, index, env, options->in_flight ? options->in_flight : GOSSET__IN_FLIGHT);
    if (status == GOSSET_OK) status = gosset_searcher_set(*out, options);
    return status;
}

void gosset_searcher_free(gosset_searcher *searcher) {
    if (!searcher) return;
    gosset__env env = searcher->env;
    gosset__search_free(searcher->search);
    gosset__free(&env, searcher->queries);
    gosset__free(&env, searcher->latents);
    gosset__free(&env, searcher->scratch);
    gosset__free(&env, searcher->requests);
    gosset__free(&env, searcher->batch_latents);
    gosset__free(&env, searcher);
}

gosset_status gosset_searcher_set(gosset_searcher *searcher, const gosset_search_options *options) {
    gosset_search_options read;
    if (!searcher) return gosset__fail(GOSSET_E_ARGUMENT, "searcher: expected one, found NULL");
    gosset_status status = gosset__config_read(&read, sizeof read, options, "gosset_search_options");
    if (status != GOSSET_OK) return status;
    if (read.recall != 0 && (read.probe || read.rerank))
        return gosset__fail(GOSSET_E_CONFIG, "search options: expected recall, or probe with rerank, found both");
    if (!read.probe != !read.rerank)
        return gosset__fail(GOSSET_E_CONFIG, "search options: probe and rerank go together, found %s alone",
                            read.probe ? "probe" : "rerank");
    if (read.recall != 0 && !(read.recall > 0 && read.recall < 1))
        return gosset__fail(GOSSET_E_ARGUMENT, "search options: recall: expected between 0 and 1, found %g",
                            read.recall);
    if (read.reach && !read.probe)
        return gosset__fail(GOSSET_E_CONFIG, "search options: reach goes with probe, found it alone");
    if (read.leaf_reach && !read.reach)
        return gosset__fail(GOSSET_E_CONFIG, "search options: leaf_reach goes with reach, found it alone");
    if (read.recall == 0 && read.probe == 0) read.recall = default_recall;
    if (read.in_flight == 0) read.in_flight = GOSSET__IN_FLIGHT;
    status = gosset__search_set_in_flight(searcher->search, read.in_flight);
    if (status == GOSSET_OK) status = gosset__search_set_cache(searcher->search, read.cache);
    if (status == GOSSET_OK) searcher->options = read;
    return status;
}

gosset_status gosset__searcher_check(const gosset_searcher *searcher, const gosset_vectors *queries, uint32_t k,
                                     const uint64_t *ids) {
    const gosset__layout *layout = &searcher->index->store->layout;
    if (k < 1 || k > GOSSET__MAX_K)
        return gosset__fail(GOSSET_E_ARGUMENT, "search: k: expected 1..%d, found %u", GOSSET__MAX_K, k);
    gosset_status status = gosset__vectors_expect(queries, "queries", layout->dimension);
    if (status != GOSSET_OK) return status;
    if (!ids && queries->count) return gosset__fail(GOSSET_E_ARGUMENT, "search: ids: expected an array, found NULL");
    return GOSSET_OK;
}

/* Queries of the stored type are compared as they are, others as floats. */
static gosset_type compared_as(const gosset_searcher *searcher, gosset_type given) {
    return given == searcher->index->store->layout.type ? given : GOSSET_F32;
}

void gosset__searcher_map(gosset_searcher *searcher, const gosset_vectors *queries, size_t first, size_t count,
                          float *latents) {
    const gosset_index *index = searcher->index;
    uint64_t started = gosset__nanoseconds();
    gosset_vectors rows = {searcher->queries, count, 0, queries->dimension, compared_as(searcher, queries->type)};
    if (rows.type == queries->type)
        gosset__vectors_copy(queries, first, count, searcher->queries);
    else
        gosset__vectors_to_f32(queries, first, count, (float *)(void *)searcher->queries);
    gosset__model_map(index->model, index->kernels, GOSSET_QUERY, &rows, latents, searcher->scratch);
    searcher->stats.queries += count;
    searcher->stats.encode_ns += gosset__nanoseconds() - started;
}

/* Settings for k, from the options or from the calibration. */
static gosset__calibration_entry choose(const gosset_searcher *s, uint32_t k) {
    const gosset_index *index = s->index;
    const gosset_search_options *options = &s->options;
    gosset__calibration_entry plan = {.effort = {options->probe, options->reach, options->leaf_reach},
                                      .rerank = options->rerank};
    if (s->options.recall > 0)
        plan = gosset__calibration_plan(&index->calibration, &index->extent, s->options.recall, k);
    if (plan.effort.probe > index->extent.cells) plan.effort.probe = index->extent.cells;
    if (plan.rerank > index->extent.rows) plan.rerank = (uint32_t)index->extent.rows;
    if (plan.rerank < 1) plan.rerank = 1;
    return plan;
}

gosset_status gosset__searcher_reserve(gosset_searcher *searcher, uint32_t k) {
    const gosset__calibration_entry plan = choose(searcher, k);
    return gosset__search_reserve(searcher->search, plan.effort.probe, plan.rerank > k ? plan.rerank : k, k);
}

uint64_t gosset__searcher_held(const gosset_searcher *searcher) {
    const gosset_index *index = searcher->index;
    const size_t row = index->store->layout.dimension + gosset__codec_dimension(index->codec);
    const size_t scratch = gosset__model_scratch_size(index->model, GOSSET__MAP_ROWS);
    return sizeof *searcher + GOSSET__MAP_ROWS * row * sizeof(float) + (scratch ? scratch : 1) +
           gosset__searcher_together_held(searcher) + gosset__search_held(searcher->search);
}

gosset__search_request gosset__searcher_request(const gosset_searcher *searcher, size_t row, gosset_type type,
                                                uint32_t k) {
    const gosset__calibration_entry plan = choose(searcher, k);
    type = compared_as(searcher, type);
    const uint32_t dimension = searcher->index->store->layout.dimension;
    gosset__search_request request = {.latent =
                                          searcher->latents + row * gosset__codec_dimension(searcher->index->codec),
                                      .vector = searcher->queries + row * dimension * gosset_type_size(type),
                                      .vector_type = type,
                                      .effort = plan.effort,
                                      .rerank = plan.rerank,
                                      .k = k};
    return request;
}

void gosset__outcome_note(gosset__outcome *outcome, gosset_status status, const char *sentence) {
    if (outcome->status != GOSSET_OK) return;
    outcome->status = status;
    const size_t length = strnlen(sentence, sizeof outcome->sentence - 1);
    memcpy(outcome->sentence, sentence, length);
    outcome->sentence[length] = 0;
}

static void take_in(gosset_searcher *s, int wait, gosset__outcome *outcome) {
    gosset__search_done done[GOSSET__MAP_ROWS];
    uint32_t count = gosset__search_finish(s->search, wait, done, GOSSET__MAP_ROWS);
    for (uint32_t i = 0; i < count; i++)
        if (done[i].status != GOSSET_OK) gosset__outcome_note(outcome, done[i].status, done[i].sentence);
}

/* Each planned by itself, while the pages of some before it are read. */
static void search_in_turn(gosset_searcher *searcher, const gosset_vectors *queries, uint32_t k, uint64_t *ids,
                           float *distances, gosset__outcome *outcome) {
    const uint32_t together = searcher->options.in_flight / PARTS;
    for (size_t next = 0; next < queries->count && outcome->status == GOSSET_OK; next++) {
        const size_t row = next % GOSSET__MAP_ROWS, left = queries->count - next;
        if (row == 0)
            gosset__searcher_map(searcher, queries, next, left < GOSSET__MAP_ROWS ? left : GOSSET__MAP_ROWS,
                                 searcher->latents);
        gosset__search_request request = gosset__searcher_request(searcher, row, queries->type, k);
        request.ids = ids + next * k;
        request.distances = distances ? distances + next * k : NULL;
        gosset_status status = gosset__search_start(searcher->search, &request);
        if (status == GOSSET_E_BUSY) { /* it needs more room than any before: memory moves, so it has to be alone */
            while (gosset__search_in_flight(searcher->search)) take_in(searcher, 1, outcome);
            status = gosset__search_start(searcher->search, &request);
        }
        if (status != GOSSET_OK) gosset__outcome_note(outcome, status, gosset_last_error());
        const int full = left == 1 || !gosset__search_has_room(searcher->search);
        if (full || together < 2 || next % together == together - 1) take_in(searcher, full, outcome);
    }
    while (gosset__search_in_flight(searcher->search)) take_in(searcher, 1, outcome);
}

gosset_status gosset_searcher_search(gosset_searcher *searcher, const gosset_vectors *queries, uint32_t k,
                                     uint64_t *ids, float *distances) {
    if (!searcher) return gosset__fail(GOSSET_E_ARGUMENT, "searcher: expected one, found NULL");
    gosset_status status = gosset__searcher_check(searcher, queries, k, ids);
    if (status != GOSSET_OK) return status;
    if (searcher->submitted)
        return gosset__fail(GOSSET_E_STATE, "search: %u submitted queries are in flight", searcher->submitted);
    gosset__outcome outcome = {.status = GOSSET_OK};
    /* Vectors that are planned together are read from the call until the end: they cannot be converted on the way. */
    if (compared_as(searcher, queries->type) == queries->type &&
        gosset__searcher_goes_together(searcher, queries->count, k))
        gosset__searcher_together(searcher, queries, k, ids, distances, &outcome);
    else
        search_in_turn(searcher, queries, k, ids, distances, &outcome);
    return outcome.status == GOSSET_OK ? GOSSET_OK : gosset__fail(outcome.status, "%s", outcome.sentence);
}

gosset_status gosset_searcher_stats(const gosset_searcher *searcher, gosset_search_stats *stats) {
    if (!searcher || !stats) return gosset__fail(GOSSET_E_ARGUMENT, "searcher: stats: expected a searcher and stats");
    const gosset__search_stats *counts = &searcher->counts;
    gosset_search_stats sum = searcher->stats;
    sum.cells_probed = counts->cells_probed;
    sum.codes_scanned = counts->codes_scanned;
    sum.candidates = counts->candidates;
    sum.pages_read = counts->pages_read;
    sum.bytes_read = counts->bytes_read;
    sum.io_batches = counts->io_batches;
    sum.code_reads = counts->code_reads;
    sum.cache_hits = counts->cache_hits;
    sum.cache_misses = counts->cache_misses;
    sum.code_bytes = counts->code_bytes;
    sum.scan_ns = counts->scan_ns;
    sum.io_ns = counts->io_ns;
    return gosset__info_write(stats, &sum, sizeof sum, "gosset_search_stats");
}

void gosset_searcher_reset_stats(gosset_searcher *searcher) {
    if (!searcher) return;
    searcher->stats = (gosset_search_stats){0};
    searcher->counts = (gosset__search_stats){0};
}
