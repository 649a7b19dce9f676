/** Counter-based random numbers: value = f(seed, stream, counter). The same on every thread and machine. */
#ifndef GOSSET_BASE_RNG_H
#define GOSSET_BASE_RNG_H
#include <stddef.h>
#include <stdint.h>

typedef struct gosset__rng {
    uint64_t key, counter;
} gosset__rng;
gosset__rng gosset__rng_make(uint64_t seed, uint64_t stream);
uint64_t gosset__rng_next(gosset__rng *rng);
uint64_t gosset__rng_below(gosset__rng *rng, uint64_t bound); /* unbiased; bound >= 1 */
double gosset__rng_unit(gosset__rng *rng);                    /* [0, 1) */
float gosset__rng_normal(gosset__rng *rng);
void gosset__rng_normals(gosset__rng *rng, size_t count, float *out); /* the same as one by one, three times as fast */
void gosset__rng_shuffle(gosset__rng *rng, uint32_t *items, size_t count);
#endif
