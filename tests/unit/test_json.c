#include "proto/base/json.h"
#include "tests/support/test.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static enum rj_status check(const char *text)
{
    return rj_json_check(rj_span_str(text), RJ_JSON_DEPTH);
}

/* Each verdict in the two tables is that of JSON.parse. */
static void what_json_parse_takes_is_accepted(void **state)
{
    static const char *const texts[] = {
        "0",
        "-0",
        "-0.0e-0",
        "1",
        "10.25",
        "1E5",
        "1e+5",
        "1e-5",
        "1e999999999999999999999",
        "123456789012345678901234567890",
        "true",
        "false",
        "null",
        " \t\r\n null \t\r\n ",
        "\"\"",
        "\"a\"",
        "\"seven\\\"\"",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uD83D\\ude00\"",
        "\"\\ud800\"",
        "\"\\udc00\\ud800\"",
        "\"\\u0000\"",
        "\"\x7f\"",
        "\"\xc3\xa9 \xe2\x80\xa8 \xef\xbf\xbf \xf0\x9f\x98\x80 \xf4\x8f\xbf\xbf\"",
        "\"a long text of more than eight bytes, / and ' and all\"",
        "[]",
        "[ ]",
        "[[]]",
        "[1,2 , 3]",
        "[[],{},\"\",0,null]",
        "{}",
        "{ }",
        "{\"a\":1}",
        "{ \"a\" : 1 , \"a\" : { \"b\" : [ { } ] } }",
        "{\"\":0}",
        "{\"__proto__\":{}}",
        "[\"room:message\",{\"room\":\"lobby\",\"data\":{\"text\":\"hi\"}}]",
    };
    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++)
        if (check(texts[i]) != RJ_OK)
            fail_msg("refused: %s", texts[i]);
}

static void what_json_parse_refuses_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        " ",
        "\xef\xbb\xbf"
        "1",
        "\v1",
        "\f1",
        "\xc2\xa0"
        "1",
        "nul",
        "nulll",
        "True",
        "NaN",
        "Infinity",
        "-Infinity",
        "undefined",
        "+1",
        "-",
        "--1",
        "01",
        "-01",
        "00",
        "1.",
        ".5",
        "1.e5",
        "1e",
        "1e+",
        "1e1.5",
        "0x10",
        "1_000",
        "1 2",
        "1,",
        ",1",
        "'a'",
        "\"",
        "\"a",
        "\"\\\"",
        "\"\\",
        "\"\\x41\"",
        "\"\\a\"",
        "\"\\'\"",
        "\"\\u\"",
        "\"\\u12\"",
        "\"\\u123\"",
        "\"\\u123g\"",
        "\"\\U1234\"",
        "\"tab\there\"",
        "\"a line longer than eight bytes\nand another\"",
        "\"\x01\"",
        "\"\x1f\"",
        "\"a\"b",
        "[",
        "]",
        "[,]",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1",
        "[1,",
        "[1}",
        "[\"a\":1]",
        "[]]",
        "[1]x",
        "{",
        "}",
        "{,}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{\"a\" 1}",
        "{\"a\":1 \"b\":2}",
        "{\"a\":1,,\"b\":2}",
        "{a:1}",
        "{1:1}",
        "{null:1}",
        "{\"a\":1]",
        "{\"a\":1}}",
        "{\"a\":1,2}",
        "{[]:1}",
        "// c\n1",
        "/**/1",
        "[1,//c\n2]",
    };
    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++)
        if (check(texts[i]) != RJ_BAD_REQUEST)
            fail_msg("accepted: %s", texts[i]);
}

