/** Addresses of latents and scores of queries, on every kernel level of this machine. */
#include "lattice/codec_internal.h"
#include "lattice/lattice_tests.h"
#include "lattice/windows.h"
#include "support/support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 40, DIMENSION = 64 };

typedef struct fixture {
    gosset__env env;
    gosset_lattice *cells, *codes;
    gosset__codec *codec;
    gosset__codec_query *query;
} fixture;

static fixture set_up(const char *cells, const char *codes, const gosset__kernels *kernels) {
    fixture f = {.env = default_env(1), .cells = make_lattice(cells), .codes = make_lattice(codes)};
    ck_assert_int_eq(gosset__codec_create(&f.codec, f.cells, f.codes, NULL, &f.env, kernels), GOSSET_OK);
    f.query = gosset__alloc(&f.env, gosset__codec_query_size(f.codec));
    ck_assert_ptr_nonnull(f.query);
    return f;
}

static void tear_down(fixture *f) {
    gosset__free(&f->env, f->query);
    gosset__codec_free(f->codec);
    gosset_lattice_free(f->cells);
    gosset_lattice_free(f->codes);
}

static void fill_latents(uint64_t stream, float *latents) {
    gosset__rng rng = gosset__rng_make(41, stream);
    for (size_t row = 0; row < ROWS; row++)
        fill_vector(&rng, (vector_kind)(row % VECTOR_KINDS), DIMENSION, latents + row * DIMENSION);
}

static int cut(int value) {
    return value > 7 ? 7 : value < -7 ? -7 : value;
}

/** The documented fields of a packed code, read back by the text. */
static int field(const uint8_t *code, uint32_t dimension) {
    const uint8_t byte = code[4 * (dimension / 8) + dimension % 4];
    return (dimension % 8 < 4 ? byte & 15 : byte >> 4) - 8;
}

static const char *const code_specs[] = {"zn:64:500", "zn:64:500:7", "zn:64:66"};

START_TEST(addresses) {
    const gosset__kernels *kernels = gosset__kernels_level(0);
    fixture f = set_up("zn:24:3", code_specs[_i], kernels);
    float latents[ROWS * DIMENSION];
    uint32_t cells[ROWS], cells_again[ROWS];
    uint8_t codes[ROWS * DIMENSION / 2], again[ROWS * DIMENSION / 2];
    fill_latents(0, latents);
    ck_assert_uint_eq(gosset__codec_dimension(f.codec), DIMENSION);
    ck_assert_uint_eq(gosset__codec_code_size(f.codec), DIMENSION / 2);
    ck_assert_uint_eq(gosset__codec_cell_count(f.codec), 16192);
    gosset__codec_encode(f.codec, ROWS, latents, cells, codes);
    gosset__codec_encode(f.codec, ROWS, latents, cells_again, again);
    ck_assert_mem_eq(cells, cells_again, sizeof cells);
    ck_assert_mem_eq(codes, again, sizeof codes);
    for (size_t row = 0; row < ROWS; row++) {
        int8_t point[DIMENSION], cell[DIMENSION];
        gosset__codec_encode(f.codec, 1, latents + row * DIMENSION, cells_again, again);
        ck_assert_uint_eq(cells_again[0], cells[row]);
        ck_assert_mem_eq(again, codes + row * DIMENSION / 2, DIMENSION / 2);
        f.codes->ops->nearest(f.codes, latents + row * DIMENSION, point);
        for (uint32_t i = 0; i < DIMENSION; i++) ck_assert_int_eq(field(codes + row * DIMENSION / 2, i), cut(point[i]));
        const gosset__wide rank = gosset__wide_make(cells[row]);
        f.cells->ops->nearest(f.cells, latents + row * DIMENSION, point);
        f.cells->ops->unrank(f.cells, &rank, cell);
        ck_assert_mem_eq(point, cell, 24);
    }
    tear_down(&f);
}
END_TEST

