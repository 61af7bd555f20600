/* The broker's peers in a fuzz target: two gateways and three backends that say what the input makes them
 * say, remember what the broker said, and check what it must keep whatever they do:
 *
 *   - each frame is a valid Batch, numbered 1, 2, 3 … on a gateway's stream;
 *   - a Command gets exactly one Reply on its stream, and nobody gets a Reply to nothing (G2);
 *   - nothing is said of a position that is not committed (G1), and live deliveries ascend (G3).
 */
#ifndef RJ_FUZZ_PEERS_H
#define RJ_FUZZ_PEERS_H

#include "broker/broker.h"
#include "proto/wire.h"
#include "tests/fuzz/grow.h"

enum {
    GATEWAYS = 2,
    BACKENDS = 3,
    PEERS = GATEWAYS + BACKENDS,
    COMMANDS_MAX = 256,
    CLIENTS_MAX = 16,
    TODO_MAX = 16
};

/* A Command that was sent. */
struct sent_command {
    uint64_t id;
    uint64_t client;
    uint64_t stream; /* of the broker's that it was read on; 0: not read yet, or by nobody */
    unsigned kind;
    bool is_in_chat;  /* a CONNECT to /chat */
    unsigned replies; /* on that stream */
    bool is_loose;    /* it broke the rules, or its stream is not known: any number of replies will do */
    struct rj_buf item;
};

/* A client that a gateway has, as far as it was told. */
struct fuzz_client {
    uint64_t handle; /* 0: none */
    char sid[FUZZ_TEXT], pid[FUZZ_TEXT], user[FUZZ_TEXT];
    bool is_in_chat; /* its namespace is /chat, else / */
    uint64_t incarnation;
};

struct fuzz_peer {
    enum rj_bus_side side;
    char id[8];
    uint32_t route; /* 0: not connected */
    bool is_wild;   /* has sent what is no frame of ours: its replies prove nothing */
    bool reuses;    /* has used a handle twice: what is said of its clients proves nothing */
    uint64_t last_handle;
    struct fuzz_client clients[CLIENTS_MAX];
    uint64_t last_id;
    struct sent_command commands[COMMANDS_MAX];
    size_t n_commands;
    uint64_t number, last_pos;

    /* What the broker has asked for. */
    uint64_t pings[TODO_MAX], jobs[TODO_MAX], asks[TODO_MAX], probes[TODO_MAX];
    size_t n_pings, n_jobs, n_asks, n_probes;
};

struct fuzz_world {
    struct rj_conf conf;
    struct rj_broker *broker;
    struct fuzz_peer peers[PEERS];
    struct fuzz_seen seen;
    struct rj_arena arena; /* of one step */
    bool is_deaf;          /* the broker is being killed: what it says is not heard */
    bool changes_limits;   /* a restart may come with other lengths of names */
};

/* The broker starts; nobody is connected. */
void world_open(struct fuzz_world *world);
void world_free(struct fuzz_world *world);

/* The broker ends, and starts again. */
enum restart {
    RESTART_CLOSED,   /* all of a sudden, but its store is in order */
    RESTART_KILLED,   /* what was not committed is lost */
    RESTART_STOPPED,  /* by a signal: it works off what is in flight */
    RESTART_RESTORED, /* and the backup, if there is one, is in its store's place */
};
void world_restart(struct fuzz_world *world, enum restart how);

/* One turn, so much later. True: there is more to do now, or on its way to the store. */
bool world_turn(struct fuzz_world *world, uint64_t pass_ms);

/* Turns until the broker has read all frames, with everything being committed that it waits for. */
void world_drain(struct fuzz_world *world);

/* A new connection and a Hello on it; `hello` may be NULL: as it should be. */
void peer_hello(struct fuzz_world *world, struct fuzz_peer *peer, Rejoin__Hello *hello);
void peer_cut(struct fuzz_peer *peer);

/* The broker has a stream with it. */
bool peer_has_stream(const struct fuzz_world *world, const struct fuzz_peer *peer);

/* A frame of one item; the peer is connected. A Command gets its next id, or, when it `repeats`, an old one.
 */
void peer_put(struct fuzz_world *world, struct fuzz_peer *peer, Rejoin__Item *item, bool repeats);
void peer_put_raw(struct fuzz_peer *peer, struct rj_span frame, bool is_malformed);

/* Its live clients, as on a fresh stream. */
void peer_attach_all(struct fuzz_world *world, struct fuzz_peer *peer);

/* Says again what is unanswered, as a peer does on a fresh stream. */
void peer_repeat(struct fuzz_world *world, struct fuzz_peer *peer);

/* Does what the broker has asked for: Pongs, Answers, Asked, Alive. */
void peer_behave(struct fuzz_world *world, struct fuzz_peer *peer, struct fuzz_bytes *how);

/* Every Command that could be answered has been. */
void peer_check_answered(const struct fuzz_world *world, const struct fuzz_peer *peer);

#endif
