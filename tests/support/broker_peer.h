/* A raw peer of the broker: a DEALER that speaks rejoin.proto as a gateway or a backend would, one step at a
 * time, so that a test decides what is said and when.
 *
 * Pings are answered while it waits. What arrives is kept until it is taken, so a test may wait for a reply
 * first and look at the deliveries before it afterwards. Everything handed out lives until the peer is
 * closed.
 */
#ifndef RJ_TEST_BROKER_PEER_H
#define RJ_TEST_BROKER_PEER_H

#include "proto/wire.h"
#include "tests/support/process.h"

/* A real broker with its own folder and ipc endpoints. */
struct rj_test_broker {
    struct rj_process process;
    char folder[256];
    char gateways[320], backends[320];
    const char *args[16]; /* further flags, NULL ends them */
};

/* Starts it and waits until it is ready; aborts the test program when it is not. `args` (may be NULL) are
 * further flags, ended by NULL and kept for restarts; the strings must outlive the broker. */
void rj_test_broker_start(struct rj_test_broker *broker, const char *const args[]);
/* On the same folder; the process must not run. `env` as for rj_process_start. */
void rj_test_broker_restart(struct rj_test_broker *broker, const char *const env[]);
void rj_test_broker_kill(struct rj_test_broker *broker);
/* SIGTERM; true when it ended with 0 in time. */
bool rj_test_broker_end(struct rj_test_broker *broker);
/* Kills it if it runs and removes its folder. */
void rj_test_broker_remove(struct rj_test_broker *broker);

enum { RJ_TEST_DEADLINE_MS = 20000 };

struct rj_test_peer {
    void *context;
    void *socket;
    struct rj_wire_out out;
    struct rj_arena arena;
    uint64_t last_command;
    uint64_t number;      /* of the last frame of this stream */
    unsigned gaps;        /* frames whose number was not the one after */
    unsigned probes;      /* empty frames: the broker came anew */
    uint64_t upto;        /* highest Batch.upto */
    bool is_mute;         /* answers no Ping */
    Rejoin__Item **items; /* received and not taken; NULL where one was */
    size_t n_items, cap_items;
};

/* Connects to the endpoint (which need not be there yet). */
void rj_test_peer_open(struct rj_test_peer *peer, const char *endpoint);
void rj_test_peer_close(struct rj_test_peer *peer);

/* One frame with exactly these bytes. */
void rj_test_peer_send_raw(struct rj_test_peer *peer, const void *bytes, size_t len);

/* Adds an item to the next frame; sends the frame. */
void rj_test_peer_put(struct rj_test_peer *peer, Rejoin__Item *item);
void rj_test_peer_flush(struct rj_test_peer *peer);

/* Gives the command the next id (unless it has one) and the client, and sends it at once (or only adds it to
 * the next frame). Returns the id. */
uint64_t rj_test_peer_command(struct rj_test_peer *peer, uint64_t client, Rejoin__Command *command);
uint64_t rj_test_peer_add_command(struct rj_test_peer *peer, uint64_t client, Rejoin__Command *command);

/* Takes the first item of that kind, waiting for it; NULL when the time is over. */
Rejoin__Item *rj_test_peer_expect(struct rj_test_peer *peer, Rejoin__Item__KindCase kind,
                                  unsigned deadline_ms);
/* The Reply to a command; NULL when the time is over. */
Rejoin__Reply *rj_test_peer_reply(struct rj_test_peer *peer, uint64_t id);
/* The next Deliver for `client` (0: for all members); NULL when the time is over. */
Rejoin__Deliver *rj_test_peer_deliver(struct rj_test_peer *peer, uint64_t client, unsigned deadline_ms);
Rejoin__CaughtUp *rj_test_peer_caught_up(struct rj_test_peer *peer, uint64_t client);
Rejoin__Kick *rj_test_peer_kick(struct rj_test_peer *peer, uint64_t client);

/* Asks for statistics and waits for the answer, so that everything sent before has been dealt with. Returns
 * the figure with that name, or -1. */
double rj_test_peer_metric(struct rj_test_peer *peer, const char *name);

/* Hello and its Welcome (NULL: none came). A fresh stream: numbering starts again, commands go on. */
Rejoin__Welcome *rj_test_peer_hello_gateway(struct rj_test_peer *peer, const char *id, uint64_t epoch,
                                            uint64_t upto);
Rejoin__Welcome *rj_test_peer_hello_backend(struct rj_test_peer *peer, const char *id, const char *name);
void rj_test_peer_ready(struct rj_test_peer *peer);

/* Commands in one line each: the result, or NULL with the code in peer's last reply. */
Rejoin__Reply *rj_test_connect(struct rj_test_peer *peer, uint64_t client, const char *pid,
                               const char *offset);
Rejoin__Reply *rj_test_join(struct rj_test_peer *peer, uint64_t client, const char *room);
Rejoin__Reply *rj_test_leave(struct rj_test_peer *peer, uint64_t client, const char *room);
Rejoin__Reply *rj_test_publish(struct rj_test_peer *peer, uint64_t client, const char *room, const char *data,
                               const char *id);
Rejoin__Reply *rj_test_disconnect(struct rj_test_peer *peer, uint64_t client, bool left);
Rejoin__Reply *rj_test_history(struct rj_test_peer *peer, uint64_t client, const char *room);

/* The same, only added to the next frame. The id. */
uint64_t rj_test_add_leave(struct rj_test_peer *peer, uint64_t client, const char *room);
uint64_t rj_test_add_publish(struct rj_test_peer *peer, uint64_t client, const char *room, const char *data,
                             const char *id);

/* Whether a reply failed with this code. */
bool rj_test_failed_with(const Rejoin__Reply *reply, const char *code);

#endif
