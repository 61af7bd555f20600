#include "broker/peers/peer.h"

#include <stdlib.h>

#include "proto/base/log.h"
#include "proto/base/mem.h"

enum { PROOFS = 8 }; /* asked for while a limit fills */

void rj_peer_init(struct rj_peer *peer, enum rj_bus_side side, uint32_t slot, const char *id,
                  struct rj_bus *bus, struct rj_stats *stats)
{
    peer->side = side;
    peer->slot = slot;
    peer->id = rj_strndup(id, strlen(id));
    peer->bus = bus;
    peer->stats = stats;
}

void rj_peer_begin(struct rj_peer *peer, uint32_t route, uint64_t stream, uint64_t now_ms)
{
    rj_peer_end(peer);
    peer->route = route;
    peer->stream = stream;
    peer->has_left = false;
    peer->owes_need_hello = false;
    peer->number = 0;
    peer->upto = NULL;
    peer->heard_ms = peer->sent_ms = now_ms;
    peer->sent = peer->proved = peer->pinged[0] = (struct rj_peer_bytes){0};
    peer->pings = peer->ponged = 0;
}

void rj_peer_leave(struct rj_peer *peer)
{
    rj_peer_end(peer);
    peer->has_left = true;
    peer->owes_need_hello = false;
}

void rj_peer_end(struct rj_peer *peer)
{
    peer->stream = 0;
    peer->upto = NULL;
    rj_wire_free(&peer->out);
}

void rj_peer_fini(struct rj_peer *peer)
{
    rj_wire_free(&peer->out);
    free(peer->id);
    peer->id = NULL;
}

static void on_unsent(struct rj_peer *peer, enum rj_status status)
{
    rj_peer_end(peer);
    peer->owes_need_hello = status == RJ_BUSY;
    peer->stats->streams_dropped++;
    rj_log(RJ_LOG_WARN, "stream_dropped", RJ_KV_STR("peer", peer->id),
           RJ_KV_STR("reason", status == RJ_BUSY ? "pipe_full" : "connection_gone"));
}

static void send_out(struct rj_peer *peer)
{
    uint64_t number = peer->side == RJ_BUS_GATEWAYS ? peer->number + 1 : 0;
    rj_wire_seal(&peer->out, number, peer->upto ? *peer->upto : 0);
    enum rj_status status = rj_bus_send(peer->bus, peer->side, peer->route, rj_buf_span(&peer->out.frame));
    if (status != RJ_OK) {
        on_unsent(peer, status);
        return;
    }
    peer->number = number;
    peer->has_sent = true;
    peer->stats->frames_out++;
    peer->stats->bytes_out += peer->out.frame.len;
    rj_wire_clear(&peer->out);
}

static void send_if_grown(struct rj_peer *peer)
{
    if (peer->out.frame.len >= RJ_PEER_FRAME_BYTES)
        send_out(peer);
}

void rj_peer_put(struct rj_peer *peer, const Rejoin__Item *item)
{
    if (!peer->stream)
        return;
    rj_wire_put(&peer->out, item);
    send_if_grown(peer);
}

void rj_peer_put_packed(struct rj_peer *peer, struct rj_span item)
{
    if (!peer->stream)
        return;
    rj_wire_put_packed(&peer->out, item);
    send_if_grown(peer);
}

void rj_peer_put_deliver(struct rj_peer *peer, uint64_t pos, uint64_t ts_ms, const uint64_t *seqs,
                         size_t n_seqs, struct rj_span message, uint64_t client)
{
    if (!peer->stream)
        return;
    rj_wire_put_deliver(&peer->out, pos, ts_ms, seqs, n_seqs, message, client);
    send_if_grown(peer);
}

void rj_peer_put_pending(struct rj_peer *peer, uint64_t pos, uint64_t ts_ms, struct rj_span message)
{
    if (!peer->stream)
        return;
    rj_wire_put_pending(&peer->out, pos, ts_ms, message);
    send_if_grown(peer);
}

void rj_peer_flush(struct rj_peer *peer, uint64_t now_ms)
{
    if (peer->out.items)
        send_out(peer);
    if (peer->has_sent)
        peer->sent_ms = now_ms;
    peer->has_sent = false;
}

bool rj_peer_has_bulk_room(const struct rj_peer *peer)
{
    return peer->stream && peer->sent.bulk - peer->proved.bulk < RJ_PEER_BULK_BYTES;
}

