/* Where a body ends, by its length or in chunks. */
#include "gateway/frontends/body.h"
#include "proto/base/buf.h"
#include "tests/support/test.h"

/* Reads `text` in pieces of `piece` bytes. What the last step said; the content, and what is left behind it.
 */
static enum rj_body_kind read_in_pieces(struct rj_body *body, const char *text, size_t len, size_t piece,
                                        struct rj_buf *content, size_t *left)
{
    enum rj_body_kind kind = RJ_BODY_MORE;
    struct rj_span bytes = {0}, data;
    size_t at = 0;
    rj_buf_clear(content);
    while (kind == RJ_BODY_MORE && at < len) {
        size_t n = len - at < piece ? len - at : piece;
        bytes = rj_span_of(text + at, n);
        at += n;
        while ((kind = rj_body_next(body, &bytes, &data)) == RJ_BODY_DATA)
            rj_buf_put_span(content, data);
    }
    *left = len - at + bytes.len;
    return kind;
}

static void assert_chunks(const char *text, enum rj_body_kind expected, const char *content, size_t left)
{
    for (size_t piece = 1; piece <= strlen(text); piece++) {
        struct rj_body body;
        struct rj_buf got = {0};
        size_t behind;
        rj_body_start(&body, true, 0);
        enum rj_body_kind kind = read_in_pieces(&body, text, strlen(text), piece, &got, &behind);
        if (kind != expected)
            fail_msg("%d instead of %d in pieces of %zu: %s", kind, expected, piece, text);
        if (content)
            assert_string_equal(rj_buf_cstr(&got), content);
        if (kind == RJ_BODY_END)
            assert_int_equal(behind, left);
        rj_buf_free(&got);
    }
}

static void a_length_ends_a_body(void **state)
{
    (void)state;
    for (size_t piece = 1; piece < 8; piece++) {
        struct rj_body body;
        struct rj_buf got = {0};
        size_t left;
        rj_body_start(&body, false, 5);
        assert_int_equal(rj_body_wants(&body, 100), 5);
        assert_int_equal(rj_body_wants(&body, 2), 2);
        assert_false(rj_body_may_end_early(&body));
        assert_int_equal(read_in_pieces(&body, "hello", 5, piece, &got, &left), RJ_BODY_END);
        assert_string_equal(rj_buf_cstr(&got), "hello");
        assert_int_equal(rj_body_wants(&body, 100), 0);
        rj_buf_free(&got);
    }
    struct rj_body body;
    struct rj_span none = {0}, data;
    rj_body_start(&body, false, 0);
    assert_int_equal(rj_body_next(&body, &none, &data), RJ_BODY_END);
}

static void chunks_end_with_an_empty_one(void **state)
{
    (void)state;
    assert_chunks("0\r\n\r\nGET", RJ_BODY_END, "", 3);
    assert_chunks("5\r\nhello\r\n0\r\n\r\n", RJ_BODY_END, "hello", 0);
    assert_chunks("1\r\nh\r\n00000A\r\nello world\r\n0\r\n\r\n\r\n", RJ_BODY_END, "hello world", 2);
    assert_chunks("3;a=b;c=\"\xc3\xb6\"\r\nh\r\n\r\n0 ;z\r\n\r\n", RJ_BODY_END, "h\r\n", 0);
    assert_chunks("0\r\na: b\r\nc: d\r\n\r\nx", RJ_BODY_END, "", 1);
    assert_chunks("5\r\nhel", RJ_BODY_MORE, "hel", 0);
    assert_chunks("5\r\nhello\r\n0\r\n\r", RJ_BODY_MORE, "hello", 0);
}

static void what_are_no_chunks_is_bad(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "\r\n",
        "x",
        "-1\r\n",
        "+1\r\n",
        " 1\r\n",
        "0x1\r\n",
        "1\nh",
        "1\r\rh",
        "1\r\nhx",
        "1\r\nh\n0",
        "1\r\nh\rx",
        "1;\x01\r\n",
        "1;a\nb\r\n",
        "1000000000000000\r\n",
        ";a\r\n",
        "0\r\n a\r\n",
        "0\r\na\n",
        "0\r\n\r\r",
        "0\r\n\n",
        "0\r\na: \x7f\r\n",
        "0\r\na: b\r\n\n",
        "1\r\nh\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_chunks(texts[i], RJ_BODY_BAD, NULL, 0);
}

static void extensions_and_trailers_may_be_so_long(void **state)
{
    (void)state;
    for (size_t is_over = 0; is_over <= 1; is_over++) {
        struct rj_body body;
        struct rj_buf text = {0}, got = {0};
        size_t left, each = RJ_BODY_MAX_TRAPPINGS / 2;
        rj_buf_put_str(&text, "0;"); /* the semicolon ends the size */
        memset(rj_buf_reserve(&text, each), 'e', each);
        text.len += each;
        rj_buf_put_str(&text, "\r\n");
        memset(rj_buf_reserve(&text, each + is_over), 't', each + is_over);
        text.len += each + is_over;
        rj_buf_put_str(&text, "\r\n\r\n");
        rj_body_start(&body, true, 0);
        assert_int_equal(read_in_pieces(&body, (const char *)text.data, text.len, text.len, &got, &left),
                         is_over ? RJ_BODY_BAD : RJ_BODY_END);
        rj_buf_free(&text);
        rj_buf_free(&got);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_length_ends_a_body),
    cmocka_unit_test(chunks_end_with_an_empty_one),
    cmocka_unit_test(what_are_no_chunks_is_bad),
    cmocka_unit_test(extensions_and_trailers_may_be_so_long),
};

RJ_TEST_MAIN(tests)
