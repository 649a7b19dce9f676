/* How far from the centre of the vectors queries are compared with codes. */
#include "train/residual.h"
#include "train/train_tests.h"

enum { AXES = 12, ROWS = 5000 };

/* Rows on a sphere of radius 1 around a point, seen from where their mean is; or not on any. */
static void find_centre(const float *point, int on_sphere, float *centre) {
    float *x = malloc(sizeof(float) * ROWS * AXES);
    double mean[AXES] = {0};
    gosset__rng rng = gosset__rng_make(3, 0);
    for (size_t r = 0; r < ROWS; r++) {
        float *row = x + r * AXES, square = 0;
        fill_normal(&rng, row, AXES);
        for (int i = 0; i < AXES; i++) row[i] = row[i] / (float)(1 + i) - point[i];
        for (int i = 0; i < AXES; i++) square += row[i] * row[i];
        for (int i = 0; i < AXES; i++) row[i] = on_sphere ? row[i] / sqrtf(square) : row[i];
        for (int i = 0; i < AXES; i++) mean[i] += (double)row[i] / ROWS;
    }
    for (size_t i = 0; i < (size_t)ROWS * AXES; i++) x[i] -= (float)mean[i % AXES];
    gosset__residual_fitting fit = {.rows = ROWS, .axes = AXES, .x = x, .centre = centre};
    gosset__residual_find_centre(&fit);
    for (int i = 0; i < AXES; i++) centre[i] += (float)mean[i]; /* where the rows were */
    free(x);
}

/* Axes here are not quite uncorrelated, so the centre is not quite 0. */
START_TEST(centre_of_a_sphere) {
    const float point[AXES] = {[AXES - 1] = -2};
    float centre[AXES], square = 0;
    find_centre(point, 1, centre);
    for (int i = 0; i < AXES; i++) square += centre[i] * centre[i];
    ck_assert_float_lt(square, 0.01f);
}
END_TEST

/* Vectors that lie around a point on no sphere give that point, within what chance leaves. */
START_TEST(no_sphere) {
    const float point[AXES] = {3, -1};
    float centre[AXES];
    find_centre(point, 0, centre);
    for (int i = 0; i < AXES; i++) ck_assert_float_lt(fabsf(centre[i] + point[i]), 0.35f);
}
END_TEST

/* Directions are on a sphere: held-out queries choose to stretch, away from its centre. */
START_TEST(cosine_stretches) {
    enum { D = 64, COUNT = 4000 };
    float *data = clustered_vectors(31, COUNT, D, 40, GOSSET_F32);
    const gosset_vectors learn = view_of(data, COUNT, D, GOSSET_F32);
    gosset_train_config config = residual_config(NULL);
    config.metric = GOSSET_COSINE;
    config.vector_count = COUNT;
    gosset_model *model = train_model(&learn, &config);
    gosset_model_info info = {.struct_size = sizeof info};
    require_ok(gosset_model_describe(model, &info));
    ck_assert_float_gt(info.query_stretch, 1.0f);
    ck_assert_float_le(info.query_stretch, 2.0f);
    gosset_model_free(model);
    free(data);
}
END_TEST

/* A column that is the same for all vectors but for rounding says nothing of a centre; neither does a repeated one. */
START_TEST(poor_axes) {
    enum { D = 24, COUNT = 3000 };
    float *data = clustered_vectors(32, COUNT, D, 40, GOSSET_F32);
    for (size_t r = 0; r < COUNT; r++)
        for (int i = D / 2; i < D; i++) data[r * D + i] = i % 2 ? data[r * D] : 1 + 1e-6f * (float)(r % 3);
    const gosset_vectors learn = view_of(data, COUNT, D, GOSSET_F32);
    gosset_train_config config = residual_config(NULL);
    config.metric = (gosset_metric)_i;
    config.vector_count = COUNT;
    gosset_model *model = train_model(&learn, &config);
    gosset_model_info info = {.struct_size = sizeof info};
    require_ok(gosset_model_describe(model, &info));
    double square = 0;
    for (uint32_t i = 0; i < info.feature_dimension; i++)
        square += (double)info.query_shift[i] * (double)info.query_shift[i];
    ck_assert_double_le(square, 4);
    gosset_model_free(model);
    free(data);
}
END_TEST

/* The more vectors an index has, the less queries are stretched, and never towards the centre. */
START_TEST(more_vectors_less_stretch) {
    const gosset__residual_judge judge = {.count = 60000, .stretch = 1.25f};
    ck_assert_float_eq_tol(gosset__residual_stretch_for(&judge, 60000), 1.25f, 1e-6f);
    ck_assert_float_eq_tol(gosset__residual_stretch_for(&judge, 1000), 1.25f, 1e-6f);
    ck_assert_float_eq_tol(gosset__residual_stretch_for(&judge, 600000), 1 / (1 - 0.125f), 1e-5f);
    ck_assert_float_eq(gosset__residual_stretch_for(&judge, 1000000000), 1);
}
END_TEST

Suite *stretch_suite(void) {
    Suite *suite = suite_create("stretch");
    TCase *stretch = tcase_create("stretch");
    tcase_set_timeout(stretch, 120);
    tcase_add_test(stretch, centre_of_a_sphere);
    tcase_add_test(stretch, no_sphere);
    tcase_add_test(stretch, cosine_stretches);
    tcase_add_loop_test(stretch, poor_axes, 0, 3);
    tcase_add_test(stretch, more_vectors_less_stretch);
    suite_add_tcase(suite, stretch);
    return suite;
}
