#include "train/model_format.h"

#include "base/bytes.h"
#include "base/hash.h"

int gosset__model_count_sections(const gosset__model_plan *p) {
    return p->query ? SECTION_COUNT : SECTION_QUERY;
}

gosset__model_plan gosset__model_plan_of(const gosset_model *model) {
    return (gosset__model_plan){.shape = model->shape,
                                .input = model->preprocess.input,
                                .held_out = model->held_out_count,
                                .metric = model->preprocess.metric,
                                .residual = model->residual,
                                .query = model->query_last != NULL,
                                .cells = model->cell_lattice->point_count.word[0]};
}

uint64_t gosset__model_lay_sections(const gosset__model_plan *p, gosset__model_section *sections) {
    const uint64_t columns = p->residual.features, turned = p->residual.turned;
    const uint64_t sizes[SECTION_COUNT] = {
        (uint64_t)p->shape.features * 4,
        (uint64_t)gosset__folded_count(&p->shape) * 4,
        (uint64_t)p->held_out * p->input * 4,
        ((uint64_t)p->shape.features + 1) * columns * 4,
        p->cells * columns * 4,
        p->residual.groups * turned * turned * 4,
        p->residual.groups > 0 ? p->cells : 0,
        columns > 0 ? LEVELS_SIZE + gosset__windows_places(&p->residual.windows) : 0,
        8,
        p->query ? (uint64_t)gosset__last_count(&p->shape) * 4 : 0,
    };
    uint64_t at = HEADER_SIZE;
    for (int i = 0; i < SECTION_COUNT; i++) {
        sections[i] = (gosset__model_section){at, sizes[i]};
        at = gosset__round_up(at + sizes[i], SECTION_ALIGNMENT);
    }
    return at;
}

uint64_t gosset__model_fingerprint_of(const unsigned char *header) {
    gosset__hasher hasher;
    gosset__hasher_start(&hasher, GOSSET__MODEL_VERSION);
    gosset__hasher_add(&hasher, header + IDENTITY_FIRST, IDENTITY_END - IDENTITY_FIRST);
    gosset__hasher_add(&hasher, header + RESIDUAL, RESIDUAL_SIZE);
    for (int i = 0; i < SECTION_TIMING; i++)
        gosset__hasher_add(&hasher, header + SECTION_TABLE + i * SECTION_ENTRY + 24, 8);
    if (gosset__load32(header + 256) > SECTION_QUERY)
        gosset__hasher_add(&hasher, header + SECTION_TABLE + SECTION_QUERY * SECTION_ENTRY + 24, 8);
    return gosset__hasher_value(&hasher);
}
