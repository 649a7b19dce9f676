/**
 * The network: two hidden layers with batch normalisation and ReLU, a linear layer, an optional linear skip from
 * input to output, and the projection onto the sphere.
 *
 *     h1 = relu(norm(x w1)), h2 = relu(norm(h1 w2)), y = h2 w3 + bias3 [+ x skip], z = y / |y|
 *
 * The hidden layers have no bias of their own: batch normalisation takes it out again.
 */
#ifndef GOSSET_TRAIN_NETWORK_H
#define GOSSET_TRAIN_NETWORK_H

#include "lattice/codec.h"
#include "train/model.h"
#include "train/preprocess.h"

enum { GOSSET__DIMENSION_MAX = 4096, GOSSET__WIDTH_MAX = 8192, GOSSET__HELD_OUT_MAX = 1000 };

typedef struct gosset__shape {
    uint32_t features, width, output;
    uint32_t skip; /* 0 or 1 */
} gosset__shape;

/** What is trained, as views of one block of floats: the matrices first (weight decay is for them alone). */
typedef struct gosset__parameters {
    float *w1;                              /* features x width */
    float *w2;                              /* width x width */
    float *w3;                              /* width x output */
    float *skip;                            /* features x output; NULL without */
    float *gamma1, *beta1, *gamma2, *beta2; /* width */
    float *bias3;                           /* output */
} gosset__parameters;

size_t gosset__parameters_count(const gosset__shape *shape);
size_t gosset__parameters_matrices(const gosset__shape *shape); /* of these, how many are matrix elements */
gosset__parameters gosset__parameters_view(const gosset__shape *shape, float *block);

/** What is stored and applied: batch normalisation folded into the weights before it. One block of floats. */
typedef struct gosset__folded {
    float *w1, *bias1, *w2, *bias2, *w3, *bias3, *skip;
} gosset__folded;

size_t gosset__folded_count(const gosset__shape *shape);
gosset__folded gosset__folded_view(const gosset__shape *shape, float *block);

/** A last layer alone, as stored for queries: w3, bias3 and skip, as views of one block. */
size_t gosset__last_count(const gosset__shape *shape);
gosset__folded gosset__last_view(const gosset__shape *shape, float *block);

/** One layer as the dense kernel wants it: in x out, out padded to 16 with zeros. */
typedef struct gosset__dense {
    uint32_t in, out;
    float *weights, *bias;
} gosset__dense;

struct gosset_model {
    gosset__env env;
    const gosset__kernels *kernels;
    gosset__shape shape;
    gosset__preprocess preprocess;
    float *folded;           /* gosset__folded_count floats, as stored */
    gosset__dense layers[3]; /* the last takes hidden values and, with a skip, the input behind them */
    float *query_last; /* gosset__last_count floats, as stored; NULL: queries have the last layer of base vectors */
    gosset__dense query_layer;
    float *held_out; /* held_out_count x input dimension */
    uint32_t held_out_count;
    char loss[32];
    gosset_lattice *code_lattice, *cell_lattice;
    gosset__residual residual; /* no features: the model's codes are points of the code lattice */
    float *rotation;           /* features x residual features, as stored; behind it the shift of queries */
    float *centroids;          /* cells x residual features */
    float *turns;              /* groups x turned x turned */
    uint8_t *group;            /* cells; NULL without groups */
    gosset__dense rotate;
    gosset__codec *codec;
    uint32_t epochs;
    uint64_t seed, learn_count, fingerprint;
    double train_seconds, validation_recall;
};

/** A model with room for everything its shape needs; the caller fills preprocess, folded, held_out. */
gosset_status gosset__model_create(gosset_model **out, const gosset__shape *shape, uint32_t input, gosset_metric metric,
                                   uint32_t held_out_count, const char *code_lattice, const char *cell_lattice,
                                   const gosset_env *env);
/** Room for residual codes (0 features: none) of these sizes; their arrays are to be filled by the caller. */
gosset_status gosset__model_make_residual(gosset_model *model, const gosset__residual *sizes);
/** Room for a last layer for queries, to be filled by the caller. */
gosset_status gosset__model_make_query(gosset_model *model);
/** Where mapped rows go: row i of the vectors to row i of the target. */
typedef struct gosset__target {
    float *latents, *features; /* NULL: not wanted */
    size_t stride;             /* floats from row to row */
} gosset__target;
/** Rows [first, first + count); scratch for `count` rows. */
void gosset__model_map_to(const gosset_model *model, const gosset__kernels *kernels, gosset_side side,
                          const gosset_vectors *vectors, size_t first, size_t count, const gosset__target *target,
                          void *scratch);

/** To be called once the folded weights are in: lays them out for the kernels and computes the fingerprint. */
gosset_status gosset__model_finish(gosset_model *model);
/** XXH3 of the content, timing left out; model_write.c. */
gosset_status gosset__model_fingerprint(const gosset_model *model, uint64_t *fingerprint);

#endif
