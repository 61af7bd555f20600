/* Limits of the transport, each from below and from above, and the time that a half-sent thing has: what is
 * over a limit costs its sender alone.
 */
#include <poll.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "tests/process/engineio_support.h"

/* As engineio_setup_limits has them. */
enum { HEADER_BYTES = 2048, CONNECTIONS = 20, HALF_OPEN = 10, TIMEOUT_MS = 1500 };

/* Closed, but not before its time. */
static void assert_times_out(struct rj_ws_client *client, uint64_t begun_ms)
{
    assert_true(rj_ws_is_closed(client, WAIT_MS));
    assert_true(rj_clock_mono_ms() - begun_ms >= TIMEOUT_MS - 50);
    rj_ws_disconnect(client);
}

/* With this status (0: without a word) and not before its time. */
static void assert_times_out_with(struct rj_ws_client *client, uint64_t begun_ms, int status,
                                  struct rj_http_answer *answer)
{
    assert_int_equal(rj_http_read(client, answer, WAIT_MS) ? answer->status : 0, status);
    rj_http_free(answer);
    assert_times_out(client, begun_ms);
}

/* ---- headers */

static int status_of(struct rj_ws_client *client, const struct rj_buf *headers)
{
    struct rj_http_answer answer = {0};
    rj_ws_send_str(client, "GET " POLLING " HTTP/1.1\r\nHost: a\r\n"); /* it may be refused midway */
    rj_ws_send_raw(client, headers->data, headers->len);
    rj_ws_send_str(client, "\r\n");
    int status = rj_http_read(client, &answer, WAIT_MS) ? answer.status : 0;
    rj_http_free(&answer);
    return status;
}

static void put_headers(struct rj_buf *out, size_t n, size_t each)
{
    for (size_t i = 0; i < n; i++) {
        rj_buf_printf(out, "x-%04zu: ", i);
        memset(rj_buf_reserve(out, each), 'v', each);
        out->len += each;
        rj_buf_put_str(out, "\r\n");
    }
}

/* A head of `bytes` in `lines`, without the empty one, that asks for `args` arguments. */
static void put_head(struct rj_buf *out, size_t bytes, size_t lines, size_t args)
{
    rj_buf_put_str(out, "GET " POLLING);
    for (size_t i = 2; i < args; i++)
        rj_buf_put_str(out, "&a=b");
    rj_buf_put_str(out, " HTTP/1.1\r\nHost: a\r\n");
    for (size_t i = 3; i < lines; i++)
        rj_buf_put_str(out, "b:\r\n");
    rj_buf_put_str(out, "c:");
    size_t rest = bytes - out->len - 4;
    memset(rj_buf_reserve(out, rest), 'v', rest);
    out->len += rest;
    rj_buf_put_str(out, "\r\n\r\n");
}

/* Of the first request, of one that was sent behind it at once, and of one that came later. */
static void each_request_of_a_connection_has_the_same_limits(void **state)
{
    struct server *server = *state;
    static const struct {
        size_t bytes, lines, args;
        int status;
    } cases[] = {
        {500, 5, 2, 200},    {HEADER_BYTES, 5, 2, 200}, {HEADER_BYTES + 1, 5, 2, 431},
        {1500, 256, 2, 200}, {1500, 257, 2, 431},       {500, 5, 64, 200},
        {500, 5, 65, 400},
    };
    static const char first[] = "GET /x HTTP/1.1\r\nHost: a\r\n\r\n";
    enum { FIRST, AT_ONCE, LATER, PLACES };
    for (size_t i = 0; i < PLACES * sizeof cases / sizeof *cases; i++) {
        size_t which = i / PLACES, place = i % PLACES;
        struct rj_ws_client client;
        struct rj_http_answer answer;
        struct rj_buf head = {0};
        put_head(&head, cases[which].bytes, cases[which].lines, cases[which].args);
        assert_int_equal(head.len, cases[which].bytes);
        assert_true(rj_ws_connect(&client, server->port));
        assert_true(place == FIRST || rj_ws_send_str(&client, first));
        if (place == LATER)
            assert_read(&client, 404, "Not Found\n");
        assert_true(rj_ws_send_raw(&client, head.data, head.len));
        if (place == AT_ONCE)
            assert_read(&client, 404, "Not Found\n");
        if (!rj_http_read(&client, &answer, WAIT_MS) || answer.status != cases[which].status)
            fail_msg("case %zu: %d instead of %d", i, answer.status, cases[which].status);
        assert_int_equal(rj_ws_is_closed(&client, answer.status == 200 ? 1 : WAIT_MS), answer.status != 200);
        rj_http_free(&answer);
        rj_ws_disconnect(&client);
        rj_buf_free(&head);
    }
    assert_serves(server);
}

