/* A request read out of its head: what handlers see of it, and what is refused because it can be read in two
 * ways.
 */
#include "gateway/frontends/head.h"
#include "gateway/frontends/request.h"
#include "tests/support/test.h"

static unsigned read_into(struct rj_arena *arena, const char *head, struct rj_request *out)
{
    struct rj_head_look look = {0};
    const struct rj_head_limits limits = {RJ_MAX_HEADER_BYTES, RJ_MAX_HEADER_LINES};
    assert_int_equal(rj_head_look(&look, rj_span_str(head), &limits), RJ_HEAD_WHOLE);
    return rj_request_read(rj_span_str(head), arena, out);
}

static void assert_span(struct rj_span span, const char *expected)
{
    if (!rj_span_is(span, expected))
        fail_msg("%.*s instead of %s", (int)span.len, (const char *)span.data, expected);
}

static void everything_that_handlers_go_by_is_read(void **state)
{
    (void)state;
    struct rj_arena arena = {0};
    struct rj_request request;
    assert_int_equal(read_into(&arena,
                               "\r\nPOST /a%2fb%3F/\xc3\xb6?x=%41%c3&&y=1+1?&x=2 HTTP/1.1\r\n"
                               "HOST: a\r\nOrigin:http://o\r\ncontent-type: \t text/plain \t \r\n"
                               "Content-Length: 0012\r\nIf-None-Match: \"e\"\r\n"
                               "Access-Control-Request-Headers: x-a\r\n\r\n",
                               &request),
                     0);
    assert_int_equal(request.method, RJ_HTTP_POST);
    assert_span(request.path, "/a/b?/\xc3\xb6");
    assert_int_equal(request.n_args, 4);
    assert_span(request.args[0], "x=A\xc3");
    assert_span(request.args[1], "");
    assert_span(request.args[2], "y=1+1?");
    assert_span(request.args[3], "x=2");
    assert_span(request.url, "/a%2fb%3F/%C3%B6?x=%41%c3&&y=1+1?&x=2");
    assert_span(request.origin, "http://o");
    assert_span(request.content_type, "text/plain");
    assert_span(request.if_none_match, "\"e\"");
    assert_span(request.wanted_headers, "x-a");
    assert_true(request.has_length && request.length == 12 && !request.is_chunked);
    assert_false(request.is_upgrade || request.is_http_1_0 || request.is_last || request.expects_continue);

    assert_int_equal(
        read_into(&arena,
                  "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nConnection: UPGRADE\r\n"
                  "Upgrade: WebSocket\r\nSec-WebSocket-Key: k\r\nSec-WebSocket-Version: 13\r\n"
                  "Sec-WebSocket-Protocol: a, b\r\nSec-WebSocket-Protocol: c\r\n\r\n",
                  &request),
        0);
    assert_true(request.is_upgrade && !request.has_length && request.n_args == 0);
    assert_span(request.upgrade, "WebSocket");
    assert_span(request.ws_key, "k");
    assert_span(request.ws_version, "13");
    assert_span(request.ws_protocols, "a, b");
    assert_int_equal(read_into(&arena, "GET / HTTP/1.1\r\nHost:\r\nUpgrade: x\r\n\r\n", &request), 0);
    assert_false(request.is_upgrade); /* a proxy has passed on what it should have kept */
    rj_arena_free(&arena);
}

