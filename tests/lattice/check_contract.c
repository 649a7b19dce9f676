/** What every family owes its users. A new family only adds its specs to the table. */
#include "lattice/lattice_tests.h"
#include "support/support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const specs[] = {"zn:24:79",   "zn:24:3",    "zn:64:500:7", "zn:3:9",    "zn:1:4",
                                    "zn:128:256", "e8:24:74",   "e8:8:2",      "e8:16:160", "e8:24:4",
                                    "e8:128:100", "leech:24:4", "leech:24:6"};
enum { SPECS = sizeof specs / sizeof *specs, ROWS = 64, SMALL = 15 };

START_TEST(every_family_is_tested) {
    uint32_t families = 0;
    for (const char *name; (name = gosset_lattice_name(families)) != NULL; families++) {
        int found = 0;
        for (int i = 0; i < SPECS; i++)
            found |= strncmp(specs[i], name, strlen(name)) == 0 && specs[i][strlen(name)] == ':';
        ck_assert_msg(found, "family %s has no spec in this table", name);
    }
    ck_assert_uint_ge(families, 1);
    ck_assert_ptr_null(gosset_lattice_name(families + 1000));
}
END_TEST

static float *vectors_of(const gosset_lattice *lattice) {
    gosset__rng rng = gosset__rng_make(31, lattice->norm);
    float *x = malloc(sizeof(float) * ROWS * lattice->dimension);
    for (size_t row = 0; row < ROWS; row++)
        fill_vector(&rng, (vector_kind)(row % VECTOR_KINDS), lattice->dimension, x + row * lattice->dimension);
    return x;
}

START_TEST(round_trip) {
    gosset_lattice *lattice = make_lattice(specs[_i]);
    const size_t n = lattice->dimension, size = lattice->code_size;
    float *x = vectors_of(lattice), *decoded = malloc(sizeof(float) * ROWS * n);
    uint8_t *codes = malloc(ROWS * size + 1), *again = malloc(ROWS * size);
    codes[ROWS * size] = 0xA5;
    ck_assert_int_eq(gosset_lattice_encode(lattice, ROWS, x, codes), GOSSET_OK);
    ck_assert_uint_eq(codes[ROWS * size], 0xA5);
    ck_assert_int_eq(gosset_lattice_decode(lattice, ROWS, codes, decoded), GOSSET_OK);
    ck_assert_int_eq(gosset_lattice_encode(lattice, ROWS, decoded, again), GOSSET_OK);
    ck_assert_mem_eq(codes, again, ROWS * size);
    for (size_t row = 0; row < ROWS; row++) {
        double norm = 0;
        for (size_t i = 0; i < n; i++) norm += (double)decoded[row * n + i] * decoded[row * n + i];
        ck_assert_double_eq_tol(norm, 1, 1e-5);
        ck_assert_int_eq(gosset_lattice_encode(lattice, 1, x + row * n, again), GOSSET_OK); /* alone */
        ck_assert_mem_eq(again, codes + row * size, size);
    }
    free(x);
    free(decoded);
    free(codes);
    free(again);
    gosset_lattice_free(lattice);
}
END_TEST

START_TEST(bad_input) {
    gosset_lattice *lattice = make_lattice(specs[_i]);
    const size_t n = lattice->dimension, size = lattice->code_size;
    float *x = vectors_of(lattice);
    uint8_t *codes = malloc(ROWS * size);
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    for (int i = 0; i < 3; i++) {
        const float kept = x[5 * n + n - 1];
        memset(codes, 0xA5, ROWS * size);
        x[5 * n + n - 1] = bad[i];
        ck_assert_int_eq(gosset_lattice_encode(lattice, ROWS, x, codes), GOSSET_E_ARGUMENT);
        ck_assert_ptr_nonnull(strstr(gosset_last_error(), "row 5"));
        for (size_t b = 0; b < ROWS * size; b++) assert_each(codes[b] == 0xA5);
        x[5 * n + n - 1] = kept;
    }
    ck_assert_int_eq(gosset_lattice_encode(lattice, ROWS, x, codes), GOSSET_OK);
    gosset__wide_store(&lattice->point_count, codes + 3 * size, size);
    gosset__wide truncated;
    gosset__wide_load(&truncated, codes + 3 * size, size);
    if (gosset__wide_compare(&truncated, &lattice->point_count) == 0) { /* else every code is a point */
        ck_assert_int_eq(gosset_lattice_decode(lattice, ROWS, codes, x), GOSSET_E_CORRUPT);
        ck_assert_ptr_nonnull(strstr(gosset_last_error(), "code 3"));
        memset(codes + 3 * size, 0xFF, size);
        ck_assert_int_eq(gosset_lattice_decode(lattice, ROWS, codes, x), GOSSET_E_CORRUPT);
    }
    ck_assert_int_eq(gosset_lattice_encode(NULL, 1, x, codes), GOSSET_E_ARGUMENT);
    ck_assert_int_eq(gosset_lattice_encode(lattice, 1, NULL, codes), GOSSET_E_ARGUMENT);
    ck_assert_int_eq(gosset_lattice_decode(lattice, 1, codes, NULL), GOSSET_E_ARGUMENT);
    ck_assert_int_eq(gosset_lattice_encode(lattice, 0, NULL, NULL), GOSSET_OK);
    ck_assert_int_eq(gosset_lattice_decode(lattice, 0, NULL, NULL), GOSSET_OK);
    free(x);
    free(codes);
    gosset_lattice_free(lattice);
    gosset_lattice_free(NULL);
}
END_TEST

