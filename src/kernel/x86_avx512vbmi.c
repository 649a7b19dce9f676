/* AVX-512 with VBMI: codes of windows. All else is as with AVX-512. */
#include "kernel/x86_avx512_windows.h"

static void scan_windows_vbmi(const uint8_t *blocks, size_t block_count, const gosset__windows *code,
                              const gosset__window_query *query, int32_t *scores) {
    scan_windows(blocks, block_count, code, query, scores);
}

static void scan_windows_many_vbmi(const uint8_t *blocks, size_t block_count, const gosset__windows *code,
                                   const gosset__window_query *queries, uint32_t count, int32_t *scores,
                                   size_t stride) {
    scan_windows_many(blocks, block_count, code, queries, count, scores, stride);
}

const gosset__kernels gosset__kernels_avx512vbmi = {
    .name = "avx512vbmi",
    .scan_windows = scan_windows_vbmi,
    .scan_windows_many = scan_windows_many_vbmi,
};
