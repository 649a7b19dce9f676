/* Shard files: geometry, header page, checksums. The bytes are described in FORMAT.md. */
#include "index/shard.h"
#include "base/bytes.h"
#include "base/status.h"

static const char magic[8] = {'G', 'O', 'S', 'S', 'E', 'T', 'S', 'H'};

enum {
    AT_VERSION = 8,
    AT_LENGTH = 12,
    AT_LAYOUT = 16,
    AT_GENERATION = 56,
    AT_NUMBER = 64,
    AT_SECTION_COUNT = 68,
    AT_ROWS = 72,
    AT_PAGES = 80,
    AT_FILE_LENGTH = 88,
    AT_SECTIONS = 96,
    SECTION_SIZE = 32,
    HEADER_LENGTH = AT_SECTIONS + GOSSET__SECTIONS * SECTION_SIZE,
    AT_HASH = GOSSET__BLOCK - GOSSET__HASH_SIZE
};

void gosset__shard_place(gosset__shard_header *header, uint64_t row_count, uint64_t cells) {
    const gosset__layout *layout = &header->layout;
    header->row_count = row_count;
    header->page_count = (row_count + layout->records_per_page - 1) / layout->records_per_page;
    const uint64_t lengths[GOSSET__SECTIONS] = {cells * GOSSET__CELL_ENTRY, row_count * layout->code_size,
                                                header->page_count * layout->page_size};
    uint64_t offset = GOSSET__BLOCK;
    for (int i = 0; i < GOSSET__SECTIONS; i++) {
        header->sections[i].offset = offset;
        header->sections[i].length = lengths[i];
        offset += gosset__round_up(lengths[i], GOSSET__BLOCK);
    }
    header->file_length = offset + GOSSET__BLOCK;
}

void gosset__shard_header_store(gosset__shard_header *header, uint8_t page[GOSSET__BLOCK]) {
    memset(page, 0, GOSSET__BLOCK);
    memcpy(page, magic, sizeof magic);
    gosset__store32(page + AT_VERSION, GOSSET__FORMAT_VERSION);
    gosset__store32(page + AT_LENGTH, HEADER_LENGTH);
    gosset__layout_store(&header->layout, page + AT_LAYOUT);
    gosset__store64(page + AT_GENERATION, header->generation);
    gosset__store32(page + AT_NUMBER, header->number);
    gosset__store32(page + AT_SECTION_COUNT, GOSSET__SECTIONS);
    gosset__store64(page + AT_ROWS, header->row_count);
    gosset__store64(page + AT_PAGES, header->page_count);
    gosset__store64(page + AT_FILE_LENGTH, header->file_length);
    for (uint32_t i = 0; i < GOSSET__SECTIONS; i++) {
        uint8_t *entry = page + AT_SECTIONS + SECTION_SIZE * i;
        gosset__store32(entry, i + 1); /* kind */
        gosset__store64(entry + 8, header->sections[i].offset);
        gosset__store64(entry + 16, header->sections[i].length);
        gosset__store64(entry + 24, header->sections[i].hash);
    }
    header->hash = gosset__hash(page, AT_HASH, 0);
    gosset__store64(page + AT_HASH, header->hash);
}

/* The counts must give the sections and the file length that are written down. Row counts are bounded by the
 * file length first, so that the arithmetic cannot overflow. */
static gosset_status check_geometry(const gosset__shard_header *header, uint64_t cells, const char *path) {
    gosset_status status = GOSSET_OK;
    gosset__shard_header expected = *header;
    GOSSET_REQUIRE(
        header->row_count <= header->file_length / header->layout.code_size && header->row_count < UINT32_MAX &&
            cells <= header->row_count && cells <= header->layout.cell_count,
        GOSSET_E_CORRUPT, "%s: header at byte 0: %llu rows of %llu cells do not fit %llu bytes", path,
        (unsigned long long)header->row_count, (unsigned long long)cells, (unsigned long long)header->file_length);
    gosset__shard_place(&expected, header->row_count, cells);
    GOSSET_REQUIRE(expected.file_length == header->file_length && expected.page_count == header->page_count,
                   GOSSET_E_CORRUPT,
                   "%s: header at byte 0: %llu rows: expected %llu pages and %llu bytes, found %llu "
                   "and %llu",
                   path, (unsigned long long)header->row_count, (unsigned long long)expected.page_count,
                   (unsigned long long)expected.file_length, (unsigned long long)header->page_count,
                   (unsigned long long)header->file_length);
    for (int i = 0; i < GOSSET__SECTIONS; i++)
        GOSSET_REQUIRE(expected.sections[i].offset == header->sections[i].offset &&
                           expected.sections[i].length == header->sections[i].length,
                       GOSSET_E_CORRUPT,
                       "%s: header at byte 0: section %d: expected %llu bytes at %llu, found %llu at "
                       "%llu",
                       path, i + 1, (unsigned long long)expected.sections[i].length,
                       (unsigned long long)expected.sections[i].offset, (unsigned long long)header->sections[i].length,
                       (unsigned long long)header->sections[i].offset);
out:
    return status;
}

