/*
 * Every layer against a plain version in doubles: its values, and its gradients by central differences of the plain
 * version. Every registered loss, and the whole network, by central differences along random directions.
 */
#include "train/layer.h"
#include "train/train_tests.h"

enum { ROWS = 21, IN = 7, OUT = 5, DIRECTIONS = 6 };

/* ---- central differences of plain versions -------------------------------------------------- */

/* A scalar function of `count` doubles: the plain layer's outputs, weighted by `weights` and summed. */
typedef double (*plain_fn)(const double *inputs, const double *weights);

static double difference(plain_fn plain, double *inputs, size_t at, const double *weights) {
    const double step = 1e-6, kept = inputs[at];
    inputs[at] = kept + step;
    double above = plain(inputs, weights);
    inputs[at] = kept - step;
    double below = plain(inputs, weights);
    inputs[at] = kept;
    return (above - below) / (2 * step);
}

static void require_gradient(plain_fn plain, double *inputs, size_t first, size_t count, const double *weights,
                             const float *gradient) {
    double largest = 1e-3;
    for (size_t i = 0; i < count; i++) largest = fmax(largest, fabs((double)gradient[i]));
    for (size_t i = 0; i < count; i++)
        ck_assert_double_eq_tol(difference(plain, inputs, first + i, weights), (double)gradient[i], 2e-5 * largest);
}

static void to_doubles(const float *from, size_t count, double *to) {
    for (size_t i = 0; i < count; i++) to[i] = (double)from[i];
}

static double weighted(const float *values, const double *weights, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += (double)values[i] * weights[i];
    return sum;
}

/* inputs: x (ROWS x IN), w (IN x OUT), bias (OUT) */
static double plain_linear(const double *inputs, const double *weights) {
    const double *x = inputs, *w = x + ROWS * IN, *bias = w + IN * OUT;
    double sum = 0;
    for (int r = 0; r < ROWS; r++)
        for (int j = 0; j < OUT; j++) {
            double y = bias[j];
            for (int i = 0; i < IN; i++) y += x[r * IN + i] * w[i * OUT + j];
            sum += weights[r * OUT + j] * y;
        }
    return sum;
}

START_TEST(linear_layer) {
    float values[ROWS * IN + IN * OUT + OUT], y[ROWS * OUT], dy[ROWS * OUT], dx[ROWS * IN], dw[IN * OUT], dbias[OUT];
    double inputs[ROWS * IN + IN * OUT + OUT], weights[ROWS * OUT];
    gosset__rng rng = gosset__rng_make(1, 1);
    fill_normal(&rng, values, sizeof values / sizeof *values);
    fill_normal(&rng, dy, ROWS * OUT);
    to_doubles(values, sizeof values / sizeof *values, inputs);
    to_doubles(dy, ROWS * OUT, weights);
    const float *x = values, *w = x + ROWS * IN, *bias = w + IN * OUT;
    gosset__linear_forward(ROWS, IN, OUT, x, w, bias, 0, y);
    ck_assert_double_eq_tol(weighted(y, weights, ROWS * OUT), plain_linear(inputs, weights), 1e-4);
    gosset__linear_backward_input(ROWS, IN, OUT, dy, w, dx);
    gosset__linear_backward_weight(ROWS, IN, OUT, 0, 3, x, dy, dw); /* in two pieces, as on two threads */
    gosset__linear_backward_weight(ROWS, IN, OUT, 3, IN - 3, x, dy, dw);
    gosset__linear_backward_bias(ROWS, OUT, dy, dbias);
    require_gradient(plain_linear, inputs, 0, ROWS * IN, weights, dx);
    require_gradient(plain_linear, inputs, ROWS * IN, IN * OUT, weights, dw);
    require_gradient(plain_linear, inputs, ROWS * IN + IN * OUT, OUT, weights, dbias);
}
END_TEST

/* inputs: x (ROWS x IN), gamma (IN), beta (IN) */
static double plain_norm_relu(const double *inputs, const double *weights) {
    const double *x = inputs, *gamma = x + ROWS * IN, *beta = gamma + IN;
    double sum = 0;
    for (int j = 0; j < IN; j++) {
        double mean = 0, variance = 0;
        for (int r = 0; r < ROWS; r++) mean += x[r * IN + j] / ROWS;
        for (int r = 0; r < ROWS; r++) variance += (x[r * IN + j] - mean) * (x[r * IN + j] - mean) / ROWS;
        for (int r = 0; r < ROWS; r++) {
            double y = gamma[j] * (x[r * IN + j] - mean) / sqrt(variance + 1e-5) + beta[j];
            sum += weights[r * IN + j] * (y > 0 ? y : 0);
        }
    }
    return sum;
}