START_TEST(scan) {
    uint32_t level = 0;
    for (const gosset__kernels *kernels; (kernels = gosset__kernels_level(level)) != NULL; level++) {
        fixture f = set_up("zn:24:3", code_specs[_i], kernels);
        static float latents[ROWS * DIMENSION], queries[ROWS * DIMENSION];
        static uint8_t codes[48 * DIMENSION / 2], blocks[48 * DIMENSION / 2] __attribute__((aligned(64)));
        uint32_t cells[ROWS];
        int32_t scores[48];
        fill_latents(1, latents);
        fill_latents(2, queries);
        gosset__codec_encode(f.codec, ROWS, latents, cells, codes);
        for (size_t b = 0; b < 3; b++) {
            const size_t count = ROWS - 16 * b < 16 ? ROWS - 16 * b : 16;
            gosset__codec_block(f.codec, codes + b * 16 * DIMENSION / 2, count, blocks + b * 16 * DIMENSION / 2);
        }
        for (size_t q = 0; q < ROWS; q++) {
            const float *x = queries + q * DIMENSION;
            double largest = 0;
            gosset__codec_query_set(f.codec, x, f.query);
            gosset__codec_scan(f.codec, gosset__codec_view(f.codec, f.query, 0), 0, blocks, 3, scores);
            for (uint32_t i = 0; i < DIMENSION; i++) largest = fmax(largest, fabs((double)x[i]));
            for (size_t row = 0; row < 48; row++) {
                int32_t expected = 0;
                for (uint32_t i = 0; i < DIMENSION && row < ROWS && largest > 0; i++)
                    expected += (int32_t)round((double)x[i] * (127 / largest)) * field(codes + row * DIMENSION / 2, i);
                assert_each(scores[row] == expected); /* 0 for padding */
            }
        }
        tear_down(&f);
    }
    ck_assert_uint_ge(level, 1);
}
END_TEST

static int32_t *sorted_scores; /* qsort has no context */

static int by_score(const void *a, const void *b) {
    const uint32_t p = *(const uint32_t *)a, q = *(const uint32_t *)b;
    if (sorted_scores[p] != sorted_scores[q]) return sorted_scores[p] > sorted_scores[q] ? -1 : 1;
    return p < q ? -1 : 1;
}

static void check_probe(fixture *f, const float *x) {
    static const uint32_t counts[] = {0, 1, 2, 7, 64, 512, 4000, 15000, 16191, 16192, UINT32_MAX};
    const uint32_t all = gosset__codec_cell_count(f->codec);
    uint32_t *expected = malloc(all * sizeof *expected), *found = malloc((all + 1) * sizeof *found);
    double length = 0;
    sorted_scores = malloc(all * sizeof *sorted_scores);
    gosset__codec_query_set(f->codec, x, f->query);
    gosset__codec_probe(f->codec, f->query, UINT32_MAX, found);
    memcpy(sorted_scores, gosset__codec_cell_scores(f->query), all * sizeof *sorted_scores);
    for (uint32_t c = 0; c < all; c++) expected[c] = c;
    qsort(expected, all, sizeof *expected, by_score);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        const uint32_t count = counts[i] < all ? counts[i] : all;
        found[count] = 0xDEADBEEF;
        gosset__codec_query_set(f->codec, x, f->query);
        memset(f->query->scores, 0x5A, all * sizeof *f->query->scores);
        ck_assert_uint_eq(gosset__codec_probe(f->codec, f->query, counts[i], found), count);
        ck_assert_mem_eq(found, expected, count * sizeof *found);
        ck_assert_uint_eq(found[count], 0xDEADBEEF);
        for (uint32_t c = 0; c < count; c++) /* each has its score */
            assert_each(gosset__codec_cell_scores(f->query)[found[c]] == sorted_scores[found[c]]);
    }
    /* scores are the inner products but for rounding */
    for (uint32_t i = 0; i < f->cells->dimension; i++) length += (double)x[i] * x[i];
    for (uint32_t c = 0; c < all && length > 0; c += 1 + all / 500) {
        int8_t point[GOSSET__LATTICE_MAX_DIMENSION];
        const gosset__wide rank = gosset__wide_make(c);
        f->cells->ops->unrank(f->cells, &rank, point);
        const double cosine = inner(x, point, f->cells->dimension) / sqrt(length * f->cells->norm);
        uint32_t terms = 0; /* each coordinate is rounded once */
        for (uint32_t i = 0; i < f->cells->dimension; i++) terms += (uint32_t)abs(point[i]);
        assert_each(fabs(sorted_scores[c] / 32000.0 - cosine) <= (0.5 * terms + 0.01) / 32000);
    }
    free(sorted_scores);
    free(expected);
    free(found);
}