gosset_status gosset__shard_header_load(gosset__shard_header *header, const uint8_t page[GOSSET__BLOCK],
                                        uint64_t file_length, const char *path) {
    gosset_status status = GOSSET_OK;
    memset(header, 0, sizeof *header);
    GOSSET_REQUIRE(memcmp(page, magic, sizeof magic) == 0, GOSSET_E_CORRUPT, "%s: byte 0: not a shard of Gosset", path);
    header->hash = gosset__load64(page + AT_HASH);
    GOSSET_REQUIRE(header->hash == gosset__hash(page, AT_HASH, 0), GOSSET_E_CORRUPT,
                   "%s: header at byte 0: checksum differs", path);
    GOSSET_REQUIRE(gosset__load32(page + AT_VERSION) == GOSSET__FORMAT_VERSION, GOSSET_E_FORMAT_VERSION,
                   "%s: format version: expected %d, found %u", path, GOSSET__FORMAT_VERSION,
                   gosset__load32(page + AT_VERSION));
    GOSSET_REQUIRE(gosset__load32(page + AT_LENGTH) == HEADER_LENGTH &&
                       gosset__load32(page + AT_SECTION_COUNT) == GOSSET__SECTIONS,
                   GOSSET_E_CORRUPT, "%s: header at byte 0: expected %d bytes and %d sections, found %u and %u", path,
                   HEADER_LENGTH, GOSSET__SECTIONS, gosset__load32(page + AT_LENGTH),
                   gosset__load32(page + AT_SECTION_COUNT));
    GOSSET_TRY(gosset__layout_load(&header->layout, page + AT_LAYOUT, path));
    header->generation = gosset__load64(page + AT_GENERATION);
    header->number = gosset__load32(page + AT_NUMBER);
    header->row_count = gosset__load64(page + AT_ROWS);
    header->page_count = gosset__load64(page + AT_PAGES);
    header->file_length = gosset__load64(page + AT_FILE_LENGTH);
    GOSSET_REQUIRE(header->file_length == file_length, GOSSET_E_CORRUPT, "%s: length: expected %llu bytes, found %llu",
                   path, (unsigned long long)header->file_length, (unsigned long long)file_length);
    for (uint32_t i = 0; i < GOSSET__SECTIONS; i++) {
        const uint8_t *entry = page + AT_SECTIONS + SECTION_SIZE * i;
        GOSSET_REQUIRE(gosset__load64(entry) == i + 1, GOSSET_E_CORRUPT,
                       "%s: header at byte 0: section %u is of an unknown kind", path, i + 1);
        header->sections[i].offset = gosset__load64(entry + 8);
        header->sections[i].length = gosset__load64(entry + 16);
        header->sections[i].hash = gosset__load64(entry + 24);
    }
    uint64_t cells_length = header->sections[GOSSET__SECTION_CELLS].length;
    size_t stray = HEADER_LENGTH + gosset__first_nonzero(page + HEADER_LENGTH, AT_HASH - HEADER_LENGTH);
    GOSSET_REQUIRE(stray == AT_HASH, GOSSET_E_CORRUPT, "%s: byte %zu: padding is not zero", path, stray);
    GOSSET_TRY(check_geometry(header, cells_length / GOSSET__CELL_ENTRY, path));
out:
    return status;
}

uint64_t gosset__page_hash(const gosset__layout *layout, uint64_t generation, uint32_t shard, uint64_t page,
                           const uint8_t *data) {
    uint8_t place[24];
    gosset__store64(place, generation);
    gosset__store64(place + 8, shard);
    gosset__store64(place + 16, page);
    return gosset__hash(data, layout->page_size - GOSSET__HASH_SIZE, gosset__hash(place, sizeof place, 0));
}

uint64_t gosset__page_offset(const gosset__shard_header *header, uint64_t page) {
    return header->sections[GOSSET__SECTION_PAGES].offset + page * header->layout.page_size;
}

uint32_t gosset__shard_page_records(const gosset__shard_header *header, uint64_t page) {
    uint64_t left = header->row_count - page * header->layout.records_per_page;
    return left < header->layout.records_per_page ? (uint32_t)left : header->layout.records_per_page;
}
