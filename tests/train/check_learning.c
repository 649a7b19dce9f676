/* Training learns something, bears what data can be like, and refuses what it cannot bear. */
#include "train/layer.h"
#include "train/train_tests.h"

static double recall_of(const gosset_model *model) {
    gosset_model_info info = {.struct_size = sizeof info};
    require_ok(gosset_model_describe(model, &info));
    return info.validation_recall;
}

/* Vectors on a few curved sheets in many dimensions: near and far within a sheet is what a map can learn. */
static float *sheets(size_t count, uint32_t dimension, uint32_t parameters) {
    float *data = malloc(count * dimension * sizeof(float)), *waves = malloc(dimension * parameters * sizeof(float));
    gosset__rng rng = gosset__rng_make(21, 0);
    fill_normal(&rng, waves, dimension * parameters);
    for (size_t r = 0; r < count; r++) {
        float at[16];
        for (uint32_t p = 0; p < parameters; p++) at[p] = (float)gosset__rng_unit(&rng) * 2 - 1;
        for (uint32_t i = 0; i < dimension; i++) {
            float phase = (float)i;
            for (uint32_t p = 0; p < parameters; p++) phase += waves[i * parameters + p] * at[p];
            data[r * dimension + i] = sinf(phase) / (float)(1 + i / 4);
        }
    }
    free(waves);
    return data;
}

/* One step at a rate of nearly nothing = the network as it starts. */
START_TEST(training_improves_the_codes) {
    enum { COUNT = 3000, D = 32 };
    float *data = sheets(COUNT, D, 8);
    gosset_vectors learn = view_of(data, COUNT, D, GOSSET_F32);
    gosset_train_config config = small_config(NULL);
    config.loss = gosset_loss_name((uint32_t)_i / 2);
    config.quantize = _i % 2 ? 1 : -1;
    config.width = 64;
    config.batch_size = 32;
    config.epochs = 1;
    config.learning_rate = 1e-12f;
    gosset_model *untrained = train_model(&learn, &config);
    config.epochs = 8;
    config.learning_rate = 0;
    gosset_model *trained = train_model(&learn, &config);
    ck_assert_msg(recall_of(trained) > recall_of(untrained) + 0.02, "%s: recall@10 %.3f untrained, %.3f trained",
                  config.loss, recall_of(untrained), recall_of(trained));
    gosset_model_free(untrained);
    gosset_model_free(trained);
    free(data);
}
END_TEST

/* With quantization in the loop: first unit points at angles of the cell lattice, later the cells' own. */
START_TEST(points_of_a_batch) {
    enum { COUNT = 40, D = 10 };
    gosset__trainer trainer = {.env = default_env(1), .steps = 100};
    gosset_model model = {0};
    float latents[COUNT * D], norms[COUNT], *points;
    gosset__rng rng = gosset__rng_make(61, 0);
    require_ok(gosset_lattice_create(&model.cell_lattice, "zn:8:6", NULL));
    fill_normal(&rng, latents, COUNT * D);
    gosset__normalise_forward(COUNT, D, latents, norms, latents);
    trainer.model = &model;
    trainer.shape.output = D;
    trainer.batch.rows = COUNT;
    trainer.batch.latents = latents;
    require_ok(gosset__points_prepare(&trainer));
    points = trainer.points;
    for (trainer.step = 0; trainer.step < 100; trainer.step += 90) {
        require_ok(gosset__points_fill(&trainer));
        ck_assert_ptr_eq(trainer.batch.points, points);
        double product = 0, angles = 0;
        for (size_t r = 0; r < COUNT; r++) {
            double square = 0;
            int8_t point[GOSSET__LATTICE_MAX_DIMENSION];
            model.cell_lattice->ops->nearest(model.cell_lattice, latents + r * D, point);
            for (size_t i = 0; i < D; i++) {
                square += (double)points[r * D + i] * (double)points[r * D + i];
                product += (double)points[r * D + i] * (double)latents[r * D + i] / COUNT;
                if (trainer.step == 90 && i < 8)
                    ck_assert_float_eq_tol(points[r * D + i], model.cell_lattice->scale * (float)point[i], 1e-6f);
            }
            ck_assert_double_eq_tol(square, 1, 1e-4);
        }
        for (int i = 0; i < 1024; i++) angles += (double)trainer.cosines[i] / 1024;
        ck_assert_double_eq_tol(product, angles, 0.05);
    }
    gosset__free(&trainer.env, points);
    gosset_lattice_free(model.cell_lattice);
}
END_TEST