static void a_flood_of_headers_gets_431(void **state)
{
    struct server *server = *state;
    static const struct {
        size_t n, each;
    } cases[] = {{5000, 100}, {1, 3000000}}; /* the answer arrives although nobody reads it all */
    for (size_t i = 0; i < 2 * sizeof cases / sizeof *cases; i++) {
        struct rj_ws_client client;
        struct rj_buf headers = {0};
        bool is_second = i % 2;
        put_headers(&headers, cases[i / 2].n, cases[i / 2].each);
        assert_true(rj_ws_connect(&client, server->port));
        if (is_second) {
            assert_true(rj_http_send(&client, "GET", "/x", NULL, NULL));
            assert_read(&client, 404, "Not Found\n");
        }
        assert_int_equal(status_of(&client, &headers), 431);
        assert_true(rj_ws_is_closed(&client, WAIT_MS));
        rj_ws_disconnect(&client);
        rj_buf_free(&headers);
    }
    assert_serves(server);
}

static void what_is_no_request_gets_400(void **state)
{
    struct server *server = *state;
    static const char *const requests[] = {
        "rubbish\r\n\r\n",
        "\x16\x03\x01\x02\x00 a TLS hello\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "GET nowhere HTTP/1.1\r\nHost: a\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        struct rj_ws_client client;
        struct rj_http_answer answer = {0};
        assert_true(rj_ws_connect(&client, server->port));
        assert_true(rj_ws_send_str(&client, requests[i]));
        if (!rj_http_read(&client, &answer, WAIT_MS) || answer.status != 400)
            fail_msg("case %zu: %d", i, answer.status);
        rj_http_free(&answer);
        assert_true(rj_ws_is_closed(&client, WAIT_MS));
        rj_ws_disconnect(&client);
    }
    assert_serves(server);
}

/* ---- slowly */

/* Sends the text byte by byte until the other side has had enough, for about `most_ms`; whether it had. */
static bool drip(struct rj_ws_client *client, const char *text, unsigned most_ms)
{
    uint64_t end_ms = rj_clock_mono_ms() + most_ms;
    for (size_t i = 0; rj_clock_mono_ms() < end_ms; i = (i + 1) % strlen(text)) {
        if (!rj_ws_send_raw(client, text + i, 1) || rj_ws_is_closed(client, 20))
            return true;
    }
    return false;
}

static void assert_dripping_fails(const struct server *server, const char *begin, const char *text,
                                  int status)
{
    struct rj_ws_client client;
    struct rj_http_answer answer = {0};
    uint64_t begun_ms = rj_clock_mono_ms();
    assert_true(rj_ws_connect(&client, server->port));
    assert_true(rj_ws_send_str(&client, begin));
    assert_true(drip(&client, text, WAIT_MS));
    assert_true(rj_clock_mono_ms() - begun_ms >= TIMEOUT_MS - 50);
    if (status) {
        assert_true(rj_http_read(&client, &answer, WAIT_MS));
        assert_int_equal(answer.status, status);
    }
    rj_http_free(&answer);
    rj_ws_disconnect(&client);
    assert_serves(server);
}

static void a_request_line_that_drips_gets_408(void **state)
{
    assert_dripping_fails(*state, "G", "ET /and/so/on/", 408);
}

static void headers_that_drip_get_408(void **state)
{
    assert_dripping_fails(*state, "GET " POLLING " HTTP/1.1\r\n", "x-a: b\r\n", 408);
}

