#include "search_fixture.h"

#include "base/rng.h"
#include "index/topk.h"
#include <check.h>
#include <gosset/index.h>
#include <stdlib.h>
#include <string.h>

#define CELLS "zn:8:2" /* 112 cells */
#define CODES "zn:16:60:7"

size_t fixture_row_size(const fixture *self) {
    return self->dimension * gosset_type_size(self->type);
}

const void *fixture_query(const fixture *self, size_t query) {
    return (const char *)self->queries + query * fixture_row_size(self);
}

static float element(const void *vector, gosset_type type, uint32_t i) {
    if (type == GOSSET_U8) return ((const uint8_t *)vector)[i];
    if (type == GOSSET_I8) return ((const int8_t *)vector)[i];
    return ((const float *)vector)[i];
}

void fixture_row(const fixture *self, const void *vector, float row[ROW]) {
    const float centre = self->type == GOSSET_U8 ? 100 : 0;
    gosset__rng rng = gosset__rng_make(99, 0);
    float length = 0;
    for (int j = 0; j < ROW; j++) {
        row[j] = 0;
        for (uint32_t i = 0; i < self->dimension; i++)
            row[j] += gosset__rng_normal(&rng) * (element(vector, self->type, i) - centre);
        if (j < LATENT) length += row[j] * row[j];
    }
    for (int j = 0; j < ROW && length > 0; j++) row[j] /= sqrtf(length);
    row[LATENT + GAIN_PLACE] = 0;
}

static void write_index(fixture *self, uint64_t shard_size) {
    gosset__store_writer *writer = NULL;
    gosset__store_config config = {.layout = {.dimension = self->dimension,
                                              .type = self->type,
                                              .metric = self->metric,
                                              .code_size = gosset__codec_code_size(self->codec),
                                              .cell_count = gosset__codec_cell_count(self->codec),
                                              .fingerprint = 42},
                                   .memory = 16 << 20,
                                   .shard_size = shard_size != 0 ? shard_size : 1 << 30,
                                   .model = "model",
                                   .model_size = 5};
    ck_assert_int_eq(gosset__layout_derive(&config.layout), GOSSET_OK);
    ck_assert_msg(gosset__store_writer_create(&writer, temp_path(self->directory, "index"), &config, &self->env) ==
                      GOSSET_OK,
                  "%s", gosset_last_error());
    gosset_status status = GOSSET_OK;
    for (size_t i = 0; status == GOSSET_OK && i < self->count; i++) {
        const char *vector = (const char *)self->vectors + i * fixture_row_size(self);
        float row[ROW];
        uint32_t cell;
        uint8_t code[ROW];
        fixture_row(self, vector, row);
        gosset__codec_encode(self->codec, 1, row, &cell, code);
        status = gosset__store_writer_add(writer, 1, &cell, code, &self->ids[i], vector);
    }
    ck_assert_msg(status == GOSSET_OK, "%s", gosset_last_error());
    ck_assert_msg(gosset__store_writer_finish(writer) == GOSSET_OK, "%s", gosset_last_error());
    ck_assert_msg(gosset__store_writer_publish(writer, NULL, 0) == GOSSET_OK, "%s", gosset_last_error());
    gosset__store_writer_free(writer);
}

void fixture_use(fixture *self, const gosset__kernels *kernels) {
    self->kernels = kernels;
    gosset__codec_free(self->codec);
    ck_assert_int_eq(gosset__codec_create(&self->codec, self->cell_lattice, self->code_lattice,
                                          self->centroids != NULL ? &self->residual : NULL, &self->env, kernels),
                     GOSSET_OK);
}

/* Reflections, which leave the place of the gain alone. */
static void make_turns(fixture *self, size_t cells) {
    gosset__rng rng = gosset__rng_make(5, 5);
    self->turns = malloc(sizeof(float[GROUPS][TURNED][TURNED]));
    self->group = malloc(cells);
    for (size_t cell = 0; cell < cells; cell++) self->group[cell] = (uint8_t)(cell * 7 % GROUPS);
    for (int g = 0; g < GROUPS; g++) {
        float normal[TURNED], length = 0;
        for (int i = 0; i < TURNED; i++) {
            normal[i] = i == GAIN_PLACE ? 0 : gosset__rng_normal(&rng);
            length += normal[i] * normal[i];
        }
        for (int i = 0; i < TURNED * TURNED; i++)
            self->turns[g * TURNED * TURNED + i] =
                (float)(i / TURNED == i % TURNED) - 2 * normal[i / TURNED] * normal[i % TURNED] / length;
    }
}

