#include "gateway/frontends/socketio_conn.h"

#include <stdlib.h>

#include "gateway/bucket.h"
#include "gateway/engineio.h"
#include "gateway/frontends/packet_frame.h"
#include "gateway/gateway.h"
#include "proto/base/clock.h"
#include "proto/base/json.h"
#include "proto/base/mem.h"
#include "proto/names.h"

enum { HELD_PAYLOADS = 4 }; /* what a packet may hold, unless a setting says so */

struct member {
    struct rj_client *client;
    char *nsp;
    bool is_connected; /* the CONNECT was answered */
};

struct rj_sio_conn {
    struct rj_sio_shared *shared;
    struct rj_eio_session *session;
    const struct rj_eio_handshake *handshake;
    struct rj_sio_decoder decoder;
    struct member *members;
    size_t n_members;
    struct rj_timeq_entry join; /* in shared->joins until a namespace is joined */
    struct rj_timeq_entry half; /* in shared->halves while a packet waits for attachments */
    struct rj_bucket connects;  /* that it may send */
    struct rj_sio_conn *next_dead;
};

/* ---------------------------------------------------------------------------------------------- members */

static struct member *find_nsp(struct rj_sio_conn *conn, struct rj_span nsp)
{
    for (size_t i = 0; i < conn->n_members; i++) {
        if (rj_span_is(nsp, conn->members[i].nsp))
            return &conn->members[i];
    }
    return NULL;
}

static struct member *find_client(struct rj_sio_conn *conn, const struct rj_client *client)
{
    for (size_t i = 0; i < conn->n_members; i++) {
        if (conn->members[i].client == client)
            return &conn->members[i];
    }
    return NULL;
}

static struct member *add_member(struct rj_sio_conn *conn, struct rj_span nsp)
{
    conn->members = rj_realloc(conn->members, conn->n_members + 1, sizeof *conn->members);
    struct member *member = &conn->members[conn->n_members++];
    *member = (struct member){.nsp = rj_strndup((const char *)nsp.data, nsp.len)};
    return member;
}

static void remove_member(struct rj_sio_conn *conn, struct member *member)
{
    free(member->nsp);
    *member = conn->members[--conn->n_members];
}

/* --------------------------------------------------------------------------------------------- sending */

/* Starts a frame with one Socket.IO packet: an Engine.IO message. */
static struct rj_buf begin(void)
{
    struct rj_buf out = {0};
    rj_packet_frame_begin(&out);
    rj_buf_put_u8(&out, '0' + RJ_EIO_MESSAGE);
    return out;
}

static void send_now(struct rj_sio_conn *conn, struct rj_buf *text)
{
    struct rj_frame *frame = rj_packet_frame_end(text, NULL, 0);
    rj_eio_send(conn->session, frame);
    rj_frame_unref(frame);
}

static void send_connect_error(struct rj_sio_conn *conn, struct rj_span nsp, struct rj_span message,
                               struct rj_span data)
{
    struct rj_buf text = begin();
    rj_sio_put_connect_error(&text, nsp, message, data);
    send_now(conn, &text);
}

/* ------------------------------------------------------------------------------- the peer's misbehaviour */

static void close_invalid(struct rj_sio_conn *conn, enum rj_status status)
{
    conn->shared->parse_errors++;
    rj_eio_close(conn->session, RJ_REASON_FORCED_CLOSE,
                 status == RJ_TOO_LARGE  ? "a packet that is too large"
                 : status == RJ_TOO_MANY ? "too many attachments"
                 : status == RJ_TIMEOUT  ? "attachments that do not come"
                                         : "no Socket.IO packet");
}

static void close_forced(struct rj_sio_conn *conn, const char *why)
{
    conn->shared->forced_closes++;
    rj_eio_close(conn->session, RJ_REASON_FORCED_SERVER_CLOSE, why);
}

/* --------------------------------------------------------------------------------------------- receiving */

/* The string member `name` of the CONNECT payload, decoded into `out`; empty when it is missing or no string.
 */
static struct rj_span string_member(struct rj_span payload, const char *name, struct rj_buf *out)
{
    struct rj_span value;
    rj_buf_clear(out);
    if (payload.len == 0 || !rj_json_get(payload, name, &value) || rj_json_string(value, out) != RJ_OK)
        return (struct rj_span){0};
    return rj_buf_span(out);
}

static bool is_for_recovery(struct rj_span key, struct rj_span value)
{
    return rj_json_type(value) == RJ_JSON_STRING &&
           (rj_json_string_is(key, "pid") || rj_json_string_is(key, "offset"));
}

