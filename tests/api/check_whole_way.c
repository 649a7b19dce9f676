/* Train, save, load, write, open, search: every answer compared with brute force. */
#include "api/world.h"

#include <math.h>

static gosset_index *open_index(const char *path, const char *io) {
    gosset_index *index = NULL;
    gosset_index_config config = {.struct_size = sizeof config, .io = io};
    ck_ok(gosset_index_open(&index, path, &config));
    return index;
}

static gosset_searcher *open_searcher(const gosset_index *index) {
    gosset_searcher *searcher = NULL;
    ck_ok(gosset_searcher_create(&searcher, index, NULL));
    return searcher;
}

static void set_recall(gosset_searcher *searcher, double recall) {
    gosset_search_options options = {.struct_size = sizeof options, .recall = recall};
    ck_ok(gosset_searcher_set(searcher, &options));
}

static void set_depth(gosset_searcher *searcher, uint32_t probe, uint32_t rerank) {
    gosset_search_options options = {.struct_size = sizeof options, .probe = probe, .rerank = rerank};
    ck_ok(gosset_searcher_set(searcher, &options));
}

START_TEST(test_model_survives_its_file) {
    const char *path = temp_path(w.directory, "model.gosset");
    gosset_model *loaded = NULL;
    gosset_model_info a = {.struct_size = sizeof a}, b = {.struct_size = sizeof b};
    ck_ok(gosset_model_save(w.model, path));
    ck_ok(gosset_model_load(&loaded, path, NULL));
    ck_ok(gosset_model_describe(w.model, &a));
    ck_ok(gosset_model_describe(loaded, &b));
    ck_assert_uint_eq(a.fingerprint, b.fingerprint);
    ck_assert_uint_gt(a.held_out, 0);
    const char *one = build("one", &w.base, NULL);
    const char *two = build("two", &w.base, &(build_options){.model = loaded});
    size_t size_one, size_two;
    unsigned char *bytes_one = file_bytes(temp_path(one, "MANIFEST.gosset"), &size_one);
    unsigned char *bytes_two = file_bytes(temp_path(two, "MANIFEST.gosset"), &size_two);
    ck_assert_uint_eq(size_one, size_two);
    ck_assert_mem_eq(bytes_one, bytes_two, size_one);
    free(bytes_one);
    free(bytes_two);
    gosset_model_free(loaded);
}
END_TEST

START_TEST(test_default_search) {
    gosset_index *index = open_index(build("default", &w.base, NULL), NULL);
    gosset_searcher *searcher = open_searcher(index);
    uint64_t ids[WORLD_QUERIES * WORLD_K];
    float distances[WORLD_QUERIES * WORLD_K];
    ck_ok(gosset_searcher_search(searcher, &w.query, WORLD_K, ids, distances));
    ck_assert_double_ge(recall_of(ids, w.truth, WORLD_QUERIES, WORLD_K), 0.93);
    const float *base = w.base.data, *query = w.query.data;
    for (size_t i = 0; i < WORLD_QUERIES * WORLD_K; i++) {
        double exact = 0;
        const float *q = query + i / WORLD_K * WORLD_DIMENSION, *x = base + ids[i] * WORLD_DIMENSION;
        for (size_t j = 0; j < WORLD_DIMENSION; j++) exact += ((double)q[j] - x[j]) * ((double)q[j] - x[j]);
        ck_assert_double_eq_tol(distances[i], exact, 1e-4 * exact);
        if (i % WORLD_K) ck_assert(distances[i] >= distances[i - 1]);
    }
    gosset_search_stats stats = {.struct_size = sizeof stats};
    ck_ok(gosset_searcher_stats(searcher, &stats));
    ck_assert_uint_eq(stats.queries, WORLD_QUERIES);
    ck_assert_uint_eq(stats.bytes_read, stats.pages_read * 4096);
    ck_assert_uint_le(stats.io_batches, WORLD_QUERIES);
    ck_assert_uint_le(stats.pages_read, stats.candidates);
    gosset_searcher_reset_stats(searcher);
    ck_ok(gosset_searcher_stats(searcher, &stats));
    ck_assert_uint_eq(stats.queries, 0);
    gosset_searcher_free(searcher);
    gosset_index_close(index);
}
END_TEST

