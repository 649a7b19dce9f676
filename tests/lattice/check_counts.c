/** Numbers of points against tables, against theorems on sums of squares, and against enumeration. */
#include "lattice/lattice_tests.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void assert_count(const char *spec, const char *count) {
    gosset_lattice *lattice = make_lattice(spec);
    gosset_lattice_info info = {.struct_size = sizeof info};
    ck_assert_int_eq(gosset_lattice_describe(lattice, &info), GOSSET_OK);
    ck_assert_str_eq(info.point_count, count);
    ck_assert_str_eq(info.spec, spec);
    gosset_lattice_free(lattice);
}

START_TEST(known_shells) {
    static const struct {
        const char *spec, *count;
        double bits;
    } known[] = {
        {"zn:24:3", "16192", 13.983},
        {"zn:24:10", "2319457632", 31.111},
        {"zn:24:79", "17319684851070915840", 63.909},
        {"zn:32:3", "39680", 15.276},
        {"zn:32:8", "2724906944", 31.344},
        {"zn:32:36", "15221194949728018112", 63.723},
        {"zn:40:2", "3120", 11.607},
        {"zn:40:7", "2392224640", 31.156},
        {"zn:40:24", "12076325113647462720", 63.389},
        {"zn:48:30", "311097167722066085728512", 78.04},
        {"zn:48:19", "8540227814481475200", 62.889},
        {"zn:64:15", "5389052589338833920", 62.225},
        {"zn:24:24:1", "16777216", 24}, /* every sign of (1, ..., 1) */
        {"e8:8:2", "240", 7.907},
        {"e8:8:4", "2160", 11.077},
        {"e8:8:16", "140400", 17.099},
        {"leech:24:4", "196560", 17.585},
        {"leech:24:6", "16773120", 24},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        assert_count(known[i].spec, known[i].count);
        gosset_lattice *lattice = make_lattice(known[i].spec);
        gosset_lattice_info info = {.struct_size = sizeof info};
        ck_assert_int_eq(gosset_lattice_describe(lattice, &info), GOSSET_OK);
        ck_assert_double_eq_tol(info.bits, known[i].bits, 0.006);
        ck_assert_uint_eq(info.code_size, (uint32_t)ceil(known[i].bits / 8));
        gosset_lattice_free(lattice);
    }
}
END_TEST

START_TEST(bits_of_long_shells) {
    static const struct {
        const char *spec;
        double bits;
    } known[] = {{"zn:16:515", 63.97},  {"zn:16:200", 54.43}, {"zn:56:89", 127.95}, {"zn:64:66", 127.56},
                 {"e8:24:74", 63.87},   {"e8:32:34", 63.486}, {"e8:40:22", 62.004}, {"e8:48:130", 127.698},
                 {"e8:56:86", 127.614}, {"e8:24:26", 47.272}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        gosset_lattice *lattice = make_lattice(known[i].spec);
        ck_assert_double_eq_tol(gosset__wide_log2(&lattice->point_count), known[i].bits, 0.006);
        gosset_lattice_free(lattice);
    }
}
END_TEST

/** Jacobi: r4(n) = 8 sum of divisors not divisible by 4; r8(n) = 16 sum of (-1)^(n+d) d^3. */
START_TEST(sums_of_squares) {
    for (uint64_t n = 1; n <= 200; n++) {
        int64_t four = 0, eight = 0;
        for (int64_t d = 1; d <= (int64_t)n; d++) {
            if ((int64_t)n % d != 0) continue;
            four += d % 4 != 0 ? 8 * d : 0;
            eight += ((int64_t)n + d) % 2 == 0 ? 16 * d * d * d : -16 * d * d * d;
        }
        char spec[32], count[32];
        snprintf(spec, sizeof spec, "zn:4:%d", (int)n);
        snprintf(count, sizeof count, "%lld", (long long)four);
        assert_count(spec, count);
        snprintf(spec, sizeof spec, "zn:8:%d", (int)n);
        snprintf(count, sizeof count, "%lld", (long long)eight);
        assert_count(spec, count);
    }
}
END_TEST

