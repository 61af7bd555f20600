/* The gateway's mirror of the broker's rooms: which of its own clients are in which room, for the fan-out.
 * The broker decides; the mirror follows its answers. Members stand in a dense array, so that a fan-out is a
 * walk.
 */
#ifndef RJ_MIRROR_H
#define RJ_MIRROR_H

#include <uthash.h>

#include "proto/base/buf.h"

struct rj_client;

struct rj_member {
    struct rj_client *client;
    uint64_t since_pos; /* it gets what lies above */
    uint32_t back;      /* its place in client->rooms */
};

struct rj_mirror_room {
    struct rj_member *members;
    uint32_t n_members, cap_members;
    uint32_t nsp_len;
    size_t key_len;
    UT_hash_handle hh;
    char key[]; /* namespace, NUL, room, NUL */
};

/* Zero-initialise. */
struct rj_mirror {
    struct rj_mirror_room *rooms;
    struct rj_buf scratch;
};

/* NULL when none of our clients is in it. */
struct rj_mirror_room *rj_mirror_find(struct rj_mirror *mirror, const char *nsp, const char *room);

const char *rj_mirror_room_name(const struct rj_mirror_room *room);

/* Joining again changes only since_pos, and only when it was higher. */
void rj_mirror_join(struct rj_mirror *mirror, struct rj_client *client, const char *room, uint64_t since_pos);
void rj_mirror_leave(struct rj_mirror *mirror, struct rj_client *client, const char *room);
void rj_mirror_leave_all(struct rj_mirror *mirror, struct rj_client *client);

/* The client's membership, or NULL. */
const struct rj_member *rj_mirror_member(const struct rj_mirror_room *room, const struct rj_client *client);

void rj_mirror_free(struct rj_mirror *mirror);

#endif
