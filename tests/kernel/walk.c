/* Every kernel of a level against the specification, bit for bit, over sizes that meet every tail. */
#include "kernel/kernel_test.h"

#include <check.h>
#include <math.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static const uint32_t long_dimensions[] = {95, 96, 97, 100, 127, 128, 129, 200, 255, 256, 257, 384, 960, 1024, 4096};
enum { SHORT_DIMENSIONS = 81 }; /* 0 .. 80 */

static uint32_t dimension_at(size_t i) {
    return i < SHORT_DIMENSIONS ? (uint32_t)i : long_dimensions[i - SHORT_DIMENSIONS];
}
static size_t dimension_count(void) {
    return SHORT_DIMENSIONS + COUNT_OF(long_dimensions);
}

/* Alternates between data that ends at a forbidden page and data that is aligned to nothing. */
static size_t slack_of(size_t trial, size_t element) {
    return trial % 2 ? element * (1 + trial % 7) : 0;
}

static void compare(const void *found, const void *expected, size_t size, const char *kernel, const char *level,
                    const char *shape) {
    if (memcmp(found, expected, size) == 0) return;
    size_t at = 0;
    while (((const char *)found)[at] == ((const char *)expected)[at]) at++;
    ck_abort_msg("%s, level %s, %s: differs from the specification at byte %zu", kernel, level, shape, at);
}

/* ---- codes ---------------------------------------------------------------------------------- */

static size_t scan_once(const gosset__kernels *level, const gosset__kernels *reference, uint32_t dimension,
                        size_t block_count, int query_kind, int code_kind) {
    gosset__rng rng = gosset__rng_make(dimension, block_count);
    char shape[96];
    snprintf(shape, sizeof shape, "%zu blocks of dimension %u, query %d, codes %d", block_count, dimension, query_kind,
             code_kind);
    size_t size = block_count * GOSSET__SCAN_BLOCK * dimension / 2;
    guarded blocks = guarded_make(size, slack_of(block_count + dimension / 8, 1));
    guarded query = guarded_make(dimension, slack_of(block_count, 1));
    guarded found = guarded_make(block_count * 64, slack_of(dimension / 8, 4));
    guarded expected = guarded_make(block_count * 64, 0);
    fill_bytes(&rng, blocks.data, size, code_kind);
    fill_bytes(&rng, query.data, dimension, query_kind);
    level->scan_nibble(blocks.data, block_count, dimension, query.data, found.data);
    reference->scan_nibble(blocks.data, block_count, dimension, query.data, expected.data);
    compare(found.data, expected.data, block_count * 64, "scan_nibble", level->name, shape);
    guarded_free(&blocks);
    guarded_free(&query);
    guarded_free(&found);
    guarded_free(&expected);
    return 1;
}

static size_t walk_scan_nibble(const gosset__kernels *level, const gosset__kernels *reference) {
    static const uint32_t dimensions[] = {8, 16, 24, 32, 40, 48, 56, 64, 72, 96, 128, 256, 1024};
    static const size_t counts[] = {0, 1, 2, 3, 4, 5, 7, 8, 9, 33};
    size_t done = 0;
    for (size_t d = 0; d < COUNT_OF(dimensions); d++) {
        for (size_t c = 0; c < COUNT_OF(counts); c++)
            done += scan_once(level, reference, dimensions[d], counts[c], 0, 0);
        for (int query_kind = 1; query_kind < BYTE_KINDS; query_kind++)
            for (int code_kind = 0; code_kind < BYTE_KINDS; code_kind++)
                done += scan_once(level, reference, dimensions[d], 5, query_kind, code_kind);
    }
    return done;
}

static void add_totals(gosset__windows *code) {
    for (uint32_t k = 0, i = 0, end = 0; k < 3; k++) {
        code->totals[k] = 0;
        for (end += (8u << k) * code->words[k]; i < end; i++) code->totals[k] += code->weights[i];
    }
}

