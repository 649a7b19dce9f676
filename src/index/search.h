/**
 * One query against a store: probe cells, scan codes, keep the best candidates, read their pages in one
 * batch, score every record of every page exactly. Knows nothing of networks.
 */
#ifndef GOSSET_INDEX_SEARCH_H
#define GOSSET_INDEX_SEARCH_H

#include "index/store.h"
#include "lattice/codec.h"

typedef struct gosset__search gosset__search; /* one thread's scratch and I/O */

gosset_status gosset__search_create(gosset__search **out, const gosset__store *store, const gosset__codec *codec,
                                    const gosset__kernels *kernels, const gosset__env *env);
void gosset__search_free(gosset__search *search);

typedef struct gosset__search_stats {
    uint64_t cells_probed, codes_scanned, candidates, pages_read, bytes_read, io_batches, scan_ns, io_ns;
} gosset__search_stats; /* added to by every search */

/**
 * @param latent  the query as the codec sees it: its latent, and its features for residual codes.
 * @param vector  the query itself, in the type of the store (or f32 for a u8/i8 store).
 */
gosset_status gosset__search_run(gosset__search *search, const float *latent, const void *vector,
                                 gosset_type vector_type, uint32_t probe, uint32_t rerank, uint32_t k, uint64_t *ids,
                                 float *distances, gosset__search_stats *stats);

/** For calibration: the best `count` candidate rows of the `probe` best cells, best first (ties: lower row), and
 *  for each the position of its cell in the probe order. Returns how many. */
gosset_status gosset__search_candidates(gosset__search *search, const float *latent, uint32_t probe, uint32_t count,
                                        uint64_t *rows, uint32_t *cell_order, uint32_t *found);
/** Exact distances and ids of all records on a row's page: the page is read and checked. For calibration. */
gosset_status gosset__search_read_page(gosset__search *search, uint64_t page, const uint8_t **data);
float gosset__search_distance(const gosset__search *search, const void *query, gosset_type query_type,
                              const void *record_vector);
#endif
