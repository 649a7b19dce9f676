#include "cli/replace.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int is_index_file(const char *name) {
    const char *dot = strrchr(name, '.');
    return dot && strcmp(dot, ".gosset") == 0;
}

/* Calls remove_one on each entry when `remove_all`, else only looks for what is not of an index. */
static int walk(cli_session *session, const char *directory, int remove_all) {
    DIR *stream = opendir(directory);
    if (!stream) return session_error(session, "%s: open: %s", directory, strerror(errno));
    int code = EXIT_OK;
    for (struct dirent *entry; code == EXIT_OK && (entry = readdir(stream));) {
        const char *name = entry->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) continue;
        if (!remove_all && !is_index_file(name))
            code = session_error(session, "%s: holds '%s', which is no part of an index; --force would lose it",
                                 directory, name);
        if (remove_all && unlinkat(dirfd(stream), name, 0) != 0)
            code = session_error(session, "%s/%s: remove: %s", directory, name, strerror(errno));
    }
    closedir(stream);
    return code;
}

static int remove_directory(cli_session *session, const char *directory) {
    struct stat about;
    if (lstat(directory, &about) != 0) return EXIT_OK;
    const int code = walk(session, directory, 1);
    if (code != EXIT_OK) return code;
    return rmdir(directory) == 0 ? EXIT_OK : session_error(session, "%s: remove: %s", directory, strerror(errno));
}

int replacement_begin(replacement *self, cli_session *session, const char *final, int force) {
    struct stat about;
    self->final = final;
    self->exchange = force && stat(final, &about) == 0;
    size_t length = strlen(final);
    while (length > 1 && final[length - 1] == '/') length--;
    const int written =
        snprintf(self->directory, sizeof self->directory, "%.*s%s", (int)length, final, self->exchange ? ".new" : "");
    if (written >= (int)sizeof self->directory) return session_error(session, "%s: the name is too long", final);
    if (!self->exchange) return EXIT_OK;
    const int code = walk(session, final, 0);
    if (code != EXIT_OK) return code;
    return remove_directory(session, self->directory); /* left by a build that was killed */
}

static int sync_parent(cli_session *session, const char *directory) {
    char parent[4096];
    snprintf(parent, sizeof parent, "%s/..", directory);
    const int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const int failed = fd < 0 || fsync(fd) != 0;
    const int code = errno;
    if (fd >= 0) close(fd);
    return failed ? session_error(session, "%s: sync: %s", parent, strerror(code)) : EXIT_OK;
}

int replacement_end(replacement *self, cli_session *session, int code) {
    if (!self->exchange) return code;
    if (code != EXIT_OK) {
        remove_directory(session, self->directory);
        return code;
    }
    /* One step for whoever opens the index: before it the old, after it the new. */
    if (renameat2(AT_FDCWD, self->directory, AT_FDCWD, self->final, RENAME_EXCHANGE) != 0)
        return session_error(session, "%s: exchange with %s: %s", self->directory, self->final, strerror(errno));
    code = sync_parent(session, self->final);
    return code == EXIT_OK ? remove_directory(session, self->directory) : code;
}
