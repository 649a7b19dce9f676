/* What a kernel costs: the best of several repetitions, so that a busy neighbour does not count. */
#include "base/env.h"
#include "kernel/kernel_test.h"

#include <stdlib.h>
#include <string.h>

enum { REPETITIONS = 9 };
static const double REPETITION_SECONDS = 0.01;

/* Everything the measured calls read and write. */
typedef struct bench_data {
    _Alignas(64) float x[256 * 512], w[512 * 512], bias[512], y[256 * 512];
    _Alignas(64) uint8_t bytes[1 << 20]; /* codes of 32 bytes: fits L2 */
    int8_t query[128];
    int32_t scores[1 << 16];
    uint32_t positions[1 << 16];
} bench_data;

typedef struct bench_case {
    const char *name;
    void (*call)(const gosset__kernels *kernels, bench_data *data);
    const char *item;
    double items;      /* per call */
    double operations; /* floating-point, per call; 0 = not counted */
    double bytes;      /* read, per call; 0 = not counted */
} bench_case;

static volatile uint64_t sink; /* keeps results alive */

static void scan_64(const gosset__kernels *k, bench_data *d) {
    k->scan_nibble(d->bytes, 2048, 64, d->query, d->scores);
}
static void scan_64_l1(const gosset__kernels *k, bench_data *d) {
    k->scan_nibble(d->bytes, 32, 64, d->query, d->scores);
}
static void scan_windows_of(const gosset__kernels *k, bench_data *d, const uint32_t words[3]) {
    gosset__windows code = {.words = {words[0], words[1], words[2]}, .steps = {1e-3f, 1e-3f, 1e-3f}};
    memset(code.newer, 3, sizeof code.newer);
    memset(code.older, 4, sizeof code.older);
    memset(code.weights, 5, sizeof code.weights);
    const gosset__window_query query = {.values = d->query, .scale = 1e-4f, .square = 1};
    k->scan_windows(d->bytes, 2048, &code, &query, d->scores);
}
static void scan_windows_16(const gosset__kernels *k, bench_data *d) {
    scan_windows_of(k, d, (uint32_t[]){2, 1, 1});
}
static void scan_windows_32(const gosset__kernels *k, bench_data *d) {
    scan_windows_of(k, d, (uint32_t[]){5, 3, 0});
}
static void scan_windows_8_queries(const gosset__kernels *k, bench_data *d) {
    const gosset__windows code = {.words = {5, 3, 0}, .steps = {1e-3f, 1e-3f, 1e-3f}};
    gosset__window_query queries[GOSSET__SCAN_MANY];
    for (int q = 0; q < GOSSET__SCAN_MANY; q++)
        queries[q] = (gosset__window_query){.values = d->query, .scale = 1e-4f, .square = 1};
    if (k->scan_windows_many != NULL) {
        k->scan_windows_many(d->bytes, 32, &code, queries, GOSSET__SCAN_MANY, d->scores, 512);
        return;
    }
    for (int q = 0; q < GOSSET__SCAN_MANY; q++) k->scan_windows(d->bytes, 32, &code, &queries[q], d->scores + 512 * q);
}
static gosset__windows levels_of(const uint32_t words[3]) {
    gosset__windows code = {.words = {words[0], words[1], words[2]}};
    for (int w = 0; w < 256; w++)
        for (int c = 0; c < GOSSET__WINDOW_CLASSES; c++) {
            const int32_t index = 7 * w & 15, level = 2 * index - gosset__window_top((uint32_t)c);
            code.indices[c][w] = index;
            code.levels[c][w] = code.across[c][w % 16 * 16 + w / 16] = (float)level;
        }
    return code;
}
static void find_windows_of(const gosset__kernels *k, bench_data *d, const uint32_t words[3]) {
    const gosset__windows code = levels_of(words);
    for (int i = 0; i < 100; i++) k->find_windows(&code, d->x, d->w, 5, d->bytes);
}
static void find_windows_16(const gosset__kernels *k, bench_data *d) {
    find_windows_of(k, d, (uint32_t[]){2, 1, 1});
}
static void find_windows_32(const gosset__kernels *k, bench_data *d) {
    find_windows_of(k, d, (uint32_t[]){5, 3, 0});
}
static void scan_32(const gosset__kernels *k, bench_data *d) {
    k->scan_nibble(d->bytes, 4096, 32, d->query, d->scores);
}
static void select_few(const gosset__kernels *k, bench_data *d) {
    sink += k->select_above(d->scores, 1 << 15, INT32_MAX - 1, d->positions);
}
static void dense_rows(const gosset__kernels *k, bench_data *d, size_t rows, uint32_t in, uint32_t out) {
    k->dense(d->x, rows, in, out, d->w, d->bias, 1, d->y);
}
static void dense_256(const gosset__kernels *k, bench_data *d) {
    dense_rows(k, d, 256, 512, 512);
}
static void dense_64(const gosset__kernels *k, bench_data *d) {
    dense_rows(k, d, 64, 128, 512);
}
static void dense_64_narrow(const gosset__kernels *k, bench_data *d) {
    dense_rows(k, d, 64, 512, 64);
}
static void dense_64_square(const gosset__kernels *k, bench_data *d) {
    dense_rows(k, d, 64, 256, 256);
}
static void dense_1(const gosset__kernels *k, bench_data *d) {
    dense_rows(k, d, 1, 512, 512);
}
static void dense_1_small(const gosset__kernels *k, bench_data *d) {
    dense_rows(k, d, 1, 128, 256);
}
static void turn_128(const gosset__kernels *k, bench_data *d) {
    const gosset__fixed x = {.high = d->bytes + (1 << 19), .low = d->bytes + (1 << 19) + 128, .unit = 1};
    const gosset__turning by = {128, (const int8_t *)d->bytes, d->scores, d->bias};
    k->turn(&x, &by, d->y);
}
static void rows_128(const gosset__kernels *k, bench_data *d) {
    k->dot_rows(d->x, d->w, 512, 128, d->y);
}
static void rows_24(const gosset__kernels *k, bench_data *d) {
    k->dot_rows(d->x, d->w, 512, 24, d->y);
}

