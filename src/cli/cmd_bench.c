/* gosset bench: what each recall costs, in pages, time and queries per second. */
#include "cli/bench_rows.h"
#include "cli/commands.h"
#include "cli/device.h"
#include "cli/measure.h"
#include "cli/plot.h"
#include "cli/searching.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct bench_options {
    common_options common;
    const char *index, *query, *truth, *io, *plot, *arrivals;
    uint32_t k, in_flight, batch;
    uint64_t memory, cache;
    int device;
    real_list recall, load;
    count_list probe, rerank, rate;
} bench_options;

/* Settings times thread counts, times one and the loads and rates; each a row. */
typedef struct bench_run {
    cli_session *session;
    const bench_options *options;
    search_setup *setup;
    device *device;
    double device_rate;
    json_t *rows;
    plot_point *points;
    size_t point_count;
} bench_run;

static int check_ways(const command *self, const bench_options *options) {
    const int arriving = options->rate.count > 0 || options->load.count > 0;
    if (options->in_flight > 256) return usage_error(self, "--in-flight: expected at most 256");
    if (options->batch > 1 && arriving) return usage_error(self, "--batch excludes --rate and --load");
    if (options->arrivals && strcmp(options->arrivals, "random") != 0 && strcmp(options->arrivals, "even") != 0)
        return usage_error(self, "--arrivals: expected random or even, found '%s'", options->arrivals);
    if (options->arrivals && !arriving) return usage_error(self, "--arrivals needs --rate or --load");
    if (options->device && options->io && strcmp(options->io, "memory") == 0)
        return usage_error(self, "--device: with --io memory nothing is read");
    return check_search_options(self, options->k, 0, options->probe.count, options->rerank.count, options->io);
}

static int parse(const command *self, bench_options *options, int argc, char **argv) {
    const option_row rows[] = {
        {'i', "index", OPTION_TEXT, &options->index, 1, "DIR", "from 'gosset build'"},
        {'q', "query", OPTION_TEXT, &options->query, 1, "FILE", "the vectors to search for"},
        {0, "truth", OPTION_TEXT, &options->truth, 1, "FILE", "their exact neighbours ('gosset truth')"},
        {'k', "k", OPTION_COUNT, &options->k, 0, "N", "neighbours of each (default 10)"},
        {0, "recall", OPTION_SHARES, &options->recall, 0, "X,...",
         "recalls to aim at (default 0.8,0.9,0.95,0.98,0.99)"},
        {0, "probe", OPTION_COUNTS, &options->probe, 0, "N,...", "cells to visit; every pair with --rerank is run too"},
        {0, "rerank", OPTION_COUNTS, &options->rerank, 0, "N,...", "candidates whose pages are read"},
        {0, "io", OPTION_TEXT, &options->io, 0, "NAME", "auto (default), uring, threads or memory"},
        {0, "memory", OPTION_SIZE, &options->memory, 0, "SIZE",
         "the index may hold: codes that do not fit stay on disk (default: as it takes)"},
        {0, "cache", OPTION_SIZE, &options->cache, 0, "SIZE", "pages each thread keeps in memory (default: none)"},
        {0, "in-flight", OPTION_COUNT, &options->in_flight, 0, "N",
         "queries of each thread under way at once (default 1)"},
        {0, "batch", OPTION_COUNT, &options->batch, 0, "N", "queries in one call (default 1)"},
        {0, "rate", OPTION_COUNTS, &options->rate, 0, "N,...", "queries a second that arrive, in further rows"},
        {0, "load", OPTION_SHARES, &options->load, 0, "X,...", "the same as a share of the first row's queries/s"},
        {0, "arrivals", OPTION_TEXT, &options->arrivals, 0, "NAME", "random (default: Poisson) or even"},
        {0, "device", OPTION_FLAG, &options->device, 0, NULL, "measure the device alone, too, and compare"},
        {0, "plot", OPTION_TEXT, &options->plot, 0, "FILE",
         "draw recall against speed and pages, .svg (needs gnuplot)"},
    };
    int first;
    const int code = options_parse(self, rows, sizeof rows / sizeof *rows, &options->common, argc, argv, 0, &first);
    if (code >= 0) return code;
    if (options->recall.count == 0 && options->probe.count == 0)
        options->recall = (real_list){.count = 5, .values = {0.8, 0.9, 0.95, 0.98, 0.99}};
    if (options->common.threads.count == 0) {
        options->common.threads = (count_list){.count = 1, .values = {1}};
        if (cpu_count() > 1) options->common.threads = (count_list){.count = 2, .values = {1, cpu_count()}};
    }
    return check_ways(self, options);
}

