/* Windows, rates and acks of those who publish. */
#include "tools/bench/publishers.h"

#include <string.h>

#include "proto/base/clock.h"
#include "tests/support/test.h"

enum { MOST = 10000 };

/* What was sent, in order. */
struct sent {
    uint32_t n, publisher[MOST];
    uint64_t id[MOST], stamp_us[MOST];
    uint32_t n_allowed;
};

static bool on_send(void *ctx, uint32_t publisher, uint64_t id, uint64_t stamp_us)
{
    struct sent *sent = ctx;
    if (sent->n == sent->n_allowed)
        return false;
    sent->publisher[sent->n] = publisher;
    sent->id[sent->n] = id;
    sent->stamp_us[sent->n++] = stamp_us;
    return true;
}

static struct sent sent;

static struct publishers begin(struct publishers_plan plan)
{
    struct publishers publishers;
    sent = (struct sent){.n_allowed = MOST};
    plan.send = on_send;
    plan.ctx = &sent;
    publishers_init(&publishers, &plan);
    publishers_start(&publishers);
    return publishers;
}

static void every_window_is_filled_at_the_start(void **state)
{
    struct publishers publishers = begin((struct publishers_plan){.n = 3, .window = 2});
    static const uint32_t publisher[] = {0, 1, 2, 0, 1, 2};
    static const uint64_t id[] = {1, 1, 1, 2, 2, 2};
    (void)state;
    assert_int_equal(sent.n, 6);
    assert_memory_equal(sent.publisher, publisher, sizeof publisher);
    assert_memory_equal(sent.id, id, sizeof id);
    publishers_free(&publishers);
}

static void an_ack_brings_the_next_publish_until_the_stop(void **state)
{
    struct publishers publishers = begin((struct publishers_plan){.n = 2, .window = 1});
    (void)state;
    publishers_on_ack(&publishers, 1, 1, true);
    assert_int_equal(sent.n, 3);
    assert_int_equal(sent.publisher[2], 1);
    assert_int_equal(sent.id[2], 2);
    publishers_stop(&publishers);
    publishers_on_ack(&publishers, 1, 2, true);
    assert_int_equal(sent.n, 3);
    assert_int_equal(publishers.acked, 2);
    publishers_free(&publishers);
}

static void a_refusal_and_an_ack_that_nobody_waits_for_are_counted(void **state)
{
    struct publishers publishers = begin((struct publishers_plan){.n = 1, .window = 2});
    (void)state;
    publishers_on_ack(&publishers, 0, 1, false);
    publishers_on_ack(&publishers, 0, 1, true); /* again */
    publishers_on_ack(&publishers, 0, 3, true); /* before the second */
    publishers_on_ack(&publishers, 0, 9, true); /* never sent */
    publishers_on_ack(&publishers, 5, 1, true); /* no such publisher */
    assert_int_equal(publishers.failed, 1);
    assert_int_equal(publishers.strange, 4);
    assert_int_equal(publishers.acked, 1);
    publishers_free(&publishers);
}

static void what_is_undelivered_bounds_all_together(void **state)
{
    struct publishers publishers =
        begin((struct publishers_plan){.n = 2, .window = 100, .most_undelivered = 5});
    (void)state;
    assert_int_equal(sent.n, 5);
    for (uint64_t id = 1; id <= 2; id++)
        publishers_on_ack(&publishers, 0, id, true);
    publishers_turn(&publishers, 1000);
    assert_int_equal(sent.n, 5); /* on disk, but not with the members */
    publishers.delivered = 3;
    publishers_turn(&publishers, 1000);
    assert_int_equal(sent.n, 8);
    publishers_free(&publishers);
}

static void no_more_than_asked_for_are_sent(void **state)
{
    struct publishers publishers = begin((struct publishers_plan){.n = 2, .window = 3, .most = 5});
    (void)state;
    assert_int_equal(sent.n, 5);
    publishers_on_ack(&publishers, 0, 1, true);
    publishers_on_ack(&publishers, 1, 1, true);
    publishers_turn(&publishers, 1000);
    assert_int_equal(sent.n, 5);
    assert_int_equal(publishers.acked, 2);
    publishers_free(&publishers);
}

static void publishing_ends_when_it_cannot_go_on(void **state)
{
    struct publishers publishers = begin((struct publishers_plan){.n = 1, .window = 1});
    (void)state;
    sent.n_allowed = 1;
    publishers_on_ack(&publishers, 0, 1, true);
    assert_false(publishers.is_on);
    assert_int_equal(publishers.failed, 1);
    assert_int_equal(publishers.sent, 1);
    publishers_free(&publishers);
}

static void a_rate_sends_what_is_due_and_tells_when_the_next_is(void **state)
{
    enum { RATE = 1000, INTERVAL_US = 1000000 / RATE };
    struct publishers publishers = begin((struct publishers_plan){.n = 3, .window = 1000, .rate = RATE});
    (void)state;
    while (rj_clock_mono_us() < publishers.began_us + 50 * INTERVAL_US)
        assert_in_range(publishers_turn(&publishers, 20000), 0, INTERVAL_US);
    publishers_turn(&publishers, 20000);
    assert_true(sent.n >= 50);
    for (uint32_t i = 0; i < sent.n; i++) {
        assert_int_equal(sent.publisher[i], i % 3);
        assert_int_equal(sent.stamp_us[i], publishers.began_us + i * INTERVAL_US);
    }
    publishers_free(&publishers);
}

static void what_a_full_window_holds_up_keeps_the_time_at_which_it_was_due(void **state)
{
    struct publishers publishers = begin((struct publishers_plan){.n = 1, .window = 1, .rate = 1000});
    (void)state;
    while (rj_clock_mono_us() < publishers.began_us + 20000)
        publishers_turn(&publishers, 1000);
    assert_int_equal(sent.n, 1);
    publishers_on_ack(&publishers, 0, 1, true);
    assert_int_equal(sent.n, 1); /* sent in a turn, not out of the ack */
    publishers_turn(&publishers, 1000);
    assert_int_equal(sent.n, 2);
    assert_int_equal(sent.stamp_us[1], publishers.began_us + 1000);
    publishers_free(&publishers);
}

static void only_the_measured_time_makes_latencies(void **state)
{
    struct publishers publishers = begin((struct publishers_plan){.n = 1, .window = 1});
    (void)state;
    publishers_on_ack(&publishers, 0, 1, true);
    assert_int_equal(publishers.ack.n, 0);
    publishers.is_measured = true;
    publishers_on_ack(&publishers, 0, 2, true);
    assert_int_equal(publishers.ack.n, 1);
    publishers_free(&publishers);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(every_window_is_filled_at_the_start),
    cmocka_unit_test(an_ack_brings_the_next_publish_until_the_stop),
    cmocka_unit_test(a_refusal_and_an_ack_that_nobody_waits_for_are_counted),
    cmocka_unit_test(what_is_undelivered_bounds_all_together),
    cmocka_unit_test(no_more_than_asked_for_are_sent),
    cmocka_unit_test(publishing_ends_when_it_cannot_go_on),
    cmocka_unit_test(a_rate_sends_what_is_due_and_tells_when_the_next_is),
    cmocka_unit_test(what_a_full_window_holds_up_keeps_the_time_at_which_it_was_due),
    cmocka_unit_test(only_the_measured_time_makes_latencies),
};

RJ_TEST_MAIN(tests)
