#include "gateway/frontends/outbox.h"
#include "gateway/frontends/packet_frame.h"
#include "gateway/frontends/timeq.h"
#include "tests/support/test.h"

static struct rj_frame *text_frame(size_t len, char fill)
{
    struct rj_buf out = {0};
    rj_packet_frame_begin(&out);
    memset(rj_buf_reserve(&out, len), fill, len);
    out.len += len;
    return rj_packet_frame_end(&out, NULL, 0);
}

static void push_new(struct rj_outbox *outbox, struct rj_frame *frame)
{
    rj_outbox_push(outbox, frame);
    rj_frame_unref(frame);
}

/* ---- frames */

/* What a frame takes beside its bytes. */
enum { MEMORY_LEAST = 64, MEMORY_MOST = 256 };

static void a_frame_has_the_shortest_header(void **state)
{
    (void)state;
    static const struct {
        size_t len, header;
        uint8_t bytes[10];
    } cases[] = {
        {1, 2, {0x81, 1}},
        {125, 2, {0x81, 125}},
        {126, 4, {0x81, 126, 0, 126}},
        {65535, 4, {0x81, 126, 0xff, 0xff}},
        {65536, 10, {0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rj_frame *frame = text_frame(cases[i].len, 'x');
        struct rj_span ws = rj_packet_frame_ws(frame);
        assert_int_equal(ws.len, cases[i].header + cases[i].len);
        assert_memory_equal(ws.data, cases[i].bytes, cases[i].header);
        assert_int_equal(ws.data[cases[i].header], 'x');
        assert_int_equal(ws.data[ws.len - 1], 'x');
        assert_in_range(frame->bytes, ws.len + MEMORY_LEAST, ws.len + MEMORY_MOST);
        rj_frame_unref(frame);
    }
}

static void attachments_follow_as_binary(void **state)
{
    (void)state;
    struct rj_buf out = {0};
    struct rj_span attachments[] = {rj_span_str("\1\2"), rj_span_str("")};
    rj_packet_frame_begin(&out);
    rj_buf_put_str(&out, "452-[]");
    struct rj_frame *frame = rj_packet_frame_end(&out, attachments, 2);
    struct rj_span ws = rj_packet_frame_ws(frame);
    static const uint8_t expected[] = "\x81\x06"
                                      "452-[]"
                                      "\x82\x02\x01\x02"
                                      "\x82";
    assert_int_equal(ws.len, sizeof expected);
    assert_memory_equal(ws.data, expected, sizeof expected);
    struct rj_span polling = rj_packet_frame_polling(frame);
    static const char payload[] = "452-[]\x1e"
                                  "bAQI=\x1e"
                                  "b";
    assert_int_equal(polling.len, sizeof payload - 1);
    assert_memory_equal(polling.data, payload, polling.len);
    assert_ptr_equal(rj_packet_frame_polling(frame).data, polling.data);
    rj_frame_unref(frame);
}

static void large_frames_come_back_for_polling(void **state)
{
    (void)state;
    size_t lens[] = {125, 126, 65535, 65536, 200000};
    for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
        struct rj_frame *frame = text_frame(lens[i], 'y');
        assert_int_equal(rj_packet_frame_polling(frame).len, lens[i]);
        rj_frame_unref(frame);
    }
}

/* ---- the queue */

static void what_goes_in_comes_out_in_order(void **state)
{
    (void)state;
    struct rj_outbox outbox = {0};
    size_t pushed = 0, popped = 0;
    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < 7; i++)
            push_new(&outbox, text_frame(++pushed, 'x'));
        for (int i = 0; i < 5; i++) {
            assert_int_equal(rj_packet_frame_polling(rj_outbox_at(&outbox, 0)).len, ++popped);
            rj_outbox_pop(&outbox, 1);
        }
    }
    assert_int_equal(outbox.count, pushed - popped);
    rj_outbox_clear(&outbox);
    assert_int_equal(outbox.bytes, 0);
}

static void bytes_are_counted(void **state)
{
    (void)state;
    struct rj_outbox outbox = {0};
    struct rj_frame *small = text_frame(10, 'x'), *large = text_frame(200, 'x');
    size_t both = small->bytes + large->bytes;
    assert_int_equal(large->bytes - small->bytes, 204 - 12);
    push_new(&outbox, small);
    push_new(&outbox, large);
    assert_int_equal(outbox.bytes, both);
    rj_outbox_pop(&outbox, 1);
    assert_int_equal(outbox.bytes, large->bytes);
    rj_outbox_pop(&outbox, 5);
    assert_int_equal(outbox.bytes, 0);
    assert_int_equal(outbox.count, 0);
    rj_outbox_clear(&outbox);
}

static void a_frame_is_shared_until_the_last_reference(void **state)
{
    (void)state;
    struct rj_outbox one = {0}, other = {0};
    struct rj_frame *frame = text_frame(10, 'x');
    rj_outbox_push(&one, frame);
    rj_outbox_push(&other, frame);
    assert_int_equal(frame->refs, 3);
    rj_outbox_clear(&one);
    assert_int_equal(frame->refs, 2);
    rj_outbox_pop(&other, 1);
    assert_int_equal(frame->refs, 1);
    rj_outbox_clear(&other);
    rj_frame_unref(frame);
}

