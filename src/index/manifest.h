/** The one file that makes an index visible: generation, layout, shards, model, calibration. */
#ifndef GOSSET_INDEX_MANIFEST_H
#define GOSSET_INDEX_MANIFEST_H

#include "index/format.h"

typedef struct gosset__manifest_shard {
    uint64_t row_count, page_count, file_length;
    uint64_t header_hash;
} gosset__manifest_shard;

typedef struct gosset__manifest {
    uint64_t generation;
    gosset__layout layout;
    uint64_t row_count, page_count;
    gosset__manifest_shard *shards; /* shard i is numbered i */
    uint32_t shard_count, shard_capacity;
    uint64_t model_size, model_hash;
    void *calibration;
    size_t calibration_size;
    uint64_t file_length;
} gosset__manifest;

gosset_status gosset__manifest_add(gosset__manifest *manifest, const gosset__manifest_shard *shard,
                                   const gosset__env *env);
/** GOSSET_E_NOT_FOUND if the directory holds no index. `out` needs gosset__manifest_free either way. */
gosset_status gosset__manifest_read(gosset__manifest *out, const char *directory, const gosset__env *env);
/** Durable and atomic: afterwards the directory shows this index, or the one it showed before. */
gosset_status gosset__manifest_write(const gosset__manifest *manifest, const char *directory, const gosset__env *env);
void gosset__manifest_free(gosset__manifest *manifest, const gosset__env *env);

#endif
