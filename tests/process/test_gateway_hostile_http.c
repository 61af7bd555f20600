/* Hostile HTTP and Engine.IO, at a real gateway with a canary beside: polling abuse, upgrade races, floods.
 */
#include "tests/process/hostile_support.h"

#include <stdlib.h>
#include <sys/socket.h>

#include "proto/base/clock.h"

/* ---- polling */

static void polls_and_posts_at_once_end_their_session(void **state)
{
    struct siege *siege = *state;
    char path[128];
    for (int round = 0; round < 20; round++) {
        struct rj_ws_client first, second;
        struct rj_http_answer answer;
        bool is_post = round % 2;
        open_polling(siege, path);
        assert_true(rj_ws_connect(&first, siege->port) && rj_ws_connect(&second, siege->port));
        if (is_post) { /* two halves of bodies */
            struct rj_buf head = {0};
            rj_buf_printf(&head, "POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n40", path);
            assert_true(rj_ws_send_raw(&first, head.data, head.len));
            assert_false(rj_ws_is_closed(&first, 20));
            assert_true(rj_ws_send_raw(&second, head.data, head.len - 2));
            rj_buf_free(&head);
            assert_true(rj_ws_send_str(&second, "40xxxxxxxx"));
        } else {
            assert_true(rj_http_send(&first, "GET", path, NULL, NULL));
            assert_false(rj_ws_is_closed(&first, 20));
            assert_true(rj_http_send(&second, "GET", path, NULL, NULL));
        }
        assert_true(rj_http_read(&second, &answer, WAIT_MS));
        assert_int_equal(answer.status, 400);
        rj_http_free(&answer);
        assert_int_equal(status_of(siege, "GET", path, NULL, NULL), 400);
        rj_ws_disconnect(&first);
        rj_ws_disconnect(&second);
    }
}

static void bodies_that_cannot_be_understood_cost_their_session_alone(void **state)
{
    struct siege *siege = *state;
    static const struct {
        const char *headers, *body;
        int status;
        bool ends; /* the session, too */
    } cases[] = {
        {"Transfer-Encoding: chunked\r\n\r\n2\r\n40\r\n0\r\n\r\n", NULL, 200, false},
        {"Transfer-Encoding: chunked\r\n\r\nrubbish", NULL, 400, true},
        {"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n40", NULL, 400, false},
        {"Content-Length: 2\r\nContent-Length: 3\r\n\r\n40", NULL, 400, false},
        {"Content-Type: application/octet-stream\r\n", "40", 400, true},
        {"Content-Type: application/octet-stream; x=y\r\n", "40", 400, true},
        {"Content-Length: 100001\r\n\r\n", NULL, 413, false},
        {"Content-Length: 18446744073709551615\r\n\r\n", NULL, 400, false},
        {"Content-Length: -1\r\n\r\n", NULL, 400, false},
        {"Content-Length: 2, 2\r\n\r\n40", NULL, 400, false},
        {NULL, "", 200, true}, /* no packet */
        {NULL, "4\xff", 200, true},
        {NULL, "b!!!!", 200, true},
        {NULL, "40\x1e\x1e", 200, true},
        {NULL, "9", 200, true},
    };
    char path[128];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        open_polling(siege, path);
        int status = status_of(siege, "POST", path, cases[i].headers, cases[i].body);
        if (status != cases[i].status)
            fail_msg("case %zu: %d", i, status);
        if (cases[i].ends)
            assert_int_equal(status_of(siege, "GET", path, NULL, NULL), 400);
        else
            assert_int_equal(status_of(siege, "POST", path, NULL, "1"), 200);
    }
}

static void sids_that_are_none_are_unknown(void **state)
{
    struct siege *siege = *state;
    static const char *const sids[] = {"__proto__",
                                       "constructor",
                                       "toString",
                                       "hasOwnProperty",
                                       "%00",
                                       "..%2f..%2f",
                                       "aaaaaaaaaaaaaaaaaaaaaa",
                                       "%ff%fe",
                                       "'%22%3c",
                                       "__proto__&sid=__proto__"};
    char path[1024];
    for (size_t i = 0; i < sizeof sids / sizeof *sids; i++) {
        snprintf(path, sizeof path, "%s&sid=%s", POLLING, sids[i]);
        assert_int_equal(status_of(siege, "GET", path, NULL, NULL), 400);
        assert_int_equal(status_of(siege, "POST", path, NULL, "40"), 400);
        assert_int_equal(status_of(siege, "OPTIONS", path, NULL, NULL), 400);
        snprintf(path, sizeof path, "%s&sid=%s", WEBSOCKET, sids[i]);
        struct rj_ws_client client;
        assert_int_equal(rj_ws_open(&client, siege->port, path, NULL), 400);
        rj_ws_disconnect(&client);
    }
}

