/* Where a sandbox refuses io_uring the threads read, the reason says so, and the answers are the same. */
#include "search_fixture.h"
#include "search_suites.h"

#include <errno.h>
#include <gosset/index.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/** From here on io_uring_setup fails with `error` in this process, as container runtimes arrange it. */
static void forbid_rings(int error) {
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {.len = sizeof rules / sizeof *rules, .filter = rules};
    ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

static void answers(fixture *data, const char *io, uint64_t *ids, float *distances) {
    gosset__search *search = NULL;
    fixture_open(data, io);
    ck_assert_int_eq(gosset__search_create(&search, data->store, data->codec, data->kernels, &data->env), GOSSET_OK);
    for (size_t q = 0; q < data->query_count; q++)
        ck_assert_int_eq(fixture_search(data, search, q, 20, 40, 10, ids + 10 * q, distances + 10 * q, NULL),
                         GOSSET_OK);
    gosset__search_free(search);
}

START_TEST(a_forbidden_ring_is_replaced_by_threads) {
    static const struct {
        int error;
        const char *words;
    } refusals[] = {{EPERM, "io_uring is forbidden here (seccomp or kernel.io_uring_disabled)"},
                    {ENOSYS, "io_uring is not in this kernel, or hidden by seccomp"},
                    {ENOMEM, "locked memory is limited"}};
    const fixture_options options = {.type = GOSSET_U8, .dimension = 20, .count = 2000, .shard_size = 40000};
    uint64_t ids[120], found[120];
    float distances[120], at[120];
    fixture data;
    fixture_build(&data, &options);
    answers(&data, "auto", ids, distances);
    if (uring_works()) ck_assert_str_eq(data.store->files->ops->name, "uring");
    fixture_close(&data);

    forbid_rings(refusals[_i].error); /* Check runs every test in a process of its own */
    ck_assert(!uring_works());
    answers(&data, "auto", found, at);
    ck_assert_str_eq(data.store->files->ops->name, "threads");
    ck_assert_msg(strstr(data.store->files->reason, refusals[_i].words) != NULL, "reason: %s",
                  data.store->files->reason);
    ck_assert_ptr_nonnull(strstr(data.store->files->reason, "uring: "));
    ck_assert_mem_eq(ids, found, sizeof ids);
    ck_assert_mem_eq(distances, at, sizeof distances);
    fixture_close(&data);

    ck_assert_int_eq(gosset__store_open(&data.store, temp_path(data.directory, "index"), "uring", &data.env),
                     GOSSET_E_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(gosset_last_error(), refusals[_i].words));
    fixture_remove(&data);
}
END_TEST

Suite *seccomp_suite(void) {
    Suite *suite = suite_create("seccomp");
    TCase *cases = tcase_create("seccomp");
    tcase_set_timeout(cases, 60);
    tcase_add_loop_test(cases, a_forbidden_ring_is_replaced_by_threads, 0, 3);
    suite_add_tcase(suite, cases);
    return suite;
}
