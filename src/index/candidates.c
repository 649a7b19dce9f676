#include "index/candidates.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

enum {
    FIRST_ROWS = 256, /* a small first part gives a bound early: without one every score is a candidate */
    DISTANCE = 64,    /* cache lines between those asked for and those compared */
    PIECE = GOSSET__SCAN_PIECE,
    LOOK_AHEAD = 4, /* runs whose sketches are asked for before these are looked at */
    LACKS_PARTS = 4 /* of what a cell's score lacks its leaves are held three quarters to account */
};

/* Where bands end, in 32nds of the reach: a sixth, a third and two thirds of the codes, four fifths and more of what is
 * found in the first two. */
static const uint32_t ends[GOSSET__BANDS] = {19, 24, 28, 32};

void gosset__candidates_query(gosset__candidates *candidates, const float *latent) {
    gosset__codec_query_set(candidates->codec, latent, candidates->query);
}

/* What is taken off the limit of a cell's leaves for what its score lacks. */
static uint32_t leaf_handicap(const gosset__codec *codec, const gosset__codec_query *query, uint32_t cell) {
    const uint32_t lacks = gosset__codec_lacks(codec, query, cell);
    return lacks - lacks / LACKS_PARTS;
}

static float float_of_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint32_t bits_of_float(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* Squared distances may be so much more than the least of the query's cells, less the handicap. */
static uint16_t leaf_margin(const gosset__candidates *c, uint32_t cell, uint32_t far, uint32_t leaf_reach) {
    const int64_t largest = (int64_t)bits_of_float(1e38f);
    const uint32_t distance = far + c->least - gosset__codec_lacks(c->codec, c->query, cell);
    int64_t limit =
        (int64_t)c->least + leaf_reach - GOSSET__LEAF_REACH_ZERO - (int64_t)leaf_handicap(c->codec, c->query, cell);
    limit = limit < 0 ? 0 : limit > largest ? largest : limit;
    return (uint16_t)(bits_of_float(float_of_bits((uint32_t)limit) - float_of_bits(distance)) >> 16);
}

uint32_t gosset__candidates_leaf_need(const gosset__store *store, const gosset__codec *codec,
                                      gosset__codec_query *query, uint32_t cell, uint64_t row) {
    const uint64_t end = store->cell_first[cell + 1];
    gosset__slice slice = gosset__slice_begin(store, store->cell_first[cell], end, store->leaves->first[cell]);
    while (slice.end <= row) slice = gosset__slice_begin(store, slice.end, end, slice.leaf + slice.count);
    const uint32_t inside = row < slice.first_end ? 0 : 1 + (uint32_t)(row - slice.first_end) / GOSSET__LEAF_ROWS;
    gosset__remoteness of_cell;
    float more;
    gosset__codec_remoteness(codec, query, &cell, 1, &of_cell);
    gosset__codec_leaf_distances(codec, gosset__codec_view(codec, query, cell), cell, &store->leaves->sketches,
                                 slice.leaf + inside, 1, &more);
    const float needed = float_of_bits(of_cell.distance) + more + fabsf(more) / 128; /* margins are cut off */
    return bits_of_float(fmaxf(needed, 0)) + leaf_handicap(codec, query, cell);
}

static void add_cell(gosset__candidates *c, uint32_t cell, uint16_t margin) {
    const uint64_t *first = &c->store->cell_first[cell];
    if (first[0] == first[1]) return;
    c->rows_found += first[1] - first[0];
    c->runs[c->run_count++] = (gosset__rows){first[0], first[1], cell, margin};
}

/* As distance what cells are kept by: their remoteness, or their place in the order of the probe. */
static void measure_cells(gosset__candidates *c, bool by_remoteness) {
    gosset__remoteness *of = c->remoteness;
    uint32_t least = UINT32_MAX;
    if (!by_remoteness) {
        for (uint32_t i = 0; i < c->cells_found; i++) of[i].distance = i;
        return;
    }
    gosset__codec_remoteness(c->codec, c->query, c->cells, c->cells_found, of);
    for (uint32_t i = 0; i < c->cells_found; i++) least = of[i].distance < least ? of[i].distance : least;
    for (uint32_t i = 0; i < c->cells_found; i++) of[i].distance += of[i].score - least;
    c->least = least;
}

/*
 * Cells come best first and are wanted in the order of their rows: memory is walked upwards, and of equal scores the
 * lower row is met first. Two levels of bits sort them without comparing.
 */
static void add_cells(gosset__candidates *c, uint64_t from, uint64_t to, uint32_t leaf_reach) {
    for (uint32_t i = 0; i < c->cells_found; i++) {
        const uint32_t cell = c->cells[i], far = c->remoteness[i].distance;
        if (far < from || far >= to) continue;
        c->cells_kept++;
        if (leaf_reach > 0) c->margins[cell] = leaf_margin(c, cell, far, leaf_reach);
        c->cell_bits[cell / 64] |= 1ull << cell % 64;
        c->cell_words[cell / 4096] |= 1ull << cell / 64 % 64;
    }
    const size_t summary_words = gosset__cell_summary_words(c->store->layout.cell_count);
    for (size_t s = 0; s < summary_words; s++) {
        for (uint64_t words = c->cell_words[s]; words != 0; words &= words - 1) {
            const size_t w = 64 * s + (size_t)__builtin_ctzll(words);
            for (uint64_t bits = c->cell_bits[w]; bits != 0; bits &= bits - 1) {
                const uint32_t cell = (uint32_t)(64 * w) + (uint32_t)__builtin_ctzll(bits);
                add_cell(c, cell, leaf_reach > 0 ? c->margins[cell] : GOSSET__NO_MARGIN);
            }
            c->cell_bits[w] = 0;
        }
        c->cell_words[s] = 0;
    }
}

/* All leaves of the nearest cells count, so that there are rows enough however near the limits are. */
static void open_nearest(gosset__candidates *c, uint64_t rows) {
    for (uint32_t i = 0; i < c->cells_found && rows > 0; i++) {
        const uint64_t *first = &c->store->cell_first[c->cells[i]];
        uint32_t r = 0;
        if (first[0] == first[1]) continue;
        while (r < c->run_count && c->runs[r].cell != c->cells[i]) r++;
        if (r == c->run_count) continue; /* too far */
        const uint64_t found = c->runs[r].end - c->runs[r].first;
        c->runs[r].margin = GOSSET__NO_MARGIN;
        rows = found < rows ? rows - found : 0;
    }
}

void gosset__candidates_probe(gosset__candidates *c, const gosset__effort *effort, uint64_t least, bool in_bands) {
    const uint32_t leaf_reach = effort->reach > 0 && c->store->leaves != NULL ? effort->leaf_reach : 0;
    c->cells_found = gosset__codec_probe(c->codec, c->query, effort->probe, c->cells);
    measure_cells(c, effort->reach > 0);
    const uint64_t end = effort->reach > 0 ? (uint64_t)effort->reach + 1 : c->cells_found;
    uint64_t from = 0;
    c->cells_kept = 0;
    c->run_count = 0;
    c->rows_found = 0;
    c->rows_compared = 0;
    c->slices_chosen = 0;
    for (uint32_t band = 0; band < GOSSET__BANDS; band++) {
        const uint64_t to = end * ends[band] / 32;
        if (in_bands || band + 1 == GOSSET__BANDS) {
            add_cells(c, from, to, leaf_reach);
            from = to;
        }
        c->band_end[band] = c->run_count;
    }
    for (uint32_t band = 0; !in_bands && band + 1 < GOSSET__BANDS; band++) c->band_end[band] = c->run_count / 2;
    if (leaf_reach > 0) open_nearest(c, least);
}

static bool is_bounded(const gosset__best *best) {
    return best->bound.rank != UINT32_MAX;
}

/* Of scores equal to the bound's the rows decide: they count, because not all rows ascend. */
static size_t select_rows_above(gosset__candidates *c, size_t count, const gosset__best *best) {
    const int32_t threshold = is_bounded(best) ? gosset__score_of_rank(best->bound.rank) - 1 : INT32_MIN;
    return c->kernels->select_above(c->scores, count, threshold, c->positions);
}

static void select_rows(gosset__candidates *c, uint32_t filled, uint32_t segment_count, gosset__best *best) {
    const size_t found = select_rows_above(c, filled, best);
    uint32_t segment = 0;
    for (size_t i = 0; i < found; i++) {
        const uint32_t position = c->positions[i];
        while (segment + 1 < segment_count && c->segments[segment + 1].position <= position) segment++;
        const uint64_t row = c->segments[segment].row + (position - c->segments[segment].position);
        gosset__best_add(best, row, gosset__rank_of_score(c->scores[position]));
    }
    if (best->count >= 2 * best->limit) gosset__best_cut(best);
}

/* ---- slices ------------------------------------------------------------------------------------- */

static void look_ahead(const gosset__candidates *c, uint32_t r) {
    if (r < c->run_count && c->runs[r].margin != GOSSET__NO_MARGIN)
        gosset__leaves_prefetch(c->store, c->codec, c->runs[r].cell);
}

/* Chooses the next slice that has leaves to be compared; false: there is none, or no room. */
static bool choose_next(gosset__candidates *c) {
    gosset__stream *s = &c->ahead;
    if (s->chosen - s->compared == GOSSET__CHOSEN) return false;
    while (s->run < s->run_end) {
        const gosset__rows *run = &c->runs[s->run];
        if (s->row == 0) {
            s->row = run->first;
            s->leaf = c->store->leaves != NULL ? c->store->leaves->first[run->cell] : 0;
            look_ahead(c, s->run + LOOK_AHEAD);
        }
        const gosset__slice slice = gosset__slice_begin(c->store, s->row, run->end, s->leaf);
        const uint64_t leaves =
            run->margin == GOSSET__NO_MARGIN
                ? gosset__slice_all(&slice)
                : gosset__slice_within(c->store, c->codec, &slice, run->cell,
                                       gosset__codec_view(c->codec, c->query, run->cell), gosset__margin(run->margin));
        if (leaves != 0) {
            gosset__codec_prefetch(c->codec, run->cell);
            c->slices_chosen++;
            c->slices[s->chosen++ % GOSSET__CHOSEN] = (gosset__chosen){slice, leaves, s->run};
        }
        s->row = slice.end;
        s->leaf += slice.count;
        if (s->row == run->end) s->run++, s->row = 0;
        if (leaves != 0) return true;
    }
    return false;
}

/* Codes are asked for at the rate at which they are compared, DISTANCE ahead of it. The processor waits for no more
 * than some dozen lines at once; asked for cell by cell, most of them had to wait in turn. */
static void fetch(gosset__candidates *c, size_t lines) {
    const size_t block_bytes = (size_t)GOSSET__SCAN_BLOCK * c->store->lead_size;
    gosset__stream *s = &c->ahead;
    uint64_t block, end;
    for (s->lines += lines; s->lines > 0; s->lines--, s->next += 64) {
        while (s->next == s->end) {
            if (gosset__slice_take(&c->slices[s->asked % GOSSET__CHOSEN].slice, &s->leaves, &block, &end)) {
                s->next = c->store->blocks + block * block_bytes;
                s->end = c->store->blocks + end * block_bytes;
                break;
            }
            if (s->asked + 1 == s->chosen && !choose_next(c)) return;
            s->leaves = c->slices[++s->asked % GOSSET__CHOSEN].leaves;
        }
        __builtin_prefetch(s->next);
    }
}

/* Runs up to `end`. */
static void start_stream(gosset__candidates *c, uint32_t end) {
    c->ahead = (gosset__stream){.run_end = end, .asked = UINT32_MAX};
    for (uint32_t r = 0; r < LOOK_AHEAD && r < end; r++) look_ahead(c, r);
    fetch(c, DISTANCE);
}

/* The next slice to be compared, aimed at, if it is of a run before `end`. */
static const gosset__chosen *next_slice(gosset__candidates *c, uint32_t end) {
    const gosset__stream *s = &c->ahead;
    fetch(c, 0);
    if (s->compared == s->chosen && !choose_next(c)) return NULL;
    const gosset__chosen *next = &c->slices[s->compared % GOSSET__CHOSEN];
    if (next->run >= end) return NULL;
    gosset__codec_aim(c->codec, c->query, s->compared % GOSSET__AIMS, c->runs[next->run].cell);
    return next;
}

/* Scores of whole blocks, or their bounds; rows outside of the slice in its first and last one get what nothing is
 * below. */
static void scan_blocks(gosset__candidates *c, const gosset__chosen *of, bool bounds, uint64_t block, uint64_t count,
                        int32_t *scores) {
    const gosset__store *store = c->store;
    const uint32_t which = c->ahead.compared % GOSSET__AIMS;
    const size_t block_bytes = (size_t)GOSSET__SCAN_BLOCK * store->lead_size;
    const uint64_t row = block * GOSSET__SCAN_BLOCK, end = row + count * GOSSET__SCAN_BLOCK;
    c->rows_compared += count * GOSSET__SCAN_BLOCK;
    for (uint64_t done = 0, now; done < count; done += now) {
        int32_t *to = scores + done * GOSSET__SCAN_BLOCK;
        now = count - done < PIECE ? count - done : PIECE;
        fetch(c, now * block_bytes / 64);
        if (bounds)
            gosset__codec_scan_leads(c->codec, c->query, which, store->blocks + (block + done) * block_bytes, now, to);
        else
            gosset__codec_scan_aimed(c->codec, c->query, which,
                                     gosset__store_blocks(store, block + done, now, c->whole), now, NULL, to);
    }
    for (uint64_t r = row; r < of->slice.first; r++, c->rows_compared--) scores[r - row] = INT32_MIN;
    for (uint64_t r = of->slice.end; r < end; r++, c->rows_compared--) scores[r - row] = INT32_MIN;
}

static void scan_whole(gosset__candidates *c, uint32_t begin, uint32_t end, gosset__best *best) {
    uint32_t filled = 0, segment_count = 0, room = begin == 0 ? FIRST_ROWS : GOSSET__SCAN_ROWS;
    for (const gosset__chosen *of; (of = next_slice(c, end)) != NULL; c->ahead.compared++) {
        uint64_t leaves = of->leaves, block, last;
        while (gosset__slice_take(&of->slice, &leaves, &block, &last))
            for (uint64_t now; block < last; block += now) {
                const uint64_t left = (room - filled) / GOSSET__SCAN_BLOCK;
                now = last - block < left ? last - block : left;
                scan_blocks(c, of, false, block, now, c->scores + filled);
                c->segments[segment_count++] = (gosset__segment){block * GOSSET__SCAN_BLOCK, filled, 0};
                filled += (uint32_t)now * GOSSET__SCAN_BLOCK;
                if (filled < room) continue;
                select_rows(c, filled, segment_count, best);
                filled = segment_count = 0;
                room = GOSSET__SCAN_ROWS;
            }
    }
    select_rows(c, filled, segment_count, best);
}

/* Rows whose bounds are above the worst candidate's score: few, once there are candidates. */
typedef struct promising {
    uint64_t row; /* of position 0 */
    size_t count; /* positions */
    uint32_t which;
} promising;

static promising select_promising(gosset__candidates *c, uint64_t row, size_t count, const gosset__best *best) {
    const promising found = {row, select_rows_above(c, count, best), c->ahead.compared % GOSSET__AIMS};
    for (size_t i = 0; i < found.count; i++) {
        gosset__candidates_fetch(c->store, row + c->positions[i]);
        c->bounds[i] = c->scores[c->positions[i]];
    }
    return found;
}

static void score_promising(gosset__candidates *c, const promising *rows, gosset__best *best) {
    int32_t scores[GOSSET__SCAN_BLOCK];
    for (size_t i = 0, now; i < rows->count; i += now) {
        now = rows->count - i < GOSSET__SCAN_BLOCK ? rows->count - i : GOSSET__SCAN_BLOCK;
        for (uint32_t j = 0; j < now; j++) gosset__store_pick(c->store, rows->row + c->positions[i + j], j, c->whole);
        gosset__codec_scan_aimed(c->codec, c->query, rows->which, c->whole, 1, c->bounds + i, scores);
        for (uint32_t j = 0; j < now; j++)
            gosset__best_add(best, rows->row + c->positions[i + j], gosset__rank_of_score(scores[j]));
    }
}

/* The best cell goes first: what is found there is what the others have to beat. It may be empty or too far. */
static bool put_best_first(gosset__candidates *c) {
    uint32_t r = 0;
    while (r < c->run_count && c->runs[r].cell != c->cells[0]) r++;
    if (r == c->run_count) return false;
    const gosset__rows best = c->runs[r];
    memmove(c->runs + 1, c->runs, r * sizeof *c->runs);
    c->runs[0] = best;
    return true;
}

static void scan_unbounded(gosset__candidates *c, const gosset__chosen *of, uint64_t block, uint64_t count,
                           gosset__best *best) {
    scan_blocks(c, of, false, block, count, c->scores);
    c->segments[0] = (gosset__segment){.row = block * GOSSET__SCAN_BLOCK, .position = 0};
    select_rows(c, (uint32_t)count * GOSSET__SCAN_BLOCK, 1, best);
}

/* What the first plane promises of a piece is looked at in the second while the next one is scanned. */
static void scan_by_bounds(gosset__candidates *c, uint32_t end, gosset__best *best) {
    promising found = {.count = 0};
    for (const gosset__chosen *of; (of = next_slice(c, end)) != NULL; c->ahead.compared++) {
        uint64_t leaves = of->leaves, block, last;
        while (gosset__slice_take(&of->slice, &leaves, &block, &last))
            for (uint64_t now; block < last; block += now) {
                const uint64_t most = (is_bounded(best) ? GOSSET__SCAN_ROWS : FIRST_ROWS) / GOSSET__SCAN_BLOCK;
                now = last - block < most ? last - block : most;
                if (!is_bounded(best)) {
                    scan_unbounded(c, of, block, now, best);
                    continue;
                }
                scan_blocks(c, of, true, block, now, c->scores);
                score_promising(c, &found, best);
                found = select_promising(c, block * GOSSET__SCAN_BLOCK, now * GOSSET__SCAN_BLOCK, best);
            }
    }
    score_promising(c, &found, best);
}

/* Among many candidates even poor bounds are. */
static bool has_bounds(const gosset__candidates *c, const gosset__best *best) {
    return c->store->lead_size < c->store->layout.code_size && best->limit <= GOSSET__BEST_HEAP;
}

void gosset__candidates_scan_begin(gosset__candidates *c, size_t count, gosset__best *best) {
    gosset__best_start(best, c->items, count);
    if (has_bounds(c, best)) put_best_first(c);
    start_stream(c, c->run_count);
}

uint32_t gosset__candidates_scan_nearest(gosset__candidates *c, gosset__best *best) {
    if (!has_bounds(c, best) || !put_best_first(c)) return 0;
    start_stream(c, 1);
    scan_by_bounds(c, 1, best);
    return 1;
}

void gosset__candidates_scan_band(gosset__candidates *c, uint32_t band, gosset__best *best) {
    const uint32_t begin = band > 0 ? c->band_end[band - 1] : 0, end = c->band_end[band];
    if (has_bounds(c, best))
        scan_by_bounds(c, end, best);
    else
        scan_whole(c, begin, end, best);
    gosset__best_cut(best);
}

void gosset__candidates_scan(gosset__candidates *c, size_t count, gosset__best *best) {
    gosset__candidates_scan_begin(c, count, best);
    for (uint32_t band = 0; band < GOSSET__BANDS; band++) gosset__candidates_scan_band(c, band, best);
}
