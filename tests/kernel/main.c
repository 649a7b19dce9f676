/*
 * The kernels: the specification against plain arithmetic and golden values, every level against the specification.
 * `test_kernel --bench` measures instead.
 */
#include "base/half.h"
#include "base/hash.h"
#include "base/status.h"
#include "kernel/kernel_test.h"

#include <check.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the ladder ----------------------------------------------------------------------------- */

#if defined(__x86_64__)
/* Asked of the CPU itself, not of the compiler's run time that the library asks. */
typedef struct cpu_flags {
    unsigned leaf1_c, leaf7_b, leaf7_c, leaf7_d, leaf7_1_a, saved; /* `saved`: registers the operating system keeps */
} cpu_flags;

static cpu_flags read_cpu(void) {
    cpu_flags flags = {0};
    unsigned a, b, c, d, high;
    if (__get_cpuid(1, &a, &b, &flags.leaf1_c, &d)) {
        __get_cpuid_count(7, 0, &a, &flags.leaf7_b, &flags.leaf7_c, &flags.leaf7_d);
        __get_cpuid_count(7, 1, &flags.leaf7_1_a, &b, &c, &d);
        if (flags.leaf1_c >> 27 & 1) __asm__("xgetbv" : "=a"(flags.saved), "=d"(high) : "c"(0));
    }
    return flags;
}

static int has_all(unsigned flags, unsigned wanted) {
    return (flags & wanted) == wanted;
}
#endif

static const gosset__kernels *level_named(const char *name) {
    for (uint32_t i = 0; gosset__kernels_level(i); i++)
        if (strcmp(gosset__kernels_level(i)->name, name) == 0) return gosset__kernels_level(i);
    return NULL;
}

START_TEST(ladder_has_what_the_cpu_has) {
    ck_assert_str_eq(gosset__kernels_level(0)->name, "scalar");
#if defined(__x86_64__)
    cpu_flags cpu = read_cpu();
    int avx2 = has_all(cpu.leaf1_c, 1u << 12 | 1u << 29) && has_all(cpu.leaf7_b, 1u << 5) && has_all(cpu.saved, 0x06);
    int avx512 = avx2 && has_all(cpu.leaf7_b, 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31) && /* F, DQ, BW, VL */
                 has_all(cpu.leaf7_c, 1u << 11) && has_all(cpu.saved, 0xE6);                /* VNNI */
    ck_assert_int_eq(level_named("avx2") != NULL, avx2);
    ck_assert_int_eq(level_named("avx512") != NULL, avx512);
    int vbmi = avx512 && has_all(cpu.leaf7_c, 1u << 1);
    ck_assert_int_eq(level_named("avx512vbmi") != NULL, vbmi);
    int tiles = has_all(cpu.leaf7_d, 1u << 22 | 1u << 24) && has_all(cpu.leaf7_1_a, 1u << 5); /* AMX and AVX-512 BF16 */
    ck_assert_int_eq(level_named("amx") != NULL, vbmi && tiles && has_all(cpu.saved, 0x60000));
#elif defined(__aarch64__)
    ck_assert_ptr_nonnull(level_named("neon"));
#endif
    uint32_t count = 0;
    while (gosset__kernels_level(count)) count++;
    ck_assert_ptr_null(gosset__kernels_level(count + 1));
}
END_TEST

START_TEST(levels_are_chosen_by_name) {
    const gosset__kernels *kernels = NULL;
    unsetenv("GOSSET_CPU");
    uint32_t best = 0;
    while (gosset__kernels_level(best + 1)) best++;
    ck_assert_int_eq(gosset__kernels_get(&kernels, ""), GOSSET_OK);
    ck_assert_ptr_eq(kernels, gosset__kernels_level(best));
    ck_assert_int_eq(gosset__kernels_get(&kernels, NULL), GOSSET_OK);
    ck_assert_ptr_eq(kernels, gosset__kernels_level(best));
    for (uint32_t i = 0; gosset__kernels_level(i); i++) {
        ck_assert_int_eq(gosset__kernels_get(&kernels, gosset__kernels_level(i)->name), GOSSET_OK);
        ck_assert_ptr_eq(kernels, gosset__kernels_level(i));
    }
    ck_assert_int_eq(gosset__kernels_get(&kernels, "pdp11"), GOSSET_E_UNSUPPORTED);
    ck_assert_ptr_null(kernels);
    ck_assert_ptr_nonnull(strstr(gosset_last_error(), "pdp11"));
    for (uint32_t i = 0; gosset__kernels_level(i); i++)
        ck_assert_ptr_nonnull(strstr(gosset_last_error(), gosset__kernels_level(i)->name));
}
END_TEST

