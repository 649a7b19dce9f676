/*
 * Recursive bisection down to pages. A range of rows that spans several pages is cut at the page boundary
 * nearest its middle: rows are ordered along the direction of largest variance (power iteration on a sample),
 * then two rounds of balanced 2-means turn the cut towards the line between the two halves' means.
 * Plain float arithmetic in one fixed order: the same files on every machine.
 */
#include "index/repack.h"
#include "base/bytes.h"
#include "base/half.h"

enum { PIECE_ROWS = 65536, PIECE_BYTES = 8 << 20, SAMPLE = 128, POWER_ROUNDS = 3, MEANS_ROUNDS = 2, LANES = 16 };

size_t gosset__repack_piece(const gosset__layout *layout, size_t row_size) {
    size_t rows = PIECE_BYTES / row_size;
    if (layout->records_per_page == 1) return 1; /* nothing to choose */
    return rows < PIECE_ROWS ? rows : PIECE_ROWS;
}

static size_t scratch_size(const gosset__layout *layout) {
    return 4 * (size_t)gosset__round_up(layout->dimension, LANES) * sizeof(float);
}

size_t gosset__repack_memory(const gosset__layout *layout, size_t row_size, size_t max_rows) {
    return max_rows * (row_size + sizeof(uint32_t) + sizeof(float)) + scratch_size(layout);
}

gosset_status gosset__repacker_open(gosset__repacker *repacker, const gosset__layout *layout, size_t row_size,
                                    size_t max_rows, const gosset__env *env) {
    memset(repacker, 0, sizeof *repacker);
    repacker->env = env;
    repacker->layout = *layout;
    repacker->row_size = row_size;
    repacker->vector_offset = row_size - (layout->record_size - 8);
    repacker->rows = gosset__alloc_array(env, max_rows, row_size);
    repacker->order = gosset__alloc_array(env, max_rows, sizeof *repacker->order);
    repacker->keys = gosset__alloc_array(env, max_rows, sizeof *repacker->keys);
    repacker->scratch = gosset__alloc_zero(env, scratch_size(layout));
    if (repacker->rows == NULL || repacker->order == NULL || repacker->keys == NULL || repacker->scratch == NULL)
        return gosset__no_memory("the rows of a cell", gosset__repack_memory(layout, row_size, max_rows));
    return GOSSET_OK;
}

void gosset__repacker_close(gosset__repacker *repacker) {
    if (repacker->env == NULL) return;
    gosset__free(repacker->env, repacker->rows);
    gosset__free(repacker->env, repacker->order);
    gosset__free(repacker->env, repacker->keys);
    gosset__free(repacker->env, repacker->scratch);
    memset(repacker, 0, sizeof *repacker);
}

/* ---- vectors as floats; scratch rows are padded with zeros to a multiple of LANES ------------- */

static void load(const gosset__repacker *self, uint32_t row, float *out) {
    const uint8_t *vector = self->rows + row * self->row_size + self->vector_offset;
    uint32_t dimension = self->layout.dimension;
    if (self->layout.type == GOSSET_F32)
        memcpy(out, vector, dimension * sizeof(float));
    else if (self->layout.type == GOSSET_F16)
        for (uint32_t i = 0; i < dimension; i++) {
            uint16_t half; /* rows lie at any address */
            memcpy(&half, vector + 2 * (size_t)i, sizeof half);
            out[i] = gosset__float_of_half(half);
        }
    else if (self->layout.type == GOSSET_U8)
        for (uint32_t i = 0; i < dimension; i++) out[i] = (float)vector[i];
    else
        for (uint32_t i = 0; i < dimension; i++) out[i] = (float)(int8_t)vector[i];
}

static float dot(const float *a, const float *b, uint32_t padded) {
    float lanes[LANES] = {0};
    for (uint32_t i = 0; i < padded; i += LANES)
        for (uint32_t j = 0; j < LANES; j++) lanes[j] += a[i + j] * b[i + j];
    for (uint32_t half = LANES / 2; half > 0; half /= 2)
        for (uint32_t j = 0; j < half; j++) lanes[j] += lanes[j + half];
    return lanes[0];
}

static void add_scaled(float *sum, const float *x, float scale, uint32_t padded) {
    for (uint32_t i = 0; i < padded; i++) sum[i] += scale * x[i];
}

/* ---- one cut -------------------------------------------------------------------------------- */

