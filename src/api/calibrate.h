/** Measures which settings reach which recall on an index, from one pass of its model's held-out vectors. */
#ifndef GOSSET_API_CALIBRATE_H
#define GOSSET_API_CALIBRATE_H

#include "api/calibration.h"
#include "index/search.h"

typedef struct gosset__calibrate_config {
    const gosset__store *store; /* codes loaded */
    const gosset_model *model;
    const gosset__codec *codec;
    const gosset__kernels *kernels;
    gosset__pool *pool;
    const gosset__truth *truth;
} gosset__calibrate_config;

gosset_status gosset__calibrate(gosset__calibration *out, const gosset__calibrate_config *config,
                                const gosset__env *env, gosset__ticker *ticker);
#endif
