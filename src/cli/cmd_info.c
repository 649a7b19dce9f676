/* gosset info: what a model, an index or a shard file holds. */
#include "base/file.h"
#include "cli/commands.h"
#include "cli/describe.h"
#include "cli/searching.h"
#include "index/shard.h"

#include <gosset/gosset.h>

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct memory_line {
    const char *key, *label, *remark;
    uint64_t bytes;
} memory_line;

static void report_lines(cli_session *session, const memory_line *lines, size_t count, uint64_t vectors, json_t *json) {
    for (size_t i = 0; i < count; i++) {
        const double each = vectors > 0 ? (double)lines[i].bytes / (double)vectors : 0;
        json_object_set_new(json, lines[i].key, json_integer((json_int_t)lines[i].bytes));
        output_line(&session->output, "  %-16s %14llu B %10.3f   %s", lines[i].label,
                    (unsigned long long)lines[i].bytes, each, lines[i].remark);
    }
}

/* The memory a search needs, line by line, so that it can be planned. */
static gosset_status report_memory(cli_session *session, const gosset_index *index, const gosset_index_info *info,
                                   uint64_t cache) {
    enum { K = 10 };
    gosset_memory_info memory = {.struct_size = sizeof memory};
    const gosset_search_options options = {.struct_size = sizeof options, .cache = cache};
    const gosset_status status = gosset_index_memory(index, &options, K, &memory);
    if (status != GOSSET_OK) return status;
    const int on_disk = strcmp(info->codes, "on disk") == 0;
    const memory_line lines[] = {
        {"codes_bytes", "codes", on_disk ? "on disk: their checksums" : "padded to blocks of 16", memory.codes},
        {"leaves_bytes", "leaves", "sketches of 32 codes each, if that saves time", memory.leaves},
        {"cells_bytes", "cells", "the first row of each", memory.cells},
        {"network_bytes", "model: network", "", memory.network},
        {"centroids_bytes", "  centroids", "of the cells", memory.centroids},
        {"turns_bytes", "  turns", "axes of groups of cells", memory.turns},
        {"model_rest_bytes", "  rest", "lattices, weights as stored, held-out vectors", memory.model_rest},
        {"pages_bytes", "pages", "with --io memory all of them", memory.pages},
        {"rest_bytes", "rest", "headers of shards, descriptors", memory.rest},
        {"index_bytes", "together", "once, for all searchers", memory.index},
        {"searcher_bytes", "a searcher", "one query in flight: page buffers, scratch", memory.searcher},
        {"query_bytes", "a query more", "in flight: its pages and candidates", memory.query},
        {"cache_bytes", "its cache", "pages kept: --cache", memory.cache},
        {"batch_bytes", "a batch", "of a searcher that is given up to 512 queries at once", memory.batch},
        {"batch_most_bytes", "  or", "more than that", memory.batch_most},
    };
    json_t *json = json_object();
    output_line(&session->output, "\nmemory                            bytes   a vector");
    report_lines(session, lines, sizeof lines / sizeof *lines, info->vector_count, json);
    output_json(&session->output, "memory", json);
    return GOSSET_OK;
}

static void report_index(cli_session *session, const gosset_index_info *info) {
    cli_output *output = &session->output;
    output_count(output, "format_version", "format version", info->format_version);
    output_count(output, "vector_count", "vectors", info->vector_count);
    output_text(output, "type", "kept as", type_name(info->type));
    output_text(output, "exactness", "  distances",
                info->type == GOSSET_F16 ? "exact for numbers rounded by at most a 2048th" : "exact");
    output_count(output, "shard_count", "shards", info->shard_count);
    output_count(output, "page_size", "page size", info->page_size);
    output_count(output, "records_per_page", "vectors on a page", info->records_per_page);
    output_count(output, "cell_count", "cells", info->cell_count);
    output_count(output, "cells_used", "  used", info->cells_used);
    output_count(output, "largest_cell", "  largest", info->largest_cell);
    output_real(output, "imbalance", "  imbalance", info->imbalance, "%.2f (1 = all equal)");
    output_bytes(output, "disk_bytes", "on disk", info->disk_bytes);
    output_text(output, "io", "reads by", info->io);
    output_text(output, "io_reason", *info->io_reason ? "why not better" : NULL, info->io_reason);
    output_text(output, "cpu", "kernels", info->cpu);
    report_codes(session, info);
    output_bytes(output, "resident_bytes", NULL, info->resident_bytes);
    output_count(output, "code_bytes_per_vector", NULL, info->code_bytes);
}

/* What --recall stands for on this index. */
static void report_calibration(cli_session *session, const gosset_index *index) {
    static const double recalls[] = {0.80, 0.90, 0.95, 0.98, 0.99};
    json_t *rows = json_array();
    output_line(&session->output, "\nrecall@10   cells   candidates   pages expected");
    for (size_t i = 0; i < sizeof recalls / sizeof *recalls; i++) {
        gosset_search_options options = {.struct_size = sizeof options};
        double pages = 0;
        if (gosset_index_calibration(index, recalls[i], &options, &pages) != GOSSET_OK) continue;
        output_line(&session->output, "%9.2f %7u %12u %16.1f", recalls[i], options.probe, options.rerank, pages);
        json_array_append_new(rows, json_pack("{s:f, s:i, s:i, s:f}", "recall", recalls[i], "probe", (int)options.probe,
                                              "rerank", (int)options.rerank, "pages", pages));
    }
    output_json(&session->output, "calibration", rows);
}

