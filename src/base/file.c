#include "base/file.h"
#include "base/status.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TRANSFER_MAX = 1 << 30 }; /* the kernel moves at most 2 GiB - 4 KiB per call */

gosset_status gosset__fail_errno(const char *path, const char *what) {
    int error = errno;
    char buffer[128];
    const char *reason = strerror_r(error, buffer, sizeof buffer);
    gosset_status status = GOSSET_E_IO;
    switch (error) {
    case ENOENT:
    case ENOTDIR:
        status = GOSSET_E_NOT_FOUND;
        break;
    case EEXIST:
    case ENOTEMPTY:
        status = GOSSET_E_EXISTS;
        break;
    case ENOMEM:
        status = GOSSET_E_NO_MEMORY;
        break;
    case ENOSPC:
        reason = "no space left on the disk";
        break;
    case EDQUOT:
        reason = "the disk quota is used up";
        break;
    case EACCES:
    case EPERM:
        reason = "permission denied";
        break;
    case EROFS:
        reason = "the file system is read-only";
        break;
    case EISDIR:
        reason = "it is a directory, a file was expected";
        break;
    case EMFILE:
        reason = "this process has too many open files";
        break;
    case EFBIG:
        reason = "the file is larger than the file system or the process limit allows";
        break;
    default:
        break;
    }
    return gosset__fail(status, "%s: %s: %s", path, what, reason);
}

gosset_status gosset__path_join(char out[GOSSET__PATH_MAX], const char *directory, const char *name) {
    size_t length = strlen(directory);
    const char *separator = length > 0 && directory[length - 1] == '/' ? "" : "/";
    int written = snprintf(out, GOSSET__PATH_MAX, "%s%s%s", length ? directory : ".", separator, name);
    if (written < 0 || written >= GOSSET__PATH_MAX)
        return gosset__fail(GOSSET_E_ARGUMENT, "%.64s...: path: expected fewer than %d bytes with '%.64s', found %d",
                            directory, GOSSET__PATH_MAX, name, written);
    return GOSSET_OK;
}

/* ---- transfers ------------------------------------------------------------------------------ */

gosset_status gosset__read_at(int fd, void *data, size_t size, uint64_t offset, const char *path) {
    char *bytes = data;
    for (size_t done = 0; done < size;) {
        size_t part = size - done < TRANSFER_MAX ? size - done : TRANSFER_MAX;
        ssize_t got = pread(fd, bytes + done, part, (off_t)(offset + done));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return gosset__fail_errno(path, "read");
        if (got == 0)
            return gosset__fail(GOSSET_E_CORRUPT, "%s: at byte %llu: expected %zu bytes, found only %zu before the end",
                                path, (unsigned long long)offset, size, done);
        done += (size_t)got;
    }
    return GOSSET_OK;
}

gosset_status gosset__write_at(int fd, const void *data, size_t size, uint64_t offset, const char *path) {
    const char *bytes = data;
    for (size_t done = 0; done < size;) {
        size_t part = size - done < TRANSFER_MAX ? size - done : TRANSFER_MAX;
        ssize_t put = pwrite(fd, bytes + done, part, (off_t)(offset + done));
        if (put < 0 && errno == EINTR) continue;
        if (put == 0) errno = EIO; /* never for a regular file; without this it would loop */
        if (put <= 0) return gosset__fail_errno(path, "write");
        done += (size_t)put;
    }
    return GOSSET_OK;
}

/* ---- opening and closing -------------------------------------------------------------------- */

gosset_status gosset__open_read(int *fd, const char *path, uint64_t *size) {
    *fd = -1;
    int opened = open(path, O_RDONLY | O_CLOEXEC);
    if (opened < 0) return gosset__fail_errno(path, "open");
    struct stat info;
    gosset_status status = GOSSET_OK;
    if (fstat(opened, &info) != 0)
        status = gosset__fail_errno(path, "open");
    else if (S_ISDIR(info.st_mode)) {
        errno = EISDIR;
        status = gosset__fail_errno(path, "open");
    } else if (!S_ISREG(info.st_mode))
        status = gosset__fail(GOSSET_E_IO, "%s: open: expected a regular file, found a pipe or device", path);
    if (status != GOSSET_OK) {
        close(opened);
        return status;
    }
    *fd = opened;
    if (size) *size = (uint64_t)info.st_size;
    return GOSSET_OK;
}

