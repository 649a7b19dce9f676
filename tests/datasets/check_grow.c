/* Sets grown from others: real rows first, the rest reproducible, alike in spread, and from near neighbours. */
#include "datasets/grow.h"
#include "datasets_tests.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 3000, DIMENSION = 12 };

static const grow_config usual = {.seed = 7, .neighbours = 8, .spread = 0.9, .threads = 1};
static const gosset_type types[] = {GOSSET_F32, GOSSET_U8, GOSSET_I8};

static void *grown(const gosset_vectors *base, const grow_config *config, uint64_t first, size_t count) {
    grow *set = NULL;
    void *rows = malloc(count * base->dimension * gosset_type_size(base->type));
    ck_assert_ptr_nonnull(rows);
    ck_assert_msg(grow_create(&set, base, config) == GOSSET_OK, "%s", gosset_dataset_error());
    ck_assert_int_eq(grow_rows(set, first, count, rows), GOSSET_OK);
    grow_free(set);
    return rows;
}

START_TEST(begins_with_the_base) {
    const gosset_type type = types[_i];
    const size_t row_size = DIMENSION * gosset_type_size(type);
    void *data = clustered_vectors(1, ROWS, DIMENSION, 20, type);
    const gosset_vectors base = view_of(data, ROWS, DIMENSION, type);
    uint8_t *rows = grown(&base, &usual, 0, 3 * ROWS);
    ck_assert_mem_eq(rows, data, ROWS * row_size);
    size_t same = 0;
    for (size_t i = ROWS; i < 3 * ROWS; i++)
        same += memcmp(rows + i * row_size, rows + i % ROWS * row_size, row_size) == 0;
    ck_assert_uint_eq(same, 0);
    free(rows);
    free(data);
}
END_TEST

START_TEST(rows_depend_on_seed_and_number_alone) {
    void *data = clustered_vectors(2, ROWS, DIMENSION, 20, GOSSET_U8);
    const gosset_vectors base = view_of(data, ROWS, DIMENSION, GOSSET_U8);
    grow_config threads = usual, seed = usual;
    threads.threads = 3;
    seed.seed = 8;
    uint8_t *all = grown(&base, &usual, ROWS, 1000), *part = grown(&base, &threads, ROWS + 900, 100);
    uint8_t *other = grown(&base, &seed, ROWS, 1000);
    ck_assert_mem_eq(part, all + 900 * DIMENSION, 100 * DIMENSION);
    ck_assert_mem_ne(other, all, 1000 * DIMENSION);
    free(all);
    free(part);
    free(other);
    free(data);
}
END_TEST

/* A view with gaps gives what a tight one does. */
START_TEST(stride) {
    enum { STRIDE = DIMENSION + 5 };
    uint8_t *data = clustered_vectors(3, ROWS, DIMENSION, 20, GOSSET_U8), *wide = calloc(ROWS, STRIDE);
    ck_assert_ptr_nonnull(wide);
    for (size_t i = 0; i < ROWS; i++) memcpy(wide + i * STRIDE, data + i * DIMENSION, DIMENSION);
    gosset_vectors base = view_of(data, ROWS, DIMENSION, GOSSET_U8), gaps = view_of(wide, ROWS, DIMENSION, GOSSET_U8);
    gaps.stride = STRIDE;
    uint8_t *a = grown(&base, &usual, ROWS - 10, 500), *b = grown(&gaps, &usual, ROWS - 10, 500);
    ck_assert_mem_eq(a, b, 500 * DIMENSION);
    free(a);
    free(b);
    free(wide);
    free(data);
}
END_TEST

static double square(const float *a, const float *b) {
    double sum = 0;
    for (uint32_t i = 0; i < DIMENSION; i++) sum += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
    return sum;
}

/* Most neighbours are the true ones; none is the row itself. */
START_TEST(neighbours_are_near) {
    float *data = clustered_vectors(4, ROWS, DIMENSION, 20, GOSSET_F32);
    const gosset_vectors base = view_of(data, ROWS, DIMENSION, GOSSET_F32);
    size_t nearer = 0, queries = 0;
    grow *set = NULL;
    ck_assert_int_eq(grow_create(&set, &base, &usual), GOSSET_OK);
    for (size_t row = 0; row < ROWS; row += 50, queries++) {
        const uint32_t *found = grow_neighbours(set, row);
        double limit = 0;
        for (uint32_t j = 0; j < usual.neighbours; j++) {
            ck_assert_uint_lt(found[j], ROWS);
            ck_assert_uint_ne(found[j], row);
            limit = fmax(limit, square(data + row * DIMENSION, data + found[j] * DIMENSION));
        }
        for (size_t i = 0; i < ROWS; i++)
            nearer += i != row && square(data + row * DIMENSION, data + i * DIMENSION) < limit;
    }
    ck_assert_double_lt((double)nearer, 1.2 * (double)(queries * (usual.neighbours - 1))); /* all true: 1.0 */
    grow_free(set);
    free(data);
}
END_TEST

