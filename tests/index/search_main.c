#include "search_suites.h"

#include <stdio.h>
#include <stdlib.h>

int main(void) {
    const int complete = uring_works();
    SRunner *runner = srunner_create(io_suite());
    srunner_add_suite(runner, topk_suite());
    srunner_add_suite(runner, cache_suite());
    srunner_add_suite(runner, search_suite());
    srunner_add_suite(runner, flight_suite());
    srunner_add_suite(runner, together_suite());
    srunner_add_suite(runner, early_suite());
    srunner_add_suite(runner, turns_suite());
    srunner_add_suite(runner, leaves_suite());
    srunner_add_suite(runner, seccomp_suite()); /* last: with CK_FORK=no its filters stay */
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    if (failed > 0) return EXIT_FAILURE;
    if (complete) return EXIT_SUCCESS;
    printf("io_uring is not allowed here: its cases were not run\n");
    return 77;
}
