/* Streams rows into a shard whose size is known beforehand, so that every section is written in place once. */
#include "base/bytes.h"
#include "base/status.h"
#include "index/directory.h"
#include "index/shard.h"
#include <unistd.h>

enum { SMALL = 64 * 1024 }; /* least buffer of a stream: larger ones gain little on a page cache */

static size_t pages_minimum(const gosset__layout *layout) {
    return (size_t)gosset__round_up(SMALL, layout->page_size);
}

size_t gosset__shard_writer_minimum(const gosset__layout *layout) {
    return (size_t)GOSSET__BLOCK + SMALL + pages_minimum(layout);
}

gosset_status gosset__shard_writer_open(gosset__shard_writer *writer, const gosset__layout *layout, size_t memory,
                                        const gosset__env *env) {
    size_t extra = memory - gosset__shard_writer_minimum(layout);
    size_t codes = SMALL + extra / 4;
    size_t pages = pages_minimum(layout) + (extra - extra / 4) / layout->page_size * layout->page_size;
    memset(writer, 0, sizeof *writer);
    writer->env = env;
    writer->fd = -1;
    writer->header.layout = *layout;
    writer->memory = gosset__alloc(env, GOSSET__BLOCK + pages + codes);
    if (writer->memory == NULL) return gosset__no_memory("the buffers of a shard", GOSSET__BLOCK + pages + codes);
    writer->cells.buffer = writer->memory;
    writer->cells.capacity = GOSSET__BLOCK;
    writer->pages.buffer = writer->memory + GOSSET__BLOCK;
    writer->pages.capacity = pages;
    writer->codes.buffer = writer->memory + GOSSET__BLOCK + pages;
    writer->codes.capacity = codes;
    return GOSSET_OK;
}

static void place_stream(gosset__shard_writer *writer, gosset__stream *stream, int section) {
    stream->fd = writer->fd;
    stream->path = writer->path;
    stream->offset = writer->header.sections[section].offset;
    stream->used = 0;
}

gosset_status gosset__shard_writer_begin(gosset__shard_writer *writer, const char *directory, uint64_t generation,
                                         uint32_t number, uint64_t row_count, uint64_t cells) {
    gosset_status status = GOSSET_OK;
    char name[GOSSET__NAME_MAX];
    gosset__shard_name(name, generation, number);
    GOSSET_TRY(gosset__path_join(writer->path, directory, name));
    GOSSET_TRY(gosset__open_create(&writer->fd, writer->path));
    writer->header.generation = generation;
    writer->header.number = number;
    gosset__shard_place(&writer->header, row_count, cells);
    place_stream(writer, &writer->cells, GOSSET__SECTION_CELLS);
    place_stream(writer, &writer->codes, GOSSET__SECTION_CODES);
    place_stream(writer, &writer->pages, GOSSET__SECTION_PAGES);
    gosset__hasher_start(&writer->cells_hash, 0);
    gosset__hasher_start(&writer->codes_hash, 0);
    gosset__hasher_start(&writer->pages_hash, 0);
    writer->rows = writer->page = 0;
    writer->cell_rows = writer->page_records = 0;
out:
    return status;
}

static gosset_status end_cell(gosset__shard_writer *writer) {
    uint8_t entry[GOSSET__CELL_ENTRY];
    if (writer->cell_rows == 0) return GOSSET_OK;
    gosset__store32(entry, writer->cell);
    gosset__store32(entry + 4, writer->cell_rows);
    gosset__hasher_add(&writer->cells_hash, entry, sizeof entry);
    writer->cell_rows = 0;
    return gosset__stream_write(&writer->cells, entry, sizeof entry);
}

