/* Every way to call a public function wrongly: the right status, a sentence that helps, and nothing broken. */
#include "api/world.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static gosset_writer *new_writer(const char *name) {
    gosset_writer *writer = NULL;
    gosset_writer_config config = {.struct_size = sizeof config, .model = w.model};
    ck_ok(gosset_writer_create(&writer, temp_path(w.directory, name), &config));
    return writer;
}

START_TEST(test_writer_create) {
    gosset_writer *writer = (gosset_writer *)&w;
    const char *path = temp_path(w.directory, "never");
    gosset_writer_config config = {.struct_size = sizeof config, .model = w.model};
    ck_fails(gosset_writer_create(NULL, path, &config), GOSSET_E_ARGUMENT, "NULL");
    ck_fails(gosset_writer_create(&writer, NULL, &config), GOSSET_E_ARGUMENT, "directory");
    ck_assert_ptr_null(writer);
    ck_fails(gosset_writer_create(&writer, "", &config), GOSSET_E_ARGUMENT, "directory");
    ck_fails(gosset_writer_create(&writer, path, NULL), GOSSET_E_ARGUMENT, "model");
    config.model = NULL;
    ck_fails(gosset_writer_create(&writer, path, &config), GOSSET_E_ARGUMENT, "model");
    config.model = w.model, config.type = (gosset_type)9;
    ck_fails(gosset_writer_create(&writer, path, &config), GOSSET_E_ARGUMENT, "type");
    config.type = GOSSET_F32, config.records = (gosset_records)5;
    ck_fails(gosset_writer_create(&writer, path, &config), GOSSET_E_ARGUMENT, "records");
    config.records = GOSSET_RECORDS_AS_GIVEN, config.memory = 1 << 20;
    ck_fails(gosset_writer_create(&writer, path, &config), GOSSET_E_ARGUMENT, "memory: expected at least");
    config.memory = 0;
    gosset_env env = {.struct_size = sizeof env, .cpu = "abacus"};
    config.env = &env;
    ck_assert_int_ne(gosset_writer_create(&writer, path, &config), GOSSET_OK);
    ck_assert_ptr_null(writer);
    ck_assert(!file_exists(path));
    config.env = NULL;
    ck_fails(gosset_writer_create(&writer, temp_path(w.directory, "no/such/parent"), &config), GOSSET_E_NOT_FOUND,
             "no/such/parent");
    file_write(temp_path(w.directory, "file"), "x", 1);
    ck_assert_int_ne(gosset_writer_create(&writer, temp_path(w.directory, "file"), &config), GOSSET_OK);
    gosset_vectors few = rows_of(&w.base, 0, 10);
    ck_fails(gosset_writer_create(&writer, build("taken", &few, NULL), &config), GOSSET_E_EXISTS, "taken");
}
END_TEST

START_TEST(test_struct_sizes) {
    gosset_writer *writer;
    gosset_index *index;
    gosset_searcher *searcher;
    gosset_vectors few = rows_of(&w.base, 0, 20);
    const char *path = build("sizes", &few, NULL), *other = temp_path(w.directory, "sizes-other");
    struct {
        gosset_writer_config known;
        char more[16];
    } longer = {{.struct_size = sizeof longer, .model = w.model}, {0}};
    longer.known.struct_size = 3;
    ck_fails(gosset_writer_create(&writer, other, &longer.known), GOSSET_E_CONFIG, "gosset_writer_config");
    longer.known.struct_size = sizeof longer, longer.more[15] = 1;
    ck_fails(gosset_writer_create(&writer, other, &longer.known), GOSSET_E_CONFIG, "gosset_writer_config");
    longer.more[15] = 0;
    ck_ok(gosset_writer_create(&writer, other, &longer.known));
    gosset_writer_free(writer);
    ck_fails(gosset_index_open(&index, path, &(gosset_index_config){.struct_size = 1}), GOSSET_E_CONFIG, "struct_size");
    ck_fails(gosset_index_verify(path, &(gosset_env){.struct_size = 1}), GOSSET_E_CONFIG, "gosset_env");
    ck_ok(gosset_index_open(&index, path, NULL));
    ck_fails(gosset_searcher_create(&searcher, index, &(gosset_env){.struct_size = 1}), GOSSET_E_CONFIG, "gosset_env");
    ck_ok(gosset_searcher_create(&searcher, index, NULL));
    ck_fails(gosset_searcher_set(searcher, &(gosset_search_options){.struct_size = 2}), GOSSET_E_CONFIG, "options");
    ck_fails(gosset_searcher_stats(searcher, &(gosset_search_stats){.struct_size = 2}), GOSSET_E_CONFIG, "stats");
    ck_fails(gosset_index_describe(index, &(gosset_index_info){.struct_size = 0}), GOSSET_E_CONFIG, "info");
    gosset_index_info brief = {.struct_size = offsetof(gosset_index_info, shard_count), .shard_count = 77};
    ck_ok(gosset_index_describe(index, &brief)); /* a caller that knows the first fields only */
    ck_assert_uint_eq(brief.vector_count, 20);
    ck_assert_uint_eq(brief.shard_count, 77);
    ck_fails(gosset_index_calibration(index, 0.9, &(gosset_search_options){.struct_size = 1}, NULL), GOSSET_E_CONFIG,
             "options");
    ck_fails(gosset_exact_search(&few, &few, GOSSET_L2, 1, (uint64_t[20]){0}, NULL, &(gosset_env){.struct_size = 1}),
             GOSSET_E_CONFIG, "gosset_env");
    gosset_searcher_free(searcher);
    gosset_index_close(index);
}
END_TEST

