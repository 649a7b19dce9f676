/*
 * Queries of codes. What a code stands for is the mean of the vectors it could be of, so it is nearer to the centre of
 * the vectors than they are: squared distances from a query favour what is short, and products favour what is long.
 * Best is something between, which is the squared distance from a query that is farther from the centre: with x what a
 * code stands for, c the centre and s the stretch,
 *     |c + s (q - c) - x|^2 = s |q - x|^2 - (s - 1) |x - c|^2 + what is the same for all x.
 * Cosines and inner products put vectors on a sphere, descriptors of images nearly. Held-out queries say how far
 * (bench/RESULTS.md, "Stretched queries").
 */
#include "base/status.h"
#include "train/residual.h"

#include <math.h>
#include <stdbool.h>

static const float stride = 0.05f; /* of 1 - 1 / stretch */
/* The more vectors the nearer the neighbours and the less there is to gain: what a decade of vectors takes off
 * 1 - 1 / stretch, by 20,000 to ten million vectors of three sets. */
static const float decade = 0.075f;
/* A query moves no farther than about this, in lengths of an average vector: scores and a query's bytes have a range.
 */
static const float farthest = 2;
/* Axes with less of the largest variance are noise, and a centre along them anywhere. */
static const double negligible = 1e-5;

static double half_square(const float *x, size_t axes) {
    double half = 0;
    for (size_t i = 0; i < axes; i++) half += 0.5 * (double)x[i] * (double)x[i];
    return half;
}

/*
 * |x - c|^2 is the same for all x where |x|^2 = 2 c x + a constant: a regression, by one axis at a time as principal
 * axes are uncorrelated. What a correlation could owe to chance is left out.
 */
void gosset__residual_find_centre(gosset__residual_fitting *fit) {
    const size_t rows = fit->rows, axes = fit->axes;
    double mean[GOSSET__RESIDUAL_MAX_AXES] = {0}, own[GOSSET__RESIDUAL_MAX_AXES] = {0};
    double common[GOSSET__RESIDUAL_MAX_AXES] = {0}, mean_half = 0, all = 0, largest = 0;
    for (size_t r = 0; r < rows; r++) {
        const float *x = fit->x + r * axes;
        mean_half += half_square(x, axes) / (double)rows;
        for (size_t i = 0; i < axes; i++) mean[i] += (double)x[i] / (double)rows;
    }
    for (size_t r = 0; r < rows; r++) {
        const float *x = fit->x + r * axes;
        const double half = half_square(x, axes) - mean_half;
        all += half * half;
        for (size_t i = 0; i < axes; i++) {
            const double from = (double)x[i] - mean[i];
            common[i] += half * from;
            own[i] += from * from;
        }
    }
    for (size_t i = 0; i < axes; i++) largest = fmax(largest, own[i]);
    for (size_t i = 0; i < axes; i++) {
        const double chance = own[i] * all / (double)rows, found = common[i] * common[i];
        const bool told = own[i] > negligible * largest && found > chance;
        fit->centre[i] = told ? (float)(common[i] / own[i] * (1 - chance / found)) : 0;
    }
}

static float stretch_at(int steps) {
    return 1 / (1 - stride * (float)steps);
}

static bool is_allowed(const gosset__residual_judge *judge, float stretch) {
    const gosset__residual_fitting *fit = judge->fit;
    double square = 0;
    for (size_t i = 0; i < fit->axes; i++) square += (double)fit->centre[i] * (double)fit->centre[i];
    return stretch >= 1 && stretch <= GOSSET__STRETCH_MAX && (stretch - 1) * (1 + (float)sqrt(square)) <= farthest;
}

/* From the stretch there is, up and then down, as long as ranks fall. */
gosset_status gosset__residual_choose_stretch(gosset__residual_judge *judge, double *rank) {
    gosset_status status = GOSSET_OK;
    int best = (int)lroundf((1 - 1 / judge->stretch) / stride);
    for (int way = 1; way >= -1; way -= 2)
        for (int next = best + way; next >= 0 && is_allowed(judge, stretch_at(next)); next += way) {
            double found;
            gosset__residual_judge_stretch(judge, stretch_at(next));
            GOSSET_TRY(gosset__residual_judge_again(judge, &found));
            if (found >= *rank) break;
            *rank = found;
            best = next;
        }
    gosset__residual_judge_stretch(judge, stretch_at(best));
out:
    return status;
}

float gosset__residual_stretch_for(const gosset__residual_judge *judge, uint64_t vectors) {
    const double decades = judge->count > 0 ? log10((double)vectors / (double)judge->count) : 0;
    const float found = 1 - 1 / judge->stretch, left = found - decade * (float)fmax(decades, 0);
    return left > 0 ? 1 / (1 - left) : 1;
}
