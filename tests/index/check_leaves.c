/* Leaves: which rows they are, where their sketches say they lie, and what is compared because of them. */
#include "base/rng.h"
#include "search_fixture.h"
#include "search_suites.h"

#include <gosset/index.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ALL = 1u << 30, K = 10, PROBE = 60, RERANK = 40, FAR = 1u << 30, COUNT = 30000 };

static fixture data;
static uint8_t *codes; /* packed, in the order of rows */

static gosset_status collect(void *context, const uint8_t *from, size_t count) {
    uint8_t **at = context;
    const size_t size = count * data.store->layout.code_size;
    memcpy(*at, from, size);
    *at += size;
    return GOSSET_OK;
}

static void set_up(void) {
    const fixture_options options = {
        .type = GOSSET_U8, .dimension = 4, .count = COUNT, .shard_size = 200000, .residual = 1};
    fixture_build(&data, &options);
    fixture_open(&data, "memory");
    codes = malloc(options.count * data.store->layout.code_size);
    uint8_t *at = codes;
    ck_assert_int_eq(gosset__store_pass_codes(data.store, collect, &at), GOSSET_OK);
}

static void tear_down(void) {
    free(codes);
    fixture_remove(&data);
}

static bool is_chosen(const gosset__slice *slice, uint64_t leaves, uint64_t row) {
    const uint64_t leaf = row / GOSSET__LEAF_ROWS - slice->first / GOSSET__LEAF_ROWS;
    return leaves >> leaf & 1;
}

/* Slices tile a cell; of any choice of leaves, the rows and the blocks that hold them. */
START_TEST(slices_hold_the_rows_of_a_cell) {
    gosset__rng rng = gosset__rng_make(8, 1);
    uint32_t leaf = 0, several = 0, parts = 0;
    ck_assert_ptr_nonnull(data.store->leaves);
    for (uint32_t cell = 0; cell < data.store->layout.cell_count; cell++) {
        const uint64_t end = data.store->cell_first[cell + 1];
        ck_assert_uint_eq(data.store->leaves->first[cell], leaf);
        for (uint64_t row = data.store->cell_first[cell]; row < end;) {
            const gosset__slice slice = gosset__slice_begin(data.store, row, end, leaf);
            const uint64_t any = gosset__rng_next(&rng) | (cell % 3 == 0 ? UINT64_MAX : 0);
            const uint64_t chosen = any & UINT64_MAX >> (64 - slice.count);
            uint64_t left = chosen, first, after, expected = slice.first, block, last;
            ck_assert(slice.first == row && slice.end > row && slice.end <= end && slice.count <= GOSSET__LEAVES_MAX);
            several += slice.count > 2;
            parts += slice.first > data.store->cell_first[cell];
            while (gosset__slice_rows(&slice, &left, &first, &after)) {
                for (; expected < first; expected++) ck_assert(!is_chosen(&slice, chosen, expected));
                for (; expected < after; expected++) ck_assert(is_chosen(&slice, chosen, expected));
            }
            for (; expected < slice.end; expected++) ck_assert(!is_chosen(&slice, chosen, expected));
            left = chosen;
            for (uint64_t again = chosen; gosset__slice_take(&slice, &left, &block, &last);) {
                ck_assert(gosset__slice_rows(&slice, &again, &first, &after));
                ck_assert(block == first / GOSSET__SCAN_BLOCK && last == (after + 15) / GOSSET__SCAN_BLOCK);
            }
            leaf += slice.count;
            row = slice.end;
        }
    }
    ck_assert_uint_eq(data.store->leaves->count, leaf);
    ck_assert_uint_gt(several, 10);
    ck_assert_uint_gt(parts, 2); /* cells of several slices */
}
END_TEST

/* The first features of what a cell's centroid and a leaf's codes stand for, on average. */
static void naive_mean(uint32_t cell, uint64_t first, uint64_t end, float centroid[FEATURES], float mean[FEATURES]) {
    float decoded[FEATURES];
    gosset__codec_decode(data.codec, 1, &cell, NULL, centroid);
    memset(mean, 0, FEATURES * sizeof *mean);
    for (uint64_t row = first; row < end; row++) {
        gosset__codec_decode(data.codec, 1, &cell, codes + row * data.store->layout.code_size, decoded);
        for (int i = 0; i < TURNED; i++) mean[i] += (decoded[i] - centroid[i]) / (float)(end - first);
    }
}

