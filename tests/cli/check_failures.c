/* What is wrong with the input is said in one line that names the file; nothing half-written stays. */
#include "cli_tests.h"
#include "datasets/vectors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

START_TEST(missing_files) {
    check_failure(run_tool("train", "--learn", "none.fvecs", "--out", "x.model", NULL), "none.fvecs", "No such file");
    check_failure(run_tool("build", "--model", "none.model", "--base", "base.fvecs", "--out", "x.gosset", NULL),
                  "none.model", "");
    check_failure(run_tool("build", "--model", "map.model", "--base", "none.fvecs", "--out", "x.gosset", NULL),
                  "none.fvecs", "No such file");
    check_failure(run_tool("search", "--index", "none.gosset", "--query", "query.fvecs", NULL), "none.gosset", "");
    check_failure(run_tool("search", "--index", "all.gosset", "--query", "none.fvecs", NULL), "none.fvecs",
                  "No such file");
    check_failure(run_tool("search", "--index", "all.gosset", "--query", "query.fvecs", "--truth", "none.ivecs", NULL),
                  "none.ivecs", "No such file");
    check_failure(run_tool("merge", "--out", "x.gosset", "all.gosset", "none.gosset", NULL), "none.gosset", "");
    check_failure(run_tool("info", "none", NULL), "none", "");
    check_failure(run_tool("verify", "none.gosset", NULL), "none.gosset", "");
    ck_assert(!file_exists(here("x.model")));
    ck_assert(!file_exists(here("x.gosset/MANIFEST.gosset")));
}
END_TEST

START_TEST(wrong_dimensions) {
    static float rows[40 * 8];
    ck_assert_int_eq(gosset_dataset_write(here("narrow.fvecs"), GOSSET_ELEMENT_F32, 40, 8, rows), GOSSET_OK);
    check_failure(run_tool("search", "--index", "all.gosset", "--query", "narrow.fvecs", NULL),
                  "narrow.fvecs: dimension 8, expected 32", "");
    check_failure(run_tool("build", "--model", "map.model", "--base", "narrow.fvecs", "--out", "x.gosset", NULL),
                  "narrow.fvecs: dimension 8, expected 32", "");
    check_failure(run_tool("truth", "--base", "base.fvecs", "--query", "narrow.fvecs", "--out", "x.ivecs", NULL),
                  "narrow.fvecs: dimension 8, expected 32", "base.fvecs");
    check_failure(run_tool("codes", "--model", "map.model", "--base", "narrow.fvecs", "--query", "query.fvecs",
                           "--truth", "truth.ivecs", NULL),
                  "narrow.fvecs", "expected 32");
    check_failure(run_tool("search", "--index", "all.gosset", "--query", "learn.fvecs", "--truth", "truth.ivecs", NULL),
                  "truth.ivecs: 100 rows, expected 3000", "");
    check_failure(run_tool("search", "--index", "all.gosset", "--query", "query.fvecs", "-k", "21", "--truth",
                           "truth.ivecs", NULL),
                  "truth.ivecs: 20 neighbours a row, expected at least 21", "");
}
END_TEST

START_TEST(wrong_kinds) {
    check_failure(run_tool("search", "--index", "map.model", "--query", "query.fvecs", NULL), "map.model", "");
    check_failure(run_tool("info", "base.fvecs", NULL), "base.fvecs", "");
    check_failure(run_tool("build", "--model", "base.fvecs", "--base", "base.fvecs", "--out", "x.gosset", NULL),
                  "base.fvecs", "");
    check_failure(run_tool("search", "--index", "all.gosset", "--query", "truth.ivecs", NULL), "truth.ivecs",
                  "holds integers");
    check_failure(run_tool("search", "--index", "all.gosset", "--query", "query.fvecs", "--truth", "query.fvecs", NULL),
                  "query.fvecs", "expected integers");
    check_failure(run_tool("build", "--model", "map.model", "--base", "base.fvecs", "--ids", "truth.ivecs", "--out",
                           "x.gosset", NULL),
                  "truth.ivecs: 20 ids a row, expected 1", "");
    check_failure(run_tool("train", "--learn", "query.fvecs", "--out", "x.model", NULL), "1", "");
    check_failure(run_tool("train", "--learn", "learn.fvecs", "--out", "x.model", "--loss", "guess", NULL), "guess",
                  "");
}
END_TEST

