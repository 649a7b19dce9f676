/* gosset-bench: Gosset and FAISS, measured in one run on the same vectors and threads. */
#include "report.h"
#include "rival.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char usage[] =
    "usage: gosset-bench search --base F --learn F --query F --truth F [--index DIR]\n"
    "       gosset-bench codes  --base F --learn F --query F --truth F [--model M,...]\n"
    "       gosset-bench cells  --base F --learn F --query F --truth F [--model M,...]\n"
    "       gosset-bench growth [--name NAME] [--out DIR] FILE...    (--help)\n"
    "       gosset-bench curves [--name NAME] [--out DIR] LABEL=FILE...    (--help)\n"
    "\n"
    "search  recall against queries/s, latency and memory: FAISS flat, PQ, OPQ, IVF-PQ with re-ranking, HNSW, and the\n"
    "        Gosset index at DIR\n"
    "codes   codes of equal size, searched exhaustively: R@1/10/100, the re-rank depth for a recall, costs\n"
    "cells   the cells of models and FAISS's k-means with as many lists: imbalance, and the share of the base in "
    "which\n"
    "        the true neighbours are\n"
    "growth  costs over the number of vectors, from what the tool printed\n"
    "curves  recall over pages and codes compared, several runs of the tool in one plot\n"
    "\n"
    "  --bytes N        code size of the rivals (default 32); for codes a list (default 16)\n"
    "  --metric M       l2 (default), ip, cosine\n"
    "  --threads LIST   thread counts to measure, at most 4 (default 1,2); builds and codes use the last\n"
    "  --queries N      use only the first N queries\n"
    "  --limit S        seconds a system or code may take, training included (default 3600)\n"
    "  --rivals LIST    only these, by the names in the table; \"none\" for none\n"
    "  --name NAME      what files and headings are called (default \"bench\")\n"
    "  --out DIR        where tables, JSON and plots go (default \"bench-results\")\n"
    "\n"
    "search:\n"
    "  -k N             neighbours asked for (default 10)\n"
    "  --repeat N       timed passes over the queries (default 3); the median is reported\n"
    "  --io LIST        Gosset's ways of reading: auto (default), uring, threads, memory\n"
    "\n"
    "codes:\n"
    "  --minutes N      CPU-minutes a FAISS code may take, over all threads (default 15)\n"
    "  --lists LIST     lists of the codes that are of the residual (default one count near 4 sqrt(n));\n"
    "                   cells: lists of FAISS (default as many as the models have cells)\n"
    "  --learn-limit N  learn vectors a FAISS code is trained on (default 200000)\n"
    "  --other-query F  further queries, say of another distribution, and\n"
    "  --other-truth F  their neighbours: columns and plots of their own\n"
    "  --log F          append a CSV line to F as each code is done; codes it has are not measured again\n";

typedef struct settings {
    const char *command, *index, *model, *rivals, *io, *name, *out;
    gosset_metric metric;
    bench_paths paths, other; /* other: with the queries and neighbours of --other-query */
    bench_plan plan;
} settings;

