/*
 * Levels and steps of the codes of windows by Lloyd's algorithm: code a sample, then move what every window stands for
 * towards the mean of what it was chosen for, by class (the levels, as sums of two terms) and by place (the steps).
 */
#include "base/status.h"
#include "lattice/windows.h"
#include "train/residual.h"

#include <math.h>
#include <string.h>

enum { SAMPLE_BLOCK = 512 };

/* Good steps for a place's window of normal variables, in parts of their deviation. */
static const float usual_steps[GOSSET__WINDOW_CLASSES] = {0.10f, 0.18f, 0.14f};

/* Of a deviation what a window of 4 bits leaves of it. */
static const float usual_rest = 0.08f;

/* Of what chose something that stands for a length l times the gain: sums of l * gain * x and of (l * gain)^2. */
typedef struct fit_sums {
    double along, square;
} fit_sums;

typedef struct levels_fit {
    const gosset__residual_sample *sample;
    const gosset__windows *windows;
    const gosset__kernels *kernels;
    fit_sums *sums; /* blocks x (windows of the classes, by the step; places, by step and level) */
    uint32_t places;
} levels_fit;

enum { WINDOW_SUMS = 256 * GOSSET__WINDOW_CLASSES };

static void add_place(fit_sums *window, fit_sums *place, double unit, double level, double x) {
    window->along += unit * x;
    window->square += unit * unit;
    place->along += unit * level * x;
    place->square += unit * unit * level * level;
}

static void add_row(const levels_fit *self, float *x, fit_sums *sums) {
    const gosset__windows *code = self->windows;
    uint8_t bytes[GOSSET__WINDOWS_MAX_PLACES], windows[GOSSET__WINDOWS_MAX_PLACES];
    gosset__windows_encode(self->kernels, code, x, bytes);
    gosset__windows_read(code, bytes, windows);
    gosset__windows_leave(code, bytes, x);
    const float gain = code->gains[windows[0] >> 4];
    for (uint32_t k = 0, i = 0, end = 0; k < GOSSET__WINDOW_CLASSES; k++)
        for (end += (8u << k) * code->words[k]; i < end; i++) {
            const double unit = (double)(gain * code->steps[k] * code->roots[i]);
            const double level = gosset__window_level(code, k, windows[i]);
            if (i > 0) add_place(&sums[256 * k + windows[i]], &sums[WINDOW_SUMS + i], unit, level, (double)x[i]);
        }
}

static gosset_status sum_block(void *context, size_t block, uint32_t worker) {
    (void)worker;
    const levels_fit *self = context;
    const gosset__residual_sample *sample = self->sample;
    const size_t each = WINDOW_SUMS + self->places;
    fit_sums *sums = self->sums + block * each;
    float x[GOSSET__WINDOWS_MAX_PLACES];
    memset(sums, 0, each * sizeof *sums);
    for (size_t r = block * SAMPLE_BLOCK; r < (block + 1) * SAMPLE_BLOCK && r < sample->count; r++) {
        gosset__residual_columns(sample->rest + r * sample->axes, sample->axes, 1, self->places, x);
        add_row(self, x, sums);
    }
    return GOSSET_OK;
}

/* Sums of two terms that are nearest to the levels the windows want, by the weight of what chose them. */
static void split_levels(const fit_sums *sums, const double wanted[256], double newer[16], double older[16]) {
    memset(older, 0, 16 * sizeof *older);
    for (int round = 0; round < 8; round++) {
        double above[16] = {0}, below[16] = {0}, weight_above[16] = {0}, weight_below[16] = {0};
        for (int w = 0; w < 256; w++) {
            const double weight = sums[w].square + 1e-30;
            above[w >> 4] += weight * (wanted[w] - older[w & 15]);
            weight_above[w >> 4] += weight;
        }
        for (int v = 0; v < 16; v++) newer[v] = above[v] / weight_above[v];
        for (int w = 0; w < 256; w++) {
            const double weight = sums[w].square + 1e-30;
            below[w & 15] += weight * (wanted[w] - newer[w >> 4]);
            weight_below[w & 15] += weight;
        }
        for (int v = 0; v < 16; v++) older[v] = below[v] / weight_below[v];
    }
}

static double least_of(const double values[16], double sign) {
    double least = sign * values[0];
    for (int v = 1; v < 16; v++) least = fmin(least, sign * values[v]);
    return least;
}

