/** What the backends share: descriptors that bypass the page cache, checks of requests, reads that end early. */
#ifndef GOSSET_INDEX_IO_BACKEND_H
#define GOSSET_INDEX_IO_BACKEND_H

#include "index/io/io.h"

enum {
    GOSSET__IO_ALIGNMENT = 4096, /* of buffers, offsets and sizes: legal for O_DIRECT on every device we know */
    GOSSET__IO_END = -1          /* beside errno values: the file ends before the page does */
};

/** Adds a sentence to files->reason. Only while the files are being opened. */
void gosset__io_note(gosset__io_files *files, const char *format, ...) __attribute__((format(printf, 2, 3)));

/**
 * Opens every file, with O_DIRECT where the filesystem can, checks that it holds the pages it claims, and reads
 * its first page. One int per file, released by gosset__io_descriptors_close.
 */
gosset_status gosset__io_descriptors_open(gosset__io_files *files, int **out);
size_t gosset__io_descriptors_held(const gosset__io_files *files); /* bytes */
void gosset__io_descriptors_close(const gosset__io_files *files, int *descriptors);

/** Bytes of a read. */
uint32_t gosset__io_size(const gosset__io_files *files, const gosset__io_read *read);
uint64_t gosset__io_offset(const gosset__io_files *files, uint32_t file, uint64_t page);

/** GOSSET_E_ARGUMENT unless every read names a page of a file and a buffer of this searcher, `room` at most. */
gosset_status gosset__io_check_reads(const gosset__io *io, const gosset__io_read *reads, uint32_t count, uint32_t room);

/**
 * Where to go on after a read that ended early: false when the file is at its end. `*end` is how far the page
 * has been read so far, 0 before the first read; `*start` is where the last read began and the next shall begin.
 * Reads go on at the last boundary O_DIRECT allows; one that gets no further than the one before met the end.
 */
int gosset__io_continue(uint32_t *start, uint32_t *end, uint32_t transferred);

/** One page by pread. 0, an errno value, or GOSSET__IO_END. */
int gosset__io_read_page(int descriptor, uint8_t *buffer, uint32_t size, uint64_t offset);

#endif
