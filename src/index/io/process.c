/* A page that the kernel wipes in a forked child. Where it will not (memory of a caller's allocator may be of any
 * kind), the process number is asked for, which is a system call. */
#include "index/io/process.h"

#include "base/status.h"
#include <sys/mman.h>
#include <unistd.h>

enum { ALIVE = 1 };

struct gosset__process {
    volatile int alive; /* ALIVE, or wiped */
    bool wiped_by_fork;
    pid_t number;
};

static size_t page_size(void) {
    const long size = sysconf(_SC_PAGESIZE);
    return size > 0 ? (size_t)size : 4096;
}

gosset_status gosset__process_mark(gosset__process **out, const gosset__env *env) {
    gosset__process *self = gosset__alloc_aligned(env, page_size(), page_size());
    *out = self;
    if (self == NULL) return gosset__no_memory("the mark of a process", page_size());
    *self = (gosset__process){.alive = ALIVE, .number = getpid()};
    self->wiped_by_fork = madvise(self, page_size(), MADV_WIPEONFORK) == 0;
    return GOSSET_OK;
}

size_t gosset__process_held(void) {
    return page_size();
}

/* In a wiped child `wiped_by_fork` is gone too, and so is `number`: it differs from any process's. */
bool gosset__process_same(const gosset__process *process) {
    return process->alive == ALIVE && (process->wiped_by_fork || process->number == getpid());
}

gosset_status gosset__process_check(const gosset__process *process) {
    if (gosset__process_same(process)) return GOSSET_OK;
    return gosset__fail(GOSSET_E_STATE, "the index was opened before a fork: open it again in the child process");
}

void gosset__process_free(gosset__process *process, const gosset__env *env) {
    if (process == NULL) return;
    madvise(process, page_size(), MADV_KEEPONFORK); /* the allocator's next owner of the page wants it kept */
    gosset__free(env, process);
}
