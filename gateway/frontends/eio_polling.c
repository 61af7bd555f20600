/* Long-polling: GET takes packets away, POST brings them. One of each at a time.
 */
#include "gateway/frontends/eio_internal.h"
#include "gateway/frontends/packet_frame.h"
#include "proto/base/utf8.h"

/* What one answer carries, unless a single frame is larger. */
enum { ANSWER_BYTES = 1 << 20 };

static struct rj_response packets(struct rj_span payload)
{
    return (struct rj_response){
        .status = 200,
        .type = "text/plain; charset=UTF-8",
        .cache = "no-store",
        .body = payload,
    };
}

static void reply_packets(struct rj_peer *peer, struct rj_span payload)
{
    struct rj_response response = packets(payload);
    rj_peer_reply(peer, &response);
}

/* ------------------------------------------------------------------------------------------------- GET */

void rj_eio_poll_answer_with(struct rj_eio_session *session, const char *packet)
{
    struct rj_peer *peer = session->poll;
    session->poll = NULL;
    reply_packets(peer, rj_span_str(packet));
}

static void take_queued(struct rj_eio_session *session, struct rj_buf *out)
{
    struct rj_outbox *outbox = &session->outbox;
    rj_buf_reuse(out);
    while (outbox->count) {
        struct rj_span bytes = rj_packet_frame_polling(rj_outbox_at(outbox, 0));
        if (out->len && bytes.len > ANSWER_BYTES - out->len)
            break;
        if (out->len)
            rj_buf_put_u8(out, RJ_EIO_SEPARATOR);
        rj_buf_put_span(out, bytes);
        session->eio->counters.frames_out++;
        rj_outbox_pop(outbox, 1);
        if (out->len >= ANSWER_BYTES)
            break;
    }
}

void rj_eio_poll_answer(struct rj_eio_session *session)
{
    struct rj_buf *scratch = &session->eio->scratch;
    if (session->outbox.count == 0) {
        rj_eio_poll_answer_with(session, "6");
        return;
    }
    take_queued(session, scratch);
    session->eio->counters.bytes_out += scratch->len;
    session->eio->counters.writes++;
    struct rj_peer *peer = session->poll;
    session->poll = NULL;
    reply_packets(peer, rj_buf_span(scratch));
    /* The next poll proves this answer; it proves all that was sent only if nothing had to wait. */
    if (session->outbox.count == 0)
        rj_eio_session_mark(session);
}

/* It broke off midway. `fault`: the peer's, so that it is from here; NULL: it went away. */
static void lose_exchange(struct rj_eio_session *session, const char *fault)
{
    if (fault)
        rj_eio_session_fault(session, RJ_REASON_TRANSPORT_ERROR, fault);
    else
        rj_eio_session_end(session, RJ_REASON_TRANSPORT_ERROR, "1");
}

static void on_poll_gone(void *owner, struct rj_peer *peer, const char *fault)
{
    struct rj_eio_session *session = owner;
    (void)peer;
    session->poll = NULL;
    lose_exchange(session, fault);
}

static const struct rj_peer_events poll_events = {.on_gone = on_poll_gone};

/* The session was closed by the server while no GET was there to tell it. What was queued before goes first,
 * in answers of its own, as from the reference: a client that finds a packet and the close in one payload
 * handles the close first. */
static void answer_closing(struct rj_eio_session *session, struct rj_peer *peer)
{
    struct rj_buf *scratch = &session->eio->scratch;
    if (session->outbox.count) {
        take_queued(session, scratch);
        reply_packets(peer, rj_buf_span(scratch));
        return;
    }
    reply_packets(peer, rj_span_str("1"));
    rj_eio_session_end(session, RJ_REASON_FORCED_CLOSE, "1");
}

static void on_get(struct rj_eio_session *session, struct rj_peer *peer)
{
    if (session->state == EIO_CLOSING) {
        answer_closing(session, peer);
        return;
    }
    if (session->poll) {
        rj_peer_reply(peer, &(struct rj_response){.status = 400});
        rj_eio_session_fault(session, RJ_REASON_TRANSPORT_ERROR, "two polls at once");
        return;
    }
    session->poll = peer;
    rj_peer_attach(peer, &poll_events, session);
    rj_eio_session_proved(session);
    rj_eio_mark_dirty(session);
}

/* The cookie is for load balancers that send a client's requests to one gateway; here nobody reads it. */
static void reply_open(struct rj_eio *eio, struct rj_peer *peer, const struct rj_eio_session *session)
{
    struct rj_buf cookie = {0};
    rj_buf_reuse(&eio->scratch);
    rj_eio_session_put_open(session, &eio->scratch);
    struct rj_response response = packets(rj_buf_span(&eio->scratch));
    if (eio->options.cookie) {
        rj_buf_printf(&cookie, "%s=%s; Path=/; HttpOnly; SameSite=Lax", eio->options.cookie, session->sid);
        response.set_cookie = rj_buf_span(&cookie);
    }
    rj_peer_reply(peer, &response);
    rj_buf_free(&cookie);
}

