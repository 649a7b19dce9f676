/* Queries against a real store: exact where everything is looked at, the same everywhere, never silently wrong. */
#include "base/rng.h"
#include "base/status.h"
#include "index/io/backend.h"
#include "index/topk.h"
#include "search_fixture.h"
#include "search_suites.h"

#include <fcntl.h>
#include <gosset/index.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ALL = 1u << 30, MAX_K = 1024 };

static fixture data;
static uint64_t ids[MAX_K], other_ids[MAX_K];
static float distances[MAX_K], other_distances[MAX_K];

static const fixture_options small = {.type = GOSSET_U8, .dimension = 20, .count = 3000, .shard_size = 40000};

static void tear_down(void) {
    fixture_remove(&data);
}

static gosset__search *new_search(void) {
    gosset__search *search = NULL;
    ck_assert_msg(gosset__search_create(&search, data.store, data.codec, data.kernels, &data.env) == GOSSET_OK, "%s",
                  gosset_last_error());
    return search;
}

static void assert_same(uint32_t k) {
    for (uint32_t i = 0; i < k; i++) {
        ck_assert_uint_eq(ids[i], other_ids[i]);
        ck_assert_msg(distances[i] == other_distances[i], "place %u: expected %.9g, found %.9g", i,
                      (double)other_distances[i], (double)distances[i]);
    }
}

/* ---- exactness ------------------------------------------------------------------------------ */

START_TEST(looking_at_everything_is_brute_force) {
    const fixture_options options = {.type = (gosset_type)(_i % 3),
                                     .metric = (gosset_metric)(_i / 3 % 3),
                                     .dimension = _i % 2 ? 20 : 47,
                                     .count = 700,
                                     .shard_size = _i % 4 ? 0 : 30000,
                                     .twins = _i / 9,
                                     .residual = _i % 5 == 0};
    fixture_build(&data, &options);
    fixture_open(&data, "auto");
    gosset__search *search = new_search();
    for (size_t q = 0; q < data.query_count; q++) {
        const uint32_t k = q % 2 ? 10 : 1 + (uint32_t)q * 60;
        ck_assert_int_eq(fixture_search(&data, search, q, ALL, ALL, k, ids, distances, NULL), GOSSET_OK);
        fixture_truth(&data, q, 0, k, other_ids, other_distances);
        assert_same(k);
    }
    gosset__search_free(search);
}
END_TEST

START_TEST(float_queries_meet_stored_bytes) {
    const fixture_options options = {
        .type = _i % 2 ? GOSSET_U8 : GOSSET_I8, .metric = (gosset_metric)(_i / 2), .dimension = 33, .count = 500};
    fixture_build(&data, &options);
    fixture_open(&data, "memory");
    gosset__search *search = new_search();
    for (size_t q = 0; q < data.query_count; q++) {
        const void *bytes = fixture_query(&data, q);
        float latent[ROW], query[33];
        gosset__search_request request = fixture_request(&data, q, latent, ALL, ALL, 20, ids, distances);
        request.vector = query;
        request.vector_type = GOSSET_F32;
        for (uint32_t i = 0; i < 33; i++)
            query[i] = _i % 2 ? (float)((const uint8_t *)bytes)[i] : (float)((const int8_t *)bytes)[i];
        ck_assert_int_eq(gosset__search_run(search, &request), GOSSET_OK);
        fixture_truth(&data, q, 1, 20, other_ids, other_distances);
        assert_same(20);
    }
    gosset__search_free(search);
}
END_TEST

START_TEST(slots_beyond_the_index_are_padded) {
    const fixture_options options = {.type = GOSSET_U8, .dimension = 20, .count = (size_t)_i};
    fixture_build(&data, &options);
    fixture_open(&data, "auto");
    gosset__search *search = new_search();
    for (uint32_t probe = 1; probe <= 200; probe += 199) {
        ck_assert_int_eq(fixture_search(&data, search, 0, probe, 1, 40, ids, distances, NULL), GOSSET_OK);
        fixture_truth(&data, 0, 0, 40, other_ids, other_distances);
        assert_same(40); /* whatever is asked for, 40 places are filled while there are rows */
        for (uint32_t i = (uint32_t)_i; i < 40; i++) {
            ck_assert_uint_eq(ids[i], GOSSET_NO_ID);
            ck_assert(isinf(distances[i]) && distances[i] > 0);
        }
    }
    gosset__search_free(search);
}
END_TEST