START_TEST(test_writer_add) {
    gosset_writer *writer = new_writer("add");
    gosset_vectors few = rows_of(&w.base, 0, 10), bad = few;
    uint64_t ids[10] = {0};
    ck_fails(gosset_writer_add(NULL, &few, NULL), GOSSET_E_ARGUMENT, "writer");
    ck_fails(gosset_writer_add(writer, NULL, NULL), GOSSET_E_ARGUMENT, "vectors");
    bad.dimension = WORLD_DIMENSION - 1;
    ck_fails(gosset_writer_add(writer, &bad, NULL), GOSSET_E_DIMENSION, "expected 32, found 31");
    bad = few, bad.type = GOSSET_U8;
    ck_fails(gosset_writer_add(writer, &bad, NULL), GOSSET_E_DIMENSION, "expected f32, found u8");
    bad = few, bad.data = NULL;
    ck_fails(gosset_writer_add(writer, &bad, NULL), GOSSET_E_ARGUMENT, "NULL");
    bad = few, bad.stride = 127;
    ck_fails(gosset_writer_add(writer, &bad, NULL), GOSSET_E_ARGUMENT, "stride");
    bad = few, bad.count = SIZE_MAX / 64;
    ck_fails(gosset_writer_add(writer, &bad, NULL), GOSSET_E_ARGUMENT, "count");
    ids[7] = GOSSET_NO_ID;
    ck_fails(gosset_writer_add(writer, &few, ids), GOSSET_E_ARGUMENT, "row 7");
    ids[7] = 7;
    float rotten[10 * WORLD_DIMENSION];
    memcpy(rotten, few.data, sizeof rotten);
    bad = few, bad.data = rotten;
    rotten[3 * WORLD_DIMENSION + 31] = NAN;
    ck_fails(gosset_writer_add(writer, &bad, NULL), GOSSET_E_ARGUMENT, "row 3");
    rotten[3 * WORLD_DIMENSION + 31] = -INFINITY;
    ck_fails(gosset_writer_add(writer, &bad, ids), GOSSET_E_ARGUMENT, "row 3");
    ck_ok(gosset_writer_add(writer, &(gosset_vectors){NULL, 0, 0, WORLD_DIMENSION, GOSSET_F32}, ids));
    ck_ok(gosset_writer_add(writer, &few, NULL)); /* all the failures added nothing */
    ck_fails(gosset_writer_add(writer, &few, ids), GOSSET_E_ARGUMENT, "ids");
    ck_fails(gosset_writer_finish(NULL), GOSSET_E_ARGUMENT, "writer");
    ck_ok(gosset_writer_finish(writer));
    ck_fails(gosset_writer_add(writer, &few, NULL), GOSSET_E_STATE, "finished");
    ck_fails(gosset_writer_finish(writer), GOSSET_E_STATE, "finished");
    gosset_writer_free(writer);
    gosset_writer_free(NULL);
    gosset_index *index = NULL;
    gosset_index_info info = {.struct_size = sizeof info};
    ck_ok(gosset_index_open(&index, temp_path(w.directory, "add"), NULL));
    ck_ok(gosset_index_describe(index, &info));
    ck_assert_uint_eq(info.vector_count, 10);
    gosset_index_close(index);
}
END_TEST

