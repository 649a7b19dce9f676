/* The codes: a table for each size, JSON, CSV, a plot of depths over sizes. */
#include "log.h"
#include "report.h"

#include <string.h>

static void write_time(FILE *file, const char *format, double time) {
    if (time > 0)
        fprintf(file, format, time);
    else
        fprintf(file, " – |");
}

static void write_row(FILE *file, const bench_code *code, int with_other) {
    const rank_quality *quality = &code->quality;
    fprintf(file, "| %s | %s | %.0f%s |", code->name, code->factory, code->bytes, code->has_cell ? " + cell" : "");
    if (!quality->depth[0]) {
        fprintf(file, " %s | | | | | | | | | |%s\n", code->reason, with_other ? " | | |" : "");
        return;
    }
    fprintf(file, " %.3f | %.3f | %.3f | %.3f | %u | **%u** | %u |", quality->r_at[0], quality->r_at[1],
            quality->r_at[2], quality->recall_at_10, quality->depth[0], quality->depth[1], quality->depth[2]);
    fprintf(file, " %.0f |", code->train_seconds);
    write_time(file, " %.1f |", code->encode_us);
    write_time(file, " %.1f |", code->scan_ns);
    if (with_other)
        fprintf(file, " %.3f | %.3f | %u, **%u**, %u |", code->other.r_at[0], code->other.r_at[1], code->other.depth[0],
                code->other.depth[1], code->other.depth[2]);
    fputc('\n', file);
}

static void write_sizes(const bench_report *report, FILE *file) {
    for (uint32_t size = 1; size <= 4096; size++) {
        int first = 1;
        for (uint32_t i = 0; i < report->results->code_count; i++) {
            const bench_code *code = &report->results->codes[i];
            if (code->size != size) continue;
            if (first)
                fprintf(file,
                        "| family | %u bytes | stored | R@1 | R@10 | R@100 | recall10@10 | depth for 0.90 | 0.95 | "
                        "0.99 | train s | encode µs | scan ns/code |%s\n"
                        "|---|---|---|---|---|---|---|---|---|---|---|---|---|%s\n",
                        size, report->other ? " other queries: R@1 | R@10 | depth for 0.90, 0.95, 0.99 |" : "",
                        report->other ? "---|---|---|" : "");
            first = 0;
            write_row(file, code, report->other != NULL);
        }
        if (!first) fputc('\n', file);
    }
}

static void write_json_quality(FILE *file, const char *prefix, const rank_quality *quality) {
    static const char *const recalls[] = {"r_at_1", "r_at_10", "r_at_100"};
    static const char *const depths[] = {"rerank_depth_90", "rerank_depth_95", "rerank_depth_99"};
    if (!quality->depth[0]) return;
    for (int i = 0; i < 3; i++)
        fprintf(file, "\"%s%s\": %.4f, \"%s%s\": %u, ", prefix, recalls[i], quality->r_at[i], prefix, depths[i],
                quality->depth[i]);
    fprintf(file, "\"%srecall_at_10\": %.4f, ", prefix, quality->recall_at_10);
}

static void write_json(const bench_report *report) {
    char machine[256];
    FILE *file = bench_report_file(report, "-codes.json");
    bench_machine(machine, sizeof machine);
    fprintf(file, "{\"machine\": \"%s\", \"faiss_version\": \"%s\", \"base_count\": %zu, \"threads\": %u, \"codes\": [",
            machine, GOSSET_FAISS_VERSION, report->data->base.count,
            report->plan->threads[report->plan->thread_count - 1]);
    for (uint32_t i = 0; i < report->results->code_count; i++) {
        const bench_code *code = &report->results->codes[i];
        fprintf(file,
                "%s\n  {\"family\": \"%s\", \"code\": \"%s\", \"code_bytes_per_vector\": %.0f, \"has_cell\": %s, ",
                i ? "," : "", code->name, code->factory, code->bytes, code->has_cell ? "true" : "false");
        write_json_quality(file, "", &code->quality);
        write_json_quality(file, "other_", &code->other);
        fprintf(file, "\"train_seconds\": %.2f, \"encode_us\": %.3f, \"scan_ns\": %.3f, \"reason\": \"",
                code->train_seconds, code->encode_us, code->scan_ns);
        for (const char *c = code->reason; *c; c++) fputc(*c == '"' || *c == '\\' || *c < ' ' ? '\'' : *c, file);
        fprintf(file, "\"}");
    }
    fprintf(file, "\n]}\n");
    fclose(file);
}

static const rank_quality *quality_of(const bench_code *code, int other) {
    return other ? &code->other : &code->quality;
}

