#include <stdlib.h>

#include "gateway/frontends/eio_internal.h"
#include "proto/base/clock.h"
#include "proto/base/mem.h"

enum { CLOSE_NORMAL = 1000, TURN_BYTES = 64 << 10, PONGS_DUE_MAX = 100 };

struct rj_eio_session *rj_eio_session_open(struct rj_eio *eio, struct rj_eio_handshake *handshake,
                                           enum rj_eio_state state)
{
    struct rj_eio_session *session = rj_calloc(1, sizeof *session);
    session->eio = eio;
    session->state = state;
    session->handshake = handshake;
    rj_random_id(session->sid);
    HASH_ADD(hh, eio->sessions, sid, RJ_ID_LEN, session);
    rj_timeq_set(&eio->pings, &session->beat, rj_clock_mono_ms());
    eio->counters.sessions++;
    eio->counters.opened++;
    eio->counters.websockets += state == EIO_WEBSOCKET;
    return session;
}

void rj_eio_session_tell_open(struct rj_eio_session *session)
{
    const struct rj_eio_options *options = &session->eio->options;
    session->conn = options->callbacks->open(options->context, session, session->handshake);
}

void rj_eio_session_put_open(const struct rj_eio_session *session, struct rj_buf *out)
{
    const struct rj_eio_options *options = &session->eio->options;
    rj_eio_put_open(out, &(struct rj_eio_open){
                             .sid = rj_span_of(session->sid, RJ_ID_LEN),
                             .can_upgrade = session->state == EIO_POLLING,
                             .ping_interval_ms = options->ping_interval_ms,
                             .ping_timeout_ms = options->ping_timeout_ms,
                             .max_payload_bytes = options->max_payload_bytes,
                         });
}

/* --------------------------------------------------------------------------------------------- the end */

static void tell_closed(struct rj_eio_session *session, enum rj_reason reason)
{
    void *conn = session->conn;
    session->conn = NULL;
    if (conn)
        session->eio->options.callbacks->closed(conn, reason);
}

void rj_eio_session_end(struct rj_eio_session *session, enum rj_reason reason, const char *poll_answer)
{
    struct rj_eio *eio = session->eio;
    if (session->state == EIO_CLOSED)
        return;
    eio->counters.sessions -= session->state != EIO_CLOSING;
    eio->counters.websockets -= session->state == EIO_WEBSOCKET;
    session->state = EIO_CLOSED;
    HASH_DEL(eio->sessions, session);
    rj_timeq_cancel(&session->beat);
    rj_timeq_cancel(&session->upgrade);
    if (session->poll)
        rj_eio_poll_answer_with(session, poll_answer);
    if (session->post)
        rj_peer_detach(session->post); /* it is answered when its body is complete */
    if (session->websocket)
        rj_peer_close(session->websocket, CLOSE_NORMAL);
    session->post = session->websocket = NULL;
    rj_outbox_clear(&session->outbox);
    session->next_dead = eio->dead;
    eio->dead = session;
    tell_closed(session, reason);
}

void rj_eio_session_note_close(struct rj_eio_session *session, enum rj_reason reason, const char *why)
{
    unsigned held;
    if (rj_log_allowed(&session->eio->close_log, &held))
        rj_log(RJ_LOG_INFO, "connection_closed", RJ_KV_STR("address", session->handshake->address),
               RJ_KV_STR("reason", rj_reason_text(reason)), RJ_KV_STR("why", why), RJ_KV_U64("held", held));
}

void rj_eio_session_fault(struct rj_eio_session *session, enum rj_reason reason, const char *why)
{
    if (session->state == EIO_CLOSED)
        return;
    session->eio->counters.faults++;
    rj_eio_session_note_close(session, reason, why);
    rj_eio_session_end(session, reason, "1");
}

void rj_eio_session_free(struct rj_eio_session *session)
{
    rj_eio_handshake_free(session->handshake);
    free(session);
}

void rj_eio_close(struct rj_eio_session *session, enum rj_reason reason, const char *why)
{
    if (!rj_eio_session_listens(session))
        return;
    if (why)
        rj_eio_session_note_close(session, reason, why);
    session->is_ending = true;
    session->end_reason = reason;
    rj_eio_mark_dirty(session);
}

/* The server's own close, at the end of the turn. A polling client without a held GET learns it by its next.
 * One that is upgrading has stopped polling and would learn it from neither transport, so the close waits
 * until the upgrade has come to its end; that has a deadline of its own. */
