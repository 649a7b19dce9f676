/** A FAISS code on its own, by index_factory; or two in a row, the second for what the first leaves of a vector. */
#ifndef GOSSET_BENCH_CODER_H
#define GOSSET_BENCH_CODER_H

#include "faiss_api.h"

typedef struct bench_coder {
    FaissIndex *first, *second; /* second is NULL without a '|' in the factory string */
    uint32_t dimension;
    size_t size[2];
    uint32_t cell_bytes; /* of those bytes: the number of a list, which an index does not store with each vector */
} bench_coder;

/**
 * "PQ16np" is one code; "PQ1x12np|RQ16x8" a residual quantizer behind 4,096 centroids, whose number is a cell and so
 * free, as the list of "IVF4096,PQ16np" is. On failure the process ends with FAISS's sentence in the results.
 */
void coder_create(bench_coder *self, const char *factory, uint32_t dimension, bench_results *results);

/** rows: count x dimension; overwritten. */
void coder_train(bench_coder *self, float *rows, size_t count, bench_results *results);

/** codes: count x coder_size bytes. Overwrites rows. */
void coder_encode(bench_coder *self, float *rows, size_t count, uint8_t *codes, bench_results *results);

/** rows: count x dimension. */
void coder_decode(bench_coder *self, size_t count, uint8_t *codes, float *rows, bench_results *results);

/** Bytes a row, the cell's included. */
size_t coder_size(const bench_coder *self);

#endif
