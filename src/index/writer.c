/*
 * Rows in, shards out. The number of rows of every cell is counted as they come, so at the end the cut into
 * shards is known before the first byte is written, and every section is written once, in place.
 */
#include "base/bytes.h"
#include "base/hash.h"
#include "base/status.h"
#include "index/directory.h"
#include "index/repack.h"
#include "index/shard.h"
#include "index/sort.h"
#include "index/store_internal.h"
#include <stdio.h>
#include <unistd.h>

enum { CELL_SIZE = 4, SHARD_SIZE_MIN = 32 * 1024, TICK_ROWS = 4096, SENTENCE_MAX = 1024 };

typedef enum writer_state { WRITER_ADDING, WRITER_FINISHED, WRITER_PUBLISHED, WRITER_BROKEN } writer_state;

struct gosset__store_writer {
    gosset__env env;
    char directory[GOSSET__PATH_MAX];
    gosset__layout layout;
    uint64_t memory, shard_size;
    size_t row_size; /* of the sort: cell and id big-endian around the code, so that memcmp is the order */
    writer_state state;
    int lock, created;
    gosset__manifest manifest;
    uint64_t *cell_rows;
    uint64_t row_count, largest_cell;
    gosset__sorter *sorter;
    gosset__shard_writer shard;
    gosset__repacker repacker;
    gosset__ticker ticker;
};

/* ---- create --------------------------------------------------------------------------------- */

static uint64_t histogram_size(const gosset__layout *layout) {
    return layout->cell_count * sizeof(uint64_t);
}

static gosset_status check_budget(const gosset__store_writer *writer) {
    uint64_t minimum = histogram_size(&writer->layout) + gosset__shard_writer_minimum(&writer->layout) +
                       gosset__sorter_minimum(writer->row_size) +
                       gosset__repack_memory(&writer->layout, writer->row_size, 1) + sizeof *writer;
    if (writer->memory < minimum)
        return gosset__fail(GOSSET_E_ARGUMENT, "memory budget: expected at least %llu bytes, found %llu",
                            (unsigned long long)minimum, (unsigned long long)writer->memory);
    return GOSSET_OK;
}

/* An index that is there is refused or, with `replace`, left alone until publish. A damaged manifest can be
 * replaced too: the new generation is then above every file name. */
static gosset_status choose_generation(gosset__store_writer *writer, int replace) {
    gosset_status status = GOSSET_OK;
    gosset__manifest old;
    char path[GOSSET__PATH_MAX];
    uint64_t newest = 0;
    GOSSET_TRY(gosset__path_join(path, writer->directory, GOSSET__MANIFEST_NAME));
    if (access(path, F_OK) != 0) {
        writer->manifest.generation = 1;
        return gosset__directory_clean(writer->directory, 0, 0);
    }
    GOSSET_REQUIRE(replace, GOSSET_E_EXISTS, "%s: an index is here already", writer->directory);
    gosset_status read = gosset__manifest_read(&old, writer->directory, &writer->env);
    if (read == GOSSET_OK) {
        newest = old.generation;
        status = gosset__directory_clean(writer->directory, old.generation, old.shard_count);
    } else if (read == GOSSET_E_CORRUPT || read == GOSSET_E_FORMAT_VERSION) {
        status = gosset__directory_newest(writer->directory, &newest);
    } else {
        status = read;
    }
    gosset__manifest_free(&old, &writer->env);
    writer->manifest.generation = newest + 1;
out:
    return status;
}

static gosset_status write_model(gosset__store_writer *writer, const void *model, size_t size) {
    gosset_status status = GOSSET_OK;
    char name[GOSSET__NAME_MAX], path[GOSSET__PATH_MAX];
    int fd = -1;
    gosset__model_name(name, writer->manifest.generation);
    GOSSET_TRY(gosset__path_join(path, writer->directory, name));
    GOSSET_TRY(gosset__open_create(&fd, path));
    GOSSET_TRY(gosset__write_at(fd, model, size, 0, path));
    GOSSET_TRY(gosset__fsync_close(&fd, path));
    writer->manifest.model_size = size;
    writer->manifest.model_hash = gosset__hash(model, size, 0);
out:
    if (fd >= 0) close(fd);
    return status;
}

