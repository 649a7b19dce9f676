/** What the writer and the reader of model files share: FORMAT.md as constants, and where everything lies. */
#ifndef GOSSET_TRAIN_MODEL_FORMAT_H
#define GOSSET_TRAIN_MODEL_FORMAT_H

#include "train/network.h"

#define GOSSET__MODEL_MAGIC "GOSSETM" /* with its zero byte */
enum {
    GOSSET__MODEL_VERSION = 1,
    HEADER_SIZE = 1024,
    SECTION_TABLE = 512, /* offset of the section table */
    SECTION_ENTRY = 32,
    SECTION_ALIGNMENT = 64,
    RESIDUAL =
        456, /* features, words, steps, largest gain, groups, turned features and stretch of the residual codes */
    RESIDUAL_SIZE = 48,
    LEVELS_SIZE = 2 * 3 * 16, /* terms of the levels: newer and older nibbles, of three classes */
    HEADER_HASH = 1016,
    IDENTITY_FIRST = 32, /* header bytes that are content: shape, settings, specs */
    IDENTITY_END = 256
};
enum {
    SECTION_MEAN,
    SECTION_WEIGHTS,
    SECTION_HELD_OUT,
    SECTION_ROTATION,
    SECTION_CENTROIDS,
    SECTION_TURNS,
    SECTION_GROUPS,
    SECTION_LEVELS,
    SECTION_TIMING,
    SECTION_QUERY, /* only where queries have a last layer of their own */
    SECTION_COUNT
};

typedef struct gosset__model_section {
    uint64_t offset, size;
} gosset__model_section;

/** All sizes of a file follow from these. */
typedef struct gosset__model_plan {
    gosset__shape shape;
    uint32_t input, held_out;
    gosset_metric metric;
    gosset__residual residual;
    uint64_t cells;
    int query; /* queries have a last layer of their own */
} gosset__model_plan;

int gosset__model_count_sections(const gosset__model_plan *plan);
gosset__model_plan gosset__model_plan_of(const gosset_model *model);
/** Offsets and sizes of all sections; the size of the file. A file's own table must agree. */
uint64_t gosset__model_lay_sections(const gosset__model_plan *plan, gosset__model_section *sections);
/** From the identity and the hashes of all sections but the timing. */
uint64_t gosset__model_fingerprint_of(const unsigned char *header);

#endif
