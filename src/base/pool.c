/*
 * Workers wait for a generation number: a moment awake, since the next run often follows at once and waking costs as
 * much as a short run, then asleep on a condition variable. Items are claimed in ascending order from an atomic
 * counter, and claiming stops at the first failure: every item below a failing one has then been claimed and runs to
 * its end, so the lowest failing item is the same for any thread count. Placed runs have a counter a worker.
 */
#include "base/pool.h"
#include "base/status.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { LOOKS = 6000 }; /* before sleeping; 100 to 300 us on x86: being woken takes 30 to 50 */

typedef struct worker {
    gosset__pool *pool;
    pthread_t thread;
    uint32_t index;
    atomic_size_t next; /* of its share of a placed run */
} worker;

/* One call of gosset__pool_run. */
typedef struct run {
    gosset__work_fn work;
    void *context;
    size_t count;
    int placed;
    atomic_size_t next;
    atomic_int failed;
    pthread_mutex_t *mutex; /* guards the rest; NULL on a single thread */
    size_t failed_item;
    gosset_status status;
    char sentence[1024];
} run;

struct gosset__pool {
    gosset__env env;
    uint32_t threads; /* including the caller */
    pthread_mutex_t mutex;
    pthread_cond_t start, done;
    atomic_uint_fast64_t generation; /* of the current run; it and the next four change under the mutex only */
    atomic_uint busy;                /* workers taking part */
    atomic_int stopping;
    int open;      /* the run may still be joined */
    int backwards; /* the way of placed runs through their shares */
    run run;
    worker workers[]; /* the last is the caller */
};

