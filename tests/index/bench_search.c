/*
 * What a query costs without the network: bench_search [rows [directory [backend]]]. Random latents, so pages are
 * hardly shared and the batch is as large as the number of candidates; the index has cells zn:24:3 and 32-byte codes.
 */
#include "base/rng.h"
#include "index/search.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { DIMENSION = 128, LATENT = 64, CODE = 32, QUERIES = 600, BATCH = 4096 };

typedef struct bench {
    gosset__env env;
    gosset_lattice *cell_lattice, *code_lattice;
    gosset__codec *codec;
    const gosset__kernels *kernels;
    gosset__store *store;
    float *latents;   /* QUERIES */
    uint8_t *vectors; /* QUERIES */
} bench;

static void must(gosset_status status) {
    if (status == GOSSET_OK) return;
    fprintf(stderr, "%s\n", gosset_last_error());
    exit(EXIT_FAILURE);
}

static void random_rows(gosset__rng *rng, size_t count, float *latents, uint8_t *vectors) {
    for (size_t i = 0; i < count * LATENT; i++) latents[i] = gosset__rng_normal(rng);
    for (size_t i = 0; i < count * DIMENSION; i++) vectors[i] = (uint8_t)gosset__rng_below(rng, 256);
}

static void build(bench *self, const char *directory, size_t rows) {
    gosset__rng rng = gosset__rng_make(1, 1);
    float *latents = malloc(sizeof(float) * BATCH * LATENT);
    uint8_t *vectors = malloc(BATCH * DIMENSION), *codes = malloc(BATCH * CODE);
    uint32_t *cells = malloc(sizeof(uint32_t) * BATCH);
    uint64_t *ids = malloc(sizeof(uint64_t) * BATCH);
    gosset__store_writer *writer = NULL;
    gosset__store_config config = {.layout = {.dimension = DIMENSION,
                                              .type = GOSSET_U8,
                                              .code_size = CODE,
                                              .cell_count = gosset__codec_cell_count(self->codec)},
                                   .memory = 512 << 20,
                                   .shard_size = 1 << 30,
                                   .model = "",
                                   .model_size = 1,
                                   .replace = 1};
    must(gosset__layout_derive(&config.layout));
    must(gosset__store_writer_create(&writer, directory, &config, &self->env));
    for (size_t first = 0; first < rows; first += BATCH) {
        const size_t count = rows - first < BATCH ? rows - first : BATCH;
        random_rows(&rng, count, latents, vectors);
        gosset__codec_encode(self->codec, count, latents, cells, codes);
        for (size_t i = 0; i < count; i++) ids[i] = first + i;
        must(gosset__store_writer_add(writer, count, cells, codes, ids, vectors));
    }
    must(gosset__store_writer_finish(writer));
    must(gosset__store_writer_publish(writer, NULL, 0));
    gosset__store_writer_free(writer);
    free(latents), free(vectors), free(codes), free(cells), free(ids);
}

static void block(const void *context, const uint8_t *codes, size_t count, uint8_t *out) {
    gosset__codec_block(context, codes, count, out);
}

static double cpu_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(bench *self, gosset__search *search, const char *io, uint32_t probe, uint32_t rerank) {
    static double waits[QUERIES], scans[QUERIES], totals[QUERIES];
    gosset__search_stats sum = {0};
    uint64_t ids[10];
    float distances[10];
    double cpu = 0;
    gosset__search_count(search, &sum);
    for (int q = -50; q < QUERIES; q++) { /* the first ones warm up */
        const size_t i = (size_t)(q < 0 ? QUERIES + q : q);
        const gosset__search_stats before = sum;
        if (q == 0) sum = (gosset__search_stats){0}, cpu = cpu_seconds();
        const gosset__search_stats *start = q == 0 ? &sum : &before;
        const uint64_t scan = start->scan_ns, wait = start->io_ns;
        const gosset__search_request request = {.latent = self->latents + i * LATENT,
                                                .vector = self->vectors + i * DIMENSION,
                                                .vector_type = GOSSET_U8,
                                                .effort = {.probe = probe},
                                                .rerank = rerank,
                                                .k = 10,
                                                .ids = ids,
                                                .distances = distances};
        must(gosset__search_run(search, &request));
        scans[i] = (double)(sum.scan_ns - scan) / 1e3;
        waits[i] = (double)(sum.io_ns - wait) / 1e3;
        totals[i] = scans[i] + waits[i];
    }
    cpu = cpu_seconds() - cpu;
    qsort(waits, QUERIES, sizeof *waits, by_value);
    qsort(scans, QUERIES, sizeof *scans, by_value);
    qsort(totals, QUERIES, sizeof *totals, by_value);
    printf("%-8s %5u %6u %9.0f %7.1f %9.1f %9.1f %9.1f %9.1f %9.1f %9.1f\n", io, probe, rerank,
           (double)sum.codes_scanned / QUERIES, (double)sum.pages_read / QUERIES, scans[QUERIES / 2],
           waits[QUERIES / 2], waits[QUERIES * 99 / 100], totals[QUERIES / 2], totals[QUERIES * 99 / 100],
           cpu / QUERIES * 1e6);
}

int main(int argc, char **argv) {
    const size_t rows = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    const char *directory = argc > 2 ? argv[2] : "bench-search.gosset";
    static const char *const backends[] = {"memory", "uring", "threads"};
    bench self = {.latents = malloc(sizeof(float) * QUERIES * LATENT), .vectors = malloc(QUERIES * DIMENSION)};
    gosset__rng rng = gosset__rng_make(2, 2);
    must(gosset__env_read(&self.env, NULL));
    must(gosset__kernels_get(&self.kernels, ""));
    must(gosset_lattice_create(&self.cell_lattice, "zn:24:3", NULL));
    must(gosset_lattice_create(&self.code_lattice, "zn:64:500:7", NULL));
    must(gosset__codec_create(&self.codec, self.cell_lattice, self.code_lattice, NULL, &self.env, self.kernels));
    random_rows(&rng, QUERIES, self.latents, self.vectors);
    if (gosset__store_open(&self.store, directory, "memory", &self.env) != GOSSET_OK) build(&self, directory, rows);
    gosset__store_close(self.store);
    printf("io       probe rerank     codes   pages  scan p50 pages p50 pages p99 total p50 total p99   cpu (us)\n");
    for (size_t b = 0; b < sizeof backends / sizeof *backends; b++) {
        gosset__search *search = NULL;
        if (argc > 3 && strcmp(argv[3], backends[b]) != 0) continue;
        must(gosset__store_open(&self.store, directory, backends[b], &self.env));
        self.store->lead_size = gosset__codec_lead_size(self.codec);
        must(gosset__store_load_codes(self.store, block, self.codec));
        must(gosset__search_create(&search, self.store, self.codec, self.kernels, &self.env));
        for (uint32_t rerank = 12; rerank <= 40; rerank += rerank == 12 ? 12 : 16)
            measure(&self, search, backends[b], 800, rerank);
        measure(&self, search, backends[b], 200, 40);
        gosset__search_free(search);
        gosset__store_close(self.store);
    }
    gosset__codec_free(self.codec);
    gosset_lattice_free(self.cell_lattice);
    gosset_lattice_free(self.code_lattice);
    free(self.latents), free(self.vectors);
    return EXIT_SUCCESS;
}
