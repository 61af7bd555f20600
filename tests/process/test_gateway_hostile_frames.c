/* Hostile WebSocket frames and upgrades of clients that have joined, at a real gateway with a canary beside.
 */
#include <stdlib.h>

#include "tests/process/hostile_support.h"

#define BYTES(text) text, sizeof(text) - 1

/* Many of each kind at a time: all of them are open, then all of them offend. */
static void forbidden_frames_close_their_senders_alone(void **state)
{
    enum { EACH = 20 };
    struct siege *siege = *state;
    static const struct {
        const char *bytes;
        size_t len;
        int code;
    } cases[] = {
        {BYTES("\x81\x03\x34\x32["), 1002},         /* no mask */
        {BYTES("\xc1\x83\0\0\0\0\x34\x32["), 1002}, /* RSV1: compressed, which nobody has agreed on */
        {BYTES("\xc1\xff\0\0\0\0\0\x01\x80\0\0\0\0\0"), 1002}, /* … and large */
        {BYTES("\xa1\x83\0\0\0\0\x34\x32["), 1002},            /* RSV2 */
        {BYTES("\x91\x83\0\0\0\0\x34\x32["), 1002},            /* RSV3 */
        {BYTES("\x87\x80\0\0\0\0"), 1002},                     /* reserved opcodes */
        {BYTES("\x8b\x80\0\0\0\0"), 1002},
        {BYTES("\x80\x81\0\0\0\0x"), 1002},                        /* continues nothing */
        {BYTES("\x01\x81\0\0\0\0\x34\x09\x81\0\0\0\0p"), 1002},    /* a ping in pieces within a message */
        {BYTES("\x01\x81\0\0\0\0\x34\x81\x81\0\0\0\0\x34"), 1002}, /* a message within a message */
        {BYTES("\x8a\xfe\x00\x7e\0\0\0\0"), 1002},                 /* a pong of 126 bytes */
        {BYTES("\x81\xff\x80\0\0\0\0\0\0\x01\0\0\0\0"), 1002},     /* a negative length */
        {BYTES("\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0"), 1009}, /* the longest */
        {BYTES("\x82\xff\0\0\0\0\0\x01\x86\xa1\0\0\0\0"), 1009},           /* one byte above max-payload */
        {BYTES("\x81\x85\0\0\0\0\x34\x32\xf0\x9f\x98"), 1007},             /* a character in part */
        {BYTES("\x81\x85\0\0\0\0\x34\x32\xed\xa0\x80"), 1007},             /* half a surrogate pair */
        {BYTES("\x01\x83\0\0\0\0\x34\x32\xc3\x80\x81\0\0\0\0("), 1007},
        {BYTES("\x88\x81\0\0\0\0\x03"), 1002},     /* half a code */
        {BYTES("\x88\x82\0\0\0\0\x03\xed"), 1002}, /* one that nobody may send */
    };
    struct rj_ws_client clients[EACH];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int k = 0; k < EACH; k++)
            enter(siege, &clients[k]);
        for (int k = 0; k < EACH; k++)
            assert_true(rj_ws_send_raw(&clients[k], cases[i].bytes, cases[i].len));
        for (int k = 0; k < EACH; k++) {
            int code = rj_ws_close_code(&clients[k], WAIT_MS);
            if (code != cases[i].code)
                fail_msg("case %zu: %d instead of %d", i, code, cases[i].code);
            rj_ws_disconnect(&clients[k]);
        }
    }
    canary_sings(siege, 5);
}

