/*
 * Products in tiles, bit for bit, against the same sums in plain C: elements rounded to bfloat16, 32 terms of a sum at
 * a time, even and odd ones apart, each step rounded to a float, denormals zero.
 */
#include "matrices.h"
#include "train/pass.h"

#include <float.h>
#include <stdio.h>

enum { TERMS = 32 };

static const size_t shapes[][3] = {{1, 1, 1},    {2, 31, 3},    {16, 32, 32}, {13, 33, 17},   {32, 64, 31},
                                   {25, 47, 33}, {33, 100, 64}, {36, 10, 65}, {128, 96, 100}, {40, 50, 1100}};
enum { SHAPES = sizeof shapes / sizeof *shapes };

/* ---- the reference -------------------------------------------------------------------------- */

static float no_denormal(float x) {
    return fabsf(x) < FLT_MIN ? copysignf(0, x) : x;
}

/* To nearest, ties to even; a bfloat16 is the upper half of a float. */
static float rounded(float x) {
    uint32_t bits;
    x = no_denormal(x);
    memcpy(&bits, &x, 4);
    bits += 0x7fff + (bits >> 16 & 1);
    bits &= 0xffff0000;
    memcpy(&x, &bits, 4);
    return x;
}

static float reference_sum(size_t k, const float *a, size_t a_step, const float *b, size_t b_step) {
    float sum = 0;
    for (size_t from = 0; from < k; from += TERMS) {
        float halves[2] = {0, 0};
        for (size_t t = from; t < from + TERMS; t++) {
            const float x = t < k ? rounded(a[t * a_step]) : 0, y = t < k ? rounded(b[t * b_step]) : 0;
            halves[t % 2] = no_denormal(fmaf(x, y, halves[t % 2]));
        }
        sum = no_denormal(sum + no_denormal(halves[0] + halves[1]));
    }
    return sum;
}

/* As a training asks: permission alone does not say that the processor has them. */
static const gosset__panels_ops *tiles_here(void) {
    const gosset__kernels *kernels;
    for (uint32_t level = 0; (kernels = gosset__kernels_level(level)) != NULL; level++)
        if (kernels->matrix_tiles) return gosset__panels_tiles();
    return NULL;
}

/* ---- comparison ----------------------------------------------------------------------------- */

/* Of all sizes, tiny ones among them, and such as lie half-way between two neighbours. */
static void fill_awkward(gosset__rng *rng, float *x, size_t count) {
    fill_normal(rng, x, count);
    for (size_t i = 0; i < count; i++) {
        const uint64_t kind = gosset__rng_below(rng, 16);
        if (kind == 0) x[i] = 0;
        if (kind == 1) x[i] *= 0x1p-70f; /* whose products are denormal */
        if (kind == 2) x[i] *= 0x1p-130f;
        if (kind == 3) x[i] *= 0x1p60f;
        if (kind == 4) x[i] = rounded(x[i]) * (1 + 0x1p-8f);
    }
}

static matrices awkward_matrices(const size_t shape[3]) {
    matrices x = some_matrices(shape, fill_awkward);
    for (size_t r = 0; r < x.m; r++)
        for (size_t j = 0; j < x.n; j++) x.c[r * x.n + j] = reference_sum(x.k, x.a + r * x.k, 1, x.b + j, x.n);
    return x;
}

static void pack_by_panels(const gosset__panels_ops *tiles, const matrices *x, int turned) {
    for (size_t j = 0; j < x->n; j += GOSSET__PANEL) {
        const size_t count = x->n - j < GOSSET__PANEL ? x->n - j : GOSSET__PANEL;
        float *to = x->panels + tiles->at(x->k, j);
        if (turned)
            tiles->pack_turned(x->k, count, x->b_turned + j * x->k, to);
        else
            tiles->pack(x->k, count, x->b + j, x->n, to);
    }
}

static void require_expected(const matrices *x, const float *c, size_t stride) {
    for (size_t r = 0; r < x->m; r++) {
        for (size_t j = 0; j < x->n; j++) {
            const float found = c[r * stride + j], expected = x->c[r * x->n + j];
            ck_assert_msg(memcmp(&found, &expected, sizeof found) == 0, "%zu x %zu x %zu, (%zu, %zu): %a, found %a",
                          x->m, x->n, x->k, r, j, (double)expected, (double)found);
        }
        for (size_t j = x->n; j < stride; j++) ck_assert(c[r * stride + j] == 7.0f);
    }
}

START_TEST(products_are_those_of_the_reference) {
    const gosset__panels_ops *tiles = tiles_here();
    matrices x = awkward_matrices(shapes[_i]);
    ck_assert_uint_le(tiles->at(x.k, (x.n + GOSSET__PANEL - 1) / GOSSET__PANEL * GOSSET__PANEL),
                      gosset__panels_size(x.k, x.n));
    for (int way = 0; way < 8; way++) {
        const int turned = way & 1, by_panels = way & 2, left_turned = way & 4;
        const size_t stride = left_turned ? x.n : x.n + GUARD;
        float *c = floats(x.m * stride + GUARD);
        for (size_t i = 0; i < x.m * stride + GUARD; i++) c[i] = 7;
        if (by_panels)
            pack_by_panels(tiles, &x, turned);
        else if (turned)
            tiles->pack_turned(x.k, x.n, x.b_turned, x.panels);
        else
            tiles->pack(x.k, x.n, x.b, x.n, x.panels);
        if (left_turned)
            tiles->product_at(x.m, x.n, x.k, x.a_turned, x.panels, c);
        else
            tiles->product(x.m, x.n, x.k, x.a, x.panels, c, stride);
        require_expected(&x, c, stride);
        for (size_t i = 0; i < GUARD; i++) ck_assert(c[x.m * stride + i] == 7.0f);
        free(c);
    }
    free_matrices(&x);
}
END_TEST

