/**
 * Batches through io_uring: one system call starts all reads accepted since the last one and takes in what is done.
 * The only user of liburing.
 *
 * A slot is one read in the kernel's hands; its number is the user_data of the request. At most `depth` slots
 * are busy and the completion queue has at least twice as many entries, so it cannot overflow.
 *
 *     free ── submit ──► busy (a request queued or in flight) ── completion ──► done ── reap ──► free
 *                          ▲                        │ EINTR, EAGAIN, short
 *                          └────────────────────────┘
 *
 * Not used: IOPOLL (its ring opens everywhere and its reads then fail), SQPOLL (it burns a core), and registered
 * ring descriptors: they live in the table of one thread, and a searcher freed by another thread would tear an
 * entry out of the wrong table; they would save some ten nanoseconds a batch.
 */
#include "index/io/backend.h"

#include "base/status.h"
#include "index/io/process.h"
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* Best first. A kernel that does not know a flag answers EINVAL. DEFER_TASKRUN: completions are handled when the
 * searcher asks, not by interrupting it; TASKRUN_FLAG: the ring's memory says whether asking is worth a system call. A
 * single issuer is the thread that enables the ring, so the ring starts disabled and may be made by another thread
 * than the one that searches. */
static const unsigned ring_flags[] = {
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_R_DISABLED,
    IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
    0,
};
enum {
    RUNGS = sizeof ring_flags / sizeof ring_flags[0],
    PATIENCE = 1000, /* attempts at a read or a submission that the kernel asks to repeat */
    PROBE_DEPTH = 64 /* buffers registered by the trial: what a searcher is likely to ask for */
};

typedef struct uring_files {
    int *descriptors;
    gosset__process *process; /* a ring's memory is shared with a forked child: only one of them may use it */
} uring_files;

enum slot_state { SLOT_FREE, SLOT_BUSY, SLOT_DONE };

typedef struct ring_slot {
    gosset__io_read read;
    uint32_t start, end, attempts; /* of the last request for the page; see gosset__io_continue */
    int error;                     /* as in gosset__io_done */
    enum slot_state state;
} ring_slot;

typedef struct uring_io {
    struct io_uring ring;
    bool open, enabled, fixed_files, fixed_buffers;
    bool strange; /* the kernel reported a read that nobody asked for: trust nothing */
    bool lost;    /* reads could not be waited for: the kernel may still write into the buffers */
    uint32_t busy, done_count, free_count;
    uint32_t *free, *done; /* depth slot numbers each */
    ring_slot slots[];     /* depth */
} uring_io;

/* ---- the ring ------------------------------------------------------------------------------- */

static gosset_status refuse(int error) {
    struct rlimit limit = {0};
    char text[128];
    const char *reason = strerror_r(error, text, sizeof text);
    switch (error) {
    case EPERM:
    case EACCES:
        return gosset__fail(GOSSET_E_UNSUPPORTED,
                            "io_uring is forbidden here (seccomp or kernel.io_uring_disabled): %s", reason);
    case ENOSYS:
        return gosset__fail(GOSSET_E_UNSUPPORTED, "io_uring is not in this kernel, or hidden by seccomp: %s", reason);
    case ENOMEM:
        getrlimit(RLIMIT_MEMLOCK, &limit);
        return gosset__fail(GOSSET_E_UNSUPPORTED, "io_uring: %s (locked memory is limited to %llu KiB: ulimit -l)",
                            reason, (unsigned long long)limit.rlim_cur / 1024);
    default:
        return gosset__fail(GOSSET_E_UNSUPPORTED, "io_uring cannot be set up: %s", reason);
    }
}

static void ring_close(uring_io *state) {
    if (state->open) io_uring_queue_exit(&state->ring);
    state->open = false;
}

