/* The commands about a client's life: it connects (anew, or rejoining), is attached again after a fresh
 * stream, falls behind, goes.
 */
#ifndef RJ_CONNECT_H
#define RJ_CONNECT_H

#include "broker/reply.h"

rj_handler rj_cmd_connect;
rj_handler rj_cmd_attach;
rj_handler rj_cmd_catch_up;
rj_handler rj_cmd_disconnect;

/* A Connect whose session nobody contests for, or that has had its contest (contest.h). As a handler. */
rj_handler rj_connect_go_on;

/* What a client is let in with. */
struct rj_admitted {
    const char *user;    /* NULL: as its session has it; nobody in a new one */
    struct rj_span data; /* JSON; empty: as it was */
    char *const *rooms;  /* checked names; it joins them before its CONNECT is answered */
    size_t n_rooms;
    const char *sid;       /* of a new session; NULL: any */
    struct rj_seat *seats; /* that its admission has left; taken over */
};

/* Lets a client in: restores its session or begins a new one, and answers its Connect `to` after the commit.
 */
void rj_connect_admit(struct rj_broker *broker, struct rj_gateway *gateway, struct rj_reply_to to,
                      const Rejoin__Connect *connect, const struct rj_admitted *admitted);

/* Not a command: what clients have been proved to have. */
void rj_connect_cursors(struct rj_broker *broker, struct rj_gateway *gateway, const Rejoin__Cursors *cursors);

#endif
