/* How a drain is spread: who may have been dropped by when. */
#include "gateway/drain.h"
#include "tests/support/test.h"

static void many_are_dropped_evenly_over_the_spread(void **state)
{
    (void)state;
    assert_int_equal(rj_drain_due(10000, 0, 5000), 0);
    assert_int_equal(rj_drain_due(10000, 50, 5000), 100);
    assert_int_equal(rj_drain_due(10000, 2500, 5000), 5000);
    assert_int_equal(rj_drain_due(10000, 4950, 5000), 9900);
    assert_int_equal(rj_drain_due(10000, 5000, 5000), 10000);
    assert_int_equal(rj_drain_due(10000, 900000, 5000), 10000);
}

static void few_need_not_wait_for_the_spread(void **state)
{
    (void)state;
    assert_int_equal(rj_drain_due(10, 50, 5000), 10);
    assert_int_equal(rj_drain_due(100, 50, 5000), 10);
    assert_int_equal(rj_drain_due(100, 500, 5000), 100);
    assert_int_equal(rj_drain_due(0, 50, 5000), 0);
}

static void without_a_spread_all_go_at_once(void **state)
{
    (void)state;
    assert_int_equal(rj_drain_due(10000, 0, 0), 10000);
}

static void nobody_is_counted_twice_or_forgotten(void **state)
{
    (void)state;
    for (size_t n = 0; n < 3000; n += 37) {
        size_t last = 0;
        for (uint64_t ms = 0; ms <= 1000; ms += 7) {
            size_t due = rj_drain_due(n, ms, 777);
            assert_true(due >= last && due <= n);
            last = due;
        }
        assert_int_equal(last, n);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(many_are_dropped_evenly_over_the_spread),
    cmocka_unit_test(few_need_not_wait_for_the_spread),
    cmocka_unit_test(without_a_spread_all_go_at_once),
    cmocka_unit_test(nobody_is_counted_twice_or_forgotten),
};

RJ_TEST_MAIN(tests)
