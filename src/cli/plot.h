/** Recall against speed and against pages read, as SVG, drawn by gnuplot. */
#ifndef GOSSET_CLI_PLOT_H
#define GOSSET_CLI_PLOT_H

#include <stddef.h>
#include <stdint.h>

typedef struct plot_point {
    double recall, queries_per_second, pages;
    uint32_t threads; /* points of one thread count form a curve */
} plot_point;

/** 0, or -1 when there is no gnuplot to run. */
int plot_available(void);
/** NULL, or why there is no plot. Points of equal `threads` must be neighbours. */
const char *plot_write(const char *path, const char *title, uint32_t k, const plot_point *points, size_t count);

#endif
