/*
 * Gosset among the codes. Its three recalls (as coded, not coded, with the noise of an ideal code) are what
 * `gosset codes` prints; the public headers give the time of encoding, and a small index that of the scan.
 */
#include "log.h"
#include "rival.h"

#include <errno.h>
#include <gosset/gosset.h>
#include <jansson.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ENCODE_ROWS = 1 << 17, INDEX_ROWS = 1 << 20, SCAN_QUERIES = 200 };

typedef struct gosset_codes {
    const bench_data *data, *other;
    const bench_plan *plan;
    const char *model, *directory; /* the latter for a small index */
    gosset_model_info info;
    bench_code *coded, *exact, *ideal;
} gosset_codes;

static void check(bench_results *results, gosset_status status) {
    if (status == GOSSET_OK) return;
    snprintf(results->note, sizeof results->note, "Gosset: %.200s", gosset_last_error());
    fflush(NULL);
    _exit(1);
}

/* The tool beside this program, else the installed one. */
static void find_tool(char *path, size_t size) {
    char self[3000] = "";
    if (readlink("/proc/self/exe", self, sizeof self - 1) > 0) {
        snprintf(path, size, "%s/gosset", dirname(self));
        if (access(path, X_OK) == 0) return;
    }
    snprintf(path, size, "gosset");
}

