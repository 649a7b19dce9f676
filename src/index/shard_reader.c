/* Opening a shard and walking its parts: what the store, the merge and verify share. */
#include "base/bytes.h"
#include "base/status.h"
#include "index/directory.h"
#include "index/store_internal.h"
#include <unistd.h>

enum { CHUNK = 1024 * 1024 };

gosset_status gosset__shard_open(gosset__shard *shard, const char *directory, const gosset__manifest *manifest,
                                 uint32_t number) {
    gosset_status status = GOSSET_OK;
    const gosset__manifest_shard *entry = &manifest->shards[number];
    gosset__shard_header *header = &shard->header;
    char name[GOSSET__NAME_MAX];
    uint8_t page[GOSSET__BLOCK], footer[GOSSET__BLOCK];
    uint64_t length = 0;
    shard->fd = -1;
    gosset__shard_name(name, manifest->generation, number);
    GOSSET_TRY(gosset__path_join(shard->path, directory, name));
    GOSSET_TRY(gosset__open_read(&shard->fd, shard->path, &length));
    GOSSET_REQUIRE(length == entry->file_length, GOSSET_E_CORRUPT, "%s: length: expected %llu bytes, found %llu",
                   shard->path, (unsigned long long)entry->file_length, (unsigned long long)length);
    GOSSET_REQUIRE(length >= 2 * GOSSET__BLOCK, GOSSET_E_CORRUPT, "%s: length: expected at least %d bytes, found %llu",
                   shard->path, 2 * GOSSET__BLOCK, (unsigned long long)length);
    GOSSET_TRY(gosset__read_at(shard->fd, page, sizeof page, 0, shard->path));
    GOSSET_TRY(gosset__shard_header_load(header, page, length, shard->path));
    GOSSET_TRY(gosset__layout_match(&manifest->layout, &header->layout, shard->path));
    GOSSET_REQUIRE(header->hash == entry->header_hash && header->generation == manifest->generation &&
                       header->number == number && header->row_count == entry->row_count &&
                       header->page_count == entry->page_count,
                   GOSSET_E_CORRUPT, "%s: header at byte 0: not the one the manifest names", shard->path);
    GOSSET_TRY(gosset__read_at(shard->fd, footer, sizeof footer, length - GOSSET__BLOCK, shard->path));
    for (size_t i = 0; i < GOSSET__BLOCK; i++)
        GOSSET_REQUIRE(page[i] == footer[i], GOSSET_E_CORRUPT, "%s: footer at byte %llu: differs from the header",
                       shard->path, (unsigned long long)(length - GOSSET__BLOCK + i));
out:
    if (status != GOSSET_OK) gosset__shard_close(shard);
    return status;
}

void gosset__shard_close(gosset__shard *shard) {
    if (shard->fd >= 0) close(shard->fd);
    shard->fd = -1;
}

gosset_status gosset__page_damaged(const gosset__shard *shard, uint64_t page) {
    return gosset__fail(GOSSET_E_CORRUPT, "%s: page %llu at byte %llu: checksum differs", shard->path,
                        (unsigned long long)page, (unsigned long long)gosset__page_offset(&shard->header, page));
}

static gosset_status check_cells(const gosset__shard *shard, const uint8_t *cells, size_t count, gosset__cell_fn visit,
                                 void *context) {
    gosset_status status = GOSSET_OK;
    const uint64_t offset = shard->header.sections[GOSSET__SECTION_CELLS].offset;
    uint64_t rows = 0;
    uint32_t before = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t cell = gosset__load32(cells + i * GOSSET__CELL_ENTRY);
        uint32_t cell_rows = gosset__load32(cells + i * GOSSET__CELL_ENTRY + 4);
        GOSSET_REQUIRE(cell < shard->header.layout.cell_count && cell_rows > 0 && (i == 0 || cell > before),
                       GOSSET_E_CORRUPT, "%s: byte %llu: cell %u with %u rows cannot follow cell %u", shard->path,
                       (unsigned long long)(offset + i * GOSSET__CELL_ENTRY), cell, cell_rows, before);
        before = cell;
        rows += cell_rows;
        GOSSET_TRY(visit(context, cell, cell_rows));
    }
    GOSSET_REQUIRE(rows == shard->header.row_count, GOSSET_E_CORRUPT,
                   "%s: cells at byte %llu: expected %llu rows, found %llu", shard->path, (unsigned long long)offset,
                   (unsigned long long)shard->header.row_count, (unsigned long long)rows);
out:
    return status;
}

gosset_status gosset__shard_cells(const gosset__shard *shard, const gosset__env *env, gosset__cell_fn visit,
                                  void *context) {
    gosset_status status = GOSSET_OK;
    const gosset__section *section = &shard->header.sections[GOSSET__SECTION_CELLS];
    size_t size = (size_t)section->length;
    uint8_t *cells = gosset__alloc(env, size);
    if (cells == NULL) return gosset__no_memory("a cell directory", size);
    GOSSET_TRY(gosset__read_at(shard->fd, cells, size, section->offset, shard->path));
    GOSSET_REQUIRE(gosset__hash(cells, size, 0) == section->hash, GOSSET_E_CORRUPT,
                   "%s: cells at byte %llu: checksum differs", shard->path, (unsigned long long)section->offset);
    GOSSET_TRY(check_cells(shard, cells, size / GOSSET__CELL_ENTRY, visit, context));
out:
    gosset__free(env, cells);
    return status;
}

gosset_status gosset__shard_codes(const gosset__shard *shard, const gosset__env *env, gosset__codes_fn visit,
                                  void *context) {
    gosset_status status = GOSSET_OK;
    const gosset__section *section = &shard->header.sections[GOSSET__SECTION_CODES];
    const uint32_t code_size = shard->header.layout.code_size;
    size_t capacity = section->length < CHUNK ? (size_t)section->length : (size_t)(CHUNK / code_size) * code_size;
    gosset__hasher hasher;
    uint8_t *chunk = gosset__alloc(env, capacity);
    if (chunk == NULL) return gosset__no_memory("codes", capacity);
    gosset__hasher_start(&hasher, 0);
    for (uint64_t at = 0; at < section->length; at += capacity) {
        size_t size = section->length - at < capacity ? (size_t)(section->length - at) : capacity;
        GOSSET_TRY(gosset__read_at(shard->fd, chunk, size, section->offset + at, shard->path));
        gosset__hasher_add(&hasher, chunk, size);
        GOSSET_TRY(visit(context, chunk, size / code_size));
    }
    GOSSET_REQUIRE(gosset__hasher_value(&hasher) == section->hash, GOSSET_E_CORRUPT,
                   "%s: codes at byte %llu: checksum differs", shard->path, (unsigned long long)section->offset);
out:
    gosset__free(env, chunk);
    return status;
}
