/** The output directory of build and merge. */
#ifndef GOSSET_CLI_REPLACE_H
#define GOSSET_CLI_REPLACE_H

#include "cli/session.h"

/** Where to write: the directory asked for, or a new one beside it that takes its place at the end. */
typedef struct replacement {
    const char *final;
    char directory[4096]; /* write here */
    int exchange;
} replacement;

/**
 * Without `force`, or where nothing stands yet, the directory is written in place. With it, an existing index is
 * kept until the new one is complete. Refuses to replace a directory that holds anything but an index.
 */
int replacement_begin(replacement *self, cli_session *session, const char *final, int force);
/** Puts the new directory in place if `code` is EXIT_OK, else removes it. Returns the exit code. */
int replacement_end(replacement *self, cli_session *session, int code);

#endif
