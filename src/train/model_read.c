/* Reading the model file: nothing in it is believed before it is checked. */
#include "base/bytes.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/status.h"
#include "lattice/windows.h"
#include "train/model_format.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t FILE_SIZE_MAX = (uint64_t)1 << 32;

static double load_double(const unsigned char *at) {
    double value;
    memcpy(&value, at, 8);
    return value;
}
static float load_float(const unsigned char *at) {
    float value;
    memcpy(&value, at, 4);
    return value;
}

/* Magic, version, size and checksum: after this the header is what some writer wrote. */
static gosset_status check_envelope(const unsigned char *bytes, size_t size, const char *name) {
    if (size < HEADER_SIZE)
        return gosset__fail(GOSSET_E_CORRUPT, "%s: size: expected at least %d bytes, found %zu", name, HEADER_SIZE,
                            size);
    if (memcmp(bytes, GOSSET__MODEL_MAGIC, sizeof GOSSET__MODEL_MAGIC) != 0)
        return gosset__fail(GOSSET_E_CORRUPT, "%s: not a gosset model: expected \"%s\" at byte 0", name,
                            GOSSET__MODEL_MAGIC);
    uint32_t version = gosset__load32(bytes + 8);
    if (version != GOSSET__MODEL_VERSION)
        return gosset__fail(GOSSET_E_FORMAT_VERSION, "%s: model format: expected version %d, found %u", name,
                            GOSSET__MODEL_VERSION, version);
    if (gosset__load64(bytes + HEADER_HASH) != gosset__hash(bytes, HEADER_HASH, 0))
        return gosset__fail(GOSSET_E_CORRUPT, "%s: header at byte 0: checksum differs", name);
    if (gosset__load32(bytes + 12) != HEADER_SIZE)
        return gosset__fail(GOSSET_E_CORRUPT, "%s: header size: expected %d, found %u", name, HEADER_SIZE,
                            gosset__load32(bytes + 12));
    if (gosset__load64(bytes + 16) != size)
        return gosset__fail(GOSSET_E_CORRUPT, "%s: size: expected %llu bytes, found %zu", name,
                            (unsigned long long)gosset__load64(bytes + 16), size);
    return GOSSET_OK;
}

static int text_ends(const unsigned char *text, size_t size) {
    return memchr(text, 0, size) != NULL;
}

static gosset_status count_cells(const unsigned char *header, const gosset_env *env, uint64_t *cells) {
    gosset_lattice *lattice;
    gosset_status status = gosset_lattice_create(&lattice, (const char *)header + 192, env);
    if (status == GOSSET_OK) *cells = lattice->point_count.word[0];
    gosset_lattice_free(lattice);
    return status;
}

/* A checksum proves that nothing changed, not that the writer was sane: every count is checked as well. */
static gosset_status read_shape(const unsigned char *header, const char *name, gosset__model_plan *p) {
    gosset_status status = GOSSET_OK;
    gosset__shape *shape = &p->shape;
    p->input = gosset__load32(header + 32);
    *shape = (gosset__shape){gosset__load32(header + 36), gosset__load32(header + 40), gosset__load32(header + 44),
                             gosset__load32(header + 52)};
    uint32_t metric_number = gosset__load32(header + 48);
    p->held_out = gosset__load32(header + 56);
    p->query = gosset__load32(header + 256) == SECTION_COUNT;
    GOSSET_REQUIRE(p->input >= 1 && p->input <= GOSSET__DIMENSION_MAX, GOSSET_E_CORRUPT,
                   "%s: input dimension: expected 1..%d, found %u", name, GOSSET__DIMENSION_MAX, p->input);
    GOSSET_REQUIRE(metric_number <= GOSSET_COSINE, GOSSET_E_CORRUPT, "%s: metric: expected 0..2, found %u", name,
                   metric_number);
    p->metric = (gosset_metric)metric_number;
    GOSSET_REQUIRE(shape->features == gosset__preprocess_features(p->input, p->metric), GOSSET_E_CORRUPT,
                   "%s: features: expected %u, found %u", name, gosset__preprocess_features(p->input, p->metric),
                   shape->features);
    GOSSET_REQUIRE(shape->width >= 1 && shape->width <= GOSSET__WIDTH_MAX, GOSSET_E_CORRUPT,
                   "%s: width: expected 1..%d, found %u", name, GOSSET__WIDTH_MAX, shape->width);
    GOSSET_REQUIRE(shape->output >= 1 && shape->output <= GOSSET__LATTICE_MAX_DIMENSION, GOSSET_E_CORRUPT,
                   "%s: output dimension: expected 1..%d, found %u", name, GOSSET__LATTICE_MAX_DIMENSION,
                   shape->output);
    GOSSET_REQUIRE(shape->skip <= 1, GOSSET_E_CORRUPT, "%s: skip: expected 0 or 1, found %u", name, shape->skip);
    GOSSET_REQUIRE(p->held_out <= GOSSET__HELD_OUT_MAX, GOSSET_E_CORRUPT,
                   "%s: held-out vectors: expected 0..%d, found %u", name, GOSSET__HELD_OUT_MAX, p->held_out);
    GOSSET_REQUIRE(text_ends(header + 96, 32) && text_ends(header + 128, 64) && text_ends(header + 192, 64),
                   GOSSET_E_CORRUPT, "%s: header: expected texts that end in a zero byte", name);
out:
    return status;
}