static bool has_part_for_recovery(struct rj_span payload)
{
    struct rj_json_iter iter = rj_json_iter(payload);
    struct rj_span key, value;
    while (rj_json_next_member(&iter, &key, &value)) {
        if (is_for_recovery(key, value))
            return true;
    }
    return false;
}

/* The payload without what is for the recovery: the pid is a secret that backends need not see. A pid or an
 * offset that is no string is the application's own. */
static struct rj_span auth_of(struct rj_span payload, struct rj_buf *out)
{
    struct rj_json_iter iter = rj_json_iter(payload);
    struct rj_span key, value;
    if (payload.len == 0 || !has_part_for_recovery(payload))
        return payload;
    rj_buf_clear(out);
    rj_buf_put_u8(out, '{');
    while (rj_json_next_member(&iter, &key, &value)) {
        if (is_for_recovery(key, value))
            continue;
        if (out->len > 1)
            rj_buf_put_u8(out, ',');
        rj_buf_put_span(out, key);
        rj_buf_put_u8(out, ':');
        rj_buf_put_span(out, value);
    }
    rj_buf_put_u8(out, '}');
    return rj_buf_span(out);
}

static void on_connect(struct rj_sio_conn *conn, const struct rj_sio_packet *packet)
{
    struct rj_sio_shared *shared = conn->shared;
    if (find_nsp(conn, packet->nsp)) {
        close_forced(conn, "a second CONNECT");
        return;
    }
    /* Joining and leaving by turns costs the broker a session each time. All the namespaces that a connection
     * may have can be joined at once. */
    if (!rj_bucket_take(&conn->connects, shared->max_connects, shared->max_clients + shared->max_connects,
                        rj_clock_mono_us())) {
        close_forced(conn, "too many CONNECTs");
        return;
    }
    if (packet->nsp.len > RJ_NAMESPACE_MAX || conn->n_members >= shared->max_clients) {
        enum rj_status why = packet->nsp.len > RJ_NAMESPACE_MAX ? RJ_BAD_NAMESPACE : RJ_TOO_MANY;
        send_connect_error(conn, packet->nsp, rj_span_str(rj_status_text(why)), (struct rj_span){0});
        return;
    }
    struct rj_client_request request = {
        .nsp = packet->nsp,
        .pid = string_member(packet->data, "pid", &shared->pid),
        .offset = string_member(packet->data, "offset", &shared->offset),
        .auth = shared->has_recovery ? auth_of(packet->data, &shared->auth) : packet->data,
        .address = rj_span_str(conn->handshake->address),
        .transport = rj_span_str(rj_eio_transport(conn->session)),
        .url = rj_span_str(conn->handshake->url),
        .issued_ms = conn->handshake->issued_ms,
        .headers = conn->handshake->headers,
        .n_headers = conn->handshake->n_headers,
    };
    struct member *member = add_member(conn, packet->nsp);
    member->client = rj_client_open(shared->gateway, &rj_sio_ops, conn, &request);
}

static void on_event(struct rj_sio_conn *conn, struct member *member, const struct rj_sio_packet *packet)
{
    struct rj_buf *name = &conn->shared->scratch;
    struct rj_sio_args args = rj_sio_args(packet);
    rj_buf_clear(name);
    if (rj_json_string(args.name, name) != RJ_OK)
        rj_buf_put_span(name, args.name); /* a number */
    rj_client_event(member->client, &(struct rj_client_event){
                                        .name = rj_buf_span(name),
                                        .args = args.args,
                                        .attachments = packet->attachments,
                                        .n_attachments = packet->n_attachments,
                                        .has_ack = packet->has_id,
                                        .ack_id = packet->id,
                                    });
}

static void on_disconnect(struct rj_sio_conn *conn, struct member *member)
{
    struct rj_client *client = member->client;
    remove_member(conn, member);
    rj_client_gone(client, RJ_REASON_CLIENT_NAMESPACE);
}

static void on_packet(struct rj_sio_conn *conn, const struct rj_sio_packet *packet)
{
    if (packet->type == RJ_SIO_CONNECT) {
        on_connect(conn, packet);
        return;
    }
    struct member *member = find_nsp(conn, packet->nsp);
    if (!member || !member->is_connected) {
        close_forced(conn, "a namespace that was not joined");
        return;
    }
    switch (packet->type) {
    case RJ_SIO_EVENT: on_event(conn, member, packet); break;
    case RJ_SIO_ACK:
        rj_client_ack(member->client, packet->id, rj_sio_args(packet).args, packet->attachments,
                      packet->n_attachments);
        break;
    case RJ_SIO_DISCONNECT: on_disconnect(conn, member); break;
    default: break; /* the decoder passes no other */
    }
}

