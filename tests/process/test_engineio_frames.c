/* WebSocket frames as RFC 6455 has them: what it forbids closes with its code, and the code arrives. */
#include "tests/process/engineio_support.h"

#define BYTES(text) text, sizeof(text) - 1

static void forbidden_frames_close_with_their_code(void **state)
{
    struct server *server = *state;
    static const struct {
        const char *bytes;
        size_t len;
        int code;
    } cases[] = {
        {BYTES("\x81\x02\x34x"), 1002},         /* no mask */
        {BYTES("\xc1\x82\0\0\0\0\x34x"), 1002}, /* reserved bits */
        {BYTES("\x91\x82\0\0\0\0\x34x"), 1002},
        {BYTES("\x83\x80\0\0\0\0"), 1002}, /* reserved opcodes */
        {BYTES("\x8f\x80\0\0\0\0"), 1002},
        {BYTES("\x09\x80\0\0\0\0"), 1002},                           /* a fragmented ping */
        {BYTES("\x89\xfe\x00\x7e\0\0\0\0"), 1002},                   /* a ping of 126 bytes */
        {BYTES("\x80\x81\0\0\0\0x"), 1002},                          /* continues nothing */
        {BYTES("\x01\x82\0\0\0\0\x34x\x81\x82\0\0\0\0\x34y"), 1002}, /* two messages at once */
        {BYTES("\x01\x82\0\0\0\0\x34x\x09\x80\0\0\0\0"), 1002},      /* a bad ping within a message */
        {BYTES("\x81\xfe\x00\x02\0\0\0\0\x34x"), 1002},              /* not the shortest length */
        {BYTES("\x81\xff\0\0\0\0\0\0\0\x02\0\0\0\0\x34x"), 1002},
        {BYTES("\x81\xff\x80\0\0\0\0\0\0\x02\0\0\0\0\x34x"), 1002},        /* a negative length */
        {BYTES("\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0"), 1009}, /* a huge one */
        {BYTES("\x81\x83\0\0\0\0\x34\xc3("), 1007},                        /* no UTF-8 */
        {BYTES("\x01\x82\0\0\0\0\x34\xc3\x80\x81\0\0\0\0("), 1007},        /* … across frames */
        {BYTES("\x88\x81\0\0\0\0\x03"), 1002},                             /* closes that are none */
        {BYTES("\x88\x82\0\0\0\0\x03\xee"), 1002},
        {BYTES("\x88\x84\0\0\0\0\x03\xe8\xc3("), 1007},
        {BYTES("\x88\x80\0\0\0\0"), 0}, /* and some that are */
        {BYTES("\x88\x82\0\0\0\0\x03\xe9"), 1001},
        {BYTES("\x88\x86\0\0\0\0\x0f\xa0 bye"), 4000},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rj_ws_client client;
        open_websocket(server, &client);
        assert_true(rj_ws_send_raw(&client, cases[i].bytes, cases[i].len));
        int code = rj_ws_close_code(&client, WAIT_MS);
        if (code != cases[i].code)
            fail_msg("case %zu: %d instead of %d", i, code, cases[i].code);
        assert_true(rj_ws_is_closed(&client, WAIT_MS));
        rj_ws_disconnect(&client);
    }
    assert_serves(server);
}

/* What is sent behind the fault must not bring a reset that overtakes the Close frame. */
static void the_code_reaches_those_who_go_on_sending(void **state)
{
    enum { SENDERS = 40, BYTES_EACH = 3000000 };
    struct server *server = *state;
    char *data = calloc(1, BYTES_EACH);
    for (int i = 0; i < SENDERS; i++) {
        struct rj_ws_client client;
        open_websocket(server, &client);
        assert_true(rj_ws_send_frame(&client, RJ_WS_BINARY, true, data, BYTES_EACH));
        assert_int_equal(rj_ws_close_code(&client, WAIT_MS), 1009);
        assert_true(rj_ws_is_closed(&client, WAIT_MS));
        rj_ws_disconnect(&client);
    }
    free(data);
    assert_serves(server);
}

