/* Events for backends: how they are said to the broker, said again, and answered. */
#include "tests/process/gateway_support.h"

static int setup(void **state)
{
    stage_setup(state);
    link_up(*state);
    return 0;
}

static int setup_impatient(void **state)
{
    static const char *const env[] = {"REJOIN_COMMAND_TIMEOUT=300", NULL};
    stage_setup_with(state, env);
    link_up(*state);
    return 0;
}

static int setup_large(void **state)
{
    static const char *const env[] = {"REJOIN_MAX_PAYLOAD=8000000", NULL};
    stage_setup_with(state, env);
    link_up(*state);
    return 0;
}

enum { PENDING = 5 };

static int setup_small(void **state)
{
    static const char *const env[] = {"REJOIN_MAX_PENDING=5", NULL};
    stage_setup_with(state, env);
    link_up(*state);
    return 0;
}

static Rejoin__Command *get_event(struct stage *stage, const char *name)
{
    Rejoin__Command *command = get_command(stage, REJOIN__COMMAND__KIND_EVENT);
    assert_string_equal(command->event->name, name);
    return command;
}

static void an_answer_is_the_ack_with_all_arguments(void **state)
{
    struct stage *stage = *state;
    struct guest one = {0};
    enter(stage, &one, &(struct entry){0});
    say(&one, "425[\"order\",{\"a\":1},[2]]");
    Rejoin__Command *command = get_event(stage, "order");
    assert_true(
        rj_span_is(rj_span_of(command->event->args.data, command->event->args.len), "[{\"a\":1},[2]]"));
    assert_true(command->event->wants_ack);
    assert_false(command->event->repeated);
    reply_event(stage, command, "[null,\"b\",{\"_placeholder\":true,\"num\":0}]", "bytes");
    expect_text(stage, &one, "461-5[null,\"b\",{\"_placeholder\":true,\"num\":0}]");
    assert_int_equal(rj_ws_receive(&one.ws, &stage->text, WAIT_MS), RJ_WS_BINARY);
    assert_string_equal(rj_buf_cstr(&stage->text), "bytes");
    say(&one, "426[\"order\"]");
    reply_event(stage, get_event(stage, "order"), "[]", NULL);
    expect_text(stage, &one, "436[]");
    rj_ws_disconnect(&one.ws);
}

static void a_refusal_is_an_ack_with_its_code(void **state)
{
    struct stage *stage = *state;
    struct guest one = {0};
    enter(stage, &one, &(struct entry){0});
    say(&one, "421[\"order\"]");
    reply_error(stage, get_event(stage, "order"), "no_handler", "no backend serves this event");
    expect_text(stage, &one,
                "431[{\"ok\":false,\"error\":{\"code\":\"no_handler\","
                "\"message\":\"no backend serves this event\"}}]");
    say(&one, "422[\"order\"]");
    reply_error(stage, get_event(stage, "order"), "out_of_stock", "none left");
    expect_text(stage, &one,
                "432[{\"ok\":false,\"error\":{\"code\":\"out_of_stock\",\"message\":\"none left\"}}]");
    say(&one, "42[\"order\"]"); /* wants no ack: it is not told */
    reply_error(stage, get_event(stage, "order"), "no_handler", "no backend serves this event");
    expect_none(stage, &one, "4");
    rj_ws_disconnect(&one.ws);
}

static void an_event_said_again_is_marked_and_keeps_its_id(void **state)
{
    struct stage *stage = *state;
    struct guest one = {0};
    enter(stage, &one, &(struct entry){0});
    say(&one, "425[\"order\",1]");
    Rejoin__Command *first = get_event(stage, "order");
    link_down(stage);
    Rejoin__Hello *hello = rj_fake_broker_expect(&stage->broker, REJOIN__ITEM__KIND_HELLO, WAIT_MS)->hello;
    assert_int_equal(hello->epoch, EPOCH);
    say(&one, "426[\"later\",2]"); /* while there is no stream */
    expect_none(stage, &one, "4");
    Rejoin__Welcome welcome = REJOIN__WELCOME__INIT;
    welcome.epoch = EPOCH + 1; /* the broker was restarted */
    welcome.head = HEAD;
    welcome.ping_ms = 200;
    welcome.lease_ms = 20000;
    rj_fake_broker_send(&stage->broker, REJOIN__ITEM__KIND_WELCOME, &welcome);
    Rejoin__Command *again = get_event(stage, "order"), *later = get_event(stage, "later");
    assert_int_equal(again->id, first->id);
    assert_true(again->event->repeated);
    assert_false(later->event->repeated); /* never said before */
    reply_event(stage, again, "[\"once\"]", NULL);
    expect_text(stage, &one, "435[\"once\"]");
    rj_ws_disconnect(&one.ws);
}

