/** One shard file: where its parts lie, its header, its checksums, and the writer that streams rows into it. */
#ifndef GOSSET_INDEX_SHARD_H
#define GOSSET_INDEX_SHARD_H

#include "base/hash.h"
#include "index/format.h"
#include "index/stream.h"

enum { GOSSET__SECTION_CELLS = 0, GOSSET__SECTION_CODES = 1, GOSSET__SECTION_PAGES = 2, GOSSET__SECTIONS = 3 };

typedef struct gosset__section {
    uint64_t offset, length; /* without the padding that follows */
    uint64_t hash;           /* of `length` bytes; of the page checksums for PAGES */
} gosset__section;

typedef struct gosset__shard_header {
    gosset__layout layout;
    uint64_t generation;
    uint32_t number;
    uint64_t row_count, page_count, file_length;
    gosset__section sections[GOSSET__SECTIONS];
    uint64_t hash; /* of the header page */
} gosset__shard_header;

/** Bytes of one entry of the cell directory: u32 cell, u32 rows. */
enum { GOSSET__CELL_ENTRY = 8 };

/** Places the sections: everything of the header that follows from layout, row_count and the number of cells. */
void gosset__shard_place(gosset__shard_header *header, uint64_t row_count, uint64_t cells);

/** The header page; fills header->hash. */
void gosset__shard_header_store(gosset__shard_header *header, uint8_t page[GOSSET__BLOCK]);
/** Checks the header page against itself and against the length of the file. */
gosset_status gosset__shard_header_load(gosset__shard_header *header, const uint8_t page[GOSSET__BLOCK],
                                        uint64_t file_length, const char *path);

/** Checksum of a page: the seed holds its place, so a page that is intact but elsewhere is refused. */
uint64_t gosset__page_hash(const gosset__layout *layout, uint64_t generation, uint32_t shard, uint64_t page,
                           const uint8_t *data);
uint64_t gosset__page_offset(const gosset__shard_header *header, uint64_t page);
/** Records on a page of this shard. */
uint32_t gosset__shard_page_records(const gosset__shard_header *header, uint64_t page);

/* ---- writing -------------------------------------------------------------------------------- */

/** Writes shards one after the other with the same buffers. */
typedef struct gosset__shard_writer {
    const gosset__env *env;
    char path[GOSSET__PATH_MAX];
    int fd; /* -1 between shards */
    gosset__shard_header header;
    gosset__stream cells, codes, pages;
    gosset__hasher cells_hash, codes_hash, pages_hash;
    uint64_t rows, page; /* written so far */
    uint32_t cell_rows, cell, page_records;
    uint8_t *memory; /* the buffers of the three streams */
} gosset__shard_writer;

/** Bytes of buffers a shard writer may hold: at least gosset__shard_writer_minimum. */
size_t gosset__shard_writer_minimum(const gosset__layout *layout);
gosset_status gosset__shard_writer_open(gosset__shard_writer *writer, const gosset__layout *layout, size_t memory,
                                        const gosset__env *env);
/** Starts a shard that will hold exactly this many rows of this many cells. */
gosset_status gosset__shard_writer_begin(gosset__shard_writer *writer, const char *directory, uint64_t generation,
                                         uint32_t number, uint64_t row_count, uint64_t cells);
/** Rows come in cell order. */
gosset_status gosset__shard_writer_add(gosset__shard_writer *writer, uint32_t cell, const uint8_t *code, uint64_t id,
                                       const void *vector);
/** Completes the shard durably; its header is in writer->header. */
gosset_status gosset__shard_writer_end(gosset__shard_writer *writer);
void gosset__shard_writer_close(gosset__shard_writer *writer);

#endif
