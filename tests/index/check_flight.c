/* Many queries on their way at once: the answers of one after the other, failures that stay with their query. */
#include "base/rng.h"
#include "base/status.h"
#include "search_fixture.h"
#include "search_suites.h"

#include <fcntl.h>
#include <gosset/index.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ALL = 1u << 30, K = 12, QUERIES = 60, MAX_DONE = 16 };

static fixture data;
static uint64_t expected[QUERIES * K], ids[QUERIES * K];
static float expected_distances[QUERIES * K], distances[QUERIES * K];

static void tear_down(void) {
    fixture_remove(&data);
}

enum { BACKENDS = 3 };

static const char *backend_name(int number) {
    return gosset__io_registry[number % BACKENDS]->name;
}

static void open_again(int number) {
    if (number >= BACKENDS)
        fixture_open_on_disk(&data, backend_name(number));
    else
        fixture_open(&data, backend_name(number));
}

/** Every backend, first with codes in memory, then with codes on disk. */
static bool open_backend(int number) {
    const fixture_options options = {
        .type = GOSSET_U8, .dimension = 20, .count = 3000, .shard_size = 40000, .residual = number >= BACKENDS};
    fixture_build(&data, &options);
    if (strcmp(backend_name(number), "uring") == 0 && !uring_works()) return false;
    open_again(number);
    return true;
}

static gosset__search *new_search(uint32_t in_flight) {
    gosset__search *search = NULL;
    ck_assert_int_eq(gosset__search_create(&search, data.store, data.codec, data.kernels, &data.env), GOSSET_OK);
    ck_assert_int_eq(gosset__search_set_in_flight(search, in_flight), GOSSET_OK);
    return search;
}

/* The n-th of many different queries, all answered into their own places. */
static gosset__search_request nth(uint32_t n, float row[ROW]) {
    gosset__search_request request = fixture_request(&data, n % data.query_count, row, 1 + n * 7 % 112,
                                                     1 + n * 31 % 300, K, ids + n * K, distances + n * K);
    request.tag = n;
    return request;
}

/** With codes in memory. */
static void answer_one_by_one(int number) {
    fixture_open(&data, backend_name(number));
    gosset__search *search = new_search(1);
    for (uint32_t n = 0; n < QUERIES; n++) {
        float row[ROW];
        const gosset__search_request request = nth(n, row);
        ck_assert_int_eq(gosset__search_run(search, &request), GOSSET_OK);
    }
    gosset__search_free(search);
    memcpy(expected, ids, sizeof ids);
    memcpy(expected_distances, distances, sizeof distances);
    open_again(number);
}

/** Starts what there is room for and takes in what is done, until every query was told of once. */
static void fly(gosset__search *search, bool wait, gosset_status outcomes[QUERIES], char sentences[QUERIES][256]) {
    uint32_t started = 0, told = 0;
    for (uint32_t n = 0; n < QUERIES; n++) outcomes[n] = (gosset_status)1;
    while (told < QUERIES) {
        gosset__search_done done[MAX_DONE];
        while (started < QUERIES && gosset__search_has_room(search)) {
            float row[ROW];
            const gosset__search_request request = nth(started, row);
            const gosset_status status =
                started % 3 ? gosset__search_submit(search, &request) : gosset__search_start(search, &request);
            if (status == GOSSET_E_BUSY) break; /* larger than any before: alone, then */
            ck_assert_int_eq(status, GOSSET_OK);
            memset(row, 0xFF, sizeof row); /* it was copied */
            started++;
        }
        const uint32_t count = gosset__search_finish(search, wait, done, 1 + told % MAX_DONE);
        if (wait) ck_assert_uint_ge(count, 1);
        for (uint32_t i = 0; i < count; i++, told++) {
            ck_assert_int_eq(outcomes[done[i].tag], 1);
            outcomes[done[i].tag] = done[i].status;
            ck_assert_int_eq(done[i].sentence == NULL, done[i].status == GOSSET_OK);
            if (done[i].sentence != NULL) snprintf(sentences[done[i].tag], 256, "%s", done[i].sentence);
        }
    }
    ck_assert_uint_eq(gosset__search_in_flight(search), 0);
    ck_assert_uint_eq(gosset__search_finish(search, true, NULL, 0), 0);
}

static char sentences[QUERIES][256];
static gosset_status outcomes[QUERIES];