START_TEST(probe) {
    static const char *const cell_specs[] = {"zn:24:3", "zn:3:9", "zn:1:4", "zn:8:12:2", "zn:24:2", "zn:10:8"};
    for (uint32_t level = 0; gosset__kernels_level(level) != NULL; level++) {
        fixture f = set_up(cell_specs[_i], "zn:64:500:7", gosset__kernels_level(level));
        static float queries[ROWS * DIMENSION];
        fill_latents(3, queries);
        memset(queries, 0, DIMENSION * sizeof *queries); /* all cells tie */
        for (size_t q = 0; q < ROWS; q += q < 8 ? 1 : 8) check_probe(&f, queries + q * DIMENSION);
        tear_down(&f);
    }
}
END_TEST

/** The best cell of a query is, but for rounding, the cell its own latent would get. */
START_TEST(own_cell) {
    fixture f = set_up("zn:24:3", "zn:64:500:7", gosset__kernels_level(0));
    gosset__rng rng = gosset__rng_make(42, 0);
    int own = 0;
    for (int row = 0; row < 200; row++) {
        float x[DIMENSION];
        uint32_t cell, best;
        uint8_t code[DIMENSION / 2];
        fill_vector(&rng, UNIFORM, DIMENSION, x);
        gosset__codec_encode(f.codec, 1, x, &cell, code);
        gosset__codec_query_set(f.codec, x, f.query);
        ck_assert_uint_eq(gosset__codec_probe(f.codec, f.query, 1, &best), 1);
        own += cell == best;
    }
    ck_assert_int_ge(own, 198);
    tear_down(&f);
}
END_TEST

/** Rows are encoded by groups of cells, more than fit a piece: each gets the code it has alone, on every level. */
enum { MANY = 1100, TURNED = 32, LATENT = 8, GROUPS = 3, FEATURES = TURNED + 3 };

typedef struct turned {
    float turns[GROUPS * TURNED * TURNED], centroids[112 * FEATURES], rows[MANY * (LATENT + FEATURES)];
    uint8_t group[112];
} turned;

static gosset__residual make_turned(turned *self) {
    gosset__rng rng = gosset__rng_make(43, 0);
    float steps[TURNED];
    for (size_t i = 0; i < sizeof self->turns / 4; i++) self->turns[i] = 0.2f * gosset__rng_normal(&rng);
    for (size_t i = 0; i < sizeof self->centroids / 4; i++) self->centroids[i] = 0.3f * gosset__rng_normal(&rng);
    for (size_t i = 0; i < sizeof self->rows / 4; i++) self->rows[i] = gosset__rng_normal(&rng);
    for (size_t c = 0; c < sizeof self->group; c++) self->group[c] = (uint8_t)(c * 7 % 10 < 8 ? 0 : c % GROUPS);
    gosset__residual residual = {.stretch = 1,
                                 .features = FEATURES,
                                 .groups = GROUPS,
                                 .turned = TURNED,
                                 .group = self->group,
                                 .centroids = self->centroids,
                                 .turns = self->turns};
    for (uint32_t i = 0; i < TURNED; i++) steps[i] = 0.1f;
    gosset__windows_start(&residual.windows, (uint32_t[]){2, 1, 0});
    gosset__windows_set_steps(&residual.windows, steps);
    gosset__windows_set_gains(&residual.windows, 1.5f);
    return residual;
}

