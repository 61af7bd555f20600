/* The pure parts of clients that come back: what is due when, how evenly they came, how long they wait. */
#include <stdlib.h>

#include "proto/base/random.h"
#include "tests/support/test.h"
#include "tools/bench/returners.h"

static void what_is_due_comes_in_the_order_of_time(void **state)
{
    (void)state;
    struct schedule schedule;
    uint32_t client = 99;
    schedule_init(&schedule, 4);
    assert_true(schedule_first(&schedule) == UINT64_MAX);
    assert_false(schedule_take(&schedule, UINT64_MAX - 1, &client));
    schedule_set(&schedule, 2, 30);
    schedule_set(&schedule, 0, 20);
    schedule_set(&schedule, 3, 10);
    schedule_set(&schedule, 3, 25); /* moved */
    schedule_set(&schedule, 1, 5);
    schedule_clear(&schedule, 1);
    schedule_clear(&schedule, 1);
    assert_true(schedule_first(&schedule) == 20);
    assert_false(schedule_take(&schedule, 19, &client));
    assert_true(schedule_take(&schedule, 30, &client) && client == 0);
    assert_true(schedule_take(&schedule, 30, &client) && client == 3);
    assert_true(schedule_take(&schedule, 30, &client) && client == 2);
    assert_false(schedule_take(&schedule, 1000, &client));
    schedule_free(&schedule);
}

/* Against an array that is searched. */
static void any_mix_of_setting_clearing_and_taking_agrees_with_a_list(void **state)
{
    (void)state;
    enum { N = 50, STEPS = 20000 };
    uint64_t model[N];
    struct schedule schedule;
    schedule_init(&schedule, N);
    for (unsigned i = 0; i < N; i++)
        model[i] = UINT64_MAX;
    for (unsigned step = 0; step < STEPS; step++) {
        uint32_t who = (uint32_t)(rj_random_u64() % N);
        uint64_t at = rj_random_u64() % 1000, first = UINT64_MAX;
        switch (rj_random_u64() % 3) {
        case 0: schedule_set(&schedule, who, model[who] = at); break;
        case 1:
            schedule_clear(&schedule, who);
            model[who] = UINT64_MAX;
            break;
        default:
            if (schedule_take(&schedule, at, &who)) {
                assert_true(model[who] <= at);
                for (unsigned i = 0; i < N; i++)
                    assert_true(model[who] <= model[i]);
                model[who] = UINT64_MAX;
            } else {
                for (unsigned i = 0; i < N; i++)
                    assert_true(model[i] > at);
            }
        }
        for (unsigned i = 0; i < N; i++)
            first = model[i] < first ? model[i] : first;
        assert_true(schedule_first(&schedule) == first);
    }
    schedule_free(&schedule);
}

static void a_timeline_tells_the_fullest_second_and_the_width_of_the_middle(void **state)
{
    (void)state;
    static struct timeline even, burst;
    for (uint64_t i = 0; i < 1000; i++) /* 100 a second for 10 seconds */
        timeline_add(&even, 5000000 + i * 10000);
    assert_int_equal(timeline_peak(&even), 100);
    assert_true(timeline_width(&even, 1) > 9.9 && timeline_width(&even, 1) < 10.1);
    assert_true(timeline_width(&even, 0.9) > 8.8 && timeline_width(&even, 0.9) < 9.2);
    for (uint64_t i = 0; i < 900; i++)
        timeline_add(&burst, 1000000);
    for (uint64_t i = 0; i < 100; i++)
        timeline_add(&burst, 1000000 + i * 100000);
    assert_int_equal(timeline_peak(&burst), 910);
    assert_true(timeline_width(&burst, 0.5) < 0.2);
}

static void an_empty_timeline_and_one_that_is_far_too_long_are_told(void **state)
{
    (void)state;
    static struct timeline timeline;
    assert_int_equal(timeline_peak(&timeline), 0);
    assert_true(timeline_width(&timeline, 0.9) == 0);
    timeline_add(&timeline, 1);
    timeline_add(&timeline, UINT64_MAX / 2);
    assert_int_equal(timeline.n, 2);
    assert_int_equal(timeline_peak(&timeline), 1);
}

static void the_delay_is_the_stock_clients(void **state)
{
    (void)state;
    assert_true(returners_delay_us(0, 0) == 500000 && returners_delay_us(0, 1) == 1500000);
    assert_true(returners_delay_us(1, 0.5) == 2000000);
    assert_true(returners_delay_us(2, 0.5) == 4000000);
    for (uint32_t attempt = 3; attempt < 100; attempt++)
        assert_true(returners_delay_us(attempt, 0.5) == 5000000);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(what_is_due_comes_in_the_order_of_time),
    cmocka_unit_test(any_mix_of_setting_clearing_and_taking_agrees_with_a_list),
    cmocka_unit_test(a_timeline_tells_the_fullest_second_and_the_width_of_the_middle),
    cmocka_unit_test(an_empty_timeline_and_one_that_is_far_too_long_are_told),
    cmocka_unit_test(the_delay_is_the_stock_clients),
};

RJ_TEST_MAIN(tests)
