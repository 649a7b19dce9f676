/* The same input gives the same files for any memory budget, thread count and size of calls. */
#include "api/world.h"

#include <dirent.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdio.h>

/* All files of both directories, byte by byte. */
static void same_files(const char *a, const char *b) {
    ck_assert_uint_eq(directory_entries(a), directory_entries(b));
    DIR *directory = opendir(a);
    ck_assert_ptr_nonnull(directory);
    size_t compared = 0;
    for (struct dirent *entry; (entry = readdir(directory));) {
        if (entry->d_name[0] == '.') continue;
        size_t size_a, size_b;
        unsigned char *x = file_bytes(temp_path(a, entry->d_name), &size_a);
        unsigned char *y = file_bytes(temp_path(b, entry->d_name), &size_b);
        ck_assert_msg(size_a == size_b, "%s/%s: %zu and %zu bytes", b, entry->d_name, size_a, size_b);
        ck_assert_msg(memcmp(x, y, size_a) == 0, "%s/%s: other bytes", b, entry->d_name);
        free(x), free(y);
        compared++;
    }
    closedir(directory);
    ck_assert_uint_ge(compared, 2);
}

/* The least budget this model and thread count allow, as the error sentence tells it. */
static uint64_t least_memory(uint32_t threads) {
    gosset_writer *writer = NULL;
    gosset_env env = {.struct_size = sizeof env, .threads = threads};
    gosset_writer_config config = {.struct_size = sizeof config, .env = &env, .model = w.model, .memory = 1};
    ck_fails(gosset_writer_create(&writer, temp_path(w.directory, "least"), &config), GOSSET_E_ARGUMENT, "at least");
    double mib = 0;
    ck_assert_int_eq(sscanf(strstr(gosset_last_error(), "at least"), "at least %lf MiB", &mib), 1);
    ck_assert_double_gt(mib, 1);
    return (uint64_t)(mib * (1 << 20));
}

START_TEST(test_same_bytes) {
    char reference[TEMP_PATH_SIZE];
    build_options options[] = {{.threads = 1},
                               {.threads = 3, .call = 501},
                               {.threads = 2, .memory = least_memory(2), .call = 3000},
                               {.threads = 4, .memory = least_memory(4)},
                               {.threads = 2, .memory = 100 << 20, .call = 1}};
    snprintf(reference, sizeof reference, "%s", build("reference", &w.base, NULL));
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        char name[16];
        snprintf(name, sizeof name, "budget-%zu", i);
        same_files(reference, build(name, &w.base, &options[i]));
    }
}
END_TEST

/* What is held now, and the most that was. */
typedef struct peak_meter {
    _Atomic size_t held, peak;
} peak_meter;

static void *peak_allocate(void *context, size_t size, size_t alignment) {
    peak_meter *meter = context;
    void *block = NULL;
    if (posix_memalign(&block, alignment, size) != 0) return NULL;
    const size_t held = atomic_fetch_add(&meter->held, malloc_usable_size(block)) + malloc_usable_size(block);
    size_t peak = meter->peak;
    while (held > peak && !atomic_compare_exchange_weak(&meter->peak, &peak, held)) {
    }
    return block;
}

static void peak_release(void *context, void *block) {
    peak_meter *meter = context;
    atomic_fetch_sub(&meter->held, malloc_usable_size(block));
    free(block);
}

/* With the least memory there is no room for the codes while the index is calibrated: they stay on disk. */
START_TEST(test_least_memory_is_kept_to) {
    enum { THREADS = 4 };
    peak_meter meter = {0};
    gosset_writer *writer = NULL;
    const char *path = temp_path(w.directory, "least");
    gosset_env env = {
        .struct_size = sizeof env, .threads = THREADS, .allocator = {peak_allocate, peak_release, &meter}};
    gosset_writer_config config = {
        .struct_size = sizeof config, .env = &env, .model = w.model, .memory = least_memory(THREADS)};
    ck_ok(gosset_writer_create(&writer, path, &config));
    ck_ok(gosset_writer_add(writer, &w.base, NULL));
    ck_ok(gosset_writer_finish(writer));
    gosset_writer_free(writer);
    ck_assert_uint_eq(meter.held, 0);
    ck_assert_uint_le(meter.peak, config.memory);
    ck_assert_uint_gt(meter.peak, 1 << 20);
}
END_TEST

/* Many shards are another layout on disk, not other answers. */
START_TEST(test_shard_size_changes_no_answer) {
    enum { K = 10 };
    static const uint64_t sizes[] = {1, 128 << 10, 1 << 20, 0};
    uint64_t ids[2][WORLD_QUERIES * K];
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char name[16];
        snprintf(name, sizeof name, "shards-%zu", i);
        gosset_index *index = NULL;
        gosset_searcher *searcher = NULL;
        gosset_search_options exhaustive = {.struct_size = sizeof exhaustive, .probe = 1 << 30, .rerank = 1 << 30};
        ck_ok(gosset_index_open(&index, build(name, &w.base, &(build_options){.shard_size = sizes[i]}), NULL));
        ck_ok(gosset_searcher_create(&searcher, index, NULL));
        ck_ok(gosset_searcher_set(searcher, &exhaustive));
        ck_ok(gosset_searcher_search(searcher, &w.query, K, ids[i > 0], NULL));
        if (i) ck_assert_mem_eq(ids[0], ids[1], sizeof ids[0]);
        gosset_searcher_free(searcher);
        gosset_index_close(index);
    }
}
END_TEST

TCase *case_budget(void) {
    TCase *tcase = tcase_create("budget");
    tcase_add_test(tcase, test_same_bytes);
    tcase_add_test(tcase, test_least_memory_is_kept_to);
    tcase_add_test(tcase, test_shard_size_changes_no_answer);
    return tcase;
}
