/*
 * How many bits each feature gets. What decides is not the error of the codes but the
 * noise of the scores: the spread, over the neighbours of a query, of
 *
 *     |q - x'|^2 - |q - x|^2 = 2 <q - x, x - x'> + |x - x'|^2
 *
 * An error across all differences of neighbours costs nothing: a decoder that lowered the squared error of 16-byte
 * codes of SIFT descriptors by 30 % found no neighbour earlier. Queries and their true neighbours are of the learn set;
 * what a row did to its own cell's centroid is undone.
 */
#include "base/status.h"
#include "lattice/windows.h"
#include "train/residual.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    ANCHORS = 1000,
    ROWS_PER_ANCHOR = 4,
    NEIGHBOURS_EACH = 10,
    ANCHOR_BLOCK = 8,
    TRIAL_ROUNDS = 4, /* of Lloyd's algorithm, to compare words */
    FINAL_ROUNDS = 40
};

static const double largest_gain_at = 0.999; /* of the sizes of residuals */

typedef struct sample {
    const gosset__residual_fitting *fit;
    uint32_t anchors;
    uint32_t *found;                /* anchors: neighbours of each, at most NEIGHBOURS_EACH */
    float *rest;                    /* anchors x NEIGHBOURS_EACH x axes: neighbours' residuals, as if never seen */
    float *difference;              /* as many: query minus neighbour */
    float *sizes;                   /* anchors x NEIGHBOURS_EACH */
    double *noise;                  /* anchors */
    const gosset__windows *windows; /* tried now */
} sample;

/* ---- sample --------------------------------------------------------------------------------- */

/* out += row * matrix, of `in` rows and `axes` columns. */
static void add_product(const float *row, const float *matrix, uint32_t in, uint32_t axes, float *out) {
    for (uint32_t i = 0; i < in; i++)
        for (uint32_t j = 0; j < axes; j++) out[j] += row[i] * matrix[(size_t)i * axes + j];
}

static void draw_pair(const sample *self, size_t anchor, uint32_t id, size_t pair) {
    const gosset__residual_fitting *f = self->fit;
    const gosset__learn *learn = &f->trainer->learn;
    const double weight = f->counts[f->cell[id]] + GOSSET__RESIDUAL_PREDICTION_WEIGHT;
    const float unseen = (float)(weight / (weight - 1));
    const float *query = learn->anchors + anchor * f->features, *row = learn->rows + (size_t)id * f->features;
    float *rest = self->rest + pair * f->axes, *difference = self->difference + pair * f->axes;
    memset(rest, 0, f->axes * sizeof *rest);
    memset(difference, 0, f->axes * sizeof *difference);
    add_product(f->x + (size_t)id * f->axes, f->rotation, f->axes, f->axes, rest);
    for (uint32_t i = 0; i < f->axes; i++) rest[i] *= unseen;
    for (uint32_t i = 0; i < f->features; i++) {
        const float step = query[i] - row[i];
        add_product(&step, f->map + (size_t)i * f->axes, 1, f->axes, difference);
    }
    gosset__residual_turn_row(f, f->group[f->cell[id]], rest);
    gosset__residual_turn_row(f, f->group[f->cell[id]], difference);
}

static gosset_status draw_block(void *context, size_t block, uint32_t worker) {
    (void)worker;
    const sample *self = context;
    const gosset__learn *learn = &self->fit->trainer->learn;
    for (size_t a = block * ANCHOR_BLOCK; a < (block + 1) * ANCHOR_BLOCK && a < self->anchors; a++) {
        uint32_t found = 0;
        for (uint32_t n = 0; n < learn->k && found < NEIGHBOURS_EACH; n++) {
            const uint32_t id = learn->neighbours[a * learn->k + n];
            if (id < self->fit->rows) draw_pair(self, a, id, a * NEIGHBOURS_EACH + found++);
        }
        self->found[a] = found;
        memset(self->rest + (a * NEIGHBOURS_EACH + found) * self->fit->axes, 0,
               (NEIGHBOURS_EACH - found) * self->fit->axes * sizeof *self->rest);
    }
    return GOSSET_OK;
}

