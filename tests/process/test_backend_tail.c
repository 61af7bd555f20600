/* Following the log of a real broker, through its death too. */
#include <stdlib.h>
#include <string.h>

#include "tests/process/backend_support.h"

enum { FEW = 20, MANY = 500, LONG = 4000 };

/* A consumer that expects the numbers 0, 1, 2 … */
struct consumer {
    unsigned taken, wrong, started, gaps, ended;
    unsigned first; /* the first number that it expects */
    enum rejoin_status status;
    char offset[REJOIN_OFFSET_SIZE]; /* of the message taken last */
    struct rejoin_tail *tail;
};

static void on_message(void *arg, const struct rejoin_message *message)
{
    struct consumer *consumer = arg;
    unsigned expected = consumer->first + consumer->taken;
    if (strtoul(message->data, NULL, 10) != expected || message->target_count != 1)
        consumer->wrong++;
    snprintf(consumer->offset, sizeof consumer->offset, "%s", message->offset);
    consumer->taken++;
}

static void on_state(void *arg, enum rejoin_tail_state state, enum rejoin_status status, const char *offset)
{
    struct consumer *consumer = arg;
    consumer->started += state == REJOIN_TAIL_STARTED;
    consumer->gaps += state == REJOIN_TAIL_GAP;
    consumer->ended += state == REJOIN_TAIL_ENDED;
    consumer->status = status;
    if (state == REJOIN_TAIL_ENDED)
        assert_string_equal(offset, "");
}

static void follow(struct consumer *consumer, struct rejoin *handle, const char *room, const char *offset,
                   uint32_t window)
{
    struct rejoin_tail_options options = {.room = room,
                                          .offset = offset,
                                          .window = window,
                                          .on_message = on_message,
                                          .on_state = on_state,
                                          .arg = consumer};
    assert_int_equal(rejoin_tail(handle, &options, &consumer->tail), REJOIN_OK);
}

static void publish_numbers(struct rejoin *handle, const char *room, unsigned from, unsigned to)
{
    for (unsigned n = from; n < to; n++) {
        char data[16];
        snprintf(data, sizeof data, "%u", n);
        struct rejoin_publish publish = {.room = room, .data = data};
        assert_int_equal(rejoin_publish(handle, &publish, NULL, NULL), REJOIN_OK);
    }
    assert_int_equal(rejoin_flush(handle, PATIENCE_MS), REJOIN_OK);
}

static void expect_taken(struct rejoin *handle, const struct consumer *consumer, unsigned wanted)
{
    backend_run_until(handle, &consumer->taken, wanted);
    assert_int_equal(consumer->wrong, 0);
    assert_int_equal(consumer->gaps, 0);
    assert_int_equal(consumer->ended, 0);
}

static void a_tail_from_zero_gets_what_was_and_what_comes(void **state)
{
    struct consumer consumer = {0};
    struct rejoin *handle = backend_open(*state, "one");
    publish_numbers(handle, "lobby", 0, MANY);
    follow(&consumer, handle, "lobby", "0", 0);
    expect_taken(handle, &consumer, MANY);
    publish_numbers(handle, "lobby", MANY, MANY + FEW);
    expect_taken(handle, &consumer, MANY + FEW);
    assert_int_equal(consumer.started, 1);
    rejoin_close(&handle);
}

static void a_tail_from_now_on_gets_only_what_comes(void **state)
{
    struct consumer consumer = {.first = FEW};
    struct rejoin *handle = backend_open(*state, "one");
    publish_numbers(handle, "lobby", 0, FEW);
    follow(&consumer, handle, "lobby", NULL, 0);
    backend_run_until(handle, &consumer.started, 1);
    publish_numbers(handle, "lobby", FEW, 2 * FEW);
    expect_taken(handle, &consumer, FEW);
    rejoin_close(&handle);
}

