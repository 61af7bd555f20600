/* Optimistic rooms at a real gateway: who is shown a pending message, and what each is told of its fate,
 * whatever becomes of the broker meanwhile. */
#include "proto/offset.h"
#include "tests/process/gateway_support.h"

#define TEA       ((const struct target[]){{REJOIN__TARGET__KIND__ROOM, "tea"}, {0, NULL}})
#define PENDING   "42[\"m\",{\"room\":\"tea\",\"ts\":0,\"id\":"
#define CONFIRMED "42[\"room:confirmed\","
#define FAILED    "42[\"room:failed\","

static const struct entry ada = {.sid = "A", .room = "tea"};
static const struct entry bob = {.sid = "B", .room = "tea"};

static int setup(void **state)
{
    stage_setup(state);
    link_up(*state);
    return 0;
}

static void show(struct stage *stage, uint64_t pos, const char *id)
{
    deliver(stage, &(struct what){.pos = pos, .targets = TEA, .id = id, .from_sid = "X", .is_pending = true});
}

static void log_it(struct stage *stage, uint64_t pos, const char *id)
{
    deliver(stage, &(struct what){.pos = pos, .targets = TEA, .id = id, .from_sid = "X"});
}

static void expect_pending(struct stage *stage, struct guest *guest, const char *id, uint64_t offset_pos)
{
    char text[256], offset[RJ_OFFSET_MAX + 1];
    rj_offset_format((struct rj_offset){EPOCH, offset_pos}, offset);
    snprintf(text, sizeof text,
             PENDING "\"%s\",\"from\":{\"user\":null,\"sid\":\"X\"},\"pending\":true,\"data\":1},\"%s\"]", id,
             offset);
    expect_text(stage, guest, text);
}

/* Seqs are positions here. */
static void expect_confirmed(struct stage *stage, struct guest *guest, const char *id, uint64_t epoch,
                             uint64_t pos)
{
    char text[256], offset[RJ_OFFSET_MAX + 1];
    rj_offset_format((struct rj_offset){epoch, pos}, offset);
    snprintf(text, sizeof text,
             CONFIRMED "{\"room\":\"tea\",\"seq\":%llu,\"ts\":0,\"id\":\"%s\",\"from\":{\"user\":null,"
                       "\"sid\":\"X\"},\"offset\":\"%s\"},\"%s\"]",
             (unsigned long long)pos, id, offset, offset);
    expect_text(stage, guest, text);
}

/* Without an offset behind it. */
static void expect_failed(struct stage *stage, struct guest *guest, const char *id)
{
    char text[256];
    snprintf(text, sizeof text,
             FAILED "{\"room\":\"tea\",\"id\":\"%s\",\"from\":{\"user\":null,\"sid\":\"X\"},\"error\":"
                    "{\"code\":\"unavailable\",\"message\":\"the message was not stored\"}}]",
             id);
    expect_text(stage, guest, text);
}

static void expect_message(struct stage *stage, struct guest *guest, const char *id, uint64_t seq)
{
    char prefix[128];
    snprintf(prefix, sizeof prefix,
             "42[\"m\",{\"room\":\"tea\",\"seq\":%llu,\"ts\":0,\"id\":\"%s\",\"from\":",
             (unsigned long long)seq, id);
    expect_start(stage, guest, prefix);
}

/* The broker has died and is back, with this as the log's head. */
static void restart(struct stage *stage, uint64_t epoch, uint64_t head)
{
    link_down(stage);
    assert_non_null(rj_fake_broker_welcome(&stage->broker, epoch, head, false, WAIT_MS));
    assert_non_null(rj_fake_broker_expect(&stage->broker, REJOIN__ITEM__KIND_READY, WAIT_MS));
}

/* Stays alive to the gateway until it has given up so many messages. */
static void await_failed(struct stage *stage, uint64_t n)
{
    for (unsigned ms = 0; metric(stage, "rejoin_gateway_pendings_failed_total") < n; ms += 100) {
        assert_true(ms < WAIT_MS);
        rj_fake_broker_expect(&stage->broker, REJOIN__ITEM__KIND_HELLO, 100);
    }
}

static void bye(struct guest *guest)
{
    rj_ws_disconnect(&guest->ws);
}

/* ------------------------------------------------------------------------------------------ confirmed */

