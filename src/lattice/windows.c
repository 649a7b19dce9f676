#include "lattice/windows.h"

#include <math.h>
#include <string.h>

/* Neighbouring gains differ so little that a residual between them loses 0.2 % to it, and 15 of them span a factor 9.
 */
static const float gain_ratio = 1.17f;

/*
 * Where learning levels starts: found by alternating between the best paths (Viterbi) and the sums of two terms nearest
 * to the means of what windows code, for normal variables in codes of 2, 1 and 1 words, from 40 starts, then rounded.
 */
static const uint8_t start_newer[GOSSET__WINDOW_CLASSES][16] = {
    {0, 3, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 19, 22},
    {6, 2, 3, 9, 2, 5, 7, 4, 8, 4, 5, 6, 4, 7, 0, 1},
    {6, 4, 7, 5, 3, 1, 7, 7, 1, 10, 2, 0, 9, 6, 2, 1},
};
static const uint8_t start_older[GOSSET__WINDOW_CLASSES][16] = {
    {4, 6, 2, 4, 8, 3, 5, 1, 6, 3, 0, 5, 7, 2, 3, 5},
    {5, 3, 1, 4, 3, 1, 4, 1, 0, 3, 0, 4, 2, 6, 5, 3},
    {1, 5, 1, 3, 4, 3, 3, 3, 4, 2, 5, 2, 5, 2, 4, 2},
};

enum { MAX_PLACES = GOSSET__WINDOWS_MAX_PLACES };
/* Smaller ones have no inverse that can be squared. */
static const float least_unit = 1e-18f;

static uint32_t reversed(uint32_t byte) {
    byte = (byte & 0x0F) << 4 | byte >> 4;
    byte = (byte & 0x33) << 2 | (byte & 0xCC) >> 2;
    return (byte & 0x55) << 1 | (byte & 0xAA) >> 1;
}

void gosset__windows_start(gosset__windows *code, const uint32_t words[GOSSET__WINDOW_CLASSES]) {
    memset(code, 0, sizeof *code);
    memcpy(code->words, words, sizeof code->words);
    memcpy(code->newer, start_newer, sizeof code->newer);
    memcpy(code->older, start_older, sizeof code->older);
}

void gosset__windows_repeat(gosset__windows *code) {
    const uint32_t first = 8 * code->words[0], behind = gosset__windows_places(code) - first;
    code->repeats = behind < first - 1 ? behind : first - 1;
}

void gosset__windows_complete(gosset__windows *code) {
    for (uint32_t k = 0, i = 0, end = 0; k < GOSSET__WINDOW_CLASSES; k++) {
        for (uint32_t w = 0; w < 256; w++) {
            const int32_t level = gosset__window_level(code, k, w);
            const uint32_t r = reversed(w);
            code->levels[k][r] = code->across[k][(r & 15) << 4 | r >> 4] = (float)level;
            code->indices[k][r] = (level + gosset__window_top(k)) / 2;
        }
        code->totals[k] = 0;
        for (end += (8u << k) * code->words[k]; i < end; i++) code->totals[k] += code->weights[i];
    }
    for (uint32_t i = 0; i < MAX_PLACES; i++) code->roots[i] = sqrtf(code->weights[i]);
}

void gosset__windows_set_steps(gosset__windows *code, const float *steps) {
    for (uint32_t k = 0, first = 1, end = 0; k < GOSSET__WINDOW_CLASSES; k++, first = end) {
        float largest = 0;
        end += (8u << k) * code->words[k];
        for (uint32_t i = first; i < end; i++)
            if (steps[i] > largest) largest = steps[i];
        code->steps[k] = largest / sqrtf(GOSSET__WINDOW_WEIGHT_MAX);
        for (uint32_t i = first; i < end; i++) {
            const float ratio = largest > 0 ? steps[i] / largest : 1;
            const float weight = rintf(GOSSET__WINDOW_WEIGHT_MAX * ratio * ratio);
            code->weights[i] = weight < 1 ? 1 : (uint8_t)weight;
        }
    }
    code->weights[0] = 0;
    gosset__windows_complete(code);
}

void gosset__windows_set_gains(gosset__windows *code, float largest) {
    code->gains[15] = largest;
    for (int g = 14; g >= 1; g--) code->gains[g] = code->gains[g + 1] / gain_ratio;
    code->gains[0] = 0;
}

