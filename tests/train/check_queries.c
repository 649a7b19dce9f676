/* Queries that are not like the vectors: what they change, what they leave alone, and what is refused. */
#include "train/train_tests.h"

enum { COUNT = 2000, QUERIES = 600, D = 12 };

/* Vectors of a few clusters; queries are others of them, shrunk and shifted along some axes. */
static float *make_data(float **queries) {
    float *data = clustered_vectors(51, COUNT + QUERIES, D, 40, GOSSET_F32);
    *queries = data + (size_t)COUNT * D;
    for (size_t i = 0; i < (size_t)QUERIES * D; i++) {
        const size_t axis = i % D;
        (*queries)[i] = axis < 4 ? 0.3f * (*queries)[i] + 1.5f : (*queries)[i];
    }
    return data;
}

static gosset_train_config query_config(const gosset_env *env, const gosset_vectors *queries) {
    gosset_train_config config = residual_config(env);
    config.epochs = 6;
    config.cell_lattice = "zn:10:3"; /* few cells: quick */
    config.learn_queries = queries;
    return config;
}

START_TEST(shifted_queries_get_a_layer) {
    float *shifted, *data = make_data(&shifted);
    const gosset_vectors learn = view_of(data, COUNT, D, GOSSET_F32),
                         queries = view_of(shifted, QUERIES, D, GOSSET_F32);
    gosset_train_config config = query_config(NULL, NULL);
    gosset_model *plain = train_model(&learn, &config), *model, *loaded;
    config.learn_queries = &queries;
    model = train_model(&learn, &config);
    gosset_model_info info = {.struct_size = sizeof info};
    require_ok(gosset_model_describe(model, &info));
    ck_assert_uint_eq(info.query_layer, 1);
    ck_assert_uint_eq(info.held_out, QUERIES / 2);

    /* the base side is that of the training without queries */
    const size_t size = (size_t)QUERIES * info.output_dimension * sizeof(float);
    float *base = malloc(size), *other = malloc(size), *asked = malloc(size);
    require_ok(gosset_model_apply(plain, GOSSET_BASE, &queries, base));
    require_ok(gosset_model_apply(model, GOSSET_BASE, &queries, other));
    ck_assert_mem_eq(base, other, size);
    require_ok(gosset_model_apply(model, GOSSET_QUERY, &queries, asked));
    ck_assert_mem_ne(base, asked, size);

    /* held out for calibration: some of the queries, as they were given */
    const gosset_vectors held_out = gosset__model_held_out(model);
    for (size_t h = 0; h < held_out.count; h++) {
        size_t q = 0;
        while (q < QUERIES && memcmp((const float *)held_out.data + h * D, shifted + q * D, D * sizeof(float)) != 0)
            q++;
        ck_assert_uint_lt(q, QUERIES);
    }

    size_t length;
    unsigned char *bytes = model_bytes(model, &length, NULL);
    require_ok(gosset__model_parse(&loaded, bytes, length, "queries.gosset", NULL));
    require_ok(gosset_model_apply(loaded, GOSSET_QUERY, &queries, other));
    ck_assert_mem_eq(asked, other, size);
    gosset_model_free(plain), gosset_model_free(model), gosset_model_free(loaded);
    free(bytes), free(base), free(other), free(asked), free(data);
}
END_TEST

START_TEST(same_layer_for_any_number_of_threads) {
    float *shifted, *data = make_data(&shifted);
    const gosset_vectors learn = view_of(data, COUNT, D, GOSSET_F32),
                         queries = view_of(shifted, QUERIES, D, GOSSET_F32);
    uint64_t fingerprints[2];
    for (uint32_t i = 0; i < 2; i++) {
        const gosset_env env = {.struct_size = sizeof env, .threads = 1 + 2 * i};
        const gosset_train_config config = query_config(&env, &queries);
        gosset_model *model = train_model(&learn, &config);
        gosset_model_info info = {.struct_size = sizeof info};
        require_ok(gosset_model_describe(model, &info));
        fingerprints[i] = info.fingerprint;
        gosset_model_free(model);
    }
    ck_assert_uint_eq(fingerprints[0], fingerprints[1]);
    free(data);
}
END_TEST

