/* The index as it is opened: directory of cells in memory, codes as scan blocks, pages by number. */
#include "index/store.h"
#include "base/bytes.h"
#include "base/status.h"
#include "index/directory.h"
#include "index/leaves.h"
#include "index/store_internal.h"
#include "kernel/kernel.h"
#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>

enum { OPEN_ATTEMPTS = 8 };

/* ---- open ----------------------------------------------------------------------------------- */

static gosset_status read_model(gosset__store *store, const gosset__manifest *manifest) {
    gosset_status status = GOSSET_OK;
    char name[GOSSET__NAME_MAX], path[GOSSET__PATH_MAX];
    gosset__model_name(name, manifest->generation);
    GOSSET_TRY(gosset__path_join(path, store->directory, name));
    GOSSET_TRY(gosset__read_file(&store->env, path, manifest->model_size, &store->model, &store->model_size));
    GOSSET_REQUIRE(store->model_size == manifest->model_size, GOSSET_E_CORRUPT,
                   "%s: length: expected %llu bytes, found %zu", path, (unsigned long long)manifest->model_size,
                   store->model_size);
    GOSSET_REQUIRE(gosset__hash(store->model, store->model_size, 0) == manifest->model_hash, GOSSET_E_CORRUPT,
                   "%s: bytes 0 to %zu: checksum differs", path, store->model_size);
out:
    return status;
}

/* Counts of the cells are collected one place to the right, so that summing up gives the first rows. */
typedef struct cells_context {
    gosset__store *store;
    const gosset__shard *shard;
    uint32_t last; /* cell of the row before */
    int first;     /* the next cell is the first of its shard, and may go on from the shard before */
} cells_context;

static gosset_status count_cell(void *context, uint32_t cell, uint32_t rows) {
    cells_context *cells = context;
    if (cells->first && cell < cells->last)
        return gosset__fail(GOSSET_E_CORRUPT, "%s: cells at byte %llu: cell %u comes after cell %u of the shard before",
                            cells->shard->path,
                            (unsigned long long)cells->shard->header.sections[GOSSET__SECTION_CELLS].offset, cell,
                            cells->last);
    cells->first = 0;
    cells->last = cell;
    cells->store->cell_first[cell + 1] += rows;
    return GOSSET_OK;
}

static gosset_status open_shards(gosset__store *store, const gosset__manifest *manifest) {
    gosset_status status = GOSSET_OK;
    cells_context cells = {.store = store};
    for (uint32_t i = 0; i < manifest->shard_count; i++) {
        gosset__shard *shard = &store->shards[i];
        GOSSET_TRY(gosset__shard_open(shard, store->directory, manifest, i));
        store->shard_count = i + 1;
        store->disk_bytes += shard->header.file_length;
        store->shard_first_row[i + 1] = store->shard_first_row[i] + shard->header.row_count;
        store->shard_first_page[i + 1] = store->shard_first_page[i] + shard->header.page_count;
        cells.shard = shard;
        cells.first = 1;
        GOSSET_TRY(gosset__shard_cells(shard, &store->env, count_cell, &cells));
    }
    for (uint32_t cell = 0; cell < store->layout.cell_count; cell++)
        store->cell_first[cell + 1] += store->cell_first[cell];
out:
    return status;
}

static gosset_status open_io(gosset__store *store, const char *io) {
    gosset_status status = GOSSET_OK;
    const uint32_t shards = store->shard_count, count = store->code_sums != NULL ? 2 * shards : shards;
    gosset__io_file *files = gosset__alloc_array(&store->env, count, sizeof *files);
    if (files == NULL) return gosset__no_memory("the list of shards", count * sizeof *files);
    for (uint32_t i = 0; i < count; i++) {
        const gosset__shard *shard = &store->shards[i % shards];
        const gosset__section *section =
            &shard->header.sections[i < shards ? GOSSET__SECTION_PAGES : GOSSET__SECTION_CODES];
        memcpy(files[i].path, shard->path, sizeof files[i].path);
        files[i].pages_offset = section->offset;
        files[i].page_count =
            i < shards ? shard->header.page_count
                       : gosset__round_up(section->length, store->layout.page_size) / store->layout.page_size;
    }
    GOSSET_TRY(gosset__io_files_open(&store->files, io, files, count, store->layout.page_size, &store->env));
    store->held.pages = store->files->resident_bytes;
    store->held.rest += store->files->held_bytes;
out:
    gosset__free(&store->env, files);
    return status;
}

