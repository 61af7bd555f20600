/* RFC 6455 as a server reads it: whatever may come does, in whatever pieces; the rest is named. */
#include "gateway/frontends/ws_reader.h"
#include "proto/base/random.h"
#include "tests/support/test.h"

static const struct rj_ws_limits roomy = {1 << 20, 1 << 20};

enum { FIN = 0x80, TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10 };

/* A frame as a client sends it, masked. */
static void put_frame(struct rj_buf *out, unsigned first, const void *data, size_t len)
{
    uint32_t random = (uint32_t)rj_random_u64();
    uint8_t mask[4];
    memcpy(mask, &random, sizeof mask);
    rj_buf_put_u8(out, (uint8_t)first);
    rj_buf_put_u8(out, (uint8_t)(0x80 | (len < 126 ? len : len <= UINT16_MAX ? 126 : 127)));
    for (int shift = len < 126 ? -8 : len <= UINT16_MAX ? 8 : 56; shift >= 0; shift -= 8)
        rj_buf_put_u8(out, (uint8_t)((uint64_t)len >> shift));
    rj_buf_put(out, mask, sizeof mask);
    for (size_t i = 0; i < len; i++)
        rj_buf_put_u8(out, ((const uint8_t *)data)[i] ^ mask[i % 4]);
}

static void put_text(struct rj_buf *out, unsigned first, const char *text)
{
    put_frame(out, first, text, strlen(text));
}

/* Everything that is read, as lines: "T:text", "B:bytes", "ping:…", "pong:…", "close CODE", "fault CODE why".
 */
static void describe(struct rj_buf *out, enum rj_ws_kind kind, const struct rj_ws_item *item)
{
    static const char *const names[] = {
        [RJ_WS_MESSAGE] = "T:", [RJ_WS_PINGED] = "ping:", [RJ_WS_PONGED] = "pong:"};
    if (kind == RJ_WS_SAID_CLOSE)
        rj_buf_printf(out, "close %u", item->code);
    else if (kind == RJ_WS_BROKE_RULES)
        rj_buf_printf(out, "fault %u", item->code);
    else
        rj_buf_put_str(out, kind == RJ_WS_MESSAGE && item->is_binary ? "B:" : names[kind]);
    if (kind < RJ_WS_SAID_CLOSE)
        rj_buf_put_span(out, item->data);
    rj_buf_put_u8(out, '\n');
}

/* Reads a copy of the bytes, in pieces of at most `piece` (0: of random lengths). */
static void read_all(const struct rj_buf *in, size_t piece, const struct rj_ws_limits *limits,
                     struct rj_buf *out)
{
    struct rj_ws_reader reader = {0};
    struct rj_ws_item item;
    enum rj_ws_kind kind = RJ_WS_MORE;
    rj_buf_clear(out);
    for (size_t at = 0; at < in->len && kind == RJ_WS_MORE;) {
        size_t len = piece ? piece : 1 + rj_random_u64() % 40;
        len = len < in->len - at ? len : in->len - at;
        uint8_t *copy = malloc(len), *bytes = memcpy(copy, in->data + at, len);
        at += len;
        while ((kind = rj_ws_reader_next(&reader, limits, &bytes, &len, &item)) != RJ_WS_MORE) {
            describe(out, kind, &item);
            if (kind >= RJ_WS_SAID_CLOSE)
                break;
        }
        free(copy);
    }
    rj_ws_reader_free(&reader);
}

static void assert_reads(const struct rj_buf *in, const struct rj_ws_limits *limits, const char *expected)
{
    struct rj_buf out = {0};
    static const size_t pieces[] = {1 << 20, 1, 2, 3, 7, 0};
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        read_all(in, pieces[i], limits, &out);
        assert_string_equal(rj_buf_cstr(&out), expected);
    }
    rj_buf_free(&out);
}

static void messages_and_control_frames_are_read_in_any_pieces(void **state)
{
    (void)state;
    struct rj_buf in = {0};
    put_text(&in, FIN | TEXT, "hello");
    put_text(&in, FIN | BINARY, "bytes");
    put_text(&in, FIN | TEXT, "");
    put_text(&in, TEXT, "a\xc3"); /* half a character */
    put_text(&in, FIN | PING, "between");
    put_text(&in, 0, "");
    put_text(&in, FIN | PONG, "");
    put_text(&in, FIN, "\xb6z");
    put_text(&in, FIN | TEXT, "next");
    put_frame(&in, FIN | CLOSE, "\x03\xe8 bye", 6);
    put_text(&in, FIN | TEXT, "not read");
    assert_reads(&in, &roomy,
                 "T:hello\nB:bytes\nT:\nping:between\npong:\nT:a\xc3\xb6z\nT:next\nclose 1000\n");
    rj_buf_free(&in);
}

/* ---- what is forbidden */

