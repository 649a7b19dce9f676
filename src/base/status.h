/** Failing: one sentence for the human, one code for the program, one label for leaving. */
#ifndef GOSSET_BASE_STATUS_H
#define GOSSET_BASE_STATUS_H

#include <gosset/common.h>

/** Sets this thread's gosset_last_error() sentence (truncated at 1 KiB) and returns `status`. */
gosset_status gosset__fail(gosset_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** Jumps to `out:` with a local `status` set, unless `condition` holds. */
#define GOSSET_REQUIRE(condition, code, ...)                                                                           \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            status = gosset__fail((code), __VA_ARGS__);                                                                \
            goto out;                                                                                                  \
        }                                                                                                              \
    } while (0)

/** Jumps to `out:` with a local `status` set when a call fails; its sentence is kept. */
#define GOSSET_TRY(call)                                                                                               \
    do {                                                                                                               \
        status = (call);                                                                                               \
        if (status != GOSSET_OK) goto out;                                                                             \
    } while (0)

#endif