static void on_handshake(struct rj_eio *eio, struct rj_peer *peer, const struct rj_request *request)
{
    unsigned refusal = rj_eio_refusal(eio, peer);
    if (refusal) {
        rj_eio_note_refusal(eio, peer, rj_eio_refusal_text(refusal));
        rj_peer_reply(peer, &(struct rj_response){.status = refusal, .wants_close = true});
        return;
    }
    struct rj_eio_session *session =
        rj_eio_session_open(eio, rj_eio_handshake_new(eio, peer, request, "polling"), EIO_POLLING);
    reply_open(eio, peer, session);
    rj_eio_session_tell_open(session);
}

/* ------------------------------------------------------------------------------------------------ POST */

static void on_payload(struct rj_eio_session *session, struct rj_span body)
{
    struct rj_eio_payload payload = rj_eio_payload(body);
    struct rj_eio_packet packet;
    enum rj_status status = rj_utf8_is_valid(body) ? RJ_OK : RJ_BAD_REQUEST;
    while (status == RJ_OK && rj_eio_session_listens(session)) {
        status = rj_eio_payload_next(&payload, &session->eio->decoded, &packet);
        if (status == RJ_OK)
            rj_eio_session_packet(session, &packet);
    }
    rj_buf_free(&session->eio->decoded);
    if (status == RJ_BAD_REQUEST)
        rj_eio_session_fault(session, RJ_REASON_PARSE_ERROR, "an invalid payload");
}

static void on_post_body(void *owner, struct rj_peer *peer, struct rj_span body)
{
    struct rj_eio_session *session = owner;
    session->post = NULL;
    rj_peer_reply(peer,
                  &(struct rj_response){
                      .status = 200, .type = "text/html", .cache = "no-store", .body = rj_span_str("ok")});
    on_payload(session, body);
}

static void on_post_gone(void *owner, struct rj_peer *peer, const char *fault)
{
    struct rj_eio_session *session = owner;
    (void)peer;
    session->post = NULL;
    lose_exchange(session, fault);
}

static const struct rj_peer_events post_events = {.on_body = on_post_body, .on_gone = on_post_gone};

static bool is_octet_stream(struct rj_span type)
{
    static const char name[] = "application/octet-stream";
    return type.len >= sizeof name - 1 && strncasecmp((const char *)type.data, name, sizeof name - 1) == 0;
}

static void on_post(struct rj_eio_session *session, struct rj_peer *peer, const struct rj_request *request)
{
    if (session->post || is_octet_stream(request->content_type)) {
        rj_peer_reply(peer, &(struct rj_response){.status = 400});
        rj_eio_session_fault(session, RJ_REASON_TRANSPORT_ERROR,
                             session->post ? "two posts at once" : "a binary body");
        return;
    }
    if (request->length > session->eio->options.max_payload_bytes) {
        rj_eio_note_refusal(session->eio, peer, "body too large");
        rj_peer_reply(peer, &(struct rj_response){.status = 413});
        return;
    }
    session->post = peer;
    rj_peer_attach(peer, &post_events, session);
}

/* --------------------------------------------------------------------------------------------- requests */

static void reply_preflight(struct rj_peer *peer, const struct rj_request *request)
{
    bool is_valid = rj_origin_is_valid(request->wanted_headers);
    rj_peer_reply(peer, &(struct rj_response){
                            .status = 204,
                            .is_preflight = true,
                            .allow_headers = is_valid ? request->wanted_headers : (struct rj_span){0},
                        });
}

bool rj_eio_on_request(void *context, struct rj_peer *peer, const struct rj_request *request)
{
    struct rj_eio *eio = context;
    struct rj_eio_session *session;
    if (!rj_eio_is_asked(eio, request->path))
        return false;
    if (rj_peer_apply_cors(peer, &eio->options.cors, request) && request->method == RJ_HTTP_OPTIONS) {
        reply_preflight(peer, request);
        return true;
    }
    enum rj_eio_error error = rj_eio_check(eio, request, false, &session);
    if (error != EIO_OK)
        rj_eio_reply_error(eio, peer, error);
    else if (!session)
        on_handshake(eio, peer, request);
    else if (request->method == RJ_HTTP_GET)
        on_get(session, peer);
    else if (request->method == RJ_HTTP_POST)
        on_post(session, peer, request);
    else
        rj_peer_reply(peer, &(struct rj_response){.status = 500});
    return true;
}
