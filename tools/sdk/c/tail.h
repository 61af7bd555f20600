/* The tails of a handle. A tail is what the caller owns; on each stream it is said anew, as a Tail command
 * from where its last message left it, whose id then names its messages and credit.
 */
#ifndef RJ_SDK_TAIL_H
#define RJ_SDK_TAIL_H

#include "rejoin.h"
#include "rejoin.pb-c.h"

/* Puts what the tails have to say into the frame being built: begin, credit, end. Frees those that ended. */
void rj_sdk_tails_put(struct rejoin *handle);

/* On a new stream: every tail has to begin again. */
void rj_sdk_tails_rewind(struct rejoin *handle);

/* A reply or a message; false when it belongs to no tail. */
bool rj_sdk_tails_answer(struct rejoin *handle, const Rejoin__Reply *reply);
bool rj_sdk_tails_deliver(struct rejoin *handle, const Rejoin__Deliver *deliver);

/* The handle refuses for good: tells every tail that it has ended. */
void rj_sdk_tails_end(struct rejoin *handle, enum rejoin_status status);

/* Frees all tails, without a callback. */
void rj_sdk_tails_free(struct rejoin *handle);

#endif
