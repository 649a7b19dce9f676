/* The same bytes for any number of threads, in any batch, and after any number of interruptions. */
#include "train/train_tests.h"

enum { COUNT = 1400, D = 20 };

/* Every loss, with both kinds of codes. */
static gosset_train_config config_for(int loop, const gosset_env *env) {
    gosset_train_config config = loop % 2 ? residual_config(env) : small_config(env);
    config.loss = gosset_loss_name((uint32_t)loop / 2);
    config.epochs = 3;
    config.quantize = loop % 2 ? 1 : -1;
    if (loop % 2) config.optimizer = "sgd", config.spreading = "potential";
    return config;
}

START_TEST(any_number_of_threads) {
    uint8_t *data = clustered_vectors(5, COUNT, D, 30, GOSSET_U8);
    gosset_vectors learn = view_of(data, COUNT, D, GOSSET_U8);
    const uint32_t threads[] = {1, 3};
    unsigned char *bytes[2];
    size_t sizes[2], timeless;
    for (int i = 0; i < 2; i++) {
        gosset_env env = {.struct_size = sizeof env, .threads = threads[i]};
        gosset_train_config config = config_for(_i, &env);
        gosset_model *model = train_model(&learn, &config);
        bytes[i] = model_bytes(model, &sizes[i], &timeless);
        gosset_model_free(model);
        ck_assert_uint_eq(sizes[i], sizes[0]);
        ck_assert_mem_eq(bytes[i], bytes[0], timeless);
    }
    free(bytes[0]), free(bytes[1]);
    free(data);
}
END_TEST

START_TEST(another_seed_is_another_model) {
    uint8_t *data = clustered_vectors(5, COUNT, D, 30, GOSSET_U8);
    gosset_vectors learn = view_of(data, COUNT, D, GOSSET_U8);
    uint64_t fingerprints[2];
    for (uint64_t seed = 0; seed < 2; seed++) {
        gosset_train_config config = small_config(NULL);
        config.seed = seed;
        gosset_model *model = train_model(&learn, &config);
        gosset_model_info info = {.struct_size = sizeof info};
        require_ok(gosset_model_describe(model, &info));
        fingerprints[seed] = info.fingerprint;
        gosset_model_free(model);
    }
    ck_assert_uint_ne(fingerprints[0], fingerprints[1]);
    free(data);
}
END_TEST

/* ---- interruptions -------------------------------------------------------------------------- */

typedef struct stopper {
    uint64_t at_least; /* steps to let pass */
    uint64_t stopped_at;
} stopper;

static int stop_when_due(const gosset_progress *progress, void *context) {
    stopper *self = context;
    if (strcmp(progress->phase, "train") != 0 || progress->done < self->at_least) return 0;
    if (progress->done == progress->total) return 0;
    self->stopped_at = progress->done;
    return 1;
}

static void require_same(const gosset_model *a, const gosset_model *b) {
    size_t sizes[2], timeless;
    unsigned char *bytes[2] = {model_bytes(a, &sizes[0], &timeless), model_bytes(b, &sizes[1], &timeless)};
    ck_assert_uint_eq(sizes[0], sizes[1]);
    ck_assert_mem_eq(bytes[0], bytes[1], timeless);
    free(bytes[0]), free(bytes[1]);
}

START_TEST(resumed_is_uninterrupted) {
    uint8_t *data = clustered_vectors(6, COUNT, D, 30, GOSSET_U8);
    gosset_vectors learn = view_of(data, COUNT, D, GOSSET_U8);
    char directory[TEMP_PATH_SIZE];
    temp_directory(directory);
    gosset_train_config plain = config_for(_i, NULL);
    gosset_model *expected = train_model(&learn, &plain), *model = NULL;

    stopper stop = {0};
    gosset_env env = {.struct_size = sizeof env, .threads = 2, .progress = stop_when_due, .progress_context = &stop};
    gosset_train_config config = config_for(_i, &env);
    config.checkpoint = temp_path(directory, "checkpoint");
    uint64_t interruptions = 0;
    for (;; interruptions++) { /* the first report comes at once, so each round does at least one step */
        gosset_status status = gosset_train(&model, &learn, &config);
        if (status == GOSSET_OK) break;
        ck_assert_int_eq(status, GOSSET_E_CANCELLED);
        ck_assert_ptr_null(model);
        ck_assert(file_exists(config.checkpoint));
        stop.at_least = stop.stopped_at + (interruptions < 3 ? 1 : 19); /* within an epoch, and in others */
        config.resume = 1;
    }
    ck_assert_uint_ge(interruptions, 3);
    require_same(model, expected);
    gosset_model_free(model);
    require_ok(gosset_train(&model, &learn, &config)); /* from a checkpoint with nothing left to do */
    require_same(model, expected);
    gosset_model_free(model);
    gosset_model_free(expected);
    temp_remove(directory);
    free(data);
}
END_TEST

