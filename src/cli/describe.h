/** What is said about a model or an index, wherever it is said. */
#ifndef GOSSET_CLI_DESCRIBE_H
#define GOSSET_CLI_DESCRIBE_H

#include "cli/session.h"

#include <gosset/gosset.h>

/** The facts of a model; in JSON under `key`, or beside the rest if it is NULL. */
gosset_status describe_model(cli_session *session, const gosset_model *model, const char *key);

/** Vectors, shards, cells and bytes of an index just written. Returns the exit code. */
int describe_index(cli_session *session, const char *directory);

/** Which model: indexes and shards that show the same one can be merged. */
void report_fingerprint(cli_session *session, uint64_t fingerprint);

#endif
