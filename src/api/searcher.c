#include "api/handles.h"
#include "api/vectors.h"
#include "base/status.h"
#include "index/search.h"
#include "train/model.h"

/* Queries encoded together: the weights pass through the cache once for all of them. */
enum { ENCODE_ROWS = 64 };
static const double default_recall = 0.95;

struct gosset_searcher {
    gosset__env env;
    const gosset_index *index;
    gosset__search *search;
    gosset_search_options options; /* recall 0 when probe and rerank are set */
    gosset_search_stats stats;
    char *queries;  /* ENCODE_ROWS rows, aligned */
    float *latents; /* ENCODE_ROWS x latent dimension */
    void *scratch;  /* of the model */
};

gosset_status gosset_searcher_create(gosset_searcher **out, const gosset_index *index, const gosset_env *env_config) {
    gosset_status status = GOSSET_OK;
    gosset__env env;
    gosset_searcher *s = NULL;
    if (!out) return gosset__fail(GOSSET_E_ARGUMENT, "searcher: out: expected a pointer, found NULL");
    *out = NULL;
    GOSSET_REQUIRE(index, GOSSET_E_ARGUMENT, "searcher: index: expected one, found NULL");
    GOSSET_TRY(gosset__env_read(&env, env_config));
    s = gosset__alloc_zero(&env, sizeof *s);
    if (!s) GOSSET_TRY(gosset__no_memory("searcher", sizeof *s));
    s->env = env;
    s->index = index;
    s->options.recall = default_recall;
    GOSSET_TRY(gosset__search_create(&s->search, index->store, index->codec, index->kernels, &env));
    size_t scratch = gosset__model_scratch_size(index->model, ENCODE_ROWS);
    s->queries = gosset__alloc_array(&env, ENCODE_ROWS, index->store->layout.dimension * sizeof(float));
    s->latents = gosset__alloc_array(&env, ENCODE_ROWS, gosset__codec_dimension(index->codec) * sizeof(float));
    s->scratch = gosset__alloc(&env, scratch ? scratch : 1);
    if (!s->queries || !s->latents || !s->scratch) GOSSET_TRY(gosset__no_memory("searcher", scratch));
    *out = s;
    s = NULL;
out:
    gosset_searcher_free(s);
    return status;
}

void gosset_searcher_free(gosset_searcher *searcher) {
    if (!searcher) return;
    gosset__env env = searcher->env;
    gosset__search_free(searcher->search);
    gosset__free(&env, searcher->queries);
    gosset__free(&env, searcher->latents);
    gosset__free(&env, searcher->scratch);
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
    if (read.recall == 0 && read.probe == 0) read.recall = default_recall;
    searcher->options = read;
    return GOSSET_OK;
}

static gosset_status check_search(const gosset_searcher *s, const gosset_vectors *queries, uint32_t k,
                                  const uint64_t *ids) {
    const gosset__layout *layout = &s->index->store->layout;
    if (k < 1 || k > GOSSET__MAX_K)
        return gosset__fail(GOSSET_E_ARGUMENT, "search: k: expected 1..%d, found %u", GOSSET__MAX_K, k);
    if (queries && queries->type != layout->type && queries->type != GOSSET_F32)
        return gosset__fail(GOSSET_E_DIMENSION, "queries: type: expected %s or f32, found %s",
                            gosset__type_name(layout->type), gosset__type_name(queries->type));
    gosset_status status = gosset__vectors_expect(queries, "queries", layout->dimension);
    if (status != GOSSET_OK) return status;
    if (!ids && queries->count) return gosset__fail(GOSSET_E_ARGUMENT, "search: ids: expected an array, found NULL");
    return GOSSET_OK;
}

/* Probe and rerank for k, from the options or from the calibration. */
static void choose(const gosset_searcher *s, uint32_t k, uint32_t *probe, uint32_t *rerank) {
    const gosset_index *index = s->index;
    gosset__calibration_entry plan = {0, s->options.probe, s->options.rerank, 0};
    if (s->options.recall > 0)
        plan = gosset__calibration_plan(&index->calibration, &index->extent, s->options.recall, k);
    *probe = plan.probe < index->extent.cells ? plan.probe : index->extent.cells;
    *rerank = plan.rerank < index->extent.rows ? plan.rerank : (uint32_t)index->extent.rows;
    if (*rerank < 1) *rerank = 1;
}

static void add_stats(gosset_search_stats *sum, const gosset__search_stats *part, uint64_t queries,
                      uint64_t encode_ns) {
    sum->queries += queries;
    sum->cells_probed += part->cells_probed;
    sum->codes_scanned += part->codes_scanned;
    sum->candidates += part->candidates;
    sum->pages_read += part->pages_read;
    sum->bytes_read += part->bytes_read;
    sum->io_batches += part->io_batches;
    sum->encode_ns += encode_ns;
    sum->scan_ns += part->scan_ns;
    sum->io_ns += part->io_ns;
}

gosset_status gosset_searcher_search(gosset_searcher *searcher, const gosset_vectors *queries, uint32_t k,
                                     uint64_t *ids, float *distances) {
    if (!searcher) return gosset__fail(GOSSET_E_ARGUMENT, "searcher: expected one, found NULL");
    gosset_status status = check_search(searcher, queries, k, ids);
    if (status != GOSSET_OK) return status;
    const gosset_index *index = searcher->index;
    uint32_t probe, rerank, dimension = gosset__codec_dimension(index->codec);
    choose(searcher, k, &probe, &rerank);
    size_t row_size = gosset__vectors_row_size(queries);
    for (size_t first = 0; first < queries->count; first += ENCODE_ROWS) {
        size_t count = queries->count - first < ENCODE_ROWS ? queries->count - first : ENCODE_ROWS;
        gosset__search_stats stats = {0};
        uint64_t started = gosset__nanoseconds();
        gosset_vectors rows = {searcher->queries, count, 0, queries->dimension, queries->type};
        gosset__vectors_copy(queries, first, count, searcher->queries);
        gosset__model_map(index->model, index->kernels, GOSSET_QUERY, &rows, searcher->latents, searcher->scratch);
        uint64_t encode_ns = gosset__nanoseconds() - started;
        for (size_t i = 0; i < count; i++) {
            size_t at = (first + i) * k;
            status = gosset__search_run(searcher->search, searcher->latents + i * dimension,
                                        searcher->queries + i * row_size, queries->type, probe, rerank, k, ids + at,
                                        distances ? distances + at : NULL, &stats);
            if (status != GOSSET_OK) return status;
        }
        add_stats(&searcher->stats, &stats, count, encode_ns);
    }
    return GOSSET_OK;
}

gosset_status gosset_searcher_stats(const gosset_searcher *searcher, gosset_search_stats *stats) {
    if (!searcher || !stats) return gosset__fail(GOSSET_E_ARGUMENT, "searcher: stats: expected a searcher and stats");
    return gosset__info_write(stats, &searcher->stats, sizeof searcher->stats, "gosset_search_stats");
}

void gosset_searcher_reset_stats(gosset_searcher *searcher) {
    if (searcher) searcher->stats = (gosset_search_stats){0};
}
