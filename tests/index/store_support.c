#include "index/store_support.h"
#include "base/bytes.h"
#include "base/rng.h"
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

const char test_model[] = "the model is bytes to the store, nothing more";

void must(gosset_status status) {
    ck_assert_msg(status == GOSSET_OK, "%s: %s", gosset_strerror(status), gosset_last_error());
}

test_rows rows_make(uint64_t seed, size_t count, uint32_t dimension, gosset_type type, uint32_t code_size,
                    uint32_t cell_count, cell_pattern pattern) {
    test_rows rows = {.layout = {.dimension = dimension,
                                 .type = type,
                                 .metric = GOSSET_L2,
                                 .code_size = code_size,
                                 .cell_count = cell_count,
                                 .fingerprint = 0x1234567890abcdefu},
                      .count = count};
    must(gosset__layout_derive(&rows.layout));
    gosset__rng rng = gosset__rng_make(seed, 7);
    rows.vector_size = rows.layout.record_size - 8;
    rows.cells = malloc((count + 1) * sizeof *rows.cells);
    rows.codes = malloc(count * code_size + 1);
    rows.ids = malloc((count + 1) * sizeof *rows.ids);
    rows.vectors = clustered_vectors(seed, count + 1, dimension, 8, type);
    for (size_t i = 0; i < count; i++) {
        uint32_t random = (uint32_t)gosset__rng_below(&rng, cell_count);
        uint32_t skewed = gosset__rng_below(&rng, 4) != 0 ? cell_count / 3 : random;
        rows.cells[i] = pattern == CELLS_ONE ? cell_count / 2 : pattern == CELLS_SKEWED ? skewed : random;
        for (uint32_t j = 0; j < code_size; j++) rows.codes[i * code_size + j] = (uint8_t)gosset__rng_next(&rng);
        rows.ids[i] = i * 2654435761u % 4294967296u + (i % 5 == 0 ? (uint64_t)1 << 40 : 0);
    }
    return rows;
}

void rows_free(test_rows *rows) {
    free(rows->cells);
    free(rows->codes);
    free(rows->ids);
    free(rows->vectors);
}

gosset__store_config store_config(const test_rows *rows, const build_options *options) {
    gosset__store_config config = {.layout = rows->layout,
                                   .memory = options->memory > 0 ? options->memory : 64 * MIB,
                                   .shard_size = options->shard_size > 0 ? options->shard_size : 1024 * MIB,
                                   .model = test_model,
                                   .model_size = sizeof test_model,
                                   .replace = options->replace};
    return config;
}

gosset_status rows_build(const char *directory, const test_rows *rows, const build_options *options) {
    gosset__env env = default_env(1);
    if (options->env != NULL) env = *options->env;
    gosset__store_config config = store_config(rows, options);
    gosset__store_writer *writer = NULL;
    size_t to = options->to > 0 ? options->to : rows->count, code_size = rows->layout.code_size;
    gosset_status status = gosset__store_writer_create(&writer, directory, &config, &env);
    for (size_t i = options->from, step = 1; i < to && status == GOSSET_OK; i += step) {
        step = 1 + i * 7 % 1000; /* batches of many sizes */
        if (step > to - i || options->backwards) step = options->backwards ? 1 : to - i;
        size_t at = options->backwards ? to - 1 - (i - options->from) : i;
        status = gosset__store_writer_add(writer, step, rows->cells + at, rows->codes + at * code_size, rows->ids + at,
                                          rows->vectors + at * rows->vector_size);
    }
    const char *calibration = options->calibration != NULL ? options->calibration : "";
    if (status == GOSSET_OK) status = gosset__store_writer_finish(writer);
    if (status == GOSSET_OK) status = gosset__store_writer_publish(writer, calibration, strlen(calibration));
    gosset__store_writer_free(writer);
    return status;
}

void plain_block(const void *context, const uint8_t *codes, size_t count, uint8_t *block) {
    const gosset__layout *layout = context;
    memset(block, 0, (size_t)16 * layout->code_size);
    memcpy(block, codes, count * layout->code_size);
}

