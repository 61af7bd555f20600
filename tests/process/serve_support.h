/* A backend that serves, step by step, next to a gateway: one line each for what tests of serving say and
 * hear.
 */
#ifndef RJ_TEST_SERVE_SUPPORT_H
#define RJ_TEST_SERVE_SUPPORT_H

#include "tests/support/broker_peer.h"
#include "tests/support/test.h"

/* What a Serve says; lists end with NULL and may be NULL. */
struct serve_as {
    const char *group;             /* "workers" when NULL */
    const char *const *namespaces; /* "/" when NULL */
    const char *const *events;
    bool all_events, admits, sockets, fails_lost;
    uint32_t window, timeout_ms;
};

/* Sends it; the id of the command. */
uint64_t say_serve(struct rj_test_peer *backend, const struct serve_as *as);
/* And waits for Served. */
Rejoin__Served *serve(struct rj_test_peer *backend, const struct serve_as *as);
Rejoin__Reply *unserve(struct rj_test_peer *backend, const char *group, bool forget);

/* Opens a peer and says Hello as a gateway (with Ready) or as a backend called `id` of the name "workers". */
void open_gateway(struct rj_test_broker *broker, struct rj_test_peer *peer, const char *id);
void open_backend(struct rj_test_broker *broker, struct rj_test_peer *peer, const char *id);

/* Connects a client and checks that it got in; a copy of its sid and pid. */
struct who {
    char sid[32], pid[32];
    uint64_t incarnation;
};
struct who enter(struct rj_test_peer *gateway, uint64_t client);

/* A Connect in a namespace with auth (may be NULL); sent, not awaited. */
uint64_t say_connect(struct rj_test_peer *gateway, uint64_t client, const char *nsp, const char *pid,
                     const char *auth);
uint64_t say_disconnect(struct rj_test_peer *gateway, uint64_t client, const char *reason, bool left);

/* Sent, not awaited. */
uint64_t say_attach(struct rj_test_peer *gateway, uint64_t client, const char *pid, const char *sid,
                    uint64_t incarnation);

/* An Event that wants an ack; the id of the command. `id` 0: the next one. */
uint64_t say_event(struct rj_test_peer *gateway, uint64_t client, const char *name, const char *args,
                   uint64_t id, bool repeated);

/* The next item of its kind; the test fails when none comes. */
Rejoin__Job *get_job(struct rj_test_peer *backend);
Rejoin__Opened *get_opened(struct rj_test_peer *backend);
Rejoin__Closed *get_closed(struct rj_test_peer *backend);
/* No such item has come, and none was on its way. */
void assert_none(struct rj_test_peer *peer, Rejoin__Item__KindCase kind);

/* Answers the Pings of a peer that nothing is expected of now. */
void keep_alive(struct rj_test_peer *peer);

/* Like rj_test_peer_expect within the deadline of all tests, while `others` (NULL ends them) stay alive. */
Rejoin__Item *wait_for(struct rj_test_peer *peer, Rejoin__Item__KindCase kind,
                       struct rj_test_peer *const others[]);

/* A job that is the event `name`. */
Rejoin__Job *get_event(struct rj_test_peer *backend, const char *name);
/* A job that is an admission. */
Rejoin__Job *get_admission(struct rj_test_peer *backend);

/* Answers, and waits for the broker's reply to that. `args` NULL: none. */
Rejoin__Reply *answer(struct rj_test_peer *backend, uint64_t job, const char *args);
Rejoin__Reply *refuse(struct rj_test_peer *backend, uint64_t job, const char *code, const char *message,
                      const char *data);
Rejoin__Reply *send_answer(struct rj_test_peer *backend, Rejoin__Answer *answer);

/* The reply to a command has this ack, or fails with this code. */
void assert_acked(struct rj_test_peer *gateway, uint64_t command, const char *args);
void assert_failed(struct rj_test_peer *gateway, uint64_t command, const char *code);

#endif
