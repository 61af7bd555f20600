/* Socket.IO on one Engine.IO session: its namespaces, each a client of the gateway (client.h).
 *
 * Turns messages into calls of client.h, and the gateway's calls (frontend.h) into packets. What the
 * reference answers with a closed connection closes here too; see rj_sio_conn_message.
 */
#ifndef RJ_SOCKETIO_CONN_H
#define RJ_SOCKETIO_CONN_H

#include "gateway/client.h"
#include "gateway/frontends/eio.h"
#include "gateway/frontends/timeq.h"
#include "gateway/socketio.h"

struct rj_sio_conn;

/* What all connections of the front end share. Owned by socketio.c. */
struct rj_sio_shared {
    struct rj_gateway *gateway;
    struct rj_sio_limits limits;
    bool has_recovery;        /* pid and offset in a CONNECT are ours, not the application's */
    size_t max_clients;       /* namespaces of one connection */
    uint64_t max_connects;    /* CONNECTs of one connection a second; 0: no limit */
    struct rj_timeq joins;    /* connections that have joined no namespace yet */
    struct rj_timeq halves;   /* connections with a packet that waits for attachments */
    struct rj_sio_conn *dead; /* to be freed when the turn ends */
    struct rj_buf scratch, pid, offset, auth; /* for one packet */
    uint64_t parse_errors;                    /* connections closed for an invalid packet */
    uint64_t forced_closes; /* for breaking the protocol's order, or for joining nothing in time */
};

/* Sets it up as the gateway's settings say. */
void rj_sio_init(struct rj_sio_shared *shared, struct rj_gateway *gateway);
/* Frees what it holds. All connections are closed. */
void rj_sio_fini(struct rj_sio_shared *shared);

/* For rj_eio_options: `context` is the struct rj_sio_shared. */
extern const struct rj_eio_callbacks rj_sio_callbacks;

/* For rj_client_open. */
extern const struct rj_frontend_ops rj_sio_ops;

/* Closes the connections that joined nothing, or did not complete a packet, in time. */
void rj_sio_tick(struct rj_sio_shared *shared, uint64_t now_ms);

/* The next time that something is due; UINT64_MAX for never. */
uint64_t rj_sio_deadline(const struct rj_sio_shared *shared);

/* Frees the connections that were closed in this turn. */
void rj_sio_free_dead(struct rj_sio_shared *shared);

#endif