START_TEST(test_unfinished_writer_leaves_nothing) {
    gosset_writer *writer = new_writer("unfinished");
    gosset_index *index = (gosset_index *)&w;
    ck_ok(gosset_writer_add(writer, &w.base, NULL));
    ck_fails(gosset_index_open(&index, temp_path(w.directory, "unfinished"), NULL), GOSSET_E_NOT_FOUND, "unfinished");
    ck_assert_ptr_null(index);
    gosset_writer_free(writer);
    const char *path = temp_path(w.directory, "unfinished");
    if (file_exists(path)) ck_assert_uint_eq(directory_entries(path), 0);
}
END_TEST

/* Says no at its `left`-th report of a phase, at the end of which there always is one. */
typedef struct patience {
    const char *phase;
    int left;
} patience;

static int impatient(const gosset_progress *progress, void *context) {
    patience *p = context;
    return strcmp(progress->phase, p->phase) == 0 && --p->left < 0;
}

START_TEST(test_cancel) {
    static const char *const phases[] = {"encode", "calibrate"};
    patience p = {phases[_i], 0};
    gosset_env env = {.struct_size = sizeof env, .progress = impatient, .progress_context = &p};
    gosset_writer_config config = {.struct_size = sizeof config, .model = w.model, .env = &env};
    gosset_writer *writer = NULL;
    gosset_index *index = NULL;
    const char *path = temp_path(w.directory, "cancelled");
    ck_ok(gosset_writer_create(&writer, path, &config));
    usleep(150000); /* reports come at most ten times a second */
    gosset_status status = gosset_writer_add(writer, &w.base, NULL);
    if (_i == 0) {
        ck_assert_int_eq(status, GOSSET_E_CANCELLED);
        ck_fails(gosset_writer_add(writer, &w.base, NULL), GOSSET_E_STATE, "half-way");
        ck_fails(gosset_writer_finish(writer), GOSSET_E_STATE, "half-way");
    } else {
        ck_assert_int_eq(status, GOSSET_OK);
        ck_assert_int_eq(gosset_writer_finish(writer), GOSSET_E_CANCELLED);
        ck_fails(gosset_writer_finish(writer), GOSSET_E_STATE, "could not be finished");
    }
    gosset_writer_free(writer);
    ck_fails(gosset_index_open(&index, path, NULL), GOSSET_E_NOT_FOUND, "cancelled");
    if (file_exists(path)) ck_assert_uint_eq(directory_entries(path), 0);
}
END_TEST

START_TEST(test_merge_arguments) {
    gosset_vectors a = rows_of(&w.base, 0, 50), b = rows_of(&w.base, 50, 50);
    char one[TEMP_PATH_SIZE], two[TEMP_PATH_SIZE], alien[TEMP_PATH_SIZE];
    const char *path = temp_path(w.directory, "merged-wrong");
    const gosset_vectors few = rows_of(&w.learn, 0, 1000);
    gosset_model *other = train_model(&few, GOSSET_L2, 99);
    snprintf(one, sizeof one, "%s", build("part-one", &a, NULL));
    snprintf(two, sizeof two, "%s", build("part-two", &b, NULL));
    snprintf(alien, sizeof alien, "%s", build("alien", &b, &(build_options){.model = other}));
    gosset_model_free(other);
    const char *good[] = {one, two}, *mixed[] = {one, two, alien}, *hole[] = {one, NULL}, *lost[] = {one, "nowhere"};
    ck_fails(gosset_merge(NULL, good, 2, NULL), GOSSET_E_ARGUMENT, "directory");
    ck_fails(gosset_merge(path, NULL, 2, NULL), GOSSET_E_ARGUMENT, "sources");
    ck_fails(gosset_merge(path, good, 0, NULL), GOSSET_E_ARGUMENT, "sources");
    ck_fails(gosset_merge(path, hole, 2, NULL), GOSSET_E_ARGUMENT, "source 1");
    ck_fails(gosset_merge(path, lost, 2, NULL), GOSSET_E_NOT_FOUND, "nowhere");
    ck_fails(gosset_merge(path, good, 2, &(gosset_writer_config){.struct_size = 1}), GOSSET_E_CONFIG, "struct_size");
    ck_fails(
        gosset_merge(path, good, 2, &(gosset_writer_config){.struct_size = sizeof(gosset_writer_config), .memory = 9}),
        GOSSET_E_ARGUMENT, "memory");
    ck_fails(gosset_merge(path, mixed, 3, NULL), GOSSET_E_MISMATCH, one);
    ck_fails(gosset_merge(path, mixed, 3, NULL), GOSSET_E_MISMATCH, alien);
    ck_fails(gosset_merge(two, good, 2, NULL), GOSSET_E_EXISTS, two);
    if (file_exists(path)) ck_assert_uint_eq(directory_entries(path), 0);
}
END_TEST

