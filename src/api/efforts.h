/**
 * Which searches are worth measuring on an index: how many cells to probe, how remote those may be that are looked
 * into, and how far their leaves. Found without comparing a code, from where true neighbours of held-out queries lie.
 */
#ifndef GOSSET_API_EFFORTS_H
#define GOSSET_API_EFFORTS_H

#include "api/locate.h"
#include "base/pool.h"

typedef struct gosset__efforts_config {
    const gosset__store *store; /* with leaves, if they are to be considered */
    const gosset__codec *codec;
    gosset__pool *pool;
    const float *latents;        /* queries x dimension of the codec */
    const gosset__place *places; /* of their true neighbours, as the lists of a truth */
    uint32_t queries;            /* at least 1 */
} gosset__efforts_config;

enum { GOSSET__EFFORTS_MAX = 128 };
/** Efforts from those that look into the cells of all but a few of the true neighbours down to those that miss many:
 *  each the cheapest for what it holds, without leaves and then with some of its leaves. There is room for
 *  GOSSET__EFFORTS_MAX. */
gosset_status gosset__efforts_find(gosset__effort *efforts, uint32_t *count, const gosset__efforts_config *config,
                                   const gosset__env *env);

/** Microseconds to choose so many cells, look at the leaves of some, turn to some runs of codes, and compare these. */
double gosset__effort_us(const gosset__codec *codec, double probed, double looked_at, double aimed_at, double codes);

#endif
