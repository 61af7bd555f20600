/* A broker with two gateways that are played by the test, and what tests of rejoining say and check: one line
 * each. What a function gets unexpectedly fails the test.
 */
#ifndef RJ_TEST_REJOIN_SUPPORT_H
#define RJ_TEST_REJOIN_SUPPORT_H

#include "tests/support/broker_peer.h"
#include "tests/support/test.h"

struct world {
    struct rj_test_broker broker;
    struct rj_test_peer a, b; /* two gateways */
    uint64_t epoch;
};

/* Copies of what the broker handed out: a peer's memory goes with it. */
struct who {
    char pid[32], sid[32];
    uint64_t incarnation, from_pos;
};

/* `args`: further flags of the broker, ended by NULL; may be NULL. */
void open_world(struct world *world, const char *const args[]);
void close_world(struct world *world);

/* Says Hello and Ready; the broker's epoch. */
uint64_t open_gateway(struct rj_test_broker *broker, struct rj_test_peer *peer, const char *id);

/* What a Connect was answered with. */
const Rejoin__Connected *connected(const Rejoin__Reply *reply);

/* A new session; it joins the room unless that is NULL. */
struct who enter(struct rj_test_peer *peer, uint64_t client, const char *room);

/* New sessions of clients 1 to `n` in one room; who they are stands in who[1] to who[n]. */
void enter_many(struct rj_test_peer *peer, struct who *who, uint64_t n, char *room);

const Rejoin__Published *say(struct rj_test_peer *peer, uint64_t client, const char *room, const char *data);

/* Presents the session (offset NULL: none), and gets it back. */
const Rejoin__Connected *rejoin(struct rj_test_peer *peer, uint64_t client, const struct who *who,
                                const char *offset);

/* The replay of a client holds exactly these texts, then CaughtUp. */
void assert_replay(struct rj_test_peer *peer, uint64_t client, const char *const texts[]);

/* Gateway a, whose connection is closed, says Hello on another: it has had all up to `upto`. */
void reopen_a(struct world *world, uint64_t upto);

/* Adds a command to the next frame; its id. `last`: messages that the answer is to hold. */
uint64_t add_join(struct rj_test_peer *peer, uint64_t client, const char *room, uint32_t last);
uint64_t add_attach(struct rj_test_peer *peer, uint64_t client, struct who *who);

Rejoin__Reply *attach(struct rj_test_peer *peer, uint64_t client, const struct who *who,
                      uint64_t incarnation);

#endif
