/** How gradients become steps: a rule for the parameters and a schedule for the learning rate. */
#ifndef GOSSET_TRAIN_OPTIMIZER_H
#define GOSSET_TRAIN_OPTIMIZER_H

#include <stddef.h>
#include <stdint.h>

typedef struct gosset__optimizer_ops {
    const char *name;
    float learning_rate; /* default */
    uint32_t states;     /* floats remembered per parameter */
    /** Learning rate of step `step` of `total`. */
    float (*rate)(float base, uint64_t step, uint64_t total);
    /**
     * One step for `count` parameters. `state`: the first of `states` arrays `stride` apart. `decay`: non-zero where
     * weight decay applies. `step` counts from 1.
     */
    void (*update)(size_t count, uint64_t step, float rate, int decay, float *parameters, const float *gradients,
                   float *state, size_t stride);
} gosset__optimizer_ops;

const gosset__optimizer_ops *gosset__optimizer_find(const char *name); /* NULL when unknown; loss_registry.c */
extern const gosset__optimizer_ops gosset__optimizer_sgd;              /* momentum 0.9, four stairs */
extern const gosset__optimizer_ops gosset__optimizer_adamw;            /* cosine after a short warm-up */

#endif