static void a_body_that_drips_gets_408_and_ends_its_session(void **state)
{
    struct server *server = *state;
    char sid[64], begin[512];
    open_polling(server, sid);
    snprintf(begin, sizeof begin, "POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n4",
             with_sid(POLLING, sid));
    assert_dripping_fails(server, begin, "x", 408);
    assert_gone(server, sid);
}

/* A kept connection is closed without a word, unless a request has begun. */
static void the_next_request_of_a_kept_connection_has_its_time_too(void **state)
{
    struct server *server = *state;
    static const char *const begins[] = {"", "G", "GET " POLLING " HTTP/1.1\r\n", "\r"};
    for (size_t i = 0; i < sizeof begins / sizeof *begins; i++) {
        struct rj_ws_client client;
        struct rj_http_answer answer;
        assert_true(rj_ws_connect(&client, server->port));
        assert_true(rj_http_send(&client, "GET", "/x", NULL, NULL));
        assert_read(&client, 404, "Not Found\n");
        uint64_t begun_ms = rj_clock_mono_ms();
        assert_true(rj_ws_send_str(&client, begins[i]));
        if (strlen(begins[i]) > 1)
            assert_true(drip(&client, "x-a: b\r\n", WAIT_MS));
        assert_times_out_with(&client, begun_ms, begins[i][0] ? 408 : 0, &answer);
    }
    assert_serves(server);
}

/* Behind a request that was answered at once, its time starts at once. */
static void half_a_request_behind_a_whole_one_gets_408(void **state)
{
    struct server *server = *state;
    struct rj_ws_client client;
    struct rj_http_answer answer;
    uint64_t begun_ms = rj_clock_mono_ms();
    assert_true(rj_ws_connect(&client, server->port));
    assert_true(rj_ws_send_str(&client, "GET /x HTTP/1.1\r\nHost: a\r\n\r\nGET /y HTTP/1.1\r\nHo"));
    assert_read(&client, 404, "Not Found\n");
    assert_times_out_with(&client, begun_ms, 408, &answer);
}

