#include "api/build.h"
#include "api/encoder.h"
#include "api/records.h"
#include "api/vectors.h"
#include "base/status.h"
#include "train/model.h"

typedef enum id_source { IDS_UNDECIDED, IDS_RUNNING, IDS_GIVEN } id_source;

struct gosset_writer {
    gosset__env env;
    const gosset_model *model;
    gosset_model_info model_info;
    const gosset__kernels *kernels;
    gosset__codec *codec;
    gosset__pool *pool;
    gosset__encoder *encoder;
    gosset__truth_builder *truth;
    gosset__store_writer *store;
    gosset__ticker ticker;
    gosset_type type, records; /* of the vectors as added and as stored */
    size_t row_size, record_size, batch_rows;
    uint64_t store_memory;
    char *vectors; /* one batch: rows, cells, codes, ids */
    char *stored;  /* its rows as records; NULL when they are of one type */
    uint32_t *cells, *tags;
    uint8_t *codes;
    uint64_t *ids;
    uint64_t rows;
    id_source id_source;
    int closed;         /* finished, or broken by a failure half-way */
    const char *reason; /* why */
};

/* ---- create ------------------------------------------------------------------------------------- */

static gosset_status create_store(gosset_writer *w, const char *directory, const gosset__build_config *config) {
    gosset_status status = GOSSET_OK;
    uint32_t code_size = gosset__codec_code_size(w->codec);
    uint32_t threads = gosset__pool_threads(w->pool);
    void *model = NULL;
    size_t model_size = 0;
    GOSSET_TRY(gosset__model_serialize(w->model, &w->env, &model, &model_size));
    uint64_t held = 2 * (uint64_t)model_size + gosset__truth_builder_size(w->model, threads) +
                    gosset__encoder_size(w->model, w->codec, threads);
    gosset__budget budget;
    GOSSET_TRY(gosset__build_split(&budget, config, held,
                                   w->row_size + w->record_size + 2 * sizeof *w->cells + code_size + sizeof *w->ids));
    w->batch_rows = budget.batch_rows;
    w->store_memory = budget.store;
    gosset__store_config store = {.layout = {.dimension = w->model_info.input_dimension,
                                             .type = w->records,
                                             .metric = w->model_info.metric,
                                             .code_size = code_size,
                                             .cell_count = gosset__codec_cell_count(w->codec),
                                             .fingerprint = w->model_info.fingerprint},
                                  .memory = budget.store,
                                  .shard_size = config->shard_size,
                                  .model = model,
                                  .model_size = model_size};
    GOSSET_TRY(gosset__layout_derive(&store.layout));
    GOSSET_TRY(gosset__store_writer_create(&w->store, directory, &store, &w->env));
out:
    gosset__free(&w->env, model);
    return status;
}

static gosset_status create_parts(gosset_writer *w, const char *directory, const gosset__build_config *config) {
    gosset_status status = GOSSET_OK;
    const gosset__env *env = &w->env;
    GOSSET_TRY(gosset__kernels_get(&w->kernels, env->cpu));
    GOSSET_TRY(gosset__codec_of_model(&w->codec, &w->model_info, w->model, w->kernels, env));
    w->row_size = w->model_info.input_dimension * gosset_type_size(w->type);
    if (w->records != w->type) w->record_size = w->model_info.input_dimension * gosset_type_size(w->records);
    GOSSET_TRY(gosset__pool_create(&w->pool, env));
    GOSSET_TRY(create_store(w, directory, config));
    GOSSET_TRY(gosset__encoder_create(&w->encoder, w->model, w->codec, w->kernels, w->pool, env));
    GOSSET_TRY(gosset__truth_builder_create(&w->truth, w->model, w->type, w->kernels, w->pool, env));
    w->vectors = gosset__alloc_array(env, w->batch_rows, w->row_size);
    w->cells = gosset__alloc_array(env, w->batch_rows, sizeof *w->cells);
    w->tags = gosset__alloc_array(env, w->batch_rows, sizeof *w->tags);
    w->codes = gosset__alloc_array(env, w->batch_rows, gosset__codec_code_size(w->codec));
    w->ids = gosset__alloc_array(env, w->batch_rows, sizeof *w->ids);
    if (w->records != w->type) w->stored = gosset__alloc_array(env, w->batch_rows, w->record_size);
    if (!w->vectors || !w->cells || !w->tags || !w->codes || !w->ids || (w->records != w->type && !w->stored))
        GOSSET_TRY(gosset__no_memory("a batch of vectors", w->batch_rows * w->row_size));
    gosset__ticker_start(&w->ticker, env);
out:
    return status;
}

