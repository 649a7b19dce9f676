#include "cli/bench_rows.h"
#include "cli/searching.h"

#include <stdio.h>

void bench_print_header(const cli_output *output, uint32_t k) {
    char recall[24];
    snprintf(recall, sizeof recall, "recall@%u", k);
    output_line(output, "%7s %6s %7s %7s %6s %6s %9s %6s %5s %7s %7s %7s %5s %7s %6s %6s %6s %6s %9s", "threads",
                "flight", "arrive", "target", "probe", "rerank", recall, "pages", "p99", "p50 us", "p99 us", "q/s",
                "disk", "codes", "map us", "scan", "read", "cpu", "bare");
}

static double device_share(const bench_row *row) {
    return row->measured->queries_per_second * row->measured->pages_mean / row->device_rate;
}

/* "-" for what was not asked for or not measured. */
static const char *number(char text[16], double value, const char *format) {
    if (value > 0)
        snprintf(text, 16, format, value);
    else
        snprintf(text, 16, "-");
    return text;
}

void bench_print_row(const cli_output *output, const bench_row *row) {
    const measure_request *request = row->request;
    const measurement *m = row->measured;
    const double queries = (double)m->sum.queries, share = row->device_rate > 0 ? 100 * device_share(row) : 0;
    char arrive[16], target[16], disk[16], bare[24] = "-", flight[16] = "1";
    if (request->batch > 1)
        snprintf(flight, sizeof flight, "b%u", request->batch);
    else if (request->in_flight > 0)
        snprintf(flight, sizeof flight, "%u", request->in_flight);
    if (row->bare.p50_us > 0) snprintf(bare, sizeof bare, "%.0f/%.0f", row->bare.p50_us, row->bare.p99_us);
    output_line(
        output, "%7u %6s %7s %7s %6u %6u %9.4f %6.1f %5.0f %7.0f %7.0f %7.0f %5s %7.0f %6.1f %6.1f %6.1f %6.1f %9s",
        request->threads, flight, number(arrive, request->rate, "%.0f"),
        number(target, request->options.recall, "%.3f"), row->chosen.probe, row->chosen.rerank, row->recall,
        m->pages_mean, m->pages_p99, m->latency_p50_us, m->latency_p99_us, m->queries_per_second,
        number(disk, share, "%.0f%%"), (double)m->sum.codes_scanned / queries, (double)m->sum.encode_ns / queries / 1e3,
        (double)m->sum.scan_ns / queries / 1e3, (double)m->sum.io_ns / queries / 1e3, m->cpu_us, bare);
}

json_t *bench_json_row(const bench_row *row) {
    const measure_request *request = row->request;
    char key[32];
    cli_output out;
    output_start(&out, 1);
    snprintf(key, sizeof key, "recall_at_%u", request->k);
    output_count(&out, "threads", NULL, request->threads);
    output_count(&out, "in_flight", NULL, request->in_flight);
    output_count(&out, "batch", NULL, request->batch > 1 ? request->batch : 1);
    output_json(&out, "arrivals_per_second", request->rate > 0 ? json_real(request->rate) : json_null());
    output_json(&out, "recall_target", request->options.recall > 0 ? json_real(request->options.recall) : json_null());
    output_count(&out, "probe", NULL, row->chosen.probe);
    output_count(&out, "rerank", NULL, row->chosen.rerank);
    output_real(&out, key, NULL, row->recall, "%.4f");
    if (row->device_rate > 0) output_real(&out, "device_share", NULL, device_share(row), "%.3f");
    if (row->bare.p50_us > 0) output_real(&out, "bare_batch_p50_us", NULL, row->bare.p50_us, "%.0f");
    if (row->bare.p50_us > 0) output_real(&out, "bare_batch_p99_us", NULL, row->bare.p99_us, "%.0f");
    report_measurement(&out, row->measured);
    return out.object;
}
