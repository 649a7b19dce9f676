/* Vectors kept in another type than they came in: what is exact, what is rounded, what is refused. */
#include "api/world.h"

#include <math.h>
#include <stdio.h>

enum { ROWS = 3000, K = 10, QUERIES = 60 };

static const char *const backends[] = {"threads", "memory"};

/* Everything there is, so that answers depend on the records alone. */
static gosset_searcher *open_exhaustive(const char *path, const char *io, gosset_index **index) {
    gosset_searcher *searcher = NULL;
    gosset_index_config config = {.struct_size = sizeof config, .io = io};
    gosset_search_options all = {.struct_size = sizeof all, .probe = 1 << 30, .rerank = 1 << 30};
    ck_ok(gosset_index_open(index, path, &config));
    ck_ok(gosset_searcher_create(&searcher, *index, NULL));
    ck_ok(gosset_searcher_set(searcher, &all));
    return searcher;
}

static void answers(const char *path, const char *io, const gosset_vectors *queries, uint64_t *ids, float *distances,
                    gosset_type type) {
    gosset_index *index = NULL;
    gosset_searcher *searcher = open_exhaustive(path, io, &index);
    gosset_index_info info = {.struct_size = sizeof info};
    ck_ok(gosset_index_describe(index, &info));
    ck_assert_int_eq(info.type, type);
    ck_ok(gosset_searcher_search(searcher, queries, K, ids, distances));
    gosset_searcher_free(searcher);
    gosset_index_close(index);
}

/* A number rounded to eleven bits, as binary16 does above 2^-14; multiples of 2^-24 below. */
static float rounded(float x) {
    int exponent;
    frexpf(x, &exponent);
    const int unit = exponent - 11 < -24 ? -24 : exponent - 11;
    return ldexpf(rintf(ldexpf(x, -unit)), unit);
}

static gosset_vectors mapped(const gosset_vectors *from, float (*map)(float)) {
    gosset_vectors to = *from;
    float *data = malloc(from->count * from->dimension * sizeof *data);
    for (size_t i = 0; i < from->count * from->dimension; i++) data[i] = map(((const float *)from->data)[i]);
    to.data = data, to.stride = 0;
    return to;
}

static const gosset_metric metrics[] = {GOSSET_L2, GOSSET_IP, GOSSET_COSINE};

/* Distances are those of the rounded vectors, and the rounding is the promised one. */
START_TEST(test_halves_are_exact_for_what_is_kept) {
    uint64_t ids[QUERIES * K], expected[QUERIES * K];
    float distances[QUERIES * K], expected_distances[QUERIES * K];
    gosset_vectors base = rows_of(&w.base, 0, ROWS), queries = rows_of(&w.query, 0, QUERIES);
    gosset_vectors kept = mapped(&base, rounded);
    for (size_t i = 0; i < ROWS * WORLD_DIMENSION; i++) {
        const float x = ((const float *)base.data)[i], error = fabsf(x - ((const float *)kept.data)[i]);
        ck_assert_float_le(error, fmaxf(fabsf(x) * 0x1p-11f, 0x1p-25f));
    }
    const gosset_vectors learn = rows_of(&w.learn, 0, 1000);
    gosset_model *model = metrics[_i] == GOSSET_L2 ? NULL : train_model(&learn, metrics[_i], 1);
    const char *path = build("halves", &base, &(build_options){.model = model, .records = GOSSET_RECORDS_F16});
    ck_ok(gosset_index_verify(path, NULL));
    ck_ok(gosset_exact_search(&kept, &queries, metrics[_i], K, expected, expected_distances, NULL));
    for (size_t b = 0; b < sizeof backends / sizeof *backends; b++) {
        answers(path, backends[b], &queries, ids, distances, GOSSET_F16);
        ck_assert_mem_eq(ids, expected, sizeof ids);
        ck_assert_mem_eq(distances, expected_distances, sizeof distances);
    }
    gosset_model_free(model);
    free((void *)(uintptr_t)kept.data);
}
END_TEST

static float as_integer(float x) {
    return fminf(255, fmaxf(0, rintf(100 + 40 * x)));
}

/* Integers that came as floats are kept in bytes and found as if they had been floats, or bytes, all the way. */
START_TEST(test_integers_lose_nothing) {
    static const gosset_records records[] = {GOSSET_RECORDS_F32, GOSSET_RECORDS_F16, GOSSET_RECORDS_U8};
    static const gosset_type types[] = {GOSSET_F32, GOSSET_F16, GOSSET_U8};
    uint64_t ids[QUERIES * K], expected[QUERIES * K];
    float distances[QUERIES * K], expected_distances[QUERIES * K];
    gosset_vectors base = rows_of(&w.base, 0, ROWS), queries = rows_of(&w.query, 0, QUERIES);
    gosset_vectors floats = mapped(&base, as_integer), asked = mapped(&queries, as_integer);
    uint8_t *bytes = malloc(ROWS * WORLD_DIMENSION), *few = malloc(QUERIES * WORLD_DIMENSION);
    for (size_t i = 0; i < ROWS * WORLD_DIMENSION; i++) bytes[i] = (uint8_t)((const float *)floats.data)[i];
    for (size_t i = 0; i < QUERIES * WORLD_DIMENSION; i++) few[i] = (uint8_t)((const float *)asked.data)[i];
    gosset_vectors given = {bytes, ROWS, 0, WORLD_DIMENSION, GOSSET_U8};
    gosset_vectors asked_bytes = {few, QUERIES, 0, WORLD_DIMENSION, GOSSET_U8};
    ck_ok(gosset_exact_search(&given, &asked_bytes, GOSSET_L2, K, expected, expected_distances, NULL));
    for (size_t r = 0; r < sizeof records / sizeof *records; r++)
        for (int source = 0; source < 2; source++)
            for (int query = 0; query < 2; query++) {
                const char *path =
                    build("integers", source ? &given : &floats, &(build_options){.records = records[r], .call = 700});
                answers(path, "memory", query ? &asked_bytes : &asked, ids, distances, types[r]);
                ck_assert_mem_eq(ids, expected, sizeof ids);
                ck_assert_mem_eq(distances, expected_distances, sizeof distances);
            }
    gosset_index *index = NULL;
    gosset_searcher *searcher = NULL; /* as usual: all queries of a call are planned together */
    const char *path = build("integers", &floats, &(build_options){.records = GOSSET_RECORDS_F16});
    ck_ok(gosset_index_open(&index, path, NULL));
    ck_ok(gosset_searcher_create(&searcher, index, NULL));
    ck_ok(gosset_searcher_search(searcher, &asked, K, expected, expected_distances));
    ck_ok(gosset_searcher_search(searcher, &asked_bytes, K, ids, distances));
    ck_assert_mem_eq(ids, expected, sizeof ids);
    ck_assert_mem_eq(distances, expected_distances, sizeof distances);
    gosset_searcher_free(searcher);
    gosset_index_close(index);
    free(bytes), free(few);
    free((void *)(uintptr_t)floats.data), free((void *)(uintptr_t)asked.data);
}
END_TEST

