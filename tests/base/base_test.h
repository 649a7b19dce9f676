/** The test cases of the base room, one function per file. */
#ifndef GOSSET_TESTS_BASE_H
#define GOSSET_TESTS_BASE_H
#include <check.h>

TCase *status_cases(void);
TCase *env_cases(void);
TCase *pool_cases(void);
TCase *numbers_cases(void); /* random numbers, hashes, bytes */
TCase *file_cases(void);

/** Fails unless the last error of this thread contains `part`. */
#define ck_assert_sentence(part)                                                                               \
    ck_assert_msg(strstr(gosset_last_error(), (part)) != NULL, "expected '%s' in '%s'", (part), gosset_last_error())
#endif