static gosset_status allocate(gosset__store *store, const gosset__manifest *manifest) {
    const gosset__env *env = &store->env;
    size_t cells = (size_t)store->layout.cell_count + 1, shards = (size_t)manifest->shard_count + 1;
    store->cell_first = gosset__alloc_zero(env, cells * sizeof *store->cell_first);
    store->shard_first_row = gosset__alloc_zero(env, shards * sizeof *store->shard_first_row);
    store->shard_first_page = gosset__alloc_zero(env, shards * sizeof *store->shard_first_page);
    store->shards = gosset__alloc_zero(env, shards * sizeof *store->shards);
    if (store->cell_first == NULL || store->shard_first_row == NULL || store->shard_first_page == NULL ||
        store->shards == NULL)
        return gosset__no_memory("the directory of cells", cells * sizeof *store->cell_first);
    store->held.cells = cells * sizeof *store->cell_first;
    store->held.rest = sizeof *store + shards * (2 * sizeof(uint64_t) + sizeof *store->shards);
    if (manifest->calibration_size > 0) {
        store->calibration = gosset__alloc(env, manifest->calibration_size);
        if (store->calibration == NULL) return gosset__no_memory("the calibration", manifest->calibration_size);
        memcpy(store->calibration, manifest->calibration, manifest->calibration_size);
        store->calibration_size = manifest->calibration_size;
        store->held.rest += store->calibration_size;
    }
    return GOSSET_OK;
}

gosset_status gosset__store_open_manifest(gosset__store **out, const char *directory, const gosset__manifest *manifest,
                                          const char *io, const gosset__env *env) {
    gosset_status status = GOSSET_OK;
    *out = NULL;
    gosset__store *store = gosset__alloc_zero(env, sizeof *store);
    if (store == NULL) return gosset__no_memory("a store", sizeof *store);
    store->env = *env;
    store->layout = manifest->layout;
    store->row_count = manifest->row_count;
    store->page_count = manifest->page_count;
    store->generation = manifest->generation;
    store->format_version = GOSSET__FORMAT_VERSION;
    GOSSET_REQUIRE(strlen(directory) < GOSSET__PATH_MAX - GOSSET__NAME_MAX - 2, GOSSET_E_ARGUMENT,
                   "%.64s...: path: too long", directory);
    strcpy(store->directory, directory);
    GOSSET_TRY(allocate(store, manifest));
    GOSSET_TRY(read_model(store, manifest));
    GOSSET_TRY(open_shards(store, manifest));
    GOSSET_TRY(open_io(store, io));
    store->disk_bytes += store->model_size + manifest->file_length;
    store->held.model = store->model_size;
out:
    if (status != GOSSET_OK) {
        gosset__store_close(store);
        store = NULL;
    }
    *out = store;
    return status;
}

/* A writer that replaces the index may remove its files between our look at the manifest and theirs: then the
 * manifest has changed, and opening starts again. */
gosset_status gosset__store_open(gosset__store **out, const char *directory, const char *io, const gosset__env *env) {
    gosset__manifest manifest;
    uint64_t generation = 0;
    gosset_status status = GOSSET_OK;
    *out = NULL;
    for (int attempt = 0; attempt < OPEN_ATTEMPTS; attempt++) {
        gosset_status read = gosset__manifest_read(&manifest, directory, env);
        if (read != GOSSET_OK) status = read;
        if (read == GOSSET_OK && (attempt == 0 || manifest.generation != generation)) {
            generation = manifest.generation;
            status = gosset__store_open_manifest(out, directory, &manifest, io, env);
        } else {
            attempt = OPEN_ATTEMPTS;
        }
        gosset__manifest_free(&manifest, env);
        if (status != GOSSET_E_NOT_FOUND) break;
    }
    return status;
}

void gosset__store_close(gosset__store *store) {
    if (store == NULL) return;
    gosset__env env = store->env;
    if (store->files != NULL) gosset__io_files_close(store->files);
    for (uint32_t i = 0; i < store->shard_count; i++) gosset__shard_close(&store->shards[i]);
    gosset__free(&env, store->shards);
    gosset__free(&env, store->cell_first);
    gosset__free(&env, store->shard_first_row);
    gosset__free(&env, store->shard_first_page);
    if (store->blocks_locked) munlock(store->blocks, (size_t)store->held.codes);
    gosset__free(&env, store->blocks);
    gosset__leaves_free(store->leaves, &env);
    gosset__free(&env, store->code_sums);
    gosset__free(&env, store->shard_first_sum);
    gosset__free(&env, store->model);
    gosset__free(&env, store->calibration);
    gosset__free(&env, store);
}