static gosset_status draw(sample *self) {
    gosset_status status = GOSSET_OK;
    const gosset__residual_fitting *f = self->fit;
    const gosset__env *env = &f->trainer->env;
    const size_t rows = (size_t)self->anchors * NEIGHBOURS_EACH;
    self->found = gosset__alloc_array(env, self->anchors, sizeof *self->found);
    self->rest = gosset__alloc_array(env, rows * f->axes, sizeof *self->rest);
    self->difference = gosset__alloc_array(env, rows * f->axes, sizeof *self->difference);
    self->sizes = gosset__alloc_array(env, rows, sizeof *self->sizes);
    self->noise = gosset__alloc_array(env, self->anchors, sizeof *self->noise);
    GOSSET_REQUIRE(self->found && self->rest && self->difference && self->sizes && self->noise, GOSSET_E_NO_MEMORY,
                   "residual codes: no memory for a sample of %zu pairs", rows);
    GOSSET_TRY(gosset__pool_run(f->trainer->pool, (self->anchors + ANCHOR_BLOCK - 1) / ANCHOR_BLOCK, draw_block, self));
out:
    return status;
}

static void release(sample *self) {
    const gosset__env *env = &self->fit->trainer->env;
    void *const blocks[] = {self->found, self->rest, self->difference, self->sizes, self->noise};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) gosset__free(env, blocks[i]);
}

/* ---- noise ---------------------------------------------------------------------------------- */

/* What the score of a pair is wrong by. */
static double pair_error(const sample *self, size_t pair) {
    const uint32_t axes = self->fit->axes, places = gosset__windows_places(self->windows);
    const uint32_t gap = 8 * self->windows->words[0] - 1;
    const float *rest = self->rest + pair * axes, *difference = self->difference + pair * axes;
    uint8_t code[GOSSET__WINDOWS_MAX_PLACES];
    float x[GOSSET__WINDOWS_MAX_PLACES], decoded[GOSSET__WINDOWS_MAX_PLACES];
    double sum = 0;
    gosset__residual_columns(rest, axes, 1, gap, places, x);
    gosset__windows_encode(self->windows, x, code);
    memset(decoded, 0, places * sizeof *decoded);
    gosset__windows_add(self->windows, code, decoded);
    for (uint32_t i = 0, place = 0; i < axes; i++, place++) {
        if (place == gap) place++;
        const double error = (double)rest[i] - (place < places ? (double)decoded[place] : 0);
        sum += error * (2 * (double)difference[i] + error);
    }
    return sum;
}

static gosset_status noise_block(void *context, size_t block, uint32_t worker) {
    (void)worker;
    const sample *self = context;
    for (size_t a = block * ANCHOR_BLOCK; a < (block + 1) * ANCHOR_BLOCK && a < self->anchors; a++) {
        double sum = 0, squares = 0;
        const uint32_t found = self->found[a];
        for (uint32_t n = 0; n < found; n++) {
            const double error = pair_error(self, a * NEIGHBOURS_EACH + n);
            sum += error;
            squares += error * error;
        }
        self->noise[a] = found > 1 ? (squares - sum * sum / found) / (found - 1) : 0;
    }
    return GOSSET_OK;
}