START_TEST(calls_that_cannot_be_answered_are_refused) {
    fixture_build(&data, &small);
    fixture_open(&data, "memory");
    gosset__search *search = new_search();
    float latent[ROW];
    const uint8_t *page = NULL;
    gosset__search_request request = fixture_request(&data, 0, latent, 1, 1, 1, ids, distances);
    request.vector_type = GOSSET_I8;
    ck_assert_int_eq(fixture_search(&data, search, 0, 1, 1, 0, ids, distances, NULL), GOSSET_E_ARGUMENT);
    ck_assert_int_eq(fixture_search(&data, search, 0, 1, 1, MAX_K + 1, ids, distances, NULL), GOSSET_E_ARGUMENT);
    ck_assert_int_eq(gosset__search_run(search, &request), GOSSET_E_DIMENSION);
    ck_assert_int_eq(gosset__search_set_in_flight(search, 0), GOSSET_E_ARGUMENT);
    ck_assert_int_eq(gosset__search_set_in_flight(search, GOSSET__SEARCH_MAX_IN_FLIGHT + 1), GOSSET_E_ARGUMENT);
    ck_assert_int_eq(gosset__search_read_page(search, data.store->page_count, &page), GOSSET_E_ARGUMENT);
    ck_assert_int_eq(fixture_search(&data, search, 0, 0, 0, MAX_K, ids, NULL, NULL), GOSSET_OK);
    gosset__search_free(search);
}
END_TEST

/* ---- candidates ----------------------------------------------------------------------------- */

/** Independent of blocks, runs and chunks: every row's code scored alone, from the store's blocks. */
static size_t plain_candidates(const float *latent, uint32_t probe, size_t count, gosset__ranked *best) {
    static _Alignas(64) uint8_t block[GOSSET__SCAN_BLOCK * ROW];
    uint32_t *cells = malloc(probe * sizeof *cells);
    gosset__codec_query *query = aligned_alloc(64, (gosset__codec_query_size(data.codec) + 63) / 64 * 64);
    gosset__ranked *all = malloc((data.count + 1) * sizeof *all);
    size_t found = 0;
    gosset__codec_query_set(data.codec, latent, query);
    const uint32_t probed = gosset__codec_probe(data.codec, query, probe, cells);
    for (uint32_t i = 0; i < probed; i++)
        for (uint64_t row = data.store->cell_first[cells[i]]; row < data.store->cell_first[cells[i] + 1]; row++) {
            int32_t scores[GOSSET__SCAN_BLOCK];
            gosset__codec_scan(data.codec, gosset__codec_view(data.codec, query, cells[i]), cells[i],
                               gosset__store_blocks(data.store, row / 16, 1, block), 1, scores);
            all[found++] = (gosset__ranked){.id = row, .rank = gosset__rank_of_score(scores[row % 16]), .zero = i};
        }
    gosset__ranked_sort(all, found);
    if (found > count) found = count;
    memcpy(best, all, found * sizeof *all);
    free(cells);
    free(query);
    free(all);
    return found;
}

