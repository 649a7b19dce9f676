/* Reads that begin before all codes are compared: when they do, that answers do not change, and what they cost. */
#include "base/status.h"
#include "index/search_internal.h"
#include "index/topk.h"
#include "search_fixture.h"
#include "search_suites.h"

#include <stdlib.h>
#include <string.h>

enum { K = 10, PROBE = 12, QUERIES = 12, MAX_PAGES = 4096, EIO_NUMBER = 5 };

static fixture data;
static uint64_t expected[QUERIES * K], ids[K];
static float expected_distances[QUERIES * K], distances[K];

static void tear_down(void) {
    fixture_remove(&data);
}

/* A backend that writes down what it is asked for, and can refuse. */
static struct watcher {
    const gosset__io_ops *real;
    gosset__io_ops ops;
    uint64_t asked[MAX_PAGES]; /* shard << 32 | page */
    uint32_t count, submits, refusals, breaks;
    bool spoils; /* reads of pages that are not in `wanted` fail */
    const uint64_t *wanted;
    uint32_t wanted_count, spoilt;
    uint64_t of_buffer[2048];
} watcher;

static gosset_status watch_submit(gosset__io *io, const gosset__io_read *reads, uint32_t count) {
    if (watcher.refusals > 0) {
        watcher.refusals--;
        return gosset__fail(GOSSET_E_IO, "refused");
    }
    watcher.submits++;
    for (uint32_t i = 0; i < count; i++) {
        const uint64_t page = (uint64_t)reads[i].file << 32 | reads[i].page;
        ck_assert_uint_lt(watcher.count, MAX_PAGES);
        watcher.asked[watcher.count++] = page;
        watcher.of_buffer[(uint32_t)reads[i].tag] = page;
    }
    return watcher.real->submit(io, reads, count);
}

static bool is_wanted(uint64_t page) {
    for (uint32_t i = 0; i < watcher.wanted_count; i++)
        if (watcher.wanted[i] == page) return true;
    return false;
}

static gosset_status watch_reap(gosset__io *io, uint32_t minimum, gosset__io_done *done, uint32_t capacity,
                                uint32_t *count) {
    if (watcher.breaks > 0 && minimum == 0) { /* as agreed nothing is in flight then */
        gosset__io_done lost[64];
        watcher.breaks--;
        while (watcher.real->reap(io, 1, lost, 64, count) == GOSSET_OK && *count > 0) continue;
        return gosset__fail(GOSSET_E_IO, "broken");
    }
    const gosset_status status = watcher.real->reap(io, minimum, done, capacity, count);
    for (uint32_t i = 0; watcher.spoils && i < *count; i++) {
        if (is_wanted(watcher.of_buffer[(uint32_t)done[i].tag])) continue;
        done[i].error = EIO_NUMBER;
        watcher.spoilt++;
    }
    return status;
}

static void watch(bool resident) {
    memset(&watcher, 0, sizeof watcher);
    watcher.real = data.store->files->ops;
    watcher.ops = *watcher.real;
    watcher.ops.submit = watch_submit;
    watcher.ops.reap = watch_reap;
    watcher.ops.resident = resident;
    data.store->files->ops = &watcher.ops;
}

static gosset__search *new_search(uint32_t in_flight) {
    gosset__search *search = NULL;
    ck_assert_int_eq(gosset__search_create(&search, data.store, data.codec, data.kernels, &data.env), GOSSET_OK);
    ck_assert_int_eq(gosset__search_set_in_flight(search, in_flight), GOSSET_OK);
    return search;
}

/* Fifteen vectors a page; half of the cases with windows, which have bounds, and half with points. */
static bool open_backend(int number) {
    const char *name = gosset__io_registry[number / 2]->name;
    const fixture_options options = {
        .type = GOSSET_U8, .dimension = 120, .count = 1600, .shard_size = 100000, .residual = number % 2};
    fixture_build(&data, &options);
    if (strcmp(name, "uring") == 0 && !uring_works()) return false;
    fixture_open(&data, name);
    return true;
}

static gosset_status run(gosset__search *search, uint32_t query, uint32_t rerank, gosset__search_stats *stats) {
    watcher.count = 0;
    return fixture_search(&data, search, query, PROBE, rerank, K, ids, distances, stats);
}

/* Answers and pages when nothing is asked for early: as if pages were in memory. */
static uint64_t answer_late(uint32_t rerank, uint64_t *pages, uint32_t *counts) {
    uint64_t sum = 0;
    watch(true);
    gosset__search *search = new_search(1);
    for (uint32_t q = 0; q < QUERIES; q++) {
        ck_assert_int_eq(run(search, q, rerank, NULL), GOSSET_OK);
        memcpy(expected + q * K, ids, sizeof ids);
        memcpy(expected_distances + q * K, distances, sizeof distances);
        ck_assert_uint_le(watcher.count, rerank < K ? K : rerank);
        memcpy(pages + sum, watcher.asked, watcher.count * sizeof *pages);
        sum += counts[q] = watcher.count;
    }
    gosset__search_free(search);
    data.store->files->ops = watcher.real;
    return sum;
}

static void assert_expected(uint32_t query) {
    ck_assert_mem_eq(ids, expected + query * K, sizeof ids);
    ck_assert_mem_eq(distances, expected_distances + query * K, sizeof distances);
}