/** Registration saves the kernel looking up files and pages for every read; without it reads are plain. */
static gosset_status ring_open(gosset__io *io) {
    uring_io *state = io->state;
    const uring_files *shared = io->files->state;
    int error = -EINVAL;
    for (uint32_t rung = 0; rung < RUNGS && error == -EINVAL; rung++) {
        struct io_uring_params parameters = {.flags = ring_flags[rung]};
        error = io_uring_queue_init_params(io->depth, &state->ring, &parameters);
        state->enabled = (ring_flags[rung] & IORING_SETUP_R_DISABLED) == 0;
    }
    if (error != 0) return refuse(-error);
    state->open = true;
    struct iovec slab = {.iov_base = io->buffers, .iov_len = (size_t)io->depth * io->files->page_size};
    state->fixed_buffers = io_uring_register_buffers(&state->ring, &slab, 1) == 0;
    state->fixed_files = io->files->file_count > 0 &&
                         io_uring_register_files(&state->ring, shared->descriptors, io->files->file_count) == 0;
    if (io->event < 0) return GOSSET_OK;
    error = io_uring_register_eventfd(&state->ring, io->event);
    if (error == 0) return GOSSET_OK;
    ring_close(state);
    return refuse(-error);
}

/** The ring as this thread can use it: enabled, and remade after a failure that left requests in it. */
static gosset_status ring_ready(gosset__io *io) {
    gosset_status status = GOSSET_OK;
    uring_io *state = io->state;
    GOSSET_REQUIRE(!state->lost, GOSSET_E_IO, "io_uring: reads in flight were lost: close the searcher");
    if (!state->open) GOSSET_TRY(ring_open(io));
    if (!state->enabled) {
        /* io_uring_enable_rings is declared by liburing 2.3 and missing from its shared library. */
        const int error = io_uring_register((unsigned)state->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
        if (error != 0) GOSSET_TRY(refuse(-error));
        state->enabled = true;
    }
out:
    return status;
}

/* ---- slots ---------------------------------------------------------------------------------- */

/** There is always room: the queue has an entry for every slot. */
static void queue_read(gosset__io *io, uint32_t number) {
    uring_io *state = io->state;
    const uring_files *shared = io->files->state;
    const ring_slot *slot = &state->slots[number];
    const gosset__io_read *read = &slot->read;
    const int file = state->fixed_files ? (int)read->file : shared->descriptors[read->file];
    const uint64_t offset = gosset__io_offset(io->files, read->file, read->page) + slot->start;
    uint8_t *buffer = read->buffer + slot->start;
    const uint32_t size = gosset__io_size(io->files, read) - slot->start;
    struct io_uring_sqe *request = io_uring_get_sqe(&state->ring);
    if (state->fixed_buffers)
        io_uring_prep_read_fixed(request, file, buffer, size, offset, 0);
    else
        io_uring_prep_read(request, file, buffer, size, offset);
    if (state->fixed_files) request->flags |= IOSQE_FIXED_FILE;
    io_uring_sqe_set_data64(request, number);
}

static void release(uring_io *state, uint32_t number) {
    state->slots[number].state = SLOT_FREE;
    state->free[state->free_count++] = number;
}

/** One completion. A read that has to go on keeps its slot and is queued again. */
static void complete(gosset__io *io, uint64_t number, int result) {
    uring_io *state = io->state;
    if (number >= io->depth || state->slots[number].state != SLOT_BUSY) {
        state->strange = true;
        return;
    }
    ring_slot *slot = &state->slots[number];
    bool again = false;
    int error = 0;
    if (result < 0) {
        again = (result == -EINTR || result == -EAGAIN) && slot->attempts++ < PATIENCE;
        error = again ? 0 : -result;
    } else if (!gosset__io_continue(&slot->start, &slot->end, (uint32_t)result)) {
        error = GOSSET__IO_END;
    } else {
        again = slot->end < gosset__io_size(io->files, &slot->read);
    }
    if (again) {
        queue_read(io, (uint32_t)number);
        return;
    }
    state->busy--;
    slot->error = error;
    slot->state = SLOT_DONE;
    state->done[state->done_count++] = (uint32_t)number;
}

static void harvest(gosset__io *io) {
    uring_io *state = io->state;
    struct io_uring_cqe *completion;
    unsigned head, count = 0;
    io_uring_for_each_cqe(&state->ring, head, completion) {
        complete(io, io_uring_cqe_get_data64(completion), completion->res);
        count++;
    }
    io_uring_cq_advance(&state->ring, count);
}

/** Ends everything: what the kernel holds is waited for, what only we hold is dropped. */
static void drain(gosset__io *io) {
    uring_io *state = io->state;
    if (state->open) {
        uint32_t in_flight = state->busy - io_uring_sq_ready(&state->ring);
        struct io_uring_cqe *completion;
        while (in_flight > 0) {
            const int error = io_uring_wait_cqe(&state->ring, &completion);
            if (error == -EINTR || error == -EAGAIN) continue;
            if (error != 0) break; /* EEXIST: only the thread that submitted may wait for its reads */
            io_uring_cqe_seen(&state->ring, completion);
            in_flight--;
        }
        state->lost = in_flight > 0;
        ring_close(state); /* requests may be left in its queue; the next submit makes a new one */
    }
    state->busy = state->done_count = state->free_count = 0;
    for (uint32_t i = 0; i < io->depth; i++) release(state, i);
}

/* ---- submitting and reaping ----------------------------------------------------------------- */

/** The kernel is out of something: let completions free it, or give it time. */
static void back_off(gosset__io *io) {
    uring_io *state = io->state;
    struct io_uring_cqe *completion;
    if (state->busy > io_uring_sq_ready(&state->ring) && io_uring_wait_cqe(&state->ring, &completion) == 0) {
        harvest(io);
    } else {
        const struct timespec moment = {.tv_nsec = 100 * 1000};
        nanosleep(&moment, NULL);
    }
}

/** This thread is not the one that enabled the ring: make one here and queue the new reads again. */
static gosset_status move_ring(gosset__io *io) {
    gosset_status status = GOSSET_OK;
    uring_io *state = io->state;
    GOSSET_REQUIRE(state->busy == io_uring_sq_ready(&state->ring), GOSSET_E_STATE,
                   "a searcher is used by two threads at once");
    ring_close(state);
    GOSSET_TRY(ring_ready(io));
    for (uint32_t i = 0; i < io->depth; i++)
        if (state->slots[i].state == SLOT_BUSY) queue_read(io, i);
out:
    return status;
}

/** Until `wait` requests are done or it is time. Kernels before 5.11 take no time along: they are asked for one that is
 *  done, and then for what there is. */
static int wait_until_deadline(const gosset__io *io, struct io_uring *ring, uint32_t wait) {
    const uint64_t now = gosset__nanoseconds(), left = io->deadline > now ? io->deadline - now : 0;
    struct __kernel_timespec most = {.tv_sec = (long long)(left / 1000000000),
                                     .tv_nsec = (long long)(left % 1000000000)};
    struct io_uring_cqe *first;
    if (left == 0) return io_uring_submit_and_get_events(ring);
    if (ring->features & IORING_FEAT_EXT_ARG) return io_uring_submit_and_wait_timeout(ring, &first, wait, &most, NULL);
    const int result = io_uring_submit(ring);
    struct pollfd done = {.fd = ring->ring_fd, .events = POLLIN};
    const struct timespec time = {.tv_sec = (time_t)most.tv_sec, .tv_nsec = (long)most.tv_nsec};
    if (result >= 0) ppoll(&done, 1, &time, NULL);
    return result;
}

static int ask_kernel(const gosset__io *io, struct io_uring *ring, uint32_t wait) {
    if (wait == 0) return io_uring_submit_and_get_events(ring);
    return io->deadline == 0 ? io_uring_submit_and_wait(ring, wait) : wait_until_deadline(io, ring, wait);
}

/** Hands queued requests to the kernel, lets it handle completions, and waits for `wait` of them. */
static gosset_status enter(gosset__io *io, uint32_t wait) {
    gosset_status status = GOSSET_OK;
    uring_io *state = io->state;
    bool moved = false;
    uint32_t attempts = 0;
    while (true) {
        const int result = ask_kernel(io, &state->ring, wait);
        if ((result >= 0 || result == -ETIME) && io_uring_sq_ready(&state->ring) == 0) break;
        if (result > 0 || result == -EINTR || result == -ETIME) continue;
        if (result == -EEXIST && !moved) {
            GOSSET_TRY(move_ring(io));
            moved = true;
            continue;
        }
        char text[128];
        const bool repeat = result == 0 || result == -EAGAIN || result == -EBUSY || result == -ENOMEM;
        GOSSET_REQUIRE(repeat && attempts++ < PATIENCE, GOSSET_E_IO, "io_uring: reads cannot be submitted: %s",
                       strerror_r(-result, text, sizeof text));
        const uint32_t done_before = state->done_count;
        back_off(io);
        if (state->strange || (wait > 0 && state->done_count > done_before)) break;
    }
out:
    return status;
}

/** Reads wait in the queue for the next reap, so that a batch of several searches needs one system call. */
static gosset_status uring_submit(gosset__io *io, const gosset__io_read *reads, uint32_t count) {
    gosset_status status = GOSSET_OK;
    uring_io *state = io->state;
    const uring_files *shared = io->files->state;
    GOSSET_TRY(gosset__process_check(shared->process));
    GOSSET_TRY(gosset__io_check_reads(io, reads, count, state->free_count));
    GOSSET_TRY(ring_ready(io));
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t number = state->free[--state->free_count];
        state->slots[number] = (ring_slot){.read = reads[i], .state = SLOT_BUSY};
        state->busy++;
        queue_read(io, number);
    }
out:
    return status;
}

