#include "api/build.h"
#include "base/status.h"
#include "train/model.h"

/* Everything a merge holds; the model and layout are those of the first source. */
typedef struct merge {
    gosset__build_config config;
    const gosset__kernels *kernels;
    gosset_model *model;
    gosset_model_info model_info;
    gosset__codec *codec;
    gosset__pool *pool;
    gosset__store_writer *writer;
    gosset__truth truth;
    gosset__layout layout;
    uint64_t rows, store_memory;
} merge;

static gosset_status check_same(const merge *m, const gosset__store *store, const char *first, const char *source) {
    const gosset__layout *a = &m->layout, *b = &store->layout;
    if (a->fingerprint != b->fingerprint)
        return gosset__fail(GOSSET_E_MISMATCH, "merge: %s and %s are built with different models (%016llx, %016llx)",
                            first, source, (unsigned long long)a->fingerprint, (unsigned long long)b->fingerprint);
    if (a->type != b->type || a->dimension != b->dimension || a->metric != b->metric || a->code_size != b->code_size ||
        a->cell_count != b->cell_count)
        return gosset__fail(GOSSET_E_MISMATCH, "merge: %s and %s hold vectors of different types (%d, %d)", first,
                            source, (int)a->type, (int)b->type);
    return GOSSET_OK;
}

static gosset_status take_first(merge *m, const gosset__store *store) {
    gosset_status status = GOSSET_OK;
    const gosset__env *env = &m->config.env;
    m->layout = store->layout;
    GOSSET_TRY(gosset__model_parse(&m->model, store->model, store->model_size, store->directory, m->config.user.env));
    GOSSET_TRY(gosset__codec_of_model(&m->codec, &m->model_info, m->model, m->kernels, env));
    GOSSET_TRY(gosset__truth_create(&m->truth, gosset__truth_queries(m->model_info.held_out, 0), env));
out:
    return status;
}

/* First pass: all sources fit together, and their truths become one. */
static gosset_status survey(merge *m, const char *const *sources, size_t count) {
    gosset_status status = GOSSET_OK;
    const gosset__env *env = &m->config.env;
    gosset__store *store = NULL;
    gosset__truth part = {0, NULL};
    gosset__calibration calibration;
    for (size_t i = 0; i < count; i++) {
        GOSSET_TRY(gosset__store_open(&store, sources[i], "threads", env));
        if (i == 0) GOSSET_TRY(take_first(m, store));
        GOSSET_TRY(check_same(m, store, sources[0], sources[i]));
        GOSSET_TRY(gosset__calibration_load(&calibration, &part, store->calibration, store->calibration_size,
                                            sources[i], env));
        m->rows += store->row_count;
        uint32_t expected = gosset__truth_queries(m->model_info.held_out, store->row_count);
        GOSSET_REQUIRE(part.query_count == expected, GOSSET_E_CORRUPT, "%s: calibration: expected %u queries, found %u",
                       sources[i], expected, part.query_count);
        /* Fewer queries serve more rows, and they are the first ones: all parts have the ones that stay. */
        m->truth.query_count = gosset__truth_queries(m->model_info.held_out, m->rows);
        gosset__truth_merge(&m->truth, &part);
        gosset__truth_free(&part, env);
        gosset__store_close(store);
        store = NULL;
    }
out:
    gosset__truth_free(&part, env);
    gosset__store_close(store);
    return status;
}

/* Second pass: the rows, source by source; the writer sorts them into one order whatever theirs was. */
static gosset_status write_rows(merge *m, const char *directory, const char *const *sources, size_t count) {
    gosset_status status = GOSSET_OK;
    const gosset__env *env = &m->config.env;
    gosset__store *store = NULL;
    gosset__ticker ticker;
    gosset__ticker_start(&ticker, env);
    uint64_t done = 0;
    for (size_t i = 0; i < count; i++) {
        GOSSET_TRY(gosset__store_open(&store, sources[i], "threads", env));
        GOSSET_TRY(check_same(m, store, sources[0], sources[i]));
        if (i == 0) {
            uint64_t held = 3 * (uint64_t)store->model_size +
                            2 * (uint64_t)gosset__truth_at(m->truth.query_count) * sizeof *m->truth.lists +
                            (uint64_t)m->layout.cell_count * sizeof(uint64_t);
            gosset__budget budget;
            GOSSET_TRY(gosset__build_split(&budget, &m->config, held, 0));
            m->store_memory = budget.store;
            gosset__store_config config = {.layout = m->layout,
                                           .memory = budget.store,
                                           .shard_size = m->config.shard_size,
                                           .model = store->model,
                                           .model_size = store->model_size};
            GOSSET_TRY(gosset__store_writer_create(&m->writer, directory, &config, env));
        }
        GOSSET_TRY(gosset__store_writer_add_store(m->writer, store));
        gosset_progress progress = {.phase = "merge", .done = done += store->row_count, .total = m->rows};
        GOSSET_TRY(gosset__tick(&ticker, &progress));
        gosset__store_close(store);
        store = NULL;
    }
out:
    gosset__store_close(store);
    return status;
}

static gosset_status check_arguments(const char *directory, const char *const *sources, size_t count) {
    if (!directory || !*directory)
        return gosset__fail(GOSSET_E_ARGUMENT, "merge: directory: expected a path, found none");
    if (!sources || count == 0) return gosset__fail(GOSSET_E_ARGUMENT, "merge: sources: expected some, found none");
    for (size_t i = 0; i < count; i++)
        if (!sources[i] || !*sources[i])
            return gosset__fail(GOSSET_E_ARGUMENT, "merge: source %zu: expected a path, found none", i);
    return GOSSET_OK;
}

gosset_status gosset_merge(const char *directory, const char *const *sources, size_t source_count,
                           const gosset_writer_config *config) {
    merge m = {0};
    gosset_status status = check_arguments(directory, sources, source_count);
    if (status != GOSSET_OK) return status;
    status = gosset__build_config_read(&m.config, config);
    if (status != GOSSET_OK) return status;
    GOSSET_TRY(gosset__kernels_get(&m.kernels, m.config.env.cpu));
    GOSSET_TRY(survey(&m, sources, source_count));
    GOSSET_TRY(write_rows(&m, directory, sources, source_count));
    GOSSET_TRY(gosset__pool_create(&m.pool, &m.config.env));
    GOSSET_TRY(
        gosset__build_publish(m.writer, m.model, m.codec, m.kernels, m.pool, &m.truth, m.store_memory, &m.config.env));
out:
    gosset__store_writer_free(m.writer);
    gosset__pool_free(m.pool);
    gosset__codec_free(m.codec);
    gosset_model_free(m.model);
    gosset__truth_free(&m.truth, &m.config.env);
    return status;
}
