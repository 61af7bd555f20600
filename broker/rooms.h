/* The commands about a room: join, leave, history. */
#ifndef RJ_ROOMS_H
#define RJ_ROOMS_H

#include "broker/reply.h"

rj_handler rj_cmd_join;
rj_handler rj_cmd_leave;
rj_handler rj_cmd_history;

/* A room by its name, as commands say it. RJ_BAD_NAME, or RJ_NOT_FOUND when it does not exist and `create` is
 * not set. */
struct rj_room_name {
    rj_room_id id;
    size_t key_len;
    uint8_t key[RJ_TARGET_KEY_MAX];
};

enum rj_status rj_room_resolve(struct rj_broker *broker, const char *nsp, const char *name, bool create,
                               struct rj_room_name *out);

/* Whether a client may publish to a room and read it: RJ_OK, RJ_NOT_JOINED, RJ_BAD_NAME. RJ_NOT_FOUND only
 * without `create`, where the policy lets everybody in but the room does not exist. */
enum rj_status rj_room_authorize(struct rj_broker *broker, const struct rj_session *session, const char *name,
                                 bool create, struct rj_room_name *out);

#endif
