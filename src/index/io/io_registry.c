/** Which backends there are, in which order they are tried, and why one was refused. */
#include "base/status.h"
#include "index/io/backend.h"
#include <stdio.h>
#include <string.h>

extern const gosset__io_ops gosset__io_uring, gosset__io_threads, gosset__io_memory;

/* "auto" tries the first AUTOMATIC of them; the others are taken by name only. */
enum { AUTOMATIC = 2 };
const gosset__io_ops *const gosset__io_registry[] = {&gosset__io_uring, &gosset__io_threads, &gosset__io_memory, NULL};

static const gosset__io_ops *find(const char *name) {
    for (uint32_t i = 0; gosset__io_registry[i] != NULL; i++)
        if (strcmp(gosset__io_registry[i]->name, name) == 0) return gosset__io_registry[i];
    return NULL;
}

/** Only a refusal of the backend itself leads to the next one: a missing or short file is an error at once. */
static gosset_status open_best(gosset__io_files *files) {
    gosset_status status = GOSSET_E_UNSUPPORTED;
    for (uint32_t i = 0; i < AUTOMATIC && status == GOSSET_E_UNSUPPORTED; i++) {
        const size_t length = strlen(files->reason);
        files->ops = gosset__io_registry[i];
        status = files->ops->open_files(files);
        if (status != GOSSET_E_UNSUPPORTED) break;
        files->reason[length] = 0; /* notes of a backend that is not used say nothing */
        gosset__io_note(files, "%s: %s", files->ops->name, gosset_last_error());
        gosset__log(&files->env, GOSSET_LOG_INFO, "reads: %s refused: %s", files->ops->name, gosset_last_error());
    }
    return status;
}

static gosset_status check_files(const gosset__io_file *files, uint32_t file_count, uint32_t page_size) {
    if (page_size == 0 || page_size % GOSSET__IO_ALIGNMENT != 0)
        return gosset__fail(GOSSET_E_ARGUMENT, "page size %u: must be a multiple of %d", page_size,
                            GOSSET__IO_ALIGNMENT);
    for (uint32_t i = 0; i < file_count; i++)
        if (files[i].page_count > ((uint64_t)INT64_MAX - page_size) / page_size ||
            files[i].pages_offset > (uint64_t)INT64_MAX - page_size - files[i].page_count * page_size)
            return gosset__fail(GOSSET_E_CORRUPT, "%s: %llu pages from byte %llu: no file is that long", files[i].path,
                                (unsigned long long)files[i].page_count, (unsigned long long)files[i].pages_offset);
    return GOSSET_OK;
}

gosset_status gosset__io_files_open(gosset__io_files **out, const char *name, const gosset__io_file *files,
                                    uint32_t file_count, uint32_t page_size, const gosset__env *env) {
    gosset_status status = GOSSET_OK;
    gosset__io_files *self = NULL;
    *out = NULL;
    const int automatic = name == NULL || strcmp(name, "auto") == 0;
    const gosset__io_ops *ops = automatic ? gosset__io_registry[0] : find(name);
    GOSSET_REQUIRE(ops != NULL, GOSSET_E_ARGUMENT, "io: expected auto, uring, threads or memory, found \"%s\"", name);
    GOSSET_TRY(check_files(files, file_count, page_size));
    self = gosset__alloc_zero(env, sizeof *self);
    if (self == NULL) GOSSET_TRY(gosset__no_memory("open files", sizeof *self));
    self->env = *env;
    self->page_size = page_size;
    self->file_count = file_count;
    self->files = gosset__alloc_array(env, (size_t)file_count + 1, sizeof *files);
    if (self->files == NULL) GOSSET_TRY(gosset__no_memory("open files", file_count * sizeof *files));
    if (file_count > 0) memcpy(self->files, files, file_count * sizeof *files);
    self->ops = ops;
    self->held_bytes = sizeof *self + ((size_t)file_count + 1) * sizeof *files;
    GOSSET_TRY(automatic ? open_best(self) : ops->open_files(self));
    *out = self;
    return GOSSET_OK;
out:
    if (self != NULL) gosset__free(env, self->files);
    gosset__free(env, self);
    return status;
}

void gosset__io_files_close(gosset__io_files *files) {
    if (files == NULL) return;
    const gosset__env env = files->env;
    files->ops->close_files(files);
    gosset__free(&env, files->files);
    gosset__free(&env, files);
}

gosset_status gosset__io_open(gosset__io **out, const gosset__io_files *files, uint32_t depth, int event,
                              const gosset__env *env) {
    gosset_status status = GOSSET_OK;
    gosset__io *self = NULL;
    *out = NULL;
    GOSSET_REQUIRE(depth >= 1 && depth <= 4096, GOSSET_E_ARGUMENT, "io: expected 1 to 4096 buffers, found %u", depth);
    self = gosset__alloc_zero(env, sizeof *self);
    if (self == NULL) GOSSET_TRY(gosset__no_memory("a reader", sizeof *self));
    self->ops = files->ops;
    self->files = files;
    self->env = *env;
    self->depth = depth;
    self->event = event;
    const size_t bytes = (size_t)depth * files->page_size;
    self->buffers = gosset__alloc_aligned(env, bytes, GOSSET__IO_ALIGNMENT);
    if (self->buffers == NULL) GOSSET_TRY(gosset__no_memory("page buffers", bytes));
    self->held_bytes = sizeof *self + bytes;
    GOSSET_TRY(self->ops->open(self, depth));
    *out = self;
    return GOSSET_OK;
out:
    if (self != NULL) gosset__free(env, self->buffers);
    gosset__free(env, self);
    return status;
}

void gosset__io_close(gosset__io *io) {
    if (io == NULL) return;
    const gosset__env env = io->env;
    io->ops->close(io);
    gosset__free(&env, io->buffers);
    gosset__free(&env, io);
}
