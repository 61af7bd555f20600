/* Numbers with units: counts, times and sizes. */
#include "proto/base/quantity.h"

#include "tests/support/test.h"

static void assert_read(enum rj_quantity kind, const char *text, uint64_t expected)
{
    uint64_t value = 0;
    if (rj_quantity_parse(kind, rj_span_str(text), &value) || value != expected)
        fail_msg("'%s' is read as %llu", text, (unsigned long long)value);
}

static void each_kind_takes_a_bare_number_and_its_units(void **state)
{
    (void)state;
    static const struct {
        enum rj_quantity kind;
        const char *text;
        uint64_t value;
    } cases[] = {
        {RJ_QUANTITY_COUNT, "0", 0},
        {RJ_QUANTITY_COUNT, "007", 7},
        {RJ_QUANTITY_COUNT, "3k", 3000},
        {RJ_QUANTITY_COUNT, "3m", 3000000},
        {RJ_QUANTITY_COUNT, "3g", 3000000000},
        {RJ_QUANTITY_COUNT, "18446744073709551615", UINT64_MAX},
        {RJ_QUANTITY_TIME, "250", 250},
        {RJ_QUANTITY_TIME, "250ms", 250},
        {RJ_QUANTITY_TIME, "30s", 30000},
        {RJ_QUANTITY_TIME, "5m", 300000},
        {RJ_QUANTITY_TIME, "24h", 86400000},
        {RJ_QUANTITY_TIME, "7d", 604800000},
        {RJ_QUANTITY_TIME, "1w", 604800000},
        {RJ_QUANTITY_TIME, "36500d", 36500 * 86400000ULL},
        {RJ_QUANTITY_BYTES, "4096", 4096},
        {RJ_QUANTITY_BYTES, "4k", 4000},
        {RJ_QUANTITY_BYTES, "4kB", 4000},
        {RJ_QUANTITY_BYTES, "4KiB", 4096},
        {RJ_QUANTITY_BYTES, "10m", 10000000},
        {RJ_QUANTITY_BYTES, "10MB", 10000000},
        {RJ_QUANTITY_BYTES, "10MiB", 10485760},
        {RJ_QUANTITY_BYTES, "2g", 2000000000},
        {RJ_QUANTITY_BYTES, "2GB", 2000000000},
        {RJ_QUANTITY_BYTES, "2GiB", 2147483648},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_read(cases[i].kind, cases[i].text, cases[i].value);
}

static void what_is_no_number_of_its_kind_is_refused(void **state)
{
    (void)state;
    static const struct {
        enum rj_quantity kind;
        const char *text;
    } cases[] = {
        {RJ_QUANTITY_COUNT, ""},    {RJ_QUANTITY_COUNT, "k"},    {RJ_QUANTITY_COUNT, "-1"},
        {RJ_QUANTITY_COUNT, "+1"},  {RJ_QUANTITY_COUNT, " 1"},   {RJ_QUANTITY_COUNT, "1 "},
        {RJ_QUANTITY_COUNT, "1.5"}, {RJ_QUANTITY_COUNT, "0x10"}, {RJ_QUANTITY_COUNT, "1kB"},
        {RJ_QUANTITY_COUNT, "1s"},  {RJ_QUANTITY_COUNT, "1kk"},  {RJ_QUANTITY_TIME, "s"},
        {RJ_QUANTITY_TIME, "1k"},   {RJ_QUANTITY_TIME, "1S"},    {RJ_QUANTITY_TIME, "1h30m"},
        {RJ_QUANTITY_TIME, "1y"},   {RJ_QUANTITY_TIME, "1 s"},   {RJ_QUANTITY_TIME, "1.5h"},
        {RJ_QUANTITY_BYTES, "1s"},  {RJ_QUANTITY_BYTES, "1kb"},  {RJ_QUANTITY_BYTES, "1Ki"},
        {RJ_QUANTITY_BYTES, "1K"},  {RJ_QUANTITY_BYTES, "1TB"},  {RJ_QUANTITY_BYTES, "MiB"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t value = 7;
        if (rj_quantity_parse(cases[i].kind, rj_span_str(cases[i].text), &value) != RJ_BAD_REQUEST)
            fail_msg("'%s' is taken", cases[i].text);
        assert_int_equal(value, 7);
    }
}

static void a_number_above_64_bits_is_told_from_no_number(void **state)
{
    (void)state;
    static const struct {
        enum rj_quantity kind;
        const char *text;
    } cases[] = {
        {RJ_QUANTITY_COUNT, "18446744073709551616"}, {RJ_QUANTITY_COUNT, "99999999999999999999999"},
        {RJ_QUANTITY_COUNT, "18446744073709552k"},   {RJ_QUANTITY_TIME, "30500568905w"},
        {RJ_QUANTITY_TIME, "99999999999999999999d"}, {RJ_QUANTITY_BYTES, "17179869184GiB"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t value = 7;
        if (rj_quantity_parse(cases[i].kind, rj_span_str(cases[i].text), &value) != RJ_TOO_LARGE)
            fail_msg("'%s' is not found too large", cases[i].text);
        assert_int_equal(value, 7);
    }
    assert_read(RJ_QUANTITY_TIME, "30500568904w", 30500568904ULL * 604800000);
    assert_read(RJ_QUANTITY_BYTES, "17179869183GiB", 17179869183ULL << 30);
}

/* A text that has bytes behind it which do not belong to it, as a word of a rule has. */
static void only_the_bytes_of_the_span_are_read(void **state)
{
    (void)state;
    uint64_t value;
    assert_int_equal(rj_quantity_parse(RJ_QUANTITY_TIME, rj_span_of("30s90", 2), &value), RJ_OK);
    assert_int_equal(value, 30);
}

static void a_number_is_printed_with_its_largest_unit(void **state)
{
    (void)state;
    static const struct {
        enum rj_quantity kind;
        uint64_t value;
        const char *text;
    } cases[] = {
        {RJ_QUANTITY_COUNT, 0, "0"},
        {RJ_QUANTITY_COUNT, 2000000, "2000000"},
        {RJ_QUANTITY_TIME, 0, "0"},
        {RJ_QUANTITY_TIME, 10, "10ms"},
        {RJ_QUANTITY_TIME, 1500, "1500ms"},
        {RJ_QUANTITY_TIME, 90000, "90s"},
        {RJ_QUANTITY_TIME, 3600000, "1h"},
        {RJ_QUANTITY_TIME, 604800000, "7d"},
        {RJ_QUANTITY_BYTES, 0, "0"},
        {RJ_QUANTITY_BYTES, 255, "255"},
        {RJ_QUANTITY_BYTES, 1000, "1kB"},
        {RJ_QUANTITY_BYTES, 1024, "1KiB"},
        {RJ_QUANTITY_BYTES, 4000000, "4MB"},
        {RJ_QUANTITY_BYTES, 1 << 30, "1GiB"},
        {RJ_QUANTITY_BYTES, UINT64_MAX, "18446744073709551615"},
    };
    struct rj_buf out = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rj_buf_clear(&out);
        rj_quantity_print(cases[i].kind, cases[i].value, &out);
        assert_string_equal(rj_buf_cstr(&out), cases[i].text);
        assert_read(cases[i].kind, cases[i].text, cases[i].value);
    }
    rj_buf_free(&out);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(each_kind_takes_a_bare_number_and_its_units),
    cmocka_unit_test(what_is_no_number_of_its_kind_is_refused),
    cmocka_unit_test(a_number_above_64_bits_is_told_from_no_number),
    cmocka_unit_test(only_the_bytes_of_the_span_are_read),
    cmocka_unit_test(a_number_is_printed_with_its_largest_unit),
};

RJ_TEST_MAIN(tests)
