#include "api/handles.h"
#include "base/status.h"
#include "index/leaves.h"
#include "train/model.h"

/* The layout of the shards must be the one the model would give, or distances and scans would be nonsense. */
static gosset_status check_model(const gosset_index *index) {
    const gosset__layout *layout = &index->store->layout;
    const gosset_model_info *info = &index->model_info;
    const char *directory = index->store->directory;
    if (layout->fingerprint != info->fingerprint)
        return gosset__fail(GOSSET_E_CORRUPT, "%s: model: expected fingerprint %016llx, found %016llx", directory,
                            (unsigned long long)layout->fingerprint, (unsigned long long)info->fingerprint);
    if (layout->dimension != info->input_dimension || layout->metric != info->metric ||
        layout->code_size != gosset__codec_code_size(index->codec) ||
        layout->cell_count != gosset__codec_cell_count(index->codec))
        return gosset__fail(GOSSET_E_CORRUPT,
                            "%s: model: expected dimension %u, code bytes %u, cells %u, found %u, %u, %u", directory,
                            layout->dimension, layout->code_size, layout->cell_count, info->input_dimension,
                            gosset__codec_code_size(index->codec), gosset__codec_cell_count(index->codec));
    return GOSSET_OK;
}

static void count_cells(gosset_index *index) {
    const gosset__store *store = index->store;
    double squares = 0, rows = (double)store->row_count;
    for (uint32_t c = 0; c < store->layout.cell_count; c++) {
        uint64_t size = store->cell_first[c + 1] - store->cell_first[c];
        index->cells_used += size > 0;
        if (size > index->largest_cell) index->largest_cell = size;
        squares += (double)size * (double)size;
    }
    index->imbalance = rows > 0 ? (double)index->cells_used * squares / (rows * rows) : 1;
    index->extent =
        (gosset__extent){store->row_count, store->page_count, store->layout.cell_count, store->leaves != NULL};
}

/* In memory when they fit the budget, with leaves where there is room for these, too; else on disk. */
static gosset_status place_codes(gosset_index *index, const gosset_index_config *config) {
    gosset_status status = GOSSET_OK;
    gosset__store *store = index->store;
    const uint64_t blocks = (store->row_count + GOSSET__SCAN_BLOCK - 1) / GOSSET__SCAN_BLOCK;
    const uint64_t codes = blocks * GOSSET__SCAN_BLOCK * store->layout.code_size;
    const int leaves = gosset__calibration_wants_leaves(&index->calibration);
    const uint64_t held = gosset__index_measure(index).index + codes,
                   all = config->memory == 0 ? UINT64_MAX : config->memory;
    const uint64_t with_leaves = held + (leaves ? gosset__leaves_size(store, index->codec) : 0);
    if (held <= all) {
        GOSSET_TRY(gosset__load_codes(store, index->codec, leaves && with_leaves <= all));
        if (config->memory > 0 && codes > 0)
            gosset__store_lock_codes(store, index->codes_reason, sizeof index->codes_reason);
        return GOSSET_OK;
    }
    GOSSET_TRY(gosset__store_leave_codes(store, config->io));
    const uint64_t least = gosset__index_measure(index).index;
    GOSSET_REQUIRE(least <= config->memory, GOSSET_E_ARGUMENT,
                   "%s: memory: expected at least %llu bytes (codes on disk), found %llu", store->directory,
                   (unsigned long long)least, (unsigned long long)config->memory);
out:
    return status;
}

static gosset_status open_parts(gosset_index *index, const char *directory, const gosset_index_config *config) {
    gosset_status status = GOSSET_OK;
    const gosset__env *env = &index->env;
    GOSSET_TRY(gosset__kernels_get(&index->kernels, env->cpu));
    GOSSET_TRY(gosset__store_open(&index->store, directory, config->io, env));
    gosset__store *store = index->store;
    GOSSET_TRY(gosset__model_parse(&index->model, store->model, store->model_size, directory, config->env));
    GOSSET_TRY(gosset__codec_of_model(&index->codec, &index->model_info, index->model, index->kernels, env));
    GOSSET_TRY(check_model(index));
    GOSSET_TRY(gosset__calibration_load(&index->calibration, NULL, store->calibration, store->calibration_size,
                                        directory, env));
    gosset__store_drop_parsed(store);
    GOSSET_TRY(place_codes(index, config));
    count_cells(index);
out:
    return status;
}