/* What the first plane says of a code is never less than what both say; and it says something. */
START_TEST(bounds_are_never_below_scores) {
    static _Alignas(64) uint8_t block[GOSSET__SCAN_BLOCK * ROW];
    const fixture_options options = {.type = GOSSET_I8, .dimension = 24, .count = 2000, .residual = 1};
    const gosset__kernels *kernels;
    fixture_build(&data, &options);
    for (uint32_t level = 0; (kernels = gosset__kernels_level(level)) != NULL; level++) {
        fixture_use(&data, kernels);
        fixture_open(&data, "memory");
        gosset__codec_query *query = aligned_alloc(64, (gosset__codec_query_size(data.codec) + 63) / 64 * 64);
        const uint32_t lead = gosset__codec_lead_size(data.codec), cells = gosset__codec_cell_count(data.codec);
        ck_assert_uint_lt(lead, gosset__codec_code_size(data.codec));
        for (size_t q = 0; q < 4; q++) {
            float latent[ROW];
            double gaps = 0, sizes = 0;
            fixture_row(&data, fixture_query(&data, q), latent);
            gosset__codec_query_set(data.codec, latent, query);
            for (uint32_t cell = 0; cell < cells; cell++) {
                gosset__codec_aim(data.codec, query, 1, cell);
                for (uint64_t b = 0; b < data.store->block_count; b++) {
                    int32_t bounds[GOSSET__SCAN_BLOCK], scores[GOSSET__SCAN_BLOCK];
                    gosset__codec_scan_leads(data.codec, query, 1, data.store->blocks + b * GOSSET__SCAN_BLOCK * lead,
                                             1, bounds);
                    gosset__codec_scan_aimed(data.codec, query, 1, gosset__store_blocks(data.store, b, 1, block), 1,
                                             NULL, scores);
                    for (int i = 0; i < GOSSET__SCAN_BLOCK; i++) {
                        if (bounds[i] < scores[i]) ck_abort_msg("bound %d of score %d", bounds[i], scores[i]);
                        gaps += (double)bounds[i] - scores[i];
                        sizes -= scores[i];
                    }
                }
            }
            ck_assert_double_lt(gaps, 0.9 * sizes);
        }
        free(query);
    }
}
END_TEST

START_TEST(candidates_are_the_best_codes_of_the_probed_cells) {
    static const uint32_t probes[] = {1, 2, 7, 40, 111, 112, 5000}, counts[] = {1, 3, 40, 700, 2999, 9000};
    const fixture_options options = {
        .type = GOSSET_I8, .dimension = 24, .count = 6000, .shard_size = 50000, .residual = _i};
    gosset__ranked *expected = malloc(options.count * sizeof *expected);
    uint64_t *rows = malloc(options.count * sizeof *rows);
    uint32_t *order = malloc(options.count * sizeof *order);
    gosset__survey survey;
    fixture_build(&data, &options);
    fixture_open(&data, "memory");
    gosset__search *search = new_search();
    for (size_t q = 0; q < 4; q++)
        for (size_t p = 0; p < sizeof probes / sizeof *probes; p++)
            for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
                float latent[ROW];
                fixture_row(&data, fixture_query(&data, q), latent);
                const gosset__effort effort = {.probe = probes[p]};
                ck_assert_int_eq(gosset__search_candidates(search, latent, &effort, counts[c], rows, order, &survey),
                                 GOSSET_OK);
                ck_assert_uint_eq(survey.found, plain_candidates(latent, probes[p], counts[c], expected));
                for (uint32_t i = 0; i < survey.found; i++) {
                    ck_assert_uint_eq(rows[i], expected[i].id);
                    ck_assert_uint_eq(order[i], expected[i].zero);
                }
            }
    gosset__search_free(search);
    free(expected);
    free(rows);
    free(order);
}
END_TEST

START_TEST(pages_can_be_read_and_scored_alone) {
    fixture_build(&data, &small);
    fixture_open(&data, "auto");
    gosset__search *search = new_search();
    ck_assert_int_eq(fixture_search(&data, search, 0, ALL, ALL, MAX_K, ids, distances, NULL), GOSSET_OK);
    size_t records = 0, matched = 0;
    for (uint64_t page = 0; page < data.store->page_count; page++) {
        const uint8_t *bytes = NULL;
        ck_assert_int_eq(gosset__search_read_page(search, page, &bytes), GOSSET_OK);
        for (uint32_t r = 0; r < gosset__store_page_records(data.store, page); r++, records++) {
            uint64_t id;
            memcpy(&id, bytes + r * data.store->layout.record_size, sizeof id);
            const float distance = gosset__search_distance(search, fixture_query(&data, 0), data.type,
                                                           bytes + r * data.store->layout.record_size + sizeof id);
            for (uint32_t i = 0; i < MAX_K; i++)
                if (ids[i] == id) ck_assert(distances[i] == distance), matched++;
        }
    }
    ck_assert_uint_eq(records, data.count);
    ck_assert_uint_eq(matched, MAX_K);
    gosset__search_free(search);
}
END_TEST

