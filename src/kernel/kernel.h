/**
 * Every hot loop, as a table of functions chosen once per handle. scalar.c is the specification; a level
 * overrides what it does better. All kernels here are *exact*: every level gives the same bits (integers, or
 * floats with one fixed order of fused multiply-adds).
 */
#ifndef GOSSET_KERNEL_KERNEL_H
#define GOSSET_KERNEL_KERNEL_H

#include <gosset/common.h>
#include <stdint.h>

enum { GOSSET__SCAN_BLOCK = 16, GOSSET__SCAN_MANY = 8 }; /* codes per block of the scan layout; queries at once */

/**
 * A code of windows: four streams of bits, one per byte of its 32-bit words, in which every dimension is a window of 8
 * bits that stands for a level. Windows of a class are 4, 2 or 1 bits apart, so that they overlap: a dimension costs
 * that many bits, and which levels it can have follows from the bits before (trellis-coded quantization, Marcellin and
 * Fischer 1990, in the form of a shift register). Coarse dimensions profit from fine ones in front of them, whose low
 * bits they can choose.
 *
 * words[0] words of stride 4, then words[1] of stride 2, then words[2] of stride 1. Byte j of word h holds from its low
 * bits up the ends of the windows of the 8, 16 or 32 dimensions d + j, d + 4 + j, d + 8 + j ...; the beginnings are the
 * bits before, which may be those of the same byte of the word before, or zeros in front of the first. The first window
 * (byte 0, low bits) is no dimension but selects the gain: its place has weight 0.
 *
 * The level of window w in class k is 2 (newer[k][w >> 4] + older[k][w & 15]) - top, where the sum is at most
 * top = 31 in the first class and 15 in the others, so that a square is looked up like a level. A level l at place i
 * stands for gain * steps[k] * roots[i] * l. Squares of roots are small integers, so that the length of what a code
 * stands for is a sum of integers too.
 */
enum {
    GOSSET__WINDOW_CLASSES = 3,
    GOSSET__WINDOW_TOP_FIRST = 31, /* four sums of two products of an index and a value fit 16 bits, */
    GOSSET__WINDOW_TOP = 15,
    GOSSET__WINDOW_WEIGHT_MAX = 16, /* and as many of a quarter of a squared level and a weight */
    GOSSET__WINDOWS_MAX_PLACES = 512
};
typedef struct gosset__windows {
    uint32_t words[GOSSET__WINDOW_CLASSES]; /* words[0] >= 1 */
    uint32_t repeats; /* places behind the first class that are for what its places leave (lattice/windows.h) */
    float steps[GOSSET__WINDOW_CLASSES], gains[16];
    uint8_t newer[GOSSET__WINDOW_CLASSES][16], older[GOSSET__WINDOW_CLASSES][16];
    uint8_t weights[GOSSET__WINDOWS_MAX_PLACES];
    /* What follows from these: */
    int32_t totals[GOSSET__WINDOW_CLASSES];  /* sums of the weights of a class */
    float roots[GOSSET__WINDOWS_MAX_PLACES]; /* square roots of the weights */
    /* For find_windows, by the bits of a window in reverse; in `across` the halves of these are swapped once more. */
    float levels[GOSSET__WINDOW_CLASSES][256], across[GOSSET__WINDOW_CLASSES][256];
    int32_t indices[GOSSET__WINDOW_CLASSES][256]; /* level = 2 index - top */
} gosset__windows;

static inline int32_t gosset__window_top(uint32_t class) {
    return class == 0 ? GOSSET__WINDOW_TOP_FIRST : GOSSET__WINDOW_TOP;
}
static inline int32_t gosset__window_level(const gosset__windows *code, uint32_t class, uint32_t window) {
    return 2 * (code->newer[class][window >> 4] + code->older[class][window & 15]) - gosset__window_top(class);
}

/** Places of dimensions, that of the gain among them. */
static inline uint32_t gosset__windows_places(const gosset__windows *code) {
    return 8 * code->words[0] + 16 * code->words[1] + 32 * code->words[2];
}

/** Windows of a stream; the class and the stride of each. Behind the last the stride is 4, so that few states are left
 *  to choose from. */
