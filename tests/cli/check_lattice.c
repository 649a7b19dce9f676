/* The table of lattices: known errors, the bound below them, and every way to name one wrongly. */
#include "cli_tests.h"

#include <string.h>

static const json_t *row_of(const json_t *rows, const char *spec) {
    size_t i;
    json_t *row;
    json_array_foreach(rows, i, row) {
        if (strcmp(text_of(row, "lattice"), spec) == 0) return row;
    }
    ck_abort_msg("no row of %s", spec);
    return NULL;
}

START_TEST(known_errors) {
    static const struct {
        const char *spec, *points;
        double error, lost;
    } known[] = {{"e8:24:74", NULL, 0.02614, 1.1},
                 {"zn:24:79", "17319684851070915840", 0.0281, 2.3},
                 {"leech:24:4", "196560", 0.4446, 0.3},
                 {"e8:48:130", NULL, 0.02774, 3.4}};
    tool_result *result =
        run_json("lattice", "--samples", "3000", "e8:24:74", "zn:24:79", "leech:24:4", "e8:48:130", NULL);
    const json_t *rows = json_object_get(result->json, "lattices");
    ck_assert_uint_eq(json_array_size(rows), 4);
    ck_assert_int_eq(count_of(result->json, "sample_count"), 3000);
    for (size_t i = 0; i < 4; i++) {
        const json_t *row = row_of(rows, known[i].spec);
        const double error = real_of(row, "mean_squared_error");
        ck_assert_double_eq_tol(error, known[i].error, 0.015 * known[i].error);
        ck_assert_double_eq_tol(real_of(row, "lost_bits"), known[i].lost, 0.3);
        ck_assert_double_lt(real_of(row, "bound_squared_error"), error);
        ck_assert_double_gt(real_of(row, "encode_ns_per_vector"), 0);
        ck_assert_double_gt(real_of(row, "decode_ns_per_vector"), 0);
        if (known[i].points) ck_assert_str_eq(text_of(row, "point_count"), known[i].points);
    }
    const double first = real_of(row_of(rows, "e8:24:74"), "mean_squared_error");
    result = run_json("lattice", "--samples", "3000", "e8:24:74", NULL);
    ck_assert(real_of(json_array_get(json_object_get(result->json, "lattices"), 0), "mean_squared_error") == first);
    result = run_json("lattice", "--samples", "3000", "--seed", "2", "e8:24:74", NULL);
    ck_assert(real_of(json_array_get(json_object_get(result->json, "lattices"), 0), "mean_squared_error") != first);
}
END_TEST

START_TEST(usual_list) {
    const tool_result *result = run_json("lattice", "--samples", "200", NULL);
    const json_t *rows = json_object_get(result->json, "lattices");
    ck_assert_uint_ge(json_array_size(rows), 12);
    row_of(rows, "e8:24:74");
    row_of(rows, "zn:24:79");
    row_of(rows, "leech:24:4");
    result = run_tool("lattice", "--samples", "200", "zn:1:4", "e8:8:2", NULL); /* in one dimension there is no bound */
    ck_assert_int_eq(result->code, 0);
    ck_assert_ptr_nonnull(strstr(result->out, "bits lost"));
    ck_assert_ptr_nonnull(strstr(result->out, "\ne8:8:2 "));
}
END_TEST

START_TEST(wrong_specs) {
    static const char *const specs[] = {"e9:8:2", "e8:8:3", "e8:12:4", "leech:24:10", "zn:24"};
    for (size_t i = 0; i < sizeof specs / sizeof *specs; i++)
        check_failure(run_tool("lattice", "--samples", "200", specs[i], NULL), specs[i], "expected");
    const tool_result *result = run_tool("lattice", "--samples", "0", NULL);
    ck_assert_int_eq(result->code, 2);
}
END_TEST

TCase *lattice_cases(void) {
    TCase *cases = tcase_create("lattice");
    tcase_add_test(cases, known_errors);
    tcase_add_test(cases, usual_list);
    tcase_add_test(cases, wrong_specs);
    return cases;
}
