/*
 * Codes of what the cell's centroid leaves: x ~ centroid + gain * levels, as a code of windows (windows.h) in the first
 * features; those behind are known by the centroid alone. A query's score of a code is minus half of the squared
 * distance to what it stands for.
 */
#include "lattice/codec_internal.h"
#include "lattice/windows.h"

#include <string.h>

static void encode(const gosset__codec *codec, const float *row, uint32_t cell, uint8_t *code) {
    const gosset__residual *p = codec->residual;
    const float *x = row + codec->codes->dimension, *centroid = p->centroids + (size_t)cell * p->features;
    const uint32_t places = gosset__windows_places(&p->windows);
    _Alignas(64) float rest[GOSSET__WINDOWS_MAX_PLACES];
    for (uint32_t i = 0; i < places; i++) rest[i] = x[i] - centroid[i];
    gosset__windows_encode(&p->windows, rest, code);
}

static void decode(const gosset__codec *codec, uint32_t cell, const uint8_t *code, float *out) {
    const gosset__residual *p = codec->residual;
    memcpy(out, p->centroids + (size_t)cell * p->features, p->features * sizeof *out);
    gosset__windows_add(&p->windows, code, out);
}

static void block(const gosset__codec *codec, const uint8_t *codes, size_t count, uint8_t *out) {
    gosset__transpose_words(codes, codec->code_size, codec->code_size / 4, count, 0, out);
}

static void query_set(const gosset__codec *codec, const float *row, gosset__codec_query *query) {
    memcpy(query->features, row + codec->codes->dimension, codec->residual->features * sizeof *row);
}

static void scan(const gosset__codec *codec, const gosset__codec_query *query, uint32_t cell, const uint8_t *blocks,
                 size_t block_count, int32_t *scores) {
    const gosset__residual *p = codec->residual;
    gosset__window_query rest = {.values = query->values};
    codec->kernels->window_query(query->features, p->centroids + (size_t)cell * p->features, p->features, &p->windows,
                                 &rest);
    codec->kernels->scan_windows(blocks, block_count, &p->windows, &rest, scores);
}

const gosset__code_ops gosset__code_residual = {encode, decode, block, query_set, scan};