/* On every level the same bits, and near what a plain average says: 4 bits a place, queries and axes in bytes. */
START_TEST(sketches_say_where_leaves_lie) {
    const uint32_t view_size = (uint32_t)gosset__codec_view_size(data.codec);
    void *subject = aligned_alloc(64, gosset__codec_subject_size(data.codec)), *view = aligned_alloc(64, view_size);
    float row[ROW], more[GOSSET__LEAVES_MAX], centroid[FEATURES], mean[FEATURES];
    const gosset__kernels *level;
    double errors = 0, sizes = 0;
    for (uint32_t l = 0; (level = gosset__kernels_level(l)) != NULL; l++) {
        static float scalar[64][GOSSET__LEAVES_MAX];
        fixture_use(&data, level);
        for (uint32_t cell = 0; cell < data.store->layout.cell_count && cell < 64; cell++) {
            const uint64_t first = data.store->cell_first[cell], end = data.store->cell_first[cell + 1];
            if (first == end) continue;
            const gosset__slice slice = gosset__slice_begin(data.store, first, end, data.store->leaves->first[cell]);
            fixture_row(&data, fixture_query(&data, cell % data.query_count), row);
            gosset__codec_subject_set(data.codec, row, subject);
            gosset__codec_view_set(data.codec, subject, gosset__codec_group(data.codec, cell), view);
            gosset__codec_leaf_distances(data.codec, view, cell, &data.store->leaves->sketches, slice.leaf, slice.count,
                                         more);
            if (l == 0) memcpy(scalar[cell], more, sizeof more);
            ck_assert_mem_eq(scalar[cell], more, slice.count * sizeof *more);
            for (uint32_t i = 0; l == 0 && i < slice.count; i++) {
                const uint64_t from = i == 0 ? first : slice.first_end + (i - 1) * (uint64_t)GOSSET__LEAF_ROWS;
                const uint64_t to = i + 1 < slice.count ? slice.first_end + i * (uint64_t)GOSSET__LEAF_ROWS : slice.end;
                double along = 0, square = 0, length = 0;
                naive_mean(cell, from, to, centroid, mean);
                for (int f = 0; f < TURNED; f++) {
                    const double rest = (double)row[LATENT + f] - centroid[f];
                    along += rest * mean[f], square += (double)mean[f] * mean[f], length += rest * rest;
                }
                ck_assert_double_le(fabs(more[i] - (square - 2 * along)), 0.2 * sqrt(length * square) + 0.2 * square);
                errors += fabs(more[i] - (square - 2 * along)), sizes += fabs(square - 2 * along);
            }
        }
    }
    ck_assert_double_gt(sizes, 0);
    ck_assert_double_lt(errors, 0.1 * sizes);
    free(subject);
    free(view);
}
END_TEST

static uint64_t ids[12 * K], expected[12 * K];
static gosset__search_request requests[12];
static float rows[12][ROW];

static void make_requests(uint32_t leaf_reach) {
    for (uint32_t q = 0; q < data.query_count; q++) {
        requests[q] = fixture_request(&data, q, rows[q], PROBE, RERANK, K, ids + q * K, NULL);
        requests[q].effort.reach = FAR;
        requests[q].effort.leaf_reach = leaf_reach;
    }
}

static void note(void *context, const gosset__search_done *done) {
    ck_assert_int_eq(done->status, GOSSET_OK);
    ++*(uint32_t *)context;
}

/* Returns the codes compared. */
static uint64_t answer(bool together, bool on_disk) {
    gosset__search_stats stats = {0};
    gosset__search *search = NULL;
    uint32_t told = 0, planned = 0;
    memset(ids, 0, sizeof ids);
    if (on_disk) fixture_open_on_disk(&data, "threads");
    ck_assert_int_eq(gosset__search_create(&search, data.store, data.codec, data.kernels, &data.env), GOSSET_OK);
    gosset__search_count(search, &stats);
    const gosset__search_sink sink = {note, &told};
    if (together) {
        ck_assert_int_eq(gosset__search_together(search, requests, (uint32_t)data.query_count, &sink, &planned),
                         GOSSET_OK);
        ck_assert_uint_eq(planned, data.query_count);
        gosset__search_together_end(search, &sink);
        ck_assert_uint_eq(told, data.query_count);
    }
    for (uint32_t q = 0; !together && q < data.query_count; q++)
        ck_assert_int_eq(gosset__search_run(search, &requests[q]), GOSSET_OK);
    gosset__search_free(search);
    if (on_disk) fixture_open(&data, "memory");
    return stats.codes_scanned;
}

