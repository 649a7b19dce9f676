/* The store: what goes in comes out, the same bytes whatever the machine, and nothing before publish. */
#include "base/bytes.h"
#include "index/directory.h"
#include "index/store_support.h"
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

static char directory[TEMP_PATH_SIZE];
static void setup(void) {
    temp_directory(directory);
}
static void teardown(void) {
    temp_remove(directory);
}

static void round_trip(const test_rows *rows, const build_options *options, uint32_t shards) {
    const char *path = temp_path(directory, "index");
    char copy[TEMP_PATH_SIZE];
    strcpy(copy, path);
    must(rows_build(copy, rows, options));
    directory_expect(copy, rows);
    if (shards > 0) ck_assert_uint_eq(directory_entries(copy), shards + 2);
    temp_remove(copy);
}

/* ---- layout --------------------------------------------------------------------------------- */

START_TEST(layout_fits_records_to_pages) {
    const struct {
        uint32_t dimension;
        gosset_type type;
        uint32_t record, page, per_page;
    } cases[] = {{128, GOSSET_U8, 136, 4096, 30},     {1, GOSSET_U8, 9, 4096, 454},
                 {96, GOSSET_F32, 392, 4096, 10},     {1020, GOSSET_F32, 4088, 4096, 1},
                 {1021, GOSSET_F32, 4092, 8192, 1},   {1100, GOSSET_F32, 4408, 8192, 1},
                 {4096, GOSSET_F32, 16392, 20480, 1}, {4096, GOSSET_I8, 4104, 8192, 1},
                 {4080, GOSSET_I8, 4088, 4096, 1},    {4081, GOSSET_U8, 4089, 8192, 2}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        gosset__layout layout = {
            .dimension = cases[i].dimension, .type = cases[i].type, .code_size = 16, .cell_count = 1};
        must(gosset__layout_derive(&layout));
        ck_assert_uint_eq(layout.record_size, cases[i].record);
        ck_assert_uint_eq(layout.page_size, cases[i].page);
        if (cases[i].page == 4096) ck_assert_uint_eq(layout.records_per_page, cases[i].per_page);
        ck_assert_uint_ge(layout.page_size, layout.records_per_page * layout.record_size + 8);
    }
    gosset__layout bad = {.dimension = 0, .code_size = 16, .cell_count = 1};
    ck_assert_int_eq(gosset__layout_derive(&bad), GOSSET_E_ARGUMENT);
    bad = (gosset__layout){.dimension = 4097, .code_size = 16, .cell_count = 1};
    ck_assert_int_eq(gosset__layout_derive(&bad), GOSSET_E_ARGUMENT);
    bad = (gosset__layout){.dimension = 8, .code_size = 0, .cell_count = 1};
    ck_assert_int_eq(gosset__layout_derive(&bad), GOSSET_E_ARGUMENT);
    bad = (gosset__layout){.dimension = 8, .code_size = 16, .cell_count = (1 << 24) + 1};
    ck_assert_int_eq(gosset__layout_derive(&bad), GOSSET_E_ARGUMENT);
}
END_TEST

/* ---- round trips ---------------------------------------------------------------------------- */

START_TEST(every_type_and_dimension) {
    const uint32_t dimensions[] = {1, 3, 128, 1100, 4096};
    for (size_t i = 0; i < 5; i++)
        for (int type = GOSSET_F32; type <= GOSSET_F16; type++) {
            test_rows rows =
                rows_make(i, dimensions[i] > 1000 ? 60 : 3000, dimensions[i], (gosset_type)type, 12, 100, CELLS_RANDOM);
            round_trip(&rows, &(build_options){0}, 1);
            rows_free(&rows);
        }
}
END_TEST

START_TEST(small_and_odd_counts) {
    const size_t counts[] = {0, 1, 2, 15, 16, 17, 29, 30, 31, 60, 61};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        test_rows rows = rows_make(i, counts[i], 128, GOSSET_U8, 16, 7, CELLS_RANDOM);
        round_trip(&rows, &(build_options){0}, counts[i] > 0);
        rows_free(&rows);
    }
}
END_TEST

