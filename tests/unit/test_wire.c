#include "proto/wire.h"

#include "tests/support/test.h"

enum { LIMIT = 1 << 20 };

/* Unpacks what was written, or fails the test. */
static Rejoin__Batch *read_back(const struct rj_wire_out *out, struct rj_arena *arena)
{
    Rejoin__Batch *batch = NULL;
    assert_int_equal(rj_wire_unpack(rj_buf_span(&out->frame), LIMIT, arena, &batch), RJ_OK);
    assert_non_null(batch);
    return batch;
}

static void put_pong(struct rj_wire_out *out, uint64_t nonce)
{
    Rejoin__Pong pong = REJOIN__PONG__INIT;
    Rejoin__Item item = REJOIN__ITEM__INIT;
    pong.nonce = nonce;
    item.kind_case = REJOIN__ITEM__KIND_PONG;
    item.pong = &pong;
    rj_wire_put(out, &item);
}

static void pack_message(struct rj_buf *out, const char *event)
{
    Rejoin__Message message = REJOIN__MESSAGE__INIT;
    message.event = (char *)event;
    message.data = (ProtobufCBinaryData){.len = 4, .data = (uint8_t *)"null"};
    rj_wire_pack(&message.base, out);
}

static void items_come_back_in_order_with_number_and_upto(void **state)
{
    struct rj_wire_out out = {0};
    struct rj_arena arena = {0};
    (void)state;
    for (uint64_t i = 0; i < 300; i++)
        put_pong(&out, i);
    assert_int_equal(out.items, 300);
    rj_wire_seal(&out, 7, UINT64_MAX);
    Rejoin__Batch *batch = read_back(&out, &arena);
    assert_int_equal(batch->number, 7);
    assert_true(batch->upto == UINT64_MAX);
    assert_int_equal(batch->n_items, 300);
    for (uint64_t i = 0; i < 300; i++) {
        assert_int_equal(batch->items[i]->kind_case, REJOIN__ITEM__KIND_PONG);
        assert_int_equal(batch->items[i]->pong->nonce, i);
    }
    rj_arena_free(&arena);
    rj_wire_free(&out);
}

static void a_frame_starts_with_the_envelope(void **state)
{
    struct rj_wire_out out = {0};
    (void)state;
    rj_wire_seal(&out, 0, 0);
    assert_int_equal(out.frame.len, RJ_WIRE_HEADER);
    assert_memory_equal(out.frame.data, "RJ\x01\x00", 4);
    rj_wire_clear(&out);
    put_pong(&out, 1);
    assert_memory_equal(out.frame.data, "RJ\x01\x00", 4);
    rj_wire_free(&out);
}

static void a_cleared_writer_starts_a_new_frame(void **state)
{
    struct rj_wire_out out = {0};
    struct rj_arena arena = {0};
    (void)state;
    put_pong(&out, 1);
    rj_wire_seal(&out, 1, 0);
    rj_wire_clear(&out);
    assert_int_equal(out.items, 0);
    put_pong(&out, 2);
    rj_wire_seal(&out, 2, 0);
    Rejoin__Batch *batch = read_back(&out, &arena);
    assert_int_equal(batch->number, 2);
    assert_int_equal(batch->n_items, 1);
    rj_arena_free(&arena);
    rj_wire_free(&out);
}

