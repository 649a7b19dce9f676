/* Damage of every kind, everywhere: verify names the file, and reading gives the right rows or an error. */
#include "base/bytes.h"
#include "index/store_support.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char directory[TEMP_PATH_SIZE];
static test_rows rows;
static gosset__env env;

enum { FILES = 4 };
static const char *const names[FILES] = {"MANIFEST.gosset", "model-1.gosset", "shard-1-0000.gosset",
                                         "shard-1-0001.gosset"};

static void setup(void) {
    temp_directory(directory);
    env = default_env(1);
    rows = rows_make(20, 210, 128, GOSSET_U8, 16, 9, CELLS_RANDOM);
    must(rows_build(temp_path(directory, "index"), &rows,
                    &(build_options){.shard_size = 32 << 10, .calibration = "thirteen bytes"}));
    strcat(directory, "/index");
    ck_assert_uint_eq(directory_entries(directory), FILES);
}

static void teardown(void) {
    *strrchr(directory, '/') = 0;
    temp_remove(directory);
    rows_free(&rows);
}

static void verify_fails(const char *name, size_t at) {
    gosset_status status = gosset__store_verify(directory, &env);
    ck_assert_msg(status == GOSSET_E_CORRUPT || status == GOSSET_E_FORMAT_VERSION || status == GOSSET_E_NOT_FOUND,
                  "%s, byte %zu: verify gave %d", name, at, status);
    ck_assert_msg(strstr(gosset_last_error(), name) != NULL, "%s, byte %zu: \"%s\"", name, at, gosset_last_error());
}

/* Everything a search can see: opened, codes loaded, every page checked. */
static gosset_status read_all(gosset__store **out) {
    gosset__store *store = NULL;
    uint8_t page[4096];
    gosset_status status = gosset__store_open(&store, directory, "threads", &env);
    if (status == GOSSET_OK) status = gosset__store_load_codes(store, plain_block, &store->layout);
    for (uint64_t i = 0; status == GOSSET_OK && i < store->page_count; i++) {
        const gosset__shard *shard = &store->shards[i >= store->shard_first_page[1]];
        uint64_t inside = i - store->shard_first_page[shard->header.number];
        must(gosset__read_at(shard->fd, page, sizeof page, gosset__page_offset(&shard->header, inside), "page"));
        status = gosset__store_check_page(store, i, page);
    }
    *out = store;
    return status;
}

static void read_is_right_or_fails(const char *name, size_t at) {
    gosset__store *store = NULL;
    gosset_status status = read_all(&store);
    if (status == GOSSET_OK)
        store_expect(store, &rows);
    else
        ck_assert_msg(strstr(gosset_last_error(), name) != NULL, "%s, byte %zu: \"%s\"", name, at, gosset_last_error());
    gosset__store_close(store);
}

START_TEST(any_single_byte) {
    size_t total = 0;
    must(gosset__store_verify(directory, &env));
    for (int file = 0; file < FILES; file++) {
        size_t size;
        unsigned char *bytes = file_bytes(temp_path(directory, names[file]), &size);
        int fd = open(temp_path(directory, names[file]), O_WRONLY);
        ck_assert_int_ge(fd, 0);
        for (size_t at = 0; at < size; at++) {
            unsigned char flipped = (unsigned char)(bytes[at] ^ (at % 3 == 0 ? 0xff : 1 << at % 8));
            ck_assert_int_eq(pwrite(fd, &flipped, 1, (off_t)at), 1);
            verify_fails(names[file], at);
            if (at % 16 == 5 || at % 4096 < 200) read_is_right_or_fails(names[file], at);
            ck_assert_int_eq(pwrite(fd, &bytes[at], 1, (off_t)at), 1);
        }
        total += size;
        close(fd);
        free(bytes);
    }
    must(gosset__store_verify(directory, &env));
    ck_assert_uint_gt(total, 50000);
}
END_TEST

START_TEST(any_length) {
    for (int file = 0; file < FILES; file++) {
        char path[TEMP_PATH_SIZE];
        size_t size;
        strcpy(path, temp_path(directory, names[file]));
        unsigned char *bytes = file_bytes(path, &size);
        for (size_t length = size; length-- > 0;) {
            ck_assert_int_eq(truncate(path, (off_t)length), 0);
            verify_fails(names[file], length);
            if (length % 512 < 2) {
                gosset__store *store = NULL;
                ck_assert_int_ne(read_all(&store), GOSSET_OK);
                gosset__store_close(store);
            }
        }
        unsigned char *longer = calloc(1, size + 4096);
        memcpy(longer, bytes, size);
        file_write(path, longer, size + 1);
        verify_fails(names[file], size);
        file_write(path, longer, size + 4096);
        verify_fails(names[file], size);
        file_write(path, bytes, size);
        must(gosset__store_verify(directory, &env));
        free(bytes);
        free(longer);
    }
}
END_TEST

