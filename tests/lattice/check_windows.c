/** Codes of windows: the best path of all, what it costs on normal variables, and the scores the scan gives it. */
#include "lattice/lattice_tests.h"
#include "lattice/windows.h"
#include "support/support.h"

#include <math.h>
#include <string.h>

enum { MAX_PLACES = 128 };

static gosset__windows windows_of(uint32_t nibbles, uint32_t crumbs, uint32_t bits, float gain, int uneven) {
    static const float usual[] = {0.1f, 0.18f, 0.14f};
    const uint32_t words[] = {nibbles, crumbs, bits};
    gosset__windows code;
    float steps[MAX_PLACES];
    gosset__windows_start(&code, words);
    for (uint32_t k = 0, i = 0, end = 0; k < 3; k++)
        for (end += (8u << k) * words[k]; i < end; i++)
            steps[i] = usual[k] * (uneven ? 1 - 0.7f * (float)(i % 5) / 5 : 1);
    gosset__windows_set_steps(&code, steps);
    gosset__windows_set_gains(&code, gain);
    return code;
}

static const gosset__kernels *kernels_here(void) {
    const gosset__kernels *kernels;
    ck_assert_int_eq(gosset__kernels_get(&kernels, NULL), GOSSET_OK);
    return kernels;
}

static void normal_places(gosset__rng *rng, const gosset__windows *code, float size, float *x) {
    for (uint32_t i = 0; i < gosset__windows_places(code); i++) x[i] = size * gosset__rng_normal(rng);
    x[0] = 0;
}

static double error_of(const gosset__windows *code, const uint8_t *bytes, const float *x) {
    float decoded[MAX_PLACES] = {0};
    double error = 0;
    gosset__windows_add(code, bytes, decoded);
    for (uint32_t i = 0; i < gosset__windows_places(code); i++)
        error += ((double)x[i] - (double)decoded[i]) * ((double)x[i] - (double)decoded[i]);
    return error;
}

/* A stream of two bytes, behind zeros: all of its 65,536 contents are tried. */
START_TEST(no_other_path_is_better) {
    const gosset__windows code = _i == 0 ? windows_of(1, 1, 0, 1, 1) : windows_of(1, 0, 1, 1, 1);
    gosset__rng rng = gosset__rng_make(7, (uint64_t)_i);
    for (uint32_t round = 0; round < 6; round++) {
        const uint32_t stream = 1 + round % 3;
        float x[MAX_PLACES];
        uint8_t found[8], other[8];
        normal_places(&rng, &code, 0.5f, x);
        gosset__windows_encode(kernels_here(), &code, x, found);
        const double least = error_of(&code, found, x);
        memcpy(other, found, sizeof other);
        for (uint32_t content = 0; content < 65536; content++) {
            other[stream] = (uint8_t)content;
            other[4 + stream] = (uint8_t)(content >> 8);
            assert_each(error_of(&code, other, x) >= least * (1 - 1e-5));
        }
    }
}
END_TEST

/* Per dimension of variance 1, the gain found by the encoder: at even steps. */
START_TEST(error_on_normal_variables) {
    static const struct {
        uint32_t words[3];
        double most;
    } cases[] = {{{2, 0, 0}, 0.0066}, {{1, 6, 0}, 0.083}, {{1, 0, 3}, 0.285}};
    const gosset__windows code = windows_of(cases[_i].words[0], cases[_i].words[1], cases[_i].words[2], 2, 0);
    gosset__rng rng = gosset__rng_make(11, (uint64_t)_i);
    const uint32_t first = _i == 0 ? 0 : 8, places = gosset__windows_places(&code);
    double error = 0;
    size_t count = 0;
    for (int round = 0; round < 400; round++) {
        float x[MAX_PLACES], decoded[MAX_PLACES] = {0};
        uint8_t bytes[MAX_PLACES];
        normal_places(&rng, &code, 1, x);
        gosset__windows_encode(kernels_here(), &code, x, bytes);
        gosset__windows_add(&code, bytes, decoded);
        for (uint32_t i = first; i < places; i++, count++)
            error += ((double)x[i] - (double)decoded[i]) * ((double)x[i] - (double)decoded[i]);
    }
    ck_assert_double_le(error / (double)count, cases[_i].most);
    ck_assert_double_ge(error / (double)count, cases[_i].most * 0.6); /* better than possible: the decoder cheats */
}
END_TEST

