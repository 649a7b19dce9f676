/* The stored table: what it promises holds, what is damaged is refused, what lies between and beyond is sensible. */
#include "api/calibrate.h"
#include "api/world.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "train/model.h"

#include <math.h>
#include <stdio.h>

static const gosset__calibration sample = {
    .tables = {{1,
                3,
                {{0.80, {5, 1000, 1100}, 8, 6}, {0.95, {15, 2000, 2200}, 20, 15}, {0.99, {40, 3000, 3300}, 60, 50}}},
               {10,
                4,
                {{0.80, {10, 4000, 4400}, 20, 12},
                 {0.90, {20, 5000, 5500}, 30, 20},
                 {0.95, {40, 6000, 6600}, 60, 41},
                 {0.99, {80, 7000, 7700}, 200, 130}}},
               {100, 2, {{0.90, {40, 8000, 8800}, 150, 90}, {0.99, {160, 9000, 9900}, 800, 500}}}},
    .whole = {{1, 1, {{0.95, {9, 2000, 0}, 20, 15}}},
              {10, 2, {{0.90, {12, 5000, 0}, 30, 20}, {0.95, {24, 6000, 0}, 60, 41}}},
              {100, 1, {{0.90, {30, 8000, 0}, 150, 90}}}}};

START_TEST(test_bytes_survive_and_damage_does_not) {
    gosset__env env = default_env(1);
    gosset__truth truth, loaded_truth;
    gosset__calibration loaded;
    void *data = NULL;
    size_t size = 0;
    ck_ok(gosset__truth_create(&truth, 3, &env));
    for (uint32_t i = 0; i < 3 * GOSSET__TRUTH_DEEP_K; i++)
        truth.lists[i] = (gosset__neighbour){(float)(i % GOSSET__TRUTH_DEEP_K), i, 1000 + i};
    ck_ok(gosset__calibration_store(&sample, &truth, &env, &data, &size));
    ck_ok(gosset__calibration_load(&loaded, &loaded_truth, data, size, "here", &env));
    ck_assert_mem_eq(&loaded, &sample, sizeof sample);
    ck_assert_uint_eq(loaded_truth.query_count, 3);
    ck_assert_mem_eq(loaded_truth.lists, truth.lists, 3 * GOSSET__TRUTH_DEEP_K * sizeof *truth.lists);
    gosset__truth_free(&loaded_truth, &env);
    for (size_t i = 0; i < size; i++) {
        ((unsigned char *)data)[i] ^= 0x10;
        ck_fails(gosset__calibration_load(&loaded, &loaded_truth, data, size, "here", &env), GOSSET_E_CORRUPT, "here");
        ((unsigned char *)data)[i] ^= 0x10;
        ck_fails(gosset__calibration_load(&loaded, &loaded_truth, data, i, "here", &env), GOSSET_E_CORRUPT, "here");
        ck_assert_ptr_null(loaded_truth.lists);
    }
    gosset__truth_free(&truth, &env);
    gosset__free(&env, data);
}
END_TEST

/* A leaf reach goes with a reach, and is none of settings without leaves. */
START_TEST(test_leaf_reaches_in_wrong_places_are_refused) {
    gosset__env env = default_env(1);
    for (int i = 0; i < 2; i++) {
        gosset__calibration wrong = sample, loaded;
        gosset__truth truth;
        void *data = NULL;
        size_t size = 0;
        if (i == 0) wrong.tables[1].entries[2].effort.reach = 0;
        if (i == 1) wrong.whole[1].entries[0].effort.leaf_reach = 5;
        ck_ok(gosset__truth_create(&truth, 1, &env));
        for (uint32_t n = 0; n < GOSSET__TRUTH_DEEP_K; n++) truth.lists[n] = (gosset__neighbour){(float)n, n, n};
        ck_ok(gosset__calibration_store(&wrong, &truth, &env, &data, &size));
        ck_fails(gosset__calibration_load(&loaded, NULL, data, size, "here", &env), GOSSET_E_CORRUPT, "out of bounds");
        gosset__truth_free(&truth, &env);
        gosset__free(&env, data);
    }
}
END_TEST