static void members_are_shown_it_at_once_and_then_told_that_it_is_stored(void **state)
{
    struct stage *stage = *state;
    struct guest one = {0}, two = {0};
    enter(stage, &one, &ada);
    enter(stage, &two, &bob);
    show(stage, 41, "a");
    show(stage, 42, "b");
    /* The offset is the stream's, which is committed, not the place that the message may get. */
    expect_pending(stage, &one, "a", HEAD);
    expect_pending(stage, &one, "b", HEAD);
    expect_pending(stage, &two, "a", HEAD);
    expect_pending(stage, &two, "b", HEAD);
    log_it(stage, 41, "a");
    log_it(stage, 42, "b");
    expect_confirmed(stage, &one, "a", EPOCH, 41);
    expect_confirmed(stage, &one, "b", EPOCH, 42);
    expect_confirmed(stage, &two, "a", EPOCH, 41);
    expect_confirmed(stage, &two, "b", EPOCH, 42);
    assert_int_equal(metric(stage, "rejoin_gateway_pendings_total"), 2);
    assert_int_equal(metric(stage, "rejoin_gateway_pendings_confirmed_total"), 2);
    assert_int_equal(metric(stage, "rejoin_gateway_pendings_open"), 0);
    bye(&one);
    bye(&two);
}

static void whoever_was_not_shown_it_gets_the_message(void **state)
{
    struct stage *stage = *state;
    struct guest one = {0}, late = {0}, replaying = {0};
    enter(stage, &one, &ada);
    enter(stage, &replaying, &(struct entry){.sid = "R", .room = "tea", .recovered = true});
    show(stage, 41, "a");
    expect_pending(stage, &one, "a", HEAD);
    enter(stage, &late, &bob);
    caught_up(stage, &replaying, HEAD);
    log_it(stage, 41, "a");
    expect_confirmed(stage, &one, "a", EPOCH, 41);
    expect_message(stage, &late, "a", 41);
    expect_message(stage, &replaying, "a", 41);
    bye(&one);
    bye(&late);
    bye(&replaying);
}

static void whoever_is_excepted_learns_nothing(void **state)
{
    struct stage *stage = *state;
    struct guest one = {0}, two = {0};
    enter(stage, &one, &ada);
    enter(stage, &two, &bob);
    const struct what pending = {
        .pos = 41, .targets = TEA, .id = "a", .from_sid = "X", .except_sid = "A", .is_pending = true};
    struct what logged = pending;
    logged.is_pending = false;
    deliver(stage, &pending);
    deliver(stage, &logged);
    expect_pending(stage, &two, "a", HEAD);
    expect_confirmed(stage, &two, "a", EPOCH, 41);
    log_it(stage, 42, "next");
    expect_message(stage, &one, "next", 42);
    bye(&one);
    bye(&two);
}

static void who_leaves_hears_no_more_and_who_returns_is_told(void **state)
{
    struct stage *stage = *state;
    struct guest gone = {0}, back = {0};
    enter(stage, &gone, &ada);
    enter(stage, &back, &bob);
    show(stage, 41, "a");
    expect_pending(stage, &gone, "a", HEAD);
    expect_pending(stage, &back, "a", HEAD);
    moved(stage, &gone, "tea", true, 0);
    moved(stage, &back, "tea", true, 0);
    moved(stage, &back, "tea", false, 41); /* behind the message, which it has seen before */
    log_it(stage, 41, "a");
    expect_confirmed(stage, &back, "a", EPOCH, 41);
    expect_none(stage, &gone, "42");
    bye(&gone);
    bye(&back);
}

static void a_client_that_was_replayed_to_has_it_by_the_log(void **state)
{
    struct stage *stage = *state;
    struct guest *guest = &stage->guest;
    enter(stage, guest, &ada);
    show(stage, 41, "a");
    expect_pending(stage, guest, "a", HEAD);
    log_it(stage, 41, "a");
    expect_confirmed(stage, guest, "a", EPOCH, 41);
    /* The refill of a fresh stream says it again: it stands in the client's queue already. */
    link_down(stage);
    link_up(stage);
    log_it(stage, 41, "a");
    log_it(stage, 42, "b");
    expect_message(stage, guest, "b", 42);
}

/* ------------------------------------------------------------------------------------------ the broker dies
 */

static void one_that_was_committed_before_the_crash_is_confirmed_by_the_refill(void **state)
{
    struct stage *stage = *state;
    struct guest *guest = &stage->guest;
    enter(stage, guest, &ada);
    show(stage, 41, "a");
    expect_pending(stage, guest, "a", HEAD);
    restart(stage, EPOCH + 1, 41);
    log_it(stage, 41, "a");
    expect_confirmed(stage, guest, "a", EPOCH + 1, 41);
    expect_none(stage, guest, FAILED);
}

static void one_that_its_publisher_repeats_is_confirmed_in_its_new_place(void **state)
{
    struct stage *stage = *state;
    struct guest *guest = &stage->guest;
    enter(stage, guest, &ada);
    show(stage, 42, "a");
    expect_pending(stage, guest, "a", HEAD);
    restart(stage, EPOCH + 1, HEAD);
    log_it(stage, 41, "another"); /* positions that were not committed are given again */
    show(stage, 43, "a");
    expect_message(stage, guest, "another", 41);
    expect_none(stage, guest, PENDING); /* it is shown already */
    assert_int_equal(metric(stage, "rejoin_gateway_pendings_open"), 1);
    log_it(stage, 42, "yet another");
    log_it(stage, 43, "a");
    expect_message(stage, guest, "yet another", 42);
    expect_confirmed(stage, guest, "a", EPOCH + 1, 43);
    expect_none(stage, guest, FAILED);
}

