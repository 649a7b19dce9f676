/** Little-endian loads and stores for file formats, and alignment arithmetic. */
#ifndef GOSSET_BASE_BYTES_H
#define GOSSET_BASE_BYTES_H
#include <stdint.h>
#include <string.h>

#if !defined(__BYTE_ORDER__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "Gosset's file formats are little-endian and read in place: big-endian machines are not supported."
#endif

static inline uint32_t gosset__load32(const void *p) {
    uint32_t v;
    memcpy(&v, p, 4);
    return v;
}
static inline uint64_t gosset__load64(const void *p) {
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}
static inline void gosset__store32(void *p, uint32_t v) {
    memcpy(p, &v, 4);
}
static inline void gosset__store64(void *p, uint64_t v) {
    memcpy(p, &v, 8);
}

static inline uint64_t gosset__round_up(uint64_t value, uint64_t step) {
    return (value + step - 1) / step * step;
}
#endif