typedef enum shape_of_data { CONSTANT, ONE_CONSTANT, DUPLICATES, UNEQUAL, HUGE_VALUES, SHAPES } shape_of_data;

static float *awkward(shape_of_data shape, size_t count, uint32_t dimension) {
    float *data = clustered_vectors(9, count, dimension, 12, GOSSET_F32);
    for (size_t r = 0; r < count; r++)
        for (uint32_t i = 0; i < dimension; i++) {
            float *value = data + r * dimension + i;
            if (shape == CONSTANT) *value = 3;
            if (shape == ONE_CONSTANT && i == 1) *value = -7;
            if (shape == DUPLICATES && r % 4) *value = data[(r - r % 4) * dimension + i];
            if (shape == UNEQUAL) *value = *value * (i == 0 ? 1e4f : 1e-4f) + (i == 2 ? 1e4f : 0);
            if (shape == HUGE_VALUES) *value *= 1e15f;
        }
    return data;
}

START_TEST(awkward_data) {
    enum { COUNT = 1000, D = 6 };
    shape_of_data shape = (shape_of_data)(_i % SHAPES);
    float *data = awkward(shape, COUNT, D), *latents = malloc(COUNT * LATENT * sizeof(float));
    gosset_vectors learn = view_of(data, COUNT, D, GOSSET_F32);
    gosset_train_config config = _i % 2 ? residual_config(NULL) : small_config(NULL);
    config.loss = gosset_loss_name((uint32_t)(_i / SHAPES / 3));
    config.metric = (gosset_metric)(_i / SHAPES % 3);
    gosset_model *model = train_model(&learn, &config);
    gosset_model_info info = {.struct_size = sizeof info};
    require_ok(gosset_model_describe(model, &info));
    require_ok(gosset_model_apply(model, GOSSET_BASE, &learn, latents));
    for (size_t r = 0; r < COUNT; r++) {
        double norm = 0;
        for (size_t i = 0; i < info.output_dimension; i++)
            norm += pow((double)latents[r * info.output_dimension + i], 2);
        ck_assert_double_eq_tol(norm, 1, 1e-4);
    }
    gosset_model_free(model);
    free(data), free(latents);
}
END_TEST

START_TEST(one_dimension_and_signed_bytes) {
    int8_t *data = clustered_vectors(9, 1200, 3, 12, GOSSET_I8);
    const uint32_t dimensions[] = {1, 3};
    for (int i = 0; i < 2; i++) {
        gosset_vectors learn = {data, 1200, 3, dimensions[i], GOSSET_I8}; /* a stride of 3 */
        gosset_train_config config = _i ? residual_config(NULL) : small_config(NULL);
        gosset_model *model = train_model(&learn, &config);
        ck_assert_double_gt(recall_of(model), 0);
        gosset_model_free(model);
    }
    free(data);
}
END_TEST