static gosset__windows windows_of(uint32_t nibble_words, uint32_t crumb_words, uint32_t bit_words) {
    gosset__windows code = {.words = {nibble_words, crumb_words, bit_words}, .steps = {0.05f, 0.11f, 0.07f}};
    for (int g = 0; g < 16; g++) {
        code.gains[g] = 0.01f * (float)(g + 1);
        for (int k = 0; k < 3; k++) {
            code.newer[k][g] = (uint8_t)((7 * g + 5 * k) % (k == 0 ? 22 : 10));
            code.older[k][g] = (uint8_t)((11 * g + 3 * k) % (k == 0 ? 11 : 7));
        }
    }
    for (uint32_t i = 0; i < GOSSET__WINDOWS_MAX_PLACES; i++) {
        code.weights[i] = i == 0 ? 0 : (uint8_t)(1 + 11 * i % 16);
        code.roots[i] = sqrtf(code.weights[i]);
    }
    add_totals(&code);
    code.gains[13] = 0; /* the centroid itself, and gains whose scores leave the range */
    code.gains[14] = 1e30f;
    code.gains[15] = NAN;
    return code;
}

/* Every class alone and together: windows that reach into the word before meet all three kinds of it. */
static size_t windows_once(const gosset__kernels *level, const gosset__kernels *reference, const uint32_t words[3],
                           size_t block_count, int query_kind) {
    gosset__rng rng = gosset__rng_make(289 * words[0] + 17 * words[1] + words[2], block_count);
    gosset__windows code = windows_of(words[0], words[1], words[2]);
    const uint32_t places = gosset__windows_places(&code);
    if (query_kind == 1) { /* the largest sums there are */
        memset(code.newer[0], 31, sizeof code.newer[0]);
        memset(code.newer[1], 15, 2 * sizeof code.newer[1]);
        memset(code.older, 0, sizeof code.older);
        memset(code.weights, 16, sizeof code.weights);
        add_totals(&code);
    }
    const size_t size = block_count * 64 * (words[0] + words[1] + words[2]);
    char shape[96];
    snprintf(shape, sizeof shape, "%zu blocks of %u + %u + %u words, query %d", block_count, words[0], words[1],
             words[2], query_kind);
    guarded blocks = guarded_make(size, slack_of(block_count, 1));
    guarded values = guarded_make(places, 0);
    guarded found = guarded_make(block_count * 64, slack_of(words[1], 4));
    guarded expected = guarded_make(block_count * 64, 0);
    fill_bytes(&rng, blocks.data, size, 0);
    fill_bytes(&rng, values.data, places, query_kind);
    gosset__window_query query = {.values = values.data, .scale = 1e-4f, .square = 0.25f};
    query.values[0] = 0;
    for (uint32_t k = 0, i = 0, end = 0; k < 3; k++)
        for (end += (8u << k) * words[k]; i < end; i++) query.sums[k] += query.values[i];
    level->scan_windows(blocks.data, block_count, &code, &query, found.data);
    reference->scan_windows(blocks.data, block_count, &code, &query, expected.data);
    compare(found.data, expected.data, block_count * 64, "scan_windows", level->name, shape);
    guarded_free(&blocks);
    guarded_free(&values);
    guarded_free(&found);
    guarded_free(&expected);
    return 1;
}

static size_t walk_scan_windows(const gosset__kernels *level, const gosset__kernels *reference) {
    size_t done = 0;
    for (uint32_t n = 1; n < 6; n++)
        for (uint32_t c = 0; c < 5; c++)
            for (uint32_t b = 0; b < 4; b++)
                for (int kind = 0; kind < BYTE_KINDS; kind++)
                    done += windows_once(level, reference, (uint32_t[]){n, c, b}, 1 + (n + c + b) % 5, kind);
    return done;
}

static uint32_t swapped(uint32_t byte, int runs) { /* the bits, or the halves, the other way round */
    uint32_t other = 0;
    for (int b = 0; b < 8; b++) other |= (byte >> b & 1) << (runs == 4 ? b ^ 4 : 7 - b);
    return other;
}

/* What the search reads, as kernel.h says it. */
static void add_levels(gosset__windows *code) {
    for (uint32_t k = 0; k < 3; k++)
        for (uint32_t w = 0; w < 256; w++) {
            const int32_t level = gosset__window_level(code, k, w);
            code->levels[k][swapped(w, 1)] = code->across[k][swapped(swapped(w, 1), 4)] = (float)level;
            code->indices[k][swapped(w, 1)] = (level + gosset__window_top(k)) / 2;
        }
}