gosset_status gosset__store_writer_create(gosset__store_writer **out, const char *directory,
                                          const gosset__store_config *config, const gosset__env *env) {
    gosset_status status = GOSSET_OK;
    *out = NULL;
    gosset__store_writer *writer = gosset__alloc_zero(env, sizeof *writer);
    if (writer == NULL) return gosset__no_memory("a store writer", sizeof *writer);
    writer->env = *env;
    writer->lock = -1;
    writer->shard.fd = -1;
    writer->layout = config->layout;
    GOSSET_TRY(gosset__layout_derive(&writer->layout));
    GOSSET_REQUIRE(strlen(directory) < GOSSET__PATH_MAX - GOSSET__NAME_MAX - 2, GOSSET_E_ARGUMENT,
                   "%.64s...: path: too long", directory);
    strcpy(writer->directory, directory);
    writer->row_size = CELL_SIZE + writer->layout.code_size + writer->layout.record_size;
    writer->memory = config->memory;
    writer->shard_size = config->shard_size < SHARD_SIZE_MIN ? SHARD_SIZE_MIN : config->shard_size;
    GOSSET_TRY(check_budget(writer));
    GOSSET_TRY(gosset__directory_lock(directory, &writer->lock, &writer->created));
    GOSSET_TRY(choose_generation(writer, config->replace));
    writer->manifest.layout = writer->layout;
    GOSSET_TRY(write_model(writer, config->model, config->model_size));
    writer->cell_rows = gosset__alloc_zero(env, (size_t)histogram_size(&writer->layout));
    if (writer->cell_rows == NULL)
        GOSSET_TRY(gosset__no_memory("the row counts of the cells", (size_t)histogram_size(&writer->layout)));
    size_t left = (size_t)(writer->memory - histogram_size(&writer->layout) - sizeof *writer);
    GOSSET_TRY(gosset__sorter_create(&writer->sorter, directory, writer->row_size, left, env));
out:
    if (status != GOSSET_OK) {
        gosset__store_writer_free(writer);
        writer = NULL;
    }
    *out = writer;
    return status;
}

/* ---- add ------------------------------------------------------------------------------------ */

static gosset_status add_row(gosset__store_writer *writer, uint32_t cell, const uint8_t *code, uint64_t id,
                             const void *vector) {
    gosset_status status = GOSSET_OK;
    const gosset__layout *layout = &writer->layout;
    uint8_t *row;
    GOSSET_REQUIRE(cell < layout->cell_count, GOSSET_E_ARGUMENT, "%s: cell: expected less than %u, found %u",
                   writer->directory, layout->cell_count, cell);
    GOSSET_REQUIRE(id != UINT64_MAX, GOSSET_E_ARGUMENT, "%s: id: %llu is reserved for \"no vector\"", writer->directory,
                   (unsigned long long)id);
    GOSSET_TRY(gosset__sorter_push(writer->sorter, &row));
    gosset__store32(row, __builtin_bswap32(cell));
    memcpy(row + CELL_SIZE, code, layout->code_size);
    gosset__store64(row + CELL_SIZE + layout->code_size, __builtin_bswap64(id));
    memcpy(row + CELL_SIZE + layout->code_size + GOSSET__ID_SIZE, vector, layout->record_size - GOSSET__ID_SIZE);
    writer->row_count++;
    if (++writer->cell_rows[cell] > writer->largest_cell) writer->largest_cell = writer->cell_rows[cell];
out:
    return status;
}

static gosset_status require_adding(const gosset__store_writer *writer) {
    if (writer->state == WRITER_ADDING) return GOSSET_OK;
    return gosset__fail(GOSSET_E_STATE, "%s: %s", writer->directory,
                        writer->state == WRITER_BROKEN ? "an earlier call failed, the writer can only be freed"
                                                       : "the writer is finished already");
}

gosset_status gosset__store_writer_add(gosset__store_writer *writer, size_t count, const uint32_t *cells,
                                       const uint8_t *codes, const uint64_t *ids, const void *vectors) {
    const gosset__layout *layout = &writer->layout;
    size_t vector_size = layout->record_size - GOSSET__ID_SIZE;
    gosset_status status = require_adding(writer);
    for (size_t i = 0; i < count && status == GOSSET_OK; i++) {
        status = add_row(writer, cells[i], codes + i * layout->code_size, ids[i],
                         (const uint8_t *)vectors + i * vector_size);
        if (status != GOSSET_OK) writer->state = WRITER_BROKEN;
    }
    return status;
}

/* Rows of one source shard, read in step: codes come in chunks, records page by page. */
typedef struct copy_context {
    gosset__store_writer *writer;
    const gosset__store *store;
    const gosset__shard *shard;
    uint64_t row, cell_end, page; /* of the shard; page: the one in `data`, UINT64_MAX = none */
    uint32_t cell;
    uint8_t *data;
} copy_context;

