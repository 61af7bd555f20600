/* Between the messages of the wire and what the caller sees. */
#ifndef RJ_SDK_MESSAGE_H
#define RJ_SDK_MESSAGE_H

#include "args.h"
#include "proto/base/arena.h"
#include "rejoin.h"
#include "rejoin.pb-c.h"

/* Describes `deliver` in `out`. Both live as long as `deliver` and `arena`. `epoch` is the broker's present
 * one: with it every pos up to the head makes a valid offset. False when there is no message in it. */
bool rj_sdk_message_of(const Rejoin__Deliver *deliver, uint64_t epoch, struct rj_arena *arena,
                       struct rejoin_message *out);

/* A message on its way out: what it points to lies here and in what the caller lends. */
struct rj_sdk_draft {
    Rejoin__Message message;
    Rejoin__Target targets[REJOIN_TARGETS_MAX];
    Rejoin__Target *target_list[REJOIN_TARGETS_MAX];
    ProtobufCBinaryData attachments[RJ_SDK_ATTACHMENTS_MAX];
};

/* Fills `draft` with what `publish` says, but for the id. The status says what is wrong with it. */
enum rejoin_status rj_sdk_draft(struct rejoin *handle, const struct rejoin_publish *publish,
                                struct rj_sdk_draft *draft);

#endif
