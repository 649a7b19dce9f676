/* Products with packed matrices, of awkward sizes and with every width of vectors, against sums in doubles. */
#include "matrices.h"

enum { WIDTHS_MOST = 3 };

static const size_t shapes[][3] = {{1, 1, 1},   {2, 31, 3},    {12, 32, 16}, {13, 33, 17}, {7, 64, 5},
                                   {25, 47, 8}, {23, 100, 40}, {36, 10, 64}, {11, 16, 30}, {128, 96, 20}};
enum { SHAPES = sizeof shapes / sizeof *shapes };

static void require_product(const matrices *x) {
    for (size_t r = 0; r < x->m; r++)
        for (size_t j = 0; j < x->n; j++) {
            double sum = 0, size = 1;
            for (size_t t = 0; t < x->k; t++) {
                const double term = (double)x->a[r * x->k + t] * (double)x->b[t * x->n + j];
                sum += term;
                size += fabs(term);
            }
            ck_assert_double_eq_tol((double)x->c[r * x->n + j], sum, 1e-6 * size);
        }
    for (size_t i = 0; i < GUARD; i++) ck_assert(x->c[x->m * x->n + i] == 7.0f);
}

START_TEST(products_of_any_size) {
    matrices x = some_matrices(shapes[_i], fill_normal);
    int ways = 0;
    for (int way = 0; way < 4 * WIDTHS_MOST; way++) {
        for (size_t i = 0; i < x.m * x.n + GUARD; i++) x.c[i] = 7;
        if (way & 1)
            gosset__panels_float.pack(x.k, x.n, x.b, x.n, x.panels);
        else
            gosset__panels_float.pack_turned(x.k, x.n, x.b_turned, x.panels);
        const int turned = way >> 1 & 1;
        if (!gosset__panels_try((size_t)way / 4, turned, x.m, x.n, x.k, turned ? x.a_turned : x.a, x.panels, x.c))
            continue;
        require_product(&x);
        ways++;
    }
    ck_assert_int_ge(ways, 4);
    free_matrices(&x);
}
END_TEST

/* Rows of a larger result, with gaps between them that stay as they are; and the same bits either way. */
START_TEST(products_into_a_larger_matrix) {
    matrices x = some_matrices(shapes[_i], fill_normal);
    const size_t stride = x.n + GUARD;
    float *c = floats(x.m * stride);
    for (size_t i = 0; i < x.m * stride; i++) c[i] = 7;
    gosset__panels_float.pack(x.k, x.n, x.b, x.n, x.panels);
    gosset__panels_float.product(x.m, x.n, x.k, x.a, x.panels, c, stride);
    gosset__panels_float.product_at(x.m, x.n, x.k, x.a_turned, x.panels, x.c);
    for (size_t r = 0; r < x.m; r++) {
        ck_assert_mem_eq(c + r * stride, x.c + r * x.n, x.n * sizeof *c);
        for (size_t j = x.n; j < stride; j++) ck_assert(c[r * stride + j] == 7.0f);
    }
    free(c);
    free_matrices(&x);
}
END_TEST

Suite *panels_suite(void) {
    Suite *suite = suite_create("panels");
    TCase *products = tcase_create("products");
    tcase_add_loop_test(products, products_of_any_size, 0, SHAPES);
    tcase_add_loop_test(products, products_into_a_larger_matrix, 0, SHAPES);
    suite_add_tcase(suite, products);
    return suite;
}
