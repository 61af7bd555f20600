/* The gateway of fuzz_gateway, its clients, and the broker's side of its link. */
#ifndef RJ_FUZZ_GATEWAY_WORLD_H
#define RJ_FUZZ_GATEWAY_WORLD_H

#include "gateway/frontends/socketio_conn.h"
#include "gateway/gateway.h"
#include "tests/fuzz/fake_sessions.h"
#include "tests/fuzz/grow.h"

enum { TODO_MAX = 512, COMMAND_TIMEOUT_MS = 5000, LEASE_MS = 6000 };

/* A command that the broker has got and not answered. */
struct todo {
    uint64_t id, client;
    uint32_t kind;
};

struct world {
    struct rj_gateway_conf conf;
    struct rj_gateway gateway;
    uv_loop_t loop; /* nobody runs it */
    struct rj_sio_shared shared;
    struct rj_eio_session sessions[SESSIONS];
    struct fuzz_seen seen;
    struct rj_arena arena; /* of one step */

    /* The broker's side of the link. */
    bool has_small_frames;
    struct todo todos[TODO_MAX];
    size_t n_todos;
    bool has_missed; /* more commands than it can remember came on this stream */
    uint64_t number, epoch, last_ask;
    uint64_t pos, committed; /* the last one given out, and told as a message of the log */
};

/* What the gateway says from now on is heard here: fake_zmq.h has no place for a context. */
void world_listen(struct world *world);

/* One item of the broker's. */
void world_say(struct world *world, Rejoin__Item *item, bool is_numbered);

/* A fresh stream of that epoch; `how` says what is unusual about it. */
void world_welcome(struct world *world, uint64_t epoch, struct fuzz_bytes *how);

/* Answers one of the todos; by mistake, as another kind would be. */
void world_answer(struct world *world, size_t which, struct fuzz_bytes *how);

/* One turn of the gateway. */
void world_turn(struct world *world);

/* The client that came so many before the last one, or NULL. */
struct rj_client *world_client(const struct world *world, uint64_t back);

/* Several things that only together get far, as a step. */
void gateway_scene_play(struct world *world, struct rj_eio_session *session, struct fuzz_bytes *how);

#endif
