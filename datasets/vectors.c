#include "datasets/vectors.h"
#include "datasets/dataset.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the formats are little-endian and are mapped as they are"
#endif

struct gosset_dataset {
    char *path;
    int fd;
    uint64_t size;
    dataset_layout layout;
    void *mapping; /* the whole file, or NULL */
    void *rows;    /* all rows converted, where they cannot be mapped */
    uint8_t *buffer, *converted;
    size_t buffer_size, converted_size;
};

/* ---- failing ---------------------------------------------------------------------------------------------- */

static _Thread_local char last_error[1024];

const char *gosset_dataset_error(void) {
    return last_error;
}

gosset_status dataset_fail(gosset_status status, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(last_error, sizeof last_error, format, arguments);
    va_end(arguments);
    return status;
}

static gosset_status fail_errno(const char *path, const char *what) {
    const int code = errno;
    const gosset_status status = code == ENOENT   ? GOSSET_E_NOT_FOUND
                                 : code == ENOMEM ? GOSSET_E_NO_MEMORY
                                                  : GOSSET_E_IO;
    return dataset_fail(status, "%s: %s: %s", path, what, strerror(code));
}

/* ---- formats ---------------------------------------------------------------------------------------------- */

typedef enum dataset_family { FAMILY_VECS, FAMILY_BIN, FAMILY_NPY } dataset_family;

typedef struct dataset_format {
    const char *ending;
    dataset_family family;
    gosset_element element;
} dataset_format;

static const dataset_format formats[] = {
    {".fvecs", FAMILY_VECS, GOSSET_ELEMENT_F32}, {".bvecs", FAMILY_VECS, GOSSET_ELEMENT_U8},
    {".ivecs", FAMILY_VECS, GOSSET_ELEMENT_I32}, {".fbin", FAMILY_BIN, GOSSET_ELEMENT_F32},
    {".u8bin", FAMILY_BIN, GOSSET_ELEMENT_U8},   {".i8bin", FAMILY_BIN, GOSSET_ELEMENT_I8},
    {".ibin", FAMILY_BIN, GOSSET_ELEMENT_I32},   {".u64bin", FAMILY_BIN, GOSSET_ELEMENT_I64},
    {".npy", FAMILY_NPY, GOSSET_ELEMENT_F32},
};

static const dataset_format *find_format(const char *path) {
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot && i < sizeof formats / sizeof *formats; i++) {
        if (strcmp(dot, formats[i].ending) == 0) return &formats[i];
    }
    dataset_fail(GOSSET_E_UNSUPPORTED,
                 "%s: unknown format, expected .fvecs, .bvecs, .ivecs, .fbin, .u8bin, .i8bin, .ibin, .u64bin or .npy",
                 path);
    return NULL;
}

size_t dataset_element_size(gosset_element element) {
    static const size_t sizes[] = {4, 1, 1, 4, 8, 2};
    return sizes[element];
}

gosset_status dataset_read_at(int fd, void *data, size_t size, uint64_t offset, const char *path) {
    for (uint8_t *next = data; size > 0;) {
        const ssize_t got = pread(fd, next, size, (off_t)offset);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return fail_errno(path, "read");
        if (got == 0)
            return dataset_fail(GOSSET_E_CORRUPT, "%s: ends at byte %llu, expected %zu more", path,
                                (unsigned long long)offset, size);
        next += got;
        offset += (uint64_t)got;
        size -= (size_t)got;
    }
    return GOSSET_OK;
}

/* TEXMEX: every row begins with its dimension, which must be that of the first. */
static gosset_status parse_vecs(dataset_layout *layout, int fd, uint64_t size, const char *path) {
    int32_t dimension = 0;
    if (size < sizeof dimension)
        return dataset_fail(GOSSET_E_CORRUPT, "%s: %llu bytes, too short for one row", path, (unsigned long long)size);
    const gosset_status status = dataset_read_at(fd, &dimension, sizeof dimension, 0, path);
    if (status != GOSSET_OK) return status;
    if (dimension < 1 || dimension > DATASET_DIMENSION_MAX)
        return dataset_fail(GOSSET_E_CORRUPT, "%s: row 0: dimension %d, expected 1 to %d", path, dimension,
                            DATASET_DIMENSION_MAX);
    layout->dimension = (uint32_t)dimension;
    layout->row_header = sizeof dimension;
    layout->stride = sizeof dimension + layout->dimension * dataset_element_size(layout->element);
    layout->count = size / layout->stride;
    if (size % layout->stride != 0)
        return dataset_fail(GOSSET_E_CORRUPT, "%s: size %llu is not a multiple of %llu, the row size at dimension %d",
                            path, (unsigned long long)size, (unsigned long long)layout->stride, dimension);
    return GOSSET_OK;
}