/* The first row at fault is named, whatever the calls it came in; nothing of its call is in. */
START_TEST(test_what_does_not_fit_is_refused) {
    enum { FEW = 1200, FIRST = 500 };
    static const struct {
        gosset_records records;
        float good, bad;
    } cases[] = {{GOSSET_RECORDS_F16, -65519, 65520}, {GOSSET_RECORDS_U8, 255, 256},   {GOSSET_RECORDS_U8, 0, -1},
                 {GOSSET_RECORDS_U8, 3, 3.5f},        {GOSSET_RECORDS_I8, -128, -129}, {GOSSET_RECORDS_I8, 127, 128}};
    float *data = malloc(FEW * WORLD_DIMENSION * sizeof *data);
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        gosset_writer *writer = NULL;
        gosset_writer_config config = {.struct_size = sizeof config, .model = w.model, .records = cases[c].records};
        for (size_t i = 0; i < FEW * WORLD_DIMENSION; i++) data[i] = cases[c].good;
        data[1100 * WORLD_DIMENSION + 7] = cases[c].bad;
        data[1150 * WORLD_DIMENSION] = cases[c].bad;
        gosset_vectors all = view_of(data, FEW, WORLD_DIMENSION, GOSSET_F32);
        gosset_vectors first = rows_of(&all, 0, FIRST), rest = rows_of(&all, FIRST, FEW - FIRST);
        const char *path = temp_path(w.directory, "refused");
        ck_ok(gosset_writer_create(&writer, path, &config));
        ck_ok(gosset_writer_add(writer, &first, NULL));
        ck_fails(gosset_writer_add(writer, &rest, NULL), GOSSET_E_ARGUMENT, "row 1100: value 7 is");
        data[1100 * WORLD_DIMENSION + 7] = data[1150 * WORLD_DIMENSION] = cases[c].good;
        ck_ok(gosset_writer_add(writer, &rest, NULL));
        gosset_writer_free(writer);
        ck_assert(!file_exists(path));
    }
    free(data);
}
END_TEST

/* A merge of halves is the build of halves. */
START_TEST(test_merge_of_halves) {
    const char *parts[2];
    char left[TEMP_PATH_SIZE], right[TEMP_PATH_SIZE];
    uint64_t ids[ROWS], one[QUERIES * K], both[QUERIES * K];
    gosset_vectors base = rows_of(&w.base, 0, ROWS), queries = rows_of(&w.query, 0, QUERIES);
    gosset_vectors a = rows_of(&base, 0, 1300), b = rows_of(&base, 1300, ROWS - 1300);
    for (size_t i = 0; i < ROWS; i++) ids[i] = i;
    snprintf(left, sizeof left, "%s",
             build("half-left", &a, &(build_options){.ids = ids, .records = GOSSET_RECORDS_F16}));
    snprintf(right, sizeof right, "%s",
             build("half-right", &b, &(build_options){.ids = ids + 1300, .records = GOSSET_RECORDS_F16}));
    parts[0] = left, parts[1] = right;
    const char *merged = temp_path(w.directory, "half-merged");
    ck_ok(gosset_merge(merged, parts, 2, NULL));
    answers(merged, "memory", &queries, both, NULL, GOSSET_F16);
    answers(build("half-one", &base, &(build_options){.ids = ids, .records = GOSSET_RECORDS_F16}), "memory", &queries,
            one, NULL, GOSSET_F16);
    ck_assert_mem_eq(one, both, sizeof one);
    parts[1] = build("not-half", &b, NULL);
    ck_fails(gosset_merge(temp_path(w.directory, "mixed"), parts, 2, NULL), GOSSET_E_MISMATCH, "types");
}
END_TEST

TCase *case_records(void) {
    TCase *tcase = tcase_create("records");
    tcase_add_loop_test(tcase, test_halves_are_exact_for_what_is_kept, 0, sizeof metrics / sizeof *metrics);
    tcase_add_test(tcase, test_integers_lose_nothing);
    tcase_add_test(tcase, test_what_does_not_fit_is_refused);
    tcase_add_test(tcase, test_merge_of_halves);
    return tcase;
}