static void frames_that_the_rfc_forbids_are_faults(void **state)
{
    (void)state;
#define BYTES(text) text, sizeof(text) - 1
    static const struct {
        const char *bytes;
        size_t len;
        const char *expected;
    } cases[] = {
        {BYTES("\x81\x02hi"), "fault 1002\n"},       /* no mask */
        {BYTES("\xc1\x80\0\0\0\0"), "fault 1002\n"}, /* reserved bits */
        {BYTES("\xa1\x80\0\0\0\0"), "fault 1002\n"},
        {BYTES("\x91\x80\0\0\0\0"), "fault 1002\n"},
        {BYTES("\x83\x80\0\0\0\0"), "fault 1002\n"}, /* reserved opcodes */
        {BYTES("\x87\x80\0\0\0\0"), "fault 1002\n"},
        {BYTES("\x8b\x80\0\0\0\0"), "fault 1002\n"},
        {BYTES("\x8f\x80\0\0\0\0"), "fault 1002\n"},
        {BYTES("\x09\x80\0\0\0\0"), "fault 1002\n"}, /* control in fragments */
        {BYTES("\x08\x80\0\0\0\0"), "fault 1002\n"},
        {BYTES("\x89\xfe\x00\x7e\0\0\0\0"), "fault 1002\n"}, /* control above 125 */
        {BYTES("\x88\xff\0\0\0\0\0\0\0\1\0\0\0\0x"), "fault 1002\n"},
        {BYTES("\x80\x80\0\0\0\0"), "fault 1002\n"},                   /* continues nothing */
        {BYTES("\x01\x81\0\0\0\0x\x81\x81\0\0\0\0y"), "fault 1002\n"}, /* message in a message */
        {BYTES("\x01\x81\0\0\0\0x\x02\x81\0\0\0\0y"), "fault 1002\n"},
        {BYTES("\x81\xfe\x00\x7d\0\0\0\0"), "fault 1002\n"}, /* not the shortest length */
        {BYTES("\x81\xff\0\0\0\0\0\0\xff\xff\0\0\0\0"), "fault 1002\n"},
        {BYTES("\x81\xff\x80\0\0\0\0\1\0\0\0\0\0\0"), "fault 1002\n"}, /* the highest bit */
        {BYTES("\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0"), "fault 1002\n"},
        {BYTES("\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0"), "fault 1009\n"},
        {BYTES("\x81\x82\0\0\0\0\xc3("), "fault 1007\n"}, /* no UTF-8 */
        {BYTES("\x81\x83\0\0\0\0\xed\xa0\x80"), "fault 1007\n"},
        {BYTES("\x01\x81\0\0\0\0\xc3\x80\x81\0\0\0\0("), "fault 1007\n"}, /* across frames */
        {BYTES("\x01\x81\0\0\0\0\xc3\x80\x80\0\0\0\0"), "fault 1007\n"},  /* unfinished */
        {BYTES("\x88\x81\0\0\0\0\x03"), "fault 1002\n"},                  /* closes */
        {BYTES("\x88\x82\0\0\0\0\x03\xe7"), "fault 1002\n"},              /* 999 */
        {BYTES("\x88\x82\0\0\0\0\x03\xec"), "fault 1002\n"},              /* 1004 … */
        {BYTES("\x88\x82\0\0\0\0\x03\xee"), "fault 1002\n"},              /* … 1006 */
        {BYTES("\x88\x82\0\0\0\0\x03\xf7"), "fault 1002\n"},              /* 1015 */
        {BYTES("\x88\x82\0\0\0\0\x0b\xb7"), "fault 1002\n"},              /* 2999 */
        {BYTES("\x88\x82\0\0\0\0\x13\x88"), "fault 1002\n"},              /* 5000 */
        {BYTES("\x88\x84\0\0\0\0\x03\xe8\xc3("), "fault 1007\n"},
        {BYTES("\x88\x80\0\0\0\0"), "close 1005\n"}, /* allowed */
        {BYTES("\x88\x82\0\0\0\0\x0b\xb8"), "close 3000\n"},
        {BYTES("\x88\x82\0\0\0\0\x13\x87"), "close 4999\n"},
        {BYTES("\x88\x82\0\0\0\0\x03\xf6"), "close 1014\n"},
        {BYTES("\x82\x82\0\0\0\0\xc3("), "B:\xc3(\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rj_buf in = {0};
        rj_buf_put(&in, cases[i].bytes, cases[i].len);
        assert_reads(&in, &roomy, cases[i].expected);
        rj_buf_free(&in);
    }
}

static void lengths_at_the_borders_of_their_forms_are_read(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, 125, 126, 127, 65535, 65536, 70001};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct rj_ws_reader reader = {0};
        struct rj_ws_item item;
        struct rj_buf in = {0};
        char *data = malloc(lengths[i] + 1);
        for (size_t j = 0; j < lengths[i]; j++)
            data[j] = (char)('a' + j % 26);
        put_frame(&in, FIN | BINARY, data, lengths[i]);
        uint8_t *bytes = in.data;
        size_t len = in.len;
        assert_int_equal(rj_ws_reader_next(&reader, &roomy, &bytes, &len, &item), RJ_WS_MESSAGE);
        assert_int_equal(item.data.len, lengths[i]);
        assert_true(lengths[i] == 0 || memcmp(item.data.data, data, lengths[i]) == 0);
        assert_int_equal(len, 0);
        assert_false(rj_ws_reader_waits(&reader));
        rj_ws_reader_free(&reader);
        rj_buf_free(&in);
        free(data);
    }
}

