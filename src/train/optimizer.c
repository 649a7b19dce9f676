#include "train/optimizer.h"
#include "train/numeric.h"

#include <math.h>

/* ---- SGD: the paper's ----------------------------------------------------------------------- */

static float stairs(float base, uint64_t step, uint64_t total) {
    static const float factors[4] = {1.0f, 1.0f, 0.5f, 0.1f};
    uint64_t quarter = total ? step * 4 / total : 0;
    return base * factors[quarter < 4 ? quarter : 3];
}

GOSSET__WIDE static void sgd_update(size_t count, uint64_t step, float rate, int decay, float *parameters,
                                    const float *gradients, float *state, size_t stride) {
    const float momentum = 0.9f;
    (void)step, (void)decay, (void)stride;
    for (size_t i = 0; i < count; i++) {
        float velocity = momentum * state[i] + gradients[i];
        state[i] = velocity;
        parameters[i] -= rate * velocity;
    }
}

const gosset__optimizer_ops gosset__optimizer_sgd = {
    .name = "sgd",
    .learning_rate = 0.1f,
    .states = 1,
    .rate = stairs,
    .update = sgd_update,
};

/* ---- AdamW (Loshchilov and Hutter 2019) ----------------------------------------------------- */

static float cosine(float base, uint64_t step, uint64_t total) {
    const double pi = 3.14159265358979323846, floor = 0.01, warm_up_steps = 100;
    double warm_up = (double)(step + 1) / warm_up_steps;
    double wave = floor + (1 - floor) * 0.5 * (1 + cos(pi * (double)step / (double)(total ? total : 1)));
    return base * (float)((warm_up < 1 ? warm_up : 1) * wave);
}

GOSSET__WIDE static void adamw_update(size_t count, uint64_t step, float rate, int decay, float *parameters,
                                      const float *gradients, float *state, size_t stride) {
    const float keep1 = 0.9f, keep2 = 0.99f, epsilon = 1e-8f, weight_decay = 0.01f;
    float *first = state, *second = state + stride;
    float correct1 = (float)(1 / (1 - pow((double)keep1, (double)step)));
    float correct2 = (float)(1 / (1 - pow((double)keep2, (double)step)));
    float shrink = 1.0f - (decay ? rate * weight_decay : 0.0f);
    for (size_t i = 0; i < count; i++) {
        float m = keep1 * first[i] + (1 - keep1) * gradients[i];
        float v = keep2 * second[i] + (1 - keep2) * gradients[i] * gradients[i];
        first[i] = m;
        second[i] = v;
        parameters[i] = shrink * parameters[i] - rate * (m * correct1) / (sqrtf(v * correct2) + epsilon);
    }
}

const gosset__optimizer_ops gosset__optimizer_adamw = {
    .name = "adamw",
    .learning_rate = 0.002f,
    .states = 2,
    .rate = cosine,
    .update = adamw_update,
};