START_TEST(codes_in_groups) {
    static turned self;
    static uint8_t codes[MANY * 12], alone[12];
    static uint32_t cells[MANY], cell;
    const gosset__env env = default_env(1);
    const gosset__residual residual = make_turned(&self);
    gosset_lattice *const cell_lattice = make_lattice("zn:8:2"), *const code_lattice = make_lattice("zn:8:20");
    gosset__codec *single, *codec;
    ck_assert_int_eq(
        gosset__codec_create(&single, cell_lattice, code_lattice, &residual, &env, gosset__kernels_level(0)),
        GOSSET_OK);
    ck_assert_uint_eq(gosset__codec_cell_count(single), 112);
    for (uint32_t level = 0; gosset__kernels_level(level) != NULL; level++) {
        ck_assert_int_eq(
            gosset__codec_create(&codec, cell_lattice, code_lattice, &residual, &env, gosset__kernels_level(level)),
            GOSSET_OK);
        memset(codes, 0xEE, sizeof codes);
        gosset__codec_encode(codec, MANY, self.rows, cells, codes);
        for (size_t row = level; row < MANY; row += 13) {
            gosset__codec_encode(single, 1, self.rows + row * (LATENT + FEATURES), &cell, alone);
            ck_assert_uint_eq(cell, cells[row]);
            ck_assert_mem_eq(alone, codes + row * sizeof alone, sizeof alone);
        }
        gosset__codec_free(codec);
    }
    gosset__codec_free(single);
    gosset_lattice_free(cell_lattice);
    gosset_lattice_free(code_lattice);
}
END_TEST

/** A residual codec whose cells stand for anything at all. */
enum { SPREAD = 48 };

static fixture set_up_residual(const char *cells, gosset__residual *residual, float *centroids,
                               const gosset__kernels *kernels) {
    fixture f = {.env = default_env(1), .cells = make_lattice(cells), .codes = make_lattice("zn:10:33")};
    gosset__rng rng = gosset__rng_make(43, 0);
    float steps[SPREAD];
    for (size_t i = 0; i < f.cells->point_count.word[0] * SPREAD; i++)
        centroids[i] = i % SPREAD == 0 ? 0 : 0.2f * gosset__rng_normal(&rng);
    for (int i = 0; i < SPREAD; i++) steps[i] = 0.2f;
    *residual = (gosset__residual){.stretch = 1, .features = SPREAD, .centroids = centroids};
    gosset__windows_start(&residual->windows, (uint32_t[]){2, 1, 0});
    gosset__windows_set_steps(&residual->windows, steps);
    gosset__windows_set_gains(&residual->windows, 1);
    ck_assert_int_eq(gosset__codec_create(&f.codec, f.cells, f.codes, residual, &f.env, kernels), GOSSET_OK);
    f.query = gosset__alloc(&f.env, gosset__codec_query_size(f.codec));
    ck_assert_ptr_nonnull(f.query);
    return f;
}

/** Of the cells whose scores are at most so far below the best, or half as far, and so on if these are too many: the
 *  one a query at this place finds least remote. */
static uint32_t least_remote(const fixture *f, const float *row, int32_t gap, uint32_t *best_by_score) {
    enum { LOOKED_AT = 64, CHOICE = 32 };
    uint32_t cells[LOOKED_AT], best = 0;
    gosset__remoteness remoteness[LOOKED_AT];
    gosset__codec_query_set(f->codec, row, f->query);
    const uint32_t count = gosset__codec_probe(f->codec, f->query, LOOKED_AT, cells);
    const int32_t *scores = gosset__codec_cell_scores(f->query);
    gosset__codec_remoteness(f->codec, f->query, cells, count, remoteness);
    uint32_t near = count;
    for (; near > CHOICE; gap /= 2)
        for (near = 1; near < count && scores[cells[near]] >= scores[cells[0]] - gap;) near++;
    for (uint32_t i = 1; i < near; i++)
        if ((uint64_t)remoteness[i].distance + remoteness[i].score <
            (uint64_t)remoteness[best].distance + remoteness[best].score)
            best = i;
    *best_by_score = cells[0];
    return cells[best];
}

