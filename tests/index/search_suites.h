/** The suites of test_index_search. */
#ifndef GOSSET_TESTS_SEARCH_SUITES_H
#define GOSSET_TESTS_SEARCH_SUITES_H

#include <check.h>

Suite *io_suite(void);
Suite *topk_suite(void);
Suite *cache_suite(void);
Suite *search_suite(void);
Suite *flight_suite(void);
Suite *together_suite(void);
Suite *early_suite(void);
Suite *turns_suite(void);
Suite *leaves_suite(void);
Suite *seccomp_suite(void);

/** Whether this machine lets a program open a ring and read through it. Without, the program reports a skip. */
int uring_works(void);

#endif
