/* A peer: one TCP connection to this gateway. First it speaks HTTP, one exchange (request and response) after
 * the other; an upgrade may make it a WebSocket, on libwebsockets, for the rest of its life.
 *
 * Created and freed by the server (server.h). Whoever has business with it attaches: gets its events until it
 * detaches, the exchange is answered, or the connection is gone. A peer is never freed while something is
 * attached without on_gone. Nothing here may be called from another thread.
 */
#ifndef RJ_PEER_H
#define RJ_PEER_H

#include "gateway/frontends/http.h"

struct rj_peer;

/* Called by the peer to whom is attached. Only what can happen needs to be set. */
struct rj_peer_events {
    /* The upgrade that was accepted is done: it is a WebSocket now. */
    void (*on_open)(void *owner, struct rj_peer *peer);
    /* A whole message. */
    void (*on_message)(void *owner, struct rj_peer *peer, bool is_binary, struct rj_span data);
    /* Everything written so far has left the process. */
    void (*on_writable)(void *owner, struct rj_peer *peer);
    /* The body of the POST is complete. */
    void (*on_body)(void *owner, struct rj_peer *peer, struct rj_span body);
    /* The connection is gone, or the exchange was given up by the other side; nothing is attached any more.
     * `fault`: what rule of its transport the peer broke, in a few words; NULL: none. */
    void (*on_gone)(void *owner, struct rj_peer *peer, const char *fault);
};

void rj_peer_attach(struct rj_peer *peer, const struct rj_peer_events *events, void *owner);

/* No further events. An open exchange still needs its reply; a WebSocket should be closed. */
void rj_peer_detach(struct rj_peer *peer);

/* The numeric address of the other side, NUL-terminated. */
enum { RJ_ADDRESS_MAX = 64 };
void rj_peer_address(struct rj_peer *peer, char out[static RJ_ADDRESS_MAX]);

/* Where the other side's connections and sessions are counted. Valid as long as the peer; hold it to keep it.
 */
struct rj_address;
struct rj_address *rj_peer_site(const struct rj_peer *peer);

/* ---- HTTP */

/* rj_request_put_headers, for the request that is being handled. Only within on_request and on_upgrade. */
size_t rj_peer_put_headers(struct rj_peer *peer, size_t limit_bytes, struct rj_buf *out);

/* The reply to this request tells the browser what `cors` says of the request's origin. False: nothing,
 * because CORS is off or the origin could not stand in a header. */
bool rj_peer_apply_cors(struct rj_peer *peer, const struct rj_cors *cors, const struct rj_request *request);

/* 405: what is there can only be read. */
void rj_peer_reply_read_only(struct rj_peer *peer);

/* Answers the exchange and detaches. `allow_origin`, `allows_credentials`, `varies_by_origin`, `is_head` and
 * `wants_close` are filled in by the peer where they follow from the request. */
void rj_peer_reply(struct rj_peer *peer, const struct rj_response *response);

/* ---- WebSocket */

/* Whether a write would start at once, with nothing of an earlier one still waiting. */
bool rj_peer_can_write(const struct rj_peer *peer);

/* Bytes of the last write that the kernel has not taken yet, at most. */
size_t rj_peer_unsent_bytes(const struct rj_peer *peer);

/* Writes whole frames (RFC 6455, unmasked) as they are. Only when rj_peer_can_write; what the kernel does not
 * take is kept, and on_writable comes when it has gone. False: the connection is broken, close it. */
bool rj_peer_write(struct rj_peer *peer, struct rj_span frames);

/* Detaches and closes with this code when the turn ends, behind what was written. The other side gets a
 * moment to read it. */
void rj_peer_close(struct rj_peer *peer, unsigned code);

#endif
