#include "cli/options.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS_MAX = 40, HELP_COLUMN = 26 };

/* ---- values ----------------------------------------------------------------------------------------------- */

static int parse_number(const char *text, uint64_t *value) {
    char *end;
    if (*text < '0' || *text > '9') return 0; /* strtoull takes "-1" */
    errno = 0;
    *value = strtoull(text, &end, 10);
    return *end == 0 && errno == 0;
}

static int parse_count(const char *text, uint32_t *value) {
    uint64_t wide;
    if (!parse_number(text, &wide) || wide == 0 || wide > UINT32_MAX) return 0;
    *value = (uint32_t)wide;
    return 1;
}

static int parse_real(const char *text, double *value) {
    char *end;
    errno = 0;
    *value = strtod(text, &end);
    return end != text && *end == 0 && errno == 0 && isfinite(*value);
}

static int parse_share(const char *text, double *value) {
    return parse_real(text, value) && *value > 0 && *value < 1;
}

static int parse_scaled(const char *text, uint64_t *value, double thousand) {
    static const char units[] = "KMGT";
    char *end;
    errno = 0;
    if (*text < '0' || *text > '9') return 0;
    double number = strtod(text, &end);
    if (errno != 0 || !isfinite(number)) return 0;
    const char *unit = *end ? strchr(units, *end & ~0x20) : NULL;
    if (unit) {
        for (const char *power = units; power <= unit; power++) number *= thousand;
        end++;
        if (*end == 'i' && thousand == 1024) end++;
    }
    if ((*end == 'B' || *end == 'b') && thousand == 1024) end++;
    if (*end != 0 || number < 1 || number >= 0x1p63) return 0;
    *value = (uint64_t)number;
    return 1;
}

static int parse_metric(const char *text, gosset_metric *value) {
    static const char *const names[] = {"l2", "ip", "cosine"};
    for (int i = 0; i < 3; i++) {
        if (strcmp(text, names[i]) == 0) {
            *value = (gosset_metric)i;
            return 1;
        }
    }
    return 0;
}

/* Comma-separated; `counts` or `shares` receives the values. */
static int parse_list(const char *text, count_list *counts, real_list *shares) {
    char item[64];
    uint32_t count = 0;
    for (;; count++) {
        const size_t length = strcspn(text, ",");
        if (length == 0 || length >= sizeof item || count == OPTION_LIST_MAX) return 0;
        memcpy(item, text, length);
        item[length] = 0;
        if (counts && !parse_count(item, &counts->values[count])) return 0;
        if (shares && !parse_share(item, &shares->values[count])) return 0;
        text += length;
        if (*text++ == 0) break;
    }
    if (counts)
        counts->count = count + 1;
    else
        shares->count = count + 1;
    return 1;
}

/* NULL, or what was expected. */
static const char *parse_value(const option_row *row, const char *text) {
    switch (row->kind) {
    case OPTION_FLAG:
        *(int *)row->value = 1;
        return NULL;
    case OPTION_TEXT:
        *(const char **)row->value = text;
        return *text ? NULL : "a name";
    case OPTION_COUNT:
        return parse_count(text, row->value) ? NULL : "a whole number from 1";
    case OPTION_NUMBER:
        return parse_number(text, row->value) ? NULL : "a whole number";
    case OPTION_SIZE:
        return parse_scaled(text, row->value, 1024) ? NULL : "a size such as 256M or 2G";
    case OPTION_AMOUNT:
        return parse_scaled(text, row->value, 1000) ? NULL : "a number such as 500K or 10M";
    case OPTION_REAL:
        return parse_real(text, row->value) ? NULL : "a number";
    case OPTION_SHARE:
        return parse_share(text, row->value) ? NULL : "a number between 0 and 1";
    case OPTION_METRIC:
        return parse_metric(text, row->value) ? NULL : "l2, ip or cosine";
    case OPTION_COUNTS:
        return parse_list(text, row->value, NULL) ? NULL : "whole numbers separated by commas";
    case OPTION_SHARES:
        return parse_list(text, NULL, row->value) ? NULL : "numbers between 0 and 1 separated by commas";
    }
    return "another kind of value";
}

/* ---- help ------------------------------------------------------------------------------------------------- */

static void print_row(const option_row *row) {
    char left[64];
    const char letter[] = {'-', row->letter, 0};
    snprintf(left, sizeof left, "  %s%s--%s%s%s", row->letter ? letter : "", row->letter ? ", " : "    ", row->name,
             row->argument ? " " : "", row->argument ? row->argument : "");
    if (strlen(left) >= HELP_COLUMN)
        printf("%s\n%*s%s\n", left, HELP_COLUMN, "", row->help);
    else
        printf("%-*s%s\n", HELP_COLUMN, left, row->help);
}