START_TEST(norm_and_relu_layer) {
    float values[ROWS * IN + 2 * IN], x[ROWS * IN], y[ROWS * IN], dy[ROWS * IN], inverse[IN], dgamma[IN], dbeta[IN];
    float moments[4 * IN], mean[IN], slope[IN];
    double inputs[ROWS * IN + 2 * IN], weights[ROWS * IN];
    gosset__rng rng = gosset__rng_make(2, 1);
    fill_normal(&rng, values, sizeof values / sizeof *values);
    for (int r = 0; r < ROWS; r++) values[r * IN] += 50; /* a large mean must not cancel the variance away */
    fill_normal(&rng, dy, ROWS * IN);
    to_doubles(values, sizeof values / sizeof *values, inputs);
    to_doubles(dy, ROWS * IN, weights);
    memcpy(x, values, sizeof x);
    const float *gamma = values + ROWS * IN, *beta = gamma + IN;
    const size_t blocks[2] = {ROWS - 2, 2}; /* as in a batch of two blocks, the last one shorter */
    for (size_t b = 0, at = 0; b < 2; at += blocks[b++] * IN)
        gosset__column_moments(blocks[b], IN, 0, IN, x + at, moments + 2 * b * IN, moments + (2 * b + 1) * IN);
    gosset__moments_join(ROWS, ROWS - 2, IN, moments, mean, inverse);
    for (size_t b = 0, at = 0; b < 2; at += blocks[b++] * IN)
        gosset__norm_relu_forward(blocks[b], IN, mean, inverse, gamma, beta, x + at, y + at);
    ck_assert_double_eq_tol(weighted(y, weights, ROWS * IN), plain_norm_relu(inputs, weights), 1e-3);
    gosset__norm_relu_backward_sums(ROWS, IN, x, y, dy, dgamma, dbeta);
    for (int j = 0; j < IN; j++) {
        slope[j] = dgamma[j] / ROWS;
        mean[j] = dbeta[j] / ROWS;
    }
    for (size_t b = 0, at = 0; b < 2; at += blocks[b++] * IN)
        gosset__norm_backward(blocks[b], IN, gamma, inverse, slope, mean, x + at, dy + at);
    require_gradient(plain_norm_relu, inputs, 0, ROWS * IN, weights, dy);
    require_gradient(plain_norm_relu, inputs, ROWS * IN, IN, weights, dgamma);
    require_gradient(plain_norm_relu, inputs, ROWS * IN + IN, IN, weights, dbeta);
}
END_TEST

static double plain_normalise(const double *inputs, const double *weights) {
    double sum = 0;
    for (int r = 0; r < ROWS; r++) {
        double square = 0;
        for (int j = 0; j < IN; j++) square += inputs[r * IN + j] * inputs[r * IN + j];
        for (int j = 0; j < IN; j++) sum += weights[r * IN + j] * inputs[r * IN + j] / sqrt(square);
    }
    return sum;
}

START_TEST(normalise_layer) {
    float y[ROWS * IN], z[ROWS * IN], norms[ROWS], dz[ROWS * IN];
    double inputs[ROWS * IN], weights[ROWS * IN];
    gosset__rng rng = gosset__rng_make(3, 1);
    fill_normal(&rng, y, ROWS * IN);
    fill_normal(&rng, dz, ROWS * IN);
    to_doubles(y, ROWS * IN, inputs);
    to_doubles(dz, ROWS * IN, weights);
    gosset__normalise_forward(ROWS, IN, y, norms, z);
    ck_assert_double_eq_tol(weighted(z, weights, ROWS * IN), plain_normalise(inputs, weights), 1e-5);
    gosset__normalise_backward(ROWS, IN, z, norms, dz);
    require_gradient(plain_normalise, inputs, 0, ROWS * IN, weights, dz);
}
END_TEST

/* ---- the spreading term --------------------------------------------------------------------- */

static double plain_koleo(const double *z, const double *weights) {
    double sum = 0;
    for (int i = 0; i < ROWS; i++) {
        double best = HUGE_VAL;
        for (int j = 0; j < ROWS; j++) {
            double square = 1e-8;
            for (int t = 0; t < IN; t++) square += (z[i * IN + t] - z[j * IN + t]) * (z[i * IN + t] - z[j * IN + t]);
            if (j != i) best = fmin(best, square);
        }
        sum -= log(ROWS * sqrt(best)) / ROWS;
    }
    return weights[0] * sum;
}