/* What `gosset codes --json` says, or NULL with the reason in the note. */
static json_t *ask_tool(const gosset_codes *run, const bench_paths *paths, bench_results *results) {
    char tool[4096], threads[16];
    int ends[2], status = 0;
    find_tool(tool, sizeof tool);
    snprintf(threads, sizeof threads, "%u", run->plan->threads[run->plan->thread_count - 1]);
    if (pipe(ends) != 0) bench_fail("pipe: %s", strerror(errno));
    const pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execlp(tool, tool, "codes", "--model", run->model, "--base", paths->base, "--query", paths->query, "--truth",
               paths->truth, "--threads", threads, "--json", "--quiet", (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    FILE *output = fdopen(ends[0], "r");
    json_t *said = output ? json_loadf(output, 0, NULL) : NULL;
    if (output) fclose(output);
    if (child < 0 || waitpid(child, &status, 0) < 0 || status != 0 || !said) {
        snprintf(results->note, sizeof results->note, "Gosset: \"%.120s codes --json\" failed for %.100s", tool,
                 run->model);
        json_decref(said);
        return NULL;
    }
    return said;
}

static void take_quality(const json_t *said, const char *key, rank_quality *quality) {
    static const char *const recalls[] = {"r_at_1", "r_at_10", "r_at_100"};
    static const char *const depths[] = {"rerank_depth_90", "rerank_depth_95", "rerank_depth_99"};
    const json_t *part = json_object_get(said, key);
    for (int i = 0; i < 3; i++) {
        quality->r_at[i] = json_number_value(json_object_get(part, recalls[i]));
        quality->depth[i] = (uint32_t)json_integer_value(json_object_get(part, depths[i]));
    }
    quality->recall_at_10 = json_number_value(json_object_get(part, "recall_at_10"));
}

static gosset_vectors first_rows(const gosset_vectors *vectors, size_t count) {
    gosset_vectors rows = *vectors;
    if (count < rows.count) rows.count = count;
    return rows;
}

static void time_encoding(const gosset_codes *run, const gosset_model *model, bench_results *results) {
    const gosset_vectors rows = first_rows(&run->data->base, ENCODE_ROWS);
    uint32_t *cells = bench_memory(rows.count * sizeof *cells);
    uint8_t *codes = bench_memory(rows.count * run->info.code_bytes);
    const double started = bench_seconds();
    check(results, gosset_model_encode(model, &rows, cells, codes));
    run->coded->encode_us = (bench_seconds() - started) * 1e6 / (double)rows.count;
    free(cells);
    free(codes);
}

/* All cells of an index in memory, one thread: nanoseconds a code, the choice of cells not counted. */
static void time_scan(const gosset_codes *run, const gosset_model *model, const char *directory,
                      bench_results *results) {
    const gosset_env env = {.struct_size = sizeof env, .threads = 1};
    const gosset_vectors rows = first_rows(&run->data->base, INDEX_ROWS);
    const gosset_vectors queries = first_rows(&run->data->query, SCAN_QUERIES);
    const gosset_writer_config config = {.struct_size = sizeof config, .env = &env, .model = model, .type = rows.type};
    const gosset_index_config opening = {.struct_size = sizeof opening, .env = &env, .io = "memory"};
    gosset_index_info info = {.struct_size = sizeof info};
    gosset_search_stats stats = {.struct_size = sizeof stats};
    gosset_writer *writer = NULL;
    gosset_index *index = NULL;
    gosset_searcher *searcher = NULL;
    uint64_t ids[SCAN_QUERIES];
    check(results, gosset_writer_create(&writer, directory, &config));
    check(results, gosset_writer_add(writer, &rows, NULL));
    check(results, gosset_writer_finish(writer));
    gosset_writer_free(writer);
    check(results, gosset_index_open(&index, directory, &opening));
    check(results, gosset_index_describe(index, &info));
    check(results, gosset_searcher_create(&searcher, index, &env));
    const gosset_search_options all = {
        .struct_size = sizeof all, .probe = (uint32_t)info.cell_count, .rerank = RANK_TRUE};
    check(results, gosset_searcher_set(searcher, &all));
    for (int pass = 0; pass < 2; pass++) { /* the first is for warming up */
        gosset_searcher_reset_stats(searcher);
        check(results, gosset_searcher_search(searcher, &queries, 1, ids, NULL));
    }
    check(results, gosset_searcher_stats(searcher, &stats));
    run->coded->scan_ns = (double)stats.scan_ns / (double)stats.codes_scanned;
    gosset_searcher_free(searcher);
    gosset_index_close(index);
}

static void run_model(void *context, bench_results *results) {
    const gosset_codes *run = context;
    const gosset_env env = {.struct_size = sizeof env, .threads = run->plan->threads[run->plan->thread_count - 1]};
    gosset_model *model = NULL;
    char directory[4200];
    check(results, gosset_model_load(&model, run->model, &env));
    for (int other = 0; other < (run->other ? 2 : 1); other++) {
        json_t *said = ask_tool(run, other ? &run->other->paths : &run->data->paths, results);
        if (!said) _exit(1);
        take_quality(said, "lattice", other ? &run->coded->other : &run->coded->quality);
        take_quality(said, "latents", other ? &run->exact->other : &run->exact->quality);
        take_quality(said, "ideal", other ? &run->ideal->other : &run->ideal->quality);
        json_decref(said);
    }
    run->coded->reason[0] = run->exact->reason[0] = run->ideal->reason[0] = 0;
    time_encoding(run, model, results);
    snprintf(directory, sizeof directory, "%s/index", run->directory);
    time_scan(run, model, directory, results);
    gosset_model_free(model);
}

static bench_code *add(const gosset_codes *run, bench_results *results, const char *name, double bytes, int has_cell) {
    bench_code *code = bench_add_code(results, name, run->info.code_bytes);
    const char *slash = strrchr(run->model, '/');
    code->bytes = bytes;
    code->has_cell = has_cell;
    code->train_seconds = run->info.train_seconds;
    snprintf(code->factory, sizeof code->factory, "%.50s", slash ? slash + 1 : run->model);
    snprintf(code->ranking, sizeof code->ranking, "l2");
    snprintf(code->reason, sizeof code->reason, "stopped");
    return code;
}

/* What the rows are called by must be known before anything can fail. */
static void describe(gosset_codes *run) {
    const gosset_env env = {.struct_size = sizeof env, .threads = 1};
    gosset_model *model = NULL;
    run->info.struct_size = sizeof run->info;
    if (gosset_model_load(&model, run->model, &env) != GOSSET_OK ||
        gosset_model_describe(model, &run->info) != GOSSET_OK)
        bench_fail("%s", gosset_last_error());
    gosset_model_free(model);
}

void bench_gosset_codes(const bench_data *data, const bench_data *other, const bench_plan *plan, const char *models,
                        bench_results *results) {
    const char *temporary = getenv("TMPDIR");
    char model[4096], directory[4096], command[4200];

    for (const char *at = models; *at; at += strcspn(at, ","), at += *at == ',') {
        gosset_codes run = {.data = data, .other = other, .plan = plan, .model = model, .directory = directory};
        snprintf(model, sizeof model, "%.*s", (int)strcspn(at, ","), at);
        describe(&run);
        run.coded = add(&run, results, "Gosset", run.info.code_bytes, 1);
        run.exact = add(&run, results, "Gosset: not coded", run.info.feature_dimension * 4.0, 0);
        run.ideal = add(&run, results, "Gosset: ideal noise", run.info.code_bytes, 1);
        bench_code *const rows[] = {run.coded, run.exact, run.ideal};
        int known = 0;
        for (int i = 0; i < 3; i++) known += bench_log_find(plan, other != NULL, rows[i]);
        if (known == 3) continue;
        snprintf(directory, sizeof directory, "%s/gosset-bench-XXXXXX", temporary ? temporary : "/tmp");
        if (!mkdtemp(directory)) bench_fail("%s: %s", directory, strerror(errno));
        const int failed = bench_isolated("Gosset", run_model, &run, plan->limit_seconds, results);
        snprintf(command, sizeof command, "rm -r '%s'", directory);
        if (system(command) != 0) fprintf(stderr, "%s is left\n", directory);
        for (int i = 0; i < 3; i++) {
            if (failed && !rows[i]->quality.depth[0])
                snprintf(rows[i]->reason, sizeof rows[i]->reason, "%.190s", results->note);
            bench_log_code(plan, rows[i]);
        }
    }
}