/* Pages that are not wanted fail when they are read, and nobody minds. */
START_TEST(answers_are_those_of_one_batch) {
    static const uint32_t reranks[] = {1, 14, 40, 128, 129};
    static uint64_t pages[QUERIES * 129];
    uint32_t counts[QUERIES], spoilt = 0;
    if (!open_backend(_i)) return;
    for (size_t r = 0; r < sizeof reranks / sizeof *reranks; r++) {
        gosset__search_stats stats = {0};
        uint64_t late = answer_late(reranks[r], pages, counts), at = 0, asked = 0;
        watch(false);
        gosset__search *search = new_search(1);
        watcher.spoils = true;
        for (uint32_t q = 0; q < QUERIES; q++) {
            watcher.wanted = pages + at;
            watcher.wanted_count = counts[q];
            ck_assert_int_eq(run(search, q, reranks[r], &stats), GOSSET_OK);
            assert_expected(q);
            at += counts[q];
            asked += watcher.count;
            for (uint32_t i = 0; i < watcher.count; i++)
                for (uint32_t j = 0; j < i; j++) ck_assert_uint_ne(watcher.asked[i], watcher.asked[j]);
        }
        ck_assert_uint_eq(asked, stats.pages_read);
        ck_assert_uint_eq(asked, late + watcher.spoilt);
        ck_assert_uint_le(asked, late + late / 4);
        spoilt += watcher.spoilt;
        if (reranks[r] > GOSSET__BEST_HEAP) ck_assert_uint_eq(watcher.submits, QUERIES); /* too many to rank */
        gosset__search_free(search);
        data.store->files->ops = watcher.real;
    }
    ck_assert_uint_gt(spoilt, 0);
}
END_TEST

/* Alone it starts reading at once; beside others, whose pages keep the device busy, it does not. */
START_TEST(only_a_lone_query_begins_early) {
    if (!open_backend(_i)) return;
    watch(false);
    gosset__search *search = new_search(3);
    gosset__search_done done[3];
    for (uint32_t round = 0; round < 2; round++) {
        uint64_t three[3][K];
        float rows[3][ROW];
        uint32_t told = 0;
        watcher.count = 0;
        for (uint32_t q = 0; q < 3; q++) {
            const uint32_t before = watcher.count;
            const bool alone = search->reading_count == 0; /* the others may be through already */
            gosset__search_request request = fixture_request(&data, q, rows[q], PROBE, 40, K, three[q], NULL);
            ck_assert_int_eq(gosset__search_start(search, &request), GOSSET_OK);
            ck_assert_int_eq(watcher.count > before, alone);
            if (q == 0) ck_assert(alone);
        }
        while (told < 3) told += gosset__search_finish(search, true, done, 3);
        for (uint32_t q = 0; q < 3; q++) {
            ck_assert_int_eq(run(search, q, 40, NULL), GOSSET_OK);
            ck_assert_mem_eq(ids, three[q], sizeof ids);
        }
    }
    gosset__search_free(search);
    data.store->files->ops = watcher.real;
}
END_TEST

/* A backend that fails early is asked again; one that fails for good fails the query. */
START_TEST(failures_do_no_harm) {
    static uint64_t pages[QUERIES * 40];
    uint32_t counts[QUERIES];
    if (!open_backend(_i)) return;
    answer_late(40, pages, counts);
    watch(false);
    gosset__search *search = new_search(2);
    for (uint32_t q = 0; q < QUERIES; q++) {
        watcher.refusals = q % 2;
        watcher.breaks = q / 2 % 3;
        ck_assert_int_eq(run(search, q, 40, NULL), GOSSET_OK);
        watcher.breaks = 0;
        assert_expected(q);
        watcher.refusals = 9;
        ck_assert_int_eq(run(search, q, 40, NULL), GOSSET_E_IO);
        watcher.refusals = 0;
        ck_assert_uint_eq(gosset__search_in_flight(search), 0);
    }
    gosset__search_free(search);
    data.store->files->ops = watcher.real;
}
END_TEST

/* Pages that are kept are not asked for, early or late. */
START_TEST(kept_pages_are_not_read) {
    if (!open_backend(_i)) return;
    static uint64_t pages[QUERIES * 40];
    uint32_t counts[QUERIES];
    answer_late(40, pages, counts);
    watch(false);
    gosset__search *search = new_search(1);
    ck_assert_int_eq(gosset__search_set_cache(search, 64 << 20), GOSSET_OK);
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t q = 0; q < QUERIES; q++) {
            gosset__search_stats stats = {0};
            ck_assert_int_eq(run(search, q, 40, &stats), GOSSET_OK);
            assert_expected(q);
            ck_assert_uint_eq(stats.cache_misses, watcher.count);
            ck_assert_uint_ge(stats.cache_hits + stats.cache_misses, counts[q]);
            if (round > 0) ck_assert_uint_ge(stats.cache_hits, counts[q]);
        }
    }
    gosset__search_free(search);
    data.store->files->ops = watcher.real;
}
END_TEST

Suite *early_suite(void) {
    Suite *suite = suite_create("early");
    TCase *cases = tcase_create("early");
    const int backends = 6; /* each with two kinds of codes */
    tcase_add_checked_fixture(cases, NULL, tear_down);
    tcase_set_timeout(cases, 120);
    tcase_add_loop_test(cases, answers_are_those_of_one_batch, 0, backends);
    tcase_add_loop_test(cases, only_a_lone_query_begins_early, 0, backends);
    tcase_add_loop_test(cases, failures_do_no_harm, 0, backends);
    tcase_add_loop_test(cases, kept_pages_are_not_read, 0, backends);
    suite_add_tcase(suite, cases);
    return suite;
}
