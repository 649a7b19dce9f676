/* gosset-grow: larger sets from real ones, and what the distances of neighbours say about them. See grow.h. */
#include "datasets/grow.h"
#include "datasets/vectors.h"

#include <errno.h>
#include <getopt.h>
#include <gosset/common.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { BATCH = 4096 };

static const char usage[] =
    "usage: gosset-grow --base F --count N --out F [options]\n"
    "       gosset-grow --describe DISTANCES.fvecs\n"
    "\n"
    "Writes a set of N vectors: those of the base, then new ones drawn around them from the spread of their near\n"
    "neighbours. The first rows of a larger set are the smaller one. --describe takes what 'gosset truth --distances'\n"
    "writes, at least 100 neighbours a query, metric l2, and prints how they are distributed.\n"
    "\n"
    "  --base F         .bvecs, .fvecs, .u8bin, .i8bin, .fbin or .npy\n"
    "  --out F          of the same type: .bvecs, .fvecs, .u8bin, .i8bin, .fbin\n"
    "  --count N        vectors to write, e.g. 10000000\n"
    "  --neighbours N   whose spread new vectors have, 2 to 64 (default 16)\n"
    "  --spread H       how far from the old ones they are, 0 to 1 (default 0.9)\n"
    "  --seed N         (default 1)\n"
    "  --threads N      of the search for neighbours (default all CPUs)\n"
    "  --help\n";

typedef struct settings {
    const char *base, *out, *describe;
    uint64_t count;
    grow_config config;
} settings;

static int fail(const char *sentence) {
    fprintf(stderr, "gosset-grow: %s\n", sentence);
    return EXIT_FAILURE;
}

static uint64_t number(const char *text, uint64_t high) {
    char *end;
    errno = 0;
    const uint64_t value = strtoull(text, &end, 10);
    if (errno || end == text || *end || *text == '-' || value > high) {
        fprintf(stderr, "gosset-grow: %s: expected a number up to %llu\n", text, (unsigned long long)high);
        exit(2);
    }
    return value;
}

static void read_options(settings *set, int argc, char **argv) {
    static const struct option options[] = {
        {"base", 1, NULL, 'b'},   {"out", 1, NULL, 'o'},  {"count", 1, NULL, 'n'},   {"neighbours", 1, NULL, 'k'},
        {"spread", 1, NULL, 'h'}, {"seed", 1, NULL, 's'}, {"threads", 1, NULL, 't'}, {"describe", 1, NULL, 'd'},
        {"help", 0, NULL, '?'},   {NULL, 0, NULL, 0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'b') set->base = optarg;
        if (option == 'o') set->out = optarg;
        if (option == 'd') set->describe = optarg;
        if (option == 'n') set->count = number(optarg, UINT64_MAX);
        if (option == 'k') set->config.neighbours = (uint32_t)number(optarg, GROW_NEIGHBOURS_MAX);
        if (option == 's') set->config.seed = number(optarg, UINT64_MAX);
        if (option == 't') set->config.threads = (uint32_t)number(optarg, 1024);
        if (option == 'h') {
            char *end;
            set->config.spread = strtod(optarg, &end);
            if (end == optarg || *end) exit(fail("--spread: expected a number from 0 to 1"));
        }
        if (option == '?') {
            fputs(usage, optopt || optind == 1 ? stderr : stdout);
            exit(optopt || optind == 1 ? 2 : 0);
        }
    }
    if (optind != argc || (set->describe ? set->base || set->out : !set->base || !set->out || !set->count)) {
        fputs(usage, stderr);
        exit(2);
    }
}

static int describe(const char *path) {
    gosset_dataset *dataset = NULL;
    gosset_vectors distances;
    grow_description found;
    if (gosset_dataset_open(&dataset, path) != GOSSET_OK || gosset_dataset_map(dataset, &distances) != GOSSET_OK)
        return fail(gosset_dataset_error());
    if (distances.type != GOSSET_F32 || distances.dimension < 100)
        return fail("--describe: expected 100 distances a row");
    float *rows = malloc(distances.count * distances.dimension * sizeof *rows);
    if (!rows) return fail("no memory");
    for (size_t i = 0; i < distances.count; i++)
        for (uint32_t j = 0; j < distances.dimension; j++) {
            const size_t stride = distances.stride ? distances.stride : distances.dimension * sizeof(float);
            rows[i * distances.dimension + j] =
                ((const float *)(const void *)((const char *)distances.data + i * stride))[j];
        }
    const gosset_status status = grow_describe(rows, distances.count, distances.dimension, &found);
    free(rows);
    gosset_dataset_close(dataset);
    if (status != GOSSET_OK) return fail(gosset_dataset_error());
    printf("distance to the 1st, 10th, 100th neighbour   %.4g, %.4g, %.4g (medians)\n", found.median[0],
           found.median[1], found.median[2]);
    printf("10th / 1st, 100th / 10th                     %.4f, %.4f (medians)\n", found.ratio[0], found.ratio[1]);
    printf("intrinsic dimension                          %.2f (quartiles of the queries %.2f, %.2f)\n", found.dimension,
           found.quartile[0], found.quartile[1]);
    return EXIT_SUCCESS;
}

static gosset_status write_rows(const grow *set, gosset_dataset_writer *writer, uint64_t count, void *rows) {
    gosset_status status = GOSSET_OK;
    const int shown = isatty(STDERR_FILENO);
    for (uint64_t first = 0; first < count && status == GOSSET_OK; first += BATCH) {
        const size_t batch = count - first < BATCH ? (size_t)(count - first) : BATCH;
        status = grow_rows(set, first, batch, rows);
        if (status == GOSSET_OK) status = gosset_dataset_append(writer, batch, rows);
        if (shown && first / BATCH % 256 == 0) fprintf(stderr, "\r%3.0f %%", 100.0 * (double)first / (double)count);
    }
    if (shown) fprintf(stderr, "\r     \r");
    return status;
}

static int run(const settings *set) {
    gosset_dataset *dataset = NULL;
    gosset_vectors base;
    grow *grown = NULL;
    gosset_dataset_writer *writer = NULL;
    void *rows = NULL;
    gosset_status status = gosset_dataset_open(&dataset, set->base);
    if (status == GOSSET_OK) status = gosset_dataset_map(dataset, &base);
    /* The output is opened first: a wrong path should not cost a search. */
    if (status == GOSSET_OK)
        status = gosset_dataset_create(&writer, set->out, gosset_dataset_element(dataset), set->count, base.dimension);
    if (status == GOSSET_OK) status = grow_create(&grown, &base, &set->config);
    if (status == GOSSET_OK) rows = malloc((size_t)BATCH * base.dimension * gosset_type_size(base.type));
    if (status == GOSSET_OK) status = rows ? write_rows(grown, writer, set->count, rows) : GOSSET_E_NO_MEMORY;
    const int code = status == GOSSET_OK ? EXIT_SUCCESS : fail(rows || !grown ? gosset_dataset_error() : "no memory");
    if (writer && gosset_dataset_finish(writer, status == GOSSET_OK) != GOSSET_OK && status == GOSSET_OK)
        return fail(gosset_dataset_error());
    free(rows);
    grow_free(grown);
    gosset_dataset_close(dataset);
    return code;
}

int main(int argc, char **argv) {
    settings set = {.config = {.seed = 1, .neighbours = 16, .spread = 0.9}};
    read_options(&set, argc, argv);
    return set.describe ? describe(set.describe) : run(&set);
}