static void a_nul_byte_is_refused_wherever_it_stands(void **state)
{
    static const struct rj_span texts[] = {
        {(const uint8_t *)"\0", 1},       {(const uint8_t *)"1\0", 2},      {(const uint8_t *)"\0001", 2},
        {(const uint8_t *)"\"a\0b\"", 5}, {(const uint8_t *)"\"\\\0\"", 4}, {(const uint8_t *)"[1\0]", 4},
        {(const uint8_t *)"[\0]", 3},     {(const uint8_t *)"{\0}", 3},     {NULL, 0},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++)
        assert_int_equal(rj_json_check(texts[i], RJ_JSON_DEPTH), RJ_BAD_REQUEST);
}

static const char *const bad_utf8[] = {
    "\x80",
    "\xbf",
    "\xc0\xaf",
    "\xc1\xbf",
    "\xc3",
    "\xc3(",
    "\xe0\x80\xaf",
    "\xe0\x9f\xbf",
    "\xe2\x82",
    "\xe2\x28\xa1",
    "\xed\xa0\x80",
    "\xed\xbf\xbf",
    "\xf0\x80\x80\xaf",
    "\xf0\x8f\xbf\xbf",
    "\xf0\x9f\x98",
    "\xf4\x90\x80\x80",
    "\xf5\x80\x80\x80",
    "\xf8\x88\x80\x80\x80",
    "\xff",
    "\xfe",
};

static void bad_utf8_is_refused_inside_a_string(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(bad_utf8); i++) {
        char text[64];
        snprintf(text, sizeof text, "[\"eight bytes and %s\"]", bad_utf8[i]);
        if (check(text) != RJ_BAD_REQUEST)
            fail_msg("accepted entry %zu", i);
        assert_false(rj_utf8_is_valid(rj_span_str(text)));
        assert_false(rj_utf8_is_valid(rj_span_str(bad_utf8[i])));
    }
}

/* An independent, slow reader of UTF-8: decode, then ask whether the code point needed these bytes. */
static bool model_utf8(const uint8_t *p, size_t len)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    while (len) {
        size_t n = p[0] < 0x80 ? 1 : p[0] >> 5 == 6 ? 2 : p[0] >> 4 == 14 ? 3 : p[0] >> 3 == 30 ? 4 : 0;
        if (n == 0 || n > len)
            return false;
        uint32_t code = n == 1 ? p[0] : p[0] & (0x7fU >> n);
        for (size_t i = 1; i < n; i++) {
            if (p[i] >> 6 != 2)
                return false;
            code = code << 6 | (p[i] & 0x3f);
        }
        if (code < least[n] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
            return false;
        p += n;
        len -= n;
    }
    return true;
}

static void utf8_agrees_with_the_model_on_every_short_sequence(void **state)
{
    static const uint8_t tails[] = {0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff};
    (void)state;
    for (unsigned first = 0; first < 256; first++)
        for (unsigned second = 0; second < 256; second++)
            for (size_t third = 0; third < COUNT(tails); third++)
                for (size_t fourth = 0; fourth < COUNT(tails); fourth++) {
                    uint8_t bytes[] = {(uint8_t)first, (uint8_t)second, tails[third], tails[fourth]};
                    for (size_t len = 1; len <= sizeof bytes; len++)
                        if (rj_utf8_is_valid(rj_span_of(bytes, len)) != model_utf8(bytes, len))
                            fail_msg("differs on %02x %02x %02x %02x, length %zu", bytes[0], bytes[1],
                                     bytes[2], bytes[3], len);
                }
}

static void every_byte_of_a_long_string_is_looked_at(void **state)
{
    (void)state;
    for (size_t len = 1; len < 40; len++)
        for (size_t at = 0; at < len; at++)
            for (unsigned c = 0; c < 256; c++) {
                uint8_t text[64];
                text[0] = '"';
                memset(text + 1, 'x', len);
                text[1 + at] = (uint8_t)c;
                text[1 + len] = '"';
                bool expected = c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
                bool accepted = rj_json_check(rj_span_of(text, len + 2), 1) == RJ_OK;
                if (accepted != expected)
                    fail_msg("byte %02x at %zu of %zu", c, at, len);
            }
}

