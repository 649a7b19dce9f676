/*
 * External merge sort. Rows are collected in chunks, sorted through an array of {first 8 bytes, index} (the
 * rows themselves move once, to the run), written as runs of one temporary file, and merged by a heap. If
 * the runs are too many for buffers of 64 KiB, passes merge groups of them into longer runs first.
 */
#include "index/sort.h"
#include "base/bytes.h"
#include "base/status.h"
#include "index/directory.h"
#include "index/stream.h"
#include <unistd.h>

enum { BUFFER = 64 * 1024, BUFFER_MAX = 1024 * 1024, CHUNK_MAX = 1024 * 1024, FAN_IN_MAX = 512, SMALL_RANGE = 24 };

typedef struct sort_entry {
    uint64_t prefix; /* first 8 bytes of the row, big-endian */
    uint32_t index;
} sort_entry;

typedef struct sort_run {
    uint64_t offset, length;
} sort_run;

typedef struct sort_file {
    int fd;
    char path[GOSSET__PATH_MAX];
    uint64_t length;
    sort_run *runs;
    uint32_t run_count, run_capacity;
} sort_file;

typedef struct sort_source {
    uint64_t offset, end; /* of the part of the run still in the file */
    uint8_t *buffer;
    size_t at, filled;
} sort_source;

struct gosset__sorter {
    gosset__env env;
    char directory[GOSSET__PATH_MAX];
    size_t row_size;
    /* collecting */
    uint8_t **chunks;
    uint32_t chunk_shift, chunk_count, chunk_limit; /* 2^shift rows per chunk */
    uint64_t count, capacity;
    sort_entry *entries;
    uint8_t *write_buffer;
    uint32_t runs_written, file_number;
    sort_file file;
    /* merging */
    int merging;
    uint64_t position; /* of the next row when all rows are in memory */
    sort_source *sources;
    uint32_t *heap;
    uint32_t heap_size;
    uint8_t *merge_buffers;
    size_t merge_capacity; /* per source */
    int advance;           /* the top of the heap was given out */
};

size_t gosset__sorter_minimum(size_t row_size) {
    size_t rows = 8 * (row_size + sizeof(sort_entry));
    return BUFFER + (rows > 3 * (size_t)BUFFER ? rows : 3 * (size_t)BUFFER);
}

gosset_status gosset__sorter_create(gosset__sorter **out, const char *directory, size_t row_size, size_t memory,
                                    const gosset__env *env) {
    gosset_status status = GOSSET_OK;
    *out = NULL;
    gosset__sorter *sorter = gosset__alloc_zero(env, sizeof *sorter);
    if (sorter == NULL) return gosset__no_memory("a sorter", sizeof *sorter);
    sorter->env = *env;
    sorter->row_size = row_size;
    sorter->file.fd = -1;
    GOSSET_TRY(gosset__path_join(sorter->directory, directory, ""));
    size_t capacity = (memory - BUFFER) / (row_size + sizeof(sort_entry) + 1);
    if (capacity > UINT32_MAX) capacity = UINT32_MAX;
    while ((size_t)2 << sorter->chunk_shift <= capacity / 8 &&
           row_size * ((size_t)2 << sorter->chunk_shift) <= CHUNK_MAX)
        sorter->chunk_shift++;
    sorter->chunk_limit = (uint32_t)(capacity >> sorter->chunk_shift);
    sorter->capacity = (uint64_t)sorter->chunk_limit << sorter->chunk_shift;
    sorter->chunks = gosset__alloc_zero(env, sorter->chunk_limit * sizeof *sorter->chunks);
    sorter->write_buffer = gosset__alloc(env, BUFFER);
    if (sorter->chunks == NULL || sorter->write_buffer == NULL)
        status = gosset__no_memory("the sort buffer", BUFFER + sorter->chunk_limit * sizeof *sorter->chunks);
out:
    if (status != GOSSET_OK) {
        gosset__sorter_free(sorter);
        sorter = NULL;
    }
    *out = sorter;
    return status;
}

static const uint8_t *row_at(const gosset__sorter *sorter, uint32_t index) {
    uint32_t inside = index & ((1u << sorter->chunk_shift) - 1);
    return sorter->chunks[index >> sorter->chunk_shift] + inside * sorter->row_size;
}

/* ---- sorting in memory ---------------------------------------------------------------------- */

static int entry_less(const gosset__sorter *sorter, const sort_entry *a, const sort_entry *b) {
    if (a->prefix != b->prefix) return a->prefix < b->prefix;
    return memcmp(row_at(sorter, a->index), row_at(sorter, b->index), sorter->row_size) < 0;
}

