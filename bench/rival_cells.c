/* The cells: Gosset's lattice points, and FAISS's k-means with as many lists, learnt from the same vectors. */
#include "cells.h"
#include "faiss_api.h"
#include "rival.h"

#include <faiss/c_api/IndexIVF_c.h>
#include <gosset/gosset.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SLICE = 1 << 15, QUERY_SLICE = 64 };

static const double levels[BENCH_CELL_LEVELS] = {0.80, 0.90, 0.95, 0.99};

typedef struct cells_run {
    const bench_data *data;
    const bench_plan *plan;
    const char *model; /* file; NULL = FAISS */
    bench_cells *cells;
} cells_run;

/* One query: what its best cells hold of the truth. */
static void count_query(const cells_run *run, cell_counter *counter, const uint32_t *cell_of_row, size_t query,
                        const uint32_t *order) {
    const int32_t *truth = run->data->truth + query * run->data->truth_k;
    uint32_t true_cells[CELLS_TRUE];
    for (int i = 0; i < CELLS_TRUE; i++) true_cells[i] = cell_of_row[truth[i]];
    cells_query(counter, order, true_cells);
}

/* Probes 1, 2, 3, 4, 6, 8, 12 ...: two points for each doubling. */
static void take(bench_cells *cells, const cell_counter *counter) {
    cells->used = cells_used(counter);
    cells->largest = cells_largest(counter);
    cells->imbalance = cells_imbalance(counter);
    for (int i = 0; i < BENCH_CELL_LEVELS; i++) {
        cells->probe_for[i] = cells_for(counter, levels[i]);
        cells->scanned_for[i] = cells_at(counter, cells->probe_for[i]).scanned;
    }
    for (uint32_t power = 1; power <= cells->count && cells->point_count + 2 <= BENCH_CELL_POINTS; power *= 2) {
        const uint32_t probes[2] = {power, power + power / 2};
        for (int i = 0; i < (power > 1 ? 2 : 1); i++) {
            if (probes[i] > cells->count) break;
            const cells_reach reach = cells_at(counter, probes[i]);
            cells->points[cells->point_count++] = (bench_cell_point){probes[i], reach.recall, reach.scanned};
        }
    }
}

/* ---- Gosset ------------------------------------------------------------------------------- */

static void check(bench_results *results, gosset_status status) {
    if (status == GOSSET_OK) return;
    snprintf(results->note, sizeof results->note, "Gosset: %.200s", gosset_last_error());
    fflush(NULL);
    _exit(1);
}

/* The points of all cells; a cell's number is its point's. */
static float *decode_points(const gosset_lattice *lattice, const gosset_lattice_info *info, uint32_t count,
                            bench_results *results) {
    uint8_t *codes = bench_memory((size_t)count * info->code_size);
    float *points = bench_memory((size_t)count * info->dimension * sizeof *points);
    for (uint32_t cell = 0; cell < count; cell++)
        for (uint32_t i = 0; i < info->code_size; i++)
            codes[(size_t)cell * info->code_size + i] = i < 4 ? (uint8_t)(cell >> 8 * i) : 0;
    check(results, gosset_lattice_decode(lattice, count, codes, points));
    free(codes);
    return points;
}

typedef struct scored_cell {
    float score;
    uint32_t cell;
} scored_cell;

static int by_score(const void *a, const void *b) {
    const scored_cell *x = a, *y = b;
    if (x->score != y->score) return x->score < y->score ? 1 : -1;
    return x->cell < y->cell ? -1 : 1;
}

