/* Whose turn it is: a query whose pages are here is told of before a younger one is planned to its end. */
#include "base/status.h"
#include "index/search_internal.h"
#include "search_fixture.h"
#include "search_suites.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

enum { K = 10, PROBE = 60, RERANK = 40, QUERIES = 6, ROOM = 4 };

static fixture data;
static gosset__search *search;
static uint64_t expected[QUERIES * K], ids[QUERIES * K];

/* Pages in memory behind a gate: what is read while it is shut arrives once it is open. `broken`: no read works. */
static struct gate {
    const gosset__io_ops *real;
    gosset__io_ops ops;
    bool shut;
    gosset_status broken;
    uint32_t asked;  /* pages so far */
    uint64_t askers; /* a bit for each query */
} gate;

static gosset_status gate_submit(gosset__io *io, const gosset__io_read *reads, uint32_t count) {
    gate.asked += count;
    for (uint32_t i = 0; i < count; i++) gate.askers |= 1ull << (reads[i].tag >> 32);
    return gate.real->submit(io, reads, count);
}

static gosset_status gate_reap(gosset__io *io, uint32_t minimum, gosset__io_done *done, uint32_t capacity,
                               uint32_t *count) {
    *count = 0;
    if (gate.broken != GOSSET_OK) {
        gosset__io_done lost[256];
        while (gate.real->reap(io, 0, lost, 256, count) == GOSSET_OK && *count > 0) continue;
        return gosset__fail(gate.broken, "broken");
    }
    return gate.shut ? GOSSET_OK : gate.real->reap(io, minimum, done, capacity, count);
}

static gosset__search_request nth(uint32_t n, float row[ROW]) {
    return fixture_request(&data, n, row, PROBE, RERANK, K, ids + n * K, NULL);
}

static void submit(uint32_t n) {
    float row[ROW];
    unsigned char vector[64];
    gosset__search_request request = nth(n, row);
    ck_assert_uint_le(fixture_row_size(&data), sizeof vector);
    request.vector = memcpy(vector, request.vector, fixture_row_size(&data));
    ck_assert_int_eq(gosset__search_submit(search, &request), GOSSET_OK);
    memset(row, 0xFF, sizeof row); /* both were copied */
    memset(vector, 0xFF, sizeof vector);
    ck_assert_uint_eq(gosset__search_finish(search, false, NULL, 0), 0);
}

static uint32_t told(gosset__search_done done[ROOM]) {
    return gosset__search_finish(search, false, done, ROOM);
}

static void assert_answered(const gosset__search_done *done, uint32_t n) {
    ck_assert_uint_eq(done->tag, n);
    ck_assert_int_eq(done->status, GOSSET_OK);
    ck_assert_mem_eq(ids + n * K, expected + n * K, K * sizeof *ids);
}

/* Half of the cases with windows, half with points. */
static void set_up(int number) {
    const fixture_options options = {.type = GOSSET_U8, .dimension = 20, .count = 3000, .residual = number % 2};
    fixture_build(&data, &options);
    fixture_open(&data, "memory");
    ck_assert_int_eq(gosset__search_create(&search, data.store, data.codec, data.kernels, &data.env), GOSSET_OK);
    ck_assert_int_eq(gosset__search_set_in_flight(search, ROOM), GOSSET_OK);
    for (uint32_t n = 0; n < QUERIES; n++) {
        float row[ROW];
        const gosset__search_request request = nth(n, row);
        ck_assert_int_eq(gosset__search_run(search, &request), GOSSET_OK);
    }
    memcpy(expected, ids, sizeof ids);
    memset(ids, 0, sizeof ids);
    memset(&gate, 0, sizeof gate);
    gate.real = search->io->ops;
    gate.ops = *gate.real;
    gate.ops.submit = gate_submit;
    gate.ops.reap = gate_reap;
    gate.ops.resident = false;
    search->io->ops = &gate.ops;
}

static void tear_down(void) {
    if (search != NULL) {
        if (search->io != NULL) search->io->ops = gate.real;
        gosset__search_free(search);
    }
    search = NULL;
    fixture_remove(&data);
}

/* Query 0 reads; its pages come in while query 1 is planned. */
static void stand_back(void) {
    gate.shut = true;
    submit(0);
    const uint32_t asked = gate.asked;
    ck_assert_uint_gt(asked, 0);
    gate.shut = false;
    submit(1);
    ck_assert_uint_eq(gate.asked, asked);
    ck_assert_uint_eq(gosset__search_in_flight(search), 2);
}

START_TEST(older_queries_are_told_of_first) {
    gosset__search_done done[ROOM];
    set_up(_i);
    for (int round = 0; round < 3; round++) {
        stand_back();
        const uint32_t asked = gate.asked;
        ck_assert_uint_eq(told(done), 1); /* and no page of the other is asked for on the way */
        assert_answered(&done[0], 0);
        ck_assert_uint_eq(gate.asked, asked);
        ck_assert_uint_eq(gosset__search_in_flight(search), 1);
        ck_assert_uint_eq(told(done), 1);
        assert_answered(&done[0], 1);
        ck_assert_uint_gt(gate.asked, asked);
        ck_assert_uint_eq(told(done), 0);
        ck_assert_uint_eq(gosset__search_in_flight(search), 0);
    }
}
END_TEST

