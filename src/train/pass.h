/** One batch through the whole network and back, on all threads. */
#ifndef GOSSET_TRAIN_PASS_H
#define GOSSET_TRAIN_PASS_H

#include "train/network.h"
#include "train/panels.h"

typedef struct gosset__pass {
    gosset__env env;
    gosset__pool *pool; /* borrowed */
    gosset__shape shape;
    size_t rows;               /* of a batch */
    size_t block_rows, blocks; /* it is cut into these */
    float *x;                  /* rows x features: filled by the caller, or by `fill`, block by block */
    float *z;                  /* rows x output: unit latents */
    float *dz;                 /* rows x output: the caller fills it; used up by the way back */
    void (*fill)(void *context, size_t first, size_t count, float *x); /* NULL: x is there */
    void *fill_context;
    const gosset__panels_ops *panels; /* the kind of products: of floats, unless the caller changes it */
    /* between: normalised values and activations of the hidden layers, their gradients (those of the first take the
       place of u2), per row and per column */
    float *u1, *h1, *u2, *h2, *dh2, *norms, *inverse1, *inverse2;
    float *moments;      /* blocks x 2 x width: of the columns of a hidden layer */
    float *mean, *slope; /* width: of a layer's values; of its gradients and of their products with the values */
    float *panels1, *panels2, *panels2_turned; /* weights of the hidden layers, packed */
    float *own;                                /* of a worker: a block of gradients, packed */
    size_t parameter_count;
    float *partial; /* blocks x parameters: gradients of the blocks */
} gosset__pass;

gosset_status gosset__pass_create(gosset__pass *pass, const gosset__shape *shape, size_t rows, gosset__pool *pool,
                                  const gosset__env *env);
void gosset__pass_free(gosset__pass *pass);
gosset_status gosset__pass_forward(gosset__pass *pass, const gosset__parameters *parameters);
gosset_status gosset__pass_backward(gosset__pass *pass, const gosset__parameters *parameters);
/** After the way back: gradients of parameters [first, first + count), the sum of the blocks' in their order. */
void gosset__pass_gradients(const gosset__pass *pass, size_t first, size_t count, float *gradients);

/**
 * The network for use: population statistics of the hidden layers are taken from `rows` x features sample inputs and
 * folded into the weights. Exact for the parameters as they are, so there are no running averages to store or to lag.
 */
gosset_status gosset__fold(const gosset__shape *shape, const gosset__parameters *parameters, const float *sample,
                           size_t rows, const gosset__folded *folded, gosset__pool *pool, const gosset__env *env);
/** Both hidden layers of some rows, rows x width each, on this thread. */
void gosset__hidden(const gosset__shape *shape, const gosset__folded *folded, const float *inputs, size_t rows,
                    float *first, float *second);
/** Latents of count x features inputs through the folded network, for mining and validation. */
gosset_status gosset__embed(const gosset__shape *shape, const gosset__folded *folded, const float *inputs, size_t count,
                            float *latents, gosset__pool *pool, const gosset__env *env);

#endif
