/* An answer that outlives its frame and its handle: a public structure, together with the arena that holds
 * all it points to. Owned by whoever has the structure.
 */
#ifndef RJ_SDK_BOX_H
#define RJ_SDK_BOX_H

#include "proto/base/arena.h"
#include "rejoin.pb-c.h"

/* A zeroed structure of `size` bytes; `*arena` is its own. */
void *rj_sdk_box_new(size_t size, struct rj_arena **arena);

/* Frees the structure and its arena; NULL is fine. */
void rj_sdk_box_free(void *content);

/* A copy of a message of the frame, all of it in `arena`. */
const ProtobufCMessage *rj_sdk_box_copy(const ProtobufCMessage *message, struct rj_arena *arena);

#endif
