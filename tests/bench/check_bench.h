/** The parts of this program. */
#ifndef CHECK_BENCH_H
#define CHECK_BENCH_H

#include <check.h>

TCase *bench_cells_cases(void);
TCase *bench_growth_cases(void);
TCase *bench_log_cases(void);

#endif
