/**
 * Where the true neighbours of the held-out queries lie in an index: their cells and pages. Rows of their tags are
 * noted while the codes pass by; a page is read only where several rows share a tag.
 */
#ifndef GOSSET_API_LOCATE_H
#define GOSSET_API_LOCATE_H

#include "api/truth.h"
#include "index/search.h"

typedef struct gosset__place {
    uint64_t row, page; /* page UINT64_MAX: no such neighbour */
    uint32_t cell;
} gosset__place;

typedef struct gosset__locator gosset__locator;

/** `places`: one per entry of the truth's lists, filled by resolve; all borrowed. */
gosset_status gosset__locator_create(gosset__locator **out, gosset__store *store, const gosset__codec *codec,
                                     const gosset__truth *truth, gosset__place *places, const gosset__env *env);
void gosset__locator_free(gosset__locator *locator); /* NULL is fine */

/** Loads the store's codes, watching out for the tags. */
gosset_status gosset__locator_load(gosset__locator *locator);
/** The same without loading them: searches then read codes from disk. Opens the store's files anew. */
gosset_status gosset__locator_leave(gosset__locator *locator);
/** Fills the places of the neighbours in one of `groups` sets; different groups on any threads. */
size_t gosset__locator_groups(const gosset__locator *locator);
gosset_status gosset__locator_resolve(gosset__locator *locator, size_t group, gosset__search *search);
#endif
