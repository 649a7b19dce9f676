/* The contract of a backend, run over every one of the registry. */
#include "base/rng.h"
#include "base/status.h"
#include "index/io/backend.h"
#include "search_suites.h"
#include "support/support.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FILES = 4, DEPTH = 32, OFFSET = 8192 };
static const uint64_t page_counts[FILES] = {5, 1, 0, 200};

static char directory[TEMP_PATH_SIZE];
static gosset__io_file shards[FILES];
static gosset__env env;

static void fill_page(uint8_t *page, uint32_t page_size, uint32_t file, uint64_t number) {
    gosset__rng rng = gosset__rng_make(file, number);
    for (uint32_t i = 0; i < page_size; i += 8) {
        const uint64_t value = gosset__rng_next(&rng);
        memcpy(page + i, &value, 8);
    }
}

static void write_shards(uint32_t page_size, uint64_t offset) {
    uint8_t *page = malloc(page_size);
    for (uint32_t f = 0; f < FILES; f++) {
        char name[32];
        snprintf(name, sizeof name, "shard-%u", f);
        snprintf(shards[f].path, sizeof shards[f].path, "%s", temp_path(directory, name));
        shards[f].pages_offset = offset;
        shards[f].page_count = page_counts[f];
        const int descriptor = open(shards[f].path, O_RDWR | O_CREAT | O_TRUNC, 0600);
        ck_assert_int_ge(descriptor, 0);
        ck_assert_int_eq(ftruncate(descriptor, (off_t)offset), 0);
        for (uint64_t p = 0; p < page_counts[f]; p++) {
            fill_page(page, page_size, f, p);
            ck_assert_int_eq(pwrite(descriptor, page, page_size, (off_t)(offset + p * page_size)), page_size);
        }
        close(descriptor);
    }
    free(page);
}

static void set_up(void) {
    env = default_env(1);
    temp_directory(directory);
    write_shards(4096, OFFSET);
}

static void tear_down(void) {
    temp_remove(directory);
}

/** NULL when this machine refuses io_uring: the case is then not run, and the program reports a skip. */
static gosset__io_files *open_backend(int index, uint32_t page_size) {
    gosset__io_files *files = NULL;
    const char *name = gosset__io_registry[index]->name;
    if (strcmp(name, "uring") == 0 && !uring_works()) return NULL;
    const gosset_status status = gosset__io_files_open(&files, name, shards, FILES, page_size, &env);
    ck_assert_msg(status == GOSSET_OK, "%s: %s", name, gosset_last_error());
    ck_assert_str_eq(files->ops->name, name);
    return files;
}

int uring_works(void) {
    gosset__io_files *files = NULL;
    gosset__env surroundings;
    gosset_status status = gosset__env_read(&surroundings, NULL);
    if (status == GOSSET_OK) status = gosset__io_files_open(&files, "uring", NULL, 0, 4096, &surroundings);
    gosset__io_files_close(files);
    return status == GOSSET_OK;
}

static void assert_page(const gosset__io_files *files, const gosset__io_read *read, const gosset__io_done *done) {
    uint8_t expected[16384];
    fill_page(expected, files->page_size, read->file, read->page);
    ck_assert_uint_eq(done->tag, read->tag);
    ck_assert_int_eq(done->error, 0);
    ck_assert_msg(memcmp(expected, done->page, files->page_size) == 0, "file %u page %llu differs", read->file,
                  (unsigned long long)read->page);
}

