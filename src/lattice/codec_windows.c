/*
 * Codes of what the cell's centroid leaves: x ~ centroid + gain * levels, as a code of windows (windows.h) in the first
 * features; those behind are known by the centroid alone. A query's score of a code is minus half of the squared
 * distance to what it stands for, or a little less (gosset__codec_split).
 *
 * Vectors are turned by the axes as they were learned, queries by axes in bytes: a query meets a few dozen groups, and
 * the time goes into reading their axes. What bytes leave of a direction (a thousandth of a query's length) is nearly
 * the same for all codes of a group, so it does not show in their order.
 */
#include "base/bytes.h"
#include "base/status.h"
#include "lattice/codec_internal.h"
#include "lattice/windows.h"

#include <math.h>
#include <string.h>

enum {
    MAX_FEATURES = GOSSET__RESIDUAL_MAX_FEATURES,
    TURNED_AT_ONCE = 12 /* what the kernel has registers for */
};

static uint32_t group_of(const gosset__residual *p, uint32_t cell) {
    return p->groups > 0 ? p->group[cell] : 0;
}

/* What the encoder reads of a centroid is on its way from memory while axes are multiplied. */
static void prefetch(const float *centroid, uint32_t places) {
    for (uint32_t i = 0; i < places; i += 16) __builtin_prefetch(centroid + i);
}

/* Rows of one group; their features on its axes. */
static void encode_some(const gosset__codec *codec, const uint16_t *order, uint32_t count, const float *rows,
                        const uint32_t *cells, uint8_t *codes) {
    static const float zero[GOSSET__RESIDUAL_MAX_TURNED] = {0};
    const gosset__residual *p = codec->residual;
    const uint32_t n = p->turned, places = gosset__windows_distinct(&p->windows);
    _Alignas(64) float x[TURNED_AT_ONCE * GOSSET__RESIDUAL_MAX_TURNED],
        turned[TURNED_AT_ONCE * GOSSET__RESIDUAL_MAX_TURNED];
    float rest[MAX_FEATURES];
    for (uint32_t i = 0; i < count; i++) {
        memcpy(x + (size_t)i * n, rows + order[i] * (size_t)codec->dimension + codec->codes->dimension, n * sizeof *x);
        prefetch(p->centroids + (size_t)cells[order[i]] * p->features, places);
    }
    if (n > 0) {
        const size_t group = group_of(p, cells[order[0]]);
        codec->kernels->dense(x, count, n, n, p->turns + group * n * n, zero, 0, turned);
    }
    for (uint32_t i = 0; i < count; i++) {
        const float *features = rows + order[i] * (size_t)codec->dimension + codec->codes->dimension;
        const float *centroid = p->centroids + (size_t)cells[order[i]] * p->features;
        for (uint32_t f = 0; f < places; f++) rest[f] = (f < n ? turned[(size_t)i * n + f] : features[f]) - centroid[f];
        gosset__windows_encode(codec->kernels, &p->windows, rest, codes + (size_t)order[i] * codec->code_size);
    }
}

/* Rows of a group after each other: its axes are read once for several. */
static void encode(const gosset__codec *codec, size_t count, const float *rows, const uint32_t *cells, uint8_t *codes) {
    const gosset__residual *p = codec->residual;
    uint16_t order[GOSSET__ENCODE_ROWS];
    uint32_t ends[GOSSET__RESIDUAL_MAX_GROUPS + 1] = {0};
    for (size_t i = 0; i < count; i++) ends[group_of(p, cells[i]) + 1]++;
    for (uint32_t g = 1; g <= GOSSET__RESIDUAL_MAX_GROUPS; g++) ends[g] += ends[g - 1];
    for (size_t i = 0; i < count; i++) order[ends[group_of(p, cells[i])]++] = (uint16_t)i;
    for (uint32_t g = 0, at = 0, some; g < GOSSET__RESIDUAL_MAX_GROUPS; g++)
        for (; at < ends[g]; at += some) {
            some = ends[g] - at < TURNED_AT_ONCE ? ends[g] - at : TURNED_AT_ONCE;
            encode_some(codec, order + at, some, rows, cells, codes);
        }
}

