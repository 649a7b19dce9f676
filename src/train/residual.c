/*
 * The learned part of residual codes. Every cell of the finished map gets a centroid: the mean of its learn vectors,
 * drawn towards a prediction, so that a cell nobody has seen has one too: linear from the cell's lattice point, plus
 * what that leaves in the nearest other cells (on SIFT descriptors 2 % less is left than without these). The features
 * are the principal axes of what the centroids leave: the leading ones carry most and get most bits. residual_choose.c
 * says how many each.
 */
#include "train/residual.h"
#include "base/bytes.h"
#include "base/status.h"
#include "lattice/windows.h"
#include "train/blas.h"
#include "train/principal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    ROWS_MAX = 250000, /* of the learn set: enough for 16 thousand means */
    AXES_MAX = GOSSET__RESIDUAL_MAX_AXES,
    ROW_BLOCK = 4096, /* rows of one matrix product */
    CELL_BLOCK = 64,
    SMOOTHED_CELLS_MAX = 1 << 16 /* every cell is compared with every other */
};

/* A cell's prediction weighs as much as this many vectors. */
static const double prediction_weight = GOSSET__RESIDUAL_PREDICTION_WEIGHT;
/* The largest squared norm of features: scores beyond 100 are cut off, and this leaves room for unseen vectors. */
static const float largest_norm = 7;

typedef gosset__residual_fitting fit;

static float *take(fit *f, gosset_status *status, size_t count, size_t size) {
    float *memory = *status == GOSSET_OK ? gosset__alloc_array(&f->trainer->env, count + 1, size) : NULL;
    if (!memory && *status == GOSSET_OK) *status = gosset__no_memory("residual codes", count * size);
    return memory;
}

static gosset_status allocate(fit *f) {
    gosset_status status = GOSSET_OK;
    const size_t axes = f->axes, latent = f->latent;
    f->basis = take(f, &status, f->features * axes, sizeof(float));
    f->x = take(f, &status, f->rows * axes, sizeof(float));
    f->latents = take(f, &status, f->rows * latent, sizeof(float));
    f->cell = (uint32_t *)take(f, &status, f->rows, sizeof(uint32_t));
    f->points = take(f, &status, f->cells * latent, sizeof(float));
    f->centroids = take(f, &status, f->cells * axes, sizeof(float));
    f->rotation = take(f, &status, axes * axes, sizeof(float));
    f->rotated = take(f, &status, f->cells * axes, sizeof(float));
    f->map = take(f, &status, f->features * axes, sizeof(float));
    f->counts = (uint32_t *)take(f, &status, f->cells, sizeof(uint32_t));
    f->group = (uint8_t *)take(f, &status, f->cells, sizeof(uint8_t));
    f->turns = take(f, &status, (size_t)GOSSET__RESIDUAL_MAX_GROUPS * f->turned * f->turned, sizeof(float));
    f->centre = take(f, &status, axes, sizeof(float));
    f->normal = (double *)take(f, &status, latent * (latent + axes), sizeof(double));
    return status;
}

static void release(fit *f) {
    const gosset__env *env = &f->trainer->env;
    void *const blocks[] = {f->basis,   f->x,   f->latents, f->cell,   f->points, f->centroids, f->rotation,
                            f->rotated, f->map, f->counts,  f->normal, f->group,  f->turns,     f->centre};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) gosset__free(env, blocks[i]);
}

/* ---- where the learn set lies --------------------------------------------------------------- */

typedef struct product {
    size_t rows;
    uint32_t inner, columns;
    const float *a, *b;
    float *c;
} product;

static gosset_status product_block(void *context, size_t item, uint32_t worker) {
    (void)worker;
    const product *p = context;
    const size_t first = item * ROW_BLOCK, count = p->rows - first < ROW_BLOCK ? p->rows - first : ROW_BLOCK;
    gosset__product(count, p->columns, p->inner, p->a + first * p->inner, p->b, 0, p->c + first * p->columns);
    return GOSSET_OK;
}

