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

GOSSET__WIDE void gosset__column_statistics(size_t rows, size_t width, size_t first, size_t count, const float *x,
                                            float *mean, float *deviation_inverse) {
    while (count > 0) {
        float sums[COLUMNS_MAX] = {0}, squares[COLUMNS_MAX] = {0};
        size_t part = count < COLUMNS_MAX ? count : COLUMNS_MAX;
        for (size_t r = 0; r < rows; r++)
            for (size_t j = 0; j < part; j++) sums[j] += x[r * width + first + j];
        for (size_t j = 0; j < part; j++) sums[j] /= (float)rows;
        for (size_t r = 0; r < rows; r++) /* a second pass: E[x^2] - E[x]^2 cancels when the mean is large */
            for (size_t j = 0; j < part; j++) {
                float difference = x[r * width + first + j] - sums[j];
                squares[j] += difference * difference;
            }
        for (size_t j = 0; j < part; j++) {
            mean[first + j] = sums[j];
            deviation_inverse[first + j] = 1.0f / sqrtf(squares[j] / (float)rows + VARIANCE_EPSILON);
        }
        first += part;
        count -= part;
    }
}

GOSSET__WIDE static void normalise_columns(size_t rows, size_t width, size_t first, size_t count, const float *mean,
                                           const float *inverse, const float *gamma, const float *beta, float *x,
                                           float *y) {
    for (size_t r = 0; r < rows; r++) {
        float *xr = x + r * width, *yr = y + r * width;
        for (size_t j = first; j < first + count; j++) {
            float normal = (xr[j] - mean[j - first]) * inverse[j];
            float value = gamma[j] * normal + beta[j];
            xr[j] = normal;
            yr[j] = value > 0 ? value : 0;
        }
    }
}

void gosset__norm_relu_forward(size_t rows, size_t width, size_t first, size_t count, const float *gamma,
                               const float *beta, float *x, float *deviation_inverse, float *y) {
    for (size_t end = first + count; first < end; first += COLUMNS_MAX) {
        size_t part = end - first < COLUMNS_MAX ? end - first : COLUMNS_MAX;
        float mean[COLUMNS_MAX];
        gosset__column_statistics(rows, width, 0, part, x + first, mean, deviation_inverse + first);
        normalise_columns(rows, width, first, part, mean, deviation_inverse, gamma, beta, x, y);
    }
}

/* dx = gamma / deviation * (g - mean(g) - x mean(g x)) with g = dy where the ReLU let it pass. */
GOSSET__WIDE static void backward_columns(size_t rows, size_t width, size_t count, const float *gamma,
                                          const float *inverse, const float *x, const float *y, float *dy,
                                          float *dgamma, float *dbeta) {
    float sums[COLUMNS_MAX] = {0}, products[COLUMNS_MAX] = {0};
    for (size_t r = 0; r < rows; r++)
        for (size_t j = 0; j < count; j++) {
            float g = y[r * width + j] > 0 ? dy[r * width + j] : 0;
            dy[r * width + j] = g;
            sums[j] += g;
            products[j] += g * x[r * width + j];
        }
    float factors[COLUMNS_MAX];
    for (size_t j = 0; j < count; j++) {
        dbeta[j] = sums[j];
        dgamma[j] = products[j];
        factors[j] = gamma[j] * inverse[j];
        sums[j] /= (float)rows;
        products[j] /= (float)rows;
    }
    for (size_t r = 0; r < rows; r++)
        for (size_t j = 0; j < count; j++)
            dy[r * width + j] = factors[j] * (dy[r * width + j] - sums[j] - x[r * width + j] * products[j]);
}

void gosset__norm_relu_backward(size_t rows, size_t width, size_t first, size_t count, const float *gamma,
                                const float *deviation_inverse, const float *x, const float *y, float *dy,
                                float *dgamma, float *dbeta) {
    for (size_t end = first + count; first < end; first += COLUMNS_MAX) {
        size_t part = end - first < COLUMNS_MAX ? end - first : COLUMNS_MAX;
        backward_columns(rows, width, part, gamma + first, deviation_inverse + first, x + first, y + first, dy + first,
                         dgamma + first, dbeta + first);
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
