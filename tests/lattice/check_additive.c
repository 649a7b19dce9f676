/** Additive codes: the best sums found, and the scores the scan gives them. */
#include "lattice/lattice_tests.h"
#include "support/support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FEATURES = 20, BOOKS_MAX = 31, LATENT = 8, ROWS = 40, ROWS_BLOCKED = 48 };

typedef struct books {
    gosset__additive code;
    float lengths[16];
    _Alignas(64) float words[BOOKS_MAX * 16 * FEATURES];
    float products[BOOKS_MAX * 16 * BOOKS_MAX * 16];
} books;

/* Words of random directions, shorter from book to book, as learned ones are. */
static books *make_books(uint32_t count, uint64_t seed, float weight) {
    books *self = calloc(1, sizeof *self);
    gosset__rng rng = gosset__rng_make(seed, count);
    for (uint32_t b = 0; b < count; b++)
        for (uint32_t i = 0; i < 16 * FEATURES; i++)
            self->words[b * 16 * FEATURES + i] = 0.2f * powf(0.9f, (float)b) * gosset__rng_normal(&rng);
    for (int l = 0; l < 16; l++) self->lengths[l] = 0.5f * (float)l - 2;
    self->code = (gosset__additive){count, FEATURES, weight, self->lengths, self->words};
    gosset__additive_products(&self->code, gosset__kernels_level(0), self->products);
    return self;
}

static void fill_normal(gosset__rng *rng, float *x, float size) {
    for (int i = 0; i < FEATURES; i++) x[i] = size * gosset__rng_normal(rng);
}

/* Squared error of a sum and its length beside that of the centroid. */
static double error_of(const books *b, const uint8_t *nibbles, const float *x, const float *centroid, double *length) {
    double error = 0;
    *length = 0;
    for (int i = 0; i < FEATURES; i++) {
        double sum = 0;
        for (uint32_t k = 0; k < b->code.books; k++) sum += (double)b->words[(k * 16 + nibbles[k]) * FEATURES + i];
        error += ((double)x[i] - sum) * ((double)x[i] - sum);
        *length += sum * sum + 2 * sum * (double)centroid[i];
    }
    return error;
}

static double length_error(const books *b, double length) {
    double least = HUGE_VAL;
    for (int l = 0; l < 16; l++) least = fmin(least, pow(length - (double)b->lengths[l], 2));
    return least;
}

/* Two books have 256 sums, and the beam holds all of the first. */
START_TEST(no_other_sum_is_better) {
    books *b = make_books(2, 3, 0);
    gosset__rng rng = gosset__rng_make(5, 0);
    for (int round = 0; round < 50; round++) {
        float x[FEATURES], centroid[FEATURES], with_x[32], with_centroid[32];
        uint8_t found[3], other[2];
        double length;
        fill_normal(&rng, x, 0.3f);
        fill_normal(&rng, centroid, 0.3f);
        gosset__kernels_level(0)->dot_rows(x, b->words, 32, FEATURES, with_x);
        gosset__kernels_level(0)->dot_rows(centroid, b->words, 32, FEATURES, with_centroid);
        const float saved =
            gosset__additive_search(&b->code, GOSSET__ADDITIVE_BEAM, b->products, with_x, with_centroid, found);
        const double least = error_of(b, found, x, centroid, &length), square = pow(vector_length(x, FEATURES), 2);
        ck_assert_double_eq_tol(square + (double)saved, least, 1e-5);
        ck_assert_double_eq_tol((double)gosset__additive_length(&b->code, b->products, with_centroid, found), length,
                                1e-5);
        ck_assert_double_eq_tol(pow(length - (double)b->lengths[found[2]], 2), length_error(b, length), 1e-5);
        for (int sum = 0; sum < 256; sum++) {
            other[0] = (uint8_t)(sum & 15), other[1] = (uint8_t)(sum >> 4);
            assert_each(error_of(b, other, x, centroid, &length) >= least - 1e-5);
        }
    }
    free(b);
}
END_TEST

