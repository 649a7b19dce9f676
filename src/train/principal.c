/*
 * Orthogonal iteration on the covariance with a Rayleigh-Ritz step at the end (Golub & Van Loan, ch. 8): a few
 * dozen axes of thousands of dimensions in a second, and no need for LAPACK. Axes of nearly equal variance may come
 * out mixed, which is no loss: only the space they span and the order of clearly different ones matter here.
 */
#include "train/principal.h"
#include "base/rng.h"
#include "base/status.h"
#include "train/blas.h"

#include <math.h>
#include <string.h>

enum { ROW_BLOCK = 64, ITERATIONS = 40, SURPLUS = 8, SWEEPS = 30, SAMPLE_MAX = 65536 };

typedef struct covariance {
    const float *data;
    size_t rows;
    uint32_t dimension;
    float *matrix;
} covariance;

static gosset_status covariance_block(void *context, size_t item, uint32_t worker) {
    (void)worker;
    const covariance *self = context;
    size_t first = item * ROW_BLOCK;
    size_t count = self->dimension - first < ROW_BLOCK ? self->dimension - first : ROW_BLOCK;
    gosset__product_at(count, self->dimension, self->rows, self->data + first, self->dimension, self->data, 0,
                       self->matrix + first * self->dimension);
    return GOSSET_OK;
}

/* Modified Gram-Schmidt on the rows of q, twice; a row that vanishes becomes random. */
static void orthonormalise(double *q, uint32_t count, uint32_t dimension, gosset__rng *rng) {
    for (uint32_t i = 0; i < count; i++) {
        double *row = q + (size_t)i * dimension;
        for (int attempt = 0; attempt < 4; attempt++) {
            double before = 0, after = 0;
            for (uint32_t t = 0; t < dimension; t++) before += row[t] * row[t];
            for (uint32_t pass = 0; pass < 2; pass++)
                for (uint32_t j = 0; j < i; j++) {
                    const double *other = q + (size_t)j * dimension;
                    double dot = 0;
                    for (uint32_t t = 0; t < dimension; t++) dot += row[t] * other[t];
                    for (uint32_t t = 0; t < dimension; t++) row[t] -= dot * other[t];
                }
            for (uint32_t t = 0; t < dimension; t++) after += row[t] * row[t];
            if (after > 1e-20 * before && after > 1e-280) {
                for (uint32_t t = 0; t < dimension; t++) row[t] /= sqrt(after);
                break;
            }
            for (uint32_t t = 0; t < dimension; t++) row[t] = (double)gosset__rng_normal(rng);
        }
    }
}

static void rotate(double *a, double *b, size_t count, size_t step, double cosine, double sine) {
    for (size_t t = 0; t < count; t++) {
        double x = a[t * step], y = b[t * step];
        a[t * step] = cosine * x - sine * y;
        b[t * step] = sine * x + cosine * y;
    }
}

/* Cyclic Jacobi. */
void gosset__eigenvectors(double *matrix, double *v, uint32_t n) {
    memset(v, 0, (size_t)n * n * sizeof *v);
    for (uint32_t i = 0; i < n; i++) v[(size_t)i * n + i] = 1;
    for (int sweep = 0; sweep < SWEEPS; sweep++) {
        double off = 0, diagonal = 0;
        for (uint32_t i = 0; i < n; i++)
            for (uint32_t j = 0; j < n; j++) {
                double square = matrix[(size_t)i * n + j] * matrix[(size_t)i * n + j];
                *(i == j ? &diagonal : &off) += square;
            }
        if (off <= 1e-22 * diagonal) break;
        for (uint32_t p = 0; p < n; p++)
            for (uint32_t q = p + 1; q < n; q++) {
                double apq = matrix[(size_t)p * n + q];
                if (apq == 0) continue;
                double theta = (matrix[(size_t)q * n + q] - matrix[(size_t)p * n + p]) / (2 * apq);
                double t = (theta >= 0 ? 1.0 : -1.0) / (fabs(theta) + sqrt(theta * theta + 1));
                double cosine = 1 / sqrt(t * t + 1), sine = t * cosine;
                rotate(matrix + (size_t)p * n, matrix + (size_t)q * n, n, 1, cosine, sine);
                rotate(matrix + p, matrix + q, n, n, cosine, sine);
                rotate(v + (size_t)p * n, v + (size_t)q * n, n, 1, cosine, sine);
            }
    }
}

