/* Limits of Socket.IO in the gateway (and of rooms in the broker), each from below and from above. Names and
 * sizes that are refused are answered; what floods is cut off.
 */
#include <stdlib.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "tests/process/hostile_support.h"

static void assert_closed(struct rj_ws_client *client)
{
    assert_int_equal(rj_ws_close_code(client, WAIT_MS), 1000);
    rj_ws_disconnect(client);
}

/* ---- a second's worth */

enum { EVENTS = 50 };

static int setup_events(void **state)
{
    static const char *const env[] = {"REJOIN_MAX_EVENTS=50", NULL};
    return siege_setup_with(state, env);
}

/* How many of `n` events at once are taken; the others must be told that they are too many. */
static int taken_of(struct rj_ws_client *client, int n)
{
    int taken = 0;
    struct rj_buf data = {0};
    for (int i = 0; i < n; i++)
        say(client, "421[\"room:publish\",{\"room\":\"den\",\"data\":1,\"echo\":false}]");
    for (int i = 0; i < n; i++) {
        assert_true(rj_ws_expect(client, "431[", &data, WAIT_MS));
        bool is_taken = strstr(rj_buf_cstr(&data), "\"ok\":true") != NULL;
        assert_true(is_taken || strstr(rj_buf_cstr(&data), "\"code\":\"rate_limited\""));
        taken += is_taken;
    }
    rj_buf_free(&data);
    return taken;
}

static void events_above_the_rate_are_refused_and_those_below_are_not(void **state)
{
    struct siege *siege = *state;
    struct rj_ws_client client;
    enter(siege, &client); /* takes one */
    assert_int_equal(taken_of(&client, EVENTS - 1), EVENTS - 1);
    uint64_t begun_ms = rj_clock_mono_ms();
    int taken = taken_of(&client, 4 * EVENTS);
    uint64_t ms = rj_clock_mono_ms() - begun_ms;
    assert_true(taken < 4 * EVENTS);
    assert_true((uint64_t)taken <= 2 + EVENTS * (ms + 1000) / 1000);
    assert_true(rj_eventually(WAIT_MS, taken_of(&client, 1) == 1)); /* time heals */
    assert_true(figure(siege, "events_refused_total") >= (uint64_t)(4 * EVENTS - taken));
    rj_ws_disconnect(&client);
}

/* ---- sessions */

enum { SESSIONS = 30 };

static int setup_sessions(void **state)
{
    static const char *const env[] = {"REJOIN_MAX_CONNECTIONS=30", "REJOIN_CONNECT_TIMEOUT=5000",
                                      "REJOIN_CLOSE_TIMEOUT=500", NULL};
    return siege_setup_with(state, env);
}

static void there_may_be_as_many_sessions_as_connections(void **state)
{
    struct siege *siege = *state;
    struct rj_ws_client client;
    for (int i = 1; i < SESSIONS; i++) /* one is the canary's */
        assert_int_equal(status_of(siege, "GET", POLLING, NULL, NULL), 200);
    assert_int_equal(status_of(siege, "GET", POLLING, NULL, NULL), 503);
    assert_int_equal(rj_ws_open(&client, siege->port, WEBSOCKET, NULL), 503);
    rj_ws_disconnect(&client);
    canary_sings(siege, 5);
    assert_true(rj_eventually(WAIT_MS, status_of(siege, "GET", POLLING, NULL, NULL) == 200));
}

/* ---- namespaces */

enum { NAMESPACES = 5, CONNECTS = NAMESPACES + 4 };

static int setup_namespaces(void **state)
{
    static const char *const env[] = {"REJOIN_MAX_CLIENTS_PER_CONNECTION=5", "REJOIN_MAX_CONNECTS=4", NULL};
    return siege_setup_with(state, env);
}

static void a_connection_may_be_in_so_many_namespaces(void **state)
{
    struct siege *siege = *state;
    struct rj_ws_client client;
    char text[32];
    open_websocket(siege, &client);
    for (int i = 0; i < NAMESPACES; i++) {
        snprintf(text, sizeof text, "40/n%d,", i);
        say(&client, text);
        expect(&client, text);
    }
    say(&client, "40/nmore,");
    expect(&client, "44/nmore,{\"message\":");
    say(&client, "41/n0,"); /* one less */
    say(&client, "40/nmore,");
    expect(&client, "40/nmore,{\"sid\":");
    rj_ws_disconnect(&client);
}