/* big-ann: two uint32 (rows, dimension), then the rows. */
static gosset_status parse_bin(dataset_layout *layout, int fd, uint64_t size, const char *path) {
    uint32_t header[2];
    if (size < sizeof header)
        return dataset_fail(GOSSET_E_CORRUPT, "%s: %llu bytes, too short for a header", path, (unsigned long long)size);
    const gosset_status status = dataset_read_at(fd, header, sizeof header, 0, path);
    if (status != GOSSET_OK) return status;
    if (header[0] == 0) return dataset_fail(GOSSET_E_CORRUPT, "%s: holds no rows", path);
    if (header[1] == 0 || header[1] > DATASET_DIMENSION_MAX)
        return dataset_fail(GOSSET_E_CORRUPT, "%s: dimension %u, expected 1 to %d", path, header[1],
                            DATASET_DIMENSION_MAX);
    layout->count = header[0];
    layout->dimension = header[1];
    layout->offset = sizeof header;
    layout->stride = layout->dimension * dataset_element_size(layout->element);
    return GOSSET_OK;
}

/* A file with a header must be exactly as long as it says. */
static gosset_status check_size(const dataset_layout *layout, uint64_t size, const char *path) {
    uint64_t expected = 0;
    const int overflow = __builtin_mul_overflow(layout->count, layout->stride, &expected) ||
                         __builtin_add_overflow(expected, layout->offset, &expected);
    if (!overflow && expected == size) return GOSSET_OK;
    if (overflow)
        return dataset_fail(GOSSET_E_CORRUPT, "%s: header says %llu x %u, more than a file can hold, found %llu bytes",
                            path, (unsigned long long)layout->count, layout->dimension, (unsigned long long)size);
    return dataset_fail(GOSSET_E_CORRUPT, "%s: header says %llu x %u: expected %llu bytes, found %llu", path,
                        (unsigned long long)layout->count, layout->dimension, (unsigned long long)expected,
                        (unsigned long long)size);
}

/* ---- open ------------------------------------------------------------------------------------------------- */

static gosset_status parse(gosset_dataset *dataset, const dataset_format *format) {
    dataset_layout *layout = &dataset->layout;
    layout->element = format->element;
    gosset_status status = GOSSET_OK;
    switch (format->family) {
    case FAMILY_VECS:
        status = parse_vecs(layout, dataset->fd, dataset->size, dataset->path);
        break;
    case FAMILY_BIN:
        status = parse_bin(layout, dataset->fd, dataset->size, dataset->path);
        break;
    case FAMILY_NPY:
        status = dataset_parse_npy(layout, dataset->fd, dataset->size, dataset->path);
        break;
    }
    return status == GOSSET_OK ? check_size(layout, dataset->size, dataset->path) : status;
}

gosset_status gosset_dataset_open(gosset_dataset **out, const char *path) {
    *out = NULL;
    const dataset_format *format = find_format(path);
    if (!format) return GOSSET_E_UNSUPPORTED;
    gosset_dataset *dataset = calloc(1, sizeof *dataset);
    if (!dataset) return dataset_fail(GOSSET_E_NO_MEMORY, "%s: no memory", path);
    dataset->fd = open(path, O_RDONLY | O_CLOEXEC);
    dataset->path = strdup(path);
    gosset_status status = GOSSET_OK;
    struct stat about;
    if (!dataset->path)
        status = dataset_fail(GOSSET_E_NO_MEMORY, "%s: no memory", path);
    else if (dataset->fd < 0)
        status = fail_errno(path, "open");
    else if (fstat(dataset->fd, &about) != 0)
        status = fail_errno(path, "stat");
    else if (!S_ISREG(about.st_mode))
        status = dataset_fail(GOSSET_E_IO, "%s: not a regular file", path);
    else if (about.st_size == 0)
        status = dataset_fail(GOSSET_E_CORRUPT, "%s: empty file", path);
    if (status == GOSSET_OK) {
        dataset->size = (uint64_t)about.st_size;
        status = parse(dataset, format);
    }
    if (status != GOSSET_OK) {
        gosset_dataset_close(dataset);
        return status;
    }
    *out = dataset;
    return GOSSET_OK;
}