static void insertion_sort(const gosset__sorter *sorter, sort_entry *entries, size_t count) {
    for (size_t i = 1; i < count; i++) {
        sort_entry moving = entries[i];
        size_t j = i;
        for (; j > 0 && entry_less(sorter, &moving, &entries[j - 1]); j--) entries[j] = entries[j - 1];
        entries[j] = moving;
    }
}

static void sift_entry(const gosset__sorter *sorter, sort_entry *entries, size_t at, size_t count) {
    sort_entry moving = entries[at];
    for (size_t child = 2 * at + 1; child < count; child = 2 * at + 1) {
        if (child + 1 < count && entry_less(sorter, &entries[child], &entries[child + 1])) child++;
        if (!entry_less(sorter, &moving, &entries[child])) break;
        entries[at] = entries[child];
        at = child;
    }
    entries[at] = moving;
}

static void heap_sort(const gosset__sorter *sorter, sort_entry *entries, size_t count) {
    for (size_t i = count / 2; i-- > 0;) sift_entry(sorter, entries, i, count);
    for (size_t end = count; end-- > 1;) {
        sort_entry largest = entries[0];
        entries[0] = entries[end];
        entries[end] = largest;
        sift_entry(sorter, entries, 0, end);
    }
}

/* In-place radix sort by the bytes of the prefix (American flag: McIlroy, Bostic, McIlroy 1993). Rows that
 * agree in all 8 bytes are rare and are compared in full. */
static void radix_sort(const gosset__sorter *sorter, sort_entry *entries, size_t count, int shift) {
    size_t next[256], end[256], size[256] = {0};
    if (count <= SMALL_RANGE) {
        insertion_sort(sorter, entries, count);
        return;
    }
    if (shift < 0) {
        heap_sort(sorter, entries, count);
        return;
    }
    for (size_t i = 0; i < count; i++) size[entries[i].prefix >> shift & 255]++;
    for (size_t b = 0, at = 0; b < 256; b++) {
        next[b] = at;
        at += size[b];
        end[b] = at;
    }
    for (size_t b = 0; b < 256; b++)
        while (next[b] < end[b]) {
            sort_entry moving = entries[next[b]];
            for (size_t to = moving.prefix >> shift & 255; to != b; to = moving.prefix >> shift & 255) {
                sort_entry displaced = entries[next[to]];
                entries[next[to]++] = moving;
                moving = displaced;
            }
            entries[next[b]++] = moving;
        }
    for (size_t b = 0, at = 0; b < 256; at += size[b++])
        if (size[b] > 1) radix_sort(sorter, entries + at, size[b], shift - 8);
}

static gosset_status sort_memory(gosset__sorter *sorter) {
    if (sorter->count == 0) return GOSSET_OK;
    if (sorter->entries == NULL) sorter->entries = gosset__alloc_array(&sorter->env, sorter->count, sizeof(sort_entry));
    if (sorter->entries == NULL) return gosset__no_memory("the sort index", sorter->count * sizeof(sort_entry));
    for (uint32_t i = 0; i < sorter->count; i++) {
        sorter->entries[i].prefix = __builtin_bswap64(gosset__load64(row_at(sorter, i)));
        sorter->entries[i].index = i;
    }
    radix_sort(sorter, sorter->entries, (size_t)sorter->count, 56);
    return GOSSET_OK;
}

/* ---- runs ----------------------------------------------------------------------------------- */

static gosset_status file_open(gosset__sorter *sorter, sort_file *file) {
    char name[GOSSET__NAME_MAX];
    memset(file, 0, sizeof *file);
    file->fd = -1;
    gosset__sort_name(name, sorter->file_number++);
    gosset_status status = gosset__path_join(file->path, sorter->directory, name);
    return status == GOSSET_OK ? gosset__open_create(&file->fd, file->path) : status;
}

static void file_close(gosset__sorter *sorter, sort_file *file) {
    if (file->fd >= 0) {
        close(file->fd);
        unlink(file->path);
    }
    file->fd = -1;
    gosset__free(&sorter->env, file->runs);
    file->runs = NULL;
    file->run_count = file->run_capacity = 0;
}

static gosset_status add_run(gosset__sorter *sorter, sort_file *file, uint64_t end) {
    if (file->run_count == file->run_capacity) {
        uint32_t capacity = file->run_capacity == 0 ? 16 : 2 * file->run_capacity;
        sort_run *runs =
            gosset__realloc(&sorter->env, file->runs, file->run_capacity * sizeof *runs, capacity * sizeof *runs);
        if (runs == NULL) return gosset__no_memory("the list of runs", capacity * sizeof *runs);
        file->runs = runs;
        file->run_capacity = capacity;
    }
    file->runs[file->run_count++] = (sort_run){file->length, end - file->length};
    file->length = end;
    return GOSSET_OK;
}

