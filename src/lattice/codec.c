#include "base/bytes.h"
#include "base/status.h"
#include "lattice/codec_internal.h"
#include "lattice/windows.h"

#include <math.h>

enum {
    /** What the cell score of cosine 1 is: finer than any error that matters, and sorted in two passes. */
    SCORE_LIMIT = 32000,
    SCORE_END = GOSSET__CELL_SCORE_END,
    DIGITS = 1 << 8 /* half the 16 bits of a difference of scores */
};

gosset_status gosset__codec_create(gosset__codec **out, const gosset_lattice *cells, const gosset_lattice *codes,
                                   const gosset__residual *residual, const gosset__env *env,
                                   const gosset__kernels *kernels) {
    gosset_status status = GOSSET_OK;
    gosset__codec *codec = NULL;
    *out = NULL;
    GOSSET_REQUIRE(residual != NULL || codes->dimension % 8 == 0, GOSSET_E_DIMENSION,
                   "codec: dimension of the code lattice %s: expected a multiple of 8, found %u", codes->spec,
                   codes->dimension);
    GOSSET_REQUIRE(cells->dimension <= codes->dimension, GOSSET_E_DIMENSION,
                   "codec: dimension of the cell lattice %s: expected at most that of %s, found %u", cells->spec,
                   codes->spec, cells->dimension);
    const gosset__wide most = gosset__wide_make(GOSSET__LATTICE_MAX_CELLS);
    GOSSET_REQUIRE(gosset__wide_compare(&cells->point_count, &most) <= 0, GOSSET_E_ARGUMENT,
                   "codec: points of the cell lattice %s: expected at most %d, found 2^%.1f", cells->spec,
                   GOSSET__LATTICE_MAX_CELLS, gosset__wide_log2(&cells->point_count));
    codec = gosset__alloc_zero(env, sizeof *codec);
    if (codec == NULL) return gosset__no_memory("a codec", sizeof *codec);
    codec->env = *env;
    codec->cells = cells;
    codec->codes = codes;
    codec->residual = residual;
    codec->ops = residual != NULL ? &gosset__code_windows : &gosset__code_point;
    codec->kernels = kernels;
    codec->dimension = codes->dimension + (residual != NULL ? residual->features : 0);
    codec->code_size = residual != NULL ? gosset__windows_size(&residual->windows) : codes->dimension / 2;
    codec->cell_count = (uint32_t)cells->point_count.word[0];
    codec->scratch_count = cells->ops->scores_scratch(cells);
    const size_t above = cells->ops->above != NULL ? cells->ops->above_scratch(cells) : 0;
    codec->lists_above = above > 0;
    if (above > codec->scratch_count) codec->scratch_count = above;
    gosset__codec_split(codec);
    gosset__codec_make_leaves(codec);
    GOSSET_TRY(gosset__codec_make_turnings(codec));
    GOSSET_TRY(gosset__codec_make_sketches(codec));
    *out = codec;
    return GOSSET_OK;
out:
    gosset__codec_free(codec);
    return status;
}

void gosset__codec_free(gosset__codec *codec) {
    if (codec == NULL) return;
    const gosset__env env = codec->env;
    gosset__free(&env, codec->turning_memory);
    gosset__free(&env, codec->sketches);
    gosset__free(&env, codec);
}

size_t gosset__codec_held(const gosset__codec *codec) {
    return sizeof *codec + codec->turning_size + gosset__codec_sketches_held(codec);
}
uint32_t gosset__codec_dimension(const gosset__codec *codec) {
    return codec->dimension;
}
uint32_t gosset__codec_code_size(const gosset__codec *codec) {
    return codec->code_size;
}
uint32_t gosset__codec_lead_size(const gosset__codec *codec) {
    return codec->lead_size;
}
uint32_t gosset__codec_cell_count(const gosset__codec *codec) {
    return codec->cell_count;
}

/* ---- base side -------------------------------------------------------------------------------------------- */

void gosset__codec_encode(const gosset__codec *codec, size_t count, const float *rows, uint32_t *cells,
                          uint8_t *codes) {
    for (size_t first = 0, some; first < count; first += some) {
        const float *from = rows + first * codec->dimension;
        some = count - first < GOSSET__ENCODE_ROWS ? count - first : GOSSET__ENCODE_ROWS;
        for (size_t row = 0; row < some; row++)
            cells[first + row] = gosset__codec_settle(codec, from + row * codec->dimension);
        codec->ops->encode(codec, some, from, cells + first, codes + first * codec->code_size);
    }
}

uint32_t gosset__codec_decoded(const gosset__codec *codec) {
    return codec->residual != NULL ? codec->residual->features : codec->codes->dimension;
}