static int all_finite(const float *values, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (!isfinite(values[i])) return 0;
    return 1;
}

/* The gain's place has weight 0 and no other: the encoder divides by them. */
static gosset_status read_levels(const unsigned char *from, const char *name, gosset__windows *windows) {
    gosset_status status = GOSSET_OK;
    memcpy(windows->newer, from, sizeof windows->newer);
    memcpy(windows->older, from + sizeof windows->newer, sizeof windows->older);
    memcpy(windows->weights, from + LEVELS_SIZE, gosset__windows_places(windows));
    for (uint32_t k = 0; k < GOSSET__WINDOW_CLASSES; k++)
        for (uint32_t w = 0; w < 256; w++)
            GOSSET_REQUIRE(abs(gosset__window_level(windows, k, w)) <= gosset__window_top(k), GOSSET_E_CORRUPT,
                           "%s: level %u of class %u: expected at most %d, found %d", name, w, k, gosset__window_top(k),
                           gosset__window_level(windows, k, w));
    for (uint32_t i = 0; i < gosset__windows_places(windows); i++)
        GOSSET_REQUIRE(windows->weights[i] <= GOSSET__WINDOW_WEIGHT_MAX && (windows->weights[i] == 0) == (i == 0),
                       GOSSET_E_CORRUPT, "%s: weight of place %u: found %u", name, i, windows->weights[i]);
    gosset__windows_complete(windows);
out:
    return status;
}

static gosset_status read_residual(const unsigned char *header, const char *name, gosset__residual *residual) {
    gosset_status status = GOSSET_OK;
    gosset__windows *windows = &residual->windows;
    const float gain = load_float(header + RESIDUAL + 28);
    int sane = gain >= 0 && gain < INFINITY;
    uint32_t words[GOSSET__WINDOW_CLASSES];
    residual->features = gosset__load32(header + RESIDUAL);
    for (int k = 0; k < GOSSET__WINDOW_CLASSES; k++) words[k] = gosset__load32(header + RESIDUAL + 4 + 4 * k);
    gosset__windows_start(windows, words);
    for (int k = 0; k < GOSSET__WINDOW_CLASSES; k++) {
        windows->steps[k] = load_float(header + RESIDUAL + 16 + 4 * k);
        sane = sane && windows->words[k] <= GOSSET__WINDOWS_MAX_PLACES / (8u << k);
        sane = sane && windows->steps[k] >= 0 && windows->steps[k] < INFINITY;
    }
    gosset__windows_set_gains(windows, gain);
    residual->groups = gosset__load32(header + RESIDUAL + 32);
    residual->turned = gosset__load32(header + RESIDUAL + 36);
    residual->stretch = load_float(header + RESIDUAL + 40);
    GOSSET_REQUIRE(residual->groups <= GOSSET__RESIDUAL_MAX_GROUPS &&
                       (residual->groups == 0) == (residual->turned == 0) &&
                       residual->turned <= GOSSET__RESIDUAL_MAX_TURNED && residual->turned % 16 == 0 &&
                       residual->turned <= residual->features,
                   GOSSET_E_CORRUPT, "%s: residual codes: %u groups with %u axes of %u features", name,
                   residual->groups, residual->turned, residual->features);
    if (residual->features == 0) {
        GOSSET_REQUIRE((words[0] | words[1] | words[2]) == 0, GOSSET_E_CORRUPT,
                       "%s: codes are points: expected no words of windows, found %u, %u and %u", name, words[0],
                       words[1], words[2]);
        goto out;
    }
    sane = sane && residual->stretch >= 1 && residual->stretch <= GOSSET__STRETCH_MAX;
    GOSSET_REQUIRE(sane && windows->words[0] >= 1, GOSSET_E_CORRUPT,
                   "%s: residual codes: expected words, finite steps, a gain and a stretch, found others", name);
    if (gosset__windows_places(windows) > residual->features) gosset__windows_repeat(windows);
    GOSSET_REQUIRE(gosset__windows_places(windows) <= GOSSET__WINDOWS_MAX_PLACES, GOSSET_E_CORRUPT,
                   "%s: residual codes: expected at most %d places, found %u", name, GOSSET__WINDOWS_MAX_PLACES,
                   gosset__windows_places(windows));
    GOSSET_REQUIRE(gosset__windows_distinct(windows) <= residual->features &&
                       residual->features <= GOSSET__RESIDUAL_MAX_FEATURES,
                   GOSSET_E_CORRUPT, "%s: residual codes: expected %u to %d features, found %u", name,
                   gosset__windows_distinct(windows), GOSSET__RESIDUAL_MAX_FEATURES, residual->features);
out:
    return status;
}

