#include "gateway/engineio.h"
#include "tests/support/test.h"

#define SPAN(text) rj_span_of(text, sizeof(text) - 1)

static void assert_span(struct rj_span span, const char *text, size_t len)
{
    assert_int_equal(span.len, len);
    assert_memory_equal(span.data, text, len);
}

static void every_packet_type_is_read(void **state)
{
    (void)state;
    struct rj_eio_packet packet;
    for (int type = RJ_EIO_OPEN; type <= RJ_EIO_NOOP; type++) {
        char text[] = {(char)('0' + type), 'x', 'y'};
        assert_int_equal(rj_eio_parse(rj_span_of(text, 3), NULL, &packet), RJ_OK);
        assert_int_equal(packet.type, type);
        assert_false(packet.is_binary);
        assert_span(packet.data, "xy", 2);
    }
}

static void a_packet_may_have_no_data(void **state)
{
    (void)state;
    struct rj_eio_packet packet;
    assert_int_equal(rj_eio_parse(SPAN("2"), NULL, &packet), RJ_OK);
    assert_int_equal(packet.data.len, 0);
}

static void unknown_types_and_empty_packets_are_refused(void **state)
{
    (void)state;
    struct rj_eio_packet packet;
    const char *wrong[] = {"", "7", "9x", "a", "B", " 4", "-1", "\x1e"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(rj_eio_parse(rj_span_str(wrong[i]), NULL, &packet), RJ_BAD_REQUEST);
}

static void a_payload_is_split_at_the_separator(void **state)
{
    (void)state;
    struct rj_buf scratch = {0};
    struct rj_eio_packet packet;
    struct rj_eio_payload payload = rj_eio_payload(SPAN("4hello\x1e"
                                                        "2\x1e"
                                                        "4\xe2\x82\xac"));
    assert_int_equal(rj_eio_payload_next(&payload, &scratch, &packet), RJ_OK);
    assert_int_equal(packet.type, RJ_EIO_MESSAGE);
    assert_span(packet.data, "hello", 5);
    assert_int_equal(rj_eio_payload_next(&payload, &scratch, &packet), RJ_OK);
    assert_int_equal(packet.type, RJ_EIO_PING);
    assert_int_equal(rj_eio_payload_next(&payload, &scratch, &packet), RJ_OK);
    assert_span(packet.data, "\xe2\x82\xac", 3);
    assert_int_equal(rj_eio_payload_next(&payload, &scratch, &packet), RJ_NOT_FOUND);
    rj_buf_free(&scratch);
}

static void a_payload_with_an_empty_packet_is_refused(void **state)
{
    (void)state;
    const char *wrong[] = {"", "\x1e",
                           "\x1e"
                           "4a",
                           "4a\x1e",
                           "4a\x1e\x1e"
                           "4b"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct rj_buf scratch = {0};
        struct rj_eio_packet packet;
        struct rj_eio_payload payload = rj_eio_payload(rj_span_str(wrong[i]));
        enum rj_status status = RJ_OK;
        while (status == RJ_OK)
            status = rj_eio_payload_next(&payload, &scratch, &packet);
        assert_int_equal(status, RJ_BAD_REQUEST);
        rj_buf_free(&scratch);
    }
}

static void binary_in_a_payload_is_base64(void **state)
{
    (void)state;
    struct rj_buf scratch = {0};
    struct rj_eio_packet packet;
    struct rj_eio_payload payload = rj_eio_payload(SPAN("bAQIDBA==\x1e"
                                                        "b\x1e"
                                                        "b-_8"));
    assert_int_equal(rj_eio_payload_next(&payload, &scratch, &packet), RJ_OK);
    assert_true(packet.is_binary);
    assert_span(packet.data, "\1\2\3\4", 4);
    assert_int_equal(rj_eio_payload_next(&payload, &scratch, &packet), RJ_OK);
    assert_true(packet.is_binary);
    assert_int_equal(packet.data.len, 0);
    assert_int_equal(rj_eio_payload_next(&payload, &scratch, &packet), RJ_OK);
    assert_span(packet.data, "\xfb\xff", 2);
    rj_buf_free(&scratch);
}

static void binary_as_text_is_read_alone_too(void **state)
{
    (void)state;
    struct rj_buf scratch = {0};
    struct rj_eio_packet packet;
    assert_int_equal(rj_eio_parse(SPAN("bAQIDBA=="), &scratch, &packet), RJ_OK);
    assert_int_equal(packet.type, RJ_EIO_MESSAGE);
    assert_true(packet.is_binary);
    assert_span(packet.data, "\1\2\3\4", 4);
    assert_int_equal(rj_eio_parse(SPAN("bAQ=="), &scratch, &packet), RJ_OK);
    assert_span(packet.data, "\1", 1);
    assert_int_equal(rj_eio_parse(SPAN("bA"), &scratch, &packet), RJ_BAD_REQUEST);
    rj_buf_free(&scratch);
}

static void wrong_base64_is_refused(void **state)
{
    (void)state;
    const char *wrong[] = {"bA", "bAAAAA", "b====", "bAA=A", "b A==", "bAQ=", "b\xff\xff\xff\xff"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct rj_buf scratch = {0};
        struct rj_eio_packet packet;
        struct rj_eio_payload payload = rj_eio_payload(rj_span_str(wrong[i]));
        assert_int_equal(rj_eio_payload_next(&payload, &scratch, &packet), RJ_BAD_REQUEST);
        rj_buf_free(&scratch);
    }
}

static void base64_comes_back_as_it_went(void **state)
{
    (void)state;
    uint8_t data[300];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 7 + 3);
    for (size_t len = 0; len <= sizeof data; len++) {
        struct rj_buf text = {0}, scratch = {0};
        struct rj_eio_packet packet;
        rj_eio_put_base64(&text, rj_span_of(data, len));
        assert_int_equal(text.len, rj_eio_base64_len(len));
        struct rj_eio_payload payload = rj_eio_payload(rj_buf_span(&text));
        assert_int_equal(rj_eio_payload_next(&payload, &scratch, &packet), RJ_OK);
        assert_span(packet.data, (const char *)data, len);
        rj_buf_free(&text);
        rj_buf_free(&scratch);
    }
}

