/* gosset-bench curves: recall over pages and over codes compared, of several runs of 'gosset bench' in one plot. */
#include "report.h"

#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>

enum { CURVES_MAX = 8 };

static const char usage[] = "usage: gosset-bench curves [options] LABEL=FILE...\n"
                            "\n"
                            "Files are what 'gosset bench --json' printed, such as of queries of several kinds. Writes "
                            "NAME-curves.md and .svg:\n"
                            "recall over pages and over codes compared, side by side, a curve for each file.\n"
                            "\n"
                            "  --name NAME     what files and headings are called (default \"bench\")\n"
                            "  --out DIR       where files go (default \"bench-results\")\n";

typedef struct curve {
    char label[64];
    json_t *said; /* the file */
} curve;

typedef struct curves_run {
    curve curves[CURVES_MAX];
    size_t count;
} curves_run;

static double number(const json_t *object, const char *key) {
    return json_number_value(json_object_get(object, key));
}

static const json_t *rows_of(const curve *self) {
    return json_object_get(self->said, "rows");
}

static void take_file(curves_run *run, const char *argument) {
    const char *path = strchr(argument, '=');
    json_error_t error;
    if (!path || path == argument) bench_fail("%s: expected LABEL=FILE", argument);
    if (run->count == CURVES_MAX) bench_fail("more than %d curves", CURVES_MAX);
    curve *self = &run->curves[run->count++];
    snprintf(self->label, sizeof self->label, "%.*s", (int)(path - argument), argument);
    self->said = json_load_file(path + 1, 0, &error);
    if (!self->said) bench_fail("%s: %s", path + 1, error.text);
    if (json_array_size(rows_of(self)) == 0) bench_fail("%s: expected what 'gosset bench --json' prints", path + 1);
    for (char *c = self->label; *c; c++)
        if (*c == '\'' || *c == '|') *c = ' '; /* they end a title or a field */
}

/* The fewest pages of a row that has the recall; NULL = none has. */
static const json_t *cheapest(const curve *self, double recall) {
    const json_t *best = NULL;
    json_t *row;
    size_t i;
    json_array_foreach(rows_of(self), i, row) {
        if (number(row, "recall_at_10") < recall) continue;
        if (!best || number(row, "pages_per_query_mean") < number(best, "pages_per_query_mean")) best = row;
    }
    return best;
}

static void write_table(const curves_run *run, FILE *file) {
    static const double levels[] = {0.80, 0.90, 0.95, 0.99};
    fprintf(file, "| recall@10 reached |");
    for (size_t i = 0; i < run->count; i++) fprintf(file, " %s: pages | codes compared |", run->curves[i].label);
    fprintf(file, "\n|---|");
    for (size_t i = 0; i < run->count; i++) fprintf(file, "---|---|");
    fputc('\n', file);
    for (size_t level = 0; level < sizeof levels / sizeof *levels; level++) {
        fprintf(file, "| %.2f |", levels[level]);
        for (size_t i = 0; i < run->count; i++) {
            const json_t *row = cheapest(&run->curves[i], levels[level]);
            if (row)
                fprintf(file, " %.1f (%.4f) | %.0f |", number(row, "pages_per_query_mean"), number(row, "recall_at_10"),
                        number(row, "codes_per_query"));
            else
                fprintf(file, " – | – |");
        }
        fputc('\n', file);
    }
    fputc('\n', file);
}

static void write_panel(const curves_run *run, FILE *file, int codes) {
    fprintf(file, "set xlabel '%s'\nset key %s\nplot ", codes ? "codes compared" : "4 KiB pages a query",
            codes ? "off" : "right bottom");
    for (size_t i = 0; i < run->count; i++)
        fprintf(file, "%s$curve%zu using %d:1 with linespoints linewidth 2 pointtype %zu title '%s'", i ? ", " : "", i,
                codes ? 3 : 2, i + 5, run->curves[i].label);
    fputc('\n', file);
}

static void plot(const bench_report *report, const curves_run *run) {
    FILE *file = bench_report_file(report, "-curves.gp");
    for (size_t i = 0; i < run->count; i++) {
        size_t j;
        json_t *row;
        fprintf(file, "$curve%zu << EOD\n", i);
        json_array_foreach(rows_of(&run->curves[i]), j, row)
            fprintf(file, "%.5f %.3f %.1f\n", number(row, "recall_at_10"), number(row, "pages_per_query_mean"),
                    number(row, "codes_per_query"));
        fprintf(file, "EOD\n");
    }
    fprintf(file,
            "set terminal svg size 1000,460 font 'sans,13' background '#ffffff'\nset output '%s/%s-curves.svg'\n"
            "set multiplot layout 1,2 title '%s'\nset grid\nset yrange [*:1]\nset ylabel 'recall\\@10'\n",
            report->out, report->name, report->name);
    for (int codes = 0; codes < 2; codes++) write_panel(run, file, codes);
    fputs("unset multiplot\n", file);
    fclose(file);
    bench_report_plot(report, "-curves.gp", 1);
}

int bench_curves(int argc, char **argv) {
    static const struct option options[] = {
        {"name", 1, NULL, 'n'}, {"out", 1, NULL, 'o'}, {"help", 0, NULL, 'h'}, {NULL, 0, NULL, 0}};
    curves_run run = {.count = 0};
    bench_report report = {.out = "bench-results", .name = "bench"};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'n') report.name = optarg;
        if (option == 'o') report.out = optarg;
        if (option == 'h' || option == '?') {
            fputs(usage, option == 'h' ? stdout : stderr);
            return option == 'h' ? 0 : 2;
        }
    }
    for (int i = optind; i < argc; i++) take_file(&run, argv[i]);
    if (run.count == 0) bench_fail("curves: expected LABEL=FILE; 'gosset-bench curves --help' explains");
    if (mkdir(report.out, 0777) != 0 && errno != EEXIST) bench_fail("%s: %s", report.out, strerror(errno));
    FILE *file = bench_report_file(&report, "-curves.md");
    write_table(&run, file);
    fclose(file);
    write_table(&run, stdout);
    plot(&report, &run);
    for (size_t i = 0; i < run.count; i++) json_decref(run.curves[i].said);
    return 0;
}
