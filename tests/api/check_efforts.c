/* Efforts that are worth measuring: what they hold and cost is counted anew here, query by query. */
#include "api/calibration.h"
#include "api/efforts.h"
#include "api/world.h"
#include "train/model.h"

#include <stdio.h>

typedef struct fixture {
    gosset__env env;
    const gosset__kernels *kernels;
    gosset__pool *pool;
    gosset__codec *codec;
    gosset__store *store;
    gosset__truth truth;
    gosset__place *places;
    float *latents;
    gosset__efforts_config config;
} fixture;

static void map_held_out(fixture *f) {
    gosset_vectors queries = gosset__model_held_out(w.model);
    queries.count = f->truth.query_count;
    void *scratch = gosset__alloc(&f->env, gosset__model_scratch_size(w.model, queries.count));
    f->latents = malloc(sizeof(float) * queries.count * gosset__codec_dimension(f->codec));
    gosset__model_map(w.model, f->kernels, GOSSET_QUERY, &queries, f->latents, scratch);
    gosset__free(&f->env, scratch);
}

static void find_places(fixture *f) {
    gosset__locator *locator = NULL;
    gosset__search *search = NULL;
    f->places = malloc(sizeof *f->places * gosset__truth_at(f->truth.query_count));
    ck_ok(gosset__locator_create(&locator, f->store, f->codec, &f->truth, f->places, &f->env));
    ck_ok(gosset__locator_load(locator));
    ck_ok(gosset__search_create(&search, f->store, f->codec, f->kernels, &f->env));
    for (size_t g = 0; g < gosset__locator_groups(locator); g++) ck_ok(gosset__locator_resolve(locator, g, search));
    gosset__search_free(search);
    gosset__locator_free(locator);
}

static fixture set_up(const char *path) {
    fixture f = {.env = default_env(2)};
    gosset_model_info info = {.struct_size = sizeof info};
    gosset__calibration unused;
    ck_ok(gosset__kernels_get(&f.kernels, f.env.cpu));
    ck_ok(gosset__pool_create(&f.pool, &f.env));
    ck_ok(gosset_model_describe(w.model, &info));
    ck_ok(gosset__codec_create(&f.codec, info.cell_lattice, info.code_lattice, gosset__model_residual(w.model), &f.env,
                               f.kernels));
    ck_ok(gosset__store_open(&f.store, path, "threads", &f.env));
    ck_ok(gosset__calibration_load(&unused, &f.truth, f.store->calibration, f.store->calibration_size, path, &f.env));
    map_held_out(&f);
    find_places(&f);
    f.config = (gosset__efforts_config){f.store, f.codec, f.pool, f.latents, f.places, f.truth.query_count};
    return f;
}

static void tear_down(fixture *f) {
    free(f->latents);
    free(f->places);
    gosset__truth_free(&f->truth, &f->env);
    gosset__store_close(f->store);
    gosset__codec_free(f->codec);
    gosset__pool_free(f->pool);
}

typedef struct counted {
    double covered, us;
} counted;

/* Share of the true neighbours in the cells of an effort, and what it costs a query. */
static counted count(const fixture *f, const gosset__effort *effort) {
    const uint32_t queries = f->truth.query_count, cells = f->store->layout.cell_count;
    gosset__codec_query *query = gosset__alloc(&f->env, gosset__codec_query_size(f->codec));
    uint32_t *probed = malloc(sizeof *probed * cells);
    gosset__remoteness *of = malloc(sizeof *of * cells);
    double covered = 0, rows = 0, runs = 0;
    for (uint32_t q = 0; q < queries; q++) {
        gosset__codec_query_set(f->codec, f->latents + q * (size_t)gosset__codec_dimension(f->codec), query);
        const uint32_t found = gosset__codec_probe(f->codec, query, effort->probe, probed);
        gosset__codec_remoteness(f->codec, query, probed, found, of);
        uint32_t least = UINT32_MAX;
        for (uint32_t i = 0; i < found; i++) least = of[i].distance < least ? of[i].distance : least;
        for (uint32_t i = 0; i < found; i++) {
            const uint64_t *first = &f->store->cell_first[probed[i]];
            if (effort->reach > 0 && of[i].distance - least + of[i].score > effort->reach) continue;
            rows += (double)(first[1] - first[0]);
            runs += first[1] > first[0];
            for (uint32_t t = 0; t < GOSSET__TRUTH_K; t++)
                covered += f->places[gosset__truth_at(q) + t].cell == probed[i];
        }
    }
    gosset__free(&f->env, query);
    free(probed), free(of);
    return (counted){covered / (queries * GOSSET__TRUTH_K),
                     gosset__effort_us(f->codec, effort->probe, 0, runs / queries, rows / queries)};
}

