/* The router: takes frames apart and hands each item to whom it concerns; a table maps commands to handlers
 * with their preconditions. Whatever is wrong with a frame or an item costs its sender alone: it is answered
 * where an answer is possible, counted, and logged within bounds.
 */
#ifndef RJ_ROUTER_H
#define RJ_ROUTER_H

#include "broker/broker.h"

void rj_router_frame(struct rj_broker *broker, enum rj_bus_side side, const struct rj_bus_frame *frame);

#endif
