#include "report.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const double levels[] = {0.90, 0.95, 0.99};

FILE *bench_report_file(const bench_report *report, const char *suffix) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s%s", report->out, report->name, suffix);
    FILE *file = fopen(path, "w");
    if (!file) bench_fail("%s: %s", path, strerror(errno));
    return file;
}

static double rate(const bench_report *report, const bench_point *point) {
    return point->queries_per_second[report->plan->thread_count - 1];
}

/* The fastest setting of a system that reaches the recall; without one, its best recall. */
static const bench_point *best_at(const bench_report *report, const char *system, double recall, int *reached) {
    const bench_point *best = NULL;
    *reached = 0;
    for (uint32_t i = 0; i < report->results->point_count; i++) {
        const bench_point *point = &report->results->points[i];
        if (strcmp(point->system, system) != 0) continue;
        int reaches = point->recall >= recall;
        if (!best || (reaches && (!*reached || rate(report, point) > rate(report, best))) ||
            (!reaches && !*reached && point->recall > best->recall))
            best = point;
        *reached |= reaches;
    }
    return best;
}

static int is_first(const bench_report *report, uint32_t index) {
    for (uint32_t i = 0; i < index; i++)
        if (strcmp(report->results->points[i].system, report->results->points[index].system) == 0) return 0;
    return 1;
}

static void write_heading(const bench_report *report, FILE *file, const char *title) {
    char machine[256];
    bench_machine(machine, sizeof machine);
    const bench_data *data = report->data;
    fprintf(file, "### %s: %s\n\n", title, report->name);
    fprintf(file, "%s. %zu base vectors of %u dimensions, %zu learn vectors, %zu queries, k = %u. FAISS %s%s.\n\n",
            machine, data->base.count, data->base.dimension, data->learn.count, data->query.count, report->plan->k,
            GOSSET_FAISS_VERSION,
#ifdef GOSSET_FAISS_SHIM
            " (C++ library behind bench/faiss_c_shim.cpp)"
#else
            ""
#endif
    );
}

static void write_row(const bench_report *report, FILE *file, const bench_point *point) {
    fprintf(file, "| %s | %s | %.4f |", point->system, point->setting, point->recall);
    if (point->on_disk)
        fprintf(file, " %.1f |", point->pages);
    else
        fprintf(file, " – |");
    for (uint32_t i = 0; i < report->plan->thread_count; i++)
        fprintf(file, " %.0f (±%.0f %%) |", point->queries_per_second[i], point->spread[i] * 50);
    if (point->p50_us > 0)
        fprintf(file, " %.0f / %.0f |", point->p50_us, point->p99_us);
    else
        fprintf(file, " – |"); /* its time was over */
    fprintf(file, " %.0f | %.0f + %.0f |\n", point->bytes_per_vector, point->train_seconds, point->build_seconds);
}

static void write_search_table(const bench_report *report, FILE *file) {
    fprintf(file, "| system | fastest setting at the recall | recall@%u | pages/query |", report->plan->k);
    for (uint32_t i = 0; i < report->plan->thread_count; i++)
        fprintf(file, " queries/s, %u thread%s |", report->plan->threads[i], report->plan->threads[i] > 1 ? "s" : "");
    fprintf(file, " p50 / p99 µs | RAM bytes/vector | train + build s |\n|---|---|---|---|");
    for (uint32_t i = 0; i < report->plan->thread_count; i++) fprintf(file, "---|");
    fprintf(file, "---|---|---|\n");
    for (size_t level = 0; level < sizeof levels / sizeof *levels; level++) {
        for (uint32_t i = 0; i < report->results->point_count; i++) {
            int reached;
            if (!is_first(report, i)) continue;
            const bench_point *point = best_at(report, report->results->points[i].system, levels[level], &reached);
            if (level == 0 || reached) write_row(report, file, point);
        }
        if (level + 1 < sizeof levels / sizeof *levels)
            fprintf(file, "| **at recall ≥ %.2f** | | | |%s | | |\n", levels[level + 1],
                    report->plan->thread_count > 1 ? " | |" : " |");
    }
    fputc('\n', file);
}