static double plain_potential(const double *z, const double *weights) {
    double sum = 0;
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < ROWS; j++) {
            double square = 0;
            for (int t = 0; t < IN; t++) square += (z[i * IN + t] - z[j * IN + t]) * (z[i * IN + t] - z[j * IN + t]);
            sum += j == i ? 0 : exp(-2 * square);
        }
    return weights[0] * log(sum / (ROWS * (ROWS - 1)));
}

START_TEST(every_spreading_term) {
    static const plain_fn plain[] = {plain_koleo, plain_potential};
    const gosset__spread_ops *ops = gosset__spread_registry[_i];
    float y[ROWS * IN], z[ROWS * IN], norms[ROWS], gradient[ROWS * IN] = {0};
    double inputs[ROWS * IN], value, weight = 0.25;
    gosset__rng rng = gosset__rng_make(4, 1);
    fill_normal(&rng, y, ROWS * IN);
    gosset__normalise_forward(ROWS, IN, y, norms, z);
    to_doubles(z, ROWS * IN, inputs);
    float *scratch = malloc(gosset__spread_scratch_size(ROWS) * sizeof *scratch);
    require_ok(ops->add(ROWS, IN, z, (float)weight, gradient, scratch, NULL, &value));
    ck_assert_double_eq_tol(value, plain[_i](inputs, &weight), 1e-6);
    require_gradient(plain[_i], inputs, 0, ROWS * IN, &weight, gradient);

    memcpy(z, z + IN, IN * sizeof *z); /* duplicates: no direction to push, but no NaN either */
    memset(gradient, 0, sizeof gradient);
    require_ok(ops->add(ROWS, IN, z, 1, gradient, scratch, NULL, &value));
    ck_assert(isfinite(value));
    for (int i = 0; i < ROWS * IN; i++) ck_assert(isfinite(gradient[i]));
    ck_assert_ptr_null(gosset__spread_registry[sizeof plain / sizeof *plain]);
    free(scratch);
}
END_TEST

/* ---- losses --------------------------------------------------------------------------------- */

typedef struct loss_case {
    const gosset__loss_ops *ops;
    gosset__loss_batch batch;
    float *inputs, *latents, *gradients, *radii, *scratch;
    uint32_t *ids;
} loss_case;

enum { ANCHORS = 12, FEATURES = 9, DIMENSION = 6 };

static void loss_case_make(loss_case *c, const gosset__loss_ops *ops, uint64_t seed) {
    gosset__rng rng = gosset__rng_make(seed, 2);
    size_t members = 1 + ops->positives + ops->negatives, rows = ANCHORS * members;
    c->ops = ops;
    c->inputs = malloc(rows * FEATURES * sizeof(float));
    c->latents = malloc(rows * DIMENSION * sizeof(float));
    c->gradients = malloc(rows * DIMENSION * sizeof(float));
    c->radii = malloc(rows * sizeof(float));
    c->ids = malloc(rows * sizeof(uint32_t));
    c->scratch = malloc(ops->scratch_size(ANCHORS, members, FEATURES, DIMENSION, 1) * sizeof(float));
    fill_normal(&rng, c->inputs, rows * FEATURES);
    float *norms = c->radii;
    fill_normal(&rng, c->latents, rows * DIMENSION);
    gosset__normalise_forward(rows, DIMENSION, c->latents, norms, c->latents);
    for (size_t r = 0; r < rows; r++) {
        c->ids[r] = (uint32_t)r;
        c->radii[r] = 4 + (float)gosset__rng_unit(&rng);
    }
    c->ids[rows - 1] = c->ids[rows - 2]; /* a vector may be drawn twice */
    memcpy(c->inputs + (rows - 1) * FEATURES, c->inputs + (rows - 2) * FEATURES, FEATURES * sizeof(float));
    c->batch = (gosset__loss_batch){.anchors = ANCHORS,
                                    .members = members,
                                    .rows = rows,
                                    .features = FEATURES,
                                    .dimension = DIMENSION,
                                    .inputs = c->inputs,
                                    .latents = c->latents,
                                    .points = c->latents,
                                    .ids = c->ids,
                                    .radii = c->radii,
                                    .spread = gosset__spread_find(NULL),
                                    .uniformity = 0.1f,
                                    .gradients = c->gradients,
                                    .scratch = c->scratch,
                                    .panels = &gosset__panels_float};
}

static void loss_case_free(loss_case *c) {
    free(c->inputs), free(c->latents), free(c->gradients), free(c->radii), free(c->ids), free(c->scratch);
}

static double loss_value(loss_case *c) {
    double value = NAN;
    require_ok(c->ops->value_and_gradient(&c->batch, &value));
    return value;
}

