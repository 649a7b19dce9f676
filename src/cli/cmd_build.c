/* gosset build: an index directory from a model and a file of vectors of any size. */
#include "cli/commands.h"
#include "cli/describe.h"
#include "cli/replace.h"
#include "cli/session.h"

#include <stdlib.h>
#include <string.h>

/* Read at a time: enough to keep the disk busy, little beside any budget. */
enum { BATCH_BYTES = 4 << 20 };

typedef struct build_options {
    common_options common;
    const char *model, *base, *out, *ids, *records;
    uint64_t memory, shard_size;
    gosset_records kept;
    int force;
} build_options;

static const char *const record_names[] = {"", "f32", "f16", "u8", "i8"}; /* by gosset_records */

static int parse(const command *self, build_options *options, int argc, char **argv) {
    const option_row rows[] = {
        {'m', "model", OPTION_TEXT, &options->model, 1, "FILE", "from 'gosset train'"},
        {'b', "base", OPTION_TEXT, &options->base, 1, "FILE", "the vectors to index; may be larger than memory"},
        {'o', "out", OPTION_TEXT, &options->out, 1, "DIR", "the index directory to make"},
        {0, "ids", OPTION_TEXT, &options->ids, 0, "FILE",
         "one id a vector (.u64bin, .npy, .ivecs); default 0, 1, 2 ..."},
        {0, "memory", OPTION_SIZE, &options->memory, 0, "SIZE", "memory the build may use (default a quarter of RAM)"},
        {0, "shard-size", OPTION_SIZE, &options->shard_size, 0, "SIZE", "size of one shard file (default 1G)"},
        {0, "records", OPTION_TEXT, &options->records, 0, "TYPE",
         "f32, f16, u8 or i8: keep the vectors as this (default: as in FILE)"},
        {0, "force", OPTION_FLAG, &options->force, 0, NULL, "replace an index that is there, once the new one stands"},
    };
    int first;
    const int code = options_parse(self, rows, sizeof rows / sizeof *rows, &options->common, argc, argv, 0, &first);
    if (code >= 0 || !options->records) return code;
    for (size_t i = 1; i < sizeof record_names / sizeof *record_names; i++)
        if (strcmp(options->records, record_names[i]) == 0) options->kept = (gosset_records)i;
    return options->kept ? -1
                         : usage_error(self, "--records: expected f32, f16, u8 or i8, found '%s'", options->records);
}

static int open_ids(cli_session *session, const char *path, uint64_t count, gosset_dataset **ids) {
    if (gosset_dataset_open(ids, path) != GOSSET_OK) return session_dataset_failed(session);
    if (gosset_dataset_dimension(*ids) != 1)
        return session_error(session, "%s: %u ids a row, expected 1", path, gosset_dataset_dimension(*ids));
    if (gosset_dataset_count(*ids) != count)
        return session_error(session, "%s: %llu ids, expected %llu, one for each vector", path,
                             (unsigned long long)gosset_dataset_count(*ids), (unsigned long long)count);
    return EXIT_OK;
}

static int add_all(cli_session *session, const char *path, gosset_writer *writer, gosset_dataset *base,
                   gosset_dataset *ids, uint64_t *buffer, size_t batch) {
    const uint64_t count = gosset_dataset_count(base);
    const double started = seconds_now();
    for (uint64_t done = 0; done < count;) {
        gosset_vectors vectors;
        if (gosset_dataset_read(base, done, batch, &vectors) != GOSSET_OK) return session_dataset_failed(session);
        if (ids && gosset_dataset_read_integers(ids, done, vectors.count, buffer) != GOSSET_OK)
            return session_dataset_failed(session);
        const gosset_status status = gosset_writer_add(writer, &vectors, ids ? buffer : NULL);
        if (status == GOSSET_E_ARGUMENT) { /* the library does not know the file, nor which of its rows */
            const int code = session_check_finite(session, path, &vectors, done);
            if (code != EXIT_OK) return code;
        }
        if (status != GOSSET_OK) return session_failed(session, status);
        done += vectors.count;
        const double passed = seconds_now() - started;
        const gosset_progress report = {.phase = "encode",
                                        .done = done,
                                        .total = count,
                                        .seconds_left = passed * (double)(count - done) / (double)done};
        if (progress_report(&report, &session->progress) != 0) return session_failed(session, GOSSET_E_CANCELLED);
    }
    const gosset_status status = gosset_writer_finish(writer);
    return status == GOSSET_OK ? EXIT_OK : session_failed(session, status);
}