static gosset_status check_sections(const unsigned char *bytes, size_t size, const char *name,
                                    const gosset__model_plan *p, gosset__model_section *sections) {
    gosset_status status = GOSSET_OK;
    uint64_t expected = gosset__model_lay_sections(p, sections);
    GOSSET_REQUIRE(expected == size, GOSSET_E_CORRUPT, "%s: size: expected %llu bytes for its shape, found %zu", name,
                   (unsigned long long)expected, size);
    const int count = gosset__model_count_sections(p);
    GOSSET_REQUIRE(gosset__load32(bytes + 256) == (uint32_t)count, GOSSET_E_CORRUPT,
                   "%s: sections: expected %d, found %u", name, count, gosset__load32(bytes + 256));
    uint64_t end = HEADER_SIZE;
    for (int i = 0; i < count; i++) {
        const unsigned char *entry = bytes + SECTION_TABLE + i * SECTION_ENTRY;
        const gosset__model_section *at = &sections[i];
        GOSSET_REQUIRE(gosset__load64(entry + 8) == at->offset && gosset__load64(entry + 16) == at->size,
                       GOSSET_E_CORRUPT, "%s: section %d: expected %llu bytes at byte %llu", name, i,
                       (unsigned long long)at->size, (unsigned long long)at->offset);
        GOSSET_REQUIRE(gosset__load64(entry + 24) == gosset__hash(bytes + at->offset, at->size, (uint64_t)i),
                       GOSSET_E_CORRUPT, "%s: section %d at byte %llu: checksum differs", name, i,
                       (unsigned long long)at->offset);
        for (; end < at->offset; end++)
            GOSSET_REQUIRE(bytes[end] == 0, GOSSET_E_CORRUPT, "%s: padding at byte %llu: expected 0, found %u", name,
                           (unsigned long long)end, bytes[end]);
        end = at->offset + at->size;
    }
    for (; end < size; end++)
        GOSSET_REQUIRE(bytes[end] == 0, GOSSET_E_CORRUPT, "%s: padding at byte %llu: expected 0, found %u", name,
                       (unsigned long long)end, bytes[end]);
    GOSSET_REQUIRE(gosset__load64(bytes + 24) == gosset__model_fingerprint_of(bytes), GOSSET_E_CORRUPT,
                   "%s: fingerprint at byte 24: differs from the content", name);
out:
    return status;
}

