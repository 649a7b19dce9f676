/* The codes: a table for each size, JSON, CSV, a plot of depths over sizes. */
#include "report.h"
#include "rival.h"

#include <string.h>

static const char columns[] =
    "set,family,code,size,bytes,has_cell,ranking,r_at_1,r_at_10,r_at_100,recall_at_10,depth_90,depth_95,depth_99,"
    "train_seconds,encode_us,scan_ns,reason\n";

static void write_csv_line(FILE *file, const bench_plan *plan, const bench_code *code) {
    const rank_quality *quality = &code->quality;
    fprintf(file, "\"%s\",\"%s\",\"%s\",%u,%.0f,%d,%s,", plan->name, code->name, code->factory, code->size, code->bytes,
            code->has_cell, code->ranking);
    if (quality->depth[0])
        fprintf(file, "%.4f,%.4f,%.4f,%.4f,%u,%u,%u,", quality->r_at[0], quality->r_at[1], quality->r_at[2],
                quality->recall_at_10, quality->depth[0], quality->depth[1], quality->depth[2]);
    else
        fprintf(file, ",,,,,,,");
    fprintf(file, "%.1f,%.2f,%.2f,\"", code->train_seconds, code->encode_us, code->scan_ns);
    for (const char *c = code->reason; *c; c++) fputc(*c == '"' || *c == '\n' ? '\'' : *c, file);
    fprintf(file, "\"\n");
}

void bench_log_code(const bench_plan *plan, const bench_code *code) {
    if (!plan->log) return;
    FILE *file = fopen(plan->log, "a");
    if (!file) bench_fail("%s: cannot be written", plan->log);
    fseek(file, 0, SEEK_END);
    if (ftell(file) == 0) fputs(columns, file);
    write_csv_line(file, plan, code);
    fclose(file);
}

static void write_time(FILE *file, const char *format, double time) {
    if (time > 0)
        fprintf(file, format, time);
    else
        fprintf(file, " – |");
}

static void write_row(FILE *file, const bench_code *code) {
    const rank_quality *quality = &code->quality;
    fprintf(file, "| %s | %s | %.0f%s |", code->name, code->factory, code->bytes, code->has_cell ? " + cell" : "");
    if (!quality->depth[0]) {
        fprintf(file, " %s | | | | | | | | | |\n", code->reason);
        return;
    }
    fprintf(file, " %.3f | %.3f | %.3f | %.3f | %u | **%u** | %u |", quality->r_at[0], quality->r_at[1],
            quality->r_at[2], quality->recall_at_10, quality->depth[0], quality->depth[1], quality->depth[2]);
    fprintf(file, " %.0f |", code->train_seconds);
    write_time(file, " %.1f |", code->encode_us);
    write_time(file, " %.1f |", code->scan_ns);
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
                        "0.99 | train s | encode µs | scan ns/code |\n"
                        "|---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
                        size);
            first = 0;
            write_row(file, code);
        }
        if (!first) fputc('\n', file);
    }
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
        const rank_quality *quality = &code->quality;
        fprintf(file,
                "%s\n  {\"family\": \"%s\", \"code\": \"%s\", \"code_bytes_per_vector\": %.0f, \"has_cell\": %s, ",
                i ? "," : "", code->name, code->factory, code->bytes, code->has_cell ? "true" : "false");
        if (quality->depth[0])
            fprintf(file,
                    "\"r_at_1\": %.4f, \"r_at_10\": %.4f, \"r_at_100\": %.4f, \"recall_at_10\": %.4f, "
                    "\"rerank_depth_90\": %u, \"rerank_depth_95\": %u, \"rerank_depth_99\": %u, ",
                    quality->r_at[0], quality->r_at[1], quality->r_at[2], quality->recall_at_10, quality->depth[0],
                    quality->depth[1], quality->depth[2]);
        fprintf(file, "\"train_seconds\": %.2f, \"encode_us\": %.3f, \"scan_ns\": %.3f, \"reason\": \"",
                code->train_seconds, code->encode_us, code->scan_ns);
        for (const char *c = code->reason; *c; c++) fputc(*c == '"' || *c == '\\' || *c < ' ' ? '\'' : *c, file);
        fprintf(file, "\"}");
    }
    fprintf(file, "\n]}\n");
    fclose(file);
}

/* One block of data for each family: its best code at each size. */
static uint32_t write_block(const bench_report *report, FILE *file, const char *name, uint32_t block) {
    uint32_t points = 0;
    for (uint32_t i = 0; i < report->results->code_count; i++) { /* sizes that some family has */
        const bench_code *best = NULL;
        int seen = 0;
        for (uint32_t j = 0; j < report->results->code_count; j++) {
            const bench_code *code = &report->results->codes[j];
            if (code->size != report->results->codes[i].size) continue;
            seen |= j < i;
            if (strcmp(code->name, name) == 0 && code->quality.depth[1] &&
                (!best || code->quality.depth[1] < best->quality.depth[1]))
                best = code;
        }
        if (seen || !best) continue;
        if (points++ == 0) fprintf(file, "$block%u << EOD\n", block);
        fprintf(file, "%u %u\n", best->size, best->quality.depth[1]);
    }
    if (points) fprintf(file, "EOD\n");
    return points;
}

static void plot(const bench_report *report) {
    const char *titles[BENCH_MAX_CODES];
    uint32_t blocks = 0;
    FILE *file = bench_report_file(report, "-codes.gp");
    for (uint32_t i = 0; i < report->results->code_count; i++) {
        int seen = 0;
        for (uint32_t j = 0; j < i; j++)
            seen |= strcmp(report->results->codes[j].name, report->results->codes[i].name) == 0;
        if (!seen && write_block(report, file, report->results->codes[i].name, blocks))
            titles[blocks++] = report->results->codes[i].name;
    }
    fprintf(file,
            "set terminal svg size 820,520 font 'sans,13' background '#ffffff'\nset output '%s/%s-codes.svg'\n"
            "set title '%s: candidates needed for recall\\@10 of 0.95 (fewer is better)'\n"
            "set xlabel 'bytes a vector'\nset ylabel 'candidates'\nset logscale x 2\nset logscale y\n"
            "set xrange [%f:%f]\nset yrange [9:*]\nset key outside right\nset grid\nplot ",
            report->out, report->name, report->name, report->plan->sizes[0] / 1.4,
            report->plan->sizes[report->plan->size_count - 1] * 1.4);
    for (uint32_t i = 0; i < blocks; i++)
        fprintf(file, "%s$block%u using 1:2 with linespoints linewidth %d pointtype %u title '%s'", i ? ", " : "", i,
                strncmp(titles[i], "Gosset", 6) == 0 ? 3 : 1, i % 12 + 1, titles[i]);
    fputc('\n', file);
    fclose(file);
    bench_report_plot(report, "-codes.gp", blocks);
}

void bench_report_codes(const bench_report *report) {
    bench_report_table(report, "-codes.md", "Codes", write_sizes);
    FILE *file = bench_report_file(report, "-codes.csv");
    fputs(columns, file);
    for (uint32_t i = 0; i < report->results->code_count; i++)
        write_csv_line(file, report->plan, &report->results->codes[i]);
    fclose(file);
    write_json(report);
    plot(report);
}