static int check_base(cli_session *session, const build_options *options, const gosset_model *model,
                      const gosset_dataset *base) {
    gosset_model_info info = {.struct_size = sizeof info};
    const gosset_status status = gosset_model_describe(model, &info);
    if (status != GOSSET_OK) return session_failed(session, status);
    if (gosset_dataset_element(base) > GOSSET_ELEMENT_I8)
        return session_error(session, "%s: holds integers, expected vectors of f32, u8 or i8", options->base);
    if (gosset_dataset_dimension(base) != info.input_dimension)
        return session_error(session, "%s: dimension %u, expected %u as in the model", options->base,
                             gosset_dataset_dimension(base), info.input_dimension);
    return EXIT_OK;
}

static int build(cli_session *session, const build_options *options, const char *directory, const gosset_model *model,
                 gosset_dataset *base) {
    gosset_dataset *ids = NULL;
    gosset_writer *writer = NULL;
    int code = check_base(session, options, model, base);
    if (code != EXIT_OK) return code;
    const size_t row = (size_t)gosset_dataset_dimension(base) * 4 + 4;
    const size_t batch = BATCH_BYTES / row > 0 ? BATCH_BYTES / row : 1;
    uint64_t *buffer = malloc(batch * sizeof *buffer);
    if (!buffer)
        code = session_error(session, "no memory for %zu ids", batch);
    else if (options->ids)
        code = open_ids(session, options->ids, gosset_dataset_count(base), &ids);
    if (code == EXIT_OK) {
        const gosset_writer_config config = {.struct_size = sizeof config,
                                             .env = &session->env,
                                             .model = model,
                                             .type = (gosset_type)gosset_dataset_element(base),
                                             .memory = options->memory,
                                             .shard_size = options->shard_size,
                                             .records = options->kept};
        const gosset_status status = gosset_writer_create(&writer, directory, &config);
        code = status == GOSSET_OK ? add_all(session, options->base, writer, base, ids, buffer, batch)
                                   : session_failed(session, status);
    }
    gosset_writer_free(writer);
    gosset_dataset_close(ids);
    free(buffer);
    return code;
}

static int run(const command *self, int argc, char **argv) {
    build_options options = {.model = NULL};
    int code = parse(self, &options, argc, argv);
    if (code >= 0) return code;
    cli_session session;
    gosset_dataset *base = NULL;
    gosset_model *model = NULL;
    replacement target;
    const double started = seconds_now();
    session_start(&session, self, &options.common);
    code = replacement_begin(&target, &session, options.out, options.force);
    if (code == EXIT_OK) {
        const gosset_status status = gosset_model_load(&model, options.model, &session.env);
        if (status != GOSSET_OK)
            code = session_failed(&session, status);
        else if (gosset_dataset_open(&base, options.base) != GOSSET_OK)
            code = session_dataset_failed(&session);
        else
            code = build(&session, &options, target.directory, model, base);
        code = replacement_end(&target, &session, code);
    }
    gosset_dataset_close(base);
    gosset_model_free(model);
    if (code == EXIT_OK) {
        progress_end(&session.progress);
        output_real(&session.output, "build_seconds", "built in", seconds_now() - started, "%.1f s");
        output_real(&session.output, "build_cpu_seconds", "processor time", cpu_seconds(), "%.1f s");
        output_bytes(&session.output, "build_peak_bytes", "peak memory", peak_bytes());
        code = describe_index(&session, options.out);
    }
    return session_end(&session, code);
}

const command command_build = {
    .name = "build",
    .summary = "make an index of a file of vectors, of any size, within a memory budget",
    .operands = "",
    .explanation =
        "Encodes every vector with the model, sorts by cell, and writes immutable shards: small codes that are\n"
        "held in memory when searching, and pages with the exact vectors that stay on disk. The base file is\n"
        "read once, in batches. Nothing is visible in DIR before the whole index is safely on disk; a build that\n"
        "is interrupted or killed leaves what was there before.\n\n"
        "--records f16 halves the pages of f32 vectors: each number is rounded by at most a 2048th of itself, and\n"
        "distances are exact for what is kept. u8 and i8 round nothing: other numbers than their integers are refused.",
    .example = "  gosset build --model photos.model --base base.bvecs --out photos.gosset --memory 2G",
    .run = run,
};