static void print_usage(const command *self, const option_row *rows, size_t count, FILE *file) {
    fprintf(file, "usage: gosset %s", self->name);
    for (size_t i = 0; i < count; i++) {
        if (rows[i].required) fprintf(file, " --%s %s", rows[i].name, rows[i].argument);
    }
    fprintf(file, " [options]%s%s\n", *self->operands ? " " : "", self->operands);
}

static void print_help(const command *self, const option_row *rows, size_t own, size_t count) {
    print_usage(self, rows, own, stdout);
    printf("\n%s\n\nOptions:\n", self->explanation);
    for (size_t i = 0; i < own; i++) print_row(&rows[i]);
    printf("\nFor every command:\n");
    for (size_t i = own; i < count; i++) print_row(&rows[i]);
    printf("\nExample:\n%s\n", self->example);
}

int usage_error(const command *self, const char *format, ...) {
    va_list arguments;
    fprintf(stderr, "gosset %s: ", self->name);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "; 'gosset %s --help' explains\n", self->name);
    return EXIT_USAGE;
}

/* ---- parsing ---------------------------------------------------------------------------------------------- */

typedef struct option_table {
    option_row rows[ROWS_MAX];
    struct option names[ROWS_MAX + 1];
    char letters[2 * ROWS_MAX + 2];
    int seen[ROWS_MAX];
    size_t count;
} option_table;

static void build_table(option_table *table, const option_row *rows, size_t count, common_options *common) {
    const option_row shared[] = {
        {'t', "threads", OPTION_COUNTS, &common->threads, 0, "N", "threads to use (default: all CPUs)"},
        {0, "json", OPTION_FLAG, &common->json, 0, NULL, "print one JSON object instead of text"},
        {0, "quiet", OPTION_FLAG, &common->quiet, 0, NULL, "no progress, no notes; errors only"},
        {'v', "verbose", OPTION_FLAG, &common->verbose, 0, NULL, "what the library logs, on standard error"},
        {'h', "help", OPTION_FLAG, &common->help, 0, NULL, "this text"},
    };
    const size_t shared_count = sizeof shared / sizeof *shared;
    memset(table, 0, sizeof *table);
    if (count > 0) memcpy(table->rows, rows, count * sizeof *rows);
    memcpy(table->rows + count, shared, sizeof shared);
    table->count = count + shared_count;
    char *letter = table->letters;
    *letter++ = ':'; /* tells a missing value from an unknown option */
    for (size_t i = 0; i < table->count; i++) {
        const option_row *row = &table->rows[i];
        const int argument = row->kind == OPTION_FLAG ? no_argument : required_argument;
        table->names[i] = (struct option){row->name, argument, NULL, 256 + (int)i};
        if (row->letter) *letter++ = row->letter;
        if (row->letter && argument == required_argument) *letter++ = ':';
    }
}

static const option_row *find_row(const option_table *table, int found) {
    if (found >= 256) return &table->rows[found - 256];
    for (size_t i = 0; i < table->count; i++) {
        if (table->rows[i].letter == found) return &table->rows[i];
    }
    return NULL;
}

static int check_complete(const command *self, const option_table *table, size_t own) {
    for (size_t i = 0; i < own; i++) {
        if (table->rows[i].required && !table->seen[i])
            return usage_error(self, "--%s %s is missing", table->rows[i].name, table->rows[i].argument);
    }
    return -1;
}

int options_parse(const command *self, const option_row *rows, size_t count, common_options *common, int argc,
                  char **argv, int operands_max, int *first) {
    option_table table;
    build_table(&table, rows, count, common);
    opterr = 0;
    optind = 1;
    for (;;) {
        const int current = optind;
        const int found = getopt_long(argc, argv, table.letters, table.names, NULL);
        if (found < 0) break;
        if (found == ':') return usage_error(self, "%s needs a value", argv[optind - 1]);
        const option_row *row = found == '?' ? NULL : find_row(&table, found);
        if (!row) {
            if (optopt > 0 && optopt < 256) return usage_error(self, "unknown option '-%c'", optopt);
            if (optopt >= 256) return usage_error(self, "--%s takes no value", table.rows[optopt - 256].name);
            return usage_error(self, "unknown option '%s'", argv[current]);
        }
        const char *expected = parse_value(row, optarg ? optarg : "");
        if (expected) return usage_error(self, "--%s: expected %s, found '%s'", row->name, expected, optarg);
        table.seen[row - table.rows] = 1;
    }
    if (common->help) {
        print_help(self, table.rows, count, table.count);
        return EXIT_OK;
    }
    *first = optind;
    if (argc - optind > operands_max) return usage_error(self, "unexpected argument '%s'", argv[optind + operands_max]);
    return check_complete(self, &table, count);
}

uint32_t thread_count(const common_options *common) {
    return common->threads.count > 0 ? common->threads.values[0] : 0;
}