/* Who asks for more and more and reads nothing is not waited for, and what it sends is not taken in. */
static void who_reads_no_answers_is_closed_in_time(void **state)
{
    enum { ROUNDS = 30 };
    struct server *server = *state;
    struct rj_ws_client client;
    struct rj_buf text = {0};
    char sid[64];
    open_polling(server, sid);
    for (int i = 0; i < ROUNDS; i++) { /* far more than kernels hold */
        rj_buf_printf(&text, "POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: 15\r\n\r\n4burst 90 10000",
                      with_sid(POLLING, sid));
        rj_buf_printf(&text, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", with_sid(POLLING, sid));
    }
    assert_true(rj_ws_connect_narrow(&client, server->port));
    assert_true(rj_ws_send_raw(&client, text.data, text.len));
    uint64_t begun_ms = rj_clock_mono_ms();
    struct pollfd end = {.fd = client.fd, .events = POLLRDHUP};
    assert_int_equal(poll(&end, 1, WAIT_MS), 1); /* a reset, since it leaves requests unread */
    assert_true(rj_clock_mono_ms() - begun_ms >= TIMEOUT_MS - 50);
    rj_ws_disconnect(&client);
    rj_buf_free(&text);
    assert_serves(server);
}

static void a_websocket_message_that_drips_closes_with_1008(void **state)
{
    struct server *server = *state;
    static const struct {
        const char *begin;
        size_t len;
    } cases[] = {
        {"\x81", 1},                                  /* half a header */
        {"\x81\xfe\x01", 3},                          /* of a longer one */
        {"\x81\x82\0\0\0\0\x34", 7},                  /* half a payload */
        {"\x01\x82\0\0\0\0\x34x", 8},                 /* a fragment, and never the last */
        {"\x89\x83\0\0\0\0p", 7},                     /* half a ping */
        {"\x81\x82\0\0\0\0\x34x\x81\x82\0\0\0\0", 14} /* whole ones before do not help */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rj_ws_client client;
        open_websocket(server, &client);
        uint64_t begun_ms = rj_clock_mono_ms();
        assert_true(rj_ws_send_raw(&client, cases[i].begin, cases[i].len));
        assert_int_equal(rj_ws_close_code(&client, WAIT_MS), 1008);
        assert_times_out(&client, begun_ms);
    }
    assert_serves(server);
}

/* Control frames in between are no progress. */
static void fragments_that_never_end_close_with_1008(void **state)
{
    struct server *server = *state;
    struct rj_ws_client client;
    open_websocket(server, &client);
    assert_true(rj_ws_send_frame(&client, RJ_WS_TEXT, false, "4", 1));
    uint64_t begun_ms = rj_clock_mono_ms();
    while (rj_clock_mono_ms() - begun_ms < WAIT_MS) {
        if (!rj_ws_send_frame(&client, RJ_WS_CONTINUATION, false, "x", 1) ||
            !rj_ws_send_frame(&client, RJ_WS_PING, true, "p", 1) || rj_ws_is_closed(&client, 20))
            break;
    }
    assert_int_equal(rj_ws_close_code(&client, WAIT_MS), 1008);
    assert_times_out(&client, begun_ms);
    assert_serves(server);
}

/* None of these limits is one on being idle between two messages. */
static void who_waits_with_nothing_begun_is_left_alone(void **state)
{
    struct server *server = *state;
    struct rj_ws_client idle, poll;
    char sid[64];
    open_websocket(server, &idle);
    open_polling(server, sid);
    hold_poll(server, sid, &poll);
    uint64_t end_ms = rj_clock_mono_ms() + 3 * TIMEOUT_MS;
    while (rj_clock_mono_ms() < end_ms) { /* messages come and go meanwhile */
        assert_true(rj_ws_send_frame(&idle, RJ_WS_TEXT, false, "4a", 2));
        assert_false(rj_ws_is_closed(&idle, 50));
        assert_true(rj_ws_send_frame(&idle, RJ_WS_CONTINUATION, true, "b", 1));
        assert_text(&idle, "4ab");
    }
    assert_answer(server, "POST", with_sid(POLLING, sid), NULL, "4late", 200, "ok");
    assert_read(&poll, 200, "4late");
    rj_ws_disconnect(&idle);
    rj_ws_disconnect(&poll);
}

/* ---- numbers */

static int status_of_one_more(const struct server *server)
{
    struct rj_http_answer answer = {0};
    int status = rj_http_once(server->port, "GET", POLLING, NULL, NULL, &answer) ? answer.status : 0;
    rj_http_free(&answer);
    return status;
}

static void an_address_may_have_so_many_connections(void **state)
{
    struct server *server = *state;
    struct rj_ws_client clients[CONNECTIONS], one;
    for (int i = 0; i < CONNECTIONS; i++)
        open_websocket(server, &clients[i]);
    assert_int_equal(status_of_one_more(server), 429);
    assert_int_equal(rj_ws_open(&one, server->port, WEBSOCKET, NULL), 429);
    rj_ws_disconnect(&one);
    rj_ws_disconnect(&clients[0]);
    assert_true(rj_eventually(WAIT_MS, status_of_one_more(server) == 200));
    for (int i = 1; i < CONNECTIONS; i++) { /* the others noticed nothing */
        assert_true(rj_ws_send_text(&clients[i], "4x"));
        assert_text(&clients[i], "4x");
        rj_ws_disconnect(&clients[i]);
    }
    assert_true(rj_eventually(WAIT_MS, status_of_one_more(server) == 200));
    assert_serves(server);
}

/* A session outlives the connection over which it was opened, so connections do not bound sessions. */
static void an_address_may_have_so_many_sessions(void **state)
{
    struct server *server = *state;
    struct rj_ws_client client;
    struct rj_http_answer answer;
    char first[64], last[64];
    open_polling(server, first);
    for (int i = 1; i < CONNECTIONS; i++)
        open_polling(server, last);
    assert_true(rj_ws_connect(&client, server->port));
    assert_true(rj_http_send(&client, "GET", POLLING, NULL, NULL));
    assert_true(rj_http_read(&client, &answer, WAIT_MS));
    assert_int_equal(answer.status, 429);
    rj_http_free(&answer);
    assert_true(rj_ws_is_closed(&client, WAIT_MS));
    rj_ws_disconnect(&client);
    assert_int_equal(rj_ws_open(&client, server->port, WEBSOCKET, NULL), 429);
    rj_ws_disconnect(&client);
    assert_answer(server, "POST", with_sid(POLLING, first), NULL, "4x", 200, "ok"); /* those that are stay */
    assert_answer(server, "POST", with_sid(POLLING, first), NULL, "1", 200, "ok");
    assert_true(rj_eventually(WAIT_MS, status_of_one_more(server) == 200));
    assert_int_equal(status_of_one_more(server), 429);
}

static void an_address_may_have_so_many_half_open_connections(void **state)
{
    struct server *server = *state;
    struct rj_ws_client clients[HALF_OPEN];
    uint64_t begun_ms = rj_clock_mono_ms();
    for (int i = 0; i < HALF_OPEN; i++) {
        assert_true(rj_ws_connect(&clients[i], server->port));
        assert_true(rj_ws_send_str(&clients[i], "GET " POLLING " HTTP/1.1\r\nHo"));
    }
    assert_int_equal(status_of_one_more(server), 429);
    assert_true(rj_ws_send_str(&clients[0], "st: a\r\n\r\n")); /* a whole request makes room */
    struct rj_http_answer answer = {0};
    assert_true(rj_http_read(&clients[0], &answer, WAIT_MS));
    assert_int_equal(answer.status, 200);
    rj_http_free(&answer);
    assert_int_equal(status_of_one_more(server), 200);
    for (int i = 1; i < HALF_OPEN; i++) /* … and so does time */
        assert_times_out(&clients[i], begun_ms);
    rj_ws_disconnect(&clients[0]);
    assert_serves(server);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(each_request_of_a_connection_has_the_same_limits, engineio_setup_limits,
                                    engineio_teardown),
    cmocka_unit_test_setup_teardown(a_flood_of_headers_gets_431, engineio_setup_limits, engineio_teardown),
    cmocka_unit_test_setup_teardown(what_is_no_request_gets_400, engineio_setup_limits, engineio_teardown),
    cmocka_unit_test_setup_teardown(a_request_line_that_drips_gets_408, engineio_setup_limits,
                                    engineio_teardown),
    cmocka_unit_test_setup_teardown(headers_that_drip_get_408, engineio_setup_limits, engineio_teardown),
    cmocka_unit_test_setup_teardown(a_body_that_drips_gets_408_and_ends_its_session, engineio_setup_limits,
                                    engineio_teardown),
    cmocka_unit_test_setup_teardown(the_next_request_of_a_kept_connection_has_its_time_too,
                                    engineio_setup_limits, engineio_teardown),
    cmocka_unit_test_setup_teardown(half_a_request_behind_a_whole_one_gets_408, engineio_setup_limits,
                                    engineio_teardown),
    cmocka_unit_test_setup_teardown(who_reads_no_answers_is_closed_in_time, engineio_setup_limits,
                                    engineio_teardown),
    cmocka_unit_test_setup_teardown(a_websocket_message_that_drips_closes_with_1008, engineio_setup_limits,
                                    engineio_teardown),
    cmocka_unit_test_setup_teardown(fragments_that_never_end_close_with_1008, engineio_setup_limits,
                                    engineio_teardown),
    cmocka_unit_test_setup_teardown(who_waits_with_nothing_begun_is_left_alone, engineio_setup_limits,
                                    engineio_teardown),
    cmocka_unit_test_setup_teardown(an_address_may_have_so_many_connections, engineio_setup_limits,
                                    engineio_teardown),
    cmocka_unit_test_setup_teardown(an_address_may_have_so_many_sessions, engineio_setup_limits,
                                    engineio_teardown),
    cmocka_unit_test_setup_teardown(an_address_may_have_so_many_half_open_connections,
                                    engineio_setup_half_open, engineio_teardown),
};

RJ_TEST_MAIN(tests)