void gosset_dataset_close(gosset_dataset *dataset) {
    if (!dataset) return;
    if (dataset->mapping) munmap(dataset->mapping, dataset->size);
    if (dataset->fd >= 0) close(dataset->fd);
    free(dataset->rows);
    free(dataset->buffer);
    free(dataset->converted);
    free(dataset->path);
    free(dataset);
}

uint64_t gosset_dataset_count(const gosset_dataset *dataset) {
    return dataset->layout.count;
}
uint32_t gosset_dataset_dimension(const gosset_dataset *dataset) {
    return dataset->layout.dimension;
}
const char *gosset_dataset_path(const gosset_dataset *dataset) {
    return dataset->path;
}
gosset_element gosset_dataset_element(const gosset_dataset *dataset) {
    return dataset->layout.element == GOSSET_ELEMENT_F16 ? GOSSET_ELEMENT_F32 : dataset->layout.element;
}

/* ---- rows ------------------------------------------------------------------------------------------------- */

static gosset_status check_rows(const gosset_dataset *dataset, const uint8_t *rows, uint64_t first, size_t count) {
    const dataset_layout *layout = &dataset->layout;
    if (layout->row_header == 0) return GOSSET_OK;
    for (size_t i = 0; i < count; i++) {
        int32_t dimension;
        memcpy(&dimension, rows + i * layout->stride, sizeof dimension);
        if (dimension != (int32_t)layout->dimension)
            return dataset_fail(GOSSET_E_CORRUPT, "%s: row %llu: dimension %d, expected %u", dataset->path,
                                (unsigned long long)(first + i), dimension, layout->dimension);
    }
    return GOSSET_OK;
}

/* IEEE half to single: exact, subnormals included. */
static float half_to_float(uint16_t half) {
    const uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
    const uint32_t magnitude = half & 0x7fffu;
    uint32_t bits;
    float value;
    if (magnitude >= 0x7c00u) {
        bits = sign | 0x7f800000u | (magnitude & 0x3ffu) << 13;
        memcpy(&value, &bits, sizeof value);
        return value;
    }
    /* Shifted into a single's fields the exponent is 112 too small; one multiplication by 2^112 mends it and
     * normalises subnormals on the way. */
    bits = magnitude << 13;
    memcpy(&value, &bits, sizeof value);
    value *= 0x1p112f;
    return sign ? -value : value;
}

static void convert_halves(float *out, const uint8_t *rows, size_t count) {
    for (size_t i = 0; i < count; i++) {
        uint16_t half;
        memcpy(&half, rows + i * sizeof half, sizeof half);
        out[i] = half_to_float(half);
    }
}

static gosset_status check_kind(const gosset_dataset *dataset) {
    if (gosset_dataset_element(dataset) > GOSSET_ELEMENT_I8)
        return dataset_fail(GOSSET_E_DIMENSION, "%s: holds integers, expected vectors of f32, u8 or i8", dataset->path);
    if (dataset->layout.count > SIZE_MAX / dataset->layout.stride)
        return dataset_fail(GOSSET_E_NO_MEMORY, "%s: larger than the address space", dataset->path);
    return GOSSET_OK;
}

static gosset_status map_file(gosset_dataset *dataset) {
    if (dataset->mapping) return GOSSET_OK;
    void *mapping = mmap(NULL, dataset->size, PROT_READ, MAP_PRIVATE, dataset->fd, 0);
    if (mapping == MAP_FAILED) return fail_errno(dataset->path, "map");
    dataset->mapping = mapping;
    const dataset_layout *layout = &dataset->layout;
    return check_rows(dataset, (const uint8_t *)mapping + layout->offset, 0, layout->count);
}

static gosset_vectors view_of(const gosset_dataset *dataset, const uint8_t *rows, size_t count) {
    const dataset_layout *layout = &dataset->layout;
    return (gosset_vectors){.data = rows + layout->row_header,
                            .count = count,
                            .stride = layout->stride,
                            .dimension = layout->dimension,
                            .type = (gosset_type)layout->element};
}

static gosset_vectors view_of_floats(const gosset_dataset *dataset, const void *rows, size_t count) {
    return (gosset_vectors){.data = rows, .count = count, .dimension = dataset->layout.dimension, .type = GOSSET_F32};
}