START_TEST(environment_variable_chooses_unless_told) {
    const gosset__kernels *kernels = NULL;
    setenv("GOSSET_CPU", "scalar", 1);
    ck_assert_int_eq(gosset__kernels_get(&kernels, ""), GOSSET_OK);
    ck_assert_str_eq(kernels->name, "scalar");
    uint32_t best = 0;
    while (gosset__kernels_level(best + 1)) best++;
    ck_assert_int_eq(gosset__kernels_get(&kernels, gosset__kernels_level(best)->name), GOSSET_OK);
    ck_assert_ptr_eq(kernels, gosset__kernels_level(best));
    setenv("GOSSET_CPU", "z80", 1);
    ck_assert_int_eq(gosset__kernels_get(&kernels, ""), GOSSET_E_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(gosset_last_error(), "GOSSET_CPU"));
    setenv("GOSSET_CPU", "", 1);
    ck_assert_int_eq(gosset__kernels_get(&kernels, ""), GOSSET_OK);
    ck_assert_ptr_eq(kernels, gosset__kernels_level(best));
    unsetenv("GOSSET_CPU");
}
END_TEST

/* ---- the specification ---------------------------------------------------------------------- */

START_TEST(scan_is_the_inner_product_of_unpacked_codes) {
    enum { DIMENSION = 40, BLOCKS = 3 };
    static uint8_t blocks[BLOCKS * GOSSET__SCAN_BLOCK * DIMENSION / 2];
    int8_t values[BLOCKS * GOSSET__SCAN_BLOCK][DIMENSION], query[DIMENSION];
    int32_t scores[BLOCKS * GOSSET__SCAN_BLOCK];
    gosset__rng rng = gosset__rng_make(1, 2);
    for (int i = 0; i < DIMENSION; i++) query[i] = (int8_t)((int)gosset__rng_below(&rng, 256) - 128);
    for (int c = 0; c < BLOCKS * GOSSET__SCAN_BLOCK; c++)
        for (int i = 0; i < DIMENSION; i++) {
            values[c][i] = (int8_t)((int)gosset__rng_below(&rng, 16) - 8);
            int within = i % 8; /* dimension 8h + j in the low nibble of byte j, 8h + 4 + j in the high one */
            uint8_t *byte = &blocks[(c / 16) * 8 * DIMENSION + i / 8 * 64 + 4 * (c % 16) + within % 4];
            *byte = (uint8_t)(*byte | (values[c][i] + 8) << (within < 4 ? 0 : 4));
        }
    gosset__kernels_level(0)->scan_nibble(blocks, BLOCKS, DIMENSION, query, scores);
    for (int c = 0; c < BLOCKS * GOSSET__SCAN_BLOCK; c++) {
        int32_t expected = 0;
        for (int i = 0; i < DIMENSION; i++) expected += query[i] * values[c][i];
        ck_assert_int_eq(scores[c], expected);
    }
}
END_TEST

START_TEST(float_kernels_agree_with_double) {
    enum { N = 203 };
    const gosset__kernels *scalar = gosset__kernels_level(0);
    gosset__rng rng = gosset__rng_make(3, 4);
    float a[N], b[N];
    double dot = 0, l2 = 0, size = 0;
    for (int i = 0; i < N; i++) {
        a[i] = gosset__rng_normal(&rng);
        b[i] = gosset__rng_normal(&rng);
        dot += (double)a[i] * b[i];
        size += fabs((double)a[i] * b[i]);
        l2 += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
    }
    ck_assert_double_eq_tol(scalar->dot_f32(a, b, N), dot, 1e-6 * size);
    ck_assert_double_eq_tol(scalar->l2_f32(a, b, N), l2, 1e-6 * l2);
    _Alignas(64) float w[N * 16], bias[16], y[2 * 16], x[2 * N];
    for (int i = 0; i < N * 16; i++) w[i] = gosset__rng_normal(&rng);
    for (int i = 0; i < 2 * N; i++) x[i] = gosset__rng_normal(&rng);
    for (int i = 0; i < 16; i++) bias[i] = gosset__rng_normal(&rng);
    for (int relu = 0; relu < 2; relu++) {
        scalar->dense(x, 2, N, 16, w, bias, relu, y);
        for (int r = 0; r < 2; r++)
            for (int j = 0; j < 16; j++) {
                double sum = bias[j];
                for (int i = 0; i < N; i++) sum += (double)x[r * N + i] * w[i * 16 + j];
                if (relu && sum < 0) sum = 0;
                ck_assert_double_eq_tol(y[r * 16 + j], sum, 1e-4);
            }
    }
}
END_TEST

