/* HTTP as data: lists in headers, tags, cookies, origins. */
#include "gateway/frontends/http.h"
#include "tests/support/test.h"

static void words_are_found_in_lists(void **state)
{
    (void)state;
    static const char *const with[] = {"close", "CLOSE", "a, close", "close,a", "a,\tClose ,b", " close "};
    static const char *const without[] = {"", "closed", "enclose", "a close", "clo,se", "a;close", ",,"};
    for (size_t i = 0; i < sizeof with / sizeof *with; i++)
        assert_true(rj_header_lists(rj_span_str(with[i]), "close"));
    for (size_t i = 0; i < sizeof without / sizeof *without; i++)
        assert_false(rj_header_lists(rj_span_str(without[i]), "close"));
}

static void a_tag_is_known_in_a_list_weakly_or_by_a_star(void **state)
{
    (void)state;
    static const char *const known[] = {"\"t\"", "W/\"t\"", "\"a\", \"t\"",         "\"t\",\"b\"",
                                        "*",     " * ",     "\"a\",W/\"t\" , \"b\""};
    static const char *const unknown[] = {"", "t", "\"a\"", "\"tt\"", "\"a*\"", "\"t", "**", "\"a\", *"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        assert_true(rj_etag_is_known(rj_span_str(known[i]), "\"t\""));
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        assert_false(rj_etag_is_known(rj_span_str(unknown[i]), "\"t\""));
}

static void names_of_cookies_are_tokens(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "a b", "a=b", "a;b", "a,b", "a\r\nb", "\x80", "a\"", "{a}"};
    assert_true(rj_cookie_name_is_valid("io"));
    assert_true(rj_cookie_name_is_valid("__Host-io.1"));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(rj_cookie_name_is_valid(bad[i]));
}

static void only_named_origins_are_allowed(void **state)
{
    (void)state;
    char *named[] = {"http://a", "http://b", NULL}, *any[] = {"*", NULL};
    const struct rj_cors some = {.origins = named}, all = {.origins = any}, none = {0};
    assert_true(rj_span_is(rj_cors_allowed(&some, rj_span_str("http://b")), "http://b"));
    assert_int_equal(rj_cors_allowed(&some, rj_span_str("http://c")).len, 0);
    assert_int_equal(rj_cors_allowed(&some, rj_span_str("http://b.evil")).len, 0);
    assert_int_equal(rj_cors_allowed(&some, rj_span_str("")).len, 0);
    assert_true(rj_span_is(rj_cors_allowed(&all, rj_span_str("http://c")), "*"));
    assert_int_equal(rj_cors_allowed(&none, rj_span_str("http://a")).len, 0);
}

static void a_response_says_what_it_must_and_no_more(void **state)
{
    (void)state;
    struct rj_buf out = {0};
    struct rj_response response = {.status = 200, .type = "text/plain", .body = rj_span_str("hello")};
    rj_response_put(&out, &response);
    assert_string_equal(rj_buf_cstr(&out),
                        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello");
    rj_buf_clear(&out);
    response.is_head = true;
    response.wants_close = response.says_keep = true;
    rj_response_put(&out, &response);
    assert_string_equal(rj_buf_cstr(&out), "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                                           "Content-Length: 5\r\nConnection: close\r\n\r\n");
    rj_buf_clear(&out);
    rj_response_put(&out,
                    &(struct rj_response){.status = 304, .etag = rj_span_str("\"t\""), .says_keep = true});
    assert_string_equal(rj_buf_cstr(&out),
                        "HTTP/1.1 304 Not Modified\r\nETag: \"t\"\r\nConnection: keep-alive\r\n\r\n");
    rj_buf_free(&out);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(words_are_found_in_lists),
    cmocka_unit_test(a_tag_is_known_in_a_list_weakly_or_by_a_star),
    cmocka_unit_test(names_of_cookies_are_tokens),
    cmocka_unit_test(only_named_origins_are_allowed),
    cmocka_unit_test(a_response_says_what_it_must_and_no_more),
};

RJ_TEST_MAIN(tests)