/* Errors of every size, all equal, and so many ties that only the order of windows decides. */
enum { ERROR_KINDS = 5 };
static size_t find_windows_once(const gosset__kernels *level, const gosset__kernels *reference, const uint32_t words[3],
                                int kind) {
    gosset__rng rng = gosset__rng_make(289 * words[0] + 17 * words[1] + words[2], (uint64_t)kind);
    gosset__windows code = windows_of(words[0], words[1], words[2]);
    const uint32_t places = gosset__windows_places(&code), start = (uint32_t)kind * 3;
    char shape[96];
    snprintf(shape, sizeof shape, "%u + %u + %u words, errors %d", words[0], words[1], words[2], kind);
    add_levels(&code);
    guarded values = guarded_make(places * sizeof(float), 0), weights = guarded_make(places * sizeof(float), 0);
    guarded found = guarded_make(places, 0), expected = guarded_make(places, 0);
    float *x = values.data, *weight = weights.data, sums[2];
    for (uint32_t i = 0; i < places; i++) {
        const float normal = gosset__rng_normal(&rng);
        x[i] = kind == 0 ? 9 * normal : kind == 1 ? 1e12f * normal : kind == 2 ? rintf(4 * normal) : 0;
        weight[i] = kind == 0 ? 0.1f * (float)(1 + i % 7) : kind == 4 ? 0 : 1;
    }
    memset(found.data, 0xEE, places);
    sums[0] = level->find_windows(&code, x, weight, start, found.data);
    sums[1] = reference->find_windows(&code, x, weight, start, expected.data);
    compare(found.data, expected.data, places, "find_windows", level->name, shape);
    compare(&sums[0], &sums[1], sizeof sums[0], "find_windows", level->name, shape);
    guarded_free(&values);
    guarded_free(&weights);
    guarded_free(&found);
    guarded_free(&expected);
    return 1;
}

static size_t walk_find_windows(const gosset__kernels *level, const gosset__kernels *reference) {
    size_t done = 0;
    for (int kind = 0; kind < ERROR_KINDS; kind++) {
        for (uint32_t n = 1; n < 5; n++)
            for (uint32_t c = 0; c < 4; c++)
                for (uint32_t b = 0; b < 4; b++)
                    done += find_windows_once(level, reference, (uint32_t[]){n, c, b}, kind);
        done += find_windows_once(level, reference, (uint32_t[]){2, 1, 15}, kind); /* as many places as there can be */
        done += find_windows_once(level, reference, (uint32_t[]){64, 0, 0}, kind);
    }
    return done;
}

/* Several queries of a cell: what scan_windows of the specification says of each. */
static size_t many_once(const gosset__kernels *level, const gosset__kernels *reference, const uint32_t words[3],
                        size_t block_count, uint32_t count) {
    gosset__rng rng = gosset__rng_make(289 * words[0] + 17 * words[1] + words[2], count);
    const gosset__windows code = windows_of(words[0], words[1], words[2]);
    const uint32_t places = gosset__windows_places(&code);
    const size_t size = block_count * 64 * (words[0] + words[1] + words[2]), stride = block_count * 16 + count % 3;
    char shape[96];
    snprintf(shape, sizeof shape, "%zu blocks of %u + %u + %u words, %u queries", block_count, words[0], words[1],
             words[2], count);
    guarded blocks = guarded_make(size, slack_of(block_count, 1));
    guarded values = guarded_make((size_t)count * places, 0);
    guarded found = guarded_make(((count - 1) * stride + block_count * 16) * 4, slack_of(count, 4));
    guarded expected = guarded_make(block_count * 64, 0);
    gosset__window_query queries[GOSSET__SCAN_MANY] = {{0}};
    fill_bytes(&rng, blocks.data, size, 0);
    fill_bytes(&rng, values.data, (size_t)count * places, 0);
    for (uint32_t q = 0; q < count; q++) {
        queries[q].values = (int8_t *)values.data + (size_t)q * places;
        queries[q].values[0] = 0;
        queries[q].scale = 1e-4f * (float)(q + 1);
        queries[q].square = 0.25f * (float)q;
        for (uint32_t k = 0, i = 0, end = 0; k < 3; k++)
            for (end += (8u << k) * words[k]; i < end; i++) queries[q].sums[k] += queries[q].values[i];
    }
    level->scan_windows_many(blocks.data, block_count, &code, queries, count, found.data, stride);
    for (uint32_t q = 0; q < count; q++) {
        reference->scan_windows(blocks.data, block_count, &code, &queries[q], expected.data);
        compare((int32_t *)found.data + q * stride, expected.data, block_count * 64, "scan_windows_many", level->name,
                shape);
    }
    guarded_free(&blocks);
    guarded_free(&values);
    guarded_free(&found);
    guarded_free(&expected);
    return 1;
}