START_TEST(test_open_and_describe) {
    gosset_vectors few = rows_of(&w.base, 0, 50);
    const char *path = build("opened", &few, NULL);
    gosset_index *index = NULL;
    gosset_index_info info = {.struct_size = sizeof info};
    ck_fails(gosset_index_open(NULL, path, NULL), GOSSET_E_ARGUMENT, "NULL");
    ck_fails(gosset_index_open(&index, NULL, NULL), GOSSET_E_ARGUMENT, "directory");
    ck_fails(gosset_index_open(&index, temp_path(w.directory, "absent"), NULL), GOSSET_E_NOT_FOUND, "absent");
    gosset_index_config config = {.struct_size = sizeof config, .io = "telepathy"};
    ck_assert_int_ne(gosset_index_open(&index, path, &config), GOSSET_OK);
    ck_assert_ptr_nonnull(strstr(gosset_last_error(), "telepathy"));
    ck_fails(gosset_index_describe(NULL, &info), GOSSET_E_ARGUMENT, "index");
    ck_fails(gosset_index_verify(NULL, NULL), GOSSET_E_ARGUMENT, "directory");
    ck_fails(gosset_index_verify(temp_path(w.directory, "absent"), NULL), GOSSET_E_NOT_FOUND, "absent");
    ck_ok(gosset_index_open(&index, path, NULL));
    ck_fails(gosset_index_describe(index, NULL), GOSSET_E_ARGUMENT, "info");
    gosset_search_options options = {.struct_size = sizeof options};
    double pages;
    ck_fails(gosset_index_calibration(NULL, 0.9, &options, &pages), GOSSET_E_ARGUMENT, "index");
    ck_fails(gosset_index_calibration(index, 0.9, NULL, &pages), GOSSET_E_ARGUMENT, "options");
    const double wrong[] = {0, 1, -1, 1.5, NAN};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        ck_fails(gosset_index_calibration(index, wrong[i], &options, &pages), GOSSET_E_ARGUMENT, "recall");
    ck_ok(gosset_index_calibration(index, 0.9, &options, NULL));
    ck_assert_double_eq(options.recall, 0);
    gosset_index_close(index);
    gosset_index_close(NULL);
}
END_TEST