static void a_tail_of_all_rooms_sees_every_room_and_one_of_a_room_only_that(void **state)
{
    struct consumer all = {0}, one = {0};
    struct rejoin *handle = backend_open(*state, "one");
    follow(&all, handle, NULL, "0", 0);
    follow(&one, handle, "first", "0", 0);
    publish_numbers(handle, "first", 0, FEW);
    publish_numbers(handle, "second", FEW, 2 * FEW);
    expect_taken(handle, &all, 2 * FEW);
    expect_taken(handle, &one, FEW);
    rejoin_close(&handle);
}

static void a_tail_with_a_window_of_one_gets_everything(void **state)
{
    struct consumer consumer = {0};
    struct rejoin *handle = backend_open(*state, "one");
    publish_numbers(handle, "lobby", 0, 3 * FEW);
    follow(&consumer, handle, "lobby", "0", 1);
    expect_taken(handle, &consumer, 3 * FEW);
    rejoin_close(&handle);
}

/* What is far behind is read aside, while messages go on coming, and then the rest in the turn. */
static void a_tail_from_far_behind_catches_up_while_more_comes(const char *room, unsigned window,
                                                               void **state)
{
    struct broker *broker = *state;
    struct consumer consumer = {0};
    struct rejoin *follower = backend_open(broker, "follower"), *publisher = backend_open(broker, "one");
    publish_numbers(publisher, "lobby", 0, LONG);
    broker_kill(broker); /* with nothing of the rooms in memory */
    broker_start(broker);
    follow(&consumer, follower, room, "0", window);
    publish_numbers(publisher, "lobby", LONG, LONG + MANY);
    expect_taken(follower, &consumer, LONG + MANY);
    rejoin_close(&follower);
    rejoin_close(&publisher);
}

static void a_tail_of_a_room_from_far_behind_catches_up(void **state)
{
    a_tail_from_far_behind_catches_up_while_more_comes("lobby", 0, state);
}

static void a_tail_of_all_rooms_from_far_behind_catches_up(void **state)
{
    a_tail_from_far_behind_catches_up_while_more_comes("", 0, state);
}

static void a_tail_with_a_small_window_from_far_behind_catches_up(void **state)
{
    a_tail_from_far_behind_catches_up_while_more_comes("", 7, state);
}

static void a_tail_that_ends_while_it_catches_up_harms_nobody(void **state)
{
    struct broker *broker = *state;
    struct rejoin *publisher = backend_open(broker, "one");
    publish_numbers(publisher, "lobby", 0, LONG);
    for (int i = 0; i < 20; i++) {
        struct consumer consumer = {0};
        struct rejoin *follower = backend_open(broker, "follower");
        follow(&consumer, follower, "", "0", 0);
        backend_run_until(follower, &consumer.started, 1);
        rejoin_close(&follower);
    }
    publish_numbers(publisher, "lobby", LONG, LONG + FEW); /* it lives */
    rejoin_close(&publisher);
}

static void a_tail_goes_on_through_a_broker_kill(void **state)
{
    struct broker *broker = *state;
    struct consumer consumer = {0};
    struct rejoin *follower = backend_open(broker, "follower"), *publisher = backend_open(broker, "one");
    follow(&consumer, follower, "lobby", "0", 0);
    publish_numbers(publisher, "lobby", 0, MANY / 2);
    expect_taken(follower, &consumer, MANY / 2);
    broker_kill(broker);
    broker_start(broker);
    publish_numbers(publisher, "lobby", MANY / 2, MANY);
    expect_taken(follower, &consumer, MANY);
    assert_true(consumer.started >= 2);
    rejoin_close(&follower);
    rejoin_close(&publisher);
}

static void a_tail_from_now_on_misses_nothing_while_the_broker_is_away(void **state)
{
    struct broker *broker = *state;
    struct consumer consumer = {.first = FEW};
    struct rejoin *follower = backend_open(broker, "follower"), *publisher = backend_open(broker, "one");
    publish_numbers(publisher, "lobby", 0, FEW);
    follow(&consumer, follower, "lobby", "", 0);
    backend_run_until(follower, &consumer.started, 1);
    broker_kill(broker);
    broker_start(broker);
    publish_numbers(publisher, "lobby", FEW, 2 * FEW); /* the follower has had no turn since */
    expect_taken(follower, &consumer, FEW);
    rejoin_close(&follower);
    rejoin_close(&publisher);
}

