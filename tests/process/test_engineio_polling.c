/* Engine.IO over long-polling. */
#include "tests/process/engineio_support.h"

static void what_a_post_brings_a_poll_takes_away(void **state)
{
    struct server *server = *state;
    struct rj_ws_client client;
    char sid[64];
    open_polling(server, sid);
    assert_true(rj_ws_connect(&client, server->port)); /* all on one kept connection */
    assert_true(rj_http_send(&client, "POST", with_sid(POLLING, sid), NULL,
                             "4hello\x1e"
                             "4w\xc3\xb6rld\x1e"
                             "bAQID"));
    assert_read(&client, 200, "ok");
    assert_true(rj_http_send(&client, "GET", with_sid(POLLING, sid), NULL, NULL));
    assert_read(&client, 200,
                "4hello\x1e"
                "4w\xc3\xb6rld\x1e"
                "bAQID");
    rj_ws_disconnect(&client);
}

static void a_held_poll_is_answered_when_something_comes(void **state)
{
    struct server *server = *state;
    struct rj_ws_client poll;
    char sid[64];
    open_polling(server, sid);
    hold_poll(server, sid, &poll);
    assert_answer(server, "POST", with_sid(POLLING, sid), NULL, "4late", 200, "ok");
    assert_read(&poll, 200, "4late");
    rj_ws_disconnect(&poll);
}

static void a_second_poll_ends_the_session(void **state)
{
    struct server *server = *state;
    struct rj_ws_client poll;
    char sid[64];
    open_polling(server, sid);
    hold_poll(server, sid, &poll);
    assert_answer(server, "GET", with_sid(POLLING, sid), NULL, NULL, 400, "");
    assert_read(&poll, 200, "1");
    assert_gone(server, sid);
    rj_ws_disconnect(&poll);
}

static void a_second_post_ends_the_session(void **state)
{
    struct server *server = *state;
    struct rj_ws_client post;
    char sid[64];
    open_polling(server, sid);
    assert_true(rj_ws_connect(&post, server->port));
    assert_true(rj_http_send(&post, "POST", with_sid(POLLING, sid), "Content-Length: 5\r\n", NULL));
    assert_true(rj_ws_send_str(&post, "4ab")); /* half the body */
    assert_false(rj_ws_is_closed(&post, 50));
    assert_answer(server, "POST", with_sid(POLLING, sid), NULL, "4x", 400, "");
    assert_gone(server, sid);
    assert_true(rj_ws_send_str(&post, "cd"));
    assert_read(&post, 400, "");
    rj_ws_disconnect(&post);
}

static void an_aborted_poll_ends_the_session(void **state)
{
    struct server *server = *state;
    struct rj_ws_client poll;
    char sid[64];
    struct rj_http_answer answer;
    open_polling(server, sid);
    hold_poll(server, sid, &poll);
    rj_ws_disconnect(&poll);
    /* The server learns of it in its own time. A GET before that would be a second poll, and prove nothing.
     */
    assert_true(rj_eventually(WAIT_MS, ({
                                  assert_true(rj_http_once(server->port, "POST", with_sid(POLLING, sid), NULL,
                                                           "6", &answer));
                                  int status = answer.status;
                                  rj_http_free(&answer);
                                  status == 400;
                              })));
    assert_gone(server, sid);
}

static void an_oversize_post_is_refused_and_the_session_lives(void **state)
{
    struct server *server = *state;
    char sid[64], *body = calloc(1, 20001);
    memset(body, 'x', 20000);
    body[0] = '4';
    open_polling(server, sid);
    assert_answer(server, "POST", with_sid(POLLING, sid), NULL, body, 413, "");
    body[10000] = '\0';
    assert_answer(server, "POST", with_sid(POLLING, sid), NULL, body, 200, "ok");
    assert_answer(server, "GET", with_sid(POLLING, sid), NULL, NULL, 200, body);
    free(body);
}