gosset_status gosset_writer_create(gosset_writer **out, const char *directory, const gosset_writer_config *config) {
    gosset_status status = GOSSET_OK;
    gosset__build_config read;
    gosset_writer *w = NULL;
    if (!out) return gosset__fail(GOSSET_E_ARGUMENT, "writer: out: expected a pointer, found NULL");
    *out = NULL;
    GOSSET_REQUIRE(directory && *directory, GOSSET_E_ARGUMENT, "writer: directory: expected a path, found none");
    GOSSET_TRY(gosset__build_config_read(&read, config));
    GOSSET_REQUIRE(read.user.model, GOSSET_E_ARGUMENT, "writer: model: expected one, found NULL");
    GOSSET_REQUIRE((unsigned)read.user.type <= GOSSET_I8, GOSSET_E_ARGUMENT,
                   "writer: type: expected f32, u8 or i8, found %d", (int)read.user.type);
    w = gosset__alloc_zero(&read.env, sizeof *w);
    if (!w) GOSSET_TRY(gosset__no_memory("writer", sizeof *w));
    w->env = read.env;
    w->model = read.user.model;
    w->type = read.user.type;
    GOSSET_TRY(gosset__records_type(&w->records, read.user.records, w->type));
    GOSSET_TRY(create_parts(w, directory, &read));
    *out = w;
    w = NULL;
out:
    gosset_writer_free(w);
    return status;
}

/* ---- add ---------------------------------------------------------------------------------------- */

static gosset_status check_add(const gosset_writer *w, const gosset_vectors *vectors, const uint64_t *ids) {
    if (w->closed) return gosset__fail(GOSSET_E_STATE, "writer: add: %s", w->reason);
    if (vectors && vectors->type != w->type)
        return gosset__fail(GOSSET_E_DIMENSION, "vectors: type: expected %s, found %s", gosset__type_name(w->type),
                            gosset__type_name(vectors->type));
    gosset_status status = gosset__vectors_expect(vectors, "vectors", w->model_info.input_dimension);
    if (status != GOSSET_OK || vectors->count == 0) return status;
    if (w->id_source != IDS_UNDECIDED && (w->id_source == IDS_GIVEN) != (ids != NULL))
        return gosset__fail(GOSSET_E_ARGUMENT, "ids: expected %s as in earlier calls, found %s",
                            ids ? "none" : "an array", ids ? "an array" : "none");
    for (size_t i = 0; ids && i < vectors->count; i++)
        if (ids[i] == GOSSET_NO_ID)
            return gosset__fail(GOSSET_E_ARGUMENT, "ids: row %zu: GOSSET_NO_ID is not allowed as an id", i);
    return gosset__records_check(vectors, w->records, w->rows);
}