static void aborted_polls_and_posts_end_their_sessions(void **state)
{
    enum { N = 100 };
    struct siege *siege = *state;
    for (int i = 0; i < N; i++) {
        struct rj_ws_client client;
        char path[128];
        open_polling(siege, path);
        assert_true(rj_ws_connect(&client, siege->port));
        if (i % 2) {
            struct rj_buf head = {0};
            rj_buf_printf(&head, "POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: 90000\r\n\r\n4%070000d",
                          path, 0);
            assert_true(rj_ws_send_raw(&client, head.data, head.len));
            rj_buf_free(&head);
        } else {
            assert_true(rj_http_send(&client, "GET", path, NULL, NULL));
        }
        rj_ws_is_closed(&client, (unsigned)i % 3);
        if (i % 4 < 2)
            rj_ws_reset(&client);
        else
            rj_ws_disconnect(&client);
    }
}

/* ---- upgrades */

static void faulty_upgrades_leave_the_session_as_it_was(void **state)
{
    struct siege *siege = *state;
    static const struct {
        const char *path, *headers;
        int status;
    } cases[] = {
        {"EIO=3&transport=websocket", "", 400}, /* another protocol than the session's */
        {"EIO=5&transport=websocket", "", 400},
        {"EIO=4&transport=polling", "", 400},
        {"EIO=4&transport=webtransport", "", 400},
        {"EIO=4&transport=__proto__", "", 400},
        {"EIO=4&transport=websocket", "Origin: \x01\r\n", 400},
        {"EIO=4&transport=websocket", "Sec-WebSocket-Protocol: ;a\r\n", 400},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[128], upgrade[256];
        struct rj_ws_client client;
        open_polling(siege, path);
        snprintf(upgrade, sizeof upgrade, "/socket.io/?%s%s", cases[i].path, strstr(path, "&sid="));
        int status = rj_ws_open(&client, siege->port, upgrade, cases[i].headers);
        if (status != cases[i].status)
            fail_msg("case %zu: %d", i, status);
        rj_ws_disconnect(&client);
        assert_int_equal(status_of(siege, "POST", path, NULL, "40"), 200); /* it lives */
        assert_int_equal(status_of(siege, "POST", path, NULL, "1"), 200);
    }
}

static int open_of(struct rj_ws_client racers[], bool is_open[], int n)
{
    int open = 0;
    for (int i = 0; i < n; i++) {
        is_open[i] = is_open[i] && !rj_ws_is_closed(&racers[i], 1);
        open += is_open[i];
    }
    return open;
}

/* Whatever the order, one WebSocket gets the session or none does: all others are closed by then. */
static void upgrades_race_for_one_session(void **state)
{
    enum { RACERS = 4 };
    struct siege *siege = *state;
    srandom(7);
    for (int round = 0; round < 40; round++) {
        struct rj_ws_client racers[RACERS];
        char path[128], upgrade[256];
        bool is_open[RACERS];
        open_polling(siege, path);
        snprintf(upgrade, sizeof upgrade, "%s%s", WEBSOCKET, strstr(path, "&sid="));
        for (int i = 0; i < RACERS; i++)
            is_open[i] = rj_ws_open(&racers[i], siege->port, upgrade, NULL) == 101;
        for (int step = 0; step < 12; step++) {
            static const char *const words[] = {"2probe", "5", "2probe", "5", "4", "2", "x"};
            long who = random() % RACERS;
            if (is_open[who])
                is_open[who] = rj_ws_send_text(&racers[who], words[random() % 7]);
            if (random() % 6 == 0)
                status_of(siege, "POST", path, NULL, "40");
            if (random() % 10 == 0 && is_open[who]) {
                rj_ws_reset(&racers[who]);
                is_open[who] = false;
            }
        }
        if (round % 10 == 0)
            assert_true(rj_eventually(WAIT_MS, open_of(racers, is_open, RACERS) <= 1));
        for (int i = 0; i < RACERS; i++)
            rj_ws_disconnect(&racers[i]);
        status_of(siege, "POST", path, NULL, "1");
    }
}