/* Best first by inner product with the query's latent, as the index visits them; lattices use its first numbers. */
static void count_gosset(const cells_run *run, const gosset_model *model, const gosset_model_info *info,
                         const uint32_t *cell_of_row, cell_counter *counter, bench_results *results) {
    gosset_lattice_info lattice = {.struct_size = sizeof lattice};
    check(results, gosset_lattice_describe(info->cell_lattice, &lattice));
    const uint32_t count = run->cells->count, dimension = lattice.dimension;
    const size_t queries = run->data->query.count;
    float *points = decode_points(info->cell_lattice, &lattice, count, results);
    float *latents = bench_memory(queries * info->output_dimension * sizeof *latents);
    scored_cell *scored = bench_memory(count * sizeof *scored);
    uint32_t *order = bench_memory(count * sizeof *order);
    check(results, gosset_model_apply(model, GOSSET_QUERY, &run->data->query, latents));
    for (size_t query = 0; query < queries; query++) {
        for (uint32_t cell = 0; cell < count; cell++) {
            float score = 0;
            for (uint32_t i = 0; i < dimension; i++)
                score += latents[query * info->output_dimension + i] * points[(size_t)cell * dimension + i];
            scored[cell] = (scored_cell){score, cell};
        }
        qsort(scored, count, sizeof *scored, by_score);
        for (uint32_t cell = 0; cell < count; cell++) order[cell] = scored[cell].cell;
        count_query(run, counter, cell_of_row, query, order);
    }
    free(points);
    free(latents);
    free(scored);
    free(order);
}

static uint32_t describe(const gosset_model *model, gosset_model_info *info, bench_cells *cells,
                         bench_results *results) {
    gosset_lattice_info lattice = {.struct_size = sizeof lattice};
    check(results, gosset_model_describe(model, info));
    check(results, gosset_lattice_describe(info->cell_lattice, &lattice));
    snprintf(cells->setting, sizeof cells->setting, "%.50s", lattice.spec);
    cells->train_seconds = info->train_seconds;
    return (uint32_t)strtoul(lattice.point_count, NULL, 10);
}

static void run_gosset(void *context, bench_results *results) {
    const cells_run *run = context;
    const bench_data *data = run->data;
    const gosset_env env = {.struct_size = sizeof env, .threads = run->plan->threads[run->plan->thread_count - 1]};
    gosset_model_info info = {.struct_size = sizeof info};
    gosset_model *model = NULL;
    check(results, gosset_model_load(&model, run->model, &env));
    run->cells->count = describe(model, &info, run->cells, results);
    uint32_t *cell_of_row = bench_memory(data->base.count * sizeof *cell_of_row);
    uint8_t *codes = bench_memory(data->base.count * info.code_bytes);
    check(results, gosset_model_encode(model, &data->base, cell_of_row, codes));
    free(codes);
    cell_counter *counter = cells_create(cell_of_row, data->base.count, run->cells->count);
    count_gosset(run, model, &info, cell_of_row, counter, results);
    take(run->cells, counter);
    cells_free(counter);
    free(cell_of_row);
    gosset_model_free(model);
}

/* ---- FAISS -------------------------------------------------------------------------------- */

static uint32_t *assign(const bench_data *data, const FaissIndex *quantizer, bench_results *results) {
    uint32_t *cell_of_row = bench_memory(data->base.count * sizeof *cell_of_row);
    float *distances = bench_memory(SLICE * sizeof *distances);
    int64_t *lists = bench_memory(SLICE * sizeof *lists);
    for (size_t first = 0; first < data->base.count; first += SLICE) {
        const size_t left = data->base.count - first, count = left < SLICE ? left : SLICE;
        float *rows = bench_floats(data, &data->base, first, count);
        bench_faiss_try(results, "assign", faiss_Index_search(quantizer, (idx_t)count, rows, 1, distances, lists));
        for (size_t i = 0; i < count; i++) cell_of_row[first + i] = (uint32_t)lists[i];
        free(rows);
    }
    free(distances);
    free(lists);
    return cell_of_row;
}