/* One row. */
static int run_once(bench_run *run, const measure_request *request, measurement *measured) {
    search_setup *setup = run->setup;
    bench_row row = {.request = request, .measured = measured, .device_rate = run->device_rate};
    double expected = 0;
    gosset_status status = GOSSET_OK;
    row.chosen = (gosset_search_options){
        .struct_size = sizeof row.chosen, .probe = request->options.probe, .rerank = request->options.rerank};
    if (request->options.recall > 0)
        status = gosset_index_calibration(setup->index, request->options.recall, &row.chosen, &expected);
    if (status != GOSSET_OK) return session_failed(run->session, status);
    status = measure_search(request, setup->ids, setup->distances, measured);
    if (status != GOSSET_OK) return search_failed(run->session, status, measured);
    row.recall = measure_recall(setup->ids, setup->truth, setup->queries.count, request->k, setup->truth_per_row);
    if (run->device) {
        const uint32_t pages = (uint32_t)(measured->pages_mean + 0.5);
        status = device_batches(run->device, pages > 0 ? pages : 1, request->rate, &row.bare);
        if (status != GOSSET_OK) return session_failed(run->session, status);
    }
    bench_print_row(&run->session->output, &row);
    fflush(stdout);
    json_array_append_new(run->rows, bench_json_row(&row));
    if (request->rate == 0)
        run->points[run->point_count++] = (plot_point){.recall = row.recall,
                                                       .queries_per_second = measured->queries_per_second,
                                                       .pages = measured->pages_mean,
                                                       .threads = request->threads};
    return EXIT_OK;
}

/* As fast as they are answered, then as they arrive. */
static int run_setting(bench_run *run, gosset_search_options setting, uint32_t threads) {
    const bench_options *options = run->options;
    measurement closed, open;
    measure_request request = {.index = run->setup->index,
                               .queries = run->setup->queries,
                               .k = options->k,
                               .threads = threads,
                               .options = setting,
                               .in_flight = options->in_flight,
                               .batch = options->batch,
                               .even = options->arrivals && strcmp(options->arrivals, "even") == 0};
    request.options.cache = options->cache;
    int code = run_once(run, &request, &closed);
    for (uint32_t i = 0; i < options->load.count && code == EXIT_OK; i++) {
        request.rate = options->load.values[i] * closed.queries_per_second;
        code = run_once(run, &request, &open);
    }
    for (uint32_t i = 0; i < options->rate.count && code == EXIT_OK; i++) {
        request.rate = options->rate.values[i];
        code = run_once(run, &request, &open);
    }
    return code;
}

static int run_threads(bench_run *run, uint32_t threads) {
    const bench_options *options = run->options;
    int code = EXIT_OK;
    for (uint32_t i = 0; i < options->recall.count && code == EXIT_OK; i++)
        code = run_setting(run, make_options(options->recall.values[i], 0, 0), threads);
    for (uint32_t i = 0; i < options->probe.count; i++) {
        for (uint32_t j = 0; j < options->rerank.count && code == EXIT_OK; j++)
            code = run_setting(run, make_options(0, options->probe.values[i], options->rerank.values[j]), threads);
    }
    return code;
}

/* Within a thread count by recall, so that the curve does not run back and forth. */
static int compare_points(const void *a, const void *b) {
    const plot_point *left = a, *right = b;
    if (left->threads != right->threads) return left->threads < right->threads ? -1 : 1;
    return (left->recall > right->recall) - (left->recall < right->recall);
}

static int draw(bench_run *run) {
    const char *path = run->options->plot;
    char title[256];
    snprintf(title, sizeof title, "%s: %llu vectors, %llu queries, %s", run->options->index,
             (unsigned long long)run->setup->info.vector_count, (unsigned long long)run->setup->queries.count,
             run->setup->info.io);
    qsort(run->points, run->point_count, sizeof *run->points, compare_points);
    const char *failure = plot_write(path, title, run->options->k, run->points, run->point_count);
    if (failure) return session_error(run->session, "%s: plot: %s", path, failure);
    output_line(&run->session->output, " ");
    output_text(&run->session->output, "plot", "plot", path);
    return EXIT_OK;
}

