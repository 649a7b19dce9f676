#include "cli/searching.h"

#include <stdlib.h>
#include <string.h>

int check_search_options(const command *self, uint32_t k, double recall, uint32_t probe, uint32_t rerank,
                         const char *io) {
    static const char *const backends[] = {"auto", "uring", "threads", "memory"};
    if (k > 1024) return usage_error(self, "-k: expected at most 1024, found %u", k);
    if ((probe > 0) != (rerank > 0)) return usage_error(self, "--probe and --rerank go together");
    if (probe > 0 && recall > 0) return usage_error(self, "--recall and --probe exclude each other");
    for (size_t i = 0; i < sizeof backends / sizeof *backends; i++) {
        if (!io || strcmp(io, backends[i]) == 0) return -1;
    }
    return usage_error(self, "--io: expected auto, uring, threads or memory, found '%s'", io);
}

gosset_search_options make_options(double recall, uint32_t probe, uint32_t rerank) {
    gosset_search_options options = {.struct_size = sizeof options, .probe = probe, .rerank = rerank};
    if (probe == 0) options.recall = recall > 0 ? recall : 0.95;
    return options;
}

static int open_queries(search_setup *self, cli_session *session, const char *path, uint32_t k) {
    if (gosset_dataset_open(&self->query, path) != GOSSET_OK ||
        gosset_dataset_map(self->query, &self->queries) != GOSSET_OK)
        return session_dataset_failed(session);
    gosset_model_info model = {.struct_size = sizeof model};
    const gosset_status status = gosset_model_describe(self->info.model, &model);
    if (status != GOSSET_OK) return session_failed(session, status);
    if (self->queries.dimension != model.input_dimension)
        return session_error(session, "%s: dimension %u, expected %u as in the index", path, self->queries.dimension,
                             model.input_dimension);
    /* The library refuses such a query too, but sees one at a time and cannot name the row. */
    const int code = session_check_finite(session, path, &self->queries, 0);
    if (code != EXIT_OK) return code;
    const size_t slots = self->queries.count * k;
    self->ids = malloc(slots * sizeof *self->ids);
    self->distances = malloc(slots * sizeof *self->distances);
    if (!self->ids || !self->distances) return session_error(session, "no memory for %zu results", slots);
    return EXIT_OK;
}

int search_setup_open(search_setup *self, cli_session *session, const search_files *files, uint32_t k) {
    memset(self, 0, sizeof *self);
    const gosset_index_config config = {
        .struct_size = sizeof config, .env = &session->env, .io = files->io, .memory = files->memory};
    self->info.struct_size = sizeof self->info;
    gosset_status status = gosset_index_open(&self->index, files->index, &config);
    if (status == GOSSET_OK) status = gosset_index_describe(self->index, &self->info);
    if (status != GOSSET_OK) return session_failed(session, status);
    int code = open_queries(self, session, files->query, k);
    if (code == EXIT_OK && files->truth)
        code = session_read_truth(session, files->truth, self->queries.count, k, &self->truth, &self->truth_per_row);
    progress_end(&session->progress);
    return code;
}

void search_setup_close(search_setup *self) {
    free(self->ids);
    free(self->distances);
    free(self->truth);
    gosset_dataset_close(self->query);
    gosset_index_close(self->index);
}

int search_failed(cli_session *session, gosset_status status, const measurement *measured) {
    return measured->failure[0] ? session_error(session, "%s", measured->failure) : session_failed(session, status);
}

void report_codes(cli_session *session, const gosset_index_info *info) {
    cli_output *output = &session->output;
    output_text(output, "codes", "codes", info->codes);
    output_text(output, "codes_reason", *info->codes_reason ? "  because" : NULL, info->codes_reason);
}

void report_setting(cli_session *session, const search_setup *setup, const gosset_search_options *options) {
    cli_output *output = &session->output;
    gosset_search_options chosen = *options;
    double pages = 0;
    output_text(output, "io", "reads by", setup->info.io);
    output_text(output, "io_reason", *setup->info.io_reason ? "why not better" : NULL, setup->info.io_reason);
    report_codes(session, &setup->info);
    output_text(output, "cpu", NULL, setup->info.cpu);
    output_count(output, "vector_count", "vectors", setup->info.vector_count);
    output_count(output, "query_count", "queries", setup->queries.count);
    if (options->recall > 0) {
        output_real(output, "recall_target", "recall wanted", options->recall, "%.3f");
        chosen = (gosset_search_options){.struct_size = sizeof chosen};
        if (gosset_index_calibration(setup->index, options->recall, &chosen, &pages) != GOSSET_OK) {
            session_note(session, "calibration: %s", gosset_last_error());
            return;
        }
        output_real(output, "pages_expected", NULL, pages, "%.1f");
    }
    output_count(output, "probe", "cells visited", chosen.probe);
    output_count(output, "rerank", "candidates read", chosen.rerank);
}

void report_measurement(cli_output *output, const measurement *measured) {
    const double queries = (double)measured->sum.queries > 0 ? (double)measured->sum.queries : 1;
    output_real(output, "pages_per_query_mean", "pages per query", measured->pages_mean, "%.1f");
    output_real(output, "pages_per_query_p99", "pages per query, p99", measured->pages_p99, "%.0f");
    output_real(output, "latency_p50_us", "latency, p50", measured->latency_p50_us, "%.0f us");
    output_real(output, "latency_p99_us", "latency, p99", measured->latency_p99_us, "%.0f us");
    output_real(output, "latency_mean_us", NULL, measured->latency_mean_us, "%.0f us");
    output_real(output, "queries_per_second", "queries per second", measured->queries_per_second, "%.0f");
    output_real(output, "cpu_us", NULL, measured->cpu_us, "%.1f us");
    output_real(output, "cells_per_query", NULL, (double)measured->sum.cells_probed / queries, "%.1f");
    output_real(output, "codes_per_query", "codes compared per query", (double)measured->sum.codes_scanned / queries,
                "%.0f");
    output_real(output, "bytes_read_per_query", NULL, (double)measured->sum.bytes_read / queries, "%.0f");
    output_real(output, "code_reads_per_query", measured->sum.code_reads ? "reads of codes per query" : NULL,
                (double)measured->sum.code_reads / queries, "%.1f");
    output_real(output, "code_bytes_read_per_query", measured->sum.code_reads ? "  bytes" : NULL,
                (double)measured->sum.code_bytes / queries, "%.0f");
    const double hits = (double)measured->sum.cache_hits, misses = (double)measured->sum.cache_misses;
    if (hits + misses > 0) {
        output_real(output, "cache_hits_per_query", "pages found in the cache", hits / queries, "%.1f");
        output_real(output, "cache_misses_per_query", "  not found", misses / queries, "%.1f");
    }
    output_real(output, "io_batches_per_query", NULL, (double)measured->sum.io_batches / queries, "%.2f");
    output_real(output, "encode_us", "  of its time: map", (double)measured->sum.encode_ns / queries / 1e3, "%.1f us");
    output_real(output, "scan_us", "  compare codes", (double)measured->sum.scan_ns / queries / 1e3, "%.1f us");
    output_real(output, "io_us", "  read and compare exactly", (double)measured->sum.io_ns / queries / 1e3, "%.1f us");
}