/* What 4 bits leave, coded with 2 or 1 more: those of 4 bits stay as they are, and the second part is perpendicular. */
START_TEST(repeats_say_what_is_left) {
    const double most = _i == 0 ? 0.27 : 0.52; /* of the error of 4 bits, with steps that nobody fitted */
    const gosset__windows coarse = windows_of(4, 0, 0, 2, 0);
    gosset__windows code = _i == 0 ? windows_of(4, 2, 0, 2, 0) : windows_of(4, 0, 1, 2, 0);
    gosset__rng rng = gosset__rng_make(12, (uint64_t)_i);
    double before = 0, after = 0;
    float steps[MAX_PLACES];
    for (uint32_t i = 0; i < MAX_PLACES; i++) steps[i] = i < 32 ? 0.1f : _i == 0 ? 0.014f : 0.011f;
    gosset__windows_set_steps(&code, steps);
    gosset__windows_repeat(&code);
    ck_assert_uint_eq(code.repeats, 31);
    for (int round = 0; round < 400; round++) {
        float x[MAX_PLACES], left[MAX_PLACES], first[MAX_PLACES] = {0}, both[MAX_PLACES] = {0};
        uint8_t bytes[MAX_PLACES], again[MAX_PLACES];
        double along = 0, squares[2] = {0};
        normal_places(&rng, &coarse, 1, x);
        gosset__windows_encode(kernels_here(), &coarse, x, bytes);
        gosset__windows_add(&coarse, bytes, first);
        gosset__windows_encode(kernels_here(), &code, x, again);
        gosset__windows_encode(gosset__kernels_level(0), &code, x, bytes);
        ck_assert_mem_eq(again, bytes, gosset__windows_size(&code));
        gosset__windows_add(&code, bytes, both);
        memcpy(left, x, sizeof left);
        gosset__windows_leave(&code, bytes, left);
        for (uint32_t i = 1; i < 32; i++) {
            const double second = (double)both[i] - (double)first[i];
            before += pow((double)x[i] - (double)first[i], 2);
            after += pow((double)x[i] - (double)both[i], 2);
            along += second * (double)first[i];
            squares[0] += (double)first[i] * (double)first[i], squares[1] += second * second;
            assert_each(fabs((double)left[31 + i] - ((double)x[i] - (double)first[i])) < 0.25);
        }
        assert_each(left[63] == 0); /* a place for nothing */
        ck_assert_double_le(fabs(along), 0.45 * sqrt(squares[0] * squares[1]));
    }
    ck_assert_double_le(after / before, most);
    ck_assert_double_ge(after / before, most / 3);
}
END_TEST

START_TEST(nothing_left_is_gain_zero) {
    const gosset__windows code = windows_of(2, 1, 1, 1, 1), silent = windows_of(2, 1, 1, 0, 1);
    float x[MAX_PLACES] = {0}, decoded[MAX_PLACES] = {0};
    uint8_t bytes[16], zeros[16] = {0};
    gosset__windows_encode(kernels_here(), &code, x, bytes);
    ck_assert_mem_eq(bytes, zeros, sizeof zeros);
    x[3] = 1; /* a learn set without residuals has no gain for it */
    gosset__windows_encode(kernels_here(), &silent, x, bytes);
    ck_assert_mem_eq(bytes, zeros, sizeof zeros);
    gosset__windows_add(&silent, bytes, decoded);
    for (int i = 0; i < MAX_PLACES; i++) ck_assert_float_eq(decoded[i], 0);
}
END_TEST

/* The score of a code is minus half of the squared distance to what it stands for, but for the query's int8. */
START_TEST(scores_are_distances) {
    static const uint32_t words[][3] = {{1, 0, 0}, {2, 1, 1}, {5, 3, 0}, {1, 0, 3}};
    const gosset__windows code = windows_of(words[_i][0], words[_i][1], words[_i][2], 0.3f, 1);
    const uint32_t places = gosset__windows_places(&code), size = gosset__windows_size(&code), features = places + 5;
    gosset__rng rng = gosset__rng_make(13, (uint64_t)_i);
    uint8_t bytes[GOSSET__SCAN_BLOCK * 64], block[GOSSET__SCAN_BLOCK * 64];
    float x[MAX_PLACES], query[MAX_PLACES + 5], centroid[MAX_PLACES + 5];
    for (uint32_t i = 0; i < features; i++) {
        centroid[i] = 0.1f * gosset__rng_normal(&rng);
        query[i] = centroid[i] + 0.1f * gosset__rng_normal(&rng);
    }
    query[0] = centroid[0] = 0;
    for (uint32_t c = 0; c < GOSSET__SCAN_BLOCK; c++) {
        normal_places(&rng, &code, 0.01f * (float)(c + 1), x);
        gosset__windows_encode(kernels_here(), &code, x, bytes + c * size);
        for (uint32_t h = 0; h < size / 4; h++) memcpy(block + 64 * h + 4 * c, bytes + c * size + 4 * h, 4);
    }
    for (uint32_t level = 0; gosset__kernels_level(level); level++) {
        const gosset__kernels *kernels = gosset__kernels_level(level);
        _Alignas(64) int8_t values[MAX_PLACES];
        int32_t scores[GOSSET__SCAN_BLOCK];
        gosset__window_query rest = {.values = values};
        kernels->window_query(query, centroid, features, &code, &rest);
        kernels->scan_windows(block, 1, &code, &rest, scores);
        for (uint32_t c = 0; c < GOSSET__SCAN_BLOCK; c++) {
            float decoded[MAX_PLACES + 5];
            double square = 0;
            memcpy(decoded, centroid, sizeof decoded);
            gosset__windows_add(&code, bytes + c * size, decoded);
            for (uint32_t i = 0; i < features; i++)
                square += ((double)query[i] - (double)decoded[i]) * ((double)query[i] - (double)decoded[i]);
            ck_assert_double_eq_tol(scores[c] / (double)GOSSET__WINDOW_SCORE_ONE, -0.5 * square, 0.01 * square + 1e-6);
        }
    }
}
END_TEST

TCase *case_windows(void) {
    TCase *windows = tcase_create("windows");
    tcase_add_loop_test(windows, no_other_path_is_better, 0, 2);
    tcase_add_loop_test(windows, error_on_normal_variables, 0, 3);
    tcase_add_loop_test(windows, repeats_say_what_is_left, 0, 2);
    tcase_add_test(windows, nothing_left_is_gain_zero);
    tcase_add_loop_test(windows, scores_are_distances, 0, 4);
    return windows;
}
