/* WebSocket: a session of its own, or the candidate to which a polling session moves.
 */
#include <stdlib.h>

#include "gateway/frontends/eio_internal.h"
#include "gateway/frontends/packet_frame.h"
#include "proto/base/clock.h"
#include "proto/base/mem.h"

enum { CLOSE_NORMAL = 1000, WRITE_BYTES = 64 << 10 };

/* ----------------------------------------------------------------------------------------------- writing */

void rj_eio_ws_write(struct rj_eio_session *session)
{
    struct rj_eio *eio = session->eio;
    struct rj_outbox *outbox = &session->outbox;
    while (outbox->count && rj_peer_can_write(session->websocket)) {
        size_t n;
        struct rj_span bytes = rj_outbox_gather(outbox, rj_packet_frame_ws, WRITE_BYTES, &eio->scratch, &n);
        if (!rj_peer_write(session->websocket, bytes)) {
            rj_eio_session_end(session, RJ_REASON_TRANSPORT_ERROR, "1");
            return;
        }
        eio->counters.bytes_out += bytes.len;
        eio->counters.frames_out += n;
        eio->counters.writes++;
        rj_outbox_pop(outbox, n);
    }
}

/* -------------------------------------------------------------------------------------- as the transport */

static void on_message(void *owner, struct rj_peer *peer, bool is_binary, struct rj_span data)
{
    struct rj_eio_session *session = owner;
    struct rj_eio_packet packet = {.type = RJ_EIO_MESSAGE, .is_binary = is_binary, .data = data};
    struct rj_buf *decoded = &session->eio->decoded;
    (void)peer;
    if (!rj_eio_session_listens(session))
        return;
    if (!is_binary && rj_eio_parse(data, decoded, &packet) != RJ_OK)
        rj_eio_session_fault(session, RJ_REASON_PARSE_ERROR, "no packet");
    else
        rj_eio_session_packet(session, &packet);
    rj_buf_free(decoded);
}

static void on_writable(void *owner, struct rj_peer *peer)
{
    (void)peer;
    rj_eio_mark_dirty(owner);
}

static void on_gone(void *owner, struct rj_peer *peer, const char *fault)
{
    struct rj_eio_session *session = owner;
    (void)peer;
    session->websocket = NULL;
    if (fault)
        rj_eio_session_fault(session, RJ_REASON_TRANSPORT_ERROR, fault);
    else
        rj_eio_session_end(session, RJ_REASON_TRANSPORT_CLOSE, "1");
}

static const struct rj_peer_events transport_events = {
    .on_message = on_message, .on_writable = on_writable, .on_gone = on_gone};

/* -------------------------------------------------------------------------------------- as the candidate */

static void forget_candidate(struct rj_eio_session *session)
{
    session->websocket = NULL;
    session->is_probed = false;
    rj_timeq_cancel(&session->upgrade);
    if (session->state == EIO_UPGRADING)
        session->state = EIO_POLLING;
    if (session->is_ending)
        rj_eio_mark_dirty(session); /* its close waited for the upgrade's end */
}

void rj_eio_ws_drop_candidate(struct rj_eio_session *session, const char *why)
{
    rj_eio_note_refusal(session->eio, session->websocket, why);
    rj_peer_close(session->websocket, CLOSE_NORMAL);
    forget_candidate(session);
}

static void on_probe(struct rj_eio_session *session)
{
    if (!rj_peer_can_write(session->websocket) ||
        !rj_peer_write(session->websocket, rj_packet_frame_ws(session->eio->probe))) {
        rj_eio_ws_drop_candidate(session, "an upgrade that cannot be answered");
        return;
    }
    session->is_probed = true;
    rj_eio_mark_dirty(session); /* a held GET must be answered, or the client waits for it */
}

/* "5": from here on everything goes over the WebSocket. What is queued follows. */
static void on_upgrade(struct rj_eio_session *session)
{
    struct rj_peer *websocket = session->websocket;
    forget_candidate(session);
    if (session->poll)
        rj_eio_poll_answer_with(session, "6");
    session->websocket = websocket;
    session->state = EIO_WEBSOCKET;
    session->has_mark = false; /* it was for a poll that will not come */
    session->eio->counters.upgraded++;
    session->eio->counters.websockets++;
    rj_peer_attach(websocket, &transport_events, session);
    rj_eio_mark_dirty(session);
}

static void on_candidate_message(void *owner, struct rj_peer *peer, bool is_binary, struct rj_span data)
{
    struct rj_eio_session *session = owner;
    (void)peer;
    if (!is_binary && rj_span_is(data, "2probe"))
        on_probe(session);
    else if (!is_binary && rj_span_is(data, "5"))
        on_upgrade(session);
    else
        rj_eio_ws_drop_candidate(session, "an upgrade without a probe");
}

