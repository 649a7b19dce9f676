/* gosset merge: one index of several that were built with the same model. */
#include "cli/commands.h"
#include "cli/describe.h"
#include "cli/replace.h"

typedef struct merge_options {
    common_options common;
    const char *out;
    uint64_t memory, shard_size;
    int force;
} merge_options;

static int run(const command *self, int argc, char **argv) {
    enum { SOURCES_MAX = 4096 };
    merge_options options = {.out = NULL};
    const option_row rows[] = {
        {'o', "out", OPTION_TEXT, &options.out, 1, "DIR", "the index directory to make"},
        {0, "memory", OPTION_SIZE, &options.memory, 0, "SIZE", "memory the merge may use (default a quarter of RAM)"},
        {0, "shard-size", OPTION_SIZE, &options.shard_size, 0, "SIZE", "size of one shard file (default 1G)"},
        {0, "force", OPTION_FLAG, &options.force, 0, NULL, "replace an index that is there, once the new one stands"},
    };
    int first;
    int code = options_parse(self, rows, sizeof rows / sizeof *rows, &options.common, argc, argv, SOURCES_MAX, &first);
    if (code >= 0) return code;
    if (first == argc) return usage_error(self, "no index to merge was named");
    cli_session session;
    replacement target;
    const double started = seconds_now();
    session_start(&session, self, &options.common);
    code = replacement_begin(&target, &session, options.out, options.force);
    if (code == EXIT_OK) {
        const gosset_writer_config config = {.struct_size = sizeof config,
                                             .env = &session.env,
                                             .memory = options.memory,
                                             .shard_size = options.shard_size};
        const gosset_status status =
            gosset_merge(target.directory, (const char *const *)(argv + first), (size_t)(argc - first), &config);
        if (status != GOSSET_OK) code = session_failed(&session, status);
        code = replacement_end(&target, &session, code);
    }
    if (code == EXIT_OK) {
        progress_end(&session.progress);
        output_real(&session.output, "merge_seconds", "merged in", seconds_now() - started, "%.1f s");
        output_bytes(&session.output, "merge_peak_bytes", "peak memory", peak_bytes());
        code = describe_index(&session, options.out);
    }
    return session_end(&session, code);
}

const command command_merge = {
    .name = "merge",
    .summary = "join indexes built with the same model",
    .operands = "DIR...",
    .explanation = "Writes a new index that answers as one build over all the vectors would. Nothing is trained or\n"
                   "encoded again: the lattice is the same everywhere, so a merge is a sorted merge. The sources are\n"
                   "only read. Build with --ids so that ids do not collide.",
    .example = "  gosset merge --out all.gosset monday.gosset tuesday.gosset",
    .run = run,
};