/* Pages are filled in place inside the buffer of their stream. */
static gosset_status end_page(gosset__shard_writer *writer) {
    const gosset__layout *layout = &writer->header.layout;
    gosset__stream *pages = &writer->pages;
    uint8_t *page = pages->buffer + pages->used;
    size_t used = (size_t)writer->page_records * layout->record_size, end = layout->page_size - GOSSET__HASH_SIZE;
    if (writer->page_records == 0) return GOSSET_OK;
    memset(page + used, 0, end - used);
    gosset__store64(page + end,
                    gosset__page_hash(layout, writer->header.generation, writer->header.number, writer->page, page));
    gosset__hasher_add(&writer->pages_hash, page + end, GOSSET__HASH_SIZE);
    pages->used += layout->page_size;
    writer->page++;
    writer->page_records = 0;
    return pages->used == pages->capacity ? gosset__stream_flush(pages) : GOSSET_OK;
}

gosset_status gosset__shard_writer_add(gosset__shard_writer *writer, uint32_t cell, const uint8_t *code, uint64_t id,
                                       const void *vector) {
    gosset_status status = GOSSET_OK;
    const gosset__layout *layout = &writer->header.layout;
    if (writer->cell_rows > 0 && cell != writer->cell) GOSSET_TRY(end_cell(writer));
    writer->cell = cell;
    writer->cell_rows++;
    gosset__hasher_add(&writer->codes_hash, code, layout->code_size);
    GOSSET_TRY(gosset__stream_write(&writer->codes, code, layout->code_size));
    uint8_t *record = writer->pages.buffer + writer->pages.used + (size_t)writer->page_records * layout->record_size;
    gosset__store64(record, id);
    memcpy(record + GOSSET__ID_SIZE, vector, layout->record_size - GOSSET__ID_SIZE);
    writer->rows++;
    if (++writer->page_records == layout->records_per_page) GOSSET_TRY(end_page(writer));
out:
    return status;
}

static gosset_status pad(gosset__stream *stream) {
    static const uint8_t zeros[GOSSET__BLOCK];
    uint64_t at = stream->offset + stream->used;
    gosset_status status = gosset__stream_write(stream, zeros, (size_t)(gosset__round_up(at, GOSSET__BLOCK) - at));
    return status == GOSSET_OK ? gosset__stream_flush(stream) : status;
}

gosset_status gosset__shard_writer_end(gosset__shard_writer *writer) {
    gosset_status status = GOSSET_OK;
    uint8_t page[GOSSET__BLOCK];
    gosset__shard_header *header = &writer->header;
    GOSSET_TRY(end_cell(writer));
    GOSSET_TRY(end_page(writer));
    GOSSET_TRY(pad(&writer->cells));
    GOSSET_TRY(pad(&writer->codes));
    GOSSET_TRY(gosset__stream_flush(&writer->pages));
    /* What was promised at the start fixed every offset: anything else would have overwritten a neighbour. */
    GOSSET_REQUIRE(writer->rows == header->row_count &&
                       writer->cells.offset == header->sections[GOSSET__SECTION_CODES].offset &&
                       writer->page == header->page_count,
                   GOSSET_E_STATE, "%s: expected %llu rows, got %llu", writer->path,
                   (unsigned long long)header->row_count, (unsigned long long)writer->rows);
    header->sections[GOSSET__SECTION_CELLS].hash = gosset__hasher_value(&writer->cells_hash);
    header->sections[GOSSET__SECTION_CODES].hash = gosset__hasher_value(&writer->codes_hash);
    header->sections[GOSSET__SECTION_PAGES].hash = gosset__hasher_value(&writer->pages_hash);
    gosset__shard_header_store(header, page);
    GOSSET_TRY(gosset__write_at(writer->fd, page, sizeof page, 0, writer->path));
    GOSSET_TRY(gosset__write_at(writer->fd, page, sizeof page, header->file_length - GOSSET__BLOCK, writer->path));
    GOSSET_TRY(gosset__fsync_close(&writer->fd, writer->path));
out:
    return status;
}

void gosset__shard_writer_close(gosset__shard_writer *writer) {
    if (writer->fd >= 0) close(writer->fd);
    writer->fd = -1;
    gosset__free(writer->env, writer->memory);
    writer->memory = NULL;
}
