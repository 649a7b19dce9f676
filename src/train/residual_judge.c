/*
 * What residual codes are judged by: how far down the true neighbours of held-out queries come, among the codes of rows
 * of the learn set. Rows are coded as if their cells had never seen them.
 */
#include "base/status.h"
#include "train/blas.h"
#include "train/residual.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { QUERIES = 500, ROWS_MAX = 60000, ROW_BLOCK = 512, K = GOSSET__VALIDATION_K };

/* A rank counts by its logarithm, and those a search looks at anyway hardly differ. */
static const double rank_offset = 10;

static size_t count_blocks(const gosset__residual_judge *self) {
    return (self->count + ROW_BLOCK - 1) / ROW_BLOCK;
}
static size_t block_rows(const gosset__residual_judge *self, size_t first) {
    return self->count - first < ROW_BLOCK ? self->count - first : ROW_BLOCK;
}

static gosset_status allocate(gosset__residual_judge *self) {
    const gosset__env *env = &self->fit->trainer->env;
    const size_t values = self->count * self->fit->axes, pairs = (size_t)self->queries * K;
    const size_t threads = gosset__pool_threads(self->fit->trainer->pool);
    self->queries_at = gosset__alloc_array(env, self->queries + 1, self->fit->axes * sizeof(float));
    self->asked = gosset__alloc_array(env, self->queries + 1, self->fit->axes * sizeof(float));
    self->rest = gosset__alloc_array(env, values, sizeof(float));
    self->centroids = gosset__alloc_array(env, values, sizeof(float));
    self->decoded = gosset__alloc_array(env, values, sizeof(float));
    self->halves = gosset__alloc_array(env, self->count, sizeof(float));
    self->least = gosset__alloc_array(env, pairs + 1, sizeof(float));
    self->ranks = gosset__alloc_array(env, count_blocks(self) * pairs + 1, sizeof *self->ranks);
    self->scores = gosset__alloc_array(env, threads * ROW_BLOCK, (self->queries + 1) * sizeof(float));
    if (self->queries_at && self->asked && self->rest && self->centroids && self->decoded && self->halves &&
        self->least && self->ranks && self->scores)
        return GOSSET_OK;
    return gosset__no_memory("a judge of codes", 3 * values * sizeof(float));
}

void gosset__residual_judge_free(gosset__residual_judge *self) {
    const gosset__env *env = &self->fit->trainer->env;
    void *const blocks[] = {self->queries_at, self->asked, self->rest,  self->centroids, self->decoded,
                            self->halves,     self->least, self->ranks, self->scores};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) gosset__free(env, blocks[i]);
}

static gosset_status draw_block(void *context, size_t block, uint32_t worker) {
    (void)worker;
    const gosset__residual_judge *self = context;
    const size_t first = block * ROW_BLOCK, axes = self->fit->axes;
    for (size_t r = first; r < first + block_rows(self, first); r++)
        gosset__residual_draw(self->fit, r, self->rest + r * axes, self->centroids + r * axes);
    return GOSSET_OK;
}

gosset_status gosset__residual_judge_start(gosset__residual_judge *self, const gosset__residual_fitting *fit) {
    gosset_status status;
    const gosset__learn *learn = &fit->trainer->learn;
    const size_t known = learn->base_count < fit->rows ? learn->base_count : fit->rows;
    *self = (gosset__residual_judge){.fit = fit};
    self->queries = learn->query_count < QUERIES ? (uint32_t)learn->query_count : QUERIES;
    self->count = known / 2 < ROWS_MAX ? known / 2 : ROWS_MAX;
    GOSSET_TRY(allocate(self));
    gosset__product(self->queries, fit->axes, fit->features, learn->queries, fit->map, 0, self->queries_at);
    gosset__residual_judge_stretch(self, 1);
    GOSSET_TRY(gosset__pool_run(fit->trainer->pool, count_blocks(self), draw_block, self));
out:
    return status;
}

void gosset__residual_judge_stretch(gosset__residual_judge *self, float stretch) {
    const float *centre = self->fit->centre;
    self->stretch = stretch;
    for (size_t i = 0; i < (size_t)self->queries * self->fit->axes; i++) {
        const float from = centre[i % self->fit->axes];
        self->asked[i] = from + stretch * (self->queries_at[i] - from);
    }
}

