#include "index/io/backend.h"

#include "base/status.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void gosset__io_note(gosset__io_files *files, const char *format, ...) {
    size_t length = strlen(files->reason);
    size_t room = sizeof files->reason - length;
    if (length > 0 && room > 2) {
        memcpy(files->reason + length, "; ", 3);
        length += 2;
        room -= 2;
    }
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(files->reason + length, room, format, arguments);
    va_end(arguments);
}

uint32_t gosset__io_size(const gosset__io_files *files, const gosset__io_read *read) {
    return (1 + read->more) * files->page_size;
}

uint64_t gosset__io_offset(const gosset__io_files *files, uint32_t file, uint64_t page) {
    return files->files[file].pages_offset + page * files->page_size;
}

gosset_status gosset__io_fail_read(const gosset__io_files *files, uint32_t file, uint64_t page, int error) {
    const char *path = files->files[file].path;
    const unsigned long long number = page, offset = gosset__io_offset(files, file, page);
    if (error == GOSSET__IO_END)
        return gosset__fail(GOSSET_E_CORRUPT,
                            "%s: page %llu at byte %llu: file shorter than expected: it ends before byte %llu", path,
                            number, offset, offset + files->page_size);
    char text[128];
    return gosset__fail(GOSSET_E_IO, "%s: page %llu at byte %llu: read failed: %s", path, number, offset,
                        strerror_r(error, text, sizeof text));
}

int gosset__io_continue(uint32_t *start, uint32_t *end, uint32_t transferred) {
    const uint32_t reached = *start + transferred;
    if (reached <= *end) return 0;
    *end = reached;
    *start = reached / GOSSET__IO_ALIGNMENT * GOSSET__IO_ALIGNMENT;
    return 1;
}

int gosset__io_read_page(int descriptor, uint8_t *buffer, uint32_t size, uint64_t offset) {
    uint32_t start = 0, end = 0;
    while (end < size) {
        const ssize_t got = pread(descriptor, buffer + start, size - start, (off_t)(offset + start));
        if (got < 0) {
            if (errno == EINTR) continue;
            return errno;
        }
        if (!gosset__io_continue(&start, &end, (uint32_t)got)) return GOSSET__IO_END;
    }
    return 0;
}

gosset_status gosset__io_check_reads(const gosset__io *io, const gosset__io_read *reads, uint32_t count,
                                     uint32_t room) {
    const gosset__io_files *files = io->files;
    if (count > room)
        return gosset__fail(GOSSET_E_ARGUMENT, "%u reads asked for: %u of %u buffers are free", count, room, io->depth);
    for (uint32_t i = 0; i < count; i++) {
        const gosset__io_read *read = &reads[i];
        if (read->file >= files->file_count)
            return gosset__fail(GOSSET_E_ARGUMENT, "read of file %u: there are %u", read->file, files->file_count);
        if (read->page >= files->files[read->file].page_count ||
            read->more >= files->files[read->file].page_count - read->page)
            return gosset__fail(GOSSET_E_ARGUMENT, "%s: read of page %llu: it has %llu", files->files[read->file].path,
                                (unsigned long long)read->page,
                                (unsigned long long)files->files[read->file].page_count);
        const uintptr_t first = (uintptr_t)io->buffers, at = (uintptr_t)read->buffer;
        if (at < first || read->more >= io->depth ||
            at - first > (uintptr_t)(io->depth - 1 - read->more) * files->page_size || at % GOSSET__IO_ALIGNMENT)
            return gosset__fail(GOSSET_E_ARGUMENT, "read into memory that is no page buffer of this searcher");
    }
    return GOSSET_OK;
}

