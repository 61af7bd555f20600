/* The Socket.IO front end in the real gateway, with the real broker behind it: what a raw client gets to see.
 */
#include "tests/process/frontend_support.h"

/* ---- namespaces */

static void a_connect_is_answered_with_sid_and_pid(void **state)
{
    struct system *system = *state;
    struct rj_ws_client client;
    struct rj_buf data = {0};
    char sid[64], pid[64], expected[256];
    open_websocket(system, &client);
    send_text(&client, "40");
    expect_in(&client, "40{\"sid\":\"", &data);
    member_of(&data, "sid", sid);
    member_of(&data, "pid", pid);
    assert_string_not_equal(sid, pid);
    snprintf(expected, sizeof expected, "40{\"sid\":\"%s\",\"pid\":\"%s\"}", sid, pid);
    assert_string_equal(rj_buf_cstr(&data), expected);

    send_text(&client, "40/chat,{\"user\":\"bob\"}"); /* another on the same connection */
    expect_in(&client, "40/chat,{\"sid\":\"", &data);
    rj_buf_free(&data);
    rj_ws_disconnect(&client);
}

static void an_unknown_namespace_is_refused_and_the_connection_lives(void **state)
{
    struct system *system = *state;
    struct rj_ws_client client;
    char name[400];
    open_websocket(system, &client);
    send_text(&client, "40/nowhere,");
    expect(&client, "44/nowhere,{\"message\":\"Invalid namespace\"}");
    send_text(&client, "40/nowhere"); /* again, and without the comma */
    expect(&client, "44/nowhere,{\"message\":\"Invalid namespace\"}");
    memset(name, 'x', sizeof name);
    memcpy(name, "40/", 3);
    name[sizeof name - 1] = '\0';
    send_text(&client, name);
    expect(&client, "44/xxx");
    send_text(&client, "40");
    expect(&client, "40{\"sid\"");
    rj_ws_disconnect(&client);
}

static void a_namespace_may_be_left_and_joined_again(void **state)
{
    struct system *system = *state;
    struct rj_ws_client client;
    enter(system, &client);
    send_text(&client, "41");
    send_text(&client, "40");
    expect(&client, "40{\"sid\""); /* there is no answer to 41 */
    rj_ws_disconnect(&client);
}

static void without_recovery_the_answer_is_only_the_sid(void **state)
{
    struct system *system = *state;
    struct rj_ws_client client;
    struct rj_buf data = {0};
    char sid[64], expected[128];
    open_websocket(system, &client);
    send_text(&client, "40");
    expect_in(&client, "40{", &data);
    member_of(&data, "sid", sid);
    snprintf(expected, sizeof expected, "40{\"sid\":\"%s\"}", sid);
    assert_string_equal(rj_buf_cstr(&data), expected);
    send_text(&client, "40/chat,"); /* one namespace is all that this gateway allows */
    expect(&client, "44/chat,{\"message\":");
    rj_buf_free(&data);
    rj_ws_disconnect(&client);
}

static void who_joins_nothing_in_time_is_closed(void **state)
{
    struct system *system = *state;
    struct rj_ws_client idle, refused, joined;
    open_websocket(system, &idle);
    open_websocket(system, &refused);
    open_websocket(system, &joined);
    send_text(&refused, "40/nowhere,");
    expect(&refused, "44/nowhere,");
    send_text(&joined, "40");
    expect(&joined, "40{");
    assert_int_equal(rj_ws_close_code(&idle, WAIT_MS), 1000);
    assert_int_equal(rj_ws_close_code(&refused, WAIT_MS), 1000);
    send_text(&joined, "421[\"room:join\",\"tea\"]");
    expect(&joined, "431[{\"ok\":true,");
    rj_ws_disconnect(&idle);
    rj_ws_disconnect(&refused);
    rj_ws_disconnect(&joined);
}

/* ---- events */

static void members_get_a_message_with_its_offset_last(void **state)
{
    struct system *system = *state;
    struct rj_ws_client ada, bob;
    struct rj_buf data = {0};
    enter(system, &ada);
    enter(system, &bob);
    publish(&ada, "{\"text\":\"h\\u00e9\"}");
    expect_in(&bob, "42[\"room:message\",{\"room\":\"tea\",\"seq\":1,", &data);
    assert_non_null(strstr(rj_buf_cstr(&data), "\"data\":{\"text\":\"h\\u00e9\"}},\""));
    assert_string_equal(rj_buf_cstr(&data) + data.len - 2, "\"]");
    rj_buf_free(&data);
    rj_ws_disconnect(&ada);
    rj_ws_disconnect(&bob);
}

