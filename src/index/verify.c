/*
 * Every byte of every file: what the checksums cover and, so that nothing hides between them, every byte of
 * padding. The first damage ends the walk with its file and offset.
 */
#include "base/bytes.h"
#include "base/status.h"
#include "index/directory.h"
#include "index/store_internal.h"
#include <unistd.h>

enum { CHUNK = 1024 * 1024 };

static gosset_status check_zero(const uint8_t *data, size_t size, uint64_t offset, const char *path) {
    size_t stray = gosset__first_nonzero(data, size);
    if (stray == size) return GOSSET_OK;
    return gosset__fail(GOSSET_E_CORRUPT, "%s: byte %llu: padding: expected 0, found %u", path,
                        (unsigned long long)(offset + stray), data[stray]);
}

/* ---- model and strays ----------------------------------------------------------------------- */

static gosset_status verify_model(const char *directory, const gosset__manifest *manifest, uint8_t *buffer) {
    gosset_status status = GOSSET_OK;
    char name[GOSSET__NAME_MAX], path[GOSSET__PATH_MAX];
    gosset__hasher hasher;
    uint64_t length = 0;
    int fd = -1;
    gosset__model_name(name, manifest->generation);
    GOSSET_TRY(gosset__path_join(path, directory, name));
    GOSSET_TRY(gosset__open_read(&fd, path, &length));
    GOSSET_REQUIRE(length == manifest->model_size, GOSSET_E_CORRUPT, "%s: length: expected %llu bytes, found %llu",
                   path, (unsigned long long)manifest->model_size, (unsigned long long)length);
    gosset__hasher_start(&hasher, 0);
    for (uint64_t at = 0; at < length; at += CHUNK) {
        size_t size = length - at < CHUNK ? (size_t)(length - at) : CHUNK;
        GOSSET_TRY(gosset__read_at(fd, buffer, size, at, path));
        gosset__hasher_add(&hasher, buffer, size);
    }
    GOSSET_REQUIRE(gosset__hasher_value(&hasher) == manifest->model_hash, GOSSET_E_CORRUPT,
                   "%s: bytes 0 to %llu: checksum differs", path, (unsigned long long)length);
out:
    if (fd >= 0) close(fd);
    return status;
}

/* Files of other generations are what an interrupted writer leaves; one of this generation that the manifest
 * does not name cannot come about. */
static gosset_status refuse_stray(void *context, const char *directory, const char *name, gosset__file_kind kind,
                                  uint64_t generation, uint32_t number) {
    const gosset__manifest *manifest = context;
    if (kind == GOSSET__FILE_SHARD && generation == manifest->generation && number >= manifest->shard_count)
        return gosset__fail(GOSSET_E_CORRUPT, "%s/%s: byte 0: the manifest names only %u shards", directory, name,
                            manifest->shard_count);
    return GOSSET_OK;
}

/* ---- shards --------------------------------------------------------------------------------- */

typedef struct cell_order {
    uint32_t last;
    int first;
    const char *path;
} cell_order;

static gosset_status check_cell(void *context, uint32_t cell, uint32_t rows) {
    cell_order *order = context;
    (void)rows;
    if (order->first && cell < order->last)
        return gosset__fail(GOSSET_E_CORRUPT, "%s: byte %d: cell %u comes after cell %u of the shard before",
                            order->path, GOSSET__BLOCK, cell, order->last);
    order->first = 0;
    order->last = cell;
    return GOSSET_OK;
}

static gosset_status ignore_codes(void *context, const uint8_t *codes, size_t count) {
    (void)context, (void)codes, (void)count;
    return GOSSET_OK;
}

/* From the end of a section to the next multiple of the block. */
static gosset_status verify_padding(const gosset__shard *shard, int section, uint8_t *buffer) {
    uint64_t from = shard->header.sections[section].offset + shard->header.sections[section].length;
    size_t size = (size_t)(gosset__round_up(from, GOSSET__BLOCK) - from);
    gosset_status status = gosset__read_at(shard->fd, buffer, size, from, shard->path);
    return status == GOSSET_OK ? check_zero(buffer, size, from, shard->path) : status;
}

