/** A fixed set of worker threads. Work is split statically, so results never depend on the thread count. */
#ifndef GOSSET_BASE_POOL_H
#define GOSSET_BASE_POOL_H

#include "base/env.h"

typedef struct gosset__pool gosset__pool;

/** Starts env->threads - 1 workers; the calling thread is the last one. Signals are blocked in workers. */
gosset_status gosset__pool_create(gosset__pool **out, const gosset__env *env);
void gosset__pool_free(gosset__pool *pool); /* NULL is fine; joins */
uint32_t gosset__pool_threads(const gosset__pool *pool);

/**
 * One item of work: `item` in [0, count), `worker` in [0, threads) (index of per-worker scratch).
 * The first failing status (lowest item) is returned with its sentence moved to the calling thread.
 */
typedef gosset_status (*gosset__work_fn)(void *context, size_t item, uint32_t worker);
/** Runs all items, dynamically scheduled, and waits. pool NULL = on this thread. */
gosset_status gosset__pool_run(gosset__pool *pool, size_t count, gosset__work_fn work, void *context);
/**
 * The same, for chains of short runs over the same data: an item falls to the worker that had it in the last placed run
 * of as many items, in whose cache its data are, unless that worker is late. Other items may run after a failure.
 */
gosset_status gosset__pool_run_placed(gosset__pool *pool, size_t count, gosset__work_fn work, void *context);

#endif
