/*
 * Codes of what the cell's centroid leaves, as sums of words (additive.h). A query's inner products with all words
 * become tables of bytes once; a cell then costs its distance from the query, and a code a table entry for every
 * nibble. Where residuals have few bits a feature, sums of words need fewer candidates than windows: on SIFT
 * descriptors a third fewer at 8 bytes.
 */
#include "base/bytes.h"
#include "base/status.h"
#include "lattice/codec_internal.h"

#include <math.h>
#include <string.h>

enum {
    WORDS_MAX = GOSSET__ADDITIVE_WORDS_MAX + GOSSET__BOOK_WORDS, /* the lengths are like one more book */
    MAX_FEATURES = GOSSET__RESIDUAL_MAX_FEATURES
};

gosset_status gosset__codec_make_products(gosset__codec *codec) {
    if (codec->residual == NULL || codec->residual->additive.books == 0) return GOSSET_OK;
    const gosset__additive *code = &codec->residual->additive;
    const size_t words = gosset__additive_words(code);
    codec->products = gosset__alloc_array(&codec->env, words * words, sizeof *codec->products);
    if (codec->products == NULL) return gosset__no_memory("a codec's words", words * words * sizeof *codec->products);
    gosset__additive_products(code, codec->kernels, codec->products);
    return GOSSET_OK;
}

static void encode(const gosset__codec *codec, const float *row, uint32_t cell, uint8_t *code) {
    const gosset__residual *p = codec->residual;
    const float *features = row + codec->codes->dimension, *centroid = p->centroids + (size_t)cell * p->features;
    const uint32_t words = gosset__additive_words(&p->additive);
    float rest[MAX_FEATURES], with_x[GOSSET__ADDITIVE_WORDS_MAX], with_centroid[GOSSET__ADDITIVE_WORDS_MAX];
    uint8_t nibbles[2 * GOSSET__ADDITIVE_BYTES_MAX];
    for (uint32_t i = 0; i < p->features; i++) rest[i] = features[i] - centroid[i];
    codec->kernels->dot_rows(rest, p->additive.words, words, p->features, with_x);
    codec->kernels->dot_rows(centroid, p->additive.words, words, p->features, with_centroid);
    gosset__additive_search(&p->additive, GOSSET__ADDITIVE_BEAM, codec->products, with_x, with_centroid, nibbles);
    gosset__additive_pack(&p->additive, nibbles, code);
}

static void decode(const gosset__codec *codec, uint32_t cell, const uint8_t *code, float *out) {
    const gosset__residual *p = codec->residual;
    memcpy(out, p->centroids + (size_t)cell * p->features, p->features * sizeof *out);
    if (code != NULL) gosset__additive_add(&p->additive, code, out);
}

static void block(const gosset__codec *codec, const uint8_t *codes, size_t count, uint8_t *out) {
    for (size_t byte = 0; byte < codec->code_size; byte++)
        for (size_t c = 0; c < GOSSET__SCAN_BLOCK; c++)
            out[byte * GOSSET__SCAN_BLOCK + c] = c < count ? codes[c * codec->code_size + byte] : 0;
}

/* ---- queries ------------------------------------------------------------------------------------ */

/* Of a query; its features follow, then the table entries. */
typedef struct subject {
    float least, unit; /* what entries of 0, and a step, add to a score */
    _Alignas(64) float features[];
} subject;

static size_t entries_at(const gosset__codec *codec) {
    return (size_t)gosset__round_up(sizeof(subject) + codec->residual->features * sizeof(float), 64);
}

static size_t subject_size(const gosset__codec *codec) {
    return entries_at(codec) + (size_t)32 * codec->code_size;
}

/* Every book's values as steps above the least of them; one size of step for all books. */
static void set_entries(const float *values, uint32_t bytes, subject *self, uint8_t *entries) {
    float least[2 * GOSSET__ADDITIVE_BYTES_MAX], widest = 0;
    self->least = 0;
    for (uint32_t book = 0; book < 2 * bytes; book++, self->least += least[book - 1]) {
        const float *v = values + (size_t)book * GOSSET__BOOK_WORDS;
        float most = least[book] = v[0];
        for (uint32_t i = 1; i < GOSSET__BOOK_WORDS; i++) {
            least[book] = fminf(least[book], v[i]);
            most = fmaxf(most, v[i]);
        }
        widest = fmaxf(widest, most - least[book]);
    }
    const float steps = widest > 1e-30f ? 255.0f / widest : 0;
    self->unit = widest / 255.0f;
    for (uint32_t book = 0; book < 2 * bytes; book++) {
        const uint32_t byte = book / 2;
        uint8_t *to = entries + (size_t)128 * (byte / 4) + 16 * (byte % 4) + 64 * (book % 2);
        for (uint32_t i = 0; i < GOSSET__BOOK_WORDS; i++)
            to[i] = (uint8_t)((values[(size_t)book * GOSSET__BOOK_WORDS + i] - least[book]) * steps + 0.5f);
    }
}

static void subject_set(const gosset__codec *codec, const float *row, void *to) {
    const gosset__residual *p = codec->residual;
    const uint32_t words = gosset__additive_words(&p->additive);
    float values[WORDS_MAX];
    subject *self = to;
    memcpy(self->features, row + codec->codes->dimension, p->features * sizeof *row);
    codec->kernels->dot_rows(self->features, p->additive.words, words, p->features, values);
    for (uint32_t i = 0; i < GOSSET__BOOK_WORDS; i++) values[words + i] = -0.5f * p->additive.lengths[i];
    set_entries(values, codec->code_size, self, (uint8_t *)to + entries_at(codec));
}

static void view(const gosset__codec *codec, const void *from, uint32_t group, void *to) {
    (void)group; /* there is one */
    memcpy(to, from, subject_size(codec));
}

static void aim(const gosset__codec *codec, const void *view, uint32_t cell, gosset__aim *aim) {
    const gosset__residual *p = codec->residual;
    const subject *self = view;
    const float away = codec->kernels->l2_f32(self->features, p->centroids + (size_t)cell * p->features, p->features);
    aim->tables = (gosset__nibble_tables){.bytes = codec->code_size,
                                          .entries = (const uint8_t *)view + entries_at(codec),
                                          .base = self->least - 0.5f * away,
                                          .unit = self->unit};
}

static void scan_aimed(const gosset__codec *codec, const gosset__aim *aim, const uint8_t *blocks, size_t block_count,
                       int32_t *scores) {
    codec->kernels->scan_tables(blocks, block_count, &aim->tables, scores);
}

static void scan(const gosset__codec *codec, const void *const *views, uint32_t count, uint32_t cell,
                 const uint8_t *blocks, size_t block_count, int32_t *scores, size_t stride) {
    gosset__aim at;
    for (uint32_t i = 0; i < count; i++) {
        aim(codec, views[i], cell, &at);
        scan_aimed(codec, &at, blocks, block_count, scores + i * stride);
    }
}

const gosset__code_ops gosset__code_additive = {encode, decode, block,      subject_size, subject_set, subject_size,
                                                view,   aim,    scan_aimed, scan_aimed,   scan};
