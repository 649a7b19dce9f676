/** Vectors to cells and codes, on all threads: model then codec, with scratch per worker. */
#ifndef GOSSET_API_ENCODER_H
#define GOSSET_API_ENCODER_H

#include "api/handles.h"

typedef struct gosset__encoder gosset__encoder;

gosset_status gosset__encoder_create(gosset__encoder **out, const gosset_model *model, const gosset__codec *codec,
                                     const gosset__kernels *kernels, gosset__pool *pool, const gosset__env *env);
void gosset__encoder_free(gosset__encoder *encoder); /* NULL is fine */

/** Rows must be aligned to their elements. cells: count; codes: count x code_size. */
gosset_status gosset__encoder_run(gosset__encoder *encoder, const gosset_vectors *rows, uint32_t *cells,
                                  uint8_t *codes);
/** Bytes an encoder holds, for the memory budget. */
size_t gosset__encoder_size(const gosset_model *model, const gosset__codec *codec, uint32_t threads);
#endif