/* While no page comes in a query is planned at one go, and its reads begin. */
START_TEST(nothing_is_put_off_in_vain) {
    gosset__search_done done[ROOM];
    set_up(_i);
    gate.shut = true;
    for (uint32_t n = 0; n < ROOM; n++) {
        const uint64_t askers = gate.askers;
        submit(n);
        ck_assert_uint_ne(gate.askers, askers);
        ck_assert_ptr_null(search->planning.query);
    }
    gate.shut = false;
    ck_assert_uint_eq(told(done), ROOM);
    for (uint32_t n = 0; n < ROOM; n++) assert_answered(&done[n], (uint32_t)done[n].tag);
}
END_TEST

/* The one that stood back is planned before the next begins, and who waits gets both. */
START_TEST(none_is_overtaken) {
    gosset__search_done done[ROOM];
    set_up(_i);
    stand_back();
    const uint32_t asked = gate.asked;
    gate.shut = true;
    submit(2);
    ck_assert_uint_gt(gate.asked, asked);
    ck_assert_uint_eq(gosset__search_in_flight(search), 3);
    gate.shut = false;
    uint32_t count = 0;
    while (count < 3) {
        const uint32_t more = gosset__search_finish(search, true, done + count, ROOM - count);
        ck_assert_uint_gt(more, 0);
        count += more;
    }
    assert_answered(&done[0], 0);
    for (uint32_t i = 1; i < 3; i++) assert_answered(&done[i], (uint32_t)done[i].tag);
}
END_TEST

START_TEST(who_stands_back_is_in_flight) {
    float row[ROW];
    gosset__search_done done[ROOM];
    set_up(_i);
    stand_back();
    gosset__search_request large = nth(2, row);
    large.rerank = 1000;
    ck_assert_int_eq(gosset__search_start(search, &large), GOSSET_E_BUSY); /* memory would move */
    ck_assert_int_eq(gosset__search_set_in_flight(search, 2), GOSSET_E_BUSY);
    ck_assert_int_eq(gosset__search_set_cache(search, 1 << 20), GOSSET_E_BUSY);
    for (uint32_t count = 0; count < 2;) count += gosset__search_finish(search, true, done, 1);
    ck_assert_mem_eq(ids, expected, 2 * K * sizeof *ids);
    stand_back(); /* and it is freed like this */
}
END_TEST

/* An event loop that sleeps until the event must come back for the rest of the planning. */
START_TEST(the_event_stays_until_it_is_planned) {
    gosset__search_done done[ROOM];
    int event = -1;
    set_up(_i);
    search->io->ops = gate.real; /* it is opened anew, with the event */
    ck_assert_int_eq(gosset__search_event(search, &event), GOSSET_OK);
    search->io->ops = &gate.ops;
    stand_back();
    for (uint32_t n = 0; n < 2; n++) {
        struct pollfd wanted = {.fd = event, .events = POLLIN};
        ck_assert_int_eq(poll(&wanted, 1, 0), 1);
        ck_assert_uint_eq(told(done), 1);
        assert_answered(&done[0], n);
    }
}
END_TEST

/* Reads that stop working fail who waits for some. Who is planned asks again, alone or not. */
START_TEST(a_failure_meets_who_reads) {
    gosset__search_done done[ROOM];
    set_up(_i);
    gate.shut = true;
    submit(0);
    gate.broken = GOSSET_E_IO;
    submit(1);
    ck_assert_uint_eq(told(done), 1);
    ck_assert_uint_eq(done[0].tag, 0);
    ck_assert_int_eq(done[0].status, GOSSET_E_IO);
    gate.shut = false;
    gate.broken = GOSSET_OK;
    ck_assert_uint_eq(told(done), 1);
    assert_answered(&done[0], 1);
    stand_back();
    ck_assert_uint_eq(told(done), 1);
    assert_answered(&done[0], 0);
    ck_assert_uint_eq(told(done), 1);
    assert_answered(&done[0], 1);
}
END_TEST

Suite *turns_suite(void) {
    Suite *suite = suite_create("turns");
    TCase *cases = tcase_create("turns");
    tcase_add_checked_fixture(cases, NULL, tear_down);
    tcase_set_timeout(cases, 60);
    tcase_add_loop_test(cases, older_queries_are_told_of_first, 0, 2);
    tcase_add_loop_test(cases, nothing_is_put_off_in_vain, 0, 2);
    tcase_add_loop_test(cases, none_is_overtaken, 0, 2);
    tcase_add_loop_test(cases, who_stands_back_is_in_flight, 0, 2);
    tcase_add_loop_test(cases, the_event_stays_until_it_is_planned, 0, 2);
    tcase_add_loop_test(cases, a_failure_meets_who_reads, 0, 2);
    suite_add_tcase(suite, cases);
    return suite;
}