static void the_open_packet_has_exactly_the_keys_of_the_reference(void **state)
{
    (void)state;
    struct rj_buf out = {0};
    struct rj_eio_open open = {SPAN("abc"), true, 25000, 20000, 1000000};
    rj_eio_put_open(&out, &open);
    assert_string_equal(rj_buf_cstr(&out),
                        "0{\"sid\":\"abc\",\"upgrades\":[\"websocket\"],\"pingInterval\":25000,"
                        "\"pingTimeout\":20000,\"maxPayload\":1000000}");
    rj_buf_clear(&out);
    open.can_upgrade = false;
    rj_eio_put_open(&out, &open);
    assert_non_null(strstr(rj_buf_cstr(&out), "\"upgrades\":[],"));
    rj_buf_free(&out);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(every_packet_type_is_read),
    cmocka_unit_test(a_packet_may_have_no_data),
    cmocka_unit_test(unknown_types_and_empty_packets_are_refused),
    cmocka_unit_test(a_payload_is_split_at_the_separator),
    cmocka_unit_test(a_payload_with_an_empty_packet_is_refused),
    cmocka_unit_test(binary_in_a_payload_is_base64),
    cmocka_unit_test(binary_as_text_is_read_alone_too),
    cmocka_unit_test(wrong_base64_is_refused),
    cmocka_unit_test(base64_comes_back_as_it_went),
    cmocka_unit_test(the_open_packet_has_exactly_the_keys_of_the_reference),
};
RJ_TEST_MAIN(tests)
