/* Requests that are sent before the answers to those before them: each gets its answer, once and in order,
 * however the bytes arrive and whatever ends the connection.
 */
#include <sys/socket.h>

#include "tests/process/engineio_support.h"

#define HOST "Host: a\r\n"

struct expected {
    int status;
    const char *body; /* NULL: any */
    bool is_head;     /* there is none, though a length is told */
};

static void expect_answers(struct rj_ws_client *client, const struct expected *expected, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct rj_http_answer answer;
        bool came = expected[i].is_head ? rj_http_read_head(client, &answer, WAIT_MS)
                                        : rj_http_read(client, &answer, WAIT_MS);
        if (!came || answer.status != expected[i].status)
            fail_msg("answer %zu: %d instead of %d", i, answer.status, expected[i].status);
        if (expected[i].body)
            assert_string_equal(rj_http_body(&answer), expected[i].body);
        rj_http_free(&answer);
    }
}

static void assert_nothing_comes(struct rj_ws_client *client, unsigned ms)
{
    assert_false(rj_ws_is_closed(client, ms));
    assert_int_equal(client->in.len, 0);
}

static void put_get(struct rj_buf *out, const char *path)
{
    rj_buf_printf(out, "GET %s HTTP/1.1\r\n" HOST "\r\n", path);
}

static void put_post(struct rj_buf *out, const char *path, const char *body)
{
    rj_buf_printf(out, "POST %s HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n%s", path, strlen(body), body);
}

/* Requests in a polling session, gathered and then sent at once on a connection of their own. */
struct pipeline {
    struct rj_ws_client client;
    struct rj_buf text;
    char path[256]; /* of the session */
};

static void begin(struct pipeline *pipeline, const struct server *server)
{
    char sid[64];
    *pipeline = (struct pipeline){0};
    open_polling(server, sid);
    snprintf(pipeline->path, sizeof pipeline->path, "%s", with_sid(POLLING, sid));
}

static void send_all(struct pipeline *pipeline, const struct server *server)
{
    assert_true(rj_ws_connect(&pipeline->client, server->port));
    assert_true(rj_ws_send_raw(&pipeline->client, pipeline->text.data, pipeline->text.len));
}

static void end(struct pipeline *pipeline)
{
    rj_ws_disconnect(&pipeline->client);
    rj_buf_free(&pipeline->text);
}

/* ---- order */

/* One of everything, among it two messages and the poll that brings them back. */
static void put_mixture(struct rj_buf *out, const char *sid)
{
    char path[256];
    snprintf(path, sizeof path, "%s", with_sid(POLLING, sid));
    put_get(out, "/x");
    put_post(out, path, "4one");
    rj_buf_printf(out, "HEAD /x HTTP/1.1\r\n" HOST "\r\n");
    rj_buf_printf(out, "OPTIONS /x HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n");
    rj_buf_printf(out, "POST %s HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", path);
    rj_buf_put_str(out, "1\r\n4\r\n3;of=a message\r\ntwo\r\n0\r\nx-trailer: y\r\n\r\n");
    rj_buf_put_str(out, "\r\n"); /* some clients end a POST with a line too many */
    put_post(out, POLLING "&sid=none", "4x");
    put_get(out, path);
    rj_buf_printf(out, "DELETE %s HTTP/1.1\r\n" HOST "\r\n", path);
    put_get(out, "/y");
}

static const struct expected mixture[] = {
    {404, "Not Found\n", false},
    {200, "ok", false},
    {404, NULL, true},
    {404, "Not Found\n", false},
    {200, "ok", false},
    {400, "{\"code\":1,\"message\":\"Session ID unknown\"}", false},
    {200,
     "4one\x1e"
     "4two",
     false},
    {500, "", false},
    {404, "Not Found\n", false},
};
enum { MIXTURE = sizeof mixture / sizeof *mixture };

static void requests_in_one_segment_are_answered_in_order(void **state)
{
    struct server *server = *state;
    struct rj_ws_client client;
    assert_true(rj_ws_connect(&client, server->port));
    for (int i = 0; i < 3; i++) {
        struct rj_buf text = {0};
        char sid[64];
        open_polling(server, sid);
        put_mixture(&text, sid);
        assert_true(rj_ws_send_raw(&client, text.data, text.len));
        expect_answers(&client, mixture, MIXTURE);
        rj_buf_free(&text);
    }
    assert_nothing_comes(&client, 30);
    rj_ws_disconnect(&client);
}

