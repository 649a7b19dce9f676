/** The Golay code and the Leech lattice by their defining properties, and its shells by brute force. */
#include "lattice/lattice_tests.h"
#include "lattice/leech.h"

#include <stdlib.h>
#include <string.h>

enum { N = GOSSET__LEECH_DIMENSION };

START_TEST(golay_code) {
    static gosset__golay golay;
    uint32_t weights[N + 1] = {0};
    gosset__golay_fill(&golay);
    for (uint32_t i = 0; i < GOSSET__GOLAY_WORDS; i++) {
        const uint32_t word = golay.word[i];
        weights[__builtin_popcount(word)]++;
        ck_assert_uint_eq(word >> N, 0);
        ck_assert_uint_eq(gosset__golay_index(word), i);
        ck_assert_uint_eq(golay.word[i ^ (GOSSET__GOLAY_WORDS - 1)], word ^ ((1u << N) - 1));
        ck_assert_uint_eq(golay.sorted[golay.first[__builtin_popcount(word)] + golay.place[i]], word);
        for (uint32_t bit = 1; bit < GOSSET__GOLAY_WORDS; bit *= 2) /* linear */
            assert_each(golay.word[i ^ bit] == (word ^ golay.word[bit]));
    }
    for (uint32_t w = 0; w <= N; w++) {
        const uint32_t expected = w % 24 == 0 ? 1 : w == 12 ? 2576 : w == 8 || w == 16 ? 759 : 0;
        ck_assert_uint_eq(weights[w], expected);
    }
}
END_TEST

START_TEST(golay_cut) {
    static gosset__golay golay;
    static gosset__leech_cut cut;
    static uint8_t seen[GOSSET__GOLAY_WORDS];
    gosset__golay_fill(&golay);
    gosset__leech_fill_cut(&golay, &cut);
    memset(seen, 0, sizeof seen);
    for (uint32_t c = 0; c < GOSSET__LEECH_COSETS; c++)
        for (uint32_t a = 0; a < GOSSET__LEECH_AFFINE; a++)
            for (uint32_t signs = 0; signs < 4; signs++) {
                uint32_t word = cut.coset[c] ^ cut.affine[a] ^ (signs & 1 ? cut.octad : 0);
                if (signs & 2) word ^= ((1u << N) - 1) & ~cut.octad;
                assert_each(golay.word[gosset__golay_index(word)] == word);
                assert_each(seen[gosset__golay_index(word)]++ == 0);
            }
    for (uint32_t a = 0; a < GOSSET__LEECH_AFFINE; a++)
        for (uint32_t i = 0; i < GOSSET__LEECH_AFFINE; i++)
            ck_assert_uint_eq(cut.affine[a] >> cut.outside[i] & 1, __builtin_parity(a & i));
}
END_TEST

/** The lattice's definition: one remainder modulo 2, a word of the code modulo 4, the sum modulo 8. */
static int is_in_leech(const gosset__golay *golay, const int8_t *point) {
    const int odd = point[0] & 1;
    uint32_t word = 0;
    int sum = 0;
    for (uint32_t j = 0; j < N; j++) {
        if ((point[j] & 1) != odd) return 0;
        if (((point[j] - odd) & 3) != 0) word |= 1u << j;
        sum += point[j];
    }
    return golay->word[gosset__golay_index(word)] == word && (sum & 7) == 4 * odd;
}

/** Every point, or some of the larger shell: in the lattice, on the shell, ranked as it was unranked, in order. */
START_TEST(points) {
    static const char *const specs[] = {"leech:24:4", "leech:24:6"};
    gosset_lattice *lattice = make_lattice(specs[_i]);
    const gosset__leech *leech = lattice->state;
    for (uint64_t r = 0; r < lattice->point_count.word[0]; r += _i == 0 ? 1 : 83) {
        const gosset__wide rank = gosset__wide_make(r);
        gosset__wide again;
        int8_t point[N];
        lattice->ops->unrank(lattice, &rank, point);
        assert_on_shell(lattice, point);
        assert_each(is_in_leech(&leech->golay, point));
        lattice->ops->rank(lattice, point, &again);
        assert_each(gosset__wide_compare(&rank, &again) == 0);
    }
    gosset_lattice_free(lattice);
}
END_TEST

/** The largest inner product with all points, from the scores of quarter integers, which are exact. */
static double best_score(const gosset_lattice *lattice, const float *x, int32_t *scores) {
    int32_t whole[N], best = INT32_MIN;
    for (uint32_t i = 0; i < N; i++) whole[i] = (int32_t)(4096 * x[i]);
    lattice->ops->scores(lattice, whole, scores, NULL);
    for (size_t r = 0; r < lattice->point_count.word[0]; r++) best = scores[r] > best ? scores[r] : best;
    return best / 4096.0;
}

START_TEST(brute_force) {
    static const struct {
        const char *spec;
        int vectors;
    } shells[] = {{"leech:24:4", 210}, {"leech:24:6", 7}};
    gosset_lattice *lattice = make_lattice(shells[_i].spec);
    gosset__rng rng = gosset__rng_make(51, (uint64_t)_i);
    int32_t *scores = malloc(lattice->point_count.word[0] * sizeof *scores);
    for (int round = 0; round < shells[_i].vectors; round++) {
        float x[N];
        fill_vector(&rng, round % VECTOR_KINDS == SCALED ? UNIFORM : (vector_kind)(round % VECTOR_KINDS), N, x);
        for (uint32_t i = 0; i < N; i++) /* a multiple of 2^-12, so that both sums are exact */
            x[i] = (float)(int32_t)(4096 * (x[i] > 60 ? 60 : x[i] < -60 ? -60 : x[i])) / 4096;
        assert_nearest(lattice, x, best_score(lattice, x, scores));
    }
    free(scores);
    gosset_lattice_free(lattice);
}
END_TEST

START_TEST(degenerate_vectors) {
    static const char *const specs[] = {"leech:24:4", "leech:24:6"};
    gosset_lattice *lattice = make_lattice(specs[_i]);
    int32_t *scores = malloc(lattice->point_count.word[0] * sizeof *scores);
    for (int kind = 0; kind < 5; kind++) {
        static const float rest[5] = {1, 0, -1, 0.001953125f, 0};
        float x[N];
        for (uint32_t i = 0; i < N; i++) x[i] = kind == 4 && i < 8 ? 1 : rest[kind];
        if (kind == 1) x[N - 1] = -1;
        if (kind == 2) x[7] = 1;
        if (kind == 3) x[0] = 50;
        const double best = best_score(lattice, x, scores);
        assert_nearest(lattice, x, best);
        for (uint32_t i = 0; i < N; i++) x[i] = (float)(x[i] * 0x1p100);
        assert_nearest(lattice, x, best * 0x1p100);
        for (uint32_t i = 0; i < N; i++) x[i] = (float)(x[i] * 0x1p-210); /* most are denormal then */
        assert_nearest(lattice, x, best * 0x1p-110);
    }
    free(scores);
    gosset_lattice_free(lattice);
}
END_TEST

TCase *case_leech(void) {
    TCase *cases = tcase_create("leech");
    tcase_set_timeout(cases, 120);
    tcase_add_test(cases, golay_code);
    tcase_add_test(cases, golay_cut);
    tcase_add_loop_test(cases, points, 0, 2);
    tcase_add_loop_test(cases, brute_force, 0, 2);
    tcase_add_loop_test(cases, degenerate_vectors, 0, 2);
    return cases;
}
