#include "proto/reason.h"

#include "tests/support/test.h"

static void every_reason_is_known_by_its_text(void **state)
{
    (void)state;
    for (int i = 0; i < RJ_REASON_COUNT; i++) {
        enum rj_reason found;
        assert_true(rj_reason_of_text(rj_reason_text((enum rj_reason)i), &found));
        assert_int_equal(found, i);
    }
}

static void other_texts_are_no_reason(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "transport", "transport close ", "Transport close"};
    enum rj_reason found = RJ_REASON_PING_TIMEOUT;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_false(rj_reason_of_text(texts[i], &found));
    assert_int_equal(found, RJ_REASON_PING_TIMEOUT);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(every_reason_is_known_by_its_text),
    cmocka_unit_test(other_texts_are_no_reason),
};

RJ_TEST_MAIN(tests)
