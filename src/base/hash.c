#include "base/hash.h"

#define XXH_STATIC_LINKING_ONLY /* XXH3_state_t, so that a hasher can live on the stack */
#include <xxhash.h>

_Static_assert(sizeof(XXH3_state_t) <= sizeof(gosset__hasher), "gosset__hasher must hold an XXH3 state");
_Static_assert(_Alignof(XXH3_state_t) <= _Alignof(gosset__hasher), "an XXH3 state is aligned to 64 bytes");

uint64_t gosset__hash(const void *data, size_t size, uint64_t seed) {
    return XXH3_64bits_withSeed(data, size, seed);
}

void gosset__hasher_start(gosset__hasher *hasher, uint64_t seed) {
    XXH3_state_t *state = (XXH3_state_t *)(void *)hasher->state;
    XXH3_INITSTATE(state); /* reset compares with the fields of an earlier use */
    (void)XXH3_64bits_reset_withSeed(state, seed);
}

void gosset__hasher_add(gosset__hasher *hasher, const void *data, size_t size) {
    (void)XXH3_64bits_update((XXH3_state_t *)(void *)hasher->state, data, size);
}

uint64_t gosset__hasher_value(const gosset__hasher *hasher) {
    return XXH3_64bits_digest((const XXH3_state_t *)(const void *)hasher->state);
}
