/* What is written is what is read, and a failed write leaves nothing. */
#include "datasets_tests.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *name;
    gosset_element element;
} formats[] = {{"a.fvecs", GOSSET_ELEMENT_F32}, {"a.bvecs", GOSSET_ELEMENT_U8}, {"a.ivecs", GOSSET_ELEMENT_I32},
               {"a.fbin", GOSSET_ELEMENT_F32},  {"a.u8bin", GOSSET_ELEMENT_U8}, {"a.i8bin", GOSSET_ELEMENT_I8},
               {"a.ibin", GOSSET_ELEMENT_I32}};

START_TEST(round_trip) {
    const float floats[6] = {1.5f, -2, 3, 4e30f, 0, 6};
    const int32_t integers[6] = {1, 2, 3, 4, 5, 1 << 30};
    const unsigned char bytes[6] = {1, 2, 3, 4, 5, 100};
    const gosset_element element = formats[_i].element;
    const void *rows = element == GOSSET_ELEMENT_F32   ? (const void *)floats
                       : element == GOSSET_ELEMENT_I32 ? (const void *)integers
                                                       : (const void *)bytes;
    const char *path = temp_path(directory, formats[_i].name);
    gosset_dataset *dataset;
    gosset_vectors vectors;
    ck_assert_msg(gosset_dataset_write(path, element, 2, 3, rows) == GOSSET_OK, "%s", gosset_dataset_error());
    ck_assert_int_eq(gosset_dataset_open(&dataset, path), GOSSET_OK);
    ck_assert_uint_eq(gosset_dataset_count(dataset), 2);
    ck_assert_uint_eq(gosset_dataset_dimension(dataset), 3);
    ck_assert_int_eq(gosset_dataset_element(dataset), element);
    if (element == GOSSET_ELEMENT_I32) {
        uint64_t values[6];
        ck_assert_int_eq(gosset_dataset_read_integers(dataset, 0, 2, values), GOSSET_OK);
        for (int i = 0; i < 6; i++) ck_assert_uint_eq(values[i], (uint64_t)integers[i]);
    } else {
        ck_assert_int_eq(gosset_dataset_map(dataset, &vectors), GOSSET_OK);
        for (uint32_t i = 0; i < 6; i++)
            ck_assert_double_eq(element_at(&vectors, i / 3, i % 3),
                                element == GOSSET_ELEMENT_F32 ? (double)floats[i] : (double)bytes[i]);
    }
    gosset_dataset_close(dataset);
}
END_TEST

START_TEST(refused) {
    const float rows[2] = {0};
    ck_assert_int_eq(gosset_dataset_write(temp_path(directory, "a.ivecs"), GOSSET_ELEMENT_F32, 1, 2, rows),
                     GOSSET_E_UNSUPPORTED);
    ck_assert_int_eq(gosset_dataset_write(temp_path(directory, "a.npy"), GOSSET_ELEMENT_F32, 1, 2, rows),
                     GOSSET_E_UNSUPPORTED);
    ck_assert_int_eq(gosset_dataset_write(temp_path(directory, "a.txt"), GOSSET_ELEMENT_F32, 1, 2, rows),
                     GOSSET_E_UNSUPPORTED);
    ck_assert_int_eq(gosset_dataset_write(temp_path(directory, "a.fvecs"), GOSSET_ELEMENT_F32, 1, 0, rows),
                     GOSSET_E_ARGUMENT);
    ck_assert_int_eq(gosset_dataset_write(temp_path(directory, "no/a.fvecs"), GOSSET_ELEMENT_F32, 1, 2, rows),
                     GOSSET_E_NOT_FOUND);
    ck_assert_uint_eq(directory_entries(directory), 0);
}
END_TEST

/* Pieces make the file that one call makes; what was not finished is no file. */
START_TEST(pieces) {
    const unsigned char rows[6] = {1, 2, 3, 4, 5, 6};
    const char *path = temp_path(directory, _i ? "p.u8bin" : "p.bvecs");
    const char *whole = temp_path(directory, _i ? "w.u8bin" : "w.bvecs");
    gosset_dataset_writer *writer;
    size_t sizes[2];
    ck_assert_int_eq(gosset_dataset_create(&writer, path, GOSSET_ELEMENT_U8, 3, 2), GOSSET_OK);
    ck_assert_int_eq(gosset_dataset_append(writer, 1, rows), GOSSET_OK);
    ck_assert_int_eq(gosset_dataset_append(writer, 2, rows + 2), GOSSET_OK);
    ck_assert_int_eq(gosset_dataset_append(writer, 1, rows), GOSSET_E_ARGUMENT);
    ck_assert_int_eq(gosset_dataset_finish(writer, 1), GOSSET_OK);
    ck_assert_int_eq(gosset_dataset_write(whole, GOSSET_ELEMENT_U8, 3, 2, rows), GOSSET_OK);
    unsigned char *a = file_bytes(path, &sizes[0]), *b = file_bytes(whole, &sizes[1]);
    ck_assert_uint_eq(sizes[0], sizes[1]);
    ck_assert_mem_eq(a, b, sizes[0]);
    free(a);
    free(b);
    ck_assert_int_eq(unlink(path) + unlink(whole), 0);
    ck_assert_int_eq(gosset_dataset_create(&writer, path, GOSSET_ELEMENT_U8, 3, 2), GOSSET_OK);
    ck_assert_int_eq(gosset_dataset_append(writer, 2, rows), GOSSET_OK);
    ck_assert_int_eq(gosset_dataset_finish(writer, 1), GOSSET_E_STATE);
    ck_assert_int_eq(gosset_dataset_create(&writer, path, GOSSET_ELEMENT_U8, 3, 2), GOSSET_OK);
    ck_assert_int_eq(gosset_dataset_finish(writer, 0), GOSSET_OK);
    ck_assert_uint_eq(directory_entries(directory), 0);
}
END_TEST

START_TEST(full_disk) {
    const char *path = temp_path(directory, "a.fvecs");
    static float rows[1 << 16];
    if (access("/dev/full", W_OK) != 0) return;
    ck_assert_int_eq(symlink("/dev/full", path), 0);
    ck_assert_int_eq(gosset_dataset_write(path, GOSSET_ELEMENT_F32, 1 << 8, 1 << 8, rows), GOSSET_E_IO);
    ck_assert_ptr_nonnull(strstr(gosset_dataset_error(), "No space left"));
    ck_assert_uint_eq(directory_entries(directory), 0);
}
END_TEST

TCase *write_cases(void) {
    TCase *cases = tcase_create("write");
    tcase_add_loop_test(cases, round_trip, 0, 7);
    tcase_add_test(cases, refused);
    tcase_add_loop_test(cases, pieces, 0, 2);
    tcase_add_test(cases, full_disk);
    return cases;
}