/** Sum of the divisors' powers. */
static uint64_t sigma(uint64_t n, int power) {
    uint64_t sum = 0;
    for (uint64_t d = 1; d <= n; d++) {
        uint64_t term = 1;
        for (int i = 0; i < power; i++) term *= d;
        sum += n % d == 0 ? term : 0;
    }
    return sum;
}

enum { TERMS = 30 };

/** Ramanujan's tau, by its product q (1 - q) (1 - q^2) ..., each factor 24 times. */
static void fill_tau(int64_t *tau) {
    memset(tau, 0, (TERMS + 1) * sizeof *tau);
    tau[1] = 1;
    for (int n = 1; n <= TERMS; n++)
        for (int times = 0; times < 24; times++)
            for (int i = TERMS; i >= n; i--) tau[i] -= tau[i - n];
}

/** Theta series: of E8, E8^2 and E8^3 the Eisenstein series E4, its square E8 and its cube; the Leech lattice's is that
 *  less 720 tau. */
START_TEST(modular_forms) {
    int64_t tau[TERMS + 1];
    fill_tau(tau);
    ck_assert_int_eq(tau[2], -24);
    ck_assert_int_eq(tau[12], -370944);
    for (uint64_t m = 1; m <= TERMS; m++) {
        char spec[32], count[32];
        const int64_t ramanujan = (int64_t)sigma(m, 11) - tau[m]; /* his congruence: a multiple of 691 */
        ck_assert_int_eq(ramanujan % 691, 0);
        const uint64_t leech = (uint64_t)(65520 * (ramanujan / 691));
        const uint64_t eights = leech + 720 * (uint64_t)tau[m];
        const uint64_t known[] = {240 * sigma(m, 3), 480 * sigma(m, 7), eights};
        for (int blocks = 1; blocks <= 3; blocks++) {
            snprintf(spec, sizeof spec, "e8:%d:%d", 8 * blocks, 2 * (int)m);
            snprintf(count, sizeof count, "%llu", (unsigned long long)known[blocks - 1]);
            assert_count(spec, count);
        }
        if (m != 2 && m != 3) continue;
        snprintf(spec, sizeof spec, "leech:24:%d", 2 * (int)m);
        snprintf(count, sizeof count, "%llu", (unsigned long long)leech);
        assert_count(spec, count);
    }
}
END_TEST

static uint64_t enumerate(uint32_t dimension, int norm, int limit) {
    uint64_t sum = 0;
    if (norm < 0) return 0;
    if (dimension == 0) return norm == 0;
    for (int v = -limit; v <= limit; v++) sum += enumerate(dimension - 1, norm - v * v, limit);
    return sum;
}

START_TEST(enumerated_shells) {
    for (uint32_t n = 1; n <= 6; n++)
        for (int norm = 1; norm <= 20; norm++)
            for (int limit = 1; limit <= 4; limit++) {
                char spec[32], count[32];
                const uint64_t points = enumerate(n, norm, limit);
                gosset_lattice *lattice = NULL;
                snprintf(spec, sizeof spec, "zn:%u:%d:%d", n, norm, limit);
                snprintf(count, sizeof count, "%llu", (unsigned long long)points);
                if (points > 0)
                    assert_count(spec, count);
                else
                    ck_assert_int_eq(gosset_lattice_create(&lattice, spec, NULL), GOSSET_E_ARGUMENT);
            }
}
END_TEST

START_TEST(refused_specs) {
    static const char *const refused[] = {
        "",
        "zn",
        "zn:",
        "zn:24",
        "zn:24:",
        "zn:24:79:",
        "zn:24:79x",
        "zn:24:79:7:1",
        "zn:0:3",
        "zn:24:0",
        "zn:-24:3",
        "zn: 24:3",
        "zn:024:3",
        "z:24:79",
        "znn:24:79",
        "Zn:24:79",
        ":24:79",
        "zn:24:79:0", /* syntax */
        "zn:3:7",
        "zn:1:2",
        "zn:2:3",
        "zn:4:5:1", /* no points */
        "zn:129:3",
        "zn:24:5000",
        "zn:128:4000",
        "zn:128:2048",
        "zn:24:99999999999999999999", /* bounds */
        "e8:7:2",
        "e8:20:4",
        "e8:136:2",
        "e8:24:3",
        "e8:24:514",
        "e8:24:74:7",
        "e8:24",
        "leech:23:4",
        "leech:48:4",
        "leech:24:2",
        "leech:24:5",
        "leech:24:8",
        "leech:24:4:4",
        "zn:99999999999999999999:3",
        "zn:24:79:99999999999999999999",
        "zn:24:100000000000000000000000000000000000000000000000000000000000000000000000000079",
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        gosset_lattice *lattice = (gosset_lattice *)1;
        ck_assert_msg(gosset_lattice_create(&lattice, refused[i], NULL) == GOSSET_E_ARGUMENT, "%s", refused[i]);
        ck_assert_ptr_null(lattice);
        ck_assert(strlen(gosset_last_error()) > 0);
    }
    gosset_lattice *lattice = NULL;
    ck_assert_int_eq(gosset_lattice_create(&lattice, NULL, NULL), GOSSET_E_ARGUMENT);
    ck_assert_int_eq(gosset_lattice_create(NULL, "zn:24:79", NULL), GOSSET_E_ARGUMENT);
}
END_TEST

