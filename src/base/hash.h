/** The only door to xxHash. */
#ifndef GOSSET_BASE_HASH_H
#define GOSSET_BASE_HASH_H
#include <stddef.h>
#include <stdint.h>

uint64_t gosset__hash(const void *data, size_t size, uint64_t seed);

/** Incremental form; same value as one call over the concatenation. */
typedef struct gosset__hasher {
    _Alignas(64) unsigned char state[640]; /* XXH3_state_t; size asserted in hash.c */
} gosset__hasher;
void gosset__hasher_start(gosset__hasher *hasher, uint64_t seed);
void gosset__hasher_add(gosset__hasher *hasher, const void *data, size_t size);
uint64_t gosset__hasher_value(const gosset__hasher *hasher);
#endif