START_TEST(test_plans_rise_with_recall_and_k) {
    const gosset__extent extent = {1000000, 35000, 16192, 1};
    for (size_t t = 0; t < GOSSET__CALIBRATION_TABLES; t++) /* the entries themselves are kept */
        for (uint32_t i = 0; i < sample.tables[t].entry_count; i++) {
            const gosset__calibration_entry *entry = &sample.tables[t].entries[i];
            gosset__calibration_entry plan =
                gosset__calibration_plan(&sample, &extent, entry->recall, sample.tables[t].k);
            ck_assert_uint_eq(plan.effort.probe, entry->effort.probe);
            ck_assert_uint_eq(plan.rerank, entry->rerank);
            ck_assert_double_eq(plan.pages, entry->pages);
            ck_assert_uint_eq(plan.effort.reach, entry->effort.reach);
            ck_assert_uint_eq(plan.effort.leaf_reach, entry->effort.leaf_reach);
        }
    const uint32_t ks[] = {1, 2, 10, 11, 100, 101, 1024};
    for (size_t i = 0; i < sizeof ks / sizeof *ks; i++) {
        gosset__calibration_entry last = {0};
        for (double recall = 0.001; recall < 1; recall += 0.001) {
            gosset__calibration_entry plan = gosset__calibration_plan(&sample, &extent, recall, ks[i]);
            ck_assert_uint_ge(plan.effort.probe, last.effort.probe);
            ck_assert_uint_ge(plan.rerank, last.rerank);
            ck_assert_uint_ge(plan.rerank, ks[i]);
            ck_assert_uint_le(plan.effort.probe, extent.cells);
            last = plan;
        }
    }
    for (double recall = 0.05; recall < 1; recall += 0.05) {
        gosset__calibration_entry last = {0};
        for (uint32_t k = 1; k <= 1024; k++) {
            gosset__calibration_entry plan = gosset__calibration_plan(&sample, &extent, recall, k);
            ck_assert_uint_ge(plan.effort.probe, last.effort.probe);
            ck_assert_uint_ge(plan.rerank, last.rerank);
            last = plan;
        }
    }
    gosset__calibration_entry most = gosset__calibration_plan(&sample, &extent, nextafter(1, 0), 1024);
    ck_assert_uint_le(most.rerank, extent.rows);
    ck_assert_uint_le(most.effort.probe, extent.cells);
}
END_TEST

START_TEST(test_leaves_have_settings_of_their_own) {
    const gosset__extent with = {1000000, 35000, 16192, 1}, without = {1000000, 35000, 16192, 0};
    gosset__calibration plain = sample;
    memcpy(plain.tables, sample.whole, sizeof plain.tables);
    ck_assert_int_eq(gosset__calibration_wants_leaves(&sample), 1);
    ck_assert_int_eq(gosset__calibration_wants_leaves(&plain), 0);
    const gosset__calibration_entry chosen = gosset__calibration_plan(&sample, &with, 0.95, 10);
    ck_assert_uint_eq(chosen.effort.probe, 40);
    ck_assert_uint_eq(chosen.effort.leaf_reach, 6600);
    for (uint32_t k = 1; k < 200; k++) {
        const gosset__calibration_entry whole = gosset__calibration_plan(&sample, &without, 0.95, k);
        ck_assert_uint_eq(whole.effort.leaf_reach, 0);
        ck_assert_uint_gt(whole.effort.reach, 0);
        ck_assert_uint_ge(whole.effort.probe, 9);
    }
    ck_assert_uint_eq(gosset__calibration_plan(&sample, &without, 0.95, 10).effort.probe, 24);
}
END_TEST

START_TEST(test_without_a_table) {
    const gosset__calibration none = {0};
    const gosset__extent small = {900, 40, 500, 0}, large = {100000, 4000, 500, 0}, empty = {0, 0, 500, 1};
    gosset__calibration_entry plan = gosset__calibration_plan(&none, &small, 0.5, 10);
    ck_assert_uint_eq(plan.effort.probe, 500);
    ck_assert_uint_eq(plan.rerank, 900);
    plan = gosset__calibration_plan(&none, &large, 0.95, 10);
    ck_assert_uint_eq(plan.effort.probe, 500);
    ck_assert_uint_ge(plan.rerank, 100);
    plan = gosset__calibration_plan(&none, &empty, 0.95, 10);
    ck_assert_uint_ge(plan.effort.probe, 1);
    ck_assert_uint_ge(plan.rerank, 1);
}
END_TEST

