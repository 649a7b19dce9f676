/** Helpers shared by the test programs: add ../support/support.c to SOURCES and base to LAYERS. */
#ifndef GOSSET_TESTS_SUPPORT_H
#define GOSSET_TESTS_SUPPORT_H

#include "base/env.h"
#include <gosset/common.h>

/* ---- temporary directories ------------------------------------------------------------------ */

enum { TEMP_PATH_SIZE = 1024 };
/** Makes a new empty directory under $TMPDIR (or /tmp) and writes its path. Fails the test if it cannot. */
void temp_directory(char path[TEMP_PATH_SIZE]);
/** Removes a directory and everything below it. */
void temp_remove(const char *path);
/** "directory/name"; a buffer of the calling thread, good for the next eight calls. */
const char *temp_path(const char *directory, const char *name);
/** Number of entries in a directory, without . and .. */
size_t directory_entries(const char *path);
int file_exists(const char *path);
/** The whole file in a block to free(); *size may be NULL. Fails the test if it cannot. */
unsigned char *file_bytes(const char *path, size_t *size);
void file_write(const char *path, const void *data, size_t size);

/* ---- memory that runs out ------------------------------------------------------------------- */

/**
 * An allocator that fails the `fail_at`-th allocation (1 = the first) and every one after it, and knows what is
 * still held. fail_at 0 = never fails. Usable from many threads.
 *
 *     for (size_t n = 1; ; n++) {
 *         counting_allocator memory;
 *         gosset_env env = counting_env(&memory, n);
 *         gosset_status status = call(&thing, &env);
 *         if (status == GOSSET_OK) break;               // went through without reaching n
 *         ck_assert_int_eq(status, GOSSET_E_NO_MEMORY);
 *         ck_assert_uint_eq(counting_held(&memory), 0); // nothing leaked
 *     }
 */
enum { COUNTING_LOG = 4096 };
typedef struct counting_allocator {
    size_t fail_at;
    _Atomic size_t calls, held; /* blocks */
    size_t sizes[COUNTING_LOG]; /* asked for, in order */
} counting_allocator;
gosset_env counting_env(counting_allocator *memory, size_t fail_at);
size_t counting_held(const counting_allocator *memory);
/**
 * For calls that take seconds: the next n to try, by what a call that went through asked for. All up to `early`; then,
 * as loops repeat themselves, the first two of every size; at last one more than there are.
 */
size_t counting_next(const counting_allocator *whole, size_t early, size_t n);

/** The default surroundings, read; the test fails if that fails. */
gosset__env default_env(uint32_t threads);

/* ---- small data ----------------------------------------------------------------------------- */

/**
 * Clustered vectors, the same for the same seed: `clusters` centres, normal noise of 0.35 of the centres' spread
 * around them. f32 values are around 0; u8 around 100 +- 40; i8 around 0 +- 40. Tight rows; free() it.
 */
void *clustered_vectors(uint64_t seed, size_t count, uint32_t dimension, size_t clusters, gosset_type type);
/** A view of tight rows. */
gosset_vectors view_of(const void *data, size_t count, uint32_t dimension, gosset_type type);

#endif
