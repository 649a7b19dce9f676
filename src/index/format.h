/** Numbers of the file formats (FORMAT.md) and the parts that the shard header and the manifest share. */
#ifndef GOSSET_INDEX_FORMAT_H
#define GOSSET_INDEX_FORMAT_H

#include "index/store.h"

enum {
    GOSSET__FORMAT_VERSION = 1,
    GOSSET__BLOCK = 4096,  /* every part of a shard starts and ends on a multiple of this */
    GOSSET__HASH_SIZE = 8, /* an XXH3-64 value */
    GOSSET__ID_SIZE = 8,
    GOSSET__LAYOUT_SIZE = 40, /* bytes of a layout in a header */
    GOSSET__MAX_DIMENSION = 4096,
    GOSSET__MAX_CODE_SIZE = 4096,
    GOSSET__MAX_CELLS = 1 << 24,
    GOSSET__MAX_SHARDS = 1 << 20,
    GOSSET__MAX_CALIBRATION = 1 << 24
};

/** GOSSET__LAYOUT_SIZE bytes: eight u32 fields in the order of the struct, then the fingerprint. */
void gosset__layout_store(const gosset__layout *layout, uint8_t *out);
/** Reads a layout and checks that its derived fields are the ones its other fields give. */
gosset_status gosset__layout_load(gosset__layout *layout, const uint8_t *in, const char *path);
/** GOSSET_E_MISMATCH naming `path` and the first field that differs. */
gosset_status gosset__layout_match(const gosset__layout *expected, const gosset__layout *found, const char *path);

/** Offset of the first non-zero byte, or `size`. */
size_t gosset__first_nonzero(const uint8_t *data, size_t size);

#endif