START_TEST(many_in_flight_answer_as_one_by_one) {
    static const uint32_t numbers[] = {1, 2, 3, 8, 17, GOSSET__SEARCH_MAX_IN_FLIGHT};
    if (!open_backend(_i)) return;
    answer_one_by_one(_i);
    for (size_t i = 0; i < 2 * sizeof numbers / sizeof *numbers; i++) {
        gosset__search *search = new_search(numbers[i / 2]);
        gosset__search_stats stats = {0};
        gosset__search_count(search, &stats);
        memset(ids, 0, sizeof ids);
        fly(search, i % 2, outcomes, sentences);
        for (uint32_t n = 0; n < QUERIES; n++) ck_assert_int_eq(outcomes[n], GOSSET_OK);
        ck_assert_mem_eq(ids, expected, sizeof ids);
        ck_assert_mem_eq(distances, expected_distances, sizeof distances);
        ck_assert_uint_ge(stats.io_batches, QUERIES);
        ck_assert_int_eq(stats.code_reads > 0, _i >= BACKENDS);
        ck_assert_uint_ge(stats.code_bytes, stats.code_reads * 4096);
        gosset__search_free(search);
    }
}
END_TEST

/* Room for a few pages, and queries that come again and again: fewer reads, the same answers. */
START_TEST(a_cache_changes_no_answer) {
    if (!open_backend(_i)) return;
    answer_one_by_one(_i);
    for (uint32_t pages = 0; pages <= 60; pages += 15) {
        gosset__search *search = new_search(5);
        gosset__search_stats stats = {0};
        gosset__search_count(search, &stats);
        ck_assert_int_eq(gosset__search_set_cache(search, 100), GOSSET_E_ARGUMENT);
        ck_assert_int_eq(gosset__search_set_cache(search, pages * 4200), GOSSET_OK);
        for (int round = 0; round < 3; round++) {
            memset(ids, 0, sizeof ids);
            fly(search, round % 2, outcomes, sentences);
            for (uint32_t n = 0; n < QUERIES; n++) ck_assert_int_eq(outcomes[n], GOSSET_OK);
            ck_assert_mem_eq(ids, expected, sizeof ids);
            ck_assert_mem_eq(distances, expected_distances, sizeof distances);
        }
        ck_assert_int_eq(stats.cache_hits > 0, pages > 0);
        ck_assert_uint_eq(stats.cache_misses, pages > 0 ? stats.pages_read : 0);
        float row[ROW];
        const gosset__search_request request = nth(0, row);
        ck_assert_int_eq(gosset__search_start(search, &request), GOSSET_OK);
        ck_assert_int_eq(gosset__search_set_cache(search, 8 * 4200), GOSSET_E_BUSY);
        gosset__search_free(search);
    }
}
END_TEST

START_TEST(no_more_than_agreed_are_taken) {
    if (!open_backend(_i)) return;
    gosset__search *search = new_search(3);
    gosset__search_done done[4];
    float row[ROW];
    for (uint32_t n = 0; n < 3; n++) {
        gosset__search_request request = nth(n, row);
        request.rerank = 20;
        ck_assert(gosset__search_has_room(search));
        ck_assert_int_eq(gosset__search_start(search, &request), GOSSET_OK);
    }
    const gosset__search_request fourth = nth(3, row);
    ck_assert(!gosset__search_has_room(search));
    ck_assert_int_eq(gosset__search_start(search, &fourth), GOSSET_E_BUSY);
    ck_assert_int_eq(gosset__search_set_in_flight(search, 4), GOSSET_E_BUSY);
    ck_assert_uint_eq(gosset__search_in_flight(search), 3);
    uint32_t told = gosset__search_finish(search, true, done, 4);
    ck_assert(told >= 1 && told <= 3);
    gosset__search_request large = fourth; /* does not fit into the room of the others */
    large.rerank = 2000;
    if (told < 3) ck_assert_int_eq(gosset__search_start(search, &large), GOSSET_E_BUSY);
    while (told < 3) told += gosset__search_finish(search, true, done, 4);
    ck_assert_int_eq(gosset__search_start(search, &large), GOSSET_OK);
    ck_assert_uint_eq(gosset__search_finish(search, true, done, 4), 1);
    ck_assert_int_eq(gosset__search_set_in_flight(search, 4), GOSSET_OK);
    gosset__search_free(search);
}
END_TEST