enum {
    BASE = 256,
    LEARN,
    QUERY,
    TRUTH,
    INDEX,
    MODEL,
    BYTES,
    METRIC,
    THREADS,
    QUERIES,
    REPEAT,
    LIMIT,
    RIVALS,
    IO,
    NAME,
    OUT,
    MINUTES,
    LISTS,
    LEARN_LIMIT,
    LOG,
    OTHER_QUERY,
    OTHER_TRUTH
};
static const struct option options[] = {
    {"base", 1, NULL, BASE},
    {"learn", 1, NULL, LEARN},
    {"query", 1, NULL, QUERY},
    {"truth", 1, NULL, TRUTH},
    {"index", 1, NULL, INDEX},
    {"model", 1, NULL, MODEL},
    {"bytes", 1, NULL, BYTES},
    {"metric", 1, NULL, METRIC},
    {"threads", 1, NULL, THREADS},
    {"queries", 1, NULL, QUERIES},
    {"repeat", 1, NULL, REPEAT},
    {"limit", 1, NULL, LIMIT},
    {"rivals", 1, NULL, RIVALS},
    {"io", 1, NULL, IO},
    {"name", 1, NULL, NAME},
    {"out", 1, NULL, OUT},
    {"minutes", 1, NULL, MINUTES},
    {"lists", 1, NULL, LISTS},
    {"log", 1, NULL, LOG},
    {"learn-limit", 1, NULL, LEARN_LIMIT},
    {"other-query", 1, NULL, OTHER_QUERY},
    {"other-truth", 1, NULL, OTHER_TRUTH},
    {"help", 0, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static unsigned long number(const char *text, unsigned long low, unsigned long high) {
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (errno || end == text || *end || value < low || value > high)
        bench_fail("%s: expected a number from %lu to %lu", text, low, high);
    return value;
}

/* Numbers with commas between them; returns how many. */
static uint32_t read_list(const char *text, uint32_t *values, uint32_t capacity, unsigned long high) {
    char copy[64];
    uint32_t count = 0;
    snprintf(copy, sizeof copy, "%s", text);
    for (char *part = strtok(copy, ","); part; part = strtok(NULL, ",")) {
        if (count == capacity) bench_fail("%s: at most %u numbers", text, capacity);
        values[count++] = (uint32_t)number(part, 1, high);
    }
    if (!count) bench_fail("%s: expected numbers such as 1,2", text);
    return count;
}

static gosset_metric read_metric(const char *text) {
    if (strcmp(text, "l2") == 0) return GOSSET_L2;
    if (strcmp(text, "ip") == 0) return GOSSET_IP;
    if (strcmp(text, "cosine") == 0) return GOSSET_COSINE;
    bench_fail("%s: expected l2, ip or cosine", text);
}

static void set_path(settings *set, int option, const char *text) {
    switch (option) {
    case BASE:
        set->paths.base = text;
        break;
    case LEARN:
        set->paths.learn = text;
        break;
    case QUERY:
        set->paths.query = text;
        break;
    case TRUTH:
        set->paths.truth = text;
        break;
    case OTHER_QUERY:
        set->other.query = text;
        break;
    case OTHER_TRUTH:
        set->other.truth = text;
        break;
    case INDEX:
        set->index = text;
        break;
    case MODEL:
        set->model = text;
        break;
    case RIVALS:
        set->rivals = text;
        break;
    case IO:
        set->io = text;
        break;
    case NAME:
        set->name = text;
        break;
    case LOG:
        set->plan.log = text;
        break;
    case OUT:
        set->out = text;
        break;
    }
}

static void read_options(settings *set, int argc, char **argv) {
    int option;
    while ((option = getopt_long(argc, argv, "k:h", options, NULL)) != -1) {
        switch (option) {
        case 'k':
            set->plan.k = (uint32_t)number(optarg, 1, 1000);
            break;
        case BYTES:
            set->plan.size_count = read_list(optarg, set->plan.sizes, BENCH_MAX_SIZES, 256);
            set->plan.code_bytes = set->plan.sizes[0];
            break;
        case METRIC:
            set->metric = read_metric(optarg);
            break;
        case THREADS:
            set->plan.thread_count = read_list(optarg, set->plan.threads, BENCH_MAX_THREADS, 64);
            break;
        case QUERIES:
            set->paths.query_limit = number(optarg, 1, 1000000000);
            break;
        case REPEAT:
            set->plan.repeat = (uint32_t)number(optarg, 1, 64);
            break;
        case LIMIT:
            set->plan.limit_seconds = (double)number(optarg, 1, 1000000);
            break;
        case MINUTES:
            set->plan.limit_cpu_seconds = 60 * (double)number(optarg, 1, 100000);
            break;
        case LISTS:
            set->plan.list_count = read_list(optarg, set->plan.lists, BENCH_MAX_SIZES, 1 << 20);
            break;
        case LEARN_LIMIT:
            set->plan.learn_limit = number(optarg, 1, 1000000000);
            break;
        case 'h':
            fputs(usage, stdout);
            exit(0);
        case '?':
            fputs(usage, stderr);
            exit(2);
        default:
            set_path(set, option, optarg);
        }
    }
    if (optind != argc - 1 || !set->paths.base || !set->paths.learn || !set->paths.query || !set->paths.truth) {
        fputs(usage, stderr);
        exit(2);
    }
    set->command = argv[optind];
}

static void run_search(const settings *set, const bench_report *report, bench_results *results) {
    bench_faiss(report->data, &set->plan, set->rivals, results);
    if (set->index) bench_gosset(report->data, &set->plan, set->index, set->io, results);
    bench_report_search(report);
}

static void run_codes(const settings *set, const bench_report *report, bench_results *results) {
    bench_codes(report->data, report->other, &set->plan, set->model, set->rivals, results);
    bench_report_codes(report);
}

static void run_cells(const settings *set, const bench_report *report, bench_results *results) {
    bench_run_cells(report->data, &set->plan, set->model, results);
    bench_report_cells(report);
}

static const struct {
    const char *name;
    uint32_t bytes; /* of a code, unless told */
    void (*run)(const settings *set, const bench_report *report, bench_results *results);
} commands[] = {{"search", 32, run_search}, {"codes", 16, run_codes}, {"cells", 16, run_cells}};

/* The same base and learn vectors; the files are mapped once more. */
static void load_other(bench_data *other, const settings *set) {
    const bench_paths paths = {set->paths.base, set->paths.learn, set->other.query, set->other.truth, 0};
    bench_data_load(other, &paths, set->metric);
}

int main(int argc, char **argv) {
    settings set = {.name = "bench", .io = "auto", .out = "bench-results", .metric = GOSSET_L2};
    set.plan = (bench_plan){.k = 10, .threads = {1, 2}, .thread_count = 2, .repeat = 3, .limit_seconds = 3600};
    set.plan.limit_cpu_seconds = 900;
    set.plan.learn_limit = 200000;
    if (argc > 1 && strcmp(argv[1], "growth") == 0) return bench_growth(argc - 1, argv + 1);
    if (argc > 1 && strcmp(argv[1], "curves") == 0) return bench_curves(argc - 1, argv + 1);
    read_options(&set, argc, argv);
    size_t command = 0;
    while (command < sizeof commands / sizeof *commands && strcmp(commands[command].name, set.command) != 0) command++;
    if (command == sizeof commands / sizeof *commands)
        bench_fail("%s: expected search, codes, cells, growth or curves", set.command);
    if (!set.plan.size_count) {
        set.plan.sizes[set.plan.size_count++] = commands[command].bytes;
        set.plan.code_bytes = set.plan.sizes[0];
    }
    if (!set.other.query != !set.other.truth) bench_fail("--other-query and --other-truth: expected both");
    if (commands[command].run == run_codes && set.model && set.paths.query_limit)
        bench_fail("--queries: not with --model");
    if (mkdir(set.out, 0777) != 0 && errno != EEXIST) bench_fail("%s: %s", set.out, strerror(errno));

    set.plan.name = set.name;
    bench_data data, other;
    bench_data_load(&data, &set.paths, set.metric);
    if (data.truth_k < set.plan.k) bench_fail("the ground truth has only %u neighbours a query", data.truth_k);
    if (set.other.query) load_other(&other, &set);
    bench_results *results = bench_results_create();
    const bench_report report = {.data = &data,
                                 .other = set.other.query ? &other : NULL,
                                 .plan = &set.plan,
                                 .results = results,
                                 .out = set.out,
                                 .name = set.name};
    commands[command].run(&set, &report, results);
    return results->point_count + results->code_count + results->cells_count == 0;
}
