/* The router: takes frames apart and hands each item to whom it concerns; a table maps commands to handlers
 * with their preconditions. Whatever is wrong with a frame or an item costs its sender alone: it is answered
 * where an answer is possible, counted, and logged within bounds.
 */
#ifndef RJ_ROUTER_H
#define RJ_ROUTER_H

#include "broker/peers/bus.h"
#include "proto/wire.h"

struct rj_broker;
struct rj_peer;

/* The frame of a side that is being read: a large one takes several turns. */
struct rj_reading {
    Rejoin__Batch *batch; /* NULL: none */
    size_t next;          /* item */
    uint32_t route;
    struct rj_arena arena; /* what the batch lives in */
};

/* Begins with a frame. The one before must be done. */
void rj_router_frame(struct rj_broker *broker, enum rj_bus_side side, const struct rj_bus_frame *frame);

/* Handles further items of the side's frame, at most `*items`, which is lowered by as many (or more, for some
 * that are a lot of work). True: the frame
 * is done (or there was none). */
bool rj_router_read(struct rj_broker *broker, enum rj_bus_side side, size_t *items);

/* Runs a command that was held (held.h), and replies. */
void rj_router_command(struct rj_broker *broker, struct rj_peer *peer, Rejoin__Command *command);

#endif
