/*
 * gosset codes: how good the codes are on their own, with every code compared to every query.
 *
 * What is wanted for each query is the rank of its ten true neighbours among all base vectors. So the scores of
 * those ten are computed first, then the base streams by in blocks and only counts who scores higher: memory stays
 * that of one block, and the re-rank depth needed for a recall is exact however deep it lies.
 */
#include "cli/commands.h"
#include "cli/measure.h"
#include "cli/session.h"
#include "cli/sphere.h"

#include <gosset/gosset.h>

#include <cblas.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TRUE_COUNT = 10,
    BLOCK_ROWS = 2048, /* with TILE_QUERIES: 1 MiB of scores, about what a core's cache holds */
    TILE_QUERIES = 128,
    LATENTS = 0, /* the map alone */
    LATTICE = 1, /* as the index stores it */
    IDEAL = 2,   /* the map with the least noise a code of this size could have */
    VARIANTS = 3
};

/* Scores closer than this are ties, decided by the lower row: float products of unit vectors are no more exact. */
static const float TIE = 1e-6f;

typedef struct codes_options {
    common_options common;
    const char *model, *base, *query, *truth;
} codes_options;

typedef struct codes_work {
    const gosset_model *model;
    const gosset_lattice *lattice;
    gosset_lattice_info lattice_info;
    uint32_t dimension;
    double cosine; /* of the ideal noise */
    gosset_vectors base;
    size_t query_count;
    float *queries;              /* latents */
    uint64_t *truth;             /* query_count x TRUE_COUNT */
    float *thresholds[VARIANTS]; /* scores of the truth */
    atomic_size_t next;
    atomic_int stop;
    cli_session *session; /* of the thread that reports */
} codes_work;

typedef struct codes_worker {
    codes_work *work;
    int reports;
    float *latents, *variant, *scores;
    uint8_t *codes;
    uint32_t *ranks; /* VARIANTS x query_count x TRUE_COUNT: base rows counted that score higher */
    gosset_status status;
    char sentence[512];
    pthread_t thread;
} codes_worker;

typedef struct code_quality {
    double r_at[3], recall_at_10;
    uint32_t depth[3];
} code_quality;

static const double depth_targets[3] = {0.90, 0.95, 0.99};
static const uint32_t r_at_depths[3] = {1, 10, 100};

/* ---- the three versions of a latent ----------------------------------------------------------------------- */

/* `rows` name the base rows, so that the noise of a row is the same wherever it is made; NULL = first, first + 1 .. */
static gosset_status make_variant(const codes_work *work, int variant, size_t count, uint64_t first,
                                  const uint64_t *rows, const float *latents, uint8_t *codes, float *out) {
    const size_t size = count * work->dimension;
    if (variant == LATTICE) {
        const gosset_status status = gosset_lattice_encode(work->lattice, count, latents, codes);
        return status == GOSSET_OK ? gosset_lattice_decode(work->lattice, count, codes, out) : status;
    }
    memcpy(out, latents, size * sizeof *out);
    for (size_t i = 0; i < count && variant == IDEAL; i++)
        sphere_turn(out + i * work->dimension, work->dimension, work->cosine, rows ? rows[i] : first + i);
    return GOSSET_OK;
}

static const uint8_t *row_at(const gosset_vectors *vectors, uint64_t row) {
    const size_t packed = vectors->dimension * gosset_type_size(vectors->type);
    return (const uint8_t *)vectors->data + row * (vectors->stride ? vectors->stride : packed);
}

/* Scores of one query's true neighbours, into the thresholds. `packed` holds TRUE_COUNT base rows. */
static gosset_status score_truth(const codes_work *work, size_t query, uint8_t *packed, codes_worker *scratch) {
    const size_t row_size = work->base.dimension * gosset_type_size(work->base.type);
    const uint64_t *truth = work->truth + query * TRUE_COUNT;
    const float *latent = work->queries + query * work->dimension;
    gosset_vectors rows = work->base;
    rows.data = packed;
    rows.count = TRUE_COUNT;
    rows.stride = 0;
    for (int i = 0; i < TRUE_COUNT; i++) memcpy(packed + i * row_size, row_at(&work->base, truth[i]), row_size);
    gosset_status status = gosset_model_apply(work->model, GOSSET_BASE, &rows, scratch->latents);
    for (int variant = 0; variant < VARIANTS && status == GOSSET_OK; variant++) {
        status = make_variant(work, variant, TRUE_COUNT, 0, truth, scratch->latents, scratch->codes, scratch->variant);
        for (int i = 0; i < TRUE_COUNT; i++) {
            double sum = 0;
            for (uint32_t j = 0; j < work->dimension; j++)
                sum += (double)latent[j] * (double)scratch->variant[(size_t)i * work->dimension + j];
            work->thresholds[variant][query * TRUE_COUNT + (size_t)i] = (float)sum;
        }
    }
    return status;
}