/* Indices of a class from the means of what its windows were chosen for. Returns what a level of 1 has become. */
static double move_levels(const fit_sums *sums, uint32_t class, gosset__windows *code) {
    double wanted[256], newer[16], older[16];
    const double top = gosset__window_top(class);
    for (uint32_t w = 0; w < 256; w++)
        wanted[w] = sums[w].square > 0 ? sums[w].along / sums[w].square : gosset__window_level(code, class, w);
    split_levels(sums, wanted, newer, older);
    const double least = least_of(newer, 1) + least_of(older, 1), most = -least_of(newer, -1) - least_of(older, -1);
    const double unit = 2 * fmax(-least, most) / top; /* what an index stands for */
    if (!(unit > 0)) return 1;
    int largest = 0;
    const double offset = least_of(newer, 1) / unit;
    for (int v = 0; v < 16; v++) {
        const int index = (int)rint(newer[v] / unit - offset);
        code->newer[class][v] = (uint8_t)index;
        largest = index > largest ? index : largest;
    }
    for (int v = 0; v < 16; v++) {
        const double index = rint(older[v] / unit + top / 2 + offset);
        code->older[class][v] = (uint8_t)fmax(0, fmin(index, top - largest));
    }
    return unit / 2;
}

/* Steps that fit each place best, relative to its class: the class as a whole has moved with its levels. */
static void move_steps(const fit_sums *places, uint32_t first, uint32_t end, double unit, float *steps) {
    fit_sums all = {0, 0};
    for (uint32_t i = first; i < end; i++) {
        all.along += places[i].along;
        all.square += places[i].square;
    }
    const double mean = all.along > 0 ? all.along / all.square : 1;
    for (uint32_t i = first; i < end; i++) {
        const double ratio = places[i].along > 0 ? places[i].along / places[i].square / mean : 1;
        steps[i] *= (float)(ratio * unit);
    }
}

static void move(const levels_fit *self, size_t blocks, gosset__windows *windows) {
    const size_t each = WINDOW_SUMS + self->places;
    float steps[GOSSET__WINDOWS_MAX_PLACES];
    for (size_t b = 1; b < blocks; b++)
        for (size_t i = 0; i < each; i++) {
            self->sums[i].along += self->sums[b * each + i].along;
            self->sums[i].square += self->sums[b * each + i].square;
        }
    for (uint32_t k = 0, first = 0, end = 0; k < GOSSET__WINDOW_CLASSES; k++, first = end) {
        end += (8u << k) * windows->words[k];
        if (first == end) continue;
        for (uint32_t i = first; i < end; i++) steps[i] = windows->steps[k] * windows->roots[i];
        const double unit = move_levels(self->sums + (size_t)256 * k, k, windows);
        move_steps(self->sums + WINDOW_SUMS, first, end, unit, steps);
    }
    gosset__windows_set_steps(windows, steps);
}

/* Steps that follow the deviations of the axes, relative to the vectors' sizes. */
static void start(const gosset__residual_sample *sample, gosset__windows *windows) {
    const uint32_t axes = sample->axes, distinct = gosset__windows_distinct(windows);
    const uint32_t coded = distinct - 1 < axes ? distinct - 1 : axes;
    double squares[GOSSET__WINDOWS_MAX_PLACES] = {0}, total = 0;
    float steps[GOSSET__WINDOWS_MAX_PLACES] = {0};
    for (size_t r = 0; r < sample->count; r++)
        for (uint32_t i = 0; i < coded; i++) {
            const double value = (double)sample->rest[r * axes + i];
            squares[i] += value * value;
        }
    for (uint32_t i = 0; i < coded; i++) total += squares[i] / (distinct - 1);
    for (uint32_t k = 0, i = 0, end = 0; k < GOSSET__WINDOW_CLASSES; k++)
        for (end += (8u << k) * windows->words[k]; i < end; i++) {
            const uint32_t original = gosset__windows_original(windows, i);
            const double part = original > 0 && original - 1 < coded && total > 0 ? squares[original - 1] / total : 0;
            steps[i] = usual_steps[k] * (i < distinct ? 1 : usual_rest) * (float)sqrt(part);
        }
    gosset__windows_set_steps(windows, steps);
}

gosset_status gosset__residual_fit_levels(const gosset__residual_sample *sample, uint32_t rounds, gosset__pool *pool,
                                          const gosset__env *env, const gosset__kernels *kernels,
                                          gosset__windows *windows) {
    gosset_status status = GOSSET_OK;
    const uint32_t places = gosset__windows_places(windows);
    const size_t blocks = (sample->count + SAMPLE_BLOCK - 1) / SAMPLE_BLOCK;
    levels_fit self = {.sample = sample, .windows = windows, .kernels = kernels, .places = places};
    self.sums = gosset__alloc_array(env, (blocks + 1) * (WINDOW_SUMS + places), sizeof *self.sums);
    GOSSET_REQUIRE(self.sums, GOSSET_E_NO_MEMORY, "residual codes: no memory for the sums of %zu blocks", blocks);
    if (windows->steps[0] == 0) start(sample, windows);
    for (uint32_t round = 0; round < rounds && blocks > 0; round++) {
        GOSSET_TRY(gosset__pool_run(pool, blocks, sum_block, &self));
        move(&self, blocks, windows);
    }
out:
    gosset__free(env, self.sums);
    return status;
}
