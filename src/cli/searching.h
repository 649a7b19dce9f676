/** What search and bench share: opening, checking, and saying what was measured. */
#ifndef GOSSET_CLI_SEARCHING_H
#define GOSSET_CLI_SEARCHING_H

#include "cli/measure.h"
#include "cli/session.h"

typedef struct search_setup {
    gosset_index *index;
    gosset_index_info info;
    gosset_dataset *query;
    gosset_vectors queries;
    uint64_t *truth; /* NULL without --truth */
    uint32_t truth_per_row;
    uint64_t *ids; /* queries.count x k */
    float *distances;
} search_setup;

/** -1 if the options go together, else EXIT_USAGE after saying what is wrong. */
int check_search_options(const command *self, uint32_t k, double recall, uint32_t probe, uint32_t rerank,
                         const char *io);
gosset_search_options make_options(double recall, uint32_t probe, uint32_t rerank);

/** What to open, how: `truth` and `io` may be NULL, `memory` 0. */
typedef struct search_files {
    const char *index, *query, *truth, *io;
    uint64_t memory;
} search_files;

/** Needs search_setup_close whatever it returns. */
int search_setup_open(search_setup *self, cli_session *session, const search_files *files, uint32_t k);
void search_setup_close(search_setup *self);

/** Prints why measure_search failed; the exit code. */
int search_failed(cli_session *session, gosset_status status, const measurement *measured);

/** Where the codes are. */
void report_codes(cli_session *session, const gosset_index_info *info);
/** Backend, and what the wanted recall stands for on this index. */
void report_setting(cli_session *session, const search_setup *setup, const gosset_search_options *options);
void report_measurement(cli_output *output, const measurement *measured);

#endif
