#include "gateway/frontends/ws_reader.h"

#include "proto/base/json.h"

enum { OP_CONTINUATION = 0, OP_TEXT = 1, OP_BINARY = 2, OP_CLOSE = 8, OP_PING = 9, OP_PONG = 10 };
enum {
    BIT_FIN = 0x80,
    BITS_RSV = 0x70,
    BITS_OPCODE = 0x0f,
    BIT_CONTROL = 0x08,
    BIT_MASK = 0x80,
    BITS_LEN = 0x7f
};
enum { LEN_16 = 126, LEN_64 = 127, MAX_CONTROL = 125, MASK_BYTES = 4 };

/* RFC 6455 §7.4.1 */
enum {
    CODE_PROTOCOL = 1002,
    CODE_NONE = 1005,
    CODE_NOT_UTF8 = 1007,
    CODE_POLICY = 1008,
    CODE_TOO_LARGE = 1009
};

static enum rj_ws_kind fault(struct rj_ws_item *item, unsigned code, const char *why)
{
    item->code = code;
    item->why = why;
    return RJ_WS_BROKE_RULES;
}

/* ----------------------------------------------------------------------------------------------- header */

static unsigned opcode_of(const struct rj_ws_reader *reader)
{
    return reader->head[0] & BITS_OPCODE;
}

static bool is_control(const struct rj_ws_reader *reader)
{
    return reader->head[0] & BIT_CONTROL;
}

static bool is_final(const struct rj_ws_reader *reader)
{
    return reader->head[0] & BIT_FIN;
}

/* The header's length, as far as its bytes tell by now. */
static size_t head_size(const struct rj_ws_reader *reader)
{
    if (reader->head_len < 2)
        return 2;
    unsigned len = reader->head[1] & BITS_LEN;
    return 2U + (len == LEN_16 ? 2 : len == LEN_64 ? 8 : 0) + MASK_BYTES;
}

/* What the first two bytes forbid. NULL: nothing. */
static const char *fault_of_start(const struct rj_ws_reader *reader)
{
    unsigned opcode = opcode_of(reader);
    if (reader->head[0] & BITS_RSV)
        return "a reserved bit";
    if (opcode > OP_PONG || (opcode > OP_BINARY && opcode < OP_CLOSE))
        return "a reserved opcode";
    if (is_control(reader) && !is_final(reader))
        return "a control frame in fragments";
    if (!is_control(reader) && (opcode == OP_CONTINUATION) != reader->in_message)
        return opcode == OP_CONTINUATION ? "a continuation of nothing" : "a message inside another";
    if (reader->head_len < 2)
        return NULL;
    if (!(reader->head[1] & BIT_MASK))
        return "a frame without mask";
    if (is_control(reader) && (reader->head[1] & BITS_LEN) > MAX_CONTROL)
        return "a control frame that is too long";
    return NULL;
}

static uint64_t big_endian(const uint8_t *at, size_t n)
{
    uint64_t value = 0;
    for (size_t i = 0; i < n; i++)
        value = value << 8 | at[i];
    return value;
}

/* The announced length; false when it is not written as it must be. */
static bool read_length(const struct rj_ws_reader *reader, uint64_t *length)
{
    unsigned len = reader->head[1] & BITS_LEN;
    *length = len;
    if (len == LEN_16) {
        *length = big_endian(reader->head + 2, 2);
        return *length >= LEN_16;
    }
    if (len == LEN_64) {
        *length = big_endian(reader->head + 2, 8);
        return *length > UINT16_MAX && !(*length >> 63);
    }
    return true;
}

/* Its first byte is still looked at while the payload is handled. */
static void forget_head(struct rj_ws_reader *reader)
{
    reader->head_len = 0;
    reader->in_payload = false;
}

/* The header is complete: may its payload come? RJ_WS_MORE: yes. */
static enum rj_ws_kind begin_payload(struct rj_ws_reader *reader, const struct rj_ws_limits *limits,
                                     struct rj_ws_item *item)
{
    uint64_t length;
    if (!read_length(reader, &length))
        return fault(item, CODE_PROTOCOL, "a length that is not the shortest");
    memcpy(reader->mask, reader->head + reader->head_len - MASK_BYTES, MASK_BYTES);
    reader->in_payload = true;
    reader->got = 0;
    if (!is_control(reader)) {
        if (opcode_of(reader) != OP_CONTINUATION) {
            reader->is_binary = opcode_of(reader) == OP_BINARY;
            reader->fragments = 0;
            rj_buf_clear(&reader->message);
        }
        if (length > limits->message_bytes - reader->message.len)
            return fault(item, CODE_TOO_LARGE, "a message that is too large");
        if (++reader->fragments > limits->fragments)
            return fault(item, CODE_POLICY, "a message in too many fragments");
    }
    reader->length = (size_t)length;
    return RJ_WS_MORE;
}

/* False when bytes are missing. */
static bool read_head(struct rj_ws_reader *reader, uint8_t **bytes, size_t *len, const char **why)
{
    *why = NULL;
    while (reader->head_len < head_size(reader)) {
        if (*len == 0)
            return false;
        reader->head[reader->head_len++] = *(*bytes)++;
        (*len)--;
        if (reader->head_len <= 2 && (*why = fault_of_start(reader)))
            return true;
    }
    return true;
}