static gosset_status multiply(fit *f, product p) {
    return gosset__pool_run(f->trainer->pool, (p.rows + ROW_BLOCK - 1) / ROW_BLOCK, product_block, &p);
}

/* One scale for all axes: mean squared norm 1, unless that would let far vectors leave the range of scores. */
static float choose_scale(const fit *f) {
    double sum = 0, largest = 0;
    for (size_t r = 0; r < f->rows; r++) {
        double square = 0;
        for (uint32_t i = 0; i < f->axes; i++) square += (double)f->x[r * f->axes + i] * (double)f->x[r * f->axes + i];
        sum += square;
        if (square > largest) largest = square;
    }
    if (!(sum > 0)) return 1;
    const float mean = (float)(1 / sqrt(sum / (double)f->rows)), most = largest_norm / (float)sqrt(largest);
    return mean < most ? mean : most;
}

static gosset_status project(fit *f) {
    gosset__trainer *t = f->trainer;
    gosset_status status;
    const gosset__folded folded = gosset__folded_view(&t->shape, t->model->folded);
    GOSSET_TRY(gosset__principal_axes(t->learn.rows, f->rows, f->features, f->axes, f->basis, t->pool, &t->env));
    GOSSET_TRY(multiply(f, (product){f->rows, f->features, f->axes, t->learn.rows, f->basis, f->x}));
    const float scale = choose_scale(f);
    for (size_t i = 0; i < (size_t)f->features * f->axes; i++) f->basis[i] *= scale;
    for (size_t i = 0; i < f->rows * f->axes; i++) f->x[i] *= scale;
    gosset__residual_find_centre(f);
    GOSSET_TRY(gosset__embed(&t->shape, &folded, t->learn.rows, f->rows, f->latents, t->pool, &t->env));
out:
    return status;
}

static gosset_status assign_block(void *context, size_t item, uint32_t worker) {
    (void)worker;
    fit *f = context;
    const gosset_lattice *lattice = f->trainer->model->cell_lattice;
    const size_t first = item * ROW_BLOCK, end = f->rows - first < ROW_BLOCK ? f->rows : first + ROW_BLOCK;
    int8_t point[GOSSET__LATTICE_MAX_DIMENSION];
    gosset__wide rank;
    for (size_t r = first; r < end; r++) {
        lattice->ops->nearest(lattice, f->latents + r * f->latent, point);
        lattice->ops->rank(lattice, point, &rank);
        f->cell[r] = (uint32_t)rank.word[0];
    }
    return GOSSET_OK;
}

/* Coordinates of every cell's point; those the cell lattice does not see stay 0. */
static void unrank_cells(fit *f) {
    const gosset_lattice *lattice = f->trainer->model->cell_lattice;
    int8_t point[GOSSET__LATTICE_MAX_DIMENSION];
    memset(f->points, 0, (size_t)f->cells * f->latent * sizeof(float));
    for (uint32_t c = 0; c < f->cells; c++) {
        const gosset__wide rank = gosset__wide_make(c);
        lattice->ops->unrank(lattice, &rank, point);
        for (uint32_t i = 0; i < lattice->dimension; i++)
            f->points[(size_t)c * f->latent + i] = lattice->scale * (float)point[i];
    }
}

/* ---- centroids ------------------------------------------------------------------------------ */