static int compare_floats(const void *a, const void *b) {
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* The gains follow from the sizes of the residuals in the coded features. */
static void fit_gains(const sample *self, gosset__windows *windows) {
    const uint32_t axes = self->fit->axes, places = gosset__windows_places(windows) - 1;
    const uint32_t coded = places < axes ? places : axes;
    size_t count = 0;
    for (size_t a = 0; a < self->anchors; a++)
        for (uint32_t n = 0; n < self->found[a]; n++) {
            const float *rest = self->rest + (a * NEIGHBOURS_EACH + n) * axes;
            double square = 0;
            for (uint32_t i = 0; i < coded; i++) square += (double)rest[i] * (double)rest[i];
            self->sizes[count++] = (float)sqrt(square / places);
        }
    qsort(self->sizes, count, sizeof *self->sizes, compare_floats);
    gosset__windows_set_gains(windows, count > 0 ? self->sizes[(size_t)(largest_gain_at * (double)(count - 1))] : 0);
}

typedef struct choice {
    gosset__windows windows;
    double noise; /* HUGE_VAL: not measured yet */
} choice;

/* Fits levels to the choice's words and measures the noise. */
static gosset_status measure(sample *self, uint32_t rounds, choice *c) {
    gosset_status status;
    gosset__pool *pool = self->fit->trainer->pool;
    const gosset__residual_sample rows = {(size_t)self->anchors * NEIGHBOURS_EACH, self->fit->axes, self->rest};
    fit_gains(self, &c->windows);
    GOSSET_TRY(gosset__residual_fit_levels(&rows, rounds, pool, &self->fit->trainer->env, &c->windows));
    self->windows = &c->windows;
    GOSSET_TRY(gosset__pool_run(pool, (self->anchors + ANCHOR_BLOCK - 1) / ANCHOR_BLOCK, noise_block, self));
    c->noise = 0;
    for (uint32_t a = 0; a < self->anchors; a++) c->noise += self->noise[a] / self->anchors;
    c->noise = sqrt(c->noise);
out:
    return status;
}

/* ---- search --------------------------------------------------------------------------------- */

/* Every word can hold a feature that exists, and there are not too many. */
static int sensible(const gosset__residual_fitting *f, const gosset__windows *w) {
    const uint32_t places = gosset__windows_places(w), wanted = f->axes + 1;
    const uint32_t last = w->words[2] ? 32 : w->words[1] ? 16 : 8;
    return w->words[0] >= 1 && places <= GOSSET__WINDOWS_MAX_PLACES && (places <= last || places - last < wanted);
}

/* Moves one word from a class to another as long as that helps. */
static gosset_status search_words(sample *self, choice *best) {
    static const uint32_t moves[][2] = {{0, 1}, {1, 0}, {1, 2}, {2, 1}, {0, 2}, {2, 0}}; /* from, to */
    gosset_status status = GOSSET_OK;
    for (int better = 1; better;) {
        const choice start = *best;
        better = 0;
        for (size_t m = 0; m < sizeof moves / sizeof *moves; m++) {
            uint32_t words[GOSSET__WINDOW_CLASSES];
            choice trial;
            memcpy(words, start.windows.words, sizeof words);
            if (words[moves[m][0]]-- == 0) continue;
            words[moves[m][1]]++;
            gosset__windows_start(&trial.windows, words);
            if (!sensible(self->fit, &trial.windows)) continue;
            GOSSET_TRY(measure(self, TRIAL_ROUNDS, &trial));
            if (trial.noise >= best->noise) continue;
            *best = trial;
            better = 1;
        }
    }
out:
    return status;
}

gosset_status gosset__residual_choose(const gosset__residual_fitting *fit, gosset__windows *windows, double *noise) {
    const uint32_t words = fit->trainer->settings.residual_words;
    const gosset__learn *learn = &fit->trainer->learn;
    const size_t most = learn->count / ROWS_PER_ANCHOR; /* more would only see the same rows again */
    sample self = {.fit = fit, .anchors = most < ANCHORS ? (uint32_t)most : ANCHORS};
    uint32_t start[GOSSET__WINDOW_CLASSES] = {(words + 1) / 2, words / 2, 0};
    choice best;
    gosset_status status;
    gosset__windows_start(&best.windows, start);
    while (!sensible(fit, &best.windows)) { /* few dimensions: 4 bits for each, and fewer bytes */
        start[0] = start[1] == 0 ? start[0] - 1 : words;
        start[1] = 0;
        gosset__windows_start(&best.windows, start);
    }
    GOSSET_TRY(draw(&self));
    GOSSET_TRY(measure(&self, TRIAL_ROUNDS, &best));
    GOSSET_TRY(search_words(&self, &best));
    GOSSET_TRY(measure(&self, FINAL_ROUNDS, &best));
    *windows = best.windows;
    *noise = best.noise;
out:
    release(&self);
    return status;
}
