#include "base/base_test.h"
#include "base/bytes.h"
#include "base/half.h"
#include "base/hash.h"
#include "base/rng.h"

#include <math.h>
#include <string.h>

/* ---- random numbers ------------------------------------------------------------------------- */

/* A change of these values is a change of every model trained with a seed. */
START_TEST(golden_values) {
    gosset__rng rng = gosset__rng_make(1, 2);
    static const uint64_t next[] = {0xD09F8B8D703B30A0u, 0xDB79B756A21F2008u, 0x4C815DF2A00A0A90u, 0x114FD3804B94FE87u};
    for (size_t i = 0; i < sizeof next / sizeof next[0]; i++) ck_assert_uint_eq(gosset__rng_next(&rng), next[i]);
    float normals[1000];
    for (int i = 0; i < 1000; i++) normals[i] = gosset__rng_normal(&rng);
    ck_assert_uint_eq(gosset__hash(normals, sizeof normals, 0), 0x5484733F57FFFAA0u);
    uint32_t items[100];
    for (uint32_t i = 0; i < 100; i++) items[i] = i;
    gosset__rng_shuffle(&rng, items, 100);
    ck_assert_uint_eq(gosset__hash(items, sizeof items, 0), 0xDF2D96827F813A79u);
}
END_TEST

START_TEST(streams_and_seeds_differ) {
    uint64_t seen[3][64];
    for (uint64_t i = 0; i < 64; i++) {
        gosset__rng by_seed = gosset__rng_make(i, 0), by_stream = gosset__rng_make(0, i),
                    swapped = gosset__rng_make(i, 64);
        seen[0][i] = gosset__rng_next(&by_seed);
        seen[1][i] = gosset__rng_next(&by_stream);
        seen[2][i] = gosset__rng_next(&swapped);
    }
    const uint64_t *all = seen[0];
    for (int i = 0; i < 192; i++)
        for (int j = 0; j < i; j++)
            if (!(i == 64 && j == 0)) ck_assert_uint_ne(all[i], all[j]); /* (0, 0) was made twice */
    ck_assert_uint_eq(seen[0][0], seen[1][0]);
}
END_TEST

START_TEST(the_value_is_a_function_of_the_counter) {
    gosset__rng rng = gosset__rng_make(7, 7);
    for (int i = 0; i < 10; i++) (void)gosset__rng_next(&rng);
    gosset__rng copy = rng, jumped = gosset__rng_make(7, 7);
    jumped.counter = rng.counter;
    uint64_t value = gosset__rng_next(&rng);
    ck_assert_uint_eq(gosset__rng_next(&copy), value);
    ck_assert_uint_eq(gosset__rng_next(&jumped), value);
}
END_TEST

START_TEST(below_is_uniform) {
    gosset__rng rng = gosset__rng_make(3, 1);
    enum { BOUND = 7, DRAWS = 70000 };
    int counts[BOUND] = {0};
    for (int i = 0; i < DRAWS; i++) {
        uint64_t value = gosset__rng_below(&rng, BOUND);
        ck_assert_uint_lt(value, BOUND);
        counts[value]++;
    }
    double chi_squared = 0, expected = (double)DRAWS / BOUND;
    for (int i = 0; i < BOUND; i++) chi_squared += (counts[i] - expected) * (counts[i] - expected) / expected;
    ck_assert_double_lt(chi_squared, 22.5); /* 6 degrees of freedom, p = 0.001 */
    ck_assert_uint_eq(gosset__rng_below(&rng, 1), 0);
    uint64_t above_half = 0, large = 3ull << 62; /* a plain modulo would give the lower third half of the draws */
    for (int i = 0; i < 3000; i++) above_half += gosset__rng_below(&rng, large) >= large / 2;
    ck_assert_uint_gt(above_half, 1350);
    ck_assert_uint_lt(above_half, 1650);
}
END_TEST

START_TEST(unit_and_normal_have_their_moments) {
    gosset__rng rng = gosset__rng_make(4, 1);
    enum { DRAWS = 200000 };
    double unit = 0, sum = 0, squares = 0, fourth = 0;
    int tail = 0;
    for (int i = 0; i < DRAWS; i++) {
        double u = gosset__rng_unit(&rng), n = (double)gosset__rng_normal(&rng);
        ck_assert(u >= 0 && u < 1 && isfinite(n));
        unit += u;
        sum += n;
        squares += n * n;
        fourth += n * n * n * n;
        tail += fabs(n) > 1.959964;
    }
    ck_assert_double_eq_tol(unit / DRAWS, 0.5, 0.004);
    ck_assert_double_eq_tol(sum / DRAWS, 0, 0.01);
    ck_assert_double_eq_tol(squares / DRAWS, 1, 0.015);
    ck_assert_double_eq_tol(fourth / DRAWS, 3, 0.15);
    ck_assert_double_eq_tol((double)tail / DRAWS, 0.05, 0.003);
}
END_TEST

START_TEST(shuffle_permutes) {
    gosset__rng rng = gosset__rng_make(5, 1);
    uint32_t items[50], seen[50] = {0}, moved = 0;
    gosset__rng_shuffle(&rng, items, 0);
    for (uint32_t i = 0; i < 50; i++) items[i] = i;
    gosset__rng_shuffle(&rng, items, 50);
    for (uint32_t i = 0; i < 50; i++) {
        ck_assert_uint_lt(items[i], 50);
        seen[items[i]]++;
        moved += items[i] != i;
    }
    for (uint32_t i = 0; i < 50; i++) ck_assert_uint_eq(seen[i], 1);
    ck_assert_uint_gt(moved, 40);
}
END_TEST

