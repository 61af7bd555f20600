#include "gateway/engineio.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* -1 for what is no base64 digit. The URL-safe alphabet is taken too, as Node does. */
static int digit_value(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    if (c == '/' || c == '_')
        return 63;
    return -1;
}

/* Padding may be missing, but not wrong. */
static struct rj_span without_padding(struct rj_span text)
{
    if (text.len % 4 == 0) {
        for (int i = 0; i < 2 && text.len > 0 && text.data[text.len - 1] == '='; i++)
            text.len--;
    }
    return text;
}

static enum rj_status decode_base64(struct rj_span text, struct rj_buf *out)
{
    text = without_padding(text);
    if (text.len % 4 == 1)
        return RJ_BAD_REQUEST;
    uint8_t *to = rj_buf_reserve(out, text.len / 4 * 3 + 3);
    uint32_t bits = 0;
    unsigned held = 0;
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        int value = digit_value(text.data[i]);
        if (value < 0)
            return RJ_BAD_REQUEST;
        bits = (bits << 6 | (uint32_t)value) & 0xffffff;
        held += 6;
        if (held >= 8) {
            held -= 8;
            to[n++] = (uint8_t)(bits >> held);
        }
    }
    out->len += n;
    return RJ_OK;
}

enum rj_status rj_eio_parse(struct rj_span text, struct rj_buf *scratch, struct rj_eio_packet *out)
{
    if (text.len && text.data[0] == 'b') {
        rj_buf_clear(scratch);
        enum rj_status status = decode_base64(rj_span_from(text, 1), scratch);
        *out =
            (struct rj_eio_packet){.type = RJ_EIO_MESSAGE, .is_binary = true, .data = rj_buf_span(scratch)};
        return status;
    }
    if (text.len == 0 || text.data[0] < '0' || text.data[0] > '0' + RJ_EIO_NOOP)
        return RJ_BAD_REQUEST;
    *out = (struct rj_eio_packet){
        .type = (enum rj_eio_type)(text.data[0] - '0'),
        .data = rj_span_from(text, 1),
    };
    return RJ_OK;
}

struct rj_eio_payload rj_eio_payload(struct rj_span body)
{
    return (struct rj_eio_payload){.rest = body};
}

enum rj_status rj_eio_payload_next(struct rj_eio_payload *payload, struct rj_buf *scratch,
                                   struct rj_eio_packet *out)
{
    if (payload->is_done)
        return RJ_NOT_FOUND;
    struct rj_span one = payload->rest;
    const uint8_t *end = one.len ? memchr(one.data, RJ_EIO_SEPARATOR, one.len) : NULL;
    if (end) {
        one.len = (size_t)(end - one.data);
        payload->rest = rj_span_from(payload->rest, one.len + 1);
    } else {
        payload->is_done = true;
    }
    return rj_eio_parse(one, scratch, out);
}

void rj_eio_put_open(struct rj_buf *out, const struct rj_eio_open *open)
{
    rj_buf_put_str(out, "0{\"sid\":\"");
    rj_buf_put_span(out, open->sid);
    rj_buf_put_str(out, open->can_upgrade ? "\",\"upgrades\":[\"websocket\"]" : "\",\"upgrades\":[]");
    rj_buf_put_str(out, ",\"pingInterval\":");
    rj_buf_put_u64_dec(out, open->ping_interval_ms);
    rj_buf_put_str(out, ",\"pingTimeout\":");
    rj_buf_put_u64_dec(out, open->ping_timeout_ms);
    rj_buf_put_str(out, ",\"maxPayload\":");
    rj_buf_put_u64_dec(out, open->max_payload_bytes);
    rj_buf_put_u8(out, '}');
}

size_t rj_eio_base64_len(size_t len)
{
    return 1 + (len + 2) / 3 * 4;
}

void rj_eio_put_base64(struct rj_buf *out, struct rj_span data)
{
    uint8_t *to = rj_buf_reserve(out, rj_eio_base64_len(data.len));
    *to++ = 'b';
    size_t i = 0;
    for (; i + 3 <= data.len; i += 3) {
        uint32_t bits = (uint32_t)data.data[i] << 16 | (uint32_t)data.data[i + 1] << 8 | data.data[i + 2];
        *to++ = (uint8_t)alphabet[bits >> 18];
        *to++ = (uint8_t)alphabet[bits >> 12 & 63];
        *to++ = (uint8_t)alphabet[bits >> 6 & 63];
        *to++ = (uint8_t)alphabet[bits & 63];
    }
    size_t left = data.len - i;
    if (left) {
        uint32_t bits = (uint32_t)data.data[i] << 16 | (left == 2 ? (uint32_t)data.data[i + 1] << 8 : 0);
        *to++ = (uint8_t)alphabet[bits >> 18];
        *to++ = (uint8_t)alphabet[bits >> 12 & 63];
        *to++ = left == 2 ? (uint8_t)alphabet[bits >> 6 & 63] : '=';
        *to++ = '=';
    }
    out->len += rj_eio_base64_len(data.len);
}
