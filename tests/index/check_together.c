/* Queries planned together: the answers of one after the other, whatever they share. */
#include "base/status.h"
#include "search_fixture.h"
#include "search_suites.h"

#include <gosset/index.h>
#include <stdlib.h>
#include <string.h>

enum { ALL = 1u << 30, K = 12, QUERIES = 75 };

static fixture data;
static uint64_t expected[QUERIES * K], ids[QUERIES * K];
static float expected_distances[QUERIES * K], distances[QUERIES * K];
static float rows[QUERIES][ROW];
static gosset__search_request requests[QUERIES];

static void tear_down(void) {
    fixture_remove(&data);
}

static bool open_backend(int number, fixture_options options) {
    const char *name = gosset__io_registry[number]->name;
    fixture_build(&data, &options);
    if (strcmp(name, "uring") == 0 && !uring_works()) return false;
    fixture_open(&data, name);
    return true;
}

static gosset__search *new_search(void) {
    gosset__search *search = NULL;
    ck_assert_int_eq(gosset__search_create(&search, data.store, data.codec, data.kernels, &data.env), GOSSET_OK);
    ck_assert_int_eq(gosset__search_set_in_flight(search, 5), GOSSET_OK);
    return search;
}

static void make_requests(uint32_t probe, uint32_t rerank) {
    for (uint32_t n = 0; n < QUERIES; n++) {
        requests[n] =
            fixture_request(&data, n % data.query_count, rows[n], probe, rerank, K, ids + n * K, distances + n * K);
        requests[n].tag = n;
    }
}

static void answer_one_by_one(gosset__search *search) {
    for (uint32_t n = 0; n < QUERIES; n++) ck_assert_int_eq(gosset__search_run(search, &requests[n]), GOSSET_OK);
    memcpy(expected, ids, sizeof ids);
    memcpy(expected_distances, distances, sizeof distances);
    memset(ids, 0, sizeof ids);
}

/* What was reported of each query, how often. */
typedef struct told {
    gosset_status status[QUERIES];
    uint32_t times[QUERIES];
} told;

static void note(void *context, const gosset__search_done *done) {
    told *self = context;
    self->status[done->tag] = done->status;
    self->times[done->tag]++;
    ck_assert_int_eq(done->sentence == NULL, done->status == GOSSET_OK);
}

/* `size` queries a call. */
static gosset_status answer_together(gosset__search *search, uint32_t size, told *outcomes) {
    const gosset__search_sink sink = {note, outcomes};
    gosset_status status = GOSSET_OK;
    uint32_t planned = 0;
    memset(outcomes, 0, sizeof *outcomes);
    for (uint32_t next = 0; next < QUERIES && status == GOSSET_OK; next += planned) {
        const uint32_t left = QUERIES - next;
        status = gosset__search_together(search, requests + next, left < size ? left : size, &sink, &planned);
        if (status == GOSSET_OK) ck_assert_uint_gt(planned, 0);
    }
    gosset__search_together_end(search, &sink);
    ck_assert_uint_eq(gosset__search_in_flight(search), 0);
    return status;
}

/* Twins have the same code: which of them is a candidate is decided by their rows. */
START_TEST(answers_are_those_of_one_by_one) {
    static const uint32_t kinds[][2] = {{1, 1}, {30, 40}, {112, 3}, {7, 300}, {ALL, ALL}}, sizes[] = {1, 2, 32, 75};
    const fixture_options options = {
        .type = GOSSET_U8, .dimension = 20, .count = 4000, .shard_size = 40000, .twins = 1, .residual = _i % 2};
    static told outcomes;
    if (!open_backend(_i / 2, options)) return;
    ck_assert_int_eq(data.store->lead_size < data.store->layout.code_size, _i % 2);
    gosset__search *search = new_search(), *alone = new_search();
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        gosset__search_stats stats[2] = {{0}, {0}};
        make_requests(kinds[i][0], kinds[i][1]);
        gosset__search_count(alone, &stats[0]);
        answer_one_by_one(alone);
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
            stats[1] = (gosset__search_stats){0};
            gosset__search_count(search, &stats[1]);
            ck_assert_int_eq(answer_together(search, sizes[s], &outcomes), GOSSET_OK);
            for (uint32_t n = 0; n < QUERIES; n++) {
                ck_assert_uint_eq(outcomes.times[n], 1);
                ck_assert_int_eq(outcomes.status[n], GOSSET_OK);
            }
            ck_assert_mem_eq(ids, expected, sizeof ids);
            ck_assert_mem_eq(distances, expected_distances, sizeof distances);
            ck_assert_uint_eq(stats[0].pages_read, stats[1].pages_read);
            ck_assert_uint_eq(stats[0].codes_scanned, stats[1].codes_scanned);
            ck_assert_uint_eq(stats[0].candidates, stats[1].candidates);
            memset(ids, 0, sizeof ids);
        }
    }
    gosset__search_free(search);
    gosset__search_free(alone);
}
END_TEST

