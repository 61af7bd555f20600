/* The input is a sequence of messages as they come over one connection: each starts with a byte for its kind
 * and length (bit 7: binary; the rest: up to 127 bytes), so that attachments can follow their packet.
 */
#include "gateway/socketio.h"
#include "proto/base/json.h"
#include "proto/placeholder.h"
#include "tests/fuzz/fuzz.h"

static const struct rj_sio_limits limits = {.attachments = 3, .held_bytes = 200};

/* An ack's or event's arguments, put into a packet of ours, are read back as they were. */
static void round_trip(const struct rj_sio_packet *packet)
{
    struct rj_buf text = {0}, name = {0};
    struct rj_sio_args args = rj_sio_args(packet), again;
    struct rj_sio_packet read;
    if (packet->type == RJ_SIO_EVENT && rj_json_string(args.name, &name) == RJ_OK)
        rj_sio_put_event(&text, packet->nsp, rj_buf_span(&name), args.args, (struct rj_span){0}, 0);
    else if (packet->type == RJ_SIO_ACK)
        rj_sio_put_ack(&text, packet->nsp, packet->id, args.args, 0);
    if (text.len && !memchr(packet->nsp.data, ',', packet->nsp.len)) {
        HOLDS(rj_sio_parse(rj_buf_span(&text), &limits, &read) == RJ_OK);
        again = rj_sio_args(&read);
        HOLDS(rj_span_eq(read.nsp, packet->nsp));
        HOLDS(rj_span_eq(again.args, args.args));
        HOLDS(packet->type != RJ_SIO_ACK || read.id == packet->id);
    }
    rj_buf_free(&text);
    rj_buf_free(&name);
}

static void check(const struct rj_sio_packet *packet)
{
    HOLDS(packet->nsp.len > 0 && packet->nsp.data[0] == '/');
    HOLDS(packet->type == RJ_SIO_CONNECT || packet->type == RJ_SIO_DISCONNECT ||
          packet->type == RJ_SIO_EVENT || packet->type == RJ_SIO_ACK);
    HOLDS(packet->n_attachments <= limits.attachments);
    HOLDS(packet->data.len == 0 || rj_json_check(packet->data, RJ_JSON_DEPTH) == RJ_OK);
    if (packet->n_attachments)
        HOLDS(rj_placeholders_are_valid(packet->data, packet->n_attachments));
    size_t bytes = 0;
    for (size_t i = 0; i < packet->n_attachments; i++) {
        for (size_t k = 0; k < packet->attachments[i].len; k++)
            bytes += packet->attachments[i].data[k] | 1U; /* touches every byte */
    }
    HOLDS(bytes <= limits.held_bytes * 256);
    if (packet->type == RJ_SIO_EVENT || packet->type == RJ_SIO_ACK)
        round_trip(packet);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rj_sio_decoder decoder = {0};
    for (size_t at = 0; at < size;) {
        bool is_binary = data[at] & 0x80;
        size_t len = data[at++] & 0x7f;
        len = len < size - at ? len : size - at;
        struct rj_span message = rj_span_of(data + at, len);
        struct rj_sio_packet packet;
        bool waited = rj_sio_decoder_is_waiting(&decoder);
        enum rj_status status = is_binary ? rj_sio_decoder_binary(&decoder, message, &limits, &packet)
                                          : rj_sio_decoder_text(&decoder, message, &limits, &packet);
        HOLDS(!waited || is_binary || status == RJ_BAD_REQUEST);
        HOLDS((status == RJ_NOT_FOUND) == rj_sio_decoder_is_waiting(&decoder));
        HOLDS(decoder.text.len + decoder.bytes.len <= limits.held_bytes);
        if (status == RJ_OK)
            check(&packet);
        rj_sio_decoder_release(&decoder);
        at += len;
    }
    rj_sio_decoder_free(&decoder);
    return 0;
}
