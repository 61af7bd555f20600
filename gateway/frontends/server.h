/* The server: one libwebsockets context on the gateway's libuv loop, and the peers connected through it.
 *
 * It owns the peers and knows no protocol above HTTP and WebSocket: requests go to the first route that takes
 * them. The listener hands it accepted sockets.
 */
#ifndef RJ_SERVER_H
#define RJ_SERVER_H

#include <uv.h>

#include "gateway/frontends/peer.h"
#include "proto/base/arena.h"
#include "proto/base/status.h"

struct rj_server;

/* Somebody who answers requests. Asked in order. */
struct rj_route {
    void *context;
    /* True: taken. It has replied, or has attached itself and replies later (a POST: in on_body at the
     * latest). */
    bool (*on_request)(void *context, struct rj_peer *peer, const struct rj_request *request);
    /* A WebSocket is asked for. True: taken. It has attached itself (accepted) or replied (refused). */
    bool (*on_upgrade)(void *context, struct rj_peer *peer, const struct rj_request *request);
};

struct rj_server_options {
    uv_loop_t *loop;
    const struct rj_route *routes; /* borrowed as long as the server lives */
    size_t n_routes;
    char *const *more_headers; /* that peers can tell of; NULL ends it; NULL: none */
    size_t max_message_bytes;  /* of a WebSocket message or a body */
    int stuck_timeout_s;       /* for a reply that is not read */
};

/* RJ_UNAVAILABLE when libwebsockets or its libuv plug-in is not there. */
enum rj_status rj_server_open(const struct rj_server_options *options, struct rj_server **out);

/* Takes over an accepted socket; closes it when it cannot. */
void rj_server_adopt(struct rj_server *server, int fd);

/* TCP connections now, half-open ones included. */
size_t rj_server_peers(const struct rj_server *server);

/* Once a turn, behind everything that writes: starts the closes that were asked for. */
void rj_server_flush(struct rj_server *server);

/* Drops every connection and frees the server. Runs the loop until libwebsockets' handles are closed; the
 * caller's own handles must be closed or inactive. NULL is fine; the pointer is taken. */
void rj_server_close(struct rj_server **server);

/* ---- for peers */

const struct rj_server_options *rj_server_options(const struct rj_server *server);

/* Memory for one request; emptied by this call. */
struct rj_arena *rj_server_arena(struct rj_server *server);

/* A timeout was set outside libwebsockets' own events, which it notices only when it is woken. */
void rj_server_poke(struct rj_server *server);

void rj_server_close_later(struct rj_server *server, struct rj_peer *peer);
void rj_server_unlist(struct rj_server *server, struct rj_peer *peer);

#endif
