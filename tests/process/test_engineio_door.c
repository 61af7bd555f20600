/* Engine.IO at the door: handshakes, and what is refused before there is a session. */
#include "tests/process/engineio_support.h"

static void the_first_answer_is_the_open_packet(void **state)
{
    struct server *server = *state;
    struct rj_http_answer answer;
    char sid[64], expected[256];
    assert_true(rj_http_once(server->port, "GET", POLLING "&t=abc", NULL, NULL, &answer));
    assert_true(rj_http_has(&answer, "Content-Type: text/plain; charset=UTF-8\r\n"));
    assert_true(rj_http_has(&answer, "Cache-Control: no-store\r\n"));
    sid_of(rj_http_body(&answer), sid);
    assert_int_equal(strlen(sid), 22);
    snprintf(expected, sizeof expected,
             "0{\"sid\":\"%s\",\"upgrades\":[\"websocket\"],\"pingInterval\":25000,"
             "\"pingTimeout\":20000,\"maxPayload\":10000}",
             sid);
    assert_string_equal(rj_http_body(&answer), expected);
    rj_http_free(&answer);
}

static void each_fault_at_the_door_has_its_code(void **state)
{
    struct server *server = *state;
    static const char unknown_transport[] = "{\"code\":0,\"message\":\"Transport unknown\"}";
    static const char unknown_sid[] = "{\"code\":1,\"message\":\"Session ID unknown\"}";
    static const char bad_method[] = "{\"code\":2,\"message\":\"Bad handshake method\"}";
    static const char bad_request[] = "{\"code\":3,\"message\":\"Bad request\"}";
    static const char bad_version[] = "{\"code\":5,\"message\":\"Unsupported protocol version\"}";
    static const struct {
        const char *method, *path, *headers, *body, *expected;
    } cases[] = {
        {"GET", "/engine.io/", NULL, NULL, unknown_transport},
        {"GET", "/engine.io/?EIO=4", NULL, NULL, unknown_transport},
        {"GET", "/engine.io/?EIO=4&transport=tcp", NULL, NULL, unknown_transport},
        {"GET", "/engine.io/?EIO=3", NULL, NULL, unknown_transport},
        {"GET", POLLING "&sid=abc", NULL, NULL, unknown_sid},
        {"GET", POLLING "&sid=__proto__", NULL, NULL, unknown_sid},
        {"POST", POLLING "&sid=aaaaaaaaaaaaaaaaaaaaaa", NULL, "4x", unknown_sid},
        {"POST", POLLING, NULL, "4x", bad_method},
        {"OPTIONS", POLLING, NULL, NULL, bad_method},
        {"DELETE", POLLING, NULL, NULL, bad_method},
        {"GET", WEBSOCKET, NULL, NULL, bad_request},
        {"GET", POLLING, "Origin: a\x80z\r\n", NULL, bad_request},
        {"GET", "/engine.io/?transport=polling", NULL, NULL, bad_version},
        {"GET", "/engine.io/?EIO=3&transport=polling", NULL, NULL, bad_version},
        {"GET", "/engine.io/?EIO=abc&transport=polling", NULL, NULL, bad_version},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_answer(server, cases[i].method, cases[i].path, cases[i].headers, cases[i].body, 400,
                      cases[i].expected);
}

static void a_refused_upgrade_gets_a_status_before_any_101(void **state)
{
    struct server *server = *state;
    static const char *const paths[] = {"/engine.io/?EIO=3&transport=websocket",
                                        "/engine.io/?transport=websocket", "/engine.io/?EIO=4&transport=tcp",
                                        WEBSOCKET "&sid=aaaaaaaaaaaaaaaaaaaaaa", POLLING};
    struct rj_ws_client client;
    char sid[64];
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        assert_int_equal(rj_ws_open(&client, server->port, paths[i], NULL), 400);
        assert_true(rj_ws_is_closed(&client, WAIT_MS));
        rj_ws_disconnect(&client);
    }
    open_polling(server, sid);
    assert_int_equal(
        rj_ws_open(&client, server->port, with_sid("/engine.io/?EIO=3&transport=websocket", sid), NULL), 400);
    rj_ws_disconnect(&client);
    assert_int_equal(rj_ws_open(&client, server->port, "/elsewhere", NULL), 404);
    rj_ws_disconnect(&client);
    assert_int_equal(rj_ws_open(&client, server->port, WEBSOCKET, "Origin: http://any.example\r\n"), 101);
    rj_ws_disconnect(&client);
}

