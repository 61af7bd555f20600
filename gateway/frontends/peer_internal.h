/* The inside of a peer, for the files that serve it: peer.c, peer_http.c, peer_ws.c, server.c.
 */
#ifndef RJ_PEER_INTERNAL_H
#define RJ_PEER_INTERNAL_H

#include <libwebsockets.h>

#include "gateway/frontends/addresses.h"
#include "gateway/frontends/body.h"
#include "gateway/frontends/head.h"
#include "gateway/frontends/peer.h"
#include "gateway/frontends/receiver.h"
#include "gateway/frontends/server.h"
#include "gateway/frontends/timeq.h"
#include "gateway/frontends/ws_reader.h"

enum rj_peer_state {
    RJ_PEER_IDLE,      /* HTTP, until the next request's head is whole */
    RJ_PEER_EXCHANGE,  /* a request's body is being read, or it waits for its reply */
    RJ_PEER_ANSWERED,  /* the reply is ready, but not written */
    RJ_PEER_UPGRADING, /* the upgrade is accepted, the 101 not sent */
    RJ_PEER_WEBSOCKET,
    RJ_PEER_CLOSED,   /* nobody is interested any more */
    RJ_PEER_FLUSHING, /* our last words wait to be read */
};

struct rj_peer {
    struct rj_server *server;
    struct lws *wsi; /* from the upgrade on, which gives it the socket; NULL: the socket is source.fd */
    enum rj_peer_state state;
    bool is_half_open;       /* it has sent no whole request yet */
    bool has_begun;          /* IDLE: with a request */
    bool expects_body;       /* and it is not complete */
    bool is_overlong;        /* the body was too long for whom it was for */
    bool allows_credentials; /* to pages of allow_origin */
    bool varies_by_origin;
    bool is_head;         /* the request was a HEAD */
    bool must_close;      /* the connection ends with this reply, which waits for nothing */
    bool is_last;         /* it ends with this reply, because the client wants it so */
    bool says_keep;       /* the reply has to say that it does not end */
    bool is_ended;        /* the other side has closed, or is broken */
    bool is_served;       /* rj_peer_serve is at it … */
    bool has_asked;       /* … and has read a request */
    bool is_closing;      /* in server->closing */
    unsigned close_code;  /* then, of a WebSocket; 0: a Close frame without one */
    const char *farewell; /* then, over HTTP: a whole response, a literal; NULL: nothing */
    size_t unsent_bytes;  /* of the last write, while libwebsockets holds some of it */

    struct rj_address *address;
    struct rj_timeq_entry limit; /* until what is waited for must have come (enum rj_wait) */
    struct rj_timeq_entry turn;  /* to be served in (rj_server_serve_later) */

    struct rj_source source; /* listed as long as somebody listens to the socket */
    struct rj_head_look head;
    struct rj_body body;
    uint64_t body_bytes; /* of the content, so far */
    struct rj_ws_reader reader;
    struct rj_buf pong; /* to be sent when it can be written to */

    const struct rj_peer_events *events; /* NULL: nobody is attached */
    void *owner;
    const struct rj_request *request; /* while its handler looks at it */
    char *allow_origin;               /* owned, or NULL */
    char *subprotocol;                /* UPGRADING: for the 101; owned, or NULL */
    struct rj_buf reply;              /* ANSWERED: the bytes */
    size_t reply_sent;                /* of them */
    struct rj_buf input;              /* a body so far */
    struct rj_peer *next_closing, *prev_closing;
    struct rj_peer *next, *prev; /* in server->peers, while it speaks HTTP */
};

/* ---- HTTP (peer_http.c) */

/* Listens to the socket, which waits for its first request. False when the system refuses. */
bool rj_peer_http_start(struct rj_peer *peer, int fd);

/* Reads and answers as far as it goes without waiting; may free the peer. `is_due`: rj_server_serve_later
 * wanted it, so that everybody has had the chance to answer. Whether there was a new request. */
bool rj_peer_serve(struct rj_peer *peer, bool is_due);

/* The end, with last words where there are some. The socket is closed then or lingers; source.fd is void. */
void rj_peer_http_end(struct rj_peer *peer);

/* ---- WebSocket (peer_ws.c) */

/* Decides about the request to upgrade. True: accepted, and the peer is libwebsockets' from here; it may be
 * gone already. False: answered. */
bool rj_peer_upgrade(struct rj_peer *peer, const struct rj_request *request);

/* Handlers of the server's dispatch table: they get what libwebsockets gives, and answer what it wants. */
int rj_peer_on_confirm_upgrade(struct rj_peer *peer, void *in, size_t len);
int rj_peer_on_add_headers(struct rj_peer *peer, void *in, size_t len);
int rj_peer_on_established(struct rj_peer *peer, void *in, size_t len);
int rj_peer_on_unexpected(struct rj_peer *peer, void *in, size_t len);
int rj_peer_on_ws_writable(struct rj_peer *peer, void *in, size_t len);
int rj_peer_on_ws_drop(struct rj_peer *peer, void *in, size_t len);

/* The end of a WebSocket: false when its last words have to wait, and rj_peer_kill is to come again. */
bool rj_peer_ws_end(struct rj_peer *peer);

/* ---- both (peer.c) */

/* Tells whom is attached that it is over. The peer stays. */
void rj_peer_lose(struct rj_peer *peer, const char *fault);

/* What was waited for (rj_server_wait) has not come. */
void rj_peer_on_overdue(struct rj_peer *peer);

/* Closes in earnest. Only outside the peer's own callbacks; frees it, unless its last words have to wait. */
void rj_peer_kill(struct rj_peer *peer);

struct rj_peer *rj_peer_new(struct rj_server *server, struct rj_address *address);
void rj_peer_free(struct rj_peer *peer);

#endif
