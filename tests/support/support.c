#include "support/support.h"
#include "base/half.h"
#include "base/rng.h"

#include <check.h>
#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- temporary directories ------------------------------------------------------------------ */

void temp_directory(char path[TEMP_PATH_SIZE]) {
    const char *parent = getenv("TMPDIR");
    int length = snprintf(path, TEMP_PATH_SIZE, "%s/gosset-test-XXXXXX", parent && parent[0] ? parent : "/tmp");
    ck_assert_int_lt(length, TEMP_PATH_SIZE);
    ck_assert_msg(mkdtemp(path) != NULL, "no temporary directory %s", path);
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *walk) {
    (void)info, (void)kind, (void)walk;
    return remove(path);
}

void temp_remove(const char *path) {
    nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

const char *temp_path(const char *directory, const char *name) {
    static _Thread_local char buffers[8][2 * TEMP_PATH_SIZE];
    static _Thread_local unsigned next;
    char *buffer = buffers[next++ % 8];
    snprintf(buffer, sizeof buffers[0], "%s/%s", directory, name);
    return buffer;
}

size_t directory_entries(const char *path) {
    DIR *directory = opendir(path);
    ck_assert_msg(directory != NULL, "cannot list %s", path);
    size_t count = 0;
    for (struct dirent *entry; (entry = readdir(directory));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) count++;
    closedir(directory);
    return count;
}

int file_exists(const char *path) {
    return access(path, F_OK) == 0;
}

unsigned char *file_bytes(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    ck_assert_msg(file != NULL, "cannot read %s", path);
    ck_assert_int_eq(fseek(file, 0, SEEK_END), 0);
    long length = ftell(file);
    ck_assert_int_ge(length, 0);
    rewind(file);
    unsigned char *bytes = malloc((size_t)length + 1);
    ck_assert_ptr_nonnull(bytes);
    ck_assert_uint_eq(fread(bytes, 1, (size_t)length, file), (size_t)length);
    fclose(file);
    if (size) *size = (size_t)length;
    return bytes;
}

void file_write(const char *path, const void *data, size_t size) {
    FILE *file = fopen(path, "wb");
    ck_assert_msg(file != NULL, "cannot write %s", path);
    ck_assert_uint_eq(fwrite(data, 1, size, file), size);
    ck_assert_int_eq(fclose(file), 0);
}

/* ---- memory that runs out ------------------------------------------------------------------- */

static void *counting_allocate(void *context, size_t size, size_t alignment) {
    counting_allocator *memory = context;
    size_t call = ++memory->calls;
    if (call <= COUNTING_LOG) memory->sizes[call - 1] = size;
    if (memory->fail_at && call >= memory->fail_at) return NULL;
    void *block = NULL;
    if (posix_memalign(&block, alignment, size) != 0) return NULL;
    memset(block, 0xA5, size); /* nobody may count on zeros */
    memory->held++;
    return block;
}

static void counting_release(void *context, void *block) {
    counting_allocator *memory = context;
    ck_assert_ptr_nonnull(block);
    memory->held--;
    free(block);
}

gosset_env counting_env(counting_allocator *memory, size_t fail_at) {
    memory->fail_at = fail_at;
    memory->calls = 0;
    memory->held = 0;
    return (gosset_env){.struct_size = sizeof(gosset_env), .allocator = {counting_allocate, counting_release, memory}};
}

size_t counting_held(const counting_allocator *memory) {
    return memory->held;
}

size_t counting_next(const counting_allocator *whole, size_t early, size_t n) {
    for (n++; n > early && n <= whole->calls && n <= COUNTING_LOG; n++) {
        int before = 0;
        for (size_t i = early; i + 1 < n; i++) before += whole->sizes[i] == whole->sizes[n - 1];
        if (before < 2) break;
    }
    return n;
}

gosset__env default_env(uint32_t threads) {
    gosset__env env;
    gosset_env given = {.struct_size = sizeof given, .threads = threads};
    ck_assert_int_eq(gosset__env_read(&env, &given), GOSSET_OK);
    return env;
}

/* ---- small data ----------------------------------------------------------------------------- */

static void put(void *data, size_t index, gosset_type type, float value) {
    float shifted = type == GOSSET_U8 ? 100 + 40 * value : 40 * value;
    float low = type == GOSSET_U8 ? 0 : -128, high = type == GOSSET_U8 ? 255 : 127;
    shifted = shifted < low ? low : shifted > high ? high : shifted;
    if (type == GOSSET_F32) ((float *)data)[index] = value;
    if (type == GOSSET_U8) ((uint8_t *)data)[index] = (uint8_t)shifted;
    if (type == GOSSET_F16) ((uint16_t *)data)[index] = gosset__half_of_float(value);
    if (type == GOSSET_I8) ((int8_t *)data)[index] = (int8_t)shifted;
}

void *clustered_vectors(uint64_t seed, size_t count, uint32_t dimension, size_t clusters, gosset_type type) {
    void *data = malloc(count * dimension * gosset_type_size(type) + 1);
    float *centres = malloc(clusters * dimension * sizeof(float));
    ck_assert(data && centres && clusters > 0);
    gosset__rng rng = gosset__rng_make(seed, 0);
    for (size_t i = 0; i < clusters * dimension; i++) centres[i] = gosset__rng_normal(&rng);
    for (size_t r = 0; r < count; r++) {
        const float *centre = centres + gosset__rng_below(&rng, clusters) * dimension;
        for (uint32_t i = 0; i < dimension; i++)
            put(data, r * dimension + i, type, centre[i] + 0.35f * gosset__rng_normal(&rng));
    }
    free(centres);
    return data;
}

gosset_vectors view_of(const void *data, size_t count, uint32_t dimension, gosset_type type) {
    return (gosset_vectors){.data = data, .count = count, .dimension = dimension, .type = type};
}