/* ---- hashes and bytes ----------------------------------------------------------------------- */

START_TEST(hash_is_xxh3) {
    ck_assert_uint_eq(gosset__hash("", 0, 0), 0x2D06800538D394C2u); /* the published value of the empty input */
    ck_assert_uint_ne(gosset__hash("gosset", 6, 0), gosset__hash("gosset", 6, 1));
}
END_TEST

START_TEST(incremental_equals_one_call) {
    static unsigned char data[5000];
    gosset__rng rng = gosset__rng_make(6, 1);
    for (size_t i = 0; i < sizeof data; i++) data[i] = (unsigned char)gosset__rng_next(&rng);
    gosset__hasher hasher;
    memset(&hasher, 0xEE, sizeof hasher); /* whatever the stack held */
    for (uint64_t seed = 0; seed < 3; seed++)
        for (int round = 0; round < 50; round++) {
            size_t size = (size_t)gosset__rng_below(&rng, sizeof data + 1);
            gosset__hasher_start(&hasher, seed);
            for (size_t at = 0; at < size;) {
                size_t part = 1 + (size_t)gosset__rng_below(&rng, 700);
                if (part > size - at) part = size - at;
                gosset__hasher_add(&hasher, data + at, part);
                (void)gosset__hasher_value(&hasher); /* asking in between changes nothing */
                at += part;
            }
            ck_assert_uint_eq(gosset__hasher_value(&hasher), gosset__hash(data, size, seed));
        }
}
END_TEST

START_TEST(bytes_are_little_endian) {
    unsigned char bytes[12];
    gosset__store32(bytes + 1, 0x01020304u);
    ck_assert_uint_eq(bytes[1], 4);
    ck_assert_uint_eq(bytes[4], 1);
    ck_assert_uint_eq(gosset__load32(bytes + 1), 0x01020304u);
    gosset__store64(bytes + 3, 0x0102030405060708u);
    ck_assert_uint_eq(bytes[3], 8);
    ck_assert_uint_eq(bytes[10], 1);
    ck_assert_uint_eq(gosset__load64(bytes + 3), 0x0102030405060708u);
    ck_assert_uint_eq(gosset__round_up(0, 4096), 0);
    ck_assert_uint_eq(gosset__round_up(1, 4096), 4096);
    ck_assert_uint_eq(gosset__round_up(4096, 4096), 4096);
    ck_assert_uint_eq(gosset__round_up(4097, 12), 4104);
}
END_TEST

static float half_value(uint16_t half) {
    const int exponent = half >> 10 & 31, fraction = half & 1023;
    const double size = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
    return (float)(half >> 15 ? -size : size);
}

START_TEST(halves_are_binary16) {
    for (uint32_t half = 0; half < 0x10000; half++) {
        const float value = gosset__float_of_half((uint16_t)half);
        if ((half & 0x7c00) == 0x7c00) {
            ck_assert((half & 1023) == 0 ? isinf(value) : isnan(value));
            continue;
        }
        const float expected = half_value((uint16_t)half);
        ck_assert_msg(memcmp(&value, &expected, sizeof value) == 0, "half %04x: %a", half, (double)value);
        ck_assert_uint_eq(gosset__half_of_float(value), half);
        /* Between this one and the next: the middle goes to the even one, the rest to the nearer. */
        if ((half & 0x7fff) == 0x7bff) continue;
        const float next = half_value((uint16_t)(half + 1)), middle = value + (next - value) / 2;
        ck_assert_uint_eq(gosset__half_of_float(middle), half % 2 ? half + 1 : half);
        ck_assert_uint_eq(gosset__half_of_float(nextafterf(middle, value)), half);
        ck_assert_uint_eq(gosset__half_of_float(nextafterf(middle, next)), half + 1);
    }
    ck_assert_uint_eq(gosset__half_of_float(65519.996f), 0x7bff);
    ck_assert_uint_eq(gosset__half_of_float(65520.0f), 0x7c00);
    ck_assert_uint_eq(gosset__half_of_float(-INFINITY), 0xfc00);
    ck_assert_uint_eq(gosset__half_of_float(NAN) & 0x7c00, 0x7c00);
    ck_assert_uint_ne(gosset__half_of_float(NAN) & 1023, 0);
    ck_assert_uint_eq(gosset__half_of_float(-0.0f), 0x8000);
}
END_TEST

TCase *numbers_cases(void) {
    TCase *cases = tcase_create("numbers");
    tcase_add_test(cases, golden_values);
    tcase_add_test(cases, streams_and_seeds_differ);
    tcase_add_test(cases, the_value_is_a_function_of_the_counter);
    tcase_add_test(cases, below_is_uniform);
    tcase_add_test(cases, unit_and_normal_have_their_moments);
    tcase_add_test(cases, shuffle_permutes);
    tcase_add_test(cases, hash_is_xxh3);
    tcase_add_test(cases, incremental_equals_one_call);
    tcase_add_test(cases, bytes_are_little_endian);
    tcase_add_test(cases, halves_are_binary16);
    return cases;
}
