/* The model file: the same bits after a round trip, an error for every flipped byte and every shorter length. */
#include "train/train_tests.h"

/* Of every kind of model: 0..2 lattice points in each metric, 3..5 codes of windows. */
enum { KINDS = 6 };
static gosset_model *small_model(int kind) {
    float *data = clustered_vectors(1, 1000, 4, 20, GOSSET_F32);
    gosset_vectors learn = view_of(data, 1000, 4, GOSSET_F32);
    gosset_train_config config = kind < 3 ? small_config(NULL) : residual_config(NULL);
    config.metric = (gosset_metric)(kind % 3);
    config.width = 4;
    config.epochs = 1;
    gosset_model *model = train_model(&learn, &config);
    free(data);
    return model;
}

START_TEST(round_trip) {
    gosset_model *model = small_model(_i), *copy = NULL;
    char directory[TEMP_PATH_SIZE];
    temp_directory(directory);
    const char *path = temp_path(directory, "model.gosset");
    require_ok(gosset_model_save(model, path));
    require_ok(gosset_model_load(&copy, path, NULL));
    size_t sizes[2];
    unsigned char *bytes[2] = {model_bytes(model, &sizes[0], NULL), model_bytes(copy, &sizes[1], NULL)};
    ck_assert_uint_eq(sizes[0], sizes[1]);
    ck_assert_mem_eq(bytes[0], bytes[1], sizes[0]);

    gosset_model_info info[2] = {{.struct_size = sizeof *info}, {.struct_size = sizeof *info}};
    require_ok(gosset_model_describe(model, &info[0]));
    require_ok(gosset_model_describe(copy, &info[1]));
    ck_assert_uint_eq(info[0].fingerprint, info[1].fingerprint);
    ck_assert_double_eq(info[0].train_seconds, info[1].train_seconds);
    ck_assert_str_eq(info[0].loss, info[1].loss);
    ck_assert_uint_eq(info[1].held_out, 100);
    ck_assert_uint_eq(info[1].input_dimension, 4);
    ck_assert_uint_eq(info[1].output_dimension, _i < 3 ? LATENT : 4);
    ck_assert_uint_eq(info[1].code_bytes, _i < 3 ? LATENT / 2 : 8); /* 4 bits and 2 more */
    ck_assert_int_eq(info[1].metric, _i % 3);

    gosset_vectors held_out = gosset__model_held_out(copy);
    float latents[2][100 * LATENT];
    memset(latents, 0, sizeof latents);
    require_ok(gosset_model_apply(model, GOSSET_QUERY, &held_out, latents[0]));
    require_ok(gosset_model_apply(copy, GOSSET_QUERY, &held_out, latents[1]));
    ck_assert_mem_eq(latents[0], latents[1], sizeof latents[0]);
    free(bytes[0]), free(bytes[1]);
    gosset_model_free(model);
    gosset_model_free(copy);
    temp_remove(directory);
}
END_TEST

static gosset_status parse(const unsigned char *bytes, size_t size) {
    gosset_model *model = (gosset_model *)1;
    gosset_status status = gosset__model_parse(&model, bytes, size, "small.gosset", NULL);
    if (status == GOSSET_OK)
        gosset_model_free(model);
    else
        ck_assert_ptr_null(model);
    return status;
}

START_TEST(every_flipped_byte_is_found) {
    gosset_model *model = small_model(3 * _i);
    size_t size;
    unsigned char *bytes = model_bytes(model, &size, NULL);
    require_ok(parse(bytes, size));
    for (size_t i = 0; i < size; i++) {
        bytes[i] ^= (unsigned char)(1 << i % 8);
        gosset_status status = parse(bytes, size);
        ck_assert_msg(status == GOSSET_E_CORRUPT || status == GOSSET_E_FORMAT_VERSION, "byte %zu: status %d", i,
                      (int)status);
        ck_assert_ptr_nonnull(strstr(gosset_last_error(), "small.gosset"));
        bytes[i] ^= (unsigned char)(1 << i % 8);
    }
    free(bytes);
    gosset_model_free(model);
}
END_TEST

START_TEST(every_other_length_is_found) {
    gosset_model *model = small_model(3 * _i);
    size_t size;
    unsigned char *bytes = model_bytes(model, &size, NULL);
    for (size_t length = 0; length < size; length++) {
        unsigned char *shorter = malloc(length + 1); /* of its own, so that a read beyond it is seen */
        memcpy(shorter, bytes, length);
        ck_assert_int_eq(parse(shorter, length), GOSSET_E_CORRUPT);
        free(shorter);
    }
    unsigned char *longer = calloc(1, size + 64);
    memcpy(longer, bytes, size);
    ck_assert_int_eq(parse(longer, size + 1), GOSSET_E_CORRUPT);
    ck_assert_int_eq(parse(longer, size + 64), GOSSET_E_CORRUPT);
    free(longer);
    free(bytes);
    gosset_model_free(model);
}
END_TEST