/* The hand-written Deliver against protobuf-c's own packing of the same one. */
static void a_delivery_equals_what_protobuf_packs(void **state)
{
    static const uint64_t numbers[] = {0, 1, 127, 128, 16383, 16384, UINT32_MAX, UINT64_MAX};
    enum { N = sizeof numbers / sizeof *numbers };
    (void)state;
    for (size_t i = 0; i < N; i++) {
        for (size_t n_seqs = 0; n_seqs <= 3; n_seqs++) {
            uint64_t seqs[] = {numbers[i], 1, numbers[(i + 3) % N]};
            struct rj_wire_out ours = {0}, theirs = {0};
            struct rj_buf packed = {0};
            struct rj_arena arena = {0};
            pack_message(&packed, "room:message");
            rj_wire_put_deliver(&ours, numbers[i], numbers[(i + 1) % N], seqs, n_seqs, rj_buf_span(&packed),
                                numbers[(i + 2) % N]);
            Rejoin__Deliver deliver = REJOIN__DELIVER__INIT;
            Rejoin__Item item = REJOIN__ITEM__INIT;
            deliver.pos = numbers[i];
            deliver.ts_ms = numbers[(i + 1) % N];
            deliver.seqs = seqs;
            deliver.n_seqs = n_seqs;
            deliver.client = numbers[(i + 2) % N];
            deliver.message = (Rejoin__Message *)rj_wire_unpack_message(&rejoin__message__descriptor,
                                                                        rj_buf_span(&packed), &arena);
            assert_non_null(deliver.message);
            item.kind_case = REJOIN__ITEM__KIND_DELIVER;
            item.deliver = &deliver;
            rj_wire_put(&theirs, &item);
            assert_int_equal(ours.items, 1);
            assert_int_equal(ours.frame.len, theirs.frame.len);
            assert_memory_equal(ours.frame.data, theirs.frame.data, ours.frame.len);
            rj_arena_free(&arena);
            rj_buf_free(&packed);
            rj_wire_free(&ours);
            rj_wire_free(&theirs);
        }
    }
}

/* And the Job, whose body is packed beforehand. */
static void a_job_equals_what_protobuf_packs(void **state)
{
    static const uint64_t ids[] = {1, 127, 128, (uint64_t)1 << 44, UINT64_MAX};
    (void)state;
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        struct rj_wire_out ours = {0}, theirs = {0};
        struct rj_buf packed = {0};
        struct rj_arena arena = {0};
        Rejoin__Event event = REJOIN__EVENT__INIT;
        Rejoin__Job body = REJOIN__JOB__INIT;
        Rejoin__Batch *batch;
        event.name = "order";
        body.group = "workers";
        body.sid = "sid";
        body.namespace_ = "/";
        body.what_case = REJOIN__JOB__WHAT_EVENT;
        body.event = &event;
        rj_wire_pack(&body.base, &packed);
        rj_wire_put_job(&ours, ids[i], i % 2, 300 * i, rj_buf_span(&packed));
        rj_wire_seal(&ours, 0, 0);
        assert_int_equal(rj_wire_unpack(rj_buf_span(&ours.frame), SIZE_MAX, &arena, &batch), RJ_OK);
        assert_int_equal(batch->n_items, 1);
        body.id = ids[i];
        body.repeated = i % 2;
        body.timeout_ms = (uint32_t)(300 * i);
        Rejoin__Item item = REJOIN__ITEM__INIT;
        item.kind_case = REJOIN__ITEM__KIND_JOB;
        item.job = &body;
        rj_wire_put(&theirs, &item);
        struct rj_wire_out again = {
            0}; /* fields may come in any order, so it is read before it is compared */
        rj_wire_put(&again, batch->items[0]);
        assert_int_equal(again.frame.len, theirs.frame.len);
        assert_memory_equal(again.frame.data, theirs.frame.data, again.frame.len);
        rj_arena_free(&arena);
        rj_buf_free(&packed);
        rj_wire_free(&ours);
        rj_wire_free(&theirs);
        rj_wire_free(&again);
    }
}

static void an_item_packed_before_reads_like_any_other(void **state)
{
    struct rj_wire_out out = {0};
    struct rj_arena arena = {0};
    struct rj_buf packed = {0};
    Rejoin__Ping ping = REJOIN__PING__INIT;
    Rejoin__Item item = REJOIN__ITEM__INIT;
    (void)state;
    ping.nonce = 300;
    item.kind_case = REJOIN__ITEM__KIND_PING;
    item.ping = &ping;
    rj_wire_pack(&item.base, &packed);
    put_pong(&out, 1);
    rj_wire_put_packed(&out, rj_buf_span(&packed));
    rj_wire_put_packed(&out, rj_buf_span(&packed));
    rj_wire_seal(&out, 0, 9);
    assert_int_equal(out.items, 3);
    Rejoin__Batch *batch = read_back(&out, &arena);
    assert_int_equal(batch->n_items, 3);
    assert_int_equal(batch->items[1]->ping->nonce, 300);
    assert_int_equal(batch->items[2]->ping->nonce, 300);
    assert_int_equal(batch->upto, 9);
    rj_arena_free(&arena);
    rj_buf_free(&packed);
    rj_wire_free(&out);
}

