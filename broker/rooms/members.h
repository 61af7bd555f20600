/* Sockets that have something in common: a room, a user, a namespace. Attached sessions in a dense array, in
 * no order, and which gateways have how many of them.
 *
 * Who owns such a set also says to each of its sessions at which place in the array it stands: leaving fills
 * the hole with the last one, which has another place then. A set without members holds no memory.
 */
#ifndef RJ_MEMBERS_H
#define RJ_MEMBERS_H

#include <stdbool.h>
#include <stdint.h>

enum { RJ_GATEWAYS_MAX = 64 /* bits of a mask */ };

struct rj_session;

struct rj_member {
    struct rj_session *session;
    uint64_t serial; /* the session's, see directory.h; here, so that choosing a page reads one array */
};

struct rj_members {
    struct rj_member *list;
    uint32_t n, cap;
    uint64_t gateways; /* bit s: the gateway in slot s has members */
    uint32_t *counts;  /* one per bit set, in the bits' order; NULL while there are so few members that they
                          are  soon counted */
    uint8_t cap_counts;
};

/* The attached session comes; returns its place. */
uint32_t rj_members_enter(struct rj_members *members, struct rj_session *session);

/* The session at that place goes, still attached. Returns the one that stands at this place now, which is to
 * be told so; NULL when nobody does. */
struct rj_session *rj_members_exit(struct rj_members *members, uint32_t place);

/* How many of them the gateway in `slot` has. */
uint32_t rj_members_at(const struct rj_members *members, unsigned slot);

#endif
