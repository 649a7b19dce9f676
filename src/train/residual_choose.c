/*
 * How many bits each feature gets: the words of each class with which the true neighbours of
 * held-out queries come first (residual_judge.c). The error of the codes would not do: a decoder that lowered that of
 * 16-byte codes of SIFT descriptors by 30 % found no neighbour earlier, since what it repaired was alike for all of
 * them.
 */
#include "base/bytes.h"
#include "base/status.h"
#include "lattice/windows.h"
#include "train/residual.h"

#include <math.h>
#include <string.h>

enum {
    AXES_MAX = GOSSET__RESIDUAL_MAX_AXES,
    SAMPLE = 10000,   /* rows that levels are fitted to */
    TRIAL_ROUNDS = 4, /* of Lloyd's algorithm, to compare words */
    FINAL_ROUNDS = 40
};

static const double largest_gain_at = 0.999; /* of the sizes of residuals */

typedef struct choosing {
    gosset__residual_judge *judge;
    gosset__residual_sample sample;
    float *rest, *sizes; /* of the sample */
} choosing;

typedef struct choice {
    gosset__windows windows;
    double rank;
} choice;

/* ---- codes for the judge -------------------------------------------------------------------- */

float gosset__residual_code(const gosset__residual_fitting *fit, const gosset__windows *windows, uint32_t group,
                            const float *rest, const float *centroid, float *decoded) {
    const uint32_t axes = fit->axes, places = gosset__windows_places(windows);
    uint8_t code[GOSSET__WINDOWS_MAX_PLACES];
    float x[GOSSET__WINDOWS_MAX_PLACES], found[GOSSET__WINDOWS_MAX_PLACES] = {0}, square = 0;
    const uint32_t distinct = gosset__windows_distinct(windows);
    memcpy(decoded, rest, axes * sizeof *decoded);
    gosset__residual_turn_row(fit, group, decoded);
    gosset__residual_columns(decoded, axes, 1, places, x);
    gosset__windows_encode(fit->trainer->kernels, windows, x, code);
    gosset__windows_add(windows, code, found);
    for (uint32_t i = 0; i < axes; i++) decoded[i] = i + 1 < distinct ? found[i + 1] : 0;
    gosset__residual_unturn_row(fit, group, decoded);
    for (uint32_t i = 0; i < axes; i++) {
        decoded[i] += centroid[i];
        square += decoded[i] * decoded[i];
    }
    return square;
}

/* ---- one choice ----------------------------------------------------------------------------- */

static gosset_status draw(choosing *self) {
    const gosset__residual_fitting *f = self->judge->fit;
    const gosset__env *env = &f->trainer->env;
    const size_t count = f->rows < SAMPLE ? f->rows : SAMPLE;
    float centroid[AXES_MAX];
    self->rest = gosset__alloc_array(env, count, f->axes * sizeof *self->rest);
    self->sizes = gosset__alloc_array(env, count, sizeof *self->sizes);
    if (!self->rest || !self->sizes) return gosset__no_memory("residual codes", count * f->axes * sizeof(float));
    for (size_t r = 0; r < count; r++) {
        gosset__residual_draw(f, r, self->rest + r * f->axes, centroid);
        gosset__residual_turn_row(f, f->group[f->cell[r]], self->rest + r * f->axes);
    }
    self->sample = (gosset__residual_sample){count, f->axes, self->rest};
    return GOSSET_OK;
}

/* The gains follow from the sizes of the residuals in the coded features. */
static void fit_gains(const choosing *self, gosset__windows *windows) {
    const uint32_t axes = self->sample.axes, places = gosset__windows_distinct(windows) - 1;
    const uint32_t coded = places < axes ? places : axes;
    const size_t count = self->sample.count;
    for (size_t r = 0; r < count; r++) {
        const float *rest = self->rest + r * axes;
        double square = 0;
        for (uint32_t i = 0; i < coded; i++) square += (double)rest[i] * (double)rest[i];
        self->sizes[r] = (float)sqrt(square / places);
    }
    gosset__residual_sort(self->sizes, count);
    gosset__windows_set_gains(windows, count > 0 ? self->sizes[(size_t)(largest_gain_at * (double)(count - 1))] : 0);
}