/* One batch of random pages into random buffers, started in pieces and reaped in pieces. */
static void random_batch(gosset__io *io, gosset__rng *rng) {
    gosset__io_read reads[DEPTH];
    uint32_t order[DEPTH];
    uint8_t seen[DEPTH] = {0};
    const uint32_t page_size = io->files->page_size, count = 1 + (uint32_t)gosset__rng_below(rng, DEPTH);
    for (uint32_t i = 0; i < DEPTH; i++) order[i] = i;
    gosset__rng_shuffle(rng, order, DEPTH);
    for (uint32_t i = 0; i < count; i++) {
        static const uint32_t with_pages[3] = {0, 1, 3};
        const uint32_t file = with_pages[gosset__rng_below(rng, 3)];
        reads[i] = (gosset__io_read){.file = file,
                                     .page = gosset__rng_below(rng, page_counts[file]),
                                     .buffer = io->buffers + (size_t)order[i] * page_size,
                                     .tag = 1000 + i};
        memset(reads[i].buffer, 0xAA, page_size);
    }
    const uint32_t cut = (uint32_t)gosset__rng_below(rng, count + 1);
    ck_assert_int_eq(io->ops->submit(io, reads, cut), GOSSET_OK);
    ck_assert_int_eq(io->ops->submit(io, reads + cut, count - cut), GOSSET_OK);
    for (uint32_t done = 0; done < count;) {
        gosset__io_done reaped[DEPTH];
        uint32_t found = UINT32_MAX;
        const uint32_t minimum = 1 + (uint32_t)gosset__rng_below(rng, count - done);
        const uint32_t capacity = minimum + (uint32_t)gosset__rng_below(rng, 4);
        const bool patient = gosset__rng_below(rng, 3) > 0; /* else it may be too late before any read is done */
        io->deadline = patient ? 0 : gosset__nanoseconds() + gosset__rng_below(rng, 100000);
        ck_assert_int_eq(io->ops->reap(io, minimum, reaped, capacity < DEPTH ? capacity : DEPTH, &found), GOSSET_OK);
        io->deadline = 0;
        if (patient) ck_assert_uint_ge(found, minimum);
        for (uint32_t i = 0; i < found; i++) {
            const uint64_t tag = reaped[i].tag;
            ck_assert(tag >= 1000 && tag < 1000 + count);
            ck_assert_uint_eq(seen[tag - 1000]++, 0);
            assert_page(io->files, &reads[tag - 1000], &reaped[i]);
        }
        done += found;
    }
}

static void exercise(gosset__io_files *files, uint64_t seed, int rounds) {
    gosset__io *io = NULL;
    gosset__rng rng = gosset__rng_make(seed, 7);
    ck_assert_int_eq(gosset__io_open(&io, files, DEPTH, -1, &env), GOSSET_OK);
    for (int i = 0; i < rounds; i++) random_batch(io, &rng);
    gosset__io_done done;
    uint32_t found = 1;
    ck_assert_int_eq(io->ops->reap(io, 1, &done, 1, &found), GOSSET_OK); /* nothing is in flight: no waiting */
    ck_assert_uint_eq(found, 0);
    gosset__io_close(io);
}

START_TEST(reads_give_the_pages_asked_for) {
    for (uint32_t page_size = 4096; page_size <= 12288; page_size += 8192) {
        write_shards(page_size, OFFSET);
        gosset__io_files *files = open_backend(_i, page_size);
        if (files == NULL) return;
        exercise(files, page_size, 60);
        gosset__io_files_close(files);
    }
}
END_TEST

/* Pages that follow each other, read at once into buffers that do. */
START_TEST(one_read_gives_many_pages) {
    enum { PAGES = 5, ROOM = 12 };
    gosset__io_files *files = open_backend(_i, 4096);
    gosset__io *io = NULL;
    if (files == NULL) return;
    ck_assert_int_eq(gosset__io_open(&io, files, ROOM, -1, &env), GOSSET_OK);
    gosset__io_done done[2];
    uint32_t found;
    const gosset__io_read reads[2] = {{.file = 3, .page = 195, .more = PAGES - 1, .buffer = io->buffers, .tag = 0},
                                      {.file = 0, .page = 1, .more = 1, .buffer = io->buffers + 6 * 4096, .tag = 1}};
    ck_assert_int_eq(io->ops->submit(io, reads, 2), GOSSET_OK);
    ck_assert_int_eq(io->ops->reap(io, 2, done, 2, &found), GOSSET_OK);
    ck_assert_uint_eq(found, 2);
    for (uint32_t i = 0; i < found; i++)
        for (uint32_t p = 0; p <= reads[done[i].tag].more; p++) {
            gosset__io_read one = reads[done[i].tag];
            one.page += p;
            assert_page(files, &one, &(gosset__io_done){.tag = one.tag, .page = done[i].page + 4096 * p});
        }
    gosset__io_read bad = reads[0];
    bad.more = PAGES; /* beyond the file */
    ck_assert_int_eq(io->ops->submit(io, &bad, 1), GOSSET_E_ARGUMENT);
    bad = reads[0], bad.buffer = io->buffers + 8 * 4096; /* beyond the buffers */
    ck_assert_int_eq(io->ops->submit(io, &bad, 1), GOSSET_E_ARGUMENT);
    bad = reads[0], bad.page = 0, bad.more = ROOM;
    ck_assert_int_eq(io->ops->submit(io, &bad, 1), GOSSET_E_ARGUMENT);
    bad.more = UINT32_MAX;
    ck_assert_int_eq(io->ops->submit(io, &bad, 1), GOSSET_E_ARGUMENT);
    gosset__io_close(io);
    gosset__io_files_close(files);
}
END_TEST