/* The value on one thread that is compared: queries a second of all in one call, or of one after the other. */
static double speed(const bench_point *point, int single) {
    return single ? 1e6 / point->p50_us : point->queries_per_second[0];
}

static const bench_point *fastest(const bench_report *report, const char *system, double recall, int single) {
    const bench_point *best = NULL;
    for (uint32_t i = 0; i < report->results->point_count; i++) {
        const bench_point *point = &report->results->points[i];
        if (strcmp(point->system, system) != 0 || point->recall < recall) continue;
        if (!best || speed(point, single) > speed(best, single)) best = point;
    }
    return best;
}

/* Gosset with its vectors in memory beside each rival, like against like. */
static void write_ratios(const bench_report *report, FILE *file) {
    static const char *const own[] = {"Gosset in memory, batches", "Gosset in memory"};
    const bench_results *results = report->results;
    uint32_t written = 0;
    for (uint32_t i = 0; i < results->point_count; i++) {
        const char *rival = results->points[i].system;
        if (!is_first(report, i) || strncmp(rival, "Gosset", 6) == 0) continue;
        for (int single = 0; single < 2; single++) {
            const bench_point *a = fastest(report, own[single], 0.95, single);
            const bench_point *b = fastest(report, rival, 0.95, single);
            if (!a || !b) continue;
            if (!written++) fprintf(file, "One CPU thread, recall at least 0.95, vectors in memory:\n\n");
            fprintf(file, "* %s: Gosset %.0f queries/s, %s %.0f: **%.1f times** (recall %.4f and %.4f)\n",
                    single ? "one query at a time (1 / median latency)" : "all queries in one call", speed(a, single),
                    rival, speed(b, single), speed(a, single) / speed(b, single), a->recall, b->recall);
        }
    }
    if (written) fputc('\n', file);
}

static void write_notes(const bench_report *report, FILE *file) {
    for (uint32_t i = 0; i < report->results->failure_count; i++) fprintf(file, "* %s\n", report->results->failures[i]);
    if (report->results->failure_count) fputc('\n', file);
}

static void write_search_json(const bench_report *report) {
    char machine[256];
    bench_machine(machine, sizeof machine);
    FILE *file = bench_report_file(report, "-search.json");
    fprintf(file, "{\"machine\": \"%s\", \"faiss_version\": \"%s\", \"k\": %u, \"base_count\": %zu, \"points\": [",
            machine, GOSSET_FAISS_VERSION, report->plan->k, report->data->base.count);
    for (uint32_t i = 0; i < report->results->point_count; i++) {
        const bench_point *point = &report->results->points[i];
        fprintf(file,
                "%s\n  {\"system\": \"%s\", \"setting\": \"%s\", \"recall\": %.5f, \"pages_per_query_mean\": %.3f, ",
                i ? "," : "", point->system, point->setting, point->recall, point->pages);
        for (uint32_t t = 0; t < report->plan->thread_count; t++)
            fprintf(file, "\"queries_per_second_%u\": %.1f, \"spread_%u\": %.4f, ", report->plan->threads[t],
                    point->queries_per_second[t], report->plan->threads[t], point->spread[t]);
        fprintf(file,
                "\"latency_p50_us\": %.1f, \"latency_p99_us\": %.1f, \"resident_bytes_per_vector\": %.1f, "
                "\"train_seconds\": %.2f, \"build_seconds\": %.2f}",
                point->p50_us, point->p99_us, point->bytes_per_vector, point->train_seconds, point->build_seconds);
    }
    fprintf(file, "\n]}\n");
    fclose(file);
}

static int by_recall(const void *a, const void *b) {
    const bench_point *x = *(const bench_point *const *)a, *y = *(const bench_point *const *)b;
    return (x->recall > y->recall) - (x->recall < y->recall);
}