static const struct rj_peer_bytes *last_pinged(const struct rj_peer *peer)
{
    return &peer->pinged[peer->pings % RJ_PEER_PINGS];
}

void rj_peer_count_bulk(struct rj_peer *peer, size_t bytes)
{
    peer->sent.bulk += bytes;
    if (peer->sent.bulk - last_pinged(peer)->bulk >= RJ_PEER_BULK_BYTES / PROOFS)
        rj_peer_put_ping(peer);
}

bool rj_peer_is_behind(const struct rj_peer *peer)
{
    return peer->live_limit && peer->sent.live - peer->proved.live >= peer->live_limit;
}

void rj_peer_count_live(struct rj_peer *peer, size_t bytes)
{
    peer->sent.live += bytes;
    if (peer->live_limit && peer->sent.live - last_pinged(peer)->live >= peer->live_limit / PROOFS)
        rj_peer_put_ping(peer);
}

void rj_peer_put_bulk(struct rj_peer *peer, struct rj_span item)
{
    rj_peer_put_packed(peer, item);
    rj_peer_count_bulk(peer, item.len);
}

void rj_peer_put_job(struct rj_peer *peer, uint64_t id, bool repeated, uint64_t timeout_ms,
                     struct rj_span body)
{
    if (!peer->stream)
        return;
    rj_wire_put_job(&peer->out, id, repeated, timeout_ms, body);
    send_if_grown(peer);
    rj_peer_count_bulk(peer, body.len);
}

void rj_peer_prove(struct rj_peer *peer, uint64_t nonce)
{
    if (nonce <= peer->ponged || nonce > peer->pings || peer->pings - nonce >= RJ_PEER_PINGS)
        return;
    peer->ponged = nonce;
    peer->proved = peer->pinged[nonce % RJ_PEER_PINGS];
}

void rj_peer_put_ping(struct rj_peer *peer)
{
    Rejoin__Ping ping = REJOIN__PING__INIT;
    Rejoin__Item item = REJOIN__ITEM__INIT;
    if (!peer->stream)
        return;
    ping.nonce = ++peer->pings;
    peer->pinged[peer->pings % RJ_PEER_PINGS] = peer->sent;
    item.kind_case = REJOIN__ITEM__KIND_PING;
    item.ping = &ping;
    rj_peer_put(peer, &item);
}

void rj_peer_put_pong(struct rj_peer *peer, uint64_t nonce)
{
    Rejoin__Pong pong = REJOIN__PONG__INIT;
    Rejoin__Item item = REJOIN__ITEM__INIT;
    pong.nonce = nonce;
    item.kind_case = REJOIN__ITEM__KIND_PONG;
    item.pong = &pong;
    rj_peer_put(peer, &item);
}

static enum rj_status send_alone(struct rj_bus *bus, enum rj_bus_side side, uint32_t route,
                                 const Rejoin__Item *item)
{
    struct rj_wire_out out = {0};
    rj_wire_put(&out, item);
    rj_wire_seal(&out, 0, 0);
    enum rj_status status = rj_bus_send(bus, side, route, rj_buf_span(&out.frame));
    rj_wire_free(&out);
    return status;
}

enum rj_status rj_stranger_need_hello(struct rj_bus *bus, enum rj_bus_side side, uint32_t route)
{
    Rejoin__NeedHello need_hello = REJOIN__NEED_HELLO__INIT;
    Rejoin__Item item = REJOIN__ITEM__INIT;
    item.kind_case = REJOIN__ITEM__KIND_NEED_HELLO;
    item.need_hello = &need_hello;
    return send_alone(bus, side, route, &item);
}

enum rj_status rj_stranger_error(struct rj_bus *bus, enum rj_bus_side side, uint32_t route,
                                 enum rj_status status, const char *message)
{
    Rejoin__Item item = REJOIN__ITEM__INIT;
    Rejoin__Error error = REJOIN__ERROR__INIT;
    error.code = (char *)(uintptr_t)rj_status_code(status);
    error.message = (char *)(uintptr_t)(message ? message : rj_status_text(status));
    item.kind_case = REJOIN__ITEM__KIND_ERROR;
    item.error = &error;
    return send_alone(bus, side, route, &item);
}

void rj_peer_retry_need_hello(struct rj_peer *peer)
{
    if (peer->owes_need_hello && rj_stranger_need_hello(peer->bus, peer->side, peer->route) != RJ_BUSY)
        peer->owes_need_hello = false;
}