static void an_empty_sid_is_none(void **state)
{
    struct server *server = *state;
    struct rj_http_answer answer;
    assert_true(rj_http_once(server->port, "GET", POLLING "&sid=", NULL, NULL, &answer));
    assert_int_equal(answer.status, 200);
    rj_http_free(&answer);
}

/* The stock client's addTrailingSlash: false. */
static void the_path_may_come_without_its_last_slash(void **state)
{
    struct server *server = *state;
    struct rj_http_answer answer;
    struct rj_ws_client client;
    assert_true(rj_http_once(server->port, "GET", "/engine.io?EIO=4&transport=polling", NULL, NULL, &answer));
    assert_int_equal(answer.status, 200);
    rj_http_free(&answer);
    assert_int_equal(rj_ws_open(&client, server->port, "/engine.io?EIO=4&transport=websocket", NULL), 101);
    rj_ws_disconnect(&client);
    assert_true(
        rj_http_once(server->port, "GET", "/engine.iox?EIO=4&transport=polling", NULL, NULL, &answer));
    assert_int_equal(answer.status, 404);
    rj_http_free(&answer);
}

/* CVE-2026-102599. */
static void a_live_session_takes_no_request_of_another_version(void **state)
{
    struct server *server = *state;
    static const char bad_request[] = "{\"code\":3,\"message\":\"Bad request\"}";
    static const char *const versions[] = {"?EIO=3&", "?EIO=5&", "?EIO=&", "?"};
    struct rj_ws_client client;
    char sid[64], path[64];
    open_polling(server, sid);
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
        snprintf(path, sizeof path, "/engine.io/%stransport=polling", versions[i]);
        assert_answer(server, "GET", with_sid(path, sid), NULL, NULL, 400, bad_request);
        assert_answer(server, "POST", with_sid(path, sid), NULL, "4x", 400, bad_request);
        snprintf(path, sizeof path, "/engine.io/%stransport=websocket", versions[i]);
        assert_int_equal(rj_ws_open(&client, server->port, with_sid(path, sid), NULL), 400);
        rj_ws_disconnect(&client);
    }
    assert_answer(server, "POST", with_sid(POLLING, sid), NULL, "4x", 200, "ok"); /* it lives */
}

static void the_answer_to_a_post_is_not_stored(void **state)
{
    struct server *server = *state;
    struct rj_http_answer answer;
    char sid[64];
    open_polling(server, sid);
    assert_true(rj_http_once(server->port, "POST", with_sid(POLLING, sid), NULL, "4x", &answer));
    assert_true(rj_http_has(&answer, "Cache-Control: no-store\r\n"));
    rj_http_free(&answer);
}