/* CVE-2025-11677: libwebsockets asked about the upgrade with headers that were freed already. */
static void bogus_upgrades_on_kept_connections_do_no_harm(void **state)
{
    struct siege *siege = *state;
    static const char *const upgrades[] = {"foo", "h2c", "websocket2", "websocket, h2c", "\x80"};
    for (int round = 0; round < 100; round++) {
        struct rj_ws_client client;
        struct rj_http_answer answer;
        char headers[128];
        assert_true(rj_ws_connect(&client, siege->port));
        assert_true(rj_http_send(&client, "GET", round % 3 ? "/healthz" : POLLING, NULL, NULL));
        assert_true(rj_http_read(&client, &answer, WAIT_MS));
        assert_int_equal(answer.status, 200);
        rj_http_free(&answer);
        snprintf(headers, sizeof headers, "Connection: Upgrade\r\nUpgrade: %s\r\n", upgrades[round % 5]);
        assert_true(rj_http_send(&client, "GET", WEBSOCKET, headers, NULL));
        assert_true(rj_ws_is_closed(&client, WAIT_MS));
        rj_ws_disconnect(&client);
    }
}

/* ---- floods and slowness */

static void floods_of_headers_are_answered_and_forgotten(void **state)
{
    enum { N = 30, LINES = 20000 };
    struct siege *siege = *state;
    struct rj_buf flood = {0};
    rj_buf_put_str(&flood, "GET " POLLING " HTTP/1.1\r\n");
    for (int i = 0; i < LINES; i++)
        rj_buf_printf(&flood, "x-%d: %040d\r\n", i, i);
    for (int i = 0; i < N; i++) {
        struct rj_ws_client client;
        struct rj_http_answer answer;
        assert_true(rj_ws_connect(&client, siege->port));
        rj_ws_send_raw(&client, flood.data, flood.len);
        assert_true(rj_http_read(&client, &answer, WAIT_MS));
        assert_int_equal(answer.status, 431);
        rj_http_free(&answer);
        rj_ws_disconnect(&client);
    }
    assert_true(figure(siege, "requests_unreadable_total") >= N);
    rj_buf_free(&flood);
}

static bool may_come_and_go(const struct siege *siege)
{
    struct rj_http_answer answer;
    char sid[64] = "", path[128];
    bool is_in = rj_http_once(siege->port, "GET", POLLING, NULL, NULL, &answer) && answer.status == 200 &&
                 sscanf(rj_http_body(&answer), "0{\"sid\":\"%63[^\"]", sid) == 1;
    rj_http_free(&answer);
    snprintf(path, sizeof path, "%s&sid=%s", POLLING, sid);
    return is_in && status_of(siege, "POST", path, NULL, "1") == 200;
}

/* Polling sessions need no connection, and each keeps the headers of its request. */
static void a_flood_of_handshakes_is_bounded_and_forgotten(void **state)
{
    enum { N = 230, MOST = 200, EACH_KIB = 16 };
    struct siege *siege = *state;
    char headers[7000];
    memset(headers, 'c', sizeof headers);
    memcpy(headers, "Cookie: ", 8);
    memcpy(headers + sizeof headers - 3, "\r\n", 3);
    size_t before_kib = gateway_rss_kib(siege), open = 0;
    for (int i = 0; i < N; i++) {
        int status = status_of(siege, "GET", POLLING, headers, NULL);
        assert_true(status == 200 || status == 429);
        open += status == 200;
    }
    assert_int_equal(open, MOST - 1); /* and the canary's */
    size_t held_kib = gateway_rss_kib(siege) - before_kib;
    print_message("%zu sessions: %zu KiB\n", open, held_kib);
    assert_true(held_kib < (size_t)MOST * EACH_KIB);
    canary_sings(siege, 10);
    assert_true(rj_eventually(2 * WAIT_MS, figure(siege, "sessions") == 1));
    assert_true(rj_eventually(WAIT_MS, may_come_and_go(siege)));
}

/* Requests without end and nobody who reads the answers: what is sent ahead waits in the kernel, which the
 * teardown's look at our memory proves; the others are served meanwhile. */