static inline uint32_t gosset__window_steps(const gosset__windows *code) {
    return gosset__windows_places(code) / 4;
}
static inline uint32_t gosset__window_class(const gosset__windows *code, uint32_t step) {
    const uint32_t first = 2 * code->words[0], second = first + 4 * code->words[1];
    return (uint32_t)(step >= first) + (step >= second);
}
static inline uint32_t gosset__window_stride(const gosset__windows *code, uint32_t step) {
    return step < gosset__window_steps(code) ? 4u >> gosset__window_class(code, step) : 4;
}

/** What a query leaves of a cell's centroid, for scan_windows. */
typedef struct gosset__window_query {
    int8_t *values;                       /* one per place, 64-byte aligned: 127 = the largest magnitude */
    int32_t sums[GOSSET__WINDOW_CLASSES]; /* of the values of each class */
    float scale, square;                  /* what a value of 1 stands for; squared distance from the centroid */
} gosset__window_query;

/** scan_windows returns scores in units of 1 / 2^24, clamped to +-100. */
#define GOSSET__WINDOW_SCORE_ONE 16777216.0f
#define GOSSET__WINDOW_SCORE_MAX 100.0f

/** Numbers in fixed point, for products with bytes: x[i] = (128 high[i] + low[i] - 8192) * unit. */
enum { GOSSET__FIXED_ZERO = 8192, GOSSET__FIXED_MAX = 8191 };
typedef struct gosset__fixed {
    const uint8_t *high, *low; /* below 128 */
    float unit;
} gosset__fixed;

/** A square matrix of bytes, columns of steps: four rows after each other, byte 4 j + i of them is row i, column j. */
enum { GOSSET__TURNING_MAX = 128 };
typedef struct gosset__turning {
    uint32_t size;          /* a multiple of 16, at most GOSSET__TURNING_MAX */
    const int8_t *matrix;   /* size x size, 64-byte aligned, -127 to 127 */
    const int32_t *offsets; /* GOSSET__FIXED_ZERO times the sum of a column */
    const float *steps;     /* what 1 stands for in a column */
} gosset__turning;