static void decode(const gosset__codec *codec, uint32_t cell, const uint8_t *code, float *out) {
    const gosset__residual *p = codec->residual;
    const uint32_t n = p->turned;
    _Alignas(64) float x[MAX_FEATURES];
    memcpy(x, p->centroids + (size_t)cell * p->features, p->features * sizeof *x);
    if (code != NULL) gosset__windows_add(&p->windows, code, x);
    if (n > 0) codec->kernels->dot_rows(x, p->turns + (size_t)group_of(p, cell) * n * n, n, n, out);
    memcpy(out + n, x + n, (p->features - n) * sizeof *out);
}

static void block(const gosset__codec *codec, const uint8_t *codes, size_t count, uint8_t *out) {
    gosset__transpose_words(codes, codec->code_size, codec->code_size / 4, count, 0, out);
}

/* ---- queries ------------------------------------------------------------------------------------ */

/*
 * What the first class of windows says of a squared distance is less than all of it by what the other features add. Of
 * near vectors that is hardly ever less than a tenth of the former plus a quarter of the squared distance from the
 * query to the centroid in those features: a near vector lies as far from the centroid there as the query, and the
 * coarser classes leave about so much of it. With these two added, what the first class says is taken as the least that
 * a distance can be. The score of a code is minus half of its squared distance or of this least, whichever is lower;
 * the first class alone then bounds it, and one in three of the codes pass that would pass a bound by what is certain.
 * The tenth is put into the parts of a score: its gain, its steps, and a query's scale and squared distance.
 */
#define LEAST     1.1f
#define LEFT_OVER 0.25f

void gosset__codec_split(gosset__codec *codec) {
    const gosset__residual *p = codec->residual;
    codec->lead_size = codec->code_size;
    /* A first class of less than half of the code would exclude too little. */
    if (p == NULL || 2 * 4 * p->windows.words[0] < codec->code_size) return;
    if (p->windows.words[0] * 4 == codec->code_size) return;
    if (p->windows.repeats > 0) return; /* they could make up for all that the first class says */
    codec->lead = p->windows;
    codec->lead.words[1] = codec->lead.words[2] = 0;
    codec->lead.totals[1] = codec->lead.totals[2] = 0;
    codec->lead.steps[0] = p->windows.steps[0] / sqrtf(LEAST);
    for (uint32_t g = 0; g < 16; g++) codec->lead.gains[g] = p->windows.gains[g] * LEAST;
    codec->lead_size = 4 * p->windows.words[0];
}

/* A column per axis; its largest coordinate is 127 steps. */
static void set_column(const float *turn, uint32_t n, uint32_t j, int8_t *matrix, int32_t *offset, float *step) {
    float largest = 0;
    int32_t sum = 0;
    for (uint32_t i = 0; i < n; i++) largest = fmaxf(largest, fabsf(turn[(size_t)i * n + j]));
    const float unit = largest > 0 ? 127.0f / largest : 0;
    for (uint32_t i = 0; i < n; i++) {
        const float value = turn[(size_t)i * n + j] * unit;
        const int8_t rounded = (int8_t)(value + copysignf(0.5f, value));
        matrix[(size_t)(i / 4) * 4 * n + 4 * j + i % 4] = rounded;
        sum += rounded;
    }
    *offset = GOSSET__FIXED_ZERO * sum;
    *step = largest / 127.0f;
}