START_TEST(test_truth_of_parts_is_that_of_the_whole) {
    gosset__env env = default_env(1);
    gosset__truth whole, part;
    ck_ok(gosset__truth_create(&whole, 1, &env));
    ck_ok(gosset__truth_create(&part, 2, &env));
    enum { DEPTH = GOSSET__TRUTH_DEEP_K };
    for (uint32_t i = 0; i < DEPTH; i++) part.lists[i] = (gosset__neighbour){(float)(2 * i), i, 1000 + i};
    gosset__truth_merge(&whole, &part);
    for (uint32_t i = 0; i < DEPTH; i++) part.lists[i] = (gosset__neighbour){(float)i, 500 + i, 10 + i};
    gosset__truth_merge(&whole, &part);
    for (uint32_t i = 0; i < DEPTH; i++) {
        ck_assert(i == 0 || gosset__nearer(&whole.lists[i - 1], &whole.lists[i]));
        ck_assert_float_le(whole.lists[i].distance, (float)i);
    }
    ck_assert_uint_eq(whole.lists[0].id, 10); /* equal distance: the lower id */
    ck_assert_uint_eq(whole.lists[1].id, 1000);
    ck_assert_uint_eq(gosset__truth_at(GOSSET__TRUTH_DEEP_QUERIES), GOSSET__TRUTH_DEEP_QUERIES * DEPTH);
    ck_assert_uint_eq(gosset__truth_at(GOSSET__TRUTH_DEEP_QUERIES + 3) - gosset__truth_at(GOSSET__TRUTH_DEEP_QUERIES),
                      3 * GOSSET__TRUTH_K);
    gosset__truth_free(&whole, &env);
    gosset__truth_free(&part, &env);
    ck_assert_uint_eq(gosset__truth_queries(5000, 10), 1000);
    ck_assert_uint_eq(gosset__truth_queries(300, 10), 300);
    ck_assert_uint_eq(gosset__truth_queries(5000, 2000000), 500);
    ck_assert_uint_eq(gosset__truth_queries(5000, UINT64_C(1) << 50), GOSSET__TRUTH_QUERIES_MIN);
    ck_assert_uint_eq(gosset__truth_queries(0, 10), 0);
}
END_TEST

/* Targets against what unseen queries get. They are few, and so are the held-out ones: 2.5 standard errors are left to
 * chance, of both samples. Neighbours of one query are found or missed together, which triples the variance. */
START_TEST(test_targets_are_met) {
    static const double targets[] = {0.80, 0.85, 0.90, 0.95, 0.97, 0.98, 0.99};
    static const uint32_t ks[] = {1, 3, 10, 30, 100};
    const uint32_t k = ks[_i];
    gosset_index *index = NULL;
    gosset_searcher *searcher = NULL;
    gosset_model_info info = {.struct_size = sizeof info};
    ck_ok(gosset_model_describe(w.model, &info));
    uint64_t *ids = malloc(sizeof *ids * WORLD_QUERIES * k), *truth = malloc(sizeof *ids * WORLD_QUERIES * k);
    ck_ok(gosset_exact_search(&w.base, &w.query, GOSSET_L2, k, truth, NULL, NULL));
    ck_ok(gosset_index_open(&index, build("targets", &w.base, NULL), NULL));
    ck_ok(gosset_searcher_create(&searcher, index, NULL));
    for (size_t t = 0; t < sizeof targets / sizeof *targets; t++) {
        gosset_search_options options = {.struct_size = sizeof options, .recall = targets[t]}, plan = options;
        gosset_search_stats stats = {.struct_size = sizeof stats};
        double expected;
        ck_ok(gosset_index_calibration(index, targets[t], &plan, &expected));
        ck_ok(gosset_searcher_set(searcher, &options));
        gosset_searcher_reset_stats(searcher);
        ck_ok(gosset_searcher_search(searcher, &w.query, k, ids, NULL));
        ck_ok(gosset_searcher_stats(searcher, &stats));
        double recall = recall_of(ids, truth, WORLD_QUERIES, k), pages = (double)stats.pages_read / WORLD_QUERIES;
        if (getenv("GOSSET_TEST_TELL"))
            printf("k %u target %.3f: recall %.4f, %.1f cells, %.1f candidates, %.1f pages\n", k, targets[t], recall,
                   (double)stats.cells_probed / WORLD_QUERIES, (double)stats.candidates / WORLD_QUERIES, pages);
        double samples = 1 / (1.0 / WORLD_QUERIES + 1.0 / info.held_out) * fmin(k, 10);
        double chance = 2.5 * sqrt(targets[t] * (1 - targets[t]) * 3 / samples);
        ck_assert_double_ge(recall, targets[t] - chance);
        if (k == 10) ck_assert_double_le(fabs(pages - expected), 0.25 * expected + 2);
    }
    gosset_searcher_free(searcher);
    gosset_index_close(index);
    free(ids), free(truth);
    temp_remove(temp_path(w.directory, "targets"));
}
END_TEST

static uint64_t search_with(gosset_searcher *searcher, const gosset_search_options *options, size_t call,
                            uint64_t *ids) {
    gosset_search_stats stats = {.struct_size = sizeof stats};
    ck_ok(gosset_searcher_set(searcher, options));
    gosset_searcher_reset_stats(searcher);
    for (size_t first = 0; first < WORLD_QUERIES; first += call) {
        const gosset_vectors some = rows_of(&w.query, first, call);
        ck_ok(gosset_searcher_search(searcher, &some, WORLD_K, ids + first * WORLD_K, NULL));
    }
    ck_ok(gosset_searcher_stats(searcher, &stats));
    return stats.codes_scanned;
}