void gosset__codec_decode(const gosset__codec *codec, size_t count, const uint32_t *cells, const uint8_t *codes,
                          float *out) {
    const uint32_t decoded = gosset__codec_decoded(codec);
    for (size_t row = 0; row < count; row++)
        codec->ops->decode(codec, cells[row], codes != NULL ? codes + row * codec->code_size : NULL,
                           out + row * decoded);
}

void gosset__transpose_words(const uint8_t *codes, size_t code_size, uint32_t words, size_t count, uint32_t filler,
                             uint8_t *block) {
    for (size_t c = 0; c < GOSSET__SCAN_BLOCK; c++)
        for (uint32_t h = 0; h < words; h++)
            gosset__store32(block + 4 * (h * GOSSET__SCAN_BLOCK + c),
                            c < count ? gosset__load32(codes + c * code_size + 4 * h) : filler);
}

void gosset__codec_block(const gosset__codec *codec, const uint8_t *codes, size_t count, uint8_t *block) {
    codec->ops->block(codec, codes, count, block);
}

/* ---- query side ------------------------------------------------------------------------------------------- */

/** Hands out the next `size` bytes of a query's block; with base NULL it only measures. */
static void *take(uint8_t *base, size_t *used, size_t size) {
    void *part = base == NULL ? NULL : base + *used;
    *used += gosset__round_up(size, 64);
    return part;
}

static size_t lay_out(const gosset__codec *codec, uint8_t *base, gosset__codec_query *query) {
    size_t used = 0;
    take(base, &used, sizeof *query);
    query->subject = take(base, &used, gosset__codec_subject_size(codec));
    query->aims = take(base, &used, GOSSET__AIMS * sizeof *query->aims);
    query->views = take(base, &used, gosset__codec_group_count(codec) * gosset__codec_view_size(codec));
    query->coordinates = take(base, &used, codec->cells->dimension * sizeof(int32_t));
    query->scores = take(base, &used, codec->cell_count * sizeof(int32_t));
    query->scratch = take(base, &used, codec->scratch_count * sizeof(int32_t));
    query->positions = take(base, &used, codec->cell_count * sizeof(uint32_t));
    for (int i = 0; i < 2; i++) query->items[i] = take(base, &used, codec->cell_count * sizeof(uint64_t));
    query->near = (gosset__near *)(void *)query->items[1]; /* until they are sorted */
    return used;
}

size_t gosset__codec_query_size(const gosset__codec *codec) {
    gosset__codec_query query;
    return lay_out(codec, NULL, &query);
}

static int32_t round_away(double value) {
    return (int32_t)(value + copysign(0.5, value));
}

float gosset__query_values(const float *from, uint32_t count, int8_t *values) {
    float largest = 0;
    for (uint32_t i = 0; i < count; i++)
        if (fabsf(from[i]) > largest) largest = fabsf(from[i]);
    const double unit = largest > 0 ? 127.0 / largest : 0;
    for (uint32_t i = 0; i < count; i++) values[i] = (int8_t)round_away(from[i] * unit);
    return largest / 127;
}

void gosset__codec_coordinates(const gosset__codec *codec, const float *row, int32_t *coordinates) {
    const gosset_lattice *cells = codec->cells;
    double length = 0;
    /* |<x, z>| <= |x| |z| = SCORE_LIMIT; rounding adds sum |z_i| / 2 <= sqrt(dimension norm) / 2 < 400 */
    for (uint32_t i = 0; i < cells->dimension; i++) length += (double)row[i] * row[i];
    const double scale = length > 0 ? SCORE_LIMIT / sqrt(length * cells->norm) : 0;
    for (uint32_t i = 0; i < cells->dimension; i++) coordinates[i] = round_away(row[i] * scale);
}

void gosset__codec_query_set(const gosset__codec *codec, const float *row, gosset__codec_query *query) {
    lay_out(codec, (uint8_t *)query, query);
    gosset__codec_subject_set(codec, row, query->subject);
    query->met = 0;
    gosset__codec_sketch(codec, row, &query->sketch);
    gosset__codec_coordinates(codec, row, query->coordinates);
    query->scored = 0;
}

const int32_t *gosset__codec_cell_scores(const gosset__codec_query *query) {
    return query->scores;
}

/** The value a standard normal variable exceeds with probability p (Abramowitz and Stegun 26.2.22). */
static double normal_quantile(double p) {
    if (p > 0.5) return -normal_quantile(1 - p);
    if (p < 1e-9) p = 1e-9;
    const double t = sqrt(-2 * log(p));
    return t - (2.30753 + 0.27061 * t) / (1 + t * (0.99229 + 0.04481 * t));
}

/** The cosine that a direction chosen at random exceeds with probability p: sqrt(n - 1) times the cotangent is
 *  Student's t with n - 1 degrees of freedom, of whose series the first term is taken (A. and S. 26.7.5). */
