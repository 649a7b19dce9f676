/* Codes that are points of the code lattice, four bits a coordinate: what the paper scans, in fixed fields. */
#include "base/bytes.h"
#include "lattice/codec_internal.h"

#include <string.h>

enum { NIBBLE_LIMIT = 7, NIBBLE_ZERO = 8 };

static uint32_t nibble(int8_t value) {
    const int cut = value > NIBBLE_LIMIT ? NIBBLE_LIMIT : value < -NIBBLE_LIMIT ? -NIBBLE_LIMIT : value;
    return (uint32_t)(cut + NIBBLE_ZERO);
}

static void encode(const gosset__codec *codec, size_t count, const float *rows, const uint32_t *cells, uint8_t *codes) {
    int8_t point[GOSSET__LATTICE_MAX_DIMENSION];
    (void)cells;
    for (; count > 0; count--, rows += codec->dimension) {
        codec->codes->ops->nearest(codec->codes, rows, point);
        for (uint32_t h = 0; h < codec->codes->dimension / 8; h++)
            for (uint32_t j = 0; j < 4; j++)
                *codes++ = (uint8_t)(nibble(point[8 * h + j]) | nibble(point[8 * h + 4 + j]) << 4);
    }
}

static void decode(const gosset__codec *codec, uint32_t cell, const uint8_t *code, float *out) {
    (void)cell;
    for (uint32_t h = 0; h < codec->codes->dimension / 8; h++)
        for (uint32_t j = 0; j < 4; j++) {
            out[8 * h + j] = codec->codes->scale * (float)((code[4 * h + j] & 15) - NIBBLE_ZERO);
            out[8 * h + 4 + j] = codec->codes->scale * (float)((code[4 * h + j] >> 4) - NIBBLE_ZERO);
        }
}

static void block(const gosset__codec *codec, const uint8_t *codes, size_t count, uint8_t *out) {
    gosset__transpose_words(codes, codec->code_size, codec->code_size / 4, count, 0x11111111u * NIBBLE_ZERO, out);
}

static size_t query_size(const gosset__codec *codec) {
    return codec->codes->dimension;
}

static void subject_set(const gosset__codec *codec, const float *row, void *subject) {
    gosset__query_values(row, codec->codes->dimension, subject);
}

static void view(const gosset__codec *codec, const void *subject, uint32_t group, void *view) {
    (void)group;
    memcpy(view, subject, codec->codes->dimension);
}

static void aim(const gosset__codec *codec, const void *view, uint32_t cell, gosset__aim *aim) {
    (void)codec;
    (void)cell;
    aim->view = view;
}

static void scan_leads(const gosset__codec *codec, const gosset__aim *aim, const uint8_t *blocks, size_t block_count,
                       int32_t *scores) {
    codec->kernels->scan_nibble(blocks, block_count, codec->codes->dimension, aim->view, scores);
}

static void scan_aimed(const gosset__codec *codec, const gosset__aim *aim, const uint8_t *blocks, size_t block_count,
                       const int32_t *bounds, int32_t *scores) {
    (void)bounds;
    scan_leads(codec, aim, blocks, block_count, scores);
}

/* The points of all cells are of one length: inner products compare as they are. */
static void scan_many(const gosset__codec *codec, const gosset__aim *aims, uint32_t members, bool leads,
                      const uint8_t *blocks, size_t block_count, int32_t *scores, size_t stride) {
    (void)leads;
    for (; members != 0; members &= members - 1, scores += stride)
        scan_leads(codec, &aims[__builtin_ctz(members)], blocks, block_count, scores);
}

const gosset__code_ops gosset__code_point = {encode, decode, block,      query_size, subject_set, query_size,
                                             view,   aim,    scan_aimed, scan_leads, scan_many};
