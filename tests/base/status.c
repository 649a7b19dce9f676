#include "base/status.h"
#include "base/base_test.h"

#include <pthread.h>
#include <string.h>

START_TEST(every_status_has_a_sentence) {
    static const gosset_status all[] = {
        GOSSET_OK,          GOSSET_E_ARGUMENT,      GOSSET_E_CONFIG,  GOSSET_E_DIMENSION,   GOSSET_E_STATE,
        GOSSET_E_BUSY,      GOSSET_E_NO_MEMORY,     GOSSET_E_THREAD,  GOSSET_E_UNSUPPORTED, GOSSET_E_IO,
        GOSSET_E_NOT_FOUND, GOSSET_E_EXISTS,        GOSSET_E_CORRUPT, GOSSET_E_MISMATCH,    GOSSET_E_DIVERGED,
        GOSSET_E_CANCELLED, GOSSET_E_FORMAT_VERSION};
    size_t count = sizeof all / sizeof all[0];
    for (size_t i = 0; i < count; i++) {
        ck_assert_str_ne(gosset_strerror(all[i]), "unknown status");
        for (size_t j = 0; j < i; j++) ck_assert_str_ne(gosset_strerror(all[i]), gosset_strerror(all[j]));
    }
    ck_assert_str_eq(gosset_strerror((gosset_status)-999), "unknown status");
    ck_assert_str_eq(gosset_strerror((gosset_status)7), "unknown status");
}
END_TEST

START_TEST(facts_of_the_public_header) {
    ck_assert_uint_eq(gosset_version(), 0x000100);
    ck_assert_uint_eq(gosset_type_size(GOSSET_F32), 4);
    ck_assert_uint_eq(gosset_type_size(GOSSET_U8), 1);
    ck_assert_uint_eq(gosset_type_size(GOSSET_I8), 1);
    ck_assert_uint_eq(gosset_type_size((gosset_type)9), 0);
}
END_TEST

START_TEST(fail_returns_the_code_and_keeps_the_sentence) {
    ck_assert_str_eq(gosset_last_error(), "");
    ck_assert_int_eq(gosset__fail(GOSSET_E_IO, "%s: page %d", "a.gosset", 17), GOSSET_E_IO);
    ck_assert_str_eq(gosset_last_error(), "a.gosset: page 17");
    (void)gosset__fail(GOSSET_E_IO, "b: %s", gosset_last_error()); /* wraps its own sentence */
    ck_assert_str_eq(gosset_last_error(), "b: a.gosset: page 17");
}
END_TEST

START_TEST(long_sentences_are_cut) {
    char text[3000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    (void)gosset__fail(GOSSET_E_IO, "%s", text);
    ck_assert_uint_eq(strlen(gosset_last_error()), 1023);
    (void)gosset__fail(GOSSET_E_IO, "short");
    ck_assert_str_eq(gosset_last_error(), "short");
}
END_TEST

static void *fail_elsewhere(void *argument) {
    (void)gosset__fail(GOSSET_E_STATE, "elsewhere");
    *(int *)argument = strcmp(gosset_last_error(), "elsewhere") == 0;
    return NULL;
}

START_TEST(a_sentence_belongs_to_its_thread) {
    pthread_t thread;
    int right = 0;
    (void)gosset__fail(GOSSET_E_STATE, "here");
    ck_assert_int_eq(pthread_create(&thread, NULL, fail_elsewhere, &right), 0);
    pthread_join(thread, NULL);
    ck_assert_int_eq(right, 1);
    ck_assert_str_eq(gosset_last_error(), "here");
}
END_TEST

static gosset_status guarded_steps(int first, int second, int *reached) {
    gosset_status status = GOSSET_OK;
    GOSSET_REQUIRE(first, GOSSET_E_ARGUMENT, "first: expected %d", 1);
    *reached = 1;
    GOSSET_TRY(second ? GOSSET_OK : gosset__fail(GOSSET_E_IO, "second"));
    *reached = 2;
out:
    return status;
}

START_TEST(macros_leave_at_the_first_failure) {
    int reached = 0;
    ck_assert_int_eq(guarded_steps(0, 1, &reached), GOSSET_E_ARGUMENT);
    ck_assert_int_eq(reached, 0);
    ck_assert_sentence("first: expected 1");
    ck_assert_int_eq(guarded_steps(1, 0, &reached), GOSSET_E_IO);
    ck_assert_int_eq(reached, 1);
    ck_assert_int_eq(guarded_steps(1, 1, &reached), GOSSET_OK);
    ck_assert_int_eq(reached, 2);
}
END_TEST

TCase *status_cases(void) {
    TCase *cases = tcase_create("status");
    tcase_add_test(cases, every_status_has_a_sentence);
    tcase_add_test(cases, facts_of_the_public_header);
    tcase_add_test(cases, fail_returns_the_code_and_keeps_the_sentence);
    tcase_add_test(cases, long_sentences_are_cut);
    tcase_add_test(cases, a_sentence_belongs_to_its_thread);
    tcase_add_test(cases, macros_leave_at_the_first_failure);
    return cases;
}
