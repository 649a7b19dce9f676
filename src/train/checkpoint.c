/*
 * A training on disk: whatever cannot be computed again from the learn set, the settings and the step number. It is
 * written whole and atomically, and read back only into a training of the same learn set and settings.
 */
#include "base/bytes.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/status.h"
#include "train/trainer.h"

#include <string.h>

enum { VERSION = 2, HEADER_SIZE = 96 };
static const char MAGIC[8] = "GOSSETC";

/* Of everything that decides what a training does, but the number of epochs, which a checkpoint sets, and the cells,
 * which others may replace once the map is finished. */
static uint64_t settings_hash(const gosset__trainer *trainer) {
    const gosset__settings *s = &trainer->settings;
    gosset__hasher hasher;
    gosset__hasher_start(&hasher, VERSION);
    const uint32_t numbers[] = {(uint32_t)s->metric, s->width, s->output_dimension, s->anchors, (uint32_t)s->quantize};
    const float rates[] = {s->learning_rate, s->uniformity};
    gosset__hasher_add(&hasher, numbers, sizeof numbers);
    gosset__hasher_add(&hasher, rates, sizeof rates);
    gosset__hasher_add(&hasher, &s->seed, sizeof s->seed);
    gosset__hasher_add(&hasher, s->loss->name, strlen(s->loss->name) + 1);
    gosset__hasher_add(&hasher, s->spread->name, strlen(s->spread->name) + 1);
    gosset__hasher_add(&hasher, s->optimizer->name, strlen(s->optimizer->name) + 1);
    gosset__hasher_add(&hasher, s->code_lattice, strlen(s->code_lattice) + 1);
    return gosset__hasher_value(&hasher);
}

static uint64_t cells_hash(const gosset__trainer *trainer) {
    const char *spec = trainer->settings.cell_lattice;
    return gosset__hash(spec, strlen(spec), VERSION);
}

typedef struct part {
    void *data;
    size_t size;
} part;
enum { PARTS = 4 };

static void lay_parts(const gosset__trainer *trainer, part parts[PARTS]) {
    size_t block = trainer->parameter_count * sizeof(float);
    size_t mined = trainer->learn.count * trainer->mined_count * sizeof(uint32_t);
    parts[0] = (part){trainer->parameters, block};
    parts[1] = (part){trainer->state, block * trainer->settings.optimizer->states};
    parts[2] = (part){trainer->best, block};
    parts[3] = (part){trainer->mined, mined};
}

static size_t file_size(const part parts[PARTS]) {
    size_t size = HEADER_SIZE + 8;
    for (int i = 0; i < PARTS; i++) size += parts[i].size;
    return size;
}

gosset_status gosset__checkpoint_save(const gosset__trainer *trainer) {
    part parts[PARTS];
    lay_parts(trainer, parts);
    size_t size = file_size(parts), at = HEADER_SIZE;
    unsigned char *bytes = gosset__alloc_zero(&trainer->env, size);
    if (!bytes) return gosset__no_memory("checkpoint", size);
    memcpy(bytes, MAGIC, sizeof MAGIC);
    gosset__store32(bytes + 8, VERSION);
    gosset__store32(bytes + 12, trainer->settings.epochs);
    gosset__store64(bytes + 16, size);
    gosset__store64(bytes + 24, settings_hash(trainer));
    gosset__store64(bytes + 32, trainer->learn.fingerprint);
    gosset__store64(bytes + 40, trainer->step);
    memcpy(bytes + 48, &trainer->best_recall, 8);
    memcpy(bytes + 56, &trainer->recall, 8);
    gosset__store32(bytes + 64, trainer->best_epoch);
    gosset__store64(bytes + 72, cells_hash(trainer));
    for (int i = 0; i < PARTS; i++) {
        memcpy(bytes + at, parts[i].data, parts[i].size);
        at += parts[i].size;
    }
    gosset__store64(bytes + at, gosset__hash(bytes, at, 0));
    gosset_status status = gosset__replace_file(trainer->settings.checkpoint, bytes, size);
    gosset__free(&trainer->env, bytes);
    return status;
}

