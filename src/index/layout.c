/* What every shard of an index agrees on: checked, derived, stored. */
#include "base/bytes.h"
#include "base/status.h"
#include "index/format.h"

gosset_status gosset__layout_derive(gosset__layout *layout) {
    gosset_status status = GOSSET_OK;
    GOSSET_REQUIRE(layout->dimension >= 1 && layout->dimension <= GOSSET__MAX_DIMENSION, GOSSET_E_ARGUMENT,
                   "index layout: dimension: expected 1 to %d, found %u", GOSSET__MAX_DIMENSION, layout->dimension);
    GOSSET_REQUIRE((uint32_t)layout->type <= GOSSET_F16, GOSSET_E_ARGUMENT,
                   "index layout: type: expected 0 to 3, found %u", (uint32_t)layout->type);
    GOSSET_REQUIRE((uint32_t)layout->metric <= GOSSET_COSINE, GOSSET_E_ARGUMENT,
                   "index layout: metric: expected 0 to 2, found %u", (uint32_t)layout->metric);
    GOSSET_REQUIRE(layout->code_size >= 1 && layout->code_size <= GOSSET__MAX_CODE_SIZE, GOSSET_E_ARGUMENT,
                   "index layout: code bytes: expected 1 to %d, found %u", GOSSET__MAX_CODE_SIZE, layout->code_size);
    GOSSET_REQUIRE(layout->cell_count >= 1 && layout->cell_count <= GOSSET__MAX_CELLS, GOSSET_E_ARGUMENT,
                   "index layout: cells: expected 1 to %d, found %u", GOSSET__MAX_CELLS, layout->cell_count);
    layout->record_size = GOSSET__ID_SIZE + layout->dimension * (uint32_t)gosset_type_size(layout->type);
    layout->page_size = (uint32_t)gosset__round_up(layout->record_size + GOSSET__HASH_SIZE, GOSSET__BLOCK);
    layout->records_per_page = (layout->page_size - GOSSET__HASH_SIZE) / layout->record_size;
out:
    return status;
}

void gosset__layout_store(const gosset__layout *layout, uint8_t *out) {
    const uint32_t fields[8] = {layout->dimension, (uint32_t)layout->type,  (uint32_t)layout->metric,
                                layout->code_size, layout->cell_count,      layout->record_size,
                                layout->page_size, layout->records_per_page};
    for (size_t i = 0; i < 8; i++) gosset__store32(out + 4 * i, fields[i]);
    gosset__store64(out + 32, layout->fingerprint);
}

gosset_status gosset__layout_load(gosset__layout *layout, const uint8_t *in, const char *path) {
    gosset_status status = GOSSET_OK;
    memset(layout, 0, sizeof *layout);
    layout->dimension = gosset__load32(in);
    layout->type = (gosset_type)gosset__load32(in + 4);
    layout->metric = (gosset_metric)gosset__load32(in + 8);
    layout->code_size = gosset__load32(in + 12);
    layout->cell_count = gosset__load32(in + 16);
    layout->fingerprint = gosset__load64(in + 32);
    GOSSET_REQUIRE(gosset__layout_derive(layout) == GOSSET_OK, GOSSET_E_CORRUPT,
                   "%s: layout: a field is out of bounds (dimension %u, code bytes %u, cells %u)", path,
                   layout->dimension, layout->code_size, layout->cell_count);
    GOSSET_REQUIRE(gosset__load32(in + 20) == layout->record_size && gosset__load32(in + 24) == layout->page_size &&
                       gosset__load32(in + 28) == layout->records_per_page,
                   GOSSET_E_CORRUPT, "%s: layout: expected records of %u bytes, %u on pages of %u, found %u, %u, %u",
                   path, layout->record_size, layout->records_per_page, layout->page_size, gosset__load32(in + 20),
                   gosset__load32(in + 28), gosset__load32(in + 24));
out:
    return status;
}

gosset_status gosset__layout_match(const gosset__layout *expected, const gosset__layout *found, const char *path) {
    const struct {
        const char *name;
        uint64_t expected, found;
    } fields[] = {{"dimension", expected->dimension, found->dimension},
                  {"type", (uint32_t)expected->type, (uint32_t)found->type},
                  {"metric", (uint32_t)expected->metric, (uint32_t)found->metric},
                  {"code bytes", expected->code_size, found->code_size},
                  {"cells", expected->cell_count, found->cell_count}};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (fields[i].expected != fields[i].found)
            return gosset__fail(GOSSET_E_MISMATCH, "%s: %s: expected %llu, found %llu", path, fields[i].name,
                                (unsigned long long)fields[i].expected, (unsigned long long)fields[i].found);
    if (expected->fingerprint != found->fingerprint)
        return gosset__fail(GOSSET_E_MISMATCH, "%s: made with another model: expected %016llx, found %016llx", path,
                            (unsigned long long)expected->fingerprint, (unsigned long long)found->fingerprint);
    return GOSSET_OK;
}

size_t gosset__first_nonzero(const uint8_t *data, size_t size) {
    size_t i = 0;
    while (i + 8 <= size && gosset__load64(data + i) == 0) i += 8;
    while (i < size && data[i] == 0) i++;
    return i;
}
