/* Every way a file can be wrong has its status and its sentence. */
#include "datasets_tests.h"

#include <string.h>
#include <unistd.h>

/* The file must be refused at open, or when its rows are touched, with `fragment` after its path. */
static void check_refused(const char *path, gosset_status expected, const char *fragment) {
    gosset_dataset *dataset = NULL;
    gosset_vectors vectors;
    gosset_status status = gosset_dataset_open(&dataset, path);
    if (status != GOSSET_OK) ck_assert_ptr_null(dataset);
    if (status == GOSSET_OK && gosset_dataset_element(dataset) <= GOSSET_ELEMENT_I8) {
        status = gosset_dataset_read(dataset, 0, SIZE_MAX, &vectors);
        const gosset_status mapped = gosset_dataset_map(dataset, &vectors);
        ck_assert_int_eq(mapped, status);
    }
    ck_assert_msg(status == expected, "%s: status %d, expected %d", path, status, expected);
    const char *sentence = gosset_dataset_error();
    ck_assert_msg(strncmp(sentence, path, strlen(path)) == 0, "'%s' does not begin with the path", sentence);
    ck_assert_msg(strstr(sentence, fragment) != NULL, "'%s' does not say '%s'", sentence, fragment);
    gosset_dataset_close(dataset);
}

START_TEST(no_such_file) {
    check_refused(temp_path(directory, "none.fvecs"), GOSSET_E_NOT_FOUND, "No such file");
}
END_TEST

START_TEST(not_a_file) {
    const char *path = temp_path(directory, "folder.fvecs");
    gosset_dataset *dataset;
    ck_assert_int_eq(symlink(directory, path), 0);
    ck_assert_int_eq(gosset_dataset_open(&dataset, path), GOSSET_E_IO);
    ck_assert_ptr_nonnull(strstr(gosset_dataset_error(), "not a regular file"));
}
END_TEST

START_TEST(unknown_ending) {
    const file_parts parts = {.size = 4};
    check_refused(write_parts(&parts, "a.hdf5"), GOSSET_E_UNSUPPORTED, "unknown format, expected .fvecs");
    check_refused(write_parts(&parts, "fvecs"), GOSSET_E_UNSUPPORTED, "unknown format");
}
END_TEST

START_TEST(empty_and_short) {
    static const char *const names[] = {"a.fvecs", "a.bvecs", "a.ivecs", "a.fbin", "a.u8bin", "a.npy"};
    file_parts parts = {.size = 0};
    check_refused(write_parts(&parts, names[_i]), GOSSET_E_CORRUPT, "empty file");
    for (parts.size = 1; parts.size < 4; parts.size++)
        check_refused(write_parts(&parts, names[_i]), GOSSET_E_CORRUPT, "too short");
}
END_TEST

START_TEST(row_of_another_dimension) {
    file_parts parts = {.size = 0};
    const float zeros[4] = {0};
    for (int row = 0; row < 20; row++) {
        put32(&parts, row == 17 ? 3 : 4);
        put(&parts, zeros, sizeof zeros);
    }
    check_refused(write_parts(&parts, "learn.fvecs"), GOSSET_E_CORRUPT, "row 17: dimension 3, expected 4");
}
END_TEST

START_TEST(size_that_does_not_divide) {
    file_parts parts = {.size = 0};
    put32(&parts, 128);
    parts.size = 1000;
    check_refused(write_parts(&parts, "a.bvecs"), GOSSET_E_CORRUPT,
                  "size 1000 is not a multiple of 132, the row size at dimension 128");
}
END_TEST

START_TEST(impossible_dimensions) {
    static const uint32_t dimensions[] = {0, (uint32_t)-1, 0x80000000u, (1u << 20) + 1};
    file_parts vecs = {.size = 0}, bin = {.size = 0};
    put32(&vecs, dimensions[_i]);
    vecs.size = 1024;
    check_refused(write_parts(&vecs, "a.fvecs"), GOSSET_E_CORRUPT, "row 0: dimension");
    put32(&bin, 1);
    put32(&bin, dimensions[_i]);
    bin.size = 1024;
    check_refused(write_parts(&bin, "a.fbin"), GOSSET_E_CORRUPT, "dimension");
}
END_TEST

START_TEST(bin_header_and_size) {
    file_parts parts = {.size = 0};
    put32(&parts, 10);
    put32(&parts, 4);
    parts.size = 8 + 10 * 4 * 4 - 1;
    check_refused(write_parts(&parts, "a.fbin"), GOSSET_E_CORRUPT, "header says 10 x 4: expected 168 bytes, found 167");
    parts.size += 2;
    check_refused(write_parts(&parts, "a.fbin"), GOSSET_E_CORRUPT, "expected 168 bytes, found 169");
    memset(parts.bytes, 0, 4);
    check_refused(write_parts(&parts, "a.fbin"), GOSSET_E_CORRUPT, "holds no rows");
}
END_TEST

/* 2^32 - 1 rows of 2^20 dimensions: the product does not fit 32 bits, and must not wrap into a small one. */
START_TEST(bin_header_that_overflows) {
    file_parts parts = {.size = 0};
    put32(&parts, UINT32_MAX);
    put32(&parts, 1u << 20);
    parts.size = 64;
    check_refused(write_parts(&parts, "a.fbin"), GOSSET_E_CORRUPT, "header says 4294967295 x 1048576");
}
END_TEST

