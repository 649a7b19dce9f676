#include "growth.h"

#include <math.h>

/* y = slope * x + intercept by least squares. */
static void least_squares(const double *sizes, const double *values, size_t count, double *slope, double *intercept) {
    double x_mean = 0, y_mean = 0, products = 0, squares = 0;
    for (size_t i = 0; i < count; i++) {
        x_mean += log(sizes[i]) / (double)count;
        y_mean += log(values[i]) / (double)count;
    }
    for (size_t i = 0; i < count; i++) {
        products += (log(sizes[i]) - x_mean) * (log(values[i]) - y_mean);
        squares += (log(sizes[i]) - x_mean) * (log(sizes[i]) - x_mean);
    }
    *slope = products / squares;
    *intercept = y_mean - *slope * x_mean;
}

growth_line growth_fit(growth_kind kind, const double *sizes, const double *values, size_t count) {
    growth_line line = {.kind = kind};
    least_squares(sizes, values, count, &line.slope, &line.intercept);
    line.exponent = line.slope;
    if (kind == GROWTH_STRAIGHT) {
        line.slope = (values[count - 1] - values[count - 2]) / (sizes[count - 1] - sizes[count - 2]);
        line.intercept = values[count - 1] - line.slope * sizes[count - 1];
    }
    return line;
}

double growth_project(const growth_line *line, double size) {
    if (line->kind == GROWTH_STRAIGHT) return line->slope * size + line->intercept;
    return exp(line->slope * log(size) + line->intercept);
}