static void on_message(void *context, bool is_binary, struct rj_span data)
{
    struct rj_sio_conn *conn = context;
    const struct rj_sio_limits *limits = &conn->shared->limits;
    struct rj_sio_packet packet;
    enum rj_status status = is_binary ? rj_sio_decoder_binary(&conn->decoder, data, limits, &packet)
                                      : rj_sio_decoder_text(&conn->decoder, data, limits, &packet);
    if (status == RJ_OK)
        on_packet(conn, &packet);
    else if (status != RJ_NOT_FOUND)
        close_invalid(conn, status);
    rj_sio_decoder_release(&conn->decoder);
    if (!rj_sio_decoder_is_waiting(&conn->decoder))
        rj_timeq_cancel(&conn->half);
    else if (!rj_timeq_holds(&conn->half))
        rj_timeq_set(&conn->shared->halves, &conn->half, rj_clock_mono_ms());
}

/* --------------------------------------------------------------------------------------- the session's life
 */

static void *on_open(void *context, struct rj_eio_session *session, const struct rj_eio_handshake *handshake)
{
    struct rj_sio_shared *shared = context;
    struct rj_sio_conn *conn = rj_calloc(1, sizeof *conn);
    conn->shared = shared;
    conn->session = session;
    conn->handshake = handshake;
    rj_timeq_set(&shared->joins, &conn->join, rj_clock_mono_ms());
    return conn;
}

static void on_closed(void *context, enum rj_reason reason)
{
    struct rj_sio_conn *conn = context;
    rj_timeq_cancel(&conn->join);
    rj_timeq_cancel(&conn->half);
    while (conn->n_members) {
        struct member *member = &conn->members[conn->n_members - 1];
        struct rj_client *client = member->client;
        remove_member(conn, member);
        rj_client_gone(client, reason);
    }
    conn->next_dead = conn->shared->dead;
    conn->shared->dead = conn;
}

static void on_drained(void *context)
{
    struct rj_sio_conn *conn = context;
    for (size_t i = conn->n_members; i-- > 0;) { /* backwards: it may end the client */
        if (i < conn->n_members)
            rj_client_drained(conn->members[i].client);
    }
}

static void on_mark(void *context)
{
    struct rj_sio_conn *conn = context;
    for (size_t i = 0; i < conn->n_members; i++)
        rj_client_mark(conn->members[i].client);
}

static void on_proved(void *context)
{
    struct rj_sio_conn *conn = context;
    for (size_t i = 0; i < conn->n_members; i++)
        rj_client_proved(conn->members[i].client);
}

static void on_alive(void *context)
{
    struct rj_sio_conn *conn = context;
    for (size_t i = 0; i < conn->n_members; i++)
        rj_client_alive(conn->members[i].client);
}

const struct rj_eio_callbacks rj_sio_callbacks = {
    .open = on_open,
    .message = on_message,
    .drained = on_drained,
    .mark = on_mark,
    .proved = on_proved,
    .alive = on_alive,
    .closed = on_closed,
};

#define CONN_OF(entry, member) ((struct rj_sio_conn *)((char *)(entry)-offsetof(struct rj_sio_conn, member)))

void rj_sio_init(struct rj_sio_shared *shared, struct rj_gateway *gateway)
{
    const struct rj_gateway_conf *conf = gateway->conf;
    *shared = (struct rj_sio_shared){
        .gateway = gateway,
        .limits = {.attachments = conf->max_attachments,
                   .held_bytes = conf->max_packet_bytes ? conf->max_packet_bytes
                                                        : HELD_PAYLOADS * conf->max_payload_bytes},
        .has_recovery = conf->recovery,
        .max_clients = conf->max_clients_per_connection,
        .max_connects = conf->max_connects,
    };
    rj_timeq_init(&shared->joins, conf->connect_timeout_ms);
    rj_timeq_init(&shared->halves, conf->attachments_timeout_ms);
}

void rj_sio_fini(struct rj_sio_shared *shared)
{
    rj_sio_free_dead(shared);
    rj_buf_free(&shared->scratch);
    rj_buf_free(&shared->pid);
    rj_buf_free(&shared->offset);
    rj_buf_free(&shared->auth);
}