static void make_centroids(fixture *self) {
    const size_t cells = self->cell_lattice->point_count.word[0], count = cells * FEATURES;
    gosset__rng rng = gosset__rng_make(4, 4);
    self->centroids = malloc(count * sizeof *self->centroids);
    for (size_t i = 0; i < count; i++) self->centroids[i] = 0.3f * gosset__rng_normal(&rng);
    for (size_t i = GAIN_PLACE; i < count; i += FEATURES) self->centroids[i] = 0;
    make_turns(self, cells);
    self->residual = (gosset__residual){.stretch = 1,
                                        .features = FEATURES,
                                        .groups = GROUPS,
                                        .turned = TURNED,
                                        .centroids = self->centroids,
                                        .turns = self->turns,
                                        .group = self->group};
    float steps[FEATURES];
    for (int i = 0; i < FEATURES; i++) steps[i] = (i < 16 ? 0.25f : 0.14f) - 0.002f * (float)i;
    gosset__windows_start(&self->residual.windows, (uint32_t[]){2, 1, 0});
    gosset__windows_set_steps(&self->residual.windows, steps);
    gosset__windows_set_gains(&self->residual.windows, 1);
}

void fixture_build(fixture *self, const fixture_options *options) {
    *self = (fixture){.env = default_env(1),
                      .dimension = options->dimension,
                      .type = options->type,
                      .metric = options->metric,
                      .count = options->count,
                      .query_count = 12};
    temp_directory(self->directory);
    const gosset__kernels *kernels = NULL;
    ck_assert_int_eq(gosset__kernels_get(&kernels, ""), GOSSET_OK);
    ck_assert_int_eq(gosset_lattice_create(&self->cell_lattice, CELLS, NULL), GOSSET_OK);
    ck_assert_int_eq(gosset_lattice_create(&self->code_lattice, CODES, NULL), GOSSET_OK);
    if (options->residual) make_centroids(self);
    fixture_use(self, kernels);
    const size_t distinct = options->twins ? (self->count + 1) / 2 : self->count, row_size = fixture_row_size(self);
    char *made = clustered_vectors(17, distinct + self->query_count, self->dimension, 20, self->type);
    self->vectors = malloc(self->count * row_size + 1);
    self->ids = malloc((self->count + 1) * sizeof *self->ids);
    for (size_t i = 0; i < self->count; i++) {
        memcpy((char *)self->vectors + i * row_size, made + i % (distinct + !distinct) * row_size, row_size);
        self->ids[i] = i * 7919 % 1000003 + ((uint64_t)(i % 3) << 40); /* in no order, and wide */
    }
    self->queries = malloc(self->query_count * row_size);
    memcpy(self->queries, made + distinct * row_size, self->query_count * row_size);
    free(made);
    if (self->metric == GOSSET_COSINE) { /* vectors without a direction are part of the contract */
        if (self->count > 0) memset(self->vectors, 0, row_size);
        memset(self->queries, 0, row_size);
    }
    write_index(self, options->shard_size);
}

static void block(const void *context, const uint8_t *codes, size_t count, uint8_t *out) {
    gosset__leaves_maker *maker = (gosset__leaves_maker *)context;
    gosset__leaves_take(maker, codes, count);
    gosset__codec_block(maker->codec, codes, count, out);
}

static gosset_status pass(void *context, const uint8_t *codes, size_t count) {
    gosset__leaves_take(context, codes, count);
    return GOSSET_OK;
}

void fixture_open(fixture *self, const char *io) {
    gosset__leaves_maker maker;
    fixture_close(self);
    ck_assert_msg(gosset__store_open(&self->store, temp_path(self->directory, "index"), io, &self->env) == GOSSET_OK,
                  "%s", gosset_last_error());
    self->store->lead_size = gosset__codec_lead_size(self->codec);
    ck_assert_int_eq(gosset__leaves_begin(&maker, self->store, self->codec), GOSSET_OK);
    ck_assert_int_eq(gosset__store_load_codes(self->store, block, &maker), GOSSET_OK);
}

void fixture_open_on_disk(fixture *self, const char *io) {
    gosset__leaves_maker maker;
    fixture_close(self);
    ck_assert_msg(gosset__store_open(&self->store, temp_path(self->directory, "index"), io, &self->env) == GOSSET_OK,
                  "%s", gosset_last_error());
    ck_assert_int_eq(gosset__leaves_begin(&maker, self->store, self->codec), GOSSET_OK);
    ck_assert_int_eq(gosset__store_pass_codes(self->store, pass, &maker), GOSSET_OK);
    ck_assert_msg(gosset__store_leave_codes(self->store, io) == GOSSET_OK, "%s", gosset_last_error());
    ck_assert_ptr_null(self->store->blocks);
}

