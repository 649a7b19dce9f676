/* gosset verify: read every byte of an index and check it. */
#include "cli/commands.h"
#include "cli/session.h"

#include <gosset/gosset.h>

static int run(const command *self, int argc, char **argv) {
    common_options common = {.json = 0};
    int first;
    int code = options_parse(self, NULL, 0, &common, argc, argv, 1, &first);
    if (code >= 0) return code;
    if (first == argc) return usage_error(self, "no index was named");
    cli_session session;
    const double started = seconds_now();
    session_start(&session, self, &common);
    const gosset_status status = gosset_index_verify(argv[first], &session.env);
    progress_end(&session.progress);
    if (status != GOSSET_OK) return session_end(&session, session_failed(&session, status));
    output_text(&session.output, "index", "index", argv[first]);
    output_text(&session.output, "verified", "verified", "every byte is as it was written");
    output_real(&session.output, "verify_seconds", "in", seconds_now() - started, "%.2f s");
    return session_end(&session, EXIT_OK);
}

const command command_verify = {
    .name = "verify",
    .summary = "read every byte of an index and check it",
    .operands = "DIR",
    .explanation = "Checks the checksum of every page, section and file. The first damage is named with its file and\n"
                   "offset, and the exit code is 1. Searches check each page they read as well.",
    .example = "  gosset verify photos.gosset",
    .run = run,
};
