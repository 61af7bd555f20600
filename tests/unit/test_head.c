/* The first look at a request's head. */
#include "gateway/frontends/head.h"
#include "tests/support/test.h"

enum { BYTES = 100, LINES = 5 };

static enum rj_head look(const char *text)
{
    return rj_head_look(rj_span_str(text), BYTES, LINES);
}

static void a_whole_head_is_told_from_a_part_of_one(void **state)
{
    (void)state;
    static const char *const heads[] = {
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /a?b=c HTTP/1.0\r\nContent-Length: 3\r\n\r\n",
        "OPTIONS / HTTP/1.1\n\n",
        "GET / HTTP/1.1\r\nx: \xc3\xb6\tz\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        size_t len = strlen(heads[i]);
        assert_int_equal(look(heads[i]), RJ_HEAD_WHOLE);
        for (size_t part = 0; part < len; part++)
            assert_int_equal(rj_head_look(rj_span_of(heads[i], part), BYTES, LINES), RJ_HEAD_MORE);
    }
    assert_int_equal(look("POST / HTTP/1.1\r\n\r\nits body"), RJ_HEAD_WHOLE);
}

static void what_is_no_request_is_bad_as_soon_as_it_shows(void **state)
{
    (void)state;
    static const char *const heads[] = {
        "get",
        "\x16\x03\x01",
        "SSH-2.0",
        " GET",
        "\r\n",
        "AAAAAAAAAAAAAAAAAAAAAAAA",
        "AAAAAAAAAAAAAAAAA / HTTP/1.1\r\n\r\n", /* the method has a letter too many */
        "GET http://a/",
        "CONNECT a:1",
        "CONNECT / HTTP/1.1\r\n\r\n",
        "OPTIONS *",
        "GET /\r\n",
        "GET / HTTP/2.0\r\n",
        "GET / HTTP/1.1 \r\n",
        "GET /a b HTTP/1.1\r\n",
        "GET /%00 HTTP/1.1\r\n",
        "GET /%4 HTTP/1.1\r\n",
        "GET /%zz HTTP/1.1\r\n",
        "GET /?a=% HTTP/1.1\r\n",
        "GET  HTTP/1.1\r\n",
        "GET / \x01",
        "GET / HTTP/1.1\r\nx: \x7f",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        if (look(heads[i]) != RJ_HEAD_BAD)
            fail_msg("not bad: %s", heads[i]);
    }
    assert_int_equal(rj_head_look(rj_span_of("GET /\0", 6), BYTES, LINES), RJ_HEAD_BAD);
}

static void a_head_may_have_so_many_bytes_and_lines(void **state)
{
    (void)state;
    char text[BYTES + 2] = "GET / HTTP/1.1\r\n";
    memset(text + 16, 'x', BYTES - 16);
    memcpy(text + BYTES - 4, "\r\n\r\n", 4);
    assert_int_equal(look(text), RJ_HEAD_WHOLE);
    memset(text + 16, 'x', BYTES - 16);
    assert_int_equal(look(text), RJ_HEAD_MORE);
    memcpy(text + BYTES - 3, "\r\n\r\n", 5);
    assert_int_equal(look(text), RJ_HEAD_TOO_LONG);
    assert_int_equal(look("GET / HTTP/1.1\r\na:\r\na:\r\na:\r\na:\r\n\r\n"), RJ_HEAD_WHOLE);
    assert_int_equal(look("GET / HTTP/1.1\r\na:\r\na:\r\na:\r\na:\r\na:\r\n"), RJ_HEAD_TOO_LONG);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_whole_head_is_told_from_a_part_of_one),
    cmocka_unit_test(what_is_no_request_is_bad_as_soon_as_it_shows),
    cmocka_unit_test(a_head_may_have_so_many_bytes_and_lines),
};

RJ_TEST_MAIN(tests)
