/** Everything a training holds, and the steps of its life, one file each. */
#ifndef GOSSET_TRAIN_TRAINER_H
#define GOSSET_TRAIN_TRAINER_H

#include "base/rng.h"
#include "train/loss.h"
#include "train/pass.h"

/** Streams of random numbers: each purpose (and epoch or step) has its own, so a resumed training needs no state. */
enum {
    GOSSET__STREAM_SPLIT = 1,
    GOSSET__STREAM_WEIGHTS = 2,
    GOSSET__STREAM_EPOCH = 3,  /* order of anchors */
    GOSSET__STREAM_MINE = 4,   /* subset searched for negatives */
    GOSSET__STREAM_STEP = 5,   /* positives and negatives of a batch */
    GOSSET__STREAM_GROUPS = 6, /* first groups of cells */
    GOSSET__STREAM_QUERY_SPLIT = 7,
    GOSSET__STREAM_QUERY_STEP = 8,
    GOSSET__STREAM_POINTS = 9 /* angles, and noise of a step */
};
gosset__rng gosset__trainer_rng(uint64_t seed, uint32_t purpose, uint64_t index);

enum { GOSSET__VALIDATION_K = 10 };

/** The configuration with every default filled in. */
typedef struct gosset__settings {
    gosset_metric metric;
    const gosset__loss_ops *loss;
    const gosset__spread_ops *spread;
    const gosset__optimizer_ops *optimizer;
    char code_lattice[64], cell_lattice[64];
    uint32_t residual_words; /* of 4 bytes, in residual codes; 0 = codes are points of the code lattice */
    uint32_t width, output_dimension;
    uint64_t vectors; /* of an index */
    uint32_t epochs;  /* 0 = to be set from `minutes` */
    double minutes;
    uint32_t anchors;
    float learning_rate, uniformity;
    uint64_t seed;
    const char *checkpoint;
    int resume;
    int quantize; /* base vectors are seen where their cell is */
} gosset__settings;

/** config.c */
gosset_status gosset__settings_resolve(gosset__settings *settings, const gosset_train_config *config,
                                       const gosset_vectors *learn);

/** The learn set as the trainer uses it; learn.c. Rows are in random order, held-out ones apart. */
typedef struct gosset__learn {
    size_t count;         /* rows trained on */
    const float *rows;    /* count x features */
    const float *anchors; /* the same as seen from the query side; equal to rows unless the metric is IP */
    uint32_t k;           /* true neighbours known of each row */
    uint32_t *neighbours; /* count x k */
    float *radii;         /* count */
    size_t query_count;   /* validation: held-out queries against the first base_count rows */
    size_t base_count;
    float *queries;       /* query_count x features */
    uint32_t *truth;      /* query_count x GOSSET__VALIDATION_K */
    uint64_t fingerprint; /* of the vectors as given */
    float *owned[2];      /* memory of rows and anchors */
} gosset__learn;

/** Queries given beside the learn set; queries.c. The first `trained` are learnt from, the others held out. */
typedef struct gosset__given {
    size_t count, trained;
    float *inputs;        /* count x features */
    uint32_t *neighbours; /* count x GOSSET__VALIDATION_K: among all rows for the first, the first base_count for the
                             others */
} gosset__given;

typedef struct gosset__trainer {
    gosset__env env;
    const gosset__kernels *kernels;
    gosset__pool *pool;
    gosset__settings settings;
    gosset_model *model; /* in the making: preprocessing, held-out vectors, lattices */
    gosset__shape shape;
    gosset__learn learn;
    gosset__given given;
    double started;
    /* what a checkpoint holds */
    uint64_t step;
    double best_recall;
    uint32_t best_epoch; /* epochs done when the best was seen; 0 = none yet */
    float *parameters, *state, *best;
    uint32_t *mined; /* count x mined_count negatives of the running epoch */
    /* derived */
    size_t parameter_count;
    uint32_t mined_count, mined_first; /* negatives per row; how many nearer ones are skipped */
    uint64_t steps_per_epoch, steps;
    double recall;       /* last validation */
    double step_seconds; /* spent in steps, and how many; of this run */
    uint64_t steps_timed;
    float *gradients, *folded;
    gosset__pass pass;
    gosset__loss_batch batch;
    uint32_t *batch_ids, *order;
    uint64_t drawn; /* 1 + the step whose batch batch_ids holds; 0 = none */
    float *batch_radii;
    float *loss_scratch;
    float *points, *cosines; /* with quantization in the loop: of the batch; a sample of the cell lattice's angles */
} gosset__trainer;

/** learn.c: split, preprocess, neighbours, validation truth. */
gosset_status gosset__learn_prepare(gosset__trainer *trainer, const gosset_vectors *learn);
void gosset__learn_free(gosset__learn *learn, const gosset__env *env);
uint32_t gosset__held_out_count(size_t learn_count); /* vectors not trained on */

/** points.c: room for them, and those of the batch, from its latents. */
gosset_status gosset__points_prepare(gosset__trainer *trainer);
gosset_status gosset__points_fill(gosset__trainer *trainer);
/** mine.c: fills `mined` for the epoch from the current parameters. */
gosset_status gosset__mine(gosset__trainer *trainer, uint64_t epoch);
size_t gosset__mined_subset(size_t learn_count); /* rows searched */
/** batch.c: order of anchors of an epoch; ids of a step; inputs and radii of some of its rows (context: trainer). */
void gosset__batch_order(gosset__trainer *trainer, uint64_t epoch);
void gosset__batch_draw(gosset__trainer *trainer, uint64_t step);
void gosset__batch_fill(void *context, size_t first, size_t count, float *x);
/** validate.c: recall@10 of the codes of the current parameters. */
gosset_status gosset__validate(gosset__trainer *trainer, double *recall);
/** residual.c: what the cells of the finished map leave of the learn set, made into the model's residual codes. */
gosset_status gosset__residual_fit(gosset__trainer *trainer);
/** queries.c: split, preprocess, neighbours of the queries given; how many of them are held out of so many. */
gosset_status gosset__given_check(const gosset_vectors *queries, uint32_t dimension);
gosset_status gosset__given_prepare(gosset__trainer *trainer, const gosset_vectors *queries);
void gosset__given_free(gosset__given *given, const gosset__env *env);
uint32_t gosset__given_held_out(size_t count);
/** queries.c: after training: a last layer for queries, if held-out ones need less scanning with it. */
gosset_status gosset__queries_fit(gosset__trainer *trainer);
/** speed.c: logs the rate of the steps beside that of plain matrix products. */
gosset_status gosset__speed_report(gosset__trainer *trainer);
/** checkpoint.c */
gosset_status gosset__checkpoint_save(const gosset__trainer *trainer);
gosset_status gosset__checkpoint_load(gosset__trainer *trainer);

/** Folds the current parameters into trainer->folded. */
gosset_status gosset__trainer_fold(gosset__trainer *trainer, const float *parameters, float *folded);

#endif