/* 30 records of 128 elements, as a page holds them. */
#define PAIRS(name, kernel, field, type)                                                                               \
    static void name(const gosset__kernels *k, bench_data *d) {                                                        \
        for (int i = 1; i <= 30; i++)                                                                                  \
            sink += (uint64_t)k->kernel((const type *)(const void *)d->field,                                          \
                                        (const type *)(const void *)d->field + 128 * i, 128);                          \
    }
PAIRS(pair_l2_f32, l2_f32, x, float)
PAIRS(pair_dot_f32, dot_f32, x, float)
static void pair_l2_f16(const gosset__kernels *k, bench_data *d) {
    for (int i = 1; i <= 30; i++)
        sink += (uint64_t)k->l2_f16(d->x, (const uint16_t *)(const void *)d->bytes + 128 * i, 128);
}
PAIRS(pair_l2_u8, l2_u8, bytes, uint8_t)
PAIRS(pair_dot_u8, dot_u8, bytes, uint8_t)
PAIRS(pair_l2_i8, l2_i8, bytes, int8_t)
PAIRS(pair_dot_i8, dot_i8, bytes, int8_t)

#define DENSE(rows, in, out) "row", (rows), 2.0 * (rows) * (in) * (out), 4.0 * (in) * (out)
static const bench_case cases[] = {
    {"scan_nibble 64 dims, L2", scan_64, "code", 32768, 0, 32768 * 32.0},
    {"scan_nibble 64 dims, L1", scan_64_l1, "code", 512, 0, 512 * 32.0},
    {"scan_windows 16 bytes, L2", scan_windows_16, "code", 32768, 0, 32768 * 16.0},
    {"scan_windows 32 bytes, L2", scan_windows_32, "code", 32768, 0, 32768 * 32.0},
    {"... for 8 queries, L1", scan_windows_8_queries, "pair", 8 * 512, 0, 512 * 32.0},
    {"find_windows 16 bytes", find_windows_16, "code", 100, 0, 0},
    {"find_windows 32 bytes", find_windows_32, "code", 100, 0, 0},
    {"scan_nibble 32 dims, L2", scan_32, "code", 65536, 0, 65536 * 16.0},
    {"select_above, none found", select_few, "score", 1 << 15, 0, 4.0 * (1 << 15)},
    {"dense 256 rows, 512x512", dense_256, DENSE(256, 512, 512)},
    {"dense 64 rows, 128x512", dense_64, DENSE(64, 128, 512)},
    {"dense 64 rows, 256x256", dense_64_square, DENSE(64, 256, 256)},
    {"dense 64 rows, 512x64", dense_64_narrow, DENSE(64, 512, 64)},
    {"dense 1 row, 512x512", dense_1, DENSE(1, 512, 512)},
    {"dense 1 row, 128x256", dense_1_small, DENSE(1, 128, 256)},
    {"turn 128", turn_128, "row", 1, 2.0 * 128 * 128, 128.0 * 128},
    {"dot_rows 128 dims", rows_128, "row", 512, 512 * 256.0, 512 * 512.0},
    {"dot_rows 24 dims", rows_24, "row", 512, 512 * 48.0, 512 * 96.0},
    {"l2_f32 128 dims", pair_l2_f32, "pair", 30, 30 * 384.0, 30 * 512.0},
    {"dot_f32 128 dims", pair_dot_f32, "pair", 30, 30 * 256.0, 30 * 512.0},
    {"l2_f16 128 dims", pair_l2_f16, "pair", 30, 30 * 384.0, 30 * 384.0},
    {"l2_u8 128 dims", pair_l2_u8, "pair", 30, 0, 30 * 128.0},
    {"dot_u8 128 dims", pair_dot_u8, "pair", 30, 0, 30 * 128.0},
    {"l2_i8 128 dims", pair_l2_i8, "pair", 30, 0, 30 * 128.0},
    {"dot_i8 128 dims", pair_dot_i8, "pair", 30, 0, 30 * 128.0},
};

