/* The manifest: read with suspicion, replaced atomically. The bytes are described in FORMAT.md. */
#include "index/manifest.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "base/status.h"
#include "index/directory.h"

static const char magic[8] = {'G', 'O', 'S', 'S', 'E', 'T', 'M', 'F'};

enum {
    AT_VERSION = 8,
    AT_LENGTH = 12,
    AT_FILE_LENGTH = 16,
    AT_GENERATION = 24,
    AT_LAYOUT = 32,
    AT_ROWS = 72,
    AT_PAGES = 80,
    AT_SHARD_COUNT = 88,
    AT_MODEL_LENGTH = 96,
    AT_MODEL_HASH = 104,
    AT_CALIBRATION_LENGTH = 112,
    HEADER_LENGTH = 120,
    SHARD_SIZE = 40,
    SIZE_LIMIT = 1 << 27 /* more than GOSSET__MAX_SHARDS and GOSSET__MAX_CALIBRATION need */
};

gosset_status gosset__manifest_add(gosset__manifest *manifest, const gosset__manifest_shard *shard,
                                   const gosset__env *env) {
    if (manifest->shard_count == GOSSET__MAX_SHARDS)
        return gosset__fail(GOSSET_E_ARGUMENT, "shard size: this index would need more than %d shards",
                            GOSSET__MAX_SHARDS);
    if (manifest->shard_count == manifest->shard_capacity) {
        uint32_t capacity = manifest->shard_capacity == 0 ? 16 : 2 * manifest->shard_capacity;
        size_t size = capacity * sizeof *shard;
        void *grown = gosset__realloc(env, manifest->shards, manifest->shard_capacity * sizeof *shard, size);
        if (grown == NULL) return gosset__no_memory("the list of shards", size);
        manifest->shards = grown;
        manifest->shard_capacity = capacity;
    }
    manifest->shards[manifest->shard_count++] = *shard;
    manifest->row_count += shard->row_count;
    manifest->page_count += shard->page_count;
    return GOSSET_OK;
}

void gosset__manifest_free(gosset__manifest *manifest, const gosset__env *env) {
    gosset__free(env, manifest->shards);
    gosset__free(env, manifest->calibration);
    memset(manifest, 0, sizeof *manifest);
}

/* Fixed part: every count is bounded by the length of the file before it is used. */
static gosset_status read_head(gosset__manifest *out, uint64_t *shard_count, const uint8_t *data, size_t size,
                               const char *path) {
    gosset_status status = GOSSET_OK;
    GOSSET_REQUIRE(size >= HEADER_LENGTH + GOSSET__HASH_SIZE, GOSSET_E_CORRUPT,
                   "%s: length: expected at least %d bytes, found %zu", path, HEADER_LENGTH + GOSSET__HASH_SIZE, size);
    GOSSET_REQUIRE(memcmp(data, magic, sizeof magic) == 0, GOSSET_E_CORRUPT, "%s: byte 0: not a manifest of Gosset",
                   path);
    GOSSET_REQUIRE(gosset__load64(data + AT_FILE_LENGTH) == size, GOSSET_E_CORRUPT,
                   "%s: byte %d: length: expected %llu bytes, found %zu", path, AT_FILE_LENGTH,
                   (unsigned long long)gosset__load64(data + AT_FILE_LENGTH), size);
    GOSSET_REQUIRE(gosset__load64(data + size - GOSSET__HASH_SIZE) == gosset__hash(data, size - GOSSET__HASH_SIZE, 0),
                   GOSSET_E_CORRUPT, "%s: bytes 0 to %zu: checksum differs", path, size - GOSSET__HASH_SIZE);
    GOSSET_REQUIRE(gosset__load32(data + AT_VERSION) == GOSSET__FORMAT_VERSION, GOSSET_E_FORMAT_VERSION,
                   "%s: format version: expected %d, found %u", path, GOSSET__FORMAT_VERSION,
                   gosset__load32(data + AT_VERSION));
    GOSSET_REQUIRE(gosset__load32(data + AT_LENGTH) == HEADER_LENGTH, GOSSET_E_CORRUPT,
                   "%s: byte %d: header: expected %d bytes, found %u", path, AT_LENGTH, HEADER_LENGTH,
                   gosset__load32(data + AT_LENGTH));
    GOSSET_TRY(gosset__layout_load(&out->layout, data + AT_LAYOUT, path));
    out->generation = gosset__load64(data + AT_GENERATION);
    out->row_count = gosset__load64(data + AT_ROWS);
    out->page_count = gosset__load64(data + AT_PAGES);
    out->model_size = gosset__load64(data + AT_MODEL_LENGTH);
    out->model_hash = gosset__load64(data + AT_MODEL_HASH);
    out->file_length = size;
    *shard_count = gosset__load64(data + AT_SHARD_COUNT);
    uint64_t calibration = gosset__load64(data + AT_CALIBRATION_LENGTH);
    GOSSET_REQUIRE(
        out->generation > 0 && *shard_count <= GOSSET__MAX_SHARDS && calibration <= GOSSET__MAX_CALIBRATION &&
            gosset__round_up(HEADER_LENGTH + *shard_count * SHARD_SIZE + calibration, 8) + GOSSET__HASH_SIZE == size,
        GOSSET_E_CORRUPT, "%s: %llu shards and %llu calibration bytes do not give %zu bytes", path,
        (unsigned long long)*shard_count, (unsigned long long)calibration, size);
    out->calibration_size = (size_t)calibration;
out:
    return status;
}