static gosset_status spill(gosset__sorter *sorter) {
    gosset_status status = GOSSET_OK;
    if (sorter->count == 0) return GOSSET_OK;
    if (sorter->file.fd < 0) GOSSET_TRY(file_open(sorter, &sorter->file));
    GOSSET_TRY(sort_memory(sorter));
    gosset__stream stream = {sorter->file.fd, sorter->file.path, sorter->file.length, sorter->write_buffer, 0, BUFFER};
    for (uint64_t i = 0; i < sorter->count; i++)
        GOSSET_TRY(gosset__stream_write(&stream, row_at(sorter, sorter->entries[i].index), sorter->row_size));
    GOSSET_TRY(gosset__stream_flush(&stream));
    GOSSET_TRY(add_run(sorter, &sorter->file, stream.offset));
    sorter->runs_written++;
    sorter->count = 0;
out:
    return status;
}

gosset_status gosset__sorter_push(gosset__sorter *sorter, uint8_t **row) {
    gosset_status status = GOSSET_OK;
    if (sorter->count == sorter->capacity) GOSSET_TRY(spill(sorter));
    uint32_t chunk = (uint32_t)(sorter->count >> sorter->chunk_shift);
    if (chunk == sorter->chunk_count) {
        size_t size = sorter->row_size << sorter->chunk_shift;
        sorter->chunks[chunk] = gosset__alloc(&sorter->env, size);
        if (sorter->chunks[chunk] == NULL) return gosset__no_memory("the sort buffer", size);
        sorter->chunk_count++;
    }
    *row = sorter->chunks[chunk] + (sorter->count & ((1u << sorter->chunk_shift) - 1)) * sorter->row_size;
    sorter->count++;
out:
    return status;
}

/* ---- merging -------------------------------------------------------------------------------- */

static gosset_status refill(gosset__sorter *sorter, const sort_file *file, sort_source *source) {
    uint64_t left = source->end - source->offset;
    size_t size = left < sorter->merge_capacity ? (size_t)left : sorter->merge_capacity;
    source->at = 0;
    source->filled = size;
    if (size == 0) return GOSSET_OK;
    gosset_status status = gosset__read_at(file->fd, source->buffer, size, source->offset, file->path);
    source->offset += size;
    return status;
}

static int source_less(const gosset__sorter *sorter, uint32_t a, uint32_t b) {
    const sort_source *left = &sorter->sources[a], *right = &sorter->sources[b];
    return memcmp(left->buffer + left->at, right->buffer + right->at, sorter->row_size) < 0;
}

