#include "tests/fuzz/fake_sessions.h"

#include "gateway/engineio.h"
#include "gateway/frontends/packet_frame.h"
#include "gateway/socketio.h"
#include "proto/base/json.h"
#include "proto/placeholder.h"
#include "tests/fuzz/fuzz.h"

enum { WS_TEXT = 1, WS_BINARY = 2, BITS_OPCODE = 0xf };

void fake_session_open(struct rj_eio_session *session, const struct rj_eio_callbacks *callbacks,
                       void *context)
{
    static const struct rj_eio_handshake handshake = {
        .address = "192.0.2.1",
        .url = "/socket.io/?EIO=4",
        .transport = "websocket",
        .issued_ms = 1,
        .headers = "host\0example.test",
        .n_headers = 1,
    };
    *session = (struct rj_eio_session){.callbacks = callbacks};
    session->conn = callbacks->open(context, session, &handshake);
    HOLDS(session->conn);
}

void fake_session_leave(struct rj_eio_session *session, enum rj_reason reason)
{
    void *conn = session->conn;
    session->conn = NULL;
    session->callbacks->closed(conn, reason);
}

void fake_session_flush(struct rj_eio_session *session)
{
    if (session->conn && session->is_closing)
        fake_session_leave(session, session->reason);
}

/* -------------------------------------------------------------------------------------- what is sent to it
 */

static void on_ack(struct rj_eio_session *session, uint64_t id)
{
    for (size_t i = 0; i < session->n_acks; i++)
        if (session->acks[i].id == id)
            HOLDS(session->acks[i].n++ == 0);
}

/* An event or ack of the server's, behind its type and number of attachments. */
static void check_packet(struct rj_eio_session *session, char type, struct rj_span rest, unsigned attachments)
{
    uint64_t id = 0;
    bool has_id = false;
    struct rj_span nsp = {0};
    if (rest.len && rest.data[0] == '/') {
        const uint8_t *comma = memchr(rest.data, ',', rest.len);
        HOLDS(comma);
        nsp = rj_span_of(rest.data, (size_t)(comma - rest.data));
        rest = rj_span_from(rest, (size_t)(comma - rest.data) + 1);
    }
    for (; rest.len && rest.data[0] >= '0' && rest.data[0] <= '9'; rest = rj_span_from(rest, 1)) {
        id = id * 10 + (uint64_t)(rest.data[0] - '0');
        has_id = true;
    }
    if (type == '1') {
        HOLDS(rest.len == 0);
        return;
    }
    HOLDS(rj_json_check(rest, UINT32_MAX) == RJ_OK);
    HOLDS(rj_placeholders_are_valid(rest, attachments));
    bool is_array = type == '2' || type == '3';
    HOLDS(rj_json_type(rest) == (is_array ? RJ_JSON_ARRAY : RJ_JSON_OBJECT));
    if (type == '3') {
        HOLDS(has_id);
        on_ack(session, id);
    } else if (type == '2' && has_id) {
        session->asked_id = id;
    } else if (type == '2') {
        fuzz_shown_event(&session->shown, nsp, rest);
    } else if (type == '0') {
        fuzz_shown_forget(&session->shown, nsp);
    }
}

static void check_text(struct rj_eio_session *session, struct rj_span text)
{
    HOLDS(session->attachments_due == 0);
    HOLDS(text.len >= 2 && text.data[0] == '0' + RJ_EIO_MESSAGE && rj_utf8_is_valid(text));
    char type = (char)text.data[1];
    struct rj_span rest = rj_span_from(text, 2);
    if (type == '5' || type == '6') {
        for (; rest.len && rest.data[0] != '-'; rest = rj_span_from(rest, 1))
            session->attachments_due = session->attachments_due * 10 + (unsigned)(rest.data[0] - '0');
        rest = rj_span_from(rest, 1);
        type = (char)(type - 3);
    }
    HOLDS(type >= '0' && type <= '4');
    check_packet(session, type, rest, session->attachments_due);
}

/* One WebSocket frame, as RFC 6455 has it; returns what is behind it. */
static struct rj_span check_frame(struct rj_eio_session *session, struct rj_span bytes)
{
    HOLDS(bytes.len >= 2 && (bytes.data[0] & 0x80));
    size_t head = bytes.data[1] < 126 ? 2 : bytes.data[1] == 126 ? 4 : 10, len = bytes.data[1];
    HOLDS(bytes.len >= head);
    if (head > 2) {
        len = 0;
        for (size_t i = 2; i < head; i++)
            len = len << 8 | bytes.data[i];
    }
    HOLDS(bytes.len - head >= len);
    struct rj_span payload = rj_span_of(bytes.data + head, len);
    if ((bytes.data[0] & BITS_OPCODE) == WS_TEXT) {
        check_text(session, payload);
    } else {
        HOLDS((bytes.data[0] & BITS_OPCODE) == WS_BINARY && session->attachments_due > 0);
        session->attachments_due--;
    }
    return rj_span_from(bytes, head + len);
}

/* ---------------------------------------------------------------------------------- gateway/frontends/eio.h
 */

void rj_eio_send(struct rj_eio_session *session, struct rj_frame *frame)
{
    HOLDS(session->conn);
    if (session->is_closing)
        return;
    for (struct rj_span rest = rj_packet_frame_ws(frame); rest.len;)
        rest = check_frame(session, rest);
    HOLDS(session->attachments_due == 0);
    HOLDS(rj_packet_frame_polling(frame).len > 0);
    if (session->is_stuck)
        session->queued_bytes += frame->bytes;
}

void rj_eio_close(struct rj_eio_session *session, enum rj_reason reason, const char *why)
{
    (void)why;
    HOLDS(session->conn);
    if (session->is_closing)
        return;
    session->is_closing = true;
    session->reason = reason;
}

size_t rj_eio_queued_bytes(const struct rj_eio_session *session)
{
    return session->queued_bytes;
}

bool rj_eio_is_writable(const struct rj_eio_session *session)
{
    return !session->is_stuck;
}

void rj_eio_probe(struct rj_eio_session *session)
{
    session->is_probed = true;
}

const char *rj_eio_transport(const struct rj_eio_session *session)
{
    (void)session;
    return "websocket";
}
