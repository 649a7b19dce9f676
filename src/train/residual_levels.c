/*
 * Levels and steps of the codes of windows by Lloyd's algorithm: code a sample, then move what every window stands for
 * to the mean of what it was chosen for, by class (the levels) and by place (the steps). Against levels for normal
 * variables and one step a class, codes of 16 bytes of SIFT descriptors have 7 % less error and need a sixth fewer
 * candidates.
 */
#include "base/status.h"
#include "lattice/windows.h"
#include "train/residual.h"

#include <math.h>
#include <string.h>

enum { SAMPLE_BLOCK = 512 };

/* Good steps for a place's window of normal variables, in parts of their deviation. */
static const float usual_steps[GOSSET__WINDOW_CLASSES] = {0.19f, 0.13f, 0.08f};

/* Of the vectors that chose a window at a place: sums of gain * x and of gain^2. */
typedef struct window_sums {
    double along, square;
} window_sums;

typedef struct levels_fit {
    const gosset__residual_sample *sample;
    const gosset__windows *windows;
    window_sums *sums; /* blocks x places x 16 */
    uint32_t places;
} levels_fit;

static gosset_status sum_block(void *context, size_t block, uint32_t worker) {
    (void)worker;
    const levels_fit *self = context;
    const gosset__residual_sample *sample = self->sample;
    const uint32_t places = self->places, gap = 8 * self->windows->words[0] - 1;
    window_sums *sums = self->sums + block * places * 16;
    uint8_t code[GOSSET__WINDOWS_MAX_PLACES], windows[GOSSET__WINDOWS_MAX_PLACES];
    float x[GOSSET__WINDOWS_MAX_PLACES];
    memset(sums, 0, (size_t)places * 16 * sizeof *sums);
    for (size_t r = block * SAMPLE_BLOCK; r < (block + 1) * SAMPLE_BLOCK && r < sample->count; r++) {
        gosset__residual_columns(sample->rest + r * sample->axes, sample->axes, 1, gap, places, x);
        gosset__windows_encode(self->windows, x, code);
        gosset__windows_read(self->windows, code, windows);
        const double gain = (double)self->windows->gains[windows[gap]];
        for (uint32_t i = 0; i < places; i++) {
            sums[16 * i + windows[i]].along += gain * (double)x[i];
            sums[16 * i + windows[i]].square += gain * gain;
        }
    }
    return GOSSET_OK;
}

/* Levels of a class from the sums of its places, the largest 15. The first class keeps its even steps. */
static void move_levels(const window_sums *sums, uint32_t first, uint32_t end, const float *steps, int8_t levels[16]) {
    double found[16], largest = 0;
    for (uint32_t w = 0; w < 16; w++) {
        double along = 0, square = 0;
        for (uint32_t i = first; i < end; i++) {
            along += (double)steps[i] * sums[16 * i + w].along;
            square += (double)steps[i] * (double)steps[i] * sums[16 * i + w].square;
        }
        found[w] = square > 0 ? along / square : levels[w];
        if (fabs(found[w]) > largest) largest = fabs(found[w]);
    }
    for (uint32_t w = 0; w < 16 && largest > 0; w++)
        levels[w] = (int8_t)rint(found[w] * GOSSET__WINDOW_LEVEL_MAX / largest);
}

/* The step that fits a place's levels best; kept where nothing was coded. */
static float best_step(const window_sums sums[16], const int8_t levels[16], float step) {
    double along = 0, square = 0;
    for (uint32_t w = 0; w < 16; w++) {
        along += levels[w] * sums[w].along;
        square += (double)levels[w] * levels[w] * sums[w].square;
    }
    return along > 0 ? (float)(along / square) : step;
}

static void move(const levels_fit *self, size_t blocks, gosset__windows *windows) {
    const uint32_t gap = 8 * windows->words[0] - 1;
    float steps[GOSSET__WINDOWS_MAX_PLACES];
    for (size_t b = 1; b < blocks; b++)
        for (size_t i = 0; i < (size_t)self->places * 16; i++) {
            self->sums[i].along += self->sums[b * self->places * 16 + i].along;
            self->sums[i].square += self->sums[b * self->places * 16 + i].square;
        }
    for (uint32_t k = 0, i = 0, end = 0; k < GOSSET__WINDOW_CLASSES; k++) {
        const uint32_t first = end;
        end += (8u << k) * windows->words[k];
        for (i = first; i < end; i++) steps[i] = windows->steps[k] * windows->roots[i];
        if (k > 0) move_levels(self->sums, first, end, steps, windows->levels[k]);
        for (i = first; i < end; i++)
            if (i != gap) steps[i] = best_step(self->sums + (size_t)16 * i, windows->levels[k], steps[i]);
    }
    gosset__windows_set_steps(windows, steps);
}

/* Steps that follow the deviations of the axes, relative to the vectors' sizes. */
static void start(const gosset__residual_sample *sample, gosset__windows *windows) {
    const uint32_t places = gosset__windows_places(windows), gap = 8 * windows->words[0] - 1, axes = sample->axes;
    const uint32_t coded = places - 1 < axes ? places - 1 : axes;
    double squares[GOSSET__WINDOWS_MAX_PLACES] = {0}, total = 0;
    float steps[GOSSET__WINDOWS_MAX_PLACES] = {0};
    for (size_t r = 0; r < sample->count; r++)
        for (uint32_t i = 0; i < coded; i++) {
            const double value = (double)sample->rest[r * axes + i];
            squares[i] += value * value;
        }
    for (uint32_t i = 0; i < coded; i++) total += squares[i] / (places - 1);
    for (uint32_t k = 0, i = 0, end = 0; k < GOSSET__WINDOW_CLASSES; k++)
        for (end += (8u << k) * windows->words[k]; i < end; i++) {
            const uint32_t axis = i < gap ? i : i - 1;
            const double part = axis < coded && total > 0 ? squares[axis] / total : 0;
            steps[i] = usual_steps[k] * (float)sqrt(part);
        }
    gosset__windows_set_steps(windows, steps);
}

gosset_status gosset__residual_fit_levels(const gosset__residual_sample *sample, uint32_t rounds, gosset__pool *pool,
                                          const gosset__env *env, gosset__windows *windows) {
    gosset_status status = GOSSET_OK;
    const uint32_t places = gosset__windows_places(windows);
    const size_t blocks = (sample->count + SAMPLE_BLOCK - 1) / SAMPLE_BLOCK;
    levels_fit self = {.sample = sample, .windows = windows, .places = places};
    self.sums = gosset__alloc_array(env, (blocks + 1) * places * 16, sizeof *self.sums);
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