static void what_has_no_clear_end_or_meaning_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *begin, *headers;
        unsigned status;
    } cases[] = {
        {"GET / HTTP/1.1", "Host: a\r\n", 0},
        {"GET / HTTP/1.0", "", 0},
        {"GET / HTTP/1.1", "", 400},
        {"GET / HTTP/1.1", "Host: a\r\nHost: a\r\n", 400},
        {"GET / HTTP/1.0", "Host: a\r\nHost:\r\n", 400},
        {"GET / HTTP/1.1", "Host: a\r\nContent-Length: 0\r\n", 0},
        {"GET / HTTP/1.1", "Host: a\r\nContent-Length: 1\r\n", 400},
        {"HEAD / HTTP/1.1", "Host: a\r\nContent-Length: 1\r\n", 400},
        {"DELETE / HTTP/1.1", "Host: a\r\nContent-Length: 1\r\n", 0},
        {"OPTIONS / HTTP/1.1", "Host: a\r\nTransfer-Encoding: chunked\r\n", 0},
        {"PUT / HTTP/1.1", "Host: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n", 400},
        {"PUT / HTTP/1.1", "Host: a\r\n", 0},
        {"GET / HTTP/1.1", "Host: a\r\nTransfer-Encoding: chunked\r\n", 400},
        {"GET / HTTP/1.1", "Host:\r\n", 0},
        {"GET / HTTP/1.1", "Host: [::1]:80\r\n", 0},
        {"GET / HTTP/1.1", "Host: a b\r\n", 400},
        {"GET / HTTP/1.1", "Host: a/b\r\n", 400},
        {"GET / HTTP/1.0", "Host: a@b\r\n", 400},
        {"GET http://a/ HTTP/1.1", "Host: b\r\n", 0},
        {"GET http://a/ HTTP/1.0", "", 0},
        {"GET http://a/ HTTP/1.1", "", 400},
        {"GET http://a/ HTTP/1.1", "Host: a\r\nHost: a\r\n", 400},
        {"GET http://a/ HTTP/1.1", "Host: a b\r\n", 400},
        {"POST / HTTP/1.1", "Host: a\r\n", 411},
        {"POST / HTTP/1.1", "Host: a\r\nContent-Length: 999999999999999999\r\n", 0},
        {"POST / HTTP/1.1", "Host: a\r\nContent-Length: 1000000000000000000\r\n", 400},
        {"POST / HTTP/1.1", "Host: a\r\nContent-Length: 1\r\nContent-length: 1\r\n", 400},
        {"POST / HTTP/1.1", "Host: a\r\nContent-Length:\r\nContent-length: 1\r\n", 400},
        {"POST / HTTP/1.1", "Host: a\r\nContent-Length: 1,1\r\n", 400},
        {"POST / HTTP/1.1", "Host: a\r\nContent-Length: -1\r\n", 400},
        {"POST / HTTP/1.1", "Host: a\r\nContent-Length: 1.0\r\n", 400},
        {"POST / HTTP/1.1", "Host: a\r\nTransfer-Encoding: CHUNKED\r\n", 0},
        {"POST / HTTP/1.0", "Transfer-Encoding: chunked\r\n", 400},
        {"POST / HTTP/1.1", "Host: a\r\nTransfer-Encoding: chunked, chunked\r\n", 400},
        {"POST / HTTP/1.1", "Host: a\r\nTransfer-Encoding: gzip\r\n", 400},
        {"POST / HTTP/1.1", "Host: a\r\nTransfer-Encoding:\r\nTransfer-Encoding: chunked\r\n", 400},
        {"POST / HTTP/1.1", "Host: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n", 400},
        {"GET / HTTP/1.1", "Host: a\r\nOrigin: a\r\nOrigin: b\r\n", 400},
        {"GET / HTTP/1.1", "Host: a\r\nUpgrade: a\r\nUpgrade: b\r\n", 400},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rj_arena arena = {0};
        struct rj_request request;
        char text[256];
        snprintf(text, sizeof text, "%s\r\n%s\r\n", cases[i].begin, cases[i].headers);
        unsigned status = read_into(&arena, text, &request);
        if (status != cases[i].status)
            fail_msg("%u instead of %u: %s", status, cases[i].status, text);
        rj_arena_free(&arena);
    }
}

