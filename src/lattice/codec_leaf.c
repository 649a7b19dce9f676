/*
 * Leaves: codes of one cell that lie near each other, and of which the index keeps where they lie on average. A query
 * thereby knows which leaves of a cell are worth comparing code by code. The average is that of
 * the first places, in 4 bits each, relative to the centroid: the axes of a group come with falling variance, and what
 * tells leaves apart is in the first.
 */
#include "lattice/codec_internal.h"
#include "lattice/windows.h"

#include <math.h>
#include <string.h>

enum { LARGEST = 7 };

/* The first words of the code, as many as have that many places, and of the first plane. */
void gosset__codec_make_leaves(gosset__codec *codec) {
    if (codec->residual == NULL) return;
    const gosset__windows *code = &codec->residual->windows;
    const uint32_t distinct = gosset__windows_distinct(code);
    const uint32_t most = distinct < GOSSET__LEAF_PLACES ? distinct : GOSSET__LEAF_PLACES;
    uint32_t places = 0, left = codec->lead_size / 4;
    codec->first = *code;
    codec->first.repeats = 0;
    for (uint32_t k = 0; k < GOSSET__WINDOW_CLASSES; k++) {
        uint32_t words = 0;
        while (words < code->words[k] && words < left && places + (8u << k) <= most) places += 8u << k, words++;
        codec->first.words[k] = words;
        left -= words;
        if (words < code->words[k]) left = 0;
    }
    codec->leaf_places = places;
    gosset__windows_complete(&codec->first);
}

uint32_t gosset__codec_leaf_places(const gosset__codec *codec) {
    return codec->leaf_places;
}

void gosset__codec_leaf_add(const gosset__codec *codec, const uint8_t *code, float *sums) {
    gosset__windows_add_first(&codec->first, code, codec->leaf_places, sums);
}

void gosset__codec_leaf_set(const gosset__codec *codec, const float *mean, uint64_t leaf,
                            gosset__leaf_sketches *leaves) {
    const uint32_t places = codec->leaf_places;
    const uint8_t *weights = codec->first.weights;
    uint8_t *word =
        leaves->blocks + leaf / GOSSET__SCAN_BLOCK * GOSSET__SCAN_BLOCK * places / 2 + 4 * (leaf % GOSSET__SCAN_BLOCK);
    uint8_t levels[GOSSET__LEAF_PLACES];
    float largest = 0, square = 0;
    for (uint32_t i = 0; i < places; i++) largest = fmaxf(largest, fabsf(mean[i]));
    if (!(largest < 1e18f)) largest = 0; /* a model's gains and steps may be anything finite */
    const float step = largest / LARGEST, unit = largest > 1e-30f ? LARGEST / largest : 0;
    for (uint32_t i = 0; i < places; i++) {
        const float level = unit > 0 ? rintf(mean[i] * unit) : 0;
        levels[i] = (uint8_t)(level + 8);
        square += weights[i] * (level * step) * (level * step);
    }
    for (uint32_t h = 0; h < places / 8; h++, word += 64)
        for (uint32_t j = 0; j < 4; j++) word[j] = (uint8_t)(levels[8 * h + j] | levels[8 * h + 4 + j] << 4);
    leaves->squares[leaf] = square;
    leaves->steps[leaf] = step;
}

void gosset__codec_leaf_distances(const gosset__codec *codec, const void *view, uint32_t cell,
                                  const gosset__leaf_sketches *leaves, uint64_t first, uint32_t count,
                                  float *distances) {
    const gosset__residual *p = codec->residual;
    const uint32_t places = codec->leaf_places;
    const uint64_t block = first / GOSSET__SCAN_BLOCK, end = (first + count - 1) / GOSSET__SCAN_BLOCK + 1;
    const float *squares = leaves->squares + first, *steps = leaves->steps + first;
    _Alignas(64) int8_t values[GOSSET__LEAF_PLACES];
    int32_t products[GOSSET__LEAVES_MAX + 2 * GOSSET__SCAN_BLOCK];
    gosset__window_query query = {.values = values};
    codec->kernels->window_query(view, p->centroids + (size_t)cell * p->features, places, &codec->first, &query);
    codec->kernels->scan_nibble(leaves->blocks + block * GOSSET__SCAN_BLOCK * places / 2, end - block, places, values,
                                products);
    const int32_t *product = products + first % GOSSET__SCAN_BLOCK;
    const float unit = 2 * query.scale;
    for (uint32_t i = 0; i < count; i++) distances[i] = squares[i] - unit * (steps[i] * (float)product[i]);
}

void gosset__codec_leaf_prefetch(const gosset__codec *codec, uint32_t cell) {
    const gosset__residual *p = codec->residual;
    const float *centroid = p->centroids + (size_t)cell * p->features;
    for (uint32_t i = 0; i < codec->leaf_places; i += 16) __builtin_prefetch(centroid + i);
}