/* ---- the same answers everywhere ------------------------------------------------------------- */

START_TEST(backends_and_cpu_levels_agree) {
    fixture_options options = small;
    options.residual = _i;
    fixture_build(&data, &options);
    uint64_t expected_ids[360];
    float expected[360];
    uint32_t compared = 0;
    for (uint32_t b = 0; gosset__io_registry[b] != NULL; b++) {
        if (strcmp(gosset__io_registry[b]->name, "uring") == 0 && !uring_works()) continue;
        fixture_open(&data, gosset__io_registry[b]->name);
        for (uint32_t level = 0; gosset__kernels_level(level) != NULL; level++, compared++) {
            fixture_use(&data, gosset__kernels_level(level));
            gosset__search *search = new_search();
            for (size_t q = 0; q < data.query_count; q++)
                ck_assert_int_eq(fixture_search(&data, search, q, 9, 50, 30, ids + 30 * q, distances + 30 * q, NULL),
                                 GOSSET_OK);
            gosset__search_free(search);
            if (compared == 0) memcpy(expected_ids, ids, sizeof expected_ids);
            if (compared == 0) memcpy(expected, distances, sizeof expected);
            ck_assert_mem_eq(ids, expected_ids, sizeof expected_ids);
            ck_assert_mem_eq(distances, expected, sizeof expected);
        }
    }
    ck_assert_uint_gt(compared, 1);
}
END_TEST

typedef struct worker {
    pthread_t thread;
    int failures;
} worker;

static void *search_alone(void *argument) {
    worker *self = argument;
    uint64_t found[30];
    float at[30];
    gosset__search *search = NULL;
    if (gosset__search_create(&search, data.store, data.codec, data.kernels, &data.env) != GOSSET_OK) {
        self->failures = 1000;
        return NULL;
    }
    for (int round = 0; round < 5; round++)
        for (size_t q = 0; q < data.query_count; q++)
            if (fixture_search(&data, search, q, ALL, ALL, 30, found, at, NULL) != GOSSET_OK ||
                memcmp(found, ids + 30 * q, sizeof found) != 0)
                self->failures++;
    gosset__search_free(search);
    return NULL;
}

START_TEST(four_searchers_on_four_threads) {
    worker workers[4] = {0};
    if (strcmp(gosset__io_registry[_i]->name, "uring") == 0 && !uring_works()) {
        fixture_build(&data, &small);
        return;
    }
    fixture_build(&data, &small);
    fixture_open(&data, gosset__io_registry[_i]->name);
    for (size_t q = 0; q < data.query_count; q++) fixture_truth(&data, q, 0, 30, ids + 30 * q, other_distances);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&workers[i].thread, NULL, search_alone, &workers[i]), 0);
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(pthread_join(workers[i].thread, NULL), 0);
        ck_assert_int_eq(workers[i].failures, 0);
    }
}
END_TEST

/* ---- what it costs -------------------------------------------------------------------------- */

START_TEST(statistics_count_what_was_done) {
    fixture_build(&data, &small);
    fixture_open(&data, "auto");
    gosset__search *search = new_search();
    gosset__search_stats stats = {0};
    ck_assert_int_eq(fixture_search(&data, search, 0, 50, 60, 10, ids, distances, &stats), GOSSET_OK);
    ck_assert_uint_eq(stats.cells_probed, 50);
    ck_assert_uint_eq(stats.candidates, 60);
    ck_assert_uint_gt(stats.codes_scanned, 60);
    ck_assert_uint_lt(stats.codes_scanned, data.count);
    ck_assert(stats.pages_read >= 1 && stats.pages_read <= 60);
    ck_assert_uint_eq(stats.bytes_read, stats.pages_read * data.store->layout.page_size);
    ck_assert_uint_eq(stats.io_batches, 1);
    ck_assert(stats.scan_ns > 0 && stats.io_ns > 0);
    stats = (gosset__search_stats){0};
    for (size_t q = 0; q < 3; q++)
        ck_assert_int_eq(fixture_search(&data, search, q, ALL, ALL, 10, ids, distances, &stats), GOSSET_OK);
    ck_assert_uint_eq(stats.codes_scanned, 3 * data.count);
    ck_assert_uint_eq(stats.pages_read, 3 * data.store->page_count);
    ck_assert_uint_eq(stats.cells_probed, 3 * gosset__codec_cell_count(data.codec));
    gosset__search_free(search);
}
END_TEST

