/* Queries submitted and taken in by an event loop: the answers of gosset_searcher_search, and nothing lost. */
#include "api/world.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { K = 10, IN_FLIGHT = 6 };

static const char *const backends[] = {"auto", "threads", "memory"};
static gosset_index *shared;
static gosset_searcher *searcher;
static uint64_t expected[WORLD_QUERIES * K], ids[WORLD_QUERIES * K];
static float expected_distances[WORLD_QUERIES * K], distances[WORLD_QUERIES * K];

static void set_in_flight(uint32_t in_flight) {
    gosset_search_options options = {.struct_size = sizeof options, .recall = 0.97, .in_flight = in_flight};
    ck_ok(gosset_searcher_set(searcher, &options));
}

static void open_searcher(const char *path, const char *io) {
    gosset_index_config config = {.struct_size = sizeof config, .io = io};
    ck_ok(gosset_index_open(&shared, path, &config));
    ck_ok(gosset_searcher_create(&searcher, shared, NULL));
}

static void close_searcher(void) {
    gosset_searcher_free(searcher);
    gosset_index_close(shared);
}

static gosset_status submit(size_t row) {
    gosset_vectors query = rows_of(&w.query, row, 1);
    return gosset_searcher_submit(searcher, &query, K, ids + row * K, distances + row * K, 1000 + row);
}

static void answer_one_by_one(void) {
    set_in_flight(1);
    ck_ok(gosset_searcher_search(searcher, &w.query, K, expected, expected_distances));
    memset(ids, 0, sizeof ids);
    set_in_flight(IN_FLIGHT);
}

START_TEST(test_batches_answer_as_single_queries) {
    static const uint32_t numbers[] = {1, 2, 7, 0, 256};
    open_searcher(build("submit", &w.base, &(build_options){.shard_size = 256 << 10}), backends[_i]);
    answer_one_by_one();
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        set_in_flight(numbers[i]);
        memset(ids, 0, sizeof ids);
        ck_ok(gosset_searcher_search(searcher, &w.query, K, ids, distances));
        ck_assert_mem_eq(ids, expected, sizeof ids);
        ck_assert_mem_eq(distances, expected_distances, sizeof distances);
    }
    close_searcher();
}
END_TEST

/* As a server would: woken by the descriptor only. */
START_TEST(test_event_loop) {
    int event = -1;
    size_t submitted = 0, answered = 0;
    unsigned char seen[WORLD_QUERIES] = {0};
    open_searcher(build("submit", &w.base, NULL), backends[_i]);
    answer_one_by_one();
    ck_ok(gosset_searcher_eventfd(searcher, &event));
    gosset_searcher_reset_stats(searcher);
    while (answered < WORLD_QUERIES) {
        gosset_completion over[4];
        size_t count = 0;
        gosset_status status = GOSSET_OK;
        while (submitted < WORLD_QUERIES && status == GOSSET_OK) {
            status = submit(submitted);
            if (status == GOSSET_OK) submitted++;
        }
        ck_assert(status == GOSSET_OK || status == GOSSET_E_BUSY);
        ck_assert_uint_le(submitted - answered, IN_FLIGHT);
        struct pollfd readable = {.fd = event, .events = POLLIN};
        ck_assert_msg(poll(&readable, 1, 10000) == 1, "%zu submitted, %zu answered, and no event", submitted, answered);
        ck_ok(gosset_searcher_poll(searcher, over, 1 + answered % 4, &count));
        ck_assert_uint_le(count, 1 + answered % 4);
        for (size_t i = 0; i < count; i++, answered++) {
            ck_assert_int_eq(over[i].status, GOSSET_OK);
            ck_assert_ptr_null(over[i].error);
            ck_assert_uint_gt(over[i].pages_read, 0);
            ck_assert_uint_eq(seen[over[i].tag - 1000]++, 0);
        }
    }
    ck_assert_mem_eq(ids, expected, sizeof ids);
    ck_assert_mem_eq(distances, expected_distances, sizeof distances);
    gosset_search_stats stats = {.struct_size = sizeof stats};
    ck_ok(gosset_searcher_stats(searcher, &stats));
    ck_assert_uint_eq(stats.queries, WORLD_QUERIES);
    close_searcher();
}
END_TEST