static size_t walk_scan_windows_many(const gosset__kernels *level, const gosset__kernels *reference) {
    size_t done = 0;
    for (uint32_t n = 1; n < 4; n++)
        for (uint32_t c = 0; c < 4; c++)
            for (uint32_t b = 0; b < 3; b++)
                for (uint32_t count = 1; count <= GOSSET__SCAN_MANY && level->scan_windows_many != NULL; count++)
                    done += many_once(level, reference, (uint32_t[]){n, c, b}, 1 + (n + c + b) % 4, count);
    return done;
}

static size_t window_query_once(const gosset__kernels *level, const gosset__kernels *reference, const uint32_t words[3],
                                uint32_t extra, float size) {
    gosset__rng rng = gosset__rng_make(31 * words[0] + 7 * words[1] + words[2], extra);
    const gosset__windows code = windows_of(words[0], words[1], words[2]);
    const uint32_t places = gosset__windows_places(&code), features = places + extra;
    char shape[96];
    snprintf(shape, sizeof shape, "%u + %u + %u words, %u features, size %g", words[0], words[1], words[2], features,
             (double)size);
    guarded query = guarded_make(features * sizeof(float), 4);
    guarded centroid = guarded_make(features * sizeof(float), 0);
    guarded found = guarded_make(places, 0), expected = guarded_make(places, 0);
    for (uint32_t i = 0; i < features; i++) {
        ((float *)query.data)[i] = size * gosset__rng_normal(&rng);
        ((float *)centroid.data)[i] = size == 0 ? 0 : gosset__rng_normal(&rng);
    }
    gosset__window_query a = {.values = found.data}, b = {.values = expected.data};
    level->window_query(query.data, centroid.data, features, &code, &a);
    reference->window_query(query.data, centroid.data, features, &code, &b);
    compare(found.data, expected.data, places, "window_query values", level->name, shape);
    compare(a.sums, b.sums, sizeof a.sums, "window_query sums", level->name, shape);
    compare(&a.scale, &b.scale, sizeof a.scale, "window_query scale", level->name, shape);
    compare(&a.square, &b.square, sizeof a.square, "window_query square", level->name, shape);
    guarded_free(&query);
    guarded_free(&centroid);
    guarded_free(&found);
    guarded_free(&expected);
    return 1;
}

static size_t walk_window_query(const gosset__kernels *level, const gosset__kernels *reference) {
    const float sizes[] = {1, 0, 1e-20f, 100};
    size_t done = 0;
    for (uint32_t n = 1; n < 4; n++)
        for (uint32_t c = 0; c < 3; c++)
            for (uint32_t b = 0; b < 3; b++)
                for (uint32_t extra = 0; extra < 20; extra += 3)
                    for (size_t s = 0; s < COUNT_OF(sizes); s++)
                        done += window_query_once(level, reference, (uint32_t[]){n, c, b}, extra, sizes[s]);
    return done;
}

static size_t select_once(const gosset__kernels *level, const gosset__kernels *reference, size_t count,
                          int32_t threshold) {
    gosset__rng rng = gosset__rng_make(count, 77);
    char shape[64];
    snprintf(shape, sizeof shape, "%zu scores above %d", count, (int)threshold);
    guarded scores = guarded_make(count * 4, slack_of(count, 4));
    guarded found = guarded_make(count * 4, slack_of(count / 2, 4));
    guarded expected = guarded_make(count * 4, 0);
    int32_t *values = scores.data;
    for (size_t i = 0; i < count; i++) values[i] = (int32_t)gosset__rng_below(&rng, 201) - 100;
    if (count > 3) values[count / 2] = INT32_MIN, values[count / 3] = INT32_MAX;
    size_t found_count = level->select_above(values, count, threshold, found.data);
    size_t expected_count = reference->select_above(values, count, threshold, expected.data);
    ck_assert_uint_eq(found_count, expected_count);
    compare(found.data, expected.data, expected_count * 4, "select_above", level->name, shape);
    for (size_t i = found_count * 4; i < count * 4; i++) /* nothing is written behind what was found */
        ck_assert_uint_eq(((unsigned char *)found.data)[i], 0xC3);
    guarded_free(&scores);
    guarded_free(&found);
    guarded_free(&expected);
    return 1;
}

