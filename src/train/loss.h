/**
 * What a training loss is: a recipe for its batches, and a function from a batch's latents to a value and a gradient.
 * To add one: loss_<name>.c with its table, one line in loss_registry.c. tests/train checks every registered loss.
 */
#ifndef GOSSET_TRAIN_LOSS_H
#define GOSSET_TRAIN_LOSS_H

#include "base/pool.h"
#include "train/optimizer.h"
#include "train/panels.h"

/**
 * A spreading term: adds its gradient, weighted, to those of the first `anchors` rows, and gives its value. To add one:
 * spread_<name>.c with its table, one line in loss_registry.c.
 */
typedef struct gosset__spread_ops {
    const char *name;
    gosset_status (*add)(size_t anchors, uint32_t dimension, const float *latents, float weight, float *gradients,
                         float *scratch, gosset__pool *pool, double *value);
} gosset__spread_ops;

extern const gosset__spread_ops *const gosset__spread_registry[]; /* the default first, NULL-terminated */
const gosset__spread_ops *gosset__spread_find(const char *name);  /* NULL name = the default; NULL when unknown */
size_t gosset__spread_scratch_size(size_t anchors);               /* floats, enough for each */

/**
 * A batch is made of `anchors` neighbourhoods of `members` rows: member m of neighbourhood a is row m * anchors + a.
 * Member 0 is the anchor itself, then come its positives (true neighbours), then its negatives (neighbours in the
 * current latent space that are not among the true ones).
 */
typedef struct gosset__loss_batch {
    size_t anchors, members, rows; /* rows = anchors * members */
    uint32_t features, dimension;
    const float *inputs;  /* rows x features: preprocessed vectors, whose distances are the truth */
    const float *latents; /* rows x dimension, unit length */
    const float *points;  /* rows x dimension: as the index would hold them (with the lattice's error), or latents */
    const uint32_t *ids;  /* rows: a vector may occur more than once in a batch */
    const float *radii;   /* rows: squared distance from the vector to its 10th true neighbour */
    const gosset__spread_ops *spread;
    float uniformity; /* weight of the spreading term */
    float *gradients; /* rows x dimension, overwritten: with respect to latents (and points, passed straight) */
    float *scratch;   /* scratch_size() floats */
    gosset__pool *pool;
    const gosset__panels_ops *panels; /* the kind of matrix products */
} gosset__loss_batch;

typedef struct gosset__loss_ops {
    const char *name;
    /* how batches are drawn */
    uint32_t positives, negatives; /* members of each neighbourhood beside the anchor */
    uint32_t neighbours;           /* positives are drawn from that many true neighbours */
    uint32_t negative_first;       /* negatives are drawn from these ranks in the latent space, as if the whole */
    uint32_t negative_last;        /* learn set had been searched */
    uint32_t anchors;              /* default batch size */
    /* defaults of the training around it */
    int skip; /* network with a linear skip that starts as the principal axes */
    uint32_t width;
    float uniformity;
    const gosset__optimizer_ops *optimizer;
    /* the loss itself */
    double (*operations)(size_t rows, uint32_t features, uint32_t dimension); /* of its matrix products */
    size_t (*scratch_size)(size_t anchors, size_t members, uint32_t features, uint32_t dimension, uint32_t threads);
    gosset_status (*value_and_gradient)(const gosset__loss_batch *batch, double *value);
} gosset__loss_ops;

extern const gosset__loss_ops *const gosset__loss_registry[]; /* the default first, NULL-terminated; loss_registry.c */
const gosset__loss_ops *gosset__loss_find(const char *name);  /* NULL name = the default; NULL when unknown */

#endif
