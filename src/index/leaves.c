#include "index/leaves.h"

#include "base/bytes.h"
#include "base/status.h"
#include <math.h>
#include <string.h>

enum { ROWS = GOSSET__LEAF_ROWS };

/* ---- choosing ----------------------------------------------------------------------------------- */

uint64_t gosset__slice_within(const gosset__store *store, const gosset__codec *codec, const gosset__slice *slice,
                              uint32_t cell, const void *view, float margin) {
    float distances[GOSSET__LEAVES_MAX];
    uint64_t within = 0;
    if (margin == INFINITY) return gosset__slice_all(slice);
    gosset__codec_leaf_distances(codec, view, cell, &store->leaves->sketches, slice->leaf, slice->count, distances);
    for (uint32_t i = 0; i < slice->count; i++) within |= (uint64_t)(distances[i] <= margin) << i;
    return within;
}

void gosset__leaves_prefetch(const gosset__store *store, const gosset__codec *codec, uint32_t cell) {
    const gosset__leaves *leaves = store->leaves;
    if (leaves == NULL) return;
    const uint32_t block = GOSSET__SCAN_BLOCK * gosset__codec_leaf_places(codec) / 2, most = GOSSET__SCAN_BLOCK;
    const uint32_t first = leaves->first[cell], count = leaves->first[cell + 1] - first;
    const uint32_t last = first + (count < most ? count : most) - (count > 0);
    const uint8_t *from = leaves->sketches.blocks + (size_t)(first / GOSSET__SCAN_BLOCK) * block;
    const uint8_t *to = leaves->sketches.blocks + (size_t)(last / GOSSET__SCAN_BLOCK + 1) * block;
    for (; from < to; from += 64) __builtin_prefetch(from);
    __builtin_prefetch(leaves->sketches.squares + first);
    __builtin_prefetch(leaves->sketches.squares + last);
    __builtin_prefetch(leaves->sketches.steps + first);
    __builtin_prefetch(leaves->sketches.steps + last);
    gosset__codec_leaf_prefetch(codec, cell);
}

/* ---- making ------------------------------------------------------------------------------------- */

static uint64_t leaves_of_cell(const gosset__store *store, uint32_t cell) {
    const uint64_t first = store->cell_first[cell], end = store->cell_first[cell + 1];
    return first < end ? (end - 1) / ROWS - first / ROWS + 1 : 0;
}

static size_t size_of(uint64_t count, uint32_t cells, uint32_t places) {
    const size_t padded = (size_t)gosset__round_up(count, GOSSET__SCAN_BLOCK);
    return sizeof(gosset__leaves) + ((size_t)cells + 1) * sizeof(uint32_t) + padded * (places / 2 + 2 * sizeof(float));
}

size_t gosset__leaves_size(const gosset__store *store, const gosset__codec *codec) {
    const uint32_t cells = store->layout.cell_count, places = gosset__codec_leaf_places(codec);
    uint64_t count = 0;
    for (uint32_t cell = 0; cell < cells; cell++) count += leaves_of_cell(store, cell);
    return places > 0 && count > 0 ? size_of(count, cells, places) : 0;
}

static gosset_status allocate(gosset__store *store, gosset__leaves *leaves, uint32_t places) {
    const gosset__env *env = &store->env;
    const uint32_t cells = store->layout.cell_count;
    gosset__leaf_sketches *sketches = &leaves->sketches;
    uint64_t count = 0;
    leaves->first = gosset__alloc_array(env, (size_t)cells + 1, sizeof *leaves->first);
    if (leaves->first == NULL) return gosset__no_memory("leaves", (cells + 1) * sizeof *leaves->first);
    for (uint32_t cell = 0; cell < cells; count += leaves_of_cell(store, cell++)) leaves->first[cell] = (uint32_t)count;
    if (count > UINT32_MAX) return gosset__fail(GOSSET_E_ARGUMENT, "%s: too many vectors for leaves", store->directory);
    leaves->first[cells] = leaves->count = (uint32_t)count;
    leaves->held = size_of(count, cells, places);
    const size_t padded = (size_t)gosset__round_up(count, GOSSET__SCAN_BLOCK);
    sketches->blocks = gosset__alloc_zero(env, padded * places / 2);
    sketches->squares = gosset__alloc_array(env, padded, sizeof *sketches->squares);
    sketches->steps = gosset__alloc_array(env, padded, sizeof *sketches->steps);
    if (sketches->blocks == NULL || sketches->squares == NULL || sketches->steps == NULL)
        return gosset__no_memory("leaves", leaves->held);
    return GOSSET_OK;
}

gosset_status gosset__leaves_begin(gosset__leaves_maker *maker, gosset__store *store, const gosset__codec *codec) {
    const uint32_t places = gosset__codec_leaf_places(codec);
    *maker = (gosset__leaves_maker){.store = store, .codec = codec};
    if (store->leaves != NULL) return gosset__fail(GOSSET_E_STATE, "%s: leaves are made already", store->directory);
    if (places == 0 || store->row_count == 0) return GOSSET_OK;
    gosset__leaves *leaves = gosset__alloc_zero(&store->env, sizeof *leaves);
    if (leaves == NULL) return gosset__no_memory("leaves", sizeof *leaves);
    const gosset_status status = allocate(store, leaves, places);
    if (status == GOSSET_OK)
        store->leaves = leaves;
    else
        gosset__leaves_free(leaves, &store->env);
    return status;
}

static void end_leaf(gosset__leaves_maker *m) {
    for (uint32_t i = 0; i < GOSSET__LEAF_PLACES; i++) m->sums[i] /= (float)m->count;
    gosset__codec_leaf_set(m->codec, m->sums, m->leaf++, &m->store->leaves->sketches);
    memset(m->sums, 0, sizeof m->sums);
    m->count = 0;
}

void gosset__leaves_take(gosset__leaves_maker *maker, const uint8_t *codes, size_t count) {
    gosset__leaves_maker *m = maker;
    const gosset__store *store = m->store;
    if (store->leaves == NULL) return;
    for (; count > 0; count--, codes += store->layout.code_size) {
        if (m->count++ == 0) {
            while (store->cell_first[m->cell + 1] <= m->row) m->cell++;
            const uint64_t cell_end = store->cell_first[m->cell + 1], most = (m->row / ROWS + 1) * ROWS;
            m->end = cell_end < most ? cell_end : most;
        }
        gosset__codec_leaf_add(m->codec, codes, m->sums);
        if (++m->row == m->end) end_leaf(m);
    }
}

void gosset__leaves_free(gosset__leaves *leaves, const gosset__env *env) {
    if (leaves == NULL) return;
    gosset__free(env, leaves->first);
    gosset__free(env, leaves->sketches.blocks);
    gosset__free(env, leaves->sketches.squares);
    gosset__free(env, leaves->sketches.steps);
    gosset__free(env, leaves);
}
