/* The cache of pages: the right bytes, within its budget, and the pages that are asked for often. */
#include "base/rng.h"
#include "base/status.h"
#include "index/cache.h"
#include "search_suites.h"
#include "support/support.h"

#include <stdbool.h>
#include <string.h>

enum { PAGE = 4096, PAGES = 400 };

static void fill(uint8_t *data, uint64_t page) {
    memset(data, (int)(page * 37 % 251), PAGE);
    memcpy(data, &page, sizeof page);
}

/* Asks for a page as a search does; whether it was kept. */
static bool ask(gosset__cache *cache, uint64_t page) {
    uint8_t expected[PAGE];
    fill(expected, page);
    const uint8_t *found = gosset__cache_get(cache, page);
    if (found != NULL) {
        ck_assert_mem_eq(found, expected, PAGE);
        return true;
    }
    gosset__cache_put(cache, page, expected);
    ck_assert_ptr_nonnull(gosset__cache_get(cache, page));
    return false;
}

START_TEST(budgets_are_kept) {
    static const uint64_t budgets[] = {PAGE + 25, 2 * PAGE, 3 * PAGE + 100, 20 * PAGE, 333 * PAGE};
    for (size_t b = 0; b < sizeof budgets / sizeof *budgets; b++) {
        counting_allocator memory;
        gosset_env surroundings = counting_env(&memory, 0);
        gosset__env env;
        gosset__cache cache;
        ck_assert_int_eq(gosset__env_read(&env, &surroundings), GOSSET_OK);
        ck_assert_int_eq(gosset__cache_open(&cache, budgets[b], PAGE, &env), GOSSET_OK);
        ck_assert_uint_le(cache.held_bytes, budgets[b]);
        ck_assert_uint_ge(cache.held_bytes + 2 * PAGE + 64, budgets[b] - budgets[b] / 128);
        ck_assert_uint_eq(memory.calls, 1);
        gosset__rng rng = gosset__rng_make(b, 1);
        for (int i = 0; i < 20000; i++) ask(&cache, gosset__rng_below(&rng, PAGES) * (i % 2 ? 1 : 1u << 20));
        ck_assert_uint_eq(cache.used, cache.slot_count);
        ck_assert_uint_eq(memory.calls, 1); /* nothing after the first */
        uint32_t entries = 0;
        for (uint32_t i = 0; i <= cache.mask; i++) entries += cache.table[i] != 0;
        ck_assert_uint_eq(entries, cache.slot_count);
        gosset__cache_close(&cache, &env);
        ck_assert_uint_eq(counting_held(&memory), 0);
    }
}
END_TEST

/* One page in ten is asked for nine times in ten: most of those questions are answered by a tenth of the memory. */
START_TEST(pages_asked_for_often_stay) {
    enum { ROUNDS = 40000, WARM = 2000 };
    gosset__env env = default_env(1);
    gosset__cache cache;
    gosset__rng rng = gosset__rng_make(5, 5);
    uint32_t hits = 0;
    ck_assert_int_eq(gosset__cache_open(&cache, 60 * (PAGE + 32), PAGE, &env), GOSSET_OK);
    for (int i = 0; i < ROUNDS + WARM; i++) {
        const bool often = gosset__rng_below(&rng, 10) < 9;
        const uint64_t page = often ? gosset__rng_below(&rng, PAGES / 10) : gosset__rng_below(&rng, PAGES);
        hits += ask(&cache, page) && i >= WARM;
    }
    ck_assert_msg(hits > ROUNDS * 8 / 10, "%u of %d", hits, ROUNDS); /* without knowledge: 60 of 400 */
    gosset__cache_close(&cache, &env);
}
END_TEST

START_TEST(none_and_too_little) {
    gosset__env env = default_env(1);
    gosset__cache cache;
    uint8_t page[PAGE] = {0};
    ck_assert_int_eq(gosset__cache_open(&cache, 0, PAGE, &env), GOSSET_OK);
    gosset__cache_put(&cache, 1, page);
    ck_assert_ptr_null(gosset__cache_get(&cache, 1));
    gosset__cache_close(&cache, &env);
    ck_assert_int_eq(gosset__cache_open(&cache, PAGE, PAGE, &env), GOSSET_E_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(gosset_last_error(), "at least 4121 bytes"));
    gosset__cache_close(&cache, &env);
}
END_TEST

Suite *cache_suite(void) {
    Suite *suite = suite_create("cache");
    TCase *cases = tcase_create("cache");
    tcase_add_test(cases, budgets_are_kept);
    tcase_add_test(cases, pages_asked_for_often_stay);
    tcase_add_test(cases, none_and_too_little);
    suite_add_tcase(suite, cases);
    return suite;
}
