/** What every command holds while it runs. */
#ifndef GOSSET_CLI_SESSION_H
#define GOSSET_CLI_SESSION_H

#include "cli/options.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "datasets/vectors.h"

typedef struct cli_session {
    const command *self;
    const common_options *common;
    gosset_env env; /* threads, log and progress as the options ask */
    cli_progress progress;
    cli_output output;
} cli_session;

void session_start(cli_session *session, const command *self, const common_options *common);

/** Frees what the session holds and prints the results if `code` is EXIT_OK. Returns the exit code. */
int session_end(cli_session *session, int code);

/** Prints why a call failed; the exit code. */
int session_failed(cli_session *session, gosset_status status);
int session_dataset_failed(cli_session *session);
/** Names the file, row and value of the first NaN or infinity, if there is one; EXIT_OK or the exit code. `first` is
 * the row of the file that the vectors begin with. */
int session_check_finite(cli_session *session, const char *path, const gosset_vectors *vectors, uint64_t first);
/** A sentence of our own; EXIT_FAILED. */
int session_error(cli_session *session, const char *format, ...) __attribute__((format(printf, 2, 3)));
/** A remark on standard error, unless --quiet. */
void session_note(cli_session *session, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** Ground truth: `count` rows of at least `k` ids; the caller frees. EXIT_OK or the exit code. */
int session_read_truth(cli_session *session, const char *path, uint64_t count, uint32_t k, uint64_t **ids,
                       uint32_t *per_row);

/** Writes count x k ids as int32 neighbour lists (.ivecs); ids beyond 2^31 are an error. */
int session_write_ids(cli_session *session, const char *path, uint64_t count, uint32_t k, const uint64_t *ids);

const char *metric_name(gosset_metric metric);
const char *type_name(gosset_type type);

/** Most memory this process ever had resident, in bytes. */
uint64_t peak_bytes(void);
double seconds_now(void);
/** Of all threads of this process, of the kernel on their behalf, too. */
double cpu_seconds(void);

#endif
