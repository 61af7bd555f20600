/* Where the head of a request ends, and what is none. */
#include "gateway/frontends/head.h"
#include "gateway/frontends/http.h"
#include "tests/support/test.h"

enum { BYTES = 100, LINES = 5 };

static const struct rj_head_limits limits = {BYTES, LINES};

static enum rj_head look_at(const void *bytes, size_t len)
{
    struct rj_head_look look = {0};
    return rj_head_look(&look, rj_span_of(bytes, len), &limits);
}

static enum rj_head look(const char *text)
{
    return look_at(text, strlen(text));
}

static void a_whole_head_is_told_from_a_part_of_one(void **state)
{
    (void)state;
    static const char *const heads[] = {
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /a?b=c HTTP/1.0\r\nContent-Length: 3\r\n\r\n",
        "OPTIONS / HTTP/1.1\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\n\r\n",
        "GET http://a:80/b?c HTTP/1.1\r\n\r\n",
        "PUT HtTpS://[::1] HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.1\r\nx: \xc3\xb6\tz\r\ny:\r\n\r\n",
        "\r\nGET / HTTP/1.1\r\n!#$%&'*+-.^_`|~:1\r\n\r\n", /* an empty line may come first */
    };
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        struct rj_head_look bit_by_bit = {0};
        size_t len = strlen(heads[i]);
        assert_int_equal(look(heads[i]), RJ_HEAD_WHOLE);
        for (size_t part = 0; part < len; part++) {
            assert_int_equal(look_at(heads[i], part), RJ_HEAD_MORE);
            assert_int_equal(rj_head_look(&bit_by_bit, rj_span_of(heads[i], part), &limits), RJ_HEAD_MORE);
        }
        assert_int_equal(rj_head_look(&bit_by_bit, rj_span_of(heads[i], len), &limits), RJ_HEAD_WHOLE);
        assert_int_equal(bit_by_bit.seen, len);
    }
}

static void what_stands_behind_a_head_is_not_looked_at(void **state)
{
    (void)state;
    static const char head[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    static const char *const behind[] = {"GET / HTTP/1.1\r\n\r\n", "\x01", "\r\n", "\n", "a body"};
    for (size_t i = 0; i < sizeof behind / sizeof *behind; i++) {
        struct rj_head_look look = {0};
        char text[BYTES];
        snprintf(text, sizeof text, "%s%s", head, behind[i]);
        assert_int_equal(rj_head_look(&look, rj_span_str(text), &limits), RJ_HEAD_WHOLE);
        assert_int_equal(look.seen, sizeof head - 1);
    }
}

static void what_is_no_request_is_bad_as_soon_as_it_shows(void **state)
{
    (void)state;
    static const char *const heads[] = {
        "get",
        "\x16\x03\x01",
        "SSH-2.0",
        " GET",
        "\n",
        "\r\n\r\n",
        "\r\rG",
        "AAAAAAAAAAAAAAAAAAAAAAAA",
        "AAAAAAAAAAAAAAAAA / HTTP/1.1\r\n\r\n", /* the method has a letter too many */
        "GET http:/a",
        "GET ftp",
        "GET http:// HTTP/1.1\r\n",
        "GET http://user@a/ HTTP/1.1\r\n",
        "GET http://a/ b HTTP/1.1\r\n",
        "GET a:1",
        "CONNECT a:1",
        "CONNECT / HTTP/1.1\r\n\r\n",
        "CONNECT http://a/ HTTP/1.1\r\n\r\n",
        "GET *",
        "OPTIONS ** HTTP/1.1\r\n",
        "OPTIONSS *",
        "GET /\r\n",
        "GET / HTTP/2.0\r\n",
        "GET / HTTP/1.1 \r\n",
        "GET /a b HTTP/1.1\r\n",
        "GET /a\tb HTTP/1.1\r\n",
        "GET /a#b HTTP/1.1\r\n",
        "GET /%00 HTTP/1.1\r\n",
        "GET /%00?a HTTP/1.1\r\n",
        "GET /%4 HTTP/1.1\r\n",
        "GET /%zz HTTP/1.1\r\n",
        "GET /?a=% HTTP/1.1\r\n",
        "GET  HTTP/1.1\r\n",
        "GET / \x01",
        "GET / HTTP/1.1\r\nx: \x7f",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        if (look(heads[i]) != RJ_HEAD_BAD)
            fail_msg("not bad: %s", heads[i]);
    }
    assert_int_equal(look_at("GET /\0", 6), RJ_HEAD_BAD);
}

static void an_argument_may_hold_an_escaped_nul(void **state)
{
    (void)state;
    assert_int_equal(look("GET /?a=%00b&c=%00 HTTP/1.1\r\nHost: a\r\n\r\n"), RJ_HEAD_WHOLE);
}

/* Where another reader of the same bytes might see another head. */
static void lines_that_can_be_read_in_two_ways_are_bad(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "x: a\n",           "x: a\r\r\n",     "x: a\rb\r\n", "x : a\r\n",  "x\t: a\r\n",   " x: a\r\n",
        "\tfolded\r\n",     "x: a\r\n b",     ": a\r\n",     "x\r\n",      "x y: a\r\n",   "x(: a\r\n",
        "x\xc3\xb6: a\r\n", "x: a\r\n\r\r\n", "\n",          "x: a\r\n\n", "\"x\": a\r\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        char text[BYTES];
        snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: a\r\n%s", lines[i]);
        if (look(text) != RJ_HEAD_BAD)
            fail_msg("not bad: %s", lines[i]);
        snprintf(text, sizeof text, "GET / HTTP/1.1\r\n%s", lines[i]);
        if (look(text) != RJ_HEAD_BAD)
            fail_msg("not bad as the first: %s", lines[i]);
    }
    assert_int_equal(look("GET / HTTP/1.1\nHost: a\r\n\r\n"), RJ_HEAD_BAD);
    assert_int_equal(look_at("GET / HTTP/1.1\r\nx: a\0b\r\n", 26), RJ_HEAD_BAD);
}

