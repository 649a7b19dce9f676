#include "api/world.h"

int main(void) {
    TCase *(*const cases[])(void) = {case_exact,       case_whole_way, case_errors,  case_merge,
                                     case_calibration, case_efforts,   case_budget,  case_alloc_failure,
                                     case_submit,      case_memory,    case_records, case_threads};
    Suite *suite = suite_create("api");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        TCase *tcase = cases[i]();
        tcase_add_unchecked_fixture(tcase, world_make, NULL); /* in this process, the first time only */
        tcase_set_timeout(tcase, 300);                        /* sanitizers, small machines */
        suite_add_tcase(suite, tcase);
    }
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    world_remove();
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
