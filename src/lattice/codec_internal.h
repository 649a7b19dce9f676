/** What the two kinds of code share: the parts of a codec and of its query. */
#ifndef GOSSET_LATTICE_CODEC_INTERNAL_H
#define GOSSET_LATTICE_CODEC_INTERNAL_H

#include "lattice/codec.h"
#include <stdbool.h>

/** No score of a cell is beyond, see gosset__codec_coordinates; features of a sketch. */
enum { GOSSET__CELL_SCORE_END = 32767, GOSSET__SKETCH = 64 };

/** The first features of a vector as bytes, what one step stands for, and the squared length of all. */
typedef struct gosset__sketch {
    _Alignas(64) int8_t values[GOSSET__SKETCH];
    float step, square;
} gosset__sketch;

/** What a cell leaves of a query: enough to scan its codes piece by piece. */
struct gosset__aim {
    const void *view;
    gosset__window_query rest, lead; /* lead: of the first words alone */
    _Alignas(64) int8_t values[GOSSET__WINDOWS_MAX_PLACES];
};

enum { GOSSET__ENCODE_ROWS = 1024 };

/** One way to code what the cell does not say. Everything here allocates nothing and is thread-safe. */
typedef struct gosset__code_ops {
    void (*encode)(const gosset__codec *codec, size_t count, const float *rows, const uint32_t *cells,
                   uint8_t *codes); /* at most GOSSET__ENCODE_ROWS */
    void (*decode)(const gosset__codec *codec, uint32_t cell, const uint8_t *code, float *out); /* NULL: no code */
    void (*block)(const gosset__codec *codec, const uint8_t *codes, size_t count, uint8_t *block);
    size_t (*subject_size)(const gosset__codec *codec);
    void (*subject_set)(const gosset__codec *codec, const float *row, void *subject); /* row: of a query */
    size_t (*view_size)(const gosset__codec *codec);
    void (*view)(const gosset__codec *codec, const void *subject, uint32_t group, void *view);
    void (*aim)(const gosset__codec *codec, const void *view, uint32_t cell, gosset__aim *aim);
    void (*scan_aimed)(const gosset__codec *codec, const gosset__aim *aim, const uint8_t *blocks, size_t block_count,
                       const int32_t *bounds, int32_t *scores); /* bounds: by scan_leads; NULL: not known */
    void (*scan_leads)(const gosset__codec *codec, const gosset__aim *aim, const uint8_t *leads, size_t block_count,
                       int32_t *bounds);
    void (*scan_many)(const gosset__codec *codec, const gosset__aim *aims, uint32_t members, bool leads,
                      const uint8_t *blocks, size_t block_count, int32_t *scores, size_t stride);
} gosset__code_ops;

extern const gosset__code_ops gosset__code_point;   /* codec_point.c: the nearest point of the code lattice */
extern const gosset__code_ops gosset__code_windows; /* codec_windows.c: what the cell's centroid leaves */

struct gosset__codec {
    gosset__env env;
    const gosset_lattice *cells, *codes;
    const gosset__residual *residual; /* NULL: codes are points of the code lattice */
    const gosset__code_ops *ops;
    const gosset__kernels *kernels;
    uint32_t dimension; /* of rows: latent, and with a residual the features behind it */
    uint32_t code_size, lead_size, cell_count;
    size_t scratch_count;  /* integers the cell lattice needs to score all points, or to walk to some of them */
    bool lists_above;      /* it can do the latter */
    gosset__windows lead;  /* of a residual: the code of the first words */
    gosset__windows first; /* likewise, of those a leaf looks at */
    uint32_t leaf_places;
    void *turning_memory; /* of a residual with groups: their axes in bytes, for queries */
    size_t turning_size;
    int8_t *sketches; /* of a residual: the cells' centroids (codec_remote.c) */
    float *squares;   /* their squared lengths */
    float sketch_step;
    gosset__turning turnings[GOSSET__RESIDUAL_MAX_GROUPS];
};

/** The block of a query starts with this; its arrays follow, each 64-byte aligned. */
struct gosset__codec_query {
    void *subject;             /* for the codes */
    gosset__aim *aims;         /* GOSSET__AIMS: at the cells that are scanned */
    uint8_t *views;            /* of the groups met so far */
    uint64_t met;              /* bits of these */
    int32_t *coordinates;      /* the latent's first coordinates for the cells */
    int32_t *scores, *scratch; /* of cells that a probe has returned, if not of all */
    int scored;                /* of all */
    uint32_t *positions;       /* cells selected by their scores */
    gosset__near *near;        /* cells selected */
    uint64_t *items[2];        /* their score and number, while they are sorted */
    gosset__sketch sketch;
};

/** Sketches of centroids; a query's own. */
gosset_status gosset__codec_make_sketches(gosset__codec *codec);
size_t gosset__codec_sketches_held(const gosset__codec *codec);
void gosset__codec_sketch(const gosset__codec *codec, const float *row, gosset__sketch *sketch);

/** A row's first coordinates as whole numbers, so that cells have scores; dimension of the cell lattice. */
void gosset__codec_coordinates(const gosset__codec *codec, const float *row, int32_t *coordinates);
/** The cell that a row belongs to. */
uint32_t gosset__codec_settle(const gosset__codec *codec, const float *row);

/** How much of a code bounds its score (codec_windows.c). */
void gosset__codec_split(gosset__codec *codec);

/** How much of a code leaves look at; after gosset__codec_split. */
void gosset__codec_make_leaves(gosset__codec *codec);

/** The axes of groups in bytes, for the views of queries. */
gosset_status gosset__codec_make_turnings(gosset__codec *codec);

/** Values as int8, 127 = the largest magnitude; returns what one step stands for. */
float gosset__query_values(const float *from, uint32_t count, int8_t *values);
/** A row of packed codes is its words of the block in turn: a transposition of 32-bit words. */
void gosset__transpose_words(const uint8_t *codes, size_t code_size, uint32_t words, size_t count, uint32_t filler,
                             uint8_t *block);

#endif