START_TEST(a_turn_is_the_product_with_the_matrix) {
    enum { N = 48 };
    int8_t matrix[N * N];
    int32_t offsets[N] = {0};
    float steps[N], y[N];
    uint8_t high[N], low[N];
    gosset__rng rng = gosset__rng_make(7, 8);
    for (int j = 0; j < N; j++) {
        high[j] = (uint8_t)gosset__rng_below(&rng, 128);
        low[j] = (uint8_t)gosset__rng_below(&rng, 128);
        steps[j] = 0.5f + 0.01f * (float)j;
    }
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            const int8_t value = (int8_t)((int)gosset__rng_below(&rng, 255) - 127);
            matrix[i / 4 * 4 * N + 4 * j + i % 4] = value;
            offsets[j] += GOSSET__FIXED_ZERO * value;
        }
    gosset__kernels_level(0)->turn(&(gosset__fixed){high, low, 0.125f}, &(gosset__turning){N, matrix, offsets, steps},
                                   y);
    for (int j = 0; j < N; j++) {
        double sum = 0;
        for (int i = 0; i < N; i++)
            sum += (128 * high[i] + low[i] - GOSSET__FIXED_ZERO) * 0.125 * matrix[i / 4 * 4 * N + 4 * j + i % 4];
        ck_assert_double_eq_tol(y[j], sum * steps[j], 1e-6 * (1 + fabs(sum)));
    }
}
END_TEST

START_TEST(byte_kernels_are_exact_at_the_largest_sums) {
    enum { N = 4096 };
    static uint8_t zero[N], full[N];
    static int8_t low[N], high[N];
    memset(full, 255, N);
    memset(low, -128, N);
    memset(high, 127, N);
    for (uint32_t i = 0; gosset__kernels_level(i); i++) {
        const gosset__kernels *level = gosset__kernels_level(i);
        ck_assert_uint_eq(level->l2_u8(zero, full, N), 65025u * N);
        ck_assert_uint_eq(level->dot_u8(full, full, N), 65025u * N);
        ck_assert_uint_eq(level->l2_i8(low, high, N), 65025u * N);
        ck_assert_int_eq(level->dot_i8(low, low, N), 16384 * N);
        ck_assert_int_eq(level->dot_i8(low, high, N), -16256 * N);
        ck_assert_int_eq(level->dot_i8(high, high, N), 16129 * N);
    }
}
END_TEST

START_TEST(halves_on_their_way_are_the_halves_widened_first) {
    enum { N = 203 };
    const gosset__kernels *scalar = gosset__kernels_level(0);
    gosset__rng rng = gosset__rng_make(3, 5);
    float a[N], wide[N];
    uint16_t halves[N];
    for (int i = 0; i < N; i++) {
        a[i] = gosset__rng_normal(&rng);
        halves[i] = gosset__half_of_float(gosset__rng_normal(&rng));
        wide[i] = gosset__float_of_half(halves[i]);
    }
    ck_assert(scalar->l2_f16(a, halves, N) == scalar->l2_f32(a, wide, N));
    ck_assert(scalar->dot_f16(a, halves, N) == scalar->dot_f32(a, wide, N));
}
END_TEST

/* The same bits on every machine: an index built elsewhere must find its vectors here. */
START_TEST(float_kernels_have_golden_values) {
    enum { ROWS = 13, IN = 37, OUT = 48 };
    _Alignas(64) static float w[IN * OUT], bias[OUT], x[ROWS * IN], y[ROWS * OUT];
    for (uint32_t i = 0; gosset__kernels_level(i); i++) {
        const gosset__kernels *level = gosset__kernels_level(i);
        gosset__rng rng = gosset__rng_make(5, 6);
        fill_floats(&rng, w, IN * OUT);
        fill_floats(&rng, bias, OUT);
        fill_floats(&rng, x, ROWS * IN);
        level->dense(x, ROWS, IN, OUT, w, bias, 1, y);
        ck_assert_uint_eq(gosset__hash(y, sizeof y, 0), 1677875327223950362u);
        float scores[ROWS + 2];
        level->dot_rows(w, x, ROWS, IN, scores);
        scores[ROWS] = level->dot_f32(w, x, IN * ROWS);
        scores[ROWS + 1] = level->l2_f32(w, x, IN * ROWS);
        ck_assert_uint_eq(gosset__hash(scores, sizeof scores, 0), 8348600116982379714u);
    }
}
END_TEST

