/* Tells what the gateway's codecs make of messages, for packet_differential.test.mjs.
 *
 * Standard input: records of one byte for the kind, the length in bytes as a 32-bit little-endian number, and
 * the bytes. Standard output: a line of JSON for each.
 *
 *     R  a new connection begins
 *     T  a text message, B a binary one: what the Socket.IO decoder has now. A whole packet comes with what
 *        the encoder makes of it (`again`, without the attachments, which stay as they are)
 *     M  a text message of a WebSocket: the Engine.IO packet that it is
 *     P  the body of a polling request: its packets, and the same body written again
 *
 * Bytes stand in the output in hexadecimal. */
#include <stdio.h>
#include <stdlib.h>

#include "gateway/engineio.h"
#include "gateway/socketio.h"
#include "proto/base/json.h"

static const struct rj_sio_limits limits = {.attachments = 10, .held_bytes = 1 << 20};

static void put_hex(struct rj_buf *out, struct rj_span bytes)
{
    static const char digits[] = "0123456789abcdef";
    rj_buf_put_u8(out, '"');
    for (size_t i = 0; i < bytes.len; i++) {
        rj_buf_put_u8(out, (uint8_t)digits[bytes.data[i] >> 4]);
        rj_buf_put_u8(out, (uint8_t)digits[bytes.data[i] & 15]);
    }
    rj_buf_put_u8(out, '"');
}

/* ------------------------------------------------------------------------------------------ Socket.IO */

static void encode_again(const struct rj_sio_packet *packet, struct rj_buf *out)
{
    struct rj_sio_args args = rj_sio_args(packet);
    struct rj_buf name = {0};
    if (packet->type == RJ_SIO_ACK)
        rj_sio_put_ack(out, packet->nsp, packet->id, args.args, packet->n_attachments);
    else if (rj_json_string(args.name, &name) == RJ_OK)
        rj_sio_put_event(out, packet->nsp, rj_buf_span(&name), args.args, (struct rj_span){0},
                         packet->n_attachments);
    rj_buf_free(&name);
}

static void put_packet(const struct rj_sio_packet *packet, struct rj_buf *out)
{
    struct rj_buf again = {0};
    rj_buf_printf(out, "{\"status\":\"ok\",\"type\":%d,\"nsp\":", (int)packet->type);
    rj_json_put_string(out, packet->nsp);
    if (packet->has_id)
        rj_buf_printf(out, ",\"id\":%llu", (unsigned long long)packet->id);
    rj_buf_put_str(out, ",\"data\":");
    put_hex(out, packet->data);
    rj_buf_put_str(out, ",\"attachments\":[");
    for (size_t i = 0; i < packet->n_attachments; i++) {
        if (i)
            rj_buf_put_u8(out, ',');
        put_hex(out, packet->attachments[i]);
    }
    rj_buf_put_str(out, "],\"again\":");
    if (packet->type == RJ_SIO_EVENT || packet->type == RJ_SIO_ACK)
        encode_again(packet, &again);
    put_hex(out, rj_buf_span(&again));
    rj_buf_put_u8(out, '}');
    rj_buf_free(&again);
}

static void put_status(enum rj_status status, struct rj_buf *out)
{
    const char *text = status == RJ_NOT_FOUND ? "waiting" : rj_status_code(status);
    rj_buf_printf(out, "{\"status\":\"%s\"}", text);
}

static void decode(struct rj_sio_decoder *decoder, bool is_binary, struct rj_span bytes, struct rj_buf *out)
{
    struct rj_sio_packet packet;
    enum rj_status status = is_binary ? rj_sio_decoder_binary(decoder, bytes, &limits, &packet)
                                      : rj_sio_decoder_text(decoder, bytes, &limits, &packet);
    if (status == RJ_OK)
        put_packet(&packet, out);
    else
        put_status(status, out);
    rj_sio_decoder_release(decoder);
}

/* ------------------------------------------------------------------------------------------ Engine.IO */