/* One gnuplot data block for each system: only settings that no other of the same system beats on both axes. */
static uint32_t write_blocks(const bench_report *report, FILE *file, int pages, char titles[][40]) {
    const bench_point *own[BENCH_MAX_POINTS];
    uint32_t blocks = 0;
    for (uint32_t i = 0; i < report->results->point_count; i++) {
        uint32_t count = 0;
        if (!is_first(report, i) || blocks == 32 || (pages && !report->results->points[i].on_disk)) continue;
        for (uint32_t j = i; j < report->results->point_count; j++)
            if (strcmp(report->results->points[j].system, report->results->points[i].system) == 0)
                own[count++] = &report->results->points[j];
        qsort(own, count, sizeof *own, by_recall);
        fprintf(file, "$block%u << EOD\n", blocks);
        for (uint32_t j = 0; j < count; j++) {
            int beaten = 0;
            for (uint32_t l = j + 1; l < count; l++) beaten |= rate(report, own[l]) > rate(report, own[j]);
            if (!beaten) fprintf(file, "%.5f %.3f\n", own[j]->recall, pages ? own[j]->pages : rate(report, own[j]));
        }
        fprintf(file, "EOD\n");
        snprintf(titles[blocks++], 40, "%s", report->results->points[i].system);
    }
    return blocks;
}

void bench_report_plot(const bench_report *report, const char *suffix, uint32_t blocks) {
    extern char **environ;
    char path[4096], program[] = "gnuplot", *arguments[] = {program, path, NULL};
    pid_t child;
    int status = 1;
    snprintf(path, sizeof path, "%s/%s%s", report->out, report->name, suffix);
    if (blocks && posix_spawnp(&child, "gnuplot", NULL, NULL, arguments, environ) == 0) waitpid(child, &status, 0);
    if (blocks && status != 0) fprintf(stderr, "no plot: gnuplot %s failed (is gnuplot installed?)\n", path);
    if (!blocks || status == 0) unlink(path);
}

static void plot(const bench_report *report, int pages) {
    char titles[32][40];
    FILE *file = bench_report_file(report, pages ? "-pages.gp" : "-rate.gp");
    uint32_t blocks = write_blocks(report, file, pages, titles);
    fprintf(file, "set terminal svg size 820,520 font 'sans,13' background '#ffffff'\nset output '%s/%s-%s.svg'\n",
            report->out, report->name, pages ? "pages" : "rate");
    fprintf(file, "set title '%s: %s'\nset xlabel 'recall@%u'\nset ylabel '%s'\n", report->name,
            pages ? "pages read per query" : "queries per second (higher is better)", report->plan->k,
            pages ? "4 KiB pages per query" : "queries/s");
    fprintf(file, "set key outside right\nset grid\n%splot ", pages ? "" : "set logscale y\nset xrange [0.5:1]\n");
    for (uint32_t i = 0; i < blocks; i++)
        fprintf(file, "%s$block%u using 1:2 with linespoints linewidth %d pointtype %u title '%s'", i ? ", " : "", i,
                strcmp(titles[i], "Gosset") == 0 ? 3 : 1, i % 12 + 1, titles[i]);
    fputc('\n', file);
    fclose(file);
    bench_report_plot(report, pages ? "-pages.gp" : "-rate.gp", blocks);
}

void bench_report_table(const bench_report *report, const char *suffix, const char *title,
                        void (*table)(const bench_report *, FILE *)) {
    FILE *file = bench_report_file(report, suffix);
    write_heading(report, file, title);
    table(report, file);
    write_notes(report, file);
    fclose(file);
    table(report, stdout);
    write_notes(report, stdout);
}

static void write_search(const bench_report *report, FILE *file) {
    write_search_table(report, file);
    write_ratios(report, file);
}

void bench_report_search(const bench_report *report) {
    bench_report_table(report, "-search.md", "Search", write_search);
    write_search_json(report);
    plot(report, 0);
    plot(report, 1);
}
