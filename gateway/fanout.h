/* Deliveries of the broker's to this gateway's clients. A message names targets of four kinds: rooms,
 * everybody in its namespace, users, sockets. Whoever stands in any of them gets it once, by the first that
 * reaches him, unless he is excepted. It is encoded once per front end and room; once for all other kinds
 * together, whose envelope names no room; once for all when it is plain.
 */
#ifndef RJ_FANOUT_H
#define RJ_FANOUT_H

#include "rejoin.pb-c.h"

struct rj_gateway;

/* A logged message for every member here. */
void rj_fanout_logged(struct rj_gateway *gateway, const Rejoin__Deliver *deliver);

/* One of an optimistic room that is accepted but not committed: for those members that are LIVE and read.
 * When it is logged they get room:confirmed instead of it; see optimistic.h. */
void rj_fanout_pending(struct rj_gateway *gateway, const Rejoin__Deliver *deliver);

/* Tells members what has become of pending messages that a crash of the broker has lost. While linked. */
void rj_fanout_tick(struct rj_gateway *gateway, uint64_t now_ms);

/* A volatile one: for those members that can take it at once. */
void rj_fanout_volatile(struct rj_gateway *gateway, const Rejoin__Deliver *deliver);

/* A question: for every member that is connected; the broker is told whom it went to. */
void rj_fanout_ask(struct rj_gateway *gateway, const Rejoin__Deliver *deliver);

/* A logged message that one client (deliver->client) missed. */
void rj_fanout_replay(struct rj_gateway *gateway, const Rejoin__Deliver *deliver);

#endif