static void look_aside(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void note_failure(run *self, size_t item, gosset_status status) {
    if (self->mutex) pthread_mutex_lock(self->mutex);
    if (self->status == GOSSET_OK || item < self->failed_item) {
        self->status = status;
        self->failed_item = item;
        snprintf(self->sentence, sizeof self->sentence, "%s", gosset_last_error());
    }
    if (self->mutex) pthread_mutex_unlock(self->mutex);
    atomic_store_explicit(&self->failed, 1, memory_order_relaxed);
}

static void run_items(run *self, uint32_t worker_index) {
    while (!atomic_load_explicit(&self->failed, memory_order_relaxed)) {
        size_t item = atomic_fetch_add_explicit(&self->next, 1, memory_order_relaxed);
        if (item >= self->count) break;
        gosset_status status = self->work(self->context, item, worker_index);
        if (status != GOSSET_OK) note_failure(self, item, status);
    }
}

/*
 * Each worker its share, the same in every run of as many items; then what others have not begun. Every other run goes
 * through the shares backwards: what a run had in its hands last is still in cache when the next one begins.
 */
static void run_share(gosset__pool *pool, uint32_t index) {
    run *self = &pool->run;
    for (uint32_t k = 0; k < pool->threads; k++) {
        worker *owner = &pool->workers[(index + k) % pool->threads];
        const size_t first = self->count * owner->index / pool->threads;
        const size_t end = self->count * (owner->index + 1) / pool->threads;
        for (;;) {
            const size_t next = atomic_fetch_add_explicit(&owner->next, 1, memory_order_relaxed);
            if (next >= end) break;
            const size_t item = pool->backwards ? first + end - 1 - next : next;
            gosset_status status = self->work(self->context, item, index);
            if (status != GOSSET_OK) note_failure(self, item, status);
        }
    }
}

static void take_part(gosset__pool *pool, uint32_t index) {
    if (pool->run.placed)
        run_share(pool, index);
    else
        run_items(&pool->run, index);
}

static void *worker_main(void *argument) {
    worker *self = argument;
    gosset__pool *pool = self->pool;
    uint64_t seen = 0;
    for (;;) {
        for (int i = 0; i < LOOKS && !pool->stopping && pool->generation == seen; i++) look_aside();
        pthread_mutex_lock(&pool->mutex);
        while (!pool->stopping && pool->generation == seen) pthread_cond_wait(&pool->start, &pool->mutex);
        if (pool->stopping) break;
        seen = pool->generation;
        if (pool->open) { /* otherwise too late: the others have done it all */
            pool->busy++;
            pthread_mutex_unlock(&pool->mutex);
            take_part(pool, self->index);
            pthread_mutex_lock(&pool->mutex);
            if (--pool->busy == 0) pthread_cond_signal(&pool->done);
        }
        pthread_mutex_unlock(&pool->mutex);
    }
    pthread_mutex_unlock(&pool->mutex);
    return NULL;
}

/* Workers inherit the mask: signals stay with the threads of the program. */
static int start_worker(worker *self) {
    sigset_t all, old;
    sigfillset(&all);
    if (pthread_sigmask(SIG_SETMASK, &all, &old) != 0) return -1;
    int error = pthread_create(&self->thread, NULL, worker_main, self);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return error;
}

static void stop_workers(gosset__pool *pool, uint32_t started) {
    pthread_mutex_lock(&pool->mutex);
    pool->stopping = 1;
    pthread_cond_broadcast(&pool->start);
    pthread_mutex_unlock(&pool->mutex);
    for (uint32_t i = 0; i < started; i++) pthread_join(pool->workers[i].thread, NULL);
}

static void destroy(gosset__pool *pool) {
    pthread_cond_destroy(&pool->done);
    pthread_cond_destroy(&pool->start);
    pthread_mutex_destroy(&pool->mutex);
    gosset__env env = pool->env;
    gosset__free(&env, pool);
}

gosset_status gosset__pool_create(gosset__pool **out, const gosset__env *env) {
    *out = NULL;
    uint32_t threads = env->threads ? env->threads : 1;
    size_t size = sizeof(gosset__pool) + threads * sizeof(worker);
    gosset__pool *pool = gosset__alloc_zero(env, size);
    if (!pool) return gosset__no_memory("thread pool", size);
    pool->env = *env;
    pool->threads = threads;
    pthread_mutex_init(&pool->mutex, NULL); /* with default attributes these cannot fail on Linux */
    pthread_cond_init(&pool->start, NULL);
    pthread_cond_init(&pool->done, NULL);
    for (uint32_t i = 0; i < threads; i++) pool->workers[i] = (worker){.pool = pool, .index = i};
    for (uint32_t i = 0; i + 1 < threads; i++) {
        int error = start_worker(&pool->workers[i]);
        if (error) {
            stop_workers(pool, i);
            destroy(pool);
            return gosset__fail(GOSSET_E_THREAD, "thread pool: thread %u of %u could not be started: %s", i + 1,
                                threads - 1, error > 0 ? strerror(error) : "signals could not be blocked");
        }
    }
    *out = pool;
    return GOSSET_OK;
}

void gosset__pool_free(gosset__pool *pool) {
    if (!pool) return;
    stop_workers(pool, pool->threads - 1);
    destroy(pool);
}

uint32_t gosset__pool_threads(const gosset__pool *pool) {
    return pool ? pool->threads : 1;
}

static void run_set(run *self, size_t count, int placed, gosset__work_fn work, void *context, pthread_mutex_t *mutex) {
    self->work = work;
    self->context = context;
    self->count = count;
    self->placed = placed;
    atomic_store(&self->next, 0);
    atomic_store(&self->failed, 0);
    self->mutex = mutex;
    self->status = GOSSET_OK;
}

static gosset_status run_result(const run *self) {
    return self->status == GOSSET_OK ? GOSSET_OK : gosset__fail(self->status, "%s", self->sentence);
}

static gosset_status share_out(gosset__pool *pool, size_t count, int placed, gosset__work_fn work, void *context) {
    if (!pool || pool->threads == 1 || count < 2) { /* nothing to share: no waking, no waiting */
        run alone;
        run_set(&alone, count, 0, work, context, NULL);
        run_items(&alone, pool ? pool->threads - 1 : 0);
        return run_result(&alone);
    }
    pthread_mutex_lock(&pool->mutex);
    run_set(&pool->run, count, placed, work, context, &pool->mutex);
    for (uint32_t i = 0; i < pool->threads; i++) atomic_store(&pool->workers[i].next, count * i / pool->threads);
    if (placed) pool->backwards = !pool->backwards;
    pool->open = 1;
    pool->generation++;
    pthread_cond_broadcast(&pool->start);
    pthread_mutex_unlock(&pool->mutex);
    take_part(pool, pool->threads - 1);
    pthread_mutex_lock(&pool->mutex);
    pool->open = 0; /* nothing is left to claim: who has not begun is not waited for */
    pthread_mutex_unlock(&pool->mutex);
    for (int i = 0; i < LOOKS && pool->busy > 0; i++) look_aside();
    pthread_mutex_lock(&pool->mutex);
    while (pool->busy > 0) pthread_cond_wait(&pool->done, &pool->mutex);
    pthread_mutex_unlock(&pool->mutex);
    return run_result(&pool->run);
}

gosset_status gosset__pool_run(gosset__pool *pool, size_t count, gosset__work_fn work, void *context) {
    return share_out(pool, count, 0, work, context);
}

gosset_status gosset__pool_run_placed(gosset__pool *pool, size_t count, gosset__work_fn work, void *context) {
    return share_out(pool, count, 1, work, context);
}
