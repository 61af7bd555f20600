/* Asks: an event to all clients that a message names, whose acks are collected until all have come, enough
 * have, or the time is over. Nothing of it is logged.
 *
 * The message goes to the gateways with members as a Deliver with the ask's id. Each says once who got it
 * (Asked), and after that each ack, or that its client has left (AskAnswer). A gateway that is lost leaves
 * its clients missing; one whose stream ends before its Asked counts as not asked.
 */
#ifndef RJ_ASK_H
#define RJ_ASK_H

#include "broker/reply.h"

enum {
    RJ_ASK_TIMEOUT_MS = 10000, /* when none is said */
    RJ_ASK_TIMEOUT_MAX_MS = 600000,
};

rj_handler rj_cmd_ask;

/* What gateways say of it. Unknown asks are over: ignored. */
void rj_ask_asked(struct rj_broker *broker, struct rj_gateway *gateway, const Rejoin__Asked *asked);
void rj_ask_answered(struct rj_broker *broker, struct rj_gateway *gateway, const Rejoin__AskAnswer *answer);

/* Its lease is over. */
void rj_asks_gateway_gone(struct rj_broker *broker, const struct rj_gateway *gateway);

/* Gives up on gateways whose stream has ended before they said who got it. */
void rj_asks_tick(struct rj_broker *broker);

void rj_asks_fini(struct rj_broker *broker);

/* Whether another ask, or a Send that wants answers, may begin: their number and what they hold is bounded.
 */
bool rj_asks_have_room(const struct rj_broker *broker);

/* How many are open, of both. */
size_t rj_asks_count(const struct rj_broker *broker);

/* How long to wait, of what was asked for. */
uint64_t rj_ask_timeout(uint32_t wanted_ms);

#endif