START_TEST(wide_arithmetic) {
    gosset__rng rng = gosset__rng_make(7, 0);
    for (int round = 0; round < 2000; round++) {
        gosset__wide a, b, sum, product;
        for (int i = 0; i < GOSSET__WIDE_WORDS; i++) {
            a.word[i] = gosset__rng_below(&rng, 3) ? gosset__rng_next(&rng) : UINT64_MAX;
            b.word[i] = gosset__rng_below(&rng, 3) ? gosset__rng_next(&rng) : 0;
        }
        sum = a;
        const uint64_t carry = gosset__wide_add(&sum, &b);
        ck_assert_int_eq(gosset__wide_compare(&sum, &a) < 0, carry != 0); /* wrapped, or b was 0 */
        ck_assert_uint_eq(gosset__wide_sub(&sum, &b), carry);
        ck_assert_int_eq(gosset__wide_compare(&sum, &a), 0);

        const uint64_t factor = gosset__rng_next(&rng) | 1, rest = gosset__rng_below(&rng, factor);
        gosset__wide small = gosset__wide_make(rest);
        product = a;
        product.word[GOSSET__WIDE_WORDS - 1] = 0; /* room, so that nothing is lost */
        const gosset__wide before = product;
        ck_assert_uint_eq(gosset__wide_mul_small(&product, factor), 0);
        ck_assert_uint_eq(gosset__wide_add(&product, &small), 0);
        ck_assert_uint_eq(gosset__wide_divmod_small(&product, factor), rest);
        ck_assert_int_eq(gosset__wide_compare(&product, &before), 0);

        uint8_t bytes[GOSSET__WIDE_BYTES];
        gosset__wide_store(&a, bytes, sizeof bytes);
        gosset__wide_load(&b, bytes, sizeof bytes);
        ck_assert_int_eq(gosset__wide_compare(&a, &b), 0);
    }
    char text[GOSSET__WIDE_DIGITS];
    gosset__wide power = gosset__wide_make(1);
    for (int i = 0; i < 150; i++) gosset__wide_mul_small(&power, 10);
    gosset__wide_print(&power, text);
    ck_assert_uint_eq(strlen(text), 151);
    ck_assert_uint_eq(strspn(text + 1, "0"), 150);
    ck_assert_double_eq_tol(gosset__wide_log2(&power), 150 * log2(10), 1e-9);
    memset(&power, 0xff, sizeof power);
    gosset__wide_print(&power, text);
    ck_assert_uint_eq(strlen(text), 155); /* 2^512 - 1 */
    ck_assert_uint_eq(gosset__wide_bits(&power), 512);
    power = gosset__wide_make(0);
    gosset__wide_print(&power, text);
    ck_assert_str_eq(text, "0");
    ck_assert_uint_eq(gosset__wide_bits(&power), 0);
}
END_TEST

TCase *case_counts(void) {
    TCase *cases = tcase_create("counts");
    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, known_shells);
    tcase_add_test(cases, bits_of_long_shells);
    tcase_add_test(cases, sums_of_squares);
    tcase_add_test(cases, modular_forms);
    tcase_add_test(cases, enumerated_shells);
    tcase_add_test(cases, refused_specs);
    tcase_add_test(cases, wide_arithmetic);
    return cases;
}