START_TEST(impossible_requests_are_refused_whole) {
    gosset__io_files *files = open_backend(_i, 4096);
    gosset__io *io = NULL;
    if (files == NULL) return;
    ck_assert_int_eq(gosset__io_open(&io, files, 0, -1, &env), GOSSET_E_ARGUMENT);
    ck_assert_ptr_null(io);
    ck_assert_int_eq(gosset__io_open(&io, files, 4, -1, &env), GOSSET_OK);
    const gosset__io_read good = {.file = 3, .page = 199, .buffer = io->buffers, .tag = 5};
    gosset__io_read reads[5] = {good, good, good, good, good};
    ck_assert_int_eq(io->ops->submit(io, reads, 5), GOSSET_E_ARGUMENT); /* deeper than the ring */
    reads[1].page = 200;
    ck_assert_int_eq(io->ops->submit(io, reads, 2), GOSSET_E_ARGUMENT);
    reads[1] = good, reads[1].file = FILES;
    ck_assert_int_eq(io->ops->submit(io, reads, 2), GOSSET_E_ARGUMENT);
    reads[1] = good, reads[1].file = 2; /* a file without pages */
    ck_assert_int_eq(io->ops->submit(io, reads, 2), GOSSET_E_ARGUMENT);
    reads[1] = good, reads[1].buffer = io->buffers + 4 * 4096;
    ck_assert_int_eq(io->ops->submit(io, reads, 2), GOSSET_E_ARGUMENT);
    reads[1] = good, reads[1].buffer = io->buffers + 8;
    ck_assert_int_eq(io->ops->submit(io, reads, 2), GOSSET_E_ARGUMENT);
    gosset__io_done done[5];
    uint32_t found;
    ck_assert_int_eq(io->ops->reap(io, 1, done, 5, &found), GOSSET_OK);
    ck_assert_uint_eq(found, 0); /* none of the refused batches was started in part */
    ck_assert_int_eq(io->ops->submit(io, &good, 1), GOSSET_OK);
    ck_assert_int_eq(io->ops->reap(io, 1, done, 5, &found), GOSSET_OK);
    ck_assert_uint_eq(found, 1);
    assert_page(files, &good, done);
    gosset__io_close(io);
    gosset__io_files_close(files);
}
END_TEST

START_TEST(short_and_missing_files_are_refused_at_opening) {
    gosset__io_files *files = NULL;
    const char *name = gosset__io_registry[_i]->name;
    if (strcmp(name, "uring") == 0 && !uring_works()) return;
    shards[3].page_count = 201;
    ck_assert_int_eq(gosset__io_files_open(&files, name, shards, FILES, 4096, &env), GOSSET_E_CORRUPT);
    ck_assert_ptr_null(files);
    ck_assert_ptr_nonnull(strstr(gosset_last_error(), shards[3].path));
    ck_assert_ptr_nonnull(strstr(gosset_last_error(), "shorter than expected"));
    shards[3].page_count = UINT64_MAX / 2;
    ck_assert_int_eq(gosset__io_files_open(&files, name, shards, FILES, 4096, &env), GOSSET_E_CORRUPT);
    shards[3].page_count = 200;
    ck_assert_int_eq(unlink(shards[1].path), 0);
    ck_assert_int_eq(gosset__io_files_open(&files, name, shards, FILES, 4096, &env), GOSSET_E_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(gosset_last_error(), shards[1].path));
    ck_assert_int_eq(gosset__io_files_open(&files, "auto", shards, FILES, 4096, &env), GOSSET_E_NOT_FOUND);
}
END_TEST

