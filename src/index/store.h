/**
 * The index on disk, without any knowledge of networks: rows of {cell, code, id, vector} go in, sorted shards
 * come out; opened, it gives cells and codes in memory and pages by number. Format: FORMAT.md.
 */
#ifndef GOSSET_INDEX_STORE_H
#define GOSSET_INDEX_STORE_H

#include "base/pool.h"
#include "index/io/io.h"
#include <gosset/common.h>

/** What every shard of an index agrees on. */
typedef struct gosset__layout {
    uint32_t dimension;
    gosset_type type;
    gosset_metric metric;
    uint32_t code_size;   /* bytes of a packed code */
    uint32_t cell_count;  /* cells are 0 .. cell_count-1 */
    uint64_t fingerprint; /* of the model */
    /* derived by gosset__layout_derive: */
    uint32_t record_size;      /* 8 (id) + dimension * element size */
    uint32_t page_size;        /* 4096, or the multiple that holds one record and its checksum */
    uint32_t records_per_page; /* (page_size - 8) / record_size */
} gosset__layout;
gosset_status gosset__layout_derive(gosset__layout *layout);

/* ---- writing -------------------------------------------------------------------------------- */

typedef struct gosset__store_writer gosset__store_writer;

typedef struct gosset__store_config {
    gosset__layout layout;
    uint64_t memory;     /* bytes the writer itself may hold */
    uint64_t shard_size; /* bytes per shard file */
    const void *model;   /* the model file's bytes, copied into the index directory */
    size_t model_size;
    int replace; /* non-zero: an existing index is replaced at publish */
} gosset__store_config;

gosset_status gosset__store_writer_create(gosset__store_writer **out, const char *directory,
                                          const gosset__store_config *config, const gosset__env *env);
/** Rows are copied; vectors: count rows of dimension elements, tight. */
gosset_status gosset__store_writer_add(gosset__store_writer *writer, size_t count, const uint32_t *cells,
                                       const uint8_t *codes, const uint64_t *ids, const void *vectors);
/** Streams all rows of an opened index into the writer (for merge). */
struct gosset__store;
gosset_status gosset__store_writer_add_store(gosset__store_writer *writer, const struct gosset__store *source);
/** Writes the shards and a manifest that is not yet visible; the result can be opened by _open_unpublished. */
gosset_status gosset__store_writer_finish(gosset__store_writer *writer);
gosset_status gosset__store_writer_open(gosset__store_writer *writer, const char *io, struct gosset__store **out);
/** Makes the index visible and durable, with `calibration` bytes kept in the manifest. */
gosset_status gosset__store_writer_publish(gosset__store_writer *writer, const void *calibration, size_t size);
void gosset__store_writer_free(gosset__store_writer *writer); /* removes what was not published */

/* ---- reading -------------------------------------------------------------------------------- */

/** Rows [first, first + count) of one cell in one shard; rows are numbered through the whole index. */
typedef struct gosset__run {
    uint64_t first;
    uint32_t count;
} gosset__run;

/** Bytes an opened store has allocated. */
typedef struct gosset__store_held {
    uint64_t codes, cells, pages;
    uint64_t model; /* the file's bytes, until gosset__store_drop_parsed */
    uint64_t rest;  /* headers and paths of shards, descriptors, calibration */
} gosset__store_held;