static void who_joins_and_leaves_all_the_time_is_cut_off(void **state)
{
    struct siege *siege = *state;
    struct rj_ws_client client;
    open_websocket(siege, &client);
    for (int i = 0; i < CONNECTS; i++) {
        say(&client, "40/n1,");
        expect(&client, "40/n1,{\"sid\":");
        say(&client, "41/n1,");
    }
    for (int i = 0; i < 5 * CONNECTS; i++) {
        if (!rj_ws_send_text(&client, "40/n1,") || !rj_ws_send_text(&client, "41/n1,"))
            break;
    }
    assert_closed(&client);
}

static void a_connection_that_joins_nothing_is_closed_in_time(void **state)
{
    struct siege *siege = *state;
    struct rj_ws_client idle, joined;
    enter(siege, &joined);
    uint64_t begun_ms = rj_clock_mono_ms();
    open_websocket(siege, &idle);
    assert_closed(&idle);
    assert_true(rj_clock_mono_ms() - begun_ms >= HANDSHAKE_MS - 100);
    say(&joined, "421[\"x\"]");
    expect(&joined, "431[");
    rj_ws_disconnect(&joined);
}

/* ---- sessions that are closed between two polls */

enum { CLOSE_MS = 600, CLOSED = 40 };

static int setup_close(void **state)
{
    static const char *const env[] = {"REJOIN_CLOSE_TIMEOUT=600", NULL};
    return siege_setup_with(state, env);
}

/* They have joined nothing in time, and have no poll under way to hear of it. */
static void a_closed_session_waits_so_long_for_its_next_poll(void **state)
{
    struct siege *siege = *state;
    char paths[CLOSED][128];
    uint64_t begun_ms[CLOSED];
    int told = 0;
    for (int i = 0; i < CLOSED; i++) {
        begun_ms[i] = rj_clock_mono_ms();
        open_polling(siege, paths[i]);
    }
    assert_true(rj_eventually(WAIT_MS, figure(siege, "forced_closes_total") == CLOSED));
    for (; told < CLOSED && status_of(siege, "GET", paths[told], NULL, NULL) == 200; told++) /* "1" */
        usleep(50000);
    assert_in_range(told, 0, CLOSED - 1); /* none, where this machine is very slow */
    assert_true(rj_clock_mono_ms() - begun_ms[told] >= HANDSHAKE_MS + CLOSE_MS - 100);
}

/* ---- names */

static void put_name(struct rj_buf *out, size_t len)
{
    memset(rj_buf_reserve(out, len), 'n', len);
    out->len += len;
}

/* A packet whose middle is a name of this length, and how its answer starts. */
static void assert_answer(struct rj_ws_client *client, const char *before, size_t len, const char *after,
                          const char *answer)
{
    struct rj_buf text = {0};
    rj_buf_put_str(&text, before);
    put_name(&text, len);
    rj_buf_put_str(&text, after);
    say(client, rj_buf_cstr(&text));
    expect(client, answer);
    rj_buf_free(&text);
}

#define PUBLISH "421[\"room:publish\",{\"room\":\"den\",\"data\":1,"

/* Where a client says a name, and what it gets for one of the most bytes (by default, and by setup_names) and
 * for one byte more. */
static const struct place {
    const char *before, *after;
    const char *good, *code;
    size_t most, set;
} places[] = {
    {"421[\"room:join\",\"", "\"]", "431[{\"ok\":true", "bad_name", 255, 20},
    {PUBLISH "\"event\":\"", "\"}]", "431[{\"ok\":true", "bad_request", 255, 30},
    {PUBLISH "\"id\":\"", "\"}]", "431[{\"ok\":true", "bad_request", 200, 50},
    {"421[\"", "\"]", "431[{\"ok\":false,\"error\":{\"code\":\"no_handler\"", "bad_request", 255, 30},
};

static int setup_names(void **state)
{
    static const char *const flags[] = {
        "--max-room-name", "20", "--max-event-name", "30", "--max-message-id", "50", NULL};
    return siege_setup_both(state, NULL, flags);
}

static void assert_longest(struct rj_ws_client *client, const struct place *place, size_t most)
{
    char refusal[64];
    snprintf(refusal, sizeof refusal, "431[{\"ok\":false,\"error\":{\"code\":\"%s\"", place->code);
    assert_answer(client, place->before, most, place->after, place->good);
    assert_answer(client, place->before, most + 1, place->after, refusal);
}