static void nest(struct rj_buf *out, unsigned depth, char open, char close)
{
    for (unsigned i = 0; i < depth; i++)
        rj_buf_printf(out, open == '{' && i + 1 < depth ? "{\"k\":" : "%c", open);
    for (unsigned i = 0; i < depth; i++)
        rj_buf_put_u8(out, (uint8_t)close);
}

static void nesting_is_accepted_up_to_the_limit_and_told_apart_beyond(void **state)
{
    static const unsigned limits[] = {0, 1, 2, RJ_JSON_DEPTH - 1, RJ_JSON_DEPTH};
    (void)state;
    for (size_t i = 0; i < COUNT(limits); i++) {
        struct rj_buf text = {0};
        nest(&text, limits[i], '[', ']');
        if (limits[i])
            assert_int_equal(rj_json_check(rj_buf_span(&text), limits[i]), RJ_OK);
        rj_buf_clear(&text);
        nest(&text, limits[i] + 1, '{', '}');
        assert_int_equal(rj_json_check(rj_buf_span(&text), limits[i] + 1), RJ_OK);
        assert_int_equal(rj_json_check(rj_buf_span(&text), limits[i]), RJ_TOO_LARGE);
        text.len--;
        assert_int_equal(rj_json_check(rj_buf_span(&text), limits[i]), RJ_BAD_REQUEST);
        rj_buf_free(&text);
    }
}

static void a_very_deep_text_costs_no_stack(void **state)
{
    enum { DEEP = 1000000 };
    struct rj_buf text = {0};
    (void)state;
    nest(&text, DEEP, '[', ']');
    assert_int_equal(rj_json_check(rj_buf_span(&text), RJ_JSON_DEPTH), RJ_TOO_LARGE);
    assert_int_equal(rj_json_check(rj_buf_span(&text), DEEP), RJ_OK);
    text.data[DEEP] = '}';
    assert_int_equal(rj_json_check(rj_buf_span(&text), RJ_JSON_DEPTH), RJ_BAD_REQUEST);
    text.len = DEEP;
    assert_int_equal(rj_json_check(rj_buf_span(&text), RJ_JSON_DEPTH), RJ_BAD_REQUEST);
    rj_buf_free(&text);
}

/* Siblings at one level share a bit of the check's memory: kinds must not be mixed up. */
static void brackets_are_matched_by_kind_at_every_depth(void **state)
{
    (void)state;
    for (unsigned depth = 1; depth < RJ_JSON_DEPTH + 20; depth++) {
        struct rj_buf text = {0};
        for (unsigned i = 0; i < depth; i++)
            rj_buf_put_str(&text, i % 2 ? "[[],{}," : "{\"a\":[],\"b\":");
        rj_buf_put_u8(&text, '0');
        for (unsigned i = depth; i-- > 0;)
            rj_buf_put_u8(&text, i % 2 ? ']' : '}');
        assert_int_equal(rj_json_check(rj_buf_span(&text), depth + 1), RJ_OK);
        uint8_t *last = &text.data[text.len - 1 - depth / 2];
        *last = *last == ']' ? '}' : ']';
        assert_int_equal(rj_json_check(rj_buf_span(&text), depth + 1), RJ_BAD_REQUEST);
        rj_buf_free(&text);
    }
}