static gosset_status fill_model(gosset_model *model, const unsigned char *bytes, const gosset__model_section *sections,
                                const char *name) {
    gosset_status status = GOSSET_OK;
    memcpy(model->preprocess.mean, bytes + sections[SECTION_MEAN].offset, sections[SECTION_MEAN].size);
    memcpy(model->folded, bytes + sections[SECTION_WEIGHTS].offset, sections[SECTION_WEIGHTS].size);
    memcpy(model->held_out, bytes + sections[SECTION_HELD_OUT].offset, sections[SECTION_HELD_OUT].size);
    const size_t columns = model->residual.features;
    if (columns > 0) {
        memcpy(model->rotation, bytes + sections[SECTION_ROTATION].offset, sections[SECTION_ROTATION].size);
        memcpy(model->centroids, bytes + sections[SECTION_CENTROIDS].offset, sections[SECTION_CENTROIDS].size);
        memcpy(model->turns, bytes + sections[SECTION_TURNS].offset, sections[SECTION_TURNS].size);
        memcpy(model->group, bytes + sections[SECTION_GROUPS].offset, sections[SECTION_GROUPS].size);
        for (size_t c = 0; c < sections[SECTION_GROUPS].size; c++)
            GOSSET_REQUIRE(model->group[c] < model->residual.groups, GOSSET_E_CORRUPT,
                           "%s: group of cell %zu: expected less than %u, found %u", name, c, model->residual.groups,
                           model->group[c]);
        GOSSET_TRY(read_levels(bytes + sections[SECTION_LEVELS].offset, name, &model->residual.windows));
    }
    if (model->query_last) {
        const size_t query_size = sections[SECTION_QUERY].size;
        memcpy(model->query_last, bytes + sections[SECTION_QUERY].offset, query_size);
        GOSSET_REQUIRE(all_finite(model->query_last, query_size / 4), GOSSET_E_CORRUPT,
                       "%s: last layer of queries: expected finite numbers, found NaN or infinity", name);
    }
    model->train_seconds = load_double(bytes + sections[SECTION_TIMING].offset);
    memcpy(model->loss, bytes + 96, sizeof model->loss);
    model->epochs = gosset__load32(bytes + 60);
    model->seed = gosset__load64(bytes + 64);
    model->learn_count = gosset__load64(bytes + 72);
    model->validation_recall = load_double(bytes + 80);
    model->preprocess.scale = load_float(bytes + 88);
    model->preprocess.largest_norm = load_float(bytes + 92);
    GOSSET_REQUIRE(all_finite(model->preprocess.mean, model->shape.features) &&
                       all_finite(model->folded, gosset__folded_count(&model->shape)) &&
                       all_finite(model->held_out, (size_t)model->held_out_count * model->preprocess.input) &&
                       all_finite(model->rotation, sections[SECTION_ROTATION].size / 4) &&
                       all_finite(model->centroids, sections[SECTION_CENTROIDS].size / 4) &&
                       all_finite(model->turns, sections[SECTION_TURNS].size / 4) &&
                       isfinite(model->preprocess.scale) && isfinite(model->preprocess.largest_norm),
                   GOSSET_E_CORRUPT, "%s: weights: expected finite numbers, found NaN or infinity", name);
out:
    return status;
}

gosset_status gosset__model_parse(gosset_model **out, const void *data, size_t size, const char *name,
                                  const gosset_env *env) {
    const unsigned char *bytes = data;
    gosset_model *model = NULL;
    gosset__model_plan p = {0};
    gosset__model_section sections[SECTION_COUNT];
    gosset_status status;
    *out = NULL;
    GOSSET_TRY(check_envelope(bytes, size, name));
    GOSSET_TRY(read_shape(bytes, name, &p));
    GOSSET_TRY(read_residual(bytes, name, &p.residual));
    GOSSET_TRY(count_cells(bytes, env, &p.cells));
    GOSSET_TRY(check_sections(bytes, size, name, &p, sections));
    GOSSET_TRY(gosset__model_create(&model, &p.shape, p.input, p.metric, p.held_out, (const char *)bytes + 128,
                                    (const char *)bytes + 192, env));
    GOSSET_TRY(gosset__model_make_residual(model, &p.residual));
    if (p.query) GOSSET_TRY(gosset__model_make_query(model));
    GOSSET_TRY(fill_model(model, bytes, sections, name));
    GOSSET_TRY(gosset__model_finish(model));
    *out = model;
    model = NULL;
out:
    gosset_model_free(model);
    return status;
}

gosset_status gosset_model_load(gosset_model **out, const char *path, const gosset_env *env) {
    if (!out || !path) return gosset__fail(GOSSET_E_ARGUMENT, "gosset_model_load: expected a place and a path");
    *out = NULL;
    gosset__env own;
    void *data = NULL;
    size_t size = 0;
    gosset_status status;
    GOSSET_TRY(gosset__env_read(&own, env));
    GOSSET_TRY(gosset__read_file(&own, path, FILE_SIZE_MAX, &data, &size));
    status = gosset__model_parse(out, data, size, path, env);
    gosset__free(&own, data);
out:
    return status;
}
