/* How clients end: by themselves, by the broker, by the gateway; and the reason that everybody is told. */
#include "tests/process/gateway_support.h"

static const struct entry main_entry = {.room = "tea"};

static int setup(void **state)
{
    static const char *const env[] = {"REJOIN_MAX_PAYLOAD=2000", NULL};
    stage_setup_with(state, env);
    link_up(*state);
    return 0;
}

static int setup_quick_heartbeat(void **state)
{
    static const char *const env[] = {"REJOIN_PING_INTERVAL=2000", "REJOIN_PING_TIMEOUT=100", NULL};
    stage_setup_with(state, env);
    link_up(*state);
    return 0;
}

static void kick_says_41_and_the_connection_lives(void **state)
{
    struct stage *stage = *state;
    struct guest one = {0}, chat;
    enter(stage, &one, &main_entry);
    chat = one;
    let_in(stage, &chat, knock(stage, &chat, "/chat", NULL), &(struct entry){.nsp = "/chat", .sid = "C"});
    kick(stage, &chat, REJOIN__KICK__HOW__NAMESPACE);
    one.ws = chat.ws;
    expect_text(stage, &one, "41/chat,");
    say(&one, "421[\"order\"]");
    reply_event(stage, get_command(stage, REJOIN__COMMAND__KIND_EVENT), "[]", NULL);
    expect_text(stage, &one, "431[]");
    assert_int_equal(
        metric(stage, "rejoin_gateway_clients_ended_total{reason=\"server namespace disconnect\"}"), 1);
    rj_ws_disconnect(&one.ws);
}

static void kick_close_says_41_everywhere_and_closes(void **state)
{
    struct stage *stage = *state;
    struct guest one = {0}, chat, waiting;
    enter(stage, &one, &main_entry);
    chat = one;
    let_in(stage, &chat, knock(stage, &chat, "/chat", NULL), &(struct entry){.nsp = "/chat", .sid = "C"});
    waiting = chat;
    knock(stage, &waiting, "/waiting", NULL);
    one.ws = waiting.ws;
    kick(stage, &one, REJOIN__KICK__HOW__CLOSE);
    expect_text(stage, &one, "41");
    expect_text(stage, &one, "41/chat,");
    assert_int_equal(rj_ws_receive(&one.ws, &stage->text, WAIT_MS), RJ_WS_CLOSE);
    Rejoin__Command *first = get_command(stage, REJOIN__COMMAND__KIND_DISCONNECT);
    Rejoin__Command *second = get_command(stage, REJOIN__COMMAND__KIND_DISCONNECT);
    assert_true((first->client == chat.handle && second->client == waiting.handle) ||
                (second->client == chat.handle && first->client == waiting.handle));
    assert_string_equal(first->disconnect->reason, "server namespace disconnect");
    assert_true(first->disconnect->left);
    assert_int_equal(
        metric(stage, "rejoin_gateway_clients_ended_total{reason=\"server namespace disconnect\"}"), 2);
    assert_true(log_has(stage, "why=\"because the test says so\""));
    rj_ws_disconnect(&one.ws);
}

static void kick_transport_drops_without_a_word(void **state)
{
    struct stage *stage = *state;
    struct guest one = {0}, chat;
    enter(stage, &one, &main_entry);
    chat = one;
    let_in(stage, &chat, knock(stage, &chat, "/chat", NULL), &(struct entry){.nsp = "/chat", .sid = "C"});
    one.ws = chat.ws;
    kick(stage, &one, REJOIN__KICK__HOW__TRANSPORT);
    assert_int_equal(rj_ws_receive(&one.ws, &stage->text, WAIT_MS), RJ_WS_CLOSE);
    expect_gone(stage, &chat, "forced close", false);
    rj_ws_disconnect(&one.ws);
}