static double cosine_quantile(double p, uint32_t dimension) {
    const double z = normal_quantile(p), freedom = dimension > 1 ? dimension - 1 : 1;
    const double t = z + (z * z * z + z) / (4 * freedom);
    return t / sqrt(freedom + t * t);
}

static size_t walk_above(const gosset__codec *codec, gosset__codec_query *query, int32_t threshold) {
    return codec->cells->ops->above(codec->cells, codec->kernels, query->coordinates, threshold, query->near,
                                    query->scratch);
}

static size_t select_above(const gosset__codec *codec, gosset__codec_query *query, int32_t threshold) {
    if (!query->scored) codec->cells->ops->scores(codec->cells, query->coordinates, query->scores, query->scratch);
    query->scored = 1;
    return codec->kernels->select_above(query->scores, codec->cell_count, threshold, query->positions);
}

/** What was found above the last threshold: as numbers of cells with their scores, and as scores of cells. */
static size_t take_found(gosset__codec_query *query, size_t count) {
    for (size_t i = 0; i < count && query->scored; i++)
        query->near[i] = (gosset__near){query->positions[i], query->scores[query->positions[i]]};
    for (size_t i = 0; i < count && !query->scored; i++) query->scores[query->near[i].rank] = query->near[i].score;
    return count;
}

/**
 * All cells above some threshold to query->near, ascending, `count` of them at least and not many more. Thresholds are
 * guessed as if cells were random, then bracketed; they decide the time, never the answer. Few cells of many are walked
 * to, if one of the first guesses is right; else all have their scores worked out, and a guess more costs little.
 */
static size_t select_best(const gosset__codec *codec, gosset__codec_query *query, uint32_t count) {
    enum { GUESSES = 6, WALKS = 2, WALKED_PART = 32 };
    const uint32_t dimension = codec->cells->dimension;
    const double all = codec->cell_count, wanted = 1.25 * count + 16;
    const size_t enough = 2 * (size_t)count + 128;
    const int walks = codec->lists_above && count <= codec->cell_count / WALKED_PART && !query->scored ? WALKS : 0;
    int32_t low = -2 * SCORE_LIMIT, high = 2 * SCORE_LIMIT; /* all are above low, less than count above high */
    const double quantile = wanted < all ? cosine_quantile(wanted / all, dimension) : 0;
    double guess = wanted < all ? quantile * SCORE_LIMIT : low;
    for (int round = 0;; round++) {
        int32_t threshold = low + (high - low) / 2;
        if (round < GUESSES && guess >= low && guess < high) threshold = (int32_t)floor(guess);
        const size_t found =
            round < walks ? walk_above(codec, query, threshold) : select_above(codec, query, threshold);
        if (found >= count && (found <= enough || high - threshold <= 1)) return take_found(query, found);
        if (found < count)
            high = threshold;
        else
            low = threshold;
        guess = threshold * quantile / cosine_quantile(((double)found + 0.5) / (all + 1), dimension); /* NaN: bisect */
    }
}

static void start_of_digits(uint32_t *counts, uint32_t digits) {
    uint32_t sum = 0;
    for (uint32_t digit = 0; digit < digits; digit++) {
        const uint32_t count = counts[digit];
        counts[digit] = sum;
        sum += count;
    }
}

/** Moves items stably into the order of one digit; `next` holds where each digit's items start. */
static void scatter(const uint64_t *from, uint64_t *to, size_t count, uint32_t shift, uint32_t mask, uint32_t *next) {
    for (size_t i = 0; i < count; i++) to[next[from[i] >> shift & mask]++] = from[i];
}

/** Sorts the selected cells by descending score, ties by number: two stable passes over half the bits each. */
static const uint64_t *sort_best(gosset__codec_query *query, size_t count) {
    uint32_t low[DIGITS], high[DIGITS];
    uint64_t *const items = query->items[0];
    int32_t best = INT32_MIN, worst = INT32_MAX;
    for (size_t i = 0; i < count; i++) {
        const int32_t score = query->near[i].score;
        items[i] = (uint64_t)(uint32_t)(SCORE_END - score) << 32 | query->near[i].rank;
        best = score > best ? score : best;
        worst = score < worst ? score : worst;
    }
    const uint64_t first = (uint64_t)(uint32_t)(SCORE_END - best) << 32;
    uint32_t half = 0;
    while ((uint32_t)(best - worst) >> 2 * half > 0) half++;
    const uint32_t digits = 1u << half;
    memset(low, 0, digits * sizeof *low);
    memset(high, 0, digits * sizeof *high);
    for (size_t i = 0; i < count; i++) {
        items[i] -= first;
        low[items[i] >> 32 & (digits - 1)]++;
        high[items[i] >> 32 >> half]++;
    }
    start_of_digits(low, digits);
    start_of_digits(high, digits);
    scatter(items, query->items[1], count, 32, digits - 1, low);
    scatter(query->items[1], items, count, 32 + half, digits - 1, high);
    return items;
}

