#include "proto/base/status.h"

#include <string.h>

#include "tests/support/test.h"

static void every_code_is_its_own_and_leads_back(void **state)
{
    (void)state;
    for (unsigned i = 0; i < RJ_STATUS_COUNT; i++) {
        const char *code = rj_status_code((enum rj_status)i);
        assert_true(strlen(code) > 0 && strlen(rj_status_text((enum rj_status)i)) > 0);
        assert_int_equal(rj_status_of_code(code), i);
    }
}

/* Clients and backends of other versions compare these texts. */
static void the_codes_of_the_protocol_have_not_changed(void **state)
{
    static const struct {
        enum rj_status status;
        const char *code;
    } codes[] = {
        {RJ_OK, "ok"},
        {RJ_BAD_REQUEST, "bad_request"},
        {RJ_BAD_NAME, "bad_name"},
        {RJ_BAD_NAMESPACE, "invalid_namespace"},
        {RJ_TOO_LARGE, "too_large"},
        {RJ_TOO_MANY, "too_many"},
        {RJ_NOT_FOUND, "not_found"},
        {RJ_NOT_JOINED, "not_joined"},
        {RJ_FORBIDDEN, "forbidden"},
        {RJ_CONFLICT, "conflict"},
        {RJ_GAP, "gap"},
        {RJ_NO_HANDLER, "no_handler"},
        {RJ_UNAVAILABLE, "unavailable"},
        {RJ_TIMEOUT, "timeout"},
        {RJ_BUSY, "busy"},
        {RJ_CLOSED, "closed"},
        {RJ_VERSION, "version"},
        {RJ_INTERNAL, "internal"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        assert_string_equal(rj_status_code(codes[i].status), codes[i].code);
}

static void an_unknown_code_or_number_is_internal(void **state)
{
    (void)state;
    assert_int_equal(rj_status_of_code("of_a_later_version"), RJ_INTERNAL);
    assert_int_equal(rj_status_of_code(""), RJ_INTERNAL);
    assert_non_null(rj_status_code(RJ_STATUS_COUNT));
    assert_non_null(rj_status_text(RJ_STATUS_COUNT));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(every_code_is_its_own_and_leads_back),
    cmocka_unit_test(the_codes_of_the_protocol_have_not_changed),
    cmocka_unit_test(an_unknown_code_or_number_is_internal),
};

RJ_TEST_MAIN(tests)