/* A wider beam leaves less error; with a weight, lengths come nearer to those there are, for little error. */
START_TEST(what_search_gives_up) {
    books *plain = make_books(15, 7, 0), *weighed = make_books(15, 7, 10);
    gosset__rng rng = gosset__rng_make(6, 0);
    double errors[3] = {0}, off[3] = {0};
    for (int round = 0; round < 300; round++) {
        float x[FEATURES], centroid[FEATURES], with_x[15 * 16], with_centroid[15 * 16];
        fill_normal(&rng, x, 0.5f);
        fill_normal(&rng, centroid, 0.3f);
        gosset__kernels_level(0)->dot_rows(x, plain->words, 15 * 16, FEATURES, with_x);
        gosset__kernels_level(0)->dot_rows(centroid, plain->words, 15 * 16, FEATURES, with_centroid);
        for (int kind = 0; kind < 3; kind++) {
            const books *b = kind == 2 ? weighed : plain;
            uint8_t found[16];
            double length;
            gosset__additive_search(&b->code, kind == 0 ? 1 : GOSSET__ADDITIVE_BEAM, b->products, with_x, with_centroid,
                                    found);
            errors[kind] += error_of(b, found, x, centroid, &length) / 300;
            off[kind] += length_error(b, length) / 300;
        }
    }
    ck_assert_double_lt(errors[1], 0.8 * errors[0]);
    ck_assert_double_lt(errors[2], 1.3 * errors[1]);
    ck_assert_double_ge(errors[2], errors[1]);
    ck_assert_double_lt(off[2], 0.5 * off[1]);
    free(plain), free(weighed);
}
END_TEST

/* The score of a code is minus half of the squared distance to what it stands for, with the length as it is stored, but
 * for the tables' bytes. */
START_TEST(scores_are_distances) {
    const uint32_t count = (uint32_t[]){7, 15, 31}[_i], bytes = (count + 1) / 2;
    books *b = make_books(count, 11, 2);
    const gosset__env env = default_env(1);
    gosset_lattice *lattice = make_lattice("zn:8:4");
    const uint32_t cells = (uint32_t)lattice->point_count.word[0];
    float *centroids = malloc(cells * FEATURES * sizeof *centroids), rows[ROWS][LATENT + FEATURES];
    gosset__rng rng = gosset__rng_make(12, count);
    for (uint32_t c = 0; c < cells; c++) fill_normal(&rng, centroids + c * FEATURES, 0.3f);
    const gosset__residual residual = {.additive = b->code, .features = FEATURES, .centroids = centroids};
    for (size_t r = 0; r < ROWS; r++)
        for (int i = 0; i < LATENT + FEATURES; i++) rows[r][i] = 0.5f * gosset__rng_normal(&rng);
    uint32_t level = 0;
    for (const gosset__kernels *kernels; (kernels = gosset__kernels_level(level)) != NULL; level++) {
        gosset__codec *codec;
        uint32_t cell[ROWS];
        uint8_t codes[ROWS][16], packed[ROWS * 16], blocks[ROWS_BLOCKED * 16];
        ck_assert_int_eq(gosset__codec_create(&codec, lattice, lattice, &residual, &env, kernels), GOSSET_OK);
        ck_assert_uint_eq(gosset__codec_code_size(codec), bytes);
        gosset__codec_encode(codec, ROWS, rows[0], cell, packed);
        for (size_t r = 0; r < ROWS; r++) memcpy(codes[r], packed + r * bytes, bytes);
        for (size_t k = 0; k < ROWS_BLOCKED / 16; k++)
            gosset__codec_block(codec, packed + k * 16 * bytes, ROWS - 16 * k < 16 ? ROWS - 16 * k : 16,
                                blocks + k * 16 * bytes);
        gosset__codec_query *query = gosset__alloc(&env, gosset__codec_query_size(codec));
        gosset__codec_query_set(codec, rows[3], query);
        for (size_t r = 0; r < ROWS; r++) { /* one by one, since each has a cell of its own */
            const float *q = rows[3] + LATENT;
            int32_t scores[ROWS_BLOCKED];
            float decoded[FEATURES], centroid[FEATURES];
            double expected = (double)b->lengths[codes[r][bytes - 1] >> 4];
            gosset__codec_scan(codec, gosset__codec_view(codec, query, cell[r]), cell[r], blocks, 3, scores);
            gosset__codec_decode(codec, 1, &cell[r], codes[r], decoded);
            gosset__codec_decode(codec, 1, &cell[r], NULL, centroid);
            ck_assert_mem_eq(centroid, centroids + cell[r] * FEATURES, sizeof centroid);
            for (int i = 0; i < FEATURES; i++)
                expected += (double)q[i] * (double)q[i] + (double)centroid[i] * (double)centroid[i] -
                            2 * (double)q[i] * (double)decoded[i];
            ck_assert_double_eq_tol(scores[r] / (double)GOSSET__WINDOW_SCORE_ONE, -0.5 * expected,
                                    0.01 * (double)bytes);
        }
        gosset__free(&env, query);
        gosset__codec_free(codec);
    }
    ck_assert_uint_ge(level, 1);
    gosset_lattice_free(lattice);
    free(centroids), free(b);
}
END_TEST

TCase *case_additive(void) {
    TCase *additive = tcase_create("additive");
    tcase_add_test(additive, no_other_sum_is_better);
    tcase_add_test(additive, what_search_gives_up);
    tcase_add_loop_test(additive, scores_are_distances, 0, 3);
    return additive;
}
