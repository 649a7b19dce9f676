#include "api/world.h"

world w;

gosset_vectors rows_of(const gosset_vectors *vectors, size_t first, size_t count) {
    gosset_vectors part = *vectors;
    size_t stride = part.stride ? part.stride : part.dimension * gosset_type_size(part.type);
    ck_assert_uint_le(first + count, vectors->count);
    part.data = (const char *)vectors->data + first * stride;
    part.count = count;
    return part;
}

gosset_model *train_model(const gosset_vectors *learn, gosset_metric metric, uint64_t seed) {
    gosset_model *model = NULL;
    gosset_train_config config = {.struct_size = sizeof config,
                                  .metric = metric,
                                  .code_bytes = 16,
                                  .cell_lattice = "zn:10:4", /* 3,380 cells: quick */
                                  .width = 32,
                                  .epochs = 1,
                                  .batch_size = 128,
                                  .seed = seed};
    ck_ok(gosset_train(&model, learn, &config));
    return model;
}

void world_make(void) {
    const size_t count = WORLD_LEARN + WORLD_BASE + WORLD_QUERIES;
    if (w.model) return;
    temp_directory(w.directory);
    w.memory = clustered_vectors(7, count, WORLD_DIMENSION, 60, GOSSET_F32);
    gosset_vectors all = view_of(w.memory, count, WORLD_DIMENSION, GOSSET_F32);
    w.learn = rows_of(&all, 0, WORLD_LEARN);
    w.base = rows_of(&all, WORLD_LEARN, WORLD_BASE);
    w.query = rows_of(&all, WORLD_LEARN + WORLD_BASE, WORLD_QUERIES);
    w.model = train_model(&w.learn, GOSSET_L2, 1);
    ck_ok(gosset_exact_search(&w.base, &w.query, GOSSET_L2, WORLD_K, w.truth, w.truth_distances, NULL));
}

void world_remove(void) {
    gosset_model_free(w.model);
    free(w.memory);
    if (w.directory[0]) temp_remove(w.directory);
}

const char *build(const char *name, const gosset_vectors *base, const build_options *options) {
    static const build_options defaults;
    const char *path = temp_path(w.directory, name);
    gosset_writer *writer = NULL;
    if (!options) options = &defaults;
    temp_remove(path); /* of a test that failed */
    gosset_env env = {.struct_size = sizeof env, .threads = options->threads ? options->threads : 2};
    gosset_writer_config config = {.struct_size = sizeof config,
                                   .env = &env,
                                   .model = options->model ? options->model : w.model,
                                   .type = base->type,
                                   .memory = options->memory,
                                   .shard_size = options->shard_size,
                                   .records = options->records};
    ck_ok(gosset_writer_create(&writer, path, &config));
    size_t step = options->call ? options->call : base->count;
    for (size_t first = 0; first < base->count; first += step) {
        gosset_vectors part = rows_of(base, first, base->count - first < step ? base->count - first : step);
        ck_ok(gosset_writer_add(writer, &part, options->ids ? options->ids + first : NULL));
    }
    ck_ok(gosset_writer_finish(writer));
    gosset_writer_free(writer);
    return path;
}

double recall_of(const uint64_t *found, const uint64_t *truth, size_t queries, size_t k) {
    size_t hits = 0;
    for (size_t q = 0; q < queries; q++)
        for (size_t i = 0; i < k; i++)
            for (size_t j = 0; j < k; j++) hits += found[q * k + i] == truth[q * k + j];
    return (double)hits / (double)(queries * k);
}
