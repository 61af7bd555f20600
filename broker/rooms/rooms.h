/* The commands about a room: join, leave, history. */
#ifndef RJ_ROOMS_H
#define RJ_ROOMS_H

#include "broker/reply.h"

rj_handler rj_cmd_join;
rj_handler rj_cmd_leave;
rj_handler rj_cmd_history;

/* A room by its name, as commands say it. RJ_BAD_NAME, also when it would have to be created and the settings
 * let no new name be so long; RJ_NOT_FOUND when it does not exist and `create` is not set. */
struct rj_room_name {
    rj_room_id id;
    size_t key_len;
    uint8_t key[RJ_TARGET_KEY_MAX];
};

enum rj_status rj_room_resolve(struct rj_broker *broker, const char *nsp, const char *name, bool create,
                               struct rj_room_name *out);

/* Into the room and out of it, in RAM alone: the caller queues the write. The session is attached, and not
 * yet (or) in the room. rj_room_enter returns the membership. */
struct rj_membership *rj_room_enter(struct rj_broker *broker, struct rj_session *session,
                                    const struct rj_room_name *name);
void rj_room_exit(struct rj_broker *broker, struct rj_session *session, rj_room_id room);

/* The gateway is LIVE: answers the joins that have waited for it. Its stream is over: forgets them. */
void rj_rooms_answer_joins(struct rj_broker *broker, struct rj_gateway *gateway);
void rj_rooms_forget_joins(struct rj_gateway *gateway);

/* Whether a client may publish to a room and read it: RJ_OK, RJ_NOT_JOINED, RJ_BAD_NAME. RJ_NOT_FOUND only
 * without `create`, where the policy lets everybody in but the room does not exist. */
enum rj_status rj_room_authorize(struct rj_broker *broker, const struct rj_session *session, const char *name,
                                 bool create, struct rj_room_name *out);

#endif
