/*
 * Crashes: a writer killed at every call that changes the disk, and at random moments, leaves the old index or
 * the new one. The calls are ours here: they count down, and they keep book of what was not yet synced.
 */
#include "index/store_support.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- the calls ------------------------------------------------------------------------------ */

enum { BOOK = 256 };
static long countdown;                      /* 0 = off; the call that makes it 0 kills the process */
static int keeping_book;                    /* record unsynced files and check the order of publishing */
static char unsynced[BOOK][TEMP_PATH_SIZE]; /* written since their last fsync */
static int directory_unsynced, renamed, removed_early, renamed_early;

static void step(void) {
    if (countdown > 0 && --countdown == 0) raise(SIGKILL);
}

static void path_of(int fd, char path[TEMP_PATH_SIZE]) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, TEMP_PATH_SIZE - 1);
    path[length > 0 ? length : 0] = 0;
}

static void note(const char *path, int dirty) {
    for (int i = 0; i < BOOK; i++)
        if (strcmp(unsynced[i], path) == 0) unsynced[i][0] = 0;
    for (int i = 0; dirty && i < BOOK; i++)
        if (unsynced[i][0] == 0) {
            strcpy(unsynced[i], path);
            return;
        }
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) {
    char path[TEMP_PATH_SIZE];
    step();
    if (keeping_book) {
        path_of(fd, path);
        note(path, 1);
        directory_unsynced = 1;
    }
    return syscall(SYS_pwrite64, fd, data, size, offset);
}

int fsync(int fd) {
    char path[TEMP_PATH_SIZE];
    step();
    if (keeping_book) {
        path_of(fd, path);
        note(path, 0);
        if (strstr(path, ".gosset") == NULL || strstr(path, ".gosset")[7] == 0) directory_unsynced = 0;
    }
    return (int)syscall(SYS_fsync, fd);
}

int rename(const char *from, const char *to) {
    step();
    for (int i = 0; keeping_book && i < BOOK; i++)
        if (strstr(unsynced[i], ".gosset") != NULL) renamed_early++;
    renamed = directory_unsynced = 1;
    return (int)syscall(SYS_rename, from, to);
}

int unlink(const char *path) {
    step();
    if (keeping_book && renamed && directory_unsynced) removed_early++; /* the rename may still be undone */
    return (int)syscall(SYS_unlink, path);
}

/* ---- tests ---------------------------------------------------------------------------------- */

static char directory[TEMP_PATH_SIZE];
static char path[TEMP_PATH_SIZE];
static test_rows before, after;
static const build_options small = {.memory = 560 << 10, .shard_size = 100 << 10, .replace = 1};

static void setup(void) {
    temp_directory(directory);
    strcpy(path, temp_path(directory, "index"));
    before = rows_make(30, 3000, 24, GOSSET_U8, 8, 60, CELLS_RANDOM);
    after = rows_make(31, 9000, 24, GOSSET_U8, 8, 60, CELLS_RANDOM);
}

static void teardown(void) {
    temp_remove(directory);
    rows_free(&before);
    rows_free(&after);
}

/* The index is whole, and it is one of the two. Returns 1 for the new one. */
static int old_or_new(void) {
    gosset__env env = default_env(1);
    gosset__store *store = NULL;
    must(gosset__store_open(&store, path, "threads", &env));
    int is_new = store->row_count == after.count;
    gosset__store_close(store);
    directory_expect(path, is_new ? &after : &before);
    return is_new;
}

static int build_in_child(long killed_at, useconds_t killed_after) {
    int result;
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        countdown = killed_at;
        _exit(rows_build(path, &after, &small) == GOSSET_OK ? 0 : 1);
    }
    if (killed_after > 0) {
        usleep(killed_after);
        kill(child, SIGKILL);
    }
    ck_assert_int_eq(waitpid(child, &result, 0), child);
    if (WIFEXITED(result)) ck_assert_int_eq(WEXITSTATUS(result), 0);
    return WIFEXITED(result);
}

START_TEST(killed_at_every_call) {
    long calls = 1;
    int news = 0;
    must(rows_build(path, &before, &small));
    for (;; calls++) {
        int done = build_in_child(calls, 0);
        if (old_or_new()) { /* start again from the old one; this writer removes the leftovers too */
            news++;
            must(rows_build(path, &before, &small));
            directory_expect(path, &before);
        }
        if (done) break;
        ck_assert_int_lt(calls, 500);
    }
    ck_assert_int_gt(calls, 15);
    ck_assert_int_gt(news, 1); /* killed after the rename, while it removed the old files */
    must(rows_build(path, &after, &small));
    directory_expect(path, &after);
    size_t shards = 0;
    for (uint32_t i = 0;; i++, shards++) {
        char name[64];
        gosset__env env = default_env(1);
        gosset__store *store = NULL;
        must(gosset__store_open(&store, path, "threads", &env));
        snprintf(name, sizeof name, "shard-%llu-%04u.gosset", (unsigned long long)store->generation, i);
        gosset__store_close(store);
        if (!file_exists(temp_path(path, name))) break;
    }
    ck_assert_uint_eq(directory_entries(path), shards + 2); /* nothing else is left */
}
END_TEST

