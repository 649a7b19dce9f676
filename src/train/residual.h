/** What the files of the residual codes' training share. */
#ifndef GOSSET_TRAIN_RESIDUAL_H
#define GOSSET_TRAIN_RESIDUAL_H

#include "train/trainer.h"

enum { GOSSET__RESIDUAL_MAX_AXES = 255 }; /* with the gain's place 256 features */

/** A cell's prediction weighs as much in its centroid as this many vectors. */
#define GOSSET__RESIDUAL_PREDICTION_WEIGHT 8.0

typedef struct gosset__residual_fitting {
    gosset__trainer *trainer;
    size_t rows;
    uint32_t features; /* of the network's input */
    uint32_t axes;     /* principal axes kept, and columns of what follows */
    uint32_t cells, latent;
    float *basis;            /* features x axes: to the leading axes, scaled */
    float *x;                /* rows x axes: the learn set there, later its residuals */
    float *latents;          /* rows x latent */
    uint32_t *cell;          /* rows */
    uint32_t *counts;        /* cells: their rows */
    float *points;           /* cells x latent: unit lattice points */
    float *centroids;        /* cells x axes */
    float *rotation;         /* axes x axes: principal axes of the residuals */
    float *rotated;          /* cells x axes: the centroids there */
    float *map;              /* features x axes: from the input to there */
    uint32_t groups, turned; /* groups of cells and leading axes they turn; 0: none */
    uint8_t *group;          /* cells */
    float *turns;            /* groups x turned x turned, columns are new axes */
    float *centre;           /* axes: of the sphere that the rows lie on, as far as they do */
    double *normal;          /* latent x (latent + axes): the prediction's equations, then its weights */
} gosset__residual_fitting;

/** residual_turn.c: groups of cells, their axes; turns the rotated centroids onto them. */
gosset_status gosset__residual_turn(gosset__residual_fitting *fit);
/** x, on the axes of the residuals, on those of a group. */
void gosset__residual_turn_row(const gosset__residual_fitting *fit, uint32_t group, float *x);
/** The way back. */
void gosset__residual_unturn_row(const gosset__residual_fitting *fit, uint32_t group, float *x);
/** What its cell leaves of a row, and the cell's centroid, on the axes of the residuals, as if the cell had never seen
 *  the row. */
void gosset__residual_draw(const gosset__residual_fitting *fit, size_t row, float *rest, float *centroid);

/** Residuals on their groups' axes, as if their cells had never seen them; rows of zeros do not count. */
typedef struct gosset__residual_sample {
    size_t count;
    uint32_t axes;
    const float *rest; /* count x axes */
} gosset__residual_sample;

/** residual_stretch.c: the centre, from x as projected on the basis; on its axes. */
void gosset__residual_find_centre(gosset__residual_fitting *fit);

/** residual_levels.c: levels and steps for the words and gains given, starting from the levels given and, unless they
 *  are 0, the steps. */
gosset_status gosset__residual_fit_levels(const gosset__residual_sample *sample, uint32_t rounds, gosset__pool *pool,
                                          const gosset__env *env, const gosset__kernels *kernels,
                                          gosset__windows *windows);

/** residual_judge.c: ranks of the true neighbours of held-out queries among coded rows of the learn set: the first
 *  `count`. */
typedef struct gosset__residual_judge {
    const gosset__residual_fitting *fit;
    uint32_t queries;
    size_t count;
    float stretch;
    float *queries_at;                 /* queries x axes */
    float *asked;                      /* the same, stretched */
    float *rest, *centroids, *decoded; /* count x axes */
    float *halves;                     /* count: half squared lengths */
    float *least;                      /* queries x GOSSET__VALIDATION_K: scores of the true neighbours */
    uint32_t *ranks;                   /* blocks of rows x as many: rows that score higher */
    float *scores;                     /* workers x rows of a block x queries */
} gosset__residual_judge;

gosset_status gosset__residual_judge_start(gosset__residual_judge *self, const gosset__residual_fitting *fit);
void gosset__residual_judge_free(gosset__residual_judge *self);
/** Their mean, in the scale of logarithms; the lower, the better the codes. */
gosset_status gosset__residual_judge_rank(gosset__residual_judge *self, const gosset__windows *windows, double *rank);

/** Queries are stretched from the centre from now on. */
void gosset__residual_judge_stretch(gosset__residual_judge *self, float stretch);
/** The rank by codes that were ranked before, for another stretch. */
gosset_status gosset__residual_judge_again(gosset__residual_judge *self, double *rank);

/** residual_stretch.c: the stretch with which the codes that were ranked last rank best; `rank`: theirs, before and
 *  after. */
gosset_status gosset__residual_choose_stretch(gosset__residual_judge *judge, double *rank);
/** What of the judge's stretch is good for an index of so many vectors. */
float gosset__residual_stretch_for(const gosset__residual_judge *judge, uint64_t vectors);

/** residual_choose.c: words, levels, steps and gains. */
gosset_status gosset__residual_choose(gosset__residual_judge *judge, gosset__windows *windows);
/** Codes a row of the judge. Writes what its code stands for, centroid included; returns the squared length of that.
 *  All arrays are of fit->axes floats, on the axes of the residuals. Thread-safe. */
float gosset__residual_code(const gosset__residual_fitting *fit, const gosset__windows *windows, uint32_t group,
                            const float *rest, const float *centroid, float *decoded);

/** Ascending. */
void gosset__residual_sort(float *values, size_t count);

/** Columns of `from` behind one of zeros, the gain's place; cut or padded with zeros to `to_columns`. */
void gosset__residual_columns(const float *from, uint32_t from_columns, size_t rows, uint32_t to_columns, float *to);

#endif