static void finish_close(struct rj_eio_session *session)
{
    struct rj_eio *eio = session->eio;
    if (session->state == EIO_UPGRADING)
        return;
    if (session->state != EIO_POLLING || session->poll) {
        rj_eio_session_end(session, session->end_reason, "1");
        return;
    }
    session->state = EIO_CLOSING;
    eio->counters.sessions--;
    rj_timeq_set(&eio->closes, &session->beat, rj_clock_mono_ms());
    tell_closed(session, session->end_reason);
}

/* --------------------------------------------------------------------------------------------- packets */

bool rj_eio_session_listens(const struct rj_eio_session *session)
{
    return session->state < EIO_CLOSING && !session->is_ending;
}

void rj_eio_session_mark(struct rj_eio_session *session)
{
    session->has_mark = true;
    if (session->conn)
        session->eio->options.callbacks->mark(session->conn);
}

void rj_eio_session_proved(struct rj_eio_session *session)
{
    if (!session->has_mark)
        return;
    session->has_mark = false;
    if (session->conn)
        session->eio->options.callbacks->proved(session->conn);
}

void rj_eio_session_ping(struct rj_eio_session *session)
{
    rj_eio_send(session, session->eio->ping);
    session->pongs_due++;
    if (session->state == EIO_WEBSOCKET)
        rj_eio_session_mark(session);
}

/* A pong that is on its way may be the last that came from somebody who is dead by now, so it is the one to
 * this ping that counts. Its time-out is the asker's business: the beat goes on as it would. */
void rj_eio_probe(struct rj_eio_session *session)
{
    session->is_probed_for_life = true;
    if (rj_eio_session_listens(session) && session->pongs_due < PONGS_DUE_MAX)
        rj_eio_session_ping(session);
}

static void on_pong(struct rj_eio_session *session)
{
    if (session->pongs_due == 0 || --session->pongs_due > 0)
        return;
    rj_timeq_set(&session->eio->pings, &session->beat, rj_clock_mono_ms());
    /* Over polling it is the next poll that proves: a pong answers a ping, not what followed in its payload.
     */
    if (session->state == EIO_WEBSOCKET)
        rj_eio_session_proved(session);
    if (session->is_probed_for_life && session->conn)
        session->eio->options.callbacks->alive(session->conn);
    session->is_probed_for_life = false;
}

void rj_eio_session_packet(struct rj_eio_session *session, const struct rj_eio_packet *packet)
{
    if (!rj_eio_session_listens(session))
        return;
    switch (packet->type) {
    case RJ_EIO_MESSAGE:
        session->eio->options.callbacks->message(session->conn, packet->is_binary, packet->data);
        break;
    case RJ_EIO_PONG: on_pong(session); break;
    case RJ_EIO_CLOSE: rj_eio_session_end(session, RJ_REASON_TRANSPORT_CLOSE, "6"); break;
    case RJ_EIO_PING: rj_eio_session_fault(session, RJ_REASON_TRANSPORT_ERROR, "a client's ping"); break;
    case RJ_EIO_OPEN:
    case RJ_EIO_UPGRADE:
    case RJ_EIO_NOOP: break;
    }
}

/* --------------------------------------------------------------------------------------------- sending */

void rj_eio_send(struct rj_eio_session *session, struct rj_frame *frame)
{
    if (!rj_eio_session_listens(session))
        return;
    rj_outbox_push(&session->outbox, frame);
    session->has_sent = true;
    rj_eio_mark_dirty(session);
}

void rj_eio_session_flush(struct rj_eio_session *session)
{
    if (session->state == EIO_WEBSOCKET)
        rj_eio_ws_write(session);
    else if (session->poll && (session->outbox.count || session->is_probed))
        rj_eio_poll_answer(session);
    if (session->state >= EIO_CLOSING)
        return;
    if (session->is_ending) {
        finish_close(session);
    } else if (session->has_sent && rj_eio_queued_bytes(session) == 0) {
        session->has_sent = false;
        session->eio->options.callbacks->drained(session->conn);
    }
}

size_t rj_eio_queued_bytes(const struct rj_eio_session *session)
{
    size_t unsent = session->state == EIO_WEBSOCKET ? rj_peer_unsent_bytes(session->websocket) : 0;
    return session->outbox.bytes + unsent;
}

bool rj_eio_is_writable(const struct rj_eio_session *session)
{
    /* What is queued in this turn leaves with it, as long as it is not too much for one write. */
    if (!rj_eio_session_listens(session) || session->outbox.bytes > TURN_BYTES)
        return false;
    return session->state == EIO_WEBSOCKET ? rj_peer_can_write(session->websocket) : session->poll != NULL;
}

const char *rj_eio_transport(const struct rj_eio_session *session)
{
    return session->state == EIO_WEBSOCKET ? "websocket" : "polling";
}