static void a_head_may_have_so_many_bytes_and_lines(void **state)
{
    (void)state;
    char text[BYTES + 2] = "GET / HTTP/1.1\r\nx:";
    memset(text + 18, 'x', BYTES - 18);
    memcpy(text + BYTES - 4, "\r\n\r\n", 4);
    assert_int_equal(look(text), RJ_HEAD_WHOLE);
    memset(text + 18, 'x', BYTES - 18);
    assert_int_equal(look(text), RJ_HEAD_MORE);
    memcpy(text + BYTES - 3, "\r\n\r\n", 5);
    assert_int_equal(look(text), RJ_HEAD_TOO_LONG);
    assert_int_equal(look("GET / HTTP/1.1\r\na:\r\na:\r\na:\r\na:\r\n\r\n"), RJ_HEAD_WHOLE);
    assert_int_equal(look("GET / HTTP/1.1\r\na:\r\na:\r\na:\r\na:\r\na:\r\n"), RJ_HEAD_TOO_LONG);
}

static void a_url_may_have_so_many_arguments(void **state)
{
    (void)state;
    const struct rj_head_limits wide = {1000, LINES};
    for (size_t n = RJ_HTTP_MAX_ARGS; n <= RJ_HTTP_MAX_ARGS + 1; n++) {
        struct rj_buf text = {0};
        struct rj_head_look look = {0};
        rj_buf_put_str(&text, "GET /?a");
        for (size_t i = 1; i < n; i++)
            rj_buf_put_str(&text, "&b=c");
        rj_buf_put_str(&text, " HTTP/1.1\r\n\r\n");
        assert_int_equal(rj_head_look(&look, rj_buf_span(&text), &wide),
                         n <= RJ_HTTP_MAX_ARGS ? RJ_HEAD_WHOLE : RJ_HEAD_BAD);
        rj_buf_free(&text);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_whole_head_is_told_from_a_part_of_one),
    cmocka_unit_test(what_stands_behind_a_head_is_not_looked_at),
    cmocka_unit_test(what_is_no_request_is_bad_as_soon_as_it_shows),
    cmocka_unit_test(an_argument_may_hold_an_escaped_nul),
    cmocka_unit_test(lines_that_can_be_read_in_two_ways_are_bad),
    cmocka_unit_test(a_head_may_have_so_many_bytes_and_lines),
    cmocka_unit_test(a_url_may_have_so_many_arguments),
};

RJ_TEST_MAIN(tests)
