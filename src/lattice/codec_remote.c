/*
 * How far a query is from cells, as far as their centroids tell: what the latent says of a cell and what the distance
 * to its centroid says are two opinions, and together they pass over a quarter of the codes that either would have
 * compared. A vector of the base settles by the same rule, where a query at its place would look first: in its
 * latent's own cell or, a vector in three, in one next to it.
 *
 * Of a centroid its first features are kept, as bytes and before they are turned by the axes of its group: one line of
 * the cache a cell. Features come with falling variance, and the length of all of them is known; what is left out are
 * the products of the others, 2 % of a squared distance for 64 of 128.
 */
#include "base/status.h"
#include "lattice/codec_internal.h"

#include <math.h>
#include <string.h>

enum {
    SKETCH = GOSSET__SKETCH,
    AHEAD = 8, /* cells whose sketches are fetched while others are compared */
    /* A row chooses among cells whose scores are at most so far below the best: five on average. Twice as far changes
     * what is compared by 0.2 %. */
    SCORE_GAP = 1500,
    NEAR = 32,
    /* Found on held-out vectors of three sets, 9,000 and 36,000 tried beside it: a score of 18,000 is worth a factor e
     * in the squared distance. */
    STEPS_OF_SCORE = 673
};

/* A distance below this part of the query's squared length is as good as none. */
static const float nothing = 1.0f / 1024;

gosset_status gosset__codec_make_sketches(gosset__codec *codec) {
    const gosset__residual *p = codec->residual;
    _Alignas(64) float first[SKETCH];
    float largest = 0;
    if (p == NULL) return GOSSET_OK;
    const uint32_t count = p->features < SKETCH ? p->features : SKETCH, cells = codec->cell_count;
    const uint32_t turned = p->groups == 0 ? 0 : p->turned < count ? p->turned : count;
    codec->sketches = gosset__alloc_array(&codec->env, cells, SKETCH + sizeof(float));
    if (codec->sketches == NULL) return gosset__no_memory("sketches of centroids", cells * (SKETCH + sizeof(float)));
    codec->squares = (float *)(void *)(codec->sketches + (size_t)cells * SKETCH);
    for (uint32_t cell = 0; cell < cells; cell++) {
        const float *centroid = p->centroids + (size_t)cell * p->features;
        codec->squares[cell] = codec->kernels->dot_f32(centroid, centroid, p->features);
        largest = fmaxf(largest, codec->squares[cell]);
    }
    largest = 1.001f * sqrtf(largest); /* no feature is longer than its centroid, whichever way that is turned */
    codec->sketch_step = largest / 127;
    const float unit = largest > 0 ? 127 / largest : 0;
    for (uint32_t cell = 0; cell < cells; cell++) {
        const float *centroid = p->centroids + (size_t)cell * p->features;
        int8_t *sketch = codec->sketches + (size_t)cell * SKETCH;
        memcpy(first, centroid, count * sizeof *first);
        if (turned > 0)
            codec->kernels->dot_rows(centroid, p->turns + (size_t)p->group[cell] * p->turned * p->turned, turned,
                                     p->turned, first);
        for (uint32_t i = 0; i < SKETCH; i++) {
            const float value = i < count ? fmaxf(-127, fminf(127, first[i] * unit)) : 0; /* turns may be a file's */
            sketch[i] = (int8_t)(value + copysignf(0.5f, value));
        }
    }
    return GOSSET_OK;
}

size_t gosset__codec_sketches_held(const gosset__codec *codec) {
    return codec->sketches != NULL ? codec->cell_count * (SKETCH + sizeof(float)) : 0;
}

void gosset__codec_sketch(const gosset__codec *codec, const float *row, gosset__sketch *sketch) {
    const float *features = row + codec->codes->dimension;
    if (codec->sketches == NULL) return;
    const uint32_t all = codec->residual->features, count = all < SKETCH ? all : SKETCH;
    memset(sketch->values, 0, sizeof sketch->values);
    sketch->step = gosset__query_values(features, count, sketch->values);
    sketch->square = codec->kernels->dot_f32(features, features, all);
}

/* The bits of a positive float, as a number, are its logarithm in steps of 2^-23 octaves, to a tenth of an octave. */
static uint32_t logarithm(float distance) {
    uint32_t bits;
    memcpy(&bits, &distance, sizeof bits);
    return bits;
}

static gosset__remoteness remoteness(const gosset__codec *codec, const gosset__sketch *from, uint32_t cell,
                                     int32_t score) {
    const float unit = 2 * from->step * codec->sketch_step, least = nothing * from->square;
    const int32_t product = codec->kernels->dot_i8(from->values, codec->sketches + (size_t)cell * SKETCH, SKETCH);
    const float distance = from->square + codec->squares[cell] - (float)product * unit;
    return (gosset__remoteness){.distance = logarithm(distance > least ? distance : least),
                                .score = (uint32_t)(GOSSET__CELL_SCORE_END - score) * STEPS_OF_SCORE};
}

static void prefetch(const gosset__codec *codec, uint32_t cell) {
    __builtin_prefetch(codec->sketches + (size_t)cell * SKETCH);
    __builtin_prefetch(codec->squares + cell);
}

void gosset__codec_remoteness(const gosset__codec *codec, const gosset__codec_query *query, const uint32_t *cells,
                              uint32_t count, gosset__remoteness *out) {
    if (codec->sketches == NULL) {
        memset(out, 0, count * sizeof *out);
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (i + AHEAD < count) prefetch(codec, cells[i + AHEAD]);
        out[i] = remoteness(codec, &query->sketch, cells[i], query->scores[cells[i]]);
    }
}

uint32_t gosset__codec_lacks(const gosset__codec *codec, const gosset__codec_query *query, uint32_t cell) {
    return codec->sketches == NULL ? 0 : (uint32_t)(GOSSET__CELL_SCORE_END - query->scores[cell]) * STEPS_OF_SCORE;
}

static uint32_t nearest_cell(const gosset__codec *codec, const float *row) {
    int8_t point[GOSSET__LATTICE_MAX_DIMENSION];
    gosset__wide rank;
    codec->cells->ops->nearest(codec->cells, row, point);
    codec->cells->ops->rank(codec->cells, point, &rank);
    return (uint32_t)rank.word[0];
}

uint32_t gosset__codec_settle(const gosset__codec *codec, const float *row) {
    const gosset_lattice *cells = codec->cells;
    int32_t coordinates[GOSSET__LATTICE_MAX_DIMENSION];
    gosset__near near[NEAR];
    uint32_t count = 0, best = 0;
    uint64_t least = UINT64_MAX;
    if (codec->sketches != NULL && cells->ops->near != NULL) {
        gosset__codec_coordinates(codec, row, coordinates);
        count = cells->ops->near(cells, coordinates, SCORE_GAP, NEAR, near);
    }
    if (count == 0) return nearest_cell(codec, row);
    if (count == 1) return near[0].rank;
    for (uint32_t i = 0; i < count; i++) prefetch(codec, near[i].rank);
    gosset__sketch sketch;
    gosset__codec_sketch(codec, row, &sketch);
    for (uint32_t i = 0; i < count; i++) {
        const gosset__remoteness found = remoteness(codec, &sketch, near[i].rank, near[i].score);
        const uint64_t sum = (uint64_t)found.distance + found.score;
        if (sum < least) least = sum, best = near[i].rank;
    }
    return best;
}