START_TEST(what_is_refused) {
    float *data = clustered_vectors(9, 1100, 4, 12, GOSSET_F32);
    gosset_vectors learn = view_of(data, 1100, 4, GOSSET_F32), broken = learn;
    gosset_train_config config = small_config(NULL), other;
    gosset_model *model = NULL;
    float kept = data[4 * 321 + 2];
    data[4 * 321 + 2] = NAN;
    ck_assert_int_eq(gosset_train(&model, &learn, &config), GOSSET_E_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(gosset_last_error(), "row 321"));
    data[4 * 321 + 2] = -INFINITY;
    ck_assert_int_eq(gosset_train(&model, &learn, &config), GOSSET_E_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(gosset_last_error(), "row 321"));
    data[4 * 321 + 2] = kept;
    broken.count = 999;
    ck_assert_int_eq(gosset_train(&model, &broken, &config), GOSSET_E_ARGUMENT);
    broken = learn, broken.dimension = 0;
    ck_assert_int_eq(gosset_train(&model, &broken, &config), GOSSET_E_ARGUMENT);
    broken = learn, broken.stride = 15;
    ck_assert_int_eq(gosset_train(&model, &broken, &config), GOSSET_E_ARGUMENT);
    broken = learn, broken.type = (gosset_type)9;
    ck_assert_int_eq(gosset_train(&model, &broken, &config), GOSSET_E_ARGUMENT);
    ck_assert_int_eq(gosset_train(&model, NULL, &config), GOSSET_E_ARGUMENT);
    ck_assert_int_eq(gosset_train(NULL, &learn, &config), GOSSET_E_ARGUMENT);
    other = config, other.loss = "guesswork";
    ck_assert_int_eq(gosset_train(&model, &learn, &other), GOSSET_E_CONFIG);
    other = config, other.minutes = 1;
    ck_assert_int_eq(gosset_train(&model, &learn, &other), GOSSET_E_CONFIG);
    other = config, other.code_bytes = 9;
    ck_assert_int_eq(gosset_train(&model, &learn, &other), GOSSET_E_CONFIG);
    other = config, other.code_lattice = "zn:24:79", other.output_dimension = 32;
    ck_assert_int_eq(gosset_train(&model, &learn, &other), GOSSET_E_CONFIG);
    other = config, other.code_lattice = "nonsense";
    ck_assert_int_eq(gosset_train(&model, &learn, &other), GOSSET_E_ARGUMENT);
    other = config, other.metric = (gosset_metric)7;
    ck_assert_int_eq(gosset_train(&model, &learn, &other), GOSSET_E_CONFIG);
    other = config, other.spreading = "butter";
    ck_assert_int_eq(gosset_train(&model, &learn, &other), GOSSET_E_CONFIG);
    other = config, other.optimizer = "luck";
    ck_assert_int_eq(gosset_train(&model, &learn, &other), GOSSET_E_CONFIG);
    other = config, other.learning_rate = NAN;
    ck_assert_int_eq(gosset_train(&model, &learn, &other), GOSSET_E_CONFIG);
    ck_assert_ptr_null(model);
    free(data);
}
END_TEST

/* ---- progress and memory -------------------------------------------------------------------- */

typedef struct watcher {
    int neighbours, train, strange;
    const char *stop; /* phase to stop in */
} watcher;

static int watch(const gosset_progress *progress, void *context) {
    watcher *self = context;
    self->neighbours += strcmp(progress->phase, "neighbours") == 0;
    self->train += strcmp(progress->phase, "train") == 0;
    self->strange += progress->done > progress->total || !isfinite(progress->loss) || progress->seconds_left < 0;
    return self->stop && strcmp(progress->phase, self->stop) == 0;
}

START_TEST(progress_and_cancelling) {
    float *data = clustered_vectors(9, 1000, 4, 12, GOSSET_F32);
    gosset_vectors learn = view_of(data, 1000, 4, GOSSET_F32);
    watcher seen = {0};
    gosset_env env = {.struct_size = sizeof env, .progress = watch, .progress_context = &seen};
    gosset_train_config config = small_config(&env);
    gosset_model *model = train_model(&learn, &config);
    gosset_model_free(model);
    ck_assert_int_gt(seen.neighbours, 0);
    ck_assert_int_gt(seen.train, 0);
    ck_assert_int_eq(seen.strange, 0);
    static const char *const phases[] = {"neighbours", "train"};
    for (int i = 0; i < 2; i++) {
        seen.stop = phases[i];
        ck_assert_int_eq(gosset_train(&model, &learn, &config), GOSSET_E_CANCELLED);
        ck_assert_ptr_null(model);
    }
    free(data);
}
END_TEST

