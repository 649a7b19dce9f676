/** What a run leaves: a table on stdout, NAME.json, NAME.md and two SVG plots in the output folder. */
#ifndef GOSSET_BENCH_REPORT_H
#define GOSSET_BENCH_REPORT_H

#include "harness.h"

typedef struct bench_report {
    const bench_data *data;
    const bench_plan *plan;
    const bench_results *results;
    const char *out, *name; /* folder, and what files and headings are called */
} bench_report;

void bench_report_search(const bench_report *report);
void bench_report_codes(const bench_report *report);

#endif