/* As from the reference: a browser fails a WebSocket whose offer nobody takes. */
static void of_subprotocols_the_first_offered_is_taken(void **state)
{
    struct server *server = *state;
    static const struct {
        const char *headers;
        int status;
        const char *says; /* NULL: nothing of it */
    } cases[] = {
        {"", 101, NULL},
        {"Sec-WebSocket-Protocol: soap\r\n", 101, "Sec-WebSocket-Protocol: soap\r\n"},
        {"sec-websocket-protocol:v1.a, v2.b\r\n", 101, "Sec-WebSocket-Protocol: v1.a\r\n"},
        {"Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: b\r\n", 101, "Sec-WebSocket-Protocol: a\r\n"},
        {"Sec-WebSocket-Protocol: \r\n", 400, NULL},
        {"Sec-WebSocket-Protocol: ,a\r\n", 400, NULL},
        {"Sec-WebSocket-Protocol: a\"b\r\n", 400, NULL},
        {"Sec-WebSocket-Protocol: a;b\r\n", 400, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rj_ws_client client;
        struct rj_http_answer answer;
        struct rj_buf headers = {0};
        rj_buf_printf(&headers, UPGRADE "%s", cases[i].headers);
        assert_true(rj_ws_connect(&client, server->port));
        assert_true(rj_http_send(&client, "GET", WEBSOCKET, rj_buf_cstr(&headers), NULL));
        assert_true(rj_http_read(&client, &answer, WAIT_MS));
        assert_int_equal(answer.status, cases[i].status);
        assert_int_equal(rj_http_has(&answer, "Sec-WebSocket-Protocol:"), cases[i].says != NULL);
        assert_true(!cases[i].says || rj_http_has(&answer, cases[i].says));
        rj_http_free(&answer);
        if (cases[i].status == 101)
            assert_echoes(&client);
        rj_ws_disconnect(&client);
        rj_buf_free(&headers);
    }
}

static void a_websocket_of_another_version_is_told_which_is_known(void **state)
{
    struct server *server = *state;
    static const char *const versions[] = {"Sec-WebSocket-Version: 8\r\n", "Sec-WebSocket-Version: 14\r\n",
                                           ""};
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
        struct rj_http_answer answer;
        char headers[256];
        snprintf(
            headers, sizeof headers,
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s",
            versions[i]);
        assert_true(rj_http_once(server->port, "GET", WEBSOCKET, headers, NULL, &answer));
        assert_int_equal(answer.status, 400);
        assert_true(rj_http_has(&answer, "Sec-WebSocket-Version: 13\r\n"));
        rj_http_free(&answer);
    }
}

static void other_methods_on_a_live_session_get_500(void **state)
{
    struct server *server = *state;
    char sid[64];
    open_polling(server, sid);
    assert_answer(server, "DELETE", with_sid(POLLING, sid), NULL, NULL, 500, "");
    assert_answer(server, "OPTIONS", with_sid(POLLING, sid), NULL, NULL, 500, "");
}

#define CHUNKED "Transfer-Encoding: chunked\r\n"

/* As the reference answers them. The connection goes on behind the body, whose bytes are nobody's request. */
static void bodies_of_other_methods_are_read_and_refused(void **state)
{
    struct server *server = *state;
    static const char *const methods[] = {"PUT", "PATCH", "DELETE", "OPTIONS"};
    static const char *const bodies[] = {
        "Content-Length: 0\r\n\r\n",
        "Content-Length: 18\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        CHUNKED "\r\n12;x=y\r\nGET / HTTP/1.1\r\n\r\n\r\n0\r\na: b\r\n\r\n",
    };
    struct rj_ws_client client;
    char sid[64];
    open_polling(server, sid);
    assert_true(rj_ws_connect(&client, server->port));
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        for (size_t j = 0; j < sizeof bodies / sizeof *bodies; j++) {
            char text[512];
            snprintf(text, sizeof text, "%s " POLLING " HTTP/1.1\r\nHost: a\r\n%s", methods[i], bodies[j]);
            assert_true(rj_ws_send_str(&client, text));
            assert_read(&client, 400, "{\"code\":2,\"message\":\"Bad handshake method\"}");
            snprintf(text, sizeof text, "%s %s HTTP/1.1\r\nHost: a\r\n%s", methods[i], with_sid(POLLING, sid),
                     bodies[j]);
            assert_true(rj_ws_send_str(&client, text));
            assert_read(&client, 500, "");
        }
    }
    assert_true(rj_http_send(&client, "POST", with_sid(POLLING, sid), NULL, "4x"));
    assert_read(&client, 200, "ok"); /* the session has not noticed */
    rj_ws_disconnect(&client);
}