static gosset_status copy_codes(void *context, const uint8_t *codes, size_t count) {
    gosset_status status = GOSSET_OK;
    copy_context *copy = context;
    const gosset__layout *layout = &copy->store->layout;
    const uint32_t number = copy->shard->header.number;
    const uint64_t first = copy->store->shard_first_row[number];
    for (size_t i = 0; i < count; i++, copy->row++) {
        uint64_t page = copy->row / layout->records_per_page, offset = gosset__page_offset(&copy->shard->header, page);
        if (page != copy->page) {
            GOSSET_TRY(gosset__read_at(copy->shard->fd, copy->data, layout->page_size, offset, copy->shard->path));
            GOSSET_TRY(gosset__store_check_page(copy->store, copy->store->shard_first_page[number] + page, copy->data));
            copy->page = page;
        }
        while (copy->store->cell_first[copy->cell + 1] <= first + copy->row) copy->cell++;
        const uint8_t *record = copy->data + copy->row % layout->records_per_page * layout->record_size;
        GOSSET_TRY(add_row(copy->writer, copy->cell, codes + i * layout->code_size, gosset__load64(record),
                           record + GOSSET__ID_SIZE));
    }
out:
    return status;
}

gosset_status gosset__store_writer_add_store(gosset__store_writer *writer, const gosset__store *source) {
    gosset_status status = GOSSET_OK;
    copy_context copy = {.writer = writer, .store = source};
    GOSSET_TRY(require_adding(writer));
    GOSSET_TRY(gosset__layout_match(&writer->layout, &source->layout, source->directory));
    copy.data = gosset__alloc(&writer->env, source->layout.page_size);
    if (copy.data == NULL) return gosset__no_memory("a page", source->layout.page_size);
    for (uint32_t i = 0; i < source->shard_count; i++) {
        copy.shard = &source->shards[i];
        copy.row = 0;
        copy.page = UINT64_MAX;
        GOSSET_TRY(gosset__shard_codes(copy.shard, &writer->env, copy_codes, &copy));
    }
out:
    gosset__free(&writer->env, copy.data);
    if (status != GOSSET_OK && status != GOSSET_E_MISMATCH && status != GOSSET_E_STATE) writer->state = WRITER_BROKEN;
    return status;
}

/* ---- finish --------------------------------------------------------------------------------- */

/* Where the next shard starts: `used` rows of `cell` are in earlier shards. */
typedef struct shard_plan {
    uint32_t cell;
    uint64_t used;
    uint64_t rows, cells; /* of the shard planned last */
} shard_plan;

static uint64_t planned_size(const gosset__store_writer *writer, uint64_t rows, uint64_t cells) {
    gosset__shard_header header = {.layout = writer->layout};
    gosset__shard_place(&header, rows, cells);
    return header.file_length;
}

/* Largest part of a cell that fits a shard of its own: at least one page. */
static uint64_t fitting_rows(const gosset__store_writer *writer, uint64_t rows) {
    uint64_t low = writer->layout.records_per_page, high = rows;
    while (low < high) {
        uint64_t middle = low + (high - low + 1) / 2;
        if (middle < UINT32_MAX && planned_size(writer, middle, 1) <= writer->shard_size)
            low = middle;
        else
            high = middle - 1;
    }
    return low < rows ? low : rows;
}

/* Whole cells while they fit; a cell that fits no shard is cut. Depends on the counts alone. */
static int plan_shard(const gosset__store_writer *writer, shard_plan *plan) {
    plan->rows = plan->cells = 0;
    for (; plan->cell < writer->layout.cell_count; plan->cell++, plan->used = 0) {
        uint64_t rows = writer->cell_rows[plan->cell] - plan->used;
        if (rows == 0) continue;
        if (plan->rows + rows >= UINT32_MAX ||
            planned_size(writer, plan->rows + rows, plan->cells + 1) > writer->shard_size) {
            if (plan->rows > 0) break;
            plan->rows = fitting_rows(writer, rows);
            plan->cells = 1;
            plan->used += plan->rows;
            break;
        }
        plan->rows += rows;
        plan->cells++;
    }
    return plan->rows > 0;
}

static gosset_status write_row(gosset__store_writer *writer, uint32_t cell, const uint8_t *row) {
    const uint8_t *code = row + CELL_SIZE, *id = code + writer->layout.code_size;
    return gosset__shard_writer_add(&writer->shard, cell, code, __builtin_bswap64(gosset__load64(id)),
                                    id + GOSSET__ID_SIZE);
}

