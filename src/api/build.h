/** The steps a fresh build and a merge share. */
#ifndef GOSSET_API_BUILD_H
#define GOSSET_API_BUILD_H

#include "api/handles.h"

/** A writer's config, read and checked, with every default filled in. */
typedef struct gosset__build_config {
    gosset_writer_config user;
    gosset__env env;
    uint64_t memory, shard_size;
} gosset__build_config;
gosset_status gosset__build_config_read(gosset__build_config *out, const gosset_writer_config *config);

/**
 * Bytes left for the store writer after `held` bytes of ours and what libraries and threads take.
 * GOSSET_E_ARGUMENT telling the minimum if that is too little.
 */
gosset_status gosset__build_split(const gosset__build_config *config, uint64_t held, uint64_t *store_memory);

/** Sorts, writes, opens the unpublished index, calibrates it against the truth and publishes it. */
gosset_status gosset__build_publish(gosset__store_writer *writer, const gosset_model *model,
                                    const gosset__codec *codec, const gosset__kernels *kernels, gosset__pool *pool,
                                    const gosset__truth *truth, const gosset__env *env);
#endif