START_TEST(test_recall_option_raises_recall) {
    gosset_index *index = open_index(build("recall", &w.base, NULL), "memory");
    gosset_searcher *searcher = open_searcher(index);
    uint64_t ids[WORLD_QUERIES * WORLD_K];
    double low, high;
    set_recall(searcher, 0.8);
    ck_ok(gosset_searcher_search(searcher, &w.query, WORLD_K, ids, NULL));
    low = recall_of(ids, w.truth, WORLD_QUERIES, WORLD_K);
    gosset_search_stats cheap = {.struct_size = sizeof cheap}, dear = cheap;
    ck_ok(gosset_searcher_stats(searcher, &cheap));
    gosset_searcher_reset_stats(searcher);
    set_recall(searcher, 0.99);
    ck_ok(gosset_searcher_search(searcher, &w.query, WORLD_K, ids, NULL));
    high = recall_of(ids, w.truth, WORLD_QUERIES, WORLD_K);
    ck_ok(gosset_searcher_stats(searcher, &dear));
    ck_assert_double_gt(high, low);
    ck_assert_double_ge(high, 0.98);
    ck_assert_double_ge(low, 0.77);
    ck_assert_uint_gt(dear.pages_read, cheap.pages_read);
    gosset_searcher_free(searcher);
    gosset_index_close(index);
}
END_TEST

/* Everything probed and everything re-ranked is brute force: ids and distances must be the same bits. */
static void same_as_exact(const gosset_vectors *base, const gosset_vectors *queries, const gosset_model *model,
                          gosset_metric metric, const char *io) {
    enum { K = 7 };
    gosset_index *index = open_index(build("exact", base, &(build_options){.model = model}), io);
    gosset_searcher *searcher = open_searcher(index);
    uint64_t *ids = malloc(queries->count * K * sizeof *ids), *truth = malloc(queries->count * K * sizeof *truth);
    float *distances = malloc(queries->count * K * sizeof *distances),
          *exact = malloc(queries->count * K * sizeof *exact);
    set_depth(searcher, UINT32_MAX, UINT32_MAX);
    ck_ok(gosset_searcher_search(searcher, queries, K, ids, distances));
    ck_ok(gosset_exact_search(base, queries, metric, K, truth, exact, NULL));
    ck_assert_mem_eq(ids, truth, queries->count * K * sizeof *ids);
    ck_assert_mem_eq(distances, exact, queries->count * K * sizeof *exact);
    free(ids), free(truth), free(distances), free(exact);
    gosset_searcher_free(searcher);
    gosset_index_close(index);
}

START_TEST(test_exhaustive_search_is_exact) {
    gosset_metric metric = (gosset_metric)(_i / 3);
    gosset_type type = (gosset_type)(_i % 3);
    enum { DIMENSION = 20, LEARN = 1200, BASE = 700, QUERIES = 30 };
    void *memory = clustered_vectors(11, LEARN + BASE + QUERIES, DIMENSION, 20, type);
    gosset_vectors all = view_of(memory, LEARN + BASE + QUERIES, DIMENSION, type);
    gosset_vectors learn = rows_of(&all, 0, LEARN), base = rows_of(&all, LEARN, BASE);
    gosset_vectors queries = rows_of(&all, LEARN + BASE, QUERIES);
    gosset_model *model = train_model(&learn, metric, 3);
    same_as_exact(&base, &queries, model, metric, "memory");
    if (type != GOSSET_F32) { /* float queries against stored integers */
        float *floats = malloc(QUERIES * DIMENSION * sizeof *floats);
        for (size_t i = 0; i < (size_t)QUERIES * DIMENSION; i++) {
            size_t at = (size_t)(LEARN + BASE) * DIMENSION + i;
            floats[i] = 0.25f + (type == GOSSET_U8 ? (float)((uint8_t *)memory)[at] : (float)((int8_t *)memory)[at]);
        }
        temp_remove(temp_path(w.directory, "exact"));
        gosset_vectors mixed = view_of(floats, QUERIES, DIMENSION, GOSSET_F32);
        same_as_exact(&base, &mixed, model, metric, "threads");
        free(floats);
    }
    gosset_model_free(model);
    free(memory);
    temp_remove(temp_path(w.directory, "exact"));
}
END_TEST