/* The next `count` rows, all of one cell, through the repacker. */
static gosset_status write_piece(gosset__store_writer *writer, uint32_t cell, uint32_t count) {
    gosset_status status = GOSSET_OK;
    gosset__repacker *repacker = &writer->repacker;
    const uint8_t *row;
    for (uint32_t i = 0; i < count; i++) {
        GOSSET_TRY(gosset__sorter_next(writer->sorter, &row));
        GOSSET_REQUIRE(row != NULL && gosset__load32(row) == __builtin_bswap32(cell), GOSSET_E_IO,
                       "%s: the sorted rows changed on disk during the build", writer->directory);
        memcpy(repacker->rows + i * writer->row_size, row, writer->row_size);
    }
    gosset__repacker_run(repacker, count, writer->shard.rows);
    for (uint32_t i = 0; i < count; i++)
        GOSSET_TRY(write_row(writer, cell, repacker->rows + repacker->order[i] * writer->row_size));
out:
    return status;
}

static gosset_status write_shard(gosset__store_writer *writer, const shard_plan *plan, uint32_t cell, uint64_t used) {
    gosset_status status = GOSSET_OK;
    size_t piece = gosset__repack_piece(&writer->layout, writer->row_size);
    uint64_t ticked = 0;
    GOSSET_TRY(gosset__shard_writer_begin(&writer->shard, writer->directory, writer->manifest.generation,
                                          writer->manifest.shard_count, plan->rows, plan->cells));
    for (; writer->shard.rows < plan->rows; cell++, used = 0) {
        uint64_t left = writer->cell_rows[cell] - used;
        if (left > plan->rows - writer->shard.rows) left = plan->rows - writer->shard.rows;
        for (; left > 0;) {
            uint32_t count = (uint32_t)(left < piece ? left : piece);
            GOSSET_TRY(write_piece(writer, cell, count));
            left -= count;
            if (writer->shard.rows - ticked < TICK_ROWS) continue;
            ticked = writer->shard.rows;
            gosset_progress progress = {
                .phase = "write", .done = writer->manifest.row_count + writer->shard.rows, .total = writer->row_count};
            GOSSET_TRY(gosset__tick(&writer->ticker, &progress));
        }
    }
    GOSSET_TRY(gosset__shard_writer_end(&writer->shard));
    const gosset__shard_header *header = &writer->shard.header;
    gosset__manifest_shard entry = {header->row_count, header->page_count, header->file_length, header->hash};
    GOSSET_TRY(gosset__manifest_add(&writer->manifest, &entry, &writer->env));
out:
    return status;
}

/* The budget of the last phase: repacker for the largest piece, buffers of a shard, the rest for the merge. */
static gosset_status open_output(gosset__store_writer *writer) {
    gosset_status status = GOSSET_OK;
    const gosset__layout *layout = &writer->layout;
    uint64_t piece = gosset__repack_piece(layout, writer->row_size);
    if (piece > writer->largest_cell) piece = writer->largest_cell > 0 ? writer->largest_cell : 1;
    uint64_t repack = gosset__repack_memory(layout, writer->row_size, (size_t)piece);
    uint64_t fixed = histogram_size(layout) + sizeof *writer + repack;
    uint64_t least = gosset__shard_writer_minimum(layout), sort = gosset__sorter_minimum(writer->row_size);
    GOSSET_REQUIRE(writer->memory >= fixed + least + sort, GOSSET_E_NO_MEMORY,
                   "%s: memory budget: the largest cell (%llu rows) needs %llu bytes, found %llu", writer->directory,
                   (unsigned long long)writer->largest_cell, (unsigned long long)(fixed + least + sort),
                   (unsigned long long)writer->memory);
    uint64_t spare = writer->memory - fixed - least - sort;
    uint64_t output = least + (spare / 8 < 4 << 20 ? spare / 8 : 4 << 20);
    GOSSET_TRY(gosset__sorter_finish(writer->sorter, (size_t)(writer->memory - fixed - output)));
    GOSSET_TRY(gosset__repacker_open(&writer->repacker, layout, writer->row_size, (size_t)piece, &writer->env));
    GOSSET_TRY(gosset__shard_writer_open(&writer->shard, layout, (size_t)output, &writer->env));
out:
    return status;
}

static void close_output(gosset__store_writer *writer) {
    gosset__sorter_free(writer->sorter);
    writer->sorter = NULL;
    gosset__repacker_close(&writer->repacker);
    if (writer->shard.env != NULL) gosset__shard_writer_close(&writer->shard);
    gosset__free(&writer->env, writer->cell_rows);
    writer->cell_rows = NULL;
}

