/** The surroundings of a handle, checked and with every default filled in. */
#ifndef GOSSET_BASE_ENV_H
#define GOSSET_BASE_ENV_H

#include <gosset/common.h>

typedef struct gosset__env {
    gosset_allocator allocator;
    gosset_log_fn log;
    void *log_context;
    gosset_progress_fn progress;
    void *progress_context;
    uint32_t threads; /* >= 1 */
    char cpu[16];     /* "" = choose the best */
} gosset__env;

/** Fills `out` from what the caller gave (NULL = defaults). GOSSET_E_CONFIG on a bad struct_size. */
gosset_status gosset__env_read(gosset__env *out, const gosset_env *env);

/**
 * Copies a caller's config struct into ours: shorter is zero-filled, longer must hold only zeros beyond what
 * we know, struct_size smaller than one pointer is an error. `src` NULL gives all zeros.
 */
gosset_status gosset__config_read(void *dst, size_t dst_size, const void *src, const char *struct_name);

/**
 * Fills a caller's info struct from ours: writes min(both sizes) bytes, keeps the caller's struct_size.
 */
gosset_status gosset__info_write(void *dst, const void *src, size_t src_size, const char *struct_name);

/** All memory of the library comes from here. Aligned to at least 64 bytes; NULL when there is none. */
void *gosset__alloc(const gosset__env *env, size_t size);
void *gosset__alloc_aligned(const gosset__env *env, size_t size, size_t alignment);
void *gosset__alloc_zero(const gosset__env *env, size_t size);
/** count * size with an overflow check. */
void *gosset__alloc_array(const gosset__env *env, size_t count, size_t size);
/** New block with the first min(old_size, new_size) bytes kept, the old one freed; NULL keeps the old. */
void *gosset__realloc(const gosset__env *env, void *memory, size_t old_size, size_t new_size);
void gosset__free(const gosset__env *env, void *memory); /* NULL is fine */
char *gosset__strdup(const gosset__env *env, const char *text);

/** GOSSET_E_NO_MEMORY with a sentence naming what was to be allocated. */
gosset_status gosset__no_memory(const char *what, size_t size);

void gosset__log(const gosset__env *env, gosset_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** Calls the progress hook, throttled to ~10/s except when done == total. GOSSET_E_CANCELLED if told to. */
typedef struct gosset__ticker {
    const gosset__env *env;
    double started, last;
} gosset__ticker;
void gosset__ticker_start(gosset__ticker *ticker, const gosset__env *env);
gosset_status gosset__tick(gosset__ticker *ticker, const gosset_progress *progress);

/** Monotonic time. */
double gosset__seconds(void);
uint64_t gosset__nanoseconds(void);

#endif
