/** Codes as CSV lines: the table NAME-codes.csv, and the log a later run goes on from. */
#ifndef GOSSET_BENCH_LOG_H
#define GOSSET_BENCH_LOG_H

#include "harness.h"

#include <stdio.h>

void bench_log_header(FILE *file);
void bench_log_line(FILE *file, const bench_plan *plan, const bench_code *code);

/** Appends the row to the plan's log, if it has one. */
void bench_log_code(const bench_plan *plan, const bench_code *code);

/**
 * What the plan's log says of the code, known by set, family, factory string and size. with_other: whether it must have
 * been judged by other queries, too. Returns 0 and changes nothing when there is no such line.
 */
int bench_log_find(const bench_plan *plan, int with_other, bench_code *code);

#endif
