/** The tool from outside: command lines, exit codes, what is printed, what is written. */
#ifndef GOSSET_TESTS_CLI_H
#define GOSSET_TESTS_CLI_H

#include "support/support.h"

#include <check.h>
#include <jansson.h>
#include <sys/types.h>

/* ---- running the tool ------------------------------------------------------------------------------------ */

typedef struct tool_result {
    int code; /* exit code, or -signal */
    char *out, *err;
    json_t *json; /* of run_json */
} tool_result;

/** Runs the tool in `directory` with these arguments (NULL ends them); the result lives until the next run. */
tool_result *run_tool(const char *argument, ...) __attribute__((sentinel));
/** The same with --json; the test fails unless it ends with 0 and prints one JSON object. */
tool_result *run_json(const char *argument, ...) __attribute__((sentinel));
/** Starts it in the background; wait_tool gives the result. */
pid_t start_tool(const char *argument, ...) __attribute__((sentinel));
tool_result *wait_tool(pid_t child);
/** Where its standard output goes; NULL = it is kept in the result. */
extern const char *redirect;

/** Members of the last JSON object; the test fails where they are missing or of another kind. */
double real_of(const json_t *object, const char *key);
json_int_t count_of(const json_t *object, const char *key);
const char *text_of(const json_t *object, const char *key);

/** Fails unless it ended with 1 and one line on standard error that holds both fragments. */
void check_failure(const tool_result *result, const char *fragment, const char *other);

/* ---- the data of all cases ------------------------------------------------------------------------------- */

enum { LEARN_COUNT = 3000, BASE_COUNT = 4000, QUERY_COUNT = 100, DIMENSION = 32, TRUTH_K = 20 };

/** Holds learn.fvecs, base.fvecs, query.fvecs, truth.ivecs, map.model and the index all.gosset. */
extern char directory[TEMP_PATH_SIZE];
extern float *base_rows, *query_rows;

/** Both files hold the same bytes. */
int same_files(const char *name, const char *other);
const char *here(const char *name); /* path of a file in the directory */

TCase *usage_cases(void);
TCase *build_cases(void);
TCase *search_cases(void);
TCase *measure_cases(void);
TCase *failure_cases(void);
TCase *sphere_cases(void);
TCase *lattice_cases(void);

#endif
