#include "proto/offset.h"
#include "tests/support/test.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void known_offsets_have_their_known_text(void **state)
{
    static const struct {
        struct rj_offset offset;
        const char *text;
    } cases[] = {
        {{0, 0}, "0.0"},
        {{1, 35}, "1.z"},
        {{36, 1296}, "10.100"},
        {{UINT64_MAX, UINT64_MAX}, "3w5e11264sgsf.3w5e11264sgsf"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[RJ_OFFSET_MAX + 1];
        size_t len = rj_offset_format(cases[i].offset, text);
        assert_string_equal(text, cases[i].text);
        assert_int_equal(len, strlen(text));
    }
}

static void every_offset_reads_back(void **state)
{
    (void)state;
    for (unsigned shift = 0; shift < 64; shift++) {
        for (uint64_t delta = 0; delta < 3; delta++) {
            struct rj_offset offset = {(UINT64_C(1) << shift) - delta, ~(UINT64_C(1) << shift) + delta};
            struct rj_offset back = {0};
            char text[RJ_OFFSET_MAX + 1];
            size_t len = rj_offset_format(offset, text);
            assert_in_range(len, 3, RJ_OFFSET_MAX);
            assert_int_equal(rj_offset_parse(rj_span_of(text, len), &back), RJ_OK);
            assert_true(back.epoch == offset.epoch && back.pos == offset.pos);
        }
    }
}

static void garbled_offsets_are_refused_and_change_nothing(void **state)
{
    static const char *const texts[] = {
        "",
        ".",
        "1",
        "1.",
        ".1",
        "1.2.3",
        "1..2",
        " 1.2",
        "1.2 ",
        "01.2",
        "1.02",
        "00.0",
        "A.b",
        "1.Z",
        "-1.2",
        "1.-2",
        "+1.2",
        "1,2",
        "1.2\n",
        "3w5e11264sgsg.0",
        "0.3w5e11264sgsg",
        "zzzzzzzzzzzzz.0",
        "0.10000000000000",
        "\xc3\xa9.1",
        "__proto__",
        "undefined",
    };
    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct rj_offset offset = {7, 8};
        if (rj_offset_parse(rj_span_str(texts[i]), &offset) != RJ_BAD_REQUEST)
            fail_msg("accepted: %s", texts[i]);
        assert_true(offset.epoch == 7 && offset.pos == 8);
    }
    struct rj_offset offset;
    assert_int_equal(rj_offset_parse(rj_span_of("1\0.2", 4), &offset), RJ_BAD_REQUEST);
    assert_int_equal(rj_offset_parse(rj_span_of("1.2\0", 4), &offset), RJ_BAD_REQUEST);
    assert_int_equal(rj_offset_parse((struct rj_span){NULL, 0}, &offset), RJ_BAD_REQUEST);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(known_offsets_have_their_known_text),
    cmocka_unit_test(every_offset_reads_back),
    cmocka_unit_test(garbled_offsets_are_refused_and_change_nothing),
};

RJ_TEST_MAIN(tests)
