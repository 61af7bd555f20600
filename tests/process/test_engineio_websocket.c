/* Engine.IO over WebSocket, and its heartbeats. */
#include "tests/process/engineio_support.h"

static void messages_come_back_over_websocket(void **state)
{
    struct server *server = *state;
    struct rj_ws_client client;
    struct rj_buf data = {0};
    open_websocket(server, &client);
    assert_true(rj_ws_send_text(&client, "4hello"));
    assert_text(&client, "4hello");
    assert_true(rj_ws_send_frame(&client, RJ_WS_BINARY, true, "\0\1\2", 3));
    assert_int_equal(rj_ws_receive(&client, &data, WAIT_MS), RJ_WS_BINARY);
    assert_int_equal(data.len, 3);
    assert_memory_equal(data.data, "\0\1\2", 3);
    assert_true(rj_ws_send_frame(&client, RJ_WS_PING, true, "abc", 3));
    assert_int_equal(rj_ws_receive(&client, &data, WAIT_MS), RJ_WS_PONG);
    assert_int_equal(data.len, 3);
    rj_buf_free(&data);
    rj_ws_disconnect(&client);
}

static void fragments_are_put_together(void **state)
{
    struct server *server = *state;
    struct rj_ws_client client;
    open_websocket(server, &client);
    assert_true(rj_ws_send_frame(&client, RJ_WS_TEXT, false, "4a", 2));
    assert_true(rj_ws_send_frame(&client, RJ_WS_CONTINUATION, false, "", 0));
    assert_true(rj_ws_send_frame(&client, RJ_WS_PING, true, "", 0));
    assert_true(rj_ws_send_frame(&client, RJ_WS_CONTINUATION, false, "b\xc3", 2)); /* half a character */
    assert_true(rj_ws_send_frame(&client, RJ_WS_CONTINUATION, true, "\xb6", 1));
    struct rj_buf data = {0};
    assert_true(rj_ws_expect(&client, "4", &data, WAIT_MS));
    assert_string_equal(rj_buf_cstr(&data), "4ab\xc3\xb6");
    rj_buf_free(&data);
    rj_ws_disconnect(&client);
}

static void a_message_above_the_limit_closes_with_1009(void **state)
{
    struct server *server = *state;
    struct rj_ws_client client;
    char *data = calloc(1, 20000);
    memset(data, '4', 20000);
    open_websocket(server, &client);
    assert_true(rj_ws_send_frame(&client, RJ_WS_TEXT, true, data, 10001));
    assert_int_equal(rj_ws_close_code(&client, WAIT_MS), 1009);
    rj_ws_disconnect(&client);

    open_websocket(server, &client);
    for (int i = 0; i < 11; i++)
        rj_ws_send_frame(&client, i == 0 ? RJ_WS_TEXT : RJ_WS_CONTINUATION, false, data, 1000);
    assert_int_equal(rj_ws_close_code(&client, WAIT_MS), 1009);
    rj_ws_disconnect(&client);

    /* A header that promises 2^63 bytes is not waited for. */
    open_websocket(server, &client);
    assert_true(rj_ws_send_raw(&client, "\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\1\1\1\1abcdefgh", 22));
    assert_int_equal(rj_ws_close_code(&client, WAIT_MS), 1009);
    rj_ws_disconnect(&client);

    open_websocket(server, &client);
    assert_true(rj_ws_send_frame(&client, RJ_WS_TEXT, true, data, 10000));
    struct rj_buf back = {0};
    assert_int_equal(rj_ws_receive(&client, &back, WAIT_MS), RJ_WS_TEXT);
    assert_int_equal(back.len, 10000);
    rj_buf_free(&back);
    rj_ws_disconnect(&client);
    free(data);
}

static void what_is_no_packet_closes_the_websocket(void **state)
{
    struct server *server = *state;
    static const char *const wrong[] = {"abc", "", "7", "2"};
    struct rj_ws_client client;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        open_websocket(server, &client);
        assert_true(rj_ws_send_text(&client, wrong[i]));
        assert_int_equal(rj_ws_close_code(&client, WAIT_MS), 1000);
        rj_ws_disconnect(&client);
    }
    open_websocket(server, &client);
    assert_true(rj_ws_send_text(&client, "4\xff\xfe"));
    assert_int_equal(rj_ws_close_code(&client, WAIT_MS), 1007);
    rj_ws_disconnect(&client);
    open_websocket(server, &client); /* stray ones are tolerated */
    assert_true(rj_ws_send_text(&client, "0") && rj_ws_send_text(&client, "5") &&
                rj_ws_send_text(&client, "6") && rj_ws_send_text(&client, "3"));
    assert_true(rj_ws_send_text(&client, "4x"));
    assert_text(&client, "4x");
    assert_true(rj_ws_send_text(&client, "1"));
    assert_int_equal(rj_ws_close_code(&client, WAIT_MS), 1000);
    rj_ws_disconnect(&client);
}