/* It may be the answer that keeps the body from being sent: so nobody can tell what follows. */
static void a_refused_body_that_waits_for_a_word_is_not_awaited(void **state)
{
    struct server *server = *state;
    struct rj_ws_client client;
    assert_true(rj_ws_connect(&client, server->port));
    assert_true(rj_http_send(&client, "PUT", POLLING, "Expect: 100-continue\r\nContent-Length: 5\r\n", NULL));
    assert_read(&client, 400, "{\"code\":2,\"message\":\"Bad handshake method\"}");
    assert_true(rj_ws_is_closed(&client, WAIT_MS));
    rj_ws_disconnect(&client);
}

/* RFC 9112 §3.2: the forms that a server is asked in, and those that only proxies are. */
static void a_target_may_name_the_server_too(void **state)
{
    struct server *server = *state;
    static const char no_transport[] = "{\"code\":0,\"message\":\"Transport unknown\"}";
    struct rj_ws_client client;
    char sid[64], path[192];
    open_polling(server, sid);
    assert_answer(server, "GET", "http://a/engine.io/?EIO=4", NULL, NULL, 400, no_transport);
    assert_answer(server, "GET", "http://elsewhere:1/engine.io/?EIO=4", NULL, NULL, 400, no_transport);
    assert_answer(server, "GET", "HTTPS://[::1]/engine.io/?EIO=4", NULL, NULL, 400, no_transport);
    assert_answer(server, "GET", "http://a", NULL, NULL, 404, "Not Found\n");
    assert_answer(server, "GET", "http://a?EIO=4", NULL, NULL, 404, "Not Found\n");
    snprintf(path, sizeof path, "http://a%s", with_sid(POLLING, sid));
    assert_answer(server, "POST", path, NULL, "4hello", 200, "ok");
    assert_answer(server, "GET", path, NULL, NULL, 200, "4hello");
    assert_int_equal(rj_ws_open(&client, server->port, "http://a" WEBSOCKET, NULL), 101);
    assert_echoes(&client);
    rj_ws_disconnect(&client);
}

static void a_target_for_a_proxy_is_refused(void **state)
{
    struct server *server = *state;
    static const char *const lines[] = {
        "GET http://user@a" POLLING, "GET http://user:word@a" POLLING,
        "GET http://" POLLING,       "GET ftp://a/",
        "GET http://:80" POLLING,    "CONNECT a:80",
        "CONNECT " POLLING,          "GET a:80",
        "CONNECT http://a" POLLING,  "GET *",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct rj_ws_client client;
        char text[256];
        snprintf(text, sizeof text, "%s HTTP/1.1\r\nHost: a\r\n\r\n", lines[i]);
        assert_true(rj_ws_connect(&client, server->port));
        assert_true(rj_ws_send_str(&client, text));
        assert_read(&client, 400, "");
        assert_true(rj_ws_is_closed(&client, WAIT_MS));
        rj_ws_disconnect(&client);
    }
}

static void options_of_the_server_say_what_it_knows(void **state)
{
    struct server *server = *state;
    static const char *const targets[] = {"*", "http://a"};
    struct rj_http_answer answer;
    struct rj_ws_client client;
    assert_true(rj_ws_connect(&client, server->port));
    for (size_t i = 0; i < 4; i++) { /* an offer of another protocol may be passed over (RFC 9110 §7.8) */
        const char *offer = i < 2 ? NULL : "Connection: Upgrade\r\nUpgrade: h2c\r\n";
        assert_true(rj_http_send(&client, "OPTIONS", targets[i % 2], offer, NULL));
        assert_true(rj_http_read(&client, &answer, WAIT_MS));
        assert_int_equal(answer.status, 200);
        assert_int_equal(answer.body.len, 0);
        assert_true(rj_http_has(&answer, "Allow: GET, HEAD, POST, OPTIONS\r\n"));
        rj_http_free(&answer);
    }
    rj_ws_disconnect(&client);
}

