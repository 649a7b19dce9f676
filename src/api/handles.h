/** What the handles of gosset/index.h are made of, and the small steps their makers share. */
#ifndef GOSSET_API_HANDLES_H
#define GOSSET_API_HANDLES_H

#include "api/calibration.h"
#include "index/store.h"
#include "lattice/codec.h"
#include <gosset/index.h>

struct gosset_index {
    gosset__env env;
    const gosset__kernels *kernels;
    gosset__store *store;
    gosset_model *model; /* parsed from the store's copy */
    gosset_model_info model_info;
    gosset__codec *codec;
    gosset__calibration calibration;
    gosset__extent extent;
    uint64_t cells_used, largest_cell;
    double imbalance;
    char codes_reason[160]; /* why codes are not locked */
};

/** Looks a model up and makes the codec of its lattices. The codec borrows them from the model. */
gosset_status gosset__codec_of_model(gosset__codec **out, gosset_model_info *info, const gosset_model *model,
                                     const gosset__kernels *kernels, const gosset__env *env);

/** What an index holds: all fields of the public struct that do not speak of searchers. */
gosset_memory_info gosset__index_measure(const gosset_index *index);

/** Codes of a store into the scan's layout. */
gosset_status gosset__load_codes(gosset__store *store, const gosset__codec *codec, int leaves);
#endif
