/* One line each for what tests of targets and socket commands say: a gateway with users, a backend that
 * publishes to targets of every kind and commands sockets.
 */
#ifndef RJ_TEST_SOCKETS_SUPPORT_H
#define RJ_TEST_SOCKETS_SUPPORT_H

#include "tests/process/serve_support.h"

struct world {
    struct rj_test_broker broker;
    struct rj_test_peer gateway, other, backend; /* two gateways */
};

/* Identities are claimed; `args` (may be NULL) are further flags of the broker. */
void open_world(struct world *world, const char *const args[]);
void close_world(struct world *world);

/* Connects a client as `user` (NULL: nobody) in "/"; `pid` NULL: anew. */
struct who come(struct rj_test_peer *gateway, uint64_t client, const char *user, const char *pid);
/* The same, its Reply. */
Rejoin__Reply *come_again(struct rj_test_peer *gateway, uint64_t client, const char *user, const char *pid,
                          const char *offset);
void join(struct rj_test_peer *gateway, uint64_t client, const char *room);

/* Targets in words: "room:tea", "user:ann", "socket:SID", "all". */
enum { TARGETS_MAX = 70 };

struct emit {
    const char *const *to; /* NULL ends them */
    const char *const *except_sids;
    const char *const *except_rooms;
    const char *data; /* "{}" when NULL */
    const char *id;
    bool is_volatile, is_plain;
};

Rejoin__Reply *emit(struct rj_test_peer *peer, const struct emit *emit);
Rejoin__Reply *emit_to(struct rj_test_peer *backend, const char *target, const char *data);

/* The data of the next Deliver for `client` (0: for all members) is this; nothing more has come for it. */
void assert_delivered(struct rj_test_peer *gateway, uint64_t client, const char *data);
void assert_nothing(struct rj_test_peer *gateway, uint64_t client);

/* Filters in words: lists end with NULL and may be NULL. */
struct meant {
    const char *nsp; /* "/" when NULL */
    const char *const *rooms, *const *users, *const *sids, *const *except_rooms, *const *except_sids;
};

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

uint64_t say_move(struct rj_test_peer *backend, const struct meant *meant, const char *const *rooms,
                  bool is_leave);
Rejoin__Reply *join_sockets(struct rj_test_peer *backend, const struct meant *meant,
                            const char *const *rooms);
Rejoin__Reply *leave_sockets(struct rj_test_peer *backend, const struct meant *meant,
                             const char *const *rooms);
Rejoin__Reply *disconnect_sockets(struct rj_test_peer *backend, const struct meant *meant, bool close);
Rejoin__Reply *list_page(struct rj_test_peer *backend, const struct meant *meant, uint64_t after,
                         uint32_t limit);
Rejoin__Reply *count_sockets(struct rj_test_peer *backend, const struct meant *meant);
Rejoin__Reply *list_rooms(struct rj_test_peer *backend, const char *after, uint32_t limit,
                          const char *pattern);
Rejoin__Reply *set_data(struct rj_test_peer *backend, const char *sid, const char *json);

/* How many were affected or counted; the test fails when the command did. */
uint64_t affected(const Rejoin__Reply *reply);

/* The socket with that sid, listed alone; NULL: it is not there. */
Rejoin__Socket *look_at(struct rj_test_peer *backend, const char *sid);

/* The next Moved of the gateway is this. */
void assert_moved(struct rj_test_peer *gateway, uint64_t client, const char *room, bool has_left);

/* An Attach as the gateway says it on a fresh stream; its Reply. */
Rejoin__Reply *attach(struct rj_test_peer *gateway, uint64_t client, const struct who *who);

#endif
