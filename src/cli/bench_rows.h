/** What bench prints and writes of each setting. */
#ifndef GOSSET_CLI_BENCH_ROWS_H
#define GOSSET_CLI_BENCH_ROWS_H

#include "cli/device.h"
#include "cli/measure.h"
#include "cli/output.h"

/** One measurement, and what it is to be compared with. */
typedef struct bench_row {
    const measure_request *request;
    gosset_search_options chosen; /* what a recall stands for */
    double recall;
    const measurement *measured;
    double device_rate; /* reads a second of the device alone; 0 = not measured, as the next */
    device_times bare;  /* a batch of as many pages, alone; of a row with a rate, batches at that rate */
} bench_row;

void bench_print_header(const cli_output *output, uint32_t k);
void bench_print_row(const cli_output *output, const bench_row *row);
/** The keys of 'gosset search' and those of the comparison. */
json_t *bench_json_row(const bench_row *row);

#endif
