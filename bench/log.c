/* The log of codes: a CSV line for each as it is done, read back so that a run goes on where another ended. */
#include "log.h"

#include <stdlib.h>
#include <string.h>

static const char columns[] =
    "set,family,code,size,bytes,has_cell,ranking,r_at_1,r_at_10,r_at_100,recall_at_10,depth_90,depth_95,depth_99,"
    "train_seconds,encode_us,scan_ns,reason,other_r_at_1,other_r_at_10,other_r_at_100,other_recall_at_10,"
    "other_depth_90,other_depth_95,other_depth_99\n";

enum { SET, FAMILY, CODE, SIZE, BYTES, HAS_CELL, RANKING, QUALITY, TRAIN = QUALITY + 7, ENCODE, SCAN, REASON, OTHER };
enum { FIELDS = OTHER + 7 };

void bench_log_header(FILE *file) {
    fputs(columns, file);
}

static void write_quality(FILE *file, const rank_quality *quality) {
    if (quality->depth[0])
        fprintf(file, "%.4f,%.4f,%.4f,%.4f,%u,%u,%u", quality->r_at[0], quality->r_at[1], quality->r_at[2],
                quality->recall_at_10, quality->depth[0], quality->depth[1], quality->depth[2]);
    else
        fprintf(file, ",,,,,,");
}

void bench_log_line(FILE *file, const bench_plan *plan, const bench_code *code) {
    fprintf(file, "\"%s\",\"%s\",\"%s\",%u,%.0f,%d,%s,", plan->name, code->name, code->factory, code->size, code->bytes,
            code->has_cell, code->ranking);
    write_quality(file, &code->quality);
    fprintf(file, ",%.1f,%.2f,%.2f,\"", code->train_seconds, code->encode_us, code->scan_ns);
    for (const char *c = code->reason; *c; c++) fputc(*c == '"' || *c == '\n' ? '\'' : *c, file);
    fprintf(file, "\",");
    write_quality(file, &code->other);
    fputc('\n', file);
}

void bench_log_code(const bench_plan *plan, const bench_code *code) {
    if (!plan->log) return;
    FILE *file = fopen(plan->log, "a");
    if (!file) bench_fail("%s: cannot be written", plan->log);
    fseek(file, 0, SEEK_END);
    if (ftell(file) == 0) bench_log_header(file);
    bench_log_line(file, plan, code);
    fclose(file);
}

/* Cuts a line at the commas outside of quotes, which are dropped. Returns the number of fields. */
static uint32_t cut(char *line, char **fields) {
    uint32_t count = 0;
    int quoted = 0;
    char *to = line;
    fields[count++] = line;
    for (const char *from = line; *from && *from != '\n'; from++) {
        if (*from == '"') {
            quoted = !quoted;
        } else if (*from == ',' && !quoted) {
            *to++ = 0;
            if (count == FIELDS) return FIELDS + 1;
            fields[count++] = to;
        } else {
            *to++ = *from;
        }
    }
    *to = 0;
    return count;
}

static void read_quality(char *const *fields, rank_quality *quality) {
    for (int i = 0; i < 3; i++) quality->r_at[i] = strtod(fields[i], NULL);
    quality->recall_at_10 = strtod(fields[3], NULL);
    for (int i = 0; i < 3; i++) quality->depth[i] = (uint32_t)strtoul(fields[4 + i], NULL, 10);
}

static void read_line(char *const *fields, bench_code *code) {
    code->bytes = strtod(fields[BYTES], NULL);
    code->has_cell = fields[HAS_CELL][0] == '1';
    snprintf(code->ranking, sizeof code->ranking, "%s", fields[RANKING]);
    read_quality(fields + QUALITY, &code->quality);
    code->train_seconds = strtod(fields[TRAIN], NULL);
    code->encode_us = strtod(fields[ENCODE], NULL);
    code->scan_ns = strtod(fields[SCAN], NULL);
    snprintf(code->reason, sizeof code->reason, "%s", fields[REASON]);
    read_quality(fields + OTHER, &code->other);
}

int bench_log_find(const bench_plan *plan, int with_other, bench_code *code) {
    char line[1024], *fields[FIELDS];
    FILE *file = plan->log ? fopen(plan->log, "r") : NULL;
    int found = 0;
    while (file && !found && fgets(line, sizeof line, file)) {
        if (cut(line, fields) != FIELDS || strcmp(fields[SET], plan->name) != 0 ||
            strcmp(fields[FAMILY], code->name) != 0 || strcmp(fields[CODE], code->factory) != 0 ||
            strtoul(fields[SIZE], NULL, 10) != code->size)
            continue;
        const int measured = fields[QUALITY][0] != 0, with = fields[OTHER][0] != 0;
        if (measured && with != with_other) continue;
        read_line(fields, code);
        found = 1;
    }
    if (file) fclose(file);
    return found;
}