/* Codes of another size are fitted to the map that is there, and are those of a training of their own. */
START_TEST(one_map_for_all_sizes) {
    uint8_t *data = clustered_vectors(6, 1000, D, 30, GOSSET_U8);
    gosset_vectors learn = view_of(data, 1000, D, GOSSET_U8);
    char directory[TEMP_PATH_SIZE];
    temp_directory(directory);
    gosset_train_config config = residual_config(NULL);
    config.checkpoint = temp_path(directory, "checkpoint");
    gosset_model_free(train_model(&learn, &config));
    config.resume = 1;
    config.code_bytes = 12;
    gosset_model *refitted = train_model(&learn, &config);
    config.resume = 0;
    config.checkpoint = NULL;
    gosset_model *alone = train_model(&learn, &config);
    gosset_model_info info = {.struct_size = sizeof info};
    require_ok(gosset_model_describe(refitted, &info));
    ck_assert_uint_eq(info.code_bytes, 12);
    require_same(refitted, alone);
    gosset_model_free(refitted);
    gosset_model_free(alone);
    temp_remove(directory);
    free(data);
}
END_TEST

static void apply(const gosset_model *model, const gosset_vectors *vectors, float *latents, const char *cells) {
    gosset_model_info info = {.struct_size = sizeof info};
    gosset_lattice_info lattice = {.struct_size = sizeof lattice};
    require_ok(gosset_model_describe(model, &info));
    require_ok(gosset_lattice_describe(info.cell_lattice, &lattice));
    ck_assert_str_eq(lattice.spec, cells);
    require_ok(gosset_model_apply(model, GOSSET_BASE, vectors, latents));
}

/* The cells of an index of any size go with the map that is there, but only once it is finished. */
START_TEST(one_map_for_cells_of_all_sizes) {
    enum { LATENTS = 10 };
    static const struct {
        uint64_t vectors;
        const char *cells;
    } sizes[] = {{0, "zn:10:6"}, {1000, "zn:10:4"}, {10000000, "zn:10:8"}, {UINT64_C(1) << 60, "zn:10:8"}};
    uint8_t *data = clustered_vectors(6, 1000, D, 30, GOSSET_U8);
    gosset_vectors learn = view_of(data, 1000, D, GOSSET_U8), some = view_of(data, 100, D, GOSSET_U8);
    char directory[TEMP_PATH_SIZE];
    float latents[2][100 * LATENTS];
    temp_directory(directory);
    stopper stop = {0}; /* at the first report, which comes at once */
    gosset_env env = {.struct_size = sizeof env, .progress = stop_when_due, .progress_context = &stop};
    gosset_train_config config = residual_config(&env);
    config.checkpoint = temp_path(directory, "checkpoint");
    gosset_model *model = NULL;
    ck_assert_int_eq(gosset_train(&model, &learn, &config), GOSSET_E_CANCELLED);
    config.resume = 1;
    config.cell_lattice = "zn:10:3";
    ck_assert_int_eq(gosset_train(&model, &learn, &config), GOSSET_E_MISMATCH);
    ck_assert_ptr_nonnull(strstr(gosset_last_error(), "cells"));
    config.cell_lattice = NULL;
    stop.at_least = UINT64_MAX;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        config.vector_count = sizes[i].vectors;
        model = train_model(&learn, &config);
        apply(model, &some, latents[i > 0], sizes[i].cells);
        gosset_model_free(model);
        ck_assert_mem_eq(latents[i > 0], latents[0], sizeof latents[0]);
    }
    config.cell_lattice = "zn:10:3"; /* what is asked for by name wins */
    model = train_model(&learn, &config);
    apply(model, &some, latents[1], "zn:10:3");
    gosset_model_free(model);
    temp_remove(directory);
    free(data);
}
END_TEST

/* `minutes` only sets the number of epochs: that number gives the same model again. */
START_TEST(minutes_are_epochs) {
    uint8_t *data = clustered_vectors(6, 1000, D, 30, GOSSET_U8);
    gosset_vectors learn = view_of(data, 1000, D, GOSSET_U8);
    gosset_train_config config = small_config(NULL);
    config.epochs = 0;
    config.minutes = 0.02;
    gosset_model *timed = train_model(&learn, &config);
    gosset_model_info info = {.struct_size = sizeof info};
    require_ok(gosset_model_describe(timed, &info));
    ck_assert_uint_ge(info.epochs, 1);
    ck_assert_double_lt(info.train_seconds, 30);
    config.minutes = 0;
    config.epochs = info.epochs;
    gosset_model *counted = train_model(&learn, &config);
    require_same(timed, counted);
    gosset_model_free(timed);
    gosset_model_free(counted);
    free(data);
}
END_TEST

