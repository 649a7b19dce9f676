#include "matrices.h"

float *floats(size_t count) {
    float *memory = malloc(count * sizeof *memory);
    ck_assert_ptr_nonnull(memory);
    return memory;
}

matrices some_matrices(const size_t shape[3], void (*fill)(gosset__rng *rng, float *values, size_t count)) {
    matrices x = {.m = shape[0], .n = shape[1], .k = shape[2]};
    x.a = floats(x.m * x.k);
    x.a_turned = floats(x.m * x.k);
    x.b = floats(x.n * x.k);
    x.b_turned = floats(x.n * x.k);
    x.panels = floats(gosset__panels_size(x.k, x.n));
    x.c = floats(x.m * x.n + GUARD);
    gosset__rng rng = gosset__rng_make(3, x.m);
    fill(&rng, x.a, x.m * x.k);
    fill(&rng, x.b, x.n * x.k);
    for (size_t r = 0; r < x.m; r++)
        for (size_t t = 0; t < x.k; t++) x.a_turned[t * x.m + r] = x.a[r * x.k + t];
    for (size_t t = 0; t < x.k; t++)
        for (size_t j = 0; j < x.n; j++) x.b_turned[j * x.k + t] = x.b[t * x.n + j];
    return x;
}

void free_matrices(matrices *x) {
    free(x->a), free(x->a_turned), free(x->b), free(x->b_turned), free(x->panels), free(x->c);
}
