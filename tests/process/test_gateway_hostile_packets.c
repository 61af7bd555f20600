/* Hostile Socket.IO packets, at a real gateway with a canary beside: each costs its sender alone. */
#include <stdlib.h>

#include "proto/base/clock.h"
#include "tests/process/hostile_support.h"

static void assert_closed(struct rj_ws_client *client, int code, const char *what)
{
    int got = rj_ws_close_code(client, WAIT_MS);
    if (got != code)
        fail_msg("%s: %d instead of %d", what, got, code);
    rj_ws_disconnect(client);
}

static void packets_that_are_none_close_their_sender(void **state)
{
    struct siege *siege = *state;
    static const char *const wrong[] = {
        "4",
        "47",
        "4x",
        "4-1",
        "42",
        "42{}",
        "42[]",
        "42null",
        "42\"x\"",
        "42[\"a\"",
        "42[\"a\"]x",
        "42[null]",
        "42[\"a\"]42[\"b\"]", /* two at once */
        "42[\"a\"]\x1e"
        "42[\"b\"]",
        "42[\"connect\"]",
        "42[\"connect_error\"]",
        "42[\"disconnect\"]",
        "42[\"disconnecting\"]",
        "42[\"newListener\"]",
        "42[\"removeListener\"]", /* Socket.IO's own */
        "40",
        "40{\"again\":1}",
        "40/n1,[]",
        "40/n1,\"x\"",
        "40/n1,{", /* CONNECTs */
        "42/n1,[\"a\"]",
        "42/n1[\"a\"]",
        "41/n1,", /* a namespace that was not joined */
        "41{\"a\":1}",
        "44{\"message\":\"x\"}",
        "44", /* what only the server says, or not so */
        "43[]",
        "431",
        "43{}",        /* acks */
        "450-[\"a\"]", /* CVE-2026-69185 */
        "460-1[]",
        "4511-[\"a\"]",
        "45-[\"a\"]",
        "45x-[\"a\"]",
        "451",
        "451-",
        "451-{}",
        "45-1-[\"a\"]",
        "45999999999999999999999-[\"a\"]",
        "451.5-[\"a\"]", /* numbers of attachments */
        "2",
        "7",
        "b4AAA=",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct rj_ws_client client;
        enter(siege, &client);
        say(&client, wrong[i]);
        assert_closed(&client, 1000, wrong[i]);
    }
    canary_sings(siege, 5);
}

static void strange_packets_that_are_allowed_are_answered(void **state)
{
    struct siege *siege = *state;
    static const char *const names[] = {"error",   "__proto__", "constructor", "hasOwnProperty", "",
                                        "\\u0000", "\\ud800",   "message",     "ping",           "a\\nb"};
    struct rj_ws_client client;
    char text[256];
    enter(siege, &client);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(text, sizeof text, "427[\"%s\",{\"__proto__\":{\"a\":1},\"_placeholder\":1}]", names[i]);
        say(&client, text);
        expect(&client, "437[{\"ok\":false,");
    }
    static const char *const ignored[] = {"43123456789[]", "430[]", "4399999999999999[1]", "0", "5", "6", "3",
                                          "42[12]"};
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
        say(&client, ignored[i]);
    say(&client, "428[\"x\"]");
    expect(&client, "438[{\"ok\":false,");
    rj_ws_disconnect(&client);
}

/* Whatever is made of an ack id that no number holds, nobody else is harmed by it. */
static void huge_numbers_do_no_harm(void **state)
{
    struct siege *siege = *state;
    struct rj_ws_client client;
    struct rj_buf text = {0};
    for (int digits = 15; digits < 60000; digits *= 4) {
        for (int kind = 0; kind < 3; kind++) {
            rj_buf_clear(&text);
            rj_buf_put_str(&text, kind == 0 ? "42" : kind == 1 ? "43" : "45");
            for (int i = 0; i < digits; i++)
                rj_buf_put_u8(&text, '9');
            rj_buf_put_str(&text, kind == 2 ? "-[\"a\"]" : "[\"a\"]");
            enter(siege, &client);
            say(&client, rj_buf_cstr(&text));
            rj_ws_is_closed(&client, 20);
            rj_ws_disconnect(&client);
        }
    }
    rj_buf_free(&text);
}

static void deep_and_long_json_closes_or_is_answered(void **state)
{
    struct siege *siege = *state;
    struct rj_ws_client client;
    struct rj_buf text = {0};
    enter(siege, &client);
    rj_buf_put_str(&text, "42[\"a\",");
    for (int i = 0; i < 40000; i++)
        rj_buf_put_u8(&text, '[');
    say(&client, rj_buf_cstr(&text));
    assert_closed(&client, 1000, "an endless array");

    rj_buf_clear(&text);
    enter(siege, &client);
    rj_buf_put_str(&text, "421[\"a\"");
    for (int i = 0; i < 45000; i++)
        rj_buf_put_str(&text, ",1");
    rj_buf_put_str(&text, "]");
    say(&client, rj_buf_cstr(&text));
    expect(&client, "431[{\"ok\":false,");
    rj_ws_disconnect(&client);

    rj_buf_clear(&text);
    enter(siege, &client); /* CVE-2020-36049: as much as a payload holds, and no packet */
    for (int i = 0; i < 14000; i++)
        rj_buf_put_str(&text, "42[\"a\"");
    say(&client, rj_buf_cstr(&text));
    assert_closed(&client, 1000, "packets without end");
    rj_buf_free(&text);
}

