/* Names, lock and housekeeping of an index directory. */
#include "index/directory.h"
#include "base/status.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

void gosset__shard_name(char out[GOSSET__NAME_MAX], uint64_t generation, uint32_t number) {
    snprintf(out, GOSSET__NAME_MAX, "shard-%" PRIu64 "-%04" PRIu32 ".gosset", generation, number);
}

void gosset__model_name(char out[GOSSET__NAME_MAX], uint64_t generation) {
    snprintf(out, GOSSET__NAME_MAX, "model-%" PRIu64 ".gosset", generation);
}

void gosset__sort_name(char out[GOSSET__NAME_MAX], uint32_t number) {
    snprintf(out, GOSSET__NAME_MAX, "sort-%" PRIu32 ".tmp", number);
}

gosset__file_kind gosset__file_parse(const char *name, uint64_t *generation, uint32_t *number) {
    char again[GOSSET__NAME_MAX]; /* printing back refuses every other spelling of the same numbers */
    *generation = 0;
    *number = 0;
    if (sscanf(name, "shard-%20" SCNu64 "-%10" SCNu32 ".gosset", generation, number) == 2) {
        gosset__shard_name(again, *generation, *number);
        if (strcmp(again, name) == 0) return GOSSET__FILE_SHARD;
    } else if (sscanf(name, "model-%20" SCNu64 ".gosset", generation) == 1) {
        gosset__model_name(again, *generation);
        if (strcmp(again, name) == 0) return GOSSET__FILE_MODEL;
    } else if (sscanf(name, "sort-%10" SCNu32 ".tmp", number) == 1) {
        gosset__sort_name(again, *number);
        if (strcmp(again, name) == 0) return GOSSET__FILE_TEMPORARY;
    } else if (strcmp(name, GOSSET__MANIFEST_NAME ".tmp") == 0) {
        return GOSSET__FILE_TEMPORARY;
    }
    return GOSSET__FILE_OTHER;
}

gosset_status gosset__directory_walk(const char *directory, gosset__visit_fn visit, void *context) {
    gosset_status status = GOSSET_OK;
    DIR *handle = opendir(directory);
    if (handle == NULL) return gosset__fail_errno(directory, "open directory");
    for (;;) {
        uint64_t generation;
        uint32_t number;
        errno = 0;
        struct dirent *entry = readdir(handle);
        if (entry == NULL) {
            if (errno != 0) status = gosset__fail_errno(directory, "read directory");
            break;
        }
        gosset__file_kind kind = gosset__file_parse(entry->d_name, &generation, &number);
        if (kind == GOSSET__FILE_OTHER) continue;
        GOSSET_TRY(visit(context, directory, entry->d_name, kind, generation, number));
    }
out:
    closedir(handle);
    return status;
}

/* A lock file may have been removed by its last holder between our open and our flock: then we hold the lock
 * of a file that nobody else can see, and must try again. */
static gosset_status try_lock(const char *directory, const char *path, int *fd, int *stale) {
    struct stat held, named;
    *stale = 0;
    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (*fd < 0) return gosset__fail_errno(path, "create");
    if (flock(*fd, LOCK_EX | LOCK_NB) != 0) {
        gosset_status status = errno == EWOULDBLOCK
                                   ? gosset__fail(GOSSET_E_STATE, "%s: another writer is at work here", directory)
                                   : gosset__fail_errno(path, "lock");
        close(*fd);
        *fd = -1;
        return status;
    }
    *stale = fstat(*fd, &held) != 0 || stat(path, &named) != 0 || held.st_ino != named.st_ino;
    return GOSSET_OK;
}

gosset_status gosset__directory_lock(const char *directory, int *fd, int *created) {
    gosset_status status = GOSSET_OK;
    char path[GOSSET__PATH_MAX];
    int stale = 1;
    *fd = -1;
    *created = 0;
    GOSSET_TRY(gosset__path_join(path, directory, GOSSET__LOCK_NAME));
    if (mkdir(directory, 0755) == 0)
        *created = 1;
    else if (errno != EEXIST)
        return gosset__fail_errno(directory, "create directory");
    for (int attempt = 0; stale && attempt < 100; attempt++) {
        if (*fd >= 0) close(*fd);
        GOSSET_TRY(try_lock(directory, path, fd, &stale));
    }
    GOSSET_REQUIRE(!stale, GOSSET_E_STATE, "%s: the lock file changes all the time", directory);
out:
    if (status != GOSSET_OK && *fd >= 0) {
        close(*fd);
        *fd = -1;
    }
    if (status != GOSSET_OK && *created) rmdir(directory);
    return status;
}

void gosset__directory_unlock(const char *directory, int fd, int remove) {
    char path[GOSSET__PATH_MAX];
    if (fd < 0) return;
    if (gosset__path_join(path, directory, GOSSET__LOCK_NAME) == GOSSET_OK) unlink(path); /* while it is held */
    if (remove) rmdir(directory);
    close(fd);
}

typedef struct clean_context {
    uint64_t generation;
    uint32_t shards;
} clean_context;

static gosset_status clean_one(void *context, const char *directory, const char *name, gosset__file_kind kind,
                               uint64_t generation, uint32_t number) {
    const clean_context *keep = context;
    char path[GOSSET__PATH_MAX];
    if (kind != GOSSET__FILE_TEMPORARY && generation == keep->generation && keep->generation != 0 &&
        (kind == GOSSET__FILE_MODEL || number < keep->shards))
        return GOSSET_OK;
    gosset_status status = gosset__path_join(path, directory, name);
    if (status == GOSSET_OK && unlink(path) != 0 && errno != ENOENT) status = gosset__fail_errno(path, "remove");
    return status;
}

gosset_status gosset__directory_clean(const char *directory, uint64_t generation, uint32_t shards) {
    clean_context context = {generation, shards};
    return gosset__directory_walk(directory, clean_one, &context);
}

static gosset_status newest_one(void *context, const char *directory, const char *name, gosset__file_kind kind,
                                uint64_t generation, uint32_t number) {
    uint64_t *newest = context;
    (void)directory, (void)name, (void)kind, (void)number;
    if (generation > *newest) *newest = generation;
    return GOSSET_OK;
}

gosset_status gosset__directory_newest(const char *directory, uint64_t *generation) {
    *generation = 0;
    return gosset__directory_walk(directory, newest_one, generation);
}
