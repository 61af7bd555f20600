/* Request targets in the forms of RFC 9112 §3.2, and who is asked by them. */
#include "gateway/frontends/target.h"
#include "tests/support/test.h"

static void assert_span(struct rj_span span, const char *expected)
{
    if (!rj_span_is(span, expected))
        fail_msg("%.*s instead of %s", (int)span.len, (const char *)span.data, expected);
}

static void each_form_says_what_is_asked_and_of_whom(void **state)
{
    (void)state;
    static const struct {
        const char *target;
        bool is_options;
        const char *authority, *path, *query;
    } cases[] = {
        {"/", false, "", "/", ""},
        {"/a/b?c=d?e", false, "", "/a/b", "?c=d?e"},
        {"/?", false, "", "/", "?"},
        {"//a/b", false, "", "//a/b", ""}, /* a path all the same */
        {"/http://a/b", false, "", "/http://a/b", ""},
        {"/*", true, "", "/*", ""},
        {"*", true, "", "*", ""},
        {"http://a/b?c", false, "a", "/b", "?c"},
        {"HTTPS://A.example:8443/b", false, "A.example:8443", "/b", ""},
        {"http://a//b", false, "a", "//b", ""},
        {"http://127.0.0.1:80/", false, "127.0.0.1:80", "/", ""},
        {"http://[::1]:3000/x", false, "[::1]:3000", "/x", ""},
        {"http://a:/x", false, "a:", "/x", ""},
        {"http://a", false, "a", "/", ""},
        {"http://a?b=/c", false, "a", "/", "?b=/c"},
        {"http://a?", false, "a", "/", "?"},
        {"http://a/?b=http://c@d", false, "a", "/", "?b=http://c@d"},
        {"http://a", true, "a", "*", ""}, /* as a proxy would ask for it (§3.2.4) */
        {"http://a/", true, "a", "/", ""},
        {"http://a?", true, "a", "/", "?"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rj_target target;
        if (!rj_target_read(rj_span_str(cases[i].target), cases[i].is_options, &target))
            fail_msg("none: %s", cases[i].target);
        assert_span(target.authority, cases[i].authority);
        assert_span(target.path, cases[i].path);
        assert_span(target.query, cases[i].query);
    }
}

static void what_no_server_is_asked_for_is_no_target(void **state)
{
    (void)state;
    static const char *const targets[] = {
        "",
        "a",
        "a:80",
        "a/b",
        "?a",
        "*/",
        "**",
        "http:/a",
        "http:a/b",
        "http//a/b",
        "ftp://a/b",
        "ws://a/b",
        "httpx://a/b",
        "http://",
        "http:///b",
        "http://?b",
        "http://:80/b",
        "http://user@a/b",
        "http://user:word@a/b",
        "http://@a/b",
        "http://a:b/c",
        "http://a:80:80/b",
        "http://a b/",
        "http://a\\b/",
        "http://\xc3\xb6/",
        "http://%zz/",
        "http://%4/",
        "http://[::1/b",
        "http://[]/b",
        "http://[::1]x/b",
        "http://[1.2.3.4]/b",
        "http://[::1%25lo]/b",
        "http://::1/b",
        "http://a#b",
        "http://a/#b",
        "http://a/%00",
        "http://a/%4",
        "http://a/b c",
        "/a#b",
        "/%00",
        "/%zz",
        "/?%",
    };
    struct rj_target target;
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        if (rj_target_read(rj_span_str(targets[i]), false, &target))
            fail_msg("a target: %s", targets[i]);
    }
    assert_false(rj_target_read(rj_span_str("*"), false, &target));
    assert_false(rj_target_read(rj_span_str("**"), true, &target));
    assert_false(rj_target_read(rj_span_str("*?a"), true, &target));
    assert_false(rj_target_read(rj_span_of("http://a\0b/", 11), false, &target));
    assert_true(rj_target_read(rj_span_str("/?a=%00"), false, &target));
}

/* A part of a target is not held against it; what cannot become one is, at once. */
static void what_may_become_a_target_is_told_from_its_first_bytes(void **state)
{
    (void)state;
    static const char *const whole[] = {"/a", "http://a", "HTTPS://a", "*"};
    static const char *const never[] = {"a", "hx", "htt:", "http:a", "https:/a", "h/", "[", ":80"};
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) {
        for (size_t len = 0; len <= strlen(whole[i]); len++)
            assert_true(rj_target_may_begin(rj_span_of(whole[i], len), true));
    }
    for (size_t i = 0; i < sizeof never / sizeof *never; i++)
        assert_false(rj_target_may_begin(rj_span_str(never[i]), true));
    assert_false(rj_target_may_begin(rj_span_str("*"), false));
}

static void hosts_are_names_or_addresses_and_may_have_a_port(void **state)
{
    (void)state;
    static const char *const valid[] = {
        "",   "a",   "a.b-c_d~e:8080", "192.0.2.7",    "[2001:db8::1]", "[::ffff:192.0.2.7]:1",
        "a:", ":80", "%41%7a",         "a!$&'()*+,;=", "[v1.a:b]",      "[VaF9.~]:80",
    };
    static const char *const invalid[] = {
        "a b",      "a/b",     "a@b",
        "a:80a",    "a:-1",    "a:80:81",
        "http://a", "a,\"b\"", "[::1",
        "::1]",     "[::g]",   "[]",
        "[:]",      "[v1.]",   "[v.a]",
        "[vg.a]",   "[v1a]",   "[v1.a b]",
        "[::1]a",   "\x80",    "%4",
        "a?b",      "a#b",     "a\tb",
        "<a>",      "a|b",     "[1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb]",
    };
    for (size_t i = 0; i < sizeof valid / sizeof *valid; i++) {
        if (!rj_authority_is_valid(rj_span_str(valid[i])))
            fail_msg("not valid: %s", valid[i]);
    }
    for (size_t i = 0; i < sizeof invalid / sizeof *invalid; i++) {
        if (rj_authority_is_valid(rj_span_str(invalid[i])))
            fail_msg("valid: %s", invalid[i]);
    }
    assert_false(rj_authority_is_valid(rj_span_of("a\0b", 3)));
    assert_false(rj_authority_is_valid(rj_span_of("[::1\0]", 6)));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(each_form_says_what_is_asked_and_of_whom),
    cmocka_unit_test(what_no_server_is_asked_for_is_no_target),
    cmocka_unit_test(what_may_become_a_target_is_told_from_its_first_bytes),
    cmocka_unit_test(hosts_are_names_or_addresses_and_may_have_a_port),
};

RJ_TEST_MAIN(tests)