static void an_empty_message_can_be_delivered(void **state)
{
    struct rj_wire_out out = {0};
    struct rj_arena arena = {0};
    (void)state;
    rj_wire_put_deliver(&out, 5, 6, NULL, 0, (struct rj_span){NULL, 0}, 0);
    Rejoin__Batch *batch = read_back(&out, &arena);
    assert_int_equal(batch->items[0]->deliver->pos, 5);
    assert_non_null(batch->items[0]->deliver->message);
    rj_arena_free(&arena);
    rj_wire_free(&out);
}

static enum rj_status unpack(const void *bytes, size_t len, size_t limit)
{
    struct rj_arena arena = {0};
    Rejoin__Batch *batch = (Rejoin__Batch *)&arena;
    enum rj_status status = rj_wire_unpack(rj_span_of(bytes, len), limit, &arena, &batch);
    if (status != RJ_OK)
        assert_ptr_equal(batch, &arena);
    rj_arena_free(&arena);
    return status;
}

static void garbage_is_told_apart_from_another_version(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        enum rj_status status;
    } cases[] = {
        {"", 0, RJ_BAD_REQUEST},
        {"RJ\x01", 3, RJ_BAD_REQUEST},
        {"rj\x01\x00", 4, RJ_BAD_REQUEST},
        {"GET / HTTP/1.1\r\n\r\n", 18, RJ_BAD_REQUEST},
        {"RJ\x01\x00", 4, RJ_OK},
        {"RJ\x01\xff", 4, RJ_OK},
        {"RJ\x02\x00", 4, RJ_VERSION},
        {"RJ\x00\x00 whatever", 13, RJ_VERSION},
        {"RJ\x01\x00\xff", 5, RJ_BAD_REQUEST},
        {"RJ\x01\x00\x1a\x05", 6, RJ_BAD_REQUEST},                  /* an item longer than the frame */
        {"RJ\x01\x00\x1a\xff\xff\xff\xff\x0f", 10, RJ_BAD_REQUEST}, /* one of 4 GiB */
        {"RJ\x01\x00\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 16,
         RJ_BAD_REQUEST},                     /* endless varint */
        {"RJ\x01\x00\xf8\x7f\x01", 7, RJ_OK}, /* an unknown field is passed over */
        {"RJ\x01\x00\x1a\x00", 6, RJ_OK},     /* an item of no kind */
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (unpack(cases[i].bytes, cases[i].len, LIMIT) != cases[i].status)
            fail_msg("case %zu", i);
    assert_int_equal(unpack(NULL, 0, LIMIT), RJ_BAD_REQUEST);
}

static void a_frame_above_the_limit_is_not_looked_at(void **state)
{
    (void)state;
    assert_int_equal(unpack("garbage!", 8, 7), RJ_TOO_LARGE);
    assert_int_equal(unpack("RJ\x01\x00", 4, 4), RJ_OK);
    assert_int_equal(unpack("RJ\x01\x00", 4, 3), RJ_TOO_LARGE);
}

static void a_frame_cut_anywhere_or_bent_anywhere_is_harmless(void **state)
{
    struct rj_wire_out out = {0};
    struct rj_buf packed = {0};
    static const uint64_t seqs[] = {1, 1000};
    (void)state;
    pack_message(&packed, "room:message");
    put_pong(&out, 12345);
    rj_wire_put_deliver(&out, 1000000, 2000000, seqs, 2, rj_buf_span(&packed), 77);
    rj_wire_seal(&out, 3, 1000000);
    for (size_t len = 0; len < out.frame.len; len++)
        unpack(out.frame.data, len, LIMIT);
    for (size_t at = 0; at < out.frame.len; at++) {
        uint8_t right = out.frame.data[at];
        for (unsigned bit = 0; bit < 8; bit++) {
            out.frame.data[at] = (uint8_t)(right ^ 1U << bit);
            unpack(out.frame.data, out.frame.len, LIMIT);
        }
        out.frame.data[at] = right;
    }
    assert_int_equal(unpack(out.frame.data, out.frame.len, LIMIT), RJ_OK);
    rj_buf_free(&packed);
    rj_wire_free(&out);
}

