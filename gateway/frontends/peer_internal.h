/* The inside of a peer, for the files that serve it: peer_http.c, peer_ws.c, server.c.
 */
#ifndef RJ_PEER_INTERNAL_H
#define RJ_PEER_INTERNAL_H

#include <libwebsockets.h>

#include "gateway/frontends/peer.h"
#include "gateway/frontends/server.h"

enum rj_peer_state {
    RJ_PEER_IDLE,      /* HTTP, between two exchanges */
    RJ_PEER_EXCHANGE,  /* a request is being read or waits for its reply */
    RJ_PEER_ANSWERED,  /* the reply is ready, but not written */
    RJ_PEER_UPGRADING, /* the upgrade is accepted, the 101 not sent */
    RJ_PEER_WEBSOCKET,
    RJ_PEER_CLOSED, /* nobody is interested any more */
};

struct rj_peer {
    struct rj_server *server;
    struct lws *wsi;
    enum rj_peer_state state;
    bool expects_body;   /* the request was a POST */
    bool is_body_done;   /* the body was complete once */
    bool is_head;        /* the request was a HEAD */
    bool must_close;     /* the connection ends with this reply, which waits for nothing */
    bool is_last;        /* it ends with this reply, because the client wants it so */
    bool says_keep;      /* the reply has to say that it does not end */
    bool is_written;     /* the reply was, but the kernel has not taken all of it */
    bool is_closing;     /* in server->closing */
    unsigned close_code; /* then */
    size_t unsent_bytes; /* of the last write, while libwebsockets holds some of it */

    uint64_t body_until_ms; /* when the POST must have come to its end */

    const struct rj_peer_events *events; /* NULL: nobody is attached */
    void *owner;
    char *allow_origin;  /* owned, or NULL */
    struct rj_buf reply; /* ANSWERED: the bytes */
    struct rj_buf input; /* a body or message so far */
    struct rj_peer *next_closing, *prev_closing;
};

/* Handlers of the server's dispatch table: they get what libwebsockets gives, and answer what it wants. */
int rj_peer_on_filter_http(struct rj_peer *peer, void *in, size_t len);
int rj_peer_on_http(struct rj_peer *peer, void *in, size_t len);
int rj_peer_on_body(struct rj_peer *peer, void *in, size_t len);
int rj_peer_on_body_complete(struct rj_peer *peer, void *in, size_t len);
int rj_peer_on_http_writable(struct rj_peer *peer, void *in, size_t len);
int rj_peer_on_http_drop(struct rj_peer *peer, void *in, size_t len);

int rj_peer_on_confirm_upgrade(struct rj_peer *peer, void *in, size_t len);
int rj_peer_on_established(struct rj_peer *peer, void *in, size_t len);
int rj_peer_on_receive(struct rj_peer *peer, void *in, size_t len);
int rj_peer_on_ws_writable(struct rj_peer *peer, void *in, size_t len);
int rj_peer_on_ws_drop(struct rj_peer *peer, void *in, size_t len);

/* Tells whom is attached that it is over. The peer stays until its wsi is destroyed. */
void rj_peer_lose(struct rj_peer *peer, bool is_fault);

/* Closes in earnest. Only outside the peer's own callbacks. */
void rj_peer_kill(struct rj_peer *peer);

struct rj_peer *rj_peer_new(struct rj_server *server, struct lws *wsi);
void rj_peer_free(struct rj_peer *peer);

#endif
