/* The Socket.IO front end: Engine.IO at the configured path, the client bundle beside it, the static pages,
 * and the gateway's own endpoints /healthz, /readyz and /metrics. Opened, driven and closed by the gateway.
 */
#ifndef RJ_FRONTENDS_SOCKETIO_H
#define RJ_FRONTENDS_SOCKETIO_H

#include "proto/base/buf.h"
#include "proto/base/status.h"
#include "proto/reason.h"

struct rj_gateway;
struct rj_socketio;

/* Starts listening, as the gateway's settings say, on the gateway's loop. Everything that fails is logged. */
enum rj_status rj_socketio_open(struct rj_gateway *gateway, struct rj_socketio **out);

/* "HOST:PORT" as it is bound; as long as the front end is open and not drained. */
const char *rj_socketio_address(const struct rj_socketio *front);

/* Once a turn, behind everything that sends and before the link sends: one write for each connection that was
 * sent something. Calls client.h: rj_client_drained, and rj_client_gone for connections that were ended. */
void rj_socketio_flush(struct rj_socketio *front);

/* Stops listening, and refuses new sessions on kept connections (503: clients try another gateway). */
void rj_socketio_drain(struct rj_socketio *front);

/* Drops the transport of up to `most` sessions, without a word of Socket.IO, when the turn ends: their
 * clients reconnect. Returns how many sessions are left. */
size_t rj_socketio_drop(struct rj_socketio *front, size_t most, enum rj_reason reason);

/* Engine.IO sessions now. */
size_t rj_socketio_connections(const struct rj_socketio *front);

/* Appends the front end's metrics in Prometheus' text form. */
void rj_socketio_put_metrics(const struct rj_socketio *front, struct rj_buf *out);

/* Ends every session ("server shutting down") and frees everything. Runs the loop until libwebsockets'
 * handles are closed: the gateway's own must be stopped. NULL is fine; the pointer is taken. */
void rj_socketio_close(struct rj_socketio **front);

#endif
