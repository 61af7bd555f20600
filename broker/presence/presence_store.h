/* What the store keeps of presence: whom the members of a room have been told to be here, so that a broker
 * that comes back tells nobody of those who never left, and does tell of those who left meanwhile.
 *
 *   table     key                                value
 *   presence  0x01, room's id (u32 BE), user     since (u64 LE, Unix ms), the room's key
 *   presence  0x02, … and 0x03, …                last_seen.h
 *
 * Only rooms that tell have such pairs: one is written when a user's coming is told, and deleted when its
 * leaving is.
 */
#ifndef RJ_PRESENCE_STORE_H
#define RJ_PRESENCE_STORE_H

#include "storage/store.h"

enum { RJ_PRESENCE_TOLD = 0x01, RJ_PRESENCE_SEEN = 0x02, RJ_PRESENCE_ALIVE = 0x03 };

/* Queue writes; `done` may be NULL. */
void rj_presence_store_put(struct rj_store *store, rj_room_id room, struct rj_span room_key, const char *user,
                           uint64_t since_ms, rj_store_written *done, void *ctx);
void rj_presence_store_delete(struct rj_store *store, rj_room_id room, const char *user,
                              rj_store_written *done, void *ctx);

/* Visits all pairs, a bounded number within one read of the store; what the visitor deletes it will not see
 * again. `room_key` and `user` are valid for the call. What has a wrong shape is left out. */
typedef void rj_presence_store_visit(void *ctx, rj_room_id room, struct rj_span room_key, const char *user,
                                     uint64_t since_ms);
enum rj_status rj_presence_store_load(struct rj_store *store, rj_presence_store_visit *visit, void *ctx);

#endif
