/** The systems that are measured. */
#ifndef GOSSET_BENCH_RIVAL_H
#define GOSSET_BENCH_RIVAL_H

#include "harness.h"

/** FAISS systems by name, comma-separated; NULL = all. Each is built and searched in a process of its own. */
void bench_faiss(const bench_data *data, const bench_plan *plan, const char *names, bench_results *results);

/** An index directory, searched through Gosset's public API at calibrated recall targets. */
void bench_gosset(const bench_data *data, const bench_plan *plan, const char *directory, const char *io,
                  bench_results *results);

/** Codes of equal size, searched exhaustively: FAISS's, and Gosset's when a model is given. */
void bench_codes(const bench_data *data, const bench_plan *plan, const char *model, const char *names,
                 bench_results *results);

/** Is `name` in the comma-separated list? A NULL list holds every name. */
int bench_selected(const char *list, const char *name);

#endif