static size_t walk_select_above(const gosset__kernels *level, const gosset__kernels *reference) {
    static const int32_t thresholds[] = {INT32_MIN, -101, -50, 0, 50, 95, 99, 100, INT32_MAX};
    size_t done = 0;
    for (size_t t = 0; t < COUNT_OF(thresholds); t++) {
        for (size_t count = 0; count <= 70; count++) done += select_once(level, reference, count, thresholds[t]);
        done += select_once(level, reference, 1000, thresholds[t]);
    }
    return done;
}

/* ---- network -------------------------------------------------------------------------------- */

static size_t dense_once(const gosset__kernels *level, const gosset__kernels *reference, size_t rows, uint32_t in,
                         uint32_t out, int relu) {
    gosset__rng rng = gosset__rng_make(rows * 1000 + in, out);
    char shape[96];
    snprintf(shape, sizeof shape, "%zu rows, %u to %u, relu %d", rows, in, out, relu);
    guarded x = guarded_make(rows * in * 4, slack_of(rows + in, 4));
    guarded w = guarded_make((size_t)in * out * 4, 0); /* a multiple of 64 bytes: rows are aligned */
    guarded bias = guarded_make((size_t)out * 4, 0);
    guarded found = guarded_make(rows * out * 4, slack_of(rows + out / 16, 4));
    guarded expected = guarded_make(rows * out * 4, 0);
    fill_floats(&rng, x.data, rows * in);
    fill_floats(&rng, w.data, (size_t)in * out);
    fill_floats(&rng, bias.data, out);
    level->dense(x.data, rows, in, out, w.data, bias.data, relu, found.data);
    reference->dense(x.data, rows, in, out, w.data, bias.data, relu, expected.data);
    compare(found.data, expected.data, rows * out * 4, "dense", level->name, shape);
    guarded_free(&x);
    guarded_free(&w);
    guarded_free(&bias);
    guarded_free(&found);
    guarded_free(&expected);
    return 1;
}

static size_t walk_dense(const gosset__kernels *level, const gosset__kernels *reference) {
    static const size_t rows[] = {0, 1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 16, 17, 23, 24, 31};
    static const uint32_t ins[] = {0, 1, 7, 24, 65}, outs[] = {16, 32, 48, 64, 80, 112, 128, 144, 272};
    size_t done = 0;
    for (size_t r = 0; r < COUNT_OF(rows); r++)
        for (size_t i = 0; i < COUNT_OF(ins); i++)
            for (size_t o = 0; o < COUNT_OF(outs); o++)
                done += dense_once(level, reference, rows[r], ins[i], outs[o], (int)(done % 2));
    static const uint32_t large[] = {255, 256, 257, 512, 513, 1100}; /* around any block of inputs */
    for (size_t i = 0; i < COUNT_OF(large); i++) {
        done += dense_once(level, reference, 29, large[i], 48, 1);
        done += dense_once(level, reference, 1, large[i], 528, 0);
    }
    done += dense_once(level, reference, 200, 33, 48, 1); /* around any block of rows */
    return done;
}

static size_t turn_once(const gosset__kernels *level, const gosset__kernels *reference, uint32_t size, int byte_kind,
                        int plane_kind) {
    gosset__rng rng = gosset__rng_make(size, (uint64_t)byte_kind);
    char shape[64];
    snprintf(shape, sizeof shape, "size %u, bytes %d, planes %d", size, byte_kind, plane_kind);
    guarded matrix = guarded_make((size_t)size * size, 0), offsets = guarded_make(size * 4, 0);
    guarded steps = guarded_make(size * 4, 0), planes = guarded_make(2 * size, 0);
    guarded found = guarded_make(size * 4, slack_of(size / 16, 4)), expected = guarded_make(size * 4, 0);
    int8_t *bytes = matrix.data;
    int32_t *sums = offsets.data;
    uint8_t *bits = planes.data;
    fill_bytes(&rng, bytes, (size_t)size * size, byte_kind);
    fill_bytes(&rng, bits, 2 * size, plane_kind);
    fill_floats(&rng, steps.data, size);
    memset(sums, 0, size * 4);
    for (uint32_t i = 0; i < 2 * size; i++) bits[i] &= 127;
    for (uint32_t i = 0; i < size * size; i++) {
        if (bytes[i] == -128) bytes[i] = -127;
        sums[i % (4 * size) / 4] += GOSSET__FIXED_ZERO * bytes[i];
    }
    const gosset__fixed x = {.high = bits, .low = bits + size, .unit = 0.37f};
    const gosset__turning by = {.size = size, .matrix = bytes, .offsets = sums, .steps = steps.data};
    level->turn(&x, &by, found.data);
    reference->turn(&x, &by, expected.data);
    compare(found.data, expected.data, size * 4, "turn", level->name, shape);
    guarded_free(&matrix);
    guarded_free(&offsets);
    guarded_free(&steps);
    guarded_free(&planes);
    guarded_free(&found);
    guarded_free(&expected);
    return 1;
}