/* ---- every level ---------------------------------------------------------------------------- */

START_TEST(kernel_equals_specification_on_every_level) {
    const gosset__kernels *scalar = gosset__kernels_level(0);
    for (uint32_t i = 1; gosset__kernels_level(i); i++) {
        const gosset__kernels *level = gosset__kernels_level(i);
        size_t compared = walk_kernel(_i, level, scalar);
        static const size_t all[KERNEL_COUNT] = {390, 500, 756, 648, 733, 200, 960, 96,  96,
                                                 216, 216, 216, 216, 96,  96,  96,  288, 330};
        const int absent = strcmp(kernel_names[_i], "scan_windows_many") == 0 &&
                           !level->scan_windows_many; /* the only one a level may lack */
        const size_t expected = absent ? 0 : all[_i];
        ck_assert_msg(compared == expected, "%s, level %s: expected %zu comparisons, made %zu", kernel_names[_i],
                      level->name, expected, compared);
    }
}
END_TEST

/* A level that inherits everything would compare the specification with itself. */
START_TEST(every_level_brings_kernels_of_its_own) {
    for (uint32_t i = 1; gosset__kernels_level(i); i++) {
        const gosset__kernels *below = gosset__kernels_level(i - 1), *level = gosset__kernels_level(i);
        ck_assert_str_ne(level->name, below->name);
        ck_assert_int_eq(level->matrix_tiles, strcmp(level->name, "amx") == 0);
        if (level->matrix_tiles) continue; /* one more thing; the rest is that of the level below */
        ck_assert(level->scan_windows != below->scan_windows);
        if (strcmp(level->name, "avx512vbmi") == 0) continue; /* AVX-512 in all else */
        ck_assert(level->scan_nibble != below->scan_nibble && level->window_query != below->window_query);
        ck_assert(!level->scan_windows_many || level->scan_windows_many != below->scan_windows_many);
        ck_assert(level->dense != below->dense && level->turn != below->turn);
        ck_assert(level->dot_rows != below->dot_rows);
        ck_assert(level->l2_f32 != below->l2_f32 && level->dot_f32 != below->dot_f32);
        ck_assert(level->l2_u8 != below->l2_u8 && level->dot_u8 != below->dot_u8);
        ck_assert(level->l2_i8 != below->l2_i8 && level->dot_i8 != below->dot_i8);
        ck_assert(level->l2_f16 != below->l2_f16 && level->dot_f16 != below->dot_f16);
        ck_assert(level->widen_f16 != below->widen_f16);
    }
}
END_TEST

static void print_levels(void) {
    static const char *const known[] = {"scalar", "avx2", "avx512", "avx512vbmi", "amx", "neon"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        printf("level %-10s %s\n", known[i], level_named(known[i]) ? "tested" : "not on this machine: skipped");
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "--bench") == 0) return bench_kernels(stdout);
    print_levels();
    Suite *suite = suite_create("kernel");
    TCase *ladder = tcase_create("ladder");
    tcase_add_test(ladder, ladder_has_what_the_cpu_has);
    tcase_add_test(ladder, levels_are_chosen_by_name);
    tcase_add_test(ladder, environment_variable_chooses_unless_told);
    suite_add_tcase(suite, ladder);
    TCase *specification = tcase_create("specification");
    tcase_add_test(specification, scan_is_the_inner_product_of_unpacked_codes);
    tcase_add_test(specification, float_kernels_agree_with_double);
    tcase_add_test(specification, a_turn_is_the_product_with_the_matrix);
    tcase_add_test(specification, byte_kernels_are_exact_at_the_largest_sums);
    tcase_add_test(specification, halves_on_their_way_are_the_halves_widened_first);
    tcase_add_test(specification, float_kernels_have_golden_values);
    suite_add_tcase(suite, specification);
    TCase *levels = tcase_create("levels");
    tcase_set_timeout(levels, 120);
    tcase_add_loop_test(levels, kernel_equals_specification_on_every_level, 0, KERNEL_COUNT);
    tcase_add_test(levels, every_level_brings_kernels_of_its_own);
    suite_add_tcase(suite, levels);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    if (failed) return EXIT_FAILURE;
    return gosset__kernels_level(1) ? EXIT_SUCCESS : 77; /* nothing to compare with the specification */
}