START_TEST(one_cell_and_duplicates) {
    test_rows rows = rows_make(1, 5000, 20, GOSSET_I8, 16, 1000, CELLS_ONE);
    round_trip(&rows, &(build_options){0}, 1);
    for (size_t i = 0; i < rows.count; i++) { /* equal in all but the id, then in all */
        memcpy(rows.codes + i * 16, rows.codes, 16);
        memcpy(rows.vectors + i * rows.vector_size, rows.vectors, rows.vector_size);
        if (i % 2) rows.ids[i] = 42;
    }
    round_trip(&rows, &(build_options){0}, 1);
    round_trip(&rows, &(build_options){.memory = 900 << 10}, 1);
    rows_free(&rows);
}
END_TEST

START_TEST(several_shards_end_at_cells) {
    gosset__env env = default_env(1);
    gosset__store *store = NULL;
    char path[TEMP_PATH_SIZE];
    strcpy(path, temp_path(directory, "index"));
    test_rows rows = rows_make(3, 6000, 32, GOSSET_U8, 16, 50, CELLS_RANDOM);
    must(rows_build(path, &rows, &(build_options){.shard_size = 100 << 10}));
    directory_expect(path, &rows);
    must(gosset__store_open(&store, path, "threads", &env));
    ck_assert_uint_ge(store->shard_count, 4);
    for (uint32_t i = 1; i < store->shard_count; i++) {
        uint32_t cell = 0;
        ck_assert_uint_le(store->shards[i].header.file_length, 100 << 10);
        while (store->cell_first[cell] < store->shard_first_row[i]) cell++;
        ck_assert_uint_eq(store->cell_first[cell], store->shard_first_row[i]);
    }
    gosset__store_close(store);
    temp_remove(path);
    rows_free(&rows);
    rows = rows_make(4, 20000, 32, GOSSET_U8, 16, 50, CELLS_SKEWED); /* one cell fills several shards */
    round_trip(&rows, &(build_options){.shard_size = 100 << 10}, 0);
    rows_free(&rows);
}
END_TEST

/* ---- the same bytes ------------------------------------------------------------------------- */

/* Peak of what is held, to hold the writer to its budget. */
typedef struct peak_allocator {
    size_t held, peak;
} peak_allocator;
static void *peak_allocate(void *context, size_t size, size_t alignment) {
    peak_allocator *peak = context;
    size_t *block = aligned_alloc(alignment < 64 ? 64 : alignment, (size + 64 + 4095) / 4096 * 4096);
    ck_assert_uint_le(alignment, 64);
    ck_assert_ptr_nonnull(block);
    block[0] = size;
    peak->held += size;
    if (peak->held > peak->peak) peak->peak = peak->held;
    return (char *)block + 64;
}
static void peak_release(void *context, void *memory) {
    peak_allocator *peak = context;
    size_t *block = (size_t *)((char *)memory - 64);
    peak->held -= block[0];
    free(block);
}

