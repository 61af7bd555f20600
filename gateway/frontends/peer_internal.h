/* The inside of a peer, for the files that serve it: peer_http.c, peer_ws.c, server.c.
 */
#ifndef RJ_PEER_INTERNAL_H
#define RJ_PEER_INTERNAL_H

#include <libwebsockets.h>

#include "gateway/frontends/addresses.h"
#include "gateway/frontends/peer.h"
#include "gateway/frontends/receiver.h"
#include "gateway/frontends/server.h"
#include "gateway/frontends/timeq.h"
#include "gateway/frontends/ws_reader.h"

enum rj_peer_state {
    RJ_PEER_IDLE,      /* HTTP, between two exchanges */
    RJ_PEER_EXCHANGE,  /* a request is being read or waits for its reply */
    RJ_PEER_ANSWERED,  /* the reply is ready, but not written */
    RJ_PEER_UPGRADING, /* the upgrade is accepted, the 101 not sent */
    RJ_PEER_WEBSOCKET,
    RJ_PEER_CLOSED,   /* nobody is interested any more */
    RJ_PEER_FLUSHING, /* our last words wait to be read */
};

struct rj_peer {
    struct rj_server *server;
    struct lws *wsi;
    enum rj_peer_state state;
    bool expects_body;       /* the request was a POST */
    bool is_body_done;       /* the body was complete once */
    bool allows_credentials; /* to pages of allow_origin */
    bool varies_by_origin;
    bool is_head;         /* the request was a HEAD */
    bool must_close;      /* the connection ends with this reply, which waits for nothing */
    bool is_last;         /* it ends with this reply, because the client wants it so */
    bool says_keep;       /* the reply has to say that it does not end */
    bool is_written;      /* the reply was, but the kernel has not taken all of it */
    bool is_ended;        /* the other side has closed, or is broken */
    bool is_closing;      /* in server->closing */
    unsigned close_code;  /* then, of a WebSocket; 0: a Close frame without one */
    const char *farewell; /* then, over HTTP: a whole response, a literal; NULL: nothing */
    size_t unsent_bytes;  /* of the last write, while libwebsockets holds some of it */

    struct rj_address *address;
    struct rj_timeq_entry limit; /* until what is waited for must have come (enum rj_wait) */

    struct rj_source source; /* listed while it is a WebSocket */
    struct rj_ws_reader reader;
    struct rj_buf pong; /* to be sent when it can be written to */

    const struct rj_peer_events *events; /* NULL: nobody is attached */
    void *owner;
    char *allow_origin;  /* owned, or NULL */
    struct rj_buf reply; /* ANSWERED: the bytes */
    struct rj_buf input; /* a body so far */
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
void rj_peer_lose(struct rj_peer *peer, const char *fault);

/* What was waited for (rj_server_wait) has not come. */
void rj_peer_on_overdue(struct rj_peer *peer);

/* Keeps the connection open beside libwebsockets, which is about to close it, until what was written can be
 * expected to have arrived. */
void rj_peer_linger(struct rj_peer *peer);

/* The end of a WebSocket: false when its last words have to wait, and rj_peer_kill is to come again. */
bool rj_peer_ws_end(struct rj_peer *peer);

/* Closes in earnest. Only outside the peer's own callbacks. */
void rj_peer_kill(struct rj_peer *peer);

struct rj_peer *rj_peer_new(struct rj_server *server, struct lws *wsi);
void rj_peer_free(struct rj_peer *peer);

#endif