static void a_type_is_told_by_the_first_character(void **state)
{
    static const struct {
        const char *text;
        enum rj_json_type type;
    } cases[] = {
        {"null", RJ_JSON_NULL}, {" true", RJ_JSON_BOOL},   {"false", RJ_JSON_BOOL},
        {"-1", RJ_JSON_NUMBER}, {"\n0.5", RJ_JSON_NUMBER}, {"\"\"", RJ_JSON_STRING},
        {"[]", RJ_JSON_ARRAY},  {"\t{}", RJ_JSON_OBJECT},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(rj_json_type(rj_span_str(cases[i].text)), cases[i].type);
}

static void assert_span(struct rj_span actual, const char *expected)
{
    assert_int_equal(actual.len, strlen(expected));
    assert_memory_equal(actual.data, expected, actual.len);
}

static void elements_come_out_as_they_are_written(void **state)
{
    static const char *const expected[] = {
        "1", "\"a,]\\\"\"", "[ 2, [\"}\"] ]", "{\"k\" : \"]\"}", "null", "-1.5e3", "true", "\"\"", "{}",
    };
    struct rj_span value, text = rj_span_str(" [ 1,\"a,]\\\"\" ,[ 2, [\"}\"] ],{\"k\" : \"]\"} , null,"
                                             "-1.5e3\t,true,\"\",{}\n] ");
    (void)state;
    assert_int_equal(rj_json_check(text, RJ_JSON_DEPTH), RJ_OK);
    size_t n = 0;
    for (struct rj_json_iter iter = rj_json_iter(text); rj_json_next_element(&iter, &value); n++)
        assert_span(value, expected[n]);
    assert_int_equal(n, COUNT(expected));
}

static void members_come_out_with_key_and_value(void **state)
{
    static const char *const expected[][2] = {{"\"a\"", "1"}, {"\"\\\"}\"", "[2 ]"}, {"\"\"", "\"x\""}};
    struct rj_span key, value, text = rj_span_str("{ \"a\" : 1 ,\"\\\"}\":[2 ],\"\" :\"x\"}");
    (void)state;
    assert_int_equal(rj_json_check(text, RJ_JSON_DEPTH), RJ_OK);
    size_t n = 0;
    for (struct rj_json_iter iter = rj_json_iter(text); rj_json_next_member(&iter, &key, &value); n++) {
        assert_span(key, expected[n][0]);
        assert_span(value, expected[n][1]);
    }
    assert_int_equal(n, COUNT(expected));
}

static void iterating_over_the_wrong_kind_gives_nothing(void **state)
{
    static const char *const texts[] = {"1", "\"[1]\"", "null", "[]", "{}", " [ ] ", " { } "};
    struct rj_span key, value;
    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct rj_json_iter elements = rj_json_iter(rj_span_str(texts[i]));
        struct rj_json_iter members = elements;
        assert_false(rj_json_next_element(&elements, &value));
        assert_false(rj_json_next_member(&members, &key, &value));
    }
    struct rj_json_iter array = rj_json_iter(rj_span_str("[\"a\",\"b\"]"));
    assert_false(rj_json_next_member(&array, &key, &value));
    struct rj_json_iter object = rj_json_iter(rj_span_str("{\"a\":\"b\"}"));
    assert_false(rj_json_next_element(&object, &value));
}

static void the_last_member_of_a_name_counts(void **state)
{
    struct rj_span value = rj_span_str("untouched");
    struct rj_span object = rj_span_str("{\"a\":1,\"b\":{\"c\":9},\"\\u0061\":2,\"c\":3}");
    (void)state;
    assert_true(rj_json_get(object, "a", &value));
    assert_span(value, "2");
    assert_true(rj_json_get(object, "c", &value));
    assert_span(value, "3");
    assert_false(rj_json_get(object, "d", &value));
    assert_false(rj_json_get(rj_span_str("[\"a\",1]"), "a", &value));
    assert_span(value, "3");
}