/* Messages that are announced and never come in full, each almost as long as it may be. */
static void messages_that_do_not_end_are_forgotten(void **state)
{
    enum { N = 200, SENT = 90000 };
    struct siege *siege = *state;
    struct rj_ws_client clients[N];
    char *data = calloc(1, SENT);
    memset(data, 'x', SENT);
    for (int i = 0; i < N; i++) {
        enter(siege, &clients[i]);
        if (i % 2) {
            assert_true(rj_ws_send_raw(&clients[i], "\x82\xff\0\0\0\0\0\x01\x80\0\0\0\0\0", 14));
            assert_true(rj_ws_send_raw(&clients[i], data, SENT));
        } else {
            assert_true(rj_ws_send_frame(&clients[i], RJ_WS_BINARY, false, data, SENT));
        }
    }
    canary_sings(siege, 5);
    for (int i = 0; i < N; i++) {
        if (i % 3 == 0)
            rj_ws_reset(&clients[i]);
        else
            assert_int_equal(rj_ws_close_code(&clients[i], WAIT_MS), 1008); /* its time is over */
        rj_ws_disconnect(&clients[i]);
    }
    free(data);
}

/* CVE-2021-32640 and CVE-2024-37890: what an upgrade may say costs no more than its bytes. */
static void upgrades_with_absurd_headers_are_answered(void **state)
{
    enum { ROUNDS = 20, HEADER_BYTES = 6000 };
    struct siege *siege = *state;
    static const char *const beginnings[] = {
        "Sec-WebSocket-Protocol: ", "Sec-WebSocket-Extensions: permessage-deflate",
        "Sec-WebSocket-Protocol: a", "Cookie: ", "Origin: "};
    static const char *const pieces[] = {" \t", "; a=\"b", ",a", "=;", "x"};
    for (int round = 0; round < ROUNDS; round++) {
        struct rj_buf headers = {0};
        struct rj_ws_client client;
        rj_buf_put_str(&headers, beginnings[round % 5]);
        while (headers.len < HEADER_BYTES)
            rj_buf_put_str(&headers, pieces[round / 2 % 5]);
        rj_buf_put_str(&headers, "\r\n");
        int status = rj_ws_open(&client, siege->port, WEBSOCKET, rj_buf_cstr(&headers));
        if (status != 101 && status != 400 && status != 0)
            fail_msg("round %d: %d", round, status);
        rj_ws_disconnect(&client);
        rj_buf_free(&headers);
    }
    canary_sings(siege, 5);
}

/* Whoever floods and does not read what it causes: the answers to it are bounded. */
static void who_floods_and_does_not_read_is_held_back(void **state)
{
    enum { N = 10, FLOOD_BYTES = 1 << 20 };
    struct siege *siege = *state;
    static const char *const frames[] = {"421[\"room:history\",\"den\"]", "421[\"nobody\"]", "41",
                                         "40/nope,"};
    struct rj_ws_client clients[N];
    for (int i = 0; i < N; i++) {
        struct rj_buf flood = {0};
        enter(siege, &clients[i]);
        size_t len = strlen(frames[i % 4]);
        uint8_t head[6] = {0x81, (uint8_t)(0x80 | len)};
        while (flood.len < FLOOD_BYTES) {
            rj_buf_put(&flood, head, sizeof head);
            rj_buf_put(&flood, frames[i % 4], len);
            rj_buf_put(&flood, "\x89\x84\0\0\0\0ping", 10);
        }
        rj_ws_send_raw(&clients[i], flood.data, flood.len);
        rj_buf_free(&flood);
    }
    canary_sings(siege, 10);
    for (int i = 0; i < N; i++)
        rj_ws_disconnect(&clients[i]);
}

static int setup_narrow(void **state)
{
    static const char *const env[] = {"REJOIN_QUEUE_BYTES=65536", NULL};
    return siege_setup_with(state, env);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(forbidden_frames_close_their_senders_alone, siege_setup, siege_teardown),
    cmocka_unit_test_setup_teardown(messages_that_do_not_end_are_forgotten, siege_setup, siege_teardown),
    cmocka_unit_test_setup_teardown(upgrades_with_absurd_headers_are_answered, siege_setup, siege_teardown),
    cmocka_unit_test_setup_teardown(who_floods_and_does_not_read_is_held_back, setup_narrow, siege_teardown),
};

RJ_TEST_MAIN(tests)