START_TEST(memory_that_runs_out) {
    float *data = clustered_vectors(9, 1000, 4, 12, GOSSET_F32);
    gosset_vectors learn = view_of(data, 1000, 4, GOSSET_F32);
    size_t failures = 0;
    counting_allocator all = {0}, memory;
    gosset_model *model = NULL;
    for (size_t n = 0;; n = counting_next(&all, 60, n), failures++) { /* the first time nothing fails */
        gosset_env env = counting_env(n ? &memory : &all, n);
        env.threads = 1;
        gosset_train_config config = _i ? residual_config(&env) : small_config(&env);
        config.epochs = 1;
        if (_i) config.cell_lattice = "zn:4:4"; /* few cells: quick */
        if (n == 0) {
            model = train_model(&learn, &config);
            gosset_model_free(model);
            continue;
        }
        gosset_status status = gosset_train(&model, &learn, &config);
        if (status == GOSSET_OK) {
            gosset_model_free(model);
            ck_assert_uint_eq(counting_held(&memory), 0);
            break;
        }
        ck_assert_int_eq(status, GOSSET_E_NO_MEMORY);
        ck_assert_ptr_null(model);
        ck_assert_uint_eq(counting_held(&memory), 0);
    }
    ck_assert_uint_gt(failures, 40);
    free(data);
}
END_TEST

START_TEST(apply_refuses) {
    float *data = clustered_vectors(9, 1000, 4, 12, GOSSET_F32), latents[LATENT * 5];
    gosset_vectors learn = view_of(data, 1000, 4, GOSSET_F32), few = view_of(data, 5, 4, GOSSET_F32);
    gosset_train_config config = small_config(NULL);
    gosset_model *model = train_model(&learn, &config);
    require_ok(gosset_model_apply(model, GOSSET_QUERY, &few, latents));
    gosset_vectors wrong = view_of(data, 5, 3, GOSSET_F32), none = view_of(NULL, 0, 4, GOSSET_F32);
    ck_assert_int_eq(gosset_model_apply(model, GOSSET_QUERY, &wrong, latents), GOSSET_E_DIMENSION);
    require_ok(gosset_model_apply(model, GOSSET_QUERY, &none, latents));
    ck_assert_int_eq(gosset_model_apply(NULL, GOSSET_QUERY, &few, latents), GOSSET_E_ARGUMENT);
    data[9] = NAN;
    ck_assert_int_eq(gosset_model_apply(model, GOSSET_QUERY, &few, latents), GOSSET_E_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(gosset_last_error(), "row 2"));
    gosset_model_free(model);
    free(data);
}
END_TEST

Suite *learning_suite(void) {
    Suite *suite = suite_create("learning");
    TCase *learning = tcase_create("learning"), *limits = tcase_create("limits");
    tcase_set_timeout(learning, 300);
    tcase_set_timeout(limits, 300);
    int losses = 0;
    while (gosset__loss_registry[losses]) losses++;
    tcase_add_loop_test(learning, training_improves_the_codes, 0, 2 * losses);
    tcase_add_loop_test(limits, awkward_data, 0, SHAPES * 3 * losses);
    tcase_add_loop_test(limits, one_dimension_and_signed_bytes, 0, 2);
    tcase_add_test(learning, points_of_a_batch);
    tcase_add_test(limits, what_is_refused);
    tcase_add_test(limits, progress_and_cancelling);
    tcase_add_loop_test(limits, memory_that_runs_out, 0, 2);
    tcase_add_test(limits, apply_refuses);
    suite_add_tcase(suite, learning);
    suite_add_tcase(suite, limits);
    return suite;
}
