#include "api/locate.h"
#include "base/bytes.h"
#include "base/status.h"
#include "index/leaves.h"
#include <gosset/index.h>
#include <stdlib.h>

enum {
    FILTER_BITS = 20, /* a bit per tag's low bits turns away nearly all rows at once */
    NONE = UINT32_MAX
};

/* A neighbour to be found. */
typedef struct target {
    uint64_t id;
    uint32_t tag, entry; /* entry: in the truth's lists */
} target;

/* The targets of one tag, [first, first of the next group), and the rows that have it. */
typedef struct group {
    uint32_t first, matches; /* the last match, or NONE */
} group;

/* Rows of one tag in one cell. They lie close together: rows of a cell are nearly in order of their codes. */
typedef struct match {
    uint64_t first, last, count;
    uint32_t cell, previous; /* match of the same group, or NONE */
} match;

struct gosset__locator {
    gosset__env env;
    gosset__store *store;
    const gosset__codec *codec;
    const gosset__truth *truth;
    gosset__place *places;
    target *targets;
    group *groups; /* one more, as the end */
    uint8_t *filter;
    match *matches;
    uint32_t target_count, group_count, match_count, match_room;
    uint64_t row; /* of the next code that passes */
    uint32_t cell;
    gosset_status status; /* of noting matches */
    gosset__leaves_maker leaves;
};

static int by_tag_and_id(const void *a, const void *b) {
    const target *x = a, *y = b;
    if (x->tag != y->tag) return x->tag < y->tag ? -1 : 1;
    if (x->id != y->id) return x->id < y->id ? -1 : 1;
    return x->entry < y->entry ? -1 : x->entry > y->entry;
}

static void set_targets(gosset__locator *l) {
    const uint32_t mask = (1u << FILTER_BITS) - 1;
    for (size_t e = 0; e < gosset__truth_at(l->truth->query_count); e++) {
        const gosset__neighbour *n = &l->truth->lists[e];
        l->places[e] = (gosset__place){.page = UINT64_MAX};
        if (n->id != GOSSET_NO_ID) l->targets[l->target_count++] = (target){n->id, n->tag, (uint32_t)e};
    }
    qsort(l->targets, l->target_count, sizeof *l->targets, by_tag_and_id);
    for (uint32_t i = 0; i < l->target_count; i++) {
        uint32_t tag = l->targets[i].tag;
        if (i > 0 && tag == l->targets[i - 1].tag) continue;
        l->groups[l->group_count++] = (group){i, NONE};
        l->filter[(tag & mask) / 8] |= (uint8_t)(1u << (tag % 8));
    }
    l->groups[l->group_count].first = l->target_count;
}

gosset_status gosset__locator_create(gosset__locator **out, gosset__store *store, const gosset__codec *codec,
                                     const gosset__truth *truth, gosset__place *places, const gosset__env *env) {
    *out = NULL;
    gosset__locator *l = gosset__alloc_zero(env, sizeof *l);
    if (!l) return gosset__no_memory("calibration", sizeof *l);
    size_t entries = gosset__truth_at(truth->query_count) + 1;
    l->env = *env, l->store = store, l->codec = codec, l->truth = truth, l->places = places;
    l->targets = gosset__alloc_array(env, entries, sizeof *l->targets);
    l->groups = gosset__alloc_array(env, entries, sizeof *l->groups);
    l->filter = gosset__alloc_zero(env, (1u << FILTER_BITS) / 8);
    if (!l->targets || !l->groups || !l->filter) {
        gosset__locator_free(l);
        return gosset__no_memory("calibration", entries * (sizeof(target) + sizeof(group)));
    }
    set_targets(l);
    *out = l;
    return GOSSET_OK;
}

void gosset__locator_free(gosset__locator *locator) {
    if (!locator) return;
    gosset__env env = locator->env;
    gosset__free(&env, locator->targets);
    gosset__free(&env, locator->groups);
    gosset__free(&env, locator->filter);
    gosset__free(&env, locator->matches);
    gosset__free(&env, locator);
}

/* ---- codes pass by ------------------------------------------------------------------------------ */

/* The group of a tag, or NULL. */
static group *find_group(const gosset__locator *l, uint32_t tag) {
    if (!(l->filter[(tag & ((1u << FILTER_BITS) - 1)) / 8] >> tag % 8 & 1)) return NULL;
    uint32_t low = 0, high = l->group_count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (l->targets[l->groups[middle].first].tag <= tag)
            low = middle;
        else
            high = middle;
    }
    return l->targets[l->groups[low].first].tag == tag ? &l->groups[low] : NULL;
}

