/**
 * Batches of page reads behind one table. A backend is opened once per index (files) and once per searcher
 * (ring, buffers). Choice and the reasons for refusals: io_registry.c.
 */
#ifndef GOSSET_INDEX_IO_H
#define GOSSET_INDEX_IO_H

#include "base/env.h"
#include "base/file.h"
#include <stdbool.h>

typedef struct gosset__io_file {
    char path[GOSSET__PATH_MAX];
    uint64_t pages_offset; /* byte offset of page 0 in the file, a multiple of 4096 */
    uint64_t page_count;
} gosset__io_file;

/** The shards of an index as one backend opened them. Immutable, shared by searchers. */
typedef struct gosset__io_files gosset__io_files;
/** One searcher's way to read: ring or threads, and its page buffers. */
typedef struct gosset__io gosset__io;

typedef struct gosset__io_read {
    uint32_t file;
    uint64_t page;   /* within the file */
    uint32_t more;   /* pages after it that are read along, into the buffers after its own */
    uint8_t *buffer; /* one of the page buffers in io->buffers */
    uint64_t tag;    /* given back on completion */
} gosset__io_read;

/** A read that is over. */
typedef struct gosset__io_done {
    uint64_t tag;
    const uint8_t *page; /* its bytes: in the read's buffer, or in memory the backend keeps */
    int error;           /* 0, or what gosset__io_fail_read makes a sentence of; then there are no bytes */
} gosset__io_done;

typedef struct gosset__io_ops {
    const char *name; /* "uring", "threads", "memory" */
    bool resident;    /* pages are in memory: a read takes no time */
    /** Opens the files and proves the backend with a real read. On refusal the sentence says why. */
    gosset_status (*open_files)(gosset__io_files *files);
    void (*close_files)(gosset__io_files *files);
    /** Room for `depth` page buffers, 4096-aligned. */
    gosset_status (*open)(gosset__io *io, uint32_t depth);
    void (*close)(gosset__io *io); /* waits for reads in flight */
    /** Accepts all reads (at most `depth` in flight in all) or none. The next reap starts those that have not begun. */
    gosset_status (*submit)(gosset__io *io, const gosset__io_read *reads, uint32_t count);
    /** Waits until at least `minimum` reads are done (fewer when fewer are in flight; 0 never waits), or until
     *  io->deadline, and writes what became of them, each accepted read once, in any order. Fails only when reads are
     * not possible any more at all: none is in flight then, and those that were are not reported. */
    gosset_status (*reap)(gosset__io *io, uint32_t minimum, gosset__io_done *done, uint32_t capacity, uint32_t *count);
} gosset__io_ops;

struct gosset__io_files {
    const gosset__io_ops *ops;
    gosset__env env;
    uint32_t page_size, file_count;
    gosset__io_file *files;
    char reason[512]; /* why better backends were refused; "" if none was */
    void *state;
    uint64_t resident_bytes; /* of pages */
    uint64_t held_bytes;     /* allocated for everything else */
};

struct gosset__io {
    const gosset__io_ops *ops;
    const gosset__io_files *files;
    gosset__env env;
    uint32_t depth;
    uint64_t deadline; /* of gosset__nanoseconds(): a reap that waits returns then, whatever is done; 0 = none */
    int event;         /* an eventfd that is signalled when reads are done while none was before; -1 = none */
    uint8_t *buffers;  /* depth * page_size bytes; NULL at closing: the kernel may still write there, do not free */
    void *state;
    uint64_t held_bytes; /* allocated for it, buffers included */
};

/** `name` NULL or "auto": uring, then threads. A named backend that is refused is GOSSET_E_UNSUPPORTED.
 *  `files` is copied. */
gosset_status gosset__io_files_open(gosset__io_files **out, const char *name, const gosset__io_file *files,
                                    uint32_t file_count, uint32_t page_size, const gosset__env *env);
void gosset__io_files_close(gosset__io_files *files);
/** `event`: an eventfd, borrowed, or -1. Who waits for it reaps until nothing is done. */
gosset_status gosset__io_open(gosset__io **out, const gosset__io_files *files, uint32_t depth, int event,
                              const gosset__env *env);
void gosset__io_close(gosset__io *io);

/** The sentence of a failed read; `error` as a gosset__io_done has it. */
gosset_status gosset__io_fail_read(const gosset__io_files *files, uint32_t file, uint64_t page, int error);

extern const gosset__io_ops *const gosset__io_registry[]; /* best first, NULL-terminated; io_registry.c */

#endif
