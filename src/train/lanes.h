/** Vectors of 16 floats, for sums and maxima that must stay in registers; other loops vectorise by themselves. */
#ifndef GOSSET_TRAIN_LANES_H
#define GOSSET_TRAIN_LANES_H

#include <stdint.h>

enum { GOSSET__LANES = 16 };

typedef float gosset__lanes __attribute__((vector_size(GOSSET__LANES * sizeof(float)), aligned(4), may_alias));
typedef int32_t gosset__lanes_mask __attribute__((vector_size(GOSSET__LANES * sizeof(float))));

/* Not functions: a vector as a result has no calling convention common to all CPU levels. */
#define GOSSET__LOAD(at)         (*(const gosset__lanes *)(at))
#define GOSSET__STORE(at, value) (*(gosset__lanes *)(at) = (value))

#endif