/* Rows [first, first + count) of a call: copied, encoded, compared with the held-out queries, handed to the store. */
static gosset_status add_batch(gosset_writer *w, const gosset_vectors *vectors, const uint64_t *ids, size_t first,
                               size_t count) {
    gosset_vectors batch = {w->vectors, count, 0, vectors->dimension, vectors->type};
    gosset__vectors_copy(vectors, first, count, w->vectors);
    for (size_t i = 0; i < count; i++) w->ids[i] = ids ? ids[first + i] : w->rows + i;
    gosset_status status = gosset__encoder_run(w->encoder, &batch, w->cells, w->codes);
    uint32_t code_size = gosset__codec_code_size(w->codec);
    for (size_t i = 0; i < count; i++)
        w->tags[i] = gosset__address_tag(w->cells[i], w->codes + i * code_size, code_size);
    if (status == GOSSET_OK) status = gosset__truth_builder_add(w->truth, &batch, w->ids, w->tags, w->rows);
    if (w->stored) gosset__records_convert(&batch, w->records, w->stored);
    const void *rows = w->stored ? w->stored : w->vectors;
    if (status == GOSSET_OK) status = gosset__store_writer_add(w->store, count, w->cells, w->codes, w->ids, rows);
    if (status != GOSSET_OK) return status;
    w->rows += count;
    gosset_progress progress = {.phase = "encode", .done = w->rows};
    return gosset__tick(&w->ticker, &progress);
}

gosset_status gosset_writer_add(gosset_writer *writer, const gosset_vectors *vectors, const uint64_t *ids) {
    if (!writer) return gosset__fail(GOSSET_E_ARGUMENT, "writer: expected one, found NULL");
    gosset_status status = check_add(writer, vectors, ids);
    if (status != GOSSET_OK || vectors->count == 0) return status;
    writer->id_source = ids ? IDS_GIVEN : IDS_RUNNING;
    for (size_t first = 0; status == GOSSET_OK && first < vectors->count; first += writer->batch_rows) {
        size_t left = vectors->count - first;
        status = add_batch(writer, vectors, ids, first, left < writer->batch_rows ? left : writer->batch_rows);
    }
    if (status != GOSSET_OK) {
        writer->closed = 1; /* a part of the call is in: going on would lose the rest silently */
        writer->reason = "an earlier call failed half-way; free the writer and start again";
    }
    return status;
}

/* ---- finish ------------------------------------------------------------------------------------- */

/* The store is about to need the memory for its merge, and the calibration for the codes. */
static void free_batch(gosset_writer *w) {
    gosset__encoder_free(w->encoder);
    gosset__free(&w->env, w->vectors);
    gosset__free(&w->env, w->stored);
    gosset__free(&w->env, w->cells);
    gosset__free(&w->env, w->tags);
    gosset__free(&w->env, w->codes);
    gosset__free(&w->env, w->ids);
    w->encoder = NULL, w->vectors = NULL, w->stored = NULL, w->cells = NULL, w->tags = NULL, w->codes = NULL,
    w->ids = NULL;
}

gosset_status gosset_writer_finish(gosset_writer *writer) {
    gosset_status status = GOSSET_OK;
    gosset__truth truth = {0, NULL};
    if (!writer) return gosset__fail(GOSSET_E_ARGUMENT, "writer: expected one, found NULL");
    if (writer->closed) return gosset__fail(GOSSET_E_STATE, "writer: finish: %s", writer->reason);
    writer->closed = 1;
    writer->reason = "the index could not be finished; free the writer and start again";
    free_batch(writer);
    GOSSET_TRY(gosset__truth_builder_finish(writer->truth, writer->rows, &truth));
    gosset__truth_builder_free(writer->truth);
    writer->truth = NULL;
    GOSSET_TRY(gosset__build_publish(writer->store, writer->model, writer->codec, writer->kernels, writer->pool, &truth,
                                     writer->store_memory, &writer->env));
    writer->reason = "the index is finished";
out:
    gosset__truth_free(&truth, &writer->env);
    return status;
}

void gosset_writer_free(gosset_writer *writer) {
    if (!writer) return;
    gosset__env env = writer->env;
    free_batch(writer);
    gosset__truth_builder_free(writer->truth);
    gosset__store_writer_free(writer->store);
    gosset__pool_free(writer->pool);
    gosset__codec_free(writer->codec);
    gosset__free(&env, writer);
}
