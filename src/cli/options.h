/** Command-line arguments by table: one row per option serves parsing, checking and --help. */
#ifndef GOSSET_CLI_OPTIONS_H
#define GOSSET_CLI_OPTIONS_H

#include <gosset/common.h>

/** Exit codes, the contract with scripts. */
enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_INTERRUPTED = 130 };

enum { OPTION_LIST_MAX = 64 };

typedef struct count_list {
    uint32_t count;
    uint32_t values[OPTION_LIST_MAX];
} count_list;

typedef struct real_list {
    uint32_t count;
    double values[OPTION_LIST_MAX];
} real_list;

typedef enum option_kind {
    OPTION_FLAG,   /* int: set to 1 */
    OPTION_TEXT,   /* const char * */
    OPTION_COUNT,  /* uint32_t, at least 1 */
    OPTION_NUMBER, /* uint64_t */
    OPTION_SIZE,   /* uint64_t bytes: 1000, 256M, 2G, 1.5GiB (powers of 1024) */
    OPTION_AMOUNT, /* uint64_t, at least 1: 30000, 500K, 10M, 1.5G (powers of 1000) */
    OPTION_REAL,   /* double */
    OPTION_SHARE,  /* double in (0, 1) */
    OPTION_METRIC, /* gosset_metric */
    OPTION_COUNTS, /* count_list */
    OPTION_SHARES  /* real_list, each in (0, 1) */
} option_kind;

typedef struct option_row {
    char letter; /* 0 = long name only */
    const char *name;
    option_kind kind;
    void *value;
    int required;
    const char *argument; /* what --help calls the value; NULL for flags */
    const char *help;
} option_row;

/** What every command offers. */
typedef struct common_options {
    int json, quiet, verbose, help;
    count_list threads;
} common_options;

/** One subcommand. */
typedef struct command {
    const char *name;
    const char *summary;     /* one line in the list of commands */
    const char *operands;    /* after the options in the usage line; "" = none */
    const char *explanation; /* paragraphs of --help before the options */
    const char *example;     /* lines of --help after them */
    int (*run)(const struct command *self, int argc, char **argv);
} command;

/**
 * Parses argv into the rows' values and the common options; prints help when asked. Operands end up in
 * argv[*first] .. argv[argc - 1]; more than `operands_max` is an error.
 * @return -1 to go on, otherwise the exit code.
 */
int options_parse(const command *self, const option_row *rows, size_t count, common_options *common, int argc,
                  char **argv, int operands_max, int *first);

/** "gosset train: SENTENCE" and the hint to --help, on stderr; returns EXIT_USAGE. */
int usage_error(const command *self, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** The first thread count asked for; 0 = all CPUs. */
uint32_t thread_count(const common_options *common);

#endif