/* A sample of the bytes of the layer and of its entry in the table; elsewhere check_model_file.c tries all. */
START_TEST(damage_is_found) {
    float *shifted, *data = make_data(&shifted);
    const gosset_vectors learn = view_of(data, COUNT, D, GOSSET_F32),
                         queries = view_of(shifted, QUERIES, D, GOSSET_F32);
    const gosset_train_config config = query_config(NULL, &queries);
    gosset_model *model = train_model(&learn, &config), *damaged = NULL;
    size_t size;
    unsigned char *bytes = model_bytes(model, &size, NULL);
    const size_t table = 512 + 9 * 32, section = gosset__load64(bytes + table + 8);
    ck_assert_uint_eq(gosset__load32(bytes + 256), 10);
    for (size_t i = 0; i < 2 * 32; i++) {
        unsigned char *byte = bytes + (i < 32 ? table + i : section + (i - 32) * (size - section) / 32);
        *byte ^= 4;
        ck_assert_int_eq(gosset__model_parse(&damaged, bytes, size, "queries.gosset", NULL), GOSSET_E_CORRUPT);
        *byte ^= 4;
    }
    gosset__store32(bytes + section, 0x7F800000); /* an infinity, under checksums that are right */
    const uint64_t layer_size = gosset__load64(bytes + table + 16);
    gosset__store64(bytes + table + 24, gosset__hash(bytes + section, layer_size, 9));
    gosset__store64(bytes + 1016, gosset__hash(bytes, 1016, 0));
    ck_assert_int_eq(gosset__model_parse(&damaged, bytes, size, "queries.gosset", NULL), GOSSET_E_CORRUPT);
    free(bytes), free(data);
    gosset_model_free(model);
}
END_TEST

START_TEST(memory_runs_out) {
    float *shifted, *data = make_data(&shifted);
    const gosset_vectors learn = view_of(data, 1000, D, GOSSET_F32), queries = view_of(shifted, 100, D, GOSSET_F32);
    counting_allocator all;
    gosset_env counted = counting_env(&all, 0);
    counted.threads = 1;
    gosset_train_config whole = query_config(&counted, &queries);
    whole.epochs = 1;
    gosset_model_free(train_model(&learn, &whole));
    for (size_t fail_at = 1;; fail_at = counting_next(&all, 60, fail_at)) {
        counting_allocator memory;
        gosset_env env = counting_env(&memory, fail_at);
        env.threads = 1;
        gosset_train_config config = query_config(&env, &queries);
        config.epochs = 1;
        gosset_model *model = NULL;
        const gosset_status status = gosset_train(&model, &learn, &config);
        gosset_model_free(model);
        ck_assert_uint_eq(counting_held(&memory), 0);
        if (status == GOSSET_OK) break;
        ck_assert_int_eq(status, GOSSET_E_NO_MEMORY);
    }
    free(data);
}
END_TEST

START_TEST(what_is_refused) {
    float *shifted, *data = make_data(&shifted);
    const gosset_vectors learn = view_of(data, COUNT, D, GOSSET_F32);
    gosset_vectors queries = view_of(shifted, 99, D, GOSSET_F32);
    const gosset_train_config config = query_config(NULL, &queries);
    gosset_model *model = NULL;
    ck_assert_int_eq(gosset_train(&model, &learn, &config), GOSSET_E_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(gosset_last_error(), "found 99"));
    queries = view_of(shifted, 200, D - 1, GOSSET_F32);
    ck_assert_int_eq(gosset_train(&model, &learn, &config), GOSSET_E_DIMENSION);
    queries = view_of(shifted, QUERIES, D, GOSSET_F32);
    shifted[17 * D + 3] = NAN;
    ck_assert_int_eq(gosset_train(&model, &learn, &config), GOSSET_E_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(gosset_last_error(), "row 17"));
    ck_assert_ptr_null(model);
    free(data);
}
END_TEST

Suite *queries_suite(void) {
    Suite *suite = suite_create("queries");
    TCase *queries = tcase_create("queries");
    tcase_set_timeout(queries, 120);
    tcase_add_test(queries, shifted_queries_get_a_layer);
    tcase_add_test(queries, same_layer_for_any_number_of_threads);
    tcase_add_test(queries, damage_is_found);
    tcase_add_test(queries, memory_runs_out);
    tcase_add_test(queries, what_is_refused);
    suite_add_tcase(suite, queries);
    return suite;
}
