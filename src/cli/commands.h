/** The subcommands, one file each. */
#ifndef GOSSET_CLI_COMMANDS_H
#define GOSSET_CLI_COMMANDS_H

#include "cli/options.h"

extern const command command_train, command_build, command_merge, command_search, command_bench, command_codes,
    command_info, command_verify, command_truth, command_lattice;

#endif
