#include "gateway/socketio.h"
#include "tests/support/test.h"

static const struct rj_sio_limits limits = {.attachments = 10, .held_bytes = 1000};

static void assert_text(struct rj_span span, const char *text)
{
    assert_int_equal(span.len, strlen(text));
    assert_memory_equal(span.data, text, span.len);
}

static enum rj_status parse(const char *text, struct rj_sio_packet *packet)
{
    return rj_sio_parse(rj_span_str(text), &limits, packet);
}

/* ---- reading */

static void good_packets_are_taken_apart(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum rj_sio_type type;
        const char *nsp, *data;
        int id; /* -1: none */
        size_t n_attachments;
    } good[] = {
        {"0", RJ_SIO_CONNECT, "/", "", -1, 0},
        {"0{\"a\":1}", RJ_SIO_CONNECT, "/", "{\"a\":1}", -1, 0},
        {"0/custom", RJ_SIO_CONNECT, "/custom", "", -1, 0},
        {"0/custom,", RJ_SIO_CONNECT, "/custom", "", -1, 0},
        {"0/custom,{}", RJ_SIO_CONNECT, "/custom", "{}", -1, 0},
        {"0/a?token=1,{}", RJ_SIO_CONNECT, "/a?token=1", "{}", -1, 0},
        {"1", RJ_SIO_DISCONNECT, "/", "", -1, 0},
        {"1/x,", RJ_SIO_DISCONNECT, "/x", "", -1, 0},
        {"2[\"e\"]", RJ_SIO_EVENT, "/", "[\"e\"]", -1, 0},
        {"212[\"e\",1]", RJ_SIO_EVENT, "/", "[\"e\",1]", 12, 0},
        {"2/x,0[\"e\"]", RJ_SIO_EVENT, "/x", "[\"e\"]", 0, 0},
        {"2[1,2]", RJ_SIO_EVENT, "/", "[1,2]", -1, 0},
        {"2[\"error\"]", RJ_SIO_EVENT, "/", "[\"error\"]", -1, 0},
        {"37[]", RJ_SIO_ACK, "/", "[]", 7, 0},
        {"3/x,7[1]", RJ_SIO_ACK, "/x", "[1]", 7, 0},
        {"51-[\"e\",{\"_placeholder\":true,\"num\":0}]", RJ_SIO_BINARY_EVENT, "/",
         "[\"e\",{\"_placeholder\":true,\"num\":0}]", -1, 1},
        {"510-/x,3[\"e\"]", RJ_SIO_BINARY_EVENT, "/x", "[\"e\"]", 3, 10},
        {"62-/x,3[]", RJ_SIO_BINARY_ACK, "/x", "[]", 3, 2},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct rj_sio_packet packet;
        assert_int_equal(parse(good[i].text, &packet), RJ_OK);
        assert_int_equal(packet.type, good[i].type);
        assert_text(packet.nsp, good[i].nsp);
        assert_text(packet.data, good[i].data);
        assert_int_equal(packet.has_id, good[i].id >= 0);
        assert_int_equal(packet.id, good[i].id < 0 ? 0 : good[i].id);
        assert_int_equal(packet.n_attachments, good[i].n_attachments);
    }
}

static void what_the_reference_refuses_is_refused(void **state)
{
    (void)state;
    const char *wrong[] = {
        "",
        "7",
        "a",
        "9[\"e\"]",
        "0[]",
        "0\"text\"",
        "0{",
        "0/x,null",
        "1{}",
        "1/x,[]",
        "2",
        "2{}",
        "2[]",
        "2[{}]",
        "2[null,1]",
        "2[true]",
        "2[\"e\"",
        "2[\"e\"]x",
        "2[\"e\",]",
        "2[\"e\",NaN]",
        "2[\"connect\"]",
        "2[\"connect_error\"]",
        "2[\"disconnect\"]",
        "2[\"disconnecting\"]",
        "2[\"newListener\"]",
        "2[\"removeListener\"]",
        "2[\"\\u0063onnect\"]",
        "3[]",
        "37",
        "37{}",
        "4",
        "4{\"message\":\"x\"}",
        "5[\"e\"]",
        "5-[\"e\"]",
        "5x-[\"e\"]",
        "51[\"e\"]",
        "51",
        "5-1-[\"e\"]",
        "51.5-[\"e\"]",
        "59999999-[\"e\"]",
        "51-[]",
        "51-[\"disconnect\"]",
        "61-[]",
        "299999999999999999[\"e\"]",
        "29007199254740993[\"e\"]",
        "2/\xff,[\"e\"]",
        "2[\"\xff\"]",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct rj_sio_packet packet;
        if (parse(wrong[i], &packet) != RJ_BAD_REQUEST)
            fail_msg("%s passed", wrong[i]);
    }
}

