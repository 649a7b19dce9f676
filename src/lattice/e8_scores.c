/**
 * Scores of all points of E8^k, about one addition each, in the order of their ranks (e8.c).
 *
 * Within a block, a coordinate is put in front of shorter lists. Endings of one kind share a list: whole ones of equal
 * norm; odd ones of equal sum of triangles and equally many values, modulo 2, that are 3 modulo 4 ("turned"). Across
 * blocks, the points of a norm are those of the first block times those of the others, for every split of the norm.
 */
#include "lattice/e8.h"

#include <string.h>

enum { MAX_KINDS = GOSSET__E8_MAX_NORM + 1 };

typedef struct list {
    int32_t *start;
    size_t count;
} list;

/** All endings of one length. */
typedef struct endings {
    list whole[MAX_KINDS]; /* by norm */
    list odd[MAX_KINDS];   /* by 2 * triangles + turned */
} endings;

static size_t whole_count(const gosset__e8 *e8, uint32_t length, uint32_t norm) {
    return (size_t)e8->whole[(size_t)length * (e8->shell + 1) + norm];
}

static size_t odd_count(const gosset__e8 *e8, uint32_t length, uint32_t kind) {
    if (length == 0) return kind == 0;
    return (size_t)e8->odd[(size_t)length * (e8->shell / 2) + kind / 2] / 2;
}

/** Entries of all endings of seven coordinates, more than of fewer. */
static size_t endings_count(const gosset__e8 *e8) {
    size_t sum = 0;
    for (uint32_t norm = 0; norm <= e8->shell; norm++) sum += whole_count(e8, GOSSET__E8_DIMENSION - 1, norm);
    for (uint32_t kind = 0; kind < e8->shell; kind++) sum += odd_count(e8, GOSSET__E8_DIMENSION - 1, kind);
    return sum;
}

/** Points of so many blocks of norms 0, 2 ... shell. */
static size_t all_norms(const gosset__e8 *e8, uint32_t blocks) {
    size_t sum = 0;
    for (uint32_t norm = 0; norm <= e8->shell; norm += 2) sum += (size_t)gosset__e8_count(e8, blocks, norm)->word[0];
    return sum;
}

/** Two sets of endings, to go to and fro; with several blocks also one block's points and, twice, those of the others.
 */
size_t gosset__e8_scores_scratch(const gosset_lattice *self) {
    const gosset__e8 *e8 = self->state;
    size_t sum = 2 * endings_count(e8);
    if (e8->blocks > 1) sum += all_norms(e8, 1) + 2 * all_norms(e8, e8->blocks - 1);
    return sum;
}

/* ---- one block -------------------------------------------------------------------------------------------- */

static int32_t *append(int32_t *out, list tail, int32_t score) {
    for (size_t i = 0; i < tail.count; i++) out[i] = tail.start[i] + score;
    return out + tail.count;
}

static int32_t *extend_whole(const endings *shorter, uint32_t norm, int32_t x, int32_t *out) {
    out = append(out, shorter->whole[norm], 0);
    for (uint32_t v = 1; v * v <= norm; v++) {
        out = append(out, shorter->whole[norm - v * v], 2 * (int32_t)v * x);
        out = append(out, shorter->whole[norm - v * v], -2 * (int32_t)v * x);
    }
    return out;
}

static int32_t *extend_odd(const endings *shorter, uint32_t kind, int32_t x, int32_t *out) {
    for (uint32_t u = 1; gosset__e8_triangle(u) <= kind / 2; u += 2) {
        const uint32_t rest = kind - 2 * gosset__e8_triangle(u);
        const uint32_t turned = u % 4 == 3; /* then -u is not */
        out = append(out, shorter->odd[rest ^ turned], (int32_t)u * x);
        out = append(out, shorter->odd[rest ^ !turned], -(int32_t)u * x);
    }
    return out;
}

