/** A buffered sequential writer into a borrowed buffer at an offset of an open file. */
#ifndef GOSSET_INDEX_STREAM_H
#define GOSSET_INDEX_STREAM_H

#include "base/file.h"

typedef struct gosset__stream {
    int fd;
    const char *path; /* borrowed, for error sentences */
    uint64_t offset;  /* in the file, of buffer[0] */
    uint8_t *buffer;
    size_t used, capacity;
} gosset__stream;

gosset_status gosset__stream_flush(gosset__stream *stream);
gosset_status gosset__stream_write(gosset__stream *stream, const void *data, size_t size);

#endif
