/* The ladder: which levels this CPU has, from scalar up. Filled once per process, read-only afterwards. */
#include "base/status.h"
#include "kernel/levels.h"

#ifdef GOSSET_KERNEL_AVX2
#include <cpuid.h>
#endif
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__AVX__)
#error "Only the x86_*.c files may be compiled with vector extensions: the library must start on any x86-64."
#endif

enum { LEVELS_MAX = 5 };

static pthread_once_t once = PTHREAD_ONCE_INIT;
static gosset__kernels levels[LEVELS_MAX];
static uint32_t level_count;

/* A level inherits what it does not do better itself. */
static void add_level(const gosset__kernels *level) {
    gosset__kernels *self = &levels[level_count];
    *self = level_count ? levels[level_count - 1] : *level;
    level_count++;
#define OVERRIDE(entry)                                                                                                \
    if (level->entry) self->entry = level->entry
    OVERRIDE(name);
    OVERRIDE(matrix_tiles);
    OVERRIDE(scan_nibble);
    OVERRIDE(window_query);
    OVERRIDE(scan_windows);
    OVERRIDE(scan_windows_many);
    OVERRIDE(find_windows);
    OVERRIDE(dense);
    OVERRIDE(turn);
    OVERRIDE(dot_rows);
    OVERRIDE(l2_f32);
    OVERRIDE(dot_f32);
    OVERRIDE(l2_u8);
    OVERRIDE(dot_u8);
    OVERRIDE(l2_i8);
    OVERRIDE(dot_i8);
    OVERRIDE(widen_f16);
    OVERRIDE(l2_f16);
    OVERRIDE(dot_f16);
    OVERRIDE(select_above);
#undef OVERRIDE
}

#ifdef GOSSET_KERNEL_AVX2
/* Every CPU with AVX2 has it, but nothing says so; not all compilers know it by name. */
static int has_f16c(void) {
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C) != 0;
}
#endif

#ifdef GOSSET_KERNEL_AVX512VBMI
static const gosset__kernels with_tiles = {.name = "amx", .matrix_tiles = 1};

/* AMX and AVX-512 with bfloat16, and an operating system that saves tiles. Older compilers have no names for these. */
static int has_tiles(void) {
    enum { AMX_BF16 = 1 << 22, AMX_TILE = 1 << 24, AVX512_BF16 = 1 << 5, SAVED = 3 << 17 };
    unsigned a, b, c, d, saved, high;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d & AMX_BF16) || !(d & AMX_TILE)) return 0;
    if (!__get_cpuid_count(7, 1, &a, &b, &c, &d) || !(a & AVX512_BF16)) return 0;
    __asm__("xgetbv" : "=a"(saved), "=d"(high) : "c"(0));
    return (saved & SAVED) == SAVED;
}
#endif

static void fill_levels(void) {
    add_level(&gosset__kernels_scalar);
    /* __builtin_cpu_supports also asks the operating system (XGETBV) whether it saves the registers. */
#ifdef GOSSET_KERNEL_AVX2
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !has_f16c()) return;
    add_level(&gosset__kernels_avx2);
#endif
#ifdef GOSSET_KERNEL_AVX512
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
        !__builtin_cpu_supports("avx512vl") || !__builtin_cpu_supports("avx512dq") ||
        !__builtin_cpu_supports("avx512vnni"))
        return;
    add_level(&gosset__kernels_avx512);
#endif
#ifdef GOSSET_KERNEL_AVX512VBMI
    if (!__builtin_cpu_supports("avx512vbmi")) return;
    add_level(&gosset__kernels_avx512vbmi);
    if (has_tiles()) add_level(&with_tiles);
#endif
#ifdef GOSSET_KERNEL_NEON
    add_level(&gosset__kernels_neon); /* part of the AArch64 baseline */
#endif
}

const gosset__kernels *gosset__kernels_level(uint32_t index) {
    pthread_once(&once, fill_levels);
    return index < level_count ? &levels[index] : NULL;
}

const char *gosset__kernels_asked_for(const char *level) {
    return level && level[0] ? level : getenv("GOSSET_CPU");
}

gosset_status gosset__kernels_get(const gosset__kernels **out, const char *level) {
    *out = NULL;
    pthread_once(&once, fill_levels);
    const char *wanted = gosset__kernels_asked_for(level);
    if (!wanted || !wanted[0]) {
        *out = &levels[level_count - 1];
        return GOSSET_OK;
    }
    char available[64] = "";
    for (uint32_t i = 0; i < level_count; i++) {
        if (strcmp(levels[i].name, wanted) == 0) {
            *out = &levels[i];
            return GOSSET_OK;
        }
        size_t used = strlen(available);
        snprintf(available + used, sizeof available - used, "%s%s", i ? ", " : "", levels[i].name);
    }
    return gosset__fail(GOSSET_E_UNSUPPORTED, "CPU level: expected one this CPU has (%s), found '%.32s'%s", available,
                        wanted, wanted == level ? "" : " in the environment variable GOSSET_CPU");
}