START_TEST(zero_vector) {
    gosset_lattice *lattice = make_lattice(specs[_i]);
    float x[GOSSET__LATTICE_MAX_DIMENSION] = {0}, decoded[GOSSET__LATTICE_MAX_DIMENSION];
    uint8_t code[GOSSET__WIDE_BYTES], negative[GOSSET__WIDE_BYTES];
    ck_assert_int_eq(gosset_lattice_encode(lattice, 1, x, code), GOSSET_OK);
    ck_assert_int_eq(gosset_lattice_decode(lattice, 1, code, decoded), GOSSET_OK);
    for (uint32_t i = 0; i < lattice->dimension; i++) {
        ck_assert(decoded[i] >= 0);
        x[i] = -0.0f;
    }
    ck_assert_int_eq(gosset_lattice_encode(lattice, 1, x, negative), GOSSET_OK);
    ck_assert_mem_eq(code, negative, lattice->code_size);
    gosset_lattice_free(lattice);
}
END_TEST

START_TEST(scores_of_all_points) {
    static const char *const small[SMALL] = {"zn:24:3",    "zn:3:9",   "zn:1:4",  "zn:8:12:2",  "zn:4:100",
                                             "zn:12:12:1", "e8:8:2",   "e8:8:8",  "e8:8:20",    "e8:16:4",
                                             "e8:24:4",    "e8:128:2", "e8:32:4", "leech:24:4", "leech:24:6"};
    gosset_lattice *lattice = make_lattice(small[_i]);
    gosset__rng rng = gosset__rng_make(32, (uint64_t)_i);
    const size_t count = (size_t)lattice->point_count.word[0], scratch = lattice->ops->scores_scratch(lattice);
    int32_t x[GOSSET__LATTICE_MAX_DIMENSION];
    int32_t *scores = malloc(count * sizeof *scores), *rest = malloc((scratch + 1) * sizeof *rest);
    rest[scratch] = 12345;
    for (uint32_t i = 0; i < lattice->dimension; i++) x[i] = (int32_t)gosset__rng_below(&rng, 20001) - 10000;
    lattice->ops->scores(lattice, x, scores, rest);
    ck_assert_int_eq(rest[scratch], 12345);
    for (size_t r = 0; r<count; r += count> 1 << 20 ? 997 : 1) { /* of the largest only some */
        const gosset__wide rank = gosset__wide_make(r);
        int8_t point[GOSSET__LATTICE_MAX_DIMENSION];
        int32_t expected = 0;
        lattice->ops->unrank(lattice, &rank, point);
        for (uint32_t i = 0; i < lattice->dimension; i++) expected += x[i] * point[i];
        assert_each(scores[r] == expected);
    }
    free(scores);
    free(rest);
    gosset_lattice_free(lattice);
}
END_TEST

/** What the search for near points owes, worked out from all scores. Returns how many there are. */
static uint32_t near_by_scores(const int32_t *scores, size_t count, int32_t gap, uint32_t room, gosset__near *near) {
    int32_t best = scores[0];
    for (size_t r = 1; r < count; r++) best = scores[r] > best ? scores[r] : best;
    for (;; gap /= 2) {
        uint32_t found = 0;
        for (size_t r = 0; r < count; r++) {
            if (scores[r] < best - gap) continue;
            if (found < room) near[found] = (gosset__near){(uint32_t)r, scores[r]};
            found++;
        }
        if (found <= room || gap == 0) return found < room ? found : room;
    }
}

START_TEST(near_points) {
    static const char *const small[] = {"zn:10:6", "zn:24:3", "zn:3:9", "zn:1:4", "zn:8:12:2", "zn:12:12:1", "zn:10:8"};
    enum { ROOM = 40 };
    gosset_lattice *lattice = make_lattice(small[_i]);
    gosset__rng rng = gosset__rng_make(33, (uint64_t)_i);
    const size_t count = (size_t)lattice->point_count.word[0], scratch = lattice->ops->scores_scratch(lattice);
    int32_t *scores = malloc(count * sizeof *scores), *rest = malloc((scratch + 1) * sizeof *rest);
    uint32_t several = 0;
    for (int round = 0; round < 60; round++) {
        int32_t x[GOSSET__LATTICE_MAX_DIMENSION] = {0};
        gosset__near expected[ROOM], found[ROOM + 1];
        const uint32_t range = round == 0 ? 1 : round % 3 == 0 ? 5 : 20001; /* zero; many ties */
        const uint32_t room = round % 4 == 0 ? 3 : ROOM;
        const int32_t gap = (int32_t)gosset__rng_below(&rng, range);
        for (uint32_t i = 0; i < lattice->dimension; i++)
            x[i] = (int32_t)gosset__rng_below(&rng, range) - (int32_t)range / 2;
        memset(found, 0xA5, sizeof found);
        const gosset__near guard = found[room];
        lattice->ops->scores(lattice, x, scores, rest);
        const uint32_t wanted = near_by_scores(scores, count, gap, room, expected);
        ck_assert_uint_eq(lattice->ops->near(lattice, x, gap, room, found), wanted);
        ck_assert_mem_eq(found, expected, wanted * sizeof *found);
        ck_assert_mem_eq(&found[room], &guard, sizeof guard);
        several += wanted > 1;
    }
    ck_assert_uint_ge(several, 5);
    free(scores);
    free(rest);
    gosset_lattice_free(lattice);
    lattice = make_lattice("zn:8:4000");
    ck_assert_uint_eq(lattice->ops->near(lattice, (int32_t[8]){1}, 0, 1, &(gosset__near){0, 0}), 0);
    gosset_lattice_free(lattice);
}
END_TEST

