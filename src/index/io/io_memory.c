/** All pages in memory: no reads after opening. A yardstick, and the choice when the vectors fit in RAM. */
#include "index/io/backend.h"

#include "base/status.h"
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct memory_files {
    uint64_t resident;
    uint8_t *pages[]; /* file_count blocks */
} memory_files;

typedef struct memory_io {
    uint32_t first, count;  /* ring of reads that wait to be reaped */
    gosset__io_done done[]; /* depth */
} memory_io;

static void memory_close_files(gosset__io_files *files) {
    memory_files *state = files->state;
    if (state == NULL) return;
    for (uint32_t i = 0; i < files->file_count; i++) gosset__free(&files->env, state->pages[i]);
    gosset__free(&files->env, state);
    files->state = NULL;
    files->resident_bytes = 0;
}

static gosset_status load_file(gosset__io_files *files, uint32_t index) {
    gosset_status status = GOSSET_OK;
    memory_files *state = files->state;
    const gosset__io_file *file = &files->files[index];
    uint64_t size = 0;
    int descriptor = -1;
    GOSSET_TRY(gosset__open_read(&descriptor, file->path, &size));
    GOSSET_REQUIRE(file->pages_offset <= size && file->page_count <= (size - file->pages_offset) / files->page_size,
                   GOSSET_E_CORRUPT,
                   "%s: file shorter than expected: %llu pages of %u bytes from byte %llu, found %llu bytes",
                   file->path, (unsigned long long)file->page_count, files->page_size,
                   (unsigned long long)file->pages_offset, (unsigned long long)size);
    const uint64_t bytes = file->page_count * files->page_size;
    if (bytes == 0) goto out;
    state->pages[index] = gosset__alloc_array(&files->env, (size_t)file->page_count, files->page_size);
    if (state->pages[index] == NULL) GOSSET_TRY(gosset__no_memory("the pages of a shard", (size_t)bytes));
    GOSSET_TRY(gosset__read_at(descriptor, state->pages[index], (size_t)bytes, file->pages_offset, file->path));
    state->resident += bytes;
    files->resident_bytes = state->resident;
out:
    if (descriptor >= 0) close(descriptor);
    return status;
}

static gosset_status memory_open_files(gosset__io_files *files) {
    gosset_status status = GOSSET_OK;
    const size_t size = sizeof(memory_files) + files->file_count * sizeof(uint8_t *);
    files->state = gosset__alloc_zero(&files->env, size);
    if (files->state == NULL) return gosset__no_memory("the table of shards", size);
    for (uint32_t i = 0; i < files->file_count; i++) GOSSET_TRY(load_file(files, i));
    files->held_bytes += size;
    return GOSSET_OK;
out:
    memory_close_files(files);
    return status;
}

static gosset_status memory_open(gosset__io *io, uint32_t depth) {
    const size_t size = sizeof(memory_io) + depth * sizeof(gosset__io_done);
    io->state = gosset__alloc_zero(&io->env, size);
    io->held_bytes += size;
    return io->state != NULL ? GOSSET_OK : gosset__no_memory("a list of reads", size);
}

static void memory_close(gosset__io *io) {
    gosset__free(&io->env, io->state);
    io->state = NULL;
}

/** Nothing is copied: a read is a pointer to the page. */
static gosset_status memory_submit(gosset__io *io, const gosset__io_read *reads, uint32_t count) {
    gosset_status status = GOSSET_OK;
    memory_io *state = io->state;
    const memory_files *loaded = io->files->state;
    GOSSET_TRY(gosset__io_check_reads(io, reads, count, io->depth - state->count));
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *page = loaded->pages[reads[i].file] + reads[i].page * io->files->page_size;
        state->done[(state->first + state->count++) % io->depth] = (gosset__io_done){.tag = reads[i].tag, .page = page};
    }
out:
    return status;
}

static gosset_status memory_reap(gosset__io *io, uint32_t minimum, gosset__io_done *done, uint32_t capacity,
                                 uint32_t *count) {
    memory_io *state = io->state;
    (void)minimum; /* every read is done when submit returns */
    for (*count = 0; *count < capacity && state->count > 0; state->count--) {
        done[(*count)++] = state->done[state->first];
        state->first = (state->first + 1) % io->depth;
    }
    return GOSSET_OK;
}

const gosset__io_ops gosset__io_memory = {
    .name = "memory",
    .resident = true,
    .open_files = memory_open_files,
    .close_files = memory_close_files,
    .open = memory_open,
    .close = memory_close,
    .submit = memory_submit,
    .reap = memory_reap,
};