static void binary_goes_through_and_the_offset_follows_the_placeholders(void **state)
{
    struct system *system = *state;
    struct rj_ws_client ada, bob;
    struct rj_buf data = {0};
    enter(system, &ada);
    enter(system, &bob);
    send_text(&ada,
              "452-3[\"room:publish\",{\"room\":\"tea\",\"data\":{\"a\":{\"_placeholder\":true,\"num\":1},"
              "\"b\":{\"_placeholder\":true,\"num\":0}},\"echo\":false}]");
    assert_true(rj_ws_send_frame(&ada, RJ_WS_BINARY, true, "\0\1", 2));
    assert_true(rj_ws_send_frame(&ada, RJ_WS_BINARY, true, "", 0));
    expect(&ada, "433[{\"ok\":true,");
    expect_in(&bob, "452-[\"room:message\",{\"room\":\"tea\",", &data);
    assert_non_null(strstr(rj_buf_cstr(&data), "\"num\":0}}},\""));
    assert_string_equal(rj_buf_cstr(&data) + data.len - 2, "\"]");
    assert_int_equal(rj_ws_receive(&bob, &data, WAIT_MS), RJ_WS_BINARY);
    assert_int_equal(data.len, 2);
    assert_int_equal(rj_ws_receive(&bob, &data, WAIT_MS), RJ_WS_BINARY);
    assert_int_equal(data.len, 0);
    rj_buf_free(&data);
    rj_ws_disconnect(&ada);
    rj_ws_disconnect(&bob);
}

static void an_unknown_event_is_answered_and_an_unknown_ack_ignored(void **state)
{
    struct system *system = *state;
    struct rj_ws_client client;
    enter(system, &client);
    send_text(&client, "433[1]");
    send_text(&client, "425[\"nonsense\",1]");
    expect(&client, "435[{\"ok\":false,\"error\":{\"code\":\"no_handler\"");
    send_text(&client, "426[7,\"a name that is a number\"]");
    expect(&client, "436[{\"ok\":false,");
    rj_ws_disconnect(&client);
}

static void a_poller_gets_what_a_websocket_publishes(void **state)
{
    struct system *system = *state;
    struct rj_ws_client ada;
    struct rj_http_answer answer;
    char sid[64], path[128];
    assert_true(rj_http_once(system->port, "GET", POLLING, NULL, NULL, &answer));
    member_of(&answer.body, "sid", sid);
    rj_http_free(&answer);
    snprintf(path, sizeof path, POLLING "&sid=%s", sid);
    assert_true(rj_http_once(system->port, "POST", path, NULL, "40{\"user\":\"bob\"}", &answer));
    rj_http_free(&answer);
    assert_true(rj_http_once(system->port, "GET", path, NULL, NULL, &answer));
    assert_memory_equal(rj_http_body(&answer), "40{\"sid\"", 8);
    rj_http_free(&answer);
    assert_true(rj_http_once(system->port, "POST", path, NULL, "421[\"room:join\",\"tea\"]", &answer));
    rj_http_free(&answer);
    assert_true(rj_http_once(system->port, "GET", path, NULL, NULL, &answer));
    assert_memory_equal(rj_http_body(&answer), "431[{\"ok\":true", 14);
    rj_http_free(&answer);
    enter(system, &ada);
    publish(&ada, "1");
    publish(&ada, "2");
    struct rj_buf all = {0};
    while (!all.len || !strstr(rj_buf_cstr(&all), "\"seq\":2")) { /* in one answer or in two */
        assert_true(rj_http_once(system->port, "GET", path, NULL, NULL, &answer));
        assert_int_equal(answer.status, 200);
        rj_buf_put_span(&all, rj_buf_span(&answer.body));
        rj_http_free(&answer);
    }
    assert_non_null(strstr(rj_buf_cstr(&all), "\"seq\":1"));
    rj_buf_free(&all);
    rj_ws_disconnect(&ada);
}

static void a_session_is_rejoined_by_its_pid_and_gets_what_it_missed(void **state)
{
    struct system *system = *state;
    struct rj_ws_client ada, bob;
    struct rj_buf data = {0}, text = {0};
    char pid[64];
    enter(system, &ada);
    open_websocket(system, &bob);
    send_text(&bob, "40{\"user\":\"bob\"}");
    expect_in(&bob, "40{", &data);
    member_of(&data, "pid", pid);
    send_text(&bob, "421[\"room:join\",\"tea\"]");
    expect(&bob, "431[{\"ok\":true,");
    rj_ws_reset(&bob);
    publish(&ada, "\"missed\"");

    open_websocket(system, &bob);
    rj_buf_printf(&text, "40{\"pid\":\"%s\",\"user\":\"bob\"}", pid);
    send_text(&bob, rj_buf_cstr(&text));
    expect_in(&bob, "40{", &data);
    assert_non_null(strstr(rj_buf_cstr(&data), pid)); /* the CONNECT is answered first */
    expect_in(&bob, "42[\"room:message\"", &data);
    assert_non_null(strstr(rj_buf_cstr(&data), "\"missed\""));
    publish(&ada, "\"live\"");
    expect_in(&bob, "42[\"room:message\"", &data);
    assert_non_null(strstr(rj_buf_cstr(&data), "\"live\""));
    rj_buf_free(&data);
    rj_buf_free(&text);
    rj_ws_disconnect(&ada);
    rj_ws_disconnect(&bob);
}

