#include "gateway/socketio.h"

#include <stdlib.h>

#include "proto/base/json.h"
#include "proto/base/mem.h"
#include "proto/placeholder.h"

/* JavaScript holds ids as numbers. */
enum { MAX_ID_DIGITS = 16, MAX_COUNT_DIGITS = 6 };
static const uint64_t max_id = (1ULL << 53) - 1;

/* ---------------------------------------------------------------------------------------------- reading */

static bool is_digit(struct rj_span text, size_t at)
{
    return at < text.len && text.data[at] >= '0' && text.data[at] <= '9';
}

/* Takes the digits at *at. False when there are none or more than `most`. */
static bool take_number(struct rj_span text, size_t *at, size_t most, uint64_t *out)
{
    uint64_t value = 0;
    size_t i = *at;
    for (; is_digit(text, i); i++) {
        if (i - *at == most)
            return false;
        value = value * 10 + (uint64_t)(text.data[i] - '0');
    }
    if (i == *at)
        return false;
    *at = i;
    *out = value;
    return true;
}

static enum rj_status take_attachments(struct rj_span text, size_t *at, const struct rj_sio_limits *limits,
                                       struct rj_sio_packet *packet)
{
    uint64_t n;
    if (packet->type != RJ_SIO_BINARY_EVENT && packet->type != RJ_SIO_BINARY_ACK)
        return RJ_OK;
    if (!take_number(text, at, MAX_COUNT_DIGITS, &n) || *at >= text.len || text.data[*at] != '-' || n == 0)
        return RJ_BAD_REQUEST;
    ++*at;
    if (n > limits->attachments)
        return RJ_TOO_MANY;
    packet->n_attachments = (size_t)n;
    return RJ_OK;
}

/* The comma after the namespace may be missing at the end of the text. */
static void take_namespace(struct rj_span text, size_t *at, struct rj_sio_packet *packet)
{
    packet->nsp = rj_span_str("/");
    if (*at >= text.len || text.data[*at] != '/')
        return;
    const uint8_t *comma = memchr(text.data + *at, ',', text.len - *at);
    size_t end = comma ? (size_t)(comma - text.data) : text.len;
    packet->nsp = rj_span_of(text.data + *at, end - *at);
    *at = comma ? end + 1 : end;
}

static enum rj_status take_id(struct rj_span text, size_t *at, struct rj_sio_packet *packet)
{
    if (!is_digit(text, *at))
        return RJ_OK;
    if (!take_number(text, at, MAX_ID_DIGITS, &packet->id) || packet->id > max_id)
        return RJ_BAD_REQUEST;
    packet->has_id = true;
    return RJ_OK;
}

static bool is_reserved(struct rj_span name)
{
    static const char *const reserved[] = {"connect",       "connect_error", "disconnect",
                                           "disconnecting", "newListener",   "removeListener"};
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++) {
        if (rj_json_string_is(name, reserved[i]))
            return true;
    }
    return false;
}

static bool is_event(struct rj_span data)
{
    struct rj_json_iter iter = rj_json_iter(data);
    struct rj_span name;
    if (data.len == 0 || rj_json_type(data) != RJ_JSON_ARRAY || !rj_json_next_element(&iter, &name))
        return false;
    enum rj_json_type type = rj_json_type(name);
    return type == RJ_JSON_NUMBER || (type == RJ_JSON_STRING && !is_reserved(name));
}

static bool is_allowed(const struct rj_sio_packet *packet)
{
    switch (packet->type) {
    case RJ_SIO_CONNECT: return packet->data.len == 0 || rj_json_type(packet->data) == RJ_JSON_OBJECT;
    case RJ_SIO_DISCONNECT: return packet->data.len == 0;
    case RJ_SIO_EVENT:
    case RJ_SIO_BINARY_EVENT: return is_event(packet->data);
    case RJ_SIO_ACK:
    case RJ_SIO_BINARY_ACK:
        return packet->has_id && packet->data.len && rj_json_type(packet->data) == RJ_JSON_ARRAY;
    case RJ_SIO_CONNECT_ERROR: return false; /* only servers send it */
    }
    return false;
}