static void it_does_not_matter_where_the_bytes_are_cut(void **state)
{
    struct server *server = *state;
    struct rj_ws_client client;
    struct rj_buf text = {0};
    char sid[64];
    open_polling(server, sid);
    put_mixture(&text, sid);
    assert_true(rj_ws_connect(&client, server->port));
    for (size_t i = 0; i < text.len; i++) /* byte by byte */
        assert_true(rj_ws_send_raw(&client, text.data + i, 1));
    expect_answers(&client, mixture, MIXTURE);
    for (size_t cut = 1; cut < text.len; cut += 7) { /* in two pieces */
        assert_true(rj_ws_send_raw(&client, text.data, cut));
        if (cut % 2)
            rj_ws_is_closed(&client, 1);
        assert_true(rj_ws_send_raw(&client, text.data + cut, text.len - cut));
        expect_answers(&client, mixture, MIXTURE);
    }
    assert_nothing_comes(&client, 30);
    rj_ws_disconnect(&client);
    rj_buf_free(&text);
}

static void hundreds_of_requests_in_one_segment_lose_nothing(void **state)
{
    enum { N = 500 };
    struct server *server = *state;
    struct pipeline pipeline;
    char body[32];
    begin(&pipeline, server);
    for (int i = 0; i < N; i++) {
        snprintf(body, sizeof body, "4message %d", i);
        put_post(&pipeline.text, pipeline.path, body);
        put_get(&pipeline.text, pipeline.path);
        put_get(&pipeline.text, "/x");
    }
    send_all(&pipeline, server);
    for (int i = 0; i < N; i++) {
        snprintf(body, sizeof body, "4message %d", i);
        assert_read(&pipeline.client, 200, "ok");
        assert_read(&pipeline.client, 200, body);
        assert_read(&pipeline.client, 404, "Not Found\n");
    }
    assert_nothing_comes(&pipeline.client, 30);
    end(&pipeline);
    assert_serves(server);
}

/* ---- polls */

static void a_post_behind_a_held_poll_waits_for_it(void **state)
{
    struct server *server = *state;
    struct pipeline pipeline;
    begin(&pipeline, server);
    put_get(&pipeline.text, pipeline.path);
    put_post(&pipeline.text, pipeline.path, "4behind");
    put_get(&pipeline.text, pipeline.path);
    send_all(&pipeline, server);
    assert_nothing_comes(&pipeline.client, BRIEFLY_MS);
    assert_answer(server, "POST", pipeline.path, NULL, "4beside", 200, "ok");
    assert_read(&pipeline.client, 200, "4beside");
    assert_read(&pipeline.client, 200, "ok");
    assert_read(&pipeline.client, 200, "4behind");
    end(&pipeline);
}

/* A client with a single connection: each poll brings a ping, and the pong stands behind it. */
static void a_heartbeat_goes_over_one_connection(void **state)
{
    enum { BEATS = 8 };
    struct server *server = *state;
    struct pipeline pipeline;
    begin(&pipeline, server);
    for (int i = 0; i < BEATS; i++) {
        put_get(&pipeline.text, pipeline.path);
        put_post(&pipeline.text, pipeline.path, "3");
    }
    send_all(&pipeline, server);
    for (int i = 0; i < BEATS; i++) {
        assert_read(&pipeline.client, 200, "2");
        assert_read(&pipeline.client, 200, "ok");
    }
    end(&pipeline);
}

static void whose_pong_stands_behind_a_poll_too_many_is_gone_in_time(void **state)
{
    struct server *server = *state;
    struct pipeline pipeline;
    begin(&pipeline, server);
    put_get(&pipeline.text, pipeline.path);
    put_get(&pipeline.text, pipeline.path);
    put_post(&pipeline.text, pipeline.path, "3");
    send_all(&pipeline, server);
    assert_read(&pipeline.client, 200, "2");
    assert_read(&pipeline.client, 200, "1");
    assert_read(&pipeline.client, 400, "{\"code\":1,\"message\":\"Session ID unknown\"}");
    end(&pipeline);
}

