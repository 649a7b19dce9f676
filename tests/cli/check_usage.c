/* Help, version, and every way to call it wrongly: exit 2 with one line that says what was expected. */
#include "cli_tests.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const commands[] = {"train", "build", "merge",  "search", "bench",
                                       "codes", "info",  "verify", "truth",  "lattice"};
enum { COMMAND_COUNT = sizeof commands / sizeof *commands };

START_TEST(help_of_every_command) {
    char usage[64];
    const char *name = commands[_i];
    snprintf(usage, sizeof usage, "usage: gosset %s", name);
    const tool_result *result = run_tool(name, "--help", NULL);
    ck_assert_int_eq(result->code, 0);
    ck_assert_msg(strncmp(result->out, usage, strlen(usage)) == 0, "%s", result->out);
    ck_assert_ptr_nonnull(strstr(result->out, "\nExample:\n  gosset "));
    ck_assert_ptr_nonnull(strstr(result->out, "--json"));
    ck_assert_str_eq(result->err, "");
    /* Lines fit a terminal of 120 columns. */
    for (const char *line = result->out; *line;) {
        const size_t length = strcspn(line, "\n");
        ck_assert_msg(length <= 120, "%.*s", (int)length, line);
        line += length + (line[length] == '\n');
    }
    char *shown = strdup(result->out);
    result = run_tool("help", name, NULL);
    ck_assert_str_eq(result->out, shown);
    free(shown);
}
END_TEST

START_TEST(general_help) {
    const tool_result *result = run_tool("--help", NULL);
    ck_assert_int_eq(result->code, 0);
    for (int i = 0; i < COMMAND_COUNT; i++) ck_assert_ptr_nonnull(strstr(result->out, commands[i]));
    result = run_tool("--version", NULL);
    ck_assert_int_eq(result->code, 0);
    ck_assert_msg(strncmp(result->out, "gosset ", 7) == 0, "%s", result->out);
}
END_TEST

START_TEST(wrong_usage) {
    static const struct {
        const char *arguments[8];
        const char *fragment;
    } cases[] = {
        {{NULL}, "no command given"},
        {{"serach"}, "unknown command 'serach'"},
        {{"help", "serach"}, "unknown command 'serach'"},
        {{"train"}, "--learn FILE is missing"},
        {{"train", "--learn", "x", "--out"}, "--out needs a value"},
        {{"train", "--learn", "x", "--out", "y", "--bites", "4"}, "unknown option '--bites'"},
        {{"train", "--learn", "x", "--out", "y", "-z"}, "unknown option '-z'"},
        {{"train", "--learn", "x", "--out", "y", "--bytes", "-4"},
         "--bytes: expected a whole number from 1, found '-4'"},
        {{"train", "--learn", "x", "--out", "y", "--bytes", "0"}, "found '0'"},
        {{"train", "--learn", "x", "--out", "y", "--bytes", "4x"}, "found '4x'"},
        {{"train", "--learn", "x", "--out", "y", "--bytes", "4294967296"}, "found '4294967296'"},
        {{"train", "--learn", "x", "--out", "y", "--minutes", "nan"}, "--minutes: expected a number, found 'nan'"},
        {{"train", "--learn", "x", "--out", "y", "--metric", "l3"}, "--metric: expected l2, ip or cosine, found 'l3'"},
        {{"train", "--learn", "x", "--out", "y", "--resume=1"}, "--resume takes no value"},
        {{"train", "--learn", "x", "--out", "y", "z"}, "unexpected argument 'z'"},
        {{"build", "--model", "m", "--base", "b", "--out", "o", "--memory"}, "--memory needs a value"},
        {{"search", "--index", "i", "--query", "q", "--recall", "1"}, "--recall: expected a number between 0 and 1"},
        {{"search", "--index", "i", "--query", "q", "--probe", "4"}, "--probe and --rerank go together"},
        {{"search", "--index", "i", "--query", "q", "-k", "1025"}, "-k: expected at most 1024, found 1025"},
        {{"search", "--index", "i", "--query", "q", "--io", "aio"}, "--io: expected auto, uring, threads or memory"},
        {{"bench", "--index", "i", "--query", "q"}, "--truth FILE is missing"},
        {{"merge", "--out", "o"}, "no index to merge was named"},
        {{"info"}, "no model, index or shard was named"},
        {{"verify"}, "no index was named"},
        {{"verify", "a", "b"}, "unexpected argument 'b'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *const *a = cases[i].arguments;
        const tool_result *result = run_tool(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], NULL);
        ck_assert_msg(result->code == 2, "%zu: ended with %d: %s", i, result->code, result->err);
        ck_assert_msg(strstr(result->err, cases[i].fragment) != NULL, "%zu: %s", i, result->err);
        ck_assert_msg(strstr(result->err, "--help'") != NULL, "%zu: no hint: %s", i, result->err);
        ck_assert_str_eq(result->out, "");
    }
}
END_TEST

START_TEST(sizes) {
    static const char *const wrong[] = {"", "2X", "G", "-1G", "1GG", "1e30", "0", "2 G"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const tool_result *result =
            run_tool("build", "--model", "m", "--base", "b", "--out", "o", "--memory", wrong[i], NULL);
        ck_assert_msg(result->code == 2, "'%s' was taken: %s", wrong[i], result->err);
        ck_assert_ptr_nonnull(strstr(result->err, "expected a size such as 256M or 2G"));
    }
    static const char *const right[] = {"64M", "64m", "64MiB", "64MB", "0.5G", "100000000"};
    for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
        const tool_result *result =
            run_tool("build", "--model", "none.model", "--base", "b", "--out", "o", "--memory", right[i], NULL);
        ck_assert_msg(result->code == 1, "'%s' was not taken: %s", right[i], result->err);
    }
    static const char *const amounts[] = {"10M", "0.5g", "30000", "10MiB", "10MB", "0"};
    for (size_t i = 0; i < sizeof amounts / sizeof *amounts; i++) {
        const tool_result *result = run_tool("train", "--learn", "none", "--out", "o", "--vectors", amounts[i], NULL);
        ck_assert_msg(result->code == (i < 3 ? 1 : 2), "'%s': %s", amounts[i], result->err);
    }
}
END_TEST

TCase *usage_cases(void) {
    TCase *cases = tcase_create("usage");
    tcase_add_loop_test(cases, help_of_every_command, 0, COMMAND_COUNT);
    tcase_add_test(cases, general_help);
    tcase_add_test(cases, wrong_usage);
    tcase_add_test(cases, sizes);
    return cases;
}