/* out (count x dimension) = q covariance, in doubles rounded to floats for the product. */
static void multiply(const covariance *self, const double *q, uint32_t count, float *single, float *product,
                     double *out) {
    size_t size = (size_t)count * self->dimension;
    for (size_t i = 0; i < size; i++) single[i] = (float)q[i];
    gosset__product(count, self->dimension, self->dimension, single, self->matrix, 0, product);
    for (size_t i = 0; i < size; i++) out[i] = (double)product[i];
}

/* Column `column` of axes = sum over the basis of v[i] q_i, its sign fixed. */
static void write_axis(const double *q, const double *v, uint32_t basis, uint32_t dimension, uint32_t count,
                       uint32_t column, float *axes) {
    double largest = 0;
    for (int pass = 0; pass < 2; pass++)
        for (uint32_t t = 0; t < dimension; t++) {
            double sum = 0;
            for (uint32_t i = 0; i < basis; i++) sum += v[i] * q[(size_t)i * dimension + t];
            if (pass == 0 && fabs(sum) > fabs(largest)) largest = sum;
            if (pass == 1) axes[(size_t)t * count + column] = (float)(largest < 0 ? -sum : sum);
        }
}

/* Rayleigh-Ritz: eigenvectors of the covariance within the span of q, largest first. */
static void ritz(const double *q, const double *image, double *small, double *v, uint32_t basis, uint32_t dimension,
                 uint32_t count, float *axes) {
    for (uint32_t i = 0; i < basis; i++)
        for (uint32_t j = 0; j <= i; j++) {
            double dot = 0;
            for (uint32_t t = 0; t < dimension; t++)
                dot += q[(size_t)i * dimension + t] * image[(size_t)j * dimension + t];
            small[(size_t)i * basis + j] = small[(size_t)j * basis + i] = dot;
        }
    gosset__eigenvectors(small, v, basis);
    for (uint32_t column = 0; column < count && column < basis; column++) {
        uint32_t best = 0;
        for (uint32_t i = 1; i < basis; i++)
            if (small[(size_t)i * basis + i] > small[(size_t)best * basis + best]) best = i;
        write_axis(q, v + (size_t)best * basis, basis, dimension, count, column, axes);
        small[(size_t)best * basis + best] = -HUGE_VAL; /* taken */
    }
}

static void normalise_trace(covariance *self) {
    double trace = 0;
    for (uint32_t i = 0; i < self->dimension; i++) trace += (double)self->matrix[(size_t)i * self->dimension + i];
    float factor = trace > 0 ? (float)(1.0 / trace) : 0.0f;
    for (size_t i = 0; i < (size_t)self->dimension * self->dimension; i++) self->matrix[i] *= factor;
}

gosset_status gosset__principal_axes(const float *data, size_t rows, uint32_t dimension, uint32_t count, float *axes,
                                     gosset__pool *pool, const gosset__env *env) {
    gosset_status status = GOSSET_OK;
    uint32_t basis = count + SURPLUS < dimension ? count + SURPLUS : dimension;
    size_t size = (size_t)basis * dimension;
    covariance self = {data, rows < SAMPLE_MAX ? rows : SAMPLE_MAX, dimension, NULL};
    self.matrix = gosset__alloc_array(env, (size_t)dimension * dimension, sizeof(float));
    float *singles = gosset__alloc_array(env, 2 * size, sizeof(float));
    double *doubles = gosset__alloc_array(env, 2 * size + 2 * (size_t)basis * basis, sizeof(double));
    if (!self.matrix || !singles || !doubles) {
        status = gosset__no_memory("principal axes", (size_t)dimension * dimension * sizeof(float));
        goto out;
    }
    GOSSET_TRY(gosset__pool_run(pool, (dimension + ROW_BLOCK - 1) / ROW_BLOCK, covariance_block, &self));
    normalise_trace(&self);

    double *q = doubles, *image = doubles + size, *small = image + size;
    gosset__rng rng = gosset__rng_make(1, 0); /* only the start of an iteration that forgets it */
    for (size_t i = 0; i < size; i++) q[i] = (double)gosset__rng_normal(&rng);
    orthonormalise(q, basis, dimension, &rng);
    for (int iteration = 0; iteration < ITERATIONS && basis < dimension; iteration++) {
        multiply(&self, q, basis, singles, singles + size, q);
        orthonormalise(q, basis, dimension, &rng);
    }
    multiply(&self, q, basis, singles, singles + size, image);
    memset(axes, 0, (size_t)dimension * count * sizeof *axes);
    ritz(q, image, small, small + (size_t)basis * basis, basis, dimension, count, axes);
out:
    gosset__free(env, doubles);
    gosset__free(env, singles);
    gosset__free(env, self.matrix);
    return status;
}
