/* The Engine.IO layer over real sockets, through engineio-echo: what the reference answers, and what breaks
 * servers. The server must end cleanly behind every test (its sanitizers see to the rest).
 */
#include <stdlib.h>

#include "tests/support/process.h"
#include "tests/support/test.h"
#include "tests/support/ws_client.h"

enum { WAIT_MS = RJ_WS_DEADLINE_MS, BRIEFLY_MS = 300 };

#define POLLING   "/engine.io/?EIO=4&transport=polling"
#define WEBSOCKET "/engine.io/?EIO=4&transport=websocket"

struct server {
    struct rj_process process;
    uint16_t port;
};

/* ping interval, ping timeout, limit, upgrade timeout, origins */
static void start(struct server *server, const char *interval, const char *timeout, const char *limit,
                  const char *upgrade, const char *origins)
{
    char path[512], listen[64];
    const char *argv[] = {rj_process_program("engineio-echo", path, sizeof path),
                          interval,
                          timeout,
                          limit,
                          upgrade,
                          "0",
                          origins,
                          NULL};
    assert_true(rj_process_start(&server->process, argv, NULL, NULL));
    assert_true(rj_process_wait_ready(&server->process, WAIT_MS));
    assert_true(rj_process_ready_value(&server->process, "listen", listen, sizeof listen));
    server->port = (uint16_t)atoi(strrchr(listen, ':') + 1);
}

static int setup(void **state)
{
    struct server *server = calloc(1, sizeof *server);
    start(server, "25000", "20000", "10000", "10000", NULL);
    *state = server;
    return 0;
}

static int setup_quick_heartbeat(void **state)
{
    struct server *server = calloc(1, sizeof *server);
    start(server, "150", "150", "10000", "200", NULL);
    *state = server;
    return 0;
}

static int setup_origins(void **state)
{
    struct server *server = calloc(1, sizeof *server);
    start(server, "25000", "20000", "10000", "10000", "http://good.example");
    *state = server;
    return 0;
}

static int teardown(void **state)
{
    struct server *server = *state;
    int status = -1;
    bool ended =
        rj_process_signal(&server->process, SIGTERM) && rj_process_wait_end(&server->process, 10000, &status);
    if (!ended || status != 0)
        print_error("engineio-echo: ended=%d status=%d\n", ended, status);
    rj_process_kill(&server->process);
    free(server);
    return ended && status == 0 ? 0 : -1;
}

/* ---- helpers */

static char *with_sid(const char *path, const char *sid)
{
    static char text[256];
    snprintf(text, sizeof text, "%s&sid=%s", path, sid);
    return text;
}

static void sid_of(const char *open, char sid[static 64])
{
    const char *at = strstr(open, "\"sid\":\"");
    assert_non_null(at);
    assert_int_equal(sscanf(at + 7, "%63[^\"]", sid), 1);
}

static void open_polling(const struct server *server, char sid[static 64])
{
    struct rj_http_answer answer;
    assert_true(rj_http_once(server->port, "GET", POLLING, NULL, NULL, &answer));
    assert_int_equal(answer.status, 200);
    sid_of(rj_http_body(&answer), sid);
    rj_http_free(&answer);
}

static void open_websocket(const struct server *server, struct rj_ws_client *client)
{
    struct rj_buf data = {0};
    assert_int_equal(rj_ws_open(client, server->port, WEBSOCKET, NULL), 101);
    assert_true(rj_ws_expect(client, "0{", &data, WAIT_MS));
    rj_buf_free(&data);
}

static void assert_answer(const struct server *server, const char *method, const char *path,
                          const char *headers, const char *body, int status, const char *expected)
{
    struct rj_http_answer answer;
    assert_true(rj_http_once(server->port, method, path, headers, body, &answer));
    assert_string_equal(rj_http_body(&answer), expected);
    assert_int_equal(answer.status, status);
    rj_http_free(&answer);
}

static void assert_read(struct rj_ws_client *client, int status, const char *expected)
{
    struct rj_http_answer answer;
    assert_true(rj_http_read(client, &answer, WAIT_MS));
    assert_int_equal(answer.status, status);
    assert_string_equal(rj_http_body(&answer), expected);
    rj_http_free(&answer);
}

static void assert_gone(const struct server *server, const char *sid)
{
    assert_answer(server, "GET", with_sid(POLLING, sid), NULL, NULL, 400,
                  "{\"code\":1,\"message\":\"Session ID unknown\"}");
}

/* Sends a poll on a connection of its own, and waits until the server has it. */
static void hold_poll(const struct server *server, const char *sid, struct rj_ws_client *poll)
{
    assert_true(rj_ws_connect(poll, server->port));
    assert_true(rj_http_send(poll, "GET", with_sid(POLLING, sid), NULL, NULL));
    assert_false(rj_ws_is_closed(poll, 50)); /* nothing may come */
    assert_int_equal(poll->in.len, 0);
}

