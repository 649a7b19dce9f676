#include "cli/session.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static void log_line(gosset_log_level level, const char *message, void *context) {
    const cli_session *session = context;
    if (level <= GOSSET_LOG_WARNING || session->common->verbose) fprintf(stderr, "gosset: %s\n", message);
}

void session_start(cli_session *session, const command *self, const common_options *common) {
    memset(session, 0, sizeof *session);
    session->self = self;
    session->common = common;
    progress_start(&session->progress, common->quiet);
    output_start(&session->output, common->json);
    session->env = (gosset_env){.struct_size = sizeof session->env,
                                .log = common->quiet ? NULL : log_line,
                                .log_context = session,
                                .progress = progress_report,
                                .progress_context = &session->progress,
                                .threads = thread_count(common)};
}

int session_end(cli_session *session, int code) {
    progress_end(&session->progress);
    if (code == EXIT_OK) return output_end(&session->output);
    output_drop(&session->output);
    return code;
}

static void print_error(cli_session *session, const char *text) {
    progress_end(&session->progress);
    fprintf(stderr, "gosset %s: %s\n", session->self->name, text);
}

int session_failed(cli_session *session, gosset_status status) {
    if (status == GOSSET_E_CANCELLED && interrupted()) {
        print_error(session, "interrupted");
        return EXIT_INTERRUPTED;
    }
    const char *sentence = gosset_last_error();
    print_error(session, *sentence ? sentence : gosset_strerror(status));
    return EXIT_FAILED;
}

int session_dataset_failed(cli_session *session) {
    print_error(session, gosset_dataset_error());
    return EXIT_FAILED;
}

int session_error(cli_session *session, const char *format, ...) {
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    print_error(session, text);
    return EXIT_FAILED;
}

int session_check_finite(cli_session *session, const char *path, const gosset_vectors *vectors, uint64_t first) {
    const size_t stride = vectors->stride ? vectors->stride : vectors->dimension * sizeof(float);
    for (size_t row = 0; row < vectors->count && vectors->type == GOSSET_F32; row++) {
        const uint8_t *values = (const uint8_t *)vectors->data + row * stride;
        for (uint32_t i = 0; i < vectors->dimension; i++) {
            float value;
            memcpy(&value, values + i * sizeof value, sizeof value);
            if (!isfinite(value))
                return session_error(session, "%s: row %llu: value %u is %g, expected a finite number", path,
                                     (unsigned long long)(first + row), i, (double)value);
        }
    }
    return EXIT_OK;
}

void session_note(cli_session *session, const char *format, ...) {
    if (session->common->quiet) return;
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    print_error(session, text);
}

int session_read_truth(cli_session *session, const char *path, uint64_t count, uint32_t k, uint64_t **ids,
                       uint32_t *per_row) {
    gosset_dataset *dataset = NULL;
    *ids = NULL;
    int code = EXIT_OK;
    if (gosset_dataset_open(&dataset, path) != GOSSET_OK) return session_dataset_failed(session);
    *per_row = gosset_dataset_dimension(dataset);
    if (gosset_dataset_count(dataset) != count)
        code = session_error(session, "%s: %llu rows, expected %llu, one for each query", path,
                             (unsigned long long)gosset_dataset_count(dataset), (unsigned long long)count);
    else if (*per_row < k)
        code = session_error(session, "%s: %u neighbours a row, expected at least %u", path, *per_row, k);
    else if (!(*ids = malloc(count * *per_row * sizeof **ids)))
        code = session_error(session, "%s: no memory for its ids", path);
    else if (gosset_dataset_read_integers(dataset, 0, count, *ids) != GOSSET_OK)
        code = session_dataset_failed(session);
    gosset_dataset_close(dataset);
    return code;
}

int session_write_ids(cli_session *session, const char *path, uint64_t count, uint32_t k, const uint64_t *ids) {
    int32_t *rows = malloc(count * k * sizeof *rows + 1);
    if (!rows) return session_error(session, "no memory for %llu ids", (unsigned long long)(count * k));
    int code = EXIT_OK;
    for (uint64_t i = 0; i < count * k && code == EXIT_OK; i++) {
        rows[i] = (int32_t)ids[i];
        if (ids[i] > INT32_MAX && ids[i] != UINT64_MAX) /* UINT64_MAX becomes -1, the usual padding */
            code = session_error(session, "%s: id %llu does not fit the int32 of this format", path,
                                 (unsigned long long)ids[i]);
    }
    if (code == EXIT_OK && gosset_dataset_write(path, GOSSET_ELEMENT_I32, count, k, rows) != GOSSET_OK)
        code = session_dataset_failed(session);
    free(rows);
    return code;
}

const char *metric_name(gosset_metric metric) {
    static const char *const names[] = {"l2", "ip", "cosine"};
    return (unsigned)metric < 3 ? names[metric] : "unknown";
}

const char *type_name(gosset_type type) {
    static const char *const names[] = {"f32", "u8", "i8", "f16"};
    return (unsigned)type < 4 ? names[type] : "unknown";
}

uint64_t peak_bytes(void) {
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss * 1024 : 0;
}

double cpu_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

double seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}
