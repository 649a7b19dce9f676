/** FAISS through its C API, with failures turned into a sentence. */
#ifndef GOSSET_BENCH_FAISS_API_H
#define GOSSET_BENCH_FAISS_API_H

#include "harness.h"
#include <faiss/c_api/AutoTune_c.h>
#include <faiss/c_api/Index_c.h>
#include <faiss/c_api/error_c.h>
#include <faiss/c_api/index_factory_c.h>

/** Threads of FAISS, and of the BLAS below it where the work is one large product, in this process. */
void bench_faiss_threads(uint32_t threads, int one_product);

/** Leaves the measuring process with FAISS's sentence in results->note when a call failed. */
void bench_faiss_try(bench_results *results, const char *what, int code);

/**
 * A factory string from a pattern: %B is the code size in bytes, %N twice that (4-bit subquantizers), %H, %Q and %O
 * half, a quarter and an eighth, %D the dimension OPQ keeps (four per byte, at most all), %A all that `bytes` divides,
 * %S and %T those of codes of 4 and 6 bits a dimension, %P "Pad"ding to a multiple of the bytes where the dimension is
 * none, %L the number of lists and %C its logarithm. lists: 0 = near 4 sqrt(n).
 */
void bench_factory(const bench_data *data, uint32_t bytes, uint32_t lists, const char *pattern, char *text,
                   size_t size);

/** Adds the whole base in slices, so that only one slice exists twice. */
void bench_faiss_add(FaissIndex *index, const bench_data *data, bench_results *results);

#endif
