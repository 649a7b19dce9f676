/*
 * A second reader of the model file, written from src/train/FORMAT.md alone: it finds every number by its description
 * and computes latents with plain loops. They must be those of the library, bit for bit.
 */
#include "train/train_tests.h"

typedef struct reader {
    const unsigned char *bytes;
    uint32_t inputs, features, width, outputs, metric, skip;
    float scale, largest_norm;
} reader;

static uint32_t u32_at(const reader *self, size_t offset) {
    const unsigned char *p = self->bytes + offset;
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t u64_at(const reader *self, size_t offset) {
    return (uint64_t)u32_at(self, offset) | (uint64_t)u32_at(self, offset + 4) << 32;
}

static float f32_at(const reader *self, size_t offset) {
    uint32_t bits = u32_at(self, offset);
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

static uint64_t section_offset(const reader *self, uint32_t section) {
    return u64_at(self, 512 + 32 * section + 8);
}

/* Element `index` of a section of floats. */
static float element(const reader *self, uint32_t section, size_t index) {
    return f32_at(self, section_offset(self, section) + 4 * index);
}

static reader read_header(const unsigned char *bytes, size_t size) {
    reader self = {.bytes = bytes};
    ck_assert_mem_eq(bytes, "GOSSETM", 8);
    ck_assert_uint_eq(u32_at(&self, 8), 1);
    ck_assert_uint_eq(u32_at(&self, 12), 1024);
    ck_assert_uint_eq(u64_at(&self, 16), size);
    ck_assert_uint_eq(u64_at(&self, 1016), gosset__hash(bytes, 1016, 0));
    self.inputs = u32_at(&self, 32), self.features = u32_at(&self, 36);
    self.width = u32_at(&self, 40), self.outputs = u32_at(&self, 44);
    self.metric = u32_at(&self, 48), self.skip = u32_at(&self, 52);
    self.scale = f32_at(&self, 88), self.largest_norm = f32_at(&self, 92);
    return self;
}

static void check_sections(const reader *self) {
    const uint32_t columns = u32_at(self, 456);
    const uint32_t places = 8 * u32_at(self, 460) + 16 * u32_at(self, 464) + 32 * u32_at(self, 468);
    if (columns > 0) ck_assert_uint_ge(columns, places);
    gosset_lattice *cells = NULL;
    require_ok(gosset_lattice_create(&cells, (const char *)self->bytes + 192, NULL));
    const uint64_t w = self->width, f = self->features, o = self->outputs;
    const uint64_t groups = u32_at(self, 488), turned = u32_at(self, 492);
    const uint32_t sections = u32_at(self, 256);
    const uint64_t sizes[10] = {4 * f,
                                4 * (f * w + w + w * w + w + w * o + o + self->skip * f * o),
                                4ull * u32_at(self, 56) * self->inputs,
                                4 * (f + 1) * columns,
                                4 * cells->point_count.word[0] * columns,
                                4 * groups * turned * turned,
                                groups > 0 ? cells->point_count.word[0] : 0,
                                columns > 0 ? 96 + places : 0,
                                8,
                                4 * (w * o + o + self->skip * f * o)};
    gosset_lattice_free(cells);
    uint64_t at = 1024;
    ck_assert(sections == 9 || sections == 10);
    for (uint32_t i = 0; i < sections; i++) {
        size_t entry = 512 + 32 * i;
        ck_assert_uint_eq(u32_at(self, entry), i);
        ck_assert_uint_eq(u64_at(self, entry + 8), at);
        ck_assert_uint_eq(u64_at(self, entry + 16), sizes[i]);
        ck_assert_uint_eq(u64_at(self, entry + 24), gosset__hash(self->bytes + at, sizes[i], i));
        at = (at + sizes[i] + 63) / 64 * 64;
    }
    ck_assert_uint_eq(u64_at(self, 16), at);
    unsigned char named[224 + 48 + 9 * 8];
    memcpy(named, self->bytes + 32, 224);
    memcpy(named + 224, self->bytes + 456, 48);
    for (size_t i = 0; i < 8; i++) memcpy(named + 272 + 8 * i, self->bytes + 512 + 32 * i + 24, 8);
    memcpy(named + 272 + 8 * 8, self->bytes + 512 + 32 * 9 + 24, 8); /* where queries have a last layer */
    ck_assert_uint_eq(u64_at(self, 24), gosset__hash(named, sections == 10 ? sizeof named : sizeof named - 8, 1));
}

/* Squares summed in 16 parts, added pairwise. */
static float square_norm(const float *x, uint32_t count) {
    float parts[16] = {0};
    for (uint32_t i = 0; i < count; i++) parts[i % 16] = fmaf(x[i], x[i], parts[i % 16]);
    for (int half = 8; half > 0; half /= 2)
        for (int i = 0; i < half; i++) parts[i] += parts[i + half];
    return parts[0];
}

static void preprocess(const reader *self, gosset_side side, const float *vector, float *x) {
    float norm = sqrtf(square_norm(vector, self->inputs)), factor = 1;
    if (self->metric == GOSSET_COSINE) factor = norm > 0 ? 1 / norm : 0;
    if (self->metric == GOSSET_IP && side == GOSSET_QUERY) factor = norm > 0 ? self->largest_norm / norm : 0;
    for (uint32_t i = 0; i < self->inputs; i++) x[i] = factor == 1 ? vector[i] : vector[i] * factor;
    if (self->metric == GOSSET_IP) {
        float rest = self->largest_norm * self->largest_norm - norm * norm;
        x[self->inputs] = side == GOSSET_BASE && rest > 0 ? sqrtf(rest) : 0;
    }
    for (uint32_t i = 0; i < self->features; i++) x[i] = (x[i] - element(self, 0, i)) * self->scale;
}

/* y[j] = bias[j] + sum of x[i] w[i][j] from where both lie in a section; returns where the next layer lies. */
static size_t layer(const reader *self, uint32_t section, size_t at, const float *x, uint32_t in, uint32_t out,
                    int relu, float *y) {
    for (uint32_t j = 0; j < out; j++) {
        y[j] = element(self, section, at + (size_t)in * out + j);
        for (uint32_t i = 0; i < in; i++) y[j] = fmaf(x[i], element(self, section, at + (size_t)i * out + j), y[j]);
        if (relu && !(y[j] > 0)) y[j] = 0;
    }
    return at + (size_t)in * out + out;
}

static void latent_of(const reader *self, gosset_side side, const float *vector, float *z) {
    float x[64], h1[64], h2[64];
    ck_assert(self->features <= 64 && self->width <= 64);
    preprocess(self, side, vector, x);
    size_t at = layer(self, 1, 0, x, self->features, self->width, 1, h1);
    at = layer(self, 1, at, h1, self->width, self->width, 1, h2);
    const uint32_t last = side == GOSSET_QUERY && u32_at(self, 256) == 10 ? 9 : 1;
    at = layer(self, last, last == 9 ? 0 : at, h2, self->width, self->outputs, 0, z);
    for (uint32_t j = 0; self->skip && j < self->outputs; j++)
        for (uint32_t i = 0; i < self->features; i++)
            z[j] = fmaf(x[i], element(self, last, at + (size_t)i * self->outputs + j), z[j]);
    float norm = sqrtf(square_norm(z, self->outputs));
    for (uint32_t j = 0; j < self->outputs; j++) z[j] /= norm;
}

/* Every metric, with lattice points and with residual codes, with a skip and without. */
START_TEST(second_reader) {
    enum { D = 10, COUNT = 1000 };
    float *data = clustered_vectors(31, COUNT, D, 20, GOSSET_F32);
    gosset_vectors learn = view_of(data, COUNT, D, GOSSET_F32);
    gosset_train_config config = _i % 2 ? residual_config(NULL) : small_config(NULL);
    config.metric = (gosset_metric)(_i / 2 % 3);
    config.loss = _i < 6 ? NULL : "rank";
    config.width = 20;
    gosset_model *model = train_model(&learn, &config);
    size_t size;
    unsigned char *bytes = model_bytes(model, &size, NULL);
    reader self = read_header(bytes, size);
    check_sections(&self);
    ck_assert_uint_eq(self.inputs, D);
    gosset_vectors few = view_of(data, 50, D, GOSSET_F32);
    float latents[50 * 64], z[64];
    for (int side = GOSSET_BASE; side <= GOSSET_QUERY; side++) {
        require_ok(gosset_model_apply(model, (gosset_side)side, &few, latents));
        for (size_t r = 0; r < few.count; r++) {
            latent_of(&self, (gosset_side)side, data + r * D, z);
            ck_assert_mem_eq(z, latents + r * self.outputs, self.outputs * sizeof(float));
        }
    }
    gosset_model_info info = {.struct_size = sizeof info};
    require_ok(gosset_model_describe(model, &info));
    const uint32_t columns = u32_at(&self, 456);
    for (uint32_t i = 0; i < columns; i++) /* behind the rotation */
        ck_assert(info.query_shift[i] == element(&self, 3, (size_t)self.features * columns + i));
    ck_assert(info.query_stretch == (columns > 0 ? f32_at(&self, 496) : 1));
    ck_assert_int_eq(info.query_shift != NULL, columns > 0);
    gosset_vectors held_out = gosset__model_held_out(model);
    ck_assert_uint_eq(held_out.count, u32_at(&self, 56));
    ck_assert_mem_eq(held_out.data, bytes + section_offset(&self, 2), held_out.count * D * sizeof(float));
    free(bytes), free(data);
    gosset_model_free(model);
}
END_TEST

Suite *format_suite(void) {
    Suite *suite = suite_create("format");
    TCase *format = tcase_create("second reader");
    tcase_set_timeout(format, 120);
    tcase_add_loop_test(format, second_reader, 0, 12);
    suite_add_tcase(suite, format);
    return suite;
}
