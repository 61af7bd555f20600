#include "tools/ctl/print.h"

#include "proto/base/json.h"
#include "tests/support/test.h"

static const struct rejoin_target lobby = {.kind = REJOIN_ROOM, .name = "lobby", .seq = 7};

static struct rejoin_message message_with(const char *data)
{
    return (struct rejoin_message){
        .offset = "a.b",
        .ts_ms = 5,
        .nsp = "/",
        .targets = &lobby,
        .target_count = 1,
        .event = "room:message",
        .data = data,
        .data_len = strlen(data),
        .id = "",
        .from_user = "",
        .from_sid = "",
        .source = "",
    };
}

static void assert_prints(const struct rejoin_message *message, const char *expected)
{
    struct rj_buf line = {0};
    rj_ctl_print_message(&line, message);
    assert_string_equal(rj_buf_cstr(&line), expected);
    assert_int_equal(rj_json_check(rj_buf_span(&line), RJ_JSON_DEPTH), RJ_OK);
    rj_buf_free(&line);
}

static void a_message_is_one_json_object(void **state)
{
    (void)state;
    struct rejoin_message message = message_with("{\"n\":1}");
    assert_prints(&message, "{\"offset\":\"a.b\",\"ts\":5,\"namespace\":\"/\",\"room\":\"lobby\",\"seq\":7,"
                            "\"event\":\"room:message\",\"from\":{\"user\":null,\"sid\":null},"
                            "\"data\":{\"n\":1}}");
}

static void what_is_there_is_printed_and_quoted(void **state)
{
    (void)state;
    struct rejoin_message message = message_with("1");
    message.id = "an \"id\"";
    message.from_user = "ann";
    message.from_sid = "s1";
    message.source = "billing\n";
    assert_prints(&message, "{\"offset\":\"a.b\",\"ts\":5,\"namespace\":\"/\",\"room\":\"lobby\",\"seq\":7,"
                            "\"id\":\"an \\\"id\\\"\",\"event\":\"room:message\","
                            "\"from\":{\"user\":\"ann\",\"sid\":\"s1\"},\"source\":\"billing\\n\","
                            "\"data\":1}");
}

static void data_over_several_lines_becomes_one_line(void **state)
{
    (void)state;
    struct rejoin_message message = message_with("[1,\r\n 2]");
    assert_prints(&message, "{\"offset\":\"a.b\",\"ts\":5,\"namespace\":\"/\",\"room\":\"lobby\",\"seq\":7,"
                            "\"event\":\"room:message\",\"from\":{\"user\":null,\"sid\":null},"
                            "\"data\":[1,   2]}");
}

static void a_message_for_several_targets_names_them(void **state)
{
    (void)state;
    static const struct rejoin_target targets[] = {
        {.kind = REJOIN_ROOM, .name = "a", .seq = 1},
        {.kind = REJOIN_USER, .name = "ann", .seq = 2},
    };
    struct rejoin_message message = message_with("null");
    message.targets = targets;
    message.target_count = 2;
    assert_prints(&message, "{\"offset\":\"a.b\",\"ts\":5,\"namespace\":\"/\",\"targets\":["
                            "{\"kind\":\"room\",\"name\":\"a\",\"seq\":1},"
                            "{\"kind\":\"user\",\"name\":\"ann\",\"seq\":2}],"
                            "\"event\":\"room:message\",\"from\":{\"user\":null,\"sid\":null},"
                            "\"data\":null}");
}

static void attachments_are_printed_in_base64(void **state)
{
    (void)state;
    /* the test vectors of RFC 4648, section 10 */
    static const struct rejoin_bytes attachments[] = {{"", 0}, {"f", 1}, {"fo", 2}, {"foo", 3}, {"foob", 4}};
    struct rejoin_message message = message_with("0");
    message.attachments = attachments;
    message.attachment_count = 5;
    assert_prints(&message, "{\"offset\":\"a.b\",\"ts\":5,\"namespace\":\"/\",\"room\":\"lobby\",\"seq\":7,"
                            "\"event\":\"room:message\",\"from\":{\"user\":null,\"sid\":null},\"data\":0,"
                            "\"attachments\":[\"\",\"Zg==\",\"Zm8=\",\"Zm9v\",\"Zm9vYg==\"]}");
}

static void a_published_line_tells_place_and_duplicate(void **state)
{
    (void)state;
    struct rejoin_published published = {.offset = "x.1", .seq = 3, .ts_ms = 9, .is_duplicate = true};
    struct rj_buf line = {0};
    rj_ctl_print_published(&line, "lobby", &published);
    assert_string_equal(rj_buf_cstr(&line),
                        "{\"room\":\"lobby\",\"seq\":3,\"offset\":\"x.1\",\"ts\":9,\"duplicate\":true}");
    rj_buf_free(&line);
}

static void assert_metric(double value, const char *expected)
{
    struct rj_buf line = {0};
    rj_ctl_print_metric(&line, &(struct rejoin_metric){"m", value});
    assert_string_equal(rj_buf_cstr(&line), expected);
    rj_buf_free(&line);
}