/* Fits levels to the choice's words and asks for the ranks. */
static gosset_status measure(const choosing *self, uint32_t rounds, choice *c) {
    gosset_status status;
    const gosset__residual_fitting *f = self->judge->fit;
    fit_gains(self, &c->windows);
    GOSSET_TRY(gosset__residual_fit_levels(&self->sample, rounds, f->trainer->pool, &f->trainer->env,
                                           f->trainer->kernels, &c->windows));
    GOSSET_TRY(gosset__residual_judge_rank(self->judge, &c->windows, &c->rank));
out:
    return status;
}

/* ---- search --------------------------------------------------------------------------------- */

/* With 4 bits for every feature the other words are for what these leave. */
static void start(const gosset__residual_fitting *f, const uint32_t words[GOSSET__WINDOW_CLASSES], choice *c) {
    gosset__windows_start(&c->windows, words);
    if (8 * words[0] > f->axes) gosset__windows_repeat(&c->windows);
}

/* Every word can hold a feature that exists, and there are not too many. */
static int sensible(const gosset__residual_fitting *f, const gosset__windows *w) {
    const uint32_t places = gosset__windows_places(w), wanted = f->axes + 1, first = 8 * w->words[0];
    const uint32_t last = w->words[2] ? 32 : w->words[1] ? 16 : 8;
    if (w->words[0] < 1 || places > GOSSET__WINDOWS_MAX_PLACES) return 0;
    if (w->repeats > 0) return first - 8 < wanted && places - last - first < f->axes;
    return places <= last || places - last < wanted;
}

/* Half of the words 4 bits for a feature, half 2; in few dimensions 4 bits for each, then 2 for what that leaves. */
static void start_words(const gosset__residual_fitting *f, uint32_t words, choice *c) {
    uint32_t some[GOSSET__WINDOW_CLASSES] = {(words + 1) / 2, words / 2, 0};
    start(f, some, c);
    if (sensible(f, &c->windows)) return;
    const uint32_t all = (uint32_t)gosset__round_up(f->axes + 1, 8) / 8, again = (f->axes + 15) / 16;
    some[0] = words < all ? words : all;
    some[1] = words - some[0] < again ? words - some[0] : again;
    start(f, some, c);
}

/* Moves one word from a class to another as long as that helps. */
static gosset_status search_words(const choosing *self, choice *best) {
    static const uint32_t moves[][2] = {{0, 1}, {1, 0}, {1, 2}, {2, 1}, {0, 2}, {2, 0}}; /* from, to */
    gosset_status status = GOSSET_OK;
    for (int better = 1; better;) {
        const choice from = *best;
        better = 0;
        for (size_t m = 0; m < sizeof moves / sizeof *moves; m++) {
            uint32_t words[GOSSET__WINDOW_CLASSES];
            choice trial;
            memcpy(words, from.windows.words, sizeof words);
            if (words[moves[m][0]]-- == 0) continue;
            words[moves[m][1]]++;
            start(self->judge->fit, words, &trial);
            if (!sensible(self->judge->fit, &trial.windows)) continue;
            GOSSET_TRY(measure(self, TRIAL_ROUNDS, &trial));
            if (trial.rank >= best->rank) continue;
            *best = trial;
            better = 1;
        }
    }
out:
    return status;
}

gosset_status gosset__residual_choose(gosset__residual_judge *judge, gosset__windows *windows) {
    const uint32_t words = judge->fit->trainer->settings.residual_words;
    choosing self = {.judge = judge};
    choice best;
    gosset_status status;
    start_words(judge->fit, words, &best);
    GOSSET_TRY(draw(&self));
    GOSSET_TRY(measure(&self, TRIAL_ROUNDS, &best));
    GOSSET_TRY(gosset__residual_choose_stretch(judge, &best.rank));
    GOSSET_TRY(search_words(&self, &best));
    GOSSET_TRY(measure(&self, FINAL_ROUNDS, &best));
    GOSSET_TRY(gosset__residual_choose_stretch(judge, &best.rank));
    *windows = best.windows;
    gosset__log(&judge->fit->trainer->env, GOSSET_LOG_INFO,
                "true neighbours of held-out queries: mean rank %.2f among %zu codes with queries stretched by %.2f",
                best.rank, judge->count, (double)judge->stretch);
out:
    gosset__free(&judge->fit->trainer->env, self.sizes);
    gosset__free(&judge->fit->trainer->env, self.rest);
    return status;
}