static int measure_device(bench_run *run) {
    static const double seconds = 1;
    gosset_status status = device_open(&run->device, run->options->index, run->options->io);
    if (status == GOSSET_OK) status = device_rate(run->device, seconds, &run->device_rate);
    if (status != GOSSET_OK) return session_failed(run->session, status);
    output_real(&run->session->output, "device_reads_per_second", "random reads a second", run->device_rate, "%.0f");
    return EXIT_OK;
}

static void report_setup(const bench_run *run) {
    cli_output *output = &run->session->output;
    const gosset_index_info *info = &run->setup->info;
    output_text(output, "index", "index", run->options->index);
    output_text(output, "io", "reads by", info->io);
    output_text(output, "io_reason", *info->io_reason ? "why not better" : NULL, info->io_reason);
    report_codes(run->session, info);
    output_text(output, "cpu", "kernels", info->cpu);
    output_count(output, "vector_count", "vectors", info->vector_count);
    output_count(output, "query_count", "queries", run->setup->queries.count);
    output_count(output, "k", "k", run->options->k);
    output_count(output, "code_bytes_per_vector", "code bytes per vector", info->code_bytes);
    output_bytes(output, "resident_bytes", "memory of the index", info->resident_bytes);
}

static int run_bench(cli_session *session, const bench_options *options, search_setup *setup) {
    bench_run run = {.session = session, .options = options, .setup = setup, .rows = json_array()};
    const count_list *threads = &options->common.threads;
    const size_t settings = options->recall.count + (size_t)options->probe.count * options->rerank.count;
    cli_output *output = &session->output;
    run.points = malloc(settings * threads->count * sizeof *run.points);
    int code = run.points ? EXIT_OK : session_error(session, "no memory for the results");
    report_setup(&run);
    if (code == EXIT_OK && options->device) code = measure_device(&run);
    output_line(output, " ");
    bench_print_header(output, options->k);
    for (uint32_t i = 0; i < threads->count && code == EXIT_OK; i++) code = run_threads(&run, threads->values[i]);
    output_json(output, "rows", run.rows);
    if (code == EXIT_OK && options->plot) code = draw(&run);
    device_close(run.device);
    free(run.points);
    return code;
}

static int run(const command *self, int argc, char **argv) {
    bench_options options = {.k = 10};
    int code = parse(self, &options, argc, argv);
    if (code >= 0) return code;
    cli_session session;
    search_setup setup = {.index = NULL};
    const search_files files = {options.index, options.query, options.truth, options.io, options.memory};
    session_start(&session, self, &options.common);
    session.env.threads = 0; /* the lists of --threads are for the searches; opening takes what there is */
    if (options.plot && plot_available() != 0) /* before the minutes of measuring, not after */
        code = session_error(&session, "--plot: gnuplot was not found (Debian: apt-get install gnuplot-nox)");
    else
        code = search_setup_open(&setup, &session, &files, options.k);
    if (code == EXIT_OK) code = run_bench(&session, &options, &setup);
    code = session_end(&session, code);
    search_setup_close(&setup);
    return code;
}

const command command_bench = {
    .name = "bench",
    .summary = "measure what each recall costs in pages, latency and queries per second",
    .operands = "",
    .explanation =
        "Runs every query at every setting and thread count and prints one row for each: the recall reached, pages\n"
        "read (mean and 99th percentile), latency, queries per second, codes compared, and where the time of a\n"
        "query went: mapping it, comparing codes, reading pages and comparing exactly.\n\n"
        "One query after the other has the lowest latency. --in-flight lets each thread work on several, which fills\n"
        "the device; --batch puts many into one call. --rate and --load add rows in which queries arrive by "
        "themselves,\n"
        "in one line for all threads: a latency is then counted from the arrival. --device first reads random pages\n"
        "and nothing else, and says what share of that rate each row used, and how long a bare batch of as many pages\n"
        "takes; in rows of queries that arrive, batches that arrive at the same rate.",
    .example = "  gosset bench --index photos.gosset --query query.bvecs --truth truth.ivecs \\\n"
               "      --threads 1,2 --recall 0.9,0.95,0.99 --plot photos.svg\n"
               "  gosset bench --index photos.gosset --query query.bvecs --truth truth.ivecs \\\n"
               "      --threads 2 --recall 0.95 --in-flight 8 --load 0.5,0.8 --device",
    .run = run,
};
