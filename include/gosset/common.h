/**
 * @file gosset/common.h
 * Version, status codes, views of vectors, and the surroundings every other header uses.
 *
 * Thread-safety of the whole library, in one place:
 *   - gosset_model, gosset_lattice, gosset_index are immutable after creation: share them freely.
 *   - gosset_writer is used by one thread at a time (it starts its own workers).
 *   - gosset_searcher belongs to one thread; create one per thread on a shared index.
 *   - gosset_last_error() speaks of the calling thread only.
 * The library never prints, exits or aborts.
 */
#ifndef GOSSET_COMMON_H
#define GOSSET_COMMON_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define GOSSET_API __attribute__((visibility("default")))
#define GOSSET_CHECK_RESULT __attribute__((warn_unused_result))
#else
#define GOSSET_API
#define GOSSET_CHECK_RESULT
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define GOSSET_VERSION_MAJOR 0
#define GOSSET_VERSION_MINOR 1
#define GOSSET_VERSION_PATCH 0

/** Version of the linked library as 0x00MMmmpp; compare with the macros. */
GOSSET_API uint32_t gosset_version(void);

/**
 * Result of every call that can fail. Numbers are stable once released and lie in blocks by cause,
 * so a caller may test the block when it does not know the code.
 */
typedef enum gosset_status {
    GOSSET_OK = 0,
    /* -1..-19: the call was wrong; repeating it fails again. */
    GOSSET_E_ARGUMENT = -1,  /* NULL, zero count, value out of bounds, NaN */
    GOSSET_E_CONFIG = -2,    /* struct_size unknown, or options that exclude each other */
    GOSSET_E_DIMENSION = -3, /* dimension or type of vectors, model and index differ */
    GOSSET_E_STATE = -4,     /* legal call, wrong moment (add after finish) */
    GOSSET_E_BUSY = -5,      /* as many queries are in flight as may be: take some in and repeat the call */
    /* -20..-39: the machine had none left, or does not allow it. */
    GOSSET_E_NO_MEMORY = -20,
    GOSSET_E_THREAD = -21,
    GOSSET_E_UNSUPPORTED = -22, /* e.g. io_uring asked for by name and refused by the kernel */
    /* -40..-59: storage. */
    GOSSET_E_IO = -40,
    GOSSET_E_NOT_FOUND = -41,
    GOSSET_E_EXISTS = -42,
    GOSSET_E_CORRUPT = -43,        /* impossible structure or wrong checksum; nothing was used */
    GOSSET_E_FORMAT_VERSION = -44, /* written by a newer or unknown format */
    GOSSET_E_MISMATCH = -45,       /* indexes of different models cannot be merged */
    /* -60..-79: training. */
    GOSSET_E_DIVERGED = -60, /* the loss became NaN or infinite */
    /* -80: never raised by the library itself. */
    GOSSET_E_CANCELLED = -80 /* a progress callback returned non-zero */
} gosset_status;

/** English sentence for a status. Static storage, never NULL. */
GOSSET_API const char *gosset_strerror(gosset_status status);

/**
 * The human sentence of the last call that failed on this thread, whatever handle it was made on: it
 * names the file and the reason ("photos.gosset/shard-0001.gosset: page 17 at byte 69632: checksum
 * differs"). Static storage per thread, never NULL, valid until the next failure on this thread.
 */
GOSSET_API const char *gosset_last_error(void);

/** Memory hooks: both functions or neither. Must be thread-safe. `alignment` is a power of two. */
typedef struct gosset_allocator {
    void *(*allocate)(void *context, size_t size, size_t alignment);
    void (*release)(void *context, void *memory);
    void *context;
} gosset_allocator;

typedef enum gosset_log_level {
    GOSSET_LOG_ERROR = 1,
    GOSSET_LOG_WARNING = 2,
    GOSSET_LOG_INFO = 3,
    GOSSET_LOG_DEBUG = 4
} gosset_log_level;

/** One complete line, no newline. May be called from any library thread. */
typedef void (*gosset_log_fn)(gosset_log_level level, const char *message, void *context);

/** What long calls report. Fields a phase does not use are zero. */
typedef struct gosset_progress {
    const char *phase;      /* static string: "neighbours", "train", "encode", "write", "calibrate" ... */
    uint64_t done, total;   /* in units of the phase; total 0 = unknown */
    double seconds_left;    /* estimate; 0 = unknown */
    double loss;            /* "train" only */
    double recall;          /* "train" only: last validation recall@10, 0 before the first */
} gosset_progress;

/**
 * Return 0 to go on; anything else ends the call with GOSSET_E_CANCELLED.
 * Called from the thread that made the call, at most about ten times a second.
 */
typedef int (*gosset_progress_fn)(const gosset_progress *progress, void *context);

/** Shared surroundings of a handle. Copied by the call that takes it; NULL = all defaults. */
typedef struct gosset_env {
    size_t struct_size;         /* sizeof(gosset_env) */
    gosset_allocator allocator; /* zero = the C library's */
    gosset_log_fn log;          /* NULL = silent */
    void *log_context;
    gosset_progress_fn progress; /* NULL = none */
    void *progress_context;
    uint32_t threads; /* 0 = CPUs this process may run on */
    const char *cpu;  /* "scalar", "avx2", "avx512", "avx512vbmi", "amx", "neon"; NULL = $GOSSET_CPU, else the best */
} gosset_env;

typedef enum gosset_metric {
    GOSSET_L2 = 0,     /* distance = squared Euclidean distance */
    GOSSET_IP = 1,     /* distance = -<q, x> */
    GOSSET_COSINE = 2  /* distance = 1 - <q, x> / (|q| |x|) */
} gosset_metric;

typedef enum gosset_type {
    GOSSET_F32 = 0,
    GOSSET_U8 = 1,
    GOSSET_I8 = 2,
    GOSSET_F16 = 3 /* IEEE 754 binary16; of the records of an index alone, not of vectors given to a call */
} gosset_type;

/** Bytes of one element. */
GOSSET_API size_t gosset_type_size(gosset_type type);

/** A borrowed view of `count` vectors of `dimension` elements; row i starts at data + i * stride. */
typedef struct gosset_vectors {
    const void *data;
    size_t count;
    size_t stride; /* bytes from row to row; 0 = dimension * element size */
    uint32_t dimension;
    gosset_type type;
} gosset_vectors;

#ifdef __cplusplus
}
#endif
#endif /* GOSSET_COMMON_H */
