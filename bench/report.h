/** What a run leaves: a table on stdout, NAME.json, NAME.md and two SVG plots in the output folder. */
#ifndef GOSSET_BENCH_REPORT_H
#define GOSSET_BENCH_REPORT_H

#include "harness.h"

#include <stdio.h>

typedef struct bench_report {
    const bench_data *data, *other; /* other: further queries of the codes; NULL = none */
    const bench_plan *plan;
    const bench_results *results;
    const char *out, *name; /* folder, and what files and headings are called */
} bench_report;

/** The file NAME + suffix in the output folder, to be written; without one the program ends. */
FILE *bench_report_file(const bench_report *report, const char *suffix);
/** Writes a table into that file, below a heading, and to stdout. */
void bench_report_table(const bench_report *report, const char *suffix, const char *title,
                        void (*table)(const bench_report *, FILE *));
/** Has gnuplot draw what the file NAME + suffix says about so many blocks of data, and removes it. */
void bench_report_plot(const bench_report *report, const char *suffix, uint32_t blocks);

void bench_report_search(const bench_report *report);
void bench_report_codes(const bench_report *report);
void bench_report_cells(const bench_report *report);

/** Commands of their own, of what the tool printed: a table, JSON and a plot of sizes; a table and a plot of curves. */
int bench_growth(int argc, char **argv);
int bench_curves(int argc, char **argv);

#endif