static void plain_arguments_are_told_from_data(void **state)
{
    (void)state;
    struct rejoin_message message = message_with("[1,2]");
    message.is_plain = true;
    assert_prints(&message, "{\"offset\":\"a.b\",\"ts\":5,\"namespace\":\"/\",\"room\":\"lobby\",\"seq\":7,"
                            "\"event\":\"room:message\",\"from\":{\"user\":null,\"sid\":null},"
                            "\"args\":[1,2]}");
}

static void an_emitted_line_has_a_seq_for_each_target(void **state)
{
    (void)state;
    const struct rejoin_published published = {.offset = "x.1", .ts_ms = 9, .seq_count = 2, .seqs = {3, 4}};
    struct rj_buf line = {0};
    rj_ctl_print_emitted(&line, &published);
    assert_string_equal(rj_buf_cstr(&line),
                        "{\"seqs\":[3,4],\"offset\":\"x.1\",\"ts\":9,\"duplicate\":false}");
    rj_buf_free(&line);
}

static void a_socket_is_one_json_object(void **state)
{
    (void)state;
    static const char *const rooms[] = {"a", "\"b\""};
    static const struct rejoin_header headers[] = {{"x", "1"}, {"x", "2"}};
    static const struct rejoin_handshake handshake = {"192.0.2.1", "polling", "/u", true, 5, headers, 2};
    struct rejoin_socket socket = {
        .sid = "s", .nsp = "/", .user = "", .data = "", .auth = "", .connected_ms = 7, .rooms = {rooms, 2}};
    struct rj_buf line = {0};
    rj_ctl_print_socket(&line, &socket);
    assert_string_equal(rj_buf_cstr(&line), "{\"sid\":\"s\",\"namespace\":\"/\",\"user\":null,"
                                            "\"rooms\":[\"a\",\"\\\"b\\\"\"],\"data\":null,\"connected\":7}");
    rj_buf_clear(&line);
    socket.user = "ann";
    socket.data = "{\n}";
    socket.auth = "{\"t\":1}";
    socket.handshake = &handshake;
    socket.rooms.count = 0;
    rj_ctl_print_socket(&line, &socket);
    assert_string_equal(rj_buf_cstr(&line),
                        "{\"sid\":\"s\",\"namespace\":\"/\",\"user\":\"ann\",\"rooms\":[],\"data\":{ },"
                        "\"connected\":7,\"auth\":{\"t\":1},\"handshake\":{\"address\":\"192.0.2.1\","
                        "\"transport\":\"polling\",\"url\":\"/u\",\"secure\":true,\"issued\":5,"
                        "\"headers\":[[\"x\",\"1\"],[\"x\",\"2\"]]}}");
    rj_buf_free(&line);
}

static void presence_is_one_json_object(void **state)
{
    (void)state;
    static const struct rejoin_present_user ann = {"ann", 2, 5, false, "{\"mood\":1}"},
                                            bob = {"bob", 0, 6, true, ""};
    static const struct rejoin_presence counts = {
        .total = 3, .total_away = 1, .sockets = 5, .anonymous_sockets = 2};
    static const struct rejoin_user away = {.last_seen_ms = 9}, unknown = {.total = 0};
    struct rj_buf line = {0};
    rj_ctl_print_present(&line, &ann);
    rj_ctl_print_present(&line, &bob);
    assert_string_equal(
        rj_buf_cstr(&line),
        "{\"user\":\"ann\",\"sockets\":2,\"since\":5,\"state\":\"online\",\"data\":{\"mood\":1}}"
        "{\"user\":\"bob\",\"sockets\":0,\"since\":6,\"state\":\"reconnecting\"}");
    rj_buf_clear(&line);
    rj_ctl_print_presence(&line, &counts);
    assert_string_equal(rj_buf_cstr(&line), "{\"users\":3,\"reconnecting\":1,\"sockets\":5,\"anonymous\":2}");
    rj_buf_clear(&line);
    rj_ctl_print_user(&line, "ann", &away);
    rj_ctl_print_user(&line, "x", &unknown);
    assert_string_equal(rj_buf_cstr(&line),
                        "{\"user\":\"ann\",\"state\":\"offline\",\"seen\":9,\"sockets\":0,\"list\":[]}"
                        "{\"user\":\"x\",\"state\":\"offline\",\"seen\":null,\"sockets\":0,\"list\":[]}");
    rj_buf_free(&line);
}

static void whole_metrics_are_printed_as_whole_numbers(void **state)
{
    (void)state;
    assert_metric(0, "m 0");
    assert_metric(123456789012.0, "m 123456789012");
    assert_metric(0.5, "m 0.5");
    assert_metric(1e300, "m 1.0000000000000001e+300");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_message_is_one_json_object),
    cmocka_unit_test(what_is_there_is_printed_and_quoted),
    cmocka_unit_test(data_over_several_lines_becomes_one_line),
    cmocka_unit_test(a_message_for_several_targets_names_them),
    cmocka_unit_test(attachments_are_printed_in_base64),
    cmocka_unit_test(a_published_line_tells_place_and_duplicate),
    cmocka_unit_test(plain_arguments_are_told_from_data),
    cmocka_unit_test(an_emitted_line_has_a_seq_for_each_target),
    cmocka_unit_test(a_socket_is_one_json_object),
    cmocka_unit_test(presence_is_one_json_object),
    cmocka_unit_test(whole_metrics_are_printed_as_whole_numbers),
};

RJ_TEST_MAIN(tests)
