/* Environment of a handle: defaults, the one door to memory, log lines, progress, time. */
#include "base/env.h"
#include "base/status.h"

#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    THREADS_MAX = 256,
    ALIGNMENT_MIN = 64,   /* one cache line, one AVX-512 register */
    STRUCT_SURPLUS = 4096 /* a struct_size further beyond ours is an uninitialised struct, not a newer caller */
};

/* ---- caller's structs ----------------------------------------------------------------------- */

gosset_status gosset__config_read(void *dst, size_t dst_size, const void *src, const char *struct_name) {
    memset(dst, 0, dst_size);
    if (!src) return GOSSET_OK;
    size_t size;
    memcpy(&size, src, sizeof size);
    if (size < sizeof(void *) || size > dst_size + STRUCT_SURPLUS)
        return gosset__fail(GOSSET_E_CONFIG, "%s: struct_size: expected sizeof(%s) = %zu, found %zu", struct_name,
                            struct_name, dst_size, size);
    const unsigned char *bytes = src;
    for (size_t i = dst_size; i < size; i++)
        if (bytes[i])
            return gosset__fail(GOSSET_E_CONFIG,
                                "%s: byte %zu is set: an option of a newer version, which this library does not know",
                                struct_name, i);
    memcpy(dst, src, size < dst_size ? size : dst_size);
    memcpy(dst, &dst_size, sizeof dst_size);
    return GOSSET_OK;
}

gosset_status gosset__info_write(void *dst, const void *src, size_t src_size, const char *struct_name) {
    if (!dst) return gosset__fail(GOSSET_E_ARGUMENT, "%s: expected a struct to fill, found NULL", struct_name);
    size_t size;
    memcpy(&size, dst, sizeof size);
    if (size < sizeof(void *) || size > src_size + STRUCT_SURPLUS)
        return gosset__fail(GOSSET_E_CONFIG, "%s: struct_size: expected sizeof(%s) = %zu, found %zu", struct_name,
                            struct_name, src_size, size);
    memcpy(dst, src, size < src_size ? size : src_size);
    memcpy(dst, &size, sizeof size);
    return GOSSET_OK;
}

static uint32_t cpus_allowed(void) {
    cpu_set_t set;
    long count = 0;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        count = CPU_COUNT(&set);
    else
        count = sysconf(_SC_NPROCESSORS_ONLN); /* more CPUs than cpu_set_t holds */
    return count < 1 ? 1 : count > THREADS_MAX ? THREADS_MAX : (uint32_t)count;
}

static void *default_allocate(void *context, size_t size, size_t alignment) {
    (void)context;
    if (size > SIZE_MAX - alignment) return NULL;
    return aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}

static void default_release(void *context, void *memory) {
    (void)context;
    free(memory);
}

gosset_status gosset__env_read(gosset__env *out, const gosset_env *env) {
    gosset_env given;
    gosset_status status = gosset__config_read(&given, sizeof given, env, "gosset_env");
    if (status != GOSSET_OK) return status;
    memset(out, 0, sizeof *out);
    if (!given.allocator.allocate != !given.allocator.release)
        return gosset__fail(GOSSET_E_CONFIG, "gosset_env: allocator: expected both hooks or neither, found only %s",
                            given.allocator.allocate ? "allocate" : "release");
    out->allocator = given.allocator;
    if (!given.allocator.allocate)
        out->allocator = (gosset_allocator){.allocate = default_allocate, .release = default_release};
    out->log = given.log;
    out->log_context = given.log_context;
    out->progress = given.progress;
    out->progress_context = given.progress_context;
    out->threads = given.threads ? given.threads : cpus_allowed();
    if (out->threads > THREADS_MAX) out->threads = THREADS_MAX; /* results do not depend on the count */
    if (given.cpu) {
        size_t length = strnlen(given.cpu, sizeof out->cpu);
        if (length == sizeof out->cpu)
            return gosset__fail(GOSSET_E_CONFIG,
                                "gosset_env: cpu: expected a name of at most %zu characters, found '%.*s...'",
                                sizeof out->cpu - 1, (int)length, given.cpu);
        memcpy(out->cpu, given.cpu, length);
    }
    return GOSSET_OK;
}

/* ---- memory --------------------------------------------------------------------------------- */

void *gosset__alloc_aligned(const gosset__env *env, size_t size, size_t alignment) {
    if (alignment < ALIGNMENT_MIN) alignment = ALIGNMENT_MIN;
    return env->allocator.allocate(env->allocator.context, size ? size : 1, alignment);
}

void *gosset__alloc(const gosset__env *env, size_t size) {
    return gosset__alloc_aligned(env, size, ALIGNMENT_MIN);
}

void *gosset__alloc_zero(const gosset__env *env, size_t size) {
    void *memory = gosset__alloc(env, size);
    if (memory) memset(memory, 0, size);
    return memory;
}

void *gosset__alloc_array(const gosset__env *env, size_t count, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) return NULL;
    return gosset__alloc(env, bytes);
}

void *gosset__realloc(const gosset__env *env, void *memory, size_t old_size, size_t new_size) {
    void *grown = gosset__alloc(env, new_size);
    if (!grown) return NULL;
    if (memory) memcpy(grown, memory, old_size < new_size ? old_size : new_size);
    gosset__free(env, memory);
    return grown;
}

void gosset__free(const gosset__env *env, void *memory) {
    if (memory) env->allocator.release(env->allocator.context, memory);
}

char *gosset__strdup(const gosset__env *env, const char *text) {
    size_t size = strlen(text) + 1;
    char *copy = gosset__alloc(env, size);
    if (copy) memcpy(copy, text, size);
    return copy;
}

gosset_status gosset__no_memory(const char *what, size_t size) {
    return gosset__fail(GOSSET_E_NO_MEMORY, "%s: %zu bytes could not be allocated", what, size);
}

/* ---- log, progress, time -------------------------------------------------------------------- */

void gosset__log(const gosset__env *env, gosset_log_level level, const char *format, ...) {
    if (!env->log) return;
    char line[1024];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (length >= 0) env->log(level, line, env->log_context);
}

void gosset__ticker_start(gosset__ticker *ticker, const gosset__env *env) {
    double now = gosset__seconds();
    *ticker = (gosset__ticker){.env = env, .started = now, .last = now - 1.0};
}

gosset_status gosset__tick(gosset__ticker *ticker, const gosset_progress *progress) {
    const gosset__env *env = ticker->env;
    if (!env->progress) return GOSSET_OK;
    double now = gosset__seconds();
    int finished = progress->total > 0 && progress->done == progress->total;
    if (!finished && now - ticker->last < 0.1) return GOSSET_OK;
    ticker->last = now;
    gosset_progress report = *progress;
    if (!(report.seconds_left > 0) && !finished && report.done > 0 && report.total > report.done)
        report.seconds_left = (now - ticker->started) / (double)report.done * (double)(report.total - report.done);
    if (env->progress(&report, env->progress_context) != 0)
        return gosset__fail(GOSSET_E_CANCELLED, "cancelled by the caller during '%s' at %llu of %llu",
                            report.phase ? report.phase : "", (unsigned long long)report.done,
                            (unsigned long long)report.total);
    return GOSSET_OK;
}

uint64_t gosset__nanoseconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

double gosset__seconds(void) {
    return (double)gosset__nanoseconds() * 1e-9;
}