START_TEST(test_describe_and_verify) {
    const char *path = build("describe", &w.base, &(build_options){.shard_size = 256 << 10});
    gosset_index *index = open_index(path, "threads");
    gosset_index_info info = {.struct_size = sizeof info};
    gosset_model_info model = {.struct_size = sizeof model}, ours = model;
    ck_ok(gosset_index_describe(index, &info));
    ck_assert_uint_eq(info.vector_count, WORLD_BASE);
    ck_assert_uint_gt(info.shard_count, 1);
    ck_assert_int_eq(info.type, GOSSET_F32);
    ck_assert_uint_eq(info.page_size, 4096);
    ck_assert_uint_eq(info.records_per_page, 4088 / (8 + 4 * WORLD_DIMENSION));
    ck_assert_uint_eq(info.code_bytes, 16);
    ck_assert_uint_gt(info.cells_used, 0);
    ck_assert_uint_ge(info.cell_count, info.cells_used);
    ck_assert_uint_gt(info.largest_cell, 0);
    ck_assert_double_ge(info.imbalance, 1.0);
    ck_assert_uint_gt(info.disk_bytes, WORLD_BASE * 4 * WORLD_DIMENSION);
    ck_assert_uint_gt(info.resident_bytes, WORLD_BASE * 16);
    ck_assert_str_eq(info.io, "threads");
    ck_assert_ptr_nonnull(info.io_reason);
    ck_assert_ptr_nonnull(info.cpu);
    ck_ok(gosset_model_describe(info.model, &model));
    ck_ok(gosset_model_describe(w.model, &ours));
    ck_assert_uint_eq(model.fingerprint, ours.fingerprint);
    gosset_index_close(index);
    ck_ok(gosset_index_verify(path, NULL));
}
END_TEST

START_TEST(test_ids_strides_and_small_calls) {
    enum { ROWS = 1500, WIDE = WORLD_DIMENSION + 5 };
    float *wide = malloc(sizeof(float) * ROWS * WIDE);
    uint64_t ids[ROWS], found[WORLD_QUERIES * WORLD_K], plain[WORLD_QUERIES * WORLD_K];
    for (size_t i = 0; i < ROWS; i++) {
        memcpy(wide + i * WIDE, (const float *)w.base.data + i * WORLD_DIMENSION, WORLD_DIMENSION * sizeof *wide);
        ids[i] = UINT64_C(1) << 40 | (7 * i);
    }
    gosset_vectors part = rows_of(&w.base, 0, ROWS), view = part;
    view.data = wide, view.stride = WIDE * sizeof *wide;
    gosset_index *a = open_index(build("plain", &part, NULL), "memory");
    gosset_index *b = open_index(build("strided", &view, &(build_options){.ids = ids, .call = 77}), "memory");
    gosset_searcher *x = open_searcher(a), *y = open_searcher(b);
    ck_ok(gosset_searcher_search(x, &w.query, WORLD_K, plain, NULL));
    ck_ok(gosset_searcher_search(y, &w.query, WORLD_K, found, NULL));
    for (size_t i = 0; i < WORLD_QUERIES * WORLD_K; i++) ck_assert_uint_eq(found[i], ids[plain[i]]);
    gosset_searcher_free(x), gosset_searcher_free(y);
    gosset_index_close(a), gosset_index_close(b);
    free(wide);
}
END_TEST

