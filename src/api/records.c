#include "api/records.h"
#include "api/vectors.h"
#include "base/half.h"
#include "base/status.h"
#include <math.h>
#include <string.h>

gosset_status gosset__records_type(gosset_type *out, gosset_records records, gosset_type given) {
    static const gosset_type types[] = {GOSSET_F32, GOSSET_F32, GOSSET_F16, GOSSET_U8, GOSSET_I8};
    if ((unsigned)records > GOSSET_RECORDS_I8)
        return gosset__fail(GOSSET_E_ARGUMENT, "writer: records: expected 0 to %d, found %d", GOSSET_RECORDS_I8,
                            (int)records);
    *out = records == GOSSET_RECORDS_AS_GIVEN ? given : types[records];
    return GOSSET_OK;
}

static float value_at(const void *row, gosset_type type, uint32_t i) {
    float value;
    if (type == GOSSET_U8) return ((const uint8_t *)row)[i];
    if (type == GOSSET_I8) return ((const int8_t *)row)[i];
    memcpy(&value, (const char *)row + i * sizeof value, sizeof value);
    return value;
}

static int can_hold(gosset_type type, float value) {
    if (type == GOSSET_F32) return 1;
    if (type == GOSSET_F16) return fabsf(value) < 65520.0f;
    const float low = type == GOSSET_U8 ? 0 : -128, high = type == GOSSET_U8 ? 255 : 127;
    return value >= low && value <= high && value == rintf(value);
}

static gosset_status refuse(gosset_type type, uint64_t row, uint32_t i, float value) {
    static const char *const can[] = {[GOSSET_U8] = "integers of 0 to 255",
                                      [GOSSET_I8] = "integers of -128 to 127",
                                      [GOSSET_F16] = "numbers below 65520"};
    return gosset__fail(GOSSET_E_ARGUMENT, "vectors: row %llu: value %u is %g: records of %s hold %s",
                        (unsigned long long)row, i, (double)value, gosset__type_name(type), can[type]);
}

gosset_status gosset__records_check(const gosset_vectors *vectors, gosset_type type, uint64_t first) {
    if (type == vectors->type || type == GOSSET_F32) return GOSSET_OK;
    for (size_t r = 0; r < vectors->count; r++) {
        const void *row = gosset__vectors_row(vectors, r);
        for (uint32_t i = 0; i < vectors->dimension; i++) {
            const float value = value_at(row, vectors->type, i);
            if (!can_hold(type, value)) return refuse(type, first + r, i, value);
        }
    }
    return GOSSET_OK;
}

void gosset__records_convert(const gosset_vectors *vectors, gosset_type type, void *out) {
    if (type == vectors->type) {
        gosset__vectors_copy(vectors, 0, vectors->count, out);
        return;
    }
    if (type == GOSSET_F32) {
        gosset__vectors_to_f32(vectors, 0, vectors->count, out);
        return;
    }
    uint16_t *halves = out;
    uint8_t *bytes = out;
    for (size_t r = 0, at = 0; r < vectors->count; r++) {
        const void *row = gosset__vectors_row(vectors, r);
        for (uint32_t i = 0; i < vectors->dimension; i++, at++) {
            const float value = value_at(row, vectors->type, i);
            if (type == GOSSET_F16)
                halves[at] = gosset__half_of_float(value);
            else
                bytes[at] = type == GOSSET_U8 ? (uint8_t)value : (uint8_t)(int8_t)value;
        }
    }
}
