#include "base/base_test.h"

#include <stdlib.h>

int main(void) {
    Suite *suite = suite_create("base");
    suite_add_tcase(suite, status_cases());
    suite_add_tcase(suite, env_cases());
    suite_add_tcase(suite, pool_cases());
    suite_add_tcase(suite, numbers_cases());
    suite_add_tcase(suite, file_cases());
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
