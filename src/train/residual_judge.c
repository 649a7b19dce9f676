/*
 * What residual codes are judged by: how far down the true neighbours of held-out queries come, among the codes of rows
 * of the learn set. Rows are coded as if their cells had never seen them.
 */
#include "base/status.h"
#include "train/blas.h"
#include "train/residual.h"

#include <math.h>
#include <string.h>

enum { QUERIES = 500, ROWS = 40000, ROW_BLOCK = 512, QUERY_BLOCK = 16, K = GOSSET__VALIDATION_K };

/* A rank counts by its logarithm, and those a search looks at anyway hardly differ. */
static const double rank_offset = 10;

static gosset_status allocate(gosset__residual_judge *self) {
    const gosset__residual_fitting *f = self->fit;
    const gosset__env *env = &f->trainer->env;
    const size_t most = (size_t)ROWS + (size_t)QUERIES * K, columns = self->queries + 1;
    self->rows = gosset__alloc_array(env, most, sizeof *self->rows);
    self->place = gosset__alloc_array(env, f->rows + 1, sizeof *self->place);
    self->asked = gosset__alloc_array(env, f->axes * columns, sizeof(float));
    self->truth = gosset__alloc_array(env, columns * K, sizeof *self->truth);
    self->rest = gosset__alloc_array(env, most * f->axes, sizeof(float));
    self->centroids = gosset__alloc_array(env, most * f->axes, sizeof(float));
    self->decoded = gosset__alloc_array(env, most * f->axes, sizeof(float));
    self->halves = gosset__alloc_array(env, most, sizeof(float));
    self->least = gosset__alloc_array(env, columns * K, sizeof(float));
    self->scores = gosset__alloc_array(env, most * columns, sizeof(float));
    self->ranks = gosset__alloc_array(env, columns * K, sizeof *self->ranks);
    if (self->rows && self->place && self->asked && self->truth && self->rest && self->centroids && self->decoded &&
        self->halves && self->least && self->scores && self->ranks)
        return GOSSET_OK;
    return gosset__no_memory("a judge of codes", most * (3 * f->axes + columns) * sizeof(float));
}

void gosset__residual_judge_free(gosset__residual_judge *self) {
    const gosset__env *env = &self->fit->trainer->env;
    void *const blocks[] = {self->rows,    self->place,  self->asked, self->truth,  self->rest, self->centroids,
                            self->decoded, self->halves, self->least, self->scores, self->ranks};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) gosset__free(env, blocks[i]);
}

/* The first rows of all and the true neighbours; a neighbour that no code is fitted to does not count. */
static void choose_rows(gosset__residual_judge *self) {
    const gosset__learn *learn = &self->fit->trainer->learn;
    const size_t base = learn->base_count < self->fit->rows ? learn->base_count : self->fit->rows;
    for (size_t r = 0; r < base; r++) self->place[r] = UINT32_MAX;
    for (size_t r = 0; r < base && r < ROWS; r++) {
        self->place[r] = (uint32_t)self->count;
        self->rows[self->count++] = (uint32_t)r;
    }
    for (size_t t = 0; t < (size_t)self->queries * K; t++) {
        const uint32_t id = learn->truth[t];
        self->truth[t] = UINT32_MAX;
        if (id >= base) continue;
        if (self->place[id] == UINT32_MAX) {
            self->place[id] = (uint32_t)self->count;
            self->rows[self->count++] = id;
        }
        self->truth[t] = self->place[id];
    }
}

static gosset_status draw_block(void *context, size_t block, uint32_t worker) {
    (void)worker;
    const gosset__residual_judge *self = context;
    const uint32_t axes = self->fit->axes;
    for (size_t i = block * ROW_BLOCK; i < (block + 1) * ROW_BLOCK && i < self->count; i++)
        gosset__residual_draw(self->fit, self->rows[i], self->rest + i * axes, self->centroids + i * axes);
    return GOSSET_OK;
}