/* RFC 9112 §3.2.2: the target's word counts for more than Host. */
static void who_is_asked_is_said_by_the_target_or_by_host(void **state)
{
    (void)state;
    static const struct {
        const char *line, *host, *authority, *path, *url;
        size_t n_args;
        bool is_to_server;
    } cases[] = {
        {"GET /a?b", "Host: c:1\r\n", "c:1", "/a", "/a?b", 1, false},
        {"GET http://d:2/a?b", "Host: c:1\r\n", "d:2", "/a", "/a?b", 1, false},
        {"GET https://d/%61?b&c=%64", "Host: c\r\n", "d", "/a", "/%61?b&c=%64", 2, false},
        {"GET http://d", "Host:\r\n", "d", "/", "/", 0, false},
        {"GET http://d?b", "Host:\r\n", "d", "/", "/?b", 1, false},
        {"GET /", "Host:\r\n", "", "/", "/", 0, false},
        {"OPTIONS *", "Host: c\r\n", "c", "*", "*", 0, true},
        {"OPTIONS http://d", "Host: c\r\n", "d", "*", "*", 0, true},
        {"OPTIONS http://d/", "Host: c\r\n", "d", "/", "/", 0, false},
        {"OPTIONS /*", "Host: c\r\n", "c", "/*", "/*", 0, false},
        {"OPTIONS /%2a", "Host: c\r\n", "c", "/*", "/%2a", 0, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rj_arena arena = {0};
        struct rj_request request;
        char text[256];
        snprintf(text, sizeof text, "%s HTTP/1.1\r\n%s\r\n", cases[i].line, cases[i].host);
        assert_int_equal(read_into(&arena, text, &request), 0);
        assert_span(request.authority, cases[i].authority);
        assert_span(request.path, cases[i].path);
        assert_span(request.url, cases[i].url);
        assert_int_equal(request.n_args, cases[i].n_args);
        assert_int_equal(request.is_to_server, cases[i].is_to_server);
        rj_arena_free(&arena);
    }
}

static void who_ends_the_connection_says_so(void **state)
{
    (void)state;
    static const struct {
        const char *version, *headers;
        bool is_last;
    } cases[] = {
        {"1.1", "", false},
        {"1.1", "Connection: Close\r\n", true},
        {"1.1", "Connection: TE\r\nconnection: foo ,close\r\n", true},
        {"1.1", "Connection: closed\r\n", false},
        {"1.0", "", true},
        {"1.0", "Connection: Keep-Alive\r\n", false},
        {"1.0", "Connection: keep-alive\r\nConnection: close\r\n", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rj_arena arena = {0};
        struct rj_request request;
        char text[128];
        snprintf(text, sizeof text, "GET / HTTP/%s\r\nHost: a\r\n%s\r\n", cases[i].version, cases[i].headers);
        assert_int_equal(read_into(&arena, text, &request), 0);
        assert_int_equal(request.is_last, cases[i].is_last);
        rj_arena_free(&arena);
    }
}

/* Names and values alternate, each with its NUL. */
static void assert_listed(const char *head, size_t limit, const char *const *expected, size_t n)
{
    struct rj_arena arena = {0};
    struct rj_request request;
    struct rj_buf out = {0};
    rj_buf_put_str(&out, "before");
    assert_int_equal(read_into(&arena, head, &request), 0);
    assert_int_equal(rj_request_put_headers(&request, limit, &out), n);
    const char *at = (const char *)out.data + 6;
    for (size_t i = 0; i < 2 * n; i++, at += strlen(at) + 1)
        assert_string_equal(at, expected[i]);
    assert_ptr_equal(at, out.data + out.len);
    rj_buf_free(&out);
    rj_arena_free(&arena);
}

static void all_headers_can_be_listed(void **state)
{
    (void)state;
    static const char head[] = "GET / HTTP/1.1\r\nHost: a\r\nX-App: one\r\nCOOKIE: a=b\r\nx-app: two\r\n"
                               "cookie: c=d\r\nEmpty:\r\nx-latin: \xf6\r\nX-APP: three\r\n\r\n";
    static const char *const all[] = {"host",     "a",     "x-app", "one, two, three", "cookie",
                                      "a=b; c=d", "empty", "",      "x-latin",         "\xc3\xb6"};
    static const char *const some[] = {"host", "a", "empty", ""}; /* each as a whole */
    assert_listed(head, 1000, all, 5);
    assert_listed(head, 17, some, 2);
    assert_listed(head, 0, NULL, 0);
    assert_listed("GET / HTTP/1.0\r\n\r\n", 1000, NULL, 0);
}

/* Also where none came. */
static void the_listed_host_is_who_is_asked(void **state)
{
    (void)state;
    static const char *const asked[] = {"host", "b:2", "x", "y"};
    static const char *const unsaid[] = {"x", "y", "host", ""};
    assert_listed("GET http://b:2/ HTTP/1.1\r\nx: y\r\nHOST: a\r\n\r\n", 1000, asked, 2);
    assert_listed("GET http://b:2/ HTTP/1.0\r\nx: y\r\n\r\n", 1000, asked, 2);
    assert_listed("GET / HTTP/1.1\r\nx: y\r\nHost: b:2\r\n\r\n", 1000, asked, 2);
    assert_listed("GET / HTTP/1.1\r\nx: y\r\nHost:\r\n\r\n", 1000, unsaid, 2);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(everything_that_handlers_go_by_is_read),
    cmocka_unit_test(what_has_no_clear_end_or_meaning_is_refused),
    cmocka_unit_test(who_is_asked_is_said_by_the_target_or_by_host),
    cmocka_unit_test(who_ends_the_connection_says_so),
    cmocka_unit_test(all_headers_can_be_listed),
    cmocka_unit_test(the_listed_host_is_who_is_asked),
};

RJ_TEST_MAIN(tests)
