/** Rows as the writer takes them, and what the storage tests do with them. */
#ifndef GOSSET_TESTS_STORE_SUPPORT_H
#define GOSSET_TESTS_STORE_SUPPORT_H

#include "index/store_internal.h"
#include "support/support.h"
#include <check.h>

typedef struct test_rows {
    gosset__layout layout;
    size_t count, vector_size;
    uint32_t *cells;
    uint8_t *codes;
    uint64_t *ids;
    uint8_t *vectors;
} test_rows;

typedef enum cell_pattern { CELLS_RANDOM, CELLS_ONE, CELLS_SKEWED } cell_pattern;

/** Clustered vectors with random codes and shuffled ids. */
test_rows rows_make(uint64_t seed, size_t count, uint32_t dimension, gosset_type type, uint32_t code_size,
                    uint32_t cell_count, cell_pattern pattern);
void rows_free(test_rows *rows);

typedef struct build_options {
    size_t from, to; /* rows; to 0 = all */
    uint64_t memory, shard_size;
    int replace, backwards;
    const char *calibration;
    const gosset__env *env;
} build_options;
enum { MIB = 1024 * 1024 };

/** Every step up to publish; stops at the first that fails. The writer is freed. */
gosset_status rows_build(const char *directory, const test_rows *rows, const build_options *options);
gosset__store_config store_config(const test_rows *rows, const build_options *options);
void must(gosset_status status);

/** Reads everything back (codes, directory, pages with their checks) and compares with the rows as a set. */
void store_expect(const gosset__store *store, const test_rows *rows);
void directory_expect(const char *directory, const test_rows *rows);
/** The same bytes in every file of the index. */
void directories_equal(const char *a, const char *b);
/** Block function that leaves codes row-major. */
void plain_block(const void *context, const uint8_t *codes, size_t count, uint8_t *block);

extern const char test_model[];

void add_sort_tests(Suite *suite);
void add_damage_tests(Suite *suite);
void add_crash_tests(Suite *suite);

#endif
