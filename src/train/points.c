/*
 * Quantization in the loop: base vectors are seen where the index will hold them, gradients pass straight through. At
 * first that is a random point at an angle the cell lattice's errors have, later the cell's point itself.
 */
#include "base/status.h"
#include "train/trainer.h"

#include <math.h>
#include <string.h>

enum { ROW_BLOCK = 64, ANGLES = 1024 };

static const double LATTICE_FROM = 0.75; /* of the steps */

/* The nearest point of the cell lattice, of unit length; coordinates it does not see are 0. */
static void nearest(const gosset_lattice *cells, uint32_t dimension, const float *z, float *out) {
    int8_t point[GOSSET__LATTICE_MAX_DIMENSION];
    cells->ops->nearest(cells, z, point);
    for (uint32_t i = 0; i < dimension; i++) out[i] = i < cells->dimension ? cells->scale * (float)point[i] : 0.0f;
}

static float inner(uint32_t dimension, const float *a, const float *b) {
    float sum = 0;
    for (uint32_t i = 0; i < dimension; i++) sum += a[i] * b[i];
    return sum;
}

static void random_direction(gosset__rng *rng, uint32_t dimension, float *x) {
    gosset__rng_normals(rng, dimension, x);
    const float length = sqrtf(inner(dimension, x, x));
    for (uint32_t i = 0; i < dimension; i++) x[i] = length > 0 ? x[i] / length : i == 0 ? 1.0f : 0.0f;
}

gosset_status gosset__points_prepare(gosset__trainer *trainer) {
    const uint32_t dimension = trainer->shape.output;
    const gosset_lattice *cells = trainer->model->cell_lattice;
    gosset__rng rng = gosset__trainer_rng(trainer->settings.seed, GOSSET__STREAM_POINTS, 0);
    float x[GOSSET__LATTICE_MAX_DIMENSION], point[GOSSET__LATTICE_MAX_DIMENSION];
    trainer->points = gosset__alloc_array(&trainer->env, trainer->batch.rows * dimension + ANGLES, sizeof(float));
    if (!trainer->points) return gosset__no_memory("points", trainer->batch.rows * dimension * sizeof(float));
    trainer->batch.points = trainer->points;
    trainer->cosines = trainer->points + trainer->batch.rows * dimension;
    for (int i = 0; i < ANGLES; i++) {
        random_direction(&rng, dimension, x);
        nearest(cells, dimension, x, point);
        trainer->cosines[i] = inner(dimension, x, point);
    }
    return GOSSET_OK;
}

static gosset_status block(void *context, size_t item, uint32_t worker) {
    (void)worker;
    gosset__trainer *trainer = context;
    const uint32_t dimension = trainer->shape.output;
    const size_t rows = trainer->batch.rows, first = item * ROW_BLOCK;
    const size_t end = rows - first < ROW_BLOCK ? rows : first + ROW_BLOCK;
    const int real = (double)trainer->step >= LATTICE_FROM * (double)trainer->steps;
    gosset__rng rng =
        gosset__trainer_rng(trainer->settings.seed, GOSSET__STREAM_POINTS, 1 + trainer->step * (rows + 1) + item);
    for (size_t r = first; r < end; r++) {
        const float *z = trainer->batch.latents + r * dimension;
        float *out = trainer->points + r * dimension, noise[GOSSET__LATTICE_MAX_DIMENSION];
        if (real) {
            nearest(trainer->model->cell_lattice, dimension, z, out);
            continue;
        }
        const float cosine = trainer->cosines[gosset__rng_below(&rng, ANGLES)];
        random_direction(&rng, dimension, noise);
        const float along = inner(dimension, z, noise);
        const float length = sqrtf(fmaxf(1 - along * along, 1e-12f)), sine = sqrtf(fmaxf(1 - cosine * cosine, 0));
        for (uint32_t i = 0; i < dimension; i++) out[i] = cosine * z[i] + sine / length * (noise[i] - along * z[i]);
    }
    return GOSSET_OK;
}

gosset_status gosset__points_fill(gosset__trainer *trainer) {
    return gosset__pool_run(trainer->pool, (trainer->batch.rows + ROW_BLOCK - 1) / ROW_BLOCK, block, trainer);
}
