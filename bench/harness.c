#include "harness.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

double bench_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

size_t bench_heap(void) {
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

bench_results *bench_results_create(void) {
    bench_results *results = mmap(NULL, sizeof *results, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (results == MAP_FAILED) bench_fail("no shared memory: %s", strerror(errno));
    return results;
}

bench_point *bench_add_point(bench_results *results, const char *system, const char *setting) {
    if (results->point_count == BENCH_MAX_POINTS) bench_fail("more than %d settings", BENCH_MAX_POINTS);
    bench_point *point = &results->points[results->point_count++];
    memset(point, 0, sizeof *point);
    snprintf(point->system, sizeof point->system, "%s", system);
    snprintf(point->setting, sizeof point->setting, "%s", setting);
    return point;
}

bench_code *bench_add_code(bench_results *results, const char *name, uint32_t size) {
    if (results->code_count == BENCH_MAX_CODES) bench_fail("more than %d codes", BENCH_MAX_CODES);
    bench_code *code = &results->codes[results->code_count++];
    memset(code, 0, sizeof *code);
    snprintf(code->name, sizeof code->name, "%s", name);
    code->size = size;
    return code;
}

bench_cells *bench_add_cells(bench_results *results, const char *name) {
    if (results->cells_count == BENCH_MAX_CELLS) bench_fail("more than %d kinds of cells", BENCH_MAX_CELLS);
    bench_cells *cells = &results->cells[results->cells_count++];
    memset(cells, 0, sizeof *cells);
    snprintf(cells->name, sizeof cells->name, "%s", name);
    return cells;
}

int bench_isolated(const char *name, bench_work_fn work, void *context, double limit_seconds, bench_results *results) {
    double started = bench_seconds();
    results->note[0] = 0;
    fprintf(stderr, "%s ...\n", name);
    fflush(NULL);
    pid_t child = fork();
    if (child < 0) bench_fail("fork: %s", strerror(errno));
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* whoever stops the benchmark stops what it measures */
        work(context, results);
        fflush(NULL);
        _exit(results->note[0] ? 1 : 0);
    }
    int status = 0;
    pid_t done;
    const struct timespec pause = {0, 50000000};
    while ((done = waitpid(child, &status, WNOHANG)) == 0) {
        if (bench_seconds() - started > limit_seconds) {
            kill(child, SIGKILL);
            done = waitpid(child, &status, 0);
            snprintf(results->note, sizeof results->note, "%s: stopped after %.0f s", name, limit_seconds);
            break;
        }
        nanosleep(&pause, NULL);
    }
    if (!results->note[0] && WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU)
        snprintf(results->note, sizeof results->note, "%s: used up its CPU time", name);
    if (!results->note[0] && WIFSIGNALED(status))
        snprintf(results->note, sizeof results->note, "%s: ended by signal %d", name, WTERMSIG(status));
    if (!results->note[0] && WEXITSTATUS(status))
        snprintf(results->note, sizeof results->note, "%s: failed with exit code %d", name, WEXITSTATUS(status));
    if (results->note[0] && results->failure_count < 32)
        snprintf(results->failures[results->failure_count++], sizeof results->note, "%s", results->note);
    fprintf(stderr, "%s: %.1f s%s%s\n", name, bench_seconds() - started, results->note[0] ? "; " : "", results->note);
    return results->note[0] != 0;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* All queries, `repeat` times; fewer when a single pass already takes long. */
static void measure_rate(const bench_data *data, const bench_plan *plan, const bench_searcher *searcher, uint32_t slot,
                         int64_t *ids, bench_point *point) {
    double seconds[64], total = 0;
    uint32_t done = 0;
    size_t warm = data->query.count < 200 ? data->query.count : 200;
    searcher->search(searcher->context, 0, warm, plan->threads[slot], ids);
    while (done < plan->repeat && done < 64 && (done == 0 || total < 30)) {
        double started = bench_seconds();
        searcher->search(searcher->context, 0, data->query.count, plan->threads[slot], ids);
        seconds[done] = bench_seconds() - started;
        total += seconds[done++];
    }
    qsort(seconds, done, sizeof *seconds, by_value);
    double median = done % 2 ? seconds[done / 2] : (seconds[done / 2 - 1] + seconds[done / 2]) / 2;
    point->queries_per_second[slot] = (double)data->query.count / median;
    point->spread[slot] = (seconds[done - 1] - seconds[0]) / median;
}

/* One query at a time on one thread; at most five seconds. */
static void measure_latency(const bench_data *data, const bench_plan *plan, const bench_searcher *searcher,
                            bench_point *point) {
    size_t count = data->query.count, done = 0;
    double *micros = bench_memory(count * sizeof *micros);
    int64_t *ids = bench_memory(plan->k * sizeof *ids);
    double started = bench_seconds();
    while (done < count && (done < 20 || bench_seconds() - started < 5)) {
        double before = bench_seconds();
        searcher->search(searcher->context, done, 1, 1, ids);
        micros[done++] = (bench_seconds() - before) * 1e6;
    }
    qsort(micros, done, sizeof *micros, by_value);
    point->p50_us = micros[done / 2];
    point->p99_us = micros[done * 99 / 100];
    free(micros);
    free(ids);
}

void bench_measure(const bench_data *data, const bench_plan *plan, const bench_searcher *searcher, bench_point *point) {
    int64_t *ids = bench_memory(data->query.count * plan->k * sizeof *ids);
    for (uint32_t slot = 0; slot < plan->thread_count; slot++) measure_rate(data, plan, searcher, slot, ids, point);
    point->recall = bench_recall(data, plan->k, ids);
    measure_latency(data, plan, searcher, point);
    free(ids);
}

void bench_machine(char *text, size_t size) {
    char line[256], model[128] = "unknown CPU", date[32];
    FILE *file = fopen("/proc/cpuinfo", "r");
    while (file && fgets(line, sizeof line, file)) {
        char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !colon) continue;
        colon[strcspn(colon, "\n")] = 0;
        snprintf(model, sizeof model, "%.100s", colon + 2);
        break;
    }
    if (file) fclose(file);
    struct utsname system;
    uname(&system);
    time_t now = time(NULL);
    strftime(date, sizeof date, "%Y-%m-%d", localtime(&now));
    snprintf(text, size, "%s, %ld CPUs, %s %.20s, %s", model, sysconf(_SC_NPROCESSORS_ONLN), system.sysname,
             system.release, date);
}