/* d value / d step along a direction, from the values and from the gradient. */
START_TEST(every_loss) {
    const gosset__loss_ops *ops = gosset__loss_registry[_i];
    if (!ops) return;
    loss_case c;
    loss_case_make(&c, ops, 5);
    size_t count = c.batch.rows * DIMENSION;
    float *direction = malloc(count * sizeof(float)), *start = malloc(count * sizeof(float));
    memcpy(start, c.latents, count * sizeof(float));
    double largest = 0;
    for (uint64_t d = 0; d < DIRECTIONS; d++) {
        gosset__rng rng = gosset__rng_make(d, 3);
        fill_normal(&rng, direction, count);
        double expected = 0, step = 1e-3, values[2];
        loss_value(&c);
        for (size_t i = 0; i < count; i++) expected += (double)c.gradients[i] * (double)direction[i];
        for (int side = 0; side < 2; side++) {
            for (size_t i = 0; i < count; i++) c.latents[i] = start[i] + (float)(side ? step : -step) * direction[i];
            values[side] = loss_value(&c);
        }
        memcpy(c.latents, start, count * sizeof(float));
        double found = (values[1] - values[0]) / (2 * step);
        ck_assert_msg(fabs(found - expected) <= 0.01 * fabs(expected) + 0.005,
                      "%s, direction %d: expected %g, found %g", ops->name, (int)d, found, expected);
        largest = fmax(largest, fabs(expected));
    }
    ck_assert_double_gt(largest, 0.05); /* the comparison was about something */
    free(direction), free(start);
    loss_case_free(&c);
}
END_TEST

START_TEST(losses_of_duplicates) {
    const gosset__loss_ops *ops = gosset__loss_registry[_i];
    if (!ops) return;
    loss_case c;
    loss_case_make(&c, ops, 6);
    for (size_t r = 1; r < c.batch.rows; r++) { /* every vector the same */
        memcpy(c.inputs + r * FEATURES, c.inputs, FEATURES * sizeof(float));
        memcpy(c.latents + r * DIMENSION, c.latents, DIMENSION * sizeof(float));
    }
    for (size_t r = 0; r < c.batch.rows; r++) c.radii[r] = 0;
    ck_assert(isfinite(loss_value(&c)));
    for (size_t i = 0; i < c.batch.rows * DIMENSION; i++) ck_assert(isfinite(c.gradients[i]));
    for (size_t r = 0; r < c.batch.rows; r++) c.ids[r] = 3; /* and even the same vector */
    ck_assert(isfinite(loss_value(&c)));
    for (size_t i = 0; i < c.batch.rows * DIMENSION; i++) ck_assert(isfinite(c.gradients[i]));
    loss_case_free(&c);
}
END_TEST

/* The rank loss in doubles, from its definition. */
START_TEST(rank_loss_value) {
    loss_case c;
    loss_case_make(&c, gosset__loss_find("rank"), 8);
    c.batch.uniformity = 0;
    double sum = 0;
    for (int a = 0; a < ANCHORS; a++) {
        double near = 0, far = 0;
        for (int t = 0; t < DIMENSION; t++) {
            double anchor = (double)c.latents[a * DIMENSION + t];
            near += pow(anchor - (double)c.latents[(ANCHORS + a) * DIMENSION + t], 2);
            far += pow(anchor - (double)c.latents[(2 * ANCHORS + a) * DIMENSION + t], 2);
        }
        sum += fmax(0, sqrt(near) - sqrt(far)) / ANCHORS;
    }
    ck_assert_double_gt(sum, 0.01);
    ck_assert_double_eq_tol(loss_value(&c), sum, 1e-6);
    loss_case_free(&c);
}
END_TEST

/* ---- the whole network ---------------------------------------------------------------------- */

static double network_value(gosset__pass *pass, const gosset__parameters *p, const float *weights) {
    require_ok(gosset__pass_forward(pass, p));
    double sum = 0;
    for (size_t i = 0; i < pass->rows * pass->shape.output; i++) sum += (double)pass->z[i] * (double)weights[i];
    return sum;
}