static size_t walk_turn(const gosset__kernels *level, const gosset__kernels *reference) {
    size_t done = 0;
    for (uint32_t size = 16; size <= GOSSET__TURNING_MAX; size += 16)
        for (int bytes = 0; bytes < BYTE_KINDS; bytes++)
            for (int planes = 0; planes < BYTE_KINDS; planes++)
                done += turn_once(level, reference, size, bytes, planes);
    return done;
}

/* ---- distances ------------------------------------------------------------------------------ */

static size_t walk_dot_rows(const gosset__kernels *level, const gosset__kernels *reference) {
    size_t done = 0;
    for (size_t d = 0; d < dimension_count(); d++)
        for (size_t count = 0; count <= 9; count++) {
            uint32_t dimension = dimension_at(d);
            gosset__rng rng = gosset__rng_make(dimension, count);
            char shape[64];
            snprintf(shape, sizeof shape, "%zu rows of dimension %u", count, dimension);
            guarded query = guarded_make((size_t)dimension * 4, slack_of(count, 4));
            guarded rows = guarded_make(count * dimension * 4, slack_of(dimension + count, 4));
            guarded found = guarded_make(count * 4, slack_of(dimension, 4)), expected = guarded_make(count * 4, 0);
            fill_floats(&rng, query.data, dimension);
            fill_floats(&rng, rows.data, count * dimension);
            level->dot_rows(query.data, rows.data, count, dimension, found.data);
            reference->dot_rows(query.data, rows.data, count, dimension, expected.data);
            compare(found.data, expected.data, count * 4, "dot_rows", level->name, shape);
            guarded_free(&query);
            guarded_free(&rows);
            guarded_free(&found);
            guarded_free(&expected);
            done++;
        }
    return done;
}

typedef enum pair_kernel { L2_F32, DOT_F32, L2_U8, DOT_U8, L2_I8, DOT_I8, L2_F16, DOT_F16, PAIR_KERNELS } pair_kernel;
static const char *const pair_names[PAIR_KERNELS] = {"l2_f32", "dot_f32", "l2_u8",  "dot_u8",
                                                     "l2_i8",  "dot_i8",  "l2_f16", "dot_f16"};

static uint32_t bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    return bits;
}

static uint32_t call_pair(const gosset__kernels *level, pair_kernel kernel, const void *a, const void *b, uint32_t n) {
    switch (kernel) {
    case L2_F32:
        return bits_of(level->l2_f32(a, b, n));
    case DOT_F32:
        return bits_of(level->dot_f32(a, b, n));
    case L2_U8:
        return level->l2_u8(a, b, n);
    case DOT_U8:
        return level->dot_u8(a, b, n);
    case L2_I8:
        return level->l2_i8(a, b, n);
    case DOT_I8:
        return (uint32_t)level->dot_i8(a, b, n);
    case L2_F16:
        return bits_of(level->l2_f16(a, b, n));
    case DOT_F16:
        return bits_of(level->dot_f16(a, b, n));
    case PAIR_KERNELS:
        break;
    }
    ck_abort_msg("no such kernel");
}

/* Halves of every kind but infinity and NaN, which no record holds. */
static void fill_halves(gosset__rng *rng, uint16_t *data, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const uint32_t kind = (uint32_t)gosset__rng_below(rng, 8), bits = (uint32_t)gosset__rng_below(rng, 1u << 16);
        const uint32_t mask = kind == 0 ? 0x83ffu : kind == 1 ? 0x8000u : 0xffffu; /* subnormal, zero, any */
        data[i] = (uint16_t)(bits & mask);
        if ((data[i] & 0x7c00u) == 0x7c00u) data[i] ^= 0x4000u;
    }
}

