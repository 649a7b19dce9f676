/* gosset truth: exact neighbours by brute force, to measure recall against. */
#include "cli/commands.h"
#include "cli/session.h"

#include <gosset/gosset.h>
#include <stdlib.h>

typedef struct truth_options {
    common_options common;
    const char *base, *query, *out, *distances;
    uint32_t k;
    gosset_metric metric;
} truth_options;

static int find(cli_session *session, const truth_options *options, const gosset_vectors *base,
                const gosset_vectors *query) {
    if (query->dimension != base->dimension)
        return session_error(session, "%s: dimension %u, expected %u as in %s", options->query, query->dimension,
                             base->dimension, options->base);
    const size_t slots = query->count * options->k;
    uint64_t *ids = malloc(slots * sizeof *ids);
    float *distances = malloc(slots * sizeof *distances);
    int code = EXIT_OK;
    const double started = seconds_now();
    if (!ids || !distances) {
        code = session_error(session, "no memory for %zu neighbours", slots);
    } else {
        const gosset_status status =
            gosset_exact_search(base, query, options->metric, options->k, ids, distances, &session->env);
        if (status != GOSSET_OK) code = session_failed(session, status);
    }
    const double seconds = seconds_now() - started;
    progress_end(&session->progress);
    if (code == EXIT_OK) code = session_write_ids(session, options->out, query->count, options->k, ids);
    if (code == EXIT_OK && options->distances &&
        gosset_dataset_write(options->distances, GOSSET_ELEMENT_F32, query->count, options->k, distances) != GOSSET_OK)
        code = session_dataset_failed(session);
    free(ids);
    free(distances);
    if (code != EXIT_OK) return code;
    output_text(&session->output, "truth", "written", options->out);
    output_count(&session->output, "query_count", "queries", query->count);
    output_count(&session->output, "base_count", "base vectors", base->count);
    output_count(&session->output, "k", "neighbours each", options->k);
    output_text(&session->output, "metric", "metric", metric_name(options->metric));
    output_real(&session->output, "truth_seconds", "took", seconds, "%.2f s");
    return EXIT_OK;
}

static int run(const command *self, int argc, char **argv) {
    truth_options options = {.k = 100};
    const option_row rows[] = {
        {'b', "base", OPTION_TEXT, &options.base, 1, "FILE", "the vectors to search"},
        {'q', "query", OPTION_TEXT, &options.query, 1, "FILE", "the vectors to search for"},
        {'o', "out", OPTION_TEXT, &options.out, 1, "FILE", "row numbers of the neighbours, .ivecs"},
        {'k', "k", OPTION_COUNT, &options.k, 0, "N", "neighbours of each query (default 100)"},
        {'m', "metric", OPTION_METRIC, &options.metric, 0, "NAME", "l2 (default), ip or cosine"},
        {0, "distances", OPTION_TEXT, &options.distances, 0, "FILE", "their distances as well, .fvecs"},
    };
    int first;
    int code = options_parse(self, rows, sizeof rows / sizeof *rows, &options.common, argc, argv, 0, &first);
    if (code >= 0) return code;
    cli_session session;
    gosset_dataset *base = NULL, *query = NULL;
    gosset_vectors base_vectors, query_vectors;
    session_start(&session, self, &options.common);
    if (gosset_dataset_open(&base, options.base) != GOSSET_OK ||
        gosset_dataset_open(&query, options.query) != GOSSET_OK ||
        gosset_dataset_map(base, &base_vectors) != GOSSET_OK || gosset_dataset_map(query, &query_vectors) != GOSSET_OK)
        code = session_dataset_failed(&session);
    else
        code = find(&session, &options, &base_vectors, &query_vectors);
    gosset_dataset_close(base);
    gosset_dataset_close(query);
    return session_end(&session, code);
}

const command command_truth = {
    .name = "truth",
    .summary = "exact neighbours by brute force, to measure recall against",
    .operands = "",
    .explanation = "Compares every query with every base vector. The result is what --truth takes elsewhere: for each\n"
                   "query the row numbers of its nearest base vectors, best first, ties by lower number.",
    .example = "  gosset truth --base base.bvecs --query query.bvecs -k 100 --out truth.ivecs",
    .run = run,
};
