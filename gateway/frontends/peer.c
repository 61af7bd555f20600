#include "gateway/frontends/peer.h"

#include <netdb.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "gateway/frontends/peer_internal.h"
#include "proto/base/mem.h"

struct rj_peer *rj_peer_new(struct rj_server *server, struct rj_address *address)
{
    struct rj_peer *peer = rj_calloc(1, sizeof *peer);
    peer->server = server;
    peer->address = address;
    peer->source.fd = -1;
    return peer;
}

void rj_peer_free(struct rj_peer *peer)
{
    rj_peer_lose(peer, NULL);
    rj_server_forget(peer->server, peer);
    rj_timeq_cancel(&peer->limit);
    rj_timeq_cancel(&peer->turn);
    rj_ws_reader_free(&peer->reader);
    rj_buf_free(&peer->reply);
    rj_buf_free(&peer->input);
    rj_buf_free(&peer->pong);
    free(peer->allow_origin);
    free(peer->subprotocol);
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

void rj_peer_kill(struct rj_peer *peer)
{
    if (!peer->wsi) {
        rj_peer_http_end(peer);
        rj_peer_free(peer);
    } else if (rj_peer_ws_end(peer)) {
        lws_set_timeout(peer->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_SYNC);
    }
}

/* A kept connection that is idle is closed without a word, as everybody does; so is one that was opened in
 * advance and said nothing, as browsers do. Nor is there more to say to somebody who reads no answer. */
void rj_peer_on_overdue(struct rj_peer *peer)
{
    static const char response[] =
        "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    static const char why[] = "a message that does not end";
    enum { CODE_POLICY = 1008 };
    bool is_head = peer->state == RJ_PEER_IDLE && peer->has_begun;
    bool is_answered = peer->state == RJ_PEER_ANSWERED;
    bool is_body = peer->state == RJ_PEER_EXCHANGE || (is_answered && peer->expects_body);
    rj_server_count(peer->server)->overdue +=
        is_head || is_body || is_answered || peer->state == RJ_PEER_WEBSOCKET;
    if (is_head)
        rj_server_log_refusal(peer->server, peer->address, "a request that does not end");
    else if (is_answered && !is_body)
        rj_server_log_refusal(peer->server, peer->address, "an answer that is not read");
    if (is_head || is_body)
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
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof address;
    int fd = peer->wsi ? lws_get_socket_fd(peer->wsi) : peer->source.fd;
    out[0] = '\0';
    if (getpeername(fd, (struct sockaddr *)&address, &len) == 0)
        getnameinfo((struct sockaddr *)&address, len, out, RJ_ADDRESS_MAX, NULL, 0, NI_NUMERICHOST);
}