START_TEST(test_few_rows) {
    enum { K = 10 };
    gosset_vectors base = rows_of(&w.base, 0, (size_t)_i), query = rows_of(&w.query, 0, 3);
    uint64_t ids[3 * K], truth[3 * K];
    float distances[3 * K];
    gosset_index *index = open_index(build("few", &base, NULL), "threads");
    gosset_searcher *searcher = open_searcher(index);
    ck_ok(gosset_searcher_search(searcher, &query, K, ids, distances));
    ck_ok(gosset_exact_search(&base, &query, GOSSET_L2, K, truth, NULL, NULL));
    ck_assert_mem_eq(ids, truth, sizeof ids);
    for (int i = 0; i < 3 * K; i++) {
        ck_assert_int_eq(ids[i] == GOSSET_NO_ID, i % K >= _i);
        if (i % K >= _i) ck_assert(isinf(distances[i]));
    }
    ck_ok(gosset_searcher_search(searcher, &(gosset_vectors){NULL, 0, 0, WORLD_DIMENSION, GOSSET_F32}, K, NULL, NULL));
    gosset_searcher_free(searcher);
    gosset_index_close(index);
    ck_ok(gosset_index_verify(temp_path(w.directory, "few"), NULL));
    temp_remove(temp_path(w.directory, "few"));
}
END_TEST

/* Calibrated up to k = 100; beyond, in proportion. The clusters hold about 130 vectors: neighbours from outside are
 * nearly random, so the largest k, an eighth of the base, is asked for order and exactness, not for the target. */
START_TEST(test_deep_k) {
    static const uint32_t ks[] = {120, 1024};
    static const double floors[] = {0.93, 0.6};
    enum { QUERIES = 20, K_MAX = 1024 };
    const uint32_t k = ks[_i];
    gosset_vectors query = rows_of(&w.query, 0, QUERIES);
    uint64_t *ids = malloc(sizeof *ids * QUERIES * K_MAX), *truth = malloc(sizeof *truth * QUERIES * K_MAX);
    float *distances = malloc(sizeof *distances * QUERIES * K_MAX);
    gosset_index *index = open_index(build("deep", &w.base, NULL), "memory");
    gosset_searcher *searcher = open_searcher(index);
    ck_ok(gosset_searcher_search(searcher, &query, k, ids, distances));
    ck_ok(gosset_exact_search(&w.base, &query, GOSSET_L2, k, truth, NULL, NULL));
    ck_assert_double_ge(recall_of(ids, truth, QUERIES, k), floors[_i]);
    for (size_t i = 0; i < (size_t)QUERIES * k; i++) {
        ck_assert_uint_lt(ids[i], WORLD_BASE);
        if (i % k)
            ck_assert(distances[i] > distances[i - 1] || (distances[i] == distances[i - 1] && ids[i] > ids[i - 1]));
    }
    gosset_searcher_free(searcher);
    gosset_index_close(index);
    free(ids), free(truth), free(distances);
    temp_remove(temp_path(w.directory, "deep"));
}
END_TEST

TCase *case_whole_way(void) {
    TCase *tcase = tcase_create("whole way");
    tcase_add_test(tcase, test_model_survives_its_file);
    tcase_add_test(tcase, test_default_search);
    tcase_add_test(tcase, test_recall_option_raises_recall);
    tcase_add_loop_test(tcase, test_exhaustive_search_is_exact, 0, 9);
    tcase_add_test(tcase, test_describe_and_verify);
    tcase_add_test(tcase, test_ids_strides_and_small_calls);
    tcase_add_loop_test(tcase, test_few_rows, 0, 4);
    tcase_add_loop_test(tcase, test_deep_k, 0, 2);
    return tcase;
}