gosset_status gosset__codec_make_turnings(gosset__codec *codec) {
    const gosset__residual *p = codec->residual;
    if (p == NULL || p->groups == 0 || p->turned == 0) return GOSSET_OK;
    const uint32_t n = p->turned;
    const size_t one = (size_t)gosset__round_up((size_t)n * n + 8 * (size_t)n, 64);
    codec->turning_memory = gosset__alloc_array(&codec->env, p->groups, one);
    if (codec->turning_memory == NULL) return gosset__no_memory("the axes of a codec", p->groups * one);
    codec->turning_size = p->groups * one;
    for (uint32_t g = 0; g < p->groups; g++) {
        int8_t *matrix = (int8_t *)codec->turning_memory + g * one;
        int32_t *offsets = (int32_t *)(void *)(matrix + (size_t)n * n);
        float *steps = (float *)(void *)(offsets + n);
        for (uint32_t j = 0; j < n; j++) set_column(p->turns + (size_t)g * n * n, n, j, matrix, &offsets[j], &steps[j]);
        codec->turnings[g] = (gosset__turning){n, matrix, offsets, steps};
    }
    return GOSSET_OK;
}

/* Of a query; the features follow. */
typedef struct subject {
    _Alignas(64) uint8_t high[GOSSET__RESIDUAL_MAX_TURNED], low[GOSSET__RESIDUAL_MAX_TURNED];
    float unit;
    _Alignas(64) float features[];
} subject;

static size_t subject_size(const gosset__codec *codec) {
    return sizeof(subject) + codec->residual->features * sizeof(float);
}

static void subject_set(const gosset__codec *codec, const float *row, void *to) {
    const gosset__residual *p = codec->residual;
    subject *self = to;
    float *features = self->features, largest = 0;
    for (uint32_t i = 0; i < p->features; i++) features[i] = p->stretch * row[codec->codes->dimension + i];
    for (uint32_t i = 0; p->shift != NULL && i < p->features; i++) features[i] += p->shift[i];
    for (uint32_t i = 0; i < p->turned; i++) largest = fmaxf(largest, fabsf(features[i]));
    const float scale = largest > 1e-30f ? GOSSET__FIXED_MAX / largest : 0;
    for (uint32_t i = 0; i < p->turned; i++) {
        const float value = features[i] * scale;
        const int32_t fixed = (int32_t)(value + copysignf(0.5f, value)) + GOSSET__FIXED_ZERO;
        self->high[i] = (uint8_t)(fixed >> 7);
        self->low[i] = (uint8_t)(fixed & 127);
    }
    self->unit = largest / GOSSET__FIXED_MAX;
}

static size_t view_size(const gosset__codec *codec) {
    return codec->residual->features * sizeof(float);
}

static void view(const gosset__codec *codec, const void *from, uint32_t group, void *to) {
    const gosset__residual *p = codec->residual;
    const subject *self = from;
    const uint32_t turned = codec->turning_memory != NULL ? p->turned : 0;
    float *features = to;
    if (turned > 0)
        codec->kernels->turn(&(gosset__fixed){self->high, self->low, self->unit}, &codec->turnings[group], features);
    memcpy(features + turned, self->features + turned, (p->features - turned) * sizeof *features);
}

static bool is_split(const gosset__codec *codec) {
    return codec->lead_size < codec->code_size;
}

/* For the least that the first class says. Features without a place are known by the centroid. */
static void aim_lead(const gosset__codec *codec, const float *query, const float *centroid, gosset__aim *aim) {
    const gosset__residual *p = codec->residual;
    const gosset__kernels *kernels = codec->kernels;
    const uint32_t first = gosset__windows_places(&codec->lead), places = gosset__windows_places(&p->windows);
    const float known = kernels->l2_f32(query, centroid, first) +
                        kernels->l2_f32(query + places, centroid + places, p->features - places);
    aim->lead = aim->rest;
    aim->lead.sums[1] = aim->lead.sums[2] = 0;
    aim->lead.scale = aim->rest.scale * sqrtf(LEAST);
    aim->lead.square = known * LEAST + (aim->rest.square - known) * LEFT_OVER;
}

