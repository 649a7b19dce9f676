/* Many queries in one call: they are mapped and planned together, hundreds or, of large calls, up to 2,048 at a time.
 */
#include "api/searcher.h"
#include "api/vectors.h"
#include "base/status.h"
#include <stdlib.h>

enum {
    LEAST = 32, /* queries worth planning together: fewer hardly meet in a cell */
    FIRST = 8,  /* of such parts of a call from a device the first is one, */
    FIRST_MAX = 64,
    GROWTH = 3, /* each part is so many times as large as the one before, */
    PARTS = 3,  /* but no larger than such a part of the call */
    MEET = 3    /* or than it takes for so many probed cells for each cell there is */
};

int gosset__searcher_goes_together(const gosset_searcher *searcher, size_t count, uint32_t k) {
    const gosset__search_request request = gosset__searcher_request(searcher, 0, GOSSET_F32, k);
    if (searcher->index->store->code_sums) return 0; /* their codes come one query after the other */
    return count >= LEAST &&
           gosset__search_together_room(request.effort.probe, request.rerank, gosset__together_most(count)) >= LEAST;
}

gosset_status gosset__searcher_together_reserve(gosset_searcher *searcher, uint32_t k, uint32_t most) {
    gosset_searcher *s = searcher;
    const gosset__search_request common = gosset__searcher_request(s, 0, GOSSET_F32, k);
    const size_t dimension = gosset__codec_dimension(s->index->codec);
    if (s->batch_room < most) {
        gosset__free(&s->env, s->requests);
        gosset__free(&s->env, s->batch_latents);
        s->requests = gosset__alloc_array(&s->env, most, sizeof *s->requests);
        s->batch_latents = gosset__alloc_array(&s->env, most, dimension * sizeof(float));
        s->batch_room = s->requests && s->batch_latents ? most : 0;
    }
    if (s->batch_room == 0) return gosset__no_memory("searcher", most * dimension);
    return gosset__search_together_reserve(s->search, common.effort.probe, common.rerank > k ? common.rerank : k, k,
                                           most);
}

uint64_t gosset__searcher_together_held(const gosset_searcher *searcher) {
    const size_t dimension = gosset__codec_dimension(searcher->index->codec);
    return searcher->batch_room * (sizeof *searcher->requests + dimension * sizeof(float));
}

/*
 * Queries to plan together next. Vectors in memory need no overlap: as many as there is room for. A device should get
 * to work soon, so parts begin small, and be busy until the end, so the last is not all of it; but where queries visit
 * few cells, which are large then, it takes many of them to meet.
 */
static uint32_t share(const gosset_searcher *s, size_t count, size_t left, uint32_t room, uint32_t before) {
    const int in_memory = s->index->store->files->ops->resident;
    const uint32_t probe = gosset__searcher_request(s, 0, GOSSET_F32, 1).effort.probe;
    const size_t part = (count + PARTS - 1) / PARTS, meet = MEET * s->index->extent.cells / (probe ? probe : 1);
    const size_t most = part > meet ? part : meet;
    const size_t first = count / FIRST < FIRST_MAX ? count / FIRST : FIRST_MAX;
    const size_t next = before > 0 ? GROWTH * (size_t)before : first;
    size_t wanted = in_memory ? left : next < most ? next : most;
    if (wanted < LEAST) wanted = LEAST;
    if (wanted + wanted / 4 >= left) wanted = left; /* no small rest */
    if (wanted > room) wanted = room;
    return (uint32_t)(wanted < left ? wanted : left);
}

static void note(void *context, const gosset__search_done *done) {
    if (done->status != GOSSET_OK) gosset__outcome_note(context, done->status, done->sentence);
}

static void map(gosset_searcher *s, const gosset_vectors *queries, size_t first, uint32_t count) {
    const size_t dimension = gosset__codec_dimension(s->index->codec);
    for (uint32_t at = 0; at < count; at += GOSSET__MAP_ROWS) {
        const uint32_t left = count - at;
        gosset__searcher_map(s, queries, first + at, left < GOSSET__MAP_ROWS ? left : GOSSET__MAP_ROWS,
                             s->batch_latents + at * dimension);
    }
}

void gosset__searcher_together(gosset_searcher *searcher, const gosset_vectors *queries, uint32_t k, uint64_t *ids,
                               float *distances, gosset__outcome *outcome) {
    gosset_searcher *s = searcher;
    const gosset__search_sink sink = {note, outcome};
    const gosset__search_request common = gosset__searcher_request(s, 0, queries->type, k);
    const uint32_t most = gosset__together_most(queries->count);
    const uint32_t room = gosset__search_together_room(common.effort.probe, common.rerank, most);
    uint32_t planned = 0;
    gosset_status status = gosset__searcher_together_reserve(s, k, most);
    for (size_t next = 0; status == GOSSET_OK && outcome->status == GOSSET_OK && next < queries->count;
         next += planned) {
        const uint32_t count = share(s, queries->count, queries->count - next, room, planned);
        map(s, queries, next, count);
        for (uint32_t i = 0; i < count; i++) {
            gosset__search_request *request = &s->requests[i];
            *request = common;
            request->latent = s->batch_latents + i * (size_t)gosset__codec_dimension(s->index->codec);
            request->vector = gosset__vectors_row(queries, next + i);
            request->ids = ids + (next + i) * k;
            request->distances = distances ? distances + (next + i) * k : NULL;
        }
        status = gosset__search_together(s->search, s->requests, count, &sink, &planned);
        if (status != GOSSET_OK || planned > 0) continue;
        gosset__search_together_end(s->search, &sink);
        status = gosset__search_run(s->search, &s->requests[0]);
        planned = 1;
    }
    if (status != GOSSET_OK) gosset__outcome_note(outcome, status, gosset_last_error());
    gosset__search_together_end(s->search, &sink);
}