void gosset__store_drop_parsed(gosset__store *store) {
    gosset__free(&store->env, store->model);
    gosset__free(&store->env, store->calibration);
    store->calibration = NULL;
    store->held.rest -= store->calibration_size;
    store->calibration_size = 0;
    store->model = NULL;
    store->model_size = 0;
    store->held.model = 0;
}

/* ---- codes ---------------------------------------------------------------------------------- */

/* Blocks cross the borders of chunks and shards: a part of a block waits in `pending`. */
typedef struct load_context {
    gosset__store *store;
    gosset__block_fn block;
    const void *context;
    uint8_t *pending;
    size_t pending_count;
    uint8_t *whole; /* block */
    uint64_t next;  /* block */
} load_context;

/* A matrix of words. */
static void transpose(const uint8_t *from, uint32_t rows, uint32_t columns, uint8_t *to) {
    for (uint32_t r = 0; r < rows; r++)
        for (uint32_t c = 0; c < columns; c++)
            memcpy(to + 4 * ((size_t)c * rows + r), from + 4 * ((size_t)r * columns + c), 4);
}

static void emit_block(load_context *load, const uint8_t *codes, size_t count) {
    const gosset__store *store = load->store;
    const size_t lead = (size_t)GOSSET__SCAN_BLOCK * store->lead_size;
    const size_t tail = (size_t)GOSSET__SCAN_BLOCK * store->layout.code_size - lead;
    load->block(load->context, codes, count, load->whole);
    memcpy(store->blocks + load->next * lead, load->whole, lead);
    transpose(load->whole + lead, (uint32_t)(tail / 64), GOSSET__SCAN_BLOCK, store->tails + load->next * tail);
    load->next++;
}

static gosset_status load_codes(void *context, const uint8_t *codes, size_t count) {
    load_context *load = context;
    const size_t code_size = load->store->layout.code_size;
    while (count > 0) {
        if (load->pending_count == 0 && count >= GOSSET__SCAN_BLOCK) {
            emit_block(load, codes, GOSSET__SCAN_BLOCK);
            codes += GOSSET__SCAN_BLOCK * code_size;
            count -= GOSSET__SCAN_BLOCK;
            continue;
        }
        size_t room = GOSSET__SCAN_BLOCK - load->pending_count, part = count < room ? count : room;
        memcpy(load->pending + load->pending_count * code_size, codes, part * code_size);
        load->pending_count += part;
        codes += part * code_size;
        count -= part;
        if (load->pending_count < GOSSET__SCAN_BLOCK) break;
        emit_block(load, load->pending, GOSSET__SCAN_BLOCK);
        load->pending_count = 0;
    }
    return GOSSET_OK;
}

/*
 * Scans jump from cell to cell. In pages of 4 KiB every jump looks its address up anew, which was a third of the time
 * of a cold scan (2 MB of codes out of 32: 157 us, in pages of 2 MiB 110).
 */
static uint8_t *allocate_blocks(const gosset__env *env, size_t count, size_t block_size) {
    const size_t huge = (size_t)2 << 20;
    size_t bytes;
    if (__builtin_mul_overflow(count, block_size, &bytes)) return NULL;
    if (bytes < 2 * huge) return gosset__alloc(env, bytes);
    uint8_t *blocks = gosset__alloc_aligned(env, bytes, huge);
    if (blocks != NULL) madvise(blocks, bytes / huge * huge, MADV_HUGEPAGE); /* advice: refusal costs only time */
    return blocks;
}

const uint8_t *gosset__store_blocks(const gosset__store *store, uint64_t first, uint64_t count, uint8_t *room) {
    const size_t lead = (size_t)GOSSET__SCAN_BLOCK * store->lead_size;
    const size_t tail = (size_t)GOSSET__SCAN_BLOCK * store->layout.code_size - lead;
    if (tail == 0) return store->blocks + first * lead;
    uint8_t *to = room;
    for (uint64_t block = first; block < first + count; block++) {
        memcpy(to, store->blocks + block * lead, lead);
        transpose(store->tails + block * tail, GOSSET__SCAN_BLOCK, (uint32_t)(tail / 64), to + lead);
        to += lead + tail;
    }
    return room;
}

