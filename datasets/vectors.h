/**
 * @file vectors.h
 * Files of vectors as people exchange them: TEXMEX (.fvecs, .bvecs, .ivecs), big-ann (.fbin, .u8bin, .i8bin,
 * .ibin, .u64bin) and NumPy (.npy). For the tool, the benchmarks and the tests; the library itself reads none.
 *
 * A file is opened once and then either mapped whole (small sets, random access) or read in batches through a
 * buffer of the caller's size, so that a build never holds more of a large file than one batch: mapped pages
 * would count as resident memory, the page cache behind pread does not.
 */
#ifndef GOSSET_DATASETS_VECTORS_H
#define GOSSET_DATASETS_VECTORS_H

#include <gosset/common.h>

typedef enum gosset_element {
    GOSSET_ELEMENT_F32 = 0,
    GOSSET_ELEMENT_U8 = 1,
    GOSSET_ELEMENT_I8 = 2, /* the first three are gosset_type */
    GOSSET_ELEMENT_I32 = 3,
    GOSSET_ELEMENT_I64 = 4, /* signed or unsigned: ids */
    GOSSET_ELEMENT_F16 = 5  /* given out as F32 */
} gosset_element;

/** An open file; one thread at a time. */
typedef struct gosset_dataset gosset_dataset;

/** The sentence of the last failure on this thread: "learn.fvecs: row 17: dimension 96, expected 128". */
const char *gosset_dataset_error(void);

/**
 * Opens a file and checks its header against its size. The format follows from the name's ending.
 * GOSSET_E_NOT_FOUND, GOSSET_E_IO, GOSSET_E_CORRUPT (impossible header or size), GOSSET_E_UNSUPPORTED (valid, but
 * not readable here), GOSSET_E_NO_MEMORY.
 */
GOSSET_CHECK_RESULT gosset_status gosset_dataset_open(gosset_dataset **out, const char *path);
void gosset_dataset_close(gosset_dataset *dataset); /* NULL is fine; ends every view of it */

uint64_t gosset_dataset_count(const gosset_dataset *dataset);
uint32_t gosset_dataset_dimension(const gosset_dataset *dataset);
gosset_element gosset_dataset_element(const gosset_dataset *dataset); /* as given out, so never F16 */
const char *gosset_dataset_path(const gosset_dataset *dataset);

/** All rows at once, mapped (or converted into memory where the file's layout forbids mapping). */
GOSSET_CHECK_RESULT gosset_status gosset_dataset_map(gosset_dataset *dataset, gosset_vectors *vectors);

/**
 * Rows [first, first + count) through a buffer owned by the dataset; the view ends with the next call.
 * `count` beyond the end of the file is cut.
 */
GOSSET_CHECK_RESULT gosset_status gosset_dataset_read(gosset_dataset *dataset, uint64_t first, size_t count,
                                                      gosset_vectors *vectors);

/** As gosset_dataset_read for I32 and I64 files, into the caller's count x dimension values; -1 becomes 2^64 - 1. */
GOSSET_CHECK_RESULT gosset_status gosset_dataset_read_integers(gosset_dataset *dataset, uint64_t first, size_t count,
                                                               uint64_t *values);

/**
 * Writes rows (tightly packed, `element` one of F32, U8, I8, I32) in the format of the name's ending:
 * .fvecs, .bvecs, .ivecs, .fbin, .u8bin, .i8bin, .ibin. A failed write leaves no file.
 */
GOSSET_CHECK_RESULT gosset_status gosset_dataset_write(const char *path, gosset_element element, uint64_t count,
                                                       uint32_t dimension, const void *rows);

/** A file written piece by piece; one thread at a time. */
typedef struct gosset_dataset_writer gosset_dataset_writer;

/** As gosset_dataset_write, with the rows to come: exactly `count` of them. */
GOSSET_CHECK_RESULT gosset_status gosset_dataset_create(gosset_dataset_writer **out, const char *path,
                                                        gosset_element element, uint64_t count, uint32_t dimension);
GOSSET_CHECK_RESULT gosset_status gosset_dataset_append(gosset_dataset_writer *writer, uint64_t count,
                                                        const void *rows);
/** Frees the writer. keep 0, a missing row or a failed write removes the file. */
GOSSET_CHECK_RESULT gosset_status gosset_dataset_finish(gosset_dataset_writer *writer, int keep);

#endif /* GOSSET_DATASETS_VECTORS_H */
