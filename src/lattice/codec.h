/**
 * A vector's address: its cell (a point of the cell lattice near the latent's first coordinates) and its code, packed
 * in fixed fields for the scan. The index sees only this.
 *
 * Two kinds of code:
 *   - point: the nearest point of the code lattice to the latent, as in the paper;
 *   - residual: the cell stands for a learned centroid in a space of features, and the code says what is left, as a
 *     gain and a path in a trellis of levels (windows.h). The cell is known from the row's place in the index, so what
 *     it says is free.
 */
#ifndef GOSSET_LATTICE_CODEC_H
#define GOSSET_LATTICE_CODEC_H

#include "kernel/kernel.h"
#include "lattice/lattice.h"

#define GOSSET__STRETCH_MAX 2.0f /* scores of vectors and queries as they come stay in range */

typedef struct gosset__codec gosset__codec;

/**
 * The learned part of residual codes; borrowed by the codec. Rows are then latents with `features` behind them. Cells
 * come in groups with axes of their own for the leading features: residuals of near cells have alike covariances.
 *
 * What codes and centroids stand for is an average, so it lies nearer to the centre of the vectors than these do, and
 * the less it knows of a vector the nearer. A query at the distance of vectors would hold that against the vectors it
 * knows best; so a query with features f is compared with codes as stretch * f + shift, away from the centre
 * (train/residual_stretch.c). For how far cells are it stays where it is.
 */
enum { GOSSET__RESIDUAL_MAX_FEATURES = 512, GOSSET__RESIDUAL_MAX_TURNED = 128, GOSSET__RESIDUAL_MAX_GROUPS = 64 };
typedef struct gosset__residual {
    gosset__windows windows; /* of the first features; the first of all is always 0: its place holds the gain */
    uint32_t features;       /* at least the distinct places of the windows, at most GOSSET__RESIDUAL_MAX_FEATURES */
    uint32_t groups, turned; /* both 0: all cells use the features as they are; turned is a multiple of 16 */
    const float *centroids;  /* cells x features, on the axes of their groups */
    const float *turns;      /* groups x turned x turned: a group's axes are the columns of an orthogonal matrix */
    const uint8_t *group;    /* cells */
    float stretch;           /* of queries; at least 1 */
    const float *shift;      /* features; NULL: none */
} gosset__residual;

/**
 * Lattices are borrowed and must outlive the codec. The cell lattice has at most 2^24 points and no more dimensions
 * than the code lattice. `residual` NULL: codes are points of the code lattice, whose dimension is then a multiple of
 * 8; else the code lattice only says the dimension of the latents.
 */
gosset_status gosset__codec_create(gosset__codec **out, const gosset_lattice *cells, const gosset_lattice *codes,
                                   const gosset__residual *residual, const gosset__env *env,
                                   const gosset__kernels *kernels);
void gosset__codec_free(gosset__codec *codec);
size_t gosset__codec_held(const gosset__codec *codec); /* bytes allocated for it */

uint32_t gosset__codec_dimension(const gosset__codec *codec);  /* of rows: latent and features */
uint32_t gosset__codec_code_size(const gosset__codec *codec);  /* bytes of one packed code */
uint32_t gosset__codec_lead_size(const gosset__codec *codec);  /* of them, those that bound its score */
uint32_t gosset__codec_cell_count(const gosset__codec *codec); /* cells are 0 .. cell_count-1 */

/**
 * Cells and packed codes of rows (count x dimension, finite). Thread-safe. The cell is the point nearest to the latent;
 * with residuals the least remote of those nearly as near, where the lattice can list them (gosset__lattice_ops.near).
 * A packed code has 4 bytes a word:
 *   - point: word h, byte j: dimension 8h + j in the low nibble, 8h + 4 + j in the high one, value + 8, cut off at +-7;
 *   - residual: a code of windows, kernel/kernel.h.
 */
void gosset__codec_encode(const gosset__codec *codec, size_t count, const float *rows, uint32_t *cells, uint8_t *codes);

/** What codes stand for: count x gosset__codec_decoded floats: unit latents, or features. codes NULL, with residuals:
 *  what the cells alone stand for. */
uint32_t gosset__codec_decoded(const gosset__codec *codec);
void gosset__codec_decode(const gosset__codec *codec, size_t count, const uint32_t *cells, const uint8_t *codes,
                          float *out);

/** 16 packed codes (row-major, code_size each; fewer than 16 are padded) to the block layout of the scan:
 * GOSSET__SCAN_BLOCK * code_size bytes. */
void gosset__codec_block(const gosset__codec *codec, const uint8_t *codes, size_t count, uint8_t *block);

/** What a query becomes. Memory for one query: gosset__codec_query_size bytes, 64-byte aligned. */
typedef struct gosset__codec_query gosset__codec_query;
size_t gosset__codec_query_size(const gosset__codec *codec);
void gosset__codec_query_set(const gosset__codec *codec, const float *row, gosset__codec_query *query);

/** The `count` best cells for the query, best first (ties: lower cell). Returns how many (<= cell_count).
 *  A smaller count gives the beginning of a larger one's list. Allocates nothing. */
uint32_t gosset__codec_probe(const gosset__codec *codec, gosset__codec_query *query, uint32_t count, uint32_t *cells);
/** The cell scores that order is by: of cells that a probe has returned, by cell. */
const int32_t *gosset__codec_cell_scores(const gosset__codec_query *query);

/**
 * How little a cell promises to hold what is near a query: a logarithm of the squared distance to its centroid, about
 * 2^23 for a factor of two, and what its score lacks, in the same units. With the least distance of all cells looked at
 * for the query,
 *     distance - least + score
 * is comparable between queries: its remoteness. All zero for codes without centroids. After gosset__codec_probe.
 */