START_TEST(npy_refused) {
    static const struct {
        const char *dictionary;
        gosset_status status;
        const char *fragment;
    } cases[] = {
        {"{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }", GOSSET_E_UNSUPPORTED,
         "npy: Fortran order is not supported"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }", GOSSET_E_UNSUPPORTED, "element type <f8"},
        {"{'descr': '>f4', 'fortran_order': False, 'shape': (2, 3), }", GOSSET_E_UNSUPPORTED, "element type >f4"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (6,), }", GOSSET_E_UNSUPPORTED, "1 axes, expected 2"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2, 3), }", GOSSET_E_UNSUPPORTED, "3 axes, expected 2"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (), }", GOSSET_E_UNSUPPORTED, "0 axes, expected 2"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (0, 3), }", GOSSET_E_CORRUPT, "holds no rows"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 0), }", GOSSET_E_CORRUPT, "dimension 0"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (3, 3), }", GOSSET_E_CORRUPT, "header says 3 x 3"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (18446744073709551615, 1048576), }", GOSSET_E_CORRUPT,
         "more than a file can hold"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999999, 3), }", GOSSET_E_CORRUPT,
         "not what numpy.save writes"},
        {"{'descr': '<f4', 'shape': (2, 3), }", GOSSET_E_CORRUPT, "not what numpy.save writes"},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2, 3), }", GOSSET_E_CORRUPT,
         "not what numpy.save writes"},
        {"{'descr': '<f4', 'fortran_order': Maybe, 'shape': (2, 3), }", GOSSET_E_CORRUPT, "not what numpy.save writes"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3", GOSSET_E_CORRUPT, "not what numpy.save writes"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2 3)}", GOSSET_E_CORRUPT, "not what numpy.save writes"},
        {"{'descr': '<f4 and a long tail', 'fortran_order': False, 'shape': (2, 3)}", GOSSET_E_CORRUPT,
         "not what numpy.save writes"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)} import os", GOSSET_E_CORRUPT,
         "not what numpy.save writes"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), 'other': 1}", GOSSET_E_CORRUPT,
         "not what numpy.save writes"},
        {"", GOSSET_E_CORRUPT, "not what numpy.save writes"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        file_parts parts = {.size = 0};
        const float rows[6] = {0};
        put_npy(&parts, 1, cases[i].dictionary);
        put(&parts, rows, sizeof rows);
        check_refused(write_parts(&parts, "a.npy"), cases[i].status, cases[i].fragment);
    }
}
END_TEST

START_TEST(npy_head) {
    file_parts parts = {.size = 0};
    const float rows[6] = {0};
    put_npy(&parts, 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }");
    put(&parts, rows, sizeof rows);
    file_parts changed = parts;
    changed.bytes[0] = 'x';
    check_refused(write_parts(&changed, "a.npy"), GOSSET_E_CORRUPT, "NumPy magic");
    changed = parts;
    changed.bytes[6] = 4;
    check_refused(write_parts(&changed, "a.npy"), GOSSET_E_UNSUPPORTED, "format version 4, expected 1 to 3");
    changed = parts;
    changed.bytes[9] = 0xff; /* a header longer than the file */
    check_refused(write_parts(&changed, "a.npy"), GOSSET_E_CORRUPT, "npy: header of");
    /* Cut anywhere, it is never taken for a smaller file. */
    for (size_t size = 1; size < parts.size; size++) {
        changed.size = size;
        memcpy(changed.bytes, parts.bytes, size);
        check_refused(write_parts(&changed, "a.npy"), GOSSET_E_CORRUPT, "a.npy");
    }
}
END_TEST

/* Any byte of any file may be anything: no crash, and what is accepted can be read. */
START_TEST(random_heads) {
    static const char *const names[] = {"a.fvecs", "a.bvecs", "a.ivecs", "a.fbin", "a.u8bin", "a.i8bin", "a.npy"};
    uint64_t state = 42;
    unsigned accepted = 0;
    for (int round = 0; round < 700; round++) {
        file_parts parts = {.size = 0};
        gosset_dataset *dataset;
        gosset_vectors vectors;
        const char *name = names[round % 7];
        if (strcmp(name, "a.npy") == 0)
            put_npy(&parts, 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}");
        else
            put32(&parts, 4), put32(&parts, 4);
        parts.size = strcmp(name, "a.npy") == 0 ? parts.size + 24 : 80;
        for (int change = 0; change < 2; change++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            parts.bytes[(state >> 33) % (parts.size < 96 ? parts.size : 96)] = (unsigned char)(state >> 24);
        }
        if (gosset_dataset_open(&dataset, write_parts(&parts, name)) != GOSSET_OK) continue;
        accepted++;
        if (gosset_dataset_map(dataset, &vectors) == GOSSET_OK) {
            double sum = 0;
            for (size_t i = 0; i < vectors.count; i++) {
                for (uint32_t j = 0; j < vectors.dimension; j++) sum += element_at(&vectors, i, j);
            }
            ck_assert(sum == sum || sum != sum);
        }
        gosset_dataset_close(dataset);
    }
    ck_assert_uint_gt(accepted, 30);
}
END_TEST

TCase *malformed_cases(void) {
    TCase *cases = tcase_create("malformed");
    tcase_add_test(cases, no_such_file);
    tcase_add_test(cases, not_a_file);
    tcase_add_test(cases, unknown_ending);
    tcase_add_loop_test(cases, empty_and_short, 0, 6);
    tcase_add_test(cases, row_of_another_dimension);
    tcase_add_test(cases, size_that_does_not_divide);
    tcase_add_loop_test(cases, impossible_dimensions, 0, 4);
    tcase_add_test(cases, bin_header_and_size);
    tcase_add_test(cases, bin_header_that_overflows);
    tcase_add_test(cases, npy_refused);
    tcase_add_test(cases, npy_head);
    tcase_add_test(cases, random_heads);
    return cases;
}
