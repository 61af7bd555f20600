/* What a front end is to the rest of the gateway: something that carries clients' packets in its own
 * protocol.
 *
 * Socket.IO (over WebSocket and long-polling) is the first; SSE will be the next. A front end owns its
 * connections and all protocol state; it calls the functions of client.h when something arrives, and the core
 * calls these when something is to leave. Nothing of Engine.IO, HTTP or libwebsockets passes this line: a
 * connection is a `void *`, a packet is a frame.
 *
 * None of these functions may call back into client.h before returning, except that `send` and `flush` may
 * find the connection dead: then the front end reports rj_client_gone later, from its own event.
 */
#ifndef RJ_FRONTEND_H
#define RJ_FRONTEND_H

#include <stdbool.h>

#include "gateway/frame.h"
#include "proto/base/span.h"

struct rj_client;

/* An event on its way to clients. All spans are borrowed for the call. */
struct rj_event {
    struct rj_span nsp;
    struct rj_span name; /* UTF-8, not yet JSON */
    struct rj_span args; /* JSON texts of the arguments, comma-separated, without brackets; may be empty */
    const struct rj_span *attachments;
    size_t n_attachments;
    struct rj_span offset; /* appended as the last argument when not empty (design §4 rule 6) */
    bool wants_ack;        /* then there is no offset */
    uint64_t ack_id;
};

/* How the core ends a client. */
enum rj_client_end {
    RJ_END_TRANSPORT, /* drop the connection, without a word of Socket.IO: the stock client reconnects */
    RJ_END_NAMESPACE, /* tell the client that the server disconnected it (41): it stays away */
    RJ_END_CLOSE,     /* tell all clients of the connection that, then close it */
};

struct rj_frontend_ops {
    const char *name; /* "socketio": a label in logs and counters */

    /* Encodes; the caller owns the reference. The result serves every client of this front end in that
     * namespace. */
    struct rj_frame *(*encode_event)(const struct rj_event *event);
    struct rj_frame *(*encode_ack)(struct rj_span nsp, uint64_t ack_id, struct rj_span args,
                                   const struct rj_span *attachments, size_t n_attachments);

    /* The client's CONNECT was accepted: answer with sid and pid (empty pid: none). */
    void (*accept)(void *conn, struct rj_client *client, struct rj_span sid, struct rj_span pid);

    /* The client's CONNECT was refused: answer with CONNECT_ERROR. `data` is JSON or empty. The core forgets
     * the client afterwards; the front end must not use it again. */
    void (*refuse)(void *conn, struct rj_client *client, struct rj_span message, struct rj_span data);

    /* Queues a frame behind everything sent before (takes its own reference). It is written at the latest
     * when the turn ends. */
    void (*send)(void *conn, struct rj_client *client, struct rj_frame *frame);

    /* Bytes that wait in this process for this connection, over all its clients. */
    size_t (*queued_bytes)(void *conn);

    /* Whether something sent now would leave at once (for volatile events). */
    bool (*is_writable)(void *conn);

    /* Asks the other side for a sign of life; rj_client_alive is called when it comes. */
    void (*probe)(void *conn);

    /* Ends the client after what is queued (NAMESPACE, CLOSE) or at once (TRANSPORT). The end of the
     * connection is the end of every other client on it, each with its own rj_client_gone later. The core
     * forgets this one; no rj_client_gone for it. `why` is for the log. */
    void (*end)(void *conn, struct rj_client *client, enum rj_client_end how, const char *why);
};

#endif