/* Rounding to bfloat16 is the only thing lost: of factors that are bfloat16 the products are those of floats, nearly.
 */
START_TEST(small_integers_stay_exact) {
    enum { M = 40, N = 50, K = 128 };
    const gosset__panels_ops *kinds[] = {&gosset__panels_float, tiles_here()};
    matrices x = some_matrices((const size_t[3]){M, N, K}, fill_normal);
    float *c[2] = {floats((size_t)M * N), floats((size_t)M * N)};
    for (size_t i = 0; i < (size_t)M * K; i++) x.a[i] = (float)(i * 37 % 511) - 255;
    for (size_t i = 0; i < (size_t)N * K; i++) x.b[i] = (float)(i * 91 % 511) - 255;
    for (int kind = 0; kind < 2 && kinds[kind]; kind++) {
        kinds[kind]->pack(K, N, x.b, N, x.panels);
        kinds[kind]->product(M, N, K, x.a, x.panels, c[kind], N);
        double sum = 0;
        for (size_t t = 0; t < K; t++) sum += (double)x.a[t] * (double)x.b[t * N];
        ck_assert(c[kind][0] == (float)sum);
        ck_assert_mem_eq(c[kind], c[0], (size_t)M * N * sizeof(float));
    }
    free(c[0]), free(c[1]);
    free_matrices(&x);
}
END_TEST

/* ---- a whole step --------------------------------------------------------------------------- */

typedef struct step {
    float *latents, *gradients;
} step;

static step run_step(const gosset__panels_ops *panels, const gosset__shape *shape, size_t rows, uint32_t threads) {
    const gosset_env given = {.struct_size = sizeof given, .threads = threads};
    const size_t count = gosset__parameters_count(shape), outputs = rows * shape->output;
    gosset__env env;
    gosset__pool *pool;
    gosset__pass pass;
    step out = {floats(outputs), floats(count)};
    float *parameters = floats(count);
    gosset__rng rng = gosset__rng_make(6, 0);
    require_ok(gosset__env_read(&env, &given));
    require_ok(gosset__pool_create(&pool, &env));
    require_ok(gosset__pass_create(&pass, shape, rows, pool, &env));
    pass.panels = panels;
    const gosset__parameters p = gosset__parameters_view(shape, parameters);
    fill_normal(&rng, pass.x, rows * shape->features);
    fill_normal(&rng, parameters, count);
    require_ok(gosset__pass_forward(&pass, &p));
    memcpy(out.latents, pass.z, outputs * sizeof(float));
    fill_normal(&rng, pass.dz, outputs);
    require_ok(gosset__pass_backward(&pass, &p));
    gosset__pass_gradients(&pass, 0, count, out.gradients);
    gosset__pass_free(&pass);
    gosset__pool_free(pool);
    free(parameters);
    return out;
}

static double cosine(size_t count, const float *a, const float *b) {
    double product = 0, squares[2] = {0, 0};
    for (size_t i = 0; i < count; i++) {
        product += (double)a[i] * (double)b[i];
        squares[0] += (double)a[i] * (double)a[i];
        squares[1] += (double)b[i] * (double)b[i];
    }
    return product / sqrt(squares[0] * squares[1]);
}

/* Rounding moves latents and gradients a little; threads move nothing. */
START_TEST(a_step_is_nearly_that_of_floats) {
    enum { ROWS = 300 };
    const gosset__shape shape = {.features = 37, .width = 70, .output = 6, .skip = 1};
    const size_t count = gosset__parameters_count(&shape), outputs = ROWS * shape.output;
    const step of_floats = run_step(&gosset__panels_float, &shape, ROWS, 1);
    const step of_tiles = run_step(tiles_here(), &shape, ROWS, 1);
    const step threads = run_step(tiles_here(), &shape, ROWS, 3);
    ck_assert_double_gt(cosine(outputs, of_floats.latents, of_tiles.latents), 0.9999);
    ck_assert_double_gt(cosine(count, of_floats.gradients, of_tiles.gradients), 0.999);
    ck_assert_mem_ne(of_floats.latents, of_tiles.latents, outputs * sizeof(float));
    ck_assert_mem_eq(of_tiles.latents, threads.latents, outputs * sizeof(float));
    ck_assert_mem_eq(of_tiles.gradients, threads.gradients, count * sizeof(float));
    const step *const all[] = {&of_floats, &of_tiles, &threads};
    for (int i = 0; i < 3; i++) free(all[i]->latents), free(all[i]->gradients);
}
END_TEST

Suite *tiles_suite(void) {
    Suite *suite = suite_create("tiles");
    TCase *products = tcase_create("products");
    if (tiles_here()) {
        tcase_add_loop_test(products, products_are_those_of_the_reference, 0, SHAPES);
        tcase_add_test(products, a_step_is_nearly_that_of_floats);
    } else
        printf("products in tiles: not on this machine: not compared\n");
    tcase_add_test(products, small_integers_stay_exact);
    suite_add_tcase(suite, products);
    return suite;
}
