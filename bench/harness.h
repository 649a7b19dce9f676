/** How things are measured: each system in a process of its own, warmed up, repeated, median and spread. */
#ifndef GOSSET_BENCH_HARNESS_H
#define GOSSET_BENCH_HARNESS_H

#include "data.h"
#include "rank.h"

enum {
    BENCH_MAX_THREADS = 4,
    BENCH_MAX_POINTS = 512,
    BENCH_MAX_CODES = 256,
    BENCH_MAX_SIZES = 6,
    BENCH_MAX_CELLS = 16,
    BENCH_CELL_LEVELS = 4,
    BENCH_CELL_POINTS = 64
};

/** One system at one setting. */
typedef struct bench_point {
    char system[40], setting[56];
    double recall;                                /* recall@k */
    double queries_per_second[BENCH_MAX_THREADS]; /* for each entry of bench_plan.threads; median of the repeats */
    double spread[BENCH_MAX_THREADS];             /* (slowest - fastest) / median of the repeats */
    double p50_us, p99_us;                        /* one query at a time on one thread */
    double pages;                                 /* 4 KiB reads per query; 0 = all in memory */
    double bytes_per_vector;                      /* memory held after the build, per vector */
    double train_seconds, build_seconds;          /* 0 = not measured here */
    int on_disk;
} bench_point;

/** One code at one size, searched exhaustively. */
typedef struct bench_code {
    char name[40], factory[56];      /* the family; how this one was asked for */
    char ranking[8];                 /* what its candidates are sorted by: "l2", "ip" */
    char reason[200];                /* why there are no figures; "" = there are */
    uint32_t size;                   /* the bytes asked for */
    double bytes;                    /* stored for a vector, that of its cell or list not counted */
    int has_cell;                    /* and there is a cell or list */
    double train_seconds, encode_us; /* on the plan's last thread count */
    double scan_ns;                  /* a code, on one thread; 0 = not measured */
    rank_quality quality;            /* depth[0] = 0: not measured */
    rank_quality other;              /* the same of the other queries */
} bench_code;

/** One division of the base into cells: how even it is, and which share of the base holds the true ten neighbours. */
typedef struct bench_cell_point {
    uint32_t probe;
    double recall, scanned; /* shares: of the true neighbours, and of the base */
} bench_cell_point;

typedef struct bench_cells {
    char name[40], setting[56];
    uint32_t count, used;
    uint64_t largest;
    double imbalance;                      /* over all cells, empty ones too */
    uint32_t probe_for[BENCH_CELL_LEVELS]; /* cells for a recall of 0.80, 0.90, 0.95, 0.99 */
    double scanned_for[BENCH_CELL_LEVELS]; /* and the share of the base in them */
    bench_cell_point points[BENCH_CELL_POINTS];
    uint32_t point_count; /* 0: not measured */
    double train_seconds;
} bench_cells;

typedef struct bench_plan {
    const char *name; /* of the set */
    uint32_t k;
    uint32_t threads[BENCH_MAX_THREADS], thread_count;
    uint32_t repeat;
    uint32_t code_bytes;                         /* the size rivals get */
    double limit_seconds;                        /* per system */
    double limit_cpu_seconds;                    /* per code, over all threads; 0 = none */
    const char *log;                             /* file that gets a line for every code as it is done; NULL = none */
    size_t learn_limit;                          /* learn vectors a code may use; 0 = all */
    uint32_t sizes[BENCH_MAX_SIZES], size_count; /* bytes of codes */
    uint32_t lists[BENCH_MAX_SIZES], list_count; /* lists behind which codes are of the residual */
} bench_plan;

/** What a measuring process hands back: shared memory, filled as it goes, so a stopped one keeps what it had. */
typedef struct bench_results {
    uint32_t point_count, code_count, cells_count, failure_count;
    char note[256];         /* why the system running now has no or fewer rows; "" otherwise */
    char failures[32][256]; /* the notes of all systems */
    bench_point points[BENCH_MAX_POINTS];
    bench_code codes[BENCH_MAX_CODES];
    bench_cells cells[BENCH_MAX_CELLS];
} bench_results;
bench_results *bench_results_create(void);
bench_point *bench_add_point(bench_results *results, const char *system, const char *setting);
bench_code *bench_add_code(bench_results *results, const char *name, uint32_t size);
bench_cells *bench_add_cells(bench_results *results, const char *name);

typedef void (*bench_work_fn)(void *context, bench_results *results);
/**
 * Runs work in a child process: its memory, threads and crashes stay there. After `limit_seconds` it is ended.
 * So it is when it used up the CPU time of RLIMIT_CPU, where work has set one.
 * Returns 0 when it came to its end; otherwise a sentence is in results->note.
 */
int bench_isolated(const char *name, bench_work_fn work, void *context, double limit_seconds, bench_results *results);

/** Searches query rows [first, first + count) into ids (count x k), on `threads` threads. */
typedef struct bench_searcher {
    void (*search)(void *context, size_t first, size_t count, uint32_t threads, int64_t *ids);
    void *context;
} bench_searcher;
/** Recall, queries per second for each thread count, latency of single queries. */
void bench_measure(const bench_data *data, const bench_plan *plan, const bench_searcher *searcher, bench_point *point);

double bench_seconds(void);
/** Bytes this process has from malloc now. */
size_t bench_heap(void);

/** "Intel Xeon ..., 2 CPUs, Linux 6.1, 2025-01-31" */
void bench_machine(char *text, size_t size);

#endif