static void names_may_be_so_long(void **state)
{
    struct siege *siege = *state;
    struct rj_ws_client client;
    enter(siege, &client);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        assert_longest(&client, &places[i], places[i].most);
    assert_answer(&client, "421[\"room:join\",\"", 0, "\"]",
                  "431[{\"ok\":false,\"error\":{\"code\":\"bad_name\"");
    assert_answer(&client, "40/", 127, ",", "40/nnn"); /* with the slash: 128 */
    assert_answer(&client, "40/", 128, ",", "44/nnn");
    rj_ws_disconnect(&client);
}

static void names_may_be_so_long_as_the_brokers_settings_say(void **state)
{
    struct siege *siege = *state;
    struct rj_ws_client client;
    enter(siege, &client);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        assert_longest(&client, &places[i], places[i].set);
    rj_ws_disconnect(&client);
}

/* ---- rooms */

static void a_client_may_be_in_so_many_rooms(void **state)
{
    enum { ROOMS = 20 }; /* siege_setup's broker says so */
    struct siege *siege = *state;
    struct rj_ws_client client;
    char text[64];
    enter(siege, &client); /* is in one */
    for (int i = 1; i < ROOMS; i++) {
        snprintf(text, sizeof text, "421[\"room:join\",\"r%d\"]", i);
        say(&client, text);
        expect(&client, "431[{\"ok\":true");
    }
    say(&client, "422[\"room:join\",\"more\"]");
    expect(&client, "432[{\"ok\":false,\"error\":{\"code\":\"too_many\"");
    say(&client, "423[\"room:leave\",\"r1\"]");
    expect(&client, "433[{\"ok\":true");
    say(&client, "424[\"room:join\",\"more\"]");
    expect(&client, "434[{\"ok\":true");
    rj_ws_disconnect(&client);
}

/* ---- half a packet */

static void send_packet(struct rj_ws_client *client, int attachments, size_t each)
{
    char *data = calloc(1, each);
    char text[32];
    snprintf(text, sizeof text, "45%d-7[\"a\"]", attachments);
    say(client, text);
    for (int i = 0; i < attachments; i++)
        rj_ws_send_frame(client, RJ_WS_BINARY, true, data, each); /* it may be closed midway */
    free(data);
}

static void a_packet_may_hold_so_many_bytes_and_attachments(void **state)
{
    struct siege *siege = *state;
    struct rj_ws_client client;
    enter(siege, &client);
    send_packet(&client, 10, 100);
    expect(&client, "437[");
    send_packet(&client, 3, MAX_PACKET / 3 - 100);
    expect(&client, "437[");
    send_packet(&client, 3, MAX_PACKET / 3 + 100);
    assert_closed(&client);
    enter(siege, &client);
    send_packet(&client, 11, 1);
    assert_closed(&client);
}

static int setup_small_packets(void **state)
{
    static const char *const env[] = {"REJOIN_MAX_ATTACHMENTS=2", "REJOIN_MAX_FRAGMENTS=4", NULL};
    return siege_setup_with(state, env);
}

static void so_few_attachments_may_be_allowed(void **state)
{
    struct siege *siege = *state;
    struct rj_ws_client client;
    enter(siege, &client);
    send_packet(&client, 2, 1);
    expect(&client, "437[");
    send_packet(&client, 3, 1);
    assert_closed(&client);
}

/* An event in so many frames. */
static void send_fragments(struct rj_ws_client *client, size_t n)
{
    static const char text[] = "427[\"a\"]";
    rj_ws_send_frame(client, RJ_WS_TEXT, false, text, 1);
    for (size_t i = 1; i < n - 1; i++)
        rj_ws_send_frame(client, RJ_WS_CONTINUATION, false, text + i, 1);
    rj_ws_send_frame(client, RJ_WS_CONTINUATION, true, text + n - 1, strlen(text) - n + 1);
}

static void a_message_may_come_in_so_many_frames(void **state)
{
    struct siege *siege = *state;
    struct rj_ws_client client;
    enter(siege, &client);
    send_fragments(&client, 4);
    expect(&client, "437[");
    send_fragments(&client, 5);
    assert_int_equal(rj_ws_close_code(&client, WAIT_MS), 1008);
    rj_ws_disconnect(&client);
}

enum { TIME_MS = 2000 };

static int setup_attachments(void **state)
{
    static const char *const env[] = {"REJOIN_ATTACHMENTS_TIMEOUT=2000", NULL};
    return siege_setup_with(state, env);
}

