/* A peer: one gateway or backend that has said Hello, and the stream of frames to it.
 *
 * It gathers the items of a turn and sends them as numbered frames; it watches how long the other side has
 * been silent and how much is under way to it, live and of bulk (replays, refills, tails). It knows nothing
 * of clients or tails: struct rj_gateway and struct rj_backend embed it as their first member.
 *
 * A stream ends when its frames can no longer be queued (pipe full, connection gone) or a new Hello comes.
 * What was to go out on an ended stream is dropped without harm: the peer asks again on its next stream.
 */
#ifndef RJ_PEER_H
#define RJ_PEER_H

#include "broker/base/hash.h"

#include "broker/peers/bus.h"
#include "broker/stats.h"
#include "proto/wire.h"

enum {
    RJ_PEER_ID_MAX = 128,
    RJ_PEER_FRAME_BYTES = 60 << 10, /* a frame that has grown past this is sent */
    RJ_PEER_BULK_BYTES = 4 << 20,   /* bulk that may be under way without the peer's Pong */
    RJ_PEER_PINGS = 64,             /* … that are remembered; of older ones the Pongs say nothing */
};

/* How many bytes a stream has carried, of two kinds, that wait for nothing (live) or for room (bulk). */
struct rj_peer_bytes {
    uint64_t bulk, live;
};

/* Names one stream of one peer, so that what completes later can find it, or find that it is over. */
struct rj_peer_ref {
    enum rj_bus_side side;
    uint32_t slot;
    uint64_t stream;
};

struct rj_peer {
    enum rj_bus_side side;
    uint32_t slot;        /* in the table of its side */
    char *id;             /* Hello.id */
    uint32_t route;       /* of its present connection */
    uint64_t stream;      /* 0: no stream now. Never the same for two streams */
    bool has_left;        /* it has said Bye: it is gone before its lease is over */
    bool owes_need_hello; /* its pipe was full: NeedHello once it takes messages again */
    struct rj_wire_out out;
    uint64_t number;                   /* of the last frame of this stream; stays 0 for backends */
    const uint64_t *upto;              /* where Batch.upto is read when a frame goes; NULL = no statement */
    uint64_t heard_ms;                 /* monotonic */
    uint64_t sent_ms;                  /* of the last turn that sent something */
    bool has_sent;                     /* in this turn */
    uint64_t live_limit;               /* bytes of live deliveries that may be under way; 0: any number */
    struct rj_peer_bytes sent, proved; /* since the stream began; shown by a Pong to have arrived */
    struct rj_peer_bytes pinged[RJ_PEER_PINGS]; /* sent before the Ping of that number (modulo) */
    uint64_t pings, ponged;                     /* numbers of the last Ping, and of the last answered one */
    struct rj_bus *bus;
    struct rj_stats *stats;
    UT_hash_handle by_route;
};

/* One without a stream yet, in a zeroed struct. The id is copied. */
void rj_peer_init(struct rj_peer *peer, enum rj_bus_side side, uint32_t slot, const char *id,
                  struct rj_bus *bus, struct rj_stats *stats);

/* Begins a stream on a connection: numbers start again, nothing is queued. */
void rj_peer_begin(struct rj_peer *peer, uint32_t route, uint64_t stream, uint64_t now_ms);

/* It has said Bye: the stream is over, and nobody is to wait for another. */
void rj_peer_leave(struct rj_peer *peer);

/* Ends the stream, if there is one; what is queued is dropped. */
void rj_peer_end(struct rj_peer *peer);

/* Frees what the peer holds, not the peer. */
void rj_peer_fini(struct rj_peer *peer);

static inline struct rj_peer_ref rj_peer_ref(const struct rj_peer *peer)
{
    return (struct rj_peer_ref){peer->side, peer->slot, peer->stream};
}

/* Queue an item for this turn's frame; dropped when there is no stream. Either may end the stream. */
void rj_peer_put(struct rj_peer *peer, const Rejoin__Item *item);
void rj_peer_put_deliver(struct rj_peer *peer, uint64_t pos, uint64_t ts_ms, const uint64_t *seqs,
                         size_t n_seqs, struct rj_span message, uint64_t client);

/* The same as an item `pending`: accepted, not committed. */
void rj_peer_put_pending(struct rj_peer *peer, uint64_t pos, uint64_t ts_ms, struct rj_span message);

/* One that is packed already. */
void rj_peer_put_packed(struct rj_peer *peer, struct rj_span item);

/* Sends what is queued, if anything. */
void rj_peer_flush(struct rj_peer *peer, uint64_t now_ms);

/* Items that are no direct answer are bulk: put them only while there is room, and count them. Asks for proof
 * (a Ping) at times. */
bool rj_peer_has_bulk_room(const struct rj_peer *peer);
void rj_peer_count_bulk(struct rj_peer *peer, size_t bytes);

/* Put and count in one: a packed item, and a Job (wire.h). */
void rj_peer_put_bulk(struct rj_peer *peer, struct rj_span item);
void rj_peer_put_job(struct rj_peer *peer, uint64_t id, bool repeated, uint64_t timeout_ms,
                     struct rj_span body);

/* Live items go out whatever is under way; count them, and what is not needed at once stays away from a peer
 * that is behind: one that has left `live_limit` bytes of them unproved, which else would pile up in memory.
 */
bool rj_peer_is_behind(const struct rj_peer *peer);
void rj_peer_count_live(struct rj_peer *peer, size_t bytes);

/* A Pong has come: all that was put before its Ping has arrived. */
void rj_peer_prove(struct rj_peer *peer, uint64_t nonce);

void rj_peer_put_ping(struct rj_peer *peer);
void rj_peer_put_pong(struct rj_peer *peer, uint64_t nonce);

/* Tries to deliver the NeedHello that is owed. */
void rj_peer_retry_need_hello(struct rj_peer *peer);

/* To a connection that has no peer: one frame with one item, not queued. RJ_BUSY or RJ_CLOSED: not sent. */
enum rj_status rj_stranger_need_hello(struct rj_bus *bus, enum rj_bus_side side, uint32_t route);
enum rj_status rj_stranger_error(struct rj_bus *bus, enum rj_bus_side side, uint32_t route,
                                 enum rj_status status, const char *message);

#endif
