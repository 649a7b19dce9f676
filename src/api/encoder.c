#include "api/encoder.h"
#include "api/vectors.h"
#include "train/model.h"

/* Rows of one work item: several of each group of cells, whose axes are then read once; few enough to spread. */
enum { ITEM_ROWS = 512 };

struct gosset__encoder {
    gosset__env env;
    const gosset_model *model;
    const gosset__codec *codec;
    const gosset__kernels *kernels;
    gosset__pool *pool;
    uint32_t dimension; /* of latents */
    size_t scratch_size;
    char *scratch;  /* per worker */
    float *latents; /* per worker: ITEM_ROWS x dimension */
};

typedef struct task {
    gosset__encoder *encoder;
    const gosset_vectors *rows;
    uint32_t *cells;
    uint8_t *codes;
} task;

static size_t scratch_size(const gosset_model *model) {
    return (gosset__model_scratch_size(model, ITEM_ROWS) + 63) / 64 * 64;
}

gosset_status gosset__encoder_create(gosset__encoder **out, const gosset_model *model, const gosset__codec *codec,
                                     const gosset__kernels *kernels, gosset__pool *pool, const gosset__env *env) {
    *out = NULL;
    gosset__encoder *e = gosset__alloc_zero(env, sizeof *e);
    if (!e) return gosset__no_memory("encoder", sizeof *e);
    uint32_t threads = gosset__pool_threads(pool);
    e->env = *env, e->model = model, e->codec = codec, e->kernels = kernels, e->pool = pool;
    e->dimension = gosset__codec_dimension(codec);
    e->scratch_size = scratch_size(model);
    e->scratch = gosset__alloc_array(env, threads, e->scratch_size);
    e->latents = gosset__alloc_array(env, threads, ITEM_ROWS * e->dimension * sizeof *e->latents);
    if (!e->scratch || !e->latents) {
        gosset_status status = gosset__no_memory("encoder", threads * e->scratch_size);
        gosset__encoder_free(e);
        return status;
    }
    *out = e;
    return GOSSET_OK;
}

void gosset__encoder_free(gosset__encoder *encoder) {
    if (!encoder) return;
    gosset__env env = encoder->env;
    gosset__free(&env, encoder->scratch);
    gosset__free(&env, encoder->latents);
    gosset__free(&env, encoder);
}

static gosset_status work(void *context, size_t item, uint32_t worker) {
    const task *t = context;
    gosset__encoder *e = t->encoder;
    size_t first = item * ITEM_ROWS;
    gosset_vectors part = *t->rows;
    part.data = gosset__vectors_row(t->rows, first);
    part.count = t->rows->count - first < ITEM_ROWS ? t->rows->count - first : ITEM_ROWS;
    float *latents = e->latents + (size_t)worker * ITEM_ROWS * e->dimension;
    gosset__model_map(e->model, e->kernels, GOSSET_BASE, &part, latents, e->scratch + worker * e->scratch_size);
    gosset__codec_encode(e->codec, part.count, latents, t->cells + first,
                         t->codes + first * gosset__codec_code_size(e->codec));
    return GOSSET_OK;
}

gosset_status gosset__encoder_run(gosset__encoder *encoder, const gosset_vectors *rows, uint32_t *cells,
                                  uint8_t *codes) {
    task t = {encoder, rows, cells, codes};
    return gosset__pool_run(encoder->pool, (rows->count + ITEM_ROWS - 1) / ITEM_ROWS, work, &t);
}

size_t gosset__encoder_size(const gosset_model *model, const gosset__codec *codec, uint32_t threads) {
    return threads * (scratch_size(model) + ITEM_ROWS * gosset__codec_dimension(codec) * sizeof(float));
}
