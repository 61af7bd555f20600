/* Engine.IO v4 as a service of the server: sessions over long-polling, WebSocket, and the upgrade between
 * them.
 *
 * It knows nothing of what the messages mean: a user (Socket.IO; an echo in tests) gets each session's life
 * through a few callbacks. A session is freed at the end of the turn in which it closed, so pointers to it
 * stay valid until the callback `closed` has returned and the turn has ended.
 */
#ifndef RJ_EIO_H
#define RJ_EIO_H

#include "gateway/frame.h"
#include "gateway/frontends/server.h"
#include "proto/reason.h"

struct rj_eio;
struct rj_eio_session;

/* How the session was opened. Lives as long as the session. */
struct rj_eio_handshake {
    struct rj_address *site; /* held */
    const char *address;
    const char *url;
    const char *transport; /* "polling" or "websocket" */
    uint64_t issued_ms;
    const char *headers; /* n_headers times a name and a value, each with a NUL */
    size_t n_headers;
};

/* What the user of the sessions wants to know. `context` is rj_eio_options.context, `conn` what `open`
 * returned. */
struct rj_eio_callbacks {
    /* A session is open; messages can be sent at once. */
    void *(*open)(void *context, struct rj_eio_session *session, const struct rj_eio_handshake *handshake);
    void (*message)(void *conn, bool is_binary, struct rj_span data);
    /* All that was sent has been handed to the kernel (or to a poll's answer). */
    void (*drained)(void *conn);
    /* `mark`: something that will be answered is queued behind everything sent so far; `proved`: it was
     * answered, so that all before the last mark has arrived. */
    void (*mark)(void *conn);
    void (*proved)(void *conn);
    /* All pings up to rj_eio_probe's were answered. */
    void (*alive)(void *conn);
    /* The session is over, whoever ended it. */
    void (*closed)(void *conn, enum rj_reason reason);
};

struct rj_eio_options {
    const char *path; /* "/socket.io/": a prefix */
    uint64_t ping_interval_ms;
    uint64_t ping_timeout_ms;
    uint64_t upgrade_timeout_ms;
    uint64_t close_timeout_ms; /* of a polling session that was closed from here, until its next poll */
    size_t max_payload_bytes;
    size_t max_sessions;         /* 0: no limit … */
    size_t max_sessions_address; /* … and of those that were opened from one address */
    struct rj_cors cors;
    const char *cookie; /* that carries the sid from a polling handshake; NULL: none */
    const struct rj_eio_callbacks *callbacks;
    void *context;
};

/* All pointers in the options are borrowed as long as it lives. Never fails. */
struct rj_eio *rj_eio_new(const struct rj_eio_options *options);

/* The route for the server: both functions take the `struct rj_eio` as context. */
bool rj_eio_on_request(void *eio, struct rj_peer *peer, const struct rj_request *request);
bool rj_eio_on_upgrade(void *eio, struct rj_peer *peer, const struct rj_request *request);

/* The end of the turn: writes what was sent, frees what was closed. */
void rj_eio_flush(struct rj_eio *eio);

/* Fires what is due. Call when rj_eio_deadline has come; now_ms is of the monotonic clock. */
void rj_eio_tick(struct rj_eio *eio, uint64_t now_ms);

/* The next time that something is due; UINT64_MAX for never. */
uint64_t rj_eio_deadline(const struct rj_eio *eio);

/* From now on handshakes are refused with 503; sessions go on. */
void rj_eio_refuse(struct rj_eio *eio);

/* Closes up to `most` sessions; returns how many are left. */
size_t rj_eio_close_some(struct rj_eio *eio, size_t most, enum rj_reason reason);

struct rj_eio_counters {
    uint64_t sessions;   /* now */
    uint64_t websockets; /* of these */
    uint64_t opened;
    uint64_t upgraded;
    uint64_t refused; /* requests answered with an error */
    uint64_t faults;  /* sessions closed for breaking the protocol */
    uint64_t ping_timeouts;
    uint64_t bytes_out;
    uint64_t frames_out;
    uint64_t writes;
};
const struct rj_eio_counters *rj_eio_counters(const struct rj_eio *eio);

/* Closes all sessions (their users are told `reason`) and frees everything. The server must still be there.
 */
void rj_eio_free(struct rj_eio **eio, enum rj_reason reason);

/* ---- sessions */

/* Queues a frame (packet_frame.h) behind the others; takes its own reference. No effect once closed. */
void rj_eio_send(struct rj_eio_session *session, struct rj_frame *frame);

/* Ends the session when the turn ends, behind what can be written until then. `closed` is called then, not
 * from here; messages that still come are ignored. `why` is for the log: a few words, or NULL when whoever
 * decided has logged it. */
void rj_eio_close(struct rj_eio_session *session, enum rj_reason reason, const char *why);

/* Sends a ping before its time; `alive` is called when it was answered. */
void rj_eio_probe(struct rj_eio_session *session);

size_t rj_eio_queued_bytes(const struct rj_eio_session *session);

/* What is sent now leaves when the turn ends. */
bool rj_eio_is_writable(const struct rj_eio_session *session);

const char *rj_eio_transport(const struct rj_eio_session *session);

#endif