static void more_attachments_than_allowed_are_refused(void **state)
{
    (void)state;
    struct rj_sio_packet packet;
    assert_int_equal(parse("511-[\"e\"]", &packet), RJ_TOO_MANY);
}

static void nesting_is_bounded(void **state)
{
    (void)state;
    struct rj_buf text = {0};
    struct rj_sio_packet packet;
    rj_buf_put_str(&text, "2[\"e\",");
    for (int i = 0; i < 100000; i++)
        rj_buf_put_u8(&text, '[');
    assert_int_equal(rj_sio_parse(rj_buf_span(&text), &limits, &packet), RJ_BAD_REQUEST);
    rj_buf_free(&text);
}

static void arguments_stand_behind_the_name(void **state)
{
    (void)state;
    static const struct {
        const char *text, *name, *args;
    } cases[] = {
        {"2[\"e\"]", "\"e\"", ""},
        {"2[\"e\",1]", "\"e\"", "1"},
        {"2 [ \"e\" , {\"a\":[1,2]} , \"]\" ] ", "\"e\"", "{\"a\":[1,2]} , \"]\""},
        {"2[5,\"x\"]", "5", "\"x\""},
        {"31[]", "", ""},
        {"31[ ]", "", ""},
        {"31[{\"ok\":true},2]", "", "{\"ok\":true},2"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rj_sio_packet packet;
        assert_int_equal(parse(cases[i].text, &packet), RJ_OK);
        struct rj_sio_args args = rj_sio_args(&packet);
        assert_text(args.name, cases[i].name);
        assert_text(args.args, cases[i].args);
    }
}

/* ---- reassembling */

static enum rj_status text_in(struct rj_sio_decoder *decoder, const char *text, struct rj_sio_packet *packet)
{
    return rj_sio_decoder_text(decoder, rj_span_str(text), &limits, packet);
}

static enum rj_status binary_in(struct rj_sio_decoder *decoder, const char *data,
                                struct rj_sio_packet *packet)
{
    return rj_sio_decoder_binary(decoder, rj_span_str(data), &limits, packet);
}

#define PLACEHOLDER(num) "{\"_placeholder\":true,\"num\":" num "}"

static void attachments_are_joined_to_their_packet(void **state)
{
    (void)state;
    struct rj_sio_decoder decoder = {0};
    struct rj_sio_packet packet;
    assert_int_equal(text_in(&decoder, "52-/x,9[\"e\"," PLACEHOLDER("1") "," PLACEHOLDER("0") "]", &packet),
                     RJ_NOT_FOUND);
    assert_true(rj_sio_decoder_is_waiting(&decoder));
    assert_int_equal(binary_in(&decoder, "first", &packet), RJ_NOT_FOUND);
    assert_int_equal(binary_in(&decoder, "", &packet), RJ_OK);
    assert_int_equal(packet.type, RJ_SIO_EVENT);
    assert_text(packet.nsp, "/x");
    assert_int_equal(packet.id, 9);
    assert_int_equal(packet.n_attachments, 2);
    assert_text(packet.attachments[0], "first");
    assert_int_equal(packet.attachments[1].len, 0);
    assert_false(rj_sio_decoder_is_waiting(&decoder));
    rj_sio_decoder_release(&decoder);
    assert_null(decoder.attachments);

    assert_int_equal(text_in(&decoder, "61-1[" PLACEHOLDER("0") "]", &packet), RJ_NOT_FOUND);
    assert_int_equal(binary_in(&decoder, "", &packet), RJ_OK);
    assert_int_equal(packet.type, RJ_SIO_ACK);
    assert_int_equal(packet.attachments[0].len, 0);
    rj_sio_decoder_free(&decoder);
}

/* CVE-2026-69185: a decoder that waits for attachments which are none takes every packet after it for one. */
static void a_binary_packet_without_attachments_is_refused(void **state)
{
    (void)state;
    struct rj_sio_decoder decoder = {0};
    struct rj_sio_packet packet;
    static const char *const wrong[] = {"50-[\"e\"]", "60-1[]", "500-[\"e\"]"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(text_in(&decoder, wrong[i], &packet), RJ_BAD_REQUEST);
    assert_int_equal(text_in(&decoder, "2[\"e\"]", &packet), RJ_OK);
    rj_sio_decoder_free(&decoder);
}

static void text_between_attachments_is_refused(void **state)
{
    (void)state;
    struct rj_sio_decoder decoder = {0};
    struct rj_sio_packet packet;
    assert_int_equal(text_in(&decoder, "52-[\"e\"]", &packet), RJ_NOT_FOUND);
    assert_int_equal(binary_in(&decoder, "x", &packet), RJ_NOT_FOUND);
    assert_int_equal(text_in(&decoder, "2[\"e\"]", &packet), RJ_BAD_REQUEST);
    assert_null(decoder.attachments);
    rj_sio_decoder_free(&decoder);
}

static void stray_binary_is_refused(void **state)
{
    (void)state;
    struct rj_sio_decoder decoder = {0};
    struct rj_sio_packet packet;
    assert_int_equal(binary_in(&decoder, "x", &packet), RJ_BAD_REQUEST);
    assert_int_equal(text_in(&decoder, "51-[\"e\"]", &packet), RJ_NOT_FOUND);
    assert_int_equal(binary_in(&decoder, "x", &packet), RJ_OK);
    assert_int_equal(binary_in(&decoder, "x", &packet), RJ_BAD_REQUEST);
    rj_sio_decoder_free(&decoder);
}

static void placeholders_must_point_at_an_attachment(void **state)
{
    (void)state;
    const char *wrong[] = {
        "51-[\"e\"," PLACEHOLDER("1") "]",
        "51-[\"e\"," PLACEHOLDER("-1") "]",
        "51-[\"e\"," PLACEHOLDER("0.5") "]",
        "51-[\"e\"," PLACEHOLDER("\"0\"") "]",
        "51-[\"e\"," PLACEHOLDER("[0]") "]",
        "51-[\"e\",{\"_placeholder\":true}]",
        "51-[\"e\",{\"num\":0,\"_placeholder\":true,\"num\":7}]",
        "51-[\"e\",{\"a\":[[{\"b\":" PLACEHOLDER("3") "}]]}]",
        "51-[\"e\",{\"\\u005fplaceholder\":true,\"num\":2}]",
        "50-[\"e\"," PLACEHOLDER("0") "]",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct rj_sio_decoder decoder = {0};
        struct rj_sio_packet packet;
        if (text_in(&decoder, wrong[i], &packet) != RJ_BAD_REQUEST)
            fail_msg("%s passed", wrong[i]);
        rj_sio_decoder_free(&decoder);
    }
    const char *good[] = {
        "51-[\"e\",{\"_placeholder\":true,\"num\":0,\"x\":{\"num\":9}}]",
        "51-[\"e\",{\"_placeholder\":false,\"num\":9}]",
        "51-[\"e\",{\"_placeholder\":\"true\",\"num\":9}]",
        "51-[\"e\",{\"_placeholder\":true,\"_placeholder\":1,\"num\":9}]",
        "51-[\"e\",\"_placeholder\",true,{\"num\":9},\"{\\\"_placeholder\\\":true}\"]",
        "51-[\"e\", [ { \"_placeholder\" : true , \"num\" : 0 } ] ]",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct rj_sio_decoder decoder = {0};
        struct rj_sio_packet packet;
        if (text_in(&decoder, good[i], &packet) != RJ_NOT_FOUND)
            fail_msg("%s did not pass", good[i]);
        rj_sio_decoder_free(&decoder);
    }
}

static void what_is_held_for_half_a_packet_is_bounded(void **state)
{
    (void)state;
    struct rj_sio_decoder decoder = {0};
    struct rj_sio_packet packet;
    char data[600] = {0};
    assert_int_equal(text_in(&decoder, "53-[\"e\"]", &packet), RJ_NOT_FOUND);
    assert_int_equal(rj_sio_decoder_binary(&decoder, rj_span_of(data, 600), &limits, &packet), RJ_NOT_FOUND);
    assert_int_equal(rj_sio_decoder_binary(&decoder, rj_span_of(data, 600), &limits, &packet), RJ_TOO_LARGE);
    assert_null(decoder.bytes.data);
    assert_false(rj_sio_decoder_is_waiting(&decoder));
    rj_sio_decoder_free(&decoder);
}

static void an_unfinished_packet_is_freed(void **state)
{
    (void)state;
    struct rj_sio_decoder decoder = {0};
    struct rj_sio_packet packet;
    assert_int_equal(text_in(&decoder, "53-[\"e\"]", &packet), RJ_NOT_FOUND);
    assert_int_equal(binary_in(&decoder, "x", &packet), RJ_NOT_FOUND);
    rj_sio_decoder_free(&decoder);
    assert_false(rj_sio_decoder_is_waiting(&decoder));
}

/* ---- writing */

#define SPAN(text) rj_span_str(text)

static void answers_to_connect_are_written(void **state)
{
    (void)state;
    struct rj_buf out = {0};
    rj_sio_put_connect(&out, SPAN("/"), SPAN("s"), SPAN("p"));
    assert_string_equal(rj_buf_cstr(&out), "0{\"sid\":\"s\",\"pid\":\"p\"}");
    rj_buf_clear(&out);
    rj_sio_put_connect(&out, SPAN("/x"), SPAN("s"), SPAN(""));
    assert_string_equal(rj_buf_cstr(&out), "0/x,{\"sid\":\"s\"}");
    rj_buf_clear(&out);
    rj_sio_put_connect_error(&out, SPAN("/x"), SPAN("no \"way\""), SPAN(""));
    assert_string_equal(rj_buf_cstr(&out), "4/x,{\"message\":\"no \\\"way\\\"\"}");
    rj_buf_clear(&out);
    rj_sio_put_connect_error(&out, SPAN("/"), SPAN("m"), SPAN("{\"code\":1}"));
    assert_string_equal(rj_buf_cstr(&out), "4{\"message\":\"m\",\"data\":{\"code\":1}}");
    rj_buf_clear(&out);
    rj_sio_put_disconnect(&out, SPAN("/"));
    assert_string_equal(rj_buf_cstr(&out), "1");
    rj_buf_clear(&out);
    rj_sio_put_disconnect(&out, SPAN("/x"));
    assert_string_equal(rj_buf_cstr(&out), "1/x,");
    rj_buf_free(&out);
}

static void events_carry_the_offset_last(void **state)
{
    (void)state;
    struct rj_buf out = {0};
    rj_sio_put_event(&out, SPAN("/"), SPAN("room:message"), SPAN("{\"a\":1}"), SPAN("1.2"), 0);
    assert_string_equal(rj_buf_cstr(&out), "2[\"room:message\",{\"a\":1},\"1.2\"]");
    rj_buf_clear(&out);
    rj_sio_put_event(&out, SPAN("/x"), SPAN("b"), SPAN(PLACEHOLDER("0")), SPAN("1.2"), 1);
    assert_string_equal(rj_buf_cstr(&out), "51-/x,[\"b\"," PLACEHOLDER("0") ",\"1.2\"]");
    rj_buf_clear(&out);
    rj_sio_put_event(&out, SPAN("/"), SPAN("tick"), SPAN(""), SPAN(""), 0);
    assert_string_equal(rj_buf_cstr(&out), "2[\"tick\"]");
    rj_buf_clear(&out);
    rj_sio_put_event(&out, SPAN("/"), SPAN("tick"), SPAN(""), SPAN("1.2"), 0);
    assert_string_equal(rj_buf_cstr(&out), "2[\"tick\",\"1.2\"]");
    rj_buf_free(&out);
}

static void events_that_ask_carry_an_id_and_no_offset(void **state)
{
    (void)state;
    struct rj_buf out = {0};
    rj_sio_put_asking_event(&out, SPAN("/"), 17, SPAN("q"), SPAN("1,2"), 0);
    assert_string_equal(rj_buf_cstr(&out), "217[\"q\",1,2]");
    rj_buf_clear(&out);
    rj_sio_put_asking_event(&out, SPAN("/x"), 0, SPAN("q"), SPAN(PLACEHOLDER("0")), 1);
    assert_string_equal(rj_buf_cstr(&out), "51-/x,0[\"q\"," PLACEHOLDER("0") "]");
    rj_buf_free(&out);
}

static void acks_are_written(void **state)
{
    (void)state;
    struct rj_buf out = {0};
    rj_sio_put_ack(&out, SPAN("/"), 0, SPAN(""), 0);
    assert_string_equal(rj_buf_cstr(&out), "30[]");
    rj_buf_clear(&out);
    rj_sio_put_ack(&out, SPAN("/x"), 12, SPAN("{\"ok\":true}"), 0);
    assert_string_equal(rj_buf_cstr(&out), "3/x,12[{\"ok\":true}]");
    rj_buf_clear(&out);
    rj_sio_put_ack(&out, SPAN("/"), 1, SPAN(PLACEHOLDER("0")), 1);
    assert_string_equal(rj_buf_cstr(&out), "61-1[" PLACEHOLDER("0") "]");
    rj_buf_free(&out);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(good_packets_are_taken_apart),
    cmocka_unit_test(what_the_reference_refuses_is_refused),
    cmocka_unit_test(more_attachments_than_allowed_are_refused),
    cmocka_unit_test(nesting_is_bounded),
    cmocka_unit_test(arguments_stand_behind_the_name),
    cmocka_unit_test(attachments_are_joined_to_their_packet),
    cmocka_unit_test(a_binary_packet_without_attachments_is_refused),
    cmocka_unit_test(text_between_attachments_is_refused),
    cmocka_unit_test(stray_binary_is_refused),
    cmocka_unit_test(placeholders_must_point_at_an_attachment),
    cmocka_unit_test(what_is_held_for_half_a_packet_is_bounded),
    cmocka_unit_test(an_unfinished_packet_is_freed),
    cmocka_unit_test(answers_to_connect_are_written),
    cmocka_unit_test(events_carry_the_offset_last),
    cmocka_unit_test(events_that_ask_carry_an_id_and_no_offset),
    cmocka_unit_test(acks_are_written),
};
RJ_TEST_MAIN(tests)