START_TEST(more_pages_than_the_ring_holds_take_more_batches) {
    const fixture_options options = {.type = GOSSET_F32, .dimension = 500, .count = 2500}; /* two records a page */
    fixture_build(&data, &options);
    fixture_open(&data, "auto");
    gosset__search *search = new_search();
    gosset__search_stats stats = {0};
    ck_assert_uint_eq(data.store->page_count, 1250);
    ck_assert_int_eq(fixture_search(&data, search, 0, ALL, ALL, 10, ids, distances, &stats), GOSSET_OK);
    ck_assert_uint_eq(stats.pages_read, 1250);
    ck_assert_uint_eq(stats.io_batches, 2);
    fixture_truth(&data, 0, 0, 10, other_ids, other_distances);
    assert_same(10);
    gosset__search_free(search);
}
END_TEST

START_TEST(a_warm_searcher_allocates_nothing) {
    counting_allocator memory;
    gosset_env surroundings = counting_env(&memory, 0);
    gosset__search *search = NULL;
    fixture_build(&data, &small);
    ck_assert_int_eq(gosset__env_read(&data.env, &surroundings), GOSSET_OK);
    fixture_open(&data, gosset__io_registry[_i]->name);
    ck_assert_int_eq(gosset__search_create(&search, data.store, data.codec, data.kernels, &data.env), GOSSET_OK);
    ck_assert_int_eq(fixture_search(&data, search, 0, 60, 500, 100, ids, distances, NULL), GOSSET_OK);
    const size_t calls = memory.calls;
    for (uint32_t i = 0; i < 40; i++)
        ck_assert_int_eq(fixture_search(&data, search, i % data.query_count, 60 - i, 500 - 10 * i, 100 - 2 * i, ids,
                                        distances, NULL),
                         GOSSET_OK);
    ck_assert_uint_eq(memory.calls, calls);
    gosset__search_free(search);
    fixture_close(&data);
    ck_assert_uint_eq(counting_held(&memory), 0);
    data.env = default_env(1);
}
END_TEST

START_TEST(every_allocation_may_fail_and_the_searcher_recovers) {
    fixture_build(&data, &small);
    if (_i)
        fixture_open_on_disk(&data, "auto");
    else
        fixture_open(&data, "auto");
    fixture_truth(&data, 1, 0, 10, other_ids, other_distances);
    for (size_t n = 1; n < 40; n++) {
        counting_allocator memory;
        gosset__env failing;
        gosset_env surroundings = counting_env(&memory, n);
        gosset__search *search = NULL;
        ck_assert_int_eq(gosset__env_read(&failing, &surroundings), GOSSET_OK);
        gosset_status status = gosset__search_create(&search, data.store, data.codec, data.kernels, &failing);
        if (status == GOSSET_OK) {
            status = fixture_search(&data, search, 1, ALL, ALL, 10, ids, distances, NULL);
            memory.fail_at = 0;
            const uint8_t *page;
            ck_assert_int_eq(gosset__search_read_page(search, 0, &page), GOSSET_OK);
            ck_assert_int_eq(fixture_search(&data, search, 1, ALL, ALL, 10, ids, distances, NULL), GOSSET_OK);
            assert_same(10);
        }
        gosset__search_free(search);
        ck_assert_uint_eq(counting_held(&memory), 0);
        if (status == GOSSET_OK) return;
        ck_assert_int_eq(status, GOSSET_E_NO_MEMORY);
    }
    ck_abort_msg("searching never went through");
}
END_TEST

