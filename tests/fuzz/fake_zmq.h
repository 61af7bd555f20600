/* ZeroMQ's DEALER as gateway/link.c and librejoin use it, without sockets: what it sends reaches the target,
 * and the target says what it gets. A program that links fake_zmq.c has these functions instead of libzmq's.
 */
#ifndef RJ_FUZZ_ZMQ_H
#define RJ_FUZZ_ZMQ_H

#include <stdbool.h>

#include "proto/base/span.h"

/* No sockets, no frames. */
void fake_zmq_reset(void);

/* Whether a socket is open. Frames on their way are lost with it. */
bool fake_zmq_is_open(void);

/* How many sockets there were since the reset. */
unsigned fake_zmq_sockets(void);

/* A frame for the program under test. Copied; lost when no socket is open. */
void fake_zmq_push(struct rj_span frame);

/* The pipe takes nothing, or takes frames again. */
void fake_zmq_block(bool is_blocked);

/* Written by the target: the program under test has sent a frame. */
void on_fake_zmq_frame(struct rj_span frame);

#endif