static void assert_text(struct rj_ws_client *client, const char *expected)
{
    struct rj_buf data = {0};
    assert_int_equal(rj_ws_receive(client, &data, WAIT_MS), RJ_WS_TEXT);
    assert_string_equal(rj_buf_cstr(&data), expected);
    rj_buf_free(&data);
}

static void assert_serves(const struct server *server)
{
    struct rj_ws_client client;
    open_websocket(server, &client);
    assert_true(rj_ws_send_text(&client, "4still here"));
    assert_text(&client, "4still here");
    rj_ws_disconnect(&client);
}

/* ---- the door */

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
        {"GET", POLLING "&sid=", NULL, NULL, unknown_sid},
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
    assert_int_equal(rj_ws_open(&client, server->port, WEBSOCKET, "Sec-WebSocket-Protocol: soap\r\n"), 400);
    rj_ws_disconnect(&client);
    assert_int_equal(rj_ws_open(&client, server->port, WEBSOCKET, "Origin: http://any.example\r\n"), 101);
    rj_ws_disconnect(&client);
}

static void other_methods_on_a_live_session_get_500(void **state)
{
    struct server *server = *state;
    char sid[64];
    open_polling(server, sid);
    assert_answer(server, "DELETE", with_sid(POLLING, sid), NULL, NULL, 500, "");
    assert_answer(server, "OPTIONS", with_sid(POLLING, sid), NULL, NULL, 500, "");
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

/* ---- polling */

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

/* ---- WebSocket */

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
    int code = rj_ws_close_code(&client, WAIT_MS);
    assert_true(code == 1009 || code == -1);
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

/* ---- the upgrade */

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

/* ---- hostile input */

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

/* No client may do that (RFC 6455 §4.1), and libwebsockets overwrites what it had read by then. */
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
        assert_true(rj_ws_connect(&client, server->port));
        assert_true(rj_ws_send_raw(&client, request, cut));
        if (cut % 2)
            rj_ws_is_closed(&client, 1);
        assert_true(rj_ws_send_raw(&client, request + cut, sizeof request - 1 - cut));
        rj_ws_is_closed(&client, 5);
        rj_ws_disconnect(&client);
    }
    assert_serves(server);
}