/** Refuses a file too short for the pages it claims before anybody trusts their number. */
static gosset_status check_size(const gosset__io_files *files, const gosset__io_file *file, int descriptor) {
    struct stat information;
    if (fstat(descriptor, &information) != 0) return gosset__fail_errno(file->path, "fstat");
    const uint64_t size = (uint64_t)information.st_size;
    if (file->pages_offset > size || file->page_count > (size - file->pages_offset) / files->page_size)
        return gosset__fail(GOSSET_E_CORRUPT,
                            "%s: file shorter than expected: %llu pages of %u bytes from byte %llu, found %llu bytes",
                            file->path, (unsigned long long)file->page_count, files->page_size,
                            (unsigned long long)file->pages_offset, (unsigned long long)size);
    return GOSSET_OK;
}

/** O_DIRECT can be refused by open (tmpfs before Linux 6.6, some overlays) or only by the first read (a device
 *  of larger blocks): the page cache then serves the reads. */
static gosset_status open_one(gosset__io_files *files, uint32_t index, uint8_t *page, int *out) {
    gosset_status status = GOSSET_OK;
    const gosset__io_file *file = &files->files[index];
    int error = 0, direct = 1;
    int descriptor = open(file->path, O_RDONLY | O_CLOEXEC | O_DIRECT);
    if (descriptor < 0 && errno != EINVAL && errno != EOPNOTSUPP) return gosset__fail_errno(file->path, "open");
    if (descriptor >= 0 && file->page_count > 0) {
        GOSSET_TRY(check_size(files, file, descriptor));
        error = gosset__io_read_page(descriptor, page, files->page_size, file->pages_offset);
    }
    if (descriptor < 0 || error == EINVAL || error == EOPNOTSUPP) {
        if (descriptor >= 0) close(descriptor);
        direct = 0;
        error = 0;
        descriptor = open(file->path, O_RDONLY | O_CLOEXEC);
        if (descriptor < 0) return gosset__fail_errno(file->path, "open");
        GOSSET_TRY(check_size(files, file, descriptor));
        if (file->page_count > 0) error = gosset__io_read_page(descriptor, page, files->page_size, file->pages_offset);
        posix_fadvise(descriptor, 0, 0, POSIX_FADV_RANDOM);
    }
    if (error != 0) GOSSET_TRY(gosset__io_fail_read(files, index, 0, error));
    if (!direct && strstr(files->reason, "O_DIRECT") == NULL)
        gosset__io_note(files, "%s: no O_DIRECT on this filesystem: reads go through the page cache", file->path);
    *out = descriptor;
    return GOSSET_OK;
out:
    if (descriptor >= 0) close(descriptor);
    return status;
}

gosset_status gosset__io_descriptors_open(gosset__io_files *files, int **out) {
    gosset_status status = GOSSET_OK;
    uint8_t *page = NULL;
    int *descriptors = gosset__alloc_array(&files->env, (size_t)files->file_count + 1, sizeof *descriptors);
    if (descriptors == NULL) return gosset__no_memory("file descriptors", files->file_count * sizeof *descriptors);
    for (uint32_t i = 0; i < files->file_count; i++) descriptors[i] = -1;
    page = gosset__alloc_aligned(&files->env, files->page_size, GOSSET__IO_ALIGNMENT);
    if (page == NULL) GOSSET_TRY(gosset__no_memory("a page for the first read", files->page_size));
    for (uint32_t i = 0; i < files->file_count; i++) GOSSET_TRY(open_one(files, i, page, &descriptors[i]));
    *out = descriptors;
    descriptors = NULL;
out:
    gosset__free(&files->env, page);
    gosset__io_descriptors_close(files, descriptors);
    return status;
}

size_t gosset__io_descriptors_held(const gosset__io_files *files) {
    return ((size_t)files->file_count + 1) * sizeof(int);
}

void gosset__io_descriptors_close(const gosset__io_files *files, int *descriptors) {
    if (descriptors == NULL) return;
    for (uint32_t i = 0; i < files->file_count; i++)
        if (descriptors[i] >= 0) close(descriptors[i]);
    gosset__free(&files->env, descriptors);
}