/* ---- comparing ------------------------------------------------------------------------------ */

static size_t packed_size; /* of the rows qsort compares */
static int compare_packed(const void *a, const void *b) {
    return memcmp(a, b, packed_size);
}

static void pack(uint8_t *out, const test_rows *rows, uint32_t cell, const uint8_t *code, const uint8_t *id,
                 const uint8_t *vector) {
    memcpy(out, &cell, 4);
    memcpy(out + 4, code, rows->layout.code_size);
    memcpy(out + 4 + rows->layout.code_size, id, 8);
    memcpy(out + 12 + rows->layout.code_size, vector, rows->vector_size);
}

void store_expect(const gosset__store *store, const test_rows *rows) {
    const gosset__layout *layout = &store->layout;
    packed_size = 12 + layout->code_size + rows->vector_size;
    uint8_t *found = malloc(rows->count * packed_size + 1), *expected = malloc(rows->count * packed_size + 1);
    uint8_t *page = malloc(layout->page_size);
    uint64_t at = UINT64_MAX;
    uint32_t cell = 0;
    ck_assert_uint_eq(store->row_count, rows->count);
    ck_assert_uint_eq(store->cell_first[layout->cell_count], rows->count);
    for (uint64_t row = 0; row < store->row_count; row++) {
        uint64_t number = gosset__store_page_of(store, row);
        uint32_t i = 0;
        while (store->shard_first_page[i + 1] <= number) i++;
        if (number != at) {
            uint64_t offset = gosset__page_offset(&store->shards[i].header, number - store->shard_first_page[i]);
            must(gosset__read_at(store->shards[i].fd, page, layout->page_size, offset, "page"));
            must(gosset__store_check_page(store, number, page));
            at = number;
        }
        uint64_t slot = (row - store->shard_first_row[i]) % layout->records_per_page;
        ck_assert_uint_lt(slot, gosset__store_page_records(store, number));
        while (store->cell_first[cell + 1] <= row) cell++;
        pack(found + row * packed_size, rows, cell, store->blocks + row * layout->code_size,
             page + slot * layout->record_size, page + slot * layout->record_size + 8);
        pack(expected + row * packed_size, rows, rows->cells[row], rows->codes + row * layout->code_size,
             (const uint8_t *)&rows->ids[row], rows->vectors + row * rows->vector_size);
    }
    qsort(found, rows->count, packed_size, compare_packed);
    qsort(expected, rows->count, packed_size, compare_packed);
    ck_assert(memcmp(found, expected, rows->count * packed_size) == 0);
    free(found);
    free(expected);
    free(page);
}

void directory_expect(const char *directory, const test_rows *rows) {
    gosset__env env = default_env(1);
    gosset__store *store = NULL;
    must(gosset__store_open(&store, directory, "threads", &env));
    must(gosset__store_load_codes(store, plain_block, &store->layout));
    store_expect(store, rows);
    ck_assert_uint_eq(store->model_size, sizeof test_model);
    ck_assert(memcmp(store->model, test_model, sizeof test_model) == 0);
    gosset__store_close(store);
    must(gosset__store_verify(directory, &env));
}

void directories_equal(const char *a, const char *b) {
    DIR *handle = opendir(a);
    size_t files = 0;
    ck_assert_ptr_nonnull(handle);
    for (struct dirent *entry = readdir(handle); entry != NULL; entry = readdir(handle)) {
        size_t size_a, size_b;
        if (entry->d_name[0] == '.') continue;
        unsigned char *bytes_a = file_bytes(temp_path(a, entry->d_name), &size_a);
        unsigned char *bytes_b = file_bytes(temp_path(b, entry->d_name), &size_b);
        ck_assert_uint_eq(size_a, size_b);
        ck_assert_msg(memcmp(bytes_a, bytes_b, size_a) == 0, "%s differs", entry->d_name);
        free(bytes_a);
        free(bytes_b);
        files++;
    }
    closedir(handle);
    ck_assert_uint_eq(files, directory_entries(b));
}