static gosset_status verify_page(const gosset__shard *shard, uint64_t number, const uint8_t *page) {
    gosset_status status = GOSSET_OK;
    const gosset__shard_header *header = &shard->header;
    const gosset__layout *layout = &header->layout;
    size_t end = layout->page_size - GOSSET__HASH_SIZE, used;
    uint32_t records = gosset__shard_page_records(header, number);
    uint64_t offset = gosset__page_offset(header, number);
    if (gosset__page_hash(layout, header->generation, header->number, number, page) != gosset__load64(page + end))
        return gosset__page_damaged(shard, number);
    for (uint32_t i = 0; i < records; i++)
        GOSSET_REQUIRE(gosset__load64(page + (size_t)i * layout->record_size) != UINT64_MAX, GOSSET_E_CORRUPT,
                       "%s: byte %llu: a record has the reserved id", shard->path,
                       (unsigned long long)(offset + (uint64_t)i * layout->record_size));
    used = (size_t)records * layout->record_size;
    GOSSET_TRY(check_zero(page + used, end - used, offset + used, shard->path));
out:
    return status;
}

static gosset_status verify_pages(const gosset__shard *shard, uint8_t *buffer) {
    gosset_status status = GOSSET_OK;
    const gosset__section *section = &shard->header.sections[GOSSET__SECTION_PAGES];
    const uint32_t page_size = shard->header.layout.page_size;
    const size_t capacity = CHUNK / page_size;
    gosset__hasher hasher;
    gosset__hasher_start(&hasher, 0);
    for (uint64_t first = 0; first < shard->header.page_count; first += capacity) {
        uint64_t left = shard->header.page_count - first;
        size_t count = left < capacity ? (size_t)left : capacity;
        GOSSET_TRY(gosset__read_at(shard->fd, buffer, count * page_size, gosset__page_offset(&shard->header, first),
                                   shard->path));
        for (size_t i = 0; i < count; i++) {
            GOSSET_TRY(verify_page(shard, first + i, buffer + i * page_size));
            gosset__hasher_add(&hasher, buffer + (i + 1) * page_size - GOSSET__HASH_SIZE, GOSSET__HASH_SIZE);
        }
    }
    GOSSET_REQUIRE(gosset__hasher_value(&hasher) == section->hash, GOSSET_E_CORRUPT,
                   "%s: pages at byte %llu: checksum of their checksums differs", shard->path,
                   (unsigned long long)section->offset);
out:
    return status;
}

static gosset_status verify_shard(gosset__shard *shard, cell_order *order, uint8_t *buffer, const gosset__env *env) {
    gosset_status status = GOSSET_OK;
    order->first = 1;
    order->path = shard->path;
    GOSSET_TRY(gosset__shard_cells(shard, env, check_cell, order));
    GOSSET_TRY(verify_padding(shard, GOSSET__SECTION_CELLS, buffer));
    GOSSET_TRY(gosset__shard_codes(shard, env, ignore_codes, NULL));
    GOSSET_TRY(verify_padding(shard, GOSSET__SECTION_CODES, buffer));
    GOSSET_TRY(verify_pages(shard, buffer));
out:
    return status;
}

gosset_status gosset__store_verify(const char *directory, const gosset__env *env) {
    gosset_status status = GOSSET_OK;
    gosset__manifest manifest;
    gosset__shard *shard = NULL;
    uint8_t *buffer = NULL;
    cell_order order = {0};
    gosset__ticker ticker;
    gosset__ticker_start(&ticker, env);
    GOSSET_TRY(gosset__manifest_read(&manifest, directory, env));
    buffer = gosset__alloc(env, CHUNK);
    shard = gosset__alloc_zero(env, sizeof *shard);
    if (buffer == NULL || shard == NULL) GOSSET_TRY(gosset__no_memory("a read buffer", CHUNK));
    GOSSET_TRY(verify_model(directory, &manifest, buffer));
    for (uint32_t i = 0; i < manifest.shard_count; i++) {
        GOSSET_TRY(gosset__shard_open(shard, directory, &manifest, i));
        status = verify_shard(shard, &order, buffer, env);
        gosset__shard_close(shard);
        if (status != GOSSET_OK) goto out;
        gosset_progress progress = {.phase = "verify", .done = i + 1, .total = manifest.shard_count};
        GOSSET_TRY(gosset__tick(&ticker, &progress));
    }
    GOSSET_TRY(gosset__directory_walk(directory, refuse_stray, &manifest));
out:
    gosset__free(env, buffer);
    gosset__free(env, shard);
    gosset__manifest_free(&manifest, env);
    return status;
}
