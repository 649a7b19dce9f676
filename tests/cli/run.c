#include "cli_tests.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

const char *redirect;

static tool_result last;

static pid_t spawn(const char *first, va_list arguments, const char *extra) {
    enum { ARGUMENTS_MAX = 40 };
    char *argv[ARGUMENTS_MAX + 3] = {(char *)GOSSET_TOOL};
    int count = 1;
    for (const char *argument = first; argument; argument = va_arg(arguments, const char *)) {
        ck_assert_int_lt(count, ARGUMENTS_MAX);
        argv[count++] = (char *)argument;
    }
    if (extra) argv[count++] = (char *)extra;
    argv[count] = NULL;
    const pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child > 0) return child;
    const int out = open(redirect ? redirect : here("stdout"), O_WRONLY | O_CREAT | O_TRUNC, 0666);
    const int err = open(here("stderr"), O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (out < 0 || err < 0 || chdir(directory) != 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0) _exit(126);
    execv(argv[0], argv);
    _exit(127);
}

static char *text_file(const char *name) {
    size_t size;
    unsigned char *bytes = file_bytes(here(name), &size);
    char *text = malloc(size + 1);
    ck_assert_ptr_nonnull(text);
    memcpy(text, bytes, size);
    text[size] = 0;
    free(bytes);
    return text;
}

tool_result *wait_tool(pid_t child) {
    int state;
    while (waitpid(child, &state, 0) < 0) ck_assert_int_eq(errno, EINTR);
    free(last.out);
    free(last.err);
    json_decref(last.json);
    last.json = NULL;
    last.code = WIFEXITED(state) ? WEXITSTATUS(state) : -WTERMSIG(state);
    last.out = redirect ? strdup("") : text_file("stdout");
    last.err = text_file("stderr");
    return &last;
}

pid_t start_tool(const char *argument, ...) {
    va_list arguments;
    va_start(arguments, argument);
    const pid_t child = spawn(argument, arguments, NULL);
    va_end(arguments);
    return child;
}

tool_result *run_tool(const char *argument, ...) {
    va_list arguments;
    va_start(arguments, argument);
    const pid_t child = spawn(argument, arguments, NULL);
    va_end(arguments);
    return wait_tool(child);
}

tool_result *run_json(const char *argument, ...) {
    va_list arguments;
    va_start(arguments, argument);
    const pid_t child = spawn(argument, arguments, "--json");
    va_end(arguments);
    tool_result *result = wait_tool(child);
    json_error_t error;
    ck_assert_msg(result->code == 0, "gosset %s ended with %d: %s", argument, result->code, result->err);
    result->json = json_loads(result->out, JSON_REJECT_DUPLICATES, &error);
    ck_assert_msg(result->json != NULL, "gosset %s --json: line %d: %s", argument, error.line, error.text);
    return result;
}

double real_of(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    ck_assert_msg(json_is_number(value), "no number '%s'", key);
    return json_number_value(value);
}

json_int_t count_of(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    ck_assert_msg(json_is_integer(value), "no whole number '%s'", key);
    return json_integer_value(value);
}

const char *text_of(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    ck_assert_msg(json_is_string(value), "no text '%s'", key);
    return json_string_value(value);
}

void check_failure(const tool_result *result, const char *fragment, const char *other) {
    ck_assert_msg(result->code == 1, "ended with %d, expected 1: %s", result->code, result->err);
    ck_assert_msg(strstr(result->err, fragment) != NULL, "'%s' does not say '%s'", result->err, fragment);
    ck_assert_msg(strstr(result->err, other) != NULL, "'%s' does not say '%s'", result->err, other);
    const char *end = strchr(result->err, '\n');
    ck_assert_msg(end && end[1] == 0, "more than one line: %s", result->err);
    ck_assert_str_eq(result->out, "");
}

int same_files(const char *name, const char *other) {
    size_t size, other_size;
    unsigned char *bytes = file_bytes(here(name), &size), *other_bytes = file_bytes(here(other), &other_size);
    const int same = size == other_size && memcmp(bytes, other_bytes, size) == 0;
    free(bytes);
    free(other_bytes);
    return same;
}

const char *here(const char *name) {
    return temp_path(directory, name);
}
