/* What breaks HTTP and WebSocket servers, sent to Engine.IO: it costs its sender alone. */
#include "tests/process/engineio_support.h"

static void a_bogus_upgrade_on_a_kept_connection_does_no_harm(void **state)
{
    struct server *server = *state;
    static const char *const upgrades[] = {"foo", "h2c", "websocket2", "", "websocket, h2c"};
    for (size_t i = 0; i < sizeof upgrades / sizeof *upgrades; i++) {
        struct rj_ws_client client;
        struct rj_buf second = {0};
        rj_buf_printf(&second,
                      "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET " POLLING
                      " HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n"
                      "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
                      upgrades[i]);
        assert_true(rj_ws_connect(&client, server->port)); /* in pieces … */
        assert_true(rj_http_send(&client, "GET", "/x", NULL, NULL));
        assert_read(&client, 404, "Not Found\n");
        assert_true(rj_ws_send_str(&client, strstr(rj_buf_cstr(&second), "GET /engine.io")));
        rj_ws_is_closed(&client, BRIEFLY_MS);
        rj_ws_disconnect(&client);
        assert_true(rj_ws_connect(&client, server->port)); /* … and pipelined */
        assert_true(rj_ws_send_raw(&client, second.data, second.len));
        rj_ws_is_closed(&client, BRIEFLY_MS);
        rj_ws_disconnect(&client);
        rj_buf_free(&second);
    }
    assert_serves(server);
}

/* No client may do that (RFC 6455 §4.1); they are read as if they had come later, as by the reference. */
static void frames_sent_before_the_101_do_no_harm(void **state)
{
    struct server *server = *state;
    static const char request[] =
        "GET " WEBSOCKET " HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        "\x81\x82\0\0\0\0"
        "4a"
        "\x81\x82\0\0\0\0"
        "4b";
    for (size_t cut = 1; cut <= sizeof request - 1; cut += 3) {
        struct rj_ws_client client;
        struct rj_http_answer answer;
        struct rj_buf data = {0};
        assert_true(rj_ws_connect(&client, server->port));
        assert_true(rj_ws_send_raw(&client, request, cut));
        if (cut % 2)
            rj_ws_is_closed(&client, 1);
        assert_true(rj_ws_send_raw(&client, request + cut, sizeof request - 1 - cut));
        assert_true(rj_http_read(&client, &answer, WAIT_MS));
        assert_int_equal(answer.status, 101);
        assert_true(rj_ws_expect(&client, "4a", &data, WAIT_MS));
        assert_true(rj_ws_expect(&client, "4b", &data, WAIT_MS));
        rj_http_free(&answer);
        rj_buf_free(&data);
        rj_ws_disconnect(&client);
    }
    assert_serves(server);
}

static void kept_connections_serve_one_request_after_the_other(void **state)
{
    struct server *server = *state;
    struct rj_ws_client client;
    char sid[64], body[32], expected[32];
    open_polling(server, sid);
    assert_true(rj_ws_connect(&client, server->port));
    for (int i = 0; i < 200; i++) {
        snprintf(body, sizeof body, "4message %d", i);
        snprintf(expected, sizeof expected, "4message %d", i);
        assert_true(rj_http_send(&client, "POST", with_sid(POLLING, sid), NULL, body));
        assert_read(&client, 200, "ok");
        assert_true(rj_http_send(&client, "GET", with_sid(POLLING, sid), NULL, NULL));
        assert_read(&client, 200, expected);
        assert_true(rj_http_send(&client, "POST", POLLING, NULL, "4x"));
        assert_read(&client, 400, "{\"code\":2,\"message\":\"Bad handshake method\"}");
    }
    rj_ws_disconnect(&client);
}

/* Where another reader of the same bytes might see other requests (RFC 9112 §11.2): what seems to follow must
 * not be served. */
