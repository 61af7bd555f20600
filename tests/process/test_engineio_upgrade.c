/* The upgrade of an Engine.IO session from polling to WebSocket. */
#include "tests/process/engineio_support.h"

static void start_upgrade(const struct server *server, const char *sid, struct rj_ws_client *candidate)
{
    assert_int_equal(rj_ws_open(candidate, server->port, with_sid(WEBSOCKET, sid), NULL), 101);
    assert_true(rj_ws_send_text(candidate, "2probe"));
    assert_text(candidate, "3probe");
}

static void an_upgrade_moves_the_session_to_the_websocket(void **state)
{
    struct server *server = *state;
    struct rj_ws_client poll, candidate, other;
    char sid[64];
    open_polling(server, sid);
    hold_poll(server, sid, &poll);
    start_upgrade(server, sid, &candidate);
    assert_read(&poll, 200, "6"); /* so that the client can pause */
    assert_answer(server, "GET", with_sid(POLLING, sid), NULL, NULL, 200, "6");
    assert_answer(server, "POST", with_sid(POLLING, sid), NULL, "4meanwhile", 200, "ok");
    assert_true(rj_ws_send_text(&candidate, "5"));
    assert_text(&candidate, "4meanwhile");
    assert_true(rj_ws_send_text(&candidate, "4after"));
    assert_text(&candidate, "4after");

    assert_answer(server, "GET", with_sid(POLLING, sid), NULL, NULL, 400,
                  "{\"code\":3,\"message\":\"Bad request\"}");
    assert_answer(server, "POST", with_sid(POLLING, sid), NULL, "4x", 400,
                  "{\"code\":3,\"message\":\"Bad request\"}");
    assert_int_equal(rj_ws_open(&other, server->port, with_sid(WEBSOCKET, sid), NULL), 101);
    assert_int_equal(rj_ws_close_code(&other, WAIT_MS), 1000);
    assert_true(rj_ws_send_text(&candidate, "4still"));
    assert_text(&candidate, "4still");
    rj_ws_disconnect(&poll);
    rj_ws_disconnect(&other);
    rj_ws_disconnect(&candidate);
}

static void a_poll_that_is_still_held_at_the_upgrade_gets_a_noop(void **state)
{
    struct server *server = *state;
    struct rj_ws_client poll, candidate;
    char sid[64];
    open_polling(server, sid);
    assert_int_equal(rj_ws_open(&candidate, server->port, with_sid(WEBSOCKET, sid), NULL), 101);
    hold_poll(server, sid, &poll);
    assert_true(rj_ws_send_text(&candidate, "5")); /* without a probe, as the reference allows */
    assert_read(&poll, 200, "6");
    assert_true(rj_ws_send_text(&candidate, "4x"));
    assert_text(&candidate, "4x");
    rj_ws_disconnect(&poll);
    rj_ws_disconnect(&candidate);
}

static void a_failed_upgrade_leaves_the_session_on_polling(void **state)
{
    struct server *server = *state;
    struct rj_ws_client candidate, second;
    char sid[64];
    open_polling(server, sid);
    assert_int_equal(rj_ws_open(&candidate, server->port, with_sid(WEBSOCKET, sid), NULL), 101);
    assert_int_equal(rj_ws_open(&second, server->port, with_sid(WEBSOCKET, sid), NULL), 101);
    assert_int_equal(rj_ws_close_code(&second, WAIT_MS), 1000);
    rj_ws_disconnect(&second);
    assert_true(rj_ws_send_text(&candidate, "2prob"));
    assert_int_equal(rj_ws_close_code(&candidate, WAIT_MS), 1000);
    rj_ws_disconnect(&candidate);

    start_upgrade(server, sid, &candidate);
    rj_ws_reset(&candidate);
    assert_answer(server, "POST", with_sid(POLLING, sid), NULL, "4x", 200, "ok");
    assert_answer(server, "GET", with_sid(POLLING, sid), NULL, NULL, 200, "4x");
    assert_true(rj_eventually(
        WAIT_MS, ({ /* the server has learned of the reset */
                    int status = rj_ws_open(&second, server->port, with_sid(WEBSOCKET, sid), NULL);
                    rj_ws_send_text(&second, "2probe");
                    struct rj_buf data = {0};
                    bool probed = status == 101 && rj_ws_expect(&second, "3probe", &data, BRIEFLY_MS);
                    rj_buf_free(&data);
                    rj_ws_disconnect(&second);
                    probed;
        })));
}

static void an_upgrade_that_is_not_finished_in_time_is_given_up(void **state)
{
    struct server *server = *state;
    struct rj_ws_client candidate;
    char sid[64];
    open_polling(server, sid);
    start_upgrade(server, sid, &candidate);
    assert_int_equal(rj_ws_close_code(&candidate, WAIT_MS), 1000);
    rj_ws_disconnect(&candidate);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(an_upgrade_moves_the_session_to_the_websocket, engineio_setup,
                                    engineio_teardown),
    cmocka_unit_test_setup_teardown(a_poll_that_is_still_held_at_the_upgrade_gets_a_noop, engineio_setup,
                                    engineio_teardown),
    cmocka_unit_test_setup_teardown(a_failed_upgrade_leaves_the_session_on_polling, engineio_setup,
                                    engineio_teardown),
    cmocka_unit_test_setup_teardown(an_upgrade_that_is_not_finished_in_time_is_given_up,
                                    engineio_setup_brief_upgrade, engineio_teardown),
};

RJ_TEST_MAIN(tests)