/* ---- damage --------------------------------------------------------------------------------- */

/* A backend that lies: reads come from memory, in another order, and one of them is spoilt. */
enum lie { LIE_NONE, LIE_FLIP, LIE_OTHER_PAGE, LIE_ZERO, LIE_ERROR, LIE_END, LIE_SUBMIT, LIE_BROKEN, LIES };
static struct {
    enum lie lie;
    uint32_t victim, handed; /* reads until one is spoilt; handed out so far */
    uint8_t spoilt[4096];
    const gosset__io_ops *honest;
    gosset__rng rng;
} liar;

static gosset_status liar_submit(gosset__io *io, const gosset__io_read *reads, uint32_t count) {
    gosset__io_read changed[1024];
    memcpy(changed, reads, count * sizeof *reads);
    const uint32_t victim = liar.victim % (count + !count);
    if (liar.lie == LIE_SUBMIT) return gosset__io_fail_read(io->files, reads[0].file, reads[0].page, 5);
    if (liar.lie == LIE_OTHER_PAGE)
        changed[victim].page = (reads[victim].page + 1) % io->files->files[reads[victim].file].page_count;
    for (uint32_t i = count; i > 1; i--) { /* completions come back in any order */
        const uint32_t j = (uint32_t)gosset__rng_below(&liar.rng, i);
        const gosset__io_read kept = changed[i - 1];
        changed[i - 1] = changed[j], changed[j] = kept;
    }
    return liar.honest->submit(io, changed, count);
}

/** Spoils a read that is done. */
static void lie_about(gosset__io_done *done) {
    memcpy(liar.spoilt, done->page, sizeof liar.spoilt);
    if (liar.lie == LIE_FLIP)
        liar.spoilt[gosset__rng_below(&liar.rng, sizeof liar.spoilt)] ^= (uint8_t)(1u << liar.victim % 8);
    if (liar.lie == LIE_ZERO) memset(liar.spoilt + 2048, 0, 2048);
    if (liar.lie == LIE_ERROR) done->error = 5; /* EIO */
    if (liar.lie == LIE_END) done->error = GOSSET__IO_END;
    done->page = liar.spoilt;
}

static gosset_status liar_reap(gosset__io *io, uint32_t minimum, gosset__io_done *done, uint32_t capacity,
                               uint32_t *count) {
    if (liar.lie == LIE_BROKEN) { /* as agreed nothing is in flight then */
        while (liar.honest->reap(io, 1, done, capacity, count) == GOSSET_OK && *count > 0) continue;
        return gosset__fail(GOSSET_E_IO, "broken");
    }
    if (capacity > minimum + liar.victim % 3) capacity = minimum + liar.victim % 3;
    const gosset_status status = liar.honest->reap(io, minimum, done, capacity, count);
    for (uint32_t i = 0; i < *count; i++)
        if (liar.handed++ == liar.victim) lie_about(&done[i]);
    return status;
}

static void start_lying(gosset__io_ops *lying) {
    *lying = *data.store->files->ops;
    liar.honest = data.store->files->ops;
    liar.rng = gosset__rng_make(8, 8);
    lying->submit = liar_submit;
    lying->reap = liar_reap;
    data.store->files->ops = lying;
}

/** What a query must end with. */
static gosset_status truth_about(enum lie lie) {
    if (lie == LIE_NONE) return GOSSET_OK;
    return lie == LIE_ERROR || lie == LIE_SUBMIT || lie == LIE_BROKEN ? GOSSET_E_IO : GOSSET_E_CORRUPT;
}