static void only_allowed_origins_may_read_and_open_websockets(void **state)
{
    struct server *server = *state;
    struct rj_http_answer answer;
    struct rj_ws_client client;
    const char *good = "Origin: http://good.example\r\n", *bad = "Origin: http://bad.example\r\n";
    assert_true(rj_http_once(server->port, "GET", POLLING, good, NULL, &answer));
    assert_true(rj_http_has(&answer, "Access-Control-Allow-Origin: http://good.example\r\n"));
    assert_true(rj_http_has(&answer, "Vary: Origin\r\n"));
    rj_http_free(&answer);
    assert_true(rj_http_once(server->port, "GET", POLLING, bad, NULL, &answer));
    assert_int_equal(answer.status, 200);
    assert_false(rj_http_has(&answer, "Access-Control-Allow-Origin"));
    assert_true(rj_http_has(&answer, "Vary: Origin\r\n")); /* a cache must not give it to a good one */
    rj_http_free(&answer);
    assert_true(rj_http_once(server->port, "GET", POLLING, NULL, NULL, &answer));
    assert_true(rj_http_has(&answer, "Vary: Origin\r\n"));
    rj_http_free(&answer);
    assert_true(rj_http_once(server->port, "OPTIONS", POLLING,
                             "Origin: http://good.example\r\nAccess-Control-Request-Headers: x-a\r\n", NULL,
                             &answer));
    assert_int_equal(answer.status, 204);
    assert_true(rj_http_has(&answer, "Access-Control-Allow-Headers: x-a\r\n"));
    rj_http_free(&answer);

    assert_int_equal(rj_ws_open(&client, server->port, WEBSOCKET, bad), 403);
    rj_ws_disconnect(&client);
    assert_int_equal(rj_ws_open(&client, server->port, WEBSOCKET, good), 101);
    rj_ws_disconnect(&client);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(the_first_answer_is_the_open_packet, engineio_setup, engineio_teardown),
    cmocka_unit_test_setup_teardown(each_fault_at_the_door_has_its_code, engineio_setup, engineio_teardown),
    cmocka_unit_test_setup_teardown(a_refused_upgrade_gets_a_status_before_any_101, engineio_setup,
                                    engineio_teardown),
    cmocka_unit_test_setup_teardown(an_empty_sid_is_none, engineio_setup, engineio_teardown),
    cmocka_unit_test_setup_teardown(the_path_may_come_without_its_last_slash, engineio_setup,
                                    engineio_teardown),
    cmocka_unit_test_setup_teardown(a_live_session_takes_no_request_of_another_version, engineio_setup,
                                    engineio_teardown),
    cmocka_unit_test_setup_teardown(the_answer_to_a_post_is_not_stored, engineio_setup, engineio_teardown),
    cmocka_unit_test_setup_teardown(of_subprotocols_the_first_offered_is_taken, engineio_setup,
                                    engineio_teardown),
    cmocka_unit_test_setup_teardown(a_websocket_of_another_version_is_told_which_is_known, engineio_setup,
                                    engineio_teardown),
    cmocka_unit_test_setup_teardown(other_methods_on_a_live_session_get_500, engineio_setup,
                                    engineio_teardown),
    cmocka_unit_test_setup_teardown(bodies_of_other_methods_are_read_and_refused, engineio_setup,
                                    engineio_teardown),
    cmocka_unit_test_setup_teardown(a_refused_body_that_waits_for_a_word_is_not_awaited, engineio_setup,
                                    engineio_teardown),
    cmocka_unit_test_setup_teardown(a_target_may_name_the_server_too, engineio_setup, engineio_teardown),
    cmocka_unit_test_setup_teardown(a_target_for_a_proxy_is_refused, engineio_setup, engineio_teardown),
    cmocka_unit_test_setup_teardown(options_of_the_server_say_what_it_knows, engineio_setup,
                                    engineio_teardown),
    cmocka_unit_test_setup_teardown(only_allowed_origins_may_read_and_open_websockets, engineio_setup_origins,
                                    engineio_teardown),
};

RJ_TEST_MAIN(tests)
