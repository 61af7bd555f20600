/* librejoin: who is there.
 *
 * Presence is of users: one with several sockets (tabs, devices) is there once. Sockets without a user are
 * counted only. All is answered by the broker from memory, whether rooms tell their members of presence or
 * not (the broker's setting presence-rules). The rules of rejoin.h hold: turns, threads, callbacks,
 * ownership, units, bounds.
 */
#ifndef REJOIN_PRESENCE_H
#define REJOIN_PRESENCE_H

#include "rejoin_sockets.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------------------------------ who is there */

struct rejoin_presence_query {
    const char *nsp;   /* NULL = "/" */
    const char *room;  /* NULL: all of the namespace */
    const char *after; /* only users that sort after this one, by their bytes; NULL: from the first */
    uint32_t limit;    /* of one page; 0 = 100, at most 1,000 */
    bool count_only;
};

struct rejoin_present_user {
    const char *user;
    uint32_t sockets;     /* there; 0: the last one is gone, and the grace of the room is not over */
    uint64_t since_ms;    /* Unix time from which on the user has been there */
    bool is_reconnecting; /* it has no socket that its gateway vouches for */
    const char *data;     /* the member `presence` of the data of its oldest socket there that has one; "" */
};

/* Owned by whoever received it; valid also after the handle is closed. */
struct rejoin_presence {
    const struct rejoin_present_user *users; /* ascending by name */
    size_t count;
    bool has_more;              /* ask again, `after` the last one's name, however short this page is */
    uint64_t total;             /* users in all, those who are reconnecting too … */
    uint64_t total_away;        /* … of them, those without a socket */
    uint64_t sockets;           /* in all */
    uint64_t anonymous_sockets; /* of them, those without a user */
};

/* `presence` belongs to the callback, which frees it; NULL unless `status` is REJOIN_OK. */
typedef void rejoin_on_presence(void *arg, enum rejoin_status status, struct rejoin_presence *presence);

/* Asks for a page of users. A room that nobody has ever used has nobody in it. REJOIN_BAD_NAMESPACE,
 * REJOIN_BAD_NAME (to the callback). */
enum rejoin_status rejoin_presence(struct rejoin *handle, const struct rejoin_presence_query *query,
                                   rejoin_on_presence *callback, void *arg);
enum rejoin_status rejoin_presence_wait(struct rejoin *handle, const struct rejoin_presence_query *query,
                                        int timeout_ms, struct rejoin_presence **out);

/* Frees it and sets `*presence` to NULL; NULL inside is fine. */
void rejoin_presence_free(struct rejoin_presence **presence);

/* ------------------------------------------------------------------------------------------ one user */

/* Owned by whoever received it; valid also after the handle is closed. */
struct rejoin_user {
    uint64_t total;                      /* sockets that the user has; 0: it is not connected */
    const struct rejoin_socket *sockets; /* the oldest first, without handshake and auth … */
    size_t count;                        /* … as many as fit and were asked for */
    bool is_reconnecting;                /* no socket that its gateway vouches for */
    uint64_t last_seen_ms; /* Unix time; of one who is connected: now. 0: never seen, or longer ago than the
                              broker's last-seen-lifetime */
};

/* `user` belongs to the callback, which frees it; NULL unless `status` is REJOIN_OK. */
typedef void rejoin_on_user(void *arg, enum rejoin_status status, struct rejoin_user *user);

/* Asks about one user. `nsp` NULL = "/"; `limit` sockets at most, 0 = 100, at most 1,000. */
enum rejoin_status rejoin_user(struct rejoin *handle, const char *nsp, const char *user, uint32_t limit,
                               rejoin_on_user *callback, void *arg);
enum rejoin_status rejoin_user_wait(struct rejoin *handle, const char *nsp, const char *user, uint32_t limit,
                                    int timeout_ms, struct rejoin_user **out);

/* Frees it and sets `*user` to NULL; NULL inside is fine. */
void rejoin_user_free(struct rejoin_user **user);

#ifdef __cplusplus
}
#endif

#endif
