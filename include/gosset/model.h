/**
 * @file gosset/model.h
 * The learned map: a small network that spreads vectors uniformly over the unit sphere, trained once on a
 * learn set, together with the two fixed lattices (cells and codes) that will index its output.
 */
#ifndef GOSSET_MODEL_H
#define GOSSET_MODEL_H

#include <gosset/common.h>
#include <gosset/lattice.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Immutable after training or loading: share it between threads freely. */
typedef struct gosset_model gosset_model;

/** Name of the i-th training loss ("rank", ...), or NULL past the end. */
GOSSET_API const char *gosset_loss_name(uint32_t index);

/** Zero means the default for every field. */
typedef struct gosset_train_config {
    size_t struct_size; /* sizeof(gosset_train_config) */
    const gosset_env *env;
    gosset_metric metric;
    uint32_t code_bytes;       /* RAM per vector of an index built with this model; default 32 */
    const char *loss;          /* gosset_loss_name(); NULL = the best known default */
    const char *code_lattice;  /* spec; NULL = chosen from code_bytes */
    const char *cell_lattice;  /* spec; NULL = chosen from vector_count */
    uint32_t width;            /* hidden units of each of the two hidden layers */
    uint32_t output_dimension; /* latent dimension; must equal the code lattice's when both are given */
    uint32_t epochs;           /* passes over the learn set; excludes `minutes` */
    double minutes;            /* time budget: sets the number of epochs from the measured rate */
    uint32_t batch_size;
    float learning_rate;
    float uniformity; /* lambda, weight of the spreading term; negative = 0 */
    uint64_t seed;
    const char *checkpoint; /* file written after every epoch and on cancellation; NULL = none */
    /** Non-zero: continue from `checkpoint`, which must exist. From that of a finished training, codes of other
     * `code_bytes`, and other cells, are fitted to the same map. */
    int resume;
    /**
     * A sample of queries, for those that are distributed otherwise than the vectors; NULL = none. At least 100 of the
     * learn set's dimension, borrowed for the call. The map of base vectors does not depend on them. Half of
     * them (1,000 at most) are held out: they decide whether queries get a last layer of their own, and are
     * what indexes are calibrated with.
     */
    const gosset_vectors *learn_queries;
    const char *spreading; /* "koleo" or "potential" (Wang and Isola 2020); NULL = the best known default */
    const char *optimizer; /* "adamw" or "sgd"; NULL = that of the loss */
    /** Whether the loss sees base vectors with noise like the cell lattice's, then at its points: 1 yes, -1 no, 0 where
     * it is known to help: with the default loss, when codes say what cells leave. */
    int quantize;
    uint64_t vector_count; /* about how many vectors an index will hold: sets how fine cells are; 0 = a million */
} gosset_train_config;

/**
 * Trains a model. The same learn set, config, seed and CPU level give the same content, and so the same
 * fingerprint, for any thread count; files then differ in the recorded training time alone (with
 * `minutes`, repeat the `epochs` that gosset_model_describe reports). CPU level "amx" multiplies matrices in bfloat16
 * where system and compiler let it, and so its models differ from those of the other levels. A part of the learn set
 * is held out: it selects the checkpoint and is stored in the model to calibrate indexes.
 *
 * @param learn  at least 1,000 vectors of dimension 1..4096; borrowed for the call.
 * Errors: GOSSET_E_ARGUMENT (too few vectors, NaN or infinity with its row), GOSSET_E_DIVERGED,
 * GOSSET_E_CANCELLED, GOSSET_E_NO_MEMORY, storage errors of the checkpoint.
 */
GOSSET_API GOSSET_CHECK_RESULT gosset_status gosset_train(gosset_model **out, const gosset_vectors *learn,
                                                          const gosset_train_config *config);

GOSSET_API GOSSET_CHECK_RESULT gosset_status gosset_model_load(gosset_model **out, const char *path,
                                                               const gosset_env *env);
/** Atomic: the file is the old or the new one, whatever happens. */
GOSSET_API GOSSET_CHECK_RESULT gosset_status gosset_model_save(const gosset_model *model, const char *path);
GOSSET_API void gosset_model_free(gosset_model *model); /* NULL is fine */

typedef struct gosset_model_info {
    size_t struct_size;
    uint32_t input_dimension, output_dimension, width;
    gosset_metric metric;
    const char *loss;                                  /* strings live as long as the model */
    const gosset_lattice *code_lattice, *cell_lattice; /* borrowed */
    uint32_t code_bytes;                               /* RAM per vector of the codes as scanned */
    uint32_t feature_dimension;                        /* of gosset_model_features and gosset_model_decode */
    uint32_t held_out;                                 /* learn vectors stored for calibration */
    uint32_t epochs;
    uint64_t seed, learn_count, parameter_count;
    double train_seconds, validation_recall; /* recall@10 of the codes on held-out learn vectors */
    uint64_t fingerprint;                    /* XXH3 of the model's content: indexes remember it */
    uint32_t query_layer;                    /* 1: queries have a last layer of their own, 0: that of base vectors */
    /* What codes stand for is nearer to the vectors' centre than these are, so a query with features f is compared with
     * codes as query_stretch * f + query_shift. query_shift: feature_dimension floats that live as long as the model;
     * NULL where codes are lattice points, query_stretch is 1 then. */
    float query_stretch;
    const float *query_shift;
} gosset_model_info;
GOSSET_API GOSSET_CHECK_RESULT gosset_status gosset_model_describe(const gosset_model *model, gosset_model_info *info);

/** The side a vector is on: the map of queries may differ from that of base vectors. */
typedef enum gosset_side { GOSSET_BASE = 0, GOSSET_QUERY = 1 } gosset_side;

/**
 * Latents of vectors: count x output_dimension floats, unit length.
 * The same vector gives the same bits in any batch, on any CPU level with fused multiply-add.
 */
GOSSET_API GOSSET_CHECK_RESULT gosset_status gosset_model_apply(const gosset_model *model, gosset_side side,
                                                                const gosset_vectors *vectors, float *latents);

/**
 * What the codes approximate: count x feature_dimension floats whose squared Euclidean distances stand for the metric.
 * Before features of a query are compared with decoded codes, they are to be stretched (gosset_model_info).
 * With codes that are lattice points these are the latents.
 */
GOSSET_API GOSSET_CHECK_RESULT gosset_status gosset_model_features(const gosset_model *model, gosset_side side,
                                                                   const gosset_vectors *vectors, float *features);

/**
 * Cells and codes as an index holds them.
 * @param cells  vectors->count numbers of points of the cell lattice.
 * @param codes  vectors->count x code_bytes.
 */
GOSSET_API GOSSET_CHECK_RESULT gosset_status gosset_model_encode(const gosset_model *model,
                                                                 const gosset_vectors *vectors, uint32_t *cells,
                                                                 uint8_t *codes);
/** Features that cells and codes stand for: count x feature_dimension floats. codes NULL: what cells alone stand for,
 * where codes say what they leave. */
GOSSET_API GOSSET_CHECK_RESULT gosset_status gosset_model_decode(const gosset_model *model, size_t count,
                                                                 const uint32_t *cells, const uint8_t *codes,
                                                                 float *features);

#ifdef __cplusplus
}
#endif
#endif /* GOSSET_MODEL_H */