/* Weights of the linear prediction x ~ point * weights by ridge regression: Gauss-Jordan on the normal equations. */
static void predict(fit *f) {
    const uint32_t n = f->latent, columns = n + f->axes;
    memset(f->normal, 0, (size_t)n * columns * sizeof(double));
    for (size_t r = 0; r < f->rows; r++) {
        const float *point = f->points + (size_t)f->cell[r] * n, *x = f->x + r * f->axes;
        for (uint32_t i = 0; i < n; i++) {
            if (point[i] == 0) continue;
            for (uint32_t j = 0; j < n; j++) f->normal[(size_t)i * columns + j] += (double)point[i] * (double)point[j];
            for (uint32_t j = 0; j < f->axes; j++)
                f->normal[(size_t)i * columns + n + j] += (double)point[i] * (double)x[j];
        }
    }
    for (uint32_t i = 0; i < n; i++) f->normal[(size_t)i * columns + i] += 1e-3 * (double)f->rows / n + 1e-9;
    for (uint32_t i = 0; i < n; i++) { /* positive definite: no pivoting needed */
        double *row = f->normal + (size_t)i * columns;
        const double pivot = row[i];
        for (uint32_t j = 0; j < columns; j++) row[j] /= pivot;
        for (uint32_t k = 0; k < n; k++) {
            double *other = f->normal + (size_t)k * columns;
            const double factor = other[i];
            for (uint32_t j = 0; j < columns && k != i && factor != 0; j++) other[j] -= factor * row[j];
        }
    }
}

static double linear_at(const fit *f, size_t cell, uint32_t axis) {
    const uint32_t n = f->latent;
    double sum = 0;
    for (uint32_t j = 0; j < n; j++)
        sum += (double)f->points[cell * n + j] * f->normal[(size_t)j * (n + f->axes) + n + axis];
    return sum;
}

/* What the linear prediction leaves of each cell's rows, summed into its centroid's place. */
static void sum_rows(fit *f) {
    const uint32_t axes = f->axes;
    memset(f->counts, 0, (size_t)f->cells * sizeof *f->counts);
    memset(f->centroids, 0, (size_t)f->cells * axes * sizeof(float));
    for (size_t r = 0; r < f->rows; r++) {
        float *sum = f->centroids + (size_t)f->cell[r] * axes;
        f->counts[f->cell[r]]++;
        for (uint32_t i = 0; i < axes; i++) sum[i] += f->x[r * axes + i];
    }
    for (uint32_t c = 0; c < f->cells; c++)
        for (uint32_t i = 0; i < axes; i++) {
            const double linear = linear_at(f, c, i);
            f->rotated[(size_t)c * axes + i] = (float)linear;
            f->centroids[(size_t)c * axes + i] -= (float)(f->counts[c] * linear);
        }
}

/* Cells `first` to `end` beside all others, a tile of products at a time; `sums` and `rows` are of the nearest so far.
 */
typedef struct around {
    float nearest[CELL_BLOCK], sums[CELL_BLOCK][AXES_MAX];
    double rows[CELL_BLOCK];
} around;

static void look_around(const fit *f, size_t cell, size_t first, size_t count, const float *products, float *nearest,
                        float *sums, double *rows) {
    for (size_t other = first; other < first + count; other++) {
        const float inner = products[other - first];
        if (inner < *nearest - 1e-4f || other == cell) continue;
        if (inner > *nearest + 1e-4f) { /* what was summed lies farther away */
            *nearest = inner;
            *rows = prediction_weight;
            memset(sums, 0, f->axes * sizeof *sums);
        }
        *rows += f->counts[other];
        for (uint32_t i = 0; i < f->axes && f->counts[other] > 0; i++) sums[i] += f->centroids[other * f->axes + i];
    }
}

/* The mean of what the prediction leaves in the cells around, added to the prediction. */
static gosset_status smooth_block(void *context, size_t block, uint32_t worker) {
    (void)worker;
    enum { TILE = 256 };
    fit *f = context;
    const size_t first = block * CELL_BLOCK, count = f->cells - first < CELL_BLOCK ? f->cells - first : CELL_BLOCK;
    float products[CELL_BLOCK * TILE];
    around found = {.nearest = {0}};
    for (size_t c = 0; c < count; c++) {
        found.nearest[c] = -HUGE_VALF;
        found.rows[c] = prediction_weight;
    }
    for (size_t other = 0; other < f->cells; other += TILE) {
        const size_t others = f->cells - other < TILE ? f->cells - other : TILE;
        gosset__product_bt(count, others, f->latent, f->points + first * f->latent, f->points + other * f->latent, 0,
                           products);
        for (size_t c = 0; c < count; c++)
            look_around(f, first + c, other, others, products + c * others, &found.nearest[c], found.sums[c],
                        &found.rows[c]);
    }
    for (size_t c = 0; c < count; c++)
        for (uint32_t i = 0; i < f->axes; i++)
            f->rotated[(first + c) * f->axes + i] += found.sums[c][i] / (float)found.rows[c];
    return GOSSET_OK;
}

