/** The levels of this room; nobody outside names them. A level may leave entries NULL: the one below fills them. */
#ifndef GOSSET_KERNEL_LEVELS_H
#define GOSSET_KERNEL_LEVELS_H
#include "kernel/kernel.h"

extern const gosset__kernels gosset__kernels_scalar;
#ifdef GOSSET_KERNEL_AVX2 /* set by CMakeLists.txt for what the compiler can build */
extern const gosset__kernels gosset__kernels_avx2;
#endif
#ifdef GOSSET_KERNEL_AVX512
extern const gosset__kernels gosset__kernels_avx512;
#endif
#ifdef GOSSET_KERNEL_AVX512VBMI
extern const gosset__kernels gosset__kernels_avx512vbmi;
#endif
#ifdef GOSSET_KERNEL_NEON
extern const gosset__kernels gosset__kernels_neon;
#endif

/** In front of a loop of constant length over registers: it must vanish, or the registers become memory. */
#ifdef __clang__
#define KERNEL_UNROLL _Pragma("clang loop unroll(full)")
#else
#define KERNEL_UNROLL _Pragma("GCC unroll 24")
#endif

#endif