/* ---- the best windows ------------------------------------------------------------------------ */

/* Of a vector: what a level of 1 stands for at a place when the gain is 1, its inverse and its square; and the vector
 * in these units. */
typedef struct search {
    uint32_t places; /* that are searched */
    float inverse[MAX_PLACES], square[MAX_PLACES], scaled[MAX_PLACES];
} search;

static void set_units(const gosset__windows *code, search *self) {
    self->places = gosset__windows_distinct(code);
    for (uint32_t k = 0, i = 0, end = 0; k < GOSSET__WINDOW_CLASSES; k++)
        for (end += (8u << k) * code->words[k]; i < end; i++) {
            const float unit = code->steps[k] * code->roots[i];
            self->inverse[i] = unit > least_unit ? 1 / unit : 0;
            self->square[i] = i < self->places ? unit * unit : 0;
            self->scaled[i] = 0;
        }
}

/* Windows of all places for one gain, in reverse; their squared error. */
static float try_gain(const gosset__kernels *kernels, const gosset__windows *code, const float *x, uint32_t gain,
                      search *self, uint8_t *windows) {
    const float inverse = 1 / code->gains[gain];
    for (uint32_t i = 0; i < self->places; i++) self->scaled[i] = x[i] * self->inverse[i] * inverse;
    return kernels->find_windows(code, self->scaled, self->square, reversed(gain << 4), windows) * code->gains[gain] *
           code->gains[gain];
}

/* Whether what the windows stand for is too short: whether x goes along it further than it reaches. */
static int falls_short(const gosset__windows *code, const search *self, const uint8_t *windows) {
    float along = 0, square = 0;
    for (uint32_t k = 0, i = 1, end = 0; k < GOSSET__WINDOW_CLASSES; k++)
        for (end += (8u << k) * code->words[k]; i < end; i++) {
            const float level = code->levels[k][windows[i]];
            along += self->square[i] * level * self->scaled[i];
            square += self->square[i] * level * level;
        }
    return along > square;
}

/* Byte j of a word is the window of its last place of stream j. */
static void pack(const gosset__windows *code, const uint8_t *windows, uint8_t *out) {
    for (uint32_t k = 0; k < GOSSET__WINDOW_CLASSES; k++)
        for (uint32_t h = 0; h < code->words[k]; h++, out += 4) {
            windows += 8u << k;
            for (uint32_t j = 0; j < 4; j++) out[j] = (uint8_t)reversed(windows[(int)j - 4]);
        }
}

/* Repeats for what the other windows leave; those stay: other levels there cost ten thousand times as much. */
static void add_repeats(const gosset__kernels *kernels, const gosset__windows *code, const float *x, search *self,
                        uint8_t *out) {
    static const float dear = 1e4f;
    uint8_t windows[MAX_PLACES];
    float rest[MAX_PLACES];
    const uint32_t places = gosset__windows_places(code);
    gosset__windows_read(code, out, windows);
    const uint32_t gain = windows[0] >> 4;
    if (gain == 0) return;
    memcpy(rest, x, self->places * sizeof *rest);
    gosset__windows_leave(code, out, rest);
    for (uint32_t i = 1; i < self->places; i++) {
        self->scaled[i] = (float)gosset__window_level(code, 0, windows[i]);
        self->square[i] *= dear;
    }
    for (uint32_t i = self->places; i < places; i++) {
        const uint32_t class = gosset__window_class(code, i / 4);
        const float unit = code->steps[class] * code->roots[i];
        self->square[i] = unit * unit;
        self->scaled[i] = rest[i] * self->inverse[i] / code->gains[gain];
    }
    kernels->find_windows(code, self->scaled, self->square, reversed(gain << 4), windows);
    pack(code, windows, out);
}