static gosset_status read_body(gosset__manifest *out, uint32_t shard_count, const uint8_t *data, const char *path,
                               const gosset__env *env) {
    gosset_status status = GOSSET_OK;
    const uint64_t rows = out->row_count, pages = out->page_count;
    out->row_count = out->page_count = 0;
    for (uint32_t i = 0; i < shard_count; i++) {
        size_t at = HEADER_LENGTH + (size_t)i * SHARD_SIZE;
        gosset__manifest_shard shard = {.row_count = gosset__load64(data + at + 8),
                                        .page_count = gosset__load64(data + at + 16),
                                        .file_length = gosset__load64(data + at + 24),
                                        .header_hash = gosset__load64(data + at + 32)};
        GOSSET_REQUIRE(gosset__load64(data + at) == i && shard.row_count > 0 && shard.row_count < UINT32_MAX &&
                           shard.page_count <= shard.row_count,
                       GOSSET_E_CORRUPT, "%s: byte %zu: entry of shard %u is impossible", path, at, i);
        GOSSET_TRY(gosset__manifest_add(out, &shard, env));
    }
    GOSSET_REQUIRE(out->row_count == rows && out->page_count == pages, GOSSET_E_CORRUPT,
                   "%s: rows of all shards: expected %llu, found %llu", path, (unsigned long long)rows,
                   (unsigned long long)out->row_count);
    if (out->calibration_size > 0) {
        out->calibration = gosset__alloc(env, out->calibration_size);
        if (out->calibration == NULL) return gosset__no_memory("the calibration", out->calibration_size);
        memcpy(out->calibration, data + HEADER_LENGTH + (size_t)shard_count * SHARD_SIZE, out->calibration_size);
    }
out:
    return status;
}

gosset_status gosset__manifest_read(gosset__manifest *out, const char *directory, const gosset__env *env) {
    gosset_status status = GOSSET_OK;
    char path[GOSSET__PATH_MAX];
    void *data = NULL;
    size_t size = 0;
    uint64_t shard_count = 0;
    memset(out, 0, sizeof *out);
    GOSSET_TRY(gosset__path_join(path, directory, GOSSET__MANIFEST_NAME));
    GOSSET_TRY(gosset__read_file(env, path, SIZE_LIMIT, &data, &size));
    GOSSET_TRY(read_head(out, &shard_count, data, size, path));
    GOSSET_TRY(read_body(out, (uint32_t)shard_count, data, path, env));
out:
    gosset__free(env, data);
    return status;
}

gosset_status gosset__manifest_write(const gosset__manifest *manifest, const char *directory, const gosset__env *env) {
    gosset_status status = GOSSET_OK;
    char path[GOSSET__PATH_MAX];
    size_t entries = (size_t)manifest->shard_count * SHARD_SIZE;
    size_t end = (size_t)gosset__round_up(HEADER_LENGTH + entries + manifest->calibration_size, 8);
    uint8_t *data = gosset__alloc_zero(env, end + GOSSET__HASH_SIZE);
    if (data == NULL) return gosset__no_memory("the manifest", end + GOSSET__HASH_SIZE);
    memcpy(data, magic, sizeof magic);
    gosset__store32(data + AT_VERSION, GOSSET__FORMAT_VERSION);
    gosset__store32(data + AT_LENGTH, HEADER_LENGTH);
    gosset__store64(data + AT_FILE_LENGTH, end + GOSSET__HASH_SIZE);
    gosset__store64(data + AT_GENERATION, manifest->generation);
    gosset__layout_store(&manifest->layout, data + AT_LAYOUT);
    gosset__store64(data + AT_ROWS, manifest->row_count);
    gosset__store64(data + AT_PAGES, manifest->page_count);
    gosset__store64(data + AT_SHARD_COUNT, manifest->shard_count);
    gosset__store64(data + AT_MODEL_LENGTH, manifest->model_size);
    gosset__store64(data + AT_MODEL_HASH, manifest->model_hash);
    gosset__store64(data + AT_CALIBRATION_LENGTH, manifest->calibration_size);
    for (uint32_t i = 0; i < manifest->shard_count; i++) {
        uint8_t *entry = data + HEADER_LENGTH + (size_t)i * SHARD_SIZE;
        gosset__store64(entry, i);
        gosset__store64(entry + 8, manifest->shards[i].row_count);
        gosset__store64(entry + 16, manifest->shards[i].page_count);
        gosset__store64(entry + 24, manifest->shards[i].file_length);
        gosset__store64(entry + 32, manifest->shards[i].header_hash);
    }
    if (manifest->calibration_size > 0)
        memcpy(data + HEADER_LENGTH + entries, manifest->calibration, manifest->calibration_size);
    gosset__store64(data + end, gosset__hash(data, end, 0));
    GOSSET_TRY(gosset__path_join(path, directory, GOSSET__MANIFEST_NAME));
    GOSSET_TRY(gosset__replace_file(path, data, end + GOSSET__HASH_SIZE));
out:
    gosset__free(env, data);
    return status;
}