void gosset__store_pick(const gosset__store *store, uint64_t row, uint32_t place, uint8_t *block) {
    const uint32_t lead = store->lead_size, tail = store->layout.code_size - lead;
    const uint64_t from = row / GOSSET__SCAN_BLOCK * GOSSET__SCAN_BLOCK;
    const uint8_t *word = store->blocks + from * lead + 4 * (row % GOSSET__SCAN_BLOCK);
    uint8_t *to = block + 4 * (size_t)place;
    for (uint32_t h = 0; h < lead / 4; h++, word += 64, to += 64) memcpy(to, word, 4);
    word = store->tails + row * tail;
    for (uint32_t h = 0; h < tail / 4; h++, word += 4, to += 64) memcpy(to, word, 4);
}

gosset_status gosset__store_pass_codes(const gosset__store *store, gosset__codes_fn take, void *context) {
    gosset_status status = GOSSET_OK;
    for (uint32_t i = 0; i < store->shard_count && status == GOSSET_OK; i++)
        status = gosset__shard_codes(&store->shards[i], &store->env, take, context);
    return status;
}

gosset_status gosset__store_load_codes(gosset__store *store, gosset__block_fn block, const void *context) {
    gosset_status status = GOSSET_OK;
    size_t block_size = (size_t)GOSSET__SCAN_BLOCK * store->layout.code_size;
    load_context load = {.store = store, .block = block, .context = context};
    if (store->blocks != NULL) return gosset__fail(GOSSET_E_STATE, "%s: codes are loaded already", store->directory);
    store->block_count = (store->row_count + GOSSET__SCAN_BLOCK - 1) / GOSSET__SCAN_BLOCK;
    store->blocks = allocate_blocks(&store->env, (size_t)store->block_count, block_size);
    load.pending = gosset__alloc(&store->env, 2 * block_size);
    GOSSET_REQUIRE(store->blocks != NULL && load.pending != NULL, GOSSET_E_NO_MEMORY,
                   "%s: no memory for %llu codes of %u bytes", store->directory, (unsigned long long)store->row_count,
                   store->layout.code_size);
    load.whole = load.pending + block_size;
    if (store->lead_size == 0) store->lead_size = store->layout.code_size;
    store->tails = store->blocks + store->block_count * GOSSET__SCAN_BLOCK * store->lead_size;
    GOSSET_TRY(gosset__store_pass_codes(store, load_codes, &load));
    if (load.pending_count > 0) emit_block(&load, load.pending, load.pending_count);
    store->held.codes = store->block_count * block_size;
out:
    gosset__free(&store->env, load.pending);
    if (status != GOSSET_OK) {
        gosset__free(&store->env, store->blocks);
        store->blocks = NULL;
        store->block_count = 0;
    }
    return status;
}

/* ---- codes on disk -------------------------------------------------------------------------- */

/* Chunks of a section hold any number of codes; pages are hashed across their borders. */
typedef struct sums_context {
    gosset__store *store;
    gosset__hasher hasher;
    size_t used;   /* bytes of the page so far */
    uint64_t next; /* sum */
} sums_context;

static void end_sum(sums_context *sums) {
    if (sums->used > 0) sums->store->code_sums[sums->next++] = gosset__hasher_value(&sums->hasher);
    sums->used = 0;
    gosset__hasher_start(&sums->hasher, 0);
}

static gosset_status sum_codes(void *context, const uint8_t *codes, size_t count) {
    sums_context *sums = context;
    size_t left = count * sums->store->layout.code_size;
    while (left > 0) {
        const size_t room = sums->store->layout.page_size - sums->used, part = left < room ? left : room;
        gosset__hasher_add(&sums->hasher, codes, part);
        sums->used += part;
        codes += part;
        left -= part;
        if (part == room) end_sum(sums);
    }
    return GOSSET_OK;
}

static uint64_t code_length(const gosset__store *store, uint32_t shard) {
    return store->shards[shard].header.sections[GOSSET__SECTION_CODES].length;
}

