/* gosset bench: what each recall costs, in pages, time and queries per second. */
#include "cli/commands.h"
#include "cli/measure.h"
#include "cli/plot.h"
#include "cli/searching.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct bench_options {
    common_options common;
    const char *index, *query, *truth, *io, *plot;
    uint32_t k;
    real_list recall;
    count_list probe, rerank;
} bench_options;

/* Settings times thread counts; each a row. */
typedef struct bench_run {
    cli_session *session;
    const bench_options *options;
    search_setup *setup;
    json_t *rows;
    plot_point *points;
    size_t point_count;
} bench_run;

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
    return check_search_options(self, options->k, 0, options->probe.count, options->rerank.count, options->io);
}

static void print_header(const cli_output *output, uint32_t k) {
    char recall[24];
    snprintf(recall, sizeof recall, "recall@%u", k);
    output_line(output, "%7s %7s %6s %7s %10s %8s %6s %8s %8s %8s %9s %7s %7s %7s", "threads", "target", "probe",
                "rerank", recall, "pages", "p99", "p50 us", "p99 us", "q/s", "codes", "map us", "scan us", "read us");
}

static void print_row(const cli_output *output, const measure_request *request, const gosset_search_options *chosen,
                      double recall, const measurement *measured) {
    const double queries = (double)measured->sum.queries;
    char target[16] = "-";
    if (request->options.recall > 0) snprintf(target, sizeof target, "%.3f", request->options.recall);
    output_line(output, "%7u %7s %6u %7u %10.4f %8.1f %6.0f %8.0f %8.0f %8.0f %9.0f %7.1f %7.1f %7.1f",
                request->threads, target, chosen->probe, chosen->rerank, recall, measured->pages_mean,
                measured->pages_p99, measured->latency_p50_us, measured->latency_p99_us, measured->queries_per_second,
                (double)measured->sum.codes_scanned / queries, (double)measured->sum.encode_ns / queries / 1e3,
                (double)measured->sum.scan_ns / queries / 1e3, (double)measured->sum.io_ns / queries / 1e3);
}

/* A row holds the keys of 'gosset search'. */
static json_t *make_row(const measure_request *request, const gosset_search_options *chosen, double recall,
                        const measurement *measured) {
    char key[32];
    cli_output row;
    output_start(&row, 1);
    snprintf(key, sizeof key, "recall_at_%u", request->k);
    output_count(&row, "threads", NULL, request->threads);
    output_json(&row, "recall_target", request->options.recall > 0 ? json_real(request->options.recall) : json_null());
    output_count(&row, "probe", NULL, chosen->probe);
    output_count(&row, "rerank", NULL, chosen->rerank);
    output_real(&row, key, NULL, recall, "%.4f");
    report_measurement(&row, measured);
    return row.object;
}

static int run_setting(bench_run *run, gosset_search_options options, uint32_t threads) {
    search_setup *setup = run->setup;
    const uint32_t k = run->options->k;
    measurement measured;
    const measure_request request = {
        .index = setup->index, .queries = setup->queries, .k = k, .threads = threads, .options = options};
    gosset_search_options chosen = {.struct_size = sizeof chosen, .probe = options.probe, .rerank = options.rerank};
    double expected = 0;
    gosset_status status = GOSSET_OK;
    if (options.recall > 0) status = gosset_index_calibration(setup->index, options.recall, &chosen, &expected);
    if (status != GOSSET_OK) return session_failed(run->session, status);
    status = measure_search(&request, setup->ids, setup->distances, &measured);
    if (status != GOSSET_OK) return search_failed(run->session, status, &measured);
    const double recall = measure_recall(setup->ids, setup->truth, setup->queries.count, k, setup->truth_per_row);
    print_row(&run->session->output, &request, &chosen, recall, &measured);
    fflush(stdout);
    json_array_append_new(run->rows, make_row(&request, &chosen, recall, &measured));
    run->points[run->point_count++] = (plot_point){.recall = recall,
                                                   .queries_per_second = measured.queries_per_second,
                                                   .pages = measured.pages_mean,
                                                   .threads = threads};
    return EXIT_OK;
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

static int run_bench(cli_session *session, const bench_options *options, search_setup *setup) {
    bench_run run = {.session = session, .options = options, .setup = setup, .rows = json_array()};
    const count_list *threads = &options->common.threads;
    const size_t settings = options->recall.count + (size_t)options->probe.count * options->rerank.count;
    cli_output *output = &session->output;
    run.points = malloc(settings * threads->count * sizeof *run.points);
    int code = run.points ? EXIT_OK : session_error(session, "no memory for the results");
    output_text(output, "index", "index", options->index);
    output_text(output, "io", "reads by", setup->info.io);
    output_text(output, "io_reason", *setup->info.io_reason ? "why not better" : NULL, setup->info.io_reason);
    output_text(output, "cpu", "kernels", setup->info.cpu);
    output_count(output, "vector_count", "vectors", setup->info.vector_count);
    output_count(output, "query_count", "queries", setup->queries.count);
    output_count(output, "k", "k", options->k);
    output_count(output, "code_bytes_per_vector", "code bytes per vector", setup->info.code_bytes);
    output_bytes(output, "resident_bytes", "memory of the index", setup->info.resident_bytes);
    output_line(output, " ");
    print_header(output, options->k);
    for (uint32_t i = 0; i < threads->count && code == EXIT_OK; i++) code = run_threads(&run, threads->values[i]);
    output_json(output, "rows", run.rows);
    if (code == EXIT_OK && options->plot) code = draw(&run);
    free(run.points);
    return code;
}

static int run(const command *self, int argc, char **argv) {
    bench_options options = {.k = 10};
    int code = parse(self, &options, argc, argv);
    if (code >= 0) return code;
    cli_session session;
    search_setup setup = {.index = NULL};
    session_start(&session, self, &options.common);
    session.env.threads = 0; /* the lists of --threads are for the searches; opening takes what there is */
    if (options.plot && plot_available() != 0) /* before the minutes of measuring, not after */
        code = session_error(&session, "--plot: gnuplot was not found (Debian: apt-get install gnuplot-nox)");
    else
        code = search_setup_open(&setup, &session, options.index, options.query, options.truth, options.io, options.k);
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
        "query went: mapping it, comparing codes, reading pages and comparing exactly.",
    .example = "  gosset bench --index photos.gosset --query query.bvecs --truth truth.ivecs \\\n"
               "      --threads 1,2 --recall 0.9,0.95,0.99 --plot photos.svg",
    .run = run,
};
