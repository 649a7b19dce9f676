/** What becomes of a cost when the base grows: lines through measurements of several sizes. */
#ifndef GOSSET_BENCH_GROWTH_H
#define GOSSET_BENCH_GROWTH_H

#include <stddef.h>

/**
 * A power of the size fits what a query costs; its line is straight in log-log. What is a share for each vector and
 * something besides (memory, disk, the time of a build) follows a straight line, and a power would make it too cheap.
 */
typedef enum growth_kind { GROWTH_POWER, GROWTH_STRAIGHT } growth_kind;

typedef struct growth_line {
    growth_kind kind;
    double exponent; /* by least squares in log-log, for either kind */
    double slope,
        intercept; /* POWER: log value = slope * log size + intercept; STRAIGHT: through the largest two sizes */
} growth_line;

/** At least two sizes, ascending, and values above 0. */
growth_line growth_fit(growth_kind kind, const double *sizes, const double *values, size_t count);
double growth_project(const growth_line *line, double size);

#endif
