/** pread by a small crew of threads: one parallel round trip where io_uring is not to be had. */
#include "index/io/backend.h"

#include "base/status.h"
#include "index/io/process.h"
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/eventfd.h>

enum {
    CREW = 16,         /* reads in flight at the device; more gain nothing on the disks we measured */
    STACK = 256 * 1024 /* enough for pread under a sanitizer */
};

typedef struct page_request {
    struct page_request *next;
    gosset__io *owner;
    gosset__io_read read;
    int error;
} page_request;

typedef struct request_queue {
    page_request *first, *last;
} request_queue;

typedef struct threads_files {
    pthread_mutex_t lock;
    pthread_cond_t work;
    request_queue waiting;
    uint32_t idle, thread_count;
    bool stop;
    gosset__process *process; /* threads do not survive fork */
    int *descriptors;
    const gosset__io_files *files;
    pthread_t threads[CREW];
} threads_files;

typedef struct threads_io {
    pthread_cond_t progress;
    request_queue done;
    page_request *free;
    uint32_t in_flight, done_count, wanted; /* in_flight: submitted and not yet done */
    page_request requests[];                /* depth */
} threads_io;

static void push(request_queue *queue, page_request *request) {
    request->next = NULL;
    if (queue->first == NULL)
        queue->first = request;
    else
        queue->last->next = request;
    queue->last = request;
}

static page_request *pop(request_queue *queue) {
    page_request *first = queue->first;
    if (first != NULL) queue->first = first->next;
    return first;
}

static void *crew_main(void *argument) {
    threads_files *state = argument;
    pthread_mutex_lock(&state->lock);
    while (true) {
        page_request *request = pop(&state->waiting);
        if (request == NULL) {
            if (state->stop) break;
            state->idle++;
            pthread_cond_wait(&state->work, &state->lock);
            state->idle--;
            continue;
        }
        pthread_mutex_unlock(&state->lock);
        const gosset__io_read *read = &request->read;
        request->error =
            gosset__io_read_page(state->descriptors[read->file], read->buffer, gosset__io_size(state->files, read),
                                 gosset__io_offset(state->files, read->file, read->page));
        pthread_mutex_lock(&state->lock);
        threads_io *owner = request->owner->state;
        push(&owner->done, request);
        owner->in_flight--;
        owner->done_count++;
        if (owner->done_count >= owner->wanted) pthread_cond_signal(&owner->progress);
        if (owner->done_count == 1 && request->owner->event >= 0) eventfd_write(request->owner->event, 1);
    }
    pthread_mutex_unlock(&state->lock);
    return NULL;
}