START_TEST(a_damaged_page_is_an_error_and_never_a_wrong_answer) {
    gosset__io_ops lying;
    fixture_build(&data, &small);
    fixture_open(&data, "memory");
    start_lying(&lying);
    gosset__search *search = new_search();
    for (uint32_t round = 0; round < 40 * LIES; round++) {
        liar.lie = (enum lie)(round % LIES);
        liar.victim = round / LIES * 5 % (uint32_t)data.store->page_count;
        liar.handed = 0;
        const size_t q = round % data.query_count;
        const gosset_status status = fixture_search(&data, search, q, ALL, ALL, 30, ids, distances, NULL);
        ck_assert_int_eq(status, truth_about(liar.lie));
        if (status != GOSSET_OK) {
            ck_assert_ptr_nonnull(strstr(gosset_last_error(), liar.lie == LIE_BROKEN ? "broken" : "page "));
            continue;
        }
        fixture_truth(&data, q, 0, 30, other_ids, other_distances);
        assert_same(30);
    }
    gosset__search_free(search);
    data.store->files->ops = liar.honest;
}
END_TEST

START_TEST(damage_on_the_disk_is_found_by_every_backend) {
    fixture_build(&data, &small);
    if (strcmp(gosset__io_registry[_i]->name, "uring") == 0 && !uring_works()) return;
    fixture_open(&data, "memory");
    const gosset__io_file *file = &data.store->files->files[0];
    char path[GOSSET__PATH_MAX];
    snprintf(path, sizeof path, "%s", file->path);
    const off_t at = (off_t)(file->pages_offset + 4096 + 100);
    const int descriptor = open(path, O_RDWR);
    uint8_t byte;
    ck_assert_int_eq(pread(descriptor, &byte, 1, at), 1);
    byte ^= 4;
    ck_assert_int_eq(pwrite(descriptor, &byte, 1, at), 1);
    fixture_open(&data, gosset__io_registry[_i]->name);
    gosset__search *search = new_search();
    ck_assert_int_eq(fixture_search(&data, search, 0, ALL, ALL, 10, ids, distances, NULL), GOSSET_E_CORRUPT);
    ck_assert_ptr_nonnull(strstr(gosset_last_error(), path));
    byte ^= 4;
    ck_assert_int_eq(pwrite(descriptor, &byte, 1, at), 1);
    close(descriptor);
    if (strcmp(gosset__io_registry[_i]->name, "memory") != 0) { /* the searcher is as good as before */
        ck_assert_int_eq(fixture_search(&data, search, 0, ALL, ALL, 10, ids, distances, NULL), GOSSET_OK);
        fixture_truth(&data, 0, 0, 10, other_ids, other_distances);
        assert_same(10);
    }
    gosset__search_free(search);
}
END_TEST

Suite *search_suite(void) {
    Suite *suite = suite_create("search");
    TCase *cases = tcase_create("search");
    int backends = 0;
    while (gosset__io_registry[backends] != NULL) backends++;
    tcase_add_checked_fixture(cases, NULL, tear_down);
    tcase_set_timeout(cases, 120);
    tcase_add_loop_test(cases, looking_at_everything_is_brute_force, 0, 18);
    tcase_add_loop_test(cases, float_queries_meet_stored_bytes, 0, 6);
    tcase_add_loop_test(cases, slots_beyond_the_index_are_padded, 0, 3);
    tcase_add_loop_test(cases, slots_beyond_the_index_are_padded, 39, 42);
    tcase_add_test(cases, calls_that_cannot_be_answered_are_refused);
    tcase_add_test(cases, bounds_are_never_below_scores);
    tcase_add_loop_test(cases, candidates_are_the_best_codes_of_the_probed_cells, 0, 2);
    tcase_add_test(cases, pages_can_be_read_and_scored_alone);
    tcase_add_loop_test(cases, backends_and_cpu_levels_agree, 0, 2);
    tcase_add_loop_test(cases, four_searchers_on_four_threads, 0, backends);
    tcase_add_test(cases, statistics_count_what_was_done);
    tcase_add_test(cases, more_pages_than_the_ring_holds_take_more_batches);
    tcase_add_loop_test(cases, a_warm_searcher_allocates_nothing, 0, backends);
    tcase_add_loop_test(cases, every_allocation_may_fail_and_the_searcher_recovers, 0, 2);
    tcase_add_test(cases, a_damaged_page_is_an_error_and_never_a_wrong_answer);
    tcase_add_loop_test(cases, damage_on_the_disk_is_found_by_every_backend, 0, backends);
    suite_add_tcase(suite, cases);
    return suite;
}