/* ---- ends */

/* Far more than is looked at, so that a reset would overtake the answers. */
static void put_rest(struct rj_buf *out)
{
    for (int i = 0; i < 20000; i++)
        put_get(out, "/rest");
}

static void what_follows_the_last_request_is_discarded(void **state)
{
    struct server *server = *state;
    static const struct {
        const char *request;
        int status;
    } cases[] = {
        {"GET /x HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", 404},
        {"GET /x HTTP/1.0\r\n\r\n", 404},
        {"POST /x HTTP/1.1\r\n" HOST "Connection: close\r\nContent-Length: 4\r\n\r\nbody", 404},
        {"rubbish\r\n\r\n", 400},
        {"GET /x HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\nbody", 400},
        {"POST /x HTTP/1.1\r\n" HOST "\r\n", 411},
        {"POST /x HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n4\r\nbodies", 400},
        {"GET /x HTTP/1.1\r\n" HOST "Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n", 400},
        {"GET /x HTTP/1.1\r\n" HOST UPGRADE "\r\n", 404},
    };
    for (size_t i = 0; i < 2 * sizeof cases / sizeof *cases; i++) {
        struct rj_ws_client client;
        struct rj_buf text = {0};
        struct expected expected[] = {{404, "Not Found\n", false}, {cases[i / 2].status, NULL, false}};
        bool is_second = i % 2;
        if (is_second)
            put_get(&text, "/first");
        rj_buf_put_str(&text, cases[i / 2].request);
        put_rest(&text);
        assert_true(rj_ws_connect(&client, server->port));
        assert_true(rj_ws_send_raw(&client, text.data, text.len));
        expect_answers(&client, is_second ? expected : expected + 1, is_second ? 2 : 1);
        assert_true(rj_ws_is_closed(&client, WAIT_MS));
        assert_int_equal(client.in.len, 0);
        rj_ws_disconnect(&client);
        rj_buf_free(&text);
    }
    assert_serves(server);
}

static void clients_of_http_1_0_that_keep_connections_may_pipeline(void **state)
{
    struct server *server = *state;
    struct rj_ws_client client;
    assert_true(rj_ws_connect(&client, server->port));
    assert_true(rj_ws_send_str(&client, "GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
                                        "GET /y HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
                                        "GET /z HTTP/1.0\r\n\r\n"));
    for (int i = 0; i < 3; i++)
        assert_read(&client, 404, "Not Found\n");
    assert_true(rj_ws_is_closed(&client, WAIT_MS));
    rj_ws_disconnect(&client);
}

static void a_websocket_may_follow(void **state)
{
    struct server *server = *state;
    struct rj_ws_client client;
    struct rj_http_answer answer;
    char sid[64];
    open_polling(server, sid);
    for (int i = 0; i < 2; i++) {
        struct rj_buf text = {0};
        put_get(&text, "/x");
        put_post(&text, with_sid(POLLING, sid), "4polled");
        rj_buf_put_str(&text, "GET " WEBSOCKET " HTTP/1.1\r\n" HOST UPGRADE "\r\n");
        if (i == 1) /* §4.1 of RFC 6455 forbids it, but the reference reads it */
            rj_buf_put(&text,
                       "\x81\x86\0\0\0\0"
                       "4early",
                       12);
        assert_true(rj_ws_connect(&client, server->port));
        assert_true(rj_ws_send_raw(&client, text.data, text.len));
        assert_read(&client, 404, "Not Found\n");
        assert_read(&client, 200, "ok");
        assert_true(rj_http_read(&client, &answer, WAIT_MS));
        assert_int_equal(answer.status, 101);
        struct rj_buf data = {0};
        if (i == 1)
            assert_true(rj_ws_expect(&client, "4early", &data, WAIT_MS));
        else
            assert_echoes(&client);
        rj_buf_free(&data);
        rj_http_free(&answer);
        rj_ws_disconnect(&client);
        rj_buf_free(&text);
    }
}

/* ---- half-closed */