/* ---- bad input */

static void packets_that_break_the_protocol_close_only_their_sender(void **state)
{
    struct system *system = *state;
    static const char *const wrong[] = {
        "4",
        "47",
        "4a",
        "40[]",
        "40{",
        "42",
        "42{}",
        "42[]",
        "42[{}]",
        "42[\"e\"",
        "42[\"connect\"]",
        "42[\"disconnect\"]",
        "42[\"disconnecting\"]",
        "42[\"newListener\"]",
        "41{}",
        "43[]",
        "44{\"message\":\"x\"}",
        "40" /* a second CONNECT */,
        "42/chat,[\"e\"]" /* not joined */,
        "41/chat," /* likewise */,
        "4511-[\"e\"]",
        "451-[\"e\",{\"_placeholder\":true,\"num\":1}]",
        "45[\"e\"]",
        "42[\"e\",NaN]",
    };
    struct rj_ws_client bystander, client;
    enter(system, &bystander);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        enter(system, &client);
        send_text(&client, wrong[i]);
        if (rj_ws_close_code(&client, WAIT_MS) != 1000)
            fail_msg("not closed: %s", wrong[i]);
        rj_ws_disconnect(&client);
    }
    publish(&bystander, "\"unharmed\"");
    rj_ws_disconnect(&bystander);
}

static void attachments_out_of_place_close_their_sender(void **state)
{
    struct system *system = *state;
    struct rj_ws_client client;
    enter(system, &client);
    assert_true(rj_ws_send_frame(&client, RJ_WS_BINARY, true, "stray", 5));
    assert_int_equal(rj_ws_close_code(&client, WAIT_MS), 1000);
    rj_ws_disconnect(&client);

    enter(system, &client);
    send_text(&client, "452-[\"e\"]");
    assert_true(rj_ws_send_frame(&client, RJ_WS_BINARY, true, "one", 3));
    send_text(&client, "42[\"e\"]");
    assert_int_equal(rj_ws_close_code(&client, WAIT_MS), 1000);
    rj_ws_disconnect(&client);

    enter(system, &client); /* and never sends the rest */
    send_text(&client, "455-[\"e\"]");
    assert_true(rj_ws_send_frame(&client, RJ_WS_BINARY, true, "one", 3));
    rj_ws_reset(&client);

    enter(system, &client); /* none announced */
    send_text(&client, "450-1[\"nonsense\"]");
    assert_int_equal(rj_ws_close_code(&client, WAIT_MS), 1000);
    rj_ws_disconnect(&client);
}

static void a_drain_drops_connections_without_a_word_of_socketio(void **state)
{
    struct system *system = *state;
    struct rj_ws_client client;
    struct rj_buf data = {0};
    enter(system, &client);
    assert_true(rj_process_signal(&system->gateway, SIGTERM));
    assert_int_equal(rj_ws_receive(&client, &data, WAIT_MS), RJ_WS_CLOSE); /* no 41: it shall come back */
    rj_buf_free(&data);
    rj_ws_disconnect(&client);
    int status = -1;
    assert_true(rj_process_wait_end(&system->gateway, WAIT_MS, &status));
    assert_int_equal(status, 0);
    start_gateway(system, NULL); /* for the teardown */
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(a_connect_is_answered_with_sid_and_pid, setup, teardown),
    cmocka_unit_test_setup_teardown(an_unknown_namespace_is_refused_and_the_connection_lives, setup,
                                    teardown),
    cmocka_unit_test_setup_teardown(a_namespace_may_be_left_and_joined_again, setup, teardown),
    cmocka_unit_test_setup_teardown(without_recovery_the_answer_is_only_the_sid, setup_tight, teardown),
    cmocka_unit_test_setup_teardown(who_joins_nothing_in_time_is_closed, setup_tight, teardown),
    cmocka_unit_test_setup_teardown(members_get_a_message_with_its_offset_last, setup, teardown),
    cmocka_unit_test_setup_teardown(binary_goes_through_and_the_offset_follows_the_placeholders, setup,
                                    teardown),
    cmocka_unit_test_setup_teardown(an_unknown_event_is_answered_and_an_unknown_ack_ignored, setup, teardown),
    cmocka_unit_test_setup_teardown(a_poller_gets_what_a_websocket_publishes, setup, teardown),
    cmocka_unit_test_setup_teardown(a_session_is_rejoined_by_its_pid_and_gets_what_it_missed, setup,
                                    teardown),
    cmocka_unit_test_setup_teardown(packets_that_break_the_protocol_close_only_their_sender, setup, teardown),
    cmocka_unit_test_setup_teardown(attachments_out_of_place_close_their_sender, setup, teardown),
    cmocka_unit_test_setup_teardown(a_drain_drops_connections_without_a_word_of_socketio, setup, teardown),
};

RJ_TEST_MAIN(tests)
