#include "base/file.h"
#include "base/base_test.h"
#include "base/status.h"
#include "support/support.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[TEMP_PATH_SIZE];

static void setup(void) {
    temp_directory(directory);
}
static void teardown(void) {
    temp_remove(directory);
}

START_TEST(paths_are_joined) {
    char path[GOSSET__PATH_MAX], long_name[GOSSET__PATH_MAX];
    ck_assert_int_eq(gosset__path_join(path, "a", "b"), GOSSET_OK);
    ck_assert_str_eq(path, "a/b");
    ck_assert_int_eq(gosset__path_join(path, "a/", "b"), GOSSET_OK);
    ck_assert_str_eq(path, "a/b");
    ck_assert_int_eq(gosset__path_join(path, "", "b"), GOSSET_OK);
    ck_assert_str_eq(path, "./b");
    memset(long_name, 'x', sizeof long_name);
    long_name[sizeof long_name - 3] = '\0';
    ck_assert_int_eq(gosset__path_join(path, "ab", long_name), GOSSET_E_ARGUMENT); /* one byte too many */
    long_name[sizeof long_name - 4] = '\0';
    ck_assert_int_eq(gosset__path_join(path, "ab", long_name), GOSSET_OK);
}
END_TEST

START_TEST(what_is_written_is_read) {
    gosset__env env = default_env(1);
    const char *path = temp_path(directory, "file");
    int fd = -1;
    ck_assert_int_eq(gosset__open_create(&fd, path), GOSSET_OK);
    ck_assert_int_eq(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    ck_assert_int_eq(gosset__write_at(fd, "world", 5, 6, path), GOSSET_OK);
    ck_assert_int_eq(gosset__write_at(fd, "hello ", 6, 0, path), GOSSET_OK);
    char bytes[11];
    ck_assert_int_eq(gosset__read_at(fd, bytes, 11, 0, path), GOSSET_OK);
    ck_assert_mem_eq(bytes, "hello world", 11);
    ck_assert_int_eq(gosset__fsync_close(&fd, path), GOSSET_OK);
    ck_assert_int_eq(fd, -1);
    uint64_t size = 0;
    ck_assert_int_eq(gosset__open_read(&fd, path, &size), GOSSET_OK);
    ck_assert_uint_eq(size, 11);
    ck_assert_int_eq(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    close(fd);
    void *data = NULL;
    size_t length = 0;
    ck_assert_int_eq(gosset__read_file(&env, path, 11, &data, &length), GOSSET_OK);
    ck_assert_uint_eq(length, 11);
    ck_assert_mem_eq(data, "hello world", 11);
    gosset__free(&env, data);
    ck_assert_int_eq(gosset__read_file(&env, path, 10, &data, &length), GOSSET_E_CORRUPT);
    ck_assert_ptr_null(data);
    ck_assert_sentence("at most 10 bytes, found 11");
    ck_assert_int_eq(gosset__fsync_directory(directory), GOSSET_OK);
}
END_TEST

START_TEST(an_empty_file_is_fine) {
    gosset__env env = default_env(1);
    const char *path = temp_path(directory, "empty");
    ck_assert_int_eq(gosset__replace_file(path, NULL, 0), GOSSET_OK);
    void *data = NULL;
    size_t size = 1;
    ck_assert_int_eq(gosset__read_file(&env, path, 0, &data, &size), GOSSET_OK);
    ck_assert_ptr_nonnull(data);
    ck_assert_uint_eq(size, 0);
    gosset__free(&env, data);
}
END_TEST

START_TEST(missing_files_are_named) {
    gosset__env env = default_env(1);
    const char *path = temp_path(directory, "missing"), *below = temp_path(directory, "missing/file");
    int fd = 3;
    uint64_t size;
    void *data;
    size_t length;
    ck_assert_int_eq(gosset__open_read(&fd, path, &size), GOSSET_E_NOT_FOUND);
    ck_assert_int_eq(fd, -1);
    ck_assert_sentence(path);
    ck_assert_sentence("No such file");
    ck_assert_int_eq(gosset__read_file(&env, path, 100, &data, &length), GOSSET_E_NOT_FOUND);
    ck_assert_int_eq(gosset__open_create(&fd, below), GOSSET_E_NOT_FOUND);
    ck_assert_sentence(below);
    ck_assert_int_eq(gosset__replace_file(below, "x", 1), GOSSET_E_NOT_FOUND);
    ck_assert_int_eq(gosset__fsync_directory(path), GOSSET_E_NOT_FOUND);
}
END_TEST

START_TEST(directories_and_pipes_are_no_files) {
    int fd = -1;
    uint64_t size;
    ck_assert_int_eq(gosset__open_read(&fd, directory, &size), GOSSET_E_IO);
    ck_assert_sentence("directory");
    ck_assert_int_eq(gosset__open_create(&fd, directory), GOSSET_E_IO);
    ck_assert_sentence("directory");
    ck_assert_int_eq(gosset__open_read(&fd, "/dev/null", &size), GOSSET_E_IO);
    ck_assert_sentence("regular file");
    ck_assert_int_eq(fd, -1);
    const char *path = temp_path(directory, "in the way"); /* a directory is not replaced, and nothing stays */
    ck_assert_int_eq(mkdir(path, 0777), 0);
    ck_assert_int_eq(gosset__replace_file(path, "x", 1), GOSSET_E_IO);
    ck_assert_sentence(path);
    ck_assert_uint_eq(directory_entries(directory), 1);
}
END_TEST

START_TEST(short_files_say_where_they_end) {
    const char *path = temp_path(directory, "short");
    file_write(path, "0123456789", 10);
    int fd = -1;
    char bytes[20];
    ck_assert_int_eq(gosset__open_read(&fd, path, NULL), GOSSET_OK);
    ck_assert_int_eq(gosset__read_at(fd, bytes, 8, 4, path), GOSSET_E_CORRUPT);
    ck_assert_sentence(path);
    ck_assert_sentence("at byte 4: expected 8 bytes, found only 6");
    ck_assert_int_eq(gosset__read_at(fd, bytes, 1, 10, path), GOSSET_E_CORRUPT);
    ck_assert_int_eq(gosset__read_at(fd, bytes, 0, 10, path), GOSSET_OK);
    ck_assert_int_eq(gosset__write_at(fd, bytes, 1, 0, path), GOSSET_E_IO); /* opened for reading */
    ck_assert_sentence("write");
    close(fd);
}
END_TEST

START_TEST(a_full_disk_says_so) {
    int fd = open("/dev/full", O_WRONLY);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(gosset__write_at(fd, "x", 1, 0, "/dev/full"), GOSSET_E_IO);
    ck_assert_sentence("/dev/full: write: no space left");
    close(fd);
}
END_TEST

START_TEST(a_directory_without_permission_says_so) {
    const char *old = temp_path(directory, "old");
    file_write(old, "old", 3);
    ck_assert_int_eq(chmod(directory, 0555), 0);
    if (geteuid() == 0) ck_assert_int_eq(seteuid(65534), 0); /* root may write anywhere */
    int fd = -1;
    ck_assert_int_eq(gosset__open_create(&fd, temp_path(directory, "new")), GOSSET_E_IO);
    ck_assert_sentence("new: create: permission denied");
    ck_assert_int_eq(gosset__replace_file(old, "new", 3), GOSSET_E_IO);
    ck_assert_sentence("permission denied");
    if (getuid() == 0) ck_assert_int_eq(seteuid(0), 0);
    ck_assert_int_eq(chmod(directory, 0755), 0);
    ck_assert_uint_eq(directory_entries(directory), 1);
}
END_TEST

START_TEST(replacing_is_whole_or_not_at_all) {
    const char *path = temp_path(directory, "file");
    ck_assert_int_eq(gosset__replace_file(path, "first", 5), GOSSET_OK);
    ck_assert_int_eq(gosset__replace_file(path, "second version", 14), GOSSET_OK);
    size_t size;
    unsigned char *bytes = file_bytes(path, &size);
    ck_assert_uint_eq(size, 14);
    ck_assert_mem_eq(bytes, "second version", 14);
    free(bytes);
    struct rlimit limit, small; /* a write that fails half way */
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    small = limit;
    small.rlim_cur = 4096;
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    static char large[10000];
    gosset_status status = gosset__replace_file(path, large, sizeof large);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    ck_assert_int_eq(status, GOSSET_E_IO);
    ck_assert_sentence("file.tmp: write");
    ck_assert_uint_eq(directory_entries(directory), 1);
    bytes = file_bytes(path, &size);
    ck_assert_uint_eq(size, 14);
    free(bytes);
}
END_TEST

START_TEST(paths_without_a_directory_are_here) {
    char here[GOSSET__PATH_MAX];
    ck_assert_ptr_nonnull(getcwd(here, sizeof here));
    ck_assert_int_eq(chdir(directory), 0);
    ck_assert_int_eq(gosset__replace_file("bare", "x", 1), GOSSET_OK);
    ck_assert_int_eq(file_exists("bare"), 1);
    ck_assert_int_eq(chdir(here), 0);
}
END_TEST

START_TEST(reading_without_memory) {
    const char *path = temp_path(directory, "file");
    file_write(path, "0123456789", 10);
    counting_allocator memory;
    gosset_env given = counting_env(&memory, 1);
    gosset__env env;
    ck_assert_int_eq(gosset__env_read(&env, &given), GOSSET_OK);
    void *data = directory;
    size_t size = 1;
    ck_assert_int_eq(gosset__read_file(&env, path, 100, &data, &size), GOSSET_E_NO_MEMORY);
    ck_assert_ptr_null(data);
    ck_assert_uint_eq(size, 0);
    ck_assert_sentence(path);
}
END_TEST

START_TEST(errno_decides_the_status) {
    static const struct {
        int error;
        gosset_status status;
        const char *words;
    } expected[] = {
        {ENOENT, GOSSET_E_NOT_FOUND, "No such file"}, {EEXIST, GOSSET_E_EXISTS, "exists"},
        {ENOMEM, GOSSET_E_NO_MEMORY, "memory"},       {ENOSPC, GOSSET_E_IO, "no space left"},
        {EACCES, GOSSET_E_IO, "permission denied"},   {EROFS, GOSSET_E_IO, "read-only"},
        {EMFILE, GOSSET_E_IO, "too many open files"}, {EIO, GOSSET_E_IO, "error"},
    };
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        errno = expected[i].error;
        ck_assert_int_eq(gosset__fail_errno("some/path", "doing"), expected[i].status);
        ck_assert_sentence("some/path: doing: ");
        ck_assert_sentence(expected[i].words);
    }
}
END_TEST

TCase *file_cases(void) {
    TCase *cases = tcase_create("file");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, paths_are_joined);
    tcase_add_test(cases, what_is_written_is_read);
    tcase_add_test(cases, an_empty_file_is_fine);
    tcase_add_test(cases, missing_files_are_named);
    tcase_add_test(cases, directories_and_pipes_are_no_files);
    tcase_add_test(cases, short_files_say_where_they_end);
    tcase_add_test(cases, a_full_disk_says_so);
    tcase_add_test(cases, a_directory_without_permission_says_so);
    tcase_add_test(cases, replacing_is_whole_or_not_at_all);
    tcase_add_test(cases, paths_without_a_directory_are_here);
    tcase_add_test(cases, reading_without_memory);
    tcase_add_test(cases, errno_decides_the_status);
    return cases;
}