static void count_faiss(const cells_run *run, const FaissIndex *quantizer, const uint32_t *cell_of_row,
                        cell_counter *counter, bench_results *results) {
    const uint32_t count = run->cells->count;
    const bench_data *data = run->data;
    float *distances = bench_memory((size_t)QUERY_SLICE * count * sizeof *distances);
    int64_t *lists = bench_memory((size_t)QUERY_SLICE * count * sizeof *lists);
    uint32_t *order = bench_memory(count * sizeof *order);
    for (size_t first = 0; first < data->query.count; first += QUERY_SLICE) {
        const size_t left = data->query.count - first, queries = left < QUERY_SLICE ? left : QUERY_SLICE;
        float *rows = bench_floats(data, &data->query, first, queries);
        bench_faiss_try(results, "order",
                        faiss_Index_search(quantizer, (idx_t)queries, rows, (idx_t)count, distances, lists));
        for (size_t query = 0; query < queries; query++) {
            for (uint32_t i = 0; i < count; i++) order[i] = (uint32_t)lists[query * count + i];
            count_query(run, counter, cell_of_row, first + query, order);
        }
        free(rows);
    }
    free(distances);
    free(lists);
    free(order);
}

static void run_faiss(void *context, bench_results *results) {
    const cells_run *run = context;
    const bench_data *data = run->data;
    const size_t limit = run->plan->learn_limit;
    const size_t learn_count = limit && limit < data->learn.count ? limit : data->learn.count;
    FaissIndex *index = NULL;
    bench_faiss_threads(run->plan->threads[run->plan->thread_count - 1], 1);
    bench_faiss_try(results, "create",
                    faiss_index_factory(&index, (int)data->base.dimension, run->cells->setting,
                                        data->metric == GOSSET_IP ? METRIC_INNER_PRODUCT : METRIC_L2));
    float *learn = bench_floats(data, &data->learn, 0, learn_count);
    const double started = bench_seconds();
    bench_faiss_try(results, "train", faiss_Index_train(index, (idx_t)learn_count, learn));
    run->cells->train_seconds = bench_seconds() - started;
    free(learn);
    const FaissIndex *quantizer = faiss_IndexIVF_quantizer(faiss_IndexIVF_cast(index));
    uint32_t *cell_of_row = assign(data, quantizer, results);
    cell_counter *counter = cells_create(cell_of_row, data->base.count, run->cells->count);
    count_faiss(run, quantizer, cell_of_row, counter, results);
    take(run->cells, counter);
    cells_free(counter);
    free(cell_of_row);
    faiss_Index_free(index);
}

void bench_run_cells(const bench_data *data, const bench_plan *plan, const char *models, bench_results *results) {
    char model[4096];
    cells_run run = {data, plan, NULL, NULL};
    uint32_t lists[BENCH_MAX_SIZES], list_count = plan->list_count;
    memcpy(lists, plan->lists, sizeof lists);
    if (data->truth_k < CELLS_TRUE) bench_fail("the ground truth has fewer than %d neighbours a query", CELLS_TRUE);
    for (const char *at = models; at && *at; at += strcspn(at, ","), at += *at == ',') {
        snprintf(model, sizeof model, "%.*s", (int)strcspn(at, ","), at);
        run.model = model;
        run.cells = bench_add_cells(results, "Gosset");
        bench_isolated("Gosset", run_gosset, &run, plan->limit_seconds, results);
        /* FAISS gets as many lists as the models have cells, unless told. */
        int seen = plan->list_count > 0 || list_count == BENCH_MAX_SIZES || run.cells->count == 0;
        for (uint32_t i = 0; i < list_count; i++) seen |= lists[i] == run.cells->count;
        if (!seen) lists[list_count++] = run.cells->count;
    }
    for (uint32_t i = 0; i < list_count; i++) {
        run.cells = bench_add_cells(results, "FAISS k-means");
        run.cells->count = lists[i];
        snprintf(run.cells->setting, sizeof run.cells->setting, "IVF%u,Flat", lists[i]);
        bench_isolated(run.cells->setting, run_faiss, &run, plan->limit_seconds, results);
    }
}