static void strings_are_decoded(void **state)
{
    static const struct {
        const char *json, *utf8;
    } cases[] = {
        {"\"\"", ""},
        {" \"plain\" ", "plain"},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t"},
        {"\"\\u0041\\u00e9\\u20AC\"", "A\xc3\xa9\xe2\x82\xac"},
        {"\"x\\ud83d\\ude00y\"", "x\xf0\x9f\x98\x80y"},
        {"\"\\uDBFF\\uDFFF\"", "\xf4\x8f\xbf\xbf"},
        {"\"\\ud83d\"", "\xef\xbf\xbd"},
        {"\"\\ude00\\ud83d\"", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\"\\ud83d\\u0041\"", "\xef\xbf\xbd"
                               "A"},
        {"\"\\ud83d\\ud83d\\ude00\"", "\xef\xbf\xbd\xf0\x9f\x98\x80"},
        {"\"\xf0\x9f\x98\x80\"", "\xf0\x9f\x98\x80"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rj_span json = rj_span_str(cases[i].json);
        struct rj_buf out = {0};
        assert_int_equal(rj_json_check(json, 0), RJ_OK);
        assert_int_equal(rj_json_string(json, &out), RJ_OK);
        assert_span(rj_buf_span(&out), cases[i].utf8);
        assert_true(rj_json_string_is(json, cases[i].utf8));
        rj_buf_put_u8(&out, 'x');
        assert_false(rj_json_string_is(json, rj_buf_cstr(&out)));
        rj_buf_free(&out);
    }
}

static void an_escaped_nul_decodes_to_a_byte(void **state)
{
    struct rj_buf out = {0};
    (void)state;
    assert_int_equal(rj_json_string(rj_span_str("\"a\\u0000b\""), &out), RJ_OK);
    assert_int_equal(out.len, 3);
    assert_memory_equal(out.data, "a\0b", 3);
    assert_false(rj_json_string_is(rj_span_str("\"a\\u0000b\""), "a"));
    rj_buf_free(&out);
}

static void what_is_no_string_is_not_decoded(void **state)
{
    static const char *const texts[] = {"null", "1", "[\"a\"]", "{\"a\":\"b\"}", "true", ""};
    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct rj_buf out = {0};
        assert_int_equal(rj_json_string(rj_span_str(texts[i]), &out), RJ_BAD_REQUEST);
        assert_int_equal(out.len, 0);
        assert_false(rj_json_string_is(rj_span_str(texts[i]), ""));
    }
}

static void integers_are_taken_in_any_notation(void **state)
{
    static const struct {
        const char *text;
        uint64_t value;
    } cases[] = {
        {"0", 0},
        {"-0", 0},
        {"-0.0", 0},
        {"0e99", 0},
        {"0.000e-5", 0},
        {"5", 5},
        {" 5 ", 5},
        {"5.0", 5},
        {"5e0", 5},
        {"5.00E+0", 5},
        {"50e-1", 5},
        {"1.5e1", 15},
        {"0.25e2", 25},
        {"1e3", 1000},
        {"0.0000000000000000000000001e25", 1},
        {"10000000000000000000000000e-25", 1},
        {"9007199254740991", (UINT64_C(1) << 53) - 1},
        {"9007199254740991.000", (UINT64_C(1) << 53) - 1},
        {"9.007199254740991e15", (UINT64_C(1) << 53) - 1},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint64_t value = 77;
        if (!rj_json_u64(rj_span_str(cases[i].text), &value) || value != cases[i].value)
            fail_msg("%s gave %llu", cases[i].text, (unsigned long long)value);
    }
}

static void what_is_no_safe_integer_is_not_taken(void **state)
{
    static const char *const texts[] = {
        "-1",
        "-1e5",
        "0.5",
        "5.01",
        "5e-1",
        "1e-99999999999999999999",
        "9007199254740992",
        "9007199254740991.5",
        "9.007199254740992e15",
        "90071992547409910",
        "1e16",
        "1e99999999999999999999",
        "18446744073709551617",
        "340282366920938463463374607431768211457",
        "4.99999999999999999999999999",
        "\"5\"",
        "null",
        "true",
        "[]",
        "",
    };
    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        uint64_t value = 77;
        if (rj_json_u64(rj_span_str(texts[i]), &value))
            fail_msg("%s gave %llu", texts[i], (unsigned long long)value);
        assert_int_equal(value, 77);
    }
}

