/* How long a connection lives, as HTTP has it: what ends it is said in the answer before. */
#include <sys/ioctl.h>

#include "tests/process/engineio_support.h"

/* Whether the connection is kept, by what the answer says and by what happens. */
static void assert_kept(struct rj_ws_client *client, bool is_kept, const char *says)
{
    struct rj_http_answer answer;
    assert_true(rj_http_read(client, &answer, WAIT_MS));
    assert_int_equal(rj_http_has(&answer, "Connection: "), says != NULL);
    if (says)
        assert_true(rj_http_has(&answer, says));
    rj_http_free(&answer);
    if (!is_kept) {
        assert_true(rj_ws_is_closed(client, WAIT_MS));
        return;
    }
    assert_true(rj_http_send(client, "GET", "/engine.io/?EIO=4&transport=no", NULL, NULL));
    assert_read(client, 400, "{\"code\":0,\"message\":\"Transport unknown\"}");
}

static void an_answer_says_whether_the_connection_ends(void **state)
{
    struct server *server = *state;
    static const struct {
        const char *version, *headers;
        bool is_kept;
        const char *says; /* NULL: nothing */
    } cases[] = {
        {"1.1", "", true, NULL},
        {"1.1", "Connection: keep-alive\r\n", true, NULL},
        {"1.1", "Connection: Keep-Alive, TE\r\n", true, NULL},
        {"1.1", "Connection: close\r\n", false, "Connection: close\r\n"},
        {"1.1", "connection: CLOSE\r\n", false, "Connection: close\r\n"},
        {"1.1", "Connection: TE , close\r\n", false, "Connection: close\r\n"},
        {"1.1", "Connection: keep-alive\r\nConnection: close\r\n", false, "Connection: close\r\n"},
        {"1.0", "", false, "Connection: close\r\n"},
        {"1.0", "Connection: close\r\n", false, "Connection: close\r\n"},
        {"1.0", "Connection: keep-alive\r\n", true, "Connection: keep-alive\r\n"},
        {"1.0", "Connection: keep-alive, close\r\n", false, "Connection: close\r\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rj_ws_client client;
        struct rj_buf request = {0};
        rj_buf_printf(&request, "GET %s HTTP/%s\r\nHost: a\r\n%s\r\n", POLLING, cases[i].version,
                      cases[i].headers);
        assert_true(rj_ws_connect(&client, server->port));
        assert_true(rj_ws_send_raw(&client, request.data, request.len));
        assert_kept(&client, cases[i].is_kept, cases[i].says);
        rj_ws_disconnect(&client);
        rj_buf_free(&request);
    }
}

/* Every kind of exchange of long-polling, as a client without kept connections has it. */
static void a_client_that_keeps_no_connections_polls_posts_and_holds(void **state)
{
    struct server *server = *state;
    static const char close_[] = "Connection: close\r\n";
    struct rj_ws_client poll, post;
    char sid[64];
    open_polling(server, sid);
    for (int i = 0; i < 5; i++) {
        assert_true(rj_ws_connect(&poll, server->port));
        assert_true(rj_http_send(&poll, "GET", with_sid(POLLING, sid), close_, NULL));
        assert_false(rj_ws_is_closed(&poll, 50));
        assert_true(rj_ws_connect(&post, server->port));
        assert_true(rj_http_send(&post, "POST", with_sid(POLLING, sid), close_, "4hello"));
        assert_kept(&post, false, close_);
        assert_kept(&poll, false, close_);
        rj_ws_disconnect(&post);
        rj_ws_disconnect(&poll);
    }
    assert_answer(server, "POST", with_sid(POLLING, sid), close_, "4again", 200, "ok");
    assert_answer(server, "GET", with_sid(POLLING, sid), close_, NULL, 200, "4again");
}

static int unread_bytes(const struct rj_ws_client *client)
{
    int n = 0;
    assert_int_equal(ioctl(client->fd, FIONREAD, &n), 0);
    return n;
}

/* The connection ends with the last byte of the answer, not with what the kernel takes at once. */
static void a_long_last_answer_arrives_whole(void **state)
{
    enum { MESSAGES = 90, BYTES = 10000 };
    struct server *server = *state;
    struct rj_ws_client poll;
    struct rj_http_answer answer;
    char sid[64];
    open_polling(server, sid);
    assert_answer(server, "POST", with_sid(POLLING, sid), NULL, "4burst 90 10000", 200, "ok");
    assert_true(rj_ws_connect_narrow(&poll, server->port));
    assert_true(rj_http_send(&poll, "GET", with_sid(POLLING, sid), "Connection: close\r\n", NULL));
    /* The first bytes are here, so the server has written what the kernel takes: the rest waits for us. */
    assert_true(rj_eventually(WAIT_MS, unread_bytes(&poll) > 0));
    assert_true(rj_http_read(&poll, &answer, WAIT_MS));
    assert_int_equal(answer.body.len, MESSAGES * (BYTES + 2) - 1);
    assert_true(rj_ws_is_closed(&poll, WAIT_MS));
    rj_http_free(&answer);
    rj_ws_disconnect(&poll);
}

/* ---- methods */

static void head_and_options_are_answered_as_by_the_reference(void **state)
{
    struct server *server = *state;
    struct rj_http_answer answer;
    char sid[64];
    open_polling(server, sid);
    for (int is_kept = 0; is_kept <= 1; is_kept++) { /* an answer to HEAD has a length, but no body */
        struct rj_ws_client client;
        assert_true(rj_ws_connect(&client, server->port));
        assert_true(rj_http_send(&client, "HEAD", POLLING, NULL, NULL));
        assert_true(rj_http_read_head(&client, &answer, WAIT_MS));
        assert_int_equal(answer.status, 400);
        assert_true(rj_http_has(&answer, "Content-Length: 43\r\n"));
        rj_http_free(&answer);
        if (is_kept) {
            assert_true(rj_http_send(&client, "HEAD", with_sid(POLLING, sid), NULL, NULL));
            assert_true(rj_http_read_head(&client, &answer, WAIT_MS));
            assert_int_equal(answer.status, 500);
            rj_http_free(&answer);
        }
        assert_false(rj_ws_is_closed(&client, 30));
        assert_int_equal(client.in.len, 0);
        rj_ws_disconnect(&client);
    }
    assert_true(
        rj_http_once(server->port, "OPTIONS", POLLING, "Origin: http://good.example\r\n", NULL, &answer));
    assert_int_equal(answer.status, 400); /* CORS is off */
    assert_string_equal(rj_http_body(&answer), "{\"code\":2,\"message\":\"Bad handshake method\"}");
    assert_false(rj_http_has(&answer, "Access-Control-"));
    rj_http_free(&answer);
}

/* ---- CORS and cookies */

static void pages_of_named_origins_may_send_cookies(void **state)
{
    struct server *server = *state;
    struct rj_http_answer answer;
    static const char good[] = "Origin: http://good.example\r\n", bad[] = "Origin: http://bad.example\r\n";
    static const char *const methods[] = {"GET", "OPTIONS", "POST"};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        assert_true(rj_http_once(server->port, methods[i], POLLING, good, i == 2 ? "x" : NULL, &answer));
        assert_true(rj_http_has(&answer, "Access-Control-Allow-Origin: http://good.example\r\n"));
        assert_true(rj_http_has(&answer, "Access-Control-Allow-Credentials: true\r\n"));
        assert_true(rj_http_has(&answer, "Vary: Origin\r\n"));
        rj_http_free(&answer);
        assert_true(rj_http_once(server->port, methods[i], POLLING, bad, i == 2 ? "x" : NULL, &answer));
        assert_false(rj_http_has(&answer, "Access-Control-"));
        rj_http_free(&answer);
    }
}