static void exchange(const char *a, size_t at_a, const char *b, size_t at_b) {
    unsigned char left[4096], right[4096];
    int fd_a = open(temp_path(directory, a), O_RDWR), fd_b = open(temp_path(directory, b), O_RDWR);
    ck_assert_int_eq(pread(fd_a, left, 4096, (off_t)at_a), 4096);
    ck_assert_int_eq(pread(fd_b, right, 4096, (off_t)at_b), 4096);
    ck_assert_int_eq(pwrite(fd_a, right, 4096, (off_t)at_a), 4096);
    ck_assert_int_eq(pwrite(fd_b, left, 4096, (off_t)at_b), 4096);
    close(fd_a);
    close(fd_b);
}

START_TEST(any_two_pages_exchanged) {
    size_t pairs = 0;
    for (int a = 2; a < FILES; a++)
        for (int b = a; b < FILES; b++) {
            size_t size_a, size_b;
            unsigned char *bytes_a = file_bytes(temp_path(directory, names[a]), &size_a);
            unsigned char *bytes_b = file_bytes(temp_path(directory, names[b]), &size_b);
            for (size_t i = 0; i < size_a; i += 4096)
                for (size_t j = a == b ? i + 4096 : 0; j < size_b; j += 4096) {
                    if (memcmp(bytes_a + i, bytes_b + j, 4096) == 0) continue; /* header and footer are equal */
                    exchange(names[a], i, names[b], j);
                    gosset_status status = gosset__store_verify(directory, &env);
                    ck_assert_int_eq(status, GOSSET_E_CORRUPT);
                    ck_assert_ptr_nonnull(strstr(gosset_last_error(), "shard-1-000"));
                    read_is_right_or_fails("shard-1-000", i);
                    exchange(names[a], i, names[b], j);
                    pairs++;
                }
            free(bytes_a);
            free(bytes_b);
        }
    must(gosset__store_verify(directory, &env));
    ck_assert_uint_gt(pairs, 50);
}
END_TEST

START_TEST(the_place_of_a_damaged_page_is_named) {
    gosset__store *store = NULL;
    must(gosset__store_open(&store, directory, "threads", &env));
    const gosset__shard_header *header = &store->shards[1].header;
    for (uint64_t page = 0; page < header->page_count; page++) {
        char sentence[TEMP_PATH_SIZE + 128];
        unsigned char byte = 0x55;
        uint64_t offset = gosset__page_offset(header, page);
        size_t size;
        unsigned char *bytes = file_bytes(store->shards[1].path, &size);
        int fd = open(store->shards[1].path, O_WRONLY);
        byte ^= bytes[offset + 77];
        ck_assert_int_eq(pwrite(fd, &byte, 1, (off_t)offset + 77), 1);
        close(fd);
        ck_assert_int_eq(gosset__store_verify(directory, &env), GOSSET_E_CORRUPT);
        snprintf(sentence, sizeof sentence, "%s/shard-1-0001.gosset: page %llu at byte %llu: checksum differs",
                 directory, (unsigned long long)page, (unsigned long long)offset);
        ck_assert_str_eq(gosset_last_error(), sentence);
        file_write(store->shards[1].path, bytes, size);
        free(bytes);
    }
    gosset__store_close(store);
}
END_TEST

START_TEST(missing_stray_and_exchanged_files) {
    char aside[TEMP_PATH_SIZE], path[TEMP_PATH_SIZE], other[TEMP_PATH_SIZE];
    gosset__store *store = NULL;
    strcpy(aside, directory);
    strcat(aside, ".aside");
    for (int file = 0; file < FILES; file++) {
        strcpy(path, temp_path(directory, names[file]));
        ck_assert_int_eq(rename(path, aside), 0);
        verify_fails(names[file], 0);
        ck_assert_int_eq(read_all(&store), GOSSET_E_NOT_FOUND);
        ck_assert_ptr_nonnull(strstr(gosset_last_error(), names[file]));
        ck_assert_int_eq(rename(aside, path), 0);
    }
    file_write(temp_path(directory, "shard-1-0002.gosset"), "stray", 5);
    verify_fails("shard-1-0002.gosset", 0);
    ck_assert_int_eq(unlink(temp_path(directory, "shard-1-0002.gosset")), 0);
    strcpy(path, temp_path(directory, names[2]));
    strcpy(other, temp_path(directory, names[3]));
    must(rename(path, aside) == 0 && rename(other, path) == 0 && rename(aside, other) == 0 ? GOSSET_OK : GOSSET_E_IO);
    verify_fails("shard-1-0000.gosset", 0);
    ck_assert_int_ne(read_all(&store), GOSSET_OK);
}
END_TEST

