/* How near the training came to what this machine's matrix products reach. */
#include "base/status.h"
#include "train/blas.h"
#include "train/trainer.h"

#include <string.h>

enum { SIDE = 512, PRODUCTS = 4, TRIALS = 40 };

static const double SECONDS_MIN = 1; /* shorter trainings say nothing, and tests train a lot */

/* Operations of the matrix products of one step: forward, and back to weights and to all inputs but the first. */
static double step_operations(const gosset__trainer *trainer) {
    const gosset__shape *shape = &trainer->shape;
    const double rows = (double)trainer->batch.rows, width = shape->width, features = shape->features;
    const double skip = shape->skip ? features * shape->output : 0;
    const double inner = width * width + width * shape->output, outer = features * width + skip;
    return 2 * rows * (3 * inner + 2 * outer) +
           trainer->settings.loss->operations(trainer->batch.rows, shape->features, shape->output);
}

static gosset_status product(void *context, size_t item, uint32_t worker) {
    (void)worker;
    float *matrices = (float *)context + item * 3 * SIDE * SIDE;
    for (int i = 0; i < PRODUCTS; i++)
        gosset__product(SIDE, SIDE, SIDE, matrices, matrices + SIDE * SIDE, 0, matrices + 2 * SIDE * SIDE);
    return GOSSET_OK;
}

/* Operations a second of large products, one on each thread. */
static gosset_status measure_products(gosset__trainer *trainer, double *rate) {
    const size_t threads = gosset__pool_threads(trainer->pool), count = threads * 3 * SIDE * SIDE;
    float *matrices = gosset__alloc_array(&trainer->env, count, sizeof *matrices);
    if (!matrices) return gosset__no_memory("products", count * sizeof *matrices);
    gosset_status status = GOSSET_OK;
    for (size_t i = 0; i < count; i++) matrices[i] = 0.5f;
    *rate = 0;
    for (int trial = 0; trial < TRIALS; trial++) {
        const double start = gosset__seconds();
        GOSSET_TRY(gosset__pool_run(trainer->pool, threads, product, matrices));
        const double here = 2.0 * SIDE * SIDE * SIDE * PRODUCTS * (double)threads / (gosset__seconds() - start);
        *rate = here > *rate ? here : *rate;
    }
out:
    gosset__free(&trainer->env, matrices);
    return status;
}

gosset_status gosset__speed_report(gosset__trainer *trainer) {
    double most = 0;
    gosset_status status = GOSSET_OK;
    if (trainer->step_seconds < SECONDS_MIN) goto out;
    GOSSET_TRY(measure_products(trainer, &most));
    const double rate = step_operations(trainer) * (double)trainer->steps_timed / trainer->step_seconds;
    gosset__log(&trainer->env, GOSSET_LOG_INFO,
                "steps: %.0f GFLOP/s, %.0f %% of the %.0f of large matrix products in floats here", rate * 1e-9,
                100 * rate / most, most * 1e-9);
out:
    return status;
}