static void one_that_is_not_repeated_fails_a_lease_after_the_brokers_return(void **state)
{
    struct stage *stage = *state;
    struct guest one = {0}, two = {0}, late = {0};
    enter(stage, &one, &ada);
    enter(stage, &two, &bob);
    show(stage, 41, "a");
    expect_pending(stage, &one, "a", HEAD);
    expect_pending(stage, &two, "a", HEAD);
    enter(stage, &late, &(struct entry){.sid = "L", .room = "tea"});
    stage->broker.lease_ms = 2000;
    restart(stage, EPOCH + 1, HEAD);
    await_failed(stage, 1);
    expect_failed(stage, &one, "a");
    expect_failed(stage, &two, "a");
    /* A publisher that comes later still makes a new attempt. */
    show(stage, 41, "a");
    expect_start(stage, &one, PENDING);
    log_it(stage, 41, "a");
    expect_confirmed(stage, &one, "a", EPOCH + 1, 41);
    expect_start(stage, &late, PENDING); /* of the first attempt it has heard nothing */
    bye(&one);
    bye(&two);
    bye(&late);
}

static void a_lost_stream_alone_fails_nothing(void **state)
{
    struct stage *stage = *state;
    struct guest *guest = &stage->guest;
    enter(stage, guest, &ada);
    show(stage, 41, "a");
    expect_pending(stage, guest, "a", HEAD);
    link_down(stage);
    link_up(stage); /* the same epoch: what was accepted will be committed */
    assert_int_equal(metric(stage, "rejoin_gateway_pendings_open"), 1);
    log_it(stage, 41, "a");
    expect_confirmed(stage, guest, "a", EPOCH, 41);
}

static void another_store_forgets_what_was_pending_with_the_clients(void **state)
{
    struct stage *stage = *state;
    struct guest *guest = &stage->guest;
    enter(stage, guest, &ada);
    show(stage, 41, "a");
    expect_pending(stage, guest, "a", HEAD);
    link_down(stage);
    assert_non_null(rj_fake_broker_welcome(&stage->broker, EPOCH + 5, 3, true, WAIT_MS));
    assert_non_null(rj_fake_broker_expect(&stage->broker, REJOIN__ITEM__KIND_READY, WAIT_MS));
    assert_int_equal(metric(stage, "rejoin_gateway_pendings_open"), 0);
}

static void a_pending_message_that_is_none_is_garbage(void **state)
{
    struct stage *stage = *state;
    struct guest *guest = &stage->guest;
    enter(stage, guest, &ada);
    show(stage, 41, "");
    show(stage, 0, "a");
    deliver(stage,
            &(struct what){.pos = 41, .targets = TEA, .id = "a", .is_plain = true, .is_pending = true});
    log_it(stage, 41, "b");
    expect_message(stage, guest, "b", 41);
    assert_int_equal(metric(stage, "rejoin_gateway_link_garbage_total"), 3);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(members_are_shown_it_at_once_and_then_told_that_it_is_stored, setup,
                                    stage_teardown),
    cmocka_unit_test_setup_teardown(whoever_was_not_shown_it_gets_the_message, setup, stage_teardown),
    cmocka_unit_test_setup_teardown(whoever_is_excepted_learns_nothing, setup, stage_teardown),
    cmocka_unit_test_setup_teardown(who_leaves_hears_no_more_and_who_returns_is_told, setup, stage_teardown),
    cmocka_unit_test_setup_teardown(a_client_that_was_replayed_to_has_it_by_the_log, setup, stage_teardown),
    cmocka_unit_test_setup_teardown(one_that_was_committed_before_the_crash_is_confirmed_by_the_refill, setup,
                                    stage_teardown),
    cmocka_unit_test_setup_teardown(one_that_its_publisher_repeats_is_confirmed_in_its_new_place, setup,
                                    stage_teardown),
    cmocka_unit_test_setup_teardown(one_that_is_not_repeated_fails_a_lease_after_the_brokers_return, setup,
                                    stage_teardown),
    cmocka_unit_test_setup_teardown(a_lost_stream_alone_fails_nothing, setup, stage_teardown),
    cmocka_unit_test_setup_teardown(another_store_forgets_what_was_pending_with_the_clients, setup,
                                    stage_teardown),
    cmocka_unit_test_setup_teardown(a_pending_message_that_is_none_is_garbage, setup, stage_teardown),
};

RJ_TEST_MAIN(tests)
