/* What is said to answers that come when their job is over. */
#include "broker/serving/late.h"

#include "tests/support/test.h"

static void what_a_job_ended_with_is_told_to_late_answers(void **state)
{
    struct rj_late late = {0};
    (void)state;
    rj_late_note(&late, 1, RJ_TIMEOUT, "");
    rj_late_note(&late, 2, RJ_OK, "winner");
    assert_int_equal(rj_late_judge(&late, 1, "anybody"), RJ_TIMEOUT);
    assert_int_equal(rj_late_judge(&late, 2, "winner"), RJ_OK);
    assert_int_equal(rj_late_judge(&late, 2, "another"), RJ_CONFLICT);
    assert_int_equal(rj_late_judge(&late, 3, "anybody"), RJ_OK);
    rj_late_free(&late);
}

static void the_oldest_are_forgotten(void **state)
{
    struct rj_late late = {0};
    (void)state;
    for (uint64_t id = 1; id <= RJ_LATE_MAX + 5; id++)
        rj_late_note(&late, id, RJ_UNAVAILABLE, "");
    assert_int_equal(rj_late_judge(&late, 5, "x"), RJ_OK);
    assert_int_equal(rj_late_judge(&late, 6, "x"), RJ_UNAVAILABLE);
    assert_int_equal(rj_late_judge(&late, RJ_LATE_MAX + 5, "x"), RJ_UNAVAILABLE);
    rj_late_free(&late);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(what_a_job_ended_with_is_told_to_late_answers),
    cmocka_unit_test(the_oldest_are_forgotten),
};

RJ_TEST_MAIN(tests)