static gosset_status check(const gosset__trainer *trainer, const unsigned char *bytes, size_t size, size_t expected,
                           const char *path) {
    gosset_status status = GOSSET_OK;
    GOSSET_REQUIRE(size >= HEADER_SIZE + 8 && memcmp(bytes, MAGIC, sizeof MAGIC) == 0, GOSSET_E_CORRUPT,
                   "%s: not a checkpoint of a gosset training", path);
    GOSSET_REQUIRE(gosset__load32(bytes + 8) == VERSION, GOSSET_E_FORMAT_VERSION,
                   "%s: checkpoint format: expected version %d, found %u", path, VERSION, gosset__load32(bytes + 8));
    GOSSET_REQUIRE(gosset__load64(bytes + 16) == size, GOSSET_E_CORRUPT, "%s: size: expected %llu bytes, found %zu",
                   path, (unsigned long long)gosset__load64(bytes + 16), size);
    GOSSET_REQUIRE(gosset__load64(bytes + size - 8) == gosset__hash(bytes, size - 8, 0), GOSSET_E_CORRUPT,
                   "%s: checksum differs", path);
    GOSSET_REQUIRE(gosset__load64(bytes + 24) == settings_hash(trainer), GOSSET_E_MISMATCH,
                   "%s: written by a training with other settings", path);
    GOSSET_REQUIRE(gosset__load64(bytes + 32) == trainer->learn.fingerprint, GOSSET_E_MISMATCH,
                   "%s: written by a training on another learn set", path);
    GOSSET_REQUIRE(size == expected, GOSSET_E_CORRUPT, "%s: size: expected %zu bytes, found %zu", path, expected, size);
    uint32_t epochs = gosset__load32(bytes + 12);
    GOSSET_REQUIRE(epochs >= 1 && gosset__load64(bytes + 40) <= epochs * trainer->steps_per_epoch, GOSSET_E_CORRUPT,
                   "%s: step: expected one of %u epochs, found %llu", path, epochs,
                   (unsigned long long)gosset__load64(bytes + 40));
    GOSSET_REQUIRE(gosset__load64(bytes + 72) == cells_hash(trainer) ||
                       gosset__load64(bytes + 40) == epochs * trainer->steps_per_epoch,
                   GOSSET_E_MISMATCH, "%s: written by a training with other cells that is not finished", path);
    GOSSET_REQUIRE(trainer->settings.minutes > 0 || trainer->settings.epochs == epochs, GOSSET_E_MISMATCH,
                   "%s: written by a training of %u epochs, expected %u", path, epochs, trainer->settings.epochs);
out:
    return status;
}

gosset_status gosset__checkpoint_load(gosset__trainer *trainer) {
    const char *path = trainer->settings.checkpoint;
    part parts[PARTS];
    lay_parts(trainer, parts);
    void *data = NULL;
    size_t size = 0, expected = file_size(parts), at = HEADER_SIZE;
    gosset_status status;
    GOSSET_TRY(gosset__read_file(&trainer->env, path, (uint64_t)expected + (1 << 30), &data, &size));
    const unsigned char *bytes = data;
    GOSSET_TRY(check(trainer, bytes, size, expected, path));
    trainer->settings.epochs = gosset__load32(bytes + 12);
    trainer->step = gosset__load64(bytes + 40);
    memcpy(&trainer->best_recall, bytes + 48, 8);
    memcpy(&trainer->recall, bytes + 56, 8);
    trainer->best_epoch = gosset__load32(bytes + 64);
    for (int i = 0; i < PARTS; i++) {
        memcpy(parts[i].data, bytes + at, parts[i].size);
        at += parts[i].size;
    }
    for (size_t i = 0; i < trainer->learn.count * trainer->mined_count; i++)
        GOSSET_REQUIRE(trainer->mined[i] < trainer->learn.count, GOSSET_E_CORRUPT,
                       "%s: negatives: expected rows below %zu, found %u", path, trainer->learn.count,
                       trainer->mined[i]);
out:
    gosset__free(&trainer->env, data);
    return status;
}
