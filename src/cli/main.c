/* gosset: approximate nearest-neighbour search from the command line. */
#include "cli/commands.h"
#include "cli/progress.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static const command *const commands[] = {
    &command_train, &command_build, &command_merge,  &command_search, &command_bench,
    &command_codes, &command_info,  &command_verify, &command_truth,  &command_lattice,
};

enum { COMMAND_COUNT = sizeof commands / sizeof *commands };

static int print_help(void) {
    printf("gosset finds the nearest of many vectors, with the vectors on disk and a small code of each in memory.\n\n"
           "usage: gosset COMMAND [options]\n\nCommands:\n");
    for (int i = 0; i < COMMAND_COUNT; i++) printf("  %-8s %s\n", commands[i]->name, commands[i]->summary);
    printf("\n'gosset COMMAND --help' explains a command with an example. From vectors to answers:\n\n"
           "  gosset train  --learn learn.fvecs --out photos.model\n"
           "  gosset build  --model photos.model --base base.fvecs --out photos.gosset\n"
           "  gosset search --index photos.gosset --query query.fvecs -k 10 --recall 0.95\n\n"
           "Vectors are read from .fvecs, .bvecs, .fbin, .u8bin, .i8bin and .npy files.\n"
           "Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.\n");
    return fflush(stdout) == 0 ? EXIT_OK : EXIT_FAILED;
}

static int print_version(void) {
    const uint32_t version = gosset_version();
    printf("gosset %u.%u.%u\n", version >> 16, version >> 8 & 0xff, version & 0xff);
    return fflush(stdout) == 0 ? EXIT_OK : EXIT_FAILED;
}

static const command *find_command(const char *name) {
    for (int i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(commands[i]->name, name) == 0) return commands[i];
    }
    return NULL;
}

int main(int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "gosset: no command given; 'gosset --help' lists them\n");
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--version") == 0) return print_version();
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) return print_help();
    const int help = strcmp(argv[1], "help") == 0;
    if (help && argc == 2) return print_help();
    const command *found = find_command(argv[help ? 2 : 1]);
    if (!found) {
        fprintf(stderr, "gosset: unknown command '%s'; 'gosset --help' lists them\n", argv[help ? 2 : 1]);
        return EXIT_USAGE;
    }
    interrupt_install();
    char help_option[] = "--help";
    char *help_argv[] = {argv[0], help_option, NULL};
    return help ? found->run(found, 2, help_argv) : found->run(found, argc - 1, argv + 1);
}
