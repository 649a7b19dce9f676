/** Cases of the readers and writers of vector files. */
#ifndef GOSSET_TESTS_DATASETS_H
#define GOSSET_TESTS_DATASETS_H

#include "datasets/vectors.h"
#include "support/support.h"

#include <check.h>

/** A directory of the running case; removed by its teardown. */
extern char directory[TEMP_PATH_SIZE];

/** A file made of parts: bytes are appended as they come. */
typedef struct file_parts {
    unsigned char bytes[8192];
    size_t size;
} file_parts;
void put(file_parts *parts, const void *data, size_t size);
void put32(file_parts *parts, uint32_t value);
/** A NumPy file's head with this dictionary, padded as numpy.save does. */
void put_npy(file_parts *parts, int version, const char *dictionary);
/** Writes the parts under that name and returns its path. */
const char *write_parts(const file_parts *parts, const char *name);

/** Value of element j of row i, whatever the type. */
double element_at(const gosset_vectors *vectors, size_t i, uint32_t j);

TCase *read_cases(void);
TCase *malformed_cases(void);
TCase *write_cases(void);
TCase *grow_cases(void);

#endif