START_TEST(network) {
    const gosset__shape shape = {FEATURES, 11, DIMENSION, (uint32_t)_i};
    gosset__env env = default_env(1);
    gosset__pass pass;
    require_ok(gosset__pass_create(&pass, &shape, 140, NULL, &env));
    size_t count = gosset__parameters_count(&shape), outputs = pass.rows * DIMENSION;
    float *start = malloc(count * sizeof(float)), *moved = malloc(count * sizeof(float));
    float *gradient = malloc(count * sizeof(float)), *direction = malloc(count * sizeof(float));
    float *weights = malloc(outputs * sizeof(float));
    gosset__rng rng = gosset__rng_make(9, 4);
    fill_normal(&rng, pass.x, pass.rows * FEATURES);
    fill_normal(&rng, start, count);
    fill_normal(&rng, weights, outputs);
    gosset__parameters p = gosset__parameters_view(&shape, start), m = gosset__parameters_view(&shape, moved);
    network_value(&pass, &p, weights);
    memcpy(pass.dz, weights, outputs * sizeof(float));
    for (size_t i = 0; i < count; i++) gradient[i] = NAN; /* every one must be written */
    require_ok(gosset__pass_backward(&pass, &p));
    gosset__pass_gradients(&pass, 0, 5, gradient);
    gosset__pass_gradients(&pass, 5, count - 5, gradient + 5);
    for (size_t d = 0; d < DIRECTIONS; d++) {
        double expected = 0, step = 5e-4, values[2];
        fill_normal(&rng, direction, count);
        for (size_t i = 0; i < count; i++) expected += (double)gradient[i] * (double)direction[i];
        for (int side = 0; side < 2; side++) {
            for (size_t i = 0; i < count; i++) moved[i] = start[i] + (float)(side ? step : -step) * direction[i];
            values[side] = network_value(&pass, &m, weights);
        }
        ck_assert_double_eq_tol((values[1] - values[0]) / (2 * step), expected, 0.02 * fabs(expected) + 0.5);
    }
    gosset__pass_free(&pass);
    free(start), free(moved), free(gradient), free(direction), free(weights);
}
END_TEST

/* The folded network on a sample gives what training gives on a batch that is the whole sample. */
START_TEST(folding) {
    const gosset__shape shape = {FEATURES, 19, DIMENSION, 1};
    gosset__env env = default_env(1);
    gosset__pass pass;
    require_ok(gosset__pass_create(&pass, &shape, 300, NULL, &env));
    size_t count = gosset__parameters_count(&shape), outputs = pass.rows * DIMENSION;
    float *parameters = malloc(count * sizeof(float)), *latents = malloc(outputs * sizeof(float));
    float *block = malloc(gosset__folded_count(&shape) * sizeof(float));
    gosset__rng rng = gosset__rng_make(10, 4);
    fill_normal(&rng, pass.x, pass.rows * FEATURES);
    fill_normal(&rng, parameters, count);
    gosset__parameters p = gosset__parameters_view(&shape, parameters);
    gosset__folded folded = gosset__folded_view(&shape, block);
    require_ok(gosset__pass_forward(&pass, &p));
    require_ok(gosset__fold(&shape, &p, pass.x, pass.rows, &folded, NULL, &env));
    require_ok(gosset__embed(&shape, &folded, pass.x, pass.rows, latents, NULL, &env));
    for (size_t i = 0; i < outputs; i++) ck_assert_float_eq_tol(latents[i], pass.z[i], 2e-5f);
    gosset__pass_free(&pass);
    free(parameters), free(latents), free(block);
}
END_TEST

START_TEST(loss_names) {
    uint32_t count = 0;
    for (const char *name; (name = gosset_loss_name(count)); count++)
        ck_assert_ptr_eq(gosset__loss_find(name), gosset__loss_registry[count]);
    ck_assert_uint_ge(count, 2);
    ck_assert_uint_le(count, 16); /* the loops above go that far */
    ck_assert_ptr_null(gosset__loss_find("no such loss"));
    ck_assert_ptr_eq(gosset__loss_find(NULL), gosset__loss_registry[0]);
}
END_TEST

/* Loop tests need their bounds before the registry can be counted. */
static int registered(void) {
    int count = 0;
    while (gosset__loss_registry[count]) count++;
    return count;
}

Suite *gradients_suite(void) {
    Suite *suite = suite_create("gradients");
    TCase *layers = tcase_create("layers"), *losses = tcase_create("losses");
    tcase_add_test(layers, linear_layer);
    tcase_add_test(layers, norm_and_relu_layer);
    tcase_add_test(layers, normalise_layer);
    tcase_add_loop_test(layers, network, 0, 2);
    tcase_add_test(layers, folding);
    suite_add_tcase(suite, layers);
    tcase_add_loop_test(losses, every_spreading_term, 0, 2);
    tcase_add_loop_test(losses, every_loss, 0, registered());
    tcase_add_loop_test(losses, losses_of_duplicates, 0, registered());
    tcase_add_test(losses, rank_loss_value);
    tcase_add_test(losses, loss_names);
    suite_add_tcase(suite, losses);
    return suite;
}