/* What a calibration says can be asked for as such; cells that promise little are passed over, whether queries come
 * alone or together, and hardly anything is missed for it. */
START_TEST(test_reach_saves_codes) {
    static uint64_t target[WORLD_QUERIES * WORLD_K], alone[WORLD_QUERIES * WORLD_K], all[WORLD_QUERIES * WORLD_K];
    gosset_index *index = NULL;
    gosset_searcher *searcher = NULL;
    gosset_search_options recall = {.struct_size = sizeof recall, .recall = 0.95}, plan = {.struct_size = sizeof plan};
    ck_ok(gosset_index_open(&index, build("reach", &w.base, NULL), NULL));
    ck_ok(gosset_searcher_create(&searcher, index, NULL));
    ck_ok(gosset_index_calibration(index, 0.95, &plan, NULL));
    ck_assert_uint_gt(plan.reach, 0);
    const uint64_t codes = search_with(searcher, &recall, WORLD_QUERIES, target);
    ck_assert_uint_eq(search_with(searcher, &plan, 1, alone), codes);
    ck_assert_mem_eq(alone, target, sizeof target);
    plan.reach = 0;
    const uint64_t more = search_with(searcher, &plan, 1, all);
    ck_assert_uint_gt(more, codes + codes / 4);
    ck_assert_double_ge(recall_of(target, w.truth, WORLD_QUERIES, WORLD_K),
                        recall_of(all, w.truth, WORLD_QUERIES, WORLD_K) - 0.05);
    plan.reach = 1; /* within reach of no cell: then of all */
    ck_assert_uint_eq(search_with(searcher, &plan, 1, alone), more);
    ck_assert_mem_eq(alone, all, sizeof all);
    gosset_searcher_free(searcher);
    gosset_index_close(index);
    temp_remove(temp_path(w.directory, "reach"));
}
END_TEST

/* Codes that do not fit into the memory stay on disk: the table is the same, and so is that of the build. */
START_TEST(test_codes_on_disk_give_the_same_table) {
    gosset__env env = default_env(2);
    const gosset__kernels *kernels;
    gosset__pool *pool = NULL;
    gosset__codec *codec = NULL;
    gosset_model_info info = {.struct_size = sizeof info};
    gosset__calibration built, measured[2];
    const char *path = build("on-disk", &w.base, &(build_options){.shard_size = 256 << 10});
    ck_ok(gosset__kernels_get(&kernels, env.cpu));
    ck_ok(gosset__pool_create(&pool, &env));
    ck_ok(gosset_model_describe(w.model, &info));
    ck_ok(gosset__codec_create(&codec, info.cell_lattice, info.code_lattice, gosset__model_residual(w.model), &env,
                               kernels));
    for (int i = 0; i < 2; i++) {
        gosset__store *store = NULL;
        gosset__truth truth;
        ck_ok(gosset__store_open(&store, path, "threads", &env));
        ck_ok(gosset__calibration_load(&built, &truth, store->calibration, store->calibration_size, path, &env));
        const uint64_t codes = (store->row_count + 16) * store->layout.code_size;
        const gosset__calibrate_config config = {
            store, w.model, codec, kernels, pool, &truth, codes + gosset__leaves_size(store, codec) - (uint64_t)i};
        ck_ok(gosset__calibrate(&measured[i], &config, &env));
        ck_assert_int_eq(store->blocks == NULL, i);
        gosset__truth_free(&truth, &env);
        gosset__store_close(store);
    }
    ck_assert_mem_eq(&measured[0], &built, sizeof built);
    ck_assert_mem_eq(&measured[1], &built, sizeof built);
    gosset__codec_free(codec);
    gosset__pool_free(pool);
    temp_remove(path);
}
END_TEST

TCase *case_calibration(void) {
    TCase *tcase = tcase_create("calibration");
    tcase_add_test(tcase, test_bytes_survive_and_damage_does_not);
    tcase_add_test(tcase, test_leaf_reaches_in_wrong_places_are_refused);
    tcase_add_test(tcase, test_plans_rise_with_recall_and_k);
    tcase_add_test(tcase, test_leaves_have_settings_of_their_own);
    tcase_add_test(tcase, test_without_a_table);
    tcase_add_test(tcase, test_truth_of_parts_is_that_of_the_whole);
    tcase_add_loop_test(tcase, test_targets_are_met, 0, 5);
    tcase_add_test(tcase, test_reach_saves_codes);
    tcase_add_test(tcase, test_codes_on_disk_give_the_same_table);
    return tcase;
}
