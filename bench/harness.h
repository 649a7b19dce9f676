/** How things are measured: each system in a process of its own, warmed up, repeated, median and spread. */
#ifndef GOSSET_BENCH_HARNESS_H
#define GOSSET_BENCH_HARNESS_H

#include "data.h"

enum { BENCH_MAX_THREADS = 4, BENCH_MAX_POINTS = 512 };

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
    char name[40];
    double bytes; /* per vector */
    double train_seconds, encode_us;
    double r_at_1, r_at_10, r_at_100, recall_at_10;
    uint32_t depth[3]; /* re-rank depth for recall@10 of 0.90, 0.95, 0.99; 0 = deeper than looked */
} bench_code;

typedef struct bench_plan {
    uint32_t k;
    uint32_t threads[BENCH_MAX_THREADS], thread_count;
    uint32_t repeat;
    uint32_t code_bytes;  /* the size rivals get */
    double limit_seconds; /* per system */
} bench_plan;

/** What a measuring process hands back: shared memory, filled as it goes, so a stopped one keeps what it had. */
typedef struct bench_results {
    uint32_t point_count, code_count, failure_count;
    char note[256];         /* why the system running now has no or fewer rows; "" otherwise */
    char failures[32][256]; /* the notes of all systems */
    bench_point points[BENCH_MAX_POINTS];
    bench_code codes[64];
} bench_results;
bench_results *bench_results_create(void);
bench_point *bench_add_point(bench_results *results, const char *system, const char *setting);

typedef void (*bench_work_fn)(void *context, bench_results *results);
/**
 * Runs work in a child process: its memory, threads and crashes stay there. After `limit_seconds` it is ended.
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