/* Centroids, and what they leave of the rows. */
static gosset_status average(fit *f) {
    gosset_status status = GOSSET_OK;
    const uint32_t axes = f->axes;
    sum_rows(f);
    if (f->cells <= SMOOTHED_CELLS_MAX)
        GOSSET_TRY(gosset__pool_run(f->trainer->pool, (f->cells + CELL_BLOCK - 1) / CELL_BLOCK, smooth_block, f));
    for (uint32_t c = 0; c < f->cells; c++)
        for (uint32_t i = 0; i < axes; i++) {
            const double prediction = (double)f->rotated[(size_t)c * axes + i], count = f->counts[c];
            float *value = f->centroids + (size_t)c * axes + i;
            *value = (float)(((double)*value + count * linear_at(f, c, i) + prediction_weight * prediction) /
                             (count + prediction_weight));
        }
    for (size_t r = 0; r < f->rows; r++)
        for (uint32_t i = 0; i < axes; i++) f->x[r * axes + i] -= f->centroids[(size_t)f->cell[r] * axes + i];
out:
    return status;
}

static int compare_floats(const void *a, const void *b) {
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

void gosset__residual_sort(float *values, size_t count) {
    qsort(values, count, sizeof *values, compare_floats);
}

/* ---- result --------------------------------------------------------------------------------- */

void gosset__residual_columns(const float *from, uint32_t from_columns, size_t rows, uint32_t to_columns, float *to) {
    for (size_t r = 0; r < rows; r++, from += from_columns, to += to_columns)
        for (uint32_t i = 0; i < to_columns; i++) to[i] = i > 0 && i - 1 < from_columns ? from[i - 1] : 0.0f;
}

/* Features behind the coded ones are kept as long as the centroids differ there: they tell cells apart. */
static uint32_t count_features(const fit *f, uint32_t places) {
    const double negligible = 0.002;
    double total = 0, rest = 0;
    uint32_t features = f->axes + 1;
    for (size_t c = 0; c < f->cells; c++)
        for (uint32_t i = 0; i < f->axes; i++) {
            const double value = (double)f->rotated[c * f->axes + i];
            total += f->counts[c] * value * value;
        }
    for (; features > places && features > 1; features--) {
        for (size_t c = 0; c < f->cells; c++) {
            const double value = (double)f->rotated[c * f->axes + features - 2];
            rest += f->counts[c] * value * value;
        }
        if (rest > negligible * total) break;
    }
    features = (uint32_t)gosset__round_up(features < places ? places : features, 8);
    return features < GOSSET__RESIDUAL_MAX_FEATURES ? features : GOSSET__RESIDUAL_MAX_FEATURES;
}

/* A group's matrix with a row and a column for the gain's place, and the identity where there are no axes. */
static void spread_turn(const fit *f, uint32_t group, uint32_t turned, float *out) {
    const float *turn = f->turns + (size_t)group * f->turned * f->turned;
    for (uint32_t i = 0; i < turned; i++)
        for (uint32_t j = 0; j < turned; j++) {
            const int inside = i > 0 && j > 0 && i <= f->turned && j <= f->turned;
            out[(size_t)i * turned + j] = inside ? turn[(size_t)(i - 1) * f->turned + j - 1] : i == j ? 1.0f : 0.0f;
        }
}

/* Features and centroids on the axes of the groups, with a gap for the gain. */
static gosset_status keep_windows(fit *f, const gosset__windows *windows, float stretch) {
    gosset_model *model = f->trainer->model;
    gosset__residual sizes = {.windows = *windows, .groups = f->groups, .stretch = stretch};
    gosset_status status;
    const uint32_t places = gosset__windows_distinct(windows);
    if (f->groups > 0) sizes.turned = (uint32_t)gosset__round_up(f->turned + 1, 16);
    sizes.features = count_features(f, places > sizes.turned ? places : sizes.turned);
    GOSSET_TRY(gosset__model_make_residual(model, &sizes));
    gosset__residual_columns(f->map, f->axes, f->features, sizes.features, model->rotation);
    for (uint32_t i = 0; i < f->axes; i++) f->centre[i] *= 1 - stretch;
    gosset__residual_columns(f->centre, f->axes, 1, sizes.features,
                             model->rotation + (size_t)f->features * sizes.features);
    gosset__residual_columns(f->rotated, f->axes, f->cells, sizes.features, model->centroids);
    for (uint32_t g = 0; g < f->groups; g++)
        spread_turn(f, g, sizes.turned, model->turns + (size_t)g * sizes.turned * sizes.turned);
    memcpy(model->group, f->group, f->cells);
    gosset__log(&f->trainer->env, GOSSET_LOG_INFO,
                "codes of windows: %u features of 4 bits, %u of 2, %u of 1%s, %u in all; queries stretched by %.2f",
                8 * windows->words[0] - 1, 16 * windows->words[1], 32 * windows->words[2],
                windows->repeats > 0 ? " for what the first leave" : "", sizes.features, (double)stretch);
out:
    return status;
}

static gosset_status fit_codes(fit *f) {
    gosset__residual_judge judge;
    gosset__windows windows;
    gosset_status status;
    GOSSET_TRY(gosset__residual_judge_start(&judge, f));
    GOSSET_TRY(gosset__residual_choose(&judge, &windows));
    GOSSET_TRY(keep_windows(f, &windows, gosset__residual_stretch_for(&judge, f->trainer->settings.vectors)));
out:
    gosset__residual_judge_free(&judge);
    return status;
}

/* On the axes of the residuals. */
static void turn_centre(fit *f) {
    float centre[AXES_MAX];
    memcpy(centre, f->centre, f->axes * sizeof *centre);
    gosset__product(1, f->axes, f->axes, centre, f->rotation, 0, f->centre);
}

gosset_status gosset__residual_fit(gosset__trainer *trainer) {
    const uint32_t features = trainer->shape.features, most = AXES_MAX;
    fit f = {.trainer = trainer,
             .rows = trainer->learn.count < ROWS_MAX ? trainer->learn.count : ROWS_MAX,
             .features = features,
             .axes = features < most ? features : most,
             .cells = (uint32_t)trainer->model->cell_lattice->point_count.word[0],
             .latent = trainer->shape.output};
    f.turned = f.axes < GOSSET__RESIDUAL_MAX_TURNED ? f.axes : GOSSET__RESIDUAL_MAX_TURNED - 1;
    gosset_status status;
    GOSSET_TRY(allocate(&f));
    GOSSET_TRY(project(&f));
    GOSSET_TRY(gosset__pool_run(trainer->pool, (f.rows + ROW_BLOCK - 1) / ROW_BLOCK, assign_block, &f));
    unrank_cells(&f);
    predict(&f);
    GOSSET_TRY(average(&f));
    GOSSET_TRY(gosset__principal_axes(f.x, f.rows, f.axes, f.axes, f.rotation, trainer->pool, &trainer->env));
    GOSSET_TRY(multiply(&f, (product){f.cells, f.axes, f.axes, f.centroids, f.rotation, f.rotated}));
    GOSSET_TRY(multiply(&f, (product){f.features, f.axes, f.axes, f.basis, f.rotation, f.map}));
    turn_centre(&f);
    GOSSET_TRY(gosset__residual_turn(&f));
    GOSSET_TRY(fit_codes(&f));
out:
    release(&f);
    return status;
}
