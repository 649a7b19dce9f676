/* gosset search: the nearest neighbours of each query, from disk. */
#include "cli/commands.h"
#include "cli/measure.h"
#include "cli/searching.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct search_command_options {
    common_options common;
    const char *index, *query, *io, *truth, *out, *distances;
    uint32_t k, probe, rerank, show, in_flight;
    uint64_t memory, cache;
    double recall;
} search_command_options;

static int parse(const command *self, search_command_options *options, int argc, char **argv) {
    const option_row rows[] = {
        {'i', "index", OPTION_TEXT, &options->index, 1, "DIR", "from 'gosset build'"},
        {'q', "query", OPTION_TEXT, &options->query, 1, "FILE", "the vectors to search for"},
        {'k', "k", OPTION_COUNT, &options->k, 0, "N", "neighbours of each (default 10, at most 1024)"},
        {0, "recall", OPTION_SHARE, &options->recall, 0, "X", "share of the true neighbours wanted (default 0.95)"},
        {0, "probe", OPTION_COUNT, &options->probe, 0, "N", "cells to visit, instead of --recall; with --rerank"},
        {0, "rerank", OPTION_COUNT, &options->rerank, 0, "N", "candidates whose pages are read; with --probe"},
        {0, "io", OPTION_TEXT, &options->io, 0, "NAME", "auto (default), uring, threads or memory"},
        {0, "memory", OPTION_SIZE, &options->memory, 0, "SIZE",
         "the index may hold: codes that do not fit stay on disk (default: as it takes)"},
        {0, "cache", OPTION_SIZE, &options->cache, 0, "SIZE", "pages each thread keeps in memory (default: none)"},
        {0, "in-flight", OPTION_COUNT, &options->in_flight, 0, "N",
         "queries of each thread under way at once (default 1)"},
        {0, "truth", OPTION_TEXT, &options->truth, 0, "FILE", "exact neighbours, to report the recall reached"},
        {'o', "out", OPTION_TEXT, &options->out, 0, "FILE", "write the ids found, .ivecs"},
        {0, "distances", OPTION_TEXT, &options->distances, 0, "FILE", "write their exact distances, .fvecs"},
        {0, "show", OPTION_COUNT, &options->show, 0, "N", "print the neighbours of the first N queries"},
    };
    int first;
    const int code = options_parse(self, rows, sizeof rows / sizeof *rows, &options->common, argc, argv, 0, &first);
    if (code >= 0) return code;
    if (options->in_flight > 256) return usage_error(self, "--in-flight: expected at most 256");
    return check_search_options(self, options->k, options->recall, options->probe, options->rerank, options->io);
}

static void show_results(cli_output *output, uint32_t rows, uint32_t k, const uint64_t *ids, const float *distances) {
    json_t *results = json_array();
    for (uint32_t row = 0; row < rows; row++) {
        json_t *row_ids = json_array(), *row_distances = json_array();
        output_line(output, "\nquery %u", row);
        for (uint32_t i = 0; i < k; i++) {
            const size_t slot = (size_t)row * k + i;
            if (ids[slot] == GOSSET_NO_ID) break;
            json_array_append_new(row_ids, json_integer((json_int_t)ids[slot]));
            json_array_append_new(row_distances, json_number((double)distances[slot]));
            output_line(output, "  %-12llu %g", (unsigned long long)ids[slot], (double)distances[slot]);
        }
        json_array_append_new(
            results, json_pack("{s:i, s:o, s:o}", "query", (int)row, "ids", row_ids, "distances", row_distances));
    }
    output_json(output, "results", results);
}

static int write_results(cli_session *session, const search_command_options *options, uint64_t count,
                         const uint64_t *ids, const float *distances) {
    int code = EXIT_OK;
    if (options->out) code = session_write_ids(session, options->out, count, options->k, ids);
    if (code == EXIT_OK && options->distances &&
        gosset_dataset_write(options->distances, GOSSET_ELEMENT_F32, count, options->k, distances) != GOSSET_OK)
        code = session_dataset_failed(session);
    return code;
}

static void report(cli_session *session, const search_command_options *options, const search_setup *setup,
                   const measure_request *request, const measurement *measured) {
    cli_output *output = &session->output;
    report_setting(session, setup, &request->options);
    if (setup->truth) {
        char key[32], label[32];
        snprintf(key, sizeof key, "recall_at_%u", options->k);
        snprintf(label, sizeof label, "recall@%u", options->k);
        output_real(output, key, label,
                    measure_recall(setup->ids, setup->truth, setup->queries.count, options->k, setup->truth_per_row),
                    "%.4f");
    }
    report_measurement(output, measured);
    output_count(output, "code_bytes_per_vector", "code bytes per vector", setup->info.code_bytes);
    output_bytes(output, "resident_bytes", "memory of the index", setup->info.resident_bytes);
    output_bytes(output, "peak_bytes", NULL, peak_bytes());
    if (options->show > 0) {
        const uint64_t count = setup->queries.count;
        show_results(output, options->show < count ? options->show : (uint32_t)count, options->k, setup->ids,
                     setup->distances);
    }
}

static int run(const command *self, int argc, char **argv) {
    search_command_options options = {.k = 10};
    int code = parse(self, &options, argc, argv);
    if (code >= 0) return code;
    cli_session session;
    search_setup setup;
    const search_files files = {options.index, options.query, options.truth, options.io, options.memory};
    session_start(&session, self, &options.common);
    code = search_setup_open(&setup, &session, &files, options.k);
    if (code == EXIT_OK) {
        const uint32_t threads = thread_count(&options.common);
        measurement measured;
        measure_request request = {.index = setup.index,
                                   .queries = setup.queries,
                                   .k = options.k,
                                   .in_flight = options.in_flight,
                                   .threads = threads > 0 ? threads : cpu_count()};
        request.options = make_options(options.recall, options.probe, options.rerank);
        request.options.cache = options.cache;
        const gosset_status status = measure_search(&request, setup.ids, setup.distances, &measured);
        code = status == GOSSET_OK ? write_results(&session, &options, setup.queries.count, setup.ids, setup.distances)
                                   : search_failed(&session, status, &measured);
        if (code == EXIT_OK) report(&session, &options, &setup, &request, &measured);
    }
    code = session_end(&session, code);
    search_setup_close(&setup);
    return code;
}

const command command_search = {
    .name = "search",
    .summary = "find the nearest neighbours of queries, reading a few pages from disk for each",
    .operands = "",
    .explanation =
        "Each query is mapped to the sphere, the best cells' codes are compared in memory, and the pages of the\n"
        "most promising vectors are read in parallel and compared exactly: the distances are exact, only some\n"
        "neighbours may be missed. --recall says how many you want; the index was calibrated for it when it was\n"
        "built, on vectors it has never indexed. Queries are spread over --threads; with --in-flight each thread "
        "works\n"
        "on several at once, which answers more of them in a second, each a little later.\n\n"
        "--io uring reads with io_uring, threads with a pool of preads, memory loads the whole index; auto takes\n"
        "io_uring where the kernel allows it.",
    .example = "  gosset search --index photos.gosset --query query.bvecs -k 10 --recall 0.95 --truth truth.ivecs\n"
               "  gosset search --index photos.gosset --query one.fvecs -k 5 --show 1",
    .run = run,
};