gosset_status gosset__store_writer_finish(gosset__store_writer *writer) {
    gosset_status status = GOSSET_OK;
    shard_plan plan = {0};
    GOSSET_TRY(require_adding(writer));
    writer->state = WRITER_BROKEN; /* until all went well */
    gosset__ticker_start(&writer->ticker, &writer->env);
    GOSSET_TRY(open_output(writer));
    for (;;) {
        shard_plan start = plan;
        if (!plan_shard(writer, &plan)) break;
        GOSSET_TRY(write_shard(writer, &plan, start.cell, start.used));
    }
    gosset_progress progress = {.phase = "write", .done = writer->row_count, .total = writer->row_count};
    GOSSET_TRY(gosset__tick(&writer->ticker, &progress));
    GOSSET_TRY(gosset__fsync_directory(writer->directory));
    writer->state = WRITER_FINISHED;
    close_output(writer);
out:
    return status;
}

/* ---- publish -------------------------------------------------------------------------------- */

static gosset_status require_finished(const gosset__store_writer *writer) {
    if (writer->state == WRITER_FINISHED) return GOSSET_OK;
    return gosset__fail(GOSSET_E_STATE, "%s: %s", writer->directory,
                        writer->state == WRITER_PUBLISHED ? "the index is published already"
                                                          : "the index is not finished");
}

gosset_status gosset__store_writer_open(gosset__store_writer *writer, const char *io, gosset__store **out) {
    *out = NULL;
    gosset_status status = require_finished(writer);
    if (status != GOSSET_OK) return status;
    return gosset__store_open_manifest(out, writer->directory, &writer->manifest, io, &writer->env);
}

gosset_status gosset__store_writer_publish(gosset__store_writer *writer, const void *calibration, size_t size) {
    gosset_status status = GOSSET_OK;
    gosset__manifest manifest;
    GOSSET_TRY(require_finished(writer));
    GOSSET_REQUIRE(size <= GOSSET__MAX_CALIBRATION, GOSSET_E_ARGUMENT,
                   "%s: calibration: expected at most %d bytes, found %zu", writer->directory, GOSSET__MAX_CALIBRATION,
                   size);
    manifest = writer->manifest;
    manifest.calibration_size = size;
    manifest.calibration = size == 0 ? NULL : gosset__alloc(&writer->env, size);
    if (size > 0 && manifest.calibration == NULL) return gosset__no_memory("the calibration", size);
    if (size > 0) memcpy(manifest.calibration, calibration, size);
    status = gosset__manifest_write(&manifest, writer->directory, &writer->env);
    gosset__free(&writer->env, manifest.calibration);
    if (status != GOSSET_OK) goto out;
    writer->state = WRITER_PUBLISHED;
    /* The index is visible and durable: leftovers cost disk space only, so a failure here is not one. */
    if (gosset__directory_clean(writer->directory, manifest.generation, manifest.shard_count) != GOSSET_OK)
        gosset__log(&writer->env, GOSSET_LOG_WARNING, "%s", gosset_last_error());
out:
    return status;
}

/* Removes what no visible manifest names. The manifest is read again, because a publish that failed in its
 * last step may have become visible; if it cannot be read, nothing is removed. */
static void remove_unpublished(gosset__store_writer *writer) {
    gosset__manifest visible;
    char sentence[SENTENCE_MAX]; /* of the failure that led here: it must outlive the clean-up */
    snprintf(sentence, sizeof sentence, "%s", gosset_last_error());
    gosset_status status = gosset__manifest_read(&visible, writer->directory, &writer->env);
    if (status == GOSSET_OK)
        (void)gosset__directory_clean(writer->directory, visible.generation, visible.shard_count);
    else if (status == GOSSET_E_NOT_FOUND)
        (void)gosset__directory_clean(writer->directory, 0, 0);
    gosset__manifest_free(&visible, &writer->env);
    gosset__directory_unlock(writer->directory, writer->lock, status == GOSSET_E_NOT_FOUND && writer->created);
    writer->lock = -1;
    (void)gosset__fail(GOSSET_OK, "%s", sentence);
}

void gosset__store_writer_free(gosset__store_writer *writer) {
    if (writer == NULL) return;
    close_output(writer);
    if (writer->lock >= 0 && writer->state != WRITER_PUBLISHED) remove_unpublished(writer);
    gosset__directory_unlock(writer->directory, writer->lock, 0);
    gosset__manifest_free(&writer->manifest, &writer->env);
    gosset__env env = writer->env;
    gosset__free(&env, writer);
}
