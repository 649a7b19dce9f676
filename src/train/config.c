/* Defaults and limits of a training. */
#include "base/status.h"
#include "train/trainer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { CODE_BYTES_DEFAULT = 32, CODE_BYTES_MIN = 8, CODE_BYTES_MAX = 128, LEARN_MIN = 1000, EPOCHS_MAX = 100000 };

/* Ten epochs, after which little is gained on 200,000 vectors (two minutes on two cores); more for a smaller learn set,
 * but 40,000 word vectors are fitted too closely by 50. */
static const double ANCHORS_DEFAULT = 8e5;
enum { EPOCHS_DEFAULT_MIN = 10, EPOCHS_DEFAULT_MAX = 150 };

/*
 * Ten dimensions and 16,320 cells: of all shells tried on SIFT descriptors, Z^8 to Z^24 with 4,000 to 64,000 points,
 * none of this size leaves less to the residual (6 % less than Z^24 with norm 3) or needs a smaller part of the cells.
 */
enum { LATENT_DIMENSION = 10, NORM_PER_LATENT = 33, VECTORS_DEFAULT = 1000000 };

/*
 * Norms of the cells by the vectors of an index; in ten dimensions 3,380, 16,320 and 52,020 cells. Beyond, what ten
 * dimensions say of a vector limits (bench/RESULTS.md).
 */
static const struct {
    uint64_t vectors; /* up to here */
    uint32_t norm;
} shells[] = {{300000, 4}, {3000000, 6}, {UINT64_MAX, 8}};

static uint32_t cell_norm(uint64_t vectors) {
    size_t i = 0;
    while (vectors > shells[i].vectors) i++;
    return shells[i].norm;
}

static gosset_status choose_text(char *out, size_t size, const char *given, const char *what) {
    if (strlen(given) >= size)
        return gosset__fail(GOSSET_E_CONFIG, "gosset_train_config: %s: expected fewer than %zu characters, found %zu",
                            what, size, strlen(given));
    memcpy(out, given, strlen(given) + 1);
    return GOSSET_OK;
}

/* The dimension named by a spec "family:dimension:...", or 0. */
static uint32_t spec_dimension(const char *spec) {
    unsigned dimension = 0;
    const char *colon = strchr(spec, ':');
    return colon && sscanf(colon, ":%u", &dimension) == 1 ? dimension : 0;
}

/*
 * A code lattice alone asks for the paper's codes: its points. Otherwise the latent is for the cells, the code lattice
 * measures it during training, and residual codes take the bytes.
 */
static gosset_status choose_lattices(gosset__settings *settings, const gosset_train_config *config, uint32_t input) {
    gosset_status status = GOSSET_OK;
    const uint32_t bytes = config->code_bytes ? config->code_bytes : CODE_BYTES_DEFAULT;
    const uint32_t fitting = input < LATENT_DIMENSION ? input : LATENT_DIMENSION;
    GOSSET_REQUIRE(bytes >= CODE_BYTES_MIN && bytes <= CODE_BYTES_MAX && bytes % 4 == 0, GOSSET_E_CONFIG,
                   "gosset_train_config: code_bytes: expected a multiple of 4 in %d..%d, found %u", CODE_BYTES_MIN,
                   CODE_BYTES_MAX, bytes);
    if (!config->code_lattice || config->code_bytes) settings->residual_words = bytes / 4;
    if (config->code_lattice) {
        GOSSET_TRY(
            choose_text(settings->code_lattice, sizeof settings->code_lattice, config->code_lattice, "code_lattice"));
    } else {
        const uint32_t dimension = config->output_dimension ? config->output_dimension : fitting;
        snprintf(settings->code_lattice, sizeof settings->code_lattice, "zn:%u:%u", dimension,
                 (NORM_PER_LATENT * dimension + LATENT_DIMENSION - 1) / LATENT_DIMENSION);
    }
    const uint32_t dimension = spec_dimension(settings->code_lattice);
    GOSSET_REQUIRE(!config->output_dimension || config->output_dimension == dimension, GOSSET_E_CONFIG,
                   "gosset_train_config: output_dimension: expected %u, that of the codes (%s), found %u", dimension,
                   settings->code_lattice, config->output_dimension);
    settings->output_dimension = dimension;
    if (config->cell_lattice)
        GOSSET_TRY(
            choose_text(settings->cell_lattice, sizeof settings->cell_lattice, config->cell_lattice, "cell_lattice"));
    else
        snprintf(settings->cell_lattice, sizeof settings->cell_lattice, "zn:%u:%u",
                 dimension < LATENT_DIMENSION ? dimension : LATENT_DIMENSION,
                 dimension >= 4 ? cell_norm(settings->vectors) : dimension);
out:
    return status;
}