START_TEST(budget_and_order_do_not_change_the_bytes) {
    char first[TEMP_PATH_SIZE], other[TEMP_PATH_SIZE];
    const uint64_t budgets[] = {480 << 10, 600 << 10, 1 << 20, 3 << 20, 256 << 20};
    test_rows rows = rows_make(5, 30000, 40, GOSSET_U8, 16, 400, CELLS_SKEWED);
    /* duplicated rows and ids: ties all the way down */
    memcpy(rows.codes + 160, rows.codes, 160), memcpy(rows.vectors + 400, rows.vectors, 400);
    for (int i = 0; i < 10; i++) rows.cells[10 + i] = rows.cells[i], rows.ids[10 + i] = rows.ids[i];
    strcpy(first, temp_path(directory, "first"));
    strcpy(other, temp_path(directory, "other"));
    must(rows_build(first, &rows, &(build_options){.shard_size = 900 << 10}));
    directory_expect(first, &rows);
    for (size_t i = 0; i < 5; i++) {
        peak_allocator peak = {0};
        gosset__env env = default_env(1);
        env.allocator = (gosset_allocator){peak_allocate, peak_release, &peak};
        gosset_status status = rows_build(
            other, &rows,
            &(build_options){.shard_size = 900 << 10, .memory = budgets[i], .backwards = i % 2 != 0, .env = &env});
        ck_assert_uint_eq(peak.held, 0);
        ck_assert_msg(peak.peak <= budgets[i], "budget %zu: held %zu", (size_t)budgets[i], peak.peak);
        if (status == GOSSET_E_NO_MEMORY || status == GOSSET_E_ARGUMENT) { /* the largest cell does not fit */
            ck_assert_uint_lt(budgets[i], 3 << 20);
            ck_assert_ptr_nonnull(strstr(gosset_last_error(), "memory budget"));
            ck_assert(!file_exists(other) || directory_entries(other) == 0);
            continue;
        }
        must(status);
        directories_equal(first, other);
        temp_remove(other);
    }
    rows_free(&rows);
}
END_TEST

START_TEST(merge_gives_the_bytes_of_one_build) {
    gosset__env env = default_env(1);
    char path[4][TEMP_PATH_SIZE];
    test_rows rows = rows_make(6, 9000, 24, GOSSET_F32, 8, 60, CELLS_RANDOM);
    const size_t cut[] = {0, 2000, 2001, 9000};
    for (size_t i = 0; i < 3; i++) {
        strcpy(path[i], temp_path(directory, (const char *[]){"a", "b", "c"}[i]));
        must(rows_build(path[i], &rows, &(build_options){.from = cut[i], .to = cut[i + 1], .shard_size = 128 << 10}));
    }
    strcpy(path[3], temp_path(directory, "whole"));
    must(rows_build(path[3], &rows, &(build_options){.shard_size = 300 << 10, .calibration = "recall"}));
    const size_t orders[2][3] = {{0, 1, 2}, {2, 0, 1}};
    for (int order = 0; order < 2; order++) {
        char merged[TEMP_PATH_SIZE];
        gosset__store_writer *writer = NULL;
        gosset__store *source = NULL;
        gosset__store_config config = store_config(&rows, &(build_options){.shard_size = 300 << 10, .memory = 1 << 20});
        strcpy(merged, temp_path(directory, "merged"));
        must(gosset__store_writer_create(&writer, merged, &config, &env));
        for (int i = 0; i < 3; i++) {
            must(gosset__store_open(&source, path[orders[order][i]], "threads", &env));
            must(gosset__store_writer_add_store(writer, source));
            gosset__store_close(source);
        }
        must(gosset__store_writer_finish(writer));
        must(gosset__store_writer_publish(writer, "recall", 6));
        gosset__store_writer_free(writer);
        directories_equal(path[3], merged);
        directory_expect(merged, &rows);
        temp_remove(merged);
    }
    rows_free(&rows);
}
END_TEST

START_TEST(merge_refuses_another_layout) {
    gosset__env env = default_env(1);
    char path[TEMP_PATH_SIZE];
    gosset__store_writer *writer = NULL;
    gosset__store *source = NULL;
    test_rows rows = rows_make(7, 10, 24, GOSSET_U8, 8, 60, CELLS_RANDOM);
    strcpy(path, temp_path(directory, "a"));
    must(rows_build(path, &rows, &(build_options){0}));
    must(gosset__store_open(&source, path, "threads", &env));
    for (int i = 0; i < 4; i++) {
        gosset__store_config config = store_config(&rows, &(build_options){0});
        if (i == 0) config.layout.fingerprint++;
        if (i == 1) config.layout.type = GOSSET_I8;
        if (i == 2) config.layout.code_size++;
        if (i == 3) config.layout.metric = GOSSET_IP;
        must(gosset__store_writer_create(&writer, temp_path(directory, "b"), &config, &env));
        ck_assert_int_eq(gosset__store_writer_add_store(writer, source), GOSSET_E_MISMATCH);
        ck_assert_ptr_nonnull(strstr(gosset_last_error(), path));
        gosset__store_writer_free(writer);
        ck_assert(!file_exists(temp_path(directory, "b")));
    }
    gosset__store_close(source);
    rows_free(&rows);
}
END_TEST

