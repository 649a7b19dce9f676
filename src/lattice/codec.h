/**
 * A latent's address: its cell (nearest point of the cell lattice to the latent's first coordinates) and its
 * code (nearest point of the code lattice), packed in fixed fields for the scan. The index sees only this.
 */
#ifndef GOSSET_LATTICE_CODEC_H
#define GOSSET_LATTICE_CODEC_H

#include "kernel/kernel.h"
#include "lattice/lattice.h"

typedef struct gosset__codec gosset__codec;

/**
 * Lattices are borrowed and must outlive the codec. The cell lattice has at most 2^24 points and no more
 * dimensions than the code lattice, whose dimension is a multiple of 8.
 */
gosset_status gosset__codec_create(gosset__codec **out, const gosset_lattice *cells, const gosset_lattice *codes,
                                   const gosset__env *env, const gosset__kernels *kernels);
void gosset__codec_free(gosset__codec *codec);

uint32_t gosset__codec_dimension(const gosset__codec *codec);  /* of latents */
uint32_t gosset__codec_code_size(const gosset__codec *codec);  /* bytes of one packed code */
uint32_t gosset__codec_cell_count(const gosset__codec *codec); /* cells are 0 .. cell_count-1 */

/**
 * Cells and packed codes of latents (count x dimension, finite). Thread-safe. A packed code has four bits a
 * coordinate, value + 8 with the value cut off at +-7: byte 4h + j holds dimension 8h + j in its low nibble and
 * dimension 8h + 4 + j in its high nibble (h = 0 .. dimension/8 - 1, j = 0 .. 3).
 */
void gosset__codec_encode(const gosset__codec *codec, size_t count, const float *latents, uint32_t *cells,
                          uint8_t *codes);

/** 16 packed codes (row-major, code_size each; fewer than 16 are padded with codes of the zero vector, whose
 *  score is 0) to the block layout of the scan: GOSSET__SCAN_BLOCK * code_size bytes. */
void gosset__codec_block(const gosset__codec *codec, const uint8_t *codes, size_t count, uint8_t *block);

/** What a query becomes. Memory for one query: gosset__codec_query_size bytes, 64-byte aligned. */
typedef struct gosset__codec_query gosset__codec_query;
size_t gosset__codec_query_size(const gosset__codec *codec);
void gosset__codec_query_set(const gosset__codec *codec, const float *latent, gosset__codec_query *query);

/** The `count` best cells for the query, best first (ties: lower cell). Returns how many (<= cell_count).
 *  A smaller count gives the beginning of a larger one's list. Allocates nothing. */
uint32_t gosset__codec_probe(const gosset__codec *codec, gosset__codec_query *query, uint32_t count, uint32_t *cells);
/** The cell scores that order is by, cell_count integers; filled by the query's first probe. */
const int32_t *gosset__codec_cell_scores(const gosset__codec_query *query);

/** Scores (higher is nearer) of block_count * 16 codes. */
void gosset__codec_scan(const gosset__codec *codec, const gosset__codec_query *query, const uint8_t *blocks,
                        size_t block_count, int32_t *scores);

#endif