static void sift_source(gosset__sorter *sorter, uint32_t at) {
    uint32_t *heap = sorter->heap, moving = heap[at];
    for (uint32_t child = 2 * at + 1; child < sorter->heap_size; child = 2 * at + 1) {
        if (child + 1 < sorter->heap_size && source_less(sorter, heap[child + 1], heap[child])) child++;
        if (!source_less(sorter, heap[child], moving)) break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moving;
}

static void merge_close(gosset__sorter *sorter) {
    gosset__free(&sorter->env, sorter->sources);
    gosset__free(&sorter->env, sorter->heap);
    gosset__free(&sorter->env, sorter->merge_buffers);
    sorter->sources = NULL;
    sorter->heap = NULL;
    sorter->merge_buffers = NULL;
    sorter->heap_size = 0;
    sorter->advance = 0;
}

static gosset_status merge_open(gosset__sorter *sorter, const sort_file *file, uint32_t first, uint32_t count,
                                size_t memory) {
    gosset_status status = GOSSET_OK;
    size_t share = memory / count - sizeof(sort_source) - sizeof(uint32_t);
    if (share > BUFFER_MAX) share = BUFFER_MAX;
    sorter->merge_capacity = share / sorter->row_size * sorter->row_size;
    sorter->sources = gosset__alloc_array(&sorter->env, count, sizeof *sorter->sources);
    sorter->heap = gosset__alloc_array(&sorter->env, count, sizeof *sorter->heap);
    sorter->merge_buffers = gosset__alloc_array(&sorter->env, count, sorter->merge_capacity);
    if (sorter->sources == NULL || sorter->heap == NULL || sorter->merge_buffers == NULL)
        return gosset__no_memory("the merge buffers", count * sorter->merge_capacity);
    for (uint32_t i = 0; i < count; i++) {
        const sort_run *run = &file->runs[first + i];
        sorter->sources[i] = (sort_source){run->offset, run->offset + run->length,
                                           sorter->merge_buffers + i * sorter->merge_capacity, 0, 0};
        sorter->heap[i] = i;
        GOSSET_TRY(refill(sorter, file, &sorter->sources[i]));
    }
    sorter->heap_size = count;
    for (uint32_t i = count / 2; i-- > 0;) sift_source(sorter, i);
out:
    return status;
}

static gosset_status merge_next(gosset__sorter *sorter, const sort_file *file, const uint8_t **row) {
    *row = NULL;
    if (sorter->advance) {
        sort_source *top = &sorter->sources[sorter->heap[0]];
        top->at += sorter->row_size;
        if (top->at == top->filled) {
            gosset_status status = refill(sorter, file, top);
            if (status != GOSSET_OK) return status;
        }
        if (top->filled == 0) sorter->heap[0] = sorter->heap[--sorter->heap_size];
        if (sorter->heap_size > 0) sift_source(sorter, 0);
    }
    sorter->advance = sorter->heap_size > 0;
    if (sorter->heap_size > 0) {
        const sort_source *top = &sorter->sources[sorter->heap[0]];
        *row = top->buffer + top->at;
    }
    return GOSSET_OK;
}

/* One pass: groups of fan_in runs become runs of a new file. */
static gosset_status merge_pass(gosset__sorter *sorter, uint32_t fan_in, size_t memory) {
    gosset_status status = GOSSET_OK;
    sort_file merged;
    GOSSET_TRY(file_open(sorter, &merged));
    gosset__stream stream = {merged.fd, merged.path, 0, sorter->write_buffer, 0, BUFFER};
    for (uint32_t first = 0; first < sorter->file.run_count; first += fan_in) {
        uint32_t left = sorter->file.run_count - first;
        const uint8_t *row;
        GOSSET_TRY(merge_open(sorter, &sorter->file, first, left < fan_in ? left : fan_in, memory));
        for (;;) {
            GOSSET_TRY(merge_next(sorter, &sorter->file, &row));
            if (row == NULL) break;
            GOSSET_TRY(gosset__stream_write(&stream, row, sorter->row_size));
        }
        merge_close(sorter);
        GOSSET_TRY(gosset__stream_flush(&stream));
        GOSSET_TRY(add_run(sorter, &merged, stream.offset));
    }
    file_close(sorter, &sorter->file);
    sorter->file = merged;
    return GOSSET_OK;
out:
    file_close(sorter, &merged);
    return status;
}

static void release_memory(gosset__sorter *sorter) {
    for (uint32_t i = 0; i < sorter->chunk_count; i++) gosset__free(&sorter->env, sorter->chunks[i]);
    sorter->chunk_count = 0;
    gosset__free(&sorter->env, sorter->chunks);
    gosset__free(&sorter->env, sorter->entries);
    sorter->chunks = NULL;
    sorter->entries = NULL;
}

gosset_status gosset__sorter_finish(gosset__sorter *sorter, size_t memory) {
    gosset_status status = GOSSET_OK;
    size_t held = sorter->chunk_count * (sorter->row_size << sorter->chunk_shift) +
                  (size_t)sorter->count * sizeof(sort_entry) + sorter->chunk_limit * sizeof *sorter->chunks + BUFFER;
    sorter->merging = 1;
    if (sorter->runs_written == 0 && held <= memory) return sort_memory(sorter);
    GOSSET_TRY(spill(sorter));
    release_memory(sorter);
    size_t fan_in = (memory - BUFFER) / (BUFFER + sizeof(sort_source) + sizeof(uint32_t));
    if (fan_in > FAN_IN_MAX) fan_in = FAN_IN_MAX;
    while (sorter->file.run_count > fan_in) GOSSET_TRY(merge_pass(sorter, (uint32_t)fan_in, memory - BUFFER));
    if (sorter->file.run_count > 0)
        GOSSET_TRY(merge_open(sorter, &sorter->file, 0, sorter->file.run_count, memory - BUFFER));
out:
    return status;
}

gosset_status gosset__sorter_next(gosset__sorter *sorter, const uint8_t **row) {
    if (sorter->runs_written > 0) return merge_next(sorter, &sorter->file, row);
    *row = sorter->position < sorter->count ? row_at(sorter, sorter->entries[sorter->position++].index) : NULL;
    return GOSSET_OK;
}

uint32_t gosset__sorter_runs(const gosset__sorter *sorter) {
    return sorter->runs_written;
}

void gosset__sorter_free(gosset__sorter *sorter) {
    if (sorter == NULL) return;
    merge_close(sorter);
    file_close(sorter, &sorter->file);
    release_memory(sorter);
    gosset__free(&sorter->env, sorter->write_buffer);
    gosset__env env = sorter->env;
    gosset__free(&env, sorter);
}