enum rj_status rj_sio_parse(struct rj_span text, const struct rj_sio_limits *limits,
                            struct rj_sio_packet *out)
{
    struct rj_sio_packet packet = {0};
    size_t at = 1;
    if (text.len == 0 || text.data[0] < '0' || text.data[0] > '0' + RJ_SIO_BINARY_ACK)
        return RJ_BAD_REQUEST;
    packet.type = (enum rj_sio_type)(text.data[0] - '0');
    enum rj_status status = take_attachments(text, &at, limits, &packet);
    if (status != RJ_OK)
        return status;
    take_namespace(text, &at, &packet);
    status = take_id(text, &at, &packet);
    if (status != RJ_OK)
        return status;
    packet.data = rj_span_from(text, at);
    if (packet.data.len && rj_json_check(packet.data, RJ_JSON_DEPTH) != RJ_OK)
        return RJ_BAD_REQUEST;
    if (!is_allowed(&packet) || !rj_utf8_is_valid(packet.nsp))
        return RJ_BAD_REQUEST;
    *out = packet;
    return RJ_OK;
}

/* The text between `from` and the closing bracket of `array`. */
static struct rj_span up_to_bracket(struct rj_span array, const uint8_t *from)
{
    return rj_json_trim(rj_span_of(from, (size_t)(array.data + array.len - 1 - from)));
}

struct rj_sio_args rj_sio_args(const struct rj_sio_packet *packet)
{
    struct rj_span array = rj_json_trim(packet->data);
    struct rj_sio_args out = {0};
    if (packet->type == RJ_SIO_ACK || packet->type == RJ_SIO_BINARY_ACK) {
        out.args = up_to_bracket(array, array.data + 1);
        return out;
    }
    struct rj_json_iter iter = rj_json_iter(array);
    if (!rj_json_next_element(&iter, &out.name))
        return out;
    out.args = up_to_bracket(array, out.name.data + out.name.len);
    if (out.args.len && out.args.data[0] == ',')
        out.args = rj_json_trim(rj_span_from(out.args, 1));
    return out;
}

/* ---------------------------------------------------------------------------------------- reassembling */

/* Forgets the waiting packet, and gives a large one's memory back. */
static void reset(struct rj_sio_decoder *decoder)
{
    rj_buf_free(&decoder->text);
    rj_buf_free(&decoder->bytes);
    free(decoder->attachments);
    *decoder = (struct rj_sio_decoder){0};
}

static enum rj_status fail(struct rj_sio_decoder *decoder, enum rj_status status)
{
    reset(decoder);
    return status;
}

/* Parses the kept text again (so that no span of it needs to be kept) and joins the attachments to it. */
static enum rj_status complete(struct rj_sio_decoder *decoder, const struct rj_sio_limits *limits,
                               struct rj_sio_packet *out)
{
    struct rj_span rest = rj_buf_span(&decoder->bytes);
    for (size_t i = 0; i < decoder->expected; i++) {
        decoder->attachments[i].data = rest.data;
        rest = rj_span_from(rest, decoder->attachments[i].len);
    }
    enum rj_status status = rj_sio_parse(rj_buf_span(&decoder->text), limits, out);
    if (status != RJ_OK)
        return fail(decoder, status);
    out->type = out->type == RJ_SIO_BINARY_EVENT ? RJ_SIO_EVENT : RJ_SIO_ACK;
    out->attachments = decoder->attachments;
    out->n_attachments = decoder->expected;
    return RJ_OK;
}

void rj_sio_decoder_release(struct rj_sio_decoder *decoder)
{
    if (decoder->expected && decoder->received == decoder->expected)
        reset(decoder);
}

enum rj_status rj_sio_decoder_text(struct rj_sio_decoder *decoder, struct rj_span text,
                                   const struct rj_sio_limits *limits, struct rj_sio_packet *out)
{
    rj_sio_decoder_release(decoder);
    if (rj_sio_decoder_is_waiting(decoder))
        return fail(decoder, RJ_BAD_REQUEST);
    struct rj_sio_packet packet;
    enum rj_status status = rj_sio_parse(text, limits, &packet);
    if (status != RJ_OK)
        return status;
    if (packet.type != RJ_SIO_BINARY_EVENT && packet.type != RJ_SIO_BINARY_ACK) {
        *out = packet;
        return RJ_OK;
    }
    if (!rj_placeholders_are_valid(packet.data, packet.n_attachments))
        return RJ_BAD_REQUEST;
    if (text.len > limits->held_bytes)
        return RJ_TOO_LARGE;
    rj_buf_put_span(&decoder->text, text);
    decoder->attachments = rj_calloc(packet.n_attachments, sizeof *decoder->attachments);
    decoder->expected = packet.n_attachments;
    return RJ_NOT_FOUND;
}

