#include "print.h"

#include <math.h>
#include <string.h>

#include "proto/base/json.h"

static void put_text(struct rj_buf *out, const char *before, const char *text)
{
    rj_buf_put_str(out, before);
    rj_json_put_string(out, rj_span_str(text));
}

static void put_number(struct rj_buf *out, const char *before, uint64_t value)
{
    rj_buf_put_str(out, before);
    rj_buf_put_u64_dec(out, value);
}

static void put_text_or_null(struct rj_buf *out, const char *before, const char *text)
{
    if (*text) {
        put_text(out, before, text);
    } else {
        rj_buf_put_str(out, before);
        rj_buf_put_str(out, "null");
    }
}

/* A publisher's JSON may be laid out over lines: line breaks stand only between tokens (inside a string they
 * are escaped), where a space means the same. */
static void put_data(struct rj_buf *out, const char *data, size_t len)
{
    size_t start = out->len;
    rj_buf_put(out, data, len);
    for (size_t i = start; i < out->len; i++)
        if (out->data[i] == '\n' || out->data[i] == '\r')
            out->data[i] = ' ';
}

static void put_base64(struct rj_buf *out, struct rejoin_bytes bytes)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *in = bytes.data;
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t left = bytes.len - i;
        unsigned group = (unsigned)in[i] << 16 | (left > 1 ? (unsigned)in[i + 1] << 8 : 0) |
                         (left > 2 ? (unsigned)in[i + 2] : 0);
        rj_buf_put_u8(out, (uint8_t)alphabet[group >> 18]);
        rj_buf_put_u8(out, (uint8_t)alphabet[group >> 12 & 63]);
        rj_buf_put_u8(out, left > 1 ? (uint8_t)alphabet[group >> 6 & 63] : '=');
        rj_buf_put_u8(out, left > 2 ? (uint8_t)alphabet[group & 63] : '=');
    }
}

static void put_targets(struct rj_buf *out, const struct rejoin_message *message)
{
    static const char *const kinds[] = {"room", "namespace", "socket", "user"};
    const struct rejoin_target *target = message->targets;
    if (message->target_count == 1 && target->kind == REJOIN_ROOM) {
        put_text(out, ",\"room\":", target->name);
        put_number(out, ",\"seq\":", target->seq);
        return;
    }
    rj_buf_put_str(out, ",\"targets\":[");
    for (size_t i = 0; i < message->target_count; i++, target++) {
        bool is_known = (size_t)target->kind < sizeof kinds / sizeof kinds[0];
        put_text(out, i ? ",{\"kind\":" : "{\"kind\":", is_known ? kinds[target->kind] : "unknown");
        put_text(out, ",\"name\":", target->name);
        put_number(out, ",\"seq\":", target->seq);
        rj_buf_put_u8(out, '}');
    }
    rj_buf_put_u8(out, ']');
}

static void put_attachments(struct rj_buf *out, const struct rejoin_message *message)
{
    rj_buf_put_str(out, ",\"attachments\":[");
    for (size_t i = 0; i < message->attachment_count; i++) {
        rj_buf_put_str(out, i ? ",\"" : "\"");
        put_base64(out, message->attachments[i]);
        rj_buf_put_u8(out, '"');
    }
    rj_buf_put_u8(out, ']');
}

void rj_ctl_print_message(struct rj_buf *out, const struct rejoin_message *message)
{
    put_text(out, "{\"offset\":", message->offset);
    put_number(out, ",\"ts\":", message->ts_ms);
    put_text(out, ",\"namespace\":", message->nsp);
    put_targets(out, message);
    if (*message->id)
        put_text(out, ",\"id\":", message->id);
    put_text(out, ",\"event\":", message->event);
    put_text_or_null(out, ",\"from\":{\"user\":", message->from_user);
    put_text_or_null(out, ",\"sid\":", message->from_sid);
    rj_buf_put_u8(out, '}');
    if (*message->source)
        put_text(out, ",\"source\":", message->source);
    rj_buf_put_str(out, message->is_plain ? ",\"args\":" : ",\"data\":");
    put_data(out, message->data, message->data_len);
    if (message->attachment_count)
        put_attachments(out, message);
    rj_buf_put_u8(out, '}');
}

void rj_ctl_print_published(struct rj_buf *out, const char *room, const struct rejoin_published *published)
{
    put_text(out, "{\"room\":", room);
    put_number(out, ",\"seq\":", published->seq);
    put_text(out, ",\"offset\":", published->offset);
    put_number(out, ",\"ts\":", published->ts_ms);
    rj_buf_put_str(out, published->is_duplicate ? ",\"duplicate\":true}" : ",\"duplicate\":false}");
}

void rj_ctl_print_emitted(struct rj_buf *out, const struct rejoin_published *published)
{
    rj_buf_put_str(out, "{\"seqs\":[");
    for (size_t i = 0; i < published->seq_count; i++)
        put_number(out, i ? "," : "", published->seqs[i]);
    put_text(out, "],\"offset\":", published->offset);
    put_number(out, ",\"ts\":", published->ts_ms);
    rj_buf_put_str(out, published->is_duplicate ? ",\"duplicate\":true}" : ",\"duplicate\":false}");
}