static size_t element_size(pair_kernel kernel, int second) {
    if (kernel == L2_F32 || kernel == DOT_F32) return 4;
    if (kernel == L2_F16 || kernel == DOT_F16) return second ? 2 : 4;
    return 1;
}

static void fill_elements(gosset__rng *rng, void *data, size_t element, uint32_t dimension, int kind) {
    if (element == 4)
        fill_floats(rng, data, dimension);
    else if (element == 2)
        fill_halves(rng, data, dimension);
    else
        fill_bytes(rng, data, dimension, kind);
}

static size_t pair_once(const gosset__kernels *level, const gosset__kernels *reference, pair_kernel kernel,
                        uint32_t dimension, int a_kind, int b_kind) {
    const size_t a_element = element_size(kernel, 0), b_element = element_size(kernel, 1);
    gosset__rng rng = gosset__rng_make(dimension, (uint64_t)kernel);
    guarded a = guarded_make(dimension * a_element, slack_of(dimension, a_element)),
            b = guarded_make(dimension * b_element, slack_of(dimension / 2, b_element));
    fill_elements(&rng, a.data, a_element, dimension, a_kind);
    fill_elements(&rng, b.data, b_element, dimension, b_kind);
    uint32_t found = call_pair(level, kernel, a.data, b.data, dimension);
    uint32_t expected = call_pair(reference, kernel, a.data, b.data, dimension);
    ck_assert_msg(found == expected, "%s, level %s, dimension %u, bytes %d and %d: expected bits %08x, found %08x",
                  pair_names[kernel], level->name, dimension, a_kind, b_kind, expected, found);
    guarded_free(&a);
    guarded_free(&b);
    return 1;
}

static size_t walk_widen(const gosset__kernels *level, const gosset__kernels *reference) {
    size_t done = 0;
    for (size_t d = 0; d < dimension_count(); d++, done++) {
        const uint32_t count = dimension_at(d);
        gosset__rng rng = gosset__rng_make(count, 9);
        char shape[32];
        snprintf(shape, sizeof shape, "%u halves", count);
        guarded halves = guarded_make(count * 2, slack_of(count, 2));
        guarded found = guarded_make(count * 4, slack_of(count, 4)), expected = guarded_make(count * 4, 0);
        fill_halves(&rng, halves.data, count);
        level->widen_f16(halves.data, count, found.data);
        reference->widen_f16(halves.data, count, expected.data);
        compare(found.data, expected.data, count * 4, "widen_f16", level->name, shape);
        guarded_free(&halves);
        guarded_free(&found);
        guarded_free(&expected);
    }
    return done;
}

static size_t walk_pair(const gosset__kernels *level, const gosset__kernels *reference, pair_kernel kernel) {
    size_t done = 0;
    for (size_t d = 0; d < dimension_count(); d++) done += pair_once(level, reference, kernel, dimension_at(d), 0, 0);
    if (element_size(kernel, 0) == 4) return done;
    for (int a_kind = 1; a_kind < BYTE_KINDS; a_kind++) /* the largest sums of either sign */
        for (int b_kind = 0; b_kind < BYTE_KINDS; b_kind++)
            for (uint32_t dimension = 61; dimension <= 4096; dimension += 807)
                done += pair_once(level, reference, kernel, dimension, a_kind, b_kind);
    return done;
}

const char *const kernel_names[KERNEL_COUNT] = {
    "scan_nibble",       "scan_windows", "window_query", "select_above", "dense",  "turn",   "dot_rows", "l2_f32",
    "dot_f32",           "l2_u8",        "dot_u8",       "l2_i8",        "dot_i8", "l2_f16", "dot_f16",  "widen_f16",
    "scan_windows_many", "find_windows"};

size_t walk_kernel(int index, const gosset__kernels *level, const gosset__kernels *reference) {
    switch (index) {
    case 0:
        return walk_scan_nibble(level, reference);
    case 1:
        return walk_scan_windows(level, reference);
    case 2:
        return walk_window_query(level, reference);
    case 3:
        return walk_select_above(level, reference);
    case 4:
        return walk_dense(level, reference);
    case 5:
        return walk_turn(level, reference);
    case 6:
        return walk_dot_rows(level, reference);
    case 15:
        return walk_widen(level, reference);
    case 16:
        return walk_scan_windows_many(level, reference);
    case 17:
        return walk_find_windows(level, reference);
    default:
        return walk_pair(level, reference, (pair_kernel)(index - 7));
    }
}
