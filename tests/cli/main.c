#include "cli_tests.h"
#include "datasets/vectors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char directory[TEMP_PATH_SIZE];
float *base_rows, *query_rows;

/* Learn, base and queries share their clusters: one run of vectors, dealt out. */
static void write_vectors(void) {
    float *rows = clustered_vectors(7, LEARN_COUNT + BASE_COUNT + QUERY_COUNT, DIMENSION, 40, GOSSET_F32);
    base_rows = rows + (size_t)LEARN_COUNT * DIMENSION;
    query_rows = base_rows + (size_t)BASE_COUNT * DIMENSION;
    const struct {
        const char *name;
        const float *rows;
        uint64_t count;
    } files[] = {{"learn.fvecs", rows, LEARN_COUNT},
                 {"base.fvecs", base_rows, BASE_COUNT},
                 {"query.fvecs", query_rows, QUERY_COUNT}};
    for (size_t i = 0; i < 3; i++)
        ck_assert_int_eq(
            gosset_dataset_write(here(files[i].name), GOSSET_ELEMENT_F32, files[i].count, DIMENSION, files[i].rows),
            GOSSET_OK);
}

/* Before any case runs: what nearly all of them need. The cases look closer at each step. */
static void prepare(void) {
    const tool_result *result;
    temp_directory(directory);
    write_vectors();
    result = run_tool("train", "--learn", "learn.fvecs", "--out", "map.model", "--epochs", "2", "--width", "32",
                      "--seed", "5", "--threads", "2", NULL);
    ck_assert_msg(result->code == 0, "train: %s", result->err);
    result = run_tool("build", "--model", "map.model", "--base", "base.fvecs", "--out", "all.gosset", NULL);
    ck_assert_msg(result->code == 0, "build: %s", result->err);
    result =
        run_tool("truth", "--base", "base.fvecs", "--query", "query.fvecs", "-k", "20", "--out", "truth.ivecs", NULL);
    ck_assert_msg(result->code == 0, "truth: %s", result->err);
}

static void clean_up(void) {
    temp_remove(directory);
}

int main(void) {
    Suite *suite = suite_create("cli");
    TCase *cases[] = {sphere_cases(),  usage_cases(),   build_cases(),  search_cases(),
                      measure_cases(), lattice_cases(), failure_cases()};
    const size_t count = sizeof cases / sizeof *cases;
    for (size_t i = 0; i < count; i++) {
        tcase_set_timeout(cases[i], 240);
        suite_add_tcase(suite, cases[i]);
    }
    /* Once for all: Check runs unchecked fixtures of a case around it, so they go to a case before and after. */
    tcase_add_unchecked_fixture(cases[0], prepare, NULL);
    tcase_add_unchecked_fixture(cases[count - 1], NULL, clean_up);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