static void booleans_are_only_true_and_false(void **state)
{
    bool value = false;
    (void)state;
    assert_true(rj_json_bool(rj_span_str(" true "), &value));
    assert_true(value);
    assert_false(rj_json_bool(rj_span_str("1"), &value));
    assert_false(rj_json_bool(rj_span_str("\"false\""), &value));
    assert_true(value);
    assert_true(rj_json_bool(rj_span_str("false"), &value));
    assert_false(value);
}

static void written_strings_are_those_of_json_stringify(void **state)
{
    static const struct {
        const char *utf8, *json;
    } cases[] = {
        {"", "\"\""},
        {"plain text that is long", "\"plain text that is long\""},
        {"\"\\/", "\"\\\"\\\\/\""},
        {"\b\f\n\r\t\v\x01\x1f\x7f", "\"\\b\\f\\n\\r\\t\\u000b\\u0001\\u001f\x7f\""},
        {"\xc3\xa9\xf0\x9f\x98\x80", "\"\xc3\xa9\xf0\x9f\x98\x80\""},
        {"a\xff\xc3", "\"a\xef\xbf\xbd\xef\xbf\xbd\""},
        {"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rj_buf out = {0};
        rj_json_put_string(&out, rj_span_str(cases[i].utf8));
        assert_span(rj_buf_span(&out), cases[i].json);
        rj_buf_free(&out);
    }
}

static void whatever_is_written_reads_back(void **state)
{
    (void)state;
    for (unsigned first = 0; first < 256; first++) {
        uint8_t bytes[24];
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (uint8_t)(first + i * 37);
        struct rj_buf out = {0}, back = {0};
        rj_json_put_string(&out, rj_span_of(bytes, sizeof bytes));
        assert_int_equal(rj_json_check(rj_buf_span(&out), 0), RJ_OK);
        assert_int_equal(rj_json_string(rj_buf_span(&out), &back), RJ_OK);
        if (rj_utf8_is_valid(rj_span_of(bytes, sizeof bytes)))
            assert_memory_equal(back.data, bytes, sizeof bytes);
        assert_true(rj_utf8_is_valid(rj_buf_span(&back)));
        rj_buf_free(&out);
        rj_buf_free(&back);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(what_json_parse_takes_is_accepted),
    cmocka_unit_test(what_json_parse_refuses_is_refused),
    cmocka_unit_test(a_nul_byte_is_refused_wherever_it_stands),
    cmocka_unit_test(bad_utf8_is_refused_inside_a_string),
    cmocka_unit_test(utf8_agrees_with_the_model_on_every_short_sequence),
    cmocka_unit_test(every_byte_of_a_long_string_is_looked_at),
    cmocka_unit_test(nesting_is_accepted_up_to_the_limit_and_told_apart_beyond),
    cmocka_unit_test(a_very_deep_text_costs_no_stack),
    cmocka_unit_test(brackets_are_matched_by_kind_at_every_depth),
    cmocka_unit_test(a_type_is_told_by_the_first_character),
    cmocka_unit_test(elements_come_out_as_they_are_written),
    cmocka_unit_test(members_come_out_with_key_and_value),
    cmocka_unit_test(iterating_over_the_wrong_kind_gives_nothing),
    cmocka_unit_test(the_last_member_of_a_name_counts),
    cmocka_unit_test(strings_are_decoded),
    cmocka_unit_test(an_escaped_nul_decodes_to_a_byte),
    cmocka_unit_test(what_is_no_string_is_not_decoded),
    cmocka_unit_test(integers_are_taken_in_any_notation),
    cmocka_unit_test(what_is_no_safe_integer_is_not_taken),
    cmocka_unit_test(booleans_are_only_true_and_false),
    cmocka_unit_test(written_strings_are_those_of_json_stringify),
    cmocka_unit_test(whatever_is_written_reads_back),
};

RJ_TEST_MAIN(tests)
