/*
 * gosset codes: how good the codes are on their own, with every code compared to every query.
 *
 * What is wanted for each query is the rank of its ten true neighbours among all base vectors. So the scores of
 * those ten are computed first, then the base streams by in blocks and only counts who scores higher: memory stays
 * that of one block, and the re-rank depth needed for a recall is exact however deep it lies.
 */
#include "cli/coding.h"
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

/* Scores closer than this, relative to the lengths multiplied, are ties decided by the lower row. */
static const float TIE = 1e-6f;

typedef struct codes_options {
    common_options common;
    const char *model, *base, *query, *truth;
} codes_options;

/* Rows to compare are features with -|x|^2 / 2 behind them, queries have 1 there: then the inner product orders as the
 * Euclidean distance does, and one matrix product serves. */
typedef struct codes_work {
    const gosset_model *model;
    gosset_model_info info;
    uint32_t dimension;  /* of features */
    uint32_t columns;    /* dimension + 1 */
    int residual;        /* codes say what a cell's centroid leaves, instead of naming points of the sphere */
    double bits, cosine; /* of an ideal code */
    gosset_vectors base;
    size_t query_count;
    float *queries;              /* query_count x columns */
    float *ties;                 /* of each query */
    uint64_t *truth;             /* query_count x TRUE_COUNT */
    float *thresholds[VARIANTS]; /* scores of the truth */
    atomic_size_t next;
    atomic_int stop;
    cli_session *session; /* of the thread that reports */
} codes_work;