static bool is_late(const gosset__io *io) {
    return io->deadline > 0 && gosset__nanoseconds() >= io->deadline;
}

/** Until `wanted` reads are done, or it is too late, and none waits in the queue. No system call when there is nothing
 * to ask for. */
static gosset_status wait_for(gosset__io *io, uint32_t wanted) {
    gosset_status status = GOSSET_OK;
    uring_io *state = io->state;
    if (state->busy == 0) return GOSSET_OK;
    harvest(io);
    const unsigned flags = IO_URING_READ_ONCE(*state->ring.sq.kflags);
    bool asks = (flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
    while (!state->strange && (asks || state->done_count < wanted || io_uring_sq_ready(&state->ring) > 0)) {
        GOSSET_TRY(enter(io, wanted > state->done_count ? wanted - state->done_count : 0));
        harvest(io);
        asks = false;
        if (wanted > state->done_count && is_late(io)) wanted = state->done_count;
    }
    GOSSET_REQUIRE(!state->strange, GOSSET_E_IO, "io_uring reported a read that was not asked for");
out:
    return status;
}

static gosset_status uring_reap(gosset__io *io, uint32_t minimum, gosset__io_done *done, uint32_t capacity,
                                uint32_t *count) {
    gosset_status status = GOSSET_OK;
    uring_io *state = io->state;
    const uring_files *shared = io->files->state;
    *count = 0;
    GOSSET_TRY(gosset__process_check(shared->process));
    const uint32_t accepted = state->busy + state->done_count;
    uint32_t wanted = minimum < capacity ? minimum : capacity;
    if (wanted > accepted) wanted = accepted;
    status = wait_for(io, wanted);
    if (status != GOSSET_OK) {
        drain(io);
        state->strange = false;
        return status;
    }
    while (*count < capacity && state->done_count > 0) {
        const uint32_t number = state->done[--state->done_count];
        const ring_slot *slot = &state->slots[number];
        done[(*count)++] = (gosset__io_done){.tag = slot->read.tag, .page = slot->read.buffer, .error = slot->error};
        release(state, number);
    }
out:
    return status;
}

/* ---- opening and closing -------------------------------------------------------------------- */

static gosset_status uring_open(gosset__io *io, uint32_t depth) {
    gosset_status status = GOSSET_OK;
    const uring_files *shared = io->files->state;
    const size_t size = sizeof(uring_io) + depth * (sizeof(ring_slot) + 2 * sizeof(uint32_t));
    uring_io *state = gosset__alloc_zero(&io->env, size);
    if (state == NULL) return gosset__no_memory("requests of a ring", size);
    state->free = (uint32_t *)(state->slots + depth);
    state->done = state->free + depth;
    for (uint32_t i = 0; i < depth; i++) release(state, depth - 1 - i);
    io->state = state;
    io->held_bytes += size;
    GOSSET_TRY(gosset__process_check(shared->process));
    GOSSET_TRY(ring_open(io));
    if (!state->fixed_buffers)
        gosset__log(&io->env, GOSSET_LOG_INFO, "io_uring: page buffers not registered (locked memory): plain reads");
    return GOSSET_OK;
out:
    gosset__free(&io->env, state);
    io->state = NULL;
    return status;
}

static void uring_close(gosset__io *io) {
    uring_io *state = io->state;
    const uring_files *shared = io->files->state;
    if (state->busy > 0 && gosset__process_same(shared->process)) drain(io);
    ring_close(state);
    if (state->lost) io->buffers = NULL; /* rather leaked than written to when they are somebody else's */
    gosset__free(&io->env, state);
    io->state = NULL;
}

static void uring_close_files(gosset__io_files *files) {
    uring_files *shared = files->state;
    if (shared == NULL) return;
    gosset__io_descriptors_close(files, shared->descriptors);
    gosset__process_free(shared->process, &files->env);
    gosset__free(&files->env, shared);
    files->state = NULL;
}

/** A ring can open and its reads still fail, so the trial is a read. */
static gosset_status try_read(gosset__io_files *files) {
    gosset_status status = GOSSET_OK;
    gosset__io *io = NULL;
    gosset__io_done done = {.error = 0};
    uint32_t count = 0, file = 0;
    GOSSET_TRY(gosset__io_open(&io, files, PROBE_DEPTH, -1, &files->env));
    const uring_io *state = io->state;
    while (file < files->file_count && files->files[file].page_count == 0) file++;
    const gosset__io_read read = {.file = file, .buffer = io->buffers, .tag = 1};
    GOSSET_TRY(uring_submit(io, &read, file < files->file_count));
    status = uring_reap(io, 1, &done, 1, &count);
    if (status == GOSSET_OK && done.error != 0) status = gosset__io_fail_read(files, file, 0, done.error);
    if (status == GOSSET_E_IO) { /* pread has just read the same page: it is io_uring that cannot */
        char sentence[512];
        snprintf(sentence, sizeof sentence, "%s", gosset_last_error());
        status = gosset__fail(GOSSET_E_UNSUPPORTED, "io_uring: the trial read failed: %s", sentence);
    }
    if (status == GOSSET_OK && !state->fixed_buffers) {
        struct rlimit limit = {0};
        getrlimit(RLIMIT_MEMLOCK, &limit);
        gosset__io_note(files, "uring: page buffers not registered (ulimit -l is %llu KiB): plain reads",
                        (unsigned long long)limit.rlim_cur / 1024);
    }
out:
    gosset__io_close(io);
    return status;
}

static gosset_status uring_open_files(gosset__io_files *files) {
    gosset_status status = GOSSET_OK;
    uring_files *shared = gosset__alloc_zero(&files->env, sizeof *shared);
    if (shared == NULL) return gosset__no_memory("open files", sizeof *shared);
    files->state = shared;
    GOSSET_TRY(gosset__process_mark(&shared->process, &files->env));
    GOSSET_TRY(gosset__io_descriptors_open(files, &shared->descriptors));
    GOSSET_TRY(try_read(files));
    files->held_bytes += sizeof *shared + gosset__process_held() + gosset__io_descriptors_held(files);
    return GOSSET_OK;
out:
    uring_close_files(files);
    return status;
}

const gosset__io_ops gosset__io_uring = {
    .name = "uring",
    .open_files = uring_open_files,
    .close_files = uring_close_files,
    .open = uring_open,
    .close = uring_close,
    .submit = uring_submit,
    .reap = uring_reap,
};
