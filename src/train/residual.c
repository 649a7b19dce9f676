/*
 * The learned part of residual codes. Every cell of the finished map gets a centroid: the mean of its learn vectors,
 * drawn towards a linear prediction from the cell's lattice point, so that a cell nobody has seen has one too. The
 * features are the principal axes of what the centroids leave, so the leading ones carry most and get 4 bits, the rest
 * 2 (reverse water-filling); how many of each, and the step, are what codes a sample of the learn set best.
 */
#include "base/status.h"
#include "train/blas.h"
#include "train/principal.h"
#include "train/trainer.h"

#include <math.h>
#include <string.h>

enum {
    ROWS_MAX = 250000,  /* of the learn set: enough for 16 thousand means */
    SAMPLE_ROWS = 4096, /* coded for every choice of fields and step */
    ROW_BLOCK = 4096    /* rows of one matrix product */
};

/* A cell's prediction weighs as much as this many vectors. */
static const double prediction_weight = 3;
/* The largest squared norm of features: scores beyond 100 are cut off, and this leaves room for unseen vectors. */
static const float largest_norm = 7;
static const float steps[] = {0.16f, 0.2f, 0.25f, 0.31f, 0.38f, 0.47f, 0.58f, 0.72f, 0.9f, 1.1f};

typedef struct fit {
    gosset__trainer *trainer;
    size_t rows;
    uint32_t features; /* of the network's input */
    uint32_t axes;     /* principal axes kept, and columns of what follows */
    uint32_t cells, latent;
    float *basis;     /* features x axes: to the leading axes, scaled */
    float *x;         /* rows x axes: the learn set there, later its residuals */
    float *latents;   /* rows x latent */
    uint32_t *cell;   /* rows */
    float *points;    /* cells x latent: unit lattice points */
    float *centroids; /* cells x axes */
    float *rotation;  /* axes x axes: principal axes of the residuals */
    float *rotated;   /* cells x axes: the centroids there */
    float *map;       /* features x axes: from the input to there */
    float *sample;    /* SAMPLE_ROWS x (latent + axes) */
    double *normal;   /* latent x (latent + axes): the prediction's equations, then its weights */
} fit;

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
    f->sample = take(f, &status, SAMPLE_ROWS * (latent + axes), sizeof(float));
    f->normal = (double *)take(f, &status, latent * (latent + axes), sizeof(double));
    return status;
}

