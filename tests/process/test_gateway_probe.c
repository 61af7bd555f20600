/* The broker wants to know whether a connection lives: what counts as a sign of life. */
#include "tests/process/gateway_support.h"

static int setup(void **state)
{
    stage_setup(state);
    link_up(*state);
    return 0;
}

/* A ping of its own is out soon, but not before its client has come in, and stays unanswered for long. */
static int setup_pinging(void **state)
{
    static const char *const env[] = {"REJOIN_PING_INTERVAL=2000", "REJOIN_PING_TIMEOUT=60000", NULL};
    stage_setup_with(state, env);
    link_up(*state);
    return 0;
}

static void probe(struct stage *stage, uint64_t client)
{
    Rejoin__Probe item = REJOIN__PROBE__INIT;
    item.client = client;
    rj_fake_broker_send(&stage->broker, REJOIN__ITEM__KIND_PROBE, &item);
}

static void expect_alive(struct stage *stage, uint64_t client)
{
    Rejoin__Item *item = rj_fake_broker_expect(&stage->broker, REJOIN__ITEM__KIND_ALIVE, WAIT_MS);
    assert_non_null(item);
    assert_int_equal(item->alive->client, client);
}

static void a_probe_is_a_ping_and_its_pong_the_sign_of_life(void **state)
{
    struct stage *stage = *state;
    struct guest one = {0};
    enter(stage, &one, &(struct entry){0});
    probe(stage, one.handle);
    expect_text(stage, &one, "2");
    expect_no_item(stage, REJOIN__ITEM__KIND_ALIVE);
    say(&one, "3");
    expect_alive(stage, one.handle);
    say(&one, "3"); /* nobody has asked */
    expect_no_item(stage, REJOIN__ITEM__KIND_ALIVE);
    probe(stage, one.handle);
    expect_text(stage, &one, "2");
    say(&one, "3");
    expect_alive(stage, one.handle);
    rj_ws_disconnect(&one.ws);
}

static void a_pong_to_an_earlier_ping_is_none(void **state)
{
    struct stage *stage = *state;
    struct guest one = {0};
    enter(stage, &one, &(struct entry){0});
    expect_text(stage, &one, "2");
    probe(stage, one.handle);
    expect_text(stage, &one, "2");
    say(&one, "3");
    expect_no_item(stage, REJOIN__ITEM__KIND_ALIVE);
    say(&one, "3");
    expect_alive(stage, one.handle);
    rj_ws_disconnect(&one.ws);
}

static void other_words_are_none(void **state)
{
    struct stage *stage = *state;
    struct guest one = {0};
    enter(stage, &one, &(struct entry){0});
    probe(stage, one.handle);
    expect_text(stage, &one, "2");
    say(&one, "421[\"order\"]"); /* it may have been on its way for long */
    get_command(stage, REJOIN__COMMAND__KIND_EVENT);
    expect_no_item(stage, REJOIN__ITEM__KIND_ALIVE);
    rj_ws_disconnect(&one.ws);
}

static void each_namespace_of_a_connection_is_asked_for_itself(void **state)
{
    struct stage *stage = *state;
    struct guest one = {0}, chat;
    enter(stage, &one, &(struct entry){0});
    chat = one;
    let_in(stage, &chat, knock(stage, &chat, "/chat", NULL), &(struct entry){.nsp = "/chat", .sid = "C"});
    probe(stage, chat.handle);
    expect_text(stage, &chat, "2");
    say(&chat, "3");
    expect_alive(stage, chat.handle);
    expect_no_item(stage, REJOIN__ITEM__KIND_ALIVE);
    rj_ws_disconnect(&chat.ws);
}

static void a_probe_of_nobody_is_ignored(void **state)
{
    struct stage *stage = *state;
    struct guest one = {0};
    probe(stage, 12345);
    enter(stage, &one, &(struct entry){0});
    rj_ws_disconnect(&one.ws);
    expect_gone(stage, &one, "transport close", false);
    probe(stage, one.handle);
    expect_no_item(stage, REJOIN__ITEM__KIND_ALIVE);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(a_probe_is_a_ping_and_its_pong_the_sign_of_life, setup, stage_teardown),
    cmocka_unit_test_setup_teardown(a_pong_to_an_earlier_ping_is_none, setup_pinging, stage_teardown),
    cmocka_unit_test_setup_teardown(other_words_are_none, setup, stage_teardown),
    cmocka_unit_test_setup_teardown(each_namespace_of_a_connection_is_asked_for_itself, setup,
                                    stage_teardown),
    cmocka_unit_test_setup_teardown(a_probe_of_nobody_is_ignored, setup, stage_teardown),
};

RJ_TEST_MAIN(tests)
