/* Figures as they are told: quantiles of latencies, the JSON, the middle of the repeats. */
#include "tools/bench/report.h"

#include "tests/support/test.h"

static void quantiles_are_told_within_two_percent(void **state)
{
    static struct histogram h;
    static const double shares[] = {0.01, 0.5, 0.9, 0.99};
    (void)state;
    for (uint64_t value = 1; value <= 100000; value++)
        histogram_add(&h, value);
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
        uint64_t exact = (uint64_t)(shares[i] * 100000);
        assert_in_range(histogram_at(&h, shares[i]), exact * 98 / 100, exact + 1);
    }
    assert_int_equal(h.most, 100000);
    assert_int_equal(h.n, 100000);
}

static void small_values_are_exact_and_huge_ones_are_kept(void **state)
{
    static struct histogram small, huge;
    (void)state;
    assert_int_equal(histogram_at(&small, 0.5), 0);
    histogram_add(&small, 0);
    histogram_add(&small, 63);
    assert_int_equal(histogram_at(&small, 0), 0);
    assert_int_equal(histogram_at(&small, 0.9), 63);
    histogram_add(&huge, UINT64_MAX);
    assert_int_equal(huge.most, UINT64_MAX);
    assert_true(histogram_at(&huge, 0.5) > UINT32_MAX);
}

static void an_object_grows_with_commas_in_the_right_places(void **state)
{
    struct report r = {0};
    (void)state;
    report_open(&r, NULL, '{');
    report_text(&r, "a", "say \"x\"");
    report_open(&r, "list", '[');
    report_open(&r, NULL, '{');
    report_close(&r, '}');
    report_open(&r, NULL, '{');
    report_u64(&r, "n", 3);
    report_number(&r, "nan", 0.0 / 0.0);
    report_close(&r, '}');
    report_close(&r, ']');
    report_bool(&r, "ok", true);
    report_close(&r, '}');
    assert_string_equal(rj_buf_cstr(&r.json),
                        "{\"a\":\"say \\\"x\\\"\",\"list\":[{},{\"n\":3,\"nan\":null}],\"ok\":true}");
    report_free(&r);
}

static void the_repeats_are_told_as_least_middle_and_most(void **state)
{
    struct report r = {0};
    (void)state;
    static const double odd[] = {5, 1, 3}, even[] = {4, 1, 2, 3};
    for (size_t i = 0; i < 3; i++)
        report_sample(&r, "odd", odd[i]);
    for (size_t i = 0; i < 4; i++)
        report_sample(&r, "even", even[i]);
    report_sample(&r, "none", 1.0 / 0.0);
    assert_true(report_median(&r, "odd") == 3);
    assert_true(report_median(&r, "unknown") == 0);
    rj_buf_clear(&r.json);
    r.needs_comma = false;
    report_summary(&r, "s");
    assert_string_equal(rj_buf_cstr(&r.json), "\"s\":{\"odd\":{\"min\":1,\"median\":3,\"max\":5},"
                                              "\"even\":{\"min\":1,\"median\":2.5,\"max\":4}}");
    report_free(&r);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(quantiles_are_told_within_two_percent),
    cmocka_unit_test(small_values_are_exact_and_huge_ones_are_kept),
    cmocka_unit_test(an_object_grows_with_commas_in_the_right_places),
    cmocka_unit_test(the_repeats_are_told_as_least_middle_and_most),
};

RJ_TEST_MAIN(tests)
