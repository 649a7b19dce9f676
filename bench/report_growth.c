/* gosset-bench growth: several sizes of one set, the lines through them, and what these say of a size not measured. */
#include "growth.h"
#include "report.h"

#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { SIZES_MAX = 16 };

static const char usage[] =
    "usage: gosset-bench growth [options] FILE...\n"
    "\n"
    "Files are what 'gosset build --json' and 'gosset bench --json' printed for two or more sizes of a set, in any "
    "order.\n"
    "Writes NAME-growth.md, .json and .svg: pages, latency, build and memory over the size, fitted lines, a "
    "projection.\n"
    "\n"
    "  --recall X      the recall asked for, of the rows with one thread and one query at a time (default 0.95)\n"
    "  --project N     the size to project to (default 1000000000)\n"
    "  --name NAME     what files and headings are called (default \"bench\")\n"
    "  --out DIR       where files go (default \"bench-results\")\n";

/* One size. 0: not said by the files. */
typedef struct growth_size {
    double vectors;
    double build_seconds, build_cpu_seconds, build_peak_bytes, disk_bytes, resident_bytes;
    double recall, probe, rerank, pages, pages_p99, p50_us, p99_us, cpu_us, codes;
} growth_size;

typedef struct growth_run {
    double recall, project;
    growth_size sizes[SIZES_MAX];
    size_t count;
} growth_run;

static const struct quantity {
    const char *name, *format;
    size_t offset;
    growth_kind kind;
    double unit;
} quantities[] = {
    {"pages a query", "%.1f", offsetof(growth_size, pages), GROWTH_POWER, 1},
    {"codes compared", "%.0f", offsetof(growth_size, codes), GROWTH_POWER, 1},
    {"processor µs a query", "%.0f", offsetof(growth_size, cpu_us), GROWTH_POWER, 1},
    {"p50 µs", "%.0f", offsetof(growth_size, p50_us), GROWTH_POWER, 1},
    {"p99 µs", "%.0f", offsetof(growth_size, p99_us), GROWTH_POWER, 1},
    {"build, processor s", "%.0f", offsetof(growth_size, build_cpu_seconds), GROWTH_STRAIGHT, 1},
    {"build, s", "%.0f", offsetof(growth_size, build_seconds), GROWTH_STRAIGHT, 1},
    {"memory when searching, MiB", "%.0f", offsetof(growth_size, resident_bytes), GROWTH_STRAIGHT, 1 << 20},
    {"on disk, GiB", "%.2f", offsetof(growth_size, disk_bytes), GROWTH_STRAIGHT, 1 << 30},
};
enum { QUANTITIES = sizeof quantities / sizeof *quantities };

static double value_of(const growth_size *size, size_t quantity) {
    double value;
    memcpy(&value, (const char *)size + quantities[quantity].offset, sizeof value);
    return value / quantities[quantity].unit;
}

/* 0 when fewer than two sizes have it: then there is no line. */
static int fit(const growth_run *run, size_t quantity, growth_line *line) {
    double sizes[SIZES_MAX], values[SIZES_MAX];
    size_t count = 0;
    for (size_t i = 0; i < run->count; i++) {
        sizes[count] = run->sizes[i].vectors;
        values[count] = value_of(&run->sizes[i], quantity);
        count += values[count] > 0;
    }
    if (count < 2) return 0;
    *line = growth_fit(quantities[quantity].kind, sizes, values, count);
    return 1;
}

/* ---- reading ------------------------------------------------------------------------------ */

static double number(const json_t *object, const char *key) {
    return json_number_value(json_object_get(object, key));
}

static growth_size *size_of(growth_run *run, double vectors) {
    size_t at = 0;
    while (at < run->count && run->sizes[at].vectors < vectors) at++;
    if (at < run->count && run->sizes[at].vectors == vectors) return &run->sizes[at];
    if (run->count == SIZES_MAX) bench_fail("more than %d sizes", SIZES_MAX);
    memmove(&run->sizes[at + 1], &run->sizes[at], (run->count++ - at) * sizeof *run->sizes);
    run->sizes[at] = (growth_size){.vectors = vectors};
    return &run->sizes[at];
}

static void take_row(growth_size *size, const json_t *row) {
    size->recall = number(row, "recall_at_10");
    size->probe = number(row, "probe");
    size->rerank = number(row, "rerank");
    size->pages = number(row, "pages_per_query_mean");
    size->pages_p99 = number(row, "pages_per_query_p99");
    size->p50_us = number(row, "latency_p50_us");
    size->p99_us = number(row, "latency_p99_us");
    size->cpu_us = number(row, "cpu_us");
    size->codes = number(row, "codes_per_query");
}

