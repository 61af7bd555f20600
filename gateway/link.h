/* The link to the broker: one DEALER, one stream at a time (rejoin.proto, "Healing").
 *
 *     DOWN ── fresh socket, Hello ──► GREETING ── Welcome: attach, repeat, Ready ──► UP
 *      ▲                                 │                                            │
 *      └────────── silence ──────────────┴── silence, a gap, NeedHello, probe ────────┘
 *
 * Only this file knows ZeroMQ. What arrives is handed to clients, fanout and commands; what leaves goes as
 * one frame a turn.
 */
#ifndef RJ_LINK_H
#define RJ_LINK_H

#include "gateway/pending.h"

struct rj_gateway;
struct rj_link;

/* Starts connecting. NULL: ZeroMQ refused the endpoint, which was logged. */
struct rj_link *rj_link_open(struct rj_gateway *gateway);
void rj_link_close(struct rj_link **link);

/* Works off what has arrived, within a budget. True: there may be more. */
bool rj_link_receive(struct rj_link *link);

/* Sends what the turn produced. True: something went out, so the socket must be looked at again. */
bool rj_link_flush(struct rj_link *link);

/* Heartbeats, leases, retries. */
void rj_link_tick(struct rj_link *link, uint64_t now_ms);

/* Puts a pending command into this turn's frame; when the link is not up, the next stream will. */
void rj_link_send(struct rj_link *link, struct rj_pending_command *command);

/* An item that nobody answers; lost when the link is not up (or NULL). */
void rj_link_notify(struct rj_link *link, const Rejoin__Item *item);

/* The largest command or item that the broker is sure to take, in bytes. `link` may be NULL. */
size_t rj_link_item_limit(const struct rj_link *link);

bool rj_link_is_up(const struct rj_link *link);
uint64_t rj_link_epoch(const struct rj_link *link);

/* Everything up to here that concerns this gateway has been worked off. */
uint64_t rj_link_stream_pos(const struct rj_link *link);

#endif