START_TEST(test_efforts_go_from_much_to_little) {
    const char *path = build("efforts", &w.base, NULL);
    fixture f = set_up(path);
    gosset__effort efforts[GOSSET__EFFORTS_MAX];
    uint32_t number = 0, with_leaves = 0;
    counted last = {1, 1e9};
    ck_ok(gosset__efforts_find(efforts, &number, &f.config, &f.env));
    ck_assert_uint_gt(number, 10);
    ck_assert_uint_le(number, GOSSET__EFFORTS_MAX);
    ck_assert_uint_eq(efforts[0].leaf_reach, 0);
    for (uint32_t i = 0; i < number; i++) {
        if (efforts[i].leaf_reach > 0) { /* of the same cells, and fewer leaves each time */
            ck_assert_uint_eq(efforts[i].probe, efforts[i - 1].probe);
            ck_assert_uint_eq(efforts[i].reach, efforts[i - 1].reach);
            ck_assert(efforts[i - 1].leaf_reach == 0 || efforts[i].leaf_reach < efforts[i - 1].leaf_reach);
            with_leaves++;
            continue;
        }
        const counted now = count(&f, &efforts[i]);
        if (getenv("GOSSET_TEST_TELL"))
            printf("probe %u reach %u: %.4f covered, %.1f us\n", efforts[i].probe, efforts[i].reach, now.covered,
                   now.us);
        if (i == 0) ck_assert_double_ge(now.covered, 0.998);
        ck_assert_double_lt(now.us, last.us);
        ck_assert_double_ge(now.covered, 0.6);
        last = now;
    }
    ck_assert_uint_gt(with_leaves, number / 4);
    ck_assert_double_lt(last.covered, 0.7);
    tear_down(&f);
    temp_remove(path);
}
END_TEST

static void assert_not_beaten(const gosset__effort *chosen, counted by, const gosset__effort *other, counted then) {
    ck_assert_msg(then.covered < by.covered || then.us > 0.9 * by.us,
                  "%u cells within %u hold %.3f for %.1f us, %u within %u %.3f for %.1f us", other->probe, other->reach,
                  then.covered, then.us, chosen->probe, chosen->reach, by.covered, by.us);
}

/* Neither all of some cells nor twice or half as many within other reaches hold as much and cost less. */
START_TEST(test_efforts_are_the_cheapest) {
    static const double reaches[] = {0.5, 0.7, 0.85, 1, 1.2};
    const char *path = build("cheapest", &w.base, NULL);
    fixture f = set_up(path);
    gosset__effort efforts[GOSSET__EFFORTS_MAX];
    uint32_t number = 0, compared = 0;
    ck_ok(gosset__efforts_find(efforts, &number, &f.config, &f.env));
    for (uint32_t i = 0; i < number; i++) {
        const gosset__effort *chosen = &efforts[i];
        if (chosen->leaf_reach > 0 || compared++ % 3 != 0) continue;
        const counted by = count(&f, chosen);
        for (uint32_t probe = 1; probe <= f.store->layout.cell_count; probe *= 4) {
            const gosset__effort all = {.probe = probe};
            assert_not_beaten(chosen, by, &all, count(&f, &all));
        }
        for (size_t r = 0; r < sizeof reaches / sizeof *reaches; r++) {
            const uint32_t reach = (uint32_t)(reaches[r] * chosen->reach);
            const gosset__effort twice = {2 * chosen->probe, reach, 0}, half = {1 + chosen->probe / 2, reach, 0};
            assert_not_beaten(chosen, by, &twice, count(&f, &twice));
            assert_not_beaten(chosen, by, &half, count(&f, &half));
        }
    }
    ck_assert_uint_gt(compared, 8);
    tear_down(&f);
    temp_remove(path);
}
END_TEST

TCase *case_efforts(void) {
    TCase *tcase = tcase_create("efforts");
    tcase_add_test(tcase, test_efforts_go_from_much_to_little);
    tcase_add_test(tcase, test_efforts_are_the_cheapest);
    return tcase;
}