/* ---- publishing ----------------------------------------------------------------------------- */

START_TEST(nothing_is_visible_before_publish) {
    gosset__env env = default_env(1);
    char path[TEMP_PATH_SIZE];
    gosset__store_writer *writer = NULL, *second = NULL;
    gosset__store *store = NULL, *none = NULL;
    test_rows rows = rows_make(8, 500, 24, GOSSET_U8, 8, 60, CELLS_RANDOM);
    gosset__store_config config = store_config(&rows, &(build_options){0});
    strcpy(path, temp_path(directory, "index"));
    ck_assert_int_eq(gosset__store_open(&none, path, "threads", &env), GOSSET_E_NOT_FOUND);
    must(gosset__store_writer_create(&writer, path, &config, &env));
    ck_assert_int_eq(gosset__store_writer_create(&second, path, &config, &env), GOSSET_E_STATE);
    ck_assert_ptr_nonnull(strstr(gosset_last_error(), path));
    ck_assert_ptr_null(second);
    must(gosset__store_writer_add(writer, rows.count, rows.cells, rows.codes, rows.ids, rows.vectors));
    ck_assert_int_eq(gosset__store_writer_publish(writer, NULL, 0), GOSSET_E_STATE);
    ck_assert_int_eq(gosset__store_writer_open(writer, "threads", &store), GOSSET_E_STATE);
    must(gosset__store_writer_finish(writer));
    ck_assert_int_eq(gosset__store_writer_finish(writer), GOSSET_E_STATE);
    ck_assert_int_eq(gosset__store_writer_add(writer, 1, rows.cells, rows.codes, rows.ids, rows.vectors),
                     GOSSET_E_STATE);
    must(gosset__store_writer_open(writer, "threads", &store)); /* for calibration */
    must(gosset__store_load_codes(store, plain_block, &store->layout));
    ck_assert_int_eq(gosset__store_load_codes(store, plain_block, &store->layout), GOSSET_E_STATE);
    store_expect(store, &rows);
    ck_assert_int_eq(gosset__store_open(&none, path, "threads", &env), GOSSET_E_NOT_FOUND);
    ck_assert_int_eq(gosset__store_verify(path, &env), GOSSET_E_NOT_FOUND);
    gosset__store_writer_free(writer); /* never published: all is removed */
    gosset__store_close(store);
    ck_assert(!file_exists(path));
    rows_free(&rows);
}
END_TEST