/* ---- ranks ---------------------------------------------------------------------------------- */

typedef struct trial {
    gosset__residual_judge *judge;
    const gosset__windows *windows;
} trial;

static gosset_status code_block(void *context, size_t block, uint32_t worker) {
    (void)worker;
    const trial *self = context;
    gosset__residual_judge *j = self->judge;
    const gosset__residual_fitting *f = j->fit;
    const size_t first = block * ROW_BLOCK, axes = f->axes;
    for (size_t r = first; r < first + block_rows(j, first); r++)
        j->halves[r] = 0.5f * gosset__residual_code(f, self->windows, f->group[f->cell[r]], j->rest + r * axes,
                                                    j->centroids + r * axes, j->decoded + r * axes);
    return GOSSET_OK;
}

/* Inner products of a block's codes with all queries. */
static const float *multiply(const gosset__residual_judge *j, size_t first, size_t rows, uint32_t worker) {
    const size_t axes = j->fit->axes;
    float *scores = j->scores + (size_t)worker * ROW_BLOCK * j->queries;
    gosset__product_bt(rows, j->queries, axes, j->decoded + first * axes, j->asked, 0, scores);
    return scores;
}

static bool is_judged(const gosset__residual_judge *j, size_t pair) {
    return j->fit->trainer->learn.truth[pair] < j->count;
}

/* Scores of the true neighbours, by the same products as those of all: equal rows tie. */
static gosset_status find_least(void *context, size_t block, uint32_t worker) {
    gosset__residual_judge *j = context;
    const uint32_t *truth = j->fit->trainer->learn.truth;
    const size_t first = block * ROW_BLOCK, rows = block_rows(j, first);
    const float *scores = multiply(j, first, rows, worker);
    for (size_t pair = 0; pair < (size_t)j->queries * K; pair++) {
        const size_t row = truth[pair];
        if (row < first || row >= first + rows) continue;
        j->least[pair] = scores[(row - first) * j->queries + pair / K] - j->halves[row];
    }
    return GOSSET_OK;
}

static gosset_status rank_block(void *context, size_t block, uint32_t worker) {
    gosset__residual_judge *j = context;
    const size_t first = block * ROW_BLOCK, rows = block_rows(j, first), pairs = (size_t)j->queries * K;
    uint32_t *ranks = j->ranks + block * pairs;
    const float *scores = multiply(j, first, rows, worker);
    memset(ranks, 0, pairs * sizeof *ranks);
    for (size_t i = 0; i < rows; i++)
        for (uint32_t q = 0; q < j->queries; q++) {
            const float score = scores[i * j->queries + q] - j->halves[first + i];
            for (uint32_t t = 0; t < K; t++) ranks[q * K + t] += score > j->least[q * K + t];
        }
    return GOSSET_OK;
}

gosset_status gosset__residual_judge_rank(gosset__residual_judge *self, const gosset__windows *windows, double *rank) {
    trial t = {self, windows};
    const gosset_status status = gosset__pool_run(self->fit->trainer->pool, count_blocks(self), code_block, &t);
    return status != GOSSET_OK ? status : gosset__residual_judge_again(self, rank);
}

gosset_status gosset__residual_judge_again(gosset__residual_judge *self, double *rank) {
    gosset_status status;
    gosset__pool *pool = self->fit->trainer->pool;
    const size_t blocks = count_blocks(self), pairs = (size_t)self->queries * K;
    double sum = 0;
    size_t judged = 0;
    for (size_t pair = 0; pair < pairs; pair++) self->least[pair] = HUGE_VALF;
    GOSSET_TRY(gosset__pool_run(pool, blocks, find_least, self));
    GOSSET_TRY(gosset__pool_run(pool, blocks, rank_block, self));
    for (size_t pair = 0; pair < pairs; pair++) {
        double before = rank_offset;
        if (!is_judged(self, pair)) continue;
        for (size_t block = 0; block < blocks; block++) before += self->ranks[block * pairs + pair];
        sum += log(before);
        judged++;
    }
    *rank = judged > 0 ? exp(sum / (double)judged) - rank_offset : 0;
out:
    return status;
}
