/* The server: the peers that are connected, and one libwebsockets context on the gateway's libuv loop for
 * those of them that are WebSockets.
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
struct rj_address;

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
    size_t max_message_bytes;      /* of a WebSocket message or a body */
    uint64_t max_fragments;        /* frames that one WebSocket message may come in */
    size_t max_header_bytes;       /* of a request, at most RJ_MAX_HEADER_BYTES */
    size_t max_of_address;         /* connections of one address … */
    size_t max_half_open;          /* … and of them, those that have not sent a request yet */
    uint64_t handshake_timeout_ms; /* for a request's head: the first from the start, others from their first
                                      byte */
    uint64_t keepalive_timeout_ms; /* from an answer to the next request's first byte */
    uint64_t message_timeout_ms;   /* for a body or WebSocket message, from its first byte to its last */
    uint64_t stuck_timeout_ms;     /* for a reply that is not read */
};

/* What peers do wrong before anybody is attached to them. */
struct rj_server_counters {
    uint64_t refused;     /* connections of addresses that have too many */
    uint64_t unreadable;  /* requests that are none, too long, or can be read in two ways */
    uint64_t overdue;     /* requests and messages that did not come to their end */
    uint64_t broke_rules; /* WebSockets closed for breaking RFC 6455 */
};

/* RJ_UNAVAILABLE when libwebsockets or its libuv plug-in is not there. */
enum rj_status rj_server_open(const struct rj_server_options *options, struct rj_server **out);

/* Takes over an accepted socket; closes it when it cannot. */
void rj_server_adopt(struct rj_server *server, int fd);

/* Takes over a socket for which there is no room: its sender gets a 503. */
void rj_server_turn_away(struct rj_server *server, int fd);

/* TCP connections now, half-open ones and those that are being closed included. */
size_t rj_server_peers(const struct rj_server *server);

/* Of them, those that have not sent a request yet. */
size_t rj_server_half_open(const struct rj_server *server);

const struct rj_server_counters *rj_server_counters(const struct rj_server *server);

/* Once a turn, behind everything that writes: does what is due and starts the closes that were asked for. */
void rj_server_flush(struct rj_server *server);

/* Drops every connection and frees the server. Runs the loop until libwebsockets' handles are closed; the
 * caller's own handles must be closed or inactive. NULL is fine; the pointer is taken. */
void rj_server_close(struct rj_server **server);

/* ---- for peers */

const struct rj_server_options *rj_server_options(const struct rj_server *server);

/* Memory for one request; emptied by this call. */
struct rj_arena *rj_server_arena(struct rj_server *server);

/* Where a socket is read into; its bytes last until the next call. At least RJ_MAX_HEADER_BYTES + 1. */
struct rj_bytes {
    uint8_t *data;
    size_t len;
};
struct rj_bytes rj_server_room(struct rj_server *server);

/* Whether it has sent no request yet: counted, in all and at its address. */
void rj_server_set_half_open(struct rj_server *server, struct rj_peer *peer, bool is_half_open);

/* rj_peer_serve again with the next flush, when everybody had the chance to reply. */
void rj_server_serve_later(struct rj_server *server, struct rj_peer *peer);

/* Gives the peer's socket to libwebsockets, which reads this request to upgrade and answers it. The peer
 * hears of the rest through the dispatch table; when it fails, it is freed. */
void rj_server_to_websocket(struct rj_server *server, struct rj_peer *peer, struct rj_span request);

/* What a peer may keep us waiting for, one at a time. */
enum rj_wait {
    RJ_WAIT_HEAD,    /* the rest of a request's head; of the first, all */
    RJ_WAIT_NEXT,    /* its next request */
    RJ_WAIT_MESSAGE, /* the rest of a body or message */
    RJ_WAIT_STUCK,   /* that it reads a reply */
    RJ_WAIT_FLUSH,   /* … our last words */
    RJ_WAITS,
};

/* From now on; what was waited for before is forgotten. The peer is told by rj_peer_on_overdue. */
void rj_server_wait(struct rj_server *server, struct rj_peer *peer, enum rj_wait wait);

struct rj_receiver *rj_server_receiver(struct rj_server *server);
struct rj_linger *rj_server_linger(struct rj_server *server);

/* For the peers to count in. */
struct rj_server_counters *rj_server_count(struct rj_server *server);

/* Logs, not too often, that somebody was turned away. */
void rj_server_log_refusal(struct rj_server *server, const struct rj_address *address, const char *why);

void rj_server_close_later(struct rj_server *server, struct rj_peer *peer);

/* The peer is going to be freed. */
void rj_server_forget(struct rj_server *server, struct rj_peer *peer);

#endif