/* ---- counting --------------------------------------------------------------------------------------------- */

static void count_one(const float *thresholds, const uint64_t *truth, uint32_t *ranks, float score, uint64_t row) {
    for (int i = 0; i < TRUE_COUNT; i++) {
        if (row == truth[i]) continue;
        const int tie = fabsf(score - thresholds[i]) <= TIE;
        ranks[i] += tie ? row < truth[i] : score > thresholds[i];
    }
}

/* Nearly all scores are below all ten thresholds: look at 64 at a time whether any is not. */
static void count_row(const float *thresholds, const uint64_t *truth, uint32_t *ranks, const float *scores,
                      size_t count, uint64_t first) {
    enum { CHUNK = 64 };
    float lowest = thresholds[0];
    for (int i = 1; i < TRUE_COUNT; i++) lowest = thresholds[i] < lowest ? thresholds[i] : lowest;
    lowest -= TIE;
    for (size_t start = 0; start < count; start += CHUNK) {
        const size_t length = count - start < CHUNK ? count - start : CHUNK;
        int any = 0;
        for (size_t i = 0; i < length; i++) any += scores[start + i] >= lowest;
        for (size_t i = 0; i < length && any > 0; i++) {
            if (scores[start + i] < lowest) continue;
            count_one(thresholds, truth, ranks, scores[start + i], first + start + i);
            any--;
        }
    }
}

static void count_block(codes_worker *self, int variant, size_t count, uint64_t first) {
    const codes_work *work = self->work;
    const int dimension = (int)work->dimension;
    uint32_t *ranks = self->ranks + (size_t)variant * work->query_count * TRUE_COUNT;
    for (size_t query = 0; query < work->query_count; query += TILE_QUERIES) {
        const size_t left = work->query_count - query;
        const int tile = left < TILE_QUERIES ? (int)left : TILE_QUERIES;
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, tile, (int)count, dimension, 1.0f,
                    work->queries + query * work->dimension, dimension, self->variant, dimension, 0.0f, self->scores,
                    BLOCK_ROWS);
        for (size_t i = 0; i < (size_t)tile; i++) {
            const size_t slot = (query + i) * TRUE_COUNT;
            count_row(work->thresholds[variant] + slot, work->truth + slot, ranks + slot, self->scores + i * BLOCK_ROWS,
                      count, first);
        }
    }
}

static gosset_status run_blocks(codes_worker *self) {
    codes_work *work = self->work;
    for (;;) {
        const uint64_t first = (uint64_t)atomic_fetch_add(&work->next, 1) * BLOCK_ROWS;
        if (first >= work->base.count) return GOSSET_OK;
        if (interrupted() || atomic_load(&work->stop)) return GOSSET_E_CANCELLED;
        gosset_vectors block = work->base;
        block.data = row_at(&work->base, first);
        block.count = work->base.count - first < BLOCK_ROWS ? work->base.count - first : BLOCK_ROWS;
        gosset_status status = gosset_model_apply(work->model, GOSSET_BASE, &block, self->latents);
        for (int variant = 0; variant < VARIANTS && status == GOSSET_OK; variant++) {
            status = make_variant(work, variant, block.count, first, NULL, self->latents, self->codes, self->variant);
            if (status == GOSSET_OK) count_block(self, variant, block.count, first);
        }
        if (status != GOSSET_OK) return status;
        const gosset_progress report = {.phase = "compare", .done = first + block.count, .total = work->base.count};
        if (self->reports) progress_report(&report, &work->session->progress);
    }
}

static void *run_worker(void *context) {
    codes_worker *self = context;
    self->status = run_blocks(self);
    if (self->status != GOSSET_OK) {
        snprintf(self->sentence, sizeof self->sentence, "%s", gosset_last_error());
        atomic_store(&self->work->stop, 1);
    }
    return NULL;
}

