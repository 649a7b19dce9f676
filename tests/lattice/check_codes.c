/** Ranks: a bijection with the points, in the documented order, at the ends and in between. */
#include "lattice/lattice_tests.h"

#include <string.h>

static const char *const shells[] = {
    "zn:24:79",     "zn:48:30", "zn:64:500", "zn:64:500:7", "zn:128:256", "zn:128:1000:7", "zn:16:515",  "zn:24:3",
    "zn:128:128:1", "zn:1:49",  "zn:2:25",   "zn:24:24:1",  "zn:8:4000",  "zn:128:2047",   "e8:8:2",     "e8:8:512",
    "e8:16:4",      "e8:24:74", "e8:48:130", "e8:64:62",    "e8:128:200", "e8:128:512",    "leech:24:4", "leech:24:6"};

static void assert_round_trip(const gosset_lattice *lattice, const gosset__wide *rank) {
    int8_t point[GOSSET__LATTICE_MAX_DIMENSION];
    gosset__wide again;
    uint32_t norm = 0;
    lattice->ops->unrank(lattice, rank, point);
    for (uint32_t i = 0; i < lattice->dimension; i++) norm += (uint32_t)(point[i] * point[i]);
    assert_each(norm == lattice->norm);
    lattice->ops->rank(lattice, point, &again);
    assert_each(gosset__wide_compare(rank, &again) == 0);
}

static gosset__wide random_rank(const gosset_lattice *lattice, gosset__rng *rng) {
    gosset__wide rank;
    const uint32_t bits = gosset__wide_bits(&lattice->point_count);
    do {
        for (uint32_t i = 0; i < GOSSET__WIDE_WORDS; i++) {
            const uint64_t word = gosset__rng_next(rng);
            rank.word[i] = bits >= 64 * (i + 1) ? word : bits > 64 * i ? word & ((1ull << bits % 64) - 1) : 0;
        }
    } while (gosset__wide_compare(&rank, &lattice->point_count) >= 0);
    return rank;
}

START_TEST(ranks) {
    gosset_lattice *lattice = make_lattice(shells[_i]);
    gosset__rng rng = gosset__rng_make(21, (uint64_t)_i);
    gosset__wide low = gosset__wide_make(0), high = lattice->point_count;
    const gosset__wide one = gosset__wide_make(1);
    for (int i = 0; i < 300; i++) { /* both ends */
        if (gosset__wide_compare(&low, &lattice->point_count) >= 0) break;
        assert_round_trip(lattice, &low);
        gosset__wide_add(&low, &one);
        gosset__wide_sub(&high, &one);
        assert_round_trip(lattice, &high);
    }
    for (int i = 0; i < 500; i++) {
        const gosset__wide rank = random_rank(lattice, &rng);
        assert_round_trip(lattice, &rank);
    }
    for (int i = 0; i < 500; i++) {
        float x[GOSSET__LATTICE_MAX_DIMENSION];
        int8_t point[GOSSET__LATTICE_MAX_DIMENSION], again[GOSSET__LATTICE_MAX_DIMENSION];
        gosset__wide rank;
        fill_vector(&rng, (vector_kind)(i % VECTOR_KINDS), lattice->dimension, x);
        lattice->ops->nearest(lattice, x, point);
        lattice->ops->rank(lattice, point, &rank);
        ck_assert_int_lt(gosset__wide_compare(&rank, &lattice->point_count), 0);
        lattice->ops->unrank(lattice, &rank, again);
        ck_assert_mem_eq(point, again, lattice->dimension);
    }
    gosset_lattice_free(lattice);
}
END_TEST

/** 0, +1, -1, +2, ... as 0, 1, 2, 3, ... */
static int place(int value) {
    return value > 0 ? 2 * value - 1 : -2 * value;
}

START_TEST(order) {
    static const char *const small[] = {"zn:2:25", "zn:4:30", "zn:6:11:2", "zn:24:3", "zn:8:8"};
    gosset_lattice *lattice = make_lattice(small[_i]);
    int8_t before[GOSSET__LATTICE_MAX_DIMENSION], point[GOSSET__LATTICE_MAX_DIMENSION];
    for (uint64_t r = 0; r < lattice->point_count.word[0]; r++) {
        const gosset__wide rank = gosset__wide_make(r);
        lattice->ops->unrank(lattice, &rank, point);
        assert_round_trip(lattice, &rank);
        if (r > 0) {
            uint32_t i = 0;
            while (i < lattice->dimension && point[i] == before[i]) i++;
            assert_each(i < lattice->dimension);
            assert_each(place(point[i]) > place(before[i]));
        }
        memcpy(before, point, sizeof before);
    }
    gosset_lattice_free(lattice);
}
END_TEST

/** Codes are part of what users keep: they must not change with a version. */
START_TEST(golden) {
    static const struct {
        const char *spec;
        uint8_t code[8];
    } kept[] = {
        {"zn:24:79", {0x83, 0x5e, 0xef, 0xdd, 0x89, 0x9b, 0x96, 0xc3}},
        {"e8:24:74", {0x22, 0x33, 0x6d, 0x11, 0xe5, 0x0c, 0x89, 0x99}},
        {"leech:24:4", {0x08, 0xd6, 0x01}},
        {"leech:24:6", {0x67, 0x9f, 0x89}},
    };
    float x[24];
    for (int i = 0; i < 24; i++) x[i] = (float)((i * 37 + 11) % 50) - 25;
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        gosset_lattice *lattice = make_lattice(kept[i].spec);
        uint8_t code[8] = {0};
        ck_assert_int_eq(gosset_lattice_encode(lattice, 1, x, code), GOSSET_OK);
        ck_assert_mem_eq(code, kept[i].code, sizeof code);
        gosset_lattice_free(lattice);
    }
}
END_TEST

TCase *case_codes(void) {
    TCase *cases = tcase_create("codes");
    tcase_set_timeout(cases, 60);
    tcase_add_loop_test(cases, ranks, 0, sizeof shells / sizeof *shells);
    tcase_add_loop_test(cases, order, 0, 5);
    tcase_add_test(cases, golden);
    return cases;
}
