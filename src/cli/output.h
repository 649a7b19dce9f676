/** Results on standard output: one JSON object with --json, aligned lines for people otherwise. */
#ifndef GOSSET_CLI_OUTPUT_H
#define GOSSET_CLI_OUTPUT_H

#include <jansson.h>
#include <stdint.h>

typedef struct cli_output {
    int json;
    json_t *object; /* filled in both cases; printed at the end with --json */
} cli_output;

void output_start(cli_output *self, int json);

/** One fact: `key` in JSON; `label` and the formatted value for people. A NULL label keeps it out of the text. */
void output_text(cli_output *self, const char *key, const char *label, const char *value);
void output_count(cli_output *self, const char *key, const char *label, uint64_t value);
void output_bytes(cli_output *self, const char *key, const char *label, uint64_t value);
/** `format` is for one double, with its unit: "%.1f us". */
void output_real(cli_output *self, const char *key, const char *label, double value, const char *format);
/** Takes over `value`; nothing is printed for people. */
void output_json(cli_output *self, const char *key, json_t *value);

/** A line for people only. */
void output_line(const cli_output *self, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** A number JSON can hold: null for NaN and infinity. */
json_t *json_number(double value);

/** "1.5 GiB", "812 B"; static per thread, four results alive at a time. */
const char *human_bytes(uint64_t bytes);

/** Prints what is due and frees. The exit code: EXIT_OK, or EXIT_FAILED when standard output refused it. */
int output_end(cli_output *self);
/** Frees without printing; after output_end it does nothing. */
void output_drop(cli_output *self);

#endif
