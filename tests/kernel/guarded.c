#include "kernel/kernel_test.h"

#include <check.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PATTERN = 0xC3 };

guarded guarded_make(size_t size, size_t slack) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t mapped = (size + slack + 256 + page - 1) / page * page; /* at least 256 bytes in front */
    unsigned char *mapping = mmap(NULL, mapped + 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(mapping, MAP_FAILED);
    ck_assert_int_eq(mprotect(mapping, page, PROT_NONE), 0);
    ck_assert_int_eq(mprotect(mapping + page + mapped, page, PROT_NONE), 0);
    memset(mapping + page, PATTERN, mapped);
    return (guarded){.data = mapping + page + mapped - slack - size,
                     .size = size,
                     .slack = slack,
                     .mapping = mapping,
                     .mapped = mapped};
}

/* Check notes every assertion it passes, which takes longer than what most of these bytes guard. */
void guarded_check(const guarded *memory) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const unsigned char *data = memory->data, *first = memory->mapping + page;
    const unsigned char *end = data + memory->size + memory->slack;
    for (const unsigned char *p = data - 256 > first ? data - 256 : first; p < data; p++)
        if (*p != PATTERN) ck_abort_msg("a byte %td before the data was written", data - p);
    for (const unsigned char *p = data + memory->size; p < end; p++)
        if (*p != PATTERN) ck_abort_msg("a byte %td behind the data was written", p - data - (ptrdiff_t)memory->size);
}

void guarded_free(guarded *memory) {
    guarded_check(memory);
    munmap(memory->mapping, memory->mapped + 2 * (size_t)sysconf(_SC_PAGESIZE));
    memory->data = NULL;
}

void fill_floats(gosset__rng *rng, float *data, size_t count) {
    for (size_t i = 0; i < count; i++) {
        uint64_t kind = gosset__rng_below(rng, 64);
        data[i] = gosset__rng_normal(rng);
        if (kind == 0) data[i] = 0.0f;
        if (kind == 1) data[i] = -0.0f;
        if (kind == 2) data[i] *= 1e-41f; /* denormal */
        if (kind == 3) data[i] *= 1e-25f; /* products underflow, sums absorb */
        if (kind == 4) data[i] *= 1e9f;
    }
}

void fill_bytes(gosset__rng *rng, void *data, size_t count, int kind) {
    static const int constant[BYTE_KINDS] = {0, 0x00, 0xFF, 0x80, 0x7F};
    memset(data, constant[kind], count);
    if (kind == 0)
        for (size_t i = 0; i < count; i++) ((unsigned char *)data)[i] = (unsigned char)gosset__rng_next(rng);
}
