/* Rooms with somebody in them, as far as RAM knows: which sockets, and which gateways have how many of them.
 *
 * A room here serves delivery and questions; what is durable about it (its id, its sequence) is the store's,
 * what a session has joined stands in the session. A room lives while a membership refers to it.
 */
#ifndef RJ_ROOM_H
#define RJ_ROOM_H

#include "broker/base/hash.h"

#include "broker/rooms/members.h"
#include "proto/names.h"
#include "storage/store.h"

struct rj_presence_rule;
struct rj_roster;

enum { RJ_TARGET_KEY_MAX = 2 + RJ_NAMESPACE_MAX + RJ_ROOM_NAME_MAX };

struct rj_room {
    rj_room_id id;
    uint32_t refs;  /* memberships, of attached and of leaving sessions; and who lists rooms (room_list.c) */
    uint32_t place; /* in rooms->list */
    struct rj_roster *roster;             /* of its users; NULL: none is kept. See attendance.h … */
    const struct rj_presence_rule *tells; /* … by which it tells them of each other; NULL: it does not … */
    bool is_presence_known;               /* … if both were looked up */
    struct rj_members members;            /* attached sessions; directory.h enters them */
    struct rj_parting *partings;          /* of those that have left, and whose gateways do not know it yet */
    UT_hash_handle hh;
    size_t key_len;
    uint8_t key[]; /* the store's key: kind, length of the namespace, namespace, name */
};

/* A member has left, but until its gateway is told so it shows the member whatever comes for the room. So all
 * of it has to come, as if the member were there: else others who enter at that gateway meanwhile would bring
 * it a later message without an earlier one. */
struct rj_parting {
    struct rj_parting *prev, *next;
    struct rj_rooms *rooms;
    struct rj_room *room; /* holds a reference */
    unsigned slot;        /* the gateway's */
};

struct rj_rooms {
    struct rj_room *by_id;
    struct rj_room **list; /* all of them, in no order: whoever goes leaves its place to the last one */
    uint32_t n, cap;
};

/* RJ_BAD_NAME unless `name` is a room's: 1 to RJ_ROOM_NAME_MAX bytes of valid UTF-8 without NUL. */
enum rj_status rj_room_name_check(const char *name);

/* The store's key of a target; returns its length. `nsp` and `name` are within their limits. */
size_t rj_target_key(uint8_t out[static RJ_TARGET_KEY_MAX], uint8_t kind, const char *nsp, const char *name);

/* The name in a room's key; and whether it is the key of a room (no other target) of that namespace. */
struct rj_span rj_target_key_name(struct rj_span key);
bool rj_target_key_is_room_of(struct rj_span key, const char *nsp);

/* NULL when nobody refers to it. */
struct rj_room *rj_room_find(const struct rj_rooms *rooms, rj_room_id id);

/* One more reference to the room, which is made when it is not there. */
struct rj_room *rj_room_ref(struct rj_rooms *rooms, rj_room_id id, struct rj_span key);
/* Drops one; frees the room with the last. It has no members then. */
void rj_room_unref(struct rj_rooms *rooms, struct rj_room *room);

/* The gateways to which the room's messages go: a bit for each slot. */
uint64_t rj_room_gateways(const struct rj_room *room);

/* The member, which stands in the room at the gateway in `slot`, is about to leave; and its gateway has been
 * told. */
struct rj_parting *rj_room_part(struct rj_rooms *rooms, struct rj_room *room, unsigned slot);
void rj_room_parted(struct rj_parting *parting);

static inline struct rj_span rj_room_key(const struct rj_room *room)
{
    return rj_span_of(room->key, room->key_len);
}

#endif