typedef struct gosset__kernels {
    const char *name; /* "scalar", "avx2", "avx512", "avx512vbmi", "amx", "neon" */
    int matrix_tiles; /* products of matrices of bfloat16 in tiles: what training makes of it is train/panels.h */

    /**
     * Scan of 4-bit codes. `blocks`: block_count x (16 codes x dimension/2 bytes), dimension a multiple of 8.
     * Inside a block, for each run of 8 dimensions 8h..8h+7: 64 bytes, byte 4c+j (code c of 16, j of 4) holds
     * dimension 8h+j of code c in its low nibble and dimension 8h+4+j in its high nibble, both as value + 8.
     * scores[16 b + c] = sum_i query[i] * value[i]. Exact integers. query: dimension int8.
     */
    void (*scan_nibble)(const uint8_t *blocks, size_t block_count, uint32_t dimension, const int8_t *query,
                        int32_t *scores);

    /**
     * Difference of a query and a centroid, as squared length over all features (16 partial sums as dot_rows) and as
     * int8 for the places: with d = difference * root, values[i] = nearest-even integer of d[i] * (127 / largest |d|);
     * scale = largest / 127. A largest below 1e-30 gives zeros. features >= places.
     */
    void (*window_query)(const float *query, const float *centroid, uint32_t features, const gosset__windows *code,
                         gosset__window_query *out);

    /**
     * Scan of codes of windows: minus half of the squared distances between the query and what the codes stand for. A
     * block of 16 codes is its words, 64 bytes each: bytes 4c .. 4c + 3 are the word of code c. With exact integers
     * A[k] = sum of values x levels, N[k] = sum of weights x levels^2 over the windows of class k, and single
     * precision, each step rounded:
     *     t = ((steps[0] * A[0] + steps[1] * A[1]) + steps[2] * A[2]) * scale,   g = gains[window of the gain],
     *     n =  (steps[0]^2 * N[0] + steps[1]^2 * N[1]) + steps[2]^2 * N[2],
     *     score = nearest-even integer of 2^24 * clamp(fma(g, fma(-0.5 g, n, t), -0.5 square)); NaN: the lowest.
     */
    void (*scan_windows)(const uint8_t *blocks, size_t block_count, const gosset__windows *code,
                         const gosset__window_query *query, int32_t *scores);

    /**
     * The same for up to GOSSET__SCAN_MANY queries of one cell: scores[q * stride + c] is what scan_windows says of
     * query q. What the codes mean and their lengths are worked out once. NULL: the level has nothing better than one
     * after the other.
     */
    void (*scan_windows_many)(const uint8_t *blocks, size_t block_count, const gosset__windows *code,
                              const gosset__window_query *queries, uint32_t count, int32_t *scores, size_t stride);

    /**
     * The windows of least error (Viterbi) for x, one float per place; nothing is NaN. The bits of windows are reversed
     * here, the oldest is the highest. Each stream j = 0..3, places i = 4 t + j for steps t = 0, 1 ..., is searched on
     * its own. A step makes the paths of least cost a window longer: with N = 256 >> the stride of the next step (4
     * behind the last) cost[t + 1][n] = the least of cost[t][w >> stride] + weights[i] * (x[i] - levels[w])^2 for w =
     * n, n + N, n + 2 N ... below 256, each operation rounded. Only n < 16 are reached by the first step, from a cost
     * of 0; in stream 0 only n = start, for nothing. The path is followed back from the first n of least cost, by the
     * first w whose cost is that. windows: one per place. Returns the sum of what the streams cost, in turn.
     */
    float (*find_windows)(const gosset__windows *code, const float *x, const float *weights, uint32_t start,
                          uint8_t *windows);

    /**
     * y[r][j] = bias[j] + sum_i x[r][i] * w[i][j], i ascending, one fused multiply-add per term starting from
     * bias[j] (so a row's result does not depend on the batch it is in). relu: max(y, 0).
     * x: rows x in; w: in x out (out a multiple of 16, 64-byte aligned rows); y: rows x out.
     */
    void (*dense)(const float *x, size_t rows, uint32_t in, uint32_t out, const float *w, const float *bias, int relu,
                  float *y);

    /**
     * y[j] = S[j] * (steps[j] * unit), S[j] = sum_i (128 high[i] + low[i]) * matrix[i][j] - offsets[j] an exact
     * integer, single precision, each step rounded. A quarter of the memory that dense would read.
     */
    void (*turn)(const gosset__fixed *x, const gosset__turning *by, float *y);

    /** Inner products of one float query with `rows` float rows. Order: 16 partial sums (i mod 16), fused,
     *  then added pairwise 8,4,2,1. */
    void (*dot_rows)(const float *query, const float *rows, size_t count, uint32_t dimension, float *out);

    /** Exact distances for re-ranking. f32: 16 partial sums as dot_rows; u8, i8: exact integers. */
    float (*l2_f32)(const float *a, const float *b, uint32_t dimension);
    float (*dot_f32)(const float *a, const float *b, uint32_t dimension);
    uint32_t (*l2_u8)(const uint8_t *a, const uint8_t *b, uint32_t dimension);
    uint32_t (*dot_u8)(const uint8_t *a, const uint8_t *b, uint32_t dimension);
    uint32_t (*l2_i8)(const int8_t *a, const int8_t *b, uint32_t dimension);
    int32_t (*dot_i8)(const int8_t *a, const int8_t *b, uint32_t dimension);
    /** Halves (IEEE 754 binary16) as floats; exact. */
    void (*widen_f16)(const uint16_t *halves, uint32_t count, float *out);
    /** A float vector and a stored one of halves: the bits that widen_f16 and then l2_f32 or dot_f32 give. */
    float (*l2_f16)(const float *a, const uint16_t *b, uint32_t dimension);
    float (*dot_f16)(const float *a, const uint16_t *b, uint32_t dimension);

    /** Positions p in [0, count) with scores[p] > threshold, ascending; returns how many were written. */
    size_t (*select_above)(const int32_t *scores, size_t count, int32_t threshold, uint32_t *positions);
} gosset__kernels;

/** The name of the level somebody wants: `level` or $GOSSET_CPU; NULL or "" where nobody minds. */
const char *gosset__kernels_asked_for(const char *level);
/** The table for a level ("" = $GOSSET_CPU or the best this CPU has). GOSSET_E_UNSUPPORTED if it cannot run. */
gosset_status gosset__kernels_get(const gosset__kernels **out, const char *level);
/** i-th level this CPU can run, from scalar up; NULL past the end. For tests and benchmarks. */
const gosset__kernels *gosset__kernels_level(uint32_t index);

#endif