static void a_consumer_that_kept_its_offset_goes_on_after_its_own_restart(void **state)
{
    struct broker *broker = *state;
    struct consumer before = {0}, after = {.first = FEW};
    struct rejoin *handle = backend_open(broker, "one");
    publish_numbers(handle, "lobby", 0, FEW);
    follow(&before, handle, "lobby", "0", 0);
    expect_taken(handle, &before, FEW);
    rejoin_close(&handle);
    broker_kill(broker); /* the offset is of an older epoch then */
    broker_start(broker);
    handle = backend_open(broker, "one");
    publish_numbers(handle, "lobby", FEW, 2 * FEW);
    follow(&after, handle, "lobby", before.offset, 0);
    expect_taken(handle, &after, FEW);
    rejoin_close(&handle);
}

static void a_stopped_tail_is_silent(void **state)
{
    struct consumer stopped = {0}, other = {0};
    struct rejoin *handle = backend_open(*state, "one");
    follow(&stopped, handle, "lobby", "0", 0);
    follow(&other, handle, "lobby", "0", 0);
    publish_numbers(handle, "lobby", 0, FEW);
    expect_taken(handle, &stopped, FEW);
    rejoin_tail_stop(&stopped.tail);
    publish_numbers(handle, "lobby", FEW, 2 * FEW);
    expect_taken(handle, &other, 2 * FEW);
    assert_int_equal(stopped.taken, FEW);
    rejoin_close(&handle);
}

static void a_tail_of_a_bad_room_ends_with_the_error(void **state)
{
    struct consumer consumer = {0};
    struct rejoin *handle = backend_open(*state, "one");
    follow(&consumer, handle, "\xff", "0", 0);
    backend_run_until(handle, &consumer.ended, 1);
    assert_int_equal(consumer.status, REJOIN_BAD_NAME);
    rejoin_tail_stop(&consumer.tail);
    backend_publish(handle, "lobby", "1");
    rejoin_close(&handle);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(a_tail_from_zero_gets_what_was_and_what_comes, broker_setup,
                                    broker_teardown),
    cmocka_unit_test_setup_teardown(a_tail_from_now_on_gets_only_what_comes, broker_setup, broker_teardown),
    cmocka_unit_test_setup_teardown(a_tail_of_all_rooms_sees_every_room_and_one_of_a_room_only_that,
                                    broker_setup, broker_teardown),
    cmocka_unit_test_setup_teardown(a_tail_with_a_window_of_one_gets_everything, broker_setup,
                                    broker_teardown),
    cmocka_unit_test_setup_teardown(a_tail_of_a_room_from_far_behind_catches_up, broker_setup,
                                    broker_teardown),
    cmocka_unit_test_setup_teardown(a_tail_of_all_rooms_from_far_behind_catches_up, broker_setup,
                                    broker_teardown),
    cmocka_unit_test_setup_teardown(a_tail_with_a_small_window_from_far_behind_catches_up, broker_setup,
                                    broker_teardown),
    cmocka_unit_test_setup_teardown(a_tail_that_ends_while_it_catches_up_harms_nobody, broker_setup,
                                    broker_teardown),
    cmocka_unit_test_setup_teardown(a_tail_goes_on_through_a_broker_kill, broker_setup, broker_teardown),
    cmocka_unit_test_setup_teardown(a_tail_from_now_on_misses_nothing_while_the_broker_is_away, broker_setup,
                                    broker_teardown),
    cmocka_unit_test_setup_teardown(a_consumer_that_kept_its_offset_goes_on_after_its_own_restart,
                                    broker_setup, broker_teardown),
    cmocka_unit_test_setup_teardown(a_stopped_tail_is_silent, broker_setup, broker_teardown),
    cmocka_unit_test_setup_teardown(a_tail_of_a_bad_room_ends_with_the_error, broker_setup, broker_teardown),
};

RJ_TEST_MAIN(tests)