static void a_handler_may_take_longer_than_a_command(void **state)
{
    struct stage *stage = *state;
    struct guest one = {0};
    enter(stage, &one, &(struct entry){0});
    say(&one, "421[\"slow\"]");
    say(&one, "422[\"room:history\",\"tea\"]");
    Rejoin__Command *command = get_event(stage, "slow");
    while (!rj_ws_expect(&one.ws, "432[{\"ok\":false,\"error\":{\"code\":\"timeout\"", &stage->text, SOON_MS))
        rj_fake_broker_expect(&stage->broker, REJOIN__ITEM__KIND_ERROR, 1); /* answers the pings */
    rj_fake_broker_expect(&stage->broker, REJOIN__ITEM__KIND_ERROR, SOON_MS);
    reply_event(stage, command, "[\"done\"]", NULL);
    expect_text(stage, &one, "431[\"done\"]");
    rj_ws_disconnect(&one.ws);
}

static void without_a_broker_an_event_fails_in_time(void **state)
{
    struct stage *stage = *state;
    struct guest one = {0};
    enter(stage, &one, &(struct entry){0});
    say(&one, "421[\"order\"]");
    get_event(stage, "order");
    link_down(stage);
    assert_non_null(rj_fake_broker_expect(&stage->broker, REJOIN__ITEM__KIND_HELLO, WAIT_MS));
    say(&one, "422[\"order\"]");
    /* The first one may have been handled; of the second nobody has heard. */
    expect_start(stage, &one, "431[{\"ok\":false,\"error\":{\"code\":\"timeout\"");
    expect_start(stage, &one, "432[{\"ok\":false,\"error\":{\"code\":\"unavailable\"");
    rj_ws_disconnect(&one.ws);
}

/* The played broker says nothing of its limit, so the gateway takes it to be small: half of 4 MiB. */
static void an_event_that_no_broker_could_take_is_refused(void **state)
{
    struct stage *stage = *state;
    struct guest one = {0};
    enum { LARGE = 3 << 20 };
    char *text = malloc(LARGE + 64);
    int len = sprintf(text, "421[\"order\",\"");
    memset(text + len, 'x', LARGE);
    strcpy(text + len + LARGE, "\"]");
    enter(stage, &one, &(struct entry){0});
    say(&one, text);
    expect_start(stage, &one, "431[{\"ok\":false,\"error\":{\"code\":\"too_large\"");
    say(&one, "422[\"order\",1]"); /* the stream lives */
    reply_event(stage, get_event(stage, "order"), "[]", NULL);
    expect_text(stage, &one, "432[]");
    free(text);
    rj_ws_disconnect(&one.ws);
}

/* Of all clients: the other one pays, too. */
static void so_many_commands_may_wait_for_the_broker(void **state)
{
    struct stage *stage = *state;
    struct guest one = {0}, two = {0};
    enter(stage, &one, &(struct entry){0});
    enter(stage, &two, &(struct entry){.sid = "T"});
    for (int i = 0; i < PENDING; i++)
        say(&one, "425[\"order\"]");
    Rejoin__Command *first = get_event(stage, "order");
    for (int i = 1; i < PENDING; i++)
        get_event(stage, "order");
    say(&two, "426[\"order\"]");
    expect_start(stage, &two, "436[{\"ok\":false,\"error\":{\"code\":\"busy\"");
    reply_event(stage, first, "[]", NULL);
    expect_text(stage, &one, "435[]");
    say(&two, "427[\"order\"]");
    reply_event(stage, get_event(stage, "order"), "[]", NULL);
    expect_text(stage, &two, "437[]");
    rj_ws_disconnect(&one.ws);
    rj_ws_disconnect(&two.ws);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(so_many_commands_may_wait_for_the_broker, setup_small, stage_teardown),
    cmocka_unit_test_setup_teardown(an_answer_is_the_ack_with_all_arguments, setup, stage_teardown),
    cmocka_unit_test_setup_teardown(a_refusal_is_an_ack_with_its_code, setup, stage_teardown),
    cmocka_unit_test_setup_teardown(an_event_said_again_is_marked_and_keeps_its_id, setup, stage_teardown),
    cmocka_unit_test_setup_teardown(a_handler_may_take_longer_than_a_command, setup_impatient,
                                    stage_teardown),
    cmocka_unit_test_setup_teardown(without_a_broker_an_event_fails_in_time, setup_impatient, stage_teardown),
    cmocka_unit_test_setup_teardown(an_event_that_no_broker_could_take_is_refused, setup_large,
                                    stage_teardown),
};

RJ_TEST_MAIN(tests)