static void take_file(growth_run *run, const char *path) {
    json_error_t error;
    json_t *said = json_load_file(path, 0, &error);
    const double vectors = number(said, "vector_count");
    size_t i, found = 0;
    json_t *row;
    if (!said) bench_fail("%s: %s", path, error.text);
    if (!(vectors > 0)) bench_fail("%s: expected what 'gosset build --json' or 'gosset bench --json' prints", path);
    growth_size *size = size_of(run, vectors);
    if (json_object_get(said, "build_seconds")) {
        size->build_seconds = number(said, "build_seconds");
        size->build_cpu_seconds = number(said, "build_cpu_seconds");
        size->build_peak_bytes = number(said, "build_peak_bytes");
        size->disk_bytes = number(said, "disk_bytes");
    } else {
        size->resident_bytes = number(said, "resident_bytes");
        json_array_foreach(json_object_get(said, "rows"), i, row) {
            if (found || fabs(number(row, "recall_target") - run->recall) > 1e-9 || number(row, "threads") != 1 ||
                number(row, "batch") != 1 || json_is_number(json_object_get(row, "arrivals_per_second")))
                continue;
            take_row(size, row);
            found = 1;
        }
        if (!found) bench_fail("%s: no row of one thread and one query at a time for recall %g", path, run->recall);
    }
    json_decref(said);
}

/* ---- writing ------------------------------------------------------------------------------ */

static void write_sizes(const growth_run *run, FILE *file) {
    fprintf(
        file,
        "| vectors | recall@10 | cells, candidates | pages mean / p99 | codes compared | processor µs | p50 / p99 µs | "
        "build s | ... of the processor | peak MiB | on disk GiB | memory MiB | bytes a vector |\n"
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < run->count; i++) {
        const growth_size *size = &run->sizes[i];
        fprintf(file, "| %.0f | %.4f | %.0f, %.0f | %.1f / %.0f | %.0f | %.0f | %.0f / %.0f |", size->vectors,
                size->recall, size->probe, size->rerank, size->pages, size->pages_p99, size->codes, size->cpu_us,
                size->p50_us, size->p99_us);
        fprintf(file, " %.0f | %.0f | %.0f | %.2f | %.0f | %.1f |\n", size->build_seconds, size->build_cpu_seconds,
                size->build_peak_bytes / (1 << 20), size->disk_bytes / (1 << 30), size->resident_bytes / (1 << 20),
                size->resident_bytes / size->vectors);
    }
    fputc('\n', file);
}

static void write_lines(const growth_run *run, FILE *file) {
    fprintf(file,
            "| | exponent of the line in log-log | tenfold vectors cost | between the largest two | at %.0f, "
            "*projected* | by |\n"
            "|---|---|---|---|---|---|\n",
            run->project);
    for (size_t i = 0; i < QUANTITIES; i++) {
        growth_line line;
        if (!fit(run, i, &line)) continue;
        fprintf(file, "| %s | %.3f | x %.2f |", quantities[i].name, line.exponent, pow(10, line.exponent));
        const growth_size *last = &run->sizes[run->count - 1];
        const double step = value_of(last - 1, i) > 0 && value_of(last, i) > 0
                                ? log(value_of(last, i) / value_of(last - 1, i)) / log(last->vectors / last[-1].vectors)
                                : NAN;
        if (isnan(step))
            fprintf(file, " – | *");
        else
            fprintf(file, " x %.2f | *", pow(10, step));
        fprintf(file, quantities[i].format, growth_project(&line, run->project)); /* one of the table above */
        fprintf(file, "* | %s |\n", line.kind == GROWTH_POWER ? "this line" : "straight line of the largest two");
    }
    fputc('\n', file);
}

static void write_json(const bench_report *report, const growth_run *run) {
    FILE *file = bench_report_file(report, "-growth.json");
    fprintf(file, "{\"recall_target\": %g, \"sizes\": [", run->recall);
    for (size_t i = 0; i < run->count; i++) {
        const growth_size *size = &run->sizes[i];
        fprintf(file, "%s\n  {\"vector_count\": %.0f, \"recall_at_10\": %.5f", i ? "," : "", size->vectors,
                size->recall);
        for (size_t j = 0; j < QUANTITIES; j++) fprintf(file, ", \"%s\": %.6g", quantities[j].name, value_of(size, j));
        fputc('}', file);
    }
    fprintf(file, "],\n \"lines\": [");
    for (size_t i = 0, written = 0; i < QUANTITIES; i++) {
        growth_line line;
        if (!fit(run, i, &line)) continue;
        fprintf(file, "%s\n  {\"of\": \"%s\", \"exponent\": %.4f, \"projected_to\": %.0f, \"projection\": %.6g}",
                written++ ? "," : "", quantities[i].name, line.exponent, run->project,
                growth_project(&line, run->project));
    }
    fprintf(file, "]}\n");
    fclose(file);
}

