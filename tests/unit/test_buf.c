#include "proto/base/buf.h"
#include "tests/support/test.h"

static void an_empty_buffer_has_no_bytes_and_a_text(void **state)
{
    struct rj_buf buf = {0};
    (void)state;
    assert_int_equal(rj_buf_span(&buf).len, 0);
    assert_string_equal(rj_buf_cstr(&buf), "");
    assert_int_equal(buf.len, 0);
    rj_buf_free(&buf);
    rj_buf_free(&buf);
}

static void what_is_put_stands_in_order(void **state)
{
    struct rj_buf buf = {0};
    (void)state;
    rj_buf_put(&buf, NULL, 0);
    rj_buf_put_str(&buf, "one ");
    rj_buf_put_u8(&buf, '2');
    rj_buf_put_span(&buf, rj_span_of(" three!", 6));
    rj_buf_printf(&buf, " %s=%d", "four", 4);
    rj_buf_printf(&buf, "%s", "");
    assert_string_equal(rj_buf_cstr(&buf), "one 2 three four=4");
    assert_int_equal(buf.len, strlen("one 2 three four=4"));
    rj_buf_free(&buf);
}

static void numbers_are_written_in_full(void **state)
{
    static const uint64_t numbers[] = {0, 9, 10, 99, 100, 18446744073709551615U};
    struct rj_buf buf = {0};
    (void)state;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        char expected[32];
        snprintf(expected, sizeof expected, "%llu", (unsigned long long)numbers[i]);
        rj_buf_clear(&buf);
        rj_buf_put_u64_dec(&buf, numbers[i]);
        assert_string_equal(rj_buf_cstr(&buf), expected);
    }
    rj_buf_free(&buf);
}

static void growing_keeps_what_was_there(void **state)
{
    enum { BYTES = 100000 };
    struct rj_buf buf = {0};
    (void)state;
    for (size_t i = 0; i < BYTES; i++)
        rj_buf_put_u8(&buf, (uint8_t)(i * 7));
    assert_int_equal(buf.len, BYTES);
    for (size_t i = 0; i < BYTES; i++)
        assert_int_equal(buf.data[i], (uint8_t)(i * 7));
    rj_buf_free(&buf);
}

static void a_reserve_gives_room_without_taking_it(void **state)
{
    struct rj_buf buf = {0};
    (void)state;
    rj_buf_put_str(&buf, "abc");
    memset(rj_buf_reserve(&buf, 5000), 'x', 5000);
    assert_int_equal(buf.len, 3);
    buf.len += 5000;
    assert_memory_equal(buf.data, "abcx", 4);
    assert_int_equal(buf.data[5002], 'x');
    rj_buf_free(&buf);
}

static void there_is_memory_even_for_nothing(void **state)
{
    struct rj_buf buf = {0};
    (void)state;
    assert_non_null(rj_buf_reserve(&buf, 0));
    assert_int_equal(buf.len, 0);
    rj_buf_free(&buf);
}

static void clearing_keeps_the_memory(void **state)
{
    struct rj_buf buf = {0};
    (void)state;
    rj_buf_put_str(&buf, "something");
    const uint8_t *data = buf.data;
    rj_buf_clear(&buf);
    assert_int_equal(buf.len, 0);
    rj_buf_put_str(&buf, "other");
    assert_ptr_equal(buf.data, data);
    rj_buf_free(&buf);
    assert_null(buf.data);
}

/* A megabyte that was needed once does not stay for good; one that is needed again and again does. */
static void reuse_keeps_what_is_needed_again(void **state)
{
    (void)state;
    enum { LARGE = 1 << 20 };
    struct rj_buf buf = {0};
    for (int i = 0; i < 3; i++) {
        rj_buf_reserve(&buf, LARGE);
        buf.len = LARGE;
        rj_buf_reuse(&buf);
        assert_int_equal(buf.len, 0);
        assert_int_equal(buf.cap, LARGE);
    }
    buf.len = LARGE / 8;
    rj_buf_reuse(&buf);
    assert_int_equal(buf.cap, LARGE);
    buf.len = LARGE / 8 - 1;
    rj_buf_reuse(&buf);
    assert_int_equal(buf.len, 0);
    assert_int_equal(buf.cap, 0);
    rj_buf_reserve(&buf, 1000);
    rj_buf_reuse(&buf);
    assert_true(buf.cap >= 1000); /* it is not worth it */
    rj_buf_free(&buf);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(an_empty_buffer_has_no_bytes_and_a_text),
    cmocka_unit_test(what_is_put_stands_in_order),
    cmocka_unit_test(numbers_are_written_in_full),
    cmocka_unit_test(growing_keeps_what_was_there),
    cmocka_unit_test(a_reserve_gives_room_without_taking_it),
    cmocka_unit_test(there_is_memory_even_for_nothing),
    cmocka_unit_test(clearing_keeps_the_memory),
    cmocka_unit_test(reuse_keeps_what_is_needed_again),
};

RJ_TEST_MAIN(tests)