/* NaN in the middle of a file: file and row are named, nothing is published. */
START_TEST(not_a_number) {
    float *rows = malloc((size_t)BASE_COUNT * DIMENSION * sizeof *rows);
    ck_assert_ptr_nonnull(rows);
    memcpy(rows, base_rows, (size_t)BASE_COUNT * DIMENSION * sizeof *rows);
    rows[1234 * DIMENSION + 5] = NAN;
    ck_assert_int_eq(gosset_dataset_write(here("nan.fvecs"), GOSSET_ELEMENT_F32, BASE_COUNT, DIMENSION, rows),
                     GOSSET_OK);
    free(rows);
    check_failure(run_tool("build", "--model", "map.model", "--base", "nan.fvecs", "--out", "nan.gosset", NULL),
                  "nan.fvecs: row 1234: value 5 is nan", "");
    check_failure(run_tool("train", "--learn", "nan.fvecs", "--out", "nan.model", NULL),
                  "nan.fvecs: row 1234: value 5 is nan", "");
    check_failure(run_tool("verify", "nan.gosset", NULL), "nan.gosset", "");
    check_failure(run_tool("search", "--index", "all.gosset", "--query", "nan.fvecs", NULL),
                  "nan.fvecs: row 1234: value 5 is nan", "");
}
END_TEST

/* Row 1234 of another dimension: found when its batch is read. */
START_TEST(damaged_base) {
    size_t size;
    unsigned char *bytes = file_bytes(here("base.fvecs"), &size);
    bytes[1234 * (4 + DIMENSION * 4)] = 31;
    file_write(here("damaged.fvecs"), bytes, size);
    free(bytes);
    check_failure(run_tool("build", "--model", "map.model", "--base", "damaged.fvecs", "--out", "x.gosset", NULL),
                  "damaged.fvecs: row 1234: dimension 31, expected 32", "");
    ck_assert(!file_exists(here("x.gosset/MANIFEST.gosset")));
}
END_TEST

/* Whichever thread meets it, one line names file and page; that the others were stopped is no news. */
START_TEST(damaged_page) {
    static const char *const ways[][4] = {{"--threads", "1", "--in-flight", "1"},
                                          {"--threads", "3", "--in-flight", "1"},
                                          {"--threads", "3", "--in-flight", "4"}};
    const tool_result *result =
        run_tool("build", "--model", "map.model", "--base", "base.fvecs", "--out", "spoilt.gosset", NULL);
    ck_assert_msg(result->code == 0, "%s", result->err);
    size_t size;
    unsigned char *bytes = file_bytes(here("spoilt.gosset/shard-1-0000.gosset"), &size);
    bytes[size - 40 * 4096 + 77] ^= 1; /* pages are the end of the file */
    file_write(here("spoilt.gosset/shard-1-0000.gosset"), bytes, size);
    free(bytes);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        check_failure(run_tool("search", "--index", "spoilt.gosset", "--query", "query.fvecs", "--probe", "100000",
                               "--rerank", "4000", ways[i][0], ways[i][1], ways[i][2], ways[i][3], NULL),
                      "gosset search: spoilt.gosset/shard-1-0000.gosset: page ", "checksum");
        check_failure(run_tool("bench", "--index", "spoilt.gosset", "--query", "query.fvecs", "--truth", "truth.ivecs",
                               "--probe", "100000", "--rerank", "4000", ways[i][0], ways[i][1], ways[i][2], ways[i][3],
                               "--json", NULL),
                      "gosset bench: spoilt.gosset/shard-1-0000.gosset: page ", "checksum");
    }
}
END_TEST

START_TEST(no_place_to_write) {
    check_failure(
        run_tool("train", "--learn", "learn.fvecs", "--out", "no/such/x.model", "--epochs", "1", "--width", "16", NULL),
        "no/such/x.model", "");
    check_failure(
        run_tool("search", "--index", "all.gosset", "--query", "query.fvecs", "--out", "no/such/x.ivecs", NULL),
        "no/such/x.ivecs", "No such file");
    if (access("/dev/full", W_OK) != 0) return;
    redirect = "/dev/full";
    const tool_result *result = run_tool("info", "map.model", "--json", NULL);
    redirect = NULL;
    ck_assert_int_eq(result->code, 1);
    ck_assert_ptr_nonnull(strstr(result->err, "No space left"));
}
END_TEST

TCase *failure_cases(void) {
    TCase *cases = tcase_create("failures");
    tcase_add_test(cases, missing_files);
    tcase_add_test(cases, wrong_dimensions);
    tcase_add_test(cases, wrong_kinds);
    tcase_add_test(cases, not_a_number);
    tcase_add_test(cases, damaged_base);
    tcase_add_test(cases, damaged_page);
    tcase_add_test(cases, no_place_to_write);
    return cases;
}