enum rj_status rj_sio_decoder_binary(struct rj_sio_decoder *decoder, struct rj_span data,
                                     const struct rj_sio_limits *limits, struct rj_sio_packet *out)
{
    rj_sio_decoder_release(decoder);
    if (!rj_sio_decoder_is_waiting(decoder))
        return RJ_BAD_REQUEST;
    if (data.len > limits->held_bytes - decoder->text.len - decoder->bytes.len)
        return fail(decoder, RJ_TOO_LARGE);
    rj_buf_put_span(&decoder->bytes, data);
    decoder->attachments[decoder->received++].len = data.len;
    if (rj_sio_decoder_is_waiting(decoder))
        return RJ_NOT_FOUND;
    return complete(decoder, limits, out);
}

void rj_sio_decoder_free(struct rj_sio_decoder *decoder)
{
    reset(decoder);
}

/* ---------------------------------------------------------------------------------------------- writing */

static void put_head(struct rj_buf *out, enum rj_sio_type type, size_t n_attachments, struct rj_span nsp)
{
    rj_buf_put_u8(out, (uint8_t)('0' + type));
    if (n_attachments) {
        rj_buf_put_u64_dec(out, n_attachments);
        rj_buf_put_u8(out, '-');
    }
    if (!rj_span_is(nsp, "/")) {
        rj_buf_put_span(out, nsp);
        rj_buf_put_u8(out, ',');
    }
}

void rj_sio_put_connect(struct rj_buf *out, struct rj_span nsp, struct rj_span sid, struct rj_span pid)
{
    put_head(out, RJ_SIO_CONNECT, 0, nsp);
    rj_buf_put_str(out, "{\"sid\":");
    rj_json_put_string(out, sid);
    if (pid.len) {
        rj_buf_put_str(out, ",\"pid\":");
        rj_json_put_string(out, pid);
    }
    rj_buf_put_u8(out, '}');
}

void rj_sio_put_connect_error(struct rj_buf *out, struct rj_span nsp, struct rj_span message,
                              struct rj_span data)
{
    put_head(out, RJ_SIO_CONNECT_ERROR, 0, nsp);
    rj_buf_put_str(out, "{\"message\":");
    rj_json_put_string(out, message);
    if (data.len) {
        rj_buf_put_str(out, ",\"data\":");
        rj_buf_put_span(out, data);
    }
    rj_buf_put_u8(out, '}');
}

void rj_sio_put_disconnect(struct rj_buf *out, struct rj_span nsp)
{
    put_head(out, RJ_SIO_DISCONNECT, 0, nsp);
}

/* The array as far as it is the same for all events, without its end. */
static void put_event_args(struct rj_buf *out, struct rj_span name, struct rj_span args)
{
    rj_buf_put_u8(out, '[');
    rj_json_put_string(out, name);
    if (args.len) {
        rj_buf_put_u8(out, ',');
        rj_buf_put_span(out, args);
    }
}

void rj_sio_put_asking_event(struct rj_buf *out, struct rj_span nsp, uint64_t id, struct rj_span name,
                             struct rj_span args, size_t n_attachments)
{
    put_head(out, n_attachments ? RJ_SIO_BINARY_EVENT : RJ_SIO_EVENT, n_attachments, nsp);
    rj_buf_put_u64_dec(out, id);
    put_event_args(out, name, args);
    rj_buf_put_u8(out, ']');
}

void rj_sio_put_event(struct rj_buf *out, struct rj_span nsp, struct rj_span name, struct rj_span args,
                      struct rj_span offset, size_t n_attachments)
{
    put_head(out, n_attachments ? RJ_SIO_BINARY_EVENT : RJ_SIO_EVENT, n_attachments, nsp);
    put_event_args(out, name, args);
    if (offset.len) {
        rj_buf_put_u8(out, ',');
        rj_json_put_string(out, offset);
    }
    rj_buf_put_u8(out, ']');
}

void rj_sio_put_ack(struct rj_buf *out, struct rj_span nsp, uint64_t id, struct rj_span args,
                    size_t n_attachments)
{
    put_head(out, n_attachments ? RJ_SIO_BINARY_ACK : RJ_SIO_ACK, n_attachments, nsp);
    rj_buf_put_u64_dec(out, id);
    rj_buf_put_u8(out, '[');
    rj_buf_put_span(out, args);
    rj_buf_put_u8(out, ']');
}
