#include "api/vectors.h"
#include "base/status.h"
#include <string.h>

const char *gosset__type_name(gosset_type type) {
    static const char *const names[] = {"f32", "u8", "i8", "f16"};
    return (unsigned)type < 4 ? names[type] : "unknown";
}

size_t gosset__vectors_row_size(const gosset_vectors *vectors) {
    return vectors->dimension * gosset_type_size(vectors->type);
}

const void *gosset__vectors_row(const gosset_vectors *vectors, size_t row) {
    size_t stride = vectors->stride ? vectors->stride : gosset__vectors_row_size(vectors);
    return (const char *)vectors->data + row * stride;
}

/* NaN and infinity are the floats whose exponent bits are all ones: an integer test, so that it vectorizes. */
static int row_is_finite(const void *row, uint32_t dimension) {
    const char *bytes = row;
    uint32_t bad = 0;
    for (uint32_t i = 0; i < dimension; i++) {
        uint32_t bits;
        memcpy(&bits, bytes + 4 * (size_t)i, 4);
        bad |= (uint32_t)((bits & 0x7f800000u) == 0x7f800000u);
    }
    return !bad;
}

gosset_status gosset__vectors_check(const gosset_vectors *vectors, const char *what) {
    if (!vectors) return gosset__fail(GOSSET_E_ARGUMENT, "%s: expected vectors, found NULL", what);
    if ((unsigned)vectors->type > GOSSET_I8)
        return gosset__fail(GOSSET_E_ARGUMENT, "%s: type: expected f32, u8 or i8, found %d", what, (int)vectors->type);
    if (vectors->dimension < 1 || vectors->dimension > GOSSET__VECTOR_MAX_DIMENSION)
        return gosset__fail(GOSSET_E_ARGUMENT, "%s: dimension: expected 1..%d, found %u", what,
                            GOSSET__VECTOR_MAX_DIMENSION, vectors->dimension);
    if (vectors->count && !vectors->data)
        return gosset__fail(GOSSET_E_ARGUMENT, "%s: expected the data of %zu vectors, found NULL", what,
                            vectors->count);
    size_t size = gosset__vectors_row_size(vectors), stride = vectors->stride ? vectors->stride : size;
    if (stride < size)
        return gosset__fail(GOSSET_E_ARGUMENT, "%s: stride: expected 0 or at least %zu bytes, found %zu", what, size,
                            stride);
    if (vectors->count > SIZE_MAX / 2 / stride)
        return gosset__fail(GOSSET_E_ARGUMENT, "%s: count: %zu vectors do not fit into memory", what, vectors->count);
    for (size_t i = 0; vectors->type == GOSSET_F32 && i < vectors->count; i++)
        if (!row_is_finite(gosset__vectors_row(vectors, i), vectors->dimension))
            return gosset__fail(GOSSET_E_ARGUMENT, "%s: row %zu: expected finite numbers, found NaN or infinity", what,
                                i);
    return GOSSET_OK;
}

gosset_status gosset__vectors_expect(const gosset_vectors *vectors, const char *what, uint32_t dimension) {
    if (vectors && vectors->dimension != dimension)
        return gosset__fail(GOSSET_E_DIMENSION, "%s: dimension: expected %u, found %u", what, dimension,
                            vectors->dimension);
    return gosset__vectors_check(vectors, what);
}

void gosset__vectors_copy(const gosset_vectors *vectors, size_t first, size_t count, void *out) {
    size_t size = gosset__vectors_row_size(vectors);
    if (!count) return;
    if (vectors->stride == 0 || vectors->stride == size) {
        memcpy(out, gosset__vectors_row(vectors, first), count * size);
        return;
    }
    for (size_t i = 0; i < count; i++) memcpy((char *)out + i * size, gosset__vectors_row(vectors, first + i), size);
}

void gosset__vectors_to_f32(const gosset_vectors *vectors, size_t first, size_t count, float *out) {
    if (vectors->type == GOSSET_F32) {
        gosset__vectors_copy(vectors, first, count, out);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const void *row = gosset__vectors_row(vectors, first + i);
        float *x = out + i * vectors->dimension;
        if (vectors->type == GOSSET_U8)
            for (uint32_t j = 0; j < vectors->dimension; j++) x[j] = (float)((const uint8_t *)row)[j];
        else
            for (uint32_t j = 0; j < vectors->dimension; j++) x[j] = (float)((const int8_t *)row)[j];
    }
}