/* ---- limits */

static void a_message_may_be_as_large_as_the_limit_and_no_larger(void **state)
{
    (void)state;
    const struct rj_ws_limits limits = {10, 100};
    struct rj_buf in = {0};
    put_text(&in, FIN | TEXT, "0123456789");
    put_text(&in, TEXT, "01234");
    put_text(&in, FIN, "56789");
    put_text(&in, TEXT, "01234");
    put_text(&in, FIN | PING, "012345678901234567890123456789"); /* no part of it */
    put_text(&in, FIN, "567890");
    assert_reads(&in, &limits,
                 "T:0123456789\nT:0123456789\nping:012345678901234567890123456789\nfault 1009\n");
    rj_buf_clear(&in);
    put_text(&in, FIN | TEXT, "01234567890");
    assert_reads(&in, &limits, "fault 1009\n");
    rj_buf_free(&in);
}

static void a_message_may_come_in_so_many_fragments_and_no_more(void **state)
{
    (void)state;
    const struct rj_ws_limits limits = {100, 3};
    struct rj_buf in = {0};
    for (int round = 0; round < 2; round++) {
        put_text(&in, TEXT, "a");
        put_text(&in, 0, "b");
        put_text(&in, FIN, "c");
    }
    put_text(&in, TEXT, "");
    put_text(&in, 0, "");
    put_text(&in, 0, "");
    put_text(&in, 0, "");
    assert_reads(&in, &limits, "T:abc\nT:abc\nfault 1008\n");
    rj_buf_free(&in);
}

/* A header that announces much makes nobody allocate it. */
static void memory_is_taken_for_what_has_come_and_given_back(void **state)
{
    (void)state;
    struct rj_ws_reader reader = {0};
    struct rj_ws_item item;
    uint8_t head[] = {0x82, 0xff, 0, 0, 0, 0, 0, 0x0f, 0xff, 0xff, 1, 2, 3, 4, 5};
    uint8_t *bytes = head;
    size_t len = sizeof head;
    assert_int_equal(rj_ws_reader_next(&reader, &roomy, &bytes, &len, &item), RJ_WS_MORE);
    assert_true(rj_ws_reader_waits(&reader));
    assert_true(reader.message.cap < 4096);
    rj_ws_reader_free(&reader);

    struct rj_buf in = {0};
    for (int i = 0; i < 100; i++)
        put_text(&in, i ? i == 99 ? FIN : 0 : TEXT, "0123456789");
    bytes = in.data;
    len = in.len;
    assert_int_equal(rj_ws_reader_next(&reader, &roomy, &bytes, &len, &item), RJ_WS_MESSAGE);
    assert_int_equal(rj_ws_reader_next(&reader, &roomy, &bytes, &len, &item), RJ_WS_MORE);
    assert_null(reader.message.data);
    assert_false(rj_ws_reader_waits(&reader));
    rj_buf_free(&in);
}

/* ---- anything */

static void random_conversations_are_read_as_they_were_written(void **state)
{
    (void)state;
    for (int round = 0; round < 300; round++) {
        struct rj_buf in = {0}, expected = {0};
        for (int i = 0; i < 20; i++) {
            char data[300];
            size_t len = rj_random_u64() % sizeof data, at = 0;
            bool is_first = true;
            memset(data, 'a' + (int)(rj_random_u64() % 26), sizeof data);
            do {
                size_t part = rj_random_u64() % 3 ? rj_random_u64() % (len - at + 1) : len - at;
                bool is_last = at + part == len && rj_random_u64() % 2;
                put_frame(&in, (is_last ? FIN : 0U) | (is_first ? TEXT : 0), data + at, part);
                at += part;
                is_first = false;
                if (is_last)
                    break;
                if (rj_random_u64() % 4 == 0) {
                    put_text(&in, FIN | PING, "p");
                    rj_buf_put_str(&expected, "ping:p\n");
                }
            } while (true);
            rj_buf_printf(&expected, "T:%.*s\n", (int)len, data);
        }
        assert_reads(&in, &roomy, rj_buf_cstr(&expected));
        rj_buf_free(&in);
        rj_buf_free(&expected);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(messages_and_control_frames_are_read_in_any_pieces),
    cmocka_unit_test(frames_that_the_rfc_forbids_are_faults),
    cmocka_unit_test(lengths_at_the_borders_of_their_forms_are_read),
    cmocka_unit_test(a_message_may_be_as_large_as_the_limit_and_no_larger),
    cmocka_unit_test(a_message_may_come_in_so_many_fragments_and_no_more),
    cmocka_unit_test(memory_is_taken_for_what_has_come_and_given_back),
    cmocka_unit_test(random_conversations_are_read_as_they_were_written),
};

RJ_TEST_MAIN(tests)
