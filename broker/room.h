/* Rooms with somebody in them, as far as RAM knows: which gateways have members, and how many.
 *
 * A room here is a hint for delivery and a head count; what is durable about it (its id, its sequence) is the
 * store's, what a session has joined stands in the session. A room lives while a membership refers to it.
 */
#ifndef RJ_ROOM_H
#define RJ_ROOM_H

#include "broker/hash.h"

#include "storage/store.h"

enum {
    RJ_GATEWAYS_MAX = 64, /* bits of a mask */
    RJ_NAMESPACE_MAX = 128,
    RJ_ROOM_NAME_MAX = 255,
    RJ_TARGET_KEY_MAX = 2 + RJ_NAMESPACE_MAX + RJ_ROOM_NAME_MAX,
};

struct rj_room {
    rj_room_id id;
    uint32_t refs;     /* memberships, of attached and of leaving sessions */
    uint32_t members;  /* sockets in it now */
    uint64_t gateways; /* bit n: the gateway in slot n has members */
    uint32_t *counts;  /* one per bit set, in the bits' order */
    uint8_t cap_counts;
    UT_hash_handle hh;
    size_t key_len;
    uint8_t key[]; /* the store's key: kind, length of the namespace, namespace, name */
};

struct rj_rooms {
    struct rj_room *by_id;
};

/* RJ_BAD_NAME unless `name` is a room's: 1 to RJ_ROOM_NAME_MAX bytes of valid UTF-8 without NUL. */
enum rj_status rj_room_name_check(const char *name);

/* The store's key of a target; returns its length. `nsp` and `name` are within their limits. */
size_t rj_target_key(uint8_t out[static RJ_TARGET_KEY_MAX], uint8_t kind, const char *nsp, const char *name);

/* The name in a room's key. */
struct rj_span rj_target_key_name(struct rj_span key);

/* NULL when nobody refers to it. */
struct rj_room *rj_room_find(const struct rj_rooms *rooms, rj_room_id id);

/* One more reference to the room, which is made when it is not there. */
struct rj_room *rj_room_ref(struct rj_rooms *rooms, rj_room_id id, struct rj_span key);
/* Drops one; frees the room with the last. Nobody that `room` was entered for may still be counted then. */
void rj_room_unref(struct rj_rooms *rooms, struct rj_room *room);

/* A member at the gateway in `slot` comes or goes. */
void rj_room_enter(struct rj_room *room, unsigned slot);
void rj_room_exit(struct rj_room *room, unsigned slot);

/* How many members the gateway in `slot` has. */
uint32_t rj_room_members_at(const struct rj_room *room, unsigned slot);

#endif
