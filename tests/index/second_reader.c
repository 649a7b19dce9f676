/*
 * A second reader of the index format, written from src/index/FORMAT.md alone: C library and xxHash, nothing of
 * Gosset. Checks every rule of the text and prints one line per row: cell, code, id, vector. Any fault: exit 1.
 */
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

typedef struct bytes {
    uint8_t *data;
    uint64_t size;
} bytes;

static void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

static void expect(int condition, const char *what) {
    if (!condition) fail("second reader: %s", what);
}

static uint64_t number(const uint8_t *at, int size) {
    uint64_t value = 0;
    for (int i = size - 1; i >= 0; i--) value = value << 8 | at[i];
    return value;
}
static uint32_t u32(const uint8_t *at) {
    return (uint32_t)number(at, 4);
}
static uint64_t u64(const uint8_t *at) {
    return number(at, 8);
}
static uint64_t hash(const uint8_t *data, uint64_t size) {
    return XXH3_64bits(data, size);
}
static uint64_t rounded(uint64_t value) {
    return (value + 4095) / 4096 * 4096;
}

static void expect_zero(const uint8_t *data, uint64_t size) {
    for (uint64_t i = 0; i < size; i++) expect(data[i] == 0, "padding is not zero");
}

static bytes slurp(const char *directory, const char *name) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL) fail("second reader: %s cannot be opened", path);
    fseek(file, 0, SEEK_END);
    bytes content = {NULL, (uint64_t)ftell(file)};
    rewind(file);
    content.data = malloc(content.size + 1);
    expect(fread(content.data, 1, content.size, file) == content.size, "a file cannot be read");
    fclose(file);
    return content;
}

typedef struct layout {
    uint32_t dimension, type, code_size, cells, record_size, page_size, per_page;
} layout;

static layout read_layout(const uint8_t *at) {
    layout l = {u32(at), u32(at + 4), u32(at + 12), u32(at + 16), u32(at + 20), u32(at + 24), u32(at + 28)};
    expect(l.dimension >= 1 && l.dimension <= 4096 && l.type <= 3 && u32(at + 8) <= 2, "layout: out of bounds");
    expect(l.code_size >= 1 && l.code_size <= 4096 && l.cells >= 1 && l.cells <= 1u << 24, "layout: out of bounds");
    expect(l.record_size == 8 + l.dimension * (l.type == 0 ? 4 : l.type == 3 ? 2 : 1), "layout: record size");
    expect(l.page_size == rounded(l.record_size + 8), "layout: page size");
    expect(l.per_page == (l.page_size - 8) / l.record_size, "layout: records per page");
    return l;
}

static void print_hex(const uint8_t *data, uint64_t size) {
    for (uint64_t i = 0; i < size; i++) printf("%02x", data[i]);
}

static void check_page(const bytes *shard, const layout *l, uint64_t offset, uint64_t generation, uint64_t shard_number,
                       uint64_t page, uint64_t records) {
    const uint8_t *data = shard->data + offset;
    uint8_t place[24];
    const uint64_t parts[3] = {generation, shard_number, page};
    for (int i = 0; i < 24; i++) place[i] = (uint8_t)(parts[i / 8] >> i % 8 * 8);
    expect(XXH3_64bits_withSeed(data, l->page_size - 8, hash(place, 24)) == u64(data + l->page_size - 8),
           "a page's checksum differs");
    expect_zero(data + records * l->record_size, l->page_size - 8 - records * l->record_size);
}

static uint32_t last_cell; /* of the shard before */

