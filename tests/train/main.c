/** test_train: the network, its training and its file. */
#include "train/blas.h"
#include "train/train_tests.h"

gosset_train_config small_config(const gosset_env *env) {
    return (gosset_train_config){.struct_size = sizeof(gosset_train_config),
                                 .env = env,
                                 .code_lattice = "zn:8:64:7",
                                 .width = 32,
                                 .epochs = 2,
                                 .batch_size = 64,
                                 .seed = 7};
}

gosset_train_config residual_config(const gosset_env *env) {
    gosset_train_config config = small_config(env);
    config.code_lattice = NULL;
    config.code_bytes = 8;
    return config;
}

void require_ok(gosset_status status) {
    ck_assert_msg(status == GOSSET_OK, "%s: %s", gosset_strerror(status), gosset_last_error());
}

gosset_model *train_model(const gosset_vectors *learn, const gosset_train_config *config) {
    gosset_model *model = NULL;
    require_ok(gosset_train(&model, learn, config));
    ck_assert_ptr_nonnull(model);
    return model;
}

unsigned char *model_bytes(const gosset_model *model, size_t *size, size_t *timeless) {
    gosset__env env = default_env(1);
    void *data = NULL;
    require_ok(gosset__model_serialize(model, &env, &data, size));
    unsigned char *bytes = malloc(*size);
    ck_assert_ptr_nonnull(bytes);
    memcpy(bytes, data, *size);
    gosset__free(&env, data);
    if (timeless) {
        const size_t timing = 512 + 8 * 32; /* its entry in the section table */
        *timeless = *size;
        memset(bytes + gosset__load64(bytes + timing + 8), 0, 8);
        memset(bytes + timing + 24, 0, 8); /* its hash */
        memset(bytes + 1016, 0, 8);        /* the header's hash, which covers that */
    }
    return bytes;
}

void fill_normal(gosset__rng *rng, float *values, size_t count) {
    for (size_t i = 0; i < count; i++) values[i] = gosset__rng_normal(rng);
}

int main(void) {
    /* Parts of the trainer are called directly here, and ThreadSanitizer cannot see into threads of BLAS. */
    gosset__blas_hold();
    SRunner *runner = srunner_create(gradients_suite());
    srunner_add_suite(runner, neighbours_suite());
    srunner_add_suite(runner, panels_suite());
    srunner_add_suite(runner, tiles_suite());
    srunner_add_suite(runner, stretch_suite());
    srunner_add_suite(runner, model_file_suite());
    srunner_add_suite(runner, format_suite());
    srunner_add_suite(runner, queries_suite());
    srunner_add_suite(runner, reproducible_suite());
    srunner_add_suite(runner, learning_suite());
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
