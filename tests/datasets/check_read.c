/* Every format, mapped and in batches: the same rows both ways. */
#include "datasets_tests.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { ROWS = 7, DIMENSION = 5 };

static double expected_at(size_t i, uint32_t j) {
    return (double)((i * 31 + j * 7) % 100);
}

/* IEEE half, from its definition. */
static double half_value(uint32_t half) {
    const int exponent = half >> 10 & 31;
    const double fraction = (double)(half & 1023) / 1024, sign = half & 0x8000 ? -1 : 1;
    if (exponent == 31) return fraction > 0 ? (double)NAN : sign * (double)INFINITY;
    return sign * (exponent == 0 ? ldexp(fraction, -14) : ldexp(1 + fraction, exponent - 15));
}

static uint16_t half_of(double value) {
    uint16_t half = 0;
    while (half_value(half) != value) half++;
    return half;
}

static void put_element(file_parts *parts, gosset_element element, double value) {
    const float single = (float)value;
    const int32_t integer = (int32_t)value;
    const int64_t wide = (int64_t)value;
    const signed char small = (signed char)value;
    const uint16_t half = half_of(value);
    switch (element) {
    case GOSSET_ELEMENT_F32:
        put(parts, &single, sizeof single);
        break;
    case GOSSET_ELEMENT_I32:
        put(parts, &integer, sizeof integer);
        break;
    case GOSSET_ELEMENT_I64:
        put(parts, &wide, sizeof wide);
        break;
    case GOSSET_ELEMENT_F16:
        put(parts, &half, sizeof half);
        break;
    default:
        put(parts, &small, sizeof small);
        break;
    }
}

static void put_rows(file_parts *parts, gosset_element element, int row_headers) {
    for (size_t i = 0; i < ROWS; i++) {
        if (row_headers) put32(parts, DIMENSION);
        for (uint32_t j = 0; j < DIMENSION; j++) put_element(parts, element, expected_at(i, j));
    }
}

static void check_vectors(const gosset_vectors *vectors, size_t first, size_t count) {
    ck_assert_uint_eq(vectors->count, count);
    ck_assert_uint_eq(vectors->dimension, DIMENSION);
    for (size_t i = 0; i < count; i++) {
        for (uint32_t j = 0; j < DIMENSION; j++)
            ck_assert_double_eq(element_at(vectors, i, j), expected_at(first + i, j));
    }
}

/* Whole by mapping, then rows in batches of every size, then past the end. */
static void check_file(const char *path, gosset_element element) {
    gosset_dataset *dataset;
    gosset_vectors vectors;
    ck_assert_msg(gosset_dataset_open(&dataset, path) == GOSSET_OK, "%s", gosset_dataset_error());
    ck_assert_uint_eq(gosset_dataset_count(dataset), ROWS);
    ck_assert_uint_eq(gosset_dataset_dimension(dataset), DIMENSION);
    ck_assert_int_eq(gosset_dataset_element(dataset), element);
    ck_assert_str_eq(gosset_dataset_path(dataset), path);
    if (element == GOSSET_ELEMENT_I32 || element == GOSSET_ELEMENT_I64) {
        uint64_t values[ROWS * DIMENSION];
        ck_assert_int_eq(gosset_dataset_map(dataset, &vectors), GOSSET_E_DIMENSION);
        ck_assert_int_eq(gosset_dataset_read_integers(dataset, 1, ROWS - 1, values), GOSSET_OK);
        for (size_t i = 0; i < (ROWS - 1) * DIMENSION; i++)
            ck_assert_uint_eq(values[i], (uint64_t)expected_at(1 + i / DIMENSION, (uint32_t)(i % DIMENSION)));
        ck_assert_int_eq(gosset_dataset_read_integers(dataset, 1, ROWS, values), GOSSET_E_ARGUMENT);
    } else {
        ck_assert_msg(gosset_dataset_map(dataset, &vectors) == GOSSET_OK, "%s", gosset_dataset_error());
        ck_assert_uint_eq((uintptr_t)vectors.data % (vectors.type == GOSSET_F32 ? 4 : 1), 0);
        check_vectors(&vectors, 0, ROWS);
        for (size_t batch = 1; batch <= ROWS + 1; batch++) {
            for (size_t first = 0; first <= ROWS; first += batch) {
                ck_assert_int_eq(gosset_dataset_read(dataset, first, batch, &vectors), GOSSET_OK);
                check_vectors(&vectors, first, first + batch < ROWS ? batch : ROWS - first);
            }
        }
    }
    gosset_dataset_close(dataset);
}

START_TEST(texmex_files) {
    static const struct {
        const char *name;
        gosset_element element;
    } files[] = {{"a.fvecs", GOSSET_ELEMENT_F32}, {"a.bvecs", GOSSET_ELEMENT_U8}, {"a.ivecs", GOSSET_ELEMENT_I32}};
    file_parts parts = {.size = 0};
    put_rows(&parts, files[_i].element, 1);
    check_file(write_parts(&parts, files[_i].name), files[_i].element);
}
END_TEST

START_TEST(bin_files) {
    static const struct {
        const char *name;
        gosset_element element;
    } files[] = {{"a.fbin", GOSSET_ELEMENT_F32},
                 {"a.u8bin", GOSSET_ELEMENT_U8},
                 {"a.i8bin", GOSSET_ELEMENT_I8},
                 {"a.ibin", GOSSET_ELEMENT_I32},
                 {"a.u64bin", GOSSET_ELEMENT_I64}};
    file_parts parts = {.size = 0};
    put32(&parts, ROWS);
    put32(&parts, DIMENSION);
    put_rows(&parts, files[_i].element, 0);
    check_file(write_parts(&parts, files[_i].name), files[_i].element);
}
END_TEST