static void put_json_or_null(struct rj_buf *out, const char *before, const char *json)
{
    rj_buf_put_str(out, before);
    if (*json)
        put_data(out, json, strlen(json));
    else
        rj_buf_put_str(out, "null");
}

/* Headers may repeat, so they are a list of pairs. */
static void put_handshake(struct rj_buf *out, const struct rejoin_handshake *handshake)
{
    put_text(out, ",\"handshake\":{\"address\":", handshake->address);
    put_text(out, ",\"transport\":", handshake->transport);
    put_text(out, ",\"url\":", handshake->url);
    rj_buf_put_str(out, handshake->is_secure ? ",\"secure\":true" : ",\"secure\":false");
    put_number(out, ",\"issued\":", handshake->issued_ms);
    rj_buf_put_str(out, ",\"headers\":[");
    for (size_t i = 0; i < handshake->header_count; i++) {
        put_text(out, i ? ",[" : "[", handshake->headers[i].name);
        put_text(out, ",", handshake->headers[i].value);
        rj_buf_put_u8(out, ']');
    }
    rj_buf_put_str(out, "]}");
}

void rj_ctl_print_socket(struct rj_buf *out, const struct rejoin_socket *socket)
{
    put_text(out, "{\"sid\":", socket->sid);
    put_text(out, ",\"namespace\":", socket->nsp);
    put_text_or_null(out, ",\"user\":", socket->user);
    rj_buf_put_str(out, ",\"rooms\":[");
    for (size_t i = 0; i < socket->rooms.count; i++)
        put_text(out, i ? "," : "", socket->rooms.names[i]);
    put_json_or_null(out, "],\"data\":", socket->data);
    put_number(out, ",\"connected\":", socket->connected_ms);
    if (*socket->auth)
        put_json_or_null(out, ",\"auth\":", socket->auth);
    if (socket->handshake)
        put_handshake(out, socket->handshake);
    rj_buf_put_u8(out, '}');
}

void rj_ctl_print_room(struct rj_buf *out, const struct rejoin_room *room)
{
    put_text(out, "{\"room\":", room->name);
    put_number(out, ",\"members\":", room->members);
    rj_buf_put_u8(out, '}');
}

void rj_ctl_print_unread(struct rj_buf *out, const struct rejoin_unread_room *room)
{
    put_text(out, "{\"room\":", room->name);
    put_number(out, ",\"unread\":", room->unread);
    put_number(out, ",\"seq\":", room->seq);
    rj_buf_put_u8(out, '}');
}

static const char *state_of(bool is_reconnecting)
{
    return is_reconnecting ? "reconnecting" : "online";
}

void rj_ctl_print_present(struct rj_buf *out, const struct rejoin_present_user *user)
{
    put_text(out, "{\"user\":", user->user);
    put_number(out, ",\"sockets\":", user->sockets);
    put_number(out, ",\"since\":", user->since_ms);
    put_text(out, ",\"state\":", state_of(user->is_reconnecting));
    if (*user->data)
        put_json_or_null(out, ",\"data\":", user->data);
    rj_buf_put_u8(out, '}');
}

void rj_ctl_print_presence(struct rj_buf *out, const struct rejoin_presence *presence)
{
    put_number(out, "{\"users\":", presence->total);
    put_number(out, ",\"reconnecting\":", presence->total_away);
    put_number(out, ",\"sockets\":", presence->sockets);
    put_number(out, ",\"anonymous\":", presence->anonymous_sockets);
    rj_buf_put_u8(out, '}');
}

void rj_ctl_print_user(struct rj_buf *out, const char *name, const struct rejoin_user *user)
{
    put_text(out, "{\"user\":", name);
    put_text(out, ",\"state\":", user->total ? state_of(user->is_reconnecting) : "offline");
    if (user->last_seen_ms)
        put_number(out, ",\"seen\":", user->last_seen_ms);
    else
        rj_buf_put_str(out, ",\"seen\":null");
    put_number(out, ",\"sockets\":", user->total);
    rj_buf_put_str(out, ",\"list\":[");
    for (size_t i = 0; i < user->count; i++) {
        if (i)
            rj_buf_put_u8(out, ',');
        rj_ctl_print_socket(out, &user->sockets[i]);
    }
    rj_buf_put_str(out, "]}");
}

void rj_ctl_print_metric(struct rj_buf *out, const struct rejoin_metric *metric)
{
    const double exact = 9007199254740992.0; /* below 2^53 a whole number is printed as one */
    bool is_whole = fabs(metric->value) < exact && metric->value == trunc(metric->value);
    rj_buf_printf(out, is_whole ? "%s %.0f" : "%s %.17g", metric->name, metric->value);
}
