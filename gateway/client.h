/* A client: one session's presence on one connection (a Socket.IO socket: one namespace of a connection).
 *
 * Created by a front end when a client asks for a namespace; owned by the gateway's table; ended by either
 * side. Its life: CONNECTING (asked the broker) → REPLAYING (a restored session gets what it missed) → LIVE →
 * BEHIND (its queue is full: the gateway stops pushing and the log fills in when the queue drains, as
 * REPLAYING again) … → gone. It never touches sockets: bytes leave through its front end.
 *
 * Exactly once: `last_pos` is the highest logged position queued for the client; anything at or below it is
 * skipped, whichever way it comes.
 */
#ifndef RJ_CLIENT_H
#define RJ_CLIENT_H

#include "gateway/frontend.h"
#include "proto/reason.h"

struct rj_gateway;

/* What a client presents when it asks for a namespace. Borrowed for the call. */
struct rj_client_request {
    struct rj_span nsp;
    struct rj_span pid;    /* empty: none presented */
    struct rj_span offset; /* empty: none presented */
    struct rj_span auth;   /* JSON object, without what is for the recovery; or empty */
    struct rj_span address;
    struct rj_span transport;
    struct rj_span url; /* path and query, percent-encoded */
    bool secure;
    uint64_t issued_ms;
    const char *headers; /* n_headers times a name and a value, each with a NUL */
    size_t n_headers;
};

/* An event that a client sent. Borrowed for the call. The JSON has passed rj_json_check. */
struct rj_client_event {
    struct rj_span name; /* decoded */
    struct rj_span args; /* JSON texts, comma-separated, without brackets */
    const struct rj_span *attachments;
    size_t n_attachments;
    bool has_ack;
    uint64_t ack_id;
};

/* The front end's side. `conn` is handed back to its ops. Never NULL; the answer comes through ops->accept or
 * ops->refuse, never before this returns. */
struct rj_client *rj_client_open(struct rj_gateway *gateway, const struct rj_frontend_ops *ops, void *conn,
                                 const struct rj_client_request *request);

/* Valid once it was accepted. An event that breaks a rule is answered by its ack (or counted), never by a
 * close. */
void rj_client_event(struct rj_client *client, const struct rj_client_event *event);

/* The answer to an event of the server's that asked for one. Unknown and repeated ids are counted and
 * ignored.
 */
void rj_client_ack(struct rj_client *client, uint64_t ack_id, struct rj_span args,
                   const struct rj_span *attachments, size_t n_attachments);

/* The connection is gone, or the client left the namespace or was told to: then its session ends, too. The
 * client is freed at the end of the turn. */
void rj_client_gone(struct rj_client *client, enum rj_reason reason);

/* The connection's queue is empty again. Called by front ends for each client of the connection. */
void rj_client_drained(struct rj_client *client);

/* Server-side cursor: rj_client_mark when a ping (or a poll's answer) is queued behind everything sent so
 * far; rj_client_proved when the pong (or the next poll) shows that it arrived. */
void rj_client_mark(struct rj_client *client);
void rj_client_proved(struct rj_client *client);

/* The connection has given the sign of life that the op `probe` asked for. */
void rj_client_alive(struct rj_client *client);

#endif