static void put_again(struct rj_buf *again, const struct rj_eio_packet *packet)
{
    if (again->len)
        rj_buf_put_u8(again, RJ_EIO_SEPARATOR);
    if (packet->is_binary) {
        rj_eio_put_base64(again, packet->data);
        return;
    }
    rj_buf_put_u8(again, (uint8_t)('0' + packet->type));
    rj_buf_put_span(again, packet->data);
}

static void put_eio_packet(struct rj_buf *out, const struct rj_eio_packet *packet)
{
    rj_buf_printf(out, "{\"type\":%d,\"binary\":%s,\"data\":", (int)packet->type,
                  packet->is_binary ? "true" : "false");
    put_hex(out, packet->data);
    rj_buf_put_u8(out, '}');
}

static void read_message(struct rj_span text, struct rj_buf *out)
{
    struct rj_buf scratch = {0};
    struct rj_eio_packet packet;
    enum rj_status status = rj_eio_parse(text, &scratch, &packet);
    rj_buf_printf(out, "{\"status\":\"%s\",\"packets\":[", status == RJ_OK ? "ok" : rj_status_code(status));
    if (status == RJ_OK)
        put_eio_packet(out, &packet);
    rj_buf_put_str(out, "]}");
    rj_buf_free(&scratch);
}

static void walk(struct rj_span body, struct rj_buf *out)
{
    struct rj_eio_payload payload = rj_eio_payload(body);
    struct rj_buf scratch = {0}, packets = {0}, again = {0};
    struct rj_eio_packet packet;
    enum rj_status status;
    while ((status = rj_eio_payload_next(&payload, &scratch, &packet)) == RJ_OK) {
        if (packets.len)
            rj_buf_put_u8(&packets, ',');
        put_eio_packet(&packets, &packet);
        put_again(&again, &packet);
    }
    if (status == RJ_NOT_FOUND)
        rj_buf_put_str(out, "{\"status\":\"ok\",\"packets\":[");
    else
        rj_buf_printf(out, "{\"status\":\"%s\",\"packets\":[", rj_status_code(status));
    rj_buf_put_span(out, rj_buf_span(&packets));
    rj_buf_put_str(out, "],\"again\":");
    put_hex(out, rj_buf_span(&again));
    rj_buf_put_u8(out, '}');
    rj_buf_free(&scratch);
    rj_buf_free(&packets);
    rj_buf_free(&again);
}

/* ------------------------------------------------------------------------------------------ records */

/* False at the end of the input. */
static bool read_head(char *kind, size_t *len)
{
    uint8_t bytes[5];
    if (fread(bytes, 1, sizeof bytes, stdin) != sizeof bytes)
        return false;
    *kind = (char)bytes[0];
    *len = (size_t)bytes[1] | (size_t)bytes[2] << 8 | (size_t)bytes[3] << 16 | (size_t)bytes[4] << 24;
    return true;
}

static void handle(char kind, struct rj_sio_decoder *decoder, struct rj_span bytes, struct rj_buf *out)
{
    switch (kind) {
    case 'T':
    case 'B': decode(decoder, kind == 'B', bytes, out); break;
    case 'M': read_message(bytes, out); break;
    case 'P': walk(bytes, out); break;
    default:
        rj_sio_decoder_free(decoder);
        *decoder = (struct rj_sio_decoder){0};
        rj_buf_put_str(out, "{}");
    }
}

int main(void)
{
    struct rj_sio_decoder decoder = {0};
    struct rj_buf out = {0};
    char kind;
    size_t len;
    while (read_head(&kind, &len)) {
        /* Exactly as large as the message, so that the address sanitizer sees a read past its end. */
        uint8_t *bytes = malloc(len > 0 ? len : 1);
        if (!bytes || fread(bytes, 1, len, stdin) != len) {
            fputs("packet_driver: the input ends inside a record\n", stderr);
            free(bytes);
            return 1;
        }
        rj_buf_clear(&out);
        handle(kind, &decoder, rj_span_of(bytes, len), &out);
        rj_buf_put_u8(&out, '\n');
        fwrite(out.data, 1, out.len, stdout);
        free(bytes);
    }
    rj_sio_decoder_free(&decoder);
    rj_buf_free(&out);
    return 0;
}
