#include "tools/sdk/c/status.h"

#include <string.h>

#include "proto/base/status.h"
#include "tests/support/test.h"

static void every_code_of_the_protocol_has_its_own_status(void **state)
{
    (void)state;
    for (unsigned i = 0; i < RJ_STATUS_COUNT; i++) {
        const char *code = rj_status_code((enum rj_status)i);
        assert_string_equal(rejoin_status_code(rj_sdk_status_of_code(code)), code);
        assert_string_equal(rejoin_strerror(rj_sdk_status_of_code(code)), rj_status_text((enum rj_status)i));
    }
}

static void an_unknown_code_is_an_internal_error(void **state)
{
    (void)state;
    assert_int_equal(rj_sdk_status_of_code("a_code_of_a_later_broker"), REJOIN_INTERNAL);
    assert_int_equal(rj_sdk_status_of_code(""), REJOIN_INTERNAL);
}

static void every_status_has_a_text(void **state)
{
    (void)state;
    assert_string_equal(rejoin_status_code(REJOIN_MISUSE), "misuse");
    assert_true(strlen(rejoin_strerror(REJOIN_MISUSE)) > 0);
    assert_string_equal(rejoin_status_code((enum rejoin_status)1000), "internal");
    assert_string_equal(rejoin_status_code((enum rejoin_status) - 1), "internal");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(every_code_of_the_protocol_has_its_own_status),
    cmocka_unit_test(an_unknown_code_is_an_internal_error),
    cmocka_unit_test(every_status_has_a_text),
};

RJ_TEST_MAIN(tests)