static int info_index(cli_session *session, const char *path, const char *io, uint64_t memory, uint64_t cache) {
    gosset_index *index = NULL;
    gosset_index_info info = {.struct_size = sizeof info};
    const gosset_index_config config = {.struct_size = sizeof config, .env = &session->env, .io = io, .memory = memory};
    gosset_status status = gosset_index_open(&index, path, &config);
    if (status == GOSSET_OK) status = gosset_index_describe(index, &info);
    progress_end(&session->progress);
    if (status == GOSSET_OK) {
        output_text(&session->output, "kind", NULL, "index");
        output_text(&session->output, "path", "index", path);
        report_index(session, &info);
        status = report_memory(session, index, &info, cache);
    }
    if (status == GOSSET_OK) {
        report_calibration(session, index);
        output_line(&session->output, "\nmodel");
        status = describe_model(session, info.model, "model");
    }
    gosset_index_close(index);
    return status == GOSSET_OK ? EXIT_OK : session_failed(session, status);
}

static int info_model(cli_session *session, const char *path) {
    gosset_model *model = NULL;
    gosset_status status = gosset_model_load(&model, path, &session->env);
    if (status == GOSSET_OK) {
        output_text(&session->output, "kind", NULL, "model");
        output_text(&session->output, "path", "model", path);
        status = describe_model(session, model, NULL);
    }
    gosset_model_free(model);
    return status == GOSSET_OK ? EXIT_OK : session_failed(session, status);
}

static void report_shard(cli_session *session, const char *path, const gosset__shard_header *header) {
    static const char *const sections[] = {"cells", "codes", "pages"};
    cli_output *output = &session->output;
    output_text(output, "kind", NULL, "shard");
    output_text(output, "path", "shard", path);
    output_count(output, "number", "number", header->number);
    output_count(output, "generation", "generation", header->generation);
    output_count(output, "vector_count", "vectors", header->row_count);
    output_count(output, "page_count", "pages", header->page_count);
    output_count(output, "dimension", "dimension", header->layout.dimension);
    output_text(output, "type", "of type", type_name(header->layout.type));
    output_text(output, "metric", "metric", metric_name(header->layout.metric));
    output_count(output, "code_bytes_per_vector", "code bytes per vector", header->layout.code_size);
    output_count(output, "page_size", "page size", header->layout.page_size);
    output_count(output, "records_per_page", "vectors on a page", header->layout.records_per_page);
    output_bytes(output, "disk_bytes", "on disk", header->file_length);
    report_fingerprint(session, header->layout.fingerprint);
    json_t *rows = json_object();
    for (int i = 0; i < GOSSET__SECTIONS; i++) {
        const gosset__section *section = &header->sections[i];
        output_line(output, "%-26s %s at byte %llu", sections[i], human_bytes(section->length),
                    (unsigned long long)section->offset);
        json_object_set_new(
            rows, sections[i],
            json_pack("{s:I, s:I}", "offset", (json_int_t)section->offset, "length", (json_int_t)section->length));
    }
    output_json(output, "sections", rows);
}

static int info_shard(cli_session *session, const char *path) {
    uint8_t page[GOSSET__BLOCK];
    gosset__shard_header header;
    int fd = -1;
    uint64_t size = 0;
    gosset_status status = gosset__open_read(&fd, path, &size);
    if (status == GOSSET_OK) status = gosset__read_at(fd, page, sizeof page, 0, path);
    if (status == GOSSET_OK) status = gosset__shard_header_load(&header, page, size, path);
    if (fd >= 0) close(fd);
    if (status != GOSSET_OK) return session_failed(session, status);
    report_shard(session, path, &header);
    return EXIT_OK;
}

/* Shards and models are told apart by their first eight bytes; anything else is left to the model reader to refuse. */
static int is_shard(const char *path) {
    uint8_t magic[8] = {0};
    FILE *file = fopen(path, "rbe");
    const int read = file && fread(magic, sizeof magic, 1, file) == 1;
    if (file) fclose(file);
    return read && memcmp(magic, "GOSSETSH", sizeof magic) == 0;
}

static int run(const command *self, int argc, char **argv) {
    common_options common = {.json = 0};
    const char *io = NULL;
    uint64_t memory = 0, cache = 0;
    const option_row rows[] = {
        {0, "io", OPTION_TEXT, &io, 0, "NAME", "open an index with auto (default), uring, threads or memory"},
        {0, "memory", OPTION_SIZE, &memory, 0, "SIZE", "open it within this: codes that do not fit stay on disk"},
        {0, "cache", OPTION_SIZE, &cache, 0, "SIZE", "pages each searcher would keep in memory"},
    };
    int first;
    int code = options_parse(self, rows, sizeof rows / sizeof *rows, &common, argc, argv, 1, &first);
    if (code >= 0) return code;
    if (first == argc) return usage_error(self, "no model, index or shard was named");
    const char *path = argv[first];
    struct stat about;
    cli_session session;
    session_start(&session, self, &common);
    if (stat(path, &about) == 0 && S_ISDIR(about.st_mode))
        code = info_index(&session, path, io, memory, cache);
    else
        code = is_shard(path) ? info_shard(&session, path) : info_model(&session, path);
    return session_end(&session, code);
}

const command command_info = {
    .name = "info",
    .summary = "what a model, an index or a shard file holds",
    .operands = "PATH",
    .explanation =
        "For an index: vectors, cells, the memory a search needs line by line, how pages are read and, if that is not\n"
        "io_uring, why not; and what each recall stands for. For a model: its training. For a shard: its parts.",
    .example = "  gosset info photos.gosset\n  gosset info photos.model",
    .run = run,
};
