/** The side of queries: those of the user, if there are any, and the last layer they may get for themselves. */
#ifndef GOSSET_TRAIN_QUERIES_H
#define GOSSET_TRAIN_QUERIES_H

#include "train/trainer.h"

/** Queries whose neighbours among the learn set's rows are known. */
typedef struct gosset__asked {
    size_t count;
    const float *inputs;        /* count x features */
    const uint32_t *neighbours; /* count x stride, nearest first */
    uint32_t stride;
} gosset__asked;

/** query_layer.c: delta (gosset__last_count floats) is what training adds to the last layer of the base map. */
gosset_status gosset__query_layer_train(gosset__trainer *trainer, const gosset__folded *folded, const float *latents,
                                        const gosset__asked *asked, uint64_t steps, float *delta);

/**
 * query_cost.c: how many rows lie in cells that score better than the cell of a true neighbour, at least for 95 % of
 * the neighbours: what a search scans for that recall, as a share of the rows.
 */
gosset_status gosset__query_cost(gosset__trainer *trainer, const gosset__folded *folded, const float *latents,
                                 size_t rows, const gosset__asked *asked, double *share);

#endif