/* Freed with reads in flight: nothing is written afterwards, nothing leaks (the sanitizers look on). */
START_TEST(a_searcher_may_be_freed_with_queries_in_flight) {
    if (!open_backend(_i)) return;
    memset(ids, 0xEE, sizeof ids);
    for (int round = 0; round < 10; round++) {
        gosset__search *search = new_search(6);
        for (uint32_t n = 0; n < 6; n++) {
            float row[ROW];
            gosset__search_request request = nth(n, row);
            request.rerank = 30;
            ck_assert_int_eq(gosset__search_start(search, &request), GOSSET_OK);
        }
        if (round % 2) gosset__search_finish(search, false, NULL, 0);
        gosset__search_free(search);
    }
}
END_TEST

START_TEST(a_damaged_page_fails_its_queries_alone) {
    if (!open_backend(_i)) return;
    answer_one_by_one(_i);
    const gosset__io_file *file = &data.store->files->files[0];
    char path[GOSSET__PATH_MAX];
    size_t size;
    snprintf(path, sizeof path, "%s", file->path);
    unsigned char *bytes = file_bytes(path, &size);
    bytes[file->pages_offset + 2 * 4096 + 100] ^= 4;
    file_write(path, bytes, size);
    free(bytes);
    open_again(_i);
    gosset__search *search = new_search(8);
    for (int round = 0; round < 2; round++) {
        uint32_t failed = 0;
        fly(search, round, outcomes, sentences);
        for (uint32_t n = 0; n < QUERIES; n++) {
            if (outcomes[n] == GOSSET_OK) {
                ck_assert_mem_eq(ids + n * K, expected + n * K, K * sizeof *ids);
                continue;
            }
            failed++;
            ck_assert_int_eq(outcomes[n], GOSSET_E_CORRUPT);
            ck_assert_ptr_nonnull(strstr(sentences[n], path));
            ck_assert_ptr_nonnull(strstr(sentences[n], "page 2 "));
        }
        ck_assert(failed > 0 && failed < QUERIES);
    }
    gosset__search_free(search);
}
END_TEST

/* Codes that change once the index is open: the queries that read them fail, and name the place. */
START_TEST(damaged_codes_fail_their_queries_alone) {
    if (_i % BACKENDS == 2 || !open_backend(_i)) return; /* "memory" has read them already */
    answer_one_by_one(_i);
    const gosset__io_file *file = &data.store->files->files[data.store->shard_count + 1];
    const int descriptor = open(file->path, O_RDWR | O_CLOEXEC);
    uint8_t byte;
    ck_assert_int_eq(pread(descriptor, &byte, 1, (off_t)file->pages_offset + 700), 1);
    byte ^= 0x10;
    ck_assert_int_eq(pwrite(descriptor, &byte, 1, (off_t)file->pages_offset + 700), 1);
    ck_assert_int_eq(close(descriptor), 0);
    gosset__search *search = new_search(8);
    for (int round = 0; round < 2; round++) {
        uint32_t failed = 0;
        fly(search, round, outcomes, sentences);
        for (uint32_t n = 0; n < QUERIES; n++) {
            if (outcomes[n] == GOSSET_OK) {
                ck_assert_mem_eq(ids + n * K, expected + n * K, K * sizeof *ids);
                continue;
            }
            failed++;
            ck_assert_int_eq(outcomes[n], GOSSET_E_CORRUPT);
            ck_assert_ptr_nonnull(strstr(sentences[n], file->path));
            ck_assert_ptr_nonnull(strstr(sentences[n], "codes at byte"));
        }
        ck_assert(failed > 0 && failed < QUERIES);
    }
    gosset__search_free(search);
    fixture_close(&data); /* and the index is not opened any more */
    char path[TEMP_PATH_SIZE];
    snprintf(path, sizeof path, "%s", temp_path(data.directory, "index"));
    ck_assert_int_eq(gosset__store_open(&data.store, path, "threads", &data.env), GOSSET_OK);
    ck_assert_int_eq(gosset__store_leave_codes(data.store, "threads"), GOSSET_E_CORRUPT);
}
END_TEST