typedef struct codes_worker {
    codes_work *work;
    int reports;
    float *features, *decoded, *centroids; /* BLOCK_ROWS x dimension */
    float *rows;                           /* BLOCK_ROWS x columns: one variant */
    float *scores;                         /* TILE_QUERIES x BLOCK_ROWS */
    uint32_t *cells;
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

/* ---- the three versions of a row -------------------------------------------------------------------------- */

static gosset_status encode_rows(codes_worker *self, const gosset_vectors *vectors) {
    const codes_work *work = self->work;
    gosset_status status = gosset_model_features(work->model, GOSSET_BASE, vectors, self->features);
    if (status == GOSSET_OK) status = gosset_model_encode(work->model, vectors, self->cells, self->codes);
    if (status == GOSSET_OK)
        status = gosset_model_decode(work->model, vectors->count, self->cells, self->codes, self->decoded);
    if (status != GOSSET_OK || !work->residual) return status;
    return gosset_model_decode(work->model, vectors->count, self->cells, NULL, self->centroids);
}

/* What an ideal code would make of a row, seeded by its number: the direction turned, the length that is best then. */
static void make_ideal(const codes_worker *self, size_t i, uint64_t row, float *out) {
    const codes_work *work = self->work;
    const float *features = self->features + i * work->dimension, *centroid = self->centroids + i * work->dimension;
    double square = 0;
    if (!work->residual) {
        sphere_turn(out, work->dimension, work->cosine, row);
        return;
    }
    for (uint32_t j = 0; j < work->dimension; j++) {
        out[j] = features[j] - centroid[j];
        square += (double)out[j] * (double)out[j];
    }
    const double length = sqrt(square);
    for (uint32_t j = 0; j < work->dimension; j++) out[j] = length > 0 ? (float)((double)out[j] / length) : 0;
    sphere_turn(out, work->dimension, work->cosine, row);
    for (uint32_t j = 0; j < work->dimension; j++)
        out[j] = (float)((double)centroid[j] + length * work->cosine * (double)out[j]);
}

/* What a row scores beside its product with a query; of codes by the query stretched, but divided by the stretch. */
static double score_alone(const codes_work *work, int variant, const float *row) {
    const float *shift = variant == LATENTS ? NULL : work->info.query_shift;
    double square = 0, shifted = 0;
    for (uint32_t j = 0; j < work->dimension; j++) square += (double)row[j] * (double)row[j];
    for (uint32_t j = 0; j < work->dimension && shift; j++) shifted += (double)shift[j] * (double)row[j];
    return shift ? (shifted - 0.5 * square) / (double)work->info.query_stretch : -0.5 * square;
}

/* Rows of encode_rows as one variant. `numbers` are those of the base rows; NULL = first, first + 1 ... */
static void make_variant(codes_worker *self, int variant, size_t count, uint64_t first, const uint64_t *numbers) {
    const codes_work *work = self->work;
    const float *source = variant == LATTICE ? self->decoded : self->features;
    for (size_t i = 0; i < count; i++) {
        float *out = self->rows + i * work->columns;
        memcpy(out, source + i * work->dimension, work->dimension * sizeof *out);
        if (variant == IDEAL) make_ideal(self, i, numbers ? numbers[i] : first + i, out);
        out[work->dimension] = (float)score_alone(work, variant, out);
    }
}

static const uint8_t *row_at(const gosset_vectors *vectors, uint64_t row) {
    const size_t packed = vectors->dimension * gosset_type_size(vectors->type);
    return (const uint8_t *)vectors->data + row * (vectors->stride ? vectors->stride : packed);
}

/* Scores of one query's true neighbours, into the thresholds. `packed` holds TRUE_COUNT base rows. */
static gosset_status score_truth(codes_worker *self, size_t query, uint8_t *packed) {
    codes_work *work = self->work;
    const size_t row_size = work->base.dimension * gosset_type_size(work->base.type);
    const uint64_t *truth = work->truth + query * TRUE_COUNT;
    const float *wanted = work->queries + query * work->columns;
    gosset_vectors vectors = work->base;
    vectors.data = packed;
    vectors.count = TRUE_COUNT;
    vectors.stride = 0;
    for (int i = 0; i < TRUE_COUNT; i++) memcpy(packed + i * row_size, row_at(&work->base, truth[i]), row_size);
    const gosset_status status = encode_rows(self, &vectors);
    for (int variant = 0; variant < VARIANTS && status == GOSSET_OK; variant++) {
        make_variant(self, variant, TRUE_COUNT, 0, truth);
        for (size_t i = 0; i < TRUE_COUNT; i++) {
            const float *row = self->rows + i * work->columns;
            double sum = 0, lengths = 0;
            for (uint32_t j = 0; j < work->columns; j++) {
                sum += (double)wanted[j] * (double)row[j];
                lengths += fabs((double)wanted[j] * (double)row[j]);
            }
            work->thresholds[variant][query * TRUE_COUNT + i] = (float)sum;
            work->ties[query] = fmaxf(work->ties[query], TIE * (float)lengths);
        }
    }
    return status;
}

/* ---- counting --------------------------------------------------------------------------------------------- */

typedef struct query_state {
    const float *thresholds; /* TRUE_COUNT */
    const uint64_t *truth;
    float tie;
    uint32_t *ranks;
} query_state;

static void count_one(const query_state *query, float score, uint64_t row) {
    for (int i = 0; i < TRUE_COUNT; i++) {
        if (row == query->truth[i]) continue;
        const int tie = fabsf(score - query->thresholds[i]) <= query->tie;
        query->ranks[i] += tie ? row < query->truth[i] : score > query->thresholds[i];
    }
}

/* Nearly all scores are below all ten thresholds: look at 64 at a time whether any is not. */
static void count_row(const query_state *query, const float *scores, size_t count, uint64_t first) {
    enum { CHUNK = 64 };
    float lowest = query->thresholds[0];
    for (int i = 1; i < TRUE_COUNT; i++) lowest = fminf(lowest, query->thresholds[i]);
    lowest -= query->tie;
    for (size_t start = 0; start < count; start += CHUNK) {
        const size_t length = count - start < CHUNK ? count - start : CHUNK;
        int any = 0;
        for (size_t i = 0; i < length; i++) any += scores[start + i] >= lowest;
        for (size_t i = 0; i < length && any > 0; i++) {
            if (scores[start + i] < lowest) continue;
            count_one(query, scores[start + i], first + start + i);
            any--;
        }
    }
}

static void count_block(codes_worker *self, int variant, size_t count, uint64_t first) {
    const codes_work *work = self->work;
    const int columns = (int)work->columns;
    uint32_t *ranks = self->ranks + (size_t)variant * work->query_count * TRUE_COUNT;
    for (size_t query = 0; query < work->query_count; query += TILE_QUERIES) {
        const size_t left = work->query_count - query;
        const int tile = left < TILE_QUERIES ? (int)left : TILE_QUERIES;
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, tile, (int)count, columns, 1.0f,
                    work->queries + query * work->columns, columns, self->rows, columns, 0.0f, self->scores,
                    BLOCK_ROWS);
        for (size_t i = 0; i < (size_t)tile; i++) {
            const size_t slot = (query + i) * TRUE_COUNT;
            const query_state state = {work->thresholds[variant] + slot, work->truth + slot, work->ties[query + i],
                                       ranks + slot};
            count_row(&state, self->scores + i * BLOCK_ROWS, count, first);
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
        const gosset_status status = encode_rows(self, &block);
        if (status != GOSSET_OK) return status;
        for (int variant = 0; variant < VARIANTS; variant++) {
            make_variant(self, variant, block.count, first, NULL);
            count_block(self, variant, block.count, first);
        }
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
    const size_t features = (size_t)BLOCK_ROWS * work->dimension * sizeof(float);
    self->work = work;
    self->features = malloc(features);
    self->decoded = malloc(features);
    self->centroids = malloc(features);
    self->rows = malloc((size_t)BLOCK_ROWS * work->columns * sizeof *self->rows);
    self->scores = malloc((size_t)BLOCK_ROWS * TILE_QUERIES * sizeof *self->scores);
    self->cells = malloc(BLOCK_ROWS * sizeof *self->cells);
    self->codes = malloc((size_t)BLOCK_ROWS * work->info.code_bytes);
    self->ranks = calloc(work->query_count * TRUE_COUNT * VARIANTS, sizeof *self->ranks);
    return self->features && self->decoded && self->centroids && self->rows && self->scores && self->cells &&
           self->codes && self->ranks;
}

static void free_worker(codes_worker *self) {
    free(self->features);
    free(self->decoded);
    free(self->centroids);
    free(self->rows);
    free(self->scores);
    free(self->cells);
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
    static const char *const labels[VARIANTS] = {"not quantised", "with the codes", "with ideal codes"};
    output_text(output, "code_kind", "codes are", work->residual ? "residuals" : "lattice points");
    output_count(output, "feature_dimension", "in dimensions", work->dimension);
    output_real(output, "code_bits", "bits of a code", work->bits, "%.2f");
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

static gosset_status map_queries(codes_work *work, const gosset_vectors *queries) {
    const gosset_status status = gosset_model_features(work->model, GOSSET_QUERY, queries, work->queries);
    /* They come tight and need a column more: from the last to the first, nothing is overwritten too early. */
    for (size_t i = queries->count; i-- > 0 && status == GOSSET_OK;) {
        memmove(work->queries + i * work->columns, work->queries + i * work->dimension,
                work->dimension * sizeof *work->queries);
        work->queries[i * work->columns + work->dimension] = 1;
    }
    return status;
}

static int prepare(cli_session *session, codes_work *work, const gosset_vectors *queries, codes_worker *scratch) {
    const size_t row_size = work->base.dimension * gosset_type_size(work->base.type);
    uint8_t *packed = malloc(TRUE_COUNT * row_size);
    work->queries = malloc(work->query_count * work->columns * sizeof *work->queries);
    work->ties = calloc(work->query_count, sizeof *work->ties);
    int allocated = packed && work->queries && work->ties;
    for (int variant = 0; variant < VARIANTS; variant++) {
        work->thresholds[variant] = malloc(work->query_count * TRUE_COUNT * sizeof(float));
        allocated = allocated && work->thresholds[variant];
    }
    gosset_status status = allocated ? map_queries(work, queries) : GOSSET_E_NO_MEMORY;
    for (size_t query = 0; query < work->query_count && status == GOSSET_OK; query++)
        status = interrupted() ? GOSSET_E_CANCELLED : score_truth(scratch, query, packed);
    free(packed);
    if (!allocated) return session_error(session, "no memory for %zu queries", work->query_count);
    return status == GOSSET_OK ? EXIT_OK : session_failed(session, status);
}

static int measure(cli_session *session, const codes_options *options, codes_work *work,
                   const gosset_vectors *queries) {
    const double started = seconds_now();
    const uint32_t asked = thread_count(&options->common);
    const uint32_t count = asked > 0 ? asked : cpu_count();
    if (queries->count == 0) return EXIT_OK;
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

/* Codes that are lattice points approximate the latents themselves; then the features of a row are its latent. */
static gosset_status find_kind(codes_work *work) {
    gosset_lattice_info lattice = {.struct_size = sizeof lattice};
    const size_t size = work->info.output_dimension * sizeof(float), other = work->dimension * sizeof(float);
    float *latent = malloc(size), *features = malloc(other);
    gosset_vectors row = work->base;
    row.count = 1;
    gosset_status status = latent && features ? GOSSET_OK : GOSSET_E_NO_MEMORY;
    if (status == GOSSET_OK) status = gosset_model_apply(work->model, GOSSET_BASE, &row, latent);
    if (status == GOSSET_OK) status = gosset_model_features(work->model, GOSSET_BASE, &row, features);
    if (status == GOSSET_OK) status = gosset_lattice_describe(work->info.code_lattice, &lattice);
    if (status == GOSSET_OK) {
        work->residual = size != other || memcmp(latent, features, size) != 0;
        work->bits = work->residual ? 8.0 * work->info.code_bytes : lattice.bits;
        work->cosine = sphere_ideal_cosine(work->dimension, work->bits);
    }
    free(latent);
    free(features);
    return status;
}

static int open_all(cli_session *session, const codes_options *options, codes_work *work, gosset_model **model,
                    gosset_dataset **base, gosset_dataset **query, gosset_vectors *queries) {
    gosset_env env = session->env;
    env.threads = 1; /* blocks of vectors are given to threads here */
    work->info.struct_size = sizeof work->info;
    gosset_status status = gosset_model_load(model, options->model, &env);
    if (status == GOSSET_OK) status = gosset_model_describe(*model, &work->info);
    if (status != GOSSET_OK) return session_failed(session, status);
    if (gosset_dataset_open(base, options->base) != GOSSET_OK || gosset_dataset_map(*base, &work->base) != GOSSET_OK)
        return session_dataset_failed(session);
    *queries = (gosset_vectors){.dimension = work->info.input_dimension};
    if (options->query &&
        (gosset_dataset_open(query, options->query) != GOSSET_OK || gosset_dataset_map(*query, queries) != GOSSET_OK))
        return session_dataset_failed(session);
    if (work->base.dimension != work->info.input_dimension || queries->dimension != work->info.input_dimension)
        return session_error(session, "%s and %s: dimensions %u and %u, expected %u as in the model", options->base,
                             options->query ? options->query : "no queries", work->base.dimension, queries->dimension,
                             work->info.input_dimension);
    work->model = *model;
    work->dimension = work->info.feature_dimension;
    work->columns = work->dimension + 1;
    work->query_count = queries->count;
    work->session = session;
    status = find_kind(work);
    if (status != GOSSET_OK) return session_failed(session, status);
    output_text(&session->output, "model", "model", options->model);
    output_count(&session->output, "code_bytes_per_vector", "code bytes per vector", work->info.code_bytes);
    return options->query ? check_truth(session, options, work) : EXIT_OK;
}

static int run(const command *self, int argc, char **argv) {
    codes_options options = {.model = NULL};
    const option_row rows[] = {
        {'m', "model", OPTION_TEXT, &options.model, 1, "FILE", "from 'gosset train'"},
        {'b', "base", OPTION_TEXT, &options.base, 1, "FILE", "vectors to encode"},
        {'q', "query", OPTION_TEXT, &options.query, 0, "FILE", "vectors to search for"},
        {0, "truth", OPTION_TEXT, &options.truth, 0, "FILE", "their exact neighbours ('gosset truth')"},
    };
    int first;
    int code = options_parse(self, rows, sizeof rows / sizeof *rows, &options.common, argc, argv, 0, &first);
    if (code >= 0) return code;
    if (!options.query != !options.truth) return usage_error(self, "--query and --truth go together");
    cli_session session;
    codes_work work = {.model = NULL};
    gosset_model *model = NULL;
    gosset_dataset *base = NULL, *query = NULL;
    gosset_vectors queries;
    session_start(&session, self, &options.common);
    code = open_all(&session, &options, &work, &model, &base, &query, &queries);
    if (code == EXIT_OK) code = measure(&session, &options, &work, &queries);
    if (code == EXIT_OK) code = coding_report(&session, model, &work.base, work.residual);
    code = session_end(&session, code);
    for (int variant = 0; variant < VARIANTS; variant++) free(work.thresholds[variant]);
    free(work.queries);
    free(work.ties);
    free(work.truth);
    gosset_dataset_close(base);
    gosset_dataset_close(query);
    gosset_model_free(model);
    return code;
}

const command command_codes = {
    .name = "codes",
    .summary = "measure the quality of the codes alone, every one compared with every query, and what coding takes",
    .operands = "",
    .explanation =
        "Tells the map from the codes. Three rows: what the codes approximate, not quantised; the codes as an index "
        "holds\n"
        "them; and the noise of an ideal code of as many bits, which no lattice can beat.\n"
        "R@1, R@10, R@100 is the share of queries whose nearest neighbour is among the first 1, 10, 100;\n"
        "recall10@10 the share of the ten nearest found in the first ten; the re-rank depth is how many candidates\n"
        "must be compared exactly to find 90, 95 or 99 % of the ten nearest.\n"
        "Then the microseconds that map, nearest cell and code of a vector take on one core, the last with the choice\n"
        "among near cells: medians, 1,024 vectors a call and one. Without --query and --truth that is all.",
    .example = "  gosset codes --model photos.model --base base.bvecs --query query.bvecs --truth truth.ivecs",
    .run = run,
};
