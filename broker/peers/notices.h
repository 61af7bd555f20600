/* Notices to gateways of what was done to their clients from outside: kept until all that was queued before
 * is durable, then put on the streams, in order with the deliveries. A stream that is over by then is told
 * nothing: on its next one the gateway attaches its clients again and learns what they are now.
 */
#ifndef RJ_NOTICES_H
#define RJ_NOTICES_H

#include "broker/broker.h"

struct rj_notices;

struct rj_notices *rj_notices_new(struct rj_broker *broker);

/* The session is attached. `room_key` as in the store. */
void rj_notices_moved(struct rj_notices *notices, const struct rj_session *session, struct rj_span room_key,
                      bool has_left, uint64_t since_pos);
void rj_notices_kick(struct rj_notices *notices, const struct rj_session *session, Rejoin__Kick__How how,
                     const char *reason);

/* They leave with the commit. Takes and nulls. */
void rj_notices_commit(struct rj_notices **notices);

#endif
