/*
 * Codes of what the cell's centroid leaves: x ~ centroid + gain * levels, as a code of windows (windows.h) in the first
 * features; those behind are known by the centroid alone. A query's score of a code is minus half of the squared
 * distance to what it stands for.
 */
#include "lattice/codec_internal.h"
#include "lattice/windows.h"

#include <string.h>

enum { MAX_FEATURES = GOSSET__RESIDUAL_MAX_FEATURES };

static uint32_t group_of(const gosset__residual *p, uint32_t cell) {
    return p->groups > 0 ? p->group[cell] : 0;
}

/* Features on the axes of a group. */
static void turn(const gosset__codec *codec, uint32_t group, const float *x, float *out) {
    static const float zero[GOSSET__RESIDUAL_MAX_TURNED] = {0};
    const gosset__residual *p = codec->residual;
    const uint32_t n = p->turned;
    if (n > 0) codec->kernels->dense(x, 1, n, n, p->turns + (size_t)group * n * n, zero, 0, out);
    memcpy(out + n, x + n, (p->features - n) * sizeof *out);
}

static void encode(const gosset__codec *codec, const float *row, uint32_t cell, uint8_t *code) {
    const gosset__residual *p = codec->residual;
    const float *centroid = p->centroids + (size_t)cell * p->features;
    const uint32_t places = gosset__windows_places(&p->windows);
    _Alignas(64) float rest[MAX_FEATURES];
    turn(codec, group_of(p, cell), row + codec->codes->dimension, rest);
    for (uint32_t i = 0; i < places; i++) rest[i] -= centroid[i];
    gosset__windows_encode(&p->windows, rest, code);
}

static void decode(const gosset__codec *codec, uint32_t cell, const uint8_t *code, float *out) {
    const gosset__residual *p = codec->residual;
    const uint32_t n = p->turned;
    _Alignas(64) float x[MAX_FEATURES];
    memcpy(x, p->centroids + (size_t)cell * p->features, p->features * sizeof *x);
    gosset__windows_add(&p->windows, code, x);
    if (n > 0) codec->kernels->dot_rows(x, p->turns + (size_t)group_of(p, cell) * n * n, n, n, out);
    memcpy(out + n, x + n, (p->features - n) * sizeof *out);
}

static void block(const gosset__codec *codec, const uint8_t *codes, size_t count, uint8_t *out) {
    gosset__transpose_words(codes, codec->code_size, codec->code_size / 4, count, 0, out);
}

static void query_set(const gosset__codec *codec, const float *row, gosset__codec_query *query) {
    memcpy(query->features, row + codec->codes->dimension, codec->residual->features * sizeof *row);
    *query->met = 0;
}

/* The query on the axes of a cell; groups are few, and most queries meet a fraction of them. */
static const float *turned_query(const gosset__codec *codec, const gosset__codec_query *query, uint32_t cell) {
    const gosset__residual *p = codec->residual;
    if (p->groups == 0) return query->features;
    const uint32_t group = p->group[cell];
    float *turned = query->turned + (size_t)group * p->features;
    if (!(*query->met >> group & 1)) turn(codec, group, query->features, turned);
    *query->met |= 1ull << group;
    return turned;
}

static void scan(const gosset__codec *codec, const gosset__codec_query *query, uint32_t cell, const uint8_t *blocks,
                 size_t block_count, int32_t *scores) {
    const gosset__residual *p = codec->residual;
    gosset__window_query rest = {.values = query->values};
    codec->kernels->window_query(turned_query(codec, query, cell), p->centroids + (size_t)cell * p->features,
                                 p->features, &p->windows, &rest);
    codec->kernels->scan_windows(blocks, block_count, &p->windows, &rest, scores);
}

const gosset__code_ops gosset__code_residual = {encode, decode, block, query_set, scan};