/* ---- workers ---------------------------------------------------------------------------------------------- */

static int allocate_worker(codes_worker *self, codes_work *work) {
    self->work = work;
    self->latents = malloc((size_t)BLOCK_ROWS * work->dimension * sizeof *self->latents);
    self->variant = malloc((size_t)BLOCK_ROWS * work->dimension * sizeof *self->variant);
    self->scores = malloc((size_t)BLOCK_ROWS * TILE_QUERIES * sizeof *self->scores);
    self->codes = malloc((size_t)BLOCK_ROWS * work->lattice_info.code_size);
    self->ranks = calloc(work->query_count * TRUE_COUNT * VARIANTS, sizeof *self->ranks);
    return self->latents && self->variant && self->scores && self->codes && self->ranks;
}

static void free_worker(codes_worker *self) {
    free(self->latents);
    free(self->variant);
    free(self->scores);
    free(self->codes);
    free(self->ranks);
}

/* Runs all blocks and sums the ranks into those of the first worker. */
static int run_workers(cli_session *session, codes_work *work, codes_worker *workers, uint32_t count) {
    uint32_t started = 1;
    workers[0].reports = 1;
    openblas_set_num_threads(1); /* the blocks are the parallel work */
    while (started < count && pthread_create(&workers[started].thread, NULL, run_worker, &workers[started]) == 0)
        started++;
    run_worker(&workers[0]);
    for (uint32_t i = 1; i < started; i++) pthread_join(workers[i].thread, NULL);
    for (uint32_t i = 0; i < started; i++) {
        if (workers[i].status != GOSSET_OK && !interrupted() && workers[i].sentence[0])
            return session_error(session, "%s", workers[i].sentence);
    }
    if (interrupted()) return session_failed(session, GOSSET_E_CANCELLED);
    const size_t size = work->query_count * TRUE_COUNT * VARIANTS;
    for (uint32_t i = 1; i < started; i++) {
        for (size_t j = 0; j < size; j++) workers[0].ranks[j] += workers[i].ranks[j];
    }
    return EXIT_OK;
}

/* ---- results ---------------------------------------------------------------------------------------------- */

