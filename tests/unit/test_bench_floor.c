/* The load client and the floor speak with each other: what the floor is asked for comes, once and in order.
 */
#include <sys/stat.h>

#include "tests/support/test.h"
#include "tools/bench/floor.h"
#include "tools/bench/traffic.h"

static const double seconds_least = 0.05, seconds_most = 15;

/* Runs `traffic_plan` against the floor of `plan` for so long; the caller closes the traffic. */
static struct traffic_result run_for(struct traffic *traffic, const struct traffic_plan *traffic_plan,
                                     const struct floor_plan *plan, bool is_drained, double seconds)
{
    struct floor bare;
    assert_true(floor_start(&bare, plan));
    assert_true(traffic_open(traffic, traffic_plan, &bare.procs));
    struct traffic_result result = traffic_measure(traffic, &bare.procs, 0, seconds);
    if (is_drained)
        traffic_drain(traffic);
    floor_stop(&bare);
    struct stat gone;
    if (plan->is_logged)
        assert_int_equal(stat(bare.dir, &gone), -1);
    return result;
}

static bool has_come(const struct traffic *traffic, const struct traffic_result *result)
{
    bool is_acked = traffic->plan.publishers == 0 || (result->publishes > 0 && traffic->publishers.ack.n > 0);
    return is_acked && result->deliveries > 0 && traffic->delivery.n > 0 && result->cost.procs_us[0] > 0;
}

/* On a busy machine the other processes may get no turn in a short time: it is doubled until they had one. */
static struct traffic_result run(struct traffic *traffic, const struct traffic_plan *traffic_plan,
                                 const struct floor_plan *plan, bool is_drained)
{
    struct traffic_result result = {0};
    for (double seconds = seconds_least; seconds < seconds_most; seconds *= 2) {
        result = run_for(traffic, traffic_plan, plan, is_drained, seconds);
        if (has_come(traffic, &result))
            return result;
        traffic_close(traffic);
    }
    fail_msg("nothing comes, however long it runs");
    return result;
}

static void relay(bool is_coalesced, bool is_logged)
{
    const struct floor_plan plan = {.kind = FLOOR_RELAY,
                                    .connections = 20,
                                    .delivery_bytes = 270,
                                    .ack_bytes = 80,
                                    .is_coalesced = is_coalesced,
                                    .is_logged = is_logged};
    const struct traffic_plan traffic_plan = {.members = 20,
                                              .members_a_room = 2,
                                              .publishers = 20,
                                              .window = 3,
                                              .size = 100,
                                              .sample_every = 1,
                                              .are_own_skipped = true};
    struct traffic traffic;
    struct traffic_result result = run(&traffic, &traffic_plan, &plan, true);
    assert_true(result.publishes > 0);
    assert_true(traffic_is_good(&traffic));
    assert_int_equal(traffic.members.deliveries, 2 * traffic.publishers.sent);
    assert_int_equal(traffic_delivery_bytes(&traffic), 270);
    assert_int_equal(traffic_ack_bytes(&traffic), 80);
    traffic_close(&traffic);
}

static void a_relay_passes_on_frame_by_frame(void **state)
{
    (void)state;
    relay(false, false);
}

static void a_relay_passes_on_in_one_send_a_turn(void **state)
{
    (void)state;
    relay(true, false);
}

static void a_relay_with_a_log_leaves_nothing_behind(void **state)
{
    (void)state;
    relay(true, true);
}

static void flood(size_t frame_bytes, unsigned frames_per_write)
{
    const struct floor_plan plan = {.kind = FLOOR_FLOOD,
                                    .connections = 10,
                                    .delivery_bytes = frame_bytes,
                                    .frames_per_write = frames_per_write};
    const struct traffic_plan traffic_plan = {
        .members = 10, .members_a_room = 10, .window = 1, .sample_every = 1};
    struct traffic traffic;
    struct traffic_result result = run(&traffic, &traffic_plan, &plan, false);
    assert_true(result.deliveries > 0);
    assert_int_equal(traffic.members.missed, 0);
    assert_int_equal(traffic.members.doubled, 0);
    assert_int_equal(traffic.members.strange, 0);
    assert_int_equal(traffic_delivery_bytes(&traffic), frame_bytes);
    traffic_close(&traffic);
}

static void a_flood_comes_in_order_whatever_the_frame_and_the_write(void **state)
{
    (void)state;
    flood(270, 1);
    flood(270, 97);
    flood(200, 3);
    flood(66000, 2); /* a length of eight bytes */
}

static void a_connection_that_breaks_is_told(void **state)
{
    const struct floor_plan plan = {.kind = FLOOR_IDLE, .connections = 5};
    struct floor bare;
    struct load load;
    (void)state;
    assert_true(floor_start(&bare, &plan));
    load_init(&load, 5, NULL);
    assert_true(load_connect(&load, bare.procs.targets, bare.procs.n_targets, 10000));
    assert_int_equal(load.n_ready, 5);
    assert_true(load_is_sound(&load));
    floor_stop(&bare);
    for (int turns = 0; turns < 100 && load.n_closed < 5; turns++)
        load_run(&load, 100000);
    assert_int_equal(load.n_closed, 5);
    assert_false(load_is_sound(&load));
    load_free(&load);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_relay_passes_on_frame_by_frame),
    cmocka_unit_test(a_relay_passes_on_in_one_send_a_turn),
    cmocka_unit_test(a_relay_with_a_log_leaves_nothing_behind),
    cmocka_unit_test(a_flood_comes_in_order_whatever_the_frame_and_the_write),
    cmocka_unit_test(a_connection_that_breaks_is_told),
};

RJ_TEST_MAIN(tests)