/* Runs longer than a chunk, codes that cross its end, and few pages to a buffer. */
START_TEST(large_cells_are_read_in_chunks) {
    const fixture_options options = {.type = GOSSET_U8, .dimension = 8, .count = 30000, .shard_size = 300000};
    if (strcmp(backend_name(_i), "uring") == 0 && !uring_works()) return;
    fixture_build(&data, &options);
    answer_one_by_one(_i + BACKENDS);
    gosset__search *search = new_search(7);
    gosset__search_stats stats = {0};
    gosset__search_count(search, &stats);
    memset(ids, 0, sizeof ids);
    fly(search, true, outcomes, sentences);
    ck_assert_mem_eq(ids, expected, sizeof ids);
    ck_assert_mem_eq(distances, expected_distances, sizeof distances);
    ck_assert_uint_gt(stats.code_bytes, stats.code_reads * 4096);
    float row[ROW]; /* everything: more chunks than there are buffers */
    gosset__search_request all = nth(0, row);
    all.effort.probe = ALL;
    fly(search, true, outcomes, sentences);
    stats = (gosset__search_stats){0};
    ck_assert_int_eq(gosset__search_run(search, &all), GOSSET_OK);
    ck_assert_uint_eq(stats.codes_scanned, 30000);
    ck_assert_uint_le(stats.code_bytes, 30000 * data.store->layout.code_size + (stats.code_reads + 1) * 2 * 4096);
    gosset__search_free(search);
}
END_TEST

static bool readable(int descriptor) {
    struct pollfd wanted = {.fd = descriptor, .events = POLLIN};
    return poll(&wanted, 1, 10000) == 1;
}

/* An event loop with nothing but the event: it must never wait for ever. */
START_TEST(the_event_wakes_for_every_query) {
    if (!open_backend(_i)) return;
    answer_one_by_one(_i);
    gosset__search *search = new_search(5);
    int event = -1, again = -1;
    uint32_t started = 0, told = 0;
    ck_assert_int_eq(gosset__search_event(search, &event), GOSSET_OK);
    ck_assert_int_eq(gosset__search_event(search, &again), GOSSET_OK);
    ck_assert_int_eq(event, again);
    memset(ids, 0, sizeof ids);
    while (told < QUERIES) {
        gosset__search_done done[2];
        while (started < QUERIES && gosset__search_has_room(search)) {
            float row[ROW];
            const gosset__search_request request = nth(started, row);
            if (gosset__search_submit(search, &request) != GOSSET_OK) break;
            gosset__search_finish(search, false, NULL, 0);
            started++;
        }
        ck_assert_msg(readable(event), "%u of %u answered, %u in flight, and no event", told, started,
                      gosset__search_in_flight(search));
        told += gosset__search_finish(search, false, done, 2);
    }
    ck_assert_mem_eq(ids, expected, sizeof ids);
    gosset__search_free(search);
}
END_TEST

START_TEST(queries_in_flight_allocate_nothing) {
    counting_allocator memory;
    gosset_env surroundings = counting_env(&memory, 0);
    if (!open_backend(_i)) return;
    gosset__search *search = NULL;
    gosset__env counted;
    ck_assert_int_eq(gosset__env_read(&counted, &surroundings), GOSSET_OK);
    ck_assert_int_eq(gosset__search_create(&search, data.store, data.codec, data.kernels, &counted), GOSSET_OK);
    ck_assert_int_eq(gosset__search_set_in_flight(search, 8), GOSSET_OK);
    fly(search, true, outcomes, sentences);
    const size_t calls = memory.calls;
    for (int round = 0; round < 5; round++) fly(search, round % 2, outcomes, sentences);
    ck_assert_uint_eq(memory.calls, calls);
    gosset__search_free(search);
    ck_assert_uint_eq(counting_held(&memory), 0);
}
END_TEST

Suite *flight_suite(void) {
    Suite *suite = suite_create("flight");
    TCase *cases = tcase_create("flight");
    const int backends = 2 * BACKENDS;
    tcase_add_checked_fixture(cases, NULL, tear_down);
    tcase_set_timeout(cases, 120);
    tcase_add_loop_test(cases, many_in_flight_answer_as_one_by_one, 0, backends);
    tcase_add_loop_test(cases, a_cache_changes_no_answer, 0, backends);
    tcase_add_loop_test(cases, no_more_than_agreed_are_taken, 0, backends);
    tcase_add_loop_test(cases, a_searcher_may_be_freed_with_queries_in_flight, 0, backends);
    tcase_add_loop_test(cases, a_damaged_page_fails_its_queries_alone, 0, backends);
    tcase_add_loop_test(cases, damaged_codes_fail_their_queries_alone, BACKENDS, backends);
    tcase_add_loop_test(cases, large_cells_are_read_in_chunks, 0, BACKENDS);
    tcase_add_loop_test(cases, the_event_wakes_for_every_query, 0, backends);
    tcase_add_loop_test(cases, queries_in_flight_allocate_nothing, 0, backends);
    suite_add_tcase(suite, cases);
    return suite;
}
