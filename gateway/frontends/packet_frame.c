#include "gateway/frontends/packet_frame.h"

#include <stdlib.h>

#include "gateway/engineio.h"
#include "proto/base/mem.h"

enum { WS_TEXT = 0x1, WS_BINARY = 0x2, WS_FIN = 0x80, MAX_HEADER = 10 };

struct packet_frame {
    struct rj_frame base; /* first: it is what the others see */
    struct rj_buf memory;
    struct rj_span ws;     /* in `memory` */
    struct rj_buf polling; /* empty until asked for; a payload is never empty */
};

/* What a frame takes beside its bytes: itself, a place in a ring, and what malloc adds to two blocks. A
 * client that causes many short answers and reads none is to hold no more memory than one that is sent a few
 * long ones. */
enum { OVERHEAD_BYTES = sizeof(struct packet_frame) + sizeof(struct rj_frame *) + 32 };

/* Writes a header that ends right before `end`; returns where it starts (RFC 6455 §5.2). */
static uint8_t *put_header_before(uint8_t *end, unsigned opcode, size_t len)
{
    uint8_t *at = end;
    unsigned extra = len < 126 ? 0 : len <= UINT16_MAX ? 2 : 8;
    uint64_t left = len;
    for (unsigned i = 0; i < extra; i++, left >>= 8)
        *--at = (uint8_t)left;
    *--at = extra == 0 ? (uint8_t)len : extra == 2 ? 126 : 127;
    *--at = (uint8_t)(WS_FIN | opcode);
    return at;
}

static void put_binary(struct rj_buf *out, struct rj_span data)
{
    uint8_t header[MAX_HEADER];
    uint8_t *at = put_header_before(header + sizeof header, WS_BINARY, data.len);
    rj_buf_put(out, at, (size_t)(header + sizeof header - at));
    rj_buf_put_span(out, data);
}

static void free_frame(struct rj_frame *base)
{
    struct packet_frame *frame = (struct packet_frame *)base;
    rj_buf_free(&frame->memory);
    rj_buf_free(&frame->polling);
    free(frame);
}

static struct rj_frame *take(struct rj_buf *memory, size_t from)
{
    struct packet_frame *frame = rj_calloc(1, sizeof *frame);
    frame->memory = *memory;
    *memory = (struct rj_buf){0};
    frame->ws = rj_span_from(rj_buf_span(&frame->memory), from);
    frame->base = (struct rj_frame){.refs = 1, .bytes = frame->ws.len + OVERHEAD_BYTES, .free = free_frame};
    return &frame->base;
}

void rj_packet_frame_begin(struct rj_buf *out)
{
    rj_buf_reserve(out, MAX_HEADER);
    out->len = MAX_HEADER; /* the header is written when the length is known */
}

struct rj_frame *rj_packet_frame_end(struct rj_buf *out, const struct rj_span *attachments,
                                     size_t n_attachments)
{
    uint8_t *text = out->data + MAX_HEADER;
    size_t from = (size_t)(put_header_before(text, WS_TEXT, out->len - MAX_HEADER) - out->data);
    for (size_t i = 0; i < n_attachments; i++)
        put_binary(out, attachments[i]);
    return take(out, from);
}

struct rj_frame *rj_packet_frame_text(struct rj_span packet)
{
    struct rj_buf out = {0};
    rj_packet_frame_begin(&out);
    rj_buf_put_span(&out, packet);
    return rj_packet_frame_end(&out, NULL, 0);
}

struct rj_frame *rj_packet_frame_binary(struct rj_span data)
{
    struct rj_buf out = {0};
    put_binary(&out, data);
    return take(&out, 0);
}

struct rj_span rj_packet_frame_ws(struct rj_frame *frame)
{
    return ((struct packet_frame *)frame)->ws;
}

/* Takes the first frame off `*rest`, which are bytes of our own making. */
static struct rj_span next_payload(struct rj_span *rest, bool *is_binary)
{
    const uint8_t *at = rest->data;
    size_t len = at[1], header = 2;
    *is_binary = (at[0] & 0xf) == WS_BINARY;
    if (len >= 126) {
        header += len == 126 ? 2 : 8;
        len = 0;
        for (size_t i = 2; i < header; i++)
            len = len << 8 | at[i];
    }
    *rest = rj_span_from(*rest, header + len);
    return rj_span_of(at + header, len);
}

struct rj_span rj_packet_frame_polling(struct rj_frame *base)
{
    struct packet_frame *frame = (struct packet_frame *)base;
    struct rj_span rest = frame->polling.len ? (struct rj_span){0} : frame->ws;
    while (rest.len) {
        bool is_binary;
        struct rj_span payload = next_payload(&rest, &is_binary);
        if (frame->polling.len)
            rj_buf_put_u8(&frame->polling, RJ_EIO_SEPARATOR);
        if (is_binary)
            rj_eio_put_base64(&frame->polling, payload);
        else
            rj_buf_put_span(&frame->polling, payload);
    }
    return rj_buf_span(&frame->polling);
}