/* Seconds of one call. */
static double measure(const bench_case *bench, const gosset__kernels *kernels, bench_data *data) {
    double best = 1e30;
    size_t calls = 1;
    for (int repetition = 0; repetition < REPETITIONS;) {
        double start = gosset__seconds();
        for (size_t i = 0; i < calls; i++) bench->call(kernels, data);
        double seconds = gosset__seconds() - start;
        if (seconds < REPETITION_SECONDS / 2 && calls < 1u << 24) {
            calls *= 2;
            continue;
        }
        if (seconds / (double)calls < best) best = seconds / (double)calls;
        repetition++;
    }
    return best;
}

/* What the scan of codes that lie in memory can reach: bytes a second that one thread reads in order. */
static void measure_memory(FILE *out) {
    const size_t size = (size_t)256 << 20;
    uint64_t *memory = aligned_alloc(64, size);
    double best = 1e30;
    if (!memory) return;
    memset(memory, 1, size);
    for (int repetition = 0; repetition < REPETITIONS; repetition++) {
        uint64_t sum = 0;
        const double start = gosset__seconds();
        for (size_t i = 0; i < size / sizeof *memory; i++) sum += memory[i];
        const double seconds = gosset__seconds() - start;
        sink += sum;
        if (seconds < best) best = seconds;
    }
    fprintf(out, "%-26s %-10s %8s %5s %10s %10.2f\n", "256 MiB read in order", "", "", "", "",
            1e-9 * (double)size / best);
    free(memory);
}

int bench_kernels(FILE *out) {
    bench_data *data = aligned_alloc(64, sizeof *data);
    if (!data) return EXIT_FAILURE;
    memset(data, 0, sizeof *data);
    gosset__rng rng = gosset__rng_make(8, 9);
    for (size_t i = 0; i < sizeof data->x / 4; i++) data->x[i] = gosset__rng_normal(&rng);
    for (size_t i = 0; i < sizeof data->w / 4; i++) data->w[i] = 0.04f * gosset__rng_normal(&rng);
    fill_bytes(&rng, data->bytes, sizeof data->bytes, 0);
    fill_bytes(&rng, data->query, sizeof data->query, 0);
    fprintf(out, "%-26s %-10s %12s %12s %10s\n", "kernel", "level", "ns/item", "GFLOP/s", "GB/s read");
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++)
        for (uint32_t i = 0; gosset__kernels_level(i); i++) {
            const bench_case *bench = &cases[c];
            double seconds = measure(bench, gosset__kernels_level(i), data);
            fprintf(out, "%-26s %-10s %8.3f/%-5s %10.2f %10.2f\n", bench->name, gosset__kernels_level(i)->name,
                    1e9 * seconds / bench->items, bench->item, 1e-9 * bench->operations / seconds,
                    1e-9 * bench->bytes / seconds);
        }
    measure_memory(out);
    free(data);
    return EXIT_SUCCESS;
}
