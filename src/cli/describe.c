#include "cli/describe.h"

#include <inttypes.h>
#include <stdio.h>

static const char *spec_of(const gosset_lattice *lattice) {
    gosset_lattice_info info = {.struct_size = sizeof info};
    return gosset_lattice_describe(lattice, &info) == GOSSET_OK ? info.spec : "";
}

void report_fingerprint(cli_session *session, uint64_t fingerprint) {
    char text[24];
    snprintf(text, sizeof text, "%016" PRIx64, fingerprint); /* as text: JSON readers cut integers at 2^53 */
    output_text(&session->output, "fingerprint", "model fingerprint", text);
}

static void report_model(cli_session *session, const gosset_model_info *info) {
    cli_output *output = &session->output;
    output_text(output, "metric", "metric", metric_name(info->metric));
    output_count(output, "input_dimension", "input dimension", info->input_dimension);
    output_count(output, "output_dimension", "output dimension", info->output_dimension);
    output_count(output, "feature_dimension", "dimension of codes", info->feature_dimension);
    output_text(output, "code_lattice", "code lattice", spec_of(info->code_lattice));
    output_text(output, "cell_lattice", "cell lattice", spec_of(info->cell_lattice));
    output_count(output, "code_bytes_per_vector", "code bytes per vector", info->code_bytes);
    output_text(output, "loss", "loss", info->loss);
    output_count(output, "width", "width", info->width);
    output_count(output, "parameter_count", "parameters", info->parameter_count);
    output_count(output, "learn_count", "learnt from", info->learn_count);
    output_count(output, "held_out", "  held out of them", info->held_out);
    output_count(output, "epochs", "epochs", info->epochs);
    output_text(output, "query_layer", "last layer of queries", info->query_layer ? "their own" : "that of vectors");
    output_real(output, "query_stretch", "queries stretched by", (double)info->query_stretch, "%.2f");
    output_count(output, "seed", "seed", info->seed);
    output_real(output, "train_seconds", "trained for", info->train_seconds, "%.1f s");
    output_real(output, "validation_recall_at_10", "recall@10 on held out", info->validation_recall,
                "%.4f (codes alone)");
    report_fingerprint(session, info->fingerprint);
}

gosset_status describe_model(cli_session *session, const gosset_model *model, const char *key) {
    gosset_model_info info = {.struct_size = sizeof info};
    const gosset_status status = gosset_model_describe(model, &info);
    if (status != GOSSET_OK) return status;
    json_t *outer = session->output.object;
    if (key) session->output.object = json_object();
    report_model(session, &info);
    if (!key) return GOSSET_OK;
    json_t *inner = session->output.object;
    session->output.object = outer;
    output_json(&session->output, key, inner);
    return GOSSET_OK;
}

int describe_index(cli_session *session, const char *directory) {
    gosset_index *index = NULL;
    gosset_index_info info = {.struct_size = sizeof info};
    const gosset_index_config config = {.struct_size = sizeof config, .env = &session->env};
    gosset_status status = gosset_index_open(&index, directory, &config);
    if (status == GOSSET_OK) status = gosset_index_describe(index, &info);
    if (status == GOSSET_OK) {
        cli_output *output = &session->output;
        output_text(output, "index", "index", directory);
        output_count(output, "vector_count", "vectors", info.vector_count);
        output_count(output, "shard_count", "shards", info.shard_count);
        output_count(output, "cells_used", "cells used", info.cells_used);
        output_bytes(output, "disk_bytes", "on disk", info.disk_bytes);
        output_count(output, "code_bytes_per_vector", "code bytes per vector", info.code_bytes);
        output_bytes(output, "resident_bytes", "memory when searching", info.resident_bytes);
    }
    gosset_index_close(index);
    return status == GOSSET_OK ? EXIT_OK : session_failed(session, status);
}