static void without_credentials_no_page_may_send_cookies(void **state)
{
    struct server *server = *state;
    struct rj_http_answer answer;
    assert_true(rj_http_once(server->port, "GET", POLLING, "Origin: http://good.example\r\n", NULL, &answer));
    assert_true(rj_http_has(&answer, "Access-Control-Allow-Origin: http://good.example\r\n"));
    assert_false(rj_http_has(&answer, "Access-Control-Allow-Credentials"));
    assert_false(rj_http_has(&answer, "Set-Cookie"));
    rj_http_free(&answer);
}

static void the_cookie_comes_with_the_polling_handshake_alone(void **state)
{
    struct server *server = *state;
    struct rj_ws_client client;
    struct rj_http_answer answer;
    char sid[64], line[160];
    assert_true(rj_http_once(server->port, "GET", POLLING, NULL, NULL, &answer));
    sid_of(rj_http_body(&answer), sid);
    snprintf(line, sizeof line, "Set-Cookie: io=%s; Path=/; HttpOnly; SameSite=Lax\r\n", sid);
    assert_true(rj_http_has(&answer, line));
    rj_http_free(&answer);
    assert_true(rj_http_once(server->port, "POST", with_sid(POLLING, sid), NULL, "4x", &answer));
    assert_false(rj_http_has(&answer, "Set-Cookie"));
    rj_http_free(&answer);
    assert_true(rj_http_once(server->port, "GET", with_sid(POLLING, sid), NULL, NULL, &answer));
    assert_string_equal(rj_http_body(&answer), "4x");
    assert_false(rj_http_has(&answer, "Set-Cookie"));
    rj_http_free(&answer);
    open_websocket(server, &client);
    rj_ws_disconnect(&client);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(an_answer_says_whether_the_connection_ends, engineio_setup,
                                    engineio_teardown),
    cmocka_unit_test_setup_teardown(a_client_that_keeps_no_connections_polls_posts_and_holds, engineio_setup,
                                    engineio_teardown),
    cmocka_unit_test_setup_teardown(a_long_last_answer_arrives_whole, engineio_setup, engineio_teardown),
    cmocka_unit_test_setup_teardown(head_and_options_are_answered_as_by_the_reference, engineio_setup,
                                    engineio_teardown),
    cmocka_unit_test_setup_teardown(pages_of_named_origins_may_send_cookies, engineio_setup_credentials,
                                    engineio_teardown),
    cmocka_unit_test_setup_teardown(without_credentials_no_page_may_send_cookies, engineio_setup_origins,
                                    engineio_teardown),
    cmocka_unit_test_setup_teardown(the_cookie_comes_with_the_polling_handshake_alone,
                                    engineio_setup_credentials, engineio_teardown),
};

RJ_TEST_MAIN(tests)