START_TEST(replacing_keeps_the_old_index_until_publish) {
    gosset__env env = default_env(1);
    char path[TEMP_PATH_SIZE];
    gosset__store_writer *writer = NULL;
    gosset__store *old = NULL, *now = NULL;
    test_rows rows = rows_make(9, 500, 24, GOSSET_U8, 8, 60, CELLS_RANDOM);
    test_rows more = rows_make(10, 700, 24, GOSSET_U8, 8, 60, CELLS_RANDOM);
    gosset__store_config config = store_config(&more, &(build_options){.replace = 1});
    strcpy(path, temp_path(directory, "index"));
    must(rows_build(path, &rows, &(build_options){.calibration = "first"}));
    ck_assert_int_eq(rows_build(path, &more, &(build_options){0}), GOSSET_E_EXISTS);
    file_write(temp_path(path, "notes.txt"), "mine", 4); /* not a name of ours: stays */
    file_write(temp_path(path, "shard-7-0000.gosset"), "leftover", 8);
    file_write(temp_path(path, "sort-0.tmp"), "leftover", 8);
    must(gosset__store_open(&old, path, "threads", &env));
    must(gosset__store_writer_create(&writer, path, &config, &env));
    ck_assert(!file_exists(temp_path(path, "shard-7-0000.gosset")));
    ck_assert(!file_exists(temp_path(path, "sort-0.tmp")));
    must(gosset__store_writer_add(writer, more.count, more.cells, more.codes, more.ids, more.vectors));
    must(gosset__store_writer_finish(writer));
    directory_expect(path, &rows);
    must(gosset__store_writer_publish(writer, "second!", 7));
    gosset__store_writer_free(writer);
    directory_expect(path, &more);
    must(gosset__store_load_codes(old, plain_block, &old->layout)); /* an open index outlives its files */
    store_expect(old, &rows);
    must(gosset__store_open(&now, path, "threads", &env));
    ck_assert_uint_eq(old->generation, 1);
    ck_assert_uint_eq(now->generation, 2);
    ck_assert_uint_eq(old->calibration_size, 5);
    ck_assert_uint_eq(now->calibration_size, 7);
    ck_assert(memcmp(now->calibration, "second!", 7) == 0);
    ck_assert_uint_eq(directory_entries(path), 4); /* manifest, model, shard, notes */
    gosset__store_close(old);
    gosset__store_close(now);
    must(gosset__store_writer_create(&writer, path, &config, &env));
    gosset__store_writer_free(writer); /* given up */
    directory_expect(path, &more);
    ck_assert_uint_eq(directory_entries(path), 4);
    file_write(temp_path(path, "MANIFEST.gosset"), "garbage", 7); /* a damaged index can be replaced */
    ck_assert_int_eq(rows_build(path, &rows, &(build_options){0}), GOSSET_E_EXISTS);
    must(rows_build(path, &rows, &(build_options){.replace = 1}));
    directory_expect(path, &rows);
    ck_assert_uint_eq(directory_entries(path), 4);
    rows_free(&rows);
    rows_free(&more);
}
END_TEST

START_TEST(bad_rows_and_budgets_are_refused) {
    gosset__env env = default_env(1);
    gosset__store_writer *writer = NULL;
    test_rows rows = rows_make(11, 10, 24, GOSSET_U8, 8, 60, CELLS_RANDOM);
    gosset__store_config config = store_config(&rows, &(build_options){.memory = 1000});
    char path[TEMP_PATH_SIZE];
    strcpy(path, temp_path(directory, "index"));
    ck_assert_int_eq(gosset__store_writer_create(&writer, path, &config, &env), GOSSET_E_ARGUMENT);
    ck_assert_ptr_null(writer);
    ck_assert(!file_exists(path));
    ck_assert_int_eq(rows_build(temp_path(directory, "no/such"), &rows, &(build_options){0}), GOSSET_E_NOT_FOUND);
    rows.ids[3] = UINT64_MAX;
    ck_assert_int_eq(rows_build(path, &rows, &(build_options){0}), GOSSET_E_ARGUMENT);
    rows.ids[3] = 3;
    rows.cells[5] = 60;
    ck_assert_int_eq(rows_build(path, &rows, &(build_options){0}), GOSSET_E_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(gosset_last_error(), "cell: expected less than 60, found 60"));
    ck_assert(!file_exists(path));
    rows_free(&rows);
}
END_TEST

static int cancel_at_once(const gosset_progress *progress, void *context) {
    (void)context;
    ck_assert_str_eq(progress->phase, "write");
    return 1;
}

START_TEST(progress_can_cancel) {
    gosset__env env = default_env(1);
    env.progress = cancel_at_once;
    test_rows rows = rows_make(12, 100, 24, GOSSET_U8, 8, 60, CELLS_RANDOM);
    ck_assert_int_eq(rows_build(temp_path(directory, "index"), &rows, &(build_options){.env = &env}),
                     GOSSET_E_CANCELLED);
    ck_assert(!file_exists(temp_path(directory, "index")));
    rows_free(&rows);
}
END_TEST