/* libwebsockets 4.1 loops for good over a body that it finds among bytes it had set aside. */
static void a_request_sent_before_the_answer_costs_the_connection(void **state)
{
    struct server *server = *state;
    static const char *const first[] = {"GET /a HTTP/1.1\r\nHost: a\r\n\r\n",
                                        "POST " POLLING " HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n4x",
                                        "POST " POLLING " HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"};
    static const char *const second[] = {
        "GET /b HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST " POLLING " HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n4x",
        "POST " POLLING " HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n4x",
        "GET " WEBSOCKET " HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"};
    for (size_t i = 0; i < sizeof first / sizeof *first; i++) {
        for (size_t j = 0; j < sizeof second / sizeof *second; j++) {
            struct rj_ws_client client;
            char both[1024];
            size_t len = (size_t)snprintf(both, sizeof both, "%s%s", first[i], second[j]);
            assert_true(rj_ws_connect(&client, server->port));
            assert_true(rj_ws_send_raw(&client, both, len));
            assert_true(rj_ws_is_closed(&client, WAIT_MS));
            rj_ws_disconnect(&client);
            for (size_t cut = 1; cut < len;
                 cut += 5) { /* in two pieces: in time or too early, never a hang */
                assert_true(rj_ws_connect(&client, server->port));
                assert_true(rj_ws_send_raw(&client, both, cut));
                if (cut % 2)
                    rj_ws_is_closed(&client, 1);
                rj_ws_send_raw(&client, both + cut, len - cut);
                rj_ws_is_closed(&client, 2);
                rj_ws_disconnect(&client);
            }
        }
        assert_serves(server);
    }
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

static void a_request_behind_a_held_poll_costs_the_connection(void **state)
{
    struct server *server = *state;
    struct rj_ws_client poll;
    char sid[64];
    open_polling(server, sid);
    hold_poll(server, sid, &poll);
    assert_true(rj_http_send(&poll, "GET", "/x", NULL, NULL));
    assert_true(rj_ws_is_closed(&poll, WAIT_MS));
    assert_gone(server, sid);
    rj_ws_disconnect(&poll);
}

static void requests_without_a_clear_end_are_refused(void **state)
{
    struct server *server = *state;
    static const struct {
        const char *request;
        int status; /* 0: closed without a word will do */
    } cases[] = {
        {"POST " POLLING " HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n4x\r\n0\r\n\r\n",
         411},
        {"POST " POLLING " HTTP/1.1\r\nHost: a\r\n\r\n", 411},
        {"POST " POLLING " HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n", 400},
        {"POST " POLLING " HTTP/1.1\r\nHost: a\r\nContent-Length: 5x\r\n\r\n", 400},
        {"POST " POLLING " HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\n", 400},
        {"GET " POLLING " HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", 400},
        {"GET " POLLING " HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
        {"CONNECT localhost:1 HTTP/1.1\r\nHost: a\r\n\r\n", 0},
        {"CONNECT / HTTP/1.1\r\nHost: a\r\n\r\nrubbish", 0},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0},
        {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rj_ws_client client;
        struct rj_http_answer answer;
        assert_true(rj_ws_connect(&client, server->port));
        assert_true(rj_ws_send_str(&client, cases[i].request));
        if (cases[i].status) {
            assert_true(rj_http_read(&client, &answer, WAIT_MS));
            assert_int_equal(answer.status, cases[i].status);
            rj_http_free(&answer);
        }
        if (!rj_ws_is_closed(&client, WAIT_MS))
            fail_msg("still open: %s", cases[i].request);
        rj_ws_disconnect(&client);
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
    cmocka_unit_test_setup_teardown(the_first_answer_is_the_open_packet, setup, teardown),
    cmocka_unit_test_setup_teardown(each_fault_at_the_door_has_its_code, setup, teardown),
    cmocka_unit_test_setup_teardown(a_refused_upgrade_gets_a_status_before_any_101, setup, teardown),
    cmocka_unit_test_setup_teardown(other_methods_on_a_live_session_get_500, setup, teardown),
    cmocka_unit_test_setup_teardown(only_allowed_origins_may_read_and_open_websockets, setup_origins,
                                    teardown),
    cmocka_unit_test_setup_teardown(what_a_post_brings_a_poll_takes_away, setup, teardown),
    cmocka_unit_test_setup_teardown(a_held_poll_is_answered_when_something_comes, setup, teardown),
    cmocka_unit_test_setup_teardown(a_second_poll_ends_the_session, setup, teardown),
    cmocka_unit_test_setup_teardown(a_second_post_ends_the_session, setup, teardown),
    cmocka_unit_test_setup_teardown(an_aborted_poll_ends_the_session, setup, teardown),
    cmocka_unit_test_setup_teardown(an_oversize_post_is_refused_and_the_session_lives, setup, teardown),
    cmocka_unit_test_setup_teardown(a_kept_connection_survives_an_oversize_post, setup, teardown),
    cmocka_unit_test_setup_teardown(bodies_that_are_no_payload_end_the_session, setup, teardown),
    cmocka_unit_test_setup_teardown(a_client_that_closes_frees_its_poll, setup, teardown),
    cmocka_unit_test_setup_teardown(a_close_by_the_server_reaches_the_poll_or_the_next, setup, teardown),
    cmocka_unit_test_setup_teardown(messages_come_back_over_websocket, setup, teardown),
    cmocka_unit_test_setup_teardown(fragments_are_put_together, setup, teardown),
    cmocka_unit_test_setup_teardown(a_message_above_the_limit_closes_with_1009, setup, teardown),
    cmocka_unit_test_setup_teardown(what_is_no_packet_closes_the_websocket, setup, teardown),
    cmocka_unit_test_setup_teardown(a_slow_reader_gets_everything_in_the_end, setup, teardown),
    cmocka_unit_test_setup_teardown(connections_that_vanish_while_written_to_do_no_harm, setup, teardown),
    cmocka_unit_test_setup_teardown(a_websocket_that_answers_pings_lives, setup_quick_heartbeat, teardown),
    cmocka_unit_test_setup_teardown(a_missing_pong_ends_the_session, setup_quick_heartbeat, teardown),
    cmocka_unit_test_setup_teardown(an_upgrade_moves_the_session_to_the_websocket, setup, teardown),
    cmocka_unit_test_setup_teardown(a_poll_that_is_still_held_at_the_upgrade_gets_a_noop, setup, teardown),
    cmocka_unit_test_setup_teardown(a_failed_upgrade_leaves_the_session_on_polling, setup, teardown),
    cmocka_unit_test_setup_teardown(an_upgrade_that_is_not_finished_in_time_is_given_up,
                                    setup_quick_heartbeat, teardown),
    cmocka_unit_test_setup_teardown(a_bogus_upgrade_on_a_kept_connection_does_no_harm, setup, teardown),
    cmocka_unit_test_setup_teardown(frames_sent_before_the_101_do_no_harm, setup, teardown),
    cmocka_unit_test_setup_teardown(a_request_sent_before_the_answer_costs_the_connection, setup, teardown),
    cmocka_unit_test_setup_teardown(kept_connections_serve_one_request_after_the_other, setup, teardown),
    cmocka_unit_test_setup_teardown(a_request_behind_a_held_poll_costs_the_connection, setup, teardown),
    cmocka_unit_test_setup_teardown(requests_without_a_clear_end_are_refused, setup, teardown),
    cmocka_unit_test_setup_teardown(endless_headers_are_cut_off, setup, teardown),
};
RJ_TEST_MAIN(tests)
