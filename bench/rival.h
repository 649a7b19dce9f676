/** The systems that are measured. */
#ifndef GOSSET_BENCH_RIVAL_H
#define GOSSET_BENCH_RIVAL_H

#include "harness.h"

/** FAISS systems by name, comma-separated; NULL = all. Each is built and searched in a process of its own. */
void bench_faiss(const bench_data *data, const bench_plan *plan, const char *names, bench_results *results);

/** An index directory, searched through Gosset's public API at calibrated recall targets: for each of `ios`
 *  (comma-separated) one query a call, and many. */
void bench_gosset(const bench_data *data, const bench_plan *plan, const char *directory, const char *ios,
                  bench_results *results);

/**
 * Codes of the plan's sizes, searched exhaustively: FAISS's by family name, and Gosset's. models: files,
 * comma-separated; NULL = none. Every code leaves a row; one without figures says why. other: the same base with other
 * queries, which each code is judged by as well; NULL = none.
 */
void bench_codes(const bench_data *data, const bench_data *other, const bench_plan *plan, const char *models,
                 const char *names, bench_results *results);
void bench_gosset_codes(const bench_data *data, const bench_data *other, const bench_plan *plan, const char *models,
                        bench_results *results);

/** Cells apart from codes: those of Gosset's models (files, comma-separated), and k-means by FAISS with as many lists,
 *  or those of the plan. */
void bench_run_cells(const bench_data *data, const bench_plan *plan, const char *models, bench_results *results);

/** Is `name` in the comma-separated list? A NULL list holds every name. */
int bench_selected(const char *list, const char *name);

#endif