START_TEST(checkpoints_of_something_else) {
    uint8_t *data = clustered_vectors(6, 1000, D, 30, GOSSET_U8);
    gosset_vectors learn = view_of(data, 1000, D, GOSSET_U8);
    char directory[TEMP_PATH_SIZE];
    temp_directory(directory);
    gosset_train_config config = small_config(NULL);
    gosset_model *model = NULL;
    config.resume = 1;
    ck_assert_int_eq(gosset_train(&model, &learn, &config), GOSSET_E_CONFIG); /* resume from what? */
    config.checkpoint = temp_path(directory, "checkpoint");
    ck_assert_int_eq(gosset_train(&model, &learn, &config), GOSSET_E_NOT_FOUND);
    config.resume = 0;
    require_ok(gosset_train(&model, &learn, &config));
    gosset_model_free(model);
    config.resume = 1;
    config.seed++;
    ck_assert_int_eq(gosset_train(&model, &learn, &config), GOSSET_E_MISMATCH);
    config.seed--;
    data[77] ^= 1;
    ck_assert_int_eq(gosset_train(&model, &learn, &config), GOSSET_E_MISMATCH);
    data[77] ^= 1;
    size_t size;
    unsigned char *bytes = file_bytes(config.checkpoint, &size);
    bytes[size / 2] ^= 4;
    file_write(config.checkpoint, bytes, size);
    ck_assert_int_eq(gosset_train(&model, &learn, &config), GOSSET_E_CORRUPT);
    file_write(config.checkpoint, bytes, 50);
    ck_assert_int_eq(gosset_train(&model, &learn, &config), GOSSET_E_CORRUPT);
    ck_assert_ptr_null(model);
    free(bytes);
    temp_remove(directory);
    free(data);
}
END_TEST

/* ---- latents -------------------------------------------------------------------------------- */

/* A vector's latent does not depend on its batch, its stride, its element type or the threads. */
START_TEST(latents_do_not_depend_on_the_batch) {
    enum { APPLIED = 3000 };
    uint8_t *data = clustered_vectors(6, APPLIED, D, 30, GOSSET_U8);
    gosset_vectors all = view_of(data, APPLIED, D, GOSSET_U8), learn = view_of(data, 1000, D, GOSSET_U8);
    gosset_env env = {.struct_size = sizeof env, .threads = 3};
    gosset_train_config config = small_config(&env);
    config.metric = (gosset_metric)_i;
    gosset_model *model = train_model(&learn, &config);
    enum { OUT = LATENT, STRIDE = D * 4 + 5 };
    float *latents = malloc(APPLIED * OUT * sizeof(float)), one[OUT];
    unsigned char *wide = malloc((size_t)APPLIED * STRIDE);
    require_ok(gosset_model_apply(model, GOSSET_BASE, &all, latents));
    for (size_t r = 0; r < APPLIED; r++)
        for (int i = 0; i < D; i++) {
            float value = data[r * D + (size_t)i];
            memcpy(wide + r * STRIDE + (size_t)i * 4, &value, 4);
        }
    for (size_t r = 0; r < APPLIED; r += 97) {
        gosset_vectors row = view_of(data + r * D, 1, D, GOSSET_U8);
        require_ok(gosset_model_apply(model, GOSSET_BASE, &row, one));
        ck_assert_mem_eq(one, latents + r * OUT, sizeof one);
        double norm = 0;
        for (int i = 0; i < OUT; i++) norm += (double)one[i] * (double)one[i];
        ck_assert_double_eq_tol(norm, 1, 1e-5);
    }
    gosset_vectors strided = {wide, APPLIED, STRIDE, D, GOSSET_F32};
    float *again = malloc(APPLIED * OUT * sizeof(float));
    require_ok(gosset_model_apply(model, GOSSET_BASE, &strided, again));
    ck_assert_mem_eq(again, latents, APPLIED * OUT * sizeof(float));

    const gosset__kernels *kernels;
    gosset_vectors some = view_of(data, 70, D, GOSSET_U8);
    void *scratch = aligned_alloc(64, (gosset__model_scratch_size(model, some.count) + 63) / 64 * 64);
    for (uint32_t level = 0; (kernels = gosset__kernels_level(level)); level++) {
        gosset__model_map(model, kernels, GOSSET_BASE, &some, again, scratch);
        ck_assert_msg(memcmp(again, latents, some.count * OUT * sizeof(float)) == 0, "%s", kernels->name);
    }
    free(scratch), free(again), free(wide), free(latents), free(data);
    gosset_model_free(model);
}
END_TEST

static int registered(void) {
    int count = 0;
    while (gosset__loss_registry[count]) count++;
    return count;
}

Suite *reproducible_suite(void) {
    Suite *suite = suite_create("reproducible");
    TCase *same = tcase_create("same bytes");
    tcase_set_timeout(same, 300);
    tcase_add_loop_test(same, any_number_of_threads, 0, 2 * registered());
    tcase_add_test(same, another_seed_is_another_model);
    tcase_add_loop_test(same, resumed_is_uninterrupted, 0, 2 * registered());
    tcase_add_test(same, minutes_are_epochs);
    tcase_add_test(same, one_map_for_all_sizes);
    tcase_add_test(same, one_map_for_cells_of_all_sizes);
    tcase_add_test(same, checkpoints_of_something_else);
    tcase_add_loop_test(same, latents_do_not_depend_on_the_batch, 0, 3);
    suite_add_tcase(suite, same);
    return suite;
}