static void read_shard(const char *directory, const uint8_t *manifest, uint64_t index) {
    const uint8_t *entry = manifest + 120 + 40 * index;
    const uint64_t generation = u64(manifest + 24), rows = u64(entry + 8), pages = u64(entry + 16);
    char name[64];
    snprintf(name, sizeof name, "shard-%llu-%04llu.gosset", (unsigned long long)generation, (unsigned long long)index);
    bytes file = slurp(directory, name);
    const uint8_t *header = file.data;
    expect(file.size == u64(entry + 24) && file.size >= 8192 && file.size % 4096 == 0, "shard: length");
    expect(memcmp(header, "GOSSETSH", 8) == 0 && u32(header + 8) == 1 && u32(header + 12) == 192, "shard: header");
    expect(u64(header + 4088) == hash(header, 4088) && u64(header + 4088) == u64(entry + 32), "shard: header hash");
    expect(memcmp(header, file.data + file.size - 4096, 4096) == 0, "shard: footer");
    expect(memcmp(header + 16, manifest + 32, 40) == 0, "shard: layout");
    layout l = read_layout(header + 16);
    expect(u64(header + 56) == generation && u32(header + 64) == index && u32(header + 68) == 3, "shard: identity");
    expect(u64(header + 72) == rows && u64(header + 80) == pages && u64(header + 88) == file.size, "shard: counts");
    expect(rows >= 1 && pages == (rows + l.per_page - 1) / l.per_page, "shard: pages");
    expect_zero(header + 192, 4088 - 192);

    uint64_t at = 4096, offset[3], length[3];
    for (uint32_t i = 0; i < 3; i++) {
        const uint8_t *section = header + 96 + 32 * i;
        offset[i] = u64(section + 8);
        length[i] = u64(section + 16);
        expect(u32(section) == i + 1 && u32(section + 4) == 0 && offset[i] == at, "shard: section");
        expect(length[i] <= file.size && rounded(offset[i] + length[i]) <= file.size - 4096, "shard: section length");
        at = rounded(offset[i] + length[i]);
        expect_zero(file.data + offset[i] + length[i], at - offset[i] - length[i]);
    }
    expect(at == file.size - 4096 && length[0] % 8 == 0, "shard: sections fill the file");
    expect(length[1] == rows * l.code_size && length[2] == pages * l.page_size, "shard: section lengths");
    expect(hash(file.data + offset[0], length[0]) == u64(header + 120), "shard: hash of cells");
    expect(hash(file.data + offset[1], length[1]) == u64(header + 152), "shard: hash of codes");

    uint8_t *sums = malloc(pages * 8);
    for (uint64_t page = 0; page < pages; page++) {
        uint64_t left = rows - page * l.per_page;
        check_page(&file, &l, offset[2] + page * l.page_size, generation, index, page,
                   left < l.per_page ? left : l.per_page);
        memcpy(sums + 8 * page, file.data + offset[2] + (page + 1) * l.page_size - 8, 8);
    }
    expect(hash(sums, pages * 8) == u64(header + 184), "shard: hash of pages");
    free(sums);

    uint64_t row = 0;
    for (uint64_t i = 0; i < length[0] / 8; i++) {
        uint32_t cell = u32(file.data + offset[0] + 8 * i), count = u32(file.data + offset[0] + 8 * i + 4);
        expect(cell < l.cells && count >= 1 && count <= rows - row, "shard: cell");
        expect(i == 0 ? cell >= last_cell : cell > last_cell, "shard: order of cells");
        last_cell = cell;
        for (uint32_t j = 0; j < count; j++, row++) {
            const uint8_t *record =
                file.data + offset[2] + row / l.per_page * l.page_size + row % l.per_page * l.record_size;
            expect(u64(record) != UINT64_MAX, "shard: id");
            printf("%u ", cell);
            print_hex(file.data + offset[1] + row * l.code_size, l.code_size);
            printf(" %llu ", (unsigned long long)u64(record));
            print_hex(record + 8, l.record_size - 8);
            putchar('\n');
        }
    }
    expect(row == rows, "shard: rows of all cells");
    free(file.data);
}

int main(int count, char **arguments) {
    if (count != 2) fail("usage: second_reader DIRECTORY");
    bytes manifest = slurp(arguments[1], "MANIFEST.gosset");
    const uint8_t *at = manifest.data;
    expect(manifest.size >= 128 && memcmp(at, "GOSSETMF", 8) == 0, "manifest: magic");
    expect(u64(at + 16) == manifest.size && hash(at, manifest.size - 8) == u64(at + manifest.size - 8),
           "manifest: length or hash");
    expect(u32(at + 8) == 1 && u32(at + 12) == 120 && u64(at + 24) >= 1, "manifest: version or generation");
    uint64_t shards = u64(at + 88), calibration = u64(at + 112), rows = 0, pages = 0;
    expect(shards <= 1u << 20 && calibration <= 1u << 24, "manifest: counts");
    uint64_t end = 120 + 40 * shards + calibration;
    expect((end + 7) / 8 * 8 + 8 == manifest.size, "manifest: size");
    expect_zero(at + end, manifest.size - 8 - end);
    read_layout(at + 32);

    char name[64];
    snprintf(name, sizeof name, "model-%llu.gosset", (unsigned long long)u64(at + 24));
    bytes model = slurp(arguments[1], name);
    expect(model.size == u64(at + 96) && hash(model.data, model.size) == u64(at + 104), "model: length or hash");
    free(model.data);

    for (uint64_t i = 0; i < shards; i++) {
        expect(u64(at + 120 + 40 * i) == i, "manifest: number of a shard");
        read_shard(arguments[1], at, i);
        rows += u64(at + 120 + 40 * i + 8);
        pages += u64(at + 120 + 40 * i + 16);
    }
    expect(rows == u64(at + 72) && pages == u64(at + 80), "manifest: rows or pages");
    free(manifest.data);
    return 0;
}