typedef struct gosset__store {
    gosset__env env;
    gosset__layout layout;
    char directory[GOSSET__PATH_MAX];
    uint64_t row_count, page_count, generation;
    uint32_t shard_count;
    uint32_t format_version;
    /** cell_first[c] .. cell_first[c + 1] are the rows of cell c; cell_count + 1 entries. Shards follow each
     *  other in cell order, so a cell is one run of rows through the whole index. */
    uint64_t *cell_first;
    /** All codes in two planes. The first lead_size bytes are in the scan's block layout: row r is code r % 16 of block
     *  r / 16. The others are asked for by few rows each time, and lie row by row: a line of the cache each. */
    uint8_t *blocks;    /* NULL: codes are read from the shards, through `files` from number shard_count on */
    uint8_t *tails;     /* the second plane */
    uint32_t lead_size; /* a multiple of 4, set before codes are loaded; 0: the whole code */
    uint64_t block_count;
    struct gosset__leaves *leaves; /* of loaded codes; NULL: none (leaves.h) */
    int blocks_locked;             /* 0, or 1: they stay in memory whatever the kernel needs it for */
    /** Codes on disk: hashes of the page_size bytes from each page of a code section on; shard_count + 1 entries of
     *  where each shard's begin. */
    uint64_t *code_sums, *shard_first_sum;
    /** Page of a row: row / records_per_page within its shard. shard_first_row/page: shard_count + 1 entries. */
    uint64_t *shard_first_row, *shard_first_page;
    void *model; /* the model file's bytes */
    size_t model_size;
    void *calibration;
    size_t calibration_size;
    uint64_t disk_bytes;
    gosset__store_held held;
    gosset__io_files *files; /* the shards, opened for the chosen backend */
    struct gosset__shard *shards;
} gosset__store;

/** How the store turns packed codes into scan blocks: set by the layer above (the codec). */
typedef void (*gosset__block_fn)(const void *context, const uint8_t *codes, size_t count, uint8_t *block);

gosset_status gosset__store_open(gosset__store **out, const char *directory, const char *io, const gosset__env *env);
void gosset__store_close(gosset__store *store);
/** For who has parsed model and calibration: their bytes are not kept. */
void gosset__store_drop_parsed(gosset__store *store);
/** Fills `blocks` from the shards' code sections. Called once, by the owner, before the first search. */
gosset_status gosset__store_load_codes(gosset__store *store, gosset__block_fn block, const void *context);

/** Whole blocks, for who wants both planes: where they lie, or put together in `room`. */
const uint8_t *gosset__store_blocks(const gosset__store *store, uint64_t first, uint64_t count, uint8_t *room);
/** Copies a row's code into a block, as code `place` of it. */
void gosset__store_pick(const gosset__store *store, uint64_t row, uint32_t place, uint8_t *block);

/** Packed codes of all shards in the order of their rows, any number at a time. */
typedef gosset_status (*gosset__codes_fn)(void *context, const uint8_t *codes, size_t count);
gosset_status gosset__store_pass_codes(const gosset__store *store, gosset__codes_fn take, void *context);

/** In place of that: codes stay on disk. Every byte of them is checked once, and what pages read later are checked
 *  against is kept: 8 bytes for each. Opens the files anew, `io` as for gosset__store_open. */
gosset_status gosset__store_leave_codes(gosset__store *store, const char *io);
/** Checks pages of a shard's code section. GOSSET_E_CORRUPT names file and offset. */
gosset_status gosset__store_check_codes(const gosset__store *store, uint32_t shard, uint64_t page, uint32_t count,
                                        const uint8_t *data);
/** Keeps loaded codes in memory; failing that, `reason` says why. */
void gosset__store_lock_codes(gosset__store *store, char *reason, size_t size);

/** Checks a page as read: checksum seeded by shard and page number. GOSSET_E_CORRUPT names file and offset. */
gosset_status gosset__store_check_page(const gosset__store *store, uint64_t page, const uint8_t *data);
/** Shard of a row, its page, and the number of records on a page. */
uint32_t gosset__store_shard_of(const gosset__store *store, uint64_t row);
uint64_t gosset__store_page_of(const gosset__store *store, uint64_t row);
uint32_t gosset__store_page_records(const gosset__store *store, uint64_t page);
uint64_t gosset__store_page_first(const gosset__store *store, uint64_t page); /* the first row on it */

gosset_status gosset__store_verify(const char *directory, const gosset__env *env);

#endif