/* Checksums and fingerprint of what the bytes now say. */
static void seal(unsigned char *bytes) {
    unsigned char named[224 + 48 + 8 * 8];
    for (size_t i = 0; i < 9; i++) {
        unsigned char *entry = bytes + 512 + 32 * i;
        gosset__store64(entry + 24, gosset__hash(bytes + gosset__load64(entry + 8), gosset__load64(entry + 16), i));
        if (i < 8) memcpy(named + 272 + 8 * i, entry + 24, 8);
    }
    memcpy(named, bytes + 32, 224);
    memcpy(named + 224, bytes + 456, 48);
    gosset__store64(bytes + 24, gosset__hash(named, sizeof named, 1));
    gosset__store64(bytes + 1016, gosset__hash(bytes, 1016, 0));
}

/* A model of points that claims windows: as many as fit, and more than there is memory for them. */
START_TEST(windows_without_features_are_refused) {
    gosset_model *model = small_model(0);
    size_t size;
    unsigned char *bytes = model_bytes(model, &size, NULL);
    for (int k = 0; k < 3; k++)
        for (uint32_t words = 1; words != 0; words <<= 4) {
            gosset__store32(bytes + 460 + 4 * k, words);
            seal(bytes);
            ck_assert_int_eq(parse(bytes, size), GOSSET_E_CORRUPT);
            gosset__store32(bytes + 460 + 4 * k, 0);
        }
    seal(bytes);
    require_ok(parse(bytes, size));
    free(bytes);
    gosset_model_free(model);
}
END_TEST

/* Levels beyond what the scan's 16-bit sums hold, and weights the encoder would divide by. */
START_TEST(impossible_levels_are_refused) {
    static const struct {
        size_t at;
        unsigned char value;
    } lies[] = {{0, 32}, {95, 16}, {50, 0x80}, {96, 1}, {96 + 1, 0}, {96 + 1, 17}};
    gosset_model *model = small_model(3);
    size_t size;
    unsigned char *bytes = model_bytes(model, &size, NULL);
    seal(bytes);
    require_ok(parse(bytes, size));
    const uint64_t section = gosset__load64(bytes + 512 + 32 * 7 + 8);
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        unsigned char *byte = bytes + section + lies[i].at, before = *byte;
        *byte = lies[i].value;
        seal(bytes);
        ck_assert_msg(parse(bytes, size) == GOSSET_E_CORRUPT, "lie %zu", i);
        *byte = before;
    }
    free(bytes);
    gosset_model_free(model);
}
END_TEST

/* Impossible counts behind checksums that are right: what a hostile writer would send. */
START_TEST(impossible_counts_are_refused) {
    static const struct {
        size_t offset;
        uint32_t value;
    } lies[] = {{32, 0},           {32, 5000},        {36, 7},           {36, UINT32_MAX},  {40, 0},
                {40, UINT32_MAX},  {44, 0},           {44, 200},         {48, 3},           {52, 2},
                {56, 1001},        {56, UINT32_MAX},  {128, 0x41414141}, {192, 0x41414141}, {256, 8},
                {456, 1},          {456, UINT32_MAX}, {456, 600},        {460, 0},          {460, 2},
                {460, UINT32_MAX}, {464, 40},         {468, UINT32_MAX}, {472, 0x7FC00000}, {480, 0xBF800000},
                {484, 0x7F800000}, {496, 0x3F000000}, {496, 0x40800000}, {496, 0x7FC00000}, {488, 65},
                {488, 1},          {492, 16}};
    gosset_model *model = small_model(3);
    size_t size;
    unsigned char *bytes = model_bytes(model, &size, NULL);
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        unsigned char *forged = malloc(size);
        memcpy(forged, bytes, size);
        gosset__store32(forged + lies[i].offset, lies[i].value);
        gosset__store64(forged + 1016, gosset__hash(forged, 1016, 0));
        ck_assert_msg(parse(forged, size) != GOSSET_OK, "lie %zu", i);
        free(forged);
    }
    free(bytes);
    gosset_model_free(model);
}
END_TEST

START_TEST(missing_files_and_other_files) {
    char directory[TEMP_PATH_SIZE];
    temp_directory(directory);
    const char *path = temp_path(directory, "x.gosset");
    gosset_model *model = NULL;
    ck_assert_int_eq(gosset_model_load(&model, path, NULL), GOSSET_E_NOT_FOUND);
    file_write(path, "", 0);
    ck_assert_int_eq(gosset_model_load(&model, path, NULL), GOSSET_E_CORRUPT);
    char text[2000] = "this is no model";
    file_write(path, text, sizeof text);
    ck_assert_int_eq(gosset_model_load(&model, path, NULL), GOSSET_E_CORRUPT);
    ck_assert_ptr_null(model);
    gosset_model_free(NULL);
    temp_remove(directory);
}
END_TEST

Suite *model_file_suite(void) {
    Suite *suite = suite_create("model file");
    TCase *file = tcase_create("file");
    tcase_set_timeout(file, 120);
    tcase_add_loop_test(file, round_trip, 0, KINDS);
    tcase_add_loop_test(file, every_flipped_byte_is_found, 0, 2);
    tcase_add_loop_test(file, every_other_length_is_found, 0, 2);
    tcase_add_test(file, impossible_counts_are_refused);
    tcase_add_test(file, windows_without_features_are_refused);
    tcase_add_test(file, impossible_levels_are_refused);
    tcase_add_test(file, missing_files_and_other_files);
    suite_add_tcase(suite, file);
    return suite;
}
