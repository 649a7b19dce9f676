/* The cells: a table, JSON, and a plot of recall over the share of the base that is looked at. */
#include "report.h"

static void write_table(const bench_report *report, FILE *file) {
    fprintf(file, "| cells | from | number | not empty | largest | imbalance | looked at for recall@10 0.80 | 0.90 | "
                  "0.95 | 0.99 | "
                  "cells for these | learnt in s |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n");
    for (uint32_t i = 0; i < report->results->cells_count; i++) {
        const bench_cells *cells = &report->results->cells[i];
        if (!cells->point_count) continue;
        fprintf(file, "| %s | %s | %u | %u | %llu | **%.2f** |", cells->name, cells->setting, cells->count, cells->used,
                (unsigned long long)cells->largest, cells->imbalance);
        for (int level = 0; level < BENCH_CELL_LEVELS; level++)
            fprintf(file, level == 2 ? " **%.3f %%** |" : " %.3f %% |", 100 * cells->scanned_for[level]);
        for (int level = 0; level < BENCH_CELL_LEVELS; level++)
            fprintf(file, "%s%u", level ? ", " : " ", cells->probe_for[level]);
        fprintf(file, " | %.0f |\n", cells->train_seconds);
    }
    fputc('\n', file);
}

static void write_json(const bench_report *report) {
    char machine[256];
    FILE *file = bench_report_file(report, "-cells.json");
    bench_machine(machine, sizeof machine);
    fprintf(file,
            "{\"machine\": \"%s\", \"faiss_version\": \"%s\", \"base_count\": %zu, \"query_count\": %zu, \"cells\": [",
            machine, GOSSET_FAISS_VERSION, report->data->base.count, report->data->query.count);
    for (uint32_t i = 0; i < report->results->cells_count; i++) {
        const bench_cells *cells = &report->results->cells[i];
        fprintf(file,
                "%s\n  {\"system\": \"%s\", \"setting\": \"%s\", \"count\": %u, \"used\": %u, \"largest\": %llu, "
                "\"imbalance\": %.4f, \"train_seconds\": %.1f, \"curve\": [",
                i ? "," : "", cells->name, cells->setting, cells->count, cells->used,
                (unsigned long long)cells->largest, cells->imbalance, cells->train_seconds);
        for (uint32_t j = 0; j < cells->point_count; j++)
            fprintf(file, "%s{\"probe\": %u, \"recall\": %.5f, \"scanned\": %.7f}", j ? ", " : "",
                    cells->points[j].probe, cells->points[j].recall, cells->points[j].scanned);
        fprintf(file, "]}");
    }
    fprintf(file, "\n]}\n");
    fclose(file);
}

static void plot(const bench_report *report) {
    uint32_t blocks = 0;
    FILE *file = bench_report_file(report, "-cells.gp");
    for (uint32_t i = 0; i < report->results->cells_count; i++) {
        const bench_cells *cells = &report->results->cells[i];
        if (!cells->point_count) continue;
        fprintf(file, "$block%u << EOD\n", i);
        for (uint32_t j = 0; j < cells->point_count; j++)
            fprintf(file, "%.6f %.5f\n", 100 * cells->points[j].scanned, cells->points[j].recall);
        fprintf(file, "EOD\n");
        blocks++;
    }
    fprintf(file,
            "set terminal svg size 820,520 font 'sans,13' background '#ffffff'\nset output '%s/%s-cells.svg'\n"
            "set title '%s: true neighbours in the cells that are looked at'\nset xlabel '%% of the base'\n"
            "set ylabel 'share of the true ten neighbours'\nset logscale x\nset xrange [*:100]\nset yrange [0:1]\n"
            "set key right bottom\nset grid\nplot ",
            report->out, report->name, report->name);
    for (uint32_t i = 0, drawn = 0; i < report->results->cells_count; i++) {
        const bench_cells *cells = &report->results->cells[i];
        if (cells->point_count)
            fprintf(file, "%s$block%u using 1:2 with linespoints linewidth %d pointtype %u title '%s %s (%u cells)'",
                    drawn++ ? ", " : "", i, cells->name[0] == 'G' ? 3 : 1, i + 1, cells->name, cells->setting,
                    cells->count);
    }
    fputc('\n', file);
    fclose(file);
    bench_report_plot(report, "-cells.gp", blocks);
}

void bench_report_cells(const bench_report *report) {
    bench_report_table(report, "-cells.md", "Cells", write_table);
    write_json(report);
    plot(report);
}