START_TEST(a_read_beyond_a_shrunken_file_fails_alone) {
    gosset__io_files *files = open_backend(_i, 4096);
    gosset__io *io = NULL;
    if (files == NULL) return;
    const int in_memory = strcmp(files->ops->name, "memory") == 0;
    ck_assert_int_eq(gosset__io_open(&io, files, DEPTH, -1, &env), GOSSET_OK);
    /* Inside a page, at the start of one, and in the middle of a sector. */
    static const off_t cuts[3] = {OFFSET + 150 * 4096 + 1536, OFFSET + 150 * 4096, OFFSET + 100 * 4096 + 77};
    for (int cut = 0; cut < 3; cut++) {
        gosset__io_read reads[DEPTH];
        gosset__io_done done[DEPTH];
        uint32_t found = 0, failures = 0;
        ck_assert_int_eq(truncate(shards[3].path, cuts[cut]), 0);
        for (uint32_t i = 0; i < DEPTH; i++)
            reads[i] =
                (gosset__io_read){.file = 3, .page = i == 9 ? 150 : i, .buffer = io->buffers + i * 4096u, .tag = i};
        ck_assert_int_eq(io->ops->submit(io, reads, DEPTH), GOSSET_OK);
        ck_assert_int_eq(io->ops->reap(io, DEPTH, done, DEPTH, &found), GOSSET_OK);
        ck_assert_uint_eq(found, DEPTH);
        for (uint32_t i = 0; i < DEPTH; i++) {
            if (done[i].tag != 9 || in_memory) {
                assert_page(files, &reads[done[i].tag], &done[i]);
                continue;
            }
            failures++;
            ck_assert_int_eq(gosset__io_fail_read(files, 3, 150, done[i].error), GOSSET_E_CORRUPT);
            ck_assert_ptr_nonnull(strstr(gosset_last_error(), shards[3].path));
            ck_assert_ptr_nonnull(strstr(gosset_last_error(), "page 150 at byte 622592: file shorter than expected"));
        }
        ck_assert_uint_eq(failures, !in_memory);
    }
    gosset__io_close(io);
    gosset__io_files_close(files);
}
END_TEST

static bool readable(int descriptor, int milliseconds) {
    struct pollfd wanted = {.fd = descriptor, .events = POLLIN};
    return poll(&wanted, 1, milliseconds) == 1;
}

/* Who waits for the event and reaps until nothing is done misses no read. What is done when submit and the reap that
 * starts it return need not be signalled. */
START_TEST(the_event_tells_of_reads_that_are_done) {
    gosset__io_files *files = open_backend(_i, 4096);
    gosset__io *io = NULL;
    if (files == NULL) return;
    const int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    ck_assert_int_eq(gosset__io_open(&io, files, DEPTH, event, &env), GOSSET_OK);
    ck_assert(!readable(event, 0));
    for (uint32_t round = 0; round < 50; round++) {
        gosset__io_done done[DEPTH];
        gosset__io_read reads[DEPTH];
        const uint32_t count = 1 + round % DEPTH;
        uint32_t seen = 0, found = 0;
        eventfd_t value;
        for (uint32_t i = 0; i < count; i++)
            reads[i] = (gosset__io_read){
                .file = 3, .page = (round * 37 + i) % 200, .buffer = io->buffers + i * 4096u, .tag = i};
        ck_assert_int_eq(io->ops->submit(io, reads, count), GOSSET_OK);
        ck_assert_int_eq(io->ops->reap(io, 0, done, DEPTH, &seen), GOSSET_OK);
        while (seen < count) {
            ck_assert_msg(readable(event, 5000), "round %u: %u of %u reads and no event", round, seen, count);
            eventfd_read(event, &value);
            do {
                ck_assert_int_eq(io->ops->reap(io, 0, done, DEPTH, &found), GOSSET_OK);
                for (uint32_t i = 0; i < found; i++) assert_page(files, &reads[done[i].tag], &done[i]);
                seen += found;
            } while (found > 0);
        }
    }
    gosset__io_close(io);
    close(event);
    gosset__io_files_close(files);
}
END_TEST