/* Values of repeats are those of the places they repeat; the squared distance knows these once. */
static void aim_repeats(const gosset__codec *codec, const float *query, const float *centroid, gosset__aim *aim) {
    const gosset__residual *p = codec->residual;
    const uint32_t places = gosset__windows_places(&p->windows);
    float rest[GOSSET__WINDOWS_MAX_PLACES];
    static const float zero[GOSSET__WINDOWS_MAX_PLACES] = {0};
    for (uint32_t i = 0; i < places; i++) {
        const uint32_t original = gosset__windows_original(&p->windows, i);
        rest[i] = original > 0 ? query[original] - centroid[original] : 0;
    }
    codec->kernels->window_query(rest, zero, places, &p->windows, &aim->rest);
    aim->rest.square = codec->kernels->l2_f32(query, centroid, p->features);
}

static void aim(const gosset__codec *codec, const void *view, uint32_t cell, gosset__aim *aim) {
    const gosset__residual *p = codec->residual;
    const float *query = view, *centroid = p->centroids + (size_t)cell * p->features;
    aim->rest.values = aim->values;
    if (p->windows.repeats > 0) {
        aim_repeats(codec, query, centroid, aim);
        return;
    }
    codec->kernels->window_query(query, centroid, p->features, &p->windows, &aim->rest);
    if (is_split(codec)) aim_lead(codec, query, centroid, aim);
}

/* Scores of whole codes are not above what the first class says. */
static void lower(const gosset__codec *codec, const gosset__aim *aim, const uint8_t *blocks, size_t block_count,
                  const int32_t *bounds, int32_t *scores) {
    int32_t found[GOSSET__SCAN_BLOCK];
    if (!is_split(codec)) return;
    for (size_t b = 0; b < block_count; b++, scores += GOSSET__SCAN_BLOCK) {
        const int32_t *most = bounds != NULL ? bounds + b * GOSSET__SCAN_BLOCK : found;
        if (bounds == NULL)
            codec->kernels->scan_windows(blocks + b * GOSSET__SCAN_BLOCK * codec->code_size, 1, &codec->lead,
                                         &aim->lead, found);
        for (uint32_t i = 0; i < GOSSET__SCAN_BLOCK; i++) scores[i] = most[i] < scores[i] ? most[i] : scores[i];
    }
}

static void scan_aimed(const gosset__codec *codec, const gosset__aim *aim, const uint8_t *blocks, size_t block_count,
                       const int32_t *bounds, int32_t *scores) {
    codec->kernels->scan_windows(blocks, block_count, &codec->residual->windows, &aim->rest, scores);
    lower(codec, aim, blocks, block_count, bounds, scores);
}

static void scan_leads(const gosset__codec *codec, const gosset__aim *aim, const uint8_t *leads, size_t block_count,
                       int32_t *bounds) {
    codec->kernels->scan_windows(leads, block_count, is_split(codec) ? &codec->lead : &codec->residual->windows,
                                 is_split(codec) ? &aim->lead : &aim->rest, bounds);
}

static void scan_many(const gosset__codec *codec, const gosset__aim *aims, uint32_t members, bool leads,
                      const uint8_t *blocks, size_t block_count, int32_t *scores, size_t stride) {
    const gosset__kernels *kernels = codec->kernels;
    const bool split = leads && is_split(codec);
    const gosset__windows *code = split ? &codec->lead : &codec->residual->windows;
    gosset__window_query queries[GOSSET__SCAN_MANY];
    uint32_t count = 0;
    for (uint32_t left = members; left != 0; left &= left - 1) {
        const gosset__aim *aim = &aims[__builtin_ctz(left)];
        queries[count++] = split ? aim->lead : aim->rest;
    }
    if (count > 1 && kernels->scan_windows_many != NULL)
        kernels->scan_windows_many(blocks, block_count, code, queries, count, scores, stride);
    else
        for (uint32_t i = 0; i < count; i++)
            kernels->scan_windows(blocks, block_count, code, &queries[i], scores + i * stride);
    for (; members != 0 && !leads; members &= members - 1, scores += stride)
        lower(codec, &aims[__builtin_ctz(members)], blocks, block_count, NULL, scores);
}

const gosset__code_ops gosset__code_windows = {encode, decode, block,      subject_size, subject_set, view_size,
                                               view,   aim,    scan_aimed, scan_leads,   scan_many};