gosset_status gosset__store_leave_codes(gosset__store *store, const char *io) {
    gosset_status status = GOSSET_OK;
    const uint32_t page_size = store->layout.page_size, shards = store->shard_count;
    sums_context sums = {.store = store};
    if (store->blocks != NULL) return gosset__fail(GOSSET_E_STATE, "%s: codes are loaded already", store->directory);
    store->shard_first_sum = gosset__alloc_zero(&store->env, ((size_t)shards + 1) * sizeof *store->shard_first_sum);
    if (store->shard_first_sum == NULL) return gosset__no_memory("the checksums of codes", shards * sizeof(uint64_t));
    for (uint32_t i = 0; i < shards; i++)
        store->shard_first_sum[i + 1] =
            store->shard_first_sum[i] + gosset__round_up(code_length(store, i), page_size) / page_size;
    const size_t count = (size_t)store->shard_first_sum[shards] + 1;
    store->code_sums = gosset__alloc_array(&store->env, count, sizeof *store->code_sums);
    if (store->code_sums == NULL) GOSSET_TRY(gosset__no_memory("the checksums of codes", count * sizeof(uint64_t)));
    gosset__hasher_start(&sums.hasher, 0);
    for (uint32_t i = 0; i < shards; i++) {
        GOSSET_TRY(gosset__shard_codes(&store->shards[i], &store->env, sum_codes, &sums));
        end_sum(&sums);
    }
    store->held.codes = (count + shards + 1) * sizeof(uint64_t);
    store->held.rest -= store->files->held_bytes;
    gosset__io_files_close(store->files);
    store->files = NULL;
    GOSSET_TRY(open_io(store, io));
out:
    return status;
}

gosset_status gosset__store_check_codes(const gosset__store *store, uint32_t shard, uint64_t page, uint32_t count,
                                        const uint8_t *data) {
    const uint64_t page_size = store->layout.page_size, length = code_length(store, shard);
    const uint64_t *sums = store->code_sums + store->shard_first_sum[shard] + page;
    for (uint64_t i = 0; i < count; i++) {
        const uint64_t at = (page + i) * page_size, left = length - at;
        if (gosset__hash(data + i * page_size, (size_t)(left < page_size ? left : page_size), 0) == sums[i]) continue;
        const uint64_t offset = store->shards[shard].header.sections[GOSSET__SECTION_CODES].offset + at;
        return gosset__fail(GOSSET_E_CORRUPT, "%s: codes at byte %llu: checksum differs", store->shards[shard].path,
                            (unsigned long long)offset);
    }
    return GOSSET_OK;
}

void gosset__store_lock_codes(gosset__store *store, char *reason, size_t size) {
    struct rlimit limit = {0};
    *reason = 0;
    store->blocks_locked = mlock(store->blocks, (size_t)store->held.codes) == 0;
    if (store->blocks_locked) return;
    const int error = errno;
    char text[128];
    getrlimit(RLIMIT_MEMLOCK, &limit);
    snprintf(reason, size, "not locked: %s (ulimit -l is %llu KiB)", strerror_r(error, text, sizeof text),
             (unsigned long long)limit.rlim_cur / 1024);
}

/* ---- pages ---------------------------------------------------------------------------------- */

/* The shard whose range of `firsts` holds `value`: the last one that starts at or before it. */
static uint32_t find_shard(const uint64_t *firsts, uint32_t count, uint64_t value) {
    uint32_t low = 0;
    while (count > 1) {
        uint32_t half = count / 2;
        if (firsts[low + half] <= value) low += half;
        count -= half;
    }
    return low;
}

uint32_t gosset__store_shard_of(const gosset__store *store, uint64_t row) {
    return find_shard(store->shard_first_row, store->shard_count, row);
}

gosset_status gosset__store_check_page(const gosset__store *store, uint64_t page, const uint8_t *data) {
    uint32_t i = find_shard(store->shard_first_page, store->shard_count, page);
    uint64_t inside = page - store->shard_first_page[i];
    uint64_t found = gosset__load64(data + store->layout.page_size - GOSSET__HASH_SIZE);
    if (gosset__page_hash(&store->layout, store->generation, i, inside, data) == found) return GOSSET_OK;
    return gosset__page_damaged(&store->shards[i], inside);
}

uint64_t gosset__store_page_of(const gosset__store *store, uint64_t row) {
    const uint32_t i = gosset__store_shard_of(store, row);
    return store->shard_first_page[i] + (row - store->shard_first_row[i]) / store->layout.records_per_page;
}

uint32_t gosset__store_page_records(const gosset__store *store, uint64_t page) {
    uint32_t i = find_shard(store->shard_first_page, store->shard_count, page);
    return gosset__shard_page_records(&store->shards[i].header, page - store->shard_first_page[i]);
}

uint64_t gosset__store_page_first(const gosset__store *store, uint64_t page) {
    const uint32_t i = find_shard(store->shard_first_page, store->shard_count, page);
    return store->shard_first_row[i] + (page - store->shard_first_page[i]) * store->layout.records_per_page;
}