START_TEST(what_cannot_be_answered_is_refused) {
    const fixture_options options = {.type = GOSSET_U8, .dimension = 20, .count = 500};
    static told outcomes;
    if (!open_backend(_i, options)) return;
    gosset__search *search = new_search();
    make_requests(20, 30);
    requests[40].vector_type = GOSSET_I8;
    ck_assert_int_eq(answer_together(search, 32, &outcomes), GOSSET_E_DIMENSION);
    for (uint32_t n = 0; n < QUERIES; n++) ck_assert_uint_eq(outcomes.times[n], n < 32); /* the first call's, all */
    make_requests(20, 30);
    ck_assert_int_eq(answer_together(search, 32, &outcomes), GOSSET_OK);
    gosset__search_free(search);
}
END_TEST

START_TEST(a_damaged_page_fails_its_queries_alone) {
    const fixture_options options = {.type = GOSSET_U8, .dimension = 20, .count = 3000};
    static told outcomes;
    if (!open_backend(_i, options)) return;
    gosset__search *search = new_search();
    make_requests(10, 20);
    answer_one_by_one(search);
    gosset__search_free(search);
    const gosset__io_file *file = &data.store->files->files[0];
    size_t size;
    unsigned char *bytes = file_bytes(file->path, &size);
    for (uint64_t page = 0; page < file->page_count; page += 12) bytes[file->pages_offset + page * 4096 + 100] ^= 4;
    char path[GOSSET__PATH_MAX];
    memcpy(path, file->path, strlen(file->path) + 1);
    file_write(path, bytes, size);
    free(bytes);
    fixture_open(&data, gosset__io_registry[_i]->name);
    search = new_search();
    ck_assert_int_eq(answer_together(search, QUERIES, &outcomes), GOSSET_OK);
    uint32_t failed = 0;
    for (uint32_t n = 0; n < QUERIES; n++) {
        ck_assert_uint_eq(outcomes.times[n], 1);
        failed += outcomes.status[n] == GOSSET_E_CORRUPT;
        if (outcomes.status[n] == GOSSET_OK) ck_assert_mem_eq(ids + n * K, expected + n * K, K * sizeof *ids);
    }
    ck_assert(failed > 0 && failed < QUERIES);
    gosset__search_free(search);
}
END_TEST

START_TEST(a_warm_searcher_allocates_nothing) {
    const fixture_options options = {.type = GOSSET_U8, .dimension = 20, .count = 2000, .residual = 1};
    static told outcomes;
    counting_allocator memory;
    gosset_env surroundings = counting_env(&memory, 0);
    if (!open_backend(_i, options)) return;
    fixture_close(&data);
    ck_assert_int_eq(gosset__env_read(&data.env, &surroundings), GOSSET_OK);
    fixture_open(&data, gosset__io_registry[_i]->name);
    gosset__search *search = new_search();
    make_requests(60, 100);
    ck_assert_int_eq(answer_together(search, QUERIES, &outcomes), GOSSET_OK);
    const size_t calls = memory.calls;
    for (uint32_t i = 0; i < 10; i++) {
        make_requests(60 - i, 100 - 9 * i);
        ck_assert_int_eq(answer_together(search, QUERIES - 7 * i, &outcomes), GOSSET_OK);
    }
    ck_assert_uint_eq(memory.calls, calls);
    gosset__search_free(search);
    fixture_close(&data);
    ck_assert_uint_eq(counting_held(&memory), 0);
    data.env = default_env(1);
}
END_TEST

START_TEST(every_allocation_may_fail_and_the_searcher_recovers) {
    const fixture_options options = {.type = GOSSET_U8, .dimension = 20, .count = 500};
    static told outcomes;
    fixture_build(&data, &options);
    fixture_open(&data, "memory");
    gosset__search *alone = new_search();
    make_requests(50, 60);
    answer_one_by_one(alone);
    gosset__search_free(alone);
    for (size_t n = 1; n < 40; n++) {
        counting_allocator memory;
        gosset__env failing;
        gosset_env surroundings = counting_env(&memory, n);
        gosset__search *search = NULL;
        ck_assert_int_eq(gosset__env_read(&failing, &surroundings), GOSSET_OK);
        gosset_status status = gosset__search_create(&search, data.store, data.codec, data.kernels, &failing);
        if (status == GOSSET_OK) {
            status = answer_together(search, 40, &outcomes);
            memory.fail_at = 0;
            ck_assert_int_eq(answer_together(search, 40, &outcomes), GOSSET_OK);
            ck_assert_mem_eq(ids, expected, sizeof ids);
        }
        gosset__search_free(search);
        ck_assert_uint_eq(counting_held(&memory), 0);
        if (status == GOSSET_OK) return;
        ck_assert_int_eq(status, GOSSET_E_NO_MEMORY);
    }
    ck_abort_msg("searching never went through");
}
END_TEST

Suite *together_suite(void) {
    Suite *suite = suite_create("together");
    TCase *cases = tcase_create("together");
    int backends = 0;
    while (gosset__io_registry[backends] != NULL) backends++;
    tcase_add_checked_fixture(cases, NULL, tear_down);
    tcase_add_loop_test(cases, answers_are_those_of_one_by_one, 0, 2 * backends);
    tcase_set_timeout(cases, 120);
    tcase_add_loop_test(cases, what_cannot_be_answered_is_refused, 0, backends);
    tcase_add_loop_test(cases, a_damaged_page_fails_its_queries_alone, 0, backends);
    tcase_add_loop_test(cases, a_warm_searcher_allocates_nothing, 0, backends);
    tcase_add_test(cases, every_allocation_may_fail_and_the_searcher_recovers);
    suite_add_tcase(suite, cases);
    return suite;
}