START_TEST(test_limits_of_submission) {
    gosset_completion over[8];
    size_t count = 1;
    int event;
    static uint64_t many[500], alone[500];
    gosset_vectors query = rows_of(&w.query, 0, 1), two = rows_of(&w.query, 0, 2);
    open_searcher(build("submit", &w.base, NULL), backends[_i]);
    answer_one_by_one();
    ck_fails(gosset_searcher_submit(NULL, &query, K, ids, NULL, 0), GOSSET_E_ARGUMENT, "searcher");
    ck_fails(gosset_searcher_submit(searcher, NULL, K, ids, NULL, 0), GOSSET_E_ARGUMENT, "queries");
    ck_fails(gosset_searcher_submit(searcher, &two, K, ids, NULL, 0), GOSSET_E_ARGUMENT, "one query, found 2");
    ck_fails(gosset_searcher_submit(searcher, &query, 0, ids, NULL, 0), GOSSET_E_ARGUMENT, "k: expected");
    ck_fails(gosset_searcher_submit(searcher, &query, K, NULL, NULL, 0), GOSSET_E_ARGUMENT, "ids");
    ck_fails(gosset_searcher_poll(searcher, NULL, 3, &count), GOSSET_E_ARGUMENT, "completions");
    ck_fails(gosset_searcher_eventfd(searcher, NULL), GOSSET_E_ARGUMENT, "descriptor");
    ck_ok(gosset_searcher_wait(searcher, over, 8, &count)); /* nothing to wait for */
    ck_assert_uint_eq(count, 0);
    for (size_t i = 0; i < IN_FLIGHT; i++) ck_ok(submit(i));
    ck_fails(submit(IN_FLIGHT), GOSSET_E_BUSY, "6 queries are in flight");
    ck_fails(gosset_searcher_search(searcher, &query, K, ids, NULL), GOSSET_E_STATE, "in flight");
    ck_fails(gosset_searcher_eventfd(searcher, &event), GOSSET_E_STATE, "before queries are in flight");
    gosset_search_options options = {.struct_size = sizeof options, .in_flight = 3};
    ck_fails(gosset_searcher_set(searcher, &options), GOSSET_E_BUSY, "in flight");
    options.in_flight = 257;
    ck_fails(gosset_searcher_set(searcher, &options), GOSSET_E_ARGUMENT, "1 to 256, found 257");
    ck_ok(gosset_searcher_wait(searcher, over, 1, &count));
    ck_assert_uint_eq(count, 1);
    ck_fails(gosset_searcher_submit(searcher, &query, 500, many, NULL, 0), GOSSET_E_BUSY, "more room");
    for (size_t left = IN_FLIGHT - 1; left > 0; left -= count) {
        ck_ok(gosset_searcher_wait(searcher, over, 8, &count));
        ck_assert_uint_ge(count, 1);
    }
    ck_assert_mem_eq(ids, expected, IN_FLIGHT * K * sizeof *ids);
    ck_ok(gosset_searcher_submit(searcher, &query, 500, many, NULL, 77));
    ck_ok(gosset_searcher_wait(searcher, over, 8, &count));
    ck_assert_uint_eq(over[0].tag, 77);
    ck_ok(gosset_searcher_search(searcher, &query, 500, alone, NULL));
    ck_assert_mem_eq(many, alone, sizeof many);
    close_searcher();
}
END_TEST

static void flip_byte(const char *path, off_t at) {
    unsigned char byte;
    int descriptor = open(path, O_RDWR);
    ck_assert_int_eq(pread(descriptor, &byte, 1, at), 1);
    byte ^= 16;
    ck_assert_int_eq(pwrite(descriptor, &byte, 1, at), 1);
    close(descriptor);
}