static void release(fit *f) {
    const gosset__env *env = &f->trainer->env;
    void *const blocks[] = {f->basis,    f->x,       f->latents, f->cell,   f->points, f->centroids,
                            f->rotation, f->rotated, f->map,     f->sample, f->normal};
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

static gosset_status average(fit *f) {
    gosset_status status = GOSSET_OK;
    const uint32_t n = f->latent, axes = f->axes;
    uint32_t *counts = gosset__alloc_zero(&f->trainer->env, (size_t)f->cells * sizeof *counts);
    GOSSET_REQUIRE(counts, GOSSET_E_NO_MEMORY, "residual codes: no memory for %u cells", f->cells);
    memset(f->centroids, 0, (size_t)f->cells * axes * sizeof(float));
    for (size_t r = 0; r < f->rows; r++) {
        float *sum = f->centroids + (size_t)f->cell[r] * axes;
        counts[f->cell[r]]++;
        for (uint32_t i = 0; i < axes; i++) sum[i] += f->x[r * axes + i];
    }
    for (uint32_t c = 0; c < f->cells; c++)
        for (uint32_t i = 0; i < axes; i++) {
            double prediction = 0;
            for (uint32_t j = 0; j < n; j++)
                prediction += (double)f->points[(size_t)c * n + j] * f->normal[(size_t)j * (n + axes) + n + i];
            float *value = f->centroids + (size_t)c * axes + i;
            *value = (float)(((double)*value + prediction_weight * prediction) / (counts[c] + prediction_weight));
        }
    for (size_t r = 0; r < f->rows; r++)
        for (uint32_t i = 0; i < axes; i++) f->x[r * axes + i] -= f->centroids[(size_t)f->cell[r] * axes + i];
out:
    gosset__free(&f->trainer->env, counts);
    return status;
}

/* ---- fields --------------------------------------------------------------------------------- */

/* Columns of `from` cut or padded with zeros to `to_columns`. */
static void copy_columns(const float *from, uint32_t from_columns, size_t rows, uint32_t to_columns, size_t to_stride,
                         float *to) {
    const uint32_t common = from_columns < to_columns ? from_columns : to_columns;
    for (size_t r = 0; r < rows; r++)
        for (uint32_t i = 0; i < to_columns; i++)
            to[r * to_stride + i] = i < common ? from[r * from_columns + i] : 0.0f;
}

typedef struct choice {
    gosset__residual residual;
    double error;
} choice;

/* Mean squared error of the sample's codes, the axes that get no field included. */
static gosset_status measure(fit *f, const float *sample, size_t count, choice *c) {
    gosset_status status;
    gosset__trainer *t = f->trainer;
    gosset__codec *codec = NULL;
    const uint32_t columns = gosset__residual_features(&c->residual), row = f->latent + columns;
    float *centroids = gosset__alloc_array(&t->env, (size_t)f->cells * columns, sizeof(float));
    float *rows = gosset__alloc_array(&t->env, count * (row + columns), sizeof(float));
    uint32_t *cells = gosset__alloc_array(&t->env, count, sizeof *cells);
    uint8_t *codes = gosset__alloc_array(&t->env, count, GOSSET__RESIDUAL_MAX_FEATURES);
    GOSSET_REQUIRE(centroids && rows && cells && codes, GOSSET_E_NO_MEMORY, "residual codes: no memory for a sample");
    copy_columns(f->rotated, f->axes, f->cells, columns, columns, centroids);
    c->residual.centroids = centroids;
    GOSSET_TRY(gosset__codec_create(&codec, t->model->cell_lattice, t->model->code_lattice, &c->residual, &t->env,
                                    t->kernels));
    copy_columns(f->latents, f->latent, count, f->latent, row, rows);
    copy_columns(sample, f->axes, count, columns, row, rows + f->latent);
    gosset__codec_encode(codec, count, rows, cells, codes);
    float *decoded = rows + count * row;
    gosset__codec_decode(codec, count, cells, codes, decoded);
    c->error = 0;
    for (size_t r = 0; r < count; r++)
        for (uint32_t i = 0; i < f->axes; i++) {
            const double guess =
                i < columns ? (double)decoded[r * columns + i] : (double)f->rotated[(size_t)cells[r] * f->axes + i];
            const double difference = (double)sample[r * f->axes + i] - guess;
            c->error += difference * difference;
        }
out:
    gosset__codec_free(codec);
    gosset__free(&t->env, codes);
    gosset__free(&t->env, cells);
    gosset__free(&t->env, rows);
    gosset__free(&t->env, centroids);
    return status;
}

/* Wider steps lower the error up to a point and raise it after: the first rise ends the search. */
static gosset_status choose_step(fit *f, size_t count, choice *best, uint32_t nibble_words, uint32_t crumb_words) {
    gosset_status status = GOSSET_OK;
    double last = HUGE_VAL;
    for (size_t s = 0; s < sizeof steps / sizeof *steps; s++) {
        choice trial = {.residual = {nibble_words, crumb_words, steps[s], NULL}};
        GOSSET_TRY(measure(f, f->sample, count, &trial));
        if (trial.error < best->error) *best = trial;
        if (trial.error > last) break;
        last = trial.error;
    }
out:
    return status;
}

static gosset_status choose_fields(fit *f, choice *best) {
    gosset_status status = GOSSET_OK;
    const uint32_t words = f->trainer->settings.residual_words;
    const size_t count = f->rows < SAMPLE_ROWS ? f->rows : SAMPLE_ROWS;
    *best = (choice){.error = HUGE_VAL};
    for (size_t r = 0; r < count; r++) /* residual plus centroid: the vector, on the rotated axes */
        for (uint32_t i = 0; i < f->axes; i++) {
            double sum = 0;
            for (uint32_t j = 0; j < f->axes; j++)
                sum += (double)f->x[r * f->axes + j] * (double)f->rotation[(size_t)j * f->axes + i];
            f->sample[r * f->axes + i] = (float)sum + f->rotated[(size_t)f->cell[r] * f->axes + i];
        }
    for (uint32_t nibbles = 0; nibbles <= words; nibbles++) {
        uint32_t crumbs = words - nibbles;
        if (8 * nibbles >= f->axes + 8) break; /* whole words of nothing */
        while (crumbs > 0 && 8 * nibbles + 16 * crumbs >= f->axes + 16) crumbs--;
        if (nibbles + crumbs > 0) GOSSET_TRY(choose_step(f, count, best, nibbles, crumbs));
    }
out:
    return status;
}

gosset_status gosset__residual_fit(gosset__trainer *trainer) {
    gosset_model *model = trainer->model;
    const uint32_t widest = 16 * trainer->settings.residual_words, features = trainer->shape.features;
    fit f = {.trainer = trainer,
             .rows = trainer->learn.count < ROWS_MAX ? trainer->learn.count : ROWS_MAX,
             .features = features,
             .axes = features < widest ? features : widest,
             .cells = (uint32_t)model->cell_lattice->point_count.word[0],
             .latent = trainer->shape.output};
    choice best;
    gosset_status status;
    if (f.axes > GOSSET__RESIDUAL_MAX_FEATURES) f.axes = GOSSET__RESIDUAL_MAX_FEATURES;
    GOSSET_TRY(allocate(&f));
    GOSSET_TRY(project(&f));
    GOSSET_TRY(gosset__pool_run(trainer->pool, (f.rows + ROW_BLOCK - 1) / ROW_BLOCK, assign_block, &f));
    unrank_cells(&f);
    predict(&f);
    GOSSET_TRY(average(&f));
    GOSSET_TRY(gosset__principal_axes(f.x, f.rows, f.axes, f.axes, f.rotation, trainer->pool, &trainer->env));
    GOSSET_TRY(multiply(&f, (product){f.cells, f.axes, f.axes, f.centroids, f.rotation, f.rotated}));
    GOSSET_TRY(multiply(&f, (product){f.features, f.axes, f.axes, f.basis, f.rotation, f.map}));
    GOSSET_TRY(choose_fields(&f, &best));
    GOSSET_TRY(
        gosset__model_make_residual(model, best.residual.nibble_words, best.residual.crumb_words, best.residual.step));
    const uint32_t columns = gosset__residual_features(&model->residual);
    copy_columns(f.map, f.axes, features, columns, columns, model->rotation);
    copy_columns(f.rotated, f.axes, f.cells, columns, columns, model->centroids);
    gosset__log(&trainer->env, GOSSET_LOG_INFO, "residual codes: %u features of 4 bits, %u of 2, step %.2f, error %.4f",
                8 * best.residual.nibble_words, 16 * best.residual.crumb_words, (double)best.residual.step,
                best.error / (double)(f.rows < SAMPLE_ROWS ? f.rows : SAMPLE_ROWS));
out:
    release(&f);
    return status;
}
