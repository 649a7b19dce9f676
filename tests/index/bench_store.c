/*
 * Build rate and page locality, not a test: bench_store ROWS MEMORY_MIB DIRECTORY [vectors.bvecs cells].
 * With a file its vectors are stored, in cells given by their nearest of `cells` rows drawn from it; then it
 * prints how many pages hold the exact k nearest neighbours of some rows.
 */
#include "base/rng.h"
#include "base/status.h"
#include "index/store_internal.h"
#include "kernel/kernel.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { DIMENSION = 128, CODE_SIZE = 32, QUERIES = 200, NEAREST = 20 };

static void must(gosset_status status) {
    if (status == GOSSET_OK) return;
    fprintf(stderr, "%s\n", gosset_last_error());
    exit(1);
}

static const gosset__kernels *kernels;
static uint32_t distance(const uint8_t *a, const uint8_t *b) {
    return kernels->l2_u8(a, b, DIMENSION);
}

static uint8_t *load_vectors(const char *path, size_t count) {
    uint8_t *vectors = malloc(count * DIMENSION);
    FILE *file = fopen(path, "rb");
    for (size_t i = 0; i < count; i++) {
        uint32_t dimension = 0;
        if (file == NULL || fread(&dimension, 4, 1, file) != 1 || dimension != DIMENSION ||
            fread(vectors + i * DIMENSION, DIMENSION, 1, file) != 1) {
            fprintf(stderr, "%s: expected bvecs of at least %zu x %d\n", path, count, DIMENSION);
            exit(1);
        }
    }
    fclose(file);
    return vectors;
}

/* Where each id went, from the pages themselves. */
static uint64_t *page_of_ids(const gosset__store *store) {
    uint64_t *pages = malloc(store->row_count * sizeof *pages);
    uint8_t *page = malloc(store->layout.page_size);
    for (uint64_t i = 0; i < store->page_count; i++) {
        uint32_t shard = 0;
        while (store->shard_first_page[shard + 1] <= i) shard++;
        must(gosset__read_at(store->shards[shard].fd, page, store->layout.page_size,
                             gosset__page_offset(&store->shards[shard].header, i - store->shard_first_page[shard]),
                             "page"));
        must(gosset__store_check_page(store, i, page));
        for (uint32_t j = 0; j < gosset__store_page_records(store, i); j++) {
            uint64_t id;
            memcpy(&id, page + j * store->layout.record_size, 8);
            pages[id] = i;
        }
    }
    free(page);
    return pages;
}

static void print_locality(const gosset__store *store, const uint8_t *vectors, size_t count) {
    uint64_t *pages = page_of_ids(store);
    double mean[NEAREST + 1] = {0};
    for (size_t q = 0; q < QUERIES; q++) {
        size_t query = q * (count / QUERIES), ids[NEAREST] = {0};
        uint32_t best[NEAREST];
        memset(best, 0xff, sizeof best);
        for (size_t i = 0; i < count; i++) {
            uint32_t d = i == query ? UINT32_MAX : distance(vectors + i * DIMENSION, vectors + query * DIMENSION);
            if (d >= best[NEAREST - 1]) continue;
            int at = NEAREST - 1;
            for (; at > 0 && best[at - 1] > d; at--) best[at] = best[at - 1], ids[at] = ids[at - 1];
            best[at] = d;
            ids[at] = i;
        }
        for (int k = 1; k <= NEAREST; k++) {
            int distinct = 0;
            for (int i = 0; i < k; i++) {
                int seen = 0;
                for (int j = 0; j < i; j++) seen |= pages[ids[i]] == pages[ids[j]];
                distinct += !seen;
            }
            mean[k] += (double)distinct / QUERIES;
        }
    }
    printf("pages that hold the true nearest 10: %.2f, 20: %.2f\n", mean[10], mean[20]);
    free(pages);
}

int main(int count, char **arguments) {
    if (count < 4) return fprintf(stderr, "usage: bench_store ROWS MEMORY_MIB DIRECTORY [FILE CELLS]\n"), 1;
    size_t rows = (size_t)atol(arguments[1]), batch = 4096;
    uint32_t cell_count = count > 5 ? (uint32_t)atol(arguments[5]) : 16192;
    uint8_t *vectors = count > 5 ? load_vectors(arguments[4], rows) : malloc(rows * DIMENSION);
    gosset__env env;
    gosset__rng rng = gosset__rng_make(1, 2);
    must(gosset__env_read(&env, NULL));
    must(gosset__kernels_get(&kernels, ""));
    uint32_t *cells = malloc(rows * sizeof *cells);
    if (count <= 5)
        for (size_t i = 0; i < rows * DIMENSION / 8; i++) ((uint64_t *)(void *)vectors)[i] = gosset__rng_next(&rng);
    for (size_t i = 0; i < rows; i++) {
        cells[i] = (uint32_t)gosset__rng_below(&rng, cell_count);
        uint32_t best = UINT32_MAX;
        for (uint32_t c = 0; count > 5 && c < cell_count; c++) {
            uint32_t d = distance(vectors + i * DIMENSION, vectors + c * (rows / cell_count) * DIMENSION);
            if (d < best) best = d, cells[i] = c;
        }
    }
    gosset__store_config config = {
        .layout = {.dimension = DIMENSION, .type = GOSSET_U8, .code_size = CODE_SIZE, .cell_count = cell_count},
        .memory = (uint64_t)atol(arguments[2]) << 20,
        .shard_size = 1 << 30,
        .model = "none",
        .model_size = 4,
        .replace = 1};
    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    double start = gosset__seconds(), added;
    gosset__store_writer *writer = NULL;
    must(gosset__store_writer_create(&writer, arguments[3], &config, &env));
    uint8_t *codes = malloc(batch * CODE_SIZE);
    uint64_t *ids = malloc(batch * sizeof *ids);
    for (size_t i = 0; i < rows; i += batch) {
        size_t part = rows - i < batch ? rows - i : batch;
        for (size_t j = 0; j < part; j++) ids[j] = i + j;
        for (size_t j = 0; j < part * CODE_SIZE; j++) codes[j] = (uint8_t)gosset__rng_next(&rng);
        must(gosset__store_writer_add(writer, part, cells + i, codes, ids, vectors + i * DIMENSION));
    }
    added = gosset__seconds();
    must(gosset__store_writer_finish(writer));
    must(gosset__store_writer_publish(writer, NULL, 0));
    gosset__store_writer_free(writer);
    double end = gosset__seconds();
    getrusage(RUSAGE_SELF, &after);
    printf("%zu rows: add %.2f s, finish %.2f s, %.0f rows/s; resident grew by %ld KiB (budget %s MiB)\n", rows,
           added - start, end - added, (double)rows / (end - start), after.ru_maxrss - before.ru_maxrss, arguments[2]);
    gosset__store *store = NULL;
    must(gosset__store_open(&store, arguments[3], "threads", &env));
    start = gosset__seconds();
    must(gosset__store_verify(arguments[3], &env));
    printf("verify %.2f s of %.0f MB\n", gosset__seconds() - start, (double)store->disk_bytes / 1e6);
    if (count > 5) print_locality(store, vectors, rows);
    gosset__store_close(store);
    free(vectors);
    free(cells);
    free(codes);
    free(ids);
    return 0;
}
