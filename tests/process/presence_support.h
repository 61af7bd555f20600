/* One line each for what tests of presence say and hear. */
#ifndef RJ_TEST_PRESENCE_SUPPORT_H
#define RJ_TEST_PRESENCE_SUPPORT_H

#include "tests/process/sockets_support.h"

/* Asks who is in a room; `client` 0 and `room` "": a backend asks for the namespace. The Reply. */
Rejoin__Reply *ask_presence(struct rj_test_peer *peer, uint64_t client, const char *room, const char *after,
                            uint32_t limit);

/* What a backend is told about a user. */
Rejoin__UserPresence *ask_user(struct rj_test_peer *backend, const char *user);

/* Who is in the room, in words: "ann:2 bob:0?", the number of sockets behind each name and a question mark
 * behind those who are reconnecting. */
void list_of(struct rj_test_peer *peer, uint64_t client, const char *room, char out[static 512]);
void assert_list(struct rj_test_peer *peer, uint64_t client, const char *room, const char *expected);

/* The next presence event at this gateway is this one. */
void assert_told(struct rj_test_peer *gateway, const char *room, const char *user, const char *state,
                 unsigned sockets);

#endif