/* The worst amplification found: items without content, two bytes each on the wire. */
static void a_frame_asks_for_a_small_multiple_of_its_size(void **state)
{
    enum { ITEMS = 100000 };
    struct rj_buf frame = {0};
    struct rj_arena arena = {0};
    Rejoin__Batch *batch;
    (void)state;
    rj_buf_put(&frame, "RJ\x01\x00", 4);
    for (size_t i = 0; i < ITEMS; i++)
        rj_buf_put(&frame, "\x1a\x00", 2);
    assert_int_equal(rj_wire_unpack(rj_buf_span(&frame), LIMIT, &arena, &batch), RJ_OK);
    assert_int_equal(batch->n_items, ITEMS);
    rj_arena_free(&arena);
    rj_buf_free(&frame);
}

/* Field number 0, written at length: protobuf-c's reader takes it for an unknown field, but not a second
 * time. */
static void unknown_fields_are_dropped_at_every_depth(void **state)
{
    static const char target[] = "\x12\x06\x85\x00wxyz";      /* Message.targets; inside, field 0 */
    static const char unknown[] = "\xf8\x7f\x01\x85\x00wxyz"; /* field 2047 = 1, and field 0 */
    struct rj_arena arena = {0};
    struct rj_buf bytes = {0}, packed = {0};
    (void)state;
    rj_buf_put(&bytes, target, sizeof target - 1);
    rj_buf_put(&bytes, unknown, sizeof unknown - 1);
    const ProtobufCMessageDescriptor *type = &rejoin__message__descriptor;
    ProtobufCMessage *message = rj_wire_unpack_message(type, rj_buf_span(&bytes), &arena);
    assert_non_null(message);
    assert_int_equal(((Rejoin__Message *)message)->n_targets, 1);
    rj_wire_pack(message, &packed);
    assert_int_equal(packed.len, 2);
    assert_memory_equal(packed.data, "\x12\x00", 2);
    assert_non_null(rj_wire_unpack_message(type, rj_buf_span(&packed), &arena));
    rj_arena_free(&arena);
    rj_buf_free(&bytes);
    rj_buf_free(&packed);
}

static void a_single_message_that_is_broken_gives_null(void **state)
{
    struct rj_arena arena = {0};
    (void)state;
    assert_null(rj_wire_unpack_message(&rejoin__message__descriptor, rj_span_str("\xff\xff"), &arena));
    assert_null(
        rj_wire_unpack_message(&rejoin__message__descriptor, rj_span_str("\x0a\x02\xc3\x28\x22"), &arena));
    assert_non_null(rj_wire_unpack_message(&rejoin__message__descriptor, (struct rj_span){NULL, 0}, &arena));
    rj_arena_free(&arena);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(items_come_back_in_order_with_number_and_upto),
    cmocka_unit_test(a_frame_starts_with_the_envelope),
    cmocka_unit_test(a_cleared_writer_starts_a_new_frame),
    cmocka_unit_test(a_delivery_equals_what_protobuf_packs),
    cmocka_unit_test(a_job_equals_what_protobuf_packs),
    cmocka_unit_test(an_item_packed_before_reads_like_any_other),
    cmocka_unit_test(an_empty_message_can_be_delivered),
    cmocka_unit_test(garbage_is_told_apart_from_another_version),
    cmocka_unit_test(a_frame_above_the_limit_is_not_looked_at),
    cmocka_unit_test(a_frame_cut_anywhere_or_bent_anywhere_is_harmless),
    cmocka_unit_test(a_frame_asks_for_a_small_multiple_of_its_size),
    cmocka_unit_test(unknown_fields_are_dropped_at_every_depth),
    cmocka_unit_test(a_single_message_that_is_broken_gives_null),
};

RJ_TEST_MAIN(tests)
