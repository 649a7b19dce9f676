/* What an index and its searchers hold, line by line. */
#include "api/searcher.h"
#include "api/vectors.h"
#include "base/status.h"
#include "index/leaves.h"
#include "train/model.h"

gosset_memory_info gosset__index_measure(const gosset_index *index) {
    const gosset__store_held *store = &index->store->held;
    const gosset__model_held model = gosset__model_measure(index->model);
    gosset_memory_info info = {.struct_size = sizeof info,
                               .codes = store->codes,
                               .leaves = index->store->leaves ? index->store->leaves->held : 0,
                               .cells = store->cells,
                               .network = model.network,
                               .centroids = model.centroids,
                               .turns = model.turns,
                               .model_rest = model.rest,
                               .pages = store->pages,
                               .rest = store->rest + store->model + gosset__codec_held(index->codec) + sizeof *index};
    info.index = info.codes + info.leaves + info.cells + info.network + info.centroids + info.turns + info.model_rest +
                 info.pages + info.rest;
    return info;
}

/* A searcher made for these options, asked for its size, and let go; `most`: queries of a call. */
static gosset_status measure(const gosset_index *index, const gosset_search_options *options, uint32_t k, uint32_t most,
                             uint64_t *held, uint64_t *batch) {
    gosset_status status = GOSSET_OK;
    gosset_searcher *searcher = NULL;
    GOSSET_TRY(gosset__searcher_create_with(&searcher, index, &index->env, options));
    GOSSET_TRY(gosset__searcher_reserve(searcher, k));
    *held = gosset__searcher_held(searcher);
    if (!gosset__searcher_goes_together(searcher, most, k)) goto out;
    GOSSET_TRY(gosset__searcher_together_reserve(searcher, k, most));
    *batch = gosset__searcher_held(searcher) - *held;
out:
    gosset_searcher_free(searcher);
    return status;
}

gosset_status gosset_index_memory(const gosset_index *index, const gosset_search_options *options, uint32_t k,
                                  gosset_memory_info *info) {
    gosset_search_options read;
    uint64_t all = 0, all_cached = 0;
    if (!index || !info) return gosset__fail(GOSSET_E_ARGUMENT, "memory: expected an index and an info, found NULL");
    if (k < 1 || k > GOSSET__MAX_K)
        return gosset__fail(GOSSET_E_ARGUMENT, "memory: k: expected 1..%d, found %u", GOSSET__MAX_K, k);
    gosset_status status = gosset__config_read(&read, sizeof read, options, "gosset_search_options");
    if (status != GOSSET_OK) return status;
    gosset_memory_info ours = gosset__index_measure(index);
    const uint32_t in_flight = read.in_flight ? read.in_flight : GOSSET__IN_FLIGHT;
    read.struct_size = sizeof read;
    const uint64_t cache = read.cache;
    read.in_flight = in_flight;
    read.cache = 0;
    GOSSET_TRY(measure(index, &read, k, GOSSET__TOGETHER_MAX, &all, &ours.batch_most));
    read.in_flight = 1;
    GOSSET_TRY(measure(index, &read, k, GOSSET__TOGETHER_SOME, &ours.searcher, &ours.batch));
    read.cache = cache;
    GOSSET_TRY(measure(index, &read, k, GOSSET__TOGETHER_SOME, &all_cached, &ours.batch));
    ours.cache = all_cached - ours.searcher;
    if (in_flight > 1) ours.query = (all - ours.searcher) / (in_flight - 1);
    GOSSET_TRY(gosset__info_write(info, &ours, sizeof ours, "gosset_memory_info"));
out:
    return status;
}