gosset_status gosset__open_create(int *fd, const char *path) {
    *fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    return *fd < 0 ? gosset__fail_errno(path, "create") : GOSSET_OK;
}

gosset_status gosset__fsync_close(int *fd, const char *path) {
    gosset_status status = GOSSET_OK;
    if (fsync(*fd) != 0) status = gosset__fail_errno(path, "fsync");
    /* After an error of close() the descriptor is gone all the same on Linux. */
    if (close(*fd) != 0 && status == GOSSET_OK && errno != EINTR) status = gosset__fail_errno(path, "close");
    *fd = -1;
    return status;
}

gosset_status gosset__fsync_directory(const char *directory) {
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return gosset__fail_errno(directory, "open");
    gosset_status status = GOSSET_OK;
    /* EINVAL: a file system that has no such operation, and then keeps no unwritten directory either. */
    if (fsync(fd) != 0 && errno != EINVAL) status = gosset__fail_errno(directory, "fsync");
    close(fd);
    return status;
}

/* ---- whole files ---------------------------------------------------------------------------- */

gosset_status gosset__read_file(const gosset__env *env, const char *path, uint64_t limit, void **data, size_t *size) {
    *data = NULL;
    *size = 0;
    gosset_status status = GOSSET_OK;
    void *bytes = NULL;
    uint64_t length = 0;
    int fd = -1;
    GOSSET_TRY(gosset__open_read(&fd, path, &length));
    GOSSET_REQUIRE(length <= limit && length <= SIZE_MAX, GOSSET_E_CORRUPT,
                   "%s: size: expected at most %llu bytes, found %llu", path, (unsigned long long)limit,
                   (unsigned long long)length);
    bytes = gosset__alloc(env, (size_t)length);
    if (!bytes) {
        status = gosset__no_memory(path, (size_t)length);
        goto out;
    }
    GOSSET_TRY(gosset__read_at(fd, bytes, (size_t)length, 0, path));
    *data = bytes;
    *size = (size_t)length;
    bytes = NULL;
out:
    gosset__free(env, bytes);
    if (fd >= 0) close(fd);
    return status;
}

static gosset_status parent_of(char out[GOSSET__PATH_MAX], const char *path) {
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) : 0;
    if (length >= GOSSET__PATH_MAX)
        return gosset__fail(GOSSET_E_ARGUMENT, "%.64s...: path: expected fewer than %d bytes", path, GOSSET__PATH_MAX);
    memcpy(out, path, length);
    out[length] = '\0';
    if (length == 0) memcpy(out, slash ? "/" : ".", 2);
    return GOSSET_OK;
}

gosset_status gosset__replace_file(const char *path, const void *data, size_t size) {
    char temporary[GOSSET__PATH_MAX], directory[GOSSET__PATH_MAX];
    gosset_status status = GOSSET_OK;
    int fd = -1, created = 0;
    GOSSET_TRY(parent_of(directory, path));
    int written = snprintf(temporary, sizeof temporary, "%s.tmp", path);
    GOSSET_REQUIRE(written > 0 && written < GOSSET__PATH_MAX, GOSSET_E_ARGUMENT,
                   "%.64s...: path: expected fewer than %d bytes", path, GOSSET__PATH_MAX - 4);
    GOSSET_TRY(gosset__open_create(&fd, temporary));
    created = 1;
    GOSSET_TRY(gosset__write_at(fd, data, size, 0, temporary));
    GOSSET_TRY(gosset__fsync_close(&fd, temporary));
    if (rename(temporary, path) != 0) {
        status = gosset__fail_errno(path, "replace");
        goto out;
    }
    created = 0;
    GOSSET_TRY(gosset__fsync_directory(directory));
out:
    if (fd >= 0) close(fd);
    if (created) unlink(temporary);
    return status;
}