/* ---------------------------------------------------------------------------------------------- payload */

/* `at`: how far into the payload these bytes are. */
static void unmask(uint8_t *bytes, size_t len, const uint8_t mask[static MASK_BYTES], size_t at)
{
    uint8_t key[8];
    uint64_t wide_key, wide;
    for (size_t i = 0; i < sizeof key; i++)
        key[i] = mask[(at + i) % MASK_BYTES];
    memcpy(&wide_key, key, sizeof key);
    for (; len >= sizeof wide; bytes += sizeof wide, len -= sizeof wide) {
        memcpy(&wide, bytes, sizeof wide);
        wide ^= wide_key;
        memcpy(bytes, &wide, sizeof wide);
    }
    for (size_t i = 0; i < len; i++)
        bytes[i] ^= key[i];
}

/* What the last items' data stood in; idle connections hold nothing. */
static void free_unused(struct rj_ws_reader *reader)
{
    bool in_control = reader->in_payload && is_control(reader);
    if (!in_control)
        rj_buf_free(&reader->control);
    if (!reader->in_message && (in_control || !reader->in_payload))
        rj_buf_free(&reader->message);
}

static bool is_close_code(unsigned code)
{
    return (code >= 1000 && code <= 1014 && (code < 1004 || code > 1006)) || (code >= 3000 && code <= 4999);
}

static enum rj_ws_kind end_close(struct rj_span data, struct rj_ws_item *item)
{
    item->code = CODE_NONE;
    if (data.len == 0)
        return RJ_WS_SAID_CLOSE;
    if (data.len == 1 || !is_close_code((unsigned)big_endian(data.data, 2)))
        return fault(item, CODE_PROTOCOL, "a close code that is none");
    if (!rj_utf8_is_valid(rj_span_from(data, 2)))
        return fault(item, CODE_NOT_UTF8, "a close reason that is no UTF-8");
    item->code = (unsigned)big_endian(data.data, 2);
    return RJ_WS_SAID_CLOSE;
}

static enum rj_ws_kind end_control(const struct rj_ws_reader *reader, struct rj_span data,
                                   struct rj_ws_item *item)
{
    item->data = data;
    switch (opcode_of(reader)) {
    case OP_CLOSE: return end_close(data, item);
    case OP_PING: return RJ_WS_PINGED;
    default: return RJ_WS_PONGED;
    }
}

static enum rj_ws_kind end_message(const struct rj_ws_reader *reader, struct rj_span data,
                                   struct rj_ws_item *item)
{
    if (!reader->is_binary && !rj_utf8_is_valid(data))
        return fault(item, CODE_NOT_UTF8, "a text that is no UTF-8");
    item->is_binary = reader->is_binary;
    item->data = data;
    return RJ_WS_MESSAGE;
}

/* The frame's payload as far as it has come: all of it when this answers true. A frame that lies whole in the
 * input is not copied. */
static bool read_payload(struct rj_ws_reader *reader, uint8_t **bytes, size_t *len, struct rj_span *whole)
{
    struct rj_buf *held = is_control(reader) ? &reader->control : &reader->message;
    size_t take = reader->length - reader->got < *len ? reader->length - reader->got : *len;
    bool is_alone = reader->got == 0 && (is_control(reader) || (!reader->in_message && is_final(reader)));
    unmask(*bytes, take, reader->mask, reader->got);
    *whole = rj_span_of(*bytes, take);
    if (!is_alone || take < reader->length) {
        if (is_control(reader) && reader->got == 0)
            rj_buf_clear(held);
        rj_buf_put(held, *bytes, take);
        *whole = rj_buf_span(held);
    }
    reader->got += take;
    *bytes += take;
    *len -= take;
    return reader->got == reader->length;
}

enum rj_ws_kind rj_ws_reader_next(struct rj_ws_reader *reader, const struct rj_ws_limits *limits,
                                  uint8_t **bytes, size_t *len, struct rj_ws_item *item)
{
    struct rj_span whole;
    const char *why;
    *item = (struct rj_ws_item){0};
    free_unused(reader);
    for (;;) {
        if (!reader->in_payload) {
            if (!read_head(reader, bytes, len, &why))
                return RJ_WS_MORE;
            if (why)
                return fault(item, CODE_PROTOCOL, why);
            if (begin_payload(reader, limits, item) != RJ_WS_MORE)
                return RJ_WS_BROKE_RULES;
        }
        if (!read_payload(reader, bytes, len, &whole))
            return RJ_WS_MORE;
        forget_head(reader);
        if (is_control(reader))
            return end_control(reader, whole, item);
        reader->in_message = !is_final(reader);
        if (!reader->in_message)
            return end_message(reader, whole, item);
    }
}

void rj_ws_reader_free(struct rj_ws_reader *reader)
{
    rj_buf_free(&reader->message);
    rj_buf_free(&reader->control);
    *reader = (struct rj_ws_reader){0};
}
