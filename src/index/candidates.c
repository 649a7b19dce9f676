#include "index/candidates.h"

enum {
    FIRST_ROWS = 256, /* a small first part gives a bound early: without one every score is a candidate */
    DISTANCE = 64,    /* cache lines between those asked for and those compared */
    PIECE = 4         /* blocks compared between two requests */
};

void gosset__candidates_query(gosset__candidates *candidates, const float *latent) {
    gosset__codec_query_set(candidates->codec, latent, candidates->query);
}

static void add_cell(gosset__candidates *c, uint32_t cell) {
    const uint64_t *first = &c->store->cell_first[cell];
    if (first[0] == first[1]) return;
    c->rows_found += first[1] - first[0];
    c->runs[c->run_count++] = (gosset__rows){first[0], first[1], cell};
}

/* Returns the least distance. */
static uint32_t measure_cells(gosset__candidates *c) {
    uint32_t least = UINT32_MAX;
    gosset__codec_remoteness(c->codec, c->query, c->cells, c->cells_found, c->remoteness);
    for (uint32_t i = 0; i < c->cells_found; i++)
        least = c->remoteness[i].distance < least ? c->remoteness[i].distance : least;
    return least;
}

/*
 * Cells come best first and are wanted in the order of their rows: memory is walked upwards, and of equal scores the
 * lower row is met first. Two levels of bits sort them without comparing.
 */
void gosset__candidates_probe(gosset__candidates *c, uint32_t probe, uint32_t reach) {
    c->cells_found = gosset__codec_probe(c->codec, c->query, probe, c->cells);
    const uint32_t least = reach > 0 ? measure_cells(c) : 0;
    c->cells_kept = 0;
    c->run_count = 0;
    c->rows_found = 0;
    for (uint32_t i = 0; i < c->cells_found; i++) {
        const uint32_t cell = c->cells[i];
        if (reach > 0 && c->remoteness[i].distance - least + c->remoteness[i].score > reach) continue;
        c->cells_kept++;
        c->cell_bits[cell / 64] |= 1ull << cell % 64;
        c->cell_words[cell / 4096] |= 1ull << cell / 64 % 64;
    }
    const size_t summary_words = gosset__cell_summary_words(c->store->layout.cell_count);
    for (size_t s = 0; s < summary_words; s++) {
        for (uint64_t words = c->cell_words[s]; words != 0; words &= words - 1) {
            const size_t w = 64 * s + (size_t)__builtin_ctzll(words);
            for (uint64_t bits = c->cell_bits[w]; bits != 0; bits &= bits - 1)
                add_cell(c, (uint32_t)(64 * w) + (uint32_t)__builtin_ctzll(bits));
            c->cell_bits[w] = 0;
        }
        c->cell_words[s] = 0;
    }
}

/* Rows ascend, so a score equal to the bound's comes too late to count: strictly above is exact. */
static void select_rows(gosset__candidates *c, uint32_t filled, uint32_t segment_count, gosset__best *best) {
    const int32_t threshold = best->bound.rank == UINT32_MAX ? INT32_MIN : gosset__score_of_rank(best->bound.rank);
    const size_t found = c->kernels->select_above(c->scores, filled, threshold, c->positions);
    uint32_t segment = 0;
    for (size_t i = 0; i < found; i++) {
        const uint32_t position = c->positions[i];
        while (segment + 1 < segment_count && c->segments[segment + 1].position <= position) segment++;
        const uint64_t row = c->segments[segment].row + (position - c->segments[segment].position);
        gosset__best_add(best, row, gosset__rank_of_score(c->scores[position]));
    }
    if (best->count >= 2 * best->limit) gosset__best_cut(best);
}

/* Codes on their way from memory: they are asked for at the rate at which they are compared, DISTANCE ahead of it. The
 * processor waits for no more than some dozen lines at once; asked for cell by cell, most of them had to wait in turn.
 */
typedef struct stream {
    uint32_t run;
    const uint8_t *next, *end;
} stream;

static void fetch(const gosset__candidates *c, stream *s, size_t lines) {
    const size_t block_bytes = (size_t)GOSSET__SCAN_BLOCK * c->store->layout.code_size;
    for (; lines > 0; lines--, s->next += 64) {
        if (s->next == s->end) {
            if (s->run == c->run_count) return;
            const gosset__rows *run = &c->runs[s->run++];
            s->next = c->store->blocks + run->first / GOSSET__SCAN_BLOCK * block_bytes;
            s->end = c->store->blocks + (run->end + GOSSET__SCAN_BLOCK - 1) / GOSSET__SCAN_BLOCK * block_bytes;
            gosset__codec_prefetch(c->codec, run->cell);
        }
        __builtin_prefetch(s->next);
    }
}

/* Whole blocks are scanned; rows of other cells in the first and last one get the score nothing is below. */
static void scan_blocks(gosset__candidates *c, stream *s, gosset__rows run, uint64_t block, uint64_t count,
                        int32_t *scores) {
    const size_t block_bytes = (size_t)GOSSET__SCAN_BLOCK * c->store->layout.code_size;
    const uint64_t row = block * GOSSET__SCAN_BLOCK, end = row + count * GOSSET__SCAN_BLOCK;
    for (uint64_t done = 0, now; done < count; done += now) {
        now = count - done < PIECE ? count - done : PIECE;
        fetch(c, s, now * block_bytes / 64);
        gosset__codec_scan_aimed(c->codec, c->query, c->store->blocks + (block + done) * block_bytes, now,
                                 scores + done * GOSSET__SCAN_BLOCK);
    }
    for (uint64_t r = row; r < run.first; r++) scores[r - row] = INT32_MIN;
    for (uint64_t r = run.end; r < end; r++) scores[r - row] = INT32_MIN;
}

void gosset__candidates_scan(gosset__candidates *c, size_t count, gosset__best *best) {
    uint32_t filled = 0, segment_count = 0, room = FIRST_ROWS;
    stream ahead = {.run = 0};
    gosset__best_start(best, c->items, count);
    fetch(c, &ahead, DISTANCE);
    for (uint32_t r = 0; r < c->run_count; r++) {
        const gosset__rows run = c->runs[r];
        const uint64_t last = (run.end + GOSSET__SCAN_BLOCK - 1) / GOSSET__SCAN_BLOCK;
        gosset__codec_aim(c->codec, c->query, run.cell);
        for (uint64_t block = run.first / GOSSET__SCAN_BLOCK, now; block < last; block += now) {
            const uint64_t left = (room - filled) / GOSSET__SCAN_BLOCK;
            now = last - block < left ? last - block : left;
            scan_blocks(c, &ahead, run, block, now, c->scores + filled);
            c->segments[segment_count++] = (gosset__segment){.row = block * GOSSET__SCAN_BLOCK, .position = filled};
            filled += (uint32_t)now * GOSSET__SCAN_BLOCK;
            if (filled < room) continue;
            select_rows(c, filled, segment_count, best);
            filled = segment_count = 0;
            room = GOSSET__SCAN_ROWS;
        }
    }
    select_rows(c, filled, segment_count, best);
    gosset__best_cut(best);
}