uint32_t gosset__codec_probe(const gosset__codec *codec, gosset__codec_query *query, uint32_t count, uint32_t *cells) {
    if (count > codec->cell_count) count = codec->cell_count;
    if (count == 0) return 0;
    const size_t found = select_best(codec, query, count);
    const uint64_t *sorted = sort_best(query, found);
    for (uint32_t i = 0; i < count; i++) cells[i] = (uint32_t)sorted[i];
    return count;
}

uint32_t gosset__codec_group_count(const gosset__codec *codec) {
    return codec->turning_memory != NULL ? codec->residual->groups : 1;
}

uint32_t gosset__codec_group(const gosset__codec *codec, uint32_t cell) {
    return codec->turning_memory != NULL ? codec->residual->group[cell] : 0;
}

size_t gosset__codec_subject_size(const gosset__codec *codec) {
    return (size_t)gosset__round_up(codec->ops->subject_size(codec), 64);
}

void gosset__codec_subject_set(const gosset__codec *codec, const float *row, void *subject) {
    codec->ops->subject_set(codec, row, subject);
}

size_t gosset__codec_view_size(const gosset__codec *codec) {
    return (size_t)gosset__round_up(codec->ops->view_size(codec), 64);
}

void gosset__codec_view_set(const gosset__codec *codec, const void *subject, uint32_t group, void *view) {
    codec->ops->view(codec, subject, group, view);
}

const void *gosset__codec_view(const gosset__codec *codec, gosset__codec_query *query, uint32_t cell) {
    const uint32_t group = gosset__codec_group(codec, cell);
    uint8_t *view = query->views + group * gosset__codec_view_size(codec);
    if (!(query->met >> group & 1)) gosset__codec_view_set(codec, query->subject, group, view);
    query->met |= 1ull << group;
    return view;
}

void gosset__codec_scan(const gosset__codec *codec, const void *view, uint32_t cell, const uint8_t *blocks,
                        size_t block_count, int32_t *scores) {
    gosset__aim aim;
    codec->ops->aim(codec, view, cell, &aim);
    codec->ops->scan_aimed(codec, &aim, blocks, block_count, NULL, scores);
}

void gosset__codec_aim(const gosset__codec *codec, gosset__codec_query *query, uint32_t which, uint32_t cell) {
    codec->ops->aim(codec, gosset__codec_view(codec, query, cell), cell, &query->aims[which]);
}

void gosset__codec_scan_aimed(const gosset__codec *codec, const gosset__codec_query *query, uint32_t which,
                              const uint8_t *blocks, size_t block_count, const int32_t *bounds, int32_t *scores) {
    codec->ops->scan_aimed(codec, &query->aims[which], blocks, block_count, bounds, scores);
}

void gosset__codec_scan_leads(const gosset__codec *codec, const gosset__codec_query *query, uint32_t which,
                              const uint8_t *leads, size_t block_count, int32_t *bounds) {
    codec->ops->scan_leads(codec, &query->aims[which], leads, block_count, bounds);
}

size_t gosset__codec_aims_size(void) {
    return GOSSET__SCAN_MANY * sizeof(gosset__aim);
}

void gosset__codec_aim_one(const gosset__codec *codec, const void *view, uint32_t cell, gosset__aim *aims,
                           uint32_t which) {
    codec->ops->aim(codec, view, cell, &aims[which]);
}

void gosset__codec_scan_many(const gosset__codec *codec, const gosset__aim *aims, uint32_t members,
                             const uint8_t *blocks, size_t block_count, int32_t *scores, size_t stride) {
    codec->ops->scan_many(codec, aims, members, false, blocks, block_count, scores, stride);
}

void gosset__codec_scan_leads_many(const gosset__codec *codec, const gosset__aim *aims, uint32_t members,
                                   const uint8_t *leads, size_t block_count, int32_t *bounds, size_t stride) {
    codec->ops->scan_many(codec, aims, members, true, leads, block_count, bounds, stride);
}

void gosset__codec_scan_one(const gosset__codec *codec, const gosset__aim *aims, uint32_t which, const uint8_t *blocks,
                            size_t block_count, const int32_t *bounds, int32_t *scores) {
    codec->ops->scan_aimed(codec, &aims[which], blocks, block_count, bounds, scores);
}

void gosset__codec_prefetch(const gosset__codec *codec, uint32_t cell) {
    const gosset__residual *residual = codec->residual;
    if (residual == NULL) return;
    const char *centroid = (const char *)(residual->centroids + (size_t)cell * residual->features);
    for (size_t at = 0; at < residual->features * sizeof(float); at += 64) __builtin_prefetch(centroid + at);
}