typedef struct gosset__remoteness {
    uint32_t distance, score;
} gosset__remoteness;
/** Of one cell what its score lacks, as in its remoteness. */
uint32_t gosset__codec_lacks(const gosset__codec *codec, const gosset__codec_query *query, uint32_t cell);
void gosset__codec_remoteness(const gosset__codec *codec, const gosset__codec_query *query, const uint32_t *cells,
                              uint32_t count, gosset__remoteness *out);

/**
 * What codes are compared with, apart from the cells: a subject is made of a query once, and views of it for the groups
 * of cells, of which there are 1 to GOSSET__RESIDUAL_MAX_GROUPS. Sizes in bytes, memory 64-byte aligned.
 */
uint32_t gosset__codec_group_count(const gosset__codec *codec);
uint32_t gosset__codec_group(const gosset__codec *codec, uint32_t cell);
size_t gosset__codec_subject_size(const gosset__codec *codec);
void gosset__codec_subject_set(const gosset__codec *codec, const float *row, void *subject);
size_t gosset__codec_view_size(const gosset__codec *codec);
void gosset__codec_view_set(const gosset__codec *codec, const void *subject, uint32_t group, void *view);
/** The view of a cell's group, made when the query first asks for it. */
const void *gosset__codec_view(const gosset__codec *codec, gosset__codec_query *query, uint32_t cell);

/** Says that a cell will be scanned soon: what the codec knows of it is on its way from memory then. */
void gosset__codec_prefetch(const gosset__codec *codec, uint32_t cell);

/** Scores (higher is nearer, comparable across cells) of block_count * 16 codes of one cell, for the view of its group.
 */
void gosset__codec_scan(const gosset__codec *codec, const void *view, uint32_t cell, const uint8_t *blocks,
                        size_t block_count, int32_t *scores);

/**
 * The same in pieces: aimed at a cell, any number of its blocks are scanned. The first gosset__codec_lead_size bytes of
 * codes, as blocks of their own, give bounds: no score is above its bound. Where that is the whole code the bounds are
 * the scores. Where they are known, in the same order, a scan of whole codes need not work them out again; else NULL. A
 * query can be aimed at GOSSET__AIMS cells at once.
 */
enum { GOSSET__AIMS = 2 };
void gosset__codec_aim(const gosset__codec *codec, gosset__codec_query *query, uint32_t which, uint32_t cell);
void gosset__codec_scan_aimed(const gosset__codec *codec, const gosset__codec_query *query, uint32_t which,
                              const uint8_t *blocks, size_t block_count, const int32_t *bounds, int32_t *scores);
void gosset__codec_scan_leads(const gosset__codec *codec, const gosset__codec_query *query, uint32_t which,
                              const uint8_t *leads, size_t block_count, int32_t *bounds);

/** The same for up to GOSSET__SCAN_MANY queries, aimed at one cell by their views. Those of them are compared whose
 * bits are in `members`: scores of the j-th are at scores + j * stride. `aims`: gosset__codec_aims_size() bytes,
 * 64-byte aligned; the views must outlive it. */
typedef struct gosset__aim gosset__aim;
size_t gosset__codec_aims_size(void);
void gosset__codec_aim_one(const gosset__codec *codec, const void *view, uint32_t cell, gosset__aim *aims,
                           uint32_t which);
void gosset__codec_scan_many(const gosset__codec *codec, const gosset__aim *aims, uint32_t members,
                             const uint8_t *blocks, size_t block_count, int32_t *scores, size_t stride);
void gosset__codec_scan_leads_many(const gosset__codec *codec, const gosset__aim *aims, uint32_t members,
                                   const uint8_t *leads, size_t block_count, int32_t *bounds, size_t stride);
/** Of them, for query `which` alone. */
void gosset__codec_scan_one(const gosset__codec *codec, const gosset__aim *aims, uint32_t which, const uint8_t *blocks,
                            size_t block_count, const int32_t *bounds, int32_t *scores);

/**
 * Leaves: codes of one cell that lie near each other. A sketch says where they lie on average in the first places: 4
 * bits each, in the block layout of scan_nibble, what a level of 1 stands for, and the squared length. Which leaves are
 * worth comparing code by code follows from it. Memory is the caller's; what writes to it is for one thread.
 */
enum { GOSSET__LEAF_PLACES = 32, GOSSET__LEAVES_MAX = 64 };
typedef struct gosset__leaf_sketches {
    uint8_t *blocks;        /* of 16 leaves, 8 bytes each place; zero at first */
    float *squares, *steps; /* a number each leaf */
} gosset__leaf_sketches;
/** Places of a sketch, a multiple of 8; 0: codes have none. */
uint32_t gosset__codec_leaf_places(const gosset__codec *codec);
/** Adds what a packed code stands for to the sums of GOSSET__LEAF_PLACES places. */
void gosset__codec_leaf_add(const gosset__codec *codec, const uint8_t *code, float *sums);
/** Writes the sketch of leaf number `leaf`, whose codes have that mean. */
void gosset__codec_leaf_set(const gosset__codec *codec, const float *mean, uint64_t leaf,
                            gosset__leaf_sketches *leaves);
/** By how much squared distances of a query from leaves [first, first + count) of a cell, at most GOSSET__LEAVES_MAX,
 *  exceed that from the cell's centroid. `view`: of the query, for the cell's group. */
void gosset__codec_leaf_distances(const gosset__codec *codec, const void *view, uint32_t cell,
                                  const gosset__leaf_sketches *leaves, uint64_t first, uint32_t count,
                                  float *distances);
/** Says that this will be asked soon. */
void gosset__codec_leaf_prefetch(const gosset__codec *codec, uint32_t cell);

#endif
