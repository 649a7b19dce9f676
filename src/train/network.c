#include "train/network.h"

/* Hands out the next `count` floats of a block; with a NULL block it only counts. */
static float *take(float **at, size_t *total, size_t count) {
    float *taken = *at;
    if (*at) *at += count;
    *total += count;
    return taken;
}

static size_t parameters_lay(const gosset__shape *shape, float *block, gosset__parameters *out, size_t *matrices) {
    size_t total = 0, width = shape->width, features = shape->features, output = shape->output;
    out->w1 = take(&block, &total, features * width);
    out->w2 = take(&block, &total, width * width);
    out->w3 = take(&block, &total, width * output);
    out->skip = shape->skip ? take(&block, &total, features * output) : NULL;
    *matrices = total;
    out->gamma1 = take(&block, &total, width);
    out->beta1 = take(&block, &total, width);
    out->gamma2 = take(&block, &total, width);
    out->beta2 = take(&block, &total, width);
    out->bias3 = take(&block, &total, output);
    return total;
}

size_t gosset__parameters_count(const gosset__shape *shape) {
    gosset__parameters ignored;
    size_t matrices;
    return parameters_lay(shape, NULL, &ignored, &matrices);
}

size_t gosset__parameters_matrices(const gosset__shape *shape) {
    gosset__parameters ignored;
    size_t matrices;
    parameters_lay(shape, NULL, &ignored, &matrices);
    return matrices;
}

gosset__parameters gosset__parameters_view(const gosset__shape *shape, float *block) {
    gosset__parameters parameters;
    size_t matrices;
    parameters_lay(shape, block, &parameters, &matrices);
    return parameters;
}

static size_t folded_lay(const gosset__shape *shape, float *block, gosset__folded *out) {
    size_t total = 0, width = shape->width, features = shape->features, output = shape->output;
    out->w1 = take(&block, &total, features * width);
    out->bias1 = take(&block, &total, width);
    out->w2 = take(&block, &total, width * width);
    out->bias2 = take(&block, &total, width);
    out->w3 = take(&block, &total, width * output);
    out->bias3 = take(&block, &total, output);
    out->skip = shape->skip ? take(&block, &total, features * output) : NULL;
    return total;
}

size_t gosset__folded_count(const gosset__shape *shape) {
    gosset__folded ignored;
    return folded_lay(shape, NULL, &ignored);
}

static size_t last_lay(const gosset__shape *shape, float *block, gosset__folded *out) {
    size_t total = 0, width = shape->width, features = shape->features, output = shape->output;
    *out = (gosset__folded){.w3 = take(&block, &total, width * output)};
    out->bias3 = take(&block, &total, output);
    out->skip = shape->skip ? take(&block, &total, features * output) : NULL;
    return total;
}

size_t gosset__last_count(const gosset__shape *shape) {
    gosset__folded ignored;
    return last_lay(shape, NULL, &ignored);
}

gosset__folded gosset__last_view(const gosset__shape *shape, float *block) {
    gosset__folded last;
    last_lay(shape, block, &last);
    return last;
}

gosset__folded gosset__folded_view(const gosset__shape *shape, float *block) {
    gosset__folded folded;
    folded_lay(shape, block, &folded);
    return folded;
}
