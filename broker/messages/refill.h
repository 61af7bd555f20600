/* A refill: sending from the log to one gateway what its rooms got while it had no live stream. The gateway
 * is LAGGING meanwhile, and LIVE from the very turn in which the refill has reached what was delivered to
 * others. The log is read as for a replay (replay.h): by the store's reader threads, and in the turn itself
 * only what has just been written.
 */
#ifndef RJ_REFILL_H
#define RJ_REFILL_H

#include "broker/peers/gateways.h"

/* One turn's share. True: there is more to do that waits for nobody. */
bool rj_refill_step(struct rj_broker *broker);

/* What is being read for the gateway is not wanted any more. Harmless when there is nothing. */
void rj_refill_stop(struct rj_gateway *gateway);

#endif
