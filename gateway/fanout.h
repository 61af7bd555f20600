/* Deliveries of the broker's to this gateway's clients: one frame per front end and room, shared by all
 * members.
 */
#ifndef RJ_FANOUT_H
#define RJ_FANOUT_H

#include "rejoin.pb-c.h"

struct rj_gateway;

/* A logged message for every member here. */
void rj_fanout_logged(struct rj_gateway *gateway, const Rejoin__Deliver *deliver);

/* A volatile one: for those members that can take it at once. */
void rj_fanout_volatile(struct rj_gateway *gateway, const Rejoin__Deliver *deliver);

/* A logged message that one client (deliver->client) missed. */
void rj_fanout_replay(struct rj_gateway *gateway, const Rejoin__Deliver *deliver);

#endif