static void who_has_said_all_gets_all_answers(void **state)
{
    struct server *server = *state;
    struct rj_ws_client client;
    struct rj_buf text = {0};
    char sid[64];
    for (int i = 0; i < 20; i++) {
        open_polling(server, sid);
        rj_buf_clear(&text);
        put_mixture(&text, sid);
        assert_true(rj_ws_connect(&client, server->port));
        assert_true(rj_ws_send_raw(&client, text.data, text.len));
        shutdown(client.fd, SHUT_WR);
        expect_answers(&client, mixture, MIXTURE);
        assert_true(rj_ws_is_closed(&client, WAIT_MS));
        assert_int_equal(client.in.len, 0);
        rj_ws_disconnect(&client);
    }
    rj_buf_free(&text);
}

/* Nobody can tell it from one that is gone. */
static void who_has_said_all_holds_no_poll(void **state)
{
    struct server *server = *state;
    struct rj_ws_client client;
    char sid[64];
    open_polling(server, sid);
    hold_poll(server, sid, &client);
    assert_true(rj_http_send(&client, "GET", "/behind", NULL, NULL));
    shutdown(client.fd, SHUT_WR);
    assert_true(rj_ws_is_closed(&client, WAIT_MS));
    assert_gone(server, sid);
    rj_ws_disconnect(&client);
}

static void half_a_request_at_the_end_is_nothing(void **state)
{
    struct server *server = *state;
    static const char *const halves[] = {
        "G",
        "GET /y HTTP/1.1\r\n" HOST,
        "POST " POLLING "&sid=%s HTTP/1.1\r\n" HOST "Content-Length: 9\r\n\r\nhalf",
        "POST " POLLING "&sid=%s HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n4\r",
    };
    for (size_t i = 0; i < sizeof halves / sizeof *halves; i++) {
        struct rj_ws_client client;
        struct rj_buf text = {0};
        char sid[64], half[256];
        open_polling(server, sid);
        snprintf(half, sizeof half, halves[i], sid);
        put_get(&text, "/x");
        rj_buf_put_str(&text, half);
        assert_true(rj_ws_connect(&client, server->port));
        assert_true(rj_ws_send_raw(&client, text.data, text.len));
        shutdown(client.fd, SHUT_WR);
        assert_read(&client, 404, "Not Found\n");
        assert_true(rj_ws_is_closed(&client, WAIT_MS));
        assert_int_equal(client.in.len, 0);
        rj_ws_disconnect(&client);
        rj_buf_free(&text);
    }
    assert_serves(server);
}

/* ---- bodies */

static void a_body_may_come_in_chunks(void **state)
{
    struct server *server = *state;
    static const char *const bodies[] = {
        "6\r\n4hello\r\n0\r\n\r\n",
        "1\r\n4\r\n5;ext=\"x;y\"\r\nhello\r\n000\r\n\r\n",
        "1\r\n4\r\n1\r\nh\r\n4 ; a\r\nello\r\n0;last\r\nx-a: b\r\nx-c: d\r\n\r\n",
        "006\r\n4hello\r\n0\r\n\r\n",
    };
    struct rj_ws_client client;
    char sid[64], path[256];
    open_polling(server, sid);
    snprintf(path, sizeof path, "%s", with_sid(POLLING, sid));
    assert_true(rj_ws_connect(&client, server->port));
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        assert_true(rj_http_send(&client, "POST", path, "Transfer-Encoding: Chunked\r\n", NULL));
        for (size_t at = 0; bodies[i][at]; at++)
            assert_true(rj_ws_send_raw(&client, bodies[i] + at, 1));
        assert_read(&client, 200, "ok");
        assert_true(rj_http_send(&client, "GET", path, NULL, NULL));
        assert_read(&client, 200, "4hello");
    }
    rj_ws_disconnect(&client);
}