gosset_status gosset_dataset_map(gosset_dataset *dataset, gosset_vectors *vectors) {
    const dataset_layout *layout = &dataset->layout;
    gosset_status status = check_kind(dataset);
    if (status == GOSSET_OK) status = map_file(dataset);
    if (status != GOSSET_OK) return status;
    const uint8_t *rows = (const uint8_t *)dataset->mapping + layout->offset;
    const int misaligned = layout->element == GOSSET_ELEMENT_F32 && (layout->offset + layout->row_header) % 4 != 0;
    if (layout->element != GOSSET_ELEMENT_F16 && !misaligned) {
        *vectors = view_of(dataset, rows, layout->count);
        return GOSSET_OK;
    }
    if (!dataset->rows) {
        const size_t values = layout->count * layout->dimension;
        dataset->rows = values > SIZE_MAX / sizeof(float) ? NULL : malloc(values * sizeof(float));
        if (!dataset->rows)
            return dataset_fail(GOSSET_E_NO_MEMORY, "%s: no memory for %zu values", dataset->path, values);
        if (misaligned)
            memcpy(dataset->rows, rows, values * sizeof(float));
        else
            convert_halves(dataset->rows, rows, values);
    }
    *vectors = view_of_floats(dataset, dataset->rows, layout->count);
    return GOSSET_OK;
}

static gosset_status reserve(gosset_dataset *dataset, uint8_t **buffer, size_t *capacity, size_t size) {
    if (size <= *capacity) return GOSSET_OK;
    free(*buffer);
    *capacity = 0;
    *buffer = malloc(size);
    if (!*buffer) return dataset_fail(GOSSET_E_NO_MEMORY, "%s: no memory for %zu bytes", dataset->path, size);
    *capacity = size;
    return GOSSET_OK;
}

static gosset_status fill_buffer(gosset_dataset *dataset, uint64_t first, size_t count) {
    const dataset_layout *layout = &dataset->layout;
    const size_t size = count * layout->stride; /* at most the file */
    gosset_status status = reserve(dataset, &dataset->buffer, &dataset->buffer_size, size > 0 ? size : 1);
    if (status == GOSSET_OK)
        status =
            dataset_read_at(dataset->fd, dataset->buffer, size, layout->offset + first * layout->stride, dataset->path);
    return status == GOSSET_OK ? check_rows(dataset, dataset->buffer, first, count) : status;
}

gosset_status gosset_dataset_read(gosset_dataset *dataset, uint64_t first, size_t count, gosset_vectors *vectors) {
    const dataset_layout *layout = &dataset->layout;
    gosset_status status = check_kind(dataset);
    if (status != GOSSET_OK) return status;
    if (first >= layout->count)
        count = 0;
    else if (count > layout->count - first)
        count = (size_t)(layout->count - first);
    status = fill_buffer(dataset, first, count);
    if (status != GOSSET_OK) return status;
    if (layout->element != GOSSET_ELEMENT_F16) {
        *vectors = view_of(dataset, dataset->buffer, count);
        return GOSSET_OK;
    }
    status = reserve(dataset, &dataset->converted, &dataset->converted_size, 2 * count * layout->stride + 1);
    if (status != GOSSET_OK) return status;
    convert_halves((float *)(void *)dataset->converted, dataset->buffer, count * layout->dimension);
    *vectors = view_of_floats(dataset, dataset->converted, count);
    return GOSSET_OK;
}

gosset_status gosset_dataset_read_integers(gosset_dataset *dataset, uint64_t first, size_t count, uint64_t *values) {
    const dataset_layout *layout = &dataset->layout;
    const int wide = layout->element == GOSSET_ELEMENT_I64;
    if (!wide && layout->element != GOSSET_ELEMENT_I32)
        return dataset_fail(GOSSET_E_DIMENSION, "%s: holds vectors, expected integers (.ivecs, .ibin, .u64bin, .npy)",
                            dataset->path);
    if (first > layout->count || count > layout->count - first)
        return dataset_fail(GOSSET_E_ARGUMENT, "%s: holds %llu rows, fewer than asked for", dataset->path,
                            (unsigned long long)layout->count);
    const gosset_status status = fill_buffer(dataset, first, count);
    if (status != GOSSET_OK) return status;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *row = dataset->buffer + i * layout->stride + layout->row_header;
        for (uint32_t j = 0; j < layout->dimension; j++) {
            int64_t value;
            int32_t narrow;
            memcpy(&narrow, row + j * (wide ? 8 : 4), sizeof narrow);
            if (wide)
                memcpy(&value, row + j * 8, sizeof value);
            else
                value = narrow; /* -1 pads some neighbour lists: as an id it becomes GOSSET_NO_ID */
            *values++ = (uint64_t)value;
        }
    }
    return GOSSET_OK;
}