/* A family's best code at the size of another row; NULL when an earlier row stood for that size. */
static const bench_code *best_of_size(const bench_results *results, const char *name, uint32_t row, int other) {
    const bench_code *best = NULL;
    for (uint32_t i = 0; i < results->code_count; i++) {
        const bench_code *code = &results->codes[i];
        if (code->size != results->codes[row].size) continue;
        if (i < row) return NULL;
        if (strcmp(code->name, name) != 0 || !quality_of(code, other)->depth[1]) continue;
        if (!best || quality_of(code, other)->depth[1] < quality_of(best, other)->depth[1]) best = code;
    }
    return best;
}

/* One block of data for each family: its best code at each size. */
static uint32_t write_block(const bench_report *report, FILE *file, const char *name, int other, uint32_t block) {
    uint32_t points = 0;
    for (uint32_t row = 0; row < report->results->code_count; row++) {
        const bench_code *best = best_of_size(report->results, name, row, other);
        if (!best) continue;
        if (points++ == 0) fprintf(file, "$block%d_%u << EOD\n", other, block);
        fprintf(file, "%u %u %.4f\n", best->size, quality_of(best, other)->depth[1], quality_of(best, other)->r_at[1]);
    }
    if (points) fprintf(file, "EOD\n");
    return points;
}

static void write_panel(FILE *file, const char *const *titles, const uint32_t *points, uint32_t count, int other,
                        int recall) {
    fprintf(file, "set title '%s%s'\n%s\nplot ",
            recall ? "R\\@10: the nearest is among the first ten" : "candidates needed for recall\\@10 of 0.95",
            other ? ", the other queries" : "",
            recall ? "unset logscale y\nset yrange [*:1]\nset key on"
                   : "set logscale y\nset yrange [9:*]\nset key off");
    for (uint32_t i = 0, drawn = 0; i < count; i++)
        if (points[i])
            fprintf(file, "%s$block%d_%u using 1:%d with linespoints linewidth %d pointtype %u linecolor %u title '%s'",
                    drawn++ ? ", " : "", other, i, recall ? 3 : 2, strcmp(titles[i], "Gosset") == 0 ? 3 : 1, i % 12 + 1,
                    i % 8 + 1, titles[i]);
    fputc('\n', file);
}

/* The families with figures, each once; what the features would do without codes is not one. */
static uint32_t list_families(const bench_results *results, const char **titles) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < results->code_count; i++) {
        const bench_code *code = &results->codes[i];
        int seen = !code->quality.depth[0] || strcmp(code->name, "Gosset: not coded") == 0;
        for (uint32_t j = 0; j < count; j++) seen |= strcmp(titles[j], code->name) == 0;
        if (!seen) titles[count++] = code->name;
    }
    return count;
}

static void plot(const bench_report *report) {
    const char *titles[BENCH_MAX_CODES];
    uint32_t points[2][BENCH_MAX_CODES];
    const int sets = report->other ? 2 : 1;
    FILE *file = bench_report_file(report, "-codes.gp");
    const uint32_t count = list_families(report->results, titles);
    for (int other = 0; other < sets; other++)
        for (uint32_t i = 0; i < count; i++) points[other][i] = write_block(report, file, titles[i], other, i);
    fprintf(file,
            "set terminal svg size 1100,%d font 'sans,13' background '#ffffff'\nset output '%s/%s-codes.svg'\n"
            "set multiplot layout %d,2 title '%s: codes of equal size, compared with every base vector' margins screen "
            "0.05,0.80,%.3f,%.3f spacing screen 0.06,0.12\nset key at screen 0.99,0.9\n"
            "set xlabel 'bytes a vector'\nset logscale x 2\nset xrange [%f:%f]\nset grid\n",
            sets * 420 + 40, report->out, report->name, sets, report->name, sets == 2 ? 0.07 : 0.13,
            sets == 2 ? 0.92 : 0.86, report->plan->sizes[0] / 1.2,
            report->plan->sizes[report->plan->size_count - 1] * 1.2);
    for (int other = 0; other < sets && count; other++)
        for (int recall = 0; recall < 2; recall++) write_panel(file, titles, points[other], count, other, recall);
    fputs("unset multiplot\n", file);
    fclose(file);
    bench_report_plot(report, "-codes.gp", count);
}

void bench_report_codes(const bench_report *report) {
    bench_report_table(report, "-codes.md", "Codes", write_sizes);
    FILE *file = bench_report_file(report, "-codes.csv");
    bench_log_header(file);
    for (uint32_t i = 0; i < report->results->code_count; i++)
        bench_log_line(file, report->plan, &report->results->codes[i]);
    fclose(file);
    write_json(report);
    plot(report);
}