static void attachments_have_their_time(void **state)
{
    struct siege *siege = *state;
    struct rj_ws_client client;
    enter(siege, &client);
    for (int i = 0; i < 3; i++) { /* each packet for itself */
        say(&client, "452-7[\"a\"]");
        assert_true(rj_ws_send_frame(&client, RJ_WS_BINARY, true, "x", 1));
        assert_false(rj_ws_is_closed(&client, TIME_MS / 3 + 50));
        assert_true(rj_ws_send_frame(&client, RJ_WS_BINARY, true, "y", 1));
        expect(&client, "437[");
    }
    uint64_t begun_ms = rj_clock_mono_ms();
    say(&client, "452-7[\"a\"]");
    assert_true(rj_ws_send_frame(&client, RJ_WS_BINARY, true, "x", 1));
    assert_closed(&client);
    assert_true(rj_clock_mono_ms() - begun_ms >= TIME_MS - 100);
}

/* ---- acks */

enum { PENDING = 10 };

static int setup_pending(void **state)
{
    static const char *const env[] = {"REJOIN_MAX_PENDING_CLIENT=10", NULL};
    return siege_setup_with(state, env);
}

/* The broker rests, so that nothing is answered meanwhile. */
static void a_client_may_wait_for_so_many_acks(void **state)
{
    struct siege *siege = *state;
    struct rj_ws_client client;
    struct rj_buf data = {0};
    enter(siege, &client);
    assert_true(rj_process_signal(&siege->broker.process, SIGSTOP));
    for (int i = 0; i < PENDING + 1; i++) {
        char text[96];
        snprintf(text, sizeof text, "42%d[\"room:publish\",{\"room\":\"den\",\"data\":1,\"echo\":false}]", i);
        say(&client, text);
    }
    char last[32];
    snprintf(last, sizeof last, "43%d[{\"ok\":false,", PENDING);
    assert_int_equal(rj_ws_receive(&client, &data, WAIT_MS), RJ_WS_TEXT);
    assert_true(rj_process_signal(&siege->broker.process, SIGCONT));
    assert_memory_equal(data.data, last, strlen(last));
    assert_non_null(strstr(rj_buf_cstr(&data), "\"code\":\"busy\""));
    for (int i = 0; i < PENDING; i++) {
        assert_true(rj_ws_expect(&client, "43", &data, WAIT_MS));
        assert_non_null(strstr(rj_buf_cstr(&data), "\"ok\":true"));
    }
    rj_buf_free(&data);
    rj_ws_disconnect(&client);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(a_closed_session_waits_so_long_for_its_next_poll, setup_close,
                                    siege_teardown),
    cmocka_unit_test_setup_teardown(so_few_attachments_may_be_allowed, setup_small_packets, siege_teardown),
    cmocka_unit_test_setup_teardown(a_message_may_come_in_so_many_frames, setup_small_packets,
                                    siege_teardown),
    cmocka_unit_test_setup_teardown(events_above_the_rate_are_refused_and_those_below_are_not, setup_events,
                                    siege_teardown),
    cmocka_unit_test_setup_teardown(there_may_be_as_many_sessions_as_connections, setup_sessions,
                                    siege_teardown),
    cmocka_unit_test_setup_teardown(a_connection_may_be_in_so_many_namespaces, setup_namespaces,
                                    siege_teardown),
    cmocka_unit_test_setup_teardown(who_joins_and_leaves_all_the_time_is_cut_off, setup_namespaces,
                                    siege_teardown),
    cmocka_unit_test_setup_teardown(a_connection_that_joins_nothing_is_closed_in_time, siege_setup,
                                    siege_teardown),
    cmocka_unit_test_setup_teardown(names_may_be_so_long, siege_setup, siege_teardown),
    cmocka_unit_test_setup_teardown(names_may_be_so_long_as_the_brokers_settings_say, setup_names,
                                    siege_teardown),
    cmocka_unit_test_setup_teardown(a_client_may_be_in_so_many_rooms, siege_setup, siege_teardown),
    cmocka_unit_test_setup_teardown(a_packet_may_hold_so_many_bytes_and_attachments, siege_setup,
                                    siege_teardown),
    cmocka_unit_test_setup_teardown(attachments_have_their_time, setup_attachments, siege_teardown),
    cmocka_unit_test_setup_teardown(a_client_may_wait_for_so_many_acks, setup_pending, siege_teardown),
};

RJ_TEST_MAIN(tests)
