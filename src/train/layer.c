#include "train/layer.h"
#include "train/blas.h"
#include "train/numeric.h"

#include <math.h>
#include <string.h>

enum { COLUMNS_MAX = 64 }; /* of one piece: its sums live on the stack */

static const float VARIANCE_EPSILON = 1e-5f;
static const float NORM_MIN = 1e-12f;

/* ---- linear --------------------------------------------------------------------------------- */

void gosset__linear_forward(size_t rows, size_t in, size_t out, const float *x, const float *w, const float *bias,
                            int keep, float *y) {
    if (bias)
        for (size_t r = 0; r < rows; r++) memcpy(y + r * out, bias, out * sizeof *y);
    gosset__product(rows, out, in, x, w, keep || bias, y);
}

void gosset__linear_backward_input(size_t rows, size_t in, size_t out, const float *dy, const float *w, float *dx) {
    gosset__product_bt(rows, in, out, dy, w, 0, dx);
}

void gosset__linear_backward_weight(size_t rows, size_t in, size_t out, size_t first, size_t count, const float *x,
                                    const float *dy, float *dw) {
    gosset__product_at(count, out, rows, x + first, in, dy, 0, dw + first * out);
}

void gosset__linear_backward_bias(size_t rows, size_t out, const float *dy, float *dbias) {
    memset(dbias, 0, out * sizeof *dbias);
    for (size_t r = 0; r < rows; r++)
        for (size_t j = 0; j < out; j++) dbias[j] += dy[r * out + j];
}

/* ---- batch normalisation and ReLU ----------------------------------------------------------- */

GOSSET__WIDE void gosset__column_moments(size_t rows, size_t width, size_t first, size_t count, const float *x,
                                         float *mean, float *squares) {
    for (size_t end = first + count; first < end; first += COLUMNS_MAX) {
        float sums[COLUMNS_MAX] = {0}, differences[COLUMNS_MAX] = {0};
        const size_t part = end - first < COLUMNS_MAX ? end - first : COLUMNS_MAX;
        for (size_t r = 0; r < rows; r++)
            for (size_t j = 0; j < part; j++) sums[j] += x[r * width + first + j];
        for (size_t j = 0; j < part; j++) sums[j] /= (float)rows;
        for (size_t r = 0; r < rows; r++) /* a second pass: E[x^2] - E[x]^2 cancels when the mean is large */
            for (size_t j = 0; j < part; j++) {
                const float difference = x[r * width + first + j] - sums[j];
                differences[j] += difference * difference;
            }
        memcpy(mean + first, sums, part * sizeof *sums);
        memcpy(squares + first, differences, part * sizeof *differences);
    }
}

/* Chan, Golub and LeVeque 1979: squares about the common mean = those about a block's + rows times their distance's. */
GOSSET__WIDE void gosset__moments_join(size_t rows, size_t block_rows, size_t width, const float *moments, float *mean,
                                       float *inverse) {
    memset(mean, 0, width * sizeof *mean);
    memset(inverse, 0, width * sizeof *inverse);
    for (size_t first = 0, b = 0; first < rows; first += block_rows, b++) {
        const float share = (float)(rows - first < block_rows ? rows - first : block_rows) / (float)rows;
        for (size_t j = 0; j < width; j++) mean[j] += share * moments[2 * b * width + j];
    }
    for (size_t first = 0, b = 0; first < rows; first += block_rows, b++) {
        const float count = (float)(rows - first < block_rows ? rows - first : block_rows);
        const float *means = moments + 2 * b * width, *squares = means + width;
        for (size_t j = 0; j < width; j++) {
            const float difference = means[j] - mean[j];
            inverse[j] += squares[j] + count * difference * difference;
        }
    }
    for (size_t j = 0; j < width; j++) inverse[j] = 1.0f / sqrtf(inverse[j] / (float)rows + VARIANCE_EPSILON);
}

GOSSET__WIDE void gosset__norm_relu_forward(size_t rows, size_t width, const float *mean, const float *inverse,
                                            const float *gamma, const float *beta, float *x, float *y) {
    for (size_t r = 0; r < rows; r++) {
        float *restrict xr = x + r * width, *restrict yr = y + r * width;
        for (size_t j = 0; j < width; j++) {
            const float normal = (xr[j] - mean[j]) * inverse[j], value = gamma[j] * normal + beta[j];
            xr[j] = normal;
            yr[j] = value > 0 ? value : 0;
        }
    }
}

GOSSET__WIDE void gosset__norm_relu_backward_sums(size_t rows, size_t width, const float *x, const float *y, float *dy,
                                                  float *dgamma, float *dbeta) {
    for (size_t first = 0; first < width; first += COLUMNS_MAX) {
        float sums[COLUMNS_MAX] = {0}, products[COLUMNS_MAX] = {0};
        const size_t part = width - first < COLUMNS_MAX ? width - first : COLUMNS_MAX;
        for (size_t r = 0; r < rows; r++) {
            const float *xr = x + r * width + first, *yr = y + r * width + first;
            float *gr = dy + r * width + first;
            for (size_t j = 0; j < part; j++) {
                const float g = yr[j] > 0 ? gr[j] : 0;
                gr[j] = g;
                sums[j] += g;
                products[j] += g * xr[j];
            }
        }
        memcpy(dbeta + first, sums, part * sizeof *sums);
        memcpy(dgamma + first, products, part * sizeof *products);
    }
}

/* dx = gamma / deviation * (g - mean(g) - x mean(g x)) */
GOSSET__WIDE void gosset__norm_backward(size_t rows, size_t width, const float *gamma, const float *inverse,
                                        const float *dgamma, const float *dbeta, const float *x, float *dy) {
    for (size_t r = 0; r < rows; r++) {
        const float *xr = x + r * width;
        float *restrict gr = dy + r * width;
        for (size_t j = 0; j < width; j++) gr[j] = gamma[j] * inverse[j] * (gr[j] - dbeta[j] - xr[j] * dgamma[j]);
    }
}

/* ---- the sphere ----------------------------------------------------------------------------- */

void gosset__normalise_forward(size_t rows, size_t dimension, const float *y, float *norms, float *z) {
    for (size_t r = 0; r < rows; r++) {
        const float *from = y + r * dimension;
        double square = 0;
        for (size_t j = 0; j < dimension; j++) square += (double)from[j] * from[j];
        float norm = (float)sqrt(square);
        norms[r] = norm > NORM_MIN ? norm : NORM_MIN;
        for (size_t j = 0; j < dimension; j++) z[r * dimension + j] = from[j] / norms[r];
    }
}

void gosset__normalise_backward(size_t rows, size_t dimension, const float *z, const float *norms, float *dz) {
    for (size_t r = 0; r < rows; r++) {
        const float *point = z + r * dimension;
        float *gradient = dz + r * dimension;
        double along = 0;
        for (size_t j = 0; j < dimension; j++) along += (double)point[j] * gradient[j];
        for (size_t j = 0; j < dimension; j++) gradient[j] = (gradient[j] - (float)along * point[j]) / norms[r];
    }
}
