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

/** Bytes of a budget that go to the store writer and to one batch of rows. */
typedef struct gosset__budget {
    uint64_t store;
    size_t batch_rows;
} gosset__budget;
/**
 * Splits the budget: `held` bytes are taken by our own parts, `row_size` by each row of a batch (0 = no batches).
 * GOSSET_E_ARGUMENT telling the minimum if it is too small. Results do not depend on the split.
 */
gosset_status gosset__build_split(gosset__budget *out, const gosset__build_config *config, uint64_t held,
                                  size_t row_size);

/** Sorts, writes, opens the unpublished index, calibrates it against the truth and publishes it. `memory`: what the
 * store writer had, which the calibration has after it. */
gosset_status gosset__build_publish(gosset__store_writer *writer, const gosset_model *model, const gosset__codec *codec,
                                    const gosset__kernels *kernels, gosset__pool *pool, const gosset__truth *truth,
                                    uint64_t memory, const gosset__env *env);
#endif
