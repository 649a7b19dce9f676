/* The sentence of the last failure, one per thread, and the small facts of the public header. */
#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { SENTENCE_SIZE = 1024 };

static _Thread_local char sentence[SENTENCE_SIZE];

gosset_status gosset__fail(gosset_status status, const char *format, ...) {
    /* Formatted aside first: an argument may be gosset_last_error() itself. */
    char text[SENTENCE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length < 0) text[0] = '\0';
    memcpy(sentence, text, strlen(text) + 1);
    return status;
}

const char *gosset_last_error(void) {
    return sentence;
}

const char *gosset_strerror(gosset_status status) {
    switch (status) {
    case GOSSET_OK:
        return "success";
    case GOSSET_E_ARGUMENT:
        return "an argument is missing or out of bounds";
    case GOSSET_E_CONFIG:
        return "a configuration is of unknown size or contradicts itself";
    case GOSSET_E_DIMENSION:
        return "dimension or type of vectors, model and index differ";
    case GOSSET_E_STATE:
        return "the call is not legal at this moment";
    case GOSSET_E_BUSY:
        return "too many queries are in flight";
    case GOSSET_E_NO_MEMORY:
        return "out of memory";
    case GOSSET_E_THREAD:
        return "a thread could not be started";
    case GOSSET_E_UNSUPPORTED:
        return "this machine does not support what was asked for";
    case GOSSET_E_IO:
        return "reading or writing failed";
    case GOSSET_E_NOT_FOUND:
        return "no such file or directory";
    case GOSSET_E_EXISTS:
        return "it exists already";
    case GOSSET_E_CORRUPT:
        return "the file is damaged";
    case GOSSET_E_FORMAT_VERSION:
        return "the file has a newer or unknown format";
    case GOSSET_E_MISMATCH:
        return "the indexes were built with different models";
    case GOSSET_E_DIVERGED:
        return "training diverged";
    case GOSSET_E_CANCELLED:
        return "cancelled by the caller";
    }
    return "unknown status";
}

uint32_t gosset_version(void) {
    return (uint32_t)GOSSET_VERSION_MAJOR << 16 | (uint32_t)GOSSET_VERSION_MINOR << 8 | (uint32_t)GOSSET_VERSION_PATCH;
}

size_t gosset_type_size(gosset_type type) {
    switch (type) {
    case GOSSET_F32:
        return 4;
    case GOSSET_F16:
        return 2;
    case GOSSET_U8:
    case GOSSET_I8:
        return 1;
    }
    return 0;
}