static void floods_of_pipelined_requests_wait_their_turn(void **state)
{
    enum { N = 20, REQUESTS = 20000 };
    struct siege *siege = *state;
    struct rj_ws_client clients[N];
    struct rj_buf flood = {0};
    for (int i = 0; i < REQUESTS; i++)
        rj_buf_put_str(&flood, "GET /socket.io/?EIO=4&transport=no HTTP/1.1\r\nHost: a\r\n\r\n");
    size_t before_kib = gateway_rss_kib(siege);
    for (int i = 0; i < N; i++) {
        assert_true(rj_ws_connect_narrow(&clients[i], siege->port));
        (void)!send(clients[i].fd, flood.data, flood.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    canary_sings(siege, 20);
    assert_true(gateway_rss_kib(siege) < before_kib + 4096);
    for (int i = 0; i < N; i++)
        rj_ws_reset(&clients[i]);
    rj_buf_free(&flood);
}

/* As behind a proxy that has seen one request where we might see two: only what comes before is answered. */
static void smuggled_requests_are_not_served(void **state)
{
    struct siege *siege = *state;
    static const char *const lengths[] = {
        "Content-Length: 44\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n",
        "Transfer-Encoding:\n chunked\r\n",
        "X: x\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 0\r\nContent-Length: 44\r\n",
        "Content-Length: 0, 44\r\n",
        "Content-Length: +44\r\n",
        "Content-Length:\r\n 44\r\n",
    };
    for (size_t i = 0; i < 2 * sizeof lengths / sizeof *lengths; i++) {
        struct rj_ws_client client;
        struct rj_http_answer answer;
        struct rj_buf text = {0};
        char path[128];
        open_polling(siege, path);
        rj_buf_printf(&text, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
        rj_buf_printf(&text, "POST %s HTTP/1.1\r\nHost: a\r\n%s\r\n0\r\n\r\n", path, lengths[i / 2]);
        rj_buf_printf(&text, "POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n1", path);
        assert_true(rj_ws_connect(&client, siege->port));
        for (size_t at = 0; at < text.len; at += i % 2 ? 1 : text.len)
            rj_ws_send_raw(&client, text.data + at, i % 2 ? 1 : text.len);
        assert_true(rj_http_read(&client, &answer, WAIT_MS));
        assert_int_equal(answer.status, 200);
        rj_http_free(&answer);
        assert_true(rj_http_read(&client, &answer, WAIT_MS));
        assert_int_equal(answer.status, 400);
        rj_http_free(&answer);
        assert_true(rj_ws_is_closed(&client, WAIT_MS));
        assert_int_equal(client.in.len, 0);
        assert_int_equal(status_of(siege, "POST", path, NULL, "1"), 200); /* it was not ended */
        rj_ws_disconnect(&client);
        rj_buf_free(&text);
    }
}

static void a_thousand_half_open_handshakes_cost_little_and_end(void **state)
{
    enum { N = 1000, EACH_KIB = 1 };
    struct siege *siege = *state;
    struct rj_ws_client *clients = calloc(N, sizeof *clients);
    allow_descriptors(N + 100);
    size_t before_kib = gateway_rss_kib(siege);
    for (int i = 0; i < N; i++) {
        assert_true(rj_ws_connect(&clients[i], siege->port));
        assert_true(rj_ws_send_str(&clients[i], "GET " WEBSOCKET " HTTP/1.1\r\nHost: a\r\nUpgrade: webso"));
    }
    assert_true(rj_eventually(WAIT_MS, figure(siege, "connections_half_open") >= N - 100));
    size_t held_kib = gateway_rss_kib(siege) - before_kib;
    print_message("%d half-open: %zu KiB\n", N, held_kib);
    assert_true(held_kib < N * EACH_KIB);
    canary_sings(siege, 20);
    for (int i = 0; i < N; i++) {
        assert_true(rj_ws_is_closed(&clients[i], WAIT_MS));
        rj_ws_disconnect(&clients[i]);
    }
    assert_true(figure(siege, "overdue_total") >= N);
    free(clients);
}

/* Many large messages at once, of which half come to their end and half never do. */
static void the_memory_of_large_messages_is_given_back(void **state)
{
    enum { N = 60, BYTES = 900000, MOST_KIB = 8 << 10 };
    static const char begin[] = "42[\"nobody\",\"", end[] = "\"]";
    struct siege *siege = *state;
    struct rj_ws_client clients[N];
    char *text = malloc(BYTES);
    assert_non_null(text);
    memset(text, 'x', BYTES);
    memcpy(text, begin, sizeof begin - 1);
    size_t before_kib = gateway_rss_kib(siege), held_kib = 0, after_kib = 0;
    for (int i = 0; i < N; i++) {
        open_websocket(siege, &clients[i]);
        say(&clients[i], "40");
        expect(&clients[i], "40{\"sid\":\"");
        assert_true(rj_ws_send_frame(&clients[i], RJ_WS_TEXT, false, text, BYTES));
    }
    assert_true(rj_eventually(WAIT_MS, (held_kib = gateway_rss_kib(siege)) > before_kib + 4 * MOST_KIB));
    for (int i = 0; i < N; i++) {
        if (i % 2) {
            assert_true(rj_ws_send_frame(&clients[i], RJ_WS_CONTINUATION, true, end, sizeof end - 1));
            say(&clients[i], "421[\"room:join\",\"den\"]");
            expect(&clients[i], "431[{\"ok\":true,"); /* it is behind the message */
        }
        rj_ws_reset(&clients[i]);
    }
    free(text);
    bool is_back = rj_eventually(WAIT_MS, (after_kib = gateway_rss_kib(siege)) < before_kib + MOST_KIB);
    print_message("memory %zu -> %zu -> %zu KiB\n", before_kib, held_kib, after_kib);
    assert_true(is_back);
}

/* Each stage of a connection, held by many at a time; everybody is closed in the end. */
static void slowness_at_each_stage_ends(void **state)
{
    enum { EACH = 25, STAGES = 7 };
    struct siege *siege = *state;
    struct rj_ws_client clients[STAGES][EACH];
    char path[128], text[512];
    uint64_t begun_ms = rj_clock_mono_ms();
    for (int i = 0; i < EACH; i++) {
        static const char *const beginnings[] = {"GE", "GET " POLLING " HT",
                                                 "GET " POLLING " HTTP/1.1\r\nHo"};
        for (int stage = 0; stage < 3; stage++) {
            assert_true(rj_ws_connect(&clients[stage][i], siege->port));
            assert_true(rj_ws_send_str(&clients[stage][i], beginnings[stage]));
        }
        open_polling(siege, path);
        assert_true(rj_ws_connect(&clients[3][i], siege->port)); /* a body */
        snprintf(text, sizeof text, "POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: 90\r\n\r\n40", path);
        assert_true(rj_ws_send_str(&clients[3][i], text));
        open_websocket(siege, &clients[4][i]); /* a frame's header */
        assert_true(rj_ws_send_raw(&clients[4][i], "\x81", 1));
        open_websocket(siege, &clients[5][i]); /* fragments */
        assert_true(rj_ws_send_frame(&clients[5][i], RJ_WS_TEXT, false, "4", 1));
        open_websocket(siege, &clients[6][i]); /* no CONNECT */
    }
    while (rj_clock_mono_ms() - begun_ms < HANDSHAKE_MS) { /* they drip */
        for (int i = 0; i < EACH; i++) {
            rj_ws_send_raw(&clients[2][i], "x", 1);
            rj_ws_send_raw(&clients[3][i], "x", 1);
            rj_ws_send_frame(&clients[5][i], RJ_WS_CONTINUATION, false, "x", 1);
        }
        canary_sings(siege, 1);
    }
    for (int stage = 0; stage < STAGES; stage++) {
        for (int i = 0; i < EACH; i++) {
            if (!rj_ws_is_closed(&clients[stage][i], WAIT_MS))
                fail_msg("stage %d is still open", stage);
            rj_ws_disconnect(&clients[stage][i]);
        }
    }
}

static void fragment_floods_close_with_1008(void **state)
{
    enum { N = 10, FRAGMENTS = 10000 };
    struct siege *siege = *state;
    struct rj_buf flood = {0};
    rj_buf_put(&flood,
               "\x01\x81\0\0\0\0"
               "4",
               7);
    for (int i = 0; i < FRAGMENTS; i++)
        rj_buf_put(&flood, i % 2 ? "\x89\x80\0\0\0\0\0\x80\0\0\0\0" : "\0\x80\0\0\0\0\x8a\x80\0\0\0\0", 12);
    for (int i = 0; i < N; i++) {
        struct rj_ws_client client;
        open_websocket(siege, &client);
        rj_ws_send_raw(&client, flood.data, flood.len);
        assert_int_equal(rj_ws_close_code(&client, WAIT_MS), 1008);
        rj_ws_disconnect(&client);
    }
    assert_true(figure(siege, "websocket_faults_total") >= N);
    rj_buf_free(&flood);
}

/* Random bytes on every road in. Nothing is asserted of the answers; the teardown says what must hold. */
static void noise_on_every_road_in_does_no_harm(void **state)
{
    struct siege *siege = *state;
    char noise[4096];
    srandom(11);
    for (int round = 0; round < 150; round++) {
        struct rj_ws_client client;
        size_t len = (size_t)random() % sizeof noise;
        for (size_t i = 0; i < len; i++)
            noise[i] = (char)random();
        if (round % 3 == 0) {
            assert_true(rj_ws_connect(&client, siege->port));
        } else if (round % 3 == 1) {
            open_websocket(siege, &client);
        } else {
            char path[128], head[512];
            open_polling(siege, path);
            snprintf(head, sizeof head, "POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n", path,
                     len);
            assert_true(rj_ws_connect(&client, siege->port) && rj_ws_send_str(&client, head));
        }
        rj_ws_send_raw(&client, noise, len);
        rj_ws_is_closed(&client, 3);
        rj_ws_disconnect(&client);
    }
}

/* A session that polls no more is there until its heartbeat is missed: long, here. */
static int setup(void **state)
{
    static const char *const env[] = {"REJOIN_PING_INTERVAL=2000", "REJOIN_PING_TIMEOUT=1000", NULL};
    return siege_setup_with(state, env);
}

static int setup_large(void **state)
{
    static const char *const env[] = {"REJOIN_MAX_PAYLOAD=1000000", "REJOIN_MESSAGE_TIMEOUT=60000",
                                      "REJOIN_CONNECT_TIMEOUT=60000", NULL};
    return siege_setup_with(state, env);
}

/* The first of a flood's sessions are there until its last handshake is refused, on a busy machine too. */
static int setup_few(void **state)
{
    static const char *const env[] = {"REJOIN_PING_INTERVAL=30000", "REJOIN_CONNECT_TIMEOUT=15000",
                                      "REJOIN_MAX_CONNECTIONS_ADDRESS=200", "REJOIN_CLOSE_TIMEOUT=500", NULL};
    return siege_setup_with(state, env);
}

/* A thousand connections may take a busy machine a while. */
static int setup_patient(void **state)
{
    static const char *const env[] = {"REJOIN_HANDSHAKE_TIMEOUT=5000", NULL};
    return siege_setup_with(state, env);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(polls_and_posts_at_once_end_their_session, setup, siege_teardown),
    cmocka_unit_test_setup_teardown(bodies_that_cannot_be_understood_cost_their_session_alone, setup,
                                    siege_teardown),
    cmocka_unit_test_setup_teardown(sids_that_are_none_are_unknown, setup, siege_teardown),
    cmocka_unit_test_setup_teardown(aborted_polls_and_posts_end_their_sessions, setup, siege_teardown),
    cmocka_unit_test_setup_teardown(faulty_upgrades_leave_the_session_as_it_was, setup, siege_teardown),
    cmocka_unit_test_setup_teardown(upgrades_race_for_one_session, setup, siege_teardown),
    cmocka_unit_test_setup_teardown(bogus_upgrades_on_kept_connections_do_no_harm, setup, siege_teardown),
    cmocka_unit_test_setup_teardown(floods_of_headers_are_answered_and_forgotten, setup, siege_teardown),
    cmocka_unit_test_setup_teardown(a_flood_of_handshakes_is_bounded_and_forgotten, setup_few,
                                    siege_teardown),
    cmocka_unit_test_setup_teardown(floods_of_pipelined_requests_wait_their_turn, setup, siege_teardown),
    cmocka_unit_test_setup_teardown(smuggled_requests_are_not_served, setup, siege_teardown),
    cmocka_unit_test_setup_teardown(a_thousand_half_open_handshakes_cost_little_and_end, setup_patient,
                                    siege_teardown),
    cmocka_unit_test_setup_teardown(the_memory_of_large_messages_is_given_back, setup_large, siege_teardown),
    cmocka_unit_test_setup_teardown(slowness_at_each_stage_ends, setup, siege_teardown),
    cmocka_unit_test_setup_teardown(fragment_floods_close_with_1008, setup, siege_teardown),
    cmocka_unit_test_setup_teardown(noise_on_every_road_in_does_no_harm, setup, siege_teardown),
};

RJ_TEST_MAIN(tests)