/* The nearer leaves have to be, the fewer codes are compared; never so few that answers lack; and the same ones
 * whether queries come alone or together, and wherever codes are. */
START_TEST(leaves_save_codes) {
    static const uint32_t octaves[] = {6, 4, 3, 2, 1, 0};
    make_requests(0);
    uint64_t last = answer(false, false);
    memcpy(expected, ids, sizeof ids);
    make_requests(UINT32_MAX);
    ck_assert_uint_eq(answer(false, false), last);
    ck_assert_mem_eq(ids, expected, sizeof ids);
    const uint64_t all = last;
    for (size_t i = 0; i < sizeof octaves / sizeof *octaves; i++) {
        make_requests(GOSSET__LEAF_REACH_ZERO + (octaves[i] << 22)); /* halves of them */
        const uint64_t compared = answer(false, false);
        ck_assert_uint_le(compared, last);
        last = compared;
        memcpy(expected, ids, sizeof ids);
        for (size_t n = 0; n < data.query_count * K; n++) ck_assert_uint_ne(ids[n], GOSSET_NO_ID);
        ck_assert_uint_eq(answer(true, false), compared);
        ck_assert_mem_eq(ids, expected, sizeof ids);
        answer(false, true);
        ck_assert_mem_eq(ids, expected, sizeof ids);
    }
    ck_assert_uint_lt(last, all / 2);
    make_requests(1);
    const uint64_t least = answer(false, false);
    ck_assert_uint_le(least, last);
    for (size_t n = 0; n < data.query_count * K; n++) ck_assert_uint_ne(ids[n], GOSSET_NO_ID);
}
END_TEST

/* What a row needs to be compared is what lets it be compared, and not much more. */
START_TEST(needs_are_what_it_takes) {
    gosset__codec_query *query = aligned_alloc(64, gosset__codec_query_size(data.codec));
    const uint32_t cell_count = data.store->layout.cell_count;
    uint32_t *cells = malloc(cell_count * sizeof *cells), least = UINT32_MAX;
    gosset__remoteness *remoteness = malloc(cell_count * sizeof *remoteness);
    float row[ROW];
    fixture_row(&data, fixture_query(&data, 3), row);
    gosset__codec_query_set(data.codec, row, query);
    const uint32_t found = gosset__codec_probe(data.codec, query, PROBE, cells);
    gosset__codec_remoteness(data.codec, query, cells, found, remoteness);
    for (uint32_t i = 0; i < found; i++) least = remoteness[i].distance < least ? remoteness[i].distance : least;
    uint64_t *candidates = malloc(COUNT * sizeof *candidates);
    uint32_t *order = malloc(COUNT * sizeof *order), checked = 0;
    gosset__search *search = NULL;
    ck_assert_int_eq(gosset__search_create(&search, data.store, data.codec, data.kernels, &data.env), GOSSET_OK);
    for (uint32_t i = 10; i < found; i += 7) {
        const uint64_t wanted = data.store->cell_first[cells[i]];
        if (wanted == data.store->cell_first[cells[i] + 1]) continue;
        const uint32_t need = gosset__candidates_leaf_need(data.store, data.codec, query, cells[i], wanted) - least +
                              GOSSET__LEAF_REACH_ZERO;
        for (int enough = 0; enough < 2; enough++) {
            const gosset__effort effort = {PROBE, FAR, enough ? need : need - (1u << 21)};
            gosset__survey survey;
            bool met = false;
            ck_assert_int_eq(gosset__search_candidates(search, row, &effort, COUNT, candidates, order, &survey),
                             GOSSET_OK);
            for (uint32_t c = 0; c < survey.found; c++) met |= candidates[c] == wanted;
            ck_assert_int_eq(met, enough);
            ck_assert_uint_eq(survey.compared, survey.found);
        }
        checked++;
    }
    ck_assert_uint_gt(checked, 3);
    gosset__search_free(search);
    free(query);
    free(cells);
    free(remoteness);
    free(candidates);
    free(order);
}
END_TEST

Suite *leaves_suite(void) {
    Suite *suite = suite_create("leaves");
    TCase *cases = tcase_create("leaves");
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_test(cases, slices_hold_the_rows_of_a_cell);
    tcase_add_test(cases, sketches_say_where_leaves_lie);
    tcase_add_test(cases, leaves_save_codes);
    tcase_add_test(cases, needs_are_what_it_takes);
    suite_add_tcase(suite, cases);
    return suite;
}