/** Rows settle in the cell that a query at their place would look at first, which often is not the best by score. */
START_TEST(settled_cell) {
    static const char *const cell_specs[] = {"zn:10:6", "zn:8:12:2", "e8:8:4", "zn:10:8"};
    float *centroids = malloc(sizeof(float) * 52020 * SPREAD);
    gosset__residual residual;
    for (uint32_t level = 0; gosset__kernels_level(level) != NULL; level++) {
        fixture f = set_up_residual(cell_specs[_i], &residual, centroids, gosset__kernels_level(level));
        gosset__rng rng = gosset__rng_make(44, 0);
        int moved = 0;
        for (int n = 0; n < 300; n++) {
            float row[10 + SPREAD];
            uint32_t cell, own;
            uint8_t code[64];
            for (int i = 0; i < 10 + SPREAD; i++) row[i] = gosset__rng_normal(&rng) * (i < 10 ? 1 : 0.2f);
            row[10] = 0;
            gosset__codec_encode(f.codec, 1, row, &cell, code);
            const uint32_t expected = least_remote(&f, row, f.cells->ops->near != NULL ? 1500 : 0, &own);
            ck_assert_uint_eq(cell, expected);
            moved += cell != own;
        }
        ck_assert_int_ge(moved, f.cells->ops->near != NULL ? 30 : 0);
        tear_down(&f);
    }
    free(centroids);
}
END_TEST

/** A codec that stretches queries compares codes as one that does not, asked for stretched queries; cells do not see
 * it. */
START_TEST(stretched_queries) {
    enum { QUERIES = 50, CELLS = 32 };
    float *centroids = malloc(sizeof(float) * 16320 * SPREAD), shift[SPREAD];
    gosset__residual plain, stretched;
    gosset__rng rng = gosset__rng_make(45, 0);
    fixture f = set_up_residual("zn:10:6", &plain, centroids, gosset__kernels_level(0));
    gosset__codec *codec;
    for (int i = 0; i < SPREAD; i++) shift[i] = i > 0 ? 0.1f * gosset__rng_normal(&rng) : 0;
    stretched = plain;
    stretched.stretch = 1.5f;
    stretched.shift = shift;
    ck_assert_int_eq(gosset__codec_create(&codec, f.cells, f.codes, &stretched, &f.env, gosset__kernels_level(0)),
                     GOSSET_OK);
    gosset__codec_query *query = gosset__alloc(&f.env, gosset__codec_query_size(codec));
    for (int n = 0; n < QUERIES; n++) {
        float row[10 + SPREAD], by_hand[10 + SPREAD];
        uint32_t cells[CELLS], other[CELLS];
        gosset__remoteness remoteness[CELLS], expected[CELLS];
        for (int i = 0; i < 10 + SPREAD; i++) row[i] = i == 10 ? 0 : gosset__rng_normal(&rng);
        for (int i = 0; i < 10 + SPREAD; i++) by_hand[i] = i < 10 ? row[i] : 1.5f * row[i] + shift[i - 10];
        gosset__codec_query_set(codec, row, query);
        gosset__codec_query_set(f.codec, row, f.query);
        gosset__codec_probe(codec, query, CELLS, cells);
        gosset__codec_probe(f.codec, f.query, CELLS, other);
        ck_assert_mem_eq(cells, other, sizeof cells);
        gosset__codec_remoteness(codec, query, cells, CELLS, remoteness);
        gosset__codec_remoteness(f.codec, f.query, cells, CELLS, expected);
        ck_assert_mem_eq(remoteness, expected, sizeof expected);
        gosset__codec_query_set(f.codec, by_hand, f.query);
        ck_assert_mem_eq(gosset__codec_view(codec, query, cells[0]), gosset__codec_view(f.codec, f.query, cells[0]),
                         gosset__codec_view_size(codec));
    }
    gosset__free(&f.env, query);
    gosset__codec_free(codec);
    tear_down(&f);
    free(centroids);
}
END_TEST

/** What scores of codes in two halves are minus half of: the squared distance or, if that is more, eleven tenths of
 * what the first half and the features without a place say of it and a quarter of what the query leaves of the centroid
 * in the second half. */
static double split_square(const gosset__windows *windows, const float *query, const float *centroid, const float *x,
                           int *by_lead) {
    const uint32_t first = 8 * windows->words[0], places = gosset__windows_places(windows);
    double square = 0, least = 0;
    for (uint32_t i = 0; i < SPREAD; i++) {
        const double gap = (double)query[i] - (double)x[i], left = (double)query[i] - (double)centroid[i];
        square += gap * gap;
        least += i < first || i >= places ? 1.1 * gap * gap : 0.25 * left * left;
    }
    *by_lead = least > square;
    return *by_lead ? least : square;
}

