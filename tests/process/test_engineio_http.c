/* How long a connection lives, as HTTP has it: what ends it is said in the answer before. */
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
    usleep(200000); /* it is blocked by then, or else the test shows less */
    assert_true(rj_http_read(&poll, &answer, WAIT_MS));
    assert_int_equal(answer.body.len, MESSAGES * (BYTES + 2) - 1);
    assert_true(rj_ws_is_closed(&poll, WAIT_MS));
    rj_http_free(&answer);
    rj_ws_disconnect(&poll);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(an_answer_says_whether_the_connection_ends, engineio_setup,
                                    engineio_teardown),
    cmocka_unit_test_setup_teardown(a_client_that_keeps_no_connections_polls_posts_and_holds, engineio_setup,
                                    engineio_teardown),
    cmocka_unit_test_setup_teardown(a_long_last_answer_arrives_whole, engineio_setup, engineio_teardown),
};

RJ_TEST_MAIN(tests)