START_TEST(test_searcher) {
    gosset_vectors few = rows_of(&w.base, 0, 50), query = rows_of(&w.query, 0, 2), bad = query;
    gosset_index *index = NULL;
    gosset_searcher *searcher = NULL;
    uint64_t ids[2 * 1024];
    float rotten[2 * WORLD_DIMENSION];
    ck_ok(gosset_index_open(&index, build("searched", &few, NULL), NULL));
    ck_fails(gosset_searcher_create(NULL, index, NULL), GOSSET_E_ARGUMENT, "NULL");
    ck_fails(gosset_searcher_create(&searcher, NULL, NULL), GOSSET_E_ARGUMENT, "index");
    ck_ok(gosset_searcher_create(&searcher, index, NULL));
    ck_fails(gosset_searcher_search(NULL, &query, 1, ids, NULL), GOSSET_E_ARGUMENT, "searcher");
    ck_fails(gosset_searcher_search(searcher, NULL, 1, ids, NULL), GOSSET_E_ARGUMENT, "queries");
    ck_fails(gosset_searcher_search(searcher, &query, 1, NULL, NULL), GOSSET_E_ARGUMENT, "ids");
    ck_fails(gosset_searcher_search(searcher, &query, 0, ids, NULL), GOSSET_E_ARGUMENT, "expected 1..1024, found 0");
    ck_fails(gosset_searcher_search(searcher, &query, 1025, ids, NULL), GOSSET_E_ARGUMENT, "found 1025");
    ck_ok(gosset_searcher_search(searcher, &query, 1024, ids, NULL));
    bad.dimension = 31;
    ck_fails(gosset_searcher_search(searcher, &bad, 1, ids, NULL), GOSSET_E_DIMENSION, "expected 32, found 31");
    bad = query, bad.type = GOSSET_F16;
    ck_fails(gosset_searcher_search(searcher, &bad, 1, ids, NULL), GOSSET_E_ARGUMENT, "expected f32, u8 or i8");
    memcpy(rotten, query.data, sizeof rotten);
    rotten[WORLD_DIMENSION] = NAN;
    bad = query, bad.data = rotten;
    ck_fails(gosset_searcher_search(searcher, &bad, 1, ids, NULL), GOSSET_E_ARGUMENT, "row 1");
    gosset_search_options options = {.struct_size = sizeof options, .recall = 1};
    ck_fails(gosset_searcher_set(NULL, &options), GOSSET_E_ARGUMENT, "searcher");
    ck_fails(gosset_searcher_set(searcher, &options), GOSSET_E_ARGUMENT, "recall");
    options.recall = NAN;
    ck_fails(gosset_searcher_set(searcher, &options), GOSSET_E_ARGUMENT, "recall");
    options.recall = 0.9, options.probe = 3, options.rerank = 3;
    ck_fails(gosset_searcher_set(searcher, &options), GOSSET_E_CONFIG, "both");
    options.recall = 0, options.rerank = 0;
    ck_fails(gosset_searcher_set(searcher, &options), GOSSET_E_CONFIG, "probe");
    options.probe = 0, options.reach = 9;
    ck_fails(gosset_searcher_set(searcher, &options), GOSSET_E_CONFIG, "reach");
    options.reach = 0, options.rerank = 3;
    ck_fails(gosset_searcher_set(searcher, &options), GOSSET_E_CONFIG, "rerank");
    ck_ok(gosset_searcher_set(searcher, NULL));
    gosset_search_stats stats = {.struct_size = sizeof stats};
    ck_fails(gosset_searcher_stats(NULL, &stats), GOSSET_E_ARGUMENT, "searcher");
    ck_fails(gosset_searcher_stats(searcher, NULL), GOSSET_E_ARGUMENT, "stats");
    gosset_searcher_reset_stats(NULL);
    gosset_searcher_free(searcher);
    gosset_searcher_free(NULL);
    gosset_index_close(index);
}
END_TEST

START_TEST(test_exact_search) {
    gosset_vectors base = rows_of(&w.base, 0, 50), query = rows_of(&w.query, 0, 2), bad = query;
    uint64_t ids[2];
    ck_fails(gosset_exact_search(NULL, &query, GOSSET_L2, 1, ids, NULL, NULL), GOSSET_E_ARGUMENT, "base");
    ck_fails(gosset_exact_search(&base, NULL, GOSSET_L2, 1, ids, NULL, NULL), GOSSET_E_ARGUMENT, "queries");
    ck_fails(gosset_exact_search(&base, &query, (gosset_metric)3, 1, ids, NULL, NULL), GOSSET_E_ARGUMENT, "metric");
    ck_fails(gosset_exact_search(&base, &query, GOSSET_L2, 0, ids, NULL, NULL), GOSSET_E_ARGUMENT, "k");
    ck_fails(gosset_exact_search(&base, &query, GOSSET_L2, 1025, ids, NULL, NULL), GOSSET_E_ARGUMENT, "k");
    ck_fails(gosset_exact_search(&base, &query, GOSSET_L2, 1, NULL, NULL, NULL), GOSSET_E_ARGUMENT, "ids");
    bad.dimension = 8;
    ck_fails(gosset_exact_search(&base, &bad, GOSSET_L2, 1, ids, NULL, NULL), GOSSET_E_DIMENSION, "found 8");
    bad = query, bad.type = GOSSET_U8;
    ck_fails(gosset_exact_search(&base, &bad, GOSSET_L2, 1, ids, NULL, NULL), GOSSET_E_DIMENSION, "u8");
    bad = base, bad.dimension = 0;
    ck_fails(gosset_exact_search(&bad, &query, GOSSET_L2, 1, ids, NULL, NULL), GOSSET_E_ARGUMENT, "dimension");
    bad.dimension = 4097;
    ck_fails(gosset_exact_search(&bad, &query, GOSSET_L2, 1, ids, NULL, NULL), GOSSET_E_ARGUMENT, "found 4097");
    bad = base, bad.type = (gosset_type)-1;
    ck_fails(gosset_exact_search(&bad, &query, GOSSET_L2, 1, ids, NULL, NULL), GOSSET_E_ARGUMENT, "type");
}
END_TEST

