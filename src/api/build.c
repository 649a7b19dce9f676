#include "api/build.h"
#include "api/calibrate.h"
#include "base/status.h"
#include "index/leaves.h"
#include "train/model.h"
#include <unistd.h>

enum {
    LIBRARIES = 24 << 20, /* code, stacks and the BLAS's own buffers, as resident in a small program */
    STORE_MINIMUM = 16 << 20,
    CALIBRATION = 6 << 20,        /* its grids and lists, beside the codes, */
    CALIBRATION_THREAD = 3 << 20, /* and what each thread reads into */
    BATCH_ROWS_MIN = 256,
    BATCH_ROWS_MAX = 16384,
    SHARD_SIZE = 1 << 30
};

static uint64_t quarter_of_ram(void) {
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    return pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size / 4 : UINT64_C(1) << 30;
}

gosset_status gosset__build_config_read(gosset__build_config *out, const gosset_writer_config *config) {
    gosset_status status = gosset__config_read(&out->user, sizeof out->user, config, "gosset_writer_config");
    if (status == GOSSET_OK) status = gosset__env_read(&out->env, out->user.env);
    if (status != GOSSET_OK) return status;
    out->memory = out->user.memory ? out->user.memory : quarter_of_ram();
    out->shard_size = out->user.shard_size ? out->user.shard_size : SHARD_SIZE;
    return GOSSET_OK;
}

gosset_status gosset__build_split(gosset__budget *out, const gosset__build_config *config, uint64_t held,
                                  size_t row_size) {
    const uint64_t mib = 1 << 20;
    uint64_t minimum = LIBRARIES + STORE_MINIMUM + held + (uint64_t)BATCH_ROWS_MIN * row_size;
    minimum = (minimum + mib - 1) / mib * mib; /* what the sentence says is enough */
    if (config->memory < minimum)
        return gosset__fail(
            GOSSET_E_ARGUMENT, "memory: expected at least %llu MiB for this model and %u threads, found %.1f MiB",
            (unsigned long long)(minimum / mib), config->env.threads, (double)config->memory / (double)mib);
    out->batch_rows = BATCH_ROWS_MIN;
    if (row_size) { /* an eighth of what is left over, until more would not help */
        uint64_t rows = BATCH_ROWS_MIN + (config->memory - minimum) / 8 / row_size;
        out->batch_rows = rows < BATCH_ROWS_MAX ? (size_t)rows : BATCH_ROWS_MAX;
    }
    out->store = config->memory - LIBRARIES - held - out->batch_rows * (uint64_t)row_size;
    return GOSSET_OK;
}

gosset_status gosset__codec_of_model(gosset__codec **out, gosset_model_info *info, const gosset_model *model,
                                     const gosset__kernels *kernels, const gosset__env *env) {
    *out = NULL;
    *info = (gosset_model_info){.struct_size = sizeof *info};
    gosset_status status = gosset_model_describe(model, info);
    if (status != GOSSET_OK) return status;
    return gosset__codec_create(out, info->cell_lattice, info->code_lattice, gosset__model_residual(model), env,
                                kernels);
}

static void block(const void *context, const uint8_t *codes, size_t count, uint8_t *out) {
    gosset__leaves_maker *maker = (gosset__leaves_maker *)context; /* codes that pass by are added to it */
    gosset__leaves_take(maker, codes, count);
    gosset__codec_block(maker->codec, codes, count, out);
}

gosset_status gosset__load_codes(gosset__store *store, const gosset__codec *codec, int leaves) {
    gosset__leaves_maker maker = {.store = store, .codec = codec};
    store->lead_size = gosset__codec_lead_size(codec);
    const gosset_status status = leaves ? gosset__leaves_begin(&maker, store, codec) : GOSSET_OK;
    return status == GOSSET_OK ? gosset__store_load_codes(store, block, &maker) : status;
}

gosset_status gosset__build_publish(gosset__store_writer *writer, const gosset_model *model, const gosset__codec *codec,
                                    const gosset__kernels *kernels, gosset__pool *pool, const gosset__truth *truth,
                                    uint64_t memory, const gosset__env *env) {
    gosset_status status = GOSSET_OK;
    gosset__store *store = NULL;
    gosset__calibration calibration;
    void *data = NULL;
    size_t size = 0;
    GOSSET_TRY(gosset__store_writer_finish(writer));
    GOSSET_TRY(gosset__store_writer_open(writer, "threads", &store));
    const uint64_t others = CALIBRATION + (uint64_t)gosset__pool_threads(pool) * CALIBRATION_THREAD;
    gosset__calibrate_config config = {
        store, model, codec, kernels, pool, truth, memory > others ? memory - others : 0};
    GOSSET_TRY(gosset__calibrate(&calibration, &config, env));
    gosset__store_close(store);
    store = NULL;
    GOSSET_TRY(gosset__calibration_store(&calibration, truth, env, &data, &size));
    GOSSET_TRY(gosset__store_writer_publish(writer, data, size));
out:
    gosset__free(env, data);
    gosset__store_close(store);
    return status;
}