static void on_candidate_gone(void *owner, struct rj_peer *peer, const char *fault)
{
    struct rj_eio_session *session = owner;
    if (fault)
        rj_eio_note_refusal(session->eio, peer, fault);
    forget_candidate(session);
}

static const struct rj_peer_events candidate_events = {.on_message = on_candidate_message,
                                                       .on_gone = on_candidate_gone};

/* ------------------------------------------------------------------------- between the request and the 101
 */

/* An upgrade that was accepted. The session may be gone before the WebSocket is there. */
struct ticket {
    struct rj_eio *eio;
    char sid[RJ_ID_LEN + 1];            /* of the session that upgrades; empty: */
    struct rj_eio_handshake *handshake; /* … a new one, with this */
};

static void free_ticket(struct ticket *ticket)
{
    rj_eio_handshake_free(ticket->handshake);
    free(ticket);
}

static void open_session(struct ticket *ticket, struct rj_peer *peer)
{
    struct rj_buf text = {0};
    struct rj_eio_session *session = rj_eio_session_open(ticket->eio, ticket->handshake, EIO_WEBSOCKET);
    ticket->handshake = NULL;
    session->websocket = peer;
    rj_peer_attach(peer, &transport_events, session);
    rj_packet_frame_begin(&text);
    rj_eio_session_put_open(session, &text);
    struct rj_frame *frame = rj_packet_frame_end(&text, NULL, 0);
    rj_eio_send(session, frame);
    rj_frame_unref(frame);
    rj_eio_session_tell_open(session);
}

static void open_candidate(struct ticket *ticket, struct rj_peer *peer)
{
    struct rj_eio_session *session;
    HASH_FIND(hh, ticket->eio->sessions, ticket->sid, RJ_ID_LEN, session);
    if (!session || session->state != EIO_POLLING || session->is_ending) {
        rj_eio_note_refusal(ticket->eio, peer, "an upgrade of what is not on polling any more");
        rj_peer_close(peer, CLOSE_NORMAL);
        return;
    }
    session->state = EIO_UPGRADING;
    session->websocket = peer;
    rj_peer_attach(peer, &candidate_events, session);
    rj_timeq_set(&ticket->eio->upgrades, &session->upgrade, rj_clock_mono_ms());
}

static void on_ticket_open(void *owner, struct rj_peer *peer)
{
    struct ticket *ticket = owner;
    rj_peer_detach(peer);
    if (ticket->handshake)
        open_session(ticket, peer);
    else
        open_candidate(ticket, peer);
    free_ticket(ticket);
}

static void on_ticket_gone(void *owner, struct rj_peer *peer, const char *fault)
{
    (void)peer, (void)fault;
    free_ticket(owner);
}

static const struct rj_peer_events ticket_events = {.on_open = on_ticket_open, .on_gone = on_ticket_gone};

static void refuse(struct rj_eio *eio, struct rj_peer *peer, unsigned status, const char *text)
{
    rj_eio_note_refusal(eio, peer, text);
    rj_peer_reply(peer,
                  &(struct rj_response){.status = status, .type = "text/html", .body = rj_span_str(text)});
}

/* CORS does not guard WebSockets: browsers open them to any host, so the Origin is checked here. */
static bool is_forbidden(const struct rj_eio *eio, const struct rj_request *request)
{
    const struct rj_cors *cors = &eio->options.cors;
    return rj_cors_is_on(cors) && request->origin.len && rj_cors_allowed(cors, request->origin).len == 0;
}

bool rj_eio_on_upgrade(void *context, struct rj_peer *peer, const struct rj_request *request)
{
    struct rj_eio *eio = context;
    struct rj_eio_session *session;
    unsigned refusal;
    if (!rj_eio_is_asked(eio, request->path))
        return false;
    enum rj_eio_error error = rj_eio_check(eio, request, true, &session);
    if (error != EIO_OK) {
        refuse(eio, peer, 400, rj_eio_error_text(error));
    } else if (is_forbidden(eio, request)) {
        refuse(eio, peer, 403, rj_eio_error_text(EIO_FORBIDDEN));
    } else if (!session && (refusal = rj_eio_refusal(eio, peer))) {
        refuse(eio, peer, refusal, rj_eio_refusal_text(refusal));
    } else {
        struct ticket *ticket = rj_calloc(1, sizeof *ticket);
        ticket->eio = eio;
        if (session)
            memcpy(ticket->sid, session->sid, sizeof ticket->sid);
        else
            ticket->handshake = rj_eio_handshake_new(eio, peer, request, "websocket");
        rj_peer_attach(peer, &ticket_events, ticket);
    }
    return true;
}