static gosset_status choose_duration(gosset__settings *settings, const gosset_train_config *config, size_t count) {
    gosset_status status = GOSSET_OK;
    GOSSET_REQUIRE(!config->epochs || config->minutes == 0, GOSSET_E_CONFIG,
                   "gosset_train_config: expected epochs or minutes, found both");
    GOSSET_REQUIRE(config->epochs <= EPOCHS_MAX, GOSSET_E_CONFIG,
                   "gosset_train_config: epochs: expected at most %d, found %u", EPOCHS_MAX, config->epochs);
    GOSSET_REQUIRE(isfinite(config->minutes) && config->minutes >= 0, GOSSET_E_CONFIG,
                   "gosset_train_config: minutes: expected a positive number, found %g", config->minutes);
    settings->minutes = config->minutes;
    settings->epochs = config->epochs;
    if (config->epochs || config->minutes > 0) goto out;
    double epochs = floor(ANCHORS_DEFAULT / (double)count);
    settings->epochs = epochs < EPOCHS_DEFAULT_MIN   ? EPOCHS_DEFAULT_MIN
                       : epochs > EPOCHS_DEFAULT_MAX ? EPOCHS_DEFAULT_MAX
                                                     : (uint32_t)epochs;
out:
    return status;
}

static gosset_status check_learn(const gosset_vectors *learn) {
    gosset_status status = GOSSET_OK;
    GOSSET_REQUIRE(learn, GOSSET_E_ARGUMENT, "gosset_train: expected a learn set, found NULL");
    GOSSET_REQUIRE(learn->dimension >= 1 && learn->dimension <= GOSSET__DIMENSION_MAX, GOSSET_E_ARGUMENT,
                   "gosset_train: learn set: dimension: expected 1..%d, found %u", GOSSET__DIMENSION_MAX,
                   learn->dimension);
    GOSSET_REQUIRE(learn->count >= LEARN_MIN, GOSSET_E_ARGUMENT,
                   "gosset_train: learn set: expected at least %d vectors, found %zu", LEARN_MIN, learn->count);
    GOSSET_REQUIRE(learn->count < UINT32_MAX, GOSSET_E_ARGUMENT,
                   "gosset_train: learn set: expected fewer than 2^32 vectors, found %zu", learn->count);
    GOSSET_TRY(gosset__rows_check(learn, "gosset_train: learn set"));
out:
    return status;
}

gosset_status gosset__settings_resolve(gosset__settings *settings, const gosset_train_config *config,
                                       const gosset_vectors *learn) {
    gosset_status status;
    memset(settings, 0, sizeof *settings);
    GOSSET_TRY(check_learn(learn));
    if (config->learn_queries) GOSSET_TRY(gosset__given_check(config->learn_queries, learn->dimension));
    settings->metric = config->metric;
    settings->loss = gosset__loss_find(config->loss);
    settings->seed = config->seed;
    settings->checkpoint = config->checkpoint;
    settings->vectors = config->vector_count ? config->vector_count : VECTORS_DEFAULT;
    settings->resume = config->resume;
    GOSSET_REQUIRE((unsigned)config->metric <= GOSSET_COSINE, GOSSET_E_CONFIG,
                   "gosset_train_config: metric: expected 0..2, found %d", (int)config->metric);
    GOSSET_REQUIRE(settings->loss, GOSSET_E_CONFIG, "gosset_train_config: loss: unknown name \"%s\"", config->loss);
    settings->spread = gosset__spread_find(config->spreading);
    GOSSET_REQUIRE(settings->spread, GOSSET_E_CONFIG, "gosset_train_config: spreading: unknown name \"%s\"",
                   config->spreading);
    settings->optimizer = config->optimizer ? gosset__optimizer_find(config->optimizer) : settings->loss->optimizer;
    GOSSET_REQUIRE(settings->optimizer, GOSSET_E_CONFIG, "gosset_train_config: optimizer: unknown name \"%s\"",
                   config->optimizer);
    GOSSET_REQUIRE(!config->resume || config->checkpoint, GOSSET_E_CONFIG,
                   "gosset_train_config: resume: expected a checkpoint to continue from, found none");
    GOSSET_REQUIRE(isfinite(config->learning_rate) && config->learning_rate >= 0 && isfinite(config->uniformity),
                   GOSSET_E_CONFIG, "gosset_train_config: learning_rate, uniformity: expected finite numbers");
    settings->learning_rate = config->learning_rate > 0 ? config->learning_rate : settings->optimizer->learning_rate;
    settings->uniformity = config->uniformity < 0 ? 0.0f : settings->loss->uniformity;
    if (config->uniformity > 0) settings->uniformity = config->uniformity;
    settings->width = config->width ? config->width : settings->loss->width;
    settings->anchors = config->batch_size ? config->batch_size : settings->loss->anchors;
    GOSSET_REQUIRE(settings->width <= GOSSET__WIDTH_MAX, GOSSET_E_CONFIG,
                   "gosset_train_config: width: expected at most %d, found %u", GOSSET__WIDTH_MAX, settings->width);
    GOSSET_REQUIRE(settings->anchors >= 2 && settings->anchors <= 65536, GOSSET_E_CONFIG,
                   "gosset_train_config: batch_size: expected 2..65536, found %u", settings->anchors);
    GOSSET_TRY(choose_lattices(settings, config, learn->dimension));
    /* 8 % fewer codes compared on image descriptors and sentence embeddings (bench/RESULTS.md); not tried for others.
     */
    const int usual = settings->residual_words > 0 && settings->loss == gosset__loss_find(NULL);
    settings->quantize = config->quantize > 0 || (config->quantize == 0 && usual);
    GOSSET_TRY(choose_duration(settings, config, learn->count));
out:
    return status;
}
