/*
 * NumPy's .npy (NEP 1): magic, version, header length, then a Python dict literal. Only what numpy.save writes is
 * accepted: the three keys in any order, no nesting beyond the shape.
 */
#include "datasets/dataset.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER_MAX = 65536, DESCR_MAX = 8, SHAPE_MAX = 2 };

typedef struct npy_header {
    char descr[DESCR_MAX];
    int has_descr, has_order, has_shape, fortran;
    uint32_t axes;
    uint64_t shape[SHAPE_MAX];
} npy_header;

static const char *skip_space(const char *text) {
    while (isspace((unsigned char)*text)) text++;
    return text;
}

/* 'text' or "text" into out; NULL when it is something else or does not fit. */
static const char *parse_string(const char *text, char *out, size_t size) {
    const char quote = *text;
    if (quote != '\'' && quote != '"') return NULL;
    size_t length = 0;
    for (text++; *text && *text != quote; text++) {
        if (length + 1 >= size) return NULL;
        out[length++] = *text;
    }
    if (*text != quote) return NULL;
    out[length] = 0;
    return text + 1;
}

static const char *parse_shape(const char *text, npy_header *header) {
    if (*text++ != '(') return NULL;
    for (text = skip_space(text); *text != ')'; text = skip_space(text)) {
        uint64_t value = 0;
        if (!isdigit((unsigned char)*text)) return NULL;
        for (; isdigit((unsigned char)*text); text++) {
            if (__builtin_mul_overflow(value, (uint64_t)10, &value)) return NULL;
            if (__builtin_add_overflow(value, (uint64_t)(*text - '0'), &value)) return NULL;
        }
        if (header->axes < SHAPE_MAX) header->shape[header->axes] = value;
        header->axes++;
        text = skip_space(text);
        if (*text == ',')
            text++;
        else if (*text != ')')
            return NULL;
    }
    return text + 1;
}

static const char *parse_entry(const char *text, npy_header *header) {
    char key[16];
    text = parse_string(skip_space(text), key, sizeof key);
    if (!text) return NULL;
    text = skip_space(text);
    if (*text++ != ':') return NULL;
    text = skip_space(text);
    if (strcmp(key, "descr") == 0) {
        header->has_descr = 1;
        return parse_string(text, header->descr, sizeof header->descr);
    }
    if (strcmp(key, "shape") == 0) {
        header->has_shape = 1;
        return parse_shape(text, header);
    }
    if (strcmp(key, "fortran_order") != 0) return NULL;
    header->has_order = 1;
    header->fortran = strncmp(text, "True", 4) == 0;
    if (header->fortran) return text + 4;
    return strncmp(text, "False", 5) == 0 ? text + 5 : NULL;
}

static int parse_dict(const char *text, npy_header *header) {
    text = skip_space(text);
    if (*text++ != '{') return 0;
    for (text = skip_space(text); *text != '}'; text = skip_space(text)) {
        text = parse_entry(text, header);
        if (!text) return 0;
        text = skip_space(text);
        if (*text == ',')
            text++;
        else if (*text != '}')
            return 0;
    }
    return *skip_space(text + 1) == 0 && header->has_descr && header->has_order && header->has_shape;
}

static gosset_status find_element(gosset_element *element, const char *descr, const char *path) {
    static const struct {
        const char *descr;
        gosset_element element;
    } known[] = {{"<f4", GOSSET_ELEMENT_F32}, {"|u1", GOSSET_ELEMENT_U8},  {"|i1", GOSSET_ELEMENT_I8},
                 {"<f2", GOSSET_ELEMENT_F16}, {"<i4", GOSSET_ELEMENT_I32}, {"<i8", GOSSET_ELEMENT_I64},
                 {"<u8", GOSSET_ELEMENT_I64}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(descr, known[i].descr) == 0) {
            *element = known[i].element;
            return GOSSET_OK;
        }
    }
    return dataset_fail(GOSSET_E_UNSUPPORTED, "%s: npy: element type %s, expected <f4, <f2, |u1, |i1 or integer ids",
                        path, descr);
}

static gosset_status check_header(dataset_layout *layout, const npy_header *header, const char *path) {
    if (header->fortran) return dataset_fail(GOSSET_E_UNSUPPORTED, "%s: npy: Fortran order is not supported", path);
    gosset_status status = find_element(&layout->element, header->descr, path);
    if (status != GOSSET_OK) return status;
    const int one_axis = header->axes == 1 && layout->element == GOSSET_ELEMENT_I64;
    if (header->axes != 2 && !one_axis)
        return dataset_fail(GOSSET_E_UNSUPPORTED, "%s: npy: %u axes, expected 2 (rows, dimension)", path, header->axes);
    const uint64_t dimension = one_axis ? 1 : header->shape[1];
    if (dimension == 0 || dimension > DATASET_DIMENSION_MAX)
        return dataset_fail(GOSSET_E_CORRUPT, "%s: npy: dimension %llu, expected 1 to %d", path,
                            (unsigned long long)dimension, DATASET_DIMENSION_MAX);
    if (header->shape[0] == 0) return dataset_fail(GOSSET_E_CORRUPT, "%s: npy: holds no rows", path);
    layout->count = header->shape[0];
    layout->dimension = (uint32_t)dimension;
    layout->stride = dimension * dataset_element_size(layout->element);
    return GOSSET_OK;
}

gosset_status dataset_parse_npy(dataset_layout *layout, int fd, uint64_t size, const char *path) {
    uint8_t prefix[12];
    if (size < sizeof prefix)
        return dataset_fail(GOSSET_E_CORRUPT, "%s: npy: %llu bytes, too short for a header", path,
                            (unsigned long long)size);
    gosset_status status = dataset_read_at(fd, prefix, sizeof prefix, 0, path);
    if (status != GOSSET_OK) return status;
    if (memcmp(prefix, "\x93NUMPY", 6) != 0)
        return dataset_fail(GOSSET_E_CORRUPT, "%s: npy: does not start with the NumPy magic", path);
    const uint32_t version = prefix[6];
    if (version < 1 || version > 3)
        return dataset_fail(GOSSET_E_UNSUPPORTED, "%s: npy: format version %u, expected 1 to 3", path, version);
    uint32_t length = (uint32_t)prefix[8] | (uint32_t)prefix[9] << 8;
    if (version > 1) length |= (uint32_t)prefix[10] << 16 | (uint32_t)prefix[11] << 24;
    const uint32_t start = version > 1 ? 12 : 10;
    if (length > HEADER_MAX || length > size - start)
        return dataset_fail(GOSSET_E_CORRUPT, "%s: npy: header of %u bytes in a file of %llu", path, length,
                            (unsigned long long)size);
    char *text = malloc((size_t)length + 1);
    if (!text) return dataset_fail(GOSSET_E_NO_MEMORY, "%s: npy: no memory for the header", path);
    npy_header header = {.axes = 0};
    status = dataset_read_at(fd, text, length, start, path);
    text[status == GOSSET_OK ? length : 0] = 0;
    if (status == GOSSET_OK && !parse_dict(text, &header))
        status = dataset_fail(GOSSET_E_CORRUPT, "%s: npy: the header is not what numpy.save writes", path);
    free(text);
    if (status == GOSSET_OK) status = check_header(layout, &header, path);
    layout->offset = (uint64_t)start + length;
    return status;
}
