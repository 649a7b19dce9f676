/**
 * Included by panels.c once for every width of vectors, with NAME, TARGET, LANES (floats of a vector), ROWS and
 * VECTORS: the tile, as many sums as fit into registers beside what is read.
 */
typedef float NAME(vector) __attribute__((vector_size(LANES * sizeof(float)), aligned(4), may_alias));

TARGET static inline __attribute__((always_inline)) void NAME(sum_tile)(const size_t rows, const factors *f, size_t row,
                                                                        size_t step, const float *a, const float *b,
                                                                        size_t columns, float *c) {
    NAME(vector) sums[ROWS][VECTORS], column[VECTORS];
    for (size_t i = 0; i < rows; i++)
        for (size_t v = 0; v < VECTORS; v++) sums[i][v] = (NAME(vector)){0};
    for (size_t t = 0; t < f->k; t++) {
        for (size_t v = 0; v < VECTORS; v++) column[v] = *(const NAME(vector) *)(b + t * PANEL + v * LANES);
        for (size_t i = 0; i < rows; i++)
            for (size_t v = 0; v < VECTORS; v++) sums[i][v] += a[i * row + t * step] * column[v];
    }
    for (size_t i = 0; i < rows; i++)
        if (columns == VECTORS * LANES)
            for (size_t v = 0; v < VECTORS; v++) *(NAME(vector) *)(c + i * f->stride + v * LANES) = sums[i][v];
        else
            memcpy(c + i * f->stride, sums[i], columns * sizeof *c);
}

/* All panels; what is left over of the rows in smaller tiles. */
TARGET static inline __attribute__((always_inline)) void NAME(sum_panels)(const factors *f, size_t row, size_t step) {
    const size_t wide = VECTORS * LANES;
    for (size_t j = 0; j < f->n; j += wide) {
        const size_t columns = f->n - j < wide ? f->n - j : wide;
        const float *b = f->panels + j / PANEL * PANEL * f->k + j % PANEL, *a = f->a;
        float *c = f->c + j;
        size_t left = f->m;
        for (; left >= ROWS; left -= ROWS, a += ROWS * row, c += ROWS * f->stride)
            NAME(sum_tile)(ROWS, f, row, step, a, b, columns, c);
        for (; ROWS > 8 && left >= 8; left -= 8, a += 8 * row, c += 8 * f->stride)
            NAME(sum_tile)(8, f, row, step, a, b, columns, c);
        for (; ROWS > 2 && left >= 2; left -= 2, a += 2 * row, c += 2 * f->stride)
            NAME(sum_tile)(2, f, row, step, a, b, columns, c);
        if (left) NAME(sum_tile)(1, f, row, step, a, b, columns, c);
    }
}

TARGET static void NAME(sum)(const factors *f) {
    if (f->step == 1)
        NAME(sum_panels)(f, f->row, 1);
    else
        NAME(sum_panels)(f, 1, f->step);
}

#undef NAME
#undef TARGET
#undef LANES
#undef ROWS
#undef VECTORS
