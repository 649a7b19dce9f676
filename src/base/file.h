/** Files with errors that name the path, and the two-step publish every format uses. */
#ifndef GOSSET_BASE_FILE_H
#define GOSSET_BASE_FILE_H

#include "base/env.h"

/** "directory/name" into a fixed buffer; GOSSET_E_ARGUMENT if too long. */
enum { GOSSET__PATH_MAX = 4096 };
gosset_status gosset__path_join(char out[GOSSET__PATH_MAX], const char *directory, const char *name);

/** Whole transfers at an offset: EINTR and short transfers are continued; end of file is GOSSET_E_CORRUPT. */
gosset_status gosset__read_at(int fd, void *data, size_t size, uint64_t offset, const char *path);
gosset_status gosset__write_at(int fd, const void *data, size_t size, uint64_t offset, const char *path);

gosset_status gosset__open_read(int *fd, const char *path, uint64_t *size); /* GOSSET_E_NOT_FOUND, GOSSET_E_IO */
gosset_status gosset__open_create(int *fd, const char *path);               /* read-write, truncated */
gosset_status gosset__fsync_close(int *fd, const char *path);               /* sets *fd to -1 */
gosset_status gosset__fsync_directory(const char *directory);

/** The whole file into a new block (freed by the caller); refuses more than `limit` bytes. */
gosset_status gosset__read_file(const gosset__env *env, const char *path, uint64_t limit, void **data, size_t *size);
/** Atomic replace: write path.tmp, fsync, rename, fsync of the directory; no .tmp is left on failure. */
gosset_status gosset__replace_file(const char *path, const void *data, size_t size);

/** "path: what: strerror(errno)" as GOSSET_E_IO (or GOSSET_E_NOT_FOUND / _EXISTS / _NO_MEMORY by errno). */
gosset_status gosset__fail_errno(const char *path, const char *what);
#endif
