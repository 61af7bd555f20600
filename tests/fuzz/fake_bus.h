/* The bus without ZeroMQ: what broker/peers/bus.h promises, between the broker and a fuzz target on one
 * thread. Connections are made, cut and blocked by the target, and every frame passes through it.
 */
#ifndef RJ_FUZZ_BUS_H
#define RJ_FUZZ_BUS_H

#include "broker/peers/bus.h"

/* Everything is gone: connections and frames on their way. */
void fake_bus_reset(void);

/* A new connection; its route is never 0. */
uint32_t fake_bus_connect(enum rj_bus_side side);

/* It is gone: what it has sent before still arrives. */
void fake_bus_cut(uint32_t route);

/* Its pipe takes nothing (or takes frames again). */
void fake_bus_block(uint32_t route, bool is_blocked);

/* A frame for the broker. Copied. */
void fake_bus_push(uint32_t route, struct rj_span frame, bool is_malformed);

/* Frames that the broker has not taken yet. */
size_t fake_bus_waiting(void);

/* Written by the target: the broker has sent a frame. */
void on_fake_bus_frame(uint32_t route, struct rj_span frame);

#endif