void gosset__windows_encode(const gosset__kernels *kernels, const gosset__windows *code, const float *x, uint8_t *out) {
    const uint32_t places = gosset__windows_distinct(code);
    uint8_t windows[MAX_PLACES], best[MAX_PLACES];
    float square = 0, least;
    search self;
    for (uint32_t i = 0; i < places; i++) square += x[i] * x[i];
    const float mean = square / (float)(places - 1);
    uint32_t middle = 1;
    while (middle < 15 && mean > code->gains[middle] * code->gains[middle + 1]) middle++;
    memset(best, 0, gosset__windows_places(code)); /* gain 0 */
    least = square;
    set_units(code, &self);
    for (uint32_t trial = 0, gain = middle; trial < 2; trial++) {
        if (gain < 1 || gain > 15 || !(code->gains[gain] > least_unit)) break;
        const float error = try_gain(kernels, code, x, gain, &self, windows);
        gain = falls_short(code, &self, windows) ? gain + 1 : gain - 1;
        if (!(error < least)) continue;
        least = error;
        memcpy(best, windows, gosset__windows_places(code));
    }
    pack(code, best, out);
    if (code->repeats > 0) add_repeats(kernels, code, x, &self, out);
}

/* ---- reading ------------------------------------------------------------------------------------ */

void gosset__windows_read(const gosset__windows *code, const uint8_t *from, uint8_t *windows) {
    uint32_t before[4] = {0};
    for (uint32_t k = 0; k < GOSSET__WINDOW_CLASSES; k++)
        for (uint32_t h = 0, stride = 4u >> k; h < code->words[k]; h++, from += 4, windows += 32 / stride)
            for (uint32_t j = 0; j < 4; j++) {
                const uint32_t bits = (uint32_t)from[j] << 8 | before[j];
                for (uint32_t p = 0; p < 8 / stride; p++) windows[4 * p + j] = bits >> (stride * (p + 1)) & 255;
                before[j] = bits >> 8;
            }
}

/* Levels of all places times what a level of 1 stands for; 0 at that of the gain. */
static void read_values(const gosset__windows *code, const uint8_t *from, float *values) {
    uint8_t windows[MAX_PLACES];
    gosset__windows_read(code, from, windows);
    const float gain = code->gains[windows[0] >> 4];
    for (uint32_t k = 0, i = 0, end = 0; k < GOSSET__WINDOW_CLASSES; k++) {
        const float unit = gain * code->steps[k];
        for (end += (8u << k) * code->words[k]; i < end; i++)
            values[i] = unit * code->roots[i] * (float)gosset__window_level(code, k, windows[i]);
    }
}

void gosset__windows_add_first(const gosset__windows *code, const uint8_t *from, uint32_t places, float *sums) {
    const float gain = code->gains[from[0] & 15];
    uint32_t before[4] = {0};
    for (uint32_t k = 0, i = 0; k < GOSSET__WINDOW_CLASSES; k++) {
        const float unit = gain * code->steps[k];
        for (uint32_t h = 0, stride = 4u >> k; h < code->words[k] && i < places; h++, from += 4, i += 32 / stride)
            for (uint32_t j = 0; j < 4; j++) {
                const uint32_t bits = (uint32_t)from[j] << 8 | before[j];
                for (uint32_t p = 0, at = i + j; p < 8 / stride && at < places; p++, at += 4)
                    if (at > 0)
                        sums[at] += unit * (float)gosset__window_level(code, k, bits >> (stride * (p + 1)) & 255);
                before[j] = bits >> 8;
            }
    }
}

void gosset__windows_leave(const gosset__windows *code, const uint8_t *from, float *x) {
    const uint32_t distinct = gosset__windows_distinct(code), places = gosset__windows_places(code);
    float values[MAX_PLACES], along = 0, square = 0;
    read_values(code, from, values);
    for (uint32_t i = 1; i < distinct; i++) {
        along += (x[i] - values[i]) * values[i];
        square += values[i] * values[i];
    }
    const float part = square > 0 ? 1 + along / square : 1;
    for (uint32_t i = distinct; i < places; i++) {
        const uint32_t original = gosset__windows_original(code, i);
        x[i] = original > 0 ? x[original] - part * values[original] : 0;
    }
}

void gosset__windows_add(const gosset__windows *code, const uint8_t *from, float *x) {
    const uint32_t places = gosset__windows_places(code);
    float values[MAX_PLACES];
    read_values(code, from, values);
    for (uint32_t i = 1; i < places; i++) {
        const uint32_t original = gosset__windows_original(code, i);
        if (original > 0) x[original] += values[i];
    }
}
