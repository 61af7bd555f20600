/* The gateways: who is here, how far its stream is, which clients are attached to it.
 *
 *   Hello ─► ATTACHING ─ Ready ─► LAGGING ─ the log has been read up to now ─► LIVE ─ lease over ─► GONE
 *     ▲          its sessions re-attach     (replay.h)                           │
 *     └───────────────────────── a new Hello with the same id ───────────────────┘
 *
 * With Ready it has named all its clients that are still there. The others are detached, a bounded number a
 * turn; to whoever comes back for such a session (rj_gateways_let_go) it is detached from Ready on. It stays
 * ATTACHING until that is done: no sooner is it told what its clients missed.
 *
 * One that is LIVE and does not prove that it has got what was sent to it becomes LAGGING again: it gets the
 * rest from the log when it has, so that nothing piles up for it in memory (`gateway-bytes`).
 *
 * A gateway whose stream has ended keeps its clients until its lease is over: a short drop changes nothing.
 * One that is GONE keeps its slot until its sessions have been detached, a bounded number a turn.
 */
#ifndef RJ_GATEWAYS_H
#define RJ_GATEWAYS_H

#include "broker/peers/peer.h"
#include "broker/sessions/session.h"

struct rj_broker;
struct rj_joining;
struct rj_refill_read;
struct rj_held;

enum rj_gateway_state { RJ_GATEWAY_ATTACHING, RJ_GATEWAY_LAGGING, RJ_GATEWAY_LIVE, RJ_GATEWAY_GONE };

struct rj_gateway {
    struct rj_peer peer; /* first: a peer of its side is a gateway */
    enum rj_gateway_state state;
    uint64_t upto;              /* while not LIVE: what concerns it stands in its stream up to here */
    struct rj_session *clients; /* by handle; in the order in which they were attached */
    bool is_sifting; /* ATTACHING, and Ready: they are looked through for those that are gone … */
    struct rj_session *sift_next;    /* … from this one on; NULL: all have been */
    size_t n_sifted_out;             /* … and so many were */
    struct rj_session *replays;      /* those of them that are being replayed, the next one first … */
    struct rj_session *replays_read; /* … and those that wait for the store */
    unsigned n_replays_read;
    struct rj_held *held;               /* clients with commands that wait for the disk (held.h), by handle */
    struct rj_joining *joinings;        /* while not LIVE: joins of members, see rooms.c */
    struct rj_refill_read *refill_read; /* while LAGGING: a chunk that is on its way; else NULL */
    uint64_t refill_fresh_ms;           /* as a session's replay_fresh_ms */
    uint64_t refill_raises;  /* of rooms' floors that this refill has seen (rj_store_visit_raised) */
    uint64_t refill_dropped; /* its clients that were attached up to here are to go; a serial; 0: none */
    uint64_t refill_resumes; /* … and then it goes on from there */
};

struct rj_gateways {
    struct rj_gateway *slots[RJ_GATEWAYS_MAX];
    size_t n;
};

/* What follows a Hello of that role; the route may be known or not. */
void rj_gateways_hello(struct rj_broker *broker, uint32_t route, const Rejoin__Hello *hello);
void rj_gateways_ready(struct rj_broker *broker, struct rj_gateway *gateway);

/* Deliveries go to it as they are committed. */
static inline bool rj_gateway_is_live(const struct rj_gateway *gateway)
{
    return gateway->state == RJ_GATEWAY_LIVE && gateway->peer.stream;
}

/* A LIVE one becomes LAGGING: what comes behind `upto` reaches it by a refill. All up to there is on its
 * stream. */
void rj_gateway_fall_behind(struct rj_gateway *gateway, uint64_t upto);

/* Its client with that handle, or NULL. */
struct rj_session *rj_gateway_client(const struct rj_gateway *gateway, uint64_t handle);

/* Says to drop a client's transport; lost when there is no stream. The gateway does not answer: the caller
 * detaches the session. `why` is for its log. */
void rj_gateway_kick(struct rj_gateway *gateway, uint64_t handle, const char *why);
/* Drops and detaches its clients that were attached up to that serial, at most `most` of them. True: these
 * were all. */
bool rj_gateway_kick_older(struct rj_broker *broker, struct rj_gateway *gateway, uint64_t serial, size_t most,
                           const char *why);
/* Asks for a sign of life of a client; dropped when there is no stream. */
void rj_gateway_probe(struct rj_gateway *gateway, uint64_t handle);

/* The session with that pid (any text), if it has a connection that is known to be over and was not detached
 * yet, is detached at once: somebody comes back for it. */
void rj_gateways_let_go(struct rj_broker *broker, const char *pid);

/* One turn's share: detaches clients that gateways have not attached again, and those of gateways that are
 * GONE, which are freed when they are empty. True: there are more. */
bool rj_gateways_sweep(struct rj_broker *broker);

void rj_gateways_fini(struct rj_broker *broker);

#endif
