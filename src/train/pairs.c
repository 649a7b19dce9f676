#include "train/pairs.h"
#include "train/lanes.h"
#include "train/numeric.h"

/* Tiles of 16 to 20 vectors of sums: as many as fit into registers beside what is read. */
enum { LANES = GOSSET__LANES, ROWS = 4, COLUMNS = 4, DIMENSIONS = 5 };

_Static_assert(GOSSET__PAIR_STRIDE == LANES * COLUMNS, "a tile of columns");

#define TILE static inline __attribute__((always_inline))

TILE void score_tile(size_t rows_here, size_t stride, size_t dimension, const float *rows, const float *across,
                     float *scores) {
    gosset__lanes sums[ROWS][COLUMNS] = {{{0}}};
    for (size_t t = 0; t < dimension; t++)
        for (size_t c = 0; c < COLUMNS; c++) {
            const gosset__lanes column = GOSSET__LOAD(across + t * stride + c * LANES);
            for (size_t r = 0; r < rows_here; r++) sums[r][c] += rows[r * dimension + t] * column;
        }
    for (size_t r = 0; r < rows_here; r++)
        for (size_t c = 0; c < COLUMNS; c++) GOSSET__STORE(scores + r * stride + c * LANES, sums[r][c]);
}

GOSSET__WIDE_FUSED void gosset__pairs_score(size_t count, size_t stride, size_t dimension, const float *rows,
                                            const float *across, float *scores) {
    for (size_t j = 0; j < stride; j += GOSSET__PAIR_STRIDE) {
        size_t r = 0;
        for (; r + ROWS <= count; r += ROWS)
            score_tile(ROWS, stride, dimension, rows + r * dimension, across + j, scores + r * stride + j);
        for (; r < count; r++)
            score_tile(1, stride, dimension, rows + r * dimension, across + j, scores + r * stride + j);
    }
}

TILE void pull_tile(size_t rows_here, size_t dimensions_here, size_t stride, size_t dimension, const float *weights,
                    const float *across, float *out) {
    gosset__lanes sums[ROWS][DIMENSIONS] = {{{0}}};
    for (size_t j = 0; j < stride; j += LANES)
        for (size_t t = 0; t < dimensions_here; t++) {
            const gosset__lanes column = GOSSET__LOAD(across + t * stride + j);
            for (size_t r = 0; r < rows_here; r++) sums[r][t] += GOSSET__LOAD(weights + r * stride + j) * column;
        }
    for (size_t r = 0; r < rows_here; r++)
        for (size_t t = 0; t < dimensions_here; t++) {
            float sum = 0;
            for (size_t i = 0; i < LANES; i++) sum += sums[r][t][i];
            out[r * dimension + t] = sum;
        }
}

TILE void pull_rows(size_t rows_here, size_t stride, size_t dimension, const float *weights, const float *across,
                    float *out) {
    size_t t = 0;
    for (; t + DIMENSIONS <= dimension; t += DIMENSIONS)
        pull_tile(rows_here, DIMENSIONS, stride, dimension, weights, across + t * stride, out + t);
    for (; t < dimension; t++) pull_tile(rows_here, 1, stride, dimension, weights, across + t * stride, out + t);
}

GOSSET__WIDE_FUSED void gosset__pairs_pull(size_t count, size_t stride, size_t dimension, const float *weights,
                                           const float *across, float *out) {
    size_t r = 0;
    for (; r + ROWS <= count; r += ROWS)
        pull_rows(ROWS, stride, dimension, weights + r * stride, across, out + r * dimension);
    for (; r < count; r++) pull_rows(1, stride, dimension, weights + r * stride, across, out + r * dimension);
}

TILE void push_tile(size_t dimensions_here, size_t count, size_t stride, size_t dimension, const float *weights,
                    const float *rows, float *out) {
    gosset__lanes sums[DIMENSIONS][COLUMNS];
    for (size_t t = 0; t < dimensions_here; t++)
        for (size_t c = 0; c < COLUMNS; c++) sums[t][c] = GOSSET__LOAD(out + t * stride + c * LANES);
    for (size_t r = 0; r < count; r++)
        for (size_t c = 0; c < COLUMNS; c++) {
            const gosset__lanes weight = GOSSET__LOAD(weights + r * stride + c * LANES);
            for (size_t t = 0; t < dimensions_here; t++) sums[t][c] += rows[r * dimension + t] * weight;
        }
    for (size_t t = 0; t < dimensions_here; t++)
        for (size_t c = 0; c < COLUMNS; c++) GOSSET__STORE(out + t * stride + c * LANES, sums[t][c]);
}

GOSSET__WIDE_FUSED void gosset__pairs_push(size_t count, size_t stride, size_t dimension, const float *weights,
                                           const float *rows, float *out) {
    for (size_t j = 0; j < stride; j += GOSSET__PAIR_STRIDE) {
        size_t t = 0;
        for (; t + DIMENSIONS <= dimension; t += DIMENSIONS)
            push_tile(DIMENSIONS, count, stride, dimension, weights + j, rows + t, out + t * stride + j);
        for (; t < dimension; t++) push_tile(1, count, stride, dimension, weights + j, rows + t, out + t * stride + j);
    }
}
