/** What the user sees while a long call runs, and how Ctrl-C ends it. */
#ifndef GOSSET_CLI_PROGRESS_H
#define GOSSET_CLI_PROGRESS_H

#include <gosset/common.h>

typedef struct cli_progress {
    int draw;          /* standard error is a terminal and --quiet was not given */
    int drawn;         /* a bar stands on the current line */
    const char *phase; /* of that bar */
} cli_progress;

void progress_start(cli_progress *self, int quiet);
/** For gosset_env.progress; context is a cli_progress. Cancels after SIGINT. */
int progress_report(const gosset_progress *report, void *self);
/** Ends the line of the bar, if there is one. */
void progress_end(cli_progress *self);

/** The first SIGINT asks the running command to stop, the second one kills. */
void interrupt_install(void);
int interrupted(void);

#endif