START_TEST(scores_of_split_codes) {
    enum { CODED = GOSSET__SCAN_BLOCK, CODE = 12, CELL = 5, ROW = 10 + SPREAD, PLACES = 32 };
    float *centroids = malloc(sizeof(float) * 16320 * SPREAD);
    gosset__residual residual;
    for (uint32_t level = 0; gosset__kernels_level(level) != NULL; level++) {
        fixture f = set_up_residual("zn:10:6", &residual, centroids, gosset__kernels_level(level));
        gosset__rng rng = gosset__rng_make(46, 0);
        _Alignas(64) uint8_t block[CODED * CODE];
        float rows[CODED * ROW], decoded[CODED * SPREAD];
        uint8_t codes[CODED * CODE];
        uint32_t cells[CODED], by_lead = 0;
        int32_t scores[CODED];
        ck_assert_uint_lt(gosset__codec_lead_size(f.codec), CODE);
        ck_assert_uint_eq(gosset__windows_places(&residual.windows), PLACES);
        for (size_t i = 0; i < CODED * ROW; i++) rows[i] = i % ROW == 10 ? 0 : gosset__rng_normal(&rng);
        gosset__codec_encode(f.codec, CODED, rows, cells, codes);
        for (size_t r = 0; r < CODED; r++) cells[r] = CELL;
        gosset__codec_decode(f.codec, CODED, cells, codes, decoded);
        gosset__codec_block(f.codec, codes, CODED, block);
        for (size_t q = 0; q < CODED; q++) {
            float *asked = rows + q * ROW; /* every other agrees with its code where the second half speaks */
            for (uint32_t i = 16; i < PLACES && q % 2; i++) asked[10 + i] = decoded[q * SPREAD + i];
            gosset__codec_query_set(f.codec, asked, f.query);
            gosset__codec_scan(f.codec, gosset__codec_view(f.codec, f.query, CELL), CELL, block, 1, scores);
            for (size_t r = 0; r < CODED; r++) {
                int lead;
                const double square =
                    split_square(&residual.windows, asked + 10, centroids + CELL * SPREAD, decoded + r * SPREAD, &lead);
                const double score = scores[r] / (double)GOSSET__WINDOW_SCORE_ONE;
                by_lead += lead;
                assert_each(fabs(score + 0.5 * square) < 0.01 * square);
            }
        }
        ck_assert(by_lead >= CODED / 2 && by_lead <= CODED * CODED / 2);
        tear_down(&f);
    }
    free(centroids);
}
END_TEST

/** Scores of codes with repeats are minus half of the squared distances, but for the query's bytes and for what is left
 * of the product of a code's two parts; the repeats make codes of 4 bits several times finer. */