static int compare_ranks(const void *a, const void *b) {
    const uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

/* Sorts the ranks. */
static code_quality summarize(uint32_t *ranks, size_t query_count) {
    code_quality quality = {.recall_at_10 = 0};
    const size_t count = query_count * TRUE_COUNT;
    size_t within = 0;
    for (size_t query = 0; query < query_count; query++) {
        for (int i = 0; i < 3; i++) quality.r_at[i] += ranks[query * TRUE_COUNT] < r_at_depths[i];
    }
    for (int i = 0; i < 3; i++) quality.r_at[i] /= (double)query_count;
    qsort(ranks, count, sizeof *ranks, compare_ranks);
    while (within < count && ranks[within] < TRUE_COUNT) within++;
    quality.recall_at_10 = (double)within / (double)count;
    for (int i = 0; i < 3; i++) {
        const size_t needed = (size_t)ceil(depth_targets[i] * (double)count - 1e-9);
        quality.depth[i] = ranks[needed - 1] + 1;
    }
    return quality;
}

static void add_quality(cli_output *output, const code_quality *quality) {
    output_real(output, "r_at_1", NULL, quality->r_at[0], "%f");
    output_real(output, "r_at_10", NULL, quality->r_at[1], "%f");
    output_real(output, "r_at_100", NULL, quality->r_at[2], "%f");
    output_real(output, "recall_at_10", NULL, quality->recall_at_10, "%f");
    output_count(output, "rerank_depth_90", NULL, quality->depth[0]);
    output_count(output, "rerank_depth_95", NULL, quality->depth[1]);
    output_count(output, "rerank_depth_99", NULL, quality->depth[2]);
}

static void report(cli_output *output, const codes_work *work, uint32_t *ranks, double seconds) {
    static const char *const keys[VARIANTS] = {"latents", "lattice", "ideal"};
    static const char *const labels[VARIANTS] = {"latents, not quantised", "with the lattice", "with ideal noise"};
    output_text(output, "code_lattice", "code lattice", work->lattice_info.spec);
    output_real(output, "code_bits", "bits of a code", work->lattice_info.bits, "%.2f");
    output_real(output, "ideal_cosine", "cosine of ideal codes", work->cosine, "%.5f");
    output_count(output, "vector_count", "vectors", work->base.count);
    output_count(output, "query_count", "queries", work->query_count);
    output_real(output, "codes_seconds", "took", seconds, "%.1f s");
    output_line(output, "\n%-24s %7s %7s %7s %12s   %s", "", "R@1", "R@10", "R@100", "recall10@10",
                "re-rank depth for recall@10 0.90, 0.95, 0.99");
    for (int variant = 0; variant < VARIANTS; variant++) {
        const code_quality quality =
            summarize(ranks + (size_t)variant * work->query_count * TRUE_COUNT, work->query_count);
        output_line(output, "%-24s %7.3f %7.3f %7.3f %12.3f   %u, %u, %u", labels[variant], quality.r_at[0],
                    quality.r_at[1], quality.r_at[2], quality.recall_at_10, quality.depth[0], quality.depth[1],
                    quality.depth[2]);
        cli_output part;
        output_start(&part, 1);
        add_quality(&part, &quality);
        output_json(output, keys[variant], part.object);
        if (variant == LATTICE && output->json) add_quality(output, &quality); /* what the index works with */
    }
}

/* ---- set-up ----------------------------------------------------------------------------------------------- */

static int check_truth(cli_session *session, const codes_options *options, codes_work *work) {
    uint64_t *all = NULL;
    uint32_t per_row = 0;
    const int code = session_read_truth(session, options->truth, work->query_count, TRUE_COUNT, &all, &per_row);
    if (code != EXIT_OK) {
        free(all);
        return code;
    }
    for (size_t query = 0; query < work->query_count; query++) {
        for (int i = 0; i < TRUE_COUNT; i++) {
            const uint64_t row = all[query * per_row + (size_t)i];
            all[query * TRUE_COUNT + (size_t)i] = row; /* in place: the rows only get shorter */
            if (row < work->base.count) continue;
            free(all);
            return session_error(session, "%s: row %zu names vector %llu, but %s holds %zu", options->truth, query,
                                 (unsigned long long)row, options->base, work->base.count);
        }
    }
    work->truth = all;
    return EXIT_OK;
}

static int prepare(cli_session *session, codes_work *work, const gosset_vectors *queries, codes_worker *scratch) {
    const size_t row_size = work->base.dimension * gosset_type_size(work->base.type);
    uint8_t *packed = malloc(TRUE_COUNT * row_size);
    gosset_status status = GOSSET_OK;
    for (int variant = 0; variant < VARIANTS; variant++) {
        work->thresholds[variant] = malloc(work->query_count * TRUE_COUNT * sizeof(float));
        if (!work->thresholds[variant]) status = GOSSET_E_NO_MEMORY;
    }
    work->queries = malloc(work->query_count * work->dimension * sizeof(float));
    if (!packed || !work->queries) status = GOSSET_E_NO_MEMORY;
    const int allocated = status == GOSSET_OK;
    if (allocated) status = gosset_model_apply(work->model, GOSSET_QUERY, queries, work->queries);
    for (size_t query = 0; query < work->query_count && status == GOSSET_OK; query++) {
        status = interrupted() ? GOSSET_E_CANCELLED : score_truth(work, query, packed, scratch);
    }
    free(packed);
    if (!allocated) return session_error(session, "no memory for %zu queries", work->query_count);
    return status == GOSSET_OK ? EXIT_OK : session_failed(session, status);
}

static int measure(cli_session *session, const codes_options *options, codes_work *work,
                   const gosset_vectors *queries) {
    const double started = seconds_now();
    const uint32_t asked = thread_count(&options->common);
    const uint32_t count = asked > 0 ? asked : cpu_count();
    codes_worker *workers = calloc(count, sizeof *workers);
    int code = workers ? EXIT_OK : session_error(session, "no memory for %u threads", count);
    for (uint32_t i = 0; i < count && code == EXIT_OK; i++) {
        if (!allocate_worker(&workers[i], work)) code = session_error(session, "no memory for %u threads", count);
    }
    if (code == EXIT_OK) code = prepare(session, work, queries, &workers[0]);
    if (code == EXIT_OK) code = run_workers(session, work, workers, count);
    progress_end(&session->progress);
    if (code == EXIT_OK) report(&session->output, work, workers[0].ranks, seconds_now() - started);
    for (uint32_t i = 0; i < count && workers; i++) free_worker(&workers[i]);
    free(workers);
    return code;
}

static int open_all(cli_session *session, const codes_options *options, codes_work *work, gosset_model **model,
                    gosset_dataset **base, gosset_dataset **query, gosset_vectors *queries) {
    gosset_env env = session->env;
    gosset_model_info info = {.struct_size = sizeof info};
    env.threads = 1; /* blocks of vectors are given to threads here */
    gosset_status status = gosset_model_load(model, options->model, &env);
    if (status == GOSSET_OK) status = gosset_model_describe(*model, &info);
    work->lattice_info.struct_size = sizeof work->lattice_info;
    if (status == GOSSET_OK) status = gosset_lattice_describe(info.code_lattice, &work->lattice_info);
    if (status != GOSSET_OK) return session_failed(session, status);
    if (gosset_dataset_open(base, options->base) != GOSSET_OK || gosset_dataset_map(*base, &work->base) != GOSSET_OK ||
        gosset_dataset_open(query, options->query) != GOSSET_OK || gosset_dataset_map(*query, queries) != GOSSET_OK)
        return session_dataset_failed(session);
    if (work->base.dimension != info.input_dimension || queries->dimension != info.input_dimension)
        return session_error(session, "%s and %s: dimensions %u and %u, expected %u as in the model", options->base,
                             options->query, work->base.dimension, queries->dimension, info.input_dimension);
    work->model = *model;
    work->lattice = info.code_lattice;
    work->dimension = info.output_dimension;
    work->query_count = queries->count;
    work->session = session;
    work->cosine = sphere_ideal_cosine(work->dimension, work->lattice_info.bits);
    output_text(&session->output, "model", "model", options->model);
    output_count(&session->output, "code_bytes_per_vector", "code bytes per vector", info.code_bytes);
    return check_truth(session, options, work);
}

static int run(const command *self, int argc, char **argv) {
    codes_options options = {.model = NULL};
    const option_row rows[] = {
        {'m', "model", OPTION_TEXT, &options.model, 1, "FILE", "from 'gosset train'"},
        {'b', "base", OPTION_TEXT, &options.base, 1, "FILE", "vectors to encode"},
        {'q', "query", OPTION_TEXT, &options.query, 1, "FILE", "vectors to search for"},
        {0, "truth", OPTION_TEXT, &options.truth, 1, "FILE", "their exact neighbours ('gosset truth')"},
    };
    int first;
    int code = options_parse(self, rows, sizeof rows / sizeof *rows, &options.common, argc, argv, 0, &first);
    if (code >= 0) return code;
    cli_session session;
    codes_work work = {.model = NULL};
    gosset_model *model = NULL;
    gosset_dataset *base = NULL, *query = NULL;
    gosset_vectors queries;
    session_start(&session, self, &options.common);
    code = open_all(&session, &options, &work, &model, &base, &query, &queries);
    if (code == EXIT_OK) code = measure(&session, &options, &work, &queries);
    code = session_end(&session, code);
    for (int variant = 0; variant < VARIANTS; variant++) free(work.thresholds[variant]);
    free(work.queries);
    free(work.truth);
    gosset_dataset_close(base);
    gosset_dataset_close(query);
    gosset_model_free(model);
    return code;
}

const command command_codes = {
    .name = "codes",
    .summary = "measure the quality of the codes alone, every one compared with every query",
    .operands = "",
    .explanation =
        "Tells the map from the lattice. Three rows: the latents as the map gives them, the same on the lattice (what\n"
        "an index holds), and the same with the noise of an ideal code of so many bits (what no lattice can beat).\n"
        "R@1, R@10, R@100 is the share of queries whose nearest neighbour is among the first 1, 10, 100;\n"
        "recall10@10 the share of the ten nearest found in the first ten; the re-rank depth is how many candidates\n"
        "must be compared exactly to find 90, 95 or 99 % of the ten nearest.",
    .example = "  gosset codes --model photos.model --base base.bvecs --query query.bvecs --truth truth.ivecs",
    .run = run,
};