/* Too late, a reap returns with what there is, and the next one has the rest; long before, it waits for all. */
START_TEST(deadlines_lose_no_read) {
    enum { READS = 6, ROUNDS = 40 };
    const uint64_t minute = 60 * UINT64_C(1000000000);
    gosset__io_files *files = open_backend(_i, 4096);
    gosset__io *io = NULL;
    if (files == NULL) return;
    ck_assert_int_eq(gosset__io_open(&io, files, READS, -1, &env), GOSSET_OK);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        gosset__io_read reads[READS];
        gosset__io_done done[READS];
        uint32_t early = 0, found = 0, seen = 0;
        for (uint32_t i = 0; i < READS; i++)
            reads[i] = (gosset__io_read){.file = 3, .page = round + i, .buffer = io->buffers + i * 4096u, .tag = i};
        ck_assert_int_eq(io->ops->submit(io, reads, READS), GOSSET_OK);
        if (round % 4 < 3) { /* else all of it has to be waited for */
            io->deadline = round % 2 ? 1 : gosset__nanoseconds() - 1;
            ck_assert_int_eq(io->ops->reap(io, READS, done, READS, &early), GOSSET_OK);
        }
        io->deadline = round % 2 ? gosset__nanoseconds() + minute : 0;
        ck_assert_int_eq(io->ops->reap(io, READS - early, done + early, READS - early, &found), GOSSET_OK);
        ck_assert_uint_eq(early + found, READS);
        for (uint32_t i = 0; i < READS; i++) {
            assert_page(files, &reads[done[i].tag], &done[i]);
            seen |= 1u << done[i].tag;
        }
        ck_assert_uint_eq(seen, (1u << READS) - 1);
    }
    gosset__io_close(io);
    gosset__io_files_close(files);
}
END_TEST

START_TEST(deleted_files_stay_readable) {
    gosset__io_files *files = open_backend(_i, 4096);
    if (files == NULL) return;
    for (uint32_t f = 0; f < FILES; f++) ck_assert_int_eq(unlink(shards[f].path), 0);
    exercise(files, 3, 5);
    gosset__io_files_close(files);
}
END_TEST

/* Pages at an odd offset are what O_DIRECT refuses on every filesystem. */
START_TEST(without_direct_reads_the_page_cache_serves) {
    write_shards(4096, 100);
    gosset__io_files *files = open_backend(_i, 4096);
    if (files == NULL) return;
    exercise(files, 4, 20);
    if (strcmp(files->ops->name, "memory") != 0) ck_assert_ptr_nonnull(strstr(files->reason, "no O_DIRECT"));
    gosset__io_files_close(files);
}
END_TEST

START_TEST(files_in_shared_memory_can_be_read) {
    temp_remove(directory);
    snprintf(directory, sizeof directory, "/dev/shm/gosset-test-XXXXXX");
    if (mkdtemp(directory) == NULL) return; /* no such filesystem here: the case above covers the fallback */
    write_shards(4096, OFFSET);
    gosset__io_files *files = open_backend(_i, 4096);
    if (files == NULL) return;
    exercise(files, 5, 20);
    gosset__io_files_close(files);
}
END_TEST