/* Who neither reads nor stops is not humoured for ever. */
static void a_sender_that_never_stops_is_cut_off(void **state)
{
    struct server *server = *state;
    struct rj_ws_client client;
    char *data = calloc(1, 1 << 20);
    open_websocket(server, &client);
    assert_true(rj_ws_send_raw(&client, "\x81\x02xx", 4)); /* no mask */
    size_t sent = 0;
    while (sent < 256 && rj_ws_send_raw(&client, data, 1 << 20))
        sent++;
    assert_true(sent < 256);
    rj_ws_disconnect(&client);
    free(data);
    assert_serves(server);
}

static void a_flood_of_pings_is_answered_by_the_last(void **state)
{
    enum { PINGS = 20000 };
    struct server *server = *state;
    struct rj_ws_client client;
    struct rj_buf out = {0}, data = {0};
    open_websocket(server, &client);
    for (uint32_t i = 0; i < PINGS; i++)
        rj_buf_put(&out, "\x89\x81\0\0\0\0-", 7);
    rj_buf_put(&out, "\x89\x84\0\0\0\0last", 10);
    assert_true(rj_ws_send_raw(&client, out.data, out.len));
    size_t pongs = 0;
    do {
        assert_int_equal(rj_ws_receive(&client, &data, WAIT_MS), RJ_WS_PONG);
        pongs++;
    } while (data.len != 4);
    assert_memory_equal(data.data, "last", 4);
    assert_true(pongs < PINGS);
    rj_buf_free(&out);
    rj_buf_free(&data);
    rj_ws_disconnect(&client);
    assert_serves(server);
}

/* The upgrade's candidate is read by the same rules, and takes its session nowhere. */
static void a_candidate_that_breaks_the_rules_leaves_the_session_on_polling(void **state)
{
    struct server *server = *state;
    struct rj_ws_client client;
    char sid[64];
    open_polling(server, sid);
    assert_int_equal(rj_ws_open(&client, server->port, with_sid(WEBSOCKET, sid), NULL), 101);
    assert_true(rj_ws_send_raw(&client,
                               "\x81\x06"
                               "2probe",
                               8));
    assert_int_equal(rj_ws_close_code(&client, WAIT_MS), 1002);
    rj_ws_disconnect(&client);
    assert_answer(server, "POST", with_sid(POLLING, sid), NULL, "4alive", 200, "ok");
    assert_answer(server, "GET", with_sid(POLLING, sid), NULL, NULL, 200, "4alive");
}

static void a_message_may_come_in_4096_fragments_and_no_more(void **state)
{
    struct server *server = *state;
    struct rj_ws_client client;
    struct rj_buf out = {0}, data = {0};
    enum { MOST = 4096 };
    for (int too_many = 0; too_many <= 1; too_many++) {
        open_websocket(server, &client);
        rj_buf_clear(&out);
        rj_buf_put(&out,
                   "\x01\x81\0\0\0\0"
                   "4",
                   7);
        for (int i = 1; i < MOST + too_many - 1; i++)
            rj_buf_put(&out, "\0\x81\0\0\0\0x", 7);
        rj_buf_put(&out, "\x80\x81\0\0\0\0y", 7);
        assert_true(rj_ws_send_raw(&client, out.data, out.len));
        if (too_many) {
            assert_int_equal(rj_ws_close_code(&client, WAIT_MS), 1008);
        } else {
            assert_int_equal(rj_ws_receive(&client, &data, WAIT_MS), RJ_WS_TEXT);
            assert_int_equal(data.len, MOST);
        }
        rj_ws_disconnect(&client);
    }
    rj_buf_free(&out);
    rj_buf_free(&data);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(forbidden_frames_close_with_their_code, engineio_setup,
                                    engineio_teardown),
    cmocka_unit_test_setup_teardown(the_code_reaches_those_who_go_on_sending, engineio_setup,
                                    engineio_teardown),
    cmocka_unit_test_setup_teardown(a_sender_that_never_stops_is_cut_off, engineio_setup, engineio_teardown),
    cmocka_unit_test_setup_teardown(a_flood_of_pings_is_answered_by_the_last, engineio_setup,
                                    engineio_teardown),
    cmocka_unit_test_setup_teardown(a_candidate_that_breaks_the_rules_leaves_the_session_on_polling,
                                    engineio_setup, engineio_teardown),
    cmocka_unit_test_setup_teardown(a_message_may_come_in_4096_fragments_and_no_more, engineio_setup,
                                    engineio_teardown),
};

RJ_TEST_MAIN(tests)
