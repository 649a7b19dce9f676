/* Writing the model file, described byte by byte in FORMAT.md. */
#include "base/bytes.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/status.h"
#include "train/model_format.h"

#include <string.h>

static void store_double(unsigned char *at, double value) {
    memcpy(at, &value, 8);
}
static void store_float(unsigned char *at, float value) {
    memcpy(at, &value, 4);
}
static void write_identity(const gosset_model *model, unsigned char *header) {
    gosset__store32(header + 32, model->preprocess.input);
    gosset__store32(header + 36, model->shape.features);
    gosset__store32(header + 40, model->shape.width);
    gosset__store32(header + 44, model->shape.output);
    gosset__store32(header + 48, (uint32_t)model->preprocess.metric);
    gosset__store32(header + 52, model->shape.skip);
    gosset__store32(header + 56, model->held_out_count);
    gosset__store32(header + 60, model->epochs);
    gosset__store64(header + 64, model->seed);
    gosset__store64(header + 72, model->learn_count);
    store_double(header + 80, model->validation_recall);
    store_float(header + 88, model->preprocess.scale);
    store_float(header + 92, model->preprocess.largest_norm);
    memcpy(header + 96, model->loss, strlen(model->loss));
    memcpy(header + 128, model->code_lattice->spec, strlen(model->code_lattice->spec));
    memcpy(header + 192, model->cell_lattice->spec, strlen(model->cell_lattice->spec));
    const gosset__windows *windows = &model->residual.windows;
    gosset__store32(header + RESIDUAL, model->residual.features);
    for (int k = 0; k < GOSSET__WINDOW_CLASSES; k++) {
        gosset__store32(header + RESIDUAL + 4 + 4 * k, windows->words[k]);
        store_float(header + RESIDUAL + 16 + 4 * k, windows->steps[k]);
    }
    store_float(header + RESIDUAL + 28, windows->gains[15]);
    gosset__store32(header + RESIDUAL + 32, model->residual.groups);
    gosset__store32(header + RESIDUAL + 36, model->residual.turned);
    store_float(header + RESIDUAL + 40, model->residual.stretch);
}

/* Terms of the levels, then the weights of all places. */
static void write_levels(const gosset__windows *windows, unsigned char *out) {
    memcpy(out, windows->newer, sizeof windows->newer);
    memcpy(out + sizeof windows->newer, windows->older, sizeof windows->older);
    memcpy(out + LEVELS_SIZE, windows->weights, gosset__windows_places(windows));
}

static void write_header(const gosset_model *model, const gosset__model_section *sections, int count,
                         const void *const *contents, uint64_t file_size, unsigned char *header) {
    memset(header, 0, HEADER_SIZE);
    memcpy(header, GOSSET__MODEL_MAGIC, sizeof GOSSET__MODEL_MAGIC);
    gosset__store32(header + 8, GOSSET__MODEL_VERSION);
    gosset__store32(header + 12, HEADER_SIZE);
    gosset__store64(header + 16, file_size);
    write_identity(model, header);
    gosset__store32(header + 256, (uint32_t)count);
    for (int i = 0; i < count; i++) {
        unsigned char *entry = header + SECTION_TABLE + i * SECTION_ENTRY;
        gosset__store32(entry, (uint32_t)i);
        gosset__store64(entry + 8, sections[i].offset);
        gosset__store64(entry + 16, sections[i].size);
        gosset__store64(entry + 24, gosset__hash(contents[i], sections[i].size, (uint64_t)i));
    }
    gosset__store64(header + 24, gosset__model_fingerprint_of(header));
    gosset__store64(header + HEADER_HASH, gosset__hash(header, HEADER_HASH, 0));
}

static uint64_t describe_file(const gosset_model *model, gosset__model_section *sections, unsigned char *header) {
    const gosset__model_plan p = gosset__model_plan_of(model);
    const uint64_t file_size = gosset__model_lay_sections(&p, sections);
    unsigned char levels[LEVELS_SIZE + GOSSET__WINDOWS_MAX_PLACES];
    const void *contents[SECTION_COUNT] = {model->preprocess.mean, model->folded,    model->held_out, model->rotation,
                                           model->centroids,       model->turns,     model->group,    levels,
                                           &model->train_seconds,  model->query_last};
    write_levels(&model->residual.windows, levels);
    write_header(model, sections, gosset__model_count_sections(&p), contents, file_size, header);
    return file_size;
}

gosset_status gosset__model_fingerprint(const gosset_model *model, uint64_t *fingerprint) {
    gosset__model_section sections[SECTION_COUNT];
    unsigned char header[HEADER_SIZE];
    describe_file(model, sections, header);
    *fingerprint = gosset__load64(header + 24);
    return GOSSET_OK;
}

gosset_status gosset__model_serialize(const gosset_model *model, const gosset__env *env, void **data, size_t *size) {
    gosset__model_section sections[SECTION_COUNT];
    unsigned char header[HEADER_SIZE];
    *data = NULL;
    *size = (size_t)describe_file(model, sections, header);
    unsigned char *bytes = gosset__alloc_zero(env, *size);
    if (!bytes) return gosset__no_memory("model file", *size);
    memcpy(bytes, header, HEADER_SIZE);
    memcpy(bytes + sections[SECTION_MEAN].offset, model->preprocess.mean, sections[SECTION_MEAN].size);
    memcpy(bytes + sections[SECTION_WEIGHTS].offset, model->folded, sections[SECTION_WEIGHTS].size);
    memcpy(bytes + sections[SECTION_HELD_OUT].offset, model->held_out, sections[SECTION_HELD_OUT].size);
    if (model->rotation) {
        memcpy(bytes + sections[SECTION_ROTATION].offset, model->rotation, sections[SECTION_ROTATION].size);
        memcpy(bytes + sections[SECTION_CENTROIDS].offset, model->centroids, sections[SECTION_CENTROIDS].size);
        memcpy(bytes + sections[SECTION_TURNS].offset, model->turns, sections[SECTION_TURNS].size);
        memcpy(bytes + sections[SECTION_GROUPS].offset, model->group, sections[SECTION_GROUPS].size);
        write_levels(&model->residual.windows, bytes + sections[SECTION_LEVELS].offset);
    }
    store_double(bytes + sections[SECTION_TIMING].offset, model->train_seconds);
    if (model->query_last)
        memcpy(bytes + sections[SECTION_QUERY].offset, model->query_last, sections[SECTION_QUERY].size);
    *data = bytes;
    return GOSSET_OK;
}

gosset_status gosset_model_save(const gosset_model *model, const char *path) {
    if (!model || !path) return gosset__fail(GOSSET_E_ARGUMENT, "gosset_model_save: expected a model and a path");
    void *data;
    size_t size;
    gosset_status status = gosset__model_serialize(model, &model->env, &data, &size);
    if (status == GOSSET_OK) status = gosset__replace_file(path, data, size);
    gosset__free(&model->env, data);
    return status;
}