static void a_lone_frame_is_written_without_a_copy(void **state)
{
    (void)state;
    struct rj_outbox outbox = {0};
    struct rj_buf scratch = {0};
    struct rj_frame *frame = text_frame(10, 'x');
    size_t n;
    push_new(&outbox, frame);
    struct rj_span bytes = rj_outbox_gather(&outbox, rj_packet_frame_ws, 100, &scratch, &n);
    assert_int_equal(n, 1);
    assert_ptr_equal(bytes.data, rj_packet_frame_ws(frame).data);
    rj_outbox_clear(&outbox);
    rj_buf_free(&scratch);
}

static void small_frames_are_joined_up_to_the_limit(void **state)
{
    (void)state;
    struct rj_outbox outbox = {0};
    struct rj_buf scratch = {0};
    size_t n;
    for (int i = 0; i < 5; i++)
        push_new(&outbox, text_frame(8, (char)('a' + i))); /* 10 bytes each */
    struct rj_span bytes = rj_outbox_gather(&outbox, rj_packet_frame_ws, 35, &scratch, &n);
    assert_int_equal(n, 3);
    assert_int_equal(bytes.len, 30);
    assert_int_equal(bytes.data[2], 'a');
    assert_int_equal(bytes.data[22], 'c');
    rj_outbox_pop(&outbox, n);
    bytes = rj_outbox_gather(&outbox, rj_packet_frame_ws, 20, &scratch, &n);
    assert_int_equal(n, 2);
    assert_int_equal(bytes.len, 20);
    rj_outbox_clear(&outbox);
    rj_buf_free(&scratch);
}

static void a_frame_above_the_limit_goes_alone(void **state)
{
    (void)state;
    struct rj_outbox outbox = {0};
    struct rj_buf scratch = {0};
    size_t n;
    push_new(&outbox, text_frame(8, 'a'));
    push_new(&outbox, text_frame(5000, 'b'));
    push_new(&outbox, text_frame(8, 'c'));
    rj_outbox_gather(&outbox, rj_packet_frame_ws, 100, &scratch, &n);
    assert_int_equal(n, 1);
    rj_outbox_pop(&outbox, n);
    assert_int_equal(rj_outbox_gather(&outbox, rj_packet_frame_ws, 100, &scratch, &n).len, 5004);
    assert_int_equal(n, 1);
    rj_outbox_clear(&outbox);
    rj_buf_free(&scratch);
}

static void a_large_ring_gives_its_memory_back(void **state)
{
    (void)state;
    struct rj_outbox outbox = {0};
    for (int i = 0; i < 1000; i++)
        push_new(&outbox, text_frame(1, 'x'));
    rj_outbox_pop(&outbox, 1000);
    assert_null(outbox.ring);
    push_new(&outbox, text_frame(1, 'x'));
    assert_int_equal(outbox.count, 1);
    rj_outbox_clear(&outbox);
}

/* ---- deadlines */

static void deadlines_fire_in_order_and_once(void **state)
{
    (void)state;
    struct rj_timeq queue;
    struct rj_timeq_entry a = {0}, b = {0}, c = {0};
    rj_timeq_init(&queue, 10);
    assert_int_equal(rj_timeq_first(&queue), UINT64_MAX);
    rj_timeq_set(&queue, &a, 100);
    rj_timeq_set(&queue, &b, 101);
    rj_timeq_set(&queue, &c, 105);
    rj_timeq_set(&queue, &a, 106); /* renewed: now the last */
    assert_int_equal(rj_timeq_first(&queue), 111);
    assert_null(rj_timeq_expired(&queue, 110));
    assert_ptr_equal(rj_timeq_expired(&queue, 120), &b);
    rj_timeq_cancel(&c);
    rj_timeq_cancel(&c);
    assert_ptr_equal(rj_timeq_expired(&queue, 120), &a);
    assert_null(rj_timeq_expired(&queue, 120));
    assert_false(rj_timeq_holds(&a));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_frame_has_the_shortest_header),
    cmocka_unit_test(attachments_follow_as_binary),
    cmocka_unit_test(large_frames_come_back_for_polling),
    cmocka_unit_test(what_goes_in_comes_out_in_order),
    cmocka_unit_test(bytes_are_counted),
    cmocka_unit_test(a_frame_is_shared_until_the_last_reference),
    cmocka_unit_test(a_lone_frame_is_written_without_a_copy),
    cmocka_unit_test(small_frames_are_joined_up_to_the_limit),
    cmocka_unit_test(a_frame_above_the_limit_goes_alone),
    cmocka_unit_test(a_large_ring_gives_its_memory_back),
    cmocka_unit_test(deadlines_fire_in_order_and_once),
};
RJ_TEST_MAIN(tests)