START_TEST(codes_with_repeats) {
    enum { PLACES = 16, CODED = 16 };
    static float centroids[112 * PLACES], rows[CODED * (LATENT + PLACES)];
    const gosset__env env = default_env(1);
    gosset__residual residual = {.stretch = 1, .features = PLACES, .centroids = centroids};
    gosset_lattice *const cell_lattice = make_lattice("zn:8:2"), *const code_lattice = make_lattice("zn:8:20");
    gosset__rng rng = gosset__rng_make(44, 0);
    float steps[2 * PLACES];
    double errors[2] = {0};
    for (uint32_t i = 0; i < 2 * PLACES; i++) steps[i] = i < PLACES ? 0.1f : 0.014f;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) rows[i] = gosset__rng_normal(&rng);
    for (size_t r = 0; r < CODED; r++) rows[r * (LATENT + PLACES) + LATENT] = 0; /* the gain's place */
    for (uint32_t repeat = 0; repeat < 2; repeat++) {
        gosset__codec *codec;
        _Alignas(64) static uint8_t block[CODED * 16];
        uint8_t codes[CODED * 16];
        uint32_t cells[CODED];
        float decoded[CODED * PLACES];
        int32_t scores[CODED];
        gosset__windows_start(&residual.windows, (uint32_t[]){2, repeat, 0});
        gosset__windows_set_steps(&residual.windows, steps);
        gosset__windows_set_gains(&residual.windows, 1.5f);
        if (repeat) gosset__windows_repeat(&residual.windows);
        ck_assert_int_eq(
            gosset__codec_create(&codec, cell_lattice, code_lattice, &residual, &env, gosset__kernels_level(0)),
            GOSSET_OK);
        ck_assert_uint_eq(gosset__codec_lead_size(codec), gosset__codec_code_size(codec));
        gosset__codec_query *query = gosset__alloc(&env, gosset__codec_query_size(codec));
        gosset__codec_encode(codec, CODED, rows, cells, codes);
        memset(cells, 0, sizeof cells); /* all centroids are 0 */
        gosset__codec_decode(codec, CODED, cells, codes, decoded);
        gosset__codec_block(codec, codes, CODED, block);
        for (size_t q = 0; q < CODED; q++) {
            const float *asked = rows + q * (LATENT + PLACES);
            gosset__codec_query_set(codec, asked, query);
            gosset__codec_scan(codec, gosset__codec_view(codec, query, 0), 0, block, 1, scores);
            for (size_t r = 0; r < CODED; r++) {
                double square = 0;
                for (uint32_t i = 0; i < PLACES; i++)
                    square += pow((double)asked[LATENT + i] - (double)decoded[r * PLACES + i], 2);
                if (q == r) errors[repeat] += square;
                assert_each(fabs(scores[r] / (double)GOSSET__WINDOW_SCORE_ONE + 0.5 * square) < 0.01 * square + 0.4);
            }
        }
        gosset__free(&env, query);
        gosset__codec_free(codec);
    }
    ck_assert_double_le(errors[1], 0.4 * errors[0]);
    gosset_lattice_free(cell_lattice);
    gosset_lattice_free(code_lattice);
}
END_TEST

/** Whatever a code's words are: its leaf says where its codes lie in the first places, and every level says the same.
 */
