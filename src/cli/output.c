#include "cli/output.h"
#include "cli/options.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { LABEL_WIDTH = 26 };

void output_start(cli_output *self, int json) {
    self->json = json;
    self->object = json_object();
}

json_t *json_number(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

const char *human_bytes(uint64_t bytes) {
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    static _Thread_local char texts[4][32];
    static _Thread_local int next;
    char *text = texts[next++ % 4];
    double value = (double)bytes;
    int unit = 0;
    for (; value >= 1024 && unit < 6; unit++) value /= 1024;
    snprintf(text, sizeof texts[0], unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
    return text;
}

static void print_fact(const cli_output *self, const char *label, const char *text) {
    if (!self->json && label) printf("%-*s %s\n", LABEL_WIDTH, label, text);
}

void output_text(cli_output *self, const char *key, const char *label, const char *value) {
    output_json(self, key, json_string(value));
    print_fact(self, label, value);
}

void output_count(cli_output *self, const char *key, const char *label, uint64_t value) {
    char text[32];
    output_json(self, key, json_integer((json_int_t)value));
    snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    print_fact(self, label, text);
}

void output_bytes(cli_output *self, const char *key, const char *label, uint64_t value) {
    output_json(self, key, json_integer((json_int_t)value));
    print_fact(self, label, human_bytes(value));
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* every caller passes a literal */
void output_real(cli_output *self, const char *key, const char *label, double value, const char *format) {
    char text[64];
    output_json(self, key, json_number(value));
    snprintf(text, sizeof text, format, value);
    print_fact(self, label, text);
}
#pragma GCC diagnostic pop

void output_json(cli_output *self, const char *key, json_t *value) {
    if (self->object && key)
        json_object_set_new(self->object, key, value);
    else
        json_decref(value);
}

void output_line(const cli_output *self, const char *format, ...) {
    if (self->json) return;
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
}

int output_end(cli_output *self) {
    int failed = 0;
    if (self->json) {
        failed = !self->object || json_dumpf(self->object, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(10)) != 0;
        putchar('\n');
    }
    output_drop(self);
    if (fflush(stdout) != 0 || ferror(stdout)) failed = 1;
    if (failed) fprintf(stderr, "gosset: standard output: %s\n", strerror(errno));
    return failed ? EXIT_FAILED : EXIT_OK;
}

void output_drop(cli_output *self) {
    json_decref(self->object);
    self->object = NULL;
}