/* The local mean is kept, so the grown rows have the mean of the base, and nearly its variance. */
START_TEST(keeps_mean_and_variance) {
    float *data = clustered_vectors(5, ROWS, DIMENSION, 20, GOSSET_F32);
    const gosset_vectors base = view_of(data, ROWS, DIMENSION, GOSSET_F32);
    float *rows = grown(&base, &usual, ROWS, 4 * ROWS);
    for (uint32_t j = 0; j < DIMENSION; j++) {
        double sum[2] = {0, 0}, squares[2] = {0, 0};
        for (size_t i = 0; i < 4 * ROWS; i++) {
            const double values[2] = {(double)data[i % ROWS * DIMENSION + j], (double)rows[i * DIMENSION + j]};
            for (int side = 0; side < 2; side++)
                sum[side] += values[side], squares[side] += values[side] * values[side];
        }
        const double count = 4.0 * ROWS, mean = sum[0] / count, variance = squares[0] / count - mean * mean;
        const double other = sum[1] / count;
        ck_assert_double_eq_tol(other, mean, 0.1 * sqrt(variance));
        ck_assert_double_eq_tol(squares[1] / count - other * other, variance, 0.1 * variance);
    }
    free(rows);
    free(data);
}
END_TEST

START_TEST(values_stay_in_their_type) {
    uint8_t data[40 * 4];
    for (size_t i = 0; i < sizeof data; i++) data[i] = i / 4 % 2 ? 255 : 0;
    const gosset_vectors base = view_of(data, 40, 4, GOSSET_U8);
    const grow_config config = {.seed = 1, .neighbours = 30, .spread = 1, .threads = 1};
    uint8_t *rows = grown(&base, &config, 40, 2000);
    size_t low = 0, high = 0;
    for (size_t i = 0; i < 2000 * 4; i++) low += rows[i] == 0, high += rows[i] == 255;
    ck_assert_uint_gt(low, 100); /* cut, not wrapped: wrapped ones would lie at both ends equally rarely */
    ck_assert_uint_gt(high, 100);
    free(rows);
}
END_TEST

/* Copies of one vector grow into copies. */
START_TEST(duplicates) {
    float data[5000 * 2];
    for (size_t i = 0; i < 5000; i++) data[2 * i] = 3, data[2 * i + 1] = -1;
    const gosset_vectors base = view_of(data, 5000, 2, GOSSET_F32);
    float *rows = grown(&base, &usual, 5000, 100);
    for (size_t i = 0; i < 100; i++) {
        ck_assert_float_eq_tol(rows[2 * i], 3, 1e-4f);
        ck_assert_float_eq_tol(rows[2 * i + 1], -1, 1e-4f);
    }
    free(rows);
}
END_TEST

START_TEST(refused) {
    float data[20] = {0};
    grow *set = NULL;
    gosset_vectors base = view_of(data, 8, 2, GOSSET_F32);
    grow_config config = usual;
    ck_assert_int_eq(grow_create(&set, &base, &config), GOSSET_E_ARGUMENT); /* K rows */
    ck_assert_ptr_nonnull(strstr(gosset_dataset_error(), "more than 8"));
    base.count = 10;
    config.spread = 1.5;
    ck_assert_int_eq(grow_create(&set, &base, &config), GOSSET_E_ARGUMENT);
    config.spread = NAN;
    ck_assert_int_eq(grow_create(&set, &base, &config), GOSSET_E_ARGUMENT);
    config = usual;
    config.neighbours = 1;
    ck_assert_int_eq(grow_create(&set, &base, &config), GOSSET_E_ARGUMENT);
    config.neighbours = GROW_NEIGHBOURS_MAX + 1;
    ck_assert_int_eq(grow_create(&set, &base, &config), GOSSET_E_ARGUMENT);
    ck_assert_ptr_null(set);
    data[7] = NAN;
    config = usual;
    ck_assert_int_eq(grow_create(&set, &base, &config), GOSSET_E_ARGUMENT);
    ck_assert_ptr_null(set);
    grow_free(NULL);
}
END_TEST

/* In d dimensions the r-th of n neighbours lies at (r / n)^(1/d): the estimate must say d. */
START_TEST(description) {
    enum { QUERIES = 40, FIRST = 100 };
    static float distances[QUERIES * FIRST];
    grow_description found;
    for (size_t query = 0; query < QUERIES; query++)
        for (size_t i = 0; i < FIRST; i++) {
            const double radius = pow(((double)i + 1) / 1e6, 1.0 / 5);
            distances[query * FIRST + i] = (float)(radius * radius);
        }
    ck_assert_int_eq(grow_describe(distances, QUERIES, FIRST, &found), GOSSET_OK);
    ck_assert_double_eq_tol(found.median[0], pow(1e-6, 0.2), 1e-6);
    ck_assert_double_eq_tol(found.median[2], pow(1e-4, 0.2), 1e-6);
    ck_assert_double_eq_tol(found.ratio[0], pow(10, 0.2), 1e-6);
    ck_assert_double_eq_tol(found.ratio[1], pow(10, 0.2), 1e-6);
    ck_assert_double_eq_tol(found.dimension, 5, 0.2);
    ck_assert_double_eq_tol(found.quartile[0], found.quartile[1], 1e-9);
    memset(distances, 0, sizeof distances);
    ck_assert_int_eq(grow_describe(distances, QUERIES, FIRST, &found), GOSSET_OK);
    ck_assert_double_eq(found.dimension, 0);
}
END_TEST

TCase *grow_cases(void) {
    TCase *cases = tcase_create("grow");
    tcase_add_loop_test(cases, begins_with_the_base, 0, 3);
    tcase_add_test(cases, rows_depend_on_seed_and_number_alone);
    tcase_add_test(cases, stride);
    tcase_add_test(cases, neighbours_are_near);
    tcase_add_test(cases, keeps_mean_and_variance);
    tcase_add_test(cases, values_stay_in_their_type);
    tcase_add_test(cases, duplicates);
    tcase_add_test(cases, refused);
    tcase_add_test(cases, description);
    return cases;
}