/** Fewer threads than wanted are fine, none are a refusal. Signals go to the program's own threads. */
static gosset_status start_crew(threads_files *state) {
    pthread_attr_t attributes;
    sigset_t all, before;
    int error = 0;
    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (state->thread_count < CREW && error == 0) {
        error = pthread_create(&state->threads[state->thread_count], &attributes, crew_main, state);
        if (error == 0) state->thread_count++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (state->thread_count > 0) return GOSSET_OK;
    char text[128];
    return gosset__fail(GOSSET_E_THREAD, "threads that read: %s", strerror_r(error, text, sizeof text));
}

static void threads_close_files(gosset__io_files *files) {
    threads_files *state = files->state;
    if (state == NULL) return;
    if (state->process != NULL && gosset__process_same(state->process)) {
        pthread_mutex_lock(&state->lock);
        state->stop = true;
        pthread_cond_broadcast(&state->work);
        pthread_mutex_unlock(&state->lock);
        for (uint32_t i = 0; i < state->thread_count; i++) pthread_join(state->threads[i], NULL);
        pthread_cond_destroy(&state->work);
        pthread_mutex_destroy(&state->lock);
    }
    gosset__process_free(state->process, &files->env);
    gosset__io_descriptors_close(files, state->descriptors);
    gosset__free(&files->env, state);
    files->state = NULL;
}

static gosset_status threads_open_files(gosset__io_files *files) {
    gosset_status status = GOSSET_OK;
    threads_files *state = gosset__alloc_zero(&files->env, sizeof *state);
    if (state == NULL) return gosset__no_memory("the crew of readers", sizeof *state);
    pthread_mutex_init(&state->lock, NULL);
    pthread_cond_init(&state->work, NULL);
    state->files = files;
    files->state = state;
    GOSSET_TRY(gosset__process_mark(&state->process, &files->env));
    GOSSET_TRY(gosset__io_descriptors_open(files, &state->descriptors)); /* reads a page of every file */
    GOSSET_TRY(start_crew(state));
    files->held_bytes += sizeof *state + gosset__process_held() + gosset__io_descriptors_held(files);
    return GOSSET_OK;
out:
    threads_close_files(files);
    return status;
}

static gosset_status threads_open(gosset__io *io, uint32_t depth) {
    const size_t size = sizeof(threads_io) + depth * sizeof(page_request);
    threads_io *state = gosset__alloc_zero(&io->env, size);
    if (state == NULL) return gosset__no_memory("requests to readers", size);
    pthread_cond_init(&state->progress, NULL);
    state->wanted = UINT32_MAX;
    for (uint32_t i = 0; i < depth; i++) {
        state->requests[i].owner = io;
        state->requests[i].next = state->free;
        state->free = &state->requests[i];
    }
    io->state = state;
    io->held_bytes += size;
    return GOSSET_OK;
}

/** Under the lock. `deadline`: as that of gosset__io. */
static void wait_until_done(threads_files *crew, threads_io *state, uint32_t wanted, uint64_t deadline) {
    const struct timespec time = {.tv_sec = (time_t)(deadline / 1000000000), .tv_nsec = (long)(deadline % 1000000000)};
    int late = 0;
    state->wanted = wanted;
    while (state->done_count < wanted && late == 0) {
        if (deadline > 0)
            late = pthread_cond_clockwait(&state->progress, &crew->lock, CLOCK_MONOTONIC, &time);
        else
            pthread_cond_wait(&state->progress, &crew->lock);
    }
    state->wanted = UINT32_MAX;
}

static void threads_close(gosset__io *io) {
    threads_files *crew = io->files->state;
    threads_io *state = io->state;
    if (gosset__process_same(crew->process)) {
        pthread_mutex_lock(&crew->lock);
        wait_until_done(crew, state, state->done_count + state->in_flight, 0);
        pthread_mutex_unlock(&crew->lock);
        pthread_cond_destroy(&state->progress);
    }
    gosset__free(&io->env, state);
    io->state = NULL;
}

static gosset_status threads_submit(gosset__io *io, const gosset__io_read *reads, uint32_t count) {
    gosset_status status = GOSSET_OK;
    threads_files *crew = io->files->state;
    threads_io *state = io->state;
    GOSSET_TRY(gosset__process_check(crew->process));
    pthread_mutex_lock(&crew->lock);
    status = gosset__io_check_reads(io, reads, count, io->depth - state->in_flight - state->done_count);
    if (status == GOSSET_OK) {
        for (uint32_t i = 0; i < count; i++) {
            page_request *request = state->free;
            state->free = request->next;
            request->read = reads[i];
            push(&crew->waiting, request);
        }
        state->in_flight += count;
        if (count >= crew->idle)
            pthread_cond_broadcast(&crew->work);
        else
            for (uint32_t i = 0; i < count; i++) pthread_cond_signal(&crew->work);
    }
    pthread_mutex_unlock(&crew->lock);
out:
    return status;
}

static gosset_status threads_reap(gosset__io *io, uint32_t minimum, gosset__io_done *done, uint32_t capacity,
                                  uint32_t *count) {
    gosset_status status = GOSSET_OK;
    threads_files *crew = io->files->state;
    threads_io *state = io->state;
    *count = 0;
    GOSSET_TRY(gosset__process_check(crew->process));
    pthread_mutex_lock(&crew->lock);
    const uint32_t accepted = state->in_flight + state->done_count;
    uint32_t wanted = minimum < capacity ? minimum : capacity;
    if (wanted > accepted) wanted = accepted;
    wait_until_done(crew, state, wanted, io->deadline);
    while (*count < capacity && state->done_count > 0) {
        page_request *request = pop(&state->done);
        state->done_count--;
        request->next = state->free;
        state->free = request;
        done[(*count)++] =
            (gosset__io_done){.tag = request->read.tag, .page = request->read.buffer, .error = request->error};
    }
    pthread_mutex_unlock(&crew->lock);
out:
    return status;
}

const gosset__io_ops gosset__io_threads = {
    .name = "threads",
    .open_files = threads_open_files,
    .close_files = threads_close_files,
    .open = threads_open,
    .close = threads_close,
    .submit = threads_submit,
    .reap = threads_reap,
};