/* Permissions do not hold back root, so root steps down first. Check runs each test in its own process. */
START_TEST(test_permission_denied) {
    char closed[TEMP_PATH_SIZE];
    gosset_vectors few = rows_of(&w.base, 0, 50);
    snprintf(closed, sizeof closed, "%s", build("closed", &few, NULL));
    ck_assert_int_eq(chmod(closed, 0), 0);
    ck_assert_int_eq(chmod(w.directory, 0555), 0);
    if (geteuid() == 0) ck_assert_int_eq(seteuid(65534), 0);
    gosset_index *index = NULL;
    gosset_writer *writer = NULL;
    gosset_writer_config config = {.struct_size = sizeof config, .model = w.model};
    gosset_status opened = gosset_index_open(&index, closed, NULL);
    char sentence[256];
    snprintf(sentence, sizeof sentence, "%s", gosset_last_error());
    gosset_status created = gosset_writer_create(&writer, temp_path(w.directory, "denied"), &config);
    gosset_status saved = gosset_model_save(w.model, temp_path(w.directory, "denied.gosset"));
    if (getuid() == 0) ck_assert_int_eq(seteuid(0), 0);
    chmod(w.directory, 0755);
    chmod(closed, 0755);
    ck_assert_int_eq(opened, GOSSET_E_IO);
    ck_assert_msg(strstr(sentence, "ermission") != NULL, "%s", sentence);
    ck_assert_int_eq(created, GOSSET_E_IO);
    ck_assert_int_eq(saved, GOSSET_E_IO);
    ck_assert(!file_exists(temp_path(w.directory, "denied.gosset")));
}
END_TEST

START_TEST(test_version_and_words) {
    ck_assert_uint_eq(gosset_version(), GOSSET_VERSION_MAJOR << 16 | GOSSET_VERSION_MINOR << 8 | GOSSET_VERSION_PATCH);
    ck_assert_ptr_nonnull(gosset_last_error());
    for (int status = -100; status <= 1; status++) ck_assert_ptr_nonnull(gosset_strerror((gosset_status)status));
    ck_assert_uint_eq(gosset_type_size(GOSSET_F32), 4);
    ck_assert_uint_eq(gosset_type_size(GOSSET_U8), 1);
    ck_assert_uint_eq(gosset_type_size(GOSSET_I8), 1);
    ck_assert_ptr_nonnull(gosset_loss_name(0));
    ck_assert_ptr_nonnull(gosset_lattice_name(0));
    ck_assert_ptr_null(gosset_loss_name(1000));
    ck_assert_ptr_null(gosset_lattice_name(1000));
}
END_TEST

TCase *case_errors(void) {
    TCase *tcase = tcase_create("errors");
    tcase_add_test(tcase, test_writer_create);
    tcase_add_test(tcase, test_struct_sizes);
    tcase_add_test(tcase, test_writer_add);
    tcase_add_test(tcase, test_unfinished_writer_leaves_nothing);
    tcase_add_loop_test(tcase, test_cancel, 0, 2);
    tcase_add_test(tcase, test_merge_arguments);
    tcase_add_test(tcase, test_open_and_describe);
    tcase_add_test(tcase, test_searcher);
    tcase_add_test(tcase, test_exact_search);
    tcase_add_test(tcase, test_permission_denied);
    tcase_add_test(tcase, test_version_and_words);
    return tcase;
}
