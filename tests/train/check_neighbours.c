/* Exact neighbours against brute force, principal axes against a covariance that is known, and preprocessing. */
#include "train/neighbours.h"
#include "train/principal.h"
#include "train/train_tests.h"

/* ---- neighbours ----------------------------------------------------------------------------- */

typedef struct pair {
    double distance;
    uint32_t id;
} pair;

static int compare_pairs(const void *a, const void *b) {
    const pair *x = a, *y = b;
    if (x->distance != y->distance) return x->distance < y->distance ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static size_t brute_force(const float *query, const float *base, size_t count, uint32_t dimension, uint32_t self,
                          pair *out) {
    size_t found = 0;
    for (uint32_t r = 0; r < count; r++) {
        double distance = 0;
        for (uint32_t i = 0; i < dimension; i++) distance += pow((double)query[i] - (double)base[r * dimension + i], 2);
        if (r != self) out[found++] = (pair){distance, r};
    }
    qsort(out, found, sizeof *out, compare_pairs);
    return found;
}

static void check_neighbours(size_t queries, size_t base, uint32_t dimension, uint32_t k, int leave_self_out,
                             uint32_t threads) {
    gosset__env env = default_env(threads);
    gosset__pool *pool = NULL;
    require_ok(gosset__pool_create(&pool, &env));
    float *rows = malloc((queries + base) * dimension * sizeof(float));
    uint32_t *ids = malloc(queries * k * sizeof *ids), *self = malloc(queries * sizeof *self);
    float *distances = malloc(queries * k * sizeof *distances);
    pair *expected = malloc(base * sizeof *expected);
    gosset__rng rng = gosset__rng_make(queries, base);
    for (size_t i = 0; i < (queries + base) * dimension; i++) rows[i] = (float)gosset__rng_below(&rng, 9) - 4;
    for (size_t q = 0; q < queries; q++) self[q] = (uint32_t)gosset__rng_below(&rng, base);
    const float *from = rows + base * dimension;
    const gosset__neighbours_task task = {.queries = from,
                                          .base = rows,
                                          .query_count = queries,
                                          .base_count = base,
                                          .dimension = dimension,
                                          .k = k,
                                          .self = leave_self_out ? self : NULL,
                                          .ids = ids,
                                          .distances = distances};
    require_ok(gosset__neighbours(&task, pool, &env));
    for (size_t q = 0; q < queries; q++) {
        size_t found =
            brute_force(from + q * dimension, rows, base, dimension, leave_self_out ? self[q] : UINT32_MAX, expected);
        for (uint32_t i = 0; i < k; i++) {
            ck_assert_uint_eq(ids[q * k + i], i < found ? expected[i].id : UINT32_MAX);
            if (i < found) ck_assert_double_eq((double)distances[q * k + i], expected[i].distance);
            if (i >= found) ck_assert(isinf(distances[q * k + i]));
        }
    }
    free(rows), free(ids), free(self), free(distances), free(expected);
    gosset__pool_free(pool);
}

/* Small integers: distances are exact, and there are plenty of ties. */
START_TEST(neighbours_are_exact) {
    check_neighbours(401, 2500, 5, 10, 1, 2); /* several blocks of both */
    check_neighbours(3, 2500, 20, 200, 0, 1);
    check_neighbours(200, 40, 3, 60, 1, 3); /* fewer than k */
    check_neighbours(1, 1, 1, 1, 0, 1);
}
END_TEST

static int cancel_at_once(const gosset_progress *progress, void *context) {
    (void)progress, (void)context;
    return 1;
}

START_TEST(neighbours_can_be_cancelled) {
    gosset__env env = default_env(1);
    env.progress = cancel_at_once;
    float row[4] = {0};
    uint32_t ids[4];
    const gosset__neighbours_task task = {.queries = row,
                                          .base = row,
                                          .query_count = 4,
                                          .base_count = 4,
                                          .dimension = 1,
                                          .k = 1,
                                          .ids = ids,
                                          .phase = "neighbours"};
    ck_assert_int_eq(gosset__neighbours(&task, NULL, &env), GOSSET_E_CANCELLED);
}
END_TEST

/* ---- principal axes ------------------------------------------------------------------------- */

/* Rows with standard deviations 8, 4, 2, 1, then 0.1, along axes turned by a fixed rotation of pairs. */
static float *stretched_rows(size_t rows, uint32_t dimension) {
    float *data = malloc(rows * dimension * sizeof(float));
    gosset__rng rng = gosset__rng_make(11, 0);
    for (size_t r = 0; r < rows; r++) {
        float *row = data + r * dimension;
        for (uint32_t i = 0; i < dimension; i++) row[i] = gosset__rng_normal(&rng) * (i < 4 ? (float)(8 >> i) : 0.1f);
        for (uint32_t i = 0; i + 1 < dimension; i += 2) {
            float a = row[i], b = row[i + 1];
            row[i] = 0.6f * a - 0.8f * b;
            row[i + 1] = 0.8f * a + 0.6f * b;
        }
    }
    return data;
}

START_TEST(axes_of_known_covariance) {
    enum { ROWS = 20000 };
    uint32_t dimension = _i == 0 ? 6 : 40, count = 5; /* the whole space at once, and by iteration */
    gosset__env env = default_env(1);
    float *data = stretched_rows(ROWS, dimension), axes[40 * 5];
    require_ok(gosset__principal_axes(data, ROWS, dimension, count, axes, NULL, &env));
    const double expected[4][4] = {{0.6, 0.8, 0, 0}, {0.8, -0.6, 0, 0}, {0, 0, 0.6, 0.8}, {0, 0, 0.8, -0.6}};
    for (uint32_t a = 0; a < 4; a++)
        for (uint32_t i = 0; i < 4; i++) ck_assert_double_eq_tol((double)axes[i * count + a], expected[a][i], 0.03);
    for (uint32_t a = 0; a < count; a++)
        for (uint32_t b = 0; b <= a; b++) {
            double dot = 0;
            for (uint32_t i = 0; i < dimension; i++) dot += (double)axes[i * count + a] * (double)axes[i * count + b];
            ck_assert_double_eq_tol(dot, a == b, 1e-4);
        }
    free(data);
}
END_TEST

START_TEST(more_axes_than_dimensions) {
    gosset__env env = default_env(1);
    float *data = stretched_rows(500, 3), axes[3 * 5];
    require_ok(gosset__principal_axes(data, 500, 3, 5, axes, NULL, &env));
    for (uint32_t i = 0; i < 3; i++)
        for (uint32_t a = 3; a < 5; a++) ck_assert_float_eq(axes[i * 5 + a], 0);
    free(data);
    float same[60] = {0}; /* no variance at all */
    require_ok(gosset__principal_axes(same, 20, 3, 2, axes, NULL, &env));
    for (uint32_t i = 0; i < 6; i++) ck_assert(isfinite(axes[i]));
}
END_TEST

/* ---- preprocessing -------------------------------------------------------------------------- */

static double metric_distance(gosset_metric metric, const float *q, const float *x, uint32_t dimension) {
    double dot = 0, square = 0, norms[2] = {0, 0};
    for (uint32_t i = 0; i < dimension; i++) {
        double a = (double)q[i], b = (double)x[i];
        dot += a * b;
        square += (a - b) * (a - b);
        norms[0] += a * a;
        norms[1] += b * b;
    }
    return metric == GOSSET_L2 ? square : metric == GOSSET_IP ? -dot : 1 - dot / sqrt(norms[0] * norms[1]);
}

/* After preprocessing, squared distances order a base for a query as the metric does. */
START_TEST(preprocessing_keeps_the_order) {
    enum { COUNT = 300, D = 12 };
    gosset_metric metric = (gosset_metric)_i;
    const gosset__kernels *kernels = NULL;
    require_ok(gosset__kernels_get(&kernels, ""));
    float *data = clustered_vectors(3, COUNT, D, 9, GOSSET_F32), mean[D + 1], query[D + 1], row[D + 1];
    for (int i = 0; i < COUNT * D; i++) data[i] = data[i] * (float)(1 + i / D % 5) + 3;
    gosset_vectors view = view_of(data, COUNT, D, GOSSET_F32);
    gosset__preprocess fit = {
        .input = D, .features = gosset__preprocess_features(D, metric), .metric = metric, .mean = mean};
    gosset__preprocess_fit(&fit, &view, kernels);
    for (size_t q = 0; q < 5; q++) {
        gosset__preprocess_row(&fit, kernels, GOSSET_QUERY, &view, q, query);
        for (size_t a = 5; a + 1 < COUNT; a++) {
            double reduced[2], given[2];
            for (size_t side = 0; side < 2; side++) {
                gosset__preprocess_row(&fit, kernels, GOSSET_BASE, &view, a + side, row);
                reduced[side] = metric_distance(GOSSET_L2, query, row, fit.features);
                given[side] = metric_distance(metric, data + q * D, data + (a + side) * D, D);
            }
            if (fabs(given[0] - given[1]) < 1e-3) continue;
            ck_assert_int_eq(reduced[0] < reduced[1], given[0] < given[1]);
        }
    }
    free(data);
}
END_TEST

/* Integers stay exact: twice the scale of two rows' distance is an integer times a power of four. */
START_TEST(preprocessing_of_bytes_is_exact) {
    enum { COUNT = 200, D = 16 };
    const gosset__kernels *kernels = NULL;
    require_ok(gosset__kernels_get(&kernels, ""));
    uint8_t *data = clustered_vectors(4, COUNT, D, 5, GOSSET_U8);
    float mean[D], a[D], b[D];
    gosset_vectors view = view_of(data, COUNT, D, GOSSET_U8);
    gosset__preprocess fit = {.input = D, .features = D, .metric = GOSSET_L2, .mean = mean};
    gosset__preprocess_fit(&fit, &view, kernels);
    for (size_t r = 0; r + 1 < COUNT; r++) {
        gosset__preprocess_row(&fit, kernels, GOSSET_BASE, &view, r, a);
        gosset__preprocess_row(&fit, kernels, GOSSET_BASE, &view, r + 1, b);
        float reduced = 0;
        for (int i = 0; i < D; i++) reduced += (a[i] - b[i]) * (a[i] - b[i]);
        uint32_t exact = kernels->l2_u8(data + r * D, data + (r + 1) * D, D);
        ck_assert_float_eq(reduced, (float)exact * fit.scale * fit.scale);
    }
    free(data);
}
END_TEST

Suite *neighbours_suite(void) {
    Suite *suite = suite_create("neighbours");
    TCase *found = tcase_create("neighbours"), *axes = tcase_create("axes"), *prepared = tcase_create("preprocess");
    tcase_add_test(found, neighbours_are_exact);
    tcase_add_test(found, neighbours_can_be_cancelled);
    tcase_add_loop_test(axes, axes_of_known_covariance, 0, 2);
    tcase_add_test(axes, more_axes_than_dimensions);
    tcase_add_loop_test(prepared, preprocessing_keeps_the_order, 0, 3);
    tcase_add_test(prepared, preprocessing_of_bytes_is_exact);
    suite_add_tcase(suite, found);
    suite_add_tcase(suite, axes);
    suite_add_tcase(suite, prepared);
    return suite;
}