static void attachments_out_of_order_close_their_sender(void **state)
{
    struct siege *siege = *state;
    static const char *const wrong[] = {
        "451-[\"a\",{\"_placeholder\":true,\"num\":1}]",
        "451-[\"a\",{\"_placeholder\":true,\"num\":-1}]",
        "451-[\"a\",{\"_placeholder\":true,\"num\":\"0\"}]",
        "451-[\"a\",{\"_placeholder\":true,\"num\":0.5}]",
        "451-[\"a\",{\"_placeholder\":true}]",
        "451-[\"a\",{\"_placeholder\":true,\"num\":1e9}]",
        "451-[\"a\",{\"_placeholder\":true,\"num\":null}]",
    };
    struct rj_ws_client client;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        enter(siege, &client);
        say(&client, wrong[i]);
        rj_ws_send_frame(&client, RJ_WS_BINARY, true, "x", 1);
        assert_closed(&client, 1000, wrong[i]);
    }
    enter(siege, &client);
    assert_true(rj_ws_send_frame(&client, RJ_WS_BINARY, true, "x", 1));
    assert_closed(&client, 1000, "a stray attachment");
    static const char *const between[] = {"42[\"b\"]", "40/n1,", "41", "452-[\"c\"]", "43[]"};
    for (size_t i = 0; i < sizeof between / sizeof *between; i++) {
        enter(siege, &client);
        say(&client, "452-[\"a\",{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]");
        assert_true(rj_ws_send_frame(&client, RJ_WS_BINARY, true, "x", 1));
        say(&client, between[i]);
        assert_closed(&client, 1000, between[i]);
    }
}

/* Many hold back what they announced, with as much as they may; all is freed when they go, and when their
 * time is over. */
static void withheld_attachments_are_forgotten(void **state)
{
    enum { N = 100, BYTES = 90000 };
    struct siege *siege = *state;
    struct rj_ws_client clients[N];
    char *data = calloc(1, BYTES);
    for (int i = 0; i < N; i++) {
        enter(siege, &clients[i]);
        say(&clients[i], "4510-[\"a\"]");
        assert_true(rj_ws_send_frame(&clients[i], RJ_WS_BINARY, true, data, BYTES));
        assert_true(rj_ws_send_frame(&clients[i], RJ_WS_BINARY, true, data, BYTES));
    }
    canary_sings(siege, 10);
    for (int i = 0; i < N / 2; i++)
        rj_ws_reset(&clients[i]);
    for (int i = N / 2; i < N; i++) {
        assert_true(rj_ws_is_closed(&clients[i], WAIT_MS));
        rj_ws_disconnect(&clients[i]);
    }
    free(data);
}

static void payloads_of_many_packets_are_worked_off(void **state)
{
    struct siege *siege = *state;
    static const char *const pieces[] = {"6\x1e", "3\x1e", "42[\"a\"]\x1e", "4\x1e", "bAAAA\x1e", "\x1e\x1e"};
    struct rj_buf body = {0};
    char path[128];
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        rj_buf_clear(&body);
        open_polling(siege, path);
        assert_int_equal(status_of(siege, "POST", path, NULL, "40"), 200);
        while (body.len + 20 < MAX_PAYLOAD)
            rj_buf_put_str(&body, pieces[i]);
        rj_buf_put_str(&body, "6");
        assert_int_equal(status_of(siege, "POST", path, NULL, rj_buf_cstr(&body)), 200);
        status_of(siege, "POST", path, NULL, "1");
    }
    rj_buf_free(&body);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(packets_that_are_none_close_their_sender, siege_setup, siege_teardown),
    cmocka_unit_test_setup_teardown(strange_packets_that_are_allowed_are_answered, siege_setup,
                                    siege_teardown),
    cmocka_unit_test_setup_teardown(huge_numbers_do_no_harm, siege_setup, siege_teardown),
    cmocka_unit_test_setup_teardown(deep_and_long_json_closes_or_is_answered, siege_setup, siege_teardown),
    cmocka_unit_test_setup_teardown(attachments_out_of_order_close_their_sender, siege_setup, siege_teardown),
    cmocka_unit_test_setup_teardown(withheld_attachments_are_forgotten, siege_setup, siege_teardown),
    cmocka_unit_test_setup_teardown(payloads_of_many_packets_are_worked_off, siege_setup, siege_teardown),
};

RJ_TEST_MAIN(tests)
