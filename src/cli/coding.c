#include "cli/coding.h"

#include <gosset/gosset.h>

#include <stdlib.h>
#include <string.h>

enum { TOGETHER = 1024, TIMES = 21, ALONE_TIMES = 501, MAP = 0, CELL = 1, ALL = 2, PARTS = 3 };

typedef struct coding {
    const gosset_model *model;
    gosset_model_info info;
    gosset_lattice_info cells;
    int residual;
    float *latents, *features;
    uint8_t *points, *codes;
    uint32_t *found;
    double *times[PARTS];
} coding;

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int allocate(coding *self) {
    int all = 1;
    self->latents = malloc(TOGETHER * self->info.output_dimension * sizeof(float));
    self->features = malloc(TOGETHER * self->info.feature_dimension * sizeof(float));
    self->points = malloc(TOGETHER * (size_t)self->cells.code_size);
    self->codes = malloc(TOGETHER * (size_t)self->info.code_bytes);
    self->found = malloc(TOGETHER * sizeof *self->found);
    for (int part = 0; part < PARTS; part++) {
        self->times[part] = malloc(ALONE_TIMES * sizeof(double));
        all = all && self->times[part];
    }
    return all && self->latents && self->features && self->points && self->codes && self->found;
}

static void release(coding *self) {
    free(self->latents);
    free(self->features);
    free(self->points);
    free(self->codes);
    free(self->found);
    for (int part = 0; part < PARTS; part++) free(self->times[part]);
}

/* Cells are found from the first coordinates of latents. */
static void keep_first(float *rows, size_t count, uint32_t columns, uint32_t kept) {
    for (size_t i = 1; i < count && kept < columns; i++)
        memmove(rows + i * kept, rows + i * columns, kept * sizeof *rows);
}

/* Codes that are lattice points have no features of their own. The others take two calls, so the map is a little less
 * than is said, and the code a little more. */
static gosset_status time_once(coding *self, const gosset_vectors *rows, size_t at) {
    const double scale = 1e6 / (double)rows->count;
    const double started = seconds_now();
    gosset_status status = gosset_model_apply(self->model, GOSSET_BASE, rows, self->latents);
    if (status == GOSSET_OK && self->residual)
        status = gosset_model_features(self->model, GOSSET_BASE, rows, self->features);
    self->times[MAP][at] = scale * (seconds_now() - started);
    if (status != GOSSET_OK) return status;
    keep_first(self->latents, rows->count, self->info.output_dimension, self->cells.dimension);
    const double mapped = seconds_now();
    status = gosset_lattice_encode(self->info.cell_lattice, rows->count, self->latents, self->points);
    const double located = seconds_now();
    if (status == GOSSET_OK) status = gosset_model_encode(self->model, rows, self->found, self->codes);
    self->times[CELL][at] = scale * (located - mapped);
    self->times[ALL][at] = scale * (seconds_now() - located);
    return status;
}

/* Medians; what the whole takes beyond map and cell is the code. */
static void add_row(const coding *self, cli_output *output, size_t rows, size_t times, json_t *array) {
    for (int part = 0; part < PARTS; part++) qsort(self->times[part], times, sizeof(double), by_value);
    const double map = self->times[MAP][times / 2], cell = self->times[CELL][times / 2];
    const double all = self->times[ALL][times / 2], code = all - map - cell;
    char label[32];
    snprintf(label, sizeof label, "%zu a call", rows);
    output_line(output, "%-24s %7.2f %7.2f %7.2f %7.2f", label, map, cell, code, all);
    json_t *row = json_object();
    json_object_set_new(row, "rows_per_call", json_integer((json_int_t)rows));
    json_object_set_new(row, "map_us", json_number(map));
    json_object_set_new(row, "cell_us", json_number(cell));
    json_object_set_new(row, "code_us", json_number(code));
    json_object_set_new(row, "all_us", json_number(all));
    json_array_append_new(array, row);
}

static gosset_status time_rows(coding *self, const gosset_vectors *vectors, size_t rows, size_t times) {
    const size_t packed = vectors->dimension * gosset_type_size(vectors->type), ends = vectors->count - rows + 1;
    const size_t stride = vectors->stride ? vectors->stride : packed;
    gosset_status status = GOSSET_OK;
    for (size_t t = 0; t < times && status == GOSSET_OK; t++) {
        gosset_vectors part = *vectors;
        part.data = (const uint8_t *)vectors->data + t * rows % ends * stride;
        part.count = rows;
        status = interrupted() ? GOSSET_E_CANCELLED : time_once(self, &part, t);
    }
    return status;
}

int coding_report(cli_session *session, const gosset_model *model, const gosset_vectors *vectors, int residual) {
    coding self = {.model = model,
                   .info.struct_size = sizeof self.info,
                   .cells.struct_size = sizeof self.cells,
                   .residual = residual};
    const size_t together = vectors->count < TOGETHER ? vectors->count : TOGETHER;
    if (together == 0) return EXIT_OK;
    gosset_status status = gosset_model_describe(model, &self.info);
    if (status == GOSSET_OK) status = gosset_lattice_describe(self.info.cell_lattice, &self.cells);
    if (status != GOSSET_OK) return session_failed(session, status);
    if (!allocate(&self)) {
        release(&self);
        return session_error(session, "no memory for %d vectors", TOGETHER);
    }
    json_t *array = json_array();
    output_line(&session->output, "\n%-24s %7s %7s %7s %7s", "us a vector, one core", "map", "cell", "code", "all");
    status = time_rows(&self, vectors, together, TIMES);
    if (status == GOSSET_OK) add_row(&self, &session->output, together, TIMES, array);
    if (status == GOSSET_OK) status = time_rows(&self, vectors, 1, ALONE_TIMES);
    if (status == GOSSET_OK) add_row(&self, &session->output, 1, ALONE_TIMES, array);
    output_json(&session->output, "coding", array);
    release(&self);
    return status == GOSSET_OK ? EXIT_OK : session_failed(session, status);
}