static void every_end_has_socketios_own_reason(void **state)
{
    struct stage *stage = *state;
    static const struct {
        const char *text; /* what the client says last; NULL: it cuts the connection */
        const char *reason;
        bool left;
    } cases[] = {
        {"41", "client namespace disconnect", true},
        {NULL, "transport close", false},
        {"1", "transport close", false},
        {"2", "transport error", false},
        {"9", "parse error", false},
        {"4x", "forced close", false},
        {"42[]", "forced close", false},
        {"4511-[\"a\"]", "forced close", false},
        {"40", "forced server close", false},
        {"42/never,[\"a\"]", "forced server close", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct guest one = {0};
        char name[128];
        snprintf(name, sizeof name, "rejoin_gateway_clients_ended_total{reason=\"%s\"}", cases[i].reason);
        enter(stage, &one, &main_entry);
        uint64_t before = metric(stage, name);
        if (cases[i].text)
            say(&one, cases[i].text);
        else
            rj_ws_reset(&one.ws);
        expect_gone(stage, &one, cases[i].reason, cases[i].left);
        assert_int_equal(metric(stage, name), before + 1);
        rj_ws_disconnect(&one.ws);
    }
}

static void what_the_gateway_closes_is_logged_with_the_reason(void **state)
{
    struct stage *stage = *state;
    struct guest one = {0}, two = {0};
    enter(stage, &one, &main_entry);
    say(&one, "4x");
    expect_gone(stage, &one, "forced close", false);
    enter(stage, &two, &main_entry);
    say(&two, "1"); /* its own doing: no line */
    expect_gone(stage, &two, "transport close", false);
    assert_true(log_has(stage, "event=connection_closed address=127.0.0.1 reason=\"forced close\" "
                               "why=\"no Socket.IO packet\""));
    assert_false(log_has(stage, "transport close"));
    rj_ws_disconnect(&one.ws);
    rj_ws_disconnect(&two.ws);
}

static void a_message_that_is_too_large_is_a_transport_error(void **state)
{
    struct stage *stage = *state;
    struct guest one = {0};
    char text[2100];
    memset(text, 'x', sizeof text);
    enter(stage, &one, &main_entry);
    assert_true(rj_ws_send_frame(&one.ws, RJ_WS_TEXT, true, text, sizeof text));
    expect_gone(stage, &one, "transport error", false);
    assert_true(log_has(stage, "too large"));
    rj_ws_disconnect(&one.ws);
}

static void who_does_not_answer_a_ping_is_reported(void **state)
{
    struct stage *stage = *state;
    struct guest one = {0};
    enter(stage, &one, &main_entry);
    expect_gone(stage, &one, "ping timeout", false);
    assert_true(log_has(stage, "reason=\"ping timeout\""));
    assert_int_equal(metric(stage, "rejoin_gateway_clients_ended_total{reason=\"ping timeout\"}"), 1);
    rj_ws_disconnect(&one.ws);
}

static void a_drain_is_told_of_every_client(void **state)
{
    struct stage *stage = *state;
    struct guest one = {0}, two = {0};
    enter(stage, &one, &main_entry);
    enter(stage, &two, &(struct entry){.sid = "T"});
    rj_process_signal(&stage->gateway, SIGTERM);
    Rejoin__Command *first = get_command(stage, REJOIN__COMMAND__KIND_DISCONNECT);
    Rejoin__Command *second = get_command(stage, REJOIN__COMMAND__KIND_DISCONNECT);
    assert_int_not_equal(first->client, second->client);
    assert_string_equal(first->disconnect->reason, "server shutting down");
    assert_string_equal(second->disconnect->reason, "server shutting down");
    assert_false(first->disconnect->left);
    int status = -1;
    assert_true(rj_process_wait_end(&stage->gateway, WAIT_MS, &status));
    assert_int_equal(status, 0);
    rj_ws_disconnect(&one.ws);
    rj_ws_disconnect(&two.ws);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(kick_says_41_and_the_connection_lives, setup, stage_teardown),
    cmocka_unit_test_setup_teardown(kick_close_says_41_everywhere_and_closes, setup, stage_teardown),
    cmocka_unit_test_setup_teardown(kick_transport_drops_without_a_word, setup, stage_teardown),
    cmocka_unit_test_setup_teardown(every_end_has_socketios_own_reason, setup, stage_teardown),
    cmocka_unit_test_setup_teardown(what_the_gateway_closes_is_logged_with_the_reason, setup, stage_teardown),
    cmocka_unit_test_setup_teardown(a_message_that_is_too_large_is_a_transport_error, setup, stage_teardown),
    cmocka_unit_test_setup_teardown(who_does_not_answer_a_ping_is_reported, setup_quick_heartbeat,
                                    stage_teardown),
    cmocka_unit_test_setup_teardown(a_drain_is_told_of_every_client, setup, stage_teardown),
};

RJ_TEST_MAIN(tests)