START_TEST(an_index_without_pages_opens) {
    gosset__io_files *files = NULL;
    gosset__io *io = NULL;
    const char *name = gosset__io_registry[_i]->name;
    if (strcmp(name, "uring") == 0 && !uring_works()) return;
    ck_assert_int_eq(gosset__io_files_open(&files, name, NULL, 0, 4096, &env), GOSSET_OK);
    ck_assert_int_eq(gosset__io_open(&io, files, 8, -1, &env), GOSSET_OK);
    ck_assert_int_eq(io->ops->submit(io, NULL, 0), GOSSET_OK);
    gosset__io_close(io);
    gosset__io_files_close(files);
    ck_assert_int_eq(gosset__io_files_open(&files, name, shards + 2, 1, 4096, &env), GOSSET_OK);
    gosset__io_files_close(files);
}
END_TEST

/* Memory given back is kept and painted: a read that is still in flight would leave its page on the paint. */
enum { KEPT = 256, PAINT = 0xC3 };
static struct {
    uint8_t *memory;
    size_t size;
} kept[KEPT];
static size_t kept_count;

static void *keeping_allocate(void *context, size_t size, size_t alignment) {
    (void)context;
    ck_assert_uint_lt(kept_count, KEPT);
    const size_t rounded = (size + alignment - 1) / alignment * alignment;
    kept[kept_count].memory = aligned_alloc(alignment, rounded);
    kept[kept_count].size = rounded;
    return kept[kept_count++].memory;
}

static void keeping_release(void *context, void *memory) {
    (void)context;
    for (size_t i = 0; i < kept_count; i++)
        if (kept[i].memory == memory) memset(memory, PAINT, kept[i].size);
}

START_TEST(closing_waits_for_reads_in_flight) {
    gosset__env keeping;
    const gosset_env surroundings = {.struct_size = sizeof surroundings,
                                     .allocator = {keeping_allocate, keeping_release, NULL}};
    ck_assert_int_eq(gosset__env_read(&keeping, &surroundings), GOSSET_OK);
    gosset__io_files *files = open_backend(_i, 4096);
    if (files == NULL) return;
    for (int round = 0; round < 20; round++) {
        gosset__io *io = NULL;
        gosset__io_read reads[DEPTH];
        ck_assert_int_eq(gosset__io_open(&io, files, DEPTH, -1, &keeping), GOSSET_OK);
        for (uint32_t i = 0; i < DEPTH; i++)
            reads[i] = (gosset__io_read){.file = 3, .page = i, .buffer = io->buffers + i * 4096u, .tag = i};
        ck_assert_int_eq(io->ops->submit(io, reads, DEPTH), GOSSET_OK);
        gosset__io_close(io);
    }
    usleep(20000);
    size_t checked = 0, spoilt = 0;
    for (size_t i = 0; i < kept_count; i++)
        for (size_t at = 0; at < kept[i].size; at++, checked++) spoilt += kept[i].memory[at] != PAINT;
    ck_assert_uint_gt(checked, 20 * DEPTH * 4096);
    ck_assert_uint_eq(spoilt, 0);
    for (size_t i = 0; i < kept_count; i++) free(kept[i].memory);
    gosset__io_files_close(files);
}
END_TEST

static void *use_reader(void *argument) {
    gosset__io *io = argument;
    gosset__rng rng = gosset__rng_make(11, 11);
    for (int i = 0; i < 5; i++) random_batch(io, &rng);
    return NULL;
}

START_TEST(a_reader_may_move_between_threads) {
    gosset__io_files *files = open_backend(_i, 4096);
    gosset__io *io = NULL;
    pthread_t thread;
    if (files == NULL) return;
    ck_assert_int_eq(gosset__io_open(&io, files, DEPTH, -1, &env), GOSSET_OK);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(pthread_create(&thread, NULL, use_reader, io), 0);
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
        use_reader(io);
    }
    gosset__io_close(io);
    gosset__io_files_close(files);
}
END_TEST

static void *use_files(void *argument) {
    exercise(argument, (uint64_t)(uintptr_t)&argument, 30);
    return NULL;
}

START_TEST(readers_on_four_threads_share_the_files) {
    gosset__io_files *files = open_backend(_i, 4096);
    pthread_t threads[4];
    if (files == NULL) return;
    for (int i = 0; i < 4; i++) ck_assert_int_eq(pthread_create(&threads[i], NULL, use_files, files), 0);
    for (int i = 0; i < 4; i++) ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    gosset__io_files_close(files);
}
END_TEST

