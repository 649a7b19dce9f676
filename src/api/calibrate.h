/** Measures which settings reach which recall on an index, by one pass over its model's held-out vectors. */
#ifndef GOSSET_API_CALIBRATE_H
#define GOSSET_API_CALIBRATE_H

#include "api/calibration.h"
#include "index/search.h"

typedef struct gosset__calibrate_config {
    gosset__store *store; /* codes not loaded yet */
    const gosset_model *model;
    const gosset__codec *codec;
    const gosset__kernels *kernels;
    gosset__pool *pool;
    const gosset__truth *truth;
    uint64_t memory; /* for the codes; what does not fit is read from disk, and gives the same table */
} gosset__calibrate_config;

gosset_status gosset__calibrate(gosset__calibration *out, const gosset__calibrate_config *config,
                                const gosset__env *env);
#endif
