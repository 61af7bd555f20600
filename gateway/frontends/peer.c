#include "gateway/frontends/peer.h"

#include <stdlib.h>

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
    rj_peer_lose(peer, false);
    rj_server_unlist(peer->server, peer);
    rj_buf_free(&peer->reply);
    rj_buf_free(&peer->input);
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

void rj_peer_lose(struct rj_peer *peer, bool is_fault)
{
    const struct rj_peer_events *events = peer->events;
    void *owner = peer->owner;
    rj_peer_detach(peer);
    if (peer->state >= RJ_PEER_UPGRADING)
        peer->state = RJ_PEER_CLOSED;
    if (events && events->on_gone)
        events->on_gone(owner, peer, is_fault);
}

void rj_peer_address(struct rj_peer *peer, char out[static RJ_ADDRESS_MAX])
{
    out[0] = '\0';
    lws_get_peer_simple(peer->wsi, out, RJ_ADDRESS_MAX);
}