START_TEST(a_forked_child_is_told_to_open_again) {
    gosset__io_files *files = open_backend(_i, 4096);
    gosset__io *io = NULL;
    if (files == NULL) return;
    ck_assert_int_eq(gosset__io_open(&io, files, DEPTH, -1, &env), GOSSET_OK);
    gosset__rng rng = gosset__rng_make(2, 2);
    random_batch(io, &rng);
    const int in_memory = strcmp(files->ops->name, "memory") == 0;
    const pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        const gosset__io_read read = {.file = 0, .page = 0, .buffer = io->buffers, .tag = 1};
        const gosset_status status = io->ops->submit(io, &read, 1);
        gosset__io_close(io);
        gosset__io_files_close(files);
        _exit(status == (in_memory ? GOSSET_OK : GOSSET_E_STATE) ? 0 : 1);
    }
    int result = -1;
    ck_assert_int_eq(waitpid(child, &result, 0), child);
    ck_assert_int_eq(result, 0);
    random_batch(io, &rng); /* the parent's reader is unharmed */
    gosset__io_close(io);
    gosset__io_files_close(files);
}
END_TEST

/** Gives up the right to lock memory beyond the limit, and sets the limit to nothing: as in a strict container. */
static int forbid_locked_memory(void) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct rights[_LINUX_CAPABILITY_U32S_3];
    const struct rlimit none = {0, 0};
    if (syscall(SYS_capget, &header, rights) != 0) return 0;
    rights[0].effective &= ~(1u << CAP_IPC_LOCK);
    return syscall(SYS_capset, &header, rights) == 0 && setrlimit(RLIMIT_MEMLOCK, &none) == 0;
}

/** In a child. 0 when reads are plain then, and right. */
static int read_without_locked_memory(void) {
    gosset__io_files *files = NULL;
    gosset__io *io = NULL;
    gosset__rng rng = gosset__rng_make(6, 6);
    if (!forbid_locked_memory()) return 1;
    const gosset_status status = gosset__io_files_open(&files, "uring", shards, FILES, 4096, &env);
    if (status == GOSSET_E_UNSUPPORTED) return strstr(gosset_last_error(), "locked memory") != NULL ? 0 : 2;
    if (status != GOSSET_OK) return 3;
    if (strstr(files->reason, "page buffers not registered (ulimit -l is 0 KiB)") == NULL) return 4;
    if (gosset__io_open(&io, files, DEPTH, -1, &env) != GOSSET_OK) return 5;
    for (int i = 0; i < 10; i++) random_batch(io, &rng);
    gosset__io_close(io);
    gosset__io_files_close(files);
    return 0;
}

START_TEST(without_locked_memory_reads_are_plain) {
    if (!uring_works()) return;
    const pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) _exit(read_without_locked_memory());
    int result = -1;
    ck_assert_int_eq(waitpid(child, &result, 0), child);
    ck_assert_msg(WIFEXITED(result) && WEXITSTATUS(result) == 0, "step %d", WEXITSTATUS(result));
}
END_TEST

START_TEST(every_allocation_may_fail) {
    const char *name = gosset__io_registry[_i]->name;
    if (strcmp(name, "uring") == 0 && !uring_works()) return;
    for (size_t n = 1; n < 100; n++) {
        counting_allocator memory;
        gosset__env failing;
        gosset_env surroundings = counting_env(&memory, n);
        gosset__io_files *files = NULL;
        gosset__io *io = NULL;
        ck_assert_int_eq(gosset__env_read(&failing, &surroundings), GOSSET_OK);
        gosset_status status = gosset__io_files_open(&files, name, shards, FILES, 4096, &failing);
        if (status == GOSSET_OK) status = gosset__io_open(&io, files, DEPTH, -1, &failing);
        gosset__io_close(io);
        gosset__io_files_close(files);
        ck_assert_uint_eq(counting_held(&memory), 0);
        if (status == GOSSET_OK) return;
        ck_assert_int_eq(status, GOSSET_E_NO_MEMORY);
    }
    ck_abort_msg("opening never went through");
}
END_TEST