START_TEST(leaves_of_codes) {
    enum { LEAVES = 40, EACH = 20, PLACES = 8 * 5 + 16 * 3 + 32 };
    static const struct {
        uint32_t words[3], places;
    } kinds[] = {{{1, 0, 0}, 8},  {{1, 1, 1}, 24}, {{1, 2, 1}, 24}, {{1, 1, 2}, 24},
                 {{2, 1, 0}, 16}, {{4, 3, 0}, 32}, {{5, 3, 0}, 32}, {{2, 1, 1}, 16}};
    const gosset__env env = default_env(1);
    const uint32_t places = kinds[_i].places, size = 4 * (kinds[_i].words[0] + kinds[_i].words[1] + kinds[_i].words[2]);
    gosset_lattice *cells = make_lattice("zn:10:2"), *latents = make_lattice("zn:10:33");
    float *centroids = calloc(cells->point_count.word[0] * PLACES, sizeof *centroids), steps[PLACES], view[PLACES];
    float means[LEAVES][GOSSET__LEAF_PLACES] = {0}, decoded[PLACES], first[LEAVES], now[LEAVES];
    gosset__residual residual = {.stretch = 1, .features = PLACES, .centroids = centroids};
    for (int i = 0; i < PLACES; i++) steps[i] = 0.05f + 0.001f * (float)i;
    gosset__windows_start(&residual.windows, kinds[_i].words);
    gosset__windows_set_steps(&residual.windows, steps);
    gosset__windows_set_gains(&residual.windows, 1);
    for (uint32_t level = 0; gosset__kernels_level(level) != NULL; level++) {
        gosset__rng rng = gosset__rng_make(77, (uint64_t)_i);
        gosset__codec *codec;
        ck_assert_int_eq(gosset__codec_create(&codec, cells, latents, &residual, &env, gosset__kernels_level(level)),
                         GOSSET_OK);
        ck_assert_uint_eq(gosset__codec_leaf_places(codec), places);
        uint8_t *blocks = calloc((LEAVES + 15) / 16 * 8, places), code[4 * 9];
        float squares[LEAVES], leaf_steps[LEAVES], values[LEAVES][PLACES] = {0};
        gosset__leaf_sketches sketches = {blocks, squares, leaf_steps};
        for (uint32_t leaf = 0; leaf < LEAVES; leaf++) {
            memset(means[leaf], 0, sizeof means[leaf]);
            const uint8_t base = (uint8_t)gosset__rng_next(&rng);
            for (int n = 0; n < EACH; n++) {
                for (uint32_t i = 0; i < size; i++) code[i] = (uint8_t)(base + (gosset__rng_next(&rng) & 7));
                gosset__codec_leaf_add(codec, code, means[leaf]);
                gosset__codec_decode(codec, 1, &(uint32_t){3}, code, decoded);
                for (uint32_t i = 0; i < places; i++) values[leaf][i] += decoded[i] / EACH;
            }
            for (uint32_t i = 0; i < places; i++) means[leaf][i] /= EACH;
            gosset__codec_leaf_set(codec, means[leaf], leaf, &sketches);
        }
        for (uint32_t i = 0; i < PLACES; i++) view[i] = i == 0 ? 0 : 0.5f * gosset__rng_normal(&rng);
        gosset__codec_leaf_distances(codec, view, 3, &sketches, 0, LEAVES, now);
        if (level == 0) memcpy(first, now, sizeof now);
        ck_assert_mem_eq(first, now, sizeof now);
        gosset__codec_leaf_distances(codec, view, 3, &sketches, 17, 5, now);
        ck_assert_mem_eq(first + 17, now, 5 * sizeof *now);
        for (uint32_t leaf = 0; leaf < LEAVES; leaf++) {
            double along = 0, square = 0, length = 0;
            for (uint32_t i = 0; i < places; i++) {
                along += (double)view[i] * values[leaf][i];
                square += (double)values[leaf][i] * values[leaf][i];
                length += (double)view[i] * view[i];
            }
            assert_each(fabs(first[leaf] - (square - 2 * along)) <= 0.25 * (square + sqrt(square * length)) + 1e-6);
        }
        free(blocks);
        gosset__codec_free(codec);
    }
    free(centroids);
    gosset_lattice_free(cells);
    gosset_lattice_free(latents);
}
END_TEST

START_TEST(refused_pairs) {
    static const struct {
        const char *cells, *codes;
        gosset_status status;
    } pairs[] = {{"zn:24:3", "zn:20:79", GOSSET_E_DIMENSION},
                 {"zn:24:3", "zn:16:79", GOSSET_E_DIMENSION},
                 {"zn:24:7", "zn:64:500", GOSSET_E_ARGUMENT},
                 {"zn:24:79", "zn:64:500", GOSSET_E_ARGUMENT}};
    const gosset__env env = default_env(1);
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        gosset_lattice *cells = make_lattice(pairs[i].cells), *codes = make_lattice(pairs[i].codes);
        gosset__codec *codec = NULL;
        ck_assert_int_eq(gosset__codec_create(&codec, cells, codes, NULL, &env, gosset__kernels_level(0)),
                         pairs[i].status);
        ck_assert_ptr_null(codec);
        gosset_lattice_free(cells);
        gosset_lattice_free(codes);
    }
}
END_TEST

TCase *case_codec(void) {
    TCase *cases = tcase_create("codec");
    tcase_set_timeout(cases, 60);
    tcase_add_loop_test(cases, addresses, 0, 3);
    tcase_add_loop_test(cases, scan, 0, 3);
    tcase_add_loop_test(cases, probe, 0, 6);
    tcase_add_test(cases, own_cell);
    tcase_add_test(cases, codes_in_groups);
    tcase_add_loop_test(cases, settled_cell, 0, 4);
    tcase_add_test(cases, stretched_queries);
    tcase_add_test(cases, scores_of_split_codes);
    tcase_add_test(cases, codes_with_repeats);
    tcase_add_loop_test(cases, leaves_of_codes, 0, 8);
    tcase_add_test(cases, refused_pairs);
    return cases;
}
