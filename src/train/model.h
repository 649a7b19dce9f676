/** The model as the rest of the library sees it: a map, two lattices, a held-out sample. */
#ifndef GOSSET_TRAIN_MODEL_H
#define GOSSET_TRAIN_MODEL_H

#include "base/env.h"
#include "base/pool.h"
#include "lattice/codec.h"
#include <gosset/model.h>

/** Scratch bytes gosset__model_map needs for up to `rows` vectors at once. */
size_t gosset__model_scratch_size(const gosset_model *model, size_t rows);

/** What a codec of the model's cells and codes is made with; NULL if its codes are lattice points. Borrowed. */
const gosset__residual *gosset__model_residual(const gosset_model *model);

/** The codec's rows (latents, with a residual features behind) of vectors, with the caller's scratch: allocates
 *  nothing, thread-safe. */
void gosset__model_map(const gosset_model *model, const gosset__kernels *kernels, gosset_side side,
                       const gosset_vectors *vectors, float *rows, void *scratch);

/** The held-out learn vectors kept for calibration: f32, count may be 0. Borrowed. */
gosset_vectors gosset__model_held_out(const gosset_model *model);

/** Bytes a model holds. */
typedef struct gosset__model_held {
    uint64_t network;   /* weights as the kernels want them */
    uint64_t centroids; /* of the cells */
    uint64_t turns;     /* axes of the groups of cells, and the group of every cell */
    uint64_t rest;      /* lattices, and what only saving and calibrating need: weights as stored, held-out vectors */
} gosset__model_held;
gosset__model_held gosset__model_measure(const gosset_model *model);

/** The model file's bytes, to be stored inside an index. Freed by the caller through env. */
gosset_status gosset__model_serialize(const gosset_model *model, const gosset__env *env, void **data, size_t *size);
/** `name` appears in error sentences. */
gosset_status gosset__model_parse(gosset_model **out, const void *data, size_t size, const char *name,
                                  const gosset_env *env);
#endif