gosset_status gosset_index_open(gosset_index **out, const char *directory, const gosset_index_config *config) {
    gosset_status status = GOSSET_OK;
    gosset_index_config read;
    gosset__env env;
    gosset_index *index = NULL;
    if (!out) return gosset__fail(GOSSET_E_ARGUMENT, "index: out: expected a pointer, found NULL");
    *out = NULL;
    GOSSET_REQUIRE(directory && *directory, GOSSET_E_ARGUMENT, "index: directory: expected a path, found none");
    GOSSET_TRY(gosset__config_read(&read, sizeof read, config, "gosset_index_config"));
    GOSSET_TRY(gosset__env_read(&env, read.env));
    index = gosset__alloc_zero(&env, sizeof *index);
    if (!index) GOSSET_TRY(gosset__no_memory("index", sizeof *index));
    index->env = env;
    GOSSET_TRY(open_parts(index, directory, &read));
    *out = index;
    index = NULL;
out:
    gosset_index_close(index);
    return status;
}

void gosset_index_close(gosset_index *index) {
    if (!index) return;
    gosset__env env = index->env;
    gosset__codec_free(index->codec);
    gosset_model_free(index->model);
    gosset__store_close(index->store);
    gosset__free(&env, index);
}

gosset_status gosset_index_describe(const gosset_index *index, gosset_index_info *info) {
    if (!index || !info) return gosset__fail(GOSSET_E_ARGUMENT, "index: describe: expected an index and an info");
    const gosset__store *store = index->store;
    const gosset__layout *layout = &store->layout;
    const gosset_memory_info memory = gosset__index_measure(index);
    gosset_index_info ours = {.vector_count = store->row_count,
                              .shard_count = store->shard_count,
                              .format_version = store->format_version,
                              .type = layout->type,
                              .page_size = layout->page_size,
                              .records_per_page = layout->records_per_page,
                              .code_bytes = layout->code_size,
                              .cell_count = layout->cell_count,
                              .cells_used = index->cells_used,
                              .largest_cell = index->largest_cell,
                              .imbalance = index->imbalance,
                              .disk_bytes = store->disk_bytes,
                              .resident_bytes = memory.index,
                              .io = store->files ? store->files->ops->name : "",
                              .io_reason = store->files ? store->files->reason : "",
                              .cpu = index->kernels->name,
                              .model = index->model,
                              .codes = store->code_sums       ? "on disk"
                                       : store->blocks_locked ? "locked in memory"
                                                              : "in memory",
                              .codes_reason = index->codes_reason};
    return gosset__info_write(info, &ours, sizeof ours, "gosset_index_info");
}

gosset_status gosset_index_verify(const char *directory, const gosset_env *env_config) {
    gosset_status status = GOSSET_OK;
    gosset__env env;
    gosset__store *store = NULL;
    gosset_model *model = NULL;
    gosset__calibration calibration;
    gosset__truth truth = {0, NULL};
    GOSSET_REQUIRE(directory && *directory, GOSSET_E_ARGUMENT, "index: directory: expected a path, found none");
    GOSSET_TRY(gosset__env_read(&env, env_config));
    GOSSET_TRY(gosset__store_verify(directory, &env));
    /* The bytes are as written; now that they mean something. */
    GOSSET_TRY(gosset__store_open(&store, directory, "threads", &env));
    GOSSET_TRY(gosset__model_parse(&model, store->model, store->model_size, directory, env_config));
    GOSSET_TRY(
        gosset__calibration_load(&calibration, &truth, store->calibration, store->calibration_size, directory, &env));
    gosset__truth_free(&truth, &env);
out:
    gosset_model_free(model);
    gosset__store_close(store);
    return status;
}

gosset_status gosset_index_calibration(const gosset_index *index, double recall, gosset_search_options *options,
                                       double *expected_pages) {
    if (!index || !options) return gosset__fail(GOSSET_E_ARGUMENT, "calibration: expected an index and options");
    if (!(recall > 0 && recall < 1))
        return gosset__fail(GOSSET_E_ARGUMENT, "calibration: recall: expected between 0 and 1, found %g", recall);
    gosset__calibration_entry plan =
        gosset__calibration_plan(&index->calibration, &index->extent, recall, GOSSET__TRUTH_K);
    gosset_search_options ours = {.probe = plan.effort.probe,
                                  .rerank = plan.rerank,
                                  .reach = plan.effort.reach,
                                  .leaf_reach = plan.effort.leaf_reach};
    if (expected_pages) *expected_pages = plan.pages;
    return gosset__info_write(options, &ours, sizeof ours, "gosset_search_options");
}