gosset_status gosset__residual_judge_start(gosset__residual_judge *self, const gosset__residual_fitting *fit) {
    gosset_status status;
    const gosset__learn *learn = &fit->trainer->learn;
    *self = (gosset__residual_judge){.fit = fit};
    self->queries = learn->query_count < QUERIES ? (uint32_t)learn->query_count : QUERIES;
    GOSSET_TRY(allocate(self));
    choose_rows(self);
    gosset__product(self->queries, fit->axes, fit->features, learn->queries, fit->map, 0, self->asked);
    GOSSET_TRY(gosset__pool_run(fit->trainer->pool, (self->count + ROW_BLOCK - 1) / ROW_BLOCK, draw_block, self));
out:
    return status;
}

/* ---- ranks ---------------------------------------------------------------------------------- */

typedef struct trial {
    gosset__residual_judge *judge;
    const gosset__residual_coder *coder;
} trial;

/* Scores of a block of rows for all queries: inner product less half the squared length. */
static gosset_status score_block(void *context, size_t block, uint32_t worker) {
    (void)worker;
    const trial *self = context;
    gosset__residual_judge *j = self->judge;
    const gosset__residual_fitting *f = j->fit;
    const size_t first = block * ROW_BLOCK, end = j->count - first < ROW_BLOCK ? j->count : first + ROW_BLOCK;
    for (size_t i = first; i < end; i++)
        j->halves[i] = 0.5f * self->coder->code(self->coder, f->group[f->cell[j->rows[i]]], j->rest + i * f->axes,
                                                j->centroids + i * f->axes, j->decoded + i * f->axes);
    float *scores = j->scores + first * j->queries;
    gosset__product_bt(end - first, j->queries, f->axes, j->decoded + first * f->axes, j->asked, 0, scores);
    for (size_t i = first; i < end; i++)
        for (uint32_t q = 0; q < j->queries; q++) j->scores[i * j->queries + q] -= j->halves[i];
    return GOSSET_OK;
}

static gosset_status rank_queries(void *context, size_t block, uint32_t worker) {
    (void)worker;
    gosset__residual_judge *j = context;
    const size_t first = block * QUERY_BLOCK;
    const size_t count = j->queries - first < QUERY_BLOCK ? j->queries - first : QUERY_BLOCK;
    const uint32_t *truth = j->truth + first * K;
    uint32_t *ranks = j->ranks + first * K;
    float *least = j->least + first * K;
    memset(ranks, 0, count * K * sizeof *ranks);
    for (size_t t = 0; t < count * K; t++)
        least[t] = truth[t] < UINT32_MAX ? j->scores[(size_t)truth[t] * j->queries + first + t / K] : HUGE_VALF;
    for (size_t i = 0; i < j->count; i++) {
        const float *scores = j->scores + i * j->queries + first;
        for (size_t t = 0; t < count * K; t++) ranks[t] += scores[t / K] > least[t];
    }
    return GOSSET_OK;
}

gosset_status gosset__residual_judge_rank(gosset__residual_judge *self, const gosset__residual_coder *coder,
                                          double *rank) {
    gosset_status status;
    trial t = {self, coder};
    double sum = 0;
    size_t ranked = 0;
    gosset__pool *pool = self->fit->trainer->pool;
    GOSSET_TRY(gosset__pool_run(pool, (self->count + ROW_BLOCK - 1) / ROW_BLOCK, score_block, &t));
    GOSSET_TRY(gosset__pool_run(pool, (self->queries + QUERY_BLOCK - 1) / QUERY_BLOCK, rank_queries, self));
    for (size_t i = 0; i < (size_t)self->queries * K; i++) {
        if (self->truth[i] == UINT32_MAX) continue;
        sum += log(rank_offset + self->ranks[i]);
        ranked++;
    }
    *rank = ranked > 0 ? exp(sum / (double)ranked) - rank_offset : 0;
out:
    return status;
}
