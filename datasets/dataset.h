/** What the readers of the formats share. Private to this folder. */
#ifndef GOSSET_DATASETS_DATASET_H
#define GOSSET_DATASETS_DATASET_H

#include "datasets/vectors.h"

/** Where the rows of a file lie: row i starts at `offset + i * stride`, its elements after `row_header` bytes. */
typedef struct dataset_layout {
    uint64_t count;
    uint32_t dimension;
    gosset_element element;
    uint64_t offset, stride;
    uint32_t row_header; /* 4 in TEXMEX files: the dimension again, as int32 */
} dataset_layout;

enum { DATASET_DIMENSION_MAX = 1 << 20 };

/** Sets this thread's sentence and returns `status`. */
gosset_status dataset_fail(gosset_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

size_t dataset_element_size(gosset_element element);

/** Reads all of [offset, offset + size) or fails. */
gosset_status dataset_read_at(int fd, void *data, size_t size, uint64_t offset, const char *path);

/** Header of a NumPy file, versions 1 to 3; shape (n, d), or (n,) for 64-bit ids. */
gosset_status dataset_parse_npy(dataset_layout *layout, int fd, uint64_t size, const char *path);

#endif /* GOSSET_DATASETS_DATASET_H */
