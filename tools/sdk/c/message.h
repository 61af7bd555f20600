/* From what the broker delivers to what the caller sees. */
#ifndef RJ_SDK_MESSAGE_H
#define RJ_SDK_MESSAGE_H

#include "proto/base/arena.h"
#include "rejoin.h"
#include "rejoin.pb-c.h"

/* Describes `deliver` in `out`. Both live as long as `deliver` and `arena`. `epoch` is the broker's present
 * one: with it every pos up to the head makes a valid offset. False when there is no message in it. */
bool rj_sdk_message_of(const Rejoin__Deliver *deliver, uint64_t epoch, struct rj_arena *arena,
                       struct rejoin_message *out);

#endif
