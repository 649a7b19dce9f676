#include "datasets_tests.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char directory[TEMP_PATH_SIZE];

static void make_directory(void) {
    temp_directory(directory);
}
static void drop_directory(void) {
    temp_remove(directory);
}

void put(file_parts *parts, const void *data, size_t size) {
    ck_assert_uint_le(parts->size + size, sizeof parts->bytes);
    memcpy(parts->bytes + parts->size, data, size);
    parts->size += size;
}

void put32(file_parts *parts, uint32_t value) {
    put(parts, &value, sizeof value);
}

void put_npy(file_parts *parts, int version, const char *dictionary) {
    const size_t start = version > 1 ? 12 : 10;
    const size_t padding = 64 - (start + strlen(dictionary) + 1) % 64;
    const size_t length = strlen(dictionary) + padding + 1;
    const unsigned char head[12] = {
        0x93, 'N', 'U', 'M', 'P', 'Y', (unsigned char)version, 0, (unsigned char)length, (unsigned char)(length >> 8)};
    put(parts, head, start);
    put(parts, dictionary, strlen(dictionary));
    for (size_t i = 0; i < padding; i++) put(parts, " ", 1);
    put(parts, "\n", 1);
}

const char *write_parts(const file_parts *parts, const char *name) {
    const char *path = temp_path(directory, name);
    file_write(path, parts->bytes, parts->size);
    return path;
}

double element_at(const gosset_vectors *vectors, size_t i, uint32_t j) {
    const size_t size = vectors->type == GOSSET_F32 ? 4 : 1;
    const size_t stride = vectors->stride ? vectors->stride : vectors->dimension * size;
    const unsigned char *at = (const unsigned char *)vectors->data + i * stride + j * size;
    float value;
    switch (vectors->type) {
    case GOSSET_U8:
        return *at;
    case GOSSET_I8:
        return (signed char)*at;
    default:
        memcpy(&value, at, sizeof value);
        return (double)value;
    }
}

int main(void) {
    Suite *suite = suite_create("datasets");
    TCase *cases[] = {read_cases(), malformed_cases(), write_cases(), grow_cases()};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tcase_add_checked_fixture(cases[i], make_directory, drop_directory);
        tcase_set_timeout(cases[i], 60);
        suite_add_tcase(suite, cases[i]);
    }
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