static gosset_status note(gosset__locator *l, group *g) {
    match *last = g->matches != NONE ? &l->matches[g->matches] : NULL;
    if (last && last->cell == l->cell) {
        last->last = l->row;
        last->count++;
        return GOSSET_OK;
    }
    if (l->match_count == l->match_room) {
        uint32_t room = l->match_room ? 2 * l->match_room : 4096;
        void *larger =
            gosset__realloc(&l->env, l->matches, l->match_room * sizeof *l->matches, room * sizeof *l->matches);
        if (!larger) return gosset__no_memory("calibration", room * sizeof *l->matches);
        l->matches = larger;
        l->match_room = room;
    }
    l->matches[l->match_count] = (match){l->row, l->row, 1, l->cell, g->matches};
    g->matches = l->match_count++;
    return GOSSET_OK;
}

static gosset_status watch(void *context, const uint8_t *codes, size_t count) {
    gosset__locator *l = context;
    const uint32_t code_size = l->store->layout.code_size;
    gosset_status status = GOSSET_OK;
    gosset__leaves_take(&l->leaves, codes, count);
    for (size_t i = 0; i < count && l->group_count && status == GOSSET_OK; i++, l->row++) {
        while (l->store->cell_first[l->cell + 1] <= l->row) l->cell++;
        group *g = find_group(l, gosset__address_tag(l->cell, codes + i * code_size, code_size));
        if (g) status = note(l, g);
    }
    return status;
}

static void watch_block(const void *context, const uint8_t *codes, size_t count, uint8_t *block) {
    gosset__locator *l = (gosset__locator *)context; /* the store's callback promises const, we ask for notes */
    gosset__codec_block(l->codec, codes, count, block);
    if (l->status == GOSSET_OK) l->status = watch(l, codes, count);
}

gosset_status gosset__locator_load(gosset__locator *locator) {
    locator->store->lead_size = gosset__codec_lead_size(locator->codec);
    gosset_status status = gosset__leaves_begin(&locator->leaves, locator->store, locator->codec);
    if (status == GOSSET_OK) status = gosset__store_load_codes(locator->store, watch_block, locator);
    return status != GOSSET_OK ? status : locator->status;
}

gosset_status gosset__locator_leave(gosset__locator *locator) {
    gosset_status status = gosset__leaves_begin(&locator->leaves, locator->store, locator->codec);
    if (status == GOSSET_OK) status = gosset__store_pass_codes(locator->store, watch, locator);
    return status != GOSSET_OK ? status : gosset__store_leave_codes(locator->store, "threads");
}

/* ---- places ------------------------------------------------------------------------------------- */

size_t gosset__locator_groups(const gosset__locator *locator) {
    return locator->group_count;
}

/* All targets of the group that have this id and no place yet; returns how many. */
static uint32_t settle(gosset__locator *l, const group *g, uint64_t id, gosset__place place) {
    uint32_t settled = 0;
    for (uint32_t i = g->first; i < g[1].first; i++) {
        gosset__place *p = &l->places[l->targets[i].entry];
        if (l->targets[i].id != id || p->page != UINT64_MAX) continue;
        *p = place;
        settled++;
    }
    return settled;
}

gosset_status gosset__locator_resolve(gosset__locator *locator, size_t item, gosset__search *search) {
    gosset__locator *l = locator;
    const group *g = &l->groups[item];
    const gosset__store *store = l->store;
    uint32_t missing = g[1].first - g->first;
    const match *m = g->matches != NONE ? &l->matches[g->matches] : NULL;
    const target *targets = l->targets + g->first;
    if (m && m->count == 1 && m->previous == NONE && targets[0].id == targets[missing - 1].id)
        missing -=
            settle(l, g, targets[0].id, (gosset__place){m->first, gosset__store_page_of(store, m->first), m->cell});
    for (; m && missing; m = m->previous != NONE ? &l->matches[m->previous] : NULL) {
        uint64_t last = gosset__store_page_of(store, m->last);
        for (uint64_t page = gosset__store_page_of(store, m->first); page <= last && missing; page++) {
            const uint8_t *record;
            gosset_status status = gosset__search_read_page(search, page, &record);
            if (status != GOSSET_OK) return status;
            const uint32_t records = gosset__store_page_records(store, page);
            const uint64_t row = gosset__store_page_first(store, page);
            for (uint32_t i = 0; i < records && missing; i++, record += store->layout.record_size)
                missing -= settle(l, g, gosset__load64(record), (gosset__place){row + i, page, m->cell});
        }
    }
    if (missing)
        return gosset__fail(GOSSET_E_CORRUPT, "%s: calibration: the index lacks vector %llu, which it should hold",
                            store->directory, (unsigned long long)targets[0].id);
    return GOSSET_OK;
}
