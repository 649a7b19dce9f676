/** How long it takes to code a vector on one core. */
#ifndef GOSSET_CLI_CODING_H
#define GOSSET_CLI_CODING_H

#include "cli/session.h"

#include <gosset/model.h>

/**
 * Times map, cell and code, 1,024 vectors a call and one, and reports them. `model`: of one thread. `residual`: codes
 * say what a cell's centroid leaves. Does nothing without vectors. EXIT_OK or the exit code.
 */
int coding_report(cli_session *session, const gosset_model *model, const gosset_vectors *vectors, int residual);

#endif