/** All points above thresholds from none to all, on every level of kernels; nothing is written behind them. */
START_TEST(points_above) {
    static const char *const large[] = {"zn:10:8", "zn:24:4", "zn:16:16:1", "zn:9:9"};
    gosset_lattice *lattice = make_lattice(large[_i]);
    gosset__rng rng = gosset__rng_make(34, (uint64_t)_i);
    const size_t count = (size_t)lattice->point_count.word[0], all = lattice->ops->scores_scratch(lattice);
    const size_t some = lattice->ops->above_scratch(lattice), room = all > some ? all : some;
    int32_t *scores = malloc(count * sizeof *scores), *scratch = malloc((room + 1) * sizeof *scratch);
    gosset__near *found = malloc((count + 1) * sizeof *found);
    ck_assert_uint_gt(some, 0);
    for (int round = 0; round < 40; round++) {
        const gosset__kernels *kernels = gosset__kernels_level((uint32_t)round % 4);
        const uint32_t range = round == 0 ? 1 : round % 3 == 0 ? 5 : 20001; /* zero; many ties */
        int32_t x[GOSSET__LATTICE_MAX_DIMENSION] = {0};
        uint32_t wanted = 0;
        for (uint32_t i = 0; i < lattice->dimension; i++)
            x[i] = (int32_t)gosset__rng_below(&rng, range) - (int32_t)range / 2;
        lattice->ops->scores(lattice, x, scores, scratch);
        const int32_t threshold = round == 1   ? -(1 << 24)
                                  : round == 2 ? 1 << 24
                                               : scores[gosset__rng_below(&rng, (uint32_t)count)];
        scratch[some] = 12345;
        memset(found, 0xA5, (count + 1) * sizeof *found);
        if (kernels == NULL) kernels = gosset__kernels_level(0);
        const uint32_t written = lattice->ops->above(lattice, kernels, x, threshold, found, scratch);
        for (size_t r = 0; r < count; r++) {
            if (scores[r] <= threshold) continue;
            assert_each(wanted < written && found[wanted].rank == r && found[wanted].score == scores[r]);
            wanted++;
        }
        ck_assert_uint_eq(written, wanted);
        ck_assert_uint_eq(found[written].rank, 0xA5A5A5A5);
        ck_assert_int_eq(scratch[some], 12345);
    }
    free(found);
    free(scratch);
    free(scores);
    gosset_lattice_free(lattice);
    static const char *const others[] = {"zn:10:6", "zn:8:4000",
                                         "zn:5:400"}; /* few points; a large table; short lists */
    for (int i = 0; i < 3; i++) {
        lattice = make_lattice(others[i]);
        ck_assert_uint_eq(lattice->ops->above_scratch(lattice), 0);
        gosset_lattice_free(lattice);
    }
}
END_TEST

START_TEST(memory_runs_out) {
    for (size_t fail_at = 1;; fail_at++) {
        counting_allocator memory;
        const gosset_env env = counting_env(&memory, fail_at);
        gosset_lattice *lattice = NULL;
        const gosset_status status = gosset_lattice_create(&lattice, specs[_i], &env);
        if (status == GOSSET_OK) {
            ck_assert_uint_ge(fail_at, 2);
            gosset_lattice_free(lattice);
            ck_assert_uint_eq(counting_held(&memory), 0);
            break;
        }
        ck_assert_int_eq(status, GOSSET_E_NO_MEMORY);
        ck_assert_ptr_null(lattice);
        ck_assert_uint_eq(counting_held(&memory), 0);
    }
}
END_TEST

TCase *case_contract(void) {
    TCase *cases = tcase_create("contract");
    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, every_family_is_tested);
    tcase_add_loop_test(cases, round_trip, 0, SPECS);
    tcase_add_loop_test(cases, bad_input, 0, SPECS);
    tcase_add_loop_test(cases, zero_vector, 0, SPECS);
    tcase_add_loop_test(cases, scores_of_all_points, 0, SMALL);
    tcase_add_loop_test(cases, near_points, 0, 7);
    tcase_add_loop_test(cases, points_above, 0, 4);
    tcase_add_loop_test(cases, memory_runs_out, 0, SPECS);
    return cases;
}
