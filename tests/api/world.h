/** A small world shared by the tests of the public calls: clustered vectors, a model trained in seconds, the truth. */
#ifndef GOSSET_TESTS_WORLD_H
#define GOSSET_TESTS_WORLD_H

#include "support/support.h"
#include <check.h>
#include <gosset/gosset.h>
#include <stdlib.h>
#include <string.h>

enum { WORLD_DIMENSION = 32, WORLD_LEARN = 4000, WORLD_BASE = 8000, WORLD_QUERIES = 200, WORLD_K = 10 };

typedef struct world {
    char directory[TEMP_PATH_SIZE]; /* for the files of the tests; removed at the end */
    float *memory;
    gosset_vectors learn, base, query;
    gosset_model *model;
    uint64_t truth[WORLD_QUERIES * WORLD_K];
    float truth_distances[WORLD_QUERIES * WORLD_K];
} world;
extern world w;

void world_make(void); /* fixture: works once, for all tests of the program */
void world_remove(void);

/** Fails the test with the library's sentence. */
#define ck_ok(call)                                                                                                    \
    do {                                                                                                               \
        gosset_status ck_status = (call);                                                                              \
        ck_assert_msg(ck_status == GOSSET_OK, "%s: %s: %s", #call, gosset_strerror(ck_status), gosset_last_error());   \
    } while (0)

/** The call fails with this status, and the sentence holds these words. */
#define ck_fails(call, expected, words)                                                                                \
    do {                                                                                                               \
        gosset_status ck_status = (call);                                                                              \
        ck_assert_msg(ck_status == (expected), "%s: expected %s, found %s (%s)", #call, gosset_strerror(expected),     \
                      gosset_strerror(ck_status), gosset_last_error());                                                \
        ck_assert_msg(strstr(gosset_last_error(), words) != NULL, "%s: expected '%s' in: %s", #call, words,            \
                      gosset_last_error());                                                                            \
    } while (0)

typedef struct build_options {
    const gosset_model *model; /* NULL = w.model */
    const uint64_t *ids;
    uint64_t memory, shard_size;
    uint32_t threads;
    size_t call; /* rows per add; 0 = all at once */
    gosset_records records;
} build_options;
/** A whole build; the path lies in the world's directory. */
const char *build(const char *name, const gosset_vectors *base, const build_options *options);

/** A part of a view. */
gosset_vectors rows_of(const gosset_vectors *vectors, size_t first, size_t count);
/** Share of the true neighbours found. */
double recall_of(const uint64_t *found, const uint64_t *truth, size_t queries, size_t k);
/** A model trained on little in little time. */
gosset_model *train_model(const gosset_vectors *learn, gosset_metric metric, uint64_t seed);

TCase *case_whole_way(void);
TCase *case_errors(void);
TCase *case_exact(void);
TCase *case_merge(void);
TCase *case_budget(void);
TCase *case_calibration(void);
TCase *case_efforts(void);
TCase *case_alloc_failure(void);
TCase *case_threads(void);
TCase *case_submit(void);
TCase *case_memory(void);
TCase *case_records(void);
#endif
