/** What the files of this folder share. */
#ifndef GOSSET_TRAIN_TESTS_H
#define GOSSET_TRAIN_TESTS_H

#include "base/bytes.h"
#include "base/hash.h"
#include "base/rng.h"
#include "support/support.h"
#include "train/trainer.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

Suite *format_suite(void);
Suite *panels_suite(void);
Suite *tiles_suite(void);
Suite *gradients_suite(void);
Suite *learning_suite(void);
Suite *model_file_suite(void);
Suite *neighbours_suite(void);
Suite *queries_suite(void);
Suite *reproducible_suite(void);
Suite *stretch_suite(void);

/** A config for a training of a second or less: points of a lattice of LATENT dimensions, narrow layers. */
enum { LATENT = 8 };
gosset_train_config small_config(const gosset_env *env);
/** The same with residual codes of 8 bytes instead. */
gosset_train_config residual_config(const gosset_env *env);
/** Fails the test with the library's sentence. */
void require_ok(gosset_status status);
/** Trains; fails the test if that fails. */
gosset_model *train_model(const gosset_vectors *learn, const gosset_train_config *config);
/** The model file in a block to free(), and how many of its bytes do not tell the time. */
unsigned char *model_bytes(const gosset_model *model, size_t *size, size_t *timeless);

void fill_normal(gosset__rng *rng, float *values, size_t count);

#endif