/** The endings of seven coordinates, from two places of endings_count entries. */
static void score_endings(const gosset__e8 *e8, const int32_t *x, int32_t *place[2], endings now[2]) {
    int32_t *start = place[0];
    for (uint32_t norm = 0; norm <= e8->shell; norm++) now[0].whole[norm] = (list){start, norm == 0};
    for (uint32_t kind = 0; kind < e8->shell; kind++) now[0].odd[kind] = (list){start, kind == 0};
    start[0] = 0;
    for (uint32_t length = 1; length < GOSSET__E8_DIMENSION; length++) {
        const endings *from = &now[(length - 1) % 2];
        endings *to = &now[length % 2];
        const int32_t coordinate = x[GOSSET__E8_DIMENSION - length];
        start = place[length % 2];
        for (uint32_t norm = 0; norm <= e8->shell; norm++) {
            to->whole[norm] = (list){start, whole_count(e8, length, norm)};
            start = extend_whole(from, norm, coordinate, start);
        }
        for (uint32_t kind = 0; kind < e8->shell; kind++) {
            to->odd[kind] = (list){start, odd_count(e8, length, kind)};
            start = extend_odd(from, kind, coordinate, start);
        }
    }
}

/** Scores of a block's points of the norms least, least + 2 ... shell, one after the other. */
static void score_block(const gosset__e8 *e8, const int32_t *x, uint32_t least, int32_t *out, int32_t *scratch) {
    endings now[2];
    int32_t *place[2] = {scratch, scratch + endings_count(e8)};
    score_endings(e8, x, place, now);
    const endings *seven = &now[(GOSSET__E8_DIMENSION - 1) % 2];
    for (uint32_t norm = least; norm <= e8->shell; norm += 2) {
        out = extend_whole(seven, norm, x[0], out);
        if (norm > 0) out = extend_odd(seven, norm - 2, x[0], out);
    }
}

/* ---- several blocks --------------------------------------------------------------------------------------- */

/** Points whose first block has the scores `first` and whose others have the scores `others`: the first moves fastest.
 */
static int32_t *combine(list first, list others, int32_t *out) {
    if (first.count == 1) return append(out, others, first.start[0]);
    for (size_t i = 0; i < others.count; i++) out = append(out, first, others.start[i]);
    return out;
}

/** Cuts the points of so many blocks into lists by norm / 2. */
static void cut(const gosset__e8 *e8, uint32_t blocks, int32_t *start, list *lists) {
    for (uint32_t norm = 0; norm <= e8->shell; norm += 2) {
        lists[norm / 2] = (list){start, (size_t)gosset__e8_count(e8, blocks, norm)->word[0]};
        start += lists[norm / 2].count;
    }
}

void gosset__e8_scores(const gosset_lattice *self, const int32_t *x, int32_t *scores, int32_t *scratch) {
    const gosset__e8 *e8 = self->state;
    list first[GOSSET__E8_MAX_NORM / 2 + 1], others[GOSSET__E8_MAX_NORM / 2 + 1];
    if (e8->blocks == 1) {
        score_block(e8, x, e8->shell, scores, scratch);
        return;
    }
    int32_t *block = scratch + 2 * endings_count(e8);
    int32_t *place[2] = {block + all_norms(e8, 1), NULL};
    place[1] = place[0] + all_norms(e8, e8->blocks - 1);
    score_block(e8, x + self->dimension - GOSSET__E8_DIMENSION, 0, place[1], scratch);
    cut(e8, 1, block, first);
    for (uint32_t blocks = 2; blocks <= e8->blocks; blocks++) {
        const uint32_t least = blocks == e8->blocks ? e8->shell : 0;
        int32_t *out = blocks == e8->blocks ? scores : place[blocks % 2];
        cut(e8, blocks - 1, place[(blocks - 1) % 2], others);
        score_block(e8, x + self->dimension - blocks * GOSSET__E8_DIMENSION, 0, block, scratch);
        for (uint32_t norm = least; norm <= e8->shell; norm += 2)
            for (uint32_t part = 0; part <= norm; part += 2)
                out = combine(first[part / 2], others[(norm - part) / 2], out);
    }
}