void rj_sio_tick(struct rj_sio_shared *shared, uint64_t now_ms)
{
    struct rj_timeq_entry *entry;
    while ((entry = rj_timeq_expired(&shared->joins, now_ms)))
        close_forced(CONN_OF(entry, join), "no namespace joined in time");
    while ((entry = rj_timeq_expired(&shared->halves, now_ms)))
        close_invalid(CONN_OF(entry, half), RJ_TIMEOUT);
}

uint64_t rj_sio_deadline(const struct rj_sio_shared *shared)
{
    uint64_t join_ms = rj_timeq_first(&shared->joins), half_ms = rj_timeq_first(&shared->halves);
    return join_ms < half_ms ? join_ms : half_ms;
}

void rj_sio_free_dead(struct rj_sio_shared *shared)
{
    for (struct rj_sio_conn *conn; (conn = shared->dead);) {
        shared->dead = conn->next_dead;
        rj_sio_decoder_free(&conn->decoder);
        free(conn->members);
        free(conn);
    }
}

/* ----------------------------------------------------------------------------------- what the gateway calls
 */

static struct rj_frame *encode_event(const struct rj_event *event)
{
    struct rj_buf text = begin();
    if (event->wants_ack)
        rj_sio_put_asking_event(&text, event->nsp, event->ack_id, event->name, event->args,
                                event->n_attachments);
    else
        rj_sio_put_event(&text, event->nsp, event->name, event->args, event->offset, event->n_attachments);
    return rj_packet_frame_end(&text, event->attachments, event->n_attachments);
}

static struct rj_frame *encode_ack(struct rj_span nsp, uint64_t ack_id, struct rj_span args,
                                   const struct rj_span *attachments, size_t n_attachments)
{
    struct rj_buf text = begin();
    rj_sio_put_ack(&text, nsp, ack_id, args, n_attachments);
    return rj_packet_frame_end(&text, attachments, n_attachments);
}

static void accept_client(void *context, struct rj_client *client, struct rj_span sid, struct rj_span pid)
{
    struct rj_sio_conn *conn = context;
    struct member *member = find_client(conn, client);
    if (!member)
        return;
    member->is_connected = true;
    rj_timeq_cancel(&conn->join);
    struct rj_buf text = begin();
    rj_sio_put_connect(&text, rj_span_str(member->nsp), sid, pid);
    send_now(conn, &text);
}

static void refuse_client(void *context, struct rj_client *client, struct rj_span message,
                          struct rj_span data)
{
    struct rj_sio_conn *conn = context;
    struct member *member = find_client(conn, client);
    if (!member)
        return;
    send_connect_error(conn, rj_span_str(member->nsp), message, data);
    remove_member(conn, member);
}

static void send_frame(void *context, struct rj_client *client, struct rj_frame *frame)
{
    struct rj_sio_conn *conn = context;
    (void)client;
    rj_eio_send(conn->session, frame);
}

static size_t queued_bytes(void *context)
{
    return rj_eio_queued_bytes(((struct rj_sio_conn *)context)->session);
}

static bool is_writable(void *context)
{
    return rj_eio_is_writable(((struct rj_sio_conn *)context)->session);
}

static void probe(void *context)
{
    rj_eio_probe(((struct rj_sio_conn *)context)->session);
}

static void send_disconnect(struct rj_sio_conn *conn, const struct member *member)
{
    struct rj_buf text = begin();
    rj_sio_put_disconnect(&text, rj_span_str(member->nsp));
    send_now(conn, &text);
}

static void end_client(void *context, struct rj_client *client, enum rj_client_end how, const char *why)
{
    struct rj_sio_conn *conn = context;
    struct member *member = find_client(conn, client);
    if (!member)
        return;
    if (how == RJ_END_NAMESPACE)
        send_disconnect(conn, member);
    for (size_t i = 0; how == RJ_END_CLOSE && i < conn->n_members; i++)
        if (conn->members[i].is_connected)
            send_disconnect(conn, &conn->members[i]);
    remove_member(conn, member);
    if (how != RJ_END_NAMESPACE)
        rj_eio_close(conn->session, how == RJ_END_CLOSE ? RJ_REASON_SERVER_NAMESPACE : RJ_REASON_FORCED_CLOSE,
                     why);
}

const struct rj_frontend_ops rj_sio_ops = {
    .name = "socketio",
    .encode_event = encode_event,
    .encode_ack = encode_ack,
    .accept = accept_client,
    .refuse = refuse_client,
    .send = send_frame,
    .queued_bytes = queued_bytes,
    .is_writable = is_writable,
    .probe = probe,
    .end = end_client,
};