/* The batch call fails as a whole and names the page; submitted queries fail alone. Afterwards all is well again. */
START_TEST(test_damaged_page) {
    char shard[TEMP_PATH_SIZE];
    size_t size, failed = 0, submitted = 0, answered = 0;
    const char *path = build("submit", &w.base, NULL);
    snprintf(shard, sizeof shard, "%s", temp_path(path, "shard-1-0000.gosset"));
    open_searcher(path, backends[_i]);
    answer_one_by_one();
    close_searcher();
    free(file_bytes(shard, &size));
    flip_byte(shard, (off_t)(size - 30 * 4096)); /* pages are at the end */
    open_searcher(path, backends[_i]);
    set_in_flight(IN_FLIGHT);
    ck_fails(gosset_searcher_search(searcher, &w.query, K, ids, NULL), GOSSET_E_CORRUPT, shard);
    memset(ids, 0, sizeof ids);
    while (answered < WORLD_QUERIES) {
        gosset_completion over[8];
        size_t count;
        while (submitted < WORLD_QUERIES && submit(submitted) == GOSSET_OK) submitted++;
        ck_ok(gosset_searcher_wait(searcher, over, 8, &count));
        for (size_t i = 0; i < count; i++, answered++) {
            const size_t at = (over[i].tag - 1000) * K;
            if (over[i].status == GOSSET_OK) {
                ck_assert_mem_eq(ids + at, expected + at, K * sizeof *ids);
                continue;
            }
            failed++;
            ck_assert_int_eq(over[i].status, GOSSET_E_CORRUPT);
            ck_assert_ptr_nonnull(strstr(over[i].error, shard));
        }
    }
    ck_assert(failed > 0 && failed < WORLD_QUERIES / 2);
    flip_byte(shard, (off_t)(size - 30 * 4096));
    if (strcmp(backends[_i], "memory") != 0) {
        ck_ok(gosset_searcher_search(searcher, &w.query, K, ids, NULL));
        ck_assert_mem_eq(ids, expected, sizeof ids);
    }
    close_searcher();
}
END_TEST

static uint64_t nanoseconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Who waits for a time gets what is there; nothing is lost by giving up, and nothing in flight means no waiting. */
START_TEST(test_waiting_for_a_time) {
    gosset_completion over[8];
    size_t count = 1, answered = 0, rounds = 0;
    open_searcher(build("submit", &w.base, NULL), backends[_i]);
    answer_one_by_one();
    ck_ok(gosset_searcher_wait_for(searcher, UINT64_MAX, over, 8, &count));
    ck_assert_uint_eq(count, 0);
    ck_fails(gosset_searcher_wait_for(NULL, 1, over, 8, &count), GOSSET_E_ARGUMENT, "searcher");
    ck_ok(submit(0));
    for (count = 0; count == 0;) ck_ok(gosset_searcher_wait_for(searcher, UINT64_MAX, over, 8, &count));
    for (size_t submitted = 1; answered + 1 < WORLD_QUERIES; rounds++) {
        while (submitted < WORLD_QUERIES && submit(submitted) == GOSSET_OK) submitted++;
        const uint64_t patience = rounds % 4 < 3 ? rounds % 4 * 1000 : 5000000, before = nanoseconds_now();
        ck_ok(gosset_searcher_wait_for(searcher, patience, over, 8, &count)); /* now and then too short */
        ck_assert(count > 0 || nanoseconds_now() - before >= patience);
        answered += count;
        ck_assert_uint_lt(rounds, 1000000);
    }
    ck_assert_mem_eq(ids, expected, sizeof ids);
    close_searcher();
}
END_TEST

START_TEST(test_freed_in_flight) {
    open_searcher(build("submit", &w.base, NULL), backends[_i]);
    answer_one_by_one();
    for (size_t i = 0; i < IN_FLIGHT; i++) ck_ok(submit(i));
    close_searcher();
}
END_TEST

static void remove_index(void) {
    temp_remove(temp_path(w.directory, "submit"));
}

TCase *case_submit(void) {
    TCase *tcase = tcase_create("submit");
    tcase_add_checked_fixture(tcase, NULL, remove_index);
    tcase_add_loop_test(tcase, test_batches_answer_as_single_queries, 0, 3);
    tcase_add_loop_test(tcase, test_event_loop, 0, 3);
    tcase_add_loop_test(tcase, test_limits_of_submission, 0, 3);
    tcase_add_loop_test(tcase, test_damaged_page, 0, 3);
    tcase_add_loop_test(tcase, test_waiting_for_a_time, 0, 3);
    tcase_add_loop_test(tcase, test_freed_in_flight, 0, 3);
    return tcase;
}
