#include "base/rng.h"
#include "index/topk.h"
#include "search_suites.h"

#include <stdlib.h>

static int by_rank(const void *a, const void *b) {
    return gosset__ranked_before(a, b) ? -1 : gosset__ranked_before(b, a);
}

/* Against qsort, over sizes around every limit, with many equal ranks and with none. */
START_TEST(the_best_are_those_a_full_sort_puts_first) {
    gosset__rng rng = gosset__rng_make(5, 5);
    for (int round = 0; round < 300; round++) {
        const size_t count = gosset__rng_below(&rng, round < 150 ? 60 : 3000);
        const size_t limit = 1 + gosset__rng_below(&rng, round % 3 == 0 ? 5 : 400);
        const uint64_t ranks = round % 2 == 0 ? 4 : UINT32_MAX;
        gosset__ranked *all = calloc(count + 1, sizeof *all);
        gosset__best best;
        gosset__best_start(&best, calloc(gosset__best_capacity(limit), sizeof *all), limit);
        for (size_t i = 0; i < count; i++) {
            const uint64_t id = round % 5 == 0 ? i : round % 5 == 1 ? count - i : gosset__rng_next(&rng);
            all[i] = (gosset__ranked){.id = id, .rank = (uint32_t)gosset__rng_below(&rng, ranks)};
            gosset__best_add(&best, all[i].id, all[i].rank);
        }
        gosset__best_cut(&best);
        gosset__ranked_sort(best.items, best.count);
        qsort(all, count, sizeof *all, by_rank);
        ck_assert_uint_eq(best.count, count < limit ? count : limit);
        for (size_t i = 0; i < best.count; i++) {
            ck_assert_uint_eq(best.items[i].id, all[i].id);
            ck_assert_uint_eq(best.items[i].rank, all[i].rank);
        }
        free(best.items);
        free(all);
    }
}
END_TEST

START_TEST(ranks_keep_the_order_of_distances_and_scores) {
    static const float distances[] = {-INFINITY, -3e38f, -1.0f, -1e-45f, 0.0f, 1e-45f, 0.5f, 1.0f, 3e38f, INFINITY};
    static const int32_t scores[] = {INT32_MAX, 70000, 1, 0, -1, -70000, INT32_MIN};
    for (size_t i = 0; i + 1 < sizeof distances / sizeof *distances; i++)
        ck_assert_uint_lt(gosset__rank_of_distance(distances[i]), gosset__rank_of_distance(distances[i + 1]));
    for (size_t i = 0; i < sizeof distances / sizeof *distances; i++)
        ck_assert(gosset__distance_of_rank(gosset__rank_of_distance(distances[i])) == distances[i]);
    for (size_t i = 0; i + 1 < sizeof scores / sizeof *scores; i++)
        ck_assert_uint_lt(gosset__rank_of_score(scores[i]), gosset__rank_of_score(scores[i + 1]));
    for (size_t i = 0; i < sizeof scores / sizeof *scores; i++)
        ck_assert_int_eq(gosset__score_of_rank(gosset__rank_of_score(scores[i])), scores[i]);
    ck_assert_uint_eq(gosset__rank_of_distance(-0.0f), gosset__rank_of_distance(0.0f));
    ck_assert_uint_eq(gosset__rank_of_distance(-NAN), UINT32_MAX);
}
END_TEST

Suite *topk_suite(void) {
    Suite *suite = suite_create("topk");
    TCase *cases = tcase_create("topk");
    tcase_add_test(cases, the_best_are_those_a_full_sort_puts_first);
    tcase_add_test(cases, ranks_keep_the_order_of_distances_and_scores);
    suite_add_tcase(suite, cases);
    return suite;
}