START_TEST(every_allocation_can_fail) {
    char path[TEMP_PATH_SIZE];
    test_rows rows = rows_make(13, 9000, 24, GOSSET_U8, 8, 60, CELLS_RANDOM);
    strcpy(path, temp_path(directory, "index"));
    for (size_t n = 1;; n++) {
        counting_allocator memory;
        gosset_env given = counting_env(&memory, n);
        given.threads = 1;
        gosset__env env;
        must(gosset__env_read(&env, &given));
        gosset_status status =
            rows_build(path, &rows, &(build_options){.env = &env, .memory = 480 << 10, .shard_size = 100 << 10});
        ck_assert_uint_eq(counting_held(&memory), 0);
        if (status == GOSSET_OK) break;
        ck_assert_int_eq(status, GOSSET_E_NO_MEMORY);
        ck_assert_msg(!file_exists(path), "leftovers after allocation %zu", n);
        ck_assert_uint_lt(n, 1000);
    }
    for (size_t n = 1;; n++) {
        counting_allocator memory;
        gosset_env given = counting_env(&memory, n);
        given.threads = 1;
        gosset__env env;
        gosset__store *store = NULL;
        must(gosset__env_read(&env, &given));
        gosset_status status = gosset__store_open(&store, path, "threads", &env);
        if (status == GOSSET_OK) status = gosset__store_load_codes(store, plain_block, &store->layout);
        if (status == GOSSET_OK) status = gosset__store_verify(path, &env);
        gosset__store_close(store);
        ck_assert_uint_eq(counting_held(&memory), 0);
        if (status == GOSSET_OK) break;
        ck_assert_msg(status == GOSSET_E_NO_MEMORY || status == GOSSET_E_UNSUPPORTED, "%s", gosset_last_error());
        ck_assert_uint_lt(n, 1000);
    }
    rows_free(&rows);
}
END_TEST

/* ---- other readers -------------------------------------------------------------------------- */