static void requests_without_a_clear_end_are_refused(void **state)
{
    struct server *server = *state;
    static const struct {
        const char *request;
        int status;
    } cases[] = {
        {"POST " POLLING " HTTP/1.1\r\nHost: a\r\n\r\n", 411},
        {"POST " POLLING " HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n", 400},
        {"POST " POLLING " HTTP/1.1\r\nHost: a\r\nContent-Length: +2\r\n\r\n4x", 400},
        {"POST " POLLING " HTTP/1.1\r\nHost: a\r\nContent-Length: 5x\r\n\r\n", 400},
        {"POST " POLLING " HTTP/1.1\r\nHost: a\r\nContent-Length: 0x2\r\n\r\n4x", 400},
        {"POST " POLLING " HTTP/1.1\r\nHost: a\r\nContent-Length: 2 2\r\n\r\n4x", 400},
        {"POST " POLLING " HTTP/1.1\r\nHost: a\r\nContent-Length: 2, 2\r\n\r\n4x", 400},
        {"POST " POLLING " HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n4x", 400},
        {"POST " POLLING " HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\n", 400},
        {"POST " POLLING " HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n4x", 400},
        {"POST " POLLING " HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 9\r\n\r\n4x", 400},
        {"POST " POLLING " HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: \r\n\r\n4x", 400},
        {"POST " POLLING " HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
         "0\r\n\r\n",
         400},
        {"POST " POLLING " HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"
         "0\r\n\r\n",
         400},
        {"POST " POLLING " HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400},
        {"POST " POLLING " HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
         400},
        {"POST " POLLING " HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400},
        {"POST " POLLING " HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
         "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
         400},
        {"POST " POLLING " HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\nContent-Length: 2\r\n\r\n4x", 400},
        {"POST " POLLING " HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
        {"POST " POLLING " HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400},
        {"POST " POLLING " HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", 400},
        {"POST " POLLING " HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\r\n", 400},
        {"POST " POLLING " HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\n4x\r\n0\r\n\r\n", 400},
        {"POST " POLLING " HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n4xx\r\n0\r\n\r\n",
         400},
        {"POST " POLLING " HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
         "10000000000000002\r\n4x\r\n0\r\n\r\n",
         400},
        {"POST " POLLING " HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n a: folded\r\n\r\n",
         400},
        {"GET " POLLING " HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", 400},
        {"GET " POLLING " HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
        {"GET " POLLING " HTTP/1.1\r\nHost: a\r\nx: y\r\n folded\r\n\r\n", 400},
        {"GET " POLLING " HTTP/1.1\r\nHost: a\r\nx : y\r\n\r\n", 400},
        {"GET " POLLING " HTTP/1.1\nHost: a\n\n", 400},
        {"GET " POLLING " HTTP/1.1\r\nHost: a\r\nx: y\n\r\n", 400},
        {"GET " POLLING " HTTP/1.1\r\nHost: a\r\nx: y\rz\r\n\r\n", 400},
        {"GET " POLLING " HTTP/1.1\r\n\r\n", 400}, /* no host */
        {"GET " POLLING " HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n", 400},
        {"GET " POLLING " HTTP/1.1\r\nHost: a\r\nOrigin: http://a\r\nOrigin: http://b\r\n\r\n", 400},
        {"CONNECT localhost:1 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"CONNECT / HTTP/1.1\r\nHost: a\r\n\r\nrubbish", 400},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400},
        {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400},
    };
    static const char next[] = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n";
    for (size_t i = 0; i < 2 * sizeof cases / sizeof *cases; i++) {
        struct rj_ws_client client;
        struct rj_buf text = {0};
        bool is_second = i % 2;
        rj_buf_printf(&text, "%s%s%s", is_second ? "GET /first HTTP/1.1\r\nHost: a\r\n\r\n" : "",
                      cases[i / 2].request, next);
        assert_true(rj_ws_connect(&client, server->port));
        assert_true(rj_ws_send_raw(&client, text.data, text.len));
        if (is_second)
            assert_read(&client, 404, "Not Found\n");
        struct rj_http_answer answer;
        if (!rj_http_read(&client, &answer, WAIT_MS) || answer.status != cases[i / 2].status)
            fail_msg("%d instead of %d: %s", answer.status, cases[i / 2].status, cases[i / 2].request);
        assert_true(rj_http_has(&answer, "Connection: close\r\n"));
        rj_http_free(&answer);
        if (!rj_ws_is_closed(&client, WAIT_MS) || client.in.len > 0)
            fail_msg("it goes on: %s", cases[i / 2].request);
        rj_ws_disconnect(&client);
        rj_buf_free(&text);
    }
    assert_serves(server);
}

static void endless_headers_are_cut_off(void **state)
{
    struct server *server = *state;
    struct rj_ws_client client;
    char line[128];
    assert_true(rj_ws_connect(&client, server->port));
    assert_true(rj_ws_send_str(&client, "GET " POLLING " HTTP/1.1\r\n"));
    memset(line, 'x', sizeof line);
    memcpy(line, "x-a: ", 5);
    memcpy(line + sizeof line - 2, "\r\n", 2);
    for (int i = 0; i < 5000 && rj_ws_send_raw(&client, line, sizeof line); i++)
        ;
    assert_true(rj_ws_is_closed(&client, WAIT_MS));
    rj_ws_disconnect(&client);
    assert_serves(server);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(a_bogus_upgrade_on_a_kept_connection_does_no_harm, engineio_setup,
                                    engineio_teardown),
    cmocka_unit_test_setup_teardown(frames_sent_before_the_101_do_no_harm, engineio_setup, engineio_teardown),
    cmocka_unit_test_setup_teardown(kept_connections_serve_one_request_after_the_other, engineio_setup,
                                    engineio_teardown),
    cmocka_unit_test_setup_teardown(requests_without_a_clear_end_are_refused, engineio_setup,
                                    engineio_teardown),
    cmocka_unit_test_setup_teardown(endless_headers_are_cut_off, engineio_setup, engineio_teardown),
};

RJ_TEST_MAIN(tests)