START_TEST(npy_files) {
    static const struct {
        const char *descr;
        gosset_element stored, element;
    } types[] = {{"<f4", GOSSET_ELEMENT_F32, GOSSET_ELEMENT_F32}, {"<f2", GOSSET_ELEMENT_F16, GOSSET_ELEMENT_F32},
                 {"|u1", GOSSET_ELEMENT_U8, GOSSET_ELEMENT_U8},   {"|i1", GOSSET_ELEMENT_I8, GOSSET_ELEMENT_I8},
                 {"<i4", GOSSET_ELEMENT_I32, GOSSET_ELEMENT_I32}, {"<i8", GOSSET_ELEMENT_I64, GOSSET_ELEMENT_I64},
                 {"<u8", GOSSET_ELEMENT_I64, GOSSET_ELEMENT_I64}};
    for (int version = 1; version <= 3; version++) {
        char dictionary[128];
        file_parts parts = {.size = 0};
        snprintf(dictionary, sizeof dictionary, "{'descr': '%s', 'fortran_order': False, 'shape': (%d, %d), }",
                 types[_i].descr, ROWS, DIMENSION);
        put_npy(&parts, version, dictionary);
        put_rows(&parts, types[_i].stored, 0);
        check_file(write_parts(&parts, "a.npy"), types[_i].element);
    }
}
END_TEST

/* Keys in another order, other quotes and spacing, and a header that leaves the rows misaligned. */
START_TEST(npy_loose) {
    static const char dictionary[] = "{\"shape\":(7,5),'fortran_order' : False , \"descr\":'<f4'}";
    file_parts parts = {.size = 0};
    const unsigned char head[10] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, sizeof dictionary, 0};
    put(&parts, head, sizeof head);
    put(&parts, dictionary, sizeof dictionary - 1);
    put(&parts, "\n", 1);
    ck_assert_uint_ne(parts.size % 4, 0);
    put_rows(&parts, GOSSET_ELEMENT_F32, 0);
    check_file(write_parts(&parts, "a.npy"), GOSSET_ELEMENT_F32);
}
END_TEST

START_TEST(npy_one_axis_of_ids) {
    file_parts parts = {.size = 0};
    gosset_dataset *dataset;
    uint64_t ids[3];
    const uint64_t stored[3] = {UINT64_MAX - 1, 0, 1234567890123};
    put_npy(&parts, 1, "{'descr': '<u8', 'fortran_order': False, 'shape': (3,), }");
    put(&parts, stored, sizeof stored);
    ck_assert_int_eq(gosset_dataset_open(&dataset, write_parts(&parts, "ids.npy")), GOSSET_OK);
    ck_assert_uint_eq(gosset_dataset_dimension(dataset), 1);
    ck_assert_int_eq(gosset_dataset_read_integers(dataset, 0, 3, ids), GOSSET_OK);
    ck_assert_mem_eq(ids, stored, sizeof ids);
    gosset_dataset_close(dataset);
}
END_TEST

START_TEST(padding_of_neighbour_lists) {
    file_parts parts = {.size = 0};
    gosset_dataset *dataset;
    uint64_t ids[2];
    put32(&parts, 2);
    put32(&parts, 5);
    put32(&parts, (uint32_t)-1);
    ck_assert_int_eq(gosset_dataset_open(&dataset, write_parts(&parts, "t.ivecs")), GOSSET_OK);
    ck_assert_int_eq(gosset_dataset_read_integers(dataset, 0, 1, ids), GOSSET_OK);
    ck_assert_uint_eq(ids[0], 5);
    ck_assert_uint_eq(ids[1], UINT64_MAX);
    gosset_dataset_close(dataset);
}
END_TEST

/* All 65,536 halves. */
START_TEST(every_half) {
    gosset_dataset *dataset;
    gosset_vectors vectors;
    static unsigned char bytes[256 + 65536 * 2];
    file_parts head = {.size = 0};
    put_npy(&head, 1, "{'descr': '<f2', 'fortran_order': False, 'shape': (65536, 1), }");
    memcpy(bytes, head.bytes, head.size);
    for (uint32_t i = 0; i < 65536; i++) memcpy(bytes + head.size + 2 * i, &(uint16_t){(uint16_t)i}, 2);
    const char *path = temp_path(directory, "halves.npy");
    file_write(path, bytes, head.size + 65536 * 2);
    ck_assert_int_eq(gosset_dataset_open(&dataset, path), GOSSET_OK);
    ck_assert_int_eq(gosset_dataset_map(dataset, &vectors), GOSSET_OK);
    for (uint32_t i = 0; i < 65536; i++) {
        const double expected = half_value(i), found = element_at(&vectors, i, 0);
        if (isnan(expected))
            ck_assert(isnan(found));
        else
            ck_assert_msg(found == expected && !signbit(found) == !signbit(expected), "half %x", i);
    }
    gosset_dataset_close(dataset);
}
END_TEST

TCase *read_cases(void) {
    TCase *cases = tcase_create("read");
    tcase_add_loop_test(cases, texmex_files, 0, 3);
    tcase_add_loop_test(cases, bin_files, 0, 5);
    tcase_add_loop_test(cases, npy_files, 0, 7);
    tcase_add_test(cases, npy_loose);
    tcase_add_test(cases, npy_one_axis_of_ids);
    tcase_add_test(cases, padding_of_neighbour_lists);
    tcase_add_test(cases, every_half);
    return cases;
}