static void a_slow_reader_gets_everything_in_the_end(void **state)
{
    struct server *server = *state;
    struct rj_ws_client client;
    struct rj_buf data = {0};
    enum { N = 2000, SIZE = 9000 };
    open_websocket(server, &client);
    assert_true(rj_ws_send_text(&client, "4burst 2000 9000"));
    assert_true(rj_ws_send_frame(&client, RJ_WS_PING, true, "p", 1)); /* answered between two frames */
    assert_serves(server);                                            /* others do not wait */
    assert_true(rj_ws_send_text(&client, "4end"));
    int n = 0;
    for (;;) {
        int opcode = rj_ws_receive(&client, &data, WAIT_MS);
        assert_true(opcode == RJ_WS_TEXT || opcode == RJ_WS_PONG);
        if (opcode == RJ_WS_TEXT && data.len == 4)
            break;
        if (opcode == RJ_WS_TEXT) {
            assert_int_equal(data.len, SIZE + 1);
            n++;
        }
    }
    assert_int_equal(n, N);
    rj_buf_free(&data);
    rj_ws_disconnect(&client);
}

static void connections_that_vanish_while_written_to_do_no_harm(void **state)
{
    struct server *server = *state;
    struct rj_ws_client client;
    for (int i = 0; i < 20; i++) {
        open_websocket(server, &client);
        assert_true(rj_ws_send_text(&client, "4burst 500 9000"));
        if (i % 2)
            rj_ws_reset(&client);
        else
            rj_ws_disconnect(&client);
    }
    assert_serves(server);
}

/* ---- heartbeats */

static void a_websocket_that_answers_pings_lives(void **state)
{
    struct server *server = *state;
    struct rj_ws_client client;
    struct rj_buf data = {0};
    open_websocket(server, &client);
    for (int i = 0; i < 4; i++) {
        assert_true(rj_ws_expect(&client, "2", &data, WAIT_MS));
        assert_true(rj_ws_send_text(&client, "3"));
    }
    assert_true(rj_ws_send_text(&client, "4x"));
    assert_true(rj_ws_expect(&client, "4x", &data, WAIT_MS));
    rj_buf_free(&data);
    rj_ws_disconnect(&client);
}

static void a_missing_pong_ends_the_session(void **state)
{
    struct server *server = *state;
    struct rj_ws_client client;
    char sid[64];
    open_websocket(server, &client);
    assert_text(&client, "2");
    assert_int_equal(rj_ws_close_code(&client, WAIT_MS), 1000);
    rj_ws_disconnect(&client);

    open_polling(server, sid);
    assert_answer(server, "GET", with_sid(POLLING, sid), NULL, NULL, 200, "2");
    assert_answer(server, "GET", with_sid(POLLING, sid), NULL, NULL, 200, "1");
    assert_gone(server, sid);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(messages_come_back_over_websocket, engineio_setup, engineio_teardown),
    cmocka_unit_test_setup_teardown(fragments_are_put_together, engineio_setup, engineio_teardown),
    cmocka_unit_test_setup_teardown(a_message_above_the_limit_closes_with_1009, engineio_setup,
                                    engineio_teardown),
    cmocka_unit_test_setup_teardown(what_is_no_packet_closes_the_websocket, engineio_setup,
                                    engineio_teardown),
    cmocka_unit_test_setup_teardown(a_slow_reader_gets_everything_in_the_end, engineio_setup,
                                    engineio_teardown),
    cmocka_unit_test_setup_teardown(connections_that_vanish_while_written_to_do_no_harm, engineio_setup,
                                    engineio_teardown),
    cmocka_unit_test_setup_teardown(a_websocket_that_answers_pings_lives, engineio_setup_quick,
                                    engineio_teardown),
    cmocka_unit_test_setup_teardown(a_missing_pong_ends_the_session, engineio_setup_quick, engineio_teardown),
};

RJ_TEST_MAIN(tests)