static void write_points(const growth_run *run, FILE *file, size_t quantity, const growth_line *line) {
    const double first = run->sizes[0].vectors;
    fprintf(file, "$points%zu << EOD\n", quantity);
    for (size_t i = 0; i < run->count; i++)
        if (value_of(&run->sizes[i], quantity) > 0)
            fprintf(file, "%.0f %g\n", run->sizes[i].vectors, value_of(&run->sizes[i], quantity));
    fprintf(file, "EOD\n$line%zu << EOD\n", quantity);
    for (int i = 0; i <= 30; i++) {
        const double vectors = first * pow(run->project / first, i / 30.0);
        fprintf(file, "%.0f %g\n", vectors, growth_project(line, vectors));
    }
    fprintf(file, "EOD\n");
}

static void plot(const bench_report *report, const growth_run *run) {
    static const struct {
        const char *title;
        size_t quantities[2];
    } panels[] = {{"4 KiB pages a query", {0, 0}},
                  {"latency of a query, µs", {3, 4}},
                  {"build, s", {5, 6}},
                  {"memory when searching, MiB", {7, 7}}};
    int has[QUANTITIES];
    FILE *file = bench_report_file(report, "-growth.gp");
    for (size_t i = 0; i < QUANTITIES; i++) {
        growth_line line;
        has[i] = fit(run, i, &line);
        if (has[i]) write_points(run, file, i, &line);
    }
    fprintf(
        file,
        "set terminal svg size 1000,760 font 'sans,13' background '#ffffff'\nset output '%s/%s-growth.svg'\n"
        "set multiplot layout 2,2 title '%s: growth at recall\\@10 %g; lines are fitted, beyond the points projected'\n"
        "set logscale xy\nset xrange [%g:%g]\nset format x '10^{%%T}'\nset xlabel 'vectors'\nset grid\nset key left "
        "top\n",
        report->out, report->name, report->name, run->recall, run->sizes[0].vectors / 2, run->project * 2);
    for (size_t panel = 0; panel < sizeof panels / sizeof *panels; panel++) {
        int drawn = 0;
        for (int i = 0; i < (panels[panel].quantities[0] == panels[panel].quantities[1] ? 1 : 2); i++) {
            const size_t quantity = panels[panel].quantities[i];
            if (!has[quantity]) continue;
            fprintf(file, "%s", drawn++ ? ", " : "");
            if (drawn == 1) fprintf(file, "set title '%s'\nplot ", panels[panel].title);
            fprintf(file,
                    "$points%zu using 1:2 with points pointtype 7 linecolor %d title '%s', "
                    "$line%zu using 1:2 with lines dashtype 2 linecolor %d notitle",
                    quantity, i + 1, quantities[quantity].name, quantity, i + 1);
        }
        fprintf(file, drawn ? "\n" : "set multiplot next\n");
    }
    fputs("unset multiplot\n", file);
    fclose(file);
    bench_report_plot(report, "-growth.gp", 1);
}

static void write_tables(const bench_report *report, const growth_run *run) {
    char machine[256];
    FILE *file = bench_report_file(report, "-growth.md");
    bench_machine(machine, sizeof machine);
    fprintf(file, "### Growth: %s\n\n%s. Recall asked for: %g; one thread, one query at a time.\n\n", report->name,
            machine, run->recall);
    write_sizes(run, file);
    write_lines(run, file);
    fclose(file);
    write_sizes(run, stdout);
    write_lines(run, stdout);
}

static double positive(const char *text) {
    char *end;
    const double value = strtod(text, &end);
    if (end == text || *end || !(value > 0)) bench_fail("%s: expected a number above 0", text);
    return value;
}

int bench_growth(int argc, char **argv) {
    static const struct option options[] = {{"recall", 1, NULL, 'r'}, {"project", 1, NULL, 'p'}, {"name", 1, NULL, 'n'},
                                            {"out", 1, NULL, 'o'},    {"help", 0, NULL, 'h'},    {NULL, 0, NULL, 0}};
    growth_run run = {.recall = 0.95, .project = 1e9};
    bench_report report = {.out = "bench-results", .name = "bench"};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'r') run.recall = positive(optarg);
        if (option == 'p') run.project = positive(optarg);
        if (option == 'n') report.name = optarg;
        if (option == 'o') report.out = optarg;
        if (option == 'h' || option == '?') {
            fputs(usage, option == 'h' ? stdout : stderr);
            return option == 'h' ? 0 : 2;
        }
    }
    for (int i = optind; i < argc; i++) take_file(&run, argv[i]);
    if (run.count < 2) bench_fail("growth: expected files of two sizes or more; 'gosset-bench growth --help' explains");
    if (mkdir(report.out, 0777) != 0 && errno != EEXIST) bench_fail("%s: %s", report.out, strerror(errno));
    write_tables(&report, &run);
    write_json(&report, &run);
    plot(&report, &run);
    return 0;
}