static void a_kept_connection_survives_an_oversize_post(void **state)
{
    struct server *server = *state;
    struct rj_ws_client client;
    char sid[64], *body = calloc(1, 20001);
    memset(body, 'x', 20000);
    open_polling(server, sid);
    assert_true(rj_ws_connect(&client, server->port));
    assert_true(rj_http_send(&client, "POST", with_sid(POLLING, sid), NULL, body));
    assert_read(&client, 413, "");
    assert_true(rj_http_send(&client, "POST", with_sid(POLLING, sid), NULL, "4x"));
    assert_read(&client, 200, "ok");
    rj_ws_disconnect(&client);
    free(body);
}

static void bodies_that_are_no_payload_end_the_session(void **state)
{
    struct server *server = *state;
    static const char *const bodies[] = {"abc", "", "4a\x1e", "b!!!!", "4\xff", "2"};
    char sid[64];
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        open_polling(server, sid);
        assert_answer(server, "POST", with_sid(POLLING, sid), NULL, bodies[i], 200, "ok");
        assert_gone(server, sid);
    }
    open_polling(server, sid);
    assert_answer(server, "POST", with_sid(POLLING, sid), "Content-Type: application/octet-stream\r\n", "4x",
                  400, "");
    assert_gone(server, sid);
}

static void a_client_that_closes_frees_its_poll(void **state)
{
    struct server *server = *state;
    struct rj_ws_client poll;
    char sid[64];
    open_polling(server, sid);
    hold_poll(server, sid, &poll);
    assert_answer(server, "POST", with_sid(POLLING, sid), NULL, "1", 200, "ok");
    assert_read(&poll, 200, "6");
    assert_gone(server, sid);
    rj_ws_disconnect(&poll);
}

static void a_close_by_the_server_reaches_the_poll_or_the_next(void **state)
{
    struct server *server = *state;
    struct rj_ws_client poll;
    char sid[64];
    open_polling(server, sid);
    hold_poll(server, sid, &poll);
    assert_answer(server, "POST", with_sid(POLLING, sid), NULL, "4close me", 200, "ok");
    assert_read(&poll, 200, "1");
    assert_gone(server, sid);
    rj_ws_disconnect(&poll);

    open_polling(server, sid);
    assert_answer(server, "POST", with_sid(POLLING, sid), NULL,
                  "4last words\x1e"
                  "4close me",
                  200, "ok");
    /* Not in one payload: clients handle the close in it before the packets. */
    assert_answer(server, "GET", with_sid(POLLING, sid), NULL, NULL, 200, "4last words");
    assert_answer(server, "GET", with_sid(POLLING, sid), NULL, NULL, 200, "1");
    assert_gone(server, sid);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(what_a_post_brings_a_poll_takes_away, engineio_setup, engineio_teardown),
    cmocka_unit_test_setup_teardown(a_held_poll_is_answered_when_something_comes, engineio_setup,
                                    engineio_teardown),
    cmocka_unit_test_setup_teardown(a_second_poll_ends_the_session, engineio_setup, engineio_teardown),
    cmocka_unit_test_setup_teardown(a_second_post_ends_the_session, engineio_setup, engineio_teardown),
    cmocka_unit_test_setup_teardown(an_aborted_poll_ends_the_session, engineio_setup, engineio_teardown),
    cmocka_unit_test_setup_teardown(an_oversize_post_is_refused_and_the_session_lives, engineio_setup,
                                    engineio_teardown),
    cmocka_unit_test_setup_teardown(a_kept_connection_survives_an_oversize_post, engineio_setup,
                                    engineio_teardown),
    cmocka_unit_test_setup_teardown(bodies_that_are_no_payload_end_the_session, engineio_setup,
                                    engineio_teardown),
    cmocka_unit_test_setup_teardown(a_client_that_closes_frees_its_poll, engineio_setup, engineio_teardown),
    cmocka_unit_test_setup_teardown(a_close_by_the_server_reaches_the_poll_or_the_next, engineio_setup,
                                    engineio_teardown),
};

RJ_TEST_MAIN(tests)