static int compare_lines(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* One line per row, as second_reader prints it: cell, code, id, vector; bytes in hexadecimal. */
static char *row_line(const test_rows *rows, size_t i) {
    size_t code_size = rows->layout.code_size, size = 64 + 2 * (code_size + rows->vector_size);
    char *line = malloc(size), *at = line;
    at += sprintf(at, "%u ", rows->cells[i]);
    for (size_t j = 0; j < code_size; j++) at += sprintf(at, "%02x", rows->codes[i * code_size + j]);
    at += sprintf(at, " %llu ", (unsigned long long)rows->ids[i]);
    for (size_t j = 0; j < rows->vector_size; j++) at += sprintf(at, "%02x", rows->vectors[i * rows->vector_size + j]);
    return line;
}

static void expect_second_reader(const char *path, const test_rows *rows) {
    char command[3 * TEMP_PATH_SIZE], *line = NULL;
    size_t capacity = 0, found = 0;
    char **expected = malloc((rows->count + 1) * sizeof *expected), **seen = malloc((rows->count + 1) * sizeof *seen);
    snprintf(command, sizeof command, "'%s' '%s' 2>&1", SECOND_READER, path);
    FILE *pipe = popen(command, "r");
    ck_assert_ptr_nonnull(pipe);
    for (ssize_t length; (length = getline(&line, &capacity, pipe)) > 0; found++) {
        line[length - 1] = 0;
        ck_assert_msg(found < rows->count, "one line too many: %s", line);
        seen[found] = strdup(line);
    }
    ck_assert_int_eq(pclose(pipe), 0);
    ck_assert_uint_eq(found, rows->count);
    for (size_t i = 0; i < rows->count; i++) expected[i] = row_line(rows, i);
    qsort(expected, rows->count, sizeof *expected, compare_lines);
    qsort(seen, rows->count, sizeof *seen, compare_lines);
    for (size_t i = 0; i < rows->count; i++) {
        ck_assert_str_eq(expected[i], seen[i]);
        free(expected[i]);
        free(seen[i]);
    }
    free(expected);
    free(seen);
    free(line);
}

START_TEST(a_second_reader_reads_the_same_rows) {
    char path[TEMP_PATH_SIZE];
    strcpy(path, temp_path(directory, "index"));
    for (int type = GOSSET_F32; type <= GOSSET_F16; type++) {
        test_rows rows = rows_make(14, 2500, 17, (gosset_type)type, 9, 80, CELLS_SKEWED);
        must(rows_build(path, &rows, &(build_options){.shard_size = 64 << 10, .calibration = "calibration"}));
        expect_second_reader(path, &rows);
        temp_remove(path);
        rows_free(&rows);
    }
    test_rows wide = rows_make(15, 20, 1100, GOSSET_F32, 32, 80, CELLS_RANDOM);
    must(rows_build(path, &wide, &(build_options){0}));
    expect_second_reader(path, &wide);
    rows_free(&wide);
}
END_TEST

/* The checked-in index was written by format version 1 and must be read for ever. It is also what a build of the
 * same rows gives today: if that changes on purpose, `GOLDEN_OUT=... test_storage` writes a new one. */
static test_rows golden_rows(void) {
    test_rows rows = rows_make(16, 0, 6, GOSSET_U8, 4, 12, CELLS_RANDOM);
    rows_free(&rows);
    rows.count = 40;
    rows.cells = malloc(rows.count * sizeof *rows.cells);
    rows.codes = malloc(rows.count * 4);
    rows.ids = malloc(rows.count * sizeof *rows.ids);
    rows.vectors = malloc(rows.count * 6);
    for (size_t i = 0; i < rows.count; i++) { /* plain arithmetic: no generator to keep for ever */
        rows.cells[i] = (uint32_t)(i * i % 12);
        rows.ids[i] = 1000 + 7 * i;
        for (size_t j = 0; j < 4; j++) rows.codes[4 * i + j] = (uint8_t)(i * 31 + j * 17);
        for (size_t j = 0; j < 6; j++) rows.vectors[6 * i + j] = (uint8_t)(i * 13 + j * j * 5);
    }
    return rows;
}

START_TEST(the_golden_index_is_read_and_written) {
    char path[TEMP_PATH_SIZE];
    test_rows rows = golden_rows();
    strcpy(path, temp_path(directory, "index"));
    must(rows_build(path, &rows, &(build_options){.calibration = "golden"}));
    if (getenv("GOLDEN_OUT") != NULL)
        must(rows_build(getenv("GOLDEN_OUT"), &rows, &(build_options){.calibration = "golden"}));
    directory_expect(GOLDEN_DIRECTORY, &rows);
    expect_second_reader(GOLDEN_DIRECTORY, &rows);
    directories_equal(GOLDEN_DIRECTORY, path);
    rows_free(&rows);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("storage");
    TCase *layout = tcase_create("layout"), *store = tcase_create("store");
    tcase_add_test(layout, layout_fits_records_to_pages);
    suite_add_tcase(suite, layout);
    tcase_add_checked_fixture(store, setup, teardown);
    tcase_set_timeout(store, 120);
    tcase_add_test(store, every_type_and_dimension);
    tcase_add_test(store, small_and_odd_counts);
    tcase_add_test(store, one_cell_and_duplicates);
    tcase_add_test(store, several_shards_end_at_cells);
    tcase_add_test(store, budget_and_order_do_not_change_the_bytes);
    tcase_add_test(store, merge_gives_the_bytes_of_one_build);
    tcase_add_test(store, merge_refuses_another_layout);
    tcase_add_test(store, nothing_is_visible_before_publish);
    tcase_add_test(store, replacing_keeps_the_old_index_until_publish);
    tcase_add_test(store, bad_rows_and_budgets_are_refused);
    tcase_add_test(store, progress_can_cancel);
    tcase_add_test(store, every_allocation_can_fail);
    tcase_add_test(store, a_second_reader_reads_the_same_rows);
    tcase_add_test(store, the_golden_index_is_read_and_written);
    suite_add_tcase(suite, store);
    add_sort_tests(suite);
    add_damage_tests(suite);
    add_crash_tests(suite);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
