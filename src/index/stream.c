/* Buffered writing. */
#include "index/stream.h"
#include <string.h>

gosset_status gosset__stream_flush(gosset__stream *stream) {
    if (stream->used == 0) return GOSSET_OK;
    gosset_status status = gosset__write_at(stream->fd, stream->buffer, stream->used, stream->offset, stream->path);
    stream->offset += stream->used;
    stream->used = 0;
    return status;
}

gosset_status gosset__stream_write(gosset__stream *stream, const void *data, size_t size) {
    const uint8_t *from = data;
    while (size > 0) {
        size_t room = stream->capacity - stream->used, part = size < room ? size : room;
        memcpy(stream->buffer + stream->used, from, part);
        stream->used += part;
        from += part;
        size -= part;
        if (stream->used == stream->capacity) {
            gosset_status status = gosset__stream_flush(stream);
            if (status != GOSSET_OK) return status;
        }
    }
    return GOSSET_OK;
}