/* ---- write ------------------------------------------------------------------------------------------------ */

struct gosset_dataset_writer {
    char *path;
    FILE *file;
    const dataset_format *format;
    uint64_t count, written;
    uint32_t dimension;
};

static void abandon(gosset_dataset_writer *writer) {
    if (writer->file) fclose(writer->file);
    if (writer->file) unlink(writer->path);
    free(writer->path);
    free(writer);
}

gosset_status gosset_dataset_create(gosset_dataset_writer **out, const char *path, gosset_element element,
                                    uint64_t count, uint32_t dimension) {
    *out = NULL;
    const dataset_format *format = find_format(path);
    if (!format) return GOSSET_E_UNSUPPORTED;
    if (format->family == FAMILY_NPY || format->element != element)
        return dataset_fail(GOSSET_E_UNSUPPORTED, "%s: this ending does not fit what is to be written", path);
    if (dimension == 0 || (format->family == FAMILY_BIN && count > UINT32_MAX))
        return dataset_fail(GOSSET_E_ARGUMENT, "%s: %llu x %u cannot be written in this format", path,
                            (unsigned long long)count, dimension);
    gosset_dataset_writer *writer = calloc(1, sizeof *writer);
    if (!writer) return dataset_fail(GOSSET_E_NO_MEMORY, "%s: no memory", path);
    *writer = (gosset_dataset_writer){strdup(path), NULL, format, count, 0, dimension};
    const uint32_t header[2] = {(uint32_t)count, dimension};
    gosset_status status = GOSSET_OK;
    if (!writer->path)
        status = dataset_fail(GOSSET_E_NO_MEMORY, "%s: no memory", path);
    else if (!(writer->file = fopen(path, "wbe")))
        status = fail_errno(path, "create");
    else if (format->family == FAMILY_BIN && fwrite(header, sizeof header, 1, writer->file) != 1)
        status = fail_errno(path, "write");
    if (status != GOSSET_OK) {
        abandon(writer);
        return status;
    }
    *out = writer;
    return GOSSET_OK;
}

gosset_status gosset_dataset_append(gosset_dataset_writer *writer, uint64_t count, const void *rows) {
    const size_t row_size = writer->dimension * dataset_element_size(writer->format->element);
    const int headed = writer->format->family == FAMILY_VECS;
    if (count > writer->count - writer->written)
        return dataset_fail(GOSSET_E_ARGUMENT, "%s: more rows than the %llu announced", writer->path,
                            (unsigned long long)writer->count);
    for (uint64_t i = 0; i < count; i++) {
        if ((headed && fwrite(&writer->dimension, sizeof writer->dimension, 1, writer->file) != 1) ||
            fwrite((const uint8_t *)rows + i * row_size, row_size, 1, writer->file) != 1)
            return fail_errno(writer->path, "write");
    }
    writer->written += count;
    return GOSSET_OK;
}

gosset_status gosset_dataset_finish(gosset_dataset_writer *writer, int keep) {
    gosset_status status = GOSSET_OK;
    if (keep && writer->written != writer->count)
        status = dataset_fail(GOSSET_E_STATE, "%s: %llu rows written, %llu announced", writer->path,
                              (unsigned long long)writer->written, (unsigned long long)writer->count);
    else if (keep && fflush(writer->file) != 0)
        status = fail_errno(writer->path, "write");
    if (keep && status == GOSSET_OK) {
        FILE *file = writer->file;
        writer->file = NULL;
        if (fclose(file) != 0) {
            status = fail_errno(writer->path, "write");
            unlink(writer->path);
        }
    }
    abandon(writer);
    return status;
}

gosset_status gosset_dataset_write(const char *path, gosset_element element, uint64_t count, uint32_t dimension,
                                   const void *rows) {
    gosset_dataset_writer *writer = NULL;
    gosset_status status = gosset_dataset_create(&writer, path, element, count, dimension);
    if (status != GOSSET_OK) return status;
    status = gosset_dataset_append(writer, count, rows);
    const gosset_status finished = gosset_dataset_finish(writer, status == GOSSET_OK);
    return status == GOSSET_OK ? finished : status;
}