static void chunks_above_the_limit_get_413(void **state)
{
    enum { LIMIT = 10000, CHUNK = 1000 };
    struct server *server = *state;
    for (size_t len = LIMIT; len <= LIMIT + 1; len++) {
        struct rj_ws_client client;
        struct rj_buf text = {0};
        char sid[64];
        open_polling(server, sid);
        for (size_t at = 0; at < len; at += CHUNK) {
            size_t part = len - at < CHUNK ? len - at : CHUNK;
            rj_buf_printf(&text, "%zx\r\n", part);
            memset(rj_buf_reserve(&text, part), at ? 'x' : '4', part);
            text.len += part;
            rj_buf_put_str(&text, "\r\n");
        }
        rj_buf_put_str(&text, "0\r\n\r\n");
        assert_true(rj_ws_connect(&client, server->port));
        assert_true(
            rj_http_send(&client, "POST", with_sid(POLLING, sid), "Transfer-Encoding: chunked\r\n", NULL));
        assert_true(rj_ws_send_raw(&client, text.data, text.len));
        assert_read(&client, len > LIMIT ? 413 : 200, len > LIMIT ? "" : "ok");
        assert_true(rj_http_send(&client, "GET", "/x", NULL, NULL)); /* the connection goes on */
        assert_read(&client, 404, "Not Found\n");
        rj_ws_disconnect(&client);
        rj_buf_free(&text);
    }
}

static void who_expects_100_continue_gets_it_or_the_answer(void **state)
{
    struct server *server = *state;
    struct rj_ws_client client;
    struct rj_http_answer answer;
    static const char headers[] = "Expect: 100-continue\r\nContent-Length: 6\r\n";
    char sid[64];
    open_polling(server, sid);
    assert_true(rj_ws_connect(&client, server->port));
    assert_true(rj_http_send(&client, "POST", with_sid(POLLING, sid), headers, NULL));
    assert_true(rj_http_read_head(&client, &answer, WAIT_MS));
    assert_int_equal(answer.status, 100);
    rj_http_free(&answer);
    assert_true(rj_ws_send_str(&client, "4hello"));
    assert_read(&client, 200, "ok");
    assert_true(rj_http_send(&client, "GET", with_sid(POLLING, sid), NULL, NULL));
    assert_read(&client, 200, "4hello");
    assert_true(rj_http_send(&client, "POST", "/x", headers, NULL)); /* nobody wants its body */
    assert_true(rj_http_read(&client, &answer, WAIT_MS));
    assert_int_equal(answer.status, 404);
    assert_true(rj_http_has(&answer, "Connection: close\r\n"));
    rj_http_free(&answer);
    assert_true(rj_ws_is_closed(&client, WAIT_MS));
    rj_ws_disconnect(&client);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(requests_in_one_segment_are_answered_in_order, engineio_setup,
                                    engineio_teardown),
    cmocka_unit_test_setup_teardown(it_does_not_matter_where_the_bytes_are_cut, engineio_setup,
                                    engineio_teardown),
    cmocka_unit_test_setup_teardown(hundreds_of_requests_in_one_segment_lose_nothing, engineio_setup,
                                    engineio_teardown),
    cmocka_unit_test_setup_teardown(a_post_behind_a_held_poll_waits_for_it, engineio_setup,
                                    engineio_teardown),
    cmocka_unit_test_setup_teardown(a_heartbeat_goes_over_one_connection, engineio_setup_quick,
                                    engineio_teardown),
    cmocka_unit_test_setup_teardown(whose_pong_stands_behind_a_poll_too_many_is_gone_in_time,
                                    engineio_setup_quick, engineio_teardown),
    cmocka_unit_test_setup_teardown(what_follows_the_last_request_is_discarded, engineio_setup,
                                    engineio_teardown),
    cmocka_unit_test_setup_teardown(clients_of_http_1_0_that_keep_connections_may_pipeline, engineio_setup,
                                    engineio_teardown),
    cmocka_unit_test_setup_teardown(a_websocket_may_follow, engineio_setup, engineio_teardown),
    cmocka_unit_test_setup_teardown(who_has_said_all_gets_all_answers, engineio_setup, engineio_teardown),
    cmocka_unit_test_setup_teardown(who_has_said_all_holds_no_poll, engineio_setup, engineio_teardown),
    cmocka_unit_test_setup_teardown(half_a_request_at_the_end_is_nothing, engineio_setup, engineio_teardown),
    cmocka_unit_test_setup_teardown(a_body_may_come_in_chunks, engineio_setup, engineio_teardown),
    cmocka_unit_test_setup_teardown(chunks_above_the_limit_get_413, engineio_setup, engineio_teardown),
    cmocka_unit_test_setup_teardown(who_expects_100_continue_gets_it_or_the_answer, engineio_setup,
                                    engineio_teardown),
};

RJ_TEST_MAIN(tests)