void fixture_close(fixture *self) {
    if (self->store != NULL) gosset__store_close(self->store);
    self->store = NULL;
}

void fixture_remove(fixture *self) {
    fixture_close(self);
    temp_remove(self->directory);
    gosset__codec_free(self->codec);
    gosset_lattice_free(self->cell_lattice);
    gosset_lattice_free(self->code_lattice);
    free(self->vectors);
    free(self->queries);
    free(self->ids);
    free(self->centroids);
    free(self->turns);
    free(self->group);
}

/* ---- truth ---------------------------------------------------------------------------------- */

/** By the definition: integers where both sides are, else the scalar kernel's order of sums. */
static float product(const fixture *self, const void *a, const void *b, int as_floats) {
    const gosset__kernels *scalar = gosset__kernels_level(0);
    float x[512], y[512];
    int64_t sum = 0;
    for (uint32_t i = 0; i < self->dimension; i++) {
        x[i] = element(a, self->type, i), y[i] = element(b, self->type, i);
        if (self->type != GOSSET_F32) sum += (int64_t)x[i] * (int64_t)y[i];
    }
    return as_floats || self->type == GOSSET_F32 ? scalar->dot_f32(x, y, self->dimension) : (float)sum;
}

static float definition(const fixture *self, const void *query, const void *vector, int as_floats) {
    const gosset__kernels *scalar = gosset__kernels_level(0);
    if (self->metric == GOSSET_IP) return -product(self, query, vector, as_floats);
    if (self->metric == GOSSET_COSINE) {
        const float lengths =
            sqrtf(product(self, query, query, as_floats)) * sqrtf(product(self, vector, vector, as_floats));
        return lengths > 0 ? 1.0f - product(self, query, vector, as_floats) / lengths : 1.0f;
    }
    float x[512], y[512];
    int64_t sum = 0;
    for (uint32_t i = 0; i < self->dimension; i++) {
        x[i] = element(query, self->type, i), y[i] = element(vector, self->type, i);
        const int64_t difference = self->type != GOSSET_F32 ? (int64_t)x[i] - (int64_t)y[i] : 0;
        sum += difference * difference;
    }
    return as_floats || self->type == GOSSET_F32 ? scalar->l2_f32(x, y, self->dimension) : (float)sum;
}

static int by_distance(const void *a, const void *b) {
    return gosset__ranked_before(a, b) ? -1 : gosset__ranked_before(b, a);
}

void fixture_truth(const fixture *self, size_t query, int as_floats, uint32_t k, uint64_t *ids, float *distances) {
    gosset__ranked *all = calloc(self->count + 1, sizeof *all);
    for (size_t i = 0; i < self->count; i++) {
        const char *vector = (const char *)self->vectors + i * fixture_row_size(self);
        all[i].rank = gosset__rank_of_distance(definition(self, fixture_query(self, query), vector, as_floats));
        all[i].id = self->ids[i];
    }
    qsort(all, self->count, sizeof *all, by_distance);
    for (uint32_t i = 0; i < k; i++) {
        ids[i] = i < self->count ? all[i].id : GOSSET_NO_ID;
        distances[i] = i < self->count ? gosset__distance_of_rank(all[i].rank) : INFINITY;
    }
    free(all);
}

gosset__search_request fixture_request(const fixture *self, size_t query, float row[ROW], uint32_t probe,
                                       uint32_t rerank, uint32_t k, uint64_t *ids, float *distances) {
    fixture_row(self, fixture_query(self, query), row);
    return (gosset__search_request){.latent = row,
                                    .vector = fixture_query(self, query),
                                    .vector_type = self->type,
                                    .effort = {.probe = probe},
                                    .rerank = rerank,
                                    .k = k,
                                    .ids = ids,
                                    .distances = distances,
                                    .tag = query};
}

gosset_status fixture_search(const fixture *self, gosset__search *search, size_t query, uint32_t probe, uint32_t rerank,
                             uint32_t k, uint64_t *ids, float *distances, gosset__search_stats *stats) {
    float row[ROW];
    const gosset__search_request request = fixture_request(self, query, row, probe, rerank, k, ids, distances);
    gosset__search_count(search, stats);
    return gosset__search_run(search, &request);
}
