#include "gateway/frontends/peer.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "gateway/frontends/linger.h"
#include "gateway/frontends/peer_internal.h"
#include "proto/base/mem.h"

struct rj_peer *rj_peer_new(struct rj_server *server, struct lws *wsi)
{
    struct rj_peer *peer = rj_calloc(1, sizeof *peer);
    peer->server = server;
    peer->wsi = wsi;
    return peer;
}

void rj_peer_free(struct rj_peer *peer)
{
    rj_peer_lose(peer, NULL);
    rj_server_unlist(peer->server, peer);
    rj_timeq_cancel(&peer->limit);
    rj_ws_reader_free(&peer->reader);
    rj_buf_free(&peer->reply);
    rj_buf_free(&peer->input);
    rj_buf_free(&peer->pong);
    free(peer->allow_origin);
    free(peer);
}

void rj_peer_attach(struct rj_peer *peer, const struct rj_peer_events *events, void *owner)
{
    peer->events = events;
    peer->owner = owner;
}

void rj_peer_detach(struct rj_peer *peer)
{
    peer->events = NULL;
    peer->owner = NULL;
}

void rj_peer_lose(struct rj_peer *peer, const char *fault)
{
    const struct rj_peer_events *events = peer->events;
    void *owner = peer->owner;
    rj_peer_detach(peer);
    if (peer->state == RJ_PEER_UPGRADING || peer->state == RJ_PEER_WEBSOCKET)
        peer->state = RJ_PEER_CLOSED;
    if (events && events->on_gone)
        events->on_gone(owner, peer, fault);
}

/* ---------------------------------------------------------------------------------------------- closing */

void rj_peer_linger(struct rj_peer *peer)
{
    /* libwebsockets closes its own descriptor. */
    int fd = fcntl(lws_get_socket_fd(peer->wsi), F_DUPFD_CLOEXEC, 0);
    if (fd >= 0)
        rj_linger_add(rj_server_linger(peer->server), fd);
}

/* A reply that was ready and waited for the end of the body says more than any other farewell. */
static void end_http(struct rj_peer *peer)
{
    bool has_reply = peer->state == RJ_PEER_ANSWERED && !peer->is_written;
    struct rj_span last = has_reply ? rj_buf_span(&peer->reply) : rj_span_str(peer->farewell);
    peer->state = RJ_PEER_CLOSED; /* the events that follow mean nothing */
    if (last.len == 0 || lws_partial_buffered(peer->wsi))
        return;
    (void)!send(lws_get_socket_fd(peer->wsi), last.data, last.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    rj_peer_linger(peer);
}

void rj_peer_kill(struct rj_peer *peer)
{
    bool is_websocket = peer->source.on_bytes != NULL;
    if (is_websocket && !rj_peer_ws_end(peer))
        return;
    if (!is_websocket)
        end_http(peer);
    lws_set_timeout(peer->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_SYNC);
}

/* A kept connection that is idle is closed without a word, as everybody does. */
void rj_peer_on_overdue(struct rj_peer *peer)
{
    static const char response[] =
        "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    static const char why[] = "a message that does not end";
    enum { CODE_POLICY = 1008 };
    bool has_begun = peer->state == RJ_PEER_EXCHANGE || peer->state == RJ_PEER_WEBSOCKET;
    rj_server_count(peer->server)->overdue += has_begun;
    if (peer->state == RJ_PEER_EXCHANGE)
        peer->farewell = response;
    if (peer->state != RJ_PEER_FLUSHING) {
        peer->close_code = CODE_POLICY;
        rj_peer_lose(peer, why);
    }
    rj_server_close_later(peer->server, peer);
}

struct rj_address *rj_peer_site(const struct rj_peer *peer)
{
    return peer->address;
}

void rj_peer_address(struct rj_peer *peer, char out[static RJ_ADDRESS_MAX])
{
    out[0] = '\0';
    lws_get_peer_simple(peer->wsi, out, RJ_ADDRESS_MAX);
}