/* A page of another build at the same place is intact and of the same generation: the checksum over the pages'
 * checksums tells. */
START_TEST(a_page_of_another_build) {
    char other[TEMP_PATH_SIZE];
    test_rows changed = rows_make(21, 210, 128, GOSSET_U8, 16, 9, CELLS_RANDOM);
    size_t size, size_other;
    strcpy(other, directory);
    strcat(other, "2");
    must(rows_build(other, &changed, &(build_options){.shard_size = 32 << 10}));
    unsigned char *bytes = file_bytes(temp_path(directory, names[2]), &size);
    unsigned char *foreign = file_bytes(temp_path(other, names[2]), &size_other);
    memcpy(bytes + 3 * 4096, foreign + 3 * 4096, 4096);
    file_write(temp_path(directory, names[2]), bytes, size);
    verify_fails(names[2], 3 * 4096);
    free(bytes);
    free(foreign);
    rows_free(&changed);
}
END_TEST

/* Headers with right checksums and wrong counts: nothing may be believed. */
START_TEST(impossible_headers_with_right_checksums) {
    size_t size;
    unsigned char *bytes = file_bytes(temp_path(directory, names[2]), &size);
    const uint64_t values[] = {0, 1, 0x7fffffff, 0xffffffff, 1ull << 32, 1ull << 62, UINT64_MAX};
    for (size_t at = 8; at + 8 <= 192; at += 4)
        for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
            gosset__shard_header header;
            uint8_t page[4096];
            memcpy(page, bytes, 4096);
            gosset__store64(page + at, values[i]);
            if (memcmp(page, bytes, 4096) == 0) continue;
            gosset__store64(page + 4088, gosset__hash(page, 4088, 0));
            gosset_status status = gosset__shard_header_load(&header, page, size, "header");
            if (status != GOSSET_OK) {
                ck_assert_msg(status == GOSSET_E_CORRUPT || status == GOSSET_E_FORMAT_VERSION, "byte %zu", at);
                continue;
            }
            ck_assert_uint_eq(header.file_length, size); /* generation, number, fingerprint, a hash: still a header */
            ck_assert_uint_le(header.row_count, size / 16);
            ck_assert_uint_eq(header.sections[2].offset + header.sections[2].length + 4096, size);
        }
    free(bytes);
}
END_TEST

START_TEST(impossible_manifests_with_right_checksums) {
    size_t size, refused = 0;
    unsigned char *bytes = file_bytes(temp_path(directory, names[0]), &size), *copy = malloc(size);
    const uint64_t values[] = {0, 1, 0x7fffffff, 0xffffffff, 1ull << 32, 1ull << 62, UINT64_MAX};
    for (size_t at = 8; at + 16 <= size; at += 4)
        for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
            gosset__store *store = NULL;
            memcpy(copy, bytes, size);
            gosset__store64(copy + at, values[i]);
            gosset__store64(copy + size - 8, gosset__hash(copy, size - 8, 0));
            file_write(temp_path(directory, names[0]), copy, size);
            if (read_all(&store) == GOSSET_OK) { /* the calibration is not ours to judge */
                ck_assert(at >= 200 || memcmp(copy, bytes, size) == 0);
                store_expect(store, &rows);
            } else {
                refused++;
            }
            gosset__store_close(store);
        }
    ck_assert_uint_gt(refused, 300);
    free(bytes);
    free(copy);
}
END_TEST

void add_damage_tests(Suite *suite) {
    TCase *damage = tcase_create("damage");
    tcase_add_checked_fixture(damage, setup, teardown);
    tcase_set_timeout(damage, 300);
    tcase_add_test(damage, any_single_byte);
    tcase_add_test(damage, any_length);
    tcase_add_test(damage, any_two_pages_exchanged);
    tcase_add_test(damage, the_place_of_a_damaged_page_is_named);
    tcase_add_test(damage, missing_stray_and_exchanged_files);
    tcase_add_test(damage, a_page_of_another_build);
    tcase_add_test(damage, impossible_headers_with_right_checksums);
    tcase_add_test(damage, impossible_manifests_with_right_checksums);
    suite_add_tcase(suite, damage);
}