START_TEST(names_choose_the_backend) {
    gosset__io_files *files = NULL;
    ck_assert_int_eq(gosset__io_files_open(&files, "tape", shards, FILES, 4096, &env), GOSSET_E_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(gosset_last_error(), "tape"));
    ck_assert_int_eq(gosset__io_files_open(&files, NULL, shards, FILES, 1000, &env), GOSSET_E_ARGUMENT);
    ck_assert_int_eq(gosset__io_files_open(&files, NULL, shards, FILES, 4096, &env), GOSSET_OK);
    ck_assert_str_eq(files->ops->name, uring_works() ? "uring" : "threads");
    if (uring_works()) ck_assert_ptr_null(strstr(files->reason, "refused"));
    gosset__io_files_close(files);
}
END_TEST

START_TEST(short_reads_go_on_where_they_may) {
    uint32_t start = 0, end = 0;
    ck_assert(gosset__io_continue(&start, &end, 4096));
    ck_assert_uint_eq(end, 4096);
    start = end = 0;
    ck_assert(gosset__io_continue(&start, &end, 5000)); /* goes on at the last boundary, not in a sector */
    ck_assert_uint_eq(start, 4096);
    ck_assert(gosset__io_continue(&start, &end, 4096));
    ck_assert_uint_eq(end, 8192);
    start = end = 0;
    ck_assert(!gosset__io_continue(&start, &end, 0));
    ck_assert(gosset__io_continue(&start, &end, 1808));
    ck_assert_uint_eq(start, 0);
    ck_assert(!gosset__io_continue(&start, &end, 1808)); /* no further than before: the end of the file */
}
END_TEST

Suite *io_suite(void) {
    Suite *suite = suite_create("io");
    TCase *contract = tcase_create("contract");
    int backends = 0;
    while (gosset__io_registry[backends] != NULL) backends++;
    tcase_add_checked_fixture(contract, set_up, tear_down);
    tcase_set_timeout(contract, 60);
    tcase_add_loop_test(contract, reads_give_the_pages_asked_for, 0, backends);
    tcase_add_loop_test(contract, one_read_gives_many_pages, 0, backends);
    tcase_add_loop_test(contract, impossible_requests_are_refused_whole, 0, backends);
    tcase_add_loop_test(contract, short_and_missing_files_are_refused_at_opening, 0, backends);
    tcase_add_loop_test(contract, a_read_beyond_a_shrunken_file_fails_alone, 0, backends);
    tcase_add_loop_test(contract, the_event_tells_of_reads_that_are_done, 0, backends);
    tcase_add_loop_test(contract, deadlines_lose_no_read, 0, backends);
    tcase_add_loop_test(contract, deleted_files_stay_readable, 0, backends);
    tcase_add_loop_test(contract, without_direct_reads_the_page_cache_serves, 0, backends);
    tcase_add_loop_test(contract, files_in_shared_memory_can_be_read, 0, backends);
    tcase_add_loop_test(contract, an_index_without_pages_opens, 0, backends);
    tcase_add_loop_test(contract, closing_waits_for_reads_in_flight, 0, backends);
    tcase_add_loop_test(contract, a_reader_may_move_between_threads, 0, backends);
    tcase_add_loop_test(contract, readers_on_four_threads_share_the_files, 0, backends);
    tcase_add_loop_test(contract, a_forked_child_is_told_to_open_again, 0, backends);
    tcase_add_loop_test(contract, every_allocation_may_fail, 0, backends);
    suite_add_tcase(suite, contract);
    TCase *choice = tcase_create("choice");
    tcase_add_checked_fixture(choice, set_up, tear_down);
    tcase_add_test(choice, without_locked_memory_reads_are_plain);
    tcase_add_test(choice, names_choose_the_backend);
    tcase_add_test(choice, short_reads_go_on_where_they_may);
    suite_add_tcase(suite, choice);
    return suite;
}