START_TEST(first_build_killed_at_every_call) {
    gosset__env env = default_env(1);
    for (long calls = 1;; calls++) {
        int done = build_in_child(calls, 0);
        gosset__store *store = NULL;
        gosset_status status = gosset__store_open(&store, path, "threads", &env);
        gosset__store_close(store);
        ck_assert_msg(status == GOSSET_OK || status == GOSSET_E_NOT_FOUND, "%s", gosset_last_error());
        if (status == GOSSET_OK) {
            directory_expect(path, &after);
            temp_remove(path);
        }
        if (done) break;
    }
}
END_TEST

START_TEST(killed_at_random_moments) {
    unsigned seed = 1;
    must(rows_build(path, &before, &small));
    for (int i = 0; i < 25; i++) {
        build_in_child(0, (useconds_t)(500 + (unsigned)rand_r(&seed) % 40000));
        if (old_or_new()) must(rows_build(path, &before, &small));
    }
}
END_TEST

/* What power loss would take away: nothing is renamed into sight before it is synced, and nothing old is removed
 * before the rename is. */
START_TEST(everything_is_synced_before_it_is_visible) {
    must(rows_build(path, &before, &small));
    keeping_book = 1;
    renamed = 0;
    must(rows_build(path, &after, &small));
    keeping_book = 0;
    ck_assert_int_eq(renamed, 1);
    ck_assert_int_eq(renamed_early, 0);
    ck_assert_int_eq(removed_early, 0);
    ck_assert_int_eq(directory_unsynced, 0);
}
END_TEST

static void expect_full(gosset_status status, const char *reason) {
    ck_assert_msg(status == GOSSET_E_IO, "%d: %s", status, gosset_last_error());
    ck_assert_msg(strstr(gosset_last_error(), path) != NULL, "%s", gosset_last_error());
    ck_assert_msg(strstr(gosset_last_error(), reason) != NULL, "%s", gosset_last_error());
}

START_TEST(files_that_may_not_grow) {
    must(rows_build(path, &before, &small));
    size_t entries = directory_entries(path);
    signal(SIGXFSZ, SIG_IGN);
    for (rlim_t limit = 20; limit < 100 << 10; limit += 9000) { /* the model, the runs, the shards */
        setrlimit(RLIMIT_FSIZE, &(struct rlimit){limit, RLIM_INFINITY});
        gosset_status status = rows_build(path, &after, &small);
        setrlimit(RLIMIT_FSIZE, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY});
        expect_full(status, "larger than");
        ck_assert_uint_eq(directory_entries(path), entries);
        directory_expect(path, &before);
    }
}
END_TEST

/* A private mount, gone with the process. */
static int small_disk(const char *at) {
    return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("tmpfs", at, "tmpfs", 0, "size=4k") == 0;
}

static int may_mount(void) {
    int result = 1;
    pid_t child = fork();
    if (child == 0) _exit(!small_disk("/tmp"));
    return child > 0 && waitpid(child, &result, 0) == child && result == 0;
}

START_TEST(a_full_disk) {
    int worked = 0, failed = 0;
    ck_assert(small_disk(directory));
    for (int kilobytes = 8; kilobytes <= 4096; kilobytes += kilobytes < 900 ? 36 : 800) {
        char size[64];
        snprintf(size, sizeof size, "size=%dk", kilobytes);
        ck_assert_int_eq(mount("tmpfs", directory, "tmpfs", MS_REMOUNT, size), 0);
        gosset_status status = rows_build(path, &after, &small);
        if (status == GOSSET_OK) {
            directory_expect(path, &after);
            temp_remove(path);
            worked++;
        } else {
            expect_full(status, "no space left");
            ck_assert(!file_exists(path));
            failed++;
        }
    }
    ck_assert_int_gt(worked, 0);
    ck_assert_int_gt(failed, 3);
    umount(directory);
}
END_TEST

void add_crash_tests(Suite *suite) {
    TCase *crash = tcase_create("crash");
    tcase_add_checked_fixture(crash, setup, teardown);
    tcase_set_timeout(crash, 120);
    tcase_add_test(crash, killed_at_every_call);
    tcase_add_test(crash, first_build_killed_at_every_call);
    tcase_add_test(crash, killed_at_random_moments);
    tcase_add_test(crash, everything_is_synced_before_it_is_visible);
    tcase_add_test(crash, files_that_may_not_grow);
    if (may_mount())
        tcase_add_test(crash, a_full_disk);
    else
        puts("SKIP a_full_disk: no right to mount here"); /* files_that_may_not_grow takes the same way */
    suite_add_tcase(suite, crash);
}