/* Direction of largest variance of a sample of the range, into `direction`. */
static void principal_direction(gosset__repacker *self, const uint32_t *rows, uint32_t count, float *direction) {
    uint32_t padded = (uint32_t)gosset__round_up(self->layout.dimension, LANES);
    float *x = self->scratch, *mean = self->scratch + padded, *next = self->scratch + 2 * (size_t)padded;
    uint32_t step = (count + SAMPLE - 1) / SAMPLE, taken = (count + step - 1) / step;
    float farthest = -1;
    memset(mean, 0, padded * sizeof(float));
    for (uint32_t i = 0; i < count; i += step) {
        load(self, rows[i], x);
        add_scaled(mean, x, 1.0f / (float)taken, padded);
    }
    for (uint32_t i = 0; i < count; i += step) {
        load(self, rows[i], x);
        add_scaled(x, mean, -1, padded);
        float distance = dot(x, x, padded);
        if (distance > farthest) {
            farthest = distance;
            memcpy(direction, x, padded * sizeof(float));
        }
    }
    for (int round = 0; round < POWER_ROUNDS; round++) {
        float length = dot(direction, direction, padded);
        memset(next, 0, padded * sizeof(float));
        if (!(length > 0)) return;
        for (uint32_t i = 0; i < count; i += step) {
            load(self, rows[i], x);
            add_scaled(x, mean, -1, padded);
            add_scaled(next, x, dot(x, direction, padded) / length, padded);
        }
        memcpy(direction, next, padded * sizeof(float));
    }
}

static void mean_difference(gosset__repacker *self, const uint32_t *rows, uint32_t left, uint32_t right,
                            float *direction) {
    uint32_t padded = (uint32_t)gosset__round_up(self->layout.dimension, LANES);
    float *x = self->scratch;
    memset(direction, 0, padded * sizeof(float));
    for (uint32_t i = 0; i < left + right; i++) {
        load(self, rows[i], x);
        add_scaled(direction, x, i < left ? -1.0f / (float)left : 1.0f / (float)right, padded);
    }
}

static void project(gosset__repacker *self, const uint32_t *rows, uint32_t count, const float *direction) {
    uint32_t padded = (uint32_t)gosset__round_up(self->layout.dimension, LANES);
    float *x = self->scratch;
    for (uint32_t i = 0; i < count; i++) {
        load(self, rows[i], x);
        float key = dot(x, direction, padded);
        self->keys[rows[i]] = key == key ? key : 0; /* overflow must not break the order */
    }
}

static int before(const float *keys, uint32_t a, uint32_t b) {
    return keys[a] != keys[b] ? keys[a] < keys[b] : a < b;
}

/* Moves the `left` first rows in key order to the front (Hoare's selection, median of three). */
static void select_left(const float *keys, uint32_t *rows, uint32_t count, uint32_t left) {
    int64_t low = 0, high = (int64_t)count - 1, cut = left;
    while (low < high) {
        uint32_t a = rows[low], b = rows[low + (high - low) / 2], c = rows[high];
        uint32_t pivot = before(keys, a, b) ? (before(keys, b, c)   ? b
                                               : before(keys, a, c) ? c
                                                                    : a)
                                            : (before(keys, a, c)   ? a
                                               : before(keys, b, c) ? c
                                                                    : b);
        int64_t i = low, j = high;
        while (i <= j) {
            while (before(keys, rows[i], pivot)) i++;
            while (before(keys, pivot, rows[j])) j--;
            if (i <= j) {
                uint32_t swap = rows[i];
                rows[i++] = rows[j];
                rows[j--] = swap;
            }
        }
        if (cut <= j)
            high = j;
        else if (cut >= i)
            low = i;
        else
            return;
    }
}

/* Ascending: the order of (code, id), which rows of a page keep among themselves. */
static void sort_leaf(uint32_t *rows, uint32_t count) {
    for (uint32_t i = 1; i < count; i++) {
        uint32_t moving = rows[i], j = i;
        for (; j > 0 && rows[j - 1] > moving; j--) rows[j] = rows[j - 1];
        rows[j] = moving;
    }
}

static void bisect(gosset__repacker *self, uint32_t from, uint32_t to) {
    uint32_t per_page = self->layout.records_per_page, count = to - from, *rows = self->order + from;
    uint64_t first = (self->start + from) / per_page, last = (self->start + to - 1) / per_page;
    uint32_t padded = (uint32_t)gosset__round_up(self->layout.dimension, LANES);
    float *direction = self->scratch + 3 * (size_t)padded;
    if (first == last) {
        sort_leaf(rows, count);
        return;
    }
    uint32_t left = (uint32_t)((first + (last - first + 1) / 2) * per_page - (self->start + from));
    principal_direction(self, rows, count, direction);
    project(self, rows, count, direction);
    select_left(self->keys, rows, count, left);
    for (int round = 0; round < MEANS_ROUNDS; round++) {
        mean_difference(self, rows, left, count - left, direction);
        project(self, rows, count, direction);
        select_left(self->keys, rows, count, left);
    }
    bisect(self, from, from + left);
    bisect(self, from + left, to);
}

void gosset__repacker_run(gosset__repacker *repacker, uint32_t count, uint64_t start) {
    repacker->start = start;
    for (uint32_t i = 0; i < count; i++) repacker->order[i] = i;
    if (count > 1) bisect(repacker, 0, count);
}
